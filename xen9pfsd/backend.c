/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend.c - see backend.h. What is to be done in which state stands in xenbus/handshake.c; how
 * it is done to the store, in backend_nodes.c; to the processes, in process.c.
 */
#include "xen9pfsd/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/backend_nodes.h"
#include "xenbus/nodes.h"

#define ROUNDS_WAIT_MS 250     /* more for each round too many; */
#define ROUNDS_WAIT_MAX 4000   /* Linux waits 5 s for each step of a reset */
#define BLIND_MS 4000	       /* without a watch; the same */
#define HOLD_WAIT_MS 100       /* kind xen_9pfs: libxl must get to see state 2 */
#define CLOSE_PATIENCE_MS 2000 /* for a frontend to answer state 5 while it is removed */

#define say(b, ...) process_say(&(b)->process, __VA_ARGS__)

/* ---- where it stands ---- */

static void set_state(struct backend *b, enum handshake_state state)
{
	b->state = state;
	b->since = time(NULL);
}

/* What a share's processes are told, but for the frontend's keys. */
static void describe_share(struct backend *b)
{
	struct control_start *start = &b->start;

	start->domid = b->domid;
	start->devid = b->devid;
	start->log_level = b->env->config->log_level;
	start->standby = b->env->config->standby;
	start->polling = b->env->config->polling;
	snprintf(start->bus, sizeof(start->bus), "%s", b->env->config->bus);
}

static int start_process(struct backend *b, enum control_how how)
{
	char path[STORE_VALUE_MAX];
	int err = 0;

	/* As it was published, if it still is. */
	if (b->process.root >= 0)
		snprintf(path, sizeof(path), "%s", b->process.path);
	else
		err = backend_read_export(b, path);
	if (err == 0)
		err = backend_read_front(b, &b->start, false);
	if (err < 0)
		return err;
	describe_share(b);
	err = process_start(&b->process, how, &b->start, path);
	if (err < 0)
		backend_complain(b, "cannot start its process: %s", strerror(-err));
	return err;
}

/* What a lost store does not tell is no word about any device: nothing follows from it, the daemon
 * ends, and the next one looks. */
static bool store_is_lost(const struct backend *b)
{
	char dir[STORE_PATH_MAX], state[16];

	backend_dir(b, dir);
	return nodes_read(b->env->store, dir, "state", state, sizeof(state)) == -ENOTCONN;
}

/* Nobody lives, and the guest waits. */
static int restore(struct backend *b, int64_t now_ms)
{
	enum control_how how = process_how_again(&b->process);
	int err = -ETIMEDOUT;

	if (process_lost_too_often(&b->process, now_ms))
		say(b, LOG_LEVEL_ERROR, "its processes die too often; given up");
	else
		err = start_process(b, how);
	if (err < 0 && store_is_lost(b))
		return 0;
	if (err < 0) {
		process_abandon(&b->process);
		return err;
	}
	say(b, LOG_LEVEL_WARNING, "its processes are gone; a new keeper %s",
	    how == CONTROL_RESTORE ? "restores the session" : "starts");
	return 0;
}

/* Takes up where the store says the device is: 1 of a new one, anything after a restart. What
 * another backend serves is left to it. */
static void adopt(struct backend *b, int64_t now_ms)
{
	static const enum handshake_state states[] = {
		[XenbusStateUnknown] = HANDSHAKE_NEW,
		[XenbusStateInitialising] = HANDSHAKE_NEW,
		[XenbusStateInitWait] = HANDSHAKE_WAIT,
		[XenbusStateInitialised] = HANDSHAKE_NEW,
		[XenbusStateConnected] = HANDSHAKE_DROPPED,
		[XenbusStateClosing] = HANDSHAKE_CLOSING,
		[XenbusStateClosed] = HANDSHAKE_CLOSED,
	};
	char dir[STORE_PATH_MAX];
	enum xenbus_state own;
	enum process_news news;
	bool announced, keep, elsewhere = backend_bears_no_mark(b);

	backend_dir(b, dir);
	own = nodes_state(b->env->store, dir);
	elsewhere = elsewhere && backend_is_claimed(b, own);
	b->detached = own > XenbusStateInitialising && !elsewhere &&
		      state_dir_is_detached(b->env->dir, b->process.name);
	if (own == XenbusStateInitialising)
		state_dir_set_detached(b->env->dir, b->process.name, false);
	if (!b->detached && !backend_is_claimed(b, own))
		own = XenbusStateInitialising;
	set_state(b, states[own]);
	b->wrote = b->state == HANDSHAKE_NEW ? XenbusStateInitialising : own;
	/* Connected, or about to be: whoever lives goes on, or somebody for him. Otherwise the
	 * device has been closed, or made anew, while nobody of us looked. */
	announced = own == XenbusStateConnected;
	keep = (announced || own == XenbusStateInitWait) && !b->detached;
	describe_share(b);
	if (keep && backend_read_front(b, &b->start, true) == 0 && backend_read_model(b) == 0)
		backend_read_limits(b);
	if (store_is_lost(b))
		return;
	news = process_adopt(&b->process, &b->start, announced, keep, now_ms);
	if (news == PROCESS_IS_LOST && restore(b, now_ms) < 0)
		news = PROCESS_HAS_ENDED;
	if (news != PROCESS_HAS_ENDED) {
		set_state(b, !keep	 ? HANDSHAKE_STOPPING
			     : announced ? HANDSHAKE_CONNECTED
					 : HANDSHAKE_STARTING);
		/* There was a session: whatever stands there now was not written by us. */
		if (!keep)
			b->wrote = XenbusStateConnected;
	} else if (elsewhere) {
		set_state(b, HANDSHAKE_ELSEWHERE);
		say(b, LOG_LEVEL_INFO, "%s (%s)", handshake_state_name(b->state),
		    handshake_event_name(HANDSHAKE_TAKEN));
	} else if (announced) {
		say(b, LOG_LEVEL_WARNING,
		    "was connected before this daemon started; its session is lost");
	}
}

/* ---- watching the frontend ---- */

static bool is_blind(const struct backend *b)
{
	return b->blind_until_ms != 0;
}

/* Without a watch, it is looked at now and then; registering one says that something may have
 * changed. */
static void watch(struct backend *b, int64_t now_ms)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	int err;

	backend_watch_names(b, path, token);
	err = store_watch(b->env->store, path, token);
	b->blind_until_ms = err < 0 ? now_ms + BLIND_MS : 0;
	if (err == 0)
		return;
	b->dirty = true;
	backend_complain(b, "cannot watch %s: %s", path, strerror(-err));
}

static void unwatch(struct backend *b)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];

	backend_watch_names(b, path, token);
	store_unwatch(b->env->store, path, token);
}

void backend_front_changed(struct backend *backend, int64_t now_ms)
{
	if (is_blind(backend))
		return;
	backend->dirty = true;
	if (pace_next(&backend->events, now_ms) <= backend->process.pace->store_events)
		return;
	unwatch(backend);
	backend->blind_until_ms = now_ms + BLIND_MS;
	backend->events.count = 0;
	backend_complain(backend, "its frontend changes without end; looked at every %d s",
			 BLIND_MS / 1000);
}

/* ---- coming and going ---- */

struct backend *backend_create(const struct backend_env *env, const char *kind, uint32_t domid,
			       uint32_t devid, int64_t now_ms)
{
	struct backend *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->env = env;
	b->kind = kind;
	b->domid = domid;
	b->devid = devid;
	b->dirty = true;
	process_init(&b->process, env->dir, env->launch, &env->config->terms.pace, kind, domid,
		     devid);
	snprintf(b->front, sizeof(b->front), "/local/domain/%u/device/9pfs/%u", domid, devid);
	adopt(b, now_ms);
	watch(b, now_ms);
	return b;
}

void backend_destroy(struct backend *backend)
{
	if (!is_blind(backend))
		unwatch(backend);
	process_release(&backend->process);
	free(backend);
}

/* ---- looking ---- */

/* Does the frontend name other rings than those we have? */
static bool front_replaced(struct backend *b)
{
	const struct control_start *had = &b->process.start;
	struct control_start now = *had;

	if (b->state != HANDSHAKE_CONNECTED && b->state != HANDSHAKE_STARTING &&
	    b->state != HANDSHAKE_DROPPED)
		return false;
	return had->rings > 0 && backend_read_front(b, &now, true) == 0 &&
	       memcmp(&now, had, sizeof(now)) != 0;
}

/* -ENOTCONN: there is nothing to be seen. */
static int look(struct backend *b, struct handshake_view *view)
{
	struct store *store = b->env->store;
	char dir[STORE_PATH_MAX], text[8];
	uint32_t online = 0;
	bool unmarked = backend_bears_no_mark(b);
	int err;

	backend_dir(b, dir);
	*view = (struct handshake_view){
		.own = nodes_state(store, dir),
		.wrote = b->wrote,
		.front = nodes_state(store, b->front),
	};
	view->dir_gone = view->own == XenbusStateUnknown &&
			 nodes_read(store, dir, "state", text, sizeof(text)) == -ENOENT;
	if (view->front == XenbusStateInitialised || view->front == XenbusStateConnected)
		view->replaced = front_replaced(b);
	view->taken = unmarked && backend_is_claimed(b, view->own);
	/* Of a store that is lost, the last word tells it of all: nothing is read after this. */
	err = nodes_read_number(store, dir, "online", &online);
	if (err == -ENOTCONN)
		return err;
	/* Made anew, if need be: a removal begins with another state. */
	if (view->own == XenbusStateInitialising)
		b->removed = false;
	if (err < 0 || online == 0 || (view->own != view->wrote && view->own >= XenbusStateClosing))
		b->removed = true;
	view->online = !b->removed && !b->detached;
	return 0;
}

/* ---- acting ---- */

/* How long the next connecting, or the next round, has to wait. A frontend that runs in circles
 * does it ever more slowly: each round costs a process and log lines. */
static void hold(struct backend *b, int64_t now_ms)
{
	int64_t wait_ms = strcmp(b->kind, "xen_9pfs") == 0 ? HOLD_WAIT_MS : 0;
	uint32_t round = pace_next(&b->rounds, now_ms), most = b->process.pace->connects;

	if (round > most)
		wait_ms = (int64_t)(round - most) * ROUNDS_WAIT_MS;
	if (wait_ms > ROUNDS_WAIT_MAX)
		wait_ms = ROUNDS_WAIT_MAX;
	b->not_before_ms = now_ms + wait_ms;
}

static int act(struct backend *b, enum handshake_action action, const struct handshake_view *view,
	       int64_t now_ms)
{
	int err;

	switch (action) {
	case HANDSHAKE_PUBLISH:
		err = backend_publish(b, view->own);
		if (err == 0)
			hold(b, now_ms);
		return err;
	case HANDSHAKE_START:
		return start_process(b, CONTROL_FRESH);
	case HANDSHAKE_ANNOUNCE:
		/* Over nothing else: the device may be another one by now. */
		return backend_write_state(b, XenbusStateInitWait, XenbusStateConnected);
	case HANDSHAKE_STOP:
		process_stop(&b->process, now_ms);
		return 0;
	case HANDSHAKE_CLOSE:
		b->deadline_ms =
			b->removed || b->detached || b->quitting ? now_ms + CLOSE_PATIENCE_MS : 0;
		return backend_write_state(b, view->own, XenbusStateClosing);
	case HANDSHAKE_FINISH:
		b->deadline_ms = 0;
		return backend_write_state(b, view->own, XenbusStateClosed);
	case HANDSHAKE_CLEAR:
		return backend_clear(b);
	case HANDSHAKE_FORGET:
		b->over = true;
		return 0;
	case HANDSHAKE_STAY:
	case HANDSHAKE_MOVE:
		return 0;
	}
	return 0;
}

/* One step of the table. Returns whether something changed, so that there may be a next one. */
static bool step(struct backend *b, enum handshake_event event, const struct handshake_view *view,
		 int64_t now_ms)
{
	struct handshake_move move = handshake_next(b->state, event);
	bool changed = move.next != b->state;
	int err;

	if (move.action == HANDSHAKE_STAY)
		return false;
	if (move.action == HANDSHAKE_PUBLISH || move.action == HANDSHAKE_START) {
		b->held = now_ms < b->not_before_ms;
		if (b->held || b->quitting)
			return false;
	}
	err = act(b, move.action, view, now_ms);
	/* A frontend that cannot be served is closed like one whose process failed. */
	if (err < 0 && err != -EBUSY &&
	    (move.action == HANDSHAKE_START || b->state == HANDSHAKE_DROPPED)) {
		move.next = HANDSHAKE_CLOSING;
		err = act(b, HANDSHAKE_CLOSE, view, now_ms);
	}
	if (err < 0)
		return false;
	/* It was opened to be published; who is being started has it still. */
	if (move.next != HANDSHAKE_WAIT && b->process.state != PROCESS_OPENING)
		process_close_export(&b->process);
	if (changed && move.action != HANDSHAKE_FORGET)
		say(b, move.next == HANDSHAKE_DROPPED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "%s (%s)",
		    handshake_state_name(move.next), handshake_event_name(event));
	if (changed)
		set_state(b, move.next);
	if (b->state == HANDSHAKE_ELSEWHERE) {
		b->deadline_ms = 0;
		b->detached = false;
		state_dir_set_detached(b->env->dir, b->process.name, false);
	}
	if (b->state == HANDSHAKE_NEW) {
		b->wrote = XenbusStateInitialising;
		b->removed = b->detached = false;
		state_dir_set_detached(b->env->dir, b->process.name, false);
		b->rounds.count = 0;
		b->not_before_ms = 0;
	}
	return changed && !b->over;
}

static void run(struct backend *b, int64_t now_ms)
{
	struct handshake_view view;
	enum handshake_event event;

	do {
		if (look(b, &view) < 0)
			return;
		event = handshake_look(&view);
		/* The frontend's time to answer runs from when the removal is seen. */
		if (b->state == HANDSHAKE_CLOSING && (b->removed || b->detached) &&
		    b->deadline_ms == 0)
			b->deadline_ms = now_ms + CLOSE_PATIENCE_MS;
	} while (step(b, event, &view, now_ms));
}

/* Something happened that is not in the store; then whatever follows from the store. */
static void happened(struct backend *b, enum handshake_event event, int64_t now_ms)
{
	struct handshake_view view;

	if (look(b, &view) < 0)
		return;
	step(b, event, &view, now_ms);
	run(b, now_ms);
}

void backend_update(struct backend *backend, int64_t now_ms)
{
	backend->dirty = false;
	run(backend, now_ms);
}

/* ---- the processes ---- */

static void ended(struct backend *b, int64_t now_ms)
{
	happened(b, HANDSHAKE_SHARE_ENDED, now_ms);
}

static void take_news(struct backend *b, enum process_news news, int64_t now_ms)
{
	switch (news) {
	case PROCESS_NO_NEWS:
		break;
	case PROCESS_IS_OPEN:
		run(b, now_ms);
		break;
	case PROCESS_IS_READY:
		if (b->state == HANDSHAKE_STARTING) {
			say(b, LOG_LEVEL_INFO, "%u rings mapped", b->start.rings);
			happened(b, HANDSHAKE_SHARE_READY, now_ms);
		} else {
			say(b, LOG_LEVEL_INFO, "served by keeper %d", b->process.now.pid);
		}
		break;
	case PROCESS_IS_LOST:
		/* What is left to the next daemon, he restores. */
		if (!b->quitting && restore(b, now_ms) < 0)
			ended(b, now_ms);
		break;
	case PROCESS_HAS_ENDED:
		ended(b, now_ms);
		break;
	}
}

void backend_poll(struct backend *backend, const struct pollfd fds[PROCESS_FDS], int64_t now_ms)
{
	bool called = backend->process.state == PROCESS_CALLING;

	take_news(backend, process_poll(&backend->process, fds, now_ms), now_ms);
	/* Who has answered may have other rings than those that the frontend names by now. */
	if (called && backend->process.state != PROCESS_CALLING)
		backend->dirty = true;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

int64_t backend_deadline(const struct backend *backend)
{
	int64_t next = sooner(backend->deadline_ms, process_deadline(&backend->process));

	next = sooner(next, backend->blind_until_ms);
	return backend->held ? sooner(next, backend->not_before_ms) : next;
}

void backend_timeout(struct backend *backend, int64_t now_ms)
{
	int64_t process = process_deadline(&backend->process);

	if (is_blind(backend) && now_ms >= backend->blind_until_ms)
		watch(backend, now_ms);
	if (backend->held && now_ms >= backend->not_before_ms) {
		backend->held = false;
		run(backend, now_ms);
	}
	if (process != 0 && now_ms >= process)
		take_news(backend, process_timeout(&backend->process, now_ms), now_ms);
	if (backend->deadline_ms != 0 && now_ms >= backend->deadline_ms) {
		backend->deadline_ms = 0;
		happened(backend, HANDSHAKE_TIMEOUT, now_ms);
	}
}

/* ---- ends that are not the store's ---- */

void backend_quit(struct backend *backend, int64_t now_ms)
{
	backend->quitting = true;
	backend->held = false;
	if (backend->state == HANDSHAKE_CLOSING && backend->deadline_ms == 0)
		backend->deadline_ms = now_ms + CLOSE_PATIENCE_MS;
	if (backend->process.state == PROCESS_NONE)
		return;
	process_stop(&backend->process, now_ms);
	set_state(backend, HANDSHAKE_STOPPING);
}

void backend_hold(struct backend *backend)
{
	backend->quitting = true;
	backend->held = false;
	process_hold(&backend->process);
}

void backend_detach(struct backend *backend)
{
	backend->detached = true;
	backend->dirty = true;
	state_dir_set_detached(backend->env->dir, backend->process.name, true);
}

bool backend_settled(const struct backend *backend)
{
	return backend->process.state == PROCESS_NONE && backend->state != HANDSHAKE_CLOSING;
}

bool backend_is_held(const struct backend *backend)
{
	return process_is_held(&backend->process);
}

void backend_describe(const struct backend *backend, char line[BACKEND_LINE_MAX])
{
	const struct process *p = &backend->process;
	char since[32] = "";
	struct tm tm;

	if (gmtime_r(&backend->since, &tm) != NULL)
		strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(line, BACKEND_LINE_MAX,
		 "guest=%u dev=%u kind=%s state=%s since=%s process=%s keeper=%d restarts=%u%s",
		 backend->domid, backend->devid, backend->kind,
		 handshake_state_name(backend->state), since, process_state_name(p),
		 p->now.worker ? 0 : p->now.pid, p->restarts, backend->detached ? " detached" : "");
}
