/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_turns.c - see sim_turns.h. The one lock is held by whoever has the turn, and by nobody else
 * ever; a task that waits is woken when a reply to a request of its own has come, and who finds
 * nobody else with something to do sleeps on the transport for all of them.
 */
#include "tools/sim_turns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_verb.h"

#define TAGS 65536

/* What is known of a tag: the last request that had it. */
struct call {
	struct turns_task *task;
	int64_t start; /* us */
	uint8_t type;
	bool open;	   /* no reply yet */
	bool flushed;	   /* and never will there be one */
	bool old_answered; /* of a Tflush, when its reply came: the other was there before */
	uint16_t oldtag;
};

struct turns {
	struct client_transport transport; /* stands before: */
	struct client_transport *inner;
	struct client *client;
	struct turns_config config;
	pthread_mutex_t lock;
	struct turns_task self; /* the thread that has opened us */
	struct turns_task *current;
	TAILQ_HEAD(, turns_task) queue; /* have something to do */
	TAILQ_HEAD(, turns_task) all;	/* all but `self` */
	bool sending;			/* a request had no room; the client's buffer holds it */
	bool stopped;
	struct call *calls; /* by tag */
	uint32_t tags;	    /* used so far */
	unsigned open;
	int64_t quiet_since;
	uint64_t requests;
	int64_t longest;
	struct turns_pause *pauses;
	size_t pause_count, pause_room;
};

static struct turns *turns_of(struct client_transport *transport)
{
	return container_of(transport, struct turns, transport);
}

/* ---- turns ---- */

static void make_due(struct turns_task *task)
{
	if (task->due)
		return;
	task->due = true;
	TAILQ_INSERT_TAIL(&task->turns->queue, task, queue);
}

static void sleep_until_turn(struct turns_task *task)
{
	while (task->turns->current != task)
		pthread_cond_wait(&task->cond, &task->turns->lock);
}

/* Gives the turn to the first of the queue; false when there is none. */
static bool hand_over(struct turns *turns)
{
	struct turns_task *next = TAILQ_FIRST(&turns->queue);

	if (next == NULL)
		return false;
	TAILQ_REMOVE(&turns->queue, next, queue);
	next->due = false;
	turns->current = next;
	pthread_cond_signal(&next->cond);
	return true;
}

/* After the last turn of a task somebody has to look after the transport; after the very last
 * one the opener goes on. */
static void leave(struct turns_task *task)
{
	struct turns *turns = task->turns;

	/* It may have given up waiting for something. */
	for (uint32_t tag = 0; tag < turns->tags; tag++) {
		if (turns->calls[tag].task == task)
			turns->calls[tag].task = NULL;
	}
	if (task->due)
		TAILQ_REMOVE(&turns->queue, task, queue);
	TAILQ_REMOVE(&turns->all, task, all);
	if (TAILQ_EMPTY(&turns->all))
		make_due(&turns->self);
	else if (TAILQ_EMPTY(&turns->queue))
		make_due(TAILQ_FIRST(&turns->all));
	hand_over(turns);
}

static void *run_task(void *arg)
{
	struct turns_task *task = arg;
	struct turns *turns = task->turns;

	pthread_mutex_lock(&turns->lock);
	sleep_until_turn(task);
	task->body(task);
	leave(task);
	pthread_mutex_unlock(&turns->lock);
	return NULL;
}

int turns_run(struct turns *turns, struct turns_task **tasks, size_t count)
{
	size_t made = 0;
	int result = 0;

	for (; made < count && result == 0; made++) {
		struct turns_task *task = tasks[made];

		task->turns = turns;
		task->due = false;
		pthread_cond_init(&task->cond, NULL);
		result = -pthread_create(&task->thread, NULL, run_task, task);
		if (result != 0) {
			pthread_cond_destroy(&task->cond);
			break;
		}
		TAILQ_INSERT_TAIL(&turns->all, task, all);
		make_due(task);
	}
	if (made > 0) {
		hand_over(turns);
		sleep_until_turn(&turns->self);
	}
	/* The last one has said its last word, but it may still hold the lock. */
	pthread_mutex_unlock(&turns->lock);
	for (size_t i = 0; i < made; i++) {
		pthread_join(tasks[i]->thread, NULL);
		pthread_cond_destroy(&tasks[i]->cond);
	}
	pthread_mutex_lock(&turns->lock);
	return result;
}

/* ---- what must not be ---- */

static const char *owner(const struct call *call)
{
	return call->task != NULL ? call->task->name : "a task that has ended";
}

static void say_lost(struct turns *turns, uint32_t tag)
{
	const struct call *call = &turns->calls[tag];
	char text[160];

	snprintf(text, sizeof(text), "no reply for %d s to %s, tag %u, of %s",
		 turns->config.guard_ms / 1000, p9_name(call->type), tag, owner(call));
	turns->config.bad(turns->config.arg, text);
}

static const char *name_of(uint8_t type)
{
	const char *name = p9_name(type);

	return name != NULL ? name : "a strange message";
}

static void say_mismatch(struct turns *turns, uint16_t tag, uint8_t type)
{
	const struct call *call = &turns->calls[tag];
	char text[256];

	turns->stopped = true;
	snprintf(text, sizeof(text), "%s, tag %u, as the reply to %s of %s", name_of(type), tag,
		 p9_name(call->type), owner(call));
	turns->config.bad(turns->config.arg, text);
}

/* A reply to what nobody asks, or not any more. */
static void say_stray(struct turns *turns, uint16_t tag, uint8_t type)
{
	const struct call *call = &turns->calls[tag];
	char text[256];

	turns->stopped = true;
	if (call->type == 0)
		snprintf(text, sizeof(text), "%s, tag %u: no request ever had this tag",
			 name_of(type), tag);
	else
		snprintf(text, sizeof(text), "%s, tag %u: %s of %s was %s before", name_of(type),
			 tag, p9_name(call->type), owner(call),
			 call->flushed ? "flushed, and Rflush came" : "answered");
	turns->config.bad(turns->config.arg, text);
}

/* ---- time ---- */

static void note_pause(struct turns *turns, int64_t end)
{
	if (turns->pause_count == turns->pause_room) {
		size_t room = turns->pause_room > 0 ? 2 * turns->pause_room : 1024;
		struct turns_pause *pauses = reallocarray(turns->pauses, room, sizeof(*pauses));

		if (pauses == NULL)
			return;
		turns->pauses = pauses;
		turns->pause_room = room;
	}
	turns->pauses[turns->pause_count++] = (struct turns_pause){
		.start_us = turns->quiet_since, .us = (uint32_t)(end - turns->quiet_since)};
}

static void note_reply(struct turns *turns, uint16_t tag, uint8_t type)
{
	struct call *call = &turns->calls[tag];
	int64_t now = sim_now_us();

	if (!call->open) {
		say_stray(turns, tag, type);
		return;
	}
	if (type != P9_Rlerror && type != call->type + 1)
		say_mismatch(turns, tag, type);
	call->open = false;
	turns->open--;
	if (now - call->start > turns->longest)
		turns->longest = now - call->start;
	if (now - turns->quiet_since > turns->config.pause_us)
		note_pause(turns, now);
	turns->quiet_since = now;
}

/* After Rflush the old request is over, too. */
static void note_flush(struct turns *turns, struct call *call)
{
	struct call *old = &turns->calls[call->oldtag];

	call->old_answered = !old->open;
	if (old->open) {
		old->open = false;
		old->flushed = true;
		turns->open--;
	}
}

/* Looks for requests whose time is up; how long the others have, in ms. -ETIMEDOUT: there are
 * such. */
static int time_left(struct turns *turns)
{
	int64_t now = sim_now_us(), left = turns->config.guard_ms;

	for (uint32_t tag = 0; tag < turns->tags; tag++) {
		int64_t of_this = turns->config.guard_ms - (now - turns->calls[tag].start) / 1000;

		if (!turns->calls[tag].open)
			continue;
		if (of_this < left)
			left = of_this;
		if (of_this <= 0 && !turns->stopped)
			say_lost(turns, tag);
	}
	turns->stopped = turns->stopped || left <= 0;
	return turns->stopped ? -ETIMEDOUT : (int)left;
}

/* ---- the transport ---- */

static uint16_t get_u16(const void *bytes)
{
	const uint8_t *byte = bytes;

	return (uint16_t)(byte[0] | byte[1] << 8);
}

/* Of a message: its type and tag, and the tag a Tflush is about (clunk(5), flush(5)). */
#define TYPE_AT 4
#define TAG_AT 5
#define OLDTAG_AT 7

static int turns_send(struct client_transport *transport, unsigned lane, const void *msg,
		      size_t size)
{
	struct turns *turns = turns_of(transport);
	const uint8_t *bytes = msg;
	uint16_t tag = get_u16(bytes + TAG_AT);
	int64_t now = sim_now_us();
	int result = turns->inner->ops->send(turns->inner, lane, msg, size);

	turns->sending = result == -EAGAIN;
	if (result != 0)
		return result;
	turns->calls[tag] = (struct call){
		.task = turns->current, .start = now, .type = bytes[TYPE_AT], .open = true};
	if (bytes[TYPE_AT] == P9_Tflush)
		turns->calls[tag].oldtag = get_u16(bytes + OLDTAG_AT);
	if (tag >= turns->tags)
		turns->tags = tag + 1u;
	if (turns->open++ == 0)
		turns->quiet_since = now;
	turns->requests++;
	return 0;
}

static ssize_t turns_recv(struct client_transport *transport, void *buf, size_t size)
{
	struct turns *turns = turns_of(transport);
	ssize_t got = turns->inner->ops->recv(turns->inner, buf, size);
	struct call *call;
	uint16_t tag;

	if (got < P9_HEADER_SIZE)
		return got;
	tag = get_u16((uint8_t *)buf + TAG_AT);
	call = &turns->calls[tag];
	note_reply(turns, tag, ((uint8_t *)buf)[TYPE_AT]);
	if (call->type == P9_Tflush)
		note_flush(turns, call);
	/* The client judges the message; a stray one is told to whoever waits next. */
	if (call->task != NULL && call->task != turns->current)
		make_due(call->task);
	return got;
}

/* A client that waits for room keeps its request in the one buffer: nobody else may send now. */
static int turns_wait(struct client_transport *transport, int timeout_ms)
{
	struct turns *turns = turns_of(transport);
	struct turns_task *task = turns->current;
	int left, result;

	if (!turns->sending && hand_over(turns)) {
		sleep_until_turn(task);
		return turns->stopped ? -ETIMEDOUT : 0;
	}
	left = time_left(turns);
	if (left < 0)
		return left;
	result = turns->inner->ops->wait(turns->inner, left < timeout_ms ? left : timeout_ms);
	/* The guard decides, or the client, which looks at its clock again. */
	return result == -ETIMEDOUT ? 0 : result;
}

static unsigned turns_pollfds(struct client_transport *transport, struct pollfd *fds, unsigned room)
{
	struct turns *turns = turns_of(transport);

	return turns->inner->ops->pollfds(turns->inner, fds, room);
}

static void free_turns(struct turns *turns)
{
	pthread_cond_destroy(&turns->self.cond);
	pthread_mutex_unlock(&turns->lock);
	pthread_mutex_destroy(&turns->lock);
	free(turns->calls);
	free(turns->pauses);
	free(turns);
}

static void turns_close_transport(struct client_transport *transport)
{
	struct turns *turns = turns_of(transport);

	turns->inner->ops->close(turns->inner);
	free_turns(turns);
}

static const struct client_transport_ops turns_ops = {
	.close = turns_close_transport,
	.send = turns_send,
	.recv = turns_recv,
	.wait = turns_wait,
	.pollfds = turns_pollfds,
};

int turns_flush(struct turns *turns, uint16_t oldtag, struct p9_msg *reply)
{
	struct p9_msg flush = {.type = P9_Tflush, .Tflush = {.oldtag = oldtag}};
	int result = client_rpc(turns->client, &flush, reply);

	if (result != 0 || !turns->calls[flush.tag].old_answered)
		return result;
	result = client_await(turns->client, oldtag, reply);
	return result != 0 ? result : 1;
}

void turns_stop(struct turns *turns)
{
	turns->stopped = true;
}

struct turns_figures turns_figures(const struct turns *turns)
{
	return (struct turns_figures){
		.requests = turns->requests,
		.longest_us = turns->longest,
		.pauses = turns->pauses,
		.pause_count = turns->pause_count,
	};
}

int turns_open(struct client *client, const struct turns_config *config, struct turns **opened)
{
	struct turns *turns = calloc(1, sizeof(*turns));

	if (turns == NULL)
		return -ENOMEM;
	turns->calls = calloc(TAGS, sizeof(*turns->calls));
	if (turns->calls == NULL) {
		free(turns);
		return -ENOMEM;
	}
	turns->client = client;
	turns->config = *config;
	turns->inner = client_transport(client);
	turns->transport = *turns->inner;
	turns->transport.ops = &turns_ops;
	TAILQ_INIT(&turns->queue);
	TAILQ_INIT(&turns->all);
	snprintf(turns->self.name, sizeof(turns->self.name), "the main task");
	turns->self.turns = turns;
	turns->current = &turns->self;
	pthread_mutex_init(&turns->lock, NULL);
	pthread_cond_init(&turns->self.cond, NULL);
	pthread_mutex_lock(&turns->lock);
	client_set_timeout(client, 2 * config->guard_ms);
	client_replace_transport(client, &turns->transport);
	*opened = turns;
	return 0;
}

void turns_close(struct turns *turns)
{
	if (turns == NULL)
		return;
	client_set_timeout(turns->client, CLIENT_TIMEOUT);
	client_replace_transport(turns->client, turns->inner);
	free_turns(turns);
}
