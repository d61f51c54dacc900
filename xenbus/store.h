/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * store.h - seam 1, used by the supervisor and by tools: what xenstored gives.
 *
 * Two versions with one behaviour, chosen by the bus name: "xen" (libxenstore; store_xen.c,
 * absent when built without libxen) and "sim:DIR[@DOMID]" (the simulated bus in DIR as domain
 * DOMID, 0 unless told; store_sim.c, sim_bus.c).
 *
 * Paths without a leading "/" are relative to the own domain's home (/local/domain/<domid>), as
 * xenstored has it; events of a watch on a relative path carry relative paths. Results are 0 or
 * a count, or -errno. Not thread-safe: one thread uses a store. A connection that is lost
 * answers -ENOTCONN from then on.
 */
#ifndef XENBUS_STORE_H
#define XENBUS_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_PATH_MAX 256   /* bytes with NUL of any path of ours */
#define STORE_VALUE_MAX 4096 /* bytes with NUL */

struct store;
typedef uint32_t store_txn; /* 0: no transaction */

/* An open store for store_close(), or -errno with a text in `err`. */
int store_open(const char *bus, struct store **store, char *err, size_t errlen);
void store_close(struct store *store); /* takes NULL */

/* Own domain id, read once at open. */
uint32_t store_domid(const struct store *store);

/* Copies the value, NUL-terminated, and returns its length. -ENOENT, -EACCES; -EMSGSIZE when it
 * does not fit `size`; -EINVAL when it has a NUL inside. */
ssize_t store_read(struct store *store, store_txn txn, const char *path, char *buf, size_t size);

/* Makes missing parents. */
int store_write(struct store *store, store_txn txn, const char *path, const char *value);

/* Recursive; a missing node is no error. */
int store_remove(struct store *store, store_txn txn, const char *path);

/* Names of the children: `*names` is one block for free(), `*count` its length. Never use it on
 * a directory that a guest owns (a large one costs the connection). */
int store_list(struct store *store, store_txn txn, const char *path, char ***names,
	       unsigned *count);

/* Who owns a node (made if missing) and what is made below it from now on, and who else may read
 * that. For tools (the toolstack's part). */
int store_grant_read(struct store *store, store_txn txn, const char *path, uint32_t owner,
		     uint32_t reader);

/* end: -EAGAIN means that somebody else was faster, do it all again; aborting never fails. */
int store_begin(struct store *store, store_txn *txn);
int store_end(struct store *store, store_txn txn, int commit);

/* A watch fires for its node and all below, once at registration, and carries no value. */
int store_watch(struct store *store, const char *path, const char *token);
int store_unwatch(struct store *store, const char *path, const char *token);

/* Readable when an event may wait, and when the connection is lost (as far as it can tell). */
int store_fd(const struct store *store);

/* Takes one event: 1, or 0 when there is none, or -ENOTCONN. A path that does not fit is "": what
 * lies below a watch may be a guest's. After store_unwatch() events may still be on their way. */
int store_event(struct store *store, char path[STORE_PATH_MAX], char token[STORE_PATH_MAX]);

/* What a version of the seam fills in; same contract. For store_*.c only. */
struct store_ops {
	void (*close)(struct store *store);
	ssize_t (*read)(struct store *store, store_txn txn, const char *path, char *buf,
			size_t size);
	int (*write)(struct store *store, store_txn txn, const char *path, const char *value);
	int (*remove)(struct store *store, store_txn txn, const char *path);
	int (*list)(struct store *store, store_txn txn, const char *path, char ***names,
		    unsigned *count);
	int (*grant_read)(struct store *store, store_txn txn, const char *path, uint32_t owner,
			  uint32_t reader);
	int (*begin)(struct store *store, store_txn *txn);
	int (*end)(struct store *store, store_txn txn, int commit);
	int (*watch)(struct store *store, const char *path, const char *token);
	int (*unwatch)(struct store *store, const char *path, const char *token);
	int (*event)(struct store *store, char *path, char *token);
};

struct store {
	const struct store_ops *ops;
	uint32_t domid;
	int fd;
};

/* The path or token of an event; "" if it does not fit. */
void store_copy_name(char to[STORE_PATH_MAX], const char *name);

/* `address` is what stands behind the name in the name of the bus. */
int store_xen_open(const char *address, struct store **store, char *err, size_t errlen);
int store_sim_open(const char *address, struct store **store, char *err, size_t errlen);

#endif
