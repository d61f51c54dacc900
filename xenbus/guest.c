/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * guest.c - see guest.h: picks the version of the seam by the name of the bus and forwards to it.
 */
#include "config.h"

#include "xenbus/guest.h"

#include <stdio.h>

#include "common/util.h"
#include "xenbus/bus.h"

static const struct {
	const char *name;
	int (*open)(const char *address, struct guest **guest, char *err, size_t errlen);
} versions[] = {
#ifdef HAVE_LIBXEN
	{"xen", guest_xen_open},
#endif
	{"sim:", guest_sim_open},
};

int guest_open(const char *bus, struct guest **guest, char *err, size_t errlen)
{
	const char *address;

	/* The one failure that a version may leave unexplained. */
	snprintf(err, errlen, "out of memory");
	for (size_t i = 0; i < countof(versions); i++) {
		int result;

		if (!bus_is(bus, versions[i].name, &address))
			continue;
		result = versions[i].open(address, guest, err, errlen);
		if (result == 0)
			snprintf((*guest)->bus, sizeof((*guest)->bus), "%s", bus);
		return result;
	}
	return bus_unknown(bus, err, errlen);
}

void guest_close(struct guest *guest)
{
	if (guest != NULL)
		guest->ops->close(guest);
}

const char *guest_bus(const struct guest *guest)
{
	return guest->bus;
}

void *guest_share(struct guest *guest, uint32_t to, size_t count, uint32_t *refs)
{
	return guest->ops->share(guest, to, count, refs);
}

unsigned guest_unshare(struct guest *guest, void *pages, size_t count, const uint32_t *refs)
{
	return guest->ops->unshare(guest, pages, count, refs);
}

int guest_port_alloc(struct guest *guest, uint32_t to)
{
	return guest->ops->port_alloc(guest, to);
}

int guest_port_free(struct guest *guest, uint32_t port)
{
	return guest->ops->port_free(guest, port);
}

int guest_port_notify(struct guest *guest, uint32_t port)
{
	return guest->ops->port_notify(guest, port);
}

int guest_port_fd(struct guest *guest, uint32_t port)
{
	return guest->ops->port_fd(guest, port);
}

uint64_t guest_port_take(struct guest *guest, uint32_t port)
{
	return guest->ops->port_take(guest, port);
}
