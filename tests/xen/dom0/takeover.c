/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * takeover.c - a worker under foreign control, on real Xen: what it can do to other domains.
 *
 *   takeover WORKER DOMID OTHER    all that a worker survives; DOMID is its guest, OTHER another
 * one takeover WORKER NAME           what ends it takeover list names of those
 *
 * The running worker is stopped with ptrace(2) and made to do the system calls of an intruder,
 * behind all its walls. What its filter would not let through anyway is tried with the same
 * descriptors in this process, which has no filter: one wall less, and the descriptor itself has
 * to refuse. Prints a line for each attempt; exit status 1 if one was not as it must be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the kernel's headers take for granted. */
typedef uint16_t domid_t;
typedef uint32_t grant_ref_t;
#include <xen/evtchn.h>
#include <xen/gntdev.h>

#include "common/util.h"

#define PORTS 512	 /* of dom0, looked at */
#define DESCRIPTORS 1024 /* of the worker, looked at */
#define RINGS 2		 /* a Linux frontend has */
#define SCRATCH 2048	 /* bytes below the worker's stack */
#define KILLED (-10000)	 /* instead of a result */

static pid_t worker;
static uint32_t domid, other;
static unsigned failed;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

__attribute__((format(printf, 3, 4))) static void verdict(bool good, const char *name,
							  const char *format, ...)
{
	va_list args;

	printf("%-4s %s: ", good ? "ok" : "FAIL", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	failed += !good;
}

/* ---- the worker at our command ---- */

static struct user_regs_struct before; /* where it was stopped, in a system call */
static int death;

/* In a call that was interrupted and can be made again. */
static bool in_a_call(void)
{
	/* EINTR, and the kernel's own ERESTARTSYS and its like */
	static const long long interrupted[] = {-EINTR, -512, -513, -514, -516};
	bool again = false;
	uint16_t code;
	struct iovec local = {&code, sizeof(code)}, remote = {NULL, sizeof(code)};

	if (ptrace(PTRACE_GETREGS, worker, NULL, &before) < 0)
		die("PTRACE_GETREGS");
	remote.iov_base = (void *)(uintptr_t)(before.rip - sizeof(code));
	for (size_t i = 0; i < countof(interrupted); i++)
		again = again || (long long)before.rax == interrupted[i];
	return again && (long long)before.orig_rax >= 0 &&
	       process_vm_readv(worker, &local, 1, &remote, 1, 0) == sizeof(code) &&
	       code == 0x050f; /* syscall */
}

/* Stops it where it sleeps. */
static void seize(void)
{
	int status;

	if (ptrace(PTRACE_SEIZE, worker, NULL, NULL) < 0)
		die("PTRACE_SEIZE");
	for (;;) {
		if (ptrace(PTRACE_INTERRUPT, worker, NULL, NULL) < 0 ||
		    waitpid(worker, &status, 0) != worker || !WIFSTOPPED(status))
			die("stopping the worker");
		if (in_a_call())
			return;
		if (ptrace(PTRACE_CONT, worker, NULL, NULL) < 0)
			die("PTRACE_CONT");
		usleep(1000);
	}
}

/* It goes on as if nothing had been: with the call that it slept in, once more. */
static void release(void)
{
	before.rip -= 2;
	before.rax = before.orig_rax;
	before.orig_rax = (unsigned long long)-1;
	if (ptrace(PTRACE_SETREGS, worker, NULL, &before) < 0 ||
	    ptrace(PTRACE_DETACH, worker, NULL, NULL) < 0)
		die("PTRACE_DETACH");
}

/* Runs the seized worker to the next beginning or end of a system call; false: it is dead, by the
 * signal `death`. */
static bool run_to_call(void)
{
	int status;

	do {
		if (ptrace(PTRACE_SYSCALL, worker, NULL, NULL) < 0 ||
		    waitpid(worker, &status, 0) != worker)
			die("PTRACE_SYSCALL");
		if (WIFSIGNALED(status)) {
			death = WTERMSIG(status);
			return false;
		}
		if (!WIFSTOPPED(status))
			die("the worker has ended");
	} while (WSTOPSIG(status) != SIGTRAP);
	return true;
}

/* Its system call: a result, -errno, or KILLED (SIGSYS: by its filter). */
static long in_worker(long number, long a, long b, long c, long d)
{
	struct user_regs_struct regs = before;

	regs.rip -= 2;
	regs.rax = (unsigned long long)number;
	regs.orig_rax = (unsigned long long)-1;
	regs.rdi = (unsigned long long)a;
	regs.rsi = (unsigned long long)b;
	regs.rdx = (unsigned long long)c;
	regs.r10 = (unsigned long long)d;
	if (ptrace(PTRACE_SETREGS, worker, NULL, &regs) < 0)
		die("PTRACE_SETREGS");
	if (!run_to_call() || !run_to_call())
		return KILLED;
	if (ptrace(PTRACE_GETREGS, worker, NULL, &regs) < 0)
		die("PTRACE_GETREGS");
	/* Before its filter kills it, the kernel takes the call back: the number stands there
	 * again. */
	if ((long)regs.rax == number && !run_to_call())
		return KILLED;
	return (long)regs.rax;
}

/* Bytes for it to point at. */
static long scratch(const void *bytes, size_t size)
{
	struct iovec local = {(void *)(uintptr_t)bytes, size};
	struct iovec remote = {(void *)(uintptr_t)(before.rsp - SCRATCH), size};

	if (process_vm_writev(worker, &local, 1, &remote, 1, 0) != (ssize_t)size)
		die("process_vm_writev");
	return (long)remote.iov_base;
}

static const char *outcome(long result)
{
	return result == KILLED ? strsignal(death) : result < 0 ? strerror((int)-result) : "works";
}

/* ---- its descriptors ---- */

/* The first descriptor from `from` on of which /proc says that it is `what`; -1. */
static int find_descriptor(const char *what, int from)
{
	for (int fd = from; fd < DESCRIPTORS; fd++) {
		char path[64], target[256];
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", worker, fd);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (strncmp(target, what, strlen(what)) == 0)
			return fd;
	}
	return -1;
}

static dev_t device_number(const char *path)
{
	struct stat attr;

	if (stat(path, &attr) < 0)
		die(path);
	return attr.st_rdev;
}

/* The device of a descriptor; 0: it is of none, or of /dev/null. Names would not do: its devices
 * may stand in a mount that is not here. */
static dev_t device_of(int fd)
{
	struct stat attr;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", worker, fd);
	if (stat(path, &attr) < 0 || !(S_ISCHR(attr.st_mode) || S_ISBLK(attr.st_mode)))
		return 0;
	return attr.st_rdev != device_number("/dev/null") ? attr.st_rdev : 0;
}

static int find_evtchn(void)
{
	dev_t evtchn = device_number("/dev/xen/evtchn");

	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if (device_of(fd) == evtchn)
			return fd;
	}
	return -1;
}

/* Its event channels' descriptor, for ourselves. */
static int borrow_evtchn(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, worker, 0);
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, find_evtchn(), 0);

	if (fd < 0)
		die("the worker's /dev/xen/evtchn");
	close(pidfd);
	return fd;
}

static void look_at_descriptors(void)
{
	dev_t evtchn = device_number("/dev/xen/evtchn");
	unsigned channels = 0, others = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		dev_t device = device_of(fd);

		channels += device == evtchn;
		others += device != 0 && device != evtchn;
	}
	verdict(channels == 1 && others == 0, "descriptors",
		"%u of event channels, %u of other devices", channels, others);
}

/* ---- with its event channels, without its filter ---- */

/* A new port that `remote` could bind; given back. */
static int offer_port(int evtchn, uint32_t remote)
{
	struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain = remote};
	struct ioctl_evtchn_unbind unbind;
	int port = ioctl(evtchn, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);

	if (port < 0)
		return -errno;
	unbind.port = (unsigned)port;
	ioctl(evtchn, IOCTL_EVTCHN_UNBIND, &unbind);
	return 0;
}

static int bind_to(int evtchn, uint32_t remote)
{
	struct ioctl_evtchn_bind_interdomain bind = {.remote_domain = remote, .remote_port = 1};

	return ioctl(evtchn, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind) < 0 ? -errno : 0;
}

static int bind_a_virq(int evtchn)
{
	struct ioctl_evtchn_bind_virq bind = {.virq = 0};

	return ioctl(evtchn, IOCTL_EVTCHN_BIND_VIRQ, &bind) < 0 ? -errno : 0;
}

static int restrict_to(int evtchn, uint32_t remote)
{
	struct ioctl_evtchn_restrict_domid restriction = {.domid = (domid_t)remote};

	return ioctl(evtchn, IOCTL_EVTCHN_RESTRICT_DOMID, &restriction) < 0 ? -errno : 0;
}

static void refused(const char *name, int result)
{
	verdict(result == -EACCES, name, "%s", outcome(result));
}

static void use_its_event_channels(void)
{
	int own = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC), its = borrow_evtchn();
	int result = offer_port(own, other);

	verdict(result == 0, "a new descriptor, offering a port to another domain", "%s",
		outcome(result));
	/* Nobody binds that port, but it is the hypervisor that says so. */
	result = bind_to(its, domid);
	verdict(result == -EINVAL, "its own, binding its guest's port", "%s", outcome(result));
	refused("its own, offering a port to another domain", offer_port(its, other));
	refused("its own, binding another domain's port", bind_to(its, other));
	refused("its own, binding a port of dom0", bind_to(its, 0));
	refused("its own, for the hypervisor's events", bind_a_virq(its));
	refused("its own, restricted anew", restrict_to(its, other));
	close(own);
	close(its);
}

/* ---- in it, what it survives ---- */

static void open_by_path(void)
{
	static const char *const paths[] = {
		"/dev/xen/gntdev",
		"/dev/xen/privcmd",
		"/dev/xen/xenbus",
		"/dev/xen/evtchn",
		"/proc/xen/privcmd",
		"/proc/xen/xenbus",
		"/proc/1/root/dev/xen/gntdev",
		"/run/xenstored/socket",
		"/dev/mem",
	};

	for (size_t i = 0; i < countof(paths); i++) {
		long path = scratch(paths[i], strlen(paths[i]) + 1);
		long result = in_worker(SYS_openat, AT_FDCWD, path, O_RDWR, 0);

		verdict(result < 0 && result != KILLED, paths[i], "%s", outcome(result));
	}
}

/* The share's own directory: it is the only one that can be written to. */
static int find_export(void)
{
	static const char name[] = "gntdev";

	for (int fd = find_descriptor("/", 0); fd >= 0; fd = find_descriptor("/", fd + 1)) {
		long result =
			in_worker(SYS_mknodat, fd, scratch(name, sizeof(name)), S_IFREG | 0600, 0);

		if (result != 0)
			continue;
		in_worker(SYS_unlinkat, fd, scratch(name, sizeof(name)), 0, 0);
		return fd;
	}
	return -1;
}

/* Whoever may make a device needs no path to it. */
static void make_gntdev(void)
{
	static const char name[] = "gntdev";
	int export = find_export();
	long made, opened;

	made = in_worker(SYS_mknodat, export, scratch(name, sizeof(name)), S_IFCHR | 0666,
			 (long)device_number("/dev/xen/gntdev"));
	opened = in_worker(SYS_openat, export, scratch(name, sizeof(name)), O_RDWR, 0);
	verdict(made == 0 && opened < 0 && opened != KILLED, "a gntdev of its own in the export",
		"made: %s; opened: %s", outcome(made), outcome(opened));
	in_worker(SYS_unlinkat, export, scratch(name, sizeof(name)), 0, 0);
}

/* Event channels of other shares are dom0's as much as its own are. */
static void notify_all_ports(void)
{
	int evtchn = find_evtchn();
	unsigned reached = 0;

	for (unsigned port = 1; port < PORTS; port++) {
		struct ioctl_evtchn_notify notify = {.port = port};
		long result = in_worker(SYS_ioctl, evtchn, (long)IOCTL_EVTCHN_NOTIFY,
					scratch(&notify, sizeof(notify)), 0);

		if (result == KILLED)
			die("notify");
		reached += result == 0;
	}
	verdict(reached == RINGS, "events", "%u of %u ports can be reached", reached, PORTS);
}

/* ---- in it, what ends it ---- */

static long map_a_grant(void)
{
	struct ioctl_gntdev_map_grant_ref map = {.count = 1, .refs = {{.domid = 1, .ref = 8}}};

	/* Whatever the descriptor is: the call is not made. */
	return in_worker(SYS_ioctl, find_evtchn(), (long)IOCTL_GNTDEV_MAP_GRANT_REF,
			 scratch(&map, sizeof(map)), 0);
}

static long bind_a_port(void)
{
	struct ioctl_evtchn_bind_interdomain bind = {.remote_domain = 1, .remote_port = 1};

	return in_worker(SYS_ioctl, find_evtchn(), (long)IOCTL_EVTCHN_BIND_INTERDOMAIN,
			 scratch(&bind, sizeof(bind)), 0);
}

static long connect_to_xenstored(void)
{
	return in_worker(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0);
}

/* Bytes by chance into every socket it has, its keeper's to the supervisor among them. The share
 * ends some time, which may be amidst. */
static long talk_to_the_daemon(void)
{
	unsigned seed = 1;

	for (int fd = find_descriptor("socket:", 0); fd >= 0;
	     fd = find_descriptor("socket:", fd + 1)) {
		for (uint32_t type = 0; type < 16; type++) {
			uint8_t bytes[1024];

			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = (uint8_t)rand_r(&seed);
			memcpy(bytes, &type, sizeof(type));
			if (in_worker(SYS_write, fd, scratch(bytes, sizeof(bytes)),
				      type % 4 == 3 ? 100 : sizeof(bytes), 0) == KILLED)
				return KILLED;
		}
	}
	return 0;
}

static const struct lethal {
	const char *name;
	long (*call)(void);
	bool filtered;
} lethal[] = {
	{"map-a-grant", map_a_grant, true},
	{"bind-a-port", bind_a_port, true},
	{"connect-to-xenstored", connect_to_xenstored, true},
	{"talk-to-the-daemon", talk_to_the_daemon, false},
};

static void try_lethal(const char *name)
{
	for (size_t i = 0; i < countof(lethal); i++) {
		long result;

		if (strcmp(lethal[i].name, name) != 0)
			continue;
		seize();
		result = lethal[i].call();
		if (result != KILLED)
			release();
		verdict(result == KILLED ? death == (lethal[i].filtered ? SIGSYS : SIGKILL)
					 : !lethal[i].filtered,
			name, "%s", outcome(result));
		return;
	}
	verdict(false, name, "no such attempt");
}

static void try_all(void)
{
	look_at_descriptors();
	use_its_event_channels();
	seize();
	open_by_path();
	make_gntdev();
	notify_all_ports();
	release();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (size_t i = 0; i < countof(lethal); i++)
			puts(lethal[i].name);
		return 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: takeover WORKER DOMID OTHER | WORKER NAME | list\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	worker = (pid_t)strtol(argv[1], NULL, 10);
	if (argc == 3) {
		try_lethal(argv[2]);
	} else {
		domid = (uint32_t)strtoul(argv[2], NULL, 10);
		other = (uint32_t)strtoul(argv[3], NULL, 10);
		try_all();
	}
	return failed > 0;
}
