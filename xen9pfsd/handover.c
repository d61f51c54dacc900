/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * handover.c - see handover.h.
 *
 * The receiver needs no room to move things around in, so a table may be full: numbers come in
 * ascending order, all that are below are taken, hence the lowest free number, which is what the
 * kernel gives a received descriptor, is never above the one it has to go to. In a batch the same
 * holds when the last goes first.
 */
#include "xen9pfsd/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"
#include "xen9pfsd/keeper.h"

#define BATCH 128 /* the kernel takes 253 (SCM_MAX_FD) */
#define PATIENCE_S                                                                                 \
	30 /* without a byte: a worker may first have to finish what is with the storage */
#define REFS_WAIT_MS 1 /* the receiver is to take some out of the socket first */

/* A batch, or with a count of 0 the trailer. */
struct batch {
	uint32_t count;
	int32_t number[BATCH];
};

static const char all_here = 'a', all_yours = 'y';

/* Also a socket that came with other settings blocks, but not for ever. */
static int prepare(int sock)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};

	if (fcntl(sock, F_SETFL, 0) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return 0;
}

/* What errno of a socket call means here. */
static int failure(void)
{
	switch (errno) {
	case EAGAIN:
		return -ETIMEDOUT;
	case ECONNRESET:
		return -EPIPE;
	default:
		return -errno;
	}
}

static int wait_for_byte(int sock, char expected)
{
	char byte;
	ssize_t got;

	do {
		got = recv(sock, &byte, 1, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return failure();
	if (got == 0)
		return -EPIPE;
	return byte == expected ? 0 : -EBADMSG;
}

static int send_byte(int sock, char byte)
{
	ssize_t sent;

	do {
		sent = send(sock, &byte, 1, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? failure() : 0;
}

/* ---- sending ---- */

struct sender {
	int sock;
	bool all; /* what is open, rather than certain numbers */
	struct batch batch;
};

/* Too many descriptors of ours are in flight: a limit for those who have no privileges. */
static bool refs_wait(unsigned *waited_ms)
{
	static const struct timespec pause = {.tv_nsec = REFS_WAIT_MS * 1000000L};

	*waited_ms += REFS_WAIT_MS;
	nanosleep(&pause, NULL);
	return *waited_ms < PATIENCE_S * 1000;
}

/* Threads that are late may have closed some meanwhile: those were nobody's but theirs. */
static bool drop_closed(struct batch *batch)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		if (fcntl(batch->number[i], F_GETFD) >= 0)
			batch->number[kept++] = batch->number[i];
	}
	if (kept == batch->count)
		return false;
	batch->count = kept;
	return true;
}

static int send_once(struct sender *sender)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(BATCH * sizeof(int))];
	} control = {.space = {0}};
	size_t size = sender->batch.count * sizeof(int), sent = 0;
	unsigned waited_ms = 0;

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(&control.header), sender->batch.number, size);
	while (sent < sizeof(sender->batch)) {
		struct iovec iov = {.iov_base = (char *)&sender->batch + sent,
				    .iov_len = sizeof(sender->batch) - sent};
		struct msghdr packet = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t got;

		/* They travel with the first byte. */
		if (sent == 0 && size > 0) {
			packet.msg_control = control.space;
			packet.msg_controllen = CMSG_SPACE(size);
		}
		got = sendmsg(sender->sock, &packet, MSG_NOSIGNAL);
		if (got >= 0)
			sent += (size_t)got;
		else if (errno == ETOOMANYREFS && !refs_wait(&waited_ms))
			return -ETIMEDOUT;
		else if (errno != EINTR && errno != ETOOMANYREFS)
			return failure();
	}
	return 0;
}

static int send_batch(struct sender *sender)
{
	int err = send_once(sender);

	while (err == -EBADF && sender->all && drop_closed(&sender->batch))
		err = sender->batch.count > 0 ? send_once(sender) : 0;
	if (err == 0)
		sender->batch = (struct batch){.count = 0};
	return err;
}

static int push(struct sender *sender, int fd)
{
	sender->batch.number[sender->batch.count++] = fd;
	/* The root is not in line with the others: see place(). */
	return sender->batch.count == BATCH || fd == KEEPER_ROOT ? send_batch(sender) : 0;
}

static int finish(struct sender *sender)
{
	int err = sender->batch.count > 0 ? send_batch(sender) : 0;

	if (err == 0)
		err = send_batch(sender);
	return err < 0 ? err : wait_for_byte(sender->sock, all_here);
}

int handover_send(int sock, const int *fd, size_t count)
{
	struct sender sender = {.sock = sock};
	int err = prepare(sock);

	for (size_t i = 0; i < count && err == 0; i++)
		err = push(&sender, fd[i]);
	return err < 0 ? err : finish(&sender);
}

/* Asks for every number there can be, about 0.1 s where half a million files may be open. /proc
 * need not be there, and poll(2), which could ask for many at once, takes O_PATH descriptors for
 * closed ones. */
int handover_send_all(int sock)
{
	struct sender sender = {.sock = sock, .all = true};
	struct rlimit limit;
	int err = prepare(sock);

	if (err == 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
		err = -errno;
	if (err == 0)
		err = push(&sender, KEEPER_ROOT);
	for (int fd = KEEPER_FDS; err == 0 && (rlim_t)fd < limit.rlim_cur; fd++) {
		if (fd != sock && fcntl(fd, F_GETFD) >= 0)
			err = push(&sender, fd);
	}
	return err < 0 ? err : finish(&sender);
}

int handover_commit(int sock)
{
	return send_byte(sock, all_yours);
}

/* ---- receiving ---- */

struct receiver {
	int sock;
	int last; /* number that came last */
	struct batch batch;
	int fd[BATCH]; /* what has come with the batch */
	size_t count;
};

static int take_fds(struct receiver *receiver, struct msghdr *packet)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(packet);
	size_t size;

	if (header == NULL)
		return 0;
	if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	size = header->cmsg_len - CMSG_LEN(0);
	if (receiver->count + size / sizeof(int) > BATCH)
		return -EBADMSG;
	memcpy(receiver->fd + receiver->count, CMSG_DATA(header), size);
	receiver->count += size / sizeof(int);
	/* Some did not fit: into our buffer, or into our table. */
	return (packet->msg_flags & MSG_CTRUNC) != 0 ? -EMFILE : 0;
}

static int receive_batch(struct receiver *receiver)
{
	size_t received = 0;

	receiver->count = 0;
	while (received < sizeof(receiver->batch)) {
		union {
			struct cmsghdr header;
			char space[CMSG_SPACE(BATCH * sizeof(int))];
		} control;
		struct iovec iov = {.iov_base = (char *)&receiver->batch + received,
				    .iov_len = sizeof(receiver->batch) - received};
		struct msghdr packet = {.msg_iov = &iov,
					.msg_iovlen = 1,
					.msg_control = control.space,
					.msg_controllen = sizeof(control.space)};
		ssize_t got = recvmsg(receiver->sock, &packet, MSG_CMSG_CLOEXEC);
		int err;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failure();
		if (got == 0)
			return -EPIPE;
		received += (size_t)got;
		err = take_fds(receiver, &packet);
		if (err < 0)
			return err;
	}
	return receiver->batch.count == receiver->count ? 0 : -EBADMSG;
}

/* The root, alone and first; all else ascends from KEEPER_FDS. The sender may be hostile. */
static bool batch_is_good(const struct receiver *receiver)
{
	const struct batch *batch = &receiver->batch;
	int last = receiver->last;

	if (batch->count == 1 && batch->number[0] == KEEPER_ROOT)
		return last < KEEPER_ROOT;
	for (size_t i = 0; i < batch->count; i++) {
		if (batch->number[i] < KEEPER_FDS || batch->number[i] <= last)
			return false;
		last = batch->number[i];
	}
	return true;
}

static int place(struct receiver *receiver)
{
	const struct batch *batch = &receiver->batch;

	for (size_t i = batch->count; i-- > 0;) {
		if (receiver->fd[i] == batch->number[i])
			continue;
		if (dup3(receiver->fd[i], batch->number[i], O_CLOEXEC) < 0)
			return errno == EBADF ? -EMFILE : -errno; /* above our limit */
		close(receiver->fd[i]);
	}
	receiver->last = batch->number[batch->count - 1];
	return 0;
}

static int receive_all(struct receiver *receiver)
{
	int err = prepare(receiver->sock);

	while (err == 0) {
		err = receive_batch(receiver);
		if (err == 0 && receiver->batch.count == 0)
			break;
		if (err == 0)
			err = batch_is_good(receiver) ? place(receiver) : -EBADMSG;
	}
	if (err == 0)
		err = send_byte(receiver->sock, all_here);
	return err < 0 ? err : wait_for_byte(receiver->sock, all_yours);
}

int handover_receive(int sock)
{
	struct receiver receiver = {.sock = sock};
	int err = sock < KEEPER_FDS ? receive_all(&receiver) : -EINVAL;

	if (err < 0) {
		close(KEEPER_ROOT);
		close_range(KEEPER_FDS, ~0u, 0);
	}
	return err;
}
