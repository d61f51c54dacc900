/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fid.h - the fids of a session, and the objects (nodes) they stand for.
 *
 * Owned by the loop: no locks, one thread at a time. A fid and a node are counted: a fid's number
 * holds one reference, requests hold further ones, so that a fid in use outlives its clunk. Clones
 * of a fid share a node. Their contents stand in memory that outlives the process (saved.h) and
 * change through change.h only; this is the table around them.
 */
#ifndef PROTO_FID_H
#define PROTO_FID_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"
#include "proto/9p.h"
#include "proto/saved.h"

#define FID_XATTR_BYTES_MAX (16u << 20)

/* What a session may have of them; 0: the most there can be. */
struct fid_budget {
	uint32_t fids;	      /* FID_MAX */
	uint32_t xattr_bytes; /* FID_XATTR_BYTES_MAX */
	uint32_t lockers;     /* FID_LOCKERS_MAX */
};

struct fid_table;

/* A table on what `saved` holds (nothing, at first), borrowed. Fids that have no number get no
 * reference: see fid_table_settle(). */
int fid_table_create(struct fs *fs, struct saved *saved, struct fid_table **table);
void fid_table_destroy(struct fid_table *table); /* takes NULL; no request is left */

/* After a predecessor's requests have taken their references: what nobody refers to is free. Closes
 * nothing. */
void fid_table_settle(struct fid_table *table);

/* All descriptors are lost: opens anew what can be found again by its handle; the rest is stale.
 * Returns how many fids are. */
unsigned fid_table_restore(struct fid_table *table);

/* Removes what predecessors' fids that are gone were to remove at their end; after a restore. */
void fid_table_bury(struct fid_table *table);

/* The descriptors are there: tells the fs of each. */
void fid_table_adopt(struct fid_table *table);

/* The fid of that number, not counted for the caller; NULL: none. */
struct fid *fid_find(struct fid_table *table, uint32_t number);

struct fid *fid_ref(struct fid *fid);
void fid_unref(struct fid_table *table, struct fid *fid);
struct node *node_ref(struct node *node);
void node_unref(struct fid_table *table, struct node *node);

/* A request's reference: as long as there is one, the node keeps its descriptor. */
struct node *node_hold(struct node *node);
void node_let_go(struct fid_table *table, struct node *node);

/* Takes the node's descriptor away, for the caller to forget it. */
struct fs_node node_strip(struct fid_table *table, struct node *node);

/* ---- more nodes than descriptors ----
 *
 * With a limit set, and more nodes and open files than that, nodes that were not used for long lose
 * their descriptors and keep their handles; who needs one again regains it (fs.h). Objects that are
 * open, or have no name or no handle, are not evicted. One that is, and loses its last name
 * afterwards, is gone: ESTALE. */
void fid_table_limit(struct fid_table *table, uint32_t descriptors);
void fid_table_make_room(struct fid_table *table); /* when no change is under way */
bool node_is_evicted(const struct node *node);
void node_regained(struct fid_table *table, struct node *node, struct fs_node found);

uint32_t fid_index(const struct fid_table *table, const struct fid *fid);
uint32_t node_index(const struct fid_table *table, const struct node *node);

/* Closes an open file of the fid's. Its locks go first: another process of ours that is about to
 * end may have the same file open for a moment still, which would keep them. Any thread. */
void fid_close_file(struct fs *fs, const struct fid *fid, struct fs_file file);

/* Does it stand for nothing any more (lost in fid_table_restore())? */
bool fid_is_stale(const struct fid *fid);

/* The value behind an xattr fid; NULL: it is none. */
struct fid_xattr *fid_xattr(const struct fid_table *table, const struct fid *fid);
uint8_t *fid_xattr_value(const struct fid_table *table, uint32_t xattr);

/* ---- for change.c: entries to be filled, and what follows from a change ---- */

void fid_table_budget(struct fid_table *table, const struct fid_budget *budget);

/* An unused entry; 0: none is left. Given back by the put functions while still unused. */
uint32_t fid_reserve(struct fid_table *table);
void fid_put_back(struct fid_table *table, uint32_t fid);
uint32_t node_reserve(struct fid_table *table);
void node_put_back(struct fid_table *table, uint32_t node);

/* An entry for an attribute's value; 0: none is left. Its size counts against the budget
 * from xattr_charge() (-ENOSPC) until xattr_put_back(), which the end of its fid does. */
uint32_t xattr_reserve(struct fid_table *table);
int xattr_charge(struct fid_table *table, uint32_t xattr, uint32_t size);
void xattr_put_back(struct fid_table *table, uint32_t xattr);

/* The entry was filled: with a descriptor of its own. */
void node_changed(struct fid_table *table, uint32_t node);

/* The entry was changed: its number and node count. */
void fid_changed(struct fid_table *table, uint32_t fid);
void fid_unnumber(struct fid_table *table, uint32_t fid);
void fid_unnumber_removed(struct fid_table *table);

/* Takes the number away from the fid. */
void fid_remove(struct fid_table *table, struct fid *fid);
void fid_remove_all(struct fid_table *table);

/* The fid's file may hold locks from now on. */
void fid_note_locks(struct fid *fid);

/* A process of the client's, as Tlock and Tgetlock name it. */
struct fid_process {
	uint32_t id;
	const char *client;
};
bool fid_process_is(struct fid_process a, struct fid_process b);
bool locker_is(const struct fid_locker *locker, struct fid_process process);

/* Lockers: entries + 1, 0 for none. An unused one to be filled; the next one (after 0: the first)
 * that has locked a file of that node's object; its fid; and
 * "that one was filled or emptied". */
uint32_t locker_reserve(const struct fid_table *table);
uint32_t locker_room(const struct fid_table *table); /* entries that are free */
uint32_t locker_next(const struct fid_table *table, const struct node *node, uint32_t after);
struct fid *locker_fid(const struct fid_table *table, uint32_t locker);
void locker_changed(struct fid_table *table, uint32_t locker); /* 0: some were emptied */

struct p9_qid node_qid(const struct fs_attr *attr);

#endif
