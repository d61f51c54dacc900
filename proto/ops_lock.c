/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_lock.c - Tlock and Tgetlock. The host's locks belong to an open file; the client's belong to
 * a process, which may have the file open through several fids and must not be in its own way.
 * So the first fid through which a process locks a file lends its open file to the others. (That
 * merges two flock(2) locks of one process, too; the protocol cannot tell them apart, and a Linux
 * client has judged them already.)
 *
 * A conflict is answered "blocked" at once, also to a client that would wait: Linux asks again by
 * itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "proto/change.h"
#include "proto/ops.h"

static int lock_type(uint8_t wire, enum fs_lock_type *type)
{
	switch (wire) {
	case P9_LOCK_RDLCK:
		*type = FS_LOCK_READ;
		return 0;
	case P9_LOCK_WRLCK:
		*type = FS_LOCK_WRITE;
		return 0;
	case P9_LOCK_UNLCK:
		*type = FS_LOCK_NONE;
		return 0;
	}
	return -EINVAL;
}

/* Lets the request act on the open file that holds the process's locks, if the lock may be set
 * through it. The reference goes with the request. */
static void borrow_file(struct req *req, uint32_t proc_id, const char *client_id)
{
	struct session *session = req->session;
	uint32_t locker = locker_find(session->fids, req->node, proc_id, client_id);
	struct fid *holder;

	if (locker == 0)
		return;
	holder = &session->saved->fid[session->saved->locker[locker - 1].fid];
	if (req->lock.type == FS_LOCK_WRITE && (holder->saved.file.flags & O_ACCMODE) == O_RDONLY)
		return;
	req->dfid = fid_ref(holder);
	req->file = holder->saved.file;
}

static int range_check(uint64_t start, uint64_t length)
{
	return start > INT64_MAX || length > INT64_MAX - start ? -EINVAL : 0;
}

/* May a lock of that type be set through the fid's own file? (fcntl(2): EBADF) */
static int access_check(const struct req *req)
{
	uint32_t access = req->file.flags & O_ACCMODE;

	if ((req->lock.type == FS_LOCK_READ && access == O_WRONLY) ||
	    (req->lock.type == FS_LOCK_WRITE && access == O_RDONLY))
		return -EBADF;
	return 0;
}

int do_lock(struct req *req)
{
	const struct p9_Tlock *t = &req->t.Tlock;
	int err = lock_type(t->type, &req->lock.type);

	if (err < 0 || (t->flags & ~(P9_LOCK_BLOCK | P9_LOCK_RECLAIM)) != 0 ||
	    t->client_id.len > FID_CLIENT_ID_MAX || range_check(t->start, t->length) < 0)
		return -EINVAL;
	req->lock.start = t->start;
	req->lock.length = t->length;
	err = access_check(req);
	if (err == 0)
		borrow_file(req, t->proc_id, t->client_id.text);
	return err;
}

int do_lock_ask(struct req *req)
{
	int err = fs_lock(req->session->fs, req->file, &req->lock);

	req->r.Rlock.status = err == -EAGAIN ? P9_LOCK_BLOCKED : P9_LOCK_SUCCESS;
	return err == -EAGAIN ? 0 : err;
}

/* Remembers who locks through this fid, if it is the first. */
int do_lock_commit(struct req *req)
{
	const struct p9_Tlock *t = &req->t.Tlock;
	struct fid *fid = req->fid;

	if (req->lock.type == FS_LOCK_NONE || req->r.Rlock.status != P9_LOCK_SUCCESS ||
	    req->dfid != NULL)
		return 0;
	if (!fid->saved.locked)
		change_fid(req)->locked = true;
	if (fid->locker == 0 && fid->numbered)
		change_locker(req, t->proc_id, t->client_id.text);
	return 0;
}

/* Linux always asks with type UNLCK; it means "what would be in a writer's way?". */
int do_getlock(struct req *req)
{
	const struct p9_Tgetlock *t = &req->t.Tgetlock;
	int err = lock_type(t->type, &req->lock.type);

	if (err < 0 || t->client_id.len > FID_CLIENT_ID_MAX || range_check(t->start, t->length) < 0)
		return -EINVAL;
	if (req->lock.type == FS_LOCK_NONE)
		req->lock.type = FS_LOCK_WRITE;
	req->lock.start = t->start;
	req->lock.length = t->length;
	req->lock.pid = 0;
	borrow_file(req, t->proc_id, t->client_id.text);
	return 0;
}

int do_getlock_ask(struct req *req)
{
	return fs_getlock(req->session->fs, req->file, &req->lock);
}

int do_getlock_commit(struct req *req)
{
	static const uint8_t wire_type[] = {
		[FS_LOCK_READ] = P9_LOCK_RDLCK,
		[FS_LOCK_WRITE] = P9_LOCK_WRLCK,
		[FS_LOCK_NONE] = P9_LOCK_UNLCK,
	};
	const struct p9_Tgetlock *t = &req->t.Tgetlock;
	bool free_range = req->lock.type == FS_LOCK_NONE;

	req->r.Rgetlock = (struct p9_Rgetlock){
		.type = wire_type[req->lock.type],
		.start = free_range ? t->start : req->lock.start,
		.length = free_range ? t->length : req->lock.length,
		.proc_id = free_range ? t->proc_id : req->lock.pid,
		.client_id = t->client_id,
	};
	return 0;
}
