/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * share.h - the worker: the process that serves a share, until it ends or is replaced.
 */
#ifndef XEN9PFSD_SHARE_H
#define XEN9PFSD_SHARE_H

#include <stdbool.h>

#include "xen9pfsd/control.h"

/* A worker's exit status. Any other, and any signal, is a death that calls for a successor, as is
 * SHARE_SIGNAL plus the number of a signal that it has handled by ending. */
enum share_exit {
	SHARE_DONE,	   /* after CONTROL_STOP */
	SHARE_FAILED,	   /* it has reported why */
	SHARE_HELD,	   /* after CONTROL_HOLD */
	SHARE_HANDED_OVER, /* after CONTROL_HANDOVER */
	SHARE_ARENA,	   /* what the arena holds cannot be trusted */
	SHARE_SIGNAL = 128,
};

struct share_env {
	/* start->how: CONTROL_FRESH or CONTROL_RESTORE until a worker has been ready; then, and
	 * after a handover, CONTROL_TAKE_OVER: the session's descriptors are in the table. */
	const struct control_start *start;
	bool standby; /* prepare, then wait for KEEPER_WAKE before anything is touched */
};

/* The whole life of a worker. Returns its exit status. All else that it needs stands in the fixed
 * descriptors (keeper.h): it reports and is given orders at KEEPER_ORDERS. */
int share_serve(const struct share_env *env);

#endif
