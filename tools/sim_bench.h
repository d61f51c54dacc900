/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench.h - measuring: a row is a kind of work, done through the server under test and, beside
 * it, directly on the exported directory. For sim_bench*.c only.
 *
 * The files are those that "bench-files" makes, in the directory BENCH_DIR of the export. Nothing
 * is printed but JSON, an object in a line.
 */
#ifndef TOOLS_SIM_BENCH_H
#define TOOLS_SIM_BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "tools/sim_guest.h"

#define BENCH_DIR "bench"
#define BENCH_FILE "file" /* read and written */
#define BENCH_FILE_SIZE (64u << 20)
#define BENCH_LIST "list" /* a directory with so many files: */
#define BENCH_LIST_COUNT 10000
#define BENCH_NEW "new" /* a directory, empty */
#define BENCH_SMALL 4096

int64_t bench_now_ns(void);
double bench_cpu_us(clockid_t clock); /* CLOCK_THREAD_CPUTIME_ID or that of the process */

/* ---- latencies: a histogram with steps of less than 1 % ---- */

#define BENCH_STEPS 128
#define BENCH_BUCKETS (58 * BENCH_STEPS)

struct bench_times {
	uint64_t count;
	uint32_t bucket[BENCH_BUCKETS];
};

void bench_times_add(struct bench_times *times, uint64_t ns);
void bench_times_merge(struct bench_times *times, const struct bench_times *more);
double bench_times_us(const struct bench_times *times, double part); /* part 0.5: the median */

/* ---- what a server's processes use ---- */

struct bench_watch;

struct bench_usage {
	double cpu_us;
	uint64_t switches; /* of context, voluntary ones and others */
};

/* Of process `pid` and all below it now. -errno. */
int bench_watch_open(pid_t pid, struct bench_watch **watch);
void bench_watch_close(struct bench_watch *watch); /* takes NULL */
void bench_watch_usage(const struct bench_watch *watch, struct bench_usage *usage);

/* Memory of theirs, shared parts by share; 0 where it cannot be had. */
uint64_t bench_watch_bytes(const struct bench_watch *watch);

/* System calls from here on, as the kernel counts them (perf_event_open(2), tracefs; root). 0 or
 * -errno; what was counted, or -1. */
int bench_watch_count(struct bench_watch *watch);
int64_t bench_watch_counted(struct bench_watch *watch);

/* ---- rows ---- */

struct bench_load;
struct bench_slot;
struct bench_direct;

enum bench_next { BENCH_NEXT, BENCH_AGAIN, BENCH_WRONG };

/* A request, and what its reply (no Rlerror) leads to. `ask` may be called again for one that found
 * no room. */
struct bench_step {
	void (*ask)(struct bench_slot *slot, struct p9_msg *msg);
	enum bench_next (*check)(struct bench_slot *slot, const struct p9_msg *reply);
};

/* What stands in a ring while it is made. */
enum bench_data { BENCH_NO_DATA, BENCH_TO_CLIENT, BENCH_FROM_CLIENT };

struct bench_work {
	enum bench_data data;
	void (*begin)(struct bench_slot *slot); /* NULL: nothing to choose */
	const struct bench_step *steps;		/* up to one without ask */
	/* The same on the host: bytes moved, or -errno. */
	ssize_t (*direct)(struct bench_direct *direct);
};

struct bench_row {
	const char *name, *help;
	const struct bench_work *work; /* NULL: mixed */
	uint32_t size;		       /* of a read or write; UINT32_MAX: what a message holds */
};

extern const struct bench_row bench_rows[]; /* up to one without a name */
const struct bench_row *bench_row_find(const char *name);

/* The work of the next operation, by a random number. */
const struct bench_work *bench_row_work(const struct bench_row *row, uint64_t random);

/* A work that is no row: one Tstatfs. */
extern const struct bench_work bench_statfs;

/* One operation at a time. */
struct bench_slot {
	struct bench_load *load;
	const struct bench_work *work;
	unsigned step;
	uint16_t tag;
	bool counts;
	uint32_t fid; /* its own, for what it makes */
	uint64_t offset, names;
	char name[32];
	int64_t start;
};

struct bench_load {
	struct sim_guest *guest;
	const struct bench_row *row;
	unsigned workers; /* a tag is the business of one */
	uint32_t size, list_size;
	uint32_t dir, file, list, new_dir; /* fids */
	bool no_unlinkat;		   /* the server does not know it */
	const uint8_t *payload;
	atomic_uint_fast64_t random, next; /* `next`: of sequential work */
	atomic_uint phase;		   /* enum bench_phase */
	atomic_bool failed;
};

uint64_t bench_random_block(uint64_t random, uint32_t size);
uint64_t bench_next_block(atomic_uint_fast64_t *next, uint32_t size);

/* ---- results ---- */

struct bench_figures {
	double seconds, cpu_us; /* per operation: of the server, or of who does it directly */
	uint64_t operations, bytes;
	struct bench_times times;
};

void bench_print_figures(const struct bench_figures *figures);

/* ---- directly ---- */

struct bench_direct {
	int dir, file, new_dir;
	uint32_t size;
	uint8_t *memory; /* shared, as rings are */
	uint64_t random, names;
	atomic_uint_fast64_t next;
};

int bench_direct_open(const char *path, uint32_t size, struct bench_direct *direct);
void bench_direct_close(struct bench_direct *direct);

/* The processor time of one operation of a row with data, us, when another processor uses the
 * memory by turns, as a ring's: takes out what was read, or puts in what is written. 0 or -errno.
 */
int bench_direct_shared(const struct bench_row *row, struct bench_direct *direct, uint64_t ms,
			double *cpu_us);

/* The work in so many threads at once, each of which sleeps that long before it does it: what
 * storage that takes its time gives without a server. Adds to `f`, but sets its seconds and
 * cpu_us. 0 or -errno. */
int bench_direct_slow(const struct bench_row *row, const char *path, uint32_t size,
		      unsigned threads, uint64_t delay_us, uint64_t ms, struct bench_figures *f);

#endif
