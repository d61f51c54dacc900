/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_wire.c - the wire: every message of messages.def in each dialect to bytes and back, every
 * way to cut it short, and the bytes and sizes that the protocol's description gives.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "proto/text.h"
#include "proto/wire.h"
#include "tests/lib/test.h"

#define ROUNDS 50	/* random messages of each kind */
#define SIZE_LIMIT 8192 /* of a random message */

/* ---- random messages, made from messages.def ---- */

static uint64_t random_state;
static enum p9_dialect dialect; /* that they are written in */

static uint64_t random_bits(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return random_state >> 11 ^ random_state << 30;
}

/* Strings and data borrow from here: bytes without NUL. */
static char random_text[4096];

static void random_begin(uint64_t seed)
{
	random_state = seed;
	for (size_t i = 0; i < sizeof(random_text); i++)
		random_text[i] = (char)(random_bits() % 255 + 1);
}

static void fill_u8(uint8_t *value)
{
	*value = (uint8_t)random_bits();
}

static void fill_u16(uint16_t *value)
{
	*value = (uint16_t)random_bits();
}

static void fill_u32(uint32_t *value)
{
	*value = (uint32_t)random_bits();
}

static void fill_u64(uint64_t *value)
{
	*value = random_bits();
}

#define fill_fid fill_u32
#define fill_dfid fill_u32
#define fill_newfid fill_u32
#define fill_afid fill_u32
#define fill_optu32 fill_u32
#define fill_u32u fill_u32

static void fill_qid(struct p9_qid *qid)
{
	fill_u8(&qid->type);
	fill_u32(&qid->version);
	fill_u64(&qid->path);
}

/* Short ones, long ones and empty ones. */
static uint16_t random_length(void)
{
	static const uint16_t limits[] = {1, 4, 40, 256};

	return (uint16_t)(random_bits() % limits[random_bits() % countof(limits)]);
}

static void fill_str(struct p9_str *str)
{
	str->len = random_length();
	str->text = random_text + random_bits() % (sizeof(random_text) - str->len);
}

#define fill_stru fill_str

static void fill_data(struct p9_data *data)
{
	data->len = random_length();
	data->bytes = random_text + random_bits() % (sizeof(random_text) - data->len);
}

static void fill_names(struct p9_names *names)
{
	names->count = (uint16_t)(random_bits() % (P9_MAXWELEM + 1));
	for (unsigned i = 0; i < names->count; i++)
		fill_str(&names->name[i]);
}

static void fill_qids(struct p9_qids *qids)
{
	qids->count = (uint16_t)(random_bits() % (P9_MAXWELEM + 1));
	for (unsigned i = 0; i < qids->count; i++)
		fill_qid(&qids->qid[i]);
}

static void fill_stat(struct p9_stat *m);

/* clang-format off */
#define STAT(fields) static void fill_stat(struct p9_stat *m) { fields }
#define F(kind, name) fill_##kind(&m->name);
#define MSG(number, name, fields)                                                                  \
	static void fill_##name(struct p9_##name *m) { (void)m; fields }
#include "proto/messages.def"
#undef F
#undef MSG
/* clang-format on */

static void fill(struct p9_msg *msg, uint8_t type)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = type;
	fill_u16(&msg->tag);
	switch (type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		fill_##name(&msg->name);                                                           \
		break;
#include "proto/messages.def"
#undef MSG
	}
}

/* ---- every type in turn ---- */

static const uint8_t all_types[] = {
#define MSG(number, name, fields) number,
#include "proto/messages.def"
#undef MSG
};

/* Calls `each` with random messages of every type. */
static void with_random_messages(void (*each)(const struct p9_msg *msg))
{
	struct p9_msg msg;

	for (size_t i = 0; i < countof(all_types); i++) {
		for (uint64_t round = 0; round < ROUNDS; round++) {
			dialect = (enum p9_dialect)(round % P9_DIALECTS);
			random_begin(round * 1000 + i);
			fill(&msg, all_types[i]);
			each(&msg);
		}
	}
	dialect = P9_L;
}

/* The message in a heap buffer of exactly its size, where a sanitizer sees each step beyond. */
static uint8_t *encoded(const struct p9_msg *msg, size_t *size)
{
	uint8_t large[SIZE_LIMIT];
	uint8_t *exact;
	int encoded_size = p9_encode(msg, dialect, large, sizeof(large));

	CU_ASSERT_FATAL(encoded_size >= P9_HEADER_SIZE);
	*size = (size_t)encoded_size;
	exact = malloc(*size);
	CU_ASSERT_FATAL(exact != NULL);
	memcpy(exact, large, *size);
	return exact;
}

static void set_size(uint8_t *bytes, size_t size)
{
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(size >> (8 * i));
}

static void comes_back(const struct p9_msg *msg)
{
	size_t size;
	_cleanup_free_ uint8_t *bytes = encoded(msg, &size);
	_cleanup_free_ uint8_t *original = encoded(msg, &size);
	_cleanup_free_ uint8_t *again = malloc(size);
	struct p9_msg back;

	CU_ASSERT_EQUAL(p9_decode(&back, dialect, bytes, size), 0);
	CU_ASSERT_EQUAL(back.type, msg->type);
	CU_ASSERT_EQUAL(back.tag, msg->tag);
	CU_ASSERT_EQUAL(p9_encode(&back, dialect, again, size), (int)size);
	CU_ASSERT_EQUAL(memcmp(again, original, size), 0);
}

static void every_message_comes_back_from_its_bytes(void)
{
	with_random_messages(comes_back);
}

/* Tfsync may end before its last field. */
static bool may_end_at(const struct p9_msg *msg, size_t size)
{
	return msg->type == P9_Tfsync && size == P9_HEADER_SIZE + 4;
}

static void is_refused_when_cut(const struct p9_msg *msg)
{
	size_t size;
	_cleanup_free_ uint8_t *bytes = encoded(msg, &size);
	struct p9_msg back;

	for (size_t cut = 0; cut < size; cut++) {
		_cleanup_free_ uint8_t *piece = malloc(cut);
		int expected = may_end_at(msg, cut) ? 0 : -EPROTO;

		memcpy(piece, bytes, cut);
		if (cut >= 4)
			set_size(piece, cut);
		CU_ASSERT_EQUAL(p9_decode(&back, dialect, piece, cut), expected);
		if (cut >= P9_HEADER_SIZE) {
			CU_ASSERT_EQUAL(back.type, msg->type);
			CU_ASSERT_EQUAL(back.tag, msg->tag);
		}
	}
}

static void every_message_that_is_cut_is_refused(void)
{
	with_random_messages(is_refused_when_cut);
}

static void does_not_fit_less(const struct p9_msg *msg)
{
	uint8_t large[SIZE_LIMIT];
	int size = p9_encode(msg, dialect, large, sizeof(large));

	for (size_t small = 0; small < (size_t)size; small++) {
		_cleanup_free_ uint8_t *buf = malloc(small);

		CU_ASSERT_EQUAL(p9_encode(msg, dialect, buf, small), -EMSGSIZE);
	}
}

static void encoding_into_too_little_room_is_EMSGSIZE(void)
{
	with_random_messages(does_not_fit_less);
}

static void ignores_more_bytes(const struct p9_msg *msg)
{
	size_t size;
	_cleanup_free_ uint8_t *bytes = encoded(msg, &size);
	_cleanup_free_ uint8_t *longer = malloc(size + 5);
	_cleanup_free_ uint8_t *again = malloc(size);
	struct p9_msg back;

	memcpy(longer, bytes, size);
	memset(longer + size, 0xee, 5);
	set_size(longer, size + 5);
	CU_ASSERT_EQUAL(p9_decode(&back, dialect, longer, size + 5), 0);
	CU_ASSERT_EQUAL(p9_encode(&back, dialect, again, size), (int)size);
	CU_ASSERT_EQUAL(memcmp(again, bytes, size), 0);
}

static void bytes_behind_the_last_field_are_ignored(void)
{
	with_random_messages(ignores_more_bytes);
}

static void strings_are_c_strings(const struct p9_msg *msg)
{
	size_t size;
	_cleanup_free_ uint8_t *bytes = encoded(msg, &size);
	struct p9_msg back;

	CU_ASSERT_EQUAL(p9_decode(&back, dialect, bytes, size), 0);
	if (msg->type == P9_Tsymlink) {
		CU_ASSERT_EQUAL(strlen(back.Tsymlink.name.text), msg->Tsymlink.name.len);
		CU_ASSERT_EQUAL(strlen(back.Tsymlink.target.text), msg->Tsymlink.target.len);
		CU_ASSERT_EQUAL(memcmp(back.Tsymlink.target.text, msg->Tsymlink.target.text,
				       msg->Tsymlink.target.len),
				0);
	}
	for (unsigned i = 0; msg->type == P9_Twalk && i < msg->Twalk.names.count; i++)
		CU_ASSERT_EQUAL(strlen(back.Twalk.names.name[i].text),
				msg->Twalk.names.name[i].len);
}

static void decoded_strings_end_in_NUL(void)
{
	with_random_messages(strings_are_c_strings);
}

/* ---- size field and type ---- */

static void a_size_field_that_differs_is_refused(void)
{
	struct p9_msg msg = {.type = P9_Tclunk, .tag = 3, .Tclunk.fid = 7}, back;
	uint8_t bytes[16];
	int size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));

	CU_ASSERT_EQUAL(size, 11);
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, 12), -EPROTO);
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, 10), -EPROTO);
	bytes[3] = 1;
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, 11), -EPROTO);
}

static bool is_known(unsigned type)
{
	return memchr(all_types, (int)type, sizeof(all_types)) != NULL;
}

static void unknown_types_are_EOPNOTSUPP(void)
{
	uint8_t bytes[] = {9, 0, 0, 0, 0, 0x34, 0x12, 0, 0};
	struct p9_msg back;

	for (unsigned type = 0; type < 256; type++) {
		if (is_known(type))
			continue;
		bytes[4] = (uint8_t)type;
		CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), -EOPNOTSUPP);
		CU_ASSERT_EQUAL(back.type, type);
		CU_ASSERT_EQUAL(back.tag, 0x1234);
		CU_ASSERT_EQUAL(p9_encode(&back, P9_L, bytes, sizeof(bytes)), -EINVAL);
		bytes[0] = 9;
		CU_ASSERT_PTR_NULL(p9_name((uint8_t)type));
	}
}

static void replies_are_numbered_after_their_requests(void)
{
	char reply[32];

	for (size_t i = 0; i < countof(all_types); i++) {
		const char *name = p9_name(all_types[i]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(name);
		if (name[0] != 'T')
			continue;
		snprintf(reply, sizeof(reply), "R%s", name + 1);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p9_name((uint8_t)(all_types[i] + 1)));
		CU_ASSERT_STRING_EQUAL(p9_name((uint8_t)(all_types[i] + 1)), reply);
		CU_ASSERT_EQUAL(all_types[i] % 2, 0);
	}
}

/* ---- what must not be in a message ---- */

static const struct p9_str with_nul = {.text = "a\0b", .len = 3};

static void refuses_string(struct p9_msg msg)
{
	struct p9_msg back;
	size_t size;
	_cleanup_free_ uint8_t *bytes = encoded(&msg, &size);

	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, size), -EPROTO);
}

static void a_string_with_NUL_is_refused(void)
{
	struct p9_names names = {.count = 2, .name = {p9_str("a"), with_nul}};

	refuses_string((struct p9_msg){.type = P9_Tversion, .Tversion.version = with_nul});
	refuses_string((struct p9_msg){.type = P9_Twstat, .Twstat.stat.name = with_nul});
	refuses_string((struct p9_msg){.type = P9_Tcreate, .Tcreate.extension = with_nul});
	refuses_string((struct p9_msg){.type = P9_Tsymlink, .Tsymlink.name = with_nul});
	refuses_string((struct p9_msg){.type = P9_Tsymlink, .Tsymlink.target = with_nul});
	refuses_string((struct p9_msg){.type = P9_Trenameat, .Trenameat.newname = with_nul});
	refuses_string((struct p9_msg){.type = P9_Tgetlock, .Tgetlock.client_id = with_nul});
	refuses_string((struct p9_msg){.type = P9_Twalk, .Twalk.names = names});
	refuses_string(
		(struct p9_msg){.type = P9_Txattrwalk, .Txattrwalk.name = {.text = "a", .len = 2}});
}

static void an_empty_string_is_accepted(void)
{
	struct p9_msg msg = {.type = P9_Tsymlink}, back;
	size_t size;
	_cleanup_free_ uint8_t *bytes = encoded(&msg, &size);

	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, size), 0);
	CU_ASSERT_STRING_EQUAL(back.Tsymlink.name.text, "");
	CU_ASSERT_STRING_EQUAL(back.Tsymlink.target.text, "");
}

/* A Twalk of this many names "n", by hand. */
static int decode_walk(unsigned count)
{
	uint8_t bytes[17 + 3 * 40] = {[4] = P9_Twalk, [15] = (uint8_t)count};
	struct p9_msg back;
	size_t size = 17;

	for (unsigned i = 0; i < count; i++) {
		bytes[size++] = 1;
		bytes[size++] = 0;
		bytes[size++] = 'n';
	}
	set_size(bytes, size);
	return p9_decode(&back, P9_L, bytes, size);
}

static void a_walk_has_at_most_16_names(void)
{
	CU_ASSERT_EQUAL(decode_walk(0), 0);
	CU_ASSERT_EQUAL(decode_walk(16), 0);
	CU_ASSERT_EQUAL(decode_walk(17), -EPROTO);
	CU_ASSERT_EQUAL(decode_walk(40), -EPROTO);
}

static void a_walk_reply_has_at_most_16_qids(void)
{
	uint8_t bytes[9 + 13 * 17] = {[4] = P9_Rwalk, [7] = 17};
	struct p9_msg back;

	set_size(bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), -EPROTO);
	bytes[7] = 16;
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), 0);
}

static void a_count_near_4_GiB_is_refused(void)
{
	static const uint32_t counts[] = {4, 0x7fffffff, UINT32_MAX - 22, UINT32_MAX};
	uint8_t bytes[26] = {26, [4] = P9_Twrite};
	struct p9_msg back;

	for (size_t i = 0; i < countof(counts); i++) {
		set_size(bytes + 19, counts[i]);
		CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), -EPROTO);
	}
	set_size(bytes + 19, 3);
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), 0);
}

/* ---- known bytes ---- */

static void has_bytes(struct p9_msg msg, const char *bytes, size_t size)
{
	uint8_t buf[64];

	CU_ASSERT_EQUAL(p9_encode(&msg, P9_L, buf, sizeof(buf)), (int)size);
	CU_ASSERT_EQUAL(memcmp(buf, bytes, size), 0);
}

#define HAS_BYTES(msg, text) has_bytes(msg, text, sizeof(text) - 1)

static void version_has_the_bytes_of_the_description(void)
{
	struct p9_msg msg = {.type = P9_Tversion, .tag = P9_NOTAG, .Tversion.msize = 8192};

	msg.Tversion.version = p9_str("9P2000.L");
	HAS_BYTES(msg, "\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\0"
		       "9P2000.L");
}

static void attach_has_the_bytes_of_the_description(void)
{
	struct p9_msg msg = {.type = P9_Tattach, .Tattach.newfid = 1, .Tattach.afid = P9_NOFID};

	HAS_BYTES(msg, "\x17\0\0\0\x68\0\0\x01\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0");
}

static void walk_has_the_bytes_of_the_description(void)
{
	struct p9_msg msg = {.type = P9_Twalk, .Twalk.fid = 1, .Twalk.newfid = 2};
	struct p9_msg reply = {.type = P9_Rwalk};

	HAS_BYTES(msg, "\x11\0\0\0\x6e\0\0\x01\0\0\0\x02\0\0\0\0\0");
	HAS_BYTES(reply, "\x09\0\0\0\x6f\0\0\0\0");
}

static void lerror_has_the_bytes_of_the_description(void)
{
	struct p9_msg msg = {.type = P9_Rlerror, .Rlerror.ecode = ENOENT};

	HAS_BYTES(msg, "\x0b\0\0\0\x07\0\0\x02\0\0\0");
}

static void flush_has_the_bytes_of_the_description(void)
{
	struct p9_msg msg = {.type = P9_Tflush, .tag = 1, .Tflush.oldtag = 0};

	HAS_BYTES(msg, "\x09\0\0\0\x6c\x01\0\0\0");
}

static void two_directories_come_in_the_order_of_the_description(void)
{
	struct p9_msg link = {.type = P9_Tlink, .Tlink = {.dfid = 1, .fid = 2}};
	struct p9_msg rename = {.type = P9_Trename, .Trename = {.fid = 1, .dfid = 2}};
	struct p9_msg renameat = {.type = P9_Trenameat,
				  .Trenameat = {.olddirfid = 1, .newdirfid = 2}};

	HAS_BYTES(link, "\x11\0\0\0\x46\0\0\x01\0\0\0\x02\0\0\0\0\0");
	HAS_BYTES(rename, "\x11\0\0\0\x14\0\0\x01\0\0\0\x02\0\0\0\0\0");
	HAS_BYTES(renameat, "\x13\0\0\0\x4a\0\0\x01\0\0\0\0\0\x02\0\0\0\0\0");
}

static void integers_are_little_endian(void)
{
	struct p9_msg msg = {.type = P9_Tread, .tag = 0x0102};

	msg.Tread.fid = 0x03040506;
	msg.Tread.offset = 0x0708090a0b0c0d0e;
	msg.Tread.count = 0x0f101112;
	HAS_BYTES(msg, "\x17\0\0\0\x74\x02\x01\x06\x05\x04\x03\x0e\x0d\x0c\x0b\x0a\x09\x08\x07"
		       "\x12\x11\x10\x0f");
}

/* ---- known sizes: of messages whose strings, lists and data are empty ---- */

static const struct {
	uint8_t type, size;
} sizes[] = {
	{P9_Tversion, 13},    {P9_Rversion, 13},   {P9_Tflush, 9},	{P9_Rflush, 7},
	{P9_Tclunk, 11},      {P9_Rclunk, 7},	   {P9_Tremove, 11},	{P9_Rremove, 7},
	{P9_Tattach, 23},     {P9_Rattach, 20},	   {P9_Tauth, 19},	{P9_Rauth, 20},
	{P9_Twalk, 17},	      {P9_Rwalk, 9},	   {P9_Rlerror, 11},	{P9_Tread, 23},
	{P9_Rread, 11},	      {P9_Twrite, 23},	   {P9_Rwrite, 11},	{P9_Tlopen, 15},
	{P9_Rlopen, 24},      {P9_Rlcreate, 24},   {P9_Tlcreate, 25},	{P9_Tstatfs, 11},
	{P9_Rstatfs, 67},     {P9_Tgetattr, 19},   {P9_Rgetattr, 160},	{P9_Tsetattr, 67},
	{P9_Rsetattr, 7},     {P9_Tsymlink, 19},   {P9_Tmknod, 29},	{P9_Tmkdir, 21},
	{P9_Rsymlink, 20},    {P9_Rmknod, 20},	   {P9_Rmkdir, 20},	{P9_Trename, 17},
	{P9_Tlink, 17},	      {P9_Tunlinkat, 17},  {P9_Trenameat, 19},	{P9_Treadlink, 11},
	{P9_Rreadlink, 9},    {P9_Txattrwalk, 17}, {P9_Rxattrwalk, 15}, {P9_Txattrcreate, 25},
	{P9_Rxattrcreate, 7}, {P9_Treaddir, 23},   {P9_Rreaddir, 11},	{P9_Tfsync, 15},
	{P9_Rfsync, 7},	      {P9_Tlock, 38},	   {P9_Rlock, 8},	{P9_Tgetlock, 34},
	{P9_Rgetlock, 30},    {P9_Rrename, 7},	   {P9_Rlink, 7},	{P9_Rrenameat, 7},
	{P9_Runlinkat, 7},    {P9_Rerror, 13},	   {P9_Topen, 12},	{P9_Ropen, 24},
	{P9_Tcreate, 20},     {P9_Rcreate, 24},	   {P9_Tstat, 11},	{P9_Rstat, 72},
	{P9_Twstat, 76},      {P9_Rwstat, 7},
};

/* Those that are shorter in plain 9P2000. */
static const struct {
	uint8_t type, size;
} plain_sizes[] = {
	{P9_Tauth, 15},	  {P9_Tattach, 19}, {P9_Rerror, 9},
	{P9_Tcreate, 18}, {P9_Rstat, 58},   {P9_Twstat, 62},
};

static unsigned plain_size(uint8_t type, unsigned size)
{
	for (size_t i = 0; i < countof(plain_sizes); i++) {
		if (plain_sizes[i].type == type)
			return plain_sizes[i].size;
	}
	return size;
}

static void messages_have_the_sizes_of_the_description(void)
{
	uint8_t buf[256];

	CU_ASSERT_EQUAL(countof(sizes), countof(all_types));
	for (size_t i = 0; i < countof(sizes); i++) {
		struct p9_msg msg = {.type = sizes[i].type};

		CU_ASSERT_EQUAL(p9_encode(&msg, P9_L, buf, sizeof(buf)), sizes[i].size);
		CU_ASSERT_EQUAL(p9_encode(&msg, P9_U, buf, sizeof(buf)), sizes[i].size);
		CU_ASSERT_EQUAL(p9_encode(&msg, P9_PLAIN, buf, sizeof(buf)),
				(int)plain_size(sizes[i].type, sizes[i].size));
	}
}

static void strings_names_qids_and_data_add_their_sizes(void)
{
	struct p9_msg walk = {.type = P9_Twalk};
	struct p9_msg reply = {.type = P9_Rwalk, .Rwalk.qids.count = 3};
	struct p9_msg write = {.type = P9_Twrite, .Twrite.data = {.bytes = "abcd", .len = 4}};
	uint8_t buf[256];

	walk.Twalk.names = (struct p9_names){.count = 2, .name = {p9_str("ab"), p9_str("cde")}};
	CU_ASSERT_EQUAL(p9_encode(&walk, P9_L, buf, sizeof(buf)), 17 + 2 * 2 + 5);
	CU_ASSERT_EQUAL(p9_encode(&reply, P9_L, buf, sizeof(buf)), 9 + 13 * 3);
	CU_ASSERT_EQUAL(p9_encode(&write, P9_L, buf, sizeof(buf)), 23 + 4);
}

static void getattr_reply_has_its_fields_where_linux_looks(void)
{
	struct p9_msg msg = {.type = P9_Rgetattr};
	uint8_t buf[160];

	msg.Rgetattr.valid = 0xa1;
	msg.Rgetattr.qid.type = 0xa2;
	msg.Rgetattr.mode = 0xa3;
	msg.Rgetattr.uid = 0xa4;
	msg.Rgetattr.nlink = 0xa5;
	msg.Rgetattr.size = 0xa6;
	msg.Rgetattr.ctime_nsec = 0xa7;
	msg.Rgetattr.data_version = 0xa8;
	CU_ASSERT_EQUAL(p9_encode(&msg, P9_L, buf, sizeof(buf)), 160);
	CU_ASSERT_EQUAL(buf[7], 0xa1);
	CU_ASSERT_EQUAL(buf[15], 0xa2);
	CU_ASSERT_EQUAL(buf[28], 0xa3);
	CU_ASSERT_EQUAL(buf[32], 0xa4);
	CU_ASSERT_EQUAL(buf[40], 0xa5);
	CU_ASSERT_EQUAL(buf[56], 0xa6);
	CU_ASSERT_EQUAL(buf[120], 0xa7);
	CU_ASSERT_EQUAL(buf[152], 0xa8);
}

/* ---- what plain 9P2000 has not ---- */

static struct p9_msg back_in_plain(const struct p9_msg *msg)
{
	static uint8_t bytes[256];
	struct p9_msg back;
	int size = p9_encode(msg, P9_PLAIN, bytes, sizeof(bytes));

	CU_ASSERT_EQUAL(p9_decode(&back, P9_PLAIN, bytes, (size_t)size), 0);
	return back;
}

static void fields_that_plain_has_not_are_all_ones_or_empty(void)
{
	struct p9_msg attach = {.type = P9_Tattach, .Tattach.n_uname = 5}, back;
	struct p9_msg create = {.type = P9_Tcreate, .Tcreate.extension = p9_str("x")};
	struct p9_msg wstat = {.type = P9_Twstat, .Twstat.stat = {.n_uid = 1, .n_muid = 2}};

	CU_ASSERT_EQUAL(back_in_plain(&attach).Tattach.n_uname, P9_NONUNAME);
	back = back_in_plain(&create);
	CU_ASSERT_STRING_EQUAL(back.Tcreate.extension.text, "");
	wstat.Twstat.stat.extension = p9_str("x");
	back = back_in_plain(&wstat);
	CU_ASSERT_STRING_EQUAL(back.Twstat.stat.extension.text, "");
	CU_ASSERT_EQUAL(back.Twstat.stat.n_uid, P9_NONUNAME);
	CU_ASSERT_EQUAL(back.Twstat.stat.n_muid, P9_NONUNAME);
}

/* ---- stats ---- */

static struct p9_stat a_stat(void)
{
	return (struct p9_stat){
		.type = 0x0102,
		.dev = 0x03040506,
		.qid = {.type = 0x80, .version = 0x08090a0b, .path = 0x0c0d0e0f10111213},
		.mode = 0x14151617,
		.atime = 0x18191a1b,
		.mtime = 0x1c1d1e1f,
		.length = 0x2021222324252627,
		.name = p9_str("n"),
		.uid = p9_str("u"),
		.gid = p9_str("g"),
		.muid = p9_str("m"),
		.extension = p9_str("e"),
		.n_uid = 1,
		.n_gid = 2,
		.n_muid = 3,
	};
}

#define STAT_BYTES                                                                                 \
	"\x02\x01\x06\x05\x04\x03\x80\x0b\x0a\x09\x08\x13\x12\x11\x10\x0f\x0e\x0d\x0c"             \
	"\x17\x16\x15\x14\x1b\x1a\x19\x18\x1f\x1e\x1d\x1c\x27\x26\x25\x24\x23\x22\x21\x20"         \
	"\x01\0n\x01\0u\x01\0g\x01\0m"

static void a_stat_has_the_bytes_of_the_description(void)
{
	static const char plain[] = "\x33\0" STAT_BYTES;
	static const char extended[] = "\x42\0" STAT_BYTES "\x01\0"
				       "e\x01\0\0\0\x02\0\0\0\x03\0\0\0";
	struct p9_stat stat = a_stat();
	uint8_t buf[128];

	CU_ASSERT_EQUAL(p9_stat_put(&stat, P9_PLAIN, buf, sizeof(buf)), sizeof(plain) - 1);
	CU_ASSERT_EQUAL(memcmp(buf, plain, sizeof(plain) - 1), 0);
	CU_ASSERT_EQUAL(p9_stat_put(&stat, P9_U, buf, sizeof(buf)), sizeof(extended) - 1);
	CU_ASSERT_EQUAL(memcmp(buf, extended, sizeof(extended) - 1), 0);
}

static void a_stat_in_a_message_is_counted_twice(void)
{
	struct p9_msg msg = {.type = P9_Rstat, .Rstat.stat = a_stat()};
	uint8_t buf[128];

	CU_ASSERT_EQUAL(p9_encode(&msg, P9_U, buf, sizeof(buf)), 7 + 2 + 2 + 0x42);
	CU_ASSERT_EQUAL(memcmp(buf + 7, "\x44\0\x42\0", 4), 0);
}

static int decode_wstat(uint8_t count, uint8_t size, size_t more)
{
	struct p9_msg msg = {.type = P9_Twstat, .Twstat.stat = a_stat()}, back;
	uint8_t bytes[160] = {0};
	int encoded = p9_encode(&msg, P9_U, bytes, sizeof(bytes));

	bytes[11] = count;
	bytes[13] = size;
	set_size(bytes, (size_t)encoded + more);
	return p9_decode(&back, P9_U, bytes, (size_t)encoded + more);
}

static void the_two_counts_of_a_stat_must_agree(void)
{
	CU_ASSERT_EQUAL(decode_wstat(0x44, 0x42, 0), 0);
	CU_ASSERT_EQUAL(decode_wstat(0, 0x42, 0), 0);
	CU_ASSERT_EQUAL(decode_wstat(0x43, 0x42, 0), -EPROTO);
	CU_ASSERT_EQUAL(decode_wstat(0x45, 0x42, 1), -EPROTO);
	CU_ASSERT_EQUAL(decode_wstat(0x43, 0x41, 0), -EPROTO);
	CU_ASSERT_EQUAL(decode_wstat(0x45, 0x43, 1), -EPROTO);
	CU_ASSERT_EQUAL(decode_wstat(0, 0, 0), -EPROTO);
	CU_ASSERT_EQUAL(decode_wstat(0xff, 0xfd, 0), -EPROTO);
}

static void a_stat_that_does_not_fit_is_not_put(void)
{
	struct p9_stat stat = a_stat();

	for (size_t size = 0; size < 0x44; size++) {
		_cleanup_free_ uint8_t *buf = malloc(size);

		CU_ASSERT_EQUAL(p9_stat_put(&stat, P9_U, buf, size), 0);
	}
}

static void a_stat_of_more_than_64_KiB_is_not_put(void)
{
	static char text[40000], buf[200000];
	struct p9_stat stat = {.type = 0};

	memset(text, 'x', sizeof(text));
	stat.name = stat.uid = (struct p9_str){.text = text, .len = sizeof(text)};
	CU_ASSERT_EQUAL(p9_stat_put(&stat, P9_U, buf, sizeof(buf)), 0);
}

static void stats_follow_each_other(void)
{
	struct p9_stat stat = a_stat(), back;
	uint8_t buf[2 * 0x44];

	CU_ASSERT_EQUAL(p9_stat_put(&stat, P9_U, buf, sizeof(buf)), 0x44);
	CU_ASSERT_EQUAL(p9_stat_put(&stat, P9_U, buf + 0x44, 0x44), 0x44);
	CU_ASSERT_EQUAL(p9_stat_get(&back, P9_U, buf, sizeof(buf)), 0x44);
	CU_ASSERT_EQUAL(p9_stat_get(&back, P9_U, buf + 0x44, 0x44), 0x44);
	CU_ASSERT_STRING_EQUAL(back.name.text, "n");
	CU_ASSERT_STRING_EQUAL(back.extension.text, "e");
	CU_ASSERT_EQUAL(back.length, stat.length);
	CU_ASSERT_EQUAL(back.n_muid, 3);
}

/* ---- fields that old clients leave out ---- */

static void fsync_without_datasync_means_0(void)
{
	uint8_t bytes[] = {11, 0, 0, 0, P9_Tfsync, 1, 0, 7, 0, 0, 0};
	struct p9_msg back;

	memset(&back, 0xee, sizeof(back));
	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), 0);
	CU_ASSERT_EQUAL(back.Tfsync.fid, 7);
	CU_ASSERT_EQUAL(back.Tfsync.datasync, 0);
}

/* ---- data ---- */

static void data_in_its_place_is_not_copied(void)
{
	uint8_t buf[64];
	struct p9_msg msg = {.type = P9_Rread, .Rread.data = {.len = 5}};

	memcpy(p9_data_place(buf), "bytes", 5);
	msg.Rread.data.bytes = p9_data_place(buf);
	CU_ASSERT_EQUAL(p9_encode(&msg, P9_L, buf, sizeof(buf)), 16);
	CU_ASSERT_EQUAL(memcmp(buf, "\x10\0\0\0\x75\0\0\x05\0\0\0bytes", 16), 0);
}

static void decoded_data_borrows_from_the_message(void)
{
	uint8_t bytes[] = {26, 0, 0, 0, P9_Twrite, 0, 0, 1, 0, 0, 0,   0,   0,
			   0,  0, 0, 0, 0,	   0, 3, 0, 0, 0, 'a', 'b', 'c'};
	struct p9_msg back;

	CU_ASSERT_EQUAL(p9_decode(&back, P9_L, bytes, sizeof(bytes)), 0);
	CU_ASSERT_EQUAL(back.Twrite.data.len, 3);
	CU_ASSERT_PTR_EQUAL(back.Twrite.data.bytes, bytes + 23);
}

/* ---- directory entries ---- */

static struct p9_dirent an_entry(void)
{
	return (struct p9_dirent){
		.qid = {.type = 0x80, .version = 5, .path = 0x1122334455667788},
		.offset = 0x7fffffffffffffff,
		.type = 4,
		.name = p9_str("name"),
	};
}

static void an_entry_comes_back_from_its_bytes(void)
{
	struct p9_dirent entry = an_entry(), back;
	_cleanup_free_ uint8_t *buf = malloc(28);

	CU_ASSERT_EQUAL(p9_dirent_put(&entry, buf, 28), 28);
	CU_ASSERT_EQUAL(p9_dirent_get(&back, buf, 28), 28);
	CU_ASSERT_EQUAL(back.qid.type, entry.qid.type);
	CU_ASSERT_EQUAL(back.qid.version, entry.qid.version);
	CU_ASSERT_EQUAL(back.qid.path, entry.qid.path);
	CU_ASSERT_EQUAL(back.offset, entry.offset);
	CU_ASSERT_EQUAL(back.type, entry.type);
	CU_ASSERT_EQUAL(back.name.len, 4);
	CU_ASSERT_STRING_EQUAL(back.name.text, "name");
}

static void an_entry_that_does_not_fit_is_not_put(void)
{
	struct p9_dirent entry = an_entry();

	for (size_t size = 0; size < 28; size++) {
		_cleanup_free_ uint8_t *buf = malloc(size);

		CU_ASSERT_EQUAL(p9_dirent_put(&entry, buf, size), 0);
	}
}

static void an_entry_that_is_cut_is_refused(void)
{
	struct p9_dirent entry = an_entry(), back;
	uint8_t whole[28];

	CU_ASSERT_EQUAL(p9_dirent_put(&entry, whole, sizeof(whole)), 28);
	for (size_t size = 0; size < 28; size++) {
		_cleanup_free_ uint8_t *buf = malloc(size);

		memcpy(buf, whole, size);
		CU_ASSERT_EQUAL(p9_dirent_get(&back, buf, size), -EPROTO);
	}
}

static void an_entry_with_NUL_in_its_name_is_refused(void)
{
	struct p9_dirent entry = an_entry(), back;
	uint8_t buf[28];

	entry.name.text = "na\0e";
	CU_ASSERT_EQUAL(p9_dirent_put(&entry, buf, sizeof(buf)), 28);
	CU_ASSERT_EQUAL(p9_dirent_get(&back, buf, sizeof(buf)), -EPROTO);
}

static void entries_follow_each_other(void)
{
	struct p9_dirent entry = an_entry(), back;
	uint8_t buf[28 + 25];

	CU_ASSERT_EQUAL(p9_dirent_put(&entry, buf, sizeof(buf)), 28);
	entry.name = p9_str("x");
	CU_ASSERT_EQUAL(p9_dirent_put(&entry, buf + 28, sizeof(buf) - 28), 25);
	CU_ASSERT_EQUAL(p9_dirent_get(&back, buf, sizeof(buf)), 28);
	CU_ASSERT_STRING_EQUAL(back.name.text, "name");
	CU_ASSERT_EQUAL(p9_dirent_get(&back, buf + 28, sizeof(buf) - 28), 25);
	CU_ASSERT_STRING_EQUAL(back.name.text, "x");
}

/* ---- as text ---- */

static void prints_within_any_room(const struct p9_msg *msg)
{
	static const size_t rooms[] = {2, 10, 40, 200, 8192};
	const char *name = p9_name(msg->type);

	for (size_t i = 0; i < countof(rooms); i++) {
		_cleanup_free_ char *text = malloc(rooms[i]);
		size_t length = strlen(name) < rooms[i] ? strlen(name) : rooms[i] - 1;

		memset(text, 'x', rooms[i]);
		p9_print(msg, text, rooms[i]);
		CU_ASSERT_PTR_NOT_NULL(memchr(text, '\0', rooms[i]));
		CU_ASSERT_EQUAL(strncmp(text, name, length), 0);
	}
}

static void every_message_prints_its_name_into_any_room(void)
{
	with_random_messages(prints_within_any_room);
}

static void printing_into_one_byte_gives_an_empty_string(void)
{
	struct p9_msg msg = {.type = P9_Rclunk};
	char text[2] = "xx";

	p9_print(&msg, text, 1);
	CU_ASSERT_EQUAL(text[0], '\0');
	CU_ASSERT_EQUAL(text[1], 'x');
}

static void prints(struct p9_msg msg, const char *expected)
{
	char text[200];

	p9_print(&msg, text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, expected);
}

static void messages_print_their_fields(void)
{
	struct p9_msg walk = {.type = P9_Twalk, .tag = 4, .Twalk = {.fid = 1, .newfid = 2}};

	walk.Twalk.names = (struct p9_names){.count = 2, .name = {p9_str("a"), p9_str("b")}};
	prints(walk, "Twalk tag 4 fid 1 newfid 2 names \"a\"/\"b\"");
	prints((struct p9_msg){.type = P9_Tlopen, .tag = 3, .Tlopen = {.fid = 7, .flags = 0x8000}},
	       "Tlopen tag 3 fid 7 flags 0x8000");
	prints(
		(struct p9_msg){
			.type = P9_Tattach,
			.Tattach = {.afid = P9_NOFID, .uname = p9_str("u"), .aname = p9_str("")}},
		"Tattach tag 0 newfid 0 afid none uname \"u\" aname \"\" n_uname 0");
	prints((struct p9_msg){.type = P9_Rread, .Rread.data = {.bytes = "abc", .len = 3}},
	       "Rread tag 0 data [3 bytes]");
}

static void an_unknown_type_prints_its_number(void)
{
	prints((struct p9_msg){.type = 200, .tag = 5}, "type 200 tag 5");
}

/* ---- the fids of a request ---- */

/* Of 9P2000 a client sees the text alone; what it does not know would be any error to it. */
static void every_error_has_a_text_that_clients_have_room_for(void)
{
	for (uint32_t error = 1; error <= P9_ERRNO_MAX; error++) {
		for (enum p9_dialect d = P9_PLAIN; d <= P9_U; d++) {
			uint32_t ecode = error;
			const char *text = text_of_error(d, &ecode);

			CU_ASSERT(strlen(text) <= P9_ERROR_MAX);
			CU_ASSERT_EQUAL(text_to_errno(text), ecode);
			CU_ASSERT(ecode == error || ecode == EIO);
		}
	}
}

static void errors_that_Linux_has_no_text_for_become_EIO(void)
{
	static const uint32_t errors[] = {ESTALE, EOVERFLOW, ENOTTY, ECANCELED};

	for (size_t i = 0; i < countof(errors); i++) {
		uint32_t plain = errors[i], u = errors[i];

		text_of_error(P9_PLAIN, &plain);
		text_of_error(P9_U, &u);
		CU_ASSERT_EQUAL(plain, EIO);
		CU_ASSERT_EQUAL(u, errors[i]);
	}
}

static void requests_name_their_fids(void)
{
	struct p9_msg walk = {.type = P9_Twalk, .Twalk = {.fid = 1, .newfid = 2}};
	struct p9_msg attach = {.type = P9_Tattach, .Tattach = {.newfid = 3, .afid = 4}};
	struct p9_msg link = {.type = P9_Tlink, .Tlink = {.dfid = 5, .fid = 6}};
	struct p9_msg renameat = {.type = P9_Trenameat,
				  .Trenameat = {.olddirfid = 7, .newdirfid = 8}};
	struct p9_msg wstat = {.type = P9_Twstat, .Twstat = {.fid = 9}};

	CU_ASSERT_PTR_EQUAL(p9_fids(&walk).fid, &walk.Twalk.fid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&walk).newfid, &walk.Twalk.newfid);
	CU_ASSERT_PTR_NULL(p9_fids(&walk).dfid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&attach).newfid, &attach.Tattach.newfid);
	CU_ASSERT_PTR_NULL(p9_fids(&attach).fid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&link).fid, &link.Tlink.fid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&link).dfid, &link.Tlink.dfid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&renameat).fid, &renameat.Trenameat.olddirfid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&renameat).dfid, &renameat.Trenameat.newdirfid);
	CU_ASSERT_PTR_EQUAL(p9_fids(&wstat).fid, &wstat.Twstat.fid);
}

static void messages_without_fids_name_none(void)
{
	static const uint8_t types[] = {P9_Tversion, P9_Tflush,	 P9_Tauth,
					P9_Rwalk,    P9_Rlerror, 200};

	for (size_t i = 0; i < countof(types); i++) {
		struct p9_msg msg = {.type = types[i]};

		CU_ASSERT_PTR_NULL(p9_fids(&msg).fid);
		CU_ASSERT_PTR_NULL(p9_fids(&msg).dfid);
		CU_ASSERT_PTR_NULL(p9_fids(&msg).newfid);
	}
}

/* ---- noise ---- */

static void decoding_random_bytes_stays_within_them(void)
{
	struct p9_msg back;
	char text[4096];

	for (uint64_t round = 0; round < 20000; round++) {
		size_t size = 1 + round % 120;
		_cleanup_free_ uint8_t *bytes = malloc(size);

		random_begin(round);
		for (size_t i = 0; i < size; i++)
			bytes[i] = random_bits() % 2 == 0 ? (uint8_t)(random_bits() % 20)
							  : (uint8_t)random_bits();
		if (size >= P9_HEADER_SIZE) {
			set_size(bytes, size);
			bytes[4] = all_types[random_bits() % countof(all_types)];
		}
		if (p9_decode(&back, (enum p9_dialect)(round % P9_DIALECTS), bytes, size) == 0)
			p9_print(&back, text, sizeof(text));
	}
}

#define ENTRY(name)                                                                                \
	{                                                                                          \
#name, name                                                                        \
	}

static bool is_told_as(enum p9_dialect in, uint32_t error, uint32_t told)
{
	uint32_t ecode = error;
	const char *text = text_of_error(in, &ecode);

	return ecode == told && strcmp(text, strerrordesc_np((int)told)) == 0;
}

static void errors_that_linux_cannot_look_up_are_EIO_in_plain(void)
{
	static const uint32_t without[] = {ENOTTY,  EOVERFLOW, EILSEQ, ESTALE,
					   EUCLEAN, ECANCELED, ENOKEY, EHWPOISON};
	static const uint32_t with[] = {EPERM, ENOENT, ELOOP, ENODATA, EPROTO, EOPNOTSUPP, EDQUOT};

	for (size_t i = 0; i < countof(without); i++) {
		CU_ASSERT(is_told_as(P9_PLAIN, without[i], EIO));
		CU_ASSERT(is_told_as(P9_U, without[i], without[i]));
	}
	for (size_t i = 0; i < countof(with); i++)
		CU_ASSERT(is_told_as(P9_PLAIN, with[i], with[i]));
	CU_ASSERT(is_told_as(P9_U, 4000, EIO)); /* no errno at all */
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		ENTRY(every_message_comes_back_from_its_bytes),
		ENTRY(every_message_that_is_cut_is_refused),
		ENTRY(encoding_into_too_little_room_is_EMSGSIZE),
		ENTRY(bytes_behind_the_last_field_are_ignored),
		ENTRY(decoded_strings_end_in_NUL),
		ENTRY(a_size_field_that_differs_is_refused),
		ENTRY(unknown_types_are_EOPNOTSUPP),
		ENTRY(replies_are_numbered_after_their_requests),
		ENTRY(a_string_with_NUL_is_refused),
		ENTRY(an_empty_string_is_accepted),
		ENTRY(a_walk_has_at_most_16_names),
		ENTRY(a_walk_reply_has_at_most_16_qids),
		ENTRY(a_count_near_4_GiB_is_refused),
		ENTRY(version_has_the_bytes_of_the_description),
		ENTRY(attach_has_the_bytes_of_the_description),
		ENTRY(walk_has_the_bytes_of_the_description),
		ENTRY(lerror_has_the_bytes_of_the_description),
		ENTRY(flush_has_the_bytes_of_the_description),
		ENTRY(two_directories_come_in_the_order_of_the_description),
		ENTRY(integers_are_little_endian),
		ENTRY(messages_have_the_sizes_of_the_description),
		ENTRY(strings_names_qids_and_data_add_their_sizes),
		ENTRY(getattr_reply_has_its_fields_where_linux_looks),
		ENTRY(fields_that_plain_has_not_are_all_ones_or_empty),
		ENTRY(a_stat_has_the_bytes_of_the_description),
		ENTRY(a_stat_in_a_message_is_counted_twice),
		ENTRY(the_two_counts_of_a_stat_must_agree),
		ENTRY(a_stat_that_does_not_fit_is_not_put),
		ENTRY(a_stat_of_more_than_64_KiB_is_not_put),
		ENTRY(stats_follow_each_other),
		ENTRY(fsync_without_datasync_means_0),
		ENTRY(data_in_its_place_is_not_copied),
		ENTRY(decoded_data_borrows_from_the_message),
		ENTRY(an_entry_comes_back_from_its_bytes),
		ENTRY(an_entry_that_does_not_fit_is_not_put),
		ENTRY(an_entry_that_is_cut_is_refused),
		ENTRY(an_entry_with_NUL_in_its_name_is_refused),
		ENTRY(entries_follow_each_other),
		ENTRY(every_message_prints_its_name_into_any_room),
		ENTRY(printing_into_one_byte_gives_an_empty_string),
		ENTRY(messages_print_their_fields),
		ENTRY(an_unknown_type_prints_its_number),
		ENTRY(every_error_has_a_text_that_clients_have_room_for),
		ENTRY(errors_that_Linux_has_no_text_for_become_EIO),
		ENTRY(requests_name_their_fids),
		ENTRY(messages_without_fids_name_none),
		ENTRY(decoding_random_bytes_stays_within_them),
		ENTRY(errors_that_linux_cannot_look_up_are_EIO_in_plain),
	};

	return test_main(argc, argv, "wire", tests, countof(tests));
}
