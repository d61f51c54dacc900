/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * link_xen.c - the link seam on libxenevtchn and libxengnttab.
 *
 * link_notify() and link_unmask() are plain system calls below the library and keep no state
 * there, which is why other threads may use them.
 */
#include "config.h"

#include "xenbus/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "common/log.h"
#include "common/util.h"
#include "xenbus/ring.h"

struct link_xen {
	struct link link;
	xenevtchn_handle *evtchn;
	xengnttab_handle *gnttab;
};

/* What the libraries would print on stderr; a guest can cause it at will. */
static void log_message(xentoollog_logger *self, xentoollog_level level, int errnoval,
			const char *context, const char *format, va_list args)
{
	int saved = errno; /* the libraries' callers want to see it */
	char text[256];

	(void)self;
	(void)level;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("%s: %s: %s", context != NULL ? context : "libxen", text,
		  errnoval >= 0 ? strerror(errnoval) : "");
	errno = saved;
}

static struct xentoollog_logger logger = {.vmessage = log_message};

static struct link_xen *xen_of(struct link *link)
{
	return container_of(link, struct link_xen, link);
}

/* The libraries say "port or -1" or "0 or -1". */
static int outcome(int result)
{
	return result < 0 ? -errno : result;
}

static void link_xen_close(struct link *link)
{
	struct link_xen *xen = xen_of(link);

	/* There is no call that frees the handle alone. */
	if (xen->evtchn != NULL && !link->adopted)
		xenevtchn_close(xen->evtchn);
	if (xen->gnttab != NULL)
		xengnttab_close(xen->gnttab);
	free(xen);
}

static int link_xen_restrict(struct link *link, uint32_t domid)
{
	if (domid >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	return outcome(xenevtchn_restrict(xen_of(link)->evtchn, (domid_t)domid));
}

static int link_xen_bind(struct link *link, uint32_t domid, uint32_t remote_port,
			 struct link_saved_port *saved)
{
	(void)saved;
	return outcome(xenevtchn_bind_interdomain(xen_of(link)->evtchn, domid, remote_port));
}

static int link_xen_unbind(struct link *link, uint32_t port)
{
	return outcome(xenevtchn_unbind(xen_of(link)->evtchn, port));
}

static int link_xen_notify(struct link *link, uint32_t port)
{
	return outcome(xenevtchn_notify(xen_of(link)->evtchn, port));
}

static int link_xen_pending(struct link *link)
{
	struct pollfd pollfd = {.fd = link->fd, .events = POLLIN};
	int ready;

	/* The library's read blocks when there is nothing. */
	do {
		ready = poll(&pollfd, 1, 0);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return ready < 0 ? -errno : -EAGAIN;
	return outcome(xenevtchn_pending(xen_of(link)->evtchn));
}

static int link_xen_unmask(struct link *link, uint32_t port)
{
	return outcome(xenevtchn_unmask(xen_of(link)->evtchn, port));
}

static void *link_xen_map(struct link *link, uint32_t domid, const uint32_t *refs, size_t count)
{
	if (count == 0 || count > UINT32_MAX || xen_of(link)->gnttab == NULL) {
		errno = EINVAL;
		return NULL;
	}
	/* The library only reads the refs. */
	return xengnttab_map_domain_grant_refs(xen_of(link)->gnttab, (uint32_t)count, domid,
					       (uint32_t *)refs, PROT_READ | PROT_WRITE);
}

/* A mapping holds on to its file, not to the descriptor. */
static void link_xen_seal(struct link *link)
{
	struct link_xen *xen = xen_of(link);

	xengnttab_close(xen->gnttab);
	xen->gnttab = NULL;
	link->map_fd = -1;
}

/* The library would also free the mapping's number, by an ioctl that a confined process may not
 * make; the number goes with the descriptor. */
static int link_xen_unmap(struct link *link, void *addr, size_t count)
{
	(void)link;
	return link_vacate(addr, count * RING_PAGE_SIZE);
}

static const struct link_ops link_xen_ops = {
	.close = link_xen_close,
	.seal = link_xen_seal,
	.restrict_to = link_xen_restrict,
	.bind = link_xen_bind,
	.unbind = link_xen_unbind,
	.notify = link_xen_notify,
	.pending = link_xen_pending,
	.unmask = link_xen_unmask,
	.map = link_xen_map,
	.unmap = link_xen_unmap,
};

int link_xen_open(const char *address, const struct link_saved *adopted, struct link **link,
		  char *err, size_t errlen)
{
	struct link_xen *xen = calloc(1, sizeof(*xen));
	const char *device = "/dev/xen/gntdev";

	(void)address;
	if (xen == NULL)
		return -ENOMEM;
	xen->link.ops = &link_xen_ops;
	xen->gnttab = xengnttab_open(&logger, 0);
	/* Last, so that an error does not close what is adopted. */
	if (xen->gnttab != NULL) {
		device = "/dev/xen/evtchn";
		xen->evtchn = adopted != NULL ? xenevtchn_fdopen(&logger, adopted->evtchn, 0)
					      : xenevtchn_open(&logger, 0);
	}
	if (xen->evtchn == NULL) {
		int result = -errno;

		snprintf(err, errlen, "%s: %s", device, strerror(-result));
		link_xen_close(&xen->link);
		return result;
	}
	xen->link.fd = xenevtchn_fd(xen->evtchn);
	xen->link.bus = -1;
	xen->link.map_fd = xengnttab_fd(xen->gnttab);
	*link = &xen->link;
	return 0;
}
