/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_pace.c - what is counted, by the times that are told.
 */
#include "tests/lib/test.h"
#include "xen9pfsd/pace.h"

#define START 500 /* soon after the host has */

static void a_period_begins_with_the_first(void)
{
	struct pace_count count = {.count = 0};

	for (uint32_t i = 1; i <= 10; i++)
		CU_ASSERT_EQUAL(pace_next(&count, START + i), i);
	CU_ASSERT_EQUAL(pace_next(&count, START + 1 + PACE_PERIOD_MS), 11);
	CU_ASSERT_EQUAL(pace_next(&count, START + 2 + PACE_PERIOD_MS), 1);
	CU_ASSERT_EQUAL(pace_next(&count, START + 2 + PACE_PERIOD_MS), 2);
}

static void what_is_forgotten_begins_anew(void)
{
	struct pace_count count = {.count = 0};

	pace_next(&count, START);
	count.count = 0;
	CU_ASSERT_EQUAL(pace_next(&count, START + PACE_PERIOD_MS), 1);
	CU_ASSERT_EQUAL(pace_next(&count, START + 2 * PACE_PERIOD_MS), 2);
}

static void no_flood_comes_round_to_nothing(void)
{
	struct pace_count count = {.since_ms = START, .count = UINT32_MAX - 1};

	CU_ASSERT_EQUAL(pace_next(&count, START), UINT32_MAX);
	CU_ASSERT_EQUAL(pace_next(&count, START), UINT32_MAX);
}

static const struct test tests[] = {
	{"a_period_begins_with_the_first", a_period_begins_with_the_first},
	{"what_is_forgotten_begins_anew", what_is_forgotten_begins_anew},
	{"no_flood_comes_round_to_nothing", no_flood_comes_round_to_nothing},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "pace", tests, sizeof(tests) / sizeof(tests[0]));
}
