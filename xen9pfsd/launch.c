/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * launch.c - see launch.h.
 */
#include "xen9pfsd/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/launcher.h"
#include "xen9pfsd/sandbox.h"

#define ANSWER_PATIENCE_MS 10000 /* nothing that is answered at once sleeps in a storage */

extern char **environ;

void launch_lost(void)
{
	log_error("giving up: the launcher is gone");
	/* As if killed: whatever there is, the next one finds. */
	_exit(EXIT_FAILURE);
}

/* The answer's result; `*fd` is what came with it, or -1. -EPIPE: nobody answers. */
static int ask(int sock, const struct launch_request *request, const int *fds, unsigned nfds,
	       int *fd, struct launch_answer *answer)
{
	struct pollfd ready = {.fd = sock, .events = POLLIN};
	int got[CONTROL_FDS_MAX], err;

	*fd = -1;
	if (control_send_packet(sock, request, sizeof(*request), fds, nfds) < 0)
		return -EPIPE;
	do {
		err = poll(&ready, 1, ANSWER_PATIENCE_MS);
	} while (err < 0 && errno == EINTR);
	if (err != 1 || control_recv_packet(sock, answer, sizeof(*answer), got) != 1)
		return -EPIPE;
	answer->text[sizeof(answer->text) - 1] = '\0';
	*fd = got[0];
	return answer->result;
}

static int ask_for_sure(const struct launch *launch, const struct launch_request *request,
			const int *fds, unsigned nfds, int *fd)
{
	struct launch_answer answer;
	int ret = ask(launch->sock, request, fds, nfds, fd, &answer);

	if (ret == -EPIPE)
		launch_lost();
	return ret;
}

int launch_keeper(const struct launch *launch, uint32_t domid, uint32_t devid, int control, int exe,
		  pid_t *pid)
{
	const struct launch_request request = {
		.type = LAUNCH_KEEPER,
		.domid = domid,
		.devid = devid,
	};
	const int fds[] = {control, exe};
	int pidfd, ret = ask_for_sure(launch, &request, fds, exe >= 0 ? 2 : 1, &pidfd);

	if (ret < 0)
		return ret;
	*pid = ret;
	/* It is there, but the kernel had no number left for its descriptor. */
	if (pidfd < 0)
		kill(-*pid, SIGKILL);
	return pidfd < 0 ? -EMFILE : pidfd;
}

int launch_identify(const struct launch *launch, pid_t pid, uint32_t domid, uint32_t devid)
{
	const struct launch_request request = {
		.type = LAUNCH_IDENTIFY,
		.domid = domid,
		.devid = devid,
		.pid = pid,
	};
	int pidfd, ret = ask_for_sure(launch, &request, NULL, 0, &pidfd);

	if (ret < 0)
		return ret;
	return pidfd < 0 ? -EMFILE : pidfd;
}

void launch_kill(const struct launch *launch, const char *name)
{
	struct launch_request request = {.type = LAUNCH_KILL};
	int none;

	snprintf(request.text, sizeof(request.text), "%s", name);
	ask_for_sure(launch, &request, NULL, 0, &none);
}

int launch_open(const struct launch *launch, const char *path)
{
	struct launch_request request = {.type = LAUNCH_OPEN};
	int pair[2], none, err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	snprintf(request.text, sizeof(request.text), "%s", path);
	err = ask_for_sure(launch, &request, &pair[1], 1, &none);
	close(pair[1]);
	if (err < 0)
		close(pair[0]);
	return err < 0 ? err : pair[0];
}

int launch_opened(int opening, char *err, size_t errlen)
{
	struct launch_answer answer;
	int fds[CONTROL_FDS_MAX];
	int got = control_recv_packet(opening, &answer, sizeof(answer), fds);

	if (got == -EAGAIN || got == -EINTR)
		return -EAGAIN;
	if (got == 1 && answer.result == 0 && fds[0] >= 0)
		return fds[0];
	if (got == 1 && answer.result < 0) {
		answer.text[sizeof(answer.text) - 1] = '\0';
		snprintf(err, errlen, "%s", answer.text);
		return answer.result;
	}
	got = got == 1 ? -EMFILE : -EIO; /* it came without room for it; or who looked has died */
	snprintf(err, errlen, "the export: %s", strerror(-got));
	return got;
}

int launch_replace(const struct launch *launch, int exe)
{
	const struct launch_request request = {.type = LAUNCH_REPLACE};
	struct launch_answer answer;
	int none, ret = ask(launch->sock, &request, &exe, 1, &none, &answer);

	/* The new one has no connection yet. */
	return ret == -EPIPE ? 0 : ret;
}

/* ---- the beginning ---- */

/* Whether it can do its work: -EPIPE, there is nobody. */
static int greet(int sock, char *err, size_t errlen)
{
	const struct launch_request request = {.type = LAUNCH_HELLO};
	struct launch_answer answer;
	int none, ret = ask(sock, &request, NULL, 0, &none, &answer);

	cleanup_close(&none);
	if (ret == -EPIPE)
		snprintf(err, errlen, "the launcher does not answer");
	else if (ret < 0)
		snprintf(err, errlen, "%s", answer.text);
	return ret;
}

static int call(struct launch *launch, const struct state_dir *dir, char *err, size_t errlen)
{
	int ret, sock = state_dir_call_launcher(dir);

	if (sock < 0) {
		snprintf(err, errlen, "no launcher is running: %s", strerror(-sock));
		return -EPIPE;
	}
	ret = greet(sock, err, errlen);
	if (ret < 0)
		close(sock);
	else
		launch->sock = sock;
	return ret;
}

/* The same program by the same arguments, and what makes it a launcher. */
static int spawn(char **argv, int listener)
{
	static char verb[] = "launcher";
	char child[32];
	size_t count = 0;
	posix_spawn_file_actions_t actions;
	char **all;
	pid_t pid;
	int err;

	while (argv[count] != NULL)
		count++;
	all = calloc(count + 3, sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	memcpy(all, argv, count * sizeof(*all));
	snprintf(child, sizeof(child), "--child-of=%d", getpid());
	all[count] = child;
	all[count + 1] = verb;
	/* dup2 clears close-on-exec. */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, listener, LAUNCHER_FD);
	err = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, all, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(all);
	return -err;
}

int launch_begin(struct launch *launch, const struct config *config, const struct state_dir *dir,
		 char **argv, char *err, size_t errlen)
{
	_cleanup_close_ int listener = -1, above = -1;
	int ret = call(launch, dir, err, errlen);

	/* Nobody, or one that is ending with the supervisor before us. */
	if (ret != -EPIPE || config->launcher_is_service)
		return ret;
	/* As another program, after the launcher has died with it: no rights could be passed on. */
	if (sandbox_is_shed())
		return ret;
	listener = state_dir_listen_launcher(dir);
	above = listener < 0 ? -1 : fcntl(listener, F_DUPFD_CLOEXEC, LAUNCHER_FD + 1);
	ret = listener < 0 ? listener : above < 0 ? -errno : spawn(argv, above);
	if (ret < 0) {
		snprintf(err, errlen, "cannot start a launcher: %s", strerror(-ret));
		return ret;
	}
	return call(launch, dir, err, errlen);
}

void launch_end(struct launch *launch)
{
	cleanup_close(&launch->sock);
	launch->sock = -1;
}
