/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * orders.c - see orders.h.
 */
#include <config.h>

#include "xen9pfsd/orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"

#define DETACH_PATIENCE_MS 15000 /* processes and frontends have less each */
#define BUSY_PATIENCE_MS 10000	 /* for a share to come to rest before it is moved */
#define MOVE_PATIENCE_MS 30000	 /* a storage that hangs holds a share up, not the others */

void orders_init(struct orders *o, struct admin *admin, struct backend_list *backends)
{
	*o = (struct orders){.admin = admin, .backends = backends, .exe = -1};
}

void orders_close(struct orders *o)
{
	cleanup_close(&o->exe);
	o->exe = -1;
}

bool orders_busy(const struct orders *o)
{
	return o->order != ORDER_NONE;
}

static void tell(struct orders *o, const struct backend *b, const char *what)
{
	admin_line(o->admin, "guest %u dev %u: %s", b->domid, b->devid, what);
}

static void end(struct orders *o, int64_t now_ms)
{
	admin_end(o->admin, o->failed > 0 ? 1 : 0, now_ms);
	o->order = ORDER_NONE;
	o->deadline_ms = 0;
}

/* ---- status ---- */

static void give_status(struct orders *o, int64_t now_ms)
{
	char line[BACKEND_LINE_MAX];
	const struct backend *b;

	TAILQ_FOREACH (b, o->backends, link) {
		backend_describe(b, line);
		admin_line(o->admin, "%s", line);
	}
	admin_end(o->admin, 0, now_ms);
}

/* ---- detach ---- */

/* One device of that name of each kind. */
static bool detach_named(struct orders *o, const char *word)
{
	unsigned domid, devid;
	bool found = false;
	struct backend *b;
	char rest;

	if (sscanf(word, "%u/%u%c", &domid, &devid, &rest) != 2)
		return false;
	TAILQ_FOREACH (b, o->backends, link) {
		if (b->domid != domid || b->devid != devid)
			continue;
		if (b->state != HANDSHAKE_ELSEWHERE)
			backend_detach(b);
		b->in_order = found = true;
	}
	return found;
}

static void detach(struct orders *o, char *words, int64_t now_ms)
{
	struct backend *b;
	char *word;

	o->order = ORDER_DETACH;
	o->deadline_ms = now_ms + DETACH_PATIENCE_MS;
	if (words == NULL) {
		TAILQ_FOREACH (b, o->backends, link) {
			/* Nothing was ever promised to a device in state 1, nor by us to another's.
			 */
			if (b->state == HANDSHAKE_NEW || b->state == HANDSHAKE_ELSEWHERE ||
			    b->state == HANDSHAKE_CLOSED)
				continue;
			backend_detach(b);
			b->in_order = true;
		}
		return;
	}
	while ((word = strsep(&words, " ")) != NULL) {
		if (word[0] == '\0' || detach_named(o, word))
			continue;
		admin_line(o->admin, "%s: no such device", word);
		o->failed++;
	}
}

static void work_detach(struct orders *o, int64_t now_ms)
{
	bool late = now_ms >= o->deadline_ms, more = false;
	struct backend *b;

	TAILQ_FOREACH (b, o->backends, link) {
		bool closed = b->state == HANDSHAKE_CLOSED && backend_settled(b);
		bool elsewhere = b->state == HANDSHAKE_ELSEWHERE;

		if (!b->in_order)
			continue;
		if (!closed && !elsewhere && !late) {
			more = true;
			continue;
		}
		tell(o, b,
		     closed	 ? "closed"
		     : elsewhere ? "is another backend's"
				 : "does not close");
		o->failed += closed ? 0 : 1;
		b->in_order = false;
	}
	if (!more)
		end(o, now_ms);
}

/* ---- upgrade ---- */

static void upgrade(struct orders *o, int exe)
{
	struct backend *b;

	o->order = ORDER_UPGRADE;
	o->exe = exe;
	o->moving = NULL;
	TAILQ_FOREACH (b, o->backends, link)
		b->in_order = true;
}

static void done(struct orders *o, struct backend *b)
{
	o->moving = NULL;
	o->deadline_ms = 0;
	b->in_order = false;
}

static void stays(struct orders *o, struct backend *b)
{
	char text[sizeof(b->process.refusal) + 40];

	snprintf(text, sizeof(text), "stays with the old program: %s", b->process.refusal);
	tell(o, b, text);
	o->failed++;
	done(o, b);
}

static struct backend *first_to_move(struct orders *o)
{
	struct backend *b;

	TAILQ_FOREACH (b, o->backends, link) {
		/* What has ended by itself needs no moving, nor does what has not begun. */
		if (b->process.state == PROCESS_NONE || b->process.state == PROCESS_OPENING)
			b->in_order = false;
		if (b->in_order)
			return b;
	}
	return NULL;
}

static void all_asked(struct orders *o, int64_t now_ms)
{
	o->replace = o->failed == 0;
	if (o->replace) {
		admin_line(o->admin, "all shares have moved");
	} else {
		admin_line(o->admin, "not all shares have moved: the old program stays");
		orders_close(o);
	}
	end(o, now_ms);
}

/* Asks a share that is at rest; one may be starting, or be on its way to another keeper. */
static void move(struct orders *o, struct backend *b, int64_t now_ms)
{
	int err = process_move(&b->process, o->exe, now_ms);

	if (o->deadline_ms == 0)
		o->deadline_ms = now_ms + BUSY_PATIENCE_MS;
	if (err == 0) {
		o->moving = b;
		o->deadline_ms = now_ms + MOVE_PATIENCE_MS;
	} else if (err != -EBUSY || now_ms >= o->deadline_ms) {
		stays(o, b);
	}
}

static void look_after(struct orders *o, struct backend *b, int64_t now_ms)
{
	if (process_moving(&b->process) && now_ms < o->deadline_ms)
		return;
	if (process_moving(&b->process))
		snprintf(b->process.refusal, sizeof(b->process.refusal),
			 "it has been moving for %d s", MOVE_PATIENCE_MS / 1000);
	if (b->process.moved) {
		tell(o, b, "has moved");
		done(o, b);
	} else if (b->process.session) {
		stays(o, b);
	} else {
		/* Its guest has left: once it has ended it needs no moving (first_to_move()). */
		o->moving = NULL;
		o->deadline_ms = 0;
	}
}

/* One after the other: a guest's pause is short when nobody else is busy with the same. */
static void work_upgrade(struct orders *o, int64_t now_ms)
{
	struct backend *b;

	if (o->moving != NULL)
		look_after(o, o->moving, now_ms);
	while (o->order == ORDER_UPGRADE && o->moving == NULL) {
		unsigned failed = o->failed;

		b = first_to_move(o);
		if (b == NULL)
			all_asked(o, now_ms);
		else
			move(o, b, now_ms);
		/* Busy, and nothing to do about it in this round. */
		if (o->moving == NULL && o->failed == failed)
			break;
	}
}

/* ---- all of them ---- */

void orders_take(struct orders *o, struct admin_request *request, int64_t now_ms)
{
	char *words = request->text;
	const char *verb = strsep(&words, " ");

	o->failed = 0;
	if (strcmp(verb, "upgrade") == 0 && request->fd >= 0) {
		upgrade(o, request->fd);
		return;
	}
	cleanup_close(&request->fd);
	if (strcmp(verb, "status") == 0) {
		give_status(o, now_ms);
	} else if (strcmp(verb, "detach") == 0) {
		detach(o, words, now_ms);
	} else {
		admin_line(o->admin, "this daemon (%s) has no such verb", PACKAGE_VERSION);
		admin_end(o->admin, 1, now_ms);
	}
}

void orders_work(struct orders *o, int64_t now_ms)
{
	if (o->order == ORDER_DETACH)
		work_detach(o, now_ms);
	else if (o->order == ORDER_UPGRADE)
		work_upgrade(o, now_ms);
}

void orders_forget(struct orders *o, struct backend *b)
{
	if (!b->in_order)
		return;
	if (o->order == ORDER_DETACH)
		tell(o, b, "gone");
	if (o->moving == b)
		done(o, b);
}
