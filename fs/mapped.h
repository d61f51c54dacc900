/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped.h - owners, modes and special files kept beside the objects of the fs below, so that its
 * host needs no privileges; for mapped*.c only.
 *
 * Whatever is no directory is a regular file below: a symlink's holds the target, a device's is
 * empty. Below, all have one owner, the server, and one of two modes. What the guest is to see
 * stands in a store, in QEMU's formats: mapped_xattr.c, mapped_file.c. What is missing there is as
 * below; so a tree that the host made is shown as it is.
 *
 * An object is made in steps: it appears below, a symlink's target is written, and its attributes
 * are stored, the mode last. What has no mode in the store may so be half made, and is completed
 * by finish(). Others see it until then as the server's own, closed to all but the guest's root.
 */
#ifndef FS_MAPPED_H
#define FS_MAPPED_H

#include "common/util.h"
#include "fs/export.h"
#include "fs/layer.h"

enum {
	MAPPED_UID = 1 << 0,
	MAPPED_GID = 1 << 1,
	MAPPED_MODE = 1 << 2,
	MAPPED_RDEV = 1 << 3,
};

/* What a store holds of an object; `has` says which. */
struct mapped_attr {
	uint32_t has;
	uint32_t uid, gid;
	uint32_t mode; /* with S_IFMT */
	uint64_t rdev; /* as makedev(3) has it */
};

/* An object, as the fs below has it (but for the type), and where it was found. */
struct mapped_at {
	struct fs_node node, dir;
	const char *name; /* NULL: not known */
};

struct mapped;

struct mapped_store {
	/* `host`: the attributes below; what of the store itself can be seen in them is taken out.
	 * What is not stored is no error. */
	int (*load)(struct mapped *mapped, const struct mapped_at *at, struct fs_attr *host,
		    struct mapped_attr *attr);
	/* What `attr` has, and no more, replaces what is stored; the mode last. */
	int (*save)(struct mapped *mapped, const struct mapped_at *at,
		    const struct mapped_attr *attr);
};

struct mapped {
	struct fs_layer layer;
	const struct mapped_store *store;
	uint32_t fmode, dmode; /* of what is made below */

	/* mapped_setid.c; without locks */
	uint32_t setid_round; /* 0: no file with set-id bits was seen; counts those that got some */
	uint64_t setid_none[1024];
};

static inline struct mapped *mapped_of(struct fs *fs)
{
	return (struct mapped *)(void *)fs;
}

void mapped_set_modes(struct mapped *mapped, const struct fs_export *export);

/* What `attr` has, and of `into` what it has not. */
void mapped_merge(struct mapped_attr *into, const struct mapped_attr *attr);

/* The slots that both models have in common. */
int mapped_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr);
int mapped_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		struct fs_attr *attr);
int mapped_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr);
int mapped_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
		   struct fs_attr *attr);
int mapped_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr);
int mapped_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
		   const struct fs_setattr *set);
int mapped_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size);
int mapped_pin(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr);
int mapped_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
		  struct fs_cred cred, struct fs_node *node, struct fs_file *file,
		  struct fs_attr *attr);
int mapped_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		 struct fs_cred cred, struct fs_attr *attr);
int mapped_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
		   struct fs_cred cred, struct fs_attr *attr);
int mapped_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
		 uint32_t minor, struct fs_cred cred, struct fs_attr *attr);
int mapped_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit,
		   void *arg);

/* ---- mapped_setid.c ---- */

/* The mode of what has a new owner, or somebody has written to. */
uint32_t mapped_without_setid(uint32_t mode);

/* A file has been seen with that mode; has been given it, just now. */
void mapped_setid_seen(struct mapped *m, uint32_t mode);
void mapped_setid_given(struct mapped *m, uint32_t mode);

int mapped_act_as(struct fs *fs, struct fs_cred cred);
void mapped_adopt(struct fs *fs, struct fs_node node, struct fs_file file);
void mapped_close(struct fs *fs, struct fs_file file);
ssize_t mapped_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
		     uint64_t offset);

/* Of FS_BEGUN_MAKE. */
int mapped_finish_made(struct fs *fs, const struct fs_begun *begun);

#define MAPPED_SLOTS                                                                               \
	.root = mapped_root, .walk = mapped_walk, .lookup = mapped_lookup,                         \
	.restore = mapped_restore, .getattr = mapped_getattr, .setattr = mapped_setattr,           \
	.readlink = mapped_readlink, .pin = mapped_pin, .create = mapped_create,                   \
	.mkdir = mapped_mkdir, .symlink = mapped_symlink, .mknod = mapped_mknod,                   \
	.readdir = mapped_readdir, .act_as = mapped_act_as, .adopt = mapped_adopt,                 \
	.close = mapped_close, .write = mapped_write

#endif
