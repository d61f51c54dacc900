/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops.c - the table. "What may a client do before Tversion?", "what is refused on a read-only
 * share?" and "which dialect has this message?" are answered here, on one screen.
 */
#include "proto/ops.h"

#include <errno.h>

#include "common/util.h"

#define ANY (FID_UNOPENED | FID_FILE | FID_DIR)
#define DIRLIKE (FID_UNOPENED | FID_DIR) /* fids that may name a directory to act in */
#define EVERY (ANY | FID_XATTR_READ | FID_XATTR_WRITE)

#define LINUX (1 << P9_L)
#define CLASSIC (1 << P9_U | 1 << P9_PLAIN)

/* clang-format off */
static const struct op table[] = {
	[P9_Tversion] = {.check = do_version, .commit = do_version_commit, .flags = OP_UNVERSIONED},
	[P9_Tauth] = {.check = do_auth},
	[P9_Tattach] = {.check = do_attach, .ask = do_attach_ask, .commit = do_attach_commit},
	[P9_Tflush] = {.check = do_flush, .commit = do_flush_commit},
	[P9_Tclunk] = {.check = do_clunk, .ask = do_clunk_ask, .commit = do_removed_commit, .flags = OP_CLUNKS | OP_STALE, .fid = EVERY},

	[P9_Twalk] = {.check = do_walk, .ask = do_walk_ask, .commit = do_walk_commit, .fid = EVERY},

	[P9_Topen] = {.check = do_open, .ask = do_open_ask, .commit = do_open_commit, .in = CLASSIC, .flags = OP_EXCLUSIVE, .fid = FID_UNOPENED},
	[P9_Tcreate] = {.check = do_create, .ask = do_create_ask, .commit = do_create_commit, .in = CLASSIC, .flags = OP_WRITES | OP_EXCLUSIVE, .fid = FID_UNOPENED, .dfid = ANY},
	[P9_Tlopen] = {.check = do_lopen, .ask = do_lopen_ask, .commit = do_lopen_commit, .in = LINUX, .flags = OP_EXCLUSIVE, .fid = FID_UNOPENED},
	[P9_Tlcreate] = {.check = do_lcreate, .ask = do_lcreate_ask, .commit = do_lcreate_commit, .in = LINUX, .flags = OP_WRITES | OP_EXCLUSIVE, .fid = FID_UNOPENED},
	[P9_Tread] = {.check = do_read, .ask = do_read_ask, .commit = do_read_commit, .flags = OP_TRIES | OP_LISTS, .fid = FID_FILE | FID_DIR | FID_XATTR_READ},
	[P9_Twrite] = {.check = do_write, .ask = do_write_ask, .commit = do_write_commit, .flags = OP_WRITES, .fid = FID_FILE | FID_XATTR_WRITE},
	[P9_Tfsync] = {.ask = do_fsync_ask, .in = LINUX, .flags = OP_BLOCKS, .fid = FID_FILE | FID_DIR},

	[P9_Tmkdir] = {.ask = do_mkdir_ask, .commit = do_make_commit, .in = LINUX, .flags = OP_WRITES, .fid = DIRLIKE},
	[P9_Tsymlink] = {.ask = do_symlink_ask, .commit = do_make_commit, .in = LINUX, .flags = OP_WRITES, .fid = DIRLIKE},
	[P9_Tmknod] = {.ask = do_mknod_ask, .commit = do_make_commit, .in = LINUX, .flags = OP_WRITES, .fid = DIRLIKE},
	[P9_Tlink] = {.ask = do_link_ask, .in = LINUX, .flags = OP_WRITES, .fid = ANY, .dfid = DIRLIKE},
	[P9_Trename] = {.ask = do_rename_ask, .in = LINUX, .flags = OP_WRITES, .fid = ANY, .dfid = DIRLIKE},
	[P9_Trenameat] = {.ask = do_renameat_ask, .in = LINUX, .flags = OP_WRITES, .fid = DIRLIKE, .dfid = DIRLIKE},
	[P9_Tunlinkat] = {.check = do_unlinkat, .ask = do_unlinkat_ask, .in = LINUX, .flags = OP_WRITES, .fid = DIRLIKE},
	[P9_Tremove] = {.check = do_remove, .ask = do_remove_ask, .commit = do_removed_commit, .flags = OP_WRITES | OP_CLUNKS, .fid = ANY},
	[P9_Treaddir] = {.check = do_readdir, .ask = do_readdir_ask, .in = LINUX, .flags = OP_EXCLUSIVE | OP_LONG, .fid = FID_DIR},

	[P9_Tstat] = {.ask = do_stat_ask, .in = CLASSIC, .fid = ANY},
	[P9_Twstat] = {.check = do_wstat, .ask = do_wstat_ask, .in = CLASSIC, .flags = OP_BLOCKS, .fid = ANY},
	[P9_Tgetattr] = {.ask = do_getattr_ask, .commit = do_getattr_commit, .in = LINUX, .fid = ANY},
	[P9_Tsetattr] = {.ask = do_setattr_ask, .in = LINUX, .flags = OP_WRITES, .fid = ANY},
	[P9_Tstatfs] = {.ask = do_statfs_ask, .commit = do_statfs_commit, .in = LINUX, .fid = ANY},
	[P9_Treadlink] = {.ask = do_readlink_ask, .commit = do_readlink_commit, .in = LINUX, .fid = ANY},

	[P9_Txattrwalk] = {.check = do_xattrwalk, .ask = do_xattrwalk_ask, .commit = do_xattrwalk_commit, .in = LINUX, .fid = ANY},
	[P9_Txattrcreate] = {.check = do_xattrcreate, .commit = do_xattrcreate_commit, .in = LINUX, .flags = OP_WRITES | OP_EXCLUSIVE, .fid = FID_UNOPENED},

	[P9_Tlock] = {.check = do_lock, .ask = do_lock_ask, .commit = do_lock_commit, .undo = do_lock_undo, .in = LINUX, .fid = FID_FILE | FID_DIR},
	[P9_Tgetlock] = {.check = do_getlock, .ask = do_getlock_ask, .commit = do_getlock_commit, .in = LINUX, .fid = FID_FILE | FID_DIR},
};
/* clang-format on */

const struct op *op_find(uint8_t type, enum p9_dialect dialect)
{
	const struct op *op = type < countof(table) ? &table[type] : NULL;

	if (op == NULL || (op->check == NULL && op->ask == NULL && op->commit == NULL))
		return NULL;
	return op->in == 0 || (op->in & 1 << dialect) != 0 ? op : NULL;
}

int op_kind_error(enum fid_kind kind, uint8_t allowed)
{
	if ((kind & allowed) != 0)
		return 0;
	switch (kind) {
	case FID_UNOPENED:
		return -EBADF;
	case FID_FILE:
		return (allowed & FID_DIR) != 0 ? -ENOTDIR : -EINVAL;
	case FID_DIR:
		return (allowed & FID_FILE) != 0 ? -EISDIR : -EINVAL;
	default: /* an attribute */
		return allowed == FID_DIR ? -ENOTDIR : -EINVAL;
	}
}
