/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_dir.c - names: making, linking, renaming and removing them, and listing a directory.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/name.h"
#include "proto/ops.h"

/* Tmkdir, Tsymlink and Tmknod answer alike: the qid of what was made. */
int do_make_commit(struct req *req)
{
	req->r.Rmkdir.qid = node_qid(&req->attr);
	_Static_assert(offsetof(struct p9_msg, Rmkdir.qid) == offsetof(struct p9_msg, Rsymlink.qid),
		       "one commit serves all three");
	_Static_assert(offsetof(struct p9_msg, Rmkdir.qid) == offsetof(struct p9_msg, Rmknod.qid),
		       "one commit serves all three");
	return 0;
}

int do_mkdir_ask(struct req *req)
{
	const struct p9_Tmkdir *t = &req->t.Tmkdir;

	req->cred.gid = t->gid;
	return fs_mkdir(req->session->fs, req->node->saved.fs, t->name.text, t->mode, req->cred,
			&req->attr, req->intent);
}

int do_symlink_ask(struct req *req)
{
	const struct p9_Tsymlink *t = &req->t.Tsymlink;

	req->cred.gid = t->gid;
	return fs_symlink(req->session->fs, req->node->saved.fs, t->name.text, t->target.text,
			  req->cred, &req->attr, req->intent);
}

int do_mknod_ask(struct req *req)
{
	const struct p9_Tmknod *t = &req->t.Tmknod;

	req->cred.gid = t->gid;
	return fs_mknod(req->session->fs, req->node->saved.fs, t->name.text, t->mode, t->major,
			t->minor, req->cred, &req->attr, req->intent);
}

int do_link_ask(struct req *req)
{
	return fs_link(req->session->fs, req->node->saved.fs, req->dnode->saved.fs,
		       req->t.Tlink.name.text, req->intent);
}

int do_renameat_ask(struct req *req)
{
	const struct p9_Trenameat *t = &req->t.Trenameat;

	return fs_rename(req->session->fs, req->node->saved.fs, t->oldname.text,
			 req->dnode->saved.fs, t->newname.text, req->intent);
}

int do_rename_ask(struct req *req)
{
	struct fs_node dir;
	const char *name;
	int err = name_find(req, &dir, &name);

	if (err == 0)
		err = fs_rename(req->session->fs, dir, name, req->dnode->saved.fs,
				req->t.Trename.name.text, req->intent);
	return err;
}

/* The fid is clunked, whatever comes of it. */
int do_remove(struct req *req)
{
	return session_end_waits(req, req->fid, false) ? OP_WAITS : 0;
}

int do_remove_ask(struct req *req)
{
	return name_remove(req);
}

int do_unlinkat(struct req *req)
{
	return (req->t.Tunlinkat.flags & ~P9_AT_REMOVEDIR) != 0 ? -EINVAL : 0;
}

int do_unlinkat_ask(struct req *req)
{
	const struct p9_Tunlinkat *t = &req->t.Tunlinkat;

	return fs_unlink(req->session->fs, req->node->saved.fs, t->name.text,
			 (t->flags & P9_AT_REMOVEDIR) != 0, req->intent);
}

/* ---- listing ---- */

struct listing {
	uint8_t *data;
	uint32_t size, used;
	bool full; /* an entry did not fit */
};

static uint8_t qid_type(uint8_t dirent_type)
{
	switch (dirent_type) {
	case DT_DIR:
		return P9_QTDIR;
	case DT_LNK:
		return P9_QTSYMLINK;
	default:
		return P9_QTFILE;
	}
}

static bool list_entry(void *arg, const struct fs_dirent *entry)
{
	struct listing *list = arg;
	struct p9_dirent wire = {
		.qid = {.type = qid_type(entry->type), .path = entry->path},
		.offset = entry->offset,
		.type = entry->type,
		.name = p9_str(entry->name),
	};
	size_t size = p9_dirent_put(&wire, list->data + list->used, list->size - list->used);

	list->full = size == 0;
	list->used += (uint32_t)size;
	return size > 0;
}

int do_readdir(struct req *req)
{
	struct p9_Treaddir *t = &req->t.Treaddir;
	uint32_t most = session_max_message(req->session) - P9_READ_HEADER;

	if (t->count > most)
		t->count = most;
	req_charge(req, t->count);
	return 0;
}

int do_readdir_ask(struct req *req)
{
	const struct p9_Treaddir *t = &req->t.Treaddir;
	struct p9_data *data = &req->r.Rreaddir.data;
	struct listing list = {.size = t->count};
	int err;

	list.data = p9_data_place(req->out);
	err = fs_readdir(req->session->fs, req->file, t->offset, t->count, list_entry, &list);
	if (err < 0)
		return err;
	/* No data would mean the end of the directory. */
	if (list.full && list.used == 0)
		return -EINVAL;
	data->bytes = list.data;
	data->len = list.used;
	return 0;
}
