/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_list.c - the kind "list": a directory that takes several Treaddirs to list, through
 * several fids that are at different places of it. While nothing changes in it, each name must come
 * exactly once, also when a listing goes back to where it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define NAMES 200
#define READERS 3
#define MARKS 4

/* Where a listing was once, and how many entries came before. */
struct mark {
	uint64_t offset;
	unsigned count;
};

struct reader {
	uint32_t fid;
	uint64_t offset;
	unsigned count; /* of entries, "." and ".." among them */
	int entry[NAMES + 2];
	struct mark mark[MARKS];
	unsigned marks;
	bool done;
};

struct list {
	bool there[NAMES];
	unsigned count;
	struct reader reader[READERS];
};

enum { DOT = -1, DOTDOT = -2, STRANGE = -3 };

struct entry_name {
	char text[32];
};

/* Names of many lengths, so that a reply ends at any place. */
static struct entry_name name_of(unsigned index)
{
	struct entry_name name;

	snprintf(name.text, sizeof(name.text), "%0*u", 3 + (int)(index % 23), index);
	return name;
}

static int index_of(const char *text)
{
	unsigned long index = strtoul(text, NULL, 10);

	if (strcmp(text, ".") == 0)
		return DOT;
	if (strcmp(text, "..") == 0)
		return DOTDOT;
	if (index < NAMES && strcmp(text, name_of((unsigned)index).text) == 0)
		return (int)index;
	return STRANGE;
}

/* ---- changing ---- */

static int change(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct list *list = task->state;
	int result = 0;

	for (unsigned n = torture_below(task, 8); result == 0 && n > 0; n--) {
		unsigned index = torture_below(task, NAMES);
		struct entry_name name = name_of(index);
		uint32_t fid;

		if (list->there[index]) {
			result = client_unlinkat(client, task->dir, name.text, 0);
			list->count--;
		} else {
			result = torture_create(task, task->dir, name.text, P9_O_EXCL, 0644, &fid);
			if (result == 0)
				result = client_clunk(client, fid);
			list->count++;
		}
		list->there[index] = !list->there[index];
		result = torture_judge(task, result, 0, "%s %s",
				       list->there[index] ? "create" : "unlink", name.text);
	}
	return result;
}

/* ---- reading ---- */

/* Takes what one reply has; an entry at a place that was read before must be the same. */
static int take_entries(struct torture_task *task, struct reader *reader, uint8_t *data,
			uint32_t size)
{
	const struct list *list = task->state;
	uint8_t *end = data + size;
	int used;

	for (; data < end; data += used) {
		struct p9_dirent entry;
		int index;

		used = p9_dirent_get(&entry, data, (size_t)(end - data));
		if (used < 0)
			return torture_judge(task, used, 0, "an entry of a listing");
		index = index_of(entry.name.text);
		if (index == STRANGE || (index >= 0 && !list->there[index]))
			return torture_wrong(task, "%s is listed and should not be there",
					     entry.name.text);
		for (unsigned i = 0; i < reader->count; i++) {
			if (reader->entry[i] == index)
				return torture_wrong(task, "%s is listed twice", entry.name.text);
		}
		reader->entry[reader->count++] = index;
		reader->offset = entry.offset;
	}
	return 0;
}

static int check_complete(struct torture_task *task, const struct reader *reader)
{
	const struct list *list = task->state;
	bool seen[NAMES] = {false};

	for (unsigned i = 0; i < reader->count; i++) {
		if (reader->entry[i] >= 0)
			seen[reader->entry[i]] = true;
	}
	for (unsigned i = 0; i < NAMES; i++) {
		if (list->there[i] && !seen[i])
			return torture_wrong(task, "%s is not listed", name_of(i).text);
	}
	if (reader->count != list->count + 2)
		return torture_wrong(task, "expected %u entries, found %u", list->count + 2,
				     reader->count);
	return 0;
}

static int read_on(struct torture_task *task, struct reader *reader)
{
	uint32_t count = 60 + torture_below(task, 1500);
	struct p9_msg request = {.type = P9_Treaddir,
				 .Treaddir = {reader->fid, reader->offset, count}};
	struct p9_msg reply;
	_cleanup_free_ uint8_t *data = malloc(count);
	int result = client_rpc(task->torture->client, &request, &reply);

	if (torture_judge(task, data != NULL ? result : -ENOMEM, 0, "readdir at entry %u",
			  reader->count) != 0)
		return TORTURE_WRONG;
	if (reply.Rreaddir.data.len == 0) {
		reader->done = true;
		return check_complete(task, reader);
	}
	memcpy(data, reply.Rreaddir.data.bytes, reply.Rreaddir.data.len);
	if (reader->marks < MARKS && torture_below(task, 4) == 0)
		reader->mark[reader->marks++] = (struct mark){reader->offset, reader->count};
	return take_entries(task, reader, data, reply.Rreaddir.data.len);
}

static void go_back(struct torture_task *task, struct reader *reader)
{
	struct mark mark = reader->mark[torture_below(task, reader->marks)];

	reader->offset = mark.offset;
	reader->count = mark.count;
}

static int open_reader(struct torture_task *task, struct reader *reader)
{
	struct client *client = task->torture->client;
	int result = client_walk(client, task->dir, "", &reader->fid);

	if (result == 0)
		result = client_lopen(client, reader->fid, P9_O_DIRECTORY);
	return torture_judge(task, result, 0, "open the directory");
}

/* From the start; the fid may have listed before. */
static int rewind_reader(struct torture_task *task, struct reader *reader)
{
	if (torture_below(task, 2) == 0) {
		int result = client_clunk(task->torture->client, reader->fid);

		if (torture_judge(task, result, 0, "clunk") != 0 || open_reader(task, reader) != 0)
			return TORTURE_WRONG;
	}
	reader->offset = 0;
	reader->count = reader->marks = 0;
	reader->done = false;
	return 0;
}

/* All readers list everything, in turns. */
static int list_all(struct torture_task *task)
{
	struct list *list = task->state;
	unsigned left = READERS, backs = 3;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < READERS; i++)
		result = rewind_reader(task, &list->reader[i]);
	while (result == 0 && left > 0) {
		struct reader *reader = &list->reader[torture_below(task, READERS)];

		if (reader->done)
			continue;
		if (reader->marks > 0 && backs > 0 && torture_below(task, 10) == 0) {
			go_back(task, reader);
			backs--;
		}
		result = read_on(task, reader);
		left -= reader->done;
	}
	return result;
}

/* ---- the kind ---- */

static int start_list(struct torture_task *task)
{
	struct list *list = calloc(1, sizeof(*list));
	int result = torture_judge(task, list != NULL ? 0 : -ENOMEM, 0, "memory");

	task->state = list;
	for (unsigned i = 0; result == 0 && i < READERS; i++)
		result = open_reader(task, &list->reader[i]);
	while (result == 0 && list->count < NAMES / 3)
		result = change(task);
	return result;
}

static int round_list(struct torture_task *task)
{
	int result = change(task);

	return result != 0 ? result : list_all(task);
}

static int end_list(struct torture_task *task)
{
	const struct list *list = task->state;
	int result = list_all(task);

	for (unsigned i = 0; result == 0 && i < READERS; i++)
		result = torture_judge(
			task, client_clunk(task->torture->client, list->reader[i].fid), 0, "clunk");
	return result;
}

static void free_list(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_list = {
	.name = "list",
	.start = start_list,
	.round = round_list,
	.end = end_list,
	.free = free_list,
};
