/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * crash.c - see crash.h. Only test builds have anything of it.
 */
#include "common/crash.h"

#ifdef CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/util.h"

/* The bounds of the section, from the linker. */
extern struct crash_point *__start_crash_points[], *__stop_crash_points[];

static struct {
	uint64_t seed, rate;  /* rate 0: not by chance */
	char file[64];	      /* "": not at a point */
	unsigned line, visit; /* there, and at which visit */
	bool each;	      /* of those in the log */
	pid_t pid;	      /* whose visits were counted */
	unsigned visits;      /* of the point */
	unsigned threads;     /* that drew a number yet */
} crash;

static _Thread_local struct {
	pid_t pid;
	uint64_t state;
} chance;

/* The last two parts of a path, whatever the compiler was given. */
static const char *short_name(const char *path)
{
	const char *at = path + strlen(path);

	for (int slashes = 0; at > path; at--) {
		if (at[-1] == '/' && ++slashes == 2)
			break;
	}
	return at;
}

static void crash_die(const struct crash_point *point)
{
	if (point->count)
		__atomic_add_fetch(&point->count->deaths, 1, __ATOMIC_RELAXED);
	syscall(SYS_kill, getpid(), SIGKILL);
}

/* xorshift64*. A thread keeps its state over a fork, so the process is looked at. */
static uint64_t draw(void)
{
	pid_t pid = getpid();

	if (chance.pid != pid) {
		uint64_t thread = __atomic_add_fetch(&crash.threads, 1, __ATOMIC_RELAXED);

		chance.pid = pid;
		chance.state = (crash.seed + 1) * 0x9e3779b97f4a7c15U;
		chance.state ^= (uint64_t)pid * 0xbf58476d1ce4e5b9U;
		chance.state ^= thread * 0x94d049bb133111ebU;
		chance.state |= 1;
	}
	chance.state ^= chance.state >> 12;
	chance.state ^= chance.state << 25;
	chance.state ^= chance.state >> 27;
	return (chance.state * 0x2545f4914f6cdd1dU) >> 16;
}

static bool is_the_visit(const struct crash_point *point, uint32_t visits)
{
	pid_t pid = getpid();

	if (point->line != crash.line || strcmp(short_name(point->file), crash.file) != 0)
		return false;
	if (crash.each)
		return point->count && visits % crash.visit == 0;
	if (__atomic_exchange_n(&crash.pid, pid, __ATOMIC_RELAXED) != pid)
		__atomic_store_n(&crash.visits, 0, __ATOMIC_RELAXED);
	return __atomic_add_fetch(&crash.visits, 1, __ATOMIC_RELAXED) == crash.visit;
}

void crash_visit(const struct crash_point *point)
{
	uint32_t visits = 0;

	if (point->count)
		visits = __atomic_add_fetch(&point->count->visits, 1, __ATOMIC_RELAXED);
	if (crash.rate > 0 && draw() % crash.rate == 0)
		crash_die(point);
	if (crash.file[0] != '\0' && is_the_visit(point, visits))
		crash_die(point);
}

static __attribute__((noreturn)) void refuse(const char *what, const char *value)
{
	fprintf(stderr, "crash points: %s: %s\n", what, value);
	_exit(2);
}

static void crash_parse(const char *text)
{
	unsigned long long seed, rate;

	crash.visit = 1;
	if (sscanf(text, "at:%63[^:]:%u:%u", crash.file, &crash.line, &crash.visit) >= 2)
		return;
	crash.each = sscanf(text, "each:%63[^:]:%u:%u", crash.file, &crash.line, &crash.visit) == 3;
	if (crash.each && crash.visit > 0)
		return;
	crash.file[0] = '\0';
	if (sscanf(text, "%llu:%llu", &seed, &rate) != 2 || rate == 0)
		refuse("XEN9PFSD_CRASH is not understood", text);
	crash.seed = seed;
	crash.rate = rate;
}

static struct crash_count *log_entry(struct crash_log *log, const struct crash_point *point)
{
	const char *name = short_name(point->file);

	for (size_t i = 0; i < countof(log->counts); i++) {
		struct crash_count *count = &log->counts[i];

		if (count->file[0] == '\0') {
			count->line = point->line;
			snprintf(count->file, sizeof(count->file), "%s", name);
		}
		if (count->line == point->line &&
		    strncmp(count->file, name, sizeof(count->file) - 1) == 0)
			return count;
	}
	return NULL;
}

static void crash_open_log(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	struct crash_log *log;

	if (fd < 0 || flock(fd, LOCK_EX) || ftruncate(fd, sizeof(*log)))
		refuse("the log cannot be made", path);
	log = mmap(NULL, sizeof(*log), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (log == MAP_FAILED)
		refuse("the log cannot be mapped", path);
	for (struct crash_point **at = __start_crash_points; at < __stop_crash_points; at++)
		(*at)->count = log_entry(log, *at);
	/* The mapping keeps the file open, and so the lock. */
	flock(fd, LOCK_UN);
}

static __attribute__((constructor)) void crash_init(void)
{
	const char *when = getenv("XEN9PFSD_CRASH"), *log = getenv("XEN9PFSD_CRASH_LOG");

	if (when)
		crash_parse(when);
	if (log)
		crash_open_log(log);
}

#endif
