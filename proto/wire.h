/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wire.h - messages as structs, and their way to bytes and back, made from messages.def. The struct
 * of a message is the same in all dialects; the bytes are not, so whoever asks for them says which.
 *
 * Decoding allocates nothing: strings and data borrow from the message buffer, which must be
 * private memory and stay until the message is no longer used. The buffer is changed by decoding:
 * each string is moved one byte to the front, over its own length, and ends in a NUL, so that it
 * is a C string. A NUL inside a string is refused, so both lengths always agree.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/9p.h"

struct p9_str {
	const char *text; /* NUL-terminated when decoded */
	uint16_t len;
};

struct p9_data {
	const void *bytes;
	uint32_t len;
};

struct p9_names {
	uint16_t count;
	struct p9_str name[P9_MAXWELEM];
};

struct p9_qids {
	uint16_t count;
	struct p9_qid qid[P9_MAXWELEM];
};

/* The C type of each kind of field. */
typedef uint8_t p9_u8_t;
typedef uint16_t p9_u16_t;
typedef uint32_t p9_u32_t;
typedef uint64_t p9_u64_t;
typedef uint32_t p9_optu32_t;
typedef uint32_t p9_u32u_t;
typedef uint32_t p9_fid_t;
typedef uint32_t p9_dfid_t;
typedef uint32_t p9_newfid_t;
typedef uint32_t p9_afid_t;
typedef struct p9_qid p9_qid_t;
typedef struct p9_str p9_str_t;
typedef struct p9_data p9_data_t;
typedef struct p9_names p9_names_t;
typedef struct p9_qids p9_qids_t;
typedef struct p9_str p9_stru_t;
typedef struct p9_stat p9_stat_t;

#define F(kind, name) p9_##kind##_t name;
#define STAT(fields)                                                                               \
	struct p9_stat {                                                                           \
		fields                                                                             \
	};
#define MSG(number, name, fields)                                                                  \
	struct p9_##name {                                                                         \
		fields                                                                             \
	};
#include "proto/messages.def"
#undef MSG

#define MSG(number, name, fields) P9_##name = number,
enum p9_type {
#include "proto/messages.def"
};
#undef MSG

/* One message. `type` is any byte of the wire; the union member of that name counts. */
struct p9_msg {
	uint8_t type;
	uint16_t tag;
	union {
#define MSG(number, name, fields) struct p9_##name name;
#include "proto/messages.def"
#undef MSG
	};
};
#undef F

/* "Tlopen"; NULL: no such message. */
const char *p9_name(uint8_t type);

/* Decodes one whole message of `size` bytes, which may be any of messages.def in any dialect. 0;
 * -EOPNOTSUPP: a type that messages.def does not have (type and tag are set); -EPROTO: the fields
 * do not fit the bytes (type and tag are set when there were that many). `size` is compared with
 * the size field: a difference is -EPROTO. Bytes behind the last field are ignored, as other
 * servers do. */
int p9_decode(struct p9_msg *msg, enum p9_dialect dialect, void *buf, size_t size);

/* Encodes `msg` into `buf`. Returns the size of the message; -EMSGSIZE when it is larger than
 * `size`; -EINVAL for an unknown type. A data field whose bytes stand at their place in `buf`
 * already is not copied (see p9_data_place()). */
int p9_encode(const struct p9_msg *msg, enum p9_dialect dialect, void *buf, size_t size);

/* Where in the buffer of an Rread or Rreaddir the data stands. */
static inline uint8_t *p9_data_place(void *buf)
{
	return (uint8_t *)buf + P9_READ_HEADER;
}

/* Writes the message as text, "Tlopen tag 3 fid 7 flags 0x8000", cut to `size` with a NUL. Bytes
 * of strings are copied as they are: log.h escapes. */
void p9_print(const struct p9_msg *msg, char *text, size_t size);

/* The fid numbers a request names: pointers into `msg`, NULL where it has none of that kind. */
struct p9_fids {
	const uint32_t *fid, *dfid, *newfid;
};
struct p9_fids p9_fids(const struct p9_msg *msg);

/* Directory entries in the data of Rreaddir. put: the bytes used, or 0 when it does not fit;
 * get: the bytes read, or -EPROTO (`name` borrows and ends in a NUL, as above). */
struct p9_dirent {
	struct p9_qid qid;
	uint64_t offset;
	uint8_t type;
	struct p9_str name;
};
size_t p9_dirent_put(const struct p9_dirent *entry, void *buf, size_t size);
int p9_dirent_get(struct p9_dirent *entry, void *buf, size_t size);

/* The same for stats in the data of an Rread, of a directory. */
size_t p9_stat_put(const struct p9_stat *stat, enum p9_dialect dialect, void *buf, size_t size);
int p9_stat_get(struct p9_stat *stat, enum p9_dialect dialect, void *buf, size_t size);

/* A p9_str of a C string (shorter than 64 KiB). */
struct p9_str p9_str(const char *text);

#endif
