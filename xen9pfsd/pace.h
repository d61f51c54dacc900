/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pace.h - how often a guest may have the supervisor do something for its device: what an
 * administrator can choose, and the counting. Only arithmetic; times are milliseconds.
 */
#ifndef XEN9PFSD_PACE_H
#define XEN9PFSD_PACE_H

#include <stdint.h>

#define PACE_PERIOD_MS 10000

/* So many in a period. */
struct pace {
	uint32_t connects;     /* further ones wait */
	uint32_t store_events; /* of its frontend; then it is not watched for a while */
	uint32_t log_lines;    /* further ones are left out */
};

/* As long as nothing else was chosen. */
#define PACE_DEFAULT ((struct pace){.connects = 5, .store_events = 100, .log_lines = 100})

/* All zeros: nothing was counted yet. */
struct pace_count {
	int64_t since_ms; /* when the period began */
	uint32_t count;	  /* since then */
};

/* One more: the how manieth is it in its period? */
uint32_t pace_next(struct pace_count *count, int64_t now_ms);

#endif
