/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * runner.h - the threads that run sessions: one loop, a pool, and a watchdog.
 *
 * The loop is a role, not a thread. Its holder waits for descriptors, lets lanes take requests,
 * runs asks that are expected to be quick, and finishes what was answered. An ask that keeps it
 * longer than RUNNER_PATIENCE_MS loses it the role: another thread goes on in its place, and the
 * late one hands its result in as a pool thread would. So a request that sleeps for ever in the
 * storage stops nothing but itself. One that waits for other clients has a thread of its own; when
 * there are too many of these, it is not waited.
 *
 * What is "on the loop" below (all of session.h among it) is called by the holder only, from the
 * callbacks that this header defines.
 */
#ifndef XEN9PFSD_RUNNER_H
#define XEN9PFSD_RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/session.h"

#define RUNNER_PATIENCE_MS 5 /* an inline ask may take this long */
#define RUNNER_POOL_MAX 64   /* threads that run asks */
#define RUNNER_WAITS_MAX 128 /* threads besides, in asks that wait for other clients */

struct runner;

/* A descriptor and what to do when epoll(7) reports `events` for it. Storage is the owner's. */
struct runner_source {
	int fd;
	void (*ready)(struct runner_source *source, uint32_t events);
};

/* Something to do once at the end of the running round, after all answers of the round are with
 * their lanes. Storage is the owner's. */
struct runner_task {
	STAILQ_ENTRY(runner_task) link;
	bool queued;
	void (*run)(struct runner_task *task);
};

/* Where work may be found without an event. Storage is the owner's; on the loop. */
struct runner_poller {
	/* Takes what there is; true: there was something. Called often. */
	bool (*look)(struct runner_poller *poller);
	/* The loop is about to sleep: what happens from here on has to be an event, also what
	 * happened since the last look. */
	void (*rest)(struct runner_poller *poller);
};

/* 0 or -errno. There is no second thread before runner_start(), so that a process can give up
 * rights in between. */
int runner_create(struct runner **runner);
int runner_start(struct runner *runner);

/* For session_create(). */
struct executor *runner_executor(struct runner *runner);

/* On the loop, or before runner_run(). A source must not be freed before the end of the round in
 * which it was removed: use a task. */
int runner_add(struct runner *runner, struct runner_source *source, uint32_t events);
int runner_modify(struct runner *runner, struct runner_source *source, uint32_t events);
void runner_remove(struct runner *runner, struct runner_source *source);
void runner_later(struct runner *runner, struct runner_task *task);

/* Before runner_run(); there is one at most. `patient`: the loop may look again and again for a
 * while before it sleeps (polling.h). */
void runner_set_poller(struct runner *runner, struct runner_poller *poller, bool patient);

/* After runner_start(): serves until runner_stop() (on the loop). The caller only waits. */
void runner_run(struct runner *runner);
void runner_stop(struct runner *runner);

/* After runner_run(), or in its place: true when all threads have ended and the runner is freed.
 * False when some still sleep in the storage after `timeout_ms`: the process can only _exit(). */
bool runner_destroy(struct runner *runner, int timeout_ms);

#endif
