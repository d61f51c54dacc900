/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * guest_sim.c - the guest seam on the simulated bus: a domain, and who uses which of its pages.
 */
#include "xenbus/guest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "xenbus/ring.h"
#include "xenbus/sim.h"
#include "xenbus/sim_wire.h"

/* Room for eight rings of the largest order twice over; pages cost nothing until touched. */
#define GUEST_PAGES 8448

struct guest_sim {
	struct guest guest;
	struct sim_domain *domain;
	bool used[GUEST_PAGES];
};

static struct guest_sim *sim_of(struct guest *guest)
{
	return container_of(guest, struct guest_sim, guest);
}

static struct sim_domain *domain_of(struct guest *guest)
{
	return sim_of(guest)->domain;
}

static void guest_sim_close(struct guest *guest)
{
	sim_domain_close(domain_of(guest));
	free(sim_of(guest));
}

/* ---- pages ---- */

static uint8_t *page_address(const struct guest_sim *sim, size_t page)
{
	return (uint8_t *)sim_domain_memory(sim->domain) + page * RING_PAGE_SIZE;
}

/* The first of `count` neighbouring pages, zeroed; -ENOMEM. */
static ssize_t take_pages(struct guest_sim *sim, size_t count)
{
	size_t run = 0;

	for (size_t page = 0; page < GUEST_PAGES; page++) {
		run = sim->used[page] ? 0 : run + 1;
		if (run == count) {
			size_t first = page + 1 - count;

			memset(sim->used + first, true, count);
			memset(page_address(sim, first), 0, count * RING_PAGE_SIZE);
			return (ssize_t)first;
		}
	}
	return -ENOMEM;
}

static unsigned guest_sim_unshare(struct guest *guest, void *pages, size_t count,
				  const uint32_t *refs)
{
	struct guest_sim *sim = sim_of(guest);
	size_t first = (size_t)((uint8_t *)pages - page_address(sim, 0)) / RING_PAGE_SIZE;
	unsigned kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (sim_ungrant(sim->domain, refs[i]) == -EBUSY)
			kept++;
		else
			sim->used[first + i] = false;
	}
	return kept;
}

static void *guest_sim_share(struct guest *guest, uint32_t to, size_t count, uint32_t *refs)
{
	struct guest_sim *sim = sim_of(guest);
	ssize_t first = take_pages(sim, count);

	for (size_t i = 0; first >= 0 && i < count; i++) {
		int ref = sim_grant(sim->domain, (size_t)first + i, to);

		if (ref < 0) {
			guest_sim_unshare(guest, page_address(sim, (size_t)first), i, refs);
			memset(sim->used + first + i, false, count - i);
			first = ref;
			break;
		}
		refs[i] = (uint32_t)ref;
	}
	if (first < 0) {
		errno = (int)-first;
		return NULL;
	}
	return page_address(sim, (size_t)first);
}

/* ---- event channels ---- */

static int guest_sim_port_alloc(struct guest *guest, uint32_t to)
{
	return sim_port_alloc(domain_of(guest), to);
}

static int guest_sim_port_free(struct guest *guest, uint32_t port)
{
	return sim_port_free(domain_of(guest), port);
}

static int guest_sim_port_notify(struct guest *guest, uint32_t port)
{
	return sim_port_notify(domain_of(guest), port);
}

static int guest_sim_port_fd(struct guest *guest, uint32_t port)
{
	return sim_port_fd(domain_of(guest), port);
}

static uint64_t guest_sim_port_take(struct guest *guest, uint32_t port)
{
	return sim_port_take(domain_of(guest), port);
}

static const struct guest_ops guest_sim_ops = {
	.close = guest_sim_close,
	.share = guest_sim_share,
	.unshare = guest_sim_unshare,
	.port_alloc = guest_sim_port_alloc,
	.port_free = guest_sim_port_free,
	.port_notify = guest_sim_port_notify,
	.port_fd = guest_sim_port_fd,
	.port_take = guest_sim_port_take,
};

int guest_sim_open(const char *address, struct guest **guest, char *err, size_t errlen)
{
	struct guest_sim *sim = calloc(1, sizeof(*sim));
	_cleanup_free_ char *dir = NULL;
	uint32_t domid;
	int result = -ENOMEM;

	dir = sim_wire_dir(address, &domid);
	if (sim != NULL && dir != NULL)
		result = sim_domain_open(dir, domid, GUEST_PAGES, &sim->domain, err, errlen);
	if (result != 0) {
		free(sim);
		return result;
	}
	sim->guest.ops = &guest_sim_ops;
	*guest = &sim->guest;
	return 0;
}
