/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_domain.c - a guest on the simulated bus: memory to offer pages of, channels to offer. Its
 * connection to the bus is its life.
 */
#include "xenbus/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "common/util.h"
#include "xenbus/sim_wire.h"

struct sim_domain {
	int bus;
	void *memory;
	size_t size;
	struct sim_wire_port ports[SIM_PORTS_MAX]; /* by port */
};

static int claim_memory(struct sim_domain *domain, size_t pages)
{
	_cleanup_close_ int memory = -1;
	struct sim_call call = {
		.request = {.op = SIM_CLAIM, .number = (uint32_t)pages}, .fds = &memory, .nfds = 1};
	int result;

	if (pages > UINT32_MAX)
		return -EINVAL;
	result = sim_wire_call(domain->bus, &call);
	if (result < 0)
		return result;
	domain->size = pages * SIM_PAGE_SIZE;
	domain->memory = mmap(NULL, domain->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	return domain->memory == MAP_FAILED ? -errno : 0;
}

int sim_domain_open(const char *dir, uint32_t domid, size_t pages, struct sim_domain **domain,
		    char *err, size_t errlen)
{
	struct sim_domain *new = calloc(1, sizeof(*new));
	int result;

	if (new == NULL) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	new->memory = MAP_FAILED;
	sim_wire_ports_init(new->ports);
	new->bus = result = sim_wire_connect(dir, domid, err, errlen);
	if (result >= 0) {
		result = claim_memory(new, pages);
		if (result < 0)
			snprintf(err, errlen, "simulated bus in \"%s\": domain %u: %s", dir, domid,
				 strerror(-result));
	}
	if (result < 0)
		sim_domain_close(new);
	else
		*domain = new;
	return result;
}

void sim_domain_close(struct sim_domain *domain)
{
	if (domain == NULL)
		return;
	sim_wire_ports_close(domain->ports);
	if (domain->memory != MAP_FAILED)
		munmap(domain->memory, domain->size);
	cleanup_close(&domain->bus);
	free(domain);
}

void *sim_domain_memory(struct sim_domain *domain)
{
	return domain->memory;
}

int sim_grant(struct sim_domain *domain, size_t page, uint32_t to)
{
	struct sim_call call = {
		.request = {.op = SIM_GRANT, .domid = to, .number = (uint32_t)page}};

	return page > UINT32_MAX ? -EINVAL : sim_wire_call(domain->bus, &call);
}

int sim_ungrant(struct sim_domain *domain, uint32_t ref)
{
	struct sim_call call = {.request = {.op = SIM_UNGRANT, .number = ref}};

	return sim_wire_call(domain->bus, &call);
}

int sim_port_alloc(struct sim_domain *domain, uint32_t to)
{
	int fds[SIM_FDS_MAX];
	struct sim_call call = {
		.request = {.op = SIM_PORT_ALLOC, .domid = to}, .fds = fds, .nfds = SIM_FDS_MAX};
	int port;

	port = sim_wire_call(domain->bus, &call);
	if (port >= 0)
		domain->ports[port % SIM_PORTS_MAX] = (struct sim_wire_port){fds[0], fds[1]};
	return port;
}

int sim_port_free(struct sim_domain *domain, uint32_t number)
{
	struct sim_call call = {.request = {.op = SIM_PORT_FREE, .number = number}};
	struct sim_wire_port *port = sim_wire_port(domain->ports, number);

	if (port == NULL)
		return -EBADF;
	sim_wire_port_close(port);
	return sim_wire_call(domain->bus, &call);
}

int sim_port_notify(struct sim_domain *domain, uint32_t number)
{
	const struct sim_wire_port *port = sim_wire_port(domain->ports, number);

	if (port == NULL)
		return -EBADF;
	return sim_wire_port_notify(port);
}

int sim_port_fd(struct sim_domain *domain, uint32_t number)
{
	const struct sim_wire_port *port = sim_wire_port(domain->ports, number);

	return port == NULL ? -EBADF : port->wait;
}

uint64_t sim_port_take(struct sim_domain *domain, uint32_t number)
{
	const struct sim_wire_port *port = sim_wire_port(domain->ports, number);
	eventfd_t events;

	return port != NULL && eventfd_read(port->wait, &events) == 0 ? events : 0;
}

int sim_usage(const char *dir, uint32_t domid, struct sim_usage *usage)
{
	struct sim_call call = {.request = {.op = SIM_USAGE, .domid = domid},
				.answer = usage,
				.room = sizeof(*usage)};
	_cleanup_close_ int fd = -1;
	char err[256];

	fd = sim_wire_connect(dir, 0, err, sizeof(err));
	return fd < 0 ? fd : sim_wire_call(fd, &call);
}
