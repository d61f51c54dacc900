/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mem_lock.c - byte-range locks of files in memory.
 *
 * An object lists what is held of it, by which open file. A new lock is cut out of what the same
 * file holds, so no two of one file ever overlap.
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

/* Of several locks in the way the first one is told, so the order is the kernel's: by open file, as
 * they came, and by the start within one. */
static struct mem_held *mem_lock_add(struct mem_inode *inode, int32_t file, enum fs_lock_type type,
				     uint64_t first, uint64_t last)
{
	struct mem_held *lock = malloc(sizeof(*lock)), *held, *before = NULL;

	if (!lock)
		return NULL;
	*lock = (struct mem_held){.file = file, .type = type, .first = first, .last = last};
	LIST_FOREACH (held, &inode->locks, next) {
		bool behind = before && before->file == file && held->file != file;

		if (behind || (held->file == file && held->first > first))
			break;
		before = held;
	}
	if (before)
		LIST_INSERT_AFTER(before, lock, next);
	else
		LIST_INSERT_HEAD(&inode->locks, lock, next);
	return lock;
}

/* Takes the range out of what `file` holds, but for `added`; a lock around it falls into two. */
static int mem_lock_cut(struct mem_inode *inode, int32_t file, uint64_t first, uint64_t last,
			const struct mem_held *added)
{
	struct mem_held *held, *following;

	for (held = LIST_FIRST(&inode->locks); held; held = following) {
		following = LIST_NEXT(held, next);
		if (held == added || held->file != file || held->last < first || held->first > last)
			continue;
		if (held->last > last &&
		    !mem_lock_add(inode, file, held->type, last + 1, held->last))
			return -ENOLCK;
		if (held->first < first &&
		    !mem_lock_add(inode, file, held->type, held->first, first - 1))
			return -ENOLCK;
		LIST_REMOVE(held, next);
		free(held);
	}
	return 0;
}

/* The range, and what the same file holds in the same way around it and beside it. */
static void mem_lock_join(struct mem_inode *inode, int32_t file, enum fs_lock_type type,
			  uint64_t *first, uint64_t *last)
{
	const uint64_t reach_first = *first > 0 ? *first - 1 : 0,
		       reach_last = *last < UINT64_MAX ? *last + 1 : UINT64_MAX;
	struct mem_held *held;

	LIST_FOREACH (held, &inode->locks, next) {
		if (held->file != file || held->type != type || held->last < reach_first ||
		    held->first > reach_last)
			continue;
		if (held->first < *first)
			*first = held->first;
		if (held->last > *last)
			*last = held->last;
	}
}

/* The new lock is there before what the file held is cut, and so takes its place in the order. */
static int mem_lock_set(struct mem_inode *inode, int32_t file, const struct fs_lock *lock)
{
	uint64_t first = lock->start, last = mem_lock_last(lock);
	struct mem_held *added;

	if (lock->type == FS_LOCK_NONE)
		return mem_lock_cut(inode, file, first, last, NULL);
	mem_lock_join(inode, file, lock->type, &first, &last);
	added = mem_lock_add(inode, file, lock->type, first, last);
	return added ? mem_lock_cut(inode, file, first, last, added) : -ENOLCK;
}

/* What was held there by the file itself goes, for a weaker lock perhaps. */
static int mem_lock_try(struct mem *mem, struct fs_file file, const struct fs_lock *lock)
{
	struct mem_inode *inode = mem_file(mem, file)->inode;
	int ret;

	if (lock->type != FS_LOCK_NONE && mem_conflict(inode, file.id, lock))
		return -EAGAIN;
	ret = mem_lock_set(inode, file.id, lock);
	pthread_cond_broadcast(&mem->unlocked);
	return ret;
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
	mem_lock_cut(inode, file, 0, UINT64_MAX, NULL);
	pthread_cond_broadcast(&mem->unlocked);
}
