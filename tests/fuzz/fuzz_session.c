/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_session.c - a client's program (fuzz_program.h), run on the driver in memory and on the one
 * for host directories side by side: both give the same replies, and what fuzz_world.h says holds.
 *
 * Input: a record of options, then the program.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/fuzz/fuzz_program.h"

#define READONLY 1 /* options */
#define BARE 2	   /* without the version, attach and objects that most programs want */
#define PLACES                                                                                     \
	4 /* data is read to where its reply goes, by one driver and not by the other, which       \
	     shows in what is said when: nothing is compared */

static struct fuzz_world *worlds[2];

/* As root: who is not may not do everything on the host that he may in memory. */
static bool comparable(void)
{
	return geteuid() == 0 && !worlds[1]->too_large;
}

static void compare(void)
{
	if (comparable() && strcmp(worlds[0]->told, worlds[1]->told) != 0) {
		fprintf(stderr, "in memory: %son the host: %s", worlds[0]->told, worlds[1]->told);
		fuzz_fail(__FILE__, __LINE__, "both drivers give the same replies");
	}
	for (unsigned i = 0; i < countof(worlds); i++) {
		worlds[i]->told_size = 0;
		worlds[i]->told[0] = '\0';
	}
}

void fuzz_session(const uint8_t *data, size_t size)
{
	unsigned fds = fuzz_count_fds();
	uint8_t options = size > 0 ? data[0] : 0;

	fuzz_export_reset();
	for (unsigned i = 0; i < countof(worlds); i++) {
		worlds[i] = fuzz_world_open(i == 1, (options & READONLY) != 0);
		if ((options & PLACES) != 0)
			worlds[i]->mute = true;
		else
			fuzz_world_without_places(worlds[i]);
		if ((options & BARE) == 0)
			fuzz_program_prepare(worlds[i]);
	}
	compare();
	for (size_t at = FUZZ_RECORD; at < size; at += FUZZ_RECORD) {
		for (unsigned i = 0; i < countof(worlds); i++)
			fuzz_program_step(worlds[i], fuzz_record(data, size, at));
		compare();
	}
	for (unsigned i = 0; i < countof(worlds); i++)
		fuzz_world_settle(worlds[i]);
	compare();
	for (unsigned i = 0; i < countof(worlds); i++) {
		fuzz_world_check_answered(worlds[i]);
		fuzz_world_close(worlds[i]);
	}
	FUZZ_CHECK(fuzz_count_fds() == fds);
	fuzz_export_check();
}
