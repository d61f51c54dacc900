/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_broker.h - the simulated hypervisor's part of the bus: who offers which pages and channels
 * to whom, and who holds them. Knows nothing of sockets. Results are 0 or more, or -errno.
 *
 * Descriptors that are handed out stay the broker's: pass them on, do not close them.
 */
#ifndef XENBUS_SIM_BROKER_H
#define XENBUS_SIM_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "xenbus/sim.h"
#include "xenbus/sim_wire.h"

struct sim_memory;
struct sim_channel;
struct sim_mapping;
LIST_HEAD(sim_memories, sim_memory);

struct sim_broker {
	struct sim_memories memories;
};

/* Who asks; its end gives back all that it holds. The owner of this struct fills in domid. */
struct sim_peer {
	uint32_t domid;
	struct sim_memory *memory; /* if it is the domain itself */
	bool restricted;
	uint32_t restricted_to;
	uint32_t last_mapping;
	struct sim_channel *ports[SIM_PORTS_MAX]; /* bound ones; 0 is no port */
	LIST_HEAD(, sim_mapping) mappings;
};

void sim_broker_init(struct sim_broker *broker);

void sim_peer_init(struct sim_peer *peer);
void sim_peer_destroy(struct sim_peer *peer);

/* For domains. `fds`: an eventfd to wait on and one to notify. */
int sim_peer_claim(struct sim_broker *broker, struct sim_peer *peer, uint32_t pages, int *memory);
int sim_peer_grant(struct sim_peer *peer, uint32_t page, uint32_t to);
int sim_peer_ungrant(struct sim_peer *peer, uint32_t ref);
int sim_peer_port_alloc(struct sim_peer *peer, uint32_t to, int fds[SIM_FDS_MAX]);
int sim_peer_port_free(struct sim_peer *peer, uint32_t port);

/* For backends. `pages` gets the page number of each ref in the domain's memory. */
int sim_peer_restrict(struct sim_peer *peer, uint32_t domid);
int sim_peer_bind(struct sim_broker *broker, struct sim_peer *peer, uint32_t domid, uint32_t port,
		  int fds[SIM_FDS_MAX]);
int sim_peer_unbind(struct sim_peer *peer, uint32_t port);
int sim_peer_map(struct sim_broker *broker, struct sim_peer *peer, uint32_t domid,
		 const uint32_t *refs, size_t count, uint32_t *pages, int *memory);
int sim_peer_unmap(struct sim_peer *peer, uint32_t mapping);

/* All but the nodes of the store. */
void sim_broker_usage(const struct sim_broker *broker, uint32_t domid, struct sim_usage *usage);

#endif
