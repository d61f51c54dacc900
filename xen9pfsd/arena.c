/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * arena.c - see arena.h.
 */
#include "xen9pfsd/arena.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "x9pfsd\r\n";

static int refuse(const char *why, char *err, size_t errlen)
{
	snprintf(err, errlen, "its memory %s", why);
	return -EUCLEAN;
}

static int check_head(const struct arena *arena, char *err, size_t errlen)
{
	if (memcmp(arena->magic, magic, sizeof(magic)) != 0)
		return refuse("is not an arena", err, errlen);
	if (arena->layout != ARENA_LAYOUT || arena->session_layout != SAVED_LAYOUT ||
	    arena->size != sizeof(*arena))
		return refuse("has the layout of another version", err, errlen);
	if (arena->phase >= ARENA_PHASES || arena->rings > CONTROL_RINGS_MAX)
		return refuse("is damaged", err, errlen);
	/* Whoever was to fill it may have died while it mapped the rings. */
	for (uint32_t i = 0; i < arena->rings && arena->phase != ARENA_EMPTY; i++) {
		if (arena->ring[i].order < RING_ORDER_MIN || arena->ring[i].order > RING_ORDER_MAX)
			return refuse("is damaged", err, errlen);
	}
	return 0;
}

/* A file that was never mapped is all zeros. */
static void write_head(struct arena *arena)
{
	arena->layout = ARENA_LAYOUT;
	arena->session_layout = SAVED_LAYOUT;
	arena->size = sizeof(*arena);
	memcpy(arena->magic, magic, sizeof(magic));
}

/* `*fresh`: nobody ever wrote to it. */
static int measure(int fd, bool *fresh, char *err, size_t errlen)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || (st.st_size == 0 && ftruncate(fd, sizeof(struct arena)) < 0)) {
		int result = -errno;

		snprintf(err, errlen, "its memory: %s", strerror(-result));
		return result;
	}
	*fresh = st.st_size == 0;
	if (!*fresh && st.st_size != sizeof(struct arena))
		return refuse("has the layout of another version", err, errlen);
	return 0;
}

int arena_map(int fd, struct arena **arena, char *err, size_t errlen)
{
	struct arena *a;
	bool fresh = false;
	int ret = measure(fd, &fresh, err, errlen);

	if (ret < 0)
		return ret;
	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (a == MAP_FAILED) {
		ret = -errno;
		snprintf(err, errlen, "its memory: %s", strerror(-ret));
		return ret;
	}
	/* Killed before the magic was there, a predecessor has done nothing. */
	if (fresh || a->magic[0] == '\0')
		write_head(a);
	ret = check_head(a, err, errlen);
	if (ret < 0)
		arena_unmap(a);
	else
		*arena = a;
	return ret;
}

void arena_unmap(struct arena *arena)
{
	if (arena != NULL)
		munmap(arena, sizeof(*arena));
}

int arena_check(int fd, char *err, size_t errlen)
{
	struct arena *arena;
	int ret = arena_map(fd, &arena, err, errlen);

	if (ret == 0)
		arena_unmap(arena);
	return ret;
}
