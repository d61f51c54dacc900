/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * supervisor.c - the event loop around the backends: one thread, poll(2). Events from the store
 * carry no value and may come in floods, so they only mark a backend as dirty; each dirty one is
 * looked at once per round. Nothing here is needed for a guest to be served: this process may die
 * at any moment, and the next one finds all shares by their files (state_dir.h).
 */
#include "xen9pfsd/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/admin.h"
#include "xen9pfsd/backend.h"
#include "xen9pfsd/orders.h"
#include "xen9pfsd/launch.h"
#include "xen9pfsd/sandbox.h"
#include "xen9pfsd/service.h"
#include "xen9pfsd/state_dir.h"
#include "xenbus/nodes.h"

#define LIBXL_NODE "libxl/xen-9pfs" /* where libxl looks whether kind xen_9pfs is served */
#define HOLD_PATIENCE_MS 5000	    /* for workers to leave everything as it is */
#define LEFT_OUT_TOLD 64	    /* devices that the log tells of */
#define STALE_PAUSE_MS 1000	    /* before what failed for lack of memory is tried again */
#define FDS_FIRST (3 + ADMIN_FDS)   /* the store, signals, launcher, verbs; then the backends */

static const char kind_9pfs[] = "9pfs", kind_xen_9pfs[] = "xen_9pfs";
static const char *const kinds[] = {kind_9pfs, kind_xen_9pfs};

/* How the daemon is to end. */
enum ending {
	NOT_ENDING,
	LEAVING, /* guests wait for the next daemon, or go on without one */
	CLOSING, /* all shares are closed */
};

/* Devices that are not served, because there are too many. */
struct left_out {
	bool any;
	bool room;     /* one that is served has gone since */
	unsigned told; /* so many the log has told of: */
	struct left_out_device {
		const char *kind;
		uint32_t domid, devid;
	} device[LEFT_OUT_TOLD];
};

struct supervisor {
	struct backend_env env;
	struct state_dir dir;
	struct launch launch;
	struct admin admin;
	struct orders orders;
	int signals;
	struct backend_list backends;
	unsigned count;
	struct left_out left_out;
	bool stale[countof(kinds)]; /* of that kind anything may have come or gone */
	struct pollfd *fds; /* by place, -1 for what is not there; as many more for poll() */
	size_t fds_room;
	bool announced; /* to libxl */
	enum ending ending;
	int64_t deadline_ms; /* of LEAVING */
	char **argv;	     /* to become a new program */
};

/* ---- devices come and go ---- */

static void set_stale(struct supervisor *s, const char *kind)
{
	for (size_t i = 0; i < countof(kinds); i++)
		s->stale[i] |= kinds[i] == kind;
}

static struct backend *find(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid)
{
	struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (b->kind == kind && b->domid == domid && b->devid == devid)
			return b;
	}
	return NULL;
}

static struct backend *create(struct supervisor *s, const char *kind, uint32_t domid,
			      uint32_t devid)
{
	struct backend *b = backend_create(&s->env, kind, domid, devid, nodes_now());

	if (b == NULL) {
		log_error("guest %u dev %u: out of memory", domid, devid);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&s->backends, b, link);
	s->count++;
	return b;
}

/* ---- too many devices ---- */

/* The option that leaves no room for another device of this guest, or NULL. */
static const char *exhausted(const struct supervisor *s, uint32_t domid, uint32_t *most)
{
	const struct config *config = s->env.config;
	const struct backend *b;
	unsigned of_guest = 0;

	*most = config->max_devices;
	if (s->count >= *most)
		return "max-devices";
	TAILQ_FOREACH (b, &s->backends, link)
		of_guest += b->domid == domid;
	*most = config->max_guest_devices;
	return of_guest >= *most ? "max-guest-devices" : NULL;
}

/* What somebody has served, is to be removed, or both, is seen to in any case. */
static bool is_new(const struct supervisor *s, const char *dir)
{
	uint32_t online = 0;

	return nodes_state(s->env.store, dir) == XenbusStateInitialising &&
	       nodes_read_number(s->env.store, dir, "online", &online) == 0 && online != 0;
}

static struct left_out_device *find_told(struct left_out *out, const char *kind, uint32_t domid,
					 uint32_t devid)
{
	for (unsigned i = 0; i < out->told; i++) {
		struct left_out_device *device = &out->device[i];

		if (device->kind == kind && device->domid == domid && device->devid == devid)
			return device;
	}
	return NULL;
}

/* Once for each device, which comes in many events. */
static void tell_left_out(struct left_out *out, const char *kind, uint32_t domid, uint32_t devid,
			  const char *option, uint32_t most)
{
	if (out->told == LEFT_OUT_TOLD || find_told(out, kind, domid, devid) != NULL)
		return;
	out->device[out->told++] = (struct left_out_device){kind, domid, devid};
	log_warning("guest %u dev %u: refused: %s (%u) is reached; waits until another one goes%s",
		    domid, devid, option, most,
		    out->told == LEFT_OUT_TOLD ? "; nothing is said of further ones" : "");
}

/* It is served, or gone. */
static void forget_left_out(struct left_out *out, const char *kind, uint32_t domid, uint32_t devid)
{
	struct left_out_device *told = find_told(out, kind, domid, devid);

	if (told != NULL)
		*told = out->device[--out->told];
}

/* A device too many: nothing more is kept of it, until another one goes. */
static bool leave_out(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid,
		      const char *dir)
{
	uint32_t most;
	const char *option = exhausted(s, domid, &most);

	if (option == NULL || !is_new(s, dir)) {
		forget_left_out(&s->left_out, kind, domid, devid);
		return false;
	}
	tell_left_out(&s->left_out, kind, domid, devid, option, most);
	s->left_out.any = true;
	return true;
}

static void take_up(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid)
{
	char dir[STORE_PATH_MAX], state[16];

	if (s->ending != NOT_ENDING)
		return;
	snprintf(dir, sizeof(dir), "backend/%s/%u/%u", kind, domid, devid);
	/* The event may tell of its removal. */
	if (nodes_read(s->env.store, dir, "state", state, sizeof(state)) == -ENOENT)
		forget_left_out(&s->left_out, kind, domid, devid);
	else if (!leave_out(s, kind, domid, devid, dir) && create(s, kind, domid, devid) == NULL)
		set_stale(s, kind);
}

/* ---- what the store tells ---- */

static void mark(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid)
{
	struct backend *b = find(s, kind, domid, devid);

	if (b != NULL)
		b->dirty = true;
	else
		take_up(s, kind, domid, devid);
}

/* The same of one that may have been left out. */
static void mark_left_out(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid)
{
	if (find(s, kind, domid, devid) == NULL)
		take_up(s, kind, domid, devid);
}

/* A share of the daemon before us: whether its device is still there or not, somebody may be
 * serving it. One of a kind that is not served any more is closed. */
static void found_share(void *arg, const char *kind, uint32_t domid, uint32_t devid)
{
	struct supervisor *s = arg;
	const struct config *config = s->env.config;
	bool is_9pfs = strcmp(kind, kind_9pfs) == 0;
	struct backend *b;

	if (!is_9pfs && strcmp(kind, kind_xen_9pfs) != 0)
		return;
	kind = is_9pfs ? kind_9pfs : kind_xen_9pfs;
	if (find(s, kind, domid, devid) != NULL)
		return;
	b = create(s, kind, domid, devid);
	if (b != NULL && b->state != HANDSHAKE_ELSEWHERE &&
	    !(is_9pfs ? config->kind_9pfs : config->kind_xen_9pfs))
		backend_detach(b);
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

/* "backend/KIND/DOMID"; `*path` moves on to what is below it. */
static bool guest_path(const char **path, const char *kind, uint32_t *domid)
{
	char root[32];
	int len = snprintf(root, sizeof(root), "backend/%s/", kind);

	if (strncmp(*path, root, (size_t)len) != 0)
		return false;
	*path += len;
	return path_number(path, domid) && (**path == '/' || **path == '\0');
}

/* "backend/KIND/DOMID/DEVID" and whatever is below it. */
static bool device_path(const char *path, const char *kind, uint32_t *domid, uint32_t *devid)
{
	if (!guest_path(&path, kind, domid) || *path++ != '/')
		return false;
	return path_number(&path, devid) && (*path == '/' || *path == '\0');
}

/* False: there is nothing, or it cannot be told now. */
static bool list(struct supervisor *s, const char *kind, const char *path, char ***names,
		 unsigned *count)
{
	int err = store_list(s->env.store, 0, path, names, count);

	if (err < 0 && err != -ENOENT)
		set_stale(s, kind);
	return err >= 0;
}

typedef void each_device(struct supervisor *s, const char *kind, uint32_t domid, uint32_t devid);

static void scan_guest(struct supervisor *s, const char *kind, uint32_t domid, each_device *each)
{
	char path[STORE_PATH_MAX];
	unsigned count;
	uint32_t devid;
	char **names;

	snprintf(path, sizeof(path), "backend/%s/%u", kind, domid);
	if (!list(s, kind, path, &names, &count))
		return;
	for (unsigned i = 0; i < count; i++) {
		const char *device = names[i];

		if (path_number(&device, &devid) && *device == '\0')
			each(s, kind, domid, devid);
	}
	free(names);
}

static void scan_kind(struct supervisor *s, const char *kind, each_device *each)
{
	char path[STORE_PATH_MAX];
	unsigned count;
	uint32_t domid;
	char **names;

	snprintf(path, sizeof(path), "backend/%s", kind);
	if (!list(s, kind, path, &names, &count))
		return;
	for (unsigned i = 0; i < count; i++) {
		const char *guest = names[i];

		if (path_number(&guest, &domid) && *guest == '\0')
			scan_guest(s, kind, domid, each);
	}
	free(names);
}

/* Those we have of these guests may be gone, which no listing tells. */
static void mark_known(struct supervisor *s, const char *kind, uint32_t first, uint32_t last)
{
	struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (b->kind == kind && b->domid >= first && b->domid <= last)
			b->dirty = true;
	}
}

/* Everything of one kind may have changed; or of one guest's. */
static void refresh_kind(struct supervisor *s, const char *kind)
{
	mark_known(s, kind, 0, UINT32_MAX);
	scan_kind(s, kind, mark);
}

static void refresh_guest(struct supervisor *s, const char *kind, uint32_t domid)
{
	mark_known(s, kind, domid, domid);
	scan_guest(s, kind, domid, mark);
}

/* An event of a watch on a backend root has the root as its token; one on a frontend's state has
 * the path of its backend. */
static void store_changed(struct supervisor *s, const char *path, const char *token)
{
	uint32_t domid, devid;

	for (size_t i = 0; i < countof(kinds); i++) {
		if (device_path(token, kinds[i], &domid, &devid)) {
			struct backend *b = find(s, kinds[i], domid, devid);

			if (b != NULL)
				backend_front_changed(b, nodes_now());
			return;
		}
		if (strcmp(token, kinds[i]) != 0)
			continue;
		if (device_path(path, kinds[i], &domid, &devid))
			mark(s, kinds[i], domid, devid);
		else if (guest_path(&path, kinds[i], &domid))
			refresh_guest(s, kinds[i], domid);
		else
			s->stale[i] = true;
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
	for (size_t i = 0; i < countof(kinds); i++) {
		bool stale = s->stale[i];

		s->stale[i] = false;
		if (stale)
			refresh_kind(s, kinds[i]);
	}
	return got;
}

static void forget(struct supervisor *s, struct backend *b)
{
	log_info("guest %u dev %u: gone", b->domid, b->devid);
	orders_forget(&s->orders, b);
	TAILQ_REMOVE(&s->backends, b, link);
	s->count--;
	s->left_out.room = s->left_out.any;
	backend_destroy(b);
}

/* What the store has told since it was over is of another device of that name. */
static void bury(struct supervisor *s, struct backend *b)
{
	const char *kind = b->kind;
	uint32_t domid = b->domid, devid = b->devid;
	bool changed = b->dirty;

	forget(s, b);
	if (changed)
		take_up(s, kind, domid, devid);
}

static void update_all(struct supervisor *s)
{
	struct backend *b, *next;
	int64_t now = nodes_now();

	for (b = TAILQ_FIRST(&s->backends); b != NULL; b = next) {
		int64_t deadline = backend_deadline(b);

		next = TAILQ_NEXT(b, link);
		if (deadline != 0 && now >= deadline)
			backend_timeout(b, now);
		if (b->dirty && !b->over)
			backend_update(b, now);
		if (b->over)
			bury(s, b);
	}
}

static void update(struct supervisor *s)
{
	const struct config *config = s->env.config;

	update_all(s);
	while (s->left_out.room) {
		s->left_out.any = s->left_out.room = false;
		if (config->kind_9pfs)
			scan_kind(s, kind_9pfs, mark_left_out);
		if (config->kind_xen_9pfs)
			scan_kind(s, kind_xen_9pfs, mark_left_out);
		update_all(s);
	}
}

/* ---- waiting ---- */

static void sooner(int64_t *next, int64_t deadline)
{
	if (deadline != 0 && (*next == 0 || deadline < *next))
		*next = deadline;
}

static int timeout_ms(const struct supervisor *s)
{
	int64_t next = s->deadline_ms, now = nodes_now();
	const struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link)
		sooner(&next, backend_deadline(b));
	for (size_t i = 0; i < countof(kinds); i++)
		sooner(&next, s->stale[i] ? now + STALE_PAUSE_MS : 0);
	sooner(&next, s->admin.deadline_ms);
	sooner(&next, s->orders.deadline_ms);
	if (next == 0)
		return -1;
	return next <= now ? 0 : (int)(next - now);
}

static int fill_fds(struct supervisor *s)
{
	size_t used = FDS_FIRST, room = FDS_FIRST + PROCESS_FDS * (size_t)s->count;
	const struct backend *b;

	if (room > s->fds_room) {
		struct pollfd *more = realloc(s->fds, 2 * room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		s->fds = more;
		s->fds_room = room;
	}
	s->fds[0] = (struct pollfd){.fd = store_fd(s->env.store), .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	s->fds[2] = (struct pollfd){.fd = s->launch.sock, .events = POLLIN};
	admin_fill(&s->admin, &s->fds[3], orders_busy(&s->orders) || s->ending != NOT_ENDING);
	TAILQ_FOREACH (b, &s->backends, link) {
		process_fill(&b->process, &s->fds[used]);
		used += PROCESS_FDS;
	}
	return (int)used;
}

/* poll() ignores descriptors that are -1, but counts them against RLIMIT_NOFILE: of many shares, or
 * where descriptors are few, it takes only those that are there. */
static int wait_for_fds(struct supervisor *s, size_t used)
{
	struct pollfd *there = &s->fds[s->fds_room];
	nfds_t count = 0;

	for (size_t i = 0; i < used; i++)
		if (s->fds[i].fd >= 0)
			there[count++] = s->fds[i];
	if (poll(there, count, timeout_ms(s)) < 0 && errno != EINTR)
		return -errno;
	count = 0;
	for (size_t i = 0; i < used; i++)
		if (s->fds[i].fd >= 0)
			s->fds[i].revents = there[count++].revents;
	return 0;
}

static void take_process_events(struct supervisor *s)
{
	const struct pollfd *fds = &s->fds[FDS_FIRST];
	int64_t now = nodes_now();
	struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		backend_poll(b, fds, now);
		fds += PROCESS_FDS;
	}
}

static void take_admin_events(struct supervisor *s)
{
	struct admin_request request = {.fd = -1};
	int64_t now = nodes_now();

	admin_timeout(&s->admin, now);
	if (admin_poll(&s->admin, &s->fds[3], &request, now))
		orders_take(&s->orders, &request, now);
}

/* All shares have moved to another program: become that too. The answer is still to be sent. */
static void replace_self(struct supervisor *s)
{
	int err;

	/* A daemon that was told to end is no other one's beginning. */
	if (!s->orders.replace || !admin_idle(&s->admin) || s->ending != NOT_ENDING)
		return;
	s->orders.replace = false;
	log_info("starting anew as another program");
	err = launch_replace(&s->launch, s->orders.exe);
	if (err == 0) {
		execveat(s->orders.exe, "", s->argv, environ, AT_EMPTY_PATH);
		err = -errno;
	}
	log_error("cannot start the other program: %s", strerror(-err));
	orders_close(&s->orders);
}

static void leave(struct supervisor *s)
{
	struct backend *b;

	if (s->ending != NOT_ENDING)
		return;
	log_info("stopping; guests wait for the next daemon");
	s->ending = LEAVING;
	s->deadline_ms = nodes_now() + HOLD_PATIENCE_MS;
	TAILQ_FOREACH (b, &s->backends, link)
		backend_hold(b);
}

static void quit(struct supervisor *s)
{
	struct backend *b;

	if (s->ending == CLOSING)
		return;
	log_info("stopping");
	s->ending = CLOSING;
	s->deadline_ms = 0;
	TAILQ_FOREACH (b, &s->backends, link)
		backend_quit(b, nodes_now());
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTERM)
			leave(s);
		else if (info.ssi_signo == SIGINT)
			quit(s);
	}
}

static bool settled(const struct supervisor *s)
{
	bool late = s->deadline_ms != 0 && nodes_now() >= s->deadline_ms;
	const struct backend *b;

	TAILQ_FOREACH (b, &s->backends, link) {
		if (s->ending == LEAVING && !backend_is_held(b)) {
			if (!late)
				return false;
			log_warning("guest %u dev %u: does not hold; left as it is", b->domid,
				    b->devid);
		}
		if (s->ending == CLOSING && !backend_settled(b))
			return false;
	}
	return true;
}

static int serve(struct supervisor *s)
{
	while (s->ending == NOT_ENDING || !settled(s)) {
		int used = fill_fds(s), err;

		if (used < 0)
			return used;
		err = wait_for_fds(s, (size_t)used);
		if (err < 0)
			return err;
		take_process_events(s);
		if (s->fds[2].revents != 0)
			launch_lost();
		take_signals(s);
		take_admin_events(s);
		err = take_store_events(s);
		if (err < 0)
			return err;
		update(s);
		orders_work(&s->orders, nodes_now());
		replace_self(s);
	}
	return 0;
}

/* ---- start and end ---- */

/* Blocked here, and so in every process we start until it unblocks them itself. */
static int open_signals(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	/* The launcher's end is seen at its socket; nothing is left of whoever else is our child.
	 */
	signal(SIGCHLD, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals < 0 ? -errno : 0;
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

/* The launcher has them; nothing from here on needs any. */
static void shed_rights(void)
{
	int err = sandbox_shed();

	if (err < 0)
		log_warning("cannot give up all rights: %s", strerror(-err));
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
	int err = state_dir_open(&s->dir, config, STATE_DIR_SUPERVISOR, text, sizeof(text));

	service_more_files();
	if (err == 0)
		err = launch_begin(&s->launch, config, &s->dir, s->argv, text, sizeof(text));
	if (err == 0)
		err = store_open(config->bus, &s->env.store, text, sizeof(text));
	if (err < 0) {
		log_error("%s", text);
		return err;
	}
	err = open_signals(s);
	if (err == 0)
		err = admin_open(&s->admin, &s->dir);
	if (err < 0) {
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	shed_rights();
	state_dir_each(&s->dir, found_share, s);
	if (config->kind_9pfs)
		err = watch_kind(s, kind_9pfs);
	if (err == 0 && config->kind_xen_9pfs)
		err = watch_kind(s, kind_xen_9pfs);
	if (err < 0)
		return err;
	if (config->kind_xen_9pfs)
		announce(s);
	if (config->export_count == 0)
		log_warning("nothing may be exported: give --export DIR");
	log_info("serving %s%s%s on bus %s, domain %u", config->kind_9pfs ? kind_9pfs : "",
		 config->kind_9pfs && config->kind_xen_9pfs ? " and " : "",
		 config->kind_xen_9pfs ? kind_xen_9pfs : "", config->bus,
		 store_domid(s->env.store));
	service_ready();
	return 0;
}

static void finish(struct supervisor *s)
{
	struct backend *b;

	while ((b = TAILQ_FIRST(&s->backends)) != NULL) {
		TAILQ_REMOVE(&s->backends, b, link);
		backend_destroy(b);
	}
	/* While guests wait for the next daemon, libxl is to start no backend of its own. */
	if (s->announced && s->ending == CLOSING)
		store_remove(s->env.store, 0, LIBXL_NODE);
	store_close(s->env.store);
	launch_end(&s->launch);
	orders_close(&s->orders);
	admin_close(&s->admin);
	state_dir_close(&s->dir);
	cleanup_close(&s->signals);
	free(s->fds);
}

int supervisor_main(const struct config *config, char **argv)
{
	struct supervisor s = {
		.env = {.config = config, .dir = &s.dir, .launch = &s.launch},
		.dir = STATE_DIR_NONE,
		.admin = {.listener = -1, .client = -1},
		.launch.sock = -1,
		.signals = -1,
		.backends = TAILQ_HEAD_INITIALIZER(s.backends),
		.argv = argv,
	};
	int err;

	log_init("xen9pfsd", "", config->log_level);
	orders_init(&s.orders, &s.admin, &s.backends);
	/* Started by its descriptor, it would be called after that. */
	prctl(PR_SET_NAME, "xen9pfsd");
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
