/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_flush.c - Tflush and tags: an Rflush always comes, and nothing of the old request after
 * it; a tag used twice is answered as the newer request.
 */
#include <stdio.h>
#include <string.h>

#include "tests/protocol/harness.h"

static struct p9_msg flush(uint16_t tag)
{
	return T(flush, .oldtag = tag);
}

static struct conn *reader(struct world *w)
{
	struct conn *c = session(w);

	host_file_of_size(w, "f", 60000);
	open_path(c, 1, "f", L_RDWR);
	return c;
}

static struct p9_msg large_read(void)
{
	return T(read, .fid = 1, .count = 60000);
}

TEST(flush_of_an_unknown_tag_is_answered)
{
	struct conn *c = session(w);

	ok(c, flush(12345));
	ok(c, flush(0));
	ok(c, flush(P9_NOTAG));
}

TEST(flush_of_its_own_tag_is_answered)
{
	struct conn *c = session(w);

	send_msg(c, 7, flush(7));
	equal(answer(c, 7)->type, P9_Rflush);
	attr(c, ROOT);
}

TEST(flush_of_a_finished_request_is_answered)
{
	struct conn *c = session(w);

	send_msg(c, 7, T(getattr, .fid = ROOT));
	equal(answer(c, 7)->type, P9_Rgetattr);
	ok(c, flush(7));
	ok(c, flush(7));
}

TEST(flush_of_a_flush_is_answered)
{
	struct conn *c = session(w);

	send_msg(c, 7, flush(6));
	send_msg(c, 8, flush(7));
	equal(answer(c, 7)->type, P9_Rflush);
	equal(answer(c, 8)->type, P9_Rflush);
}

TEST(flushes_of_each_other_are_answered)
{
	struct conn *c = session(w);
	unsigned tags = 0;

	send_msg(c, 1, flush(2));
	send_msg(c, 2, flush(1));
	for (int i = 0; i < 2; i++) {
		const struct p9_msg *reply = receive(c);

		check(reply != NULL && reply->type == P9_Rflush);
		tags += reply != NULL ? reply->tag : 0;
	}
	equal(tags, 3);
}

TEST(flush_of_a_version_is_answered)
{
	struct conn *c = session(w);

	send_msg(c, P9_NOTAG, T(version, .msize = MSIZE, .version = p9_str("9P2000.L")));
	send_msg(c, 7, flush(P9_NOTAG));
	equal(answer(c, P9_NOTAG)->type, P9_Rversion);
	equal(answer(c, 7)->type, P9_Rflush);
}

TEST(flush_that_is_too_short_is_answered)
{
	struct conn *c = session(w);
	struct raw raw = raw_begin(P9_Tflush, 7);
	const struct p9_msg *reply;

	raw_send(c, &raw);
	reply = answer(c, 7);
	check(reply->type == P9_Rflush || reply->type == P9_Rlerror);
	attr(c, ROOT);
}

/* Sends the request as tag 100 and flushes it. Whether it was answered, and that it was not
 * after its Rflush: the tag is used again, and its answer must be that of a Tgetattr. */
static bool flushed(struct conn *c, struct p9_msg m, bool *answered)
{
	const struct p9_msg *reply;

	send_msg(c, 100, m);
	send_msg(c, 101, flush(100));
	reply = receive(c);
	*answered = reply != NULL && reply->tag == 100;
	if (*answered)
		reply = receive(c);
	if (reply == NULL || reply->tag != 101 || reply->type != P9_Rflush)
		return false;
	send_msg(c, 100, T(getattr, .fid = ROOT));
	return answer(c, 100)->type == P9_Rgetattr;
}

TEST(a_flushed_read_is_answered_before_the_flush_or_never)
{
	struct conn *c = reader(w);
	bool answered;

	for (int i = 0; i < 100; i++)
		check(flushed(c, large_read(), &answered));
}

TEST(a_flushed_write_is_answered_before_the_flush_or_never)
{
	struct conn *c = reader(w);
	bool answered;

	for (int i = 0; i < 100; i++)
		check(flushed(c, T(write, .fid = 1, .data = data_of("text", 4)), &answered));
}

TEST(a_flushed_fsync_is_answered_before_the_flush_or_never)
{
	struct conn *c = reader(w);
	bool answered;

	for (int i = 0; i < 10; i++) {
		writes(c, 1, 0, "text");
		check(flushed(c, T(fsync, .fid = 1), &answered));
	}
}

TEST(a_flushed_lock_is_answered_before_the_flush_or_never)
{
	struct conn *c = reader(w), *other = session(w);
	struct p9_msg m = T(lock, .fid = 1, .type = P9_LOCK_WRLCK, .flags = P9_LOCK_BLOCK,
			    .proc_id = 1, .client_id = p9_str("g"));
	bool answered;

	open_path(other, 1, "f", L_RDWR);
	equal(ok(other, m)->Rlock.status, P9_LOCK_SUCCESS);
	m.Tlock.proc_id = 2;
	for (int i = 0; i < 20; i++)
		check(flushed(c, m, &answered));
}

TEST(a_flushed_walk_makes_its_fid_only_when_answered)
{
	struct conn *c = reader(w);
	bool answered;

	for (uint32_t i = 0; i < 100; i++) {
		check(flushed(c, T(walk, .fid = ROOT, .newfid = 200 + i, .names = NAMES("f")),
			      &answered));
		equal(errno_of(c, T(getattr, .fid = 200 + i)), answered ? 0 : EBADF);
	}
}

TEST(a_flushed_attach_makes_its_fid_only_when_answered)
{
	struct conn *c = reader(w);
	bool answered;

	for (uint32_t i = 0; i < 50; i++) {
		check(flushed(c,
			      T(attach, .newfid = 200 + i, .afid = P9_NOFID, .uname = p9_str(""),
				.aname = p9_str(""), .n_uname = geteuid()),
			      &answered));
		equal(errno_of(c, T(getattr, .fid = 200 + i)), answered ? 0 : EBADF);
	}
}

TEST(a_flushed_xattrwalk_makes_its_fid_only_when_answered)
{
	struct conn *c = reader(w);
	bool answered;

	for (uint32_t i = 0; i < 100; i++) {
		check(flushed(c, T(xattrwalk, .fid = 1, .newfid = 200 + i, .name = p9_str("")),
			      &answered));
		equal(errno_of(c, T(clunk, .fid = 200 + i)), answered ? 0 : EBADF);
	}
}

TEST(a_flushed_open_opens_its_fid_only_when_answered)
{
	struct conn *c = reader(w);
	bool answered;

	for (int i = 0; i < 100; i++) {
		walk(c, ROOT, 5, "f");
		check(flushed(c, T(lopen, .fid = 5, .flags = L_RDONLY), &answered));
		equal(errno_of(c, T(read, .fid = 5, .count = 1)), answered ? 0 : EBADF);
		clunk(c, 5);
	}
}

TEST(a_flushed_create_turns_its_fid_only_when_answered)
{
	struct conn *c = reader(w);
	bool answered;
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "new-%d", i);
		walk(c, ROOT, 5, "");
		check(flushed(c,
			      T(lcreate, .fid = 5, .name = p9_str(name), .flags = L_RDWR,
				.mode = 0644, .gid = getegid()),
			      &answered));
		equal(attr(c, 5).qid.type, answered ? P9_QTFILE : P9_QTDIR);
		clunk(c, 5);
	}
}

TEST(a_flushed_walk_in_place_moves_its_fid_only_when_answered)
{
	struct conn *c = reader(w);
	bool answered;

	for (int i = 0; i < 100; i++) {
		walk(c, ROOT, 5, "");
		check(flushed(c, T(walk, .fid = 5, .newfid = 5, .names = NAMES("f")), &answered));
		equal(attr(c, 5).qid.type, answered ? P9_QTFILE : P9_QTDIR);
		clunk(c, 5);
	}
}

TEST(a_flushed_remove_ends_its_fid)
{
	struct conn *c = reader(w);
	bool answered;

	for (int i = 0; i < 50; i++) {
		host_file(w, "g", "");
		walk(c, ROOT, 5, "g");
		check(flushed(c, T(remove, .fid = 5), &answered));
		fails(c, EBADF, T(clunk, .fid = 5));
		if (answered)
			check(!host_has(w, "g"));
	}
}

TEST(a_flushed_clunk_leaves_the_fid_usable_or_gone)
{
	struct conn *c = reader(w);
	bool answered;
	int error;

	for (int i = 0; i < 50; i++) {
		walk(c, ROOT, 5, "f");
		check(flushed(c, T(clunk, .fid = 5), &answered));
		error = errno_of(c, T(clunk, .fid = 5));
		check(error == EBADF || (error == 0 && !answered));
	}
}

TEST(several_flushes_of_one_request_are_each_answered)
{
	struct conn *c = reader(w);
	const struct p9_msg *reply;
	uint16_t expected = 101;
	bool answered = false;

	send_msg(c, 100, large_read());
	for (uint16_t tag = 101; tag <= 105; tag++)
		send_msg(c, tag, flush(100));
	while (expected <= 105 && (reply = receive(c)) != NULL) {
		if (reply->tag == 100) {
			check(!answered && expected <= 105);
			answered = true;
			continue;
		}
		equal(reply->type, P9_Rflush);
		equal(reply->tag, expected);
		expected++;
	}
	attr(c, ROOT);
}

TEST(flush_of_one_of_many_stops_no_other)
{
	struct conn *c = reader(w);
	const struct p9_msg *reply;
	unsigned reads = 0, others = 0;
	bool flush_seen = false;

	for (uint16_t tag = 100; tag < 164; tag++)
		send_msg(c, tag, large_read());
	send_msg(c, 200, flush(150));
	while ((reads < 63 || !flush_seen) && others < 100 && (reply = receive(c)) != NULL) {
		if (reply->tag == 200)
			flush_seen = true;
		else if (reply->tag == 150)
			check(!flush_seen);
		else
			reads += reply->type == P9_Rread;
		others += reply->type != P9_Rread;
	}
	equal(reads, 63);
	check(flush_seen);
	attr(c, ROOT);
}

TEST(flushes_of_many_requests_settle_each)
{
	struct conn *c = reader(w);
	bool settled[64] = {false};
	const struct p9_msg *reply;
	unsigned flushes = 0;

	for (uint16_t i = 0; i < 64; i++)
		send_msg(c, (uint16_t)(100 + i), large_read());
	for (uint16_t i = 0; i < 64; i++)
		send_msg(c, (uint16_t)(200 + i), flush((uint16_t)(100 + i)));
	while (flushes < 64 && (reply = receive(c)) != NULL) {
		if (reply->type == P9_Rflush) {
			check(reply->tag >= 200 && reply->tag < 264);
			settled[reply->tag % 100 % 64] = true;
			flushes++;
		} else {
			check(reply->tag >= 100 && reply->tag < 164);
			check(!settled[(reply->tag - 100) % 64]);
		}
	}
	equal(flushes, 64);
	attr(c, ROOT);
}

/* ---- a tag used twice ---- */

TEST(a_tag_used_twice_is_not_answered_wrongly)
{
	struct conn *c = reader(w);
	const struct p9_msg *reply;
	unsigned count = 0;
	uint8_t last = 0;

	for (int round = 0; round < 50; round++, count = 0) {
		send_msg(c, 5, large_read());
		send_msg(c, 5, T(getattr, .fid = ROOT));
		send_msg(c, 6, flush(5));
		while ((reply = receive(c)) != NULL && reply->tag == 5) {
			count++;
			last = reply->type;
		}
		check(reply != NULL && reply->type == P9_Rflush);
		check(count <= 2);
		if (count == 2)
			equal(last, P9_Rgetattr);
	}
	attr(c, ROOT);
}

TEST(the_newer_request_of_a_tag_used_twice_is_answered)
{
	struct conn *c = reader(w);
	const struct p9_msg *reply;

	for (int round = 0; round < 50; round++) {
		send_msg(c, 5, large_read());
		send_msg(c, 5, T(getattr, .fid = ROOT));
		reply = receive(c);
		if (reply != NULL && reply->type == P9_Rread)
			reply = receive(c);
		check(reply != NULL && reply->tag == 5 && reply->type == P9_Rgetattr);
	}
	attr(c, ROOT);
}

TEST(all_tags_may_be_used)
{
	static const uint16_t tags[] = {0, 1, 0x7fff, 0x8000, 0xfffe};
	struct conn *c = session(w);

	for (size_t i = 0; i < countof(tags); i++) {
		send_msg(c, tags[i], T(getattr, .fid = ROOT));
		equal(answer(c, tags[i])->type, P9_Rgetattr);
	}
}
