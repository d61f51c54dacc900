/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * arena.h - the file in memory that holds everything a share's process would take with it when it
 * dies: the device's half and the session (proto/saved.h). A successor maps it and goes on.
 *
 * Its layout is an interface between versions of this program: one that knows another layout
 * refuses, and the old one goes on.
 */
#ifndef XEN9PFSD_ARENA_H
#define XEN9PFSD_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "proto/saved.h"
#include "xen9pfsd/control.h"
#include "xenbus/link.h"
#include "xenbus/ring.h"

#define ARENA_LAYOUT                                                                               \
	2 /* changes with anything below, or in link.h and ring.h that stands below                \
	   */

enum arena_phase {
	ARENA_EMPTY,	 /* not connected yet: whatever stands here is nobody's */
	ARENA_SERVING,	 /* a session */
	ARENA_RESTORING, /* the same, but its descriptors are lost and being opened anew */
	ARENA_PHASES,
};

struct arena_ring {
	uint32_t port; /* local event channel */
	uint32_t order;
	uint32_t page_ref;
	uint32_t ref[1u << RING_ORDER_MAX];
	struct ring_saved own;
};

struct arena {
	char magic[8];
	uint32_t layout, session_layout;
	uint64_t size;
	uint32_t phase; /* enum arena_phase; stored after what it vouches for */
	uint32_t rings;
	uint64_t root_dev, root_ino; /* of the export */
	uint32_t missing;	     /* walls (enum sandbox_wall) whose lack the log has told of */
	struct link_saved link;
	struct arena_ring ring[CONTROL_RINGS_MAX];
	struct saved session;
};

/* Maps the arena of `fd` (borrowed), which may be empty. -EUCLEAN: another layout, or not one of
 * ours, or its device's half is impossible; a text in `err`. */
int arena_map(int fd, struct arena **arena, char *err, size_t errlen);
void arena_unmap(struct arena *arena); /* takes NULL */

/* Would arena_map() succeed? 0 or -errno, with a text. */
int arena_check(int fd, char *err, size_t errlen);

#endif
