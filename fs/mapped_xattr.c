/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_xattr.c - the ownership model mapped-xattr: attributes of the guest's in those of the
 * host's objects, as QEMU has them.
 *
 * user.virtfs.uid, .gid, .mode: 4 bytes, .rdev: 8, all little endian. A symlink or special file
 * of the host's own can have none; it is shown as it is. That the guest can neither see nor set
 * these names itself is the business of the layer above (rules.c).
 *
 * An object's attributes cost three more system calls each time, of which the host answers most
 * from memory (docs/ownership.md has numbers).
 */
#include "fs/mapped.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crash.h"
#include "fs/models.h"

/* 1 when there is one of that size; what cannot be read, or is something else, is not there. */
static int xattr_get(struct fs *fs, struct fs_node node, const char *name, void *value, size_t size)
{
	uint8_t room[9]; /* so that one that is too long is noticed */
	ssize_t n = fs_getxattr(fs, node, name, room, sizeof(room));

	if (n == (ssize_t)size) {
		memcpy(value, room, size);
		return 1;
	}
	if (n >= 0 || n == -ENODATA || n == -EOPNOTSUPP || n == -EACCES || n == -EPERM ||
	    n == -ERANGE)
		return 0;
	return (int)n;
}

static int xattr_get_number(struct fs *fs, struct fs_node node, const char *name, uint32_t bit,
			    uint32_t *value, uint32_t *has)
{
	uint32_t little;
	int got = xattr_get(fs, node, name, &little, sizeof(little));

	if (got > 0) {
		*value = le32toh(little);
		*has |= bit;
	}
	return got < 0 ? got : 0;
}

static int xattr_load(struct mapped *mapped, const struct mapped_at *at, struct fs_attr *host,
		      struct mapped_attr *attr)
{
	struct fs *below = layer_below(&mapped->layer.fs);
	uint64_t little;
	int ret;

	if (!S_ISREG(host->mode) && !S_ISDIR(host->mode))
		return 0;
	ret = xattr_get_number(below, at->node, "user.virtfs.uid", MAPPED_UID, &attr->uid,
			       &attr->has);
	if (ret == 0)
		ret = xattr_get_number(below, at->node, "user.virtfs.gid", MAPPED_GID, &attr->gid,
				       &attr->has);
	if (ret == 0)
		ret = xattr_get_number(below, at->node, "user.virtfs.mode", MAPPED_MODE,
				       &attr->mode, &attr->has);
	if (ret || !(attr->has & MAPPED_MODE) || !(S_ISCHR(attr->mode) || S_ISBLK(attr->mode)))
		return ret;
	ret = xattr_get(below, at->node, "user.virtfs.rdev", &little, sizeof(little));
	if (ret > 0) {
		attr->rdev = le64toh(little);
		attr->has |= MAPPED_RDEV;
	}
	return ret < 0 ? ret : 0;
}

static int xattr_save(struct mapped *mapped, const struct mapped_at *at,
		      const struct mapped_attr *attr)
{
	const uint32_t uid = htole32(attr->uid), gid = htole32(attr->gid),
		       mode = htole32(attr->mode);
	const uint64_t rdev = htole64(attr->rdev);
	const struct {
		uint32_t bit;
		const char *name;
		const void *value;
		size_t size;
	} table[] = {
		{MAPPED_UID, "user.virtfs.uid", &uid, sizeof(uid)},
		{MAPPED_GID, "user.virtfs.gid", &gid, sizeof(gid)},
		{MAPPED_RDEV, "user.virtfs.rdev", &rdev, sizeof(rdev)},
		{MAPPED_MODE, "user.virtfs.mode", &mode, sizeof(mode)},
	};
	struct fs *below = layer_below(&mapped->layer.fs);
	int ret = 0;

	for (size_t i = 0; i < countof(table) && ret == 0; i++) {
		if (!(attr->has & table[i].bit))
			continue;
		ret = fs_setxattr(below, at->node, table[i].name, table[i].value, table[i].size, 0,
				  NULL);
		CRASH_POINT();
	}
	return ret;
}

static int xattr_finish(struct fs *fs, const struct fs_begun *begun)
{
	return begun->kind == FS_BEGUN_MAKE ? mapped_finish_made(fs, begun) : 0;
}

/* Whether the fs below keeps user attributes. */
static int xattr_probe(struct fs *below)
{
	struct fs_node root;
	struct fs_attr attr;
	int ret = fs_root(below, &root, &attr);
	ssize_t n = 0;

	if (ret)
		return ret;
	n = fs_getxattr(below, root, "user.virtfs.uid", NULL, 0);
	fs_forget(below, root);
	return n == -EOPNOTSUPP ? -EOPNOTSUPP : 0;
}

int mapped_xattr_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
			size_t errlen)
{
	static const struct mapped_store store = {.load = xattr_load, .save = xattr_save};
	static const struct fs_ops ops = {
		.name = "mapped-xattr", MAPPED_SLOTS, .finish = xattr_finish};
	struct mapped *mapped;
	int ret = xattr_probe(below);

	if (ret) {
		snprintf(err, errlen,
			 "the model mapped-xattr needs user attributes, which the file system of "
			 "the export does not keep; mapped-file does without");
		return ret;
	}
	mapped = calloc(1, sizeof(*mapped));
	if (!mapped) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	mapped->store = &store;
	mapped_set_modes(mapped, export);
	layer_init(&mapped->layer, below, &ops);
	*fs = &mapped->layer.fs;
	return 0;
}
