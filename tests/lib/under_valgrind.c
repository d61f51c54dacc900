/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * under_valgrind.c - preloaded into programs that run under valgrind 3.19, which knows neither
 * openat2(2) nor pidfd_open(2) nor clone3(2) and executes itself for /proc/self/exe: the same by
 * older means. For tests of the process alone: paths are not held beneath their tree here, and a
 * keeper and its worker have a table of descriptors each.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_FD 900  /* a child's end of the pipe that tells of its end; it must not close it */
#define SPARE_FD 15 /* a keeper's number that is not in use; a worker closes what is above */

/* Readable, with an end of file, once the last child that was spawned has ended. */
static int child_end = -1;

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *attr, char *const argv[], char *const envp[])
{
	int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
		     const posix_spawnattr_t *, char *const[], char *const[]) =
		dlsym(RTLD_NEXT, "posix_spawn");
	char program[4096];
	int ends[2], err;

	if (strcmp(path, "/proc/self/exe") == 0) {
		ssize_t length = readlink(path, program, sizeof(program) - 1);

		if (length < 0)
			return errno;
		program[length] = '\0';
		path = program;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return errno;
	posix_spawn_file_actions_adddup2((posix_spawn_file_actions_t *)(uintptr_t)actions, ends[1],
					 END_FD);
	err = spawn(pid, path, actions, attr, argv, envp);
	close(ends[1]);
	child_end = ends[0];
	return err;
}

/* What closes all that it does not know leaves END_FD open. */
int close_range(unsigned first, unsigned last, int flags)
{
	int (*range)(unsigned, unsigned, int) = dlsym(RTLD_NEXT, "close_range");
	int err = 0;

	if (flags != 0 || first > END_FD || last < END_FD)
		return range(first, last, flags);
	if (first < END_FD)
		err = range(first, END_FD - 1, flags);
	return err == 0 && last > END_FD ? range(END_FD + 1, last, flags) : err;
}

/* A worker: what stands for its pidfd is readable when it has ended. */
static long clone_by_fork(const struct clone_args *args)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], SPARE_FD);
		close(ends[0]);
	} else {
		*(int *)(uintptr_t)args->pidfd = ends[0];
	}
	close(ends[1]);
	return pid;
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	int (*wait_for)(idtype_t, id_t, siginfo_t *, int) = dlsym(RTLD_NEXT, "waitid");

	return type == P_PIDFD ? wait_for(P_ALL, 0, info, options)
			       : wait_for(type, id, info, options);
}

long syscall(long number, ...)
{
	long (*call)(long, ...) = dlsym(RTLD_NEXT, "syscall");
	long arg[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	/* A keeper asks for its own, which its worker looks at. */
	if (number == SYS_pidfd_open)
		return child_end >= 0 ? child_end : eventfd(0, EFD_CLOEXEC);
	if (number == SYS_clone3)
		return clone_by_fork((const struct clone_args *)arg[0]);
	if (number == SYS_openat2) {
		const struct open_how *how = (const struct open_how *)arg[2];

		return openat((int)arg[0], (const char *)arg[1], (int)how->flags, (int)how->mode);
	}
	return call(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

/* It knows no filters of system calls either, and makes calls of its own besides: there is none. */
void *seccomp_init(uint32_t action)
{
	static int filter;

	(void)action;
	return &filter;
}

int seccomp_rule_add_array(void *filter, uint32_t action, int call, unsigned count,
			   const void *args)
{
	(void)filter, (void)action, (void)call, (void)count, (void)args;
	return 0;
}

int seccomp_rule_add(void *filter, uint32_t action, int call, unsigned count, ...)
{
	(void)filter, (void)action, (void)call, (void)count;
	return 0;
}

int seccomp_attr_set(void *filter, int attribute, uint32_t value)
{
	(void)filter, (void)attribute, (void)value;
	return 0;
}

int seccomp_load(const void *filter)
{
	(void)filter;
	return 0;
}

void seccomp_release(void *filter)
{
	(void)filter;
}
