/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_session.c - Tversion, Tattach, Tflush, Tclunk: what begins and ends things.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/change.h"
#include "proto/ops.h"

int do_version(struct req *req)
{
	const struct p9_Tversion *t = &req->t.Tversion;

	if (strcmp(t->version.text, P9_VERSION_L) == 0 && t->msize < P9_MSIZE_MIN)
		return -EMSGSIZE;
	return session_end_waits(req, NULL, true) ? OP_WAITS : 0;
}

/* Also a reset: whatever was in flight is never answered, and that before Rversion leaves. */
int do_version_commit(struct req *req)
{
	const struct p9_Tversion *t = &req->t.Tversion;
	struct p9_Rversion *r = &req->r.Rversion;
	uint32_t most = req->session->config.msize_max;
	bool known = strcmp(t->version.text, P9_VERSION_L) == 0;

	r->msize = t->msize < most ? t->msize : most;
	r->version = p9_str(known ? P9_VERSION_L : P9_VERSION_UNKNOWN);
	change_reset(req, known ? r->msize : 0);
	return 0;
}

/* uname, aname and afid are not looked at: a share has one root, and its guest is known. */
int do_attach(struct req *req)
{
	req->cred.uid = req->t.Tattach.n_uname;
	return op_newfid_check(req, req->t.Tattach.newfid);
}

int do_attach_ask(struct req *req)
{
	int err = fs_root(req->session->fs, &req->new_node, &req->attr);

	if (err == 0)
		req_note_handle(req);
	return err;
}

int do_attach_commit(struct req *req)
{
	const struct p9_Tattach *t = &req->t.Tattach;
	uint32_t node = change_node(req);

	if (node == 0)
		return -ENFILE;
	req->r.Rattach.qid = node_qid(&req->attr);
	return change_add_fid(req, t->newfid, node, t->n_uname, NULL);
}

/* The request that a Tflush is about; NULL: it is over, or one that cannot be flushed. */
static struct req *flushed_one(const struct req *req)
{
	struct req *old = req->session->by_tag[req->t.Tflush.oldtag];

	if (old != NULL && (old->t.type == P9_Tflush || old->t.type == P9_Tversion))
		return NULL;
	return old;
}

/* What is committed has to be told, and before Rflush: the lane has the reply. A wait for others
 * ends first, so that after Rflush it is known to hold nothing. */
int do_flush(struct req *req)
{
	struct req *old = flushed_one(req);

	if (old == NULL)
		return OP_DONE;
	if (old->state != REQ_SENDING)
		return session_end_wait(req, old, true) ? OP_WAITS : OP_DONE;
	STAILQ_INSERT_TAIL(&old->flushes, req, link);
	return OP_WAITS;
}

/* Any other is answered at once, wherever the old request is: it will not be begun, committed or
 * sent. */
int do_flush_commit(struct req *req)
{
	struct req *old = flushed_one(req);

	if (old != NULL)
		change_flush(req, old);
	return 0;
}

/* The number was taken away already (OP_CLUNKS). Locks go with the file, and waits for others. What
 * can sleep is left to ask: storing an attribute; closing the file and letting go of the object,
 * when nobody else is using them. */
int do_clunk(struct req *req)
{
	struct fid *fid = req->fid;
	const struct fid_xattr *xattr = fid_xattr(req->session->fids, fid);

	if (session_end_waits(req, fid, false))
		return OP_WAITS;
	if (fid->saved.kind == FID_XATTR_WRITE && fid_is_stale(fid))
		return -ESTALE;
	if (fid->saved.kind == FID_XATTR_WRITE)
		return xattr->written == xattr->size ? 0 : -EINVAL;
	if (fid->refs > 1)
		return OP_DONE;
	/* A single store: a struct may be written in any order, and be zero in between. */
	req->new_file = fid->saved.file;
	__atomic_store_n(&fid->saved.file.id, -1, __ATOMIC_RELEASE);
	if (req->node->refs == 2)
		req->new_node = node_strip(req->session->fids, req->node);
	return 0;
}

int do_clunk_ask(struct req *req)
{
	if (req->fid->saved.kind == FID_XATTR_WRITE)
		return xattr_store_ask(req);
	fid_close_file(req->session->fs, req->fid, req->new_file);
	fs_forget(req->session->fs, req->new_node);
	req->new_file = FS_NO_FILE;
	req->new_node = FS_NO_NODE;
	return 0;
}
