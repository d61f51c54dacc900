/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * storm.c - see storm.h.
 */
#include "xen9pfsd/storm.h"

#define STORM_MOST (STORM_FREE + 32) /* more are not counted */

void storm_event(struct storm *storm)
{
	if (storm->vain < STORM_MOST)
		storm->vain++;
}

void storm_told(struct storm *storm)
{
	storm->vain = 0;
}

int64_t storm_wait_ns(const struct storm *storm)
{
	int64_t wait = STORM_FIRST_NS;

	if (storm->vain <= STORM_FREE)
		return 0;
	wait <<= storm->vain - STORM_FREE - 1;
	return wait < STORM_LONGEST_NS ? wait : STORM_LONGEST_NS;
}
