/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * store_xen.c - the store seam on libxenstore.
 *
 * The library closes its socket at the first communication error and then fails every call in
 * its own ways, some of them those of an answer; so the first such error is remembered, and from
 * then on everything is -ENOTCONN. The caller has SIGPIPE ignored.
 */
#include "config.h"

#include "xenbus/store.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "common/util.h"

struct store_xen {
	struct store store;
	struct xs_handle *handle;
	bool lost;
};

static struct store_xen *xen_of(struct store *store)
{
	return container_of(store, struct store_xen, store);
}

static bool means_lost(int error)
{
	return error == EBADF || error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

/* A request that was under way when the library's reader thread gave up fails with EINVAL, as a
 * bad request does; the next one fails in a way that tells. */
static bool next_is_lost(struct store_xen *xen)
{
	unsigned length;
	_cleanup_free_ char *value = xs_read(xen->handle, XBT_NULL, "domid", &length);

	return value == NULL && means_lost(errno);
}

/* The -errno of a call that just failed. */
static int failure(struct store_xen *xen)
{
	int error = errno;

	if (means_lost(error) || (error == EINVAL && next_is_lost(xen)))
		xen->lost = true;
	return xen->lost ? -ENOTCONN : -error;
}

static int outcome(struct store_xen *xen, bool success)
{
	return success ? 0 : failure(xen);
}

static void store_xen_close(struct store *store)
{
	xs_close(xen_of(store)->handle);
	free(xen_of(store));
}

static ssize_t store_xen_read(struct store *store, store_txn txn, const char *path, char *buf,
			      size_t size)
{
	_cleanup_free_ char *value = NULL;
	unsigned length;

	value = xs_read(xen_of(store)->handle, txn, path, &length);
	if (value == NULL)
		return failure(xen_of(store));
	if (length >= size)
		return -EMSGSIZE;
	memcpy(buf, value, length);
	buf[length] = '\0';
	return (ssize_t)length;
}

static int store_xen_write(struct store *store, store_txn txn, const char *path, const char *value)
{
	size_t length = strlen(value);

	if (length >= STORE_VALUE_MAX)
		return -E2BIG;
	return outcome(xen_of(store),
		       xs_write(xen_of(store)->handle, txn, path, value, (unsigned)length));
}

static int store_xen_remove(struct store *store, store_txn txn, const char *path)
{
	return outcome(xen_of(store), xs_rm(xen_of(store)->handle, txn, path));
}

static int store_xen_list(struct store *store, store_txn txn, const char *path, char ***names,
			  unsigned *count)
{
	*names = xs_directory(xen_of(store)->handle, txn, path, count);
	return outcome(xen_of(store), *names != NULL);
}

static int store_xen_grant_read(struct store *store, store_txn txn, const char *path,
				uint32_t owner, uint32_t reader)
{
	struct xs_permissions perms[] = {
		{.id = owner, .perms = XS_PERM_NONE},
		{.id = reader, .perms = XS_PERM_READ},
	};
	struct xs_handle *handle = xen_of(store)->handle;

	return outcome(xen_of(store),
		       xs_mkdir(handle, txn, path) &&
			       xs_set_permissions(handle, txn, path, perms, countof(perms)));
}

static int store_xen_begin(struct store *store, store_txn *txn)
{
	*txn = xs_transaction_start(xen_of(store)->handle);
	return outcome(xen_of(store), *txn != XBT_NULL);
}

static int store_xen_end(struct store *store, store_txn txn, int commit)
{
	return outcome(xen_of(store), xs_transaction_end(xen_of(store)->handle, txn, commit == 0));
}

static int store_xen_watch(struct store *store, const char *path, const char *token)
{
	return outcome(xen_of(store), xs_watch(xen_of(store)->handle, path, token));
}

static int store_xen_unwatch(struct store *store, const char *path, const char *token)
{
	return outcome(xen_of(store), xs_unwatch(xen_of(store)->handle, path, token));
}

static int store_xen_event(struct store *store, char *path, char *token)
{
	struct store_xen *xen = xen_of(store);
	_cleanup_free_ char **event = xs_check_watch(xen->handle);

	if (event == NULL && errno == EAGAIN)
		return xen->lost ? -ENOTCONN : 0;
	if (event == NULL) {
		/* Whatever it says: the reader thread has given up. */
		xen->lost = true;
		return -ENOTCONN;
	}
	store_copy_name(path, event[XS_WATCH_PATH]);
	store_copy_name(token, event[XS_WATCH_TOKEN]);
	return 1;
}

static const struct store_ops store_xen_ops = {
	.close = store_xen_close,
	.read = store_xen_read,
	.write = store_xen_write,
	.remove = store_xen_remove,
	.list = store_xen_list,
	.grant_read = store_xen_grant_read,
	.begin = store_xen_begin,
	.end = store_xen_end,
	.watch = store_xen_watch,
	.unwatch = store_xen_unwatch,
	.event = store_xen_event,
};

/* "domid" in the own home, digits only. Domain 0 may lack it: xen-init-dom0 writes it, and not
 * everybody runs that; it is then known by its name. */
static int read_domid(struct store *store)
{
	char text[16], *end;
	unsigned long domid;
	ssize_t length;

	length = store_read(store, XBT_NULL, "domid", text, sizeof(text));
	if (length == -ENOENT) {
		length = store_read(store, XBT_NULL, "/local/domain/0/name", text, sizeof(text));
		return length > 0 && strcmp(text, "Domain-0") == 0 ? 0 : -ENOENT;
	}
	if (length < 0)
		return (int)length;
	if (length == 0 || length > 5 || strspn(text, "0123456789") != (size_t)length)
		return -EINVAL;
	domid = strtoul(text, &end, 10);
	store->domid = (uint32_t)domid;
	return 0;
}

int store_xen_open(const char *address, struct store **store, char *err, size_t errlen)
{
	struct store_xen *xen = calloc(1, sizeof(*xen));
	int result;

	(void)address;
	if (xen == NULL)
		return -ENOMEM;
	xen->store.ops = &store_xen_ops;
	/* Without XS_UNWATCH_FILTER: what is queued when a watch goes is taken like all else, which
	 * costs least when it is much. */
	xen->handle = xs_open(0);
	if (xen->handle == NULL) {
		result = -errno;
		snprintf(err, errlen, "xenstore: %s", strerror(-result));
		free(xen);
		return result;
	}
	xen->store.fd = xs_fileno(xen->handle);
	result = read_domid(&xen->store);
	if (result < 0) {
		snprintf(err, errlen, "xenstore: own domain id: %s", strerror(-result));
		store_xen_close(&xen->store);
		return result;
	}
	*store = &xen->store;
	return 0;
}
