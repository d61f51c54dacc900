/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slow_dup.c - preloaded into a daemon, for tests: between a descriptor that is new and the number
 * that it is to have, time passes. Who opens beside processes that close what they do not know
 * must not do it then.
 */
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

int dup3(int from, int to, int flags)
{
	static const struct timespec pause = {.tv_nsec = 10000000};
	static int (*next)(int from, int to, int flags);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "dup3");
	nanosleep(&pause, NULL);
	return next(from, to, flags);
}
