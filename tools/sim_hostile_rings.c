/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_hostile_rings.c - misbehaviours in shared memory and with events: indices, sizes, pages,
 * channels.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/sim_hostile.h"

static struct ring_page *page_of(struct hostile *hostile)
{
	return hostile->front->ring[0].page;
}

static int notify(struct hostile *hostile)
{
	return front_notify(hostile->front, 0);
}

/* Is a request on `ring` answered? */
static int ring_answers(struct hostile *hostile, unsigned ring)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG), reply;
	int result = sim_hostile_send_msg(hostile, ring, &msg);

	if (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	if (result != 0)
		return sim_hostile_say(hostile, result, "ring %u does not answer", ring);
	return reply.type == P9_Rgetattr && reply.tag == SIM_HOSTILE_TAG ? 0 : -EPROTO;
}

/* ---- indices ---- */

static int out_prod_full_and_one(struct hostile *hostile)
{
	struct ring_page *page = page_of(hostile);

	page->out_prod = page->out_cons + ring_half(hostile->front->order) + 1;
	return notify(hostile);
}

static int out_prod_far(struct hostile *hostile)
{
	page_of(hostile)->out_prod += 0x80000000u;
	return notify(hostile);
}

static int out_prod_back(struct hostile *hostile)
{
	page_of(hostile)->out_prod -= 8;
	return notify(hostile);
}

/* The backend looks at in_cons when it has something to say. */
static int in_cons_to(struct hostile *hostile, uint32_t in_cons)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG);

	page_of(hostile)->in_cons = in_cons;
	return sim_hostile_send_msg(hostile, 0, &msg);
}

static int in_cons_ahead(struct hostile *hostile)
{
	return in_cons_to(hostile, page_of(hostile)->in_prod + 1);
}

static int in_cons_behind(struct hostile *hostile)
{
	return in_cons_to(hostile,
			  page_of(hostile)->in_prod - ring_half(hostile->front->order) - 8);
}

/* Waits until the page has another in_prod than `old`. */
static int await_in_prod(struct hostile *hostile, uint32_t old)
{
	int64_t deadline = nodes_now() + SIM_HOSTILE_TIMEOUT;

	while (__atomic_load_n(&page_of(hostile)->in_prod, __ATOMIC_ACQUIRE) == old) {
		if (nodes_now() > deadline)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}

/* The backend's indices are in its own memory: what we write there is overwritten. */
static int backend_indices(struct hostile *hostile)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG), reply;
	uint8_t bytes[64];
	int size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));
	int result;

	page_of(hostile)->out_cons = 0xdeadbeef;
	page_of(hostile)->in_prod = 0xcafebabe;
	sim_hostile_put(hostile, 0, bytes, (size_t)size);
	result = notify(hostile);
	if (result == 0)
		result = await_in_prod(hostile, 0xcafebabe);
	if (result == 0)
		result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
	if (result == 0 && page_of(hostile)->out_cons != page_of(hostile)->out_prod)
		return sim_hostile_say(hostile, -EPROTO, "out_cons was taken from the page");
	return result;
}

/* ---- sizes ---- */

/* A request that says `said` and has `size` bytes. */
static int send_sized(struct hostile *hostile, uint32_t said, size_t size)
{
	uint8_t *bytes = calloc(1, size);
	int result;

	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes, &said, sizeof(said));
	bytes[4] = P9_Tclunk;
	result = sim_hostile_send(hostile, 0, bytes, size);
	free(bytes);
	return result;
}

static int size_0(struct hostile *hostile)
{
	return send_sized(hostile, 0, 64);
}

static int size_6(struct hostile *hostile)
{
	return send_sized(hostile, 6, 64);
}

static int size_huge(struct hostile *hostile)
{
	return send_sized(hostile, 0xffffffffu, 64);
}

static int size_over_half(struct hostile *hostile)
{
	return send_sized(hostile, ring_half(hostile->front->order) + 1, 64);
}

static int size_over_msize(struct hostile *hostile)
{
	uint32_t size = client_msize(hostile->client) + 1;

	if (size > ring_half(hostile->front->order))
		return send_sized(hostile, size, 64);
	return send_sized(hostile, size, size);
}

static int never_finished(struct hostile *hostile)
{
	uint8_t bytes[20] = {200, 1, 0, 0, P9_Twrite, 0x34, 0x12};

	sim_hostile_put(hostile, 0, bytes, sizeof(bytes));
	for (int i = 0; i < 100; i++) {
		if (notify(hostile) != 0)
			return -EPROTO;
	}
	return hostile->front->rings > 1 ? ring_answers(hostile, 1) : 0;
}

static int half_a_header(struct hostile *hostile)
{
	uint8_t bytes[3] = {19, 0, 0};

	sim_hostile_put(hostile, 0, bytes, sizeof(bytes));
	if (notify(hostile) != 0)
		return -EPROTO;
	return hostile->front->rings > 1 ? ring_answers(hostile, 1) : 0;
}

/* A request that comes byte by byte is a request. */
static int in_pieces(struct hostile *hostile)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG), reply;
	uint8_t bytes[64];
	int size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));

	for (int i = 0; i < size; i++) {
		sim_hostile_put(hostile, 0, &bytes[i], 1);
		if (notify(hostile) != 0)
			return -EPROTO;
	}
	return sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);
}

/* ---- never taking replies ---- */

#define UNREAD 40000

/* Requests on ring 0 until the backend takes no more; returns how many. */
static int send_unread(struct hostile *hostile)
{
	struct p9_msg msg;
	uint8_t bytes[64];
	int sent = 0, idle = 0;

	while (sent < UNREAD && idle < 20) {
		int size, result;

		msg = sim_hostile_getattr(hostile, (uint16_t)sent);
		size = p9_encode(&msg, P9_L, bytes, sizeof(bytes));
		result = front_send(hostile->front, 0, bytes, (size_t)size);
		if (result == -EAGAIN) {
			usleep(10000);
			idle++;
			continue;
		}
		if (result != 0)
			return result;
		idle = 0;
		sent++;
	}
	return sent;
}

/* Every one of `sent` requests has exactly one reply. */
static int take_unread(struct hostile *hostile, int sent)
{
	static uint8_t seen[UNREAD];

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < sent; i++) {
		struct p9_msg reply;
		int result = sim_hostile_recv(hostile, &reply, SIM_HOSTILE_TIMEOUT);

		if (result != 0)
			return sim_hostile_say(hostile, result, "%d of %d replies came", i, sent);
		if (reply.type != P9_Rgetattr || reply.tag >= sent || seen[reply.tag]++ != 0)
			return sim_hostile_say(hostile, -EPROTO, "a wrong or second reply, tag %u",
					       reply.tag);
	}
	return sim_hostile_say(hostile, 0, "%d replies taken late", sent);
}

static int never_consume(struct hostile *hostile)
{
	int sent = send_unread(hostile);

	return sent < 0 ? sent : sim_hostile_say(hostile, 0, "%d requests, no reply taken", sent);
}

static int consume_late(struct hostile *hostile)
{
	int sent = send_unread(hostile);

	if (sent < 0)
		return sent;
	usleep(200000);
	return take_unread(hostile, sent);
}

/* ---- pages that change ---- */

struct mutator {
	volatile uint8_t *bytes;
	size_t size;
	atomic_bool stop;
};

/* The race is the point: ThreadSanitizer is not to look. */
__attribute__((no_sanitize("thread"))) static void *mutate(void *arg)
{
	struct mutator *mutator = arg;
	unsigned seed = 1;

	while (!atomic_load(&mutator->stop)) {
		for (int i = 0; i < 64; i++)
			mutator->bytes[(size_t)rand_r(&seed) % mutator->size] =
				(uint8_t)rand_r(&seed);
	}
	return NULL;
}

/* Takes what replies there are, whatever they say. */
static int take_replies(struct hostile *hostile)
{
	struct p9_msg reply;
	int result;

	while ((result = sim_hostile_recv(hostile, &reply, 0)) == 0)
		;
	return result == -ETIMEDOUT ? 0 : result;
}

/* Good requests for a second, while somebody writes over `bytes`. */
static int send_while_mutating(struct hostile *hostile, volatile uint8_t *bytes, size_t size)
{
	struct mutator mutator = {.bytes = bytes, .size = size};
	int64_t end = nodes_now() + 1000;
	struct p9_msg msg;
	pthread_t thread;
	int result = 0, count = 0;

	if (pthread_create(&thread, NULL, mutate, &mutator) != 0)
		return -EAGAIN;
	while (result == 0 && nodes_now() < end) {
		msg = sim_hostile_getattr(hostile, (uint16_t)count++);
		result = sim_hostile_send_msg(hostile, 0, &msg);
		if (result == 0)
			result = take_replies(hostile);
	}
	atomic_store(&mutator.stop, true);
	pthread_join(thread, NULL);
	/* A message whose size was changed may never end: then there is no room some time. */
	if (result == -EAGAIN)
		result = 0;
	return sim_hostile_say(hostile, result, "%d requests", count);
}

static int mutate_requests(struct hostile *hostile)
{
	return send_while_mutating(
		hostile, hostile->front->ring[0].data + ring_half(hostile->front->order), 4096);
}

/* The backend's copies of both lie in its own memory. */
static int mutate_order_and_refs(struct hostile *hostile)
{
	struct ring_page *page = page_of(hostile);

	page->order = 0xffffffffu;
	memset(page->ref, 0xff, sizeof(page->ref));
	return 0;
}

static int mutate_indices(struct hostile *hostile)
{
	return send_while_mutating(hostile, (volatile uint8_t *)&page_of(hostile)->out_prod, 4);
}

/* ---- pages that were never right ---- */

/* Goes on with rings that `run` has changed. */
static int connect_changed(struct hostile *hostile)
{
	return front_set_state(hostile->front, XenbusStateInitialised);
}

static int with_order(struct hostile *hostile, uint32_t order)
{
	int result = sim_hostile_prepare(hostile);

	if (result != 0)
		return result;
	page_of(hostile)->order = order;
	return connect_changed(hostile);
}

static int order_0(struct hostile *hostile)
{
	return with_order(hostile, 0);
}

static int order_10(struct hostile *hostile)
{
	return with_order(hostile, 10);
}

static int order_31(struct hostile *hostile)
{
	return with_order(hostile, 31);
}

static int order_random(struct hostile *hostile)
{
	return with_order(hostile, 0xdeadbeef);
}

static int with_refs(struct hostile *hostile, uint32_t ref)
{
	int result = sim_hostile_prepare(hostile);

	if (result != 0)
		return result;
	for (unsigned i = 0; i < 1u << hostile->front->order; i++)
		page_of(hostile)->ref[i] = ref;
	return connect_changed(hostile);
}

static int refs_0(struct hostile *hostile)
{
	return with_refs(hostile, 0);
}

static int refs_garbage(struct hostile *hostile)
{
	return with_refs(hostile, 0xfffffff0u);
}

/* A domain that is neither the guest nor its backend. */
static uint32_t another_domain(const struct hostile *hostile)
{
	return hostile->front->backend_id + 1000;
}

static int refs_for_another(struct hostile *hostile)
{
	unsigned pages = 1u << hostile->front->order;
	uint32_t refs[1u << RING_ORDER_MAX];
	int result = sim_hostile_prepare(hostile);

	if (result != 0)
		return result;
	if (guest_share(hostile->guest->domain, another_domain(hostile), pages, refs) == NULL)
		return -errno;
	for (unsigned i = 0; i < pages; i++)
		page_of(hostile)->ref[i] = refs[i];
	return connect_changed(hostile);
}

static int port_for_another(struct hostile *hostile)
{
	struct guest *domain = hostile->guest->domain;
	struct front_ring *ring = &hostile->front->ring[0];
	int result = front_build(hostile->front);

	if (result != 0)
		return result;
	guest_port_free(domain, ring->port);
	result = guest_port_alloc(domain, another_domain(hostile));
	if (result < 0)
		return result;
	ring->port = (uint32_t)result;
	result = front_write_keys(hostile->front);
	return result != 0 ? result : connect_changed(hostile);
}

/* All pages of the data are one page, which is the guest's own business. */
static int refs_equal(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	if (result != 0)
		return result;
	for (unsigned i = 1; i < 1u << hostile->front->order; i++)
		page_of(hostile)->ref[i] = page_of(hostile)->ref[0];
	return connect_changed(hostile);
}

/* The data are the interface page: whatever is put moves the indices. */
static int refs_of_page(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	if (result != 0)
		return result;
	for (unsigned i = 0; i < 1u << hostile->front->order; i++)
		page_of(hostile)->ref[i] = hostile->front->ring[0].refs[0];
	page_of(hostile)->out_prod = 4096;
	result = connect_changed(hostile);
	return result != 0 ? result : notify(hostile);
}

static int start_indices(struct hostile *hostile)
{
	int result = sim_hostile_prepare(hostile);

	if (result != 0)
		return result;
	page_of(hostile)->out_prod = 0x12345678;
	page_of(hostile)->in_cons = 0x87654321;
	return connect_changed(hostile);
}

/* ---- events ---- */

static int event_storm(struct hostile *hostile)
{
	int64_t start = nodes_now();
	int count;

	for (count = 0; nodes_now() < start + 1000; count++) {
		if (notify(hostile) != 0)
			return -EPROTO;
	}
	return sim_hostile_say(hostile, 0, "%d events for nothing", count);
}

static int port_freed(struct hostile *hostile)
{
	int result = guest_port_free(hostile->guest->domain, hostile->front->ring[0].port);

	usleep(100000);
	return result;
}

/* The guest dies in the midst of a request, and nobody writes to the store. */
static int vanish(struct hostile *hostile)
{
	struct p9_msg msg = sim_hostile_getattr(hostile, SIM_HOSTILE_TAG);
	int result = sim_hostile_send_msg(hostile, 0, &msg);

	guest_close(hostile->guest->domain);
	hostile->guest->domain = NULL;
	memset(hostile->front->ring, 0, sizeof(hostile->front->ring));
	usleep(100000);
	return result;
}

#define MOUNTED true
#define WAITING false

const struct misbehaviour sim_hostile_rings[] = {
	{"out-prod-overfull", "out_prod one beyond a full ring", SIM_CLOSES, MOUNTED,
	 out_prod_full_and_one, NULL, NULL},
	{"out-prod-far", "out_prod two gigabytes ahead", SIM_CLOSES, MOUNTED, out_prod_far, NULL,
	 NULL},
	{"out-prod-back", "out_prod moves back", SIM_CLOSES, MOUNTED, out_prod_back, NULL, NULL},
	{"in-cons-ahead", "in_cons beyond in_prod", SIM_CLOSES, MOUNTED, in_cons_ahead, NULL, NULL},
	{"in-cons-behind", "in_cons more than a ring behind", SIM_CLOSES, MOUNTED, in_cons_behind,
	 NULL, NULL},
	{"backend-indices", "out_cons and in_prod are overwritten", SIM_ANSWERS, MOUNTED,
	 backend_indices, NULL, NULL},
	{"size-0", "a message of 0 bytes", SIM_CLOSES, MOUNTED, size_0, NULL, NULL},
	{"size-6", "a message smaller than its header", SIM_CLOSES, MOUNTED, size_6, NULL, NULL},
	{"size-huge", "a message of 4 GiB", SIM_CLOSES, MOUNTED, size_huge, NULL, NULL},
	{"size-over-half", "a message larger than the ring", SIM_CLOSES, MOUNTED, size_over_half,
	 NULL, NULL},
	{"size-over-msize", "a message larger than agreed", SIM_CLOSES, MOUNTED, size_over_msize,
	 NULL, NULL},
	{"never-finished", "the rest of a message never comes", SIM_STAYS, MOUNTED, never_finished,
	 NULL, NULL},
	{"half-a-header", "the rest of a header never comes", SIM_STAYS, MOUNTED, half_a_header,
	 NULL, NULL},
	{"in-pieces", "a request byte by byte", SIM_ANSWERS, MOUNTED, in_pieces, NULL, NULL},
	{"never-consume", "no reply is ever taken", SIM_STAYS, MOUNTED, never_consume, NULL, NULL},
	{"consume-late", "replies are taken when all is full", SIM_ANSWERS, MOUNTED, consume_late,
	 NULL, NULL},
	{"mutate-requests", "requests change while they are read", SIM_ANY, MOUNTED,
	 mutate_requests, NULL, NULL},
	{"mutate-indices", "out_prod changes all the time", SIM_ANY, MOUNTED, mutate_indices, NULL,
	 NULL},
	{"mutate-setup", "order and refs change after connecting", SIM_ANSWERS, MOUNTED,
	 mutate_order_and_refs, NULL, NULL},
	{"order-0", "ring order 0", SIM_CLOSES, WAITING, order_0, NULL, NULL},
	{"order-10", "ring order 10", SIM_CLOSES, WAITING, order_10, NULL, NULL},
	{"order-31", "ring order 31", SIM_CLOSES, WAITING, order_31, NULL, NULL},
	{"order-random", "ring order 0xdeadbeef", SIM_CLOSES, WAITING, order_random, NULL, NULL},
	{"refs-0", "data pages with grant 0", SIM_CLOSES, WAITING, refs_0, NULL, NULL},
	{"refs-garbage", "data pages with grants that do not exist", SIM_CLOSES, WAITING,
	 refs_garbage, NULL, NULL},
	{"refs-for-another", "data pages that are granted to another domain", SIM_CLOSES, WAITING,
	 refs_for_another, NULL, NULL},
	{"port-for-another", "an event channel for another domain", SIM_CLOSES, WAITING,
	 port_for_another, NULL, NULL},
	{"refs-equal", "all data pages are one page", SIM_ANY, WAITING, refs_equal, NULL, NULL},
	{"refs-of-page", "all data pages are the interface page", SIM_ANY, WAITING, refs_of_page,
	 NULL, NULL},
	{"start-indices", "impossible indices from the start", SIM_CLOSES, WAITING, start_indices,
	 NULL, NULL},
	{"event-storm", "events without data for a second", SIM_ANSWERS, MOUNTED, event_storm, NULL,
	 NULL},
	{"port-freed", "an event channel goes away", SIM_ANY, MOUNTED, port_freed, NULL, NULL},
	{"vanish", "the domain dies during a request", SIM_ANY, MOUNTED, vanish, NULL, NULL},
	{NULL, NULL, SIM_ANY, WAITING, NULL, NULL, NULL},
};
