/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nodes.h - what backend, frontend and toolstack do alike with a device's nodes in the store:
 * numbers, states, waiting for them, transactions.
 */
#ifndef XENBUS_NODES_H
#define XENBUS_NODES_H

#include "xenbus/handshake.h"
#include "xenbus/store.h"

/* A set of states, for nodes_await(). */
#define NODES_STATE(state) (1u << (state))
#define NODES_CLOSED                                                                               \
	(NODES_STATE(XenbusStateClosing) | NODES_STATE(XenbusStateClosed) |                        \
	 NODES_STATE(XenbusStateUnknown))

/* Milliseconds of a clock that never jumps. */
int64_t nodes_now(void);

/* "dir/key" in a buffer of STORE_PATH_MAX bytes. */
void nodes_path(char path[STORE_PATH_MAX], const char *dir, const char *key);

/* A value, or an unsigned number: 0 or -errno; -EINVAL when it is not one. */
int nodes_read(struct store *store, const char *dir, const char *key, char *buf, size_t size);
int nodes_read_number(struct store *store, const char *dir, const char *key, uint32_t *number);

int nodes_write(struct store *store, store_txn txn, const char *dir, const char *key,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Runs `change` in a transaction, again when somebody else was faster. What it returns other
 * than 0 aborts, and is returned. */
typedef int nodes_change(struct store *store, store_txn txn, void *arg);
int nodes_transact(struct store *store, nodes_change *change, void *arg);

/* What "dir/state" says; XenbusStateUnknown when it cannot be read or understood. */
enum xenbus_state nodes_state(struct store *store, const char *dir);

/* Writes "dir/state", unless it has vanished: -ENOENT. */
int nodes_set_state(struct store *store, const char *dir, enum xenbus_state state);

/* Waits until "dir/state" is in the set `states`; returns it, or -ETIMEDOUT. Swallows events of
 * other watches of this store: look at what they watch afterwards. */
int nodes_await(struct store *store, const char *dir, unsigned states, int timeout_ms);

#endif
