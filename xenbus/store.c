/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * store.c - see store.h: picks the version of the seam by the name of the bus and forwards to it.
 */
#include "config.h"

#include "xenbus/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/util.h"
#include "xenbus/bus.h"

static const struct {
	const char *name;
	int (*open)(const char *address, struct store **store, char *err, size_t errlen);
} versions[] = {
#ifdef HAVE_LIBXEN
	{"xen", store_xen_open},
#endif
	{"sim:", store_sim_open},
};

int store_open(const char *bus, struct store **store, char *err, size_t errlen)
{
	const char *address;

	/* The one failure that a version may leave unexplained. */
	snprintf(err, errlen, "out of memory");
	for (size_t i = 0; i < countof(versions); i++) {
		if (bus_is(bus, versions[i].name, &address))
			return versions[i].open(address, store, err, errlen);
	}
	return bus_unknown(bus, err, errlen);
}

void store_close(struct store *store)
{
	if (store != NULL)
		store->ops->close(store);
}

uint32_t store_domid(const struct store *store)
{
	return store->domid;
}

ssize_t store_read(struct store *store, store_txn txn, const char *path, char *buf, size_t size)
{
	ssize_t length = store->ops->read(store, txn, path, buf, size);

	if (length > 0 && memchr(buf, '\0', (size_t)length) != NULL)
		return -EINVAL;
	return length;
}

int store_write(struct store *store, store_txn txn, const char *path, const char *value)
{
	return store->ops->write(store, txn, path, value);
}

int store_remove(struct store *store, store_txn txn, const char *path)
{
	int result = store->ops->remove(store, txn, path);

	return result == -ENOENT ? 0 : result;
}

int store_list(struct store *store, store_txn txn, const char *path, char ***names, unsigned *count)
{
	return store->ops->list(store, txn, path, names, count);
}

int store_grant_read(struct store *store, store_txn txn, const char *path, uint32_t owner,
		     uint32_t reader)
{
	return store->ops->grant_read(store, txn, path, owner, reader);
}

int store_begin(struct store *store, store_txn *txn)
{
	return store->ops->begin(store, txn);
}

int store_end(struct store *store, store_txn txn, int commit)
{
	int result = store->ops->end(store, txn, commit);

	return commit ? result : 0;
}

int store_watch(struct store *store, const char *path, const char *token)
{
	return store->ops->watch(store, path, token);
}

int store_unwatch(struct store *store, const char *path, const char *token)
{
	return store->ops->unwatch(store, path, token);
}

int store_fd(const struct store *store)
{
	return store->fd;
}

void store_copy_name(char to[STORE_PATH_MAX], const char *name)
{
	size_t size = strlen(name) + 1;

	to[0] = '\0';
	if (size <= STORE_PATH_MAX)
		memcpy(to, name, size);
}

int store_event(struct store *store, char path[STORE_PATH_MAX], char token[STORE_PATH_MAX])
{
	return store->ops->event(store, path, token);
}
