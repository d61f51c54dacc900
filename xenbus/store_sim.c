/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * store_sim.c - the store seam on the simulated bus. Rights, watches and transactions are the
 * bus's business; here requests are put into packets. Events come on a socket of their own, so
 * nothing has to be queued here while an answer is awaited.
 */
#include "xenbus/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/util.h"
#include "xenbus/sim_wire.h"

struct store_sim {
	struct store store; /* .fd: the event socket */
	int bus;
};

static int bus_of(struct store *store)
{
	return container_of(store, struct store_sim, store)->bus;
}

static void store_sim_close(struct store *store)
{
	struct store_sim *sim = container_of(store, struct store_sim, store);

	close(sim->bus);
	close(store->fd);
	free(sim);
}

/* A request about one path and nothing behind it. */
static struct sim_call path_call(enum sim_op op, store_txn txn, const char *path)
{
	return (struct sim_call){
		.request = {.op = op, .txn = txn}, .data = path, .length = strlen(path)};
}

/* A request with a path and another string. */
static int two_strings(struct store *store, enum sim_op op, store_txn txn, const char *path,
		       const char *other)
{
	char data[SIM_REQUEST_DATA + 1];
	int length = snprintf(data, sizeof(data), "%s%c%s", path, '\0', other);
	struct sim_call call = {
		.request = {.op = op, .txn = txn}, .data = data, .length = (size_t)length};

	return sim_wire_call(bus_of(store), &call);
}

static ssize_t store_sim_read(struct store *store, store_txn txn, const char *path, char *buf,
			      size_t size)
{
	struct sim_call call = path_call(SIM_READ, txn, path);
	int result;

	call.answer = buf;
	call.room = size - 1;
	result = sim_wire_call(bus_of(store), &call);
	if (result < 0)
		return result;
	buf[call.answered] = '\0';
	return (ssize_t)call.answered;
}

static int store_sim_write(struct store *store, store_txn txn, const char *path, const char *value)
{
	return two_strings(store, SIM_WRITE, txn, path, value);
}

static int store_sim_remove(struct store *store, store_txn txn, const char *path)
{
	struct sim_call call = path_call(SIM_REMOVE, txn, path);

	return sim_wire_call(bus_of(store), &call);
}

/* One block with `count` pointers and, behind them, the `size` bytes they point into. */
static char **names_new(const char *bytes, size_t size, unsigned count)
{
	char **names = malloc(count * sizeof(*names) + size + 1);
	char *name;

	if (names == NULL)
		return NULL;
	name = memcpy((char *)(names + count), bytes, size);
	for (unsigned i = 0; i < count; i++) {
		names[i] = name;
		name += strlen(name) + 1;
	}
	return names;
}

static int store_sim_list(struct store *store, store_txn txn, const char *path, char ***names,
			  unsigned *count)
{
	struct sim_call call = path_call(SIM_LIST, txn, path);
	_cleanup_free_ char *bytes = malloc(SIM_REPLY_DATA);
	int result;

	if (bytes == NULL)
		return -ENOMEM;
	call.answer = bytes;
	call.room = SIM_REPLY_DATA;
	result = sim_wire_call(bus_of(store), &call);
	if (result < 0)
		return result;
	*count = (unsigned)result;
	*names = names_new(bytes, call.answered, *count);
	return *names == NULL ? -ENOMEM : 0;
}

static int store_sim_grant_read(struct store *store, store_txn txn, const char *path,
				uint32_t owner, uint32_t reader)
{
	struct sim_call call = path_call(SIM_GRANT_READ, txn, path);

	call.request.domid = owner;
	call.request.number = reader;
	return sim_wire_call(bus_of(store), &call);
}

static int store_sim_begin(struct store *store, store_txn *txn)
{
	struct sim_call call = {.request = {.op = SIM_BEGIN}};
	int result;

	result = sim_wire_call(bus_of(store), &call);
	if (result < 0)
		return result;
	*txn = (store_txn)result;
	return 0;
}

static int store_sim_end(struct store *store, store_txn txn, int commit)
{
	struct sim_call call = {
		.request = {.op = SIM_END, .txn = txn, .number = (uint32_t)(commit != 0)}};

	return sim_wire_call(bus_of(store), &call);
}

static int store_sim_watch(struct store *store, const char *path, const char *token)
{
	return two_strings(store, SIM_WATCH, 0, path, token);
}

static int store_sim_unwatch(struct store *store, const char *path, const char *token)
{
	return two_strings(store, SIM_UNWATCH, 0, path, token);
}

static int store_sim_event(struct store *store, char *path, char *token)
{
	char packet[SIM_PATH_MAX + SIM_REQUEST_DATA + 2];
	size_t path_size;
	ssize_t got;

	do {
		got = recv(store->fd, packet, sizeof(packet) - 1, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got <= 0 && errno != EINTR)
			return -ENOTCONN;
	} while (got < 0);
	packet[got] = '\0';
	path_size = strlen(packet) + 1;
	store_copy_name(path, packet);
	store_copy_name(token, path_size < (size_t)got ? packet + path_size : "");
	return 1;
}

static const struct store_ops store_sim_ops = {
	.close = store_sim_close,
	.read = store_sim_read,
	.write = store_sim_write,
	.remove = store_sim_remove,
	.list = store_sim_list,
	.grant_read = store_sim_grant_read,
	.begin = store_sim_begin,
	.end = store_sim_end,
	.watch = store_sim_watch,
	.unwatch = store_sim_unwatch,
	.event = store_sim_event,
};

int store_sim_open(const char *address, struct store **store, char *err, size_t errlen)
{
	_cleanup_close_ int bus = -1, events = -1;
	struct sim_call call = {.request = {.op = SIM_EVENTS}, .fds = &events, .nfds = 1};
	struct store_sim *sim;
	uint32_t domid;
	int result;

	bus = sim_wire_open(address, &domid, err, errlen);
	if (bus < 0)
		return bus;
	result = sim_wire_call(bus, &call);
	sim = calloc(1, sizeof(*sim));
	if (result < 0 || sim == NULL) {
		free(sim);
		snprintf(err, errlen, "simulated bus in \"%s\": no events", address);
		return result < 0 ? result : -ENOMEM;
	}
	*sim = (struct store_sim){
		.store = {.ops = &store_sim_ops, .domid = domid, .fd = take_fd(&events)},
		.bus = take_fd(&bus),
	};
	*store = &sim->store;
	return 0;
}
