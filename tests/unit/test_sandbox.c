/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_sandbox.c - what a confined process looks like from outside, what it can still do, and
 * that descriptors of dead workers serve their successors. What it cannot do any more is in
 * tests/proc/test_compromised.c.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifdef HAVE_LIBXEN
#include <xen/xen.h>
#include <xen/sys/evtchn.h>
#endif

#include "common/util.h"
#include "fs/fs.h"
#include "tests/lib/test.h"
#include "xen9pfsd/sandbox.h"

#define ALL ((1U << 12) - 1)
#define FOR_ROOT                                                                                   \
	(SANDBOX_PIDS | SANDBOX_EXPORT | SANDBOX_NAMESPACES | SANDBOX_HOST | SANDBOX_ROOT |        \
	 SANDBOX_BOUNDS)
#define ANYBODY ((struct fs_cred){.uid = (uint32_t)-1, .gid = (uint32_t)-1})

struct world {
	char *dir;
	int host, export;
};

static struct world world(void)
{
	struct world w = {.dir = test_tmpdir()};

	w.host = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w.export = sandbox_mount(w.host, false, false);
	if (w.export < 0)
		w.export = fcntl(w.host, F_DUPFD_CLOEXEC, 0);
	return w;
}

static void world_end(struct world *w)
{
	close(w->host);
	close(w->export);
	test_rmtree(w->dir);
	free(w->dir);
}

#define _world_ __attribute__((cleanup(world_end)))

static bool confine(struct sandbox *sandbox)
{
	char err[128];

	return sandbox_enter(sandbox, err, sizeof(err)) == 0 &&
	       sandbox_close(sandbox, err, sizeof(err)) == 0 &&
	       sandbox_lock(sandbox, err, sizeof(err)) == 0;
}

/* Runs `body` in a confined process; returns how that ended, as of wait(2). */
static int confined(int export, unsigned without, bool (*body)(void))
{
	struct sandbox sandbox = {.export = export, .without = without};
	int status = -1;
	pid_t pid = sandbox_clone(0, NULL);

	if (pid == 0)
		_exit(confine(&sandbox) && body() ? 0 : 1);
	waitpid(pid, &status, 0);
	return status;
}

static bool watched(void)
{
	struct world w = world();
	struct sandbox sandbox = {.export = w.export};
	int status = -1;
	pid_t pid = sandbox_clone(0, NULL);

	if (pid == 0)
		_exit(confine(&sandbox) && (sandbox.missing & SANDBOX_SYSCALLS) != 0);
	waitpid(pid, &status, 0);
	world_end(&w);
#ifdef CRASH_POINTS
	return true;
#else
	return status != 0;
#endif
}

/* A build with a sanitizer, or crash points, has fewer walls. */
#define NEEDS_ALL_WALLS()                                                                          \
	do {                                                                                       \
		if (watched()) {                                                                   \
			test_skip("built with a sanitizer or crash points");                       \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (geteuid() != 0) {                                                              \
			test_skip("not root");                                                     \
			return;                                                                    \
		}                                                                                  \
	} while (0)

/* ---- from outside ---- */

/* A process behind all walls that waits; its number, and what it found missing. */
static pid_t sleeper(const struct world *w, int *socket, unsigned *missing)
{
	struct sandbox sandbox = {.export = w->export};
	int pair[2];
	pid_t pid;
	char byte;

	CU_ASSERT_EQUAL_FATAL(pipe2(pair, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL_FATAL(pipe2(socket, O_CLOEXEC), 0);
	pid = sandbox_clone(0, NULL);
	if (pid == 0) {
		close(socket[1]);
		if (confine(&sandbox) &&
		    write(pair[1], &sandbox.missing, sizeof(sandbox.missing)) > 0 &&
		    read(socket[0], &byte, 1) == 0)
			_exit(0);
		_exit(1);
	}
	close(pair[1]);
	CU_ASSERT_EQUAL(read(pair[0], missing, sizeof(*missing)), sizeof(*missing));
	close(pair[0]);
	return pid;
}

static void end_sleeper(pid_t pid, const int *socket)
{
	close(socket[1]);
	waitpid(pid, NULL, 0);
	close(socket[0]);
}

/* A field of /proc/PID/status, as it stands there. */
static void status_field(pid_t pid, const char *name, char value[64])
{
	char path[64], line[256];
	size_t length = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	value[0] = '\0';
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			sscanf(line + length + 1, "%63s", value);
	}
	if (file != NULL)
		fclose(file);
}

static unsigned long long status_number(pid_t pid, const char *name, int base)
{
	char value[64];

	status_field(pid, name, value);
	CU_ASSERT(value[0] != '\0');
	return strtoull(value, NULL, base);
}

static void status_shows_what_is_documented(void)
{
	_world_ struct world w = world();
	const unsigned long long kept = geteuid() == 0 ? 0x80000db : 0;
	unsigned missing = ALL;
	int socket[2];
	pid_t pid;

	NEEDS_ALL_WALLS();
	pid = sleeper(&w, socket, &missing);
	CU_ASSERT_EQUAL(missing & ~(unsigned)SANDBOX_LANDLOCK, geteuid() == 0 ? 0 : FOR_ROOT);
	CU_ASSERT_EQUAL(status_number(pid, "Seccomp", 10), 2);
	CU_ASSERT_EQUAL(status_number(pid, "NoNewPrivs", 10), 1);
	CU_ASSERT_EQUAL(status_number(pid, "CapEff", 16), kept);
	CU_ASSERT_EQUAL(status_number(pid, "CapPrm", 16), kept);
	CU_ASSERT_EQUAL(status_number(pid, "CapInh", 16), 0);
	CU_ASSERT_EQUAL(status_number(pid, "CapAmb", 16), 0);
	CU_ASSERT_EQUAL(sandbox_capabilities(), 0x80000db);
	if (geteuid() == 0)
		CU_ASSERT_EQUAL(status_number(pid, "CapBnd", 16), 0);
	end_sleeper(pid, socket);
}

static bool same_namespace(pid_t pid, const char *name)
{
	char path[64], own[64] = "", other[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	CU_ASSERT(readlink(path, own, sizeof(own) - 1) > 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	CU_ASSERT(readlink(path, other, sizeof(other) - 1) > 0);
	return strcmp(own, other) == 0;
}

static void root_directory_is_empty_but_for_its_own_descriptors(void)
{
	_world_ struct world w = world();
	unsigned missing;
	int socket[2], root;
	char path[64];
	struct stat st;
	pid_t pid;

	NEEDS_ROOT();
	NEEDS_ALL_WALLS();
	pid = sleeper(&w, socket, &missing);
	CU_ASSERT(!same_namespace(pid, "pid"));
	CU_ASSERT(!same_namespace(pid, "mnt"));
	CU_ASSERT(!same_namespace(pid, "net"));
	CU_ASSERT(!same_namespace(pid, "ipc"));
	CU_ASSERT(!same_namespace(pid, "uts"));
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_EQUAL(fstatat(root, "proc/self/fd/0", &st, AT_SYMLINK_NOFOLLOW), 0);
	CU_ASSERT_EQUAL(fstatat(root, "proc/self/status", &st, 0), -1);
	CU_ASSERT_EQUAL(fstatat(root, "proc/1", &st, 0), -1);
	CU_ASSERT_EQUAL(fstatat(root, "etc", &st, 0), -1);
	CU_ASSERT_EQUAL(mkdirat(root, "made", 0755), -1);
	CU_ASSERT_EQUAL(errno, EROFS);
	close(root);
	end_sleeper(pid, socket);
}

/* ---- what still works ---- */

static void *thread_main(void *arg)
{
	return arg;
}

static bool make_threads(void)
{
	pthread_t threads[20];

	for (size_t i = 0; i < countof(threads); i++) {
		if (pthread_create(&threads[i], NULL, thread_main, NULL) != 0)
			return false;
	}
	for (size_t i = 0; i < countof(threads); i++)
		pthread_join(threads[i], NULL);
	return prctl(PR_SET_NAME, "name") == 0;
}

#ifdef HAVE_LIBXEN
/* No more than to find that the descriptor is none. */
static bool use_event_channels(void)
{
	struct ioctl_evtchn_notify notify = {.port = 1};
	struct ioctl_evtchn_unbind unbind = {.port = 1};

	return ioctl(-1, IOCTL_EVTCHN_NOTIFY, &notify) == -1 && errno == EBADF &&
	       ioctl(-1, IOCTL_EVTCHN_UNBIND, &unbind) == -1 && errno == EBADF;
}

static void event_channels_can_be_used(void)
{
	_world_ struct world w = world();

	CU_ASSERT_EQUAL(confined(w.export, 0, use_event_channels), 0);
}
#endif

static void threads_can_be_made(void)
{
	_world_ struct world w = world();

	CU_ASSERT_EQUAL(confined(w.export, 0, make_threads), 0);
}

static int compare(const void *a, const void *b)
{
	return *(const char *)a - *(const char *)b;
}

/* qsort(3) asks the kernel how much there is. */
static bool use_memory(void)
{
	char *small[100], *large = malloc(64 << 20);
	bool ok = large != NULL;

	for (size_t i = 0; i < countof(small); i++)
		ok = ok && (small[i] = calloc(1, i * 1000)) != NULL;
	for (size_t i = 0; i < countof(small) && ok; i++)
		free(small[i]);
	large = ok ? realloc(large, 128 << 20) : NULL;
	if (large != NULL)
		qsort(large, 1 << 20, 1, compare);
	free(large);
	return large != NULL;
}

static void memory_can_be_had(void)
{
	_world_ struct world w = world();

	CU_ASSERT_EQUAL(confined(w.export, 0, use_memory), 0);
}

/* ---- how it ends ---- */

static bool abort_it(void)
{
	abort();
}

static bool execute(void)
{
	execl("/bin/true", "true", NULL);
	return true;
}

static void deaths_tell_what_happened(void)
{
	_world_ struct world w = world();
	int status;

	NEEDS_ALL_WALLS();
	/* A first process that does not die of SIGABRT dies of what abort(3) does next, a fault:
	 * which one is the architecture's. */
	status = confined(w.export, 0, abort_it);
	CU_ASSERT(WIFSIGNALED(status));
	CU_ASSERT((WTERMSIG(status) == SIGABRT) == (geteuid() != 0));
	CU_ASSERT(!WCOREDUMP(status));
	status = confined(w.export, 0, execute);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* ---- the minimum ---- */

static int status_of(bool (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(body() ? 0 : 1);
	waitpid(pid, &status, 0);
	return status;
}

/* Without a descriptor of the export two walls cannot be had, and both can be done without. */
static bool tell_what_is_missing(void)
{
	struct sandbox sandbox = {.export = -1, .without = SANDBOX_ROOT};
	const unsigned expected = SANDBOX_EXPORT | SANDBOX_LANDLOCK | SANDBOX_ROOT;

	return confine(&sandbox) && (sandbox.missing & expected) == expected;
}

static void walls_that_cannot_be_had_are_told(void)
{
	CU_ASSERT_EQUAL(status_of(tell_what_is_missing), 0);
}

/* A service manager's filter that allows no more filters. */
static bool refused_without_a_filter(void)
{
	struct sandbox sandbox = {.export = -1};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	const struct scmp_arg_cmp set = {0, SCMP_CMP_EQ, PR_SET_SECCOMP, 0};
	char err[128] = "";

	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0) < 0 ||
	    seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1, &set) < 0 ||
	    seccomp_load(filter) < 0)
		return false;
	return sandbox_lock(&sandbox, err, sizeof(err)) < 0 &&
	       strstr(err, "a filter of system calls") != NULL;
}

static void nobody_serves_below_the_minimum(void)
{
	NEEDS_ALL_WALLS();
	CU_ASSERT_EQUAL(status_of(refused_without_a_filter), 0);
}

static void names_are_for_the_log(void)
{
	char text[64];

	sandbox_names(0, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "none");
	sandbox_names(SANDBOX_NAMESPACES | SANDBOX_LANDLOCK, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "own namespaces, Landlock");
	sandbox_names(ALL, text, sizeof(text));
	CU_ASSERT_EQUAL(strlen(text), sizeof(text) - 1);
}

static void host_directory_is_no_mount_of_its_own(void)
{
	_world_ struct world w = world();
	struct sandbox host = {.export = w.host, .without = ALL & ~(unsigned)SANDBOX_EXPORT};
	struct sandbox own = {.export = w.export, .without = host.without};
	struct sandbox readonly = {.export = w.export, .readonly = true, .without = host.without};
	char err[128];

	NEEDS_ROOT();
	CU_ASSERT_EQUAL(sandbox_enter(&host, err, sizeof(err)), 0);
	CU_ASSERT(host.missing & SANDBOX_EXPORT);
	CU_ASSERT_EQUAL(sandbox_enter(&own, err, sizeof(err)), 0);
	CU_ASSERT(!(own.missing & SANDBOX_EXPORT));
	CU_ASSERT_EQUAL(sandbox_enter(&readonly, err, sizeof(err)), 0);
	CU_ASSERT(readonly.missing & SANDBOX_EXPORT);
}

/* ---- one worker after the other ---- */

/* What one worker opened goes to the next, which opens more and uses both together, as link(2)
 * and rename(2) do: they want one mount. */
struct nodes {
	struct fs_node dir, file;
};

static struct sandbox keeper_sandbox;
static int keeper_pipe[2];

static bool open_fs(struct fs **fs, struct fs_node *root)
{
	struct sandbox *sandbox = &keeper_sandbox;
	struct fs_attr attr;
	char err[128];

	return sandbox_enter(sandbox, err, sizeof(err)) == 0 &&
	       sandbox_close(sandbox, err, sizeof(err)) == 0 &&
	       fs_local_create(sandbox->export, FS_MODEL_NONE, fs, err, sizeof(err)) == 0 &&
	       sandbox_lock(sandbox, err, sizeof(err)) == 0 && fs_root(*fs, root, &attr) == 0;
}

static bool first_worker(void)
{
	struct fs_node root;
	struct nodes nodes;
	struct fs_file file;
	struct fs_attr attr;
	struct fs *fs;

	return open_fs(&fs, &root) && fs_mkdir(fs, root, "old", 0755, ANYBODY, &attr, NULL) == 0 &&
	       fs_mkdir(fs, root, "new", 0755, ANYBODY, &attr, NULL) == 0 &&
	       fs_walk(fs, root, "old", &nodes.dir, &attr) == 0 &&
	       fs_create(fs, nodes.dir, "file", O_RDWR, 0644, ANYBODY, &nodes.file, &file, &attr,
			 NULL) == 0 &&
	       write(keeper_pipe[1], &nodes, sizeof(nodes)) == sizeof(nodes);
}

static bool second_worker(void)
{
	struct fs_node root, dir;
	struct nodes nodes;
	struct fs_attr attr;
	struct fs *fs;

	return read(keeper_pipe[0], &nodes, sizeof(nodes)) == sizeof(nodes) &&
	       open_fs(&fs, &root) && fs_walk(fs, root, "new", &dir, &attr) == 0 &&
	       fs_link(fs, nodes.file, dir, "link", NULL) == 0 &&
	       fs_rename(fs, nodes.dir, "file", dir, "moved", NULL) == 0 &&
	       fs_rename(fs, dir, "moved", nodes.dir, "back", NULL) == 0 &&
	       fs_getattr(fs, nodes.file, &attr) == 0 && attr.nlink == 2;
}

/* As keeper.c makes its workers: one table of descriptors, not one memory. */
static bool worker_does(bool (*body)(void))
{
	int status = -1;
	pid_t pid = sandbox_clone(CLONE_FILES, NULL);

	if (pid == 0)
		_exit(body() ? 0 : 1);
	waitpid(pid, &status, 0);
	return status == 0;
}

static bool keeper(void)
{
	return pipe2(keeper_pipe, O_CLOEXEC) == 0 && worker_does(first_worker) &&
	       worker_does(second_worker);
}

static void descriptors_of_a_dead_worker_serve_its_successor(void)
{
	_world_ struct world w = world();

	keeper_sandbox = (struct sandbox){.export = w.export};
	CU_ASSERT_EQUAL(status_of(keeper), 0);
}

static const struct test tests[] = {
	{"status_shows_what_is_documented", status_shows_what_is_documented},
	{"root_directory_is_empty_but_for_its_own_descriptors",
	 root_directory_is_empty_but_for_its_own_descriptors},
#ifdef HAVE_LIBXEN
	{"event_channels_can_be_used", event_channels_can_be_used},
#endif
	{"threads_can_be_made", threads_can_be_made},
	{"memory_can_be_had", memory_can_be_had},
	{"deaths_tell_what_happened", deaths_tell_what_happened},
	{"walls_that_cannot_be_had_are_told", walls_that_cannot_be_had_are_told},
	{"nobody_serves_below_the_minimum", nobody_serves_below_the_minimum},
	{"names_are_for_the_log", names_are_for_the_log},
	{"host_directory_is_no_mount_of_its_own", host_directory_is_no_mount_of_its_own},
	{"descriptors_of_a_dead_worker_serve_its_successor",
	 descriptors_of_a_dead_worker_serve_its_successor},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "sandbox", tests, countof(tests));
}
