/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_classic_stat.c - Tstat and Twstat of 9P2000 and 9P2000.u.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tests/protocol/harness.h"

/* Fid 1 is a file, fid 2 a directory. */
static struct conn *with_objects(struct world *w, enum p9_dialect dialect)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "text");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	walk(c, ROOT, 2, "d");
	return c;
}

static struct p9_msg wstat(uint32_t fid, struct p9_stat stat)
{
	return T(wstat, .fid = fid, .stat = stat);
}

static bool is_number(struct p9_str text, uint32_t number)
{
	char expected[16];

	snprintf(expected, sizeof(expected), "%u", number);
	return same_str(text, expected);
}

/* ---- Tstat ---- */

TEST_IN_BOTH(stat_tells_what_the_host_has)
{
	struct conn *c = with_objects(w, dialect);
	struct stat host;
	struct p9_stat stat;

	check(utimensat(w->dir, "f", (struct timespec[]){{.tv_sec = 111}, {.tv_sec = 222}}, 0) ==
	      0);
	check(fchmodat(w->dir, "f", 0641, 0) == 0);
	host = host_stat(w, "f");
	stat = stat_of(c, 1);
	equal(stat.type, 0);
	equal(stat.dev, 0);
	equal(stat.qid.type, P9_QTFILE);
	equal(stat.mode, 0641);
	equal(stat.atime, 111);
	equal(stat.mtime, 222);
	equal(stat.length, 4);
	check(same_str(stat.name, "f"));
	check(is_number(stat.uid, host.st_uid));
	check(is_number(stat.gid, host.st_gid));
	check(same_str(stat.muid, ""));
	if (dialect == P9_PLAIN)
		return;
	equal(stat.n_uid, host.st_uid);
	equal(stat.n_gid, host.st_gid);
	equal(stat.n_muid, P9_NONUNAME);
}

TEST_IN_BOTH(stat_of_a_directory_has_its_bit)
{
	struct conn *c = with_objects(w, dialect);

	equal(stat_of(c, 2).mode, P9_DMDIR | 0755);
	equal(stat_of(c, 2).qid.type, P9_QTDIR);
	if (dialect == P9_PLAIN)
		equal(stat_of(c, 2).length, 0);
	else
		equal(stat_of(c, 2).length, host_stat(w, "d").st_size);
}

TEST_IN_BOTH(stat_of_the_root_is_called_slash)
{
	check(same_str(stat_of(with_objects(w, dialect), ROOT).name, "/"));
}

TEST_IN_BOTH(stat_works_on_open_fids)
{
	struct conn *c = with_objects(w, dialect);

	ok(c, T(open, .fid = 1, .mode = P9_OWRITE));
	ok(c, T(open, .fid = 2));
	equal(stat_of(c, 1).length, 4);
	check(same_str(stat_of(c, 2).name, "d"));
}

TEST_IN_BOTH(stat_follows_renames)
{
	struct conn *c = with_objects(w, dialect);

	check(renameat(w->dir, "f", w->dir, "d/moved") == 0);
	check(same_str(stat_of(c, 1).name, "moved"));
}

TEST_IN_BOTH(stat_of_what_has_no_name_any_more_has_none)
{
	struct conn *c = with_objects(w, dialect);

	ok(c, T(open, .fid = 1, .mode = P9_OREAD));
	host_unlink(w, "f");
	check(same_str(stat_of(c, 1).name, ""));
	equal(stat_of(c, 1).length, 4);
}

TEST_IN_BOTH(stat_cuts_times_to_what_fits)
{
	struct conn *c = with_objects(w, dialect);

	check(utimensat(w->dir, "f", (struct timespec[]){{.tv_sec = -5}, {.tv_sec = 0xffffffff}},
			0) == 0);
	equal(stat_of(c, 1).atime, 0);
	check(stat_of(c, 1).mtime != UINT32_MAX);
}

TEST(u_stat_tells_types_by_bits)
{
	static const struct {
		const char *name;
		mode_t host;
		uint32_t dm;
	} objects[] = {
		{"p", S_IFIFO | 0644, P9_DMNAMEDPIPE | 0644},
		{"k", S_IFSOCK | 0755, P9_DMSOCKET | 0755},
		{"su", S_IFREG | 04711, P9_DMSETUID | 0711},
		{"sg", S_IFREG | 02711, P9_DMSETGID | 0711},
		{"sv", S_IFREG | 01711, P9_DMSETVTX | 0711},
	};
	struct conn *c = session_in(w, P9_U, MSIZE);

	for (uint32_t i = 0; i < countof(objects); i++) {
		host_node(w, objects[i].name, objects[i].host, 0);
		check(fchmodat(w->dir, objects[i].name, objects[i].host & 07777, 0) == 0);
		walk(c, ROOT, i + 1, objects[i].name);
		equal(stat_of(c, i + 1).mode, objects[i].dm);
	}
}

TEST(u_stat_of_a_symlink_has_its_target)
{
	struct conn *c = session_in(w, P9_U, MSIZE);

	host_symlink(w, "s", "some/where");
	walk(c, ROOT, 1, "s");
	equal(stat_of(c, 1).mode & P9_DMSYMLINK, P9_DMSYMLINK);
	check(same_str(stat_of(c, 1).extension, "some/where"));
}

TEST(u_stat_holds_the_longest_target_and_name)
{
	struct conn *c = session_in(w, P9_U, MSIZE);
	const char *name = long_name('n', 255), *target = long_name('t', 4095);

	host_symlink(w, name, target);
	walk(c, ROOT, 1, name);
	check(same_str(stat_of(c, 1).extension, target));
	check(same_str(stat_of(c, 1).name, name));
}

TEST(u_stat_that_is_longer_than_msize_is_EMSGSIZE)
{
	struct conn *c = session_in(w, P9_U, 4096);

	host_symlink(w, "s", long_name('t', 4095));
	walk(c, ROOT, 1, "s");
	fails(c, EMSGSIZE, T(stat, .fid = 1));
}

TEST(u_stat_of_a_device_has_its_numbers)
{
	struct conn *c = session_in(w, P9_U, MSIZE);

	if (!need_root())
		return;
	host_node(w, "c", S_IFCHR | 0600, makedev(1, 300));
	walk(c, ROOT, 1, "c");
	equal(stat_of(c, 1).mode, P9_DMDEVICE | 0600);
	check(same_str(stat_of(c, 1).extension, "c 1 300"));
}

TEST(u_stat_tells_how_many_names_there_are)
{
	struct conn *c = with_objects(w, P9_U);

	check(same_str(stat_of(c, 1).extension, "HARDLINKCOUNT 1"));
	check(linkat(w->dir, "f", w->dir, "h", 0) == 0);
	check(same_str(stat_of(c, 1).extension, "HARDLINKCOUNT 2"));
	check(same_str(stat_of(c, 2).extension, "HARDLINKCOUNT 2") ||
	      host_stat(w, "d").st_nlink != 2);
}

TEST(plain_stat_has_permissions_and_directories_only)
{
	struct conn *c = session_in(w, P9_PLAIN, MSIZE);

	host_node(w, "p", S_IFIFO | 0644, 0);
	host_file(w, "su", "");
	check(fchmodat(w->dir, "su", 06755, 0) == 0);
	host_symlink(w, "s", "target");
	walk(c, ROOT, 1, "p");
	walk(c, ROOT, 2, "su");
	walk(c, ROOT, 3, "s");
	equal(stat_of(c, 1).mode, 0644);
	equal(stat_of(c, 2).mode, 0755);
	equal(stat_of(c, 3).mode, 0777);
	equal(stat_of(c, 3).length, 6);
}

TEST_IN_BOTH(an_rstat_is_counted_twice)
{
	struct conn *c = with_objects(w, dialect);
	size_t size;

	ok(c, T(stat, .fid = 1));
	size = (size_t)c->raw[0] | (size_t)c->raw[1] << 8;
	equal(c->raw[7] | c->raw[8] << 8, size - 9);
	equal(c->raw[9] | c->raw[10] << 8, size - 11);
}

/* ---- Twstat ---- */

TEST_IN_BOTH(wstat_of_nothing_is_a_sync)
{
	struct conn *c = with_objects(w, dialect);
	struct stat before = host_stat(w, "f"), after;

	ok(c, wstat(1, untouched()));
	ok(c, wstat(2, untouched()));
	ok(c, T(open, .fid = 1, .mode = P9_ORDWR));
	ok(c, T(open, .fid = 2));
	ok(c, wstat(1, untouched()));
	ok(c, wstat(2, untouched()));
	after = host_stat(w, "f");
	equal(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
	equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

TEST_IN_BOTH(wstat_of_nothing_of_what_cannot_be_opened_is_fine)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_symlink(w, "s", "target");
	host_node(w, "p", S_IFIFO | 0644, 0);
	walk(c, ROOT, 1, "s");
	walk(c, ROOT, 2, "p");
	ok(c, wstat(1, untouched()));
	ok(c, wstat(2, untouched()));
}

TEST_IN_BOTH(an_rwstat_has_7_bytes)
{
	struct conn *c = with_objects(w, dialect);

	ok(c, wstat(1, untouched()));
	equal(memcmp(c->raw, "\x07\0\0\0\x7f", 5), 0);
}

TEST_IN_BOTH(wstat_sets_permissions)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.mode = 0421;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0421);
	stat.mode = P9_DMDIR | 0711;
	ok(c, wstat(2, stat));
	equal(host_stat(w, "d").st_mode, S_IFDIR | 0711);
}

TEST(u_wstat_sets_the_set_id_bits)
{
	struct conn *c = with_objects(w, P9_U);
	struct p9_stat stat = untouched();

	stat.mode = P9_DMSETUID | P9_DMSETGID | P9_DMSETVTX | 0755;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_mode, S_IFREG | 07755);
}

TEST_IN_BOTH(wstat_to_another_type_is_EPERM)
{
	static const uint32_t bits[] = {P9_DMDIR,    P9_DMSYMLINK,   P9_DMLINK,	 P9_DMDEVICE,
					P9_DMSOCKET, P9_DMNAMEDPIPE, 0x40000000, 0x20000000,
					0x08000000,  0x04000000,     0x1000};
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	for (size_t i = 0; i < countof(bits); i++) {
		stat.mode = bits[i] | 0600;
		fails(c, EPERM, wstat(1, stat));
	}
	stat.mode = 0600;
	fails(c, EPERM, wstat(2, stat));
	equal(host_stat(w, "f").st_mode & 07777, 0644);
}

TEST(u_wstat_takes_the_bits_of_the_kind_that_it_is)
{
	struct conn *c = session_in(w, P9_U, MSIZE);
	struct p9_stat stat = untouched();

	host_node(w, "p", S_IFIFO | 0644, 0);
	host_node(w, "k", S_IFSOCK | 0644, 0);
	walk(c, ROOT, 1, "p");
	walk(c, ROOT, 2, "k");
	stat.mode = P9_DMNAMEDPIPE | 0600;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "p").st_mode, S_IFIFO | 0600);
	fails(c, EPERM, wstat(2, stat));
	stat.mode = P9_DMSOCKET | 0700;
	ok(c, wstat(2, stat));
	equal(host_stat(w, "k").st_mode, S_IFSOCK | 0700);
	fails(c, EPERM, wstat(1, stat));
	stat.mode = 0600;
	fails(c, EPERM, wstat(1, stat));
}

static void wstat_with_sizes(struct conn *c, int outer, int inner, int error)
{
	struct p9_stat stat = untouched();
	struct raw raw;
	const struct p9_msg *reply;
	size_t size;

	stat.mode = 0600;
	raw = raw_in(c->dialect, wstat(1, stat), 5);
	size = raw.size - 15;
	for (unsigned i = 0; i < 2; i++) {
		raw.bytes[11 + i] = (uint8_t)((size + 2 + (size_t)outer) >> 8 * i);
		raw.bytes[13 + i] = (uint8_t)((size + (size_t)inner) >> 8 * i);
	}
	raw_send(c, &raw);
	reply = answer(c, 5);
	if (error == 0)
		equal(reply->type, P9_Rwstat);
	else
		equal(error_in(c, reply), error);
}

TEST_IN_BOTH(wstat_with_sizes_that_are_not_true_is_EINVAL)
{
	struct conn *c = with_objects(w, dialect);

	wstat_with_sizes(c, 1, 0, EINVAL);
	wstat_with_sizes(c, -1, 0, EINVAL);
	wstat_with_sizes(c, 0, 1, EINVAL);
	wstat_with_sizes(c, 0, -1, EINVAL);
	wstat_with_sizes(c, 1, 1, EINVAL);
	wstat_with_sizes(c, -1, -1, EINVAL);
	wstat_with_sizes(c, 10000, 10000, EINVAL);
	equal(host_stat(w, "f").st_mode & 07777, 0644);
	wstat_with_sizes(c, 0, 0, 0);
	equal(host_stat(w, "f").st_mode & 07777, 0600);
}

TEST_IN_BOTH(wstat_sets_times)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.mtime = 1000000;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_mtim.tv_sec, 1000000);
	equal(host_stat(w, "f").st_mtim.tv_nsec, 0);
	stat = untouched();
	stat.atime = 0xfffffffe;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_atim.tv_sec, 0xfffffffe);
	equal(host_stat(w, "f").st_mtim.tv_sec, 1000000);
}

TEST_IN_BOTH(wstat_truncates_and_extends)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.length = 2;
	ok(c, wstat(1, stat));
	host_holds(w, "f", "te");
	stat.length = 10000;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_size, 10000);
	stat.length = UINT64_C(1) << 63;
	fails(c, EINVAL, wstat(1, stat));
}

TEST_IN_BOTH(wstat_of_a_directorys_length_is_EISDIR_but_for_0)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.length = 1;
	fails(c, EISDIR, wstat(2, stat));
	stat.length = 0;
	ok(c, wstat(2, stat));
}

TEST_IN_BOTH(wstat_truncates_through_an_open_fid_whatever_the_mode)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	ok(c, T(open, .fid = 1, .mode = P9_ORDWR));
	check(fchmodat(w->dir, "f", 0, 0) == 0);
	stat.length = 1;
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_size, 1);
}

TEST_IN_BOTH(wstat_renames_within_the_directory)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	host_file(w, "d/x", "deep");
	walk(c, ROOT, 3, "d/x");
	stat.name = p9_str("y");
	stat.muid = p9_str("nobody"); /* as Linux does */
	ok(c, wstat(3, stat));
	host_holds(w, "d/y", "deep");
	check(!host_has(w, "d/x"));
	check(same_str(stat_of(c, 3).name, "y"));
	ok(c, T(open, .fid = 3));
	reads(c, 3, 0, "deep");
}

TEST_IN_BOTH(wstat_renames_a_directory_and_what_is_below_stays)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	host_file(w, "d/x", "deep");
	walk(c, ROOT, 3, "d/x");
	stat.name = p9_str("e");
	ok(c, wstat(2, stat));
	host_holds(w, "e/x", "deep");
	stat.name = p9_str("y");
	ok(c, wstat(3, stat));
	host_holds(w, "e/y", "deep");
}

TEST_IN_BOTH(wstat_to_its_own_name_is_fine)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.name = p9_str("f");
	ok(c, wstat(1, stat));
	host_holds(w, "f", "text");
}

TEST(plain_wstat_replaces_nothing)
{
	struct conn *c = with_objects(w, P9_PLAIN);
	struct p9_stat stat = untouched();

	host_file(w, "g", "other");
	stat.name = p9_str("g");
	stat.mode = 0600;
	fails(c, EEXIST, wstat(1, stat));
	host_holds(w, "g", "other");
	host_holds(w, "f", "text");
	equal(host_stat(w, "f").st_mode & 07777, 0644);
}

TEST(u_wstat_replaces_as_posix_does)
{
	struct conn *c = with_objects(w, P9_U);
	struct p9_stat stat = untouched();

	host_file(w, "g", "other");
	walk(c, ROOT, 3, "g");
	stat.name = p9_str("g");
	ok(c, wstat(1, stat));
	host_holds(w, "g", "text");
	check(!host_has(w, "f"));
	ok(c, T(open, .fid = 3));
	reads(c, 3, 0, "other");
}

TEST(u_wstat_replaces_no_other_kind)
{
	struct conn *c = with_objects(w, P9_U);
	struct p9_stat stat = untouched();

	stat.mode = 0600;
	stat.name = p9_str("d");
	fails(c, EISDIR, wstat(1, stat));
	equal(host_stat(w, "f").st_mode & 07777, 0644);
	stat.mode = P9_DMDIR | 0700;
	stat.name = p9_str("f");
	fails(c, ENOTDIR, wstat(2, stat));
	equal(host_stat(w, "d").st_mode & 07777, 0755);
}

TEST(u_wstat_replaces_no_full_directory)
{
	struct conn *c = with_objects(w, P9_U);
	struct p9_stat stat = untouched();

	host_dir(w, "full");
	host_file(w, "full/x", "");
	stat.name = p9_str("full");
	fails_with_one_of(c, wstat(2, stat), ENOTEMPTY, EEXIST);
	check(host_has(w, "d"));
}

TEST_IN_BOTH(wstat_judges_names)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.mode = 0600;
	stat.name = p9_str("a/b");
	fails(c, EINVAL, wstat(1, stat));
	stat.name = p9_str("/");
	fails(c, EINVAL, wstat(1, stat));
	stat.name = p9_str(".");
	fails(c, EBUSY, wstat(1, stat));
	stat.name = p9_str("..");
	fails(c, EBUSY, wstat(1, stat));
	stat.name = p9_str(long_name('n', 256));
	fails(c, ENAMETOOLONG, wstat(1, stat));
	equal(host_stat(w, "f").st_mode & 07777, 0644);
}

TEST_IN_BOTH(wstat_does_not_rename_the_root)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.name = p9_str("x");
	fails(c, EBUSY, wstat(ROOT, stat));
}

TEST_IN_BOTH(wstat_does_not_rename_what_has_no_name)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	ok(c, T(open, .fid = 1, .mode = P9_ORDWR));
	host_unlink(w, "f");
	stat.name = p9_str("x");
	fails(c, ENOENT, wstat(1, stat));
	stat = untouched();
	stat.length = 1;
	ok(c, wstat(1, stat));
}

TEST(u_wstat_changes_owner_and_group)
{
	struct conn *c = with_objects(w, P9_U);
	struct p9_stat stat = untouched();

	if (!need_root())
		return;
	stat.n_uid = 111;
	ok(c, wstat(1, stat));
	stat = untouched();
	stat.n_gid = 222;
	ok(c, wstat(1, stat));
	stat = untouched();
	equal(host_stat(w, "f").st_uid, 111);
	equal(host_stat(w, "f").st_gid, 222);
	stat.gid = p9_str("333");
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_gid, 333);
}

TEST(plain_wstat_changes_the_group)
{
	struct conn *c = with_objects(w, P9_PLAIN);
	struct p9_stat stat = untouched();

	if (!need_root())
		return;
	stat.gid = p9_str("222");
	ok(c, wstat(1, stat));
	equal(host_stat(w, "f").st_gid, 222);
	equal(host_stat(w, "f").st_uid, 0);
}

TEST_IN_BOTH(wstat_to_a_group_that_is_no_number_is_EINVAL)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.gid = p9_str("sys");
	fails(c, EINVAL, wstat(1, stat));
}

TEST_IN_BOTH(wstat_of_what_is_nobodys_to_set_is_EPERM)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat;

	stat = untouched(), stat.type = 0;
	fails(c, EPERM, wstat(1, stat));
	stat = untouched(), stat.dev = 0;
	fails(c, EPERM, wstat(1, stat));
	stat = untouched(), stat.qid.type = 0;
	fails(c, EPERM, wstat(1, stat));
	stat = untouched(), stat.qid.version = 1;
	fails(c, EPERM, wstat(1, stat));
	stat = untouched(), stat.qid.path = 1;
	fails(c, EPERM, wstat(1, stat));
	stat = untouched(), stat.uid = p9_str("glenda");
	fails(c, EPERM, wstat(1, stat));
	if (dialect == P9_PLAIN)
		return;
	stat = untouched(), stat.extension = p9_str("target");
	fails(c, EPERM, wstat(1, stat));
	stat = untouched(), stat.n_muid = 0;
	fails(c, EPERM, wstat(1, stat));
}

TEST_IN_BOTH(wstat_does_several_things_at_once)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.mode = 0600;
	stat.length = 2;
	stat.atime = 1;
	stat.mtime = 2;
	stat.name = p9_str("g");
	ok(c, wstat(1, stat));
	equal(host_stat(w, "g").st_mode & 07777, 0600);
	equal(host_stat(w, "g").st_atim.tv_sec, 1);
	equal(host_stat(w, "g").st_mtim.tv_sec, 2);
	host_holds(w, "g", "te");
}

TEST_IN_BOTH(wstat_does_nothing_when_a_part_cannot_be)
{
	struct conn *c = with_objects(w, dialect);
	struct p9_stat stat = untouched();

	stat.name = p9_str("g");
	stat.length = UINT64_C(1) << 63;
	fails(c, EINVAL, wstat(1, stat));
	stat.length = 1;
	stat.mode = P9_DMDIR;
	fails(c, EPERM, wstat(1, stat));
	stat.mode = 0600;
	stat.gid = p9_str("sys");
	fails(c, EINVAL, wstat(1, stat));
	host_holds(w, "f", "text");
	check(!host_has(w, "g"));
	equal(host_stat(w, "f").st_mode & 07777, 0644);
}

TEST_IN_BOTH(wstat_on_a_read_only_share_is_EROFS_but_for_a_sync)
{
	struct conn *c;
	struct p9_stat stat = untouched();

	serve(w, "--readonly", NULL);
	c = with_objects(w, dialect);
	ok(c, wstat(1, stat));
	stat.mode = 0600;
	fails(c, EROFS, wstat(1, stat));
	stat = untouched(), stat.name = p9_str("g");
	fails(c, EROFS, wstat(1, stat));
	stat = untouched(), stat.mtime = 1;
	fails(c, EROFS, wstat(1, stat));
}
