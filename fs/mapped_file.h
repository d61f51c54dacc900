/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_file.h - what the files of the model mapped-file share; for mapped_file.c,
 * mapped_ghost.c and mapped_meta.c only.
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

/* ---- mapped_meta.c ---- */

#define MAPPED_META ".virtfs_metadata"
#define MAPPED_ROOT_META ".virtfs_metadata_root"

/* The directory of an object's file, and its name there. */
struct mapped_meta {
	struct fs *below;
	struct fs_node dir;  /* the object's, when we pinned it */
	struct fs_node home; /* where the file is; FS_NO_NODE: there is no such directory yet */
	char name[FS_NAME_MAX + 1];
	bool root;
	bool shared; /* somebody has the file who does not know this name */
};

void mapped_meta_end(struct mapped_meta *meta);

#define _meta_ __attribute__((cleanup(mapped_meta_end)))

/* For `name` in `dir`. To be ended also after an error, as the next one. */
int mapped_meta_at(struct mapped_meta *meta, struct fs *below, struct fs_node dir,
		   const char *name);

/* For an object wherever it is. ENOENT: nowhere, or nobody knows where. */
int mapped_meta_of(struct mapped_meta *meta, struct fs *below, struct mapped_ghosts *ghosts,
		   struct fs_node node);

/* The directory for files of objects in `dir`, made if need be. */
int mapped_meta_home(struct fs *below, struct fs_node dir, struct fs_node *home);

/* What it says. No file is as good as an empty one. */
int mapped_meta_read(const struct mapped_meta *meta, struct mapped_attr *attr);

/* The same of such a file itself. */
int mapped_meta_text(struct fs *below, struct fs_node node, struct mapped_attr *attr);

/* What becomes of what a file says: */
enum mapped_change {
	MAPPED_REPLACE,	 /* this, and nothing of it */
	MAPPED_MERGE,	 /* this, and of it what this does not tell */
	MAPPED_COMPLETE, /* it, and what it does not tell */
};

/* The model's lock is held. `dir`: the object's. */
int mapped_meta_change(struct mapped_meta *meta, struct fs_node dir, enum mapped_change change,
		       const struct mapped_attr *attr);

/* Removes the file of a name that nothing has any more, if that is so. */
int mapped_meta_bury(struct mapped_meta *meta, struct fs_node dir);

/* In such a file itself, which others share. */
int mapped_meta_change_shared(struct fs *below, struct fs_node node, enum mapped_change change,
			      const struct mapped_attr *attr);

#endif
