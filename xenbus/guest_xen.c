/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * guest_xen.c - the guest seam on libxengnttab (its half "gntshr") and libxenevtchn. The kernel
 * hands out 1024 pages unless /sys/module/xen_gntalloc/parameters/limit says more: one too few for
 * two rings of order 9.
 */
#include "config.h"

#include "xenbus/guest.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "common/util.h"

/* With a descriptor of its own, so that it can be waited for alone. */
struct guest_xen_port {
	xenevtchn_handle *evtchn;
	uint32_t port;
	LIST_ENTRY(guest_xen_port) entry;
};

struct guest_xen {
	struct guest guest;
	xengntshr_handle *gntshr;
	LIST_HEAD(, guest_xen_port) ports;
};

static struct guest_xen *xen_of(struct guest *guest)
{
	return container_of(guest, struct guest_xen, guest);
}

/* ---- pages ---- */

static void *guest_xen_share(struct guest *guest, uint32_t to, size_t count, uint32_t *refs)
{
	if (count == 0 || count > INT_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return xengntshr_share_pages(xen_of(guest)->gntshr, to, (int)count, refs, 1);
}

static unsigned guest_xen_unshare(struct guest *guest, void *pages, size_t count,
				  const uint32_t *refs)
{
	(void)refs;
	xengntshr_unshare(xen_of(guest)->gntshr, pages, (uint32_t)count);
	return 0;
}

/* ---- event channels ---- */

static struct guest_xen_port *find_port(struct guest *guest, uint32_t number)
{
	struct guest_xen_port *port;

	LIST_FOREACH (port, &xen_of(guest)->ports, entry) {
		if (port->port == number)
			return port;
	}
	return NULL;
}

static int guest_xen_port_alloc(struct guest *guest, uint32_t to)
{
	struct guest_xen_port *port = calloc(1, sizeof(*port));
	int number = -1;

	if (port == NULL)
		return -ENOMEM;
	port->evtchn = xenevtchn_open(NULL, 0);
	if (port->evtchn != NULL)
		number = xenevtchn_bind_unbound_port(port->evtchn, to);
	if (number < 0) {
		int result = -errno;

		xenevtchn_close(port->evtchn);
		free(port);
		return result;
	}
	port->port = (uint32_t)number;
	LIST_INSERT_HEAD(&xen_of(guest)->ports, port, entry);
	return number;
}

static void free_port(struct guest_xen_port *port)
{
	LIST_REMOVE(port, entry);
	xenevtchn_close(port->evtchn);
	free(port);
}

static int guest_xen_port_free(struct guest *guest, uint32_t number)
{
	struct guest_xen_port *port = find_port(guest, number);

	if (port == NULL)
		return -EBADF;
	free_port(port);
	return 0;
}

static int guest_xen_port_notify(struct guest *guest, uint32_t number)
{
	const struct guest_xen_port *port = find_port(guest, number);

	if (port == NULL)
		return -EBADF;
	return xenevtchn_notify(port->evtchn, number) < 0 ? -errno : 0;
}

static int guest_xen_port_fd(struct guest *guest, uint32_t number)
{
	const struct guest_xen_port *port = find_port(guest, number);

	return port == NULL ? -EBADF : xenevtchn_fd(port->evtchn);
}

static uint64_t guest_xen_port_take(struct guest *guest, uint32_t number)
{
	const struct guest_xen_port *port = find_port(guest, number);
	struct pollfd fd = {.events = POLLIN};

	if (port == NULL)
		return 0;
	fd.fd = xenevtchn_fd(port->evtchn);
	/* The library's read blocks when there is nothing. */
	if (poll(&fd, 1, 0) <= 0 || xenevtchn_pending(port->evtchn) < 0)
		return 0;
	xenevtchn_unmask(port->evtchn, number);
	return 1;
}

static void guest_xen_close(struct guest *guest)
{
	struct guest_xen *xen = xen_of(guest);

	while (!LIST_EMPTY(&xen->ports))
		free_port(LIST_FIRST(&xen->ports));
	xengntshr_close(xen->gntshr);
	free(xen);
}

static const struct guest_ops guest_xen_ops = {
	.close = guest_xen_close,
	.share = guest_xen_share,
	.unshare = guest_xen_unshare,
	.port_alloc = guest_xen_port_alloc,
	.port_free = guest_xen_port_free,
	.port_notify = guest_xen_port_notify,
	.port_fd = guest_xen_port_fd,
	.port_take = guest_xen_port_take,
};

int guest_xen_open(const char *address, struct guest **guest, char *err, size_t errlen)
{
	struct guest_xen *xen = calloc(1, sizeof(*xen));

	(void)address;
	if (xen == NULL)
		return -ENOMEM;
	xen->guest.ops = &guest_xen_ops;
	LIST_INIT(&xen->ports);
	xen->gntshr = xengntshr_open(NULL, 0);
	if (xen->gntshr == NULL) {
		int result = -errno;

		snprintf(err, errlen, "/dev/xen/gntalloc: %s", strerror(-result));
		free(xen);
		return result;
	}
	*guest = &xen->guest;
	return 0;
}
