/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_runner.c - the loop as a role: an ask that does not come back stops nothing but itself, and
 * nothing happens twice when it does come back.
 *
 * The requests are real ones, of a session over a driver whose getattr waits at a gate. So do its
 * locks that wait; they listen to being cancelled, but not at once.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"
#include "proto/session.h"
#include "proto/wire.h"
#include "tests/lib/test.h"
#include "xen9pfsd/runner.h"

/* ---- a driver with a gate ---- */

struct gate_fs {
	struct fs fs;
	int gate;		 /* readable: open */
	atomic_bool closed;	 /* getattr waits, and so does whoever locks */
	atomic_uint waiting;	 /* those who do */
	atomic_bool busy;	 /* getattr computes until this is false */
	_Atomic pthread_t asked; /* getattr's last thread */
	pthread_t listing[2];	 /* threads of the first calls of readdir, */
	atomic_uint listings;	 /* and how many there were */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool locked;	  /* locks wait */
	unsigned waiters; /* in lock_wait */
	unsigned deaf;	  /* so many calls that wake are lost */
	unsigned woken;
};

static int gate_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	(void)fs;
	*node = (struct fs_node){.id = 1, .type = S_IFDIR};
	*attr = (struct fs_attr){.path = 1, .version = 1, .mode = S_IFDIR | 0755};
	return 0;
}

static void gate_forget(struct fs *fs, struct fs_node node)
{
	(void)fs, (void)node;
}

static void wait_at_gate(struct gate_fs *g)
{
	struct pollfd open = {.fd = g->gate, .events = POLLIN};

	if (!atomic_load(&g->closed))
		return;
	atomic_fetch_add(&g->waiting, 1);
	poll(&open, 1, -1);
	atomic_fetch_sub(&g->waiting, 1);
}

static int gate_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	struct gate_fs *g = container_of(fs, struct gate_fs, fs);

	wait_at_gate(g);
	while (atomic_load(&g->busy))
		cpu_relax();
	g->asked = pthread_self();
	return gate_root(fs, &node, attr);
}

static int gate_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st)
{
	(void)fs, (void)node;
	*st = (struct fs_statfs){.bsize = 4096};
	return 0;
}

static int gate_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	(void)fs, (void)node, (void)flags;
	*file = (struct fs_file){.id = 1};
	return 0;
}

/* Computes for a millisecond. */
static int gate_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size,
			fs_emit *emit, void *arg)
{
	struct gate_fs *g = container_of(fs, struct gate_fs, fs);
	struct timespec start, now;

	(void)dir, (void)offset, (void)size, (void)emit, (void)arg;
	g->listing[atomic_fetch_add(&g->listings, 1) % countof(g->listing)] = pthread_self();
	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < 1000000);
	return 0;
}

static void gate_close(struct fs *fs, struct fs_file file)
{
	(void)fs, (void)file;
}

static int gate_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock)
{
	struct gate_fs *g = container_of(fs, struct gate_fs, fs);
	bool locked;

	(void)file;
	if (lock->type != FS_LOCK_NONE)
		wait_at_gate(g);
	pthread_mutex_lock(&g->lock);
	locked = g->locked && lock->type != FS_LOCK_NONE;
	pthread_mutex_unlock(&g->lock);
	return locked ? -EAGAIN : 0;
}

/* What was cancelled is looked at when somebody calls, and only then: as in a system call. */
static int gate_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
			  struct fs_wait *wait)
{
	struct gate_fs *g = container_of(fs, struct gate_fs, fs);
	bool cancelled = fs_wait_cancelled(wait), locked;

	(void)file, (void)lock;
	pthread_mutex_lock(&g->lock);
	g->waiters++;
	while (g->locked && !cancelled) {
		unsigned woken = g->woken;

		pthread_cond_broadcast(&g->changed);
		while (g->locked && woken == g->woken)
			pthread_cond_wait(&g->changed, &g->lock);
		cancelled = fs_wait_cancelled(wait);
	}
	locked = g->locked;
	g->waiters--;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return locked ? -EINTR : 0;
}

static void gate_lock_wake(struct fs *fs, struct fs_wait *wait)
{
	struct gate_fs *g = container_of(fs, struct gate_fs, fs);

	(void)wait;
	pthread_mutex_lock(&g->lock);
	if (g->deaf > 0)
		g->deaf--;
	else
		g->woken++;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static const struct fs_ops gate_ops = {
	.name = "gate",
	.root = gate_root,
	.forget = gate_forget,
	.getattr = gate_getattr,
	.statfs = gate_statfs,
	.open = gate_open,
	.readdir = gate_readdir,
	.close = gate_close,
	.lock = gate_lock,
	.lock_wait = gate_lock_wait,
	.lock_wake = gate_lock_wake,
};

/* ---- a client on the loop ---- */

struct world {
	struct gate_fs gate;
	struct runner *runner;
	struct session *session;
	struct lane lane;
	struct runner_source mail; /* an eventfd: take the next request of `todo` */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct p9_msg todo[256];
	unsigned sent, taken;
	unsigned replies[65536]; /* by tag */
	unsigned total;
	_Atomic pthread_t sent_by; /* the last one */
	unsigned blocked;	   /* of the Rlocks */
	bool stop, at_once;
	void (*at_statfs)(struct world *w); /* on the loop, with the reply */
	struct runner_poller poller;
	atomic_bool armed; /* the loop has said that it sleeps */
	atomic_uint rests;
};

static void lane_send(struct lane *lane, struct req *req)
{
	struct world *w = container_of(lane, struct world, lane);

	pthread_mutex_lock(&w->lock);
	w->replies[req->r.tag]++;
	w->total++;
	w->sent_by = pthread_self();
	w->blocked += req->r.type == P9_Rlock && req->r.Rlock.status == P9_LOCK_BLOCKED;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (req->r.type == P9_Rstatfs && w->at_statfs != NULL)
		w->at_statfs(w);
	session_sent(req);
}

static void lane_released(struct lane *lane)
{
	(void)lane;
}

static void take(struct world *w, const struct p9_msg *msg)
{
	uint8_t bytes[256];
	int size = p9_encode(msg, P9_L, bytes, sizeof(bytes));
	struct req *req = session_request(w->session, &w->lane, (uint32_t)size);

	memcpy(req->in, bytes, (size_t)size);
	session_receive(req);
}

static bool take_posted(struct world *w)
{
	bool any = false;

	pthread_mutex_lock(&w->lock);
	while (w->taken < w->sent) {
		struct p9_msg msg = w->todo[w->taken++ % countof(w->todo)];

		pthread_mutex_unlock(&w->lock);
		take(w, &msg);
		any = true;
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return any;
}

static void mail_ready(struct runner_source *source, uint32_t events)
{
	struct world *w = container_of(source, struct world, mail);
	eventfd_t count;

	(void)events;
	eventfd_read(source->fd, &count);
	take_posted(w);
	pthread_mutex_lock(&w->lock);
	if (w->stop) {
		session_close(w->session);
		if (w->at_once || session_idle(w->session))
			runner_stop(w->runner);
		else
			eventfd_write(source->fd, 1);
	}
	pthread_mutex_unlock(&w->lock);
}

static bool world_look(struct runner_poller *poller)
{
	return take_posted(container_of(poller, struct world, poller));
}

static void world_rest(struct runner_poller *poller)
{
	struct world *w = container_of(poller, struct world, poller);

	atomic_fetch_add(&w->rests, 1);
	/* Pending: posted while it was not armed. */
	pthread_mutex_lock(&w->lock);
	if (w->taken < w->sent)
		eventfd_write(w->mail.fd, 1);
	else
		atomic_store(&w->armed, true);
	pthread_mutex_unlock(&w->lock);
}

static void *runner_main(void *arg)
{
	runner_run(((struct world *)arg)->runner);
	return NULL;
}

static void post(struct world *w, uint16_t tag, struct p9_msg msg)
{
	msg.tag = tag;
	pthread_mutex_lock(&w->lock);
	w->todo[w->sent++ % countof(w->todo)] = msg;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->mail.fd, 1);
}

/* As post(), with an event only if the loop waits for one. */
static void post_quietly(struct world *w, uint16_t tag, struct p9_msg msg)
{
	msg.tag = tag;
	pthread_mutex_lock(&w->lock);
	w->todo[w->sent++ % countof(w->todo)] = msg;
	pthread_mutex_unlock(&w->lock);
	if (atomic_exchange(&w->armed, false))
		eventfd_write(w->mail.fd, 1);
}

static void await_reply(struct world *w, uint16_t tag, unsigned count)
{
	pthread_mutex_lock(&w->lock);
	while (w->replies[tag] < count)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static unsigned replies_to(struct world *w, uint16_t tag)
{
	unsigned count;

	pthread_mutex_lock(&w->lock);
	count = w->replies[tag];
	pthread_mutex_unlock(&w->lock);
	return count;
}

#define T(name, ...)                                                                               \
	((struct p9_msg){.type = P9_T##name, .T##name = (struct p9_T##name){__VA_ARGS__}})

static struct world *world_open_with(bool poller)
{
	const struct session_config config = {.msize_max = 8192};
	struct world *w = calloc(1, sizeof(*w));

	w->gate.fs.ops = &gate_ops;
	pthread_mutex_init(&w->gate.lock, NULL);
	pthread_cond_init(&w->gate.changed, NULL);
	w->gate.gate = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->lane = (struct lane){.send = lane_send, .released = lane_released};
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	CU_ASSERT_EQUAL_FATAL(runner_create(&w->runner), 0);
	CU_ASSERT_EQUAL_FATAL(runner_start(w->runner), 0);
	CU_ASSERT_EQUAL_FATAL(
		session_create(&w->gate.fs, &config, runner_executor(w->runner), NULL, &w->session),
		0);
	w->mail = (struct runner_source){.fd = eventfd(0, EFD_CLOEXEC), .ready = mail_ready};
	CU_ASSERT_EQUAL_FATAL(runner_add(w->runner, &w->mail, EPOLLIN), 0);
	w->poller = (struct runner_poller){.look = world_look, .rest = world_rest};
	if (poller)
		runner_set_poller(w->runner, &w->poller, true);
	pthread_create(&w->thread, NULL, runner_main, w);
	post(w, P9_NOTAG, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	await_reply(w, P9_NOTAG, 1);
	post(w, 0,
	     T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	await_reply(w, 0, 1);
	return w;
}

static struct world *world_open(void)
{
	return world_open_with(false);
}

static void close_gate(struct world *w)
{
	eventfd_t count;

	eventfd_read(w->gate.gate, &count);
	atomic_store(&w->gate.closed, true);
}

static void await_stuck(struct world *w, unsigned count)
{
	while (atomic_load(&w->gate.waiting) != count)
		sched_yield();
}

static void open_gate(struct world *w)
{
	atomic_store(&w->gate.closed, false);
	eventfd_write(w->gate.gate, 1);
}

static void world_free(struct world *w)
{
	close(w->mail.fd);
	close(w->gate.gate);
	pthread_cond_destroy(&w->gate.changed);
	pthread_mutex_destroy(&w->gate.lock);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static void world_close(struct world *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->mail.fd, 1);
	pthread_join(w->thread, NULL);
	CU_ASSERT(runner_destroy(w->runner, 60000));
	CU_ASSERT(session_idle(w->session));
	session_destroy(w->session);
	world_free(w);
}

static struct p9_msg getattr(void)
{
	return T(getattr, .fid = 0, .request_mask = P9_GETATTR_BASIC);
}

/* ---- tests ---- */

static void stuck_ask_holds_up_nobody(void)
{
	struct world *w = world_open();

	close_gate(w);
	post(w, 1, getattr());
	for (uint16_t tag = 2; tag < 50; tag++) {
		post(w, tag, T(statfs, .fid = 0));
		await_reply(w, tag, 1);
	}
	CU_ASSERT_EQUAL(replies_to(w, 1), 0);
	open_gate(w);
	await_reply(w, 1, 1);
	world_close(w);
}

/* The first tells that listings last; the loop is there for others meanwhile. */
static void long_listings_beside_others_leave_the_loop(void)
{
	struct world *w = world_open();
	uint32_t fid;

	for (fid = 1; fid <= 3; fid++) {
		post(w, 1, T(walk, .fid = 0, .newfid = fid));
		await_reply(w, 1, 2 * fid - 1);
		post(w, 1, T(lopen, .fid = fid, .flags = P9_O_DIRECTORY));
		await_reply(w, 1, 2 * fid);
	}
	pthread_mutex_lock(&w->lock);
	for (fid = 1; fid <= 3; fid++) {
		struct p9_msg msg = T(readdir, .fid = fid, .count = 4096);

		msg.tag = (uint16_t)(10 + fid);
		w->todo[w->sent++ % countof(w->todo)] = msg;
	}
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->mail.fd, 1);
	for (fid = 1; fid <= 3; fid++)
		await_reply(w, (uint16_t)(10 + fid), 1);
	CU_ASSERT_EQUAL(w->gate.listings, 3);
	CU_ASSERT(!pthread_equal(w->gate.listing[1], w->sent_by));
	world_close(w);
}

static void many_stuck_asks_hold_up_nobody(void)
{
	struct world *w = world_open();

	close_gate(w);
	for (uint16_t tag = 1; tag <= 32; tag++)
		post(w, tag, getattr());
	post(w, 100, T(statfs, .fid = 0));
	await_reply(w, 100, 1);
	open_gate(w);
	for (uint16_t tag = 1; tag <= 32; tag++)
		await_reply(w, tag, 1);
	CU_ASSERT_EQUAL(w->total, 2 + 32 + 1);
	world_close(w);
}

static void more_stuck_asks_than_threads_hold_up_nobody(void)
{
	struct world *w = world_open();
	const struct timespec pause = {.tv_nsec = 150 * 1000000};
	uint16_t tag = 1;

	close_gate(w);
	/* In lots, with time for the loop to think that the storage is quick again. */
	for (int lot = 0; lot < 3; lot++) {
		for (int i = 0; i < 40; i++)
			post(w, tag++, getattr());
		nanosleep(&pause, NULL);
		post(w, 60000, T(flush, .oldtag = 1));
		await_reply(w, 60000, (unsigned)lot + 1);
	}
	open_gate(w);
	for (uint16_t t = 2; t < tag; t++)
		await_reply(w, t, 1);
	world_close(w);
}

static void stop_does_not_wait_for_a_stuck_ask(void)
{
	struct world *w = world_open();

	close_gate(w);
	post(w, 1, getattr());
	await_stuck(w, 1);
	post(w, 2, T(flush, .oldtag = 1));
	await_reply(w, 2, 1);
	pthread_mutex_lock(&w->lock);
	w->stop = w->at_once = true;
	pthread_mutex_unlock(&w->lock);
	eventfd_write(w->mail.fd, 1);
	pthread_join(w->thread, NULL); /* runner_run() is back */
	CU_ASSERT(!runner_destroy(w->runner, 10));
	CU_ASSERT_EQUAL(atomic_load(&w->gate.waiting), 1);
	open_gate(w);
	CU_ASSERT(runner_destroy(w->runner, 60000));
	/* Its answer came after the loop's end: what a process would leave to the kernel. */
	session_finish(TAILQ_FIRST(&w->session->active));
	CU_ASSERT(session_idle(w->session));
	session_destroy(w->session);
	world_free(w);
}

static void flush_of_a_stuck_ask_is_answered_at_once(void)
{
	struct world *w = world_open();

	close_gate(w);
	post(w, 1, getattr());
	post(w, 2, T(flush, .oldtag = 1));
	await_reply(w, 2, 1);
	open_gate(w);
	post(w, 3, T(statfs, .fid = 0));
	await_reply(w, 3, 1);
	CU_ASSERT_EQUAL(w->replies[1], 0);
	/* The late one has to be back before the session is looked at. */
	await_stuck(w, 0);
	post(w, 4, getattr());
	await_reply(w, 4, 1);
	world_close(w);
}

static void role_that_changes_hands_loses_and_doubles_nothing(void)
{
	struct world *w = world_open();

	for (unsigned round = 1; round <= 20; round++) {
		close_gate(w);
		for (uint16_t tag = 1; tag <= 8; tag++)
			post(w, tag, tag % 2 == 0 ? getattr() : T(statfs, .fid = 0));
		await_reply(w, 1, round);
		open_gate(w);
		for (uint16_t tag = 1; tag <= 8; tag++)
			await_reply(w, tag, round);
	}
	CU_ASSERT_EQUAL(w->total, 2 + 20 * 8);
	world_close(w);
}

/* A thread that waited for a processor says nothing about the storage. */
static void late_ask_that_did_not_sleep_sends_no_other_to_the_pool(void)
{
	struct world *w = world_open();

	atomic_store(&w->gate.busy, true);
	post(w, 1, getattr());
	post(w, 2, T(statfs, .fid = 0));
	await_reply(w, 2, 1);
	CU_ASSERT_EQUAL(w->replies[1], 0);
	atomic_store(&w->gate.busy, false);
	await_reply(w, 1, 1);
	post(w, 3, getattr());
	await_reply(w, 3, 1);
	CU_ASSERT(pthread_equal(w->gate.asked, w->sent_by));
	world_close(w);
}

/* ---- work without events ---- */

static void work_is_found_without_an_event(void)
{
	struct world *w = world_open_with(true);

	for (unsigned i = 1; i <= 5000; i++) {
		post_quietly(w, 1, getattr());
		if (i % 3 == 0)
			post_quietly(w, 2, T(statfs, .fid = 0));
		await_reply(w, 1, i);
		await_reply(w, 2, i / 3);
	}
	CU_ASSERT(atomic_load(&w->rests) > 0);
	world_close(w);
}

static void a_loop_that_looks_around_sees_the_pools_answers(void)
{
	struct world *w = world_open_with(true);

	for (unsigned i = 1; i <= 20; i++) {
		close_gate(w);
		post_quietly(w, 1, getattr());
		/* Keeps the loop, or the one after it, looking. */
		for (unsigned n = 1; n <= 20; n++) {
			post_quietly(w, 2, T(statfs, .fid = 0));
			await_reply(w, 2, (i - 1) * 20 + n);
		}
		CU_ASSERT_EQUAL(replies_to(w, 1), i - 1);
		open_gate(w);
		await_reply(w, 1, i);
	}
	world_close(w);
}

static void who_has_nothing_to_do_rests(void)
{
	struct world *w = world_open_with(true);
	const struct timespec pause = {.tv_nsec = 200 * 1000000};
	unsigned rests;

	post_quietly(w, 1, getattr());
	await_reply(w, 1, 1);
	while (!atomic_load(&w->armed))
		sched_yield();
	rests = atomic_load(&w->rests);
	nanosleep(&pause, NULL);
	/* An event may still have been on its way. */
	CU_ASSERT(atomic_load(&w->rests) <= rests + 1);
	world_close(w);
}

/* ---- locks that wait ---- */

static void lock_gate(struct world *w)
{
	pthread_mutex_lock(&w->gate.lock);
	w->gate.locked = true;
	pthread_mutex_unlock(&w->gate.lock);
}

/* Fid 1 is open; locks wait until unlock(). */
static struct world *world_locked(void)
{
	struct world *w = world_open();

	post(w, 60001, T(walk, .fid = 0, .newfid = 1));
	await_reply(w, 60001, 1);
	post(w, 60001, T(lopen, .fid = 1));
	await_reply(w, 60001, 2);
	lock_gate(w);
	return w;
}

static void unlock(struct world *w)
{
	pthread_mutex_lock(&w->gate.lock);
	w->gate.locked = false;
	pthread_cond_broadcast(&w->gate.changed);
	pthread_mutex_unlock(&w->gate.lock);
}

static struct p9_msg waiting_lock(void)
{
	return T(lock, .fid = 1, .type = P9_LOCK_RDLCK, .flags = P9_LOCK_BLOCK,
		 .client_id = p9_str("guest"));
}

static void await_waiters(struct world *w, unsigned count)
{
	pthread_mutex_lock(&w->gate.lock);
	while (w->gate.waiters != count)
		pthread_cond_wait(&w->gate.changed, &w->gate.lock);
	pthread_mutex_unlock(&w->gate.lock);
}

static void set_deaf(struct world *w, unsigned count)
{
	pthread_mutex_lock(&w->gate.lock);
	w->gate.deaf = count;
	pthread_mutex_unlock(&w->gate.lock);
}

static void waiting_locks_hold_up_nobody(void)
{
	struct world *w = world_locked();

	for (uint16_t tag = 1; tag <= RUNNER_WAITS_MAX; tag++)
		post(w, tag, waiting_lock());
	await_waiters(w, RUNNER_WAITS_MAX);
	for (uint16_t tag = 1001; tag <= 1001 + RUNNER_POOL_MAX; tag++)
		post(w, tag, T(statfs, .fid = 0));
	await_reply(w, 1001 + RUNNER_POOL_MAX, 1);
	unlock(w);
	for (uint16_t tag = 1; tag <= RUNNER_WAITS_MAX; tag++)
		await_reply(w, tag, 1);
	CU_ASSERT_EQUAL(w->blocked, 0);
	world_close(w);
}

static void waits_beyond_the_limit_are_blocked(void)
{
	struct world *w = world_locked();

	for (uint16_t tag = 1; tag <= RUNNER_WAITS_MAX; tag++)
		post(w, tag, waiting_lock());
	await_waiters(w, RUNNER_WAITS_MAX);
	post(w, 1000, waiting_lock());
	await_reply(w, 1000, 1);
	CU_ASSERT_EQUAL(w->blocked, 1);
	post(w, 1001, T(flush, .oldtag = 1));
	await_reply(w, 1001, 1);
	await_waiters(w, RUNNER_WAITS_MAX - 1);
	unlock(w);
	for (uint16_t tag = 2; tag <= RUNNER_WAITS_MAX; tag++)
		await_reply(w, tag, 1);
	CU_ASSERT_EQUAL(w->replies[1], 0);
	world_close(w);
}

static void a_call_that_a_waiter_misses_is_repeated(void)
{
	struct world *w = world_locked();

	for (uint16_t round = 1; round <= 5; round++) {
		post(w, 1, waiting_lock());
		await_waiters(w, 1);
		set_deaf(w, round);
		post(w, 2, T(flush, .oldtag = 1));
		await_reply(w, 2, round);
		CU_ASSERT_EQUAL(w->replies[1], 0);
		await_waiters(w, 0);
	}
	unlock(w);
	world_close(w);
}

/* Nor does its late end bring a reply. */
static void flush_of_a_wait_that_does_not_end_is_answered(void)
{
	struct world *w = world_locked();

	set_deaf(w, UINT32_MAX);
	post(w, 1, waiting_lock());
	await_waiters(w, 1);
	post(w, 2, T(flush, .oldtag = 1));
	await_reply(w, 2, 1);
	await_waiters(w, 1);
	unlock(w);
	await_waiters(w, 0);
	post(w, 3, getattr());
	await_reply(w, 3, 1);
	world_close(w);
}

/* Not even whether it has to wait is known. What it gets in the end is given back. */
static void flush_of_a_lock_that_hangs_is_answered(void)
{
	struct world *w = world_locked();

	unlock(w);
	close_gate(w);
	post(w, 1, waiting_lock());
	await_stuck(w, 1);
	post(w, 2, T(flush, .oldtag = 1));
	await_reply(w, 2, 1);
	CU_ASSERT_EQUAL(atomic_load(&w->gate.waiting), 1);
	open_gate(w);
	await_stuck(w, 0);
	post(w, 3, getattr());
	await_reply(w, 3, 1);
	CU_ASSERT_EQUAL(w->replies[1], 0);
	world_close(w);
}

/* The loop has not seen the answer yet. */
static void flush_lock_1_when_it_is_answered(struct world *w)
{
	struct p9_msg flush = T(flush, .oldtag = 1);

	flush.tag = 2;
	unlock(w);
	await_waiters(w, 0);
	usleep(20000); /* from the driver's answer to the session's */
	take(w, &flush);
}

/* What was noted about it is not about the request that is in its place afterwards. */
static void flush_of_a_wait_that_has_just_ended_leaves_nothing(void)
{
	struct world *w = world_locked();

	post(w, 1, waiting_lock());
	await_waiters(w, 1);
	w->at_statfs = flush_lock_1_when_it_is_answered;
	post(w, 3, T(statfs, .fid = 0));
	await_reply(w, 2, 1);
	w->at_statfs = NULL;
	lock_gate(w);
	for (uint16_t tag = 11; tag <= 13; tag++)
		post(w, tag, waiting_lock());
	await_waiters(w, 3);
	usleep(1200000); /* what does not end is given up by then */
	for (uint16_t tag = 11; tag <= 13; tag++)
		post(w, tag + 10, T(flush, .oldtag = tag));
	await_waiters(w, 0);
	unlock(w);
	world_close(w);
}

static void lock_that_hung_waits_when_it_is_not_flushed(void)
{
	struct world *w = world_locked();

	close_gate(w);
	post(w, 1, waiting_lock());
	await_stuck(w, 1);
	open_gate(w);
	await_waiters(w, 1);
	post(w, 2, T(flush, .oldtag = 1));
	await_reply(w, 2, 1);
	await_waiters(w, 0);
	unlock(w);
	world_close(w);
}

static void the_end_of_a_session_ends_its_waits(void)
{
	struct world *w = world_locked();

	for (uint16_t tag = 1; tag <= 20; tag++)
		post(w, tag, waiting_lock());
	await_waiters(w, 20);
	world_close(w);
}

static const struct test tests[] = {
	{"stuck_ask_holds_up_nobody", stuck_ask_holds_up_nobody},
	{"long_listings_beside_others_leave_the_loop", long_listings_beside_others_leave_the_loop},
	{"many_stuck_asks_hold_up_nobody", many_stuck_asks_hold_up_nobody},
	{"more_stuck_asks_than_threads_hold_up_nobody",
	 more_stuck_asks_than_threads_hold_up_nobody},
	{"stop_does_not_wait_for_a_stuck_ask", stop_does_not_wait_for_a_stuck_ask},
	{"flush_of_a_stuck_ask_is_answered_at_once", flush_of_a_stuck_ask_is_answered_at_once},
	{"role_that_changes_hands_loses_and_doubles_nothing",
	 role_that_changes_hands_loses_and_doubles_nothing},
	{"late_ask_that_did_not_sleep_sends_no_other_to_the_pool",
	 late_ask_that_did_not_sleep_sends_no_other_to_the_pool},
	{"work_is_found_without_an_event", work_is_found_without_an_event},
	{"a_loop_that_looks_around_sees_the_pools_answers",
	 a_loop_that_looks_around_sees_the_pools_answers},
	{"who_has_nothing_to_do_rests", who_has_nothing_to_do_rests},
	{"waiting_locks_hold_up_nobody", waiting_locks_hold_up_nobody},
	{"waits_beyond_the_limit_are_blocked", waits_beyond_the_limit_are_blocked},
	{"a_call_that_a_waiter_misses_is_repeated", a_call_that_a_waiter_misses_is_repeated},
	{"flush_of_a_wait_that_does_not_end_is_answered",
	 flush_of_a_wait_that_does_not_end_is_answered},
	{"flush_of_a_lock_that_hangs_is_answered", flush_of_a_lock_that_hangs_is_answered},
	{"flush_of_a_wait_that_has_just_ended_leaves_nothing",
	 flush_of_a_wait_that_has_just_ended_leaves_nothing},
	{"lock_that_hung_waits_when_it_is_not_flushed",
	 lock_that_hung_waits_when_it_is_not_flushed},
	{"the_end_of_a_session_ends_its_waits", the_end_of_a_session_ends_its_waits},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "runner", tests, countof(tests));
}
