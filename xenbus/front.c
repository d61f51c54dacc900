/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * front.c - see front.h.
 */
#include "xenbus/front.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

__attribute__((format(printf, 3, 4))) static int fail(struct front *front, int result,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(front->error, sizeof(front->error), format, args);
	va_end(args);
	return result;
}

/* Where the toolstack put our other half; events of its state from now on. */
static int find_backend(struct front *front)
{
	char path[STORE_PATH_MAX];
	int result = nodes_read(front->store, front->dir, "backend", front->backend,
				sizeof(front->backend));

	if (result == 0)
		result = nodes_read_number(front->store, front->dir, "backend-id",
					   &front->backend_id);
	if (result != 0)
		return result;
	nodes_path(path, front->backend, "state");
	return store_watch(front->store, path, "backend");
}

int front_open(struct guest *guest, uint32_t devid, unsigned rings, unsigned order,
	       struct front **opened, char *err, size_t errlen)
{
	struct front *front = calloc(1, sizeof(*front));
	int result;

	if (front == NULL)
		return -ENOMEM;
	front->guest = guest;
	front->rings = rings;
	front->order = order;
	result = store_open(guest_bus(guest), &front->store, err, errlen);
	if (result == 0) {
		uint32_t domid = store_domid(front->store);

		snprintf(front->dir, sizeof(front->dir), "/local/domain/%u/device/9pfs/%u", domid,
			 devid);
		result = find_backend(front);
		if (result != 0)
			snprintf(err, errlen, "guest %u has no device %u: %s", domid, devid,
				 strerror(-result));
	}
	if (result != 0) {
		front_free(front);
		return result;
	}
	*opened = front;
	return 0;
}

void front_free(struct front *front)
{
	if (front == NULL)
		return;
	front_teardown(front);
	store_close(front->store);
	free(front);
}

int front_set_state(struct front *front, enum xenbus_state state)
{
	int result = nodes_set_state(front->store, front->dir, state);

	return result == 0 ? 0 : fail(front, result, "state %d: %s", state, strerror(-result));
}

int front_await(struct front *front, unsigned states, int timeout_ms)
{
	int result = nodes_await(front->store, front->backend, states, timeout_ms);

	if (result < 0)
		return fail(front, result, "waiting for the backend (state %d): %s",
			    nodes_state(front->store, front->backend), strerror(-result));
	return result;
}

/* ---- rings ---- */

/* Is "1" in a list like "1,2"? */
static bool has_version_1(const char *versions)
{
	while (*versions != '\0') {
		size_t length = strcspn(versions, ",");

		if (length == 1 && versions[0] == '1')
			return true;
		versions += length + (versions[length] == ',');
	}
	return false;
}

int front_read_offer(struct front *front)
{
	char versions[64];
	uint32_t max_rings, max_order;

	if (nodes_read(front->store, front->backend, "versions", versions, sizeof(versions)) != 0 ||
	    !has_version_1(versions))
		return fail(front, -EPROTO, "the backend does not offer version 1");
	if (nodes_read_number(front->store, front->backend, "max-rings", &max_rings) != 0 ||
	    nodes_read_number(front->store, front->backend, "max-ring-page-order", &max_order) != 0)
		return fail(front, -EPROTO, "the backend offers no rings");

	if (front->rings == 0)
		front->rings = FRONT_RINGS;
	if (front->order == 0)
		front->order = FRONT_ORDER;
	if (max_rings < front->rings || front->rings > FRONT_RINGS_MAX)
		return fail(front, -EPROTO, "%u rings wanted, %u offered", front->rings, max_rings);
	if (max_order < RING_ORDER_MIN)
		return fail(front, -EPROTO, "the backend offers order %u", max_order);
	if (front->order > max_order)
		front->order = max_order;
	return 0;
}

static int build_ring(struct front *front, struct front_ring *ring)
{
	unsigned pages = 1u << front->order;
	uint8_t *shared = guest_share(front->guest, front->backend_id, 1 + pages, ring->refs);
	int result;

	if (shared == NULL)
		return -errno;
	ring->order = front->order;
	ring->page = (struct ring_page *)(void *)shared;
	ring->data = shared + RING_PAGE_SIZE;
	for (unsigned i = 0; i < pages; i++)
		ring->page->ref[i] = ring->refs[1 + i];
	ring->page->order = ring->order;
	result = guest_port_alloc(front->guest, front->backend_id);
	if (result < 0)
		return result;
	ring->port = (uint32_t)result;
	return ring_init(&ring->ring, RING_FRONTEND, ring->page, ring->data, ring->order,
			 &ring->saved);
}

int front_build(struct front *front)
{
	front->lost = false;
	for (unsigned i = 0; i < front->rings; i++) {
		int result = build_ring(front, &front->ring[i]);

		if (result != 0)
			return fail(front, result, "ring %u: %s", i, strerror(-result));
	}
	return 0;
}

static unsigned teardown_ring(struct guest *guest, struct front_ring *ring)
{
	unsigned kept;

	if (ring->port != 0)
		guest_port_free(guest, ring->port);
	kept = guest_unshare(guest, ring->page, 1 + (1u << ring->order), ring->refs);
	memset(ring, 0, sizeof(*ring));
	return kept;
}

unsigned front_teardown(struct front *front)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < FRONT_RINGS_MAX; i++) {
		if (front->ring[i].page != NULL)
			kept += teardown_ring(front->guest, &front->ring[i]);
	}
	return kept;
}

/* ---- handshake ---- */

static int write_keys(struct store *store, store_txn txn, void *arg)
{
	const struct front *front = arg;
	int result = nodes_write(store, txn, front->dir, "version", "1");

	if (result == 0)
		result = nodes_write(store, txn, front->dir, "num-rings", "%u", front->rings);
	for (unsigned i = 0; result == 0 && i < front->rings; i++) {
		char key[32];

		snprintf(key, sizeof(key), "ring-ref%u", i);
		result = nodes_write(store, txn, front->dir, key, "%u", front->ring[i].refs[0]);
		if (result != 0)
			break;
		snprintf(key, sizeof(key), "event-channel-%u", i);
		result = nodes_write(store, txn, front->dir, key, "%u", front->ring[i].port);
	}
	return result;
}

int front_write_keys(struct front *front)
{
	int result = nodes_transact(front->store, write_keys, front);

	return result == 0 ? 0 : fail(front, result, "writing the keys: %s", strerror(-result));
}

int front_connect(struct front *front)
{
	enum xenbus_state state = nodes_state(front->store, front->dir);
	int result;

	/* Somebody used the device before and did not leave it as the toolstack made it. */
	if (state != XenbusStateInitialising) {
		result = front_reset(front);
		if (result != 0)
			return result;
	}
	result = front_await(front, NODES_STATE(XenbusStateInitWait), FRONT_TIMEOUT);
	if (result >= 0)
		result = front_read_offer(front);
	if (result == 0)
		result = front_build(front);
	if (result == 0)
		result = front_write_keys(front);
	if (result == 0)
		result = front_set_state(front, XenbusStateInitialised);
	if (result == 0)
		result = front_await(front, NODES_STATE(XenbusStateConnected) | NODES_CLOSED,
				     FRONT_TIMEOUT);
	if (result < 0)
		return result;
	if (result != XenbusStateConnected)
		return fail(front, -ECONNREFUSED, "the backend went to state %d", result);
	return front_set_state(front, XenbusStateConnected);
}

int front_close(struct front *front)
{
	int result = front_set_state(front, XenbusStateClosing);

	if (result == 0)
		result = front_await(front, NODES_CLOSED, FRONT_TIMEOUT);
	front_teardown(front);
	if (result < 0)
		return result;
	return front_set_state(front, XenbusStateClosed);
}

int front_unload(struct front *front)
{
	front_teardown(front);
	return front_set_state(front, XenbusStateClosed);
}

/* How far a reset has to go, by what the backend is at: an index into its steps. -errno. */
static int first_reset_step(struct front *front)
{
	enum xenbus_state state = nodes_state(front->store, front->dir);

	/* After rmmod the backend needs a moment to close. */
	if (state == XenbusStateClosed) {
		int result = front_await(
			front,
			~(NODES_STATE(XenbusStateConnected) | NODES_STATE(XenbusStateClosing)),
			FRONT_TIMEOUT);

		if (result < 0)
			return result;
	}
	switch (nodes_state(front->store, front->backend)) {
	case XenbusStateConnected:
		return 0;
	case XenbusStateClosing:
		return 1;
	default:
		return 2;
	}
}

int front_reset(struct front *front)
{
	static const struct {
		enum xenbus_state write, wait;
	} steps[] = {
		{XenbusStateClosing, XenbusStateClosing},
		{XenbusStateClosed, XenbusStateClosed},
		{XenbusStateInitialising, XenbusStateInitWait},
	};
	int result = first_reset_step(front);

	for (int i = result; i >= 0 && i < (int)countof(steps); i++) {
		result = front_set_state(front, steps[i].write);
		if (result == 0)
			result = front_await(front, NODES_STATE(steps[i].wait), FRONT_TIMEOUT);
		if (result < 0)
			return result;
	}
	front_teardown(front);
	return result < 0 ? result : 0;
}

/* ---- messages ---- */

int front_notify(struct front *front, unsigned ring)
{
	return guest_port_notify(front->guest, front->ring[ring].port);
}

int front_send(struct front *front, unsigned ring, const void *msg, size_t size)
{
	int result;

	if (front->lost)
		return -ENOTCONN;
	result = ring_put(&front->ring[ring].ring, msg, (uint32_t)size);
	return result == 0 ? front_notify(front, ring) : result;
}

/* The next reply of a ring that an event spoke of. */
ssize_t front_recv_ring(struct front *front, unsigned index, void *buf, size_t size)
{
	struct front_ring *ring = &front->ring[index];
	struct ring_message msg;
	int result;

	if (!ring->running)
		return -EAGAIN;
	result = ring_peek(&ring->ring, ring_half(ring->order), &msg);
	if (result < 0)
		return result;
	if (result == 0) {
		ring->running = false;
		result = front_notify(front, index);
		return result != 0 ? result : -EAGAIN;
	}
	if (msg.size > size)
		return -EMSGSIZE;
	ring_copy(&ring->ring, &msg, buf);
	ring_advance(&ring->ring, msg.size);
	return (ssize_t)msg.size;
}

static ssize_t take_any(struct front *front, void *buf, size_t size)
{
	for (unsigned i = 0; i < front->rings; i++) {
		unsigned index = (front->next + i) % front->rings;
		ssize_t result = front_recv_ring(front, index, buf, size);

		if (result != -EAGAIN) {
			front->next = index;
			return result;
		}
	}
	return -EAGAIN;
}

ssize_t front_recv(struct front *front, void *buf, size_t size)
{
	ssize_t result = take_any(front, buf, size);

	if (result != -EAGAIN)
		return result;
	result = front_wait(front, 0);
	if (result != 0)
		return result == -ETIMEDOUT ? -EAGAIN : result;
	return take_any(front, buf, size);
}

unsigned front_pollfds(const struct front *front, struct pollfd *fds, unsigned room)
{
	for (unsigned i = 0; i < front->rings && i < room; i++)
		fds[i] = (struct pollfd){.fd = guest_port_fd(front->guest, front->ring[i].port),
					 .events = POLLIN};
	if (front->rings < room)
		fds[front->rings] = (struct pollfd){.fd = store_fd(front->store), .events = POLLIN};
	return front->rings + 1;
}

static void take_events(struct front *front, unsigned index)
{
	struct front_ring *ring = &front->ring[index];
	uint64_t events = guest_port_take(front->guest, ring->port);

	ring->events += events;
	if (events > 0)
		ring->running = true;
}

int front_wait_ring(struct front *front, unsigned ring, int timeout_ms)
{
	struct pollfd fd = {.fd = guest_port_fd(front->guest, front->ring[ring].port),
			    .events = POLLIN};
	int result = poll(&fd, 1, timeout_ms);

	if (result == 0)
		return -ETIMEDOUT;
	if (result < 0)
		return errno == EINTR ? 0 : -errno;
	take_events(front, ring);
	return 0;
}

/* The backend's state may have changed: does it go? Then Linux closes, too. */
static int check_backend(struct front *front)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	int result;

	while ((result = store_event(front->store, path, token)) > 0)
		;
	if (result == 0 && !(NODES_CLOSED & NODES_STATE(nodes_state(front->store, front->backend))))
		return 0;
	front->lost = true;
	if (result == 0)
		front_set_state(front, XenbusStateClosed);
	return -ENOTCONN;
}

int front_wait(struct front *front, int timeout_ms)
{
	struct pollfd fds[FRONT_RINGS_MAX + 1];
	unsigned count = front_pollfds(front, fds, countof(fds));
	int result;

	if (front->lost)
		return -ENOTCONN;
	result = poll(fds, count, timeout_ms);
	if (result == 0)
		return -ETIMEDOUT;
	if (result < 0)
		return errno == EINTR ? 0 : -errno;
	for (unsigned i = 0; i < front->rings; i++) {
		if (fds[i].revents != 0)
			take_events(front, i);
	}
	return fds[front->rings].revents != 0 ? check_backend(front) : 0;
}
