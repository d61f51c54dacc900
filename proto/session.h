/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * session.h - one 9P session: dialect, msize, fids, the requests in flight, and the export they
 * act on. It spans all lanes of its client (the rings of a Xen device, or one socket).
 *
 * Owned by the loop (see req.h). Nothing here sleeps, reads a clock or knows Xen.
 */
#ifndef PROTO_SESSION_H
#define PROTO_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/fid.h"
#include "proto/req.h"

#define SESSION_REQS_MAX 1024	      /* requests of one session in memory, */
#define SESSION_BYTES_MAX (64u << 20) /* and the size of their messages both ways, about */

/* Who runs the asks. */
struct executor {
	/* A request whose ask is due: see that req_ask() is called. Loop. */
	void (*run)(struct executor *executor, struct req *req);
	/* A request was answered: see that session_finish() is called, on the loop. Any thread. */
	void (*answered)(struct executor *executor, struct req *req);
};

/* One ordered path of bytes to the client. */
struct lane {
	/* Takes the reply: req->out, req->out_size. The request stays the lane's until it calls
	 * session_sent(): when the bytes are with the transport, or when it gives up. Loop. */
	void (*send)(struct lane *lane, struct req *req);
	/* A request of this lane is over, in whatever way: there is room for another. Loop. */
	void (*released)(struct lane *lane);
};

struct session_config {
	bool readonly;
	uint32_t msize_max; /* what the lanes can carry in either direction, P9_MSIZE_MIN..MAX */
};

struct session {
	struct fs *fs; /* borrowed */
	struct executor *executor;
	struct session_config config;
	uint32_t msize; /* agreed on; 0: no Tversion yet */
	struct fid_table *fids;
	TAILQ_HEAD(, req) active; /* all requests that are not free */
	struct req_queue free;	  /* kept for reuse; so many: */
	uint32_t kept;
	uint32_t reqs;	/* in `active` */
	uint64_t bytes; /* charged to them */
	LIST_HEAD(, fid_locker) lockers;
	struct req **by_tag; /* 65536: who owns a tag; NULL: nobody */
};

int session_create(struct fs *fs, const struct session_config *config, struct executor *executor,
		   struct session **session);

/* The client is gone: no reply is sent any more, the fids go. Requests that the executor still
 * has must come back through session_finish() before session_destroy(). */
void session_close(struct session *session);
bool session_idle(const struct session *session); /* no request is left */
void session_destroy(struct session *session);	  /* takes NULL; idle */

/* The largest message the client may send now. */
uint32_t session_max_message(const struct session *session);

/* A request with room for `size` bytes in req->in, to be filled by the lane and handed to
 * session_receive() at once. NULL: too many or too large ones are under way, or out of memory; try
 * again when one was released. */
bool session_full(const struct session *session);
struct req *session_request(struct session *session, struct lane *lane, uint32_t size);
void session_receive(struct req *req);

void session_finish(struct req *req);
void session_sent(struct req *req);

/* For handlers: drops all fids and the claim on every reply but that of `keep`. */
void session_reset(struct session *session, const struct req *keep);

#endif
