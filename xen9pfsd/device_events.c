/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device_events.c - see device_events.h.
 */
#include "xen9pfsd/device_events.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/crash.h"
#include "common/util.h"
#include "xen9pfsd/device_lane.h"

#define OWED_MAX 8 /* ends of rounds, of any ring, that an event to the guest may wait for it */

/* The guest may have taken replies, which lets others go, here and in other rings. */
static void send_on(struct device *device)
{
	for (unsigned i = 0; i < device->rings; i++) {
		device_lane_send(&device->ring[i]);
		if (device->ring[i].notify)
			runner_later(device->runner, &device->ring[i].round_end);
	}
}

static void serve(struct device_ring *ring)
{
	send_on(ring->device);
	device_lane_take(ring);
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

static bool may_take(const struct device *device)
{
	return !device->is_broken && !session_full(device->session);
}

/* Nobody looks there while others have work for the loop: its port, masked, brings no events. */
static bool is_overlooked(const struct device_ring *ring)
{
	return ring->masked && !ring->more && ring_offers(&ring->ring);
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
	if (ring->more && may_take(device))
		serve(ring);
	for (unsigned i = 0; i < device->rings; i++) {
		if (is_overlooked(&device->ring[i]) && may_take(device))
			serve(&device->ring[i]);
	}
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

		device_lane_send(ring);
		if (ring_offers(&ring->ring) && device_lane_take(ring))
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

int device_events_begin(struct device *device)
{
	int ret;

	device->poller = (struct runner_poller){.look = device_look, .rest = device_rest};
	runner_set_poller(device->runner, &device->poller, device->polls);
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

void device_events_end(struct device *device)
{
	if (device->source.fd >= 0)
		runner_remove(device->runner, &device->source);
	if (device->timer_source.fd >= 0)
		runner_remove(device->runner, &device->timer_source);
}

void device_events_init(struct device_ring *ring)
{
	ring->round_end.run = ring_round_end;
}
