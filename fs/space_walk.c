/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space_walk.c - a walk through the whole tree below a layer, with memory and handles for the
 * directories from the root to where it is and no others.
 *
 * Names are gathered in a batch before any is looked up: a driver may hold its lock while it lists.
 */
#include "fs/space_layer.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define BATCH 4096 /* bytes of names, more than any one takes */

struct level {
	struct fs_node node;
	struct fs_file file;
	uint64_t offset; /* of the next batch */
	char name[FS_NAME_MAX + 1];
	size_t used, at;
	char names[BATCH]; /* each with its NUL */
};

struct space_walk {
	struct space *space;
	struct fs *fs;
	struct level *level[SPACE_DEPTH_MAX];
	size_t depth;
};

static void leave(struct space_walk *walk)
{
	struct level *level = walk->level[--walk->depth];

	fs_close(walk->fs, level->file);
	fs_forget(walk->fs, level->node);
	free(level);
}

/* Takes `node` over. */
static int enter(struct space_walk *walk, struct fs_node node, const char *name)
{
	struct level *level = NULL;
	int ret = -EFBIG;

	if (walk->depth < SPACE_DEPTH_MAX) {
		level = malloc(sizeof(*level));
		ret = level ? fs_open(walk->fs, node, O_RDONLY | O_NOATIME, &level->file) : -ENOMEM;
	}
	if (ret) {
		fs_forget(walk->fs, node);
		free(level);
		return ret;
	}
	level->node = node;
	level->offset = 0;
	level->used = level->at = 0;
	strcpy(level->name, name);
	walk->level[walk->depth++] = level;
	return 0;
}

static bool gather(void *arg, const struct fs_dirent *entry)
{
	struct level *level = arg;
	size_t size = strlen(entry->name) + 1;

	if (size > BATCH - level->used)
		return false;
	level->offset = entry->offset;
	if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0) {
		memcpy(level->names + level->used, entry->name, size);
		level->used += size;
	}
	return true;
}

/* The next name of the innermost directory, or NULL at its end. */
static const char *next_name(struct space_walk *walk)
{
	struct level *level = walk->level[walk->depth - 1];
	const char *name = level->names + level->at;

	while (level->at == level->used) {
		uint64_t from = level->offset;

		level->used = level->at = 0;
		name = level->names;
		if (fs_readdir(walk->fs, level->file, from, BATCH, gather, level) ||
		    level->offset == from)
			return NULL;
	}
	level->at += strlen(name) + 1;
	return name;
}

/* What of an error says that the walk is worth nothing; all others concern one object. */
static int fatal(int error)
{
	switch (error) {
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -EFBIG:
		return error;
	default:
		return 0;
	}
}

static int step(struct space_walk *walk, const char *name, space_visit *visit, void *arg)
{
	struct fs_node dir = walk->level[walk->depth - 1]->node, node;
	struct fs_attr attr;
	int ret = fs_lookup(walk->fs, dir, name, &attr);

	if (ret)
		return fatal(ret);
	ret = visit(arg, walk, name, &attr);
	if (ret || !S_ISDIR(attr.mode))
		return ret;
	ret = fs_walk(walk->fs, dir, name, &node, &attr);
	if (ret == 0 && !S_ISDIR(node.type)) {
		fs_forget(walk->fs, node);
		return 0;
	}
	return fatal(ret ? ret : enter(walk, node, name));
}

static bool is_ending(struct space *space)
{
	bool ending;

	pthread_mutex_lock(&space->lock);
	ending = space->ending;
	pthread_mutex_unlock(&space->lock);
	return ending;
}

int space_walk(struct space *space, space_visit *visit, void *arg, struct fs_attr *root)
{
	_cleanup_free_ struct space_walk *walk = calloc(1, sizeof(*walk));
	struct fs_node node;
	int ret;

	if (!walk)
		return -ENOMEM;
	walk->space = space;
	walk->fs = layer_below(&space->layer.fs);
	ret = fs_root(walk->fs, &node, root);
	if (ret == 0)
		ret = enter(walk, node, "");
	while (ret == 0 && walk->depth > 0) {
		const char *name = next_name(walk);

		if (name)
			ret = is_ending(space) ? -ECANCELED : step(walk, name, visit, arg);
		else
			leave(walk);
	}
	while (walk->depth > 0)
		leave(walk);
	return ret;
}

char *space_way(const struct space_walk *walk, const char *name)
{
	char way[PATH_MAX], *end = way;

	for (size_t i = 1; i < walk->depth; i++) {
		const char *dir = walk->level[i]->name;

		if (strlen(dir) + 1 >= (size_t)(way + sizeof(way) - end))
			return NULL;
		end = stpcpy(stpcpy(end, dir), "/");
	}
	if (strlen(name) >= (size_t)(way + sizeof(way) - end))
		return NULL;
	strcpy(end, name);
	return strdup(way);
}
