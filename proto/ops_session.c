/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_session.c - Tversion, Tattach, Tflush, Tclunk: what begins and ends things.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/ops.h"

/* Also a reset: whatever was in flight is never answered, and that before Rversion leaves. */
int do_version(struct req *req)
{
	const struct p9_Tversion *t = &req->t.Tversion;
	struct session *session = req->session;

	session_reset(session, req);
	session->msize = 0;
	if (strcmp(t->version.text, P9_VERSION_L) == 0 && t->msize < P9_MSIZE_MIN)
		return -EMSGSIZE;
	return 0;
}

int do_version_commit(struct req *req)
{
	const struct p9_Tversion *t = &req->t.Tversion;
	struct p9_Rversion *r = &req->r.Rversion;
	struct session *session = req->session;

	r->msize = t->msize < session->config.msize_max ? t->msize : session->config.msize_max;
	if (strcmp(t->version.text, P9_VERSION_L) != 0) {
		r->version = p9_str(P9_VERSION_UNKNOWN);
		return 0;
	}
	session->msize = r->msize;
	r->version = p9_str(P9_VERSION_L);
	return 0;
}

/* uname, aname and afid are not looked at: a share has one root, and its guest is known. */
int do_attach(struct req *req)
{
	return op_newfid_check(req, req->t.Tattach.newfid);
}

int do_attach_ask(struct req *req)
{
	return fs_root(req->session->fs, &req->new_node, &req->attr);
}

int do_attach_commit(struct req *req)
{
	const struct p9_Tattach *t = &req->t.Tattach;
	struct node *node = node_add(req->session->fids, req->new_node, &req->attr);
	int err;

	if (node == NULL)
		return -ENFILE;
	req->new_node = FS_NO_NODE;
	req->r.Rattach.qid = node->qid;
	err = op_newfid_add(req, t->newfid, node, t->n_uname, NULL);
	node_unref(req->session->fids, node);
	return err;
}

/* Answered at once, whatever the old request does: it will not be committed or sent. A flush of
 * a Tflush or Tversion changes nothing. */
int do_flush(struct req *req)
{
	struct req **owner = &req->session->by_tag[req->t.Tflush.oldtag];
	struct req *old = *owner;

	if (old == NULL || old->t.type == P9_Tflush || old->t.type == P9_Tversion)
		return OP_DONE;
	old->flushed = true;
	*owner = NULL;
	return OP_DONE;
}

/* The number was taken away already (OP_CLUNKS). What can sleep is left to ask: storing an
 * attribute; closing the file and letting go of the object, when nobody else is using them. */
int do_clunk(struct req *req)
{
	struct fid *fid = req->fid;

	if (fid->kind == FID_XATTR_WRITE)
		return fid->xattr->written == fid->xattr->size ? 0 : -EINVAL;
	if (fid->refs > 1)
		return OP_DONE;
	req->new_file = fid->file;
	fid->file = FS_NO_FILE;
	if (req->node->refs == 2) {
		req->new_node = req->node->fs;
		req->node->fs = FS_NO_NODE;
	}
	return 0;
}

int do_clunk_ask(struct req *req)
{
	if (req->fid->kind == FID_XATTR_WRITE)
		return xattr_store_ask(req);
	fs_close(req->session->fs, req->new_file);
	fs_forget(req->session->fs, req->new_node);
	req->new_file = FS_NO_FILE;
	req->new_node = FS_NO_NODE;
	return 0;
}
