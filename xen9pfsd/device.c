/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device.c - see device.h: rings mapped and let go of, a session begun or taken over. What travels
 * through the rings is device_lane.c's, what wakes whom device_events.c's.
 */
#include "xen9pfsd/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crash.h"
#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/device_events.h"
#include "xen9pfsd/device_lane.h"
#include "xen9pfsd/export_args.h"

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
			.lane.number = i,
			.device = d,
			.saved = &arena->ring[i],
		};
		device_lane_init(&d->ring[i]);
		device_events_init(&d->ring[i]);
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
	ret = device_events_begin(device);
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
	device_lane_leave_flushes(device);
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
	device_events_end(device);
	device_lane_receive_flushes(device);
	for (unsigned i = 0; i < device->rings && device->link != NULL; i++) {
		int failed;

		device_lane_send(&device->ring[i]);
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
