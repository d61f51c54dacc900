/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_io.c - Tread, Twrite, Tfsync: counts, ends, offsets of 64 bits, many in flight.
 */
#include <fcntl.h>
#include <string.h>

#include "tests/protocol/harness.h"

#define NOT_AN_OFFSET ((uint64_t)1 << 63)

static struct p9_msg read_of(uint64_t offset, uint32_t count)
{
	return T(read, .fid = 1, .offset = offset, .count = count);
}

static struct p9_msg write_of(uint64_t offset, const void *bytes, size_t size)
{
	return T(write, .fid = 1, .offset = offset, .data = data_of(bytes, size));
}

/* The data of a reply are those of host_file_of_size() from this offset. */
static bool has_pattern(struct p9_data data, uint64_t offset)
{
	const uint8_t *bytes = data.bytes;

	for (uint32_t i = 0; i < data.len; i++) {
		if (bytes[i] != pattern(offset + i))
			return false;
	}
	return true;
}

/* ---- Tread ---- */

static struct conn *reader(struct world *w, uint32_t msize, size_t size)
{
	struct conn *c = session_of(w, msize);

	host_file_of_size(w, "f", size);
	open_path(c, 1, "f", L_RDONLY);
	return c;
}

TEST(read_gives_the_bytes_at_the_offset)
{
	struct conn *c = reader(w, MSIZE, 100000);
	struct p9_data data = ok(c, read_of(50001, 777))->Rread.data;

	equal(data.len, 777);
	check(has_pattern(data, 50001));
}

TEST(read_up_to_the_end_is_short)
{
	struct conn *c = reader(w, MSIZE, 1000);
	struct p9_data data = ok(c, read_of(900, 500))->Rread.data;

	equal(data.len, 100);
	check(has_pattern(data, 900));
}

TEST(read_at_the_end_gives_0_bytes)
{
	struct conn *c = reader(w, MSIZE, 1000);

	equal(ok(c, read_of(1000, 100))->Rread.data.len, 0);
	equal(ok(c, read_of(1000, 100))->Rread.data.len, 0);
}

TEST(read_behind_the_end_gives_0_bytes)
{
	struct conn *c = reader(w, MSIZE, 1000);

	equal(ok(c, read_of(1001, 100))->Rread.data.len, 0);
	equal(ok(c, read_of((uint64_t)1 << 40, 100))->Rread.data.len, 0);
	equal(ok(c, read_of(NOT_AN_OFFSET - 1000, 100))->Rread.data.len, 0);
}

TEST(read_of_0_bytes_gives_0_bytes)
{
	equal(ok(reader(w, MSIZE, 1000), read_of(0, 0))->Rread.data.len, 0);
}

TEST(read_of_an_empty_file_gives_0_bytes)
{
	equal(ok(reader(w, MSIZE, 0), read_of(0, 100))->Rread.data.len, 0);
}

TEST(read_at_an_offset_of_2_to_the_63_is_EINVAL)
{
	struct conn *c = reader(w, MSIZE, 1000);

	fails(c, EINVAL, read_of(NOT_AN_OFFSET, 10));
	fails(c, EINVAL, read_of(UINT64_MAX, 10));
	ok(c, read_of(0, 10));
}

TEST(read_that_would_pass_2_to_the_63_is_EINVAL)
{
	struct conn *c = reader(w, MSIZE, 1000);

	fails(c, EINVAL, read_of(NOT_AN_OFFSET - 10, 11));
	fails(c, EINVAL, read_of(NOT_AN_OFFSET - 1, 100));
	equal(ok(c, read_of(NOT_AN_OFFSET - 10, 9))->Rread.data.len, 0);
}

TEST(read_of_0_bytes_of_a_fid_open_for_writing_is_EBADF)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY);
	fails(c, EBADF, read_of(0, 0));
}

TEST(read_of_what_fills_the_msize_gives_it_all)
{
	struct conn *c = reader(w, 8192, 100000);

	equal(ok(c, read_of(0, 8192 - 24))->Rread.data.len, 8192 - 24);
	equal(ok(c, read_of(0, 8192 - 11))->Rread.data.len, 8192 - 11);
	check(has_pattern(c->reply.Rread.data, 0));
}

TEST(read_of_more_than_the_msize_is_cut)
{
	static const uint32_t counts[] = {8192 - 10,  8192,	  100000,
					  0x7fffffff, 0xfffffff5, UINT32_MAX};
	struct conn *c = reader(w, 8192, 100000);

	for (size_t i = 0; i < countof(counts); i++) {
		struct p9_data data = ok(c, read_of(5, counts[i]))->Rread.data;

		check(data.len <= 8192 - 11);
		check(data.len >= 8192 - 24);
		check(has_pattern(data, 5));
	}
}

TEST(reads_of_a_whole_file_give_all_of_it)
{
	struct conn *c = reader(w, 4096, 100003);
	uint64_t offset = 0;
	struct p9_data data;

	do {
		data = ok(c, read_of(offset, 4000))->Rread.data;
		check(has_pattern(data, offset));
		offset += data.len;
	} while (data.len > 0);
	equal(offset, 100003);
}

TEST(read_of_a_directory_is_EISDIR)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EISDIR, read_of(0, 100));
}

TEST(read_of_a_fid_that_is_not_open_is_EBADF)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	fails(c, EBADF, read_of(0, 100));
	fails(c, EBADF, T(read, .fid = 9, .count = 100));
}

TEST(read_sees_what_the_host_writes)
{
	struct conn *c = session(w);

	host_file(w, "f", "first");
	open_path(c, 1, "f", L_RDONLY);
	reads(c, 1, 0, "first");
	host_file(w, "f", "second");
	reads(c, 1, 0, "second");
}

/* ---- Twrite ---- */

static struct conn *writer(struct world *w, const char *text)
{
	struct conn *c = session(w);

	host_file(w, "f", text);
	open_path(c, 1, "f", L_RDWR);
	return c;
}

TEST(write_writes_at_the_offset)
{
	struct conn *c = writer(w, "some text");

	writes(c, 1, 5, "word");
	host_holds(w, "f", "some word");
}

TEST(write_extends_the_file)
{
	struct conn *c = writer(w, "some");

	writes(c, 1, 4, " text");
	host_holds(w, "f", "some text");
}

TEST(write_behind_the_end_leaves_zeros)
{
	struct conn *c = writer(w, "");

	writes(c, 1, 3, "x");
	equal(ok(c, read_of(0, 100))->Rread.data.len, 4);
	equal(memcmp(c->reply.Rread.data.bytes, "\0\0\0x", 4), 0);
}

TEST(write_of_0_bytes_writes_nothing)
{
	struct conn *c = writer(w, "text");

	equal(ok(c, write_of(0, "", 0))->Rwrite.count, 0);
	equal(ok(c, write_of(100, "", 0))->Rwrite.count, 0);
	host_holds(w, "f", "text");
}

TEST(write_of_what_fills_the_msize_writes_it_all)
{
	struct conn *c = writer(w, "");
	_cleanup_free_ uint8_t *bytes = malloc(MSIZE);

	for (uint32_t i = 0; i < MSIZE; i++)
		bytes[i] = pattern(i);
	equal(ok(c, write_of(0, bytes, MSIZE - 23))->Rwrite.count, MSIZE - 23);
	equal(host_stat(w, "f").st_size, MSIZE - 23);
	check(has_pattern(ok(c, read_of(1000, MSIZE - 2000))->Rread.data, 1000));
}

TEST(write_and_read_beyond_4_GiB)
{
	struct conn *c = writer(w, "");
	uint64_t offset = ((uint64_t)5 << 30) + 7;

	writes(c, 1, offset, "far");
	equal(host_stat(w, "f").st_size, offset + 3);
	reads(c, 1, offset, "far");
	equal(ok(c, read_of(7, 3))->Rread.data.len, 3);
	equal(memcmp(c->reply.Rread.data.bytes, "\0\0\0", 3), 0);
}

TEST(write_at_an_offset_of_2_to_the_63_is_EINVAL)
{
	struct conn *c = writer(w, "text");

	fails(c, EINVAL, write_of(NOT_AN_OFFSET, "x", 1));
	fails(c, EINVAL, write_of(UINT64_MAX, "x", 1));
	host_holds(w, "f", "text");
}

TEST(write_up_to_an_offset_of_2_to_the_63_is_EFBIG)
{
	struct conn *c = writer(w, "text");

	fails(c, EFBIG, write_of(NOT_AN_OFFSET - 1, "xx", 2));
	fails(c, EFBIG, write_of(NOT_AN_OFFSET - 10, "x", 1)); /* the host's file system */
	fails(c, EFBIG, write_of(NOT_AN_OFFSET - 1, "x", 1));
	host_holds(w, "f", "text");
}

TEST(write_of_0_bytes_of_a_fid_open_for_reading_is_EBADF)
{
	struct conn *c = reader(w, MSIZE, 10);

	fails(c, EBADF, write_of(0, "", 0));
}

TEST(a_hole_of_a_terabyte_reads_as_zeros_and_takes_no_room)
{
	struct conn *c = writer(w, "text");
	static const uint8_t zeros[1000];

	writes(c, 1, (uint64_t)1 << 40, "end");
	equal(attr(c, 1).size, ((uint64_t)1 << 40) + 3);
	check(attr(c, 1).blocks < 1024);
	equal(ok(c, read_of((uint64_t)1 << 39, 1000))->Rread.data.len, 1000);
	equal(memcmp(c->reply.Rread.data.bytes, zeros, 1000), 0);
	reads(c, 1, (uint64_t)1 << 40, "end");
}

TEST(write_to_a_directory_is_EISDIR)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EISDIR, write_of(0, "x", 1));
}

TEST(write_to_a_fid_that_is_not_open_is_EBADF)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	fails(c, EBADF, write_of(0, "x", 1));
	fails(c, EBADF, T(write, .fid = 9, .data = data_of("x", 1)));
	host_holds(w, "f", "text");
}

TEST(write_keeps_any_bytes)
{
	struct conn *c = writer(w, "");
	uint8_t bytes[256];

	for (unsigned i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	ok(c, write_of(0, bytes, 256));
	equal(ok(c, read_of(0, 300))->Rread.data.len, 256);
	equal(memcmp(c->reply.Rread.data.bytes, bytes, 256), 0);
}

TEST(write_with_the_bytes_of_the_specification)
{
	struct conn *c = writer(w, "");
	struct raw raw = raw_begin(118, 5);

	raw_int(&raw, 1, 4);
	raw_int(&raw, 2, 8);
	raw_int(&raw, 3, 4);
	raw_int(&raw, 'a' | 'b' << 8 | 'c' << 16, 3);
	raw_send(c, &raw);
	equal(answer(c, 5)->Rwrite.count, 3);
	reads(c, 1, 2, "abc");
}

/* ---- Tfsync ---- */

TEST(fsync_of_a_file)
{
	struct conn *c = writer(w, "");

	writes(c, 1, 0, "text");
	ok(c, T(fsync, .fid = 1, .datasync = 0));
	ok(c, T(fsync, .fid = 1, .datasync = 1));
	host_holds(w, "f", "text");
}

TEST(fsync_without_the_datasync_field)
{
	struct conn *c = writer(w, "");
	struct raw raw = raw_begin(P9_Tfsync, 5);

	raw_int(&raw, 1, 4);
	raw_send(c, &raw);
	equal(answer(c, 5)->type, P9_Rfsync);
}

TEST(fsync_of_a_directory)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	ok(c, T(fsync, .fid = 1, .datasync = 0));
	ok(c, T(fsync, .fid = 1, .datasync = 1));
}

TEST(fsync_of_a_file_open_for_reading)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDONLY);
	ok(c, T(fsync, .fid = 1, .datasync = 0));
}

TEST(fsync_of_a_fid_that_is_not_open_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(fsync, .fid = ROOT));
	fails(c, EBADF, T(fsync, .fid = 9));
}

/* ---- many in flight ---- */

#define FLIGHT 64u

/* Reads `count` replies of this kind; each tag of FIRST to FIRST + count - 1 comes once. */
#define FIRST 1000u

static void collects(struct conn *c, unsigned count, uint8_t type,
		     bool (*is_right)(struct conn *c, unsigned i))
{
	bool seen[2 * FLIGHT] = {false};

	for (unsigned n = 0; n < count; n++) {
		const struct p9_msg *reply = receive(c);
		unsigned i = reply != NULL ? reply->tag - FIRST : count;

		check(reply != NULL && i < count && !seen[i]);
		if (reply == NULL || i >= count)
			return;
		seen[i] = true;
		equal(reply->type, type);
		check(is_right(c, i));
	}
}

static bool read_is_right(struct conn *c, unsigned i)
{
	return c->reply.Rread.data.len == 1000 && has_pattern(c->reply.Rread.data, i * 1000);
}

TEST(many_reads_in_flight_are_answered_by_tag)
{
	struct conn *c = reader(w, MSIZE, FLIGHT * 1000);

	for (unsigned i = 0; i < FLIGHT; i++)
		send_msg(c, (uint16_t)(FIRST + i), read_of(i * 1000, 1000));
	collects(c, FLIGHT, P9_Rread, read_is_right);
}

static bool write_is_right(struct conn *c, unsigned i)
{
	(void)i;
	return c->reply.Rwrite.count == 1000;
}

TEST(many_writes_in_flight_all_arrive)
{
	struct conn *c = writer(w, "");
	uint8_t bytes[1000];

	for (unsigned i = 0; i < FLIGHT; i++) {
		for (unsigned n = 0; n < 1000; n++)
			bytes[n] = pattern(i * 1000 + n);
		send_msg(c, (uint16_t)(FIRST + i), write_of(i * 1000, bytes, 1000));
	}
	collects(c, FLIGHT, P9_Rwrite, write_is_right);
	for (unsigned i = 0; i < FLIGHT; i++)
		check(has_pattern(ok(c, read_of(i * 1000, 1000))->Rread.data, i * 1000));
}

static bool walk_is_right(struct conn *c, unsigned i)
{
	(void)i;
	return c->reply.Rwalk.qids.count == 1;
}

TEST(many_walks_in_flight_each_make_their_fid)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	for (unsigned i = 0; i < FLIGHT; i++)
		send_msg(c, (uint16_t)(FIRST + i),
			 T(walk, .fid = ROOT, .newfid = 100 + i, .names = NAMES("f")));
	collects(c, FLIGHT, P9_Rwalk, walk_is_right);
	for (unsigned i = 0; i < FLIGHT; i++)
		clunk(c, 100 + i);
}

static bool large_read_is_right(struct conn *c, unsigned i)
{
	(void)i;
	return c->reply.Rread.data.len == 60000 && has_pattern(c->reply.Rread.data, 0);
}

TEST(many_large_replies_wait_for_the_client)
{
	struct conn *c = reader(w, MSIZE, 60000);

	for (unsigned i = 0; i < FLIGHT; i++)
		send_msg(c, (uint16_t)(FIRST + i), read_of(0, 60000));
	collects(c, FLIGHT, P9_Rread, large_read_is_right);
}

TEST(a_client_that_does_not_read_stops_no_other)
{
	struct conn *a = reader(w, MSIZE, 60000), *b = session(w);

	for (unsigned i = 0; i < FLIGHT; i++)
		send_msg(a, (uint16_t)(FIRST + i), read_of(0, 60000));
	for (int i = 0; i < 20; i++)
		attr(b, ROOT);
	collects(a, FLIGHT, P9_Rread, large_read_is_right);
}

TEST(a_client_that_leaves_with_requests_in_flight_stops_no_other)
{
	struct conn *a = reader(w, MSIZE, 60000), *b = session(w);

	for (unsigned i = 0; i < FLIGHT; i++)
		send_msg(a, (uint16_t)(FIRST + i), read_of(0, 60000));
	conn_close(a);
	for (int i = 0; i < 20; i++)
		attr(b, ROOT);
}

TEST(clunk_does_not_disturb_a_read_in_flight)
{
	struct conn *c = reader(w, MSIZE, 60000);
	const struct p9_msg *reply;
	unsigned clunks = 0;

	for (uint16_t i = 0; i < 16; i++)
		send_msg(c, (uint16_t)(FIRST + i), read_of(0, 60000));
	send_msg(c, FIRST + 16, T(clunk, .fid = 1));
	for (unsigned i = 0; i < 17; i++) {
		reply = receive(c);
		if (reply == NULL)
			break;
		clunks += reply->type == P9_Rclunk;
		check(reply->type == P9_Rclunk || large_read_is_right(c, 0) ||
		      (reply->type == P9_Rlerror && reply->Rlerror.ecode == EBADF));
	}
	equal(clunks, 1);
	fails(c, EBADF, read_of(0, 10));
}

TEST(requests_may_come_byte_by_byte)
{
	struct conn *c = reader(w, MSIZE, 1000);
	struct raw raw = raw_of(read_of(10, 20), 5);

	for (size_t i = 0; i < raw.size; i++)
		send_bytes(c, raw.bytes + i, 1);
	equal(answer(c, 5)->Rread.data.len, 20);
	check(has_pattern(c->reply.Rread.data, 10));
}

static bool short_read_is_right(struct conn *c, unsigned i)
{
	return c->reply.Rread.data.len == 20 && has_pattern(c->reply.Rread.data, i);
}

TEST(requests_may_come_cut_anywhere)
{
	struct conn *c = reader(w, MSIZE, 1000);
	uint8_t bytes[FLIGHT * 23];
	size_t size = 0;

	for (unsigned i = 0; i < FLIGHT; i++) {
		struct raw one = raw_of(read_of(i, 20), (uint16_t)(FIRST + i));

		memcpy(bytes + size, one.bytes, one.size);
		size += one.size;
	}
	for (size_t at = 0; at < size; at += 17)
		send_bytes(c, bytes + at, size - at < 17 ? size - at : 17);
	collects(c, FLIGHT, P9_Rread, short_read_is_right);
}
