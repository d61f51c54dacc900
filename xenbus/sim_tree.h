/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_tree.h - the nodes of the simulated xenstore, as a persistent tree: whoever holds a
 * reference to a root sees that tree for ever, for a change copies the nodes on its way. So a
 * transaction's snapshot is one reference, and giving up a half-done change is dropping one.
 *
 * Paths are absolute and canonical ("/", "/a/b"); no rights are checked here.
 */
#ifndef XENBUS_SIM_TREE_H
#define XENBUS_SIM_TREE_H

#include <stddef.h>
#include <stdint.h>

#define SIM_TREE_NODES_MAX 65536

struct sim_perms {
	uint32_t owner;	 /* may do everything, as domain 0 may */
	uint32_t reader; /* may read; the owner itself when nobody else may */
};

struct sim_node {
	unsigned refs;
	uint64_t changed; /* when its value, rights or children's names last did */
	struct sim_perms perms;
	size_t below;		 /* nodes below this one */
	size_t count;		 /* children */
	struct sim_node **child; /* sorted by name */
	char *value;
	size_t length;
	char name[];
};

/* The root of an empty tree of domain 0's; NULL: no memory. */
struct sim_node *sim_tree_new(void);
struct sim_node *sim_tree_ref(struct sim_node *node);
void sim_tree_unref(struct sim_node *node); /* takes NULL */

/* The node at `path`, NULL if there is none; then `*nearest` (if wanted) is the deepest node on
 * the way. */
const struct sim_node *sim_tree_find(const struct sim_node *root, const char *path,
				     const struct sim_node **nearest);

/* The node at `path` for changing, made with what is missing on the way; a new node has the
 * rights of its parent. 0, -ENOMEM, -ENOSPC; the tree is to be given up after an error. */
int sim_tree_make(struct sim_node **root, const char *path, uint64_t now, struct sim_node **node);
int sim_tree_set(struct sim_node *node, const void *value, size_t length);

/* Removes the existing node at `path` (not "/") and all below. */
int sim_tree_remove(struct sim_node **root, const char *path, uint64_t now);

#endif
