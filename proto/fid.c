/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fid.c - see fid.h. Clients number their fids from 0 up, so a hash by the low bits gives chains
 * of length one; the areas are mapped whole and filled from the front, which keeps a session
 * with few fids at a few pages.
 */
#include "proto/fid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BUCKETS (1u << 16)
#define NONE 0u /* index 0 of both areas stays unused */

struct fid_table {
	struct fs *fs;
	uint32_t *bucket;
	struct fid *fid;
	struct node *node;
	uint32_t fid_free, fid_used;
	uint32_t node_free, node_used;
	uint64_t xattr_bytes; /* of all values behind fids */
};

static void *area_map(size_t size)
{
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static void area_unmap(void *area, size_t size)
{
	if (area != NULL)
		munmap(area, size);
}

int fid_table_create(struct fs *fs, struct fid_table **table)
{
	struct fid_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->fs = fs;
	t->bucket = area_map(BUCKETS * sizeof(*t->bucket));
	t->fid = area_map((FID_MAX + 1) * sizeof(*t->fid));
	t->node = area_map((FID_MAX + 1) * sizeof(*t->node));
	if (t->bucket == NULL || t->fid == NULL || t->node == NULL) {
		fid_table_destroy(t);
		return -ENOMEM;
	}
	*table = t;
	return 0;
}

void fid_table_destroy(struct fid_table *table)
{
	if (table == NULL)
		return;
	if (table->bucket != NULL && table->fid != NULL && table->node != NULL)
		fid_remove_all(table);
	area_unmap(table->bucket, BUCKETS * sizeof(*table->bucket));
	area_unmap(table->fid, (FID_MAX + 1) * sizeof(*table->fid));
	area_unmap(table->node, (FID_MAX + 1) * sizeof(*table->node));
	free(table);
}

static uint32_t *chain_of(struct fid_table *table, uint32_t number)
{
	return &table->bucket[number % BUCKETS];
}

struct fid *fid_find(struct fid_table *table, uint32_t number)
{
	uint32_t i = *chain_of(table, number);

	while (i != NONE && table->fid[i].number != number)
		i = table->fid[i].next;
	return i == NONE ? NULL : &table->fid[i];
}

struct fid *fid_add(struct fid_table *table, uint32_t number, struct node *node, uint32_t uid)
{
	uint32_t *chain = chain_of(table, number);
	uint32_t i = table->fid_free;
	struct fid *fid;

	if (i != NONE)
		table->fid_free = table->fid[i].next;
	else if (table->fid_used < FID_MAX)
		i = ++table->fid_used;
	else
		return NULL;

	fid = &table->fid[i];
	*fid = (struct fid){
		.number = number,
		.next = *chain,
		.refs = 1,
		.kind = FID_UNOPENED,
		.node = node,
		.uid = uid,
		.file = FS_NO_FILE,
	};
	STAILQ_INIT(&fid->waiting);
	*chain = i;
	return fid;
}

void fid_remove(struct fid_table *table, struct fid *fid)
{
	uint32_t self = (uint32_t)(fid - table->fid);
	uint32_t *link = chain_of(table, fid->number);

	while (*link != self)
		link = &table->fid[*link].next;
	*link = fid->next;
	if (fid->locker != NULL)
		LIST_REMOVE(fid->locker, link);
	free(fid->locker);
	fid->locker = NULL;
	fid_unref(table, fid);
}

void fid_remove_all(struct fid_table *table)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		/* Reading does not touch memory of its own: an unused bucket stays unbacked. */
		while (table->bucket[b] != NONE)
			fid_remove(table, &table->fid[table->bucket[b]]);
	}
}

void fid_xattr_free(struct fid_xattr *xattr)
{
	if (xattr != NULL)
		free(xattr->value);
	free(xattr);
}

int fid_set_xattr(struct fid_table *table, struct fid *fid, enum fid_kind kind,
		  struct fid_xattr *xattr)
{
	if (table->xattr_bytes + xattr->size > FID_XATTR_BYTES_MAX)
		return -ENOSPC;
	table->xattr_bytes += xattr->size;
	fid->kind = kind;
	fid->xattr = xattr;
	return 0;
}

struct fid *fid_ref(struct fid *fid)
{
	fid->refs++;
	return fid;
}

void fid_unref(struct fid_table *table, struct fid *fid)
{
	if (--fid->refs > 0)
		return;
	fs_close(table->fs, fid->file);
	node_unref(table, fid->node);
	if (fid->xattr != NULL)
		table->xattr_bytes -= fid->xattr->size;
	fid_xattr_free(fid->xattr);
	fid->next = table->fid_free;
	table->fid_free = (uint32_t)(fid - table->fid);
}

void fid_move(struct fid_table *table, struct fid *fid, struct node *node)
{
	node_unref(table, fid->node);
	fid->node = node;
}

struct p9_qid node_qid(const struct fs_attr *attr)
{
	struct p9_qid qid = {.version = attr->version, .path = attr->path};

	if (S_ISDIR(attr->mode))
		qid.type = P9_QTDIR;
	else if (S_ISLNK(attr->mode))
		qid.type = P9_QTSYMLINK;
	return qid;
}

struct node *node_add(struct fid_table *table, struct fs_node fs, const struct fs_attr *attr)
{
	uint32_t i = table->node_free;

	if (i != NONE)
		table->node_free = table->node[i].next_free;
	else if (table->node_used < FID_MAX)
		i = ++table->node_used;
	else
		return NULL;
	table->node[i] = (struct node){.fs = fs, .qid = node_qid(attr), .refs = 1};
	return &table->node[i];
}

struct node *node_ref(struct node *node)
{
	node->refs++;
	return node;
}

void node_unref(struct fid_table *table, struct node *node)
{
	if (--node->refs > 0)
		return;
	fs_forget(table->fs, node->fs);
	node->next_free = table->node_free;
	table->node_free = (uint32_t)(node - table->node);
}
