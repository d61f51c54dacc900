/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ranges.c - see ranges.h.
 */
#include "proto/ranges.h"

#include <string.h>

/* A set that is being made: one more than is kept. */
struct draft {
	uint32_t count;
	struct range at[RANGES_MAX + 1];
};

static void append(struct draft *draft, uint64_t start, uint64_t end)
{
	if (start < end)
		draft->at[draft->count++] = (struct range){start, end};
}

static uint64_t gap_before(const struct draft *draft, uint32_t i)
{
	return draft->at[i].start - draft->at[i - 1].end;
}

static void close_smallest_gap(struct draft *draft)
{
	uint32_t least = 1;

	for (uint32_t i = 2; i < draft->count; i++) {
		if (gap_before(draft, i) < gap_before(draft, least))
			least = i;
	}
	draft->at[least - 1].end = draft->at[least].end;
	draft->count--;
	memmove(&draft->at[least], &draft->at[least + 1],
		(draft->count - least) * sizeof(draft->at[0]));
}

static void keep(struct ranges *ranges, struct draft *draft)
{
	if (draft->count > RANGES_MAX)
		close_smallest_gap(draft);
	ranges->count = draft->count;
	memcpy(ranges->at, draft->at, draft->count * sizeof(draft->at[0]));
}

void ranges_add(struct ranges *ranges, struct range range)
{
	struct draft draft = {.count = 0};
	uint32_t i = 0;

	for (; i < ranges->count && ranges->at[i].end < range.start; i++)
		append(&draft, ranges->at[i].start, ranges->at[i].end);
	for (; i < ranges->count && ranges->at[i].start <= range.end; i++) {
		if (ranges->at[i].start < range.start)
			range.start = ranges->at[i].start;
		if (ranges->at[i].end > range.end)
			range.end = ranges->at[i].end;
	}
	append(&draft, range.start, range.end);
	for (; i < ranges->count; i++)
		append(&draft, ranges->at[i].start, ranges->at[i].end);
	keep(ranges, &draft);
}

void ranges_remove(struct ranges *ranges, struct range range)
{
	struct draft draft = {.count = 0};

	for (uint32_t i = 0; i < ranges->count; i++) {
		const struct range *at = &ranges->at[i];

		append(&draft, at->start, at->end < range.start ? at->end : range.start);
		append(&draft, at->start > range.end ? at->start : range.end, at->end);
	}
	keep(ranges, &draft);
}

const struct range *ranges_first(const struct ranges *ranges, struct range range)
{
	for (uint32_t i = 0; i < ranges->count; i++) {
		if (ranges->at[i].end > range.start)
			return ranges->at[i].start < range.end ? &ranges->at[i] : NULL;
	}
	return NULL;
}

bool ranges_ok(const struct ranges *ranges)
{
	if (ranges->count > RANGES_MAX)
		return false;
	for (uint32_t i = 0; i < ranges->count; i++) {
		if (ranges->at[i].start >= ranges->at[i].end ||
		    (i > 0 && ranges->at[i].start <= ranges->at[i - 1].end))
			return false;
	}
	return true;
}
