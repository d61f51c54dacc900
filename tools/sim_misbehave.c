/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_misbehave.c - the verb "misbehave": for each kind a guest with a fresh device does wrong,
 * and the backend is judged by what it does, by whether the device can be removed afterwards, by
 * what it still holds then, and by whether another guest's share goes on. In a guest of real Xen
 * (without --path) the last three are for others to see to.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_hostile.h"
#include "tools/sim_verb.h"
#include "xenbus/sim.h"

static const struct misbehaviour *const tables[] = {sim_hostile_rings, sim_hostile_messages,
						    sim_hostile_nodes};

/* ---- what misbehaviours use ---- */

int sim_hostile_say(struct hostile *hostile, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(hostile->said, sizeof(hostile->said), format, args);
	va_end(args);
	return result;
}

int sim_hostile_prepare(struct hostile *hostile)
{
	int result = front_build(hostile->front);

	return result != 0 ? result : front_write_keys(hostile->front);
}

void sim_hostile_put(struct hostile *hostile, unsigned index, const void *bytes, size_t size)
{
	struct ring *ring = &hostile->front->ring[index].ring;
	uint32_t prod = ring->own->prod;

	for (size_t i = 0; i < size; i++)
		ring->put_data[(prod + i) & (ring->half - 1)] = ((const uint8_t *)bytes)[i];
	ring->own->prod = prod + (uint32_t)size;
	__atomic_store_n(ring->put_prod, ring->own->prod, __ATOMIC_RELEASE);
}

int sim_hostile_send(struct hostile *hostile, unsigned ring, const void *bytes, size_t size)
{
	int64_t deadline = nodes_now() + SIM_HOSTILE_FULL;
	int result;

	while ((result = front_send(hostile->front, ring, bytes, size)) == -EAGAIN) {
		if (nodes_now() > deadline)
			return -EAGAIN;
		result = front_wait(hostile->front, 10);
		if (result != 0 && result != -ETIMEDOUT)
			return result;
	}
	return result;
}

struct p9_msg sim_hostile_getattr(const struct hostile *hostile, uint16_t tag)
{
	struct p9_msg msg = {.type = P9_Tgetattr, .tag = tag};

	msg.Tgetattr.fid = hostile->guest->root;
	msg.Tgetattr.request_mask = P9_GETATTR_BASIC;
	return msg;
}

int sim_hostile_send_msg(struct hostile *hostile, unsigned ring, const struct p9_msg *msg)
{
	uint8_t bytes[4096];
	int size = p9_encode(msg, P9_L, bytes, sizeof(bytes));

	return size < 0 ? size : sim_hostile_send(hostile, ring, bytes, (size_t)size);
}

int sim_hostile_recv(struct hostile *hostile, struct p9_msg *reply, int timeout_ms)
{
	int64_t deadline = nodes_now() + timeout_ms;
	ssize_t size;

	while ((size = front_recv(hostile->front, hostile->buf, hostile->room)) == -EAGAIN) {
		int64_t left = deadline - nodes_now();
		int result = left > 0 ? front_wait(hostile->front, (int)left) : -ETIMEDOUT;

		if (result != 0)
			return result;
	}
	return size < 0 ? (int)size : p9_decode(reply, P9_L, hostile->buf, (size_t)size);
}

int sim_hostile_alive(struct hostile *hostile)
{
	struct p9_Rgetattr attr;

	return client_getattr(hostile->client, hostile->guest->root, P9_GETATTR_BASIC, &attr);
}

/* ---- judging ---- */

static enum xenbus_state backend_state(const struct sim_guest *guest)
{
	return nodes_state(guest->store, guest->front->backend);
}

/* Waits for the backend to close, as long as it may take. */
static int judge_closed(struct hostile *hostile)
{
	int state = nodes_await(hostile->guest->store, hostile->front->backend, NODES_CLOSED,
				SIM_HOSTILE_TIMEOUT);

	if (state < 0)
		return sim_hostile_say(hostile, state, "stays in state %d",
				       backend_state(hostile->guest));
	return 0;
}

static int judge_open(struct hostile *hostile, int result)
{
	enum xenbus_state state = backend_state(hostile->guest);

	if (result != 0)
		return result;
	if (state != XenbusStateConnected)
		return sim_hostile_say(hostile, -ENOTCONN, "went to state %d", state);
	if (hostile->kind->expect == SIM_STAYS)
		return 0;
	result = sim_hostile_alive(hostile);
	if (result != 0)
		sim_hostile_say(hostile, result, "the session does not answer any more");
	return result;
}

/* What the backend made of it: 0 or what was wrong. `result` is that of the misbehaviour. */
static int judge(struct hostile *hostile, int result)
{
	switch (hostile->kind->expect) {
	case SIM_CLOSES:
		return result == 0 || result == -ENOTCONN ? judge_closed(hostile) : result;
	case SIM_ANSWERS:
	case SIM_STAYS:
		return judge_open(hostile, result);
	case SIM_EITHER:
		if (result == -ENOTCONN || backend_state(hostile->guest) != XenbusStateConnected)
			return judge_closed(hostile);
		return judge_open(hostile, result);
	default:
		/* Whatever it is going to be, it should have its time. */
		nodes_await(hostile->guest->store, hostile->front->backend,
			    NODES_CLOSED | NODES_STATE(XenbusStateConnected), 1000);
		return result == -ENOTCONN ? 0 : result;
	}
}

/* Everything that the backend held of the guest is free, very soon. */
static int check_usage(struct hostile *hostile)
{
	const struct sim_guest_options *options = &hostile->guest->options;
	int64_t deadline = nodes_now() + 1000;
	struct sim_usage usage;

	do {
		int result = sim_usage(sim_guest_dir(options), options->device.domid, &usage);

		if (result < 0)
			return sim_hostile_say(hostile, result, "the bus does not answer");
		if (usage.mapped_pages == 0 && usage.bound_ports == 0)
			return 0;
		usleep(10000);
	} while (nodes_now() < deadline);
	return sim_hostile_say(hostile, -EBUSY,
			       "after removal %u pages are mapped and %u ports bound",
			       usage.mapped_pages, usage.bound_ports);
}

/* Removes the device, as for a guest that is destroyed. */
static int check_removal(struct hostile *hostile)
{
	const struct sim_guest *guest = hostile->guest;
	int result;

	if (!guest->attached)
		return 0;
	result = toolstack_detach(guest->store, guest->options.device.domid,
				  guest->options.device.devid, TOOLSTACK_DESTROY);
	if (result != 0)
		return sim_hostile_say(hostile, result, "the device cannot be removed");
	return check_usage(hostile);
}

static int check_witness(struct hostile *hostile, struct sim_guest *witness)
{
	struct p9_Rgetattr attr;
	int result;

	if (witness == NULL)
		return 0;
	result = client_getattr(witness->client, witness->root, P9_GETATTR_BASIC, &attr);
	if (result != 0)
		sim_hostile_say(hostile, result, "another guest's share does not answer");
	return result;
}

/* ---- one misbehaviour ---- */

/* A device that waits for its guest, or is mounted. */
static int set_up(struct hostile *hostile, const struct sim_guest_options *options)
{
	bool mounted = hostile->kind->mounted;
	char *said = hostile->said;
	int result = sim_guest_prepare(options, &hostile->guest, said, sizeof(hostile->said));

	if (result != 0)
		return result;
	hostile->front = hostile->guest->front;
	if (mounted)
		result = front_connect(hostile->front);
	else
		result = front_await(hostile->front, NODES_STATE(XenbusStateInitWait),
				     FRONT_TIMEOUT);
	if (result >= 0 && !mounted)
		result = front_read_offer(hostile->front);
	if (result < 0)
		return sim_hostile_say(hostile, result, "%s", hostile->front->error);
	if (mounted)
		result = sim_guest_mount(hostile->guest, said, sizeof(hostile->said));
	if (result < 0)
		return result;
	said[0] = '\0';
	hostile->client = hostile->guest->client;
	if (mounted)
		client_set_timeout(hostile->client, SIM_HOSTILE_TIMEOUT);
	return 0;
}

static int misbehave(struct hostile *hostile, const struct sim_guest_options *options,
		     struct sim_guest *witness, char *outcome, size_t size)
{
	int result = set_up(hostile, options), removed;

	if (result == 0) {
		result = judge(hostile, hostile->kind->run(hostile));
		snprintf(outcome, size, "state %d%s%s", backend_state(hostile->guest),
			 hostile->said[0] != '\0' ? ", " : "", hostile->said);
	} else {
		snprintf(outcome, size, "no start: %s", hostile->said);
	}
	if (hostile->guest != NULL) {
		removed = check_removal(hostile);
		if (removed == 0)
			removed = check_witness(hostile, witness);
		if (removed != 0) {
			size_t used = strlen(outcome);

			snprintf(outcome + used, size - used, "; then %s", hostile->said);
			result = removed;
		}
	}
	sim_guest_drop(hostile->guest);
	return result;
}

/* Does it, prints the verdict; true if that is good. */
static bool run_kind(const struct misbehaviour *kind, const struct sim_guest_options *options,
		     struct sim_guest *witness)
{
	static uint8_t buf[P9_MSIZE_MAX];
	struct hostile hostile = {.kind = kind, .buf = buf, .room = sizeof(buf)};
	char outcome[512];
	int64_t start = nodes_now();
	int result = misbehave(&hostile, options, witness, outcome, sizeof(outcome));

	printf("%-4s  %-24s %s%s%s  [%lld ms]\n", result == 0 ? "ok" : "FAIL", kind->name, outcome,
	       result != 0 ? ": " : "", result != 0 ? strerror(-result) : "",
	       (long long)(nodes_now() - start));
	fflush(stdout);
	return result == 0;
}

/* ---- the verb ---- */

static int list_kinds(void)
{
	static const char *const expected[] = {"closes", "answers", "either", "stays", "any"};

	for (size_t i = 0; i < countof(tables); i++) {
		for (const struct misbehaviour *kind = tables[i]; kind->name != NULL; kind++)
			printf("%-24s %-8s %s\n", kind->name, expected[kind->expect], kind->help);
	}
	return 0;
}

struct tally {
	unsigned done, failed;
};

static struct tally run_matching(const char *pattern, const struct sim_guest_options *options,
				 struct sim_guest *witness)
{
	struct tally tally = {.done = 0};

	for (size_t i = 0; i < countof(tables); i++) {
		for (const struct misbehaviour *kind = tables[i]; kind->name != NULL; kind++) {
			if (strcmp(pattern, "all") != 0 && fnmatch(pattern, kind->name, 0) != 0)
				continue;
			tally.done++;
			if (!run_kind(kind, options, witness))
				tally.failed++;
		}
	}
	return tally;
}

static int run_misbehave(struct sim_call *call)
{
	bool simulated = sim_guest_dir(call->options) != NULL;
	struct sim_guest_options good = *call->options;
	struct sim_guest *witness = NULL;
	struct tally tally;
	char err[256] = "";
	int result;

	if (strcmp(call->argv[0], "list") == 0)
		return list_kinds();
	if (call->options->bus == NULL || simulated != (call->options->device.path != NULL))
		return sim_fail(call, 0, "needs --bus sim:DIR and --path DIR, or --bus xen");
	if (call->options->rings == 1)
		return sim_fail(call, 0, "needs two rings at least");
	if (simulated) {
		good.device.domid++;
		result = sim_guest_open(&good, &witness, err, sizeof(err));
		if (result != 0)
			return sim_fail(call, 0, "the good guest beside: %s", err);
		client_set_timeout(witness->client, SIM_HOSTILE_TIMEOUT);
	}

	tally = run_matching(call->argv[0], call->options, witness);
	printf("%u misbehaviours, %u not answered as they should be\n", tally.done, tally.failed);
	result = sim_guest_close(witness);
	if (result != 0)
		return sim_fail(call, result, "closing the good guest's device");
	if (tally.done == 0)
		return sim_fail(call, 0, "no kind \"%s\"; try list", call->argv[0]);
	return tally.failed > 0;
}

const struct sim_verb sim_misbehave_verbs[] = {
	{"misbehave", "KIND|PATTERN|list|all", "a hostile guest", SIM_NEEDS_NOTHING, 1, 1, NULL,
	 run_misbehave},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
