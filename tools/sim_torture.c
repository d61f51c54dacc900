/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture.c - the verb "torture": makes the tasks, runs them, and tells what came of it. What
 * they do is in sim_torture_*.c, one file for each kind or a few that are alike.
 */
#include "tools/sim_torture.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

#define GUARD 60000 /* ms that a reply may take */

static const struct torture_kind *const kinds[] = {
	&torture_names, &torture_data,	  &torture_unlinked, &torture_append,
	&torture_fids,	&torture_locks,	  &torture_xattrs,   &torture_flush,
	&torture_list,	&torture_contend, &torture_poison,
};
#define KINDS countof(kinds)
#define WORKERS_MAX 64

/* ---- judging ---- */

static void say_wrong(struct torture_task *task, const char *text)
{
	struct torture *torture = task->torture;

	if (torture->failed)
		return;
	torture->failed = true;
	turns_stop(torture->turns);
	sim_fail(torture->call, 0, "wrong: %s, round %llu: %s", task->turns.name,
		 (unsigned long long)task->rounds, text);
}

int torture_wrong(struct torture_task *task, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say_wrong(task, text);
	return TORTURE_WRONG;
}

static const char *word_for(int result)
{
	return result == 0 ? "success" : strerror(-result);
}

int torture_judge(struct torture_task *task, int result, int expected, const char *format, ...)
{
	char what[768], text[1024], wanted[64];
	va_list args;

	if (result == expected)
		return 0;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(wanted, sizeof(wanted), "%s", word_for(expected));
	snprintf(text, sizeof(text), "%s: expected %s, found %s", what, wanted, word_for(result));
	say_wrong(task, text);
	return TORTURE_WRONG;
}

static void bad_reply(void *arg, const char *text)
{
	struct torture *torture = arg;

	if (!torture->failed)
		sim_fail(torture->call, 0, "wrong: %s", text);
	torture->failed = true;
}

/* ---- choosing ---- */

uint64_t torture_random(struct torture_task *task)
{
	return sim_scramble(task->random++);
}

uint32_t torture_below(struct torture_task *task, uint32_t n)
{
	return (uint32_t)(torture_random(task) % n);
}

uint32_t torture_size(struct torture_task *task, uint32_t most)
{
	unsigned bits = 1;

	while (bits < 31 && 1u << bits < most)
		bits++;
	bits = 1 + torture_below(task, bits);
	return 1 + torture_below(task, 1u << bits < most ? 1u << bits : most);
}

void torture_pattern(struct torture_task *task, uint8_t *bytes, size_t size)
{
	uint64_t word = torture_random(task);

	for (size_t at = 0; at < size; at += sizeof(word)) {
		memcpy(bytes + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
		word += 0x0101010101010101u;
	}
}

/* ---- files by name ---- */

int torture_create(struct torture_task *task, uint32_t dir, const char *name, uint32_t flags,
		   uint32_t mode, uint32_t *fid)
{
	struct client *client = task->torture->client;
	int result = client_walk(client, dir, "", fid);

	if (result != 0)
		return result;
	result = client_lcreate(client, *fid, name, flags, mode, 0);
	if (result != 0)
		client_clunk(client, *fid);
	return result;
}

int torture_open(struct torture_task *task, uint32_t dir, const char *name, uint32_t flags,
		 uint32_t *fid)
{
	struct client *client = task->torture->client;
	int result = client_walk(client, dir, name, fid);

	if (result != 0)
		return result;
	result = client_lopen(client, *fid, flags);
	if (result != 0)
		client_clunk(client, *fid);
	return result;
}

int torture_getattr(struct torture_task *task, uint32_t dir, const char *name,
		    struct p9_Rgetattr *attr)
{
	struct client *client = task->torture->client;
	uint32_t fid;
	int result = client_walk(client, dir, name, &fid);

	if (result != 0)
		return result;
	result = client_getattr(client, fid, P9_GETATTR_BASIC, attr);
	client_clunk(client, fid);
	return result;
}

uint32_t torture_most(const struct torture_task *task)
{
	return client_msize(task->torture->client) - P9_IO_HEADER;
}

/* ---- a task's life ---- */

static bool goes_on(const struct torture *torture)
{
	struct pollfd stop = {.fd = torture->stop, .events = POLLIN};

	return !torture->failed && torture->rounds < torture->most && poll(&stop, 1, 0) == 0;
}

/* The task's directory, and whatever its kind wants. */
static int begin(struct torture_task *task)
{
	struct torture *torture = task->torture;
	char path[sizeof(torture->dir) + sizeof(task->turns.name)];
	const char *name;
	uint32_t parent;
	int result;

	snprintf(path, sizeof(path), "%s/%s-%u", torture->dir, task->kind->name, task->worker);
	result = sim_guest_walk_parent(torture->call->guest, path, &parent, &name);
	if (result == 0) {
		result = client_mkdir(torture->client, parent, name, 0755, 0);
		client_clunk(torture->client, parent);
	}
	if (result == 0)
		result = sim_guest_walk(torture->call->guest, path, &task->dir);
	if (torture_judge(task, result, 0, "making %s", path) != 0)
		return TORTURE_WRONG;
	return task->kind->start(task);
}

static void live(struct turns_task *turns)
{
	struct torture_task *task = container_of(turns, struct torture_task, turns);
	struct torture *torture = task->torture;
	int result = begin(task);

	task->skipped = result == TORTURE_SKIP;
	while (result == 0 && goes_on(torture)) {
		torture->rounds++;
		task->rounds++;
		result = task->kind->round(task);
	}
	if (result == 0 && !torture->failed)
		task->kind->end(task);
	task->kind->free(task);
}

/* ---- the run ---- */

static bool is_chosen(const struct sim_call *call, const struct torture_kind *kind)
{
	const char *list = call->option['k'];
	size_t length = strlen(kind->name);

	if (kind == &torture_contend && call->option['c'] == NULL)
		return false;
	if ((kind == &torture_locks && call->option['L'] != NULL) ||
	    (kind == &torture_unlinked && call->option['U'] != NULL))
		return false;
	while (list != NULL && *list != '\0') {
		size_t word = strcspn(list, ",");

		if (word == length && strncmp(list, kind->name, word) == 0)
			return true;
		list += word + (list[word] == ',');
	}
	return call->option['k'] == NULL && kind != &torture_poison;
}

static size_t make_tasks(struct torture *torture, unsigned workers, struct torture_task *tasks,
			 struct turns_task **turns)
{
	size_t count = 0;

	for (unsigned worker = 0; worker < workers; worker++) {
		for (unsigned kind = 0; kind < KINDS; kind++) {
			struct torture_task *task = &tasks[count];

			if (!is_chosen(torture->call, kinds[kind]))
				continue;
			task->torture = torture;
			task->kind = kinds[kind];
			task->worker = worker;
			task->random = sim_scramble(torture->seed << 16 | worker << 8 | kind);
			task->turns.body = live;
			snprintf(task->turns.name, sizeof(task->turns.name), "%s-%u",
				 kinds[kind]->name, worker);
			turns[count++] = &task->turns;
		}
	}
	return count;
}

/* How often each kind had a turn. */
static void print_kinds(const struct torture_task *tasks, size_t count)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		uint64_t rounds = 0;
		bool skipped = false;

		for (size_t i = 0; i < count; i++) {
			if (tasks[i].kind == kinds[kind]) {
				rounds += tasks[i].rounds;
				skipped = skipped || tasks[i].skipped;
			}
		}
		if (rounds > 0)
			printf("%s=%llu ", kinds[kind]->name, (unsigned long long)rounds);
		else if (skipped)
			printf("%s=skipped ", kinds[kind]->name);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t left = ((const struct turns_pause *)a)->us;
	uint32_t right = ((const struct turns_pause *)b)->us;

	return left < right ? -1 : left > right;
}

/* How many pauses there were of less than 1, 2, 4... ms; `pauses` are sorted. */
static void print_histogram(const struct turns_pause *pauses, size_t count)
{
	size_t next = 0;

	for (uint64_t us = 1000; next < count; us *= 2) {
		size_t first = next;

		while (next < count && pauses[next].us < us)
			next++;
		if (next > first)
			printf("  below %6llu ms: %zu\n", (unsigned long long)us / 1000,
			       next - first);
	}
}

/* The times without any reply: all of them in their order, if that is wanted, and a summary. */
static int print_pauses(const struct torture *torture, const struct turns_figures *figures)
{
	size_t count = figures->pause_count;
	_cleanup_free_ struct turns_pause *pauses = calloc(count + 1, sizeof(*pauses));

	if (pauses == NULL)
		return sim_fail(torture->call, -ENOMEM, "pauses");
	for (size_t i = 0; i < count; i++) {
		pauses[i] = figures->pauses[i];
		if (torture->call->option['e'] != NULL)
			printf("pause at_us=%lld us=%u\n", (long long)pauses[i].start_us,
			       pauses[i].us);
	}
	qsort(pauses, count, sizeof(*pauses), compare);
	printf("pauses=%zu median_us=%u longest_us=%u\n", count, pauses[count / 2].us,
	       count > 0 ? pauses[count - 1].us : 0);
	print_histogram(pauses, count);
	return 0;
}

static void print_figures(const struct torture *torture, const struct torture_task *tasks,
			  size_t count, int64_t us)
{
	struct turns_figures figures = turns_figures(torture->turns);

	print_kinds(tasks, count);
	printf("\nseed=%llu rounds=%llu requests=%llu requests_s=%.0f longest_us=%lld held=%llu "
	       "errors=%d\n",
	       (unsigned long long)torture->seed, (unsigned long long)torture->rounds,
	       (unsigned long long)figures.requests, (double)figures.requests * 1e6 / (double)us,
	       (long long)figures.longest_us, (unsigned long long)torture->held, torture->failed);
	if (torture->call->option['p'] != NULL)
		print_pauses(torture, &figures);
}

static int run_tasks(struct torture *torture, unsigned workers)
{
	_cleanup_free_ struct torture_task *tasks = calloc(workers * KINDS, sizeof(*tasks));
	_cleanup_free_ struct turns_task **turns =
		calloc(workers * KINDS, sizeof(struct turns_task *));
	int64_t start = sim_now_us();
	size_t count;
	int result;

	if (tasks == NULL || turns == NULL)
		return sim_fail(torture->call, -ENOMEM, "tasks");
	count = make_tasks(torture, workers, tasks, turns);
	printf("torture: seed %llu, %u workers, %zu tasks, in %s\n",
	       (unsigned long long)torture->seed, workers, count, torture->dir);
	fflush(stdout);
	result = turns_run(torture->turns, turns, count);
	if (result != 0)
		return sim_fail(torture->call, result, "threads");
	print_figures(torture, tasks, count, sim_now_us() - start);
	return torture->failed;
}

/* Nothing is there of an earlier run; the meeting place may be. */
static int make_dirs(struct torture *torture)
{
	struct sim_guest *guest = torture->call->guest;
	int result = sim_guest_remove_tree(guest, torture->dir);

	if (result == 0 || result == -ENOENT)
		result = client_mkdir(torture->client, guest->root, torture->dir, 0755, 0);
	if (result == 0 && torture->common != NULL) {
		result = client_mkdir(torture->client, guest->root, torture->common, 0755, 0);
		result = result == -EEXIST ? 0 : result;
	}
	return result;
}

/* What went wrong stays, to be looked at. */
static int run_in_dirs(struct torture *torture, unsigned workers)
{
	int result = make_dirs(torture);
	int status;

	if (result != 0)
		return sim_fail(torture->call, result, "making %s", torture->dir);
	status = run_tasks(torture, workers);
	if (status != 0)
		return status;
	result = sim_guest_remove_tree(torture->call->guest, torture->dir);
	return result == 0 ? 0 : sim_fail(torture->call, result, "removing %s", torture->dir);
}

static int take_options(struct torture *torture, unsigned *workers, struct turns_config *config)
{
	struct sim_call *call = torture->call;
	bool bad = false;
	uint64_t number = sim_option(call, 'w', 5, &bad);
	const char *dir = call->option['d'];

	*workers = number < 1 ? 1 : number > WORKERS_MAX ? WORKERS_MAX : (unsigned)number;
	torture->seed = sim_option(call, 's', (uint64_t)getpid(), &bad);
	torture->most = sim_option(call, 'n', UINT64_MAX, &bad);
	torture->common = call->option['c'];
	if (call->option['p'] != NULL && call->option['p'][0] != '\0')
		config->pause_us = (int64_t)sim_option(call, 'p', 0, &bad) * 1000;
	if (dir != NULL)
		snprintf(torture->dir, sizeof(torture->dir), "%s", dir);
	else
		snprintf(torture->dir, sizeof(torture->dir), "torture-%u.%u",
			 call->options->device.domid, call->options->device.devid);
	return bad ? -EINVAL : 0;
}

static int run_torture(struct sim_call *call)
{
	_cleanup_close_ int stop = sim_stop_fd();
	struct torture torture = {
		.call = call,
		.client = call->guest->client,
		.unlinked = call->option['U'] == NULL,
		.locks = call->option['L'] == NULL,
		.stop = stop,
	};
	struct turns_config config = {
		.guard_ms = GUARD, .pause_us = 2000, .bad = bad_reply, .arg = &torture};
	unsigned workers;
	int result = take_options(&torture, &workers, &config);
	int status = 1;

	if (result != 0)
		return 1;
	if (stop < 0)
		return sim_fail(call, stop, "signals");
	result = turns_open(torture.client, &config, &torture.turns);
	if (result != 0)
		return sim_fail(call, result, "torture");
	status = run_in_dirs(&torture, workers);
	turns_close(torture.turns);
	return status;
}

static const struct argp_option torture_options[] = {
	{"seed", 's', "N", 0, "of all choices (the pid)", 0},
	{"ops", 'n', "N", 0, "rounds, all tasks together (until SIGTERM)", 0},
	{"workers", 'w', "N", 0, "of which each has one task of each kind (5)", 0},
	{"kinds", 'k', "LIST", 0,
	 "of names, data, unlinked, append, fids, locks, xattrs, flush, list, contend; and poison, "
	 "which must be named",
	 0},
	{"dir", 'd', "NAME", 0, "directory to work in (torture-DOMID.DEVID)", 0},
	{"common", 'c', "NAME", 0, "directory in which guests fight for a lock; else they do not",
	 0},
	{"pauses", 'p', "MS", OPTION_ARG_OPTIONAL,
	 "tell how long there was no reply at all, of times above MS (2)", 0},
	{"each-pause", 'e', NULL, 0, "and when each of them was (CLOCK_MONOTONIC)", 0},
	{"no-unlinked", 'U', NULL, 0, "no files without a name", 0},
	{"no-locks", 'L', NULL, 0, "no locks", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

const struct sim_verb sim_torture_verbs[] = {
	{"torture", "[OPTION...]", "work of all kinds at once, each answer held against a model",
	 SIM_NEEDS_GUEST, 0, 0, torture_options, run_torture},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
