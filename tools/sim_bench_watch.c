/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench_watch.c - what a server's processes use, from outside: CPU clocks, /proc, and the
 * kernel's counters.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/util.h"
#include "tools/sim_bench.h"

#define PIDS_MAX 64
#define COUNTERS_MAX 512

struct bench_watch {
	pid_t pid[PIDS_MAX];
	unsigned pids;
	int counter[COUNTERS_MAX];
	unsigned counters;
};

int64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

double bench_cpu_us(clockid_t clock)
{
	struct timespec used;

	clock_gettime(clock, &used);
	return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

/* Calls `fn` for each thread of process `pid`. */
static void each_thread(pid_t pid, void (*fn)(pid_t pid, pid_t thread, void *arg), void *arg)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			fn(pid, atoi(entry->d_name), arg);
	}
	if (dir != NULL)
		closedir(dir);
}

/* ---- who ---- */

static void add_process(struct bench_watch *watch, pid_t pid);

static void add_children(pid_t pid, pid_t thread, void *arg)
{
	char path[64];
	FILE *children;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, thread);
	children = fopen(path, "re");
	while (children != NULL && fscanf(children, "%d", &child) == 1)
		add_process(arg, child);
	if (children != NULL)
		fclose(children);
}

static void add_process(struct bench_watch *watch, pid_t pid)
{
	if (watch->pids == PIDS_MAX)
		return;
	watch->pid[watch->pids++] = pid;
	each_thread(pid, add_children, watch);
}

int bench_watch_open(pid_t pid, struct bench_watch **watch)
{
	struct bench_watch *new = calloc(1, sizeof(*new));
	clockid_t clock;

	if (new == NULL)
		return -ENOMEM;
	if (clock_getcpuclockid(pid, &clock) != 0) {
		free(new);
		return -ESRCH;
	}
	add_process(new, pid);
	*watch = new;
	return 0;
}

void bench_watch_close(struct bench_watch *watch)
{
	if (watch == NULL)
		return;
	for (unsigned i = 0; i < watch->counters; i++)
		close(watch->counter[i]);
	free(watch);
}

/* ---- what ---- */

/* The number behind `name` in a file of /proc, summed up over its lines of that name. */
static uint64_t sum_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	uint64_t sum = 0;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *found = strstr(line, name);

		if (found != NULL)
			sum += strtoull(found + strlen(name), NULL, 10);
	}
	if (file != NULL)
		fclose(file);
	return sum;
}

static void add_switches(pid_t pid, pid_t thread, void *arg)
{
	struct bench_usage *usage = arg;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, thread);
	usage->switches += sum_of(path, "voluntary_ctxt_switches:");
}

void bench_watch_usage(const struct bench_watch *watch, struct bench_usage *usage)
{
	*usage = (struct bench_usage){.switches = 0};
	for (unsigned i = 0; i < watch->pids; i++) {
		struct timespec used;
		clockid_t clock;

		if (clock_getcpuclockid(watch->pid[i], &clock) == 0 &&
		    clock_gettime(clock, &used) == 0)
			usage->cpu_us += (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
		each_thread(watch->pid[i], add_switches, usage);
	}
}

uint64_t bench_watch_bytes(const struct bench_watch *watch)
{
	uint64_t kilobytes = 0;
	char path[64];

	for (unsigned i = 0; i < watch->pids; i++) {
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", watch->pid[i]);
		kilobytes += sum_of(path, "Pss:");
	}
	return kilobytes * 1024;
}

/* ---- system calls ---- */

static int64_t tracepoint(void)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
		"/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
	};

	for (size_t i = 0; i < countof(paths); i++) {
		uint64_t id = sum_of(paths[i], "");

		if (id > 0)
			return (int64_t)id;
	}
	return -ENOENT;
}

static void add_counter(pid_t pid, pid_t thread, void *arg)
{
	struct bench_watch *watch = arg;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = (uint64_t)tracepoint(),
		.inherit = 1,
	};
	long fd;

	(void)pid;
	if (watch->counters == COUNTERS_MAX)
		return;
	fd = syscall(SYS_perf_event_open, &attr, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		watch->counter[watch->counters++] = (int)fd;
}

int bench_watch_count(struct bench_watch *watch)
{
	if (tracepoint() < 0)
		return -ENOENT;
	for (unsigned i = 0; i < watch->pids; i++)
		each_thread(watch->pid[i], add_counter, watch);
	return watch->counters > 0 ? 0 : -EPERM;
}

int64_t bench_watch_counted(struct bench_watch *watch)
{
	int64_t sum = watch->counters > 0 ? 0 : -1;

	for (unsigned i = 0; i < watch->counters; i++) {
		uint64_t value;

		if (read(watch->counter[i], &value, sizeof(value)) == sizeof(value))
			sum += (int64_t)value;
		close(watch->counter[i]);
	}
	watch->counters = 0;
	return sum;
}

/* ---- latencies ---- */

void bench_times_add(struct bench_times *times, uint64_t ns)
{
	unsigned shift = ns < 2 * BENCH_STEPS ? 0 : 63u - (unsigned)__builtin_clzll(ns) - 7;

	times->bucket[shift * BENCH_STEPS + (ns >> shift)]++;
	times->count++;
}

void bench_times_merge(struct bench_times *times, const struct bench_times *more)
{
	for (size_t i = 0; i < BENCH_BUCKETS; i++)
		times->bucket[i] += more->bucket[i];
	times->count += more->count;
}

double bench_times_us(const struct bench_times *times, double part)
{
	double before = 0;

	for (size_t i = 0; i < BENCH_BUCKETS; i++) {
		unsigned shift = i < 2 * BENCH_STEPS ? 0 : (unsigned)(i / BENCH_STEPS) - 1;

		before += times->bucket[i];
		if (times->count > 0 && before >= part * (double)times->count)
			return (double)((i - shift * BENCH_STEPS) << shift) / 1e3;
	}
	return 0;
}
