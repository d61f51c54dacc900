/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * verbs.c - see verbs.h.
 */
#include "xen9pfsd/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/admin.h"

#define PATIENCE_MS 60000 /* for the daemon's next word */
#define COME_BACK_TRIES 100
#define COME_BACK_MS 100

static const char *const names[] = {
	[CONFIG_UPGRADE] = "upgrade",
	[CONFIG_DETACH] = "detach",
	[CONFIG_STATUS] = "status",
};

static int connect_daemon(const struct config *config)
{
	char dir[PATH_MAX] = "";
	int sock = state_dir_call_admin(config);

	if (sock >= 0)
		return sock;
	state_dir_path(config, dir);
	if (sock == -ENOENT || sock == -ECONNREFUSED)
		log_error("no daemon is running for %s", dir);
	else
		log_error("%s: %s", dir, strerror(-sock));
	return sock;
}

static int ask(int sock, const char *text, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr packet = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		packet.msg_control = control.space;
		packet.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	return sendmsg(sock, &packet, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Prints what comes (unless `out` is NULL) until the exit status, which is returned; -errno. */
static int listen_to(int sock, FILE *out)
{
	char packet[ADMIN_PACKET_MAX];
	struct pollfd fd = {.fd = sock, .events = POLLIN};

	for (;;) {
		ssize_t size;

		if (poll(&fd, 1, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
		size = recv(sock, packet, sizeof(packet), MSG_DONTWAIT);
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (size <= 0)
			return size < 0 ? -errno : -ECONNRESET;
		if (packet[0] == '\0')
			return size == 2 ? (unsigned char)packet[1] : -EPROTO;
		if (out != NULL) {
			fwrite(packet, 1, (size_t)size, out);
			fflush(out);
		}
	}
}

/* The words with blanks between them; they were checked when the command line was read. */
static int request_text(const struct config *config, char text[ADMIN_PACKET_MAX])
{
	int used = snprintf(text, ADMIN_PACKET_MAX, "%s", names[config->verb]);

	for (size_t i = 0; i < config->word_count && used < ADMIN_PACKET_MAX; i++)
		used += snprintf(text + used, ADMIN_PACKET_MAX - (size_t)used, " %s",
				 config->words[i]);
	return used < ADMIN_PACKET_MAX ? 0 : -E2BIG;
}

/* The daemon replaces itself after its answer: it is not back before it answers again. */
static int come_back(const struct config *config)
{
	static const struct timespec pause = {.tv_nsec = COME_BACK_MS * 1000000L};

	for (unsigned i = 0; i < COME_BACK_TRIES; i++) {
		_cleanup_close_ int sock = -1;

		nanosleep(&pause, NULL);
		sock = state_dir_call_admin(config);
		if (sock >= 0 && ask(sock, names[CONFIG_STATUS], -1) == 0 &&
		    listen_to(sock, NULL) == 0)
			return 0;
	}
	log_error("the new daemon does not answer; its shares go on without it");
	return -ETIMEDOUT;
}

int verb_main(const struct config *config)
{
	_cleanup_close_ int sock = connect_daemon(config);
	_cleanup_close_ int exe = -1;
	char text[ADMIN_PACKET_MAX];
	int result;

	if (sock < 0)
		return EXIT_FAILURE;
	if (config->verb == CONFIG_UPGRADE)
		exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	result = request_text(config, text);
	if (result == 0)
		result = ask(sock, text, exe);
	if (result == 0)
		result = listen_to(sock, stdout);
	if (result < 0)
		log_error("%s: %s", names[config->verb], strerror(-result));
	if (result == 0 && config->verb == CONFIG_UPGRADE)
		result = come_back(config);
	return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
