/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * idmap.c - users and groups of the guest are others on the host.
 *
 * Ids are translated wherever they pass: owners of new objects and changed ones downwards, those
 * of found ones upwards, and in ACLs both. A list of ranges is searched from the start; it is
 * short. Who is not known (-1) counts as the guest's root: the server's own user is in no range.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/layer.h"
#include "fs/models.h"

struct idmap {
	struct fs_layer layer;
	struct fs_id_range uids[FS_ID_RANGES], gids[FS_ID_RANGES];
};

static const struct idmap *idmap_of(struct fs *fs)
{
	return (const struct idmap *)(const void *)fs;
}

/* ---- one id ---- */

static bool id_in(uint32_t first, uint32_t count, uint32_t id)
{
	return id >= first && id - first < count;
}

static int id_down(const struct fs_id_range *ranges, uint32_t *id)
{
	for (const struct fs_id_range *r = ranges; r < ranges + FS_ID_RANGES && r->kind; r++) {
		if (!id_in(r->from, r->count, *id))
			continue;
		switch (r->kind) {
		case FS_ID_MAP:
		case FS_ID_GUEST:
			*id = r->to + (*id - r->from);
			return 0;
		case FS_ID_SQUASH_GUEST:
			*id = r->to;
			return 0;
		case FS_ID_FORBID_GUEST:
			return -EPERM;
		default:
			break;
		}
	}
	return 0;
}

static int id_up(const struct fs_id_range *ranges, uint32_t *id)
{
	for (const struct fs_id_range *r = ranges; r < ranges + FS_ID_RANGES && r->kind; r++) {
		if (!id_in(r->kind == FS_ID_MAP ? r->to : r->from, r->count, *id))
			continue;
		switch (r->kind) {
		case FS_ID_MAP:
			*id = r->from + (*id - r->to);
			return 0;
		case FS_ID_HOST:
			*id = r->to + (*id - r->from);
			return 0;
		case FS_ID_SQUASH_HOST:
			*id = r->to;
			return 0;
		case FS_ID_FORBID_HOST:
			return -EPERM;
		default:
			break;
		}
	}
	return 0;
}

typedef int id_translate(const struct fs_id_range *ranges, uint32_t *id);

/* ---- what holds ids ---- */

static int idmap_show(struct fs *fs, struct fs_attr *attr)
{
	int ret = id_up(idmap_of(fs)->uids, &attr->uid);

	return ret ? ret : id_up(idmap_of(fs)->gids, &attr->gid);
}

/* Also asks whether the object can be shown when it is made. */
static int idmap_cred(struct fs *fs, struct fs_cred *cred)
{
	const struct idmap *m = idmap_of(fs);
	struct fs_attr made;
	int ret;

	if (cred->uid == (uint32_t)-1)
		cred->uid = 0;
	if (cred->gid == (uint32_t)-1)
		cred->gid = 0;
	ret = id_down(m->uids, &cred->uid);
	if (ret == 0)
		ret = id_down(m->gids, &cred->gid);
	made = (struct fs_attr){.uid = cred->uid, .gid = cred->gid};
	return ret ? ret : idmap_show(fs, &made);
}

/* linux/posix_acl_xattr.h: a version, then entries; little endian. */
struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
#define ACL_HEADER 4
#define ACL_VERSION 2
#define ACL_USER 0x02
#define ACL_GROUP 0x08

static bool is_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

/* What is no ACL that we know goes to the host as it is, which will say so. */
static int idmap_acl(struct fs *fs, uint8_t *acl, size_t size, id_translate *translate)
{
	const struct idmap *m = idmap_of(fs);
	uint32_t version;

	if (size < ACL_HEADER)
		return 0;
	memcpy(&version, acl, sizeof(version));
	if (le32toh(version) != ACL_VERSION)
		return 0;
	for (size_t at = ACL_HEADER; at + sizeof(struct acl_entry) <= size;
	     at += sizeof(struct acl_entry)) {
		struct acl_entry entry;
		uint16_t tag;
		uint32_t id;
		int ret = 0;

		memcpy(&entry, acl + at, sizeof(entry));
		tag = le16toh(entry.tag);
		id = le32toh(entry.id);
		if (tag == ACL_USER)
			ret = translate(m->uids, &id);
		else if (tag == ACL_GROUP)
			ret = translate(m->gids, &id);
		if (ret)
			return ret;
		entry.id = htole32(id);
		memcpy(acl + at, &entry, sizeof(entry));
	}
	return 0;
}

/* ---- slots: upwards ---- */

/* `ret`: of the fs below, which has pinned `node`. */
static int idmap_found(struct fs *fs, int ret, struct fs_node *node, struct fs_attr *attr)
{
	if (ret == 0) {
		ret = idmap_show(fs, attr);
		if (ret)
			fs_forget(layer_below(fs), *node);
	}
	if (ret)
		*node = FS_NO_NODE;
	return ret;
}

static int idmap_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	return idmap_found(fs, fs_root(layer_below(fs), node, attr), node, attr);
}

static int idmap_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		      struct fs_attr *attr)
{
	return idmap_found(fs, fs_walk(layer_below(fs), dir, name, node, attr), node, attr);
}

static int idmap_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	int ret = fs_lookup(layer_below(fs), dir, name, attr);

	return ret ? ret : idmap_show(fs, attr);
}

static int idmap_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
			 struct fs_attr *attr)
{
	return idmap_found(fs, fs_restore(layer_below(fs), handle, node, attr), node, attr);
}

static int idmap_pin(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr)
{
	struct fs *below = layer_below(fs);
	int ret = below->ops->pin ? below->ops->pin(below, file, node, attr) : -EOPNOTSUPP;

	return idmap_found(fs, ret, node, attr);
}

static int idmap_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	int ret = fs_getattr(layer_below(fs), node, attr);

	return ret ? ret : idmap_show(fs, attr);
}

static ssize_t idmap_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf,
			      size_t size)
{
	ssize_t n = fs_getxattr(layer_below(fs), node, name, buf, size);
	int ret = 0;

	if (n > 0 && size > 0 && is_acl(name))
		ret = idmap_acl(fs, buf, (size_t)n, id_up);
	return ret ? ret : n;
}

/* ---- slots: downwards ---- */

static int idmap_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
			 const struct fs_setattr *set)
{
	struct fs_setattr down = *set;
	struct fs_attr now = {0};
	int ret = 0;

	if (set->valid & FS_SET_UID)
		ret = id_down(idmap_of(fs)->uids, &down.uid);
	if (ret == 0 && (set->valid & FS_SET_GID))
		ret = id_down(idmap_of(fs)->gids, &down.gid);
	/* Nor to whom the guest could not see it any more. */
	if (set->valid & FS_SET_UID)
		now.uid = down.uid;
	if (ret == 0 && (set->valid & FS_SET_UID))
		ret = id_up(idmap_of(fs)->uids, &now.uid);
	if (set->valid & FS_SET_GID)
		now.gid = down.gid;
	if (ret == 0 && (set->valid & FS_SET_GID))
		ret = id_up(idmap_of(fs)->gids, &now.gid);
	return ret ? ret : fs_setattr(layer_below(fs), node, file, &down);
}

static int idmap_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			  size_t size, int flags)
{
	_cleanup_free_ uint8_t *down = NULL;
	int ret;

	if (!is_acl(name))
		return fs_setxattr(layer_below(fs), node, name, buf, size, flags, NULL);
	down = malloc(size + 1);
	if (!down)
		return -ENOMEM;
	if (size > 0)
		memcpy(down, buf, size);
	ret = idmap_acl(fs, down, size, id_down);
	return ret ? ret : fs_setxattr(layer_below(fs), node, name, down, size, flags, NULL);
}

static int idmap_create_file(struct fs *fs, struct fs_node dir, const char *name, int flags,
			     uint32_t mode, struct fs_cred cred, struct fs_node *node,
			     struct fs_file *file, struct fs_attr *attr)
{
	int ret = idmap_cred(fs, &cred);

	if (ret == 0)
		ret = fs_create(layer_below(fs), dir, name, flags | O_EXCL, mode, cred, node, file,
				attr, NULL);
	if (ret)
		return ret;
	ret = idmap_show(fs, attr);
	if (ret == 0)
		return 0;
	fs_close(layer_below(fs), *file);
	fs_forget(layer_below(fs), *node);
	return ret;
}

static int idmap_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       struct fs_cred cred, struct fs_attr *attr)
{
	int ret = idmap_cred(fs, &cred);

	if (ret == 0)
		ret = fs_mkdir(layer_below(fs), dir, name, mode, cred, attr, NULL);
	return ret ? ret : idmap_show(fs, attr);
}

static int idmap_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
			 struct fs_cred cred, struct fs_attr *attr)
{
	int ret = idmap_cred(fs, &cred);

	if (ret == 0)
		ret = fs_symlink(layer_below(fs), dir, name, target, cred, attr, NULL);
	return ret ? ret : idmap_show(fs, attr);
}

static int idmap_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	int ret = idmap_cred(fs, &cred);

	if (ret == 0)
		ret = fs_mknod(layer_below(fs), dir, name, mode, major, minor, cred, attr, NULL);
	return ret ? ret : idmap_show(fs, attr);
}

/* Groups are not known here. */
static int idmap_act_as(struct fs *fs, struct fs_cred cred)
{
	int ret;

	if (cred.uid == (uint32_t)-1)
		cred.uid = 0;
	ret = id_down(idmap_of(fs)->uids, &cred.uid);
	return ret ? ret : fs_act_as(layer_below(fs), cred);
}

static int idmap_finish(struct fs *fs, const struct fs_begun *begun)
{
	struct fs *below = layer_below(fs);
	struct fs_begun down = *begun;
	struct fs_object object;
	int ret = 0;

	if (begun->kind == FS_BEGUN_MAKE) {
		object = *begun->object;
		ret = idmap_cred(fs, &object.cred);
		down.object = &object;
	}
	return ret ? ret : below->ops->finish(below, &down);
}

int idmap_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
		 size_t errlen)
{
	const struct fs_ops ops = {
		.name = "idmap",
		.act_as = idmap_act_as,
		.root = idmap_root,
		.walk = idmap_walk,
		.lookup = idmap_lookup,
		.restore = idmap_restore,
		.getattr = idmap_getattr,
		.setattr = idmap_setattr,
		.create = idmap_create_file,
		.pin = idmap_pin,
		.mkdir = idmap_mkdir,
		.symlink = idmap_symlink,
		.mknod = idmap_mknod,
		.finish = below->ops->finish ? idmap_finish : NULL,
		.getxattr = idmap_getxattr,
		.setxattr = idmap_setxattr,
	};
	struct idmap *m = calloc(1, sizeof(*m));

	if (!m) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	memcpy(m->uids, export->uids, sizeof(m->uids));
	memcpy(m->gids, export->gids, sizeof(m->gids));
	layer_init(&m->layer, below, &ops);
	*fs = &m->layer.fs;
	return 0;
}
