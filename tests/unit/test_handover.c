/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_handover.c - descriptors move between processes under their numbers, all or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xen9pfsd/handover.h"
#include "xen9pfsd/keeper.h"

#define MANY 3000

/* What a receiver in a process of its own comes back with: 0 when what it has is as expected. */
enum { RECEIVED_WELL, RECEIVED_WRONG = 100, LEFT_SOMETHING };

/* Both sides know the numbers; a descriptor's offset is its number. */
struct numbers {
	size_t count;
	int fd[MANY];
};

static struct numbers sparse_numbers(size_t count, int step)
{
	struct numbers numbers = {.count = count};

	for (size_t i = 0; i < count; i++)
		numbers.fd[i] = KEEPER_FDS + (int)i * step + (int)i % 2;
	return numbers;
}

/* The process as a keeper's: fixed descriptors below KEEPER_FDS, nothing else. */
static void become_keeper(int sock)
{
	int null;

	dup2(sock, KEEPER_HANDOVER);
	null = open("/dev/null", O_RDWR);
	for (int fd = KEEPER_CONTROL; fd < KEEPER_FDS; fd++) {
		if (fd != KEEPER_HANDOVER)
			dup2(null, fd);
	}
	close_range(KEEPER_FDS, ~0u, 0);
}

static unsigned count_open(void)
{
	struct rlimit limit;
	unsigned count = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = KEEPER_FDS; (rlim_t)fd < limit.rlim_cur; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void open_numbers(const struct numbers *numbers)
{
	for (size_t i = 0; i < numbers->count; i++) {
		int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

		if (fd != numbers->fd[i]) {
			dup3(fd, numbers->fd[i], O_CLOEXEC);
			close(fd);
		}
		lseek(numbers->fd[i], numbers->fd[i], SEEK_SET);
	}
}

static bool numbers_are_good(const struct numbers *numbers)
{
	for (size_t i = 0; i < numbers->count; i++) {
		int fd = numbers->fd[i];

		if (lseek(fd, 0, SEEK_CUR) != fd || fcntl(fd, F_GETFD) != FD_CLOEXEC)
			return false;
		lseek(fd, fd + 1, SEEK_SET);
	}
	return count_open() == numbers->count && lseek(KEEPER_ROOT, 0, SEEK_CUR) == KEEPER_ROOT;
}

/* A receiver that expects `numbers`, or to get an error. Returns its pid. */
static pid_t start_receiver(int pair[2], const struct numbers *numbers, int expected)
{
	pid_t pid = fork();
	int err;

	if (pid != 0) {
		close(pair[1]);
		return pid;
	}
	become_keeper(pair[1]);
	err = handover_receive(KEEPER_HANDOVER);
	if (err != expected)
		_exit(err == 0 ? RECEIVED_WRONG : -err);
	if (err < 0)
		_exit(count_open() == 0 && fcntl(KEEPER_ROOT, F_GETFD) < 0 ? RECEIVED_WELL
									   : LEFT_SOMETHING);
	_exit(numbers_are_good(numbers) ? RECEIVED_WELL : RECEIVED_WRONG);
}

static void open_pair(int pair[2])
{
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void expect_exit(pid_t pid, int expected)
{
	int status;

	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE_FATAL(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), expected);
}

/* Runs `send` in a process that has `numbers` and a root; its result is the exit status. */
static pid_t start_sender(int sock, const struct numbers *numbers,
			  int (*send)(const struct numbers *numbers))
{
	pid_t pid = fork();

	if (pid != 0) {
		close(sock);
		return pid;
	}
	become_keeper(sock);
	dup2(open("/proc/self/exe", O_RDONLY), KEEPER_ROOT);
	lseek(KEEPER_ROOT, KEEPER_ROOT, SEEK_SET);
	close_range(KEEPER_FDS, ~0u, 0);
	open_numbers(numbers);
	_exit(-send(numbers));
}

static int send_all(const struct numbers *numbers)
{
	int err = handover_send_all(KEEPER_HANDOVER);

	if (err == 0)
		err = handover_commit(KEEPER_HANDOVER);
	/* The same open files: the receiver has moved them on, at the latest when it ends. */
	while (err == 0 && recv(KEEPER_HANDOVER, &err, 1, 0) > 0)
		;
	for (size_t i = 0; i < numbers->count && err == 0; i++) {
		if (lseek(numbers->fd[i], 0, SEEK_CUR) != numbers->fd[i] + 1)
			err = -ESTALE;
	}
	return err;
}

static void hand_over(const struct numbers *numbers)
{
	pid_t sender, receiver;
	int pair[2];

	open_pair(pair);
	receiver = start_receiver(pair, numbers, 0);
	sender = start_sender(pair[0], numbers, send_all);
	expect_exit(sender, 0);
	expect_exit(receiver, RECEIVED_WELL);
}

static void many_arrive_under_their_numbers(void)
{
	static struct numbers numbers;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	numbers = sparse_numbers(MANY, limit.rlim_cur > 4 * MANY ? 4 : 1);
	if (limit.rlim_cur < MANY + 100) {
		test_skip("too few files may be open");
		return;
	}
	hand_over(&numbers);
}

static void none_but_the_root_arrives(void)
{
	static const struct numbers none = {.count = 0};

	hand_over(&none);
}

static void full_table_arrives_in_a_table_of_its_size(void)
{
	static struct numbers numbers = {.count = 300};
	struct rlimit old, limit;

	for (int i = 0; i < 300; i++)
		numbers.fd[i] = KEEPER_FDS + i;
	getrlimit(RLIMIT_NOFILE, &old);
	limit = old;
	limit.rlim_cur = KEEPER_FDS + 300;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* The sender needs one more number to open its files. */
	numbers.count = 299;
	hand_over(&numbers);
	setrlimit(RLIMIT_NOFILE, &old);
}

static int send_bad(const struct numbers *numbers)
{
	int err;

	close(numbers->fd[numbers->count - 1]);
	err = handover_send(KEEPER_HANDOVER, numbers->fd, numbers->count);
	return err == -EBADF ? 0 : -EPROTO;
}

static void sender_that_ends_in_the_middle_leaves_nothing(void)
{
	static struct numbers numbers;
	pid_t sender, receiver;
	int pair[2];

	numbers = sparse_numbers(500, 2);
	open_pair(pair);
	receiver = start_receiver(pair, NULL, -EPIPE);
	sender = start_sender(pair[0], &numbers, send_bad);
	expect_exit(sender, 0);
	expect_exit(receiver, RECEIVED_WELL);
}

static int send_without_commit(const struct numbers *numbers)
{
	(void)numbers;
	return handover_send_all(KEEPER_HANDOVER);
}

static void nothing_is_final_without_a_commit(void)
{
	static struct numbers numbers;
	pid_t sender, receiver;
	int pair[2];

	numbers = sparse_numbers(500, 2);
	open_pair(pair);
	receiver = start_receiver(pair, NULL, -EPIPE);
	sender = start_sender(pair[0], &numbers, send_without_commit);
	expect_exit(sender, 0);
	expect_exit(receiver, RECEIVED_WELL);
}

static void killed_sender_leaves_nothing(void)
{
	static struct numbers numbers;
	pid_t sender, receiver;
	int pair[2];
	char byte;

	numbers = sparse_numbers(500, 2);
	open_pair(pair);
	/* Its first bytes are there, and nobody takes them: it does not get to an end. */
	sender = start_sender(dup(pair[0]), &numbers, send_without_commit);
	CU_ASSERT_EQUAL(recv(pair[1], &byte, 1, MSG_PEEK), 1);
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	close(pair[0]);
	receiver = start_receiver(pair, NULL, -EPIPE);
	expect_exit(receiver, RECEIVED_WELL);
}

static int send_into_nowhere(const struct numbers *numbers)
{
	int err = handover_send(KEEPER_HANDOVER, numbers->fd, numbers->count);

	return err == -EPIPE ? 0 : err;
}

static void sender_notices_that_the_receiver_is_gone(void)
{
	static struct numbers numbers;
	int pair[2];

	numbers = sparse_numbers(500, 2);
	open_pair(pair);
	close(pair[1]);
	expect_exit(start_sender(pair[0], &numbers, send_into_nowhere), 0);
}

static int send_as_they_are(const struct numbers *numbers)
{
	handover_send(KEEPER_HANDOVER, numbers->fd, numbers->count);
	return 0;
}

static int send_descending(const struct numbers *numbers)
{
	const struct numbers bad = {.count = 2, .fd = {numbers->fd[1], numbers->fd[0]}};

	return send_as_they_are(&bad);
}

static int send_twice(const struct numbers *numbers)
{
	const struct numbers bad = {.count = 2, .fd = {numbers->fd[0], numbers->fd[0]}};

	return send_as_they_are(&bad);
}

static int send_fixed(const struct numbers *numbers)
{
	const struct numbers bad = {.count = 2, .fd = {KEEPER_CONTROL, numbers->fd[0]}};

	return send_as_they_are(&bad);
}

static int send_root_late(const struct numbers *numbers)
{
	const struct numbers bad = {.count = 2, .fd = {numbers->fd[0], KEEPER_ROOT}};

	return send_as_they_are(&bad);
}

static int send_count_without_descriptors(const struct numbers *numbers)
{
	uint32_t words[1024] = {1, KEEPER_FDS};

	(void)numbers;
	return send(KEEPER_HANDOVER, words, sizeof(words), 0) < 0 ? -errno : 0;
}

static void numbers_that_make_no_sense_are_refused(void)
{
	static int (*const bad[])(const struct numbers *numbers) = {
		send_descending,
		send_twice,
		send_fixed,
		send_root_late,
		send_count_without_descriptors,
	};
	static struct numbers numbers;

	numbers = sparse_numbers(2, 1);
	for (size_t i = 0; i < countof(bad); i++) {
		pid_t sender, receiver;
		int pair[2];

		open_pair(pair);
		receiver = start_receiver(pair, NULL, -EBADMSG);
		sender = start_sender(pair[0], &numbers, bad[i]);
		expect_exit(sender, 0);
		expect_exit(receiver, RECEIVED_WELL);
	}
}

static void socket_in_the_way_is_refused(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		int err;

		become_keeper(STDERR_FILENO);
		dup2(KEEPER_HANDOVER, KEEPER_FDS);
		err = handover_receive(KEEPER_FDS);
		_exit(err == -EINVAL && count_open() == 0 ? 0 : 1);
	}
	expect_exit(pid, 0);
}

static const struct test tests[] = {
	{"many_arrive_under_their_numbers", many_arrive_under_their_numbers},
	{"none_but_the_root_arrives", none_but_the_root_arrives},
	{"full_table_arrives_in_a_table_of_its_size", full_table_arrives_in_a_table_of_its_size},
	{"sender_that_ends_in_the_middle_leaves_nothing",
	 sender_that_ends_in_the_middle_leaves_nothing},
	{"nothing_is_final_without_a_commit", nothing_is_final_without_a_commit},
	{"killed_sender_leaves_nothing", killed_sender_leaves_nothing},
	{"sender_notices_that_the_receiver_is_gone", sender_notices_that_the_receiver_is_gone},
	{"numbers_that_make_no_sense_are_refused", numbers_that_make_no_sense_are_refused},
	{"socket_in_the_way_is_refused", socket_in_the_way_is_refused},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "handover", tests, countof(tests));
}
