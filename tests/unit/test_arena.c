/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_arena.c - what a share's memory looks like to the process that finds it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xen9pfsd/arena.h"

/* Maps it, has `change` made, if any, and maps it again: that result. */
static int found_after(void (*change)(struct arena *arena))
{
	_cleanup_close_ int fd = memfd_create("arena", MFD_CLOEXEC);
	struct arena *arena;
	char err[128];
	int result;

	CU_ASSERT_EQUAL_FATAL(arena_map(fd, &arena, err, sizeof(err)), 0);
	if (change != NULL)
		change(arena);
	arena_unmap(arena);
	result = arena_map(fd, &arena, err, sizeof(err));
	if (result == 0)
		arena_unmap(arena);
	return result;
}

static void set_rings_alone(struct arena *arena)
{
	arena->rings = 2;
}

static void set_rings_and_serve(struct arena *arena)
{
	arena->rings = 2;
	arena->phase = ARENA_SERVING;
}

static void set_another_layout(struct arena *arena)
{
	arena->layout++;
}

static void a_new_one_is_taken_up(void)
{
	CU_ASSERT_EQUAL(found_after(NULL), 0);
}

static void death_while_the_first_rings_are_mapped_damages_nothing(void)
{
	CU_ASSERT_EQUAL(found_after(set_rings_alone), 0);
}

static void rings_of_no_order_are_damage_in_use(void)
{
	CU_ASSERT_EQUAL(found_after(set_rings_and_serve), -EUCLEAN);
}

static void another_layout_is_refused(void)
{
	CU_ASSERT_EQUAL(found_after(set_another_layout), -EUCLEAN);
}

static const struct test tests[] = {
	{"a_new_one_is_taken_up", a_new_one_is_taken_up},
	{"death_while_the_first_rings_are_mapped_damages_nothing",
	 death_while_the_first_rings_are_mapped_damages_nothing},
	{"rings_of_no_order_are_damage_in_use", rings_of_no_order_are_damage_in_use},
	{"another_layout_is_refused", another_layout_is_refused},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "arena", tests, countof(tests));
}
