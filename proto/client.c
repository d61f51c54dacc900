/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * client.c - see client.h: tags, replies on their way, and the checks that each reply has to
 * pass. The single requests are in client_calls.c.
 */
#include "proto/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "common/util.h"
#include "proto/text.h"

/* What Linux allocates for a reply (net/9p/client.c), beyond those that say what they want. */
#define REPLY_SIZE 4096
#define READLINK_SIZE 8192 /* also for Rstat */
#define ERROR_SIZE (P9_HEADER_SIZE + 2 + P9_ERROR_MAX + 4)
#define U_ERRNO_MAX 511

#define MSIZE_BEFORE_VERSION 8192

/* ---- numbers: a set that gives the lowest one that is free ---- */

struct numbers {
	uint64_t *words; /* bit set: in use */
	size_t count;
};

static bool numbers_has(const struct numbers *numbers, uint32_t number)
{
	return number / 64 < numbers->count && (numbers->words[number / 64] >> number % 64 & 1);
}

static int numbers_grow(struct numbers *numbers)
{
	size_t count = numbers->count > 0 ? 2 * numbers->count : 4;
	uint64_t *words = reallocarray(numbers->words, count, sizeof(*words));

	if (words == NULL)
		return -ENOMEM;
	memset(words + numbers->count, 0, (count - numbers->count) * sizeof(*words));
	*numbers = (struct numbers){.words = words, .count = count};
	return 0;
}

/* The lowest free number, or `limit` when there is none below it (or no memory). */
static uint32_t numbers_take(struct numbers *numbers, uint32_t limit)
{
	size_t i = 0;
	uint32_t number;

	while (i < numbers->count && numbers->words[i] == UINT64_MAX)
		i++;
	if (i == numbers->count && numbers_grow(numbers) != 0)
		return limit;
	number = (uint32_t)(64 * i) + (uint32_t)__builtin_ctzll(~numbers->words[i]);
	if (number >= limit)
		return limit;
	numbers->words[i] |= 1ull << number % 64;
	return number;
}

static void numbers_give(struct numbers *numbers, uint32_t number)
{
	if (numbers_has(numbers, number))
		numbers->words[number / 64] &= ~(1ull << number % 64);
}

static void numbers_clear(struct numbers *numbers)
{
	for (size_t i = 0; i < numbers->count; i++)
		numbers->words[i] = 0;
}

/* ---- the client ---- */

/* A reply that has arrived; kept for the next one when it was read. */
struct arrival {
	STAILQ_ENTRY(arrival) link;
	int error;	/* -EPROTO: it did not pass the checks */
	bool holds_tag; /* until it is delivered: nobody is to mistake it for another's */
	struct p9_msg msg;
	uint8_t bytes[];
};
STAILQ_HEAD(arrivals, arrival);

/* What is known of the request that holds a tag. */
struct slot {
	uint8_t type;
	bool abandoned, answered;
	uint16_t oldtag; /* of a Tflush */
	uint32_t limit;	 /* size of the largest reply */
};

struct client {
	struct client_transport *transport;
	int timeout_ms;
	enum p9_dialect dialect, next; /* of this session, and of one to come */
	uint32_t msize;
	struct numbers tags, fids;
	struct slot *slots; /* by tag */
	size_t slot_count;
	struct slot version; /* of NOTAG */
	bool version_busy;
	unsigned in_flight;
	uint8_t *out;
	size_t buffer_size; /* of `out` and of every arrival */
	struct arrivals arrived, spare;
	struct arrival *current; /* the one the caller looks at */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sleeps until there may be something to do; -ETIMEDOUT when it is `deadline`. */
static int wait_until(struct client *client, int64_t deadline)
{
	int64_t left = deadline - now_ms();

	if (left <= 0)
		return -ETIMEDOUT;
	return client->transport->ops->wait(client->transport, (int)left);
}

static void free_arrivals(struct arrivals *list)
{
	struct arrival *arrival;

	while ((arrival = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		free(arrival);
	}
}

/* Hands back what the last call gave to the caller. */
static void release_current(struct client *client)
{
	if (client->current != NULL)
		STAILQ_INSERT_HEAD(&client->spare, client->current, link);
	client->current = NULL;
}

/* Buffers for messages of `msize` bytes; nothing may have arrived. */
static int set_msize(struct client *client, uint32_t msize)
{
	if (msize > client->buffer_size) {
		uint8_t *out = realloc(client->out, msize);

		if (out == NULL)
			return -ENOMEM;
		client->out = out;
		client->buffer_size = msize;
		release_current(client);
		free_arrivals(&client->spare);
	}
	client->msize = msize;
	return 0;
}

int client_open(struct client_transport *transport, struct client **opened)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		transport->ops->close(transport);
		return -ENOMEM;
	}
	client->transport = transport;
	client->timeout_ms = CLIENT_TIMEOUT;
	STAILQ_INIT(&client->arrived);
	STAILQ_INIT(&client->spare);
	if (set_msize(client, MSIZE_BEFORE_VERSION) != 0) {
		client_close(client);
		return -ENOMEM;
	}
	*opened = client;
	return 0;
}

void client_close(struct client *client)
{
	if (client == NULL)
		return;
	client->transport->ops->close(client->transport);
	release_current(client);
	free_arrivals(&client->arrived);
	free_arrivals(&client->spare);
	free(client->tags.words);
	free(client->fids.words);
	free(client->slots);
	free(client->out);
	free(client);
}

void client_set_timeout(struct client *client, int timeout_ms)
{
	client->timeout_ms = timeout_ms;
}

uint32_t client_msize(const struct client *client)
{
	return client->msize;
}

unsigned client_in_flight(const struct client *client)
{
	return client->in_flight;
}

struct client_transport *client_transport(struct client *client)
{
	return client->transport;
}

struct client_transport *client_replace_transport(struct client *client,
						  struct client_transport *transport)
{
	struct client_transport *old = client->transport;

	client->transport = transport;
	return old;
}

uint32_t client_fid_new(struct client *client)
{
	return numbers_take(&client->fids, P9_NOFID);
}

void client_fid_free(struct client *client, uint32_t fid)
{
	numbers_give(&client->fids, fid);
}

/* ---- tags ---- */

/* The request in flight with `tag`, or NULL. */
static struct slot *find_slot(struct client *client, uint16_t tag)
{
	if (tag == P9_NOTAG)
		return client->version_busy ? &client->version : NULL;
	return numbers_has(&client->tags, tag) ? &client->slots[tag] : NULL;
}

static int grow_slots(struct client *client, uint16_t tag)
{
	size_t count = client->slot_count > 0 ? 2 * client->slot_count : 64;
	struct slot *slots;

	if (tag < client->slot_count)
		return 0;
	slots = reallocarray(client->slots, count, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	client->slots = slots;
	client->slot_count = count;
	return 0;
}

/* A tag for a message of `type`; -EBUSY: none is free. */
static int take_tag(struct client *client, uint8_t type, uint16_t *tag)
{
	uint32_t number;

	if (type == P9_Tversion) {
		if (client->version_busy)
			return -EBUSY;
		client->version_busy = true;
		*tag = P9_NOTAG;
		return 0;
	}
	number = numbers_take(&client->tags, P9_NOTAG);
	if (number == P9_NOTAG)
		return -EBUSY;
	*tag = (uint16_t)number;
	if (grow_slots(client, *tag) != 0) {
		numbers_give(&client->tags, number);
		return -ENOMEM;
	}
	return 0;
}

static void give_tag(struct client *client, uint16_t tag)
{
	if (tag == P9_NOTAG)
		client->version_busy = false;
	else
		numbers_give(&client->tags, tag);
	client->in_flight--;
}

void client_abandon(struct client *client, uint16_t tag)
{
	struct slot *slot = find_slot(client, tag);

	if (slot != NULL)
		slot->abandoned = true;
}

/* ---- sending ---- */

static uint32_t smaller(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/* The largest reply that Linux has room for. */
static uint32_t reply_limit(const struct client *client, const struct p9_msg *request)
{
	switch (request->type) {
	case P9_Tread:
		return smaller(P9_READ_HEADER + (uint64_t)request->Tread.count, client->msize);
	case P9_Treaddir:
		return smaller(P9_READ_HEADER + (uint64_t)request->Treaddir.count, client->msize);
	case P9_Twalk:
		return 9 + 13u * request->Twalk.names.count;
	case P9_Treadlink:
	case P9_Tstat:
		return smaller(READLINK_SIZE, client->msize);
	default:
		return smaller(REPLY_SIZE, client->msize);
	}
}

static int receive_one(struct client *client);

/* Sends what stands in `out`. A server may wait for us to take replies, so we do meanwhile. */
static int send_out(struct client *client, unsigned lane, size_t size)
{
	struct client_transport *transport = client->transport;
	int64_t deadline = now_ms() + client->timeout_ms;
	int result;

	for (;;) {
		result = transport->ops->send(transport, lane, client->out, size);
		if (result != -EAGAIN)
			return result;
		result = receive_one(client);
		if (result == 0)
			continue;
		if (result != -EAGAIN)
			return result;
		result = wait_until(client, deadline);
		if (result != 0)
			return result;
	}
}

int client_send(struct client *client, struct p9_msg *msg)
{
	struct slot *slot;
	int result = take_tag(client, msg->type, &msg->tag);

	if (result != 0)
		return result;
	client->in_flight++;
	slot = find_slot(client, msg->tag);
	*slot = (struct slot){.type = msg->type, .limit = reply_limit(client, msg)};
	if (msg->type == P9_Tflush)
		slot->oldtag = msg->Tflush.oldtag;

	result = p9_encode(msg, client->dialect, client->out, client->msize);
	if (result > 0)
		result = send_out(client, msg->tag % client->transport->lanes, (size_t)result);
	if (result != 0)
		give_tag(client, msg->tag);
	return result;
}

/* ---- receiving ---- */

/* The errno of an error as Linux reads it; 0: it is none of this dialect. */
static uint32_t error_number(const struct client *client, const struct p9_msg *msg)
{
	uint32_t ecode = msg->Rlerror.ecode;

	if (client->dialect == P9_L)
		return msg->type == P9_Rlerror && ecode <= P9_ERRNO_MAX ? ecode : 0;
	if (msg->type != P9_Rerror || msg->Rerror.ename.len > P9_ERROR_MAX)
		return 0;
	ecode = msg->Rerror.ecode;
	if (client->dialect == P9_U)
		return ecode <= U_ERRNO_MAX ? ecode : 0;
	return text_to_errno(msg->Rerror.ename.text);
}

static bool is_error(const struct p9_msg *msg)
{
	return msg->type == P9_Rlerror || msg->type == P9_Rerror;
}

/* Is this an answer to the request in `slot`? */
static bool reply_fits(const struct client *client, const struct slot *slot,
		       const struct p9_msg *msg, size_t size)
{
	/* Linux has room for an error whatever the request asked for. */
	if (is_error(msg))
		return error_number(client, msg) > 0 && size <= ERROR_SIZE;
	return msg->type == slot->type + 1 && size <= slot->limit;
}

/* With an Rflush the tag of the old request is free, unless it was answered before. */
static void settle_flush(struct client *client, uint16_t oldtag)
{
	const struct slot *old = find_slot(client, oldtag);

	if (old != NULL && !old->answered)
		give_tag(client, oldtag);
}

/* Judges a message. Returns false when it can be dropped: nobody waits for it. */
static bool settle(struct client *client, struct arrival *arrival, size_t size)
{
	struct slot *slot;

	arrival->msg.type = 0;
	arrival->msg.tag = P9_NOTAG;
	arrival->error = p9_decode(&arrival->msg, client->dialect, arrival->bytes, size);
	slot = find_slot(client, arrival->msg.tag);
	arrival->holds_tag = slot != NULL && !slot->answered;
	if (arrival->error != 0 || !arrival->holds_tag ||
	    !reply_fits(client, slot, &arrival->msg, size))
		arrival->error = -EPROTO;
	if (!arrival->holds_tag)
		return true;

	slot->answered = true;
	if (arrival->error == 0 && slot->type == P9_Tflush)
		settle_flush(client, slot->oldtag);
	if (slot->abandoned)
		give_tag(client, arrival->msg.tag);
	return !slot->abandoned;
}

static struct arrival *new_arrival(struct client *client)
{
	struct arrival *arrival = STAILQ_FIRST(&client->spare);

	if (arrival == NULL)
		return malloc(sizeof(*arrival) + client->buffer_size);
	STAILQ_REMOVE_HEAD(&client->spare, link);
	return arrival;
}

/* Takes one message off the transport. 0, also when nobody wanted it; -EAGAIN: there is none. */
static int receive_one(struct client *client)
{
	struct arrival *arrival = new_arrival(client);
	ssize_t size;

	if (arrival == NULL)
		return -ENOMEM;
	size = client->transport->ops->recv(client->transport, arrival->bytes, client->msize);
	if (size < 0 || !settle(client, arrival, (size_t)size))
		STAILQ_INSERT_HEAD(&client->spare, arrival, link);
	else
		STAILQ_INSERT_TAIL(&client->arrived, arrival, link);
	return size < 0 ? (int)size : 0;
}

/* Takes one message, or sleeps until there may be one. A transport may let another
 * task take it meanwhile, so the caller looks again what has arrived. */
static int receive_or_sleep(struct client *client, int64_t deadline)
{
	int result = receive_one(client);

	return result == -EAGAIN ? wait_until(client, deadline) : result;
}

/* Gives an arrival to the caller. */
static int deliver(struct client *client, struct arrival *arrival, struct p9_msg *reply)
{
	STAILQ_REMOVE(&client->arrived, arrival, arrival, link);
	release_current(client);
	if (arrival->holds_tag)
		give_tag(client, arrival->msg.tag);
	client->current = arrival;
	*reply = arrival->msg;
	return arrival->error;
}

int client_recv(struct client *client, struct p9_msg *reply, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;

	reply->type = 0;
	reply->tag = P9_NOTAG;
	while (STAILQ_EMPTY(&client->arrived)) {
		int result = receive_or_sleep(client, deadline);

		if (result != 0)
			return result;
	}
	return deliver(client, STAILQ_FIRST(&client->arrived), reply);
}

/* The first arrival that is for `tag`, or that is for nobody: then the session is broken, and
 * the one who waits next has to hear of it. */
static struct arrival *find_arrival(struct client *client, uint16_t tag)
{
	struct arrival *arrival;

	STAILQ_FOREACH (arrival, &client->arrived, link) {
		if (arrival->msg.tag == tag || arrival->error != 0)
			return arrival;
	}
	return NULL;
}

int client_await(struct client *client, uint16_t tag, struct p9_msg *reply)
{
	int64_t deadline = now_ms() + client->timeout_ms;
	struct arrival *arrival;

	while ((arrival = find_arrival(client, tag)) == NULL) {
		int result = receive_or_sleep(client, deadline);

		if (result != 0)
			return result;
	}
	return deliver(client, arrival, reply);
}

int client_rpc(struct client *client, struct p9_msg *request, struct p9_msg *reply)
{
	int result = client_send(client, request);

	if (result != 0)
		return result;
	result = client_await(client, request->tag, reply);
	if (result != 0) {
		client_abandon(client, request->tag);
		return result;
	}
	return is_error(reply) ? -(int)error_number(client, reply) : 0;
}

int client_flush(struct client *client, uint16_t oldtag, struct p9_msg *reply)
{
	struct p9_msg flush = {.type = P9_Tflush, .Tflush = {.oldtag = oldtag}};
	struct arrival *arrival;
	int result = client_rpc(client, &flush, reply);

	if (result != 0)
		return result;
	arrival = find_arrival(client, oldtag);
	if (arrival == NULL)
		return 0;
	result = deliver(client, arrival, reply);
	return result < 0 ? result : 1;
}

/* ---- the start of a session ---- */

static const char *const versions[] = {
	[P9_L] = P9_VERSION_L,
	[P9_U] = P9_VERSION_U,
	[P9_PLAIN] = P9_VERSION_PLAIN,
};

void client_speak(struct client *client, enum p9_dialect dialect)
{
	client->next = dialect;
}

/* What Linux checks before it mounts. */
static int check_version(const struct p9_Rversion *reply, const char *version, uint32_t asked)
{
	if (reply->msize > asked)
		return -EPROTO;
	if (strcmp(reply->version.text, version) != 0 || reply->msize < P9_MSIZE_MIN)
		return -EREMOTEIO;
	return 0;
}

int client_version(struct client *client, uint32_t msize)
{
	uint32_t asked = smaller(msize, client->transport->max_size);
	const char *version = versions[client->next];
	struct p9_msg request = {.type = P9_Tversion, .Tversion = {asked, p9_str(version)}};
	struct p9_msg reply;
	int result;

	client->dialect = client->next;
	result = client_rpc(client, &request, &reply);
	if (result == 0)
		result = check_version(&reply.Rversion, version, asked);
	if (result != 0)
		return result;

	numbers_clear(&client->tags);
	numbers_clear(&client->fids);
	client->in_flight = 0;
	free_arrivals(&client->arrived);
	return set_msize(client, reply.Rversion.msize);
}
