/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * models.h - the layers that ownership models are made of; export.c puts them together.
 *
 * Each takes over `below` when it succeeds; else it gives -errno with a text.
 */
#ifndef FS_MODELS_H
#define FS_MODELS_H

#include "common/util.h"
#include "fs/export.h"
#include "fs/groups.h"

/* A host directory; what an export chooses of it (local.c). */
int local_export(int root_fd, const struct fs_export *export, struct fs **fs, char *err,
		 size_t errlen);

/* The host checks rights, as the user of fs_act_as(), who is in these groups (borrowed; NULL: they
 * are not known). On a host directory. */
int caller_create(struct fs *below, const struct fs_export *export, const struct fs_groups *groups,
		  struct fs **fs, char *err, size_t errlen);

/* Owners, modes, symlinks and special files beside plain files: in user attributes, or in files
 * named .virtfs_metadata. */
int mapped_xattr_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
			size_t errlen);

int mapped_file_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
		       size_t errlen);

/* Of names with xattr-security = prefix; and what stands for security.capability then. */
#define RULES_PREFIX "user.virtfs."
#define RULES_CAPABILITY RULES_PREFIX "security.capability"

/* Names of extended attributes; special files; umask. */
int rules_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
		 size_t errlen);

/* Users and groups: the ranges of `export`, whose squash is in them already. */
int idmap_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
		 size_t errlen);

#endif
