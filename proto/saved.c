/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * saved.c - see saved.h: is it whole, and the one change that was under way.
 */
#include "proto/saved.h"

#include <errno.h>

/* ---- checking ---- */

static bool kind_ok(uint32_t kind)
{
	return kind == FID_UNOPENED || kind == FID_FILE || kind == FID_DIR ||
	       kind == FID_XATTR_READ || kind == FID_XATTR_WRITE;
}

static bool descriptor_ok(int32_t id, int fd_min)
{
	return id == -1 || id >= fd_min;
}

static bool node_ok(const struct saved *s, uint32_t node, int fd_min)
{
	const struct node_saved *saved = &s->node[node].saved;

	return node == 0 || descriptor_ok(saved->fs.id, fd_min) ||
	       (saved->fs.id == NODE_EVICTED && saved->handle.size != 0);
}

static bool fid_ok(const struct saved *s, const struct fid_saved *fid, int fd_min)
{
	if (fid->state == FID_FREE)
		return true;
	return fid->state < FID_STATES && kind_ok(fid->kind) && fid->node != 0 &&
	       fid->node <= s->node_used && fid->xattr <= s->xattr_used &&
	       (fid->xattr != 0) == ((fid->kind & (FID_XATTR_READ | FID_XATTR_WRITE)) != 0) &&
	       descriptor_ok(fid->file.id, fd_min);
}

static bool xattr_ok(const struct fid_xattr *xattr)
{
	return xattr->size <= FS_XATTR_MAX && xattr->written <= xattr->size &&
	       xattr->name[FS_NAME_MAX] == '\0';
}

static bool has_fids(const struct slot *slot)
{
	return slot->state == SLOT_ASKING || slot->state == SLOT_PLACED;
}

bool saved_is_over(const struct slot *slot)
{
	return slot->flushed && (!has_fids(slot) || !fs_intent_is_open(&slot->intent));
}

bool saved_has_name(const struct slot *slot)
{
	return has_fids(slot) && slot->named && slot->deaths < REQ_DEATHS_MAX;
}

static bool name_ok(const struct name_saved *name, int fd_min)
{
	return descriptor_ok(name->dir, fd_min) && name->name[FS_NAME_MAX] == '\0';
}

static bool slot_ok(const struct saved *s, const struct slot *slot, unsigned lanes, int fd_min)
{
	if (slot->state == SLOT_FREE)
		return true;
	if (slot->state >= SLOT_STATES || slot->lane >= lanes || slot->in_size < P9_HEADER_SIZE ||
	    slot->in_size > P9_MSIZE_MAX || slot->out_size > P9_MSIZE_MAX ||
	    slot->dialect >= P9_DIALECTS || (slot->kept && slot->in_size < REQ_KEPT_FROM))
		return false;
	if (!has_fids(slot))
		return true;
	if (saved_has_name(slot) && !name_ok(&s->name[slot - s->slot], fd_min))
		return false;
	if (slot->fid > s->fid_used || slot->dfid > s->fid_used || slot->node > s->node_used ||
	    slot->dnode > s->node_used)
		return false;
	return (slot->fid == 0 || s->fid[slot->fid].saved.state != FID_FREE) &&
	       (slot->dfid == 0 || s->fid[slot->dfid].saved.state != FID_FREE) &&
	       (slot->fid == 0) == (slot->node == 0) && (slot->dfid == 0) == (slot->dnode == 0) &&
	       node_ok(s, slot->node, fd_min) && node_ok(s, slot->dnode, fd_min);
}

/* May it be carried out? What comes of it is looked at afterwards. */
static bool redo_ok(const struct saved *s)
{
	const struct redo *r = &s->redo;

	return r->slot <= SESSION_REQS_MAX && r->flush <= SESSION_REQS_MAX &&
	       r->drop <= s->fid_used && r->node <= s->node_used && r->fid <= s->fid_used &&
	       r->xattr <= s->xattr_used && r->whole <= s->fid_used &&
	       r->locker[0] <= FID_LOCKERS_MAX && r->locker[1] <= FID_LOCKERS_MAX;
}

static bool entries_ok(const struct saved *s)
{
	for (uint32_t i = 0; i < FID_LOCKERS_MAX; i++) {
		if (s->locker[i].fid > s->fid_used ||
		    s->locker[i].client_id[FID_CLIENT_ID_MAX] != '\0' ||
		    !ranges_ok(&s->locker[i].held))
			return false;
	}
	for (uint32_t i = 1; i <= s->xattr_used; i++) {
		if (!xattr_ok(&s->xattr[i]))
			return false;
	}
	return true;
}

/* Fids share nodes, but no value. */
static bool values_ok(const struct saved *s)
{
	bool taken[FID_XATTRS_MAX + 1] = {false};

	for (uint32_t i = 1; i <= s->fid_used; i++) {
		const struct fid_saved *fid = &s->fid[i].saved;

		if (fid->state == FID_FREE || fid->xattr == 0)
			continue;
		if (taken[fid->xattr])
			return false;
		taken[fid->xattr] = true;
	}
	return true;
}

static bool head_ok(const struct saved *s)
{
	return s->fid_used <= FID_MAX && s->node_used <= FID_MAX && s->xattr_used <= FID_XATTRS_MAX;
}

int saved_take_up(struct saved *saved, unsigned lanes, int fd_min)
{
	if (!head_ok(saved) || !redo_ok(saved))
		return -EUCLEAN;
	if (saved->redo.slot != 0) {
		saved_redo(saved);
		saved_set(&saved->redo.slot, 0);
	}
	if (saved->dialect >= P9_DIALECTS || saved->msize > P9_MSIZE_MAX ||
	    (saved->msize != 0 && saved->msize < P9_MSIZE_MIN) || !entries_ok(saved))
		return -EUCLEAN;
	for (uint32_t i = 1; i <= saved->fid_used; i++) {
		const struct fid_saved *fid = &saved->fid[i].saved;

		if (!fid_ok(saved, fid, fd_min) ||
		    (fid->state != FID_FREE && !node_ok(saved, fid->node, fd_min)))
			return -EUCLEAN;
	}
	if (!values_ok(saved))
		return -EUCLEAN;
	for (uint32_t i = 0; i < SESSION_REQS_MAX; i++) {
		const struct slot *slot = &saved->slot[i];

		if (!slot_ok(saved, slot, lanes, fd_min))
			return -EUCLEAN;
	}
	return 0;
}

/* ---- the change ---- */

/* Asks look at it from other threads. */
static void flush(struct slot *slot)
{
	__atomic_store_n(&slot->flushed, true, __ATOMIC_RELAXED);
}

/* What came after the Tversion, while that had to wait, is answered. */
static void reset(struct saved *s)
{
	const uint64_t order = s->slot[s->redo.slot - 1].order;

	for (uint32_t i = 0; i < SESSION_REQS_MAX; i++) {
		struct slot *slot = &s->slot[i];

		if (slot->order < order && slot->state != SLOT_FREE && slot->state < SLOT_SENDING)
			flush(slot);
	}
	for (uint32_t i = 1; i <= s->fid_used; i++) {
		const struct fid_saved *fid = &s->fid[i].saved;

		if (fid->state == FID_LIVE && !(s->redo.keep && fid->stays))
			saved_set(&s->fid[i].saved.state, FID_REMOVED);
	}
	s->msize = s->redo.msize;
	s->dialect = s->redo.dialect;
}

static void end_whole(struct saved *s, uint32_t fid)
{
	for (uint32_t i = 0; i < FID_LOCKERS_MAX; i++) {
		if (s->locker[i].fid == fid && ranges_are_whole(&s->locker[i].held))
			saved_set(&s->locker[i].fid, 0);
	}
}

void saved_redo(struct saved *saved)
{
	const struct redo *r = &saved->redo;

	if (r->reset)
		reset(saved);
	if (r->flush != 0)
		flush(&saved->slot[r->flush - 1]);
	if (r->drop != 0)
		saved_set(&saved->fid[r->drop].saved.state, FID_REMOVED);
	if (r->node != 0)
		saved->node[r->node].saved = r->new_node;
	if (r->fid != 0)
		saved->fid[r->fid].saved = r->new_fid;
	if (r->xattr != 0)
		saved->xattr[r->xattr].written = r->written;
	if (r->whole != 0)
		end_whole(saved, r->whole);
	for (unsigned i = 0; i < REDO_LOCKERS; i++) {
		if (r->locker[i] != 0)
			saved->locker[r->locker[i] - 1] = r->new_locker[i];
	}
	saved_set(&saved->slot[r->slot - 1].state, SLOT_SENDING);
}

/* ---- descriptors ---- */

static void tell(int32_t id, void (*fn)(void *arg, int fd), void *arg)
{
	if (id >= 0)
		fn(arg, id);
}

/* Fids and nodes are shared; their counts, which the successor makes anew, tell whether they have
 * had their turn. */
static void tell_node(struct saved *s, uint32_t i, void (*fn)(void *arg, int fd), void *arg)
{
	if (s->node[i].refs++ == 0)
		tell(s->node[i].saved.fs.id, fn, arg);
}

static void tell_fid(struct saved *s, uint32_t i, void (*fn)(void *arg, int fd), void *arg)
{
	if (s->fid[i].refs++ > 0)
		return;
	tell(s->fid[i].saved.file.id, fn, arg);
	tell_node(s, s->fid[i].saved.node, fn, arg);
}

/* One that is removed has its object still to be removed. */
static bool owns_descriptors(const struct fid_saved *fid)
{
	return fid->state == FID_LIVE || (fid->state == FID_REMOVED && fid->rclose);
}

void saved_descriptors(struct saved *saved, void (*fn)(void *arg, int fd), void *arg)
{
	for (uint32_t i = 1; i <= saved->node_used; i++)
		saved->node[i].refs = 0;
	for (uint32_t i = 1; i <= saved->fid_used; i++)
		saved->fid[i].refs = 0;
	saved->node[0].refs = saved->fid[0].refs = 1;
	for (uint32_t i = 1; i <= saved->fid_used; i++) {
		if (owns_descriptors(&saved->fid[i].saved))
			tell_fid(saved, i, fn, arg);
	}
	for (uint32_t i = 0; i < SESSION_REQS_MAX; i++) {
		const struct slot *slot = &saved->slot[i];

		if (!has_fids(slot) || saved_is_over(slot))
			continue;
		tell_fid(saved, slot->fid, fn, arg);
		tell_node(saved, slot->node, fn, arg);
		tell_fid(saved, slot->dfid, fn, arg);
		tell_node(saved, slot->dnode, fn, arg);
		if (saved_has_name(slot))
			tell(saved->name[i].dir, fn, arg);
	}
}
