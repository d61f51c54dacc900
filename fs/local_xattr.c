/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_xattr.c - extended attributes of host objects.
 *
 * Guests may keep user attributes and POSIX ACLs on the host, nothing else unless the export says
 * so: trusted and security attributes mean something to the host itself. The refusal costs no
 * system call, because Linux guests ask for security.capability before every write.
 */
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/local.h"

/* There is no such call for O_PATH descriptors, nor one relative to a directory. */
struct local_proc_path {
	char text[32];
};

static struct local_proc_path local_proc_path(struct fs_node node)
{
	struct local_proc_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", node.id);
	return path;
}

static bool local_is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

static bool local_keeps_xattr(struct fs *fs, const char *name)
{
	return strncmp(name, "user.", strlen("user.")) == 0 || local_is_acl(name) ||
	       (local_of(fs)->all_xattrs && (strncmp(name, "trusted.", strlen("trusted.")) == 0 ||
					     strncmp(name, "security.", strlen("security.")) == 0));
}

ssize_t local_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf, size_t size)
{
	if (!local_keeps_xattr(fs, name))
		return -EOPNOTSUPP;
	return LOCAL_SYS(getxattr(local_proc_path(node).text, name, buf, size));
}

/* Leaves in a list of names those a guest may have; returns the new length. */
static size_t local_filter(struct fs *fs, char *list, size_t length)
{
	size_t kept = 0;

	for (size_t n, at = 0; at < length; at += n) {
		n = strlen(list + at) + 1;
		if (!local_keeps_xattr(fs, list + at))
			continue;
		memmove(list + kept, list + at, n);
		kept += n;
	}
	return kept;
}

ssize_t local_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size)
{
	_cleanup_free_ char *list = malloc(FS_XATTR_MAX);
	ssize_t length;

	if (!list)
		return -ENOMEM;
	length = LOCAL_SYS(listxattr(local_proc_path(node).text, list, FS_XATTR_MAX));
	if (length < 0)
		return length;
	length = (ssize_t)local_filter(fs, list, (size_t)length);
	if (size > 0 && (size_t)length > size)
		return -ERANGE;
	if (size > 0)
		memcpy(buf, list, (size_t)length);
	return length;
}

/* An empty ACL is none, so a file system without ACLs has it already. */
int local_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
		   size_t size, int flags)
{
	int ret;

	if (!local_keeps_xattr(fs, name))
		return -EOPNOTSUPP;
	local_keeps_setid(); /* an ACL is a mode, too */
	ret = LOCAL_SYS(setxattr(local_proc_path(node).text, name, buf, size, flags));
	if (ret == -EOPNOTSUPP && size == 0 && local_is_acl(name))
		return 0;
	return ret;
}

int local_removexattr(struct fs *fs, struct fs_node node, const char *name)
{
	if (!local_keeps_xattr(fs, name))
		return -EOPNOTSUPP;
	return LOCAL_SYS(removexattr(local_proc_path(node).text, name));
}
