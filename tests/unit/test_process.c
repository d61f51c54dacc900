/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_process.c - what the supervisor does when any process of a share, or itself, goes. The
 * keepers are this program again: fakes with a worker that shares their descriptors, whose
 * behaviour stands in the environment.
 */
#include "xen9pfsd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xen9pfsd/keeper.h"
#include "xen9pfsd/launcher.h"
#include "xenbus/nodes.h"

#define DOMID 7
#define DEVID 1
#define GUARD_MS 20000

/* ---- the fake ---- */

static pid_t fake_worker;

static void fake_say(uint32_t type, const char *text)
{
	struct control_msg msg = {.type = type};

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	control_send(KEEPER_CONTROL, &msg, NULL, 0);
}

static void fake_answer_call(uint32_t role, bool held)
{
	struct control_msg msg = {
		.type = CONTROL_HELLO,
		.hello = {.domid = DOMID, .devid = DEVID, .role = role, .held = held},
	};
	int fd = accept4(KEEPER_LISTEN, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, KEEPER_CONTROL);
	close(fd);
	control_send(KEEPER_CONTROL, &msg, NULL, 0);
}

static void fake_hand_over(int sock)
{
	if (write(sock, "x", 1) != 1)
		_exit(EXIT_FAILURE);
	_exit(EXIT_SUCCESS);
}

/* Says nothing as long as its keeper lives. */
static _Noreturn void fake_worker_main(void)
{
	struct pollfd fds[] = {
		{.fd = KEEPER_SELF, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
		{.fd = -1, .events = POLLIN},
	};
	struct control_msg msg;
	int got[CONTROL_FDS_MAX];

	for (;;) {
		poll(fds, countof(fds), -1);
		fds[0].fd = -1;
		fds[1].fd = KEEPER_CONTROL;
		fds[2].fd = KEEPER_LISTEN;
		if (fds[2].revents != 0) {
			fake_answer_call(CONTROL_WORKER, false);
		} else if (fds[1].revents != 0) {
			int err = control_recv(KEEPER_CONTROL, &msg, got);

			if (err == 1 && msg.type == CONTROL_HOLD)
				fake_say(CONTROL_HELD, "");
			if (err == 1 && msg.type == CONTROL_STOP)
				_exit(EXIT_SUCCESS);
			if (err == 1 && msg.type == CONTROL_HANDOVER)
				fake_hand_over(got[0]);
			if (err == 0)
				dup2(STDERR_FILENO, KEEPER_CONTROL);
		}
	}
}

static void fake_start_worker(void)
{
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		fake_worker_main();
	fake_worker = (pid_t)pid;
}

static void fake_end_worker(void)
{
	if (fake_worker == 0)
		return;
	kill(fake_worker, SIGKILL);
	waitpid(fake_worker, NULL, 0);
	fake_worker = 0;
}

static void fake_await_call(void)
{
	struct pollfd fd = {.fd = KEEPER_LISTEN, .events = POLLIN};

	poll(&fd, 1, GUARD_MS);
	fake_answer_call(CONTROL_KEEPER, false);
	raise(SIGSTOP);
}

/* Without end, to each order. */
static _Noreturn void fake_protest(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	for (;;) {
		fake_say(CONTROL_FAILED, "not so fast");
		nanosleep(&pause, NULL);
	}
}

static void fake_obey(const struct control_msg *msg, const int fds[CONTROL_FDS_MAX], bool late)
{
	switch (msg->type) {
	case CONTROL_STOP:
		fake_end_worker();
		_exit(EXIT_SUCCESS);
	case CONTROL_HOLD:
		fake_end_worker();
		fake_say(CONTROL_HELD, "");
		break;
	case CONTROL_SERVE:
		if (fake_worker == 0)
			fake_start_worker();
		fake_say(CONTROL_READY, "");
		break;
	case CONTROL_HANDOVER:
		if (late)
			fake_await_call();
		fake_end_worker();
		fake_hand_over(fds[0]);
	}
}

static void fake_take_over(int sock, const char *script)
{
	char byte;

	if (strcmp(script, "refuse") == 0) {
		fake_say(CONTROL_FAILED, "of another layout");
		_exit(EXIT_SUCCESS);
	}
	fake_say(CONTROL_WILLING, "");
	if (read(sock, &byte, 1) != 1) {
		fake_say(CONTROL_FAILED, "nothing was handed over");
		_exit(EXIT_SUCCESS);
	}
	if (strcmp(script, "drop") == 0)
		_exit(EXIT_FAILURE);
}

/* Of the one or the other, as bench_open() has put it where the environment says. */
static char *fake_script(bool next)
{
	static char text[2][16];
	int fd = open(getenv("FAKES"), O_RDONLY | O_CLOEXEC);

	if (read(fd, text, sizeof(text)) != sizeof(text))
		_exit(EXIT_FAILURE);
	close(fd);
	return text[next];
}

static void asleep_path(char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s.asleep", getenv("FAKES"));
}

/* One of the share whom no kill reaches, as if the storage did not answer: he has all that is open,
 * but is in another group, and his descriptor 5 is no arena. */
static void fake_fall_asleep(void)
{
	char path[PATH_MAX];
	FILE *file;
	pid_t pid;

	dup2(STDERR_FILENO, KEEPER_ARENA);
	pid = fork();
	while (pid == 0)
		pause();
	setpgid(pid, pid);
	asleep_path(path);
	file = fopen(path, "w");
	fprintf(file, "%d", pid);
	fclose(file);
}

/* The scripts: serve, fail, silent, nonsense, deaf (to orders), protest (against them), late (it
 * answers a call before it hands over, and stops itself between the two), asleep (one of it); with
 * TAKE_OVER also refuse, drop. */
static int fake_main(void)
{
	struct pollfd fds[] = {
		{.fd = KEEPER_CONTROL, .events = POLLIN},
		{.fd = KEEPER_LISTEN, .events = POLLIN},
	};
	struct control_msg msg;
	int got[CONTROL_FDS_MAX];
	const char *script;

	if (poll(fds, 1, GUARD_MS) != 1 || control_recv(KEEPER_CONTROL, &msg, got) != 1 ||
	    msg.type != CONTROL_START)
		return EXIT_FAILURE;
	script = fake_script(msg.start.how == CONTROL_TAKE_OVER);
	/* Above those that they are moved to. */
	for (size_t i = 0; i < countof(got); i++)
		got[i] = fcntl(got[i], F_DUPFD_CLOEXEC, KEEPER_FDS);
	if (strcmp(script, "asleep") == 0)
		fake_fall_asleep();
	dup2(got[1], KEEPER_ARENA);
	dup2(got[2], KEEPER_LISTEN);
	dup2((int)syscall(SYS_pidfd_open, getpid(), 0), KEEPER_SELF);
	if (pwrite(KEEPER_ARENA, "session", 7, 0) != 7)
		return EXIT_FAILURE;
	if (strcmp(script, "silent") == 0)
		pause();
	if (strcmp(script, "nonsense") == 0) {
		fake_say(77, "");
		pause();
	}
	if (msg.start.how == CONTROL_TAKE_OVER)
		fake_take_over(got[0], script);
	if (strcmp(script, "fail") == 0) {
		fake_say(CONTROL_FAILED, "cannot");
		return EXIT_SUCCESS;
	}
	fake_start_worker();
	fake_say(CONTROL_READY, "");
	if (strcmp(script, "deaf") == 0)
		pause();
	if (strcmp(script, "late") == 0)
		fds[1].fd = -1;
	for (;;) {
		poll(fds, countof(fds), -1);
		if (fds[1].revents != 0) {
			fake_answer_call(CONTROL_KEEPER, fake_worker == 0);
			fds[0].fd = KEEPER_CONTROL;
		} else if (fds[0].revents != 0) {
			int err = control_recv(KEEPER_CONTROL, &msg, got);

			if (err == 1 && strcmp(script, "protest") == 0)
				fake_protest();
			else if (err == 1)
				fake_obey(&msg, got, strcmp(script, "late") == 0);
			else if (err == 0)
				fds[0].fd = -1;
		}
	}
}

/* ---- the bench ---- */

struct bench {
	char *tmp;
	char path[PATH_MAX];
	struct config config;
	struct state_dir dir;
	pid_t launcher;
	struct launch launch;
	struct process process;
	int64_t skew_ms; /* what the clock is ahead */
	unsigned ready;	 /* how often it was said */
};

static void script(const char *first, const char *next)
{
	char text[2][16] = {{0}};
	int fd = open(getenv("FAKES"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	snprintf(text[0], sizeof(text[0]), "%s", first);
	snprintf(text[1], sizeof(text[1]), "%s", next);
	CU_ASSERT_EQUAL_FATAL(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
}

/* A process of its own, as everywhere; its keepers become our children when it ends. */
static void launcher_open(struct bench *b)
{
	struct launcher_work work = {.dir = &b->dir};
	char err[256] = "";

	work.listener = state_dir_listen_launcher(&b->dir);
	CU_ASSERT_FATAL(work.listener >= 0);
	b->launcher = fork();
	if (b->launcher == 0) {
		struct policy *policy;

		if (policy_create(&b->config, &policy, err, sizeof(err)) < 0)
			_exit(EXIT_FAILURE);
		work.policy = policy;
		_exit(launcher_serve(&work));
	}
	close(work.listener);
	CU_ASSERT_EQUAL_FATAL(launch_begin(&b->launch, &b->config, &b->dir, NULL, err, sizeof(err)),
			      0);
}

static void bench_open(struct bench *b)
{
	static char bus[] = "sim:", root[] = "/";
	static char *exports[] = {root};
	char err[256] = "", fakes[PATH_MAX];

	*b = (struct bench){
		.tmp = test_tmpdir(),
		.config =
			{
				.bus = bus,
				.exports = exports,
				.export_count = 1,
				.launcher_is_service = true,
			},
	};
	snprintf(fakes, sizeof(fakes), "%s/fakes", b->tmp);
	setenv("FAKES", fakes, 1);
	snprintf(b->path, sizeof(b->path), "%s/state", b->tmp);
	b->config.state_dir = b->path;
	CU_ASSERT_EQUAL_FATAL(
		state_dir_open(&b->dir, &b->config, STATE_DIR_SUPERVISOR, err, sizeof(err)), 0);
	launcher_open(b);
	process_init(&b->process, &b->dir, &b->launch, &b->config.terms.pace, "9pfs", DOMID, DEVID);
	script("serve", "serve");
}

/* What a supervisor that dies leaves behind, and the next one begins with. */
static void bench_forget(struct bench *b)
{
	process_release(&b->process);
	process_init(&b->process, &b->dir, &b->launch, &b->config.terms.pace, "9pfs", DOMID, DEVID);
}

static void bench_close(struct bench *b)
{
	process_release(&b->process);
	kill(b->launcher, SIGKILL);
	launch_end(&b->launch);
	state_dir_kill(&b->dir, b->process.name);
	while (waitpid(-1, NULL, 0) > 0)
		;
	state_dir_close(&b->dir);
	test_rmtree(b->tmp);
	free(b->tmp);
}

static int64_t now(const struct bench *b)
{
	return nodes_now() + b->skew_ms;
}

/* Runs until there is news, or the state is `until`; SERVING, and the predecessor has gone. */
static enum process_news pump(struct bench *b, enum process_state until)
{
	struct process *p = &b->process;
	int64_t end = nodes_now() + GUARD_MS;

	while (nodes_now() < end) {
		enum process_news news;
		struct pollfd fds[PROCESS_FDS];
		int64_t deadline = process_deadline(p);

		if (p->state == until && (until != PROCESS_SERVING || p->next.pidfd < 0))
			return PROCESS_NO_NEWS;
		process_fill(p, fds);
		poll(fds, countof(fds), 20);
		news = process_poll(p, fds, now(b));
		if (news == PROCESS_NO_NEWS && deadline != 0 && now(b) >= deadline)
			news = process_timeout(p, now(b));
		b->ready += news == PROCESS_IS_READY;
		if (news != PROCESS_NO_NEWS)
			return news;
	}
	CU_FAIL("nothing happens");
	return PROCESS_NO_NEWS;
}

/* No state: only news end it. */
#define NEWS ((enum process_state)99)

static const struct control_start the_share = {.domid = DOMID, .devid = DEVID, .rings = 1};

static void start(struct bench *b)
{
	CU_ASSERT_EQUAL_FATAL(
		process_start(&b->process, process_how_again(&b->process), &the_share, "/"), 0);
	pump(b, PROCESS_STARTING);
}

static void serve(struct bench *b)
{
	start(b);
	CU_ASSERT_EQUAL_FATAL(pump(b, NEWS), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b->process.state, PROCESS_SERVING);
}

static enum process_news adopt(struct bench *b, bool announced, bool keep)
{
	enum process_news news = process_adopt(&b->process, &the_share, announced, keep, now(b));

	return news != PROCESS_NO_NEWS ? news : pump(b, NEWS);
}

static unsigned files(const struct bench *b)
{
	unsigned count = 0;
	char file[PATH_MAX + 64];

	for (size_t i = 0; i < 3; i++) {
		static const char *const suffixes[] = {".arena", ".sock", ".sock.new"};

		snprintf(file, sizeof(file), "%s/9pfs-%u-%u%s", b->path, DOMID, DEVID, suffixes[i]);
		count += access(file, F_OK) == 0;
	}
	return count;
}

/* Until its parent has reaped it; those that outlive their launcher are ours. */
static void await_end(pid_t pid)
{
	int64_t end = nodes_now() + GUARD_MS;

	while (kill(pid, 0) == 0 && nodes_now() < end)
		waitpid(pid, NULL, WNOHANG);
	CU_ASSERT(kill(pid, 0) < 0);
}

/* The next deadline passes. */
static enum process_news lose_patience(struct bench *b)
{
	CU_ASSERT_NOT_EQUAL(process_deadline(&b->process), 0);
	b->skew_ms = process_deadline(&b->process) - nodes_now();
	return process_timeout(&b->process, now(b));
}

/* The storage answers whoever sleeps in it. */
static void wake_up(void)
{
	char path[PATH_MAX];
	FILE *file;
	pid_t pid;

	asleep_path(path);
	file = fopen(path, "r");
	CU_ASSERT_FATAL(file != NULL && fscanf(file, "%d", &pid) == 1);
	fclose(file);
	kill(pid, SIGKILL);
}

/* ---- tests ---- */

static void share_that_serves_says_so_and_ends_when_told(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	CU_ASSERT_EQUAL(files(&b), 2);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	bench_close(&b);
}

static void share_that_fails_has_ended(void)
{
	struct bench b;

	bench_open(&b);
	script("fail", "");
	start(&b);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	bench_close(&b);
}

static void nonsense_ends_the_share(void)
{
	struct bench b;

	bench_open(&b);
	script("nonsense", "");
	start(&b);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void share_that_does_not_listen_is_killed(void)
{
	struct bench b;

	bench_open(&b);
	script("deaf", "");
	serve(&b);
	process_stop(&b.process, now(&b));
	b.skew_ms = 4000;
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void share_that_protests_is_killed_all_the_same(void)
{
	struct bench b;
	struct pollfd said;

	bench_open(&b);
	script("protest", "");
	serve(&b);
	process_stop(&b.process, now(&b));
	said = (struct pollfd){.fd = b.process.now.control, .events = POLLIN};
	CU_ASSERT_EQUAL(poll(&said, 1, GUARD_MS), 1);
	b.skew_ms = 4000;
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void share_that_dies_before_it_served_starts_afresh(void)
{
	struct bench b;

	bench_open(&b);
	script("silent", "");
	start(&b);
	kill(-b.process.now.pid, SIGKILL);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_LOST);
	CU_ASSERT_EQUAL(process_how_again(&b.process), CONTROL_FRESH);
	script("serve", "");
	serve(&b);
	bench_close(&b);
}

static void keeper_and_worker_killed_are_restored_three_times(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	for (unsigned i = 0; i < 4; i++) {
		kill(-b.process.now.pid, SIGKILL);
		CU_ASSERT_EQUAL_FATAL(pump(&b, NEWS), PROCESS_IS_LOST);
		CU_ASSERT_EQUAL(process_how_again(&b.process), CONTROL_RESTORE);
		CU_ASSERT_EQUAL(process_lost_too_often(&b.process, now(&b)), i == 3);
		if (i < 3)
			serve(&b);
	}
	/* A minute later it may again. */
	b.skew_ms = 61000;
	CU_ASSERT_FALSE(process_lost_too_often(&b.process, now(&b)));
	process_abandon(&b.process);
	CU_ASSERT_EQUAL(files(&b), 0);
	bench_close(&b);
}

static void killed_keeper_is_replaced_and_its_worker_hands_over(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	for (unsigned i = 0; i < 3; i++) {
		pid_t old = b.process.now.pid;

		kill(old, SIGKILL);
		CU_ASSERT_EQUAL_FATAL(pump(&b, NEWS), PROCESS_IS_READY);
		CU_ASSERT_NOT_EQUAL(b.process.now.pid, old);
		CU_ASSERT_TRUE(b.process.moved);
		pump(&b, PROCESS_SERVING);
		CU_ASSERT_EQUAL(files(&b), 2);
	}
	CU_ASSERT_EQUAL(b.process.restarts, 3);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void worker_whose_keeper_cannot_be_replaced_is_restored(void)
{
	static const char *const scripts[] = {"refuse", "drop", "nonsense", "silent"};

	for (size_t i = 0; i < countof(scripts); i++) {
		struct bench b;

		bench_open(&b);
		script("serve", scripts[i]);
		serve(&b);
		kill(b.process.now.pid, SIGKILL);
		pump(&b, PROCESS_OFFERING);
		b.skew_ms = strcmp(scripts[i], "silent") == 0 ? 6000 : 0;
		CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_LOST);
		CU_ASSERT_EQUAL(process_how_again(&b.process), CONTROL_RESTORE);
		serve(&b);
		bench_close(&b);
	}
}

static void session_that_is_wanted_waits_for_who_cannot_be_killed(void)
{
	struct bench b;

	bench_open(&b);
	script("asleep", "refuse");
	serve(&b);
	kill(b.process.now.pid, SIGKILL);
	pump(&b, PROCESS_STOPPING);
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(lose_patience(&b), PROCESS_NO_NEWS);
	CU_ASSERT_EQUAL(b.process.state, PROCESS_STOPPING);
	CU_ASSERT_EQUAL(process_deadline(&b.process), 0);
	wake_up();
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_LOST);
	CU_ASSERT_EQUAL(process_how_again(&b.process), CONTROL_RESTORE);
	script("serve", "");
	serve(&b);
	bench_close(&b);
}

static void session_that_is_wanted_waits_for_who_takes_no_calls(void)
{
	struct bench b;
	int calls[16];
	size_t count = 0;

	bench_open(&b);
	script("asleep", "");
	serve(&b);
	kill(-b.process.now.pid, SIGSTOP);
	bench_forget(&b);
	while (count < countof(calls)) {
		calls[count] = state_dir_call(&b.dir, b.process.name);
		if (calls[count] < 0)
			break;
		count++;
	}
	process_adopt(&b.process, &the_share, true, true, now(&b));
	CU_ASSERT(b.process.now.control < 0);
	for (unsigned i = 0; i < 2; i++) {
		b.skew_ms = b.process.deadline_ms - nodes_now();
		CU_ASSERT_EQUAL(process_timeout(&b.process, now(&b)), PROCESS_NO_NEWS);
	}
	wake_up();
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_LOST);
	while (count > 0)
		close(calls[--count]);
	bench_close(&b);
}

static void session_that_is_not_wanted_does_not_wait_for_him(void)
{
	struct bench b;

	bench_open(&b);
	script("asleep", "");
	serve(&b);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(lose_patience(&b), PROCESS_NO_NEWS);
	CU_ASSERT_EQUAL(lose_patience(&b), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	wake_up();
	bench_close(&b);
}

/* The share has moved, and something of the predecessor's sleeps. */
static void leave_one_asleep(struct bench *b)
{
	bench_open(b);
	script("asleep", "serve");
	serve(b);
	CU_ASSERT_EQUAL_FATAL(process_move(&b->process, -1, now(b)), 0);
	CU_ASSERT_EQUAL(pump(b, NEWS), PROCESS_IS_READY);
	pump(b, PROCESS_SERVING);
	CU_ASSERT(b->process.next.control >= 0);
}

static void predecessor_that_cannot_be_killed_is_let_go(void)
{
	struct bench b;

	leave_one_asleep(&b);
	CU_ASSERT_EQUAL(process_move(&b.process, -1, now(&b)), -EBUSY);
	for (unsigned i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(lose_patience(&b), PROCESS_NO_NEWS);
	CU_ASSERT_EQUAL(process_deadline(&b.process), 0);
	CU_ASSERT_EQUAL(process_move(&b.process, -1, now(&b)), 0);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_READY);
	wake_up();
	bench_close(&b);
}

static void predecessor_that_cannot_be_killed_does_not_keep_the_session(void)
{
	struct bench b;

	leave_one_asleep(&b);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(lose_patience(&b), PROCESS_NO_NEWS);
	CU_ASSERT_EQUAL(lose_patience(&b), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	wake_up();
	bench_close(&b);
}

static void stop_reaches_a_worker_without_a_keeper(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	kill(b.process.now.pid, SIGSTOP);
	process_stop(&b.process, now(&b));
	kill(b.process.now.pid, SIGKILL);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void another_program_takes_over(void)
{
	struct bench b;
	_cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int exe = fcntl(self, F_DUPFD_CLOEXEC, 20);
	pid_t old;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	CU_ASSERT_EQUAL_FATAL(process_move(&b.process, exe, now(&b)), 0);
	CU_ASSERT_EQUAL(process_move(&b.process, exe, now(&b)), -EBUSY);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_READY);
	CU_ASSERT_TRUE(b.process.moved);
	CU_ASSERT_NOT_EQUAL(b.process.now.pid, old);
	pump(&b, PROCESS_SERVING);
	await_end(old);
	CU_ASSERT_EQUAL(b.process.restarts, 0);
	bench_close(&b);
}

static void refused_upgrade_changes_nothing(void)
{
	static const char *const scripts[] = {"refuse", "nonsense", "silent"};
	struct bench b;
	pid_t old;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	for (size_t i = 0; i < countof(scripts); i++) {
		script("serve", scripts[i]);
		CU_ASSERT_EQUAL_FATAL(process_move(&b.process, -1, now(&b)), 0);
		b.skew_ms += strcmp(scripts[i], "silent") == 0 ? 6000 : 0;
		CU_ASSERT_EQUAL(pump(&b, PROCESS_SERVING), PROCESS_NO_NEWS);
		CU_ASSERT_FALSE(b.process.moved);
		CU_ASSERT_NOT_EQUAL(b.process.refusal[0], '\0');
		CU_ASSERT_EQUAL(b.process.now.pid, old);
	}
	/* The supervisor that comes next finds the old one. */
	bench_forget(&b);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.now.pid, old);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void program_that_cannot_be_run_changes_nothing(void)
{
	struct bench b;
	_cleanup_close_ int self = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int exe = fcntl(self, F_DUPFD_CLOEXEC, 20);

	bench_open(&b);
	serve(&b);
	CU_ASSERT(process_move(&b.process, exe, now(&b)) < 0);
	CU_ASSERT_EQUAL(b.process.state, PROCESS_SERVING);
	CU_ASSERT_NOT_EQUAL(b.process.refusal[0], '\0');
	bench_close(&b);
}

static void successor_that_dies_with_everything_is_restored(void)
{
	struct bench b;

	bench_open(&b);
	script("serve", "drop");
	serve(&b);
	CU_ASSERT_EQUAL_FATAL(process_move(&b.process, -1, now(&b)), 0);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_LOST);
	serve(&b);
	bench_close(&b);
}

static void stop_in_the_middle_of_a_move_ends_both(void)
{
	struct bench b;

	bench_open(&b);
	script("serve", "silent");
	serve(&b);
	CU_ASSERT_EQUAL_FATAL(process_move(&b.process, -1, now(&b)), 0);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	bench_close(&b);
}

static void next_supervisor_adopts_a_keeper_that_serves(void)
{
	struct bench b;
	pid_t old;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	for (unsigned i = 0; i < 3; i++) {
		bench_forget(&b);
		CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
		CU_ASSERT_EQUAL(b.process.now.pid, old);
	}
	kill(old, SIGKILL);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_READY);
	bench_close(&b);
}

static void keeper_that_another_supervisor_started_is_adopted_and_killed(void)
{
	struct bench b;
	pid_t supervisor;
	int status;

	bench_open(&b);
	supervisor = fork();
	if (supervisor == 0) {
		serve(&b);
		_exit(b.process.state == PROCESS_SERVING ? 0 : 1);
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(supervisor, &status, 0), supervisor);
	CU_ASSERT_EQUAL_FATAL(status, 0);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.now.group, b.process.now.pid);
	kill(b.process.now.pid, SIGSTOP);
	process_stop(&b.process, now(&b));
	b.skew_ms = 4000;
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void held_share_serves_again(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	process_hold(&b.process);
	CU_ASSERT_FALSE(process_is_held(&b.process));
	pump(&b, PROCESS_HELD);
	CU_ASSERT_TRUE(process_is_held(&b.process));
	bench_forget(&b);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.state, PROCESS_SERVING);
	bench_close(&b);
}

static void worker_without_a_keeper_is_not_told_to_hold(void)
{
	struct bench b;
	struct control_msg msg;
	struct pollfd said;

	bench_open(&b);
	serve(&b);
	kill(b.process.now.pid, SIGKILL);
	while (b.process.now.pidfd >= 0) {
		struct pollfd fds[PROCESS_FDS];

		process_fill(&b.process, fds);
		poll(fds, countof(fds), 20);
		process_poll(&b.process, fds, now(&b));
	}
	process_hold(&b.process);
	CU_ASSERT_TRUE(process_is_held(&b.process));
	process_stop(&b.process, now(&b));
	/* Its end comes, and no answer before. */
	said = (struct pollfd){.fd = b.process.now.control, .events = POLLIN};
	CU_ASSERT_EQUAL(poll(&said, 1, GUARD_MS), 1);
	CU_ASSERT_EQUAL(control_recv(said.fd, &msg, NULL), 0);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void held_share_can_be_stopped(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	process_hold(&b.process);
	pump(&b, PROCESS_HELD);
	process_stop(&b.process, now(&b));
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	bench_close(&b);
}

static void share_that_was_starting_is_proved(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	bench_forget(&b);
	CU_ASSERT_EQUAL(process_adopt(&b.process, &b.process.start, false, true, now(&b)),
			PROCESS_NO_NEWS);
	pump(&b, PROCESS_STARTING);
	CU_ASSERT_EQUAL(b.ready, 1);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_READY);
	bench_close(&b);
}

static void worker_alone_is_taken_over_by_the_next_supervisor(void)
{
	struct bench b;
	pid_t old;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	bench_forget(&b);
	kill(old, SIGKILL);
	await_end(old);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
	CU_ASSERT_NOT_EQUAL(b.process.now.pid, old);
	pump(&b, PROCESS_SERVING);
	CU_ASSERT_FALSE(b.process.now.worker);
	bench_close(&b);
}

static void session_nobody_serves_is_lost_and_found(void)
{
	struct bench b;
	pid_t old;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	bench_forget(&b);
	state_dir_kill(&b.dir, b.process.name);
	await_end(old);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_LOST);
	CU_ASSERT_EQUAL(process_how_again(&b.process), CONTROL_RESTORE);
	serve(&b);
	bench_close(&b);
}

static void files_without_a_session_are_removed(void)
{
	struct bench b;
	int arena;

	bench_open(&b);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_HAS_ENDED);
	arena = state_dir_make_arena(&b.dir, b.process.name);
	CU_ASSERT_FATAL(arena >= 0);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	close(arena);
	bench_close(&b);
}

static void session_nobody_wants_is_ended(void)
{
	struct bench b;

	bench_open(&b);
	serve(&b);
	bench_forget(&b);
	CU_ASSERT_EQUAL(adopt(&b, false, false), PROCESS_HAS_ENDED);
	CU_ASSERT_EQUAL(files(&b), 0);
	bench_close(&b);
}

static void who_does_not_answer_is_found_by_the_arena_and_killed(void)
{
	struct bench b;
	pid_t old;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	bench_forget(&b);
	kill(-old, SIGSTOP);
	CU_ASSERT_EQUAL(process_adopt(&b.process, &b.process.start, true, true, now(&b)),
			PROCESS_NO_NEWS);
	b.skew_ms = 6000;
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_LOST);
	await_end(old);
	serve(&b);
	bench_close(&b);
}

/* The one whose supervisor died before it could rename the socket. */
static void successor_is_found_by_its_own_socket(void)
{
	struct bench b;
	pid_t old, successor;

	bench_open(&b);
	serve(&b);
	old = b.process.now.pid;
	CU_ASSERT_EQUAL_FATAL(process_move(&b.process, -1, now(&b)), 0);
	/* It may be so quick that it has moved already. */
	if (pump(&b, PROCESS_MOVING) == PROCESS_IS_READY)
		successor = b.process.now.pid;
	else
		successor = b.process.next.pid;
	await_end(old);
	bench_forget(&b);
	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.now.pid, successor);
	CU_ASSERT_EQUAL(files(&b), 2);
	bench_close(&b);
}

/* The supervisor has died in the middle of a move: the keeper answers the new one, stops, and then
 * obeys the last one. Returns the successor. */
static pid_t leave_a_late_move(struct bench *b, pid_t *old)
{
	pid_t successor;

	bench_open(b);
	script("late", "serve");
	serve(b);
	*old = b->process.now.pid;
	CU_ASSERT_EQUAL_FATAL(process_move(&b->process, -1, now(b)), 0);
	pump(b, PROCESS_MOVING);
	successor = b->process.next.pid;
	bench_forget(b);
	return successor;
}

/* Whether it has stopped already or not. */
static void go_on_and_end(pid_t pid)
{
	int64_t end = nodes_now() + GUARD_MS;

	while (kill(pid, SIGCONT) == 0 && nodes_now() < end)
		sched_yield();
	CU_ASSERT(kill(pid, 0) < 0);
}

static void keeper_that_hands_over_after_its_hello_is_followed_to_the_successor(void)
{
	struct bench b;
	pid_t old, successor = leave_a_late_move(&b, &old);

	CU_ASSERT_EQUAL(adopt(&b, true, true), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.now.pid, old);
	go_on_and_end(old);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.now.pid, successor);
	CU_ASSERT_EQUAL(b.process.restarts, 0);
	bench_close(&b);
}

static void keeper_that_has_ended_when_its_hello_is_read_is_followed_to_the_successor(void)
{
	struct bench b;
	pid_t old, successor = leave_a_late_move(&b, &old);

	process_adopt(&b.process, &the_share, true, true, now(&b));
	go_on_and_end(old);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_IS_READY);
	CU_ASSERT_EQUAL(b.process.now.pid, successor);
	bench_close(&b);
}

static void successor_of_a_keeper_that_is_to_end_ends_too(void)
{
	struct bench b;
	pid_t old, successor = leave_a_late_move(&b, &old);

	process_adopt(&b.process, &the_share, true, false, now(&b));
	pump(&b, PROCESS_STOPPING);
	go_on_and_end(old);
	CU_ASSERT_EQUAL(pump(&b, NEWS), PROCESS_HAS_ENDED);
	await_end(successor);
	CU_ASSERT_EQUAL(files(&b), 0);
	bench_close(&b);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test tests[] = {
	TEST(share_that_serves_says_so_and_ends_when_told),
	TEST(share_that_fails_has_ended),
	TEST(nonsense_ends_the_share),
	TEST(share_that_does_not_listen_is_killed),
	TEST(share_that_protests_is_killed_all_the_same),
	TEST(share_that_dies_before_it_served_starts_afresh),
	TEST(keeper_and_worker_killed_are_restored_three_times),
	TEST(killed_keeper_is_replaced_and_its_worker_hands_over),
	TEST(worker_whose_keeper_cannot_be_replaced_is_restored),
	TEST(session_that_is_wanted_waits_for_who_cannot_be_killed),
	TEST(session_that_is_wanted_waits_for_who_takes_no_calls),
	TEST(session_that_is_not_wanted_does_not_wait_for_him),
	TEST(predecessor_that_cannot_be_killed_is_let_go),
	TEST(predecessor_that_cannot_be_killed_does_not_keep_the_session),
	TEST(stop_reaches_a_worker_without_a_keeper),
	TEST(another_program_takes_over),
	TEST(refused_upgrade_changes_nothing),
	TEST(program_that_cannot_be_run_changes_nothing),
	TEST(successor_that_dies_with_everything_is_restored),
	TEST(stop_in_the_middle_of_a_move_ends_both),
	TEST(next_supervisor_adopts_a_keeper_that_serves),
	TEST(keeper_that_another_supervisor_started_is_adopted_and_killed),
	TEST(held_share_serves_again),
	TEST(worker_without_a_keeper_is_not_told_to_hold),
	TEST(held_share_can_be_stopped),
	TEST(share_that_was_starting_is_proved),
	TEST(worker_alone_is_taken_over_by_the_next_supervisor),
	TEST(session_nobody_serves_is_lost_and_found),
	TEST(files_without_a_session_are_removed),
	TEST(session_nobody_wants_is_ended),
	TEST(who_does_not_answer_is_found_by_the_arena_and_killed),
	TEST(successor_is_found_by_its_own_socket),
	TEST(keeper_that_hands_over_after_its_hello_is_followed_to_the_successor),
	TEST(keeper_that_has_ended_when_its_hello_is_read_is_followed_to_the_successor),
	TEST(successor_of_a_keeper_that_is_to_end_ends_too),
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && strncmp(argv[1], "--share=", 8) == 0)
		return fake_main();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return test_main(argc, argv, "process", tests, countof(tests));
}
