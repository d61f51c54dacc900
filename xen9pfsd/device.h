/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device.h - one connected 9pfs device: its rings on one side, its session on the other.
 *
 * On the loop (runner.h), but for open and close.
 */
#ifndef XEN9PFSD_DEVICE_H
#define XEN9PFSD_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/fs.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/runner.h"

struct device;

/* Binds the ports, maps the rings and begins to serve `fs` (borrowed) on `runner`. `broken` is
 * called on the loop, once, when the guest violates the transport: nothing is taken from its
 * rings any more. 0, or -errno with a text in `err`. */
int device_open(const struct control_start *start, struct fs *fs, struct runner *runner,
		void (*broken)(void *arg, const char *why), void *arg, struct device **device,
		char *err, size_t errlen);

/* Lets go of the guest: unmaps, unbinds, drops the fids. Requests that are with the storage go
 * on; device_idle() tells when the last of them has come back. */
void device_disconnect(struct device *device);
bool device_idle(const struct device *device);

/* Disconnected and idle; takes NULL. */
void device_destroy(struct device *device);

#endif
