/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_verb.h - what a verb of xen9pfs-sim is. Each file of verbs has one table of them; main()
 * reads the command line, connects the guest where a verb wants one, and runs it.
 */
#ifndef TOOLS_SIM_VERB_H
#define TOOLS_SIM_VERB_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/sim_guest.h"

/* What a verb needs before it runs. */
enum sim_needs {
	SIM_NEEDS_NOTHING,
	SIM_NEEDS_BUS,	 /* a directory of a simulated bus */
	SIM_NEEDS_STORE, /* and the store of it */
	SIM_NEEDS_GUEST, /* a guest with a mounted share */
};

struct sim_call {
	const struct sim_guest_options *options;
	const char *verb;
	struct store *store;	 /* with SIM_NEEDS_STORE */
	struct sim_guest *guest; /* with SIM_NEEDS_GUEST */
	int argc;		 /* words behind the verb that are no options */
	char **argv;
	const char *option[128]; /* by key: NULL when absent, "" for a flag */
};

struct sim_verb {
	const char *name; /* NULL ends a table */
	const char *args, *help;
	enum sim_needs needs;
	int min_args, max_args;
	const struct argp_option *options; /* keys below 128; NULL: none */
	int (*run)(struct sim_call *call); /* returns the exit status */
};

extern const struct sim_verb sim_toolstack_verbs[], sim_files_verbs[], sim_load_verbs[],
	sim_day_verbs[], sim_misbehave_verbs[], sim_torture_verbs[], sim_bench_verbs[],
	sim_bench_single_verbs[];

/* Says on stderr what did not work, and why (-errno, or 0 for no reason); returns 1. */
int sim_fail(const struct sim_call *call, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A number with an optional K, M or G. 0; -EINVAL and a line on stderr: `what` is none. */
int sim_number(const struct sim_call *call, const char *what, const char *text, uint64_t *number);

/* The number of an option, or `other`; a bad one is said on stderr, and `*bad` set. */
uint64_t sim_option(const struct sim_call *call, int key, uint64_t other, bool *bad);

int64_t sim_now_us(void);

/* Numbers that look random, one for each `x` (splitmix64). */
uint64_t sim_scramble(uint64_t x);

/* A descriptor that is readable once SIGTERM or SIGINT has come; -errno. */
int sim_stop_fd(void);

#endif
