/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_request.h - requests made from an input, by the fields that messages.def has for them: a
 * message that is added there is made here without a word. Numbers are drawn from few fids and
 * tags, so that requests meet each other, and from values at which something changes.
 */
#ifndef TESTS_FUZZ_FUZZ_REQUEST_H
#define TESTS_FUZZ_FUZZ_REQUEST_H

#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_FIDS 8
#define FUZZ_TAGS 16
#define FUZZ_REQUEST_MAX (16 * 1024)

/* A request of the kind that is number `which` modulo their count; strings are static. */
void fuzz_request(struct fuzz_input *in, uint8_t which, struct p9_msg *msg);

/* An absolute target for symlinks, besides those that are always there; borrowed. */
void fuzz_request_target(const char *target);

#endif
