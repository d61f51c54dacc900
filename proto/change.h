/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * change.h - the one change to the session that a request may make: first written down whole, then
 * made in one step that a killed process's successor can repeat (saved.h).
 *
 * For commit handlers, on the loop. Each call notes a part and changes nothing; the session makes
 * the change when the handler has succeeded, together with the reply, or drops the notes. What the
 * request found (new_node, new_file, new_xattr) goes over into the session with them.
 */
#ifndef PROTO_CHANGE_H
#define PROTO_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fid.h"
#include "proto/req.h"

/* A node for req->new_node, as req->attr and req->new_handle describe it; its index. 0: the table
 * is full. */
uint32_t change_node(struct req *req);

/* A new fid of that number for the node of that index. `fid` is its content, to be completed; NULL
 * is fine. -EINVAL: the number is taken by a fid that cannot be replaced; -ENFILE: the table is
 * full. */
int change_add_fid(struct req *req, uint32_t number, uint32_t node, uint32_t uid,
		   struct fid_saved **fid);

/* The content of req->fid, to be altered. */
struct fid_saved *change_fid(struct req *req);

/* So much of the value behind req->fid is there. */
void change_xattr(struct req *req, uint32_t written);

/* What an entry of a locker becomes (0: a new one), of REDO_LOCKERS entries at most. -ENOLCK: there
 * are too many. And: none has locked the whole file of that fid any more. */
int change_locker(struct req *req, uint32_t entry, const struct fid_locker *locker);
void change_whole(struct req *req, const struct fid *fid);

/* Nobody waits for the reply of `old` any more. */
void change_flush(struct req *req, struct req *old);

/* A session of this dialect begins; `msize` 0: none does. All fids go (but for those that stay,
 * with `keep`), and no request but this one is answered any more. */
void change_reset(struct req *req, enum p9_dialect dialect, uint32_t msize, bool keep);

/* ---- for session.c ---- */

void change_make(struct req *req); /* also without any: the reply is due */
void change_drop(struct req *req); /* forgets the notes */

#endif
