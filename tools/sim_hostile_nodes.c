/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_hostile_nodes.c - misbehaviours in the store: keys that are none, states in any order, and
 * floods.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"
#include "tools/sim_hostile.h"

static int write_key(struct hostile *hostile, const char *key, const char *value)
{
	char path[STORE_PATH_MAX];

	nodes_path(path, hostile->front->dir, key);
	if (value == NULL)
		return store_remove(hostile->front->store, 0, path);
	return store_write(hostile->front->store, 0, path, value);
}

/* ---- keys ---- */

/* All is right but one key. */
static int with_key(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	if (result == 0)
		result = write_key(hostile, hostile->kind->key, hostile->kind->value);
	return result != 0 ? result : front_set_state(hostile->front, XenbusStateInitialised);
}

static int huge_key(struct hostile *hostile)
{
	char value[2000];
	int result = sim_hostile_prepare(hostile);

	memset(value, '1', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	if (result == 0)
		result = write_key(hostile, hostile->kind->key, value);
	return result != 0 ? result : front_set_state(hostile->front, XenbusStateInitialised);
}

/* Goes on with prepared rings, of which `key` has this number instead. */
static int change_key(struct hostile *hostile, const char *key, uint32_t number)
{
	char value[16];
	int result;

	snprintf(value, sizeof(value), "%u", number);
	result = write_key(hostile, key, value);
	return result != 0 ? result : front_set_state(hostile->front, XenbusStateInitialised);
}

static int same_port(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	return result != 0 ? result
			   : change_key(hostile, "event-channel-1", hostile->front->ring[0].port);
}

static int same_ring(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	return result != 0 ? result
			   : change_key(hostile, "ring-ref1", hostile->front->ring[0].refs[0]);
}

static int no_keys(struct hostile *hostile)
{
	return front_set_state(hostile->front, XenbusStateInitialised);
}

static int keys_change(struct hostile *hostile)
{
	static const char *const keys[] = {"version", "num-rings", "tag", "backend", "backend-id"};
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(keys); i++)
		result = write_key(hostile, keys[i], "99");
	/* The backend looks at them when the state is written, if at all. */
	return result != 0 ? result : front_set_state(hostile->front, XenbusStateConnected);
}

static int keys_vanish(struct hostile *hostile)
{
	static const char *const keys[] = {"version", "num-rings", "ring-ref0", "event-channel-0"};
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(keys); i++)
		result = write_key(hostile, keys[i], NULL);
	return result != 0 ? result : front_set_state(hostile->front, XenbusStateConnected);
}

/* ---- states ---- */

/* Writes states one after the other, `pause` milliseconds apart, again and again. */
static int write_states(struct hostile *hostile, const char *states, int rounds, unsigned pause)
{
	int result = 0;

	for (int round = 0; result == 0 && round < rounds; round++) {
		for (const char *state = states; result == 0 && *state != '\0'; state++) {
			char value[2] = {*state, '\0'};

			result = write_key(hostile, "state", value);
			usleep(pause * 1000);
		}
	}
	return result;
}

static int flap_1_3(struct hostile *hostile)
{
	return write_states(hostile, "13", 30, 5);
}

static int flap_fast(struct hostile *hostile)
{
	return write_states(hostile, "13", 500, 0);
}

static int flap_all(struct hostile *hostile)
{
	return write_states(hostile, "0123456", 30, 2);
}

static int closed_and_3(struct hostile *hostile)
{
	return write_states(hostile, "63", 20, 10);
}

static int closing_and_3(struct hostile *hostile)
{
	return write_states(hostile, "53", 20, 10);
}

static int never_6(struct hostile *hostile)
{
	return write_key(hostile, "state", "5");
}

static int state_garbage(struct hostile *hostile)
{
	static const char *const values[] = {"4x", "",	 "99999999999999999999", "-1",	  "0x4",
					     " 4", "4 ", "4294967300",		 "seven", "7"};
	char huge[3000];
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(values); i++) {
		result = write_key(hostile, "state", values[i]);
		usleep(10000);
	}
	memset(huge, '4', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	if (result == 0)
		result = write_key(hostile, "state", huge);
	/* More than xenstored takes from a guest. */
	return result == -ENOSPC || result == -E2BIG ? 0 : result;
}

static int state_gone(struct hostile *hostile)
{
	return write_key(hostile, "state", NULL);
}

static int front_gone(struct hostile *hostile)
{
	return store_remove(hostile->front->store, 0, hostile->front->dir);
}

static int front_gone_before(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	return result != 0 ? result : front_gone(hostile);
}

/* Nobody else may read the frontend's nodes any more. Domain 0 may all the same; a backend
 * elsewhere cannot tell them from nodes that are gone. */
static int front_unreadable(struct hostile *hostile)
{
	static const char *const keys[] = {"", "/state", "/version", "/num-rings", "/tag"};
	const struct front *front = hostile->front;
	uint32_t domid = store_domid(front->store); /* on real Xen no option tells */
	char path[STORE_PATH_MAX];
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(keys); i++) {
		snprintf(path, sizeof(path), "%s%s", front->dir, keys[i]);
		result = store_grant_read(front->store, 0, path, domid, domid);
	}
	if (result != 0)
		return sim_hostile_say(hostile, result, "the rights cannot be changed");
	if (front->backend_id == 0)
		return 0;
	result = nodes_await(hostile->guest->store, front->backend, NODES_CLOSED,
			     SIM_HOSTILE_TIMEOUT);
	return result < 0 ? sim_hostile_say(hostile, result, "the backend stays") : 0;
}

/* ---- too much ---- */

static int watch_flood(struct hostile *hostile)
{
	int64_t end = nodes_now() + 1000;
	int result = 0, count = 0;

	while (result == 0 && nodes_now() < end) {
		result = write_key(hostile, "state", "4");
		count++;
	}
	return sim_hostile_say(hostile, result, "%d writes", count);
}

static int big_directory(struct hostile *hostile)
{
	int result = 0, count = 0;

	while (result == 0 && count < 500) {
		char key[128];

		snprintf(key, sizeof(key), "state/a-long-name-of-a-node-that-is-not-needed-%d",
			 count);
		result = write_key(hostile, key, "x");
		count++;
	}
	/* The store may put an end to it. */
	return sim_hostile_say(hostile, 0, "%d nodes", count);
}

#define KEY(name, key, value)                                                                      \
	{                                                                                          \
		name, key " is \"" value "\"", SIM_CLOSES, false, with_key, key, value             \
	}
#define NO_KEY(name, key)                                                                          \
	{                                                                                          \
		name, key " is missing", SIM_CLOSES, false, with_key, key, NULL                    \
	}

const struct misbehaviour sim_hostile_nodes[] = {
	KEY("version-2", "version", "2"),
	KEY("version-empty", "version", ""),
	KEY("version-list", "version", "1,2"),
	NO_KEY("version-missing", "version"),
	KEY("rings-0", "num-rings", "0"),
	KEY("rings-99", "num-rings", "99"),
	KEY("rings-negative", "num-rings", "-1"),
	KEY("rings-garbage", "num-rings", "two"),
	KEY("rings-trailing", "num-rings", "2x"),
	KEY("rings-overflow", "num-rings", "4294967298"),
	{"rings-huge", "num-rings has 2000 digits", SIM_CLOSES, false, huge_key, "num-rings", NULL},
	NO_KEY("rings-missing", "num-rings"),
	KEY("ring-ref-0", "ring-ref0", "0"),
	KEY("ring-ref-unknown", "ring-ref0", "4000000000"),
	KEY("ring-ref-overflow", "ring-ref0", "4294967297"),
	KEY("ring-ref-garbage", "ring-ref1", "8 "),
	{"ring-ref-huge", "ring-ref0 has 2000 digits", SIM_CLOSES, false, huge_key, "ring-ref0",
	 NULL},
	NO_KEY("ring-ref-missing", "ring-ref1"),
	{"ring-ref-twice", "two rings with one interface page", SIM_ANY, false, same_ring, NULL,
	 NULL},
	KEY("port-0", "event-channel-0", "0"),
	KEY("port-unknown", "event-channel-0", "4242"),
	KEY("port-huge", "event-channel-1", "4294967295"),
	KEY("port-garbage", "event-channel-0", "0x5"),
	NO_KEY("port-missing", "event-channel-1"),
	{"port-twice", "two rings with one event channel", SIM_CLOSES, false, same_port, NULL,
	 NULL},
	{"no-keys", "state 3 and nothing else", SIM_CLOSES, false, no_keys, NULL, NULL},
	{"keys-change", "other keys after connecting", SIM_EITHER, true, keys_change, NULL, NULL},
	{"keys-vanish", "no keys after connecting", SIM_EITHER, true, keys_vanish, NULL, NULL},
	{"flap-1-3", "state 1, 3, 1, 3 ...", SIM_ANY, true, flap_1_3, NULL, NULL},
	{"flap-fast", "the same at full speed", SIM_ANY, true, flap_fast, NULL, NULL},
	{"flap-all", "all states in turn", SIM_ANY, true, flap_all, NULL, NULL},
	{"flap-6-3", "state 6, 3, 6, 3 ...", SIM_ANY, true, closed_and_3, NULL, NULL},
	{"flap-5-3", "state 5, 3, 5, 3 ...", SIM_ANY, true, closing_and_3, NULL, NULL},
	{"never-6", "state 5 for ever", SIM_CLOSES, true, never_6, NULL, NULL},
	{"state-garbage", "states that are none", SIM_ANY, true, state_garbage, NULL, NULL},
	{"state-gone", "the state's node vanishes", SIM_CLOSES, true, state_gone, NULL, NULL},
	{"front-gone", "the frontend's directory vanishes", SIM_CLOSES, true, front_gone, NULL,
	 NULL},
	{"front-gone-early", "the same before connecting", SIM_ANY, false, front_gone_before, NULL,
	 NULL},
	{"front-unreadable", "the right to read the frontend's nodes is taken away", SIM_EITHER,
	 true, front_unreadable, NULL, NULL},
	{"watch-flood", "the state is written for a second", SIM_ANSWERS, true, watch_flood, NULL,
	 NULL},
	{"big-directory", "many nodes below the state", SIM_ANSWERS, true, big_directory, NULL,
	 NULL},
	{NULL, NULL, SIM_ANY, false, NULL, NULL, NULL},
};
