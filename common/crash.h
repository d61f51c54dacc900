/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * crash.h - instants at which a test build may die as from kill -9.
 *
 * CRASH_POINT() stands between two effects that outlive the process. In normal builds it is
 * nothing. With configure --enable-crash-points the environment says what happens there:
 *
 *   XEN9PFSD_CRASH=SEED:RATE         at any visit of any point death has probability 1/RATE
 *   XEN9PFSD_CRASH=at:FILE:LINE[:N]  death at the Nth (first) visit of this point in a process;
 *                                    FILE with its folder: fs/intent.c
 *   XEN9PFSD_CRASH=each:FILE:LINE:N  the same at each Nth of the visits that the log counts
 *   XEN9PFSD_CRASH_LOG=FILE          visits and deaths of every point of every process are
 *                                    counted there, also of points never visited
 *
 * The environment is read when the program starts; processes made by fork or clone go on with it.
 */
#ifndef COMMON_CRASH_H
#define COMMON_CRASH_H

#include <stdint.h>

/* The log: mapped by all processes at once. An entry belongs to a point for good; entries are
 * added while the file is locked, and read up to the first without a name. */
#define CRASH_LOG_POINTS 1024

struct crash_count {
	char file[52];
	uint32_t line;
	uint32_t visits, deaths;
};

struct crash_log {
	struct crash_count counts[CRASH_LOG_POINTS];
};

#ifdef CRASH_POINTS

struct crash_point {
	const char *file;
	uint32_t line;
	struct crash_count *count; /* NULL without a log */
};

void crash_visit(const struct crash_point *point);

/* The linker gathers the pointers: that is the list of all points, visited or not. */
#define CRASH_POINT()                                                                              \
	do {                                                                                       \
		static struct crash_point crash_point_ = {.file = __FILE__, .line = __LINE__};     \
		static struct crash_point *crash_entry_                                            \
			__attribute__((section("crash_points"), used)) = &crash_point_;            \
		crash_visit(&crash_point_);                                                        \
	} while (0)

#else
#define CRASH_POINT()                                                                              \
	do {                                                                                       \
	} while (0)
#endif

#endif
