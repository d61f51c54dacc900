/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space.c - see space.h: which calls grow, shrink or open, and what becomes of the counts.
 *
 * Each change is space_begin(), the call, a look at what it changed, space_end(). A look tells
 * how much the object takes now, against what was known of it; so an object is looked at before
 * its first change as well. The effect on the tree is always that of the one call below, and all
 * counts die with the process: there is nothing that death could leave by halves.
 */
#include "fs/space_layer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct space_use nothing;
static const struct space_use one_name = {.bytes = SPACE_BLOCK}; /* a directory's next block */

static struct fs *below_of(struct space *space)
{
	return layer_below(&space->layer.fs);
}

static void names_enter(struct space *space)
{
	if (space->limits.auto_delete)
		pthread_rwlock_rdlock(&space->names);
}

static void names_leave(struct space *space)
{
	if (space->limits.auto_delete)
		pthread_rwlock_unlock(&space->names);
}

/* ---- what objects take ---- */

static pthread_mutex_t *settle_enter(struct space *space, const struct space_object *object)
{
	pthread_mutex_t *mutex = &space->settle[object->path % SPACE_STRIPES];

	pthread_mutex_lock(mutex);
	return mutex;
}

/* Between settle_enter() and its end: `bytes` is what it takes now. */
static void note_taken(struct space *space, struct space_object *object, uint64_t bytes)
{
	struct space_use *use;

	pthread_mutex_lock(&space->lock);
	use = object->gone ? &space->gone : &space->tree;
	if (object->known)
		use->bytes += (int64_t)(bytes - object->taken);
	object->taken = bytes;
	object->known = true;
	pthread_mutex_unlock(&space->lock);
}

void space_settle(struct space *space, struct space_object *object, struct fs_node node)
{
	pthread_mutex_t *mutex;
	struct fs_attr attr;

	if (!object || space->limits.space == 0)
		return;
	mutex = settle_enter(space, object);
	if (fs_getattr(below_of(space), node, &attr) == 0)
		note_taken(space, object, attr.blocks * 512);
	pthread_mutex_unlock(mutex);
}

static void settle_file(struct space *space, struct space_object *object, struct fs_file file)
{
	pthread_mutex_t *mutex;
	uint64_t bytes;

	if (!object || space->limits.space == 0)
		return;
	mutex = settle_enter(space, object);
	if (fs_taken(below_of(space), file, &bytes) == 0)
		note_taken(space, object, bytes);
	pthread_mutex_unlock(mutex);
}

static bool is_known(struct space *space, const struct space_object *object)
{
	bool known;

	pthread_mutex_lock(&space->lock);
	known = object == NULL || object->known;
	pthread_mutex_unlock(&space->lock);
	return known;
}

static struct space_object *object_at(struct space *space, const struct space_slots *slots,
				      int32_t id)
{
	struct space_object *object;

	pthread_mutex_lock(&space->lock);
	object = space_at(slots, id);
	pthread_mutex_unlock(&space->lock);
	return object;
}

static struct space_object *node_object(struct space *space, struct fs_node node)
{
	return object_at(space, &space->table.nodes, node.id);
}

static struct space_object *file_object(struct space *space, struct fs_file file)
{
	return object_at(space, &space->table.files, file.id);
}

/* The object of a node that a change is about to alter; space_settle() follows. */
static struct space_object *before_change(struct space *space, struct fs_node node)
{
	struct space_object *object = node_object(space, node);

	if (!is_known(space, object))
		space_settle(space, object, node);
	return object;
}

/* An object was made. Others may have found and changed it since, so `attr` tells what it took
 * then, and not what is known of it. */
static void made(struct space *space, const struct fs_attr *attr)
{
	if (!space->counts)
		return;
	pthread_mutex_lock(&space->lock);
	space->tree.files++;
	space->tree.bytes += (int64_t)attr->blocks * 512;
	pthread_mutex_unlock(&space->lock);
}

/* ---- handles ---- */

/* What was found without a name is counted by nobody else yet. Under the lock. */
static void count_gone(struct space *space, struct space_object *object, const struct fs_attr *attr)
{
	object->gone = object->known = true;
	object->taken = space->limits.space ? attr->blocks * 512 : 0;
	space->gone.bytes += (int64_t)object->taken;
	space->gone.files++;
}

/* A handle from below; `losses` as it was before. Who has taken the last name away since found no
 * handle here, and counts the object no more: then it counts for this one. Without memory the
 * handle stays unknown; a later walk finds what it changed. */
static void know_node(struct space *space, struct fs_node node, const struct fs_attr *attr,
		      uint64_t losses)
{
	struct space_object *object;
	struct fs_attr now;
	bool check;

	if (!space->counts)
		return;
	pthread_mutex_lock(&space->lock);
	object = space_pin(space, attr->path);
	if (object && space_put(&space->table.nodes, node.id, object)) {
		space_release(space, space_unpin(space, object));
		object = NULL;
	}
	if (object && losses == space->losses)
		object->sure = true;
	check = object && !object->sure;
	pthread_mutex_unlock(&space->lock);
	if (!check || fs_getattr(below_of(space), node, &now))
		return;
	pthread_mutex_lock(&space->lock);
	if (now.nlink == 0 && !object->sure)
		count_gone(space, object, &now);
	object->sure = true;
	pthread_mutex_unlock(&space->lock);
}

/* Under the lock. */
static void know_file(struct space *space, struct fs_file file, struct space_object *object)
{
	if (!object || space_put(&space->table.files, file.id, object))
		return;
	object->pins++;
	object->opens++;
}

static int space_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	uint64_t losses = space_of(fs)->losses;
	int ret = fs_root(layer_below(fs), node, attr);

	if (ret == 0)
		know_node(space_of(fs), *node, attr, losses);
	return ret;
}

static int space_walk_to(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
			 struct fs_attr *attr)
{
	uint64_t losses = space_of(fs)->losses;
	int ret = fs_walk(layer_below(fs), dir, name, node, attr);

	if (ret == 0)
		know_node(space_of(fs), *node, attr, losses);
	return ret;
}

static int space_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	uint64_t losses = space_of(fs)->losses;
	struct fs_attr attr;
	int ret = fs_parent(layer_below(fs), node, dir, name);

	if (ret == 0 && space_of(fs)->counts && fs_getattr(layer_below(fs), *dir, &attr) == 0)
		know_node(space_of(fs), *dir, &attr, losses);
	return ret;
}

static int space_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
			 struct fs_attr *attr)
{
	uint64_t losses = space_of(fs)->losses;
	int ret = fs_restore(layer_below(fs), handle, node, attr);

	if (ret == 0)
		know_node(space_of(fs), *node, attr, losses);
	return ret;
}

static int space_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node)
{
	uint64_t losses = space_of(fs)->losses;
	struct fs_attr attr;
	int ret = fs_regain(layer_below(fs), handle, node);

	if (ret == 0 && space_of(fs)->counts && fs_getattr(layer_below(fs), *node, &attr) == 0)
		know_node(space_of(fs), *node, &attr, losses);
	return ret;
}

static int space_pin_file(struct fs *fs, struct fs_file file, struct fs_node *node,
			  struct fs_attr *attr)
{
	uint64_t losses = space_of(fs)->losses;
	struct fs *below = layer_below(fs);
	int ret = below->ops->pin(below, file, node, attr);

	if (ret == 0)
		know_node(space_of(fs), *node, attr, losses);
	return ret;
}

static void release(struct space *space, struct space_object *object)
{
	if (!object)
		return;
	pthread_mutex_lock(&space->lock);
	space_release(space, object);
	pthread_mutex_unlock(&space->lock);
}

/* Whether a node is the last handle of a file that was written. */
static bool is_written(struct space *space, const struct space_object *object)
{
	bool written;

	pthread_mutex_lock(&space->lock);
	written = object->pins == 1 && __atomic_load_n(&object->written, __ATOMIC_RELAXED) &&
		  !object->gone;
	pthread_mutex_unlock(&space->lock);
	return written;
}

static void space_forget(struct fs *fs, struct fs_node node)
{
	struct space *space = space_of(fs);
	struct space_object *object = node_object(space, node), *last = NULL;

	if (object && is_written(space, object))
		space_settle(space, object, node);
	pthread_mutex_lock(&space->lock);
	if (object) {
		space->table.nodes.at[node.id] = NULL;
		last = space_unpin(space, object);
	}
	pthread_mutex_unlock(&space->lock);
	fs_forget(layer_below(fs), node);
	release(space, last);
}

static void adopt_node(struct space *space, struct fs_node node)
{
	struct space_object *object;
	struct fs_attr attr;

	if (fs_getattr(below_of(space), node, &attr) || node_object(space, node))
		return;
	know_node(space, node, &attr, space->losses);
	object = node_object(space, node);
	pthread_mutex_lock(&space->lock);
	if (object && attr.nlink == 0 && !object->gone)
		count_gone(space, object, &attr);
	pthread_mutex_unlock(&space->lock);
}

static void adopt_file(struct space *space, struct fs_file file)
{
	struct fs *below = below_of(space);
	struct fs_node node;
	struct fs_attr attr;

	if (!below->ops->pin || below->ops->pin(below, file, &node, &attr))
		return;
	adopt_node(space, node);
	pthread_mutex_lock(&space->lock);
	space->open_files++;
	if (!space_at(&space->table.files, file.id))
		know_file(space, file, space_at(&space->table.nodes, node.id));
	pthread_mutex_unlock(&space->lock);
	space_forget(&space->layer.fs, node);
}

static void space_adopt(struct fs *fs, struct fs_node node, struct fs_file file)
{
	struct space *space = space_of(fs);

	if (node.id >= 0 && space->counts)
		adopt_node(space, node);
	if (file.id >= 0)
		adopt_file(space, file);
	fs_adopt(layer_below(fs), node, file);
}

/* ---- opening ---- */

static int take_open(struct space *space)
{
	int ret = 0;

	pthread_mutex_lock(&space->lock);
	if (space->limits.open_files && space->open_files >= space->limits.open_files)
		ret = -EMFILE;
	else
		space->open_files++;
	pthread_mutex_unlock(&space->lock);
	return ret;
}

static void give_open(struct space *space)
{
	pthread_mutex_lock(&space->lock);
	if (space->open_files > 0)
		space->open_files--;
	pthread_mutex_unlock(&space->lock);
}

static int open_as_is(struct space *space, struct fs_node node, int flags, struct fs_file *file)
{
	int ret;

	names_enter(space);
	ret = fs_open(below_of(space), node, flags, file);
	if (ret == 0) {
		pthread_mutex_lock(&space->lock);
		know_file(space, *file, space_at(&space->table.nodes, node.id));
		pthread_mutex_unlock(&space->lock);
	}
	names_leave(space);
	return ret;
}

static int open_emptied(struct space *space, struct fs_node node, int flags, struct fs_file *file)
{
	struct space_object *object;
	int ret;

	ret = space_begin(space, nothing, false);
	if (ret)
		return ret;
	object = before_change(space, node);
	ret = open_as_is(space, node, flags, file);
	space_settle(space, object, node);
	space_end(space, nothing);
	return ret;
}

static int space_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	struct space *space = space_of(fs);
	int ret = take_open(space);

	if (ret)
		return ret;
	ret = flags & O_TRUNC ? open_emptied(space, node, flags, file)
			      : open_as_is(space, node, flags, file);
	if (ret)
		give_open(space);
	return ret;
}

static void space_close(struct fs *fs, struct fs_file file)
{
	struct space *space = space_of(fs);
	struct space_object *object, *last = NULL;

	pthread_mutex_lock(&space->lock);
	object = space_at(&space->table.files, file.id);
	if (object) {
		space->table.files.at[file.id] = NULL;
		if (--object->opens == 0)
			space->victims_stale |= object->passed;
		last = space_unpin(space, object);
	}
	pthread_mutex_unlock(&space->lock);
	fs_close(layer_below(fs), file);
	give_open(space);
	release(space, last);
}

/* ---- making ---- */

/* Keeps the names in two directories, or one, as they are but for the call that holds this. */
struct dirs {
	pthread_mutex_t *first, *second; /* second: NULL if the same */
};

static pthread_mutex_t *dir_mutex(struct space *space, struct fs_node dir)
{
	const struct space_object *object = node_object(space, dir);

	return &space->dirs[object ? object->path % SPACE_STRIPES : 0];
}

static struct dirs dirs_enter(struct space *space, struct fs_node a, struct fs_node b)
{
	struct dirs dirs = {.first = dir_mutex(space, a), .second = dir_mutex(space, b)};

	if (dirs.second < dirs.first)
		dirs = (struct dirs){.first = dirs.second, .second = dirs.first};
	pthread_mutex_lock(dirs.first);
	if (dirs.second == dirs.first)
		dirs.second = NULL;
	else
		pthread_mutex_lock(dirs.second);
	return dirs;
}

static void dirs_leave(const struct dirs *dirs)
{
	if (dirs->second)
		pthread_mutex_unlock(dirs->second);
	pthread_mutex_unlock(dirs->first);
}

/* A call that makes a name in `dir`, and perhaps what it names: begun, and ended. */
struct making {
	struct space *space;
	struct space_use most;
	struct fs_node dir;
	struct space_object *object; /* of the directory */
	struct dirs dirs;
};

/* Room is reserved. `from`: where the name is taken away, or `dir`. */
static void making_enter(struct making *m, struct space *space, struct fs_node from,
			 struct fs_node dir, struct space_use most)
{
	*m = (struct making){.space = space, .most = most, .dir = dir};
	m->object = before_change(space, dir);
	names_enter(space);
	m->dirs = dirs_enter(space, from, dir);
}

/* What is there already is neither refused for want of room, nor is anything deleted for it. */
static int making_begin(struct making *m, struct space *space, struct fs_node dir, const char *name,
			struct space_use most)
{
	int ret = space_begin(space, most, false);
	struct fs_attr attr;

	if (ret && fs_lookup(below_of(space), dir, name, &attr) == 0)
		return -EEXIST;
	if (ret && space->limits.auto_delete)
		ret = space_begin(space, most, true);
	if (ret == 0)
		making_enter(m, space, dir, dir, most);
	return ret;
}

/* `attr` of what was made; NULL: a name was, and no more. */
static int making_end(const struct making *m, int ret, const struct fs_attr *attr)
{
	if (ret == 0 && attr)
		made(m->space, attr);
	dirs_leave(&m->dirs);
	names_leave(m->space);
	space_settle(m->space, m->object, m->dir);
	space_end(m->space, m->most);
	return ret;
}

static int create(struct space *space, struct fs_node dir, const char *name, int flags,
		  uint32_t mode, struct fs_cred cred, struct fs_node *node, struct fs_file *file,
		  struct fs_attr *attr)
{
	const struct space_use most = {.bytes = SPACE_BLOCK, .files = 1};
	uint64_t losses = space->losses;
	struct making m;
	int ret = making_begin(&m, space, dir, name, most);

	if (ret)
		return ret;
	ret = fs_create(below_of(space), dir, name, flags | O_EXCL, mode, cred, node, file, attr,
			NULL);
	if (ret == 0) {
		know_node(space, *node, attr, losses);
		pthread_mutex_lock(&space->lock);
		know_file(space, *file, space_at(&space->table.nodes, node->id));
		pthread_mutex_unlock(&space->lock);
	}
	return making_end(&m, ret, attr);
}

static int space_create(struct fs *fs, struct fs_node dir, const char *name, int flags,
			uint32_t mode, struct fs_cred cred, struct fs_node *node,
			struct fs_file *file, struct fs_attr *attr)
{
	struct space *space = space_of(fs);
	int ret = take_open(space);

	if (ret)
		return ret;
	ret = create(space, dir, name, flags, mode, cred, node, file, attr);
	if (ret)
		give_open(space);
	return ret;
}

static int space_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       struct fs_cred cred, struct fs_attr *attr)
{
	const struct space_use most = {.bytes = 2 * SPACE_BLOCK, .files = 1};
	struct making m;
	int ret = making_begin(&m, space_of(fs), dir, name, most);

	if (ret)
		return ret;
	ret = fs_mkdir(layer_below(fs), dir, name, mode, cred, attr, NULL);
	return making_end(&m, ret, attr);
}

static int space_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
			 struct fs_cred cred, struct fs_attr *attr)
{
	const struct space_use most = {.bytes = 2 * SPACE_BLOCK, .files = 1};
	struct making m;
	int ret = making_begin(&m, space_of(fs), dir, name, most);

	if (ret)
		return ret;
	ret = fs_symlink(layer_below(fs), dir, name, target, cred, attr, NULL);
	return making_end(&m, ret, attr);
}

static int space_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		       uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	const struct space_use most = {.bytes = SPACE_BLOCK, .files = 1};
	struct making m;
	int ret = making_begin(&m, space_of(fs), dir, name, most);

	if (ret)
		return ret;
	ret = fs_mknod(layer_below(fs), dir, name, mode, major, minor, cred, attr, NULL);
	return making_end(&m, ret, attr);
}

static int space_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	struct making m;
	int ret = making_begin(&m, space_of(fs), dir, name, one_name);

	if (ret)
		return ret;
	return making_end(&m, fs_link(layer_below(fs), node, dir, name, NULL), NULL);
}

/* ---- removing ---- */

void space_losing(struct space *space, struct fs_node dir, const char *name,
		  struct space_losing *losing)
{
	struct fs_attr attr;

	*losing = (struct space_losing){.node = FS_NO_NODE};
	if (!space->counts || fs_walk(below_of(space), dir, name, &losing->node, &attr))
		return;
	pthread_mutex_lock(&space->lock);
	losing->object = space_pin(space, attr.path);
	if (losing->object)
		losing->object->sure = true;
	pthread_mutex_unlock(&space->lock);
}

void space_lost(struct space *space, struct space_losing *losing)
{
	struct space_object *object = losing->object;
	struct fs_attr attr;

	if (object && fs_getattr(below_of(space), losing->node, &attr) == 0 && attr.nlink == 0) {
		space_settle(space, object, losing->node);
		pthread_mutex_lock(&space->lock);
		if (!object->gone) {
			object->gone = object->known = true;
			space->tree.bytes -= (int64_t)object->taken;
			space->gone.bytes += (int64_t)object->taken;
			space->tree.files--;
			space->gone.files++;
			space->losses++;
		}
		pthread_mutex_unlock(&space->lock);
	}
	pthread_mutex_lock(&space->lock);
	object = space_unpin(space, object);
	pthread_mutex_unlock(&space->lock);
	fs_forget(below_of(space), losing->node);
	release(space, object);
}

static int space_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir)
{
	struct space *space = space_of(fs);
	struct space_losing losing;
	struct dirs dirs;
	int ret = space_begin(space, nothing, false);

	if (ret)
		return ret;
	names_enter(space);
	dirs = dirs_enter(space, dir, dir);
	space_losing(space, dir, name, &losing);
	ret = fs_unlink(layer_below(fs), dir, name, rmdir, NULL);
	dirs_leave(&dirs);
	names_leave(space);
	space_lost(space, &losing);
	space_end(space, nothing);
	return ret;
}

static int space_rename(struct fs *fs, struct fs_node olddir, const char *oldname,
			struct fs_node newdir, const char *newname)
{
	struct space *space = space_of(fs);
	bool stays = node_object(space, olddir) == node_object(space, newdir);
	const struct space_use most = stays ? nothing : one_name;
	struct space_losing losing;
	struct making m;
	int ret = space_begin(space, most, true);

	if (ret)
		return ret;
	making_enter(&m, space, olddir, newdir, most);
	space_losing(space, newdir, newname, &losing);
	ret = fs_rename(layer_below(fs), olddir, oldname, newdir, newname, NULL);
	space_lost(space, &losing);
	return making_end(&m, ret, NULL);
}

/* ---- growing and shrinking ---- */

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + SPACE_BLOCK - 1) / SPACE_BLOCK * SPACE_BLOCK;
}

/* The most that a write can take; where an append goes is not known. */
static struct space_use most_of_write(struct fs_file file, size_t size, uint64_t offset)
{
	uint64_t within = file.flags & O_APPEND ? SPACE_BLOCK - 1 : offset % SPACE_BLOCK;

	return (struct space_use){.bytes = (int64_t)round_up(within + size)};
}

/* How much of a write goes where the file has its storage already. A file with less than it is
 * long has holes, and where they are is not known. */
static size_t write_in_place(struct space *space, struct fs_file file, size_t size, uint64_t offset)
{
	struct fs *below = below_of(space);
	uint64_t end, taken;

	if (!below->ops->size || below->ops->size(below, file, &end) ||
	    fs_taken(below, file, &taken) || taken < round_up(end))
		return 0;
	if (file.flags & O_APPEND)
		offset = end;
	end = round_up(end);
	if (offset >= end)
		return 0;
	return size < end - offset ? size : (size_t)(end - offset);
}

/* How much of a write there is room for. */
static size_t write_that_fits(struct space *space, struct fs_file file, size_t size,
			      uint64_t offset)
{
	uint64_t left, within = file.flags & O_APPEND ? SPACE_BLOCK - 1 : offset % SPACE_BLOCK;

	pthread_mutex_lock(&space->lock);
	left = space_left(space->limits.space, space_used(space).bytes, space->reserved.bytes);
	pthread_mutex_unlock(&space->lock);
	left -= left % SPACE_BLOCK;
	if (left <= within)
		return 0;
	return size < left - within ? size : (size_t)(left - within);
}

/* Begins a write, of less than `size` if need be. */
static int begin_write(struct space *space, struct fs_file file, size_t *size, uint64_t offset,
		       struct space_use *most)
{
	size_t part;
	int ret;

	*most = most_of_write(file, *size, offset);
	ret = space_begin(space, *most, false);
	if (ret != -ENOSPC)
		return ret;
	part = write_in_place(space, file, *size, offset);
	if (part > 0) {
		*size = part;
		*most = nothing;
		return space_begin(space, *most, false);
	}
	ret = space_begin(space, *most, space->limits.auto_delete);
	if (ret != -ENOSPC)
		return ret;
	*size = write_that_fits(space, file, *size, offset);
	*most = most_of_write(file, *size, offset);
	return *size > 0 ? space_begin(space, *most, false) : -ENOSPC;
}

static ssize_t space_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			   uint64_t offset)
{
	struct space *space = space_of(fs);
	struct space_object *object;
	struct space_use most;
	ssize_t n;
	int ret;

	if (size == 0 || space->limits.space == 0)
		return fs_write(layer_below(fs), file, buf, size, offset, NULL);
	ret = begin_write(space, file, &size, offset, &most);
	if (ret)
		return ret;
	object = file_object(space, file);
	if (!is_known(space, object))
		settle_file(space, object, file);
	n = fs_write(layer_below(fs), file, buf, size, offset, NULL);
	settle_file(space, object, file);
	if (object && !__atomic_load_n(&object->written, __ATOMIC_RELAXED))
		__atomic_store_n(&object->written, true, __ATOMIC_RELAXED);
	space_end(space, most);
	return n;
}

/* Dates that are set may make another file the oldest. */
static void dates_change(struct space *space, const struct fs_setattr *set)
{
	if (!space->limits.auto_delete || !(set->valid & FS_SET_MTIME))
		return;
	pthread_mutex_lock(&space->lock);
	space->victims_stale = true;
	pthread_mutex_unlock(&space->lock);
}

static int space_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
			 const struct fs_setattr *set)
{
	struct space *space = space_of(fs);
	struct space_object *object;
	int ret;

	if (!(set->valid & FS_SET_SIZE)) {
		ret = fs_setattr(layer_below(fs), node, file, set);
		dates_change(space, set);
		return ret;
	}
	ret = space_begin(space, nothing, false);
	if (ret)
		return ret;
	object = before_change(space, node);
	ret = fs_setattr(layer_below(fs), node, file, set);
	dates_change(space, set);
	space_settle(space, object, node);
	space_end(space, nothing);
	return ret;
}

static int space_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			  size_t size, int flags)
{
	struct space *space = space_of(fs);
	const struct space_use most = {.bytes = (int64_t)round_up(size)};
	struct space_object *object;
	int ret = space_begin(space, most, true);

	if (ret)
		return ret;
	object = before_change(space, node);
	ret = fs_setxattr(layer_below(fs), node, name, buf, size, flags, NULL);
	space_settle(space, object, node);
	space_end(space, most);
	return ret;
}

static int space_removexattr(struct fs *fs, struct fs_node node, const char *name)
{
	struct space *space = space_of(fs);
	struct space_object *object;
	int ret = space_begin(space, nothing, false);

	if (ret)
		return ret;
	object = before_change(space, node);
	ret = fs_removexattr(layer_below(fs), node, name, NULL);
	space_settle(space, object, node);
	space_end(space, nothing);
	return ret;
}

/* ---- what is left ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Under the lock. Some file systems do not know how many files they can hold: 0. */
static void limit_statfs(const struct space *space, struct fs_statfs *st)
{
	struct space_use used = space_used(space);
	uint64_t left;

	if (space->limits.space && st->bsize) {
		left = space_left(space->limits.space, used.bytes, space->reserved.bytes);
		st->blocks = least(st->blocks, space->limits.space / st->bsize);
		st->bfree = least(st->bfree, space->is_counted ? left / st->bsize : 0);
		st->bavail = least(st->bavail, st->bfree);
	}
	if (space->limits.files) {
		left = space_left(space->limits.files, used.files, space->reserved.files);
		left = space->is_counted ? left : 0;
		st->ffree = st->files ? least(st->ffree, left) : left;
		st->files = st->files ? least(st->files, space->limits.files) : space->limits.files;
	}
}

static int space_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st)
{
	struct space *space = space_of(fs);
	int ret = fs_statfs(layer_below(fs), node, st);

	if (ret || !space->counts)
		return ret;
	pthread_mutex_lock(&space->lock);
	space_await(space);
	limit_statfs(space, st);
	pthread_mutex_unlock(&space->lock);
	return 0;
}

/* ---- limits ---- */

const char *const fs_space_names[] = {"max-space", "max-files", "max-open-files", "auto-delete",
				      NULL};

/* Digits and nothing else, as in xenstore. */
static int parse_number(const char *text, uint32_t most, uint32_t *number)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t value;

	if (digits == 0 || digits > 10 || text[digits] != '\0')
		return -EINVAL;
	value = strtoull(text, NULL, 10);
	*number = (uint32_t)value;
	return value <= most ? 0 : -EINVAL;
}

int fs_space_set(struct fs_space_limits *limits, const char *name, const char *value, char *err,
		 size_t errlen)
{
	bool is_switch = strcmp(name, "auto-delete") == 0;
	uint32_t most = is_switch ? 1 : UINT32_MAX, number;

	if (parse_number(value, most, &number)) {
		snprintf(err, errlen, "not a number from 0 to %u", most);
		return -EINVAL;
	}
	if (strcmp(name, "max-space") == 0)
		limits->space = number;
	else if (strcmp(name, "max-files") == 0)
		limits->files = number;
	else if (strcmp(name, "max-open-files") == 0)
		limits->open_files = number;
	else if (is_switch)
		limits->auto_delete = number != 0;
	else
		return -ENOENT;
	return 0;
}

static uint32_t stricter(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

void fs_space_tighten(struct fs_space_limits *limits, const struct fs_space_limits *more)
{
	limits->space = stricter(limits->space, more->space);
	limits->files = stricter(limits->files, more->files);
	limits->open_files = stricter(limits->open_files, more->open_files);
	limits->auto_delete |= more->auto_delete;
}

/* ---- life ---- */

static void space_free(struct space *space)
{
	space_drop_victims(space);
	space_table_free(&space->table);
	for (size_t i = 0; i < SPACE_STRIPES; i++) {
		pthread_mutex_destroy(&space->settle[i]);
		pthread_mutex_destroy(&space->dirs[i]);
	}
	pthread_rwlock_destroy(&space->names);
	pthread_mutex_destroy(&space->deleting);
	pthread_mutex_destroy(&space->lock);
	pthread_cond_destroy(&space->wake);
	pthread_cond_destroy(&space->counted);
}

static void space_destroy(struct fs *fs)
{
	struct space *space = space_of(fs);

	space_stop(space);
	space_free(space);
	layer_destroy(fs);
}

static const struct fs_ops space_ops = {
	.name = "space",
	.destroy = space_destroy,
	.root = space_root,
	.walk = space_walk_to,
	.parent = space_parent,
	.forget = space_forget,
	.restore = space_restore,
	.regain = space_regain,
	.setattr = space_setattr,
	.open = space_open,
	.create = space_create,
	.close = space_close,
	.pin = space_pin_file,
	.adopt = space_adopt,
	.write = space_write,
	.mkdir = space_mkdir,
	.symlink = space_symlink,
	.mknod = space_mknod,
	.link = space_link,
	.rename = space_rename,
	.unlink = space_unlink,
	.statfs = space_statfs,
	.setxattr = space_setxattr,
	.removexattr = space_removexattr,
};

static void init(struct space *space, const struct fs_space_limits *limits)
{
	pthread_condattr_t monotonic;

	space->limits.space = (uint64_t)limits->space << 20;
	space->limits.files = limits->files;
	space->limits.open_files = limits->open_files;
	space->limits.auto_delete = limits->auto_delete;
	space->counts = limits->space || limits->files;
	for (size_t i = 0; i < SPACE_STRIPES; i++) {
		pthread_mutex_init(&space->settle[i], NULL);
		pthread_mutex_init(&space->dirs[i], NULL);
	}
	pthread_rwlock_init(&space->names, NULL);
	pthread_mutex_init(&space->deleting, NULL);
	pthread_mutex_init(&space->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&space->wake, &monotonic);
	pthread_cond_init(&space->counted, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

int fs_space_create(struct fs *below, const struct fs_space_limits *limits, struct fs **fs,
		    char *err, size_t errlen)
{
	struct space *space;

	*fs = below;
	if (!limits->space && !limits->files && !limits->open_files)
		return 0;
	space = calloc(1, sizeof(*space));
	if (!space) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	layer_init(&space->layer, below, &space_ops);
	init(space, limits);
	*fs = &space->layer.fs;
	return 0;
}
