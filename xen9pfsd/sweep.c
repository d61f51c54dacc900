/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sweep.c - see sweep.h. No /proc is needed, and gaps cost one call each, however wide.
 */
#include "xen9pfsd/sweep.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

void sweep_keep(void *sweep, int fd)
{
	struct sweep *s = sweep;

	if (s->count == s->room) {
		size_t room = s->room > 0 ? 2 * s->room : 1024;
		int *more = realloc(s->keep, room * sizeof(*more));

		if (more == NULL) {
			s->error = -ENOMEM;
			return;
		}
		s->keep = more;
		s->room = room;
	}
	s->keep[s->count++] = fd;
}

static int compare(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static int sort(struct sweep *s)
{
	if (s->error < 0 || s->count == 0)
		return s->error;
	qsort(s->keep, s->count, sizeof(*s->keep), compare);
	for (size_t i = 1; i < s->count; i++) {
		if (s->keep[i] == s->keep[i - 1])
			return -EUCLEAN;
	}
	return 0;
}

int sweep_close(struct sweep *sweep, int first)
{
	int err = sort(sweep);

	for (size_t i = 0; i < sweep->count && err == 0; i++) {
		int next = sweep->keep[i];

		if (next > first)
			close_range((unsigned)first, (unsigned)next - 1, 0);
		if (next == INT_MAX)
			break;
		if (next >= first)
			first = next + 1;
	}
	if (err == 0)
		close_range((unsigned)first, ~0u, 0);
	free(sweep->keep);
	*sweep = (struct sweep){.keep = NULL};
	return err;
}
