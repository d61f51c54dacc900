/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_make.c - Tmkdir, Tsymlink, Tmknod, Tlink, Treadlink, and the rules that they and
 * Tlcreate share for the name and the directory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tests/protocol/harness.h"

/* ---- the rules of all that make a name: each gets the request of one kind ---- */

typedef struct p9_msg maker(uint32_t dfid, struct p9_str name);

#define SOURCE 90u /* a fid of the file "source", for Tlink */

static struct p9_msg make_file(uint32_t dfid, struct p9_str name)
{
	return T(lcreate, .fid = dfid, .name = name, .flags = L_RDWR | L_CREATE | P9_O_EXCL,
		 .mode = 0644, .gid = getegid());
}

static struct p9_msg make_dir(uint32_t dfid, struct p9_str name)
{
	return T(mkdir, .dfid = dfid, .name = name, .mode = 0755, .gid = getegid());
}

static struct p9_msg make_symlink(uint32_t dfid, struct p9_str name)
{
	return T(symlink, .dfid = dfid, .name = name, .target = p9_str("target"), .gid = getegid());
}

static struct p9_msg make_node(uint32_t dfid, struct p9_str name)
{
	return T(mknod, .dfid = dfid, .name = name, .mode = S_IFIFO | 0644, .gid = getegid());
}

static struct p9_msg make_link(uint32_t dfid, struct p9_str name)
{
	return T(link, .dfid = dfid, .fid = SOURCE, .name = name);
}

static struct conn *maker_session(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "source", "");
	walk(c, ROOT, SOURCE, "source");
	walk(c, ROOT, 1, "");
	return c;
}

static void makes_an_object(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	ok(c, make(1, p9_str("x")));
	check(host_has(w, "x"));
	walk(c, ROOT, 2, "x");
}

static void fails_for(struct world *w, maker *make, const char *name, int error)
{
	struct conn *c = maker_session(w);

	host_dir(w, "d");
	host_file(w, "f", "text");
	fails(c, error, make(1, p9_str(name)));
	check(!host_has(w, "d/x"));
	host_holds(w, "f", "text");
}

static void takes_a_name_of_255_bytes(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	ok(c, make(1, p9_str(long_name('x', 255))));
	check(host_has(w, long_name('x', 255)));
}

static void takes_any_bytes_as_name(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	ok(c, make(1, p9_str("\xff\x80 \n*\\")));
	check(host_has(w, "\xff\x80 \n*\\"));
}

static void refuses_a_name_with_NUL(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	fails(c, EINVAL, make(1, str_of("x\0y", 3)));
	check(!host_has(w, "x"));
}

static void needs_a_directory(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 2, "f");
	fails(c, ENOTDIR, make(2, p9_str("x")));
}

static void needs_a_known_directory(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	fails(c, EBADF, make(9, p9_str("x")));
}

static void needs_a_directory_that_exists(struct world *w, maker *make)
{
	struct conn *c = maker_session(w);

	host_dir(w, "d");
	walk(c, ROOT, 2, "d");
	host_unlink(w, "d");
	fails(c, ENOENT, make(2, p9_str("x")));
}

#define MAKER_TESTS(kind, make)                                                                    \
	TEST(kind##_makes_an_object)                                                               \
	{                                                                                          \
		makes_an_object(w, make);                                                          \
	}                                                                                          \
	TEST(kind##_of_an_empty_name_is_EINVAL)                                                    \
	{                                                                                          \
		fails_for(w, make, "", EINVAL);                                                    \
	}                                                                                          \
	TEST(kind##_of_a_name_with_slash_is_EINVAL)                                                \
	{                                                                                          \
		fails_for(w, make, "d/x", EINVAL);                                                 \
	}                                                                                          \
	TEST(kind##_of_a_slash_is_EINVAL)                                                          \
	{                                                                                          \
		fails_for(w, make, "/", EINVAL);                                                   \
	}                                                                                          \
	TEST(kind##_of_a_name_ending_in_slash_is_EINVAL)                                           \
	{                                                                                          \
		fails_for(w, make, "x/", EINVAL);                                                  \
	}                                                                                          \
	TEST(kind##_of_dot_is_EEXIST)                                                              \
	{                                                                                          \
		fails_for(w, make, ".", EEXIST);                                                   \
	}                                                                                          \
	TEST(kind##_of_dotdot_is_EEXIST)                                                           \
	{                                                                                          \
		fails_for(w, make, "..", EEXIST);                                                  \
	}                                                                                          \
	TEST(kind##_of_256_bytes_is_ENAMETOOLONG)                                                  \
	{                                                                                          \
		fails_for(w, make, long_name('x', 256), ENAMETOOLONG);                             \
	}                                                                                          \
	TEST(kind##_over_a_file_is_EEXIST)                                                         \
	{                                                                                          \
		fails_for(w, make, "f", EEXIST);                                                   \
	}                                                                                          \
	TEST(kind##_over_a_directory_is_EEXIST)                                                    \
	{                                                                                          \
		fails_for(w, make, "d", EEXIST);                                                   \
	}                                                                                          \
	TEST(kind##_takes_a_name_of_255_bytes)                                                     \
	{                                                                                          \
		takes_a_name_of_255_bytes(w, make);                                                \
	}                                                                                          \
	TEST(kind##_takes_any_bytes_as_name)                                                       \
	{                                                                                          \
		takes_any_bytes_as_name(w, make);                                                  \
	}                                                                                          \
	TEST(kind##_of_a_name_with_NUL_is_EINVAL)                                                  \
	{                                                                                          \
		refuses_a_name_with_NUL(w, make);                                                  \
	}                                                                                          \
	TEST(kind##_in_a_file_is_ENOTDIR)                                                          \
	{                                                                                          \
		needs_a_directory(w, make);                                                        \
	}                                                                                          \
	TEST(kind##_in_an_unknown_fid_is_EBADF)                                                    \
	{                                                                                          \
		needs_a_known_directory(w, make);                                                  \
	}                                                                                          \
	TEST(kind##_in_a_removed_directory_is_ENOENT)                                              \
	{                                                                                          \
		needs_a_directory_that_exists(w, make);                                            \
	}

MAKER_TESTS(create, make_file)
MAKER_TESTS(mkdir, make_dir)
MAKER_TESTS(symlink, make_symlink)
MAKER_TESTS(mknod, make_node)
MAKER_TESTS(link, make_link)

/* ---- Tmkdir ---- */

static void makes_dir_with_mode(struct world *w, uint32_t asked, mode_t got)
{
	struct conn *c = session(w);
	struct p9_msg m = make_dir(ROOT, p9_str("d"));

	m.Tmkdir.mode = asked;
	ok(c, m);
	equal(host_stat(w, "d").st_mode, S_IFDIR | got);
}

TEST(mkdir_sets_the_mode_without_an_umask_of_the_server)
{
	makes_dir_with_mode(w, 0777, 0777);
}

TEST(mkdir_sets_a_small_mode)
{
	makes_dir_with_mode(w, 0500, 0500);
}

TEST(mkdir_sets_the_sticky_bit)
{
	makes_dir_with_mode(w, 01777, 01777);
}

TEST(mkdir_sets_the_setgid_bit)
{
	makes_dir_with_mode(w, 02775, 02775);
}

TEST(mkdir_sets_no_setuid_bit)
{
	makes_dir_with_mode(w, 04755, 0755);
}

TEST(mkdir_in_a_setgid_directory_hands_group_and_bit_on)
{
	struct conn *c = session(w);
	struct p9_msg m = make_dir(1, p9_str("d"));

	if (!need_root())
		return;
	host_dir(w, "parent");
	check(fchownat(w->dir, "parent", 0, 777, 0) == 0);
	check(fchmodat(w->dir, "parent", 02755, 0) == 0);
	walk(c, ROOT, 1, "parent");
	m.Tmkdir.gid = 777;
	m.Tmkdir.mode = 02750;
	ok(c, m);
	equal(host_stat(w, "parent/d").st_gid, 777);
	equal(host_stat(w, "parent/d").st_mode, S_IFDIR | 02750);
}

TEST(mkdir_ignores_the_type_in_the_mode)
{
	makes_dir_with_mode(w, S_IFDIR | 0750, 0750);
}

TEST(mkdir_gives_the_qid_of_the_new_directory)
{
	struct conn *c = session(w);
	struct p9_qid qid = ok(c, make_dir(ROOT, p9_str("d")))->Rmkdir.qid;

	equal(qid.type, P9_QTDIR);
	check(same_qid(walk(c, ROOT, 1, "d"), qid));
}

TEST(mkdir_leaves_the_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, make_dir(1, p9_str("a")));
	ok(c, make_dir(1, p9_str("b")));
	check(host_has(w, "b"));
	equal(attr(c, 1).qid.path, attr(c, ROOT).qid.path);
}

TEST(mkdir_gives_the_directory_to_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = make_dir(ROOT, p9_str("d"));

	if (!need_root())
		return;
	m.Tmkdir.gid = 54321;
	m.Tmkdir.mode = 02770;
	ok(c, m);
	equal(host_stat(w, "d").st_gid, 54321);
	equal(host_stat(w, "d").st_mode, S_IFDIR | 02770);
}

/* ---- Tsymlink and Treadlink ---- */

static struct p9_msg symlink_to(const char *target)
{
	struct p9_msg m = make_symlink(ROOT, p9_str("l"));

	m.Tsymlink.target = p9_str(target);
	return m;
}

static void keeps_target(struct world *w, struct conn *c, const char *target)
{
	char text[4097];
	struct p9_str got;
	ssize_t length;

	ok(c, symlink_to(target));
	length = readlinkat(w->dir, "l", text, sizeof(text));
	check(length == (ssize_t)strlen(target) && memcmp(text, target, (size_t)length) == 0);
	walk(c, ROOT, 1, "l");
	got = ok(c, T(readlink, .fid = 1))->Rreadlink.target;
	check(got.len == strlen(target) && memcmp(got.text, target, got.len) == 0);
	equal(attr(c, 1).size, strlen(target));
}

TEST(symlink_keeps_a_relative_target)
{
	keeps_target(w, session(w), "../other/./name");
}

TEST(symlink_keeps_an_absolute_target)
{
	keeps_target(w, session(w), "/etc/passwd");
}

TEST(symlink_keeps_any_bytes_in_the_target)
{
	keeps_target(w, session(w), "\xff\xfe\n //..//\x01");
}

TEST(symlink_keeps_a_target_of_4095_bytes)
{
	keeps_target(w, session(w), long_name('t', 4095));
}

TEST(symlink_with_an_empty_target_is_ENOENT)
{
	struct conn *c = session(w);

	fails(c, ENOENT, symlink_to(""));
	check(!host_has(w, "l"));
}

TEST(symlink_with_a_target_of_4096_bytes_is_ENAMETOOLONG)
{
	struct conn *c = session(w);

	fails(c, ENAMETOOLONG, symlink_to(long_name('t', 4096)));
	check(!host_has(w, "l"));
}

TEST(symlink_with_NUL_in_the_target_is_EINVAL)
{
	struct conn *c = session(w);
	struct p9_msg m = symlink_to("");

	m.Tsymlink.target = str_of("a\0b", 3);
	fails(c, EINVAL, m);
	check(!host_has(w, "l"));
}

TEST(symlink_gives_the_qid_of_the_link)
{
	struct conn *c = session(w);
	struct p9_qid qid = ok(c, symlink_to("x"))->Rsymlink.qid;

	equal(qid.type, P9_QTSYMLINK);
	check(same_qid(walk(c, ROOT, 1, "l"), qid));
}

TEST(symlink_and_mknod_leave_the_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, make_symlink(1, p9_str("a")));
	ok(c, make_node(1, p9_str("b")));
	equal(attr(c, 1).qid.path, attr(c, ROOT).qid.path);
	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY));
}

TEST(symlink_gives_the_link_to_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = symlink_to("/etc/passwd");

	if (!need_root())
		return;
	m.Tsymlink.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "l").st_gid, 54321);
}

TEST(readlink_of_a_file_is_EINVAL)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, EINVAL, T(readlink, .fid = 1));
	fails(c, EINVAL, T(readlink, .fid = ROOT));
}

TEST(readlink_of_a_target_that_exceeds_the_msize_is_EMSGSIZE)
{
	struct conn *c = session_of(w, 4096);

	host_symlink(w, "l", long_name('t', 4095));
	walk(c, ROOT, 1, "l");
	fails(c, EMSGSIZE, T(readlink, .fid = 1));
}

/* ---- Tmknod ---- */

static struct p9_msg mknod_of(uint32_t mode, uint32_t major, uint32_t minor)
{
	return T(mknod, .dfid = ROOT, .name = p9_str("n"), .mode = mode, .major = major,
		 .minor = minor, .gid = getegid());
}

static void makes_node(struct world *w, uint32_t asked, mode_t got)
{
	struct conn *c = session(w);
	struct p9_qid qid = ok(c, mknod_of(asked, 0, 0))->Rmknod.qid;

	equal(host_stat(w, "n").st_mode, got);
	equal(qid.type, P9_QTFILE);
	check(same_qid(walk(c, ROOT, 1, "n"), qid));
	equal(attr(c, 1).mode, got);
}

TEST(mknod_makes_a_fifo)
{
	makes_node(w, S_IFIFO | 0666, S_IFIFO | 0666);
}

TEST(mknod_makes_a_socket)
{
	makes_node(w, S_IFSOCK | 0755, S_IFSOCK | 0755);
}

TEST(mknod_makes_a_file)
{
	makes_node(w, S_IFREG | 0640, S_IFREG | 0640);
}

TEST(mknod_without_a_type_makes_a_file)
{
	makes_node(w, 0622, S_IFREG | 0622);
}

TEST(mknod_sets_suid)
{
	makes_node(w, S_IFREG | 04711, S_IFREG | 04711);
}

TEST(mknod_of_a_directory_is_EPERM)
{
	struct conn *c = session(w);

	fails(c, EPERM, mknod_of(S_IFDIR | 0755, 0, 0));
	check(!host_has(w, "n"));
}

TEST(mknod_of_a_symlink_is_EINVAL)
{
	struct conn *c = session(w);

	fails(c, EINVAL, mknod_of(S_IFLNK | 0755, 0, 0));
	check(!host_has(w, "n"));
}

TEST(mknod_of_a_type_that_does_not_exist_is_EINVAL)
{
	static const uint32_t types[] = {0030000, 0050000, 0070000, 0110000,
					 0130000, 0150000, 0160000, 0170000};
	struct conn *c = session(w);

	for (size_t i = 0; i < countof(types); i++)
		fails(c, EINVAL, mknod_of(types[i] | 0644, 1, 3));
	check(!host_has(w, "n"));
}

/* Linux has 12 and 20 bits for them, and cuts no number. */
TEST(mknod_of_a_device_with_numbers_that_are_too_large_is_EINVAL)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	fails(c, EINVAL, mknod_of(S_IFCHR | 0660, 0x1000, 3));
	fails(c, EINVAL, mknod_of(S_IFCHR | 0660, 1, 0x100000));
	fails(c, EINVAL, mknod_of(S_IFBLK | 0660, UINT32_MAX, UINT32_MAX));
	check(!host_has(w, "n"));
	ok(c, mknod_of(S_IFCHR | 0660, 0xfff, 0xfffff));
	equal(major(host_stat(w, "n").st_rdev), 0xfff);
	equal(minor(host_stat(w, "n").st_rdev), 0xfffff);
}

static void makes_device(struct world *w, uint32_t type, uint32_t major, uint32_t minor)
{
	struct conn *c;
	struct stat st;

	if (!need_root())
		return;
	c = session(w);
	ok(c, mknod_of(type | 0660, major, minor));
	st = host_stat(w, "n");
	equal(st.st_mode, type | 0660);
	equal(major(st.st_rdev), major);
	equal(minor(st.st_rdev), minor);
	walk(c, ROOT, 1, "n");
	equal(attr(c, 1).rdev,
	      (minor & 0xff) | (uint64_t)major << 8 | (uint64_t)(minor & ~0xffu) << 12);
}

TEST(mknod_makes_a_character_device)
{
	makes_device(w, S_IFCHR, 1, 3);
}

TEST(mknod_makes_a_block_device)
{
	makes_device(w, S_IFBLK, 7, 255);
}

TEST(mknod_makes_a_device_with_large_numbers)
{
	makes_device(w, S_IFCHR, 0xabc, 0x12345);
}

TEST(mknod_makes_a_whiteout)
{
	makes_device(w, S_IFCHR, 0, 0);
}

TEST(mknod_of_a_device_without_privilege_is_EPERM)
{
	struct conn *c = session(w);

	if (!need_no_root())
		return;
	fails(c, EPERM, mknod_of(S_IFBLK | 0660, 7, 1));
}

TEST(mknod_gives_the_node_to_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = mknod_of(S_IFIFO | 0600, 0, 0);

	if (!need_root())
		return;
	m.Tmknod.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "n").st_gid, 54321);
}

static void special_file_is_usable(struct world *w, mode_t type)
{
	struct conn *c = session(w);

	ok(c, mknod_of(type | 0600, 1, 3));
	walk(c, ROOT, 1, "n");
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0640));
	equal(attr(c, 1).mode, type | 0640);
	ok(c,
	   T(setattr, .fid = 1, .valid = P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = 5));
	equal(attr(c, 1).mtime_sec, 5);
	fails_with_one_of(c, T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("user.a")), ENODATA,
			  EOPNOTSUPP);
	ok(c, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("m")));
	ok(c, T(statfs, .fid = 1));
	ok(c, T(renameat, .olddirfid = ROOT, .oldname = p9_str("n"), .newdirfid = ROOT,
		.newname = p9_str("o")));
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("o")));
	check(!host_has(w, "o"));
	equal(attr(c, 1).nlink, 1);
}

TEST(a_fifo_can_be_used_without_being_opened)
{
	special_file_is_usable(w, S_IFIFO);
}

TEST(a_socket_can_be_used_without_being_opened)
{
	special_file_is_usable(w, S_IFSOCK);
}

TEST(a_device_can_be_used_without_being_opened)
{
	if (need_root())
		special_file_is_usable(w, S_IFCHR);
}

/* ---- Tlink ---- */

TEST(link_makes_a_second_name_of_the_same_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	walk(c, ROOT, 2, "d");
	ok(c, T(link, .dfid = 2, .fid = 1, .name = p9_str("g")));
	equal(host_stat(w, "d/g").st_ino, host_stat(w, "f").st_ino);
	equal(attr(c, 1).nlink, 2);
	check(same_qid(walk(c, 2, 3, "g"), attr(c, 1).qid));
}

TEST(link_of_a_symlink_links_the_link)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	ok(c, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("m")));
	equal(host_stat(w, "m").st_ino, host_stat(w, "l").st_ino);
	check(S_ISLNK(host_stat(w, "m").st_mode));
}

TEST(link_of_a_directory_is_EPERM)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "d");
	fails(c, EPERM, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("e")));
}

TEST(link_of_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(link, .dfid = ROOT, .fid = 9, .name = p9_str("e")));
}

TEST(link_of_a_file_that_has_too_many_is_EMLINK)
{
	struct conn *c = session(w);
	unsigned count = 1;
	char name[16];

	host_file(w, "f", "");
	do
		snprintf(name, sizeof(name), "l%u", count++);
	while (count < 70000 && linkat(w->dir, "f", w->dir, name, 0) == 0);
	if (count == 70000)
		return test_skip("the host's file system has no such limit");
	walk(c, ROOT, 1, "f");
	fails(c, EMLINK, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("g")));
	host_unlink(w, "l1");
	ok(c, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("g")));
}

TEST(link_leaves_both_fids)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	walk(c, ROOT, 2, "");
	ok(c, T(link, .dfid = 2, .fid = 1, .name = p9_str("g")));
	equal(attr(c, 1).qid.type, P9_QTFILE);
	equal(attr(c, 2).qid.type, P9_QTDIR);
}

TEST(mkdir_bytes_of_the_directory_fid_come_before_the_name)
{
	struct conn *c = session(w);
	struct raw raw = raw_begin(72, 5);

	raw_int(&raw, ROOT, 4);
	raw_str(&raw, "d");
	raw_int(&raw, 0700, 4);
	raw_int(&raw, getegid(), 4);
	raw_send(c, &raw);
	equal(answer(c, 5)->type, 73);
	check(host_has(w, "d"));
}

TEST(link_bytes_of_the_directory_come_before_the_file)
{
	struct conn *c = session(w);
	struct raw raw = raw_begin(70, 5);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	raw_int(&raw, ROOT, 4);
	raw_int(&raw, 1, 4);
	raw_str(&raw, "g");
	raw_send(c, &raw);
	equal(answer(c, 5)->type, 71);
	check(host_has(w, "g"));
}
