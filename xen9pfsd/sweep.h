/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sweep.h - closing the descriptors that a dead worker left behind in the table it shared.
 */
#ifndef XEN9PFSD_SWEEP_H
#define XEN9PFSD_SWEEP_H

#include <stddef.h>

/* What is to stay. Zeroed at first. */
struct sweep {
	int *keep;
	size_t count, room;
	int error; /* -ENOMEM once something could not be noted */
};

/* Notes a descriptor that stays. */
void sweep_keep(void *sweep, int fd);

/* Closes every descriptor from `first` on that was not noted, and frees the notes. -EUCLEAN: one
 * was noted twice, so the notes are wrong, and nothing was closed. -ENOMEM: the same. */
int sweep_close(struct sweep *sweep, int first);

#endif
