/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * req.h - a request: an object from the moment its bytes arrived until its reply is gone.
 *
 *	lane ──► session_receive() ──► check ──► executor.run ──► req_ask() ──► req_reply()
 *	                                 │ (no driver needed, or refused)            │
 *	                                 ▼                                           │
 *executor.answered lane ◄── encode ◄── commit ◄── session_finish() ◄────────────────────────────┘
 *
 * Everything but req_ask() and req_reply() belongs to the loop: the one thread that has the
 * session at a time. req_ask() may run anywhere, beside others; it touches its request alone.
 * req_reply() is the only way out of an ask and may be called at any time, from any thread.
 */
#ifndef PROTO_REQ_H
#define PROTO_REQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/fs.h"
#include "proto/wire.h"

struct fid;
struct lane;
struct node;
struct op;
struct session;

STAILQ_HEAD(req_queue, req);

enum req_state {
	REQ_ARRIVED, /* being received, checked or parked behind another request */
	REQ_ASKING,  /* with the executor */
	REQ_SENDING, /* answered and committed; the lane has the reply */
};

struct req {
	STAILQ_ENTRY(req) link;	 /* the one queue it is in: executor's, fid::waiting, lane's */
	TAILQ_ENTRY(req) active; /* session::active */
	struct session *session;
	struct lane *lane;
	enum req_state state;
	bool flushed; /* nobody wants the reply any more: no commit, and no bytes if it can be
			 helped */
	bool nowait;  /* ask must not sleep: -EAGAIN from the driver comes back as "not yet" */
	int result;   /* of ask, or of the check that refused */
	const struct op *op;

	/* The messages and their bytes; buffers are owned and kept when the request is reused. */
	struct p9_msg t, r;
	uint8_t *in, *out;
	uint32_t in_room, out_room;
	uint32_t in_size, out_size;
	uint32_t bytes; /* of session::bytes */

	/* What the message names, one reference each, taken before check and dropped at the end. */
	struct fid *fid, *dfid;
	struct node *node, *dnode;
	struct fs_file file; /* fid's, as it was at the check */
	struct fs_cred cred; /* for new objects */
	bool exclusive;	     /* holds fid->busy */

	/* What ask found. Commit moves it into the session; what is left is given back. */
	struct fs_node new_node;
	struct fs_file new_file;
	struct fid_xattr *new_xattr;
	union {
		struct fs_attr attr;
		struct fs_statfs statfs;
		struct fs_lock lock;
	};
};

/* Runs the driver call and answers. False: with `nowait` set it would have slept; nothing was
 * answered, call again without. Any thread. */
bool req_ask(struct req *req);

/* The answer: 0, a count, or -errno. Any thread. */
void req_reply(struct req *req, int result);

/* Counts `size` bytes of a reply to come against the session's limit. For check. */
void req_charge(struct req *req, uint32_t size);

/* Makes `out` at least `size` bytes large. -ENOMEM. For check and ask. */
int req_reserve(struct req *req, uint32_t size);

#endif
