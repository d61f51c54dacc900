/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_walk.c - Twalk, and the rules for a number that shall become a fid.
 */
#include <errno.h>

#include "proto/ops.h"

/* A live fid that is not open may be replaced: Linux takes a number for free when it gave up
 * waiting for the reply that made the fid, and never clunks it. */
static int newfid_conflict(struct req *req, uint32_t newfid, struct fid **old)
{
	*old = fid_find(req->session->fids, newfid);
	if (newfid == P9_NOFID || (*old != NULL && ((*old)->kind != FID_UNOPENED || (*old)->busy)))
		return -EINVAL;
	return 0;
}

int op_newfid_check(struct req *req, uint32_t newfid)
{
	struct fid *old;

	return newfid_conflict(req, newfid, &old);
}

/* Gives `node` the number `newfid`; takes a reference of its own. */
int op_newfid_add(struct req *req, uint32_t newfid, struct node *node, uint32_t uid,
		  struct fid **fid)
{
	struct fid_table *fids = req->session->fids;
	struct fid *old, *added;
	int err = newfid_conflict(req, newfid, &old);

	if (err < 0)
		return err;
	if (old != NULL)
		fid_remove(fids, old);
	added = fid_add(fids, newfid, node_ref(node), uid);
	if (added == NULL) {
		node_unref(fids, node);
		return -ENFILE;
	}
	if (fid != NULL)
		*fid = added;
	return 0;
}

int do_walk(struct req *req)
{
	const struct p9_Twalk *t = &req->t.Twalk;

	if (req->fid->kind == FID_XATTR_READ || req->fid->kind == FID_XATTR_WRITE)
		return -EBADF;
	if (t->newfid == t->fid)
		return req->fid->kind == FID_UNOPENED ? (t->names.count > 0 ? 0 : OP_DONE)
						      : -EINVAL;
	return op_newfid_check(req, t->newfid);
}

/* Stops at the first name that fails; the qids tell how far it came. */
int do_walk_ask(struct req *req)
{
	const struct p9_Twalk *t = &req->t.Twalk;
	struct p9_qids *qids = &req->r.Rwalk.qids;
	struct fs *fs = req->session->fs;
	struct fs_node at = req->node->fs;
	int err = 0;

	for (unsigned i = 0; i < t->names.count; i++) {
		struct fs_node next;

		err = fs_walk(fs, at, t->names.name[i].text, &next, &req->attr);
		if (err < 0)
			break;
		fs_forget(fs, req->new_node);
		req->new_node = next;
		at = next;
		qids->qid[qids->count++] = node_qid(&req->attr);
	}
	return qids->count > 0 ? 0 : err;
}

int do_walk_commit(struct req *req)
{
	const struct p9_Twalk *t = &req->t.Twalk;
	struct fid_table *fids = req->session->fids;
	struct node *node = req->node;
	int err = 0;

	/* Not all of the way: a success without a new fid (walk(5)). */
	if (req->r.Rwalk.qids.count < t->names.count)
		return 0;
	if (t->names.count > 0) {
		node = node_add(fids, req->new_node, &req->attr);
		if (node == NULL)
			return -ENFILE;
		req->new_node = FS_NO_NODE;
	} else {
		node_ref(node);
	}

	if (t->newfid == t->fid)
		fid_move(fids, req->fid, node_ref(node));
	else
		err = op_newfid_add(req, t->newfid, node, req->fid->uid, NULL);
	node_unref(fids, node);
	return err;
}
