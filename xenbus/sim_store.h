/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_store.h - what xenstored does with its nodes: paths, rights, watches, transactions. Knows
 * nothing of sockets. Results are 0 or more, or -errno.
 */
#ifndef XENBUS_SIM_STORE_H
#define XENBUS_SIM_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "xenbus/sim_tree.h"

struct sim_watch;
struct sim_txn;
struct sim_client;
TAILQ_HEAD(sim_watches, sim_watch);

struct sim_store {
	struct sim_node *root;
	uint64_t now; /* counts changes */
	struct sim_watches watches;
};

/* Who asks. The owner of this struct fills in domid and event(), which is called in the midst of
 * others' requests and must not call back. */
struct sim_client {
	uint32_t domid;
	void (*event)(struct sim_client *client, const char *path, const char *token);
	unsigned watches;
	uint32_t last_txn;
	TAILQ_HEAD(, sim_txn) txns;
};

int sim_store_init(struct sim_store *store);
void sim_store_destroy(struct sim_store *store);

void sim_client_init(struct sim_client *client);
/* Drops its watches, aborts its transactions. */
void sim_client_destroy(struct sim_store *store, struct sim_client *client);

/* The home of a domain with its node `domid`, made unless it is there. */
int sim_store_introduce(struct sim_store *store, uint32_t domid);
/* Events of the special paths "@introduceDomain" and "@releaseDomain". */
void sim_store_announce(struct sim_store *store, const char *special);
/* Nodes below the home of a domain, the node `domid` apart. */
uint32_t sim_store_count(const struct sim_store *store, uint32_t domid);

/* Point into the tree: for use before the next call. */
ssize_t sim_store_read(struct sim_store *store, struct sim_client *client, uint32_t txn,
		       const char *path, const void **value);
/* Writes the children's names, each with its NUL, and how many bytes that are. */
int sim_store_list(struct sim_store *store, struct sim_client *client, uint32_t txn,
		   const char *path, char *names, size_t room, size_t *used);

int sim_store_write(struct sim_store *store, struct sim_client *client, uint32_t txn,
		    const char *path, const void *value, size_t length);
int sim_store_remove(struct sim_store *store, struct sim_client *client, uint32_t txn,
		     const char *path);
int sim_store_grant_read(struct sim_store *store, struct sim_client *client, uint32_t txn,
			 const char *path, struct sim_perms perms);

/* Returns the transaction's number. */
int sim_store_begin(struct sim_store *store, struct sim_client *client);
int sim_store_end(struct sim_store *store, struct sim_client *client, uint32_t txn, int commit);

int sim_store_watch(struct sim_store *store, struct sim_client *client, const char *path,
		    const char *token);
int sim_store_unwatch(struct sim_store *store, struct sim_client *client, const char *path,
		      const char *token);

#endif
