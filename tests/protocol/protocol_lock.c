/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_lock.c - Tlock and Tgetlock: byte ranges against other owners, other connections and
 * the host, and waits for them.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/protocol/harness.h"

#define RDLCK P9_LOCK_RDLCK
#define WRLCK P9_LOCK_WRLCK
#define UNLCK P9_LOCK_UNLCK
#define TAG 40000 /* call() uses lower ones */

/* The process number is the owner: as many processes as fids, unless a test says else. */
static struct p9_msg lock(uint32_t fid, uint8_t type, uint64_t start, uint64_t length)
{
	return T(lock, .fid = fid, .type = type, .start = start, .length = length,
		 .proc_id = 100 + fid, .client_id = p9_str("guest"));
}

static struct p9_msg getlock(uint32_t fid, uint8_t type, uint64_t start, uint64_t length)
{
	return T(getlock, .fid = fid, .type = type, .start = start, .length = length,
		 .proc_id = 100 + fid, .client_id = p9_str("guest"));
}

#define granted(c, m) equal(ok(c, m)->Rlock.status, P9_LOCK_SUCCESS)
#define blocked(c, m) equal(ok(c, m)->Rlock.status, P9_LOCK_BLOCKED)

/* "f" open for both by fids 1 and 2. */
static struct conn *locker(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_RDWR);
	open_path(c, 2, "f", L_RDWR);
	return c;
}

TEST(a_free_range_can_be_locked_and_unlocked)
{
	struct conn *c = locker(w);

	granted(c, lock(1, RDLCK, 0, 0));
	granted(c, lock(1, UNLCK, 0, 0));
	granted(c, lock(1, WRLCK, 0, 0));
	granted(c, lock(1, UNLCK, 0, 0));
}

TEST(unlock_of_what_is_not_locked_succeeds)
{
	granted(locker(w), lock(1, UNLCK, 0, 0));
}

TEST(a_write_lock_blocks_the_locks_of_another_fid)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 0, 0));
	blocked(c, lock(2, WRLCK, 0, 0));
	blocked(c, lock(2, RDLCK, 0, 0));
}

TEST(a_read_lock_blocks_the_write_lock_of_another_fid)
{
	struct conn *c = locker(w);

	granted(c, lock(1, RDLCK, 0, 0));
	blocked(c, lock(2, WRLCK, 0, 0));
	granted(c, lock(2, RDLCK, 0, 0));
}

TEST(a_lock_blocks_those_of_another_connection)
{
	struct conn *a = locker(w), *b = session(w);

	open_path(b, 1, "f", L_RDWR);
	granted(a, lock(1, WRLCK, 0, 0));
	blocked(b, lock(1, WRLCK, 0, 0));
	blocked(b, lock(1, RDLCK, 0, 0));
}

TEST(locks_that_do_not_overlap_do_not_conflict)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 0, 10));
	granted(c, lock(2, WRLCK, 10, 10));
	blocked(c, lock(2, WRLCK, 9, 1));
	blocked(c, lock(1, WRLCK, 19, 5));
	granted(c, lock(1, WRLCK, 20, 5));
}

TEST(a_lock_of_length_0_reaches_to_the_end)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 100, 0));
	granted(c, lock(2, WRLCK, 0, 100));
	blocked(c, lock(2, WRLCK, (uint64_t)1 << 40, 1));
}

TEST(a_part_of_a_lock_can_be_released)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 0, 30));
	granted(c, lock(1, UNLCK, 10, 10));
	granted(c, lock(2, WRLCK, 10, 10));
	blocked(c, lock(2, WRLCK, 0, 1));
	blocked(c, lock(2, WRLCK, 29, 1));
}

TEST(a_lock_can_be_changed_by_its_holder)
{
	struct conn *c = locker(w);

	granted(c, lock(1, RDLCK, 0, 0));
	granted(c, lock(1, WRLCK, 0, 0));
	blocked(c, lock(2, RDLCK, 0, 0));
	granted(c, lock(1, RDLCK, 0, 0));
	granted(c, lock(2, RDLCK, 0, 0));
}

TEST(a_process_does_not_conflict_with_itself)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(2, WRLCK, 0, 0);

	granted(c, lock(1, WRLCK, 0, 0));
	m.Tlock.proc_id = 101;
	granted(c, m);
	m.Tlock.type = UNLCK;
	granted(c, m);
	granted(c, lock(2, WRLCK, 0, 0)); /* as another process: all is free again */
}

TEST(locks_beyond_4_GiB)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, (uint64_t)5 << 30, 10));
	granted(c, lock(2, WRLCK, 1 << 30, 10));
	blocked(c, lock(2, WRLCK, ((uint64_t)5 << 30) + 9, 10));
}

TEST(clunk_releases_the_locks)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 0, 0));
	clunk(c, 1);
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(clunk_of_another_fid_releases_nothing)
{
	struct conn *c = locker(w), *other = session(w);

	open_path(other, 1, "f", L_RDWR);
	granted(c, lock(1, WRLCK, 0, 0));
	clunk(c, 2);
	blocked(other, lock(1, WRLCK, 0, 0));
}

TEST(remove_releases_the_locks)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 0, 0));
	ok(c, T(remove, .fid = 1));
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(the_end_of_a_connection_releases_the_locks)
{
	struct conn *a = locker(w), *b = session(w);

	open_path(b, 1, "f", L_RDWR);
	granted(a, lock(1, WRLCK, 0, 0));
	blocked(b, lock(1, WRLCK, 0, 0));
	conn_close(a);
	check(is_granted_in_the_end(b, lock(1, WRLCK, 0, 0)));
}

TEST(lock_of_an_unknown_type_is_EINVAL)
{
	struct conn *c = locker(w);

	fails(c, EINVAL, lock(1, 3, 0, 0));
	fails(c, EINVAL, lock(1, 255, 0, 0));
	fails(c, EINVAL, getlock(1, 3, 0, 0));
}

TEST(lock_with_unknown_flags_is_EINVAL)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(1, WRLCK, 0, 0);

	m.Tlock.flags = 4;
	fails(c, EINVAL, m);
	m.Tlock.flags = 0x80000001;
	fails(c, EINVAL, m);
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(lock_with_RECLAIM_is_as_without)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(1, WRLCK, 0, 0);

	m.Tlock.flags = P9_LOCK_RECLAIM;
	granted(c, m);
	m = lock(2, WRLCK, 0, 0);
	m.Tlock.flags = P9_LOCK_RECLAIM;
	blocked(c, m);
	m = lock(1, UNLCK, 0, 0);
	m.Tlock.flags = P9_LOCK_RECLAIM | P9_LOCK_BLOCK;
	granted(c, m);
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(a_client_id_of_more_than_255_bytes_is_EINVAL)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(1, WRLCK, 0, 0), g = getlock(1, WRLCK, 0, 0);

	m.Tlock.client_id = g.Tgetlock.client_id = p9_str(long_name('c', 256));
	fails(c, EINVAL, m);
	fails(c, EINVAL, g);
	granted(c, lock(2, WRLCK, 0, 0));
	granted(c, lock(2, UNLCK, 0, 0));
	m.Tlock.client_id = g.Tgetlock.client_id = p9_str(long_name('c', 255));
	granted(c, m);
	equal(ok(c, g)->Rgetlock.type, UNLCK);
}

TEST(the_same_process_number_of_another_client_is_another_process)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(1, WRLCK, 0, 0);

	granted(c, m);
	m.Tlock.fid = 2;
	m.Tlock.client_id = p9_str("another guest");
	blocked(c, m);
	m.Tlock.client_id = p9_str("");
	blocked(c, m);
}

TEST(lock_of_a_fid_that_is_not_open_is_EBADF)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, EBADF, lock(1, WRLCK, 0, 0));
	fails(c, EBADF, getlock(1, WRLCK, 0, 0));
	fails(c, EBADF, lock(9, WRLCK, 0, 0));
	fails(c, EBADF, getlock(9, WRLCK, 0, 0));
}

TEST(a_read_lock_needs_a_fid_open_for_reading)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_WRONLY);
	fails(c, EBADF, lock(1, RDLCK, 0, 0));
	granted(c, lock(1, WRLCK, 0, 0));
}

TEST(a_write_lock_needs_a_fid_open_for_writing)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDONLY);
	fails(c, EBADF, lock(1, WRLCK, 0, 0));
	granted(c, lock(1, RDLCK, 0, 0));
}

TEST(a_range_beyond_2_to_the_63_is_EINVAL)
{
	struct conn *c = locker(w);

	fails(c, EINVAL, lock(1, WRLCK, (uint64_t)1 << 63, 1));
	fails(c, EINVAL, lock(1, WRLCK, UINT64_MAX, 0));
	fails(c, EINVAL, lock(1, WRLCK, INT64_MAX, 10));
	fails(c, EINVAL, lock(1, WRLCK, 1, UINT64_MAX));
	fails(c, EINVAL, getlock(1, WRLCK, (uint64_t)1 << 63, 1));
	fails(c, EINVAL, getlock(1, WRLCK, INT64_MAX, 10));
	granted(c, lock(1, WRLCK, 0, 0));
	granted(c, lock(1, WRLCK, INT64_MAX, 0));
}

/* A lock of this process, which the server must see and respect. */
static int host_lock(struct world *w, short type, off_t start, off_t length)
{
	struct flock range = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	int fd = openat(w->dir, "f", O_RDWR | O_CLOEXEC);

	check(fcntl(fd, F_OFD_SETLK, &range) == 0);
	return fd;
}

/* A process that has the fid by fork(2). */
static struct p9_msg lock_as(uint32_t proc_id, uint8_t type, uint64_t start, uint64_t length)
{
	struct p9_msg msg = lock(1, type, start, length);

	msg.Tlock.proc_id = proc_id;
	return msg;
}

/* Linux unlocks all of a file when a process closes it. */
TEST(an_unlock_by_a_process_that_has_locked_nothing_releases_nothing)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 10, 10));
	granted(c, lock_as(202, UNLCK, 0, 0));
	blocked(c, lock(2, WRLCK, 10, 10));
	granted(c, lock(1, UNLCK, 0, 0));
	granted(c, lock(2, WRLCK, 10, 10));
}

TEST(an_unlock_releases_what_its_own_process_holds)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 10, 10));
	granted(c, lock_as(202, WRLCK, 30, 10));
	granted(c, lock_as(202, UNLCK, 0, 0));
	blocked(c, lock(2, WRLCK, 10, 10));
	granted(c, lock(2, WRLCK, 30, 10));
	granted(c, lock_as(202, UNLCK, 0, 0));
	blocked(c, lock(2, WRLCK, 10, 10));
}

/* Each byte of "f" below `size` that nobody has locked, as another client sees it. */
static unsigned free_bytes(struct conn *other, unsigned size)
{
	unsigned free = 0;

	for (unsigned i = 0; i < size; i++) {
		if (ok(other, lock(1, WRLCK, i, 1))->Rlock.status != P9_LOCK_SUCCESS)
			continue;
		free++;
		granted(other, lock(1, UNLCK, i, 1));
	}
	return free;
}

static struct conn *another_client(struct world *w)
{
	struct conn *c = session(w);

	open_path(c, 1, "f", L_RDWR);
	return c;
}

TEST(an_unlock_leaves_what_another_process_reads_too)
{
	struct conn *c = locker(w), *other = another_client(w);

	granted(c, lock(1, RDLCK, 0, 10));
	granted(c, lock_as(202, RDLCK, 5, 10));
	granted(c, lock(1, UNLCK, 0, 0));
	granted(other, lock(1, WRLCK, 0, 5));
	blocked(other, lock(1, WRLCK, 5, 1));
	blocked(other, lock(1, WRLCK, 14, 1));
	granted(c, lock_as(202, UNLCK, 7, 2));
	granted(other, lock(1, WRLCK, 7, 2));
	blocked(other, lock(1, WRLCK, 6, 1));
	granted(c, lock_as(202, UNLCK, 0, 0));
	granted(other, lock(1, WRLCK, 0, 0));
}

TEST(an_unlock_leaves_what_another_process_has_in_between)
{
	struct conn *c = locker(w), *other = another_client(w);

	granted(c, lock(1, WRLCK, 0, 5));
	granted(c, lock(1, WRLCK, 20, 5));
	granted(c, lock_as(202, WRLCK, 10, 2));
	granted(c, lock(1, UNLCK, 0, 0));
	equal(free_bytes(other, 30), 28);
	blocked(other, lock(1, WRLCK, 10, 2));
	granted(c, lock_as(202, UNLCK, 0, 0));
	granted(other, lock(1, WRLCK, 0, 0));
}

/* Three processes: each byte is locked as long as one of them has it. */
TEST(what_is_locked_is_what_any_process_of_a_fid_holds)
{
	enum { BYTES = 24, PROCESSES = 3 };
	struct conn *c = locker(w), *other = another_client(w);
	bool holds[PROCESSES][BYTES] = {0};
	uint32_t random = 1;

	for (int round = 0; round < 300; round++) {
		uint32_t who, start, length, used = 0;
		bool unlocks;

		random = random * 1103515245 + 12345;
		who = random >> 8 & 0xff;
		start = random >> 16 & 0xff;
		length = 1 + (random >> 24 & 7);
		unlocks = who / PROCESSES % 2;
		who %= PROCESSES;
		start %= BYTES - 8;
		granted(c, lock_as(300 + who, unlocks ? UNLCK : RDLCK, start, length));
		memset(&holds[who][start], !unlocks, length);
		for (unsigned i = 0; i < BYTES; i++)
			used += holds[0][i] || holds[1][i] || holds[2][i];
		if (round % 10 == 0)
			equal(free_bytes(other, BYTES), BYTES - used);
	}
}

/* More than are remembered one by one: none is lost. */
TEST(a_process_with_many_ranges_holds_them_all)
{
	struct conn *c = locker(w), *other = another_client(w);

	for (uint32_t i = 0; i < 40; i++)
		granted(c, lock(1, RDLCK, 3 * i, 1));
	granted(c, lock_as(202, RDLCK, 0, 200));
	granted(c, lock_as(202, UNLCK, 0, 200));
	for (uint32_t i = 0; i < 40; i++)
		blocked(other, lock(1, WRLCK, 3 * i, 1));
	granted(c, lock(1, UNLCK, 0, 0));
	granted(other, lock(1, WRLCK, 0, 0));
}

/* A process that may only read through one fid, and only write through the other. */
TEST(an_unlock_is_for_all_open_files_of_a_process)
{
	struct conn *c = session(w), *other;
	struct p9_msg m;

	host_file(w, "f", "some text");
	other = another_client(w);
	open_path(c, 1, "f", L_RDONLY);
	open_path(c, 2, "f", L_WRONLY);
	open_path(c, 3, "f", L_RDWR);
	granted(c, lock(1, RDLCK, 0, 10));
	m = lock(2, WRLCK, 20, 10);
	m.Tlock.proc_id = 101;
	granted(c, m);
	m = lock(3, WRLCK, 40, 10);
	m.Tlock.proc_id = 101;
	granted(c, m);
	m = lock(1, RDLCK, 60, 10);
	granted(c, m);
	equal(free_bytes(other, 70), 30);
	m = lock(3, UNLCK, 5, 60);
	m.Tlock.proc_id = 101;
	granted(c, m);
	equal(free_bytes(other, 70), 60);
	granted(c, lock(1, UNLCK, 0, 0));
	granted(other, lock(1, WRLCK, 0, 0));
}

TEST(a_read_lock_is_not_set_through_a_fid_that_may_only_write)
{
	struct conn *c = session(w);
	struct p9_msg m = lock(2, RDLCK, 20, 10);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_WRONLY);
	open_path(c, 2, "f", L_RDONLY);
	granted(c, lock(1, WRLCK, 0, 10));
	m.Tlock.proc_id = 101;
	granted(c, m);
}

/* Both at once, again and again: the unlock is of the one, the lock of the other. */
TEST(an_unlock_and_a_lock_at_once_are_made_one_after_the_other)
{
	struct conn *c = locker(w), *other = another_client(w);

	for (int i = 0; i < 300; i++) {
		granted(c, lock(1, RDLCK, 0, 10));
		send_msg(c, TAG, lock(1, UNLCK, 0, 0));
		send_msg(c, TAG + 1, lock_as(202, RDLCK, 5, 10));
		send_msg(c, TAG + 2, lock_as(203, RDLCK, 2, 4));
		send_msg(c, TAG + 3, lock_as(203, UNLCK, 0, 0));
		for (int n = 0; n < 4; n++)
			check(receive(c) != NULL && c->reply.type == P9_Rlock &&
			      c->reply.Rlock.status == P9_LOCK_SUCCESS);
		blocked(other, lock(1, WRLCK, 5, 1));
		granted(c, lock_as(203, UNLCK, 0, 0));
		granted(other, lock(1, WRLCK, 0, 5));
		granted(other, lock(1, UNLCK, 0, 0));
		granted(c, lock_as(202, UNLCK, 0, 0));
		granted(other, lock(1, WRLCK, 0, 0));
		granted(other, lock(1, UNLCK, 0, 0));
	}
}

/* The lock is granted or not, but never forgotten while it is held. */
TEST(a_lock_and_an_unlock_of_one_process_at_once)
{
	struct conn *c = locker(w), *other = another_client(w);

	for (int i = 0; i < 300; i++) {
		granted(c, lock(1, RDLCK, 0, 10));
		send_msg(c, TAG, lock(1, UNLCK, 0, 0));
		send_msg(c, TAG + 1, lock(1, RDLCK, 0, 10));
		send_msg(c, TAG + 2, lock(1, UNLCK, 3, 2));
		for (int n = 0; n < 3; n++)
			check(receive(c) != NULL && c->reply.Rlock.status == P9_LOCK_SUCCESS);
		granted(c, lock(1, UNLCK, 0, 0));
		granted(other, lock(1, WRLCK, 0, 0));
		granted(other, lock(1, UNLCK, 0, 0));
	}
}

TEST(processes_with_one_fid_lock_and_unlock_by_turns)
{
	struct conn *c = locker(w);

	for (uint32_t i = 0; i < 3000; i++) {
		granted(c, lock_as(1000 + i, WRLCK, 5, 1));
		granted(c, lock_as(1000 + i, UNLCK, 5, 1));
	}
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(locks_of_too_many_processes_are_ENOLCK_and_granted_when_one_is_gone)
{
	struct conn *c = locker(w);

	for (uint32_t i = 0; i < 1024; i++)
		granted(c, lock_as(1000 + i, WRLCK, i + 1, 1));
	fails(c, ENOLCK, lock_as(5000, WRLCK, 5000, 1));
	granted(c, lock_as(1500, WRLCK, 5000, 1));
	granted(c, lock_as(1007, UNLCK, 0, 0));
	granted(c, lock_as(5000, WRLCK, 6000, 1));
}

/* All at once: as many as can be remembered, and none besides that would be held by nobody. */
TEST(too_many_locks_at_once_are_ENOLCK_and_none_is_forgotten)
{
	enum { LOCKS = 1024 + 200 };
	struct conn *c = locker(w), *other = another_client(w);
	unsigned held = 0, refused = 0;

	for (uint32_t at = 0; at < LOCKS; at += 100) {
		for (uint16_t i = 0; i < 100; i++)
			send_msg(c, TAG + i, lock_as(1000 + at + i, WRLCK, 1 + 2 * (at + i), 1));
		for (int i = 0; i < 100; i++) {
			const struct p9_msg *reply = receive(c);

			check(reply != NULL);
			held += reply->type == P9_Rlock;
			refused += reply->type == P9_Rlerror && reply->Rlerror.ecode == ENOLCK;
		}
	}
	equal(held + refused, (LOCKS + 99) / 100 * 100);
	check(held <= 1024 && held > 900);
	for (uint32_t i = 0; i < LOCKS + 100; i++)
		granted(c, lock_as(1000 + i, UNLCK, 0, 0));
	granted(other, lock(1, WRLCK, 0, 0));
}

/* As flock(1) does it for a shell. */
TEST(a_lock_of_the_whole_file_is_released_by_another_process)
{
	struct conn *c = locker(w);

	for (uint32_t i = 0; i < 3000; i += 2) {
		granted(c, lock_as(1000 + i, WRLCK, 0, 0));
		granted(c, lock_as(1001 + i, UNLCK, 0, 0));
	}
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(a_lock_of_the_host_blocks)
{
	struct conn *c = locker(w);
	int fd = host_lock(w, F_WRLCK, 10, 10);

	blocked(c, lock(1, RDLCK, 15, 1));
	granted(c, lock(1, WRLCK, 0, 10));
	close(fd);
	granted(c, lock(1, RDLCK, 15, 1));
}

TEST(a_lock_blocks_the_host)
{
	struct conn *c = locker(w);
	struct flock range = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = openat(w->dir, "f", O_RDWR | O_CLOEXEC);

	granted(c, lock(1, WRLCK, 0, 0));
	check(fcntl(fd, F_OFD_SETLK, &range) == -1 && (errno == EAGAIN || errno == EACCES));
	granted(c, lock(1, UNLCK, 0, 0));
	check(fcntl(fd, F_OFD_SETLK, &range) == 0);
}

/* ---- Tgetlock ---- */

TEST(getlock_of_a_free_range_is_UNLCK)
{
	struct conn *c = locker(w);

	equal(ok(c, getlock(1, RDLCK, 0, 0))->Rgetlock.type, UNLCK);
	equal(ok(c, getlock(1, WRLCK, 0, 0))->Rgetlock.type, UNLCK);
	equal(ok(c, getlock(1, UNLCK, 0, 0))->Rgetlock.type, UNLCK);
}

TEST(getlock_of_a_free_range_has_the_rest_as_it_came)
{
	struct conn *c = locker(w);
	struct p9_Rgetlock found = ok(c, getlock(1, UNLCK, 123, 456))->Rgetlock;

	equal(found.type, UNLCK);
	equal(found.start, 123);
	equal(found.length, 456);
	equal(found.proc_id, 101);
	check(same_str(found.client_id, "guest"));
}

TEST(getlock_answers_whatever_the_fid_is_open_for)
{
	struct conn *c = locker(w);

	open_path(c, 3, "f", L_RDONLY);
	open_path(c, 4, "f", L_WRONLY);
	granted(c, lock(1, WRLCK, 0, 10));
	for (uint8_t type = RDLCK; type <= UNLCK; type++) {
		equal(ok(c, getlock(3, type, 0, 0))->Rgetlock.type, WRLCK);
		equal(ok(c, getlock(4, type, 0, 0))->Rgetlock.type, WRLCK);
	}
}

TEST(getlock_tells_the_lock_in_the_way)
{
	struct conn *c = locker(w);
	struct p9_Rgetlock found;

	granted(c, lock(1, WRLCK, 100, 10));
	found = ok(c, getlock(2, RDLCK, 0, 0))->Rgetlock;
	equal(found.type, WRLCK);
	equal(found.start, 100);
	equal(found.length, 10);
}

TEST(getlock_takes_nothing)
{
	struct conn *c = locker(w);

	ok(c, getlock(1, WRLCK, 0, 0));
	granted(c, lock(2, WRLCK, 0, 0));
}

TEST(getlock_of_type_UNLCK_asks_for_a_write_lock)
{
	struct conn *c = locker(w);

	granted(c, lock(1, RDLCK, 0, 10));
	equal(ok(c, getlock(2, UNLCK, 0, 0))->Rgetlock.type, RDLCK);
	equal(ok(c, getlock(2, UNLCK, 10, 0))->Rgetlock.type, UNLCK);
}

TEST(getlock_of_a_read_lock_does_not_mind_read_locks)
{
	struct conn *c = locker(w);

	granted(c, lock(1, RDLCK, 0, 0));
	equal(ok(c, getlock(2, RDLCK, 0, 0))->Rgetlock.type, UNLCK);
	equal(ok(c, getlock(2, WRLCK, 0, 0))->Rgetlock.type, RDLCK);
}

TEST(getlock_does_not_mind_its_own_locks)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 0, 0));
	equal(ok(c, getlock(1, WRLCK, 0, 0))->Rgetlock.type, UNLCK);
}

TEST(getlock_of_a_lock_to_the_end_has_length_0)
{
	struct conn *c = locker(w);

	granted(c, lock(1, WRLCK, 7, 0));
	equal(ok(c, getlock(2, WRLCK, 0, 0))->Rgetlock.length, 0);
	equal(c->reply.Rgetlock.start, 7);
}

TEST(getlock_tells_the_process_that_has_the_lock)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(1, WRLCK, 100, 10);

	open_path(c, 3, "f", L_RDWR);
	m.Tlock.client_id = p9_str("another guest");
	granted(c, lock(3, WRLCK, 0, 10));
	granted(c, m);
	equal(ok(c, getlock(2, WRLCK, 50, 100))->Rgetlock.proc_id, 101);
	check(strcmp(c->reply.Rgetlock.client_id.text, "another guest") == 0);
	equal(ok(c, getlock(2, WRLCK, 0, 50))->Rgetlock.proc_id, 103);
	check(strcmp(c->reply.Rgetlock.client_id.text, "guest") == 0);
}

TEST(getlock_does_not_name_a_process_that_has_another_lock)
{
	struct conn *c = locker(w), *other = session(w);

	open_path(other, 1, "f", L_RDWR);
	granted(c, lock(1, WRLCK, 0, 10));
	granted(other, lock(1, WRLCK, 100, 10));
	equal(ok(c, getlock(2, WRLCK, 100, 0))->Rgetlock.proc_id, 0);
	equal(c->reply.Rgetlock.type, WRLCK);
	equal(c->reply.Rgetlock.start, 100);
}

TEST(getlock_tells_processes_with_one_fid_apart)
{
	struct conn *c = locker(w);

	granted(c, lock_as(301, WRLCK, 0, 10));
	granted(c, lock_as(302, WRLCK, 10, 10));
	granted(c, lock_as(303, RDLCK, 20, 10));
	equal(ok(c, getlock(2, WRLCK, 25, 1))->Rgetlock.proc_id, 303);
	equal(ok(c, getlock(2, WRLCK, 12, 1))->Rgetlock.proc_id, 302);
	equal(c->reply.Rgetlock.start, 10);
	equal(c->reply.Rgetlock.length, 10);
	equal(ok(c, getlock(2, WRLCK, 5, 10))->Rgetlock.proc_id, 301);
	equal(c->reply.Rgetlock.start, 0);
}

TEST(getlock_does_not_name_a_process_of_the_host)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1};
	struct conn *c = locker(w);
	_cleanup_close_ int fd = openat(w->dir, "f", O_RDWR | O_CLOEXEC);

	granted(c, lock(2, WRLCK, 0, 2));
	check(fcntl(fd, F_SETLK, &range) == 0);
	equal(ok(c, getlock(1, WRLCK, 4, 0))->Rgetlock.type, WRLCK);
	equal(c->reply.Rgetlock.start, 5);
	equal(c->reply.Rgetlock.length, 1);
	equal(c->reply.Rgetlock.proc_id, 0);
	check(c->reply.Rgetlock.client_id.len == 0);
}

TEST(getlock_never_answers_more_than_a_client_has_room_for)
{
	struct conn *c = locker(w);
	struct p9_msg m = getlock(2, WRLCK, 0, 0);

	granted(c, lock(1, WRLCK, 0, 0));
	m.Tgetlock.client_id = p9_str(long_name('c', 6000));
	fails(c, EINVAL, m);
}

/* ---- waiting ---- */

#define WAITS_MAX 128 /* of one server */

static struct p9_msg waiting(struct p9_msg m)
{
	m.Tlock.flags = P9_LOCK_BLOCK;
	return m;
}

/* Sent, and not answered: what is sent after it is. */
static void waits(struct conn *c, uint16_t tag, struct p9_msg m)
{
	send_msg(c, tag, waiting(m));
	attr(c, ROOT);
}

static void is_granted(struct conn *c, uint16_t tag)
{
	const struct p9_msg *reply = answer(c, tag);

	equal(reply->type, P9_Rlock);
	equal(reply->Rlock.status, P9_LOCK_SUCCESS);
}

/* The holder's fid 1 and this connection's, 1 and 2, are of the same file. */
static struct conn *rival(struct world *w)
{
	struct conn *c = session(w);

	open_path(c, 1, "f", L_RDWR);
	open_path(c, 2, "f", L_RDWR);
	return c;
}

TEST(a_lock_with_BLOCK_and_no_conflict_is_granted)
{
	struct conn *c = locker(w);

	granted(c, waiting(lock(1, WRLCK, 0, 0)));
	granted(c, waiting(lock(1, UNLCK, 0, 0)));
	granted(c, waiting(lock(2, RDLCK, 0, 0)));
}

TEST(a_lock_with_BLOCK_is_answered_when_it_is_granted)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	granted(holder, lock(1, UNLCK, 0, 0));
	is_granted(c, TAG);
	blocked(holder, lock(1, WRLCK, 0, 0));
}

TEST(a_wait_for_another_process_of_the_same_client)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(1, UNLCK, 0, 0);
	unsigned found = 0;

	granted(c, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(2, WRLCK, 0, 0));
	send_msg(c, TAG + 1, m);
	for (int i = 0; i < 2; i++) {
		const struct p9_msg *reply = receive(c);

		check(reply != NULL && reply->type == P9_Rlock &&
		      reply->Rlock.status == P9_LOCK_SUCCESS);
		found += reply != NULL ? reply->tag : 0;
	}
	equal(found, 2 * TAG + 1);
}

/* While one waits, the other unlocks what overlaps: nobody holds up the other, nothing is lost. */
TEST(an_unlock_does_not_wait_for_a_process_with_the_same_fid_that_waits)
{
	struct conn *c = locker(w), *holder = another_client(w), *third = another_client(w);

	for (int i = 0; i < 50; i++) {
		granted(c, lock(1, RDLCK, 0, 10));
		granted(holder, lock(1, WRLCK, 10, 10));
		waits(c, TAG, lock_as(202, RDLCK, 5, 10));
		waits(c, TAG + 1, lock_as(203, RDLCK, 7, 10));
		granted(c, lock(1, UNLCK, 0, 0));
		granted(third, lock(1, WRLCK, 0, 10));
		granted(holder, lock(1, UNLCK, 0, 0));
		granted(third, lock(1, UNLCK, 0, 0));
		for (int n = 0; n < 2; n++)
			check(receive(c) != NULL && c->reply.type == P9_Rlock &&
			      c->reply.Rlock.status == P9_LOCK_SUCCESS);
		granted(third, lock(1, WRLCK, 0, 5));
		blocked(third, lock(1, WRLCK, 5, 1));
		granted(c, lock_as(202, UNLCK, 0, 0));
		blocked(third, lock(1, WRLCK, 16, 1));
		granted(third, lock(1, UNLCK, 0, 0));
		granted(c, lock_as(203, UNLCK, 0, 0));
	}
}

TEST(a_wait_for_the_host)
{
	struct conn *c = locker(w);
	int fd = host_lock(w, F_WRLCK, 0, 0);

	waits(c, TAG, lock(1, RDLCK, 0, 0));
	close(fd);
	is_granted(c, TAG);
}

TEST(a_wait_for_a_connection_that_ends)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	conn_close(holder);
	is_granted(c, TAG);
}

TEST(a_wait_for_a_fid_that_is_clunked)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	clunk(holder, 1);
	is_granted(c, TAG);
}

TEST(all_readers_that_wait_are_granted)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, RDLCK, 0, 0));
	waits(c, TAG + 1, lock(2, RDLCK, 0, 0));
	granted(holder, lock(1, UNLCK, 0, 0));
	for (int i = 0; i < 2; i++)
		check(receive(c) != NULL && c->reply.Rlock.status == P9_LOCK_SUCCESS);
	blocked(holder, lock(1, WRLCK, 0, 0));
	granted(holder, lock(1, RDLCK, 0, 0));
}

TEST(a_process_that_waits_is_not_in_its_own_way)
{
	struct conn *holder = locker(w), *c = rival(w);
	struct p9_msg m = lock(2, WRLCK, 10, 10);

	m.Tlock.proc_id = 101;
	granted(holder, lock(1, WRLCK, 0, 10));
	waits(c, TAG, lock(1, WRLCK, 0, 20));
	granted(c, m);
	granted(holder, lock(1, UNLCK, 0, 0));
	is_granted(c, TAG);
	m.Tlock.type = UNLCK;
	m.Tlock.start = m.Tlock.length = 0;
	granted(c, m);
	granted(holder, lock(1, WRLCK, 0, 0));
}

TEST(a_flushed_wait_is_not_answered_and_holds_nothing)
{
	struct conn *holder = locker(w), *c = rival(w);

	for (int i = 0; i < 50; i++) {
		granted(holder, lock(1, WRLCK, 0, 0));
		if (i % 2 == 0)
			waits(c, TAG, lock(1, WRLCK, 0, 0));
		else
			send_msg(c, TAG, waiting(lock(1, WRLCK, 0, 0)));
		send_msg(c, TAG + 1, T(flush, .oldtag = TAG));
		equal(answer(c, TAG + 1)->type, P9_Rflush);
		granted(holder, lock(1, UNLCK, 0, 0));
		granted(c, lock(2, WRLCK, 0, 0));
		granted(c, lock(2, UNLCK, 0, 0));
	}
}

TEST(a_wait_that_is_flushed_twice)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	send_msg(c, TAG + 1, T(flush, .oldtag = TAG));
	send_msg(c, TAG + 2, T(flush, .oldtag = TAG));
	equal(answer(c, TAG + 1)->type, P9_Rflush);
	equal(answer(c, TAG + 2)->type, P9_Rflush);
}

TEST(what_a_process_held_before_a_flushed_wait_it_still_holds)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, RDLCK, 0, 0));
	granted(c, lock(1, RDLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	send_msg(c, TAG + 1, T(flush, .oldtag = TAG));
	equal(answer(c, TAG + 1)->type, P9_Rflush);
	blocked(holder, lock(1, WRLCK, 0, 0));
}

/* Granted and flushed at the same instant: answered and held, or neither. */
TEST(a_wait_flushed_while_it_is_granted_is_answered_if_it_holds)
{
	struct conn *holder = locker(w), *c = rival(w);

	for (int i = 0; i < 200; i++) {
		bool held;

		granted(holder, lock(1, WRLCK, 0, 0));
		send_msg(c, TAG, waiting(lock(1, WRLCK, 0, 0)));
		send_msg(holder, TAG + 10, lock(1, UNLCK, 0, 0));
		send_msg(c, TAG + 1, T(flush, .oldtag = TAG));
		held = receive(c) != NULL && c->reply.tag == TAG;
		if (held)
			equal(c->reply.Rlock.status, P9_LOCK_SUCCESS);
		if (held)
			receive(c);
		equal(c->reply.tag, TAG + 1);
		is_granted(holder, TAG + 10);
		equal(ok(holder, lock(1, WRLCK, 0, 0))->Rlock.status,
		      held ? P9_LOCK_BLOCKED : P9_LOCK_SUCCESS);
		granted(c, lock(1, UNLCK, 0, 0));
		granted(holder, lock(1, UNLCK, 0, 0));
	}
}

TEST(a_wait_whose_tag_is_used_again_is_not_answered_and_holds_nothing)
{
	struct conn *holder = locker(w), *c = rival(w);

	for (int i = 0; i < 50; i++) {
		granted(holder, lock(1, WRLCK, 0, 0));
		waits(c, TAG, lock(1, WRLCK, 0, 0));
		send_msg(c, TAG, T(getattr, .fid = ROOT));
		equal(answer(c, TAG)->type, P9_Rgetattr);
		granted(holder, lock(1, UNLCK, 0, 0));
		check(is_granted_in_the_end(holder, lock(1, WRLCK, 0, 0)));
		attr(c, ROOT);
	}
}

TEST(version_ends_a_wait)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	waits(c, TAG + 1, lock(2, WRLCK, 0, 0));
	send_msg(c, P9_NOTAG, T(version, .msize = MSIZE, .version = p9_str("9P2000.L")));
	equal(answer(c, P9_NOTAG)->type, P9_Rversion);
	granted(holder, lock(1, UNLCK, 0, 0));
	granted(holder, lock(1, WRLCK, 0, 0));
}

TEST(clunk_ends_a_wait_of_its_fid)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	send_msg(c, TAG + 1, T(clunk, .fid = 1));
	equal(answer(c, TAG)->type, P9_Rlerror);
	equal(c->reply.Rlerror.ecode, EBADF);
	equal(answer(c, TAG + 1)->type, P9_Rclunk);
	granted(holder, lock(1, UNLCK, 0, 0));
	granted(holder, lock(2, WRLCK, 0, 0));
}

/* The process's locks are set through its fid 1; it waits with 2, through 1. */
TEST(a_wait_outlives_the_clunk_of_the_fid_that_it_was_not_asked_of)
{
	struct conn *holder = locker(w), *c = rival(w);
	struct p9_msg m = lock(2, WRLCK, 0, 10);

	m.Tlock.proc_id = 101;
	granted(holder, lock(1, WRLCK, 0, 10));
	granted(c, lock(1, WRLCK, 100, 10));
	waits(c, TAG, m);
	clunk(c, 1);
	granted(holder, lock(2, WRLCK, 100, 10));
	granted(holder, lock(1, UNLCK, 0, 10));
	is_granted(c, TAG);
	blocked(holder, lock(1, WRLCK, 0, 10));
}

TEST(the_end_of_a_connection_ends_its_waits)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	waits(c, TAG, lock(1, WRLCK, 0, 0));
	conn_close(c);
	granted(holder, lock(1, UNLCK, 0, 0));
	check(is_granted_in_the_end(holder, lock(2, WRLCK, 0, 0)));
}

TEST(processes_that_wait_for_each_other_do_until_one_gives_up)
{
	struct conn *a = locker(w), *b = rival(w);

	granted(a, lock(1, WRLCK, 0, 10));
	granted(b, lock(1, WRLCK, 10, 10));
	waits(a, TAG, lock(1, WRLCK, 10, 10));
	waits(b, TAG, lock(1, WRLCK, 0, 10));
	send_msg(b, TAG + 1, T(flush, .oldtag = TAG));
	equal(answer(b, TAG + 1)->type, P9_Rflush);
	granted(b, lock(1, UNLCK, 0, 0));
	is_granted(a, TAG);
}

/* One for each byte: all that wait can be granted in the end. */
TEST(waits_beyond_the_limit_are_BLOCKED_and_none_holds_up_an_unlock)
{
	struct conn *holder = locker(w), *c = rival(w);

	granted(holder, lock(1, WRLCK, 0, 0));
	for (uint16_t i = 0; i < WAITS_MAX + 10; i++)
		send_msg(c, TAG + i, waiting(lock(1, WRLCK, i, 1)));
	for (int i = 0; i < 10; i++)
		check(receive(c) != NULL && c->reply.Rlock.status == P9_LOCK_BLOCKED);
	granted(holder, lock(1, UNLCK, 0, 0));
	for (int i = 0; i < WAITS_MAX; i++)
		check(receive(c) != NULL && c->reply.Rlock.status == P9_LOCK_SUCCESS);
	attr(c, ROOT);
}
