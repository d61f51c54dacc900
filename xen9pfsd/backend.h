/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * backend.h - one 9pfs device as the supervisor has it: its nodes in xenstore, where it stands
 * in the handshake, and the process that serves it.
 */
#ifndef XEN9PFSD_BACKEND_H
#define XEN9PFSD_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "xen9pfsd/config.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/policy.h"
#include "xenbus/handshake.h"
#include "xenbus/store.h"

/* What all backends of a supervisor share; borrowed. */
struct backend_env {
	const struct config *config;
	const struct policy *policy;
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
	enum xenbus_state wrote;	       /* our state in the store, as we know it */
	bool removed;			       /* the toolstack takes it away: that never reverts */
	struct control_start start;	       /* of the present or last round */
	int root;			       /* the export, checked at publishing; -1 */
	char complaint[CONTROL_TEXT_MAX + 64]; /* last one logged: each is logged once */

	pid_t pid; /* 0: no process */
	int pidfd, control;

	bool quitting;

	int64_t deadline_ms;	 /* 0: none; else: kill the process, or give up on the frontend */
	int64_t not_before_ms;	 /* no new round, and no connecting, until then; */
	bool held;		 /* something waits for that */
	int64_t rounds_since_ms; /* publications are counted from here */
	unsigned rounds;
};

/* A device whose directory was seen; its frontend is being watched. NULL: out of memory, or the
 * numbers make no path. */
struct backend *backend_create(const struct backend_env *env, const char *kind, uint32_t domid,
			       uint32_t devid);

/* No process may be left. Stops watching. */
void backend_destroy(struct backend *backend);

/* Looks at the nodes and does what the handshake table says, until it says nothing. */
void backend_update(struct backend *backend, int64_t now_ms);

/* The process's socket or pidfd is readable; a deadline has passed. */
void backend_control(struct backend *backend, int64_t now_ms);
void backend_ended(struct backend *backend, int64_t now_ms);
void backend_timeout(struct backend *backend, int64_t now_ms);

/* The daemon ends: closes what is connected, begins nothing new. */
void backend_quit(struct backend *backend, int64_t now_ms);

/* Nothing is left to wait for. */
bool backend_settled(const struct backend *backend);

/* When backend_timeout() is due; 0: never. */
int64_t backend_deadline(const struct backend *backend);

#endif
