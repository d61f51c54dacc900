/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * link_sim.c - the link seam on the simulated bus. Once bound, a port needs no bus any more: a
 * channel is two eventfds, and an epoll set of one-shot entries behaves as /dev/xen/evtchn does
 * (delivered once, then masked until it is armed again), also towards several processes that
 * share its descriptor.
 *
 * There are two connections to the bus: what was bound ends with the one, and goes from process
 * to process with it; what was mapped ends with the other.
 */
#include "xenbus/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "common/util.h"
#include "xenbus/sim_wire.h"

struct mapping {
	LIST_ENTRY(mapping) entry; /* link_sim.mappings */
	void *addr;
	size_t count;
	uint32_t id;
};

struct link_sim {
	struct link link; /* .fd: the epoll set; .bus and .map_fd: the connections */
	struct sim_wire_port ports[SIM_PORTS_MAX]; /* by port */
	LIST_HEAD(, mapping) mappings;
};

static struct link_sim *sim_of(struct link *link)
{
	return container_of(link, struct link_sim, link);
}

static struct sim_wire_port *port_of(struct link *link, uint32_t number)
{
	return sim_wire_port(sim_of(link)->ports, number);
}

static int numbered_call(int bus, enum sim_op op, uint32_t number)
{
	struct sim_call call = {.request = {.op = op, .number = number}};

	return sim_wire_call(bus, &call);
}

static int link_sim_restrict(struct link *link, uint32_t domid)
{
	struct sim_call call = {.request = {.op = SIM_RESTRICT, .domid = domid}};

	return sim_wire_call(link->bus, &call);
}

static int arm(struct link *link, int op, uint32_t port)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = port};

	return epoll_ctl(link->fd, op, port_of(link, port)->wait, &event) < 0 ? -errno : 0;
}

static int link_sim_bind(struct link *link, uint32_t domid, uint32_t remote_port,
			 struct link_saved_port *saved)
{
	int fds[SIM_FDS_MAX];
	struct sim_call call = {
		.request = {.op = SIM_BIND, .domid = domid, .number = remote_port},
		.fds = fds,
		.nfds = SIM_FDS_MAX,
	};
	uint32_t port;
	int result;

	result = sim_wire_call(link->bus, &call);
	if (result < 0)
		return result;
	port = (uint32_t)result % SIM_PORTS_MAX;
	sim_of(link)->ports[port] = (struct sim_wire_port){.wait = fds[0], .notify = fds[1]};

	/* The new port is pending: what the guest sent before, or this. */
	result = eventfd_write(fds[0], 1) < 0 && errno != EAGAIN ? -errno
								 : arm(link, EPOLL_CTL_ADD, port);
	if (result < 0) {
		sim_wire_port_close(port_of(link, port));
		numbered_call(link->bus, SIM_UNBIND, port);
		return result;
	}
	saved->wait = fds[0];
	saved->notify = fds[1];
	return (int)port;
}

static int link_sim_unbind(struct link *link, uint32_t number)
{
	struct sim_wire_port *port = port_of(link, number);

	if (port == NULL)
		return -EINVAL;
	epoll_ctl(link->fd, EPOLL_CTL_DEL, port->wait, NULL);
	sim_wire_port_close(port);
	return numbered_call(link->bus, SIM_UNBIND, number);
}

static int link_sim_notify(struct link *link, uint32_t number)
{
	const struct sim_wire_port *port = port_of(link, number);

	if (port == NULL)
		return -ENOTCONN;
	return sim_wire_port_notify(port);
}

static int link_sim_pending(struct link *link)
{
	const struct sim_wire_port *port;
	struct epoll_event event;
	eventfd_t ignored;
	int count;

	do {
		count = epoll_wait(link->fd, &event, 1, 0);
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;
	port = count == 0 ? NULL : port_of(link, event.data.u32);
	/* No port: bound by a predecessor that was killed before it could say so. */
	if (port == NULL)
		return -EAGAIN;
	eventfd_read(port->wait, &ignored);
	return (int)event.data.u32;
}

static int link_sim_unmask(struct link *link, uint32_t port)
{
	return port_of(link, port) == NULL ? -EINVAL : arm(link, EPOLL_CTL_MOD, port);
}

/* Maps the pages of `memory` at `addr`, where address space is reserved, in runs of neighbours. */
static int map_runs(char *addr, const uint32_t *pages, size_t count, int memory)
{
	for (size_t at = 0, run; at < count; at += run) {
		for (run = 1; at + run < count && pages[at + run] == pages[at] + run;)
			run++;
		if (mmap(addr + at * SIM_PAGE_SIZE, run * SIM_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, memory,
			 (off_t)pages[at] * SIM_PAGE_SIZE) == MAP_FAILED)
			return -errno;
	}
	/* As mappings of grants are: a child of fork() has none. */
	return madvise(addr, count * SIM_PAGE_SIZE, MADV_DONTFORK) < 0 ? -errno : 0;
}

static int map_pages(struct mapping *mapping, const uint32_t *pages, int memory)
{
	size_t size = mapping->count * SIM_PAGE_SIZE;
	void *addr = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int result;

	if (addr == MAP_FAILED)
		return -errno;
	result = map_runs(addr, pages, mapping->count, memory);
	if (result < 0)
		munmap(addr, size);
	else
		mapping->addr = addr;
	return result;
}

/* Asks the bus for the pages behind `refs`; returns the number of the mapping. */
static int ask_pages(struct link *link, uint32_t domid, const uint32_t *refs, size_t count,
		     uint32_t *pages, int *memory)
{
	struct sim_call call = {
		.request = {.op = SIM_MAP, .domid = domid},
		.data = refs,
		.length = count * sizeof(*refs),
		.answer = pages,
		.room = count * sizeof(*pages),
		.fds = memory,
		.nfds = 1,
	};

	return sim_wire_call(link->map_fd, &call);
}

static int map_mapping(struct link *link, uint32_t domid, const uint32_t *refs,
		       struct mapping *mapping)
{
	uint32_t pages[SIM_MAP_MAX];
	_cleanup_close_ int memory = -1;
	int id, result;

	id = ask_pages(link, domid, refs, mapping->count, pages, &memory);
	if (id < 0)
		return id;
	mapping->id = (uint32_t)id;
	result = map_pages(mapping, pages, memory);
	if (result < 0)
		numbered_call(link->map_fd, SIM_UNMAP, mapping->id);
	return result;
}

static void *link_sim_map(struct link *link, uint32_t domid, const uint32_t *refs, size_t count)
{
	struct mapping *mapping;
	int result;

	if (count == 0 || count > SIM_MAP_MAX) {
		errno = EINVAL;
		return NULL;
	}
	mapping = calloc(1, sizeof(*mapping));
	if (mapping == NULL)
		return NULL;
	mapping->count = count;
	result = map_mapping(link, domid, refs, mapping);
	if (result < 0) {
		free(mapping);
		errno = -result;
		return NULL;
	}
	LIST_INSERT_HEAD(&sim_of(link)->mappings, mapping, entry);
	return mapping->addr;
}

static void forget_mapping(struct mapping *mapping)
{
	LIST_REMOVE(mapping, entry);
	free(mapping);
}

static int link_sim_unmap(struct link *link, void *addr, size_t count)
{
	struct mapping *mapping;
	uint32_t id;
	int ret;

	LIST_FOREACH (mapping, &sim_of(link)->mappings, entry) {
		if (mapping->addr == addr && mapping->count == count)
			break;
	}
	if (mapping == NULL)
		return -EINVAL;
	ret = link_vacate(addr, count * SIM_PAGE_SIZE);
	if (ret < 0)
		return ret;
	id = mapping->id;
	forget_mapping(mapping);
	return numbered_call(link->map_fd, SIM_UNMAP, id);
}

static void link_sim_close(struct link *link)
{
	struct link_sim *sim = sim_of(link);

	while (!LIST_EMPTY(&sim->mappings)) {
		struct mapping *mapping = LIST_FIRST(&sim->mappings);

		munmap(mapping->addr, mapping->count * SIM_PAGE_SIZE);
		forget_mapping(mapping);
	}
	if (!link->adopted) {
		sim_wire_ports_close(sim->ports);
		close(link->fd);
		close(link->bus);
	}
	close(link->map_fd);
	free(sim);
}

static const struct link_ops link_sim_ops = {
	.close = link_sim_close,
	.restrict_to = link_sim_restrict,
	.bind = link_sim_bind,
	.unbind = link_sim_unbind,
	.notify = link_sim_notify,
	.pending = link_sim_pending,
	.unmask = link_sim_unmask,
	.map = link_sim_map,
	.unmap = link_sim_unmap,
};

static int adopt_ports(struct link_sim *sim, const struct link_saved *adopted, char *err,
		       size_t errlen)
{
	unsigned bad = adopted->bus < 0;

	for (uint32_t i = 0; i < adopted->ports; i++) {
		const struct link_saved_port *port = &adopted->port[i];

		bad += port->port >= SIM_PORTS_MAX || port->wait < 0 || port->notify < 0;
		sim->ports[port->port % SIM_PORTS_MAX] =
			(struct sim_wire_port){.wait = port->wait, .notify = port->notify};
	}
	if (bad > 0) {
		snprintf(err, errlen, "no record of event channels of a simulated bus");
		return -EINVAL;
	}
	sim->link.fd = adopted->evtchn;
	sim->link.bus = adopted->bus;
	return 0;
}

static int open_ports(struct link_sim *sim, const char *address, char *err, size_t errlen)
{
	_cleanup_close_ int bus = -1;
	uint32_t domid;

	bus = sim_wire_open(address, &domid, err, errlen);
	if (bus < 0)
		return bus;
	sim->link.fd = epoll_create1(EPOLL_CLOEXEC);
	if (sim->link.fd < 0) {
		int result = -errno;

		snprintf(err, errlen, "simulated bus in \"%s\": %s", address, strerror(-result));
		return result;
	}
	sim->link.bus = take_fd(&bus);
	return 0;
}

int link_sim_open(const char *address, const struct link_saved *adopted, struct link **link,
		  char *err, size_t errlen)
{
	_cleanup_free_ struct link_sim *sim = calloc(1, sizeof(*sim));
	_cleanup_close_ int map_fd = -1;
	uint32_t domid;
	int result;

	if (sim == NULL)
		return -ENOMEM;
	map_fd = sim_wire_open(address, &domid, err, errlen);
	if (map_fd < 0)
		return map_fd;
	sim->link.ops = &link_sim_ops;
	LIST_INIT(&sim->mappings);
	sim_wire_ports_init(sim->ports);
	result = adopted != NULL ? adopt_ports(sim, adopted, err, errlen)
				 : open_ports(sim, address, err, errlen);
	if (result < 0)
		return result;
	sim->link.map_fd = take_fd(&map_fd);
	*link = &sim->link;
	sim = NULL;
	return 0;
}
