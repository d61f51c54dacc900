/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * layer.c - see layer.h: forwarding, slot by slot.
 *
 * It calls the slots below and not the fs_*() functions: fs.c has checked the call already, by
 * the types that the guest sees.
 */
#include "fs/layer.h"

#include <stdlib.h>

static const struct fs_ops *layer_ops(struct fs *fs)
{
	return layer_below(fs)->ops;
}

static int layer_act_as(struct fs *fs, struct fs_cred cred)
{
	return layer_ops(fs)->act_as(layer_below(fs), cred);
}

static int layer_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	return layer_ops(fs)->root(layer_below(fs), node, attr);
}

static int layer_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		      struct fs_attr *attr)
{
	return layer_ops(fs)->walk(layer_below(fs), dir, name, node, attr);
}

static int layer_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	return layer_ops(fs)->lookup(layer_below(fs), dir, name, attr);
}

static int layer_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	return layer_ops(fs)->parent(layer_below(fs), node, dir, name);
}

static int layer_is_deep(struct fs *fs, struct fs_node node)
{
	return layer_ops(fs)->is_deep(layer_below(fs), node);
}

static void layer_forget(struct fs *fs, struct fs_node node)
{
	layer_ops(fs)->forget(layer_below(fs), node);
}

static int layer_handle(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
			struct fs_handle *handle)
{
	return layer_ops(fs)->handle(layer_below(fs), node, attr, handle);
}

static int layer_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
			 struct fs_attr *attr)
{
	return layer_ops(fs)->restore(layer_below(fs), handle, node, attr);
}

static int layer_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node)
{
	return layer_ops(fs)->regain(layer_below(fs), handle, node);
}

static int layer_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	return layer_ops(fs)->getattr(layer_below(fs), node, attr);
}

static int layer_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
			 const struct fs_setattr *set)
{
	return layer_ops(fs)->setattr(layer_below(fs), node, file, set);
}

static int layer_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size)
{
	return layer_ops(fs)->readlink(layer_below(fs), node, buf, size);
}

static int layer_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	return layer_ops(fs)->open(layer_below(fs), node, flags, file);
}

static int layer_create(struct fs *fs, struct fs_node dir, const char *name, int flags,
			uint32_t mode, struct fs_cred cred, struct fs_node *node,
			struct fs_file *file, struct fs_attr *attr)
{
	return layer_ops(fs)->create(layer_below(fs), dir, name, flags, mode, cred, node, file,
				     attr);
}

static void layer_close(struct fs *fs, struct fs_file file)
{
	layer_ops(fs)->close(layer_below(fs), file);
}

static int layer_pin(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr)
{
	return layer_ops(fs)->pin(layer_below(fs), file, node, attr);
}

static int layer_size(struct fs *fs, struct fs_file file, uint64_t *size)
{
	return layer_ops(fs)->size(layer_below(fs), file, size);
}

static void layer_adopt(struct fs *fs, struct fs_node node, struct fs_file file)
{
	layer_ops(fs)->adopt(layer_below(fs), node, file);
}

static int layer_taken(struct fs *fs, struct fs_file file, uint64_t *bytes)
{
	return layer_ops(fs)->taken(layer_below(fs), file, bytes);
}

static ssize_t layer_read(struct fs *fs, struct fs_file file, void *buf, size_t size,
			  uint64_t offset, bool nowait)
{
	return layer_ops(fs)->read(layer_below(fs), file, buf, size, offset, nowait);
}

static ssize_t layer_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			   uint64_t offset)
{
	return layer_ops(fs)->write(layer_below(fs), file, buf, size, offset);
}

static bool layer_copies(struct fs *fs, struct fs_file file)
{
	return layer_ops(fs)->copies(layer_below(fs), file);
}

static int layer_fsync(struct fs *fs, struct fs_file file, bool datasync)
{
	return layer_ops(fs)->fsync(layer_below(fs), file, datasync);
}

static int layer_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size,
			 fs_emit *emit, void *arg)
{
	return layer_ops(fs)->readdir(layer_below(fs), dir, offset, size, emit, arg);
}

static int layer_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       struct fs_cred cred, struct fs_attr *attr)
{
	return layer_ops(fs)->mkdir(layer_below(fs), dir, name, mode, cred, attr);
}

static int layer_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
			 struct fs_cred cred, struct fs_attr *attr)
{
	return layer_ops(fs)->symlink(layer_below(fs), dir, name, target, cred, attr);
}

static int layer_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	return layer_ops(fs)->mknod(layer_below(fs), dir, name, mode, major, minor, cred, attr);
}

static int layer_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	return layer_ops(fs)->link(layer_below(fs), node, dir, name);
}

static int layer_rename(struct fs *fs, struct fs_node olddir, const char *oldname,
			struct fs_node newdir, const char *newname)
{
	return layer_ops(fs)->rename(layer_below(fs), olddir, oldname, newdir, newname);
}

static int layer_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir)
{
	return layer_ops(fs)->unlink(layer_below(fs), dir, name, rmdir);
}

static int layer_finish(struct fs *fs, const struct fs_begun *begun)
{
	return layer_ops(fs)->finish(layer_below(fs), begun);
}

static int layer_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st)
{
	return layer_ops(fs)->statfs(layer_below(fs), node, st);
}

static ssize_t layer_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf,
			      size_t size)
{
	return layer_ops(fs)->getxattr(layer_below(fs), node, name, buf, size);
}

static ssize_t layer_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size)
{
	return layer_ops(fs)->listxattr(layer_below(fs), node, buf, size);
}

static int layer_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			  size_t size, int flags)
{
	return layer_ops(fs)->setxattr(layer_below(fs), node, name, buf, size, flags);
}

static int layer_removexattr(struct fs *fs, struct fs_node node, const char *name)
{
	return layer_ops(fs)->removexattr(layer_below(fs), node, name);
}

static int layer_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock)
{
	return layer_ops(fs)->lock(layer_below(fs), file, lock);
}

static int layer_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
			   struct fs_wait *wait)
{
	return layer_ops(fs)->lock_wait(layer_below(fs), file, lock, wait);
}

static void layer_lock_wake(struct fs *fs, struct fs_wait *wait)
{
	layer_ops(fs)->lock_wake(layer_below(fs), wait);
}

static int layer_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock)
{
	return layer_ops(fs)->getlock(layer_below(fs), file, lock);
}

void layer_destroy(struct fs *fs)
{
	fs_destroy(layer_below(fs));
	free(fs);
}

#define LAYER_SLOT(slot)                                                                           \
	layer->ops.slot = own->slot ? own->slot : below->ops->slot ? layer_##slot : NULL

void layer_init(struct fs_layer *layer, struct fs *below, const struct fs_ops *own)
{
	layer->ops.name = own->name;
	layer->ops.destroy = own->destroy ? own->destroy : layer_destroy;
	layer->ops.opens_special = own->opens_special || below->ops->opens_special;
	LAYER_SLOT(act_as);
	LAYER_SLOT(root);
	LAYER_SLOT(walk);
	LAYER_SLOT(lookup);
	LAYER_SLOT(parent);
	LAYER_SLOT(is_deep);
	LAYER_SLOT(forget);
	LAYER_SLOT(handle);
	LAYER_SLOT(restore);
	LAYER_SLOT(regain);
	LAYER_SLOT(getattr);
	LAYER_SLOT(setattr);
	LAYER_SLOT(readlink);
	LAYER_SLOT(open);
	LAYER_SLOT(create);
	LAYER_SLOT(close);
	LAYER_SLOT(pin);
	LAYER_SLOT(adopt);
	LAYER_SLOT(size);
	LAYER_SLOT(taken);
	LAYER_SLOT(read);
	LAYER_SLOT(write);
	LAYER_SLOT(copies);
	LAYER_SLOT(fsync);
	LAYER_SLOT(readdir);
	LAYER_SLOT(mkdir);
	LAYER_SLOT(symlink);
	LAYER_SLOT(mknod);
	LAYER_SLOT(link);
	LAYER_SLOT(rename);
	LAYER_SLOT(unlink);
	LAYER_SLOT(finish);
	LAYER_SLOT(statfs);
	LAYER_SLOT(getxattr);
	LAYER_SLOT(listxattr);
	LAYER_SLOT(setxattr);
	LAYER_SLOT(removexattr);
	LAYER_SLOT(lock);
	LAYER_SLOT(lock_wait);
	LAYER_SLOT(lock_wake);
	LAYER_SLOT(getlock);
	layer->below = below;
	layer->fs.ops = &layer->ops;
}
