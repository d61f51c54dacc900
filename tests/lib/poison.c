/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * poison.c - preloaded into a daemon, for tests: whoever makes a directory with "deadly-" in its
 * name dies of it, each time.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int mkdirat(int dir, const char *name, mode_t mode)
{
	static int (*next)(int dir, const char *name, mode_t mode);

	if (strstr(name, "deadly-") != NULL)
		abort();
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "mkdirat");
	return next(dir, name, mode);
}
