/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ranges.h - a set of bytes of a file, as ranges; what a process has locked. Plain data in memory
 * that outlives the process (saved.h). With more ranges than fit, the set becomes a larger one:
 * the smallest gaps are taken for locked.
 */
#ifndef PROTO_RANGES_H
#define PROTO_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#define RANGES_MAX 16

/* `end` is behind the last byte; UINT64_MAX: there is no end. */
struct range {
	uint64_t start, end;
};

/* In order, not empty, with a gap between each two. */
struct ranges {
	uint32_t count;
	struct range at[RANGES_MAX];
};

bool ranges_ok(const struct ranges *ranges); /* for what may be anything */
void ranges_add(struct ranges *ranges, struct range range);
void ranges_remove(struct ranges *ranges, struct range range);

/* The first range of these bytes that has one in common with `range`; NULL: none has. */
const struct range *ranges_first(const struct ranges *ranges, struct range range);

/* From the first byte to no end. */
static inline bool range_is_whole(struct range range)
{
	return range.start == 0 && range.end == UINT64_MAX;
}

static inline bool ranges_are_whole(const struct ranges *ranges)
{
	return ranges->count == 1 && range_is_whole(ranges->at[0]);
}

#endif
