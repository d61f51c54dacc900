/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mem_lock.c - byte-range locks of files in memory.
 *
 * An object lists what is held of it, by which open file. A new lock is first cut out of
 * what the same file holds, then added, so no two of one file ever overlap.
 */
#include "fs/mem.h"

static uint64_t mem_lock_last(const struct fs_lock *lock)
{
	return lock->length ? lock->start + lock->length - 1 : UINT64_MAX;
}

static bool mem_lock_overlaps(const struct mem_held *held, const struct fs_lock *lock)
{
	return held->first <= mem_lock_last(lock) && held->last >= lock->start;
}

static struct mem_held *mem_conflict(struct mem_inode *inode, int32_t file,
				     const struct fs_lock *lock)
{
	struct mem_held *held;

	LIST_FOREACH (held, &inode->locks, next) {
		bool shared = held->type == FS_LOCK_READ && lock->type == FS_LOCK_READ;

		if (held->file != file && !shared && mem_lock_overlaps(held, lock))
			return held;
	}
	return NULL;
}

static int mem_lock_add(struct mem_inode *inode, int32_t file, enum fs_lock_type type,
			uint64_t first, uint64_t last)
{
	struct mem_held *lock = malloc(sizeof(*lock));

	if (!lock)
		return -ENOLCK;
	*lock = (struct mem_held){.file = file, .type = type, .first = first, .last = last};
	LIST_INSERT_HEAD(&inode->locks, lock, next);
	return 0;
}

/* Takes the range out of what `file` holds; a lock around it falls into two. */
static int mem_lock_cut(struct mem_inode *inode, int32_t file, const struct fs_lock *range)
{
	struct mem_held *held, *following;
	uint64_t last = mem_lock_last(range);
	int ret = 0;

	for (held = LIST_FIRST(&inode->locks); held && ret == 0; held = following) {
		following = LIST_NEXT(held, next);
		if (held->file != file || !mem_lock_overlaps(held, range))
			continue;
		if (held->last > last)
			ret = mem_lock_add(inode, file, held->type, last + 1, held->last);
		if (ret == 0 && held->first < range->start)
			ret = mem_lock_add(inode, file, held->type, held->first, range->start - 1);
		LIST_REMOVE(held, next);
		free(held);
	}
	return ret;
}

/* What was held there by the file itself goes, for a weaker lock perhaps. */
static int mem_lock_try(struct mem *mem, struct fs_file file, const struct fs_lock *lock)
{
	struct mem_inode *inode = mem_file(mem, file)->inode;
	int ret;

	if (lock->type != FS_LOCK_NONE && mem_conflict(inode, file.id, lock))
		return -EAGAIN;
	ret = mem_lock_cut(inode, file.id, lock);
	pthread_cond_broadcast(&mem->unlocked);
	if (ret || lock->type == FS_LOCK_NONE)
		return ret;
	return mem_lock_add(inode, file.id, lock->type, lock->start, mem_lock_last(lock));
}

int mem_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock)
{
	_locked_ struct mem *mem = mem_enter(fs);

	return mem_lock_try(mem, file, lock);
}

int mem_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
		  struct fs_wait *wait)
{
	_locked_ struct mem *mem = mem_enter(fs);
	int ret;

	while ((ret = mem_lock_try(mem, file, lock)) == -EAGAIN && !fs_wait_cancelled(wait))
		pthread_cond_wait(&mem->unlocked, &mem->lock);
	return ret == -EAGAIN ? -EINTR : ret;
}

void mem_lock_wake(struct fs *fs, struct fs_wait *wait)
{
	_locked_ struct mem *mem = mem_enter(fs);

	(void)wait;
	pthread_cond_broadcast(&mem->unlocked);
}

int mem_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_held *held = mem_conflict(mem_file(mem, file)->inode, file.id, lock);

	*lock = (struct fs_lock){
		.type = FS_LOCK_NONE, .start = lock->start, .length = lock->length};
	if (!held)
		return 0;
	lock->type = held->type;
	lock->start = held->first;
	lock->length = held->last == UINT64_MAX ? 0 : held->last - held->first + 1;
	return 0;
}

void mem_unlock_all(struct mem *mem, struct mem_inode *inode, int32_t file)
{
	static const struct fs_lock all = {.type = FS_LOCK_NONE};

	mem_lock_cut(inode, file, &all);
	pthread_cond_broadcast(&mem->unlocked);
}
