/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * random - random operations on one file, each compared with an image of it in memory: reads and
 * writes at any offset, through a second descriptor, a mapping, in append mode, across truncations,
 * closes and renames. It ends with the first difference, and the operations that led to it; the
 * same seed makes the same ones again.
 *
 * usage: random SEED OPERATIONS KINDS      in a directory where it may make files
 *   KINDS: letters of those wanted, see `operations`
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"

#define FILE_MAX (300 * 1024) /* more than one message of a small msize, no multiple of a page */
#define IO_MAX (70 * 1024)
#define HISTORY 12
#define SEED_STEP 6364136223846793005U

static struct {
	uint8_t image[FILE_MAX];
	size_t size;
	int fd, other; /* the same file, opened twice */
	unsigned name; /* which of its names it has */
	uint64_t random;
	uint8_t fill;
	char history[HISTORY][80];
	unsigned long done;
} state;

/* ---- saying what went wrong ---- */

static void note(const char *what, size_t offset, size_t size)
{
	snprintf(state.history[state.done % HISTORY], sizeof(state.history[0]),
		 "%lu: %s, %zu bytes at %zu, file of %zu", state.done, what, size, offset,
		 state.size);
}

static void __attribute__((noreturn)) wrong(const char *what, size_t where)
{
	unsigned long first = state.done < HISTORY ? 0 : state.done - HISTORY + 1;

	printf("random: %s at %zu: %s\n", what, where, errno != 0 ? strerror(errno) : "differs");
	for (unsigned long i = first; i <= state.done; i++)
		printf("  %s\n", state.history[i % HISTORY]);
	exit(EXIT_FAILURE);
}

static void must(bool fine, const char *what)
{
	if (!fine)
		wrong(what, 0);
	errno = 0;
}

static void compare(const uint8_t *data, size_t offset, size_t size, const char *what)
{
	errno = 0;
	for (size_t i = 0; i < size; i++) {
		if (data[i] != state.image[offset + i])
			wrong(what, offset + i);
	}
}

/* ---- what is random ---- */

static size_t below(size_t limit)
{
	state.random = state.random * SEED_STEP + 1442695040888963407U;
	return limit == 0 ? 0 : (size_t)(state.random >> 33) % limit;
}

/* Often at a page's edge, where mistakes are. */
static size_t place(size_t limit)
{
	size_t at = below(limit + 1);

	if (below(3) == 0)
		at = at / 4096 * 4096;
	return at;
}

static size_t length(size_t offset)
{
	size_t room = FILE_MAX - offset;
	size_t most = below(4) == 0 ? IO_MAX : 5000;

	return below((room < most ? room : most) + 1);
}

/* No two writes in a row have the same bytes. */
static void fill(uint8_t *data, size_t size)
{
	state.fill++;
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(state.fill + i * 7 + i / 251);
}

static const char *name(unsigned number)
{
	return number % 2 == 0 ? "random-a" : "random-b";
}

/* The file now reaches at least to `end`; what lay between is zero in the image already. */
static void grown(size_t end)
{
	if (end > state.size)
		state.size = end;
}

static void cut(size_t size)
{
	if (size < state.size)
		memset(state.image + size, 0, state.size - size);
	state.size = size;
}

/* ---- operations ---- */

static void read_through(int fd, const char *what)
{
	static uint8_t data[IO_MAX];
	size_t offset = place(state.size), size = length(offset), want = size, got = 0;

	note(what, offset, size);
	if (want > state.size - offset)
		want = state.size - offset;
	while (got < size) {
		ssize_t n = pread(fd, data + got, size - got, (off_t)(offset + got));

		must(n >= 0, what);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	if (got != want)
		wrong("a read of another length", offset + got);
	compare(data, offset, got, what);
}

static void op_read(void)
{
	read_through(state.fd, "read");
}

static void op_read_other(void)
{
	read_through(state.other, "read through the other");
}

static void write_through(int fd, const char *what)
{
	size_t offset = place(state.size + 20000 < FILE_MAX ? state.size + 20000 : FILE_MAX);
	size_t size = length(offset);

	note(what, offset, size);
	fill(state.image + offset, size);
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, state.image + offset + done, size - done,
				   (off_t)(offset + done));

		must(n > 0, what);
		done += (size_t)n;
	}
	if (size > 0)
		grown(offset + size);
}

static void op_write(void)
{
	write_through(state.fd, "write");
}

static void op_write_other(void)
{
	write_through(state.other, "write through the other");
}

static void op_append(void)
{
	int fd = open(name(state.name), O_WRONLY | O_APPEND | O_CLOEXEC);
	size_t size = length(state.size);

	note("append", state.size, size);
	must(fd >= 0, "open to append");
	fill(state.image + state.size, size);
	must(write(fd, state.image + state.size, size) == (ssize_t)size, "append");
	must(close(fd) == 0, "close after an append");
	state.size += size;
}

static void op_truncate(void)
{
	size_t size = place(FILE_MAX / 2);

	note("truncate", 0, size);
	if (below(2) == 0)
		must(truncate(name(state.name), (off_t)size) == 0, "truncate");
	else
		must(ftruncate(state.fd, (off_t)size) == 0, "ftruncate");
	cut(size);
}

static void op_truncating_open(void)
{
	int fd = open(name(state.name), (below(2) == 0 ? O_WRONLY : O_RDWR) | O_TRUNC | O_CLOEXEC);

	note("open and truncate", 0, 0);
	must(fd >= 0, "open and truncate");
	cut(0);
	must(close(fd) == 0, "close");
}

static void op_size(void)
{
	struct stat by_fd, by_name;

	note("stat", 0, 0);
	must(fstat(state.fd, &by_fd) == 0 && stat(name(state.name), &by_name) == 0, "stat");
	if ((size_t)by_fd.st_size != state.size || (size_t)by_name.st_size != state.size)
		wrong("a size", (size_t)by_name.st_size);
	if (by_fd.st_ino != by_name.st_ino || lseek(state.fd, 0, SEEK_END) != by_fd.st_size)
		wrong("another file", 0);
}

static void open_both(int flags)
{
	state.fd = open(name(state.name), O_RDWR | O_CLOEXEC | flags, 0644);
	must(state.fd >= 0, "open");
	state.other = open(name(state.name), O_RDWR | O_CLOEXEC);
	must(state.other >= 0, "open again");
}

static void op_reopen(void)
{
	note("close and open", 0, 0);
	must(close(state.fd) == 0 && close(state.other) == 0, "close");
	open_both(0);
}

static void op_rename(void)
{
	note("rename", 0, 0);
	must(rename(name(state.name), name(state.name + 1)) == 0, "rename");
	state.name++;
}

static void op_sync(void)
{
	note("fsync", 0, 0);
	must((below(2) == 0 ? fsync(state.fd) : fdatasync(state.fd)) == 0, "fsync");
}

static uint8_t *map(int protection, int flags)
{
	uint8_t *data = mmap(NULL, state.size, protection, flags, state.fd, 0);

	must(data != MAP_FAILED, "mmap");
	return data;
}

static void op_map_read(void)
{
	size_t offset = place(state.size), size = length(offset);
	uint8_t *data;

	note("read a mapping", offset, size);
	if (state.size == 0)
		return;
	data = map(PROT_READ, MAP_PRIVATE);
	if (size > state.size - offset)
		size = state.size - offset;
	compare(data + offset, offset, size, "a mapping");
	must(munmap(data, state.size) == 0, "munmap");
}

static void op_map_write(void)
{
	size_t offset = place(state.size), size = length(offset);
	uint8_t *data;

	if (size > state.size - offset)
		size = state.size - offset;
	note("write a mapping", offset, size);
	if (size == 0)
		return;
	data = map(PROT_READ | PROT_WRITE, MAP_SHARED);
	fill(state.image + offset, size);
	memcpy(data + offset, state.image + offset, size);
	if (below(2) == 0)
		must(msync(data, state.size, MS_SYNC) == 0, "msync");
	must(munmap(data, state.size) == 0, "munmap");
}

static void op_allocate(void)
{
	size_t offset = place(FILE_MAX - 1), size = 1 + below(FILE_MAX - offset);
	bool keep = below(2) == 0;

	note(keep ? "allocate, same size" : "allocate", offset, size);
	must(fallocate(state.fd, keep ? FALLOC_FL_KEEP_SIZE : 0, (off_t)offset, (off_t)size) == 0,
	     "fallocate");
	if (!keep)
		grown(offset + size);
}

static void op_punch(void)
{
	size_t offset = place(FILE_MAX - 1), size = 1 + below(FILE_MAX - offset);
	size_t end = offset + size < state.size ? offset + size : state.size;

	note("punch", offset, size);
	must(fallocate(state.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		       (off_t)size) == 0,
	     "punch a hole");
	if (offset < end)
		memset(state.image + offset, 0, end - offset);
}

static const struct operation {
	char kind;
	unsigned weight;
	void (*run)(void);
} operations[] = {
	{'i', 8, op_read},	 {'i', 8, op_write},	   {'i', 3, op_size},
	{'o', 4, op_read_other}, {'o', 4, op_write_other}, /* a second descriptor */
	{'a', 3, op_append},	 {'t', 3, op_truncate},	   {'t', 1, op_truncating_open},
	{'c', 2, op_reopen},	 {'n', 2, op_rename},	   {'s', 1, op_sync},
	{'m', 5, op_map_read},	 {'w', 5, op_map_write},   {'f', 2, op_allocate},
	{'p', 2, op_punch},
};

static const struct operation *choose(const char *kinds)
{
	unsigned total = 0;
	size_t at;

	for (size_t i = 0; i < countof(operations); i++)
		total += strchr(kinds, operations[i].kind) != NULL ? operations[i].weight : 0;
	at = below(total);
	for (size_t i = 0; i < countof(operations); i++) {
		if (strchr(kinds, operations[i].kind) == NULL)
			continue;
		if (at < operations[i].weight)
			return &operations[i];
		at -= operations[i].weight;
	}
	return &operations[0];
}

static void compare_all(void)
{
	static uint8_t data[FILE_MAX + 1];
	size_t got = 0;

	for (ssize_t n = 1; n > 0; got += (size_t)n) {
		n = pread(state.fd, data + got, sizeof(data) - got, (off_t)got);
		must(n >= 0, "read all");
	}
	if (got != state.size)
		wrong("the size at the end", got);
	compare(data, 0, got, "the end");
}

int main(int argc, char **argv)
{
	unsigned long count;

	if (argc != 4 || strspn(argv[3], "ioatcnsmwfp") != strlen(argv[3]) || argv[3][0] == '\0') {
		fprintf(stderr, "usage: random SEED OPERATIONS KINDS\n");
		return 2;
	}
	state.random = strtoull(argv[1], NULL, 10) * SEED_STEP;
	count = strtoul(argv[2], NULL, 10);
	open_both(O_CREAT | O_EXCL);
	for (; state.done < count; state.done++)
		choose(argv[3])->run();
	compare_all();
	must(close(state.fd) == 0 && close(state.other) == 0, "close");
	must(unlink(name(state.name)) == 0, "unlink");
	return EXIT_SUCCESS;
}
