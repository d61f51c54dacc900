/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * process.h - the processes of one share as the supervisor has them: a keeper, which has a worker
 * that serves. Here stands what is done when any of them, or a supervisor before this one, dies;
 * the handshake (backend.h) hears only of a share that serves and of one that has ended.
 *
 *	keeper dead, worker lives    a new keeper takes over the worker's descriptors
 *	both dead                    a new keeper restores the session from the arena
 *	supervisor dead              the next one calls the keeper by its socket, and adopts it
 *
 * A dead worker alone is its keeper's business. One thread uses this; nothing blocks.
 */
#ifndef XEN9PFSD_PROCESS_H
#define XEN9PFSD_PROCESS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/log.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/launch.h"
#include "xen9pfsd/pace.h"
#include "xen9pfsd/state_dir.h"
#include "xenbus/store.h"

#define PROCESS_FDS 4 /* of a share in the supervisor's poll set */

/* A keeper, or the worker that speaks for a dead one. */
struct process_peer {
	pid_t pid;   /* 0: nobody was ever here, or we do not know who */
	pid_t group; /* its process group, in which its worker is too */
	int pidfd;   /* -1: it has ended */
	int control; /* -1: neither it nor its worker has the other end any more */
	bool worker;
};

enum process_state {
	PROCESS_NONE,
	PROCESS_CALLING,  /* somebody may live: connected, HELLO awaited */
	PROCESS_OPENING,  /* the export is being opened, for a keeper */
	PROCESS_STARTING, /* READY awaited */
	PROCESS_SERVING,
	PROCESS_HOLDING, /* HELD awaited */
	PROCESS_HELD,
	PROCESS_OFFERING, /* still serving; a new keeper was asked whether it could take over */
	PROCESS_MOVING,	  /* it is taking over; its READY awaited */
	PROCESS_STOPPING, /* told to end, or killed */
};

enum process_news {
	PROCESS_NO_NEWS,
	PROCESS_IS_OPEN,   /* process_open() has an answer */
	PROCESS_IS_READY,  /* serves; said each time it begins to */
	PROCESS_IS_LOST,   /* nobody lives: process_start() with process_how_again() */
	PROCESS_HAS_ENDED, /* nobody lives, and nothing is left of the session */
};

struct process {
	const struct state_dir *dir; /* borrowed */
	const struct launch *launch;
	const struct pace *pace; /* of its device */
	uint32_t domid, devid;
	char name[STATE_NAME_MAX];

	char path[STORE_VALUE_MAX]; /* of the export that was asked for; "": none */
	int opening;		    /* launch.h; -1 */
	int root;		    /* -1 */
	int open_error;		    /* -errno, until it is asked for, with */
	char open_text[LAUNCH_TEXT_MAX];

	enum process_state state;
	struct process_peer now;
	struct process_peer next;   /* the successor; after it has taken over, the predecessor */
	int handover;		    /* the predecessor's end of the socket, until it is sent; -1 */
	struct control_start start; /* with the rings that are served, not the store's */

	bool session;	  /* to be kept alive: false once it was stopped, or has failed */
	bool was_ready;	  /* since the session began */
	bool prove;	  /* adopted before anybody announced it: does it serve? */
	bool hold_wanted; /* as soon as it serves */
	bool killed;	  /* whoever has to go, at the last deadline */
	bool moved;	  /* the last process_move() has succeeded; */
	char refusal[CONTROL_TEXT_MAX]; /* or why not */
	unsigned restarts;		/* keepers that replaced others */

	int64_t deadline_ms; /* 0: none */
	int64_t again_ms;    /* 0: none; else: look, or call, once more */
	int64_t lost_since_ms, orphaned_since_ms;
	unsigned lost, orphaned; /* since then: both are limited */
	struct pace_count lines; /* in the log; so many were left out: */
	unsigned unsaid;
};

void process_init(struct process *p, const struct state_dir *dir, const struct launch *launch,
		  const struct pace *pace, const char *kind, uint32_t domid, uint32_t devid);

/* Lets go of everything without a word: whoever lives goes on. */
void process_release(struct process *p);

/* A line in the log, with the share's name before it; unless there were too many already. */
void process_say(struct process *p, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Files of a share were found: is somebody living there? `announced`: the guest has seen state 4,
 * so whoever lives serves. `keep`: the session is wanted; otherwise it is stopped. */
enum process_news process_adopt(struct process *p, const struct control_start *start,
				bool announced, bool keep, int64_t now_ms);

/* Opens the export `path` for the next process_start(). 0: it is open; -EBUSY: PROCESS_IS_OPEN
 * follows, when the storage has answered, and then this is to be asked again; -errno, with a text
 * in `open_text`, once. */
int process_open(struct process *p, const char *path);
void process_close_export(struct process *p);

/* Starts a keeper from nothing (CONTROL_FRESH) or for the session in the arena (CONTROL_RESTORE),
 * when the export `path` is open. 0 or -errno: then there is no process, and nothing of the
 * session; PROCESS_HAS_ENDED: the same, later. */
int process_start(struct process *p, enum control_how how, const struct control_start *start,
		  const char *path);
enum control_how process_how_again(const struct process *p);

/* PROCESS_IS_LOST was too frequent: give up, with process_abandon(). */
bool process_lost_too_often(struct process *p, int64_t now_ms);
void process_abandon(struct process *p);

/* Lets a keeper of the program `exe` (-1: our own) take over. -EBUSY: not now; -errno. What
 * became of it: process_moving(), then `moved` or `refusal`. */
int process_move(struct process *p, int exe, int64_t now_ms);
bool process_moving(const struct process *p);

/* Everything is to stay, nobody to serve; process_is_held(), also when that is all there is to
 * hope for. */
void process_hold(struct process *p);
bool process_is_held(const struct process *p);

/* The session ends; PROCESS_HAS_ENDED follows. */
void process_stop(struct process *p, int64_t now_ms);

/* The poll set, and what it said. */
void process_fill(const struct process *p, struct pollfd fds[PROCESS_FDS]);
enum process_news process_poll(struct process *p, const struct pollfd fds[PROCESS_FDS],
			       int64_t now_ms);
int64_t process_deadline(const struct process *p); /* 0: none */
enum process_news process_timeout(struct process *p, int64_t now_ms);

const char *process_state_name(const struct process *p);

#endif
