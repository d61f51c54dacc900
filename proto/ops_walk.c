/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_walk.c - Twalk.
 */
#include <errno.h>

#include "proto/change.h"
#include "proto/ops.h"

int op_newfid_check(struct req *req, uint32_t newfid)
{
	struct fid *old;

	return session_newfid_conflict(req->session, newfid, &old);
}

int do_walk(struct req *req)
{
	const struct p9_Twalk *t = &req->t.Twalk;

	if (req->fid->saved.kind == FID_XATTR_READ || req->fid->saved.kind == FID_XATTR_WRITE)
		return -EBADF;
	if (t->newfid == t->fid)
		return req->fid->saved.kind == FID_UNOPENED ? (t->names.count > 0 ? 0 : OP_DONE)
							    : -EINVAL;
	return op_newfid_check(req, t->newfid);
}

/* Of any object; symlinks are files to plain 9P2000. */
struct p9_qid op_qid(const struct req *req, const struct fs_attr *attr)
{
	struct p9_qid qid = node_qid(attr);

	if (req->dialect == P9_PLAIN && qid.type == P9_QTSYMLINK)
		qid.type = P9_QTFILE;
	return qid;
}

/* Stops at the first name that fails; the qids tell how far it came. */
int do_walk_ask(struct req *req)
{
	const struct p9_Twalk *t = &req->t.Twalk;
	struct p9_qids *qids = &req->r.Rwalk.qids;
	struct fs *fs = req->session->fs;
	struct fs_node at = req->node->saved.fs;
	int err = 0;

	for (unsigned i = 0; i < t->names.count; i++) {
		struct fs_node next;

		err = fs_walk(fs, at, t->names.name[i].text, &next, &req->attr);
		if (err < 0)
			break;
		fs_forget(fs, req->new_node);
		req->new_node = next;
		at = next;
		qids->qid[qids->count++] = op_qid(req, &req->attr);
	}
	if (qids->count > 0 && qids->count == t->names.count)
		req_note_handle(req);
	return qids->count > 0 ? 0 : err;
}

int do_walk_commit(struct req *req)
{
	const struct p9_Twalk *t = &req->t.Twalk;
	uint32_t node;

	/* Not all of the way: a success without a new fid (walk(5)). */
	if (req->r.Rwalk.qids.count < t->names.count)
		return 0;
	if (t->names.count > 0)
		node = change_node(req);
	else
		node = node_index(req->session->fids, req->node);
	if (node == 0)
		return -ENFILE;
	if (t->newfid != t->fid)
		return change_add_fid(req, t->newfid, node, req->fid->saved.uid, NULL);
	change_fid(req)->node = node;
	return 0;
}
