/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sandbox.h - the walls around a worker, so that a guest that takes it over has gained what its
 * export holds, which it had before, and nothing else. sandbox.c is their list, in order, each with
 * its reason; docs/security.md tells which test shows what.
 *
 * In steps, because a share's processes share descriptors, rings have to be mapped, and a session
 * may have to be found again:
 *
 *   keeper   sandbox_clone()   makes each worker
 *   worker   sandbox_mount()   the first one of a keeper, for all that follow
 *   worker   sandbox_enter()   first of all: the host's files can only be looked at
 *   worker   sandbox_close()   when it has mapped the rings: the host's files are gone. Only now
 *                              the export is opened, and a lost session found again
 *   worker   sandbox_lock()    before it looks at what the guest has sent
 *
 * A process that is to be confined has one thread. What the kernel or a lack of privilege does not
 * allow is a reduction, and is to be logged; below the minimum (no new privileges, no capabilities
 * but the listed ones, the filter of system calls) the worker must not serve.
 */
#ifndef XEN9PFSD_SANDBOX_H
#define XEN9PFSD_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_wall {
	SANDBOX_EXPORT = 1 << 0,       /* the export is a mount without a parent: sandbox_mount() */
	SANDBOX_NAMESPACES = 1 << 1,   /* own network, System V IPC, host name */
	SANDBOX_HOST = 1 << 2,	       /* own mounts, all of them read-only; */
	SANDBOX_ROOT = 1 << 3,	       /* none of them left: an empty root directory */
	SANDBOX_LIMITS = 1 << 4,       /* no core file, no locked memory, no real time */
	SANDBOX_BOUNDS = 1 << 5,       /* capabilities cannot come back */
	SANDBOX_CAPABILITIES = 1 << 6, /* none but those for files of any owner */
	SANDBOX_UNTRACED = 1 << 7,     /* not dumpable: its like cannot look into it */
	SANDBOX_NO_NEW_PRIVS = 1 << 8,
	SANDBOX_LANDLOCK = 1 << 9,  /* files beneath the export only, whatever is in the table */
	SANDBOX_SYSCALLS = 1 << 10, /* seccomp: what a worker does not need kills it */
	SANDBOX_PIDS = 1 << 11,	    /* own process numbers: sandbox_clone() */
};

struct sandbox {
	int export;    /* root directory of the export, from sandbox_mount() if that worked */
	bool readonly; /* nothing in it may change */
	bool devices;  /* those in it may be opened */
	bool groups;   /* it may join any */
	/* Those it may keep, as in /proc/PID/status; 0: sandbox_capabilities(). */
	unsigned long long capabilities;
	unsigned reserve; /* so many files fewer may it open in the end */
	unsigned without; /* for tests: walls that are not put up */
	unsigned missing; /* added to: walls that are not there. Zeroed at first */
};

/* A new O_PATH descriptor of directory `root` on a mount of its own, with all that is mounted
 * below: no parent to go up to, no set-id bits, no programs, no symlink followed, and no devices
 * unless they are asked for. One for the whole life of the session: descriptors from two mounts of
 * one directory do not mix in link(2) and rename(2). Mounts that the host makes below it later do
 * not show. -EPERM without CAP_SYS_ADMIN, -EINVAL or -ENOSYS before Linux 5.14: then `root` has to
 * do, and a wall is missing. */
int sandbox_mount(int root, bool readonly, bool devices);

/* As fork(2), with `flags` of clone(2) and, unless `pidfd` is NULL, a new pidfd (O_CLOEXEC): 0 in
 * the child, its number here, or -errno. The child is the first process of a pid namespace; without
 * CAP_SYS_ADMIN, or where no namespace can be had, it is an ordinary one, and a wall is missing.
 * A first process is not killed by signals that it sends itself, nor by others' but SIGKILL, unless
 * it handles them; by faults and by the filter of system calls it is. */
pid_t sandbox_clone(unsigned long long flags, int *pidfd);

/* 0; or -errno and a text, when the minimum cannot be had. */
int sandbox_enter(struct sandbox *sandbox, char *err, size_t errlen);
int sandbox_close(struct sandbox *sandbox, char *err, size_t errlen);
int sandbox_lock(struct sandbox *sandbox, char *err, size_t errlen);

/* For a process that needs no rights besides its user's: no capabilities from here on, none that
 * come back, also in a program that it becomes. 0 or -errno: some are left. */
int sandbox_shed(void);
bool sandbox_is_shed(void); /* by root, in this program or the one before */

/* The names of `walls`, for the log; cut at `size`. */
void sandbox_names(unsigned walls, char *text, size_t size);

/* Capabilities that a locked worker has, when it had them before and nothing else was said: those
 * for files of any owner. */
unsigned long long sandbox_capabilities(void);

#endif
