/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_file.c - a file and what must be in it, byte by byte. The model is changed before a
 * request is sent, and no two requests in flight touch the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define BURST 6
#define IO_MAX 65536

int torture_file_create(struct torture_task *task, struct torture_file *file, uint32_t flags)
{
	int result = torture_create(task, task->dir, file->name, flags | O_RDWR | P9_O_EXCL, 0644,
				    &file->fid);

	if (result != 0)
		file->fid = P9_NOFID;
	file->unlinked = false;
	file->size = 0;
	memset(file->bytes, 0, file->room);
	return torture_judge(task, result, 0, "create %s", file->name);
}

/* ---- reads and writes ---- */

struct part {
	bool write;
	uint32_t start, size;
	uint16_t tag;
};

/* Holds what was read at `start` against the model. */
static int compare(struct torture_task *task, const struct torture_file *file, uint32_t start,
		   const uint8_t *got, uint32_t size)
{
	uint32_t at = 0;

	if (memcmp(file->bytes + start, got, size) == 0)
		return 0;
	while (file->bytes[start + at] == got[at])
		at++;
	return torture_wrong(task,
			     "%s: byte %u (in a read of %u at %u): expected 0x%02x, found "
			     "0x%02x",
			     file->name, start + at, size, start, file->bytes[start + at], got[at]);
}

/* Cuts the file's room into so many parts of the same size, and takes a piece out of one. Only
 * what is there is read: how far the others get is not known yet. */
static struct part choose_part(struct torture_task *task, const struct torture_file *file,
			       unsigned index, unsigned count)
{
	uint32_t room = file->room / count, most = torture_most(task);
	struct part part = {.size = torture_size(task, room < IO_MAX ? room : IO_MAX)};

	if (part.size > most)
		part.size = most;
	part.start = index * room + torture_below(task, room - part.size + 1);
	part.write = torture_below(task, 2) == 0 || part.start + part.size > file->size;
	return part;
}

static int send_part(struct torture_task *task, struct torture_file *file, struct part *part)
{
	struct p9_msg msg = {.type = P9_Tread};
	int result;

	if (part->write) {
		torture_pattern(task, file->bytes + part->start, part->size);
		msg.type = P9_Twrite;
		msg.Twrite.fid = file->fid;
		msg.Twrite.offset = part->start;
		msg.Twrite.data = (struct p9_data){file->bytes + part->start, part->size};
	} else {
		msg.Tread = (struct p9_Tread){file->fid, part->start, part->size};
	}
	result = client_send(task->torture->client, &msg);
	part->tag = msg.tag;
	return torture_judge(task, result, 0, "%s: sending", file->name);
}

static int check_part(struct torture_task *task, const struct torture_file *file,
		      const struct part *part)
{
	const char *what = part->write ? "write" : "read";
	struct p9_msg reply;
	int result = client_await(task->torture->client, part->tag, &reply);
	uint32_t count;

	if (result == 0 && reply.type == P9_Rlerror)
		result = -(int)reply.Rlerror.ecode;
	result = torture_judge(task, result, 0, "%s: %s of %u at %u", file->name, what, part->size,
			       part->start);
	if (result != 0)
		return result;
	count = part->write ? reply.Rwrite.count : reply.Rread.data.len;
	if (count != part->size)
		return torture_wrong(task, "%s: %s of %u at %u: %u done", file->name, what,
				     part->size, part->start, count);
	return part->write ? 0 : compare(task, file, part->start, reply.Rread.data.bytes, count);
}

int torture_file_burst(struct torture_task *task, struct torture_file *file)
{
	unsigned count = 1 + torture_below(task, BURST);
	struct part parts[BURST];
	uint32_t size = file->size;
	int result = 0;

	for (unsigned i = 0; i < count; i++)
		parts[i] = choose_part(task, file, i, count);
	for (unsigned i = 0; result == 0 && i < count; i++) {
		result = send_part(task, file, &parts[i]);
		if (parts[i].write && parts[i].start + parts[i].size > size)
			size = parts[i].start + parts[i].size;
	}
	for (unsigned i = 0; result == 0 && i < count; i++)
		result = check_part(task, file, &parts[i]);
	file->size = size;
	return result;
}

/* ---- the rest ---- */

int torture_file_truncate(struct torture_task *task, struct torture_file *file)
{
	uint32_t size = torture_below(task, 4) == 0 ? 0 : torture_below(task, file->room + 1);
	struct p9_Tsetattr set = {.valid = P9_SETATTR_SIZE, .size = size};
	int result = client_setattr(task->torture->client, file->fid, &set);

	if (size < file->size)
		memset(file->bytes + size, 0, file->size - size);
	file->size = size;
	result = torture_judge(task, result, 0, "%s: set the size to %u", file->name, size);
	return result != 0 ? result : torture_file_stat(task, file);
}

int torture_file_stat(struct torture_task *task, struct torture_file *file)
{
	uint64_t links = file->unlinked ? 0 : 1;
	struct p9_Rgetattr attr;
	int result = client_getattr(task->torture->client, file->fid, P9_GETATTR_BASIC, &attr);

	result = torture_judge(task, result, 0, "%s: getattr", file->name);
	if (result != 0)
		return result;
	if (attr.size != file->size)
		return torture_wrong(task, "%s: size: expected %u, found %llu", file->name,
				     file->size, (unsigned long long)attr.size);
	if (attr.nlink != links)
		return torture_wrong(task, "%s: links: expected %llu, found %llu", file->name,
				     (unsigned long long)links, (unsigned long long)attr.nlink);
	return 0;
}

int torture_file_verify(struct torture_task *task, struct torture_file *file)
{
	static const uint32_t step = 16384;
	_cleanup_free_ uint8_t *got = malloc(step);
	int result = torture_file_stat(task, file);

	if (got == NULL)
		return torture_judge(task, -ENOMEM, 0, "%s", file->name);
	for (uint32_t at = 0; result == 0 && at <= file->size; at += step) {
		uint32_t expected = file->size - at < step ? file->size - at : step;
		ssize_t size = client_read_all(task->torture->client, file->fid, at, got, step);

		result = torture_judge(task, size < 0 ? (int)size : 0, 0, "%s: read at %u",
				       file->name, at);
		if (result == 0 && size != expected)
			result = torture_wrong(task, "%s: read at %u: expected %u bytes, found %zd",
					       file->name, at, expected, size);
		if (result == 0)
			result = compare(task, file, at, got, expected);
	}
	return result;
}

int torture_file_close(struct torture_task *task, struct torture_file *file)
{
	int result = client_clunk(task->torture->client, file->fid);

	file->fid = P9_NOFID;
	return torture_judge(task, result, 0, "%s: clunk", file->name);
}
