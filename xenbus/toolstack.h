/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * toolstack.h - what libxl does with a domain's and a 9pfs device's nodes in the store, for tests
 * and tools that play the toolstack. The store has to be domain 0's. Results are 0 or -errno.
 */
#ifndef XENBUS_TOOLSTACK_H
#define XENBUS_TOOLSTACK_H

#include <stdint.h>

#include "xenbus/nodes.h"

#define TOOLSTACK_TIMEOUT 10000 /* ms: LIBXL_INIT_TIMEOUT, LIBXL_DESTROY_TIMEOUT */
#define TOOLSTACK_GRACE 2000	/* ms: LIBXL_QEMU_BODGE_TIMEOUT */

/* The kinds of backend, and names of their directories: xl's type=qemu and type=xen_9pfsd. */
#define TOOLSTACK_QEMU "9pfs"
#define TOOLSTACK_9PFSD "xen_9pfs"

struct toolstack_device {
	uint32_t domid, devid;
	uint32_t backend; /* domain id */
	const char *kind;
	const char *path, *tag, *security_model;
	uint32_t max_space, max_files, max_open_files, auto_delete; /* kind xen_9pfs only */
};

/* The home of a domain, which it can read and whose "device" directories it gets. What is there
 * stays, so a domain that xl made is none the worse for it. */
int toolstack_add_domain(struct store *store, uint32_t domid, const char *name);
int toolstack_remove_domain(struct store *store, uint32_t domid);

/* Writes all nodes of a device in one transaction; what stood there before goes. */
int toolstack_attach(struct store *store, const struct toolstack_device *device);

/* Waits for the backend as libxl does for kind xen_9pfs: for state 2, exactly. */
int toolstack_await_backend(struct store *store, const struct toolstack_device *device);

enum toolstack_removal {
	TOOLSTACK_REMOVE,  /* unplug: online = 0 and state 5, wait for 6 */
	TOOLSTACK_DESTROY, /* the same, but the frontend's directory goes at once */
	TOOLSTACK_CUT,	   /* kind 9pfs of a dying guest: no word for two seconds, then 6 */
};

/* Removes a device that toolstack_attach() made, wherever its backend is. -ETIMEDOUT: the backend
 * did not answer; the nodes are gone all the same. -ENOENT: no such device. */
int toolstack_detach(struct store *store, uint32_t domid, uint32_t devid,
		     enum toolstack_removal how);

/* Where the backend's nodes of a device are, from libxl's own records. */
int toolstack_backend(struct store *store, uint32_t domid, uint32_t devid,
		      char backend[STORE_PATH_MAX]);

#endif
