/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_poison.c - the kind "poison", done only when it is named: a few requests each of
 * which kills the server's process whenever it is tried (tests/sim/poison.sh sees to that). They
 * must fail with EIO in the end, have no effect, and harm nobody else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/sim_torture.h"

#define REQUESTS 3 /* each costs several deaths, of which a share has a limited number */

struct poison {
	unsigned tried;
};

static int start_poison(struct torture_task *task)
{
	task->state = calloc(1, sizeof(struct poison));
	return torture_judge(task, task->state != NULL ? 0 : -ENOMEM, 0, "memory");
}

static int take_poison(struct torture_task *task)
{
	struct poison *poison = task->state;
	struct p9_Rgetattr attr;
	char name[32];
	int result;

	snprintf(name, sizeof(name), "deadly-%u", poison->tried++);
	result = client_mkdir(task->torture->client, task->dir, name, 0755, 0);
	if (torture_judge(task, result, -EIO, "mkdir %s", name) != 0)
		return TORTURE_WRONG;
	result = torture_getattr(task, task->dir, name, &attr);
	return torture_judge(task, result, -ENOENT, "walk to %s", name);
}

static int round_poison(struct torture_task *task)
{
	const struct poison *poison = task->state;
	struct p9_Rgetattr attr;
	int result;

	if (poison->tried < REQUESTS && torture_below(task, 200) == 0)
		return take_poison(task);
	result = client_getattr(task->torture->client, task->dir, P9_GETATTR_BASIC, &attr);
	return torture_judge(task, result, 0, "getattr");
}

static int end_poison(struct torture_task *task)
{
	const struct poison *poison = task->state;
	int result = 0;

	while (result == 0 && poison->tried < REQUESTS)
		result = take_poison(task);
	return result;
}

static void free_poison(struct torture_task *task)
{
	free(task->state);
	task->state = NULL;
}

const struct torture_kind torture_poison = {
	.name = "poison",
	.start = start_poison,
	.round = round_poison,
	.end = end_poison,
	.free = free_poison,
};
