/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_walk.c - Twalk: names, steps, what becomes of newfid, and what never leaves the export.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/protocol/harness.h"

#define WALK(f, n, ...) T(walk, .fid = (f), .newfid = (n), .names = NAMES(__VA_ARGS__))

static uint16_t steps(struct conn *c, struct p9_msg m)
{
	const struct p9_msg *reply = call(c, m);

	check(reply->type == P9_Rwalk);
	return reply->Rwalk.qids.count;
}

TEST(walk_without_names_clones_the_fid)
{
	struct conn *c = session(w);
	const struct p9_msg *reply = ok(c, T(walk, .fid = ROOT, .newfid = 1));

	equal(reply->Rwalk.qids.count, 0);
	check(same_qid(attr(c, 1).qid, attr(c, ROOT).qid));
}

TEST(a_clone_outlives_its_original)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	walk(c, 1, 2, "");
	clunk(c, 1);
	ok(c, T(lopen, .fid = 2, .flags = L_RDONLY));
	reads(c, 2, 0, "text");
}

TEST(walk_without_names_to_itself_changes_nothing)
{
	struct conn *c = session(w);
	struct p9_qid root = attr(c, ROOT).qid;

	equal(ok(c, T(walk, .fid = ROOT, .newfid = ROOT))->Rwalk.qids.count, 0);
	check(same_qid(attr(c, ROOT).qid, root));
}

TEST(walk_in_place_moves_the_fid)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	host_dir(w, "d");
	host_dir(w, "d/e");
	walk(c, ROOT, 1, "d");
	qid = walk(c, 1, 1, "e");
	check(same_qid(attr(c, 1).qid, qid));
	equal(host_stat(w, "d/e").st_ctim.tv_nsec, attr(c, 1).ctime_nsec);
}

TEST(walk_gives_the_qid_of_each_step)
{
	struct conn *c = session(w);
	struct p9_qids qids;

	host_dir(w, "a");
	host_dir(w, "a/b");
	host_file(w, "a/b/f", "");
	qids = ok(c, WALK(ROOT, 1, "a", "b", "f"))->Rwalk.qids;
	equal(qids.count, 3);
	check(same_qid(qids.qid[0], walk(c, ROOT, 2, "a")));
	check(same_qid(qids.qid[1], walk(c, 2, 3, "b")));
	check(same_qid(qids.qid[2], attr(c, 1).qid));
	equal(qids.qid[0].type, P9_QTDIR);
	equal(qids.qid[2].type, P9_QTFILE);
}

/* d/d/d/…: as many directories as asked. */
static void deep_dirs(struct world *w, unsigned depth)
{
	char path[2 * 40 + 1] = "";

	for (unsigned i = 0; i < depth; i++) {
		strcat(path, i == 0 ? "d" : "/d");
		host_dir(w, path);
	}
}

TEST(walk_takes_16_names)
{
	struct conn *c = session(w);
	struct p9_names names = {.count = 16};

	deep_dirs(w, 16);
	for (unsigned i = 0; i < 16; i++)
		names.name[i] = p9_str("d");
	equal(steps(c, T(walk, .fid = ROOT, .newfid = 1, .names = names)), 16);
	equal(attr(c, 1).nlink, host_stat(w, "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d").st_nlink);
}

TEST(walk_on_in_place_after_16_names)
{
	struct conn *c = session(w);
	struct p9_names names = {.count = 16};

	deep_dirs(w, 18);
	for (unsigned i = 0; i < 16; i++)
		names.name[i] = p9_str("d");
	equal(steps(c, T(walk, .fid = ROOT, .newfid = 1, .names = names)), 16);
	equal(steps(c, WALK(1, 1, "d", "d")), 2);
	fails(c, ENOENT, WALK(1, 1, "d"));
}

TEST(walk_refuses_17_names)
{
	struct conn *c = session(w);
	struct raw raw = raw_begin(P9_Twalk, 3);
	const struct p9_msg *reply;

	deep_dirs(w, 17);
	raw_int(&raw, ROOT, 4);
	raw_int(&raw, 1, 4);
	raw_int(&raw, 17, 2);
	for (int i = 0; i < 17; i++)
		raw_str(&raw, "d");
	raw_send(c, &raw);
	reply = answer(c, 3);
	equal(reply->type, P9_Rlerror);
	equal(reply->Rlerror.ecode, EINVAL);
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(walk_to_a_missing_first_name_is_ENOENT)
{
	struct conn *c = session(w);

	fails(c, ENOENT, WALK(ROOT, 1, "missing"));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(walk_to_a_missing_first_name_of_several_is_ENOENT)
{
	struct conn *c = session(w);

	fails(c, ENOENT, WALK(ROOT, 1, "missing", "a", "b"));
}

TEST(walk_to_a_missing_second_name_succeeds_in_part)
{
	struct conn *c = session(w);
	const struct p9_msg *reply;

	host_dir(w, "d");
	reply = ok(c, WALK(ROOT, 1, "d", "missing"));
	equal(reply->Rwalk.qids.count, 1);
	equal(reply->Rwalk.qids.qid[0].type, P9_QTDIR);
}

TEST(walk_in_part_makes_no_newfid)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	equal(steps(c, WALK(ROOT, 1, "d", "missing")), 1);
	fails(c, EBADF, T(getattr, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	walk(c, ROOT, 1, "d");
}

TEST(walk_in_part_in_place_leaves_the_fid)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	host_dir(w, "d");
	host_dir(w, "d/e");
	qid = walk(c, ROOT, 1, "d");
	equal(steps(c, WALK(1, 1, "e", "missing")), 1);
	equal(attr(c, 1).qid.path, qid.path);
}

TEST(a_failed_walk_in_place_leaves_the_fid)
{
	struct conn *c = session(w);
	struct p9_qid qid = attr(c, ROOT).qid;

	fails(c, ENOENT, WALK(ROOT, ROOT, "missing"));
	equal(attr(c, ROOT).qid.path, qid.path);
}

TEST(walk_from_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(walk, .fid = 9, .newfid = 1));
	fails(c, EBADF, WALK(9, 1, "a"));
	fails(c, EBADF, WALK(9, 9, "a"));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(fid_numbers_may_be_large)
{
	struct conn *c = session(w);

	walk(c, ROOT, 0xfffffffe, "");
	walk(c, 0xfffffffe, 0x80000000, "");
	attr(c, 0x80000000);
	clunk(c, 0xfffffffe);
	clunk(c, 0x80000000);
}

TEST(fid_numbers_may_be_used_again)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	for (int i = 0; i < 100; i++) {
		walk(c, ROOT, 1, i % 2 == 0 ? "f" : "");
		equal(attr(c, 1).qid.type, i % 2 == 0 ? P9_QTFILE : P9_QTDIR);
		clunk(c, 1);
	}
}

/* ---- newfid in use ---- */

/* Linux forgets a number without a clunk when a process is killed in a walk, and uses it again. */
TEST(walk_to_a_fid_in_use_replaces_it)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	equal(steps(c, WALK(ROOT, 1, "d")), 1);
	equal(attr(c, 1).qid.type, P9_QTDIR);
	ok(c, T(walk, .fid = ROOT, .newfid = 1));
	check(same_qid(attr(c, 1).qid, attr(c, ROOT).qid));
	clunk(c, 1);
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(walk_to_the_fid_of_an_attribute_is_refused)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	if (!host_setxattr(w, "f", "user.a", "abc"))
		return;
	walk(c, ROOT, 1, "f");
	ok(c, T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("user.a")));
	ok(c, T(xattrcreate, .fid = 1, .name = p9_str("user.b"), .size = 1));
	fails(c, EINVAL, WALK(ROOT, 1, "f"));
	fails(c, EINVAL, WALK(ROOT, 2, "f"));
	fails(c, EINVAL, T(walk, .fid = ROOT, .newfid = 2));
	reads(c, 2, 0, "abc");
	writes(c, 1, 0, "x");
}

TEST(walk_to_no_fid_is_EINVAL)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	fails(c, EINVAL, T(walk, .fid = ROOT, .newfid = P9_NOFID));
	fails(c, EINVAL, WALK(ROOT, P9_NOFID, "f"));
	fails(c, EBADF, T(clunk, .fid = P9_NOFID));
}

TEST(walk_to_an_open_fid_is_refused)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	host_dir(w, "d");
	open_path(c, 1, "f", L_RDONLY);
	fails(c, EINVAL, WALK(ROOT, 1, "d"));
	fails(c, EINVAL, T(walk, .fid = ROOT, .newfid = 1));
	reads(c, 1, 0, "text");
}

TEST(a_failed_walk_leaves_a_newfid_in_use)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOENT, WALK(ROOT, 1, "missing"));
	equal(attr(c, 1).qid.type, P9_QTFILE);
}

TEST(walk_in_part_leaves_a_newfid_in_use)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	equal(steps(c, WALK(ROOT, 1, "d", "missing")), 1);
	equal(attr(c, 1).qid.type, P9_QTFILE);
}

/* ---- dots ---- */

TEST(dotdot_at_the_root_is_the_root)
{
	struct conn *c = session(w);
	struct p9_qid qid = walk(c, ROOT, 1, "..");

	check(same_qid(qid, attr(c, ROOT).qid));
	check(same_qid(qid, attr(c, 1).qid));
}

TEST(sixteen_dotdots_at_the_root_are_the_root)
{
	struct conn *c = session(w);
	struct p9_names names = {.count = 16};

	for (unsigned i = 0; i < 16; i++)
		names.name[i] = p9_str("..");
	equal(steps(c, T(walk, .fid = ROOT, .newfid = 1, .names = names)), 16);
	check(same_qid(attr(c, 1).qid, attr(c, ROOT).qid));
}

TEST(dotdot_is_the_parent)
{
	struct conn *c = session(w);
	struct p9_qid parent;

	host_dir(w, "d");
	host_dir(w, "d/e");
	parent = walk(c, ROOT, 1, "d");
	walk(c, ROOT, 2, "d/e");
	check(same_qid(walk(c, 2, 3, ".."), parent));
}

TEST(dotdot_in_the_middle_leads_back)
{
	struct conn *c = session(w);

	host_dir(w, "a");
	host_dir(w, "b");
	equal(steps(c, WALK(ROOT, 1, "a", "..", "b")), 3);
	equal(steps(c, WALK(ROOT, 2, "a", "..", "..", "b")), 4);
	equal(attr(c, 1).qid.path, attr(c, 2).qid.path);
}

TEST(dotdot_of_a_file_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, WALK(1, 2, ".."));
	fails(c, ENOTDIR, WALK(1, 1, ".."));
	equal(steps(c, WALK(ROOT, 3, "f", "..")), 1);
}

TEST(dot_is_the_directory_itself)
{
	struct conn *c = session(w);

	check(same_qid(walk(c, ROOT, 1, "."), attr(c, ROOT).qid));
}

TEST(dot_of_a_file_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, WALK(1, 2, "."));
	equal(steps(c, WALK(ROOT, 3, "f", ".")), 1);
}

/* ---- what lies on the way ---- */

TEST(walk_ends_at_the_symlink_itself)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_symlink(w, "l", "f");
	equal(walk(c, ROOT, 1, "l").type, P9_QTSYMLINK);
	equal(attr(c, 1).mode & S_IFMT, S_IFLNK);
}

TEST(walk_ends_at_a_dangling_symlink)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "nowhere");
	equal(walk(c, ROOT, 1, "l").type, P9_QTSYMLINK);
}

TEST(walk_from_a_symlink_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	host_symlink(w, "l", "d");
	walk(c, ROOT, 1, "l");
	fails(c, ENOTDIR, WALK(1, 2, "f"));
	fails(c, ENOTDIR, WALK(1, 2, ".."));
}

TEST(walk_does_not_follow_a_symlink_in_the_middle)
{
	struct conn *c = session(w);
	const struct p9_msg *reply;

	host_dir(w, "d");
	host_file(w, "d/f", "");
	host_symlink(w, "l", "d");
	reply = ok(c, WALK(ROOT, 1, "l", "f"));
	equal(reply->Rwalk.qids.count, 1);
	equal(reply->Rwalk.qids.qid[0].type, P9_QTSYMLINK);
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(walk_does_not_follow_a_symlink_out_of_the_export)
{
	struct conn *c = session(w);

	host_symlink(w, "up", "..");
	host_symlink(w, "slash", "/");
	equal(steps(c, WALK(ROOT, 1, "up", "outside")), 1);
	equal(steps(c, WALK(ROOT, 1, "slash", "etc")), 1);
}

TEST(walk_from_a_file_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, WALK(1, 2, "x"));
	fails(c, EBADF, T(clunk, .fid = 2));
}

TEST(walk_stops_at_a_file_in_the_middle)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	equal(steps(c, WALK(ROOT, 1, "f", "x", "y")), 1);
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(walk_stops_at_a_fifo_in_the_middle)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0644, 0);
	equal(steps(c, WALK(ROOT, 1, "p", "x")), 1);
}

TEST(walk_does_not_leave_the_export_with_a_moved_directory)
{
	struct conn *c = session(w);
	const struct p9_msg *reply;
	char from[300], to[300];

	host_dir(w, "d");
	host_dir(w, "d/e");
	walk(c, ROOT, 1, "d/e");
	snprintf(from, sizeof(from), "%s/d/e", w->export);
	snprintf(to, sizeof(to), "%s/outside/e", w->top);
	check(rename(from, to) == 0);
	snprintf(to, sizeof(to), "%s/outside/secret", w->top);
	check(mkdir(to, 0755) == 0);
	reply = call(c, WALK(1, 2, "..", "secret"));
	check(reply->type == P9_Rlerror || reply->Rwalk.qids.count < 2);
}

/* ---- names ---- */

TEST(walk_to_an_empty_name_is_ENOENT)
{
	struct conn *c = session(w);

	fails(c, ENOENT, WALK(ROOT, 1, ""));
	host_dir(w, "d");
	equal(steps(c, WALK(ROOT, 1, "d", "")), 1);
}

TEST(walk_to_a_name_with_a_slash_is_ENOENT)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	fails(c, ENOENT, WALK(ROOT, 1, "d/f"));
	fails(c, ENOENT, WALK(ROOT, 1, "/"));
	fails(c, ENOENT, WALK(ROOT, 1, "d/"));
	fails(c, ENOENT, WALK(ROOT, 1, "/d"));
	fails(c, ENOENT, WALK(ROOT, 1, "../outside"));
	fails(c, ENOENT, WALK(ROOT, 1, " /"));
	equal(steps(c, WALK(ROOT, 1, "d", "../d")), 1);
}

TEST(walk_to_a_name_with_NUL_is_refused)
{
	struct conn *c = session(w);
	struct p9_names names = {.count = 1, .name = {str_of("f\0g", 3)}};

	host_file(w, "f", "");
	fails(c, EINVAL, T(walk, .fid = ROOT, .newfid = 1, .names = names));
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(walk_to_a_name_of_255_bytes)
{
	struct conn *c = session(w);
	const char *name = long_name('n', 255);

	fails(c, ENOENT, WALK(ROOT, 1, name));
	host_file(w, name, "");
	walk(c, ROOT, 1, name);
}

TEST(walk_to_a_name_of_256_bytes_is_ENAMETOOLONG)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	fails(c, ENAMETOOLONG, WALK(ROOT, 1, long_name('n', 256)));
	fails(c, ENAMETOOLONG, WALK(ROOT, 1, long_name('n', 5000)));
	equal(steps(c, WALK(ROOT, 1, "d", long_name('n', 256))), 1);
}

TEST(names_are_bytes)
{
	struct conn *c = session(w);

	host_file(w, "\xff\xfe \n\x01", "");
	walk(c, ROOT, 1, "\xff\xfe \n\x01");
}

TEST(names_keep_their_case_and_spaces)
{
	struct conn *c = session(w);

	host_file(w, "Name ", "");
	walk(c, ROOT, 1, "Name ");
	fails(c, ENOENT, WALK(ROOT, 2, "name "));
	fails(c, ENOENT, WALK(ROOT, 2, "Name"));
}

/* ---- from open fids ---- */

TEST(a_clone_of_an_open_file_is_not_open)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY);
	walk(c, 1, 2, "");
	fails(c, EBADF, T(read, .fid = 2, .count = 10));
	ok(c, T(lopen, .fid = 2, .flags = L_RDWR));
	writes(c, 2, 0, "next");
	reads(c, 1, 0, "next");
}

TEST(walk_from_an_open_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	open_path(c, 1, "d", L_RDONLY);
	equal(walk(c, 1, 2, "f").type, P9_QTFILE);
	walk(c, 1, 3, "");
	fails(c, EBADF, T(readdir, .fid = 3, .count = 1000));
}

TEST(walk_in_place_of_an_open_fid_is_refused)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	open_path(c, 1, "d", L_RDONLY);
	fails(c, EINVAL, WALK(1, 1, "f"));
	ok(c, T(readdir, .fid = 1, .count = 1000));
}

TEST(the_names_of_a_hard_link_have_one_qid)
{
	struct conn *c = session(w);

	host_file(w, "a", "");
	check(linkat(w->dir, "a", w->dir, "b", 0) == 0);
	check(same_qid(walk(c, ROOT, 1, "a"), walk(c, ROOT, 2, "b")));
}

TEST(different_objects_have_different_qid_paths)
{
	struct conn *c = session(w);

	host_file(w, "a", "");
	host_file(w, "b", "");
	check(walk(c, ROOT, 1, "a").path != walk(c, ROOT, 2, "b").path);
	check(attr(c, ROOT).qid.path != attr(c, 1).qid.path);
}

TEST(a_qid_stays_the_same_while_nothing_changes)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	host_file(w, "f", "text");
	qid = walk(c, ROOT, 1, "f");
	check(qid.version != 0);
	check(same_qid(walk(c, ROOT, 2, "f"), qid));
	check(same_qid(attr(c, 1).qid, qid));
	check(same_qid(ok(c, T(lopen, .fid = 1, .flags = L_RDWR))->Rlopen.qid, qid));
	check(same_qid(attr(c, 1).qid, qid));
}

TEST(the_qid_version_changes_with_the_content)
{
	struct conn *c = session(w);
	struct p9_qid before, after;

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDWR);
	before = attr(c, 1).qid;
	writes(c, 1, 0, "longer than before");
	after = attr(c, 1).qid;
	equal(after.path, before.path);
	check(after.version != before.version);
}

/* ---- descriptors run out ---- */

TEST(running_out_of_descriptors_is_an_error_and_not_the_end)
{
	struct conn *c;
	uint32_t fid = 1;
	int error = 0;

	w->max_files = 64;
	c = session(w);
	host_dir(w, "d");
	while (fid < 500 && (error = errno_of(c, WALK(ROOT, fid, "d"))) == 0)
		fid++;
	check(error == 0 || error == EMFILE || error == ENFILE);
	while (--fid > 0)
		clunk(c, fid);
	walk(c, ROOT, 1, "d");
	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY));
}

TEST(thousands_of_fids_live_at_once)
{
	struct conn *c = session(w);
	struct rlimit limit;
	uint32_t fid = 1;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < 8192) {
		test_skip("the limit of open files is too low here");
		return;
	}
	host_file(w, "f", "");
	while (fid < 3000)
		walk(c, ROOT, fid++, "f");
	while (--fid > 0) {
		equal(attr(c, fid).qid.type, P9_QTFILE);
		clunk(c, fid);
	}
}

/* ---- deep ---- */

#define DEPTH 1000

/* Longer than a path may be: made, walked through and removed from the wire alone. */
TEST(a_tree_of_1000_levels_is_made_walked_and_removed)
{
	struct p9_names up = {.count = 10};
	struct conn *c = session(w);
	struct p9_names down = {.count = 10};
	uint64_t root = attr(c, ROOT).qid.path;

	for (unsigned i = 0; i < 10; i++) {
		down.name[i] = p9_str("directory");
		up.name[i] = p9_str("..");
	}
	walk(c, ROOT, 1, "");
	for (int i = 0; i < DEPTH; i++) {
		ok(c, T(mkdir, .dfid = 1, .name = p9_str("directory"), .mode = 0755,
			.gid = getegid()));
		walk(c, 1, 1, "directory");
	}
	walk(c, 1, 2, "");
	ok(c, T(lcreate, .fid = 2, .name = p9_str("f"), .flags = L_RDWR, .mode = 0644,
		.gid = getegid()));
	writes(c, 2, 0, "deep");
	walk(c, ROOT, 3, "");
	for (int i = 0; i < DEPTH / 10; i++)
		equal(steps(c, T(walk, .fid = 3, .newfid = 3, .names = down)), 10);
	walk(c, 3, 3, "f");
	equal(attr(c, 3).qid.path, attr(c, 2).qid.path);
	ok(c, T(renameat, .olddirfid = 1, .oldname = p9_str("f"), .newdirfid = ROOT,
		.newname = p9_str("f")));
	host_holds(w, "f", "deep");
	for (int i = 0; i < DEPTH / 10; i++)
		equal(steps(c, T(walk, .fid = 1, .newfid = 1, .names = up)), 10);
	equal(attr(c, 1).qid.path, root);
	for (int i = 0; i < DEPTH / 10; i++)
		steps(c, T(walk, .fid = 1, .newfid = 1, .names = down));
	for (int i = 0; i < DEPTH; i++) {
		walk(c, 1, 1, "..");
		ok(c,
		   T(unlinkat, .dfid = 1, .name = p9_str("directory"), .flags = P9_AT_REMOVEDIR));
	}
	equal(attr(c, 1).qid.path, root);
	check(!host_has(w, "directory"));
}
