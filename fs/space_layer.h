/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space_layer.h - what the files of the layer with limits share; for space*.c only.
 *
 * An object (space_object) is there while the layer has handles of it, open or not. It remembers
 * what the object takes as counted, so that the next look tells the difference; what was never
 * looked at since it was pinned is not `known`, and the first look only makes it so.
 */
#ifndef FS_SPACE_LAYER_H
#define FS_SPACE_LAYER_H

#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>

#include "common/util.h"
#include "fs/layer.h"
#include "fs/space.h"

#define SPACE_BLOCK 4096u /* what growth is reckoned in beforehand */
#define SPACE_STRIPES 64
#define SPACE_VICTIMS 256 /* files found at once by a search for old ones */

struct space_object {
	LIST_ENTRY(space_object) in_bucket; /* space_table::buckets */
	uint64_t path;
	uint64_t taken; /* bytes; valid when known */
	uint32_t pins;	/* nodes, files and calls */
	uint32_t opens;
	bool known;
	bool written; /* since it was pinned: file systems give back when it is closed; set without
			 the lock */
	bool gone;    /* has no name any more; counted apart, as no walk finds it */
	bool sure;    /* it was counted with the tree when it was found, or is gone */
	bool passed;  /* was old enough to be deleted, but in use */
};

LIST_HEAD(space_bucket, space_object);

struct space_slots { /* by id of a handle */
	struct space_object **at;
	size_t size;
};

struct space_table {
	struct space_bucket *buckets;
	size_t bucket_count, count;
	struct space_slots nodes, files;
};

/* What there is. Others change the tree, too, so a count may run below what is taken from it. */
struct space_use {
	int64_t bytes, files;
};

struct space_victim {
	uint64_t path;
	struct fs_time mtime;
	char *way; /* names below the root, with "/" between */
};

struct space {
	struct fs_layer layer;
	struct {
		uint64_t space, files, open_files; /* space in bytes; 0: none */
		bool auto_delete;
	} limits;
	bool counts; /* there is a limit of space or files */

	/* Looking what an object takes and noting it are one step for each object; finding what a
	 * name stands for and taking the name away, for each directory, as in any kernel. */
	pthread_mutex_t settle[SPACE_STRIPES], dirs[SPACE_STRIPES];

	/* Held for writing while a file is being deleted, for reading by calls that open or that
	 * change names; with auto_delete only. */
	pthread_rwlock_t names;
	pthread_mutex_t deleting; /* guards: */
	struct space_victim victims[SPACE_VICTIMS];
	size_t victim_count, victim_next;
	int64_t told_ms;    /* of the last line about a deletion; */
	unsigned deletions; /* so many since */

	pthread_mutex_t lock; /* guards the rest */
	struct space_table table;
	uint64_t open_files;
	struct space_use tree, gone; /* used is both */
	_Atomic uint64_t losses;     /* last names taken away */
	struct space_use reserved;
	unsigned active;  /* changes under way */
	uint64_t changes; /* begun so far */
	bool victims_stale, victims_for_files;

	/* Counting. */
	pthread_t thread;
	bool has_thread, ending;
	pthread_cond_t wake;	/* the thread */
	pthread_cond_t counted; /* those who wait for the first count, or its failure */
	bool is_counted;
	int error;   /* why the first count failed */
	bool wanted; /* a refusal may be wrong */
	uint64_t changes_counted;
	int64_t soon_ms, later_ms; /* not before: when wanted; when things changed */
};

static inline struct space *space_of(struct fs *fs)
{
	return container_of(fs, struct space, layer.fs);
}

/* ---- space_table.c; all under the lock ---- */

/* One pin more of the object with this number. NULL: out of memory. */
struct space_object *space_pin(struct space *space, uint64_t path);
struct space_object *space_find(const struct space *space, uint64_t path); /* or NULL */

/* The object of a handle, NULL when it is not known. Stays while the handle does. */
struct space_object *space_at(const struct space_slots *slots, int32_t id);
int space_put(struct space_slots *slots, int32_t id, struct space_object *object);

/* One pin less, before the handle is closed below: then a new object may get the number. With the
 * last one the object is in the table no more, and is returned for space_release() after the
 * handle was closed: the space of what is gone is free. Both take NULL. */
struct space_object *space_unpin(struct space *space, struct space_object *object);
void space_release(struct space *space, struct space_object *object);

/* After a count: what was seen of objects before it means nothing any more. */
void space_forget_seen(struct space *space);
void space_table_free(struct space_table *table);

/* ---- space_count.c ---- */

/* Begins a change that may take so much, at most; waits for the first count. -ENOSPC: it does not
 * fit. `may_delete`: make room if that helps. Then the change is ended. */
int space_begin(struct space *space, struct space_use most, bool may_delete);
void space_end(struct space *space, struct space_use most);

/* Waits for the first count, or its failure. Under the lock. */
void space_await(struct space *space);

/* How much is left of `limit`, after what is used and reserved. Under the lock. */
uint64_t space_left(uint64_t limit, int64_t used, int64_t reserved);
bool space_fits(const struct space *space, struct space_use more);
struct space_use space_used(const struct space *space);

void space_stop(struct space *space);
int64_t space_now_ms(void);

/* ---- space_walk.c ---- */

struct space_walk;

/* Sees one object below the root; not 0 ends the walk with it. */
typedef int space_visit(void *arg, const struct space_walk *walk, const char *name,
			const struct fs_attr *attr);

/* Walks the fs below. What vanishes meanwhile is passed over, what cannot be read, too; `root`
 * is told first. -ENOMEM, -EMFILE, -ENFILE, -EFBIG (too deep), -ECANCELED (the end). */
int space_walk(struct space *space, space_visit *visit, void *arg, struct fs_attr *root);

/* The names from the root to `name`, for free(); NULL: too long, or out of memory. */
char *space_way(const struct space_walk *walk, const char *name);

/* ---- space_delete.c ---- */

/* Deletes old files until `more` fits. 0 or -ENOSPC. */
int space_make_room(struct space *space, struct space_use more);
void space_drop_victims(struct space *space);

/* ---- space.c ---- */

/* Looks what an object takes now. */
void space_settle(struct space *space, struct space_object *object, struct fs_node node);

/* An object that is about to lose a name: pinned, in the fs below as well. */
struct space_losing {
	struct fs_node node; /* FS_NO_NODE: there is none, or it cannot be told */
	struct space_object *object;
};
void space_losing(struct space *space, struct fs_node dir, const char *name,
		  struct space_losing *losing);
void space_lost(struct space *space, struct space_losing *losing);

#endif
