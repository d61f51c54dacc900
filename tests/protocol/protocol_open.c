/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_open.c - Tlopen and Tlcreate: which flags count, which are noise, what cannot be opened,
 * and how a directory's fid turns into the fid of a new file.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tests/protocol/harness.h"

/* Flags of proto/9p.h are the ones that mean something; these are dropped. */
#define L_NOCTTY 0x100u
#define L_NONBLOCK 0x800u
#define L_FASYNC 0x2000u
#define L_DIRECT 0x4000u
#define L_LARGEFILE 0x8000u
#define L_NOFOLLOW 0x20000u
#define L_CLOEXEC 0x80000u

static struct p9_msg lopen(uint32_t fid, uint32_t flags)
{
	return T(lopen, .fid = fid, .flags = flags);
}

static struct p9_msg lcreate(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
	return T(lcreate, .fid = fid, .name = p9_str(name), .flags = flags | L_CREATE, .mode = mode,
		 .gid = getegid());
}

static struct p9_msg a_read(uint32_t fid)
{
	return T(read, .fid = fid, .count = 10);
}

static struct p9_msg a_write(uint32_t fid)
{
	return T(write, .fid = fid, .data = data_of("x", 1));
}

/* ---- Tlopen ---- */

TEST(open_gives_the_qid_of_the_file)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	host_file(w, "f", "text");
	qid = walk(c, ROOT, 1, "f");
	check(same_qid(ok(c, lopen(1, L_RDONLY))->Rlopen.qid, qid));
}

TEST(the_iounit_of_a_file_is_whole_pages_of_the_msize)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	equal(ok(c, lopen(1, L_RDONLY))->Rlopen.iounit, (MSIZE - 24) / 4096 * 4096);
}

TEST(the_iounit_of_a_file_is_0_when_the_msize_has_no_whole_page)
{
	struct conn *c = session_of(w, 4096);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	equal(ok(c, lopen(1, L_RDONLY))->Rlopen.iounit, 0);
}

TEST(the_iounit_of_a_directory_is_0)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	equal(ok(c, lopen(1, L_RDONLY))->Rlopen.iounit, 0);
}

TEST(a_file_open_for_reading_cannot_be_written)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY);
	reads(c, 1, 0, "text");
	fails(c, EBADF, a_write(1));
	host_holds(w, "f", "text");
}

TEST(a_file_open_for_writing_cannot_be_read)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY);
	fails(c, EBADF, a_read(1));
	writes(c, 1, 0, "T");
	host_holds(w, "f", "Text");
}

TEST(a_file_open_for_both_can_be_read_and_written)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDWR);
	writes(c, 1, 0, "T");
	reads(c, 1, 0, "Text");
}

TEST(open_ignores_noise_in_the_flags)
{
	static const uint32_t noise[] = {
		L_CREATE,  P9_O_EXCL,	L_CREATE | P9_O_EXCL, L_NOCTTY,	    L_NONBLOCK,	 L_FASYNC,
		L_DIRECT,  L_LARGEFILE, L_NOFOLLOW,	      P9_O_NOATIME, L_CLOEXEC,	 P9_O_DSYNC,
		P9_O_SYNC, 0x20000000u, 0x8000 | 0x42,	      P9_O_APPEND,  0x80000000u,
	};
	struct conn *c = session(w);

	host_file(w, "f", "text");
	for (size_t i = 0; i < countof(noise); i++) {
		walk(c, ROOT, 1, "f");
		ok(c, lopen(1, noise[i] | L_RDWR));
		reads(c, 1, 0, "text");
		clunk(c, 1);
	}
}

TEST(open_does_not_create)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	host_unlink(w, "f");
	errno_of(c, lopen(1, L_RDWR | L_CREATE));
	check(!host_has(w, "f"));
}

TEST(direct_io_of_odd_size_works)
{
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_RDWR | L_DIRECT);
	reads(c, 1, 5, "text");
	writes(c, 1, 1, "u");
	host_holds(w, "f", "sume text");
}

TEST(open_with_trunc_empties_the_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY | P9_O_TRUNC);
	host_holds(w, "f", "");
}

TEST(open_without_trunc_keeps_the_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY | L_CREATE);
	host_holds(w, "f", "text");
}

TEST(append_writes_at_the_end_whatever_the_offset)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDWR | P9_O_APPEND);
	writes(c, 1, 0, " and");
	writes(c, 1, 1000, " more");
	host_holds(w, "f", "text and more");
	reads(c, 1, 5, "and more");
}

TEST(two_appenders_do_not_overwrite_each_other)
{
	struct conn *a = session(w), *b = session(w);

	host_file(w, "f", "");
	open_path(a, 1, "f", L_WRONLY | P9_O_APPEND);
	open_path(b, 1, "f", L_WRONLY | P9_O_APPEND);
	writes(a, 1, 0, "a");
	writes(b, 1, 0, "b");
	writes(a, 1, 1, "a");
	host_holds(w, "f", "aba");
}

TEST(open_with_access_mode_3_is_EINVAL)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	fails(c, EINVAL, lopen(1, 3));
	ok(c, lopen(1, L_RDONLY));
}

TEST(a_fid_is_opened_only_once)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY);
	fails(c, EINVAL, lopen(1, L_RDONLY));
	fails(c, EINVAL, lopen(1, L_RDWR | P9_O_TRUNC));
	host_holds(w, "f", "text");
	fails(c, EBADF, a_write(1));
}

TEST(an_open_directory_is_not_opened_again)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EINVAL, lopen(1, L_RDONLY));
}

TEST(a_file_may_be_open_by_many_fids)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	for (uint32_t fid = 1; fid <= 50; fid++)
		open_path(c, fid, "f", L_RDWR);
	writes(c, 1, 0, "T");
	reads(c, 50, 0, "Text");
}

TEST(a_directory_is_not_opened_for_writing)
{
	static const uint32_t flags[] = {L_WRONLY, L_RDWR, L_RDWR | P9_O_TRUNC};
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	for (size_t i = 0; i < countof(flags); i++)
		fails(c, EISDIR, lopen(1, flags[i]));
	ok(c, lopen(1, L_RDONLY));
}

TEST(a_directory_is_not_opened_with_trunc)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EISDIR, lopen(1, L_RDONLY | P9_O_TRUNC));
}

TEST(open_as_directory_takes_a_directory)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY | P9_O_DIRECTORY);
	ok(c, T(readdir, .fid = 1, .count = 1000));
}

TEST(open_of_a_file_as_directory_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, lopen(1, L_RDONLY | P9_O_DIRECTORY));
	ok(c, lopen(1, L_RDONLY));
}

TEST(open_of_a_symlink_is_ELOOP)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	fails(c, ELOOP, lopen(1, L_RDONLY));
	fails(c, EBADF, a_read(1));
}

TEST(open_of_a_fifo_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "p");
	fails(c, ENXIO, lopen(1, L_RDONLY));
	fails(c, ENXIO, lopen(1, L_WRONLY));
	fails(c, ENXIO, lopen(1, L_RDWR | L_NONBLOCK));
}

TEST(open_of_a_socket_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "s", S_IFSOCK | 0666, 0);
	walk(c, ROOT, 1, "s");
	fails(c, ENXIO, lopen(1, L_RDWR));
}

TEST(open_of_a_device_is_ENXIO)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_node(w, "null", S_IFCHR | 0666, makedev(1, 3));
	host_node(w, "block", S_IFBLK | 0666, makedev(7, 200));
	walk(c, ROOT, 1, "null");
	walk(c, ROOT, 2, "block");
	fails(c, ENXIO, lopen(1, L_RDWR));
	fails(c, ENXIO, lopen(2, L_RDONLY));
}

TEST(a_failed_open_leaves_the_fid_as_it_was)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	walk(c, ROOT, 1, "d");
	fails(c, EISDIR, lopen(1, L_RDWR));
	walk(c, 1, 2, "f");
	walk(c, 1, 1, "f");
}

TEST(open_of_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, lopen(9, L_RDONLY));
}

TEST(open_without_permission_is_EACCES)
{
	struct conn *c = session(w);

	if (!need_no_root())
		return;
	host_file(w, "f", "");
	check(fchmodat(w->dir, "f", 0, 0) == 0);
	walk(c, ROOT, 1, "f");
	fails(c, EACCES, lopen(1, L_RDONLY));
}

/* ---- Tlcreate ---- */

TEST(create_makes_and_opens_a_file)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	writes(c, 1, 0, "text");
	reads(c, 1, 0, "text");
	host_holds(w, "f", "text");
}

TEST(create_turns_the_fid_into_that_of_the_file)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	walk(c, ROOT, 1, "");
	qid = ok(c, lcreate(1, "f", L_RDWR, 0644))->Rlcreate.qid;
	equal(qid.type, P9_QTFILE);
	check(same_qid(attr(c, 1).qid, qid));
	check(same_qid(walk(c, ROOT, 2, "f"), qid));
	fails(c, EINVAL, lcreate(1, "g", L_RDWR, 0644));
}

TEST(create_gives_the_iounit_of_a_file)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	equal(ok(c, lcreate(1, "f", L_RDWR, 0644))->Rlcreate.iounit, (MSIZE - 24) / 4096 * 4096);
}

TEST(create_leaves_other_fids_of_the_directory)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0644));
	equal(attr(c, ROOT).qid.type, P9_QTDIR);
	walk(c, ROOT, 2, "f");
}

static void creates_with_mode(struct world *w, uint32_t asked, mode_t got)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_EXCL, asked));
	equal(host_stat(w, "f").st_mode, S_IFREG | got);
}

TEST(create_sets_the_mode_without_an_umask_of_the_server)
{
	creates_with_mode(w, 0666, 0666);
}

TEST(create_sets_all_permissions)
{
	creates_with_mode(w, 0777, 0777);
}

TEST(create_sets_no_permissions)
{
	creates_with_mode(w, 0, 0);
}

TEST(create_sets_suid)
{
	creates_with_mode(w, 04755, 04755);
}

TEST(create_ignores_the_type_in_the_mode)
{
	creates_with_mode(w, S_IFREG | 0640, 0640);
}

TEST(create_ignores_a_wrong_type_in_the_mode)
{
	creates_with_mode(w, S_IFDIR | 0640, 0640);
}

TEST(a_file_created_with_mode_0400_can_be_written)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0400));
	writes(c, 1, 0, "text");
	reads(c, 1, 0, "text");
	equal(host_stat(w, "f").st_mode, S_IFREG | 0400);
}

TEST(a_file_created_with_mode_0_can_be_written)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_WRONLY | P9_O_EXCL, 0));
	writes(c, 1, 0, "text");
}

TEST(create_gives_the_file_to_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_root())
		return;
	walk(c, ROOT, 1, "");
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "f").st_gid, 54321);
	equal(host_stat(w, "f").st_uid, 0);
}

TEST(create_for_another_user_keeps_suid)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 06755);

	if (!need_root())
		return;
	ok(c, T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 12345));
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, 12345);
	equal(host_stat(w, "f").st_gid, 54321);
	equal(host_stat(w, "f").st_mode, S_IFREG | 06755);
}

TEST(create_in_a_setgid_directory_obeys_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_root())
		return;
	host_dir(w, "d");
	check(fchownat(w->dir, "d", 0, 777, 0) == 0 && fchmodat(w->dir, "d", 02755, 0) == 0);
	walk(c, ROOT, 1, "d");
	m.Tlcreate.gid = 777;
	ok(c, m);
	equal(host_stat(w, "d/f").st_gid, 777);
}

TEST(create_with_a_foreign_group_succeeds_in_model_none)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_no_root())
		return;
	walk(c, ROOT, 1, "");
	m.Tlcreate.gid = 0;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, geteuid());
}

TEST(exclusive_create_of_an_existing_file_is_EEXIST)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "");
	fails(c, EEXIST, lcreate(1, "f", L_RDWR | P9_O_EXCL | P9_O_TRUNC, 0644));
	host_holds(w, "f", "text");
}

TEST(one_of_two_exclusive_creators_wins)
{
	struct conn *a = session(w), *b = session(w);
	int a_error, b_error;

	walk(a, ROOT, 1, "");
	walk(b, ROOT, 1, "");
	send_msg(a, 9, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	send_msg(b, 9, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	a_error = answer(a, 9)->type == P9_Rlcreate ? 0 : (int)a->reply.Rlerror.ecode;
	b_error = answer(b, 9)->type == P9_Rlcreate ? 0 : (int)b->reply.Rlerror.ecode;
	equal(a_error + b_error, EEXIST);
	check(a_error == 0 || b_error == 0);
}

TEST(create_without_EXCL_opens_an_existing_file_as_it_is)
{
	struct conn *c = session(w);
	struct stat before;

	host_file(w, "f", "text");
	check(fchmodat(w->dir, "f", 0640, 0) == 0);
	before = host_stat(w, "f");
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0777));
	reads(c, 1, 0, "text");
	equal(host_stat(w, "f").st_mode, before.st_mode);
	equal(host_stat(w, "f").st_ino, before.st_ino);
}

TEST(create_without_EXCL_keeps_the_owner_of_an_existing_file)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_root())
		return;
	host_file(w, "f", "text");
	check(fchownat(w->dir, "f", 111, 222, 0) == 0);
	walk(c, ROOT, 1, "");
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, 111);
	equal(host_stat(w, "f").st_gid, 222);
}

TEST(create_with_trunc_empties_an_existing_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_TRUNC, 0644));
	host_holds(w, "f", "");
}

TEST(create_with_append_appends)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_WRONLY | P9_O_APPEND, 0644));
	writes(c, 1, 0, "a");
	writes(c, 1, 0, "b");
	host_holds(w, "f", "ab");
}

TEST(create_for_writing_does_not_read)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_WRONLY, 0644));
	fails(c, EBADF, a_read(1));
}

TEST(create_for_reading_does_not_write)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDONLY, 0644));
	fails(c, EBADF, a_write(1));
}

TEST(create_ignores_noise_in_the_flags)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", 0x80c2 | L_DIRECT | L_CLOEXEC | L_NOFOLLOW | L_NOCTTY, 0644));
	writes(c, 1, 0, "text");
}

TEST(create_does_not_follow_a_symlink)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "target");
	host_file(w, "f", "text");
	host_symlink(w, "m", "f");
	walk(c, ROOT, 1, "");
	fails(c, ELOOP, lcreate(1, "l", L_RDWR, 0644));
	fails(c, ELOOP, lcreate(1, "m", L_RDWR | P9_O_TRUNC, 0644));
	check(!host_has(w, "target"));
	host_holds(w, "f", "text");
}

TEST(exclusive_create_of_a_symlink_is_EEXIST)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "target");
	walk(c, ROOT, 1, "");
	fails(c, EEXIST, lcreate(1, "l", L_RDWR | P9_O_EXCL, 0644));
	check(!host_has(w, "target"));
}

TEST(create_of_a_directory_is_EISDIR)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "");
	fails(c, EISDIR, lcreate(1, "d", L_RDWR, 0644));
	fails(c, EISDIR, lcreate(1, "d", L_RDONLY, 0644));
	fails(c, EEXIST, lcreate(1, "d", L_RDWR | P9_O_EXCL, 0644));
}

TEST(create_of_a_fifo_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "");
	fails(c, ENXIO, lcreate(1, "p", L_RDWR, 0644));
	fails(c, ENXIO, lcreate(1, "p", L_RDONLY, 0644));
	fails(c, ENXIO, lcreate(1, "p", L_WRONLY, 0644));
	fails(c, EEXIST, lcreate(1, "p", L_RDWR | P9_O_EXCL, 0644));
}

TEST(create_of_a_device_is_ENXIO)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_node(w, "null", S_IFCHR | 0666, makedev(1, 3));
	walk(c, ROOT, 1, "");
	fails(c, ENXIO, lcreate(1, "null", L_RDWR, 0644));
}

TEST(create_with_DIRECTORY_is_EINVAL)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EINVAL, lcreate(1, "f", L_RDONLY | P9_O_DIRECTORY, 0644));
	check(!host_has(w, "f"));
}

TEST(create_with_access_mode_3_is_EINVAL)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EINVAL, lcreate(1, "f", 3, 0644));
	check(!host_has(w, "f"));
}

TEST(a_failed_create_leaves_the_directory_fid)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "");
	fails(c, EEXIST, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	equal(attr(c, 1).qid.type, P9_QTDIR);
	walk(c, 1, 2, "f");
	ok(c, lcreate(1, "g", L_RDWR | P9_O_EXCL, 0644));
	check(host_has(w, "g"));
}

TEST(create_from_an_open_directory_is_EINVAL)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EINVAL, lcreate(1, "f", L_RDWR, 0644));
	check(!host_has(w, "f"));
}

TEST(a_created_file_can_be_renamed_by_its_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0644));
	ok(c, T(rename, .fid = 1, .dfid = ROOT, .name = p9_str("g")));
	writes(c, 1, 0, "text");
	host_holds(w, "g", "text");
	check(!host_has(w, "f"));
}

TEST(a_created_file_can_be_removed_by_its_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0644));
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "f"));
}
