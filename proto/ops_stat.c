/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_stat.c - the stat of 9P2000 and 9P2000.u: Tstat, Twstat, and reading directories, which are
 * files full of stats to these dialects.
 *
 * Users and groups are decimal numbers where a name is wanted: guests have names of their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"
#include "proto/change.h"
#include "proto/name.h"
#include "proto/ops.h"
#include "proto/text.h"

#define ID_TEXT 11 /* a number of 32 bits */

/* Where the strings of a stat stand. */
struct stat_text {
	char name[FS_NAME_MAX + 1];
	char uid[ID_TEXT], gid[ID_TEXT];
	char extension[FS_TARGET_MAX + 1];
};

/* An Rstat's are in its reply's buffer, behind what the reply may grow to. */
#define STAT_TEXT_AT 8192

/* ---- what a stat says ---- */

static uint32_t dm_type(enum p9_dialect dialect, uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return P9_DMDIR;
	case S_IFLNK:
		return dialect == P9_U ? P9_DMSYMLINK : 0;
	case S_IFCHR:
	case S_IFBLK:
		return dialect == P9_U ? P9_DMDEVICE : 0;
	case S_IFIFO:
		return dialect == P9_U ? P9_DMNAMEDPIPE : 0;
	case S_IFSOCK:
		return dialect == P9_U ? P9_DMSOCKET : 0;
	default:
		return 0;
	}
}

static const struct {
	uint32_t dm, host;
} permissions[] = {
	{P9_DMSETUID, S_ISUID},
	{P9_DMSETGID, S_ISGID},
	{P9_DMSETVTX, S_ISVTX},
};

static uint32_t dm_mode(enum p9_dialect dialect, uint32_t mode)
{
	uint32_t dm = dm_type(dialect, mode) | (mode & P9_DMPERM);

	for (size_t i = 0; dialect == P9_U && i < countof(permissions); i++) {
		if ((mode & permissions[i].host) != 0)
			dm |= permissions[i].dm;
	}
	return dm;
}

/* All ones would say something else to a client that sends it back. */
static uint32_t wire_seconds(const struct fs_time *time)
{
	if (time->sec < 0)
		return 0;
	return time->sec < UINT32_MAX ? (uint32_t)time->sec : UINT32_MAX - 1;
}

/* The target of a symlink, the numbers of a device; else how many names there are, as Linux asks
 * servers for it. */
static int fill_extension(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
			  char *text, size_t size)
{
	int length;

	text[0] = '\0';
	switch (attr->mode & S_IFMT) {
	case S_IFLNK:
		length = fs_readlink(fs, node, text, size - 1);
		text[length > 0 ? length : 0] = '\0';
		return length < 0 ? length : 0;
	case S_IFCHR:
	case S_IFBLK:
		snprintf(text, size, "%c %" PRIu32 " %" PRIu32, S_ISCHR(attr->mode) ? 'c' : 'b',
			 attr->rdev_major, attr->rdev_minor);
		return 0;
	case S_IFREG:
	case S_IFDIR:
		snprintf(text, size, "HARDLINKCOUNT %" PRIu64, attr->nlink);
		return 0;
	default:
		return 0;
	}
}

/* A stat of text->name with these attributes; `node` is looked at if it is a symlink. */
static int fill_stat(const struct req *req, struct fs_node node, const struct fs_attr *attr,
		     struct stat_text *text, struct p9_stat *stat)
{
	bool extended = req->dialect == P9_U;
	int err = 0;

	text->extension[0] = '\0';
	if (extended)
		err = fill_extension(req->session->fs, node, attr, text->extension,
				     sizeof(text->extension));
	snprintf(text->uid, sizeof(text->uid), "%" PRIu32, attr->uid);
	snprintf(text->gid, sizeof(text->gid), "%" PRIu32, attr->gid);
	*stat = (struct p9_stat){
		.qid = op_qid(req, attr),
		.mode = dm_mode(req->dialect, attr->mode),
		.atime = wire_seconds(&attr->atime),
		.mtime = wire_seconds(&attr->mtime),
		.length = S_ISDIR(attr->mode) && !extended ? 0 : attr->size,
		.name = p9_str(text->name),
		.uid = p9_str(text->uid),
		.gid = p9_str(text->gid),
		.muid = p9_str(""),
		.extension = p9_str(text->extension),
		.n_uid = attr->uid,
		.n_gid = attr->gid,
		.n_muid = P9_NONUNAME,
	};
	return err;
}

/* ---- Tstat ---- */

/* What has no name any more is told all the same. */
static int current_name(struct req *req, char *name)
{
	struct fs_node dir;
	int err = fs_parent(req->session->fs, req->node->saved.fs, &dir, name);

	if (err == 0)
		fs_forget(req->session->fs, dir);
	else
		name[0] = '\0';
	return err == -ENOENT ? 0 : err;
}

int do_stat_ask(struct req *req)
{
	struct stat_text *text = (void *)(req->out + STAT_TEXT_AT);
	struct fs_node node = req->node->saved.fs;
	int err = fs_getattr(req->session->fs, node, &req->attr);

	if (err == 0)
		err = current_name(req, text->name);
	return err == 0 ? fill_stat(req, node, &req->attr, text, &req->r.Rstat.stat) : err;
}

/* ---- Twstat ---- */

static bool is_touched(uint32_t number)
{
	return number != (uint32_t)P9_UNTOUCHED;
}

/* The type is what it is; permissions that the dialect does not know are dropped, as a chmod(2)
 * without them would. */
static int wanted_mode(const struct req *req, uint32_t dm, struct fs_setattr *set)
{
	uint32_t known = P9_DMPERM;

	set->valid |= FS_SET_MODE;
	set->mode = dm & P9_DMPERM;
	for (size_t i = 0; req->dialect == P9_U && i < countof(permissions); i++) {
		known |= permissions[i].dm;
		if ((dm & permissions[i].dm) != 0)
			set->mode |= permissions[i].host;
	}
	return (dm & ~known) == dm_type(req->dialect, req->node->saved.fs.type) ? 0 : -EPERM;
}

static int wanted_owner(const struct req *req, struct fs_setattr *set)
{
	const struct p9_stat *t = &req->t.Twstat.stat;

	set->uid = t->n_uid;
	set->gid = t->n_gid;
	if (!is_touched(t->n_gid) && t->gid.len > 0 && !text_id(t->gid.text, &set->gid))
		return -EINVAL;
	if (is_touched(set->uid))
		set->valid |= FS_SET_UID;
	if (is_touched(set->gid))
		set->valid |= FS_SET_GID;
	return 0;
}

/* A directory's length is 0 to these dialects, and may be told to be. */
static int wanted_size(const struct req *req, uint64_t length, struct fs_setattr *set)
{
	if (S_ISDIR(req->node->saved.fs.type))
		return length == 0 ? 0 : -EISDIR;
	set->valid |= FS_SET_SIZE;
	set->size = length;
	return 0;
}

/* Fields that are nobody's to set. (Linux sends a muid with each rename.) */
static bool touches_more(const struct p9_stat *t)
{
	return t->type != (uint16_t)P9_UNTOUCHED || is_touched(t->dev) ||
	       t->qid.type != (uint8_t)P9_UNTOUCHED || is_touched(t->qid.version) ||
	       t->qid.path != P9_UNTOUCHED || t->uid.len > 0 || t->extension.len > 0 ||
	       is_touched(t->n_muid);
}

/* Everything but the name. */
static int wanted_attr(const struct req *req, struct fs_setattr *set)
{
	const struct p9_stat *t = &req->t.Twstat.stat;
	int err = touches_more(t) ? -EPERM : 0;

	*set = (struct fs_setattr){.valid = 0};
	if (err == 0 && is_touched(t->mode))
		err = wanted_mode(req, t->mode, set);
	if (err == 0 && t->length != P9_UNTOUCHED)
		err = wanted_size(req, t->length, set);
	if (err == 0)
		err = wanted_owner(req, set);
	if (is_touched(t->atime))
		set->valid |= FS_SET_ATIME;
	if (is_touched(t->mtime))
		set->valid |= FS_SET_MTIME;
	set->atime.sec = t->atime;
	set->mtime.sec = t->mtime;
	return err;
}

/* Nothing is to become different: "see that it is on the disk". */
static bool is_sync(const struct p9_stat *t)
{
	return t->name.len == 0 && t->gid.len == 0 && !is_touched(t->mode) &&
	       !is_touched(t->atime) && !is_touched(t->mtime) && t->length == P9_UNTOUCHED &&
	       !is_touched(t->n_uid) && !is_touched(t->n_gid);
}

int do_wstat(struct req *req)
{
	const struct p9_stat *t = &req->t.Twstat.stat;
	struct fs_setattr set;
	int err = wanted_attr(req, &set);

	if (err == 0 && t->name.len > 0)
		err = fs_name_check(t->name.text, FS_NAME_RENAME);
	if (err < 0)
		return err;
	return req->session->config.readonly && !is_sync(t) ? -EROFS : 0;
}

/* What cannot be opened has no content that could be somewhere else. */
static int sync_object(struct req *req)
{
	struct fs *fs = req->session->fs;
	struct fs_file file;
	int err;

	if (req->file.id >= 0)
		return fs_fsync(fs, req->file, false);
	err = fs_open(fs, req->node->saved.fs, O_RDONLY, &file);
	if (err == -ENXIO || err == -ELOOP)
		return 0;
	if (err < 0)
		return err;
	err = fs_fsync(fs, file, false);
	fs_close(fs, file);
	return err;
}

/* Whether the rename is sure to be refused. 9P2000 replaces nothing (stat(5)), .u what POSIX
 * replaces. */
static int refuses_rename(const struct req *req, struct fs_node dir, const char *name)
{
	bool is_dir = S_ISDIR(req->node->saved.fs.type);
	struct fs_attr there;
	int err;

	if (fs_intent_begun(req->intent))
		return 0;
	err = fs_lookup(req->session->fs, dir, name, &there);
	if (err < 0)
		return err == -ENOENT ? 0 : err;
	if (req->dialect == P9_PLAIN)
		return -EEXIST;
	if (is_dir == S_ISDIR(there.mode))
		return 0;
	return is_dir ? -ENOTDIR : -EISDIR;
}

/* All or nothing, as far as a host gives it: whatever can be found out is, first; then the
 * attributes, which a predecessor that has begun the rename has set; then the rename. When that is
 * refused all the same (a directory that is not empty), the attributes have been set. */
static int set_and_rename(struct req *req, const struct fs_setattr *set)
{
	const char *name = req->t.Twstat.stat.name.text, *old;
	struct fs *fs = req->session->fs;
	struct fs_node dir;
	int err = name_find(req, &dir, &old);

	if (err == 0 && strcmp(old, name) != 0)
		err = refuses_rename(req, dir, name);
	if (err == 0 && !fs_intent_begun(req->intent))
		err = fs_setattr(fs, req->node->saved.fs, req->file, set);
	if (err == 0 && strcmp(old, name) != 0)
		err = fs_rename(fs, dir, old, dir, name, req->intent);
	return err;
}

int do_wstat_ask(struct req *req)
{
	const struct p9_stat *t = &req->t.Twstat.stat;
	struct fs_setattr set;

	wanted_attr(req, &set); /* as do_wstat() has found: nothing is wrong with it */
	if (is_sync(t))
		return sync_object(req);
	if (t->name.len > 0)
		return set_and_rename(req, &set);
	return fs_setattr(req->session->fs, req->node->saved.fs, req->file, &set);
}

/* ---- reading a directory ---- */

/* Names are taken from the driver in such pieces, and looked at afterwards: while it lists it may
 * not be asked anything else. */
#define BATCH_BYTES 8192

struct batch {
	size_t used;
	uint8_t bytes[BATCH_BYTES]; /* cookie[8], name, NUL */
};

struct listing {
	struct req *req;
	uint8_t *data;
	uint32_t size, used;
	struct fid_place at;
	bool full;
};

static bool batch_entry(void *arg, const struct fs_dirent *entry)
{
	struct batch *batch = arg;
	size_t length = strlen(entry->name) + 1;
	uint8_t *to = batch->bytes + batch->used;

	if (BATCH_BYTES - batch->used < sizeof(entry->offset) + length)
		return false;
	memcpy(to, &entry->offset, sizeof(entry->offset));
	memcpy(to + sizeof(entry->offset), entry->name, length);
	batch->used += sizeof(entry->offset) + length;
	return true;
}

/* The dots belong to .u. A symlink is pinned in `node`, for its target. */
static int look_at(struct req *req, const char *name, struct fs_node *node, struct fs_attr *attr)
{
	struct fs *fs = req->session->fs;
	struct fs_node dir = req->node->saved.fs;
	bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	int err;

	*node = FS_NO_NODE;
	if (dots && req->dialect == P9_PLAIN)
		return -ENOENT;
	err = dots ? 0 : fs_lookup(fs, dir, name, attr);
	if (err == 0 && (dots || S_ISLNK(attr->mode)))
		err = fs_walk(fs, dir, name, node, attr);
	return err;
}

/* Up to what the client has had already, entries are only measured: that is what offset 0 and a
 * seek backwards come to. */
static int list_stat(struct listing *list, const struct p9_stat *stat)
{
	uint64_t begin = list->req->t.Tread.offset;
	bool skips = list->at.offset < begin;
	size_t room = skips ? UINT16_MAX : list->size - list->used;
	size_t size = p9_stat_put(stat, list->req->dialect, list->data + list->used, room);

	list->full = size == 0;
	if (skips && size > begin - list->at.offset)
		return -EINVAL;
	list->at.offset += size;
	if (!skips)
		list->used += (uint32_t)size;
	return 0;
}

/* What has gone since it was listed is left out, and what this client may not see (forbid-host):
 * one name must not hide those behind it. */
static int list_entry(struct listing *list, const char *name)
{
	struct fs *fs = list->req->session->fs;
	struct stat_text text;
	struct fs_attr attr;
	struct p9_stat stat;
	struct fs_node node;
	int err = look_at(list->req, name, &node, &attr);

	if (err == 0) {
		snprintf(text.name, sizeof(text.name), "%s", name);
		err = fill_stat(list->req, node, &attr, &text, &stat);
		fs_forget(fs, node);
	}
	if (err == 0)
		err = list_stat(list, &stat);
	return err == -ENOENT || err == -EPERM ? 0 : err;
}

static int list_batch(struct listing *list, const struct batch *batch)
{
	for (size_t at = 0; at < batch->used;) {
		const char *name = (const char *)batch->bytes + at + sizeof(uint64_t);
		int err;

		if (list->at.offset == list->req->t.Tread.offset && list->used == 0)
			list->req->listed.from = list->at;
		err = list_entry(list, name);
		if (err < 0 || list->full)
			return err;
		memcpy(&list->at.cookie, batch->bytes + at, sizeof(list->at.cookie));
		at += sizeof(uint64_t) + strlen(name) + 1;
	}
	return 0;
}

/* An offset is 0, the end of the last read, or where one of the entries up to there begins: the
 * read starts at the nearest place that is known. */
int stat_list(struct req *req)
{
	const struct fid_saved *fid = &req->fid->saved;
	uint64_t offset = req->t.Tread.offset;

	if (offset > fid->to.offset)
		return -EINVAL;
	req->listed.from = (struct fid_place){.offset = 0};
	if (offset >= fid->from.offset && offset > 0)
		req->listed.from = fid->from;
	if (offset == fid->to.offset && offset > 0)
		req->listed.from = fid->to;
	return 0;
}

/* An entry that does not fit waits for the next read, also when it is the first: Linux goes on with
 * what is left of its buffer. */
int stat_list_ask(struct req *req)
{
	const struct p9_Tread *t = &req->t.Tread;
	struct listing list = {
		.req = req,
		.data = p9_data_place(req->out),
		.size = t->count,
		.at = req->listed.from,
	};
	struct batch batch;
	int err;

	do {
		batch.used = 0;
		err = fs_readdir(req->session->fs, req->file, list.at.cookie, BATCH_BYTES,
				 batch_entry, &batch);
		if (err == 0)
			err = list_batch(&list, &batch);
	} while (err == 0 && batch.used > 0 && !list.full);
	if (err == 0 && list.at.offset < t->offset)
		err = -EINVAL;
	if (err < 0 && list.used == 0)
		return err;
	if (list.used == 0)
		req->listed.from = list.at;
	req->listed.to = list.at;
	req->r.Rread.data = (struct p9_data){.bytes = list.data, .len = list.used};
	return 0;
}

int stat_list_commit(struct req *req)
{
	struct fid_saved *fid = change_fid(req);

	fid->from = req->listed.from;
	fid->to = req->listed.to;
	return 0;
}
