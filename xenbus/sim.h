/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim.h - the simulated bus: xenstore, grants and event channels between ordinary processes,
 * without Xen. A peer of the real thing, not a mock: the shipped daemon runs on it unchanged
 * (--bus sim:DIR).
 *
 * One process runs the bus (sim_bus_run()): it keeps the store and brokers grants and channels
 * over the socket DIR/bus (SOCK_SEQPACKET). A domain's memory is a file of pages that the bus
 * passes to those whom a grant allows; an event channel is a pair of eventfds, one for each
 * direction, masked after delivery until it is unmasked, as /dev/xen/evtchn does it. What a
 * process mapped or bound ends with its connection.
 *
 * This header is the guest's half (struct sim_domain) and the bus itself; backends use store.h
 * and link.h.
 */
#ifndef XENBUS_SIM_H
#define XENBUS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs a bus in directory `dir` (which exists) until `stop_fd` is readable. Calls `ready(arg)`
 * once it accepts connections. Returns 0 or -errno, with a text in `err`. */
int sim_bus_run(const char *dir, int stop_fd, void (*ready)(void *arg), void *arg, char *err,
		size_t errlen);

/* What the bus has in hand of one domain, for tests: all 0 after its devices are gone. The bus
 * makes the home of a domain with its node `domid` when the domain first connects. */
struct sim_usage {
	uint32_t mapped_pages;	/* pages of this domain that others have mapped */
	uint32_t bound_ports;	/* channels of this domain with a bound other end */
	uint32_t granted_pages; /* pages this domain offers */
	uint32_t store_nodes;	/* nodes below /local/domain/<domid>, its `domid` apart */
};
int sim_usage(const char *dir, uint32_t domid, struct sim_usage *usage);

/* One simulated domain, connected to the bus as `domid`. */
struct sim_domain;

/* `pages`: size of its memory. An open domain for sim_domain_close(), or -errno and a text.
 * A domid that is connected already is -EBUSY. */
int sim_domain_open(const char *dir, uint32_t domid, size_t pages, struct sim_domain **domain,
		    char *err, size_t errlen);

/* The domain dies: its memory stays with those who mapped it, its channels break; its store
 * nodes are the toolstack's business. Takes NULL. */
void sim_domain_close(struct sim_domain *domain);

/* Address of the first page; the memory is contiguous and zeroed. */
void *sim_domain_memory(struct sim_domain *domain);

/* Offers page number `page` to domain `to`, read-write; returns the grant ref (never 0). Ending
 * a grant that is still mapped is -EBUSY: the page must not be used again. */
int sim_grant(struct sim_domain *domain, size_t page, uint32_t to);
int sim_ungrant(struct sim_domain *domain, uint32_t ref);

/* A new channel that domain `to` may bind once; returns the own port. */
int sim_port_alloc(struct sim_domain *domain, uint32_t to);
int sim_port_free(struct sim_domain *domain, uint32_t port);
int sim_port_notify(struct sim_domain *domain, uint32_t port);

/* For poll(2); then take the events of one port: how many there were since the last call.
 * -EBADF: no such port. */
int sim_port_fd(struct sim_domain *domain, uint32_t port);
uint64_t sim_port_take(struct sim_domain *domain, uint32_t port);

#endif
