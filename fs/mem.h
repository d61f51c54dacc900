/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mem.h - what the files of the memory driver share; for mem*.c only.
 *
 * An object (mem_inode) stays while it has a name or a pin. Names are mem_entry structs,
 * listed by their directory and by their object; pins are counted, one for each node and
 * each open file. So unlinked files, replaced files and removed directories need no care.
 */
#ifndef FS_MEM_H
#define FS_MEM_H

#include <errno.h>
#include <pthread.h>
#include <sys/queue.h>

#include "common/util.h"
#include "fs/fs.h"

#define MEM_CHUNK 4096 /* unit of allocation; what was never written has none */

struct mem_entry {
	TAILQ_ENTRY(mem_entry) in_dir;	 /* mem_inode::entries, by rising cookie */
	LIST_ENTRY(mem_entry) in_bucket; /* mem::names */
	LIST_ENTRY(mem_entry) of_inode;	 /* mem_inode::names */
	struct mem_inode *dir, *inode;
	uint64_t cookie; /* never given twice in a directory, so listings can resume */
	char name[FS_NAME_MAX + 1];
};

struct mem_chunk {
	uint64_t index;
	uint8_t *bytes;
};

struct mem_xattr {
	LIST_ENTRY(mem_xattr) next; /* mem_inode::xattrs */
	size_t size;
	char name[FS_NAME_MAX + 1];
	uint8_t value[];
};

struct mem_held {
	LIST_ENTRY(mem_held) next; /* mem_inode::locks */
	int32_t file;
	enum fs_lock_type type;
	uint64_t first, last;
};

struct mem_inode {
	int32_t id;
	unsigned pins;
	struct fs_attr attr;
	LIST_HEAD(, mem_entry) names;
	LIST_HEAD(, mem_xattr) xattrs;
	LIST_HEAD(, mem_held) locks;
	TAILQ_HEAD(, mem_entry) entries; /* of a directory */
	uint64_t next_cookie;
	char *target;		  /* of a symlink */
	struct mem_chunk *chunks; /* of a file, by rising index */
	size_t chunk_count, chunk_room;
};

struct mem_file {
	struct mem_inode *inode;
	int flags;
};

/* Numbers for pointers: what a handle's id means. */
struct mem_table {
	void **slots;
	size_t size, next;
};

struct mem {
	struct fs fs;
	pthread_mutex_t lock;	 /* guards all that follows and all objects */
	pthread_cond_t unlocked; /* a lock of some file may have gone, or a wait was cancelled */
	struct mem_table inodes, files;
	struct mem_inode *root;
	uint64_t last_path;
	LIST_HEAD(, mem_entry) names[4096]; /* every entry, by directory and name */
};

/* _locked_ struct mem *mem = mem_enter(fs); until the end of the scope. */
static inline struct mem *mem_enter(struct fs *fs)
{
	struct mem *mem = container_of(fs, struct mem, fs);

	pthread_mutex_lock(&mem->lock);
	return mem;
}

static inline void mem_leave(struct mem **mem)
{
	pthread_mutex_unlock(&(*mem)->lock);
}

#define _locked_ __attribute__((cleanup(mem_leave)))

static inline struct mem_inode *mem_inode(struct mem *mem, struct fs_node node)
{
	return mem->inodes.slots[node.id];
}

static inline struct mem_file *mem_file(struct mem *mem, struct fs_file file)
{
	return mem->files.slots[file.id];
}

/* ---- mem.c ---- */

int32_t mem_table_add(struct mem_table *table, void *object);
struct fs_time mem_now(void);

/* The content changed: a file's bytes, a directory's names. */
void mem_touch(struct mem_inode *inode);

/* After a pin or a name went: frees the object when it was the last. */
void mem_reap(struct mem *mem, struct mem_inode *inode);

/* Makes an object with a name; what is special about it is up to the caller. */
int mem_make(struct mem *mem, struct fs_node dir, const char *name, uint32_t mode,
	     struct fs_cred cred, struct mem_inode **made);

int mem_pin_attr(struct mem_inode *inode, struct fs_node *node, struct fs_attr *attr);
int mem_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
	     struct fs_attr *attr);

/* ---- mem_file.c ---- */

void mem_truncate(struct mem_inode *inode, uint64_t size);

int mem_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file);
int mem_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
	       struct fs_cred cred, struct fs_node *node, struct fs_file *file,
	       struct fs_attr *attr);
int mem_pin_file(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr);
int mem_size(struct fs *fs, struct fs_file file, uint64_t *size);
int mem_taken(struct fs *fs, struct fs_file file, uint64_t *bytes);
void mem_close(struct fs *fs, struct fs_file file);
ssize_t mem_read(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
		 bool nowait);
ssize_t mem_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
		  uint64_t offset);
int mem_fsync(struct fs *fs, struct fs_file file, bool datasync);

/* ---- mem_lock.c ---- */

void mem_unlock_all(struct mem *mem, struct mem_inode *inode, int32_t file);
int mem_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock);
int mem_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
		  struct fs_wait *wait);
void mem_lock_wake(struct fs *fs, struct fs_wait *wait);
int mem_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock);

/* ---- mem_xattr.c ---- */

void mem_drop_xattrs(struct mem_inode *inode);
ssize_t mem_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf, size_t size);
ssize_t mem_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size);
int mem_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf, size_t size,
		 int flags);
int mem_removexattr(struct fs *fs, struct fs_node node, const char *name);

#endif
