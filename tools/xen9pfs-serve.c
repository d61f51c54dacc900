/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * xen9pfs-serve - the daemon's engine on a unix or TCP socket, for stock 9P clients, tests and
 * debugging. There is no authentication: whoever can connect has the directory.
 *
 * Each connection is a session with one lane. Bytes that arrive are read ahead, and gathered into
 * the one request they belong to; replies are written in the order in which they are finished.
 */
#include <config.h>

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/log.h"
#include "common/util.h"
#include "fs/export.h"
#include "proto/session.h"
#include "xen9pfsd/export_args.h"
#include "xen9pfsd/runner.h"

#define BACKLOG 64
#define RESERVE 512    /* descriptors that are not a session's to keep */
#define AHEAD 16384    /* bytes read at once; what a message misses beyond is read into it */
#define LINGER_MS 1000 /* for requests that are with the storage at the end */

struct options {
	const char *listen, *path;
	uint32_t msize;
	enum log_level log_level;
};

struct server {
	struct options options;
	struct fs_export export;
	struct fs_groups *groups;
	struct fs *fs;
	struct runner *runner;
	struct runner_source listener, signals;
	struct runner_poller poller;
	LIST_HEAD(, connection) connections;
	struct connection *recent; /* the one that sent last, of those that are open; or NULL */
	uint32_t evict_at;	   /* of a session_config */
	bool stopping;
};

struct connection {
	LIST_ENTRY(connection) link; /* server::connections */
	struct server *server;
	struct lane lane;
	struct runner_source source;
	struct runner_task round_end;
	struct session *session;
	bool closing, wants_output, paused;

	/* The message that is arriving: first its size, then all of it, in `req`. */
	uint8_t size_bytes[4];
	struct req *req;
	uint32_t got;

	/* Read, and not yet gathered. `drained`: the socket had no more in this round. */
	uint8_t ahead[AHEAD];
	uint32_t ahead_at, ahead_end;
	bool drained;

	struct req_queue unsent;
	uint32_t sent; /* of the first in `unsent` */
};

/* ---- the end of a connection ---- */

/* When the connection closed, and when a late request came back. */
static void connection_reap(struct connection *c)
{
	struct server *server = c->server;

	if (!session_idle(c->session))
		return;
	LIST_REMOVE(c, link);
	session_destroy(c->session);
	free(c);
	if (server->stopping && LIST_EMPTY(&server->connections))
		runner_stop(server->runner);
}

static void connection_close(struct connection *c)
{
	int fd = c->source.fd;
	struct req *req;

	if (c->closing)
		return;
	c->closing = true;
	if (c->server->recent == c)
		c->server->recent = NULL;
	runner_remove(c->server->runner, &c->source);
	close(fd);
	session_close(c->session);
	if (c->req != NULL)
		session_sent(c->req);
	while ((req = STAILQ_FIRST(&c->unsent)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->unsent, link);
		session_sent(req);
	}
	runner_later(c->server->runner, &c->round_end);
}

/* ---- replies ---- */

static void want_events(struct connection *c, bool paused, bool output)
{
	if (c->closing || (c->paused == paused && c->wants_output == output))
		return;
	c->paused = paused;
	c->wants_output = output;
	runner_modify(c->server->runner, &c->source,
		      (paused ? 0 : EPOLLIN) | (output ? EPOLLOUT : 0u));
}

/* Writes what the socket takes. */
static void connection_write(struct connection *c)
{
	struct req *req;

	while (!c->closing && (req = STAILQ_FIRST(&c->unsent)) != NULL) {
		ssize_t n = send(c->source.fd, req->out + c->sent, req->out_size - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			want_events(c, c->paused, true);
			return;
		}
		if (n < 0) {
			connection_close(c);
			return;
		}
		c->sent += (uint32_t)n;
		if (c->sent < req->out_size)
			continue;
		c->sent = 0;
		STAILQ_REMOVE_HEAD(&c->unsent, link);
		session_sent(req);
	}
	want_events(c, c->paused, false);
}

static void connection_send(struct lane *lane, struct req *req)
{
	struct connection *c = container_of(lane, struct connection, lane);
	bool first = STAILQ_EMPTY(&c->unsent);

	if (c->closing) {
		session_sent(req);
		return;
	}
	STAILQ_INSERT_TAIL(&c->unsent, req, link);
	if (first)
		connection_write(c);
}

/* A connection that was paused may have its next message in memory: no event tells. */
static void connection_released(struct lane *lane)
{
	struct connection *c = container_of(lane, struct connection, lane);

	if (c->closing || c->paused)
		runner_later(c->server->runner, &c->round_end);
	want_events(c, false, c->wants_output);
}

/* ---- requests ---- */

/* Up to `want` bytes of the socket; less: it has no more for now. -1: the connection is over. */
static ssize_t read_socket(struct connection *c, uint8_t *to, uint32_t want)
{
	ssize_t n = recv(c->source.fd, to, want, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 0;
	else if (n <= 0)
		return -1;
	c->drained = (uint32_t)n < want;
	return n;
}

/* What comes next, at least a byte of it unless the socket is drained. */
static ssize_t read_some(struct connection *c, uint8_t *to, uint32_t want)
{
	ssize_t n;

	if (c->ahead_at == c->ahead_end && want >= AHEAD)
		return read_socket(c, to, want);
	if (c->ahead_at == c->ahead_end) {
		n = read_socket(c, c->ahead, AHEAD);
		if (n < 0)
			return n;
		c->ahead_at = 0;
		c->ahead_end = (uint32_t)n;
	}
	if (want > c->ahead_end - c->ahead_at)
		want = c->ahead_end - c->ahead_at;
	memcpy(to, c->ahead + c->ahead_at, want);
	c->ahead_at += want;
	return want;
}

/* Reads up to `want` bytes. 1: all there; 0: not yet; -1: the connection is over. */
static int gather(struct connection *c, uint8_t *to, uint32_t want)
{
	while (c->got < want) {
		ssize_t n;

		if (c->drained && c->ahead_at == c->ahead_end)
			return 0;
		n = read_some(c, to + c->got, want - c->got);
		if (n < 0)
			return -1;
		c->got += (uint32_t)n;
	}
	return 1;
}

/* The size field is there: makes the request, unless too many are under way (0 then). */
static int begin_request(struct connection *c)
{
	uint32_t size = c->size_bytes[0] | (uint32_t)c->size_bytes[1] << 8 |
			(uint32_t)c->size_bytes[2] << 16 | (uint32_t)c->size_bytes[3] << 24;

	if (size < P9_HEADER_SIZE || size > session_max_message(c->session)) {
		log_warning("message of %u bytes, %u allowed: connection closed", size,
			    session_max_message(c->session));
		return -1;
	}
	c->req = session_request(c->session, &c->lane, size);
	if (c->req == NULL) {
		want_events(c, true, c->wants_output);
		return 0;
	}
	memcpy(c->req->in, c->size_bytes, sizeof(c->size_bytes));
	return 1;
}

/* Takes one message. 1: taken; 0: it is not all there; -1: the connection is over. */
static int take_message(struct connection *c)
{
	struct req *req;
	int got = 1;

	if (c->req == NULL) {
		got = gather(c, c->size_bytes, sizeof(c->size_bytes));
		if (got > 0)
			got = begin_request(c);
	}
	if (got > 0)
		got = gather(c, c->req->in, c->req->in_size);
	if (got <= 0)
		return got;
	req = c->req;
	c->req = NULL;
	c->got = 0;
	session_receive(req);
	return 1;
}

/* Tells whether there was any. */
static bool take_messages(struct connection *c)
{
	bool some = false;
	int got;

	c->drained = false;
	while ((got = take_message(c)) > 0)
		some = true;
	if (got < 0)
		connection_close(c);
	return some;
}

static void connection_ready(struct runner_source *source, uint32_t events)
{
	struct connection *c = container_of(source, struct connection, source);

	if ((events & EPOLLOUT) != 0)
		connection_write(c);
	if (c->closing || (events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	c->server->recent = c;
	take_messages(c);
}

/* Who just had a reply is the one who asks next. On a unix socket: what comes over a network takes
 * longer than it pays to look. */
static bool connection_look(struct runner_poller *poller)
{
	struct connection *c = container_of(poller, struct server, poller)->recent;

	return c != NULL && !c->paused && take_messages(c);
}

/* What comes after the last look makes the socket readable. */
static void connection_rest(struct runner_poller *poller)
{
	(void)poller;
}

static void connection_round_end(struct runner_task *task)
{
	struct connection *c = container_of(task, struct connection, round_end);

	if (c->closing)
		connection_reap(c);
	else
		take_messages(c);
}

/* ---- listening ---- */

static void connection_create(struct server *server, int fd)
{
	struct session_config config = {
		.msize_max = server->options.msize,
		.evict_at = server->evict_at,
	};
	struct connection *c = calloc(1, sizeof(*c));
	int nodelay = 1;

	export_args_session(&server->export, &config);
	if (c == NULL || session_create(server->fs, &config, runner_executor(server->runner), NULL,
					&c->session) < 0) {
		log_error("out of memory: connection refused");
		free(c);
		close(fd);
		return;
	}
	/* Fails on a unix socket, which has nothing to delay. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
	c->server = server;
	c->lane = (struct lane){.send = connection_send, .released = connection_released};
	c->source = (struct runner_source){.fd = fd, .ready = connection_ready};
	c->round_end.run = connection_round_end;
	STAILQ_INIT(&c->unsent);
	LIST_INSERT_HEAD(&server->connections, c, link);
	if (runner_add(server->runner, &c->source, EPOLLIN) < 0)
		connection_close(c);
}

static void listener_ready(struct runner_source *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, listener);
	int fd;

	(void)events;
	fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		connection_create(server, fd);
	else if (errno != EAGAIN && errno != ECONNABORTED)
		log_warning("cannot accept a connection: %s", strerror(errno));
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	return -errno;
}

/* ADDR:PORT; an IPv6 address in brackets. */
static int listen_tcp(const char *text)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	_cleanup_free_ char *host = strdup(text);
	struct addrinfo *address;
	char *port = host != NULL ? strrchr(host, ':') : NULL, *name = host;
	int fd, on = 1;

	if (port == NULL)
		return -EINVAL;
	*port++ = '\0';
	if (name[0] == '[' && name[strlen(name) - 1] == ']') {
		name[strlen(name) - 1] = '\0';
		name++;
	}
	if (getaddrinfo(name, port, &hints, &address) != 0)
		return -EINVAL;
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		fd = -errno;
	freeaddrinfo(address);
	return fd;
}

static bool is_unix(const char *where)
{
	return strncmp(where, "unix:", 5) == 0;
}

static int listen_on(const char *where)
{
	if (is_unix(where))
		return listen_unix(where + 5);
	if (strncmp(where, "tcp:", 4) == 0)
		return listen_tcp(where + 4);
	return -EINVAL;
}

/* ---- start and end ---- */

/* Ends when the storage has given back all requests; told again, without them. */
static void stop(struct runner_source *source, uint32_t events)
{
	struct server *server = container_of(source, struct server, signals);
	struct signalfd_siginfo info;
	int listener = server->listener.fd;
	struct connection *c;

	(void)events;
	if (server->stopping)
		_exit(EXIT_FAILURE);
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return;
	server->stopping = true;
	runner_remove(server->runner, &server->listener);
	close(listener);
	LIST_FOREACH (c, &server->connections, link)
		connection_close(c);
	if (LIST_EMPTY(&server->connections))
		runner_stop(server->runner);
}

static int open_export(struct server *server, char *err, size_t errlen)
{
	const struct options *o = &server->options;
	_cleanup_close_ int root = open(o->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (root < 0) {
		snprintf(err, errlen, "--path %s: %s", o->path, strerror(errno));
		return -errno;
	}
	ret = fs_export_groups(&server->export, &server->groups, err, errlen);
	return ret < 0 ? ret
		       : fs_export_open(&server->export, root, server->groups, &server->fs, err,
					errlen);
}

/* Before there are threads: they take the mask from the one that makes them. */
static int block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int begin(struct server *server, char *err, size_t errlen)
{
	const struct options *o = &server->options;
	int ret = open_export(server, err, errlen);

	if (ret < 0)
		return ret;
	server->signals = (struct runner_source){.fd = block_signals(), .ready = stop};
	server->poller = (struct runner_poller){.look = connection_look, .rest = connection_rest};
	ret = runner_create(&server->runner);
	if (ret == 0 && is_unix(o->listen))
		runner_set_poller(server->runner, &server->poller, true);
	if (ret == 0)
		ret = runner_start(server->runner);
	if (ret == 0)
		ret = runner_add(server->runner, &server->signals, EPOLLIN);
	if (ret < 0) {
		snprintf(err, errlen, "cannot start: %s", strerror(-ret));
		return ret;
	}
	ret = listen_on(o->listen);
	if (ret < 0) {
		snprintf(err, errlen, "--listen %s: %s", o->listen, strerror(-ret));
		return ret;
	}
	server->listener = (struct runner_source){.fd = ret, .ready = listener_ready};
	return runner_add(server->runner, &server->listener, EPOLLIN);
}

static void finish(struct server *server)
{
	const char *listen = server->options.listen;

	close(server->signals.fd);
	if (is_unix(listen))
		unlink(listen + 5);
	if (!runner_destroy(server->runner, LINGER_MS)) {
		log_warning("the storage still keeps requests; ending without them");
		_exit(EXIT_SUCCESS);
	}
	fs_destroy(server->fs);
	fs_groups_free(server->groups);
}

/* ---- options ---- */

#define OPTION_PATH 'p'
#define OPTION_LISTEN 'L'
#define OPTION_MODEL 's'
#define OPTION_MSIZE 'm'
#define OPTION_LOG_LEVEL 'l'

static const struct argp_option option_table[] = {
	{"listen", OPTION_LISTEN, "WHERE", 0, "unix:PATH or tcp:ADDR:PORT", 0},
	{"path", OPTION_PATH, "DIR", 0, "Directory to export", 0},
	{"security-model", OPTION_MODEL, "MODEL", 0, "The same as --ownership", 0},
	{"msize", OPTION_MSIZE, "BYTES", 0, "Largest message, 4096 to 1048576 (default)", 0},
	{"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warning, info (default) or debug", 0},
	{0},
};

static void set_export(struct server *server, const char *name, const char *value,
		       struct argp_state *state)
{
	char text[256];

	if (fs_export_set(&server->export, name, value, text, sizeof(text)) < 0)
		argp_error(state, "--%s", text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct server *server = state->input;
	struct options *o = &server->options;
	char *end;

	switch (key) {
	case OPTION_LISTEN:
		o->listen = arg;
		return 0;
	case OPTION_PATH:
		o->path = arg;
		return 0;
	case OPTION_MODEL:
		set_export(server, "ownership", arg, state);
		return 0;
	case OPTION_MSIZE:
		o->msize = (uint32_t)strtoul(arg, &end, 10);
		if (*end != '\0' || o->msize < P9_MSIZE_MIN || o->msize > P9_MSIZE_MAX)
			argp_error(state, "--msize %s: not a number from %d to %d", arg,
				   P9_MSIZE_MIN, P9_MSIZE_MAX);
		return 0;
	case OPTION_LOG_LEVEL:
		if (!log_level_parse(arg, &o->log_level))
			argp_error(state, "--log-level %s: no such level", arg);
		return 0;
	case ARGP_KEY_END:
		if (o->listen == NULL || o->path == NULL)
			argp_error(state, "--listen and --path are needed");
		return 0;
	}
	if (export_args_name(key) == NULL)
		return ARGP_ERR_UNKNOWN;
	set_export(server, export_args_name(key), export_args_value(arg), state);
	return 0;
}

/* What requests under way and the rest of the process need stays free. */
static uint32_t evict_at(rlim_t limit)
{
	if (limit > UINT32_MAX)
		return UINT32_MAX;
	return (uint32_t)(limit > 4 * RESERVE ? limit - RESERVE : limit - limit / 4);
}

const char *argp_program_version = "xen9pfs-serve (" PACKAGE_STRING ")";

int main(int argc, char **argv)
{
	struct argp_option options[countof(option_table) + EXPORT_ARGS_MAX];
	const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Serves a directory over 9P on a socket, for tests and debugging.\v"
		       "There is no authentication: whoever can connect may do everything.",
	};
	struct server server = {
		.options = {.msize = P9_MSIZE_MAX, .log_level = LOG_LEVEL_INFO},
	};
	char text[256];
	struct rlimit files;

	export_args_append(options, option_table);
	argp_parse(&argp, argc, argv, 0, NULL, &server);
	log_init("xen9pfs-serve", "", server.options.log_level);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
		server.evict_at = evict_at(files.rlim_cur);
	}
	if (begin(&server, text, sizeof(text)) < 0) {
		log_error("%s", text);
		return EXIT_FAILURE;
	}
	log_info("%s on %s, without authentication", server.options.path, server.options.listen);
	runner_run(server.runner);
	finish(&server);
	return EXIT_SUCCESS;
}
