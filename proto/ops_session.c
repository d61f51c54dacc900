/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_session.c - Tversion, Tattach, Tflush, Tclunk: what begins and ends things.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/change.h"
#include "proto/name.h"
#include "proto/ops.h"
#include "proto/text.h"

static const char *const versions[] = {
	[P9_L] = P9_VERSION_L,
	[P9_U] = P9_VERSION_U,
	[P9_PLAIN] = P9_VERSION_PLAIN,
};

/* A version may be answered with an earlier one of its family: what follows a period may be cut
 * off, from the end on. P9_DIALECTS: we know none of them. */
static enum p9_dialect find_dialect(const struct p9_str *version)
{
	const char *text = version->text;
	size_t length = version->len;

	while (length > 0) {
		for (enum p9_dialect d = 0; d < P9_DIALECTS; d++) {
			if (strlen(versions[d]) == length && memcmp(text, versions[d], length) == 0)
				return d;
		}
		do
			length--;
		while (length > 0 && text[length] != '.');
	}
	return P9_DIALECTS;
}

/* Its error is for somebody who speaks the new dialect. */
int do_version(struct req *req)
{
	const struct p9_Tversion *t = &req->t.Tversion;
	enum p9_dialect dialect = find_dialect(&t->version);

	if (dialect != P9_DIALECTS && t->msize < P9_MSIZE_MIN) {
		req->dialect = dialect;
		return -EMSGSIZE;
	}
	return session_end_waits(req, NULL, true) ? OP_WAITS : 0;
}

/* Also a reset: whatever was in flight is never answered, and that before Rversion leaves.
 *
 * A Mini-OS that has replaced itself (kexec) begins its session anew, but does not attach: it goes
 * on with the fid of its first attach, which stays if it speaks 9P2000.u before and after. */
int do_version_commit(struct req *req)
{
	const struct p9_Tversion *t = &req->t.Tversion;
	struct p9_Rversion *r = &req->r.Rversion;
	uint32_t most = req->session->config.msize_max;
	enum p9_dialect dialect = find_dialect(&t->version);
	bool keep = dialect == P9_U && req->session->saved->dialect == P9_U;

	r->msize = t->msize < most ? t->msize : most;
	if (dialect == P9_DIALECTS) {
		r->version = p9_str(P9_VERSION_UNKNOWN);
		change_reset(req, P9_L, 0, false);
		return 0;
	}
	r->version = p9_str(versions[dialect]);
	change_reset(req, dialect, r->msize, keep);
	return 0;
}

/* Nobody is asked who they are. This error is what diod's client takes for that; others take any.
 */
int do_auth(struct req *req)
{
	(void)req;
	return -ENOENT;
}

/* aname and afid give nobody more or less: a share has one root, and its guest is known. */
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

/* Plain 9P2000 has names only; one that is a number is that user. */
static uint32_t attached_uid(const struct req *req)
{
	const struct p9_Tattach *t = &req->t.Tattach;
	uint32_t uid;

	if (req->dialect == P9_PLAIN && text_id(t->uname.text, &uid))
		return uid;
	return t->n_uname;
}

/* Nobody else attaches in this way: without authentication the afid is P9_NOFID. */
static bool is_mini_os(const struct req *req)
{
	const struct p9_Tattach *t = &req->t.Tattach;

	return req->dialect == P9_U && t->afid == 0 && strcmp(t->uname.text, "root") == 0 &&
	       strcmp(t->aname.text, "root") == 0;
}

int do_attach_commit(struct req *req)
{
	const struct p9_Tattach *t = &req->t.Tattach;
	uint32_t node = change_node(req);
	struct fid_saved *fid;
	int err;

	if (node == 0)
		return -ENFILE;
	req->r.Rattach.qid = node_qid(&req->attr);
	err = change_add_fid(req, t->newfid, node, attached_uid(req), &fid);
	if (err == 0)
		fid->stays = is_mini_os(req);
	return err;
}

/* The request that a Tflush is about; NULL: it is over, or one that cannot be flushed. */
static struct req *flushed_one(const struct req *req)
{
	struct req *old = req->session->by_tag[req->t.Tflush.oldtag];

	if (old != NULL && (old->t.type == P9_Tflush || old->t.type == P9_Tversion))
		return NULL;
	/* What it waited for is over, and the tag another's, after a second Tflush perhaps. */
	if (old != NULL && req->slot->about != 0 && req->slot->about != old->slot->order)
		return NULL;
	/* One that came after the Tflush, which was held back, has flushed what was meant. */
	if (old != NULL && old->slot->took_tag && old->slot->order > req->slot->order)
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
	__atomic_store_n(&req->slot->about, old->slot->order, __ATOMIC_RELAXED);
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
 * can sleep is left to ask: storing an attribute; removing a file that was opened for that; closing
 * the file and letting go of the object, when nobody else is using them. */
int do_clunk(struct req *req)
{
	struct fid *fid = req->fid;
	const struct fid_xattr *xattr = fid_xattr(req->session->fids, fid);

	if (session_end_waits(req, fid, false))
		return OP_WAITS;
	if ((fid->saved.kind == FID_XATTR_WRITE || fid->saved.rclose) && fid_is_stale(fid))
		return -ESTALE;
	if (fid->saved.rclose)
		return 0;
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
	int err;

	if (req->fid->saved.kind == FID_XATTR_WRITE)
		return xattr_store_ask(req);
	if (req->fid->saved.rclose) {
		err = name_remove(req);
		return err == -ENOENT ? 0 : err;
	}
	fid_close_file(req->session->fs, req->fid, req->new_file);
	fs_forget(req->session->fs, req->new_node);
	req->new_file = FS_NO_FILE;
	req->new_node = FS_NO_NODE;
	return 0;
}

/* What a fid was to remove at its end (Topen) is removed. */
int do_removed_commit(struct req *req)
{
	if (req->fid->saved.rclose)
		change_fid(req)->rclose = false;
	return 0;
}
