/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space_delete.c - auto-delete: the file with the oldest modification date makes room.
 *
 * A search walks the tree and keeps the oldest few; they are deleted one after the other, as room
 * is needed, each only if it still is what was found. A file that has moved or changed, and
 * whatever else may have made another one the oldest, leads to a new search.
 */
#include "fs/space_layer.h"

#include <string.h>
#include <sys/stat.h>

#include "common/log.h"

#define TELL_MS 60000	 /* deletions are told no more often */
#define SEARCHES_MAX 100 /* without a deletion, while the tree is changing */

/* ---- searching ---- */

static bool is_older(struct fs_time a, struct fs_time b)
{
	return a.sec != b.sec ? a.sec < b.sec : a.nsec < b.nsec;
}

static void swap(struct space_victim *a, struct space_victim *b)
{
	struct space_victim c = *a;

	*a = *b;
	*b = c;
}

/* victims[] is a heap while it is searched: the youngest is the first. */
static void sift_down(struct space_victim *heap, size_t count, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && is_older(heap[child].mtime, heap[child + 1].mtime))
			child++;
		if (!is_older(heap[i].mtime, heap[child].mtime))
			return;
		swap(&heap[i], &heap[child]);
	}
}

static void sift_up(struct space_victim *heap, size_t i)
{
	for (; i > 0 && is_older(heap[(i - 1) / 2].mtime, heap[i].mtime); i = (i - 1) / 2)
		swap(&heap[i], &heap[(i - 1) / 2]);
}

static void sort_oldest_first(struct space_victim *heap, size_t count)
{
	while (count > 1) {
		swap(&heap[0], &heap[--count]);
		sift_down(heap, count, 0);
	}
}

/* What the deletion is to help against. */
struct need {
	struct space *space;
	bool bytes, files;
};

/* Under the lock. A file that cannot help is passed over. */
static bool helps(const struct need *need, const struct fs_attr *attr)
{
	struct space_object *object = space_find(need->space, attr->path);

	if (need->bytes && !need->files && attr->blocks == 0)
		return false;
	if (!object || (object->opens == 0 && !need->files))
		return true;
	object->passed = true;
	return false;
}

static int consider(void *arg, const struct space_walk *walk, const char *name,
		    const struct fs_attr *attr)
{
	const struct need *need = arg;
	struct space *space = need->space;
	struct space_victim *heap = space->victims;
	struct space_victim victim = {.path = attr->path, .mtime = attr->mtime};
	bool full = space->victim_count == SPACE_VICTIMS, useful;

	if (!S_ISREG(attr->mode) || (full && !is_older(attr->mtime, heap[0].mtime)))
		return 0;
	pthread_mutex_lock(&space->lock);
	useful = helps(need, attr);
	pthread_mutex_unlock(&space->lock);
	victim.way = useful ? space_way(walk, name) : NULL;
	if (!victim.way)
		return 0;
	if (full) {
		free(heap[0].way);
		heap[0] = victim;
		sift_down(heap, SPACE_VICTIMS, 0);
	} else {
		heap[space->victim_count] = victim;
		sift_up(heap, space->victim_count++);
	}
	return 0;
}

void space_drop_victims(struct space *space)
{
	for (size_t i = 0; i < space->victim_count; i++)
		free(space->victims[i].way);
	space->victim_count = space->victim_next = 0;
}

static int search(struct space *space, const struct need *need)
{
	struct fs_attr root;
	int ret;

	space_drop_victims(space);
	pthread_mutex_lock(&space->lock);
	space->victims_stale = false;
	space->victims_for_files = need->files;
	pthread_mutex_unlock(&space->lock);
	ret = space_walk(space, consider, (void *)(uintptr_t)need, &root);
	sort_oldest_first(space->victims, space->victim_count);
	return ret;
}

/* ---- deleting ---- */

/* Pins the directory in which a file was found; `name` becomes the last of its names. */
static int find_dir(struct space *space, char *way, struct fs_node *dir, const char **name)
{
	struct fs *below = layer_below(&space->layer.fs);
	struct fs_attr attr;
	int ret = fs_root(below, dir, &attr);

	for (char *slash; ret == 0 && (slash = strchr(way, '/')); way = slash + 1) {
		struct fs_node next;

		*slash = '\0';
		ret = fs_walk(below, *dir, way, &next, &attr);
		fs_forget(below, *dir);
		*dir = next;
		*slash = '/';
	}
	*name = way;
	return ret;
}

static void tell(struct space *space, const char *way)
{
	int64_t now_ms = space_now_ms();

	if (space->told_ms != 0 && now_ms - space->told_ms < TELL_MS) {
		space->deletions++;
		return;
	}
	log_info("auto-delete: \"%s\" made room (%u others since the last such line)", way,
		 space->deletions);
	space->told_ms = now_ms;
	space->deletions = 0;
}

/* While no name changes and nothing is opened. 0: gone. -EAGAIN: it is not what it was. -EBUSY:
 * it is in use. */
static int delete_file(const struct need *need, const struct space_victim *victim,
		       struct fs_node dir, const char *name, struct space_losing *losing)
{
	struct space *space = need->space;
	struct fs *below = layer_below(&space->layer.fs);
	struct fs_attr attr;
	bool useful;
	int ret;

	ret = fs_lookup(below, dir, name, &attr);
	if (ret || attr.path != victim->path || !S_ISREG(attr.mode) ||
	    is_older(attr.mtime, victim->mtime) || is_older(victim->mtime, attr.mtime))
		return -EAGAIN;
	pthread_mutex_lock(&space->lock);
	useful = helps(need, &attr);
	pthread_mutex_unlock(&space->lock);
	if (!useful)
		return -EBUSY;
	space_losing(space, dir, name, losing);
	return fs_unlink(below, dir, name, false, NULL);
}

/* The guest may still have a handle of it, though not open: what it held is given back now. */
static int empty_file(struct space *space, const struct space_losing *losing)
{
	const struct fs_setattr empty = {.valid = FS_SET_SIZE};
	struct fs *below = layer_below(&space->layer.fs);
	struct fs_attr attr;
	bool held;
	int ret = 0;

	if (!losing->object || fs_getattr(below, losing->node, &attr) || attr.nlink > 0)
		return 0;
	pthread_mutex_lock(&space->lock);
	held = losing->object->pins > 1;
	pthread_mutex_unlock(&space->lock);
	if (!held || attr.blocks == 0)
		return 0;
	space_settle(space, losing->object, losing->node);
	ret = fs_setattr(below, losing->node, FS_NO_FILE, &empty);
	return ret;
}

static int delete_one(const struct need *need, struct space_victim *victim)
{
	const struct space_use nothing = {.bytes = 0};
	struct space_losing losing = {.node = FS_NO_NODE};
	struct space *space = need->space;
	struct fs_node dir = FS_NO_NODE;
	const char *name;
	int ret = find_dir(space, victim->way, &dir, &name);

	if (ret == 0) {
		space_begin(space, nothing, false);
		pthread_rwlock_wrlock(&space->names);
		ret = delete_file(need, victim, dir, name, &losing);
		pthread_rwlock_unlock(&space->names);
		if (ret == 0) {
			tell(space, victim->way);
			ret = empty_file(space, &losing);
		}
		space_lost(space, &losing);
		space_end(space, nothing);
	} else {
		ret = -EAGAIN;
	}
	fs_forget(layer_below(&space->layer.fs), dir);
	return ret;
}

/* What does not fit; true: all does. What was found for another need is of no use. */
static bool look(struct space *space, struct space_use more, struct need *need)
{
	bool stale;

	pthread_mutex_lock(&space->lock);
	*need = (struct need){
		.space = space,
		.bytes = !space_fits(space, (struct space_use){.bytes = more.bytes}),
		.files = !space_fits(space, (struct space_use){.files = more.files}),
	};
	stale = space->victims_stale || space->victims_for_files != need->files;
	pthread_mutex_unlock(&space->lock);
	if (!need->bytes && !need->files)
		return true;
	if (stale)
		space_drop_victims(space);
	return false;
}

/* A search that finds nothing is the end. So is a deletion that fails: the next would, too, and
 * nothing would be gained. */
static int make_room(struct space *space, struct space_use more)
{
	int searches = 0;

	for (;;) {
		struct need need;
		int ret;

		if (look(space, more, &need))
			return 0;
		if (space->victim_next == space->victim_count) {
			if (++searches > SEARCHES_MAX || search(space, &need) ||
			    space->victim_count == 0)
				return -ENOSPC;
		}
		ret = delete_one(&need, &space->victims[space->victim_next++]);
		if (ret == 0)
			searches = 0;
		else if (ret == -EAGAIN)
			space_drop_victims(space);
		else if (ret != -EBUSY)
			return -ENOSPC;
	}
}

int space_make_room(struct space *space, struct space_use more)
{
	int ret = -ENOSPC;

	if (!space->limits.auto_delete)
		return ret;
	pthread_mutex_lock(&space->deleting);
	if ((space->limits.space == 0 || (uint64_t)more.bytes <= space->limits.space) &&
	    (space->limits.files == 0 || (uint64_t)more.files <= space->limits.files))
		ret = make_room(space, more);
	pthread_mutex_unlock(&space->deleting);
	return ret;
}
