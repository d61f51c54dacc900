/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fid.h - the fids of a session, and the objects (nodes) they stand for.
 *
 * Owned by the loop: no locks, one thread at a time. A fid and a node are counted: the table
 * holds one reference of each fid in it, requests hold further ones, so that a fid in use
 * outlives its clunk. Clones of a fid share a node. Both kinds live in two flat areas of fixed
 * size that cost memory only where they were used, and refer to each other by index.
 */
#ifndef PROTO_FID_H
#define PROTO_FID_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"
#include "proto/9p.h"
#include "proto/req.h"

#define FID_MAX (1u << 20) /* live fids of one session */
#define FID_XATTR_BYTES_MAX (16u << 20)
#define FID_CLIENT_ID_MAX 255 /* of Tlock; Linux sends its nodename, at most 64 */

/* An object of the export. Everything but `refs` and `qid.version` stays as it is while
 * somebody holds a reference; so `fs` may be read by any thread that was handed the node. */
struct node {
	struct fs_node fs;
	struct p9_qid qid;
	uint32_t refs;
	uint32_t next_free;
};

/* What a fid is good for (9p(5): a fid is opened once, and for ever). Values are bits: a row
 * of the dispatch table names the kinds it serves. */
enum fid_kind {
	FID_UNOPENED = 1 << 0,
	FID_FILE = 1 << 1,
	FID_DIR = 1 << 2,
	FID_XATTR_READ = 1 << 3,
	FID_XATTR_WRITE = 1 << 4,
};

/* The value behind an xattr fid: a snapshot to read, or what is being written. */
struct fid_xattr {
	char *value; /* owned */
	uint32_t size;
	uint32_t written; /* bytes stored so far, always from the front */
	uint32_t flags;	  /* of Txattrcreate */
	char name[FS_NAME_MAX + 1];
};

/* A process of the client that holds locks through this fid. */
struct fid_locker {
	LIST_ENTRY(fid_locker) link; /* session::lockers */
	struct fid *fid;
	uint32_t proc_id;
	char client_id[FID_CLIENT_ID_MAX + 1];
};

struct fid {
	uint32_t number;
	uint32_t next; /* index in the hash chain or the free list */
	uint32_t refs;
	enum fid_kind kind;
	bool busy; /* a request has it for itself; others of that sort wait: */
	struct req_queue waiting;
	struct node *node; /* one reference */
	uint32_t uid;	   /* n_uname of the attach it descends from */
	struct fs_file file;
	struct fid_xattr *xattr;   /* owned */
	struct fid_locker *locker; /* owned; until the fid has no number any more */
};

struct fid_table;

int fid_table_create(struct fs *fs, struct fid_table **table);
void fid_table_destroy(struct fid_table *table); /* takes NULL; no request is left */

/* The fid of that number, not counted for the caller; NULL: none. */
struct fid *fid_find(struct fid_table *table, uint32_t number);

/* A new fid of that number (which is free) for `node`, whose reference it takes over. NULL: the
 * table is full, the reference stays the caller's. */
struct fid *fid_add(struct fid_table *table, uint32_t number, struct node *node, uint32_t uid);

/* Gives the fid the value, whose ownership it takes over. -ENOSPC: the values of the session's fids
 * would be more than FID_XATTR_BYTES_MAX together; ownership stays. */
int fid_set_xattr(struct fid_table *table, struct fid *fid, enum fid_kind kind,
		  struct fid_xattr *xattr);

/* Takes the number away from the fid; the fid goes when its last user is done. */
void fid_remove(struct fid_table *table, struct fid *fid);
void fid_remove_all(struct fid_table *table);

struct fid *fid_ref(struct fid *fid);
void fid_unref(struct fid_table *table, struct fid *fid);

/* Makes the fid stand for another node, whose reference it takes over. */
void fid_move(struct fid_table *table, struct fid *fid, struct node *node);

/* A node with one reference for an object that the driver pinned. NULL: the table is full, the
 * pin stays the caller's. */
struct node *node_add(struct fid_table *table, struct fs_node fs, const struct fs_attr *attr);
struct node *node_ref(struct node *node);
void node_unref(struct fid_table *table, struct node *node);

void fid_xattr_free(struct fid_xattr *xattr); /* takes NULL */

struct p9_qid node_qid(const struct fs_attr *attr);

#endif
