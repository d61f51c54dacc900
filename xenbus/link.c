/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * link.c - see link.h: picks the version of the seam by the name of the bus and forwards to it.
 */
#include "config.h"

#include "xenbus/link.h"

#include <stdio.h>

#include "common/util.h"
#include "xenbus/bus.h"

static const struct {
	const char *name;
	int (*open)(const char *address, struct link **link, char *err, size_t errlen);
} versions[] = {
#ifdef HAVE_LIBXEN
	{"xen", link_xen_open},
#endif
	{"sim:", link_sim_open},
};

int link_open(const char *bus, struct link **link, char *err, size_t errlen)
{
	const char *address;

	/* The one failure that a version may leave unexplained. */
	snprintf(err, errlen, "out of memory");
	for (size_t i = 0; i < countof(versions); i++) {
		if (bus_is(bus, versions[i].name, &address))
			return versions[i].open(address, link, err, errlen);
	}
	return bus_unknown(bus, err, errlen);
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
	return link->ops->bind(link, domid, remote_port);
}

int link_unbind(struct link *link, uint32_t port)
{
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

int link_unmap(struct link *link, void *addr, size_t count)
{
	return link->ops->unmap(link, addr, count);
}
