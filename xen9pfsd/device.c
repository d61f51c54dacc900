/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device.c - see device.h. Each ring is a lane of the session. What is taken from a ring is
 * copied whole into a request before anybody looks at it; a reply that does not fit into the ring
 * waits in `unsent`, and never keeps requests from being taken. Events are owed, not sent: a ring
 * that moved an index notifies once, at the end of the round.
 */
#include "xen9pfsd/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/log.h"
#include "common/util.h"
#include "proto/session.h"
#include "xenbus/link.h"
#include "xenbus/ring.h"

#define BURST 64 /* messages taken from one ring before the others have their turn */

struct device_ring {
	struct lane lane;
	struct device *device;
	struct ring ring;
	struct ring_saved saved;
	struct ring_page *page;
	void *data;
	size_t data_pages;
	int port; /* local */
	struct req_queue unsent;
	struct runner_task round_end;
	bool notify;
	bool more; /* messages may be left in the ring */
};

struct device {
	struct runner *runner;
	struct link *link;
	struct runner_source source;
	struct session *session;
	void (*broken)(void *arg, const char *why);
	void *arg;
	bool is_broken;
	bool draining; /* see take_others() */
	unsigned rings;
	struct device_ring ring[CONTROL_RINGS_MAX];
};

static void device_break(struct device *device, const char *why)
{
	if (device->is_broken)
		return;
	device->is_broken = true;
	device->broken(device->arg, why);
}

/* ---- out of the ring, into the session ---- */

static void take(struct device_ring *ring);

/* A Tflush may overtake its request, which lies in another ring: rings have no order among them.
 * It was published before the flush, so it is there by now. */
static void take_others(struct device_ring *ring)
{
	struct device *device = ring->device;

	if (device->draining)
		return;
	device->draining = true;
	for (unsigned i = 0; i < device->rings; i++) {
		if (&device->ring[i] == ring)
			continue;
		take(&device->ring[i]);
		runner_later(device->runner, &device->ring[i].round_end);
	}
	device->draining = false;
}

static void take_one(struct device_ring *ring, const struct ring_message *msg)
{
	struct req *req;

	if (msg->header[4] == P9_Tflush)
		take_others(ring);
	req = session_request(ring->device->session, &ring->lane, msg->size);
	/* Too many are under way: the message stays until one of them is done. */
	if (req == NULL) {
		ring->more = true;
		return;
	}
	ring_copy(&ring->ring, msg, req->in);
	ring_advance(&ring->ring, msg->size);
	ring->notify = true;
	session_receive(req);
}

static void take(struct device_ring *ring)
{
	struct session *session = ring->device->session;
	struct ring_message msg;

	ring->more = false;
	for (int i = 0; i < BURST && !ring->more && !ring->device->is_broken; i++) {
		int got = ring_peek(&ring->ring, session_max_message(session), &msg);

		if (got < 0)
			device_break(ring->device, "impossible index or message size in its ring");
		if (got <= 0)
			return;
		take_one(ring, &msg);
	}
	ring->more = true;
}

/* ---- out of the session, into the ring ---- */

/* There is room for a message that had to stay in its ring. */
static void ring_released(struct lane *lane)
{
	struct device *device = container_of(lane, struct device_ring, lane)->device;

	for (unsigned i = 0; i < device->rings; i++) {
		if (device->ring[i].more)
			runner_later(device->runner, &device->ring[i].round_end);
	}
}

static void put_unsent(struct device_ring *ring)
{
	struct req *req;

	while ((req = STAILQ_FIRST(&ring->unsent)) != NULL) {
		int err = 0;

		/* Its place in the rings is gone, or nobody waits for it any more. */
		if (!ring->device->is_broken && !req_flushed(req))
			err = ring_put(&ring->ring, req->out, req->out_size);
		if (err == -EAGAIN)
			return;
		if (err < 0)
			device_break(ring->device, "impossible index in its ring");
		STAILQ_REMOVE_HEAD(&ring->unsent, link);
		session_sent(req);
		ring->notify = true;
	}
}

static void ring_send(struct lane *lane, struct req *req)
{
	struct device_ring *ring = container_of(lane, struct device_ring, lane);

	STAILQ_INSERT_TAIL(&ring->unsent, req, link);
	put_unsent(ring);
	runner_later(ring->device->runner, &ring->round_end);
}

/* ---- events ---- */

static void serve(struct device_ring *ring)
{
	put_unsent(ring);
	take(ring);
	runner_later(ring->device->runner, &ring->round_end);
}

static void ring_round_end(struct runner_task *task)
{
	struct device_ring *ring = container_of(task, struct device_ring, round_end);

	if (ring->device->link == NULL)
		return;
	if (ring->notify)
		link_notify(ring->device->link, (uint32_t)ring->port);
	ring->notify = false;
	if (ring->more && !ring->device->is_broken && !session_full(ring->device->session))
		serve(ring);
}

static struct device_ring *ring_of_port(struct device *device, int port)
{
	for (unsigned i = 0; i < device->rings; i++) {
		if (device->ring[i].port == port)
			return &device->ring[i];
	}
	return NULL;
}

static void link_ready(struct runner_source *source, uint32_t events)
{
	struct device *device = container_of(source, struct device, source);

	(void)events;
	/* Once around: a guest that never stops sending must not keep the loop here. */
	for (unsigned i = 0; i < device->rings; i++) {
		int port = link_pending(device->link);
		struct device_ring *ring = port >= 0 ? ring_of_port(device, port) : NULL;

		if (ring == NULL)
			return;
		/* Unmasked before the last look: what comes after it is an event. */
		link_unmask(device->link, (uint32_t)port);
		atomic_thread_fence(memory_order_seq_cst);
		serve(ring);
		if (device->is_broken)
			return;
	}
}

/* ---- life ---- */

__attribute__((format(printf, 4, 5))) static int fail(char *text, size_t size, int err,
						      const char *format, ...)
{
	va_list args;
	int used;

	va_start(args, format);
	used = vsnprintf(text, size, format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < size)
		snprintf(text + used, size - (size_t)used, ": %s", strerror(-err));
	return err;
}

static int ring_map(struct device_ring *ring, unsigned number, const struct control_start *start,
		    char *err, size_t errlen)
{
	struct link *link = ring->device->link;
	uint32_t refs[1u << RING_ORDER_MAX];
	unsigned order;
	int ret;

	ring->port = link_bind(link, start->domid, start->port[number]);
	if (ring->port < 0)
		return fail(err, errlen, ring->port, "ring %u: bind event channel %u", number,
			    start->port[number]);
	ring->page = link_map(link, start->domid, &start->ref[number], 1);
	if (ring->page == NULL)
		return fail(err, errlen, -errno, "ring %u: map interface page, grant ref %u",
			    number, start->ref[number]);
	ret = ring_read_setup(ring->page, RING_ORDER_MAX, &order, refs);
	if (ret < 0)
		return fail(err, errlen, ret, "ring %u: bad order in its interface page", number);
	ring->data = link_map(link, start->domid, refs, (size_t)1 << order);
	if (ring->data == NULL)
		return fail(err, errlen, -errno, "ring %u: map %u data pages", number, 1u << order);
	ring->data_pages = (size_t)1 << order;
	ret = ring_init(&ring->ring, RING_BACKEND, ring->page, ring->data, order, &ring->saved);
	if (ret < 0)
		return fail(err, errlen, ret, "ring %u: impossible indices", number);
	return 0;
}

static int map_rings(struct device *device, const struct control_start *start, char *err,
		     size_t errlen)
{
	int ret = link_open(start->bus, NULL, &device->link, err, errlen);

	if (ret < 0)
		return ret;
	ret = link_restrict(device->link, start->domid);
	if (ret < 0)
		log_warning("cannot restrict event channels to guest %u: %s", start->domid,
			    strerror(-ret));
	for (unsigned i = 0; i < start->rings; i++) {
		ret = ring_map(&device->ring[i], i, start, err, errlen);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* No message may be larger than the smallest ring can carry in one piece. */
static uint32_t msize_max(const struct device *device)
{
	uint32_t least = P9_MSIZE_MAX;

	for (unsigned i = 0; i < device->rings; i++) {
		if (device->ring[i].ring.half < least)
			least = device->ring[i].ring.half;
	}
	return least;
}

static int begin(struct device *device, struct fs *fs)
{
	const struct session_config config = {.msize_max = msize_max(device)};
	int err = session_create(fs, &config, runner_executor(device->runner), NULL, &device->session);

	if (err < 0)
		return err;
	device->source = (struct runner_source){.fd = link_fd(device->link), .ready = link_ready};
	return runner_add(device->runner, &device->source, EPOLLIN);
}

int device_open(const struct control_start *start, struct fs *fs, struct runner *runner,
		void (*broken)(void *arg, const char *why), void *arg, struct device **device,
		char *err, size_t errlen)
{
	struct device *d = calloc(1, sizeof(*d));
	int ret;

	if (d == NULL)
		return fail(err, errlen, -ENOMEM, "device");
	d->runner = runner;
	d->broken = broken;
	d->arg = arg;
	d->rings = start->rings;
	d->source.fd = -1;
	for (unsigned i = 0; i < d->rings; i++) {
		d->ring[i] = (struct device_ring){
			.lane = {.send = ring_send, .released = ring_released},
			.device = d,
			.port = -1,
			.round_end.run = ring_round_end,
		};
		STAILQ_INIT(&d->ring[i].unsent);
	}
	ret = map_rings(d, start, err, errlen);
	if (ret == 0) {
		ret = begin(d, fs);
		if (ret < 0)
			fail(err, errlen, ret, "session");
	}
	if (ret < 0) {
		device_disconnect(d);
		device_destroy(d);
		return ret;
	}
	*device = d;
	return 0;
}

static void ring_unmap(struct device_ring *ring)
{
	struct link *link = ring->device->link;
	int err = 0;

	if (ring->port >= 0)
		link_unbind(link, (uint32_t)ring->port);
	if (ring->data != NULL)
		err = link_unmap(link, ring->data, ring->data_pages);
	if (ring->page != NULL && err == 0)
		err = link_unmap(link, ring->page, 1);
	if (err < 0)
		log_error("cannot unmap a ring: %s", strerror(-err));
	ring->port = -1;
	ring->data = NULL;
	ring->page = NULL;
}

void device_disconnect(struct device *device)
{
	device->is_broken = true;
	if (device->source.fd >= 0)
		runner_remove(device->runner, &device->source);
	for (unsigned i = 0; i < device->rings && device->link != NULL; i++) {
		put_unsent(&device->ring[i]);
		ring_unmap(&device->ring[i]);
	}
	link_close(device->link);
	device->link = NULL;
	if (device->session != NULL)
		session_close(device->session);
}

bool device_idle(const struct device *device)
{
	return session_idle(device->session);
}

void device_destroy(struct device *device)
{
	if (device == NULL)
		return;
	session_destroy(device->session);
	free(device);
}
