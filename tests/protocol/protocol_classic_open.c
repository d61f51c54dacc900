/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_classic_open.c - Topen of 9P2000 and 9P2000.u, and what becomes of files that were
 * opened with ORCLOSE.
 */
#include <string.h>

#include "tests/protocol/harness.h"

static struct conn *with_file(struct world *w, enum p9_dialect dialect)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "text");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	walk(c, ROOT, 2, "d");
	return c;
}

static struct p9_msg opening(uint32_t fid, uint8_t mode)
{
	return T(open, .fid = fid, .mode = mode);
}

TEST_IN_BOTH(open_gives_the_qid_and_an_iounit)
{
	struct conn *c = with_file(w, dialect);
	struct p9_qid qid = stat_of(c, 1).qid;
	const struct p9_msg *reply = ok(c, opening(1, P9_OREAD));

	check(same_qid(reply->Ropen.qid, qid));
	check(reply->Ropen.iounit > 0 && reply->Ropen.iounit <= c->msize - P9_IO_HEADER);
	equal(reply->Ropen.iounit % 4096, 0);
}

TEST_IN_BOTH(open_of_a_directory_has_no_iounit)
{
	struct conn *c = with_file(w, dialect);
	const struct p9_msg *reply = ok(c, opening(2, P9_OREAD));

	equal(reply->Ropen.qid.type, P9_QTDIR);
	equal(reply->Ropen.iounit, 0);
}

TEST_IN_BOTH(open_to_read_does_not_write)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD));
	reads(c, 1, 0, "text");
	fails(c, EBADF, T(write, .fid = 1, .data = data_of("x", 1)));
}

TEST_IN_BOTH(open_to_write_does_not_read)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OWRITE));
	writes(c, 1, 0, "T");
	fails(c, EBADF, T(read, .fid = 1, .count = 4));
	host_holds(w, "f", "Text");
}

TEST_IN_BOTH(open_to_execute_reads)
{
	struct conn *c = with_file(w, dialect);

	check(fchmodat(w->dir, "f", 0755, 0) == 0);
	ok(c, opening(1, P9_OEXEC));
	reads(c, 1, 0, "text");
	fails(c, EBADF, T(write, .fid = 1, .data = data_of("x", 1)));
}

TEST_IN_BOTH(open_to_execute_what_nobody_may_is_EACCES)
{
	struct conn *c = with_file(w, dialect);

	fails(c, EACCES, opening(1, P9_OEXEC));
	ok(c, opening(1, P9_OREAD));
}

TEST_IN_BOTH(open_to_truncate_empties_the_file)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OWRITE | P9_OTRUNC));
	host_holds(w, "f", "");
}

TEST_IN_BOTH(open_with_OCEXEC_is_as_without)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD | P9_OCEXEC));
	reads(c, 1, 0, "text");
}

TEST(u_open_to_append_writes_at_the_end)
{
	struct conn *c = with_file(w, P9_U);

	ok(c, opening(1, P9_OWRITE | P9_OAPPEND));
	writes(c, 1, 0, " more");
	host_holds(w, "f", "text more");
}

TEST(plain_open_knows_no_OAPPEND)
{
	struct conn *c = with_file(w, P9_PLAIN);

	fails(c, EINVAL, opening(1, P9_OWRITE | P9_OAPPEND));
}

TEST_IN_BOTH(open_with_bits_that_mean_nothing_is_EINVAL)
{
	struct conn *c = with_file(w, dialect);

	fails(c, EINVAL, opening(1, 0x04));
	fails(c, EINVAL, opening(1, 0x08));
	ok(c, opening(1, P9_OREAD));
}

TEST_IN_BOTH(open_of_a_directory_for_more_than_reading_is_EISDIR)
{
	static const uint8_t modes[] = {
		P9_OWRITE,
		P9_ORDWR,
		P9_OREAD | P9_OTRUNC,
		P9_OREAD | P9_ORCLOSE,
		P9_ORDWR | P9_OTRUNC | P9_ORCLOSE,
	};
	struct conn *c = with_file(w, dialect);

	for (size_t i = 0; i < countof(modes); i++)
		fails(c, EISDIR, opening(2, modes[i]));
	ok(c, opening(2, P9_OEXEC));
	ok(c, T(read, .fid = 2, .count = 1000));
}

TEST_IN_BOTH(open_of_an_open_fid_is_EINVAL)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD));
	fails(c, EINVAL, opening(1, P9_OREAD));
	ok(c, opening(2, P9_OREAD));
	fails(c, EINVAL, opening(2, P9_OREAD));
	fails(c, EINVAL, T(create, .fid = 2, .name = p9_str("x"), .perm = 0644));
}

TEST_IN_BOTH(open_of_what_is_no_file_fails)
{
	struct conn *c = with_file(w, dialect);

	host_symlink(w, "s", "f");
	host_node(w, "p", S_IFIFO | 0644, 0);
	host_node(w, "k", S_IFSOCK | 0644, 0);
	walk(c, ROOT, 3, "s");
	walk(c, ROOT, 4, "p");
	walk(c, ROOT, 5, "k");
	fails(c, ELOOP, opening(3, P9_OREAD));
	fails(c, ENXIO, opening(4, P9_OREAD));
	fails(c, ENXIO, opening(5, P9_ORDWR));
}

TEST_IN_BOTH(open_to_change_something_on_a_read_only_share_is_EROFS)
{
	static const uint8_t modes[] = {P9_OWRITE, P9_ORDWR, P9_OREAD | P9_OTRUNC,
					P9_OREAD | P9_ORCLOSE};
	struct conn *c;

	serve(w, "--readonly", NULL);
	c = with_file(w, dialect);
	for (size_t i = 0; i < countof(modes); i++)
		fails(c, EROFS, opening(1, modes[i]));
	ok(c, opening(1, P9_OREAD));
	clunk(c, 1);
	host_holds(w, "f", "text");
}

/* ---- ORCLOSE ---- */

TEST_IN_BOTH(a_file_opened_with_ORCLOSE_goes_with_its_fid)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_ORDWR | P9_ORCLOSE));
	reads(c, 1, 0, "text");
	check(host_has(w, "f"));
	clunk(c, 1);
	check(!host_has(w, "f"));
}

TEST_IN_BOTH(a_file_created_with_ORCLOSE_goes_with_its_fid)
{
	struct conn *c = with_file(w, dialect);

	ok(c,
	   T(create, .fid = 2, .name = p9_str("new"), .perm = 0644, .mode = P9_ORDWR | P9_ORCLOSE));
	check(host_has(w, "d/new"));
	clunk(c, 2);
	check(!host_has(w, "d/new"));
}

TEST_IN_BOTH(ORCLOSE_follows_a_rename)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD | P9_ORCLOSE));
	check(renameat(w->dir, "f", w->dir, "d/moved") == 0);
	host_file(w, "f", "another");
	clunk(c, 1);
	check(!host_has(w, "d/moved"));
	host_holds(w, "f", "another");
}

TEST_IN_BOTH(ORCLOSE_of_what_is_gone_already_is_no_error)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD | P9_ORCLOSE));
	host_unlink(w, "f");
	host_file(w, "f", "another");
	clunk(c, 1);
	host_holds(w, "f", "another");
}

TEST_IN_BOTH(a_clone_of_a_fid_with_ORCLOSE_removes_nothing)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD | P9_ORCLOSE));
	walk(c, 1, 3, "");
	clunk(c, 3);
	check(host_has(w, "f"));
	clunk(c, 1);
	check(!host_has(w, "f"));
}

TEST_IN_BOTH(a_failed_open_with_ORCLOSE_removes_nothing)
{
	struct conn *c = with_file(w, dialect);

	fails(c, EACCES, opening(1, P9_OEXEC | P9_ORCLOSE));
	clunk(c, 1);
	check(host_has(w, "f"));
}

TEST_IN_BOTH(remove_of_a_fid_with_ORCLOSE_removes_once)
{
	struct conn *c = with_file(w, dialect);

	check(linkat(w->dir, "f", w->dir, "other", 0) == 0);
	ok(c, opening(1, P9_OREAD | P9_ORCLOSE));
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "f"));
	host_holds(w, "other", "text");
}

TEST_IN_BOTH(a_version_removes_the_files_of_ORCLOSE)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD | P9_ORCLOSE));
	ok(c, T(version, .msize = 8192, .version = p9_str("9P2000.u")));
	check(!host_has(w, "f"));
}

/* The server learns of it when it gets to it. */
static bool is_gone_in_the_end(struct world *w, const char *path)
{
	for (int i = 0; i < 30000 && host_has(w, path); i++)
		usleep(2000);
	return !host_has(w, path);
}

TEST_IN_BOTH(the_end_of_a_connection_removes_the_files_of_ORCLOSE)
{
	struct conn *c = with_file(w, dialect);

	ok(c, opening(1, P9_OREAD | P9_ORCLOSE));
	conn_close(c);
	check(is_gone_in_the_end(w, "f"));
}
