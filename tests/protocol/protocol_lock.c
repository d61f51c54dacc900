/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_lock.c - Tlock and Tgetlock: byte ranges against other owners, other connections and
 * the host; never a wait.
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

TEST(a_conflict_is_answered_at_once_even_with_BLOCK)
{
	struct conn *c = locker(w);
	struct p9_msg m = lock(2, WRLCK, 0, 0);

	granted(c, lock(1, WRLCK, 0, 0));
	m.Tlock.flags = P9_LOCK_BLOCK;
	blocked(c, m);
	granted(c, lock(1, UNLCK, 0, 0));
	granted(c, m);
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

TEST(getlock_never_answers_more_than_a_client_has_room_for)
{
	struct conn *c = locker(w);
	struct p9_msg m = getlock(2, WRLCK, 0, 0);

	granted(c, lock(1, WRLCK, 0, 0));
	m.Tgetlock.client_id = p9_str(long_name('c', 6000));
	check(errno_of(c, m) != -1); /* and receive() looks at the size */
}
