/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mem_file.c - files in memory: opening, making, reading, writing.
 *
 * A file is a sorted array of chunks; where none is, it reads as zeros, so that sparse
 * files of any size cost what was written.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/mem.h"

void mem_truncate(struct mem_inode *inode, uint64_t size)
{
	uint64_t keep = (size + MEM_CHUNK - 1) / MEM_CHUNK;
	size_t n = inode->chunk_count;

	while (n > 0 && inode->chunks[n - 1].index >= keep)
		free(inode->chunks[--n].bytes);
	inode->chunk_count = n;
	if (size % MEM_CHUNK && n > 0 && inode->chunks[n - 1].index == keep - 1)
		memset(inode->chunks[n - 1].bytes + size % MEM_CHUNK, 0,
		       MEM_CHUNK - size % MEM_CHUNK);
	inode->attr.size = size;
	inode->attr.blocks = n * (MEM_CHUNK / 512);
	mem_touch(inode);
}

static int mem_open_inode(struct mem *mem, struct mem_inode *inode, int flags, struct fs_file *file)
{
	struct mem_file *open = malloc(sizeof(*open));
	int32_t id = open ? mem_table_add(&mem->files, open) : -ENFILE;

	if (id < 0) {
		free(open);
		return id;
	}
	*open = (struct mem_file){.inode = inode, .flags = flags};
	inode->pins++;
	if (flags & O_TRUNC)
		mem_truncate(inode, 0);
	*file = (struct fs_file){.id = id};
	return 0;
}

int mem_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	_locked_ struct mem *mem = mem_enter(fs);

	return mem_open_inode(mem, mem_inode(mem, node), flags, file);
}

int mem_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
	       struct fs_cred cred, struct fs_node *node, struct fs_file *file,
	       struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode;
	int ret = mem_make(mem, dir, name, S_IFREG | mode, cred, &inode);

	if (ret == 0)
		ret = mem_open_inode(mem, inode, flags, file);
	return ret ? ret : mem_pin_attr(inode, node, attr);
}

int mem_pin_file(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr)
{
	_locked_ struct mem *mem = mem_enter(fs);

	return mem_pin_attr(mem_file(mem, file)->inode, node, attr);
}

int mem_size(struct fs *fs, struct fs_file file, uint64_t *size)
{
	_locked_ struct mem *mem = mem_enter(fs);

	*size = mem_file(mem, file)->inode->attr.size;
	return 0;
}

int mem_taken(struct fs *fs, struct fs_file file, uint64_t *bytes)
{
	_locked_ struct mem *mem = mem_enter(fs);

	*bytes = mem_file(mem, file)->inode->attr.blocks * 512;
	return 0;
}

/* The chunk with this index, or where it would stand. */
static size_t mem_chunk_at(const struct mem_inode *inode, uint64_t index)
{
	size_t low = 0, high = inode->chunk_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (inode->chunks[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint8_t *mem_chunk(const struct mem_inode *inode, uint64_t index)
{
	size_t at = mem_chunk_at(inode, index);
	bool found = at < inode->chunk_count && inode->chunks[at].index == index;

	return found ? inode->chunks[at].bytes : NULL;
}

static uint8_t *mem_chunk_make(struct mem_inode *inode, uint64_t index)
{
	uint8_t *bytes = mem_chunk(inode, index);
	size_t at = mem_chunk_at(inode, index), room = inode->chunk_room * 2 + 8;
	struct mem_chunk *chunks = inode->chunks;

	if (bytes)
		return bytes;
	if (inode->chunk_count == inode->chunk_room) {
		chunks = realloc(chunks, room * sizeof(*chunks));
		if (!chunks)
			return NULL;
		inode->chunks = chunks;
		inode->chunk_room = room;
	}
	bytes = calloc(1, MEM_CHUNK);
	if (!bytes)
		return NULL;
	memmove(&chunks[at + 1], &chunks[at], (inode->chunk_count - at) * sizeof(*chunks));
	chunks[at] = (struct mem_chunk){.index = index, .bytes = bytes};
	inode->chunk_count++;
	inode->attr.blocks += MEM_CHUNK / 512;
	return bytes;
}

/* How much of `size` bytes at `offset` lies in the chunk where `offset` is. */
static size_t mem_in_chunk(uint64_t offset, size_t size)
{
	size_t room = MEM_CHUNK - offset % MEM_CHUNK;

	return size < room ? size : room;
}

ssize_t mem_read(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
		 bool nowait)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_file(mem, file)->inode;
	uint64_t left = offset < inode->attr.size ? inode->attr.size - offset : 0;

	(void)nowait; /* nothing here ever sleeps */
	if (S_ISDIR(inode->attr.mode))
		return -EISDIR;
	size = size < left ? size : left;
	for (size_t n, done = 0; done < size; done += n) {
		uint8_t *bytes = mem_chunk(inode, (offset + done) / MEM_CHUNK);

		n = mem_in_chunk(offset + done, size - done);
		if (bytes)
			memcpy((char *)buf + done, bytes + (offset + done) % MEM_CHUNK, n);
		else
			memset((char *)buf + done, 0, n);
	}
	if (size > 0)
		inode->attr.atime = mem_now();
	return (ssize_t)size;
}

ssize_t mem_write(struct fs *fs, struct fs_file file, const void *buf, size_t size, uint64_t offset)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_inode *inode = mem_file(mem, file)->inode;
	size_t done = 0;
	uint64_t room;

	if (mem_file(mem, file)->flags & O_APPEND)
		offset = inode->attr.size;
	room = INT64_MAX - offset;
	if (size > 0 && room == 0)
		return -EFBIG;
	if (size > room)
		size = room; /* as Linux cuts it */
	for (size_t n; done < size; done += n) {
		uint8_t *bytes = mem_chunk_make(inode, (offset + done) / MEM_CHUNK);

		if (!bytes)
			break;
		n = mem_in_chunk(offset + done, size - done);
		memcpy(bytes + (offset + done) % MEM_CHUNK, (const char *)buf + done, n);
	}
	if (done == 0)
		return size > 0 ? -ENOSPC : 0;
	if (offset + done > inode->attr.size)
		inode->attr.size = offset + done;
	mem_touch(inode);
	return (ssize_t)done;
}

int mem_fsync(struct fs *fs, struct fs_file file, bool datasync)
{
	(void)fs, (void)file, (void)datasync;
	return 0;
}

void mem_close(struct fs *fs, struct fs_file file)
{
	_locked_ struct mem *mem = mem_enter(fs);
	struct mem_file *open = mem_file(mem, file);

	mem_unlock_all(mem, open->inode, file.id);
	mem->files.slots[file.id] = NULL;
	open->inode->pins--;
	mem_reap(mem, open->inode);
	free(open);
}
