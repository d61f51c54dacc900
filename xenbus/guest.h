/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * guest.h - seam 3, below front.h: what the hypervisor gives a guest: pages that another domain may
 * map, and event channels to offer. For tests and tools.
 *
 * Two versions, chosen by the bus name as in store.h: "sim:DIR@DOMID" (a simulated domain, which
 * lives as long as it is open; guest_sim.c) and "xen" (this very domain, through
 * /dev/xen/gntalloc and /dev/xen/evtchn, of which only what was offered here ends; guest_xen.c).
 *
 * Results are 0, a port, or -errno. One thread at a time offers and withdraws; a port may belong
 * to a thread of its own.
 */
#ifndef XENBUS_GUEST_H
#define XENBUS_GUEST_H

#include <stddef.h>
#include <stdint.h>

struct guest;

/* An open guest for guest_close(), or -errno and a text. */
int guest_open(const char *bus, struct guest **guest, char *err, size_t errlen);

/* All that was offered ends at once, whoever uses it; on real Xen pages do so with the process, or
 * by guest_unshare(). Takes NULL. */
void guest_close(struct guest *guest);

/* As stores of this guest are opened. */
const char *guest_bus(const struct guest *guest);

/* `count` neighbouring pages, zeroed, each of them granted to domain `to`, read-write; NULL and
 * errno. Refs are never 0. */
void *guest_share(struct guest *guest, uint32_t to, size_t count, uint32_t *refs);

/* Ends the grants of guest_share(), by the same address, count and refs. Pages that somebody has
 * mapped are never used again: returns how many (0 on real Xen, where the kernel keeps them without
 * a word). */
unsigned guest_unshare(struct guest *guest, void *pages, size_t count, const uint32_t *refs);

/* A new channel that domain `to` may bind once; returns the own port. */
int guest_port_alloc(struct guest *guest, uint32_t to);
int guest_port_free(struct guest *guest, uint32_t port);
int guest_port_notify(struct guest *guest, uint32_t port);

/* For poll(2); then take the events of one port: how many there were since the last call, as far
 * as can be told (on real Xen: 0 or 1). -EBADF: no such port. */
int guest_port_fd(struct guest *guest, uint32_t port);
uint64_t guest_port_take(struct guest *guest, uint32_t port);

/* What a version of the seam fills in; same contract. For guest_*.c only. */
struct guest_ops {
	void (*close)(struct guest *guest);
	void *(*share)(struct guest *guest, uint32_t to, size_t count, uint32_t *refs);
	unsigned (*unshare)(struct guest *guest, void *pages, size_t count, const uint32_t *refs);
	int (*port_alloc)(struct guest *guest, uint32_t to);
	int (*port_free)(struct guest *guest, uint32_t port);
	int (*port_notify)(struct guest *guest, uint32_t port);
	int (*port_fd)(struct guest *guest, uint32_t port);
	uint64_t (*port_take)(struct guest *guest, uint32_t port);
};

struct guest {
	const struct guest_ops *ops;
	char bus[300];
};

/* `address` is what stands behind the name in the name of the bus. */
int guest_sim_open(const char *address, struct guest **guest, char *err, size_t errlen);
int guest_xen_open(const char *address, struct guest **guest, char *err, size_t errlen);

#endif
