/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture.h - the inside of the verb "torture". A kind of task does one sort of operation in a
 * directory of its own, keeps a model of what must be there, and holds every answer against it.
 * Each worker has a task of each kind; all run at the same time (sim_turns.h). What a task does
 * follows from the seed alone.
 *
 * A result of 0 is as expected; TORTURE_WRONG ends the run. Only the first wrong result is told:
 * what comes after it may be its consequence.
 */
#ifndef TOOLS_SIM_TORTURE_H
#define TOOLS_SIM_TORTURE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/client.h"
#include "tools/sim_turns.h"
#include "tools/sim_verb.h"

#define TORTURE_WRONG (-EILSEQ)
#define TORTURE_SKIP 1 /* from start: this share cannot do it */

struct torture_task;

struct torture_kind {
	const char *name;
	/* Sets task->state, and makes what the rounds need. */
	int (*start)(struct torture_task *task);
	/* One operation or a few that belong together, and a look at what has become of it. */
	int (*round)(struct torture_task *task);
	/* Verifies all that the model knows and gives back fids and locks. */
	int (*end)(struct torture_task *task);
	/* Frees task->state, which may be NULL. */
	void (*free)(struct torture_task *task);
};

extern const struct torture_kind torture_names, torture_data, torture_unlinked, torture_append,
	torture_fids, torture_locks, torture_xattrs, torture_flush, torture_list, torture_contend,
	torture_poison;

struct torture {
	struct sim_call *call;
	struct client *client;
	struct turns *turns;
	uint64_t seed;
	char dir[128];	    /* of this guest, in the share */
	const char *common; /* directory that guests share; NULL: none */
	uint64_t most;	    /* rounds */
	uint64_t rounds;    /* done, by all tasks */
	uint64_t held;	    /* times that the lock of all guests was ours */
	bool unlinked;	    /* what has no name any more is used, too */
	bool locks;	    /* of files are used, too */
	bool failed;	    /* and said why */
	int stop;	    /* descriptor; readable: an end was asked for */
};

struct torture_task {
	struct turns_task turns;
	struct torture *torture;
	const struct torture_kind *kind;
	unsigned worker;
	uint64_t random;
	uint32_t dir; /* fid of the task's directory, not opened */
	void *state;  /* the kind's */
	uint64_t rounds;
	bool skipped;
};

/* ---- judging ---- */

/* Something is not as it must be: says so. Returns TORTURE_WRONG. */
int torture_wrong(struct torture_task *task, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Holds a result (0 or -errno) against the expected one; `format` tells what was done. */
int torture_judge(struct torture_task *task, int result, int expected, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- choosing ---- */

uint64_t torture_random(struct torture_task *task);

/* 0 to n - 1. */
uint32_t torture_below(struct torture_task *task, uint32_t n);

/* A size of 1 to `most`, small ones as often as large ones. */
uint32_t torture_size(struct torture_task *task, uint32_t most);

/* Bytes that nobody else writes. */
void torture_pattern(struct torture_task *task, uint8_t *bytes, size_t size);

/* ---- files by name, results unjudged ---- */

/* A new fid of the opened file. */
int torture_create(struct torture_task *task, uint32_t dir, const char *name, uint32_t flags,
		   uint32_t mode, uint32_t *fid);
int torture_open(struct torture_task *task, uint32_t dir, const char *name, uint32_t flags,
		 uint32_t *fid);
int torture_getattr(struct torture_task *task, uint32_t dir, const char *name,
		    struct p9_Rgetattr *attr);

/* The largest payload of one request. */
uint32_t torture_most(const struct torture_task *task);

/* ---- a file and what must be in it: sim_torture_file.c ---- */

struct torture_file {
	char name[32];
	uint32_t fid; /* open for both; P9_NOFID: not */
	bool unlinked;
	uint8_t *bytes; /* `room` of them; those from `size` on are 0 */
	uint32_t size, room;
};

/* Judged, as all of these. `flags` besides O_RDWR and O_EXCL. */
int torture_file_create(struct torture_task *task, struct torture_file *file, uint32_t flags);

/* A few writes and reads at the same time, in different places. */
int torture_file_burst(struct torture_task *task, struct torture_file *file);
int torture_file_truncate(struct torture_task *task, struct torture_file *file);

/* Size, links, and every byte. */
int torture_file_stat(struct torture_task *task, struct torture_file *file);
int torture_file_verify(struct torture_task *task, struct torture_file *file);

/* Clunks the fid. */
int torture_file_close(struct torture_task *task, struct torture_file *file);

#endif
