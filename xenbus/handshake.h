/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * handshake.h - the backend's half of the XenBus states, as one table without I/O.
 *
 * The supervisor looks at the store, tells what it sees (struct handshake_view) or what happened
 * (an event), and carries out the one action it is given. Source: public/io/xenbus.h, the
 * behaviour of libxl and of the Linux, Mini-OS and Unikraft frontends.
 */
#ifndef XENBUS_HANDSHAKE_H
#define XENBUS_HANDSHAKE_H

#include <stdbool.h>

/* public/io/xenbus.h; 0 stands for a node that is missing or unreadable. */
enum xenbus_state {
	XenbusStateUnknown = 0,
	XenbusStateInitialising = 1,
	XenbusStateInitWait = 2,
	XenbusStateInitialised = 3,
	XenbusStateConnected = 4,
	XenbusStateClosing = 5,
	XenbusStateClosed = 6,
};

/* Where a device is with us. In brackets the state that stands in the store. */
enum handshake_state {
	HANDSHAKE_NEW,	     /* [1] seen, not claimed */
	HANDSHAKE_ELSEWHERE, /* [any] another backend has claimed it */
	HANDSHAKE_WAIT,	     /* [2] published, the frontend's turn */
	HANDSHAKE_STARTING,  /* [2] the share's process is mapping the rings */
	HANDSHAKE_CONNECTED, /* [4] it serves, or is being brought back */
	HANDSHAKE_STOPPING,  /* [2 or 4] it was told to end */
	HANDSHAKE_DROPPED,   /* [2 or 4] it has ended: what now? Never lasts */
	HANDSHAKE_CLOSING,   /* [5] the frontend's turn */
	HANDSHAKE_CLOSED,    /* [6] */
	HANDSHAKE_STATES,
};

enum handshake_event {
	/* The frontend's state. */
	HANDSHAKE_FRONT_INITIALISING,
	HANDSHAKE_FRONT_INITWAIT,
	HANDSHAKE_FRONT_INITIALISED,
	HANDSHAKE_FRONT_CONNECTED,
	HANDSHAKE_FRONT_CLOSING,
	HANDSHAKE_FRONT_CLOSED,
	HANDSHAKE_FRONT_GONE,
	/* It is 3 or 4, with other rings than those that are mapped. */
	HANDSHAKE_FRONT_REPLACED,
	/* The toolstack takes the device away (online = 0, or it wrote our state), while the
	 * frontend is still there, or without. */
	HANDSHAKE_REMOVED,
	HANDSHAKE_REMOVED_ALONE,
	/* Our state reads 1 although we wrote another: a new device in the old one's place. */
	HANDSHAKE_RECREATED,
	HANDSHAKE_TAKEN, /* another backend has claimed it */
	HANDSHAKE_DIR_GONE,
	/* The share's process. */
	HANDSHAKE_SHARE_READY,
	HANDSHAKE_SHARE_ENDED,
	/* The frontend had its time to answer state 5. */
	HANDSHAKE_TIMEOUT,
	HANDSHAKE_EVENTS,
};

enum handshake_action {
	HANDSHAKE_STAY,	    /* nothing to do, the state stays */
	HANDSHAKE_MOVE,	    /* the state changes, nothing else */
	HANDSHAKE_PUBLISH,  /* check the device, write versions and limits, and state 2 */
	HANDSHAKE_START,    /* read the frontend's keys, start the share's process */
	HANDSHAKE_ANNOUNCE, /* write 4 */
	HANDSHAKE_STOP,	    /* tell the process to end */
	HANDSHAKE_CLOSE,    /* write 5 */
	HANDSHAKE_FINISH,   /* write 6 */
	HANDSHAKE_CLEAR,    /* remove the own directory, where that is ours to do */
	HANDSHAKE_FORGET,   /* the device is history */
};

struct handshake_move {
	enum handshake_state next;
	enum handshake_action action; /* if it fails, the state stays */
};

/* What stands in the store about a device. */
struct handshake_view {
	bool dir_gone; /* our directory or its state is not there */
	bool online;
	enum xenbus_state own;	 /* our node, as it reads */
	enum xenbus_state wrote; /* what we wrote there last; Initialising when nothing */
	enum xenbus_state front;
	bool replaced; /* the frontend's keys differ from those in use */
	bool taken;    /* another backend has claimed it */
};

enum handshake_event handshake_look(const struct handshake_view *view);
struct handshake_move handshake_next(enum handshake_state state, enum handshake_event event);

const char *handshake_state_name(enum handshake_state state);
const char *handshake_event_name(enum handshake_event event);

#endif
