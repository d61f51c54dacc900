/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * control.c - see control.h.
 */
#include "xen9pfsd/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int control_send(int sock, const struct control_msg *msg, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
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

static int attached_fd(struct msghdr *packet)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(packet);
	int fd;

	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

int control_recv(int sock, struct control_msg *msg, int *fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr packet = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = fd != NULL ? control.space : NULL,
		.msg_controllen = fd != NULL ? sizeof(control.space) : 0,
	};
	ssize_t size = recvmsg(sock, &packet, MSG_CMSG_CLOEXEC);

	if (size <= 0)
		return size < 0 ? -errno : 0;
	if (fd != NULL)
		*fd = attached_fd(&packet);
	if (size != sizeof(*msg) || (packet.msg_flags & MSG_TRUNC) != 0)
		return -EBADMSG;
	if (msg->type == CONTROL_START)
		msg->start.bus[sizeof(msg->start.bus) - 1] = '\0';
	else
		msg->text[sizeof(msg->text) - 1] = '\0';
	return 1;
}
