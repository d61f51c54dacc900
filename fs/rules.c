/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rules.c - what a share's administrator allows of extended attributes and special files, and the
 * umask.
 *
 * A rule is for a name space. With the rule "prefix", NAME is user.virtfs.NAME on the host, where
 * it means nothing; that is QEMU's way with ACLs in its model mapped-xattr. The guest must not
 * reach such a name by itself, so all of user.virtfs.* is hidden then, as it is in that model.
 *
 * What means nothing to the host is not removed by it either when a file's content changes. So
 * with security attributes under the prefix, each write looks for file capabilities first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/layer.h"
#include "fs/models.h"

struct rules {
	struct fs_layer layer;
	struct fs_export export;
	bool hides_prefix;
	bool refuses_devices;
};

static const struct rules *rules_of(struct fs *fs)
{
	return (const struct rules *)(const void *)fs;
}

/* ---- names of attributes ---- */

static bool begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

static enum fs_xattr_rule rule_for(const struct rules *r, const char *name)
{
	if (begins(name, "user."))
		return r->export.xattr_user;
	if (begins(name, "trusted."))
		return r->export.xattr_trusted;
	if (begins(name, "security."))
		return r->export.xattr_security;
	if (strcmp(name, "system.posix_acl_access") == 0 ||
	    strcmp(name, "system.posix_acl_default") == 0)
		return r->export.xattr_acl;
	return FS_XATTR_DENY;
}

static bool is_hidden(const struct rules *r, const char *name)
{
	return r->hides_prefix && begins(name, RULES_PREFIX);
}

/* The host's name for the guest's; or -EOPNOTSUPP, -EINVAL, or `hidden`. */
struct host_name {
	char text[FS_NAME_MAX + 1];
};

static int to_host(const struct rules *r, const char *name, int hidden, struct host_name *host)
{
	int n;

	if (is_hidden(r, name))
		return hidden;
	switch (rule_for(r, name)) {
	case FS_XATTR_PASS:
		n = snprintf(host->text, sizeof(host->text), "%s", name);
		break;
	case FS_XATTR_PREFIX:
		/* A name space without a name, which the host would take under the prefix. */
		if (strchr(name, '.')[1] == '\0')
			return -EINVAL;
		n = snprintf(host->text, sizeof(host->text), RULES_PREFIX "%s", name);
		break;
	default:
		return -EOPNOTSUPP;
	}
	return n < (int)sizeof(host->text) ? 0 : -ERANGE;
}

/* The guest's name for the host's; NULL: it is not to see it. */
static const char *to_guest(const struct rules *r, const char *host)
{
	if (r->hides_prefix && begins(host, RULES_PREFIX)) {
		host += strlen(RULES_PREFIX);
		return rule_for(r, host) == FS_XATTR_PREFIX ? host : NULL;
	}
	return rule_for(r, host) == FS_XATTR_PASS ? host : NULL;
}

static ssize_t rules_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf,
			      size_t size)
{
	struct host_name host;
	int ret = to_host(rules_of(fs), name, -ENODATA, &host);

	return ret ? ret : fs_getxattr(layer_below(fs), node, host.text, buf, size);
}

/* Names only get shorter, or go. */
static ssize_t rules_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size)
{
	_cleanup_free_ char *list = malloc(FS_XATTR_MAX);
	size_t kept = 0;
	ssize_t length;

	if (!list)
		return -ENOMEM;
	length = fs_listxattr(layer_below(fs), node, list, FS_XATTR_MAX);
	if (length < 0)
		return length;
	for (size_t n, at = 0; at < (size_t)length; at += n) {
		const char *name = to_guest(rules_of(fs), list + at);

		n = strlen(list + at) + 1;
		if (!name)
			continue;
		memmove(list + kept, name, strlen(name) + 1);
		kept += strlen(list + kept) + 1;
	}
	if (size > 0 && kept > size)
		return -ERANGE;
	if (size > 0)
		memcpy(buf, list, kept);
	return (ssize_t)kept;
}

/* An ACL under the prefix is as it would be without: removing one that is not there succeeds, and
 * no flag keeps one from being set. */
static int remove_acl(struct fs *fs, struct fs_node node, const char *host)
{
	int ret = fs_removexattr(layer_below(fs), node, host, NULL);

	return ret == -ENODATA || ret == -EOPNOTSUPP ? 0 : ret;
}

static bool is_prefixed_acl(const char *host)
{
	return begins(host, RULES_PREFIX "system.");
}

static int rules_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			  size_t size, int flags)
{
	struct host_name host;
	int ret = to_host(rules_of(fs), name, -EACCES, &host);

	if (ret)
		return ret;
	if (is_prefixed_acl(host.text)) {
		if (size == 0)
			return remove_acl(fs, node, host.text);
		flags = 0;
	}
	return fs_setxattr(layer_below(fs), node, host.text, buf, size, flags, NULL);
}

static int rules_removexattr(struct fs *fs, struct fs_node node, const char *name)
{
	struct host_name host;
	int ret = to_host(rules_of(fs), name, -EACCES, &host);

	if (ret)
		return ret;
	if (is_prefixed_acl(host.text))
		return remove_acl(fs, node, host.text);
	return fs_removexattr(layer_below(fs), node, host.text, NULL);
}

/* ---- file capabilities under the prefix ---- */

/* Which takes no right, as opposed to removing it. */
static int has_capability(struct fs *fs, struct fs_node node)
{
	_cleanup_free_ char *list = malloc(FS_XATTR_MAX);
	ssize_t length;

	if (!list)
		return -ENOMEM;
	length = fs_listxattr(layer_below(fs), node, list, FS_XATTR_MAX);
	if (length < 0)
		return (int)length;
	for (size_t at = 0; at < (size_t)length; at += strlen(list + at) + 1) {
		if (strcmp(list + at, RULES_CAPABILITY) == 0)
			return 1;
	}
	return 0;
}

/* EPERM: of what can have none. EACCES: its mode denies it, be it there or not. */
static int drop_capability(struct fs *fs, struct fs_node node)
{
	int ret = fs_removexattr(layer_below(fs), node, RULES_CAPABILITY, NULL);

	if (ret == -EACCES && has_capability(fs, node) == 0)
		return 0;
	return ret == -ENODATA || ret == -EOPNOTSUPP || ret == -EPERM ? 0 : ret;
}

static ssize_t rules_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			   uint64_t offset)
{
	struct fs *below = layer_below(fs);
	struct fs_node node;
	struct fs_attr attr;
	int ret = below->ops->pin ? below->ops->pin(below, file, &node, &attr) : -EOPNOTSUPP;

	if (ret)
		return ret;
	ret = drop_capability(fs, node);
	fs_forget(below, node);
	return ret ? ret : fs_write(below, file, buf, size, offset, NULL);
}

static int rules_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
			 const struct fs_setattr *set)
{
	int ret = 0;

	if (set->valid & (FS_SET_SIZE | FS_SET_UID | FS_SET_GID))
		ret = drop_capability(fs, node);
	return ret ? ret : fs_setattr(layer_below(fs), node, file, set);
}

static int rules_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	int ret = flags & O_TRUNC ? drop_capability(fs, node) : 0;

	return ret ? ret : fs_open(layer_below(fs), node, flags, file);
}

/* ---- making ---- */

static int rules_create_file(struct fs *fs, struct fs_node dir, const char *name, int flags,
			     uint32_t mode, struct fs_cred cred, struct fs_node *node,
			     struct fs_file *file, struct fs_attr *attr)
{
	return fs_create(layer_below(fs), dir, name, flags | O_EXCL,
			 mode & ~rules_of(fs)->export.umask, cred, node, file, attr, NULL);
}

static int rules_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       struct fs_cred cred, struct fs_attr *attr)
{
	return fs_mkdir(layer_below(fs), dir, name, mode & ~rules_of(fs)->export.umask, cred, attr,
			NULL);
}

static int rules_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	if (rules_of(fs)->refuses_devices && (S_ISCHR(mode) || S_ISBLK(mode)))
		return -EPERM;
	return fs_mknod(layer_below(fs), dir, name, mode & ~rules_of(fs)->export.umask, major,
			minor, cred, attr, NULL);
}

static int rules_finish(struct fs *fs, const struct fs_begun *begun)
{
	struct fs *below = layer_below(fs);
	struct fs_begun down = *begun;
	struct fs_object object;

	if (begun->kind == FS_BEGUN_MAKE && !S_ISLNK(begun->object->mode)) {
		object = *begun->object;
		object.mode &= ~rules_of(fs)->export.umask;
		down.object = &object;
	}
	return below->ops->finish(below, &down);
}

int rules_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
		 size_t errlen)
{
	struct fs_ops ops = {
		.name = "rules",
		.opens_special = export->special == FS_SPECIAL_OPEN,
		.create = rules_create_file,
		.mkdir = rules_mkdir,
		.mknod = rules_mknod,
		.finish = below->ops->finish ? rules_finish : NULL,
		.getxattr = rules_getxattr,
		.listxattr = rules_listxattr,
		.setxattr = rules_setxattr,
		.removexattr = rules_removexattr,
	};
	struct rules *r = calloc(1, sizeof(*r));

	if (!r) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	if (export->xattr_security == FS_XATTR_PREFIX) {
		ops.write = rules_write;
		ops.setattr = rules_setattr;
		ops.open = rules_open;
	}
	r->export = *export;
	r->hides_prefix =
		export->model == FS_MODEL_MAPPED_XATTR || export->xattr_user == FS_XATTR_PREFIX ||
		export->xattr_trusted == FS_XATTR_PREFIX ||
		export->xattr_security == FS_XATTR_PREFIX || export->xattr_acl == FS_XATTR_PREFIX;
	r->refuses_devices = export->model == FS_MODEL_NONE && export->special == FS_SPECIAL_REFUSE;
	layer_init(&r->layer, below, &ops);
	*fs = &r->layer.fs;
	return 0;
}
