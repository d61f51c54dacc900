/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_fids.c - the kind "fids": many of them, made, copied, moved and clunked several at a
 * time, each of which must always be what the model says, and no longer than that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define FIDS 64
#define BURST 8
#define NEVER_USED 0x7ffffff0u /* numbers from here on are nobody's */

/* The objects, below the task's directory. */
static const char *const paths[] = {
	"", "one", "one/two", "one/two/three", "one/two/three/file", "one/file"};
#define OBJECTS countof(paths)
#define DIRS 4 /* the first ones */

struct held {
	bool used;
	uint32_t fid;
	unsigned object;
};

struct fids {
	uint64_t path[OBJECTS]; /* of their qids */
	struct held held[FIDS];
};

static int start_fids(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct fids *fids = calloc(1, sizeof(*fids));
	int result = fids != NULL ? 0 : -ENOMEM;

	task->state = fids;
	for (unsigned i = 0; result == 0 && i < OBJECTS; i++) {
		char parent[64];
		const char *name = strrchr(paths[i], '/');
		struct p9_Rgetattr attr;
		uint32_t dir, fid;

		name = name != NULL ? name + 1 : paths[i];
		snprintf(parent, sizeof(parent), "%.*s", (int)(name - paths[i]), paths[i]);
		result = client_walk(client, task->dir, parent, &dir);
		if (result == 0 && i > 0 && i < DIRS)
			result = client_mkdir(client, dir, name, 0755, 0);
		if (result == 0 && i >= DIRS)
			result = torture_create(task, dir, name, P9_O_EXCL, 0644, &fid);
		if (result == 0 && i >= DIRS)
			result = client_clunk(client, fid);
		if (result == 0)
			result = client_clunk(client, dir);
		if (result == 0)
			result = torture_getattr(task, task->dir, paths[i], &attr);
		if (result == 0)
			fids->path[i] = attr.qid.path;
	}
	return torture_judge(task, result, 0, "making the objects");
}

/* ---- several requests at a time ---- */

struct batch {
	unsigned count;
	struct p9_msg request[BURST];
	struct p9_msg reply[BURST]; /* only their numbers */
};

/* Sends all and takes the replies; an error is the result of none. */
static int run_batch(struct torture_task *task, struct batch *batch)
{
	struct client *client = task->torture->client;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < batch->count; i++)
		result = client_send(client, &batch->request[i]);
	for (unsigned i = 0; result == 0 && i < batch->count; i++)
		result = client_await(client, batch->request[i].tag, &batch->reply[i]);
	return torture_judge(task, result, 0, "a batch of requests");
}

static int error_of(const struct p9_msg *reply)
{
	return reply->type == P9_Rlerror ? -(int)reply->Rlerror.ecode : 0;
}

/* Is the object of each of these fids the right one? */
static int check_held(struct torture_task *task, struct held **held, unsigned count)
{
	const struct fids *fids = task->state;
	struct batch batch = {.count = count};
	int result;

	for (unsigned i = 0; i < count; i++) {
		batch.request[i].type = P9_Tgetattr;
		batch.request[i].Tgetattr.fid = held[i]->fid;
		batch.request[i].Tgetattr.request_mask = P9_GETATTR_BASIC;
	}
	result = run_batch(task, &batch);
	for (unsigned i = 0; result == 0 && i < count; i++) {
		result = torture_judge(task, error_of(&batch.reply[i]), 0, "getattr of fid %u",
				       held[i]->fid);
		if (result == 0 && batch.reply[i].Rgetattr.qid.path != fids->path[held[i]->object])
			result = torture_wrong(task, "fid %u is not \"%s\" any more", held[i]->fid,
					       paths[held[i]->object]);
	}
	return result;
}

/* ---- choosing ---- */

/* Up to `most` fids that are in use, or are not, all different. */
static unsigned choose_held(struct torture_task *task, bool used, struct held **held, unsigned most)
{
	struct fids *fids = task->state;
	unsigned start = torture_below(task, FIDS), count = 0;

	for (unsigned i = 0; i < FIDS && count < most; i++) {
		struct held *one = &fids->held[(start + i) % FIDS];

		if (one->used == used)
			held[count++] = one;
	}
	return count;
}

/* Is `object` at or below `top`? */
static bool is_below(unsigned object, unsigned top)
{
	size_t length = strlen(paths[top]);

	return strncmp(paths[object], paths[top], length) == 0 &&
	       (length == 0 || paths[object][length] == '/' || paths[object][length] == '\0');
}

/* The names that lead from `top` down to `object`. */
static struct p9_names names_between(unsigned top, unsigned object)
{
	const char *text = paths[object] + strlen(paths[top]);
	struct p9_names names = {.count = 0};

	while (*text != '\0') {
		size_t length;

		text += *text == '/';
		length = strcspn(text, "/");
		names.name[names.count++] = (struct p9_str){text, (uint16_t)length};
		text += length;
	}
	return names;
}

/* ---- rounds ---- */

/* New fids, from the directory or from fids that are there; some of the way down, some copies. */
static int walk_many(struct torture_task *task)
{
	struct client *client = task->torture->client;
	const struct fids *fids = task->state;
	struct held *new[BURST], *from;
	struct batch batch = {
		.count = choose_held(task, false, new, 1 + torture_below(task, BURST))};
	int result;

	for (unsigned i = 0; i < batch.count; i++) {
		struct p9_Twalk *walk = &batch.request[i].Twalk;
		unsigned top = 0;

		walk->fid = task->dir;
		if (torture_below(task, 2) == 0 && choose_held(task, true, &from, 1) == 1) {
			walk->fid = from->fid;
			top = from->object;
		}
		do
			new[i]->object = torture_below(task, OBJECTS);
		while (!is_below(new[i]->object, top));
		batch.request[i].type = P9_Twalk;
		walk->names = names_between(top, new[i]->object);
		walk->newfid = new[i]->fid = client_fid_new(client);
	}
	result = run_batch(task, &batch);
	for (unsigned i = 0; result == 0 && i < batch.count; i++) {
		const struct p9_qids *qids = &batch.reply[i].Rwalk.qids;
		unsigned count = batch.request[i].Twalk.names.count;

		result = torture_judge(task, error_of(&batch.reply[i]), 0, "walk to \"%s\"",
				       paths[new[i]->object]);
		if (result == 0 && qids->count != count)
			result = torture_wrong(task, "walk to \"%s\": %u names of %u",
					       paths[new[i]->object], qids->count, count);
		if (result == 0 && count > 0 &&
		    qids->qid[count - 1].path != fids->path[new[i]->object])
			result = torture_wrong(task, "walk to \"%s\" leads to another object",
					       paths[new[i]->object]);
		new[i]->used = result == 0;
	}
	return result != 0 ? result : check_held(task, new, batch.count);
}

static int check_many(struct torture_task *task)
{
	struct held *held[BURST];
	unsigned count = choose_held(task, true, held, BURST);

	return check_held(task, held, count);
}

/* The numbers are given back only after the look, lest somebody else gets them. */
static int clunk_many(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct held *held[BURST];
	struct batch batch = {
		.count = choose_held(task, true, held, 1 + torture_below(task, BURST))};
	struct batch again;
	int result;

	for (unsigned i = 0; i < batch.count; i++) {
		batch.request[i].type = P9_Tclunk;
		batch.request[i].Tclunk.fid = held[i]->fid;
	}
	again = batch;
	result = run_batch(task, &batch);
	for (unsigned i = 0; result == 0 && i < batch.count; i++)
		result = torture_judge(task, error_of(&batch.reply[i]), 0, "clunk of fid %u",
				       held[i]->fid);
	if (result == 0)
		result = run_batch(task, &again);
	for (unsigned i = 0; result == 0 && i < batch.count; i++)
		result = torture_judge(task, error_of(&again.reply[i]), -EBADF,
				       "clunk of fid %u, which is clunked", held[i]->fid);
	for (unsigned i = 0; i < batch.count; i++) {
		client_fid_free(client, held[i]->fid);
		held[i]->used = false;
	}
	return result;
}

static int clunk_unknown(struct torture_task *task)
{
	struct p9_msg request = {.type = P9_Tclunk}, reply;
	int result;

	request.Tclunk.fid = NEVER_USED + torture_below(task, 1000);
	result = client_rpc(task->torture->client, &request, &reply);
	return torture_judge(task, result, -EBADF, "clunk of a fid that never was");
}

/* A fid moves: down in place, or up by "..". */
static int move_one(struct torture_task *task)
{
	struct p9_msg request = {.type = P9_Twalk}, reply;
	struct held *held;
	unsigned object;
	int result;

	if (choose_held(task, true, &held, 1) == 0)
		return 0;
	object = torture_below(task, OBJECTS);
	if (is_below(object, held->object)) {
		request.Twalk.names = names_between(held->object, object);
	} else if (held->object > 0 && held->object < DIRS) {
		object = held->object - 1; /* the chain of directories */
		request.Twalk.names.name[request.Twalk.names.count++] = p9_str("..");
	} else {
		return 0;
	}
	request.Twalk.fid = request.Twalk.newfid = held->fid;
	result = client_rpc(task->torture->client, &request, &reply);
	result = torture_judge(task, result, 0, "moving fid %u from \"%s\" to \"%s\"", held->fid,
			       paths[held->object], paths[object]);
	held->object = object;
	return result != 0 ? result : check_held(task, &held, 1);
}

/* A way that ends in the middle makes no fid (walk(5)). */
static int walk_to_missing(struct torture_task *task)
{
	struct client *client = task->torture->client;
	unsigned object = torture_below(task, DIRS), found;
	struct p9_msg request = {.type = P9_Twalk}, reply;
	struct p9_Rgetattr attr;
	uint32_t fid = client_fid_new(client);
	int result;

	request.Twalk.fid = task->dir;
	request.Twalk.newfid = fid;
	request.Twalk.names = names_between(0, object);
	found = request.Twalk.names.count;
	request.Twalk.names.name[request.Twalk.names.count++] = p9_str("missing");
	result = client_rpc(client, &request, &reply);
	if (result == 0 && reply.Rwalk.qids.count != found)
		return torture_wrong(task, "walk to a missing name below \"%s\": %u names",
				     paths[object], reply.Rwalk.qids.count);
	result = torture_judge(task, result, found > 0 ? 0 : -ENOENT,
			       "walk to a missing name below \"%s\"", paths[object]);
	if (result != 0)
		return result;
	result = client_getattr(client, fid, P9_GETATTR_BASIC, &attr);
	client_fid_free(client, fid);
	return torture_judge(task, result, -EBADF, "getattr of a fid that was not made");
}

/* Opened, a fid is what it was; it can be neither opened again nor moved. */
static int open_one(struct torture_task *task)
{
	struct client *client = task->torture->client;
	unsigned object = torture_below(task, OBJECTS);
	struct held held = {.object = object};
	struct held *one = &held;
	int result = client_walk(client, task->dir, paths[object], &held.fid);

	if (result == 0)
		result = client_lopen(client, held.fid, O_RDONLY);
	result = torture_judge(task, result, 0, "open \"%s\"", paths[object]);
	if (result == 0)
		result = check_held(task, &one, 1);
	if (result == 0 && client_lopen(client, held.fid, O_RDONLY) == 0)
		result = torture_wrong(task, "\"%s\" was opened twice through one fid",
				       paths[object]);
	return result != 0 ? result
			   : torture_judge(task, client_clunk(client, held.fid), 0, "clunk");
}

static int round_fids(struct torture_task *task)
{
	uint32_t dice = torture_below(task, 100);

	if (dice < 30)
		return walk_many(task);
	if (dice < 55)
		return clunk_many(task);
	if (dice < 70)
		return check_many(task);
	if (dice < 80)
		return move_one(task);
	if (dice < 88)
		return walk_to_missing(task);
	if (dice < 96)
		return open_one(task);
	return clunk_unknown(task);
}

static int end_fids(struct torture_task *task)
{
	struct fids *fids = task->state;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < FIDS; i++) {
		struct held *held = &fids->held[i];

		if (!held->used)
			continue;
		result = check_held(task, &held, 1);
		if (result == 0)
			result = torture_judge(task, client_clunk(task->torture->client, held->fid),
					       0, "clunk");
	}
	return result;
}

static void free_fids(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_fids = {
	.name = "fids",
	.start = start_fids,
	.round = round_fids,
	.end = end_fids,
	.free = free_fids,
};
