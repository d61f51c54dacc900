/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_guest.c - see sim_guest.h.
 */
#include "tools/sim_guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "xenbus/bus.h"

/* ---- rings as a transport ---- */

struct rings {
	struct client_transport transport;
	struct front *front;
	unsigned ring; /* of a transport over one */
};

static struct front *front_of(struct client_transport *transport)
{
	return container_of(transport, struct rings, transport)->front;
}

static void rings_close(struct client_transport *transport)
{
	free(container_of(transport, struct rings, transport));
}

static int rings_send(struct client_transport *transport, unsigned lane, const void *msg,
		      size_t size)
{
	return front_send(front_of(transport), lane, msg, size);
}

static ssize_t rings_recv(struct client_transport *transport, void *buf, size_t size)
{
	ssize_t result = front_recv(front_of(transport), buf, size);

	return result == -EMSGSIZE ? -EPROTO : result;
}

static int rings_wait(struct client_transport *transport, int timeout_ms)
{
	return front_wait(front_of(transport), timeout_ms);
}

static unsigned rings_pollfds(struct client_transport *transport, struct pollfd *fds, unsigned room)
{
	return front_pollfds(front_of(transport), fds, room);
}

static const struct client_transport_ops rings_ops = {
	.close = rings_close,
	.send = rings_send,
	.recv = rings_recv,
	.wait = rings_wait,
	.pollfds = rings_pollfds,
};

static unsigned ring_of(struct client_transport *transport)
{
	return container_of(transport, struct rings, transport)->ring;
}

static int ring_send(struct client_transport *transport, unsigned lane, const void *msg,
		     size_t size)
{
	(void)lane;
	return front_send(front_of(transport), ring_of(transport), msg, size);
}

static ssize_t ring_recv(struct client_transport *transport, void *buf, size_t size)
{
	return front_recv_ring(front_of(transport), ring_of(transport), buf, size);
}

static int ring_wait(struct client_transport *transport, int timeout_ms)
{
	return front_wait_ring(front_of(transport), ring_of(transport), timeout_ms);
}

static const struct client_transport_ops ring_ops = {
	.close = rings_close,
	.send = ring_send,
	.recv = ring_recv,
	.wait = ring_wait,
};

static int new_transport(struct front *front, const struct client_transport_ops *ops,
			 unsigned lanes, unsigned ring, struct client_transport **transport)
{
	struct rings *rings = malloc(sizeof(*rings));

	if (rings == NULL)
		return -ENOMEM;
	rings->transport = (struct client_transport){
		.ops = ops, .lanes = lanes, .max_size = ring_half(front->order)};
	rings->front = front;
	rings->ring = ring;
	*transport = &rings->transport;
	return 0;
}

int sim_guest_transport(struct front *front, struct client_transport **transport)
{
	return new_transport(front, &rings_ops, front->rings, 0, transport);
}

int sim_guest_ring_transport(struct front *front, unsigned ring,
			     struct client_transport **transport)
{
	return new_transport(front, &ring_ops, 1, ring, transport);
}

/* ---- toolstack ---- */

const char *sim_guest_dir(const struct sim_guest_options *options)
{
	const char *dir;

	return options->bus != NULL && bus_is(options->bus, "sim:", &dir) ? dir : NULL;
}

int sim_guest_attach(struct store *store, const struct toolstack_device *device)
{
	char name[32];
	int result;

	snprintf(name, sizeof(name), "guest-%u", device->domid);
	result = toolstack_add_domain(store, device->domid, name);
	return result != 0 ? result : toolstack_attach(store, device);
}

/* ---- guest ---- */

/* A simulated bus is told which domain we are. */
static int open_domain(const struct sim_guest_options *options, struct guest **domain, char *err,
		       size_t errlen)
{
	char bus[300];

	if (sim_guest_dir(options) == NULL)
		return guest_open(options->bus, domain, err, errlen);
	snprintf(bus, sizeof(bus), "%s@%u", options->bus, options->device.domid);
	return guest_open(bus, domain, err, errlen);
}

static int prepare_device(struct sim_guest *guest, char *err, size_t errlen)
{
	const struct sim_guest_options *options = &guest->options;
	int result = store_open(options->bus, &guest->store, err, errlen);

	if (result != 0)
		return result;
	if (options->device.path != NULL) {
		result = sim_guest_attach(guest->store, &options->device);
		if (result != 0) {
			snprintf(err, errlen, "attaching device %u of guest %u: %s",
				 options->device.devid, options->device.domid, strerror(-result));
			return result;
		}
		guest->attached = true;
	}
	result = open_domain(options, &guest->domain, err, errlen);
	if (result == 0)
		result = front_open(guest->domain, options->device.devid, options->rings,
				    options->order, &guest->front, err, errlen);
	return result;
}

int sim_guest_prepare(const struct sim_guest_options *options, struct sim_guest **prepared,
		      char *err, size_t errlen)
{
	struct sim_guest *guest = calloc(1, sizeof(*guest));
	int result = 0;

	if (guest == NULL)
		return -ENOMEM;
	guest->options = *options;
	if (options->socket == NULL)
		result = prepare_device(guest, err, errlen);
	if (result != 0) {
		sim_guest_close(guest);
		return result;
	}
	*prepared = guest;
	return 0;
}

int sim_guest_mount(struct sim_guest *guest, char *err, size_t errlen)
{
	const struct sim_guest_options *options = &guest->options;
	struct client_transport *transport;
	int result;

	if (options->socket != NULL) {
		result = client_socket_connect(options->socket, &transport, err, errlen);
		if (result != 0)
			return result;
	} else {
		result = sim_guest_transport(guest->front, &transport);
	}
	if (result == 0)
		result = client_open(transport, &guest->client);
	if (result == 0)
		result = client_version(guest->client, options->msize);
	if (result == 0)
		result = client_attach(guest->client, "", options->aname, options->n_uname,
				       &guest->root);
	if (result != 0)
		snprintf(err, errlen, "mounting the share: %s", strerror(-result));
	return result;
}

int sim_guest_open(const struct sim_guest_options *options, struct sim_guest **opened, char *err,
		   size_t errlen)
{
	struct sim_guest *guest;
	int result = sim_guest_prepare(options, &guest, err, errlen);

	if (result != 0)
		return result;
	if (guest->front != NULL) {
		result = front_connect(guest->front);
		if (result != 0)
			snprintf(err, errlen, "connecting device %u of guest %u: %s",
				 options->device.devid, options->device.domid, guest->front->error);
	}
	if (result == 0)
		result = sim_guest_mount(guest, err, errlen);
	if (result != 0) {
		sim_guest_close(guest);
		return result;
	}
	*opened = guest;
	return 0;
}

void sim_guest_drop(struct sim_guest *guest)
{
	if (guest == NULL)
		return;
	client_close(guest->client);
	front_free(guest->front);
	guest_close(guest->domain);
	store_close(guest->store);
	free(guest);
}

int sim_guest_close(struct sim_guest *guest)
{
	int result = 0, detached = 0;

	if (guest == NULL)
		return 0;
	if (guest->front != NULL && guest->front->ring[0].page != NULL && !guest->front->lost) {
		if (guest->client != NULL)
			client_clunk(guest->client, guest->root);
		result = front_close(guest->front);
	}
	if (guest->attached)
		detached = toolstack_detach(guest->store, guest->options.device.domid,
					    guest->options.device.devid, TOOLSTACK_REMOVE);
	sim_guest_drop(guest);
	return result != 0 ? result : detached;
}

/* ---- files by path ---- */

int sim_guest_walk(struct sim_guest *guest, const char *path, uint32_t *fid)
{
	return client_walk(guest->client, guest->root, path, fid);
}

int sim_guest_walk_parent(struct sim_guest *guest, const char *path, uint32_t *fid,
			  const char **name)
{
	_cleanup_free_ char *parent = strdup(path);
	char *slash;

	if (parent == NULL)
		return -ENOMEM;
	slash = strrchr(parent, '/');
	*name = slash != NULL ? path + (slash - parent) + 1 : path;
	if (slash != NULL)
		*slash = '\0';
	else
		parent[0] = '\0';
	return sim_guest_walk(guest, parent, fid);
}

static int create_file(struct sim_guest *guest, const char *path, uint32_t flags, uint32_t *fid)
{
	const char *name;
	int result = sim_guest_walk_parent(guest, path, fid, &name);

	if (result != 0)
		return result;
	result = client_lcreate(guest->client, *fid, name, flags, 0644, 0);
	if (result != 0)
		client_clunk(guest->client, *fid);
	return result;
}

int sim_guest_open_file(struct sim_guest *guest, const char *path, uint32_t flags, uint32_t *fid)
{
	int result = sim_guest_walk(guest, path, fid);

	if (result == -ENOENT && (flags & SIM_GUEST_CREATE))
		return create_file(guest, path, flags, fid);
	if (result != 0)
		return result;
	result = client_lopen(guest->client, *fid, flags & ~SIM_GUEST_CREATE);
	if (result != 0)
		client_clunk(guest->client, *fid);
	return result;
}

int sim_guest_getattr(struct sim_guest *guest, const char *path, struct p9_Rgetattr *attr)
{
	uint32_t fid;
	int result = sim_guest_walk(guest, path, &fid);

	if (result != 0)
		return result;
	result = client_getattr(guest->client, fid, P9_GETATTR_BASIC, attr);
	client_clunk(guest->client, fid);
	return result;
}

int sim_guest_setattr(struct sim_guest *guest, const char *path, struct p9_Tsetattr set)
{
	uint32_t fid;
	int result = sim_guest_walk(guest, path, &fid);

	if (result != 0)
		return result;
	result = client_setattr(guest->client, fid, &set);
	client_clunk(guest->client, fid);
	return result;
}

/* What has to go, in a list that the listing fills: a directory must not change meanwhile. */
struct names {
	char **name;
	uint8_t *type; /* DT_* */
	size_t count, room;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	free(names->type);
}

static int add_name(void *arg, const struct p9_dirent *entry)
{
	struct names *names = arg;

	if (strcmp(entry->name.text, ".") == 0 || strcmp(entry->name.text, "..") == 0)
		return 0;
	if (names->count == names->room) {
		size_t room = names->room > 0 ? 2 * names->room : 64;
		char **name = reallocarray(names->name, room, sizeof(*name));
		uint8_t *type;

		if (name == NULL)
			return -ENOMEM;
		names->name = name;
		type = realloc(names->type, room);
		if (type == NULL)
			return -ENOMEM;
		names->type = type;
		names->room = room;
	}
	names->type[names->count] = entry->type;
	names->name[names->count] = strdup(entry->name.text);
	return names->name[names->count++] != NULL ? 0 : -ENOMEM;
}

static int list_names(struct client *client, uint32_t dfid, struct names *names)
{
	uint32_t fid;
	int result = client_walk(client, dfid, "", &fid);

	if (result != 0)
		return result;
	result = client_lopen(client, fid, P9_O_DIRECTORY);
	if (result == 0)
		result = client_readdir(client, fid, add_name, names);
	client_clunk(client, fid);
	return result;
}

/* Empties a directory. Recursion is as deep as the tree, which is the caller's own. */
static int empty_dir(struct client *client, uint32_t dfid)
{
	struct names names = {.count = 0};
	int result = list_names(client, dfid, &names);

	for (size_t i = 0; result == 0 && i < names.count; i++) {
		bool dir = names.type[i] == 4; /* DT_DIR */
		uint32_t fid;

		if (dir) {
			result = client_walk(client, dfid, names.name[i], &fid);
			if (result != 0)
				break;
			result = empty_dir(client, fid);
			client_clunk(client, fid);
		}
		if (result == 0)
			result = client_unlinkat(client, dfid, names.name[i],
						 dir ? P9_AT_REMOVEDIR : 0);
	}
	free_names(&names);
	return result;
}

int sim_guest_remove_tree(struct sim_guest *guest, const char *path)
{
	struct client *client = guest->client;
	struct p9_Rgetattr attr;
	const char *name;
	uint32_t fid, parent;
	bool dir;
	int result = sim_guest_walk(guest, path, &fid);

	if (result != 0)
		return result;
	result = client_getattr(client, fid, P9_GETATTR_BASIC, &attr);
	dir = result == 0 && (attr.qid.type & P9_QTDIR);
	if (dir)
		result = empty_dir(client, fid);
	client_clunk(client, fid);
	if (result == 0)
		result = sim_guest_walk_parent(guest, path, &parent, &name);
	if (result != 0)
		return result;
	result = client_unlinkat(client, parent, name, dir ? P9_AT_REMOVEDIR : 0);
	client_clunk(client, parent);
	return result;
}
