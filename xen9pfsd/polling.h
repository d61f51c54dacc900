/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * polling.h - how long a loop without work looks for more before it sleeps.
 *
 * A sleep that ends at once costs more than it saves: several microseconds until the thread runs
 * again, and an event that the other side had to send. So while sleeps prove short, the loop looks
 * around for a while first; how long follows what it finds. What it looks in vain is kept below a
 * part of the processor, and nobody looks while others wait for the processor.
 *
 * Only arithmetic; times are nanoseconds of CLOCK_MONOTONIC. One thread at a time.
 */
#ifndef XEN9PFSD_POLLING_H
#define XEN9PFSD_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#define POLLING_MAX_NS 50000	    /* one look around is never longer */
#define POLLING_PERIOD_NS 10000000  /* of so much time */
#define POLLING_BUDGET_NS 1000000   /* so much may be looked in vain */
#define POLLING_PREEMPTED_NS 200000 /* the processor was somebody else's: no more */
#define POLLING_TRUCE_NS 100000000  /* for so long */

struct polling {
	int64_t window; /* how long the next look around may be; 0: not at all */
	int64_t since;	/* when the period began */
	int64_t wasted; /* since then */
	int64_t truce;	/* not before */
};

/* A loop that has nothing to do may look around until then; `now` or less: it is to sleep. */
int64_t polling_until(struct polling *polling, int64_t now);

/* It looked around from `began` to `now`, and found something or not. */
void polling_looked(struct polling *polling, int64_t began, int64_t now, bool found);

/* While it looked, the clock jumped. */
void polling_preempted(struct polling *polling, int64_t now);

/* It slept from `began` to `now`, when an event came. */
void polling_slept(struct polling *polling, int64_t began, int64_t now);

#endif
