/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test.c - see test.h. CUnit runs the tests and counts the assertions; the names filter, the
 * skips and the check for leaked descriptors are ours.
 */
#include "tests/lib/test.h"

#include <CUnit/TestRun.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* CUnit's test functions take no argument: the one that is to run stands here. */
static const struct test *current;
static const char *current_skip;

/* One by one: a test may have locked itself out of /proc. */
unsigned test_open_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < TEST_FDS_MAX; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

void test_skip(const char *why)
{
	current_skip = why;
}

static void run_current(void)
{
	unsigned before = test_open_fds();

	current->run();
	CU_ASSERT_EQUAL(test_open_fds(), before);
}

static void print_failures(void)
{
	for (CU_pFailureRecord f = CU_get_failure_list(); f != NULL; f = f->pNext)
		printf("    %s:%u: %s\n", f->strFileName, f->uiLineNumber, f->strCondition);
}

/* One test in a registry of its own, so that each runs alone exactly as in company. */
static bool run_one(const char *suite, const struct test *test)
{
	bool ok;

	current = test;
	current_skip = NULL;
	if (CU_initialize_registry() != CUE_SUCCESS)
		abort();
	CU_add_test(CU_add_suite(suite, NULL, NULL), test->name, run_current);
	CU_run_all_tests();
	ok = CU_get_number_of_failures() == 0;
	if (!ok)
		printf("FAIL %s/%s\n", suite, test->name);
	else if (current_skip != NULL)
		printf("skip %s/%s: %s\n", suite, test->name, current_skip);
	else
		printf("ok   %s/%s\n", suite, test->name);
	print_failures();
	CU_cleanup_registry();
	return ok;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strstr(name, argv[i]) != NULL)
			return true;
	}
	return argc < 2;
}

int test_main(int argc, char **argv, const char *suite, const struct test *tests, size_t count)
{
	unsigned selected = 0, skipped = 0, failed = 0;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(022);
	close_range(STDERR_FILENO + 1, ~0u, 0); /* whatever whoever calls has left open */
	for (size_t i = 0; i < count; i++) {
		if (!wanted(tests[i].name, argc, argv))
			continue;
		selected++;
		if (!run_one(suite, &tests[i]))
			failed++;
		else if (current_skip != NULL)
			skipped++;
	}
	printf("%s: %u tests, %u failed, %u skipped\n", suite, selected, failed, skipped);
	if (failed > 0 || selected == 0)
		return 1;
	return skipped == selected ? 77 : 0;
}

char *test_tmpdir(void)
{
	const char *base = getenv("TMPDIR");
	char *path;

	if (asprintf(&path, "%s/xen9pfsd-test.XXXXXX", base != NULL ? base : "/tmp") < 0 ||
	    mkdtemp(path) == NULL) {
		perror("test_tmpdir");
		abort();
	}
	return path;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

void test_rmtree(const char *path)
{
	nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}
