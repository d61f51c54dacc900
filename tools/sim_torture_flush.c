/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_flush.c - the kind "flush": requests that are given up while they are under way.
 * Such a request does all of its work or nothing. One that runs already goes on when Rflush has
 * come (docs/9p.md, "Flush"): the model looks and learns. Nothing tells when what has not been seen
 * yet cannot come any more: such a place is not used again. That no reply comes then is the
 * client's check.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define BURST 6
#define PLACES 40 /* of each kind */
#define CELL 4096
#define BOTH S_IFMT /* no type of an object */
#define LOOKS 100

/* A directory with one object, or none, which has one of two names. */
struct place {
	uint32_t type; /* S_IFMT; 0: there is nothing */
	unsigned name;
};

static const char *const names[] = {"x", "y"};

struct slot {
	uint32_t dir; /* fids: of the directory; */
	uint32_t fid; /* the request's own, or P9_NOFID */
	bool unsure;  /* `after` may still come */
	struct place place;
	struct place after; /* when the request under way has worked */
	uint16_t tag;
};

struct cell {
	bool unsure;
	uint8_t bytes[CELL], after[CELL];
	uint16_t tag;
};

struct flush {
	unsigned directories; /* ever made */
	struct slot slot[PLACES];
	unsigned files;
	uint32_t fid; /* of the file with the cells, open */
	struct cell cell[PLACES];
};

/* What is done to the places of a kind, one by its index, or all. */
struct places {
	bool (*is_unsure)(const struct torture_task *task, unsigned index);
	int (*settle)(struct torture_task *task, unsigned index);
	int (*send)(struct torture_task *task, unsigned index);	  /* a request to be flushed */
	int (*finish)(struct torture_task *task, unsigned index); /* it */
	int (*make)(struct torture_task *task);			  /* new ones */
	int (*clunk)(struct torture_task *task);		  /* the old ones' fids */
};

static int error_of(const struct p9_msg *reply)
{
	return reply->type == P9_Rlerror ? -(int)reply->Rlerror.ecode : 0;
}

/* ---- names ---- */

/* What is there? Exactly one of the names, or none; BOTH is wrong. */
static int find(struct torture_task *task, const struct slot *slot, struct place *found)
{
	found->type = 0;
	found->name = 0;
	for (unsigned i = 0; i < countof(names); i++) {
		struct p9_Rgetattr attr;
		int result = torture_getattr(task, slot->dir, names[i], &attr);

		if (result == -ENOENT)
			continue;
		if (torture_judge(task, result, 0, "getattr of %s", names[i]) != 0)
			return TORTURE_WRONG;
		found->type = found->type != 0 ? BOTH : attr.mode & S_IFMT;
		found->name = i;
	}
	return 0;
}

static bool is_same(struct place a, struct place b)
{
	return a.type == b.type && (a.type == 0 || a.name == b.name);
}

static bool is_expected(const struct slot *slot, struct place found)
{
	return is_same(found, slot->place) || (slot->unsure && is_same(found, slot->after));
}

/* The object is what it was, or what an unsure one may have become; then that is sure. A request
 * that was given up may still be running: a rename between the looks at both names is seen as both
 * or none, once. */
static int settle_slot(struct torture_task *task, unsigned index)
{
	struct flush *flush = task->state;
	struct slot *slot = &flush->slot[index];
	struct place found;

	if (find(task, slot, &found) != 0)
		return TORTURE_WRONG;
	if (slot->unsure && !is_expected(slot, found) && find(task, slot, &found) != 0)
		return TORTURE_WRONG;
	if (slot->unsure && is_same(found, slot->after)) {
		slot->place = slot->after;
		slot->unsure = false;
	}
	if (!is_expected(slot, found))
		return torture_wrong(
			task, "expected type %o under the name %s, found type %o under %s",
			slot->place.type, names[slot->place.name], found.type, names[found.name]);
	return 0;
}

/* Something new under the first free name. */
static int ask_to_make(struct torture_task *task, struct slot *slot, struct p9_msg *msg)
{
	const char *name = names[torture_below(task, countof(names))];

	slot->after.name = strcmp(name, names[1]) == 0;
	switch (torture_below(task, 3)) {
	case 0:
		slot->after.type = S_IFDIR;
		msg->type = P9_Tmkdir;
		msg->Tmkdir = (struct p9_Tmkdir){slot->dir, p9_str(name), 0755, 0};
		return 0;
	case 1:
		slot->after.type = S_IFLNK;
		msg->type = P9_Tsymlink;
		msg->Tsymlink = (struct p9_Tsymlink){slot->dir, p9_str(name), p9_str("away"), 0};
		return 0;
	default:
		slot->after.type = S_IFREG;
		msg->type = P9_Tlcreate;
		msg->Tlcreate = (struct p9_Tlcreate){0, p9_str(name), P9_O_EXCL, 0644, 0};
		return client_walk(task->torture->client, slot->dir, "", &msg->Tlcreate.fid);
	}
}

/* What is there goes, or gets the other name. */
static void ask_to_change(struct torture_task *task, struct slot *slot, struct p9_msg *msg)
{
	struct p9_str name = p9_str(names[slot->place.name]);
	uint32_t flags = slot->place.type == S_IFDIR ? P9_AT_REMOVEDIR : 0;

	if (torture_below(task, 2) == 0) {
		slot->after.type = 0;
		msg->type = P9_Tunlinkat;
		msg->Tunlinkat = (struct p9_Tunlinkat){slot->dir, name, flags};
	} else {
		slot->after.name = !slot->place.name;
		msg->type = P9_Trenameat;
		msg->Trenameat = (struct p9_Trenameat){slot->dir, name, slot->dir,
						       p9_str(names[slot->after.name])};
	}
}

static int send_name(struct torture_task *task, unsigned index)
{
	struct flush *flush = task->state;
	struct slot *slot = &flush->slot[index];
	struct p9_msg msg = {.type = 0};
	int result = 0;

	slot->fid = P9_NOFID;
	slot->after = slot->place;
	if (slot->place.type == 0)
		result = ask_to_make(task, slot, &msg);
	else
		ask_to_change(task, slot, &msg);
	if (result == 0) {
		if (msg.type == P9_Tlcreate)
			slot->fid = msg.Tlcreate.fid;
		result = client_send(task->torture->client, &msg);
	}
	slot->tag = msg.tag;
	return torture_judge(task, result, 0, "sending");
}

/* Flushes the request, or takes its reply. 0: only Rflush came, 1: it is answered. */
static int flush_or_await(struct torture_task *task, uint16_t tag, struct p9_msg *reply)
{
	int result;

	if (torture_below(task, 4) > 0) {
		result = turns_flush(task->torture->turns, tag, reply);
	} else {
		result = client_await(task->torture->client, tag, reply);
		result = result != 0 ? result : 1;
	}
	if (result < 0)
		return torture_judge(task, result, 0, "flush");
	if (result == 1 && torture_judge(task, error_of(reply), 0, "a request to be flushed"))
		return TORTURE_WRONG;
	return result;
}

static int finish_name(struct torture_task *task, unsigned index)
{
	struct flush *flush = task->state;
	struct slot *slot = &flush->slot[index];
	struct p9_msg reply;
	int result = flush_or_await(task, slot->tag, &reply);

	if (result < 0)
		return result;
	if (result == 1)
		slot->place = slot->after;
	slot->unsure = result == 0;
	/* The fid exists, opened or not. */
	if (slot->fid != P9_NOFID &&
	    torture_judge(task, client_clunk(task->torture->client, slot->fid), 0, "clunk") != 0)
		return TORTURE_WRONG;
	return settle_slot(task, index);
}

static bool slot_is_unsure(const struct torture_task *task, unsigned index)
{
	const struct flush *flush = task->state;

	return flush->slot[index].unsure;
}

static int make_slots(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct flush *flush = task->state;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < PLACES; i++) {
		char name[24];

		flush->slot[i] = (struct slot){.dir = P9_NOFID};
		snprintf(name, sizeof(name), "slot-%u", flush->directories++);
		result = client_mkdir(client, task->dir, name, 0755, 0);
		if (result == 0)
			result = client_walk(client, task->dir, name, &flush->slot[i].dir);
	}
	return torture_judge(task, result, 0, "making the directories");
}

static int clunk_slots(struct torture_task *task)
{
	struct flush *flush = task->state;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < PLACES; i++)
		result = client_clunk(task->torture->client, flush->slot[i].dir);
	return torture_judge(task, result, 0, "clunk");
}

static const struct places slots = {
	.is_unsure = slot_is_unsure,
	.settle = settle_slot,
	.send = send_name,
	.finish = finish_name,
	.make = make_slots,
	.clunk = clunk_slots,
};

/* ---- data ---- */

static int send_cell(struct torture_task *task, unsigned index)
{
	struct flush *flush = task->state;
	struct cell *cell = &flush->cell[index];
	struct p9_msg msg = {.type = P9_Twrite};
	int result;

	torture_pattern(task, cell->after, CELL);
	msg.Twrite = (struct p9_Twrite){flush->fid, index * CELL, {cell->after, CELL}};
	result = client_send(task->torture->client, &msg);
	cell->tag = msg.tag;
	return torture_judge(task, result, 0, "sending");
}

static bool cell_is_expected(const struct cell *cell, const uint8_t *got)
{
	return memcmp(got, cell->bytes, CELL) == 0 ||
	       (cell->unsure && memcmp(got, cell->after, CELL) == 0);
}

/* What is read while a write that was given up still runs may be a mixture. */
static int settle_cell(struct torture_task *task, unsigned index)
{
	struct flush *flush = task->state;
	struct cell *cell = &flush->cell[index];
	uint8_t got[CELL];
	bool expected = false;

	for (unsigned looks = 0; !expected && looks < (cell->unsure ? LOOKS : 1); looks++) {
		ssize_t size =
			client_read_all(task->torture->client, flush->fid, index * CELL, got, CELL);

		if (torture_judge(task, size < 0 ? (int)size : 0, 0, "read") != 0)
			return TORTURE_WRONG;
		expected = size == CELL && cell_is_expected(cell, got);
	}
	if (!expected)
		return torture_wrong(task, "the bytes at %u are neither old nor new", index * CELL);
	cell->unsure = cell->unsure && memcmp(got, cell->after, CELL) != 0;
	memcpy(cell->bytes, got, CELL);
	return 0;
}

static int finish_cell(struct torture_task *task, unsigned index)
{
	struct flush *flush = task->state;
	struct cell *cell = &flush->cell[index];
	struct p9_msg reply;
	int result = flush_or_await(task, cell->tag, &reply);

	if (result < 0)
		return result;
	if (result == 1)
		memcpy(cell->bytes, cell->after, CELL);
	cell->unsure = result == 0;
	return settle_cell(task, index);
}

static bool cell_is_unsure(const struct torture_task *task, unsigned index)
{
	const struct flush *flush = task->state;

	return flush->cell[index].unsure;
}

static int make_cells(struct torture_task *task)
{
	struct flush *flush = task->state;
	char name[24];
	int result;

	memset(flush->cell, 0, sizeof(flush->cell));
	snprintf(name, sizeof(name), "cells-%u", flush->files++);
	result = torture_create(task, task->dir, name, O_RDWR | P9_O_EXCL, 0644, &flush->fid);
	for (unsigned i = 0; result == 0 && i < PLACES; i++)
		result = client_write_all(task->torture->client, flush->fid, i * CELL,
					  flush->cell[i].bytes, CELL);
	return torture_judge(task, result, 0, "making the file");
}

static int clunk_cells(struct torture_task *task)
{
	struct flush *flush = task->state;

	return torture_judge(task, client_clunk(task->torture->client, flush->fid), 0, "clunk");
}

static const struct places cells = {
	.is_unsure = cell_is_unsure,
	.settle = settle_cell,
	.send = send_cell,
	.finish = finish_cell,
	.make = make_cells,
	.clunk = clunk_cells,
};

/* ---- requests that change nothing ---- */

/* Slow ones are likely to be caught on their way. */
static int flush_sync(struct torture_task *task)
{
	struct flush *flush = task->state;
	struct p9_msg msg = {.type = P9_Tfsync, .Tfsync = {.fid = flush->fid}}, reply;
	int result = client_send(task->torture->client, &msg);

	if (torture_judge(task, result, 0, "sending") != 0)
		return TORTURE_WRONG;
	result = flush_or_await(task, msg.tag, &reply);
	return result < 0 ? result : 0;
}

/* A fid that may have been made is there or not; its number is free again after a clunk. */
static int flush_walk(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct p9_msg msg = {.type = P9_Twalk}, reply;
	uint32_t fid = client_fid_new(client);
	int result, clunked;

	msg.Twalk.fid = task->dir;
	msg.Twalk.newfid = fid;
	result = client_send(client, &msg);
	if (torture_judge(task, result, 0, "sending") != 0)
		return TORTURE_WRONG;
	result = flush_or_await(task, msg.tag, &reply);
	if (result < 0)
		return result;
	clunked = client_clunk(client, fid);
	if (result == 0 && clunked == -EBADF)
		return 0;
	return torture_judge(task, clunked, 0, "clunk of the new fid");
}

/* A tag that nobody has. */
static int flush_nothing(struct torture_task *task)
{
	struct p9_msg msg = {.type = P9_Tflush, .Tflush = {.oldtag = 0xfff0}}, reply;

	return torture_judge(task, client_rpc(task->torture->client, &msg, &reply), 0,
			     "flush of an unused tag");
}

/* ---- the kind ---- */

/* What was once there, or not, has not changed by itself. What seemed not to have been done may
 * have been since. */
static int settle_all(struct torture_task *task, const struct places *places)
{
	int result = 0;

	for (unsigned i = 0; result == 0 && i < PLACES; i++)
		result = places->settle(task, i);
	return result;
}

static int leave(struct torture_task *task, const struct places *places)
{
	int result = settle_all(task, places);

	return result != 0 ? result : places->clunk(task);
}

/* Sure ones for a burst; fewer than `wanted` if there are not enough. */
static unsigned choose(struct torture_task *task, const struct places *places, unsigned *chosen,
		       unsigned wanted)
{
	unsigned start = torture_below(task, PLACES), count = 0;

	for (unsigned i = 0; i < PLACES && count < wanted; i++) {
		unsigned index = (start + i) % PLACES;

		if (!places->is_unsure(task, index))
			chosen[count++] = index;
	}
	return count;
}

static int burst(struct torture_task *task, const struct places *places)
{
	unsigned wanted = 1 + torture_below(task, BURST), chosen[BURST];
	int result = 0;

	if (choose(task, places, chosen, wanted) < wanted) {
		result = leave(task, places);
		return result != 0 ? result : places->make(task);
	}
	for (unsigned i = 0; result == 0 && i < wanted; i++)
		result = places->settle(task, chosen[i]);
	for (unsigned i = 0; result == 0 && i < wanted; i++)
		result = places->send(task, chosen[i]);
	for (unsigned i = 0; result == 0 && i < wanted; i++)
		result = places->finish(task, chosen[i]);
	return result;
}

static int start_flush(struct torture_task *task)
{
	int result;

	task->state = calloc(1, sizeof(struct flush));
	if (task->state == NULL)
		return torture_judge(task, -ENOMEM, 0, "memory");
	result = slots.make(task);
	return result != 0 ? result : cells.make(task);
}

static int round_flush(struct torture_task *task)
{
	uint32_t dice = torture_below(task, 20);
	int result;

	if (dice < 8)
		return burst(task, &slots);
	if (dice < 14)
		return burst(task, &cells);
	if (dice < 15)
		return flush_sync(task);
	if (dice < 18)
		return flush_walk(task);
	if (dice < 19)
		return flush_nothing(task);
	if (torture_below(task, 10) > 0)
		return 0;
	result = settle_all(task, &slots);
	return result != 0 ? result : settle_all(task, &cells);
}

static int end_flush(struct torture_task *task)
{
	int result = leave(task, &slots);

	return result != 0 ? result : leave(task, &cells);
}

static void free_flush(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_flush = {
	.name = "flush",
	.start = start_flush,
	.round = round_flush,
	.end = end_flush,
	.free = free_flush,
};
