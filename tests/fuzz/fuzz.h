/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz.h - what the fuzz targets share. A target takes any bytes and aborts when something that has
 * to hold does not; the sanitizers look for the rest. Two programs run them: `fuzz` (libFuzzer, for
 * hunting: ./dev fuzz) and `test_fuzz` (CUnit, for ./dev check: the seeds and a fixed number of
 * inputs made from them).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_target {
	const char *name; /* of its seeds' directory, too */
	const char *what;
	void (*run)(const uint8_t *data, size_t size);
	size_t record; /* the input is a row of records of so many bytes; 0: it is not */
	size_t max;    /* size of an input */
};

extern const struct fuzz_target fuzz_targets[];
extern const size_t fuzz_target_count;

const struct fuzz_target *fuzz_target(const char *name); /* NULL: there is none */

/* fuzz_wire.c and so on. */
void fuzz_wire(const uint8_t *data, size_t size);
void fuzz_session(const uint8_t *data, size_t size);
void fuzz_saved(const uint8_t *data, size_t size);
void fuzz_ring(const uint8_t *data, size_t size);
void fuzz_backend(const uint8_t *data, size_t size);
void fuzz_config(const uint8_t *data, size_t size);
void fuzz_control(const uint8_t *data, size_t size);
void fuzz_handover(const uint8_t *data, size_t size);

/* Something that has to hold, whatever the input. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_fail(__FILE__, __LINE__, #condition);                                 \
	} while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *text);

/* An input that is read from front to back; behind its end there are zeros. */
struct fuzz_input {
	const uint8_t *next;
	size_t left;
};
uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);
uint32_t fuzz_u32(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);
size_t fuzz_bytes(struct fuzz_input *in, void *bytes, size_t size); /* how many there were */

/* A copy in memory of exactly that size, where a sanitizer sees each step beyond. For free(). */
void *fuzz_exact(const void *bytes, size_t size);

/* Changes an input, records as a whole where there are some; returns its new size. `data` has room
 * for target->max bytes. */
size_t fuzz_mutate(const struct fuzz_target *target, uint8_t *data, size_t size, uint64_t *chance);

/* Descriptors from FUZZ_FDS on belong to the running target and are closed behind it. */
#define FUZZ_FDS 48
void fuzz_begin(void); /* once, before the first input; FUZZ_TRACE in the environment: talks */
void fuzz_close_fds(void);
unsigned fuzz_count_fds(void);

#endif
