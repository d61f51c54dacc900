/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bus.c - the process in the middle of the simulated bus: sockets, and one handler for each
 * request, which checks its form and calls sim_store.c or sim_broker.c.
 *
 * Anybody may connect and send anything: a request is one packet of bounded size, a reply or an
 * event that a client does not take costs that client its connection. A connection that has to
 * go is only marked, then taken apart when nobody is in the midst of a list. What a process held
 * is free as soon as it has closed or died, as on Xen: a round of the loop looks for ends of
 * connections first, then at requests.
 */
#include "xenbus/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xenbus/sim_broker.h"
#include "xenbus/sim_store.h"
#include "xenbus/sim_wire.h"

#define EVENTS_MAX 16384 /* that wait for one client, no two the same */
#define ROUND_MAX 1024	 /* sources that one round of the loop looks at */

struct sim_bus;
TAILQ_HEAD(connections, connection);

/* Something with a descriptor in the loop. */
struct source {
	void (*ready)(struct sim_bus *bus, struct source *source, uint32_t events);
	int fd;
};

struct event {
	STAILQ_ENTRY(event) entry; /* connection.events */
	size_t size;
	char bytes[]; /* path, NUL, token, NUL */
};

struct connection {
	TAILQ_ENTRY(connection) entry; /* sim_bus.connections or .gone */
	struct sim_bus *bus;
	struct source requests;
	struct source event_socket; /* .fd -1 until SIM_EVENTS */
	struct sim_client client;
	struct sim_peer peer;
	bool greeted;
	bool dead;
	unsigned event_count;
	STAILQ_HEAD(, event) events;
};

struct sim_bus {
	int epoll;
	struct source listener;
	struct source stopper;
	bool stop;
	bool accepting;
	bool reap; /* some connection is dead */
	struct connections connections;
	struct connections gone; /* empty shells that this round's events may point to */
	struct epoll_event round[ROUND_MAX];
	struct sim_store store;
	struct sim_broker broker;
	struct sim_request request; /* of the moment, with data and a NUL behind it */
	char data[SIM_REQUEST_DATA + 1];
	char answer[SIM_REPLY_DATA];
};

/* A request under way: what came and what goes back. */
struct exchange {
	const struct sim_request *request;
	const char *data; /* ends with a NUL that `length` does not count */
	size_t length;
	char *answer; /* room for SIM_REPLY_DATA */
	size_t answered;
	int fds[SIM_FDS_MAX];
	unsigned nfds;
	int spare; /* a descriptor to close when the reply has left, or -1 */
};

static int watch_source(struct sim_bus *bus, int op, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(bus->epoll, op, source->fd, &event) < 0 ? -errno : 0;
}

static void connection_kill(struct connection *connection)
{
	connection->dead = true;
	connection->bus->reap = true;
}

/* --- events of watches --------------------------------------------------------------------- */

static void drop_event(struct connection *connection)
{
	struct event *event = STAILQ_FIRST(&connection->events);

	STAILQ_REMOVE_HEAD(&connection->events, entry);
	connection->event_count--;
	free(event);
}

static void flush_events(struct connection *connection)
{
	const struct event *event;

	while ((event = STAILQ_FIRST(&connection->events)) != NULL) {
		if (send(connection->event_socket.fd, event->bytes, event->size,
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		drop_event(connection);
	}
	if (event != NULL && errno != EAGAIN)
		connection_kill(connection);
	else
		watch_source(connection->bus, EPOLL_CTL_MOD, &connection->event_socket,
			     event != NULL ? EPOLLOUT : 0);
}

/* Is the same news waiting already? Then the client will look anyway. */
static bool event_waits(const struct connection *connection, const struct event *news)
{
	const struct event *event;

	STAILQ_FOREACH (event, &connection->events, entry) {
		if (event->size == news->size && memcmp(event->bytes, news->bytes, news->size) == 0)
			return true;
	}
	return false;
}

static void client_event(struct sim_client *client, const char *path, const char *token)
{
	struct connection *connection = container_of(client, struct connection, client);
	size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
	struct event *event;

	if (connection->dead || connection->event_socket.fd < 0)
		return;
	event = malloc(sizeof(*event) + path_size + token_size);
	if (event == NULL || connection->event_count >= EVENTS_MAX) {
		free(event);
		connection_kill(connection);
		return;
	}
	event->size = path_size + token_size;
	memcpy(event->bytes, path, path_size);
	memcpy(event->bytes + path_size, token, token_size);
	if (event_waits(connection, event)) {
		free(event);
		return;
	}
	STAILQ_INSERT_TAIL(&connection->events, event, entry);
	if (connection->event_count++ == 0)
		flush_events(connection);
}

static void event_socket_ready(struct sim_bus *bus, struct source *source, uint32_t events)
{
	struct connection *connection = container_of(source, struct connection, event_socket);

	(void)bus;
	if (events & EPOLLHUP)
		connection_kill(connection);
	else if (!connection->dead)
		flush_events(connection);
}

static int serve_events(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	int ends[2], result;

	if (connection->event_socket.fd >= 0)
		return -EEXIST;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	connection->event_socket.fd = ends[0];
	x->spare = x->fds[0] = ends[1];
	result = watch_source(bus, EPOLL_CTL_ADD, &connection->event_socket, 0);
	if (result < 0)
		connection_kill(connection);
	else
		x->nfds = 1;
	return result;
}

/* --- requests to the store ----------------------------------------------------------------- */

/* The one string that some requests consist of. */
static int only_string(const struct exchange *x, const char **string)
{
	*string = x->data;
	return strlen(x->data) == x->length ? 0 : -EINVAL;
}

/* The string before the first NUL, and what stands behind that. */
static int string_and_rest(const struct exchange *x, const char **string, const char **rest,
			   size_t *rest_length)
{
	size_t size = strlen(x->data) + 1;

	if (size > x->length)
		return -EINVAL;
	*string = x->data;
	*rest = x->data + size;
	*rest_length = x->length - size;
	return 0;
}

static int serve_read(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	const void *value = NULL;
	const char *path;
	ssize_t length;

	if (only_string(x, &path) < 0)
		return -EINVAL;
	length = sim_store_read(&bus->store, &connection->client, x->request->txn, path, &value);
	if (length < 0)
		return (int)length;
	if (length > 0)
		memcpy(x->answer, value, (size_t)length);
	x->answered = (size_t)length;
	return 0;
}

static int serve_write(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	const char *path, *value;
	size_t length;

	if (string_and_rest(x, &path, &value, &length) < 0)
		return -EINVAL;
	return sim_store_write(&bus->store, &connection->client, x->request->txn, path, value,
			       length);
}

static int serve_remove(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	const char *path;

	if (only_string(x, &path) < 0)
		return -EINVAL;
	return sim_store_remove(&bus->store, &connection->client, x->request->txn, path);
}

static int serve_list(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	const char *path;

	if (only_string(x, &path) < 0)
		return -EINVAL;
	return sim_store_list(&bus->store, &connection->client, x->request->txn, path, x->answer,
			      SIM_REPLY_DATA, &x->answered);
}

static int serve_grant_read(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	struct sim_perms perms = {.owner = x->request->domid, .reader = x->request->number};
	const char *path;

	if (only_string(x, &path) < 0)
		return -EINVAL;
	return sim_store_grant_read(&bus->store, &connection->client, x->request->txn, path, perms);
}

static int serve_begin(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)x;
	return sim_store_begin(&bus->store, &connection->client);
}

static int serve_end(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	return sim_store_end(&bus->store, &connection->client, x->request->txn,
			     x->request->number != 0);
}

static int serve_watch(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	const char *path, *token;
	size_t length;

	if (string_and_rest(x, &path, &token, &length) < 0)
		return -EINVAL;
	return sim_store_watch(&bus->store, &connection->client, path, token);
}

static int serve_unwatch(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	const char *path, *token;
	size_t length;

	if (string_and_rest(x, &path, &token, &length) < 0)
		return -EINVAL;
	return sim_store_unwatch(&bus->store, &connection->client, path, token);
}

/* --- requests to the broker ---------------------------------------------------------------- */

static int serve_claim(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	int result;

	result = sim_peer_claim(&bus->broker, &connection->peer, x->request->number, x->fds);
	if (result < 0)
		return result;
	x->nfds = 1;
	sim_store_announce(&bus->store, "@introduceDomain");
	return result;
}

static int serve_grant(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)bus;
	return sim_peer_grant(&connection->peer, x->request->number, x->request->domid);
}

static int serve_ungrant(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)bus;
	return sim_peer_ungrant(&connection->peer, x->request->number);
}

static int serve_port_alloc(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	int port = sim_peer_port_alloc(&connection->peer, x->request->domid, x->fds);

	(void)bus;
	x->nfds = port > 0 ? SIM_FDS_MAX : 0;
	return port;
}

static int serve_port_free(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)bus;
	return sim_peer_port_free(&connection->peer, x->request->number);
}

static int serve_restrict(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)bus;
	return sim_peer_restrict(&connection->peer, x->request->domid);
}

static int serve_bind(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	int port = sim_peer_bind(&bus->broker, &connection->peer, x->request->domid,
				 x->request->number, x->fds);

	x->nfds = port > 0 ? SIM_FDS_MAX : 0;
	return port;
}

static int serve_unbind(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)bus;
	return sim_peer_unbind(&connection->peer, x->request->number);
}

static int serve_map(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	uint32_t refs[SIM_MAP_MAX], pages[SIM_MAP_MAX];
	size_t count = x->length / sizeof(*refs);
	int mapping;

	if (count == 0 || x->length % sizeof(*refs) != 0)
		return -EINVAL;
	memcpy(refs, x->data, x->length);
	mapping = sim_peer_map(&bus->broker, &connection->peer, x->request->domid, refs, count,
			       pages, x->fds);
	if (mapping < 0)
		return mapping;
	x->nfds = 1;
	x->answered = x->length;
	memcpy(x->answer, pages, x->answered);
	return mapping;
}

static int serve_unmap(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	(void)bus;
	return sim_peer_unmap(&connection->peer, x->request->number);
}

static int serve_usage(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	struct sim_usage usage = {0};

	(void)connection;
	sim_broker_usage(&bus->broker, x->request->domid, &usage);
	usage.store_nodes = sim_store_count(&bus->store, x->request->domid);
	x->answered = sizeof(usage);
	memcpy(x->answer, &usage, sizeof(usage));
	return 0;
}

/* --- connections --------------------------------------------------------------------------- */

static int serve_hello(struct sim_bus *bus, struct connection *connection, struct exchange *x)
{
	uint32_t domid = x->request->domid;

	if (connection->greeted || domid > SIM_DOMID_MAX)
		return -EINVAL;
	connection->client.domid = domid;
	connection->peer.domid = domid;
	connection->greeted = true;
	return sim_store_introduce(&bus->store, domid);
}

static int (*const serve[SIM_OPS])(struct sim_bus *bus, struct connection *connection,
				   struct exchange *x) = {
	[SIM_HELLO] = serve_hello,
	[SIM_EVENTS] = serve_events,
	[SIM_READ] = serve_read,
	[SIM_WRITE] = serve_write,
	[SIM_REMOVE] = serve_remove,
	[SIM_LIST] = serve_list,
	[SIM_GRANT_READ] = serve_grant_read,
	[SIM_BEGIN] = serve_begin,
	[SIM_END] = serve_end,
	[SIM_WATCH] = serve_watch,
	[SIM_UNWATCH] = serve_unwatch,
	[SIM_CLAIM] = serve_claim,
	[SIM_GRANT] = serve_grant,
	[SIM_UNGRANT] = serve_ungrant,
	[SIM_PORT_ALLOC] = serve_port_alloc,
	[SIM_PORT_FREE] = serve_port_free,
	[SIM_RESTRICT] = serve_restrict,
	[SIM_BIND] = serve_bind,
	[SIM_UNBIND] = serve_unbind,
	[SIM_MAP] = serve_map,
	[SIM_UNMAP] = serve_unmap,
	[SIM_USAGE] = serve_usage,
};

static int send_reply(int fd, int result, const struct exchange *x)
{
	struct sim_reply reply = {.result = result};
	struct iovec parts[] = {{&reply, sizeof(reply)}, {x->answer, x->answered}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = result < 0 ? 1 : 2};
	union sim_control control = {0};

	if (result >= 0 && x->nfds > 0) {
		struct cmsghdr *header;

		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(x->nfds * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(x->nfds * sizeof(int));
		memcpy(CMSG_DATA(header), x->fds, x->nfds * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Takes one packet into bus->request and bus->data: bytes of data, or -errno. */
static ssize_t receive_request(struct sim_bus *bus, int fd)
{
	struct iovec parts[] = {
		{&bus->request, sizeof(bus->request)},
		{bus->data, SIM_REQUEST_DATA},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = countof(parts)};
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);

	if (got < 0)
		return -errno;
	if ((size_t)got < sizeof(bus->request) || message.msg_flags & MSG_TRUNC)
		return -EPROTO;
	got -= (ssize_t)sizeof(bus->request);
	bus->data[got] = '\0';
	return got;
}

static void request_ready(struct sim_bus *bus, struct source *source, uint32_t events)
{
	struct connection *connection = container_of(source, struct connection, requests);
	struct exchange x = {.request = &bus->request, .data = bus->data, .answer = bus->answer};
	_cleanup_close_ int spare = -1;
	ssize_t length;
	int result;

	if (events & EPOLLHUP)
		connection_kill(connection);
	if (connection->dead)
		return;
	length = receive_request(bus, source->fd);
	if (length == -EAGAIN || length == -EINTR)
		return;
	if (length < 0 || bus->request.op >= SIM_OPS ||
	    connection->greeted == (bus->request.op == SIM_HELLO)) {
		connection_kill(connection);
		return;
	}
	x.length = (size_t)length;
	x.spare = -1;
	result = serve[bus->request.op](bus, connection, &x);
	spare = x.spare;
	if (send_reply(source->fd, result, &x) < 0)
		connection_kill(connection);
}

static int connection_add(struct sim_bus *bus, int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int result;

	if (connection == NULL)
		return -ENOMEM;
	connection->bus = bus;
	connection->requests = (struct source){.ready = request_ready, .fd = fd};
	connection->event_socket = (struct source){.ready = event_socket_ready, .fd = -1};
	connection->client.event = client_event;
	STAILQ_INIT(&connection->events);
	sim_client_init(&connection->client);
	sim_peer_init(&connection->peer);
	result = watch_source(bus, EPOLL_CTL_ADD, &connection->requests, EPOLLIN);
	if (result < 0)
		free(connection);
	else
		TAILQ_INSERT_TAIL(&bus->connections, connection, entry);
	return result;
}

/* Without descriptors the listener is left alone until a connection ends. */
static void set_accepting(struct sim_bus *bus, bool accepting)
{
	if (bus->accepting != accepting)
		watch_source(bus, EPOLL_CTL_MOD, &bus->listener, accepting ? EPOLLIN : 0);
	bus->accepting = accepting;
}

/* Takes all from the connection that it holds; what is left waits in bus->gone. */
static void connection_end(struct sim_bus *bus, struct connection *connection)
{
	bool was_domain = connection->peer.memory != NULL;

	TAILQ_REMOVE(&bus->connections, connection, entry);
	TAILQ_INSERT_TAIL(&bus->gone, connection, entry);
	sim_client_destroy(&bus->store, &connection->client);
	sim_peer_destroy(&connection->peer);
	while (!STAILQ_EMPTY(&connection->events))
		drop_event(connection);
	cleanup_close(&connection->event_socket.fd);
	close(connection->requests.fd);
	set_accepting(bus, true);
	if (was_domain)
		sim_store_announce(&bus->store, "@releaseDomain");
}

static void end_dead(struct sim_bus *bus)
{
	struct connection *connection, *next;

	while (bus->reap) {
		bus->reap = false;
		for (connection = TAILQ_FIRST(&bus->connections); connection != NULL;
		     connection = next) {
			next = TAILQ_NEXT(connection, entry);
			if (connection->dead)
				connection_end(bus, connection);
		}
	}
}

static void free_gone(struct sim_bus *bus)
{
	struct connection *connection;

	while ((connection = TAILQ_FIRST(&bus->gone)) != NULL) {
		TAILQ_REMOVE(&bus->gone, connection, entry);
		free(connection);
	}
}

/* --- the loop ------------------------------------------------------------------------------ */

static void listener_ready(struct sim_bus *bus, struct source *source, uint32_t events)
{
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0 && connection_add(bus, fd) < 0)
		close(fd);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		log_warning("simulated bus: no descriptor left for another connection");
		set_accepting(bus, false);
	}
}

static void stopper_ready(struct sim_bus *bus, struct source *source, uint32_t events)
{
	(void)source;
	(void)events;
	bus->stop = true;
}

/* Calls the sources of this round that hung up, or the others. */
static void call_sources(struct sim_bus *bus, int count, bool hung_up)
{
	for (int i = 0; i < count; i++) {
		struct source *source = bus->round[i].data.ptr;
		uint32_t events = bus->round[i].events;

		if (hung_up == ((events & EPOLLHUP) != 0))
			source->ready(bus, source, events);
	}
	end_dead(bus);
}

static int bus_loop(struct sim_bus *bus)
{
	while (!bus->stop) {
		int count = epoll_wait(bus->epoll, bus->round, ROUND_MAX, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		call_sources(bus, count, true);
		call_sources(bus, count, false);
		free_gone(bus);
	}
	return 0;
}

/* Is a socket there that nobody listens on any more? */
static bool stale(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	       errno == ECONNREFUSED;
}

static int bus_listen(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr *name = (const struct sockaddr *)address;

	if (fd < 0)
		return -errno;
	if (bind(fd, name, sizeof(*address)) < 0) {
		if (errno != EADDRINUSE)
			return -errno;
		if (!stale(address))
			return -EADDRINUSE;
		unlink(address->sun_path);
		if (bind(fd, name, sizeof(*address)) < 0)
			return -errno;
	}
	if (listen(fd, SOMAXCONN) < 0)
		return -errno;
	return take_fd(&fd);
}

static int bus_start(struct sim_bus *bus, const struct sockaddr_un *address, int stop_fd)
{
	int result;

	bus->listener = (struct source){.ready = listener_ready, .fd = -1};
	bus->stopper = (struct source){.ready = stopper_ready, .fd = stop_fd};
	bus->accepting = true;
	TAILQ_INIT(&bus->connections);
	TAILQ_INIT(&bus->gone);
	sim_broker_init(&bus->broker);
	bus->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (bus->epoll < 0)
		return -errno;
	bus->listener.fd = bus_listen(address);
	if (bus->listener.fd < 0)
		return bus->listener.fd;
	result = watch_source(bus, EPOLL_CTL_ADD, &bus->listener, EPOLLIN);
	if (result == 0)
		result = watch_source(bus, EPOLL_CTL_ADD, &bus->stopper, EPOLLIN);
	return result;
}

static void bus_finish(struct sim_bus *bus, const struct sockaddr_un *address)
{
	while (!TAILQ_EMPTY(&bus->connections))
		connection_end(bus, TAILQ_FIRST(&bus->connections));
	free_gone(bus);
	if (bus->listener.fd >= 0) {
		unlink(address->sun_path);
		close(bus->listener.fd);
	}
	cleanup_close(&bus->epoll);
	sim_store_destroy(&bus->store);
}

int sim_bus_run(const char *dir, int stop_fd, void (*ready)(void *arg), void *arg, char *err,
		size_t errlen)
{
	_cleanup_free_ struct sim_bus *bus = calloc(1, sizeof(*bus));
	struct sockaddr_un address;
	int result;

	result = bus == NULL ? -ENOMEM : sim_wire_address(dir, &address);
	if (result == 0)
		result = sim_store_init(&bus->store);
	if (result == 0) {
		result = bus_start(bus, &address, stop_fd);
		if (result == 0) {
			ready(arg);
			result = bus_loop(bus);
		}
		bus_finish(bus, &address);
	}
	if (result < 0)
		snprintf(err, errlen, "simulated bus in \"%s\": %s", dir, strerror(-result));
	return result;
}
