/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device_lane.c - see device_lane.h.
 */
#include "xen9pfsd/device_lane.h"

#include <errno.h>

#include "common/crash.h"
#include "common/util.h"

#define BURST 64       /* messages taken from one ring before the others have their turn */
#define KEEP_MIN 16384 /* so large a message of a write is not copied, if half the room is left */

_Static_assert(CONTROL_RINGS_MAX <= REQ_LANES_MAX, "a mark for each ring");

static void device_break(struct device *device, const char *why)
{
	if (device->is_broken)
		return;
	device->is_broken = true;
	device->broken(device->arg, why);
}

/* ---- out of the ring, into the session ---- */

/* A Tflush waits until what the other rings hold was taken; see take_flushes(). */
static void receive(struct device_ring *ring, struct req *req)
{
	if (req->in[4] != P9_Tflush) {
		session_receive(req);
		return;
	}
	STAILQ_INSERT_TAIL(&ring->device->flushes, req, link);
	ring->device->flush_count++;
}

/* Half of the room is left for others until it is done; they are given back theirs then, too. */
static bool may_keep(const struct device_ring *ring, const struct ring_message *msg)
{
	return msg->header[4] == P9_Twrite && msg->size >= KEEP_MIN &&
	       msg->size <= ring->ring.half / 2 && !ring->ring.keeps;
}

/* Its turn comes at once, so that there is none when the next comes. */
static void keep(struct device_ring *ring, const struct ring_message *msg, struct req *req)
{
	struct iovec rest[2];

	ring_copy_first(&ring->ring, msg, REQ_KEPT_FROM, req->in);
	ring_rest(&ring->ring, msg, REQ_KEPT_FROM, rest);
	CRASH_POINT();
	session_keeping(req, ring->saved->own.cons, rest);
	CRASH_POINT();
	ring_keep(&ring->ring, msg->size);
	ring->more = true;
}

static void take_one(struct device_ring *ring, const struct ring_message *msg)
{
	struct req *req = session_request(ring->device->session, &ring->lane, msg->size);

	/* Too many are under way: the message stays until one of them is done. */
	if (req == NULL) {
		ring->more = true;
		return;
	}
	if (may_keep(ring, msg)) {
		keep(ring, msg, req);
	} else {
		ring_copy(&ring->ring, msg, req->in);
		CRASH_POINT();
		session_taking(req, ring->saved->own.cons);
		CRASH_POINT();
		ring_advance(&ring->ring, msg->size);
		if (!ring->ring.keeps)
			ring->notify = true;
	}
	CRASH_POINT();
	receive(ring, req);
}

/* Tells whether anything was taken. */
static bool take_burst(struct device_ring *ring)
{
	struct session *session = ring->device->session;
	uint32_t start = ring->saved->own.cons;
	struct ring_message msg;

	ring->more = false;
	for (int i = 0; i < BURST && !ring->more && !ring->device->is_broken; i++) {
		int got = ring_peek(&ring->ring, session_max_message(session), &msg);

		if (got < 0)
			device_break(ring->device, "impossible index or message size in its ring");
		if (got <= 0)
			return ring->saved->own.cons != start;
		take_one(ring, &msg);
	}
	ring->more = true;
	return ring->saved->own.cons != start;
}

/* Takes at least what is in the ring now, which is no more than a half; unless the session is full.
 */
static void drain(struct device_ring *ring)
{
	const struct device *device = ring->device;
	uint32_t start = ring->saved->own.cons;

	do
		take_burst(ring);
	while (ring->more && !device->is_broken && !session_full(device->session) &&
	       ring->saved->own.cons - start < ring->ring.half);
	runner_later(device->runner, &ring->round_end);
}

/* Does the request lie in a ring, unread? */
static bool is_unread(const struct device *device, const struct req *flush)
{
	uint16_t tag;

	if (flush->in_size < RING_HEADER_SIZE + sizeof(tag))
		return false;
	tag = (uint16_t)(flush->in[RING_HEADER_SIZE] | flush->in[RING_HEADER_SIZE + 1] << 8);
	for (unsigned n = 0; n < device->rings; n++) {
		if (ring_holds(&device->ring[n].ring, tag))
			return true;
	}
	return false;
}

/* A Tflush may overtake its request, which lies in another ring: rings have no order among them.
 * It was published before the flush, so it is there by now. When the session is full it may have to
 * stay there, and its flush waits; unless all that is in the session are such flushes, which would
 * wait for each other. */
static void take_flushes(struct device *device)
{
	struct req_queue waiting = STAILQ_HEAD_INITIALIZER(waiting);
	struct req *flush;

	for (int i = 0; i < BURST && (flush = STAILQ_FIRST(&device->flushes)) != NULL; i++) {
		for (unsigned n = 0; n < device->rings; n++)
			drain(&device->ring[n]);
		STAILQ_REMOVE_HEAD(&device->flushes, link);
		device->flush_count--;
		if (session_full(device->session) &&
		    device->session->reqs > device->flush_count + 1 && is_unread(device, flush)) {
			STAILQ_INSERT_TAIL(&waiting, flush, link);
			device->flush_count++;
		} else {
			session_receive(flush);
		}
	}
	/* They are the next after those that were not looked at. */
	STAILQ_CONCAT(&device->flushes, &waiting);
}

/* Nothing more is taken. */
void device_lane_receive_flushes(struct device *device)
{
	struct req *flush;

	while ((flush = STAILQ_FIRST(&device->flushes)) != NULL) {
		STAILQ_REMOVE_HEAD(&device->flushes, link);
		session_receive(flush);
	}
}

/* Nothing more is taken here; the successor has them as they are. */
void device_lane_leave_flushes(struct device *device)
{
	struct req *flush;

	while ((flush = STAILQ_FIRST(&device->flushes)) != NULL) {
		STAILQ_REMOVE_HEAD(&device->flushes, link);
		session_leave(flush);
	}
}

bool device_lane_take(struct device_ring *ring)
{
	bool any;

	if (ring->device->paused)
		return false;
	any = take_burst(ring);
	take_flushes(ring->device);
	if (!STAILQ_EMPTY(&ring->device->flushes))
		ring->more = true;
	return any;
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

	if (atomic_load(&ring->placing) && !ring->device->is_broken)
		return;
	while ((req = STAILQ_FIRST(&ring->unsent)) != NULL) {
		int err = 0;

		/* Its place in the rings is gone, or nobody waits for it any more. */
		if (!ring->device->is_broken && !req_flushed(req)) {
			session_putting(req, ring->saved->own.prod);
			CRASH_POINT();
			err = ring_put(&ring->ring, req->out, req->out_size);
			CRASH_POINT();
		}
		if (err == -EAGAIN)
			return;
		if (err < 0)
			device_break(ring->device, "impossible index in its ring");
		STAILQ_REMOVE_HEAD(&ring->unsent, link);
		session_sent(req);
		ring->notify = true;
	}
}

/* The guest may use a tag again once it has Rflush. An older reply to that tag could still lie in
 * another ring, unread, and be taken for the new request's: so Rflush waits until what the other
 * rings hold now has been taken. A frontend notifies when it has. */
static void hold_flush(struct device_ring *ring, struct req *req)
{
	struct device *device = ring->device;

	for (unsigned i = 0; i < device->rings; i++)
		req->mark[i] = device->ring[i].saved->own.prod;
	STAILQ_INSERT_TAIL(&ring->held, req, link);
}

static bool marks_passed(const struct device_ring *ring, const struct req *req)
{
	const struct device *device = ring->device;

	for (unsigned i = 0; i < device->rings; i++) {
		if (&device->ring[i] != ring && !ring_consumed(&device->ring[i].ring, req->mark[i]))
			return false;
	}
	return true;
}

static void release_held(struct device_ring *ring)
{
	struct req *req;

	while ((req = STAILQ_FIRST(&ring->held)) != NULL &&
	       (ring->device->is_broken || marks_passed(ring, req))) {
		STAILQ_REMOVE_HEAD(&ring->held, link);
		STAILQ_INSERT_TAIL(&ring->unsent, req, link);
	}
}

/* What there is room for, and what nothing is in the way of any more. */
void device_lane_send(struct device_ring *ring)
{
	release_held(ring);
	put_unsent(ring);
}

static void ring_send(struct lane *lane, struct req *req)
{
	struct device_ring *ring = container_of(lane, struct device_ring, lane);

	if (req->out[4] == P9_Rflush)
		hold_flush(ring, req);
	else
		STAILQ_INSERT_TAIL(&ring->unsent, req, link);
	device_lane_send(ring);
	runner_later(ring->device->runner, &ring->round_end);
}

/* ---- replies that are written in the ring ---- */

static bool ring_place_reply(struct lane *lane, uint32_t header, uint32_t size,
			     struct iovec place[2])
{
	struct device_ring *ring = container_of(lane, struct device_ring, lane);

	/* Who has been waiting for room comes first. */
	if (ring->device->is_broken || atomic_load(&ring->placing) ||
	    !STAILQ_EMPTY(&ring->unsent) || ring_place(&ring->ring, header, size, place) < 0)
		return false;
	atomic_store(&ring->placing, true);
	return true;
}

static void ring_give_back(struct lane *lane)
{
	atomic_store(&container_of(lane, struct device_ring, lane)->placing, false);
}

static void ring_send_placed(struct lane *lane, struct req *req)
{
	struct device_ring *ring = container_of(lane, struct device_ring, lane);

	if (!ring->device->is_broken) {
		session_placed(req, ring->saved->own.prod);
		CRASH_POINT();
		ring_put_placed(&ring->ring, req->out, P9_READ_HEADER, req->out_size);
		CRASH_POINT();
		ring->notify = true;
	}
	atomic_store(&ring->placing, false);
	put_unsent(ring);
	runner_later(ring->device->runner, &ring->round_end);
}

/* ---- requests that are used in the ring ---- */

static bool ring_fetch_rest(struct lane *lane, uint8_t *in, uint32_t size, uint32_t at)
{
	return ring_fetch(&container_of(lane, struct device_ring, lane)->ring, at, REQ_KEPT_FROM,
			  size, in);
}

static void ring_release_kept(struct lane *lane)
{
	struct device_ring *ring = container_of(lane, struct device_ring, lane);

	if (ring->page == NULL)
		return;
	ring_release(&ring->ring);
	ring->notify = true;
	runner_later(ring->device->runner, &ring->round_end);
}

/* ---- a predecessor's requests ---- */

static void ring_retake_message(struct lane *lane, uint32_t at, uint32_t size)
{
	ring_retake(&container_of(lane, struct device_ring, lane)->ring, at, size);
}

/* As when it came: a Tflush waits until its request is taken, too. */
static void ring_taken(struct lane *lane, struct req *req)
{
	receive(container_of(lane, struct device_ring, lane), req);
}

static bool ring_was_put_reply(struct lane *lane, uint32_t at)
{
	return ring_was_put(&container_of(lane, struct device_ring, lane)->ring, at);
}

void device_lane_init(struct device_ring *ring)
{
	ring->lane.send = ring_send;
	ring->lane.released = ring_released;
	ring->lane.place = ring_place_reply;
	ring->lane.give_back = ring_give_back;
	ring->lane.send_placed = ring_send_placed;
	ring->lane.fetch = ring_fetch_rest;
	ring->lane.release = ring_release_kept;
	ring->lane.retake = ring_retake_message;
	ring->lane.taken = ring_taken;
	ring->lane.was_put = ring_was_put_reply;
	STAILQ_INIT(&ring->unsent);
	STAILQ_INIT(&ring->held);
}
