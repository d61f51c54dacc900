/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_attr.c - Tgetattr, Tsetattr, Tstatfs, Treadlink.
 */
#include <errno.h>
#include <string.h>

#include "common/util.h"
#include "proto/ops.h"

#define READLINK_HEADER (P9_HEADER_SIZE + 2) /* of Rreadlink before the target */

int do_getattr_ask(struct req *req)
{
	return fs_getattr(req->session->fs, req->node->saved.fs, &req->attr);
}

/* Linux' "new" encoding of a device number, which its client decodes. */
static uint64_t wire_rdev(const struct fs_attr *attr)
{
	return (attr->rdev_minor & 0xffu) | ((attr->rdev_major & 0xfffu) << 8) |
	       ((attr->rdev_minor & ~0xffu) << 12);
}

/* What tells an object from an earlier one with the same path: when it was born, which never
 * changes. The file system's own number would take opening the object. */
static uint64_t generation(const struct fs_attr *attr)
{
	return attr->has_btime ? (uint32_t)(attr->btime.sec * 1000000000 + attr->btime.nsec) : 0;
}

/* All basic fields whatever was asked: Linux reads some without looking at `valid`. */
int do_getattr_commit(struct req *req)
{
	const struct fs_attr *attr = &req->attr;

	req->node->saved.qid.version = attr->version;
	req->r.Rgetattr = (struct p9_Rgetattr){
		.valid = P9_GETATTR_BASIC |
			 (attr->has_btime ? P9_GETATTR_BTIME | P9_GETATTR_GEN : 0),
		.qid = req->node->saved.qid,
		.mode = attr->mode,
		.uid = attr->uid,
		.gid = attr->gid,
		.nlink = attr->nlink,
		.rdev = wire_rdev(attr),
		.size = attr->size,
		.blksize = attr->blksize,
		.blocks = attr->blocks,
		.atime_sec = (uint64_t)attr->atime.sec,
		.atime_nsec = attr->atime.nsec,
		.mtime_sec = (uint64_t)attr->mtime.sec,
		.mtime_nsec = attr->mtime.nsec,
		.ctime_sec = (uint64_t)attr->ctime.sec,
		.ctime_nsec = attr->ctime.nsec,
		.btime_sec = (uint64_t)attr->btime.sec,
		.btime_nsec = attr->btime.nsec,
		.gen = generation(attr),
	};
	return 0;
}

static uint32_t setattr_valid(uint32_t wire)
{
	static const struct {
		uint32_t wire, fs;
	} map[] = {
		{P9_SETATTR_MODE, FS_SET_MODE},	  {P9_SETATTR_UID, FS_SET_UID},
		{P9_SETATTR_GID, FS_SET_GID},	  {P9_SETATTR_SIZE, FS_SET_SIZE},
		{P9_SETATTR_CTIME, FS_SET_CTIME},
	};
	uint32_t valid = 0;

	for (size_t i = 0; i < countof(map); i++) {
		if ((wire & map[i].wire) != 0)
			valid |= map[i].fs;
	}
	/* A time without its SET bit is the server's now. */
	if ((wire & P9_SETATTR_ATIME) != 0)
		valid |= (wire & P9_SETATTR_ATIME_SET) != 0 ? FS_SET_ATIME : FS_SET_ATIME_NOW;
	if ((wire & P9_SETATTR_MTIME) != 0)
		valid |= (wire & P9_SETATTR_MTIME_SET) != 0 ? FS_SET_MTIME : FS_SET_MTIME_NOW;
	return valid;
}

static struct fs_time fs_time(uint64_t sec, uint64_t nsec)
{
	/* An impossible nanosecond stays impossible when it is cut to 32 bits. */
	return (struct fs_time){
		.sec = (int64_t)sec,
		.nsec = nsec > UINT32_MAX ? UINT32_MAX : (uint32_t)nsec,
	};
}

int do_setattr_ask(struct req *req)
{
	const struct p9_Tsetattr *t = &req->t.Tsetattr;
	struct fs_setattr set = {
		.valid = setattr_valid(t->valid),
		.mode = t->mode,
		.uid = t->uid,
		.gid = t->gid,
		.size = t->size,
		.atime = fs_time(t->atime_sec, t->atime_nsec),
		.mtime = fs_time(t->mtime_sec, t->mtime_nsec),
	};

	return fs_setattr(req->session->fs, req->node->saved.fs, req->file, &set);
}

int do_statfs_ask(struct req *req)
{
	return fs_statfs(req->session->fs, req->node->saved.fs, &req->statfs);
}

int do_statfs_commit(struct req *req)
{
	const struct fs_statfs *st = &req->statfs;

	req->r.Rstatfs = (struct p9_Rstatfs){
		.type = (uint32_t)st->type,
		.bsize = (uint32_t)st->bsize,
		.blocks = st->blocks,
		.bfree = st->bfree,
		.bavail = st->bavail,
		.files = st->files,
		.ffree = st->ffree,
		.fsid = st->fsid,
		.namelen = st->namelen,
	};
	return 0;
}

/* The target goes straight to its place in the reply. */
int do_readlink_ask(struct req *req)
{
	return fs_readlink(req->session->fs, req->node->saved.fs,
			   (char *)req->out + READLINK_HEADER, FS_TARGET_MAX);
}

int do_readlink_commit(struct req *req)
{
	req->r.Rreadlink.target = (struct p9_str){
		.text = (const char *)req->out + READLINK_HEADER,
		.len = (uint16_t)req->result,
	};
	return 0;
}
