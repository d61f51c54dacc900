/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * faults.c - preloaded into a daemon and all its processes, for tests: memory that runs out and
 * storage that fails, switched on and off while they run. The switches are words of the file that
 * FAULTS names, in this order; it is mapped at the start, before any wall is up.
 */
#include <errno.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile struct faults {
	uint32_t every;	      /* each of so many allocations fails; 0: none */
	uint32_t write_errno; /* of files' contents; 0: none */
	uint32_t read_errno;
	uint32_t injected; /* how many faults there were */
	uint32_t allocations;
	uint32_t fsync_errno; /* once, as the kernel tells an error of write-behind; 0: none */
} * faults;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void begin(void)
{
	int fd = open(getenv("FAULTS"), O_RDWR | O_CLOEXEC);
	void *area = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (area == MAP_FAILED)
		abort();
	close(fd);
	faults = area;
}

static int inject(uint32_t error)
{
	__atomic_add_fetch(&faults->injected, 1, __ATOMIC_RELAXED);
	errno = (int)error;
	return -1;
}

/* ---- memory ---- */

static int allocation_fails(void)
{
	if (faults == NULL || faults->every == 0)
		return 0;
	if (__atomic_add_fetch(&faults->allocations, 1, __ATOMIC_RELAXED) % faults->every != 0)
		return 0;
	return inject(ENOMEM);
}

void *malloc(size_t size)
{
	return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return allocation_fails() ? NULL : __libc_realloc(old, size);
}

/* ---- storage ---- */

static int sync_with(int fd, const char *name)
{
	int (*next)(int fd);
	uint32_t error = __atomic_exchange_n(&faults->fsync_errno, 0, __ATOMIC_RELAXED);

	if (error != 0)
		return inject(error);
	*(void **)&next = dlsym(RTLD_NEXT, name);
	return next(fd);
}

int fsync(int fd)
{
	return sync_with(fd, "fsync");
}

int fdatasync(int fd)
{
	return sync_with(fd, "fdatasync");
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
	static ssize_t (*next)(int fd, const void *bytes, size_t size, off_t offset);

	if (faults->write_errno != 0)
		return inject(faults->write_errno);
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "pwrite");
	return next(fd, bytes, size, offset);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t offset)
{
	static ssize_t (*next)(int fd, void *bytes, size_t size, off_t offset);

	if (faults->read_errno != 0)
		return inject(faults->read_errno);
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "pread");
	return next(fd, bytes, size, offset);
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	static ssize_t (*next)(int fd, const struct iovec *iov, int count, off_t offset, int flags);

	if (faults->read_errno != 0)
		return inject(faults->read_errno);
	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "preadv2");
	return next(fd, iov, count, offset, flags);
}
