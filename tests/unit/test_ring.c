/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_ring.c - the ring arithmetic: both sides against each other, and against a peer that lies.
 *
 * The lying peer of the last tests is a process on shared memory, as the real one is: a thread
 * would be a data race by design, and the thread sanitizer would be right to say so.
 */
#include "xenbus/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"

#define TEST_ORDER 1
#define HALF (1u << (TEST_ORDER + 11))

/* One ring and both its ends. The memory ends at unmapped space in the sanitizers' eyes. */
struct bench {
	struct ring_page *page;
	uint8_t *data;
	struct ring back;
	struct ring front;
	struct ring_saved back_own;
	struct ring_saved front_own;
};

static void bench_open_at(struct bench *bench, uint32_t out, uint32_t in)
{
	bench->page = calloc(1, sizeof(*bench->page));
	bench->data = calloc(2, HALF);
	if (bench->page == NULL || bench->data == NULL)
		abort();
	bench->page->out_cons = bench->page->out_prod = out;
	bench->page->in_cons = bench->page->in_prod = in;
	CU_ASSERT_EQUAL(ring_init(&bench->back, RING_BACKEND, bench->page, bench->data, TEST_ORDER,
				  &bench->back_own),
			0);
	CU_ASSERT_EQUAL(ring_init(&bench->front, RING_FRONTEND, bench->page, bench->data,
				  TEST_ORDER, &bench->front_own),
			0);
}

static void bench_open(struct bench *bench)
{
	bench_open_at(bench, 0, 0);
}

static void bench_close(struct bench *bench)
{
	free(bench->page);
	free(bench->data);
}

/* A message of `size` bytes whose content follows from `seed`. */
static void make_message(uint8_t *buf, uint32_t size, uint32_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		buf[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
	buf[0] = (uint8_t)size;
	buf[1] = (uint8_t)(size >> 8);
	buf[2] = (uint8_t)(size >> 16);
	buf[3] = (uint8_t)(size >> 24);
}

static void expect_put(struct ring *ring, uint32_t size, uint32_t seed)
{
	uint8_t buf[HALF];

	make_message(buf, size, seed);
	CU_ASSERT_EQUAL(ring_put(ring, buf, size), 0);
}

static void take(struct ring *ring, const struct ring_message *msg, void *buf)
{
	ring_copy(ring, msg, buf);
	ring_advance(ring, msg->size);
}

static void expect_take(struct ring *ring, uint32_t size, uint32_t seed)
{
	uint8_t expected[HALF], got[HALF];
	struct ring_message msg;

	CU_ASSERT_EQUAL_FATAL(ring_peek(ring, HALF, &msg), 1);
	CU_ASSERT_EQUAL_FATAL(msg.size, size);
	take(ring, &msg, got);
	make_message(expected, size, seed);
	CU_ASSERT_EQUAL(memcmp(got, expected, size), 0);
}

static void expect_none(struct ring *ring)
{
	struct ring_message msg;

	CU_ASSERT_EQUAL(ring_peek(ring, HALF, &msg), 0);
}

static void a_message_goes_each_way(void)
{
	struct bench bench;

	bench_open(&bench);
	expect_none(&bench.back);
	expect_put(&bench.front, 23, 1);
	expect_take(&bench.back, 23, 1);
	expect_none(&bench.back);
	expect_put(&bench.back, 11, 2);
	expect_take(&bench.front, 11, 2);
	CU_ASSERT_EQUAL(bench.page->out_prod, 23);
	CU_ASSERT_EQUAL(bench.page->out_cons, 23);
	CU_ASSERT_EQUAL(bench.page->in_prod, 11);
	CU_ASSERT_EQUAL(bench.page->in_cons, 11);
	bench_close(&bench);
}

static void requests_and_replies_lie_where_the_protocol_says(void)
{
	struct bench bench;

	bench_open(&bench);
	expect_put(&bench.front, 7, 1);
	expect_put(&bench.back, 8, 2);
	CU_ASSERT_EQUAL(bench.data[0], 8);
	CU_ASSERT_EQUAL(bench.data[HALF], 7);
	bench_close(&bench);
}

static void payload_wraps_at_the_end(void)
{
	struct bench bench;

	bench_open_at(&bench, HALF - 100, HALF - 100);
	expect_put(&bench.front, 300, 1);
	expect_take(&bench.back, 300, 1);
	expect_put(&bench.back, 300, 2);
	expect_take(&bench.front, 300, 2);
	bench_close(&bench);
}

static void header_wraps_at_every_byte(void)
{
	for (uint32_t left = 0; left <= RING_HEADER_SIZE; left++) {
		struct bench bench;

		bench_open_at(&bench, HALF - left, 0);
		expect_put(&bench.front, 50, left);
		expect_take(&bench.back, 50, left);
		bench_close(&bench);
	}
}

static void indices_wrap_at_32_bits(void)
{
	struct bench bench;

	bench_open_at(&bench, UINT32_MAX - 10, UINT32_MAX - 10);
	for (uint32_t i = 0; i < 20; i++) {
		expect_put(&bench.front, 9, i);
		expect_take(&bench.back, 9, i);
		expect_put(&bench.back, 12, i);
		expect_take(&bench.front, 12, i);
	}
	CU_ASSERT_EQUAL(bench.page->out_cons, UINT32_MAX - 10 + 180);
	bench_close(&bench);
}

static void a_message_may_fill_the_ring(void)
{
	struct bench bench;

	bench_open_at(&bench, 1000, 1000);
	expect_put(&bench.front, HALF, 1);
	expect_take(&bench.back, HALF, 1);
	expect_put(&bench.back, HALF, 2);
	expect_take(&bench.front, HALF, 2);
	bench_close(&bench);
}

/* Writes a message into the place of one of `room` bytes, and publishes `size` of them. */
static void put_placed(struct ring *ring, uint32_t room, uint32_t size, uint32_t seed)
{
	const uint32_t header = 11;
	struct iovec place[2];
	uint8_t buf[HALF];

	make_message(buf, size, seed);
	CU_ASSERT_EQUAL_FATAL(ring_place(ring, header, room - header, place), 0);
	CU_ASSERT_EQUAL(place[0].iov_len + place[1].iov_len, room - header);
	memset(place[0].iov_base, 0xee, place[0].iov_len);
	memset(place[1].iov_base, 0xee, place[1].iov_len);
	for (uint32_t i = header; i < size; i++) {
		size_t at = i - header;
		const struct iovec *piece = &place[at >= place[0].iov_len];

		at -= piece == place ? 0 : place[0].iov_len;
		((uint8_t *)piece->iov_base)[at] = buf[i];
	}
	ring_put_placed(ring, buf, header, size);
}

static void a_reply_may_be_written_where_it_goes(void)
{
	for (uint32_t before = 0; before < 64; before++) {
		struct bench bench;

		bench_open_at(&bench, 0, 3 * HALF - before);
		expect_put(&bench.back, 7, 1);
		put_placed(&bench.back, 40, 40, 2);
		put_placed(&bench.back, HALF - 7 - 40, 23, 3);
		put_placed(&bench.back, 11, 11, 4);
		expect_put(&bench.back, 30, 5);
		expect_take(&bench.front, 7, 1);
		expect_take(&bench.front, 40, 2);
		expect_take(&bench.front, 23, 3);
		expect_take(&bench.front, 11, 4);
		expect_take(&bench.front, 30, 5);
		expect_none(&bench.front);
		bench_close(&bench);
	}
}

static void what_is_written_and_not_published_is_not_there(void)
{
	struct iovec place[2];
	struct bench bench;

	bench_open(&bench);
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, 100, place), 0);
	memset(place[0].iov_base, 0xee, 100);
	expect_none(&bench.front);
	CU_ASSERT(!ring_was_put(&bench.back, 0));
	expect_put(&bench.back, 50, 1);
	expect_take(&bench.front, 50, 1);
	bench_close(&bench);
}

static void there_is_no_place_without_room(void)
{
	struct iovec place[2];
	struct bench bench;

	bench_open(&bench);
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, HALF - 11, place), 0);
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, HALF - 10, place), -EMSGSIZE);
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, UINT32_MAX - 10, place), -EMSGSIZE);
	expect_put(&bench.back, 100, 1);
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, HALF - 111, place), 0);
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, HALF - 110, place), -EAGAIN);
	bench.page->in_cons = 101;
	CU_ASSERT_EQUAL(ring_place(&bench.back, 11, 1, place), -EPROTO);
	bench_close(&bench);
}

static void what_is_offered_is_seen(void)
{
	struct bench bench;

	bench_open(&bench);
	CU_ASSERT(!ring_offers(&bench.back));
	expect_put(&bench.front, 50, 1);
	CU_ASSERT(ring_offers(&bench.back));
	expect_take(&bench.back, 50, 1);
	CU_ASSERT(!ring_offers(&bench.back));
	bench_close(&bench);
}

static void a_full_ring_takes_nothing(void)
{
	uint8_t buf[RING_HEADER_SIZE];
	struct bench bench;

	bench_open(&bench);
	make_message(buf, sizeof(buf), 2);
	expect_put(&bench.back, HALF - sizeof(buf) + 1, 1);
	CU_ASSERT_EQUAL(ring_put(&bench.back, buf, sizeof(buf)), -EAGAIN);
	CU_ASSERT_EQUAL(bench.page->in_prod, HALF - sizeof(buf) + 1);
	expect_take(&bench.front, HALF - sizeof(buf) + 1, 1);
	expect_none(&bench.front);
	CU_ASSERT_EQUAL(ring_put(&bench.back, buf, sizeof(buf)), 0);
	expect_take(&bench.front, sizeof(buf), 2);
	bench_close(&bench);
}

static void what_cannot_ever_fit_is_refused(void)
{
	static uint8_t buf[HALF + 1];
	struct bench bench;

	bench_open(&bench);
	CU_ASSERT_EQUAL(ring_put(&bench.back, buf, HALF + 1), -EMSGSIZE);
	bench_close(&bench);
}

static void a_part_of_a_message_waits(void)
{
	uint8_t buf[40], got[40];
	struct ring_message msg;
	struct bench bench;

	bench_open(&bench);
	make_message(buf, sizeof(buf), 3);
	memcpy(bench.data + HALF, buf, sizeof(buf));
	for (uint32_t part = 0; part < sizeof(buf); part++) {
		bench.page->out_prod = part;
		CU_ASSERT_EQUAL(ring_peek(&bench.back, HALF, &msg), 0);
		CU_ASSERT_EQUAL(bench.page->out_cons, 0);
	}
	bench.page->out_prod = sizeof(buf);
	CU_ASSERT_EQUAL_FATAL(ring_peek(&bench.back, HALF, &msg), 1);
	take(&bench.back, &msg, got);
	CU_ASSERT_EQUAL(memcmp(got, buf, sizeof(buf)), 0);
	bench_close(&bench);
}

static void impossible_sizes_are_protocol_errors(void)
{
	static const uint32_t sizes[] = {0,	     1,		 2,    3,	  4,
					 5,	     6,		 1025, HALF,	  HALF + 1,
					 0x80000000, 0x00ffffff, 0xff, UINT32_MAX};
	struct ring_message msg;
	struct bench bench;

	bench_open(&bench);
	for (size_t i = 0; i < countof(sizes); i++) {
		uint32_t size = sizes[i];
		uint8_t bytes[] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
				   (uint8_t)(size >> 24)};

		memcpy(bench.data + HALF, bytes, sizeof(bytes));
		bench.page->out_prod = RING_HEADER_SIZE;
		CU_ASSERT_EQUAL(ring_peek(&bench.back, size == 0xff ? 0xfe : 1024, &msg), -EPROTO);
		CU_ASSERT_EQUAL(bench.page->out_cons, 0);
	}
	bench_close(&bench);
}

static void impossible_indices_are_protocol_errors(void)
{
	/* Distances of the peer's index ahead of ours; "behind" is far ahead. */
	static const uint32_t lies[] = {HALF + 1, HALF + 7,   2 * HALF,	      0x7fffffff,
					1u << 31, UINT32_MAX, UINT32_MAX - 6, UINT32_MAX - HALF};
	uint8_t buf[16];
	struct ring_message msg;

	make_message(buf, sizeof(buf), 1);
	for (size_t i = 0; i < countof(lies); i++) {
		struct bench bench;

		bench_open_at(&bench, 5000, 5000);
		expect_put(&bench.front, sizeof(buf), 1);
		bench.page->out_prod = 5000 + lies[i];
		CU_ASSERT_EQUAL(ring_peek(&bench.back, HALF, &msg), -EPROTO);
		bench.page->in_cons = 5000 - lies[i];
		CU_ASSERT_EQUAL(ring_put(&bench.back, buf, sizeof(buf)), -EPROTO);
		CU_ASSERT_EQUAL(bench.page->in_prod, 5000);
		CU_ASSERT_EQUAL(bench.page->out_cons, 5000);
		bench_close(&bench);
	}
}

static bool holds(const struct bench *bench, uint32_t seed)
{
	uint8_t header[RING_HEADER_SIZE];

	make_message(header, sizeof(header), seed);
	return ring_holds(&bench->back, (uint16_t)(header[5] | header[6] << 8));
}

static void a_tag_is_found_in_what_was_not_taken(void)
{
	struct bench bench;

	bench_open_at(&bench, HALF - 20, 0);
	for (uint32_t seed = 1; seed <= 3; seed++)
		expect_put(&bench.front, 7 + seed, seed);
	CU_ASSERT(holds(&bench, 1) && holds(&bench, 2) && holds(&bench, 3) && !holds(&bench, 4));
	expect_take(&bench.back, 8, 1);
	CU_ASSERT(!holds(&bench, 1) && holds(&bench, 2) && holds(&bench, 3));
	bench_close(&bench);
}

/* Nothing behind what cannot be, and nothing that is not there whole. */
static void a_tag_is_not_found_where_the_peer_lies(void)
{
	struct bench bench;
	uint8_t *second;

	bench_open(&bench);
	for (uint32_t seed = 1; seed <= 3; seed++)
		expect_put(&bench.front, 10, seed);
	bench.page->out_prod = 29;
	CU_ASSERT(holds(&bench, 2) && !holds(&bench, 3));
	bench.page->out_prod = HALF + 1;
	CU_ASSERT(!holds(&bench, 1));
	bench.page->out_prod = 30;
	second = bench.data + HALF + 10;
	for (uint8_t size = 0; size < RING_HEADER_SIZE; size++) {
		second[0] = size;
		CU_ASSERT(holds(&bench, 1) && !holds(&bench, 2) && !holds(&bench, 3));
	}
	second[0] = 21;
	CU_ASSERT(holds(&bench, 1) && !holds(&bench, 2) && !holds(&bench, 3));
	bench_close(&bench);
}

static void init_and_resume_check_both_distances(void)
{
	static const struct {
		uint32_t out_cons, out_prod, in_cons, in_prod;
		int result;
	} cases[] = {
		{0, 0, 0, 0, 0},
		{0, HALF, 0, HALF, 0},
		{UINT32_MAX, HALF - 1, UINT32_MAX, HALF - 1, 0},
		{0, HALF + 1, 0, 0, -EPROTO},
		{1, 0, 0, 0, -EPROTO},
		{0, 0, 0, HALF + 1, -EPROTO},
		{0, 0, 1, 0, -EPROTO},
		{0x80000000, 0, 0, 0, -EPROTO},
	};
	static uint8_t data[2 * HALF];
	struct ring_saved own;

	for (size_t i = 0; i < countof(cases); i++) {
		struct ring_page page = {.out_cons = cases[i].out_cons,
					 .out_prod = cases[i].out_prod,
					 .in_cons = cases[i].in_cons,
					 .in_prod = cases[i].in_prod};
		struct ring ring;

		CU_ASSERT_EQUAL(ring_init(&ring, RING_BACKEND, &page, data, TEST_ORDER, &own),
				cases[i].result);
		CU_ASSERT_EQUAL(own.cons, cases[i].out_cons);
		CU_ASSERT_EQUAL(own.prod, cases[i].in_prod);
		page.out_cons = page.in_prod = 4711;
		CU_ASSERT_EQUAL(ring_resume(&ring, RING_BACKEND, &page, data, TEST_ORDER, &own),
				cases[i].result);
		/* A ring that is refused is left alone; in another something may be kept. */
		CU_ASSERT_EQUAL(page.out_cons, 4711);
		CU_ASSERT_EQUAL(page.in_prod, cases[i].result == 0 ? own.prod : 4711);
	}
}

static void a_ring_goes_on_where_the_page_says(void)
{
	struct ring_saved own;
	struct bench bench;
	struct ring next;

	bench_open_at(&bench, 77, 88);
	expect_put(&bench.front, 30, 1);
	expect_put(&bench.front, 40, 2);
	expect_take(&bench.back, 30, 1);
	expect_put(&bench.back, 50, 3);
	CU_ASSERT_EQUAL(ring_init(&next, RING_BACKEND, bench.page, bench.data, TEST_ORDER, &own),
			0);
	expect_take(&next, 40, 2);
	expect_put(&next, 60, 4);
	expect_take(&bench.front, 50, 3);
	expect_take(&bench.front, 60, 4);
	bench_close(&bench);
}

static void own_indices_are_never_read_back(void)
{
	struct bench bench;

	bench_open(&bench);
	expect_put(&bench.front, 30, 1);
	expect_put(&bench.front, 31, 2);
	expect_take(&bench.back, 30, 1);
	bench.page->out_cons = 12345678;
	expect_take(&bench.back, 31, 2);
	CU_ASSERT_EQUAL(bench.page->out_cons, 61);
	bench.page->in_prod = 87654321;
	expect_put(&bench.back, 20, 3);
	CU_ASSERT_EQUAL(bench.page->in_prod, 20);
	bench_close(&bench);
}

static void the_header_is_read_once(void)
{
	uint8_t got[64];
	struct ring_message msg;
	struct bench bench;

	bench_open(&bench);
	expect_put(&bench.front, sizeof(got), 1);
	CU_ASSERT_EQUAL_FATAL(ring_peek(&bench.back, HALF, &msg), 1);
	memset(bench.data + HALF, 0xff, RING_HEADER_SIZE);
	take(&bench.back, &msg, got);
	CU_ASSERT_EQUAL(memcmp(got, msg.header, RING_HEADER_SIZE), 0);
	CU_ASSERT_EQUAL(bench.page->out_cons, sizeof(got));
	bench_close(&bench);
}

static void setup_refuses_orders(void)
{
	static const uint32_t orders[] = {0, 5, 10, 31, 32, 0x80000001, 0xffffffff};
	static struct ring_page page;
	uint32_t refs[1u << RING_ORDER_MAX];
	unsigned order;

	for (size_t i = 0; i < countof(page.ref); i++)
		page.ref[i] = 1;
	for (size_t i = 0; i < countof(orders); i++) {
		page.order = orders[i];
		CU_ASSERT_EQUAL(ring_read_setup(&page, 4, &order, refs), -EPROTO);
		if (orders[i] > RING_ORDER_MAX)
			CU_ASSERT_EQUAL(ring_read_setup(&page, UINT32_MAX, &order, refs), -EPROTO);
	}
}

static void setup_copies_the_refs(void)
{
	static struct ring_page page;
	uint32_t refs[1u << RING_ORDER_MAX];

	for (unsigned order = RING_ORDER_MIN; order <= RING_ORDER_MAX; order++) {
		unsigned got = 0;

		memset(&page, 0, sizeof(page));
		page.order = order;
		for (uint32_t i = 0; i < 1u << order; i++)
			page.ref[i] = 1000 + i;
		CU_ASSERT_EQUAL(ring_read_setup(&page, RING_ORDER_MAX, &got, refs), 0);
		CU_ASSERT_EQUAL(got, order);
		memset(&page, 0xee, sizeof(page));
		for (uint32_t i = 0; i < 1u << order; i++)
			CU_ASSERT_EQUAL(refs[i], 1000 + i);
	}
}

static void setup_refuses_ref_zero(void)
{
	static struct ring_page page = {.order = 1, .ref = {8, 0}};
	uint32_t refs[1u << RING_ORDER_MAX];
	unsigned order;

	CU_ASSERT_EQUAL(ring_read_setup(&page, RING_ORDER_MAX, &order, refs), -EPROTO);
	page.ref[1] = 9;
	CU_ASSERT_EQUAL(ring_read_setup(&page, RING_ORDER_MAX, &order, refs), 0);
}

/* Sends random messages from `from` to `to` with random gaps; every byte must arrive. */
static void random_traffic(struct ring *from, struct ring *to, unsigned rounds, unsigned *seed)
{
	uint8_t buf[HALF];
	uint32_t sent = 0, received = 0, sizes[256];

	for (unsigned round = 0; round < rounds; round++) {
		uint32_t limit = rand_r(seed) % 8 == 0 ? HALF : 200;
		uint32_t size =
			RING_HEADER_SIZE + (uint32_t)rand_r(seed) % (limit - RING_HEADER_SIZE + 1);

		make_message(buf, size, sent);
		if (sent - received < countof(sizes) && ring_put(from, buf, size) == 0)
			sizes[sent++ % countof(sizes)] = size;
		while (received < sent && rand_r(seed) % 3 != 0) {
			expect_take(to, sizes[received % countof(sizes)], received);
			received++;
		}
	}
	for (; received < sent; received++)
		expect_take(to, sizes[received % countof(sizes)], received);
	expect_none(to);
}

static void random_traffic_arrives(void)
{
	unsigned seed = 1;
	struct bench bench;

	bench_open_at(&bench, UINT32_MAX - 100000, 12345);
	random_traffic(&bench.front, &bench.back, 5000, &seed);
	random_traffic(&bench.back, &bench.front, 5000, &seed);
	bench_close(&bench);
}

/* --- a process that is killed, and its successor ------------------------------------------- */

/* The record of one message, in memory that outlives the process. */
enum stage { FREE, TAKEN, HELD, PUTTING };
struct record {
	enum stage stage;
	bool kept; /* only the first FIRST bytes are here */
	uint32_t at;
	uint32_t size;
	uint8_t message[HALF];
};

static void resume(const struct bench *bench, struct ring *next, struct ring_saved *own)
{
	CU_ASSERT_EQUAL_FATAL(
		ring_resume(next, RING_BACKEND, bench->page, bench->data, TEST_ORDER, own), 0);
	ring_release(next);
}

#define FIRST 16

/* The first `stores` stores of a take, as a process does them that is killed then. */
static void take_partly(struct bench *bench, struct record *record, unsigned stores)
{
	struct ring_message msg;

	CU_ASSERT_EQUAL_FATAL(ring_peek(&bench->back, HALF, &msg), 1);
	ring_copy(&bench->back, &msg, record->message);
	record->at = bench->back_own.cons;
	record->size = msg.size;
	if (stores > 0)
		record->stage = TAKEN;
	if (stores > 1)
		bench->back_own.cons += msg.size;
	if (stores > 2)
		bench->page->out_cons = bench->back_own.cons;
}

#define TAKE_STORES 3

static void a_take_that_was_cut_short_is_finished(void)
{
	for (unsigned stores = 0; stores <= TAKE_STORES; stores++) {
		struct record record = {0};
		uint8_t expected[50];
		struct bench bench;
		struct ring next;

		bench_open_at(&bench, UINT32_MAX - 20, 88);
		expect_put(&bench.front, 50, 1);
		expect_put(&bench.front, 60, 2);
		take_partly(&bench, &record, stores);

		resume(&bench, &next, &bench.back_own);
		CU_ASSERT_EQUAL(bench.page->out_cons, bench.back_own.cons);
		if (record.stage == TAKEN) {
			CU_ASSERT_EQUAL(ring_retake(&next, record.at, record.size), stores == 1);
			CU_ASSERT_FALSE(ring_retake(&next, record.at, record.size));
			make_message(expected, sizeof(expected), 1);
			CU_ASSERT_EQUAL(memcmp(record.message, expected, sizeof(expected)), 0);
		} else {
			expect_take(&next, 50, 1);
		}
		CU_ASSERT_EQUAL(bench.page->out_cons, UINT32_MAX - 20 + 50);
		expect_take(&next, 60, 2);
		expect_none(&next);
		bench_close(&bench);
	}
}

/* The same for a put. */
static void put_partly(struct bench *bench, struct record *record, unsigned stores)
{
	uint32_t prod = bench->back_own.prod, bytes = stores > 2 ? record->size : record->size / 2;

	if (stores == 0)
		return;
	record->at = prod;
	record->stage = PUTTING;
	for (uint32_t i = 0; stores > 1 && i < bytes; i++)
		bench->data[(prod + i) % HALF] = record->message[i];
	if (stores > 3)
		bench->back_own.prod += record->size;
	if (stores > 4)
		bench->page->in_prod = bench->back_own.prod;
	if (stores > 5)
		record->stage = FREE;
}

#define PUT_STORES 6

/* `quick`: the peer has taken the message, if it was told of it, before there is a successor. */
static void finish_a_put(unsigned stores, bool quick)
{
	struct record record = {.size = 50};
	struct bench bench;
	struct ring next;

	bench_open_at(&bench, 77, UINT32_MAX - 20);
	make_message(record.message, record.size, 1);
	put_partly(&bench, &record, stores);
	if (stores > 4 && quick)
		expect_take(&bench.front, 50, 1);
	else if (stores <= 4)
		expect_none(&bench.front);

	resume(&bench, &next, &bench.back_own);
	CU_ASSERT_EQUAL(bench.page->in_prod, bench.back_own.prod);
	if (record.stage == PUTTING)
		CU_ASSERT_EQUAL(ring_was_put(&next, record.at), stores > 3);
	if (stores <= 3)
		CU_ASSERT_EQUAL(ring_put(&next, record.message, record.size), 0);
	expect_put(&next, 60, 2);
	if (stores <= 4 || !quick)
		expect_take(&bench.front, 50, 1);
	expect_take(&bench.front, 60, 2);
	expect_none(&bench.front);
	bench_close(&bench);
}

static void a_put_that_was_cut_short_is_finished(void)
{
	for (unsigned stores = 0; stores <= PUT_STORES; stores++) {
		finish_a_put(stores, false);
		finish_a_put(stores, true);
	}
}

static void a_successor_believes_its_predecessor_only(void)
{
	struct bench bench;
	struct ring next;

	bench_open_at(&bench, 77, 88);
	expect_put(&bench.front, 30, 1);
	expect_put(&bench.front, 40, 2);
	expect_take(&bench.back, 30, 1);
	expect_put(&bench.back, 50, 3);
	bench.page->out_cons = 12345678;
	bench.page->in_prod = 87654321;
	resume(&bench, &next, &bench.back_own);
	CU_ASSERT_EQUAL(bench.page->out_cons, 77 + 30);
	CU_ASSERT_EQUAL(bench.page->in_prod, 88 + 50);
	expect_take(&next, 40, 2);
	expect_take(&bench.front, 50, 3);
	bench_close(&bench);
}

static void a_message_is_kept_where_it_stands(void)
{
	uint8_t first[FIRST], message[300];
	struct iovec rest[2];
	struct ring_message msg;
	struct bench bench;

	/* The rest wraps around. */
	bench_open_at(&bench, HALF - 100, 0);
	expect_put(&bench.front, sizeof(message), 1);
	expect_put(&bench.front, 50, 2);
	CU_ASSERT_EQUAL_FATAL(ring_peek(&bench.back, HALF, &msg), 1);
	ring_copy_first(&bench.back, &msg, FIRST, first);
	ring_rest(&bench.back, &msg, FIRST, rest);
	ring_keep(&bench.back, msg.size);
	CU_ASSERT_EQUAL(bench.page->out_cons, HALF - 100);
	/* Others are taken behind it, and their space is kept with its. */
	expect_take(&bench.back, 50, 2);
	CU_ASSERT_EQUAL(bench.page->out_cons, HALF - 100);
	make_message(message, sizeof(message), 1);
	CU_ASSERT_EQUAL(memcmp(first, message, FIRST), 0);
	CU_ASSERT_EQUAL(rest[0].iov_len, 100 - FIRST);
	CU_ASSERT_EQUAL(rest[1].iov_len, 200);
	CU_ASSERT_EQUAL(memcmp(rest[0].iov_base, message + FIRST, 100 - FIRST), 0);
	CU_ASSERT_EQUAL(memcmp(rest[1].iov_base, message + 100, 200), 0);
	memset(message, 0, sizeof(message));
	CU_ASSERT_TRUE(ring_fetch(&bench.back, HALF - 100, 0, sizeof(message), message));
	CU_ASSERT_EQUAL(memcmp(rest[1].iov_base, message + 100, 200), 0);
	CU_ASSERT_FALSE(ring_fetch(&bench.back, 0, 0, HALF + 1, message));
	CU_ASSERT_FALSE(ring_fetch(&bench.back, 0, FIRST, FIRST - 1, message));
	ring_release(&bench.back);
	CU_ASSERT_EQUAL(bench.page->out_cons, HALF - 100 + 350);
	bench_close(&bench);
}

/* It has been told of no space that is kept. */
static void a_peer_that_writes_over_what_is_kept_lies(void)
{
	struct ring_message msg;
	struct bench bench;

	bench_open_at(&bench, 0, 0);
	expect_put(&bench.front, 300, 1);
	expect_put(&bench.front, 50, 2);
	CU_ASSERT_EQUAL_FATAL(ring_peek(&bench.back, HALF, &msg), 1);
	ring_keep(&bench.back, msg.size);
	bench.page->out_prod = HALF;
	CU_ASSERT_EQUAL(ring_peek(&bench.back, HALF, &msg), 1);
	bench.page->out_prod = HALF + 1;
	CU_ASSERT_EQUAL(ring_peek(&bench.back, HALF, &msg), -EPROTO);
	ring_release(&bench.back);
	bench_close(&bench);
}

/* What outlives a backend that sends back what comes, one message at a time. */
struct survivor {
	struct ring_page page;
	uint8_t data[2 * HALF];
	struct ring_saved own;
	struct record record;
};

static void set_stage(struct record *record, enum stage stage)
{
	__atomic_store_n(&record->stage, stage, __ATOMIC_RELEASE);
}

static void set_kept(struct record *record, bool kept)
{
	__atomic_store_n(&record->kept, kept, __ATOMIC_RELEASE);
}

/* Each second message is kept. */
static void echo_take(struct ring *ring, struct record *record)
{
	struct ring_message msg;
	bool kept;

	if (ring_peek(ring, HALF, &msg) != 1)
		return;
	kept = msg.size % 2 == 0;
	ring_copy_first(ring, &msg, kept ? FIRST : msg.size, record->message);
	record->at = ring->own->cons;
	record->size = msg.size;
	set_kept(record, kept);
	set_stage(record, TAKEN);
	if (kept)
		ring_keep(ring, msg.size);
	else
		ring_advance(ring, msg.size);
	set_stage(record, HELD);
}

static void echo_fetch(struct ring *ring, struct record *record)
{
	if (!record->kept || record->stage == FREE)
		return;
	CU_ASSERT_TRUE(ring_fetch(ring, record->at, FIRST, record->size, record->message));
	set_kept(record, false);
}

static void echo_put(struct ring *ring, struct record *record)
{
	record->at = ring->own->prod;
	set_stage(record, PUTTING);
	if (ring_put(ring, record->message, record->size) == 0)
		set_stage(record, FREE);
}

static void echo_settle(struct ring *ring, struct record *record)
{
	if (record->stage == TAKEN) {
		ring_retake(ring, record->at, record->size);
		set_stage(record, HELD);
	}
	if (record->stage == PUTTING)
		set_stage(record, ring_was_put(ring, record->at) ? FREE : HELD);
}

/* The peer writes over all that it may. */
static void spoil_free_space(struct survivor *survivor)
{
	for (uint32_t at = survivor->page.out_prod; at != survivor->page.out_cons + HALF; at++)
		survivor->data[HALF + at % HALF] = 0xee;
}

/* A process: what the predecessor left, then `messages` more. `spoil`: the peer is quick. */
static int echo(struct survivor *survivor, unsigned messages, bool spoil)
{
	struct ring ring;
	int result = ring_resume(&ring, RING_BACKEND, &survivor->page, survivor->data, TEST_ORDER,
				 &survivor->own);

	if (result < 0)
		return result;
	echo_fetch(&ring, &survivor->record);
	echo_settle(&ring, &survivor->record);
	if (spoil)
		spoil_free_space(survivor);
	ring_release(&ring);
	if (spoil)
		spoil_free_space(survivor);
	if (survivor->record.stage == HELD)
		echo_put(&ring, &survivor->record);
	while (messages-- > 0) {
		echo_take(&ring, &survivor->record);
		if (survivor->record.stage != HELD)
			continue;
		echo_fetch(&ring, &survivor->record);
		ring_release(&ring);
		echo_put(&ring, &survivor->record);
	}
	return 0;
}

#define ECHO_MESSAGES 3

static void open_echo_front(struct ring *ring, struct ring_saved *own, struct survivor *survivor)
{
	CU_ASSERT_EQUAL_FATAL(
		ring_resume(ring, RING_FRONTEND, &survivor->page, survivor->data, TEST_ORDER, own),
		0);
}

static void take_echoes(struct ring *front, uint32_t *received)
{
	struct ring_message msg;

	while (ring_peek(front, HALF, &msg) == 1) {
		expect_take(front, 50 + *received, *received);
		(*received)++;
	}
}

/* The backend is killed in the state `left`: a successor serves the rest, and each message comes
 * back once. `quick`: the peer looked before there was one. */
static void check_successor(const struct survivor *left, const struct ring_saved *front_own,
			    bool quick)
{
	struct survivor survivor = *left;
	struct ring_saved own = *front_own;
	uint32_t received = 0;
	struct ring front;

	open_echo_front(&front, &own, &survivor);
	spoil_free_space(&survivor);
	if (quick)
		take_echoes(&front, &received);
	CU_ASSERT_EQUAL(echo(&survivor, ECHO_MESSAGES, true), 0);
	take_echoes(&front, &received);
	CU_ASSERT_EQUAL(received, ECHO_MESSAGES);
	CU_ASSERT_EQUAL(survivor.record.stage, FREE);
	CU_ASSERT_EQUAL(survivor.page.out_cons, survivor.page.out_prod);
	CU_ASSERT_EQUAL(survivor.page.in_prod, survivor.page.in_cons);
}

/* A child that runs echo() instruction by instruction; -1: that is not allowed here. */
static pid_t start_stepped_echo(struct survivor *survivor, int *status)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0)
			_exit(echo(survivor, ECHO_MESSAGES, false) < 0);
		_exit(77);
	}
	CU_ASSERT_EQUAL(waitpid(child, status, 0), child);
	return WIFSTOPPED(*status) ? child : -1;
}

static unsigned step_through(pid_t child, int status, const struct survivor *survivor,
			     const struct ring_saved *front_own)
{
	struct survivor seen = {0};
	unsigned states = 0;

	while (WIFSTOPPED(status)) {
		if (memcmp(&seen, survivor, sizeof(seen)) != 0) {
			seen = *survivor;
			states++;
			check_successor(&seen, front_own, false);
			check_successor(&seen, front_own, true);
		}
		ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
		CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
	}
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return states;
}

static void each_message_goes_around_once_wherever_its_backend_dies(void)
{
	struct survivor *survivor = mmap(NULL, sizeof(*survivor), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct ring_saved own = {0};
	struct ring front;
	pid_t child;
	int status;

	CU_ASSERT_NOT_EQUAL_FATAL(survivor, MAP_FAILED);
	open_echo_front(&front, &own, survivor);
	for (uint32_t i = 0; i < ECHO_MESSAGES; i++)
		expect_put(&front, 50 + i, i);
	child = start_stepped_echo(survivor, &status);
	if (child < 0)
		test_skip("no process may be traced here");
	else
		CU_ASSERT_TRUE(step_through(child, status, survivor, &own) > 10 * ECHO_MESSAGES);
	munmap(survivor, sizeof(*survivor));
}

/* --- a peer that changes everything all the time ------------------------------------------- */

/* What the two processes share, with the ring's memory between pages nobody may touch. */
struct arena {
	struct ring_page *page;
	uint8_t *data;
	uint32_t *truth; /* the backend's private cons and prod: the mutator lies around them */
	char *base;
	pid_t mutator;
};

#define ARENA_SIZE (6u * RING_PAGE_SIZE + 2u * HALF)

/* An index the peer must not show, or hardly ever may. */
static uint32_t lie(uint32_t noise, uint32_t truth)
{
	switch (noise & 3) {
	case 0:
		return noise * 0x9e3779b9;
	case 1:
		return truth + HALF + (noise >> 2) % 3 - 1;
	case 2:
		return truth - HALF - (noise >> 2) % 3 + 1;
	default:
		return truth + (noise >> 2) % 9 - 4;
	}
}

/* Rewrites indices, headers and payload until it is killed; one index in `honesty` is a lie. */
static _Noreturn void mutate(struct arena *arena, uint32_t honesty)
{
	volatile uint8_t *out = arena->data + HALF;
	unsigned seed = 7;

	for (;;) {
		uint32_t cons = __atomic_load_n(&arena->truth[0], __ATOMIC_RELAXED);
		uint32_t prod = __atomic_load_n(&arena->truth[1], __ATOMIC_RELAXED);
		uint32_t noise = (uint32_t)rand_r(&seed);
		bool lying = noise % honesty == 0;

		noise = (uint32_t)rand_r(&seed);
		for (uint32_t i = 0; i < 4; i++)
			out[(cons + i) % HALF] = i > 0 ? 0 : (uint8_t)(noise >> 4);
		out[(noise >> 8) % HALF] = (uint8_t)noise;
		__atomic_store_n(&arena->page->out_prod,
				 lying ? lie(noise, cons) : cons + noise % HALF, __ATOMIC_RELAXED);
		__atomic_store_n(&arena->page->in_cons,
				 lying ? lie(noise, prod) : prod - noise % HALF, __ATOMIC_RELAXED);
		__atomic_store_n(&arena->page->out_cons, noise, __ATOMIC_RELAXED);
		__atomic_store_n(&arena->page->in_prod, noise, __ATOMIC_RELAXED);
	}
}

static void arena_protect(struct arena *arena, size_t page)
{
	mprotect(arena->base + page * RING_PAGE_SIZE, RING_PAGE_SIZE, PROT_NONE);
}

static void arena_open(struct arena *arena)
{
	arena->base =
		mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (arena->base == MAP_FAILED)
		abort();
	arena->truth = (void *)arena->base;
	arena->page = (void *)(arena->base + 2 * (size_t)RING_PAGE_SIZE);
	arena->data = (uint8_t *)arena->base + 4 * (size_t)RING_PAGE_SIZE;
	arena_protect(arena, 1);
	arena_protect(arena, 3);
	arena_protect(arena, 4 + 2 * HALF / RING_PAGE_SIZE);
}

static void arena_start(struct arena *arena, uint32_t honesty)
{
	arena->mutator = fork();
	if (arena->mutator == 0)
		mutate(arena, honesty);
}

static void arena_close(struct arena *arena)
{
	kill(arena->mutator, SIGKILL);
	waitpid(arena->mutator, NULL, 0);
	munmap(arena->base, ARENA_SIZE);
}

/* One take: whatever came has to be consistent with what peek said. */
static int take_one(struct ring *ring, uint32_t max_size)
{
	uint32_t cons = ring->own->cons;
	struct ring_message msg;
	uint8_t *buf;
	int result;

	result = ring_peek(ring, max_size, &msg);
	if (result <= 0) {
		CU_ASSERT_TRUE(result == 0 || result == -EPROTO);
		CU_ASSERT_EQUAL(ring->own->cons, cons);
		return result;
	}
	CU_ASSERT_TRUE(msg.size >= RING_HEADER_SIZE && msg.size <= max_size);
	/* Of exactly that size, so that the sanitizer sees a byte too many. */
	buf = malloc(msg.size);
	if (buf == NULL)
		abort();
	take(ring, &msg, buf);
	CU_ASSERT_EQUAL(memcmp(buf, msg.header, RING_HEADER_SIZE), 0);
	CU_ASSERT_EQUAL((uint32_t)(buf[0] | buf[1] << 8 | buf[2] << 16) | (uint32_t)buf[3] << 24,
			msg.size);
	CU_ASSERT_EQUAL(ring->own->cons, cons + msg.size);
	free(buf);
	return result;
}

static void serve_mutator(uint32_t honesty)
{
	unsigned taken = 0, put = 0, refused = 0, seed = 3;
	struct ring_saved own;
	struct arena arena;
	struct ring ring;
	uint8_t buf[HALF];

	arena_open(&arena);
	CU_ASSERT_EQUAL(ring_init(&ring, RING_BACKEND, arena.page, arena.data, TEST_ORDER, &own),
			0);
	arena_start(&arena, honesty);
	while (taken < 2000 || put < 2000 || refused < 2000) {
		uint32_t size = RING_HEADER_SIZE + (uint32_t)rand_r(&seed) % (HALF / 4);
		int result = take_one(&ring, 200);

		taken += result == 1;
		refused += result < 0;
		make_message(buf, size, taken);
		result = ring_put(&ring, buf, size);
		CU_ASSERT_TRUE(result == 0 || result == -EAGAIN || result == -EPROTO);
		put += result == 0;
		__atomic_store_n(&arena.truth[0], own.cons, __ATOMIC_RELAXED);
		__atomic_store_n(&arena.truth[1], own.prod, __ATOMIC_RELAXED);
	}
	arena_close(&arena);
}

static void a_mutating_peer_gets_errors_or_whole_messages(void)
{
	serve_mutator(64);
}

static void a_lying_peer_gets_errors_or_whole_messages(void)
{
	serve_mutator(2);
}

static const struct test tests[] = {
	{"a_message_goes_each_way", a_message_goes_each_way},
	{"requests_and_replies_lie_where_the_protocol_says",
	 requests_and_replies_lie_where_the_protocol_says},
	{"payload_wraps_at_the_end", payload_wraps_at_the_end},
	{"header_wraps_at_every_byte", header_wraps_at_every_byte},
	{"indices_wrap_at_32_bits", indices_wrap_at_32_bits},
	{"a_message_may_fill_the_ring", a_message_may_fill_the_ring},
	{"a_reply_may_be_written_where_it_goes", a_reply_may_be_written_where_it_goes},
	{"what_is_written_and_not_published_is_not_there",
	 what_is_written_and_not_published_is_not_there},
	{"there_is_no_place_without_room", there_is_no_place_without_room},
	{"what_is_offered_is_seen", what_is_offered_is_seen},
	{"a_full_ring_takes_nothing", a_full_ring_takes_nothing},
	{"what_cannot_ever_fit_is_refused", what_cannot_ever_fit_is_refused},
	{"a_part_of_a_message_waits", a_part_of_a_message_waits},
	{"impossible_sizes_are_protocol_errors", impossible_sizes_are_protocol_errors},
	{"impossible_indices_are_protocol_errors", impossible_indices_are_protocol_errors},
	{"a_tag_is_found_in_what_was_not_taken", a_tag_is_found_in_what_was_not_taken},
	{"a_tag_is_not_found_where_the_peer_lies", a_tag_is_not_found_where_the_peer_lies},
	{"init_and_resume_check_both_distances", init_and_resume_check_both_distances},
	{"a_ring_goes_on_where_the_page_says", a_ring_goes_on_where_the_page_says},
	{"own_indices_are_never_read_back", own_indices_are_never_read_back},
	{"the_header_is_read_once", the_header_is_read_once},
	{"setup_refuses_orders", setup_refuses_orders},
	{"setup_copies_the_refs", setup_copies_the_refs},
	{"setup_refuses_ref_zero", setup_refuses_ref_zero},
	{"random_traffic_arrives", random_traffic_arrives},
	{"a_take_that_was_cut_short_is_finished", a_take_that_was_cut_short_is_finished},
	{"a_put_that_was_cut_short_is_finished", a_put_that_was_cut_short_is_finished},
	{"a_successor_believes_its_predecessor_only", a_successor_believes_its_predecessor_only},
	{"a_message_is_kept_where_it_stands", a_message_is_kept_where_it_stands},
	{"a_peer_that_writes_over_what_is_kept_lies", a_peer_that_writes_over_what_is_kept_lies},
	{"each_message_goes_around_once_wherever_its_backend_dies",
	 each_message_goes_around_once_wherever_its_backend_dies},
	{"a_mutating_peer_gets_errors_or_whole_messages",
	 a_mutating_peer_gets_errors_or_whole_messages},
	{"a_lying_peer_gets_errors_or_whole_messages", a_lying_peer_gets_errors_or_whole_messages},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "ring", tests, countof(tests));
}
