/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * link.h - seam 2, used by a share's process: what the hypervisor gives a backend: the guest's
 * granted pages and its event channels.
 *
 * Two versions, chosen by the bus name as in store.h: "xen" (/dev/xen/evtchn, /dev/xen/gntdev
 * through libxenevtchn and libxengnttab; link_xen.c) and "sim:DIR[@DOMID]" (link_sim.c).
 *
 * Results are 0, a port, or -errno. One thread at a time calls link_pending(); link_notify() and
 * link_unmask() may be called from any thread; the others at start and end only.
 */
#ifndef XENBUS_LINK_H
#define XENBUS_LINK_H

#include <stddef.h>
#include <stdint.h>

struct link;

/* An open link for link_close(), or -errno with a text in `err`. */
int link_open(const char *bus, struct link **link, char *err, size_t errlen);

/* Gives back all ports and mappings. Takes NULL. */
void link_close(struct link *link);

/* From now on ports can be bound to domain `domid` only. Before the first bind. -ENOTTY or the
 * like on kernels that cannot: the caller decides. */
int link_restrict(struct link *link, uint32_t domid);

/* Binds the guest's port; returns the local one, which is pending at once. */
int link_bind(struct link *link, uint32_t domid, uint32_t remote_port);
int link_unbind(struct link *link, uint32_t port);

/* Tells the guest to look. */
int link_notify(struct link *link, uint32_t port);

/* Readable when a port is pending. */
int link_fd(const struct link *link);

/* Takes one pending port, which stays masked until link_unmask(); -EAGAIN when there is none. */
int link_pending(struct link *link);
int link_unmask(struct link *link, uint32_t port);

/* Maps `count` granted pages of `domid` read-write, contiguously, in order; all or nothing. NULL
 * and errno. Unmap wants the same address and count. */
void *link_map(struct link *link, uint32_t domid, const uint32_t *refs, size_t count);
int link_unmap(struct link *link, void *addr, size_t count);

/* What a version of the seam fills in; same contract. For link_*.c only. */
struct link_ops {
	void (*close)(struct link *link);
	int (*restrict_to)(struct link *link, uint32_t domid);
	int (*bind)(struct link *link, uint32_t domid, uint32_t remote_port);
	int (*unbind)(struct link *link, uint32_t port);
	int (*notify)(struct link *link, uint32_t port);
	int (*pending)(struct link *link);
	int (*unmask)(struct link *link, uint32_t port);
	void *(*map)(struct link *link, uint32_t domid, const uint32_t *refs, size_t count);
	int (*unmap)(struct link *link, void *addr, size_t count);
};

struct link {
	const struct link_ops *ops;
	int fd;
};

/* `address` is what stands behind the name in the name of the bus. */
int link_xen_open(const char *address, struct link **link, char *err, size_t errlen);
int link_sim_open(const char *address, struct link **link, char *err, size_t errlen);

#endif
