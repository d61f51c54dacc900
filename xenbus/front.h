/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * front.h - the guest's half of a device, step by step as Linux does it (net/9p/trans_xen.c of 6.3
 * and later): rings in pages of the guest's, grants, event channels, the handshake in the store,
 * events. On the simulated bus, or in a guest of real Xen (guest.h).
 *
 * For tests and tools. front_connect() is the whole handshake; the steps it is made of, and all
 * that a guest has in its hands, are open as well, so that a test can go wrong anywhere. Results
 * are 0 or -errno; front->error says in words what went wrong in a handshake. One thread at a
 * time uses a front; of a connected one, each ring may have a thread of its own (front_*_ring()).
 */
#ifndef XENBUS_FRONT_H
#define XENBUS_FRONT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "xenbus/guest.h"
#include "xenbus/nodes.h"
#include "xenbus/ring.h"
#include "xenbus/store.h"

#define FRONT_RINGS_MAX 8
#define FRONT_RINGS 2 /* Linux has this many, always */
#define FRONT_ORDER 9 /* and takes this order, or what is offered */

#define FRONT_TIMEOUT 20000 /* ms, for each step of the backend */

struct front_ring {
	struct ring ring;
	struct ring_saved saved;
	struct ring_page *page;
	uint8_t *data;
	unsigned order;
	/* Of `page`, then of the data, which follow it. Those are in `page`, too, which others
	 * write. */
	uint32_t refs[1 + (1u << RING_ORDER_MAX)];
	uint32_t port;	 /* 0: none */
	bool running;	 /* an event came, replies are being taken */
	uint64_t events; /* taken, ever */
};

struct front {
	struct guest *guest; /* borrowed */
	struct store *store;
	char dir[STORE_PATH_MAX]; /* ours, and the backend's */
	char backend[STORE_PATH_MAX];
	uint32_t backend_id;
	unsigned rings, order; /* wanted, then in use */
	struct front_ring ring[FRONT_RINGS_MAX];
	unsigned next; /* ring to look at first */
	bool lost;     /* the backend closed */
	char error[256];
};

/* Device `devid` of the guest. `rings`, `order`: 0 for what Linux does; else exactly so many,
 * and an order of at most that. Nothing is written yet. */
int front_open(struct guest *guest, uint32_t devid, unsigned rings, unsigned order,
	       struct front **front, char *err, size_t errlen);

/* Frees all, says nothing to anybody. Takes NULL. */
void front_free(struct front *front);

/* The whole way to state 4. A device that was used before is reset first. -ECONNREFUSED: the
 * backend closed instead. */
int front_connect(struct front *front);

/* Its steps: what the backend offers, the rings, the keys in one transaction, state 3. */
int front_read_offer(struct front *front);
int front_build(struct front *front);
int front_write_keys(struct front *front);
int front_set_state(struct front *front, enum xenbus_state state);
int front_await(struct front *front, unsigned states, int timeout_ms);

/* Ports, grants and pages are given back; returns what guest_unshare() does. */
unsigned front_teardown(struct front *front);

/* Ends: guest shutdown (5, wait for 5, tear down, 6); rmmod (tear down, 6); what a new kernel
 * does after kexec (5, wait, 6, wait, 1, wait for 2). */
int front_close(struct front *front);
int front_unload(struct front *front);
int front_reset(struct front *front);

/* ---- messages ---- */

/* Puts one whole request and sends its event. -EAGAIN: no room; -ENOTCONN: the backend is gone. */
int front_send(struct front *front, unsigned ring, const void *msg, size_t size);

/* One whole reply of any ring; returns its size. -EAGAIN: none; -EMSGSIZE: larger than `size`;
 * -EPROTO: the backend lied. A ring is looked at only after an event, and one event goes back
 * when it is empty: a backend that forgets an event is found out. */
ssize_t front_recv(struct front *front, void *buf, size_t size);

/* Sleeps until an event comes: 0, -ETIMEDOUT, or -ENOTCONN when the backend closed: then, as
 * Linux does, state 6 has been written. */
int front_wait(struct front *front, int timeout_ms);

/* What front_wait() sleeps on; returns how many there are and fills at most `room`. */
unsigned front_pollfds(const struct front *front, struct pollfd *fds, unsigned room);

int front_notify(struct front *front, unsigned ring);

/* The same for one ring, beside threads that see to the others: front_send(), and these. A backend
 * that has closed is silent here. */
ssize_t front_recv_ring(struct front *front, unsigned ring, void *buf, size_t size);
int front_wait_ring(struct front *front, unsigned ring, int timeout_ms);

#endif
