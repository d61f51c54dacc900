/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_malformed.c - bytes that are no request: what is answered with an error, what ends the
 * connection, and that neither harms another connection.
 */
#include <string.h>

#include "tests/protocol/harness.h"

/* One valid request of each kind on the fids of a prepared session; none is sent whole. */
static struct p9_msg sample(uint8_t type)
{
	switch (type) {
	case P9_Tauth:
		return T(auth, .afid = 9, .uname = p9_str("u"), .aname = p9_str("a"));
	case P9_Tattach:
		return T(attach, .newfid = 9, .afid = P9_NOFID, .uname = p9_str("u"),
			 .aname = p9_str("a"));
	case P9_Twalk:
		return T(walk, .fid = ROOT, .newfid = 9, .names = NAMES("d", "x"));
	case P9_Twrite:
		return T(write, .fid = 1, .data = data_of("longer", 6));
	case P9_Tlcreate:
		return T(lcreate, .fid = 2, .name = p9_str("new"), .mode = 0644);
	case P9_Tsymlink:
		return T(symlink, .dfid = 2, .name = p9_str("new"), .target = p9_str("target"));
	case P9_Tmknod:
		return T(mknod, .dfid = 2, .name = p9_str("new"), .mode = S_IFIFO);
	case P9_Trename:
		return T(rename, .fid = 1, .dfid = 2, .name = p9_str("new"));
	case P9_Txattrwalk:
		return T(xattrwalk, .fid = 1, .newfid = 9, .name = p9_str("user.a"));
	case P9_Txattrcreate:
		return T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 1);
	case P9_Tlock:
		return T(lock, .fid = 1, .client_id = p9_str("client"));
	case P9_Tgetlock:
		return T(getlock, .fid = 1, .client_id = p9_str("client"));
	case P9_Tlink:
		return T(link, .dfid = 2, .fid = 1, .name = p9_str("new"));
	case P9_Tmkdir:
		return T(mkdir, .dfid = 2, .name = p9_str("new"), .mode = 0755);
	case P9_Trenameat:
		return T(renameat, .olddirfid = ROOT, .oldname = p9_str("f"), .newdirfid = 2,
			 .newname = p9_str("new"));
	case P9_Tunlinkat:
		return T(unlinkat, .dfid = ROOT, .name = p9_str("f"));
	case P9_Tclunk:
	case P9_Tremove:
	case P9_Tfsync:
		return (struct p9_msg){.type = type, .Tfsync.fid = 1};
	default: /* those that begin with a fid and go on with numbers */
		return (struct p9_msg){.type = type, .Tgetattr.fid = 1};
	}
}

static bool is_request(uint8_t type)
{
	return p9_name(type) != NULL && p9_name(type)[0] == 'T';
}

static struct conn *prepared(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	host_dir(w, "d");
	open_path(c, 1, "f", L_RDWR);
	walk(c, ROOT, 2, "d");
	return c;
}

static void nothing_happened(struct world *w, struct conn *c)
{
	host_holds(w, "f", "text");
	check(host_has(w, "d"));
	check(!host_has(w, "d/new"));
	fails(c, EBADF, T(clunk, .fid = 9));
	reads(c, 1, 0, "text");
	equal(attr(c, 2).qid.type, P9_QTDIR);
}

/* ---- short bodies ---- */

static bool is_served(uint8_t type)
{
	return type != P9_Topen && type != P9_Tcreate && type != P9_Tstat && type != P9_Twstat;
}

/* A type that is not in this dialect may be told as that. */
static bool is_refusal(const struct p9_msg *reply, uint8_t type)
{
	uint32_t error = reply->Rlerror.ecode;

	return reply->type == P9_Rlerror &&
	       (error == EINVAL || error == EPROTO || (error == EOPNOTSUPP && !is_served(type)));
}

static void refused_when_cut(struct conn *c, uint8_t type)
{
	struct raw whole = raw_of(sample(type), 77);
	const struct p9_msg *reply;

	for (size_t size = P9_HEADER_SIZE; size < whole.size; size++) {
		struct raw cut = whole;

		if (type == P9_Tfsync && size == 11)
			continue; /* the old form */
		cut.size = size;
		raw_send(c, &cut);
		reply = answer(c, 77);
		check_at(__FILE__, __LINE__, is_refusal(reply, type),
			 "%s cut to %zu bytes: type %u ecode %u", p9_name(type), size, reply->type,
			 reply->Rlerror.ecode);
	}
}

TEST(a_request_that_is_cut_is_refused_and_the_session_goes_on)
{
	struct conn *c = prepared(w);

	for (unsigned type = 0; type < 256; type++) {
		if (is_request((uint8_t)type) && type != P9_Tversion && type != P9_Tflush)
			refused_when_cut(c, (uint8_t)type);
	}
	nothing_happened(w, c);
}

TEST(a_version_that_is_cut_begins_no_session)
{
	for (size_t size = P9_HEADER_SIZE; size < 21; size += 2) {
		struct conn *c = connect_only(w);
		struct raw raw =
			raw_of(T(version, .msize = 8192, .version = p9_str("9P2000.L")), 1);
		const struct p9_msg *reply;

		raw.size = size;
		raw_send(c, &raw);
		reply = receive(c);
		check(reply == NULL || reply->type == P9_Rlerror);
		conn_forget(w, c);
	}
	attr(session(w), ROOT);
}

TEST(a_string_longer_than_the_message_is_refused)
{
	struct conn *c = prepared(w);
	struct raw raw = raw_begin(P9_Tmkdir, 7);

	raw_int(&raw, 2, 4);
	raw_int(&raw, 0xffff, 2);
	raw_int(&raw, 'n' | 'e' << 8 | 'w' << 16, 3);
	raw_int(&raw, 0755, 4);
	raw_int(&raw, 0, 4);
	raw_send(c, &raw);
	equal(answer(c, 7)->type, P9_Rlerror);
	nothing_happened(w, c);
}

static void write_with_count(struct world *w, uint32_t count)
{
	struct conn *c = prepared(w);
	struct raw raw = raw_begin(P9_Twrite, 7);

	raw_int(&raw, 1, 4);
	raw_int(&raw, 0, 8);
	raw_int(&raw, count, 4);
	raw_int(&raw, 'n' | 'e' << 8 | 'w' << 16, 3);
	raw_send(c, &raw);
	equal(answer(c, 7)->type, P9_Rlerror);
	nothing_happened(w, c);
}

TEST(a_write_of_more_than_the_message_has_is_refused)
{
	write_with_count(w, 4);
}

TEST(a_write_of_4_GiB_is_refused)
{
	write_with_count(w, UINT32_MAX);
}

TEST(a_write_whose_count_wraps_is_refused)
{
	write_with_count(w, UINT32_MAX - 22);
}

TEST(a_walk_of_more_names_than_the_message_has_is_refused)
{
	struct conn *c = prepared(w);
	struct raw raw = raw_begin(P9_Twalk, 7);

	raw_int(&raw, ROOT, 4);
	raw_int(&raw, 9, 4);
	raw_int(&raw, 2, 2);
	raw_str(&raw, "d");
	raw_send(c, &raw);
	equal(answer(c, 7)->type, P9_Rlerror);
	nothing_happened(w, c);
}

TEST(a_walk_of_65535_names_is_refused)
{
	struct conn *c = prepared(w);
	struct raw raw = raw_begin(P9_Twalk, 7);

	raw_int(&raw, ROOT, 4);
	raw_int(&raw, 9, 4);
	raw_int(&raw, 0xffff, 2);
	raw_send(c, &raw);
	equal(answer(c, 7)->type, P9_Rlerror);
	nothing_happened(w, c);
}

/* ---- long bodies ---- */

TEST(bytes_behind_the_last_field_are_ignored)
{
	struct conn *c = prepared(w);
	struct raw raw = raw_begin(P9_Tgetattr, 7);

	raw_int(&raw, 1, 4);
	raw_int(&raw, 0x7ff, 8);
	raw_int(&raw, 0x1122334455667788, 8);
	raw_send(c, &raw);
	equal(answer(c, 7)->type, P9_Rgetattr);
	attr(c, 1);
}

/* A message of this size that is a Tgetattr of ROOT at its beginning. */
static void send_padded(struct conn *c, uint32_t size)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, size);
	struct raw raw = raw_of(T(getattr, .fid = ROOT), 7);

	memcpy(bytes, raw.bytes, raw.size);
	for (unsigned i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(size >> (8 * i));
	send_bytes(c, bytes, size);
}

TEST(a_request_of_the_whole_msize_is_accepted)
{
	struct conn *c = session_of(w, 8192);

	send_padded(c, 8192);
	equal(answer(c, 7)->type, P9_Rgetattr);
	attr(c, ROOT);
}

TEST(a_request_larger_than_the_msize_ends_the_connection)
{
	struct conn *c = session_of(w, 8192), *other = session(w);

	send_padded(c, 8193);
	check(conn_is_dropped(c));
	attr(other, ROOT);
	attr(session(w), ROOT);
}

static void size_ends_the_connection(struct world *w, uint32_t size)
{
	struct conn *c = session(w), *other = session(w);
	struct raw raw = raw_begin(P9_Tgetattr, 7);

	raw_int(&raw, ROOT, 4);
	raw_int(&raw, 0, 8);
	for (unsigned i = 0; i < 4; i++)
		raw.bytes[i] = (uint8_t)(size >> (8 * i));
	send_bytes(c, raw.bytes, raw.size);
	check(conn_is_dropped(c));
	attr(other, ROOT);
	attr(session(w), ROOT);
}

TEST(a_size_of_0_ends_the_connection)
{
	size_ends_the_connection(w, 0);
}

TEST(a_size_of_4_ends_the_connection)
{
	size_ends_the_connection(w, 4);
}

TEST(a_size_of_6_ends_the_connection)
{
	size_ends_the_connection(w, 6);
}

TEST(a_size_of_2_GiB_ends_the_connection)
{
	size_ends_the_connection(w, 0x80000000);
}

TEST(a_size_of_4_GiB_ends_the_connection)
{
	size_ends_the_connection(w, UINT32_MAX);
}

TEST(a_wild_size_before_version_ends_the_connection)
{
	struct conn *c = connect_only(w), *other = session(w);

	send_bytes(c, "\xff\xff\xff\x7f\x64\xff\xff", 7);
	check(conn_is_dropped(c));
	attr(other, ROOT);
}

TEST(a_client_that_leaves_within_a_message_stops_no_other)
{
	struct conn *c = session(w), *other = session(w);

	send_bytes(c, "\x40\0\0", 3);
	conn_close(c);
	c = session(w);
	send_bytes(c, "\x40\0\0\0\x76\x01\0\0\0", 9);
	conn_close(c);
	attr(other, ROOT);
	attr(session(w), ROOT);
}

TEST(a_client_that_sends_nothing_stops_no_other)
{
	struct conn *c = connect_only(w);

	attr(session(w), ROOT);
	check(c->fd >= 0);
}

TEST(a_dropped_connection_releases_its_fids)
{
	struct conn *c = session(w), *other = session(w);
	struct p9_msg lock =
		T(lock, .fid = 1, .type = P9_LOCK_WRLCK, .proc_id = 1, .client_id = p9_str("g"));

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDWR);
	open_path(other, 1, "f", L_RDWR);
	equal(ok(c, lock)->Rlock.status, P9_LOCK_SUCCESS);
	send_bytes(c, "\0\0\0\0\0\0\0", 7);
	check(conn_is_dropped(c));
	lock.Tlock.proc_id = 2;
	check(is_granted_in_the_end(other, lock));
}

/* ---- types ---- */

static void is_not_supported(struct conn *c, uint8_t type, size_t body)
{
	struct raw raw = raw_begin(type, 7);
	const struct p9_msg *reply;

	for (size_t i = 0; i < body; i++)
		raw_int(&raw, 0, 1);
	raw_send(c, &raw);
	reply = answer(c, 7);
	check_at(__FILE__, __LINE__,
		 reply->type == P9_Rlerror && reply->Rlerror.ecode == EOPNOTSUPP,
		 "type %u with %zu bytes: type %u ecode %u", type, body, reply->type,
		 reply->Rlerror.ecode);
}

TEST(all_other_types_are_EOPNOTSUPP)
{
	struct conn *c = prepared(w);

	for (unsigned type = 0; type < 256; type++) {
		if (!is_request((uint8_t)type))
			is_not_supported(c, (uint8_t)type, 0);
	}
	nothing_happened(w, c);
}

TEST(all_other_types_with_a_body_are_EOPNOTSUPP)
{
	struct conn *c = prepared(w);

	for (unsigned type = 0; type < 256; type++) {
		if (!is_request((uint8_t)type))
			is_not_supported(c, (uint8_t)type, 200);
	}
	nothing_happened(w, c);
}

/* ---- NUL in a string, where no other file looks at it ---- */

TEST(rename_and_attach_and_lock_refuse_NUL)
{
	struct p9_str bad = str_of("a\0b", 3);
	struct conn *c = prepared(w);

	fails(c, EINVAL, T(attach, .newfid = 9, .afid = P9_NOFID, .uname = bad));
	fails(c, EINVAL, T(attach, .newfid = 9, .afid = P9_NOFID, .aname = bad));
	fails(c, EINVAL, T(lock, .fid = 1, .client_id = bad));
	fails(c, EINVAL, T(getlock, .fid = 1, .client_id = bad));
	nothing_happened(w, c);
}

TEST(a_version_with_NUL_begins_no_session)
{
	struct conn *c = connect_only(w);
	const struct p9_msg *reply;

	reply = call(c, T(version, .msize = 8192, .version = str_of("9P2000.L\0", 9)));
	check(reply->type != P9_Rversion || strcmp(reply->Rversion.version.text, "unknown") == 0);
	if (reply->type != 0)
		fails_somehow(c, T(attach, .newfid = ROOT, .afid = P9_NOFID));
	attr(session(w), ROOT);
}

/* ---- noise ---- */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Any type but Tversion, a body of random bytes of which some are small numbers. */
static struct raw random_request(uint32_t *state, uint16_t tag)
{
	uint8_t type = (uint8_t)next_random(state);
	struct raw raw;
	size_t body;

	while (type == P9_Tversion)
		type = (uint8_t)next_random(state);
	raw = raw_begin(type, tag);
	body = next_random(state) % 100;
	while (raw.size < body + P9_HEADER_SIZE) {
		if (next_random(state) % 3 == 0)
			raw_int(&raw, next_random(state), 1);
		else
			raw_int(&raw, next_random(state) % 4, 4);
	}
	return raw;
}

TEST(every_request_of_random_bytes_is_answered)
{
	struct conn *c = prepared(w);
	uint32_t state = 1;

	for (uint16_t i = 0; i < 3000 && c->fd >= 0; i++) {
		struct raw raw = random_request(&state, i);

		raw_send(c, &raw);
		answer(c, i);
	}
	check(c->fd >= 0);
	attr(session(w), ROOT);
}

TEST(random_bytes_end_the_connection_at_most)
{
	uint32_t state = 7;
	uint8_t bytes[512];

	for (int round = 0; round < 50; round++) {
		struct conn *c = connect_only(w);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)next_random(&state);
		send_bytes(c, bytes, sizeof(bytes));
		conn_forget(w, c);
	}
	attr(session(w), ROOT);
}
