/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_lock.c - byte-range locks of host files: of the OFD kind, which belong to an open file
 * description, as each open file has one of its own.
 *
 * A thread that waits in the kernel is told to stop by a signal, whose handler does nothing: the
 * call fails with EINTR, and what to do next is read from wait->cancelled. A signal that comes
 * after that was read and before the call sleeps is lost; so whoever cancels repeats it
 * (fs_lock_wake()) until the call is back. Once the flag is set the thread sleeps at most once
 * more, and the next signal finds it there.
 */
#include <fcntl.h>
#include <signal.h>

#include "fs/local.h"

#define LOCAL_WAKE SIGURG /* ignored where nobody waits for it */

static struct flock local_flock(const struct fs_lock *lock)
{
	static const short types[] = {
		[FS_LOCK_READ] = F_RDLCK,
		[FS_LOCK_WRITE] = F_WRLCK,
		[FS_LOCK_NONE] = F_UNLCK,
	};

	return (struct flock){
		.l_type = types[lock->type],
		.l_whence = SEEK_SET,
		.l_start = (off_t)lock->start,
		.l_len = (off_t)lock->length,
	};
}

int local_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock)
{
	struct flock flock = local_flock(lock);
	int ret = LOCAL_SYS(fcntl(file.id, F_OFD_SETLK, &flock));

	(void)fs;
	return ret == -EACCES ? -EAGAIN : ret;
}

static void local_woken(int number)
{
	(void)number;
}

void local_lock_begin(void)
{
	const struct sigaction action = {.sa_handler = local_woken};

	sigaction(LOCAL_WAKE, &action, NULL);
}

int local_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
		    struct fs_wait *wait)
{
	struct flock flock = local_flock(lock);
	sigset_t wake;
	int ret = -EINTR;

	(void)fs;
	sigemptyset(&wake);
	sigaddset(&wake, LOCAL_WAKE);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	while (ret == -EINTR && !fs_wait_cancelled(wait))
		ret = fcntl(file.id, F_OFD_SETLKW, &flock) ? -errno : 0;
	return ret;
}

void local_lock_wake(struct fs *fs, struct fs_wait *wait)
{
	(void)fs;
	pthread_kill(wait->thread, LOCAL_WAKE);
}

int local_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock)
{
	struct flock flock = local_flock(lock);
	int ret = LOCAL_SYS(fcntl(file.id, F_OFD_GETLK, &flock));

	(void)fs;
	if (ret)
		return ret;
	lock->type = FS_LOCK_NONE;
	if (flock.l_type == F_UNLCK)
		return 0;
	lock->type = flock.l_type == F_RDLCK ? FS_LOCK_READ : FS_LOCK_WRITE;
	lock->start = (uint64_t)flock.l_start;
	lock->length = (uint64_t)flock.l_len;
	return 0;
}
