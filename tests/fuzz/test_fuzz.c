/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_fuzz.c - every fuzz target with its seeds, and with a fixed number of inputs made from them:
 * the same ones each time. An input that once was a crash is a seed. Each target runs in a child,
 * so that one that dies is told with the input that did it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/test.h"

#define GENERATED 2000 /* inputs of each target; FUZZ_INPUTS in the environment: so many */
#define SEEDS_MAX 256
#define INPUT_MAX 4096

/* What the child is working on, for its parent. */
struct work {
	char name[300];
	size_t size;
	uint8_t bytes[INPUT_MAX];
	unsigned done;
};

static struct work *work;

struct seed {
	char *name;
	size_t size;
	uint8_t bytes[INPUT_MAX];
};

static struct seed *seeds;
static size_t seed_count;

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_seed(const char *dir, const char *name)
{
	struct seed *seed = &seeds[seed_count];
	char path[600];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = name[0] != '.' ? fopen(path, "re") : NULL;
	if (file == NULL)
		return;
	seed->name = strdup(name);
	seed->size = fread(seed->bytes, 1, sizeof(seed->bytes), file);
	seed_count++;
	fclose(file);
}

/* In the checkout, wherever the build is. */
static void read_seeds(const char *target)
{
	const char *source = getenv("srcdir");
	struct dirent **list;
	char dir[300];
	int count;

	if (source == NULL)
		source = SOURCE_DIR;
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/seeds/%s", source, target);
	count = scandir(dir, &list, NULL, by_name);
	CU_ASSERT_FATAL(count >= 0);
	seeds = calloc(SEEDS_MAX, sizeof(*seeds));
	CU_ASSERT_FATAL(seeds != NULL && count < SEEDS_MAX);
	seed_count = 0;
	for (int i = 0; i < count; i++) {
		read_seed(dir, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	/* Without them nearly nothing would be reached. */
	CU_ASSERT_FATAL(seed_count > 0);
}

static void forget_seeds(void)
{
	for (size_t i = 0; i < seed_count; i++)
		free(seeds[i].name);
	free(seeds);
}

static void run_input(const struct fuzz_target *target)
{
	if (work->size <= target->max)
		target->run(work->bytes, work->size);
	work->done++;
}

static _Noreturn void run_all(const struct fuzz_target *target)
{
	const char *given = getenv("FUZZ_INPUTS");
	unsigned generated = given != NULL ? (unsigned)atoi(given) : GENERATED;
	uint64_t chance = 0x9e3779b97f4a7c15u;

	fuzz_begin();
	for (size_t i = 0; i < seed_count; i++) {
		snprintf(work->name, sizeof(work->name), "seed %s", seeds[i].name);
		work->size = seeds[i].size;
		memcpy(work->bytes, seeds[i].bytes, work->size);
		run_input(target);
	}
	for (unsigned i = 0; i < generated; i++) {
		const struct seed *seed = &seeds[i % seed_count];

		snprintf(work->name, sizeof(work->name), "input %u, made from %s", i, seed->name);
		work->size = seed->size < target->max ? seed->size : target->max;
		memcpy(work->bytes, seed->bytes, work->size);
		work->size = fuzz_mutate(target, work->bytes, work->size, &chance);
		run_input(target);
	}
	/* Not _exit(): the leak sanitizer has its say. */
	exit(0);
}

/* For ./dev fuzz TARGET FILE, and for a debugger. */
static void keep_input(const char *target)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "fuzz-%s.input", target);
	file = fopen(path, "we");
	if (file == NULL)
		return;
	fwrite(work->bytes, 1, work->size, file);
	fclose(file);
	printf("    that input is in %s\n", path);
}

static void run_target(const char *name)
{
	const struct fuzz_target *target = fuzz_target(name);
	char *dir = test_tmpdir();
	int status = -1;
	pid_t pid;

	CU_ASSERT_FATAL(target != NULL && target->max <= INPUT_MAX);
	work = mmap(NULL, sizeof(*work), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(work != MAP_FAILED);
	read_seeds(name);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("TMPDIR", dir, 1);
		free(dir);
		run_all(target);
	}
	CU_ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (status != 0) {
		printf("    %s: after %u inputs\n", work->name, work->done);
		keep_input(name);
	}
	CU_ASSERT_EQUAL(status, 0);
	forget_seeds();
	munmap(work, sizeof(*work));
	test_rmtree(dir);
	free(dir);
}

#define TARGET(name)                                                                               \
	static void name(void)                                                                     \
	{                                                                                          \
		run_target(#name);                                                                 \
	}
TARGET(wire)
TARGET(session)
TARGET(saved)
TARGET(backend)
TARGET(config)
TARGET(control)
TARGET(handover)
TARGET(ring)

/* A target that nobody runs is none. */
static void every_target_is_run(void);

static const struct test tests[] = {
	{"wire", wire},		{"session", session}, {"saved", saved},
	{"backend", backend},	{"config", config},   {"control", control},
	{"handover", handover}, {"ring", ring},	      {"every_target_is_run", every_target_is_run},
};

static void every_target_is_run(void)
{
	CU_ASSERT_EQUAL(fuzz_target_count, countof(tests) - 1);
}

int main(int argc, char **argv)
{
	return test_main(argc, argv, "fuzz", tests, countof(tests));
}
