/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_locks.c - the kind "locks": processes of the guest lock ranges of one file, ask about
 * them, and wait for each other, each through a fid of its own. Some locks are held all the time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define OWNERS 3
#define CELLS 32 /* of a file: locks begin and end between two of them */
#define CELL 1000
#define KEPT (CELLS - 2) /* from here on, owner 0 has a lock that it never gives up */

enum cell { FREE, READ, WRITE };

struct locks {
	uint32_t fid[OWNERS];
	enum cell cell[OWNERS][CELLS];
};

struct range {
	unsigned first, end;
};

static struct range choose_range(struct torture_task *task, unsigned cells)
{
	unsigned first = torture_below(task, cells);

	return (struct range){first, first + 1 + torture_below(task, cells - first)};
}

/* May `owner` have such a lock? */
static bool is_possible(const struct locks *locks, unsigned owner, struct range range,
			enum cell wanted)
{
	for (unsigned other = 0; other < OWNERS; other++) {
		for (unsigned i = range.first; other != owner && i < range.end; i++) {
			enum cell held = locks->cell[other][i];

			if (held == WRITE || (held == READ && wanted == WRITE))
				return false;
		}
	}
	return true;
}

static void set(struct locks *locks, unsigned owner, struct range range, enum cell cell)
{
	for (unsigned i = range.first; i < range.end; i++)
		locks->cell[owner][i] = cell;
}

static uint8_t wire_type(enum cell cell)
{
	return cell == WRITE ? P9_LOCK_WRLCK : cell == READ ? P9_LOCK_RDLCK : P9_LOCK_UNLCK;
}

static const char *word_for(int status)
{
	return status == P9_LOCK_SUCCESS   ? "success"
	       : status == P9_LOCK_BLOCKED ? "blocked"
					   : "another status";
}

static struct p9_Tlock lock_request(unsigned owner, struct range range, enum cell wanted,
				    uint32_t flags)
{
	return (struct p9_Tlock){
		.type = wire_type(wanted),
		.flags = flags,
		.start = range.first * CELL,
		.length = (range.end - range.first) * CELL,
		.proc_id = 100 + owner,
		.client_id = p9_str("torture"),
	};
}

/* Locks or unlocks; the answer must be what the other owners' locks let it be. */
static int lock(struct torture_task *task, unsigned owner, struct range range, enum cell wanted)
{
	static const char *const what[] = {"unlock", "lock to read", "lock to write"};
	struct locks *locks = task->state;
	bool possible = wanted == FREE || is_possible(locks, owner, range, wanted);
	int expected = possible ? P9_LOCK_SUCCESS : P9_LOCK_BLOCKED;
	/* Who need not wait may be willing to. */
	struct p9_Tlock request = lock_request(
		owner, range, wanted, possible && torture_below(task, 2) ? P9_LOCK_BLOCK : 0);
	int result = client_lock(task->torture->client, locks->fid[owner], &request);

	if (result < 0)
		return torture_judge(task, result, 0, "owner %u: %s %u to %u", owner, what[wanted],
				     range.first, range.end);
	if (result != expected)
		return torture_wrong(task, "owner %u: %s %u to %u: expected %s, found %s", owner,
				     what[wanted], range.first, range.end, word_for(expected),
				     word_for(result));
	if (result == P9_LOCK_SUCCESS)
		set(locks, owner, range, wanted);
	return 0;
}

/* Who is in the way: one of those who are. */
static int ask(struct torture_task *task, unsigned owner, struct range range)
{
	const struct locks *locks = task->state;
	bool possible = is_possible(locks, owner, range, WRITE);
	uint64_t start = range.first * CELL, end = range.end * CELL;
	struct p9_Tgetlock request = {
		.type = P9_LOCK_WRLCK,
		.start = start,
		.length = end - start,
		.proc_id = 100 + owner,
		.client_id = p9_str("torture"),
	};
	struct p9_Rgetlock found;
	int result = client_getlock(task->torture->client, locks->fid[owner], &request, &found);

	result = torture_judge(task, result, 0, "owner %u: getlock %u to %u", owner, range.first,
			       range.end);
	if (result != 0)
		return result;
	if ((found.type == P9_LOCK_UNLCK) != possible)
		return torture_wrong(task, "owner %u: getlock %u to %u: expected %s, found %s",
				     owner, range.first, range.end, possible ? "nobody" : "a lock",
				     possible ? "a lock" : "nobody");
	if (!possible && (found.start >= end || found.start + found.length <= start))
		return torture_wrong(task, "owner %u: getlock %u to %u: the lock is elsewhere",
				     owner, range.first, range.end);
	return 0;
}

/* The range of everybody but `owner` is given back. */
static int make_room(struct torture_task *task, unsigned owner, struct range range)
{
	int result = 0;

	for (unsigned other = 0; result == 0 && other < OWNERS; other++) {
		if (other != owner)
			result = lock(task, other, range, FREE);
	}
	return result;
}

static int judge_wait(struct torture_task *task, const struct p9_msg *reply, int result,
		      unsigned owner, struct range range, enum cell wanted)
{
	if (result == 0 && reply->type == P9_Rlerror)
		result = -(int)reply->Rlerror.ecode;
	if (result < 0)
		return torture_judge(task, result, 0, "owner %u: wait for %u to %u", owner,
				     range.first, range.end);
	if (reply->Rlock.status != P9_LOCK_SUCCESS)
		return torture_wrong(task, "owner %u: wait for %u to %u: found %s", owner,
				     range.first, range.end, word_for(reply->Rlock.status));
	set(task->state, owner, range, wanted);
	return 0;
}

/* While others are in the way the lock is not granted: a flush finds no answer. Of one that is
 * flushed when they have just gone, either may be, and the answer tells. */
static int give_up(struct torture_task *task, uint16_t tag, bool room, unsigned owner,
		   struct range range, enum cell wanted)
{
	struct p9_msg reply;
	int result = turns_flush(task->torture->turns, tag, &reply);

	if (result == 0)
		return 0;
	if (result == 1 && !room)
		return torture_wrong(task, "owner %u: wait for %u to %u: answered before its time",
				     owner, range.first, range.end);
	return judge_wait(task, &reply, result < 0 ? result : 0, owner, range, wanted);
}

/* Waits for the others, some of whom have locks there. */
static int wait_for(struct torture_task *task, unsigned owner, struct range range, enum cell wanted)
{
	const struct locks *locks = task->state;
	struct client *client = task->torture->client;
	struct p9_msg reply, request = {
				     .type = P9_Tlock,
				     .Tlock = lock_request(owner, range, wanted, P9_LOCK_BLOCK),
			     };
	bool room = torture_below(task, 3) > 0 && range.end <= KEPT;
	int result;

	request.Tlock.fid = locks->fid[owner];
	result = client_send(client, &request);
	if (result < 0)
		return torture_judge(task, result, 0, "owner %u: send", owner);
	if (torture_below(task, 2))
		result = ask(task, (owner + 1) % OWNERS, choose_range(task, CELLS));
	if (result == 0 && room)
		result = make_room(task, owner, range);
	if (result != 0)
		return result;
	if (!room || torture_below(task, 4) == 0)
		return give_up(task, request.tag, room, owner, range, wanted);
	result = client_await(client, request.tag, &reply);
	return judge_wait(task, &reply, result, owner, range, wanted);
}

/* Only if it has to; else it is a lock like others. */
static int lock_patiently(struct torture_task *task, unsigned owner, struct range range)
{
	enum cell wanted = torture_below(task, 2) ? READ : WRITE;

	if (is_possible(task->state, owner, range, wanted))
		return lock(task, owner, range, wanted);
	return wait_for(task, owner, range, wanted);
}

static int open_file(struct torture_task *task, unsigned owner)
{
	struct locks *locks = task->state;
	int result = torture_open(task, task->dir, "locked", O_RDWR, &locks->fid[owner]);

	return torture_judge(task, result, 0, "owner %u: open", owner);
}

/* With the file all its locks go. */
static int close_file(struct torture_task *task, unsigned owner)
{
	struct locks *locks = task->state;
	int result = client_clunk(task->torture->client, locks->fid[owner]);

	set(locks, owner, (struct range){0, CELLS}, FREE);
	return torture_judge(task, result, 0, "owner %u: clunk", owner);
}

/* Through another fid a process is not in its own way. */
static int lock_beside(struct torture_task *task, unsigned owner)
{
	struct locks *locks = task->state;
	uint32_t fid = locks->fid[owner];
	int result = open_file(task, owner);

	if (result == 0)
		result = lock_patiently(task, owner, choose_range(task, KEPT));
	if (result == 0)
		result = lock(task, owner, (struct range){0, KEPT}, FREE);
	if (result == 0)
		result = torture_judge(task, client_clunk(task->torture->client, locks->fid[owner]),
				       0, "clunk");
	locks->fid[owner] = fid;
	return result;
}

static int start_locks(struct torture_task *task)
{
	struct locks *locks = calloc(1, sizeof(*locks));
	uint32_t fid;
	int result = locks != NULL ? 0 : -ENOMEM;

	task->state = locks;
	if (result == 0)
		result = torture_create(task, task->dir, "locked", O_RDWR | P9_O_EXCL, 0644, &fid);
	if (result == 0)
		result = client_clunk(task->torture->client, fid);
	result = torture_judge(task, result, 0, "create the file");
	for (unsigned i = 0; result == 0 && i < OWNERS; i++)
		result = open_file(task, i);
	return result != 0 ? result : lock(task, 0, (struct range){KEPT, CELLS}, WRITE);
}

static int round_locks(struct torture_task *task)
{
	unsigned owner = torture_below(task, OWNERS);
	uint32_t dice = torture_below(task, 100);

	if (dice < 15)
		return lock(task, owner, choose_range(task, KEPT), WRITE);
	if (dice < 30)
		return lock_patiently(task, owner, choose_range(task, owner == 0 ? KEPT : CELLS));
	if (dice < 40)
		return lock(task, owner, choose_range(task, KEPT), READ);
	if (dice < 65)
		return lock(task, owner, choose_range(task, KEPT), FREE);
	if (dice < 80)
		return ask(task, owner, choose_range(task, CELLS));
	if (dice < 90)
		return lock(task, 1, (struct range){KEPT, CELLS},
			    torture_below(task, 2) ? READ : WRITE);
	if (dice < 95)
		return lock_beside(task, 0);
	if (close_file(task, 2) != 0)
		return TORTURE_WRONG;
	return open_file(task, 2);
}

static int end_locks(struct torture_task *task)
{
	int result = lock(task, 0, (struct range){0, CELLS}, FREE);

	for (unsigned i = 0; result == 0 && i < OWNERS; i++)
		result = lock(task, i, (struct range){KEPT, CELLS}, READ);
	for (unsigned i = 0; result == 0 && i < OWNERS; i++)
		result = close_file(task, i);
	return result;
}

static void free_locks(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_locks = {
	.name = "locks",
	.start = start_locks,
	.round = round_locks,
	.end = end_locks,
	.free = free_locks,
};
