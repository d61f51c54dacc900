/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_turns.h - several tasks with one client, as the processes of a guest share one mount. Each
 * task is a thread and calls client.h as if it were alone; where it would wait, the next one has
 * its turn. So exactly one runs at any time, and nobody needs a lock.
 *
 * All messages come by here, which is why this is also where time is taken: how long each reply
 * took, and how long none came at all. A reply that does not come is found by a guard.
 */
#ifndef TOOLS_SIM_TURNS_H
#define TOOLS_SIM_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/client.h"

struct turns;

struct turns_task {
	char name[48]; /* for people */
	void (*body)(struct turns_task *task);

	/* Not the caller's. */
	struct turns *turns;
	pthread_t thread;
	pthread_cond_t cond;
	bool due; /* in the queue */
	TAILQ_ENTRY(turns_task) queue, all;
};

struct turns_config {
	int guard_ms;	  /* how long a reply may take */
	int64_t pause_us; /* a longer time without any reply is noted */
	/* A request was not answered in time, or twice, or after it was flushed. As turns_stop()
	 * then. */
	void (*bad)(void *arg, const char *text);
	void *arg;
};

/* A time without any reply, while somebody waited for one. */
struct turns_pause {
	int64_t start_us; /* of CLOCK_MONOTONIC */
	uint32_t us;
};

struct turns_figures {
	uint64_t requests;
	int64_t longest_us; /* from a request to its reply */
	const struct turns_pause *pauses;
	size_t pause_count;
};

/* From now on the client's messages go through here. Also without a task running, its calls do
 * what they did. 0; -ENOMEM. */
int turns_open(struct client *client, const struct turns_config *config, struct turns **turns);

/* The client is as it was before. Takes NULL. */
void turns_close(struct turns *turns);

/* Runs the tasks, whose name and body are set, until all have ended. 0; -errno: a thread could not
 * be made, and the others have ended. */
int turns_run(struct turns *turns, struct turns_task **tasks, size_t count);

/* As client_flush(), which among several tasks could take what has become another one's tag.
 * `oldtag` is of a request of the caller's whose reply it has not taken. */
int turns_flush(struct turns *turns, uint16_t oldtag, struct p9_msg *reply);

/* Nobody waits any more: the client answers -ETIMEDOUT from now on. */
void turns_stop(struct turns *turns);

/* Valid until the next message. */
struct turns_figures turns_figures(const struct turns *turns);

#endif
