/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_session.c - the engine with asks that the test runs one at a time, in any order it likes:
 * what overlapping, flushing, clunking and resetting do to requests in flight. What each message
 * means is tests/protocol's subject.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "proto/fid.h"
#include "proto/session.h"
#include "proto/wire.h"
#include "tests/lib/test.h"

#define REPLIES 64

struct stage {
	struct executor executor;
	struct lane lane;
	struct fs *fs;
	struct session *session;
	struct req_queue ready, answered, held;
	bool hold_replies; /* the lane keeps them, as a full ring does */
	unsigned replies, released;
	struct p9_msg reply[REPLIES];
	uint8_t bytes[REPLIES][8192];
};

static void stage_run(struct executor *executor, struct req *req)
{
	struct stage *s = container_of(executor, struct stage, executor);

	STAILQ_INSERT_TAIL(&s->ready, req, link);
}

static void stage_answered(struct executor *executor, struct req *req)
{
	struct stage *s = container_of(executor, struct stage, executor);

	STAILQ_INSERT_TAIL(&s->answered, req, link);
}

/* A test that waits asks again. */
static void stage_wake(struct executor *executor, struct req *req)
{
	(void)executor, (void)req;
}

static void publish(struct stage *s, struct req *req)
{
	unsigned i = s->replies++ % REPLIES;

	if (!req_flushed(req)) {
		memcpy(s->bytes[i], req->out, req->out_size);
		CU_ASSERT_EQUAL(p9_decode(&s->reply[i], req->dialect, s->bytes[i], req->out_size),
				0);
	} else {
		s->replies--;
	}
	session_sent(req);
}

static void stage_send(struct lane *lane, struct req *req)
{
	struct stage *s = container_of(lane, struct stage, lane);

	if (s->hold_replies)
		STAILQ_INSERT_TAIL(&s->held, req, link);
	else
		publish(s, req);
}

static void stage_released(struct lane *lane)
{
	container_of(lane, struct stage, lane)->released++;
}

static void let_go(struct stage *s)
{
	struct req *req;

	s->hold_replies = false;
	while ((req = STAILQ_FIRST(&s->held)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->held, link);
		publish(s, req);
	}
}

/* ---- running ---- */

static void finish_all(struct stage *s)
{
	struct req *req;

	while ((req = STAILQ_FIRST(&s->answered)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->answered, link);
		session_finish(req);
	}
}

/* Runs the ask of the request with `tag`. */
static void ask(struct stage *s, uint16_t tag)
{
	struct req *req;

	STAILQ_FOREACH (req, &s->ready, link) {
		if (req->t.tag == tag)
			break;
	}
	CU_ASSERT_PTR_NOT_NULL_FATAL(req);
	STAILQ_REMOVE(&s->ready, req, req, link);
	CU_ASSERT(req_ask(req));
	finish_all(s);
}

static void ask_all(struct stage *s)
{
	struct req *req;

	finish_all(s);
	while ((req = STAILQ_FIRST(&s->ready)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->ready, link);
		CU_ASSERT(req_ask(req));
		finish_all(s);
	}
}

/* A request as it comes, to be received later. */
static struct req *arrive(struct stage *s, uint16_t tag, struct p9_msg msg)
{
	uint8_t bytes[8192];
	struct req *req;
	int size;

	msg.tag = tag;
	size = p9_encode(&msg, s->session->saved->dialect, bytes, sizeof(bytes));
	CU_ASSERT_FATAL(size > 0);
	req = session_request(s->session, &s->lane, (uint32_t)size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(req);
	memcpy(req->in, bytes, (size_t)size);
	return req;
}

static void submit(struct stage *s, uint16_t tag, struct p9_msg msg)
{
	session_receive(arrive(s, tag, msg));
}

#define T(name, ...)                                                                               \
	((struct p9_msg){.type = P9_T##name, .T##name = (struct p9_T##name){__VA_ARGS__}})

static struct p9_msg *last(struct stage *s)
{
	return &s->reply[(s->replies - 1) % REPLIES];
}

static void does(struct stage *s, struct p9_msg msg)
{
	unsigned before = s->replies;

	submit(s, 99, msg);
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 1);
	CU_ASSERT_EQUAL(last(s)->type, msg.type + 1);
}

static void fails(struct stage *s, int err, struct p9_msg msg)
{
	submit(s, 99, msg);
	ask_all(s);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rlerror);
	CU_ASSERT_EQUAL(last(s)->Rlerror.ecode, (uint32_t)err);
}

static struct p9_msg walk(uint32_t fid, uint32_t newfid, const char *name)
{
	struct p9_msg msg = T(walk, .fid = fid, .newfid = newfid);

	if (name != NULL) {
		msg.Twalk.names.count = 1;
		msg.Twalk.names.name[0] = p9_str(name);
	}
	return msg;
}

static struct stage *stage_open_with(struct session_config config)
{
	struct stage *s = calloc(1, sizeof(*s));
	char text[128];

	s->executor =
		(struct executor){.run = stage_run, .answered = stage_answered, .wake = stage_wake};
	s->lane = (struct lane){.send = stage_send, .released = stage_released};
	STAILQ_INIT(&s->ready);
	STAILQ_INIT(&s->answered);
	STAILQ_INIT(&s->held);
	CU_ASSERT_EQUAL_FATAL(fs_mem_create(&s->fs, text, sizeof(text)), 0);
	if (config.msize_max == 0)
		config.msize_max = 8192;
	CU_ASSERT_EQUAL_FATAL(session_create(s->fs, &config, &s->executor, NULL, &s->session), 0);
	does(s, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	does(s, T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	does(s, walk(0, 1, NULL));
	does(s, T(lcreate, .fid = 1, .name = p9_str("f"), .flags = 2, .mode = 0644));
	does(s, T(write, .fid = 1, .data = {.bytes = "content", .len = 7}));
	return s;
}

static struct stage *stage_open(void)
{
	return stage_open_with((struct session_config){.readonly = false});
}

static void stage_close(struct stage *s)
{
	session_close(s->session);
	ask_all(s);
	let_go(s);
	CU_ASSERT(session_idle(s->session));
	session_destroy(s->session);
	fs_destroy(s->fs);
	free(s);
}

/* ---- tests ---- */

static void replies_leave_in_the_order_in_which_asks_end(void)
{
	struct stage *s = stage_open();

	submit(s, 1, T(read, .fid = 1, .count = 7));
	submit(s, 2, T(getattr, .fid = 1));
	submit(s, 3, T(statfs, .fid = 0));
	ask(s, 3);
	CU_ASSERT_EQUAL(last(s)->tag, 3);
	ask(s, 1);
	CU_ASSERT_EQUAL(last(s)->tag, 1);
	CU_ASSERT_EQUAL(last(s)->Rread.data.len, 7);
	ask(s, 2);
	CU_ASSERT_EQUAL(last(s)->tag, 2);
	stage_close(s);
}

static unsigned count_fids(const struct stage *s)
{
	const struct saved *saved = s->session->saved;
	unsigned count = 0;

	for (uint32_t i = 1; i <= saved->fid_used; i++)
		count += saved->fid[i].saved.state != FID_FREE;
	return count;
}

/* Its fids are looked up anew when the one that it waited for is free. */
static void request_that_waited_leaves_no_fid_behind(void)
{
	struct stage *s = stage_open();

	does(s, T(version, .msize = 8192, .version = p9_str("9P2000.u")));
	does(s, T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	does(s, walk(0, 1, NULL));
	does(s, walk(0, 2, "f"));
	submit(s, 1, T(create, .fid = 1, .name = p9_str("g"), .perm = 0644));
	submit(s, 2,
	       T(create, .fid = 1, .name = p9_str("h"), .perm = P9_DMLINK,
		 .extension = p9_str("2")));
	ask_all(s);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rerror);
	does(s, T(clunk, .fid = 2));
	does(s, T(clunk, .fid = 1));
	CU_ASSERT_EQUAL(count_fids(s), 1);
	stage_close(s);
}

static void fid_in_use_outlives_its_clunk(void)
{
	struct stage *s = stage_open();
	struct req *clunk;

	submit(s, 1, T(read, .fid = 1, .count = 7));
	submit(s, 2, T(clunk, .fid = 1));
	finish_all(s);
	clunk = STAILQ_FIRST(&s->ready);
	CU_ASSERT_EQUAL(clunk->t.tag, 1); /* the clunk needed no ask: the read keeps the file */
	CU_ASSERT_EQUAL(last(s)->type, P9_Rclunk);
	ask(s, 1);
	CU_ASSERT_EQUAL(last(s)->Rread.data.len, 7);
	stage_close(s);
}

static void flushed_request_is_never_answered_and_leaves_nothing(void)
{
	struct stage *s = stage_open();
	unsigned before;

	submit(s, 1, walk(0, 7, "f"));
	submit(s, 2, T(flush, .oldtag = 1));
	CU_ASSERT_EQUAL(last(s)->type, P9_Rflush);
	before = s->replies;
	ask(s, 1);
	CU_ASSERT_EQUAL(s->replies, before);
	fails(s, EBADF, T(getattr, .fid = 7));
	stage_close(s);
}

static void flushed_open_does_not_leave_a_file_open(void)
{
	struct stage *s = stage_open();

	does(s, walk(0, 7, "f"));
	submit(s, 1, T(lopen, .fid = 7));
	submit(s, 2, T(flush, .oldtag = 1));
	ask(s, 1);
	does(s, T(lopen, .fid = 7));
	stage_close(s);
}

/* Of tag 1, which waits for the ring; the Tflush is tag 2. */
static struct stage *stage_with_flush_of_a_reply(void)
{
	struct stage *s = stage_open();

	s->hold_replies = true;
	submit(s, 1, T(getattr, .fid = 0));
	ask(s, 1);
	submit(s, 2, T(flush, .oldtag = 1));
	return s;
}

static void flush_of_a_reply_that_waits_for_the_ring_follows_it(void)
{
	struct stage *s = stage_with_flush_of_a_reply();
	unsigned before = s->replies;

	let_go(s);
	CU_ASSERT_EQUAL(s->replies, before + 2);
	CU_ASSERT_EQUAL(s->reply[before % REPLIES].type, P9_Rgetattr);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rflush);
	stage_close(s);
}

static void several_flushes_of_one_request_are_all_answered(void)
{
	struct stage *s = stage_open();
	unsigned before = s->replies;

	submit(s, 1, T(getattr, .fid = 0));
	for (uint16_t tag = 2; tag < 5; tag++)
		submit(s, tag, T(flush, .oldtag = 1));
	submit(s, 5, T(flush, .oldtag = 5));
	submit(s, 6, T(flush, .oldtag = 1234));
	ask(s, 1);
	CU_ASSERT_EQUAL(s->replies, before + 5);
	stage_close(s);
}

static void second_request_with_a_tag_takes_it_over(void)
{
	struct stage *s = stage_open();
	unsigned before = s->replies;

	submit(s, 1, T(getattr, .fid = 0));
	submit(s, 1, T(statfs, .fid = 0));
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 1);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rstatfs);
	stage_close(s);
}

static void version_silences_what_is_in_flight_and_drops_all_fids(void)
{
	struct stage *s = stage_open();
	unsigned before;

	submit(s, 1, T(read, .fid = 1, .count = 7));
	submit(s, P9_NOTAG, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	CU_ASSERT_EQUAL(last(s)->type, P9_Rversion);
	before = s->replies;
	ask(s, 1);
	CU_ASSERT_EQUAL(s->replies, before);
	fails(s, EBADF, T(getattr, .fid = 0));
	stage_close(s);
}

static void listings_of_one_fid_take_turns(void)
{
	struct stage *s = stage_open();

	does(s, walk(0, 5, NULL));
	does(s, T(lopen, .fid = 5));
	submit(s, 1, T(readdir, .fid = 5, .count = 1000));
	submit(s, 2, T(readdir, .fid = 5, .count = 1000));
	CU_ASSERT_EQUAL(STAILQ_FIRST(&s->ready)->t.tag, 1);
	CU_ASSERT_PTR_NULL(STAILQ_NEXT(STAILQ_FIRST(&s->ready), link));
	ask(s, 1);
	ask(s, 2);
	CU_ASSERT_EQUAL(last(s)->tag, 2);
	CU_ASSERT(last(s)->Rreaddir.data.len > 0);
	stage_close(s);
}

static void second_open_that_had_to_wait_is_refused(void)
{
	struct stage *s = stage_open();

	does(s, walk(0, 7, "f"));
	submit(s, 1, T(lopen, .fid = 7));
	submit(s, 2, T(lopen, .fid = 7));
	ask(s, 1);
	CU_ASSERT_EQUAL(last(s)->tag, 2);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rlerror);
	CU_ASSERT_EQUAL(last(s)->Rlerror.ecode, EINVAL);
	stage_close(s);
}

static void request_that_waits_for_a_fid_finds_it_clunked(void)
{
	struct stage *s = stage_open();

	does(s, walk(0, 7, "f"));
	submit(s, 1, T(lopen, .fid = 7));
	submit(s, 2, T(lopen, .fid = 7));
	submit(s, 3, T(clunk, .fid = 7));
	ask(s, 1);
	CU_ASSERT_EQUAL(last(s)->tag, 2);
	CU_ASSERT_EQUAL(last(s)->Rlerror.ecode, EBADF);
	stage_close(s);
}

static void flushed_request_that_waits_for_a_fid_is_dropped(void)
{
	struct stage *s = stage_open();
	unsigned before;

	does(s, walk(0, 7, "f"));
	before = s->replies;
	submit(s, 1, T(lopen, .fid = 7));
	submit(s, 2, T(lopen, .fid = 7));
	submit(s, 3, T(flush, .oldtag = 2));
	ask(s, 1);
	CU_ASSERT_EQUAL(s->replies, before + 2); /* Rflush, Rlopen */
	stage_close(s);
}

static void long_queue_of_a_fid_ends(void)
{
	struct stage *s = stage_open();
	unsigned before;

	does(s, walk(0, 7, "f"));
	before = s->replies;
	for (uint16_t tag = 0; tag < 1000; tag++)
		submit(s, tag, T(lopen, .fid = 7));
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 1000);
	stage_close(s);
}

static void too_many_requests_are_not_taken_until_one_is_over(void)
{
	struct stage *s = stage_open();
	unsigned before = s->released;

	for (uint16_t tag = 0; tag < SESSION_REQS_MAX; tag++)
		submit(s, tag, T(getattr, .fid = 0));
	CU_ASSERT_PTR_NULL(session_request(s->session, &s->lane, 64));
	ask(s, 500);
	CU_ASSERT_EQUAL(s->released, before + 1);
	submit(s, 500, T(getattr, .fid = 0));
	ask_all(s);
	stage_close(s);
}

static void large_replies_that_nobody_takes_are_bounded(void)
{
	struct stage *s = stage_open();
	unsigned taken = 0;

	/* Each may be answered with 8 KiB; the limit is about those, not about requests. */
	s->session->bytes = SESSION_BYTES_MAX - 10 * 8192;
	s->hold_replies = true;
	while (!session_full(s->session)) {
		submit(s, (uint16_t)taken++, T(read, .fid = 1, .count = 1u << 20));
		ask_all(s);
	}
	CU_ASSERT(taken >= 9 && taken <= 10);
	let_go(s);
	CU_ASSERT(!session_full(s->session));
	stage_close(s);
}

static void closed_session_drops_everything_and_becomes_idle(void)
{
	struct stage *s = stage_open();
	unsigned before;

	submit(s, 1, walk(0, 7, "f"));
	submit(s, 2, T(read, .fid = 1, .count = 7));
	before = s->replies;
	session_close(s->session);
	CU_ASSERT(!session_idle(s->session));
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before);
	CU_ASSERT(session_idle(s->session));
	stage_close(s);
}

static void nodes_of_replaced_fids_are_given_back(void)
{
	struct stage *s = stage_open();

	/* More than fit into the table at once: each replaces the one before. */
	for (int i = 0; i < 100000; i++)
		does(s, walk(0, 7, i % 2 == 0 ? "f" : NULL));
	stage_close(s);
}

/* Not even decoded: it may be the decoder that it breaks. */
static void request_that_killed_too_often_is_not_looked_at(void)
{
	static const uint8_t cut_short[] = {7, 0, 0, 0, P9_Tgetattr, 42, 0};
	struct stage *s = stage_open();

	for (uint8_t deaths = REQ_DEATHS_MAX - 1; deaths <= REQ_DEATHS_MAX; deaths++) {
		struct req *req = session_request(s->session, &s->lane, sizeof(cut_short));

		memcpy(req->in, cut_short, sizeof(cut_short));
		req->slot->deaths = deaths;
		session_receive(req);
		CU_ASSERT_EQUAL(last(s)->type, P9_Rlerror);
		CU_ASSERT_EQUAL(last(s)->tag, 42);
		CU_ASSERT_EQUAL(last(s)->Rlerror.ecode,
				(uint32_t)(deaths < REQ_DEATHS_MAX ? EINVAL : EIO));
	}
	stage_close(s);
}

/* The stage has two. */
static void fids_beyond_the_budget_are_refused(void)
{
	struct stage *s = stage_open_with((struct session_config){.budget.fids = 4});

	does(s, walk(0, 10, NULL));
	does(s, walk(0, 11, NULL));
	fails(s, ENFILE, walk(0, 12, NULL));
	does(s, T(getattr, .fid = 11));
	does(s, T(clunk, .fid = 10));
	does(s, walk(0, 12, NULL));
	stage_close(s);
}

static void requests_beyond_the_budget_have_to_wait(void)
{
	struct stage *s = stage_open_with((struct session_config){.reqs_max = 3});

	for (uint16_t tag = 1; tag <= 3; tag++)
		submit(s, tag, T(getattr, .fid = 0));
	CU_ASSERT(session_full(s->session));
	CU_ASSERT_PTR_NULL(session_request(s->session, &s->lane, 19));
	ask(s, 2);
	CU_ASSERT_FALSE(session_full(s->session));
	submit(s, 4, T(getattr, .fid = 0));
	CU_ASSERT(session_full(s->session));
	stage_close(s);
}

static void bytes_of_requests_beyond_the_budget_have_to_wait(void)
{
	struct stage *s = stage_open_with((struct session_config){.bytes_max = 6000});
	static uint8_t bytes[4000];

	submit(s, 1, T(write, .fid = 1, .data = {.bytes = (char *)bytes, .len = sizeof(bytes)}));
	CU_ASSERT_FALSE(session_full(s->session));
	submit(s, 2, T(write, .fid = 1, .data = {.bytes = (char *)bytes, .len = sizeof(bytes)}));
	CU_ASSERT(session_full(s->session));
	ask(s, 1);
	CU_ASSERT_FALSE(session_full(s->session));
	stage_close(s);
}

static void attributes_beyond_the_budget_are_refused(void)
{
	struct stage *s = stage_open_with((struct session_config){.budget.xattr_bytes = 1000});

	does(s, walk(0, 10, "f"));
	does(s, walk(0, 11, "f"));
	does(s, T(xattrcreate, .fid = 10, .name = p9_str("user.a"), .size = 600));
	fails(s, ENOSPC, T(xattrcreate, .fid = 11, .name = p9_str("user.b"), .size = 600));
	does(s, T(xattrcreate, .fid = 11, .name = p9_str("user.b"), .size = 400));
	stage_close(s);
}

/* Neither the value nor the new fid of what is refused stays: there is only one more fid. */
static void attributes_read_beyond_the_budget_are_refused(void)
{
	struct stage *s = stage_open_with(
		(struct session_config){.budget.xattr_bytes = 1000, .budget.fids = 5});
	static const char value[600];

	does(s, walk(0, 10, "f"));
	does(s, T(xattrcreate, .fid = 10, .name = p9_str("user.a"), .size = sizeof(value)));
	does(s, T(write, .fid = 10, .data = {.bytes = value, .len = sizeof(value)}));
	does(s, T(clunk, .fid = 10));
	does(s, T(xattrwalk, .fid = 1, .newfid = 20, .name = p9_str("user.a")));
	for (int i = 0; i < 5; i++)
		fails(s, ENOSPC, T(xattrwalk, .fid = 1, .newfid = 21, .name = p9_str("user.a")));
	fails(s, EBADF, T(getattr, .fid = 21));
	does(s, T(clunk, .fid = 20));
	does(s, T(xattrwalk, .fid = 1, .newfid = 21, .name = p9_str("user.a")));
	does(s, walk(0, 22, NULL));
	stage_close(s);
}

/* One less than there are entries: 0 is none. */
static void so_many_attributes_at_once_and_no_more(void)
{
	struct stage *s = stage_open();

	for (uint32_t i = 0; i < FID_XATTRS_MAX; i++) {
		does(s, walk(0, 100 + i, NULL));
		does(s, T(xattrcreate, .fid = 100 + i, .name = p9_str("user.a")));
	}
	does(s, walk(0, 99, NULL));
	fails(s, ENOSPC, T(xattrcreate, .fid = 99, .name = p9_str("user.a")));
	fails(s, ENOSPC, T(xattrwalk, .fid = 0, .newfid = 98, .name = p9_str("")));
	does(s, T(clunk, .fid = 100));
	does(s, T(xattrcreate, .fid = 99, .name = p9_str("user.a")));
	stage_close(s);
}

#define LARGE 160 /* requests: more than may keep their memory */

static void submit_large(struct stage *s, uint16_t tag)
{
	static char name[65535];
	struct p9_msg msg = {.type = P9_Tsymlink, .tag = tag};
	struct req *req = session_request(s->session, &s->lane, 2 * sizeof(name) + 19);

	memset(name, 'n', sizeof(name));
	msg.Tsymlink.name = msg.Tsymlink.target = (struct p9_str){name, sizeof(name)};
	CU_ASSERT_PTR_NOT_NULL_FATAL(req);
	CU_ASSERT(p9_encode(&msg, P9_L, req->in, 2 * sizeof(name) + 19) > 0);
	session_receive(req);
}

static void memory_of_many_large_requests_is_given_back(void)
{
	struct stage *s = stage_open_with((struct session_config){.msize_max = 1 << 18});

	does(s, T(version, .msize = 1 << 18, .version = p9_str("9P2000.L")));
	does(s, T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	for (int round = 0; round < 2; round++) {
		unsigned before = s->replies, kept = 0;

		s->hold_replies = true;
		for (uint16_t tag = 0; tag < LARGE; tag++)
			submit_large(s, tag);
		ask_all(s);
		let_go(s);
		CU_ASSERT_EQUAL(s->replies, before + LARGE);
		CU_ASSERT_EQUAL(last(s)->Rlerror.ecode, ENAMETOOLONG);
		for (unsigned i = 0; i < LARGE; i++)
			kept += s->session->req[i].text_room > sizeof(s->bytes[0]);
		CU_ASSERT(kept > 0 && kept < LARGE);
	}
	stage_close(s);
}

/* ---- a driver with calls of the test's ---- */

static const struct fs_ops *own_ops;

static void replace_ops(struct stage *s, const struct fs_ops *ops)
{
	own_ops = s->fs->ops;
	s->fs->ops = ops;
}

static void restore_ops(struct stage *s)
{
	s->fs->ops = own_ops;
}

/* An attribute that others change while it is asked for: each call finds it of the next length. */
static const size_t *attribute_lengths;

static ssize_t changing_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf,
				 size_t size)
{
	size_t length = *attribute_lengths++;

	(void)fs, (void)node, (void)name;
	if (size > 0 && length > size)
		return -ERANGE;
	if (size > 0)
		memset(buf, 'x', length);
	return (ssize_t)length;
}

static void check_attribute(struct stage *s, const size_t *lengths, uint32_t size)
{
	const struct p9_msg *reply;

	attribute_lengths = lengths;
	does(s, T(xattrwalk, .fid = 1, .newfid = 20, .name = p9_str("user.a")));
	CU_ASSERT_EQUAL(last(s)->Rxattrwalk.size, size);
	does(s, T(read, .fid = 20, .count = 4096));
	reply = last(s);
	CU_ASSERT_EQUAL(reply->Rread.data.len, size);
	for (uint32_t i = 0; i < reply->Rread.data.len; i++)
		CU_ASSERT_EQUAL(((const char *)reply->Rread.data.bytes)[i], 'x');
	does(s, T(clunk, .fid = 20));
}

static void attribute_that_changes_while_it_is_read_shows_nothing_else(void)
{
	static const size_t shrinks[] = {1000, 10}, grows[] = {10, 1000, 1000, 1000},
			    goes_on_growing[] = {1,  2,	 3,  4,	 5,  6,	 7,  8,	 9,
						 10, 11, 12, 13, 14, 15, 16, 17, 18,
						 19, 20, 21, 22, 23, 24, 25, 26, 27};
	struct stage *s = stage_open();
	struct fs_ops ops = *s->fs->ops;

	ops.getxattr = changing_getxattr;
	replace_ops(s, &ops);
	check_attribute(s, grows, 1000);
	check_attribute(s, shrinks, 10);
	attribute_lengths = goes_on_growing;
	fails(s, ERANGE, T(xattrwalk, .fid = 1, .newfid = 20, .name = p9_str("user.a")));
	fails(s, EBADF, T(read, .fid = 20, .count = 4096));
	restore_ops(s);
	stage_close(s);
}

/* Numbers far apart are found by one place of the table, and go one by one. */
static void fids_whose_numbers_collide_are_told_apart(void)
{
	struct stage *s = stage_open();
	uint32_t number[3];

	for (uint32_t i = 0; i < countof(number); i++) {
		number[i] = 7 + i * FID_MAX;
		does(s, walk(0, number[i], i == 1 ? "f" : NULL));
	}
	does(s, T(clunk, .fid = number[1]));
	fails(s, EBADF, T(clunk, .fid = number[1]));
	does(s, T(clunk, .fid = number[0]));
	does(s, T(getattr, .fid = number[2]));
	does(s, walk(0, number[0], NULL));
	stage_close(s);
}

static int give_handle(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
		       struct fs_handle *handle)
{
	(void)fs, (void)node, (void)attr;
	*handle = (struct fs_handle){.size = 1};
	return 0;
}

static unsigned regained;

static int may_not_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node)
{
	(void)fs, (void)handle, (void)node;
	regained++;
	return -EPERM;
}

/* It is tried once; all stay open then, and of use. */
static void nothing_is_evicted_where_handles_are_of_no_use(void)
{
	struct stage *s = stage_open_with((struct session_config){.evict_at = 4});
	struct fs_ops ops = *s->fs->ops;

	ops.handle = give_handle;
	ops.regain = may_not_regain;
	replace_ops(s, &ops);
	regained = 0;
	for (uint32_t fid = 10; fid < 30; fid++)
		does(s, walk(0, fid, "f"));
	CU_ASSERT_EQUAL(regained, 1);
	for (uint32_t fid = 10; fid < 30; fid++)
		does(s, T(getattr, .fid = fid));
	restore_ops(s);
	stage_close(s);
}

static bool short_of_descriptors;

static int regain_f(struct fs *fs, const struct fs_handle *handle, struct fs_node *node)
{
	struct fs_node root;
	struct fs_attr attr;
	int err = short_of_descriptors ? -EMFILE : own_ops->root(fs, &root, &attr);

	(void)handle;
	regained++;
	if (err)
		return err;
	err = own_ops->walk(fs, root, "f", node, &attr);
	fs_forget(fs, root);
	return err;
}

/* Of a node whose eviction met a shortage it says nothing: it is tried again. */
static void nodes_are_evicted_after_a_shortage(void)
{
	struct stage *s = stage_open_with((struct session_config){.evict_at = 4});
	struct fs_ops ops = *s->fs->ops;
	unsigned pinned = 0;

	ops.handle = give_handle;
	ops.regain = regain_f;
	replace_ops(s, &ops);
	regained = 0;
	short_of_descriptors = true;
	for (uint32_t fid = 10; fid < 500; fid++)
		does(s, walk(0, fid, "f"));
	CU_ASSERT(regained > 4);
	short_of_descriptors = false;
	for (uint32_t fid = 500; fid < 1000; fid++)
		does(s, walk(0, fid, "f"));
	for (uint32_t fid = 10; fid < 1000; fid++)
		pinned += !node_is_evicted(fid_find(s->session->fids, fid)->node);
	CU_ASSERT(pinned <= 4);
	restore_ops(s);
	stage_close(s);
}

static int restore_the_root(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
			    struct fs_attr *attr)
{
	(void)handle;
	return own_ops->root(fs, node, attr);
}

/* A number may be used again by the time at which all processes were lost. */
static void restored_handle_of_another_object_is_stale(void)
{
	struct stage *s = stage_open_with((struct session_config){.durable = true});
	struct fs_ops ops = *s->fs->ops;
	struct fs_node lost[2];

	ops.handle = give_handle;
	ops.restore = restore_the_root;
	replace_ops(s, &ops);
	does(s, T(clunk, .fid = 1));
	does(s, T(attach, .newfid = 9, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	does(s, T(clunk, .fid = 0));
	does(s, walk(9, 10, "f"));
	for (uint32_t i = 0; i < countof(lost); i++)
		lost[i] = fid_find(s->session->fids, 9 + i)->node->saved.fs;
	CU_ASSERT_EQUAL(session_restore(s->session), 1);
	does(s, T(getattr, .fid = 9));
	fails(s, ESTALE, T(getattr, .fid = 10));
	restore_ops(s);
	for (size_t i = 0; i < countof(lost); i++)
		fs_forget(s->fs, lost[i]);
	stage_close(s);
}

static int driver_error;

static int failing_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	(void)fs, (void)node, (void)attr;
	return driver_error;
}

/* What asks a client to try again: it would not. And what Linux takes for no error at all. */
static void errors_that_are_none_for_clients_become_EIO(void)
{
	static const int errors[] = {-EAGAIN, -EINTR, -P9_ERRNO_MAX - 1};
	struct stage *s = stage_open();
	struct fs_ops ops = *s->fs->ops;

	ops.getattr = failing_getattr;
	replace_ops(s, &ops);
	for (size_t i = 0; i < countof(errors); i++) {
		driver_error = errors[i];
		fails(s, EIO, T(getattr, .fid = 0));
	}
	driver_error = -P9_ERRNO_MAX;
	fails(s, P9_ERRNO_MAX, T(getattr, .fid = 0));
	restore_ops(s);
	stage_close(s);
}

/* A place for seven bytes, in two pieces. */
static char placed[2][4];
static unsigned given_back;

static bool stage_place(struct lane *lane, uint32_t header, uint32_t size, struct iovec place[2])
{
	(void)lane, (void)header;
	CU_ASSERT_EQUAL(size, 7);
	place[0] = (struct iovec){placed[0], 3};
	place[1] = (struct iovec){placed[1], 4};
	return true;
}

static void stage_give_back(struct lane *lane)
{
	(void)lane;
	given_back++;
}

static ssize_t read_of_half_cached(struct fs *fs, struct fs_file file, void *buf, size_t size,
				   uint64_t offset, bool nowait)
{
	if (nowait && offset > 0)
		return -EAGAIN;
	return own_ops->read(fs, file, buf, size, offset, nowait);
}

static bool always_copies(struct fs *fs, struct fs_file file)
{
	(void)fs, (void)file;
	return true;
}

/* The half that has been read in place is read again: the place is another's by then. */
static void read_whose_second_half_would_sleep_is_made_elsewhere(void)
{
	struct stage *s = stage_open();
	struct fs_ops ops = *s->fs->ops;
	struct req *req;

	ops.read = read_of_half_cached;
	ops.copies = always_copies;
	replace_ops(s, &ops);
	does(s, walk(0, 2, "f"));
	does(s, T(lopen, .fid = 2));
	s->lane.place = stage_place;
	s->lane.give_back = stage_give_back;
	given_back = 0;
	submit(s, 1, T(read, .fid = 2, .count = 7));
	req = STAILQ_FIRST(&s->ready);
	req_prepare_here(req);
	CU_ASSERT_FALSE(req_ask_here(req));
	CU_ASSERT_EQUAL(given_back, 1);
	memset(placed, 'x', sizeof(placed));
	ask(s, 1);
	CU_ASSERT_EQUAL_FATAL(last(s)->Rread.data.len, 7);
	CU_ASSERT_EQUAL(memcmp(last(s)->Rread.data.bytes, "content", 7), 0);
	CU_ASSERT_EQUAL(given_back, 1);
	restore_ops(s);
	stage_close(s);
}

static int walk_to_another(struct fs *fs, struct fs_node dir, const char *name,
			   struct fs_node *node, struct fs_attr *attr)
{
	int err = own_ops->walk(fs, dir, name, node, attr);

	attr->path++;
	return err;
}

static void fails_in_words(struct stage *s, int err, struct p9_msg msg)
{
	submit(s, 99, msg);
	ask_all(s);
	CU_ASSERT_EQUAL_FATAL(last(s)->type, P9_Rerror);
	CU_ASSERT_STRING_EQUAL(last(s)->Rerror.ename.text, strerrordesc_np(err));
}

static void speaks(struct stage *s, const char *version)
{
	does(s, T(version, .msize = 8192, .version = p9_str(version)));
	does(s, T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
}

/* Of a Tcreate that makes no file the fid is found by a second look. EIO: 9P2000 has no text for
 * ESTALE that Linux knew. */
static void created_directory_that_somebody_replaces_is_ESTALE(void)
{
	struct stage *s = stage_open();
	struct fs_ops ops = *s->fs->ops;
	struct p9_msg create = T(create, .fid = 0, .name = p9_str("d"), .perm = P9_DMDIR | 0755);

	ops.walk = walk_to_another;
	speaks(s, "9P2000");
	replace_ops(s, &ops);
	fails_in_words(s, EIO, create);
	restore_ops(s);
	create.Tcreate.name = p9_str("e");
	does(s, create);
	stage_close(s);
}

static int failing_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	(void)fs, (void)node, (void)flags, (void)file;
	return driver_error;
}

/* A Tcreate looks at the directory, and a Twstat that changes nothing opens what it syncs. */
static void errors_on_the_way_are_told(void)
{
	static const struct p9_stat nothing = {
		.type = UINT16_MAX,
		.dev = UINT32_MAX,
		.qid = {.type = UINT8_MAX, .version = UINT32_MAX, .path = UINT64_MAX},
		.mode = UINT32_MAX,
		.atime = UINT32_MAX,
		.mtime = UINT32_MAX,
		.length = UINT64_MAX,
	};
	struct stage *s = stage_open();
	struct fs_ops ops = *s->fs->ops;

	ops.getattr = failing_getattr;
	ops.open = failing_open;
	speaks(s, "9P2000");
	replace_ops(s, &ops);
	driver_error = -EIO;
	fails_in_words(s, EIO, T(create, .fid = 0, .name = p9_str("n"), .perm = 0644));
	fails_in_words(s, EIO, T(wstat, .fid = 0, .stat = nothing));
	driver_error = -ENXIO;
	does(s, T(wstat, .fid = 0, .stat = nothing));
	restore_ops(s);
	stage_close(s);
}

static int refuse_all(struct fs *fs, struct fs_cred cred)
{
	(void)fs, (void)cred;
	return -EPERM;
}

static void user_who_is_not_served_is_told(void)
{
	struct stage *s = stage_open();
	struct fs_ops ops = *s->fs->ops;

	ops.act_as = refuse_all;
	replace_ops(s, &ops);
	fails(s, EPERM, T(getattr, .fid = 0));
	restore_ops(s);
	does(s, T(getattr, .fid = 0));
	stage_close(s);
}

#define FILES 200

/* More names than are taken from the driver at a time. */
static void long_listing_has_each_entry_once(void)
{
	struct stage *s = stage_open();
	unsigned entries = 0;
	uint64_t offset = 0;
	char name[101];

	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "%0100u", i);
		does(s, T(mkdir, .dfid = 0, .name = p9_str(name), .mode = 0755));
	}
	speaks(s, "9P2000");
	does(s, T(open, .fid = 0));
	do {
		const struct p9_data *data;

		does(s, T(read, .fid = 0, .offset = offset, .count = 8000));
		data = &last(s)->Rread.data;
		for (uint32_t at = 0; at < data->len; entries++) {
			const uint8_t *entry = (const uint8_t *)data->bytes + at;

			at += 2u + entry[0] + 256u * entry[1];
		}
		offset += data->len;
	} while (last(s)->Rread.data.len > 0);
	CU_ASSERT_EQUAL(entries, FILES + 1);
	stage_close(s);
}

/* ---- data in the lane's memory ---- */

/* A file whose reads and writes can be given the lane's memory, or must not. */
static struct {
	struct fs_ops ops;
	const struct fs_ops *below;
	uint8_t memory[4096]; /* the lane's */
	bool placing, copies;
	unsigned reads_in_lane, writes_in_lane, fetched, released;
} loan;

static bool is_loan(const void *buf)
{
	const uint8_t *at = buf;

	return at >= loan.memory && at < loan.memory + sizeof(loan.memory);
}

static ssize_t loan_read(struct fs *fs, struct fs_file file, void *buf, size_t size,
			 uint64_t offset, bool nowait)
{
	CU_ASSERT(loan.placing == is_loan(buf));
	loan.reads_in_lane += is_loan(buf);
	return loan.below->read(fs, file, buf, size, offset, nowait);
}

static ssize_t loan_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			  uint64_t offset)
{
	loan.writes_in_lane += is_loan(buf);
	return loan.below->write(fs, file, buf, size, offset);
}

static bool loan_copies(struct fs *fs, struct fs_file file)
{
	(void)fs, (void)file;
	return loan.copies;
}

static bool loan_place(struct lane *lane, uint32_t header, uint32_t size, struct iovec place[2])
{
	(void)lane;
	CU_ASSERT(!loan.placing && header + size <= sizeof(loan.memory));
	place[0] = (struct iovec){loan.memory + header, size};
	place[1] = (struct iovec){loan.memory, 0};
	loan.placing = true;
	return true;
}

static void loan_give_back(struct lane *lane)
{
	(void)lane;
	CU_ASSERT(loan.placing);
	loan.placing = false;
}

static void loan_send_placed(struct lane *lane, struct req *req)
{
	struct stage *s = container_of(lane, struct stage, lane);
	unsigned i = s->replies++ % REPLIES;

	loan.placing = false;
	memcpy(s->bytes[i], loan.memory, req->out_size);
	memcpy(s->bytes[i], req->out, P9_READ_HEADER);
	CU_ASSERT_EQUAL(p9_decode(&s->reply[i], P9_L, s->bytes[i], req->out_size), 0);
}

static bool loan_fetch(struct lane *lane, uint8_t *in, uint32_t size, uint32_t at)
{
	(void)lane;
	memcpy(in + REQ_KEPT_FROM, loan.memory + at + REQ_KEPT_FROM, size - REQ_KEPT_FROM);
	loan.fetched++;
	return true;
}

static void loan_release(struct lane *lane)
{
	(void)lane;
	loan.released++;
	memset(loan.memory, 0xee, sizeof(loan.memory));
}

static struct stage *loan_open(bool copies)
{
	struct stage *s = stage_open();

	memset(&loan, 0, sizeof(loan));
	loan.copies = copies;
	loan.below = s->fs->ops;
	loan.ops = *s->fs->ops;
	loan.ops.read = loan_read;
	loan.ops.write = loan_write;
	loan.ops.copies = loan_copies;
	s->fs->ops = &loan.ops;
	s->lane.place = loan_place;
	s->lane.give_back = loan_give_back;
	s->lane.send_placed = loan_send_placed;
	s->lane.fetch = loan_fetch;
	s->lane.release = loan_release;
	does(s, walk(0, 2, "f"));
	does(s, T(lopen, .fid = 2, .flags = 2));
	return s;
}

static void loan_close(struct stage *s)
{
	s->fs->ops = loan.below;
	stage_close(s);
}

/* On the loop, as soon as it is due. */
static void ask_here(struct stage *s)
{
	struct req *req = STAILQ_FIRST(&s->ready);

	CU_ASSERT_PTR_NOT_NULL_FATAL(req);
	STAILQ_REMOVE_HEAD(&s->ready, link);
	req_prepare_here(req);
	CU_ASSERT(req_ask_here(req));
	session_finish(req);
}

static void reads_are_placed_where_the_storage_copies(void)
{
	for (unsigned copies = 0; copies < 2; copies++) {
		struct stage *s = loan_open(copies);

		submit(s, 1, T(read, .fid = 2, .count = 100));
		ask_here(s);
		CU_ASSERT_EQUAL(last(s)->Rread.data.len, 7);
		CU_ASSERT_EQUAL(memcmp(last(s)->Rread.data.bytes, "content", 7), 0);
		CU_ASSERT(!loan.placing);
		CU_ASSERT_EQUAL(loan.reads_in_lane, copies);
		loan_close(s);
	}
}

/* Of its message the lane copies the beginning; the rest stands in two pieces, `first` bytes of it
 * in the first. `behind`: so many bytes more than the message's fields. */
static void submit_kept_as(struct stage *s, uint32_t fid, const char *text, uint32_t first,
			   uint32_t behind)
{
	struct p9_msg msg = T(write, .fid = fid, .data = {.bytes = text, .len = 20});
	struct iovec rest[2];
	struct req *req;
	uint32_t size;

	msg.tag = 1;
	size = (uint32_t)p9_encode(&msg, P9_L, loan.memory, sizeof(loan.memory)) + behind;
	CU_ASSERT_EQUAL_FATAL(size, REQ_KEPT_FROM + 20 + behind);
	loan.memory[0] = (uint8_t)size;
	req = session_request(s->session, &s->lane, size);
	memcpy(req->in, loan.memory, REQ_KEPT_FROM);
	rest[0] = (struct iovec){loan.memory + REQ_KEPT_FROM, first};
	rest[1] = (struct iovec){loan.memory + REQ_KEPT_FROM + first, 20 + behind - first};
	session_keeping(req, 0, rest);
	session_receive(req);
}

static void submit_kept(struct stage *s, uint32_t fid, const char *text)
{
	submit_kept_as(s, fid, text, 10, 0);
}

static void check_content(struct stage *s, const char *text)
{
	does(s, T(read, .fid = 2, .count = 20));
	CU_ASSERT_EQUAL(last(s)->Rread.data.len, 20);
	CU_ASSERT_EQUAL(memcmp(last(s)->Rread.data.bytes, text, 20), 0);
}

static void write_is_made_from_where_its_data_stands(void)
{
	struct stage *s = loan_open(true);

	submit_kept(s, 2, "twenty bytes of data");
	ask_here(s);
	CU_ASSERT_EQUAL(last(s)->Rwrite.count, 20);
	CU_ASSERT_EQUAL(loan.writes_in_lane, 2);
	CU_ASSERT_EQUAL(loan.released, 1);
	CU_ASSERT_EQUAL(loan.fetched, 0);
	check_content(s, "twenty bytes of data");
	loan_close(s);
}

static void bytes_behind_a_kept_write_are_not_written(void)
{
	const uint32_t firsts[] = {10, 20, 25, 30};
	struct stage *s = loan_open(true);

	for (size_t i = 0; i < countof(firsts); i++) {
		submit_kept_as(s, 2, "twenty bytes of data", firsts[i], 10);
		ask_here(s);
		CU_ASSERT_EQUAL(last(s)->Rwrite.count, 20);
		does(s, T(getattr, .fid = 2, .request_mask = P9_GETATTR_BASIC));
		CU_ASSERT_EQUAL(last(s)->Rgetattr.size, 20);
		check_content(s, "twenty bytes of data");
	}
	CU_ASSERT_EQUAL(loan.fetched, 0);
	loan_close(s);
}

static void write_that_needs_its_data_longer_is_copied(void)
{
	struct stage *s = loan_open(false);

	/* The storage may keep the pages. */
	submit_kept(s, 2, "twenty bytes of data");
	CU_ASSERT_EQUAL(loan.fetched, 1);
	CU_ASSERT_EQUAL(loan.released, 1);
	ask_here(s);
	check_content(s, "twenty bytes of data");
	/* Somebody else asks. */
	loan.copies = true;
	does(s, walk(0, 3, "f"));
	does(s, T(lopen, .fid = 3, .flags = 2));
	submit_kept(s, 3, "and twenty bytes more");
	CU_ASSERT_EQUAL(loan.fetched, 1);
	req_fetch(STAILQ_FIRST(&s->ready));
	req_fetch(STAILQ_FIRST(&s->ready));
	CU_ASSERT_EQUAL(loan.fetched, 2);
	ask_all(s);
	check_content(s, "and twenty bytes more");
	/* Two pieces at the end of a file could have others between them. */
	does(s, walk(0, 4, "f"));
	does(s, T(lopen, .fid = 4, .flags = 2 | P9_O_APPEND));
	submit_kept(s, 4, "appended as one piece");
	CU_ASSERT_EQUAL(loan.fetched, 3);
	ask_here(s);
	CU_ASSERT_EQUAL(last(s)->Rwrite.count, 20);
	CU_ASSERT_EQUAL(loan.writes_in_lane, 0);
	/* An attribute's value is stored when it is committed. */
	does(s, walk(0, 5, "f"));
	does(s, T(xattrcreate, .fid = 5, .name = p9_str("user.a"), .size = 20));
	submit_kept(s, 5, "the value of user.a.");
	CU_ASSERT_EQUAL(loan.fetched, 4);
	CU_ASSERT_EQUAL(loan.released, 4);
	loan_close(s);
}

static void kept_write_that_comes_to_nothing_gives_its_room_back(void)
{
	struct stage *s = loan_open(true);

	submit_kept(s, 77, "twenty bytes of data");
	CU_ASSERT_EQUAL(last(s)->Rlerror.ecode, EBADF);
	CU_ASSERT_EQUAL(loan.released, 1);
	submit_kept(s, 2, "twenty bytes of data");
	submit(s, 2, T(flush, .oldtag = 1));
	/* The lane may be gone: it is not asked for what nobody wants. */
	req_fetch(STAILQ_FIRST(&s->ready));
	CU_ASSERT_EQUAL(loan.fetched, 0);
	ask_here(s);
	CU_ASSERT_EQUAL(loan.released, 2);
	CU_ASSERT_EQUAL(loan.writes_in_lane, 0);
	loan_close(s);
}

static struct p9_msg lock(uint32_t process)
{
	return T(lock, .fid = 1, .type = P9_LOCK_RDLCK, .start = process, .length = 1,
		 .proc_id = process, .client_id = p9_str("client"));
}

static void lockers_beyond_the_budget_are_refused(void)
{
	struct stage *s = stage_open_with((struct session_config){.budget.lockers = 2});

	does(s, lock(1));
	does(s, lock(2));
	fails(s, ENOLCK, lock(3));
	does(s, lock(2));
	stage_close(s);
}

/* Asks the next one that is ready, and finishes nothing. */
static struct req *ask_only(struct stage *s)
{
	struct req *req = STAILQ_FIRST(&s->ready);

	CU_ASSERT_PTR_NOT_NULL_FATAL(req);
	STAILQ_REMOVE_HEAD(&s->ready, link);
	CU_ASSERT(req_ask(req));
	CU_ASSERT_PTR_EQUAL(STAILQ_FIRST(&s->answered), req);
	STAILQ_REMOVE_HEAD(&s->answered, link);
	return req;
}

/* Its file is asked for the second time, in the owner's place, when that one closes it. */
static void lock_whose_owner_goes_while_it_is_asked_for_is_nobodys(void)
{
	struct stage *s = stage_open();
	struct req *req;

	does(s, walk(0, 7, "f"));
	does(s, T(lopen, .fid = 7, .flags = 2));
	does(s, lock(1));
	submit(s, 1,
	       T(getlock, .fid = 7, .type = P9_LOCK_WRLCK, .start = 1, .length = 1, .proc_id = 2,
		 .client_id = p9_str("client")));
	session_finish(ask_only(s));
	req = ask_only(s);
	does(s, T(clunk, .fid = 1));
	session_finish(req);
	ask_all(s);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rgetlock);
	CU_ASSERT_EQUAL(last(s)->Rgetlock.type, P9_LOCK_RDLCK);
	CU_ASSERT_EQUAL(last(s)->Rgetlock.proc_id, 0);
	CU_ASSERT_STRING_EQUAL(last(s)->Rgetlock.client_id.text, "");
	stage_close(s);
}

static struct p9_msg lock_beside(uint32_t process, uint8_t type, uint64_t start)
{
	return T(lock, .fid = 7, .type = type, .flags = P9_LOCK_BLOCK, .start = start, .length = 1,
		 .proc_id = process, .client_id = p9_str("client"));
}

/* What waits for another's lock is its successor's, and what has to come after that: here an
 * unlock. So is what would have to wait. */
static void paused_session_answers_no_lock_that_waits(void)
{
	struct stage *s = stage_open();
	const struct fid *fid;
	struct fs_node node;
	struct fs_file file;
	unsigned before;

	does(s, walk(0, 7, "f"));
	does(s, T(lopen, .fid = 7, .flags = 2));
	does(s, lock(1));
	does(s, lock_beside(2, P9_LOCK_WRLCK, 100));
	fid = fid_find(s->session->fids, 7);
	node = fid->node->saved.fs;
	file = fid->saved.file;
	before = s->replies;
	submit(s, 1, lock_beside(2, P9_LOCK_WRLCK, 1));
	submit(s, 2, lock_beside(2, P9_LOCK_UNLCK, 1));
	session_pause(s->session);
	submit(s, 3, lock_beside(3, P9_LOCK_WRLCK, 1));
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before);
	CU_ASSERT(session_idle(s->session));
	/* The successor's, but here is none. */
	fs_close(s->fs, file);
	fs_forget(s->fs, node);
	stage_close(s);
}

/* The first one waits for the end of a lock's wait, the second behind it. */
static void version_behind_one_that_waits_is_answered(void)
{
	struct stage *s = stage_open();
	unsigned before;

	does(s, walk(0, 7, "f"));
	does(s, T(lopen, .fid = 7, .flags = 2));
	submit(s, 1, lock_beside(2, P9_LOCK_WRLCK, 1));
	submit(s, 2, T(version, .msize = 4096, .version = p9_str("9P2000.L")));
	submit(s, 3, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	before = s->replies;
	ask_all(s);
	CU_ASSERT(s->replies >= before + 2);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rversion);
	CU_ASSERT_EQUAL(last(s)->tag, 3);
	CU_ASSERT_EQUAL(last(s)->Rversion.msize, 8192);
	CU_ASSERT(session_idle(s->session));
	stage_close(s);
}

static void locks_that_wait_leave_room_for_those_that_end_them(void)
{
	struct stage *s = stage_open_with((struct session_config){.reqs_max = 4});
	struct p9_msg held = lock_beside(9, P9_LOCK_WRLCK, 1);

	does(s, walk(0, 7, "f"));
	does(s, T(lopen, .fid = 7, .flags = 2));
	does(s, walk(0, 8, "f"));
	does(s, T(lopen, .fid = 8, .flags = 2));
	held.Tlock.fid = 8;
	does(s, held);
	for (uint16_t tag = 1; tag <= 4; tag++)
		submit(s, tag, lock_beside(tag, P9_LOCK_WRLCK, 1));
	for (uint16_t tag = 3; tag <= 4; tag++) {
		ask(s, tag);
		CU_ASSERT_EQUAL(last(s)->tag, tag);
		CU_ASSERT_EQUAL(last(s)->Rlock.status, P9_LOCK_BLOCKED);
	}
	held.Tlock.type = P9_LOCK_UNLCK;
	submit(s, 5, held);
	ask(s, 5);
	ask(s, 1);
	CU_ASSERT_EQUAL(last(s)->tag, 1);
	CU_ASSERT_EQUAL(last(s)->Rlock.status, P9_LOCK_SUCCESS);
	submit(s, 6, T(flush, .oldtag = 2));
	ask_all(s);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rflush);
	stage_close(s);
}

/* Rings hold a Tflush back until what the others have was taken. */
static void tag_of_a_flush_that_was_held_back_may_be_used_again(void)
{
	struct stage *s = stage_open();
	struct req *flush = arrive(s, 2, T(flush, .oldtag = 1));
	unsigned before = s->replies;

	submit(s, 2, T(getattr, .fid = 1));
	session_receive(flush);
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 1);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rgetattr);
	CU_ASSERT(session_idle(s->session));
	stage_close(s);
}

static void flush_that_was_held_back_is_about_the_request_before_it(void)
{
	struct stage *s = stage_open();
	struct req *flush;
	unsigned before = s->replies;

	submit(s, 1, T(read, .fid = 1, .count = 7));
	flush = arrive(s, 2, T(flush, .oldtag = 1));
	submit(s, 1, T(getattr, .fid = 1));
	session_receive(flush);
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 2);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rgetattr);
	CU_ASSERT(session_idle(s->session));
	stage_close(s);
}

/* Its request was in another ring, and is taken after it has come. */
static void flush_that_was_held_back_is_about_a_request_that_overtook_it(void)
{
	struct stage *s = stage_open();
	struct req *flush = arrive(s, 2, T(flush, .oldtag = 1));
	unsigned before = s->replies;

	submit(s, 1, T(read, .fid = 1, .count = 7));
	session_receive(flush);
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 1);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rflush);
	stage_close(s);
}

/* It waits for a reply to be sent. Meanwhile the tag is another's, and by another Tflush a third's.
 */
static void flush_that_waits_is_about_no_request_after_it(void)
{
	struct stage *s = stage_with_flush_of_a_reply();
	unsigned before = s->replies;

	s->hold_replies = false;
	submit(s, 1, T(read, .fid = 1, .count = 7));
	submit(s, 3, T(flush, .oldtag = 1));
	CU_ASSERT_EQUAL(last(s)->tag, 3);
	submit(s, 1, T(statfs, .fid = 0));
	let_go(s);
	CU_ASSERT_EQUAL(last(s)->tag, 2);
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 3);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rstatfs);
	CU_ASSERT(session_idle(s->session));
	stage_close(s);
}

static void tag_of_a_flush_that_a_version_silenced_may_be_used_again(void)
{
	struct stage *s = stage_open();
	struct req *flush = arrive(s, 2, T(flush, .oldtag = 1));
	unsigned before = s->replies;

	submit(s, P9_NOTAG, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	submit(s, 2,
	       T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	session_receive(flush);
	ask_all(s);
	CU_ASSERT_EQUAL(s->replies, before + 2);
	CU_ASSERT_EQUAL(last(s)->type, P9_Rattach);
	stage_close(s);
}

static const struct test tests[] = {
	{"locks_that_wait_leave_room_for_those_that_end_them",
	 locks_that_wait_leave_room_for_those_that_end_them},
	{"tag_of_a_flush_that_was_held_back_may_be_used_again",
	 tag_of_a_flush_that_was_held_back_may_be_used_again},
	{"flush_that_was_held_back_is_about_the_request_before_it",
	 flush_that_was_held_back_is_about_the_request_before_it},
	{"flush_that_was_held_back_is_about_a_request_that_overtook_it",
	 flush_that_was_held_back_is_about_a_request_that_overtook_it},
	{"flush_that_waits_is_about_no_request_after_it",
	 flush_that_waits_is_about_no_request_after_it},
	{"tag_of_a_flush_that_a_version_silenced_may_be_used_again",
	 tag_of_a_flush_that_a_version_silenced_may_be_used_again},
	{"replies_leave_in_the_order_in_which_asks_end",
	 replies_leave_in_the_order_in_which_asks_end},
	{"request_that_waited_leaves_no_fid_behind", request_that_waited_leaves_no_fid_behind},
	{"fid_in_use_outlives_its_clunk", fid_in_use_outlives_its_clunk},
	{"fids_beyond_the_budget_are_refused", fids_beyond_the_budget_are_refused},
	{"requests_beyond_the_budget_have_to_wait", requests_beyond_the_budget_have_to_wait},
	{"bytes_of_requests_beyond_the_budget_have_to_wait",
	 bytes_of_requests_beyond_the_budget_have_to_wait},
	{"attributes_beyond_the_budget_are_refused", attributes_beyond_the_budget_are_refused},
	{"attributes_read_beyond_the_budget_are_refused",
	 attributes_read_beyond_the_budget_are_refused},
	{"so_many_attributes_at_once_and_no_more", so_many_attributes_at_once_and_no_more},
	{"memory_of_many_large_requests_is_given_back",
	 memory_of_many_large_requests_is_given_back},
	{"nothing_is_evicted_where_handles_are_of_no_use",
	 nothing_is_evicted_where_handles_are_of_no_use},
	{"nodes_are_evicted_after_a_shortage", nodes_are_evicted_after_a_shortage},
	{"restored_handle_of_another_object_is_stale", restored_handle_of_another_object_is_stale},
	{"fids_whose_numbers_collide_are_told_apart", fids_whose_numbers_collide_are_told_apart},
	{"errors_that_are_none_for_clients_become_EIO",
	 errors_that_are_none_for_clients_become_EIO},
	{"read_whose_second_half_would_sleep_is_made_elsewhere",
	 read_whose_second_half_would_sleep_is_made_elsewhere},
	{"created_directory_that_somebody_replaces_is_ESTALE",
	 created_directory_that_somebody_replaces_is_ESTALE},
	{"errors_on_the_way_are_told", errors_on_the_way_are_told},
	{"user_who_is_not_served_is_told", user_who_is_not_served_is_told},
	{"long_listing_has_each_entry_once", long_listing_has_each_entry_once},
	{"lock_whose_owner_goes_while_it_is_asked_for_is_nobodys",
	 lock_whose_owner_goes_while_it_is_asked_for_is_nobodys},
	{"paused_session_answers_no_lock_that_waits", paused_session_answers_no_lock_that_waits},
	{"attribute_that_changes_while_it_is_read_shows_nothing_else",
	 attribute_that_changes_while_it_is_read_shows_nothing_else},
	{"reads_are_placed_where_the_storage_copies", reads_are_placed_where_the_storage_copies},
	{"write_is_made_from_where_its_data_stands", write_is_made_from_where_its_data_stands},
	{"bytes_behind_a_kept_write_are_not_written", bytes_behind_a_kept_write_are_not_written},
	{"write_that_needs_its_data_longer_is_copied", write_that_needs_its_data_longer_is_copied},
	{"kept_write_that_comes_to_nothing_gives_its_room_back",
	 kept_write_that_comes_to_nothing_gives_its_room_back},
	{"lockers_beyond_the_budget_are_refused", lockers_beyond_the_budget_are_refused},
	{"flushed_request_is_never_answered_and_leaves_nothing",
	 flushed_request_is_never_answered_and_leaves_nothing},
	{"flushed_open_does_not_leave_a_file_open", flushed_open_does_not_leave_a_file_open},
	{"flush_of_a_reply_that_waits_for_the_ring_follows_it",
	 flush_of_a_reply_that_waits_for_the_ring_follows_it},
	{"several_flushes_of_one_request_are_all_answered",
	 several_flushes_of_one_request_are_all_answered},
	{"second_request_with_a_tag_takes_it_over", second_request_with_a_tag_takes_it_over},
	{"version_behind_one_that_waits_is_answered", version_behind_one_that_waits_is_answered},
	{"version_silences_what_is_in_flight_and_drops_all_fids",
	 version_silences_what_is_in_flight_and_drops_all_fids},
	{"listings_of_one_fid_take_turns", listings_of_one_fid_take_turns},
	{"second_open_that_had_to_wait_is_refused", second_open_that_had_to_wait_is_refused},
	{"request_that_waits_for_a_fid_finds_it_clunked",
	 request_that_waits_for_a_fid_finds_it_clunked},
	{"flushed_request_that_waits_for_a_fid_is_dropped",
	 flushed_request_that_waits_for_a_fid_is_dropped},
	{"long_queue_of_a_fid_ends", long_queue_of_a_fid_ends},
	{"too_many_requests_are_not_taken_until_one_is_over",
	 too_many_requests_are_not_taken_until_one_is_over},
	{"large_replies_that_nobody_takes_are_bounded",
	 large_replies_that_nobody_takes_are_bounded},
	{"closed_session_drops_everything_and_becomes_idle",
	 closed_session_drops_everything_and_becomes_idle},
	{"nodes_of_replaced_fids_are_given_back", nodes_of_replaced_fids_are_given_back},
	{"request_that_killed_too_often_is_not_looked_at",
	 request_that_killed_too_often_is_not_looked_at},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "session", tests, countof(tests));
}
