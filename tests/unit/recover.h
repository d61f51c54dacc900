/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recover.h - a session whose processes are killed, for test_recover.c and recover_*.c.
 *
 * The test is client and keeper in one. As client it writes a script of requests, in three phases;
 * as keeper it starts one `life` after the other, each a process of its own with the keeper's
 * descriptor table. What outlives a life is the world: the client's bytes, both ways, what the test
 * wants to know, and `saved`. A life ends when its phase is done, or is killed at an instant that
 * was chosen: the nth visit of a crash point, or the nth store into `saved`.
 */
#ifndef TESTS_UNIT_RECOVER_H
#define TESTS_UNIT_RECOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/saved.h"
#include "proto/wire.h"

#define LANES 2u
#define LANE_BYTES (1u << 18)
#define MESSAGES_MAX 256
#define MSIZE 8192
#define POINTS_MAX 64
#define CHAIN_MAX 6 /* lives in a row that are killed */

/* ---- the world ---- */

enum phase {
	PHASE_SETUP, /* nobody dies */
	PHASE_ACT,   /* here they are killed */
	PHASE_PROVE, /* by a further successor, who is not killed */
};

/* How a life goes through the requests of PHASE_ACT. */
enum pace {
	PACE_EACH,	  /* one is over before the next is taken */
	PACE_TOGETHER,	  /* all are taken before the first is asked */
	PACE_LATE_FINISH, /* each is taken and asked; at last all are finished */
	PACE_REVERSED,	  /* the same, the last one first */
	PACE_LAGGING,	  /* each is over when the next one has been taken */
	PACE_LATE_PUT,	  /* each is taken, asked and finished; at last all replies are put */
	PACE_HERE,	  /* each is asked on the loop: what is read is put where it is written */
};

struct world_lane {
	uint32_t produced, taken, released, put; /* positions */
	uint8_t in[LANE_BYTES], out[LANE_BYTES];
};

struct world_message {
	uint32_t lane, at, size;
	enum phase phase;
	enum p9_dialect dialect;
	uint16_t tag;
	uint8_t answer; /* type of the reply in an undisturbed run; 0: any, NO_ANSWER: none */
	uint32_t ecode; /* of an error */
};

#define NO_ANSWER 255

struct world {
	/* ---- the script ---- */
	enum pace pace;
	enum phase writing;
	enum p9_dialect dialect; /* of what is said next */
	enum fs_model model;	 /* of the export; not reset */
	bool unprivileged;	 /* lives give up what root may do */
	const char *half;	 /* see meanwhile() */
	bool half_gone;
	uint32_t evict_at; /* of their sessions */
	uint32_t messages;
	struct world_message message[MESSAGES_MAX];

	/* ---- the session's surroundings ---- */
	bool begun;	  /* there is a session */
	bool lost;	  /* the table was lost: fids come back by their handles */
	unsigned stale;	  /* fids that did not */
	unsigned own_fds; /* descriptors that a life opens for itself */
	struct world_lane lane[LANES];

	/* ---- death ---- */
	bool armed;
	uint32_t visits; /* of the present life, while armed: of points, or of stores */
	uint32_t death;	 /* at this visit; 0: never */
	bool at_stores;	 /* those between the point visited as number `from` and the next */
	uint32_t from, points;
	char place[64]; /* where that was */
	uint32_t visited[POINTS_MAX];

	/* ---- what a life found wrong: the first thing ---- */
	unsigned failures;
	char failure[256];
};

extern struct world *world;
extern struct saved *world_saved;
extern int world_fd_min; /* numbers below belong to the test */
extern int world_root, world_memory;

void world_open(void);
void world_close(void);
void world_reset(void); /* nothing was said, an export as it is at first */
const char *world_export(void);
bool world_has_xattrs(void);
unsigned world_count_fds(void); /* from world_fd_min on */
void world_lose_table(void);	/* as if all processes had died */

/* For lives: the first that fails is kept and told by the keeper. */
void world_fail(const char *file, unsigned line, const char *text);
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			world_fail(__FILE__, __LINE__, #condition);                                \
	} while (0)

/* ---- the client ---- */

#define T(name, ...)                                                                               \
	((struct p9_msg){.type = P9_T##name, .T##name = (struct p9_T##name){__VA_ARGS__}})

#define TAG_FIRST 100

void speak(enum p9_dialect dialect);	/* a session of that one, with a root */
void says(struct p9_msg msg);		/* whatever the answer */
void does(struct p9_msg msg);		/* it succeeds */
void fails(int err, struct p9_msg msg); /* it does not */
void unanswered(struct p9_msg msg);	/* there is no reply to it */
void with_tag(uint16_t tag);		/* the next one's; others count from TAG_FIRST up */
struct p9_msg version_of(enum p9_dialect dialect);
struct p9_msg walk(uint32_t fid, uint32_t newfid, const char *name);
void act(enum pace pace);
void prove(void);

/* What is said from here on arrives while the request before is asked: as soon as this object of
 * the export is there, or is `gone`. */
void meanwhile(const char *object, bool gone);

/* What is to be the same for each way through a script, as text: the export and the fids; and all
 * replies (`to` NULL: nowhere). `expected`: also looks whether they are what the script says. */
void world_tell_state(FILE *to);
void world_tell_replies(FILE *to, bool expected);

/* ---- lives ---- */

/* Runs a life up to the end of `phase`. 0: it got there; 1: it was killed as planned; -1: anything
 * else, which world_fail() has noted. */
int life_run(enum phase phase);

/* The child's half, for a process that has its own idea of a predecessor's memory. Takes up what
 * is there: 0 or -errno. */
struct life;
int life_succeed(struct life **life);
void life_serve(struct life *life, enum phase phase, enum pace pace);
void life_meanwhile(void);	    /* an ask may be half done */
void life_close(struct life *life); /* the client is gone */

/* ---- death ---- */

void death_arm(void);
void death_disarm(void);
bool death_can_step(void);
const char *death_point(size_t i, uint32_t *line); /* NULL: there are no more */

/* A hostile predecessor: recover_hostile.c. */
void hostile_predecessors(void);

#endif
