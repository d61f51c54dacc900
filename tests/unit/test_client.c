/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_client.c - the client against a server that is only a script: as tags are predictable,
 * the replies are put into a socketpair before the client asks for them.
 */
#include "proto/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/util.h"
#include "tests/lib/test.h"

static struct client *client;
static int server; /* the other end */

static void start(void)
{
	struct client_transport *transport;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 ||
	    client_socket_open(fds[0], &transport) != 0 || client_open(transport, &client) != 0)
		abort();
	server = fds[1];
	client_set_timeout(client, 2000);
}

static enum p9_dialect dialect; /* of the server */

static void stop(void)
{
	dialect = P9_L;
	client_close(client);
	close(server);
}

static void reply(uint16_t tag, struct p9_msg msg)
{
	uint8_t buf[16384];
	int size;

	msg.tag = tag;
	size = p9_encode(&msg, dialect, buf, sizeof(buf));
	CU_ASSERT_TRUE(size > 0 && write(server, buf, (size_t)size) == size);
}

static void reply_bytes(const void *bytes, size_t size)
{
	CU_ASSERT_EQUAL(write(server, bytes, size), (ssize_t)size);
}

static void reply_error(uint16_t tag, uint32_t ecode)
{
	reply(tag, (struct p9_msg){.type = P9_Rlerror, .Rlerror = {.ecode = ecode}});
}

static void reply_data(uint16_t tag, uint8_t type, const char *text)
{
	struct p9_msg msg = {.type = type};

	msg.Rread.data.bytes = text;
	msg.Rread.data.len = (uint32_t)strlen(text);
	reply(tag, msg);
}

static void reply_walk(uint16_t tag, uint16_t count)
{
	struct p9_msg msg = {.type = P9_Rwalk, .Rwalk = {.qids = {.count = count}}};

	reply(tag, msg);
}

/* Takes the next request that the client sent. */
static struct p9_msg request(void)
{
	static uint8_t buf[16384];
	struct p9_msg msg = {.type = 0};
	uint32_t size = 0;

	if (recv(server, &size, 4, MSG_PEEK | MSG_DONTWAIT) == 4 && size <= sizeof(buf) &&
	    recv(server, buf, size, MSG_WAITALL) == (ssize_t)size)
		CU_ASSERT_EQUAL(p9_decode(&msg, dialect, buf, size), 0);
	return msg;
}

static uint16_t send_read(uint32_t count)
{
	struct p9_msg msg = {.type = P9_Tread, .Tread = {.fid = 0, .count = count}};

	CU_ASSERT_EQUAL(client_send(client, &msg), 0);
	return msg.tag;
}

/* ---- versions ---- */

static int negotiate(uint32_t msize, const char *version)
{
	struct p9_msg msg = {.type = P9_Rversion, .Rversion = {msize, p9_str(version)}};

	reply(P9_NOTAG, msg);
	return client_version(client, 65536);
}

static void version_carries_no_tag_and_sets_msize(void)
{
	struct p9_msg msg;

	start();
	CU_ASSERT_EQUAL(negotiate(16384, "9P2000.L"), 0);
	CU_ASSERT_EQUAL(client_msize(client), 16384);
	msg = request();
	CU_ASSERT_EQUAL(msg.type, P9_Tversion);
	CU_ASSERT_EQUAL(msg.tag, P9_NOTAG);
	CU_ASSERT_EQUAL(msg.Tversion.msize, 65536);
	stop();
}

static void version_answers_that_linux_refuses_are_errors(void)
{
	start();
	CU_ASSERT_EQUAL(negotiate(16384, "unknown"), -EREMOTEIO);
	CU_ASSERT_EQUAL(negotiate(4095, "9P2000.L"), -EREMOTEIO);
	CU_ASSERT_EQUAL(negotiate(65537, "9P2000.L"), -EPROTO);
	CU_ASSERT_EQUAL(negotiate(65536, "9P2000.L"), 0);
	stop();
}

static void begin_in(enum p9_dialect spoken, const char *version)
{
	start();
	client_speak(client, spoken);
	CU_ASSERT_EQUAL(negotiate(8192, version), 0);
	CU_ASSERT_STRING_EQUAL(request().Tversion.version.text, version);
	dialect = spoken;
}

static int result_of(struct p9_msg answer)
{
	struct p9_msg msg = {.type = P9_Tclunk}, got;

	reply(0, answer);
	return client_rpc(client, &msg, &got);
}

static struct p9_msg rerror(const char *text, uint32_t ecode)
{
	return (struct p9_msg){.type = P9_Rerror, .Rerror = {p9_str(text), ecode}};
}

static void a_version_must_be_the_one_asked_for(void)
{
	start();
	client_speak(client, P9_U);
	CU_ASSERT_EQUAL(negotiate(8192, "9P2000.L"), -EREMOTEIO);
	CU_ASSERT_EQUAL(negotiate(8192, "9P2000"), -EREMOTEIO);
	CU_ASSERT_EQUAL(negotiate(8192, "9P2000.u"), 0);
	stop();
}

static void u_errors_are_their_numbers(void)
{
	begin_in(P9_U, "9P2000.u");
	CU_ASSERT_EQUAL(result_of(rerror("whatever", ENOENT)), -ENOENT);
	CU_ASSERT_EQUAL(result_of(rerror("Permission denied", 512)), -EPROTO);
	stop();
}

static void plain_errors_are_their_texts(void)
{
	begin_in(P9_PLAIN, "9P2000");
	CU_ASSERT_EQUAL(result_of(rerror("Directory not empty", 0)), -ENOTEMPTY);
	CU_ASSERT_EQUAL(result_of(rerror("no idea", 0)), -EPROTO);
	stop();
}

static void an_error_of_another_dialect_is_none(void)
{
	begin_in(P9_U, "9P2000.u");
	CU_ASSERT_EQUAL(
		result_of((struct p9_msg){.type = P9_Rlerror, .Rlerror = {.ecode = ENOENT}}),
		-EPROTO);
	stop();
	begin_in(P9_L, "9P2000.L");
	CU_ASSERT_EQUAL(result_of(rerror("No such file or directory", ENOENT)), -EPROTO);
	stop();
}

static void an_error_text_is_no_longer_than_linux_has_room(void)
{
	char text[P9_ERROR_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[P9_ERROR_MAX + 1] = '\0';
	begin_in(P9_U, "9P2000.u");
	CU_ASSERT_EQUAL(result_of(rerror(text, ENOENT)), -EPROTO);
	text[P9_ERROR_MAX] = '\0';
	CU_ASSERT_EQUAL(result_of(rerror(text, ENOENT)), -ENOENT);
	stop();
}

static void version_forgets_requests_and_fids(void)
{
	start();
	send_read(10);
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	CU_ASSERT_EQUAL(client_in_flight(client), 1);
	CU_ASSERT_EQUAL(negotiate(8192, "9P2000.L"), 0);
	CU_ASSERT_EQUAL(client_in_flight(client), 0);
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	stop();
}

/* ---- replies and tags ---- */

static void replies_may_come_out_of_order(void)
{
	const char *text[] = {"zero", "one", "two"};
	struct p9_msg msg;

	start();
	for (uint16_t tag = 0; tag < 3; tag++)
		CU_ASSERT_EQUAL(send_read(100), tag);
	reply_data(2, P9_Rread, text[2]);
	reply_data(0, P9_Rread, text[0]);
	reply_data(1, P9_Rread, text[1]);
	for (uint16_t tag = 0; tag < 3; tag++) {
		CU_ASSERT_EQUAL(client_await(client, tag, &msg), 0);
		CU_ASSERT_EQUAL(msg.Rread.data.len, strlen(text[tag]));
		CU_ASSERT_EQUAL(memcmp(msg.Rread.data.bytes, text[tag], strlen(text[tag])), 0);
	}
	CU_ASSERT_EQUAL(client_in_flight(client), 0);
	stop();
}

static void recv_gives_replies_as_they_come(void)
{
	struct p9_msg msg;

	start();
	send_read(100);
	send_read(100);
	CU_ASSERT_EQUAL(client_recv(client, &msg, 0), -ETIMEDOUT);
	reply_data(1, P9_Rread, "b");
	reply_data(0, P9_Rread, "a");
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), 0);
	CU_ASSERT_EQUAL(msg.tag, 1);
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), 0);
	CU_ASSERT_EQUAL(msg.tag, 0);
	stop();
}

static void the_lowest_free_tag_is_used(void)
{
	struct p9_msg msg;

	start();
	for (int i = 0; i < 100; i++)
		send_read(1);
	reply_data(70, P9_Rread, "");
	reply_data(3, P9_Rread, "");
	CU_ASSERT_EQUAL(client_await(client, 70, &msg), 0);
	CU_ASSERT_EQUAL(client_await(client, 3, &msg), 0);
	CU_ASSERT_EQUAL(send_read(1), 3);
	CU_ASSERT_EQUAL(send_read(1), 70);
	CU_ASSERT_EQUAL(send_read(1), 100);
	stop();
}

static void the_lowest_free_fid_is_used(void)
{
	start();
	for (uint32_t fid = 0; fid < 200; fid++)
		CU_ASSERT_EQUAL(client_fid_new(client), fid);
	client_fid_free(client, 150);
	client_fid_free(client, 7);
	CU_ASSERT_EQUAL(client_fid_new(client), 7);
	CU_ASSERT_EQUAL(client_fid_new(client), 150);
	stop();
}

static void a_message_may_come_in_pieces(void)
{
	const uint8_t bytes[] = {14, 0, 0, 0, P9_Rread, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c'};
	struct p9_msg msg;

	start();
	send_read(10);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		CU_ASSERT_EQUAL(client_recv(client, &msg, 0), -ETIMEDOUT);
		reply_bytes(bytes + i, 1);
	}
	CU_ASSERT_EQUAL(client_recv(client, &msg, 0), 0);
	CU_ASSERT_EQUAL(msg.Rread.data.len, 3);
	stop();
}

/* ---- what a server must not do ---- */

static void a_wrong_tag_is_refused(void)
{
	struct p9_msg msg;

	start();
	send_read(10);
	reply_data(5, P9_Rread, "x");
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), -EPROTO);
	CU_ASSERT_EQUAL(msg.tag, 5);
	/* Whoever waits hears of it, also when he waits for another one. */
	reply_data(6, P9_Rread, "x");
	CU_ASSERT_EQUAL(client_await(client, 0, &msg), -EPROTO);
	reply_data(0, P9_Rread, "x");
	CU_ASSERT_EQUAL(client_await(client, 0, &msg), 0);
	stop();
}

static void a_second_reply_is_refused(void)
{
	struct p9_msg msg;

	start();
	send_read(10);
	reply_data(0, P9_Rread, "x");
	reply_data(0, P9_Rread, "x");
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), 0);
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), -EPROTO);
	stop();
}

static void a_wrong_type_is_refused(void)
{
	char buf[10];

	start();
	reply(0, (struct p9_msg){.type = P9_Rclunk});
	CU_ASSERT_EQUAL(client_read(client, 0, 0, buf, sizeof(buf)), -EPROTO);
	reply_data(0, P9_Rread, "again");
	CU_ASSERT_EQUAL(client_read(client, 0, 0, buf, sizeof(buf)), 5);
	stop();
}

static void more_data_than_asked_is_refused(void)
{
	char buf[4];

	start();
	reply_data(0, P9_Rread, "12345");
	CU_ASSERT_EQUAL(client_read(client, 0, 0, buf, sizeof(buf)), -EPROTO);
	reply_data(0, P9_Rread, "1234");
	CU_ASSERT_EQUAL(client_read(client, 0, 0, buf, sizeof(buf)), 4);
	stop();
}

static void more_qids_than_names_are_refused(void)
{
	uint32_t fid;

	start();
	reply_walk(0, 2);
	CU_ASSERT_EQUAL(client_walk(client, 0, "a", &fid), -EPROTO);
	stop();
}

static void a_reply_shorter_than_its_fields_is_refused(void)
{
	const uint8_t bytes[] = {12, 0, 0, 0, P9_Rread, 0, 0, 9, 0, 0, 0, 'a'};
	char buf[16];

	start();
	reply_bytes(bytes, sizeof(bytes));
	CU_ASSERT_EQUAL(client_read(client, 0, 0, buf, sizeof(buf)), -EPROTO);
	stop();
}

static void impossible_sizes_are_refused(void)
{
	const uint8_t small[] = {6, 0, 0, 0, P9_Rread, 0, 0};
	const uint8_t large[] = {0, 0, 32, 1, P9_Rread, 0, 0};
	struct p9_msg msg;

	start();
	send_read(10);
	reply_bytes(small, sizeof(small));
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), -EPROTO);
	stop();
	start();
	send_read(10);
	reply_bytes(large, sizeof(large));
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), -EPROTO);
	stop();
}

static void errors_are_errno_and_nothing_else(void)
{
	start();
	reply_error(0, ENOENT);
	CU_ASSERT_EQUAL(client_lopen(client, 0, 0), -ENOENT);
	reply_error(0, 0);
	CU_ASSERT_EQUAL(client_lopen(client, 0, 0), -EPROTO);
	reply_error(0, 4096);
	CU_ASSERT_EQUAL(client_lopen(client, 0, 0), -EPROTO);
	stop();
}

static void silence_is_a_timeout_and_a_late_reply_is_dropped(void)
{
	struct p9_msg msg;

	start();
	client_set_timeout(client, 20);
	CU_ASSERT_EQUAL(client_lopen(client, 0, 0), -ETIMEDOUT);
	CU_ASSERT_EQUAL(client_in_flight(client), 1);
	reply_error(0, EIO);
	CU_ASSERT_EQUAL(client_recv(client, &msg, 20), -ETIMEDOUT);
	CU_ASSERT_EQUAL(client_in_flight(client), 0);
	stop();
}

static void a_lost_connection_is_told(void)
{
	start();
	shutdown(server, SHUT_RDWR);
	CU_ASSERT_EQUAL(client_lopen(client, 0, 0), -ENOTCONN);
	stop();
}

/* ---- flush ---- */

static void a_flushed_request_may_have_been_answered_or_not(void)
{
	struct p9_msg msg;
	uint16_t tag;

	start();
	tag = send_read(10);
	reply(1, (struct p9_msg){.type = P9_Rflush});
	CU_ASSERT_EQUAL(client_flush(client, tag, &msg), 0);
	CU_ASSERT_EQUAL(client_in_flight(client), 0);

	tag = send_read(10);
	CU_ASSERT_EQUAL(tag, 0);
	reply_data(0, P9_Rread, "ok");
	reply(1, (struct p9_msg){.type = P9_Rflush});
	CU_ASSERT_EQUAL(client_flush(client, tag, &msg), 1);
	CU_ASSERT_EQUAL(msg.type, P9_Rread);
	CU_ASSERT_EQUAL(client_in_flight(client), 0);
	stop();
}

static void a_reply_after_its_flush_is_refused(void)
{
	struct p9_msg msg;

	start();
	send_read(10);
	reply(1, (struct p9_msg){.type = P9_Rflush});
	reply_data(0, P9_Rread, "late");
	CU_ASSERT_EQUAL(client_flush(client, 0, &msg), 0);
	CU_ASSERT_EQUAL(client_recv(client, &msg, 1000), -EPROTO);
	stop();
}

/* ---- the calls ---- */

static void long_walks_go_on_in_place(void)
{
	struct p9_msg msg;
	uint32_t fid = 99;

	start();
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	reply_walk(0, 16);
	reply_walk(0, 2);
	CU_ASSERT_EQUAL(client_walk(client, 0, "/1/2/3/4/5/6/7//8/9/a/b/c/d/e/f/g/h/i/", &fid), 0);
	CU_ASSERT_EQUAL(fid, 1);
	msg = request();
	CU_ASSERT_EQUAL(msg.Twalk.fid, 0);
	CU_ASSERT_EQUAL(msg.Twalk.newfid, 1);
	CU_ASSERT_EQUAL(msg.Twalk.names.count, 16);
	CU_ASSERT_STRING_EQUAL(msg.Twalk.names.name[15].text, "g");
	msg = request();
	CU_ASSERT_EQUAL(msg.Twalk.fid, 1);
	CU_ASSERT_EQUAL(msg.Twalk.newfid, 1);
	CU_ASSERT_EQUAL(msg.Twalk.names.count, 2);
	stop();
}

static void a_walk_that_ends_half_way_makes_no_fid(void)
{
	uint32_t fid;

	start();
	reply_walk(0, 1);
	CU_ASSERT_EQUAL(client_walk(client, 5, "a/b", &fid), -ENOENT);
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	stop();
}

static void a_clunked_fid_is_free_even_after_an_error(void)
{
	start();
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	reply_error(0, EIO);
	CU_ASSERT_EQUAL(client_clunk(client, 0), -EIO);
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	stop();
}

static void writes_are_cut_to_msize_and_must_advance(void)
{
	static const uint8_t data[10000];
	struct p9_msg msg = {.type = P9_Rwrite, .Rwrite = {.count = 8168}};

	start();
	reply(0, msg);
	msg.Rwrite.count = 1832;
	reply(0, msg);
	CU_ASSERT_EQUAL(client_write_all(client, 0, 5, data, sizeof(data)), 0);
	msg = request();
	CU_ASSERT_EQUAL(msg.Twrite.data.len, 8168);
	msg = request();
	CU_ASSERT_EQUAL(msg.Twrite.offset, 5 + 8168);
	CU_ASSERT_EQUAL(msg.Twrite.data.len, 1832);

	reply(0, (struct p9_msg){.type = P9_Rwrite});
	CU_ASSERT_EQUAL(client_write_all(client, 0, 5, data, 1), -EPROTO);
	stop();
}

static void reply_entry(uint64_t offset, const char *name)
{
	struct p9_dirent entry = {.offset = offset, .type = 8, .name = p9_str(name)};
	struct p9_msg msg = {.type = P9_Rreaddir};
	uint8_t buf[512];

	msg.Rreaddir.data.bytes = buf;
	msg.Rreaddir.data.len = (uint32_t)p9_dirent_put(&entry, buf, sizeof(buf));
	reply(0, msg);
}

static int collect(void *arg, const struct p9_dirent *entry)
{
	strcat(arg, entry->name.text);
	return 0;
}

static void directories_are_read_to_their_end(void)
{
	char names[100] = "";
	struct p9_msg msg;

	start();
	reply_entry(7, "one,");
	reply_entry(9, "two");
	reply_data(0, P9_Rreaddir, "");
	CU_ASSERT_EQUAL(client_readdir(client, 0, collect, names), 0);
	CU_ASSERT_STRING_EQUAL(names, "one,two");
	request();
	msg = request();
	CU_ASSERT_EQUAL(msg.Treaddir.offset, 7);
	stop();
}

static void a_directory_that_never_ends_is_refused(void)
{
	char names[100] = "";

	start();
	reply_entry(7, "one");
	reply_entry(7, "one");
	CU_ASSERT_EQUAL(client_readdir(client, 0, collect, names), -EPROTO);
	stop();
}

static void setting_an_attribute_has_the_result_of_its_clunk(void)
{
	start();
	reply_walk(0, 0);
	reply(0, (struct p9_msg){.type = P9_Rxattrcreate});
	reply(0, (struct p9_msg){.type = P9_Rwrite, .Rwrite = {.count = 3}});
	reply_error(0, EEXIST);
	CU_ASSERT_EQUAL(client_setxattr(client, 0, "user.a", "abc", 3, P9_XATTR_CREATE), -EEXIST);
	CU_ASSERT_EQUAL(client_fid_new(client), 0);
	stop();
}

static void attributes_are_read_whole(void)
{
	char value[10];

	start();
	reply(0, (struct p9_msg){.type = P9_Rxattrwalk, .Rxattrwalk = {.size = 3}});
	reply_data(0, P9_Rread, "abc");
	reply(0, (struct p9_msg){.type = P9_Rclunk});
	CU_ASSERT_EQUAL(client_getxattr(client, 0, "user.a", value, sizeof(value)), 3);
	CU_ASSERT_EQUAL(memcmp(value, "abc", 3), 0);
	stop();
}

static void a_link_target_has_to_fit(void)
{
	struct p9_msg msg = {.type = P9_Rreadlink, .Rreadlink = {.target = p9_str("../a b")}};
	char target[8];

	start();
	reply(0, msg);
	CU_ASSERT_EQUAL(client_readlink(client, 0, target, sizeof(target)), 0);
	CU_ASSERT_STRING_EQUAL(target, "../a b");
	reply(0, msg);
	CU_ASSERT_EQUAL(client_readlink(client, 0, target, 6), -ERANGE);
	stop();
}

/* ---- a transport with several lanes that is full until somebody takes a reply ---- */

struct narrow {
	struct client_transport transport;
	unsigned sent, taken;
	unsigned lane[8];
};

static void narrow_close(struct client_transport *transport)
{
	(void)transport;
}

/* Room for one request. */
static int narrow_send(struct client_transport *transport, unsigned lane, const void *msg,
		       size_t size)
{
	struct narrow *narrow = container_of(transport, struct narrow, transport);

	(void)msg, (void)size;
	if (narrow->sent > narrow->taken)
		return -EAGAIN;
	narrow->lane[narrow->sent++] = lane;
	return 0;
}

static ssize_t narrow_recv(struct client_transport *transport, void *buf, size_t size)
{
	struct narrow *narrow = container_of(transport, struct narrow, transport);
	struct p9_msg msg = {.type = P9_Rclunk, .tag = (uint16_t)narrow->taken};

	if (narrow->taken == narrow->sent)
		return -EAGAIN;
	narrow->taken++;
	return p9_encode(&msg, P9_L, buf, size);
}

static int narrow_wait(struct client_transport *transport, int timeout_ms)
{
	(void)transport, (void)timeout_ms;
	return -ETIMEDOUT;
}

static const struct client_transport_ops narrow_ops = {
	.close = narrow_close,
	.send = narrow_send,
	.recv = narrow_recv,
	.wait = narrow_wait,
};

static void replies_are_taken_while_there_is_no_room_to_send(void)
{
	struct narrow narrow = {.transport = {&narrow_ops, 2, 65536}};
	struct p9_msg msg;

	CU_ASSERT_EQUAL(client_open(&narrow.transport, &client), 0);
	for (int i = 0; i < 4; i++) {
		msg = (struct p9_msg){.type = P9_Tclunk};
		CU_ASSERT_EQUAL(client_send(client, &msg), 0);
	}
	CU_ASSERT_EQUAL(narrow.taken, 3);
	/* A tag whose reply is still to be collected is not free. */
	CU_ASSERT_EQUAL(msg.tag, 3);
	for (uint16_t tag = 0; tag < 4; tag++) {
		CU_ASSERT_EQUAL(client_recv(client, &msg, 0), 0);
		CU_ASSERT_EQUAL(msg.tag, tag);
	}
	CU_ASSERT_EQUAL(client_in_flight(client), 0);
	client_close(client);
}

static void the_tag_chooses_the_lane(void)
{
	struct narrow narrow = {.transport = {&narrow_ops, 2, 65536}, .taken = 8};
	struct p9_msg msg = {.type = P9_Tversion, .Tversion = {8192, p9_str("x")}};

	CU_ASSERT_EQUAL(client_open(&narrow.transport, &client), 0);
	CU_ASSERT_EQUAL(client_send(client, &msg), 0);
	for (int i = 0; i < 3; i++) {
		msg = (struct p9_msg){.type = P9_Tclunk};
		CU_ASSERT_EQUAL(client_send(client, &msg), 0);
	}
	CU_ASSERT_EQUAL(narrow.lane[0], 1);
	CU_ASSERT_EQUAL(narrow.lane[1], 0);
	CU_ASSERT_EQUAL(narrow.lane[2], 1);
	CU_ASSERT_EQUAL(narrow.lane[3], 0);
	client_close(client);
}

#define TEST(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test tests[] = {
	TEST(version_carries_no_tag_and_sets_msize),
	TEST(version_answers_that_linux_refuses_are_errors),
	TEST(version_forgets_requests_and_fids),
	TEST(a_version_must_be_the_one_asked_for),
	TEST(u_errors_are_their_numbers),
	TEST(plain_errors_are_their_texts),
	TEST(an_error_of_another_dialect_is_none),
	TEST(an_error_text_is_no_longer_than_linux_has_room),
	TEST(replies_may_come_out_of_order),
	TEST(recv_gives_replies_as_they_come),
	TEST(the_lowest_free_tag_is_used),
	TEST(the_lowest_free_fid_is_used),
	TEST(a_message_may_come_in_pieces),
	TEST(a_wrong_tag_is_refused),
	TEST(a_second_reply_is_refused),
	TEST(a_wrong_type_is_refused),
	TEST(more_data_than_asked_is_refused),
	TEST(more_qids_than_names_are_refused),
	TEST(a_reply_shorter_than_its_fields_is_refused),
	TEST(impossible_sizes_are_refused),
	TEST(errors_are_errno_and_nothing_else),
	TEST(silence_is_a_timeout_and_a_late_reply_is_dropped),
	TEST(a_lost_connection_is_told),
	TEST(a_flushed_request_may_have_been_answered_or_not),
	TEST(a_reply_after_its_flush_is_refused),
	TEST(long_walks_go_on_in_place),
	TEST(a_walk_that_ends_half_way_makes_no_fid),
	TEST(a_clunked_fid_is_free_even_after_an_error),
	TEST(writes_are_cut_to_msize_and_must_advance),
	TEST(directories_are_read_to_their_end),
	TEST(a_directory_that_never_ends_is_refused),
	TEST(setting_an_attribute_has_the_result_of_its_clunk),
	TEST(attributes_are_read_whole),
	TEST(a_link_target_has_to_fit),
	TEST(replies_are_taken_while_there_is_no_room_to_send),
	TEST(the_tag_chooses_the_lane),
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "client", tests, countof(tests));
}
