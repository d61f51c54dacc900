/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mem_xattr.c - extended attributes of objects in memory, stored as they come.
 */
#include <endian.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fs/mem.h"

static bool mem_is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

/* 0 or an error, as Linux would judge the name. `elsewhere`: what it says of those that only files
 * and directories have. */
static int mem_judge_xattr(const struct mem_inode *inode, const char *name, int elsewhere)
{
	const uint32_t mode = inode->attr.mode;

	if (strncmp(name, "user.", 5) != 0)
		return mem_is_acl(name) ? 0 : -EOPNOTSUPP;
	if (!S_ISREG(mode) && !S_ISDIR(mode))
		return elsewhere;
	return name[5] == '\0' ? -EINVAL : 0;
}

/* What Linux refuses of an ACL at first sight; what is in it is not looked at. An empty one is
 * none. */
static int mem_judge_acl(const struct mem_inode *inode, const char *name, const void *buf,
			 size_t size)
{
	struct posix_acl_xattr_header header;

	if (size == 0)
		return 0;
	if (size < sizeof(header))
		return -EINVAL;
	memcpy(&header, buf, sizeof(header));
	if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION)
		return -EOPNOTSUPP;
	if ((size - sizeof(header)) % sizeof(struct posix_acl_xattr_entry) != 0)
		return -EINVAL;
	if (S_ISLNK(inode->attr.mode))
		return -EOPNOTSUPP;
	return strcmp(name, "system.posix_acl_default") == 0 && !S_ISDIR(inode->attr.mode) ? -EACCES
											   : 0;
}

static struct mem_xattr *mem_find_xattr(struct mem_inode *inode, const char *name)
{
	struct mem_xattr *xattr;

	LIST_FOREACH (xattr, &inode->xattrs, next) {
		if (strcmp(xattr->name, name) == 0)
			return xattr;
	}
	return NULL;
}

ssize_t mem_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf, size_t size)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node);
	struct mem_xattr *xattr = mem_find_xattr(inode, name);
	int err = mem_judge_xattr(inode, name, -ENODATA);

	if (err < 0)
		return err;
	if (!xattr)
		return -ENODATA;
	if (size > 0 && size < xattr->size)
		return -ERANGE;
	if (size > 0)
		memcpy(buf, xattr->value, xattr->size);
	return (ssize_t)xattr->size;
}

ssize_t mem_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_xattr *xattr;
	size_t done = 0;

	LIST_FOREACH (xattr, &mem_inode(mem, node)->xattrs, next) {
		size_t length = strlen(xattr->name) + 1;

		if (size > 0 && length > size - done)
			return -ERANGE;
		if (size > 0)
			memcpy((char *)buf + done, xattr->name, length);
		done += length;
	}
	return (ssize_t)done;
}

static int mem_drop_xattr(struct mem_inode *inode, struct mem_xattr *xattr)
{
	LIST_REMOVE(xattr, next);
	free(xattr);
	inode->attr.ctime = mem_now();
	return 0;
}

int mem_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf, size_t size,
		 int flags)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node);
	struct mem_xattr *old = mem_find_xattr(inode, name), *xattr;
	int err = mem_judge_xattr(inode, name, -EPERM);

	if (err < 0)
		return err;
	if (mem_is_acl(name)) {
		flags = 0;
		err = mem_judge_acl(inode, name, buf, size);
		if (err < 0 || size == 0)
			return err == 0 && old ? mem_drop_xattr(inode, old) : err;
	}
	if (old && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!old && (flags & XATTR_REPLACE))
		return -ENODATA;
	xattr = malloc(sizeof(*xattr) + size);
	if (!xattr)
		return -ENOSPC;
	xattr->size = size;
	strcpy(xattr->name, name);
	if (size > 0)
		memcpy(xattr->value, buf, size);
	if (old)
		mem_drop_xattr(inode, old);
	LIST_INSERT_HEAD(&inode->xattrs, xattr, next);
	inode->attr.ctime = mem_now();
	return 0;
}

int mem_removexattr(struct fs *fs, struct fs_node node, const char *name)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node);
	struct mem_xattr *xattr = mem_find_xattr(inode, name);
	int err = mem_judge_xattr(inode, name, -EPERM);

	if (err < 0)
		return err;
	if (xattr)
		return mem_drop_xattr(inode, xattr);
	if (!mem_is_acl(name))
		return -ENODATA;
	return S_ISLNK(inode->attr.mode) ? -EOPNOTSUPP : 0;
}

void mem_drop_xattrs(struct mem_inode *inode)
{
	while (!LIST_EMPTY(&inode->xattrs))
		mem_drop_xattr(inode, LIST_FIRST(&inode->xattrs));
}
