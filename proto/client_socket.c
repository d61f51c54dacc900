/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * client_socket.c - see client.h: messages over a stream socket, cut by their size fields.
 */
#include "proto/client.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/util.h"

struct socket_transport {
	struct client_transport transport;
	int fd;
	size_t in_start, in_size, out_size, out_sent;
	uint8_t in[P9_MSIZE_MAX]; /* what has arrived: a message starts at in_start */
	uint8_t out[P9_MSIZE_MAX];
};

static struct socket_transport *of(struct client_transport *transport)
{
	return container_of(transport, struct socket_transport, transport);
}

static void socket_close(struct client_transport *transport)
{
	struct socket_transport *s = of(transport);

	close(s->fd);
	free(s);
}

/* Pushes what waits to be sent. 0: all gone; -EAGAIN: some is left. */
static int push_out(struct socket_transport *s)
{
	while (s->out_sent < s->out_size) {
		ssize_t sent = send(s->fd, s->out + s->out_sent, s->out_size - s->out_sent,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -EAGAIN : -ENOTCONN;
		s->out_sent += (size_t)sent;
	}
	s->out_size = s->out_sent = 0;
	return 0;
}

static int socket_send(struct client_transport *transport, unsigned lane, const void *msg,
		       size_t size)
{
	struct socket_transport *s = of(transport);
	int result = push_out(s);

	(void)lane;
	if (result != 0)
		return result;
	if (size > sizeof(s->out))
		return -EMSGSIZE;
	memcpy(s->out, msg, size);
	s->out_size = size;
	result = push_out(s);
	return result == -EAGAIN ? 0 : result;
}

/* Size of the message at the start of `in`; 0 while that is not known; -EPROTO. */
static ssize_t message_size(const struct socket_transport *s, size_t most)
{
	uint32_t size;

	if (s->in_size < sizeof(size))
		return 0;
	memcpy(&size, s->in + s->in_start, sizeof(size));
	size = le32toh(size);
	return size < P9_HEADER_SIZE || size > most ? -EPROTO : (ssize_t)size;
}

/* Takes what the socket has. 0 or -EAGAIN, -ENOTCONN. */
static int pull_in(struct socket_transport *s)
{
	size_t end;
	ssize_t got;

	if (s->in_start + s->in_size == sizeof(s->in)) {
		memmove(s->in, s->in + s->in_start, s->in_size);
		s->in_start = 0;
	}
	end = s->in_start + s->in_size;
	got = recv(s->fd, s->in + end, sizeof(s->in) - end, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (got <= 0)
		return -ENOTCONN;
	s->in_size += (size_t)got;
	return 0;
}

static ssize_t socket_recv(struct client_transport *transport, void *buf, size_t most)
{
	struct socket_transport *s = of(transport);
	ssize_t size;

	for (;;) {
		int result;

		size = message_size(s, most < sizeof(s->in) ? most : sizeof(s->in));
		if (size < 0)
			return size;
		if (size > 0 && s->in_size >= (size_t)size)
			break;
		result = pull_in(s);
		if (result != 0)
			return result;
	}
	memcpy(buf, s->in + s->in_start, (size_t)size);
	s->in_size -= (size_t)size;
	s->in_start = s->in_size > 0 ? s->in_start + (size_t)size : 0;
	return size;
}

static unsigned socket_pollfds(struct client_transport *transport, struct pollfd *fds,
			       unsigned room)
{
	const struct socket_transport *s = of(transport);
	short out = s->out_sent < s->out_size ? POLLOUT : 0;

	if (room > 0)
		fds[0] = (struct pollfd){.fd = s->fd, .events = (short)(POLLIN | out)};
	return 1;
}

static int socket_wait(struct client_transport *transport, int timeout_ms)
{
	struct pollfd poll_fd;
	int result;

	socket_pollfds(transport, &poll_fd, 1);
	result = poll(&poll_fd, 1, timeout_ms);
	if (result == 0)
		return -ETIMEDOUT;
	if (result < 0)
		return errno == EINTR ? 0 : -errno;
	result = push_out(of(transport));
	return result == -EAGAIN ? 0 : result;
}

static const struct client_transport_ops socket_ops = {
	.close = socket_close,
	.send = socket_send,
	.recv = socket_recv,
	.wait = socket_wait,
	.pollfds = socket_pollfds,
};

int client_socket_open(int fd, struct client_transport **transport)
{
	struct socket_transport *s = malloc(sizeof(*s));

	if (s == NULL) {
		close(fd);
		return -ENOMEM;
	}
	s->transport = (struct client_transport){
		.ops = &socket_ops, .lanes = 1, .max_size = sizeof(s->out)};
	s->fd = fd;
	s->in_start = s->in_size = s->out_size = s->out_sent = 0;
	*transport = &s->transport;
	return 0;
}

static int connect_unix(const char *path, char *err, size_t errlen)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(err, errlen, "unix:%s: the path is too long", path);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;

		snprintf(err, errlen, "unix:%s: %s", path, strerror(error));
		return -error;
	}
	return take_fd(&fd);
}

/* The first of the addresses that lets us in. */
static int connect_any(const struct addrinfo *list)
{
	int error = ENOENT;

	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
		int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);

		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			return fd;
		error = errno;
		if (fd >= 0)
			close(fd);
	}
	return -error;
}

static int connect_tcp(const char *address, char *err, size_t errlen)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':');
	_cleanup_free_ char *host =
		colon != NULL ? strndup(address, (size_t)(colon - address)) : NULL;
	struct addrinfo *list;
	int result;

	if (host == NULL) {
		snprintf(err, errlen, "tcp:%s: no port", address);
		return -EINVAL;
	}
	result = getaddrinfo(host, colon + 1, &hints, &list);
	if (result != 0) {
		snprintf(err, errlen, "tcp:%s: %s", address, gai_strerror(result));
		return -ENOENT;
	}
	result = connect_any(list);
	freeaddrinfo(list);
	if (result < 0)
		snprintf(err, errlen, "tcp:%s: %s", address, strerror(-result));
	return result;
}

int client_socket_connect(const char *address, struct client_transport **transport, char *err,
			  size_t errlen)
{
	int fd;

	if (strncmp(address, "unix:", 5) == 0) {
		fd = connect_unix(address + 5, err, errlen);
	} else if (strncmp(address, "tcp:", 4) == 0) {
		fd = connect_tcp(address + 4, err, errlen);
	} else {
		snprintf(err, errlen, "\"%s\" is neither unix:PATH nor tcp:HOST:PORT", address);
		return -EINVAL;
	}
	return fd < 0 ? fd : client_socket_open(fd, transport);
}
