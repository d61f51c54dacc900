/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_io.c - Tlopen, Tlcreate, Tread, Twrite, Tfsync: fids that are open, and their data.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/util.h"
#include "proto/change.h"
#include "proto/ops.h"

/* The protocol's flags have the numbers of x86 Linux; the host's may differ. What is not listed
 * is noise here: Linux sends CREATE, EXCL and LARGEFILE with files that exist, and O_DIRECT
 * would impose the host's alignment on the guest. */
static int host_flags(uint32_t wire)
{
	static const struct {
		uint32_t wire;
		int host;
	} map[] = {
		{P9_O_TRUNC, O_TRUNC}, {P9_O_APPEND, O_APPEND},	  {P9_O_DSYNC, O_DSYNC},
		{P9_O_SYNC, O_SYNC},   {P9_O_NOATIME, O_NOATIME},
	};
	static const int access[] = {O_RDONLY, O_WRONLY, O_RDWR};
	int flags;

	if ((wire & P9_O_ACCMODE) >= countof(access))
		return -EINVAL;
	flags = access[wire & P9_O_ACCMODE];
	for (size_t i = 0; i < countof(map); i++) {
		if ((wire & map[i].wire) != 0)
			flags |= map[i].host;
	}
	return flags;
}

/* Largest payload that comes and goes in one piece; a multiple of the page, as clients round
 * to it. 0 would mean "no statement". */
static uint32_t iounit(const struct session *session)
{
	return (session_max_message(session) - P9_IO_HEADER) & ~4095u;
}

int op_may_open(const struct req *req, int flags)
{
	if (req->session->config.readonly &&
	    ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_TRUNC | O_APPEND)) != 0))
		return -EROFS;
	return 0;
}

int do_lopen(struct req *req)
{
	const struct p9_Tlopen *t = &req->t.Tlopen;
	int flags = host_flags(t->flags);

	if (flags < 0)
		return flags;
	if ((t->flags & P9_O_DIRECTORY) != 0 && !S_ISDIR(req->node->saved.fs.type))
		return -ENOTDIR;
	return op_may_open(req, flags);
}

int do_lopen_ask(struct req *req)
{
	return fs_open(req->session->fs, req->node->saved.fs, host_flags(req->t.Tlopen.flags),
		       &req->new_file);
}

/* The fid is open from now on. Four replies say the same about that. */
struct fid_saved *op_opened(struct req *req, struct p9_qid qid, bool dir)
{
	struct fid_saved *fid = change_fid(req);

	fid->file = req->new_file;
	fid->kind = dir ? FID_DIR : FID_FILE;
	req->r.Rlopen.qid = qid;
	req->r.Rlopen.iounit = dir ? 0 : iounit(req->session);
	_Static_assert(sizeof(req->r.Rlopen) == sizeof(req->r.Rlcreate) &&
			       sizeof(req->r.Rlopen) == sizeof(req->r.Ropen) &&
			       sizeof(req->r.Rlopen) == sizeof(req->r.Rcreate),
		       "one struct serves all four");
	return fid;
}

int do_lopen_commit(struct req *req)
{
	op_opened(req, req->node->saved.qid, S_ISDIR(req->node->saved.fs.type));
	return 0;
}

int do_lcreate(struct req *req)
{
	const struct p9_Tlcreate *t = &req->t.Tlcreate;
	int flags = host_flags(t->flags);

	if (flags < 0)
		return flags;
	return (t->flags & P9_O_DIRECTORY) != 0 ? -EINVAL : 0;
}

int do_lcreate_ask(struct req *req)
{
	const struct p9_Tlcreate *t = &req->t.Tlcreate;
	int flags = host_flags(t->flags) | ((t->flags & P9_O_EXCL) != 0 ? O_EXCL : 0);

	int err;

	req->cred.gid = t->gid;
	err = fs_create(req->session->fs, req->node->saved.fs, t->name.text, flags, t->mode,
			req->cred, &req->new_node, &req->new_file, &req->attr, req->intent);
	if (err == 0)
		req_note_handle(req);
	return err;
}

/* The fid turns from the directory to the new file. */
int do_lcreate_commit(struct req *req)
{
	uint32_t node = change_node(req);

	if (node == 0)
		return -ENFILE;
	op_opened(req, node_qid(&req->attr), false)->node = node;
	return 0;
}

int do_read(struct req *req)
{
	struct p9_Tread *t = &req->t.Tread;
	uint32_t most = session_max_message(req->session) - P9_READ_HEADER;

	if (t->count > most)
		t->count = most;
	req_charge(req, t->count);
	switch (req->fid->saved.kind) {
	case FID_XATTR_READ:
		return xattr_read(req);
	case FID_DIR:
		return req->dialect == P9_L ? -EISDIR : stat_list(req);
	default:
		return 0;
	}
}

/* Into the two pieces of a place, if the first does not hold it all. */
static int read_placed(struct req *req)
{
	const struct p9_Tread *t = &req->t.Tread;
	const struct iovec *place = req->place;
	struct fs *fs = req->session->fs;
	ssize_t done = fs_read(fs, req->file, place[0].iov_base, place[0].iov_len, t->offset, true);
	ssize_t more = 0;

	if (done == (ssize_t)place[0].iov_len && place[1].iov_len > 0)
		more = fs_read(fs, req->file, place[1].iov_base, place[1].iov_len,
			       t->offset + (uint64_t)done, true);
	if (more == -EAGAIN)
		return -EAGAIN;
	return (int)(more < 0 ? done : done + more);
}

int do_read_ask(struct req *req)
{
	const struct p9_Tread *t = &req->t.Tread;

	if (S_ISDIR(req->node->saved.fs.type))
		return stat_list_ask(req);
	if (req->place[0].iov_base != NULL)
		return read_placed(req);
	return (int)fs_read(req->session->fs, req->file, p9_data_place(req->out), t->count,
			    t->offset, req->nowait);
}

int do_read_commit(struct req *req)
{
	struct p9_data *data = &req->r.Rread.data;

	if (req->fid->saved.kind == FID_XATTR_READ)
		return 0;
	if (req->fid->saved.kind == FID_DIR)
		return stat_list_commit(req);
	data->bytes = p9_data_place(req->out);
	data->len = (uint32_t)req->result;
	return 0;
}

/* Can it be used where the guest has put it? Not what is stored by the commit, or may come in two
 * pieces to where they have to be one. */
static bool is_usable(const struct req *req)
{
	return req->fid->saved.kind == FID_FILE && S_ISREG(req->node->saved.fs.type) &&
	       (req->file.flags & O_APPEND) == 0 && req->file.copies;
}

int do_write(struct req *req)
{
	if (!is_usable(req))
		req_fetch(req);
	if (req->fid->saved.kind == FID_XATTR_WRITE)
		return xattr_write(req);
	return 0;
}

/* The same without a copy; behind the data there may be bytes that mean nothing. Of two pieces
 * there is no note: begun anew, they are written to the same place. */
static int write_kept(struct req *req)
{
	const struct p9_Twrite *t = &req->t.Twrite;
	const size_t all = t->data.len, room = req->kept[0].iov_len;
	const size_t first = all < room ? all : room;
	struct fs_intent *intent = first == all ? req->intent : NULL;
	struct fs *fs = req->session->fs;
	ssize_t more = 0, done;

	done = fs_write(fs, req->file, req->kept[0].iov_base, first, t->offset, intent);
	if (done == (ssize_t)first && first < all)
		more = fs_write(fs, req->file, req->kept[1].iov_base, all - first,
				t->offset + first, NULL);
	return (int)(more < 0 ? done : done + more);
}

int do_write_ask(struct req *req)
{
	const struct p9_Twrite *t = &req->t.Twrite;

	if (req->kept[0].iov_base != NULL)
		return write_kept(req);
	return (int)fs_write(req->session->fs, req->file, t->data.bytes, t->data.len, t->offset,
			     req->intent);
}

int do_write_commit(struct req *req)
{
	if (req->fid->saved.kind == FID_XATTR_WRITE)
		return xattr_write_commit(req);
	req->r.Rwrite.count = (uint32_t)req->result;
	return 0;
}

int do_fsync_ask(struct req *req)
{
	return fs_fsync(req->session->fs, req->file, req->t.Tfsync.datasync != 0);
}
