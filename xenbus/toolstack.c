/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * toolstack.c - see toolstack.h. Which nodes, values and rights: libxl_9pfs.c, libxl_device.c.
 */
#include "xenbus/toolstack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/util.h"

/* ---- where things are ---- */

struct places {
	char front[STORE_PATH_MAX], back[STORE_PATH_MAX], libxl[STORE_PATH_MAX];
};

static struct places places_of(uint32_t domid, uint32_t devid)
{
	struct places at;

	snprintf(at.front, sizeof(at.front), "/local/domain/%u/device/9pfs/%u", domid, devid);
	snprintf(at.libxl, sizeof(at.libxl), "/libxl/%u/device/9pfs/%u", domid, devid);
	at.back[0] = '\0';
	return at;
}

int toolstack_backend(struct store *store, uint32_t domid, uint32_t devid,
		      char backend[STORE_PATH_MAX])
{
	struct places at = places_of(domid, devid);

	return nodes_read(store, at.libxl, "backend", backend, STORE_PATH_MAX);
}

/* ---- domains ---- */

/* A new, empty directory; what is made in it later has the same owner and reader. */
static int make_dir(struct store *store, store_txn txn, const char *path, uint32_t owner,
		    uint32_t reader)
{
	int result = store_write(store, txn, path, "");

	return result != 0 ? result : store_grant_read(store, txn, path, owner, reader);
}

/* A directory of dom0's that `reader` may read, unless it is there. */
static int make_parent(struct store *store, store_txn txn, const char *path, uint32_t reader)
{
	char value[STORE_VALUE_MAX];
	ssize_t length = store_read(store, txn, path, value, sizeof(value));

	if (length != -ENOENT)
		return length < 0 ? (int)length : 0;
	return make_dir(store, txn, path, 0, reader);
}

struct domain {
	uint32_t domid;
	const char *name;
};

static int write_domain(struct store *store, store_txn txn, void *arg)
{
	const struct domain *domain = arg;
	char home[STORE_PATH_MAX], device[STORE_PATH_MAX], name[64];
	int result;

	snprintf(home, sizeof(home), "/local/domain/%u", domain->domid);
	nodes_path(device, home, "device");
	result = make_parent(store, txn, home, domain->domid);
	if (result == 0 && nodes_read(store, home, "name", name, sizeof(name)) == -ENOENT)
		result = nodes_write(store, txn, home, "name", "%s", domain->name);
	if (result == 0)
		result = nodes_write(store, txn, home, "domid", "%u", domain->domid);
	return result != 0 ? result : make_parent(store, txn, device, domain->domid);
}

int toolstack_add_domain(struct store *store, uint32_t domid, const char *name)
{
	struct domain domain = {.domid = domid, .name = name};

	return nodes_transact(store, write_domain, &domain);
}

int toolstack_remove_domain(struct store *store, uint32_t domid)
{
	char path[STORE_PATH_MAX];
	int result;

	snprintf(path, sizeof(path), "/libxl/%u", domid);
	result = store_remove(store, 0, path);
	if (result != 0 && result != -ENOENT)
		return result;
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	return store_remove(store, 0, path);
}

/* ---- adding a device ---- */

static int write_limits(struct store *store, store_txn txn, const char *dir,
			const struct toolstack_device *device)
{
	const struct {
		const char *key;
		uint32_t value;
	} limits[] = {
		{"max-space", device->max_space},
		{"max-files", device->max_files},
		{"max-open-files", device->max_open_files},
		{"auto-delete", device->auto_delete},
	};
	int result = 0;

	if (strcmp(device->kind, TOOLSTACK_9PFSD) != 0)
		return 0;
	for (size_t i = 0; result == 0 && i < countof(limits); i++)
		result = nodes_write(store, txn, dir, limits[i].key, "%u", limits[i].value);
	return result;
}

/* The backend's keys, into its directory or into libxl's copy. */
static int write_back_keys(struct store *store, store_txn txn, const char *dir, const char *front,
			   const struct toolstack_device *device)
{
	int result = nodes_write(store, txn, dir, "frontend", "%s", front);

	if (result == 0)
		result = nodes_write(store, txn, dir, "frontend-id", "%u", device->domid);
	if (result == 0)
		result = nodes_write(store, txn, dir, "online", "1");
	if (result == 0)
		result = nodes_write(store, txn, dir, "state", "%d", XenbusStateInitialising);
	if (result == 0)
		result = nodes_write(store, txn, dir, "path", "%s", device->path);
	if (result == 0)
		result = nodes_write(store, txn, dir, "security_model", "%s",
				     device->security_model);
	return result != 0 ? result : write_limits(store, txn, dir, device);
}

static int write_front_keys(struct store *store, store_txn txn, const struct places *at,
			    const struct toolstack_device *device)
{
	int result = nodes_write(store, txn, at->front, "backend", "%s", at->back);

	if (result == 0)
		result = nodes_write(store, txn, at->front, "backend-id", "%u", device->backend);
	if (result == 0)
		result = nodes_write(store, txn, at->front, "state", "%d", XenbusStateInitialising);
	if (result == 0)
		result = nodes_write(store, txn, at->front, "tag", "%s", device->tag);
	return result;
}

/* The directories above the device's own. */
static int make_parents(struct store *store, store_txn txn, const struct toolstack_device *device)
{
	char path[STORE_PATH_MAX];
	int result;

	snprintf(path, sizeof(path), "/local/domain/%u/backend/%s", device->backend, device->kind);
	result = make_parent(store, txn, path, device->backend);
	if (result != 0)
		return result;
	snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%u", device->backend,
		 device->kind, device->domid);
	result = make_parent(store, txn, path, device->backend);
	if (result != 0)
		return result;
	snprintf(path, sizeof(path), "/local/domain/%u/device/9pfs", device->domid);
	return make_parent(store, txn, path, device->domid);
}

static int write_device(struct store *store, store_txn txn, void *arg)
{
	const struct toolstack_device *device = arg;
	struct places at = places_of(device->domid, device->devid);
	int result;

	snprintf(at.back, sizeof(at.back), "/local/domain/%u/backend/%s/%u/%u", device->backend,
		 device->kind, device->domid, device->devid);
	result = make_parents(store, txn, device);
	if (result == 0)
		result = store_remove(store, txn, at.back);
	if (result == 0)
		result = store_remove(store, txn, at.front);
	if (result == 0)
		result = make_dir(store, txn, at.back, device->backend, device->domid);
	if (result == 0)
		result = make_dir(store, txn, at.front, device->domid, device->backend);
	if (result == 0)
		result = write_back_keys(store, txn, at.back, at.front, device);
	if (result == 0)
		result = write_front_keys(store, txn, &at, device);
	if (result == 0)
		result = nodes_write(store, txn, at.libxl, "backend", "%s", at.back);
	return result != 0 ? result : write_back_keys(store, txn, at.libxl, at.front, device);
}

int toolstack_attach(struct store *store, const struct toolstack_device *device)
{
	struct toolstack_device copy = *device;

	return nodes_transact(store, write_device, &copy);
}

int toolstack_await_backend(struct store *store, const struct toolstack_device *device)
{
	char back[STORE_PATH_MAX];
	int result = toolstack_backend(store, device->domid, device->devid, back);

	if (result == 0)
		result = nodes_await(store, back, NODES_STATE(XenbusStateInitWait),
				     TOOLSTACK_TIMEOUT);
	return result < 0 ? result : 0;
}

/* ---- removing a device ---- */

struct removal {
	struct places at;
	enum toolstack_removal how;
};

/* -ENOENT: the backend's part is gone already, clean up the rest. */
static int ask_backend(struct store *store, store_txn txn, void *arg)
{
	const struct removal *removal = arg;
	char path[STORE_PATH_MAX], state[16];
	ssize_t length;
	int result = 0;

	if (removal->how == TOOLSTACK_DESTROY)
		result = store_remove(store, txn, removal->at.front);
	if (result != 0)
		return result;
	nodes_path(path, removal->at.back, "state");
	length = store_read(store, txn, path, state, sizeof(state));
	if (length < 0)
		return (int)length;
	result = nodes_write(store, txn, removal->at.back, "online", "0");
	if (result == 0 && strcmp(state, "6") != 0)
		result = nodes_write(store, txn, removal->at.back, "state", "%d",
				     XenbusStateClosing);
	return result;
}

/* Tells the backend and waits. */
static int end_backend(struct store *store, struct removal *removal)
{
	int result;

	if (removal->how == TOOLSTACK_CUT) {
		result = nodes_await(store, removal->at.back, NODES_STATE(XenbusStateClosed),
				     TOOLSTACK_GRACE);
		if (result == -ETIMEDOUT)
			result = nodes_set_state(store, removal->at.back, XenbusStateClosed);
	} else {
		result = nodes_transact(store, ask_backend, removal);
		if (result == 0)
			result = nodes_await(store, removal->at.back,
					     NODES_STATE(XenbusStateClosed) |
						     NODES_STATE(XenbusStateUnknown),
					     TOOLSTACK_TIMEOUT);
	}
	return result > 0 || result == -ENOENT ? 0 : result;
}

/* Removes a directory and its empty parents up to ".../backend". */
static int remove_back(struct store *store, char *path)
{
	int result = store_remove(store, 0, path);

	for (int i = 0; result == 0 && i < 2; i++) {
		char **names = NULL;
		unsigned count = 0;

		*strrchr(path, '/') = '\0';
		result = store_list(store, 0, path, &names, &count);
		free(names);
		if (result != 0 || count > 0)
			break;
		result = store_remove(store, 0, path);
	}
	return result == -ENOENT ? 0 : result;
}

static int remove_nodes(struct store *store, struct places *at)
{
	const char *removed[] = {at->front, at->libxl};

	for (size_t i = 0; i < countof(removed); i++) {
		int result = store_remove(store, 0, removed[i]);

		if (result != 0 && result != -ENOENT)
			return result;
	}
	return remove_back(store, at->back);
}

int toolstack_detach(struct store *store, uint32_t domid, uint32_t devid,
		     enum toolstack_removal how)
{
	struct removal removal = {.at = places_of(domid, devid), .how = how};
	uint32_t backend;
	int result = toolstack_backend(store, domid, devid, removal.at.back);
	int removed;

	if (result != 0)
		return result;
	result = end_backend(store, &removal);
	/* A driver domain removes its own directory. */
	if (result == 0 && sscanf(removal.at.back, "/local/domain/%u/", &backend) == 1 &&
	    backend != store_domid(store))
		result = nodes_await(store, removal.at.back, NODES_STATE(XenbusStateUnknown),
				     TOOLSTACK_TIMEOUT);
	removed = remove_nodes(store, &removal.at);
	return result != 0 ? result : removed;
}
