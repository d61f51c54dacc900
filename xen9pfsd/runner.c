/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * runner.c - see runner.h.
 *
 * `turn` tells who has the role. Even: the loop's own code is running. Odd: its holder is inside
 * an inline ask. Each step adds one, so whoever finds the number it left behind is still in
 * possession; the watchdog takes the role away by making the step first. The holder touches
 * nothing of the loop's after a lost step, and inline asks run from the top of loop() only, so
 * there is no half-done work above it on the stack.
 */
#include "xen9pfsd/runner.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/thread.h"
#include "common/util.h"
#include "proto/ops.h"
#include "xen9pfsd/polling.h"

#define NS_PER_MS 1000000LL
#define ROUND_ASKS 16			 /* inline, before the replies of a round go out */
#define EVENTS 16			 /* taken from epoll at once, */
#define EVENTS_ROUNDS 8			 /* in so many rounds when there is other work */
#define LOOKS 8				 /* for work, between looks at the clock */
#define SLOW_ASK_NS (1 * NS_PER_MS)	 /* two asks that last, and sleep, so long, */
#define SLOW_AMONG 8			 /* among so many, or one that loses the role: */
#define SLOW_PERIOD_NS (100 * NS_PER_MS) /* asks go to the pool for so long */
#define LONG_ASK_NS (NS_PER_MS / 5)	 /* work that lasts so long, where others wait, too */
#define IDLE_THREAD_S 10		 /* a pool thread without work ends */
#define GIVE_UP_NS (1000 * NS_PER_MS) /* a cancelled wait ends at once, or hangs in the storage */

/* A thread in an ask that waits for other clients; or an ask that was cancelled before it came to
 * that: where the storage is dead, it may not even find out that it has to wait. */
struct waiter {
	LIST_ENTRY(waiter) link;
	struct req *req;   /* NULL: it was finished, and may be another one by now */
	int64_t cancelled; /* when; 0: not */
	bool given_up;
	bool waits; /* it has its thread */
	struct runner *runner;
};

struct runner {
	struct executor executor;
	int epoll, wake, timer;
	pthread_t watchdog;

	/* The role. */
	_Atomic uint64_t turn;
	_Atomic int64_t ask_began; /* of the inline ask */
	atomic_bool armed;	   /* the watchdog's timer runs */
	atomic_bool full;	   /* the pool takes nothing more: see quick() */

	/* The loop's own. */
	struct req_queue ready;
	STAILQ_HEAD(, runner_task) tasks;
	struct runner_poller *poller; /* or NULL */
	bool patient;		      /* as runner_set_poller() has it */
	struct polling polling;
	unsigned rounds;	/* without a look at the events */
	int64_t slow_until[2];	/* [1]: of asks that try not to sleep */
	unsigned after_slow[2]; /* so many of the SLOW_AMONG are still to come */
	int64_t long_until;	/* the same of OP_LONG, unless its request is the only one */
	long sleeps;		/* of its thread, until it last waited for events */
	uint64_t since;		/* `turn` when it got the role */
	bool stop;

	/* Shared, under `lock`. */
	pthread_mutex_t lock;
	pthread_cond_t work;   /* something to do for an idle thread */
	pthread_cond_t ended;  /* a thread, or all of it */
	struct req_queue todo; /* for the pool; so many: */
	unsigned queued;
	struct req_queue answered; /* for the loop */
	atomic_bool answers;	   /* there are some */
	unsigned threads, idle;
	unsigned asking; /* threads in an ask that is not the loop's */
	LIST_HEAD(, waiter) waiters;
	unsigned waits;	       /* of them, or about to be */
	bool late;	       /* a cancelled one does not come back: see give_up() */
	uint64_t pardoned;     /* who has the role since then took it from one that did not sleep */
	bool short_of_threads; /* has been said */
	bool vacant;	       /* the role waits for a thread */
	bool sleeping;	       /* its holder waits in epoll */
	bool nudged;	       /* it has to look at the lanes once more, see nudge_loop() */
	bool stopped;

	bool started; /* there is a watchdog */
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

static void *thread_main(void *arg);

static void start_thread(struct runner *r)
{
	if (thread_start(thread_main, r) == 0) {
		r->threads++;
	} else if (!r->short_of_threads) {
		r->short_of_threads = true;
		log_warning("cannot start another thread; %u are running", r->threads);
	}
}

static bool pool_has_room(const struct runner *r)
{
	return r->asking < RUNNER_POOL_MAX;
}

/* A job more: wakes a thread, or makes one when all that are idle have a job coming. The role
 * always gets one; asks do up to a limit. Under the lock. */
static void added_job(struct runner *r)
{
	unsigned room = pool_has_room(r) ? RUNNER_POOL_MAX - r->asking : 0;
	unsigned jobs = (r->queued < room ? r->queued : room) + (r->vacant ? 1 : 0);

	if (jobs <= r->idle)
		pthread_cond_signal(&r->work);
	else
		start_thread(r);
}

/* One thread more, or less, is in an ask that is not the loop's. Under the lock. */
static void count_asking(struct runner *r, int more)
{
	r->asking += (unsigned)more;
	atomic_store(&r->full, !pool_has_room(r));
}

/* ---- executor ---- */

static void runner_ready(struct executor *executor, struct req *req)
{
	struct runner *r = container_of(executor, struct runner, executor);

	STAILQ_INSERT_TAIL(&r->ready, req, link);
}

/* Under the lock. */
static struct waiter *find_waiter(struct runner *r, const struct req *req)
{
	struct waiter *waiter;

	LIST_FOREACH (waiter, &r->waiters, link) {
		if (waiter->req == req)
			break;
	}
	return waiter;
}

/* Under the lock. */
static void drop_waiter(struct waiter *waiter)
{
	LIST_REMOVE(waiter, link);
	free(waiter);
}

/* On the loop, which alone cancels: until now it may have, though the request was answered. */
static void finish(struct runner *r, struct req *req)
{
	struct waiter *waiter;

	if (req->may_wait) {
		pthread_mutex_lock(&r->lock);
		waiter = find_waiter(r, req);
		if (waiter != NULL && waiter->waits)
			waiter->req = NULL;
		else if (waiter != NULL)
			drop_waiter(waiter);
		pthread_mutex_unlock(&r->lock);
	}
	session_finish(req);
}

/* If it sleeps. Under the lock. */
static void wake_loop(struct runner *r)
{
	if (r->sleeping)
		eventfd_write(r->wake, 1);
	r->sleeping = false;
}

static void runner_answered(struct executor *executor, struct req *req)
{
	struct runner *r = container_of(executor, struct runner, executor);

	pthread_mutex_lock(&r->lock);
	STAILQ_INSERT_TAIL(&r->answered, req, link);
	atomic_store_explicit(&r->answers, true, memory_order_relaxed);
	wake_loop(r);
	pthread_mutex_unlock(&r->lock);
}

static void to_pool(struct runner *r, struct req *req)
{
	pthread_mutex_lock(&r->lock);
	STAILQ_INSERT_TAIL(&r->todo, req, link);
	r->queued++;
	added_job(r);
	pthread_mutex_unlock(&r->lock);
}

/* ---- asks that wait for other clients ---- */

static void *waiter_main(void *arg)
{
	struct waiter *waiter = arg, *tried;
	struct runner *r = waiter->runner;

	pthread_mutex_lock(&r->lock);
	tried = find_waiter(r, waiter->req);
	if (tried != NULL) {
		waiter->cancelled = tried->cancelled;
		waiter->given_up = tried->given_up;
		drop_waiter(tried);
	}
	waiter->req->wait.thread = pthread_self();
	LIST_INSERT_HEAD(&r->waiters, waiter, link);
	pthread_mutex_unlock(&r->lock);
	req_ask(waiter->req);
	pthread_mutex_lock(&r->lock);
	drop_waiter(waiter);
	r->waits--;
	pthread_cond_broadcast(&r->ended);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* A thread of its own for the ask; false: there is none to be had. */
static bool to_waiter(struct runner *r, struct req *req)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	bool begun;

	if (waiter == NULL)
		return false;
	*waiter = (struct waiter){.req = req, .waits = true, .runner = r};
	pthread_mutex_lock(&r->lock);
	begun = r->waits < RUNNER_WAITS_MAX && thread_start(waiter_main, waiter) == 0;
	r->waits += begun;
	pthread_mutex_unlock(&r->lock);
	if (!begun)
		free(waiter);
	return begun;
}

/* An ask that could not be made where it was tried. */
static void ask_elsewhere(struct runner *r, struct req *req)
{
	if (req->patience == REQ_WOULD_WAIT) {
		req->patience = REQ_WAITS;
		if (to_waiter(r, req))
			return;
		req->patience = REQ_ASKS_ONCE;
	}
	to_pool(r, req);
}

/* ---- the watchdog ---- */

static void arm(struct runner *r)
{
	static const struct itimerspec once = {
		.it_value.tv_nsec = RUNNER_PATIENCE_MS * NS_PER_MS,
	};

	if (!atomic_exchange(&r->armed, true))
		timerfd_settime(r->timer, 0, &once, NULL);
}

/* Under the lock. */
static void interrupt(struct runner *r, const struct waiter *waiter)
{
	if (waiter->waits)
		fs_lock_wake(waiter->req->session->fs, &waiter->req->wait);
	arm(r);
}

/* An ask that does not wait yet looks whether it was cancelled before it does; without memory
 * nobody sees when that takes too long. */
static void runner_wake(struct executor *executor, struct req *req)
{
	struct runner *r = container_of(executor, struct runner, executor);
	struct waiter *waiter;

	pthread_mutex_lock(&r->lock);
	waiter = find_waiter(r, req);
	if (waiter == NULL && (waiter = calloc(1, sizeof(*waiter))) != NULL) {
		*waiter = (struct waiter){.req = req, .runner = r};
		LIST_INSERT_HEAD(&r->waiters, waiter, link);
	}
	if (waiter != NULL && waiter->cancelled == 0) {
		waiter->cancelled = now_ns();
		interrupt(r, waiter);
	}
	pthread_mutex_unlock(&r->lock);
}

static bool is_late(const struct waiter *waiter)
{
	return waiter->req != NULL && waiter->cancelled != 0 && !waiter->given_up &&
	       now_ns() - waiter->cancelled > GIVE_UP_NS;
}

/* A thread may have missed it, being just about to wait (fs.h). */
static void wake_again(struct runner *r)
{
	struct waiter *waiter;

	pthread_mutex_lock(&r->lock);
	LIST_FOREACH (waiter, &r->waiters, link) {
		if (waiter->req == NULL || waiter->cancelled == 0 ||
		    (waiter->given_up && !waiter->waits))
			continue;
		interrupt(r, waiter);
		if (is_late(waiter)) {
			r->late = true;
			wake_loop(r);
		}
	}
	pthread_mutex_unlock(&r->lock);
}

/* Takes the role from a holder whose ask lasts too long. */
static void relieve(struct runner *r)
{
	uint64_t turn = atomic_load(&r->turn);

	if (turn % 2 == 0)
		return;
	if (now_ns() - atomic_load(&r->ask_began) < RUNNER_PATIENCE_MS * NS_PER_MS ||
	    !atomic_compare_exchange_strong(&r->turn, &turn, turn + 1)) {
		arm(r);
		return;
	}
	pthread_mutex_lock(&r->lock);
	r->vacant = true;
	count_asking(r, 1);
	added_job(r);
	pthread_mutex_unlock(&r->lock);
}

static void *watchdog_main(void *arg)
{
	struct runner *r = arg;
	uint64_t expirations;
	bool stopped = false;

	while (!stopped) {
		if (read(r->timer, &expirations, sizeof(expirations)) < 0 && errno != EINTR)
			break;
		/* Cleared before the look at `turn`, which the holder sets before its look at
		 * this: one of the two sees the other. */
		atomic_store(&r->armed, false);
		relieve(r);
		wake_again(r);
		pthread_mutex_lock(&r->lock);
		stopped = r->stopped;
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

/* ---- the loop ---- */

/* May the loop run it itself? Not when all of the pool hangs already: the loop would be next. */
static bool quick(const struct runner *r, const struct req *req, int64_t now)
{
	if ((req->op->flags & OP_BLOCKS) != 0 || atomic_load(&r->full))
		return false;
	if ((req->op->flags & OP_LONG) != 0 && now < r->long_until && req->session->reqs > 1)
		return false;
	return now >= r->slow_until[(req->op->flags & OP_TRIES) != 0];
}

/* How often the thread has slept; having to wait for a processor does not count, however long. */
static long count_sleeps(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_nvcsw;
}

static void note_time(struct runner *r, uint16_t flags, int64_t began, int64_t now)
{
	bool tries = (flags & OP_TRIES) != 0, again = r->after_slow[tries] > 0;
	long sleeps;

	if ((flags & OP_LONG) != 0 && now - began > LONG_ASK_NS)
		r->long_until = now + SLOW_PERIOD_NS;
	if (again)
		r->after_slow[tries]--;
	if (now - began <= SLOW_ASK_NS)
		return;
	sleeps = count_sleeps();
	if (sleeps > r->sleeps) {
		r->after_slow[tries] = SLOW_AMONG;
		if (again)
			r->slow_until[tries] = now + SLOW_PERIOD_NS;
	}
	r->sleeps = sleeps;
}

/* The role was taken at `lost` from this thread, which had slept so often. */
static void pardon(struct runner *r, uint64_t lost, long sleeps)
{
	if (count_sleeps() > sleeps)
		return;
	pthread_mutex_lock(&r->lock);
	r->pardoned = lost;
	pthread_mutex_unlock(&r->lock);
}

/* The ask has given back what it had of its lane, and others may go on there. The loop may have
 * looked already, and be about to sleep. */
static void nudge_loop(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	r->nudged = true;
	wake_loop(r);
	pthread_mutex_unlock(&r->lock);
}

/* False: the role is lost, and `req` may be anybody's by now. */
static bool ask_inline(struct runner *r, struct req *req, int64_t *now)
{
	const uint64_t turn = atomic_load(&r->turn) + 1;
	const int64_t began = *now;
	const long sleeps = r->sleeps;
	const uint16_t flags = req->op->flags;
	uint64_t mine = turn;
	bool answered, kept;

	req_prepare_here(req);
	atomic_store(&r->ask_began, began);
	atomic_store(&r->turn, turn);
	arm(r);
	answered = req_ask_here(req);
	kept = atomic_compare_exchange_strong(&r->turn, &mine, turn + 1);
	if (!kept)
		pardon(r, turn + 1, sleeps);
	if (!answered)
		ask_elsewhere(r, req);
	else if (kept)
		finish(r, req);
	else
		runner_answered(&r->executor, req);
	if (!kept) {
		nudge_loop(r);
		return false;
	}
	*now = now_ns();
	note_time(r, flags, began, *now);
	return true;
}

/* False: the role is lost. */
static bool run_ready(struct runner *r)
{
	int64_t now = STAILQ_EMPTY(&r->ready) ? 0 : now_ns();
	struct req *req;

	for (int asks = 0; asks < ROUND_ASKS && (req = STAILQ_FIRST(&r->ready)) != NULL;) {
		STAILQ_REMOVE_HEAD(&r->ready, link);
		if (!quick(r, req, now)) {
			req_fetch(req);
			to_pool(r, req);
		} else if (ask_inline(r, req, &now)) {
			asks++;
		} else {
			return false;
		}
	}
	return true;
}

/* Nobody waits any longer for a wait that was cancelled and does not end. Requests stay while they
 * are asked, and only the loop finishes them. */
static void give_up(struct runner *r)
{
	struct req *late[RUNNER_WAITS_MAX];
	unsigned count = 0;
	struct waiter *waiter;

	pthread_mutex_lock(&r->lock);
	r->late = false;
	LIST_FOREACH (waiter, &r->waiters, link) {
		if (!is_late(waiter) || count == countof(late))
			continue;
		waiter->given_up = true;
		late[count++] = waiter->req;
	}
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < count; i++)
		session_give_up(late[i]);
}

/* Finishes what has been answered. With nothing at all to do marks the loop as asleep, so that
 * the next answer wakes it; true then. */
static bool finish_answered(struct runner *r, bool may_sleep)
{
	struct req_queue answered = STAILQ_HEAD_INITIALIZER(answered);
	bool sleeping, late;
	uint64_t pardoned;
	struct req *req;

	pthread_mutex_lock(&r->lock);
	STAILQ_CONCAT(&answered, &r->answered);
	atomic_store_explicit(&r->answers, false, memory_order_relaxed);
	late = r->late;
	pardoned = r->pardoned;
	r->pardoned = 0;
	sleeping = may_sleep && STAILQ_EMPTY(&answered) && !late && !r->nudged;
	r->nudged = r->nudged && !may_sleep;
	r->sleeping = sleeping;
	pthread_mutex_unlock(&r->lock);
	if (pardoned != 0 && pardoned == r->since)
		r->slow_until[0] = r->slow_until[1] = 0;
	while ((req = STAILQ_FIRST(&answered)) != NULL) {
		STAILQ_REMOVE_HEAD(&answered, link);
		finish(r, req);
	}
	if (late)
		give_up(r);
	return sleeping;
}

/* Tasks queued by tasks wait for the next round. */
static void run_tasks(struct runner *r)
{
	STAILQ_HEAD(, runner_task) tasks = STAILQ_HEAD_INITIALIZER(tasks);
	struct runner_task *task;

	STAILQ_CONCAT(&tasks, &r->tasks);
	while ((task = STAILQ_FIRST(&tasks)) != NULL) {
		STAILQ_REMOVE_HEAD(&tasks, link);
		task->queued = false;
		task->run(task);
	}
}

static void take_events(struct runner *r, bool block)
{
	int64_t began = block ? now_ns() : 0;
	struct epoll_event events[EVENTS];
	int count = epoll_wait(r->epoll, events, EVENTS, block ? -1 : 0);
	eventfd_t wakes;

	r->rounds = 0;
	if (block) {
		polling_slept(&r->polling, began, now_ns());
		pthread_mutex_lock(&r->lock);
		r->sleeping = false;
		pthread_mutex_unlock(&r->lock);
		r->sleeps = count_sleeps();
	}
	for (int i = 0; i < count; i++) {
		struct runner_source *source = events[i].data.ptr;

		if (source == NULL)
			eventfd_read(r->wake, &wakes);
		else if (source->fd >= 0)
			source->ready(source, events[i].events);
	}
}

static bool has_work(const struct runner *r)
{
	return !STAILQ_EMPTY(&r->ready) || !STAILQ_EMPTY(&r->tasks);
}

/* Looks for work once. To look may make some, too. */
static bool look(struct runner *r)
{
	return (r->poller != NULL && r->poller->look(r->poller)) || has_work(r) ||
	       atomic_load_explicit(&r->answers, memory_order_relaxed);
}

/* The same for as long as it pays. */
static bool look_around(struct runner *r)
{
	int64_t began, until, now, last;
	bool found = false;

	if (!r->patient)
		return false;
	now = began = now_ns();
	until = polling_until(&r->polling, began);
	if (until <= began)
		return false;
	while (now < until && !found) {
		for (int i = 0; i < LOOKS && !found; i++) {
			cpu_relax();
			found = look(r);
		}
		last = now;
		now = now_ns();
		if (now - last > POLLING_PREEMPTED_NS)
			polling_preempted(&r->polling, now);
	}
	polling_looked(&r->polling, began, now, found);
	return found;
}

/* Something to do next. Without, sleeps until there may be. */
static void find_work(struct runner *r)
{
	if (has_work(r) || look(r) || look_around(r)) {
		if (++r->rounds >= EVENTS_ROUNDS)
			take_events(r, false);
		return;
	}
	if (r->poller != NULL)
		r->poller->rest(r->poller);
	take_events(r, finish_answered(r, true));
}

/* Holds the role until it is lost or all is over. */
static void loop(struct runner *r)
{
	r->since = atomic_load(&r->turn);
	r->sleeps = count_sleeps();
	/* Whoever had it before is stuck, unless he only waits for a processor: see pardon(). Do
	 * not try the same again at once. */
	if (r->since > 0)
		r->slow_until[0] = r->slow_until[1] = now_ns() + SLOW_PERIOD_NS;

	for (;;) {
		if (!run_ready(r))
			return;
		finish_answered(r, false);
		run_tasks(r);
		if (r->stop)
			break;
		find_work(r);
	}
	pthread_mutex_lock(&r->lock);
	r->stopped = true;
	pthread_cond_broadcast(&r->work);
	pthread_cond_broadcast(&r->ended);
	pthread_mutex_unlock(&r->lock);
	arm(r); /* wakes the watchdog for the last time */
}

/* ---- threads ---- */

/* Waits for something to do; false after a long time without. Under the lock. */
static bool wait_for_work(struct runner *r)
{
	struct timespec until;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_THREAD_S;
	r->idle++;
	err = pthread_cond_timedwait(&r->work, &r->lock, &until);
	r->idle--;
	return err != ETIMEDOUT;
}

static void take_role(struct runner *r)
{
	r->vacant = false;
	pthread_mutex_unlock(&r->lock);
	loop(r);
	pthread_mutex_lock(&r->lock);
	/* Back without the role: it was in a late ask, as the watchdog has counted. */
	if (!r->stopped)
		count_asking(r, -1);
}

static void take_ask(struct runner *r)
{
	struct req *req = STAILQ_FIRST(&r->todo);

	STAILQ_REMOVE_HEAD(&r->todo, link);
	r->queued--;
	count_asking(r, 1);
	pthread_mutex_unlock(&r->lock);
	if (!req_ask(req))
		ask_elsewhere(r, req);
	pthread_mutex_lock(&r->lock);
	count_asking(r, -1);
}

/* What every thread but the watchdog does. */
static void *thread_main(void *arg)
{
	struct runner *r = arg;
	bool found = true;

	pthread_mutex_lock(&r->lock);
	while (!r->stopped) {
		if (r->vacant)
			take_role(r);
		else if (r->queued > 0 && pool_has_room(r))
			take_ask(r);
		else if (found)
			found = wait_for_work(r);
		else
			break;
	}
	r->threads--;
	pthread_cond_broadcast(&r->ended);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

void runner_set_poller(struct runner *runner, struct runner_poller *poller, bool patient)
{
	runner->poller = poller;
	runner->patient = patient;
}

void runner_run(struct runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	runner->vacant = true;
	added_job(runner);
	while (!runner->stopped && runner->threads > 0)
		pthread_cond_wait(&runner->ended, &runner->lock);
	pthread_mutex_unlock(&runner->lock);
}

void runner_stop(struct runner *runner)
{
	runner->stop = true;
}

/* ---- life ---- */

static void runner_free(struct runner *r)
{
	for (size_t i = 0; i < 3; i++) {
		int fd = (const int[]){r->epoll, r->wake, r->timer}[i];

		cleanup_close(&fd);
	}
	while (!LIST_EMPTY(&r->waiters))
		drop_waiter(LIST_FIRST(&r->waiters));
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->ended);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int runner_start(struct runner *runner)
{
	int err = thread_start_joinable(watchdog_main, runner, &runner->watchdog);

	runner->started = err == 0;
	return err;
}

static int open_descriptors(struct runner *r)
{
	struct epoll_event event = {.events = EPOLLIN};

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (r->epoll < 0 || r->wake < 0 || r->timer < 0 ||
	    epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->wake, &event) < 0)
		return -errno;
	return 0;
}

int runner_create(struct runner **runner)
{
	struct runner *r = calloc(1, sizeof(*r));
	pthread_condattr_t monotonic;
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->executor = (struct executor){
		.run = runner_ready, .answered = runner_answered, .wake = runner_wake};
	LIST_INIT(&r->waiters);
	r->epoll = r->wake = r->timer = -1;
	STAILQ_INIT(&r->ready);
	STAILQ_INIT(&r->tasks);
	STAILQ_INIT(&r->todo);
	STAILQ_INIT(&r->answered);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->work, &monotonic);
	pthread_cond_init(&r->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);

	err = open_descriptors(r);
	if (err < 0) {
		runner_free(r);
		return err;
	}
	*runner = r;
	return 0;
}

bool runner_destroy(struct runner *runner, int timeout_ms)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms * NS_PER_MS;
	until.tv_sec += until.tv_nsec / (1000 * NS_PER_MS);
	until.tv_nsec %= 1000 * NS_PER_MS;
	pthread_mutex_lock(&runner->lock);
	if (!runner->stopped) {
		/* It was never run: only the watchdog may be there. */
		runner->stopped = true;
		arm(runner);
	}
	while (runner->threads + runner->waits > 0 && err == 0)
		err = pthread_cond_timedwait(&runner->ended, &runner->lock, &until);
	err = runner->threads + runner->waits > 0 ? err : 0;
	pthread_mutex_unlock(&runner->lock);
	/* It touches no storage: also beside threads that sleep there it has ended. */
	if (runner->started)
		pthread_join(runner->watchdog, NULL);
	runner->started = false;
	if (err != 0)
		return false;
	runner_free(runner);
	return true;
}

struct executor *runner_executor(struct runner *runner)
{
	return &runner->executor;
}

/* ---- descriptors and tasks ---- */

int runner_add(struct runner *runner, struct runner_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(runner->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

int runner_modify(struct runner *runner, struct runner_source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(runner->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0 ? -errno : 0;
}

void runner_remove(struct runner *runner, struct runner_source *source)
{
	epoll_ctl(runner->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
}

void runner_later(struct runner *runner, struct runner_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	STAILQ_INSERT_TAIL(&runner->tasks, task, link);
}
