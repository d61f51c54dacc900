/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ring.h - one Xen 9pfs data ring, as pure memory logic: no events, no mapping, no system call.
 *
 * Layout and rules: public/io/9pfs.h of Xen and the protocol text "xen/9pfs". A ring is an
 * interface page (indices, order, grant refs) and 2^order data pages: first half `in` (replies,
 * backend to frontend), second half `out` (requests). Indices run freely over 2^32; a distance
 * beyond the half is a lie of the peer.
 *
 * The peer may change every shared byte at any time. So the indices that are ours live apart,
 * each index of the peer is loaded once per call into a local, and nothing is parsed in place.
 * One ring is used by one thread at a time; the other side is another domain.
 *
 * A process may be killed between any two stores, and another one goes on with the ring. So our
 * indices (struct ring_saved) stand in memory that outlives it, as does a record of each message,
 * which is the caller's. A private index is stored before the shared one that follows it: what it
 * says is what happened, and ring_resume() shows the peer what it was not shown yet.
 *
 *   take: 1. ring_copy() into the record
 *         2. the record says "taken", with `at` = own->cons and the size
 *         3. ring_advance()
 *     The successor calls ring_retake() for a record that says so: it does step 3 if it is missing.
 *     Before step 2 nothing has happened, and the message is still in the ring.
 *     (or 1. the first bytes are copied, 2. the record says so, too, 3. ring_keep(), 4. the rest is
 *     used or copied, 5. the record says "nothing is kept", 6. ring_release(). The successor copies
 *     the rest if the record does not say that.)
 *   put:  1. the record says "being put", with `at` = own->prod
 *         2. ring_put()
 *         3. the record says "done"
 *     (or 1. the message is written into its place, 2. as above, 3. ring_put_placed(), 4. as above)
 *     The successor asks ring_was_put(): true: step 3 is missing; false: step 2 once more. The
 *     same bytes at the same place, which the peer has not been told of, do no harm.
 *
 * A position comes back after 2^32 bytes; no record may say "taken" or "being put" for so long.
 */
#ifndef XENBUS_RING_H
#define XENBUS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

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

/* The truth about what we took and put. */
struct ring_saved {
	uint32_t cons;
	uint32_t prod;
};

struct ring {
	volatile uint32_t *take_prod; /* peer's */
	volatile uint32_t *take_cons; /* ours */
	volatile uint32_t *put_prod;  /* ours */
	volatile uint32_t *put_cons;  /* peer's */
	uint8_t *take_data;	      /* only read */
	uint8_t *put_data;
	uint32_t half; /* bytes in one direction */
	struct ring_saved *own;
	bool keeps; /* what was taken from here on stays as it is: */
	uint32_t kept;
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

/* Takes over `page`, `data` (2^order contiguous pages) and `own`, all borrowed until the ring is no
 * longer used. The own indices are taken from the page once, into `*own`: zero when the peer has
 * just made the ring. -EPROTO when the distances are impossible. */
int ring_init(struct ring *ring, enum ring_side side, struct ring_page *page, void *data,
	      unsigned order, struct ring_saved *own);

/* The same for the ring of a predecessor, who left its indices in `*own`: they are believed. The
 * page says so when what he kept has been copied and ring_release() was called. */
int ring_resume(struct ring *ring, enum ring_side side, struct ring_page *page, void *data,
		unsigned order, struct ring_saved *own);

/* Has the peer published anything, whole or not, that was not taken yet? */
bool ring_offers(const struct ring *ring);

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
 * those of `msg`, never read again). Nothing is consumed. */
void ring_copy(const struct ring *ring, const struct ring_message *msg, void *buf);

/* Is there a message with that tag among those that were not taken? A hint: the peer can change
 * them still. */
bool ring_holds(const struct ring *ring, uint16_t tag);

/* Hands the space of that message, `size` bytes, back to the peer, which has to be notified some
 * time after. */
void ring_advance(struct ring *ring, uint32_t size);

/* For a message that is used where it stands. Its first `size` bytes (RING_HEADER_SIZE or more), as
 * ring_copy(). Where the others stand, in one piece or in two as in ring_place(). And in place of
 * ring_advance(): takes it, with its space kept until ring_release(), and that of those that
 * follow. One at a time. */
void ring_copy_first(const struct ring *ring, const struct ring_message *msg, uint32_t size,
		     void *buf);
void ring_rest(const struct ring *ring, const struct ring_message *msg, uint32_t first,
	       struct iovec rest[2]);
void ring_keep(struct ring *ring, uint32_t size);

/* The bytes from `first` to `size` of the kept message that began at `at`, to where they belong in
 * `buf`. False: no message has that size. */
bool ring_fetch(const struct ring *ring, uint32_t at, uint32_t first, uint32_t size, void *buf);

/* Hands back the space of all that was taken. */
void ring_release(struct ring *ring);

/* The predecessor copied a message that began at `at`: advances if it did not come to that.
 * Tells whether it was so. */
bool ring_retake(struct ring *ring, uint32_t at, uint32_t size);

/* Copies one whole message into the ring and publishes it with one store. 0; -EAGAIN: not
 * enough room now (nothing was put); -EPROTO: impossible index; -EMSGSIZE: more than
 * ring_half(). The peer has to be notified some time after. */
int ring_put(struct ring *ring, const void *buf, uint32_t size);

/* Where the `size` bytes that follow the first `header` ones of the next message would stand: in
 * one piece, or in two when they wrap around; a piece without bytes has length 0. Nothing is put,
 * and there is room for all of it. Errors as those of ring_put(). */
int ring_place(const struct ring *ring, uint32_t header, uint32_t size, struct iovec place[2]);

/* Publishes a message of `size` bytes (no more than there was room for) that was written into that
 * place, but for its first bytes, which are copied: `buf`, `header` of them. Since ring_place()
 * nothing was put. */
void ring_put_placed(struct ring *ring, const void *buf, uint32_t header, uint32_t size);

/* Has the peer taken everything that was put before position `end`? */
bool ring_consumed(const struct ring *ring, uint32_t end);

/* Did the predecessor put the message that was to begin at `at`? */
bool ring_was_put(const struct ring *ring, uint32_t at);

#endif
