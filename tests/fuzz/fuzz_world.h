/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_world.h - a session on a file driver whose asks run when, and in the order, that an input
 * says; and a client that knows what it may be told. What it is told is checked at once: each reply
 * is a message, fits its request, and is one for each request that nobody flushed.
 */
#ifndef TESTS_FUZZ_FUZZ_WORLD_H
#define TESTS_FUZZ_FUZZ_WORLD_H

#include "proto/session.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_LANES 2u
#define FUZZ_MSIZE 8192

struct fuzz_lane {
	struct lane lane;
	struct req_queue unsent;
	uint32_t taken, put;	   /* positions */
	uint8_t place[FUZZ_MSIZE]; /* of the data of a reply, if */
	bool placing;
};

/* What the client may be told of a tag. */
struct fuzz_expected {
	enum { FUZZ_NOTHING, FUZZ_PERHAPS, FUZZ_REPLY } reply;
	uint16_t tag;
	uint8_t type; /* of the request */
	uint16_t oldtag;
	uint64_t seq;
};

struct fuzz_world {
	bool local; /* on the driver for host directories; else in memory */
	struct executor executor;
	struct fuzz_lane lane[FUZZ_LANES];
	struct lane *lanes[FUZZ_LANES];
	struct fs *fs;
	struct session *session;
	struct saved *saved;
	struct session_config config;
	struct req_queue ready, answered;
	bool deaf;			    /* replies are not looked at */
	struct fuzz_expected expected[256]; /* one for each tag that was ever used */
	size_t tags;
	uint64_t seq;
	char told[16384]; /* what the client was told since it was last emptied, comparable */
	size_t told_size;
	bool mute;	/* it is not told: it would not be comparable, as in another dialect, whose
			 * listings and times are not */
	bool too_large; /* of a file, for the host only: from now on it is not comparable either */
	uint64_t path[256]; /* of objects, in the order in which they were seen */
	unsigned paths;
};

/* `readonly`: the session's option. A world in memory and one on an empty export. */
struct fuzz_world *fuzz_world_open(bool local, bool readonly);

/* From now on nothing is read to where its reply goes. */
void fuzz_world_without_places(struct fuzz_world *world);

/* The client is gone: everything is given back. */
void fuzz_world_close(struct fuzz_world *world);

/* A session is closed and another one begun; a process is killed, and followed. */
void fuzz_world_reconnect(struct fuzz_world *world);
int fuzz_world_succeed(struct fuzz_world *world);

/* Sends a message of `size` bytes, if the transport would take it. */
void fuzz_world_send(struct fuzz_world *world, unsigned lane, const void *bytes, uint32_t size);

/* Runs one ask, finishes one request, or sends one reply of a lane, if there are any; `which`
 * modulo their count. */
void fuzz_world_ask(struct fuzz_world *world, unsigned which, bool nowait);
void fuzz_world_finish(struct fuzz_world *world, unsigned which);
void fuzz_world_put(struct fuzz_world *world, unsigned lane);
void fuzz_world_settle(struct fuzz_world *world); /* all of them */

/* Nobody waits any more. */
void fuzz_world_check_answered(const struct fuzz_world *world);

/* The export of the local world, emptied; and the canaries beside it are as they were. */
void fuzz_export_reset(void);
void fuzz_export_check(void);

#endif
