/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_compromised.c - a worker that somebody else has taken over, and what stops him.
 *
 * Each row of `attempts` is something that such a process would try, and the walls that stop it,
 * each of them alone. It is tried in processes of its own: without any wall, where it has to work
 * or shows nothing; behind all of them; and behind each wall alone. What is found has to be what
 * the row says, so a wall that is lost, or weaker than believed, is seen even while another one
 * holds. Nothing stops what has no wall: such a row fails.
 *
 * Arguments are as for other test programs. Exit status 77: built with a sanitizer, a worker has
 * fewer walls than it needs for this.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xen9pfsd/sandbox.h"

#define PIDS SANDBOX_PIDS
#define EXPORT SANDBOX_EXPORT
#define NAMES SANDBOX_NAMESPACES
#define HOST SANDBOX_HOST
#define ROOT SANDBOX_ROOT
#define LIMITS SANDBOX_LIMITS
#define CAPS SANDBOX_CAPABILITIES
#define LANDLOCK SANDBOX_LANDLOCK
#define SYSCALLS SANDBOX_SYSCALLS
#define NO_PRIVS SANDBOX_NO_NEW_PRIVS
#define ALL ((1U << 12) - 1)

#define WORKED 42 /* exit status of a process whose attempt worked */

/* What the attempts meet. Beside the export lies a directory with a secret in it. */
static struct {
	char *base;
	char secret[256], listener[256];
	int host_export; /* on the host's mount */
	int export;	 /* the one of this attempt: as above, or on a mount of its own */
	int outside;	 /* the directory beside it: should never be in the table */
	int log;	 /* a file there, for writing: is always in the table */
	int socket;
	int uts; /* the host's namespace */
	pid_t victim;
	int victim_pidfd;
	int port;
	key_t key;
	struct file_handle *handle; /* of the secret */
	char handle_room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	char word[8]; /* to be read in the victim */
} scene;

/* ---- files ---- */

/* Any way to have the secret. */
static bool reads(int fd)
{
	char text[6];

	return fd >= 0 && read(fd, text, sizeof(text)) == sizeof(text) &&
	       memcmp(text, "secret", sizeof(text)) == 0;
}

static bool open_by_path(void)
{
	return reads(open(scene.secret, O_RDONLY));
}

static bool open_above_the_export(void)
{
	return reads(openat(scene.export, "../outside/secret", O_RDONLY));
}

static bool open_above_the_working_directory(void)
{
	return fchdir(scene.export) == 0 && reads(open("../outside/secret", O_RDONLY));
}

static bool follow_an_absolute_symlink(void)
{
	return reads(openat(scene.export, "absolute", O_RDONLY));
}

static bool follow_a_relative_symlink(void)
{
	return reads(openat(scene.export, "relative", O_RDONLY));
}

static bool open_beneath_a_leaked_descriptor(void)
{
	return reads(openat(scene.outside, "secret", O_RDONLY));
}

static bool open_the_log_for_reading(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", scene.log);
	return reads(open(name, O_RDONLY));
}

static bool open_by_handle(void)
{
	int mount = openat(scene.export, ".", O_RDONLY);

	return reads((int)syscall(SYS_open_by_handle_at, mount, scene.handle, O_RDONLY));
}

static bool move_a_directory_out(void)
{
	bool worked = renameat(scene.export, "dir", scene.export, "../outside/dir") == 0;

	if (worked)
		renameat(scene.export, "../outside/dir", scene.export, "dir");
	return worked;
}

static bool link_the_log_into_the_export(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", scene.log);
	return linkat(AT_FDCWD, name, scene.export, "log", AT_SYMLINK_FOLLOW) == 0 &&
	       unlinkat(scene.export, "log", 0) == 0;
}

static bool make_a_directory_above_the_export(void)
{
	return mkdirat(scene.export, "../outside/made", 0755) == 0 &&
	       unlinkat(scene.export, "../outside/made", AT_REMOVEDIR) == 0;
}

static bool change_a_mode_by_path(void)
{
	return fchmodat(AT_FDCWD, scene.secret, 0600, 0) == 0;
}

static bool change_a_mode_above_the_export(void)
{
	return fchmodat(scene.export, "../outside/secret", 0600, 0) == 0;
}

static bool write_a_kernel_setting(void)
{
	return open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0;
}

static bool write_a_kernel_setting_from_proc_self_fd(void)
{
	return open("/proc/self/fd/../../sys/kernel/core_pattern", O_WRONLY) >= 0;
}

static bool look_at_another_process(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/maps", scene.victim);
	return open(name, O_RDONLY) >= 0;
}

static bool make_a_device_and_open_it(void)
{
	bool worked = mknodat(scene.export, "zero", S_IFCHR | 0600, makedev(1, 5)) == 0 &&
		      openat(scene.export, "zero", O_RDONLY) >= 0;

	unlinkat(scene.export, "zero", 0);
	return worked;
}

/* ---- programs and memory ---- */

static bool execute_a_program_of_the_host(void)
{
	execl("/bin/sh", "sh", "-c", "exit 42", NULL);
	return false;
}

static bool execute_a_program_of_the_export(void)
{
	char name[] = "program", *argv[] = {name, NULL}, *envp[] = {NULL};

	syscall(SYS_execveat, scene.export, "program", argv, envp, 0);
	return false;
}

static bool is_mapped(void *address)
{
	return address != MAP_FAILED;
}

static bool map_code_of_a_file(void)
{
	int fd = openat(scene.export, "program", O_RDONLY);

	return is_mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
}

static bool map_code(void)
{
	return is_mapped(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static bool make_data_code(void)
{
	void *data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(data, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool map_code_of_a_memory_file(void)
{
	int fd = memfd_create("code", MFD_CLOEXEC);

	return fd >= 0 && ftruncate(fd, 4096) == 0 &&
	       is_mapped(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
}

static bool make_a_process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool make_a_process_by_clone3(void)
{
	uint64_t args[8] = {[4] = SIGCHLD};
	pid_t pid = (pid_t)syscall(SYS_clone3, args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

#ifdef __x86_64__
/* getpid(2) as a 32-bit program has it; another call by that number in the 64-bit table. */
static bool use_calls_of_32_bits(void)
{
	long result = 20;

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	return result == getpid();
}
#endif

/* ---- other processes ---- */

static bool trace_another_worker(void)
{
	return ptrace(PTRACE_SEIZE, scene.victim, NULL, NULL) == 0;
}

static bool read_the_memory_of_another_worker(void)
{
	char word[sizeof(scene.word)];
	struct iovec local = {.iov_base = word, .iov_len = sizeof(word)};
	struct iovec remote = {.iov_base = scene.word, .iov_len = sizeof(word)};

	return process_vm_readv(scene.victim, &local, 1, &remote, 1, 0) == sizeof(word);
}

static bool take_a_descriptor_of_another_worker(void)
{
	return syscall(SYS_pidfd_getfd, scene.victim_pidfd, 2, 0) >= 0;
}

static bool kill_another_worker(void)
{
	return kill(scene.victim, SIGCONT) == 0;
}

static bool kill_a_thread_of_another_worker(void)
{
	return syscall(SYS_tgkill, scene.victim, scene.victim, SIGCONT) == 0;
}

static bool kill_by_pidfd(void)
{
	return syscall(SYS_pidfd_send_signal, scene.victim_pidfd, SIGCONT, NULL, 0) == 0;
}

/* Then each byte that comes sends one. */
static bool kill_by_the_owner_of_a_descriptor(void)
{
	return fcntl(scene.socket, F_SETOWN, scene.victim) == 0 &&
	       fcntl(scene.socket, F_SETSIG, SIGKILL) == 0;
}

/* ---- network and IPC ---- */

static bool connect_tcp(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = (in_port_t)scene.port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool send_udp(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = (in_port_t)scene.port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1;
}

static bool open_a_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) >= 0;
}

static bool connect_local(const char *name, bool abstract)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(to.sun_path + abstract, name, strlen(name));
	return connect(fd, (struct sockaddr *)&to, size) == 0;
}

static bool connect_to_a_socket_by_path(void)
{
	return connect_local(scene.listener, false);
}

static bool connect_to_an_abstract_socket(void)
{
	return connect_local(scene.base, true);
}

static bool share_memory_of_the_host(void)
{
	return shmget(scene.key, 4096, 0) >= 0;
}

static bool ask_a_device_for_something(void)
{
	int ready;

	return ioctl(scene.socket, FIONREAD, &ready) == 0;
}

/* ---- rights ---- */

static bool mount_something(void)
{
	return mount("tmpfs", "/", "tmpfs", 0, NULL) == 0;
}

static bool copy_a_mount(void)
{
	return open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE) >= 0;
}

static bool change_root(void)
{
	return chroot("/") == 0;
}

static bool have_a_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool have_a_mount_namespace(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

static bool enter_a_namespace_of_the_host(void)
{
	return setns(scene.uts, CLONE_NEWUTS) == 0;
}

static bool become_another_user(void)
{
	return setresuid(12345, 12345, 12345) == 0;
}

static bool join_a_group(void)
{
	const gid_t group = 12345;

	return setgroups(1, &group) == 0;
}

static bool raise_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, caps) < 0)
		return false;
	for (size_t i = 0; i < countof(caps); i++)
		caps[i].effective = caps[i].permitted;
	caps[0].permitted |= 1U << CAP_SYS_ADMIN;
	caps[0].effective |= 1U << CAP_SYS_ADMIN;
	return syscall(SYS_capset, &header, caps) == 0;
}

static bool raise_limits(void)
{
	const struct rlimit one = {1, 1};

	return setrlimit(RLIMIT_CORE, &one) == 0;
}

static bool become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1) == 0;
}

static bool run_in_real_time(void)
{
	const struct sched_param param = {.sched_priority = 1};

	return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

/* ---- corners of the kernel ---- */

static bool add_a_key(void)
{
	return syscall(SYS_add_key, "user", "key", "x", 1, KEY_SPEC_PROCESS_KEYRING) >= 0;
}

static bool use_bpf(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1,
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) >= 0;
}

static bool use_perf_events(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0) >= 0;
}

static bool use_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY) >= 0;
}

static bool use_io_uring(void)
{
	char params[120] = "";

	return syscall(SYS_io_uring_setup, 1, params) >= 0;
}

/* ---- a share that is read-only ---- */

static bool write_to_a_readonly_export(void)
{
	return openat(scene.export, "absolute.new", O_CREAT | O_WRONLY, 0600) >= 0 &&
	       unlinkat(scene.export, "absolute.new", 0) == 0;
}

static bool change_a_mode_in_a_readonly_export(void)
{
	return fchmodat(scene.export, "program", 0755, 0) == 0;
}

/* ---- what stops what ---- */

static const struct attempt {
	const char *name;
	bool (*try)(void);
	unsigned stops; /* each of these walls, alone */
	unsigned may;	/* on some systems these do, too */
	bool readonly;
} attempts[] = {
	{"open_by_path", open_by_path, ROOT | LANDLOCK, 0, false},
	{"open_above_the_export", open_above_the_export, EXPORT | LANDLOCK, 0, false},
	{"open_above_the_working_directory", open_above_the_working_directory,
	 EXPORT | LANDLOCK | SYSCALLS, 0, false},
	{"follow_an_absolute_symlink", follow_an_absolute_symlink, EXPORT | ROOT | LANDLOCK, 0,
	 false},
	{"follow_a_relative_symlink", follow_a_relative_symlink, EXPORT | LANDLOCK, 0, false},
	{"open_beneath_a_leaked_descriptor", open_beneath_a_leaked_descriptor, LANDLOCK, 0, false},
	{"open_the_log_for_reading", open_the_log_for_reading, LANDLOCK, 0, false},
	{"open_by_handle", open_by_handle, CAPS | LANDLOCK | SYSCALLS, 0, false},
	{"move_a_directory_out", move_a_directory_out, EXPORT | LANDLOCK, 0, false},
	{"link_the_log_into_the_export", link_the_log_into_the_export, EXPORT | LANDLOCK, 0, false},
	{"make_a_directory_above_the_export", make_a_directory_above_the_export, EXPORT | LANDLOCK,
	 0, false},
	{"change_a_mode_by_path", change_a_mode_by_path, HOST | ROOT, 0, false},
	{"change_a_mode_above_the_export", change_a_mode_above_the_export, EXPORT, 0, false},
	{"write_a_kernel_setting", write_a_kernel_setting, HOST | ROOT | LANDLOCK, 0, false},
	{"write_a_kernel_setting_from_proc_self_fd", write_a_kernel_setting_from_proc_self_fd,
	 HOST | ROOT | LANDLOCK, 0, false},
	{"look_at_another_process", look_at_another_process, ROOT | CAPS | LANDLOCK, 0, false},
	{"make_a_device_and_open_it", make_a_device_and_open_it, EXPORT, 0, false},
	{"execute_a_program_of_the_host", execute_a_program_of_the_host, ROOT | LANDLOCK | SYSCALLS,
	 0, false},
	{"execute_a_program_of_the_export", execute_a_program_of_the_export,
	 EXPORT | LANDLOCK | SYSCALLS, ROOT, false},
	{"map_code_of_a_file", map_code_of_a_file, EXPORT | SYSCALLS, 0, false},
	{"map_code", map_code, SYSCALLS, 0, false},
	{"make_data_code", make_data_code, SYSCALLS, 0, false},
	{"map_code_of_a_memory_file", map_code_of_a_memory_file, SYSCALLS, 0, false},
	{"make_a_process", make_a_process, SYSCALLS, 0, false},
	{"make_a_process_by_clone3", make_a_process_by_clone3, SYSCALLS, 0, false},
#ifdef __x86_64__
	{"use_calls_of_32_bits", use_calls_of_32_bits, SYSCALLS, 0, false},
#endif
	{"trace_another_worker", trace_another_worker, PIDS | CAPS | LANDLOCK | SYSCALLS, 0, false},
	{"read_the_memory_of_another_worker", read_the_memory_of_another_worker,
	 PIDS | CAPS | LANDLOCK | SYSCALLS, 0, false},
	{"take_a_descriptor_of_another_worker", take_a_descriptor_of_another_worker,
	 CAPS | LANDLOCK | SYSCALLS, 0, false},
	{"kill_another_worker", kill_another_worker, PIDS | SYSCALLS, LANDLOCK, false},
	{"kill_a_thread_of_another_worker", kill_a_thread_of_another_worker, PIDS | SYSCALLS,
	 LANDLOCK, false},
	{"kill_by_pidfd", kill_by_pidfd, PIDS | SYSCALLS, LANDLOCK, false},
	{"kill_by_the_owner_of_a_descriptor", kill_by_the_owner_of_a_descriptor, PIDS | SYSCALLS,
	 LANDLOCK, false},
	{"connect_tcp", connect_tcp, NAMES | SYSCALLS, LANDLOCK, false},
	{"send_udp", send_udp, NAMES | SYSCALLS, 0, false},
	{"open_a_packet_socket", open_a_packet_socket, CAPS | SYSCALLS, 0, false},
	{"connect_to_a_socket_by_path", connect_to_a_socket_by_path, ROOT | SYSCALLS, LANDLOCK,
	 false},
	{"connect_to_an_abstract_socket", connect_to_an_abstract_socket, NAMES | SYSCALLS, LANDLOCK,
	 false},
	{"share_memory_of_the_host", share_memory_of_the_host, NAMES | SYSCALLS, 0, false},
	{"ask_a_device_for_something", ask_a_device_for_something, SYSCALLS, 0, false},
	{"mount_something", mount_something, CAPS | LANDLOCK | SYSCALLS, 0, false},
	{"copy_a_mount", copy_a_mount, CAPS | SYSCALLS, 0, false},
	{"change_root", change_root, CAPS | SYSCALLS, 0, false},
	{"have_a_user_namespace", have_a_user_namespace, SYSCALLS, 0, false},
	{"have_a_mount_namespace", have_a_mount_namespace, CAPS | SYSCALLS, 0, false},
	{"enter_a_namespace_of_the_host", enter_a_namespace_of_the_host, CAPS | SYSCALLS, 0, false},
	{"become_another_user", become_another_user, SYSCALLS, 0, false},
	{"join_a_group", join_a_group, SYSCALLS, 0, false},
	{"raise_capabilities", raise_capabilities, CAPS, 0, false},
	{"raise_limits", raise_limits, SYSCALLS, LIMITS, false},
	{"become_dumpable", become_dumpable, SYSCALLS, 0, false},
	{"run_in_real_time", run_in_real_time, SYSCALLS | CAPS, LIMITS, false},
	{"add_a_key", add_a_key, SYSCALLS, 0, false},
	{"use_bpf", use_bpf, SYSCALLS, CAPS, false},
	{"use_perf_events", use_perf_events, SYSCALLS, CAPS, false},
	{"use_userfaultfd", use_userfaultfd, SYSCALLS, CAPS, false},
	{"use_io_uring", use_io_uring, SYSCALLS, CAPS | LIMITS, false},
	{"write_to_a_readonly_export", write_to_a_readonly_export, EXPORT | LANDLOCK, 0, true},
	{"change_a_mode_in_a_readonly_export", change_a_mode_in_a_readonly_export, EXPORT, 0, true},
};

/* ---- the run ---- */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void confine(struct sandbox *sandbox)
{
	char err[128];

	if (sandbox_enter(sandbox, err, sizeof(err)) < 0 ||
	    sandbox_close(sandbox, err, sizeof(err)) < 0 ||
	    sandbox_lock(sandbox, err, sizeof(err)) < 0) {
		fprintf(stderr, "%s\n", err);
		_exit(1);
	}
}

/* In time, and also as the first process of a namespace. */
static void give_up(int number)
{
	_exit(128 + number);
}

/* What is mounted by a process without walls goes with it. */
static void stay_private(void)
{
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* Behind `walls` only. */
static bool works(const struct attempt *attempt, unsigned walls)
{
	struct sandbox sandbox = {.readonly = attempt->readonly, .without = ALL & ~walls};
	int export = -1, status;
	pid_t pid;

	if ((walls & EXPORT) != 0)
		export = sandbox_mount(scene.host_export, attempt->readonly, false);
	pid = (walls & PIDS) != 0 ? sandbox_clone(0, NULL) : fork();
	if (pid == 0) {
		signal(SIGALRM, give_up);
		alarm(120);
		scene.export = sandbox.export = export >= 0 ? export : scene.host_export;
		stay_private();
		confine(&sandbox);
		_exit(attempt->try() ? WORKED : 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	cleanup_close(&export);
	return WIFEXITED(status) && WEXITSTATUS(status) == WORKED;
}

static void print_walls(const char *text, unsigned walls)
{
	char names[256];

	sandbox_names(walls, names, sizeof(names));
	printf("%s%s", text, names);
}

/* Returns whether all is as it should be. */
static bool run(const struct attempt *attempt, unsigned available)
{
	unsigned stops = attempt->stops & available, found = 0;
	bool escaped;

	if (!works(attempt, NO_PRIVS)) {
		printf("skip %s: does not work here without walls\n", attempt->name);
		return true;
	}
	escaped = works(attempt, ALL);
	for (unsigned wall = 1; wall < ALL; wall <<= 1) {
		if ((available & wall) != 0 && !works(attempt, wall | NO_PRIVS))
			found |= wall;
	}
	if (escaped && stops != 0)
		printf("FAIL %s: it works\n", attempt->name);
	else if ((found & ~attempt->may) != stops)
		printf("FAIL %s", attempt->name);
	else if (found == 0)
		printf("skip %s: the walls against it cannot be had here", attempt->name);
	else
		printf("ok   %s", attempt->name);
	if (found != 0)
		print_walls(": stopped by ", found);
	if ((found & ~attempt->may) != stops)
		print_walls(", to be stopped by ", stops);
	printf("\n");
	return !(escaped && stops != 0) && (found & ~attempt->may) == stops;
}

/* ---- the scene ---- */

static void make_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(name);
	close(fd);
}

/* It says by its exit status that it ran. */
static void make_program(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = openat(scene.host_export, "program", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0) {
		if (write(to, buf, (size_t)n) != n)
			die("program");
	}
	close(from);
	close(to);
}

static void make_files(void)
{
	int base, mount;

	scene.base = test_tmpdir();
	chmod(scene.base, 0755);
	base = open(scene.base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(base, "export", 0755) < 0 || mkdirat(base, "outside", 0755) < 0 ||
	    mkdirat(base, "export/dir", 0755) < 0)
		die(scene.base);
	scene.host_export = openat(base, "export", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scene.outside = openat(base, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_file(scene.outside, "secret", "secret");
	make_file(scene.outside, "log", "secret");
	scene.log = openat(scene.outside, "log", O_WRONLY | O_CLOEXEC);
	snprintf(scene.secret, sizeof(scene.secret), "%s/outside/secret", scene.base);
	snprintf(scene.listener, sizeof(scene.listener), "%s/outside/socket", scene.base);
	if (symlinkat(scene.secret, scene.host_export, "absolute") < 0 ||
	    symlinkat("../outside/secret", scene.host_export, "relative") < 0)
		die("symlink");
	make_program();
	scene.handle = (struct file_handle *)scene.handle_room;
	scene.handle->handle_bytes = MAX_HANDLE_SZ;
	name_to_handle_at(scene.outside, "secret", scene.handle, &mount, 0);
	close(base);
}

static int listen_local(const char *name, bool abstract)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path + abstract, name, strlen(name));
	if (bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 100) < 0)
		die("AF_UNIX");
	return fd;
}

/* Sockets of both kinds with one number. */
static void listen_network(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int datagram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (listen(stream, 100) < 0 || getsockname(stream, (struct sockaddr *)&at, &size) < 0)
		die("AF_INET");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(datagram, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("AF_INET");
	scene.port = at.sin_port;
}

/* Another share's worker, asleep; returns the walls that could be built. */
static unsigned make_victim(void)
{
	struct sandbox sandbox = {.export = sandbox_mount(scene.host_export, false, false)};
	int ready[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready) < 0)
		die("socketpair");
	if (sandbox.export < 0)
		sandbox.export = scene.host_export;
	scene.victim = sandbox_clone(0, NULL);
	if (scene.victim == 0) {
		char byte;

		close(ready[0]);
		confine(&sandbox);
		if (write(ready[1], &sandbox.missing, sizeof(sandbox.missing)) < 0 ||
		    read(ready[1], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &sandbox.missing, sizeof(sandbox.missing)) != sizeof(sandbox.missing))
		die("the victim");
	scene.victim_pidfd = (int)syscall(SYS_pidfd_open, scene.victim, 0);
	return ALL & ~sandbox.missing;
}

static unsigned make_scene(void)
{
	int pair[2];

	make_files();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	scene.socket = pair[0];
	listen_local(scene.listener, false);
	listen_local(scene.base, true);
	listen_network();
	scene.uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	scene.key = getpid() | 0x5f000000;
	shmget(scene.key, 4096, IPC_CREAT | 0600);
	memcpy(scene.word, "victim", 7);
	return make_victim();
}

static void clear_scene(void)
{
	kill(scene.victim, SIGKILL);
	waitpid(scene.victim, NULL, 0);
	shmctl(shmget(scene.key, 4096, 0), IPC_RMID, NULL);
	test_rmtree(scene.base);
	free(scene.base);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strstr(name, argv[i]) != NULL)
			return true;
	}
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned available, failed = 0, count = 0;
	bool confined;

	/* Executed by one of the attempts. */
	if (strcmp(argv[0], "program") == 0)
		return WORKED;
	setvbuf(stdout, NULL, _IOLBF, 0);
	available = make_scene();
	confined = (available & SYSCALLS) != 0;
	for (size_t i = 0; i < countof(attempts) && confined; i++) {
		if (!wanted(attempts[i].name, argc, argv))
			continue;
		count++;
		failed += !run(&attempts[i], available);
	}
	clear_scene();
	print_walls("walls here: ", available);
	printf("\ncompromised: %u attempts, %u failed\n", count, failed);
	if (!confined)
		return 77;
	return failed > 0 || count == 0;
}
