/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_version.c - Tversion, Tauth, Tattach: how a session begins, and how it begins again.
 */
#include <string.h>
#include <sys/xattr.h>

#include "tests/protocol/harness.h"

static const struct p9_msg *version(struct conn *c, uint32_t msize, const char *text)
{
	const struct p9_msg *reply = call(c, T(version, .msize = msize, .version = p9_str(text)));

	if (reply->type == P9_Rversion)
		c->msize = reply->Rversion.msize;
	return reply;
}

static bool says(const struct p9_msg *reply, const char *text)
{
	return reply->type == P9_Rversion && reply->Rversion.version.text != NULL &&
	       strcmp(reply->Rversion.version.text, text) == 0;
}

/* The kinds of request that need a session, one each; Tflush has no error and is not here. */
static const uint8_t session_types[] = {
	P9_Tauth,     P9_Tattach,   P9_Twalk,	 P9_Tread,	  P9_Twrite,   P9_Tclunk,
	P9_Tremove,   P9_Tstatfs,   P9_Tlopen,	 P9_Tlcreate,	  P9_Tsymlink, P9_Tmknod,
	P9_Trename,   P9_Treadlink, P9_Tgetattr, P9_Tsetattr,	  P9_Treaddir, P9_Txattrwalk,
	P9_Tfsync,    P9_Tlock,	    P9_Tgetlock, P9_Txattrcreate, P9_Tlink,    P9_Tmkdir,
	P9_Trenameat, P9_Tunlinkat,
};

TEST(version_9P2000_L_is_agreed_on)
{
	struct conn *c = connect_only(w);
	const struct p9_msg *reply = version(c, 8192, "9P2000.L");

	check(says(reply, "9P2000.L"));
	equal(reply->Rversion.msize, 8192);
}

TEST(the_reply_to_a_version_with_NOTAG_has_NOTAG)
{
	struct conn *c = connect_only(w);

	send_msg(c, P9_NOTAG, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	equal(answer(c, P9_NOTAG)->type, P9_Rversion);
}

TEST(a_version_with_an_ordinary_tag_is_accepted)
{
	struct conn *c = connect_only(w);

	send_msg(c, 7, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	equal(answer(c, 7)->type, P9_Rversion);
}

TEST(the_bytes_of_a_version_exchange_are_those_of_the_specification)
{
	static const uint8_t request[] = "\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\0"
					 "9P2000.L";
	static const uint8_t reply[] = "\x15\0\0\0\x65\xff\xff\0\x20\0\0\x08\0"
				       "9P2000.L";
	struct conn *c = connect_only(w);

	send_bytes(c, request, sizeof(request) - 1);
	check(receive(c) != NULL);
	equal(memcmp(c->raw, reply, sizeof(reply) - 1), 0);
}

TEST(other_versions_are_answered_unknown)
{
	static const char *const others[] = {
		"", "9P2001", "9P2001.L", "9P200", "unknown", "9P2000x", "9", "9p2000.L", ".L", ".",
	};

	for (size_t i = 0; i < countof(others); i++) {
		struct conn *c = connect_only(w);
		const struct p9_msg *reply = version(c, 8192, others[i]);

		check_at(__FILE__, __LINE__, says(reply, "unknown"), "\"%s\" is not unknown",
			 others[i]);
		conn_forget(w, c);
	}
}

TEST(an_unknown_version_begins_no_session)
{
	struct conn *c = connect_only(w);

	check(says(version(c, 8192, "9P3000"), "unknown"));
	fails(c, EPROTO,
	      T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 0));
}

TEST(a_known_version_may_follow_an_unknown_one)
{
	struct conn *c = connect_only(w);

	version(c, 8192, "9P3000");
	check(says(version(c, 8192, "9P2000.L"), "9P2000.L"));
	ok(c, T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 0));
}

TEST(the_reply_never_has_more_than_the_asked_msize)
{
	static const uint32_t sizes[] = {4096, 4097, 8192, 65560, 131096, 524288, UINT32_MAX};
	struct conn *c = connect_only(w);

	for (size_t i = 0; i < countof(sizes); i++) {
		const struct p9_msg *reply = version(c, sizes[i], "9P2000.L");

		check(says(reply, "9P2000.L"));
		check(reply->Rversion.msize <= sizes[i]);
		check(reply->Rversion.msize >= 4096);
		check(reply->Rversion.msize <= P9_MSIZE_MAX);
	}
}

TEST(a_greater_msize_is_cut_to_the_configured_one)
{
	struct conn *c;

	serve(w, "--msize", "16384", NULL);
	c = connect_only(w);
	equal(version(c, 65536, "9P2000.L")->Rversion.msize, 16384);
}

TEST(a_smaller_msize_than_the_configured_one_is_kept)
{
	struct conn *c;

	serve(w, "--msize", "16384", NULL);
	c = connect_only(w);
	equal(version(c, 8192, "9P2000.L")->Rversion.msize, 8192);
}

TEST(an_msize_of_4096_is_accepted)
{
	struct conn *c = session_of(w, 4096);

	equal(c->msize, 4096);
	attr(c, ROOT);
}

static void refuses_msize(struct world *w, uint32_t msize)
{
	struct conn *c = connect_only(w);
	const struct p9_msg *reply = version(c, msize, "9P2000.L");

	c->msize = P9_MSIZE_MAX;
	check(reply->type == P9_Rlerror && reply->Rlerror.ecode == EMSGSIZE);
	fails(c, EPROTO,
	      T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 0));
}

TEST(an_msize_of_4095_is_refused)
{
	refuses_msize(w, 4095);
}

TEST(an_msize_of_0_is_refused)
{
	refuses_msize(w, 0);
}

TEST(an_msize_smaller_than_a_header_is_refused)
{
	refuses_msize(w, 6);
}

TEST(nothing_but_version_is_accepted_first)
{
	struct conn *c = connect_only(w);

	for (size_t i = 0; i < countof(session_types); i++)
		fails(c, EPROTO, (struct p9_msg){.type = session_types[i]});
	check(says(version(c, 8192, "9P2000.L"), "9P2000.L"));
}

TEST(nothing_but_attach_finds_a_fid_after_version)
{
	struct conn *c = connect_only(w);

	version(c, 8192, "9P2000.L");
	fails(c, EBADF, T(getattr, .fid = ROOT));
}

TEST(a_second_version_drops_all_fids)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	open_path(c, 2, "", L_RDONLY);
	version(c, 8192, "9P2000.L");
	fails(c, EBADF, T(getattr, .fid = ROOT));
	fails(c, EBADF, T(getattr, .fid = 1));
	fails(c, EBADF, T(getattr, .fid = 2));
}

TEST(a_session_can_be_used_after_a_second_version)
{
	struct conn *c = session(w);

	version(c, 8192, "9P2000.L");
	ok(c, T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 0));
	walk(c, ROOT, 1, "");
	attr(c, 1);
}

TEST(a_second_version_sets_the_msize_anew)
{
	struct conn *c = session_of(w, 4096);

	host_file_of_size(w, "f", 20000);
	equal(version(c, 16384, "9P2000.L")->Rversion.msize, 16384);
	ok(c, T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 0));
	open_path(c, 1, "f", L_RDONLY);
	equal(ok(c, T(read, .fid = 1, .count = 16000))->Rread.data.len, 16000);
	equal(version(c, 4096, "9P2000.L")->Rversion.msize, 4096);
	ok(c, T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 0));
	open_path(c, 1, "f", L_RDONLY);
	check(ok(c, T(read, .fid = 1, .count = 16000))->Rread.data.len <= 4096 - 11);
}

TEST(a_second_version_stores_nothing_of_an_unfinished_attribute)
{
	struct conn *c = session(w);
	char value[16];

	host_file(w, "f", "");
	if (!host_setxattr(w, "f", "user.probe", "1"))
		return;
	walk(c, ROOT, 1, "f");
	ok(c, T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 3));
	writes(c, 1, 0, "abc");
	version(c, 8192, "9P2000.L");
	equal(host_getxattr(w, "f", "user.a", value, sizeof(value)), -ENODATA);
}

TEST(a_second_version_releases_the_locks)
{
	struct conn *a = session(w), *b = session(w);
	struct p9_msg lock =
		T(lock, .fid = 1, .type = P9_LOCK_WRLCK, .proc_id = 1, .client_id = p9_str("a"));

	host_file(w, "f", "");
	open_path(a, 1, "f", L_RDWR);
	open_path(b, 1, "f", L_RDWR);
	equal(ok(a, lock)->Rlock.status, P9_LOCK_SUCCESS);
	version(a, 8192, "9P2000.L");
	lock.Tlock.proc_id = 2;
	equal(ok(b, lock)->Rlock.status, P9_LOCK_SUCCESS);
}

TEST(requests_before_a_version_are_not_answered_after_it)
{
	struct conn *c = session(w);
	const struct p9_msg *reply;
	unsigned answered = 0;

	host_file_of_size(w, "f", 60000);
	open_path(c, 1, "f", L_RDWR);
	for (uint16_t tag = 100; tag < 132; tag++)
		send_msg(c, tag, T(read, .fid = 1, .count = 60000));
	send_msg(c, 132, T(fsync, .fid = 1));
	send_msg(c, P9_NOTAG, T(version, .msize = MSIZE, .version = p9_str("9P2000.L")));
	do {
		reply = receive(c);
	} while (reply != NULL && reply->type != P9_Rversion && ++answered <= 33);
	check(reply != NULL && says(reply, "9P2000.L"));
	for (int i = 0; i < 20; i++)
		fails(c, EBADF, T(getattr, .fid = ROOT)); /* also: no strange tags */
}

TEST(many_versions_in_a_row_are_each_answered)
{
	struct conn *c = session(w);

	for (int i = 0; i < 100; i++)
		send_msg(c, P9_NOTAG, T(version, .msize = 8192, .version = p9_str("9P2000.L")));
	for (int i = 0; i < 100; i++)
		equal(answer(c, P9_NOTAG)->type, P9_Rversion);
}

TEST(connections_do_not_share_fids)
{
	struct conn *a = session(w), *b = session(w);

	walk(a, ROOT, 5, "");
	fails(b, EBADF, T(getattr, .fid = 5));
	clunk(b, ROOT);
	attr(a, ROOT);
}

TEST(connections_do_not_share_versions)
{
	struct conn *a = session(w), *b = connect_only(w);

	fails(b, EPROTO, T(getattr, .fid = ROOT));
	version(b, 8192, "9P2000.L");
	attr(a, ROOT);
}

TEST(connections_see_the_changes_of_each_other)
{
	struct conn *a = session(w), *b = session(w);

	ok(a, T(mkdir, .dfid = ROOT, .name = p9_str("d"), .mode = 0755, .gid = getegid()));
	walk(b, ROOT, 1, "d");
}

/* ---- Tauth ---- */

TEST(auth_is_ENOENT)
{
	struct conn *c = session(w);

	fails(c, ENOENT, T(auth, .afid = 9, .uname = p9_str("u"), .aname = p9_str("")));
	fails(c, EBADF, T(clunk, .fid = 9));
}

/* ---- Tattach ---- */

static struct p9_msg attach(uint32_t fid)
{
	return T(attach, .newfid = fid, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		 .n_uname = geteuid());
}

TEST(attach_gives_the_qid_of_the_root_directory)
{
	struct conn *c = session(w);
	struct p9_qid qid = ok(c, attach(1))->Rattach.qid;

	equal(qid.type, P9_QTDIR);
	check(same_qid(qid, attr(c, 1).qid));
	equal(attr(c, 1).mode, host_stat(w, ".").st_mode);
}

TEST(attach_takes_any_aname)
{
	static const char *const names[] = {"/", "root", "/no/such/place", "..", "x"};
	struct conn *c = session(w);
	struct p9_qid root = attr(c, ROOT).qid;

	for (uint32_t i = 0; i < countof(names); i++) {
		struct p9_msg m = attach(i + 1);

		m.Tattach.aname = p9_str(names[i]);
		check(same_qid(ok(c, m)->Rattach.qid, root));
	}
}

TEST(attach_takes_any_uname)
{
	struct conn *c = session(w);
	struct p9_msg m = attach(1);

	m.Tattach.uname = p9_str("somebody nobody knows");
	ok(c, m);
}

TEST(attach_takes_any_afid)
{
	static const uint32_t afids[] = {0, 1, 77, P9_NOFID};
	struct conn *c = session(w);

	for (uint32_t i = 0; i < countof(afids); i++) {
		struct p9_msg m = attach(i + 1);

		m.Tattach.afid = afids[i];
		ok(c, m);
	}
}

TEST(attach_takes_the_n_uname_that_says_nobody_knows)
{
	struct conn *c = session(w);
	struct p9_msg m = attach(1);

	m.Tattach.n_uname = P9_NONUNAME;
	ok(c, m);
	attr(c, 1);
}

TEST(many_attaches_give_the_same_qid)
{
	struct conn *c = session(w);
	struct p9_qid root = attr(c, ROOT).qid;

	for (uint32_t fid = 1; fid <= 100; fid++)
		check(same_qid(ok(c, attach(fid))->Rattach.qid, root));
}

TEST(an_attach_outlives_the_others)
{
	struct conn *c = session(w);

	ok(c, attach(1));
	clunk(c, ROOT);
	attr(c, 1);
	clunk(c, 1);
	ok(c, attach(1));
	attr(c, 1);
}

TEST(attach_to_a_fid_in_use_replaces_it)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	ok(c, attach(1));
	equal(attr(c, 1).qid.type, P9_QTDIR);
	clunk(c, 1);
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(attach_to_no_fid_is_EINVAL)
{
	struct conn *c = session(w);

	fails(c, EINVAL, attach(P9_NOFID));
	fails(c, EBADF, T(clunk, .fid = P9_NOFID));
}

TEST(attach_to_the_fid_of_an_attribute_is_EINVAL)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	ok(c, T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 1));
	fails(c, EINVAL, attach(1));
	writes(c, 1, 0, "x");
}

TEST(attach_to_an_open_fid_is_refused)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY);
	fails(c, EINVAL, attach(1));
	reads(c, 1, 0, "text");
}

TEST(new_objects_belong_to_the_uid_of_the_attach)
{
	struct conn *c = session(w);
	struct p9_msg m = attach(1);

	if (!need_root())
		return;
	m.Tattach.n_uname = 12345;
	ok(c, m);
	walk(c, 1, 2, "");
	ok(c, T(mkdir, .dfid = 2, .name = p9_str("d"), .mode = 0755, .gid = 54321));
	equal(host_stat(w, "d").st_uid, 12345);
	equal(host_stat(w, "d").st_gid, 54321);
}
