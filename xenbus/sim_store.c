/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_store.c - see sim_store.h.
 *
 * Every change is a struct access that is applied to a new root beside the old one; publishing
 * the new root and firing the watches, which may look at both, comes last. A transaction is a
 * root of its own and the list of its accesses: at its end nothing that it looked at may have
 * changed since, and its changes are applied once more, to the root of that moment.
 */
#include "xenbus/sim_store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "xenbus/sim_wire.h"

/* Of one client; xenstored is stricter with guests and has no limit for domain 0. */
#define WATCHES_MAX 8192
#define TXNS_MAX 32
#define TXN_ACCESSES_MAX 1024

#define HOME_FORMAT "/local/domain/%u"
#define HOME_MAX 32

#define PATH_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@"

enum access_kind { ACCESS_READ, ACCESS_WRITE, ACCESS_REMOVE, ACCESS_PERMS };

/* One thing done to, or learned from, the node at `path`. */
struct access {
	TAILQ_ENTRY(access) entry; /* sim_txn.accesses */
	enum access_kind kind;
	const char *path;
	const void *value; /* ACCESS_WRITE */
	size_t length;
	struct sim_perms perms; /* ACCESS_PERMS */
};

struct sim_txn {
	TAILQ_ENTRY(sim_txn) entry; /* sim_client.txns */
	uint32_t id;
	struct sim_node *base; /* as it was at the beginning */
	struct sim_node *root; /* as the client sees it */
	unsigned count;
	TAILQ_HEAD(, access) accesses;
};

struct sim_watch {
	TAILQ_ENTRY(sim_watch) entry; /* sim_store.watches */
	struct sim_client *client;
	size_t relative; /* bytes of `path` that its events leave out */
	char *token;	 /* behind path */
	char path[];
};

/* --- paths and rights ---------------------------------------------------------------------- */

static bool path_valid(const char *path)
{
	size_t length = strlen(path);

	if (length == 0 || length > SIM_PATH_MAX || strspn(path, PATH_CHARACTERS) != length)
		return false;
	if (strstr(path, "//") != NULL)
		return false;
	return length == 1 || path[length - 1] != '/';
}

/* What `path` means for `domid`, for free(); NULL and errno. */
static char *path_absolute(uint32_t domid, const char *path)
{
	char *absolute;
	int length;

	length = path[0] == '/' ? asprintf(&absolute, "%s", path)
				: asprintf(&absolute, HOME_FORMAT "/%s", domid, path);
	if (length < 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (!path_valid(absolute) || path[0] == '@') {
		free(absolute);
		errno = EINVAL;
		return NULL;
	}
	return absolute;
}

/* Is `path` the node `top` or below it? */
static bool path_within(const char *top, const char *path)
{
	size_t length = strlen(top);

	if (length == 1 && top[0] == '/')
		return path[0] == '/';
	return strncmp(path, top, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool may_write(const struct sim_node *node, uint32_t domid)
{
	return domid == 0 || domid == node->perms.owner;
}

static bool may_read(const struct sim_node *node, uint32_t domid)
{
	return may_write(node, domid) || domid == node->perms.reader;
}

static bool may_see(const struct sim_node *root, const char *path, uint32_t domid)
{
	const struct sim_node *node = sim_tree_find(root, path, NULL);

	return domid == 0 || (node != NULL && may_read(node, domid));
}

/* --- watches ------------------------------------------------------------------------------- */

/* The special paths stand for domains coming and going, which only domain 0 may know of. */
static bool path_special(const char *path)
{
	return strcmp(path, "@introduceDomain") == 0 || strcmp(path, "@releaseDomain") == 0;
}

static void watch_fire(const struct sim_watch *watch, const char *path)
{
	watch->client->event(watch->client, path + watch->relative, watch->token);
}

/* Tells who watches what `change` touched, if they may know it. */
static void fire_change(struct sim_store *store, const struct sim_node *old,
			const struct sim_node *new, const struct access *change)
{
	struct sim_watch *watch;

	TAILQ_FOREACH (watch, &store->watches, entry) {
		uint32_t domid = watch->client->domid;

		if (path_within(watch->path, change->path)) {
			if (may_see(old, change->path, domid) || may_see(new, change->path, domid))
				watch_fire(watch, change->path);
		} else if (change->kind == ACCESS_REMOVE &&
			   path_within(change->path, watch->path)) {
			if (sim_tree_find(old, watch->path, NULL) != NULL &&
			    may_see(old, watch->path, domid))
				watch_fire(watch, watch->path);
		}
	}
}

static struct sim_watch *watch_find(struct sim_store *store, const struct sim_client *client,
				    const char *path, const char *token)
{
	struct sim_watch *watch;

	TAILQ_FOREACH (watch, &store->watches, entry) {
		if (watch->client == client && strcmp(watch->path + watch->relative, path) == 0 &&
		    strcmp(watch->token, token) == 0)
			return watch;
	}
	return NULL;
}

static void watch_delete(struct sim_store *store, struct sim_watch *watch)
{
	TAILQ_REMOVE(&store->watches, watch, entry);
	watch->client->watches--;
	free(watch);
}

int sim_store_watch(struct sim_store *store, struct sim_client *client, const char *path,
		    const char *token)
{
	_cleanup_free_ char *absolute = NULL;
	struct sim_watch *watch;
	size_t length;

	if (path_special(path) && client->domid != 0)
		return -EACCES;
	absolute = path_special(path) ? strdup(path) : path_absolute(client->domid, path);
	if (absolute == NULL)
		return -errno;
	if (watch_find(store, client, path, token) != NULL)
		return -EEXIST;
	if (client->watches >= WATCHES_MAX)
		return -ENOSPC;

	length = strlen(absolute) + 1;
	watch = calloc(1, sizeof(*watch) + length + strlen(token) + 1);
	if (watch == NULL)
		return -ENOMEM;
	watch->client = client;
	watch->relative = strlen(absolute) - strlen(path);
	memcpy(watch->path, absolute, length);
	watch->token = watch->path + length;
	memcpy(watch->token, token, strlen(token) + 1);
	TAILQ_INSERT_TAIL(&store->watches, watch, entry);
	client->watches++;

	watch_fire(watch, watch->path);
	return 0;
}

int sim_store_unwatch(struct sim_store *store, struct sim_client *client, const char *path,
		      const char *token)
{
	struct sim_watch *watch = watch_find(store, client, path, token);

	if (watch == NULL)
		return -ENOENT;
	watch_delete(store, watch);
	return 0;
}

void sim_store_announce(struct sim_store *store, const char *special)
{
	struct sim_watch *watch;

	TAILQ_FOREACH (watch, &store->watches, entry) {
		if (strcmp(watch->path, special) == 0)
			watch_fire(watch, special);
	}
}

/* --- one access ---------------------------------------------------------------------------- */

/* -ENOENT for a node that is not there, unless even that is a secret. */
static int missing(const struct sim_node *nearest, uint32_t domid)
{
	return may_read(nearest, domid) ? -ENOENT : -EACCES;
}

static int apply_write(struct sim_node **root, const struct access *change, uint64_t now)
{
	struct sim_node *node;
	int result;

	result = sim_tree_make(root, change->path, now, &node);
	if (result < 0)
		return result;
	node->changed = now;
	if (change->kind == ACCESS_WRITE)
		return sim_tree_set(node, change->value, change->length);
	node->perms = change->perms;
	return 0;
}

/* May `domid` change `root` so? */
static int check_change(const struct sim_node *root, uint32_t domid, const struct access *change)
{
	const struct sim_node *nearest, *node = sim_tree_find(root, change->path, &nearest);

	if (change->kind == ACCESS_REMOVE && node == NULL)
		return missing(nearest, domid);
	if (!may_write(nearest, domid))
		return -EACCES;
	if (change->kind == ACCESS_REMOVE && node == root)
		return -EINVAL;
	if (change->kind == ACCESS_PERMS && domid != 0 && change->perms.owner != domid)
		return -EPERM;
	return 0;
}

/* The tree that `root` becomes by `change`, for sim_tree_unref(); `root` stays as it is. */
static int apply(struct sim_store *store, struct sim_node *root, uint32_t domid,
		 const struct access *change, struct sim_node **changed)
{
	struct sim_node *tree;
	int result;

	result = check_change(root, domid, change);
	if (result < 0)
		return result;
	tree = sim_tree_ref(root);
	result = change->kind == ACCESS_REMOVE ? sim_tree_remove(&tree, change->path, ++store->now)
					       : apply_write(&tree, change, ++store->now);
	if (result < 0)
		sim_tree_unref(tree);
	else
		*changed = tree;
	return result;
}

/* --- transactions -------------------------------------------------------------------------- */

static struct sim_txn *txn_find(struct sim_client *client, uint32_t id)
{
	struct sim_txn *txn;

	TAILQ_FOREACH (txn, &client->txns, entry) {
		if (txn->id == id)
			break;
	}
	return txn;
}

static void txn_delete(struct sim_client *client, struct sim_txn *txn)
{
	struct access *access;

	while ((access = TAILQ_FIRST(&txn->accesses)) != NULL) {
		TAILQ_REMOVE(&txn->accesses, access, entry);
		free(access);
	}
	sim_tree_unref(txn->base);
	sim_tree_unref(txn->root);
	TAILQ_REMOVE(&client->txns, txn, entry);
	free(txn);
}

/* Keeps a copy of `access`, as a look only if it came to nothing. */
static int txn_record(struct sim_txn *txn, const struct access *access, bool changed)
{
	size_t path_size = strlen(access->path) + 1;
	struct access *copy;
	char *bytes;

	if (txn->count >= TXN_ACCESSES_MAX)
		return -ENOSPC;
	copy = malloc(sizeof(*copy) + path_size + access->length);
	if (copy == NULL)
		return -ENOMEM;
	bytes = (char *)(copy + 1);
	*copy = *access;
	copy->kind = changed ? access->kind : ACCESS_READ;
	copy->path = memcpy(bytes, access->path, path_size);
	if (access->length > 0)
		copy->value = memcpy(bytes + path_size, access->value, access->length);
	TAILQ_INSERT_TAIL(&txn->accesses, copy, entry);
	txn->count++;
	return 0;
}

static uint64_t last_change(const struct sim_node *root, const char *path)
{
	const struct sim_node *node = sim_tree_find(root, path, NULL);

	return node == NULL ? 0 : node->changed;
}

/* -EAGAIN if anything that the transaction saw or changed is different by now. */
static int txn_check(const struct sim_store *store, const struct sim_txn *txn)
{
	const struct access *access;

	TAILQ_FOREACH (access, &txn->accesses, entry) {
		if (last_change(txn->base, access->path) != last_change(store->root, access->path))
			return -EAGAIN;
	}
	return 0;
}

/* The tree that the store becomes by the transaction. */
static int txn_apply(struct sim_store *store, const struct sim_txn *txn, uint32_t domid,
		     struct sim_node **changed)
{
	struct sim_node *root = sim_tree_ref(store->root), *next;
	const struct access *access;

	TAILQ_FOREACH (access, &txn->accesses, entry) {
		if (access->kind == ACCESS_READ)
			continue;
		/* It worked in the transaction: somebody changed something further up since. */
		if (apply(store, root, domid, access, &next) < 0) {
			sim_tree_unref(root);
			return -EAGAIN;
		}
		sim_tree_unref(root);
		root = next;
	}
	*changed = root;
	return 0;
}

static int txn_commit(struct sim_store *store, const struct sim_txn *txn, uint32_t domid)
{
	struct sim_node *old = store->root;
	const struct access *access;
	int result;

	result = txn_check(store, txn);
	if (result == 0)
		result = txn_apply(store, txn, domid, &store->root);
	if (result < 0)
		return result;
	TAILQ_FOREACH (access, &txn->accesses, entry) {
		if (access->kind != ACCESS_READ)
			fire_change(store, old, store->root, access);
	}
	sim_tree_unref(old);
	return 0;
}

int sim_store_begin(struct sim_store *store, struct sim_client *client)
{
	struct sim_txn *txn;
	unsigned open = 0;

	TAILQ_FOREACH (txn, &client->txns, entry)
		open++;
	if (open >= TXNS_MAX)
		return -ENOSPC;
	txn = calloc(1, sizeof(*txn));
	if (txn == NULL)
		return -ENOMEM;
	do {
		client->last_txn = client->last_txn % INT32_MAX + 1;
	} while (txn_find(client, client->last_txn) != NULL);
	txn->id = client->last_txn;
	txn->base = sim_tree_ref(store->root);
	txn->root = sim_tree_ref(store->root);
	TAILQ_INIT(&txn->accesses);
	TAILQ_INSERT_TAIL(&client->txns, txn, entry);
	return (int)txn->id;
}

int sim_store_end(struct sim_store *store, struct sim_client *client, uint32_t id, int commit)
{
	struct sim_txn *txn = txn_find(client, id);
	int result;

	if (txn == NULL)
		return -EINVAL;
	result = commit ? txn_commit(store, txn, client->domid) : 0;
	txn_delete(client, txn);
	return result;
}

/* --- requests ------------------------------------------------------------------------------ */

/* The node at `path` as the client sees it, with -ENOENT, -EACCES and the like. */
static int look(struct sim_store *store, struct sim_client *client, uint32_t id, const char *path,
		const struct sim_node **node)
{
	struct sim_txn *txn = txn_find(client, id);
	_cleanup_free_ char *absolute = path_absolute(client->domid, path);
	struct access access = {.kind = ACCESS_READ, .path = absolute};
	const struct sim_node *nearest;
	int result = 0;

	if (absolute == NULL)
		return -errno;
	if (id != 0 && txn == NULL)
		return -EINVAL;
	if (txn != NULL)
		result = txn_record(txn, &access, false);
	if (result < 0)
		return result;

	*node = sim_tree_find(txn != NULL ? txn->root : store->root, absolute, &nearest);
	if (*node == NULL)
		return missing(nearest, client->domid);
	return may_read(*node, client->domid) ? 0 : -EACCES;
}

static int change_in_txn(struct sim_store *store, uint32_t domid, struct sim_txn *txn,
			 const struct access *change)
{
	struct sim_node *changed;
	int result, recorded;

	result = apply(store, txn->root, domid, change, &changed);
	recorded = txn_record(txn, change, result == 0);
	if (result < 0)
		return result;
	if (recorded < 0) {
		sim_tree_unref(changed);
		return recorded;
	}
	sim_tree_unref(txn->root);
	txn->root = changed;
	return 0;
}

static int change_now(struct sim_store *store, uint32_t domid, const struct access *change)
{
	struct sim_node *old = store->root;
	int result;

	result = apply(store, old, domid, change, &store->root);
	if (result < 0)
		return result;
	fire_change(store, old, store->root, change);
	sim_tree_unref(old);
	return 0;
}

/* `change` is complete but for its path. */
static int change(struct sim_store *store, struct sim_client *client, uint32_t id, const char *path,
		  struct access change)
{
	_cleanup_free_ char *absolute = path_absolute(client->domid, path);
	struct sim_txn *txn = txn_find(client, id);

	if (absolute == NULL)
		return -errno;
	change.path = absolute;
	if (id == 0)
		return change_now(store, client->domid, &change);
	if (txn == NULL)
		return -EINVAL;
	return change_in_txn(store, client->domid, txn, &change);
}

ssize_t sim_store_read(struct sim_store *store, struct sim_client *client, uint32_t txn,
		       const char *path, const void **value)
{
	const struct sim_node *node;
	int result;

	result = look(store, client, txn, path, &node);
	if (result < 0)
		return result;
	*value = node->value;
	return (ssize_t)node->length;
}

int sim_store_list(struct sim_store *store, struct sim_client *client, uint32_t txn,
		   const char *path, char *names, size_t room, size_t *used)
{
	const struct sim_node *node;
	int result;

	result = look(store, client, txn, path, &node);
	if (result < 0)
		return result;
	*used = 0;
	for (size_t i = 0; i < node->count; i++) {
		size_t size = strlen(node->child[i]->name) + 1;

		if (size > room - *used)
			return -E2BIG;
		memcpy(names + *used, node->child[i]->name, size);
		*used += size;
	}
	return (int)node->count;
}

int sim_store_write(struct sim_store *store, struct sim_client *client, uint32_t txn,
		    const char *path, const void *value, size_t length)
{
	return change(store, client, txn, path,
		      (struct access){.kind = ACCESS_WRITE, .value = value, .length = length});
}

int sim_store_remove(struct sim_store *store, struct sim_client *client, uint32_t txn,
		     const char *path)
{
	return change(store, client, txn, path, (struct access){.kind = ACCESS_REMOVE});
}

int sim_store_grant_read(struct sim_store *store, struct sim_client *client, uint32_t txn,
			 const char *path, struct sim_perms perms)
{
	return change(store, client, txn, path,
		      (struct access){.kind = ACCESS_PERMS, .perms = perms});
}

/* --- domains and clients ------------------------------------------------------------------- */

int sim_store_introduce(struct sim_store *store, uint32_t domid)
{
	char home[HOME_MAX], node[HOME_MAX + sizeof("/domid")], value[HOME_MAX];
	struct access rights = {
		.kind = ACCESS_PERMS, .path = home, .perms = {.owner = 0, .reader = domid}};
	struct access write = {.kind = ACCESS_WRITE, .path = node, .value = value};
	int result;

	snprintf(home, sizeof(home), HOME_FORMAT, domid);
	snprintf(node, sizeof(node), "%s/domid", home);
	write.length = (size_t)snprintf(value, sizeof(value), "%u", domid);
	if (sim_tree_find(store->root, node, NULL) != NULL)
		return 0;
	result = change_now(store, 0, &rights);
	return result < 0 ? result : change_now(store, 0, &write);
}

uint32_t sim_store_count(const struct sim_store *store, uint32_t domid)
{
	const struct sim_node *node;
	char home[HOME_MAX];

	snprintf(home, sizeof(home), HOME_FORMAT, domid);
	node = sim_tree_find(store->root, home, NULL);
	if (node == NULL)
		return 0;
	return (uint32_t)node->below - (sim_tree_find(node, "domid", NULL) != NULL);
}

int sim_store_init(struct sim_store *store)
{
	*store = (struct sim_store){.root = sim_tree_new(), .now = 1};
	TAILQ_INIT(&store->watches);
	return store->root == NULL ? -ENOMEM : 0;
}

void sim_store_destroy(struct sim_store *store)
{
	sim_tree_unref(store->root);
}

void sim_client_init(struct sim_client *client)
{
	TAILQ_INIT(&client->txns);
}

void sim_client_destroy(struct sim_store *store, struct sim_client *client)
{
	struct sim_watch *watch, *next;
	struct sim_txn *txn;

	for (watch = TAILQ_FIRST(&store->watches); watch != NULL; watch = next) {
		next = TAILQ_NEXT(watch, entry);
		if (watch->client == client)
			watch_delete(store, watch);
	}
	while ((txn = TAILQ_FIRST(&client->txns)) != NULL)
		txn_delete(client, txn);
}
