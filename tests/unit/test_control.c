/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_control.c - messages between supervisor, keeper and worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xen9pfsd/control.h"

static void open_pair(int pair[2])
{
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static void message_arrives_with_its_descriptors(void)
{
	struct control_msg sent = {.type = CONTROL_START}, got = {0};
	int pair[2], fds[CONTROL_FDS_MAX];
	const int two[] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)};

	open_pair(pair);
	sent.start.domid = 7;
	memset(sent.start.bus, 'b', sizeof(sent.start.bus));
	CU_ASSERT_EQUAL(control_send(pair[0], &sent, two, 2), 0);
	CU_ASSERT_EQUAL(control_recv(pair[1], &got, fds), 1);
	CU_ASSERT_EQUAL(got.start.domid, 7);
	CU_ASSERT_EQUAL(strlen(got.start.bus), CONTROL_BUS_MAX - 1);
	CU_ASSERT(fds[0] >= 0 && fds[1] >= 0 && fds[2] == -1);
	CU_ASSERT_EQUAL(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(two[i]);
	}
	close_pair(pair);
}

static void unwanted_descriptors_are_closed(void)
{
	const struct control_msg sent = {.type = CONTROL_STOP};
	struct control_msg got;
	int pair[2], fds[CONTROL_FDS_MAX];
	unsigned before;

	open_pair(pair);
	before = test_open_fds();
	CU_ASSERT_EQUAL(control_send(pair[0], &sent, pair, 2), 0);
	CU_ASSERT_EQUAL(control_recv(pair[1], &got, NULL), 1);
	CU_ASSERT_EQUAL(test_open_fds(), before);
	CU_ASSERT_EQUAL(control_send(pair[0], &sent, pair, CONTROL_FDS_MAX + 1), -EINVAL);
	CU_ASSERT_EQUAL(control_recv(pair[1], &got, fds), -EAGAIN);
	close_pair(pair);
}

/* A packet of another size, with a descriptor. */
/* A packet of `size` bytes with so many descriptors. */
static void send_odd(int sock, size_t size, unsigned nfds)
{
	static const char bytes[2 * sizeof(struct control_msg)];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * CONTROL_FDS_MAX * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr packet = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control.space,
				.msg_controllen = CMSG_SPACE(nfds * sizeof(int))};
	int fds[2 * CONTROL_FDS_MAX];

	for (unsigned i = 0; i < nfds; i++)
		fds[i] = sock;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, nfds * sizeof(int));
	CU_ASSERT_EQUAL(sendmsg(sock, &packet, 0), (ssize_t)size);
}

static void packets_of_another_size_are_refused(void)
{
	static const size_t sizes[] = {1, sizeof(struct control_msg) - 1,
				       sizeof(struct control_msg) + 1};
	struct control_msg got;
	int pair[2], fds[CONTROL_FDS_MAX];

	open_pair(pair);
	for (size_t i = 0; i < countof(sizes); i++) {
		unsigned before = test_open_fds();

		send_odd(pair[0], sizes[i], 1);
		CU_ASSERT_EQUAL(control_recv(pair[1], &got, fds), -EBADMSG);
		CU_ASSERT(fds[0] == -1 && fds[1] == -1 && fds[2] == -1);
		CU_ASSERT_EQUAL(test_open_fds(), before);
	}
	close_pair(pair);
}

static void more_descriptors_than_may_be_are_closed(void)
{
	/* What stands behind the array stays as it is. */
	struct {
		int fds[CONTROL_FDS_MAX], behind[CONTROL_FDS_MAX];
	} got;
	struct control_msg msg;
	unsigned before;
	int pair[2];

	open_pair(pair);
	before = test_open_fds();
	for (unsigned nfds = CONTROL_FDS_MAX + 1; nfds <= 2 * CONTROL_FDS_MAX; nfds++) {
		memset(&got, 0xee, sizeof(got));
		send_odd(pair[0], sizeof(msg), nfds);
		CU_ASSERT_EQUAL(control_recv(pair[1], &msg, got.fds), 1);
		for (unsigned i = 0; i < CONTROL_FDS_MAX; i++) {
			close(got.fds[i]);
			CU_ASSERT_EQUAL(got.behind[i], (int)0xeeeeeeee);
		}
		CU_ASSERT_EQUAL(test_open_fds(), before);
	}
	close_pair(pair);
}

static void nothing_blocks(void)
{
	const struct control_msg sent = {.type = CONTROL_HOLD};
	struct control_msg got;
	int pair[2], err = 0;

	open_pair(pair);
	CU_ASSERT_EQUAL(control_recv(pair[1], &got, NULL), -EAGAIN);
	for (int i = 0; i < 100000 && err == 0; i++)
		err = control_send(pair[0], &sent, NULL, 0);
	CU_ASSERT_EQUAL(err, -EAGAIN);
	close_pair(pair);
}

static void end_of_the_other_side_is_told(void)
{
	const struct control_msg sent = {.type = CONTROL_HOLD};
	struct control_msg got;
	int pair[2];

	open_pair(pair);
	close(pair[0]);
	CU_ASSERT_EQUAL(control_recv(pair[1], &got, NULL), 0);
	CU_ASSERT_EQUAL(control_send(pair[1], &sent, NULL, 0), -EPIPE);
	close(pair[1]);
}

static void kernel_tells_who_sent_it(void)
{
	static const int yes = 1;
	const struct control_msg sent = {.type = CONTROL_HELLO, .hello = {.held = true}};
	struct control_msg got;
	int pair[2];
	unsigned before;
	pid_t pid;

	open_pair(pair);
	CU_ASSERT_EQUAL(control_send(pair[0], &sent, NULL, 0), 0);
	CU_ASSERT_EQUAL(control_recv_pid(pair[1], &got, &pid), 1);
	CU_ASSERT_EQUAL(pid, 0);
	CU_ASSERT_EQUAL(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)), 0);
	before = test_open_fds();
	CU_ASSERT_EQUAL(control_send(pair[0], &sent, pair, 2), 0);
	CU_ASSERT_EQUAL(control_recv_pid(pair[1], &got, &pid), 1);
	CU_ASSERT_EQUAL(pid, getpid());
	CU_ASSERT_TRUE(got.hello.held);
	CU_ASSERT_EQUAL(test_open_fds(), before);
	close_pair(pair);
}

static const struct test tests[] = {
	{"message_arrives_with_its_descriptors", message_arrives_with_its_descriptors},
	{"unwanted_descriptors_are_closed", unwanted_descriptors_are_closed},
	{"packets_of_another_size_are_refused", packets_of_another_size_are_refused},
	{"more_descriptors_than_may_be_are_closed", more_descriptors_than_may_be_are_closed},
	{"nothing_blocks", nothing_blocks},
	{"end_of_the_other_side_is_told", end_of_the_other_side_is_told},
	{"kernel_tells_who_sent_it", kernel_tells_who_sent_it},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "control", tests, countof(tests));
}
