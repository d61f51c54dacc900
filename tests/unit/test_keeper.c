/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_keeper.c - a keeper between a supervisor, which is the test, and workers that do as they
 * were told in advance. What these have seen stands in the arena.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xen9pfsd/arena.h"
#include "xen9pfsd/handover.h"
#include "xen9pfsd/keeper.h"
#include "xen9pfsd/share.h"

#define GUARD_MS 60000
#define NOTHING_MS 300 /* so long nothing must happen */
#define SESSION_FD 20  /* what a worker has open, far enough from what others open */
#define STARTS_MAX 200

/* ---- the worker ---- */

enum behaviour {
	SERVE,
	DIE_EARLY,    /* before it is ready */
	DIE_READY,    /* right after */
	EXIT_EARLY,   /* with status `detail` */
	FAIL,	      /* having said why */
	FORBIDDEN,    /* makes a call that a filter refuses */
	CLOSE_FD,     /* the fixed descriptor `detail`, then ready */
	REPLACE_FD,   /* by /dev/null, then ready */
	FLOOD,	      /* says "ready" without end */
	NONSENSE,     /* says what no worker says */
	FILL_TABLE,   /* opens what it may, and dies */
	DEAF,	      /* takes no orders */
	STALL,	      /* does not end after it has handed over */
	REFUSE_ARENA, /* this is arena_check()'s */
};

struct scratch {
	enum behaviour behaviour; /* of the next worker */
	int detail;
	int starts;
	int standbys; /* workers that were one */
	int stalled;  /* one of them */
	uint32_t how[STARTS_MAX];
	pid_t pid[STARTS_MAX];
	bool session[STARTS_MAX]; /* the descriptor was there */
};

static struct scratch *map_arena(int fd)
{
	struct scratch *arena =
		mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return arena == MAP_FAILED ? NULL : arena;
}

int arena_check(int fd, char *err, size_t errlen)
{
	struct scratch *arena = map_arena(fd);

	if (arena->behaviour != REFUSE_ARENA)
		return 0;
	snprintf(err, errlen, "not my layout");
	return -EPROTO;
}

static void report(uint32_t type, const char *text)
{
	struct control_msg msg = {.type = type};

	snprintf(msg.text, sizeof(msg.text), "%s", text);
	control_send(KEEPER_ORDERS, &msg, NULL, 0);
}

/* By a fault: it may be the first process of its namespace, whom no signal of its own kills. */
__attribute__((noreturn)) static void die(void)
{
	signal(SIGILL, SIG_DFL);
	__builtin_trap();
}

static void make_forbidden_call(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(getppid), 0);
	seccomp_load(filter);
	getppid();
}

/* Its number where the supervisor is. */
static pid_t own_number(void)
{
	char text[16] = "";

	return readlink("/proc/self", text, sizeof(text) - 1) > 0 ? atoi(text) : 0;
}

static bool wait_for_wake(void)
{
	struct pollfd fds[] = {{.fd = KEEPER_WAKE, .events = POLLIN},
			       {.fd = KEEPER_SELF, .events = POLLIN}};

	poll(fds, countof(fds), -1);
	return fds[0].revents != 0;
}

static int hand_over(struct scratch *arena, int sock)
{
	if (handover_send_all(sock) < 0) {
		report(CONTROL_READY, "");
		return -1;
	}
	if (arena->behaviour == STALL) {
		arena->stalled++;
		pause();
	}
	return SHARE_HANDED_OVER;
}

static int take_orders(struct scratch *arena)
{
	struct pollfd fds[] = {{.fd = KEEPER_ORDERS, .events = POLLIN},
			       {.fd = KEEPER_SELF, .events = POLLIN}};
	int attached[CONTROL_FDS_MAX], status = -1;
	struct control_msg msg;

	while (status < 0) {
		poll(fds, countof(fds), -1);
		if (fds[1].revents != 0)
			return SHARE_DONE;
		if (control_recv(KEEPER_ORDERS, &msg, attached) != 1)
			continue;
		if (msg.type == CONTROL_STOP)
			status = SHARE_DONE;
		else if (msg.type == CONTROL_HOLD)
			status = SHARE_HELD;
		else if (msg.type == CONTROL_HANDOVER)
			status = hand_over(arena, attached[0]);
		if (attached[0] >= 0)
			close(attached[0]);
	}
	return status;
}

static void sweep_and_open(struct scratch *arena, int start)
{
	close_range(KEEPER_FDS, SESSION_FD - 1, 0);
	close_range(SESSION_FD + 1, ~0u, 0);
	arena->session[start] = lseek(SESSION_FD, 0, SEEK_CUR) == 4711;
	if (!arena->session[start]) {
		dup3(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), SESSION_FD, O_CLOEXEC);
		close(KEEPER_FDS);
		lseek(SESSION_FD, 4711, SEEK_SET);
	}
}

static void fill_table(void)
{
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	die();
}

static int misbehave(struct scratch *arena)
{
	struct pollfd keeper = {.fd = KEEPER_SELF, .events = POLLIN};

	switch (arena->behaviour) {
	case DIE_EARLY:
		die();
		break;
	case EXIT_EARLY:
		_exit(arena->detail);
	case FAIL:
		report(CONTROL_FAILED, "it is what it is");
		return SHARE_FAILED;
	case FORBIDDEN:
		make_forbidden_call();
		break;
	case CLOSE_FD:
		close(arena->detail);
		break;
	case REPLACE_FD:
		dup2(open("/dev/null", O_RDWR), arena->detail);
		break;
	case NONSENSE:
		report(CONTROL_START, "");
		break;
	default:
		break;
	}
	report(CONTROL_READY, "");
	switch (arena->behaviour) {
	case DIE_READY:
		die();
		break;
	case FILL_TABLE:
		arena->behaviour = SERVE;
		fill_table();
		break;
	case CLOSE_FD:
		arena->behaviour = SERVE;
		/* What the keeper does not look at it finds missing for the successor. */
		poll(&keeper, 1, 50);
		die();
		break;
	case FLOOD:
		while (poll(&keeper, 1, 0) == 0)
			report(CONTROL_READY, "");
		break;
	default:
		while (poll(&keeper, 1, -1) < 0)
			;
	}
	return SHARE_DONE;
}

int share_serve(const struct share_env *env)
{
	struct scratch *arena = map_arena(KEEPER_ARENA);
	int start;

	if (env->standby && !wait_for_wake())
		return SHARE_DONE;
	start = arena->starts++;
	arena->standbys += env->standby;
	if (start >= STARTS_MAX)
		return SHARE_FAILED;
	arena->how[start] = env->start->how;
	arena->pid[start] = own_number();
	sweep_and_open(arena, start);
	if (arena->behaviour != SERVE && arena->behaviour != STALL)
		return misbehave(arena);
	report(CONTROL_READY, "");
	return take_orders(arena);
}

/* ---- the supervisor ---- */

struct share {
	pid_t keeper;
	int control, arena_fd, log;
	struct scratch *arena;
	struct sockaddr_un address; /* of the listening socket; abstract */
	socklen_t address_size;
};

/* CUnit counts what fails; a test that cannot go on ends the share first. */
#define EXPECT(what) CU_ASSERT_TRUE(what)

static struct control_msg start_message(uint32_t how, bool standby)
{
	struct control_msg msg = {
		.type = CONTROL_START,
		.start = {.domid = 7, .devid = 1, .rings = 1, .how = how, .standby = standby},
	};

	msg.start.log_level = LOG_LEVEL_INFO;
	return msg;
}

static void fork_keeper(struct share *share)
{
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	share->keeper = fork();
	if (share->keeper == 0) {
		/* A test that is killed leaves nothing behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(share->log, STDERR_FILENO);
		dup2(pair[1], CONTROL_FD);
		_exit(keeper_main());
	}
	close(pair[1]);
	share->control = pair[0];
}

/* A keeper with `first` (the root, or the socket of a handover), on an arena that is new unless
 * it is another share's. */
static struct share start_share(uint32_t how, bool standby, enum behaviour behaviour, int first,
				const struct share *other)
{
	const struct control_msg msg = start_message(how, standby);
	struct share share = {.address = {.sun_family = AF_UNIX}};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	share.arena_fd = other != NULL ? dup(other->arena_fd) : memfd_create("arena", MFD_CLOEXEC);
	share.log = memfd_create("log", MFD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(ftruncate(share.arena_fd, sizeof(struct scratch)), 0);
	share.arena = map_arena(share.arena_fd);
	share.arena->behaviour = behaviour;
	bind(sock, (struct sockaddr *)&share.address, sizeof(sa_family_t));
	share.address_size = sizeof(share.address);
	getsockname(sock, (struct sockaddr *)&share.address, &share.address_size);
	listen(sock, 1);
	fork_keeper(&share);
	{
		const int fds[] = {first, share.arena_fd, sock};

		EXPECT(control_send(share.control, &msg, fds, countof(fds)) == 0);
	}
	close(sock);
	return share;
}

static struct share start_fresh(bool standby, enum behaviour behaviour)
{
	int root = open("/", O_PATH | O_CLOEXEC);
	struct share share = start_share(CONTROL_FRESH, standby, behaviour, root, NULL);

	close(root);
	return share;
}

static void send_order(const struct share *share, uint32_t type)
{
	const struct control_msg msg = {.type = type};

	EXPECT(control_send(share->control, &msg, NULL, 0) == 0);
}

/* The type of the next message; 0: the end. */
static uint32_t next_message(const struct share *share, struct control_msg *msg)
{
	struct pollfd control = {.fd = share->control, .events = POLLIN};

	*msg = (struct control_msg){.type = UINT32_MAX};
	poll(&control, 1, GUARD_MS);
	return control_recv(share->control, msg, NULL) > 0 ? msg->type : 0;
}

static bool says(const struct share *share, uint32_t type)
{
	struct control_msg msg;

	return next_message(share, &msg) == type;
}

static bool says_failed(const struct share *share, const char *why)
{
	struct control_msg msg;

	return next_message(share, &msg) == CONTROL_FAILED && strstr(msg.text, why) != NULL;
}

static bool says_nothing(const struct share *share)
{
	struct pollfd control = {.fd = share->control, .events = POLLIN};

	return poll(&control, 1, NOTHING_MS) == 0;
}

#define AWAIT(condition)                                                                           \
	do {                                                                                       \
		for (int ms_ = 0; !(condition) && ms_ < GUARD_MS; ms_++)                           \
			usleep(1000);                                                              \
		CU_ASSERT_TRUE(condition);                                                         \
	} while (0)

/* Volatile: others write it. */
static int starts(const struct share *share)
{
	return *(volatile int *)&share->arena->starts;
}

static int stalled(const struct share *share)
{
	return *(volatile int *)&share->arena->stalled;
}

static pid_t worker(const struct share *share)
{
	return share->arena->pid[starts(share) - 1];
}

/* The children of a keeper, the dead among them. */
static unsigned children(const struct share *share, pid_t pids[8])
{
	char path[64];
	unsigned count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", share->keeper, share->keeper);
	file = fopen(path, "re");
	while (file != NULL && count < 8 && fscanf(file, "%d", &pids[count]) == 1)
		count++;
	if (file != NULL)
		fclose(file);
	return count;
}

static pid_t standby(const struct share *share)
{
	pid_t pids[8];
	unsigned count = children(share, pids);

	for (unsigned i = 0; i < count; i++) {
		if (pids[i] != worker(share))
			return pids[i];
	}
	return 0;
}

static bool logged(const struct share *share, const char *what)
{
	char text[65536];
	ssize_t got = pread(share->log, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	return strstr(text, what) != NULL;
}

static bool is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* The keeper ends, and with it all of its share. */
static void expect_end(struct share *share, int expected)
{
	struct pollfd control = {.fd = share->control, .events = 0};
	int status = 0;

	EXPECT(poll(&control, 1, GUARD_MS) == 1 || share->control < 0);
	if (share->control >= 0)
		EXPECT(says(share, 0));
	EXPECT(waitpid(share->keeper, &status, 0) == share->keeper);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == expected);
	for (int i = 0; i < starts(share) && i < STARTS_MAX; i++)
		AWAIT(is_gone(share->arena->pid[i]));
	EXPECT(!logged(share, "Sanitizer"));
	munmap(share->arena, sizeof(*share->arena));
	close(share->arena_fd);
	close(share->log);
	cleanup_close(&share->control);
}

static void stop(struct share *share)
{
	send_order(share, CONTROL_STOP);
	expect_end(share, EXIT_SUCCESS);
}

static void kill_worker(const struct share *share)
{
	int count = starts(share);

	kill(worker(share), SIGKILL);
	AWAIT(starts(share) > count);
}

static bool kept_session(const struct share *share)
{
	int last = starts(share) - 1;

	AWAIT(share->arena->session[last]);
	return share->arena->session[last];
}

/* ---- a share's life ---- */

static void share_serves_until_it_is_stopped(void)
{
	struct share share = start_fresh(false, SERVE);

	EXPECT(says(&share, CONTROL_READY));
	EXPECT(starts(&share) == 1);
	EXPECT(share.arena->how[0] == CONTROL_FRESH);
	EXPECT(getpgid(worker(&share)) == share.keeper);
	stop(&share);
}

static void killed_worker_gets_a_successor_with_its_descriptors(void)
{
	struct share share = start_fresh(false, SERVE);

	EXPECT(says(&share, CONTROL_READY));
	for (int i = 1; i <= 30; i++) {
		kill_worker(&share);
		EXPECT(kept_session(&share));
		EXPECT(share.arena->how[i] == CONTROL_TAKE_OVER);
	}
	EXPECT(says_nothing(&share));
	AWAIT(logged(&share, "killed by signal 9 (Killed), death number 30"));
	AWAIT(logged(&share, " serves, after "));
	stop(&share);
}

static void worker_that_dies_before_it_serves_is_given_up_after_ten(void)
{
	struct share share = start_fresh(false, DIE_EARLY);

	EXPECT(says_failed(&share, "before it could serve"));
	EXPECT(starts(&share) == KEEPER_UNREADY_MAX);
	EXPECT(share.arena->how[9] == CONTROL_FRESH);
	expect_end(&share, EXIT_SUCCESS);
}

static void worker_that_dies_all_the_time_is_given_up_after_a_hundred(void)
{
	struct share share = start_fresh(false, DIE_READY);

	EXPECT(says(&share, CONTROL_READY));
	EXPECT(says_failed(&share, "too often within a minute"));
	EXPECT(starts(&share) == KEEPER_DEATHS_MAX);
	expect_end(&share, EXIT_SUCCESS);
}

static void forbidden_call_ends_the_share_at_once(void)
{
	struct share share = start_fresh(false, FORBIDDEN);

	EXPECT(says_failed(&share, "attack"));
	EXPECT(starts(&share) == 1);
	expect_end(&share, EXIT_SUCCESS);
}

static void failure_is_told_in_the_worker_s_words(void)
{
	struct share share = start_fresh(false, FAIL);

	EXPECT(says_failed(&share, "it is what it is"));
	EXPECT(starts(&share) == 1);
	expect_end(&share, EXIT_SUCCESS);
}

static void status_that_nobody_asked_for_is_a_death(void)
{
	static const int statuses[] = {SHARE_DONE, SHARE_HELD, SHARE_HANDED_OVER, 99};

	for (size_t i = 0; i < countof(statuses); i++) {
		struct share share = start_fresh(false, SERVE);

		EXPECT(says(&share, CONTROL_READY));
		share.arena->detail = statuses[i];
		share.arena->behaviour = EXIT_EARLY;
		kill(worker(&share), SIGKILL);
		EXPECT(says_failed(&share, "before it could serve"));
		expect_end(&share, EXIT_SUCCESS);
	}
}

static void held_share_waits_and_serves_again(void)
{
	struct share share = start_fresh(true, SERVE);
	pid_t pids[8];

	EXPECT(says(&share, CONTROL_READY));
	for (int i = 1; i <= 3; i++) {
		AWAIT(children(&share, pids) == 2);
		send_order(&share, CONTROL_HOLD);
		EXPECT(says(&share, CONTROL_HELD));
		EXPECT(children(&share, pids) == 0);
		send_order(&share, CONTROL_HOLD);
		EXPECT(says(&share, CONTROL_HELD));
		send_order(&share, CONTROL_SERVE);
		EXPECT(says(&share, CONTROL_READY));
		EXPECT(starts(&share) == 1 + i);
		EXPECT(kept_session(&share));
	}
	EXPECT(!logged(&share, "death"));
	send_order(&share, CONTROL_SERVE);
	EXPECT(says(&share, CONTROL_READY));
	send_order(&share, CONTROL_HOLD);
	EXPECT(says(&share, CONTROL_HELD));
	stop(&share);
}

static void worker_that_dies_instead_of_holding_is_held(void)
{
	struct share share = start_fresh(false, DEAF);

	EXPECT(says(&share, CONTROL_READY));
	send_order(&share, CONTROL_HOLD);
	EXPECT(says_nothing(&share));
	kill(worker(&share), SIGKILL);
	EXPECT(says(&share, CONTROL_HELD));
	EXPECT(starts(&share) == 1);
	stop(&share);
}

static void worker_that_is_to_serve_again_before_it_held_does(void)
{
	struct share share = start_fresh(false, SERVE);

	EXPECT(says(&share, CONTROL_READY));
	kill(worker(&share), SIGSTOP);
	send_order(&share, CONTROL_HOLD);
	send_order(&share, CONTROL_SERVE);
	EXPECT(says_nothing(&share));
	kill(worker(&share), SIGCONT);
	EXPECT(says(&share, CONTROL_READY));
	EXPECT(starts(&share) == 2);
	EXPECT(!logged(&share, "death"));
	stop(&share);
}

static void worker_that_dies_instead_of_stopping_has_stopped(void)
{
	struct share share = start_fresh(false, DEAF);

	EXPECT(says(&share, CONTROL_READY));
	send_order(&share, CONTROL_STOP);
	EXPECT(says_nothing(&share));
	kill(worker(&share), SIGKILL);
	expect_end(&share, EXIT_SUCCESS);
}

static int64_t cpu_ms(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	CU_ASSERT_EQUAL_FATAL(clock_getcpuclockid(pid, &clock), 0);
	clock_gettime(clock, &used);
	return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void connect_to(struct share *share)
{
	share->control = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	EXPECT(connect(share->control, (struct sockaddr *)&share->address, share->address_size) ==
	       0);
}

static void share_outlives_its_supervisor_and_greets_the_next(void)
{
	struct share share = start_fresh(false, SERVE);
	struct control_msg msg;
	int64_t used;

	EXPECT(says(&share, CONTROL_READY));
	close(take_fd(&share.control));
	AWAIT(logged(&share, "the supervisor is gone"));
	used = cpu_ms(share.keeper);
	usleep(NOTHING_MS * 1000);
	EXPECT(cpu_ms(share.keeper) - used < NOTHING_MS / 2);
	kill_worker(&share);
	connect_to(&share);
	EXPECT(next_message(&share, &msg) == CONTROL_HELLO);
	EXPECT(msg.hello.domid == 7 && msg.hello.devid == 1 && !msg.hello.held);
	EXPECT(msg.hello.role == CONTROL_KEEPER);
	send_order(&share, CONTROL_HOLD);
	EXPECT(says(&share, CONTROL_HELD));
	close(take_fd(&share.control));
	connect_to(&share);
	EXPECT(next_message(&share, &msg) == CONTROL_HELLO && msg.hello.held);
	send_order(&share, CONTROL_SERVE);
	EXPECT(says(&share, CONTROL_READY));
	stop(&share);
}

static void later_connection_replaces_the_earlier(void)
{
	struct share share = start_fresh(false, SERVE), first;

	EXPECT(says(&share, CONTROL_READY));
	first = share;
	connect_to(&share);
	EXPECT(says(&share, CONTROL_HELLO));
	EXPECT(says(&first, 0));
	close(first.control);
	stop(&share);
}

static void killed_keeper_takes_a_worker_with_it_that_ends_by_itself(void)
{
	struct share share = start_fresh(true, SERVE);
	pid_t pids[8];
	int status;

	EXPECT(says(&share, CONTROL_READY));
	AWAIT(children(&share, pids) == 2);
	kill(share.keeper, SIGKILL);
	EXPECT(waitpid(share.keeper, &status, 0) == share.keeper);
	EXPECT(says(&share, 0));
	AWAIT(is_gone(pids[0]) && is_gone(pids[1]));
	munmap(share.arena, sizeof(*share.arena));
	close(share.arena_fd);
	close(share.log);
	close(share.control);
}

/* ---- the standby ---- */

static void standby_becomes_the_worker(void)
{
	struct share share = start_fresh(true, SERVE);
	pid_t next;

	EXPECT(says(&share, CONTROL_READY));
	for (int i = 1; i <= 10; i++) {
		AWAIT(standby(&share) != 0);
		next = standby(&share);
		kill_worker(&share);
		EXPECT(kept_session(&share));
		EXPECT(worker(&share) == next);
		EXPECT(share.arena->standbys == i);
		EXPECT(share.arena->how[i] == CONTROL_TAKE_OVER);
	}
	EXPECT(says_nothing(&share));
	stop(&share);
}

static void dead_standby_is_not_missed(void)
{
	struct share share = start_fresh(true, SERVE);
	pid_t pids[8];

	EXPECT(says(&share, CONTROL_READY));
	AWAIT(standby(&share) != 0);
	kill(standby(&share), SIGKILL);
	AWAIT(logged(&share, "the standby"));
	AWAIT(children(&share, pids) == 1);
	kill_worker(&share);
	EXPECT(kept_session(&share));
	EXPECT(share.arena->standbys == 0);
	AWAIT(standby(&share) != 0);
	stop(&share);
}

static void worker_and_standby_that_die_together_are_replaced(void)
{
	struct share share = start_fresh(true, SERVE);

	EXPECT(says(&share, CONTROL_READY));
	for (int i = 0; i < 20; i++) {
		int count = starts(&share);

		AWAIT(standby(&share) != 0);
		kill(share.keeper, SIGSTOP);
		kill(standby(&share), SIGKILL);
		kill(worker(&share), SIGKILL);
		kill(share.keeper, SIGCONT);
		AWAIT(starts(&share) > count);
		EXPECT(kept_session(&share));
	}
	stop(&share);
}

/* ---- a hostile worker ---- */

static void expect_attack(struct share *share, bool can_tell)
{
	struct control_msg msg;
	uint32_t type = next_message(share, &msg);

	if (type == CONTROL_READY)
		type = next_message(share, &msg);
	EXPECT(type == (can_tell ? CONTROL_FAILED : 0));
	if (can_tell) {
		EXPECT(strstr(msg.text, "attack") != NULL);
	} else {
		AWAIT(logged(share, "attack"));
	}
	EXPECT(starts(share) == 1);
	expect_end(share, can_tell ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void start_hostile(struct share *share, enum behaviour behaviour, int number)
{
	*share = start_fresh(false, SERVE);
	EXPECT(says(share, CONTROL_READY));
	/* The next one, which shall be the first to be counted. */
	share->arena->behaviour = behaviour;
	share->arena->detail = number;
	share->arena->starts = 0;
	kill(share->arena->pid[0], SIGKILL);
}

static void damaged_arena_ends_the_share_at_once(void)
{
	struct share share;

	start_hostile(&share, EXIT_EARLY, SHARE_ARENA);
	EXPECT(says_failed(&share, "damaged"));
	EXPECT(starts(&share) == 1);
	expect_end(&share, EXIT_SUCCESS);
}

static void closed_descriptor_ends_the_share(void)
{
	static const int numbers[] = {KEEPER_LISTEN,  KEEPER_ARENA, KEEPER_ROOT,   KEEPER_REPORTS,
				      KEEPER_CONTROL, KEEPER_SELF,  KEEPER_ORDERS, KEEPER_WORKER};

	for (size_t i = 0; i < countof(numbers); i++) {
		struct share share;

		start_hostile(&share, CLOSE_FD, numbers[i]);
		expect_attack(&share, numbers[i] != KEEPER_CONTROL);
	}
}

static void replaced_descriptor_ends_the_share(void)
{
	static const int numbers[] = {KEEPER_LISTEN, KEEPER_REPORTS, KEEPER_CONTROL, KEEPER_WORKER};

	for (size_t i = 0; i < countof(numbers); i++) {
		struct share share;

		start_hostile(&share, REPLACE_FD, numbers[i]);
		/* The keeper may be asleep with the true one until something happens. */
		if (numbers[i] == KEEPER_CONTROL)
			usleep(NOTHING_MS * 1000);
		expect_attack(&share, numbers[i] != KEEPER_CONTROL);
	}
}

static void closed_descriptor_that_can_be_made_anew_does_not_matter(void)
{
	static const int numbers[] = {KEEPER_STANDBY, KEEPER_WAKE, KEEPER_HANDOVER, KEEPER_FDS - 1};

	for (size_t i = 0; i < countof(numbers); i++) {
		struct share share;

		start_hostile(&share, CLOSE_FD, numbers[i]);
		AWAIT(starts(&share) == 2);
		EXPECT(kept_session(&share));
		stop(&share);
	}
}

static void nonsense_ends_the_share(void)
{
	struct share share;

	start_hostile(&share, NONSENSE, 0);
	expect_attack(&share, true);
}

static void flood_of_reports_does_not_keep_orders_from_being_heard(void)
{
	struct share share = start_fresh(true, FLOOD);

	EXPECT(says(&share, CONTROL_READY));
	send_order(&share, CONTROL_HOLD);
	usleep(NOTHING_MS * 1000);
	kill(worker(&share), SIGKILL);
	EXPECT(says(&share, CONTROL_HELD));
	stop(&share);
}

static void worker_that_has_used_up_all_numbers_gets_a_successor(void)
{
	struct rlimit old, limit;
	struct share share;

	getrlimit(RLIMIT_NOFILE, &old);
	limit = old;
	limit.rlim_cur = 256;
	setrlimit(RLIMIT_NOFILE, &limit);
	share = start_fresh(true, FILL_TABLE);
	setrlimit(RLIMIT_NOFILE, &old);
	EXPECT(says(&share, CONTROL_READY));
	AWAIT(starts(&share) == 2);
	EXPECT(kept_session(&share));
	kill_worker(&share);
	EXPECT(kept_session(&share));
	stop(&share);
}

/* ---- handing over ---- */

/* A second keeper for the share, and the socket to order the handover with. */
static struct share start_taker(const struct share *share, enum behaviour behaviour, int *sock)
{
	struct share taker;
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*sock = pair[0];
	/* It must not have both ends. */
	fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	taker = start_share(CONTROL_TAKE_OVER, false, behaviour, pair[1], share);
	close(pair[1]);
	return taker;
}

static void order_handover(const struct share *share, int *sock)
{
	const struct control_msg msg = {.type = CONTROL_HANDOVER};

	EXPECT(control_send(share->control, &msg, sock, 1) == 0);
	close(take_fd(sock));
}

static void share_moves_to_another_keeper(void)
{
	struct share share = start_fresh(true, SERVE), taker;
	pid_t old;
	int sock;

	EXPECT(says(&share, CONTROL_READY));
	old = worker(&share);
	AWAIT(standby(&share) != 0);
	taker = start_taker(&share, SERVE, &sock);
	EXPECT(says(&taker, CONTROL_WILLING));
	EXPECT(says_nothing(&taker));
	order_handover(&share, &sock);
	EXPECT(says(&taker, CONTROL_READY));
	EXPECT(is_gone(old));
	EXPECT(kept_session(&taker));
	EXPECT(starts(&taker) == 2);
	EXPECT(taker.arena->how[1] == CONTROL_TAKE_OVER);
	EXPECT(says(&share, 0));
	kill_worker(&taker);
	EXPECT(kept_session(&taker));
	stop(&taker);
	expect_end(&share, EXIT_SUCCESS);
}

static void held_share_moves_to_another_keeper(void)
{
	struct share share = start_fresh(false, SERVE), taker;
	int sock;

	EXPECT(says(&share, CONTROL_READY));
	send_order(&share, CONTROL_HOLD);
	EXPECT(says(&share, CONTROL_HELD));
	taker = start_taker(&share, SERVE, &sock);
	EXPECT(says(&taker, CONTROL_WILLING));
	order_handover(&share, &sock);
	EXPECT(says(&taker, CONTROL_READY));
	EXPECT(kept_session(&taker));
	stop(&taker);
	expect_end(&share, EXIT_SUCCESS);
}

static void end_taker(struct share *taker)
{
	EXPECT(waitpid(taker->keeper, NULL, 0) == taker->keeper);
	close(taker->control);
	close(taker->arena_fd);
	close(taker->log);
	munmap(taker->arena, sizeof(*taker->arena));
}

static void keeper_of_another_layout_refuses(void)
{
	struct share share = start_fresh(false, SERVE), taker;
	int sock;

	EXPECT(says(&share, CONTROL_READY));
	taker = start_taker(&share, REFUSE_ARENA, &sock);
	EXPECT(says_failed(&taker, "not my layout"));
	close(sock);
	share.arena->behaviour = SERVE;
	end_taker(&taker);
	kill_worker(&share);
	EXPECT(kept_session(&share));
	stop(&share);
}

static void share_stays_when_the_other_keeper_dies(void)
{
	struct share share = start_fresh(false, SERVE), taker;
	int sock;

	EXPECT(says(&share, CONTROL_READY));
	taker = start_taker(&share, SERVE, &sock);
	EXPECT(says(&taker, CONTROL_WILLING));
	kill(taker.keeper, SIGKILL);
	end_taker(&taker);
	order_handover(&share, &sock);
	/* It serves on, and gets a successor as before. */
	EXPECT(says_nothing(&share));
	EXPECT(starts(&share) == 1);
	kill_worker(&share);
	EXPECT(kept_session(&share));
	taker = start_taker(&share, SERVE, &sock);
	EXPECT(says(&taker, CONTROL_WILLING));
	order_handover(&share, &sock);
	EXPECT(says(&taker, CONTROL_READY));
	stop(&taker);
	expect_end(&share, EXIT_SUCCESS);
}

/* All was sent, but that was not the old keeper's last word: there is one worker, not two. */
static void share_stays_when_its_worker_dies_before_it_let_go(void)
{
	struct share share = start_fresh(false, STALL), taker;
	int sock;

	EXPECT(says(&share, CONTROL_READY));
	taker = start_taker(&share, STALL, &sock);
	EXPECT(says(&taker, CONTROL_WILLING));
	order_handover(&share, &sock);
	AWAIT(stalled(&share) == 1);
	EXPECT(says_nothing(&taker));
	kill_worker(&share);
	EXPECT(says_failed(&taker, "was not handed over"));
	end_taker(&taker);
	EXPECT(kept_session(&share));
	EXPECT(starts(&share) == 2);
	stop(&share);
}

static void handover_without_a_socket_is_ignored(void)
{
	struct share share = start_fresh(false, SERVE);

	EXPECT(says(&share, CONTROL_READY));
	send_order(&share, CONTROL_HANDOVER);
	AWAIT(logged(&share, "cannot hand over"));
	send_order(&share, 4711);
	AWAIT(logged(&share, "4711 is unknown"));
	stop(&share);
}

/* ---- what follows from a death ---- */

#define EXIT(status_) .status = (status_)
#define SIGNAL(status_) .signalled = true, .status = (status_)

static void first_death_of_each_kind_is_judged(void)
{
	static const struct {
		struct keeper_death death;
		enum keeper_verdict verdict;
	} table[] = {
		{{SIGNAL(SIGKILL), .ready = true}, KEEPER_NEXT},
		{{SIGNAL(SIGSEGV), .ready = true}, KEEPER_NEXT},
		{{SIGNAL(SIGSEGV)}, KEEPER_NEXT},
		{{SIGNAL(SIGSYS), .ready = true}, KEEPER_GIVE_UP},
		{{SIGNAL(SIGSYS), .ready = true, .order = CONTROL_HOLD}, KEEPER_GIVE_UP},
		{{SIGNAL(SIGSYS), .ready = true, .handing = true}, KEEPER_GIVE_UP},
		{{SIGNAL(SIGSYS), .ready = true, .order = CONTROL_STOP}, KEEPER_END},

		{{EXIT(SHARE_DONE), .ready = true, .order = CONTROL_STOP}, KEEPER_END},
		{{EXIT(SHARE_HELD), .ready = true, .order = CONTROL_STOP}, KEEPER_END},
		{{SIGNAL(SIGKILL), .ready = true, .order = CONTROL_STOP}, KEEPER_END},
		{{EXIT(SHARE_DONE), .ready = true}, KEEPER_NEXT},

		{{EXIT(SHARE_FAILED), .ready = true}, KEEPER_GIVE_UP},
		{{EXIT(SHARE_FAILED), .ready = true, .order = CONTROL_HOLD}, KEEPER_GIVE_UP},
		{{EXIT(SHARE_FAILED), .failed = true}, KEEPER_END},
		{{EXIT(SHARE_ARENA), .failed = true}, KEEPER_END},
		{{SIGNAL(SIGKILL), .failed = true}, KEEPER_END},
		{{EXIT(SHARE_ARENA)}, KEEPER_GIVE_UP},

		{{EXIT(SHARE_HELD), .ready = true, .order = CONTROL_HOLD}, KEEPER_PAUSE},
		{{SIGNAL(SIGKILL), .ready = true, .order = CONTROL_HOLD}, KEEPER_PAUSE},
		{{SIGNAL(SIGSEGV), .ready = true, .order = CONTROL_HOLD}, KEEPER_PAUSE},
		{{EXIT(SHARE_HELD), .ready = true, .order = CONTROL_SERVE}, KEEPER_NEXT},
		{{SIGNAL(SIGSEGV), .ready = true, .order = CONTROL_SERVE}, KEEPER_NEXT},
		{{EXIT(SHARE_HELD), .ready = true}, KEEPER_NEXT},

		{{EXIT(SHARE_HANDED_OVER), .ready = true, .handing = true}, KEEPER_COMMIT},
		{{EXIT(SHARE_HANDED_OVER), .ready = true, .handing = true, .order = CONTROL_HOLD},
		 KEEPER_COMMIT},
		{{EXIT(SHARE_HANDED_OVER), .ready = true, .handing = true, .order = CONTROL_STOP},
		 KEEPER_COMMIT},
		{{EXIT(SHARE_HELD), .ready = true, .handing = true, .order = CONTROL_HOLD},
		 KEEPER_PAUSE},
		{{SIGNAL(SIGKILL), .ready = true, .handing = true}, KEEPER_NEXT},
		{{EXIT(SHARE_HANDED_OVER), .ready = true}, KEEPER_NEXT},
		{{EXIT(77), .ready = true}, KEEPER_NEXT},
	};

	for (size_t i = 0; i < countof(table); i++) {
		struct keeper_history history = {0};
		const char *why;
		enum keeper_verdict verdict = keeper_judge(&history, &table[i].death, &why);

		if (verdict != table[i].verdict)
			fprintf(stderr, "row %zu: verdict %d\n", i, verdict);
		EXPECT(verdict == table[i].verdict);
		EXPECT((why != NULL) == (verdict == KEEPER_GIVE_UP));
	}
}

/* How many deaths, `step_ms` apart, until the share is given up; 0: none of 1000. */
static unsigned deaths_until_the_end(struct keeper_death death, int64_t step_ms)
{
	struct keeper_history history = {0};
	const char *why;

	for (unsigned i = 1; i <= 1000; i++) {
		death.now_ms += step_ms;
		if (keeper_judge(&history, &death, &why) == KEEPER_GIVE_UP)
			return i;
	}
	EXPECT(history.deaths == 1000);
	return 0;
}

static void deaths_in_a_row_before_readiness_are_limited(void)
{
	struct keeper_history history = {0};
	struct keeper_death early = {SIGNAL(SIGABRT), .now_ms = 1};
	struct keeper_death killed = {SIGNAL(SIGKILL), .now_ms = 1};
	struct keeper_death late = {SIGNAL(SIGKILL), .now_ms = 1, .ready = true};
	const char *why;

	EXPECT(deaths_until_the_end(early, 0) == 10);
	EXPECT(deaths_until_the_end(early, 1000000) == 10);
	EXPECT(deaths_until_the_end(killed, 0) == 1000);
	/* One that served in between begins a new row. */
	for (int i = 0; i < 100; i++)
		EXPECT(keeper_judge(&history, i % 10 == 9 ? &late : &early, &why) == KEEPER_NEXT);
}

static void deaths_within_a_minute_are_limited(void)
{
	struct keeper_history history = {0};
	struct keeper_death death = {SIGNAL(SIGSEGV), .ready = true};
	struct keeper_death other = {SIGNAL(SIGKILL), .ready = true};
	struct keeper_death status = {EXIT(9), .ready = true};
	const char *why;

	EXPECT(deaths_until_the_end(death, 0) == 100);
	EXPECT(deaths_until_the_end(status, 0) == 100);
	/* 99 steps lie between the first and the last of 100. */
	EXPECT(deaths_until_the_end(death, 606) == 100);
	EXPECT(deaths_until_the_end(death, 607) == 0);
	EXPECT(deaths_until_the_end(other, 0) == 0);
	/* Those by SIGKILL in between count neither for nor against. */
	for (int i = 0; i < 99; i++) {
		EXPECT(keeper_judge(&history, &death, &why) == KEEPER_NEXT);
		EXPECT(keeper_judge(&history, &other, &why) == KEEPER_NEXT);
	}
	EXPECT(keeper_judge(&history, &death, &why) == KEEPER_GIVE_UP);
	EXPECT(history.deaths == 199);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test tests[] = {
	TEST(first_death_of_each_kind_is_judged),
	TEST(deaths_in_a_row_before_readiness_are_limited),
	TEST(deaths_within_a_minute_are_limited),
	TEST(share_serves_until_it_is_stopped),
	TEST(killed_worker_gets_a_successor_with_its_descriptors),
	TEST(worker_that_dies_before_it_serves_is_given_up_after_ten),
	TEST(worker_that_dies_all_the_time_is_given_up_after_a_hundred),
	TEST(forbidden_call_ends_the_share_at_once),
	TEST(failure_is_told_in_the_worker_s_words),
	TEST(status_that_nobody_asked_for_is_a_death),
	TEST(held_share_waits_and_serves_again),
	TEST(worker_that_dies_instead_of_holding_is_held),
	TEST(worker_that_is_to_serve_again_before_it_held_does),
	TEST(worker_that_dies_instead_of_stopping_has_stopped),
	TEST(share_outlives_its_supervisor_and_greets_the_next),
	TEST(later_connection_replaces_the_earlier),
	TEST(killed_keeper_takes_a_worker_with_it_that_ends_by_itself),
	TEST(standby_becomes_the_worker),
	TEST(dead_standby_is_not_missed),
	TEST(worker_and_standby_that_die_together_are_replaced),
	TEST(damaged_arena_ends_the_share_at_once),
	TEST(closed_descriptor_ends_the_share),
	TEST(replaced_descriptor_ends_the_share),
	TEST(closed_descriptor_that_can_be_made_anew_does_not_matter),
	TEST(nonsense_ends_the_share),
	TEST(flood_of_reports_does_not_keep_orders_from_being_heard),
	TEST(worker_that_has_used_up_all_numbers_gets_a_successor),
	TEST(share_moves_to_another_keeper),
	TEST(held_share_moves_to_another_keeper),
	TEST(keeper_of_another_layout_refuses),
	TEST(share_stays_when_the_other_keeper_dies),
	TEST(share_stays_when_its_worker_dies_before_it_let_go),
	TEST(handover_without_a_socket_is_ignored),
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "keeper", tests, countof(tests));
}
