/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_main.c - the targets under libFuzzer; FUZZ_TARGET in the environment names one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");

	(void)argc, (void)argv;
	target = fuzz_target(name != NULL ? name : "");
	if (target == NULL) {
		for (size_t i = 0; i < fuzz_target_count; i++)
			printf("%-10s %s\n", fuzz_targets[i].name, fuzz_targets[i].what);
		exit(name != NULL ? 2 : 0);
	}
	fuzz_begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= target->max)
		target->run(data, size);
	return 0;
}

/* libFuzzer's own mutations know what was compared with what; ours know what a record is. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	uint64_t chance = seed * 0x9e3779b97f4a7c15u + 1;

	if (max < target->max || (target->record == 0 && seed % 8 != 0) || seed % 4 == 0)
		return LLVMFuzzerMutate(data, size, max);
	return fuzz_mutate(target, data, size, &chance);
}
