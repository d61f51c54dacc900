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

TEST(a_range_beyond_2_to_the_63_is_refused)
{
	struct conn *c = locker(w);

	fails_somehow(c, lock(1, WRLCK, (uint64_t)1 << 63, 1));
	fails_somehow(c, lock(1, WRLCK, UINT64_MAX, 0));
	fails_somehow(c, lock(1, WRLCK, INT64_MAX, 10));
	granted(c, lock(1, WRLCK, 0, 0));
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

TEST(getlock_names_the_process_of_the_host)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 1};
	struct conn *c = locker(w);
	_cleanup_close_ int fd = openat(w->dir, "f", O_RDWR | O_CLOEXEC);

	check(fcntl(fd, F_SETLK, &range) == 0);
	equal(ok(c, getlock(1, WRLCK, 0, 0))->Rgetlock.proc_id, (uint32_t)getpid());
}

TEST(getlock_never_answers_more_than_a_client_has_room_for)
{
	struct conn *c = locker(w);
	struct p9_msg m = getlock(2, WRLCK, 0, 0);

	granted(c, lock(1, WRLCK, 0, 0));
	m.Tgetlock.client_id = p9_str(long_name('c', 6000));
	check(errno_of(c, m) != -1); /* and receive() looks at the size */
}

/* ---- waiting ---- */

#define WAITS_MAX 128 /* of one server */
#define TAG 40000     /* call() uses lower ones */

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
