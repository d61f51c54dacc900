/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device_lane.h - messages between rings and session: each ring is a lane of it (session.h).
 *
 * What is taken from a ring is copied whole into a request before anybody looks at it, but for the
 * data of a large write, which nobody looks at. A reply that does not fit into the ring waits in
 * `unsent`, and never keeps requests from being taken. On the loop, but where session.h says other.
 */
#ifndef XEN9PFSD_DEVICE_LANE_H
#define XEN9PFSD_DEVICE_LANE_H

#include "xen9pfsd/device_parts.h"

void device_lane_init(struct device_ring *ring);

/* Takes what the ring holds, a burst of it, unless the device is paused; true: there was something.
 * device_ring::more tells whether more is left. */
bool device_lane_take(struct device_ring *ring);

/* Sends what there is room for, and what nothing is in the way of any more. */
void device_lane_send(struct device_ring *ring);

/* Nothing more is taken: a Tflush that waited until it was receives its turn, or is left to the
 * successor as it is. */
void device_lane_receive_flushes(struct device *device);
void device_lane_leave_flushes(struct device *device);

#endif
