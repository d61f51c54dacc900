/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_rename.c - Trename, Trenameat, Tunlinkat, Tremove: names change and go, fids stay on
 * their objects.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/protocol/harness.h"

/* ---- the rules of both renames ---- */

/* Moves "old" in ROOT to this name in `dfid`; FID names it. */
typedef struct p9_msg mover(uint32_t dfid, struct p9_str name);

#define FID 50u

static struct p9_msg by_fid(uint32_t dfid, struct p9_str name)
{
	return T(rename, .fid = FID, .dfid = dfid, .name = name);
}

static struct p9_msg by_name(uint32_t dfid, struct p9_str name)
{
	return T(renameat, .olddirfid = ROOT, .oldname = p9_str("old"), .newdirfid = dfid,
		 .newname = name);
}

static struct conn *mover_session(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "old", "moved");
	host_file(w, "taken", "replaced");
	host_dir(w, "d");
	host_dir(w, "d/e");
	walk(c, ROOT, FID, "old");
	walk(c, ROOT, 1, "d");
	return c;
}

static struct conn *dir_mover_session(struct world *w)
{
	struct conn *c = session(w);

	host_dir(w, "old");
	host_file(w, "old/f", "moved");
	host_file(w, "taken", "");
	host_dir(w, "empty");
	host_dir(w, "full");
	host_file(w, "full/f", "");
	walk(c, ROOT, FID, "old");
	return c;
}

static void moves_within_the_directory(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	ok(c, move(ROOT, p9_str("new")));
	check(!host_has(w, "old"));
	host_holds(w, "new", "moved");
}

static void moves_to_another_directory(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	ok(c, move(1, p9_str("new")));
	check(!host_has(w, "old"));
	host_holds(w, "d/new", "moved");
}

static void moves_to_an_open_directory(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	open_path(c, 2, "d", L_RDONLY);
	ok(c, move(2, p9_str("new")));
	host_holds(w, "d/new", "moved");
}

static void replaces_a_file(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	ok(c, move(ROOT, p9_str("taken")));
	host_holds(w, "taken", "moved");
	check(!host_has(w, "old"));
}

static void keeps_the_fid_of_a_replaced_file(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);
	uint64_t path;

	open_path(c, 2, "taken", L_RDONLY);
	path = attr(c, 2).qid.path;
	ok(c, move(ROOT, p9_str("taken")));
	reads(c, 2, 0, "replaced");
	equal(attr(c, 2).qid.path, path);
	equal(attr(c, 2).nlink, 0);
}

/* Open and not open: it stays what it was, and what took its name is not touched. */
static void leaves_all_of_a_replaced_file_to_its_fids(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);
	struct stat after;

	open_path(c, 2, "taken", L_RDWR);
	walk(c, ROOT, 3, "taken");
	ok(c, move(ROOT, p9_str("taken")));
	after = host_stat(w, "taken");
	writes(c, 2, 0, "REPLACED");
	ok(c, T(setattr, .fid = 2, .valid = 0x68, .size = 3));
	ok(c, T(setattr, .fid = 3, .valid = P9_SETATTR_MODE, .mode = 0600));
	ok(c, T(setattr, .fid = 3, .valid = 0x1f0, .atime_sec = 1, .mtime_sec = 2));
	equal(attr(c, 2).mode, S_IFREG | 0600);
	equal(attr(c, 3).mtime_sec, 2);
	equal(attr(c, 3).nlink, 0);
	walk(c, 2, 4, "");
	ok(c, T(lopen, .fid = 4, .flags = L_RDONLY));
	reads(c, 4, 0, "REP");
	fails(c, ENOENT, T(rename, .fid = 3, .dfid = ROOT, .name = p9_str("x")));
	fails(c, ENOENT, T(link, .dfid = ROOT, .fid = 2, .name = p9_str("x")));
	fails(c, ENOENT, T(remove, .fid = 2));
	host_holds(w, "taken", "moved");
	equal(host_stat(w, "taken").st_mode, after.st_mode);
	equal(host_stat(w, "taken").st_mtim.tv_sec, after.st_mtim.tv_sec);
}

static void keeps_the_fid_of_the_moved(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	ok(c, move(1, p9_str("new")));
	equal(attr(c, FID).nlink, 1);
	ok(c, T(setattr, .fid = FID, .valid = P9_SETATTR_SIZE, .size = 3));
	host_holds(w, "d/new", "mov");
	ok(c, T(lopen, .fid = FID, .flags = L_RDONLY));
	reads(c, FID, 0, "mov");
}

static void keeps_fids_below_a_moved_directory(struct world *w, mover *move)
{
	struct conn *c = dir_mover_session(w);
	struct p9_qid qid;

	walk(c, ROOT, 1, "old/f");
	ok(c, move(ROOT, p9_str("new")));
	check(host_has(w, "new/f"));
	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY));
	reads(c, 1, 0, "moved");
	qid = walk(c, FID, 2, "f");
	equal(qid.path, attr(c, 1).qid.path);
}

static void a_moved_directory_has_its_new_parent(struct world *w, mover *move)
{
	struct conn *c = dir_mover_session(w);

	walk(c, ROOT, 1, "empty");
	ok(c, move(1, p9_str("new")));
	equal(walk(c, FID, 2, "..").path, attr(c, 1).qid.path);
}

static void can_be_moved_again(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	ok(c, move(1, p9_str("new")));
	ok(c, T(rename, .fid = FID, .dfid = ROOT, .name = p9_str("third")));
	host_holds(w, "third", "moved");
	ok(c, T(remove, .fid = FID));
	check(!host_has(w, "third"));
}

static void renames_to_itself(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	ok(c, move(ROOT, p9_str("old")));
	host_holds(w, "old", "moved");
}

static void move_fails_for(struct world *w, mover *move, const char *name, int error)
{
	struct conn *c = mover_session(w);

	fails(c, error, move(ROOT, p9_str(name)));
	host_holds(w, "old", "moved");
	attr(c, FID);
}

static void move_refuses_a_name_with_NUL(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	fails(c, EINVAL, move(ROOT, str_of("x\0y", 3)));
	host_holds(w, "old", "moved");
	check(!host_has(w, "x"));
}

static void dir_move_fails_for(struct world *w, mover *move, const char *name, int error)
{
	struct conn *c = dir_mover_session(w);

	fails(c, error, move(ROOT, p9_str(name)));
	check(host_has(w, "old/f"));
}

static void moves_a_directory_over_an_empty_one(struct world *w, mover *move)
{
	struct conn *c = dir_mover_session(w);

	ok(c, move(ROOT, p9_str("empty")));
	check(host_has(w, "empty/f"));
}

static void does_not_move_a_directory_into_itself(struct world *w, mover *move)
{
	struct conn *c = dir_mover_session(w);

	walk(c, FID, 1, "");
	fails(c, EINVAL, move(1, p9_str("new")));
	check(host_has(w, "old/f"));
}

static void move_needs_a_directory(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	walk(c, ROOT, 2, "taken");
	fails(c, ENOTDIR, move(2, p9_str("new")));
	host_holds(w, "old", "moved");
}

static void move_needs_a_known_directory(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	fails(c, EBADF, move(9, p9_str("new")));
	host_holds(w, "old", "moved");
}

static void move_needs_a_directory_that_exists(struct world *w, mover *move)
{
	struct conn *c = mover_session(w);

	walk(c, ROOT, 2, "d/e");
	host_unlink(w, "d/e");
	fails(c, ENOENT, move(2, p9_str("new")));
	host_holds(w, "old", "moved");
}

static void moves_a_symlink_and_not_its_target(struct world *w, mover *move)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_symlink(w, "old", "f");
	walk(c, ROOT, FID, "old");
	ok(c, move(ROOT, p9_str("new")));
	check(S_ISLNK(host_stat(w, "new").st_mode));
	check(host_has(w, "f"));
}

#define MOVER_TEST(kind, fact, function, ...)                                                      \
	TEST(kind##_##fact)                                                                        \
	{                                                                                          \
		function(w, __VA_ARGS__);                                                          \
	}

#define MOVER_TESTS(kind, move)                                                                    \
	MOVER_TEST(kind, moves_within_the_directory, moves_within_the_directory, move)             \
	MOVER_TEST(kind, moves_to_another_directory, moves_to_another_directory, move)             \
	MOVER_TEST(kind, moves_to_an_open_directory, moves_to_an_open_directory, move)             \
	MOVER_TEST(kind, replaces_a_file, replaces_a_file, move)                                   \
	MOVER_TEST(kind, keeps_the_fid_of_a_replaced_file, keeps_the_fid_of_a_replaced_file, move) \
	MOVER_TEST(kind, leaves_all_of_a_replaced_file_to_its_fids,                                \
		   leaves_all_of_a_replaced_file_to_its_fids, move)                                \
	MOVER_TEST(kind, keeps_the_fid_of_the_moved, keeps_the_fid_of_the_moved, move)             \
	MOVER_TEST(kind, keeps_fids_below, keeps_fids_below_a_moved_directory, move)               \
	MOVER_TEST(kind, gives_a_directory_its_new_parent, a_moved_directory_has_its_new_parent,   \
		   move)                                                                           \
	MOVER_TEST(kind, leaves_a_fid_that_can_be_moved_again, can_be_moved_again, move)           \
	MOVER_TEST(kind, to_itself_succeeds, renames_to_itself, move)                              \
	MOVER_TEST(kind, moves_a_symlink_itself, moves_a_symlink_and_not_its_target, move)         \
	MOVER_TEST(kind, moves_a_directory_over_an_empty_one, moves_a_directory_over_an_empty_one, \
		   move)                                                                           \
	MOVER_TEST(kind, to_an_empty_name_is_EINVAL, move_fails_for, move, "", EINVAL)             \
	MOVER_TEST(kind, to_a_name_with_slash_is_EINVAL, move_fails_for, move, "d/x", EINVAL)      \
	MOVER_TEST(kind, to_a_slash_is_EINVAL, move_fails_for, move, "/", EINVAL)                  \
	MOVER_TEST(kind, to_dot_is_EBUSY, move_fails_for, move, ".", EBUSY)                        \
	MOVER_TEST(kind, to_dotdot_is_EBUSY, move_fails_for, move, "..", EBUSY)                    \
	MOVER_TEST(kind, to_256_bytes_is_ENAMETOOLONG, move_fails_for, move, long_name('x', 256),  \
		   ENAMETOOLONG)                                                                   \
	MOVER_TEST(kind, to_a_name_with_NUL_is_EINVAL, move_refuses_a_name_with_NUL, move)         \
	MOVER_TEST(kind, of_a_file_over_a_directory_is_EISDIR, move_fails_for, move, "d", EISDIR)  \
	MOVER_TEST(kind, of_a_directory_over_a_file_is_ENOTDIR, dir_move_fails_for, move, "taken", \
		   ENOTDIR)                                                                        \
	MOVER_TEST(kind, of_a_directory_over_a_full_one_is_ENOTEMPTY, dir_move_fails_for, move,    \
		   "full", ENOTEMPTY)                                                              \
	MOVER_TEST(kind, of_a_directory_into_itself_is_EINVAL,                                     \
		   does_not_move_a_directory_into_itself, move)                                    \
	MOVER_TEST(kind, into_a_file_is_ENOTDIR, move_needs_a_directory, move)                     \
	MOVER_TEST(kind, into_an_unknown_fid_is_EBADF, move_needs_a_known_directory, move)         \
	MOVER_TEST(kind, into_a_removed_directory_is_ENOENT, move_needs_a_directory_that_exists,   \
		   move)

MOVER_TESTS(rename, by_fid)
MOVER_TESTS(renameat, by_name)

/* ---- Trename alone ---- */

TEST(rename_of_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(rename, .fid = 9, .dfid = ROOT, .name = p9_str("x")));
}

TEST(rename_of_the_root_is_EBUSY)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	fails(c, EBUSY, T(rename, .fid = ROOT, .dfid = 1, .name = p9_str("x")));
	fails(c, EBUSY, T(rename, .fid = ROOT, .dfid = ROOT, .name = p9_str("x")));
	check(host_has(w, "d"));
}

TEST(rename_of_an_open_fid)
{
	struct conn *c = mover_session(w);

	ok(c, T(lopen, .fid = FID, .flags = L_RDWR));
	ok(c, by_fid(1, p9_str("new")));
	writes(c, FID, 0, "MOVED");
	host_holds(w, "d/new", "MOVED");
}

TEST(rename_follows_a_rename_of_the_host)
{
	struct conn *c = mover_session(w);

	check(renameat(w->dir, "old", w->dir, "elsewhere") == 0);
	host_file(w, "old", "other");
	ok(c, by_fid(ROOT, p9_str("new")));
	host_holds(w, "old", "other");
	host_holds(w, "new", "moved");
	check(!host_has(w, "elsewhere"));
}

TEST(rename_of_an_unlinked_file_is_ENOENT)
{
	struct conn *c = mover_session(w);

	host_unlink(w, "old");
	host_file(w, "old", "other");
	fails(c, ENOENT, by_fid(ROOT, p9_str("new")));
	host_holds(w, "old", "other");
	check(!host_has(w, "new"));
}

/* ---- Trenameat alone ---- */

static struct p9_msg renameat_from(uint32_t fid, const char *name)
{
	return T(renameat, .olddirfid = fid, .oldname = p9_str(name), .newdirfid = ROOT,
		 .newname = p9_str("new"));
}

TEST(renameat_of_a_missing_name_is_ENOENT)
{
	fails(session(w), ENOENT, renameat_from(ROOT, "missing"));
}

TEST(renameat_from_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, renameat_from(9, "x"));
}

TEST(renameat_from_a_file_is_ENOTDIR)
{
	struct conn *c = mover_session(w);

	fails(c, ENOTDIR, renameat_from(FID, "x"));
}

TEST(renameat_from_an_empty_name_is_EINVAL)
{
	fails(session(w), EINVAL, renameat_from(ROOT, ""));
}

TEST(renameat_from_a_name_with_slash_is_EINVAL)
{
	struct conn *c = mover_session(w);

	host_file(w, "d/f", "");
	fails(c, EINVAL, renameat_from(ROOT, "d/f"));
	check(host_has(w, "d/f"));
}

TEST(renameat_from_dot_is_EBUSY)
{
	fails(session(w), EBUSY, renameat_from(ROOT, "."));
}

TEST(renameat_from_dotdot_is_EBUSY)
{
	fails(session(w), EBUSY, renameat_from(ROOT, ".."));
}

TEST(renameat_from_256_bytes_is_ENAMETOOLONG)
{
	fails(session(w), ENAMETOOLONG, renameat_from(ROOT, long_name('x', 256)));
}

TEST(renameat_from_a_name_with_NUL_is_EINVAL)
{
	struct conn *c = mover_session(w);
	struct p9_msg m = renameat_from(ROOT, "");

	m.Trenameat.oldname = str_of("old\0x", 5);
	fails(c, EINVAL, m);
	check(host_has(w, "old"));
}

TEST(renameat_between_names_of_one_file_changes_nothing)
{
	struct conn *c = mover_session(w);

	check(linkat(w->dir, "old", w->dir, "new", 0) == 0);
	ok(c, renameat_from(ROOT, "old"));
	check(host_has(w, "old") && host_has(w, "new"));
}

TEST(renameat_from_an_open_directory)
{
	struct conn *c = mover_session(w);

	host_file(w, "d/f", "text");
	open_path(c, 2, "d", L_RDONLY);
	ok(c, renameat_from(2, "f"));
	host_holds(w, "new", "text");
}

/* ---- Tunlinkat ---- */

static struct p9_msg unlinkat_of(uint32_t dfid, const char *name, uint32_t flags)
{
	return T(unlinkat, .dfid = dfid, .name = p9_str(name), .flags = flags);
}

TEST(unlinkat_removes_a_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	ok(c, unlinkat_of(ROOT, "f", 0));
	check(!host_has(w, "f"));
}

TEST(unlinkat_with_REMOVEDIR_removes_a_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	ok(c, unlinkat_of(ROOT, "d", P9_AT_REMOVEDIR));
	check(!host_has(w, "d"));
}

TEST(unlinkat_of_a_directory_without_REMOVEDIR_is_EISDIR)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	fails(c, EISDIR, unlinkat_of(ROOT, "d", 0));
	check(host_has(w, "d"));
}

TEST(unlinkat_of_a_file_with_REMOVEDIR_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	fails(c, ENOTDIR, unlinkat_of(ROOT, "f", P9_AT_REMOVEDIR));
	check(host_has(w, "f"));
}

TEST(unlinkat_of_a_full_directory_is_ENOTEMPTY)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	fails(c, ENOTEMPTY, unlinkat_of(ROOT, "d", P9_AT_REMOVEDIR));
	check(host_has(w, "d/f"));
}

TEST(unlinkat_with_other_flags_is_EINVAL)
{
	static const uint32_t flags[] = {1, 0x100, 0x400, 0x1000, 0x80000000, 0x201, UINT32_MAX};
	struct conn *c = session(w);

	host_file(w, "f", "");
	for (size_t i = 0; i < countof(flags); i++)
		fails(c, EINVAL, unlinkat_of(ROOT, "f", flags[i]));
	check(host_has(w, "f"));
}

TEST(unlinkat_of_a_missing_name_is_ENOENT)
{
	struct conn *c = session(w);

	fails(c, ENOENT, unlinkat_of(ROOT, "missing", 0));
	fails(c, ENOENT, unlinkat_of(ROOT, "missing", P9_AT_REMOVEDIR));
}

TEST(unlinkat_of_an_empty_name_is_EINVAL)
{
	fails(session(w), EINVAL, unlinkat_of(ROOT, "", 0));
}

TEST(unlinkat_of_a_name_with_slash_is_EINVAL)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	fails(c, EINVAL, unlinkat_of(ROOT, "d/f", 0));
	fails(c, EINVAL, unlinkat_of(ROOT, "../outside", P9_AT_REMOVEDIR));
	check(host_has(w, "d/f"));
	check(host_has(w, "../outside"));
}

TEST(unlinkat_of_dot_is_EINVAL)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	fails(c, EINVAL, unlinkat_of(1, ".", P9_AT_REMOVEDIR));
	fails(c, EINVAL, unlinkat_of(1, ".", 0));
	check(host_has(w, "d"));
}

TEST(unlinkat_of_dotdot_is_ENOTEMPTY)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	fails(c, ENOTEMPTY, unlinkat_of(1, "..", P9_AT_REMOVEDIR));
	fails(c, ENOTEMPTY, unlinkat_of(1, "..", 0));
}

TEST(unlinkat_of_256_bytes_is_ENAMETOOLONG)
{
	fails(session(w), ENAMETOOLONG, unlinkat_of(ROOT, long_name('x', 256), 0));
}

TEST(unlinkat_of_a_name_with_NUL_is_EINVAL)
{
	struct conn *c = session(w);
	struct p9_msg m = unlinkat_of(ROOT, "", 0);

	host_file(w, "f", "");
	m.Tunlinkat.name = str_of("f\0x", 3);
	fails(c, EINVAL, m);
	check(host_has(w, "f"));
}

TEST(unlinkat_in_a_file_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, unlinkat_of(1, "x", 0));
}

TEST(unlinkat_in_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, unlinkat_of(9, "x", 0));
}

TEST(unlinkat_in_an_open_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	open_path(c, 1, "d", L_RDONLY);
	ok(c, unlinkat_of(1, "f", 0));
	check(!host_has(w, "d/f"));
}

TEST(unlinkat_removes_a_symlink_and_not_its_target)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_symlink(w, "l", "d");
	fails(c, ENOTDIR, unlinkat_of(ROOT, "l", P9_AT_REMOVEDIR));
	ok(c, unlinkat_of(ROOT, "l", 0));
	check(!host_has(w, "l"));
	check(host_has(w, "d"));
}

TEST(unlinkat_clunks_nothing)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	open_path(c, 2, "f", L_RDONLY);
	ok(c, unlinkat_of(ROOT, "f", 0));
	clunk(c, 1);
	clunk(c, 2);
	attr(c, ROOT);
}

TEST(unlinkat_leaves_the_other_hard_links)
{
	struct conn *c = session(w);

	host_file(w, "a", "text");
	check(linkat(w->dir, "a", w->dir, "b", 0) == 0);
	walk(c, ROOT, 1, "a");
	ok(c, unlinkat_of(ROOT, "a", 0));
	host_holds(w, "b", "text");
	equal(attr(c, 1).nlink, 1);
}

/* ---- Tremove ---- */

TEST(remove_removes_a_file_and_clunks)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "f"));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(remove_removes_an_empty_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "d"));
}

TEST(remove_of_a_full_directory_is_ENOTEMPTY_and_clunks)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	walk(c, ROOT, 1, "d");
	fails(c, ENOTEMPTY, T(remove, .fid = 1));
	check(host_has(w, "d/f"));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(remove_of_an_unlinked_file_is_ENOENT_and_clunks)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	host_unlink(w, "f");
	fails(c, ENOENT, T(remove, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(remove_of_the_root_is_EBUSY_and_clunks)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EBUSY, T(remove, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	check(host_has(w, "."));
	attr(c, ROOT);
}

TEST(remove_of_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, T(remove, .fid = 9));
}

TEST(remove_of_an_open_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDWR);
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "f"));
}

TEST(remove_of_a_symlink_leaves_its_target)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "l"));
	check(host_has(w, "f"));
}

TEST(remove_does_not_remove_another_file_of_the_same_name)
{
	struct conn *c = session(w);

	host_file(w, "f", "first");
	walk(c, ROOT, 1, "f");
	host_unlink(w, "f");
	host_file(w, "f", "second");
	fails(c, ENOENT, T(remove, .fid = 1));
	host_holds(w, "f", "second");
}

TEST(remove_removes_the_name_that_was_walked)
{
	struct conn *c = session(w);

	host_file(w, "a", "");
	check(linkat(w->dir, "a", w->dir, "b", 0) == 0);
	walk(c, ROOT, 1, "b");
	ok(c, T(remove, .fid = 1));
	check(host_has(w, "a"));
	check(!host_has(w, "b"));
}

TEST(remove_after_a_rename_removes_the_new_name)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	ok(c, T(renameat, .olddirfid = ROOT, .oldname = p9_str("f"), .newdirfid = ROOT,
		.newname = p9_str("g")));
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "g"));
}

/* ---- Tclunk ---- */

TEST(clunk_frees_the_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	clunk(c, 1);
	fails(c, EBADF, T(getattr, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(clunk_of_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(clunk, .fid = 9));
	fails(c, EBADF, T(clunk, .fid = P9_NOFID));
	attr(c, ROOT);
}

TEST(clunk_keeps_what_was_written)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDWR);
	writes(c, 1, 0, "text");
	clunk(c, 1);
	host_holds(w, "f", "text");
}
