/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_ghost.c - what mapped-file knows of objects whose name, and so whose file, the host does
 * not tell: it is gone, or lies deeper than a path is long. In tables of fixed size, where the
 * newest takes the place of another; nothing of it outlives the process.
 */
#include "fs/mapped_file.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GHOST_SETS 512
#define GHOST_WAYS 8
#define HEIRS 64
#define DEEP 64

/* Which object, as long as the host has it: a number may be given again. */
struct object {
	uint64_t path; /* 0: none */
	struct fs_time btime;
};

/* One that has lost a name, by which somebody may still have it open. */
struct ghost {
	struct object object;
	struct mapped_attr attr;
};

/* The file of such an object's other names. */
struct heir {
	struct object object;
	struct fs_node file;
};

/* Where one was found that is so deep that the host cannot tell. */
struct deep {
	struct object object;
	struct fs_node dir;
	char name[FS_NAME_MAX + 1];
};

struct mapped_ghosts {
	struct fs *below;
	struct ghost ghosts[GHOST_SETS][GHOST_WAYS];
	unsigned next_ghost;
	struct heir heirs[HEIRS];
	unsigned next_heir;

	pthread_mutex_t deep_lock; /* no other is taken with it */
	struct deep deep[DEEP];
	unsigned next_deep;
};

/* ---- objects ---- */

static struct object object_of(const struct fs_attr *host)
{
	struct object object = {.path = host->path};

	if (host->has_btime)
		object.btime = host->btime;
	return object;
}

static bool is_object(const struct object *object, const struct fs_attr *host)
{
	const struct object other = object_of(host);

	return object->path == other.path && object->btime.sec == other.btime.sec &&
	       object->btime.nsec == other.btime.nsec;
}

/* ---- names that are gone ---- */

static struct ghost *ghost_set(struct mapped_ghosts *g, const struct fs_attr *host)
{
	return g->ghosts[(host->path * 0x9e3779b97f4a7c15U >> 32) % GHOST_SETS];
}

static struct ghost *find_ghost(struct mapped_ghosts *g, const struct fs_attr *host)
{
	struct ghost *set = ghost_set(g, host);

	for (unsigned i = 0; i < GHOST_WAYS; i++) {
		if (is_object(&set[i].object, host))
			return &set[i];
	}
	return NULL;
}

static struct ghost *free_ghost(struct mapped_ghosts *g, const struct fs_attr *host)
{
	struct ghost *set = ghost_set(g, host);

	for (unsigned i = 0; i < GHOST_WAYS; i++) {
		if (set[i].object.path == 0)
			return &set[i];
	}
	return &set[g->next_ghost++ % GHOST_WAYS];
}

static struct heir *find_heir(struct mapped_ghosts *g, const struct fs_attr *host)
{
	for (unsigned i = 0; i < HEIRS; i++) {
		if (is_object(&g->heirs[i].object, host))
			return &g->heirs[i];
	}
	return NULL;
}

bool mapped_ghost_has_heir(struct mapped_ghosts *g, const struct fs_attr *host)
{
	return find_heir(g, host) != NULL;
}

bool mapped_ghost_heir(struct mapped_ghosts *g, const struct fs_attr *host, struct fs_node *file)
{
	const struct heir *heir = find_heir(g, host);
	struct fs_attr found;

	if (!heir || fs_getattr(g->below, heir->file, &found) != 0 || found.nlink == 0)
		return false;
	*file = heir->file;
	return true;
}

void mapped_ghost_inherit(struct mapped_ghosts *g, const struct fs_attr *host, struct fs_node file)
{
	struct heir *heir = find_heir(g, host);

	if (!heir)
		heir = &g->heirs[g->next_heir++ % HEIRS];
	if (heir->object.path)
		fs_forget(g->below, heir->file);
	*heir = (struct heir){.object = object_of(host), .file = file};
}

const struct mapped_attr *mapped_ghost_find(struct mapped_ghosts *g, const struct fs_attr *host)
{
	const struct ghost *ghost = find_ghost(g, host);

	return ghost ? &ghost->attr : NULL;
}

void mapped_ghost_haunt(struct mapped_ghosts *g, const struct fs_attr *host,
			const struct mapped_attr *attr, bool always)
{
	struct ghost *ghost = find_ghost(g, host);

	if (!ghost && !always)
		return;
	if (!ghost) {
		ghost = free_ghost(g, host);
		*ghost = (struct ghost){.object = object_of(host)};
	}
	mapped_merge(&ghost->attr, attr);
}

/* ---- names that are too deep ---- */

/* With the lock of them held. */
static struct deep *find_deep(struct mapped_ghosts *g, const struct fs_attr *host)
{
	for (unsigned i = 0; i < DEEP; i++) {
		if (is_object(&g->deep[i].object, host))
			return &g->deep[i];
	}
	return NULL;
}

static void remember_deep(struct mapped_ghosts *g, const struct mapped_at *at,
			  const struct fs_attr *host)
{
	struct deep *deep;
	struct fs_node dir;
	struct fs_attr attr;

	if (fs_walk(g->below, at->dir, ".", &dir, &attr))
		return;
	pthread_mutex_lock(&g->deep_lock);
	deep = find_deep(g, host);
	if (!deep)
		deep = &g->deep[g->next_deep++ % DEEP];
	if (deep->object.path)
		fs_forget(g->below, deep->dir);
	*deep = (struct deep){.object = object_of(host), .dir = dir};
	strcpy(deep->name, at->name);
	pthread_mutex_unlock(&g->deep_lock);
}

void mapped_ghost_found(struct mapped_ghosts *g, const struct mapped_at *at,
			const struct fs_attr *host)
{
	if (!S_ISDIR(host->mode) && fs_is_deep(g->below, at->node) == 1)
		remember_deep(g, at, host);
}

int mapped_ghost_parent(struct mapped_ghosts *g, struct fs_node node, struct fs_node *dir,
			char *name)
{
	int ret = fs_parent(g->below, node, dir, name);
	struct fs_attr host, there;
	const struct deep *deep;

	if (ret != -ENAMETOOLONG)
		return ret;
	ret = fs_getattr(g->below, node, &host);
	if (ret)
		return ret;
	pthread_mutex_lock(&g->deep_lock);
	deep = find_deep(g, &host);
	ret = deep ? fs_lookup(g->below, deep->dir, deep->name, &there) : -ENOENT;
	if (ret == 0 && there.path != host.path)
		ret = -ENOENT;
	if (ret == 0)
		ret = fs_walk(g->below, deep->dir, ".", dir, &there);
	if (ret == 0)
		strcpy(name, deep->name);
	pthread_mutex_unlock(&g->deep_lock);
	return ret;
}

/* ---- all of them ---- */

struct mapped_ghosts *mapped_ghosts_create(struct fs *below)
{
	struct mapped_ghosts *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->below = below;
	pthread_mutex_init(&g->deep_lock, NULL);
	return g;
}

void mapped_ghosts_destroy(struct mapped_ghosts *g)
{
	for (unsigned i = 0; i < HEIRS; i++) {
		if (g->heirs[i].object.path)
			fs_forget(g->below, g->heirs[i].file);
	}
	for (unsigned i = 0; i < DEEP; i++) {
		if (g->deep[i].object.path)
			fs_forget(g->below, g->deep[i].dir);
	}
	pthread_mutex_destroy(&g->deep_lock);
	free(g);
}
