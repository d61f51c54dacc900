/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_wire.c - proto/wire.c: what can be decoded can be encoded, and comes back as it was.
 *
 * Input: a byte of options, then a message.
 */
#include <errno.h>
#include <string.h>

#include "common/util.h"
#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_FIELD_IS_RIGHT 1 /* option */
#define GROWS 4		      /* a field that old clients leave out */

static void check_borrowed(const uint32_t *number, const struct p9_msg *msg)
{
	FUZZ_CHECK(number == NULL || ((const char *)number >= (const char *)msg &&
				      (const char *)number < (const char *)(msg + 1)));
}

static void look_at(const struct p9_msg *msg, size_t room)
{
	_cleanup_free_ char *text = malloc(room);
	struct p9_fids fids = p9_fids(msg);

	FUZZ_CHECK(text != NULL);
	p9_print(msg, text, room);
	FUZZ_CHECK(strnlen(text, room) < room);
	check_borrowed(fids.fid, msg);
	check_borrowed(fids.dfid, msg);
	check_borrowed(fids.newfid, msg);
}

/* Once decoded, a message is the same after any number of ways there and back. */
static void go_round(const struct p9_msg *msg, enum p9_dialect dialect, size_t size, size_t less)
{
	_cleanup_free_ uint8_t *first = malloc(size + GROWS), *again = NULL, *second = NULL;
	struct p9_msg back;
	int encoded;

	FUZZ_CHECK(first != NULL);
	encoded = p9_encode(msg, dialect, first, size + GROWS);
	FUZZ_CHECK(encoded >= P9_HEADER_SIZE && (size_t)encoded <= size + GROWS);
	again = fuzz_exact(first, (size_t)encoded);
	second = malloc((size_t)encoded);
	FUZZ_CHECK(second != NULL);
	FUZZ_CHECK(p9_decode(&back, dialect, again, (size_t)encoded) == 0);
	FUZZ_CHECK(back.type == msg->type && back.tag == msg->tag);
	FUZZ_CHECK(p9_encode(&back, dialect, second, (size_t)encoded) == encoded);
	FUZZ_CHECK(memcmp(first, second, (size_t)encoded) == 0);
	if (less < (size_t)encoded) {
		_cleanup_free_ uint8_t *small = malloc(less);

		FUZZ_CHECK(p9_encode(msg, dialect, small, less) == -EMSGSIZE);
	}
}

static void as_message(const uint8_t *data, size_t size, enum p9_dialect dialect, uint8_t options)
{
	_cleanup_free_ uint8_t *bytes = fuzz_exact(data, size);
	struct p9_msg msg;
	int err;

	if ((options & SIZE_FIELD_IS_RIGHT) != 0 && size >= sizeof(uint32_t)) {
		for (unsigned i = 0; i < sizeof(uint32_t); i++)
			bytes[i] = (uint8_t)(size >> 8 * i);
	}
	err = p9_decode(&msg, dialect, bytes, size);
	if (err != -EPROTO || size >= P9_HEADER_SIZE)
		FUZZ_CHECK(msg.type == data[4] && msg.tag == (data[5] | data[6] << 8));
	FUZZ_CHECK(err == 0 || err == -EPROTO || err == -EOPNOTSUPP);
	FUZZ_CHECK(err != -EOPNOTSUPP || p9_name(msg.type) == NULL);
	if (err != 0)
		return;
	look_at(&msg, (size_t)(options >> 1) + 1);
	look_at(&msg, 512);
	go_round(&msg, dialect, size, options >> 1);
}

/* The same bytes as the data of an Rreaddir. */
static void as_listing(const uint8_t *data, size_t size)
{
	_cleanup_free_ uint8_t *bytes = fuzz_exact(data, size), *copy = malloc(size + 1);
	size_t used = 0;

	FUZZ_CHECK(copy != NULL);
	while (used < size) {
		struct p9_dirent entry;
		int got = p9_dirent_get(&entry, bytes + used, size - used);

		if (got < 0) {
			FUZZ_CHECK(got == -EPROTO);
			return;
		}
		FUZZ_CHECK(got > 0 && (size_t)got <= size - used);
		FUZZ_CHECK(strlen(entry.name.text) == entry.name.len);
		FUZZ_CHECK(p9_dirent_put(&entry, copy, size) == (size_t)got);
		FUZZ_CHECK(p9_dirent_put(&entry, copy, (size_t)got - 1) == 0);
		FUZZ_CHECK(memcmp(copy, data + used, (size_t)got) == 0);
		used += (size_t)got;
	}
}

void fuzz_wire(const uint8_t *data, size_t size)
{
	if (size == 0)
		return;
	for (enum p9_dialect dialect = 0; dialect < P9_DIALECTS; dialect++)
		as_message(data + 1, size - 1, dialect, data[0]);
	as_listing(data + 1, size - 1);
}
