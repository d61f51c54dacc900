/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_control.c - packets between supervisor, keeper and worker, as one sends them that somebody
 * else has taken over: no descriptor stays open that nobody was told of, and texts have an end.
 *
 * Input: for each packet how it is received, how many descriptors come with it, its size, and so
 * many bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/fuzz/fuzz.h"
#include "xen9pfsd/control.h"

#define FDS_SENT 6 /* at most: more than there may be */
#define PACKET_MAX (2 * sizeof(struct control_msg))

static void send_packet(int sock, const void *bytes, size_t size, unsigned fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(FDS_SENT * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr packet = {.msg_iov = &iov, .msg_iovlen = 1};
	int sent[FDS_SENT] = {sock, sock, sock, sock, sock, sock};

	if (fds > 0) {
		packet.msg_control = control.space;
		packet.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), sent, fds * sizeof(int));
	}
	FUZZ_CHECK(sendmsg(sock, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size);
}

static void check_message(const struct control_msg *msg, const uint8_t *bytes)
{
	FUZZ_CHECK(msg->type == *(const uint32_t *)(const void *)bytes);
	if (msg->type == CONTROL_START)
		FUZZ_CHECK(memchr(msg->start.bus, '\0', sizeof(msg->start.bus)) != NULL);
	if (msg->type == CONTROL_FAILED)
		FUZZ_CHECK(memchr(msg->text, '\0', sizeof(msg->text)) != NULL);
}

/* Those that were handed over are open, close-on-exec, and the first ones of the list. */
static void close_received(const int *fds, unsigned sent)
{
	for (unsigned i = 0; i < CONTROL_FDS_MAX; i++) {
		FUZZ_CHECK((fds[i] >= 0) == (i < sent));
		if (fds[i] >= 0) {
			FUZZ_CHECK(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
			close(fds[i]);
		}
	}
}

static void receive_one(int sock, uint8_t how, const uint8_t *bytes, size_t size, unsigned sent)
{
	int fds[CONTROL_FDS_MAX] = {-1, -1, -1}, got;
	struct control_msg msg;
	pid_t pid = 0;

	if (how % 3 == 0)
		got = control_recv(sock, &msg, fds);
	else if (how % 3 == 1)
		got = control_recv(sock, &msg, NULL);
	else
		got = control_recv_pid(sock, &msg, &pid);
	FUZZ_CHECK(got == 1 || got == 0 || got == -EBADMSG);
	FUZZ_CHECK((got == 1) == (size == sizeof(msg)));
	close_received(fds, got == 1 && how % 3 == 0 ? sent : 0);
	if (got == 1)
		check_message(&msg, bytes);
	FUZZ_CHECK(pid == 0 || pid == getpid());
}

void fuzz_control(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	unsigned fds = fuzz_count_fds();

	while (in.left > 0) {
		_Alignas(uint32_t) uint8_t bytes[PACKET_MAX];
		uint8_t how = fuzz_u8(&in), sent = fuzz_u8(&in) % (FDS_SENT + 1);
		size_t length = fuzz_u16(&in) % (sizeof(bytes) + 1);
		int pair[2];

		/* Most packets are of the right size: only these are looked at. */
		if (how < 0xc0)
			length = sizeof(struct control_msg);
		fuzz_bytes(&in, bytes, length);
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
		/* Asked for by those who expect no descriptors. */
		if (how % 3 != 0 && how % 2 == 0)
			setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int));
		send_packet(pair[0], bytes, length, sent);
		receive_one(pair[1], how, bytes, length, sent);
		close(pair[0]);
		close(pair[1]);
		FUZZ_CHECK(fuzz_count_fds() == fds);
	}
}
