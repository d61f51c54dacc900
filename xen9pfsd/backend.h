/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend.h - one 9pfs device as the supervisor has it: its nodes in xenstore, where it stands
 * in the handshake, and the processes that serve it.
 */
#ifndef XEN9PFSD_BACKEND_H
#define XEN9PFSD_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "xen9pfsd/config.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/launch.h"
#include "xen9pfsd/process.h"
#include "xen9pfsd/state_dir.h"
#include "xenbus/handshake.h"
#include "xenbus/store.h"

#define BACKEND_LINE_MAX 256 /* bytes with NUL of a line about a device */

/* What all backends of a supervisor share; borrowed. */
struct backend_env {
	const struct config *config;
	const struct state_dir *dir;
	const struct launch *launch;
	struct store *store;
};

struct backend {
	TAILQ_ENTRY(backend) link; /* supervisor::backends */
	const struct backend_env *env;
	const char *kind; /* "9pfs" or "xen_9pfs", static */
	uint32_t domid, devid;
	char front[STORE_PATH_MAX]; /* the frontend's directory */
	bool dirty;		    /* its nodes may have changed: backend_update() */
	bool over;		    /* history: free it */

	enum handshake_state state;
	time_t since;			       /* this state was reached, as this process knows */
	enum xenbus_state wrote;	       /* our state in the store, as we know it */
	bool removed;			       /* the toolstack takes it away: that never reverts */
	bool detached;			       /* the administrator did: until it is made anew */
	struct control_start start;	       /* of the present or last round */
	const struct config_share *share;      /* section of the configuration, or NULL */
	char complaint[CONTROL_TEXT_MAX + 64]; /* last one logged: each is logged once */

	struct process process;

	bool quitting;
	bool in_order; /* part of what an administrator has asked for (orders.h) */

	int64_t deadline_ms;	  /* 0: none; else: give up on the frontend */
	int64_t not_before_ms;	  /* no new round, and no connecting, until then; */
	bool held;		  /* something waits for that */
	struct pace_count rounds; /* publications */
	struct pace_count events; /* of the frontend */
	int64_t blind_until_ms;	  /* the frontend is not watched until then; 0: it is */
};

TAILQ_HEAD(backend_list, backend);

/* A device whose directory, or whose share's files, were seen; its frontend is being watched, and
 * whoever serves it is adopted. NULL: out of memory. */
struct backend *backend_create(const struct backend_env *env, const char *kind, uint32_t domid,
			       uint32_t devid, int64_t now_ms);

/* Stops watching. Processes that live are left alone. */
void backend_destroy(struct backend *backend);

/* The frontend's state may have changed. A frontend that changes it without end is not watched for
 * a while; events that are still on their way are passed over then. */
void backend_front_changed(struct backend *backend, int64_t now_ms);

/* Looks at the nodes and does what the handshake table says, until it says nothing. */
void backend_update(struct backend *backend, int64_t now_ms);

/* What poll() said of its processes' descriptors (process_fill()); a deadline has passed. */
void backend_poll(struct backend *backend, const struct pollfd fds[PROCESS_FDS], int64_t now_ms);
void backend_timeout(struct backend *backend, int64_t now_ms);

/* The daemon ends: begins nothing new, and closes what is connected, or leaves it to wait for the
 * next daemon. */
void backend_quit(struct backend *backend, int64_t now_ms);
void backend_hold(struct backend *backend);

/* Closes the device for good. */
void backend_detach(struct backend *backend);

/* Nothing is left to wait for: after backend_quit() and backend_detach(); after
 * backend_hold(). */
bool backend_settled(const struct backend *backend);
bool backend_is_held(const struct backend *backend);

/* When backend_timeout() is due; 0: never. */
int64_t backend_deadline(const struct backend *backend);

/* One line for an administrator, without anything that a guest has written. */
void backend_describe(const struct backend *backend, char line[BACKEND_LINE_MAX]);

#endif
