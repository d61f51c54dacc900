/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * handshake.c - the table.
 *
 *	          front 3, 4         ready             front 5, 6, 1, gone
 *	NEW ──► WAIT ──► STARTING ──────► CONNECTED ──────► STOPPING ──► DROPPED
 *	          ▲           └─────────── ended ─────────┴─────────────────▲
 *	          │                                                         │
 *	          ├────── CLOSING [5] ◄──────── front 3, 4, 5 ──────────────┤
 *	          │           │ front 6                                     │
 *	          │           ▼                                             │
 *	          └─────── CLOSED [6] ◄──────── front 6, gone ──────────────┘
 *	        front 1, 3
 *
 * State 2 is written once per round and never over itself: some Linux kernels set up new rings
 * each time they read it. State 5 stays until the frontend shows 6: Linux' shutdown and Mini-OS
 * wait for exactly 5.
 */
#include "xenbus/handshake.h"

#include <stddef.h>

#define NEW HANDSHAKE_NEW
#define ELSEWHERE HANDSHAKE_ELSEWHERE
#define WAIT HANDSHAKE_WAIT
#define STARTING HANDSHAKE_STARTING
#define CONNECTED HANDSHAKE_CONNECTED
#define STOPPING HANDSHAKE_STOPPING
#define DROPPED HANDSHAKE_DROPPED
#define CLOSING HANDSHAKE_CLOSING
#define CLOSED HANDSHAKE_CLOSED

/* clang-format off */
/* What ends a process, running or about to. */
#define STOPPED_BY_THE_STORE                                                                       \
	[HANDSHAKE_FRONT_INITIALISING] = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_FRONT_CLOSING]      = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_FRONT_CLOSED]       = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_FRONT_GONE]         = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_FRONT_REPLACED]     = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_REMOVED]            = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_REMOVED_ALONE]      = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_RECREATED]          = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_TAKEN]              = {STOPPING, HANDSHAKE_STOP},                               \
	[HANDSHAKE_DIR_GONE]           = {STOPPING, HANDSHAKE_STOP},

/* A cell that is not listed has action 0: HANDSHAKE_STAY. */
static const struct handshake_move table[HANDSHAKE_STATES][HANDSHAKE_EVENTS] = {
	[NEW] = {
		[HANDSHAKE_FRONT_INITIALISING] = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_INITWAIT]     = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_INITIALISED]  = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_CONNECTED]    = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_CLOSING]      = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_CLOSED]       = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_REMOVED]            = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_REMOVED_ALONE]      = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_TAKEN]              = {ELSEWHERE, HANDSHAKE_MOVE},
		[HANDSHAKE_DIR_GONE]           = {NEW, HANDSHAKE_FORGET},
	},
	/* Until it is not taken any more. */
	[ELSEWHERE] = {
		[HANDSHAKE_FRONT_INITIALISING] = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_FRONT_INITWAIT]     = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_FRONT_INITIALISED]  = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_FRONT_CONNECTED]    = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_FRONT_CLOSING]      = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_FRONT_CLOSED]       = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_FRONT_GONE]         = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_REMOVED]            = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_REMOVED_ALONE]      = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_RECREATED]          = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_DIR_GONE]           = {NEW, HANDSHAKE_FORGET},
	},
	[WAIT] = {
		[HANDSHAKE_FRONT_INITIALISED]  = {STARTING, HANDSHAKE_START},
		/* With new rings, when it took our last 4 for an answer to them. */
		[HANDSHAKE_FRONT_CONNECTED]    = {STARTING, HANDSHAKE_START},
		[HANDSHAKE_FRONT_CLOSING]      = {CLOSING, HANDSHAKE_CLOSE},
		[HANDSHAKE_FRONT_CLOSED]       = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_REMOVED]            = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_REMOVED_ALONE]      = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_RECREATED]          = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_TAKEN]              = {ELSEWHERE, HANDSHAKE_MOVE},
		[HANDSHAKE_DIR_GONE]           = {NEW, HANDSHAKE_FORGET},
	},
	[STARTING] = {
		[HANDSHAKE_SHARE_READY]        = {CONNECTED, HANDSHAKE_ANNOUNCE},
		[HANDSHAKE_SHARE_ENDED]        = {DROPPED, HANDSHAKE_MOVE},
		STOPPED_BY_THE_STORE
	},
	[CONNECTED] = {
		[HANDSHAKE_SHARE_ENDED]        = {DROPPED, HANDSHAKE_MOVE},
		STOPPED_BY_THE_STORE
	},
	[STOPPING] = {
		[HANDSHAKE_SHARE_ENDED]        = {DROPPED, HANDSHAKE_MOVE},
	},
	[DROPPED] = {
		[HANDSHAKE_FRONT_INITIALISING] = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_INITWAIT]     = {CLOSING, HANDSHAKE_CLOSE},
		[HANDSHAKE_FRONT_INITIALISED]  = {CLOSING, HANDSHAKE_CLOSE},
		[HANDSHAKE_FRONT_CONNECTED]    = {CLOSING, HANDSHAKE_CLOSE},
		[HANDSHAKE_FRONT_CLOSING]      = {CLOSING, HANDSHAKE_CLOSE},
		[HANDSHAKE_FRONT_CLOSED]       = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_FRONT_GONE]         = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_FRONT_REPLACED]     = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_REMOVED]            = {CLOSING, HANDSHAKE_CLOSE},
		[HANDSHAKE_REMOVED_ALONE]      = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_RECREATED]          = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_TAKEN]              = {ELSEWHERE, HANDSHAKE_MOVE},
		[HANDSHAKE_DIR_GONE]           = {NEW, HANDSHAKE_FORGET},
	},
	[CLOSING] = {
		[HANDSHAKE_FRONT_INITIALISING] = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_CLOSED]       = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_FRONT_GONE]         = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_REMOVED_ALONE]      = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_TIMEOUT]            = {CLOSED, HANDSHAKE_FINISH},
		[HANDSHAKE_RECREATED]          = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_TAKEN]              = {ELSEWHERE, HANDSHAKE_MOVE},
		[HANDSHAKE_DIR_GONE]           = {NEW, HANDSHAKE_FORGET},
	},
	[CLOSED] = {
		[HANDSHAKE_FRONT_INITIALISING] = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_FRONT_INITIALISED]  = {WAIT, HANDSHAKE_PUBLISH},
		[HANDSHAKE_REMOVED]            = {CLOSED, HANDSHAKE_CLEAR},
		[HANDSHAKE_REMOVED_ALONE]      = {CLOSED, HANDSHAKE_CLEAR},
		[HANDSHAKE_RECREATED]          = {NEW, HANDSHAKE_MOVE},
		[HANDSHAKE_TAKEN]              = {ELSEWHERE, HANDSHAKE_MOVE},
		[HANDSHAKE_DIR_GONE]           = {NEW, HANDSHAKE_FORGET},
	},
};
/* clang-format on */

static enum handshake_event front_event(enum xenbus_state front)
{
	switch (front) {
	case XenbusStateInitialising:
		return HANDSHAKE_FRONT_INITIALISING;
	case XenbusStateInitWait:
		return HANDSHAKE_FRONT_INITWAIT;
	case XenbusStateInitialised:
		return HANDSHAKE_FRONT_INITIALISED;
	case XenbusStateConnected:
		return HANDSHAKE_FRONT_CONNECTED;
	case XenbusStateClosing:
		return HANDSHAKE_FRONT_CLOSING;
	case XenbusStateClosed:
		return HANDSHAKE_FRONT_CLOSED;
	case XenbusStateUnknown:
		break;
	}
	return HANDSHAKE_FRONT_GONE;
}

enum handshake_event handshake_look(const struct handshake_view *view)
{
	if (view->dir_gone)
		return HANDSHAKE_DIR_GONE;
	if (view->own == XenbusStateInitialising && view->wrote != XenbusStateInitialising)
		return HANDSHAKE_RECREATED;
	if (view->taken)
		return HANDSHAKE_TAKEN;
	if (!view->online || (view->own != view->wrote && view->own >= XenbusStateClosing)) {
		bool alone = view->front == XenbusStateUnknown ||
			     view->front == XenbusStateClosed ||
			     view->front == XenbusStateInitialising;

		return alone ? HANDSHAKE_REMOVED_ALONE : HANDSHAKE_REMOVED;
	}
	if (view->replaced &&
	    (view->front == XenbusStateInitialised || view->front == XenbusStateConnected))
		return HANDSHAKE_FRONT_REPLACED;
	return front_event(view->front);
}

struct handshake_move handshake_next(enum handshake_state state, enum handshake_event event)
{
	struct handshake_move move = table[state][event];

	if (move.action == HANDSHAKE_STAY)
		move.next = state;
	return move;
}

const char *handshake_state_name(enum handshake_state state)
{
	static const char *const names[HANDSHAKE_STATES] = {
		[NEW] = "new",		 [ELSEWHERE] = "elsewhere", [WAIT] = "waiting",
		[STARTING] = "starting", [CONNECTED] = "connected", [STOPPING] = "stopping",
		[DROPPED] = "dropped",	 [CLOSING] = "closing",	    [CLOSED] = "closed",
	};

	return names[state];
}

const char *handshake_event_name(enum handshake_event event)
{
	static const char *const names[HANDSHAKE_EVENTS] = {
		[HANDSHAKE_FRONT_INITIALISING] = "frontend initialising",
		[HANDSHAKE_FRONT_INITWAIT] = "frontend waiting",
		[HANDSHAKE_FRONT_INITIALISED] = "frontend initialised",
		[HANDSHAKE_FRONT_CONNECTED] = "frontend connected",
		[HANDSHAKE_FRONT_CLOSING] = "frontend closing",
		[HANDSHAKE_FRONT_CLOSED] = "frontend closed",
		[HANDSHAKE_FRONT_GONE] = "frontend gone",
		[HANDSHAKE_FRONT_REPLACED] = "frontend has new rings",
		[HANDSHAKE_REMOVED] = "device is being removed",
		[HANDSHAKE_REMOVED_ALONE] = "device is being removed, frontend is gone",
		[HANDSHAKE_RECREATED] = "device was created anew",
		[HANDSHAKE_TAKEN] = "claimed by another backend",
		[HANDSHAKE_DIR_GONE] = "device directory is gone",
		[HANDSHAKE_SHARE_READY] = "share is ready",
		[HANDSHAKE_SHARE_ENDED] = "share has ended",
		[HANDSHAKE_TIMEOUT] = "frontend does not answer",
	};

	return names[event];
}
