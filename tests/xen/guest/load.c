/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * load.c - a load for a mounted share that is measured. Runs in the lab's guests; static, without
 * anything of this tree.
 *
 *   load read|write PROCESSES MILLISECONDS FILE      4 KiB at a time, here and there: no place
 * twice before all others had their turn load seqread|seqwrite PROCESSES MILLISECONDS FILE   128
 * KiB at a time, one after the other load meta PROCESSES MILLISECONDS DIR             a file is
 * made, looked at, and removed
 *
 * Prints how many operations there were in how many seconds, and in the mean how many a second.
 * FILE has a power of two of blocks, and is opened by each process for itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SMALL 4096
#define LARGE 131072
#define ODD 2654435761u /* times this, modulo a power of two, numbers go everywhere once */
#define NS_PER_S 1000000000ULL

struct load {
	const char *name;
	size_t size; /* of an operation */
	int writes;
	uint64_t step;
};

static const struct load loads[] = {
	{"read", SMALL, 0, ODD},   {"write", SMALL, 1, ODD}, {"seqread", LARGE, 0, 1},
	{"seqwrite", LARGE, 1, 1}, {"meta", 0, 0, 0},
};

/* All processes have it. */
struct shared {
	uint64_t next; /* operation that nobody has begun */
	uint64_t done;
	uint64_t end; /* ns */
	uint32_t ready;
};

static struct shared *shared;
static const struct load *load;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

__attribute__((noreturn)) static void fatal(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void move_bytes(int fd, uint64_t blocks, uint8_t *bytes)
{
	uint64_t block = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED) * load->step;
	off_t at = (off_t)(block % blocks * load->size);
	ssize_t done =
		load->writes ? pwrite(fd, bytes, load->size, at) : pread(fd, bytes, load->size, at);

	if (done != (ssize_t)load->size)
		fatal(load->name);
}

static void make_and_remove(const char *dir, unsigned process)
{
	char path[256];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/load-%u", dir, process);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd < 0 || write(fd, "text", 4) != 4 || close(fd) != 0)
		fatal(path);
	if (stat(path, &st) != 0 || st.st_size != 4 || unlink(path) != 0)
		fatal(path);
}

static void work(const char *path, unsigned process)
{
	uint8_t *bytes = calloc(1, LARGE);
	uint64_t done = 0, blocks = 0;
	struct stat st;
	int fd = -1;

	if (load->size > 0) {
		fd = open(path, load->writes ? O_WRONLY : O_RDONLY);
		if (fd < 0 || fstat(fd, &st) != 0)
			fatal(path);
		blocks = (uint64_t)st.st_size / load->size;
	}
	if (bytes == NULL || (load->size > 0 && (blocks == 0 || (blocks & (blocks - 1)) != 0)))
		fatal("not a file to measure with");
	__atomic_fetch_add(&shared->ready, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&shared->end, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
	for (; now_ns() < shared->end; done++) {
		if (load->size > 0)
			move_bytes(fd, blocks, bytes);
		else
			make_and_remove(path, process);
	}
	__atomic_fetch_add(&shared->done, done, __ATOMIC_RELAXED);
	exit(0);
}

int main(int argc, char *argv[])
{
	unsigned processes;
	uint64_t start;
	int status, bad = 0;

	for (size_t i = 0; argc == 5 && i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (strcmp(argv[1], loads[i].name) == 0)
			load = &loads[i];
	}
	if (load == NULL || atoi(argv[2]) < 1 || atoi(argv[3]) < 1) {
		fprintf(stderr, "usage: load read|write|seqread|seqwrite|meta PROCESSES "
				"MILLISECONDS FILE|DIR\n");
		return 2;
	}
	processes = (unsigned)atoi(argv[2]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		fatal("mmap");
	for (unsigned i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fatal("fork");
		if (pid == 0)
			work(argv[4], i);
	}
	while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < processes) {
		if (waitpid(-1, NULL, WNOHANG) != 0)
			return 1;
		usleep(1000);
	}
	start = now_ns();
	__atomic_store_n(&shared->end, start + (uint64_t)atoi(argv[3]) * 1000000, __ATOMIC_RELEASE);
	while (wait(&status) > 0)
		bad |= status;
	if (bad != 0)
		return 1;
	start = now_ns() - start;
	printf("%llu %.6f %.1f\n", (unsigned long long)shared->done, (double)start / NS_PER_S,
	       (double)shared->done * NS_PER_S / (double)start);
	return 0;
}
