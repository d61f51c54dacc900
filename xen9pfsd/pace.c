/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pace.c - see pace.h.
 */
#include "xen9pfsd/pace.h"

uint32_t pace_next(struct pace_count *count, int64_t now_ms)
{
	if (count->count == 0 || now_ms - count->since_ms > PACE_PERIOD_MS) {
		count->since_ms = now_ms;
		count->count = 0;
	}
	if (count->count < UINT32_MAX)
		count->count++;
	return count->count;
}
