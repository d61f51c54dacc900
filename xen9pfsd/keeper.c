/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * keeper.c - see keeper.h. One thread, one poll(2), nothing allocated.
 *
 * Three phases: while a worker STARTS, only its death and its reports count: it may be closing
 * what nobody owns, so nothing may be opened here. While one SERVES, orders are taken, passed on
 * and remembered, for a worker that dies before it obeys. While HELD there is no worker.
 */
#include "xen9pfsd/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/arena.h"
#include "xen9pfsd/handover.h"
#include "xen9pfsd/sandbox.h"
#include "xen9pfsd/share.h"

/* A clone may fail while memory is short, which is when workers are killed: the guest can wait. */
#define START_TRIES 100
#define START_PAUSE_MS 100
/* accept(2) that fails for the same reasons leaves the connection where poll(2) sees it. */
#define ACCEPT_PAUSE_MS 10
#define POLL_PAUSE_MS 10
/* The kernel should sooner kill a worker, which is replaced. */
#define OOM_SCORE_ADJ -900
#define OOM_FILE "/proc/self/oom_score_adj"

static const char attacked[] =
	"its process meddled with its keeper's descriptors: that looks like an attack";

enum phase { STARTING, SERVING, HELD };

struct keeper {
	struct control_start start;
	char oom_score_adj[16]; /* as it was inherited */

	enum phase phase;
	bool over;
	int status;	 /* of our exit */
	bool connected;	 /* there is a supervisor at KEEPER_CONTROL */
	bool tell_ready; /* and it, or the next one, waits for CONTROL_READY */
	pid_t worker;	 /* 0: none; children of ours, so never somebody else's number */
	pid_t standby;	 /* 0: none */
	bool replaced;	 /* the worker that is starting follows one that died */
	struct keeper_history history;

	/* Of the present worker: */
	bool ready;	  /* it has said so; */
	bool failed;	  /* CONTROL_FAILED, too */
	uint32_t order;	  /* see struct keeper_death */
	bool handing;	  /* there is a handover at KEEPER_HANDOVER */
	int64_t since_ms; /* when it was started */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&pause, NULL);
}

/* ---- what follows from a death ---- */

static bool was_killed(const struct keeper_death *death)
{
	return death->signalled && death->status == SIGKILL;
}

static bool too_often(struct keeper_history *history, const struct keeper_death *death)
{
	unsigned next;

	if (was_killed(death))
		return false;
	history->when_ms[history->counted++ % KEEPER_DEATHS_MAX] = death->now_ms;
	/* The oldest of those that are remembered, when there are as many. */
	next = history->counted % KEEPER_DEATHS_MAX;
	return history->counted >= KEEPER_DEATHS_MAX &&
	       death->now_ms - history->when_ms[next] < KEEPER_DEATHS_MS;
}

/* A death that nobody ordered. */
static enum keeper_verdict judge_accident(struct keeper_history *history,
					  const struct keeper_death *death, const char **why)
{
	history->deaths++;
	if (death->ready)
		history->unready = history->killed = 0;
	else if (was_killed(death))
		history->killed++;
	else
		history->unready++;
	if (too_often(history, death))
		*why = "its process died too often within a minute";
	else if (history->unready >= KEEPER_UNREADY_MAX || history->killed >= KEEPER_KILLED_MAX)
		*why = "its process died too often before it could serve";
	return *why != NULL ? KEEPER_GIVE_UP : KEEPER_NEXT;
}

enum keeper_verdict keeper_judge(struct keeper_history *history, const struct keeper_death *death,
				 const char **why)
{
	int status = death->signalled ? -1 : death->status;

	*why = NULL;
	/* First of all: where it went, a second one serves the guest. */
	if (status == SHARE_HANDED_OVER && death->handing)
		return KEEPER_COMMIT;
	if (death->failed || death->order == CONTROL_STOP)
		return KEEPER_END;
	if (death->signalled && death->status == SIGSYS)
		*why = "its process made a forbidden system call: that looks like an attack";
	else if (status == SHARE_FAILED)
		*why = "its process failed and did not say why";
	else if (status == SHARE_ARENA)
		*why = "what is stored of its session is damaged";
	if (*why != NULL)
		return KEEPER_GIVE_UP;
	/* However it died: what it leaves behind is what holding leaves behind. */
	if (death->order == CONTROL_HOLD)
		return KEEPER_PAUSE;
	if (death->order == CONTROL_SERVE && status == SHARE_HELD)
		return KEEPER_NEXT;
	return judge_accident(history, death, why);
}

/* ---- descriptors ---- */

/* Makes `fd` the fixed one of that number. */
static int put_fd(int fd, int number)
{
	if (fd == number)
		return 0;
	if (dup3(fd, number, O_CLOEXEC) < 0)
		return -errno;
	close(fd);
	return 0;
}

/* What stands for nothing. No file of the host's: a worker that is not ours any more could change
 * the mode of /dev/null, for everybody. */
static int open_placeholder(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

/* Only while no worker can be sweeping: never between its start and its readiness. */
static void put_placeholder(int number)
{
	int fd = open_placeholder();

	if (fd < 0 || put_fd(fd, number) < 0)
		log_warning("descriptor %d: %s", number, strerror(errno));
}

/* A dead worker may have closed or replaced anything. What cannot be made anew has to be there,
 * all else is: no number below KEEPER_FDS is left for the next one to open a file under. */
static int check_fixed(const struct keeper *k)
{
	for (int fd = KEEPER_CONTROL; fd < KEEPER_FDS; fd++) {
		switch (fd) {
		case KEEPER_LISTEN:
		case KEEPER_ARENA:
		case KEEPER_ROOT:
		case KEEPER_SELF:
			if (fcntl(fd, F_GETFD) < 0)
				return -EBADF;
			break;
		case KEEPER_CONTROL:
			if (k->connected && fcntl(fd, F_GETFD) < 0)
				return -EBADF;
			if (!k->connected)
				put_placeholder(fd);
			break;
		case KEEPER_STANDBY:
		case KEEPER_WAKE:
			if (k->standby == 0)
				put_placeholder(fd);
			break;
		default:
			put_placeholder(fd);
		}
	}
	return 0;
}

static int renew_pair(void)
{
	int pair[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	err = put_fd(pair[0], KEEPER_ORDERS);
	return err < 0 ? err : put_fd(pair[1], KEEPER_REPORTS);
}

/* A semaphore: each child is let go with 1, and a standby is woken with another 1, which may come
 * before it has taken the first. */
static int renew_wake(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);

	return fd < 0 ? -errno : put_fd(fd, KEEPER_WAKE);
}

/* ---- words ---- */

static int tell(struct keeper *k, uint32_t type, const char *text)
{
	struct control_msg msg = {.type = type};

	if (!k->connected)
		return -ENOTCONN;
	snprintf(msg.text, sizeof(msg.text), "%s", text);
	return control_send(KEEPER_CONTROL, &msg, NULL, 0);
}

/* The share's last word. */
static void give_up(struct keeper *k, const char *why)
{
	k->over = true;
	if (tell(k, CONTROL_FAILED, why) == 0)
		return;
	log_error("%s; nobody is there to be told", why);
	k->status = EXIT_FAILURE;
}

/* ---- children ---- */

static void write_oom_score_adj(const char *value)
{
	int fd = open(OOM_FILE, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	/* Only the privileged may go below what they have. */
	if (write(fd, value, strlen(value)) < 0)
		log_debug(OOM_FILE ": %s", strerror(errno));
	close(fd);
}

static void save_oom_score_adj(struct keeper *k)
{
	char value[16];
	int fd = open(OOM_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, k->oom_score_adj, sizeof(k->oom_score_adj) - 1);

	cleanup_close(&fd);
	if (got <= 0)
		return;
	k->oom_score_adj[got] = '\0';
	snprintf(value, sizeof(value), "%d", OOM_SCORE_ADJ);
	write_oom_score_adj(value);
}

static void limit_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= KEEPER_FDS + KEEPER_RESERVE)
		return;
	limit.rlim_cur -= KEEPER_RESERVE;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("cannot lower the limit of open files: %s", strerror(errno));
}

/* In the clone. It touches nothing before its pidfd is in its place: it may close what it does
 * not know. */
__attribute__((noreturn)) static void child_main(const struct keeper *k, bool standby)
{
	const struct share_env env = {.start = &k->start, .standby = standby};
	struct pollfd fds[] = {
		{.fd = KEEPER_WAKE, .events = POLLIN},
		{.fd = KEEPER_SELF, .events = POLLIN},
	};
	uint64_t go;

	while (poll(fds, countof(fds), -1) < 0 && errno == EINTR)
		;
	/* Should the keeper be dead already, nobody else is there to serve. */
	if ((fds[0].revents & POLLIN) == 0 && standby)
		_exit(SHARE_FAILED);
	if ((fds[0].revents & POLLIN) != 0 && read(KEEPER_WAKE, &go, sizeof(go)) != sizeof(go))
		_exit(SHARE_FAILED);
	prctl(PR_SET_NAME, "xen9pfsd-share");
	if (k->oom_score_adj[0] != '\0')
		write_oom_score_adj(k->oom_score_adj);
	limit_files();
	exit(share_serve(&env));
}

static void wait_for(pid_t pid, siginfo_t *info)
{
	*info = (siginfo_t){0};
	while (waitid(P_PID, (id_t)pid, info, WEXITED) < 0 && errno == EINTR)
		;
}

static void end_child(pid_t *pid)
{
	siginfo_t info;

	if (*pid == 0)
		return;
	kill(*pid, SIGKILL);
	wait_for(*pid, &info);
	*pid = 0;
}

static int wake(void)
{
	static const uint64_t one = 1;

	return write(KEEPER_WAKE, &one, sizeof(one)) != sizeof(one) ? -EIO : 0;
}

/* A new process, with a pidfd at `number`. */
static int start_child(struct keeper *k, bool standby, int number, pid_t *pid)
{
	int pidfd = -1, err = renew_wake();
	pid_t got = err == 0 ? sandbox_clone(CLONE_FILES, &pidfd) : err;

	if (err < 0)
		return err;
	if (got == 0)
		child_main(k, standby);
	if (got < 0)
		return got;
	*pid = got;
	err = put_fd(pidfd, number);
	if (err == 0)
		err = wake();
	if (err < 0)
		end_child(pid);
	return err;
}

/* It does not matter how it ended: it had nothing to do yet. */
static void end_standby(struct keeper *k)
{
	if (k->standby == 0)
		return;
	end_child(&k->standby);
	put_placeholder(KEEPER_STANDBY);
	put_placeholder(KEEPER_WAKE);
}

/* Beside a worker that serves, and so opens and closes. */
static void start_standby(struct keeper *k)
{
	int err;

	if (!k->start.standby || k->standby != 0)
		return;
	err = start_child(k, true, KEEPER_STANDBY, &k->standby);
	if (err < 0)
		log_warning("cannot start a standby: %s", strerror(-err));
}

static bool standby_lives(struct keeper *k)
{
	siginfo_t info = {0};

	return k->standby != 0 &&
	       waitid(P_PID, (id_t)k->standby, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0;
}

/* Its descriptors are not trusted: the dead worker had them, too. Once woken, it sweeps. */
static int promote_standby(struct keeper *k)
{
	int pidfd = (int)syscall(SYS_pidfd_open, k->standby, 0);
	int err = pidfd < 0 ? -errno : put_fd(pidfd, KEEPER_WORKER);

	if (err < 0)
		return err;
	put_placeholder(KEEPER_STANDBY);
	err = wake();
	if (err < 0)
		return err;
	k->worker = k->standby;
	k->standby = 0;
	return 0;
}

static int start_worker_once(struct keeper *k)
{
	int err = check_fixed(k);

	if (err == 0)
		err = renew_pair();
	if (err == 0 && k->standby != 0)
		err = promote_standby(k);
	else if (err == 0)
		err = start_child(k, false, KEEPER_WORKER, &k->worker);
	return err;
}

static void start_worker(struct keeper *k)
{
	char text[CONTROL_TEXT_MAX];
	int err;

	k->phase = STARTING;
	k->ready = k->failed = k->handing = false;
	k->order = 0;
	k->since_ms = now_ms();
	if (!standby_lives(k))
		end_standby(k);
	for (int i = 0; i < START_TRIES; i++) {
		err = start_worker_once(k);
		if (err == 0)
			return;
		if (err == -EBADF)
			break;
		end_standby(k);
		pause_ms(START_PAUSE_MS);
	}
	snprintf(text, sizeof(text), "cannot start its process: %s", strerror(-err));
	give_up(k, err == -EBADF ? attacked : text);
}

/* Whoever finds that a descriptor is not what it was. */
static void defend(struct keeper *k)
{
	end_child(&k->worker);
	end_child(&k->standby);
	give_up(k, attacked);
}

/* ---- reports ---- */

static void became_ready(struct keeper *k)
{
	k->ready = true;
	/* It may also go on after a handover that failed. */
	k->handing = false;
	/* Its session is in the table from now on, whoever comes next. */
	k->start.how = CONTROL_TAKE_OVER;
	if (k->worker == 0)
		return; /* these were its last words */
	if (k->replaced)
		log_info("process %d serves, after %lld ms", (int)k->worker,
			 (long long)(now_ms() - k->since_ms));
	k->replaced = false;
	k->phase = SERVING;
	put_placeholder(KEEPER_HANDOVER);
	if (k->tell_ready && tell(k, CONTROL_READY, "") == 0)
		k->tell_ready = false;
	start_standby(k);
}

/* Returns whether there may be another one. */
static bool take_report(struct keeper *k)
{
	struct control_msg msg;
	int got = control_recv(KEEPER_REPORTS, &msg, NULL);

	if (got == -EAGAIN || got == -EINTR)
		return false;
	if (got == 1 && msg.type == CONTROL_READY) {
		became_ready(k);
		return true;
	}
	if (got == 1 && msg.type == CONTROL_FAILED && !k->failed) {
		k->failed = true;
		if (tell(k, CONTROL_FAILED, msg.text) < 0)
			log_error("%s", msg.text);
		return true;
	}
	/* We have the worker's end, too: there is no end of file unless it closed it. */
	if (k->worker != 0)
		defend(k);
	return false;
}

/* ---- deaths ---- */

static void log_death(pid_t pid, const struct keeper_death *death, unsigned number)
{
	int signal = death->signalled ? death->status : death->status - SHARE_SIGNAL;
	char text[32] = "";

	if (number > 0)
		snprintf(text, sizeof(text), ", death number %u", number);
	if (signal > 0)
		log_warning("process %d was killed by signal %d (%s)%s", (int)pid, signal,
			    strsignal(signal), text);
	else if (number > 0)
		log_warning("process %d ended with status %d%s", (int)pid, death->status, text);
}

/* The pidfd at `number` is readable; but is it still the child's? It is left to be reaped. */
static bool has_died(int number, pid_t child)
{
	siginfo_t info = {0};
	int err;

	do {
		err = waitid(P_PIDFD, (id_t)number, &info, WEXITED | WNOWAIT);
	} while (err < 0 && errno == EINTR);
	return err == 0 && info.si_pid == child;
}

static void follow(struct keeper *k, enum keeper_verdict verdict, const char *why)
{
	if (verdict != KEEPER_COMMIT && k->handing)
		put_placeholder(KEEPER_HANDOVER);
	switch (verdict) {
	case KEEPER_NEXT:
		k->replaced = true;
		start_worker(k);
		break;
	case KEEPER_PAUSE:
		k->phase = HELD;
		k->order = 0;
		tell(k, CONTROL_HELD, "");
		break;
	case KEEPER_COMMIT:
		/* When nobody is there to take it, everything is still here. */
		if (handover_commit(KEEPER_HANDOVER) < 0)
			start_worker(k);
		else
			k->over = true;
		break;
	case KEEPER_END:
		k->over = true;
		break;
	case KEEPER_GIVE_UP:
		give_up(k, why);
		break;
	}
}

static void worker_died(struct keeper *k)
{
	siginfo_t info;
	unsigned accidents = k->history.deaths;
	struct keeper_death death;
	enum keeper_verdict verdict;
	pid_t pid = k->worker;
	const char *why;

	if (!has_died(KEEPER_WORKER, pid)) {
		defend(k);
		return;
	}
	wait_for(pid, &info);
	k->worker = 0;
	while (take_report(k))
		;
	death = (struct keeper_death){
		.now_ms = now_ms(),
		.signalled = info.si_code != CLD_EXITED,
		.status = info.si_status,
		.ready = k->ready,
		.failed = k->failed,
		.order = k->order,
		.handing = k->handing,
	};
	verdict = keeper_judge(&k->history, &death, &why);
	log_death(pid, &death, k->history.deaths > accidents ? k->history.deaths : 0);
	follow(k, verdict, why);
}

static void standby_died(struct keeper *k)
{
	if (!has_died(KEEPER_STANDBY, k->standby)) {
		defend(k);
		return;
	}
	/* Without limits there would be no end to that: the next one comes with the next worker. */
	log_warning("the standby, process %d, has died", (int)k->standby);
	end_standby(k);
}

/* ---- orders ---- */

static void pass_on(struct keeper *k, uint32_t type)
{
	const struct control_msg msg = {.type = type};

	/* Whatever a worker prepares for its successor must not be in the way of its end. */
	end_standby(k);
	k->order = type;
	if (control_send(KEEPER_REPORTS, &msg, NULL, 0) < 0)
		defend(k);
}

static void order_stop(struct keeper *k)
{
	if (k->phase == HELD)
		k->over = true;
	else if (k->order != CONTROL_STOP)
		pass_on(k, CONTROL_STOP);
}

static void order_hold(struct keeper *k)
{
	if (k->phase == HELD)
		tell(k, CONTROL_HELD, "");
	else if (k->order == CONTROL_SERVE)
		k->order = CONTROL_HOLD; /* the worker knows already */
	else if (k->order == 0)
		pass_on(k, CONTROL_HOLD);
}

static void order_serve(struct keeper *k)
{
	k->tell_ready = true;
	if (k->phase == HELD)
		start_worker(k);
	else if (k->order == CONTROL_HOLD)
		k->order = CONTROL_SERVE;
	else if (k->order == 0 && tell(k, CONTROL_READY, "") == 0)
		k->tell_ready = false;
}

static int hand_over_held(struct keeper *k)
{
	int err = handover_send_all(KEEPER_HANDOVER);

	if (err == 0)
		err = handover_commit(KEEPER_HANDOVER);
	if (err == 0)
		k->over = true;
	else
		put_placeholder(KEEPER_HANDOVER);
	return err;
}

static int order_handover(struct keeper *k, int *sock)
{
	const struct control_msg msg = {.type = CONTROL_HANDOVER};
	const int fd = KEEPER_HANDOVER;
	int err;

	if (*sock < 0)
		return -EBADMSG;
	if (k->order != 0 || k->handing)
		return -EBUSY;
	/* We keep it: the last word is ours. */
	err = put_fd(take_fd(sock), KEEPER_HANDOVER);
	if (err < 0)
		return err;
	if (k->phase == HELD)
		return hand_over_held(k);
	end_standby(k);
	err = control_send(KEEPER_REPORTS, &msg, &fd, 1);
	if (err < 0)
		put_placeholder(KEEPER_HANDOVER);
	else
		k->handing = true;
	return err;
}

static void obey(struct keeper *k, const struct control_msg *msg, int *sock)
{
	int err = 0;

	switch (msg->type) {
	case CONTROL_STOP:
		order_stop(k);
		break;
	case CONTROL_HOLD:
		order_hold(k);
		break;
	case CONTROL_SERVE:
		order_serve(k);
		break;
	case CONTROL_HANDOVER:
		err = order_handover(k, sock);
		if (err < 0)
			log_warning("cannot hand over: %s", strerror(-err));
		break;
	default:
		log_warning("the supervisor's message %u is unknown", msg->type);
	}
}

static void disconnect(struct keeper *k)
{
	log_info("the supervisor is gone; serving on");
	k->connected = false;
	put_placeholder(KEEPER_CONTROL);
}

static void take_order(struct keeper *k)
{
	struct control_msg msg;
	int fds[CONTROL_FDS_MAX];
	int got = control_recv(KEEPER_CONTROL, &msg, fds);

	/* What nobody asked for goes first: later a worker may have its number. */
	for (unsigned i = 0; i < CONTROL_FDS_MAX && got == 1; i++) {
		if (i > 0 || msg.type != CONTROL_HANDOVER)
			cleanup_close(&fds[i]);
	}
	if (got == 1)
		obey(k, &msg, &fds[0]);
	else if (got == -EBADF || got == -ENOTSOCK)
		defend(k);
	else if (got != -EAGAIN && got != -EINTR)
		disconnect(k);
	cleanup_close(&fds[0]);
}

static void take_connection(struct keeper *k)
{
	struct control_msg msg = {.type = CONTROL_HELLO};
	int fd;

	control_describe(&msg.hello, &k->start, CONTROL_KEEPER);
	msg.hello.held = k->phase == HELD || k->order == CONTROL_HOLD;
	fd = accept4(KEEPER_LISTEN, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 && (errno == EBADF || errno == ENOTSOCK || errno == EINVAL)) {
		defend(k);
	} else if (fd < 0) {
		if (errno != EAGAIN)
			pause_ms(ACCEPT_PAUSE_MS);
	} else {
		/* In its place first: should we die now, the worker goes on with it. */
		k->connected = dup3(fd, KEEPER_CONTROL, O_CLOEXEC) >= 0;
		close(fd);
		if (k->connected && control_send(KEEPER_CONTROL, &msg, NULL, 0) < 0)
			disconnect(k);
	}
}

/* ---- the loop ---- */

enum { AT_REPORTS, AT_WORKER, AT_STANDBY, AT_CONTROL, AT_LISTEN, AT_COUNT };

/* poll(2) ignores what is -1: placeholders would always be ready. */
static void wait_for_news(const struct keeper *k, struct pollfd fds[AT_COUNT])
{
	bool starting = k->phase == STARTING;
	const int fd[AT_COUNT] = {
		[AT_REPORTS] = k->worker != 0 ? KEEPER_REPORTS : -1,
		[AT_WORKER] = k->worker != 0 ? KEEPER_WORKER : -1,
		[AT_STANDBY] = k->standby != 0 ? KEEPER_STANDBY : -1,
		[AT_CONTROL] = k->connected && !starting ? KEEPER_CONTROL : -1,
		[AT_LISTEN] = !starting ? KEEPER_LISTEN : -1,
	};

	for (int i = 0; i < AT_COUNT; i++)
		fds[i] = (struct pollfd){.fd = fd[i], .events = POLLIN};
	if (poll(fds, AT_COUNT, -1) < 0) {
		if (errno != EINTR)
			pause_ms(POLL_PAUSE_MS);
		for (int i = 0; i < AT_COUNT; i++)
			fds[i].revents = 0;
	}
}

static bool meddled(const struct pollfd fds[AT_COUNT])
{
	for (int i = 0; i < AT_COUNT; i++) {
		if ((fds[i].revents & POLLNVAL) != 0)
			return true;
	}
	return false;
}

/* A report, and one thing more: each may change what the others stand for, but reports, which come
 * first, must not keep it from the rest. */
static void keep(struct keeper *k)
{
	static void (*const handlers[AT_COUNT])(struct keeper * k) = {
		[AT_WORKER] = worker_died,
		[AT_STANDBY] = standby_died,
		[AT_CONTROL] = take_order,
		[AT_LISTEN] = take_connection,
	};
	struct pollfd fds[AT_COUNT];

	while (!k->over) {
		int i = AT_REPORTS + 1;

		wait_for_news(k, fds);
		if (meddled(fds))
			defend(k);
		else if (fds[AT_REPORTS].revents != 0)
			take_report(k);
		while (i < AT_COUNT && fds[i].revents == 0)
			i++;
		if (!k->over && i < AT_COUNT)
			handlers[i](k);
	}
	end_child(&k->worker);
	end_child(&k->standby);
}

/* ---- the beginning ---- */

/* A table that is shared grows only after an RCU grace period, some 20 ms, and the request that
 * needed one descriptor more sleeps meanwhile. Nobody shares it yet. */
static void widen_table(void)
{
	struct rlimit limit;
	int last = KEEPER_TABLE - 1;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < KEEPER_TABLE)
		last = (int)limit.rlim_cur - 1;
	if (last >= KEEPER_FDS && dup2(KEEPER_CONTROL, last) == last)
		close(last);
}

static int open_fixed(void)
{
	int fd;

	close_range(KEEPER_LISTEN, ~0u, 0);
	widen_table();
	/* Takes the lowest free number each time. */
	do {
		fd = open_placeholder();
		if (fd < 0)
			return -errno;
	} while (fd < KEEPER_FDS - 1);
	if (fd >= KEEPER_FDS)
		close(fd);
	/* /dev/null as a rule; nobody here reads it. */
	if (dup2(KEEPER_FDS - 1, STDIN_FILENO) < 0)
		return -errno;
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return fd < 0 ? -errno : put_fd(fd, KEEPER_SELF);
}

static int receive_start(struct keeper *k)
{
	struct pollfd control = {.fd = KEEPER_CONTROL, .events = POLLIN};
	int fds[CONTROL_FDS_MAX], err = 0;
	struct control_msg msg;

	while (poll(&control, 1, -1) < 0 && errno == EINTR)
		;
	if (control_recv(KEEPER_CONTROL, &msg, fds) != 1 || msg.type != CONTROL_START ||
	    msg.start.rings > CONTROL_RINGS_MAX || msg.start.how > CONTROL_TAKE_OVER)
		return -EBADMSG;
	for (int i = 0; i < CONTROL_FDS_MAX; i++) {
		if (fds[i] < 0)
			return -EBADMSG;
	}
	k->start = msg.start;
	err = put_fd(fds[0], k->start.how == CONTROL_TAKE_OVER ? KEEPER_HANDOVER : KEEPER_ROOT);
	if (err == 0)
		err = put_fd(fds[1], KEEPER_ARENA);
	if (err == 0)
		err = put_fd(fds[2], KEEPER_LISTEN);
	if (err == 0 && fcntl(KEEPER_LISTEN, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	return err;
}

static void take_over(struct keeper *k)
{
	char text[CONTROL_TEXT_MAX], why[CONTROL_TEXT_MAX - 64];
	int err = arena_check(KEEPER_ARENA, why, sizeof(why));

	if (err < 0) {
		snprintf(text, sizeof(text), "its session cannot be taken over: %s", why);
		give_up(k, text);
		return;
	}
	tell(k, CONTROL_WILLING, "");
	err = handover_receive(KEEPER_HANDOVER);
	if (err < 0) {
		snprintf(text, sizeof(text), "its session was not handed over: %s", strerror(-err));
		give_up(k, text);
		return;
	}
	put_placeholder(KEEPER_HANDOVER);
}

static void set_signals(void)
{
	/* Sent to the whole group by a terminal or a service manager: it is the supervisor who
	 * decides when a share ends. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	/* Ignored, it would keep the workers' ends from us. */
	signal(SIGCHLD, SIG_DFL);
}

int keeper_main(void)
{
	struct keeper k = {.connected = true, .tell_ready = true};
	char prefix[64];

	set_signals();
	setpgid(0, 0); /* one number for all processes of a share */
	if (open_fixed() < 0 || receive_start(&k) < 0) {
		log_error("descriptor %d is not the supervisor's", KEEPER_CONTROL);
		return EXIT_FAILURE;
	}
	snprintf(prefix, sizeof(prefix), "guest %u dev %u", k.start.domid, k.start.devid);
	log_init("xen9pfsd", prefix, k.start.log_level);
	prctl(PR_SET_NAME, "xen9pfsd-keeper"); /* started as /proc/self/exe, it would be "exe" */
	save_oom_score_adj(&k);
	if (k.start.how == CONTROL_TAKE_OVER)
		take_over(&k);
	if (!k.over)
		start_worker(&k);
	keep(&k);
	return k.status;
}
