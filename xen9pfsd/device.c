/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device.c - see device.h. Each ring is a lane of the session. What is taken from a ring is
 * copied whole into a request before anybody looks at it, but for the data of a large write, which
 * nobody looks at. A reply that does not fit into the ring waits in `unsent`, and never keeps
 * requests from being taken.
 *
 * Events come and go as seldom as can be. A port that brought one stays masked while the loop looks
 * at the rings anyway, until it is about to sleep; and then for a while, if there have been many
 * for nothing (storm.h). An event to the guest is owed when a ring moved an index, and is due at
 * the end of the round; later if the guest has not come to the end of what the last one was for,
 * since it is busy with it. It is sent in any case before the loop sleeps.
 */
#include "xen9pfsd/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/crash.h"
#include "common/log.h"
#include "common/util.h"
#include "proto/session.h"
#include "xen9pfsd/export_args.h"
#include "xen9pfsd/storm.h"
#include "xenbus/link.h"
#include "xenbus/ring.h"

#define BURST 64       /* messages taken from one ring before the others have their turn */
#define KEEP_MIN 16384 /* larger writes are not copied, if they leave the ring half of its room */
#define OWED_MAX 8     /* ends of rounds, of any ring, that an event to the guest may wait for it */

_Static_assert(CONTROL_RINGS_MAX <= REQ_LANES_MAX, "a mark for each ring");

struct device_ring {
	struct lane lane;
	struct device *device;
	struct arena_ring *saved;
	struct ring ring;
	struct ring_page *page;
	void *data;
	struct req_queue unsent;
	struct req_queue held; /* Rflush; see hold_flush() */
	struct runner_task round_end;
	bool notify;   /* an event is owed, */
	unsigned owed; /* since so many ends of rounds */
	uint32_t told; /* the last event was for what was put before */
	bool more;     /* messages may be left in the ring */
	bool masked;   /* its events do not come */
	struct storm storm;
	atomic_bool placing; /* an ask writes where the next reply goes, or has written there */
};

struct device {
	struct arena *arena;
	bool succeeds; /* a predecessor: the arena had a session */
	struct runner *runner;
	struct link *link;
	struct runner_source source;
	struct runner_poller poller;
	bool polls; /* control_start::polling */
	int timer;  /* -1, or unmasks all ports */
	struct runner_source timer_source;
	bool timer_runs;
	struct session *session;
	void (*broken)(void *arg, const char *why);
	void *arg;
	bool is_broken;
	bool paused;
	struct req_queue flushes; /* taken, not received */
	uint32_t flush_count;
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

/* Whatever becomes of it, others find room. */
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
static void receive_flushes(struct device *device)
{
	struct req *flush;

	while ((flush = STAILQ_FIRST(&device->flushes)) != NULL) {
		STAILQ_REMOVE_HEAD(&device->flushes, link);
		session_receive(flush);
	}
}

/* Nothing more is taken here; the successor has them as they are. */
static void leave_flushes(struct device *device)
{
	struct req *flush;

	while ((flush = STAILQ_FIRST(&device->flushes)) != NULL) {
		STAILQ_REMOVE_HEAD(&device->flushes, link);
		session_leave(flush);
	}
}

static bool take(struct device_ring *ring)
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
static void send_waiting(struct device_ring *ring)
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
	send_waiting(ring);
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

/* ---- events ---- */

/* The guest may have taken replies, which lets others go, here and in other rings. */
static void send_on(struct device *device)
{
	for (unsigned i = 0; i < device->rings; i++) {
		send_waiting(&device->ring[i]);
		if (device->ring[i].notify)
			runner_later(device->runner, &device->ring[i].round_end);
	}
}

static void serve(struct device_ring *ring)
{
	send_on(ring->device);
	take(ring);
	runner_later(ring->device->runner, &ring->round_end);
}

static void notify(struct device_ring *ring)
{
	if (!ring->notify)
		return;
	ring->notify = false;
	storm_told(&ring->storm);
	ring->owed = 0;
	ring->told = ring->saved->own.prod;
	link_notify(ring->device->link, ring->saved->port);
}

/* Is an event owed to a guest that is not busy with the last one? */
static bool is_awaited(const struct device_ring *ring)
{
	return ring->notify && ring_consumed(&ring->ring, ring->told);
}

static void notify_if_due(struct device_ring *ring)
{
	if (is_awaited(ring) || (ring->notify && ++ring->owed > OWED_MAX))
		notify(ring);
}

/* The other rings are looked after, too: they may have no rounds of their own for long. */
static void ring_round_end(struct runner_task *task)
{
	struct device_ring *ring = container_of(task, struct device_ring, round_end);
	struct device *device = ring->device;

	if (device->link == NULL)
		return;
	CRASH_POINT();
	for (unsigned i = 0; i < device->rings; i++)
		notify_if_due(&device->ring[i]);
	if (ring->more && !ring->device->is_broken && !session_full(ring->device->session))
		serve(ring);
}

/* ---- without events ---- */

static bool device_look(struct runner_poller *poller)
{
	struct device *device = container_of(poller, struct device, poller);
	bool any = false;

	if (device->link == NULL || device->is_broken)
		return false;
	for (unsigned i = 0; i < device->rings; i++) {
		struct device_ring *ring = &device->ring[i];

		send_waiting(ring);
		if (ring_offers(&ring->ring) && take(ring))
			any = true;
	}
	for (unsigned i = 0; i < device->rings && !any; i++) {
		struct device_ring *ring = &device->ring[i];

		if (is_awaited(ring))
			notify(ring);
	}
	return any;
}

/* An event that came while its port was masked comes now. */
static void unmask(struct device_ring *ring)
{
	if (ring->masked)
		link_unmask(ring->device->link, ring->saved->port);
	ring->masked = false;
}

/* Is its next event to wait? Where several rings have to, the first one's time is good for all. */
static bool is_put_off(const struct device_ring *ring)
{
	struct device *device = ring->device;
	const int64_t wait_ns = storm_wait_ns(&ring->storm);
	const struct itimerspec once = {.it_value.tv_nsec = wait_ns};

	if (wait_ns > 0 && !device->timer_runs)
		device->timer_runs = timerfd_settime(device->timer, 0, &once, NULL) == 0;
	return wait_ns > 0 && device->timer_runs;
}

static void device_rest(struct runner_poller *poller)
{
	struct device *device = container_of(poller, struct device, poller);

	for (unsigned i = 0; i < device->rings && device->link != NULL; i++) {
		struct device_ring *ring = &device->ring[i];

		notify(ring);
		if (ring->masked && !is_put_off(ring))
			unmask(ring);
	}
}

static void timer_ready(struct runner_source *source, uint32_t events)
{
	struct device *device = container_of(source, struct device, timer_source);
	uint64_t expirations;

	(void)events;
	if (read(device->timer, &expirations, sizeof(expirations)) < 0)
		return;
	device->timer_runs = false;
	for (unsigned i = 0; i < device->rings; i++)
		unmask(&device->ring[i]);
}

static struct device_ring *ring_of_port(struct device *device, int port)
{
	for (unsigned i = 0; i < device->rings; i++) {
		if (device->ring[i].saved->port == (uint32_t)port)
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
		ring->masked = true;
		storm_event(&ring->storm);
		serve(ring);
		if (device->is_broken)
			return;
	}
}

static int add_sources(struct device *device)
{
	int ret;

	device->source = (struct runner_source){.fd = link_fd(device->link), .ready = link_ready};
	ret = runner_add(device->runner, &device->source, EPOLLIN);
	if (ret < 0)
		return ret;
	device->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (device->timer < 0)
		return -errno;
	device->timer_source = (struct runner_source){.fd = device->timer, .ready = timer_ready};
	return runner_add(device->runner, &device->timer_source, EPOLLIN);
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

/* Maps the interface page and, if `fresh`, reads what the guest has put there, once. */
static int map_page(struct device_ring *ring, unsigned number, const struct control_start *start,
		    bool fresh, char *err, size_t errlen)
{
	struct arena_ring *saved = ring->saved;
	unsigned order;
	int ret;

	if (fresh)
		saved->page_ref = start->ref[number];
	ring->page = link_map(ring->device->link, start->domid, &saved->page_ref, 1);
	if (ring->page == NULL)
		return fail(err, errlen, -errno, "ring %u: map interface page, grant ref %u",
			    number, saved->page_ref);
	if (!fresh)
		return 0;
	ret = ring_read_setup(ring->page, RING_ORDER_MAX, &order, saved->ref);
	if (ret < 0)
		return fail(err, errlen, ret, "ring %u: bad order in its interface page", number);
	saved->order = order;
	return 0;
}

static int map_data(struct device_ring *ring, unsigned number, const struct control_start *start,
		    char *err, size_t errlen)
{
	struct arena_ring *saved = ring->saved;
	size_t pages = (size_t)1 << saved->order;

	ring->data = link_map(ring->device->link, start->domid, saved->ref, pages);
	if (ring->data == NULL)
		return fail(err, errlen, -errno, "ring %u: map %zu data pages", number, pages);
	return 0;
}

static int begin_ring(struct device_ring *ring, unsigned number, char *err, size_t errlen)
{
	struct arena_ring *saved = ring->saved;
	int (*init)(struct ring *, enum ring_side, struct ring_page *, void *, unsigned,
		    struct ring_saved *) = ring->device->succeeds ? ring_resume : ring_init;
	int ret =
		init(&ring->ring, RING_BACKEND, ring->page, ring->data, saved->order, &saved->own);

	return ret < 0 ? fail(err, errlen, ret, "ring %u: impossible indices", number) : 0;
}

static int bind_port(struct device_ring *ring, unsigned number, const struct control_start *start,
		     char *err, size_t errlen)
{
	int port = link_bind(ring->device->link, start->domid, start->port[number]);

	if (port < 0)
		return fail(err, errlen, port, "ring %u: bind event channel %u", number,
			    start->port[number]);
	ring->saved->port = (uint32_t)port;
	return 0;
}

/* The event channels, new or a predecessor's. */
static int open_link(struct device *device, const struct control_start *start, bool bind, char *err,
		     size_t errlen)
{
	int ret;

	if (!bind)
		return link_adopt(start->bus, &device->arena->link, &device->link, err, errlen);
	ret = link_open(start->bus, &device->arena->link, &device->link, err, errlen);
	if (ret < 0)
		return ret;
	ret = link_restrict(device->link, start->domid);
	if (ret < 0)
		log_warning("cannot restrict event channels to guest %u: %s", start->domid,
			    strerror(-ret));
	for (unsigned i = 0; i < device->rings; i++) {
		ret = bind_port(&device->ring[i], i, start, err, errlen);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int map_rings(struct device *device, const struct control_start *start, char *err,
		     size_t errlen)
{
	uint32_t phase = device->arena->phase;
	bool fresh = phase == ARENA_EMPTY;
	int ret = open_link(device, start, phase != ARENA_SERVING, err, errlen);

	for (unsigned i = 0; i < device->rings && ret == 0; i++) {
		ret = map_page(&device->ring[i], i, start, fresh, err, errlen);
		if (ret == 0)
			ret = map_data(&device->ring[i], i, start, err, errlen);
	}
	return ret;
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

int device_map(const struct control_start *start, struct arena *arena, struct device **device,
	       char *err, size_t errlen)
{
	struct device *d = calloc(1, sizeof(*d));
	int ret;

	if (d == NULL)
		return fail(err, errlen, -ENOMEM, "device");
	d->arena = arena;
	d->polls = start->polling;
	d->succeeds = arena->phase != ARENA_EMPTY;
	if (!d->succeeds)
		arena->rings = start->rings;
	d->rings = arena->rings;
	STAILQ_INIT(&d->flushes);
	d->source.fd = d->timer_source.fd = d->timer = -1;
	for (unsigned i = 0; i < d->rings; i++) {
		d->ring[i] = (struct device_ring){
			.lane = {.send = ring_send,
				 .released = ring_released,
				 .place = ring_place_reply,
				 .give_back = ring_give_back,
				 .send_placed = ring_send_placed,
				 .fetch = ring_fetch_rest,
				 .release = ring_release_kept,
				 .number = i,
				 .retake = ring_retake_message,
				 .taken = ring_taken,
				 .was_put = ring_was_put_reply},
			.device = d,
			.saved = &arena->ring[i],
			.round_end.run = ring_round_end,
		};
		STAILQ_INIT(&d->ring[i].unsent);
		STAILQ_INIT(&d->ring[i].held);
	}
	ret = map_rings(d, start, err, errlen);
	if (ret < 0) {
		device_destroy(d);
		return ret;
	}
	link_seal(d->link);
	*device = d;
	return 0;
}

int device_map_fd(const struct device *device)
{
	return link_map_fd(device->link);
}

static int open_session(struct device *device, struct fs *fs, const struct fs_export *export)
{
	struct session_config config = {.msize_max = msize_max(device), .durable = true};
	struct executor *executor = runner_executor(device->runner);
	struct saved *saved = &device->arena->session;
	struct lane *lanes[CONTROL_RINGS_MAX];
	int ret;

	export_args_session(export, &config);
	if (!device->succeeds)
		return session_create(fs, &config, executor, saved, &device->session);
	for (unsigned i = 0; i < device->rings; i++)
		lanes[i] = &device->ring[i].lane;
	ret = session_recover(fs, &config, executor, saved, lanes, &device->session);
	for (unsigned i = 0; i < device->rings && ret == 0; i++)
		ring_release(&device->ring[i].ring);
	return ret;
}

int device_begin(struct device *device, struct fs *fs, const struct fs_export *export,
		 struct runner *runner, void (*broken)(void *arg, const char *why), void *arg,
		 char *err, size_t errlen)
{
	unsigned stale;
	int ret = 0;

	device->runner = runner;
	device->broken = broken;
	device->arg = arg;
	for (unsigned i = 0; i < device->rings && ret == 0; i++)
		ret = begin_ring(&device->ring[i], i, err, errlen);
	if (ret < 0)
		return ret;
	ret = open_session(device, fs, export);
	if (ret < 0)
		return fail(err, errlen, ret, "session");
	if (device->arena->phase == ARENA_RESTORING) {
		stale = session_restore(device->session);
		log_warning("all its processes were lost; %u of its fids are stale", stale);
	}
	saved_set(&device->arena->phase, ARENA_SERVING);
	device->poller = (struct runner_poller){.look = device_look, .rest = device_rest};
	runner_set_poller(runner, &device->poller, device->polls);
	ret = add_sources(device);
	return ret < 0 ? fail(err, errlen, ret, "event channels") : 0;
}

int device_start(struct device *device)
{
	int ret = 0;

	/* Answers only queue up here; the loop is not running yet. */
	if (device->succeeds) {
		session_resume(device->session);
		CRASH_POINT();
		ret = link_resume(device->link);
	}
	for (unsigned i = 0; i < device->rings; i++) {
		device->ring[i].more = true;
		runner_later(device->runner, &device->ring[i].round_end);
	}
	return ret;
}

void device_pause(struct device *device)
{
	device->paused = true;
	leave_flushes(device);
	session_pause(device->session);
}

/* Page and data apart: one may be let go of where the other may not. */
static int ring_unmap(struct device_ring *ring)
{
	struct link *link = ring->device->link;
	int err = 0, more = 0;

	link_unbind(link, ring->saved->port);
	/* Also from under a thread that lost the loop and is still at work there. */
	if (ring->data != NULL)
		err = link_unmap(link, ring->data, (size_t)1 << ring->saved->order);
	if (ring->page != NULL)
		more = link_unmap(link, ring->page, 1);
	ring->data = NULL;
	ring->page = NULL;
	return err < 0 ? err : more;
}

void device_disconnect(struct device *device)
{
	int err = 0;

	device->is_broken = true;
	if (device->source.fd >= 0)
		runner_remove(device->runner, &device->source);
	if (device->timer_source.fd >= 0)
		runner_remove(device->runner, &device->timer_source);
	receive_flushes(device);
	for (unsigned i = 0; i < device->rings && device->link != NULL; i++) {
		int failed;

		send_waiting(&device->ring[i]);
		failed = ring_unmap(&device->ring[i]);
		if (err == 0)
			err = failed;
	}
	/* They go with the process, which is about to end. */
	if (err < 0)
		log_error("cannot unmap all of its rings: %s", strerror(-err));
	link_close(device->link);
	device->link = NULL;
	if (device->session != NULL)
		session_close(device->session);
}

bool device_idle(const struct device *device)
{
	return device->session == NULL || session_idle(device->session);
}

void device_destroy(struct device *device)
{
	if (device == NULL)
		return;
	link_close(device->link);
	cleanup_close(&device->timer);
	session_destroy(device->session);
	free(device);
}
