/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device_parts.h - a device and its rings, for device*.c only.
 */
#ifndef XEN9PFSD_DEVICE_PARTS_H
#define XEN9PFSD_DEVICE_PARTS_H

#include <stdatomic.h>

#include "proto/session.h"
#include "xen9pfsd/device.h"
#include "xen9pfsd/storm.h"
#include "xenbus/link.h"
#include "xenbus/ring.h"

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

#endif
