/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_saved.c - what a worker leaves that a guest had taken over: a session in the middle of its
 * work, with words changed at will. The successor refuses it or goes on with it and comes to an
 * end; it touches no descriptor that is not the session's, and nothing beside the export. What its
 * guest gets is the guest's affair.
 *
 * Input: a record that says how many of the following are the program (fuzz_program.h); then
 * changes: area, entry, word, value; then, when those are not all, more of the program.
 */
#include <fcntl.h>
#include <stddef.h>

#include "common/util.h"
#include "tests/fuzz/fuzz_program.h"

#define CHANGE 8 /* bytes */

/* Where the words are that are in use: so many of the first entries of each array. */
static uint32_t *word(struct saved *s, struct fuzz_input *in)
{
	static const struct {
		size_t at, size;
		uint32_t used;
	} area[] = {
		{0, offsetof(struct saved, redo), 1},
		{offsetof(struct saved, redo), sizeof(s->redo), 1},
		{offsetof(struct saved, locker), sizeof(s->locker[0]), 4},
		{offsetof(struct saved, slot), sizeof(s->slot[0]), 24},
		{offsetof(struct saved, xattr), sizeof(s->xattr[0]), 4},
		{offsetof(struct saved, fid), sizeof(s->fid[0]), 16},
		{offsetof(struct saved, node), sizeof(s->node[0]), 16},
		{offsetof(struct saved, in) + SAVED_IN_AT / 4 * 4, sizeof(s->in[0]), 24},
		{offsetof(struct saved, name), sizeof(s->name[0]), 24},
	};
	uint8_t a = fuzz_u8(in) % countof(area);
	size_t entry = fuzz_u8(in) % area[a].used, at = fuzz_u8(in) * sizeof(uint32_t);

	if (at + sizeof(uint32_t) > area[a].size)
		at %= area[a].size - sizeof(uint32_t) + 1;
	at &= ~(sizeof(uint32_t) - 1);
	return (uint32_t *)(void *)((char *)s + area[a].at + entry * area[a].size + at);
}

static uint32_t value(struct fuzz_input *in)
{
	static const uint32_t values[] = {
		FID_XATTRS_MAX,	  FID_XATTRS_MAX + 1,	FID_LOCKERS_MAX, FID_LOCKERS_MAX + 1,
		SESSION_REQS_MAX, SESSION_REQS_MAX + 1, FID_MAX,	 FID_MAX + 1,
		FS_XATTR_MAX,	  FS_XATTR_MAX + 1,	P9_MSIZE_MAX,	 P9_MSIZE_MAX + 1,
		P9_MSIZE_MIN,	  0x7fffffff,		0x80000000,	 0xffffffff,
	};
	uint8_t how = fuzz_u8(in);
	uint32_t number = fuzz_u32(in);

	switch (how % 4) {
	case 0:
		return number;
	case 1:
		return values[number % countof(values)];
	case 2:
		return FUZZ_FDS - 4 + number % 32; /* a descriptor */
	default:
		return number % 32;
	}
}

static void change(struct saved *s, struct fuzz_input in)
{
	uint32_t *at = word(s, &in);

	*at = value(&in);
}

static void check_lower(void)
{
	for (int fd = 0; fd < FUZZ_FDS; fd++)
		FUZZ_CHECK(fcntl(fd, F_GETFD) >= 0);
}

void fuzz_saved(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t steps = fuzz_u8(&in) % 32, changes = 1 + fuzz_u8(&in) % 8, at = FUZZ_RECORD;
	struct fuzz_world *world;
	int result;

	fuzz_export_reset();
	world = fuzz_world_open(true, false);
	fuzz_program_prepare(world);
	for (; steps > 0 && at < size; steps--, at += FUZZ_RECORD)
		fuzz_program_step(world, fuzz_record(data, size, at));
	for (; changes > 0 && at < size; changes--, at += CHANGE)
		change(world->saved, fuzz_record(data, size, at));
	world->deaf = true;
	result = fuzz_world_succeed(world);
	check_lower();
	for (; result == 0 && at < size; at += FUZZ_RECORD)
		fuzz_program_step(world, fuzz_record(data, size, at));
	fuzz_world_close(world);
	check_lower();
	fuzz_close_fds();
	fuzz_export_check();
}
