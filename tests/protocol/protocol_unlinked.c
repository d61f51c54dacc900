/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_unlinked.c - objects without a name: what a fid still can do, however the name went.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/protocol/harness.h"

/* "f" with "some text" and user.a, open for both as fid 1, not open as fid 2; then unlinked. */
static struct conn *unlinked(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_RDWR);
	walk(c, ROOT, 2, "f");
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("f")));
	check(!host_has(w, "f"));
	return c;
}

TEST(getattr_of_an_unlinked_open_file_has_no_links)
{
	struct conn *c = unlinked(w);

	equal(attr(c, 1).nlink, 0);
	equal(attr(c, 1).size, 9);
}

TEST(getattr_of_an_unlinked_file_that_is_not_open)
{
	equal(attr(unlinked(w), 2).nlink, 0);
}

/* A file system may give a dead inode's number to the next; one that a fid knows lives. */
TEST(new_files_do_not_get_the_path_of_an_unlinked_one_that_a_fid_knows)
{
	struct conn *c = unlinked(w);
	uint64_t path = attr(c, 2).qid.path;

	clunk(c, 1);
	for (int i = 0; i < 256; i++) {
		host_file(w, "new", "");
		check(walk(c, ROOT, 3, "new").path != path);
		clunk(c, 3);
		host_unlink(w, "new");
	}
	equal(attr(c, 2).qid.path, path);
}

TEST(a_path_that_is_given_again_comes_with_another_version)
{
	struct conn *c = unlinked(w);
	struct p9_qid dead = attr(c, 1).qid, next;

	clunk(c, 1);
	clunk(c, 2);
	for (int i = 0; i < 256; i++) {
		host_file(w, "new", "some text");
		next = walk(c, ROOT, 1, "new");
		check(next.path != dead.path || next.version != dead.version);
		clunk(c, 1);
		host_unlink(w, "new");
	}
}

TEST(an_unlinked_file_can_be_read_and_written)
{
	struct conn *c = unlinked(w);

	writes(c, 1, 5, "more");
	reads(c, 1, 0, "some more");
	ok(c, T(fsync, .fid = 1));
	equal(attr(c, 1).size, 9);
}

TEST(an_unlinked_file_can_be_cut)
{
	struct conn *c = unlinked(w);

	ok(c, T(setattr, .fid = 1, .valid = 0x68, .size = 2001));
	equal(attr(c, 1).size, 2001);
	ok(c, T(setattr, .fid = 2, .valid = P9_SETATTR_SIZE, .size = 4));
	reads(c, 1, 0, "some");
}

TEST(the_mode_of_an_unlinked_file_can_be_set)
{
	struct conn *c = unlinked(w);

	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0600));
	equal(attr(c, 1).mode, S_IFREG | 0600);
}

TEST(the_times_of_an_unlinked_file_can_be_set)
{
	struct conn *c = unlinked(w);

	ok(c, T(setattr, .fid = 1, .valid = 0x1f0, .atime_sec = 1, .mtime_sec = 2));
	equal(attr(c, 1).atime_sec, 1);
	equal(attr(c, 1).mtime_sec, 2);
}

TEST(the_owner_of_an_unlinked_file_can_be_set)
{
	struct conn *c = unlinked(w);

	if (!need_root())
		return;
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_UID | P9_SETATTR_GID, .uid = 11, .gid = 22));
	equal(attr(c, 1).uid, 11);
	equal(attr(c, 1).gid, 22);
}

TEST(an_unlinked_file_can_be_cloned_and_opened)
{
	struct conn *c = unlinked(w);

	walk(c, 1, 3, "");
	ok(c, T(lopen, .fid = 3, .flags = L_RDWR));
	reads(c, 3, 0, "some text");
	writes(c, 3, 0, "S");
	reads(c, 1, 0, "Some text");
}

TEST(an_unlinked_file_that_was_not_open_can_be_opened)
{
	struct conn *c = unlinked(w);

	ok(c, T(lopen, .fid = 2, .flags = L_RDONLY));
	reads(c, 2, 0, "some text");
}

TEST(an_unlinked_file_lives_without_an_open_fid)
{
	struct conn *c = unlinked(w);

	clunk(c, 1);
	ok(c, T(lopen, .fid = 2, .flags = L_RDONLY));
	reads(c, 2, 0, "some text");
}

TEST(the_attributes_of_an_unlinked_file_can_be_set_and_read)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	if (!host_setxattr(w, "f", "user.a", "old"))
		return;
	open_path(c, 1, "f", L_RDWR);
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("f")));
	equal(ok(c, T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("user.a")))->Rxattrwalk.size,
	      3);
	reads(c, 2, 0, "old");
	clunk(c, 2);
	check(ok(c, T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("")))->Rxattrwalk.size >= 7);
	clunk(c, 2);
	walk(c, 1, 3, "");
	ok(c, T(xattrcreate, .fid = 3, .name = p9_str("user.a"), .size = 3));
	writes(c, 3, 0, "new");
	clunk(c, 3);
	ok(c, T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("user.a")));
	reads(c, 2, 0, "new");
}

TEST(an_unlinked_file_can_be_locked)
{
	struct conn *c = unlinked(w);

	equal(ok(c,
		 T(lock, .fid = 1, .type = P9_LOCK_WRLCK, .proc_id = 1, .client_id = p9_str("g")))
		      ->Rlock.status,
	      P9_LOCK_SUCCESS);
}

TEST(statfs_of_an_unlinked_file)
{
	equal(ok(unlinked(w), T(statfs, .fid = 1))->Rstatfs.namelen, 255);
}

TEST(link_of_an_unlinked_file_is_ENOENT)
{
	struct conn *c = unlinked(w);

	fails(c, ENOENT, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("g")));
	fails(c, ENOENT, T(link, .dfid = ROOT, .fid = 2, .name = p9_str("g")));
	check(!host_has(w, "g"));
}

TEST(a_file_removed_by_another_fid_stays_usable)
{
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_RDWR);
	walk(c, ROOT, 2, "f");
	ok(c, T(remove, .fid = 2));
	reads(c, 1, 0, "some text");
	writes(c, 1, 0, "S");
	equal(attr(c, 1).nlink, 0);
}

TEST(a_file_unlinked_by_the_host_stays_usable)
{
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_RDWR);
	host_unlink(w, "f");
	reads(c, 1, 0, "some text");
	equal(attr(c, 1).nlink, 0);
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_SIZE, .size = 4));
	reads(c, 1, 0, "some");
}

TEST(a_file_unlinked_by_another_connection_stays_usable)
{
	struct conn *a = session(w), *b = session(w);

	host_file(w, "f", "some text");
	open_path(a, 1, "f", L_RDWR);
	ok(b, T(unlinkat, .dfid = ROOT, .name = p9_str("f")));
	reads(a, 1, 0, "some text");
	equal(attr(a, 1).nlink, 0);
}

TEST(an_unlinked_file_is_not_the_new_one_of_its_name)
{
	struct conn *c = unlinked(w);

	host_file(w, "f", "another");
	reads(c, 1, 0, "some text");
	ok(c, T(setattr, .fid = 2, .valid = P9_SETATTR_SIZE, .size = 1));
	host_holds(w, "f", "another");
	walk(c, ROOT, 3, "f");
	check(attr(c, 3).qid.path != attr(c, 1).qid.path);
}

TEST(a_removed_directory_keeps_its_fid)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	open_path(c, 1, "d", L_RDONLY);
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("d"), .flags = P9_AT_REMOVEDIR));
	equal(attr(c, 1).qid.type, P9_QTDIR);
	equal(attr(c, 1).nlink, 0);
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0700));
	equal(attr(c, 1).mode, S_IFDIR | 0700);
	fails(c, ENOENT, T(walk, .fid = 1, .newfid = 2, .names = NAMES("x")));
}

TEST(dotdot_of_a_removed_directory_harms_nothing)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	host_unlink(w, "d");
	check(errno_of(c, T(walk, .fid = 1, .newfid = 2, .names = NAMES(".."))) != -1);
	attr(c, 1);
}

TEST(an_unlinked_symlink_can_be_read)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "target");
	walk(c, ROOT, 1, "l");
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("l")));
	check(same_str(ok(c, T(readlink, .fid = 1))->Rreadlink.target, "target"));
	equal(attr(c, 1).nlink, 0);
}

TEST(an_unlinked_fifo_can_be_told_and_changed)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0644, 0);
	walk(c, ROOT, 1, "p");
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("p")));
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0600));
	equal(attr(c, 1).mode, S_IFIFO | 0600);
	equal(attr(c, 1).nlink, 0);
	ok(c, T(statfs, .fid = 1));
	fails(c, ENXIO, T(lopen, .fid = 1, .flags = L_RDWR));
}

TEST(the_times_and_attributes_of_a_removed_directory_can_be_set)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	if (!host_setxattr(w, "d", "user.a", "old"))
		return;
	open_path(c, 1, "d", L_RDONLY);
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("d"), .flags = P9_AT_REMOVEDIR));
	ok(c, T(setattr, .fid = 1, .valid = 0x1f0, .atime_sec = 1, .mtime_sec = 2));
	equal(attr(c, 1).mtime_sec, 2);
	ok(c, T(fsync, .fid = 1));
	ok(c, T(statfs, .fid = 1));
	walk(c, 1, 2, "");
	ok(c, T(xattrcreate, .fid = 2, .name = p9_str("user.a"), .size = 3));
	writes(c, 2, 0, "new");
	clunk(c, 2);
	ok(c, T(xattrwalk, .fid = 1, .newfid = 3, .name = p9_str("user.a")));
	reads(c, 3, 0, "new");
}

TEST(nothing_can_be_done_below_a_removed_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "f", "text");
	open_path(c, 1, "d", L_RDONLY);
	walk(c, ROOT, 2, "f");
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("d"), .flags = P9_AT_REMOVEDIR));
	fails(c, ENOENT, T(unlinkat, .dfid = 1, .name = p9_str("x")));
	fails(c, ENOENT, T(unlinkat, .dfid = 1, .name = p9_str("x"), .flags = P9_AT_REMOVEDIR));
	fails(c, ENOENT, T(link, .dfid = 1, .fid = 2, .name = p9_str("x")));
	fails(c, ENOENT, T(rename, .fid = 2, .dfid = 1, .name = p9_str("x")));
	fails(c, ENOENT,
	      T(renameat, .olddirfid = 1, .oldname = p9_str("x"), .newdirfid = ROOT,
		.newname = p9_str("y")));
	fails(c, ENOENT, T(remove, .fid = 1));
	host_holds(w, "f", "text");
}
