/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_broker.c - see sim_broker.h.
 *
 * Things outlive their makers as on Xen: the memory of a dead domain stays until the last
 * mapping of it is gone (a zombie; a new domain may have the number by then), and a channel
 * stays until both ends have let go.
 */
#include "xenbus/sim_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util.h"

#define PAGES_MAX (1u << 18)
#define GRANTS_MAX (1u << 16)

struct grant {
	uint32_t page;
	uint32_t to;
	uint32_t maps;
	bool offered;
};

/* A domain, as far as the broker is concerned. */
struct sim_memory {
	LIST_ENTRY(sim_memory) entry; /* sim_broker.memories */
	uint32_t domid;
	bool alive;
	uint32_t pages;
	int fd;
	struct grant *grants; /* by ref; 0 is no ref */
	uint32_t grants_size;
	uint32_t grants_hint;			  /* no ref below it is free */
	uint32_t offered;			  /* grants with .offered */
	uint32_t mapped;			  /* grants with .maps > 0 */
	struct sim_channel *ports[SIM_PORTS_MAX]; /* 0 is no port */
};

struct sim_channel {
	uint32_t to;
	bool owned; /* by the domain that made it */
	bool bound;
	int to_owner; /* eventfds */
	int to_binder;
};

struct sim_mapping {
	LIST_ENTRY(sim_mapping) entry; /* sim_peer.mappings */
	uint32_t id;
	struct sim_memory *memory;
	size_t count;
	uint32_t refs[];
};

void sim_broker_init(struct sim_broker *broker)
{
	LIST_INIT(&broker->memories);
}

/* --- domains ------------------------------------------------------------------------------- */

static struct sim_memory *memory_find(const struct sim_broker *broker, uint32_t domid)
{
	struct sim_memory *memory;

	LIST_FOREACH (memory, &broker->memories, entry) {
		if (memory->domid == domid && memory->alive)
			break;
	}
	return memory;
}

static void memory_put(struct sim_memory *memory)
{
	if (memory->alive || memory->mapped > 0)
		return;
	LIST_REMOVE(memory, entry);
	close(memory->fd);
	free(memory->grants);
	free(memory);
}

/* A file of pages whose size nobody can change, so that no mapping of it can ever fault. */
static int memory_file(uint32_t pages)
{
	_cleanup_close_ int fd = memfd_create("sim-domain", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)pages * SIM_PAGE_SIZE) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return take_fd(&fd);
}

int sim_peer_claim(struct sim_broker *broker, struct sim_peer *peer, uint32_t pages, int *fd)
{
	struct sim_memory *memory;

	if (pages == 0 || pages > PAGES_MAX || peer->memory != NULL)
		return -EINVAL;
	if (memory_find(broker, peer->domid) != NULL)
		return -EBUSY;
	memory = calloc(1, sizeof(*memory));
	if (memory == NULL)
		return -ENOMEM;
	*fd = memory_file(pages);
	if (*fd < 0) {
		free(memory);
		return *fd;
	}
	memory->domid = peer->domid;
	memory->alive = true;
	memory->pages = pages;
	memory->fd = *fd;
	memory->grants_hint = 1;
	LIST_INSERT_HEAD(&broker->memories, memory, entry);
	peer->memory = memory;
	return 0;
}

/* --- channels ------------------------------------------------------------------------------ */

static uint32_t port_free_slot(struct sim_channel *const ports[SIM_PORTS_MAX])
{
	uint32_t port = 1;

	while (port < SIM_PORTS_MAX && ports[port] != NULL)
		port++;
	return port;
}

static struct sim_channel *channel_new(uint32_t to)
{
	struct sim_channel *channel = calloc(1, sizeof(*channel));

	if (channel == NULL)
		return NULL;
	channel->to = to;
	channel->owned = true;
	channel->to_owner = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	channel->to_binder = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return channel;
}

static void channel_put(struct sim_channel *channel)
{
	if (channel->owned || channel->bound)
		return;
	cleanup_close(&channel->to_owner);
	cleanup_close(&channel->to_binder);
	free(channel);
}

int sim_peer_port_alloc(struct sim_peer *peer, uint32_t to, int fds[SIM_FDS_MAX])
{
	struct sim_channel *channel;
	uint32_t port;

	if (peer->memory == NULL)
		return -EPERM;
	port = port_free_slot(peer->memory->ports);
	if (port == SIM_PORTS_MAX)
		return -ENOSPC;
	channel = channel_new(to);
	if (channel == NULL)
		return -ENOMEM;
	if (channel->to_owner < 0 || channel->to_binder < 0) {
		channel->owned = false;
		channel_put(channel);
		return -EMFILE;
	}
	peer->memory->ports[port] = channel;
	fds[0] = channel->to_owner;
	fds[1] = channel->to_binder;
	return (int)port;
}

static void memory_port_free(struct sim_memory *memory, uint32_t port)
{
	memory->ports[port]->owned = false;
	channel_put(memory->ports[port]);
	memory->ports[port] = NULL;
}

int sim_peer_port_free(struct sim_peer *peer, uint32_t port)
{
	if (peer->memory == NULL)
		return -EPERM;
	if (port >= SIM_PORTS_MAX || peer->memory->ports[port] == NULL)
		return -EINVAL;
	memory_port_free(peer->memory, port);
	return 0;
}

int sim_peer_restrict(struct sim_peer *peer, uint32_t domid)
{
	if (peer->restricted)
		return -EACCES;
	peer->restricted = true;
	peer->restricted_to = domid;
	return 0;
}

int sim_peer_bind(struct sim_broker *broker, struct sim_peer *peer, uint32_t domid, uint32_t remote,
		  int fds[SIM_FDS_MAX])
{
	struct sim_memory *memory = memory_find(broker, domid);
	struct sim_channel *channel;
	uint32_t port;

	if (peer->restricted && peer->restricted_to != domid)
		return -EACCES;
	if (memory == NULL)
		return -ESRCH;
	if (remote >= SIM_PORTS_MAX || memory->ports[remote] == NULL)
		return -EINVAL;
	channel = memory->ports[remote];
	if (channel->to != peer->domid || channel->bound)
		return -EINVAL;
	port = port_free_slot(peer->ports);
	if (port == SIM_PORTS_MAX)
		return -ENOSPC;
	channel->bound = true;
	peer->ports[port] = channel;
	fds[0] = channel->to_binder;
	fds[1] = channel->to_owner;
	return (int)port;
}

int sim_peer_unbind(struct sim_peer *peer, uint32_t port)
{
	if (port >= SIM_PORTS_MAX || peer->ports[port] == NULL)
		return -EINVAL;
	peer->ports[port]->bound = false;
	channel_put(peer->ports[port]);
	peer->ports[port] = NULL;
	return 0;
}

/* --- grants -------------------------------------------------------------------------------- */

/* A free ref, making room for it; 0: no memory, or too many. */
static uint32_t free_ref(struct sim_memory *memory)
{
	uint32_t ref = memory->grants_hint, size = memory->grants_size;
	struct grant *grown;

	while (ref < size && (memory->grants[ref].offered || memory->grants[ref].maps > 0))
		ref++;
	memory->grants_hint = ref;
	if (ref < size)
		return ref;
	if (size >= GRANTS_MAX)
		return 0;
	grown = reallocarray(memory->grants, size + 256, sizeof(*grown));
	if (grown == NULL)
		return 0;
	memset(grown + size, 0, 256 * sizeof(*grown));
	memory->grants = grown;
	memory->grants_size = size + 256;
	return ref;
}

int sim_peer_grant(struct sim_peer *peer, uint32_t page, uint32_t to)
{
	struct sim_memory *memory = peer->memory;
	uint32_t ref;

	if (memory == NULL)
		return -EPERM;
	if (page >= memory->pages)
		return -EINVAL;
	ref = free_ref(memory);
	if (ref == 0)
		return -ENOSPC;
	memory->grants[ref] = (struct grant){.page = page, .to = to, .offered = true};
	memory->offered++;
	return (int)ref;
}

int sim_peer_ungrant(struct sim_peer *peer, uint32_t ref)
{
	struct sim_memory *memory = peer->memory;

	if (memory == NULL)
		return -EPERM;
	if (ref >= memory->grants_size || !memory->grants[ref].offered)
		return -EINVAL;
	if (memory->grants[ref].maps > 0)
		return -EBUSY;
	memory->grants[ref].offered = false;
	memory->offered--;
	if (ref < memory->grants_hint)
		memory->grants_hint = ref;
	return 0;
}

static bool grant_allows(const struct sim_memory *memory, uint32_t ref, uint32_t domid)
{
	return ref < memory->grants_size && memory->grants[ref].offered &&
	       memory->grants[ref].to == domid;
}

int sim_peer_map(struct sim_broker *broker, struct sim_peer *peer, uint32_t domid,
		 const uint32_t *refs, size_t count, uint32_t *pages, int *fd)
{
	struct sim_memory *memory = memory_find(broker, domid);
	struct sim_mapping *mapping;

	if (memory == NULL)
		return -ESRCH;
	for (size_t i = 0; i < count; i++) {
		if (!grant_allows(memory, refs[i], peer->domid))
			return -EINVAL;
		pages[i] = memory->grants[refs[i]].page;
	}
	mapping = malloc(sizeof(*mapping) + count * sizeof(*refs));
	if (mapping == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		mapping->refs[i] = refs[i];
		memory->mapped += memory->grants[refs[i]].maps++ == 0;
	}
	peer->last_mapping = peer->last_mapping % INT32_MAX + 1;
	mapping->id = peer->last_mapping;
	mapping->memory = memory;
	mapping->count = count;
	LIST_INSERT_HEAD(&peer->mappings, mapping, entry);
	*fd = memory->fd;
	return (int)mapping->id;
}

static void mapping_delete(struct sim_mapping *mapping)
{
	struct sim_memory *memory = mapping->memory;

	for (size_t i = 0; i < mapping->count; i++)
		memory->mapped -= --memory->grants[mapping->refs[i]].maps == 0;
	LIST_REMOVE(mapping, entry);
	free(mapping);
	memory_put(memory);
}

int sim_peer_unmap(struct sim_peer *peer, uint32_t id)
{
	struct sim_mapping *mapping;

	LIST_FOREACH (mapping, &peer->mappings, entry) {
		if (mapping->id == id) {
			mapping_delete(mapping);
			return 0;
		}
	}
	return -EINVAL;
}

/* --- all of it ----------------------------------------------------------------------------- */

void sim_peer_init(struct sim_peer *peer)
{
	LIST_INIT(&peer->mappings);
}

static void domain_dies(struct sim_memory *memory)
{
	for (uint32_t port = 0; port < SIM_PORTS_MAX; port++) {
		if (memory->ports[port] != NULL)
			memory_port_free(memory, port);
	}
	memory->alive = false;
	memory_put(memory);
}

void sim_peer_destroy(struct sim_peer *peer)
{
	while (!LIST_EMPTY(&peer->mappings))
		mapping_delete(LIST_FIRST(&peer->mappings));
	for (uint32_t port = 0; port < SIM_PORTS_MAX; port++)
		sim_peer_unbind(peer, port);
	if (peer->memory != NULL)
		domain_dies(peer->memory);
	peer->memory = NULL;
}

void sim_broker_usage(const struct sim_broker *broker, uint32_t domid, struct sim_usage *usage)
{
	const struct sim_memory *memory;

	LIST_FOREACH (memory, &broker->memories, entry) {
		if (memory->domid != domid)
			continue;
		usage->mapped_pages += memory->mapped;
		usage->granted_pages += memory->alive ? memory->offered : 0;
		for (uint32_t port = 0; port < SIM_PORTS_MAX; port++) {
			const struct sim_channel *channel = memory->ports[port];

			usage->bound_ports += channel != NULL && channel->bound;
		}
	}
}
