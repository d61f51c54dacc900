/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_lock.c - locks that wait: granted when the way is free, never before, and given up
 * when that is asked for, at whatever instant.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/fs/conformance.h"

#define THREADS 4
#define ROUNDS 200

static const struct fs_lock whole = {.type = FS_LOCK_WRITE};
static const struct fs_lock none = {.type = FS_LOCK_NONE};

struct waiter {
	struct world *w;
	struct fs_file file;
	struct fs_lock lock;
	struct fs_wait wait;
	atomic_bool begun, ended;
	bool *released; /* written under the lock that is in the way */
	bool saw_released;
	int result;
};

static void *wait_main(void *arg)
{
	struct waiter *waiter = arg;

	atomic_store(&waiter->begun, true);
	waiter->result = fs_lock_wait(waiter->w->fs, waiter->file, &waiter->lock, &waiter->wait);
	waiter->saw_released = __atomic_load_n(waiter->released, __ATOMIC_ACQUIRE);
	atomic_store(&waiter->ended, true);
	return NULL;
}

static void begin(struct waiter *waiter)
{
	pthread_create(&waiter->wait.thread, NULL, wait_main, waiter);
	while (!atomic_load(&waiter->begun))
		sched_yield();
}

static void cancel(struct waiter *waiter)
{
	fs_wait_cancel(&waiter->wait);
	while (!atomic_load(&waiter->ended)) {
		fs_lock_wake(waiter->w->fs, &waiter->wait);
		sched_yield();
	}
	pthread_join(waiter->wait.thread, NULL);
}

/* A file that is open twice, the whole of it locked through the first. */
struct contended {
	struct world *w;
	struct fs_node node;
	struct fs_file holder, other;
};

static struct contended contend(struct world *w)
{
	struct contended c = {.w = w, .node = make_file(w, w->root, "file", "")};

	c.holder = open_node(w, c.node, O_RDWR);
	c.other = open_node(w, c.node, O_RDWR);
	OK(fs_lock(w->fs, c.holder, &whole));
	return c;
}

static void contended_end(struct contended *c)
{
	fs_close(c->w->fs, c->holder);
	fs_close(c->w->fs, c->other);
	put(c->w, c->node);
}

static void a_waiting_lock_without_conflict_is_granted(void)
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	struct fs_wait wait = {.thread = pthread_self()};

	OK(fs_lock_wait(w.fs, c.holder, &whole, &wait));
	OK(fs_lock_wait(w.fs, c.holder, &none, &wait));
	OK(fs_lock_wait(w.fs, c.other, &whole, &wait));
	FAILS(EAGAIN, fs_lock(w.fs, c.holder, &whole));
	contended_end(&c);
}

static void granted_after(void (*release)(struct contended *c))
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	bool released = false;
	struct waiter waiter = {.w = &w, .file = c.other, .lock = whole, .released = &released};

	begin(&waiter);
	for (int i = 0; i < 100; i++)
		sched_yield();
	CU_ASSERT_FALSE(atomic_load(&waiter.ended));
	__atomic_store_n(&released, true, __ATOMIC_RELEASE);
	release(&c);
	pthread_join(waiter.wait.thread, NULL);
	OK(waiter.result);
	CU_ASSERT(waiter.saw_released);
	contended_end(&c);
}

static void unlock(struct contended *c)
{
	OK(fs_lock(c->w->fs, c->holder, &none));
}

static void become_reader(struct contended *c)
{
	const struct fs_lock rest = {.type = FS_LOCK_READ, .start = 1};
	const struct fs_lock first = {.type = FS_LOCK_NONE, .length = 1};

	OK(fs_lock(c->w->fs, c->holder, &rest));
	OK(fs_lock(c->w->fs, c->holder, &first));
	OK(fs_lock(c->w->fs, c->holder, &none));
}

static void close_holder(struct contended *c)
{
	fs_close(c->w->fs, c->holder);
	c->holder = FS_NO_FILE;
}

static void an_unlock_lets_the_next_one_in(void)
{
	granted_after(unlock);
}

static void unlocks_of_parts_let_the_next_one_in(void)
{
	granted_after(become_reader);
}

static void a_close_lets_the_next_one_in(void)
{
	granted_after(close_holder);
}

static void a_downgrade_lets_readers_in(void)
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	const struct fs_lock read = {.type = FS_LOCK_READ};
	bool released = false;
	struct waiter waiter = {.w = &w, .file = c.other, .lock = read, .released = &released};

	begin(&waiter);
	__atomic_store_n(&released, true, __ATOMIC_RELEASE);
	OK(fs_lock(w.fs, c.holder, &read));
	pthread_join(waiter.wait.thread, NULL);
	OK(waiter.result);
	contended_end(&c);
}

static void a_cancelled_wait_is_EINTR_and_holds_nothing(void)
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	bool released = false;

	for (int i = 0; i < ROUNDS; i++) {
		struct waiter waiter = {
			.w = &w, .file = c.other, .lock = whole, .released = &released};

		begin(&waiter);
		for (int pause = i % 20; pause > 0; pause--)
			sched_yield();
		cancel(&waiter);
		FAILS(EINTR, waiter.result);
	}
	OK(fs_lock(w.fs, c.holder, &none));
	OK(fs_lock(w.fs, c.holder, &whole));
	contended_end(&c);
}

static void what_was_held_before_a_cancelled_wait_is_held_after_it(void)
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	const struct fs_lock read = {.type = FS_LOCK_READ};
	bool released = false;
	struct waiter waiter = {.w = &w, .file = c.other, .lock = whole, .released = &released};

	OK(fs_lock(w.fs, c.holder, &read));
	OK(fs_lock(w.fs, c.other, &read));
	begin(&waiter);
	cancel(&waiter);
	FAILS(EINTR, waiter.result);
	FAILS(EAGAIN, fs_lock(w.fs, c.holder, &whole));
	contended_end(&c);
}

static void a_wait_that_is_cancelled_beforehand_does_not_wait(void)
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	struct fs_wait wait = {.thread = pthread_self(), .cancelled = true};

	FAILS(EINTR, fs_lock_wait(w.fs, c.other, &whole, &wait));
	contended_end(&c);
}

/* The release comes at the same time: it is one or the other. */
static void a_wait_cancelled_while_it_is_granted_tells_which(void)
{
	_world_ struct world w = world();
	struct contended c = contend(&w);
	bool released = false;

	for (int i = 0; i < ROUNDS; i++) {
		struct waiter waiter = {
			.w = &w, .file = c.other, .lock = whole, .released = &released};

		begin(&waiter);
		OK(fs_lock(w.fs, c.holder, &none));
		cancel(&waiter);
		CU_ASSERT(waiter.result == 0 || waiter.result == -EINTR);
		CU_ASSERT_EQUAL(fs_lock(w.fs, c.holder, &whole), waiter.result == 0 ? -EAGAIN : 0);
		OK(fs_lock(w.fs, c.other, &none));
		OK(fs_lock(w.fs, c.holder, &whole));
	}
	contended_end(&c);
}

/* CUnit's assertions are for one thread: faults are counted. */
struct crowd {
	struct world *w;
	struct fs_node node;
	unsigned count; /* changed by who has the lock */
	atomic_uint faults;
};

static void *count_main(void *arg)
{
	struct crowd *crowd = arg;
	struct fs_wait wait = {.thread = pthread_self()};
	struct fs_file file;

	if (fs_open(crowd->w->fs, crowd->node, O_RDWR, &file) != 0) {
		crowd->faults++;
		return NULL;
	}
	for (int i = 0; i < ROUNDS; i++) {
		unsigned seen;

		crowd->faults += fs_lock_wait(crowd->w->fs, file, &whole, &wait) != 0;
		seen = __atomic_load_n(&crowd->count, __ATOMIC_RELAXED);
		sched_yield();
		__atomic_store_n(&crowd->count, seen + 1, __ATOMIC_RELAXED);
		crowd->faults += fs_lock(crowd->w->fs, file, &none) != 0;
	}
	fs_close(crowd->w->fs, file);
	return NULL;
}

static void one_of_many_waiters_has_it_at_a_time(void)
{
	_world_ struct world w = world();
	struct crowd crowd = {.w = &w, .node = make_file(&w, w.root, "file", "")};
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count_main, &crowd);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(crowd.faults, 0);
	CU_ASSERT_EQUAL(crowd.count, THREADS * ROUNDS);
	put(&w, crowd.node);
}

const struct test lock_tests[] = {
	{"a_waiting_lock_without_conflict_is_granted", a_waiting_lock_without_conflict_is_granted},
	{"an_unlock_lets_the_next_one_in", an_unlock_lets_the_next_one_in},
	{"unlocks_of_parts_let_the_next_one_in", unlocks_of_parts_let_the_next_one_in},
	{"a_close_lets_the_next_one_in", a_close_lets_the_next_one_in},
	{"a_downgrade_lets_readers_in", a_downgrade_lets_readers_in},
	{"a_cancelled_wait_is_EINTR_and_holds_nothing",
	 a_cancelled_wait_is_EINTR_and_holds_nothing},
	{"what_was_held_before_a_cancelled_wait_is_held_after_it",
	 what_was_held_before_a_cancelled_wait_is_held_after_it},
	{"a_wait_that_is_cancelled_beforehand_does_not_wait",
	 a_wait_that_is_cancelled_beforehand_does_not_wait},
	{"a_wait_cancelled_while_it_is_granted_tells_which",
	 a_wait_cancelled_while_it_is_granted_tells_which},
	{"one_of_many_waiters_has_it_at_a_time", one_of_many_waiters_has_it_at_a_time},
};
const size_t lock_tests_count = countof(lock_tests);
