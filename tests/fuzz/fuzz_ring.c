/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_ring.c - the ring with a peer that rewrites control words and bytes between any two accesses
 * of ours. ring.c is compiled into this file with its loads, stores and copies replaced: each of
 * them is counted, the input says before which of them the peer does what, and the test knows
 * exactly what was read. So the outcome of each call can be foretold; and no byte of a message and
 * no index of the peer may be read twice.
 *
 * (A peer that runs freely in a process of its own is in tests/unit/test_ring.c.)
 *
 * Input: records of RECORD bytes. The first: order, indices to begin with. Each other: what is
 * called (enum step), its number, and up to INTERFERENCES acts of the peer: when, what, value.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "xenbus/ring.h"

#define RECORD 16
#define INTERFERENCES 4
#define PIECES 3 /* in which a copy is made, with the peer in between */

static uint32_t access_load(const volatile uint32_t *word);
static void access_store(volatile uint32_t *word, uint32_t value);
static void *access_copy(void *to, const void *from, size_t size);

#define __atomic_load_n(word, order) access_load(word)
#define __atomic_store_n(word, value, order) access_store(word, value)
#define memcpy(to, from, size) access_copy(to, from, size)
#include "xenbus/ring.c"
#undef __atomic_load_n
#undef __atomic_store_n
#undef memcpy

struct interference {
	uint8_t when, what, value;
};

/* The ring, and what is known of the call that is being made. */
static struct {
	struct ring_page *page;
	uint8_t *data;
	unsigned order;
	struct ring ring;
	struct ring_saved own;
	struct interference peer[INTERFERENCES];
	unsigned accesses;

	uint32_t seen[RING_PAGE_SIZE / 4]; /* what each word of the page said, */
	uint8_t loads[RING_PAGE_SIZE / 4]; /* and how often it was asked */
	uint8_t *reads;			   /* how often each byte of `out` was */
	uint8_t *said;			   /* and what it said */
	const uint8_t *copy;  /* where the message goes that is being read, if to one */
	uint32_t put_size;    /* of the message that is being written, */
	uint32_t put_written; /* and how much of it was */
} w;

static uint32_t half(void)
{
	return ring_half(w.order);
}

/* ---- the peer ---- */

static uint32_t index_value(uint32_t truth, uint8_t value)
{
	switch (value >> 6) {
	case 0:
		return truth + (value & 63);
	case 1:
		return truth - (value & 63);
	case 2:
		return truth + half() + (value & 63) - 32;
	default:
		return (value & 63) * 0x9e3779b9u;
	}
}

static void act(const struct interference *i)
{
	static const uint32_t sizes[] = {0, 6, 7, 8, 100, 101, 2047, 0xffffffff};
	uint8_t *out = w.data + half();
	uint32_t size = sizes[i->value % 8] + (i->value >> 3);

	switch (i->what % 8) {
	case 0:
		w.page->out_prod = index_value(w.own.cons, i->value);
		break;
	case 1:
		w.page->in_cons = index_value(w.own.prod, i->value);
		break;
	case 2:
		w.page->out_cons = index_value(w.own.cons, i->value);
		break;
	case 3:
		w.page->in_prod = index_value(w.own.prod, i->value);
		break;
	case 4:
		w.page->order = i->value % 16;
		break;
	case 5:
		w.page->ref[i->value % 16] = i->value % 4;
		break;
	case 6: /* the size field of what comes next */
		for (uint32_t n = 0; n < sizeof(size); n++)
			out[(w.own.cons + n) % half()] = (uint8_t)(size >> 8 * n);
		break;
	default: /* all is there that may be */
		w.page->out_prod = w.own.cons + half();
		w.page->in_cons = w.own.prod;
	}
}

static void interfere(void)
{
	for (unsigned i = 0; i < INTERFERENCES; i++) {
		if (w.peer[i].when == w.accesses)
			act(&w.peer[i]);
	}
	w.accesses++;
}

/* ---- our accesses ---- */

static bool shared(const volatile void *at)
{
	return (uintptr_t)at >= (uintptr_t)w.page && (uintptr_t)at < (uintptr_t)(w.page + 1);
}

static size_t word_number(const volatile uint32_t *word)
{
	return (size_t)(word - (const volatile uint32_t *)(const void *)w.page);
}

static uint32_t access_load(const volatile uint32_t *word)
{
	if (!shared(word))
		return *word;
	interfere();
	FUZZ_CHECK(w.loads[word_number(word)]++ == 0);
	return w.seen[word_number(word)] = *word;
}

/* Only what is ours is ever written; the private index is there before the shared one. */
static void access_store(volatile uint32_t *word, uint32_t value)
{
	interfere();
	if (shared(word)) {
		FUZZ_CHECK(word == &w.page->out_cons || word == &w.page->in_prod);
		FUZZ_CHECK(value == (word == &w.page->out_cons ? w.own.cons : w.own.prod));
	}
	*word = value;
}

static void copy_piece(uint8_t *to, const uint8_t *from, size_t size)
{
	const uint8_t *out = w.data + half();

	interfere();
	for (size_t i = 0; i < size; i++) {
		if (from >= out && from < out + half()) {
			size_t at = (size_t)(from + i - out);

			FUZZ_CHECK(from + i < out + half());
			FUZZ_CHECK(
				w.copy == NULL ||
				at == ((w.own.cons + (uint32_t)(to + i - w.copy)) & (half() - 1)));
			FUZZ_CHECK(w.reads[at]++ == 0);
			w.said[at] = from[i];
		} else if (to >= w.data && to < out) {
			FUZZ_CHECK(to + i < out);
			FUZZ_CHECK((size_t)(to + i - w.data) ==
				   ((w.own.prod + w.put_written) & (half() - 1)));
			w.put_written++;
		}
		to[i] = from[i];
	}
}

static void *access_copy(void *to, const void *from, size_t size)
{
	uint8_t *bytes = to;
	const uint8_t *source = from;
	size_t piece = size / PIECES + 1;

	for (size_t at = 0; at < size; at += piece)
		copy_piece(bytes + at, source + at, size - at < piece ? size - at : piece);
	return to;
}

/* ---- calls, and what has to come of them ---- */

static void begin_call(void)
{
	memset(w.loads, 0, sizeof(w.loads));
}

static uint32_t seen(const uint32_t *word)
{
	FUZZ_CHECK(w.loads[word_number(word)] == 1);
	return w.seen[word_number(word)];
}

static void check_own(uint32_t cons, uint32_t prod)
{
	FUZZ_CHECK(w.own.cons == cons && w.own.prod == prod);
}

/* What the first look at the message said, and nothing else. */
static int foretell_peek(const struct ring_message *msg, uint32_t max_size)
{
	uint32_t available = seen(&w.page->out_prod) - w.own.cons, size;

	if (available > half() - (w.ring.keeps ? w.own.cons - w.ring.kept : 0))
		return -EPROTO;
	if (available < RING_HEADER_SIZE)
		return 0;
	size = (uint32_t)msg->header[0] | (uint32_t)msg->header[1] << 8 |
	       (uint32_t)msg->header[2] << 16 | (uint32_t)msg->header[3] << 24;
	if (size < RING_HEADER_SIZE || size > max_size || size > half())
		return -EPROTO;
	FUZZ_CHECK(msg->size == size);
	return available >= size;
}

static bool peek(struct ring_message *msg, uint32_t max_size)
{
	uint32_t cons = w.own.cons, prod = w.own.prod;
	int result;

	memset(w.reads, 0, half());
	w.copy = msg->header;
	begin_call();
	result = ring_peek(&w.ring, max_size, msg);
	FUZZ_CHECK(result == foretell_peek(msg, max_size));
	check_own(cons, prod);
	return result == 1;
}

static void take(uint32_t max_size)
{
	struct ring_message msg;
	uint32_t cons = w.own.cons, prod = w.own.prod;
	uint8_t *bytes;

	if (!peek(&msg, max_size))
		return;
	bytes = malloc(msg.size);
	FUZZ_CHECK(bytes != NULL);
	w.copy = bytes;
	begin_call();
	ring_copy(&w.ring, &msg, bytes);
	FUZZ_CHECK(memcmp(bytes, msg.header, RING_HEADER_SIZE) == 0);
	check_own(cons, prod);
	free(bytes);
	begin_call();
	ring_advance(&w.ring, msg.size);
	check_own(cons + msg.size, prod);
}

static void check_piece(const struct iovec *piece)
{
	const uint8_t *out = w.data + half(), *from = piece->iov_base;

	FUZZ_CHECK(from >= out && piece->iov_len <= half() &&
		   from + piece->iov_len <= out + half());
}

/* The next message stays where it is, until this is called again. */
static void keep(uint32_t max_size)
{
	uint32_t cons = w.own.cons, prod = w.own.prod, first;
	struct ring_message msg;
	struct iovec rest[2];
	uint8_t bytes[16];

	if (w.ring.keeps) {
		ring_release(&w.ring);
		FUZZ_CHECK(!w.ring.keeps);
		check_own(cons, prod);
		return;
	}
	if (!peek(&msg, max_size))
		return;
	first = msg.size < sizeof(bytes) ? msg.size : sizeof(bytes);
	w.copy = bytes;
	ring_copy_first(&w.ring, &msg, first, bytes);
	FUZZ_CHECK(memcmp(bytes, msg.header, RING_HEADER_SIZE) == 0);
	ring_rest(&w.ring, &msg, first, rest);
	check_piece(&rest[0]);
	check_piece(&rest[1]);
	FUZZ_CHECK(rest[0].iov_len + rest[1].iov_len == msg.size - first);
	ring_keep(&w.ring, msg.size);
	FUZZ_CHECK(w.ring.kept == cons);
	check_own(cons + msg.size, prod);
}

static int foretell_put(uint32_t size)
{
	uint32_t used;

	if (size > half())
		return -EMSGSIZE;
	used = w.own.prod - seen(&w.page->in_cons);
	if (used > half())
		return -EPROTO;
	return half() - used < size ? -EAGAIN : 0;
}

static void put(uint32_t size)
{
	uint32_t cons = w.own.cons, prod = w.own.prod;
	struct ring_saved after;
	uint8_t *bytes = malloc(size + 1);
	int result;

	FUZZ_CHECK(bytes != NULL);
	memset(bytes, 'r', size + 1);
	w.put_size = size;
	w.put_written = 0;
	begin_call();
	result = ring_put(&w.ring, bytes, size);
	after = w.own;
	w.own.prod = prod;
	FUZZ_CHECK(result == foretell_put(size));
	w.own = after;
	check_own(cons, result == 0 ? prod + size : prod);
	FUZZ_CHECK(w.put_written == (result == 0 ? size : 0));
	free(bytes);
}

static bool possible(void)
{
	return seen(&w.page->out_prod) - w.own.cons <= half() &&
	       w.own.prod - seen(&w.page->in_cons) <= half();
}

static void resume(void)
{
	uint32_t cons = w.own.cons, prod = w.own.prod;
	int result;

	begin_call();
	result = ring_resume(&w.ring, RING_BACKEND, w.page, w.data, w.order, &w.own);
	/* One lie is enough: the other index need not have been looked at. */
	if (result == 0)
		FUZZ_CHECK(possible());
	else
		FUZZ_CHECK(result == -EPROTO);
	check_own(cons, prod);
}

/* The only time the page is believed. */
static void start(void)
{
	int result;

	begin_call();
	result = ring_init(&w.ring, RING_BACKEND, w.page, w.data, w.order, &w.own);
	check_own(seen(&w.page->out_cons), seen(&w.page->in_prod));
	FUZZ_CHECK(result == -EPROTO || (result == 0 && possible()));
}

static void setup(unsigned max_order)
{
	uint32_t refs[1u << RING_ORDER_MAX], claimed;
	unsigned order = 0;
	int result;

	begin_call();
	result = ring_read_setup(w.page, max_order, &order, refs);
	claimed = seen(&w.page->order);
	if (claimed < RING_ORDER_MIN || claimed > RING_ORDER_MAX || claimed > max_order) {
		FUZZ_CHECK(result == -EPROTO);
		return;
	}
	for (size_t i = 0; i < (size_t)1 << claimed; i++) {
		if (w.loads[word_number(&w.page->ref[i])] == 0 || seen(&w.page->ref[i]) == 0) {
			FUZZ_CHECK(result == -EPROTO);
			return;
		}
		FUZZ_CHECK(refs[i] == seen(&w.page->ref[i]));
	}
	FUZZ_CHECK(result == 0 && order == claimed);
}

/* Of the message that many bytes behind the next one, as it was read. */
static uint8_t said(uint32_t at)
{
	at = (w.own.cons + at) & (half() - 1);
	FUZZ_CHECK(w.reads[at] == 1);
	return w.said[at];
}

static bool foretell_holds(uint16_t tag)
{
	uint32_t available = seen(&w.page->out_prod) - w.own.cons, at = 0;

	while (available <= half() && available - at >= RING_HEADER_SIZE) {
		uint32_t size = (uint32_t)said(at) | (uint32_t)said(at + 1) << 8 |
				(uint32_t)said(at + 2) << 16 | (uint32_t)said(at + 3) << 24;

		if (size < RING_HEADER_SIZE || size > available - at)
			return false;
		if ((said(at + 5) | said(at + 6) << 8) == tag)
			return true;
		at += size;
	}
	return false;
}

static void holds(uint16_t tag)
{
	uint32_t cons = w.own.cons, prod = w.own.prod;

	memset(w.reads, 0, half());
	w.copy = NULL;
	begin_call();
	FUZZ_CHECK(ring_holds(&w.ring, tag) == foretell_holds(tag));
	check_own(cons, prod);
}

static void questions(uint32_t number)
{
	uint32_t end = w.own.prod - number % half(), cons = w.own.cons, prod = w.own.prod;
	bool consumed;

	begin_call();
	consumed = ring_consumed(&w.ring, end);
	FUZZ_CHECK(consumed == (prod - seen(&w.page->in_cons) <= prod - end));
	FUZZ_CHECK(ring_was_put(&w.ring, end) == (end != prod));
	check_own(cons, prod);
	begin_call();
	FUZZ_CHECK(ring_retake(&w.ring, cons + number % 2, 8) == (number % 2 == 0));
	check_own(number % 2 == 0 ? cons + 8 : cons, prod);
	/* The bytes that are there to begin with are all the same. */
	holds((uint16_t)(number % 256 * 0x101));
}

static void do_record(struct fuzz_input *in)
{
	uint8_t step = fuzz_u8(in) % 8;
	uint16_t number = fuzz_u16(in);
	struct ring_message msg;

	fuzz_bytes(in, w.peer, sizeof(w.peer));
	w.accesses = 0;
	if (step < 2)
		take(number % (half() + 1));
	else if (step < 4)
		put(number % (half() + 16));
	else if (step == 4 && number > half())
		keep(half());
	else if (step == 4)
		peek(&msg, number);
	else if (step == 5)
		questions(number);
	else if (step == 6 && number % 4 == 0)
		start();
	else if (step == 6)
		resume();
	else
		setup(number % (RING_ORDER_MAX + 1));
}

void fuzz_ring(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size < RECORD ? size : RECORD};

	w.order = RING_ORDER_MIN + fuzz_u8(&in) % 2;
	w.page = aligned_alloc(RING_PAGE_SIZE, RING_PAGE_SIZE);
	w.data = aligned_alloc(RING_PAGE_SIZE, 2 * (size_t)half());
	w.reads = calloc(1, half());
	w.said = calloc(1, half());
	FUZZ_CHECK(w.page != NULL && w.data != NULL && w.reads != NULL && w.said != NULL);
	memset(w.page, 0, RING_PAGE_SIZE);
	memset(w.data, fuzz_u8(&in), 2 * (size_t)half());
	w.page->out_cons = w.page->out_prod = fuzz_u32(&in);
	w.page->in_cons = w.page->in_prod = fuzz_u32(&in);
	w.page->order = w.order;
	for (unsigned i = 0; i < 1u << RING_ORDER_MAX; i++)
		w.page->ref[i] = i + 8;
	memset(w.peer, 0xff, sizeof(w.peer));
	w.accesses = 0;
	start();
	for (size_t at = RECORD; at < size; at += RECORD) {
		in = (struct fuzz_input){data + at, size - at < RECORD ? size - at : RECORD};
		do_record(&in);
	}
	free(w.page);
	free(w.data);
	free(w.reads);
	free(w.said);
}
