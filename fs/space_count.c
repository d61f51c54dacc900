/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space_count.c - how much of the limits is used, and may something grow?
 *
 * The first count waits for nobody: until it is there, no change begins, so it is exact. Later ones
 * run beside the guest. One counts if no change was under way at its start, and none was begun
 * until its end; then it replaces what was reckoned up, with whatever others did to the tree.
 */
#include "fs/space_layer.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"

#define MS_PER_S 1000
#define SOON_MS 1000   /* after a count, before another because something was refused, */
#define SOON_TIMES 10  /* or so many times as long as it took; */
#define LATER_MS 60000 /* because something was changed */
#define LATER_TIMES 20

/* ---- what fits ---- */

int64_t space_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * MS_PER_S + now.tv_nsec / 1000000;
}

struct space_use space_used(const struct space *space)
{
	return (struct space_use){
		.bytes = space->tree.bytes + space->gone.bytes,
		.files = space->tree.files + space->gone.files,
	};
}

uint64_t space_left(uint64_t limit, int64_t used, int64_t reserved)
{
	uint64_t taken = (uint64_t)(used > 0 ? used : 0) + (uint64_t)reserved;

	return limit > taken ? limit - taken : 0;
}

static bool limit_fits(uint64_t limit, int64_t used, int64_t reserved, int64_t more)
{
	return limit == 0 || more == 0 || (uint64_t)more <= space_left(limit, used, reserved);
}

bool space_fits(const struct space *space, struct space_use more)
{
	struct space_use used = space_used(space);

	return limit_fits(space->limits.space, used.bytes, space->reserved.bytes, more.bytes) &&
	       limit_fits(space->limits.files, used.files, space->reserved.files, more.files);
}

/* ---- the thread ---- */

/* Objects with several names that were seen: their numbers, hashed. */
struct seen {
	uint64_t *path; /* 0: free */
	size_t size, count;
};

struct count {
	struct space *space;
	struct space_use use;
	struct seen seen;
};

static size_t seen_slot(const struct seen *seen, uint64_t path)
{
	size_t i = path * 0x9e3779b97f4a7c15U >> 32 & (seen->size - 1);

	while (seen->path[i] != 0 && seen->path[i] != path)
		i = (i + 1) & (seen->size - 1);
	return i;
}

static int seen_grow(struct seen *seen)
{
	size_t size = seen->size ? seen->size * 2 : 64;
	struct seen bigger = {.path = calloc(size, sizeof(uint64_t)), .size = size};

	if (!bigger.path)
		return -ENOMEM;
	for (size_t i = 0; i < seen->size; i++) {
		if (seen->path[i] != 0)
			bigger.path[seen_slot(&bigger, seen->path[i])] = seen->path[i];
	}
	bigger.count = seen->count;
	free(seen->path);
	*seen = bigger;
	return 0;
}

/* 1: for the first time. */
static int see(struct seen *seen, uint64_t path)
{
	size_t slot;

	if (seen->count >= seen->size / 2) {
		int ret = seen_grow(seen);

		if (ret)
			return ret;
	}
	slot = seen_slot(seen, path);
	if (seen->path[slot] == path)
		return 0;
	seen->path[slot] = path;
	seen->count++;
	return 1;
}

static int count_one(void *arg, const struct space_walk *walk, const char *name,
		     const struct fs_attr *attr)
{
	struct count *count = arg;
	int first = 1;

	(void)walk, (void)name;
	if (attr->nlink > 1 && !S_ISDIR(attr->mode))
		first = see(&count->seen, attr->path);
	if (first < 0)
		return first;
	if (first > 0) {
		count->use.bytes += (int64_t)attr->blocks * 512;
		count->use.files++;
	}
	return 0;
}

/* Makes the count the truth, unless the guest has changed something meanwhile. Under the lock. */
static void take_count(struct space *space, const struct count *count, uint64_t changes, bool quiet)
{
	if (!quiet || space->changes != changes)
		return;
	space->tree = count->use;
	space_forget_seen(space);
	space->is_counted = true;
	space->error = 0;
	space->wanted = false;
	space->changes_counted = changes;
	pthread_cond_broadcast(&space->counted);
}

static void count_failed(struct space *space, int error)
{
	if (error == -ECANCELED)
		return;
	if (!space->is_counted && space->error != error)
		log_error("what the share holds cannot be counted, and it cannot grow: %s",
			  error == -EFBIG ? "its directories are nested too deeply"
					  : strerror(-error));
	if (!space->is_counted)
		space->error = error;
	pthread_cond_broadcast(&space->counted);
}

/* Under the lock, which it leaves meanwhile. */
static void count_once(struct space *space)
{
	struct count count = {.space = space};
	uint64_t changes = space->changes;
	bool quiet = space->active == 0;
	int64_t began_ms = space_now_ms(), now_ms;
	struct fs_attr root;
	int ret;

	pthread_mutex_unlock(&space->lock);
	ret = space_walk(space, count_one, &count, &root);
	free(count.seen.path);
	pthread_mutex_lock(&space->lock);
	now_ms = space_now_ms();
	space->soon_ms = now_ms + SOON_MS + SOON_TIMES * (now_ms - began_ms);
	space->later_ms = now_ms + LATER_MS + LATER_TIMES * (now_ms - began_ms);
	if (ret == 0) {
		count.use.bytes += (int64_t)root.blocks * 512;
		take_count(space, &count, changes, quiet);
	} else {
		count_failed(space, ret);
	}
}

/* When to count again; INT64_MAX: not before something happens. Under the lock. */
static int64_t due_ms(const struct space *space)
{
	if (!space->is_counted && !space->error)
		return 0;
	if (space->wanted)
		return space->soon_ms;
	return space->changes != space->changes_counted ? space->later_ms : INT64_MAX;
}

static void wait_until(struct space *space, int64_t until_ms)
{
	struct timespec until = {
		.tv_sec = until_ms / MS_PER_S,
		.tv_nsec = until_ms % MS_PER_S * 1000000,
	};

	if (until_ms == INT64_MAX)
		pthread_cond_wait(&space->wake, &space->lock);
	else
		pthread_cond_timedwait(&space->wake, &space->lock, &until);
}

static void *counter(void *arg)
{
	struct space *space = arg;

	pthread_mutex_lock(&space->lock);
	while (!space->ending) {
		int64_t due = due_ms(space);

		if (due <= space_now_ms())
			count_once(space);
		else
			wait_until(space, due);
	}
	pthread_mutex_unlock(&space->lock);
	return NULL;
}

/* Makes sure that there is somebody who counts. Under the lock. */
static void space_wake(struct space *space)
{
	int err = 0;

	if (space->has_thread) {
		pthread_cond_signal(&space->wake);
		return;
	}
	err = pthread_create(&space->thread, NULL, counter, space);
	space->has_thread = err == 0;
	if (err)
		count_failed(space, -err);
}

void space_stop(struct space *space)
{
	pthread_mutex_lock(&space->lock);
	space->ending = true;
	pthread_cond_signal(&space->wake);
	pthread_mutex_unlock(&space->lock);
	if (space->has_thread)
		pthread_join(space->thread, NULL);
}

/* ---- changes ---- */

void space_await(struct space *space)
{
	if (!space->has_thread)
		space_wake(space);
	while (!space->is_counted && !space->error)
		pthread_cond_wait(&space->counted, &space->lock);
}

/* 0 or -ENOSPC. Under the lock. */
static int begin(struct space *space, struct space_use most)
{
	bool grows = most.bytes > 0 || most.files > 0;

	space_await(space);
	if (grows && (!space->is_counted || !space_fits(space, most))) {
		space->wanted = true;
		space_wake(space);
		return -ENOSPC;
	}
	/* The thread sleeps until there is something that it has not counted. */
	if (space->changes++ == space->changes_counted)
		space_wake(space);
	space->active++;
	space->reserved.bytes += most.bytes;
	space->reserved.files += most.files;
	return 0;
}

int space_begin(struct space *space, struct space_use most, bool may_delete)
{
	bool counted;
	int ret;

	if (!space->counts)
		return 0;
	do {
		pthread_mutex_lock(&space->lock);
		ret = begin(space, most);
		counted = space->is_counted;
		pthread_mutex_unlock(&space->lock);
	} while (ret && may_delete && counted && space_make_room(space, most) == 0);
	return ret;
}

void space_end(struct space *space, struct space_use most)
{
	if (!space->counts)
		return;
	pthread_mutex_lock(&space->lock);
	space->active--;
	space->reserved.bytes -= most.bytes;
	space->reserved.files -= most.files;
	pthread_mutex_unlock(&space->lock);
}
