/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_xattr.c - extended attributes, which 9P reads and writes like files: Txattrwalk makes a fid
 * of a snapshot, Txattrcreate turns a fid into a buffer whose value is stored at its clunk.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "proto/change.h"
#include "proto/ops.h"

#define ATTEMPTS 8 /* at a value that somebody else keeps growing */

int do_xattrwalk(struct req *req)
{
	int err = op_newfid_check(req, req->t.Txattrwalk.newfid);

	if (err < 0)
		return err;
	req_charge(req, FS_XATTR_MAX);
	req->new_xattr = xattr_reserve(req->session->fids);
	return req->new_xattr == 0 ? -ENOSPC : 0;
}

static ssize_t fetch(struct req *req, char *value, size_t size)
{
	const char *name = req->t.Txattrwalk.name.text;

	if (name[0] == '\0')
		return fs_listxattr(req->session->fs, req->node->saved.fs, value, size);
	return fs_getxattr(req->session->fs, req->node->saved.fs, name, value, size);
}

/* What counts is the length of the call that delivered the bytes. */
int do_xattrwalk_ask(struct req *req)
{
	struct fid_xattr *xattr = &req->session->saved->xattr[req->new_xattr];
	char *value = (char *)fid_xattr_value(req->session->fids, req->new_xattr);
	ssize_t size = -ERANGE;

	for (int i = 0; size == -ERANGE && i < ATTEMPTS; i++) {
		size = fetch(req, NULL, 0);
		if (size > 0)
			size = size > FS_XATTR_MAX ? -E2BIG : fetch(req, value, (size_t)size);
	}
	if (size < 0)
		return (int)size;
	xattr->size = (uint32_t)size;
	return 0;
}

int do_xattrwalk_commit(struct req *req)
{
	struct session *session = req->session;
	const struct fid_xattr *xattr = &session->saved->xattr[req->new_xattr];
	struct fid_saved *fid;
	int err = change_add_fid(req, req->t.Txattrwalk.newfid,
				 node_index(session->fids, req->node), req->fid->saved.uid, &fid);

	if (err == 0)
		err = xattr_charge(session->fids, req->new_xattr, xattr->size);
	if (err < 0)
		return err;
	fid->kind = FID_XATTR_READ;
	fid->xattr = req->new_xattr;
	req->r.Rxattrwalk.size = xattr->size;
	return 0;
}

int do_xattrcreate(struct req *req)
{
	const struct p9_Txattrcreate *t = &req->t.Txattrcreate;

	if (t->name.len == 0 || (t->flags & ~(P9_XATTR_CREATE | P9_XATTR_REPLACE)) != 0 ||
	    t->flags == (P9_XATTR_CREATE | P9_XATTR_REPLACE))
		return -EINVAL;
	if (t->name.len > FS_NAME_MAX)
		return -ERANGE;
	return t->size > FS_XATTR_MAX ? -E2BIG : 0;
}

int do_xattrcreate_commit(struct req *req)
{
	const struct p9_Txattrcreate *t = &req->t.Txattrcreate;
	struct fid_table *fids = req->session->fids;
	struct fid_xattr *xattr;
	struct fid_saved *fid;
	int err;

	req->new_xattr = xattr_reserve(fids);
	if (req->new_xattr == 0)
		return -ENOSPC;
	err = xattr_charge(fids, req->new_xattr, (uint32_t)t->size);
	if (err < 0)
		return err;
	xattr = &req->session->saved->xattr[req->new_xattr];
	xattr->size = (uint32_t)t->size;
	xattr->flags = t->flags;
	memcpy(xattr->name, t->name.text, t->name.len);
	fid = change_fid(req);
	fid->kind = FID_XATTR_WRITE;
	fid->xattr = req->new_xattr;
	return 0;
}

int xattr_read(struct req *req)
{
	const struct p9_Tread *t = &req->t.Tread;
	const struct fid_xattr *xattr = fid_xattr(req->session->fids, req->fid);
	struct p9_data *data = &req->r.Rread.data;

	if (t->offset >= xattr->size)
		return OP_DONE;
	data->len = xattr->size - (uint32_t)t->offset;
	if (data->len > t->count)
		data->len = t->count;
	data->bytes = fid_xattr_value(req->session->fids, req->fid->saved.xattr) + t->offset;
	return OP_DONE;
}

/* From front to back only, so that "all bytes are there" is one number. */
int xattr_write(struct req *req)
{
	const struct p9_Twrite *t = &req->t.Twrite;
	const struct fid_xattr *xattr = fid_xattr(req->session->fids, req->fid);

	if (t->offset > xattr->size || t->data.len > xattr->size - t->offset)
		return -ENOSPC;
	return t->offset != xattr->written ? -EINVAL : OP_DONE;
}

int xattr_write_commit(struct req *req)
{
	const struct p9_Twrite *t = &req->t.Twrite;
	struct fid_table *fids = req->session->fids;

	if (t->data.len > 0)
		memcpy(fid_xattr_value(fids, req->fid->saved.xattr) + t->offset, t->data.bytes,
		       t->data.len);
	change_xattr(req, (uint32_t)t->offset + t->data.len);
	req->r.Rwrite.count = t->data.len;
	return 0;
}

/* Linux removes an attribute by "replacing" it with nothing. */
int xattr_store_ask(struct req *req)
{
	struct fid_table *fids = req->session->fids;
	const struct fid_xattr *xattr = fid_xattr(fids, req->fid);
	struct fs *fs = req->session->fs;
	struct fs_node node = req->node->saved.fs;
	int flags = 0;

	if (xattr->size == 0 && xattr->flags == P9_XATTR_REPLACE)
		return fs_removexattr(fs, node, xattr->name, req->intent);
	if (xattr->flags == P9_XATTR_CREATE)
		flags = XATTR_CREATE;
	else if (xattr->flags == P9_XATTR_REPLACE)
		flags = XATTR_REPLACE;
	return fs_setxattr(fs, node, xattr->name, fid_xattr_value(fids, req->fid->saved.xattr),
			   xattr->size, flags, req->intent);
}
