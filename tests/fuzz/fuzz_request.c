/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_request.c - see fuzz_request.h.
 */
#include "tests/fuzz/fuzz_request.h"

#include <string.h>
#include <sys/stat.h>

#include "common/util.h"

static const char *some_target = "/";

void fuzz_request_target(const char *target)
{
	some_target = target;
}

/* ---- values by the name of their field ---- */

static const uint64_t flags[] = {
	0,
	1,
	2,
	3,
	P9_O_EXCL | 1,
	P9_O_EXCL | 2,
	P9_O_TRUNC | 1,
	P9_O_TRUNC | 2,
	P9_O_APPEND | 1,
	P9_O_APPEND | 2,
	P9_O_DIRECTORY,
	P9_O_SYNC | 2,
	P9_O_NOATIME,
	P9_AT_REMOVEDIR,
	P9_XATTR_CREATE | P9_XATTR_REPLACE,
	0xffffffff,
};
static const uint64_t modes[] = {
	0644,
	0755,
	0600,
	0,
	07777,
	02755,
	S_IFREG | 0644,
	S_IFIFO | 0600,
	S_IFSOCK | 0600,
	S_IFCHR | 0600,
	S_IFBLK | 0600,
	S_IFDIR | 0755,
	S_IFLNK | 0777,
	S_IFREG | 07777,
	0xffffffff,
	01777,
};
static const uint64_t ids[] = {0, 1000, 1, 65534, 0xffffffff};
static const uint64_t counts[] = {8192, 4096, 0, 1, 11, 24, 100, 512, 5000, 65536, 0xffffffff};
static const uint64_t msizes[] = {8192, 4096, 4095, 0, 7, 5000, 65536, 0xffffffff};
static const uint64_t sizes[] = {
	0,
	1,
	2,
	5,
	100,
	4095,
	4096,
	4097,
	65535,
	65536,
	65537,
	1u << 20,
	1ull << 32,
	0x7ffffffffffff000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xffffffffffffffff,
};
static const uint64_t seconds[] = {0, 1, 1000000000, 0x7fffffff, 0xffffffff, 1ull << 40, ~0ull};
static const uint64_t nanoseconds[] = {0, 1, 999999999, 1000000000, ~0ull};
static const uint64_t masks[] = {P9_GETATTR_BASIC, 0xfff, 0, ~0ull};
static const uint64_t numbers[] = {0, 1, 2, 3, 7, 8, 255, 4096, 0x7fffffff, 0xffffffff};

#define VALUES(list) list, countof(list)
static const struct {
	const char *field; /* ends the field's name */
	const uint64_t *values;
	size_t count;
} values_of[] = {
	{"flags", VALUES(flags)},  {"mode", VALUES(modes)},   {"uid", VALUES(ids)},
	{"gid", VALUES(ids)},	   {"n_uname", VALUES(ids)},  {"count", VALUES(counts)},
	{"msize", VALUES(msizes)}, {"size", VALUES(sizes)},   {"offset", VALUES(sizes)},
	{"start", VALUES(sizes)},  {"length", VALUES(sizes)}, {"nsec", VALUES(nanoseconds)},
	{"sec", VALUES(seconds)},  {"mask", VALUES(masks)},   {"", VALUES(numbers)},
};

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length >= tail && strcmp(text + length - tail, end) == 0;
}

static uint64_t value(struct fuzz_input *in, const char *field)
{
	size_t i = 0;

	while (!ends_in(field, values_of[i].field))
		i++;
	return values_of[i].values[fuzz_u8(in) % values_of[i].count];
}

/* ---- strings ---- */

static const char long_name[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
				"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
				"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
				"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

static const char *const names[] = {
	"a",
	"b",
	"c",
	"d",
	"e",
	"f",
	"out",
	"abs",
	"..",
	".",
	"",
	"/",
	"../canary",
	"d/a",
	"canary",
	"secret",
	"user.a",
	"user.b",
	"trusted.a",
	"security.a",
	"system.posix_acl_access",
	"user.",
	"\xff\x01\x7f",
	long_name,     /* one byte too long */
	long_name + 1, /* as long as may be */
};
static const char *const targets[] = {"a", "d", "..", "../canary/secret", "/", "", long_name};
static const char *const versions[] = {P9_VERSION_L, "9P2000.u", "9P2000", "9P2000.L.x", "", "x"};
static const char *const others[] = {"guest", "other", "", long_name + 1, long_name};

static const char *text_of(uint8_t which, const char *field)
{
	if (ends_in(field, "version"))
		return versions[which % countof(versions)];
	if (ends_in(field, "target"))
		return which % 8 == 7 ? some_target : targets[which % 8];
	if (ends_in(field, "name") && !ends_in(field, "uname") && !ends_in(field, "aname"))
		return names[which % countof(names)];
	return others[which % countof(others)];
}

/* ---- one function for each kind of field ---- */

static void make_str(struct fuzz_input *in, const char *field, struct p9_str *str)
{
	*str = p9_str(text_of(fuzz_u8(in), field));
}

static void make_names(struct fuzz_input *in, const char *field, struct p9_names *list)
{
	uint8_t count = fuzz_u8(in);

	list->count = count < 0xf0 ? count % 4 : count % (P9_MAXWELEM + 1);
	for (unsigned i = 0; i < list->count; i++)
		make_str(in, field[0] != '\0' ? "name" : field, &list->name[i]);
}

static void make_data(struct fuzz_input *in, const char *field, struct p9_data *data)
{
	static const uint32_t lengths[] = {5, 0, 1, 100, 1000, 4000, 4096, 8000};
	static uint8_t bytes[8192];

	(void)field;
	data->len = lengths[fuzz_u8(in) % countof(lengths)];
	memset(bytes, 'A' + fuzz_u8(in) % 32, data->len);
	data->bytes = bytes;
}

static void make_fid(struct fuzz_input *in, const char *field, uint32_t *fid)
{
	uint8_t which = fuzz_u8(in);

	(void)field;
	*fid = which < 0xf8 ? which % FUZZ_FIDS : which < 0xfc ? P9_NOFID : which;
}

static void make_u8(struct fuzz_input *in, const char *field, uint8_t *number)
{
	(void)field;
	*number = fuzz_u8(in) % 5;
}

static void make_u16(struct fuzz_input *in, const char *field, uint16_t *number)
{
	uint8_t which = fuzz_u8(in);

	*number = which % (FUZZ_TAGS + 1);
	if (which >= 0xf8 || !ends_in(field, "tag"))
		*number = (uint16_t)(which << 8 | which);
}

static void make_u32(struct fuzz_input *in, const char *field, uint32_t *number)
{
	if (ends_in(field, "valid"))
		*number = fuzz_u16(in) & 0x3ff;
	else if (ends_in(field, "proc_id"))
		*number = fuzz_u8(in) % 3;
	else
		*number = (uint32_t)value(in, field);
}

static void make_u64(struct fuzz_input *in, const char *field, uint64_t *number)
{
	*number = value(in, field);
}

#define make_dfid make_fid
#define make_newfid make_fid
#define make_afid make_u32
#define make_optu32 make_u32
#define make_u32u make_u32
#define make_stru make_str

/* Of replies only. */
static void make_qid(struct fuzz_input *in, const char *field, struct p9_qid *qid)
{
	(void)in, (void)field, (void)qid;
}

static void make_qids(struct fuzz_input *in, const char *field, struct p9_qids *qids)
{
	(void)in, (void)field, (void)qids;
}

/* clang-format off */
#define F(kind, name) make_##kind(in, #name, &m->name);
#define STAT(fields)                                                                               \
	static void make_stat_fields(struct fuzz_input *in, struct p9_stat *m) { fields }
#define MSG(number, name, fields)
#include "proto/messages.def"
#undef STAT
#undef MSG

static void make_stat(struct fuzz_input *in, const char *field, struct p9_stat *stat)
{
	(void)field;
	make_stat_fields(in, stat);
}

#define MSG(number, name, fields)                                                                  \
	static void make_##name(struct fuzz_input *in, struct p9_##name *m)                        \
	{ (void)in; (void)m; fields }
#include "proto/messages.def"
#undef F
#undef MSG

/* Replies are made, too: they are requests that make no sense. */
static const uint8_t types[] = {
#define MSG(number, name, fields) number,
#include "proto/messages.def"
#undef MSG
};
/* clang-format on */

static bool is_request(uint8_t type)
{
	return p9_name(type)[0] == 'T';
}

void fuzz_request(struct fuzz_input *in, uint8_t which, struct p9_msg *msg)
{
	uint8_t type = types[which % countof(types)];

	/* A reply is a rare thing to send. */
	if (!is_request(type) && which < 0xf0)
		type--;
	if (p9_name(type) == NULL)
		type = P9_Twalk;
	*msg = (struct p9_msg){.type = type};
	switch (type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		make_##name(in, &msg->name);                                                       \
		break;
#include "proto/messages.def"
#undef MSG
	}
}
