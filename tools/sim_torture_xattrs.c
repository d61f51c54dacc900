/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_xattrs.c - the kind "xattrs": attributes of a file, which are stored when a fid is
 * clunked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define NAMES 6
#define VALUE_MAX 400 /* some file systems have a block for all of them */

struct value {
	bool there;
	uint32_t size;
	uint8_t bytes[VALUE_MAX];
};

struct xattrs {
	uint32_t fid; /* of the file, not opened */
	struct value value[NAMES];
};

struct xattr_name {
	char text[24];
};

static struct xattr_name name_of(unsigned index)
{
	struct xattr_name name;

	snprintf(name.text, sizeof(name.text), "user.torture.%u", index);
	return name;
}

static int start_xattrs(struct torture_task *task)
{
	struct xattrs *xattrs = calloc(1, sizeof(*xattrs));
	struct client *client = task->torture->client;
	uint32_t fid;
	int result = xattrs != NULL ? 0 : -ENOMEM;

	task->state = xattrs;
	if (result == 0)
		result = torture_create(task, task->dir, "file", P9_O_EXCL, 0644, &fid);
	if (result == 0)
		result = client_clunk(client, fid);
	if (result == 0)
		result = client_walk(client, task->dir, "file", &xattrs->fid);
	if (torture_judge(task, result, 0, "create the file") != 0)
		return TORTURE_WRONG;
	result = client_setxattr(client, xattrs->fid, name_of(0).text, "x", 1, 0);
	if (result == -EOPNOTSUPP)
		return TORTURE_SKIP;
	if (result == 0)
		xattrs->value[0] = (struct value){.there = true, .size = 1, .bytes = {'x'}};
	return torture_judge(task, result, 0, "set %s", name_of(0).text);
}

static int look(struct torture_task *task, unsigned index)
{
	const struct xattrs *xattrs = task->state;
	const struct value *value = &xattrs->value[index];
	uint8_t got[VALUE_MAX];
	ssize_t size = client_getxattr(task->torture->client, xattrs->fid, name_of(index).text, got,
				       sizeof(got));

	if (torture_judge(task, size < 0 ? (int)size : 0, value->there ? 0 : -ENODATA, "get %s",
			  name_of(index).text) != 0)
		return TORTURE_WRONG;
	if (value->there &&
	    ((size_t)size != value->size || memcmp(got, value->bytes, value->size) != 0))
		return torture_wrong(task, "%s: the value is another one (%zd bytes, expected %u)",
				     name_of(index).text, size, value->size);
	return 0;
}

static int set_one(struct torture_task *task)
{
	static const uint32_t flags[] = {0, P9_XATTR_CREATE, P9_XATTR_REPLACE};
	struct xattrs *xattrs = task->state;
	unsigned index = torture_below(task, NAMES);
	uint32_t flag = flags[torture_below(task, countof(flags))];
	struct value *value = &xattrs->value[index], new = {.there = true};
	int expected = flag == P9_XATTR_CREATE && value->there	   ? -EEXIST
		       : flag == P9_XATTR_REPLACE && !value->there ? -ENODATA
								   : 0;
	int result;

	/* To replace with nothing is to remove. */
	new.size = torture_size(task, VALUE_MAX);
	if (flag != P9_XATTR_REPLACE && torture_below(task, 10) == 0)
		new.size = 0;
	torture_pattern(task, new.bytes, new.size);
	result = client_setxattr(task->torture->client, xattrs->fid, name_of(index).text, new.bytes,
				 new.size, flag);
	if (torture_judge(task, result, expected, "set %s, flags %u", name_of(index).text, flag))
		return TORTURE_WRONG;
	if (result == 0)
		*value = new;
	return look(task, index);
}

static int remove_one(struct torture_task *task)
{
	struct xattrs *xattrs = task->state;
	unsigned index = torture_below(task, NAMES);
	int expected = xattrs->value[index].there ? 0 : -ENODATA;
	int result = client_removexattr(task->torture->client, xattrs->fid, name_of(index).text);

	if (torture_judge(task, result, expected, "remove %s", name_of(index).text) != 0)
		return TORTURE_WRONG;
	xattrs->value[index].there = false;
	return look(task, index);
}

/* A clunk before all bytes are there stores nothing. */
static int give_up(struct torture_task *task)
{
	const struct xattrs *xattrs = task->state;
	struct client *client = task->torture->client;
	unsigned index = torture_below(task, NAMES);
	struct xattr_name name = name_of(index);
	struct p9_msg request = {.type = P9_Txattrcreate}, reply;
	uint32_t fid;
	int result = client_walk(client, xattrs->fid, "", &fid);

	request.Txattrcreate = (struct p9_Txattrcreate){fid, p9_str(name.text), 10, 0};
	if (result == 0)
		result = client_rpc(client, &request, &reply);
	if (result == 0)
		result = client_write_all(client, fid, 0, "short", 5);
	if (torture_judge(task, result, 0, "half of %s", name.text) != 0)
		return TORTURE_WRONG;
	if (torture_judge(task, client_clunk(client, fid), -EINVAL, "clunk of half of %s",
			  name.text) != 0)
		return TORTURE_WRONG;
	return look(task, index);
}

static int list_all(struct torture_task *task)
{
	const struct xattrs *xattrs = task->state;
	char list[4096];
	bool seen[NAMES] = {false};
	ssize_t size = client_getxattr(task->torture->client, xattrs->fid, "", list, sizeof(list));
	const char *end = list + (size > 0 ? size : 0);

	if (torture_judge(task, size < 0 ? (int)size : 0, 0, "list the attributes") != 0)
		return TORTURE_WRONG;
	for (const char *next = list; next < end; next += strlen(next) + 1) {
		for (unsigned i = 0; i < NAMES; i++)
			seen[i] = seen[i] || strcmp(next, name_of(i).text) == 0;
	}
	for (unsigned i = 0; i < NAMES; i++) {
		if (seen[i] != xattrs->value[i].there)
			return torture_wrong(task, "%s is%s listed", name_of(i).text,
					     seen[i] ? "" : " not");
	}
	return 0;
}

static int round_xattrs(struct torture_task *task)
{
	uint32_t dice = torture_below(task, 20);

	if (dice < 9)
		return set_one(task);
	if (dice < 13)
		return remove_one(task);
	if (dice < 16)
		return list_all(task);
	if (dice < 17)
		return give_up(task);
	return look(task, torture_below(task, NAMES));
}

static int end_xattrs(struct torture_task *task)
{
	const struct xattrs *xattrs = task->state;
	int result = list_all(task);

	for (unsigned i = 0; result == 0 && i < NAMES; i++)
		result = look(task, i);
	if (result != 0)
		return result;
	return torture_judge(task, client_clunk(task->torture->client, xattrs->fid), 0, "clunk");
}

static void free_xattrs(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_xattrs = {
	.name = "xattrs",
	.start = start_xattrs,
	.round = round_xattrs,
	.end = end_xattrs,
	.free = free_xattrs,
};
