/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wire.c - messages to bytes and back. Bounds are kept in three functions, take(), room() and
 * add(); everything else, the macros included, only calls them. A reader that ran off the end
 * gives zeros and stays failed: it is asked once, when the message is done.
 */
#include "proto/wire.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/util.h"

/* ---- reading: one small function for each kind of field ---- */

struct reader {
	enum p9_dialect dialect;
	uint8_t *next, *end;
	bool failed;
};

/* The next `size` bytes, or NULL for ever after. */
static uint8_t *take(struct reader *r, size_t size)
{
	uint8_t *at = r->next;

	if (r->failed || (size_t)(r->end - r->next) < size) {
		r->failed = true;
		return NULL;
	}
	r->next += size;
	return at;
}

static void get_u8(struct reader *r, uint8_t *value)
{
	const uint8_t *at = take(r, 1);

	*value = at != NULL ? *at : 0;
}

static void get_u16(struct reader *r, uint16_t *value)
{
	const uint8_t *at = take(r, sizeof(*value));

	*value = 0;
	if (at != NULL)
		memcpy(value, at, sizeof(*value));
	*value = le16toh(*value);
}

static void get_u32(struct reader *r, uint32_t *value)
{
	const uint8_t *at = take(r, sizeof(*value));

	*value = 0;
	if (at != NULL)
		memcpy(value, at, sizeof(*value));
	*value = le32toh(*value);
}

static void get_u64(struct reader *r, uint64_t *value)
{
	const uint8_t *at = take(r, sizeof(*value));

	*value = 0;
	if (at != NULL)
		memcpy(value, at, sizeof(*value));
	*value = le64toh(*value);
}

#define get_fid get_u32
#define get_dfid get_u32
#define get_newfid get_u32
#define get_afid get_u32

static void get_optu32(struct reader *r, uint32_t *value)
{
	*value = 0;
	if (r->next != r->end)
		get_u32(r, value);
}

static void get_qid(struct reader *r, struct p9_qid *qid)
{
	get_u8(r, &qid->type);
	get_u32(r, &qid->version);
	get_u64(r, &qid->path);
}

static void get_str(struct reader *r, struct p9_str *str)
{
	uint8_t *at;

	get_u16(r, &str->len);
	at = take(r, str->len);
	if (at == NULL || memchr(at, '\0', str->len) != NULL) {
		r->failed = true;
		*str = (struct p9_str){.text = ""};
		return;
	}
	memmove(at - 1, at, str->len);
	at[str->len - 1] = '\0';
	str->text = (const char *)(at - 1);
}

static void get_u32u(struct reader *r, uint32_t *value)
{
	*value = UINT32_MAX;
	if (r->dialect != P9_PLAIN)
		get_u32(r, value);
}

static void get_stru(struct reader *r, struct p9_str *str)
{
	*str = (struct p9_str){.text = ""};
	if (r->dialect != P9_PLAIN)
		get_str(r, str);
}

static void get_data(struct reader *r, struct p9_data *data)
{
	get_u32(r, &data->len);
	data->bytes = take(r, data->len);
	if (data->bytes == NULL)
		data->len = 0;
}

static void get_names(struct reader *r, struct p9_names *names)
{
	get_u16(r, &names->count);
	if (names->count > P9_MAXWELEM) {
		names->count = 0;
		r->failed = true;
	}
	for (unsigned i = 0; !r->failed && i < names->count; i++)
		get_str(r, &names->name[i]);
}

static void get_qids(struct reader *r, struct p9_qids *qids)
{
	get_u16(r, &qids->count);
	if (qids->count > P9_MAXWELEM) {
		qids->count = 0;
		r->failed = true;
	}
	for (unsigned i = 0; !r->failed && i < qids->count; i++)
		get_qid(r, &qids->qid[i]);
}

static void get_stat_fields(struct reader *r, struct p9_stat *m);

/* A stat fills the size that it begins with to the last byte. */
static void get_sized_stat(struct reader *r, struct p9_stat *stat)
{
	uint8_t *end = r->end;
	uint16_t size;

	get_u16(r, &size);
	if ((size_t)(r->end - r->next) < size)
		r->failed = true;
	else
		r->end = r->next + size;
	get_stat_fields(r, stat);
	r->failed = r->failed || r->next != r->end;
	r->end = end;
}

/* Some peers leave the outer count at 0. */
static void get_stat(struct reader *r, struct p9_stat *stat)
{
	const uint8_t *begin;
	uint16_t count;

	get_u16(r, &count);
	begin = r->next;
	get_sized_stat(r, stat);
	if (count != 0 && r->next - begin != count)
		r->failed = true;
}

/* ---- writing ---- */

struct writer {
	enum p9_dialect dialect;
	uint8_t *next, *end;
	bool failed;
};

static uint8_t *room(struct writer *w, size_t size)
{
	uint8_t *at = w->next;

	if (w->failed || (size_t)(w->end - w->next) < size) {
		w->failed = true;
		return NULL;
	}
	w->next += size;
	return at;
}

static void put_bytes(struct writer *w, const void *bytes, size_t size)
{
	uint8_t *at = room(w, size);

	if (at != NULL && at != bytes && size > 0)
		memcpy(at, bytes, size);
}

static void put_u8(struct writer *w, const uint8_t *value)
{
	put_bytes(w, value, sizeof(*value));
}

static void put_u16(struct writer *w, const uint16_t *value)
{
	uint16_t little = htole16(*value);

	put_bytes(w, &little, sizeof(little));
}

static void put_u32(struct writer *w, const uint32_t *value)
{
	uint32_t little = htole32(*value);

	put_bytes(w, &little, sizeof(little));
}

static void put_u64(struct writer *w, const uint64_t *value)
{
	uint64_t little = htole64(*value);

	put_bytes(w, &little, sizeof(little));
}

#define put_fid put_u32
#define put_dfid put_u32
#define put_newfid put_u32
#define put_afid put_u32
#define put_optu32 put_u32

static void put_qid(struct writer *w, const struct p9_qid *qid)
{
	put_u8(w, &qid->type);
	put_u32(w, &qid->version);
	put_u64(w, &qid->path);
}

static void put_str(struct writer *w, const struct p9_str *str)
{
	put_u16(w, &str->len);
	put_bytes(w, str->text, str->len);
}

static void put_u32u(struct writer *w, const uint32_t *value)
{
	if (w->dialect != P9_PLAIN)
		put_u32(w, value);
}

static void put_stru(struct writer *w, const struct p9_str *str)
{
	if (w->dialect != P9_PLAIN)
		put_str(w, str);
}

static void put_data(struct writer *w, const struct p9_data *data)
{
	put_u32(w, &data->len);
	put_bytes(w, data->bytes, data->len);
}

static void put_names(struct writer *w, const struct p9_names *names)
{
	put_u16(w, &names->count);
	for (unsigned i = 0; i < names->count; i++)
		put_str(w, &names->name[i]);
}

static void put_qids(struct writer *w, const struct p9_qids *qids)
{
	put_u16(w, &qids->count);
	for (unsigned i = 0; i < qids->count; i++)
		put_qid(w, &qids->qid[i]);
}

static void put_stat_fields(struct writer *w, const struct p9_stat *m);

/* Writes the size of what follows it where `at` is. */
static void put_size_at(struct writer *w, uint8_t *at)
{
	struct writer back = {.next = at, .end = w->next};
	size_t size = w->failed ? 0 : (size_t)(w->next - at) - 2;
	uint16_t wire = (uint16_t)size;

	if (size > UINT16_MAX)
		w->failed = true;
	else if (!w->failed)
		put_u16(&back, &wire);
}

static void put_sized_stat(struct writer *w, const struct p9_stat *stat)
{
	uint8_t *size = room(w, 2);

	put_stat_fields(w, stat);
	put_size_at(w, size);
}

static void put_stat(struct writer *w, const struct p9_stat *stat)
{
	uint8_t *count = room(w, 2);

	put_sized_stat(w, stat);
	put_size_at(w, count);
}

/* ---- printing ---- */

struct printer {
	char *text;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct printer *p, const char *format, ...)
{
	va_list args;
	int length;

	if (p->used + 1 >= p->size)
		return;
	va_start(args, format);
	length = vsnprintf(p->text + p->used, p->size - p->used, format, args);
	va_end(args);
	if (length > 0)
		p->used += (size_t)length;
}

static void print_u8(struct printer *p, const uint8_t *value)
{
	add(p, "%u", *value);
}

static void print_u16(struct printer *p, const uint16_t *value)
{
	add(p, "%u", *value);
}

static void print_u32(struct printer *p, const uint32_t *value)
{
	add(p, "%#" PRIx32, *value);
}

static void print_u64(struct printer *p, const uint64_t *value)
{
	add(p, "%" PRIu64, *value);
}

#define print_optu32 print_u32
#define print_u32u print_u32
#define print_dfid print_fid
#define print_newfid print_fid
#define print_afid print_fid

static void print_fid(struct printer *p, const uint32_t *value)
{
	if (*value == P9_NOFID)
		add(p, "none");
	else
		add(p, "%" PRIu32, *value);
}

static void print_qid(struct printer *p, const struct p9_qid *qid)
{
	add(p, "(%#x %" PRIx32 " %" PRIu64 ")", qid->type, qid->version, qid->path);
}

static void print_str(struct printer *p, const struct p9_str *str)
{
	add(p, "\"%.*s\"", (int)str->len, str->text);
}

#define print_stru print_str

static void print_data(struct printer *p, const struct p9_data *data)
{
	add(p, "[%" PRIu32 " bytes]", data->len);
}

static void print_names(struct printer *p, const struct p9_names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		add(p, "%s\"%.*s\"", i > 0 ? "/" : "", (int)names->name[i].len,
		    names->name[i].text);
}

static void print_qids(struct printer *p, const struct p9_qids *qids)
{
	add(p, "%u", qids->count);
	for (unsigned i = 0; i < qids->count; i++)
		print_qid(p, &qids->qid[i]);
}

static void print_stat(struct printer *p, const struct p9_stat *m);

/* ---- from the table ---- */

/* clang-format off */
#define F(kind, name) get_##kind(r, &m->name);
#define STAT(fields)                                                                               \
	static void get_stat_fields(struct reader *r, struct p9_stat *m) { fields }
#define MSG(number, name, fields)                                                                  \
	static void get_##name(struct reader *r, struct p9_##name *m) { (void)r, (void)m; fields }
#include "proto/messages.def"
#undef F
#undef MSG

#define F(kind, name) put_##kind(w, &m->name);
#define STAT(fields)                                                                               \
	static void put_stat_fields(struct writer *w, const struct p9_stat *m) { fields }
#define MSG(number, name, fields)                                                                  \
	static void put_##name(struct writer *w, const struct p9_##name *m) { (void)w, (void)m; fields }
#include "proto/messages.def"
#undef F
#undef MSG

#define F(kind, name) add(p, " " #name " "); print_##kind(p, &m->name);
#define STAT(fields)                                                                               \
	static void print_stat(struct printer *p, const struct p9_stat *m) { fields }
#define MSG(number, name, fields)                                                                  \
	static void print_##name(struct printer *p, const struct p9_##name *m) { (void)p, (void)m; fields }
#include "proto/messages.def"
#undef F
#undef MSG

/* Only the kinds that name a live or future fid leave a pointer behind. */
#define fids_u8(f, v)
#define fids_u16(f, v)
#define fids_u32(f, v)
#define fids_optu32(f, v)
#define fids_u32u(f, v)
#define fids_u64(f, v)
#define fids_afid(f, v)
#define fids_qid(f, v)
#define fids_str(f, v)
#define fids_stru(f, v)
#define fids_stat(f, v)
#define fids_data(f, v)
#define fids_names(f, v)
#define fids_qids(f, v)
#define fids_fid(f, v) (f)->fid = (v);
#define fids_dfid(f, v) (f)->dfid = (v);
#define fids_newfid(f, v) (f)->newfid = (v);
#define F(kind, name) fids_##kind(f, &m->name)
#define MSG(number, name, fields)                                                                  \
	static void fids_##name(struct p9_fids *f, const struct p9_##name *m) { (void)f, (void)m; fields }
#include "proto/messages.def"
#undef F
#undef MSG
/* clang-format on */

const char *p9_name(uint8_t type)
{
	switch (type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		return #name;
#include "proto/messages.def"
#undef MSG
	}
	return NULL;
}

int p9_decode(struct p9_msg *msg, enum p9_dialect dialect, void *buf, size_t size)
{
	struct reader r = {.dialect = dialect, .next = buf, .end = (uint8_t *)buf + size};
	uint32_t wire_size;

	get_u32(&r, &wire_size);
	get_u8(&r, &msg->type);
	get_u16(&r, &msg->tag);
	if (r.failed || wire_size != size)
		return -EPROTO;

	switch (msg->type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		get_##name(&r, &msg->name);                                                        \
		break;
#include "proto/messages.def"
#undef MSG
	default:
		return -EOPNOTSUPP;
	}
	return r.failed ? -EPROTO : 0;
}

int p9_encode(const struct p9_msg *msg, enum p9_dialect dialect, void *buf, size_t size)
{
	struct writer w = {.dialect = dialect, .next = buf, .end = (uint8_t *)buf + size};
	uint32_t wire_size = 0;

	put_u32(&w, &wire_size);
	put_u8(&w, &msg->type);
	put_u16(&w, &msg->tag);
	switch (msg->type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		put_##name(&w, &msg->name);                                                        \
		break;
#include "proto/messages.def"
#undef MSG
	default:
		return -EINVAL;
	}
	if (w.failed)
		return -EMSGSIZE;

	wire_size = (uint32_t)(w.next - (uint8_t *)buf);
	w.next = buf;
	put_u32(&w, &wire_size);
	return (int)wire_size;
}

void p9_print(const struct p9_msg *msg, char *text, size_t size)
{
	struct printer p = {.text = text, .size = size};
	const char *known = p9_name(msg->type);

	if (size > 0)
		text[0] = '\0';
	if (known == NULL) {
		add(&p, "type %u tag %u", msg->type, msg->tag);
		return;
	}
	add(&p, "%s tag %u", known, msg->tag);
	switch (msg->type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		print_##name(&p, &msg->name);                                                      \
		break;
#include "proto/messages.def"
#undef MSG
	}
}

struct p9_fids p9_fids(const struct p9_msg *msg)
{
	struct p9_fids fids = {.fid = NULL};

	switch (msg->type) {
#define MSG(number, name, fields)                                                                  \
	case number:                                                                               \
		fids_##name(&fids, &msg->name);                                                    \
		break;
#include "proto/messages.def"
#undef MSG
	}
	return fids;
}

size_t p9_dirent_put(const struct p9_dirent *entry, void *buf, size_t size)
{
	struct writer w = {.next = buf, .end = (uint8_t *)buf + size};

	put_qid(&w, &entry->qid);
	put_u64(&w, &entry->offset);
	put_u8(&w, &entry->type);
	put_str(&w, &entry->name);
	return w.failed ? 0 : (size_t)(w.next - (uint8_t *)buf);
}

int p9_dirent_get(struct p9_dirent *entry, void *buf, size_t size)
{
	struct reader r = {.next = buf, .end = (uint8_t *)buf + size};

	get_qid(&r, &entry->qid);
	get_u64(&r, &entry->offset);
	get_u8(&r, &entry->type);
	get_str(&r, &entry->name);
	return r.failed ? -EPROTO : (int)(r.next - (uint8_t *)buf);
}

size_t p9_stat_put(const struct p9_stat *stat, enum p9_dialect dialect, void *buf, size_t size)
{
	struct writer w = {.dialect = dialect, .next = buf, .end = (uint8_t *)buf + size};

	put_sized_stat(&w, stat);
	return w.failed ? 0 : (size_t)(w.next - (uint8_t *)buf);
}

int p9_stat_get(struct p9_stat *stat, enum p9_dialect dialect, void *buf, size_t size)
{
	struct reader r = {.dialect = dialect, .next = buf, .end = (uint8_t *)buf + size};

	get_sized_stat(&r, stat);
	return r.failed ? -EPROTO : (int)(r.next - (uint8_t *)buf);
}

struct p9_str p9_str(const char *text)
{
	return (struct p9_str){.text = text, .len = (uint16_t)strlen(text)};
}
