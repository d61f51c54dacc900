/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * launcher.c - see launcher.h. One thread, which sleeps in no storage: exports are looked up by
 * children. It is the parent of all keepers that it started, and of every worker whose keeper has
 * died, so it reaps them; the supervisor sees their ends by process descriptors.
 */
#include "xen9pfsd/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/launch.h"
#include "xen9pfsd/service.h"
#include "xenbus/store.h"

#define OPENERS_MAX 1024 /* exports that are being looked up at the same time */

extern char **environ;

struct child {
	TAILQ_ENTRY(child) link;
	pid_t pid;
	bool keeper; /* of domid/devid; else it looks up an export */
	uint32_t domid, devid;
};

struct launcher {
	const struct launcher_work *work;
	int supervisor; /* -1 */
	int signals;
	TAILQ_HEAD(, child) children;
	unsigned openers;
};

/* ---- children ---- */

static struct child *child_add(struct launcher *l, bool keeper)
{
	struct child *child = calloc(1, sizeof(*child));

	if (child == NULL)
		return NULL;
	child->keeper = keeper;
	TAILQ_INSERT_TAIL(&l->children, child, link);
	l->openers += keeper ? 0 : 1;
	return child;
}

static void child_remove(struct launcher *l, struct child *child)
{
	TAILQ_REMOVE(&l->children, child, link);
	l->openers -= child->keeper ? 0 : 1;
	free(child);
}

static void tell_death(const struct child *child, int status)
{
	if (WIFSIGNALED(status))
		log_error("guest %u dev %u: its keeper was killed by signal %d (%s)", child->domid,
			  child->devid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		log_error("guest %u dev %u: its keeper failed with status %d", child->domid,
			  child->devid, WEXITSTATUS(status));
}

static void reap(struct launcher *l)
{
	struct child *child;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		TAILQ_FOREACH (child, &l->children, link) {
			if (child->pid == pid)
				break;
		}
		/* A worker whose keeper has died; or a program before this one has started it. */
		if (child == NULL)
			continue;
		if (child->keeper)
			tell_death(child, status);
		child_remove(l, child);
	}
}

/* ---- keepers ---- */

/* What is run with all rights is the administrator's: a supervisor that is not ours any more might
 * bring something that it made itself. */
static int check_program(int exe)
{
	struct stat st;

	if (fstat(exe, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink == 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid()))
		return -EPERM;
	return 0;
}

static int spawn_keeper(const struct launch_request *request, int control, int exe, pid_t *pid)
{
	static char name[] = "xen9pfsd";
	char share[48]; /* the numbers are for the eyes of whoever reads a list of processes */
	char program[32] = "/proc/self/exe";
	char *argv[] = {name, share, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	snprintf(share, sizeof(share), "--share=%u/%u", request->domid, request->devid);
	if (exe >= 0)
		snprintf(program, sizeof(program), "/proc/self/fd/%d", exe);
	/* Everything else is close-on-exec; dup2 clears that for the one the keeper gets. */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, control, CONTROL_FD);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	/* A session, and so a group, of its own: in ours, the kernel would hang it up when we end
	 * while it is stopped. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	err = posix_spawn(pid, program, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* Returns the keeper's id; `*pidfd` is the caller's to close. */
static int start_keeper(struct launcher *l, const struct launch_request *request, int control,
			int exe, int *pidfd)
{
	struct child *child;
	int err = control < 0 ? -EBADMSG : exe >= 0 ? check_program(exe) : 0;

	if (err < 0)
		return err;
	child = child_add(l, true);
	if (child == NULL)
		return -ENOMEM;
	child->domid = request->domid;
	child->devid = request->devid;
	err = spawn_keeper(request, control, exe, &child->pid);
	if (err < 0) {
		child_remove(l, child);
		return err;
	}
	*pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (*pidfd >= 0)
		return child->pid;
	err = -errno;
	kill(-child->pid, SIGKILL);
	return err;
}

/* By its command line; the descriptor is taken before the look, so the id cannot be somebody
 * else's. */
static int identify(const struct launch_request *request, int *pidfd)
{
	char path[32], line[128] = "", share[48];
	_cleanup_close_ int fd = -1;
	ssize_t size;

	*pidfd = (int)syscall(SYS_pidfd_open, request->pid, 0);
	if (*pidfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", request->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	snprintf(share, sizeof(share), "--share=%u/%u", request->domid, request->devid);
	if (size < 0 || strcmp(line + strnlen(line, sizeof(line) - 2) + 1, share) != 0)
		return -ESRCH;
	return 0;
}

/* ---- exports ---- */

/* In a child, which may sleep for as long as the storage likes. */
__attribute__((noreturn)) static void look_up(const struct launcher *l, const char *path, int sock)
{
	struct launch_answer answer = {.result = 0};
	struct stat st;
	int fd;

	prctl(PR_SET_NAME, "xen9pfsd-open");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* While it sleeps, nobody who looks for a launcher must find one here. */
	cleanup_close(&l->work->listener);
	cleanup_close(&l->work->dir->lock);
	cleanup_close(&l->supervisor);
	cleanup_close(&l->signals);
	fd = policy_open(l->work->policy, path, answer.text, sizeof(answer.text));
	/* Does it answer, too? Then whoever gets it need not wait for that. */
	if (fd >= 0 && fstat(fd, &st) < 0) {
		answer.result = -errno;
		snprintf(answer.text, sizeof(answer.text), "path \"%.*s\": %s", STORE_VALUE_MAX,
			 path, strerror(errno));
	} else if (fd < 0) {
		answer.result = fd;
	}
	control_send_packet(sock, &answer, sizeof(answer), &fd, answer.result == 0 ? 1 : 0);
	_exit(EXIT_SUCCESS);
}

static int open_export(struct launcher *l, const struct launch_request *request, int sock)
{
	struct child *child;

	if (sock < 0)
		return -EBADMSG;
	if (l->openers >= OPENERS_MAX)
		return -EAGAIN;
	child = child_add(l, false);
	if (child == NULL)
		return -ENOMEM;
	child->pid = fork();
	if (child->pid == 0)
		look_up(l, request->text, sock);
	if (child->pid < 0) {
		child_remove(l, child);
		return -errno;
	}
	return 0;
}

/* ---- requests ---- */

static int kill_share(const struct launcher *l, const char *name)
{
	/* A file of the directory. */
	if (strchr(name, '/') != NULL || strlen(name) >= STATE_NAME_MAX)
		return -EINVAL;
	return state_dir_kill(l->work->dir, name);
}

/* The listening socket stays, so nobody is refused meanwhile; children stay ours. */
static int become(struct launcher *l, int exe)
{
	int err = exe < 0 ? -EBADMSG : check_program(exe);

	if (err < 0)
		return err;
	log_info("the launcher starts anew as another program");
	/* dup2 clears close-on-exec. */
	if (l->work->listener == LAUNCHER_FD)
		err = fcntl(LAUNCHER_FD, F_SETFD, 0);
	else
		err = dup2(l->work->listener, LAUNCHER_FD);
	if (err >= 0)
		execveat(exe, "", l->work->argv, environ, AT_EMPTY_PATH);
	return -errno;
}

static int obey(struct launcher *l, const struct launch_request *request, const int *fds,
		struct launch_answer *answer, int *result_fd)
{
	switch (request->type) {
	case LAUNCH_HELLO:
		if (l->work->fault != NULL)
			snprintf(answer->text, sizeof(answer->text), "%s", l->work->fault);
		return l->work->fault != NULL ? -EINVAL : 0;
	case LAUNCH_KEEPER:
		return start_keeper(l, request, fds[0], fds[1], result_fd);
	case LAUNCH_IDENTIFY:
		return identify(request, result_fd);
	case LAUNCH_KILL:
		return kill_share(l, request->text);
	case LAUNCH_OPEN:
		return open_export(l, request, fds[0]);
	case LAUNCH_REPLACE:
		return become(l, fds[0]);
	default:
		return -EBADMSG;
	}
}

static void disconnect(struct launcher *l)
{
	cleanup_close(&l->supervisor);
	l->supervisor = -1;
}

static void take_request(struct launcher *l)
{
	struct launch_request request;
	struct launch_answer answer = {.result = 0};
	int fds[CONTROL_FDS_MAX], result_fd = -1;
	int got = control_recv_packet(l->supervisor, &request, sizeof(request), fds);

	if (got == -EAGAIN || got == -EINTR)
		return;
	if (got != 1) {
		disconnect(l);
		return;
	}
	request.text[sizeof(request.text) - 1] = '\0';
	answer.result = obey(l, &request, fds, &answer, &result_fd);
	if (control_send_packet(l->supervisor, &answer, sizeof(answer), &result_fd,
				answer.result >= 0 && result_fd >= 0 ? 1 : 0) < 0)
		disconnect(l);
	cleanup_close(&result_fd);
	for (unsigned i = 0; i < CONTROL_FDS_MAX; i++)
		cleanup_close(&fds[i]);
}

/* The latest counts: there is one supervisor, and who was there before is dead. */
static void let_in(struct launcher *l)
{
	int sock = accept4(l->work->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	socklen_t size = sizeof(struct ucred);
	struct ucred who;

	if (sock < 0)
		return;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 || who.uid != geteuid()) {
		log_warning("a supervisor that is none has called the launcher");
		close(sock);
		return;
	}
	disconnect(l);
	l->supervisor = sock;
}

int launcher_serve(const struct launcher_work *work)
{
	struct launcher l = {
		.work = work,
		.supervisor = -1,
		.children = TAILQ_HEAD_INITIALIZER(l.children),
	};
	struct signalfd_siginfo info;
	bool over = false;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Those that ended before a program that replaces another one was ready to hear of it. */
	reap(&l);
	while (!over) {
		struct pollfd fds[] = {
			{.fd = l.signals, .events = POLLIN},
			{.fd = l.supervisor, .events = POLLIN},
			{.fd = work->listener, .events = POLLIN},
		};

		if (poll(fds, countof(fds), -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents != 0 && read(l.signals, &info, sizeof(info)) > 0)
			reap(&l);
		if (fds[1].revents != 0)
			take_request(&l);
		if (fds[2].revents != 0)
			let_in(&l);
		over = work->fault != NULL && fds[1].revents != 0;
	}
	return 0;
}

/* ---- the beginning ---- */

static bool is_listening(int fd)
{
	socklen_t size = sizeof(int);
	int listens = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

/* It ends with its supervisor, and at no other sign: what a terminal sends to all is his. */
static void bind_to_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
}

static int begin(const struct config *config, struct state_dir *dir, struct policy **policy,
		 struct launcher_work *work, char *err, size_t errlen)
{
	bool given = is_listening(LAUNCHER_FD);
	int ret;

	work->listener = given ? LAUNCHER_FD : -1;
	if (given)
		fcntl(LAUNCHER_FD, F_SETFD, FD_CLOEXEC);
	/* A supervisor has one that listens already: the lock is for a second service. */
	ret = state_dir_open(dir, config,
			     config->parent == 0 ? STATE_DIR_LAUNCHER : STATE_DIR_NO_LOCK, err,
			     errlen);
	if (ret == 0)
		ret = policy_create(config, policy, err, errlen);
	if (ret == 0 && !given) {
		work->listener = state_dir_listen_launcher(dir);
		if (work->listener < 0) {
			ret = work->listener;
			snprintf(err, errlen, "cannot listen: %s", strerror(-ret));
		}
	}
	work->policy = *policy;
	return ret;
}

int launcher_main(const struct config *config, char **argv)
{
	struct state_dir dir = STATE_DIR_NONE;
	struct launcher_work work = {.dir = &dir, .argv = argv};
	struct policy *policy = NULL;
	char text[512];
	int ret;

	log_init("xen9pfsd", "", config->log_level);
	prctl(PR_SET_NAME, "xen9pfsd-launch");
	if (config->parent != 0)
		bind_to_parent(config->parent);
	close_range(LAUNCHER_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	service_more_files();
	ret = begin(config, &dir, &policy, &work, text, sizeof(text));
	if (ret < 0 && config->parent != 0)
		work.fault = text;
	else if (ret < 0)
		log_error("%s", text);
	else if (config->parent == 0)
		service_ready();
	if (ret == 0 || work.fault != NULL)
		ret = launcher_serve(&work);
	policy_destroy(policy);
	cleanup_close(&work.listener);
	state_dir_close(&dir);
	return ret == 0 && work.fault == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
