/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * storm.h - events for which there is nothing to do, and how long the next one is put off.
 *
 * A few are in order: a Linux guest sends one behind the replies that it has taken, and a new port
 * brings one. So only those are counted that came since the guest was last told anything. Many of
 * them in a row cost a wake-up each; from then on a port stays masked for a while, ever longer.
 * What comes while it is masked comes when it is not any more, so nothing is lost.
 *
 * Only arithmetic. One thread at a time.
 */
#ifndef XEN9PFSD_STORM_H
#define XEN9PFSD_STORM_H

#include <stdint.h>

#define STORM_FREE 16		     /* events in a row */
#define STORM_FIRST_NS 1000000LL     /* doubled with each further one, */
#define STORM_LONGEST_NS 128000000LL /* up to this */

/* Of one port; all zeros: none yet. */
struct storm {
	uint32_t vain; /* events since the guest was told anything */
};

void storm_event(struct storm *storm); /* one came */
void storm_told(struct storm *storm);  /* the guest is told that something was done */

/* How long the port is to stay masked; 0: not at all. */
int64_t storm_wait_ns(const struct storm *storm);

#endif
