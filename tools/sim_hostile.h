/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_hostile.h - what a misbehaviour of a guest is, and what they share. sim_misbehave.c runs
 * them and judges the backend; sim_hostile_*.c have tables of them.
 */
#ifndef TOOLS_SIM_HOSTILE_H
#define TOOLS_SIM_HOSTILE_H

#include <stdbool.h>

#include "tools/sim_guest.h"

/* What the backend owes to the rest of the world afterwards. Whatever it is, the device has to be
 * removable then, nothing of the guest may stay in use, and other guests may not notice. */
enum sim_expect {
	SIM_CLOSES,  /* it closes the device: state 5 or 6 */
	SIM_ANSWERS, /* it stays in state 4, and the session works */
	SIM_EITHER,  /* one of the two */
	SIM_STAYS,   /* it stays in state 4; the session may be stuck */
	SIM_ANY,     /* nothing more */
};

struct hostile;

struct misbehaviour {
	const char *name; /* NULL ends a table */
	const char *help;
	enum sim_expect expect;
	bool mounted; /* start with a mounted share, else with a device that waits (state 2) */

	/* Does it. -ENOTCONN: the backend closed on the way; any other error is a verdict on the
	 * backend, or on the test. */
	int (*run)(struct hostile *hostile);
	const char *key, *value; /* of the frontend's nodes; value NULL: missing */
};

struct hostile {
	const struct misbehaviour *kind;
	struct sim_guest *guest;
	struct front *front;   /* of `guest` */
	struct client *client; /* when mounted */
	uint8_t *buf;	       /* for one reply */
	size_t room;
	char said[200]; /* what happened, in words */
};

#define SIM_HOSTILE_TIMEOUT 60000 /* ms, for whatever the backend owes; */
#define SIM_HOSTILE_FULL 5000	  /* for it to make room, when it may be that it need not; */
#define SIM_HOSTILE_QUIET 1000	  /* without a reply: there are no more */
#define SIM_HOSTILE_TAG 0x1234	  /* of raw requests; the client, which is idle, uses low ones */

extern const struct misbehaviour sim_hostile_rings[], sim_hostile_messages[], sim_hostile_nodes[];

/* Writes `said`; returns `result`. */
int sim_hostile_say(struct hostile *hostile, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Rings and keys, as a good guest makes them, up to before state 3. */
int sim_hostile_prepare(struct hostile *hostile);

/* Puts bytes into `out` and publishes them, without asking whether there is room. No event. */
void sim_hostile_put(struct hostile *hostile, unsigned ring, const void *bytes, size_t size);

/* Sends bytes as one message; takes the next reply of any ring, decoded. */
int sim_hostile_send(struct hostile *hostile, unsigned ring, const void *bytes, size_t size);
int sim_hostile_recv(struct hostile *hostile, struct p9_msg *reply, int timeout_ms);

/* A harmless request. */
struct p9_msg sim_hostile_getattr(const struct hostile *hostile, uint16_t tag);

/* A message by its struct, with its own tag. */
int sim_hostile_send_msg(struct hostile *hostile, unsigned ring, const struct p9_msg *msg);

/* Does the session answer? */
int sim_hostile_alive(struct hostile *hostile);

#endif
