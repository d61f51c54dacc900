/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * caller.c - the host checks what a guest's user may do (permissions = host).
 *
 * Whatever looks at rights runs with the file system user of the request, his groups on the host,
 * and without his capabilities; so rights, sticky bits and the dropping of set-id bits are the host
 * kernel's. That is the thread's own, and put back at the end of each call.
 *
 * 9P tells a group where an object is made, and no others. A user whom the host knows is in the
 * groups that it has him in, whatever the guest says. Of others the host knows nothing: they are in
 * none but the one that is told.
 *
 * Three things are done as the server all the same, or no Linux guest would work: its kernel drops
 * set-id bits in the name of whoever writes, and file capabilities, which rules.c may keep under a
 * prefix; and it knows the groups that an owner whom the host does not know may give a file to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/groups.h"
#include "fs/layer.h"
#include "fs/local.h"
#include "fs/models.h"

#define NO_GROUP 65534 /* of nobody */
#define UNKNOWN ((uint32_t)-1)

struct caller_layer {
	struct fs_layer layer;
	const struct fs_groups *groups; /* borrowed; NULL: nobody is known */
	gid_t squash_gid;		/* UNKNOWN: there is no squash */
	bool keeps_capabilities;	/* under the prefix */
};

/* Whom this thread works for; an unknown user is the server. */
static _Thread_local struct caller {
	uint32_t uid;
	const gid_t *groups; /* his own first; */
	size_t group_count;  /* 0: the host does not know him */
} caller = {.uid = UNKNOWN};

static int caller_act_as(struct fs *fs, struct fs_cred cred)
{
	const struct caller_layer *layer = (const struct caller_layer *)(const void *)fs;

	caller = (struct caller){.uid = cred.uid};
	if (layer->squash_gid != UNKNOWN) {
		caller.groups = &layer->squash_gid;
		caller.group_count = 1;
	} else if (layer->groups && cred.uid != 0) {
		caller.group_count = fs_groups_of(layer->groups, cred.uid, &caller.groups);
	}
	return 0;
}

/* The group that he acts with, when the request tells `gid`. */
static gid_t callers_group(uint32_t gid)
{
	if (caller.group_count == 0)
		return gid == UNKNOWN ? NO_GROUP : gid;
	for (size_t i = 0; i < caller.group_count; i++) {
		if (caller.groups[i] == gid)
			return gid;
	}
	return caller.groups[0];
}

/* Who owns what he makes: the thread is that already. */
static struct fs_cred callers_cred(struct fs_cred cred)
{
	if (caller.uid != UNKNOWN)
		cred.gid = callers_group(cred.gid);
	return cred;
}

static int become_caller(uint32_t gid, struct local_cred *saved)
{
	const struct local_user user = {
		.uid = caller.uid,
		.gid = callers_group(gid),
		.groups = caller.groups,
		.group_count = caller.group_count,
	};

	*saved = (struct local_cred){.entered = false};
	return caller.uid == UNKNOWN ? 0 : local_cred_as(&user, saved);
}

/* Until the end of the scope, with that group if he may; the slot ends where that cannot be had. */
#define AS_CALLER(gid)                                                                             \
	_local_cred_ struct local_cred saved;                                                      \
	int entered = become_caller(gid, &saved);                                                  \
	if (entered)                                                                               \
	return entered

static int caller_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		       struct fs_attr *attr)
{
	AS_CALLER(UNKNOWN);
	return fs_walk(layer_below(fs), dir, name, node, attr);
}

static int caller_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	AS_CALLER(UNKNOWN);
	return fs_lookup(layer_below(fs), dir, name, attr);
}

static int caller_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	AS_CALLER(UNKNOWN);
	return fs_open(layer_below(fs), node, flags, file);
}

static ssize_t caller_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			    uint64_t offset)
{
	AS_CALLER(UNKNOWN);
	return fs_write(layer_below(fs), file, buf, size, offset, NULL);
}

static int caller_create_file(struct fs *fs, struct fs_node dir, const char *name, int flags,
			      uint32_t mode, struct fs_cred cred, struct fs_node *node,
			      struct fs_file *file, struct fs_attr *attr)
{
	AS_CALLER(cred.gid);
	return fs_create(layer_below(fs), dir, name, flags | O_EXCL, mode, callers_cred(cred), node,
			 file, attr, NULL);
}

static int caller_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
			struct fs_cred cred, struct fs_attr *attr)
{
	AS_CALLER(cred.gid);
	return fs_mkdir(layer_below(fs), dir, name, mode, callers_cred(cred), attr, NULL);
}

static int caller_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
			  struct fs_cred cred, struct fs_attr *attr)
{
	AS_CALLER(cred.gid);
	return fs_symlink(layer_below(fs), dir, name, target, callers_cred(cred), attr, NULL);
}

static int caller_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
			uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	AS_CALLER(cred.gid);
	return fs_mknod(layer_below(fs), dir, name, mode, major, minor, callers_cred(cred), attr,
			NULL);
}

static int caller_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	AS_CALLER(UNKNOWN);
	return fs_link(layer_below(fs), node, dir, name, NULL);
}

static int caller_rename(struct fs *fs, struct fs_node olddir, const char *oldname,
			 struct fs_node newdir, const char *newname)
{
	AS_CALLER(UNKNOWN);
	return fs_rename(layer_below(fs), olddir, oldname, newdir, newname, NULL);
}

static int caller_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir)
{
	AS_CALLER(UNKNOWN);
	return fs_unlink(layer_below(fs), dir, name, rmdir, NULL);
}

/* What a guest's kernel does for its users, see above: takes set-id bits away and leaves the rest.
 */
static bool only_drops_setid(const struct fs_setattr *set, const struct fs_attr *now)
{
	const uint32_t setid = S_ISUID | S_ISGID;

	return (set->valid & FS_SET_MODE) && (now->mode & 07777 & ~setid) == (set->mode & ~setid) &&
	       (set->mode & setid & ~now->mode) == 0;
}

static bool gives_to_a_group(const struct fs_setattr *set, const struct fs_attr *now)
{
	bool same_owner = !(set->valid & FS_SET_UID) || set->uid == now->uid;

	return (set->valid & ~(uint32_t)FS_SET_UID) == FS_SET_GID && same_owner &&
	       now->uid == caller.uid && caller.group_count == 0;
}

static int setattr_as_caller(struct fs *fs, struct fs_node node, struct fs_file file,
			     const struct fs_setattr *set, const struct fs_attr *now)
{
	/* An owner may keep S_ISGID for the group that the file is in. */
	AS_CALLER(now->uid == caller.uid ? now->gid : UNKNOWN);
	return fs_setattr(layer_below(fs), node, file, set);
}

/* They may be gone already, with what somebody else has written, which this guest's kernel cannot
 * know: then it is a mode like any other, and who may not set it is not told, as it is so anyway.
 */
static int drop_setid(struct fs *fs, struct fs_node node, struct fs_file file,
		      const struct fs_setattr *set, const struct fs_attr *now)
{
	int ret;

	if ((set->mode & 07777) != (now->mode & 07777))
		return fs_setattr(layer_below(fs), node, file, set);
	ret = setattr_as_caller(fs, node, file, set, now);
	return ret == -EPERM ? 0 : ret;
}

static int caller_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
			  const struct fs_setattr *set)
{
	struct fs_setattr users = *set, kernels = *set;
	struct fs_attr now;
	int ret = fs_getattr(layer_below(fs), node, &now);

	if (ret)
		return ret;
	kernels.valid = only_drops_setid(set, &now) ? FS_SET_MODE : 0;
	users.valid &= ~kernels.valid;
	if (gives_to_a_group(&users, &now))
		ret = fs_setattr(layer_below(fs), node, file, &users);
	else if (users.valid || !kernels.valid)
		ret = setattr_as_caller(fs, node, file, &users, &now);
	if (ret == 0 && kernels.valid)
		ret = drop_setid(fs, node, file, &kernels, &now);
	return ret;
}

static ssize_t caller_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf,
			       size_t size)
{
	AS_CALLER(UNKNOWN);
	return fs_getxattr(layer_below(fs), node, name, buf, size);
}

static int caller_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			   size_t size, int flags)
{
	AS_CALLER(UNKNOWN);
	return fs_setxattr(layer_below(fs), node, name, buf, size, flags, NULL);
}

static int remove_as_caller(struct fs *fs, struct fs_node node, const char *name)
{
	AS_CALLER(UNKNOWN);
	return fs_removexattr(layer_below(fs), node, name, NULL);
}

/* Whoever changes a file takes its capabilities away, as he does set-id bits, also by a descriptor
 * whose file denies him to write by now. */
static int caller_removexattr(struct fs *fs, struct fs_node node, const char *name)
{
	const struct caller_layer *layer = (const struct caller_layer *)(const void *)fs;
	int ret = remove_as_caller(fs, node, name);

	if (ret == -EACCES && layer->keeps_capabilities && strcmp(name, RULES_CAPABILITY) == 0)
		ret = fs_removexattr(layer_below(fs), node, name, NULL);
	return ret;
}

int caller_create(struct fs *below, const struct fs_export *export, const struct fs_groups *groups,
		  struct fs **fs, char *err, size_t errlen)
{
	static const struct fs_ops ops = {
		.name = "caller",
		.act_as = caller_act_as,
		.walk = caller_walk,
		.lookup = caller_lookup,
		.setattr = caller_setattr,
		.open = caller_open,
		.create = caller_create_file,
		.write = caller_write,
		.mkdir = caller_mkdir,
		.symlink = caller_symlink,
		.mknod = caller_mknod,
		.link = caller_link,
		.rename = caller_rename,
		.unlink = caller_unlink,
		.getxattr = caller_getxattr,
		.setxattr = caller_setxattr,
		.removexattr = caller_removexattr,
	};
	struct caller_layer *layer = calloc(1, sizeof(*layer));

	if (!layer) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	layer->groups = groups;
	layer->squash_gid = export->squash ? export->squash_gid : UNKNOWN;
	layer->keeps_capabilities = export->xattr_security == FS_XATTR_PREFIX;
	layer_init(&layer->layer, below, &ops);
	*fs = &layer->layer.fs;
	return 0;
}
