/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench_load.c - the verb "bench": a row at some depths, as Linux' frontend would: a message
 * goes to ring tag mod 2, each with an event; each ring's replies are taken by one thread, which
 * sleeps when there are none. Before it, the same work directly.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/util.h"
#include "tools/sim_bench.h"
#include "tools/sim_verb.h"

#define DEPTH_MAX 1024
#define OPERATIONS_MIN 20 /* less says nothing: then it takes longer */
#define MS 1000000LL

/* Operations count in MEASURE; none begins after END. */
enum bench_phase { BENCH_WARM, BENCH_MEASURE, BENCH_END };

/* One thread: a ring, or the socket. */
struct worker {
	pthread_t thread;
	struct bench_load *load;
	struct client_transport *transport;
	struct front_ring *ring; /* NULL: a socket */
	struct bench_slot slot[DEPTH_MAX];
	unsigned slots, in_flight;
	uint16_t waiting[DEPTH_MAX]; /* slots whose request found no room */
	unsigned waiting_count;
	uint8_t *in, *out;
	uint32_t msize;
	struct bench_times times;
	int result;
	atomic_uint_fast64_t operations, bytes, replies, events, total;
};

struct measuring {
	struct sim_call *call;
	struct bench_load load;
	struct worker *worker; /* load.workers */
	struct bench_watch *watch;
	struct bench_direct direct;
	const char *direct_path; /* NULL: not measured */
	uint64_t ms, delay_us;	 /* of the storage */
	bool beside, count_calls;
};

/* ---- one worker ---- */

static void add_to(atomic_uint_fast64_t *sum, uint64_t more)
{
	atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + more,
			      memory_order_relaxed);
}

/* 0; or -EAGAIN when it has to wait for room. */
static int send_slot(struct worker *w, struct bench_slot *slot)
{
	struct p9_msg msg = {.type = 0};
	int result;

	slot->work->steps[slot->step].ask(slot, &msg);
	msg.tag = slot->tag;
	result = p9_encode(&msg, P9_L, w->out, w->msize);
	if (result > 0)
		result = w->transport->ops->send(w->transport, 0, w->out, (size_t)result);
	return result;
}

static int send_or_wait(struct worker *w, struct bench_slot *slot)
{
	int result = w->waiting_count > 0 ? -EAGAIN : send_slot(w, slot);

	if (result != -EAGAIN)
		return result;
	w->waiting[w->waiting_count++] = (uint16_t)(slot - w->slot);
	return 0;
}

static int send_waiting(struct worker *w)
{
	unsigned sent = 0;
	int result = 0;

	while (sent < w->waiting_count && result == 0) {
		result = send_slot(w, &w->slot[w->waiting[sent]]);
		sent += result == 0;
	}
	w->waiting_count -= sent;
	memmove(w->waiting, w->waiting + sent, w->waiting_count * sizeof(*w->waiting));
	return result == -EAGAIN ? 0 : result;
}

static int begin_operation(struct worker *w, struct bench_slot *slot)
{
	if (slot->counts)
		slot->work = bench_row_work(w->load->row, atomic_fetch_add(&w->load->random, 1));
	slot->step = 0;
	slot->start = bench_now_ns();
	if (slot->work->begin != NULL)
		slot->work->begin(slot);
	return send_or_wait(w, slot);
}

static int end_operation(struct worker *w, struct bench_slot *slot)
{
	unsigned phase = atomic_load_explicit(&w->load->phase, memory_order_relaxed);

	add_to(&w->total, slot->counts);
	if (slot->counts && phase == BENCH_MEASURE) {
		bench_times_add(&w->times, (uint64_t)(bench_now_ns() - slot->start));
		add_to(&w->operations, 1);
	}
	if (phase != BENCH_END)
		return begin_operation(w, slot);
	w->in_flight--;
	return 0;
}

static int wrong(const struct p9_msg *reply)
{
	char text[200];

	p9_print(reply, text, sizeof(text));
	fprintf(stderr, "xen9pfs-sim: bench: wrong answer: %s\n", text);
	return -EPROTO;
}

static int take_reply(struct worker *w, size_t size)
{
	enum bench_next next = BENCH_WRONG;
	struct bench_slot *slot = NULL;
	struct p9_msg reply = {.type = 0};
	int result = p9_decode(&reply, P9_L, w->in, size);

	if (result == 0 && reply.tag / w->load->workers < w->slots)
		slot = &w->slot[reply.tag / w->load->workers];
	if (slot == NULL || slot->tag != reply.tag)
		return wrong(&reply);
	add_to(&w->replies, 1);
	if (reply.type == P9_Rread)
		add_to(&w->bytes, reply.Rread.data.len);
	else if (reply.type == P9_Rwrite)
		add_to(&w->bytes, reply.Rwrite.count);
	if (reply.type != P9_Rlerror)
		next = slot->work->steps[slot->step].check(slot, &reply);
	if (next == BENCH_WRONG)
		return wrong(&reply);
	slot->step += next == BENCH_NEXT;
	if (slot->work->steps[slot->step].ask != NULL)
		return send_or_wait(w, slot);
	return end_operation(w, slot);
}

static int work_once(struct worker *w)
{
	const struct client_transport_ops *ops = w->transport->ops;
	ssize_t size = ops->recv(w->transport, w->in, w->msize);
	int result = 0;

	if (size >= 0)
		result = take_reply(w, (size_t)size);
	else if (size != -EAGAIN)
		result = (int)size;
	else
		result = ops->wait(w->transport, CLIENT_TIMEOUT);
	if (w->ring != NULL)
		atomic_store_explicit(&w->events, w->ring->events, memory_order_relaxed);
	if (result == 0 && w->waiting_count > 0)
		result = send_waiting(w);
	return result;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->slots && w->result == 0; i++) {
		w->in_flight++;
		w->result = begin_operation(w, &w->slot[i]);
	}
	while (w->in_flight > 0 && w->result == 0)
		w->result = work_once(w);
	if (w->result != 0)
		atomic_store(&w->load->failed, true);
	return NULL;
}

/* ---- all of them ---- */

static void add_slot(struct measuring *m, unsigned number, const struct bench_work *work)
{
	struct worker *w = &m->worker[number % m->load.workers];

	w->slot[w->slots++] = (struct bench_slot){
		.load = &m->load,
		.tag = (uint16_t)number,
		.work = work,
		.counts = work == NULL,
		.fid = 1000 + number, /* the client is idle, and has few */
	};
}

static int start_workers(struct measuring *m, unsigned depth)
{
	atomic_store(&m->load.phase, BENCH_WARM);
	for (unsigned i = 0; i < m->load.workers; i++) {
		struct worker *w = &m->worker[i];

		w->slots = w->in_flight = w->waiting_count = 0;
		w->operations = w->bytes = w->replies = w->total = 0;
		memset(&w->times, 0, sizeof(w->times));
	}
	for (unsigned i = 0; i < depth; i++)
		add_slot(m, i, NULL);
	if (m->beside)
		add_slot(m, depth, &bench_statfs);
	for (unsigned i = 0; i < m->load.workers; i++) {
		int err = pthread_create(&m->worker[i].thread, NULL, worker_main, &m->worker[i]);

		if (err != 0) {
			m->load.workers = i;
			return -err;
		}
	}
	return 0;
}

static int end_workers(struct measuring *m)
{
	int result = 0;

	atomic_store(&m->load.phase, BENCH_END);
	for (unsigned i = 0; i < m->load.workers; i++) {
		pthread_join(m->worker[i].thread, NULL);
		if (m->worker[i].result != 0)
			result = m->worker[i].result;
	}
	return result;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * MS};

	nanosleep(&time, NULL);
}

/* What has happened up to now. */
struct state {
	int64_t at;
	uint64_t operations, bytes, replies, events;
	struct bench_usage server;
	double client_us;
};

static uint64_t operations_now(const struct measuring *m)
{
	uint64_t operations = 0;

	for (unsigned i = 0; i < m->load.workers; i++)
		operations += atomic_load(&m->worker[i].operations);
	return operations;
}

static void look(const struct measuring *m, struct state *state)
{
	*state = (struct state){.at = 0};
	if (m->watch != NULL)
		bench_watch_usage(m->watch, &state->server);
	state->client_us = bench_cpu_us(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < m->load.workers; i++) {
		state->bytes += atomic_load(&m->worker[i].bytes);
		state->replies += atomic_load(&m->worker[i].replies);
		state->events += atomic_load(&m->worker[i].events);
	}
	state->operations = operations_now(m);
	state->at = bench_now_ns();
}

static double per(double value, uint64_t count)
{
	return count > 0 ? value / (double)count : 0;
}

/* System calls of the server for each operation, while the load goes on; negative: not known. */
static double count_calls(struct measuring *m)
{
	uint64_t before, operations;
	int64_t calls;

	if (!m->count_calls || m->watch == NULL || bench_watch_count(m->watch) != 0)
		return -1;
	before = operations_now(m);
	sleep_ms(m->ms / 4 + 1);
	operations = operations_now(m) - before;
	calls = bench_watch_counted(m->watch);
	return calls < 0 || operations < OPERATIONS_MIN ? -1 : per((double)calls, operations);
}

void bench_print_figures(const struct bench_figures *f)
{
	printf("\"ops_s\": %.1f, \"mib_s\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
	       "\"p999_us\": %.2f, \"cpu_us\": %.3f",
	       (double)f->operations / f->seconds, (double)f->bytes / 1048576 / f->seconds,
	       bench_times_us(&f->times, 0.5), bench_times_us(&f->times, 0.99),
	       bench_times_us(&f->times, 0.999), f->cpu_us);
}

/* Does each ring have its part? */
static void print_rings(const struct measuring *m)
{
	printf(", \"rings\": [");
	for (unsigned i = 0; i < m->load.workers; i++)
		printf("%s%llu", i > 0 ? ", " : "", (unsigned long long)m->worker[i].operations);
	printf("]");
}

static void print_load(const struct measuring *m, const struct state *from, const struct state *to,
		       double calls)
{
	static struct bench_figures f;
	uint64_t replies = to->replies - from->replies, total = 0;

	memset(&f.times, 0, sizeof(f.times));
	for (unsigned i = 0; i < m->load.workers; i++)
		bench_times_merge(&f.times, &m->worker[i].times);
	for (unsigned i = 0; i < m->load.workers; i++)
		total += m->worker[i].total;
	f.seconds = (double)(to->at - from->at) / 1e9;
	f.operations = to->operations - from->operations;
	f.bytes = to->bytes - from->bytes;
	f.cpu_us = per(to->server.cpu_us - from->server.cpu_us, f.operations);
	bench_print_figures(&f);
	printf(", \"client_cpu_us\": %.3f, \"switches\": %.4f",
	       per(to->client_us - from->client_us, f.operations),
	       per((double)(to->server.switches - from->server.switches), f.operations));
	if (m->worker[0].ring != NULL)
		printf(", \"events_reply\": %.4f",
		       per((double)(to->events - from->events), replies));
	if (calls >= 0)
		printf(", \"calls\": %.3f", calls);
	printf(", \"total\": %llu", (unsigned long long)total);
	if (m->worker[0].ring != NULL)
		print_rings(m);
}

static int measure_load(struct measuring *m, unsigned depth)
{
	struct state from, to;
	double calls;
	int result = start_workers(m, depth);

	if (result != 0) {
		end_workers(m);
		return result;
	}
	sleep_ms(m->ms / 5 + 1);
	atomic_store(&m->load.phase, BENCH_MEASURE);
	look(m, &from);
	do {
		sleep_ms(m->ms);
		look(m, &to);
	} while (to.operations < from.operations + OPERATIONS_MIN && !m->load.failed);
	calls = count_calls(m);
	result = end_workers(m);
	if (result != 0)
		return result;
	print_load(m, &from, &to, calls);
	return 0;
}

static int work_directly(struct measuring *m, struct bench_figures *f)
{
	int64_t start = bench_now_ns(), end = start + (int64_t)m->ms / 2 * MS, now = start;
	double us = bench_cpu_us(CLOCK_THREAD_CPUTIME_ID);

	while (now < end) {
		const struct bench_work *work = bench_row_work(m->load.row, m->direct.random++);
		ssize_t result = work->direct(&m->direct);
		int64_t then = now;

		if (result < 0)
			return (int)result;
		now = bench_now_ns();
		bench_times_add(&f->times, (uint64_t)(now - then));
		f->operations++;
		f->bytes += (uint64_t)result;
	}
	f->seconds = (double)(now - start) / 1e9;
	f->cpu_us = (bench_cpu_us(CLOCK_THREAD_CPUTIME_ID) - us) / (double)f->operations;
	return 0;
}

static int measure_direct(struct measuring *m, unsigned depth)
{
	static struct bench_figures f;
	int result;

	memset(&f, 0, sizeof(f));
	result = m->delay_us == 0 ? work_directly(m, &f)
				  : bench_direct_slow(m->load.row, m->direct_path, m->load.size,
						      depth, m->delay_us, m->ms / 2, &f);
	printf(", \"direct\": {");
	bench_print_figures(&f);
	printf("}");
	return result;
}

static int measure_shared(struct measuring *m)
{
	double cpu_us;
	int result = bench_direct_shared(m->load.row, &m->direct, m->ms / 4, &cpu_us);

	if (result == 0)
		printf(", \"shared\": {\"cpu_us\": %.3f, \"mib_s\": %.2f}", cpu_us,
		       (double)m->load.size / 1048576 / cpu_us * 1e6);
	return result;
}

static int measure_depth(struct measuring *m, unsigned depth)
{
	int result;

	printf("{\"row\": \"%s\", \"depth\": %u, ", m->load.row->name, depth);
	result = measure_load(m, depth);
	if (result == 0 && m->direct_path != NULL)
		result = measure_direct(m, depth);
	if (result == 0 && m->direct_path != NULL && m->delay_us == 0 &&
	    m->load.row->work != NULL && m->load.row->work->data != BENCH_NO_DATA)
		result = measure_shared(m);
	printf("}\n");
	fflush(stdout);
	return result;
}

/* ---- before and after ---- */

static int open_fids(struct bench_load *load)
{
	struct sim_guest *guest = load->guest;
	int result = sim_guest_walk(guest, BENCH_DIR, &load->dir);

	if (result == 0)
		result = sim_guest_walk(guest, BENCH_DIR "/" BENCH_LIST, &load->list);
	if (result == 0)
		result = sim_guest_walk(guest, BENCH_DIR "/" BENCH_NEW, &load->new_dir);
	if (result == 0)
		result = sim_guest_open_file(guest, BENCH_DIR "/" BENCH_FILE, O_RDWR, &load->file);
	if (result == 0)
		load->no_unlinkat =
			client_unlinkat(guest->client, load->new_dir, "nothing", 0) == -EOPNOTSUPP;
	return result;
}

static int open_worker(struct measuring *m, unsigned number)
{
	struct worker *w = &m->worker[number];
	struct front *front = m->load.guest->front;
	int result = 0;

	w->load = &m->load;
	w->msize = client_msize(m->load.guest->client);
	w->in = malloc(w->msize);
	w->out = malloc(w->msize);
	if (w->in == NULL || w->out == NULL)
		return -ENOMEM;
	if (front == NULL) {
		w->transport = client_transport(m->load.guest->client);
	} else {
		result = sim_guest_ring_transport(front, number, &w->transport);
		w->ring = &front->ring[number];
	}
	return result;
}

static int open_measuring(struct measuring *m)
{
	uint32_t most = client_msize(m->load.guest->client) - P9_IO_HEADER;
	struct front *front = m->load.guest->front;
	int result = open_fids(&m->load);

	m->load.size = m->load.row->size < most ? m->load.row->size : most;
	m->load.list_size = most;
	m->load.payload = calloc(1, m->load.size > BENCH_SMALL ? m->load.size : BENCH_SMALL);
	m->load.workers = front != NULL ? front->rings : 1;
	m->worker = calloc(m->load.workers, sizeof(*m->worker));
	if (m->load.payload == NULL || m->worker == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < m->load.workers && result == 0; i++)
		result = open_worker(m, i);
	if (result == 0 && m->direct_path != NULL)
		result = bench_direct_open(m->direct_path, m->load.size, &m->direct);
	return result;
}

static void close_measuring(struct measuring *m)
{
	for (unsigned i = 0; i < m->load.workers && m->worker != NULL; i++) {
		if (m->worker[i].ring != NULL)
			m->worker[i].transport->ops->close(m->worker[i].transport);
		free(m->worker[i].in);
		free(m->worker[i].out);
	}
	free(m->worker);
	free((void *)(uintptr_t)m->load.payload);
	if (m->direct_path != NULL && m->direct.memory != NULL)
		bench_direct_close(&m->direct);
	bench_watch_close(m->watch);
}

/* Each depth of a list "1,8,64". */
static int measure_depths(struct measuring *m, const char *list)
{
	_cleanup_free_ char *copy = strdup(list);
	char *rest = copy, *word;
	int result = 0;

	while (result == 0 && rest != NULL && (word = strsep(&rest, ",")) != NULL) {
		uint64_t depth;

		if (sim_number(m->call, "depth", word, &depth) != 0)
			return -EINVAL;
		if (depth < 1 || depth >= DEPTH_MAX)
			return -ERANGE;
		result = measure_depth(m, (unsigned)depth);
	}
	return result;
}

static int run_bench(struct sim_call *call)
{
	const char *depths = call->option['n'] != NULL ? call->option['n'] : "1";
	struct measuring m = {
		.call = call,
		.direct_path = call->option['D'],
		.beside = call->option['b'] != NULL,
		.count_calls = call->option['C'] != NULL,
	};
	bool bad = false;
	uint64_t pid = sim_option(call, 'P', 0, &bad);
	int result;

	m.ms = sim_option(call, 't', 500, &bad);
	m.delay_us = sim_option(call, 'd', 0, &bad);
	m.load.guest = call->guest;
	m.load.row = bench_row_find(call->argv[0]);
	if (bad || m.load.row == NULL)
		return sim_fail(call, 0, "no row \"%s\"", call->argv[0]);
	result = open_measuring(&m);
	if (result == 0 && pid != 0)
		result = bench_watch_open((pid_t)pid, &m.watch);
	if (result != 0)
		sim_fail(call, result, "preparing row %s", m.load.row->name);
	else
		result = measure_depths(&m, depths);
	if (result != 0)
		sim_fail(call, result, "row %s", m.load.row->name);
	close_measuring(&m);
	return result != 0;
}

static const struct argp_option bench_options[] = {
	{"depth", 'n', "N[,N...]", 0, "operations in flight (1)", 0},
	{"time", 't', "MS", 0, "for each depth (500)", 0},
	{"server", 'P', "PID", 0, "whose use of the processor is told", 0},
	{"calls", 'C', NULL, 0, "count its system calls, too (root)", 0},
	{"direct", 'D', "DIR", 0, "where the files are on the host: the same work done there", 0},
	{"delay", 'd', "US", 0,
	 "what is done directly there is done by a thread for each operation, after so much sleep",
	 0},
	{"beside-statfs", 'b', NULL, 0, "one Tstatfs after the other besides, not counted", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

const struct sim_verb sim_bench_verbs[] = {
	{"bench", "[OPTION...] ROW", "measure a kind of work (./dev bench)", SIM_NEEDS_GUEST, 1, 1,
	 bench_options, run_bench},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
