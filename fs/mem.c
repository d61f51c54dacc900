/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mem.c - a tree in memory: the driver for tests, and the one to copy for a new driver.
 *
 * This file holds the objects and their names; mem_file.c what is in them; mem_lock.c and
 * mem_xattr.c are optional slots that a driver may leave out. One mutex guards everything:
 * every slot takes it first, and none sleeps. Names, ranges and types were judged by fs.c
 * before a call comes here.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/mem.h"

#define MEM_MAGIC 0x01021994 /* what statfs(2) says of a tmpfs */
#define MEM_FIRST_COOKIE 3   /* of an entry; 1 and 2 are "." and ".." */

int32_t mem_table_add(struct mem_table *table, void *object)
{
	size_t bigger = table->size ? table->size * 2 : 64;
	void **slots;

	for (size_t i = 0; i < table->size; i++, table->next++) {
		size_t at = table->next % table->size;

		if (!table->slots[at]) {
			table->slots[at] = object;
			return (int32_t)at;
		}
	}
	slots = bigger > INT32_MAX ? NULL : realloc(table->slots, bigger * sizeof(*slots));
	if (!slots)
		return -ENFILE;
	memset(slots + table->size, 0, (bigger - table->size) * sizeof(*slots));
	*table = (struct mem_table){.slots = slots, .size = bigger, .next = table->size};
	return mem_table_add(table, object);
}

static struct fs_node mem_pin(struct mem_inode *inode)
{
	inode->pins++;
	return (struct fs_node){.id = inode->id, .type = inode->attr.mode & S_IFMT};
}

int mem_pin_attr(struct mem_inode *inode, struct fs_node *node, struct fs_attr *attr)
{
	*node = mem_pin(inode);
	*attr = inode->attr;
	return 0;
}

/* ---- objects ---- */

struct fs_time mem_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (struct fs_time){.sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec};
}

void mem_touch(struct mem_inode *inode)
{
	inode->attr.mtime = inode->attr.ctime = mem_now();
	if (++inode->attr.version == 0)
		inode->attr.version = 1;
}

/* `dir` NULL makes the root. Ownership in a set-group-ID directory as mkdir(2) has it. */
static int mem_inode_new(struct mem *mem, const struct mem_inode *dir, uint32_t mode,
			 struct fs_cred cred, struct mem_inode **made)
{
	struct mem_inode *inode = calloc(1, sizeof(*inode));
	struct fs_attr *attr;

	if (!inode)
		return -ENOSPC;
	inode->id = mem_table_add(&mem->inodes, inode);
	if (inode->id < 0) {
		free(inode);
		return -ENOSPC;
	}
	TAILQ_INIT(&inode->entries);
	inode->next_cookie = MEM_FIRST_COOKIE;
	attr = &inode->attr;
	attr->path = ++mem->last_path;
	attr->blksize = MEM_CHUNK;
	attr->mode = mode;
	attr->uid = cred.uid == (uint32_t)-1 ? 0 : cred.uid;
	attr->gid = cred.gid == (uint32_t)-1 ? 0 : cred.gid;
	if (dir && (dir->attr.mode & S_ISGID)) {
		attr->gid = dir->attr.gid;
		attr->mode |= S_ISDIR(mode) ? S_ISGID : 0;
	}
	mem_touch(inode);
	attr->atime = attr->btime = attr->mtime;
	attr->has_btime = true;
	*made = inode;
	return 0;
}

void mem_reap(struct mem *mem, struct mem_inode *inode)
{
	if (inode->pins > 0 || inode->attr.nlink > 0)
		return;
	mem_drop_xattrs(inode);
	mem_truncate(inode, 0);
	free(inode->chunks);
	free(inode->target);
	mem->inodes.slots[inode->id] = NULL;
	free(inode);
}

/* ---- names ---- */

static size_t mem_bucket(const struct mem_inode *dir, const char *name)
{
	uint64_t hash = dir->attr.path;

	for (; *name; name++)
		hash = hash * 31 + (uint8_t)*name;
	return (hash * 0x9e3779b97f4a7c15U) >> 52;
}

static struct mem_entry *mem_find(struct mem *mem, struct mem_inode *dir, const char *name)
{
	struct mem_entry *entry;

	LIST_FOREACH (entry, &mem->names[mem_bucket(dir, name)], in_bucket) {
		if (entry->dir == dir && strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

/* Gives `inode` a further name. A directory counts its "." and is counted by its parent. */
static int mem_name(struct mem *mem, struct mem_inode *dir, const char *name,
		    struct mem_inode *inode)
{
	bool is_dir = S_ISDIR(inode->attr.mode);
	struct mem_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOSPC;
	entry->dir = dir;
	entry->inode = inode;
	entry->cookie = dir->next_cookie++;
	strcpy(entry->name, name);
	TAILQ_INSERT_TAIL(&dir->entries, entry, in_dir);
	LIST_INSERT_HEAD(&mem->names[mem_bucket(dir, name)], entry, in_bucket);
	LIST_INSERT_HEAD(&inode->names, entry, of_inode);
	inode->attr.nlink += is_dir ? 2 : 1;
	inode->attr.ctime = mem_now();
	dir->attr.nlink += is_dir;
	mem_touch(dir);
	return 0;
}

static void mem_unname(struct mem *mem, struct mem_entry *entry)
{
	struct mem_inode *inode = entry->inode, *dir = entry->dir;
	bool is_dir = S_ISDIR(inode->attr.mode);

	TAILQ_REMOVE(&dir->entries, entry, in_dir);
	LIST_REMOVE(entry, in_bucket);
	LIST_REMOVE(entry, of_inode);
	inode->attr.nlink -= is_dir ? 2 : 1;
	inode->attr.ctime = mem_now();
	dir->attr.nlink -= is_dir;
	mem_touch(dir);
	free(entry);
	mem_reap(mem, inode);
}

/* A directory that was removed can be held, but nothing can be put into it. */
static bool mem_is_dead(const struct mem_inode *inode)
{
	return inode->attr.nlink == 0;
}

static struct mem_inode *mem_parent_of(struct mem *mem, const struct mem_inode *inode)
{
	struct mem_entry *entry = LIST_FIRST(&inode->names);

	return entry ? entry->dir : mem->root;
}

int mem_make(struct mem *mem, struct fs_node dir_node, const char *name, uint32_t mode,
	     struct fs_cred cred, struct mem_inode **made)
{
	struct mem_inode *dir = mem_inode(mem, dir_node), *inode;
	int ret;

	if (mem_is_dead(dir))
		return -ENOENT;
	if (mem_find(mem, dir, name))
		return -EEXIST;
	ret = mem_inode_new(mem, dir, mode, cred, &inode);
	if (ret)
		return ret;
	ret = mem_name(mem, dir, name, inode);
	if (ret)
		mem_reap(mem, inode);
	*made = inode;
	return ret;
}

/* ---- slots: finding ---- */

static int mem_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);

	return mem_pin_attr(mem->root, node, attr);
}

int mem_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
	     struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_entry *entry;

	if (strcmp(name, ".") == 0)
		return mem_pin_attr(mem_inode(mem, dir), node, attr);
	entry = mem_find(mem, mem_inode(mem, dir), name);
	return entry ? mem_pin_attr(entry->inode, node, attr) : -ENOENT;
}

static int mem_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_entry *entry = mem_find(mem, mem_inode(mem, dir), name);

	if (!entry)
		return -ENOENT;
	*attr = entry->inode->attr;
	return 0;
}

static int mem_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node);
	struct mem_entry *entry = LIST_FIRST(&inode->names);

	if (!entry && inode != mem->root)
		return -ENOENT;
	strcpy(name, entry ? entry->name : "/");
	*dir = mem_pin(mem_parent_of(mem, inode));
	return 0;
}

static void mem_forget(struct fs *fs, struct fs_node node)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node);

	inode->pins--;
	mem_reap(mem, inode);
}

/* ---- slots: attributes ---- */

static int mem_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);

	*attr = mem_inode(mem, node)->attr;
	return 0;
}

/* A new owner costs the set-id bits, as with chown(2). */
static void mem_chown(struct fs_attr *attr, const struct fs_setattr *set)
{
	if (!(set->valid & (FS_SET_UID | FS_SET_GID)))
		return;
	if (set->valid & FS_SET_UID)
		attr->uid = set->uid;
	if (set->valid & FS_SET_GID)
		attr->gid = set->gid;
	if (S_ISREG(attr->mode))
		attr->mode &= ~(uint32_t)(S_ISUID | (attr->mode & S_IXGRP ? S_ISGID : 0));
}

static int mem_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
		       const struct fs_setattr *set)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node);
	struct fs_attr *attr = &inode->attr;

	(void)file;
	if (set->valid & FS_SET_SIZE)
		mem_truncate(inode, set->size);
	mem_chown(attr, set);
	if (set->valid & FS_SET_MODE)
		attr->mode = (attr->mode & S_IFMT) | set->mode;
	if (set->valid & (FS_SET_ATIME | FS_SET_ATIME_NOW))
		attr->atime = set->valid & FS_SET_ATIME_NOW ? mem_now() : set->atime;
	if (set->valid & (FS_SET_MTIME | FS_SET_MTIME_NOW))
		attr->mtime = set->valid & FS_SET_MTIME_NOW ? mem_now() : set->mtime;
	attr->ctime = mem_now();
	return 0;
}

static int mem_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size)
{
	_locked_ struct mem *mem = mem_enter(fs);
	const char *target = mem_inode(mem, node)->target;
	size_t length = strlen(target);

	length = length < size ? length : size;
	memcpy(buf, target, length);
	return (int)length;
}

static int mem_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st)
{
	(void)fs, (void)node;
	*st = (struct fs_statfs){
		.type = MEM_MAGIC,
		.bsize = MEM_CHUNK,
		.blocks = 1 << 20,
		.bfree = 1 << 20,
		.bavail = 1 << 20,
		.files = 1 << 20,
		.ffree = 1 << 20,
		.namelen = FS_NAME_MAX,
	};
	return 0;
}

static bool mem_emit(const struct mem_inode *inode, const char *name, uint64_t cookie,
		     fs_emit *emit, void *arg)
{
	struct fs_dirent entry = {
		.path = inode->attr.path,
		.offset = cookie,
		.type = (uint8_t)((inode->attr.mode & S_IFMT) >> 12), /* DT_* is just that */
		.name = name,
	};

	return emit(arg, &entry);
}

/* `size` may be ignored: `emit` says when it is enough. It must not call this fs. */
static int mem_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size,
		       fs_emit *emit, void *arg)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_file(mem, dir)->inode;
	struct mem_entry *entry;

	(void)size;
	if (!S_ISDIR(inode->attr.mode))
		return -ENOTDIR;
	if (mem_is_dead(inode))
		return -ENOENT;
	if (offset < 1 && !mem_emit(inode, ".", 1, emit, arg))
		return 0;
	if (offset < 2 && !mem_emit(mem_parent_of(mem, inode), "..", 2, emit, arg))
		return 0;
	TAILQ_FOREACH (entry, &inode->entries, in_dir) {
		if (entry->cookie > offset &&
		    !mem_emit(entry->inode, entry->name, entry->cookie, emit, arg))
			return 0;
	}
	return 0;
}

/* ---- slots: making and removing ---- */

static int mem_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		     struct fs_cred cred, struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode;
	int ret = mem_make(mem, dir, name, S_IFDIR | (mode & ~(uint32_t)S_ISUID), cred, &inode);

	if (ret == 0)
		*attr = inode->attr;
	return ret;
}

static int mem_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
		       struct fs_cred cred, struct fs_attr *attr)
{
	_cleanup_free_ char *copy = strdup(target);
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode;
	int ret = copy ? mem_make(mem, dir, name, S_IFLNK | 0777, cred, &inode) : -ENOSPC;

	if (ret)
		return ret;
	inode->target = copy;
	copy = NULL;
	inode->attr.size = strlen(target);
	*attr = inode->attr;
	return 0;
}

static int mem_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		     uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);
	const bool device = S_ISCHR(mode) || S_ISBLK(mode);
	struct mem_inode *inode;
	int ret;

	/* As Linux has it: 12 and 20 bits. */
	if (device && (major >= 1U << 12 || minor >= 1U << 20))
		return -EINVAL;
	ret = mem_make(mem, dir, name, mode, cred, &inode);
	if (ret)
		return ret;
	if (device) {
		inode->attr.rdev_major = major;
		inode->attr.rdev_minor = minor;
	}
	*attr = inode->attr;
	return 0;
}

static int mem_link(struct fs *fs, struct fs_node node, struct fs_node dir_node, const char *name)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_inode(mem, node), *dir = mem_inode(mem, dir_node);

	if (inode->attr.nlink == 0 || mem_is_dead(dir))
		return -ENOENT;
	if (mem_find(mem, dir, name))
		return -EEXIST;
	return mem_name(mem, dir, name, inode);
}

/* Whether `inode` may take the place of `target`. */
static int mem_may_replace(const struct mem_inode *inode, const struct mem_inode *target)
{
	if (S_ISDIR(inode->attr.mode) && !S_ISDIR(target->attr.mode))
		return -ENOTDIR;
	if (!S_ISDIR(inode->attr.mode) && S_ISDIR(target->attr.mode))
		return -EISDIR;
	return TAILQ_EMPTY(&target->entries) ? 0 : -ENOTEMPTY;
}

static bool mem_is_within(struct mem *mem, const struct mem_inode *dir,
			  const struct mem_inode *ancestor)
{
	while (dir != ancestor && dir != mem->root)
		dir = mem_parent_of(mem, dir);
	return dir == ancestor;
}

/* The new name stands before the old ones go, so that a failure changes nothing. */
static int mem_rename(struct fs *fs, struct fs_node olddir, const char *oldname,
		      struct fs_node newdir, const char *newname)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *dir = mem_inode(mem, newdir);
	struct mem_entry *old = mem_find(mem, mem_inode(mem, olddir), oldname);
	struct mem_entry *target = mem_find(mem, dir, newname);
	int ret = 0;

	if (!old || mem_is_dead(dir))
		return -ENOENT;
	if (target && target->inode == old->inode)
		return 0;
	if (mem_is_within(mem, dir, old->inode))
		return -EINVAL;
	if (target)
		ret = mem_may_replace(old->inode, target->inode);
	if (ret == 0)
		ret = mem_name(mem, dir, newname, old->inode);
	if (ret)
		return ret;
	if (target)
		mem_unname(mem, target);
	mem_unname(mem, old);
	return 0;
}

static int mem_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_entry *entry = mem_find(mem, mem_inode(mem, dir), name);

	if (!entry)
		return -ENOENT;
	if (rmdir && !S_ISDIR(entry->inode->attr.mode))
		return -ENOTDIR;
	if (!rmdir && S_ISDIR(entry->inode->attr.mode))
		return -EISDIR;
	if (!TAILQ_EMPTY(&entry->inode->entries))
		return -ENOTEMPTY;
	mem_unname(mem, entry);
	return 0;
}

/* ---- the whole ---- */

/* Every object is pinned while the names go, for directories may go before what they hold. */
static void mem_destroy(struct fs *fs)
{
	struct mem *mem = container_of(fs, struct mem, fs);
	struct mem_inode **inodes = (struct mem_inode **)mem->inodes.slots;

	for (size_t i = 0; i < mem->inodes.size; i++) {
		if (inodes[i])
			inodes[i]->pins++;
	}
	for (size_t i = 0; i < countof(mem->names); i++) {
		while (!LIST_EMPTY(&mem->names[i]))
			mem_unname(mem, LIST_FIRST(&mem->names[i]));
	}
	mem->root->attr.nlink = 0;
	for (size_t i = 0; i < mem->inodes.size; i++) {
		if (inodes[i] && --inodes[i]->pins == 0)
			mem_reap(mem, inodes[i]);
	}
	free(mem->inodes.slots);
	free(mem->files.slots);
	pthread_cond_destroy(&mem->unlocked);
	pthread_mutex_destroy(&mem->lock);
	free(mem);
}

static const struct fs_ops mem_ops = {
	.name = "mem",
	.destroy = mem_destroy,
	.root = mem_root,
	.walk = mem_walk,
	.lookup = mem_lookup,
	.parent = mem_parent,
	.forget = mem_forget,
	.getattr = mem_getattr,
	.setattr = mem_setattr,
	.readlink = mem_readlink,
	.open = mem_open,
	.pin = mem_pin_file,
	.size = mem_size,
	.taken = mem_taken,
	.create = mem_create,
	.close = mem_close,
	.read = mem_read,
	.write = mem_write,
	.fsync = mem_fsync,
	.readdir = mem_readdir,
	.mkdir = mem_mkdir,
	.symlink = mem_symlink,
	.mknod = mem_mknod,
	.link = mem_link,
	.rename = mem_rename,
	.unlink = mem_unlink,
	.statfs = mem_statfs,
	.getxattr = mem_getxattr,
	.listxattr = mem_listxattr,
	.setxattr = mem_setxattr,
	.removexattr = mem_removexattr,
	.lock = mem_lock,
	.lock_wait = mem_lock_wait,
	.lock_wake = mem_lock_wake,
	.getlock = mem_getlock,
};

int fs_mem_create(struct fs **fs, char *err, size_t errlen)
{
	struct mem *mem = calloc(1, sizeof(*mem));
	struct fs_cred nobody = {.uid = (uint32_t)-1, .gid = (uint32_t)-1};

	if (!mem || mem_inode_new(mem, NULL, S_IFDIR | 0755, nobody, &mem->root)) {
		free(mem);
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	mem->fs.ops = &mem_ops;
	pthread_mutex_init(&mem->lock, NULL);
	pthread_cond_init(&mem->unlocked, NULL);
	mem->root->attr.nlink = 2;
	*fs = &mem->fs;
	return 0;
}
