/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench_single.c - verbs beside "bench": the files it wants, what a bare wake-up takes, and
 * what is no load: connecting, idling, very many fids.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/util.h"
#include "tools/sim_bench.h"
#include "tools/sim_verb.h"

#define MS 1000000LL

/* ---- the files ---- */

static int make_dir(int at, const char *name)
{
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_file(int at, const char *name, size_t size)
{
	_cleanup_close_ int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	static uint64_t block[8192];

	for (size_t done = 0; fd >= 0 && done < size; done += sizeof(block)) {
		for (size_t i = 0; i < countof(block); i++)
			block[i] = sim_scramble(done + i);
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
			return -EIO;
	}
	return fd < 0 ? -errno : 0;
}

static int make_files(const char *path)
{
	_cleanup_close_ int dir = make_dir(AT_FDCWD, path), bench = make_dir(dir, BENCH_DIR);
	_cleanup_close_ int list = make_dir(bench, BENCH_LIST), new = make_dir(bench, BENCH_NEW);
	int result = make_file(bench, BENCH_FILE, BENCH_FILE_SIZE);
	char name[32];

	if (dir < 0 || bench < 0 || list < 0 || new < 0)
		return -errno;
	for (unsigned i = 0; i < BENCH_LIST_COUNT && result == 0; i++) {
		snprintf(name, sizeof(name), "entry-%u", i);
		result = make_file(list, name, 0);
	}
	return result;
}

static int run_files(struct sim_call *call)
{
	int result = make_files(call->argv[0]);

	return result == 0 ? 0 : sim_fail(call, result, "%s", call->argv[0]);
}

/* ---- a bare wake-up: no message, no file ---- */

/* How an event channel of the simulated bus does it: an eventfd each way, and an epoll set on the
 * server's side. */
struct ball {
	int to_server, to_client, set;
	bool polling; /* the server looks at `word` all the time instead of sleeping */
	struct bench_direct *direct; /* and reads before it answers; or NULL */
	atomic_uint *word;
};

static void serve_ball(const struct ball *ball)
{
	const struct bench_work *read = bench_row_find("read4k")->work;
	struct epoll_event event;
	unsigned seen = 0;
	eventfd_t events;

	for (;;) {
		while (ball->polling && atomic_load(ball->word) == seen)
			;
		if (ball->polling) {
			seen++;
		} else {
			epoll_wait(ball->set, &event, 1, -1);
			eventfd_read(ball->to_server, &events);
		}
		if (ball->direct != NULL && read->direct(ball->direct) < 0)
			_exit(1);
		eventfd_write(ball->to_client, 1);
	}
}

/* There and back. */
static void play_ball(const struct ball *ball)
{
	struct pollfd fd = {.fd = ball->to_client, .events = POLLIN};
	eventfd_t events;

	atomic_fetch_add(ball->word, 1);
	eventfd_write(ball->to_server, 1);
	poll(&fd, 1, -1);
	eventfd_read(ball->to_client, &events);
}

static int open_ball(struct ball *ball)
{
	struct epoll_event event = {.events = EPOLLIN};

	ball->to_server = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ball->to_client = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ball->set = epoll_create1(EPOLL_CLOEXEC);
	ball->word = mmap(NULL, sizeof(*ball->word), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ball->word == MAP_FAILED ||
	    epoll_ctl(ball->set, EPOLL_CTL_ADD, ball->to_server, &event) < 0)
		return -errno;
	return 0;
}

static int measure_wake(bool polling, struct bench_direct *direct, uint64_t ms,
			struct bench_times *times)
{
	struct ball ball = {.polling = polling, .direct = direct};
	int result = open_ball(&ball);
	int64_t end;
	pid_t pid;

	if (result != 0)
		return result;
	pid = fork();
	if (pid == 0)
		serve_ball(&ball);
	if (pid < 0)
		return -errno;
	play_ball(&ball);
	end = bench_now_ns() + (int64_t)ms * MS;
	while (bench_now_ns() < end) {
		int64_t start = bench_now_ns();

		play_ball(&ball);
		bench_times_add(times, (uint64_t)(bench_now_ns() - start));
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cleanup_close(&ball.to_server);
	cleanup_close(&ball.to_client);
	cleanup_close(&ball.set);
	munmap(ball.word, sizeof(*ball.word));
	return 0;
}

static int measure_wake_and_read(const char *path, uint64_t ms, struct bench_times *times)
{
	struct bench_direct direct;
	int result = bench_direct_open(path, BENCH_SMALL, &direct);

	if (result == 0)
		result = measure_wake(true, &direct, ms, times);
	bench_direct_close(&direct);
	return result;
}

static int run_wake(struct sim_call *call)
{
	static struct bench_times asleep, polling, reading;
	const char *path = call->option['D'];
	bool bad = false;
	uint64_t ms = sim_option(call, 't', 500, &bad);
	int result = bad ? -EINVAL : measure_wake(false, NULL, ms, &asleep);

	if (result == 0)
		result = measure_wake(true, NULL, ms, &polling);
	if (result == 0 && path != NULL)
		result = measure_wake_and_read(path, ms, &reading);
	if (result != 0)
		return sim_fail(call, result, "waking");
	printf("{\"row\": \"wake\", \"p50_us\": %.2f, \"p99_us\": %.2f, \"polling_p50_us\": %.2f, "
	       "\"polling_p99_us\": %.2f",
	       bench_times_us(&asleep, 0.5), bench_times_us(&asleep, 0.99),
	       bench_times_us(&polling, 0.5), bench_times_us(&polling, 0.99));
	if (path != NULL)
		printf(", \"reading_p50_us\": %.2f, \"reading_p99_us\": %.2f",
		       bench_times_us(&reading, 0.5), bench_times_us(&reading, 0.99));
	printf("}\n");
	return 0;
}

/* ---- connecting ---- */

/* From the toolstack's transaction to state 2, and from the guest's state 3 to state 4. What a
 * guest does in between is not the daemon's time. */
static int connect_once(struct sim_call *call, struct bench_times *times)
{
	struct sim_guest_options options = *call->options;
	struct sim_guest *guest = NULL;
	int64_t start = bench_now_ns(), took;
	char err[256] = "";
	int result = sim_guest_attach(call->store, &options.device);

	if (result == 0)
		result = toolstack_await_backend(call->store, &options.device);
	took = bench_now_ns() - start;
	options.device.path = NULL;
	if (result == 0)
		result = sim_guest_prepare(&options, &guest, err, sizeof(err));
	if (result == 0)
		result = front_read_offer(guest->front);
	if (result == 0)
		result = front_build(guest->front);
	if (result == 0)
		result = front_write_keys(guest->front);
	start = bench_now_ns();
	if (result == 0)
		result = front_set_state(guest->front, XenbusStateInitialised);
	if (result == 0)
		result =
			front_await(guest->front, NODES_STATE(XenbusStateConnected), FRONT_TIMEOUT);
	if (result > 0)
		bench_times_add(times, (uint64_t)(took + bench_now_ns() - start));
	if (result > 0)
		result = front_set_state(guest->front, XenbusStateConnected);
	if (guest != NULL)
		sim_guest_close(guest);
	toolstack_detach(call->store, options.device.domid, options.device.devid, TOOLSTACK_REMOVE);
	return result;
}

static int run_connect(struct sim_call *call)
{
	static struct bench_times times;
	bool bad = false;
	uint64_t count = sim_option(call, 'n', 20, &bad);
	int result = bad ? -EINVAL : 0;

	if (call->options->device.path == NULL)
		return sim_fail(call, 0, "needs --path DIR");
	for (uint64_t i = 0; i < count && result == 0; i++)
		result = connect_once(call, &times);
	if (result != 0)
		return sim_fail(call, result, "connecting");
	printf("{\"row\": \"connect\", \"p50_us\": %.1f, \"p99_us\": %.1f, \"operations\": %llu}\n",
	       bench_times_us(&times, 0.5), bench_times_us(&times, 0.99),
	       (unsigned long long)times.count);
	return 0;
}

/* ---- idling ---- */

static int open_watch(struct sim_call *call, struct bench_watch **watch)
{
	bool bad = false;
	uint64_t pid = sim_option(call, 'P', 0, &bad);

	return bad || pid == 0 ? -EINVAL : bench_watch_open((pid_t)pid, watch);
}

static int run_idle(struct sim_call *call)
{
	struct bench_usage before, after;
	struct bench_watch *watch;
	bool bad = false;
	uint64_t ms = sim_option(call, 't', 3000, &bad);
	int result = open_watch(call, &watch);

	if (bad || result != 0)
		return sim_fail(call, result, "needs --server PID");
	usleep(200000);
	bench_watch_usage(watch, &before);
	usleep((useconds_t)ms * 1000);
	bench_watch_usage(watch, &after);
	bench_watch_close(watch);
	printf("{\"row\": \"idle\", \"wakeups_s\": %.2f, \"cpu_us_s\": %.2f}\n",
	       (double)(after.switches - before.switches) * 1000 / (double)ms,
	       (after.cpu_us - before.cpu_us) * 1000 / (double)ms);
	return 0;
}

/* ---- very many fids ---- */

#define FIDS_FIRST 100000u
#define FIDS_FLIGHT 32
#define FIDS_PART 4000u
#define FIDS_PARTS 5u

struct fids {
	struct client *client;
	uint32_t root;
};

/* The i-th request of a kind, when there are `count` fids. */
typedef void fids_ask(const struct fids *fids, uint32_t i, uint32_t count, struct p9_msg *msg);

static void fids_clone(const struct fids *fids, uint32_t i, uint32_t count, struct p9_msg *msg)
{
	msg->type = P9_Twalk;
	msg->Twalk.fid = fids->root;
	msg->Twalk.newfid = FIDS_FIRST + count + i;
}

static void fids_getattr(const struct fids *fids, uint32_t i, uint32_t count, struct p9_msg *msg)
{
	(void)fids;
	msg->type = P9_Tgetattr;
	msg->Tgetattr.fid = FIDS_FIRST + (uint32_t)(sim_scramble(i) % count);
	msg->Tgetattr.request_mask = P9_GETATTR_BASIC;
}

/* Microseconds for each of `n` requests, from the `first` on. */
static int fids_each(const struct fids *fids, fids_ask *ask, uint32_t first, uint32_t n,
		     uint32_t count, double *us)
{
	int64_t start = bench_now_ns();
	uint32_t sent = 0, got = 0;
	struct p9_msg msg;
	int result = 0;

	while (got < n && result == 0) {
		if (sent < n && sent - got < FIDS_FLIGHT) {
			msg = (struct p9_msg){.type = 0};
			ask(fids, first + sent++, count, &msg);
			result = client_send(fids->client, &msg);
		} else {
			result = client_recv(fids->client, &msg, CLIENT_TIMEOUT);
			if (result == 0 && msg.type == P9_Rlerror)
				result = -(int)msg.Rlerror.ecode;
			got++;
		}
	}
	*us = (double)(bench_now_ns() - start) / 1e3 / n;
	return result;
}

/* The quickest of some parts: what else the machine does is not meant. */
static int fids_least(const struct fids *fids, fids_ask *ask, uint32_t count, double *us)
{
	int result = 0;

	*us = 0;
	for (uint32_t i = 0; i < FIDS_PARTS && result == 0; i++) {
		double part;

		result = fids_each(fids, ask, i * FIDS_PART, FIDS_PART, count, &part);
		if (*us == 0 || part < *us)
			*us = part;
	}
	return result;
}

static int run_fids(struct sim_call *call)
{
	const uint32_t part = FIDS_PART * FIDS_PARTS;
	struct fids fids = {.client = call->guest->client, .root = call->guest->root};
	struct bench_watch *watch;
	bool bad = false;
	uint32_t count = (uint32_t)sim_option(call, 'n', 1000000, &bad);
	double walk_few = 0, walk_many = 0, getattr_few = 0, getattr_many = 0, between;
	uint64_t few_bytes = 0, many_bytes;
	int result = open_watch(call, &watch);

	if (bad || result != 0 || count < 4 * part)
		return sim_fail(call, result, "needs --server PID, and at least %u fids", 4 * part);
	result = fids_each(&fids, fids_clone, 0, part, 0, &between); /* warms up */
	if (result == 0)
		result = fids_least(&fids, fids_getattr, part, &getattr_few);
	few_bytes = bench_watch_bytes(watch);
	if (result == 0)
		result = fids_least(&fids, fids_clone, part, &walk_few);
	if (result == 0)
		result = fids_each(&fids, fids_clone, 0, count - 3 * part, 2 * part, &between);
	if (result == 0)
		result = fids_least(&fids, fids_clone, count - part, &walk_many);
	if (result == 0)
		result = fids_least(&fids, fids_getattr, count, &getattr_many);
	many_bytes = bench_watch_bytes(watch);
	bench_watch_close(watch);
	if (result != 0)
		return sim_fail(call, result, "%u fids", count);
	printf("{\"row\": \"fids\", \"count\": %u, \"bytes_each\": %.1f, \"walk_few_us\": %.2f, "
	       "\"walk_many_us\": %.2f, \"getattr_few_us\": %.2f, \"getattr_many_us\": %.2f}\n",
	       count, (double)(many_bytes - few_bytes) / (count - part), walk_few, walk_many,
	       getattr_few, getattr_many);
	return 0;
}

/* ---- verbs ---- */

#define TIME                                                                                       \
	{                                                                                          \
		"time", 't', "MS", 0, "how long", 0                                                \
	}
#define DIRECT                                                                                     \
	{                                                                                          \
		"direct", 'D', "DIR", 0, "where the files are: also with a read there", 0          \
	}
#define SERVER                                                                                     \
	{                                                                                          \
		"server", 'P', "PID", 0, "whose processes are watched", 0                          \
	}
#define COUNT                                                                                      \
	{                                                                                          \
		"count", 'n', "N", 0, "how many", 0                                                \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, 0, NULL, 0, NULL, 0                                                          \
	}

static const struct argp_option wake_options[] = {TIME, DIRECT, END},
				connect_options[] = {COUNT, END},
				idle_options[] = {TIME, SERVER, END},
				fids_options[] = {COUNT, SERVER, END};

const struct sim_verb sim_bench_single_verbs[] = {
	{"bench-files", "DIR", "make the files that bench wants", SIM_NEEDS_NOTHING, 1, 1, NULL,
	 run_files},
	{"bench-wake", "[--time MS] [--direct DIR]", "measure a bare wake-up", SIM_NEEDS_NOTHING, 0,
	 0, wake_options, run_wake},
	{"bench-connect", "[--count N]", "measure connecting a device", SIM_NEEDS_STORE, 0, 0,
	 connect_options, run_connect},
	{"bench-idle", "--server PID", "measure a mounted share that is not used", SIM_NEEDS_GUEST,
	 0, 0, idle_options, run_idle},
	{"bench-fids", "--server PID", "measure with a million fids", SIM_NEEDS_GUEST, 0, 0,
	 fids_options, run_fids},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
