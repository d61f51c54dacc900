/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend.c - see backend.h. What is to be done in which state stands in xenbus/handshake.c; how
 * it is done stands here. The backend directory is the toolstack's and trusted; the frontend's
 * is the guest's: only numbers are read from it, each checked, and a directory of it is never
 * listed.
 */
#include "xen9pfsd/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xenbus/nodes.h"
#include "xenbus/ring.h"

#define ROUNDS_FREE 5 /* publications in ROUNDS_PERIOD_MS before they are slowed down */
#define ROUNDS_PERIOD_MS 10000
#define ROUNDS_WAIT_MS 250     /* more for each round; */
#define ROUNDS_WAIT_MAX 4000   /* Linux waits 5 s for each step of a reset */
#define HOLD_WAIT_MS 100       /* kind xen_9pfs: libxl must get to see state 2 */
#define CLOSE_PATIENCE_MS 2000 /* for a frontend to answer state 5 while it is removed */
#define STOP_PATIENCE_MS 3000  /* for a share's process to end by itself */

extern char **environ;

__attribute__((format(printf, 3, 4))) static void say(const struct backend *b, enum log_level level,
						      const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(level, "guest %u dev %u: %s", b->domid, b->devid, text);
}

/* A fault in what stands in the store: logged once, however often it is met. */
__attribute__((format(printf, 2, 3))) static int complain(struct backend *b, const char *format,
							  ...)
{
	char text[sizeof(b->complaint)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(text, b->complaint) != 0)
		say(b, LOG_LEVEL_WARNING, "%s", text);
	memcpy(b->complaint, text, sizeof(text));
	return -EINVAL;
}

static void backend_dir(const struct backend *b, char dir[STORE_PATH_MAX])
{
	snprintf(dir, STORE_PATH_MAX, "backend/%s/%u/%u", b->kind, b->domid, b->devid);
}

/* ---- looking ---- */

/* The token tells whose frontend an event is about: events carry the guest's path alone. */
static void watch_names(const struct backend *b, char path[STORE_PATH_MAX],
			char token[STORE_PATH_MAX])
{
	nodes_path(path, b->front, "state");
	backend_dir(b, token);
}

/* Takes up where the store says the device is: 1 of a new one, anything after a restart. */
static void adopt(struct backend *b)
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

	backend_dir(b, dir);
	own = nodes_state(b->env->store, dir);
	b->state = states[own];
	b->wrote = b->state == HANDSHAKE_NEW ? XenbusStateInitialising : own;
	if (b->state == HANDSHAKE_DROPPED)
		say(b, LOG_LEVEL_WARNING,
		    "was connected before this daemon started; its session is lost");
}

struct backend *backend_create(const struct backend_env *env, const char *kind, uint32_t domid,
			       uint32_t devid)
{
	struct backend *b = calloc(1, sizeof(*b));
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	int err;

	if (b == NULL)
		return NULL;
	b->env = env;
	b->kind = kind;
	b->domid = domid;
	b->devid = devid;
	b->dirty = true;
	b->root = b->pidfd = b->control = -1;
	snprintf(b->front, sizeof(b->front), "/local/domain/%u/device/9pfs/%u", domid, devid);
	adopt(b);
	watch_names(b, path, token);
	err = store_watch(env->store, path, token);
	if (err < 0)
		say(b, LOG_LEVEL_ERROR, "cannot watch %s: %s", path, strerror(-err));
	return b;
}

void backend_destroy(struct backend *backend)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];

	watch_names(backend, path, token);
	store_unwatch(backend->env->store, path, token);
	cleanup_close(&backend->root);
	cleanup_close(&backend->control);
	cleanup_close(&backend->pidfd);
	free(backend);
}

/* Reads the frontend's keys into `start`. -EINVAL, having said what is wrong, or -errno. */
static int read_front(struct backend *b, struct control_start *start, bool quiet)
{
	struct store *store = b->env->store;
	char version[16], key[32];
	uint32_t rings;
	int err = nodes_read(store, b->front, "version", version, sizeof(version));

	if (err < 0 || strcmp(version, "1") != 0)
		return quiet ? -EINVAL : complain(b, "frontend: version is not 1");
	err = nodes_read_number(store, b->front, "num-rings", &rings);
	if (err < 0 || rings < 1 || rings > CONTROL_RINGS_MAX)
		return quiet ? -EINVAL
			     : complain(b, "frontend: num-rings is not a number from 1 to %d",
					CONTROL_RINGS_MAX);
	for (unsigned i = 0; i < rings; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		err = nodes_read_number(store, b->front, key, &start->ref[i]);
		if (err == 0 && start->ref[i] != 0) {
			snprintf(key, sizeof(key), "event-channel-%u", i);
			err = nodes_read_number(store, b->front, key, &start->port[i]);
		}
		if (err < 0 || start->ref[i] == 0 || start->port[i] == 0)
			return quiet ? -EINVAL
				     : complain(b, "frontend: %s is missing or no number above 0",
						key);
	}
	start->rings = rings;
	return 0;
}

/* Does the frontend name other rings than those we have? */
static bool front_replaced(struct backend *b)
{
	struct control_start now = b->start;

	if (b->state != HANDSHAKE_CONNECTED && b->state != HANDSHAKE_STARTING &&
	    b->state != HANDSHAKE_DROPPED)
		return false;
	return b->start.rings > 0 && read_front(b, &now, true) == 0 &&
	       memcmp(&now, &b->start, sizeof(now)) != 0;
}

static void look(struct backend *b, struct handshake_view *view)
{
	struct store *store = b->env->store;
	char dir[STORE_PATH_MAX], text[8];
	uint32_t online = 0;

	backend_dir(b, dir);
	*view = (struct handshake_view){
		.own = nodes_state(store, dir),
		.wrote = b->wrote,
		.front = nodes_state(store, b->front),
	};
	view->dir_gone = view->own == XenbusStateUnknown &&
			 nodes_read(store, dir, "state", text, sizeof(text)) == -ENOENT;
	if (view->own == XenbusStateInitialising && view->wrote != XenbusStateInitialising)
		b->removed = false;
	if (nodes_read_number(store, dir, "online", &online) < 0 || online == 0 ||
	    (view->own != view->wrote && view->own >= XenbusStateClosing))
		b->removed = true;
	view->online = !b->removed;
	if (view->front == XenbusStateInitialised || view->front == XenbusStateConnected)
		view->replaced = front_replaced(b);
}

/* ---- acting: nodes ---- */

struct change {
	const char *dir;
	enum xenbus_state seen; /* our state as it was when this was decided */
	enum xenbus_state state;
};

/* The toolstack or another backend may have written our state meanwhile: -EBUSY, whose event is
 * on its way. Nothing is ever written into a directory that is gone. */
static int check_seen(struct store *store, store_txn txn, const struct change *change)
{
	char path[STORE_PATH_MAX], state[16], seen[16];
	ssize_t got;

	nodes_path(path, change->dir, "state");
	snprintf(seen, sizeof(seen), "%d", change->seen);
	got = store_read(store, txn, path, state, sizeof(state));
	if (got < 0)
		return (int)got;
	return strcmp(state, seen) == 0 ? 0 : -EBUSY;
}

static int change_state(struct store *store, store_txn txn, void *arg)
{
	const struct change *change = arg;
	int err = check_seen(store, txn, change);

	return err < 0 ? err : nodes_write(store, txn, change->dir, "state", "%d", change->state);
}

static int publish_nodes(struct store *store, store_txn txn, void *arg)
{
	const struct change *p = arg;
	int err = check_seen(store, txn, p);

	if (err == 0)
		err = nodes_write(store, txn, p->dir, "versions", "1");
	if (err == 0)
		err = nodes_write(store, txn, p->dir, "max-rings", "%d", CONTROL_RINGS_MAX);
	if (err == 0)
		err = nodes_write(store, txn, p->dir, "max-ring-page-order", "%d", RING_ORDER_MAX);
	if (err == 0)
		err = nodes_write(store, txn, p->dir, "state", "%d", p->state);
	return err;
}

/* What the toolstack wrote must fit the directory it stands in. */
static int check_identity(struct backend *b, const char *dir)
{
	struct store *store = b->env->store;
	char front[STORE_PATH_MAX];
	uint32_t domid;

	if (nodes_read_number(store, dir, "frontend-id", &domid) < 0 || domid != b->domid)
		return complain(b, "%s/frontend-id is not %u", dir, b->domid);
	if (nodes_read(store, dir, "frontend", front, sizeof(front)) < 0 ||
	    strcmp(front, b->front) != 0)
		return complain(b, "%s/frontend is not %s", dir, b->front);
	return 0;
}

/* Opens the export, unless policy forbids it. `path` becomes what the toolstack calls it. */
static int check_export(struct backend *b, const char *dir, char path[STORE_VALUE_MAX])
{
	struct store *store = b->env->store;
	char model[64], text[STORE_VALUE_MAX];

	if (nodes_read(store, dir, "security_model", model, sizeof(model)) < 0 ||
	    fs_model_parse(model, &b->start.model) < 0)
		return complain(b, "%s/security_model is neither none nor passthrough", dir);
	if (nodes_read(store, dir, "path", path, STORE_VALUE_MAX) < 0)
		return complain(b, "%s/path cannot be read", dir);
	cleanup_close(&b->root);
	b->root = policy_open(b->env->policy, path, text, sizeof(text));
	if (b->root < 0)
		return complain(b, "refused: %s", text);
	return 0;
}

/* How long the next connecting, or the next round, has to wait. A frontend that runs in circles
 * does it ever more slowly: each round costs a process and log lines. */
static void hold(struct backend *b, int64_t now_ms)
{
	int64_t wait_ms = strcmp(b->kind, "xen_9pfs") == 0 ? HOLD_WAIT_MS : 0;

	if (now_ms - b->rounds_since_ms > ROUNDS_PERIOD_MS) {
		b->rounds_since_ms = now_ms;
		b->rounds = 0;
	}
	if (++b->rounds > ROUNDS_FREE)
		wait_ms = (int64_t)(b->rounds - ROUNDS_FREE) * ROUNDS_WAIT_MS;
	if (wait_ms > ROUNDS_WAIT_MAX)
		wait_ms = ROUNDS_WAIT_MAX;
	b->not_before_ms = now_ms + wait_ms;
}

static int act_publish(struct backend *b, const struct handshake_view *view, int64_t now_ms)
{
	char dir[STORE_PATH_MAX], path[STORE_VALUE_MAX];
	struct change change = {.dir = dir, .seen = view->own, .state = XenbusStateInitWait};
	int err;

	backend_dir(b, dir);
	err = check_identity(b, dir);
	if (err == 0)
		err = check_export(b, dir, path);
	if (err < 0)
		return err;
	err = nodes_transact(b->env->store, publish_nodes, &change);
	if (err == -EBUSY)
		return err;
	if (err < 0)
		return complain(b, "cannot write %s: %s", dir, strerror(-err));
	say(b, LOG_LEVEL_INFO, "exports %s, security model %s", path,
	    fs_model_name(b->start.model));
	b->wrote = XenbusStateInitWait;
	hold(b, now_ms);
	return 0;
}

/* A state that the toolstack has set further already stays. */
static int act_state(struct backend *b, const struct handshake_view *view, enum xenbus_state state)
{
	char dir[STORE_PATH_MAX];
	struct change change = {.dir = dir, .seen = view->own, .state = state};
	int err = 0;

	backend_dir(b, dir);
	if (view->own < state)
		err = nodes_transact(b->env->store, change_state, &change);
	if (err == -EBUSY)
		return err;
	if (err < 0 && err != -ENOENT)
		say(b, LOG_LEVEL_ERROR, "cannot write %s/state: %s", dir, strerror(-err));
	b->wrote = view->own < state ? state : view->own;
	return 0;
}

/* Not when the toolstack has made a new device of that name. */
static int clear_nodes(struct store *store, store_txn txn, void *arg)
{
	const struct change *change = arg;
	int err = check_seen(store, txn, change);

	return err < 0 ? err : store_remove(store, txn, change->dir);
}

/* In a driver domain nobody but us can remove the directory, and libxl waits for that. */
static int act_clear(struct backend *b)
{
	char dir[STORE_PATH_MAX];
	struct change change = {.dir = dir, .seen = XenbusStateClosed};

	if (store_domid(b->env->store) == 0)
		return 0;
	backend_dir(b, dir);
	return nodes_transact(b->env->store, clear_nodes, &change);
}

/* ---- acting: the process ---- */

static int spawn_share(struct backend *b, int control)
{
	static char name[] = "xen9pfsd";
	char share[48]; /* the numbers are for the eyes of whoever reads a list of processes */
	char *argv[] = {name, share, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	snprintf(share, sizeof(share), "--share=%u/%u", b->domid, b->devid);
	/* Everything else is close-on-exec; dup2 clears that for the one the share gets. */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, control, CONTROL_FD);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	err = posix_spawn(&b->pid, "/proc/self/exe", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (err != 0)
		b->pid = 0;
	return -err;
}

static int start_process(struct backend *b)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	b->control = pair[0];
	/* What a share says, or keeps from saying, must not hold up the supervisor. */
	err = fcntl(b->control, F_SETFL, O_NONBLOCK) < 0 ? -errno : spawn_share(b, pair[1]);
	close(pair[1]);
	if (err < 0)
		return err;
	b->pidfd = (int)syscall(SYS_pidfd_open, b->pid, 0);
	return b->pidfd < 0 ? -errno : 0;
}

/* The process is gone, or will be at once. */
static void bury(struct backend *b)
{
	if (b->pid != 0) {
		kill(b->pid, SIGKILL);
		waitpid(b->pid, NULL, 0);
	}
	cleanup_close(&b->control);
	cleanup_close(&b->pidfd);
	b->control = b->pidfd = -1;
	b->pid = 0;
	b->deadline_ms = 0;
}

static int send_start(struct backend *b, const struct control_msg *msg)
{
	const struct sockaddr_un anywhere = {.sun_family = AF_UNIX};
	_cleanup_close_ int arena = memfd_create(b->front, MFD_CLOEXEC);
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const int fds[] = {b->root, arena, sock};

	if (arena < 0 || sock < 0 ||
	    bind(sock, (const struct sockaddr *)&anywhere, sizeof(sa_family_t)) < 0 ||
	    listen(sock, 1) < 0)
		return -errno;
	return control_send(b->control, msg, fds, countof(fds));
}

static int act_start(struct backend *b)
{
	struct control_msg msg = {.type = CONTROL_START};
	struct control_start *start = &b->start;
	char dir[STORE_PATH_MAX], path[STORE_VALUE_MAX];
	int err;

	backend_dir(b, dir);
	err = b->root < 0 ? check_export(b, dir, path) : 0;
	if (err == 0)
		err = read_front(b, start, false);
	if (err < 0)
		return err;
	start->domid = b->domid;
	start->devid = b->devid;
	start->log_level = b->env->config->log_level;
	snprintf(start->bus, sizeof(start->bus), "%s", b->env->config->bus);
	msg.start = *start;
	err = start_process(b);
	if (err == 0)
		err = send_start(b, &msg);
	close(take_fd(&b->root));
	if (err < 0) {
		complain(b, "cannot start its process: %s", strerror(-err));
		bury(b);
	}
	return err;
}

static int act_stop(struct backend *b, int64_t now_ms)
{
	const struct control_msg msg = {.type = CONTROL_STOP};

	/* A process that does not listen is killed at the deadline. */
	control_send(b->control, &msg, NULL, 0);
	b->deadline_ms = now_ms + STOP_PATIENCE_MS;
	return 0;
}

/* ---- the handshake ---- */

static int act(struct backend *b, enum handshake_action action, const struct handshake_view *view,
	       int64_t now_ms)
{
	switch (action) {
	case HANDSHAKE_PUBLISH:
		return act_publish(b, view, now_ms);
	case HANDSHAKE_START:
		return act_start(b);
	case HANDSHAKE_ANNOUNCE:
		return act_state(b, view, XenbusStateConnected);
	case HANDSHAKE_STOP:
		return act_stop(b, now_ms);
	case HANDSHAKE_CLOSE:
		b->deadline_ms = b->removed || b->quitting ? now_ms + CLOSE_PATIENCE_MS : 0;
		return act_state(b, view, XenbusStateClosing);
	case HANDSHAKE_FINISH:
		b->deadline_ms = 0;
		return act_state(b, view, XenbusStateClosed);
	case HANDSHAKE_CLEAR:
		return act_clear(b);
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
	if (move.next != HANDSHAKE_WAIT && b->root >= 0)
		close(take_fd(&b->root));
	if (changed && move.action != HANDSHAKE_FORGET)
		say(b, move.next == HANDSHAKE_DROPPED ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "%s (%s)",
		    handshake_state_name(move.next), handshake_event_name(event));
	b->state = move.next;
	if (b->state == HANDSHAKE_NEW) {
		b->wrote = XenbusStateInitialising;
		b->removed = false;
		b->rounds = 0;
		b->not_before_ms = 0;
	}
	return changed && !b->over;
}

static void run(struct backend *b, int64_t now_ms)
{
	struct handshake_view view;
	enum handshake_event event;

	do {
		look(b, &view);
		event = handshake_look(&view);
		/* The frontend's time to answer runs from when the removal is seen. */
		if (b->state == HANDSHAKE_CLOSING && b->removed && b->deadline_ms == 0)
			b->deadline_ms = now_ms + CLOSE_PATIENCE_MS;
	} while (step(b, event, &view, now_ms));
}

/* Something happened that is not in the store; then whatever follows from the store. */
static void happened(struct backend *b, enum handshake_event event, int64_t now_ms)
{
	struct handshake_view view;

	look(b, &view);
	step(b, event, &view, now_ms);
	run(b, now_ms);
}

void backend_update(struct backend *backend, int64_t now_ms)
{
	backend->dirty = false;
	run(backend, now_ms);
}

void backend_control(struct backend *backend, int64_t now_ms)
{
	struct control_msg msg;
	int got = control_recv(backend->control, &msg, NULL);

	if (got == -EAGAIN || got == -EINTR)
		return;
	if (got == 1 && msg.type == CONTROL_READY && backend->state == HANDSHAKE_STARTING) {
		say(backend, LOG_LEVEL_INFO, "%u rings mapped", backend->start.rings);
		happened(backend, HANDSHAKE_SHARE_READY, now_ms);
		return;
	}
	/* It was told to stop while it was getting ready. */
	if (got == 1 && msg.type == CONTROL_READY && backend->state == HANDSHAKE_STOPPING)
		return;
	if (got == 1 && msg.type == CONTROL_FAILED) {
		say(backend, LOG_LEVEL_WARNING, "closed: %s", msg.text);
	} else if (got == 1 || got == -EBADMSG) {
		say(backend, LOG_LEVEL_ERROR, "its process talks nonsense; killed");
		kill(backend->pid, SIGKILL);
	}
	/* Nothing more is expected: what counts now is its end. */
	close(take_fd(&backend->control));
	if (backend->deadline_ms == 0)
		backend->deadline_ms = now_ms + STOP_PATIENCE_MS;
}

void backend_ended(struct backend *backend, int64_t now_ms)
{
	int status;
	pid_t pid = waitpid(backend->pid, &status, WNOHANG);

	if (pid == 0)
		return;
	backend->pid = 0;
	if (pid > 0 && WIFSIGNALED(status))
		say(backend, LOG_LEVEL_ERROR, "its process was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (pid > 0 && WEXITSTATUS(status) != 0)
		say(backend, LOG_LEVEL_ERROR, "its process failed with status %d",
		    WEXITSTATUS(status));
	bury(backend);
	happened(backend, HANDSHAKE_SHARE_ENDED, now_ms);
}

int64_t backend_deadline(const struct backend *backend)
{
	if (backend->held &&
	    (backend->deadline_ms == 0 || backend->not_before_ms < backend->deadline_ms))
		return backend->not_before_ms;
	return backend->deadline_ms;
}

void backend_timeout(struct backend *backend, int64_t now_ms)
{
	if (backend->held && now_ms >= backend->not_before_ms) {
		backend->held = false;
		run(backend, now_ms);
	}
	if (backend->deadline_ms == 0 || now_ms < backend->deadline_ms)
		return;
	backend->deadline_ms = 0;
	if (backend->pid == 0) {
		happened(backend, HANDSHAKE_TIMEOUT, now_ms);
		return;
	}
	say(backend, LOG_LEVEL_WARNING, "its process does not end; killed");
	kill(backend->pid, SIGKILL);
}

void backend_quit(struct backend *backend, int64_t now_ms)
{
	backend->quitting = true;
	backend->held = false;
	if (backend->state == HANDSHAKE_CLOSING && backend->deadline_ms == 0)
		backend->deadline_ms = now_ms + CLOSE_PATIENCE_MS;
	if (backend->pid == 0)
		return;
	act_stop(backend, now_ms);
	backend->state = HANDSHAKE_STOPPING;
}

bool backend_settled(const struct backend *backend)
{
	return backend->pid == 0 && backend->state != HANDSHAKE_CLOSING;
}
