/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * share.c - the life of a share's process, from top to bottom: receive what it may have, map the
 * guest's rings, say "ready", serve, let go.
 */
#include "xen9pfsd/share.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "fs/fs.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/device.h"
#include "xen9pfsd/runner.h"

#define LINGER_TICK_MS 10 /* when the share ends, requests may be with the storage: */
#define LINGER_TICKS 100  /* they are looked after so often, then left behind */

struct share {
	struct runner *runner;
	struct fs *fs;
	struct device *device;
	struct runner_source control;
	struct runner_source linger;
	unsigned ticks;
	struct runner_task end;
	bool ending;
};

static void report(uint32_t type, const char *text)
{
	struct control_msg msg = {.type = type};

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	/* If nobody is there to hear it, the socket says so to the loop. */
	control_send(CONTROL_FD, &msg, NULL, 0);
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

static void share_broken(void *arg, const char *why)
{
	struct share *share = arg;

	report(CONTROL_FAILED, why);
	runner_later(share->runner, &share->end);
}

static void control_ready(struct runner_source *source, uint32_t events)
{
	struct share *share = container_of(source, struct share, control);
	struct control_msg msg;
	int got = control_recv(source->fd, &msg, NULL);

	(void)events;
	if (got == -EAGAIN || got == -EINTR)
		return;
	if (got <= 0)
		log_warning("the supervisor is gone");
	else if (msg.type != CONTROL_STOP)
		return;
	runner_remove(share->runner, source);
	runner_later(share->runner, &share->end);
}

/* ---- the beginning ---- */

static int receive_start(struct control_start *start, int *root)
{
	struct pollfd control = {.fd = CONTROL_FD, .events = POLLIN};
	int got, fds[CONTROL_FDS_MAX];
	struct control_msg msg;

	poll(&control, 1, -1);
	got = control_recv(CONTROL_FD, &msg, fds);
	*root = fds[0];
	if (got != 1 || msg.type != CONTROL_START || *root < 0 ||
	    msg.start.rings > CONTROL_RINGS_MAX)
		return -EBADMSG;
	*start = msg.start;
	return 0;
}

static int add_sources(struct share *share)
{
	int err;

	share->end.run = share_end;
	share->control = (struct runner_source){.fd = CONTROL_FD, .ready = control_ready};
	share->linger = (struct runner_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.ready = linger_tick,
	};
	err = runner_add(share->runner, &share->linger, EPOLLIN);
	return err < 0 ? err : runner_add(share->runner, &share->control, EPOLLIN);
}

static int share_open(struct share *share, const struct control_start *start, int root, char *err,
		      size_t errlen)
{
	int ret = fs_local_create(root, start->model, &share->fs, err, errlen);

	if (ret < 0)
		return ret;
	ret = runner_create(&share->runner);
	if (ret == 0)
		ret = add_sources(share);
	if (ret < 0) {
		snprintf(err, errlen, "cannot start its threads: %s", strerror(-ret));
		return ret;
	}
	return device_open(start, share->fs, share->runner, share_broken, share, &share->device,
			   err, errlen);
}

/* Frees what there is, unless something is left behind in the storage. */
static void share_close(struct share *share)
{
	if ((share->device != NULL && !device_idle(share->device)) ||
	    (share->runner != NULL && !runner_destroy(share->runner, LINGER_TICK_MS))) {
		log_warning("the storage still keeps requests; ending without them");
		_exit(EXIT_SUCCESS);
	}
	cleanup_close(&share->linger.fd);
	device_destroy(share->device);
	fs_destroy(share->fs);
}

int share_main(void)
{
	struct share share = {.linger.fd = -1};
	struct control_start start;
	_cleanup_close_ int root = -1;
	char text[CONTROL_TEXT_MAX], prefix[64];

	signal(SIGPIPE, SIG_IGN);
	/* Sent to the whole group by a terminal or a service manager: it is the supervisor who
	 * decides when a share ends. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	if (receive_start(&start, &root) < 0) {
		log_error("descriptor %d is not the supervisor's", CONTROL_FD);
		return EXIT_FAILURE;
	}
	snprintf(prefix, sizeof(prefix), "guest %u dev %u", start.domid, start.devid);
	log_init("xen9pfsd", prefix, start.log_level);
	prctl(PR_SET_NAME, "xen9pfsd-share"); /* started as /proc/self/exe, it would be "exe" */

	if (share_open(&share, &start, root, text, sizeof(text)) < 0) {
		report(CONTROL_FAILED, text);
	} else {
		report(CONTROL_READY, "");
		runner_run(share.runner);
	}
	share_close(&share);
	return EXIT_SUCCESS;
}
