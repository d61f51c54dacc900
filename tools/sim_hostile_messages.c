/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_hostile_messages.c - misbehaviours in 9P: messages that are none, names that lead out, tags
 * and fids that are in use, and too much of everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "proto/saved.h"
#include "tools/sim_hostile.h"

/* ---- bytes by hand ---- */

struct raw {
	uint8_t bytes[70000];
	uint32_t size;
};

static void add(struct raw *raw, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		raw->bytes[raw->size++] = (uint8_t)(value >> 8 * i);
}

static void add_text(struct raw *raw, const char *text, uint16_t length)
{
	add(raw, length, 2);
	memcpy(raw->bytes + raw->size, text, length);
	raw->size += length;
}

static void begin(struct raw *raw, uint8_t type)
{
	raw->size = 0;
	add(raw, 0, 4);
	add(raw, type, 1);
	add(raw, SIM_HOSTILE_TAG, 2);
}

/* Sends it. Anything but an error, for this tag, is wrong. */
static int expect_error(struct hostile *hostile, struct raw *raw)
{
	uint32_t size = raw->size;
	struct p9_msg reply;
	char text[128];
	int result;

	raw->size = 0;
	add(raw, size, 4);
	result = sim_hostile_send(hostile, 0, raw->bytes, size);
	if (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	if (result == -ENOTCONN)
		return result;
	if (result != 0)
		return sim_hostile_say(hostile, result, "type %u: no answer", raw->bytes[4]);
	if (reply.type == P9_Rlerror && reply.tag == SIM_HOSTILE_TAG)
		return sim_hostile_say(hostile, 0, "%s",
				       strerrorname_np((int)reply.Rlerror.ecode) != NULL
					       ? strerrorname_np((int)reply.Rlerror.ecode)
					       : "an error");
	p9_print(&reply, text, sizeof(text));
	return sim_hostile_say(hostile, -EPROTO, "type %u is answered by %s", raw->bytes[4], text);
}

static struct raw *scratch(void)
{
	static struct raw raw;

	return &raw;
}

/* ---- types ---- */

/* Every type for which `wanted` holds, with zeros behind it. */
static int each_type(struct hostile *hostile, bool (*wanted)(uint8_t type))
{
	int result = 0, count = 0;

	for (unsigned type = 0; result == 0 && type < 256; type++) {
		struct raw *raw = scratch();

		if (!wanted((uint8_t)type))
			continue;
		begin(raw, (uint8_t)type);
		for (int i = 0; i < 8; i++)
			add(raw, 0, 8);
		result = expect_error(hostile, raw);
		count++;
	}
	return result != 0 ? result : sim_hostile_say(hostile, 0, "%d errors", count);
}

static bool is_unknown(uint8_t type)
{
	return p9_name(type) == NULL;
}

static bool is_reply(uint8_t type)
{
	return p9_name(type) != NULL && p9_name(type)[0] == 'R';
}

static int unknown_types(struct hostile *hostile)
{
	return each_type(hostile, is_unknown);
}

static int reply_types(struct hostile *hostile)
{
	return each_type(hostile, is_reply);
}

/* ---- bodies ---- */

/* Each request cut off behind its header; those without fields are whole then. */
static int headers_only(struct hostile *hostile)
{
	int result = 0;

	for (unsigned type = 0; result == 0 && type < 256; type++) {
		const char *name = p9_name((uint8_t)type);

		if (name == NULL || name[0] != 'T')
			continue;
		begin(scratch(), (uint8_t)type);
		result = expect_error(hostile, scratch());
	}
	return result;
}

static int nwname_17(struct hostile *hostile)
{
	struct raw *raw = scratch();

	begin(raw, P9_Twalk);
	add(raw, hostile->guest->root, 4);
	add(raw, 1000, 4);
	add(raw, 17, 2);
	for (int i = 0; i < 17; i++)
		add_text(raw, ".", 1);
	return expect_error(hostile, raw);
}

static int nwname_short(struct hostile *hostile)
{
	struct raw *raw = scratch();

	begin(raw, P9_Twalk);
	add(raw, hostile->guest->root, 4);
	add(raw, 1000, 4);
	add(raw, 16, 2);
	add_text(raw, "a", 1);
	return expect_error(hostile, raw);
}

static int string_over_end(struct hostile *hostile)
{
	struct raw *raw = scratch();

	begin(raw, P9_Tmkdir);
	add(raw, hostile->guest->root, 4);
	add(raw, 60000, 2);
	add(raw, 0x6161616161616161u, 8);
	return expect_error(hostile, raw);
}

static int data_over_end(struct hostile *hostile)
{
	struct raw *raw = scratch();

	begin(raw, P9_Twrite);
	add(raw, hostile->guest->root, 4);
	add(raw, 0, 8);
	add(raw, 0xfffffff0u, 4);
	add(raw, 0, 8);
	return expect_error(hostile, raw);
}

/* ---- names ---- */

static int make_named(struct hostile *hostile, const char *name, uint16_t length)
{
	struct raw *raw = scratch();

	begin(raw, P9_Tmkdir);
	add(raw, hostile->guest->root, 4);
	add_text(raw, name, length);
	add(raw, 0755, 4);
	add(raw, 0, 4);
	return expect_error(hostile, raw);
}

static int name_with_nul(struct hostile *hostile)
{
	return make_named(hostile, "nul\0inside", 10);
}

static int name_too_long(struct hostile *hostile)
{
	uint32_t most = client_msize(hostile->client) - 100;
	char name[60000];

	memset(name, 'x', sizeof(name));
	return make_named(hostile, name, (uint16_t)(most < sizeof(name) ? most : sizeof(name)));
}

static const char *const bad_names[] = {"",	  "/",	  ".",	 "..", "../x",
					"x/../y", "/etc", "a/b", "x/", "../../../etc/passwd"};

/* Encodes and sends; an error is right. */
static int expect_error_msg(struct hostile *hostile, struct p9_msg *msg)
{
	struct raw *raw = scratch();
	int size;

	msg->tag = SIM_HOSTILE_TAG;
	size = p9_encode(msg, P9_L, raw->bytes, sizeof(raw->bytes));
	if (size < 0)
		return size;
	raw->size = (uint32_t)size;
	return expect_error(hostile, raw);
}

/* Every request that takes a name, with this one. */
static int try_name(struct hostile *hostile, const char *text, uint32_t clone)
{
	const struct p9_str name = p9_str(text), good = p9_str("good");
	const uint32_t root = hostile->guest->root;
	struct p9_msg requests[] = {
		{.type = P9_Tlcreate, .Tlcreate = {clone, name, O_RDWR, 0644, 0}},
		{.type = P9_Tmkdir, .Tmkdir = {root, name, 0755, 0}},
		{.type = P9_Tsymlink, .Tsymlink = {root, name, good, 0}},
		{.type = P9_Tmknod, .Tmknod = {root, name, 0100644, 0, 0, 0}},
		{.type = P9_Tlink, .Tlink = {root, root, name}},
		{.type = P9_Trenameat, .Trenameat = {root, name, root, good}},
		{.type = P9_Trenameat, .Trenameat = {root, good, root, name}},
		{.type = P9_Trename, .Trename = {clone, root, name}},
		{.type = P9_Tunlinkat, .Tunlinkat = {root, name, 0}},
		{.type = P9_Tunlinkat, .Tunlinkat = {root, name, P9_AT_REMOVEDIR}},
	};
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(requests); i++)
		result = expect_error_msg(hostile, &requests[i]);
	return result;
}

static int bad_names_everywhere(struct hostile *hostile)
{
	uint32_t clone;
	int result = client_walk(hostile->client, hostile->guest->root, "", &clone);

	for (size_t i = 0; result == 0 && i < countof(bad_names); i++)
		result = try_name(hostile, bad_names[i], clone);
	return result;
}

/* ".." of the root is the root, however often; a "/" is no separator. */
static int walk_out(struct hostile *hostile)
{
	struct p9_Rgetattr root, up;
	struct p9_msg slash = {.type = P9_Twalk};
	uint32_t fid;
	int result = client_getattr(hostile->client, hostile->guest->root, P9_GETATTR_BASIC, &root);

	if (result == 0)
		result = client_walk(hostile->client, hostile->guest->root,
				     "../../../../../../../..", &fid);
	if (result != 0)
		return result;
	result = client_getattr(hostile->client, fid, P9_GETATTR_BASIC, &up);
	client_clunk(hostile->client, fid);
	if (result == 0 && up.qid.path != root.qid.path)
		return sim_hostile_say(hostile, -EPROTO, "the walk left the share");
	slash.Twalk.fid = hostile->guest->root;
	slash.Twalk.newfid = 1000;
	slash.Twalk.names.count = 1;
	slash.Twalk.names.name[0] = p9_str("../../etc");
	return result != 0 ? result : expect_error_msg(hostile, &slash);
}

/* ---- numbers ---- */

static int bad_fids(struct hostile *hostile)
{
	static const uint32_t fids[] = {4711, 0x7fffffff, 0x80000000, 0xfffffffe, P9_NOFID};
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(fids); i++) {
		struct p9_msg requests[] = {
			{.type = P9_Tgetattr, .Tgetattr = {fids[i], P9_GETATTR_BASIC}},
			{.type = P9_Tread, .Tread = {fids[i], 0, 100}},
			{.type = P9_Tclunk, .Tclunk = {fids[i]}},
			{.type = P9_Twalk, .Twalk = {.fid = fids[i], .newfid = 1000}},
			{.type = P9_Tlock, .Tlock = {.fid = fids[i], .client_id = p9_str("")}},
		};

		for (size_t j = 0; result == 0 && j < countof(requests); j++)
			result = expect_error_msg(hostile, &requests[j]);
	}
	return result;
}

/* An open file of the share, without a name already. */
static int open_scratch_file(struct hostile *hostile, uint32_t *fid)
{
	struct sim_guest *guest = hostile->guest;
	int result = sim_guest_open_file(guest, "misbehave", SIM_GUEST_CREATE | O_RDWR, fid);

	if (result == 0)
		result = client_write_all(guest->client, *fid, 0, "content", 7);
	return result != 0 ? result : client_unlinkat(guest->client, guest->root, "misbehave", 0);
}

static int bad_offsets(struct hostile *hostile)
{
	static const uint64_t offsets[] = {1ull << 63, UINT64_MAX, UINT64_MAX - 100, INT64_MAX};
	const struct p9_data data = {.bytes = "x", .len = 1};
	uint32_t fid;
	int result = open_scratch_file(hostile, &fid);

	for (size_t i = 0; result == 0 && i < countof(offsets); i++) {
		struct p9_msg requests[] = {
			{.type = P9_Tread, .Tread = {fid, offsets[i], 4096}},
			{.type = P9_Twrite, .Twrite = {fid, offsets[i], data}},
		};

		for (size_t j = 0; result == 0 && j < countof(requests); j++)
			result = expect_error_msg(hostile, &requests[j]);
	}
	return result;
}

/* The answer has to fit into a message, and into what is asked for. */
static int count_huge(struct hostile *hostile)
{
	struct p9_msg msg = {.type = P9_Tread, .tag = SIM_HOSTILE_TAG}, reply;
	uint32_t fid;
	int result = open_scratch_file(hostile, &fid);

	msg.Tread.fid = fid;
	msg.Tread.count = 0xffffffffu;
	if (result == 0)
		result = sim_hostile_send_msg(hostile, 0, &msg);
	if (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	if (result == 0 && reply.type == P9_Rread && reply.Rread.data.len != 7)
		return sim_hostile_say(hostile, -EPROTO, "%u bytes of 7", reply.Rread.data.len);
	return result;
}

static int xattr_sizes(struct hostile *hostile)
{
	static const uint64_t sizes[] = {UINT64_MAX, 1ull << 63, 1ull << 32, 65537};
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(sizes); i++) {
		struct p9_msg msg = {.type = P9_Txattrcreate};
		uint32_t clone;

		result = client_walk(hostile->client, hostile->guest->root, "", &clone);
		if (result != 0)
			break;
		msg.Txattrcreate = (struct p9_Txattrcreate){clone, p9_str("user.x"), sizes[i], 0};
		result = expect_error_msg(hostile, &msg);
	}
	return result;
}

/* ---- tags ---- */

static int tag_of_version(struct hostile *hostile)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, P9_NOTAG), reply;
	int result = sim_hostile_send_msg(hostile, 0, &msg);

	if (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	if (result == 0 && reply.tag != P9_NOTAG)
		return -EPROTO;
	return result;
}

/* Many requests with one tag, at once: no more replies than requests, and the session lives. */
static int duplicate_tags(struct hostile *hostile)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG), reply;
	uint8_t bytes[64];
	int size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));
	int replies = 0, result;

	for (int i = 0; i < 100; i++)
		sim_hostile_put(hostile, 0, bytes, (size_t)size);
	if (front_notify(hostile->front, 0) != 0)
		return -EPROTO;
	while ((result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_QUIET)) == 0) {
		replies++;
		if (reply.tag != SIM_HOSTILE_TAG)
			return -EPROTO;
	}
	if (result != -ETIMEDOUT)
		return result;
	return sim_hostile_say(hostile, replies >= 1 && replies <= 100 ? 0 : -EPROTO,
			       "%d replies to 100 requests", replies);
}

#define FLUSHES 1000

/* A request, its flush, the flush of its flush, on all rings: each flush is answered, and no
 * reply comes after its flush when both use one ring. */
static int send_flushes(struct hostile *hostile)
{
	unsigned rings = hostile->front->rings;
	int result = 0;

	for (uint16_t i = 0; result == 0 && i < FLUSHES; i++) {
		struct p9_msg msg = sim_hostile_getattr(hostile, i);
		struct p9_msg flush = {.type = P9_Tflush, .tag = (uint16_t)(10000 + i)};
		struct p9_msg again = {.type = P9_Tflush, .tag = (uint16_t)(20000 + i)};

		flush.Tflush.oldtag = i;
		again.Tflush.oldtag = flush.tag;
		result = sim_hostile_send_msg(hostile, i % rings, &msg);
		if (result == 0)
			result = sim_hostile_send_msg(hostile, i % rings, &flush);
		if (result == 0)
			result = sim_hostile_send_msg(hostile, (i + 1) % rings, &again);
	}
	return result;
}

/* Rflush may be missing only for a flush that was flushed itself. */
static int flush_everything(struct hostile *hostile)
{
	static bool flushed[FLUSHES];
	struct p9_msg reply;
	int again = 0, result = send_flushes(hostile);

	memset(flushed, 0, sizeof(flushed));
	while (result == 0 && again < FLUSHES) {
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
		if (result != 0)
			break;
		if (reply.type == P9_Rflush && reply.tag >= 20000)
			again++;
		else if (reply.type == P9_Rflush && reply.tag >= 10000)
			flushed[reply.tag - 10000] = true;
		else if (reply.tag < FLUSHES && flushed[reply.tag])
			return sim_hostile_say(hostile, -EPROTO, "a reply after its Rflush");
	}
	/* Requests whose flush was flushed may still be answered. */
	while (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_QUIET);
	if (result == -ETIMEDOUT && again == FLUSHES)
		result = 0;
	return sim_hostile_say(hostile, result, "%d of %d last flushes answered", again, FLUSHES);
}

/* Flushes of what is not there: themselves, NOTAG, nothing. */
static int flush_nothing(struct hostile *hostile)
{
	static const uint16_t tags[] = {SIM_HOSTILE_TAG, P9_NOTAG, 0, 40000};
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(tags); i++) {
		struct p9_msg msg = {.type = P9_Tflush, .tag = SIM_HOSTILE_TAG}, reply;

		msg.Tflush.oldtag = tags[i];
		result = sim_hostile_send_msg(hostile, 0, &msg);
		if (result == 0)
			result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
		if (result == 0 && (reply.type != P9_Rflush || reply.tag != SIM_HOSTILE_TAG))
			result = -EPROTO;
	}
	return result;
}

/* A flush whose request lies in another ring, whose event the backend has not seen. */
static int flush_other_ring(struct hostile *hostile)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, 0), reply;
	uint8_t bytes[64];
	int result, size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));

	if (hostile->front->rings < 2)
		return sim_hostile_say(hostile, 0, "there is one ring only");
	sim_hostile_put(hostile, 0, bytes, (size_t)size);
	msg = (struct p9_msg){.type = P9_Tflush, .tag = 1, .Tflush.oldtag = 0};
	result = sim_hostile_send_msg(hostile, 1, &msg);
	do {
		if (result == 0)
			result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	} while (result == 0 && reply.type != P9_Rflush);
	if (result != 0)
		return result;
	front_notify(hostile->front, 0);
	if (sim_hostile_recv(hostile, &reply, 200) != -ETIMEDOUT)
		return sim_hostile_say(hostile, -EPROTO, "a reply after its Rflush");
	return 0;
}

/* Lets the backend do what it owes no event for. */
static int wait_a_little(struct hostile *hostile, int64_t deadline)
{
	int result = front_wait(hostile->front, 10);

	if (result != 0 && result != -ETIMEDOUT)
		return result;
	return nodes_now() <= deadline
		       ? 0
		       : sim_hostile_say(hostile, -ETIMEDOUT, "not all is taken or answered");
}

/* Waits until the backend has done `done`. */
static int await_backend(struct hostile *hostile, unsigned index,
			 bool (*done)(const struct ring *ring, uint32_t number), uint32_t number)
{
	int64_t deadline = nodes_now() + SIM_HOSTILE_TIMEOUT;
	int result = 0;

	while (result == 0 && !done(&hostile->front->ring[index].ring, number))
		result = wait_a_little(hostile, deadline);
	return result;
}

static bool is_taken(const struct front_ring *ring)
{
	return ring_consumed(&ring->ring, ring->ring.own->prod);
}

static bool has_put(const struct ring *ring, uint32_t bytes)
{
	return __atomic_load_n(ring->take_prod, __ATOMIC_ACQUIRE) - ring->own->cons >= bytes;
}

/* So many requests that their replies fill the ring, and all but one of those that a session may
 * have in flight wait for room. */
static int fill_session(struct hostile *hostile, unsigned index, uint32_t *fit, uint16_t *last)
{
	const uint32_t reply = 160; /* bytes of Rgetattr */
	const struct ring *ring = &hostile->front->ring[index].ring;
	const uint32_t count = ring->half / reply + SESSION_REQS_MAX - 1;
	int result = 0;

	*fit = ring->half / reply;
	for (uint32_t i = 0; result == 0 && i < count; i++) {
		struct p9_msg msg = sim_hostile_getattr(hostile, (uint16_t)i);

		result = sim_hostile_send_msg(hostile, index, &msg);
	}
	*last = (uint16_t)(count - 1);
	if (result == 0)
		result = await_backend(hostile, index, ring_consumed, ring->own->prod);
	return result == 0 ? await_backend(hostile, index, has_put, *fit * reply) : result;
}

/* Takes `count` replies of one ring, and tells whether one has that tag. */
static int take_replies(struct hostile *hostile, unsigned ring, uint32_t count, uint16_t tag,
			bool *seen, int timeout_ms)
{
	int64_t deadline = nodes_now() + timeout_ms;
	struct p9_msg reply;

	*seen = false;
	while (count > 0 && nodes_now() < deadline) {
		ssize_t size = front_recv_ring(hostile->front, ring, hostile->buf, hostile->room);
		int result = 0;

		if (size == -EAGAIN)
			result = front_wait(hostile->front, 10);
		else if (size >= 0)
			result = p9_decode(&reply, P9_L, hostile->buf, (size_t)size);
		if (size < 0 && size != -EAGAIN)
			return (int)size;
		if (result != 0 && result != -ETIMEDOUT)
			return result;
		if (size >= 0) {
			*seen |= reply.tag == tag;
			count--;
		}
	}
	return count > 0 ? -ETIMEDOUT : 0;
}

/* The same, when there is no room in the session for the request that is flushed: the Tflush takes
 * the last, as its ring is the first that is looked into. (A backend that looks just between the
 * two takes the request, and the Tflush later.) Replies before its own are taken, so that there is
 * room again. If Rflush comes then, no reply must come after it. */
static int flush_full_once(struct hostile *hostile)
{
	enum { FLUSH_RING, REQUEST_RING };
	const struct front_ring *rings = hostile->front->ring;
	int64_t deadline;
	struct p9_msg msg;
	uint8_t bytes[64];
	uint32_t fit;
	uint16_t last;
	bool seen = false, flushed = false;
	int result, size;

	if (hostile->front->rings < 2)
		return sim_hostile_say(hostile, 0, "there is one ring only");
	result = fill_session(hostile, REQUEST_RING, &fit, &last);
	if (result != 0)
		return result;
	msg = sim_hostile_getattr(hostile, (uint16_t)(last + 1));
	size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));
	front_wait(hostile->front, 10); /* until it sleeps, and looks nowhere */
	sim_hostile_put(hostile, REQUEST_RING, bytes, (size_t)size);
	msg = (struct p9_msg){.type = P9_Tflush, .tag = (uint16_t)(last + 2)};
	msg.Tflush.oldtag = (uint16_t)(last + 1);
	result = sim_hostile_send_msg(hostile, FLUSH_RING, &msg);
	deadline = nodes_now() + SIM_HOSTILE_TIMEOUT;
	while (result == 0 && !is_taken(&rings[FLUSH_RING]) && !is_taken(&rings[REQUEST_RING]))
		result = wait_a_little(hostile, deadline);
	if (result == 0)
		result = take_replies(hostile, REQUEST_RING, fit, 0, &seen, SIM_HOSTILE_TIMEOUT);
	front_notify(hostile->front, REQUEST_RING);
	if (result != 0)
		return result;
	result = take_replies(hostile, FLUSH_RING, 1, msg.tag, &flushed, 300);
	if (result == 0 || result == -ETIMEDOUT)
		result = take_replies(hostile, REQUEST_RING, SESSION_REQS_MAX - 1,
				      (uint16_t)(last + 1), &seen, SIM_HOSTILE_TIMEOUT);
	while (result == 0) {
		result = sim_hostile_recv(hostile, &msg, flushed ? 200 : SIM_HOSTILE_TIMEOUT);
		seen |= result == 0 && msg.tag == last + 1 && flushed;
		flushed |= result == 0 && msg.type == P9_Rflush;
	}
	if (seen)
		return sim_hostile_say(hostile, -EPROTO, "a reply after its Rflush");
	return flushed && result == -ETIMEDOUT ? 0 : result;
}

static int flush_full(struct hostile *hostile)
{
	int result = 0;

	for (int i = 0; result == 0 && i < 3; i++)
		result = flush_full_once(hostile);
	return result;
}

/* ---- sessions ---- */

/* As after a mount. */
static int mount_again(struct hostile *hostile)
{
	int result = client_version(hostile->client, CLIENT_MSIZE);

	if (result != 0)
		return sim_hostile_say(hostile, result, "Tversion");
	result = client_attach(hostile->client, "", "", 0, &hostile->guest->root);
	return result == 0 ? 0 : sim_hostile_say(hostile, result, "Tattach");
}

static int versions(struct hostile *hostile)
{
	static const struct {
		uint32_t msize;
		const char *version;
	} asked[] = {{0, "9P2000.L"},	{1, "9P2000.L"},	  {4095, "9P2000.L"},
		     {8192, ""},	{8192, "9P1999"},	  {8192, "9P2000.L.1"},
		     {8192, "unknown"}, {0xffffffffu, "9P2000.L"}};
	struct p9_msg reply;
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(asked); i++) {
		struct p9_msg msg = {.type = P9_Tversion, .tag = P9_NOTAG};

		msg.Tversion.msize = asked[i].msize;
		msg.Tversion.version = p9_str(asked[i].version);
		result = sim_hostile_send_msg(hostile, 0, &msg);
		if (result == 0)
			result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
		if (result == 0 && reply.type == P9_Rversion &&
		    reply.Rversion.msize > asked[i].msize)
			return sim_hostile_say(hostile, -EPROTO, "msize %u for %u",
					       reply.Rversion.msize, asked[i].msize);
	}
	return result != 0 ? result : mount_again(hostile);
}

static int before_version(struct hostile *hostile)
{
	struct p9_msg msg = {.type = P9_Tversion, .tag = P9_NOTAG}, reply;
	struct p9_msg request = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG);
	int result;

	/* A refused version leaves no session behind. */
	msg.Tversion.version = p9_str("nonsense");
	msg.Tversion.msize = 8192;
	result = sim_hostile_send_msg(hostile, 0, &msg);
	if (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	if (result == 0)
		result = expect_error_msg(hostile, &request);
	return result != 0 ? result : mount_again(hostile);
}

/* Versions in the midst of requests, on the other ring: replies to the old ones are not wanted
 * any more, but may have been sent before. */
static int version_storm(struct hostile *hostile)
{
	struct p9_msg version = {.type = P9_Tversion, .tag = P9_NOTAG}, reply;
	int result = 0;

	version.Tversion.msize = 8192;
	version.Tversion.version = p9_str(P9_VERSION_L);
	for (int round = 0; result == 0 && round < 100; round++) {
		for (uint16_t tag = 0; result == 0 && tag < 20; tag++) {
			struct p9_msg msg = sim_hostile_getattr(hostile, tag);

			result = sim_hostile_send_msg(hostile, 0, &msg);
		}
		if (result == 0)
			result = sim_hostile_send_msg(hostile, hostile->front->rings - 1, &version);
		do {
			if (result == 0)
				result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
		} while (result == 0 && reply.type != P9_Rversion);
	}
	/* The requests of the last round may be answered even now. */
	while (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_QUIET);
	return result != -ETIMEDOUT ? result : mount_again(hostile);
}

/* ---- too much ---- */

static int hoard_fids(struct hostile *hostile)
{
	uint32_t fid;
	int count = 0, result = 0;

	while (result == 0 && count < 20000) {
		result = client_walk(hostile->client, hostile->guest->root, "", &fid);
		count += result == 0;
	}
	return result == -EPROTO || result == -ETIMEDOUT || result == -ENOTCONN
		       ? result
		       : sim_hostile_say(hostile, 0, "%d fids", count);
}

static int hoard_files(struct hostile *hostile)
{
	uint32_t fid;
	int count = 0, result = 0;

	while (result == 0 && count < 3000) {
		result = open_scratch_file(hostile, &fid);
		count += result == 0;
	}
	return result == -EPROTO || result == -ETIMEDOUT || result == -ENOTCONN
		       ? result
		       : sim_hostile_say(hostile, 0, "%d open files", count);
}

static int hoard_xattrs(struct hostile *hostile)
{
	int count = 0, result = 0;

	while (result == 0 && count < 4000) {
		struct p9_msg msg = {.type = P9_Txattrcreate}, reply;
		uint32_t clone;

		result = client_walk(hostile->client, hostile->guest->root, "", &clone);
		if (result != 0)
			break;
		msg.Txattrcreate = (struct p9_Txattrcreate){clone, p9_str("user.x"), 65536, 0};
		result = client_rpc(hostile->client, &msg, &reply);
		count += result == 0;
	}
	return result == -EPROTO || result == -ETIMEDOUT || result == -ENOTCONN
		       ? result
		       : sim_hostile_say(hostile, 0, "%d unfinished attributes", count);
}

/* All tags at once. */
static int all_tags(struct hostile *hostile)
{
	struct p9_msg reply;
	int count = 0, result = 0;

	while (result == 0 && count < P9_NOTAG) {
		struct p9_msg msg = sim_hostile_getattr(hostile, 0);

		result = client_send(hostile->client, &msg);
		count += result == 0;
	}
	/* What was taken while sending counts as in flight until it is looked at. */
	while (result == 0 && client_in_flight(hostile->client) > 0)
		result = client_recv(hostile->client, &reply, SIM_HOSTILE_TIMEOUT);
	return sim_hostile_say(hostile, result, "%d requests", count);
}

/* Bytes by chance behind a true size. */
static int garbage(struct hostile *hostile)
{
	unsigned seed = 1;
	int result = 0, answers = 0;

	for (int round = 0; result == 0 && round < 20000; round++) {
		uint8_t bytes[128];
		uint32_t size = P9_HEADER_SIZE + (uint32_t)rand_r(&seed) % 100;
		struct p9_msg reply;

		for (uint32_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		memcpy(bytes, &size, sizeof(size));
		/* Not Tversion: it would end the session that is looked at afterwards. */
		if (bytes[4] == P9_Tversion)
			continue;
		/* Fids that are there, in most of them. */
		if (size >= 11 && round % 4 != 0)
			memset(bytes + 7, 0, 4);
		if (bytes[4] == P9_Tclunk || bytes[4] == P9_Tremove)
			bytes[7] = 77;
		result = sim_hostile_send(hostile, 0, bytes, size);
		if (result == 0)
			result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
		answers += result == 0;
	}
	return sim_hostile_say(hostile, result, "%d answers", answers);
}

const struct misbehaviour sim_hostile_messages[] = {
	{"unknown-types", "every type that does not exist", SIM_EITHER, true, unknown_types, NULL,
	 NULL},
	{"reply-types", "replies as requests", SIM_EITHER, true, reply_types, NULL, NULL},
	{"headers-only", "every request cut behind its header", SIM_EITHER, true, headers_only,
	 NULL, NULL},
	{"nwname-17", "a walk of 17 names", SIM_EITHER, true, nwname_17, NULL, NULL},
	{"nwname-short", "a walk with fewer names than it says", SIM_EITHER, true, nwname_short,
	 NULL, NULL},
	{"string-over-end", "a string longer than the message", SIM_EITHER, true, string_over_end,
	 NULL, NULL},
	{"data-over-end", "a write of more data than there are", SIM_EITHER, true, data_over_end,
	 NULL, NULL},
	{"name-with-nul", "a name with a NUL inside", SIM_EITHER, true, name_with_nul, NULL, NULL},
	{"name-too-long", "a name of up to 60000 bytes", SIM_EITHER, true, name_too_long, NULL,
	 NULL},
	{"bad-names", "names that are paths, everywhere", SIM_ANSWERS, true, bad_names_everywhere,
	 NULL, NULL},
	{"walk-out", "walks out of the share", SIM_ANSWERS, true, walk_out, NULL, NULL},
	{"bad-fids", "fids that are not there", SIM_ANSWERS, true, bad_fids, NULL, NULL},
	{"bad-offsets", "offsets beyond all files", SIM_ANSWERS, true, bad_offsets, NULL, NULL},
	{"count-huge", "a read of 4 GiB", SIM_ANSWERS, true, count_huge, NULL, NULL},
	{"xattr-sizes", "attributes of impossible sizes", SIM_ANSWERS, true, xattr_sizes, NULL,
	 NULL},
	{"tag-of-version", "a request with the tag of Tversion", SIM_EITHER, true, tag_of_version,
	 NULL, NULL},
	{"duplicate-tags", "100 requests with one tag", SIM_EITHER, true, duplicate_tags, NULL,
	 NULL},
	{"flush-everything", "requests, their flushes, and theirs", SIM_ANSWERS, true,
	 flush_everything, NULL, NULL},
	{"flush-nothing", "flushes of what is not there", SIM_ANSWERS, true, flush_nothing, NULL,
	 NULL},
	{"flush-other-ring", "a flush that overtakes its request", SIM_ANSWERS, true,
	 flush_other_ring, NULL, NULL},
	{"flush-full", "the same when no more requests fit into the session", SIM_ANSWERS, true,
	 flush_full, NULL, NULL},
	{"versions", "Tversion with every nonsense", SIM_ANSWERS, true, versions, NULL, NULL},
	{"before-version", "requests without a session", SIM_ANSWERS, true, before_version, NULL,
	 NULL},
	{"version-storm", "Tversion in the midst of requests", SIM_ANSWERS, true, version_storm,
	 NULL, NULL},
	{"hoard-fids", "20000 fids", SIM_ANSWERS, true, hoard_fids, NULL, NULL},
	{"hoard-files", "3000 open files", SIM_ANSWERS, true, hoard_files, NULL, NULL},
	{"hoard-xattrs", "4000 unfinished attributes of 64 KiB", SIM_ANSWERS, true, hoard_xattrs,
	 NULL, NULL},
	{"all-tags", "65535 requests at once", SIM_ANSWERS, true, all_tags, NULL, NULL},
	{"garbage", "20000 messages by chance; may leave files", SIM_EITHER, true, garbage, NULL,
	 NULL},
	{NULL, NULL, SIM_ANY, false, NULL, NULL, NULL},
};
