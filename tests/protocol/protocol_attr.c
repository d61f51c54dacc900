/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_attr.c - Tgetattr against the host's stat(2), Tsetattr bit by bit, Tstatfs.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "tests/protocol/harness.h"

/* ---- Tgetattr ---- */

static void equals_stat(struct p9_Rgetattr a, struct stat st)
{
	check((a.valid & P9_GETATTR_BASIC) == P9_GETATTR_BASIC);
	equal(a.mode, st.st_mode);
	equal(a.uid, st.st_uid);
	equal(a.gid, st.st_gid);
	equal(a.nlink, st.st_nlink);
	equal(a.size, st.st_size);
	equal(a.blocks, st.st_blocks);
	equal(a.atime_sec, st.st_atim.tv_sec);
	equal(a.atime_nsec, st.st_atim.tv_nsec);
	equal(a.mtime_sec, st.st_mtim.tv_sec);
	equal(a.mtime_nsec, st.st_mtim.tv_nsec);
	equal(a.ctime_sec, st.st_ctim.tv_sec);
	equal(a.ctime_nsec, st.st_ctim.tv_nsec);
	equal(a.blksize, st.st_blksize);
	equal(a.qid.path, st.st_ino);
	equal(a.data_version, 0);
	check((a.valid & ~(uint64_t)(P9_GETATTR_BASIC | P9_GETATTR_BTIME | P9_GETATTR_GEN)) == 0);
}

static void attr_is_that_of_the_host(struct world *w, const char *path)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, path);
	equals_stat(attr(c, 1), host_stat(w, path));
}

TEST(getattr_of_a_file_is_that_of_the_host)
{
	host_file(w, "f", "some text");
	check(fchmodat(w->dir, "f", 04751, 0) == 0);
	attr_is_that_of_the_host(w, "f");
}

TEST(getattr_of_a_directory_is_that_of_the_host)
{
	host_dir(w, "d");
	host_dir(w, "d/e");
	check(fchmodat(w->dir, "d", 01777, 0) == 0);
	attr_is_that_of_the_host(w, "d");
}

TEST(getattr_of_a_symlink_is_that_of_the_host)
{
	host_symlink(w, "l", "target");
	attr_is_that_of_the_host(w, "l");
}

TEST(getattr_of_a_fifo_is_that_of_the_host)
{
	host_node(w, "p", S_IFIFO | 0640, 0);
	attr_is_that_of_the_host(w, "p");
}

TEST(getattr_of_a_hard_link_is_that_of_the_host)
{
	host_file(w, "f", "");
	check(linkat(w->dir, "f", w->dir, "g", 0) == 0);
	attr_is_that_of_the_host(w, "g");
}

TEST(getattr_of_a_foreign_file_is_that_of_the_host)
{
	if (!need_root())
		return;
	host_file(w, "f", "");
	check(fchownat(w->dir, "f", 4000000000u, 70000, 0) == 0);
	attr_is_that_of_the_host(w, "f");
}

TEST(getattr_of_a_sparse_file_is_that_of_the_host)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDWR);
	writes(c, 1, (uint64_t)1 << 33, "end");
	equals_stat(attr(c, 1), host_stat(w, "f"));
	check(attr(c, 1).blocks * 512 < attr(c, 1).size);
}

TEST(getattr_of_a_device_has_the_numbers_of_linux)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_node(w, "n", S_IFBLK | 0640, makedev(0x1ab, 0x54321));
	walk(c, ROOT, 1, "n");
	equal(attr(c, 1).rdev, 0x21 | 0x1ab << 8 | 0x54300u << 12);
}

TEST(getattr_of_times_before_1970)
{
	struct timespec times[2] = {{.tv_sec = -5, .tv_nsec = 7}, {.tv_sec = -100000}};
	struct conn *c = session(w);

	host_file(w, "f", "");
	check(utimensat(w->dir, "f", times, 0) == 0);
	walk(c, ROOT, 1, "f");
	equal(attr(c, 1).atime_sec, -5);
	equal(attr(c, 1).atime_nsec, 7);
	equal(attr(c, 1).mtime_sec, -100000);
}

TEST(getattr_fills_all_whatever_is_asked)
{
	static const uint64_t masks[] = {0, 1, 0x100, 0x17ff, 0x3fff, UINT64_MAX};
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	walk(c, ROOT, 1, "f");
	for (size_t i = 0; i < countof(masks); i++)
		equals_stat(ok(c, T(getattr, .fid = 1, .request_mask = masks[i]))->Rgetattr,
			    host_stat(w, "f"));
}

static uint64_t at(const struct conn *c, unsigned offset, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | c->raw[offset + bytes];
	return value;
}

TEST(getattr_has_its_fields_where_the_specification_has_them)
{
	struct conn *c = session(w);
	struct p9_Rgetattr a;

	host_file(w, "f", "some text");
	walk(c, ROOT, 1, "f");
	a = ok(c, T(getattr, .fid = 1, .request_mask = 0x3fff))->Rgetattr;
	equal(at(c, 0, 4), 160);
	equal(at(c, 4, 1), 25);
	equal(at(c, 7, 8), a.valid);
	equal(at(c, 15, 1), a.qid.type);
	equal(at(c, 16, 4), a.qid.version);
	equal(at(c, 20, 8), a.qid.path);
	equal(at(c, 28, 4), S_IFREG | 0644);
	equal(at(c, 32, 4), geteuid());
	equal(at(c, 36, 4), host_stat(w, "f").st_gid);
	equal(at(c, 40, 8), 1);
	equal(at(c, 48, 8), 0);
	equal(at(c, 56, 8), 9);
	equal(at(c, 64, 8), host_stat(w, "f").st_blksize);
	equal(at(c, 72, 8), host_stat(w, "f").st_blocks);
	equal(at(c, 80, 8), host_stat(w, "f").st_atim.tv_sec);
	equal(at(c, 88, 8), host_stat(w, "f").st_atim.tv_nsec);
	equal(at(c, 96, 8), host_stat(w, "f").st_mtim.tv_sec);
	equal(at(c, 104, 8), host_stat(w, "f").st_mtim.tv_nsec);
	equal(at(c, 112, 8), host_stat(w, "f").st_ctim.tv_sec);
	equal(at(c, 120, 8), host_stat(w, "f").st_ctim.tv_nsec);
	equal(at(c, 128, 8), a.btime_sec);
	equal(at(c, 136, 8), a.btime_nsec);
	equal(at(c, 144, 8), a.gen);
	equal(at(c, 152, 8), 0);
}

TEST(getattr_has_a_sane_block_size)
{
	struct conn *c = session(w);
	uint64_t size;

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	size = attr(c, 1).blksize;
	check(size >= 4096);
	equal(size & (size - 1), 0);
}

TEST(getattr_has_the_btime_of_the_host_if_any)
{
	struct conn *c = session(w);
	struct p9_Rgetattr a;
	struct statx st;

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	a = ok(c, T(getattr, .fid = 1, .request_mask = 0x3fff))->Rgetattr;
	if ((a.valid & P9_GETATTR_BTIME) == 0)
		return;
	check(statx(w->dir, "f", 0, STATX_BTIME, &st) == 0);
	equal(a.btime_sec, st.stx_btime.tv_sec);
	equal(a.btime_nsec, st.stx_btime.tv_nsec);
}

TEST(getattr_always_has_the_same_generation)
{
	struct conn *c = session(w);
	struct p9_Rgetattr first, second;

	host_file(w, "f", "");
	check(fchmodat(w->dir, "f", 0, 0) == 0);
	walk(c, ROOT, 1, "f");
	first = ok(c, T(getattr, .fid = 1, .request_mask = 0x3fff))->Rgetattr;
	check(fchmodat(w->dir, "f", 0644, 0) == 0);
	ok(c, T(lopen, .fid = 1, .flags = L_RDWR));
	second = ok(c, T(getattr, .fid = 1, .request_mask = 0x7ff))->Rgetattr;
	equal(first.gen, second.gen);
	equal(first.data_version, 0);
}

TEST(another_object_of_the_same_path_has_another_generation)
{
	struct conn *c = session(w);
	struct p9_Rgetattr first, second;

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	first = attr(c, 1);
	ok(c, T(remove, .fid = 1));
	usleep(20000); /* not in the same tick of the clock */
	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	second = attr(c, 1);
	if ((first.valid & P9_GETATTR_GEN) == 0)
		return test_skip("the file system knows no time of birth");
	if (first.qid.path != second.qid.path)
		return test_skip("the file system gave the new object another number");
	check(first.gen != second.gen);
	check(first.qid.version != second.qid.version);
}

TEST(getattr_sees_a_write_at_once)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDWR);
	walk(c, ROOT, 2, "f");
	for (uint64_t i = 0; i < 20; i++) {
		writes(c, 1, i * 4, "text");
		equal(attr(c, 1).size, i * 4 + 4);
		equal(attr(c, 2).size, i * 4 + 4);
	}
}

TEST(getattr_sees_changes_of_the_host)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	host_file(w, "f", "longer");
	check(fchmodat(w->dir, "f", 0600, 0) == 0);
	equals_stat(attr(c, 1), host_stat(w, "f"));
}

/* ---- Tsetattr ---- */

#define SET(bits, ...) T(setattr, .fid = 1, .valid = (bits), __VA_ARGS__)

static struct conn *file_session(struct world *w)
{
	struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 1}, {.tv_sec = 2000, .tv_nsec = 2}};
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	check(fchmodat(w->dir, "f", 0644, 0) == 0);
	check(utimensat(w->dir, "f", times, 0) == 0);
	walk(c, ROOT, 1, "f");
	return c;
}

static void times_are(struct world *w, time_t atime, long atime_ns, time_t mtime, long mtime_ns)
{
	struct stat st = host_stat(w, "f");

	equal(st.st_atim.tv_sec, atime);
	equal(st.st_atim.tv_nsec, atime_ns);
	equal(st.st_mtim.tv_sec, mtime);
	equal(st.st_mtim.tv_nsec, mtime_ns);
}

TEST(setattr_mode_sets_the_mode)
{
	ok(file_session(w), SET(P9_SETATTR_MODE, .mode = 0750));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0750);
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_mode_sets_suid_sgid_and_sticky)
{
	ok(file_session(w), SET(P9_SETATTR_MODE, .mode = 07777));
	equal(host_stat(w, "f").st_mode, S_IFREG | 07777);
}

TEST(setattr_mode_ignores_the_type)
{
	struct conn *c = file_session(w);

	ok(c, SET(P9_SETATTR_MODE | P9_SETATTR_CTIME, .mode = S_IFREG | 0600));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0600);
	ok(c, SET(P9_SETATTR_MODE, .mode = S_IFDIR | 0640));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0640);
}

TEST(setattr_mode_of_a_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	ok(c, SET(P9_SETATTR_MODE, .mode = 02750));
	equal(host_stat(w, "d").st_mode, S_IFDIR | 02750);
}

TEST(setattr_mode_of_a_symlink_is_refused)
{
	struct conn *c = file_session(w);

	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	fails(c, EOPNOTSUPP, SET(P9_SETATTR_MODE, .mode = 0600));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0644);
}

static struct conn *owned_session(struct world *w)
{
	struct conn *c = file_session(w);

	check(fchownat(w->dir, "f", 111, 222, 0) == 0);
	return c;
}

static void owner_is(struct world *w, const char *path, uid_t uid, gid_t gid)
{
	equal(host_stat(w, path).st_uid, uid);
	equal(host_stat(w, path).st_gid, gid);
}

TEST(setattr_uid_sets_the_uid_alone)
{
	if (!need_root())
		return;
	ok(owned_session(w), SET(P9_SETATTR_UID, .uid = 333, .gid = 444, .mode = 0600));
	owner_is(w, "f", 333, 222);
	equal(host_stat(w, "f").st_mode, S_IFREG | 0644);
}

TEST(setattr_gid_sets_the_gid_alone)
{
	if (!need_root())
		return;
	ok(owned_session(w), SET(P9_SETATTR_GID, .uid = 333, .gid = 444));
	owner_is(w, "f", 111, 444);
}

TEST(setattr_uid_and_gid_set_both)
{
	if (!need_root())
		return;
	ok(owned_session(w),
	   SET(P9_SETATTR_UID | P9_SETATTR_GID | P9_SETATTR_CTIME, .uid = 333, .gid = 444));
	owner_is(w, "f", 333, 444);
}

TEST(setattr_ignores_owners_that_are_not_valid)
{
	if (!need_root())
		return;
	ok(owned_session(w),
	   SET(P9_SETATTR_MODE, .mode = 0600, .uid = UINT32_MAX, .gid = UINT32_MAX));
	owner_is(w, "f", 111, 222);
}

TEST(setattr_to_an_owner_of_all_ones_changes_nothing)
{
	if (!need_root())
		return;
	ok(owned_session(w),
	   SET(P9_SETATTR_UID | P9_SETATTR_GID, .uid = UINT32_MAX, .gid = UINT32_MAX));
	owner_is(w, "f", 111, 222);
}

TEST(setattr_to_a_new_uid_and_a_gid_of_all_ones_sets_the_uid)
{
	if (!need_root())
		return;
	ok(owned_session(w), SET(P9_SETATTR_UID | P9_SETATTR_GID, .uid = 333, .gid = UINT32_MAX));
	owner_is(w, "f", 333, 222);
}

TEST(setattr_owner_of_a_symlink_is_that_of_the_link)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_file(w, "f", "");
	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	ok(c, SET(P9_SETATTR_UID | P9_SETATTR_GID, .uid = 333, .gid = 444));
	owner_is(w, "l", 333, 444);
	owner_is(w, "f", 0, 0);
}

TEST(setattr_sets_the_mode_after_the_owner)
{
	if (!need_root())
		return;
	ok(owned_session(w), SET(P9_SETATTR_MODE | P9_SETATTR_UID | P9_SETATTR_GID, .mode = 06755,
				 .uid = 333, .gid = 444));
	owner_is(w, "f", 333, 444);
	equal(host_stat(w, "f").st_mode, S_IFREG | 06755);
}

TEST(setattr_sets_the_mode_after_the_size)
{
	ok(file_session(w), SET(P9_SETATTR_MODE | P9_SETATTR_SIZE, .mode = 06400, .size = 4));
	equal(host_stat(w, "f").st_mode, S_IFREG | 06400);
	host_holds(w, "f", "some");
}

TEST(setattr_sets_the_times_after_the_size)
{
	ok(file_session(w), SET(P9_SETATTR_SIZE | P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET,
				.size = 4, .mtime_sec = 12345, .mtime_nsec = 678));
	times_are(w, 1000, 1, 12345, 678);
	host_holds(w, "f", "some");
}

TEST(setattr_size_cuts)
{
	ok(file_session(w), SET(P9_SETATTR_SIZE, .size = 4));
	host_holds(w, "f", "some");
}

TEST(setattr_size_extends)
{
	ok(file_session(w), SET(P9_SETATTR_SIZE, .size = ((uint64_t)5 << 30) + 1));
	equal(host_stat(w, "f").st_size, ((uint64_t)5 << 30) + 1);
}

TEST(setattr_as_ftruncate_sends_it)
{
	struct conn *c = file_session(w);

	ok(c, T(lopen, .fid = 1, .flags = L_RDWR));
	ok(c, SET(0x68, .size = 4));
	host_holds(w, "f", "some");
	check(host_stat(w, "f").st_mtim.tv_sec > 2000);
}

TEST(setattr_size_of_a_fid_open_for_reading)
{
	struct conn *c = file_session(w);

	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY));
	ok(c, SET(0x68, .size = 0));
	host_holds(w, "f", "");
}

TEST(setattr_size_of_an_open_file_that_has_become_read_only)
{
	struct conn *c = file_session(w);

	ok(c, T(lopen, .fid = 1, .flags = L_RDWR));
	check(fchmodat(w->dir, "f", 0, 0) == 0);
	ok(c, SET(P9_SETATTR_SIZE, .size = 4));
	equal(host_stat(w, "f").st_size, 4);
}

TEST(setattr_size_of_a_directory_is_EISDIR)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EISDIR, SET(P9_SETATTR_SIZE, .size = 0));
	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY));
	fails(c, EISDIR, SET(P9_SETATTR_SIZE, .size = 0));
}

TEST(setattr_size_of_a_fifo_is_EINVAL)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "p");
	fails(c, EINVAL, SET(P9_SETATTR_SIZE, .size = 0));
}

TEST(setattr_size_of_a_socket_is_EINVAL)
{
	struct conn *c = session(w);

	host_node(w, "k", S_IFSOCK | 0666, 0);
	walk(c, ROOT, 1, "k");
	fails(c, EINVAL, SET(P9_SETATTR_SIZE, .size = 0));
}

TEST(setattr_size_of_a_device_is_EINVAL)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_node(w, "n", S_IFCHR | 0666, makedev(1, 3));
	walk(c, ROOT, 1, "n");
	fails(c, EINVAL, SET(P9_SETATTR_SIZE, .size = 0));
}

TEST(setattr_size_of_a_symlink_is_EINVAL)
{
	struct conn *c = file_session(w);

	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	fails(c, EINVAL, SET(P9_SETATTR_SIZE, .size = 0));
	host_holds(w, "f", "some text");
}

TEST(setattr_size_of_2_to_the_63_is_EINVAL)
{
	struct conn *c = file_session(w);

	fails(c, EINVAL, SET(P9_SETATTR_SIZE, .size = (uint64_t)1 << 63));
	fails(c, EINVAL, SET(P9_SETATTR_SIZE, .size = UINT64_MAX));
	host_holds(w, "f", "some text");
}

TEST(setattr_size_beyond_the_file_system_fails)
{
	struct conn *c = file_session(w);

	fails_with_one_of(c, SET(P9_SETATTR_SIZE, .size = INT64_MAX), EFBIG, EINVAL);
	host_holds(w, "f", "some text");
}

TEST(setattr_atime_sets_the_atime_alone)
{
	ok(file_session(w), SET(P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET | P9_SETATTR_CTIME,
				.atime_sec = 12345, .atime_nsec = 999999999));
	times_are(w, 12345, 999999999, 2000, 2);
}

TEST(setattr_mtime_sets_the_mtime_alone)
{
	ok(file_session(w),
	   SET(P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = 12345, .mtime_nsec = 678));
	times_are(w, 1000, 1, 12345, 678);
}

TEST(setattr_both_times_sets_both)
{
	ok(file_session(w),
	   SET(0x1f0, .atime_sec = 1, .atime_nsec = 2, .mtime_sec = 3, .mtime_nsec = 4));
	times_are(w, 1, 2, 3, 4);
}

TEST(setattr_time_before_1970)
{
	ok(file_session(w), SET(P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = (uint64_t)-5,
				.mtime_nsec = 1));
	times_are(w, 1000, 1, -5, 1);
}

TEST(setattr_atime_without_a_value_is_now)
{
	ok(file_session(w), SET(P9_SETATTR_ATIME, .atime_sec = 77));
	check(host_stat(w, "f").st_atim.tv_sec > 1000000000);
	equal(host_stat(w, "f").st_mtim.tv_sec, 2000);
}

TEST(setattr_mtime_without_a_value_is_now)
{
	ok(file_session(w), SET(P9_SETATTR_MTIME, .mtime_sec = 77));
	check(host_stat(w, "f").st_mtim.tv_sec > 1000000000);
	equal(host_stat(w, "f").st_atim.tv_sec, 1000);
}

TEST(setattr_both_times_without_a_value_are_now)
{
	ok(file_session(w), SET(0x70, .mode = 0));
	check(host_stat(w, "f").st_atim.tv_sec > 1000000000);
	check(host_stat(w, "f").st_mtim.tv_sec > 1000000000);
}

TEST(setattr_one_time_now_and_one_given)
{
	ok(file_session(w),
	   SET(P9_SETATTR_ATIME | P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = 12345));
	check(host_stat(w, "f").st_atim.tv_sec > 1000000000);
	equal(host_stat(w, "f").st_mtim.tv_sec, 12345);
}

TEST(setattr_SET_bits_alone_are_ignored)
{
	ok(file_session(w),
	   SET(P9_SETATTR_ATIME_SET | P9_SETATTR_MTIME_SET, .atime_sec = 7, .mtime_sec = 8));
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_ignores_times_that_are_not_valid)
{
	ok(file_session(w), SET(P9_SETATTR_MODE, .mode = 0600, .atime_sec = 7, .mtime_sec = 8,
				.atime_nsec = UINT64_MAX, .mtime_nsec = UINT64_MAX));
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_of_too_many_nanoseconds_is_EINVAL)
{
	struct conn *c = file_session(w);

	fails(c, EINVAL, SET(P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET, .atime_nsec = 1000000000));
	fails(c, EINVAL, SET(P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_nsec = UINT64_MAX));
	fails(c, EINVAL,
	      SET(P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_nsec = ((uint64_t)1 << 32) + 5));
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_of_special_nanoseconds_is_EINVAL)
{
	struct conn *c = file_session(w);

	fails(c, EINVAL, SET(P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET, .atime_nsec = UTIME_NOW));
	fails(c, EINVAL, SET(P9_SETATTR_ATIME | P9_SETATTR_ATIME_SET, .atime_nsec = UTIME_OMIT));
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_times_of_a_symlink_are_those_of_the_link)
{
	struct conn *c = file_session(w);

	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	ok(c, SET(P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = 5));
	equal(host_stat(w, "l").st_mtim.tv_sec, 5);
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_ctime_alone_touches_only_the_ctime)
{
	struct conn *c = file_session(w);
	struct timespec before;

	check(fchmodat(w->dir, "f", 06755, 0) == 0);
	before = host_stat(w, "f").st_ctim;
	host_file_time_passes(w, before);
	ok(c, SET(P9_SETATTR_CTIME, .mode = 0));
	check(!same_time(host_stat(w, "f").st_ctim, before));
	times_are(w, 1000, 1, 2000, 2);
	host_holds(w, "f", "some text");
}

TEST(setattr_ctime_alone_keeps_suid_and_sgid)
{
	struct conn *c = file_session(w);

	check(fchmodat(w->dir, "f", 06755, 0) == 0);
	ok(c, SET(P9_SETATTR_CTIME, .mode = 0));
	equal(host_stat(w, "f").st_mode, S_IFREG | 06755);
}

TEST(setattr_of_nothing_changes_nothing)
{
	struct conn *c = file_session(w);
	struct stat before;

	check(fchmodat(w->dir, "f", 06755, 0) == 0);
	before = host_stat(w, "f");
	ok(c, SET(0, .mode = 0, .size = 1, .mtime_sec = 1));
	equal(host_stat(w, "f").st_mode, before.st_mode);
	equal(host_stat(w, "f").st_size, before.st_size);
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_ignores_unknown_bits)
{
	struct conn *c = file_session(w);

	ok(c, SET(0xfffffe00u | P9_SETATTR_MODE, .mode = 0600));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0600);
	times_are(w, 1000, 1, 2000, 2);
}

TEST(setattr_of_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, T(setattr, .fid = 9, .valid = P9_SETATTR_MODE, .mode = 0600));
}

TEST(setattr_answers_the_fid_of_an_open_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	open_path(c, 1, "d", L_RDONLY);
	ok(c, SET(P9_SETATTR_MODE, .mode = 0700));
	equal(host_stat(w, "d").st_mode, S_IFDIR | 0700);
}

TEST(getattr_of_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, T(getattr, .fid = 9));
}

/* ---- Tstatfs ---- */

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

TEST(statfs_is_that_of_the_host)
{
	struct conn *c = session(w);
	struct p9_Rstatfs st = ok(c, T(statfs, .fid = ROOT))->Rstatfs;
	struct statfs host;

	check(fstatfs(w->dir, &host) == 0);
	equal(st.type, (uint32_t)host.f_type);
	equal(st.bsize, host.f_frsize);
	equal(st.namelen, 255);
	check(distance(st.blocks * st.bsize, host.f_blocks * (uint64_t)host.f_frsize) <= st.bsize);
	equal(st.files, host.f_files);
	equal(st.fsid,
	      (uint32_t)host.f_fsid.__val[0] | (uint64_t)(uint32_t)host.f_fsid.__val[1] << 32);
	check(st.bfree <= st.blocks);
	check(st.bavail <= st.bfree);
	check(st.ffree <= st.files);
}

TEST(statfs_of_a_fifo_and_of_a_symlink)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0, 0);
	host_symlink(w, "l", "nowhere");
	walk(c, ROOT, 1, "p");
	walk(c, ROOT, 2, "l");
	equal(ok(c, T(statfs, .fid = 1))->Rstatfs.namelen, 255);
	equal(ok(c, T(statfs, .fid = 2))->Rstatfs.namelen, 255);
}

TEST(statfs_of_what_may_not_be_opened)
{
	struct conn *c = session(w);

	host_node(w, "k", S_IFSOCK | 0, 0);
	host_dir(w, "d");
	host_file(w, "f", "");
	check(fchmodat(w->dir, "d", 0, 0) == 0 && fchmodat(w->dir, "f", 0, 0) == 0);
	walk(c, ROOT, 1, "k");
	walk(c, ROOT, 2, "d");
	walk(c, ROOT, 3, "f");
	for (uint32_t fid = 1; fid <= 3; fid++)
		equal(ok(c, T(statfs, .fid = fid))->Rstatfs.namelen, 255);
	check(fchmodat(w->dir, "d", 0755, 0) == 0);
}

TEST(statfs_of_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, T(statfs, .fid = 9));
}
