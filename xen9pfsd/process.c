/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * process.c - see process.h. A keeper and its worker have one table of descriptors: when our end
 * of the control socket hangs up, both have ended, and their memory went before. When the keeper's
 * process descriptor is readable and the socket has not hung up, the worker lives.
 */
#include "xen9pfsd/process.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/util.h"
#include "xenbus/nodes.h"

#define HELLO_PATIENCE_MS 5000 /* for whoever lives to answer a new supervisor */
#define CALL_AGAIN_MS 100
#define ORPHAN_MS 50	       /* for a worker to die with its keeper, if it does */
#define OFFER_PATIENCE_MS 5000 /* for a new keeper to say whether it can take over */
#define STOP_PATIENCE_MS 3000  /* for processes to end by themselves */
#define LIMIT_PERIOD_MS 60000
#define LOST_MAX 3	/* restorations in that time; */
#define ORPHANED_MAX 30 /* keepers replaced */
#define BURST 16	/* messages taken in one go */

static const struct process_peer no_peer = {.pidfd = -1, .control = -1};

void process_say(struct process *p, enum log_level level, const char *format, ...)
{
	char text[512];
	va_list args;
	uint32_t line;

	if (level > log_level())
		return;
	line = pace_next(&p->lines, nodes_now());
	if (line > p->pace->log_lines) {
		p->unsaid++;
		return;
	}
	if (line == 1 && p->unsaid > 0)
		log_warning("guest %u dev %u: %u lines were left out", p->domid, p->devid,
			    p->unsaid);
	if (line == 1)
		p->unsaid = 0;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(level, "guest %u dev %u: %s%s", p->domid, p->devid, text,
		 line == p->pace->log_lines ? "; further lines are left out for a while" : "");
}

void process_init(struct process *p, const struct state_dir *dir, const struct launch *launch,
		  const struct pace *pace, const char *kind, uint32_t domid, uint32_t devid)
{
	*p = (struct process){
		.dir = dir,
		.launch = launch,
		.pace = pace,
		.domid = domid,
		.devid = devid,
		.now = no_peer,
		.next = no_peer,
		.handover = -1,
		.opening = -1,
		.root = -1,
	};
	state_dir_name(p->name, kind, domid, devid);
}

static void peer_close(struct process_peer *peer)
{
	cleanup_close(&peer->control);
	cleanup_close(&peer->pidfd);
	*peer = no_peer;
}

void process_release(struct process *p)
{
	process_close_export(p);
	peer_close(&p->now);
	peer_close(&p->next);
	cleanup_close(&p->handover);
	p->handover = -1;
}

/* ---- killing ---- */

static bool peer_gone(const struct process_peer *peer)
{
	return peer->pidfd < 0 && peer->control < 0;
}

/* Its worker may speak for itself. */
static bool without_keeper(const struct process *p)
{
	return p->now.worker || p->now.pidfd < 0;
}

static bool peer_lives(const struct process_peer *peer)
{
	return peer->pidfd >= 0 && syscall(SYS_pidfd_send_signal, peer->pidfd, 0, NULL, 0) == 0;
}

/* Keeper or worker: one of them has the other end. */
static bool peer_listens(const struct process_peer *peer)
{
	struct pollfd fd = {.fd = peer->control, .events = 0};

	return peer->control >= 0 && poll(&fd, 1, 0) == 0;
}

/* Keeper and worker at once: each would replace the other. The group's id cannot be a stranger's
 * while one of them is in the group. */
static void peer_kill(const struct process *p, const struct process_peer *peer)
{
	if (peer_gone(peer))
		return;
	if (peer->group > 1 && (peer_lives(peer) || peer_listens(peer)))
		kill(-peer->group, SIGKILL);
	else if (peer == &p->now)
		launch_kill(p->launch, p->name);
}

/* Tells of its end, once; how it ended, its parent tells. */
static void peer_ended(struct process *p, struct process_peer *peer)
{
	close(take_fd(&peer->pidfd));
	if (p->session && peer == &p->now && p->state != PROCESS_MOVING)
		process_say(p, LOG_LEVEL_ERROR, "its %s has ended",
			    peer->worker ? "worker" : "keeper");
}

/* For a keeper that has no worker yet: it ends at once. */
static void peer_bury(struct process_peer *peer)
{
	struct pollfd end = {.fd = peer->pidfd, .events = POLLIN};

	if (peer_lives(peer)) {
		kill(-peer->group, SIGKILL);
		while (poll(&end, 1, -1) < 0 && errno == EINTR)
			;
	}
	peer_close(peer);
}

/* ---- the export ---- */

void process_close_export(struct process *p)
{
	cleanup_close(&p->opening);
	cleanup_close(&p->root);
	p->opening = p->root = -1;
	p->open_error = 0;
	p->path[0] = '\0';
}

int process_open(struct process *p, const char *path)
{
	int err = p->open_error;

	if (strcmp(path, p->path) != 0) {
		process_close_export(p);
		snprintf(p->path, sizeof(p->path), "%s", path);
		err = 0;
	}
	p->open_error = 0;
	if (err < 0 || p->root >= 0)
		return err;
	if (p->opening < 0)
		p->opening = launch_open(p->launch, path);
	if (p->opening >= 0)
		return -EBUSY;
	snprintf(p->open_text, sizeof(p->open_text), "the export: %s", strerror(-p->opening));
	return p->opening;
}

/* ---- starting ---- */

/* Starts a keeper as `peer`; `first` is what comes first among its descriptors. */
static int peer_start(struct process *p, struct process_peer *peer, int exe, enum control_how how,
		      int first)
{
	struct control_msg msg = {.type = CONTROL_START};
	_cleanup_close_ int arena = how == CONTROL_FRESH ? state_dir_make_arena(p->dir, p->name)
							 : state_dir_open_arena(p->dir, p->name);
	_cleanup_close_ int listener = -1;
	_cleanup_close_ int theirs = -1;
	int pair[2], err;

	if (arena < 0)
		return arena;
	listener = state_dir_listen(p->dir, p->name);
	if (listener < 0)
		return listener;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*peer = no_peer;
	peer->control = pair[0];
	theirs = pair[1];
	peer->pidfd = launch_keeper(p->launch, p->domid, p->devid, theirs, exe, &peer->pid);
	err = peer->pidfd < 0 ? peer->pidfd : 0;
	if (err == 0) {
		const int fds[CONTROL_FDS_MAX] = {first, arena, listener};

		peer->group = peer->pid;
		msg.start = p->start;
		msg.start.how = how;
		err = control_send(peer->control, &msg, fds, CONTROL_FDS_MAX);
	}
	if (err < 0)
		peer_bury(peer);
	return err;
}

static int start_keeper(struct process *p)
{
	int err = peer_start(p, &p->now, -1, p->start.how, p->root);

	process_close_export(p);
	if (err == 0)
		err = state_dir_settle(p->dir, p->name);
	if (err < 0) {
		peer_bury(&p->now);
		process_abandon(p);
		return err;
	}
	p->state = PROCESS_STARTING;
	p->deadline_ms = 0;
	return 0;
}

int process_start(struct process *p, enum control_how how, const struct control_start *start,
		  const char *path)
{
	int err = process_open(p, path);

	p->start = *start;
	p->start.how = how;
	p->session = true;
	p->was_ready = how == CONTROL_RESTORE;
	if (err == 0)
		return start_keeper(p);
	if (err == -EBUSY)
		p->state = PROCESS_OPENING;
	else
		process_abandon(p);
	return err == -EBUSY ? 0 : err;
}

/* The storage has answered, or nobody will. */
static enum process_news export_opened(struct process *p)
{
	int err, root = launch_opened(p->opening, p->open_text, sizeof(p->open_text));

	if (root == -EAGAIN)
		return PROCESS_NO_NEWS;
	close(take_fd(&p->opening));
	p->root = root < 0 ? -1 : root;
	if (p->state != PROCESS_OPENING) {
		p->open_error = root < 0 ? root : 0;
		return PROCESS_IS_OPEN;
	}
	err = root < 0 ? root : start_keeper(p);
	if (err == 0)
		return PROCESS_NO_NEWS;
	process_say(p, LOG_LEVEL_ERROR, "cannot start its process: %s",
		    root < 0 ? p->open_text : strerror(-err));
	process_close_export(p);
	process_abandon(p);
	return PROCESS_HAS_ENDED;
}

enum control_how process_how_again(const struct process *p)
{
	return p->was_ready ? CONTROL_RESTORE : CONTROL_FRESH;
}

static bool too_often(int64_t *since_ms, unsigned *count, unsigned max, int64_t now_ms)
{
	if (now_ms - *since_ms > LIMIT_PERIOD_MS) {
		*since_ms = now_ms;
		*count = 0;
	}
	return ++*count > max;
}

bool process_lost_too_often(struct process *p, int64_t now_ms)
{
	p->restarts++;
	return too_often(&p->lost_since_ms, &p->lost, LOST_MAX, now_ms);
}

void process_abandon(struct process *p)
{
	p->state = PROCESS_NONE;
	p->session = p->was_ready = p->prove = p->hold_wanted = false;
	p->deadline_ms = p->again_ms = 0;
	state_dir_remove(p->dir, p->name);
}

/* ---- taking over ---- */

static void drop_offer(struct process *p)
{
	cleanup_close(&p->handover);
	p->handover = -1;
	p->deadline_ms = 0;
}

static int offer(struct process *p, int exe, int64_t now_ms)
{
	int pair[2], err;

	/* The last supervisor's: it takes over, and this one goes, or it ends. */
	if (state_dir_has_successor(p->dir, p->name))
		return -EBUSY;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	err = peer_start(p, &p->next, exe, CONTROL_TAKE_OVER, pair[1]);
	close(pair[1]);
	if (err < 0) {
		close(pair[0]);
		return err;
	}
	p->handover = pair[0];
	p->state = PROCESS_OFFERING;
	p->deadline_ms = now_ms + OFFER_PATIENCE_MS;
	return 0;
}

int process_move(struct process *p, int exe, int64_t now_ms)
{
	int err = -EBUSY;

	p->moved = false;
	snprintf(p->refusal, sizeof(p->refusal), "it is not serving now");
	if (p->state == PROCESS_SERVING && peer_gone(&p->next) && p->now.pidfd >= 0)
		err = offer(p, exe, now_ms);
	if (err < 0 && err != -EBUSY)
		snprintf(p->refusal, sizeof(p->refusal), "cannot start the new program: %s",
			 strerror(-err));
	return err;
}

bool process_moving(const struct process *p)
{
	return p->state == PROCESS_OFFERING || p->state == PROCESS_MOVING;
}

static void stopping(struct process *p, int64_t now_ms)
{
	p->state = PROCESS_STOPPING;
	p->killed = false;
	p->deadline_ms = now_ms + STOP_PATIENCE_MS;
}

/* Everything that lives is killed; a session that is wanted comes back once it is dead. */
static void start_over(struct process *p, int64_t now_ms)
{
	drop_offer(p);
	peer_kill(p, &p->now);
	peer_kill(p, &p->next);
	stopping(p, now_ms);
}

/* The session ends: nobody shall take it over any more. */
static void drop_successor(struct process *p)
{
	if (p->state == PROCESS_OFFERING)
		peer_bury(&p->next);
	else if (p->state == PROCESS_MOVING)
		peer_kill(p, &p->next);
	drop_offer(p);
}

/* The keeper is dead, its worker is not. */
static void orphaned(struct process *p, int64_t now_ms)
{
	int err = peer_gone(&p->next) ? offer(p, -1, now_ms) : -EBUSY;

	if (err == -EBUSY) {
		p->again_ms = now_ms + CALL_AGAIN_MS;
		return;
	}
	p->restarts++;
	if (too_often(&p->orphaned_since_ms, &p->orphaned, ORPHANED_MAX, now_ms) || err < 0)
		start_over(p, now_ms);
}

static void hand_over(struct process *p)
{
	const struct control_msg msg = {.type = CONTROL_HANDOVER};

	/* When the other one has just died, the new keeper finds its socket closed. */
	control_send(p->now.control, &msg, &p->handover, 1);
	drop_offer(p);
	p->state = PROCESS_MOVING;
}

/* The successor serves: it is the one from now on, and the other one has to go. */
static void succeed(struct process *p, int64_t now_ms)
{
	struct process_peer old = p->now;
	int err = state_dir_settle(p->dir, p->name);

	if (err < 0)
		process_say(p, LOG_LEVEL_WARNING, "%s.sock: %s", p->name, strerror(-err));
	p->now = p->next;
	p->next = old;
	p->state = PROCESS_SERVING;
	p->moved = true;
	p->killed = false;
	p->deadline_ms = peer_gone(&old) ? 0 : now_ms + STOP_PATIENCE_MS;
	/* Its keeper died on the way here; the worker spoke for itself. */
	if (p->now.pidfd < 0)
		p->again_ms = now_ms + ORPHAN_MS;
}

/* It has come to nothing. A keeper that has not ended still has everything, and goes on as
 * before. */
static void refused(struct process *p, int64_t now_ms)
{
	drop_offer(p);
	process_say(p, LOG_LEVEL_WARNING, "not taken over: %s", p->refusal);
	if (!without_keeper(p))
		p->state = PROCESS_SERVING;
	else
		start_over(p, now_ms);
}

/* ---- holding, stopping ---- */

void process_hold(struct process *p)
{
	const struct control_msg msg = {.type = CONTROL_HOLD};

	p->hold_wanted = true;
	/* The next supervisor begins again. */
	if (p->state == PROCESS_OPENING) {
		process_close_export(p);
		p->state = PROCESS_NONE;
	}
	if (p->state != PROCESS_SERVING)
		return;
	/* A worker without a keeper goes on serving until somebody calls it. */
	p->state = PROCESS_HELD;
	if (without_keeper(p))
		return;
	control_send(p->now.control, &msg, NULL, 0);
	p->state = PROCESS_HOLDING;
}

bool process_is_held(const struct process *p)
{
	return p->state == PROCESS_NONE || p->state == PROCESS_HELD;
}

/* Who serves already says so. */
static void resume(struct process *p)
{
	const struct control_msg msg = {.type = CONTROL_SERVE};

	control_send(p->now.control, &msg, NULL, 0);
	p->state = PROCESS_STARTING;
}

void process_stop(struct process *p, int64_t now_ms)
{
	const struct control_msg msg = {.type = CONTROL_STOP};

	p->session = false;
	/* Who is being called is told as soon as it has answered. */
	if (p->state == PROCESS_NONE || p->state == PROCESS_CALLING)
		return;
	if (p->state == PROCESS_OPENING) {
		/* Nobody is there: that is concluded at once. */
		process_close_export(p);
		stopping(p, now_ms);
		p->deadline_ms = now_ms;
		return;
	}
	drop_successor(p);
	/* Whoever does not listen is killed at the deadline. */
	control_send(p->now.control, &msg, NULL, 0);
	stopping(p, now_ms);
}

/* ---- messages ---- */

static enum process_news nonsense(struct process *p, struct process_peer *peer, int64_t now_ms)
{
	process_say(p, LOG_LEVEL_ERROR, "its process talks nonsense; killed");
	if (peer == &p->next && p->state == PROCESS_OFFERING) {
		snprintf(p->refusal, sizeof(p->refusal), "the new keeper talks nonsense");
		peer_bury(peer);
		return PROCESS_NO_NEWS;
	}
	p->session = p->session && peer == &p->next;
	start_over(p, now_ms);
	return PROCESS_NO_NEWS;
}

static enum process_news serves(struct process *p)
{
	p->was_ready = true;
	p->state = PROCESS_SERVING;
	if (p->hold_wanted)
		process_hold(p);
	return PROCESS_IS_READY;
}

static enum process_news current_says(struct process *p, const struct control_msg *msg,
				      int64_t now_ms)
{
	switch (msg->type) {
	case CONTROL_READY:
		return p->state == PROCESS_STARTING ? serves(p) : PROCESS_NO_NEWS;
	case CONTROL_HELD:
		/* In another state it is late: a supervisor before us gave the order. */
		if (p->state == PROCESS_HOLDING)
			p->state = PROCESS_HELD;
		return PROCESS_NO_NEWS;
	case CONTROL_FAILED:
		process_say(p, LOG_LEVEL_WARNING, "closed: %s", msg->text);
		p->session = false;
		/* Said again and again, it would put its kill off for ever. */
		if (p->state != PROCESS_STOPPING) {
			drop_successor(p);
			stopping(p, now_ms);
		}
		return PROCESS_NO_NEWS;
	default:
		break;
	}
	return nonsense(p, &p->now, now_ms);
}

static enum process_news successor_says(struct process *p, const struct control_msg *msg,
					int64_t now_ms)
{
	/* A predecessor on its way out has nothing to say. */
	if (!process_moving(p))
		return PROCESS_NO_NEWS;
	if (msg->type == CONTROL_WILLING && p->state == PROCESS_OFFERING) {
		hand_over(p);
		return PROCESS_NO_NEWS;
	}
	if (msg->type == CONTROL_READY && p->state == PROCESS_MOVING) {
		succeed(p, now_ms);
		return serves(p);
	}
	if (msg->type != CONTROL_FAILED)
		return nonsense(p, &p->next, now_ms);
	snprintf(p->refusal, sizeof(p->refusal), "%s", msg->text);
	return PROCESS_NO_NEWS;
}

/* Takes what has come; notes when nobody has the other end any more. */
static enum process_news listen_to(struct process *p, struct process_peer *peer, int64_t now_ms)
{
	enum process_news news = PROCESS_NO_NEWS;
	int sock = peer->control;

	for (unsigned i = 0; i < BURST && news == PROCESS_NO_NEWS && peer->control == sock; i++) {
		struct control_msg msg;
		int got = control_recv(sock, &msg, NULL);

		if (got == -EAGAIN || got == -EINTR)
			break;
		if (got <= 0 && got != -EBADMSG)
			close(take_fd(&peer->control));
		/* Who was stopped or killed may say what it likes. */
		else if (p->state == PROCESS_STOPPING && (got < 0 || msg.type != CONTROL_FAILED))
			continue;
		else if (got < 0)
			nonsense(p, peer, now_ms);
		else
			news = peer == &p->now ? current_says(p, &msg, now_ms)
					       : successor_says(p, &msg, now_ms);
	}
	return news;
}

/* ---- adopting ---- */

static enum process_news nobody(struct process *p)
{
	bool keep = p->session && state_dir_has_session(p->dir, p->name);

	if (!keep) {
		process_abandon(p);
		return PROCESS_HAS_ENDED;
	}
	p->state = PROCESS_NONE;
	p->deadline_ms = p->again_ms = 0;
	return PROCESS_IS_LOST;
}

static enum process_news call(struct process *p, int64_t now_ms)
{
	int sock = state_dir_call(p->dir, p->name);

	p->again_ms = 0;
	if (sock == -EAGAIN)
		p->again_ms = now_ms + CALL_AGAIN_MS;
	else if (sock < 0)
		return nobody(p);
	p->now.control = sock < 0 ? -1 : sock;
	return PROCESS_NO_NEWS;
}

enum process_news process_adopt(struct process *p, const struct control_start *start,
				bool announced, bool keep, int64_t now_ms)
{
	p->start = *start;
	p->session = keep;
	p->was_ready = true;
	p->killed = false;
	p->prove = !announced;
	p->state = PROCESS_CALLING;
	p->deadline_ms = now_ms + HELLO_PATIENCE_MS;
	return call(p, now_ms);
}

/* The process that has sent HELLO, unless the id has become somebody else's meanwhile. */
static void identify(struct process *p, pid_t pid, bool worker)
{
	p->now.worker = worker;
	p->now.pidfd = launch_identify(p->launch, pid, p->domid, p->devid);
	if (p->now.pidfd < 0) {
		p->now.pidfd = -1;
		return;
	}
	p->now.pid = pid;
	p->now.group = getpgid(pid);
	if (p->now.group == getpgrp())
		p->now.group = 0;
}

static enum process_news adopted(struct process *p, const struct control_hello *hello, pid_t pid,
				 int64_t now_ms)
{
	p->deadline_ms = 0;
	/* What stands in the store may be newer. Older programs do not say it. */
	if (hello->rings > 0 && hello->rings <= CONTROL_RINGS_MAX) {
		p->start.rings = hello->rings;
		memcpy(p->start.ref, hello->ref, sizeof(hello->ref));
		memcpy(p->start.port, hello->port, sizeof(hello->port));
	}
	identify(p, pid, hello->role == CONTROL_WORKER);
	p->state = PROCESS_SERVING;
	if (!p->session) {
		process_stop(p, now_ms);
		return PROCESS_NO_NEWS;
	}
	if (without_keeper(p)) {
		process_say(p, LOG_LEVEL_INFO, "its worker lives, without a keeper");
		p->again_ms = now_ms + ORPHAN_MS;
		return PROCESS_NO_NEWS;
	}
	process_say(p, LOG_LEVEL_INFO, "adopted its keeper %d%s", pid,
		    hello->held ? ", which holds" : "");
	if (!hello->held && !p->prove)
		return serves(p);
	if (hello->held && p->hold_wanted)
		p->state = PROCESS_HELD;
	else
		resume(p);
	return PROCESS_NO_NEWS;
}

static enum process_news await_hello(struct process *p, int64_t now_ms)
{
	struct control_msg msg;
	pid_t pid = 0;
	int got = control_recv_pid(p->now.control, &msg, &pid);

	if (got == -EAGAIN || got == -EINTR)
		return PROCESS_NO_NEWS;
	if (got == 1 && msg.type == CONTROL_HELLO && pid > 0 && msg.hello.domid == p->domid &&
	    msg.hello.devid == p->devid)
		return adopted(p, &msg.hello, pid, now_ms);
	/* Whoever it was has ended; there may be a successor. */
	close(take_fd(&p->now.control));
	if (got != 1 && got != -EBADMSG)
		return call(p, now_ms);
	process_say(p, LOG_LEVEL_ERROR, "its process talks nonsense");
	p->deadline_ms = now_ms;
	return PROCESS_NO_NEWS;
}

/* There is somebody, who has a guest's memory and does not answer: with him dead, the session
 * comes back from the arena. */
static enum process_news unanswered(struct process *p, int64_t now_ms)
{
	if (p->killed && !p->session) {
		peer_close(&p->now);
		return nobody(p);
	}
	if (!p->killed)
		process_say(p, LOG_LEVEL_WARNING, "its process does not answer; killed");
	launch_kill(p->launch, p->name);
	if (p->now.control >= 0) {
		stopping(p, now_ms);
		p->killed = true;
	} else {
		/* There was no room for our call: once nobody lives it is refused. */
		p->killed = true;
		p->again_ms = now_ms + CALL_AGAIN_MS;
		p->deadline_ms = now_ms + STOP_PATIENCE_MS;
	}
	return PROCESS_NO_NEWS;
}

/* ---- what has happened ---- */

static enum process_news all_gone(struct process *p, int64_t now_ms)
{
	drop_offer(p);
	p->again_ms = 0;
	peer_close(&p->now);
	peer_close(&p->next);
	/* The one we have adopted may have handed over, to a successor of the last supervisor's:
	 * that one goes on, or is told to end. */
	if (!p->session && !state_dir_has_successor(p->dir, p->name)) {
		process_abandon(p);
		return PROCESS_HAS_ENDED;
	}
	p->state = PROCESS_NONE;
	if (p->session && !p->was_ready)
		return PROCESS_IS_LOST;
	p->state = PROCESS_CALLING;
	p->killed = p->prove = false;
	p->deadline_ms = now_ms + HELLO_PATIENCE_MS;
	return call(p, now_ms);
}

/* Draws the conclusions from who is gone. */
static enum process_news conclude(struct process *p, int64_t now_ms)
{
	if (p->state == PROCESS_NONE || p->state == PROCESS_CALLING || p->state == PROCESS_OPENING)
		return PROCESS_NO_NEWS;
	/* A keeper that was asked cannot take over from nobody. */
	if (p->state == PROCESS_OFFERING && peer_gone(&p->now))
		peer_bury(&p->next);
	if (peer_gone(&p->now) && peer_gone(&p->next))
		return all_gone(p, now_ms);
	if (process_moving(p) && peer_gone(&p->next))
		refused(p, now_ms);
	else if (p->state == PROCESS_SERVING && peer_gone(&p->next))
		p->deadline_ms = 0;
	return PROCESS_NO_NEWS;
}

static void keeper_ended(struct process *p, int64_t now_ms)
{
	const struct control_msg stop = {.type = CONTROL_STOP};

	/* With the socket closed nobody should live; if somebody does, he was up to something. Not
	 * while another one has the arena, who is ours or the last supervisor's. */
	if (p->now.control < 0 && p->state != PROCESS_MOVING &&
	    !state_dir_has_successor(p->dir, p->name))
		peer_kill(p, &p->now);
	peer_ended(p, &p->now);
	if (p->now.control < 0)
		return;
	switch (p->state) {
	case PROCESS_SERVING:
		p->again_ms = now_ms + ORPHAN_MS;
		break;
	case PROCESS_HOLDING:
		p->state = PROCESS_HELD;
		break;
	case PROCESS_STOPPING:
		/* It may not have passed the order on. */
		if (!p->session)
			control_send(p->now.control, &stop, NULL, 0);
		break;
	case PROCESS_STARTING:
		start_over(p, now_ms);
		break;
	default:
		break;
	}
}

void process_fill(const struct process *p, struct pollfd fds[PROCESS_FDS])
{
	/* While the export is being opened nobody is there who could say anything. */
	const int first = p->opening >= 0 ? p->opening : p->now.control;
	const int fd[PROCESS_FDS] = {first, p->now.pidfd, p->next.control, p->next.pidfd};

	for (size_t i = 0; i < PROCESS_FDS; i++)
		fds[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
}

/* Of the two that are said first, the end counts. */
static enum process_news later(enum process_news first, enum process_news then)
{
	return then != PROCESS_NO_NEWS ? then : first;
}

enum process_news process_poll(struct process *p, const struct pollfd fds[PROCESS_FDS],
			       int64_t now_ms)
{
	enum process_news news = PROCESS_NO_NEWS;
	const int next_control = p->next.control, next_pidfd = p->next.pidfd;

	if (fds[0].revents != 0 && p->opening >= 0)
		return export_opened(p);
	if (fds[0].revents != 0 && p->state == PROCESS_CALLING)
		return await_hello(p, now_ms);
	/* What was said comes before the end of who said it. */
	if (fds[0].revents != 0 || (fds[1].revents != 0 && p->now.control >= 0))
		news = listen_to(p, &p->now, now_ms);
	if (fds[1].revents != 0 && p->now.pidfd == fds[1].fd)
		keeper_ended(p, now_ms);
	/* Unless that has brought a new one, or made one the other. */
	if (fds[2].revents != 0 && p->next.control == next_control)
		news = later(news, listen_to(p, &p->next, now_ms));
	if (fds[3].revents != 0 && p->next.pidfd == next_pidfd)
		peer_ended(p, &p->next);
	return later(news, conclude(p, now_ms));
}

int64_t process_deadline(const struct process *p)
{
	if (p->again_ms != 0 && (p->deadline_ms == 0 || p->again_ms < p->deadline_ms))
		return p->again_ms;
	return p->deadline_ms;
}

/* They were told to end and have not; or were killed, and somebody is still there: in no group of
 * ours any more, or asleep in a storage that does not answer. */
static enum process_news stop_hard(struct process *p, int64_t now_ms)
{
	if (!p->killed) {
		process_say(p, LOG_LEVEL_WARNING, "its process does not end; killed");
		peer_kill(p, &p->now);
		peer_kill(p, &p->next);
		p->killed = true;
		p->deadline_ms = now_ms + STOP_PATIENCE_MS;
		return PROCESS_NO_NEWS;
	}
	launch_kill(p->launch, p->name);
	/* What is wanted comes back when they have gone: it needs that storage, too. */
	if (p->session)
		return PROCESS_NO_NEWS;
	peer_close(&p->now);
	peer_close(&p->next);
	process_abandon(p);
	return PROCESS_HAS_ENDED;
}

/* The predecessor does not go: killed, and then let go. */
static void part(struct process *p, int64_t now_ms)
{
	if (p->killed) {
		peer_close(&p->next);
		return;
	}
	peer_kill(p, &p->next);
	p->killed = true;
	p->deadline_ms = now_ms + STOP_PATIENCE_MS;
}

enum process_news process_timeout(struct process *p, int64_t now_ms)
{
	if (p->again_ms != 0 && now_ms >= p->again_ms) {
		p->again_ms = 0;
		if (p->state == PROCESS_CALLING && now_ms < p->deadline_ms)
			return call(p, now_ms);
		if (p->state == PROCESS_SERVING && p->now.control >= 0 && without_keeper(p))
			orphaned(p, now_ms);
	}
	if (p->deadline_ms == 0 || now_ms < p->deadline_ms)
		return PROCESS_NO_NEWS;
	p->deadline_ms = 0;
	switch (p->state) {
	case PROCESS_CALLING:
		return unanswered(p, now_ms);
	case PROCESS_OFFERING:
		snprintf(p->refusal, sizeof(p->refusal), "the new keeper does not answer");
		peer_bury(&p->next);
		break;
	case PROCESS_STOPPING:
		if (stop_hard(p, now_ms) == PROCESS_HAS_ENDED)
			return PROCESS_HAS_ENDED;
		break;
	default:
		part(p, now_ms);
		break;
	}
	return conclude(p, now_ms);
}

const char *process_state_name(const struct process *p)
{
	static const char *const names[] = {
		[PROCESS_NONE] = "none",       [PROCESS_CALLING] = "called",
		[PROCESS_OPENING] = "opening", [PROCESS_STARTING] = "starting",
		[PROCESS_SERVING] = "serving", [PROCESS_HOLDING] = "holding",
		[PROCESS_HELD] = "held",       [PROCESS_OFFERING] = "serving",
		[PROCESS_MOVING] = "moving",   [PROCESS_STOPPING] = "stopping",
	};

	return names[p->state];
}
