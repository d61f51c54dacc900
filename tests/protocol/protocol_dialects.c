/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_dialects.c - which dialect is agreed on, what is legal in it, how it tells errors, and
 * what a further Tversion leaves.
 */
#include <string.h>

#include "tests/protocol/harness.h"

static struct p9_msg attach(uint32_t fid)
{
	return T(attach, .newfid = fid, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		 .n_uname = geteuid());
}

/* Mini-OS: nobody else attaches so. */
static struct p9_msg stub_attach(uint32_t fid)
{
	return T(attach, .newfid = fid, .afid = 0, .uname = p9_str("root"), .aname = p9_str("root"),
		 .n_uname = 0);
}

static struct p9_msg version_of(const char *text)
{
	return T(version, .msize = 8192, .version = p9_str(text));
}

static void agrees_on(struct world *w, const char *asked, const char *answer_text)
{
	struct conn *c = connect_only(w);
	const struct p9_msg *reply = ok(c, version_of(asked));

	check_at(__FILE__, __LINE__, same_str(reply->Rversion.version, answer_text),
		 "\"%s\" is not answered \"%s\"", asked, answer_text);
	equal(reply->Rversion.msize, 8192);
	conn_forget(w, c);
}

TEST(each_dialect_is_agreed_on)
{
	agrees_on(w, "9P2000.L", "9P2000.L");
	agrees_on(w, "9P2000.u", "9P2000.u");
	agrees_on(w, "9P2000", "9P2000");
}

TEST(a_suffix_that_is_not_known_is_cut_off)
{
	static const char *const suffixed[] = {"9P2000.foo", "9P2000.l", "9P2000.U",	"9P2000.",
					       "9P2000.L ",  "9P2000..", "9P2000.foo.u"};

	for (size_t i = 0; i < countof(suffixed); i++)
		agrees_on(w, suffixed[i], "9P2000");
	agrees_on(w, "9P2000.L.Google.7", "9P2000.L");
	agrees_on(w, "9P2000.u.x", "9P2000.u");
}

TEST_IN_BOTH(a_small_msize_is_EMSGSIZE_in_the_form_of_the_dialect_asked_for)
{
	struct conn *c = connect_only(w);

	c->dialect = dialect;
	fails(c, EMSGSIZE,
	      T(version, .msize = 4095,
		.version = p9_str(dialect == P9_U ? P9_VERSION_U : P9_VERSION_PLAIN)));
}

TEST_IN_BOTH(an_msize_of_4096_is_enough)
{
	struct conn *c = session_in(w, dialect, 4096);

	equal(c->msize, 4096);
	stat_of(c, ROOT);
}

TEST_IN_BOTH(msize_is_cut_to_the_configured_one)
{
	serve(w, "--msize", "16384", NULL);
	equal(session_in(w, dialect, 65536)->msize, 16384);
}

/* ---- what is legal ---- */

static bool is_one(uint8_t type, const uint8_t *types, size_t count)
{
	return memchr(types, type, count) != NULL;
}

/* A request that is well-formed in each dialect, of fids that do not exist. */
static struct p9_msg sample(uint8_t type)
{
	struct p9_msg m = {.type = type};

	if (type == P9_Twstat)
		m.Twstat.stat = untouched();
	return m;
}

static void serves_just(struct conn *c, const uint8_t *types, size_t count)
{
	for (unsigned type = 8; type < 128; type += 2) {
		const char *name = p9_name((uint8_t)type);
		bool served = is_one((uint8_t)type, types, count);
		struct p9_msg m = sample((uint8_t)type);
		int error;

		if (name == NULL || name[0] != 'T' || type == P9_Tversion || type == P9_Tauth)
			continue;
		error = errno_of(c, m);
		check_at(__FILE__, __LINE__, error >= 0 && (error != EOPNOTSUPP) == served,
			 "%s gives error %d", name, error);
	}
}

static const uint8_t classic[] = {
	P9_Tattach, P9_Tflush, P9_Twalk,   P9_Tread, P9_Twrite, P9_Tclunk,
	P9_Tremove, P9_Topen,  P9_Tcreate, P9_Tstat, P9_Twstat,
};

TEST_IN_BOTH(just_the_messages_of_the_dialect_are_served)
{
	serves_just(session_in(w, dialect, MSIZE), classic, countof(classic));
}

TEST(L_serves_none_of_the_older_dialects_messages)
{
	static const uint8_t linux_only[] = {
		P9_Tattach,   P9_Tflush,     P9_Twalk,	      P9_Tread,	    P9_Twrite,
		P9_Tclunk,    P9_Tremove,    P9_Tstatfs,      P9_Tlopen,    P9_Tlcreate,
		P9_Tsymlink,  P9_Tmknod,     P9_Trename,      P9_Treadlink, P9_Tgetattr,
		P9_Tsetattr,  P9_Txattrwalk, P9_Txattrcreate, P9_Treaddir,  P9_Tfsync,
		P9_Tlock,     P9_Tgetlock,   P9_Tlink,	      P9_Tmkdir,    P9_Trenameat,
		P9_Tunlinkat,
	};

	serves_just(session(w), linux_only, countof(linux_only));
}

TEST_IN_BOTH(types_that_do_not_exist_are_EOPNOTSUPP)
{
	static const uint8_t types[] = {0,   2,	  6,   7,   99,	 101, 103,
					106, 107, 111, 125, 127, 128, 255};
	struct conn *c = session_in(w, dialect, MSIZE);

	for (size_t i = 0; i < countof(types); i++) {
		struct raw raw = raw_begin(types[i], 5);

		raw_send(c, &raw);
		equal(error_in(c, answer(c, 5)), EOPNOTSUPP);
	}
	stat_of(c, ROOT);
}

TEST_IN_BOTH(auth_is_ENOENT)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	fails(c, ENOENT, T(auth, .afid = 9, .uname = p9_str("u"), .aname = p9_str("")));
}

TEST_IN_BOTH(unknown_fids_are_EBADF)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	fails(c, EBADF, T(stat, .fid = 9));
	fails(c, EBADF, T(wstat, .fid = 9, .stat = untouched()));
	fails(c, EBADF, T(open, .fid = 9));
	fails(c, EBADF, T(create, .fid = 9, .name = p9_str("x")));
	fails(c, EBADF, T(read, .fid = 9, .count = 1));
	fails(c, EBADF, T(clunk, .fid = 9));
	fails(c, EBADF, T(remove, .fid = 9));
}

static void refused_when_cut(struct conn *c, struct p9_msg m)
{
	struct raw whole = raw_in(c->dialect, m, 77);

	for (size_t size = P9_HEADER_SIZE; size < whole.size; size++) {
		struct raw cut = whole;

		cut.size = size;
		raw_send(c, &cut);
		check_at(__FILE__, __LINE__, error_in(c, answer(c, 77)) == EINVAL,
			 "%s cut to %zu bytes", p9_name(m.type), size);
	}
}

TEST_IN_BOTH(requests_that_are_cut_are_refused_and_the_session_goes_on)
{
	struct conn *c = session_in(w, dialect, MSIZE);
	struct p9_stat stat = untouched();

	stat.name = p9_str("new");
	refused_when_cut(c, T(attach, .newfid = 5, .uname = p9_str("u"), .aname = p9_str("a")));
	refused_when_cut(c, T(open, .fid = ROOT));
	refused_when_cut(c,
			 T(create, .fid = ROOT, .name = p9_str("new"), .extension = p9_str("e")));
	refused_when_cut(c, T(stat, .fid = ROOT));
	refused_when_cut(c, T(wstat, .fid = ROOT, .stat = stat));
	check(!host_has(w, "new"));
	stat_of(c, ROOT);
}

/* ---- errors ---- */

TEST(u_tells_errors_as_text_and_number)
{
	struct conn *c = session_in(w, P9_U, MSIZE);
	const struct p9_msg *reply =
		call(c, T(walk, .fid = ROOT, .newfid = 1, .names = NAMES("missing")));

	equal(reply->type, P9_Rerror);
	check(same_str(reply->Rerror.ename, "No such file or directory"));
	equal(reply->Rerror.ecode, ENOENT);
}

TEST(plain_tells_errors_as_text_alone)
{
	static const uint8_t bytes[] = "\x22\0\0\0\x6b\x07\0\x19\0No such file or directory";
	struct conn *c = session_in(w, P9_PLAIN, MSIZE);

	send_msg(c, 7, T(walk, .fid = ROOT, .newfid = 1, .names = NAMES("missing")));
	equal(answer(c, 7)->type, P9_Rerror);
	equal(memcmp(c->raw, bytes, sizeof(bytes) - 1), 0);
}

TEST_IN_BOTH(common_errors_are_told_as_linux_looks_them_up)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "text");
	host_dir(w, "full");
	host_file(w, "full/x", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, T(walk, .fid = 1, .newfid = 2, .names = NAMES("x")));
	fails(c, ENAMETOOLONG,
	      T(walk, .fid = ROOT, .newfid = 2, .names = NAMES(long_name('n', 256))));
	fails(c, EBADF, T(read, .fid = 1, .count = 1));
	fails(c, EINVAL, T(open, .fid = 1, .mode = 0x08));
	walk(c, ROOT, 2, "full");
	fails(c, ENOTEMPTY, T(remove, .fid = 2));
	fails(c, EBUSY, T(remove, .fid = ROOT));
}

/* ---- attach ---- */

TEST(plain_attach_has_no_n_uname)
{
	static const uint8_t bytes[] = "\x13\0\0\0\x68\x05\0\x05\0\0\0\xff\xff\xff\xff\0\0\0\0";
	struct conn *c = session_in(w, P9_PLAIN, MSIZE);

	send_bytes(c, bytes, sizeof(bytes) - 1);
	equal(answer(c, 5)->type, P9_Rattach);
	check(same_qid(stat_of(c, 5).qid, stat_of(c, ROOT).qid));
}

TEST(u_attach_without_n_uname_is_refused)
{
	static const uint8_t bytes[] = "\x13\0\0\0\x68\x05\0\x05\0\0\0\xff\xff\xff\xff\0\0\0\0";
	struct conn *c = session_in(w, P9_U, MSIZE);

	send_bytes(c, bytes, sizeof(bytes) - 1);
	equal(error_in(c, answer(c, 5)), EINVAL);
}

static uid_t maker(struct world *w, enum p9_dialect dialect, const char *uname, uint32_t n_uname)
{
	struct conn *c = session_in(w, dialect, MSIZE);
	uid_t uid;

	ok(c, T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str(uname), .aname = p9_str(""),
		.n_uname = n_uname));
	ok(c, T(create, .fid = 1, .name = p9_str("f"), .perm = 0644, .mode = P9_OWRITE));
	uid = host_stat(w, "f").st_uid;
	host_unlink(w, "f");
	return uid;
}

TEST(objects_belong_to_the_attached_user)
{
	if (!need_root())
		return;
	equal(maker(w, P9_U, "", 12345), 12345);
	equal(maker(w, P9_U, "777", 12345), 12345);
	equal(maker(w, P9_PLAIN, "777", 0), 777);
	equal(maker(w, P9_PLAIN, "glenda", 0), 0);
	equal(maker(w, P9_PLAIN, "77x", 0), 0);
	equal(maker(w, P9_PLAIN, "4294967295", 0), 0);
}

/* ---- a further Tversion ---- */

TEST_IN_BOTH(a_second_version_drops_all_fids)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "text");
	topen(c, 1, "f", P9_OREAD);
	ok(c, version_of(dialect == P9_U ? P9_VERSION_U : P9_VERSION_PLAIN));
	fails(c, EBADF, T(stat, .fid = ROOT));
	fails(c, EBADF, T(stat, .fid = 1));
	ok(c, attach(ROOT));
	stat_of(c, ROOT);
}

TEST(a_second_version_may_choose_another_dialect)
{
	struct conn *c = session_in(w, P9_U, MSIZE);

	ok(c, version_of("9P2000.L"));
	c->dialect = P9_L;
	ok(c, attach(ROOT));
	attr(c, ROOT);
	fails(c, EOPNOTSUPP, T(stat, .fid = ROOT));
	ok(c, version_of("9P2000"));
	c->dialect = P9_PLAIN;
	ok(c, attach(ROOT));
	stat_of(c, ROOT);
	fails(c, EOPNOTSUPP, T(getattr, .fid = ROOT));
}

static struct conn *stub_session(struct world *w)
{
	struct conn *c = connect_only(w);

	ok(c, version_of("9P2000.u"));
	c->dialect = P9_U;
	ok(c, stub_attach(0));
	return c;
}

TEST(a_mini_os_that_was_replaced_goes_on_with_its_root)
{
	struct conn *c = stub_session(w);
	uint64_t root = stat_of(c, 0).qid.path;

	host_file(w, "f", "text");
	send_msg(c, 9, version_of("9P2000.u"));
	equal(answer(c, 9)->type, P9_Rversion);
	equal(stat_of(c, 0).qid.path, root);
	walk(c, 0, 1, "f");
	ok(c, T(open, .fid = 1, .mode = P9_OREAD));
	reads(c, 1, 0, "text");
}

TEST(of_a_mini_os_no_other_fid_stays)
{
	struct conn *c = stub_session(w);

	host_file(w, "f", "text");
	walk(c, 0, 1, "f");
	walk(c, 0, 2, "");
	topen(c, 3, "f", P9_ORDWR);
	ok(c, version_of("9P2000.u"));
	fails(c, EBADF, T(stat, .fid = 1));
	fails(c, EBADF, T(stat, .fid = 2));
	topen(c, 3, "f", P9_OREAD);
}

TEST(a_mini_os_may_be_replaced_many_times)
{
	struct conn *c = stub_session(w);

	for (int i = 0; i < 5; i++)
		ok(c, version_of("9P2000.u"));
	stat_of(c, 0);
}

TEST(a_mini_os_may_attach_after_its_version)
{
	struct conn *c = stub_session(w);

	ok(c, version_of("9P2000.u"));
	ok(c, stub_attach(0));
	stat_of(c, 0);
}

static void does_not_stay(struct world *w, struct p9_msg attach_msg, const char *version)
{
	struct conn *c = connect_only(w);

	ok(c, version_of("9P2000.u"));
	c->dialect = P9_U;
	ok(c, attach_msg);
	ok(c, version_of(version));
	if (strcmp(version, "9P2000.L") == 0) {
		c->dialect = P9_L;
		fails(c, EBADF, T(getattr, .fid = 0));
	} else {
		fails(c, EBADF, T(stat, .fid = 0));
	}
	conn_forget(w, c);
}

TEST(no_root_stays_that_was_attached_otherwise)
{
	struct p9_msg m = stub_attach(0);

	m.Tattach.afid = P9_NOFID;
	does_not_stay(w, m, "9P2000.u");
	m = stub_attach(0);
	m.Tattach.uname = p9_str("nobody");
	does_not_stay(w, m, "9P2000.u");
	m = stub_attach(0);
	m.Tattach.aname = p9_str("");
	does_not_stay(w, m, "9P2000.u");
}

TEST(no_root_stays_in_another_dialect)
{
	does_not_stay(w, stub_attach(0), "9P2000.L");
}

TEST(no_root_stays_after_an_unknown_version)
{
	struct conn *c = stub_session(w);

	ok(c, version_of("9P1999"));
	ok(c, version_of("9P2000.u"));
	fails(c, EBADF, T(stat, .fid = 0));
}

/* ---- common messages ---- */

TEST_IN_BOTH(files_are_read_and_written)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "text");
	topen(c, 1, "f", P9_ORDWR);
	reads(c, 1, 0, "text");
	writes(c, 1, 4, " and more");
	reads(c, 1, 2, "xt and more");
	reads(c, 1, 1000, "");
	clunk(c, 1);
	host_holds(w, "f", "text and more");
}

TEST_IN_BOTH(a_walk_from_an_open_fid_is_legal)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	topen(c, 1, "d", P9_OREAD);
	walk(c, 1, 2, "f");
	walk(c, 1, 3, "");
}

TEST_IN_BOTH(a_walk_half_the_way_makes_no_fid)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_dir(w, "d");
	equal(ok(c, T(walk, .fid = ROOT, .newfid = 1, .names = NAMES("d", "missing")))
		      ->Rwalk.qids.count,
	      1);
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST_IN_BOTH(remove_removes_and_clunks)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	walk(c, ROOT, 2, "d");
	ok(c, T(remove, .fid = 1));
	ok(c, T(remove, .fid = 2));
	check(!host_has(w, "f"));
	check(!host_has(w, "d"));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST_IN_BOTH(the_qid_types_are_those_of_the_dialect)
{
	struct conn *c = session_in(w, dialect, MSIZE);
	uint8_t link = dialect == P9_U ? P9_QTSYMLINK : P9_QTFILE;

	host_file(w, "f", "");
	host_dir(w, "d");
	host_symlink(w, "s", "f");
	host_node(w, "p", S_IFIFO | 0644, 0);
	equal(walk(c, ROOT, 1, "f").type, P9_QTFILE);
	equal(walk(c, ROOT, 2, "d").type, P9_QTDIR);
	equal(walk(c, ROOT, 3, "s").type, link);
	equal(walk(c, ROOT, 4, "p").type, P9_QTFILE);
	equal(stat_of(c, 3).qid.type, link);
	equal(stat_of(c, 2).qid.type, P9_QTDIR);
}

TEST_IN_BOTH(a_flushed_request_is_not_answered_after_rflush)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file_of_size(w, "f", 60000);
	topen(c, 1, "f", P9_OREAD);
	send_msg(c, 100, T(read, .fid = 1, .count = 60000));
	send_msg(c, 101, T(flush, .oldtag = 100));
	for (const struct p9_msg *reply = receive(c); reply != NULL; reply = receive(c)) {
		if (reply->type == P9_Rflush)
			break;
		equal(reply->tag, 100);
	}
	for (int i = 0; i < 10; i++)
		stat_of(c, ROOT);
}
