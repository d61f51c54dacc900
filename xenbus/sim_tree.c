/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_tree.c - see sim_tree.h. A node may be changed in place only while it and all above it
 * have one reference; tree_own() on each step down from the root sees to that.
 */
#include "xenbus/sim_tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One component of a path; the iteration ends with length 0. */
struct step {
	const char *name;
	size_t length;
};

static struct step next_step(const char **path)
{
	struct step step;

	*path += **path == '/';
	step.name = *path;
	step.length = strcspn(*path, "/");
	*path += step.length;
	return step;
}

static struct sim_node *node_new(struct step step, struct sim_perms perms, uint64_t now)
{
	struct sim_node *node = calloc(1, sizeof(*node) + step.length + 1);

	if (node == NULL)
		return NULL;
	node->refs = 1;
	node->changed = now;
	node->perms = perms;
	memcpy(node->name, step.name, step.length);
	return node;
}

struct sim_node *sim_tree_new(void)
{
	return node_new((struct step){"", 0}, (struct sim_perms){0, 0}, 1);
}

struct sim_node *sim_tree_ref(struct sim_node *node)
{
	node->refs++;
	return node;
}

void sim_tree_unref(struct sim_node *node)
{
	if (node == NULL || --node->refs > 0)
		return;
	for (size_t i = 0; i < node->count; i++)
		sim_tree_unref(node->child[i]);
	free(node->child);
	free(node->value);
	free(node);
}

/* Where the child of that name is, or belongs. */
static size_t child_slot(const struct sim_node *node, struct step step, bool *found)
{
	size_t low = 0, high = node->count;

	*found = false;
	while (low < high && !*found) {
		size_t middle = low + (high - low) / 2;
		const char *name = node->child[middle]->name;
		int order = strncmp(step.name, name, step.length);

		if (order == 0 && name[step.length] != '\0')
			order = -1;
		*found = order == 0;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

const struct sim_node *sim_tree_find(const struct sim_node *root, const char *path,
				     const struct sim_node **nearest)
{
	const struct sim_node *node = root;
	struct step step;
	bool found = true;

	while (found && (step = next_step(&path)).length > 0) {
		size_t slot = child_slot(node, step, &found);

		if (found)
			node = node->child[slot];
	}
	if (nearest != NULL)
		*nearest = node;
	return found ? node : NULL;
}

int sim_tree_set(struct sim_node *node, const void *value, size_t length)
{
	char *copy = malloc(length + 1);

	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, value, length);
	copy[length] = '\0';
	free(node->value);
	node->value = copy;
	node->length = length;
	return 0;
}

static int copy_children(struct sim_node *copy, const struct sim_node *node)
{
	if (node->count == 0)
		return 0;
	copy->child = calloc(node->count, sizeof(*copy->child));
	if (copy->child == NULL)
		return -ENOMEM;
	for (; copy->count < node->count; copy->count++)
		copy->child[copy->count] = sim_tree_ref(node->child[copy->count]);
	return 0;
}

/* Makes `*slot` a node that nobody else sees. */
static struct sim_node *tree_own(struct sim_node **slot)
{
	struct sim_node *node = *slot, *copy;

	if (node->refs == 1)
		return node;
	copy = node_new((struct step){node->name, strlen(node->name)}, node->perms, node->changed);
	if (copy == NULL || copy_children(copy, node) < 0 ||
	    (node->length > 0 && sim_tree_set(copy, node->value, node->length) < 0)) {
		sim_tree_unref(copy);
		return NULL;
	}
	copy->below = node->below;
	sim_tree_unref(node);
	*slot = copy;
	return copy;
}

static int insert_child(struct sim_node *parent, size_t at, struct step step, uint64_t now)
{
	struct sim_node **grown, *node;

	grown = reallocarray(parent->child, parent->count + 1, sizeof(struct sim_node *));
	if (grown == NULL)
		return -ENOMEM;
	parent->child = grown;
	node = node_new(step, parent->perms, now);
	if (node == NULL)
		return -ENOMEM;
	memmove(grown + at + 1, grown + at, (parent->count - at) * sizeof(*grown));
	grown[at] = node;
	parent->count++;
	parent->changed = now;
	return 0;
}

static void delete_child(struct sim_node *parent, size_t at, uint64_t now)
{
	sim_tree_unref(parent->child[at]);
	parent->count--;
	memmove(parent->child + at, parent->child + at + 1,
		(parent->count - at) * sizeof(*parent->child));
	parent->changed = now;
}

static size_t weight(const struct sim_node *node)
{
	return 1 + node->below;
}

static struct sim_node *make_at(struct sim_node **slot, const char *path, uint64_t now)
{
	struct sim_node *node = tree_own(slot), *made;
	struct step step = next_step(&path);
	size_t at, before;
	bool found;

	if (node == NULL || step.length == 0)
		return node;
	at = child_slot(node, step, &found);
	before = found ? weight(node->child[at]) : 0;
	if (!found && insert_child(node, at, step, now) < 0)
		return NULL;
	made = make_at(&node->child[at], path, now);
	node->below += weight(node->child[at]) - before;
	return made;
}

int sim_tree_make(struct sim_node **root, const char *path, uint64_t now, struct sim_node **node)
{
	*node = make_at(root, path, now);
	if (*node == NULL)
		return -ENOMEM;
	return (*root)->below <= SIM_TREE_NODES_MAX ? 0 : -ENOSPC;
}

static int remove_at(struct sim_node **slot, const char *path, uint64_t now)
{
	struct sim_node *node = tree_own(slot);
	struct step step = next_step(&path);
	size_t at, before;
	bool found;
	int result;

	if (node == NULL)
		return -ENOMEM;
	at = child_slot(node, step, &found);
	before = weight(node->child[at]);
	if (*path == '\0') {
		delete_child(node, at, now);
		node->below -= before;
		return 0;
	}
	result = remove_at(&node->child[at], path, now);
	node->below -= before - weight(node->child[at]);
	return result;
}

int sim_tree_remove(struct sim_node **root, const char *path, uint64_t now)
{
	return remove_at(root, path, now);
}
