/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * name.h - the name that a fid's object has now: 9P removes and renames by fid.
 */
#ifndef PROTO_NAME_H
#define PROTO_NAME_H

#include "fs/fs.h"

/* Pins the directory and copies the name (FS_NAME_MAX + 1 bytes). The root is not to be moved or
 * removed: EBUSY. ENOENT: it has none any more. */
int name_find(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name);

/* Removes it. With an intent the second try, too, tells what came of it. */
int name_remove(struct fs *fs, struct fs_node node, struct fs_intent *intent);

#endif
