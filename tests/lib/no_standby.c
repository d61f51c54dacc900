/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * no_standby.c - preloaded into a daemon, for tests: a standby gets no address space for rings.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	static void *(*next)(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
	char name[16] = "";

	if (prot == PROT_NONE)
		prctl(PR_GET_NAME, name);
	if (strcmp(name, "xen9pfsd-stand") == 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "mmap");
	return next(addr, size, prot, flags, fd, offset);
}
