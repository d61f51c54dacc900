/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_setid.c - set-id bits of mapped modes go where the host's kernel would take its own away:
 * with a new owner, and before a user who is not root writes. (When a file is truncated, a client's
 * kernel asks for it itself.)
 *
 * The bits stand in the store, and nobody writes there in order to write. So a file is looked at
 * before a user's first write through it, and once more after any file has got such bits; not at
 * all as long as none was ever seen.
 */
#include <sys/stat.h>

#include "fs/mapped.h"

static _Thread_local uint32_t user = (uint32_t)-1; /* whom this thread works for */

int mapped_act_as(struct fs *fs, struct fs_cred cred)
{
	user = cred.uid;
	return fs_act_as(layer_below(fs), cred);
}

uint32_t mapped_without_setid(uint32_t mode)
{
	if (S_ISDIR(mode))
		return mode;
	mode &= ~(uint32_t)S_ISUID;
	return mode & S_IXGRP ? mode & ~(uint32_t)S_ISGID : mode;
}

void mapped_setid_seen(struct mapped *m, uint32_t mode)
{
	uint32_t none = 0;

	if (mapped_without_setid(mode) != mode)
		__atomic_compare_exchange_n(&m->setid_round, &none, 1, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED);
}

void mapped_setid_given(struct mapped *m, uint32_t mode)
{
	if (mapped_without_setid(mode) != mode)
		__atomic_fetch_add(&m->setid_round, 1, __ATOMIC_RELEASE);
}

/* What a predecessor has seen is not known. */
void mapped_adopt(struct fs *fs, struct fs_node node, struct fs_file file)
{
	mapped_setid_seen(mapped_of(fs), S_IFREG | S_ISUID);
	fs_adopt(layer_below(fs), node, file);
}

/* Of each file its place holds the round in which it was found without. */
static uint64_t *place_of(struct mapped *m, struct fs_file file)
{
	return &m->setid_none[(uint32_t)file.id % countof(m->setid_none)];
}

static uint64_t none_in(struct fs_file file, uint32_t round)
{
	return (uint64_t)(uint32_t)file.id << 32 | round;
}

void mapped_close(struct fs *fs, struct fs_file file)
{
	uint64_t *place = place_of(mapped_of(fs), file);

	if (__atomic_load_n(place, __ATOMIC_RELAXED) >> 32 == (uint32_t)file.id)
		__atomic_store_n(place, 0, __ATOMIC_RELAXED);
	fs_close(layer_below(fs), file);
}

static int take_away(struct fs *fs, struct fs_file file)
{
	struct fs_setattr set = {.valid = FS_SET_MODE};
	struct fs_node node;
	struct fs_attr attr;
	int ret = mapped_pin(fs, file, &node, &attr);

	if (ret)
		return ret;
	set.mode = mapped_without_setid(attr.mode);
	if (set.mode != attr.mode)
		ret = mapped_setattr(fs, node, file, &set);
	fs_forget(layer_below(fs), node);
	return ret;
}

ssize_t mapped_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
		     uint64_t offset)
{
	struct mapped *m = mapped_of(fs);
	uint32_t round = __atomic_load_n(&m->setid_round, __ATOMIC_ACQUIRE);
	bool root = user == 0 || user == (uint32_t)-1;
	uint64_t *place = place_of(m, file);
	int ret;

	if (round != 0 && !root &&
	    __atomic_load_n(place, __ATOMIC_RELAXED) != none_in(file, round)) {
		ret = take_away(fs, file);
		if (ret)
			return ret;
		__atomic_store_n(place, none_in(file, round), __ATOMIC_RELAXED);
	}
	return fs_write(layer_below(fs), file, buf, size, offset, NULL);
}
