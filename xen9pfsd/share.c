/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * share.c - the life of a worker, from top to bottom: map the guest's rings, take up what a
 * predecessor left, put up the walls, say "ready", serve, end as ordered.
 */
#include "xen9pfsd/share.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "fs/export.h"
#include "fs/synth.h"
#include "xen9pfsd/arena.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/device.h"
#include "xen9pfsd/handover.h"
#include "xen9pfsd/keeper.h"
#include "xen9pfsd/runner.h"
#include "xen9pfsd/sandbox.h"
#include "xen9pfsd/sweep.h"

#define LINGER_TICK_MS 10 /* when the worker ends, requests may be with the storage: */
#define LINGER_TICKS 100  /* they are looked after so often, then left behind */
#define EXIT_HANDOVER_FAILED 9
#define START_FILES 16 /* only until it serves a worker may have so many */

struct share {
	const struct control_start *start;
	struct fs_export export;
	struct arena *arena;
	struct sandbox sandbox;
	struct fs_groups *groups;
	struct runner *runner;
	struct fs *fs;
	struct device *device;
	struct runner_source orders;  /* of the keeper */
	struct runner_source keeper;  /* its death */
	struct runner_source control; /* of the supervisor: when the keeper is dead, */
	struct runner_source listen;  /* and a new one's connections */
	struct runner_source linger;
	unsigned ticks;
	struct runner_task end;
	bool ending;
	bool alone;   /* the keeper is dead */
	bool root;    /* its own user, while it could still be asked */
	bool standby; /* beside a worker: see prepare() */
	int status;   /* enum share_exit */
	int handover; /* where the descriptors are to go; -1 */
};

static void report(const struct share *share, uint32_t type, const char *text)
{
	struct control_msg msg = {.type = type};

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	/* If nobody is there to hear it, that will be noticed elsewhere. */
	control_send(share->alone ? KEEPER_CONTROL : KEEPER_ORDERS, &msg, NULL, 0);
}

/* ---- the end ---- */

static void share_end(struct runner_task *task)
{
	static const struct itimerspec ticks = {
		.it_value.tv_nsec = LINGER_TICK_MS * 1000000L,
		.it_interval.tv_nsec = LINGER_TICK_MS * 1000000L,
	};
	struct share *share = container_of(task, struct share, end);

	if (share->ending)
		return;
	share->ending = true;
	if (share->status == SHARE_HELD || share->status == SHARE_HANDED_OVER)
		device_pause(share->device);
	else
		device_disconnect(share->device);
	if (device_idle(share->device) || timerfd_settime(share->linger.fd, 0, &ticks, NULL) < 0)
		runner_stop(share->runner);
}

static void linger_tick(struct runner_source *source, uint32_t events)
{
	struct share *share = container_of(source, struct share, linger);
	uint64_t expirations;

	(void)events;
	if (read(source->fd, &expirations, sizeof(expirations)) < 0)
		return;
	if (device_idle(share->device) || ++share->ticks >= LINGER_TICKS)
		runner_stop(share->runner);
}

static void end_as(struct share *share, int status)
{
	if (!share->ending)
		share->status = status;
	runner_later(share->runner, &share->end);
}

static void share_broken(void *arg, const char *why)
{
	struct share *share = arg;

	report(share, CONTROL_FAILED, why);
	end_as(share, SHARE_FAILED);
}

/* ---- orders ---- */

/* Returns false when there will be no more from there. */
static bool take_order(struct share *share, int from)
{
	struct control_msg msg;
	int fds[CONTROL_FDS_MAX];
	int got = control_recv(from, &msg, fds);

	if (got == -EAGAIN || got == -EINTR)
		return true;
	if (got != 1)
		return false;
	if (msg.type == CONTROL_STOP)
		end_as(share, SHARE_DONE);
	/* Without a keeper nobody would be left to have the descriptors. */
	else if (msg.type == CONTROL_HOLD && !share->alone)
		end_as(share, SHARE_HELD);
	if (msg.type == CONTROL_HANDOVER && fds[0] >= 0 && share->handover < 0) {
		share->handover = take_fd(&fds[0]);
		end_as(share, SHARE_HANDED_OVER);
	}
	for (unsigned i = 0; i < CONTROL_FDS_MAX; i++)
		cleanup_close(&fds[i]);
	return true;
}

static void orders_ready(struct runner_source *source, uint32_t events)
{
	struct share *share = container_of(source, struct share, orders);

	(void)events;
	if (!take_order(share, source->fd))
		runner_remove(share->runner, source);
}

/* ---- without a keeper ---- */

/* A placeholder (keeper.h) never says anything: there is no supervisor either, for now. */
static void listen_to(struct share *share, struct runner_source *source, int fd)
{
	int err;

	source->fd = fd;
	err = runner_add(share->runner, source, EPOLLIN);
	if (err == 0)
		return;
	source->fd = -1;
	log_error("cannot listen to descriptor %d: %s", fd, strerror(-err));
}

static void control_ready(struct runner_source *source, uint32_t events)
{
	struct share *share = container_of(source, struct share, control);

	(void)events;
	if (!take_order(share, source->fd))
		runner_remove(share->runner, source);
}

/* A supervisor that has come back. */
static void listen_ready(struct runner_source *source, uint32_t events)
{
	struct share *share = container_of(source, struct share, listen);
	struct control_msg hello = {.type = CONTROL_HELLO};
	_cleanup_close_ int socket = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (socket < 0)
		return;
	if (share->control.fd >= 0)
		runner_remove(share->runner, &share->control);
	if (dup3(socket, KEEPER_CONTROL, O_CLOEXEC) < 0)
		return;
	control_describe(&hello.hello, share->start, CONTROL_WORKER);
	control_send(KEEPER_CONTROL, &hello, NULL, 0);
	listen_to(share, &share->control, KEEPER_CONTROL);
}

/* The supervisor will see to a new keeper, and order a handover. */
static void keeper_died(struct runner_source *source, uint32_t events)
{
	struct share *share = container_of(source, struct share, keeper);

	(void)events;
	log_warning("its keeper is gone; serving on without");
	share->alone = true;
	runner_remove(share->runner, source);
	listen_to(share, &share->control, KEEPER_CONTROL);
	listen_to(share, &share->listen, KEEPER_LISTEN);
	/* The keeper may have died with our first one in its hands. */
	report(share, CONTROL_READY, "");
}

/* ---- the beginning ---- */

static void fatal_signal(int number)
{
	req_blame();
	/* By the signal itself the first process of a pid namespace would not end. */
	_exit(SHARE_SIGNAL + number);
}

static void set_signals(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct sigaction action = {.sa_handler = fatal_signal};

	for (size_t i = 0; i < countof(fatal); i++)
		sigaction(fatal[i], &action, NULL);
}

/* Closes what the dead left behind. */
static int sweep_table(struct share *share)
{
	struct arena *arena = share->arena;
	struct sweep sweep = {.keep = NULL};
	int link[LINK_FDS_MAX];
	unsigned count = 0;

	if (share->device != NULL && device_map_fd(share->device) >= 0)
		sweep_keep(&sweep, device_map_fd(share->device));
	if (arena->phase == ARENA_SERVING) {
		count = link_descriptors(&arena->link, link);
		saved_descriptors(&arena->session, sweep_keep, &sweep);
	}
	for (unsigned i = 0; i < count; i++)
		sweep_keep(&sweep, link[i]);
	return sweep_close(&sweep, KEEPER_FDS);
}

/* Makes the arena ready to be gone on with. -EUCLEAN: it is not to be trusted. */
static int take_up_arena(struct share *share, char *err, size_t errlen)
{
	struct arena *arena = share->arena;
	int ret = 0;

	if (share->start->how == CONTROL_RESTORE && arena->phase == ARENA_SERVING)
		saved_set(&arena->phase, ARENA_RESTORING);
	if (arena->phase != ARENA_EMPTY)
		ret = saved_take_up(&arena->session, arena->rings, KEEPER_FDS);
	if (ret == 0)
		ret = sweep_table(share);
	if (ret < 0)
		snprintf(err, errlen, "its memory is damaged: %s", strerror(-ret));
	return ret;
}

/* The export is the directory that it was, for as long as the session lasts. */
static int check_root(struct share *share, char *err, size_t errlen)
{
	struct arena *arena = share->arena;
	struct stat st;

	if (fstat(KEEPER_ROOT, &st) < 0) {
		snprintf(err, errlen, "the export: %s", strerror(errno));
		return -errno;
	}
	if (arena->phase == ARENA_EMPTY) {
		arena->root_dev = st.st_dev;
		arena->root_ino = st.st_ino;
	}
	if (arena->root_dev == st.st_dev && arena->root_ino == st.st_ino)
		return 0;
	snprintf(err, errlen, "the export is another directory than it was");
	return -ESTALE;
}

static int add_sources(struct share *share)
{
	int err;

	share->end.run = share_end;
	share->orders = (struct runner_source){.fd = KEEPER_ORDERS, .ready = orders_ready};
	share->keeper = (struct runner_source){.fd = KEEPER_SELF, .ready = keeper_died};
	share->control = (struct runner_source){.fd = -1, .ready = control_ready};
	share->listen = (struct runner_source){.fd = -1, .ready = listen_ready};
	share->linger = (struct runner_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.ready = linger_tick,
	};
	err = runner_add(share->runner, &share->linger, EPOLLIN);
	if (err == 0)
		err = runner_add(share->runner, &share->orders, EPOLLIN);
	return err < 0 ? err : runner_add(share->runner, &share->keeper, EPOLLIN);
}

/* Sleeps until the worker has died. Without a keeper nobody would wake it. */
static int stand_by(void)
{
	struct pollfd fds[] = {
		{.fd = KEEPER_WAKE, .events = POLLIN},
		{.fd = KEEPER_SELF, .events = POLLIN},
	};
	eventfd_t wake;

	while (fds[0].revents == 0) {
		if (poll(fds, countof(fds), -1) < 0 && errno != EINTR)
			_exit(SHARE_HELD);
		if (fds[1].revents != 0)
			_exit(SHARE_HELD);
	}
	return eventfd_read(KEEPER_WAKE, &wake) < 0 ? -errno : 0;
}

/* The export on a mount of its own, before the session opens anything there. All workers of the
 * share use this one. Without the right to it, it is a wall less (sandbox.h). */
static void mount_export(const struct share *share)
{
	int root = sandbox_mount(KEEPER_ROOT, share->sandbox.readonly, share->sandbox.devices);

	if (root >= 0)
		dup3(root, KEEPER_ROOT, O_CLOEXEC);
	cleanup_close(&root);
}

static bool has_rings(const struct arena *arena, const struct control_start *start)
{
	bool same = arena->rings == start->rings;

	for (uint32_t i = 0; i < arena->rings && same; i++)
		same = arena->ring[i].page_ref == start->ref[i];
	return same;
}

/* While nobody lived, the guest may have begun anew: then the session is another kernel's. */
static int forget_other_session(struct share *share, char *err, size_t errlen)
{
	if (share->start->how != CONTROL_RESTORE || share->arena->phase == ARENA_EMPTY ||
	    has_rings(share->arena, share->start))
		return 0;
	log_warning("the frontend has other rings than before: its session begins anew");
	arena_unmap(share->arena);
	share->arena = NULL;
	if (ftruncate(KEEPER_ARENA, 0) < 0) {
		snprintf(err, errlen, "its memory: %s", strerror(errno));
		return -errno;
	}
	return arena_map(KEEPER_ARENA, &share->arena, err, errlen);
}

/* The last that needs the host's files. */
static int map_device(struct share *share, char *err, size_t errlen)
{
	int ret = device_map(share->start, share->arena, &share->device, err, errlen);

	return ret < 0 ? ret : sandbox_close(&share->sandbox, err, errlen);
}

/* Behind the first walls: maps the rings and makes the arena ready. A standby maps beside the
 * worker, whose arena it is still. */
static int prepare(struct share *share, char *err, size_t errlen)
{
	const bool standby = share->standby;
	int ret = arena_map(KEEPER_ARENA, &share->arena, err, errlen);

	if (ret == 0)
		ret = forget_other_session(share, err, errlen);
	if (ret < 0)
		return ret;
	if (share->arena->phase != ARENA_SERVING || share->start->how == CONTROL_RESTORE)
		mount_export(share);
	ret = fs_export_groups(&share->export, &share->groups, err, errlen);
	if (ret == 0)
		ret = sandbox_enter(&share->sandbox, err, errlen);
	if (ret == 0 && standby) {
		ret = map_device(share, err, errlen);
		if (ret == 0)
			ret = stand_by();
		share->standby = ret < 0;
	}
	if (ret == 0)
		ret = take_up_arena(share, err, errlen);
	return ret == 0 && !standby ? map_device(share, err, errlen) : ret;
}

static int begin_session(struct share *share, char *err, size_t errlen)
{
	int ret = check_root(share, err, errlen);

	if (ret == 0)
		ret = fs_export_open(&share->export, KEEPER_ROOT, share->groups, &share->fs, err,
				     errlen);
	if (ret == 0)
		ret = synth_from_environment(&share->fs, err, errlen);
	if (ret < 0)
		return ret;
	ret = runner_create(&share->runner);
	if (ret == 0)
		ret = add_sources(share);
	if (ret < 0) {
		snprintf(err, errlen, "cannot start its threads: %s", strerror(-ret));
		return ret;
	}
	return device_begin(share->device, share->fs, &share->export, share->runner, share_broken,
			    share, err, errlen);
}

/* Once for a session, but a successor may lack what its predecessor had. Who is not root has most
 * of them anyway. */
static void tell_walls(const struct share *share)
{
	unsigned untold = share->sandbox.missing & ~share->arena->missing;
	char text[256];

	if (untold == 0)
		return;
	share->arena->missing |= untold;
	sandbox_names(untold, text, sizeof(text));
	log_line(share->root ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
		 "walls around its process that cannot be had here: %s", text);
}

static int share_open(struct share *share, char *err, size_t errlen)
{
	bool first;
	int ret = prepare(share, err, errlen);

	if (ret < 0)
		return ret;
	first = share->arena->phase != ARENA_SERVING;
	ret = begin_session(share, err, errlen);
	if (ret == 0)
		ret = sandbox_lock(&share->sandbox, err, errlen);
	if (ret < 0)
		return ret;
	if (first)
		share->arena->missing = 0;
	tell_walls(share);
	ret = runner_start(share->runner);
	if (ret == 0)
		ret = device_start(share->device);
	if (ret < 0)
		snprintf(err, errlen, "cannot begin to serve: %s", strerror(-ret));
	return ret;
}

/* Frees what there is, unless something is left behind in the storage. */
static void share_close(struct share *share)
{
	bool left = share->device != NULL && !device_idle(share->device);
	int patience_ms = left ? 0 : LINGER_TICKS * LINGER_TICK_MS;

	if (share->runner != NULL && !runner_destroy(share->runner, patience_ms))
		left = true;
	if (left) {
		log_warning("the storage still keeps requests; ending without them");
		_exit(share->status);
	}
	cleanup_close(&share->linger.fd);
	device_destroy(share->device);
	fs_destroy(share->fs);
	fs_groups_free(share->groups);
	arena_unmap(share->arena);
}

/* What is kept must not be tidied up: the successor goes on with exactly that. */
static void leave(struct share *share)
{
	int err = 0;

	runner_destroy(share->runner, LINGER_TICK_MS);
	if (share->status == SHARE_HANDED_OVER)
		err = handover_send_all(share->handover);
	/* A keeper does this when the worker is gone. */
	if (share->status == SHARE_HANDED_OVER && err == 0 && share->alone)
		err = handover_commit(share->handover);
	if (err < 0)
		log_warning("cannot hand over: %s", strerror(-err));
	/* Then it is a death like any other, and somebody goes on here. */
	_exit(err < 0 ? EXIT_HANDOVER_FAILED : share->status);
}

int share_serve(const struct share_env *env)
{
	struct share share = {
		.start = env->start,
		.export = env->start->export,
		.linger.fd = -1,
		.root = geteuid() == 0,
		.standby = env->standby,
		.handover = -1,
	};
	char text[CONTROL_TEXT_MAX];
	int ret;

	share.export.model = env->start->model;
	share.sandbox = (struct sandbox){
		.export = KEEPER_ROOT,
		.readonly = share.export.readonly,
		.devices = share.export.special == FS_SPECIAL_OPEN,
		.groups = share.export.permissions == FS_PERMISSIONS_HOST,
		.reserve = START_FILES,
		.capabilities = fs_export_capabilities(&share.export),
	};
	prctl(PR_SET_NAME, env->standby ? "xen9pfsd-stand" : "xen9pfsd-share");
	set_signals();
	ret = share_open(&share, text, sizeof(text));
	/* The share has its worker, whose descriptors these are, and who reports. */
	if (ret < 0 && share.standby) {
		log_warning("no standby: %s", text);
		_exit(SHARE_HELD);
	}
	prctl(PR_SET_NAME, "xen9pfsd-share");
	if (ret < 0) {
		share.status = ret == -EUCLEAN ? SHARE_ARENA : SHARE_FAILED;
		report(&share, CONTROL_FAILED, text);
	} else {
		report(&share, CONTROL_READY, "");
		runner_run(share.runner);
	}
	if (ret == 0 && (share.status == SHARE_HELD || share.status == SHARE_HANDED_OVER))
		leave(&share);
	share_close(&share);
	return share.status;
}
