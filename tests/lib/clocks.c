/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clocks.c - see clocks.h.
 */
#include "tests/lib/clocks.h"

struct clocks clocks;

/* What calls of clock_gettime() are linked to, and what that was (ld(1), --wrap). */
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	int ret = __real_clock_gettime(clock, now);

	if (clock == CLOCK_REALTIME_COARSE)
		now->tv_sec = clocks.coarse;
	else if (clock == CLOCK_MONOTONIC)
		now->tv_sec += clocks.ahead;
	return ret;
}
