/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * supervisor.c - the event loop around the backends: one thread, poll(2). Events from the store
 * carry no value and may come in floods, so they only mark a backend as dirty; each dirty one is
 * looked at once per round.
 */
#include "xen9pfsd/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/backend.h"
#include "xen9pfsd/policy.h"
#include "xenbus/bus.h"
#include "xenbus/nodes.h"

#define LIBXL_NODE "libxl/xen-9pfs" /* where libxl looks whether kind xen_9pfs is served */
#define LOCK_NAME "xen9pfsd.lock"
#define RUN_DIR "/run"

static const char kind_9pfs[] = "9pfs", kind_xen_9pfs[] = "xen_9pfs";

struct supervisor {
	struct backend_env env;
	struct policy *policy;
	int lock; /* only one of us on a bus */
	int signals;
	TAILQ_HEAD(, backend) backends;
	unsigned count;
	struct pollfd *fds;
	size_t fds_room;
	bool announced; /* to libxl */
	bool quitting;
};

/* ---- devices come and go ---- */

static struct backend *find(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid)
{
	struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (b->kind == kind && b->domid == domid && b->devid == devid)
			return b;
	}
	return NULL;
}

static void mark(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid)
{
	struct backend *b = find(s, kind, domid, devid);
	char dir[STORE_PATH_MAX], state[16];

	if (b != NULL) {
		b->dirty = true;
		return;
	}
	/* The event may tell of its removal. */
	snprintf(dir, sizeof(dir), "backend/%s/%u/%u", kind, domid, devid);
	if (s->quitting || nodes_read(s->env.store, dir, "state", state, sizeof(state)) == -ENOENT)
		return;
	b = backend_create(&s->env, kind, domid, devid);
	if (b == NULL) {
		log_error("guest %u dev %u: out of memory", domid, devid);
		return;
	}
	TAILQ_INSERT_TAIL(&s->backends, b, link);
	s->count++;
}

/* A number as it stands in a path: decimal, no sign, no leading zeros. Moves `*text` on. */
static bool path_number(const char **text, uint32_t *number)
{
	unsigned long value;
	char *end;

	if (**text < '0' || **text > '9' || (**text == '0' && (*text)[1] >= '0'))
		return false;
	errno = 0;
	value = strtoul(*text, &end, 10);
	if (errno != 0 || value > UINT32_MAX)
		return false;
	*number = (uint32_t)value;
	*text = end;
	return true;
}

/* "backend/KIND/DOMID/DEVID" and whatever is below it. */
static bool device_path(const char *path, const char *kind, uint32_t *domid, uint32_t *devid)
{
	char root[32];
	int len = snprintf(root, sizeof(root), "backend/%s/", kind);

	if (strncmp(path, root, (size_t)len) != 0)
		return false;
	path += len;
	if (!path_number(&path, domid) || *path++ != '/')
		return false;
	return path_number(&path, devid) && (*path == '/' || *path == '\0');
}

static void scan_domain(struct supervisor *s, const char *kind, const char *name)
{
	char path[STORE_PATH_MAX];
	uint32_t domid, devid;
	unsigned count;
	char **names;

	if (!path_number(&name, &domid) || *name != '\0')
		return;
	snprintf(path, sizeof(path), "backend/%s/%u", kind, domid);
	if (store_list(s->env.store, 0, path, &names, &count) < 0)
		return;
	for (unsigned i = 0; i < count; i++) {
		const char *device = names[i];

		if (path_number(&device, &devid) && *device == '\0')
			mark(s, kind, domid, devid);
	}
	free(names);
}

/* Everything of one kind may have changed, also by being gone. */
static void scan(struct supervisor *s, const char *kind)
{
	char path[STORE_PATH_MAX];
	struct backend *b;
	unsigned count;
	char **names;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (b->kind == kind)
			b->dirty = true;
	}
	snprintf(path, sizeof(path), "backend/%s", kind);
	if (store_list(s->env.store, 0, path, &names, &count) < 0)
		return;
	for (unsigned i = 0; i < count; i++)
		scan_domain(s, kind, names[i]);
	free(names);
}

/* An event of a watch on a backend root has the root as its token; one on a frontend's state has
 * the path of its backend. */
static void store_changed(struct supervisor *s, const char *path, const char *token)
{
	static const char *const kinds[] = {kind_9pfs, kind_xen_9pfs};
	uint32_t domid, devid;

	for (size_t i = 0; i < countof(kinds); i++) {
		if (device_path(token, kinds[i], &domid, &devid)) {
			struct backend *b = find(s, kinds[i], domid, devid);

			if (b != NULL)
				b->dirty = true;
			return;
		}
		if (strcmp(token, kinds[i]) != 0)
			continue;
		if (device_path(path, kinds[i], &domid, &devid))
			mark(s, kinds[i], domid, devid);
		else
			scan(s, kinds[i]);
		return;
	}
}

/* Returns -errno when the store is lost. */
static int take_store_events(struct supervisor *s)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	int got;

	while ((got = store_event(s->env.store, path, token)) > 0)
		store_changed(s, path, token);
	return got;
}

static void forget(struct supervisor *s, struct backend *b)
{
	log_info("guest %u dev %u: gone", b->domid, b->devid);
	TAILQ_REMOVE(&s->backends, b, link);
	s->count--;
	backend_destroy(b);
}

static void update(struct supervisor *s)
{
	struct backend *b, *next;
	int64_t now = nodes_now();

	for (b = TAILQ_FIRST(&s->backends); b != NULL; b = next) {
		int64_t deadline = backend_deadline(b);

		next = TAILQ_NEXT(b, link);
		if (deadline != 0 && now >= deadline)
			backend_timeout(b, now);
		if (b->dirty)
			backend_update(b, now);
		if (b->over)
			forget(s, b);
	}
}

/* ---- waiting ---- */

static int timeout_ms(const struct supervisor *s)
{
	int64_t next = 0, now = nodes_now();
	const struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		int64_t deadline = backend_deadline(b);

		if (deadline != 0 && (next == 0 || deadline < next))
			next = deadline;
	}
	if (next == 0)
		return -1;
	return next <= now ? 0 : (int)(next - now);
}

/* The store, the signals, and two descriptors for each backend (-1 is ignored by poll). */
static int fill_fds(struct supervisor *s)
{
	size_t used = 2, room = 2 + 2 * (size_t)s->count;
	const struct backend *b;

	if (room > s->fds_room) {
		struct pollfd *more = realloc(s->fds, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		s->fds = more;
		s->fds_room = room;
	}
	s->fds[0] = (struct pollfd){.fd = store_fd(s->env.store), .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	TAILQ_FOREACH (b, &s->backends, link) {
		s->fds[used++] = (struct pollfd){.fd = b->control, .events = POLLIN};
		s->fds[used++] = (struct pollfd){.fd = b->pidfd, .events = POLLIN};
	}
	return (int)used;
}

static void take_process_events(struct supervisor *s)
{
	size_t i = 2;
	int64_t now = nodes_now();
	struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (s->fds[i].revents != 0)
			backend_control(b, now);
		if (s->fds[i + 1].revents != 0)
			backend_ended(b, now);
		i += 2;
	}
}

static void quit(struct supervisor *s)
{
	struct signalfd_siginfo info;
	struct backend *b;

	if (read(s->signals, &info, sizeof(info)) != sizeof(info) || s->quitting)
		return;
	log_info("stopping");
	s->quitting = true;
	TAILQ_FOREACH (b, &s->backends, link)
		backend_quit(b, nodes_now());
}

static bool settled(const struct supervisor *s)
{
	const struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (!backend_settled(b))
			return false;
	}
	return true;
}

static int serve(struct supervisor *s)
{
	while (!s->quitting || !settled(s)) {
		int used = fill_fds(s), err;

		if (used < 0)
			return used;
		if (poll(s->fds, (nfds_t)used, timeout_ms(s)) < 0 && errno != EINTR)
			return -errno;
		take_process_events(s);
		if (s->fds[1].revents != 0)
			quit(s);
		err = take_store_events(s);
		if (err < 0)
			return err;
		update(s);
	}
	return 0;
}

/* ---- start and end ---- */

/* Two daemons on one bus would fight for each device. */
static int take_lock(struct supervisor *s)
{
	const char *dir = RUN_DIR, *address;
	char path[512];
	int len;

	if (bus_is(s->env.config->bus, "sim:", &address))
		dir = address;
	/* A simulated bus may be followed by "@DOMID": that is part of the name then. */
	len = snprintf(path, sizeof(path), "%.*s/%s%s", (int)strcspn(dir, "@"), dir, LOCK_NAME,
		       dir + strcspn(dir, "@"));
	if (len < 0 || (size_t)len >= sizeof(path))
		return -ENAMETOOLONG;
	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
		int err = -errno;

		log_error("%s: %s", path,
			  err == -EWOULDBLOCK ? "another xen9pfsd is running" : strerror(-err));
		return err;
	}
	return 0;
}

/* Blocked here, and so in every process we start until it unblocks them itself. */
static int open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	/* Ignored by whoever started us, it would keep the ends of shares from us. */
	signal(SIGCHLD, SIG_DFL);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? -errno : 0;
}

/* Each node a guest touches is a descriptor of its share's process, which inherits the limit. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
}

/* Keeps libxl (4.19 and later) from starting a backend of its own for kind xen_9pfs. */
static void announce(struct supervisor *s)
{
	int err = nodes_write(s->env.store, 0, LIBXL_NODE, "state", "running");

	s->announced = err == 0;
	if (s->announced)
		return;
	log_warning("cannot write %s/state: %s; libxl may start a backend of its own%s", LIBXL_NODE,
		    strerror(-err),
		    store_domid(s->env.store) != 0 ? " (create this domain with driver_domain=1)"
						   : "");
}

static int watch_kind(struct supervisor *s, const char *kind)
{
	char path[STORE_PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "backend/%s", kind);
	err = store_watch(s->env.store, path, kind);
	if (err < 0)
		log_error("cannot watch %s: %s", path, strerror(-err));
	return err;
}

static int begin(struct supervisor *s)
{
	const struct config *config = s->env.config;
	char text[512];
	int err = policy_create(config, &s->policy, text, sizeof(text));

	s->env.policy = s->policy;
	if (err == 0)
		err = store_open(config->bus, &s->env.store, text, sizeof(text));
	if (err < 0) {
		log_error("%s", text);
		return err;
	}
	err = take_lock(s);
	if (err == 0)
		err = open_signals(s);
	if (err == 0 && config->kind_9pfs)
		err = watch_kind(s, kind_9pfs);
	if (err == 0 && config->kind_xen_9pfs)
		err = watch_kind(s, kind_xen_9pfs);
	if (err < 0)
		return err;
	raise_limits();
	if (config->kind_xen_9pfs)
		announce(s);
	if (config->export_count == 0)
		log_warning("nothing may be exported: give --export DIR");
	log_info("serving %s%s%s on bus %s, domain %u", config->kind_9pfs ? kind_9pfs : "",
		 config->kind_9pfs && config->kind_xen_9pfs ? " and " : "",
		 config->kind_xen_9pfs ? kind_xen_9pfs : "", config->bus,
		 store_domid(s->env.store));
	return 0;
}

static void finish(struct supervisor *s)
{
	struct backend *b;

	while ((b = TAILQ_FIRST(&s->backends)) != NULL) {
		TAILQ_REMOVE(&s->backends, b, link);
		backend_destroy(b);
	}
	if (s->announced)
		store_remove(s->env.store, 0, LIBXL_NODE);
	store_close(s->env.store);
	policy_destroy(s->policy);
	cleanup_close(&s->lock);
	cleanup_close(&s->signals);
	free(s->fds);
}

int supervisor_main(const struct config *config)
{
	struct supervisor s = {
		.env.config = config,
		.lock = -1,
		.signals = -1,
		.backends = TAILQ_HEAD_INITIALIZER(s.backends),
	};
	int err;

	log_init("xen9pfsd", "", config->log_level);
	/* Whatever we were started with is none of the shares' business. */
	close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	err = begin(&s);
	if (err == 0) {
		err = serve(&s);
		if (err < 0)
			log_error("giving up: %s", strerror(-err));
	}
	finish(&s);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
