/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend_nodes.h - what a backend reads and writes in the store. For backend.c only.
 *
 * Functions return 0 or -errno; -EBUSY: somebody else has written our state, and the event is on
 * its way. What is wrong with a node is said in the log, once.
 */
#ifndef XEN9PFSD_BACKEND_NODES_H
#define XEN9PFSD_BACKEND_NODES_H

#include "xen9pfsd/backend.h"

/* A fault in what stands in the store: logged once, however often it is met. -EINVAL. */
int backend_complain(struct backend *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Our directory; the frontend's state and the token of the watch on it. */
void backend_dir(const struct backend *b, char dir[STORE_PATH_MAX]);
void backend_watch_names(const struct backend *b, char path[STORE_PATH_MAX],
			 char token[STORE_PATH_MAX]);

/* Reads the frontend's keys into `start`; `quiet` says nothing about what is wrong. */
int backend_read_front(struct backend *b, struct control_start *start, bool quiet);

/* Reads how the device is to be exported, and as `path` what the toolstack calls it. */
int backend_read_export(struct backend *b, char path[STORE_VALUE_MAX]);

/* The security model and the limits of space and files, into `start`. */
int backend_read_model(struct backend *b);
int backend_read_limits(struct backend *b);

/* Checks the device, opens its export (-EBUSY until the storage has answered), writes versions,
 * limits, who serves it, and state 2 over `seen`. */
int backend_publish(struct backend *b, enum xenbus_state seen);

/* With our state at `own`: has a backend claimed the device? */
bool backend_is_claimed(const struct backend *b, enum xenbus_state own);

/* If one has: was it another one? No, when the store does not tell any more. To be asked before the
 * state is read: a device that goes in between is not another's. */
bool backend_bears_no_mark(const struct backend *b);

/* A state that the toolstack has set further already stays. */
int backend_write_state(struct backend *b, enum xenbus_state seen, enum xenbus_state state);

/* In a driver domain nobody but us can remove the directory, and libxl waits for that. */
int backend_clear(struct backend *b);

#endif
