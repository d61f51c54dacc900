/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * req.h - a request: an object from the moment its bytes arrived until its reply is gone.
 *
 *	lane ──► session_receive() ──► check ──► executor.run ──► req_ask() ──► req_reply()
 *	                                 │ (no driver needed, or refused)            │
 *	                                 ▼                                           ▼
 *	lane ◄── encode ◄── commit ◄── session_finish() ◄─────────────── executor.answered
 *
 * An ask that is made at once by who has the loop (req_ask_here()) goes straight on to
 * session_finish(), and a read may then put its data where the reply is sent from.
 *
 * Everything but req_ask(), req_ask_here() and req_reply() belongs to the loop: the one thread that
 * has the session at a time. An ask may run anywhere, beside others; it touches its request alone.
 * req_reply() is the only way out of an ask and may be called at any time, from any thread.
 */
#ifndef PROTO_REQ_H
#define PROTO_REQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "fs/fs.h"
#include "proto/saved.h"
#include "proto/wire.h"

struct lane;
struct op;
struct session;

#define REQ_LANES_MAX 8

enum req_state {
	REQ_ARRIVED, /* being received, checked or parked behind another request */
	REQ_ASKING,  /* with the executor */
	REQ_SENDING, /* answered and committed; the lane has the reply */
};

/* What ask does about a conflict that only other clients can end. */
enum req_patience {
	REQ_ASKS_ONCE,	/* it is the answer */
	REQ_WOULD_WAIT, /* not here: -EAGAIN comes back as "not yet" */
	REQ_WAITS,	/* waits for its end, or until `wait` is cancelled */
};

/* What a process knows of a request besides what outlives it (`slot`). */
struct req {
	STAILQ_ENTRY(req) link;	 /* the one queue it is in: executor's, fid::waiting, lane's */
	TAILQ_ENTRY(req) active; /* session::active */
	struct session *session;
	struct lane *lane;
	struct slot *slot;
	enum req_state state;
	bool nowait;   /* ask must not sleep: -EAGAIN from the driver comes back as "not yet" */
	bool may_wait; /* for other clients */
	enum req_patience patience; /* set by check; who runs the ask goes on from there */
	bool unwanted;		 /* cancelled for a Tflush or Tversion, which waits for its end */
	bool given_up;		 /* nobody waits for its end any more */
	bool regains;		 /* ask is to regain descriptors of evicted nodes first */
	bool undoes;		 /* ask is to undo what it has done: nobody wanted it any more */
	bool changes;		 /* the session: see change.h */
	enum p9_dialect dialect; /* of both messages */
	int result;		 /* of ask, or of the check that refused */
	const struct op *op;

	/* The messages. Their bytes stand in memory that outlives the process, P9_MSIZE_MAX each;
	 * the strings of `t` in `text`, owned and kept when the request is reused. */
	struct p9_msg t, r;
	uint8_t *in, *out;
	uint32_t in_size, out_size;
	struct iovec place[2]; /* of a read's data, instead of `out`; [0].iov_base NULL: none */
	struct iovec kept[2];  /* of a write's data, instead of `in`; the same */
	uint8_t *text;
	uint32_t text_room;
	uint32_t bytes;	 /* of session::bytes */
	uint32_t fat;	 /* of session::fat */
	uint32_t linked; /* a fid that Tcreate names as text */

	/* What the message names, one reference each, taken before check and dropped at the end. */
	struct fid *fid, *dfid;
	struct node *node, *dnode;
	struct fs_file file;	  /* fid's, as it was at the check */
	struct fs_cred cred;	  /* for new objects */
	struct fs_intent *intent; /* for calls that must not be made twice; NULL: nobody succeeds */
	bool exclusive;		  /* holds fid->busy */
	struct req_queue flushes; /* wait until this one's reply has left, or it ended without */
	uint32_t mark[REQ_LANES_MAX]; /* the lane's own */

	/* What ask found. A change moves it into the session; what is left is given back. */
	struct fs_node new_node;
	struct fs_handle new_handle;
	struct fs_file new_file;
	uint32_t new_xattr;
	struct fs_node regained[2]; /* of node and dnode; NODE_EVICTED: wanted */
	struct fs_wait wait;
	struct fs_lock holder; /* the lock whose holder Tgetlock looks for, among lockers */
	uint32_t locker;       /* from this one on; the one whose file an unlock is about */
	uint64_t unlock_from;  /* what comes before has been unlocked in there */
	bool in_turn;	       /* it waits for others that are about the same locks */
	union {
		struct fs_attr attr;
		struct fs_statfs statfs;
		struct fs_lock lock;
		struct {
			struct fid_place from, to;
		} listed;
	};
};

/* Nobody wants the reply any more: no commit, and no bytes if it can be helped. Any thread. */
static inline bool req_flushed(const struct req *req)
{
	return __atomic_load_n(&req->slot->flushed, __ATOMIC_RELAXED);
}

/* Notes how the object that ask has just pinned in new_node can be found again. */
void req_note_handle(struct req *req);

/* Runs the driver call and answers. False: nothing was answered, call again: with `nowait` set it
 * would have slept (it is not set any more), with REQ_WOULD_WAIT it has to wait for others; give it
 * the patience it may have. Any thread. */
bool req_ask(struct req *req);

/* The same by the thread that has the loop, without a way through the executor: the first on the
 * loop, the second wherever the loop may be by then. It may not sleep if the request can help it.
 * True: req->result is the answer, for session_finish(), on the loop. */
void req_prepare_here(struct req *req);
bool req_ask_here(struct req *req);

/* The request shall not wait for others (any more). Loop. */
void req_cancel(struct req *req);

/* The answer: 0, a count, or -errno. Any thread. */
void req_reply(struct req *req, int result);

/* A message of which the lane kept all but REQ_KEPT_FROM bytes comes into memory after all: its
 * data is needed for longer, or by somebody who cannot use it where it is. Not if nobody wants it
 * any more: then the lane may be gone. Loop. */
void req_fetch(struct req *req);

/* Counts `size` bytes of a reply to come against the session's limit. For check. */
void req_charge(struct req *req, uint32_t size);

/* For a handler of fatal signals: the request that the calling thread is working on is to blame.
 * After REQ_DEATHS_MAX of them it is answered EIO without being run. */
void req_blame(void);

#endif
