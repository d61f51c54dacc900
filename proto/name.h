/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * name.h - the name that a fid's object has now: 9P removes and renames by fid.
 *
 * A request of that sort is about the name that its first try has found. By then the object may
 * have another, or none: its second try would not find out what is left to do. So the name is
 * written down with the request (saved.h) until that has its reply.
 */
#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include "proto/req.h"

/* Finds the name of req->node: the directory, pinned as long as the request is there, and the name.
 * The root is not to be moved or removed: EBUSY. ENOENT: it has none any more. */
int name_find(struct req *req, struct fs_node *dir, const char **name);

/* Of a request whose slot says `named`, when it is done: its outcome is noted, and needs no second
 * try. */
void name_end(struct req *req);

/* Removes it. The second try, too, tells what came of it. */
int name_remove(struct req *req);

/* Removes an object by the name it has now, if any, for no request. */
void name_remove_now(struct fs *fs, struct fs_node node);

/* Tells the fs of the directories that a predecessor's requests have pinned. */
void name_adopt(struct fs *fs, const struct saved *saved);

/* Those are lost: looks for them by their handles, which a worker can before its last walls are up
 * and no more. */
void name_restore(struct fs *fs, struct saved *saved);

#endif
