/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * saved.h - what of a session outlives the process that serves it: fids, requests, and the one
 * change that is being made.
 *
 * A process may be killed between any two stores; its successor finds this memory as it was at
 * that moment and goes on (session_recover()). What makes that work:
 *  - References are indices; 0 stands for none. Nothing here points into a process.
 *  - Each area is filled from the front, and costs memory only where it was used.
 *  - A request's `state` and a fid's `state` are single stores, made after what they vouch for.
 *  - What a request changes is written down whole in `redo` first; storing `redo.slot` commits it.
 *    To carry it out twice is the same as once: all of it are values to be stored.
 *  - A descriptor is written down here after it was opened and erased before it is closed. One that
 *    is not found here belongs to nobody, and the successor closes it.
 *  - Chains, free lists, counts and queues are not kept: the successor makes them anew.
 *
 * To the successor the memory is what another process left behind, which a guest may have taken
 * over: saved_take_up() looks at every index before any is used.
 */
#ifndef PROTO_SAVED_H
#define PROTO_SAVED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/fs.h"
#include "proto/9p.h"
#include "proto/ranges.h"

#define SAVED_LAYOUT 9 /* changes with anything below */

#define SESSION_REQS_MAX 1024 /* requests of one session in memory */
#define FID_MAX (1u << 20)    /* live fids of one session */
#define FID_XATTRS_MAX 4096   /* fids with an attribute's value behind them */
#define FID_LOCKERS_MAX 1024
#define FID_CLIENT_ID_MAX 255 /* of Tlock; Linux sends its nodename, at most 64 */

/* ---- requests ---- */

/* Of a message that stays in its ring so much is here: all but a write's data. */
#define REQ_KEPT_FROM P9_WRITE_HEADER

enum slot_state {
	SLOT_FREE,
	SLOT_TAKING,  /* the message is here; its ring may not know yet (`at`: where it began) */
	SLOT_TAKEN,   /* nothing was done */
	SLOT_ASKING,  /* its fids are looked up; the driver may have been called */
	SLOT_SENDING, /* the reply is here, its change is made */
	SLOT_PUTTING, /* the reply is going into the ring, at position `at` */
	SLOT_PLACED,  /* the same of a reply that stands nowhere else: if it did not come to that,
			 the request is asked again */
	SLOT_STATES,
};

#define REQ_DEATHS_MAX 3 /* then it is answered EIO without being run */

/* A request. Its message is saved_in(), its reply saved_out() of the slot's index. */
struct slot {
	uint32_t state;
	uint32_t lane;	/* lane::number */
	uint64_t order; /* of arrival in the session */
	uint64_t about; /* of a Tflush: the order of the request that it found; 0: none so far */
	uint32_t at;
	uint32_t in_size, out_size;
	uint32_t fid, dfid, node, dnode; /* in SLOT_ASKING and SLOT_PLACED */
	uint8_t kept;			 /* until SLOT_SENDING: of its message only the first
					    REQ_KEPT_FROM bytes are here, the rest is in its ring */
	uint8_t flushed;		 /* nobody waits for the reply: see saved_is_over() */
	uint8_t deaths;			 /* processes that crashed in it */
	uint8_t took_tag;		 /* from one under way, which that flushed */
	uint8_t named;			 /* saved::name holds something */
	uint8_t dialect;		 /* of its message, once that is SLOT_ASKING */
	struct fs_intent intent;
};

/* Where the first try of a request found the object of its fid; its second try is about that name,
 * too, wherever the object is by then. */
struct name_saved {
	int32_t dir; /* fs_node::id; -1: the descriptor is lost */
	struct fs_handle handle;
	char name[FS_NAME_MAX + 1];
};

/* ---- fids ---- */

#define NODE_EVICTED (-2) /* node_saved::fs.id: its descriptor was needed; its handle is left */

struct node_saved {
	struct fs_node fs;
	struct p9_qid qid;
	struct fs_handle handle; /* size 0: none */
};

/* What a fid is good for (9p(5): a fid is opened once, and for ever). Values are bits: a row
 * of the dispatch table names the kinds it serves. */
enum fid_kind {
	FID_UNOPENED = 1 << 0,
	FID_FILE = 1 << 1,
	FID_DIR = 1 << 2,
	FID_XATTR_READ = 1 << 3,
	FID_XATTR_WRITE = 1 << 4,
};

/* A place in the data of a directory's fid: so many bytes of 9P2000's stats from its start; there
 * the driver goes on at `cookie`. */
struct fid_place {
	uint64_t offset, cookie;
};

enum fid_state {
	FID_FREE,
	FID_LIVE,
	FID_REMOVED, /* has no number any more; requests still use it */
	FID_STATES,
};

struct fid_saved {
	uint32_t state;
	uint32_t number;
	uint32_t node;
	uint32_t uid; /* n_uname of the attach it descends from */
	uint32_t xattr;
	uint8_t kind;
	uint8_t locked; /* the file may hold locks */
	uint8_t rclose; /* the object is removed when the fid goes, whatever takes it */
	uint8_t stays;	/* a Tversion that says the same dialect again leaves it */
	struct fs_file file;
	struct fid_place from, to; /* where the last read of a directory began and ended */
};

struct node {
	/* Everything but the qid's version stays as it is while somebody holds a reference; so
	 * `saved.fs` may be read by any thread that was handed the node. */
	struct node_saved saved;

	/* Made anew by a successor. */
	uint32_t refs;
	uint32_t next_free;
	uint16_t held; /* of `refs` by requests */
	bool used;     /* since the search for one to evict came by */
	bool kept;     /* not to be evicted */
};

STAILQ_HEAD(req_queue, req);

struct fid {
	struct fid_saved saved;

	/* Made anew by a successor. */
	uint32_t next; /* index in the hash chain or the free list */
	uint32_t refs;
	bool numbered; /* in a hash chain */
	bool opened;   /* counted among those with a file */
	bool orphan;   /* of a predecessor, with nothing but its object's removal to come */
	bool busy;     /* a request has it for itself; others of that sort wait: */
	struct req_queue waiting;
	struct node *node; /* one reference */
};

/* The value behind an xattr fid: a snapshot to read, or what is being written. The bytes are in
 * saved::xattr_value, at the same index. */
struct fid_xattr {
	uint32_t size;
	uint32_t written; /* bytes stored so far, always from the front */
	uint32_t flags;	  /* of Txattrcreate */
	char name[FS_NAME_MAX + 1];
};

/* A process of the client that holds locks through a fid: one entry for both. */
struct fid_locker {
	uint32_t fid; /* 0: the entry is free */
	uint32_t proc_id;
	char client_id[FID_CLIENT_ID_MAX + 1];
	struct ranges held;
};

/* A process locks one object through two open files at most, see ops_lock.c. */
#define REDO_LOCKERS 2

/* ---- a change ---- */

struct redo {
	uint32_t slot;		 /* number of the slot + 1; 0: nothing is to be done */
	uint32_t reset;		 /* all fids go, nobody waits for any reply but this one's */
	uint32_t msize, dialect; /* with reset */
	uint32_t keep;		 /* with reset: but not those that stay */
	uint32_t flush;		 /* number of the slot + 1 of the request that is flushed */
	uint32_t drop;		 /* this fid loses its number */
	uint32_t node;		 /* becomes: */
	struct node_saved new_node;
	uint32_t fid; /* becomes: */
	struct fid_saved new_fid;
	uint32_t xattr, written;       /* so much of it is there */
	uint32_t whole;		       /* of this fid all lockers of the whole file are gone */
	uint32_t locker[REDO_LOCKERS]; /* entry + 1, becomes: */
	/* What is above is zeroed for each change, this is not. */
	struct fid_locker new_locker[REDO_LOCKERS];
};

/* ---- all of it ---- */

#define SAVED_PAGE_SIZE 4096
#define SAVED_PAGE _Alignas(SAVED_PAGE_SIZE)

/* Where a row of saved::in and saved::out begins to be used: so the data of a write and of a read
 * stand at a multiple of 64. The file's pages are copied into them and out of them, and that costs
 * a quarter more else; with the data just behind a page's start, three times as much on some
 * processors. */
#define SAVED_IN_AT (64 - P9_WRITE_HEADER)
#define SAVED_OUT_AT (64 - P9_READ_HEADER)
#define SAVED_ROW (SAVED_PAGE_SIZE + P9_MSIZE_MAX)

struct saved {
	uint32_t msize;				  /* agreed on; 0: no Tversion yet */
	uint32_t dialect;			  /* enum p9_dialect */
	uint32_t fid_used, node_used, xattr_used; /* no index beyond was ever used */
	struct redo redo;
	struct fid_locker locker[FID_LOCKERS_MAX];
	SAVED_PAGE struct slot slot[SESSION_REQS_MAX];
	SAVED_PAGE struct name_saved name[SESSION_REQS_MAX];
	SAVED_PAGE struct fid_xattr xattr[FID_XATTRS_MAX + 1];
	SAVED_PAGE struct fid fid[FID_MAX + 1];
	SAVED_PAGE struct node node[FID_MAX + 1];
	SAVED_PAGE uint8_t xattr_value[FID_XATTRS_MAX + 1][FS_XATTR_MAX];
	SAVED_PAGE uint8_t in[SESSION_REQS_MAX][SAVED_ROW];
	SAVED_PAGE uint8_t out[SESSION_REQS_MAX][SAVED_ROW];
};

/* A slot's messages, P9_MSIZE_MAX bytes each. */
static inline uint8_t *saved_in(struct saved *saved, uint32_t slot)
{
	return saved->in[slot] + SAVED_IN_AT;
}

static inline uint8_t *saved_out(struct saved *saved, uint32_t slot)
{
	return saved->out[slot] + SAVED_OUT_AT;
}

/* Takes up what a predecessor left: finishes the change it was making, if any, and looks at
 * everything. 0, or -EUCLEAN: no process of ours leaves such a thing behind. Descriptors in use are
 * `fd_min` or more; lanes less than `lanes`. */
int saved_take_up(struct saved *saved, unsigned lanes, int fd_min);

/* Makes the change that `redo` describes, in this memory alone, and the slot's reply due. */
void saved_redo(struct saved *saved);

/* Calls `fn` for each descriptor that is owned, when no change is under way: all others belong to
 * nobody. For a successor, before it has a session. */
void saved_descriptors(struct saved *saved, void (*fn)(void *arg, int fd), void *arg);

/* Of a flushed slot: whether there is nothing left to do. Otherwise a call of its was begun, and
 * has to be made whole; never made again, nor answered. */
bool saved_is_over(const struct slot *slot);

/* Whether its entry of saved::name is what its ask goes on with. */
bool saved_has_name(const struct slot *slot);

/* Stores that vouch for everything written before them. */
static inline void saved_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif
