/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_lock.c - Tlock and Tgetlock. The host's locks belong to an open file; the client's belong to
 * a process, which may have the file open through several fids and must not be in its own way.
 * So the first fid through which a process locks a file lends its open file to the others. (That
 * merges two flock(2) locks of one process, too; the protocol cannot tell them apart, and a Linux
 * client has judged them already.)
 *
 * A client that would wait does: the reply comes when the lock is there. The wait ends early with
 * its fid, with the file that was lent for it (then it goes on in another), and when nobody wants
 * the lock any more. Clients that wait for each other do so until one of them gives up: the kernel
 * knows of no deadlock between open files.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "proto/change.h"
#include "proto/ops.h"

#define CANCELLED 0xff /* status of a wait that was ended; never sent */

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

/* Who asks: in Tlock, in Tgetlock. */
static struct fid_process locking_process(const struct req *req)
{
	return (struct fid_process){req->t.Tlock.proc_id, req->t.Tlock.client_id.text};
}

static struct fid_process asking_process(const struct req *req)
{
	return (struct fid_process){req->t.Tgetlock.proc_id, req->t.Tgetlock.client_id.text};
}

/* The fid through whose open file the request acts. */
static struct fid *lock_holder(const struct req *req)
{
	return req->dfid != NULL ? req->dfid : req->fid;
}

static void lend_file(struct req *req, struct fid *holder)
{
	req->dfid = fid_ref(holder);
	req->file = holder->saved.file;
}

/* Back to the file of its own. */
static void return_file(struct req *req)
{
	if (req->dfid != NULL)
		fid_unref(req->session->fids, req->dfid);
	req->dfid = NULL;
	req->file = req->fid->saved.file;
}

/* A Tlock that may still be waiting, of that process for that object, through a file of its own. */
static struct fid *waiting_fid(const struct req *req, struct fid_process process)
{
	const struct req *other;

	if (req->session->waits == 0)
		return NULL;
	TAILQ_FOREACH (other, &req->session->active, active) {
		if (other != req && other->state == REQ_ASKING && other->may_wait &&
		    !req_flushed(other) && other->dfid == NULL && other->fid->numbered &&
		    other->node->saved.qid.path == req->node->saved.qid.path &&
		    fid_process_is(locking_process(other), process))
			return other->fid;
	}
	return NULL;
}

/* Lets the request act on the open file that holds the process's locks, if the lock may be set
 * through it. The reference goes with the request. */
static void borrow_file(struct req *req, struct fid_process process)
{
	const struct session *session = req->session;
	uint32_t locker = locker_find(session->fids, req->node, process);
	struct fid *holder;

	holder = locker != 0 ? locker_fid(session->fids, locker) : waiting_fid(req, process);
	if (holder == NULL ||
	    (req->lock.type == FS_LOCK_WRITE && (holder->saved.file.flags & O_ACCMODE) == O_RDONLY))
		return;
	lend_file(req, holder);
}

/* ---- what a process may hold ---- */

static uint64_t range_end(const struct fs_lock *range)
{
	return range->length == 0 ? UINT64_MAX : range->start + range->length;
}

static const struct fid_locker *locker_at(const struct req *req, uint32_t entry)
{
	return &req->session->saved->locker[entry - 1];
}

static bool is_whole(const struct fid_locker *locker)
{
	return locker->start == 0 && locker->end == UINT64_MAX;
}

/* The entry of the request's process for the file it acts on; 0: none. Locks of a whole file may be
 * of flock(2), which any process that has the file by fork(2) may end; so with `any` one of these
 * is taken if there is none of its own. */
static uint32_t locker_on(const struct req *req, bool any)
{
	const struct fid_table *fids = req->session->fids;
	uint32_t index = fid_index(fids, lock_holder(req)), i = 0, whole = 0;

	while ((i = locker_next(fids, req->node, i)) != 0) {
		const struct fid_locker *locker = locker_at(req, i);

		if (locker->fid != index)
			continue;
		if (locker_is(locker, locking_process(req)))
			return i;
		if (any && is_whole(locker))
			whole = i;
	}
	return whole;
}

/* An unlock is for what the process may hold: the open file may hold others' locks, and Linux
 * unlocks all of a file when a process closes it that has it by fork(2). False: that is nothing. */
static bool clip_unlock(struct req *req)
{
	uint32_t entry = locker_on(req, true);
	const struct fid_locker *locker;
	uint64_t end = range_end(&req->lock);

	if (entry == 0)
		return !fid_has_lockers(req->session->fids, lock_holder(req));
	locker = locker_at(req, entry);
	if (end <= locker->start || req->lock.start >= locker->end)
		return false;
	if (req->lock.start < locker->start)
		req->lock.start = locker->start;
	if (end > locker->end)
		end = locker->end;
	req->lock.length = end == UINT64_MAX ? 0 : end - req->lock.start;
	return true;
}

static void note_unlocked(struct req *req)
{
	uint32_t entry = locker_on(req, true);
	const struct fid_locker *locker;

	if (entry == 0)
		return;
	locker = locker_at(req, entry);
	if (req->lock.start <= locker->start && range_end(&req->lock) >= locker->end)
		change_locker(req, entry, &(struct fid_locker){.fid = 0});
}

static void note_locked(struct req *req)
{
	const struct p9_Tlock *t = &req->t.Tlock;
	uint32_t entry = locker_on(req, false);
	struct fid_locker locker = {
		.fid = fid_index(req->session->fids, lock_holder(req)),
		.proc_id = t->proc_id,
		.start = req->lock.start,
		.end = range_end(&req->lock),
	};

	strncpy(locker.client_id, t->client_id.text, FID_CLIENT_ID_MAX);
	if (entry != 0) {
		const struct fid_locker *old = locker_at(req, entry);

		if (locker.start >= old->start && locker.end <= old->end)
			return;
		if (old->start < locker.start)
			locker.start = old->start;
		if (old->end > locker.end)
			locker.end = old->end;
	}
	change_locker(req, entry, &locker);
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

/* A lock of a process that is not remembered could not be told from others' any more. */
static bool can_be_noted(const struct req *req)
{
	return locker_on(req, false) != 0 || locker_reserve(req->session->fids) != 0;
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
	req->may_wait = (t->flags & P9_LOCK_BLOCK) != 0 && req->lock.type != FS_LOCK_NONE;
	req->patience = req->may_wait ? REQ_WOULD_WAIT : REQ_ASKS_ONCE;
	req->wait = (struct fs_wait){.cancelled = false};
	err = access_check(req);
	if (err < 0)
		return err;
	borrow_file(req, locking_process(req));
	if (req->lock.type == FS_LOCK_NONE && !clip_unlock(req))
		return OP_DONE;
	if (req->lock.type != FS_LOCK_NONE && !can_be_noted(req))
		return -ENOLCK;
	/* Before there can be any: whoever closes the file sees to them. */
	fid_note_locks(lock_holder(req));
	return 0;
}

int do_lock_ask(struct req *req)
{
	struct fs *fs = req->session->fs;
	int err = req->patience == REQ_WAITS ? fs_lock_wait(fs, req->file, &req->lock, &req->wait)
					     : fs_lock(fs, req->file, &req->lock);

	if (err == -EAGAIN && req->patience == REQ_WOULD_WAIT) {
		if (!fs_wait_cancelled(&req->wait))
			return err;
		err = -EINTR;
	}
	req->r.Rlock.status = err == -EAGAIN  ? P9_LOCK_BLOCKED
			      : err == -EINTR ? CANCELLED
					      : P9_LOCK_SUCCESS;
	return err == -EAGAIN || err == -EINTR ? 0 : err;
}

int do_lock_undo(struct req *req)
{
	struct fs_lock range = req->lock;

	range.type = FS_LOCK_NONE;
	if (req->lock.type != FS_LOCK_NONE && req->r.Rlock.status == P9_LOCK_SUCCESS)
		fs_lock(req->session->fs, req->file, &range);
	return 0;
}

/* The file through which it was asked is none of the process's any more: what it got goes with it,
 * and its own is as good. */
static int lock_again(struct req *req)
{
	int err;

	if (!req->fid->numbered)
		return -EBADF;
	return_file(req);
	err = do_lock(req);
	return err < 0 ? err : OP_AGAIN;
}

int do_lock_commit(struct req *req)
{
	uint8_t status = req->r.Rlock.status;

	if (status == CANCELLED && req->unwanted)
		return OP_DROPS;
	if (req->lock.type != FS_LOCK_NONE && !lock_holder(req)->numbered)
		return lock_again(req);
	if (status == CANCELLED)
		return req->session->paused ? OP_LEAVES : lock_again(req);
	if (req->lock.type == FS_LOCK_NONE)
		note_unlocked(req);
	else if (status == P9_LOCK_SUCCESS)
		note_locked(req);
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
	req->holder.type = FS_LOCK_NONE;
	req->locker = 0;
	borrow_file(req, asking_process(req));
	return 0;
}

int do_getlock_ask(struct req *req)
{
	return fs_getlock(req->session->fs, req->file, &req->lock);
}

/* Asks about the lock again, in the place of the next process of this session that has locked the
 * file: it does not see its own. False: there is none left. */
static bool ask_as_next_locker(struct req *req)
{
	const struct fid_table *fids = req->session->fids;
	uint32_t own = locker_find(fids, req->node, asking_process(req));

	do
		req->locker = locker_next(fids, req->node, req->locker);
	while (req->locker != 0 && req->locker == own);
	return_file(req);
	if (req->locker == 0)
		return false;
	lend_file(req, locker_fid(fids, req->locker));
	req->lock = req->holder;
	req->lock.type = FS_LOCK_WRITE;
	return true;
}

/* Who was asked for last has the lock that is in the way: without it nobody would be. (When others
 * read there, too, that cannot be told.) */
static const struct fid_locker *lock_owner(const struct req *req)
{
	const struct fid_locker *locker;

	if (req->locker == 0 || req->lock.type != FS_LOCK_NONE)
		return NULL;
	locker = locker_at(req, req->locker);
	return locker->fid == fid_index(req->session->fids, req->dfid) ? locker : NULL;
}

/* The host knows the holder of a lock by its process; of one through an open file, as ours are, it
 * knows nothing. */
int do_getlock_commit(struct req *req)
{
	static const uint8_t wire_type[] = {
		[FS_LOCK_READ] = P9_LOCK_RDLCK,
		[FS_LOCK_WRITE] = P9_LOCK_WRLCK,
		[FS_LOCK_NONE] = P9_LOCK_UNLCK,
	};
	const struct p9_Tgetlock *t = &req->t.Tgetlock;
	const struct fid_locker *owner = lock_owner(req);

	if (req->locker == 0)
		req->holder = req->lock;
	if (req->holder.type == FS_LOCK_NONE) {
		req->r.Rgetlock = (struct p9_Rgetlock){
			.type = P9_LOCK_UNLCK,
			.start = t->start,
			.length = t->length,
			.proc_id = t->proc_id,
			.client_id = t->client_id,
		};
		return 0;
	}
	if (owner == NULL && req->holder.pid == 0 && ask_as_next_locker(req))
		return OP_AGAIN;
	req->r.Rgetlock = (struct p9_Rgetlock){
		.type = wire_type[req->holder.type],
		.start = req->holder.start,
		.length = req->holder.length,
		.proc_id = owner != NULL ? owner->proc_id : req->holder.pid,
		.client_id = p9_str(owner != NULL ? owner->client_id : ""),
	};
	return 0;
}
