/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops.h - the dispatch table: what each request needs, who handles it.
 *
 * A handler has up to three parts. check: what the protocol demands (loop). ask: the driver call;
 * touches nothing but its request (any thread). commit: what success means for fids and session,
 * and the fields of the reply (loop). Each returns 0 or more for success, or -errno, which goes to
 * the client.
 */
#ifndef PROTO_OPS_H
#define PROTO_OPS_H

#include "proto/fid.h"
#include "proto/req.h"
#include "proto/session.h"

enum op_flags {
	OP_UNVERSIONED = 1 << 0, /* legal before Tversion */
	OP_WRITES = 1 << 1,	 /* refused on a read-only share: EROFS */
	OP_EXCLUSIVE = 1 << 2,	 /* one at a time on its fid */
	OP_CLUNKS = 1 << 3,	 /* the fid is gone, whatever the answer */
	OP_BLOCKS = 1 << 4,	 /* ask is known to sleep: never on the loop */
	OP_TRIES = 1 << 5,	 /* ask obeys req->nowait */
	OP_STALE = 1 << 6,	 /* needs no object: also for fids that have lost theirs */
	OP_LISTS = 1 << 7,	 /* one at a time on an open directory */
	OP_LONG = 1 << 8,	 /* ask may be much work, though it does not sleep */
};

struct op {
	int (*check)(struct req *req); /* OP_DONE: no ask is needed; OP_WAITS. Changes nothing that
					  outlives the process: a successor makes it again. */
	int (*ask)(struct req *req);
	int (*commit)(struct req *req);
	int (*undo)(struct req *req); /* an ask that succeeded and that nobody waits for any more;
					 runs as ask does. NULL: its effect stays */
	uint16_t flags;
	uint8_t in;   /* dialects that have it (1 << enum p9_dialect); 0: all */
	uint8_t fid;  /* kinds (enum fid_kind) the message's fid may be of */
	uint8_t dfid; /* the same for its second fid */
};

#define OP_DONE 1
#define OP_WAITS 2 /* the check has queued the request somewhere; it is made again then */

/* Of commit, instead of a reply; nothing was noted: */
#define OP_AGAIN 3  /* ask once more, as the request is now */
#define OP_DROPS 4  /* the client has given it up; those in req->flushes go on */
#define OP_LEAVES 5 /* it is the successor's */
#define OP_CHECKS 6 /* check once more, after those that have waited for this ask's end */

/* The row of a request type; NULL: not supported in that dialect. */
const struct op *op_find(uint8_t type, enum p9_dialect dialect);

/* 0, or the -errno for a fid of `kind` where one of `allowed` is needed. */
int op_kind_error(enum fid_kind kind, uint8_t allowed);

/* ops_session.c */
int do_version(struct req *req);
int do_version_commit(struct req *req);
int do_auth(struct req *req);
int do_attach(struct req *req);
int do_attach_ask(struct req *req);
int do_attach_commit(struct req *req);
int do_flush(struct req *req);
int do_flush_commit(struct req *req);
int do_clunk(struct req *req);
int do_clunk_ask(struct req *req);
int do_removed_commit(struct req *req);

/* ops_walk.c */
int do_walk(struct req *req);
int do_walk_ask(struct req *req);
int do_walk_commit(struct req *req);
int op_newfid_check(struct req *req, uint32_t newfid);
struct p9_qid op_qid(const struct req *req, const struct fs_attr *attr);

/* ops_io.c */
int do_lopen(struct req *req);
int op_may_open(const struct req *req, int flags);
struct fid_saved *op_opened(struct req *req, struct p9_qid qid, bool dir);
int do_lopen_ask(struct req *req);
int do_lopen_commit(struct req *req);
int do_lcreate(struct req *req);
int do_lcreate_ask(struct req *req);
int do_lcreate_commit(struct req *req);
int do_read(struct req *req);
int do_read_ask(struct req *req);
int do_read_commit(struct req *req);
int do_write(struct req *req);
int do_write_ask(struct req *req);
int do_write_commit(struct req *req);
int do_fsync_ask(struct req *req);

/* ops_open.c */
int do_open(struct req *req);
int do_open_ask(struct req *req);
int do_open_commit(struct req *req);
int do_create(struct req *req);
int do_create_ask(struct req *req);
int do_create_commit(struct req *req);
bool op_create_names(const struct p9_Tcreate *t, uint32_t *fid);

/* ops_stat.c */
int do_stat_ask(struct req *req);
int do_wstat(struct req *req);
int do_wstat_ask(struct req *req);
int stat_list(struct req *req);
int stat_list_ask(struct req *req);
int stat_list_commit(struct req *req);

/* ops_dir.c */
int do_mkdir_ask(struct req *req);
int do_symlink_ask(struct req *req);
int do_mknod_ask(struct req *req);
int do_make_commit(struct req *req);
int do_link_ask(struct req *req);
int do_rename_ask(struct req *req);
int do_renameat_ask(struct req *req);
int do_unlinkat(struct req *req);
int do_unlinkat_ask(struct req *req);
int do_remove(struct req *req);
int do_remove_ask(struct req *req);
int do_readdir(struct req *req);
int do_readdir_ask(struct req *req);

/* ops_attr.c */
int do_getattr_ask(struct req *req);
int do_getattr_commit(struct req *req);
int do_setattr_ask(struct req *req);
int do_statfs_ask(struct req *req);
int do_statfs_commit(struct req *req);
int do_readlink_ask(struct req *req);
int do_readlink_commit(struct req *req);

/* ops_xattr.c */
int do_xattrwalk(struct req *req);
int do_xattrwalk_ask(struct req *req);
int do_xattrwalk_commit(struct req *req);
int do_xattrcreate(struct req *req);
int do_xattrcreate_commit(struct req *req);
int xattr_read(struct req *req);
int xattr_write(struct req *req);
int xattr_write_commit(struct req *req);
int xattr_store_ask(struct req *req);

/* ops_lock.c */
int do_lock(struct req *req);
int do_lock_ask(struct req *req);
int do_lock_commit(struct req *req);
int do_lock_undo(struct req *req);
int do_getlock(struct req *req);
int do_getlock_ask(struct req *req);
int do_getlock_commit(struct req *req);

#endif
