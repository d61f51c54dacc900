/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * layer.h - an fs upon another one: what every layer of fs/ is built from; for fs/ only.
 *
 * A layer's struct begins with a struct fs_layer. Every call goes to the fs below as it came, but
 * for the slots that the layer has of its own; those call the fs_*() functions on layer_below().
 *
 *  - Ownership: layer_init() takes over the fs below; it goes with the layer. A create function
 *    that fails before that leaves it to its caller.
 *  - Handles: nodes and files are those of the fs below, their ids unchanged. A layer may show an
 *    object as of another type (fs_node.type), never as a directory what is none or the other way
 *    round; then it gives the real type to the fs below. fs_file.flags are set at the top, too.
 *  - Attributes that a layer changes, it changes wherever they come from: root, walk, lookup,
 *    restore, getattr, create, pin, mkdir, symlink, mknod.
 *  - Threads, blocking, errors: as fs.h has it for drivers. A layer that refuses a call has made
 *    none of it.
 *  - Intents: fs.c keeps them, once, at the top of all layers; a slot never sees one, and the
 *    fs_*() functions below are called with NULL. Instead, the process may die between any two
 *    steps of a slot, and the next one's fs.c looks, through the whole stack, at what is there,
 *    and makes the call again or not. So a slot orders its steps such that the one that fs.c sees
 *    (the name appears, is gone, is another's) is the last, or its finish() completes the rest.
 *  - What a layer keeps in memory dies with the process; the next begins without.
 */
#ifndef FS_LAYER_H
#define FS_LAYER_H

#include "fs/fs.h"

struct fs_layer {
	struct fs fs;
	struct fs_ops ops;
	struct fs *below;
};

/* Makes `layer` forward to `below`, which it takes over: its slots are those of `own` that are not
 * NULL, then whatever the fs below has. `name` is own->name. */
void layer_init(struct fs_layer *layer, struct fs *below, const struct fs_ops *own);

static inline struct fs *layer_below(struct fs *fs)
{
	return ((struct fs_layer *)(void *)fs)->below;
}

/* Destroys the fs below and frees the layer's struct (from malloc): the end of an own destroy(),
 * and the whole of it where there is none. */
void layer_destroy(struct fs *fs);

#endif
