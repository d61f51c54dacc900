/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * folding.c - preloaded into a server, for tests: what it exports is on another file system,
 * FOLDING says which: a type of statfs(2), or "casefold" for a directory with `chattr +F`.
 */
#include <dlfcn.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

static const char *folding(void)
{
	const char *text = getenv("FOLDING");

	return text != NULL ? text : "";
}

int fstatfs(int fd, struct statfs *st)
{
	static int (*next)(int fd, struct statfs *st);
	unsigned long type = strtoul(folding(), NULL, 0);
	int ret;

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "fstatfs");
	ret = next(fd, st);
	if (ret == 0 && type != 0 && st->f_type != PROC_SUPER_MAGIC)
		st->f_type = (__fsword_t)type;
	return ret;
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*next)(int fd, unsigned long request, ...);
	va_list more;
	void *argument;

	va_start(more, request);
	argument = va_arg(more, void *);
	va_end(more);
	if (request == FS_IOC_GETFLAGS && strcmp(folding(), "casefold") == 0) {
		*(unsigned *)argument = FS_CASEFOLD_FL;
		return 0;
	}
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "ioctl");
	return next(fd, request, argument);
}
