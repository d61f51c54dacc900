/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_contend.c - the kind "contend": tasks of several guests fight for one name, as
 * programs do that lock by link(2). Whoever has linked its own file to the name has the lock, and
 * the links of its file say so; what only the holder may write tells when two had it. And they wait
 * for the lock of a file, each as a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define LOCK "lock"
#define COUNTER "counter"
#define TURNS "turns"

/* In the counter file. */
struct record {
	uint64_t count;
	char holder[56];
};

struct contend {
	uint32_t common; /* fids: the directory of all; */
	uint32_t mine;	 /* the task's own file in it */
	char name[56];	 /* of that file */
	uint32_t turns;	 /* fid of a file, open, whose lock is waited for */
	uint64_t turn;	 /* the last one of this task */
	uint64_t held;	 /* times */
	uint64_t last;	 /* what the counter was then */
};

/* ---- the lock ---- */

static int check_links(struct torture_task *task, uint64_t expected, const char *when)
{
	const struct contend *contend = task->state;
	struct p9_Rgetattr attr;
	int result = client_getattr(task->torture->client, contend->mine, P9_GETATTR_BASIC, &attr);

	result = torture_judge(task, result, 0, "getattr of %s", contend->name);
	if (result == 0 && attr.nlink != expected)
		result = torture_wrong(task, "%s: links %s: expected %llu, found %llu",
				       contend->name, when, (unsigned long long)expected,
				       (unsigned long long)attr.nlink);
	return result;
}

/* 1: it is ours; 0: somebody else has it. */
static int try_lock(struct torture_task *task)
{
	const struct contend *contend = task->state;
	int result = client_link(task->torture->client, contend->common, LOCK, contend->mine);

	if (result == -EEXIST)
		return check_links(task, 1, "without the lock");
	if (torture_judge(task, result, 0, "link %s as the lock", contend->name) != 0 ||
	    check_links(task, 2, "with the lock") != 0)
		return TORTURE_WRONG;
	return 1;
}

static int unlock(struct torture_task *task)
{
	const struct contend *contend = task->state;
	int result = client_unlinkat(task->torture->client, contend->common, LOCK, 0);

	result = torture_judge(task, result, 0, "unlink the lock");
	return result != 0 ? result : check_links(task, 1, "after the lock");
}

/* ---- what it protects ---- */

static int read_record(struct torture_task *task, uint32_t fid, struct record *record)
{
	ssize_t size = client_read_all(task->torture->client, fid, 0, record, sizeof(*record));

	if (torture_judge(task, size < 0 ? (int)size : 0, 0, "read the counter") != 0)
		return TORTURE_WRONG;
	if (size != 0 && size != sizeof(*record))
		return torture_wrong(task, "the counter has %zd bytes", size);
	if (size == 0)
		memset(record, 0, sizeof(*record));
	record->holder[sizeof(record->holder) - 1] = '\0';
	return 0;
}

static int count_one(struct torture_task *task, uint32_t fid)
{
	struct contend *contend = task->state;
	struct record record;
	int result = read_record(task, fid, &record);

	if (result != 0)
		return result;
	if (record.count < contend->last)
		return torture_wrong(task, "the counter is %llu, after it was %llu",
				     (unsigned long long)record.count,
				     (unsigned long long)contend->last);
	contend->last = ++record.count;
	contend->held++;
	memset(record.holder, 0, sizeof(record.holder));
	memcpy(record.holder, contend->name, sizeof(contend->name));
	result = client_write_all(task->torture->client, fid, 0, &record, sizeof(record));
	return torture_judge(task, result, 0, "write the counter");
}

/* Nobody else writes while we have the lock. */
static int check_one(struct torture_task *task, uint32_t fid)
{
	const struct contend *contend = task->state;
	struct record record;
	int result = read_record(task, fid, &record);

	if (result != 0)
		return result;
	if (record.count != contend->last || strcmp(record.holder, contend->name) != 0)
		return torture_wrong(task, "%s holds the lock, and %s wrote %llu over its %llu",
				     contend->name, record.holder, (unsigned long long)record.count,
				     (unsigned long long)contend->last);
	return check_links(task, 2, "with the lock");
}

static int use_lock(struct torture_task *task)
{
	const struct contend *contend = task->state;
	uint32_t fid;
	int result = torture_open(task, contend->common, COUNTER, O_RDWR, &fid);

	if (torture_judge(task, result, 0, "open the counter") != 0 || count_one(task, fid) != 0)
		return TORTURE_WRONG;
	for (unsigned i = torture_below(task, 4); result == 0 && i > 0; i--)
		result = check_one(task, fid);
	if (result != 0)
		return result;
	return torture_judge(task, client_clunk(task->torture->client, fid), 0, "clunk");
}

/* ---- a lock that is waited for ---- */

static int lock_turns(struct torture_task *task, uint8_t type)
{
	const struct contend *contend = task->state;
	struct p9_Tlock lock = {
		.type = type,
		.flags = type == P9_LOCK_UNLCK ? 0 : P9_LOCK_BLOCK,
		.length = sizeof(struct record),
		.proc_id = task->worker,
		.client_id = p9_str(contend->name),
	};
	int status = client_lock(task->torture->client, contend->turns, &lock);

	if (status > 0)
		return torture_wrong(task, "%s: status %d of a lock that waits", contend->name,
				     status);
	return torture_judge(task, status, 0, "%s: lock of type %u", contend->name, type);
}

/* Each writes its name where nobody else does while it has the lock. */
static int take_turn(struct torture_task *task)
{
	struct contend *contend = task->state;
	struct record mine = {.count = 0}, found;
	int result = lock_turns(task, P9_LOCK_WRLCK);

	if (result == 0)
		result = read_record(task, contend->turns, &found);
	if (result == 0 && found.count < contend->turn)
		result = torture_wrong(task, "%s: turn %llu comes after turn %llu", contend->name,
				       (unsigned long long)found.count,
				       (unsigned long long)contend->turn);
	if (result != 0)
		return result;
	mine.count = contend->turn = found.count + 1;
	memcpy(mine.holder, contend->name, sizeof(contend->name));
	result = client_write_all(task->torture->client, contend->turns, 0, &mine, sizeof(mine));
	result = torture_judge(task, result, 0, "write the turn");
	if (result == 0)
		result = read_record(task, contend->turns, &found);
	if (result == 0 && (found.count != mine.count || strcmp(found.holder, mine.holder) != 0))
		result = torture_wrong(task, "%s: it is the turn of %s", contend->name,
				       found.holder);
	return result != 0 ? result : lock_turns(task, P9_LOCK_UNLCK);
}

/* ---- the kind ---- */

static int start_contend(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct contend *contend = calloc(1, sizeof(*contend));
	uint32_t fid;
	int result;

	task->state = contend;
	if (contend == NULL)
		return torture_judge(task, -ENOMEM, 0, "memory");
	snprintf(contend->name, sizeof(contend->name), "guest-%u.%u-%u",
		 task->torture->call->options->device.domid,
		 task->torture->call->options->device.devid, task->worker);
	/* Whoever comes first makes what all share; leftovers of an earlier run are the
	 * caller's business. */
	result =
		sim_guest_walk(task->torture->call->guest, task->torture->common, &contend->common);
	if (result == 0)
		result = torture_create(task, contend->common, COUNTER, O_RDWR, 0644, &fid);
	if (result == 0)
		result = client_clunk(client, fid);
	if (result == 0)
		result = torture_create(task, contend->common, contend->name, O_RDWR | P9_O_EXCL,
					0644, &contend->mine);
	if (result == 0)
		result =
			torture_create(task, contend->common, TURNS, O_RDWR, 0644, &contend->turns);
	return torture_judge(task, result, 0, "making %s", contend->name);
}

static int round_contend(struct torture_task *task)
{
	int result;

	/* Where all processes of a share may die at once, its locks do not survive either. */
	if (task->torture->locks && torture_below(task, 2))
		return take_turn(task);
	result = try_lock(task);
	if (result <= 0)
		return result;
	result = use_lock(task);
	return result != 0 ? result : unlock(task);
}

static int end_contend(struct torture_task *task)
{
	struct client *client = task->torture->client;
	const struct contend *contend = task->state;
	int result = check_links(task, 1, "at the end");

	if (result == 0)
		result = client_unlinkat(client, contend->common, contend->name, 0);
	if (result == 0)
		result = client_clunk(client, contend->mine);
	if (result == 0)
		result = client_clunk(client, contend->turns);
	if (result == 0)
		result = client_clunk(client, contend->common);
	task->torture->held += contend->held;
	return torture_judge(task, result, 0, "removing %s", contend->name);
}

static void free_contend(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_contend = {
	.name = "contend",
	.start = start_contend,
	.round = round_contend,
	.end = end_contend,
	.free = free_contend,
};
