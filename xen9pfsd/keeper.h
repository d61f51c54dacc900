/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * keeper.h - the process that lives as long as its share, and starts a new worker when one dies.
 *
 * Keeper and worker share one descriptor table, but no memory (clone(2) with CLONE_FILES, no
 * exec). What a worker has opened outlives it there, under the same numbers; what it knew is in
 * the arena. The keeper never maps the guest's memory, and looks into the arena only at its head
 * (arena_check()), when it takes a session over; it does not trust the worker, which may close or
 * replace any descriptor.
 *
 * Numbers from KEEPER_FDS on belong to the worker. One that starts closes those that the arena
 * does not know, so the keeper opens nothing between a worker's start and its CONTROL_READY.
 */
#ifndef XEN9PFSD_KEEPER_H
#define XEN9PFSD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "xen9pfsd/control.h"

/* The fixed descriptors. Numbers that are not in use hold a placeholder. */
enum keeper_fd {
	KEEPER_CONTROL = CONTROL_FD, /* to the supervisor */
	KEEPER_LISTEN,		     /* where a supervisor that comes later connects */
	KEEPER_ARENA,
	KEEPER_ROOT,	 /* O_PATH, the export root */
	KEEPER_ORDERS,	 /* the worker's end of a SOCK_SEQPACKET pair, new for each worker; */
	KEEPER_REPORTS,	 /* the keeper's end */
	KEEPER_SELF,	 /* pidfd of the keeper, so that the others notice its death */
	KEEPER_WORKER,	 /* pidfd of the worker */
	KEEPER_STANDBY,	 /* pidfd of the standby */
	KEEPER_WAKE,	 /* eventfd (semaphore): readable when the standby becomes the worker */
	KEEPER_HANDOVER, /* the socket of a handover under way */
	KEEPER_FDS = 16,
};

/* The table has room for so many from the start: 32 KiB. */
#define KEEPER_TABLE 4096

/* A worker may open so many files fewer than the keeper: else one that has used up all numbers
 * could not get a successor. Three at a time are needed (a pair of sockets and one more). */
#define KEEPER_RESERVE 16

/* Runs with the supervisor's socket as descriptor CONTROL_FD. Returns the exit status: EXIT_SUCCESS
 * when the share ended as ordered, or the supervisor was told why it did. */
int keeper_main(void);

/* ---- what follows from a worker's death ---- */

/* A worker that dies before it serves finds something that will not go away: so many in a row.
 * SIGKILL comes from outside and counts on its own: a busy host may let somebody who kills, or the
 * kernel that has no memory left, be faster than a start for a while. */
#define KEEPER_UNREADY_MAX 10
#define KEEPER_KILLED_MAX 1000
/* One that dies while it serves may have met a bad request, which is set aside after a few
 * attempts; so many deaths within a minute are no such thing, but a fault that somebody uses.
 * SIGKILL does not count. */
#define KEEPER_DEATHS_MAX 100
#define KEEPER_DEATHS_MS 60000

enum keeper_verdict {
	KEEPER_NEXT,	/* a successor, at once */
	KEEPER_PAUSE,	/* none until CONTROL_SERVE */
	KEEPER_END,	/* the share has ended as it was to, or has said why itself */
	KEEPER_COMMIT,	/* it lives on elsewhere: handover_commit(), and end */
	KEEPER_GIVE_UP, /* the supervisor has to be told why */
};

struct keeper_death {
	int64_t now_ms; /* any clock that only goes forward */
	bool signalled; /* by signal `status`; else: exit status `status` */
	int status;	/* enum share_exit */
	bool ready;	/* it had said CONTROL_READY */
	bool failed;	/* it had said CONTROL_FAILED */
	uint32_t order; /* CONTROL_STOP, CONTROL_HOLD, or CONTROL_SERVE: held, but to be
			 * started again; 0: none */
	bool handing;	/* it had been told to hand over */
};

/* Zeroed at first. */
struct keeper_history {
	unsigned deaths;		    /* those that nobody ordered */
	unsigned unready;		    /* of them, in a row, before CONTROL_READY, */
	unsigned killed;		    /* and such by SIGKILL */
	unsigned counted;		    /* of them, those that count for KEEPER_DEATHS_MAX */
	int64_t when_ms[KEEPER_DEATHS_MAX]; /* the latest of these */
};

/* Takes down a death and tells what follows. `*why` (static) is set for KEEPER_GIVE_UP. */
enum keeper_verdict keeper_judge(struct keeper_history *history, const struct keeper_death *death,
				 const char **why);

#endif
