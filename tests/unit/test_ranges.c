/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_ranges.c - sets of ranges against one flag for each byte.
 */
#include <string.h>

#include "common/util.h"
#include "proto/ranges.h"
#include "tests/lib/test.h"

#define BYTES 64

static bool has(const struct ranges *set, uint64_t byte)
{
	return ranges_first(set, (struct range){byte, byte + 1}) != NULL;
}

/* As many as fit, and more: then what is in the set stays in it. */
static void random_steps(unsigned bytes, bool exact)
{
	struct ranges set = {.count = 0};
	bool flag[BYTES] = {false};
	uint32_t random = 7;

	for (int step = 0; step < 20000; step++) {
		struct range range;
		bool adds;

		random = random * 1664525 + 1013904223;
		adds = random >> 30 & 1;
		range.start = (random >> 8) % bytes;
		range.end = range.start + 1 + (random >> 16) % 4;
		if (range.end > bytes)
			range.end = bytes;
		if (adds)
			ranges_add(&set, range);
		else
			ranges_remove(&set, range);
		memset(&flag[range.start], adds, range.end - range.start);
		CU_ASSERT(ranges_ok(&set));
		for (uint64_t i = 0; i < bytes; i++) {
			if (exact || flag[i])
				CU_ASSERT_EQUAL(has(&set, i), flag[i]);
		}
	}
}

static void a_set_is_exact_as_long_as_its_ranges_fit(void)
{
	random_steps(2 * RANGES_MAX, true);
}

static void nothing_gets_lost_when_they_do_not(void)
{
	random_steps(BYTES, false);
}

static void the_smallest_gap_is_closed(void)
{
	struct ranges set = {.count = 0};

	for (uint64_t i = 0; i < RANGES_MAX; i++)
		ranges_add(&set, (struct range){100 * i, 100 * i + (i == 5 ? 60 : 50)});
	CU_ASSERT_EQUAL(set.count, RANGES_MAX);
	ranges_add(&set, (struct range){5000, 5001});
	CU_ASSERT_EQUAL(set.count, RANGES_MAX);
	CU_ASSERT(has(&set, 580) && !has(&set, 480) && has(&set, 5000));
	ranges_remove(&set, (struct range){0, UINT64_MAX});
	CU_ASSERT_EQUAL(set.count, 0);
}

static void a_range_without_end_is_whole_from_0(void)
{
	struct ranges set = {.count = 0};

	ranges_add(&set, (struct range){10, UINT64_MAX});
	CU_ASSERT(!ranges_are_whole(&set));
	ranges_add(&set, (struct range){0, 10});
	CU_ASSERT(ranges_are_whole(&set));
	ranges_remove(&set, (struct range){5, 6});
	CU_ASSERT(!ranges_are_whole(&set) && set.count == 2);
}

static void what_is_no_set_is_refused(void)
{
	struct ranges good = {.count = 2, .at = {{0, 5}, {6, UINT64_MAX}}}, bad = good;

	CU_ASSERT(ranges_ok(&good));
	bad.count = RANGES_MAX + 1;
	CU_ASSERT(!ranges_ok(&bad));
	bad = good;
	bad.at[1].start = 5;
	CU_ASSERT(!ranges_ok(&bad));
	bad = good;
	bad.at[0].end = 0;
	CU_ASSERT(!ranges_ok(&bad));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		{"a_set_is_exact_as_long_as_its_ranges_fit",
		 a_set_is_exact_as_long_as_its_ranges_fit},
		{"nothing_gets_lost_when_they_do_not", nothing_gets_lost_when_they_do_not},
		{"the_smallest_gap_is_closed", the_smallest_gap_is_closed},
		{"a_range_without_end_is_whole_from_0", a_range_without_end_is_whole_from_0},
		{"what_is_no_set_is_refused", what_is_no_set_is_refused},
	};

	return test_main(argc, argv, "ranges", tests, countof(tests));
}
