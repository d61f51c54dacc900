/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * clocks.h - the clocks that the code under test tells time by are the test's: no test depends on
 * how fast the machine is. For programs that are linked with -Wl,--wrap=clock_gettime; libraries
 * and the kernel go by the real ones.
 */
#ifndef TESTS_LIB_CLOCKS_H
#define TESTS_LIB_CLOCKS_H

#include <time.h>

#define CLOCKS_HOUR 3600

/* In seconds. Not to be changed while others ask for the time. */
extern struct clocks {
	time_t coarse; /* what CLOCK_REALTIME_COARSE reads; it stands still */
	time_t ahead;  /* CLOCK_MONOTONIC is, of the real one: who waits until then waits longer */
} clocks;

#endif
