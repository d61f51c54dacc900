/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_readonly.c - an export that may not be changed: EROFS for each message that would, all
 * others as ever.
 */
#include <string.h>

#include "tests/protocol/harness.h"

/* fid 1: the file "f", not open; fid 2: the directory "d"; fid 3: "f" open for reading. */
static struct conn *readonly(struct world *w)
{
	struct conn *c;

	host_file(w, "f", "text");
	host_dir(w, "d");
	host_symlink(w, "l", "f");
	serve(w, "--readonly", NULL);
	c = session(w);
	walk(c, ROOT, 1, "f");
	walk(c, ROOT, 2, "d");
	open_path(c, 3, "f", L_RDONLY);
	return c;
}

static void is_EROFS(struct world *w, struct p9_msg m)
{
	struct conn *c = readonly(w);
	struct stat before = host_stat(w, "f");
	struct stat dir_before = host_stat(w, "d");

	fails(c, EROFS, m);
	host_holds(w, "f", "text");
	equal(host_stat(w, "f").st_mode, before.st_mode);
	equal(host_stat(w, "f").st_nlink, 1);
	equal(host_stat(w, "f").st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	equal(host_stat(w, "d").st_ctim.tv_nsec, dir_before.st_ctim.tv_nsec);
}

#define EROFS_TEST(kind, ...)                                                                      \
	TEST(on_a_read_only_export_##kind##_is_EROFS)                                              \
	{                                                                                          \
		is_EROFS(w, (__VA_ARGS__));                                                        \
	}

EROFS_TEST(lcreate, T(lcreate, .fid = 2, .name = p9_str("new"), .flags = L_RDWR, .mode = 0644))
EROFS_TEST(exclusive_lcreate,
	   T(lcreate, .fid = 2, .name = p9_str("new"), .flags = L_RDWR | P9_O_EXCL, .mode = 0644))
EROFS_TEST(mkdir, T(mkdir, .dfid = 2, .name = p9_str("new"), .mode = 0755))
EROFS_TEST(symlink, T(symlink, .dfid = 2, .name = p9_str("new"), .target = p9_str("f")))
EROFS_TEST(mknod, T(mknod, .dfid = 2, .name = p9_str("new"), .mode = S_IFIFO | 0644))
EROFS_TEST(link, T(link, .dfid = 2, .fid = 1, .name = p9_str("new")))
EROFS_TEST(rename, T(rename, .fid = 1, .dfid = 2, .name = p9_str("new")))
EROFS_TEST(renameat, T(renameat, .olddirfid = ROOT, .oldname = p9_str("f"), .newdirfid = 2,
		       .newname = p9_str("new")))
EROFS_TEST(unlinkat, T(unlinkat, .dfid = ROOT, .name = p9_str("f")))
EROFS_TEST(unlinkat_of_a_directory,
	   T(unlinkat, .dfid = ROOT, .name = p9_str("d"), .flags = P9_AT_REMOVEDIR))
EROFS_TEST(remove, T(remove, .fid = 1))
EROFS_TEST(setattr_mode, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0600))
EROFS_TEST(setattr_size, T(setattr, .fid = 1, .valid = P9_SETATTR_SIZE, .size = 0))
EROFS_TEST(setattr_size_of_an_open_fid, T(setattr, .fid = 3, .valid = P9_SETATTR_SIZE, .size = 0))
EROFS_TEST(setattr_mtime, T(setattr, .fid = 1, .valid = P9_SETATTR_MTIME))
EROFS_TEST(setattr_ctime, T(setattr, .fid = 1, .valid = P9_SETATTR_CTIME))
EROFS_TEST(xattrcreate, T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 1))
EROFS_TEST(lopen_for_writing, T(lopen, .fid = 1, .flags = L_WRONLY))
EROFS_TEST(lopen_for_both, T(lopen, .fid = 1, .flags = L_RDWR))
EROFS_TEST(lopen_with_trunc, T(lopen, .fid = 1, .flags = L_RDONLY | P9_O_TRUNC))
EROFS_TEST(lopen_with_append, T(lopen, .fid = 1, .flags = L_RDONLY | P9_O_APPEND))

TEST(on_a_read_only_export_write_is_refused)
{
	struct conn *c = readonly(w);

	fails_with_one_of(c, T(write, .fid = 3, .data = data_of("x", 1)), EROFS, EBADF);
	host_holds(w, "f", "text");
}

TEST(on_a_read_only_export_remove_clunks)
{
	struct conn *c = readonly(w);

	fails(c, EROFS, T(remove, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	check(host_has(w, "f"));
}

TEST(on_a_read_only_export_a_failed_lcreate_leaves_the_fid)
{
	struct conn *c = readonly(w);

	fails(c, EROFS, T(lcreate, .fid = 2, .name = p9_str("new"), .flags = L_RDWR));
	equal(attr(c, 2).qid.type, P9_QTDIR);
	ok(c, T(lopen, .fid = 2, .flags = L_RDONLY));
}

TEST(on_a_read_only_export_all_else_works)
{
	struct conn *c = readonly(w);

	reads(c, 3, 0, "text");
	ok(c, T(fsync, .fid = 3));
	ok(c, T(statfs, .fid = ROOT));
	attr(c, 1);
	walk(c, ROOT, 4, "l");
	equal(ok(c, T(readlink, .fid = 4))->Rreadlink.target.len, 1);
	open_path(c, 5, "d", L_RDONLY);
	check(ok(c, T(readdir, .fid = 5, .count = 1000))->Rreaddir.data.len > 0);
	ok(c, T(xattrwalk, .fid = 1, .newfid = 6, .name = p9_str("")));
	equal(ok(c,
		 T(lock, .fid = 3, .type = P9_LOCK_RDLCK, .proc_id = 1, .client_id = p9_str("g")))
		      ->Rlock.status,
	      P9_LOCK_SUCCESS);
	ok(c, T(getlock, .fid = 3, .type = P9_LOCK_RDLCK, .client_id = p9_str("g")));
	ok(c, T(flush, .oldtag = 1));
	clunk(c, 3);
}

TEST(on_a_read_only_export_noise_in_lopen_is_ignored)
{
	struct conn *c = readonly(w);

	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY | L_CREATE | P9_O_EXCL | 0x8000));
	reads(c, 1, 0, "text");
}
