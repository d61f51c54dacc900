/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ring.h - one Xen 9pfs data ring, as pure memory logic: no events, no mapping, no system call.
 *
 * Layout and rules: public/io/9pfs.h of Xen and the protocol text "xen/9pfs". A ring is an
 * interface page (indices, order, grant refs) and 2^order data pages: first half `in` (replies,
 * backend to frontend), second half `out` (requests). Indices run freely over 2^32; a distance
 * beyond the half is a lie of the peer.
 *
 * The peer may change every shared byte at any time. So the indices that are ours live here,
 * each index of the peer is loaded once per call into a local, and nothing is parsed in place.
 * One ring is used by one thread at a time; the other side is another domain.
 */
#ifndef XENBUS_RING_H
#define XENBUS_RING_H

#include <stddef.h>
#include <stdint.h>

#define RING_PAGE_SIZE 4096 /* of the protocol, whatever the pages of the host are */
#define RING_ORDER_MIN 1
#define RING_ORDER_MAX 9   /* 132 + 4 * 2^order has to fit into the interface page */
#define RING_HEADER_SIZE 7 /* of a 9P message: size u32, type u8, tag u16; little-endian */

/* The interface page. */
struct ring_page {
	uint32_t in_cons; /* frontend */
	uint32_t in_prod; /* backend */
	uint8_t pad1[56];
	uint32_t out_cons; /* backend */
	uint32_t out_prod; /* frontend */
	uint8_t pad2[56];
	uint32_t order; /* frontend, before state 3; read once */
	uint32_t ref[(RING_PAGE_SIZE - 132) / 4];
};

/* Which end of the ring we are. A backend takes from `out` and puts into `in`. */
enum ring_side { RING_BACKEND, RING_FRONTEND };

struct ring {
	volatile uint32_t *take_prod; /* peer's */
	volatile uint32_t *take_cons; /* ours */
	volatile uint32_t *put_prod;  /* ours */
	volatile uint32_t *put_cons;  /* peer's */
	const uint8_t *take_data;
	uint8_t *put_data;
	uint32_t half; /* bytes in one direction */
	uint32_t cons; /* private: the truth about what we took */
	uint32_t prod; /* private: the truth about what we put */
};

/* Bytes of one direction. */
static inline uint32_t ring_half(unsigned order)
{
	return 1u << (order + 11);
}

/* Copies order and refs out of `page` (one load each) and checks them: 0 and `*order` with
 * 2^order refs in `refs` (room for 2^RING_ORDER_MAX), or -EPROTO. */
int ring_read_setup(const struct ring_page *page, unsigned max_order, unsigned *order,
		    uint32_t *refs);

/* Takes over `page` and `data` (2^order contiguous pages, borrowed until the ring is no longer
 * used). The own indices are taken from the page once: zero on a fresh connect, anything on a
 * take-over. -EPROTO when the distances are impossible. */
int ring_init(struct ring *ring, enum ring_side side, struct ring_page *page, void *data,
	      unsigned order);

/* The next message that the peer has published whole. */
struct ring_message {
	uint8_t header[RING_HEADER_SIZE];
	uint32_t size; /* of the whole message, from `header` */
};

/* 1: `msg` describes the next message, nothing was consumed. 0: none yet, or not all of it.
 * -EPROTO: impossible index, or a size below RING_HEADER_SIZE or above `max_size`
 * (<= ring_half()): the byte stream is lost, the device has to be closed. */
int ring_peek(struct ring *ring, uint32_t max_size, struct ring_message *msg);

/* Copies the message that ring_peek() described to `buf` (msg->size bytes; the header bytes are
 * those of `msg`, never read again) and hands its space back to the peer. The peer has to be
 * notified some time after. */
void ring_take(struct ring *ring, const struct ring_message *msg, void *buf);

/* Copies one whole message into the ring and publishes it with one store. 0; -EAGAIN: not
 * enough room now (nothing was put); -EPROTO: impossible index; -EMSGSIZE: more than
 * ring_half(). The peer has to be notified some time after. */
int ring_put(struct ring *ring, const void *buf, uint32_t size);

#endif
