/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_lock.c - Tlock and Tgetlock. A lock belongs to the open file of its fid. A conflict is
 * answered "blocked" at once, also to a client that would wait: Linux asks again by itself.
 */
#include <errno.h>

#include "proto/ops.h"

#define CLIENT_ID_MAX 255 /* echoed back in a small reply; Linux sends its nodename, <= 64 */

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

static int range_check(uint64_t start, uint64_t length)
{
	return start > INT64_MAX || length > INT64_MAX - start ? -EINVAL : 0;
}

int do_lock(struct req *req)
{
	const struct p9_Tlock *t = &req->t.Tlock;

	if ((t->flags & ~(P9_LOCK_BLOCK | P9_LOCK_RECLAIM)) != 0 ||
	    range_check(t->start, t->length) < 0)
		return -EINVAL;
	req->lock.start = t->start;
	req->lock.length = t->length;
	return lock_type(t->type, &req->lock.type);
}

int do_lock_ask(struct req *req)
{
	int err = fs_lock(req->session->fs, req->file, &req->lock);

	req->r.Rlock.status = err == -EAGAIN ? P9_LOCK_BLOCKED : P9_LOCK_SUCCESS;
	return err == -EAGAIN ? 0 : err;
}

/* Linux always asks with type UNLCK; it means "what would be in a writer's way?". */
int do_getlock(struct req *req)
{
	const struct p9_Tgetlock *t = &req->t.Tgetlock;
	int err = lock_type(t->type, &req->lock.type);

	if (err < 0 || t->client_id.len > CLIENT_ID_MAX || range_check(t->start, t->length) < 0)
		return -EINVAL;
	if (req->lock.type == FS_LOCK_NONE)
		req->lock.type = FS_LOCK_WRITE;
	req->lock.start = t->start;
	req->lock.length = t->length;
	req->lock.pid = 0;
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
