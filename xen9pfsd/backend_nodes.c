/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend_nodes.c - see backend_nodes.h. The backend directory is the toolstack's and trusted; the
 * frontend's is the guest's: only numbers are read from it, each checked, and a directory of it
 * is never listed.
 */
#include "xen9pfsd/backend_nodes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/policy.h"
#include "xenbus/nodes.h"
#include "xenbus/ring.h"

int backend_complain(struct backend *b, const char *format, ...)
{
	char text[sizeof(b->complaint)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(text, b->complaint) != 0)
		process_say(&b->process, LOG_LEVEL_WARNING, "%s", text);
	memcpy(b->complaint, text, sizeof(text));
	return -EINVAL;
}

void backend_dir(const struct backend *b, char dir[STORE_PATH_MAX])
{
	snprintf(dir, STORE_PATH_MAX, "backend/%s/%u/%u", b->kind, b->domid, b->devid);
}

/* The token tells whose frontend an event is about: events carry the guest's path alone. */
void backend_watch_names(const struct backend *b, char path[STORE_PATH_MAX],
			 char token[STORE_PATH_MAX])
{
	nodes_path(path, b->front, "state");
	backend_dir(b, token);
}

/* ---- reading ---- */

int backend_read_front(struct backend *b, struct control_start *start, bool quiet)
{
	struct store *store = b->env->store;
	char version[16], key[32];
	uint32_t rings;
	int err = nodes_read(store, b->front, "version", version, sizeof(version));

	if (err < 0 || strcmp(version, "1") != 0)
		return quiet ? -EINVAL : backend_complain(b, "frontend: version is not 1");
	err = nodes_read_number(store, b->front, "num-rings", &rings);
	if (err < 0 || rings < 1 || rings > CONTROL_RINGS_MAX)
		return quiet ? -EINVAL
			     : backend_complain(b,
						"frontend: num-rings is not a number from 1 to %d",
						CONTROL_RINGS_MAX);
	for (unsigned i = 0; i < rings; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		err = nodes_read_number(store, b->front, key, &start->ref[i]);
		if (err == 0 && start->ref[i] != 0) {
			snprintf(key, sizeof(key), "event-channel-%u", i);
			err = nodes_read_number(store, b->front, key, &start->port[i]);
		}
		if (err < 0 || start->ref[i] == 0 || start->port[i] == 0)
			return quiet ? -EINVAL
				     : backend_complain(
					       b, "frontend: %s is missing or no number above 0",
					       key);
	}
	start->rings = rings;
	return 0;
}

/* ---- writing ---- */

#define NODE_TEXT_MAX 16 /* bytes with NUL of what a backend writes; more is not ours */

struct change {
	const char *dir;
	enum xenbus_state seen; /* our state as it was when this was decided */
	enum xenbus_state state;
};

static int read_node(struct store *store, store_txn txn, const char *dir, const char *key,
		     char text[NODE_TEXT_MAX])
{
	char path[STORE_PATH_MAX];
	ssize_t got;

	nodes_path(path, dir, key);
	got = store_read(store, txn, path, text, NODE_TEXT_MAX);
	return got < 0 ? (int)got : 0;
}

/* The toolstack or another backend may have written our state meanwhile: -EBUSY, whose event is
 * on its way. Nothing is ever written into a directory that is gone. */
static int check_seen(struct store *store, store_txn txn, const struct change *change)
{
	char state[NODE_TEXT_MAX], seen[16];
	int err = read_node(store, txn, change->dir, "state", state);

	snprintf(seen, sizeof(seen), "%d", change->seen);
	return err < 0 ? err : strcmp(state, seen) == 0 ? 0 : -EBUSY;
}

/* A toolstack writes 5 or 6 when it takes a device away, be it that nobody served it. */
static bool is_claimed(struct store *store, store_txn txn, const char *dir, enum xenbus_state own)
{
	char text[NODE_TEXT_MAX];

	return own < XenbusStateClosing ? own > XenbusStateInitialising
					: read_node(store, txn, dir, "versions", text) != -ENOENT;
}

/* Is the value another one than that, or missing? No, when the store does not tell. */
static bool is_another(struct store *store, store_txn txn, const char *dir, const char *key,
		       const char *value)
{
	char text[NODE_TEXT_MAX];
	int err = read_node(store, txn, dir, key, text);

	return err == 0 ? strcmp(text, value) != 0 : err == -ENOENT || err == -EMSGSIZE;
}

/* Ours say so. But Xen's own daemon takes over whatever it finds, and what it writes there are its
 * own limits, which differ. QEMU's are the same, and QEMU leaves alone what has been claimed. */
static bool bears_no_mark(struct store *store, store_txn txn, const char *dir)
{
	char rings[NODE_TEXT_MAX];

	snprintf(rings, sizeof(rings), "%d", CONTROL_RINGS_MAX);
	return is_another(store, txn, dir, "served-by", "xen9pfsd") ||
	       is_another(store, txn, dir, "max-rings", rings);
}

static int change_state(struct store *store, store_txn txn, void *arg)
{
	const struct change *change = arg;
	int err = check_seen(store, txn, change);

	if (err == 0 && is_claimed(store, txn, change->dir, change->seen) &&
	    bears_no_mark(store, txn, change->dir))
		err = -EBUSY;
	return err < 0 ? err : nodes_write(store, txn, change->dir, "state", "%d", change->state);
}

static int publish_nodes(struct store *store, store_txn txn, void *arg)
{
	const struct change *p = arg;
	int err = check_seen(store, txn, p);

	if (err == 0)
		err = nodes_write(store, txn, p->dir, "versions", "1");
	if (err == 0)
		err = nodes_write(store, txn, p->dir, "max-rings", "%d", CONTROL_RINGS_MAX);
	if (err == 0)
		err = nodes_write(store, txn, p->dir, "max-ring-page-order", "%d", RING_ORDER_MAX);
	if (err == 0)
		err = nodes_write(store, txn, p->dir, "served-by", "xen9pfsd");
	/* A round that came to nothing has left it there: some Linux kernels set up new rings each
	 * time they are told of it. */
	if (err == 0 && p->seen != p->state)
		err = nodes_write(store, txn, p->dir, "state", "%d", p->state);
	return err;
}

/* What the toolstack wrote must fit the directory it stands in. */
static int check_identity(struct backend *b, const char *dir)
{
	struct store *store = b->env->store;
	char front[STORE_PATH_MAX];
	uint32_t domid;

	if (nodes_read_number(store, dir, "frontend-id", &domid) < 0 || domid != b->domid)
		return backend_complain(b, "%s/frontend-id is not %u", dir, b->domid);
	if (nodes_read(store, dir, "frontend", front, sizeof(front)) < 0 ||
	    strcmp(front, b->front) != 0)
		return backend_complain(b, "%s/frontend is not %s", dir, b->front);
	return 0;
}

/* In a driver domain names of guests cannot be read. */
static void read_or_empty(struct backend *b, const char *dir, const char *key, char *buf,
			  size_t size)
{
	if (nodes_read(b->env->store, dir, key, buf, size) < 0)
		buf[0] = '\0';
}

int backend_read_model(struct backend *b)
{
	char dir[STORE_PATH_MAX], home[STORE_PATH_MAX], model[64], text[STORE_VALUE_MAX];
	char path[STORE_VALUE_MAX], guest[256], tag[256];
	struct policy_device device = {.domid = b->domid, .path = path, .guest = guest, .tag = tag};

	backend_dir(b, dir);
	snprintf(home, sizeof(home), "/local/domain/%u", b->domid);
	if (nodes_read(b->env->store, dir, "security_model", model, sizeof(model)) < 0 ||
	    fs_model_parse(model, &device.model) < 0)
		return backend_complain(b, "%s/security_model is none of ours", dir);
	read_or_empty(b, dir, "path", path, sizeof(path));
	read_or_empty(b, home, "name", guest, sizeof(guest));
	read_or_empty(b, b->front, "tag", tag, sizeof(tag));
	if (policy_export(b->env->config, &device, &b->start.export, &b->share, text,
			  sizeof(text)) < 0)
		return backend_complain(b, "refused: %s", text);
	b->process.pace = b->share != NULL ? &b->share->terms.pace : &b->env->config->terms.pace;
	b->start.model = b->start.export.model;
	return 0;
}

/* Kind 9pfs has none of them. */
int backend_read_limits(struct backend *b)
{
	struct fs_space_limits limits = {.space = 0};
	char dir[STORE_PATH_MAX], value[STORE_VALUE_MAX], why[64];

	backend_dir(b, dir);
	for (const char *const *name = fs_space_names; *name; name++) {
		int err = nodes_read(b->env->store, dir, *name, value, sizeof(value));

		if (err == -ENOENT)
			continue;
		snprintf(why, sizeof(why), "cannot be read");
		if (err < 0 || fs_space_set(&limits, *name, value, why, sizeof(why)) < 0)
			return backend_complain(b, "%s/%s: %s", dir, *name, why);
	}
	fs_space_tighten(&b->start.export.limits, &limits);
	return 0;
}

int backend_read_export(struct backend *b, char path[STORE_VALUE_MAX])
{
	char dir[STORE_PATH_MAX];
	int err = backend_read_model(b);

	if (err == 0)
		err = backend_read_limits(b);
	if (err < 0)
		return err;
	backend_dir(b, dir);
	if (nodes_read(b->env->store, dir, "path", path, STORE_VALUE_MAX) < 0)
		return backend_complain(b, "%s/path cannot be read", dir);
	return 0;
}

/* Unless policy forbids it. */
static int open_export(struct backend *b, const char *path)
{
	int err = process_open(&b->process, path);

	if (err < 0 && err != -EBUSY)
		return backend_complain(b, "refused: %s", b->process.open_text);
	return err;
}

int backend_publish(struct backend *b, enum xenbus_state seen)
{
	char dir[STORE_PATH_MAX], path[STORE_VALUE_MAX];
	struct change change = {.dir = dir, .seen = seen, .state = XenbusStateInitWait};
	int err;

	backend_dir(b, dir);
	err = check_identity(b, dir);
	if (err == 0)
		err = backend_read_export(b, path);
	if (err == 0)
		err = open_export(b, path);
	if (err < 0)
		return err;
	err = nodes_transact(b->env->store, publish_nodes, &change);
	if (err == -EBUSY)
		return err;
	if (err < 0)
		return backend_complain(b, "cannot write %s: %s", dir, strerror(-err));
	process_say(&b->process, LOG_LEVEL_INFO, "exports %s, security model %s%s%s%s", path,
		    fs_model_name(b->start.model), b->start.export.readonly ? ", read-only" : "",
		    b->share != NULL ? ", share " : "", b->share != NULL ? b->share->name : "");
	b->wrote = XenbusStateInitWait;
	return 0;
}

bool backend_is_claimed(const struct backend *b, enum xenbus_state own)
{
	char dir[STORE_PATH_MAX];

	backend_dir(b, dir);
	return is_claimed(b->env->store, 0, dir, own);
}

bool backend_bears_no_mark(const struct backend *b)
{
	char dir[STORE_PATH_MAX];

	backend_dir(b, dir);
	return bears_no_mark(b->env->store, 0, dir);
}

int backend_write_state(struct backend *b, enum xenbus_state seen, enum xenbus_state state)
{
	char dir[STORE_PATH_MAX];
	struct change change = {.dir = dir, .seen = seen, .state = state};
	int err = 0;

	backend_dir(b, dir);
	if (seen < state)
		err = nodes_transact(b->env->store, change_state, &change);
	if (err == -EBUSY)
		return err;
	if (err < 0 && err != -ENOENT)
		process_say(&b->process, LOG_LEVEL_ERROR, "cannot write %s/state: %s", dir,
			    strerror(-err));
	b->wrote = seen < state ? state : seen;
	return 0;
}

/* Not when the toolstack has made a new device of that name. */
static int clear_nodes(struct store *store, store_txn txn, void *arg)
{
	const struct change *change = arg;
	int err = check_seen(store, txn, change);

	return err < 0 ? err : store_remove(store, txn, change->dir);
}

int backend_clear(struct backend *b)
{
	char dir[STORE_PATH_MAX];
	struct change change = {.dir = dir, .seen = XenbusStateClosed};

	/* What the administrator has closed is still the toolstack's. */
	if (store_domid(b->env->store) == 0 || !b->removed)
		return 0;
	backend_dir(b, dir);
	return nodes_transact(b->env->store, clear_nodes, &change);
}
