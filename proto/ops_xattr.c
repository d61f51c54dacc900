/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_xattr.c - extended attributes, which 9P reads and writes like files: Txattrwalk makes a fid
 * of a snapshot, Txattrcreate turns a fid into a buffer whose value is stored at its clunk.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "proto/ops.h"

#define ATTEMPTS 8 /* at a value that somebody else keeps growing */

int do_xattrwalk(struct req *req)
{
	req_charge(req, FS_XATTR_MAX);
	return op_newfid_check(req, req->t.Txattrwalk.newfid);
}

static ssize_t fetch(struct req *req, char *value, size_t size)
{
	const char *name = req->t.Txattrwalk.name.text;

	if (name[0] == '\0')
		return fs_listxattr(req->session->fs, req->node->fs, value, size);
	return fs_getxattr(req->session->fs, req->node->fs, name, value, size);
}

/* What counts is the length of the call that delivered the bytes. */
static int snapshot(struct req *req, struct fid_xattr *xattr)
{
	ssize_t size = -ERANGE;

	for (int i = 0; size == -ERANGE && i < ATTEMPTS; i++) {
		size = fetch(req, NULL, 0);
		if (size <= 0)
			break;
		free(xattr->value);
		xattr->value = malloc((size_t)size);
		if (xattr->value == NULL)
			return -ENOMEM;
		size = fetch(req, xattr->value, (size_t)size);
	}
	if (size < 0)
		return (int)size;
	xattr->size = (uint32_t)size;
	return 0;
}

int do_xattrwalk_ask(struct req *req)
{
	req->new_xattr = calloc(1, sizeof(*req->new_xattr));
	if (req->new_xattr == NULL)
		return -ENOMEM;
	return snapshot(req, req->new_xattr);
}

int do_xattrwalk_commit(struct req *req)
{
	struct fid *fid;
	int err = op_newfid_add(req, req->t.Txattrwalk.newfid, req->node, req->fid->uid, &fid);

	if (err < 0)
		return err;
	req->r.Rxattrwalk.size = req->new_xattr->size;
	err = fid_set_xattr(req->session->fids, fid, FID_XATTR_READ, req->new_xattr);
	if (err < 0)
		fid_remove(req->session->fids, fid);
	else
		req->new_xattr = NULL;
	return err;
}

int do_xattrcreate(struct req *req)
{
	const struct p9_Txattrcreate *t = &req->t.Txattrcreate;
	struct fid_xattr *xattr;
	int err;

	if (t->name.len == 0 || (t->flags & ~(P9_XATTR_CREATE | P9_XATTR_REPLACE)) != 0 ||
	    t->flags == (P9_XATTR_CREATE | P9_XATTR_REPLACE))
		return -EINVAL;
	if (t->name.len > FS_NAME_MAX)
		return -ERANGE;
	if (t->size > FS_XATTR_MAX)
		return -E2BIG;

	xattr = calloc(1, sizeof(*xattr));
	if (xattr == NULL)
		return -ENOMEM;
	xattr->value = calloc(1, t->size > 0 ? t->size : 1);
	if (xattr->value == NULL) {
		fid_xattr_free(xattr);
		return -ENOMEM;
	}
	xattr->size = (uint32_t)t->size;
	xattr->flags = t->flags;
	memcpy(xattr->name, t->name.text, t->name.len);
	err = fid_set_xattr(req->session->fids, req->fid, FID_XATTR_WRITE, xattr);
	if (err < 0)
		fid_xattr_free(xattr);
	return err < 0 ? err : OP_DONE;
}

int xattr_read(struct req *req)
{
	const struct p9_Tread *t = &req->t.Tread;
	const struct fid_xattr *xattr = req->fid->xattr;
	struct p9_data *data = &req->r.Rread.data;

	if (t->offset >= xattr->size)
		return OP_DONE;
	data->len = xattr->size - (uint32_t)t->offset;
	if (data->len > t->count)
		data->len = t->count;
	data->bytes = xattr->value + t->offset;
	return req_reserve(req, P9_READ_HEADER + data->len) < 0 ? -ENOMEM : OP_DONE;
}

/* From front to back only, so that "all bytes are there" is one number. */
int xattr_write(struct req *req)
{
	const struct p9_Twrite *t = &req->t.Twrite;
	struct fid_xattr *xattr = req->fid->xattr;

	if (t->offset > xattr->size || t->data.len > xattr->size - t->offset)
		return -ENOSPC;
	if (t->offset != xattr->written)
		return -EINVAL;
	if (t->data.len > 0)
		memcpy(xattr->value + t->offset, t->data.bytes, t->data.len);
	xattr->written += t->data.len;
	return OP_DONE;
}

/* Linux removes an attribute by "replacing" it with nothing. */
int xattr_store_ask(struct req *req)
{
	const struct fid_xattr *xattr = req->fid->xattr;
	struct fs *fs = req->session->fs;
	int flags = 0;

	if (xattr->size == 0 && xattr->flags == P9_XATTR_REPLACE)
		return fs_removexattr(fs, req->node->fs, xattr->name, NULL);
	if (xattr->flags == P9_XATTR_CREATE)
		flags = XATTR_CREATE;
	else if (xattr->flags == P9_XATTR_REPLACE)
		flags = XATTR_REPLACE;
	return fs_setxattr(fs, req->node->fs, xattr->name, xattr->value, xattr->size, flags, NULL);
}
