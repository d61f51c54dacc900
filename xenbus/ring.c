/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ring.c - see ring.h: index arithmetic, copying in and out, and the fences between them.
 *
 * Whatever the peer writes, nothing here can go out of bounds: positions are masked to the
 * half, lengths are checked against distances from private indices, and a value is loaded from
 * shared memory once and then only used from where it was copied to.
 */
#include "xenbus/ring.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct ring_page) == RING_PAGE_SIZE, "the interface page is one page");
_Static_assert(offsetof(struct ring_page, out_cons) == 64, "layout of public/io/9pfs.h");
_Static_assert(offsetof(struct ring_page, order) == 128, "layout of public/io/9pfs.h");
_Static_assert(offsetof(struct ring_page, ref) == 132, "layout of public/io/9pfs.h");

static uint32_t load_once(const volatile uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* One store, and not before any that stands above it. */
static void store_once(volatile uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint32_t le32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

/* Bytes from `at` to the end of the half, `size` at most. */
static uint32_t until_wrap(const struct ring *ring, uint32_t at, uint32_t size)
{
	uint32_t left = ring->half - (at & (ring->half - 1));

	return size < left ? size : left;
}

static void copy_out(const struct ring *ring, uint32_t at, uint8_t *buf, uint32_t size)
{
	uint32_t first = until_wrap(ring, at, size);

	memcpy(buf, ring->take_data + (at & (ring->half - 1)), first);
	memcpy(buf + first, ring->take_data, size - first);
	/* The compiler must not look at the shared bytes again instead of at the copy. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Where they stand, in memory that begins at `data`. */
static void pieces(const struct ring *ring, uint8_t *data, uint32_t at, uint32_t size,
		   struct iovec piece[2])
{
	uint32_t first = until_wrap(ring, at, size);

	piece[0] = (struct iovec){data + (at & (ring->half - 1)), first};
	piece[1] = (struct iovec){data, size - first};
}

static void copy_in(const struct ring *ring, uint32_t at, const uint8_t *buf, uint32_t size)
{
	uint32_t first = until_wrap(ring, at, size);

	memcpy(ring->put_data + (at & (ring->half - 1)), buf, first);
	memcpy(ring->put_data, buf + first, size - first);
}

int ring_read_setup(const struct ring_page *page, unsigned max_order, unsigned *order,
		    uint32_t *refs)
{
	uint32_t claimed = load_once(&page->order);

	if (claimed < RING_ORDER_MIN || claimed > RING_ORDER_MAX || claimed > max_order)
		return -EPROTO;
	for (size_t i = 0; i < (size_t)1 << claimed; i++) {
		refs[i] = load_once(&page->ref[i]);
		if (refs[i] == 0)
			return -EPROTO;
	}
	*order = claimed;
	return 0;
}

static void ring_setup(struct ring *ring, enum ring_side side, struct ring_page *page, void *data,
		       unsigned order, struct ring_saved *own)
{
	uint8_t *in = data, *out = in + ring_half(order);
	bool backend = side == RING_BACKEND;

	*ring = (struct ring){
		.take_prod = backend ? &page->out_prod : &page->in_prod,
		.take_cons = backend ? &page->out_cons : &page->in_cons,
		.put_prod = backend ? &page->in_prod : &page->out_prod,
		.put_cons = backend ? &page->in_cons : &page->out_cons,
		.take_data = backend ? out : in,
		.put_data = backend ? in : out,
		.half = ring_half(order),
		.own = own,
	};
}

static int check_distances(const struct ring *ring)
{
	if (load_once(ring->take_prod) - ring->own->cons > ring->half ||
	    ring->own->prod - load_once(ring->put_cons) > ring->half)
		return -EPROTO;
	return 0;
}

int ring_init(struct ring *ring, enum ring_side side, struct ring_page *page, void *data,
	      unsigned order, struct ring_saved *own)
{
	ring_setup(ring, side, page, data, order, own);
	store_once(&own->cons, load_once(ring->take_cons));
	store_once(&own->prod, load_once(ring->put_prod));
	return check_distances(ring);
}

int ring_resume(struct ring *ring, enum ring_side side, struct ring_page *page, void *data,
		unsigned order, struct ring_saved *own)
{
	int result;

	ring_setup(ring, side, page, data, order, own);
	result = check_distances(ring);
	if (result < 0)
		return result;
	/* The predecessor may have been killed between a private index and its shared one. */
	store_once(ring->put_prod, own->prod);
	return 0;
}

bool ring_offers(const struct ring *ring)
{
	return load_once(ring->take_prod) != ring->own->cons;
}

static uint32_t kept_size(const struct ring *ring)
{
	return ring->keeps ? ring->own->cons - ring->kept : 0;
}

int ring_peek(struct ring *ring, uint32_t max_size, struct ring_message *msg)
{
	uint32_t available = load_once(ring->take_prod) - ring->own->cons;

	if (available > ring->half - kept_size(ring))
		return -EPROTO;
	if (available < RING_HEADER_SIZE)
		return 0;

	copy_out(ring, ring->own->cons, msg->header, RING_HEADER_SIZE);
	msg->size = le32(msg->header);
	if (msg->size < RING_HEADER_SIZE || msg->size > max_size || msg->size > ring->half)
		return -EPROTO;
	return available >= msg->size;
}

bool ring_holds(const struct ring *ring, uint16_t tag)
{
	uint32_t available = load_once(ring->take_prod) - ring->own->cons, size;

	if (available > ring->half)
		return false;
	for (uint32_t at = 0; available - at >= RING_HEADER_SIZE; at += size) {
		uint8_t header[RING_HEADER_SIZE];

		copy_out(ring, ring->own->cons + at, header, RING_HEADER_SIZE);
		size = le32(header);
		if (size < RING_HEADER_SIZE || size > available - at)
			return false;
		if ((header[5] | header[6] << 8) == tag)
			return true;
	}
	return false;
}

void ring_copy_first(const struct ring *ring, const struct ring_message *msg, uint32_t size,
		     void *buf)
{
	memcpy(buf, msg->header, RING_HEADER_SIZE);
	ring_fetch(ring, ring->own->cons, RING_HEADER_SIZE, size, buf);
}

void ring_copy(const struct ring *ring, const struct ring_message *msg, void *buf)
{
	ring_copy_first(ring, msg, msg->size, buf);
}

void ring_rest(const struct ring *ring, const struct ring_message *msg, uint32_t first,
	       struct iovec rest[2])
{
	pieces(ring, ring->take_data, ring->own->cons + first, msg->size - first, rest);
}

void ring_release(struct ring *ring)
{
	ring->keeps = false;
	/* The peer may overwrite the bytes as soon as it sees the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	store_once(ring->take_cons, ring->own->cons);
}

void ring_keep(struct ring *ring, uint32_t size)
{
	ring->keeps = true;
	ring->kept = ring->own->cons;
	store_once(&ring->own->cons, ring->own->cons + size);
}

bool ring_fetch(const struct ring *ring, uint32_t at, uint32_t first, uint32_t size, void *buf)
{
	if (size > ring->half || size < first)
		return false;
	copy_out(ring, at + first, (uint8_t *)buf + first, size - first);
	return true;
}

void ring_advance(struct ring *ring, uint32_t size)
{
	store_once(&ring->own->cons, ring->own->cons + size);
	if (!ring->keeps)
		ring_release(ring);
}

bool ring_retake(struct ring *ring, uint32_t at, uint32_t size)
{
	if (ring->own->cons != at)
		return false;
	ring_advance(ring, size);
	return true;
}

/* 0 when `size` bytes can be put now, as ring_put() says. */
static int make_room(const struct ring *ring, uint32_t size)
{
	uint32_t used;

	if (size > ring->half)
		return -EMSGSIZE;
	used = ring->own->prod - load_once(ring->put_cons);
	if (used > ring->half)
		return -EPROTO;
	if (ring->half - used < size)
		return -EAGAIN;
	/* Nothing is written over before the peer was seen to be done with it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

/* Private first: the other way around, a peer that is quick has consumed the message before a
 * successor finds that it was put, and there is no way back. */
static void publish(struct ring *ring, uint32_t size)
{
	uint32_t prod = ring->own->prod + size;

	store_once(&ring->own->prod, prod);
	store_once(ring->put_prod, prod);
}

int ring_put(struct ring *ring, const void *buf, uint32_t size)
{
	int err = make_room(ring, size);

	if (err < 0)
		return err;
	copy_in(ring, ring->own->prod, buf, size);
	publish(ring, size);
	return 0;
}

int ring_place(const struct ring *ring, uint32_t header, uint32_t size, struct iovec place[2])
{
	int err = size > ring->half ? -EMSGSIZE : make_room(ring, header + size);

	if (err < 0)
		return err;
	pieces(ring, ring->put_data, ring->own->prod + header, size, place);
	return 0;
}

void ring_put_placed(struct ring *ring, const void *buf, uint32_t header, uint32_t size)
{
	copy_in(ring, ring->own->prod, buf, header);
	publish(ring, size);
}

bool ring_was_put(const struct ring *ring, uint32_t at)
{
	return ring->own->prod != at;
}

bool ring_consumed(const struct ring *ring, uint32_t end)
{
	uint32_t prod = ring->own->prod;

	return prod - load_once(ring->put_cons) <= prod - end;
}
