/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_handover.c - a keeper that is handed descriptors by one who lies: about their numbers, their
 * count, their order, and where the stream ends. It has them all under their numbers, and no other;
 * or none.
 *
 * Input: records: the count that is said and the one that is sent, the first number and the step,
 * one number that is out of line, and what is cut off. The last byte: whether it is made final.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/fuzz/fuzz.h"
#include "xen9pfsd/handover.h"
#include "xen9pfsd/keeper.h"

#define RECORD 12
#define BATCH 128 /* as handover.c has it */
#define FDS_MAX 1024
#define SOCK 12 /* ours: below KEEPER_FDS */
#define PEER 13
#define BATCHES 16

struct batch {
	uint32_t count;
	int32_t number[BATCH];
};

static void send_batch(const struct batch *batch, unsigned fds, size_t size)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(2 * BATCH * sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)batch, .iov_len = size};
	struct msghdr packet = {.msg_iov = &iov, .msg_iovlen = 1};
	int sent[2 * BATCH];

	for (unsigned i = 0; i < fds; i++)
		sent[i] = STDERR_FILENO;
	if (fds > 0) {
		packet.msg_control = control.space;
		packet.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), sent, fds * sizeof(int));
	}
	FUZZ_CHECK(sendmsg(PEER, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size);
}

struct expected {
	bool open[FDS_MAX]; /* in the end, if the receiver says that it is well */
	bool cut;	    /* a batch was not whole: nobody knows where the next one begins */
	bool over;	    /* an empty one was sent: what comes now is nobody's */
};

static void do_record(struct fuzz_input *in, struct expected *expected)
{
	struct batch batch = {.count = fuzz_u8(in)};
	unsigned fds = fuzz_u8(in), first = fuzz_u16(in) % FDS_MAX, step = fuzz_u8(in) % 8;
	unsigned odd = fuzz_u8(in), value = fuzz_u16(in), how = fuzz_u8(in);
	size_t size = sizeof(batch);

	if (batch.count > BATCH + 8)
		batch.count %= 4;
	if (how % 8 != 1)
		fds = batch.count;
	if (fds > 2 * BATCH - 3)
		fds = 2 * BATCH - 3;
	if (how % 8 == 4)
		first = KEEPER_ROOT;
	for (unsigned i = 0; i < BATCH; i++)
		batch.number[i] = (int32_t)(first + i * (step + 1));
	if (how % 8 == 2)
		batch.number[odd % BATCH] = (int32_t)(value << 8 | odd);
	if (how % 8 == 3)
		size = 1 + value % sizeof(batch);
	send_batch(&batch, fds, size);
	for (unsigned i = 0; i < batch.count && i < BATCH && !expected->over; i++) {
		if (batch.number[i] >= 0 && batch.number[i] < FDS_MAX)
			expected->open[batch.number[i]] = true;
	}
	expected->cut |= size < sizeof(batch);
	expected->over |= batch.count == 0 && !expected->cut;
}

static void begin(void)
{
	struct rlimit limit;
	int pair[2];

	FUZZ_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = FDS_MAX;
	FUZZ_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	FUZZ_CHECK(dup2(pair[0], SOCK) == SOCK && dup2(pair[1], PEER) == PEER);
	close_range(KEEPER_FDS, ~0u, 0);
}

/* The places below FUZZ_FDS are taken again. */
static void end(void)
{
	close_range(KEEPER_FDS, ~0u, 0);
	close(SOCK);
	close(PEER);
	fuzz_begin();
}

void fuzz_handover(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct expected expected = {.cut = false};
	int result;

	begin();
	for (unsigned i = 0; in.left > RECORD && i < BATCHES; i++) {
		struct fuzz_input record = {in.next, RECORD};

		do_record(&record, &expected);
		in.next += RECORD;
		in.left -= RECORD;
	}
	if (fuzz_u8(&in) % 4 != 0)
		FUZZ_CHECK(handover_commit(PEER) == 0);
	shutdown(PEER, SHUT_WR);
	result = handover_receive(SOCK);
	FUZZ_CHECK(result <= 0);
	FUZZ_CHECK(result == 0 || fcntl(KEEPER_ROOT, F_GETFD) < 0);
	for (int fd = KEEPER_FDS; fd < FDS_MAX && (result < 0 || !expected.cut); fd++)
		FUZZ_CHECK((fcntl(fd, F_GETFD) >= 0) == (result == 0 && expected.open[fd]));
	end();
}
