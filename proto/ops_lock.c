/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ops_lock.c - Tlock and Tgetlock. The host's locks belong to an open file; the client's belong to
 * a process, which may have the file open through several fids and must not be in its own way.
 * So the first fid through which a process locks a file lends its open file to the others. (That
 * merges two flock(2) locks of one process, too; the protocol cannot tell them apart, and a Linux
 * client has judged them already.)
 *
 * What such an open file has locked is the sum of what its processes have: those that have it by
 * fork(2) use one fid. So it is written down who holds what, and an unlock leaves to the others
 * what is theirs. That takes one after the other: an unlock and whatever else is about the same
 * bytes of the same open file.
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

static const struct fid_locker *locker_at(const struct req *req, uint32_t entry)
{
	return &req->session->saved->locker[entry - 1];
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

static bool is_unlock(const struct req *req)
{
	return req->t.Tlock.type == P9_LOCK_UNLCK;
}

/* May a lock of that type be set through that open file? (fcntl(2): EBADF) */
static int access_check(enum fs_lock_type type, struct fs_file file)
{
	uint32_t access = file.flags & O_ACCMODE;

	if ((type == FS_LOCK_READ && access == O_WRONLY) ||
	    (type == FS_LOCK_WRITE && access == O_RDONLY))
		return -EBADF;
	return 0;
}

/* Of a Tlock that is under way, of that process for that object, through a file of its own that is
 * fit for the request's. */
static struct fid *setting_fid(const struct req *req, struct fid_process process)
{
	const struct req *other;

	TAILQ_FOREACH (other, &req->session->active, active) {
		if (other != req && other->state == REQ_ASKING && other->t.type == P9_Tlock &&
		    !is_unlock(other) && access_check(req->lock.type, other->file) == 0 &&
		    !req_flushed(other) && other->dfid == NULL && other->fid->numbered &&
		    other->node->saved.qid.path == req->node->saved.qid.path &&
		    fid_process_is(locking_process(other), process))
			return other->fid;
	}
	return NULL;
}

/* The next entry of that process for the request's object. */
static uint32_t next_of_process(const struct req *req, struct fid_process process, uint32_t entry)
{
	do
		entry = locker_next(req->session->fids, req->node, entry);
	while (entry != 0 && !locker_is(locker_at(req, entry), process));
	return entry;
}

/* Lets the request act on an open file that holds the process's locks, if there is one through
 * which the lock may be set: so it never has more than two. The reference goes with the request. */
static void borrow_file(struct req *req, struct fid_process process)
{
	const struct fid_table *fids = req->session->fids;
	uint32_t entry = next_of_process(req, process, 0);
	struct fid *holder;

	while (entry != 0 && access_check(req->lock.type, locker_fid(fids, entry)->saved.file) < 0)
		entry = next_of_process(req, process, entry);
	holder = entry != 0 ? locker_fid(fids, entry) : setting_fid(req, process);
	if (holder != NULL)
		lend_file(req, holder);
}

/* ---- what a process holds ---- */

static struct range range_of(const struct fs_lock *lock)
{
	return (struct range){
		lock->start,
		lock->length == 0 ? UINT64_MAX : lock->start + lock->length,
	};
}

static void set_range(struct fs_lock *lock, struct range range)
{
	lock->start = range.start;
	lock->length = range.end == UINT64_MAX ? 0 : range.end - range.start;
}

/* All that a Tlock is about. */
static struct range wanted(const struct req *req)
{
	const struct fs_lock lock = {.start = req->t.Tlock.start, .length = req->t.Tlock.length};

	return range_of(&lock);
}

/* The entry of a process for that fid. */
static uint32_t entry_on(const struct req *req, const struct fid *fid, struct fid_process process)
{
	uint32_t index = fid_index(req->session->fids, fid), entry = 0;

	do
		entry = next_of_process(req, process, entry);
	while (entry != 0 && locker_at(req, entry)->fid != index);
	return entry;
}

/* Locks of a whole file may be of flock(2): any process that has the file by fork(2) ends them, all
 * of them, unless it holds others itself. */
static bool ends_whole(const struct req *req)
{
	uint32_t own = next_of_process(req, locking_process(req), 0);

	return range_is_whole(wanted(req)) &&
	       (own == 0 || (ranges_are_whole(&locker_at(req, own)->held) &&
			     next_of_process(req, locking_process(req), own) == 0));
}

/* Does another process hold any of these bytes of the open file, beyond what is ended with them? */
static const struct range *held_by_others(const struct req *req, struct range range)
{
	const struct fid_table *fids = req->session->fids;
	uint32_t index = fid_index(fids, lock_holder(req)), i = 0;
	const struct range *first = NULL, *held;
	bool ends = ends_whole(req);

	while ((i = locker_next(fids, req->node, i)) != 0) {
		const struct fid_locker *locker = locker_at(req, i);

		if (locker->fid != index || locker_is(locker, locking_process(req)) ||
		    (ends && ranges_are_whole(&locker->held)))
			continue;
		held = ranges_first(&locker->held, range);
		if (held != NULL && (first == NULL || held->start < first->start))
			first = held;
	}
	return first;
}

/* The next bytes that are to be unlocked: of the open file that the request acts on, then of the
 * next one that holds locks of the process. False: there are none. */
static bool next_part(struct req *req)
{
	struct range part = {.start = req->unlock_from, .end = wanted(req).end};
	const struct range *held;

	while (part.start < part.end && (held = held_by_others(req, part)) != NULL) {
		if (held->start > part.start)
			part.end = held->start;
		else
			part.start = held->end;
	}
	if (part.start < part.end) {
		set_range(&req->lock, part);
		req->unlock_from = part.end;
		return true;
	}
	if (req->locker != 0)
		req->locker = next_of_process(req, locking_process(req), req->locker);
	if (req->locker == 0)
		return false;
	return_file(req);
	lend_file(req, locker_fid(req->session->fids, req->locker));
	req->unlock_from = wanted(req).start;
	return next_part(req);
}

/* Linux unlocks all of a file when a process closes it that has it by fork(2). False: there is
 * nothing that the request may unlock. */
static bool begin_unlock(struct req *req)
{
	const struct fid_table *fids = req->session->fids;
	uint32_t entry = 0;

	req->unlock_from = wanted(req).start;
	req->locker = next_of_process(req, locking_process(req), 0);
	if (req->locker != 0) {
		lend_file(req, locker_fid(fids, req->locker));
		return true;
	}
	while (range_is_whole(wanted(req)) && (entry = locker_next(fids, req->node, entry)) != 0) {
		if (locker_fid(fids, entry) == req->fid &&
		    ranges_are_whole(&locker_at(req, entry)->held))
			return true;
	}
	return false;
}

static void note_unlocked(struct req *req)
{
	uint32_t entry = 0;

	while ((entry = next_of_process(req, locking_process(req), entry)) != 0) {
		struct fid_locker locker = *locker_at(req, entry);

		ranges_remove(&locker.held, wanted(req));
		if (locker.held.count == 0)
			locker.fid = 0;
		change_locker(req, entry, &locker);
	}
}

static int note_locked(struct req *req)
{
	const struct p9_Tlock *t = &req->t.Tlock;
	uint32_t entry = entry_on(req, lock_holder(req), locking_process(req));
	struct fid_locker locker = {
		.fid = fid_index(req->session->fids, lock_holder(req)),
		.proc_id = t->proc_id,
	};

	if (entry != 0)
		locker = *locker_at(req, entry);
	else
		strncpy(locker.client_id, t->client_id.text, FID_CLIENT_ID_MAX);
	ranges_add(&locker.held, wanted(req));
	return change_locker(req, entry, &locker);
}

/* ---- one after the other ---- */

/* Does the Tlock act on that open file, now or in the end? */
static bool acts_on(const struct req *req, const struct fid *fid)
{
	return lock_holder(req) == fid || entry_on(req, fid, locking_process(req)) != 0;
}

static bool act_on_the_same(const struct req *a, const struct req *b)
{
	uint32_t entry = 0;

	if (acts_on(b, lock_holder(a)))
		return true;
	while ((entry = next_of_process(a, locking_process(a), entry)) != 0) {
		if (acts_on(b, locker_fid(a->session->fids, entry)))
			return true;
	}
	return false;
}

/* Must `req` come after `other`, both Tlock? Not if only locks are set: they may wait for ever, and
 * do not take each other away. */
static bool comes_after(const struct req *req, const struct req *other)
{
	struct range range = wanted(req), others = wanted(other);

	if (range.start >= others.end || others.start >= range.end)
		return false;
	if (is_unlock(other) && other->in_turn)
		return (!is_unlock(req) || other->slot->order < req->slot->order) &&
		       act_on_the_same(req, other);
	if (other->state != REQ_ASKING || other->given_up || other->regains)
		return false;
	return (is_unlock(req) || is_unlock(other)) && act_on_the_same(req, other);
}

/* Whose end the request has to wait for; NULL: it is its turn. */
static struct req *before(const struct req *req)
{
	struct req *other;

	TAILQ_FOREACH (other, &req->session->active, active) {
		if (other != req && other->t.type == P9_Tlock && other->fid != NULL &&
		    !(other->in_turn && req_flushed(other)) && comes_after(req, other))
			return other;
	}
	return NULL;
}

static int range_check(uint64_t start, uint64_t length)
{
	return start > INT64_MAX || length > INT64_MAX - start ? -EINVAL : 0;
}

/* A lock of a process that is not remembered could not be told from others' any more. Those that
 * are being set may need an entry, too. */
static bool can_be_noted(const struct req *req)
{
	uint32_t room = locker_room(req->session->fids), taken = 0;
	const struct req *other;

	if (entry_on(req, lock_holder(req), locking_process(req)) != 0)
		return true;
	TAILQ_FOREACH (other, &req->session->active, active)
		taken += other != req && other->t.type == P9_Tlock && other->state == REQ_ASKING &&
			 !is_unlock(other);
	return taken < room;
}

/* Half of the requests are left to those that end waits: an unlock, a Tflush. */
static bool may_wait(const struct req *req)
{
	const struct session *session = req->session;

	return (req->t.Tlock.flags & P9_LOCK_BLOCK) != 0 && req->lock.type != FS_LOCK_NONE &&
	       session->waits < session->config.reqs_max / 2;
}

int do_lock(struct req *req)
{
	const struct p9_Tlock *t = &req->t.Tlock;
	int err = lock_type(t->type, &req->lock.type);
	struct req *other;

	if (err < 0 || (t->flags & ~(P9_LOCK_BLOCK | P9_LOCK_RECLAIM)) != 0 ||
	    t->client_id.len > FID_CLIENT_ID_MAX || range_check(t->start, t->length) < 0)
		return -EINVAL;
	req->lock.start = t->start;
	req->lock.length = t->length;
	req->may_wait = may_wait(req);
	req->patience = req->may_wait ? REQ_WOULD_WAIT : REQ_ASKS_ONCE;
	req->wait = (struct fs_wait){.cancelled = false};
	req->in_turn = false;
	return_file(req);
	if (!req->fid->numbered)
		return -EBADF;
	err = access_check(req->lock.type, req->file);
	if (err < 0)
		return err;
	if (is_unlock(req) && !begin_unlock(req))
		return OP_DONE;
	if (!is_unlock(req))
		borrow_file(req, locking_process(req));
	other = before(req);
	if (other != NULL) {
		req->in_turn = true;
		session_comes_after(req, other);
		return OP_WAITS;
	}
	if (is_unlock(req) && !next_part(req))
		return OP_DONE;
	if (!is_unlock(req) && !can_be_noted(req))
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

/* Nothing was locked; or the file through which it was is none of the process's any more: what it
 * got goes with it, and its own is as good. */
static int lock_again(const struct req *req)
{
	return req->fid->numbered ? OP_CHECKS : -EBADF;
}

static int unlock_commit(struct req *req)
{
	if (req->state == REQ_ASKING && next_part(req))
		return OP_AGAIN;
	if (ends_whole(req))
		change_whole(req, lock_holder(req));
	else
		note_unlocked(req);
	return 0;
}

int do_lock_commit(struct req *req)
{
	uint8_t status = req->r.Rlock.status;

	if (is_unlock(req))
		return unlock_commit(req);
	if (status == CANCELLED && req->unwanted)
		return OP_DROPS;
	if (status == CANCELLED)
		return req->session->paused ? OP_LEAVES : lock_again(req);
	if (!lock_holder(req)->numbered)
		return lock_again(req);
	return status == P9_LOCK_SUCCESS ? note_locked(req) : 0;
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

/* What of the lock in the way another process has locked: of what was asked for. NULL: nothing. */
static const struct range *owned_by(const struct req *req, const struct fid_locker *locker)
{
	const struct fs_lock asked = {.start = req->t.Tgetlock.start,
				      .length = req->t.Tgetlock.length};
	struct range range = range_of(&req->holder), want = range_of(&asked);

	if (locker_is(locker, asking_process(req)))
		return NULL;
	if (range.start < want.start)
		range.start = want.start;
	if (range.end > want.end)
		range.end = want.end;
	return ranges_first(&locker->held, range);
}

/* Asks about the lock again, in the place of the next process of this session that has locked the
 * file: it does not see its own. False: there is none left. */
static bool ask_as_next_locker(struct req *req)
{
	const struct fid_table *fids = req->session->fids;

	do
		req->locker = locker_next(fids, req->node, req->locker);
	while (req->locker != 0 && owned_by(req, locker_at(req, req->locker)) == NULL);
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
	if (locker->fid != fid_index(req->session->fids, req->dfid))
		return NULL;
	return owned_by(req, locker) != NULL ? locker : NULL; /* meanwhile it may be another's */
}

/* Of a lock through an open file, as ours are, the host knows no holder; its processes, which hold
 * others, are none of a guest's business. */
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
	if (owner == NULL && ask_as_next_locker(req))
		return OP_AGAIN;
	if (owner != NULL)
		set_range(&req->holder, *owned_by(req, owner));
	req->r.Rgetlock = (struct p9_Rgetlock){
		.type = wire_type[req->holder.type],
		.start = req->holder.start,
		.length = req->holder.length,
		.proc_id = owner != NULL ? owner->proc_id : 0,
		.client_id = p9_str(owner != NULL ? owner->client_id : ""),
	};
	return 0;
}
