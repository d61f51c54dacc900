/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_data.c - three kinds of tasks that write and read: files that are opened again and
 * again, files without a name, and a file that is only appended to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define FILES 3
#define ROOM (192u << 10)
#define APPEND_MAX (64u << 10) /* more than fits into some messages; others stay in the ring */
#define APPENDED_MAX (512u << 10)

struct files {
	struct torture_file file[FILES];
	unsigned life[FILES]; /* rounds that a file without a name still has */
	unsigned made;	      /* names so far */
};

static void free_files(struct torture_task *task)
{
	struct files *files = task->state;

	for (unsigned i = 0; files != NULL && i < FILES; i++)
		free(files->file[i].bytes);
	free(files);
	task->state = NULL;
}

static int allocate_files(struct torture_task *task, uint32_t room)
{
	struct files *files = calloc(1, sizeof(*files));

	task->state = files;
	for (unsigned i = 0; files != NULL && i < FILES; i++) {
		files->file[i] =
			(struct torture_file){.fid = P9_NOFID, .bytes = malloc(room), .room = room};
		if (files->file[i].bytes == NULL)
			files = NULL;
	}
	return torture_judge(task, files != NULL ? 0 : -ENOMEM, 0, "memory");
}

static struct torture_file *choose_file(struct torture_task *task, unsigned *index)
{
	struct files *files = task->state;

	*index = torture_below(task, FILES);
	return &files->file[*index];
}

/* ---- files with a name ---- */

static int start_data(struct torture_task *task)
{
	int result = allocate_files(task, ROOM);
	struct files *files = task->state;

	for (unsigned i = 0; result == 0 && i < FILES; i++) {
		snprintf(files->file[i].name, sizeof(files->file[i].name), "file-%u", i);
		result = torture_file_create(task, &files->file[i], 0);
	}
	return result;
}

static int open_again(struct torture_task *task, struct torture_file *file)
{
	bool cut = torture_below(task, 8) == 0;
	int result = torture_file_close(task, file);

	if (result != 0)
		return result;
	result = torture_open(task, task->dir, file->name, O_RDWR | (cut ? P9_O_TRUNC : 0),
			      &file->fid);
	if (cut) {
		memset(file->bytes, 0, file->size);
		file->size = 0;
	}
	result = torture_judge(task, result, 0, "%s: open%s", file->name, cut ? " to cut it" : "");
	if (result != 0)
		file->fid = P9_NOFID;
	return result != 0 ? result : torture_file_stat(task, file);
}

/* A fid that may only read says so, and reads what the other one has written. */
static int read_beside(struct torture_task *task, struct torture_file *file)
{
	struct torture_file beside = *file;
	int result = torture_open(task, task->dir, file->name, O_RDONLY, &beside.fid);

	result = torture_judge(task, result, 0, "%s: open for reading", file->name);
	if (result != 0)
		return result;
	result = torture_file_verify(task, &beside);
	if (result == 0)
		result = torture_judge(
			task, (int)client_write(task->torture->client, beside.fid, 0, "x", 1),
			-EBADF, "%s: write through a fid for reading", file->name);
	return result != 0 ? result : torture_file_close(task, &beside);
}

static int sync_file(struct torture_task *task, struct torture_file *file)
{
	int result = client_fsync(task->torture->client, file->fid, torture_below(task, 2) == 0);

	return torture_judge(task, result, 0, "%s: fsync", file->name);
}

static int round_data(struct torture_task *task)
{
	unsigned index;
	struct torture_file *file = choose_file(task, &index);
	uint32_t dice = torture_below(task, 100);

	if (dice < 4)
		return torture_file_truncate(task, file);
	if (dice < 6)
		return sync_file(task, file);
	if (dice < 10)
		return open_again(task, file);
	if (dice < 13)
		return read_beside(task, file);
	if (dice < 15)
		return torture_file_verify(task, file);
	return torture_file_burst(task, file);
}

static int end_data(struct torture_task *task)
{
	struct files *files = task->state;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < FILES; i++) {
		result = torture_file_verify(task, &files->file[i]);
		if (result == 0)
			result = torture_file_close(task, &files->file[i]);
	}
	return result;
}

const struct torture_kind torture_data = {
	.name = "data",
	.start = start_data,
	.round = round_data,
	.end = end_data,
	.free = free_files,
};

/* ---- files without a name ---- */

/* A file loses its name by being removed, or because another one takes it. */
static int take_name(struct torture_task *task, struct torture_file *file)
{
	struct client *client = task->torture->client;
	uint32_t fid;
	int result;

	if (torture_below(task, 2) == 0)
		return torture_judge(task, client_unlinkat(client, task->dir, file->name, 0), 0,
				     "unlink %s", file->name);
	result = torture_create(task, task->dir, "other", O_RDWR | P9_O_EXCL, 0644, &fid);
	if (result == 0)
		result = client_clunk(client, fid);
	result = torture_judge(task, result, 0, "create other");
	if (result != 0)
		return result;
	result = client_renameat(client, task->dir, "other", task->dir, file->name);
	result = torture_judge(task, result, 0, "rename other over %s", file->name);
	if (result != 0)
		return result;
	return torture_judge(task, client_unlinkat(client, task->dir, file->name, 0), 0,
			     "unlink what was renamed over %s", file->name);
}

static int new_unlinked(struct torture_task *task, unsigned index)
{
	struct files *files = task->state;
	struct torture_file *file = &files->file[index];
	int result;

	snprintf(file->name, sizeof(file->name), "gone-%u", files->made++);
	files->life[index] = 20 + torture_below(task, 200);
	result = torture_file_create(task, file, 0);
	if (result == 0)
		result = torture_file_burst(task, file);
	if (result == 0)
		result = take_name(task, file);
	file->unlinked = true;
	return result != 0 ? result : torture_file_stat(task, file);
}

static int start_unlinked(struct torture_task *task)
{
	int result = allocate_files(task, ROOM / 4);

	for (unsigned i = 0; result == 0 && i < FILES; i++)
		result = new_unlinked(task, i);
	return result;
}

static int end_of_unlinked(struct torture_task *task, struct torture_file *file)
{
	int result = torture_file_verify(task, file);

	if (result == 0)
		result = torture_judge(
			task, client_link(task->torture->client, task->dir, "back", file->fid),
			-ENOENT, "%s: link to what has no name", file->name);
	return result != 0 ? result : torture_file_close(task, file);
}

static int round_unlinked(struct torture_task *task)
{
	struct files *files = task->state;
	unsigned index;
	struct torture_file *file = choose_file(task, &index);
	uint32_t dice = torture_below(task, 20);

	if (files->life[index]-- == 0) {
		int result = end_of_unlinked(task, file);

		return result != 0 ? result : new_unlinked(task, index);
	}
	if (dice < 2)
		return torture_file_truncate(task, file);
	if (dice < 4)
		return torture_file_verify(task, file);
	return torture_file_burst(task, file);
}

static int end_unlinked(struct torture_task *task)
{
	struct files *files = task->state;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < FILES; i++)
		result = end_of_unlinked(task, &files->file[i]);
	return result;
}

const struct torture_kind torture_unlinked = {
	.name = "unlinked",
	.start = start_unlinked,
	.round = round_unlinked,
	.end = end_unlinked,
	.free = free_files,
};

/* ---- a file that is appended to ---- */

static int start_append(struct torture_task *task)
{
	int result = allocate_files(task, APPENDED_MAX);
	struct files *files = task->state;

	if (result != 0)
		return result;
	snprintf(files->file[0].name, sizeof(files->file[0].name), "log");
	return torture_file_create(task, &files->file[0], P9_O_APPEND);
}

/* Where the request says it goes does not count. */
static int append(struct torture_task *task, struct torture_file *file)
{
	uint32_t size = torture_size(task, APPEND_MAX);
	ssize_t put;

	if (size > torture_most(task))
		size = torture_most(task);
	torture_pattern(task, file->bytes + file->size, size);
	put = client_write(task->torture->client, file->fid, torture_below(task, APPENDED_MAX),
			   file->bytes + file->size, size);
	if (put >= 0 && put != size)
		return torture_wrong(task, "append %u bytes: %zd done", size, put);
	file->size += size;
	return torture_judge(task, put < 0 ? (int)put : 0, 0, "append %u bytes", size);
}

static int round_append(struct torture_task *task)
{
	struct files *files = task->state;
	struct torture_file *file = &files->file[0];
	uint32_t dice = torture_below(task, 40);

	if (file->size + APPEND_MAX > file->room) {
		int result = torture_file_verify(task, file);

		return result != 0 ? result : torture_file_truncate(task, file);
	}
	if (dice == 0)
		return torture_file_verify(task, file);
	if (dice < 10)
		return torture_file_stat(task, file);
	return append(task, file);
}

static int end_append(struct torture_task *task)
{
	struct files *files = task->state;
	int result = torture_file_verify(task, &files->file[0]);

	return result != 0 ? result : torture_file_close(task, &files->file[0]);
}

const struct torture_kind torture_append = {
	.name = "append",
	.start = start_append,
	.round = round_append,
	.end = end_append,
	.free = free_files,
};
