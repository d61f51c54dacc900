/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench_shared.c - what a system call's copy costs in a ring: its memory is as large as a half
 * of one, and another processor has used each byte before it is this one's turn again. In memory
 * that nobody else touches the same copy stays in this processor's cache.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/util.h"
#include "tools/sim_bench.h"

#define HALF (1u << 20) /* of a ring of order 9 */
#define BATCH 32	/* operations at most, before the other side has its turn */
#define SPINS 10000	/* before the processor is offered to others */

enum turn { TURN_SERVER, TURN_CLIENT, TURN_END };

struct shared {
	uint8_t *ring, *own; /* HALF bytes each; `own`: the client's */
	atomic_uint turn;
	enum bench_data data;
	uint32_t from, len; /* the part of the ring whose turn it is */
};

static unsigned await_other_than(const struct shared *s, unsigned turn)
{
	unsigned now;

	for (unsigned i = 1; (now = atomic_load(&s->turn)) == turn; i++) {
		if (i % SPINS == 0)
			sched_yield();
	}
	return now;
}

static void *be_client(void *arg)
{
	struct shared *s = arg;

	while (await_other_than(s, TURN_SERVER) != TURN_END) {
		if (s->data == BENCH_FROM_CLIENT)
			memcpy(s->ring + s->from, s->own + s->from, s->len);
		else
			memcpy(s->own + s->from, s->ring + s->from, s->len);
		atomic_store(&s->turn, TURN_SERVER);
	}
	return NULL;
}

/* Only what the operations take counts. Writes find what the client put there a round ago. */
static int serve_batch(struct shared *s, const struct bench_row *row, struct bench_direct *d,
		       double *us)
{
	double start = bench_cpu_us(CLOCK_THREAD_CPUTIME_ID);
	ssize_t result = 0;

	for (uint32_t at = s->from; at < s->from + s->len && result >= 0; at += d->size) {
		d->memory = s->ring + at;
		result = bench_row_work(row, d->random++)->direct(d);
	}
	*us += bench_cpu_us(CLOCK_THREAD_CPUTIME_ID) - start;
	return result < 0 ? (int)result : 0;
}

static int serve(struct shared *s, const struct bench_row *row, struct bench_direct *d, uint64_t ms,
		 double *cpu_us)
{
	const uint32_t batch = HALF / d->size < BATCH ? HALF / d->size : BATCH;
	int64_t end = bench_now_ns() + (int64_t)ms * 1000000;
	uint64_t operations = 0;
	double us = 0;
	int result = 0;

	s->len = batch * d->size;
	while (result == 0 && bench_now_ns() < end) {
		result = serve_batch(s, row, d, &us);
		atomic_store(&s->turn, TURN_CLIENT);
		await_other_than(s, TURN_CLIENT);
		s->from = s->from + 2 * s->len <= HALF ? s->from + s->len : 0;
		operations += batch;
	}
	*cpu_us = us / (double)operations;
	return result;
}

static int serve_beside_client(struct shared *s, const struct bench_row *row,
			       struct bench_direct *d, uint64_t ms, double *cpu_us)
{
	pthread_t client;
	int result = pthread_create(&client, NULL, be_client, s);

	if (result != 0)
		return -result;
	result = serve(s, row, d, ms, cpu_us);
	atomic_store(&s->turn, TURN_END);
	pthread_join(client, NULL);
	return result;
}

int bench_direct_shared(const struct bench_row *row, struct bench_direct *direct, uint64_t ms,
			double *cpu_us)
{
	uint8_t *memory = direct->memory;
	struct shared s = {.data = row->work->data, .own = calloc(1, HALF)};
	int result = -ENOMEM;

	s.ring = mmap(NULL, HALF, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
		      -1, 0);
	if (s.own != NULL && s.ring != MAP_FAILED && direct->size <= HALF)
		result = serve_beside_client(&s, row, direct, ms, cpu_us);
	direct->memory = memory;
	free(s.own);
	if (s.ring != MAP_FAILED)
		munmap(s.ring, HALF);
	return result;
}
