/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nodes.c - see nodes.h.
 */
#include "xenbus/nodes.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t nodes_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void nodes_path(char path[STORE_PATH_MAX], const char *dir, const char *key)
{
	snprintf(path, STORE_PATH_MAX, "%s/%s", dir, key);
}

int nodes_read(struct store *store, const char *dir, const char *key, char *buf, size_t size)
{
	char path[STORE_PATH_MAX];
	ssize_t length;

	nodes_path(path, dir, key);
	length = store_read(store, 0, path, buf, size);
	return length < 0 ? (int)length : 0;
}

int nodes_read_number(struct store *store, const char *dir, const char *key, uint32_t *number)
{
	char text[11]; /* ten digits */
	int result = nodes_read(store, dir, key, text, sizeof(text));
	unsigned long value;

	if (result != 0)
		return result == -EMSGSIZE ? -EINVAL : result;
	if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (value > UINT32_MAX)
		return -EINVAL;
	*number = (uint32_t)value;
	return 0;
}

int nodes_write(struct store *store, store_txn txn, const char *dir, const char *key,
		const char *format, ...)
{
	char path[STORE_PATH_MAX], value[STORE_VALUE_MAX];
	va_list args;

	nodes_path(path, dir, key);
	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	return store_write(store, txn, path, value);
}

int nodes_transact(struct store *store, nodes_change *change, void *arg)
{
	store_txn txn;
	int result;

	do {
		result = store_begin(store, &txn);
		if (result != 0)
			return result;
		result = change(store, txn, arg);
		if (result != 0) {
			store_end(store, txn, 0);
			return result;
		}
		result = store_end(store, txn, 1);
	} while (result == -EAGAIN);
	return result;
}

enum xenbus_state nodes_state(struct store *store, const char *dir)
{
	uint32_t number;

	if (nodes_read_number(store, dir, "state", &number) != 0 || number > XenbusStateClosed)
		return XenbusStateUnknown;
	return (enum xenbus_state)number;
}

struct state_change {
	const char *dir;
	enum xenbus_state state;
};

static int change_state(struct store *store, store_txn txn, void *arg)
{
	const struct state_change *change = arg;
	char path[STORE_PATH_MAX], old[STORE_VALUE_MAX];
	ssize_t length;

	nodes_path(path, change->dir, "state");
	length = store_read(store, txn, path, old, sizeof(old));
	if (length < 0)
		return (int)length;
	return nodes_write(store, txn, change->dir, "state", "%d", change->state);
}

int nodes_set_state(struct store *store, const char *dir, enum xenbus_state state)
{
	struct state_change change = {.dir = dir, .state = state};

	return nodes_transact(store, change_state, &change);
}

/* Sleeps until something happens in the store, and takes all the events. */
static int wait_for_event(struct store *store, int64_t deadline)
{
	struct pollfd fd = {.fd = store_fd(store), .events = POLLIN};
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	int64_t left = deadline - nodes_now();
	int result = poll(&fd, 1, left > 0 ? (int)left : 0);

	if (result == 0)
		return -ETIMEDOUT;
	if (result < 0 && errno != EINTR)
		return -errno;
	while ((result = store_event(store, path, token)) > 0)
		;
	return result;
}

int nodes_await(struct store *store, const char *dir, unsigned states, int timeout_ms)
{
	int64_t deadline = nodes_now() + timeout_ms;
	char path[STORE_PATH_MAX];
	enum xenbus_state state;
	int result;

	nodes_path(path, dir, "state");
	result = store_watch(store, path, "await");
	while (result == 0) {
		state = nodes_state(store, dir);
		if (states & NODES_STATE(state))
			break;
		result = wait_for_event(store, deadline);
	}
	store_unwatch(store, path, "await");
	return result != 0 ? result : (int)state;
}
