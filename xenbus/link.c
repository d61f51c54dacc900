/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * link.c - see link.h: picks the version of the seam by the name of the bus and forwards to it;
 * keeps the record for successors.
 */
#include "config.h"

#include "xenbus/link.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "common/util.h"
#include "xenbus/bus.h"

static const struct {
	const char *name;
	int (*open)(const char *address, const struct link_saved *adopted, struct link **link,
		    char *err, size_t errlen);
} versions[] = {
#ifdef HAVE_LIBXEN
	{"xen", link_xen_open},
#endif
	{"sim:", link_sim_open},
};

static int open_version(const char *bus, const struct link_saved *adopted, struct link **link,
			char *err, size_t errlen)
{
	const char *address;

	/* The one failure that a version may leave unexplained. */
	snprintf(err, errlen, "out of memory");
	for (size_t i = 0; i < countof(versions); i++) {
		if (bus_is(bus, versions[i].name, &address))
			return versions[i].open(address, adopted, link, err, errlen);
	}
	return bus_unknown(bus, err, errlen);
}

int link_open(const char *bus, struct link_saved *saved, struct link **link, char *err,
	      size_t errlen)
{
	int result;

	if (saved != NULL)
		*saved = (struct link_saved){.evtchn = -1, .bus = -1};
	result = open_version(bus, NULL, link, err, errlen);
	if (result < 0 || saved == NULL)
		return result;
	saved->evtchn = (*link)->fd;
	saved->bus = (*link)->bus;
	(*link)->saved = saved;
	return 0;
}

int link_adopt(const char *bus, const struct link_saved *saved, struct link **link, char *err,
	       size_t errlen)
{
	/* Checked where nobody can write any more. */
	const struct link_saved adopted = *saved;
	int result;

	if (adopted.evtchn < 0 || adopted.ports > LINK_PORTS_MAX) {
		snprintf(err, errlen, "no record of event channels: descriptor %d, %u ports",
			 adopted.evtchn, adopted.ports);
		return -EINVAL;
	}
	result = open_version(bus, &adopted, link, err, errlen);
	if (result == 0) {
		(*link)->ports = adopted;
		(*link)->adopted = true;
	}
	return result;
}

int link_resume(struct link *link)
{
	const struct link_saved *own = &link->ports;
	int result = 0;

	link->adopted = false;
	for (uint32_t i = 0; i < own->ports && result == 0; i++)
		result = link_unmask(link, own->port[i].port);
	for (uint32_t i = 0; i < own->ports && result == 0; i++)
		result = link_notify(link, own->port[i].port);
	return result;
}

unsigned link_descriptors(const struct link_saved *saved, int fds[LINK_FDS_MAX])
{
	int all[LINK_FDS_MAX] = {saved->evtchn, saved->bus};
	unsigned count = 0, room = 2;

	for (uint32_t i = 0; i < saved->ports && i < LINK_PORTS_MAX; i++) {
		all[room++] = saved->port[i].wait;
		all[room++] = saved->port[i].notify;
	}
	for (unsigned i = 0; i < room; i++) {
		if (all[i] >= 0)
			fds[count++] = all[i];
	}
	return count;
}

int link_map_fd(const struct link *link)
{
	return link->map_fd;
}

void link_close(struct link *link)
{
	if (link != NULL)
		link->ops->close(link);
}

int link_restrict(struct link *link, uint32_t domid)
{
	return link->ops->restrict_to(link, domid);
}

int link_bind(struct link *link, uint32_t domid, uint32_t remote_port)
{
	struct link_saved_port entry = {.wait = -1, .notify = -1};
	struct link_saved *own = &link->ports, *saved = link->saved;
	int port;

	if (own->ports >= LINK_PORTS_MAX)
		return -ENOSPC;
	port = link->ops->bind(link, domid, remote_port, &entry);
	if (port < 0)
		return port;
	entry.port = (uint32_t)port;
	own->port[own->ports++] = entry;
	if (saved == NULL)
		return port;
	saved->port[saved->ports] = entry;
	/* The entry is whole before it counts. */
	__atomic_store_n(&saved->ports, saved->ports + 1, __ATOMIC_RELEASE);
	return port;
}

int link_unbind(struct link *link, uint32_t port)
{
	struct link_saved *own = &link->ports;

	for (uint32_t i = 0; i < own->ports; i++) {
		if (own->port[i].port == port)
			own->port[i] = own->port[--own->ports];
	}
	return link->ops->unbind(link, port);
}

int link_notify(struct link *link, uint32_t port)
{
	return link->ops->notify(link, port);
}

int link_fd(const struct link *link)
{
	return link->fd;
}

int link_pending(struct link *link)
{
	return link->ops->pending(link);
}

int link_unmask(struct link *link, uint32_t port)
{
	return link->ops->unmask(link, port);
}

void *link_map(struct link *link, uint32_t domid, const uint32_t *refs, size_t count)
{
	return link->ops->map(link, domid, refs, count);
}

int link_vacate(void *addr, size_t size)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	return mmap(addr, size, PROT_NONE, flags, -1, 0) == MAP_FAILED ? -errno : 0;
}

int link_unmap(struct link *link, void *addr, size_t count)
{
	return link->ops->unmap(link, addr, count);
}

void link_seal(struct link *link)
{
	if (link->ops->seal != NULL)
		link->ops->seal(link);
}
