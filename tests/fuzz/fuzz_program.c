/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_program.c - see fuzz_program.h.
 */
#include "tests/fuzz/fuzz_program.h"

#include "common/log.h"
#include "common/util.h"
#include "tests/fuzz/fuzz_request.h"

enum step {
	STEP_CALL, /* a request, and everything that follows from it */
	STEP_CALL_TOO,
	STEP_CALL_THREE,
	STEP_CALL_FOUR,
	STEP_SEND, /* a request */
	STEP_SEND_TOO,
	STEP_SEND_THREE,
	STEP_ASK,
	STEP_FINISH,
	STEP_PUT,
	STEP_SETTLE,
	STEP_DAMAGE, /* a request with a byte changed, or cut */
	STEP_RECONNECT,
	STEP_SUCCEED,
	STEPS,
};

/* ---- requests ---- */

static uint16_t tag_of(uint8_t number)
{
	return number < 0xf8 ? number % FUZZ_TAGS : P9_NOTAG;
}

static uint32_t make(struct fuzz_input *in, enum p9_dialect dialect, uint8_t number, uint8_t *bytes)
{
	struct p9_msg msg;
	int size;

	fuzz_request(in, fuzz_u8(in), &msg);
	msg.tag = tag_of(number);
	size = p9_encode(&msg, dialect, bytes, FUZZ_REQUEST_MAX);
	FUZZ_CHECK(size > 0);
	return (uint32_t)size;
}

static void set_size(uint8_t *bytes, uint32_t size)
{
	for (unsigned i = 0; i < sizeof(size); i++)
		bytes[i] = (uint8_t)(size >> 8 * i);
}

/* The transport looks at the size field, so that is always right. */
static uint32_t damage(struct fuzz_input *in, uint8_t *bytes, uint32_t size)
{
	uint8_t how = fuzz_u8(in), value = fuzz_u8(in);

	if (how % 4 == 0 && size > P9_HEADER_SIZE)
		size -= 1 + value % (size - P9_HEADER_SIZE);
	else
		bytes[4 + how % (size - 4)] = value;
	set_size(bytes, size);
	return size;
}

/* ---- steps ---- */

static void other_step(struct fuzz_world *w, enum step step, uint8_t number, uint8_t more)
{
	static const char *const names[STEPS] = {
		[STEP_ASK] = "ask",
		[STEP_FINISH] = "finish",
		[STEP_PUT] = "put",
		[STEP_SETTLE] = "settle",
		[STEP_RECONNECT] = "reconnect",
		[STEP_SUCCEED] = "succeed",
	};

	log_debug("%s %u", names[step], number);
	if (step == STEP_ASK)
		fuzz_world_ask(w, number, more & 1);
	else if (step == STEP_FINISH)
		fuzz_world_finish(w, number);
	else if (step == STEP_PUT)
		fuzz_world_put(w, number);
	else if (step == STEP_SETTLE)
		fuzz_world_settle(w);
	else if (step == STEP_RECONNECT)
		fuzz_world_reconnect(w);
	else
		FUZZ_CHECK(fuzz_world_succeed(w) == 0 || w->deaf);
}

void fuzz_program_step(struct fuzz_world *world, struct fuzz_input in)
{
	static uint8_t bytes[FUZZ_REQUEST_MAX];
	enum step step = (enum step)(fuzz_u8(&in) % STEPS);
	uint8_t number = fuzz_u8(&in);
	uint32_t size;

	if (world->session == NULL)
		return;
	if (step > STEP_SEND_THREE && step != STEP_DAMAGE) {
		other_step(world, step, number, fuzz_u8(&in));
		return;
	}
	size = make(&in, world->session->saved->dialect, number, bytes);
	if (step == STEP_DAMAGE)
		size = damage(&in, bytes, size);
	fuzz_world_send(world, number >> 4, bytes, size);
	if (step <= STEP_CALL_FOUR)
		fuzz_world_settle(world);
}

/* ---- how most programs begin ---- */

static void call(struct fuzz_world *world, struct p9_msg msg)
{
	uint8_t bytes[512];
	int size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));

	FUZZ_CHECK(size > 0);
	fuzz_world_send(world, 0, bytes, (uint32_t)size);
	fuzz_world_settle(world);
}

#define T(name, ...)                                                                               \
	((struct p9_msg){.type = P9_T##name, .T##name = (struct p9_T##name){__VA_ARGS__}})

void fuzz_program_prepare(struct fuzz_world *world)
{
	call(world, T(version, .msize = FUZZ_MSIZE, .version = p9_str(P9_VERSION_L)));
	call(world, T(attach, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	call(world, T(mkdir, .name = p9_str("d"), .mode = 0755));
	call(world, T(symlink, .name = p9_str("out"), .target = p9_str("../canary")));
	call(world, T(walk, .newfid = 1));
	call(world, T(lcreate, .fid = 1, .name = p9_str("f"), .flags = 2, .mode = 0644));
}
