/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench_slow.c - slow storage without a server: as many threads as there are operations in
 * flight, each of which sleeps, as fs/synth.c does, and then does the work.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "tools/sim_bench.h"

struct slow {
	const struct bench_row *row;
	struct timespec delay;
	atomic_bool over;
};

struct sleeper {
	struct slow *slow;
	struct bench_direct direct;
	struct bench_times times;
	uint64_t operations, bytes;
	int result;
	pthread_t thread;
};

static void *sleep_and_work(void *arg)
{
	struct sleeper *s = arg;
	int64_t now = bench_now_ns();

	prctl(PR_SET_TIMERSLACK, 1);
	while (!atomic_load(&s->slow->over) && s->result == 0) {
		const struct bench_work *work = bench_row_work(s->slow->row, s->direct.random++);
		int64_t then = now;
		ssize_t result;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &s->slow->delay, NULL);
		result = work->direct(&s->direct);
		if (result < 0) {
			s->result = (int)result;
			break;
		}
		now = bench_now_ns();
		bench_times_add(&s->times, (uint64_t)(now - then));
		s->operations++;
		s->bytes += (uint64_t)result;
	}
	return NULL;
}

static int begin(struct sleeper *s, struct slow *slow, unsigned number, const char *path,
		 uint32_t size)
{
	int result = bench_direct_open(path, size, &s->direct);

	s->slow = slow;
	s->direct.random = (uint64_t)number << 32;
	return result == 0 ? -pthread_create(&s->thread, NULL, sleep_and_work, s) : result;
}

static int end(struct sleeper *s, struct bench_figures *f)
{
	pthread_join(s->thread, NULL);
	bench_direct_close(&s->direct);
	bench_times_merge(&f->times, &s->times);
	f->operations += s->operations;
	f->bytes += s->bytes;
	return s->result;
}

int bench_direct_slow(const struct bench_row *row, const char *path, uint32_t size,
		      unsigned threads, uint64_t delay_us, uint64_t ms, struct bench_figures *f)
{
	const struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	struct slow slow = {
		.row = row,
		.delay = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000},
	};
	struct sleeper *sleeper = calloc(threads, sizeof(*sleeper));
	double us = bench_cpu_us(CLOCK_PROCESS_CPUTIME_ID);
	int64_t start = bench_now_ns();
	unsigned begun = 0;
	int result = sleeper == NULL ? -ENOMEM : 0;

	while (result == 0 && begun < threads) {
		result = begin(&sleeper[begun], &slow, begun, path, size);
		begun += result == 0;
	}
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	atomic_store(&slow.over, true);
	for (unsigned i = 0; i < begun; i++) {
		int bad = end(&sleeper[i], f);

		result = result == 0 ? bad : result;
	}
	f->seconds = (double)(bench_now_ns() - start) / 1e9;
	if (f->operations > 0)
		f->cpu_us = (bench_cpu_us(CLOCK_PROCESS_CPUTIME_ID) - us) / (double)f->operations;
	free(sleeper);
	return result;
}
