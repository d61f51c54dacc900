/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_admin.c - the supervisor's socket for verbs, and clients that do not behave.
 */
#include "xen9pfsd/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"

struct bench {
	char *tmp;
	char path[PATH_MAX];
	struct config config;
	struct state_dir dir;
	struct admin admin;
	struct admin_request request;
	int64_t now_ms;
};

static void bench_open(struct bench *b)
{
	static char bus[] = "sim:";
	char err[256] = "";

	memset(b, 0, sizeof(*b));
	b->tmp = test_tmpdir();
	b->config.bus = bus;
	snprintf(b->path, sizeof(b->path), "%s/state", b->tmp);
	b->config.state_dir = b->path;
	b->now_ms = 1000;
	CU_ASSERT_EQUAL_FATAL(
		state_dir_open(&b->dir, &b->config, STATE_DIR_SUPERVISOR, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL_FATAL(admin_open(&b->admin, &b->dir), 0);
}

static void bench_close(struct bench *b)
{
	admin_close(&b->admin);
	state_dir_close(&b->dir);
	test_rmtree(b->tmp);
	free(b->tmp);
}

/* One round of the supervisor's loop, which never waits here. */
static bool round_of(struct bench *b, bool busy)
{
	struct pollfd fds[ADMIN_FDS];

	admin_timeout(&b->admin, b->now_ms);
	admin_fill(&b->admin, fds, busy);
	poll(fds, countof(fds), 0);
	return admin_poll(&b->admin, fds, &b->request, b->now_ms);
}

static int call(struct bench *b)
{
	int sock = state_dir_call_admin(&b->config);

	CU_ASSERT_FATAL(sock >= 0);
	return sock;
}

static void say(int sock, const char *text)
{
	CU_ASSERT_EQUAL(send(sock, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What has come: the length, 0: end, -1: nothing. */
static ssize_t hear(int sock, char packet[ADMIN_PACKET_MAX])
{
	return recv(sock, packet, ADMIN_PACKET_MAX, MSG_DONTWAIT);
}

/* Connects and asks; the request is there. */
static int ask(struct bench *b, const char *text)
{
	int sock = call(b);

	say(sock, text);
	CU_ASSERT_FALSE(round_of(b, false));
	CU_ASSERT_TRUE_FATAL(round_of(b, false));
	return sock;
}

static void request_is_answered_by_lines_and_a_status(void)
{
	char packet[ADMIN_PACKET_MAX];
	struct bench b;
	int sock;

	bench_open(&b);
	sock = ask(&b, "detach 1/0 2/0");
	CU_ASSERT_STRING_EQUAL(b.request.text, "detach 1/0 2/0");
	CU_ASSERT_EQUAL(b.request.fd, -1);
	admin_line(&b.admin, "guest %d", 1);
	round_of(&b, true);
	CU_ASSERT_EQUAL(hear(sock, packet), 8);
	CU_ASSERT_EQUAL(memcmp(packet, "guest 1\n", 8), 0);
	admin_line(&b.admin, "guest 2");
	admin_end(&b.admin, 3, b.now_ms);
	CU_ASSERT_FALSE(admin_idle(&b.admin));
	round_of(&b, false);
	CU_ASSERT_TRUE(admin_idle(&b.admin));
	CU_ASSERT_EQUAL(hear(sock, packet), 8);
	CU_ASSERT_EQUAL(hear(sock, packet), 2);
	CU_ASSERT_EQUAL(packet[0], 0);
	CU_ASSERT_EQUAL(packet[1], 3);
	CU_ASSERT_EQUAL(hear(sock, packet), 0);
	close(sock);
	bench_close(&b);
}

/* A request with so many descriptors, two at most. */
static void send_upgrade(int sock, unsigned nfds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = {.space = {0}};
	char text[] = "upgrade";
	struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
	struct msghdr packet = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = CMSG_SPACE(nfds * sizeof(int)),
	};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[] = {fd, fd};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, nfds * sizeof(int));
	CU_ASSERT_EQUAL(sendmsg(sock, &packet, 0), 7);
	close(fd);
}

static void program_comes_with_its_request(void)
{
	struct bench b;
	int sock;

	bench_open(&b);
	sock = call(&b);
	send_upgrade(sock, 1);
	round_of(&b, false);
	CU_ASSERT_TRUE_FATAL(round_of(&b, false));
	CU_ASSERT_FATAL(b.request.fd > 3);
	CU_ASSERT_EQUAL(fcntl(b.request.fd, F_GETFD), FD_CLOEXEC);
	close(b.request.fd);
	close(sock);
	bench_close(&b);
}

/* The others are closed, which the end of the test looks at. */
static void second_descriptor_is_not_taken(void)
{
	struct bench b;
	int sock;

	bench_open(&b);
	sock = call(&b);
	send_upgrade(sock, 2);
	round_of(&b, false);
	CU_ASSERT_TRUE_FATAL(round_of(&b, false));
	CU_ASSERT_FATAL(b.request.fd > 3);
	close(b.request.fd);
	close(sock);
	bench_close(&b);
}

static void client_that_asks_nothing_makes_room_for_the_next(void)
{
	struct bench b;
	int silent, next;

	bench_open(&b);
	silent = call(&b);
	round_of(&b, false);
	next = call(&b);
	say(next, "status");
	for (int i = 0; i < 5; i++)
		CU_ASSERT_FALSE(round_of(&b, false));
	b.now_ms += 11000;
	round_of(&b, false);
	CU_ASSERT_TRUE(round_of(&b, false));
	close(silent);
	close(next);
	bench_close(&b);
}

static void client_that_does_not_take_its_answer_is_dropped(void)
{
	struct bench b;
	int sock;

	bench_open(&b);
	sock = ask(&b, "status");
	for (int i = 0; i < 20000; i++)
		admin_line(&b.admin, "guest=%d state=connected", i);
	admin_end(&b.admin, 0, b.now_ms);
	for (int i = 0; i < 5; i++)
		round_of(&b, false);
	CU_ASSERT_FALSE(admin_idle(&b.admin));
	b.now_ms += 11000;
	round_of(&b, false);
	CU_ASSERT_TRUE(admin_idle(&b.admin));
	close(sock);
	bench_close(&b);
}

static void large_answer_comes_whole(void)
{
	char packet[ADMIN_PACKET_MAX];
	size_t total = 0;
	struct bench b;
	ssize_t size;
	int sock;

	bench_open(&b);
	sock = ask(&b, "status");
	for (int i = 0; i < 20000; i++)
		admin_line(&b.admin, "%09d", i);
	admin_end(&b.admin, 0, b.now_ms);
	do {
		round_of(&b, false);
		size = hear(sock, packet);
		if (size > 0 && packet[0] != '\0')
			total += (size_t)size;
	} while (size != 0);
	CU_ASSERT_EQUAL(total, 200000);
	close(sock);
	bench_close(&b);
}

static void client_that_goes_is_forgotten(void)
{
	struct bench b;
	int sock;

	bench_open(&b);
	sock = ask(&b, "detach");
	close(sock);
	round_of(&b, true);
	CU_ASSERT_TRUE(admin_idle(&b.admin));
	/* Whoever works on it need not care. */
	admin_line(&b.admin, "nobody hears this");
	admin_end(&b.admin, 0, b.now_ms);
	CU_ASSERT_TRUE(admin_idle(&b.admin));
	bench_close(&b);
}

static void client_that_says_more_than_it_has_to_is_dropped(void)
{
	static char endless[2 * ADMIN_PACKET_MAX];
	struct bench b;
	int sock;

	bench_open(&b);
	sock = ask(&b, "status");
	say(sock, "status");
	CU_ASSERT_FALSE(round_of(&b, true));
	CU_ASSERT_TRUE(admin_idle(&b.admin));
	close(sock);
	sock = call(&b);
	memset(endless, 'x', sizeof(endless) - 1);
	say(sock, endless);
	round_of(&b, false);
	CU_ASSERT_FALSE(round_of(&b, false));
	CU_ASSERT_TRUE(admin_idle(&b.admin));
	close(sock);
	bench_close(&b);
}

static void nobody_is_let_in_while_an_order_is_carried_out(void)
{
	struct bench b;
	int sock;

	bench_open(&b);
	sock = call(&b);
	say(sock, "status");
	for (int i = 0; i < 5; i++)
		CU_ASSERT_FALSE(round_of(&b, true));
	round_of(&b, false);
	CU_ASSERT_TRUE(round_of(&b, false));
	close(sock);
	bench_close(&b);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test tests[] = {
	TEST(request_is_answered_by_lines_and_a_status),
	TEST(program_comes_with_its_request),
	TEST(second_descriptor_is_not_taken),
	TEST(client_that_asks_nothing_makes_room_for_the_next),
	TEST(client_that_does_not_take_its_answer_is_dropped),
	TEST(large_answer_comes_whole),
	TEST(client_that_goes_is_forgotten),
	TEST(client_that_says_more_than_it_has_to_is_dropped),
	TEST(nobody_is_let_in_while_an_order_is_carried_out),
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "admin", tests, countof(tests));
}
