/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * change.c - see change.h. The notes are saved::redo. Making the change has three parts: the
 * commit word, the values (saved_redo(), as a successor would do it), and what this process keeps
 * besides: chains, counts, tags.
 */
#include "proto/change.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "common/crash.h"
#include "proto/session.h"

static struct redo *redo_of(const struct req *req)
{
	return &req->session->saved->redo;
}

/* ---- noting ---- */

/* The first note of a request finds those of the last one. */
static struct redo *note(struct req *req)
{
	struct redo *redo = redo_of(req);

	if (!req->changes)
		memset(redo, 0, offsetof(struct redo, new_locker));
	req->changes = true;
	return redo;
}

uint32_t change_node(struct req *req)
{
	uint32_t node = node_reserve(req->session->fids);
	struct redo *redo;

	if (node == 0)
		return 0;
	redo = note(req);
	redo->node = node;
	redo->new_node = (struct node_saved){
		.fs = req->new_node,
		.qid = node_qid(&req->attr),
		.handle = req->new_handle,
	};
	return node;
}

int session_newfid_conflict(const struct session *session, uint32_t newfid, struct fid **old)
{
	*old = fid_find(session->fids, newfid);
	if (newfid == P9_NOFID ||
	    (*old != NULL && ((*old)->saved.kind != FID_UNOPENED || (*old)->busy)))
		return -EINVAL;
	return 0;
}

int change_add_fid(struct req *req, uint32_t number, uint32_t node, uint32_t uid,
		   struct fid_saved **fid)
{
	struct fid *old;
	int err = session_newfid_conflict(req->session, number, &old);
	uint32_t added;
	struct redo *redo;

	if (err < 0)
		return err;
	added = fid_reserve(req->session->fids);
	if (added == 0)
		return -ENFILE;
	redo = note(req);
	redo->drop = fid_index(req->session->fids, old);
	redo->fid = added;
	redo->new_fid = (struct fid_saved){
		.state = FID_LIVE,
		.number = number,
		.kind = FID_UNOPENED,
		.node = node,
		.uid = uid,
		.file = FS_NO_FILE,
	};
	if (fid != NULL)
		*fid = &redo->new_fid;
	return 0;
}

struct fid_saved *change_fid(struct req *req)
{
	struct redo *redo = note(req);

	redo->fid = fid_index(req->session->fids, req->fid);
	redo->new_fid = req->fid->saved;
	return &redo->new_fid;
}

void change_xattr(struct req *req, uint32_t written)
{
	struct redo *redo = note(req);

	redo->xattr = req->fid->saved.xattr;
	redo->written = written;
}

int change_locker(struct req *req, uint32_t entry, const struct fid_locker *locker)
{
	struct redo *redo;
	unsigned i = 0;

	if (entry == 0)
		entry = locker_reserve(req->session->fids);
	if (entry == 0)
		return -ENOLCK;
	redo = note(req);
	while (redo->locker[i] != 0 && i < REDO_LOCKERS - 1)
		i++;
	redo->locker[i] = entry;
	redo->new_locker[i] = *locker;
	return 0;
}

void change_whole(struct req *req, const struct fid *fid)
{
	note(req)->whole = fid_index(req->session->fids, fid);
}

void change_flush(struct req *req, struct req *old)
{
	note(req)->flush = session_slot_number(old) + 1;
}

void change_reset(struct req *req, enum p9_dialect dialect, uint32_t msize, bool keep)
{
	struct redo *redo = note(req);

	redo->reset = true;
	redo->dialect = dialect;
	redo->msize = msize;
	redo->keep = keep;
}

/* ---- making ---- */

static bool is_new(const struct req *req)
{
	const struct redo *redo = redo_of(req);

	return redo->fid != 0 && redo->fid != fid_index(req->session->fids, req->fid);
}

void change_drop(struct req *req)
{
	const struct redo *redo = redo_of(req);

	if (!req->changes)
		return;
	node_put_back(req->session->fids, redo->node);
	if (is_new(req))
		fid_put_back(req->session->fids, redo->fid);
	req->changes = false;
}

/* What went over into the session is not the request's to give back. */
static void hand_over(struct req *req)
{
	const struct redo *redo = redo_of(req);

	if (redo->node != 0)
		req->new_node = FS_NO_NODE;
	if (redo->fid != 0 && redo->new_fid.file.id == req->new_file.id)
		req->new_file = FS_NO_FILE;
	if (redo->fid != 0 && redo->new_fid.xattr == req->new_xattr)
		req->new_xattr = 0;
}

static void follow_up(struct req *req)
{
	struct session *session = req->session;
	struct fid_table *fids = session->fids;
	const struct redo *redo = redo_of(req);
	struct node *node = &session->saved->node[redo->node];

	if (redo->reset) {
		session_forget_tags(session, req);
		fid_unnumber_removed(fids);
	}
	if (redo->flush != 0)
		session_forget_tag(session, redo->flush - 1);
	if (redo->drop != 0)
		fid_unnumber(fids, redo->drop);
	if (redo->node != 0)
		node_changed(fids, redo->node);
	if (redo->fid != 0)
		fid_changed(fids, redo->fid);
	if (redo->node != 0)
		node_unref(fids, node);
	if (redo->whole != 0)
		locker_changed(fids, 0);
	for (unsigned i = 0; i < REDO_LOCKERS && redo->locker[i] != 0; i++)
		locker_changed(fids, redo->locker[i]);
}

void change_make(struct req *req)
{
	struct redo *redo = redo_of(req);

	if (!req->changes) {
		saved_set(&req->slot->state, SLOT_SENDING);
		return;
	}
	CRASH_POINT();
	saved_set(&redo->slot, session_slot_number(req) + 1);
	CRASH_POINT();
	saved_redo(req->session->saved);
	CRASH_POINT();
	hand_over(req);
	follow_up(req);
	CRASH_POINT();
	saved_set(&redo->slot, 0);
	fid_table_make_room(req->session->fids);
}
