/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_attr.c - attributes: what they tell, setting them, and whose new objects are.
 */
#include "tests/fs/conformance.h"

#define SET(...) (&(struct fs_setattr){__VA_ARGS__})

static void attributes_are_plausible(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "0123456789");
	struct fs_attr attr = attr_of(&w, node), dir = attr_of(&w, w.root);

	CU_ASSERT_EQUAL(attr.size, 10);
	CU_ASSERT_EQUAL(attr.nlink, 1);
	CU_ASSERT(attr.blksize >= 512 && (attr.blksize & (attr.blksize - 1)) == 0);
	CU_ASSERT(attr.mtime.sec > 1600000000 && attr.mtime.nsec < 1000000000);
	CU_ASSERT(attr.atime.sec > 1600000000 && attr.ctime.sec > 1600000000);
	CU_ASSERT(!attr.has_btime || attr.btime.sec > 1600000000);
	CU_ASSERT_NOT_EQUAL(attr.path, dir.path);
	put(&w, node);
}

static void the_version_follows_the_content(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "a");
	struct fs_file file = open_node(&w, node, O_RDWR);
	uint32_t version = attr_of(&w, node).version, dir = attr_of(&w, w.root).version;

	CU_ASSERT_NOT_EQUAL(version, 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).version, version);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "file").version, version);
	put_text(&w, file, "abc", 0);
	CU_ASSERT_NOT_EQUAL(attr_of(&w, node).version, version);
	version = attr_of(&w, node).version;
	OK(fs_setattr(w.fs, node, FS_NO_FILE, SET(.valid = FS_SET_SIZE, .size = 1)));
	CU_ASSERT_NOT_EQUAL(attr_of(&w, node).version, version);
	CU_ASSERT_NOT_EQUAL(attr_of(&w, node).version, 0);
	/* the clock of a host's file system may stand for some milliseconds */
	usleep(20000);
	put(&w, make_file(&w, w.root, "another", ""));
	CU_ASSERT_NOT_EQUAL(attr_of(&w, w.root).version, dir);
	fs_close(w.fs, file);
	put(&w, node);
}

static void size_is_set_through_node_or_file(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "0123456789");
	struct fs_file r = open_node(&w, node, O_RDONLY), rw = open_node(&w, node, O_RDWR);
	const struct fs_file files[] = {FS_NO_FILE, r, rw};

	for (size_t i = 0; i < countof(files); i++) {
		OK(fs_setattr(w.fs, node, files[i], SET(.valid = FS_SET_SIZE, .size = 5)));
		CU_ASSERT_EQUAL(attr_of(&w, node).size, 5);
		OK(fs_setattr(w.fs, node, files[i], SET(.valid = FS_SET_SIZE, .size = 1 << 20)));
		CU_ASSERT_EQUAL(attr_of(&w, node).size, 1 << 20);
		OK(fs_setattr(w.fs, node, files[i], SET(.valid = FS_SET_SIZE, .size = 0)));
		CU_ASSERT_EQUAL(attr_of(&w, node).size, 0);
	}
	OK(fs_setattr(w.fs, node, rw, SET(.valid = FS_SET_SIZE, .size = (UINT64_C(1) << 33) + 1)));
	CU_ASSERT_EQUAL(attr_of(&w, node).size, (UINT64_C(1) << 33) + 1);
	fs_close(w.fs, rw);
	fs_close(w.fs, r);
	put(&w, node);
}

static void a_writable_file_can_be_sized_whatever_its_mode(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "0123456789");
	struct fs_file file = open_node(&w, node, O_WRONLY);

	OK(fs_setattr(w.fs, node, FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 0)));
	OK(fs_setattr(w.fs, node, file, SET(.valid = FS_SET_SIZE, .size = 3)));
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 3);
	fs_close(w.fs, file);
	put(&w, node);
}

static void only_files_have_a_size_to_set(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", ""),
		       link = make_link(&w, w.root, "link", "file"),
		       fifo = make_special(&w, w.root, "fifo", S_IFIFO | 0600);
	const struct fs_setattr *set = SET(.valid = FS_SET_SIZE, .size = 1);

	FAILS(EISDIR, fs_setattr(w.fs, w.root, FS_NO_FILE, set));
	FAILS(EINVAL, fs_setattr(w.fs, link, FS_NO_FILE, set));
	FAILS(EINVAL, fs_setattr(w.fs, fifo, FS_NO_FILE, set));
	FAILS(EINVAL, fs_setattr(w.fs, file, FS_NO_FILE,
				 SET(.valid = FS_SET_SIZE, .size = (uint64_t)INT64_MAX + 1)));
	CU_ASSERT_EQUAL(attr_of(&w, file).size, 0);
	put(&w, fifo);
	put(&w, link);
	put(&w, file);
}

static void mode_bits_are_set_and_others_ignored(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", ""), dir = make_dir(&w, w.root, "dir");
	struct fs_node link = make_link(&w, w.root, "link", "file");

	OK(fs_setattr(w.fs, file, FS_NO_FILE,
		      SET(.valid = FS_SET_MODE, .mode = S_IFDIR | 0xff000000 | 05641)));
	CU_ASSERT_EQUAL(attr_of(&w, file).mode, S_IFREG | 05641);
	OK(fs_setattr(w.fs, dir, FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 03711)));
	CU_ASSERT_EQUAL(attr_of(&w, dir).mode, S_IFDIR | 03711);
	FAILS(EOPNOTSUPP,
	      fs_setattr(w.fs, link, FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 0600)));
	CU_ASSERT_EQUAL(attr_of(&w, file).mode, S_IFREG | 05641);
	put(&w, link);
	put(&w, dir);
	put(&w, file);
}

static void owners_are_set(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	struct fs_node link = make_link(&w, w.root, "link", "file");
	const uint32_t both = FS_SET_UID | FS_SET_GID;

	/* Also who may not set owners is not refused: none of the models here is so strict. */
	OK(fs_setattr(w.fs, file, FS_NO_FILE, SET(.valid = both, .uid = 1234, .gid = 5678)));
	OK(fs_setattr(w.fs, link, FS_NO_FILE, SET(.valid = FS_SET_UID, .uid = 99)));
	if (subject->sets_owner) {
		CU_ASSERT_EQUAL(attr_of(&w, file).uid, 1234);
		CU_ASSERT_EQUAL(attr_of(&w, file).gid, 5678);
		CU_ASSERT_EQUAL(attr_of(&w, link).uid, 99);
		OK(fs_setattr(w.fs, file, FS_NO_FILE, SET(.valid = FS_SET_GID, .gid = 7)));
		CU_ASSERT_EQUAL(attr_of(&w, file).uid, 1234);
		CU_ASSERT_EQUAL(attr_of(&w, file).gid, 7);
	}
	put(&w, link);
	put(&w, file);
}

static void an_owner_of_minus_one_changes_nothing(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	struct fs_attr before = attr_of(&w, file);
	const struct fs_setattr *set =
		SET(.valid = FS_SET_UID | FS_SET_GID, .uid = (uint32_t)-1, .gid = (uint32_t)-1);

	OK(fs_setattr(w.fs, file, FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 06755)));
	OK(fs_setattr(w.fs, file, FS_NO_FILE, set));
	CU_ASSERT_EQUAL(attr_of(&w, file).uid, before.uid);
	CU_ASSERT_EQUAL(attr_of(&w, file).gid, before.gid);
	CU_ASSERT_EQUAL(attr_of(&w, file).mode, S_IFREG | 06755);
	put(&w, file);
}

static bool same_time(struct fs_time a, struct fs_time b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

static void times_are_set_to_the_nanosecond(void)
{
	_world_ struct world w = world();
	struct fs_node nodes[] = {make_file(&w, w.root, "file", ""), make_dir(&w, w.root, "dir"),
				  make_link(&w, w.root, "link", "nowhere")};
	struct fs_time t1 = {.sec = 1000000001, .nsec = 123456789},
		       t2 = {.sec = 2, .nsec = 999999999};

	for (size_t i = 0; i < countof(nodes); i++) {
		OK(fs_setattr(w.fs, nodes[i], FS_NO_FILE,
			      SET(.valid = FS_SET_ATIME | FS_SET_MTIME, .atime = t1, .mtime = t2)));
		CU_ASSERT(same_time(attr_of(&w, nodes[i]).atime, t1));
		CU_ASSERT(same_time(attr_of(&w, nodes[i]).mtime, t2));
		OK(fs_setattr(w.fs, nodes[i], FS_NO_FILE, SET(.valid = FS_SET_ATIME, .atime = t2)));
		CU_ASSERT(same_time(attr_of(&w, nodes[i]).atime, t2));
		CU_ASSERT(same_time(attr_of(&w, nodes[i]).mtime, t2));
		OK(fs_setattr(w.fs, nodes[i], FS_NO_FILE, SET(.valid = FS_SET_MTIME_NOW)));
		CU_ASSERT(same_time(attr_of(&w, nodes[i]).atime, t2));
		CU_ASSERT(attr_of(&w, nodes[i]).mtime.sec > 1600000000);
		OK(fs_setattr(w.fs, nodes[i], FS_NO_FILE,
			      SET(.valid = FS_SET_ATIME | FS_SET_ATIME_NOW, .atime = t1)));
		CU_ASSERT(attr_of(&w, nodes[i]).atime.sec > 1600000000);
		put(&w, nodes[i]);
	}
}

static void wild_nanoseconds_are_refused(void)
{
	_world_ struct world w = world();
	const struct fs_time wild = {.sec = 1, .nsec = 1000000000}, omit = {.nsec = 0x3ffffffe};
	const uint32_t bits[] = {FS_SET_ATIME, FS_SET_MTIME};

	for (size_t i = 0; i < countof(bits); i++) {
		FAILS(EINVAL, fs_setattr(w.fs, w.root, FS_NO_FILE,
					 SET(.valid = bits[i], .atime = wild, .mtime = wild)));
		FAILS(EINVAL, fs_setattr(w.fs, w.root, FS_NO_FILE,
					 SET(.valid = bits[i], .atime = omit, .mtime = omit)));
	}
	OK(fs_setattr(w.fs, w.root, FS_NO_FILE,
		      SET(.valid = FS_SET_MODE, .mode = 0755, .atime = wild)));
}

/* Size changes mtime, owner drops set-id bits: the later steps have the last word. */
static void all_that_is_set_at_once_survives(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "text");
	struct fs_time then = {.sec = 1234567890, .nsec = 42};
	const struct fs_setattr *set =
		SET(.valid = FS_SET_SIZE | FS_SET_UID | FS_SET_GID | FS_SET_MODE | FS_SET_ATIME |
			     FS_SET_MTIME | FS_SET_CTIME,
		    .size = 1000, .uid = attr_of(&w, file).uid, .gid = attr_of(&w, file).gid,
		    .mode = 06755, .atime = then, .mtime = then);

	OK(fs_setattr(w.fs, file, FS_NO_FILE, set));
	CU_ASSERT_EQUAL(attr_of(&w, file).size, 1000);
	CU_ASSERT_EQUAL(attr_of(&w, file).mode, S_IFREG | 06755);
	CU_ASSERT(same_time(attr_of(&w, file).atime, then));
	CU_ASSERT(same_time(attr_of(&w, file).mtime, then));
	put(&w, file);
}

static void ctime_alone_touches_nothing_else(void)
{
	_world_ struct world w = world();
	struct fs_node nodes[] = {make_file(&w, w.root, "file", "text"),
				  make_link(&w, w.root, "link", "x")};
	struct fs_time then = {.sec = 1234567890, .nsec = 42};

	OK(fs_setattr(w.fs, nodes[0], FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 06755)));
	for (size_t i = 0; i < countof(nodes); i++) {
		struct fs_attr before, after;

		OK(fs_setattr(
			w.fs, nodes[i], FS_NO_FILE,
			SET(.valid = FS_SET_ATIME | FS_SET_MTIME, .atime = then, .mtime = then)));
		before = attr_of(&w, nodes[i]);
		usleep(20000);
		OK(fs_setattr(w.fs, nodes[i], FS_NO_FILE, SET(.valid = FS_SET_CTIME)));
		after = attr_of(&w, nodes[i]);
		CU_ASSERT_FALSE(same_time(after.ctime, before.ctime));
		CU_ASSERT(same_time(after.mtime, then) && same_time(after.atime, then));
		CU_ASSERT_EQUAL(after.mode, before.mode);
		put(&w, nodes[i]);
	}
}

static void setting_nothing_is_allowed(void)
{
	_world_ struct world w = world();
	struct fs_attr before = attr_of(&w, w.root);

	OK(fs_setattr(w.fs, w.root, FS_NO_FILE, SET(.valid = 0, .mode = 0, .size = 5)));
	CU_ASSERT_EQUAL(attr_of(&w, w.root).mode, before.mode);
}

static void statfs_works_on_any_object(void)
{
	_world_ struct world w = world();
	struct fs_node nodes[] = {make_file(&w, w.root, "file", ""),
				  make_link(&w, w.root, "link", "x"),
				  make_special(&w, w.root, "fifo", S_IFIFO)};

	for (size_t i = 0; i < countof(nodes); i++) {
		struct fs_statfs st = {0};

		OK(fs_statfs(w.fs, nodes[i], &st));
		CU_ASSERT(st.type != 0 && st.bsize != 0 && st.blocks >= st.bfree);
		CU_ASSERT_EQUAL(st.namelen, 255);
		put(&w, nodes[i]);
	}
}

/* Makes one object of each kind as `cred`; gives their attributes. */
static void make_each(struct world *w, struct fs_node dir, struct fs_cred cred,
		      struct fs_attr attr[4])
{
	struct fs_node node;
	struct fs_file file;

	OK(fs_create(w->fs, dir, "f", O_RDWR | O_EXCL, 0640, cred, &node, &file, &attr[0], NULL));
	put_text(w, file, "text", 0);
	fs_close(w->fs, file);
	put(w, node);
	OK(fs_mkdir(w->fs, dir, "d", 0750, cred, &attr[1], NULL));
	OK(fs_symlink(w->fs, dir, "l", "t", cred, &attr[2], NULL));
	OK(fs_mknod(w->fs, dir, "p", S_IFIFO | 0600, 0, 0, cred, &attr[3], NULL));
}

static void new_objects_belong_to_whom_they_should(void)
{
	_world_ struct world w = world();
	const struct fs_cred creds[] = {{1000, 1000}, {0, 5}, {1000, 0}, {0, 0}, {65534, 4000000}};

	if (!subject->sets_owner)
		return test_skip("owners cannot be set");
	for (size_t i = 0; i < countof(creds); i++) {
		char name[2] = {(char)('0' + i), 0};
		struct fs_node dir = make_dir(&w, w.root, name);
		struct fs_attr attr[4];

		make_each(&w, dir, creds[i], attr);
		for (int k = 0; k < 4; k++) {
			CU_ASSERT_EQUAL(attr[k].uid, creds[i].uid);
			CU_ASSERT_EQUAL(attr[k].gid, creds[i].gid);
		}
		put(&w, dir);
	}
	/* and back: the next one is the server's again */
	CU_ASSERT_EQUAL(attr_of(&w, w.root).uid, attr_at(&w, w.root, "4").uid);
}

static void host_permissions_do_not_stop_a_guest(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir");
	struct fs_cred cred = {1000, 1000};
	struct fs_attr attr[4];

	if (!subject->sets_owner)
		return put(&w, dir), test_skip("owners cannot be set");
	OK(fs_setattr(w.fs, dir, FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 0)));
	make_each(&w, dir, cred, attr);
	CU_ASSERT_EQUAL(attr[0].uid, 1000);
	OK(fs_mknod(w.fs, dir, "c", S_IFCHR | 0600, 1, 3, cred, &attr[0], NULL));
	CU_ASSERT_EQUAL(attr[0].uid, 1000);
	put(&w, dir);
}

static void unknown_creators_are_the_drivers_choice(void)
{
	_world_ struct world w = world();
	struct fs_attr attr[4];

	make_each(&w, w.root, ANYBODY, attr);
	for (int k = 0; k < 4; k++) {
		CU_ASSERT_NOT_EQUAL(attr[k].uid, (uint32_t)-1);
		CU_ASSERT_NOT_EQUAL(attr[k].gid, (uint32_t)-1);
	}
	if (!subject->sets_owner)
		return;
	OK(fs_mkdir(w.fs, w.root, "gid", 0755, (struct fs_cred){(uint32_t)-1, 77}, &attr[0], NULL));
	CU_ASSERT_EQUAL(attr[0].gid, 77);
	OK(fs_mkdir(w.fs, w.root, "uid", 0755, (struct fs_cred){88, (uint32_t)-1}, &attr[0], NULL));
	CU_ASSERT_EQUAL(attr[0].uid, 88);
}

static void a_setgid_directory_hands_its_group_on(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir");
	struct fs_cred cred = {1000, 1000};
	struct fs_attr attr[4];

	OK(fs_setattr(w.fs, dir, FS_NO_FILE, SET(.valid = FS_SET_GID, .gid = 4321)));
	OK(fs_setattr(w.fs, dir, FS_NO_FILE, SET(.valid = FS_SET_MODE, .mode = 02777)));
	make_each(&w, dir, cred, attr);
	for (int k = 0; k < 4; k++)
		CU_ASSERT_EQUAL(attr[k].gid, attr_of(&w, dir).gid);
	CU_ASSERT_EQUAL(attr[0].mode, S_IFREG | 0640);
	CU_ASSERT_EQUAL(attr[1].mode, S_IFDIR | 02750);
	put(&w, dir);
}

const struct test attr_tests[] = {
	{"attributes_are_plausible", attributes_are_plausible},
	{"the_version_follows_the_content", the_version_follows_the_content},
	{"size_is_set_through_node_or_file", size_is_set_through_node_or_file},
	{"a_writable_file_can_be_sized_whatever_its_mode",
	 a_writable_file_can_be_sized_whatever_its_mode},
	{"only_files_have_a_size_to_set", only_files_have_a_size_to_set},
	{"mode_bits_are_set_and_others_ignored", mode_bits_are_set_and_others_ignored},
	{"owners_are_set", owners_are_set},
	{"an_owner_of_minus_one_changes_nothing", an_owner_of_minus_one_changes_nothing},
	{"times_are_set_to_the_nanosecond", times_are_set_to_the_nanosecond},
	{"wild_nanoseconds_are_refused", wild_nanoseconds_are_refused},
	{"all_that_is_set_at_once_survives", all_that_is_set_at_once_survives},
	{"ctime_alone_touches_nothing_else", ctime_alone_touches_nothing_else},
	{"setting_nothing_is_allowed", setting_nothing_is_allowed},
	{"statfs_works_on_any_object", statfs_works_on_any_object},
	{"new_objects_belong_to_whom_they_should", new_objects_belong_to_whom_they_should},
	{"host_permissions_do_not_stop_a_guest", host_permissions_do_not_stop_a_guest},
	{"unknown_creators_are_the_drivers_choice", unknown_creators_are_the_drivers_choice},
	{"a_setgid_directory_hands_its_group_on", a_setgid_directory_hands_its_group_on},
};
const size_t attr_tests_count = countof(attr_tests);
