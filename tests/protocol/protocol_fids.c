/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_fids.c - each operation on a fid in each state. One session has a fid of every state; a
 * test asks one operation of one fid. After an error the fid must still be there.
 */
#include "tests/protocol/harness.h"

#define NEW 30u /* a free number */

/* The states, and the fid that is in it. */
enum {
	free_fid = 9,
	file = 10,
	dir = 11,
	open_file = 12,
	open_dir = 13,
	xattr_read = 14,
	xattr_write = 15,
};

/* NULL, and the test skipped: no extended attributes here. */
static struct conn *all_states(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "source", "");
	host_dir(w, "parent");
	host_dir(w, "parent/d");
	host_file(w, "parent/f", "text");
	host_file(w, "parent/d/child", "");
	if (!host_setxattr(w, "parent/f", "user.a", "abc"))
		return NULL;
	walk(c, ROOT, 1, "source");
	walk(c, ROOT, file, "parent/f");
	walk(c, ROOT, dir, "parent/d");
	open_path(c, open_file, "parent/f", L_RDWR);
	open_path(c, open_dir, "parent/d", L_RDONLY);
	ok(c, T(xattrwalk, .fid = file, .newfid = xattr_read, .name = p9_str("user.a")));
	walk(c, ROOT, xattr_write, "parent/f");
	ok(c, T(xattrcreate, .fid = xattr_write, .name = p9_str("user.b"), .size = 3));
	return c;
}

/* ---- the operations ---- */

static struct p9_msg op_clone_of(uint32_t fid)
{
	return T(walk, .fid = fid, .newfid = NEW);
}

static struct p9_msg op_walk_from(uint32_t fid)
{
	return T(walk, .fid = fid, .newfid = NEW, .names = NAMES("child"));
}

static struct p9_msg op_walk_in_place_of(uint32_t fid)
{
	return T(walk, .fid = fid, .newfid = fid, .names = NAMES("child"));
}

static struct p9_msg op_lopen_of(uint32_t fid)
{
	return T(lopen, .fid = fid, .flags = L_RDONLY);
}

static struct p9_msg op_lcreate_of(uint32_t fid)
{
	return T(lcreate, .fid = fid, .name = p9_str("x"), .flags = L_RDWR, .mode = 0644,
		 .gid = getegid());
}

static struct p9_msg op_read_of(uint32_t fid)
{
	return T(read, .fid = fid, .count = 3);
}

static struct p9_msg op_write_of(uint32_t fid)
{
	return T(write, .fid = fid, .data = data_of("abc", 3));
}

static struct p9_msg op_readdir_of(uint32_t fid)
{
	return T(readdir, .fid = fid, .count = 1000);
}

static struct p9_msg op_fsync_of(uint32_t fid)
{
	return T(fsync, .fid = fid);
}

static struct p9_msg op_getattr_of(uint32_t fid)
{
	return T(getattr, .fid = fid, .request_mask = P9_GETATTR_BASIC);
}

static struct p9_msg op_setattr_of(uint32_t fid)
{
	return T(setattr, .fid = fid, .valid = P9_SETATTR_MODE, .mode = 0755);
}

static struct p9_msg op_statfs_of(uint32_t fid)
{
	return T(statfs, .fid = fid);
}

static struct p9_msg op_readlink_of(uint32_t fid)
{
	return T(readlink, .fid = fid);
}

static struct p9_msg op_xattrwalk_of(uint32_t fid)
{
	return T(xattrwalk, .fid = fid, .newfid = NEW, .name = p9_str(""));
}

static struct p9_msg op_link_of(uint32_t fid)
{
	return T(link, .dfid = ROOT, .fid = fid, .name = p9_str("x"));
}

static struct p9_msg op_link_in(uint32_t fid)
{
	return T(link, .dfid = fid, .fid = 1, .name = p9_str("x"));
}

static struct p9_msg op_mkdir_in(uint32_t fid)
{
	return T(mkdir, .dfid = fid, .name = p9_str("x"), .mode = 0755, .gid = getegid());
}

static struct p9_msg op_mknod_in(uint32_t fid)
{
	return T(mknod, .dfid = fid, .name = p9_str("x"), .mode = S_IFIFO | 0644, .gid = getegid());
}

static struct p9_msg op_symlink_in(uint32_t fid)
{
	return T(symlink, .dfid = fid, .name = p9_str("x"), .target = p9_str("t"),
		 .gid = getegid());
}

static struct p9_msg op_rename_to(uint32_t fid)
{
	return T(rename, .fid = 1, .dfid = fid, .name = p9_str("x"));
}

static struct p9_msg op_renameat_from(uint32_t fid)
{
	return T(renameat, .olddirfid = fid, .oldname = p9_str("child"), .newdirfid = ROOT,
		 .newname = p9_str("x"));
}

static struct p9_msg op_renameat_to(uint32_t fid)
{
	return T(renameat, .olddirfid = ROOT, .oldname = p9_str("source"), .newdirfid = fid,
		 .newname = p9_str("x"));
}

static struct p9_msg op_unlinkat_in(uint32_t fid)
{
	return T(unlinkat, .dfid = fid, .name = p9_str("child"));
}

static struct p9_msg op_rename_of(uint32_t fid)
{
	return T(rename, .fid = fid, .dfid = ROOT, .name = p9_str("x"));
}

static struct p9_msg op_xattrcreate_of(uint32_t fid)
{
	return T(xattrcreate, .fid = fid, .name = p9_str("user.c"), .size = 3);
}

static struct p9_msg op_lock_of(uint32_t fid)
{
	return T(lock, .fid = fid, .type = P9_LOCK_RDLCK, .proc_id = 1, .client_id = p9_str("g"));
}

static struct p9_msg op_getlock_of(uint32_t fid)
{
	return T(getlock, .fid = fid, .type = P9_LOCK_RDLCK, .proc_id = 1,
		 .client_id = p9_str("g"));
}

/* ---- one cell of the table ---- */

static void succeeds(struct world *w, uint32_t fid, struct p9_msg (*op)(uint32_t fid))
{
	struct conn *c = all_states(w);

	if (c != NULL)
		ok(c, op(fid));
}

static void is_refused(struct world *w, uint32_t fid, struct p9_msg (*op)(uint32_t fid),
		       const int *errors)
{
	struct conn *c = all_states(w);

	if (c == NULL)
		return;
	expect_error(__FILE__, __LINE__, c, op(fid), errors);
	equal(errno_of(c, T(clunk, .fid = NEW)), EBADF);
	check(errno_of(c, T(clunk, .fid = fid)) != EBADF || fid == free_fid);
}

#define WORKS(op, state)                                                                           \
	TEST(op##_##state##_succeeds)                                                              \
	{                                                                                          \
		succeeds(w, state, op_##op);                                                       \
	}
#define REFUSED(op, state, error)                                                                  \
	TEST(op##_##state##_is_##error)                                                            \
	{                                                                                          \
		is_refused(w, state, op_##op, (const int[]){error, 0});                            \
	}
#define REFUSED_WITH_ONE_OF(op, state, ...)                                                        \
	TEST(op##_##state##_is_refused)                                                            \
	{                                                                                          \
		is_refused(w, state, op_##op, (const int[]){__VA_ARGS__, 0});                      \
	}

/* An operation on a file or directory, open or not. */
#define ON_ANY_OBJECT(op)                                                                          \
	REFUSED(op, free_fid, EBADF)                                                               \
	WORKS(op, file)                                                                            \
	WORKS(op, dir)                                                                             \
	WORKS(op, open_file)                                                                       \
	WORKS(op, open_dir)                                                                        \
	REFUSED(op, xattr_read, EINVAL)                                                            \
	REFUSED(op, xattr_write, EINVAL)

/* An operation in a directory, open or not. */
#define IN_A_DIRECTORY(op)                                                                         \
	REFUSED(op, free_fid, EBADF)                                                               \
	REFUSED(op, file, ENOTDIR)                                                                 \
	WORKS(op, dir)                                                                             \
	REFUSED(op, open_file, ENOTDIR)                                                            \
	WORKS(op, open_dir)                                                                        \
	REFUSED(op, xattr_read, EINVAL)                                                            \
	REFUSED(op, xattr_write, EINVAL)

REFUSED(clone_of, free_fid, EBADF)
WORKS(clone_of, file)
WORKS(clone_of, dir)
WORKS(clone_of, open_file)
WORKS(clone_of, open_dir)
REFUSED(clone_of, xattr_read, EBADF)
REFUSED_WITH_ONE_OF(clone_of, xattr_write, EBADF, EINVAL)

REFUSED(walk_from, free_fid, EBADF)
REFUSED(walk_from, file, ENOTDIR)
WORKS(walk_from, dir)
REFUSED(walk_from, open_file, ENOTDIR)
WORKS(walk_from, open_dir)
REFUSED(walk_from, xattr_read, EBADF)
REFUSED_WITH_ONE_OF(walk_from, xattr_write, EBADF, EINVAL)

REFUSED(walk_in_place_of, free_fid, EBADF)
REFUSED(walk_in_place_of, file, ENOTDIR)
WORKS(walk_in_place_of, dir)
REFUSED_WITH_ONE_OF(walk_in_place_of, open_file, EINVAL, EBUSY, ENOTDIR)
REFUSED_WITH_ONE_OF(walk_in_place_of, open_dir, EINVAL, EBUSY)
REFUSED_WITH_ONE_OF(walk_in_place_of, xattr_read, EINVAL, EBADF, EBUSY)
REFUSED_WITH_ONE_OF(walk_in_place_of, xattr_write, EINVAL, EBADF, EBUSY)

REFUSED(lopen_of, free_fid, EBADF)
WORKS(lopen_of, file)
WORKS(lopen_of, dir)
REFUSED(lopen_of, open_file, EINVAL)
REFUSED(lopen_of, open_dir, EINVAL)
REFUSED(lopen_of, xattr_read, EINVAL)
REFUSED(lopen_of, xattr_write, EINVAL)

REFUSED(lcreate_of, free_fid, EBADF)
REFUSED(lcreate_of, file, ENOTDIR)
WORKS(lcreate_of, dir)
REFUSED(lcreate_of, open_file, EINVAL)
REFUSED(lcreate_of, open_dir, EINVAL)
REFUSED(lcreate_of, xattr_read, EINVAL)
REFUSED(lcreate_of, xattr_write, EINVAL)

REFUSED(read_of, free_fid, EBADF)
REFUSED(read_of, file, EBADF)
REFUSED_WITH_ONE_OF(read_of, dir, EBADF, EISDIR)
WORKS(read_of, open_file)
REFUSED(read_of, open_dir, EISDIR)
WORKS(read_of, xattr_read)
REFUSED(read_of, xattr_write, EINVAL)

REFUSED(write_of, free_fid, EBADF)
REFUSED(write_of, file, EBADF)
REFUSED_WITH_ONE_OF(write_of, dir, EBADF, EISDIR)
WORKS(write_of, open_file)
REFUSED(write_of, open_dir, EISDIR)
REFUSED(write_of, xattr_read, EINVAL)
WORKS(write_of, xattr_write)

REFUSED(readdir_of, free_fid, EBADF)
REFUSED_WITH_ONE_OF(readdir_of, file, EBADF, ENOTDIR)
REFUSED(readdir_of, dir, EBADF)
REFUSED(readdir_of, open_file, ENOTDIR)
WORKS(readdir_of, open_dir)
REFUSED(readdir_of, xattr_read, ENOTDIR)
REFUSED(readdir_of, xattr_write, ENOTDIR)

REFUSED(fsync_of, free_fid, EBADF)
REFUSED(fsync_of, file, EBADF)
REFUSED(fsync_of, dir, EBADF)
WORKS(fsync_of, open_file)
WORKS(fsync_of, open_dir)
REFUSED(fsync_of, xattr_read, EINVAL)
REFUSED(fsync_of, xattr_write, EINVAL)

ON_ANY_OBJECT(getattr_of)
ON_ANY_OBJECT(setattr_of)
ON_ANY_OBJECT(statfs_of)
ON_ANY_OBJECT(xattrwalk_of)
ON_ANY_OBJECT(rename_of)

REFUSED(readlink_of, free_fid, EBADF)
REFUSED(readlink_of, file, EINVAL)
REFUSED(readlink_of, dir, EINVAL)
REFUSED(readlink_of, open_file, EINVAL)
REFUSED(readlink_of, open_dir, EINVAL)
REFUSED(readlink_of, xattr_read, EINVAL)
REFUSED(readlink_of, xattr_write, EINVAL)

REFUSED(link_of, free_fid, EBADF)
WORKS(link_of, file)
REFUSED(link_of, dir, EPERM)
WORKS(link_of, open_file)
REFUSED(link_of, open_dir, EPERM)
REFUSED(link_of, xattr_read, EINVAL)
REFUSED(link_of, xattr_write, EINVAL)

IN_A_DIRECTORY(link_in)
IN_A_DIRECTORY(mkdir_in)
IN_A_DIRECTORY(mknod_in)
IN_A_DIRECTORY(symlink_in)
IN_A_DIRECTORY(rename_to)
IN_A_DIRECTORY(renameat_from)
IN_A_DIRECTORY(renameat_to)
IN_A_DIRECTORY(unlinkat_in)

REFUSED(xattrcreate_of, free_fid, EBADF)
WORKS(xattrcreate_of, file)
WORKS(xattrcreate_of, dir)
REFUSED(xattrcreate_of, open_file, EINVAL)
REFUSED(xattrcreate_of, open_dir, EINVAL)
REFUSED(xattrcreate_of, xattr_read, EINVAL)
REFUSED(xattrcreate_of, xattr_write, EINVAL)

REFUSED(lock_of, free_fid, EBADF)
REFUSED(lock_of, file, EBADF)
REFUSED(lock_of, dir, EBADF)
WORKS(lock_of, open_file)
WORKS(lock_of, open_dir)
REFUSED(lock_of, xattr_read, EINVAL)
REFUSED(lock_of, xattr_write, EINVAL)

REFUSED(getlock_of, free_fid, EBADF)
REFUSED(getlock_of, file, EBADF)
REFUSED(getlock_of, dir, EBADF)
WORKS(getlock_of, open_file)
WORKS(getlock_of, open_dir)
REFUSED(getlock_of, xattr_read, EINVAL)
REFUSED(getlock_of, xattr_write, EINVAL)

/* ---- the two that end a fid ---- */

static void is_gone_after(struct world *w, uint32_t fid, struct p9_msg m, int error)
{
	struct conn *c = all_states(w);

	if (c == NULL)
		return;
	equal(errno_of(c, m), error);
	fails(c, EBADF, T(clunk, .fid = fid));
	attr(c, ROOT);
}

#define GONE_AFTER(op, state, error)                                                               \
	TEST(op##_of_##state##_ends_the_fid)                                                       \
	{                                                                                          \
		is_gone_after(w, state, T(op, .fid = state), error);                               \
	}

GONE_AFTER(clunk, file, 0)
GONE_AFTER(clunk, dir, 0)
GONE_AFTER(clunk, open_file, 0)
GONE_AFTER(clunk, open_dir, 0)
GONE_AFTER(clunk, xattr_read, 0)
GONE_AFTER(clunk, xattr_write, EINVAL) /* nothing was written yet */

GONE_AFTER(remove, file, 0)
GONE_AFTER(remove, dir, ENOTEMPTY)
GONE_AFTER(remove, open_file, 0)
GONE_AFTER(remove, open_dir, ENOTEMPTY)
GONE_AFTER(remove, xattr_read, EINVAL)
GONE_AFTER(remove, xattr_write, EINVAL)

TEST(a_directory_that_is_open_is_removed)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	open_path(c, 1, "d", L_RDONLY);
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "d"));
}

/* ---- what a refused operation must not do ---- */

TEST(a_second_open_leaves_the_fid_open)
{
	struct conn *c = all_states(w);

	if (c == NULL)
		return;
	fails(c, EINVAL, op_lopen_of(open_file));
	reads(c, open_file, 0, "text");
	fails(c, EINVAL, op_lcreate_of(open_dir));
	ok(c, op_readdir_of(open_dir));
}

TEST(a_refused_operation_leaves_an_attribute_fid)
{
	struct conn *c = all_states(w);

	if (c == NULL)
		return;
	fails(c, EINVAL, op_getattr_of(xattr_read));
	fails(c, ENOTDIR, op_readdir_of(xattr_read));
	reads(c, xattr_read, 0, "abc");
	fails(c, EINVAL, op_getattr_of(xattr_write));
	fails(c, EINVAL, op_read_of(xattr_write));
	ok(c, op_write_of(xattr_write));
	clunk(c, xattr_write);
}
