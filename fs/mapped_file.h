/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_file.h - what the files of the model mapped-file share; for mapped_file.c and
 * mapped_ghost.c only.
 */
#ifndef FS_MAPPED_FILE_H
#define FS_MAPPED_FILE_H

#include "fs/mapped.h"

/* ---- mapped_ghost.c ---- */

/* What is known of objects whose name the host does not tell. Each is named by its attributes
 * below, as `host`. */
struct mapped_ghosts;

/* NULL: out of memory. */
struct mapped_ghosts *mapped_ghosts_create(struct fs *below);
void mapped_ghosts_destroy(struct mapped_ghosts *g);

/* Of one that has lost a name, by which somebody may still have it. The model's lock is held. */

/* Its attributes, as they were last known; NULL: they are not. */
const struct mapped_attr *mapped_ghost_find(struct mapped_ghosts *g, const struct fs_attr *host);

/* It has these, and of what is known what they do not tell. `always`: also if nothing is known. */
void mapped_ghost_haunt(struct mapped_ghosts *g, const struct fs_attr *host,
			const struct mapped_attr *attr, bool always);

/* Takes the file that its other names share. */
void mapped_ghost_inherit(struct mapped_ghosts *g, const struct fs_attr *host, struct fs_node file);

/* Whether there is such a file, which then must not be replaced. */
bool mapped_ghost_has_heir(struct mapped_ghosts *g, const struct fs_attr *host);

/* That file, lent, unless another process has replaced it or those names are gone, too. */
bool mapped_ghost_heir(struct mapped_ghosts *g, const struct fs_attr *host, struct fs_node *file);

/* Of one that lies deeper than a path is long. These two take no other lock than their own. */

/* It has been found by a name, which the host may not tell later. */
void mapped_ghost_found(struct mapped_ghosts *g, const struct mapped_at *at,
			const struct fs_attr *host);

/* fs_parent(), and of such an object where it was found last. */
int mapped_ghost_parent(struct mapped_ghosts *g, struct fs_node node, struct fs_node *dir,
			char *name);

#endif
