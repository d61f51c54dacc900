/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped.c - see mapped.h: what both stores have in common.
 */
#include "fs/mapped.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/crash.h"
#include "common/util.h"

/* QEMU's defaults. */
#define MAPPED_FMODE 0600
#define MAPPED_DMODE 0700

#define SERVER ((struct fs_cred){.uid = (uint32_t)-1, .gid = (uint32_t)-1})

static struct fs *mapped_below(struct mapped *m)
{
	return layer_below(&m->layer.fs);
}

void mapped_merge(struct mapped_attr *into, const struct mapped_attr *attr)
{
	into->has |= attr->has;
	if (attr->has & MAPPED_UID)
		into->uid = attr->uid;
	if (attr->has & MAPPED_GID)
		into->gid = attr->gid;
	if (attr->has & MAPPED_MODE)
		into->mode = attr->mode;
	if (attr->has & MAPPED_RDEV)
		into->rdev = attr->rdev;
}

void mapped_set_modes(struct mapped *mapped, const struct fs_export *export)
{
	mapped->fmode = export->fmode ? export->fmode : MAPPED_FMODE;
	mapped->dmode = export->dmode ? export->dmode : MAPPED_DMODE;
}

/* ---- attributes ---- */

/* A stored type counts where it can be true: somebody else may have written it, and a directory, a
 * FIFO or a device of the host stays what it is. */
static uint32_t mapped_mode(uint32_t host, uint32_t stored)
{
	uint32_t type = host & S_IFMT;

	if (S_ISREG(host) && !S_ISDIR(stored) && (stored & S_IFMT) != 0)
		type = stored & S_IFMT;
	return type | (stored & ~(uint32_t)S_IFMT);
}

/* Puts what is stored over the attributes from below. */
static int mapped_show(struct mapped *m, const struct mapped_at *at, struct fs_attr *attr)
{
	struct mapped_attr stored = {.has = 0};
	int ret = m->store->load(m, at, attr, &stored);

	if (ret)
		return ret;
	if (stored.has & MAPPED_UID)
		attr->uid = stored.uid;
	if (stored.has & MAPPED_GID)
		attr->gid = stored.gid;
	if (stored.has & MAPPED_MODE)
		attr->mode = mapped_mode(attr->mode, stored.mode);
	mapped_setid_seen(m, attr->mode);
	if ((stored.has & MAPPED_RDEV) && (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))) {
		attr->rdev_major = major(stored.rdev);
		attr->rdev_minor = minor(stored.rdev);
	}
	return 0;
}

/* The same for what the fs below has pinned; `ret` is its result. */
static int mapped_found(struct mapped *m, int ret, struct fs_node dir, const char *name,
			struct fs_node *node, struct fs_attr *attr)
{
	const struct mapped_at at = {.node = *node, .dir = dir, .name = name};

	if (ret == 0) {
		ret = mapped_show(m, &at, attr);
		if (ret)
			fs_forget(mapped_below(m), *node);
		node->type = attr->mode & S_IFMT;
	}
	if (ret)
		*node = FS_NO_NODE;
	return ret;
}

int mapped_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	int ret = fs_root(layer_below(fs), node, attr);

	return mapped_found(mapped_of(fs), ret, FS_NO_NODE, NULL, node, attr);
}

int mapped_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		struct fs_attr *attr)
{
	const char *known = strcmp(name, ".") == 0 ? NULL : name;
	int ret = fs_walk(layer_below(fs), dir, name, node, attr);

	return mapped_found(mapped_of(fs), ret, dir, known, node, attr);
}

int mapped_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	struct fs_node node;
	int ret = mapped_walk(fs, dir, name, &node, attr);

	fs_forget(layer_below(fs), node);
	return ret;
}

int mapped_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
		   struct fs_attr *attr)
{
	int ret = fs_restore(layer_below(fs), handle, node, attr);

	return mapped_found(mapped_of(fs), ret, FS_NO_NODE, NULL, node, attr);
}

int mapped_pin(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr)
{
	struct fs *below = layer_below(fs);
	int ret = below->ops->pin ? below->ops->pin(below, file, node, attr) : -EOPNOTSUPP;

	return mapped_found(mapped_of(fs), ret, FS_NO_NODE, NULL, node, attr);
}

int mapped_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	const struct mapped_at at = {.node = node, .dir = FS_NO_NODE};
	int ret = fs_getattr(layer_below(fs), node, attr);

	return ret ? ret : mapped_show(mapped_of(fs), &at, attr);
}

static int mapped_set_stored(struct fs *fs, struct fs_node node, const struct fs_setattr *set)
{
	const struct mapped_at at = {.node = node, .dir = FS_NO_NODE};
	struct mapped_attr new = {.uid = set->uid, .gid = set->gid};
	struct fs_attr attr;
	int ret = mapped_getattr(fs, node, &attr);

	if (ret)
		return ret;
	if (set->valid & FS_SET_UID)
		new.has |= MAPPED_UID;
	if (set->valid & FS_SET_GID)
		new.has |= MAPPED_GID;
	if (set->valid & FS_SET_MODE)
		new.mode = (attr.mode & S_IFMT) | set->mode;
	else
		new.mode = mapped_without_setid(attr.mode);
	if (new.mode != attr.mode || (set->valid & FS_SET_MODE))
		new.has |= MAPPED_MODE;
	ret = mapped_of(fs)->store->save(mapped_of(fs), &at, &new);
	if (new.has & MAPPED_MODE)
		mapped_setid_given(mapped_of(fs), new.mode);
	return ret;
}

/* In the order that fs.h promises; below, only what is kept there. */
int mapped_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
		   const struct fs_setattr *set)
{
	const uint32_t stored = FS_SET_UID | FS_SET_GID | FS_SET_MODE;
	struct fs_setattr step = *set;
	int ret = 0;

	step.valid = set->valid & FS_SET_SIZE;
	if (step.valid)
		ret = fs_setattr(layer_below(fs), node, file, &step);
	if (ret == 0 && (set->valid & stored))
		ret = mapped_set_stored(fs, node, set);
	step.valid = set->valid & ~(stored | FS_SET_SIZE);
	if (set->valid & stored) /* a store may lie elsewhere */
		step.valid |= FS_SET_CTIME;
	if (ret == 0 && step.valid)
		ret = fs_setattr(layer_below(fs), node, file, &step);
	return ret;
}

/* ---- symlinks ---- */

/* As much of the content as fits. */
static int mapped_content(struct fs *fs, struct fs_node node, char *buf, size_t size)
{
	const struct fs_node regular = {.id = node.id, .type = S_IFREG};
	struct fs_file file;
	size_t done = 0;
	ssize_t n = fs_open(layer_below(fs), regular, O_RDONLY, &file);

	if (n)
		return (int)n;
	do {
		n = fs_read(layer_below(fs), file, buf + done, size - done, done, false);
		done += n > 0 ? (size_t)n : 0;
	} while (n > 0 && done < size);
	fs_close(layer_below(fs), file);
	return n < 0 ? (int)n : (int)done;
}

/* Old versions of QEMU have stored the NUL, too. */
int mapped_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size)
{
	struct fs_attr host;
	int ret = fs_getattr(layer_below(fs), node, &host);

	if (ret)
		return ret;
	if (S_ISLNK(host.mode))
		return fs_readlink(layer_below(fs), node, buf, size);
	ret = mapped_content(fs, node, buf, size < FS_TARGET_MAX ? size : FS_TARGET_MAX);
	return ret < 0 ? ret : (int)strnlen(buf, (size_t)ret);
}

static int mapped_write_target(struct fs *fs, struct fs_file file, const char *target)
{
	ssize_t length = (ssize_t)strlen(target);
	ssize_t n = fs_write(layer_below(fs), file, target, (size_t)length, 0, NULL);

	return n < 0 ? (int)n : n == length ? 0 : -ENOSPC;
}

/* ---- making ---- */

/* A directory with S_ISGID hands its group on. */
static int mapped_new(struct fs *fs, struct fs_node dir, const struct fs_object *object,
		      struct mapped_attr *new)
{
	struct fs_attr parent;
	int ret = mapped_getattr(fs, dir, &parent);

	if (ret)
		return ret;
	*new = (struct mapped_attr){
		.has = MAPPED_MODE,
		.uid = object->cred.uid,
		.gid = object->cred.gid,
		.mode = object->mode,
		.rdev = makedev(object->major, object->minor),
	};
	if (parent.mode & S_ISGID) {
		new->gid = parent.gid;
		new->mode |= S_ISDIR(object->mode) ? S_ISGID : 0U;
	}
	if (new->uid != (uint32_t)-1)
		new->has |= MAPPED_UID;
	if (new->gid != (uint32_t)-1)
		new->has |= MAPPED_GID;
	if (S_ISCHR(object->mode) || S_ISBLK(object->mode))
		new->has |= MAPPED_RDEV;
	return 0;
}

/* What is missing when the object has appeared below. */
static int mapped_complete(struct fs *fs, const struct mapped_at *at, struct fs_file file,
			   const struct fs_object *object, const struct mapped_attr *new)
{
	int ret = 0;

	CRASH_POINT();
	if (S_ISLNK(object->mode))
		ret = mapped_write_target(fs, file, object->target);
	CRASH_POINT();
	return ret ? ret : mapped_of(fs)->store->save(mapped_of(fs), at, new);
}

/* Makes a regular file below, for whatever the guest sees in it. */
static int mapped_make(struct fs *fs, struct fs_node dir, const char *name, int flags,
		       const struct fs_object *object, struct fs_node *node, struct fs_file *file,
		       struct fs_attr *attr)
{
	struct mapped *m = mapped_of(fs);
	struct fs *below = layer_below(fs);
	struct mapped_at at = {.dir = dir, .name = name};
	struct mapped_attr new;
	int ret = mapped_new(fs, dir, object, &new);

	if (ret == 0)
		ret = fs_create(below, dir, name, flags | O_EXCL, m->fmode, SERVER, node, file,
				attr, NULL);
	if (ret)
		return ret;
	at.node = *node;
	ret = mapped_complete(fs, &at, *file, object, &new);
	if (ret == 0)
		ret = mapped_getattr(fs, *node, attr);
	if (ret == 0) {
		node->type = attr->mode & S_IFMT;
		return 0;
	}
	fs_unlink(below, dir, name, false, NULL);
	fs_close(below, *file);
	fs_forget(below, *node);
	return ret;
}

int mapped_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
		  struct fs_cred cred, struct fs_node *node, struct fs_file *file,
		  struct fs_attr *attr)
{
	const struct fs_object object = {.mode = S_IFREG | mode, .cred = cred};

	return mapped_make(fs, dir, name, flags, &object, node, file, attr);
}

static int mapped_make_closed(struct fs *fs, struct fs_node dir, const char *name,
			      const struct fs_object *object, struct fs_attr *attr)
{
	struct fs_node node;
	struct fs_file file;
	int ret = mapped_make(fs, dir, name, O_WRONLY, object, &node, &file, attr);

	if (ret)
		return ret;
	fs_close(layer_below(fs), file);
	fs_forget(layer_below(fs), node);
	return 0;
}

int mapped_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
		   struct fs_cred cred, struct fs_attr *attr)
{
	const struct fs_object object = {.mode = S_IFLNK | 0777, .cred = cred, .target = target};

	return mapped_make_closed(fs, dir, name, &object, attr);
}

int mapped_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
		 uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	const struct fs_object object = {
		.mode = mode, .cred = cred, .major = major, .minor = minor};

	return mapped_make_closed(fs, dir, name, &object, attr);
}

int mapped_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		 struct fs_cred cred, struct fs_attr *attr)
{
	const struct fs_object object = {.mode = S_IFDIR | mode, .cred = cred};
	struct mapped *m = mapped_of(fs);
	struct fs *below = layer_below(fs);
	struct mapped_at at = {.dir = dir, .name = name};
	struct mapped_attr new;
	int ret = mapped_new(fs, dir, &object, &new);

	if (ret == 0)
		ret = fs_mkdir(below, dir, name, m->dmode, SERVER, attr, NULL);
	if (ret)
		return ret;
	ret = fs_walk(below, dir, name, &at.node, attr);
	if (ret == 0)
		ret = mapped_complete(fs, &at, FS_NO_FILE, &object, &new);
	if (ret == 0)
		ret = mapped_getattr(fs, at.node, attr);
	if (ret)
		fs_unlink(below, dir, name, true, NULL);
	fs_forget(below, at.node);
	return ret;
}

/* ---- after a death ---- */

/* Whether the content can be what the dead process wrote of it. */
static int mapped_may_be(struct fs *fs, struct fs_node node, const struct fs_object *object)
{
	const char *target = object->target ? object->target : "";
	char content[FS_TARGET_MAX + 1];
	int n = mapped_content(fs, node, content, sizeof(content));

	if (n < 0)
		return n;
	return (size_t)n <= strlen(target) && memcmp(content, target, (size_t)n) == 0 ? 0 : -EEXIST;
}

static int mapped_finish_node(struct fs *fs, const struct mapped_at *at,
			      const struct fs_object *object)
{
	struct fs_file file = FS_NO_FILE;
	struct mapped_attr new;
	int ret = 0;

	if (!S_ISDIR(object->mode)) {
		ret = mapped_may_be(fs, at->node, object);
		if (ret == 0)
			ret = fs_open(layer_below(fs), at->node, O_WRONLY, &file);
	}
	if (ret == 0)
		ret = mapped_new(fs, at->dir, object, &new);
	if (ret == 0)
		ret = mapped_complete(fs, at, file, object, &new);
	fs_close(layer_below(fs), file);
	return ret;
}

int mapped_finish_made(struct fs *fs, const struct fs_begun *begun)
{
	const uint32_t type = S_ISDIR(begun->object->mode) ? S_IFDIR : S_IFREG;
	struct mapped_at at = {.dir = begun->dir, .name = begun->name};
	struct mapped_attr stored = {.has = 0};
	struct fs_attr host;
	int ret = fs_walk(layer_below(fs), at.dir, at.name, &at.node, &host);

	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = at.node.type == type ? mapped_of(fs)->store->load(mapped_of(fs), &at, &host, &stored)
				   : -EEXIST;
	if (ret == 0 && !(stored.has & MAPPED_MODE))
		ret = mapped_finish_node(fs, &at, begun->object);
	fs_forget(layer_below(fs), at.node);
	return ret;
}

/* ---- listing ---- */

struct mapped_listing {
	fs_emit *emit;
	void *arg;
};

/* Below, everything is a regular file; what the guest sees in it is not looked up for a list. */
static bool mapped_emit(void *arg, const struct fs_dirent *entry)
{
	const struct mapped_listing *listing = arg;
	struct fs_dirent out = *entry;

	if (out.type == DT_REG)
		out.type = DT_UNKNOWN;
	return listing->emit(listing->arg, &out);
}

int mapped_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit,
		   void *arg)
{
	struct mapped_listing listing = {.emit = emit, .arg = arg};

	return fs_readdir(layer_below(fs), dir, offset, size, mapped_emit, &listing);
}
