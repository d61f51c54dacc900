/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_file.c - the ownership model mapped-file: attributes of the guest's in files beside the
 * host's objects, as QEMU has them, for file systems without extended attributes.
 *
 * NAME's stand in .virtfs_metadata/NAME of its directory, those of the export's root in its
 * .virtfs_metadata_root: lines like "virtfs.uid=0", decimal. All names of one object share one
 * such file by hard links. No guest can name these files, nor sees them.
 *
 * They follow the objects: first something happens to the object, then the same to its file, which
 * finish() makes up for after a death. Only where an object is to be made, what is left of another
 * goes before: it would pass for the new one's, should that be made by halves. Whoever changes
 * something holds the lock, once more within another's hold; other processes of
 * the same tree do not know it, but take turns at the files (mapped_meta.c).
 *
 * An object's attributes take finding its name first, and five more system calls with their
 * closing: this is the slow model. Of an object whose name is gone they are remembered; not beyond
 * the death of the process. If it has other names, it still shares their file.
 */
#include "fs/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/crash.h"
#include "fs/intent.h"
#include "fs/models.h"

struct mapped_file {
	struct mapped mapped;
	pthread_mutex_t lock; /* of all files, and the ghosts */
	struct mapped_ghosts *ghosts;
};

static struct mapped_file *file_of(struct fs *fs)
{
	return (struct mapped_file *)(void *)fs;
}

static void unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* Until the end of the scope. */
#define HOLD(fs)                                                                                   \
	__attribute__((cleanup(unlock))) pthread_mutex_t *held = &file_of(fs)->lock;               \
	pthread_mutex_lock(held)

/* However it is spelt: a directory of the host's may take one for the other (local_check_names()
 * knows of the root alone). */
static bool is_meta(const char *name)
{
	return strcasecmp(name, MAPPED_META) == 0 || strcasecmp(name, MAPPED_ROOT_META) == 0;
}

static int meta_find(struct mapped_meta *meta, struct mapped *m, const struct mapped_at *at)
{
	struct fs *below = layer_below(&m->layer.fs);

	return at->name ? mapped_meta_at(meta, below, at->dir, at->name)
			: mapped_meta_of(meta, below, file_of(&m->layer.fs)->ghosts, at->node);
}

/* ---- the store ---- */

/* The guest is not to count the directory of our files. */
static void hide_link(struct mapped *m, const struct mapped_at *at, struct fs_attr *host)
{
	struct fs_attr attr;

	if (S_ISDIR(host->mode) && host->nlink > 2 &&
	    fs_lookup(layer_below(&m->layer.fs), at->node, MAPPED_META, &attr) == 0)
		host->nlink--;
}

/* Of an object whose name is gone. */
static int load_nameless(struct mapped_file *f, const struct fs_attr *host,
			 struct mapped_attr *attr)
{
	const struct mapped_attr *known;
	struct fs_node file;
	HOLD(&f->mapped.layer.fs);

	if (mapped_ghost_heir(f->ghosts, host, &file))
		return mapped_meta_text(layer_below(&f->mapped.layer.fs), file, attr);
	known = mapped_ghost_find(f->ghosts, host);
	if (known)
		*attr = *known;
	return 0;
}

static int file_load(struct mapped *m, const struct mapped_at *at, struct fs_attr *host,
		     struct mapped_attr *attr)
{
	struct mapped_file *f = file_of(&m->layer.fs);
	_meta_ struct mapped_meta meta;
	int ret = meta_find(&meta, m, at);

	hide_link(m, at, host);
	if (at->name)
		mapped_ghost_found(f->ghosts, at, host);
	if (ret == -ENOENT)
		return load_nameless(f, host, attr);
	return ret ? ret : mapped_meta_read(&meta, attr);
}

/* Its other names are to see it, too. */
static int save_nameless(struct mapped_file *f, const struct fs_attr *host,
			 const struct mapped_attr *attr)
{
	struct fs_node file;

	if (!mapped_ghost_heir(f->ghosts, host, &file))
		return 0;
	return mapped_meta_change_shared(layer_below(&f->mapped.layer.fs), file, MAPPED_MERGE,
					 attr);
}

/* With the lock held. */
static int file_save_held(struct mapped *m, const struct mapped_at *at,
			  const struct mapped_attr *attr)
{
	struct mapped_file *f = file_of(&m->layer.fs);
	_meta_ struct mapped_meta meta;
	struct fs_attr host;
	int ret = fs_getattr(layer_below(&m->layer.fs), at->node, &host);
	int found = meta_find(&meta, m, at);

	if (ret == 0)
		mapped_ghost_haunt(f->ghosts, &host, attr, found == -ENOENT);
	if (ret == 0 && at->name)
		mapped_ghost_found(f->ghosts, at, &host);
	if (ret || found)
		return ret ? ret : found == -ENOENT ? save_nameless(f, &host, attr) : found;
	meta.shared = mapped_ghost_has_heir(f->ghosts, &host);
	/* Of a new object all is said; there may be a dead one's file. */
	if (at->name)
		return mapped_meta_change(&meta, at->dir, MAPPED_REPLACE, attr);
	return mapped_meta_change(&meta, meta.dir, MAPPED_MERGE, attr);
}

static int file_save(struct mapped *m, const struct mapped_at *at, const struct mapped_attr *attr)
{
	HOLD(&m->layer.fs);

	return file_save_held(m, at, attr);
}

/* ---- files that follow their objects ---- */

/* Sees that the object at a name has a file that says everything, to be moved or linked. */
static int ensure(struct fs *fs, struct fs_node dir, const char *name)
{
	struct mapped_at at = {.dir = dir, .name = name};
	struct mapped_attr attr = {.has = 0};
	_meta_ struct mapped_meta meta;
	struct fs_attr host;
	int ret = mapped_meta_at(&meta, layer_below(fs), dir, name);

	if (ret == 0)
		ret = mapped_meta_read(&meta, &attr);
	if (ret || (attr.has & MAPPED_MODE))
		return ret;
	ret = fs_walk(meta.below, dir, name, &at.node, &host);
	if (ret)
		return ret;
	attr = (struct mapped_attr){.has = MAPPED_MODE, .mode = host.mode};
	meta.shared = mapped_ghost_has_heir(file_of(fs)->ghosts, &host);
	ret = mapped_meta_change(&meta, dir, MAPPED_COMPLETE, &attr);
	fs_forget(meta.below, at.node);
	return ret;
}

static void drop(struct fs *fs, struct fs_node dir, const char *name)
{
	_meta_ struct mapped_meta meta;

	if (mapped_meta_at(&meta, layer_below(fs), dir, name) == 0 && meta.home.id >= 0)
		fs_unlink(meta.below, meta.home, name, false, NULL);
}

/* What takes an object's file to another name. All that can be missing is had before the object
 * goes there. */
struct mover {
	struct mapped_meta from;
	struct fs_node home; /* FS_NO_NODE: there is no file to move */
};

static int mover_begin(struct mover *mover, struct fs *fs, struct fs_node olddir,
		       const char *oldname, struct fs_node newdir)
{
	struct fs *below = layer_below(fs);
	struct fs_attr attr;
	int ret = mapped_meta_at(&mover->from, below, olddir, oldname);

	mover->home = FS_NO_NODE;
	if (ret || mover->from.home.id < 0 ||
	    fs_lookup(below, mover->from.home, oldname, &attr) == -ENOENT)
		return ret;
	return mapped_meta_home(below, newdir, &mover->home);
}

static int mover_move(const struct mover *mover, const char *newname)
{
	if (mover->home.id < 0)
		return 0;
	return fs_rename(mover->from.below, mover->from.home, mover->from.name, mover->home,
			 newname, NULL);
}

static void mover_end(struct mover *mover)
{
	fs_forget(mover->from.below, mover->home);
	mapped_meta_end(&mover->from);
}

#define _mover_ __attribute__((cleanup(mover_end)))

static int move(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
		const char *newname)
{
	_mover_ struct mover mover;
	int ret = mover_begin(&mover, fs, olddir, oldname, newdir);

	return ret ? ret : mover_move(&mover, newname);
}

/* The same of the file that an object's names share, for a further one. */
struct sharer {
	struct fs *below;
	struct fs_node file; /* FS_NO_NODE: there is none */
	struct fs_node pinned, home;
};

static int sharer_begin(struct sharer *sharer, struct fs *fs, struct fs_node node,
			struct fs_node dir)
{
	struct fs *below = layer_below(fs);
	struct mapped_ghosts *ghosts = file_of(fs)->ghosts;
	_meta_ struct mapped_meta from;
	struct fs_attr attr;
	int ret = mapped_meta_of(&from, below, ghosts, node);

	*sharer = (struct sharer){below, FS_NO_NODE, FS_NO_NODE, FS_NO_NODE};
	if (ret == -ENOENT) {
		ret = fs_getattr(below, node, &attr);
		if (ret == 0)
			mapped_ghost_heir(ghosts, &attr, &sharer->file);
	} else if (ret == 0 && from.home.id >= 0) {
		ret = fs_walk(below, from.home, from.name, &sharer->pinned, &attr);
		sharer->file = sharer->pinned;
		ret = ret == -ENOENT ? 0 : ret;
	}
	if (ret == 0 && sharer->file.id >= 0)
		ret = mapped_meta_home(below, dir, &sharer->home);
	return ret;
}

static int sharer_share(const struct sharer *sharer, const char *name)
{
	struct fs *below = sharer->below;
	struct fs_attr attr, there;
	int ret;

	if (sharer->home.id < 0)
		return 0;
	ret = fs_getattr(below, sharer->file, &attr);
	if (ret == 0 && fs_lookup(below, sharer->home, name, &there) == 0 &&
	    there.path != attr.path)
		ret = fs_unlink(below, sharer->home, name, false, NULL);
	if (ret == 0)
		ret = fs_link(below, sharer->file, sharer->home, name, NULL);
	return ret == -EEXIST || ret == -ENOENT ? 0 : ret;
}

static void sharer_end(struct sharer *sharer)
{
	fs_forget(sharer->below, sharer->home);
	fs_forget(sharer->below, sharer->pinned);
}

#define _sharer_ __attribute__((cleanup(sharer_end)))

static int share(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	_sharer_ struct sharer sharer;
	int ret = sharer_begin(&sharer, fs, node, dir);

	return ret ? ret : sharer_share(&sharer, name);
}

static bool count_others(void *arg, const struct fs_dirent *entry)
{
	bool *others = arg;

	if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0 &&
	    !is_meta(entry->name))
		*others = true;
	return !*others;
}

#define SWEEP_NAMES 64

struct sweep {
	char names[SWEEP_NAMES][FS_NAME_MAX + 1];
	unsigned count;
};

static bool collect(void *arg, const struct fs_dirent *entry)
{
	struct sweep *sweep = arg;

	if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
		return true;
	if (sweep->count == SWEEP_NAMES)
		return false;
	strcpy(sweep->names[sweep->count++], entry->name);
	return true;
}

/* Removes files that no object is left for. */
static int sweep_home(struct fs *below, struct fs_node home)
{
	_cleanup_free_ struct sweep *sweep = calloc(1, sizeof(*sweep));
	struct fs_file dir;
	int ret = sweep ? fs_open(below, home, O_RDONLY, &dir) : -ENOMEM;

	if (ret)
		return ret;
	do {
		sweep->count = 0;
		ret = fs_readdir(below, dir, 0, sizeof(*sweep), collect, sweep);
		for (unsigned i = 0; i < sweep->count && ret == 0; i++)
			ret = fs_unlink(below, home, sweep->names[i], false, NULL);
	} while (ret == 0 && sweep->count > 0);
	fs_close(below, dir);
	return ret;
}

/* So that the host can remove or replace directory `node`, if the guest sees it empty; else the
 * host says what is wrong. */
static int clear(struct fs *fs, struct fs_node node)
{
	struct fs *below = layer_below(fs);
	bool others = false;
	struct fs_node home;
	struct fs_attr attr;
	struct fs_file dir;
	int ret = fs_open(below, node, O_RDONLY, &dir);

	if (ret)
		return ret;
	ret = fs_readdir(below, dir, 0, 4096, count_others, &others);
	fs_close(below, dir);
	if (ret || others)
		return ret;
	/* Of one that was exported itself. */
	fs_unlink(below, node, MAPPED_ROOT_META, false, NULL);
	ret = fs_walk(below, node, MAPPED_META, &home, &attr);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = S_ISDIR(home.type) ? sweep_home(below, home) : -ENOTDIR;
	fs_forget(below, home);
	return ret ? ret : fs_unlink(below, node, MAPPED_META, true, NULL);
}

/* ---- slots ---- */

static int file_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		     struct fs_attr *attr)
{
	return is_meta(name) ? -EINVAL : mapped_walk(fs, dir, name, node, attr);
}

static int file_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	return is_meta(name) ? -EINVAL : mapped_lookup(fs, dir, name, attr);
}

/* Before an object is made. With the lock held, until that is whole. */
static int make_room(struct fs *fs, struct fs_node dir, const char *name)
{
	_meta_ struct mapped_meta meta = {
		.below = layer_below(fs), .dir = FS_NO_NODE, .home = FS_NO_NODE};
	struct fs_attr attr;
	int ret;

	if (is_meta(name))
		return -EINVAL;
	ret = mapped_meta_at(&meta, layer_below(fs), dir, name);
	if (ret || fs_lookup(layer_below(fs), dir, name, &attr) != -ENOENT)
		return ret;
	return mapped_meta_bury(&meta, dir);
}

static int file_create(struct fs *fs, struct fs_node dir, const char *name, int flags,
		       uint32_t mode, struct fs_cred cred, struct fs_node *node,
		       struct fs_file *file, struct fs_attr *attr)
{
	int ret;
	HOLD(fs);

	ret = make_room(fs, dir, name);
	return ret ? ret : mapped_create(fs, dir, name, flags, mode, cred, node, file, attr);
}

static int file_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		      struct fs_cred cred, struct fs_attr *attr)
{
	int ret;
	HOLD(fs);

	ret = make_room(fs, dir, name);
	return ret ? ret : mapped_mkdir(fs, dir, name, mode, cred, attr);
}

static int file_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
			struct fs_cred cred, struct fs_attr *attr)
{
	int ret;
	HOLD(fs);

	ret = make_room(fs, dir, name);
	return ret ? ret : mapped_symlink(fs, dir, name, target, cred, attr);
}

static int file_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		      uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	int ret;
	HOLD(fs);

	ret = make_room(fs, dir, name);
	return ret ? ret : mapped_mknod(fs, dir, name, mode, major, minor, cred, attr);
}

/* With its file, or not at all. */
static int link_both(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	struct fs *below = layer_below(fs);
	_sharer_ struct sharer sharer;
	int ret = sharer_begin(&sharer, fs, node, dir);

	if (ret == 0)
		ret = fs_link(below, node, dir, name, NULL);
	CRASH_POINT();
	if (ret)
		return ret;
	ret = sharer_share(&sharer, name);
	if (ret)
		fs_unlink(below, dir, name, false, NULL);
	return ret;
}

static int file_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	char oldname[FS_NAME_MAX + 1];
	struct fs_node olddir;
	int ret;
	HOLD(fs);

	if (is_meta(name))
		return -EINVAL;
	ret = mapped_ghost_parent(file_of(fs)->ghosts, node, &olddir, oldname);
	if (ret == 0) {
		ret = ensure(fs, olddir, oldname);
		fs_forget(layer_below(fs), olddir);
	} else if (ret == -ENOENT) {
		ret = 0; /* it may have other names */
	}
	return ret ? ret : link_both(fs, node, dir, name);
}

/* An object that is to lose a name, with what has to be known of it afterwards. */
struct victim {
	struct fs_node node;
	struct fs_attr host;
	struct mapped_attr attr;
	struct fs_node file; /* which its other names share */
};

/* -ENOENT: there is none. */
static int find_victim(struct fs *fs, struct fs_node dir, const char *name, struct victim *victim)
{
	struct fs *below = layer_below(fs);
	_meta_ struct mapped_meta meta = {.below = below, .dir = FS_NO_NODE, .home = FS_NO_NODE};
	struct fs_attr attr;
	int ret = fs_walk(below, dir, name, &victim->node, &victim->host);

	victim->attr.has = 0;
	victim->file = FS_NO_NODE;
	if (ret)
		return ret;
	ret = mapped_meta_at(&meta, below, dir, name);
	if (ret == 0)
		ret = mapped_meta_read(&meta, &victim->attr);
	if (ret == 0 && meta.home.id >= 0 && !S_ISDIR(victim->host.mode) && victim->host.nlink > 1)
		fs_walk(below, meta.home, meta.name, &victim->file, &attr);
	if (ret)
		fs_forget(below, victim->node);
	return ret;
}

/* Its name is gone: whoever has it open is served on. */
static void bury_victim(struct fs *fs, struct victim *victim)
{
	mapped_ghost_haunt(file_of(fs)->ghosts, &victim->host, &victim->attr, true);
	if (victim->file.id >= 0)
		mapped_ghost_inherit(file_of(fs)->ghosts, &victim->host, victim->file);
	victim->file = FS_NO_NODE;
}

static void end_victim(struct fs *fs, const struct victim *victim)
{
	fs_forget(layer_below(fs), victim->file);
	fs_forget(layer_below(fs), victim->node);
}

/* 0: both names were the object's, and are; positive: it has been renamed. */
static int rename_object(struct fs *fs, struct fs_node olddir, const char *oldname,
			 struct fs_node newdir, const char *newname)
{
	struct fs_attr old;
	int ret = fs_rename(layer_below(fs), olddir, oldname, newdir, newname, NULL);

	CRASH_POINT();
	if (ret)
		return ret;
	return fs_lookup(layer_below(fs), olddir, oldname, &old) == -ENOENT;
}

static void note_renamed(struct fs *fs, struct fs_node dir, const char *name)
{
	struct mapped_at at = {.dir = dir, .name = name};
	struct fs_attr host;

	if (fs_walk(layer_below(fs), dir, name, &at.node, &host) == 0)
		mapped_ghost_found(file_of(fs)->ghosts, &at, &host);
	fs_forget(layer_below(fs), at.node);
}

/* With its file, or not at all, unless it has replaced something, which does not come back.
 * `victim`: that; or NULL. */
static int rename_both(struct fs *fs, struct fs_node olddir, const char *oldname,
		       struct fs_node newdir, const char *newname, struct victim *victim)
{
	struct fs *below = layer_below(fs);
	_mover_ struct mover mover;
	struct fs_attr old;
	int ret = mover_begin(&mover, fs, olddir, oldname, newdir);

	if (ret == 0)
		ret = rename_object(fs, olddir, oldname, newdir, newname);
	if (ret <= 0)
		return ret;
	if (victim)
		bury_victim(fs, victim);
	ret = mover_move(&mover, newname);
	if (ret && !victim && fs_lookup(below, olddir, oldname, &old) == -ENOENT &&
	    fs_rename(below, newdir, newname, olddir, oldname, NULL) == 0)
		return ret;
	note_renamed(fs, newdir, newname);
	return ret;
}

static int file_rename(struct fs *fs, struct fs_node olddir, const char *oldname,
		       struct fs_node newdir, const char *newname)
{
	struct victim victim;
	struct fs_attr old;
	bool replaces;
	int ret;
	HOLD(fs);

	if (is_meta(oldname) || is_meta(newname))
		return -EINVAL;
	ret = fs_lookup(layer_below(fs), olddir, oldname, &old);
	if (ret)
		return ret;
	ret = find_victim(fs, newdir, newname, &victim);
	if (ret && ret != -ENOENT)
		return ret;
	replaces = ret == 0 && victim.host.path != old.path;
	ret = 0;
	if (replaces && S_ISDIR(victim.host.mode) && S_ISDIR(old.mode))
		ret = clear(fs, victim.node);
	if (ret == 0)
		ret = ensure(fs, olddir, oldname);
	if (ret == 0)
		ret = rename_both(fs, olddir, oldname, newdir, newname, replaces ? &victim : NULL);
	end_victim(fs, &victim);
	return ret;
}

static int file_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir)
{
	struct victim victim;
	int ret;
	HOLD(fs);

	ret = is_meta(name) ? -EINVAL : find_victim(fs, dir, name, &victim);
	if (ret)
		return ret;
	if (rmdir && S_ISDIR(victim.host.mode))
		ret = clear(fs, victim.node);
	if (ret == 0)
		ret = fs_unlink(layer_below(fs), dir, name, rmdir, NULL);
	CRASH_POINT();
	if (ret == 0) {
		bury_victim(fs, &victim);
		drop(fs, dir, name);
	}
	end_victim(fs, &victim);
	return ret;
}

/* Its old name may be gone because somebody else has renamed or removed the object. */
static bool is_renamed(struct fs *fs, const struct fs_begun *begun)
{
	struct fs_attr attr;

	return fs_lookup(layer_below(fs), begun->newdir, begun->newname, &attr) == 0 &&
	       intent_is(begun->intent, &attr);
}

/* A name that nobody can have is not tried by the next either. */
static int file_finish(struct fs *fs, const struct fs_begun *begun)
{
	struct fs *below = layer_below(fs);
	struct fs_attr attr, linked;
	int found;
	HOLD(fs);

	if (is_meta(begun->name))
		return -EINVAL;
	found = fs_lookup(below, begun->dir, begun->name, &attr);
	switch (begun->kind) {
	case FS_BEGUN_MAKE:
		return mapped_finish_made(fs, begun);
	case FS_BEGUN_LINK:
		if (found == 0 && fs_getattr(below, begun->node, &linked) == 0 &&
		    linked.path == attr.path)
			return share(fs, begun->node, begun->dir, begun->name);
		return 0;
	case FS_BEGUN_RENAME:
		if (found == -ENOENT && is_renamed(fs, begun))
			return move(fs, begun->dir, begun->name, begun->newdir, begun->newname);
		return 0;
	case FS_BEGUN_UNLINK:
		if (found == -ENOENT)
			drop(fs, begun->dir, begun->name);
		return 0;
	}
	return 0;
}

struct file_listing {
	fs_emit *emit;
	void *arg;
};

static bool file_emit(void *arg, const struct fs_dirent *entry)
{
	const struct file_listing *listing = arg;

	return is_meta(entry->name) || listing->emit(listing->arg, entry);
}

static int file_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size,
			fs_emit *emit, void *arg)
{
	struct file_listing listing = {.emit = emit, .arg = arg};

	return mapped_readdir(fs, dir, offset, size, file_emit, &listing);
}

static void file_destroy(struct fs *fs)
{
	mapped_ghosts_destroy(file_of(fs)->ghosts);
	pthread_mutex_destroy(&file_of(fs)->lock);
	layer_destroy(fs);
}

static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

int mapped_file_create(struct fs *below, const struct fs_export *export, struct fs **fs, char *err,
		       size_t errlen)
{
	static const struct mapped_store store = {.load = file_load, .save = file_save};
	static const struct fs_ops ops = {
		.name = "mapped-file",
		.destroy = file_destroy,
		.root = mapped_root,
		.walk = file_walk,
		.lookup = file_lookup,
		.restore = mapped_restore,
		.getattr = mapped_getattr,
		.setattr = mapped_setattr,
		.readlink = mapped_readlink,
		.pin = mapped_pin,
		.create = file_create,
		.mkdir = file_mkdir,
		.symlink = file_symlink,
		.mknod = file_mknod,
		.link = file_link,
		.rename = file_rename,
		.unlink = file_unlink,
		.finish = file_finish,
		.readdir = file_readdir,
		.act_as = mapped_act_as,
		.adopt = mapped_adopt,
		.close = mapped_close,
		.write = mapped_write,
	};
	struct mapped_file *f = calloc(1, sizeof(*f));

	if (f)
		f->ghosts = mapped_ghosts_create(below);
	if (!f || !f->ghosts) {
		free(f);
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	init_lock(&f->lock);
	f->mapped.store = &store;
	mapped_set_modes(&f->mapped, export);
	layer_init(&f->mapped.layer, below, &ops);
	*fs = &f->mapped.layer.fs;
	return 0;
}
