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

#define SESSION_BYTES_MAX (64u << 20) /* of all messages in memory, both ways, about */

/* Who runs the asks. */
struct executor {
	/* A request whose ask is due: see that req_ask() is called. Loop. */
	void (*run)(struct executor *executor, struct req *req);
	/* A request was answered: see that session_finish() is called, on the loop. Any thread. */
	void (*answered)(struct executor *executor, struct req *req);
	/* req->wait was cancelled: see that an ask that waits notices. When that takes long,
	 * session_give_up(). Loop. */
	void (*wake)(struct executor *executor, struct req *req);
};

/* One ordered path of bytes to the client. */
struct lane {
	/* Takes the reply: req->out, req->out_size. The request stays the lane's until it calls
	 * session_sent(): when the bytes are with the transport, or when it gives up. Loop. */
	void (*send)(struct lane *lane, struct req *req);
	/* A request of this lane is over, in whatever way: there is room for another. Loop. */
	void (*released)(struct lane *lane);

	/* Replies whose data is written where they go; NULL: there are none. place(), loop: where
	 * `size` bytes behind a header of `header` bytes would be written now, in one piece or two
	 * (the second may be empty); false: nowhere. Nothing else is sent on the lane until the
	 * place is given back (any thread) or the reply sent, which has its header in req->out and
	 * req->out_size bytes in all; the request stays the session's. */
	bool (*place)(struct lane *lane, uint32_t header, uint32_t size, struct iovec place[2]);
	void (*give_back)(struct lane *lane);
	void (*send_placed)(struct lane *lane, struct req *req);

	/* For lanes that use session_keeping(); loop. fetch() copies what is not in `in` yet of the
	 * message that began at `at`; false: there is none of that size. release(): none of it is
	 * needed any more where it stands. */
	bool (*fetch)(struct lane *lane, uint8_t *in, uint32_t size, uint32_t at);
	void (*release)(struct lane *lane);

	/* The rest is asked of a predecessor's requests only (session_recover()); loop. */
	uint32_t number;
	/* A message of `size` bytes that began at position `at` was copied: see that the transport
	 * knows. */
	void (*retake)(struct lane *lane, uint32_t at, uint32_t size);
	/* A request that was taken and not begun: session_receive() when its turn comes. NULL: at
	 * once. */
	void (*taken)(struct lane *lane, struct req *req);
	/* Was the reply that was to be put at position `at` put? */
	bool (*was_put)(struct lane *lane, uint32_t at);
};

struct session_config {
	bool readonly;
	uint32_t msize_max; /* what the lanes can carry in either direction, P9_MSIZE_MIN..MAX */
	bool durable;	    /* a successor may go on with it: notes are taken */
	struct fid_budget budget;
	uint32_t reqs_max;  /* in flight; 0 here and below: the most, SESSION_REQS_MAX */
	uint32_t bytes_max; /* SESSION_BYTES_MAX */
	uint32_t evict_at;  /* so many descriptors in use: see fid_table_limit(); 0: never */
};

struct session {
	struct fs *fs; /* borrowed */
	struct executor *executor;
	struct session_config config;
	struct saved *saved; /* what outlives the process */
	bool owns_saved;
	bool restored; /* its descriptors were opened anew */
	struct fid_table *fids;
	TAILQ_HEAD(, req) active; /* all requests that are not free, in the order of arrival */
	struct req *req;	  /* SESSION_REQS_MAX, by slot; so many were ever used: */
	uint32_t reqs_used;
	struct req_queue free;
	uint32_t reqs;	/* in `active` */
	uint32_t fat;	/* bytes of large buffers that requests keep */
	uint64_t bytes; /* charged to all */
	uint64_t order; /* of the last arrival */
	uint32_t waits; /* asks that may wait for other clients */
	bool paused;
	unsigned told; /* shortages that have been said; */
	bool told_full;
	struct req **by_tag; /* 65536: who owns a tag; NULL: nobody */
};

/* A new session in `saved` (borrowed, zeroed), or in memory of its own (NULL). */
int session_create(struct fs *fs, const struct session_config *config, struct executor *executor,
		   struct saved *saved, struct session **session);

/* The session that a predecessor left in `saved`, which saved_take_up() found whole; -EUCLEAN if it
 * speaks of larger messages than there may be. Nothing is run or sent before session_resume(). When
 * all descriptors are lost, session_restore() comes in between: it looks for the objects by their
 * handles; what is not found answers ESTALE. Returns how many fids that are. */
int session_recover(struct fs *fs, const struct session_config *config, struct executor *executor,
		    struct saved *saved, struct lane *const *lanes, struct session **session);
unsigned session_restore(struct session *session);
void session_resume(struct session *session);

/* A successor will go on: requests that wait for others are left to it, as they are in `saved`. */
void session_pause(struct session *session);

/* The client is gone: no reply is sent any more, the fids go. Requests that the executor still
 * has must come back through session_finish() before session_destroy(). */
void session_close(struct session *session);
bool session_idle(const struct session *session); /* no request is left */
void session_destroy(struct session *session);	  /* takes NULL; idle */

/* The largest message that the client may send now, or is sent. */
uint32_t session_max_message(const struct session *session);

/* A request for a message of `size` bytes (P9_MSIZE_MAX at most), to be copied into req->in by the
 * lane and handed to session_receive() at once. NULL: too many or too large ones are under way, or
 * out of memory; try again when one was released. A lane with positions calls session_taking() when
 * the bytes are there, and then lets the transport know that they were taken. */
bool session_full(const struct session *session);
struct req *session_request(struct session *session, struct lane *lane, uint32_t size);
void session_taking(struct req *req, uint32_t at);

/* In place of session_taking(), for a Twrite: only the first REQ_KEPT_FROM bytes were copied, the
 * rest is used where it stands (`kept`, one piece or two) if that need not be for long. It is the
 * lane's to keep it until release() is called, or fetch() and release(). */
void session_keeping(struct req *req, uint32_t at, const struct iovec kept[2]);
void session_receive(struct req *req);

/* Or it is left to a successor, as it was taken. */
void session_leave(struct req *req);

/* A lane with positions calls session_putting() before it puts the reply at `at`;
 * session_placed(), before it puts one that stands there already. */
void session_finish(struct req *req);
void session_give_up(struct req *req); /* whoever waits for the end of its ask waits no longer */
void session_putting(struct req *req, uint32_t at);
void session_placed(struct req *req, uint32_t at);
void session_sent(struct req *req);

/* ---- for handlers and change.c ---- */

uint32_t session_slot_number(const struct req *req);

/* Cancels the wait of `old`, or one that has to do with that fid (NULL: any), for a request that
 * has to come after its end; `unwanted`: nobody will hear of the old one. True: the request is
 * checked again when that has ended (OP_WAITS). */
bool session_end_wait(struct req *req, struct req *old, bool unwanted);
bool session_end_waits(struct req *req, const struct fid *fid, bool unwanted);

/* The same for any request that is under way; one that waits is interrupted. */
void session_comes_after(struct req *req, struct req *old);

/* 0, or -EINVAL: the number cannot become a new fid. `old`: the fid it would replace, or NULL. A
 * live fid that is not open may be replaced: Linux takes a number for free when it gave up waiting
 * for the reply that made the fid, and never clunks it. */
int session_newfid_conflict(const struct session *session, uint32_t newfid, struct fid **old);

/* Requests that were flushed own no tag any more: one of them, or all but `keep`. */
void session_forget_tag(struct session *session, uint32_t slot);
void session_forget_tags(struct session *session, const struct req *keep); /* and cancels waits */

#endif
