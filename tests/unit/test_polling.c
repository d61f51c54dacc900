/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_polling.c - how long is looked for work, by the times that are told.
 */
#include "tests/lib/test.h"
#include "xen9pfsd/polling.h"

#define US 1000LL
#define MS 1000000LL
#define START (5000 * MS)

static int64_t window(struct polling *p, int64_t now)
{
	return polling_until(p, now) - now;
}

static void nobody_looks_before_a_short_sleep(void)
{
	struct polling p = {.window = 0};

	CU_ASSERT_EQUAL(window(&p, START), 0);
	polling_slept(&p, START, START + 20 * MS);
	CU_ASSERT_EQUAL(window(&p, START + 20 * MS), 0);
	polling_slept(&p, START, START + POLLING_MAX_NS + 1);
	CU_ASSERT_EQUAL(window(&p, START + MS), 0);
}

static void a_short_sleep_opens_a_window_for_the_next(void)
{
	struct polling p = {.window = 0};

	polling_slept(&p, START, START + 20 * US);
	CU_ASSERT(window(&p, START + MS) >= 20 * US);
	CU_ASSERT(window(&p, START + MS) <= POLLING_MAX_NS);
	polling_slept(&p, START, START + 1);
	CU_ASSERT(window(&p, START + MS) >= 20 * US);
	polling_slept(&p, START, START + POLLING_MAX_NS);
	CU_ASSERT_EQUAL(window(&p, START + MS), POLLING_MAX_NS);
}

static void a_long_sleep_closes_it(void)
{
	struct polling p = {.window = 0};

	polling_slept(&p, START, START + 20 * US);
	polling_slept(&p, START, START + MS);
	CU_ASSERT_EQUAL(window(&p, START + 2 * MS), 0);
}

static void looks_in_vain_become_shorter_and_end(void)
{
	struct polling p = {.window = 0};
	int64_t now = START, last = POLLING_MAX_NS + 1;
	unsigned looks = 0;

	polling_slept(&p, now, now + POLLING_MAX_NS);
	while (window(&p, now) > 0 && looks < 100) {
		CU_ASSERT(window(&p, now) < last);
		last = window(&p, now);
		polling_looked(&p, now, now + last, false);
		now += last;
		looks++;
	}
	CU_ASSERT(looks > 1 && looks < 10);
}

static void looks_that_find_something_go_on(void)
{
	struct polling p = {.window = 0};
	int64_t now = START, first;

	polling_slept(&p, now, now + 20 * US);
	first = window(&p, now);
	for (int i = 0; i < 1000; i++) {
		polling_looked(&p, now, now + first - 1, true);
		now += first;
	}
	CU_ASSERT_EQUAL(window(&p, now), first);
}

/* Whatever happens: sleeps that are short, and looks that are always too short. */
static void what_is_looked_in_vain_is_a_part_of_the_time(void)
{
	struct polling p = {.window = 0};
	int64_t now = START, wasted = 0;

	while (now < START + 1000 * MS) {
		int64_t look = window(&p, now);

		if (look > 0)
			polling_looked(&p, now, now + look, false);
		wasted += look;
		now += look;
		polling_slept(&p, now, now + 40 * US);
		now += 40 * US;
	}
	CU_ASSERT(wasted > 10 * MS);
	CU_ASSERT(wasted <= (1000 * MS / POLLING_PERIOD_NS + 1) * POLLING_BUDGET_NS);
}

static void nobody_looks_on_a_busy_processor(void)
{
	struct polling p = {.window = 0};

	polling_slept(&p, START, START + 20 * US);
	polling_preempted(&p, START + MS);
	CU_ASSERT_EQUAL(window(&p, START + MS), 0);
	CU_ASSERT_EQUAL(window(&p, START + MS + POLLING_TRUCE_NS - 1), 0);
	CU_ASSERT(window(&p, START + MS + POLLING_TRUCE_NS) > 0);
}

static const struct test tests[] = {
	{"nobody_looks_before_a_short_sleep", nobody_looks_before_a_short_sleep},
	{"a_short_sleep_opens_a_window_for_the_next", a_short_sleep_opens_a_window_for_the_next},
	{"a_long_sleep_closes_it", a_long_sleep_closes_it},
	{"looks_in_vain_become_shorter_and_end", looks_in_vain_become_shorter_and_end},
	{"looks_that_find_something_go_on", looks_that_find_something_go_on},
	{"what_is_looked_in_vain_is_a_part_of_the_time",
	 what_is_looked_in_vain_is_a_part_of_the_time},
	{"nobody_looks_on_a_busy_processor", nobody_looks_on_a_busy_processor},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "polling", tests, sizeof(tests) / sizeof(tests[0]));
}
