/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_bench_rows.c - the kinds of work, each as requests of a guest and as system calls of the
 * host; and the files that they are done on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "common/util.h"
#include "tools/sim_bench.h"
#include "tools/sim_verb.h"

#define DIRECT_MEMORY (1u << 20)

uint64_t bench_random_block(uint64_t random, uint32_t size)
{
	return sim_scramble(random) % (BENCH_FILE_SIZE / size) * size;
}

uint64_t bench_next_block(atomic_uint_fast64_t *next, uint32_t size)
{
	return atomic_fetch_add(next, 1) % (BENCH_FILE_SIZE / size) * size;
}

static ssize_t outcome(ssize_t result)
{
	return result < 0 ? -errno : result;
}

static enum bench_next done(struct bench_slot *slot, const struct p9_msg *reply)
{
	(void)slot, (void)reply;
	return BENCH_NEXT;
}

/* ---- read and write ---- */

static void begin_random(struct bench_slot *slot)
{
	slot->offset =
		bench_random_block(atomic_fetch_add(&slot->load->random, 1), slot->load->size);
}

static void begin_next(struct bench_slot *slot)
{
	slot->offset = bench_next_block(&slot->load->next, slot->load->size);
}

static void ask_read(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tread;
	msg->Tread.fid = slot->load->file;
	msg->Tread.offset = slot->offset;
	msg->Tread.count = slot->load->size;
}

static enum bench_next check_read(struct bench_slot *slot, const struct p9_msg *reply)
{
	return reply->Rread.data.len == slot->load->size ? BENCH_NEXT : BENCH_WRONG;
}

static void ask_write(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twrite;
	msg->Twrite.fid = slot->load->file;
	msg->Twrite.offset = slot->offset;
	msg->Twrite.data = (struct p9_data){.bytes = slot->load->payload, .len = slot->load->size};
}

static enum bench_next check_write(struct bench_slot *slot, const struct p9_msg *reply)
{
	return reply->Rwrite.count == slot->load->size ? BENCH_NEXT : BENCH_WRONG;
}

static const struct bench_step read_steps[] = {{ask_read, check_read}, {NULL, NULL}};
static const struct bench_step write_steps[] = {{ask_write, check_write}, {NULL, NULL}};

static ssize_t direct_read(struct bench_direct *d)
{
	return outcome(pread(d->file, d->memory, d->size,
			     (off_t)bench_random_block(d->random++, d->size)));
}

static ssize_t direct_write(struct bench_direct *d)
{
	return outcome(pwrite(d->file, d->memory, d->size,
			      (off_t)bench_random_block(d->random++, d->size)));
}

static ssize_t direct_read_next(struct bench_direct *d)
{
	return outcome(
		pread(d->file, d->memory, d->size, (off_t)bench_next_block(&d->next, d->size)));
}

static ssize_t direct_write_next(struct bench_direct *d)
{
	return outcome(
		pwrite(d->file, d->memory, d->size, (off_t)bench_next_block(&d->next, d->size)));
}

static const struct bench_work read_work = {BENCH_TO_CLIENT, begin_random, read_steps, direct_read},
			       write_work = {BENCH_FROM_CLIENT, begin_random, write_steps,
					     direct_write},
			       read_next_work = {BENCH_TO_CLIENT, begin_next, read_steps,
						 direct_read_next},
			       write_next_work = {BENCH_FROM_CLIENT, begin_next, write_steps,
						  direct_write_next};

/* ---- attributes and names ---- */

static void ask_getattr_of(uint32_t fid, struct p9_msg *msg)
{
	msg->type = P9_Tgetattr;
	msg->Tgetattr.fid = fid;
	msg->Tgetattr.request_mask = P9_GETATTR_BASIC;
}

static void ask_getattr_file(struct bench_slot *slot, struct p9_msg *msg)
{
	ask_getattr_of(slot->load->file, msg);
}

static void ask_getattr(struct bench_slot *slot, struct p9_msg *msg)
{
	ask_getattr_of(slot->fid, msg);
}

static enum bench_next check_getattr(struct bench_slot *slot, const struct p9_msg *reply)
{
	(void)slot;
	return reply->Rgetattr.size == BENCH_FILE_SIZE ? BENCH_NEXT : BENCH_WRONG;
}

static void ask_walk(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twalk;
	msg->Twalk.fid = slot->load->dir;
	msg->Twalk.newfid = slot->fid;
	msg->Twalk.names.count = 1;
	msg->Twalk.names.name[0] = p9_str(BENCH_FILE);
}

static enum bench_next check_walk(struct bench_slot *slot, const struct p9_msg *reply)
{
	(void)slot;
	return reply->Rwalk.qids.count == 1 ? BENCH_NEXT : BENCH_WRONG;
}

static void ask_clunk(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tclunk;
	msg->Tclunk.fid = slot->fid;
}

static void ask_statfs(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tstatfs;
	msg->Tstatfs.fid = slot->load->dir;
}

static const struct bench_step getattr_steps[] = {{ask_getattr_file, check_getattr}, {NULL, NULL}},
			       walk_steps[] = {{ask_walk, check_walk},
					       {ask_getattr, check_getattr},
					       {ask_clunk, done},
					       {NULL, NULL}},
			       statfs_steps[] = {{ask_statfs, done}, {NULL, NULL}};

static ssize_t direct_getattr(struct bench_direct *d)
{
	struct statx st;

	return outcome(statx(d->file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st));
}

static ssize_t direct_walk(struct bench_direct *d)
{
	const struct open_how how = {
		.flags = (uint64_t)(O_PATH | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	struct statx st;
	int fd = (int)syscall(SYS_openat2, d->dir, BENCH_FILE, &how, sizeof(how));

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &st) < 0)
		return -errno;
	close(fd);
	return 0;
}

static ssize_t direct_statfs(struct bench_direct *d)
{
	struct statfs st;

	return outcome(fstatfs(d->dir, &st));
}

static const struct bench_work getattr_work = {BENCH_NO_DATA, NULL, getattr_steps, direct_getattr},
			       walk_work = {BENCH_NO_DATA, NULL, walk_steps, direct_walk};
const struct bench_work bench_statfs = {BENCH_NO_DATA, NULL, statfs_steps, direct_statfs};

/* ---- a file's short life ---- */

/* A server without Tunlinkat gets a Tremove, as from Linux. */
static const struct bench_work create_remove_work;

static void begin_create(struct bench_slot *slot)
{
	if (slot->load->no_unlinkat)
		slot->work = &create_remove_work;
	snprintf(slot->name, sizeof(slot->name), "new-%u-%llu", slot->tag,
		 (unsigned long long)slot->names++);
}

static void ask_clone(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twalk;
	msg->Twalk.fid = slot->load->new_dir;
	msg->Twalk.newfid = slot->fid;
}

static void ask_create(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tlcreate;
	msg->Tlcreate.fid = slot->fid;
	msg->Tlcreate.name = p9_str(slot->name);
	msg->Tlcreate.flags = P9_O_EXCL | O_RDWR;
	msg->Tlcreate.mode = 0644;
}

static void ask_fill(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twrite;
	msg->Twrite.fid = slot->fid;
	msg->Twrite.data = (struct p9_data){.bytes = slot->load->payload, .len = BENCH_SMALL};
}

static enum bench_next check_fill(struct bench_slot *slot, const struct p9_msg *reply)
{
	(void)slot;
	return reply->Rwrite.count == BENCH_SMALL ? BENCH_NEXT : BENCH_WRONG;
}

static void ask_unlink(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tunlinkat;
	msg->Tunlinkat.dfid = slot->load->new_dir;
	msg->Tunlinkat.name = p9_str(slot->name);
}

static void ask_walk_new(struct bench_slot *slot, struct p9_msg *msg)
{
	ask_clone(slot, msg);
	msg->Twalk.names.count = 1;
	msg->Twalk.names.name[0] = p9_str(slot->name);
}

static void ask_remove(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tremove;
	msg->Tremove.fid = slot->fid;
}

static const struct bench_step create_steps[] = {
	{ask_clone, done}, {ask_create, done}, {ask_fill, check_fill},
	{ask_clunk, done}, {ask_unlink, done}, {NULL, NULL},
};
static const struct bench_step create_remove_steps[] = {
	{ask_clone, done},	    {ask_create, done}, {ask_fill, check_fill}, {ask_clunk, done},
	{ask_walk_new, check_walk}, {ask_remove, done}, {NULL, NULL},
};

static ssize_t direct_create(struct bench_direct *d)
{
	char name[32];
	ssize_t result;
	int fd;

	snprintf(name, sizeof(name), "direct-%llu", (unsigned long long)d->names++);
	fd = openat(d->new_dir, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	result = outcome(pwrite(fd, d->memory, BENCH_SMALL, 0));
	close(fd);
	return unlinkat(d->new_dir, name, 0) < 0 ? -errno : result;
}

static const struct bench_work create_work = {BENCH_NO_DATA, begin_create, create_steps,
					      direct_create},
			       create_remove_work = {BENCH_NO_DATA, begin_create,
						     create_remove_steps, direct_create};

/* ---- a long directory ---- */

static void begin_list(struct bench_slot *slot)
{
	slot->offset = 0;
}

static void ask_clone_list(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twalk;
	msg->Twalk.fid = slot->load->list;
	msg->Twalk.newfid = slot->fid;
}

static void ask_open_list(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tlopen;
	msg->Tlopen.fid = slot->fid;
	msg->Tlopen.flags = P9_O_DIRECTORY;
}

static void ask_list(struct bench_slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Treaddir;
	msg->Treaddir.fid = slot->fid;
	msg->Treaddir.offset = slot->offset;
	msg->Treaddir.count = slot->load->list_size;
}

static enum bench_next check_list(struct bench_slot *slot, const struct p9_msg *reply)
{
	uint8_t *next = (uint8_t *)(uintptr_t)reply->Rreaddir.data.bytes;
	uint8_t *end = next + reply->Rreaddir.data.len;

	if (next == end)
		return BENCH_NEXT;
	while (next < end) {
		struct p9_dirent entry;
		int used = p9_dirent_get(&entry, next, (size_t)(end - next));

		if (used < 0)
			return BENCH_WRONG;
		slot->offset = entry.offset;
		next += used;
	}
	return BENCH_AGAIN;
}

static const struct bench_step list_steps[] = {
	{ask_clone_list, done}, {ask_open_list, done}, {ask_list, check_list},
	{ask_clunk, done},	{NULL, NULL},
};

static ssize_t direct_list(struct bench_direct *d)
{
	int fd = openat(d->dir, BENCH_LIST, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t got = fd;

	while (got >= 0 && (got = getdents64(fd, d->memory, DIRECT_MEMORY)) > 0)
		;
	got = outcome(got);
	cleanup_close(&fd);
	return got;
}

static const struct bench_work list_work = {BENCH_NO_DATA, begin_list, list_steps, direct_list};

/* ---- the table ---- */

/* A guest's day in hundredths: it looks more than it reads, and reads more than it writes. */
static const struct {
	const struct bench_work *work;
	unsigned parts;
} mixture[] = {
	{&read_work, 40}, {&write_work, 15}, {&getattr_work, 20},
	{&walk_work, 20}, {&create_work, 5},
};

const struct bench_row bench_rows[] = {
	{"read4k", "4 KiB random reads, cached", &read_work, 4096},
	{"write4k", "4 KiB random writes", &write_work, 4096},
	{"read64k", "64 KiB random reads, cached", &read_work, 65536},
	{"write64k", "64 KiB random writes", &write_work, 65536},
	{"seqread", "512 KiB sequential reads, cached", &read_next_work, UINT32_MAX},
	{"seqwrite", "512 KiB sequential writes", &write_next_work, UINT32_MAX},
	{"getattr", "getattr", &getattr_work, BENCH_SMALL},
	{"walk", "walk + getattr + clunk", &walk_work, BENCH_SMALL},
	{"create", "create + write 4 KiB + close + unlink", &create_work, BENCH_SMALL},
	{"readdir", "open + list 10,000 entries + close", &list_work, BENCH_SMALL},
	{"mixed", "40 % read, 15 % write, 20 % getattr, 20 % walk, 5 % create", NULL, BENCH_SMALL},
	{NULL, NULL, NULL, 0},
};

const struct bench_row *bench_row_find(const char *name)
{
	for (const struct bench_row *row = bench_rows; row->name != NULL; row++) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

const struct bench_work *bench_row_work(const struct bench_row *row, uint64_t random)
{
	unsigned at = (unsigned)(sim_scramble(random) % 100);
	size_t i = 0;

	if (row->work != NULL)
		return row->work;
	while (at >= mixture[i].parts)
		at -= mixture[i++].parts;
	return mixture[i].work;
}

/* ---- directly ---- */

int bench_direct_open(const char *path, uint32_t size, struct bench_direct *d)
{
	*d = (struct bench_direct){.size = size};
	d->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	d->file = openat(d->dir, BENCH_FILE, O_RDWR | O_CLOEXEC);
	d->new_dir = openat(d->dir, BENCH_NEW, O_PATH | O_DIRECTORY | O_CLOEXEC);
	d->memory = mmap(NULL, DIRECT_MEMORY, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return d->file < 0 || d->new_dir < 0 || d->memory == MAP_FAILED ? -errno : 0;
}

void bench_direct_close(struct bench_direct *d)
{
	cleanup_close(&d->dir);
	cleanup_close(&d->file);
	cleanup_close(&d->new_dir);
	if (d->memory != MAP_FAILED)
		munmap(d->memory, DIRECT_MEMORY);
}
