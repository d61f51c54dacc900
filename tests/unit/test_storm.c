/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_storm.c - how long events are put off.
 */
#include "tests/lib/test.h"
#include "xen9pfsd/storm.h"

static void some_events_for_nothing_are_in_order(void)
{
	struct storm storm = {.vain = 0};

	for (unsigned i = 0; i < STORM_FREE; i++) {
		CU_ASSERT_EQUAL(storm_wait_ns(&storm), 0);
		storm_event(&storm);
	}
	CU_ASSERT_EQUAL(storm_wait_ns(&storm), 0);
}

/* What Linux does: one with a request, and one when it has taken the reply. */
static void events_between_replies_are_never_put_off(void)
{
	struct storm storm = {.vain = 0};

	for (unsigned i = 0; i < 1000; i++) {
		storm_event(&storm);
		CU_ASSERT_EQUAL(storm_wait_ns(&storm), 0);
		storm_told(&storm);
		storm_event(&storm);
		CU_ASSERT_EQUAL(storm_wait_ns(&storm), 0);
	}
}

static void a_storm_is_put_off_ever_longer(void)
{
	struct storm storm = {.vain = STORM_FREE};
	int64_t last = 0, wait;

	for (unsigned i = 0; i < 100000; i++) {
		storm_event(&storm);
		wait = storm_wait_ns(&storm);
		CU_ASSERT(wait > last || wait == STORM_LONGEST_NS);
		CU_ASSERT(wait <= STORM_LONGEST_NS);
		CU_ASSERT(last == 0 || wait <= 2 * last);
		last = wait;
	}
	CU_ASSERT_EQUAL(last, STORM_LONGEST_NS);
}

static void work_ends_it(void)
{
	struct storm storm = {.vain = 0};

	for (unsigned i = 0; i < 1000; i++)
		storm_event(&storm);
	storm_told(&storm);
	CU_ASSERT_EQUAL(storm_wait_ns(&storm), 0);
}

static const struct test tests[] = {
	{"some_events_for_nothing_are_in_order", some_events_for_nothing_are_in_order},
	{"events_between_replies_are_never_put_off", events_between_replies_are_never_put_off},
	{"a_storm_is_put_off_ever_longer", a_storm_is_put_off_ever_longer},
	{"work_ends_it", work_ends_it},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "storm", tests, sizeof(tests) / sizeof(tests[0]));
}
