/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recover_life.c - a life: what a share's process does with its session, rings replaced by the
 * world's lanes. Asks are run one after the other; a lane keeps its replies until it is told to
 * put them.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/crash.h"
#include "common/util.h"
#include "fs/export.h"
#include "proto/session.h"
#include "tests/unit/recover.h"
#include "xen9pfsd/sweep.h"

struct life_lane {
	struct lane lane;
	struct world_lane *world;
	struct req_queue unsent;
	bool placing;
	bool keeps;
};

struct life {
	struct executor executor;
	struct life_lane lane[LANES];
	struct lane *lanes[LANES];
	struct fs *fs;
	struct fs_ops walled;
	struct session *session;
	struct req_queue ready, answered;
	struct req_queue waiting; /* for other clients; asked again and again */
};

/* ---- executor ---- */

static void run(struct executor *executor, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(executor, struct life, executor)->ready, req, link);
}

static void wake(struct executor *executor, struct req *req)
{
	(void)executor, (void)req;
}

static void answered(struct executor *executor, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(executor, struct life, executor)->answered, req, link);
}

/* The life that has a thread in an ask. */
static struct life *asking;

static bool ask(struct life *life, struct req *req)
{
	bool done;

	asking = life;
	done = req_ask(req);
	asking = NULL;
	return done;
}

/* All but the newest `keep`. */
static void ask_older(struct life *life, unsigned keep)
{
	struct req *req;
	unsigned ready = 0;

	STAILQ_FOREACH (req, &life->ready, link)
		ready++;
	for (; ready > keep; ready--) {
		req = STAILQ_FIRST(&life->ready);
		STAILQ_REMOVE_HEAD(&life->ready, link);
		if (!ask(life, req))
			STAILQ_INSERT_TAIL(&life->waiting, req, link);
	}
}

static void ask_waiting(struct life *life)
{
	STAILQ_CONCAT(&life->ready, &life->waiting);
	ask_older(life, 0);
}

static void fetch_all(struct life *life)
{
	struct req *req;

	STAILQ_FOREACH (req, &life->ready, link)
		req_fetch(req);
}

static void ask_all(struct life *life)
{
	ask_older(life, 0);
}

static void ask_all_here(struct life *life)
{
	struct req *req;

	while ((req = STAILQ_FIRST(&life->ready)) != NULL) {
		STAILQ_REMOVE_HEAD(&life->ready, link);
		req_prepare_here(req);
		if (req_ask_here(req))
			session_finish(req);
		else
			STAILQ_INSERT_TAIL(&life->waiting, req, link);
	}
}

static void finish_all(struct life *life)
{
	struct req *req;

	while ((req = STAILQ_FIRST(&life->answered)) != NULL) {
		STAILQ_REMOVE_HEAD(&life->answered, link);
		session_finish(req);
	}
}

static void finish_reversed(struct life *life)
{
	struct req *req;

	while (!STAILQ_EMPTY(&life->answered)) {
		STAILQ_FOREACH (req, &life->answered, link) {
			if (STAILQ_NEXT(req, link) == NULL)
				break;
		}
		STAILQ_REMOVE(&life->answered, req, req, link);
		session_finish(req);
	}
}

static void ask_and_finish(struct life *life)
{
	do {
		ask_all(life);
		finish_all(life);
		if (STAILQ_EMPTY(&life->ready))
			ask_waiting(life);
		finish_all(life);
	} while (!STAILQ_EMPTY(&life->ready));
}

/* ---- lanes ---- */

static void lane_send(struct lane *lane, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(lane, struct life_lane, lane)->unsent, req, link);
}

static void lane_released(struct lane *lane)
{
	(void)lane;
}

/* What was taken is written over. */
static void hand_back(struct world_lane *w)
{
	memset(w->in + w->released, 0xee, w->taken - w->released);
	w->released = w->taken;
}

static void lane_retake(struct lane *lane, uint32_t at, uint32_t size)
{
	struct world_lane *w = container_of(lane, struct life_lane, lane)->world;

	if (w->taken == at)
		w->taken += size;
	hand_back(w);
}

static bool lane_fetch(struct lane *lane, uint8_t *in, uint32_t size, uint32_t at)
{
	struct world_lane *w = container_of(lane, struct life_lane, lane)->world;

	CHECK(size >= REQ_KEPT_FROM);
	if (at > LANE_BYTES || size > LANE_BYTES - at)
		return false;
	memcpy(in + REQ_KEPT_FROM, w->in + at + REQ_KEPT_FROM, size - REQ_KEPT_FROM);
	return true;
}

static void lane_release(struct lane *lane)
{
	struct life_lane *l = container_of(lane, struct life_lane, lane);

	CHECK(l->keeps);
	l->keeps = false;
	CRASH_POINT();
	hand_back(l->world);
	CRASH_POINT();
}

static bool lane_was_put(struct lane *lane, uint32_t at)
{
	return container_of(lane, struct life_lane, lane)->world->put != at;
}

static bool lane_place(struct lane *lane, uint32_t header, uint32_t size, struct iovec place[2])
{
	struct life_lane *l = container_of(lane, struct life_lane, lane);
	uint32_t at = l->world->put + header;

	CHECK(STAILQ_EMPTY(&l->unsent) && !l->placing);
	if (size > LANE_BYTES - at)
		return false;
	place[0] = (struct iovec){l->world->out + at, size / 2};
	place[1] = (struct iovec){l->world->out + at + size / 2, size - size / 2};
	l->placing = true;
	return true;
}

static void lane_give_back(struct lane *lane)
{
	struct life_lane *l = container_of(lane, struct life_lane, lane);

	CHECK(l->placing);
	l->placing = false;
}

static void lane_send_placed(struct lane *lane, struct req *req)
{
	struct life_lane *l = container_of(lane, struct life_lane, lane);
	struct world_lane *w = l->world;

	lane_give_back(lane);
	session_placed(req, w->put);
	CRASH_POINT();
	memcpy(w->out + w->put, req->out, P9_READ_HEADER);
	w->put += req->out_size;
	CRASH_POINT();
	/* Nobody looks there again. */
	memset(req->out, 0xee, req->out_size);
}

static void put(struct life_lane *lane, struct req *req)
{
	struct world_lane *w = lane->world;

	if (!req_flushed(req)) {
		session_putting(req, w->put);
		CRASH_POINT();
		if (req->out_size <= LANE_BYTES - w->put) {
			memcpy(w->out + w->put, req->out, req->out_size);
			w->put += req->out_size;
		}
		CRASH_POINT();
	}
	session_sent(req);
}

static void put_all(struct life *life)
{
	for (size_t i = 0; i < LANES; i++) {
		struct life_lane *lane = &life->lane[i];
		struct req *req;

		while ((req = STAILQ_FIRST(&lane->unsent)) != NULL) {
			STAILQ_REMOVE_HEAD(&lane->unsent, link);
			put(lane, req);
		}
	}
}

static struct world_message *next_message(enum phase phase)
{
	for (uint32_t i = 0; i < world->messages; i++) {
		struct world_message *msg = &world->message[i];

		if (msg->phase <= phase && world->lane[msg->lane].taken <= msg->at)
			return msg;
	}
	return NULL;
}

static void keep(struct life_lane *lane, const struct world_message *msg, struct req *req)
{
	uint32_t first = (msg->size - REQ_KEPT_FROM) / 2;
	uint8_t *bytes = lane->world->in + msg->at;
	const struct iovec rest[2] = {
		{bytes + REQ_KEPT_FROM, first},
		{bytes + REQ_KEPT_FROM + first, msg->size - REQ_KEPT_FROM - first},
	};

	memcpy(req->in, bytes, REQ_KEPT_FROM);
	CRASH_POINT();
	session_keeping(req, msg->at, rest);
	CRASH_POINT();
	lane->keeps = true;
	lane->world->taken = msg->at + msg->size;
}

static void copy(struct life_lane *lane, const struct world_message *msg, struct req *req)
{
	memcpy(req->in, lane->world->in + msg->at, msg->size);
	CRASH_POINT();
	session_taking(req, msg->at);
	CRASH_POINT();
	lane->world->taken = msg->at + msg->size;
	CRASH_POINT();
	if (!lane->keeps)
		hand_back(lane->world);
}

static bool take(struct life *life, enum phase phase)
{
	const struct world_message *msg = next_message(phase);
	struct life_lane *lane;
	struct req *req;

	if (msg == NULL)
		return false;
	lane = &life->lane[msg->lane];
	req = session_request(life->session, &lane->lane, msg->size);
	if (req == NULL)
		return false;
	if (lane->world->in[msg->at + 4] == P9_Twrite && msg->size > REQ_KEPT_FROM && !lane->keeps)
		keep(lane, msg, req);
	else
		copy(lane, msg, req);
	CRASH_POINT();
	session_receive(req);
	return true;
}

static bool is_half_done(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", world_export(), world->half);
	return (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0) == world->half_gone;
}

void life_meanwhile(void)
{
	struct life *life = asking;

	if (life == NULL || world->half == NULL || !is_half_done())
		return;
	asking = NULL;
	while (take(life, PHASE_ACT))
		;
}

/* What the pace wants done before the next message is taken. */
static void settle(struct life *life, enum pace pace)
{
	switch (pace) {
	case PACE_EACH:
		fetch_all(life);
		ask_and_finish(life);
		put_all(life);
		break;
	case PACE_LAGGING:
		ask_older(life, 1);
		finish_all(life);
		put_all(life);
		break;
	case PACE_LATE_FINISH:
	case PACE_REVERSED:
		ask_all(life);
		break;
	case PACE_LATE_PUT:
		ask_and_finish(life);
		break;
	case PACE_HERE:
		ask_all_here(life);
		put_all(life);
		break;
	case PACE_TOGETHER:
		break;
	}
}

void life_serve(struct life *life, enum phase phase, enum pace pace)
{
	bool took;

	do {
		settle(life, pace);
		took = take(life, phase);
	} while (took);
	if (pace == PACE_REVERSED)
		finish_reversed(life);
	finish_all(life);
	do {
		ask_and_finish(life);
		put_all(life); /* a reply that is gone lets others go on */
	} while (!STAILQ_EMPTY(&life->ready));
}

/* ---- beginning and end ---- */

static struct life *life_new(void)
{
	struct life *life = calloc(1, sizeof(*life));

	if (life == NULL)
		_exit(3);
	life->executor = (struct executor){.run = run, .answered = answered, .wake = wake};
	STAILQ_INIT(&life->ready);
	STAILQ_INIT(&life->answered);
	STAILQ_INIT(&life->waiting);
	for (uint32_t i = 0; i < LANES; i++) {
		life->lane[i].world = &world->lane[i];
		life->lane[i].lane = (struct lane){
			.send = lane_send,
			.released = lane_released,
			.place = lane_place,
			.give_back = lane_give_back,
			.send_placed = lane_send_placed,
			.number = i,
			.retake = lane_retake,
			.was_put = lane_was_put,
			.fetch = lane_fetch,
			.release = lane_release,
		};
		STAILQ_INIT(&life->lane[i].unsent);
		life->lanes[i] = &life->lane[i].lane;
	}
	return life;
}

static struct session_config life_config(void)
{
	return (struct session_config){
		.msize_max = MSIZE,
		.durable = true,
		.evict_at = world->evict_at,
	};
}

static int open_export(struct life *life)
{
	unsigned before = world_count_fds();
	const struct fs_export mapped = {.model = world->model};
	char text[128];
	int err;

	if (world->model == FS_MODEL_NONE)
		err = fs_local_create(world_root, world->model, &life->fs, text, sizeof(text));
	else
		err = fs_export_open(&mapped, world_root, NULL, &life->fs, text, sizeof(text));
	world->own_fds = world_count_fds() - before;
	return err;
}

static struct life *life_create(void)
{
	const struct session_config config = life_config();
	struct life *life = life_new();

	CHECK(open_export(life) == 0);
	CHECK(session_create(life->fs, &config, &life->executor, world_saved, &life->session) == 0);
	world->begun = true;
	return life;
}

/* Noted twice is a thing for sweep_close(). */
static void note_owned(void *arg, int fd)
{
	CHECK(fd >= world_fd_min);
	sweep_keep(arg, fd);
}

/* A worker behind its walls would be killed. */
static int restore_behind_walls(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
				struct fs_attr *attr)
{
	(void)fs, (void)handle, (void)node, (void)attr;
	CHECK(!"nothing is opened by handle any more");
	return -EPERM;
}

static void put_up_walls(struct life *life)
{
	life->walled = *life->fs->ops;
	life->walled.restore = restore_behind_walls;
	life->fs->ops = &life->walled;
}

int life_succeed(struct life **life)
{
	const struct session_config config = life_config();
	struct sweep sweep = {.keep = NULL};
	struct life *l = life_new();
	int err = saved_take_up(world_saved, LANES, world_fd_min);

	*life = l;
	if (err < 0)
		return err;
	if (!world->lost)
		saved_descriptors(world_saved, note_owned, &sweep);
	err = sweep_close(&sweep, world_fd_min);
	if (err == 0)
		err = open_export(l);
	if (err == 0)
		err = session_recover(l->fs, &config, &l->executor, world_saved, l->lanes,
				      &l->session);
	if (err < 0)
		return err;
	for (uint32_t i = 0; i < LANES; i++)
		hand_back(&world->lane[i]);
	if (world->lost)
		world->stale = session_restore(l->session);
	world->lost = false;
	put_up_walls(l);
	session_resume(l->session);
	return 0;
}

void life_close(struct life *life)
{
	session_close(life->session);
	ask_and_finish(life);
	put_all(life);
	CHECK(session_idle(life->session));
	session_destroy(life->session);
	fs_destroy(life->fs);
	free(life);
}

/* ---- the child, and its keeper ---- */

static void count(void *arg, int fd)
{
	*(unsigned *)arg += 1;
	CHECK(fcntl(fd, F_GETFD) >= 0);
}

/* Whether exactly what the session owns is open, and `more`. Spoils the session's counts. */
static void check_descriptors(unsigned more)
{
	unsigned owned = 0;

	saved_descriptors(world_saved, count, &owned);
	CHECK(world_count_fds() == owned + more);
}

static void give_up_rights(void)
{
	if (getuid() != 0)
		return;
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(65534, 65534, 65534) == 0);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static struct life *begin(enum phase phase)
{
	struct life *life;

	if (!world->begun) {
		life = life_create();
		life_serve(life, PHASE_SETUP, PACE_EACH);
		death_arm();
		return life;
	}
	/* The last one came to its end; nothing but what it used itself is left over. */
	if (phase == PHASE_PROVE && !world->lost)
		check_descriptors(world->own_fds);
	if (phase == PHASE_ACT && world->death > 0)
		death_arm();
	CHECK(life_succeed(&life) == 0);
	if (life->session == NULL)
		_exit(1);
	return life;
}

/* The driver closes what waits for another walk (fs/local_recent.c) when there are no other
 * descriptors. */
static void close_waiting(struct fs *fs)
{
	struct rlimit old, none;
	struct fs_node root;
	struct fs_attr attr;

	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK(fs_root(fs, &root, &attr) == -EMFILE);
	CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void live(enum phase phase)
{
	struct life *life;

	if (world->unprivileged)
		give_up_rights();
	life = begin(phase);
	life_serve(life, phase, phase == PHASE_ACT ? world->pace : PACE_EACH);
	death_disarm();
	CHECK(session_idle(life->session));
	close_waiting(life->fs);
	if (phase == PHASE_PROVE)
		check_descriptors(world->own_fds);
	_exit(0);
}

int life_run(enum phase phase)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	int status;

	if (pid == 0)
		live(phase);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		world_fail(__FILE__, __LINE__, "no life");
		return -1;
	}
	world->armed = false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && world->place[0] != '\0')
		return 1;
	world_fail(__FILE__, __LINE__,
		   WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "a life gave up");
	return -1;
}
