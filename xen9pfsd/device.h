/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device.h - one connected 9pfs device: its rings on one side, its session on the other. What
 * outlives the process of it stands in the arena.
 *
 * On the loop (runner.h), but for map, begin, start and destroy.
 */
#ifndef XEN9PFSD_DEVICE_H
#define XEN9PFSD_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/export.h"
#include "fs/fs.h"
#include "xen9pfsd/arena.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/runner.h"

struct device;

/* Maps the rings. In an empty arena: binds the ports and reads the rings' set-up, once and for all;
 * in one that is being restored: binds the ports anew; else with the event channels that are there,
 * doing nothing to them, nor to the rings, which another process may be serving. The arena is
 * borrowed. 0, or -errno with a text in `err`. */
int device_map(const struct control_start *start, struct arena *arena, struct device **device,
	       char *err, size_t errlen);

/* The descriptor that the mapping needs, or -1. */
int device_map_fd(const struct device *device);

/* Takes up the arena's session (which saved_take_up() found whole), or begins it, to serve `fs`
 * (borrowed) on `runner`; from here on the arena is serving. `broken` is called on the loop, once,
 * when the guest violates the transport: nothing is taken from its rings any more. */
int device_begin(struct device *device, struct fs *fs, const struct fs_export *export,
		 struct runner *runner, void (*broken)(void *arg, const char *why), void *arg,
		 char *err, size_t errlen);

/* Serves from now on: what a predecessor left, and whatever is in the rings, event or not. Before
 * runner_run(). */
int device_start(struct device *device);

/* Takes nothing more out of the rings, for good. */
void device_pause(struct device *device);

/* Lets go of the guest: unmaps, unbinds, drops the fids. Requests that are with the storage go
 * on; device_idle() tells when the last of them has come back. */
void device_disconnect(struct device *device);
bool device_idle(const struct device *device);

/* Disconnected and idle, or only mapped; takes NULL. */
void device_destroy(struct device *device);

#endif
