/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device_events.h - when rings are looked at, and when their guest is told.
 *
 * Events come and go as seldom as can be. A port that brought one stays masked while the loop looks
 * at the rings anyway, until it is about to sleep; and then for a while, if there have been many
 * for nothing (storm.h). An event to the guest is owed when a ring moved an index, and is due at
 * the end of the round; later if the guest has not come to the end of what the last one was for,
 * since it is busy with it. It is sent in any case before the loop sleeps.
 */
#ifndef XEN9PFSD_DEVICE_EVENTS_H
#define XEN9PFSD_DEVICE_EVENTS_H

#include "xen9pfsd/device_parts.h"

void device_events_init(struct device_ring *ring);

/* From here on the device's runner serves it; 0 or -errno. And no longer, on the loop. */
int device_events_begin(struct device *device);
void device_events_end(struct device *device);

#endif
