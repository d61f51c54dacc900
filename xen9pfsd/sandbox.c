/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sandbox.c - see sandbox.h. `walls` below is the order in which they are put up; the functions
 * stand in the same order.
 *
 * Left out on purpose:
 * - A user namespace. Owners of files would have to be mapped, all of them.
 * - RLIMIT_NPROC. It does not bind root and counts all of a user's processes; the service's
 *   TasksMax= is the place. Processes cannot be made anyway.
 */
#include <config.h>

#include "xen9pfsd/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LIBXEN
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#endif

#include "common/util.h"

/* The runtimes of these sanitizers open files in /proc, trace threads by their numbers there and
 * use system calls of their own; and a process that is to kill itself cannot be the first of its
 * namespace. Such a build for tests has fewer walls, and says so. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif
#if defined(SANITIZED)
#define LEFT_OUT                                                                                   \
	(SANDBOX_PIDS | SANDBOX_ROOT | SANDBOX_UNTRACED | SANDBOX_LANDLOCK | SANDBOX_SYSCALLS)
#elif defined(CRASH_POINTS)
#define LEFT_OUT ((unsigned)SANDBOX_PIDS)
#else
#define LEFT_OUT 0U
#endif

static int outcome(long result)
{
	return result < 0 ? -errno : 0;
}

/* ---- process numbers ----
 *
 * Where another process has no number it can be neither traced nor sent a signal by it, whatever
 * rights and system calls there are. Only its own process group, keeper and workers of its share, a
 * worker could name without one: kill(0, ...), which is the filter's. */

static pid_t clone_with(unsigned long long flags, int *pidfd)
{
	struct clone_args args = {
		.flags = flags | (pidfd != NULL ? CLONE_PIDFD : 0),
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

pid_t sandbox_clone(unsigned long long flags, int *pidfd)
{
	pid_t pid = -EPERM;

	if ((LEFT_OUT & SANDBOX_PIDS) == 0)
		pid = clone_with(flags | CLONE_NEWPID, pidfd);
	/* No right to it, not in this kernel, too many. */
	if (pid == -EPERM || pid == -EINVAL || pid == -ENOSPC)
		pid = clone_with(flags, pidfd);
	return pid;
}

/* Looks, rather than believes. */
static int check_numbers(const struct sandbox *sandbox)
{
	(void)sandbox;
	return getpid() == 1 ? 0 : -EPERM;
}

/* ---- the export ----
 *
 * ".." of a directory on the host's mount leads up to the host's root, and seccomp cannot read
 * paths. A copy of the mount tree that is attached nowhere has nothing above it. It lives as
 * long as its descriptor, in any process and mount namespace. */

int sandbox_mount(int root, bool readonly, bool devices)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW |
			    (devices ? 0U : MOUNT_ATTR_NODEV) | (readonly ? MOUNT_ATTR_RDONLY : 0U),
		/* What the host mounts below it later would come without these. */
		.propagation = MS_PRIVATE,
	};
	_cleanup_close_ int tree = open_tree(root, "",
					     (unsigned)AT_EMPTY_PATH | OPEN_TREE_CLONE |
						     OPEN_TREE_CLOEXEC | (unsigned)AT_RECURSIVE);

	if (tree < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return -errno;
	return take_fd(&tree);
}

/* Looks, rather than believes: the descriptor may have come from elsewhere. */
static int check_export(const struct sandbox *sandbox)
{
	const unsigned long flags = ST_NOSUID | ST_NOEXEC |
				    (sandbox->devices ? 0 : (unsigned long)ST_NODEV) |
				    (sandbox->readonly ? (unsigned long)ST_RDONLY : 0);
	struct stat above, root;
	struct statvfs fs;

	if (fstatvfs(sandbox->export, &fs) < 0 || fstat(sandbox->export, &root) < 0 ||
	    fstatat(sandbox->export, "..", &above, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if ((fs.f_flag & flags) != flags || above.st_dev != root.st_dev ||
	    above.st_ino != root.st_ino)
		return -EPERM;
	return 0;
}

/* ---- namespaces ----
 *
 * No network and nobody's abstract sockets, should a socket ever be had; no shared memory or
 * queues of System V; a host name that nobody else sees. Sockets that are open stay what they
 * are. */

static int own_namespaces(const struct sandbox *sandbox)
{
	(void)sandbox;
	return outcome(unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
}

/* ---- the host's files ----
 *
 * What is opened from here on by path, the event channels' device first of all, is opened on a
 * read-only mount: later nobody can change its mode or owner through the descriptor, which
 * neither Landlock nor seccomp would notice. Devices can be written to all the same. */

static int only_look(const struct sandbox *sandbox)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};

	(void)sandbox;
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	return outcome(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)));
}

/* ---- the root directory ----
 *
 * All files are reached through descriptors, so no path has to lead anywhere: the root is an
 * empty, read-only tmpfs. But what a node's O_PATH descriptor cannot do is done through its name
 * in /proc/self/fd. That one directory is mounted here, without the rest of /proc, which holds
 * much that root may write. A descriptor of it from outside must not be kept: ".." leads there. */

static int empty_root(void)
{
	const unsigned attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	_cleanup_close_ int type = fsopen("tmpfs", FSOPEN_CLOEXEC);
	_cleanup_close_ int root = -1;

	if (type < 0 || fsconfig(type, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(type, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	root = fsmount(type, FSMOUNT_CLOEXEC, attr);
	if (root < 0 || mkdirat(root, "proc", 0555) < 0 || mkdirat(root, "proc/self", 0555) < 0 ||
	    mkdirat(root, "proc/self/fd", 0555) < 0)
		return -errno;
	return take_fd(&root);
}

/* `root` is put over the present root, becomes the root, and what is below it goes. */
static int change_root(int root)
{
	/* Before anything moves, so that it moves here only, whatever was done before. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(root) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int own_root(const struct sandbox *sandbox)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
	_cleanup_close_ int root = -1, fds = -1;
	int ret = outcome(unshare(CLONE_NEWNS));

	(void)sandbox;
	if (ret < 0)
		return ret;
	fds = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fds < 0)
		return -errno;
	root = empty_root();
	if (root < 0)
		return root;
	ret = change_root(root);
	if (ret < 0)
		return ret;
	if (move_mount(fds, "", AT_FDCWD, "/proc/self/fd", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	return outcome(mount_setattr(root, "", AT_EMPTY_PATH, &attr, sizeof(attr)));
}

/* ---- limits ----
 *
 * A core file would hold what the guest has in its files. The rest is what a process without
 * work for it might use against the host. */

static int lower_limits(const struct sandbox *sandbox)
{
	static const __rlimit_resource_t none[] = {
		RLIMIT_CORE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO,
	};
	const struct rlimit zero = {0, 0};

	(void)sandbox;
	for (size_t i = 0; i < countof(none); i++) {
		if (setrlimit(none[i], &zero) < 0)
			return -errno;
	}
	return 0;
}

/* ---- capabilities ----
 *
 * A guest's objects have owners of the guest's choice, and its kernel has checked its users'
 * rights: passthrough, and none when it runs as root, make and change files as anybody. Mapped
 * models do not need all of these, and attributes trusted.* and security.* that are to be the
 * host's need more: fs_export_capabilities(). Not here otherwise: CAP_DAC_READ_SEARCH, with which
 * handles open files outside the export; CAP_KILL; CAP_SYS_*. local_cred.c goes on lowering and
 * raising the effective set of single threads within these, and on changing the file system user:
 * with it the kernel takes and gives capabilities, so SECBIT_NO_SETUID_FIXUP stays off, and locked.
 */

static const int kept[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID, CAP_MKNOD,
};

unsigned long long sandbox_capabilities(void)
{
	unsigned long long set = 0;

	for (size_t i = 0; i < countof(kept); i++)
		set |= 1ULL << kept[i];
	return set;
}

/* Being root is no capability any more, none can be inherited, and no program that were
 * executed all the same could have any. Needs CAP_SETPCAP. */
static int bound_capabilities(const struct sandbox *sandbox)
{
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	(void)sandbox;
	if (prctl(PR_SET_SECUREBITS, bits) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	/* Up to the last one that this kernel knows. */
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap) < 0)
			return -errno;
	}
	return 0;
}

static int keep_set(unsigned long long set)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, caps) < 0)
		return -errno;
	for (size_t i = 0; i < countof(caps); i++) {
		caps[i].permitted &= (uint32_t)(set >> 32 * i);
		caps[i].effective = caps[i].permitted;
		caps[i].inheritable = 0;
	}
	return outcome(syscall(SYS_capset, &header, caps));
}

static int keep_capabilities(const struct sandbox *sandbox)
{
	return keep_set(sandbox->capabilities != 0 ? sandbox->capabilities
						   : sandbox_capabilities());
}

/* ---- among its like ----
 *
 * Workers of two shares have the same user and the same capabilities; whoever is not dumpable
 * can be traced, and looked at in /proc, with CAP_SYS_PTRACE only. */

static int refuse_tracing(const struct sandbox *sandbox)
{
	(void)sandbox;
	return outcome(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/* Nothing that is executed gains anything by its set-id bits or file capabilities. The next two
 * walls need it, too. */
static int no_new_privs(const struct sandbox *sandbox)
{
	(void)sandbox;
	return outcome(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* ---- Landlock ----
 *
 * The second wall for files: it goes by the object that is opened and where that lies, not by
 * the way to it. So it also holds for a descriptor in the table that should not be there, and
 * for a directory that somebody on the host moves out of the export. /proc/self/fd may be walked
 * through, for what counts is the object behind. Later versions keep signals and abstract
 * sockets inside, too.
 *
 * linux/landlock.h is the kernel's that we are built on; these are from later ones, up to
 * version 6, by their numbers. */

#define FS_ABI_1 ((1ULL << 13) - 1)
#define FS_REFER (1ULL << 13)	  /* 2, Linux 5.19: to other directories by link and rename */
#define FS_TRUNCATE (1ULL << 14)  /* 3, Linux 6.2 */
#define FS_IOCTL_DEV (1ULL << 15) /* 5, Linux 6.10 */
#define NET_TCP 3ULL		  /* 4, Linux 6.7: bind, connect */
#define SCOPES 3ULL		  /* 6, Linux 6.12: abstract sockets, signals */

struct ruleset {
	uint64_t fs, net, scoped;
};

/* -EOPNOTSUPP: off, or the first version, with which nobody can rename to another directory. */
static int landlock_rules(struct ruleset *rules)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 2)
		return abi < 0 ? -errno : -EOPNOTSUPP;
	*rules = (struct ruleset){
		.fs = FS_ABI_1 | FS_REFER | (abi >= 3 ? FS_TRUNCATE : 0) |
		      (abi >= 5 ? FS_IOCTL_DEV : 0),
		.net = abi >= 4 ? NET_TCP : 0,
		.scoped = abi >= 6 ? SCOPES : 0,
	};
	return 0;
}

static int only_export(const struct sandbox *sandbox)
{
	const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	struct landlock_path_beneath_attr beneath = {.parent_fd = sandbox->export};
	_cleanup_close_ int fd = -1;
	struct ruleset rules;
	int ret = landlock_rules(&rules);

	if (ret < 0)
		return ret;
	/* Older kernels take the longer struct: what they do not know is 0. */
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
	if (fd < 0)
		return -errno;
	beneath.allowed_access = rules.fs & ~(LANDLOCK_ACCESS_FS_EXECUTE | FS_IOCTL_DEV);
	if (sandbox->readonly)
		beneath.allowed_access = reading;
	if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return -errno;
	return outcome(syscall(SYS_landlock_restrict_self, fd, 0));
}

/* ---- descriptors ----
 *
 * Where a guest has used up all, its next process needs some until it serves, or it would come
 * without the walls that take one. */

static int leave_files(const struct sandbox *sandbox)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur <= 2 * sandbox->reserve)
		return 0;
	limit.rlim_cur -= sandbox->reserve;
	return outcome(setrlimit(RLIMIT_NOFILE, &limit));
}

/* ---- system calls ----
 *
 * What a worker, its C library and its threads do, and nothing else: whoever does something
 * else is not ours any more, and is killed. The list is for 64-bit kernels. Calls of another
 * architecture (32-bit ones on x86) are killed, too. */

static const int allowed[] = {
	/* files, all beneath directories that are open */
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(close),
	SCMP_SYS(close_range),
	SCMP_SYS(dup3),
	SCMP_SYS(read),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv2),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(getdents64),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(readlinkat),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fchmodat),
	SCMP_SYS(fchownat),
	SCMP_SYS(utimensat),
	SCMP_SYS(linkat),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat),
	SCMP_SYS(renameat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(getxattr),
	SCMP_SYS(listxattr),
	SCMP_SYS(removexattr),
	SCMP_SYS(setxattr),
	SCMP_SYS(umask),

	/* objects of other owners: local_cred.c */
	SCMP_SYS(capget),
	SCMP_SYS(capset),
	SCMP_SYS(setfsgid),
	SCMP_SYS(setfsuid),

	/* events */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(eventfd2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),

	/* sockets that are there: control, handover, simulated bus */
	SCMP_SYS(accept4),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendto),

	/* memory, threads, time, signals of its own */
	SCMP_SYS(brk),
	SCMP_SYS(madvise),
	SCMP_SYS(mremap),
	SCMP_SYS(munmap),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(gettid),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_getaffinity), /* malloc, for the number of its arenas */
	SCMP_SYS(sysinfo),	     /* qsort, for the size of its buffer */
	SCMP_SYS(sched_yield),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(nanosleep),
};

/* Allowed when one argument is one of these, or two are. */
static const struct argument {
	int call;
	unsigned count;
	struct scmp_arg_cmp compare[2];
} arguments[] = {
	/* No memory that can be executed and was not there before. */
	{SCMP_SYS(mmap), 1, {{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}}},
	{SCMP_SYS(mprotect), 1, {{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}}},
	/* No process, only threads. */
	{SCMP_SYS(clone),
	 1,
	 {{0, SCMP_CMP_MASKED_EQ,
	   CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
		   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
	   CLONE_THREAD}}},
	/* Not F_SETOWN and F_SETSIG, which send any signal to any process; no leases. */
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_GETFD, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_SETFD, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_GETFL, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_SETFL, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_DUPFD_CLOEXEC, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_OFD_GETLK, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_OFD_SETLK, 0}}},
	{SCMP_SYS(fcntl), 1, {{1, SCMP_CMP_EQ, F_OFD_SETLKW, 0}}},
	/* Limits and patience of a handover. */
	{SCMP_SYS(prlimit64), 2, {{0, SCMP_CMP_EQ, 0, 0}, {2, SCMP_CMP_EQ, 0, 0}}},
	{SCMP_SYS(setsockopt),
	 2,
	 {{1, SCMP_CMP_EQ, SOL_SOCKET, 0}, {2, SCMP_CMP_EQ, SO_RCVTIMEO, 0}}},
	{SCMP_SYS(setsockopt),
	 2,
	 {{1, SCMP_CMP_EQ, SOL_SOCKET, 0}, {2, SCMP_CMP_EQ, SO_SNDTIMEO, 0}}},
	{SCMP_SYS(prctl), 1, {{0, SCMP_CMP_EQ, PR_SET_NAME, 0}}},
#ifdef HAVE_LIBXEN
	/* The ports it has, no others. */
	{SCMP_SYS(ioctl), 1, {{1, SCMP_CMP_EQ, IOCTL_EVTCHN_NOTIFY, 0}}},
	{SCMP_SYS(ioctl), 1, {{1, SCMP_CMP_EQ, IOCTL_EVTCHN_UNBIND, 0}}},
#endif
};

/* Those that are numbered below 0 do not exist on this architecture. */
static int allow(scmp_filter_ctx filter, int call, unsigned count,
		 const struct scmp_arg_cmp *compare)
{
	return call < 0 ? 0 : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, compare);
}

static int fill_filter(const struct sandbox *sandbox, scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp own = {0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0};
	const struct scmp_arg_cmp none = {0, SCMP_CMP_EQ, 0, 0};
	int ret = 0;

	for (size_t i = 0; i < countof(allowed) && ret == 0; i++)
		ret = allow(filter, allowed[i], 0, NULL);
	for (size_t i = 0; i < countof(arguments) && ret == 0; i++)
		ret = allow(filter, arguments[i].call, arguments[i].count, arguments[i].compare);
	/* abort(3), and threads that wait for a lock; nobody else can be meant. */
	if (ret == 0)
		ret = allow(filter, SCMP_SYS(tgkill), 1, &own);
	if (ret == 0)
		ret = allow(filter, SCMP_SYS(kill), 1, &own);
	/* Away from the server's groups, to no others but a user's: local_cred.c */
	if (ret == 0)
		ret = allow(filter, SCMP_SYS(setgroups), sandbox->groups ? 0 : 1, &none);
	/* Its flags are in memory, where a filter cannot look: the C library goes on to clone. */
	if (ret == 0)
		ret = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return ret;
}

static int filter_calls(const struct sandbox *sandbox)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret;

	if (filter == NULL)
		return -ENOMEM;
	/* A binary tree: what has to look at arguments is found in few steps. */
	ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (ret == 0)
		ret = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (ret == 0)
		ret = fill_filter(sandbox, filter);
	if (ret == 0)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret;
}

/* ---- all of them ---- */

/* In this order, because each step needs rights that a later one takes away: mounts and
 * namespaces CAP_SYS_ADMIN, the bounding set CAP_SETPCAP, Landlock no_new_privs (and after it
 * nothing can be mounted any more), and all of it calls that the filter refuses. */
enum step { ENTER, CLOSE, LOCK };

static const struct wall {
	enum sandbox_wall wall;
	const char *name;
	enum step step;
	bool minimum; /* serving without it is out of the question */
	int (*build)(const struct sandbox *sandbox);
} walls[] = {
	{SANDBOX_PIDS, "own process numbers", ENTER, false, check_numbers},
	{SANDBOX_EXPORT, "a mount of its own for the export", ENTER, false, check_export},
	{SANDBOX_NAMESPACES, "own namespaces", ENTER, false, own_namespaces},
	{SANDBOX_HOST, "a read-only host", ENTER, false, only_look},
	{SANDBOX_ROOT, "an empty root directory", CLOSE, false, own_root},
	{SANDBOX_LIMITS, "limits", LOCK, false, lower_limits},
	{SANDBOX_BOUNDS, "bounds of capabilities", LOCK, false, bound_capabilities},
	{SANDBOX_CAPABILITIES, "few capabilities", LOCK, true, keep_capabilities},
	{SANDBOX_UNTRACED, "not dumpable", LOCK, false, refuse_tracing},
	{SANDBOX_NO_NEW_PRIVS, "no new privileges", LOCK, true, no_new_privs},
	{SANDBOX_LANDLOCK, "Landlock", LOCK, false, only_export},
	{SANDBOX_LIMITS, "a limit of files", LOCK, false, leave_files},
	{SANDBOX_SYSCALLS, "a filter of system calls", LOCK, true, filter_calls},
};

static int build(struct sandbox *sandbox, enum step step, char *err, size_t errlen)
{
	const unsigned without = sandbox->without | LEFT_OUT;

	for (size_t i = 0; i < countof(walls); i++) {
		const struct wall *wall = &walls[i];
		int ret = 0;

		if (wall->step != step)
			continue;
		if ((without & wall->wall) == 0)
			ret = wall->build(sandbox);
		if (ret == 0 && (without & wall->wall) == 0)
			continue;
		sandbox->missing |= wall->wall;
		if (ret == 0 || !wall->minimum)
			continue;
		snprintf(err, errlen, "it cannot be confined: %s: %s", wall->name, strerror(-ret));
		return ret;
	}
	return 0;
}

int sandbox_enter(struct sandbox *sandbox, char *err, size_t errlen)
{
	return build(sandbox, ENTER, err, errlen);
}

int sandbox_close(struct sandbox *sandbox, char *err, size_t errlen)
{
	return build(sandbox, CLOSE, err, errlen);
}

int sandbox_lock(struct sandbox *sandbox, char *err, size_t errlen)
{
	return build(sandbox, LOCK, err, errlen);
}

int sandbox_shed(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	int ret = outcome(syscall(SYS_capget, &header, caps)), bounds = 0;

	if (ret < 0)
		return ret;
	/* Who has none any more has done this before, or was never root. */
	if ((caps[0].permitted | caps[1].permitted) != 0) {
		bounds = bound_capabilities(NULL);
		ret = keep_set(0);
	}
	if (ret == 0)
		ret = no_new_privs(NULL);
	return ret == 0 ? bounds : ret;
}

bool sandbox_is_shed(void)
{
	return (prctl(PR_GET_SECUREBITS) & SECBIT_NOROOT) != 0;
}

void sandbox_names(unsigned set, char *text, size_t size)
{
	size_t used = 0;

	snprintf(text, size, "none");
	for (size_t i = 0; i < countof(walls); i++) {
		if ((set & walls[i].wall) == 0 || used >= size)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "",
					 walls[i].name);
	}
}
