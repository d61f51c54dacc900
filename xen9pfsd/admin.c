/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * admin.c - see admin.h.
 */
#include "xen9pfsd/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"

#define PATIENCE_MS 10000 /* for a client to ask, and to take what it asked for */
#define FD_MIN 16 /* a descriptor to be executed must not stand where a child gets another */

int admin_open(struct admin *admin, const struct state_dir *dir)
{
	*admin = (struct admin){.listener = state_dir_listen_admin(dir), .client = -1};
	return admin->listener < 0 ? admin->listener : 0;
}

static void drop(struct admin *admin)
{
	cleanup_close(&admin->client);
	free(admin->out);
	*admin = (struct admin){.listener = admin->listener, .client = -1};
}

void admin_close(struct admin *admin)
{
	drop(admin);
	cleanup_close(&admin->listener);
	admin->listener = -1;
}

bool admin_idle(const struct admin *admin)
{
	return admin->client < 0;
}

void admin_fill(const struct admin *admin, struct pollfd fds[ADMIN_FDS], bool busy)
{
	bool full = admin->sent < admin->length || admin->ended;

	fds[0] = (struct pollfd){
		.fd = admin->client < 0 && !busy ? admin->listener : -1,
		.events = POLLIN,
	};
	fds[1] = (struct pollfd){
		.fd = admin->client,
		.events = (short)(POLLIN | (full ? POLLOUT : 0)),
	};
}

/* ---- who, and what ---- */

static void let_in(struct admin *admin, int64_t now_ms)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	int client = accept4(admin->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (client < 0)
		return;
	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ||
	    (who.uid != 0 && who.uid != geteuid())) {
		log_warning("an order from somebody who may not give any");
		close(client);
		return;
	}
	admin->client = client;
	admin->deadline_ms = now_ms + PATIENCE_MS;
}

/* Takes the first of the attached descriptors; more are not made room for. */
static int attached_fd(struct msghdr *packet)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(packet);
	int fd, moved;

	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
	close(fd);
	return moved;
}

static bool take_request(struct admin *admin, struct admin_request *request)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = request->text, .iov_len = sizeof(request->text) - 1};
	struct msghdr packet = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		/* Without the padding, where the kernel would put a second one. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t size = recvmsg(admin->client, &packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	request->fd = size > 0 ? attached_fd(&packet) : -1;
	/* It has gone, or says more than it has to. */
	if (size <= 0 || admin->asked || (packet.msg_flags & MSG_TRUNC) != 0) {
		cleanup_close(&request->fd);
		drop(admin);
		return false;
	}
	request->text[size] = '\0';
	admin->asked = true;
	admin->deadline_ms = 0;
	return true;
}

/* ---- the answer ---- */

/* One packet; false: not now, or the client is gone. */
static bool put(struct admin *admin, const char *data, size_t size)
{
	ssize_t sent = send(admin->client, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		drop(admin);
	return sent >= 0;
}

static void flush(struct admin *admin, int64_t now_ms)
{
	while (admin->sent < admin->length) {
		size_t size = admin->length - admin->sent;

		if (size > ADMIN_PACKET_MAX)
			size = ADMIN_PACKET_MAX;
		if (!put(admin, admin->out + admin->sent, size))
			return;
		admin->sent += size;
		admin->deadline_ms = now_ms + PATIENCE_MS;
	}
	admin->sent = admin->length = 0;
	admin->deadline_ms = 0;
	if (admin->ended && put(admin, (const char[]){'\0', (char)admin->status}, 2))
		drop(admin);
}

void admin_line(struct admin *admin, const char *format, ...)
{
	char line[512];
	va_list args;
	size_t size;

	if (admin->client < 0)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	size = strlen(line);
	line[size++] = '\n';
	if (admin->length + size > admin->room) {
		size_t room = 2 * admin->room + sizeof(line);
		char *more = realloc(admin->out, room);

		if (more == NULL) {
			drop(admin);
			return;
		}
		admin->out = more;
		admin->room = room;
	}
	memcpy(admin->out + admin->length, line, size);
	admin->length += size;
}

void admin_end(struct admin *admin, uint8_t status, int64_t now_ms)
{
	if (admin->client < 0)
		return;
	admin->ended = true;
	admin->status = status;
	admin->deadline_ms = now_ms + PATIENCE_MS;
}

bool admin_poll(struct admin *admin, const struct pollfd fds[ADMIN_FDS],
		struct admin_request *request, int64_t now_ms)
{
	bool got = false;

	if (fds[0].revents != 0)
		let_in(admin, now_ms);
	else if (admin->client >= 0 && (fds[1].revents & ~POLLOUT) != 0)
		got = take_request(admin, request);
	if (admin->client >= 0 && (fds[1].revents & POLLOUT) != 0)
		flush(admin, now_ms);
	return got;
}

void admin_timeout(struct admin *admin, int64_t now_ms)
{
	if (admin->deadline_ms != 0 && now_ms >= admin->deadline_ms)
		drop(admin);
}
