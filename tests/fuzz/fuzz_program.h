/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_program.h - what a client does, as an input says: records of RECORD bytes, each a step (enum
 * step), a number, the kind of request, and what the request is made from.
 */
#ifndef TESTS_FUZZ_FUZZ_PROGRAM_H
#define TESTS_FUZZ_FUZZ_PROGRAM_H

#include "tests/fuzz/fuzz_world.h"

#define FUZZ_RECORD 16

/* A session with a few objects, its root as fid 0 and an open file as fid 1. */
void fuzz_program_prepare(struct fuzz_world *world);

/* Nothing, when there is no session any more: its successor was refused. */
void fuzz_program_step(struct fuzz_world *world, struct fuzz_input record);

/* The record at `at` of an input. */
static inline struct fuzz_input fuzz_record(const uint8_t *data, size_t size, size_t at)
{
	return (struct fuzz_input){data + at, size - at < FUZZ_RECORD ? size - at : FUZZ_RECORD};
}

#endif
