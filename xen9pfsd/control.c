/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * control.c - see control.h.
 */
#include "xen9pfsd/control.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert(sizeof(struct control_msg) == sizeof(uint32_t) + CONTROL_ROOM,
	      "other versions of the daemon know packets of one size");

int control_send_packet(int sock, const void *bytes, size_t size, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr packet = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfds > CONTROL_FDS_MAX)
		return -EINVAL;
	if (nfds > 0) {
		packet.msg_control = control.space;
		packet.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nfds * sizeof(int));
	}
	return sendmsg(sock, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int control_send(int sock, const struct control_msg *msg, const int *fds, unsigned nfds)
{
	return control_send_packet(sock, msg, sizeof(*msg), fds, nfds);
}

/* Receives into `packet`, whose control buffer is the caller's. */
static int receive_packet(int sock, void *bytes, size_t size, struct msghdr *packet)
{
	struct iovec iov = {.iov_base = bytes, .iov_len = size};
	ssize_t got;

	packet->msg_iov = &iov;
	packet->msg_iovlen = 1;
	got = recvmsg(sock, packet, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	return (size_t)got != size || (packet->msg_flags & MSG_TRUNC) != 0 ? -EBADMSG : 1;
}

static int end_texts(int got, struct control_msg *msg)
{
	if (got == 1 && msg->type == CONTROL_START)
		msg->start.bus[sizeof(msg->start.bus) - 1] = '\0';
	else if (got == 1 && msg->type == CONTROL_FAILED)
		msg->text[sizeof(msg->text) - 1] = '\0';
	return got;
}

int control_recv_packet(int sock, void *bytes, size_t size, int fds[CONTROL_FDS_MAX])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
	} control = {.space = {0}};
	struct msghdr packet = {
		.msg_control = fds != NULL ? control.space : NULL,
		/* Without the padding behind them, where the kernel would put one more. */
		.msg_controllen = fds != NULL ? CMSG_LEN(CONTROL_FDS_MAX * sizeof(int)) : 0,
	};
	struct cmsghdr *header;
	int got;

	for (unsigned i = 0; fds != NULL && i < CONTROL_FDS_MAX; i++)
		fds[i] = -1;
	got = receive_packet(sock, bytes, size, &packet);
	header = fds != NULL ? CMSG_FIRSTHDR(&packet) : NULL;
	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return got;
	/* The kernel has put no more there than there is room for. */
	memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	for (unsigned i = 0; got <= 0 && i < CONTROL_FDS_MAX; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
	return got;
}

int control_recv(int sock, struct control_msg *msg, int fds[CONTROL_FDS_MAX])
{
	return end_texts(control_recv_packet(sock, msg, sizeof(*msg), fds), msg);
}

static void close_received(struct cmsghdr *header)
{
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd), sizeof(fd));
		close(fd);
	}
}

int control_recv_pid(int sock, struct control_msg *msg, pid_t *pid)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(struct ucred))];
	} control = {.space = {0}};
	struct msghdr packet = {
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	int got = end_texts(receive_packet(sock, msg, sizeof(*msg), &packet), msg);
	struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
	struct ucred sender;

	*pid = 0;
	/* Behind a sender's id there is no room for them. */
	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		close_received(header);
	if (header == NULL || header->cmsg_level != SOL_SOCKET ||
	    header->cmsg_type != SCM_CREDENTIALS)
		return got;
	memcpy(&sender, CMSG_DATA(header), sizeof(sender));
	*pid = sender.pid;
	return got;
}

void control_describe(struct control_hello *hello, const struct control_start *start,
		      enum control_role role)
{
	*hello = (struct control_hello){
		.domid = start->domid,
		.devid = start->devid,
		.role = role,
		.rings = start->rings,
	};
	memcpy(hello->ref, start->ref, sizeof(hello->ref));
	memcpy(hello->port, start->port, sizeof(hello->port));
}
