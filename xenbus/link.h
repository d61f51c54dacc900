/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * link.h - seam 2, used by a share's process: what the hypervisor gives a backend: the guest's
 * granted pages and its event channels.
 *
 * Two versions, chosen by the bus name as in store.h: "xen" (/dev/xen/evtchn, /dev/xen/gntdev
 * through libxenevtchn and libxengnttab; link_xen.c) and "sim:DIR[@DOMID]" (link_sim.c).
 *
 * A process can be killed and replaced under a running guest, if both share one descriptor table.
 * The event channels then stay: their descriptors, named in struct link_saved, are the same ones
 * for all successors, events that come while nobody serves wait in them, and a port that the dead
 * one had taken stays masked. Mappings go with the process, so each has a mapping side of its own;
 * that of a dead process is a descriptor to close, and hinders nobody until then.
 *
 * Results are 0, a port, or -errno. One thread at a time calls link_pending(); link_notify() and
 * link_unmask() may be called from any thread; the others at start and end only.
 */
#ifndef XENBUS_LINK_H
#define XENBUS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

#define LINK_PORTS_MAX 8
#define LINK_FDS_MAX (2 + 2 * LINK_PORTS_MAX)

/* What successors need, in memory that outlives the process. A descriptor stands here as soon as
 * it is open, or it is nobody's. */
struct link_saved {
	int32_t evtchn; /* the descriptor that the ports belong to */
	int32_t bus;	/* simulated bus: the connection that bound them; or -1 */
	uint32_t ports;
	struct link_saved_port {
		uint32_t port;
		int32_t wait, notify; /* simulated bus: eventfds; or -1 */
	} port[LINK_PORTS_MAX];
};

/* An open link for link_close(), or -errno with a text in `err`. `saved` (borrowed) is written
 * anew, and link_bind() adds to it; NULL: nobody will succeed. */
int link_open(const char *bus, struct link_saved *saved, struct link **link, char *err,
	      size_t errlen);

/* The same with the event channels of a predecessor. Nothing is done to them, also in case of an
 * error. A successor binds no more ports. */
int link_adopt(const char *bus, const struct link_saved *saved, struct link **link, char *err,
	       size_t errlen);

/* Unmasks all ports, adopted or bound anew, and notifies the guest on each: a predecessor may have
 * been killed with a port taken, or before it told the guest of what it put. To be called when all
 * rings are resumed; then each has to be looked at, event or not. */
int link_resume(struct link *link);

/* The descriptors that `saved` names; returns how many there are. */
unsigned link_descriptors(const struct link_saved *saved, int fds[LINK_FDS_MAX]);

/* The descriptor of the mapping side, which no successor needs; -1: there is none. */
int link_map_fd(const struct link *link);

/* Gives back all ports and mappings; a `saved` is void then, and from the first link_unbind() on.
 * Takes NULL. */
void link_close(struct link *link);

/* From now on ports can be bound to domain `domid` only. Before the first bind. -ENOTTY or the
 * like on kernels that cannot: the caller decides. */
int link_restrict(struct link *link, uint32_t domid);

/* Binds the guest's port; returns the local one, which is pending at once. -ENOSPC: more than
 * LINK_PORTS_MAX. */
int link_bind(struct link *link, uint32_t domid, uint32_t remote_port);
int link_unbind(struct link *link, uint32_t port);

/* Tells the guest to look. */
int link_notify(struct link *link, uint32_t port);

/* Readable when a port is pending. */
int link_fd(const struct link *link);

/* Takes one pending port, which stays masked until link_unmask(); -EAGAIN when there is none. What
 * comes while it is masked is pending then. */
int link_pending(struct link *link);
int link_unmask(struct link *link, uint32_t port);

/* Maps `count` granted pages of `domid` read-write, contiguously, in order; all or nothing. NULL
 * and errno. Unmap wants the same address and count. The addresses stay taken: a thread that is in
 * the kernel with them, in storage that does not answer, gets EFAULT there one day, and nobody
 * else's memory. */
void *link_map(struct link *link, uint32_t domid, const uint32_t *refs, size_t count);
int link_unmap(struct link *link, void *addr, size_t count);

/* No more pages are going to be mapped: gives up the means to, where what is mapped stays without
 * them (not on the simulated bus). link_map_fd() is -1 then. */
void link_seal(struct link *link);

/* What a version of the seam fills in; same contract. For link_*.c only. */
struct link_ops {
	void (*close)(struct link *link);
	void (*seal)(struct link *link); /* or NULL */
	int (*restrict_to)(struct link *link, uint32_t domid);
	int (*bind)(struct link *link, uint32_t domid, uint32_t remote_port,
		    struct link_saved_port *saved);
	int (*unbind)(struct link *link, uint32_t port);
	int (*notify)(struct link *link, uint32_t port);
	int (*pending)(struct link *link);
	int (*unmask)(struct link *link, uint32_t port);
	void *(*map)(struct link *link, uint32_t domid, const uint32_t *refs, size_t count);
	int (*unmap)(struct link *link, void *addr, size_t count);
};

/* For unmap: nothing is there any more. 0 or -errno. */
int link_vacate(void *addr, size_t size);

struct link {
	const struct link_ops *ops;
	int fd;
	int bus; /* as in link_saved */
	int map_fd;
	struct link_saved *saved; /* to add to, or NULL */
	struct link_saved ports;  /* adopted or bound */
	bool adopted; /* and not resumed: they are a predecessor's, and not to be closed */
};

/* `address` is what stands behind the name in the name of the bus. `adopted`: NULL, or a
 * predecessor's, of which the numbers that every version has are checked. */
int link_xen_open(const char *address, const struct link_saved *adopted, struct link **link,
		  char *err, size_t errlen);
int link_sim_open(const char *address, const struct link_saved *adopted, struct link **link,
		  char *err, size_t errlen);

#endif
