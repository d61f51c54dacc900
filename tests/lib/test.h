/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test.h - what every test program shares: a main() around CUnit, scratch directories, skips.
 *
 * A program without arguments runs all its tests; with arguments those whose names contain one
 * of them. Exit status: 0 all passed, 1 a failure (also when a descriptor is open at the end
 * of a test that was not at its start), 77 when every selected test was skipped.
 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <CUnit/CUnit.h>
#include <stddef.h>

struct test {
	const char *name; /* the fact that holds, with underscores */
	void (*run)(void);
};

int test_main(int argc, char **argv, const char *suite, const struct test *tests, size_t count);

/* A new empty directory for free(); below $TMPDIR. test_rmtree() removes it and all below. */
char *test_tmpdir(void);
void test_rmtree(const char *path);

/* Says why the running test cannot run here; the test then returns. */
void test_skip(const char *why);

/* How many descriptors below TEST_FDS_MAX this process has open. */
#define TEST_FDS_MAX 4096
unsigned test_open_fds(void);

#endif
