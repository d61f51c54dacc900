/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_classic_create.c - Tcreate of 9P2000 and 9P2000.u: files, directories, and in .u
 * everything else, by the bits of `perm` and the extension.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tests/protocol/harness.h"

/* Fid 1 is a clone of the root. */
static struct conn *creator(struct world *w, enum p9_dialect dialect)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	check(fchmodat(w->dir, ".", 0777, 0) == 0);
	walk(c, ROOT, 1, "");
	return c;
}

static struct p9_msg creating(const char *name, uint32_t perm, uint8_t mode, const char *extension)
{
	return T(create, .fid = 1, .name = p9_str(name), .perm = perm, .mode = mode,
		 .extension = p9_str(extension));
}

static bool link_is(struct world *w, const char *path, const char *target)
{
	char text[300];
	ssize_t length = readlinkat(w->dir, path, text, sizeof(text));

	return length == (ssize_t)strlen(target) && memcmp(text, target, (size_t)length) == 0;
}

/* ---- files ---- */

TEST_IN_BOTH(create_makes_a_file_and_opens_it)
{
	struct conn *c = creator(w, dialect);
	const struct p9_msg *reply = ok(c, creating("new", 0644, P9_ORDWR, ""));
	struct p9_qid qid = reply->Rcreate.qid;

	equal(qid.type, P9_QTFILE);
	check(reply->Rcreate.iounit > 0);
	equal(qid.path, stat_of(c, 1).qid.path);
	check(same_str(stat_of(c, 1).name, "new"));
	writes(c, 1, 0, "text");
	reads(c, 1, 0, "text");
	equal(host_stat(w, "new").st_mode, S_IFREG | 0644);
}

TEST_IN_BOTH(create_gives_a_usable_fid_whatever_the_permissions)
{
	struct conn *c = creator(w, dialect);

	ok(c, creating("new", 0400, P9_ORDWR, ""));
	writes(c, 1, 0, "text");
	equal(host_stat(w, "new").st_mode & 07777, 0400);
}

TEST_IN_BOTH(create_opens_in_the_asked_mode_only)
{
	struct conn *c = creator(w, dialect);

	ok(c, creating("new", 0644, P9_OREAD, ""));
	fails(c, EBADF, T(write, .fid = 1, .data = data_of("x", 1)));
	reads(c, 1, 0, "");
}

TEST_IN_BOTH(create_of_what_exists_is_EEXIST)
{
	struct conn *c = creator(w, dialect);

	host_file(w, "f", "text");
	host_dir(w, "d");
	host_symlink(w, "s", "nowhere");
	fails(c, EEXIST, creating("f", 0644, P9_ORDWR | P9_OTRUNC, ""));
	fails(c, EEXIST, creating("d", P9_DMDIR | 0755, P9_OREAD, ""));
	fails(c, EEXIST, creating("s", 0644, P9_ORDWR, ""));
	fails(c, EEXIST, creating(".", 0644, P9_ORDWR, ""));
	fails(c, EEXIST, creating("..", 0644, P9_ORDWR, ""));
	host_holds(w, "f", "text");
	check(!host_has(w, "nowhere"));
}

TEST_IN_BOTH(a_failed_create_leaves_the_directory)
{
	struct conn *c = creator(w, dialect);

	host_file(w, "f", "");
	fails(c, EEXIST, creating("f", 0644, P9_ORDWR, ""));
	equal(stat_of(c, 1).qid.type, P9_QTDIR);
	ok(c, creating("new", 0644, P9_ORDWR, ""));
}

TEST_IN_BOTH(create_judges_names)
{
	struct conn *c = creator(w, dialect);

	fails(c, EINVAL, creating("", 0644, P9_ORDWR, ""));
	fails(c, EINVAL, creating("a/b", 0644, P9_ORDWR, ""));
	fails(c, EINVAL, creating("../x", P9_DMDIR | 0755, P9_OREAD, ""));
	fails(c, ENAMETOOLONG, creating(long_name('n', 256), 0644, P9_ORDWR, ""));
	ok(c, creating(long_name('n', 255), 0644, P9_ORDWR, ""));
}

TEST_IN_BOTH(create_in_a_file_is_ENOTDIR)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, creating("x", 0644, P9_ORDWR, ""));
}

TEST_IN_BOTH(create_in_a_removed_directory_is_ENOENT)
{
	struct conn *c = session_in(w, dialect, MSIZE);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	host_unlink(w, "d");
	fails(c, ENOENT, creating("x", 0644, P9_ORDWR, ""));
	fails(c, ENOENT, creating("x", P9_DMDIR | 0755, P9_OREAD, ""));
}

TEST_IN_BOTH(create_on_a_read_only_share_is_EROFS)
{
	struct conn *c;

	serve(w, "--readonly", NULL);
	c = creator(w, dialect);
	fails(c, EROFS, creating("new", 0644, P9_OREAD, ""));
	fails(c, EROFS, creating("new", P9_DMDIR | 0755, P9_OREAD, ""));
}

TEST_IN_BOTH(remove_and_write_on_a_read_only_share_are_refused)
{
	struct conn *c;

	host_file(w, "f", "text");
	serve(w, "--readonly", NULL);
	c = session_in(w, dialect, MSIZE);
	topen(c, 1, "f", P9_OREAD);
	fails(c, EROFS, T(write, .fid = 1, .data = data_of("x", 1)));
	fails(c, EROFS, T(remove, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	host_holds(w, "f", "text");
}

TEST_IN_BOTH(create_with_bits_of_mode_that_mean_nothing_is_EINVAL)
{
	struct conn *c = creator(w, dialect);

	fails(c, EINVAL, creating("new", 0644, 0x04, ""));
	fails(c, EINVAL, creating("new", 0644, 0x08, ""));
	check(!host_has(w, "new"));
}

TEST_IN_BOTH(attributes_that_no_host_keeps_are_EPERM)
{
	static const uint32_t bits[] = {0x40000000, 0x20000000, 0x10000000, 0x08000000,
					0x04000000, 0x00400000, 0x00001000, 0x00000200};
	struct conn *c = creator(w, dialect);

	for (size_t i = 0; i < countof(bits); i++)
		fails(c, EPERM, creating("new", bits[i] | 0644, P9_ORDWR, ""));
	check(!host_has(w, "new"));
}

TEST(plain_makes_files_and_directories_only)
{
	static const uint32_t bits[] = {P9_DMSYMLINK, P9_DMLINK,   P9_DMDEVICE, P9_DMNAMEDPIPE,
					P9_DMSOCKET,  P9_DMSETUID, P9_DMSETGID, P9_DMSETVTX};
	struct conn *c = creator(w, P9_PLAIN);

	for (size_t i = 0; i < countof(bits); i++)
		fails(c, EPERM, creating("new", bits[i] | 0644, P9_OREAD, ""));
	check(!host_has(w, "new"));
}

/* ---- owner and permissions ---- */

TEST_IN_BOTH(the_group_is_that_of_the_directory)
{
	struct conn *c = creator(w, dialect);

	if (!need_root())
		return;
	check(fchownat(w->dir, ".", 11, 4321, 0) == 0);
	ok(c, creating("f", 0644, P9_ORDWR, ""));
	clunk(c, 1);
	walk(c, ROOT, 1, "");
	ok(c, creating("d", P9_DMDIR | 0755, P9_OREAD, ""));
	equal(host_stat(w, "f").st_gid, 4321);
	equal(host_stat(w, "d").st_gid, 4321);
}

TEST(plain_permissions_are_no_wider_than_the_directorys)
{
	struct conn *c = creator(w, P9_PLAIN);

	check(fchmodat(w->dir, ".", 0750, 0) == 0);
	ok(c, creating("f", 0777, P9_ORDWR, ""));
	equal(host_stat(w, "f").st_mode & 07777, 0751);
	clunk(c, 1);
	walk(c, ROOT, 1, "");
	ok(c, creating("d", P9_DMDIR | 0777, P9_OREAD, ""));
	equal(host_stat(w, "d").st_mode & 07777, 0750);
}

TEST(u_permissions_are_as_sent)
{
	struct conn *c = creator(w, P9_U);

	check(fchmodat(w->dir, ".", 0750, 0) == 0);
	ok(c, creating("f", 0666, P9_ORDWR, ""));
	equal(host_stat(w, "f").st_mode & 07777, 0666);
	clunk(c, 1);
	walk(c, ROOT, 1, "");
	ok(c, creating("d", P9_DMDIR | P9_DMSETVTX | 0777, P9_OREAD, ""));
	equal(host_stat(w, "d").st_mode & 07777, 01777);
}

TEST(u_create_sets_the_set_id_bits)
{
	struct conn *c = creator(w, P9_U);

	ok(c, creating("f", P9_DMSETUID | P9_DMSETGID | 0755, P9_ORDWR, ""));
	equal(host_stat(w, "f").st_mode & 07777, 06755);
}

/* ---- directories ---- */

TEST_IN_BOTH(create_makes_a_directory_and_opens_it)
{
	struct conn *c = creator(w, dialect);
	const struct p9_msg *reply = ok(c, creating("new", P9_DMDIR | 0755, P9_OREAD, ""));

	equal(reply->Rcreate.qid.type, P9_QTDIR);
	equal(reply->Rcreate.iounit, 0);
	equal(host_stat(w, "new").st_mode, S_IFDIR | 0755);
	ok(c, T(read, .fid = 1, .count = 1000));
	fails(c, EISDIR, T(write, .fid = 1, .data = data_of("x", 1)));
	host_file(w, "new/f", "");
	walk(c, 1, 2, "f");
}

TEST_IN_BOTH(create_of_a_directory_to_be_written_is_EISDIR)
{
	static const uint8_t modes[] = {P9_OWRITE, P9_ORDWR, P9_OTRUNC, P9_ORCLOSE};
	struct conn *c = creator(w, dialect);

	for (size_t i = 0; i < countof(modes); i++)
		fails(c, EISDIR, creating("new", P9_DMDIR | 0755, modes[i], ""));
	check(!host_has(w, "new"));
}

/* ---- the rest, in .u ---- */

TEST(u_create_makes_symlinks)
{
	struct conn *c = creator(w, P9_U);

	equal(ok(c, creating("s", P9_DMSYMLINK, 0, "some/where"))->Rcreate.qid.type, P9_QTSYMLINK);
	check(link_is(w, "s", "some/where"));
	check(same_str(stat_of(c, 1).name, "s"));
	check(same_str(stat_of(c, 1).extension, "some/where"));
	fails(c, EBADF, T(read, .fid = 1, .count = 1));
}

TEST(u_create_of_a_symlink_judges_the_target)
{
	struct conn *c = creator(w, P9_U);

	fails(c, ENOENT, creating("s", P9_DMSYMLINK, 0, ""));
	fails(c, ENAMETOOLONG, creating("s", P9_DMSYMLINK, 0, long_name('t', 4096)));
	ok(c, creating("s", P9_DMSYMLINK, 0, long_name('t', 4095)));
}

TEST(u_create_makes_hard_links)
{
	struct conn *c = creator(w, P9_U);
	struct p9_qid qid;

	host_file(w, "f", "text");
	qid = walk(c, ROOT, 23, "f");
	check(same_qid(ok(c, creating("h", P9_DMLINK, 0, "23\n"))->Rcreate.qid, qid) ||
	      host_stat(w, "h").st_nlink == 2);
	equal(host_stat(w, "h").st_ino, host_stat(w, "f").st_ino);
	check(same_str(stat_of(c, 1).name, "h"));
	equal(stat_of(c, 1).qid.path, qid.path);
	ok(c, T(open, .fid = 1, .mode = P9_OREAD));
	reads(c, 1, 0, "text");
}

TEST(u_create_of_a_hard_link_takes_the_number_without_newline)
{
	struct conn *c = creator(w, P9_U);

	host_file(w, "f", "text");
	walk(c, ROOT, 2, "f");
	ok(c, creating("h", P9_DMLINK, 0, "2"));
	equal(host_stat(w, "f").st_nlink, 2);
}

TEST(u_create_of_a_hard_link_needs_the_number_of_a_fid)
{
	static const char *const bad[] = {"",	"\n",	 "x",	"2x",	      " 2",
					  "-2", "2\n\n", "0x2", "99999999999"};
	struct conn *c = creator(w, P9_U);

	host_file(w, "f", "");
	walk(c, ROOT, 2, "f");
	for (size_t i = 0; i < countof(bad); i++)
		fails(c, EINVAL, creating("h", P9_DMLINK, 0, bad[i]));
	fails(c, EBADF, creating("h", P9_DMLINK, 0, "77\n"));
	fails(c, EPERM, creating("h", P9_DMLINK, 0, "0\n"));
	check(!host_has(w, "h"));
}

TEST(u_create_of_a_hard_link_of_what_exists_is_EEXIST)
{
	struct conn *c = creator(w, P9_U);

	host_file(w, "f", "");
	host_file(w, "g", "text");
	walk(c, ROOT, 2, "f");
	fails(c, EEXIST, creating("g", P9_DMLINK, 0, "2\n"));
	host_holds(w, "g", "text");
}

TEST(u_create_makes_fifos_and_sockets)
{
	struct conn *c = creator(w, P9_U);

	ok(c, creating("p", P9_DMNAMEDPIPE | 0640, 0, ""));
	equal(host_stat(w, "p").st_mode, S_IFIFO | 0640);
	fails(c, ENXIO, T(open, .fid = 1, .mode = P9_OREAD));
	walk(c, ROOT, 1, "");
	ok(c, creating("k", P9_DMSOCKET | 0755, 0, ""));
	equal(host_stat(w, "k").st_mode, S_IFSOCK | 0755);
	equal(stat_of(c, 1).mode, P9_DMSOCKET | 0755);
}

TEST(u_create_makes_devices)
{
	struct conn *c = creator(w, P9_U);

	if (!need_root())
		return;
	ok(c, creating("c", P9_DMDEVICE | 0600, 0, "c 1 3"));
	equal(host_stat(w, "c").st_mode, S_IFCHR | 0600);
	equal(host_stat(w, "c").st_rdev, makedev(1, 3));
	check(same_str(stat_of(c, 1).extension, "c 1 3"));
	walk(c, ROOT, 1, "");
	ok(c, creating("b", P9_DMDEVICE | 0600, 0, "b 8 255"));
	equal(host_stat(w, "b").st_mode, S_IFBLK | 0600);
	equal(host_stat(w, "b").st_rdev, makedev(8, 255));
	equal(stat_of(c, 1).mode, P9_DMDEVICE | 0600);
	check(same_str(stat_of(c, 1).extension, "b 8 255"));
}

TEST(u_create_of_a_device_needs_its_numbers)
{
	static const char *const bad[] = {"",	   "c",	     "c 1",   "d 1 3",		 "c 1 3 ",
					  "c 1 x", "c  1 3", "c-1 3", "c 1 99999999999", "1 3"};
	struct conn *c = creator(w, P9_U);

	for (size_t i = 0; i < countof(bad); i++)
		fails(c, EINVAL, creating("c", P9_DMDEVICE | 0600, 0, bad[i]));
	check(!host_has(w, "c"));
}

TEST(u_create_of_two_kinds_at_once_is_EINVAL)
{
	struct conn *c = creator(w, P9_U);

	fails(c, EINVAL, creating("x", P9_DMDIR | P9_DMSYMLINK, 0, "t"));
	fails(c, EINVAL, creating("x", P9_DMSOCKET | P9_DMNAMEDPIPE, 0, ""));
	check(!host_has(w, "x"));
}

TEST(u_create_of_what_is_not_open_has_no_ORCLOSE)
{
	struct conn *c = creator(w, P9_U);

	fails(c, EINVAL, creating("s", P9_DMSYMLINK, P9_ORCLOSE, "t"));
	check(!host_has(w, "s"));
}
