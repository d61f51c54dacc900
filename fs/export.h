/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * export.h - how a directory is exported: all that can be chosen, its names and values, and the
 * stack of driver and layers made of it.
 *
 * Plain data, all zeros is a share as it is without any choice; so it travels in control messages.
 */
#ifndef FS_EXPORT_H
#define FS_EXPORT_H

#include "fs/fs.h"
#include "fs/groups.h"
#include "fs/space.h"

/* What becomes of a name space of extended attributes. */
enum fs_xattr_rule {
	FS_XATTR_DEFAULT, /* as the model has it (export.c) */
	FS_XATTR_PASS,	  /* the host's own */
	FS_XATTR_PREFIX,  /* kept on the host under another name, so that it means nothing there */
	FS_XATTR_DENY,	  /* not supported */
};

/* FIFOs, sockets and devices. */
enum fs_special {
	FS_SPECIAL_REFUSE, /* never opened; in the model none, devices are not made */
	FS_SPECIAL_NODES,  /* never opened */
	FS_SPECIAL_OPEN,
};

/* File systems that the host has mounted below the root. */
enum fs_mounts { FS_MOUNTS_CROSS, FS_MOUNTS_HIDE };

/* Who checks what a guest's user may do. */
enum fs_permissions { FS_PERMISSIONS_GUEST, FS_PERMISSIONS_HOST };

/* Ids `from` and the next `count` - 1 of one side, and what they are on the other. */
struct fs_id_range {
	enum {
		FS_ID_NONE,	    /* the end of the list */
		FS_ID_MAP,	    /* `from` of the guest's to `to` and so on, and back */
		FS_ID_GUEST,	    /* the same, not back */
		FS_ID_HOST,	    /* `from` of the host's, not back */
		FS_ID_SQUASH_GUEST, /* all to `to` */
		FS_ID_SQUASH_HOST,
		FS_ID_FORBID_GUEST, /* EPERM */
		FS_ID_FORBID_HOST,
	} kind;
	uint32_t from, to, count;
};

#define FS_ID_RANGES 8

/* What a session may use at a time; 0: as much as there can be, which is FS_BUDGET_*. */
struct fs_budget {
	uint32_t fids;		/* ENFILE */
	uint32_t requests;	/* in flight; others wait in their rings, and so beyond */
	uint32_t request_space; /* MiB of messages */
	uint32_t xattr_space;	/* KiB of values that are being written or read; ENOSPC */
	uint32_t lockers;	/* processes that hold locks in a file; ENOLCK */
};

#define FS_BUDGET_FIDS (1u << 20)
#define FS_BUDGET_REQUESTS 1024
#define FS_BUDGET_REQUEST_SPACE 64
#define FS_BUDGET_XATTR_SPACE (16u << 10)
#define FS_BUDGET_LOCKERS 1024

struct fs_export {
	enum fs_model model;
	bool readonly;	       /* the engine refuses changes; the sandbox, too */
	uint32_t fmode, dmode; /* of the models mapped-*; 0: the default */
	uint32_t umask;	       /* bits that new objects do not get */
	enum fs_special special;
	enum fs_mounts mounts;
	enum fs_permissions permissions;
	enum fs_xattr_rule xattr_user, xattr_trusted, xattr_security, xattr_acl;
	bool squash;
	uint32_t squash_uid, squash_gid;
	/* The first that holds an id counts; what none holds is the same on both sides. */
	struct fs_id_range uids[FS_ID_RANGES], gids[FS_ID_RANGES];
	struct fs_space_limits limits;
	struct fs_budget budget;
};

/* The options, in one table for files and command lines. */
struct fs_export_option {
	const char *name, *arg, *doc;
};
extern const struct fs_export_option fs_export_options[];
extern const size_t fs_export_option_count;

/* Sets one by its name; -EINVAL with a text that names option and value. */
int fs_export_set(struct fs_export *export, const char *name, const char *value, char *err,
		  size_t errlen);

/* -EINVAL and a text for what makes no sense together. */
int fs_export_check(const struct fs_export *export, char *err, size_t errlen);

/* What it takes of the host besides the directory, for fs_groups_free(); NULL for nothing. To be
 * called before a process is confined. */
int fs_export_groups(const struct fs_export *export, struct fs_groups **groups, char *err,
		     size_t errlen);

/* Makes the stack; `root_fd` as fs_local_create() has it; `groups` is borrowed as long as the fs
 * lives. Checks first. */
int fs_export_open(const struct fs_export *export, int root_fd, const struct fs_groups *groups,
		   struct fs **fs, char *err, size_t errlen);

/* The capabilities (as bits) that a process needs to serve it as the model promises; where they
 * are missing, the model none makes do. */
uint64_t fs_export_capabilities(const struct fs_export *export);

#endif
