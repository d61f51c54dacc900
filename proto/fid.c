/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fid.c - see fid.h. Clients number their fids from 0 up, so a hash by the low bits gives chains
 * of length one.
 */
#include "proto/fid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/log.h"
#include "proto/name.h"

#define BUCKETS FID_MAX
#define NONE 0u
#define EVICT_AGAIN 64	 /* descriptors more, after a search without success */
#define XATTR_SMALL 4096 /* a larger value's memory is given back when it is over */

struct fid_table {
	struct fs *fs;
	struct saved *saved;
	uint32_t *bucket;
	uint32_t fid_free, node_free;
	uint32_t lockers, locker_end; /* entries in use; none is behind */
	struct fid_budget budget;
	uint32_t limit;			      /* of the next two together; 0: none */
	uint32_t pinned, open;		      /* nodes with a descriptor; fids with a file */
	uint32_t hand;			      /* the node that was last looked at for eviction */
	uint32_t enough;		      /* none was found: so many more have to come first */
	uint64_t xattr_bytes;		      /* of all values behind fids */
	uint32_t xattr_free;		      /* so many, on a stack: */
	uint16_t xattr_stack[FID_XATTRS_MAX]; /* entries below saved::xattr_used */
	uint32_t xattr_charged[FID_XATTRS_MAX + 1];
	bool xattr_found[FID_XATTRS_MAX + 1]; /* while a predecessor's are looked through */
};

/* ---- the number table ---- */

static uint32_t *chain_of(struct fid_table *table, uint32_t number)
{
	return &table->bucket[number % BUCKETS];
}

struct fid *fid_find(struct fid_table *table, uint32_t number)
{
	struct fid *fid = table->saved->fid;
	uint32_t i = *chain_of(table, number);

	while (i != NONE && fid[i].saved.number != number)
		i = fid[i].next;
	return i == NONE ? NULL : &fid[i];
}

static void add_number(struct fid_table *table, uint32_t i)
{
	struct fid *fid = &table->saved->fid[i];
	uint32_t *chain = chain_of(table, fid->saved.number);

	fid->next = *chain;
	fid->numbered = true;
	*chain = i;
}

static void drop_number(struct fid_table *table, uint32_t i)
{
	struct fid *fid = table->saved->fid;
	uint32_t *link = chain_of(table, fid[i].saved.number);

	while (*link != i)
		link = &fid[*link].next;
	*link = fid[i].next;
	fid[i].numbered = false;
}

/* ---- references ---- */

uint32_t fid_index(const struct fid_table *table, const struct fid *fid)
{
	return fid == NULL ? NONE : (uint32_t)(fid - table->saved->fid);
}

uint32_t node_index(const struct fid_table *table, const struct node *node)
{
	return node == NULL ? NONE : (uint32_t)(node - table->saved->node);
}

struct fid *fid_ref(struct fid *fid)
{
	fid->refs++;
	return fid;
}

struct node *node_ref(struct node *node)
{
	node->refs++;
	return node;
}

static void fid_release(struct fid_table *table, struct fid *fid)
{
	fid->next = table->fid_free;
	table->fid_free = fid_index(table, fid);
}

static void node_release(struct fid_table *table, struct node *node)
{
	node->next_free = table->node_free;
	table->node_free = node_index(table, node);
}

/* One store, of a value that is never wrong: no change is needed. */
void fid_note_locks(struct fid *fid)
{
	__atomic_store_n(&fid->saved.locked, true, __ATOMIC_RELEASE);
}

void fid_close_file(struct fs *fs, const struct fid *fid, struct fs_file file)
{
	static const struct fs_lock none = {.type = FS_LOCK_NONE};

	if (fid->saved.locked && file.id >= 0)
		fs_lock(fs, file, &none);
	fs_close(fs, file);
}

/* As the user whose fid it is, like a request of his. While it is known to be due; once more does
 * no harm. */
static void remove_on_close(struct fid_table *table, const struct fid *fid)
{
	const struct fs_cred cred = {fid->saved.uid, (uint32_t)-1};

	if (fs_act_as(table->fs, cred) == 0)
		name_remove_now(table->fs, fid->node->saved.fs);
}

void fid_unref(struct fid_table *table, struct fid *fid)
{
	struct fs_file file = fid->saved.file;

	if (--fid->refs > 0)
		return;
	if (fid->saved.rclose && fid->node->saved.fs.id >= 0)
		remove_on_close(table, fid);
	saved_set(&fid->saved.state, FID_FREE);
	fid_close_file(table->fs, fid, file);
	table->open -= fid->opened;
	node_unref(table, fid->node);
	if (fid->saved.xattr != NONE)
		xattr_put_back(table, fid->saved.xattr);
	fid_release(table, fid);
}

void node_unref(struct fid_table *table, struct node *node)
{
	if (--node->refs > 0)
		return;
	table->pinned -= node->saved.fs.id >= 0;
	fs_forget(table->fs, node->saved.fs);
	node_release(table, node);
}

struct node *node_hold(struct node *node)
{
	node->held++;
	return node_ref(node);
}

void node_let_go(struct fid_table *table, struct node *node)
{
	node->held--;
	node->used = true;
	node_unref(table, node);
}

/* A single store: a struct may be written in any order, and be zero in between. */
static void set_descriptor(struct node *node, int32_t id)
{
	__atomic_store_n(&node->saved.fs.id, id, __ATOMIC_RELEASE);
}

struct fs_node node_strip(struct fid_table *table, struct node *node)
{
	struct fs_node fs = node->saved.fs;

	table->pinned -= fs.id >= 0;
	set_descriptor(node, -1);
	return fs;
}

/* ---- eviction ---- */

void fid_table_limit(struct fid_table *table, uint32_t descriptors)
{
	table->limit = descriptors;
}

bool node_is_evicted(const struct node *node)
{
	return node != NULL && node->saved.fs.id == NODE_EVICTED;
}

static bool may_evict(const struct node *node)
{
	return node->refs > 0 && node->held == 0 && !node->kept && node->saved.fs.id >= 0 &&
	       node->saved.handle.size > 0;
}

/* Tried while the object is pinned still. */
static int try_regain(struct fid_table *table, const struct node *node)
{
	struct fs_node found;
	struct fs_attr attr;
	int err = fs_getattr(table->fs, node->saved.fs, &attr);

	if (err == 0)
		err = attr.nlink == 0 ? -ESTALE : fs_regain(table->fs, &node->saved.handle, &found);
	if (err == 0)
		fs_forget(table->fs, found);
	return err;
}

static void evict(struct fid_table *table, struct node *node)
{
	struct fs_node fs = node->saved.fs;

	set_descriptor(node, NODE_EVICTED);
	fs_forget(table->fs, fs);
	table->pinned--;
}

/* Around in a circle, at most twice: who was used since the last time is spared once. */
static bool evict_one(struct fid_table *table)
{
	const struct saved *s = table->saved;

	for (uint32_t tries = 2 * s->node_used; tries > 0 && table->limit > 0; tries--) {
		struct node *node;
		int err;

		table->hand = table->hand % s->node_used + 1;
		node = &table->saved->node[table->hand];
		if (!may_evict(node))
			continue;
		if (node->used) {
			node->used = false;
			continue;
		}
		err = try_regain(table, node);
		if (err == 0) {
			evict(table, node);
			return true;
		}
		if (err == -EMFILE || err == -ENFILE || err == -ENOMEM)
			return false; /* not now; that says nothing of the node */
		node->kept = true;
		if (err != -EPERM)
			continue;
		log_warning("files cannot be opened by handle here (CAP_DAC_READ_SEARCH): no more "
			    "than the limit of open files allows are in use at a time");
		table->limit = 0;
	}
	return false;
}

void fid_table_make_room(struct fid_table *table)
{
	while (table->limit > 0 && table->pinned + table->open > table->limit + table->enough) {
		if (!evict_one(table)) {
			table->enough += EVICT_AGAIN;
			return;
		}
		table->enough = 0;
	}
}

void node_regained(struct fid_table *table, struct node *node, struct fs_node found)
{
	if (!node_is_evicted(node) || found.id < 0) {
		fs_forget(table->fs, found);
		return;
	}
	set_descriptor(node, found.id);
	table->pinned++;
}

/* ---- entries ---- */

static uint32_t budget_or(uint32_t wanted, uint32_t most)
{
	return wanted != 0 && wanted < most ? wanted : most;
}

void fid_table_budget(struct fid_table *table, const struct fid_budget *budget)
{
	table->budget = (struct fid_budget){
		.fids = budget_or(budget->fids, FID_MAX),
		.xattr_bytes = budget_or(budget->xattr_bytes, FID_XATTR_BYTES_MAX),
		.lockers = budget_or(budget->lockers, FID_LOCKERS_MAX),
	};
}

static uint32_t take_entry(uint32_t *free, uint32_t next, uint32_t *used, uint32_t max)
{
	uint32_t i = *free;

	if (i != NONE) {
		*free = next;
		return i;
	}
	if (*used >= max)
		return NONE;
	saved_set(used, *used + 1);
	return *used;
}

uint32_t fid_reserve(struct fid_table *table)
{
	struct saved *s = table->saved;
	uint32_t i = take_entry(&table->fid_free, s->fid[table->fid_free].next, &s->fid_used,
				table->budget.fids);

	s->fid[i].refs = 0;
	return i;
}

void fid_put_back(struct fid_table *table, uint32_t fid)
{
	if (fid != NONE)
		fid_release(table, &table->saved->fid[fid]);
}

uint32_t node_reserve(struct fid_table *table)
{
	struct saved *s = table->saved;

	return take_entry(&table->node_free, s->node[table->node_free].next_free, &s->node_used,
			  FID_MAX);
}

void node_put_back(struct fid_table *table, uint32_t node)
{
	if (node != NONE)
		node_release(table, &table->saved->node[node]);
}

uint32_t xattr_reserve(struct fid_table *table)
{
	struct saved *s = table->saved;
	uint32_t i;

	if (table->xattr_free > 0)
		i = table->xattr_stack[--table->xattr_free];
	else if (s->xattr_used < FID_XATTRS_MAX)
		i = s->xattr_used + 1;
	else
		return NONE;
	s->xattr[i] = (struct fid_xattr){.size = 0};
	if (i > s->xattr_used)
		saved_set(&s->xattr_used, i);
	table->xattr_charged[i] = 0;
	return i;
}

int xattr_charge(struct fid_table *table, uint32_t xattr, uint32_t size)
{
	if (table->xattr_bytes + size > table->budget.xattr_bytes)
		return -ENOSPC;
	table->xattr_bytes += size;
	table->xattr_charged[xattr] = size;
	return 0;
}

void xattr_put_back(struct fid_table *table, uint32_t xattr)
{
	if (xattr == NONE)
		return;
	table->xattr_bytes -= table->xattr_charged[xattr];
	if (table->saved->xattr[xattr].size > XATTR_SMALL)
		madvise(table->saved->xattr_value[xattr], FS_XATTR_MAX, MADV_REMOVE);
	table->xattr_stack[table->xattr_free++] = (uint16_t)xattr;
}

struct fid_xattr *fid_xattr(const struct fid_table *table, const struct fid *fid)
{
	return fid->saved.xattr == NONE ? NULL : &table->saved->xattr[fid->saved.xattr];
}

uint8_t *fid_xattr_value(const struct fid_table *table, uint32_t xattr)
{
	return table->saved->xattr_value[xattr];
}

/* ---- lockers ---- */

uint32_t locker_reserve(const struct fid_table *table)
{
	uint32_t i = 0;

	while (i < table->budget.lockers && table->saved->locker[i].fid != NONE)
		i++;
	return i < table->budget.lockers ? i + 1 : 0;
}

uint32_t locker_room(const struct fid_table *table)
{
	return table->lockers < table->budget.lockers ? table->budget.lockers - table->lockers : 0;
}

uint32_t locker_next(const struct fid_table *table, const struct node *node, uint32_t after)
{
	const struct saved *s = table->saved;

	for (uint32_t i = after; i < table->locker_end; i++) {
		const struct fid_locker *locker = &s->locker[i];

		if (locker->fid != NONE &&
		    s->fid[locker->fid].node->saved.qid.path == node->saved.qid.path)
			return i + 1;
	}
	return 0;
}

bool fid_process_is(struct fid_process a, struct fid_process b)
{
	return a.id == b.id && strcmp(a.client, b.client) == 0;
}

bool locker_is(const struct fid_locker *locker, struct fid_process process)
{
	return fid_process_is((struct fid_process){locker->proc_id, locker->client_id}, process);
}

struct fid *locker_fid(const struct fid_table *table, uint32_t locker)
{
	return &table->saved->fid[table->saved->locker[locker - 1].fid];
}

static bool fid_has_lockers(const struct fid_table *table, const struct fid *fid)
{
	uint32_t index = fid_index(table, fid), i = 0;

	if (!fid->saved.locked)
		return false;
	while (i < table->locker_end && table->saved->locker[i].fid != index)
		i++;
	return i < table->locker_end;
}

void locker_changed(struct fid_table *table, uint32_t locker)
{
	uint32_t end = table->locker_end > locker ? table->locker_end : locker;

	table->lockers = table->locker_end = 0;
	for (uint32_t i = 0; i < end; i++) {
		if (table->saved->locker[i].fid == NONE)
			continue;
		table->lockers++;
		table->locker_end = i + 1;
	}
}

static void locker_forget(struct fid_table *table, const struct fid *fid)
{
	uint32_t index = fid_index(table, fid);

	if (!fid_has_lockers(table, fid))
		return;
	for (uint32_t i = 0; i < table->locker_end; i++) {
		if (table->saved->locker[i].fid == index)
			saved_set(&table->saved->locker[i].fid, NONE);
	}
	locker_changed(table, 0);
}

/* ---- what follows from a change ---- */

static void begin_fid(struct fid *fid, struct node *node)
{
	fid->busy = false;
	fid->numbered = false;
	fid->opened = false;
	fid->orphan = false;
	STAILQ_INIT(&fid->waiting);
	fid->node = node_ref(node);
}

/* What is behind an open fid, or an attribute's, is asked of the node as long as that is there. */
static void note_kind(struct fid_table *table, struct fid *fid)
{
	if (fid->saved.kind == FID_UNOPENED)
		return;
	fid->node->kept = true;
	if (!fid->opened && fid->saved.file.id >= 0) {
		fid->opened = true;
		table->open++;
	}
}

void node_changed(struct fid_table *table, uint32_t i)
{
	struct node *node = &table->saved->node[i];

	node->refs = 1;
	node->held = 0;
	node->used = true;
	node->kept = false;
	table->pinned++;
}

void fid_changed(struct fid_table *table, uint32_t i)
{
	struct saved *s = table->saved;
	struct fid *fid = &s->fid[i];
	struct node *node = &s->node[fid->saved.node], *old = fid->node;

	/* An altered one is somebody's, though its number may be gone by now. */
	if (fid->refs == 0) {
		begin_fid(fid, node);
		fid_ref(fid);
		add_number(table, i);
	} else if (old != node) {
		fid->node = node_ref(node);
		node_unref(table, old);
	}
	note_kind(table, fid);
}

void fid_unnumber(struct fid_table *table, uint32_t i)
{
	struct fid *fid = &table->saved->fid[i];

	drop_number(table, i);
	locker_forget(table, fid);
	fid_unref(table, fid);
}

void fid_unnumber_removed(struct fid_table *table)
{
	for (uint32_t i = 1; i <= table->saved->fid_used; i++) {
		const struct fid *fid = &table->saved->fid[i];

		if (fid->saved.state == FID_REMOVED && fid->numbered)
			fid_unnumber(table, i);
	}
}

void fid_remove(struct fid_table *table, struct fid *fid)
{
	saved_set(&fid->saved.state, FID_REMOVED);
	fid_unnumber(table, fid_index(table, fid));
}

void fid_remove_all(struct fid_table *table)
{
	for (uint32_t i = 1; i <= table->saved->fid_used; i++) {
		if (table->saved->fid[i].saved.state == FID_LIVE)
			fid_remove(table, &table->saved->fid[i]);
	}
}

/* ---- life ---- */

static void *map_buckets(void)
{
	void *area = mmap(NULL, BUCKETS * sizeof(uint32_t), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static void take_up_fid(struct fid_table *table, uint32_t i)
{
	struct saved *s = table->saved;
	struct fid *fid = &s->fid[i];

	fid->refs = 0;
	fid->orphan = false;
	if (fid->saved.state == FID_FREE) {
		fid_release(table, fid);
		return;
	}
	begin_fid(fid, &s->node[fid->saved.node]);
	note_kind(table, fid);
	if (fid->saved.state == FID_LIVE) {
		fid_ref(fid);
		add_number(table, i);
	}
	if (fid->saved.xattr != NONE)
		xattr_charge(table, fid->saved.xattr, s->xattr[fid->saved.xattr].size);
}

/* From the back, so that the free entries that come first are used first. */
int fid_table_create(struct fs *fs, struct saved *saved, struct fid_table **table)
{
	struct fid_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->fs = fs;
	t->saved = saved;
	t->bucket = map_buckets();
	if (t->bucket == NULL) {
		fid_table_destroy(t);
		return -ENOMEM;
	}
	for (uint32_t i = 1; i <= saved->node_used; i++) {
		struct node *node = &saved->node[i];

		node->refs = node->held = 0;
		node->used = node->kept = false;
	}
	for (uint32_t i = saved->fid_used; i > 0; i--)
		take_up_fid(t, i);
	*table = t;
	return 0;
}

void fid_table_destroy(struct fid_table *table)
{
	if (table == NULL)
		return;
	if (table->bucket != NULL) {
		fid_remove_all(table);
		munmap(table->bucket, BUCKETS * sizeof(*table->bucket));
	}
	free(table);
}

void fid_table_settle(struct fid_table *table)
{
	struct saved *s = table->saved;

	for (uint32_t i = s->fid_used; i > 0; i--) {
		struct fid *fid = &s->fid[i];

		if (fid->saved.state == FID_REMOVED && fid->refs == 0 && fid->saved.rclose) {
			fid->orphan = true;
			fid_ref(fid);
		} else if (fid->saved.state == FID_REMOVED && fid->refs == 0) {
			saved_set(&fid->saved.state, FID_FREE);
			fid->node->refs--;
			table->open -= fid->opened;
			fid_release(table, fid);
		} else if (fid->saved.state != FID_FREE) {
			table->xattr_found[fid->saved.xattr] = true;
		}
	}
	for (uint32_t i = s->node_used; i > 0; i--) {
		if (s->node[i].refs == 0)
			node_release(table, &s->node[i]);
		else
			table->pinned += s->node[i].saved.fs.id >= 0;
	}
	for (uint32_t i = s->xattr_used; i > 0; i--) {
		if (!table->xattr_found[i])
			xattr_put_back(table, i);
	}
	for (uint32_t i = 0; i < FID_LOCKERS_MAX; i++) {
		struct fid_locker *locker = &s->locker[i];

		if (locker->fid != NONE && s->fid[locker->fid].saved.state != FID_LIVE)
			locker->fid = NONE;
	}
	locker_changed(table, FID_LOCKERS_MAX);
}

void fid_table_bury(struct fid_table *table)
{
	for (uint32_t i = table->saved->fid_used; i > 0; i--) {
		struct fid *fid = &table->saved->fid[i];

		if (fid->orphan) {
			fid->orphan = false;
			fid_unref(table, fid);
		}
	}
}

/* ---- descriptors ---- */

static void restore_node(struct fid_table *table, struct node *node)
{
	struct fs_attr attr;
	struct fs_node found = FS_NO_NODE;

	if (node->saved.handle.size == 0 ||
	    fs_restore(table->fs, &node->saved.handle, &found, &attr) < 0)
		found = FS_NO_NODE;
	else if (attr.path != node->saved.qid.path) {
		fs_forget(table->fs, found);
		found = FS_NO_NODE;
	}
	table->pinned -= node->saved.fs.id >= 0;
	table->pinned += found.id >= 0;
	node->saved.fs.id = found.id;
}

static void restore_file(struct fid_table *table, struct fid *fid)
{
	struct fs_file file = FS_NO_FILE;

	if (fid->saved.file.id < 0)
		return;
	if (fid->node->saved.fs.id < 0 ||
	    fs_open(table->fs, fid->node->saved.fs, (int)fid->saved.file.flags, &file) < 0)
		file = FS_NO_FILE;
	fid->saved.file.id = file.id;
}

bool fid_is_stale(const struct fid *fid)
{
	return fid->node->saved.fs.id < 0 ||
	       ((fid->saved.kind & (FID_FILE | FID_DIR)) != 0 && fid->saved.file.id < 0);
}

unsigned fid_table_restore(struct fid_table *table)
{
	struct saved *s = table->saved;
	unsigned stale = 0;

	for (uint32_t i = 1; i <= s->node_used; i++) {
		if (s->node[i].refs > 0)
			restore_node(table, &s->node[i]);
	}
	for (uint32_t i = 1; i <= s->fid_used; i++) {
		if (s->fid[i].saved.state == FID_FREE)
			continue;
		restore_file(table, &s->fid[i]);
		stale += fid_is_stale(&s->fid[i]);
	}
	name_restore(table->fs, s);
	return stale;
}

void fid_table_adopt(struct fid_table *table)
{
	struct saved *s = table->saved;

	for (uint32_t i = 1; i <= s->node_used; i++) {
		if (s->node[i].refs > 0 && s->node[i].saved.fs.id >= 0)
			fs_adopt(table->fs, s->node[i].saved.fs, FS_NO_FILE);
	}
	for (uint32_t i = 1; i <= s->fid_used; i++) {
		if (s->fid[i].saved.state != FID_FREE && s->fid[i].saved.file.id >= 0)
			fs_adopt(table->fs, FS_NO_NODE, s->fid[i].saved.file);
	}
	name_adopt(table->fs, s);
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
