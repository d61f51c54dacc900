/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_tree.c - finding, making, linking, renaming and removing names.
 */
#include <stdio.h>

#include "tests/fs/conformance.h"

static void root_is_a_directory(void)
{
	_world_ struct world w = world();
	struct fs_attr attr = attr_of(&w, w.root);

	CU_ASSERT_EQUAL(w.root.type, S_IFDIR);
	CU_ASSERT(S_ISDIR(attr.mode));
	CU_ASSERT_EQUAL(attr.nlink, 2);
}

static void walk_finds_what_is_there(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, dir, "file", "x");
	struct fs_node link = make_link(&w, dir, "link", "file");

	CU_ASSERT_EQUAL(dir.type, S_IFDIR);
	CU_ASSERT_EQUAL(file.type, S_IFREG);
	CU_ASSERT_EQUAL(link.type, S_IFLNK);
	FAILS(ENOENT, walk_error(&w, dir, "missing"));
	FAILS(ENOTDIR, walk_error(&w, file, "x"));
	FAILS(ENOTDIR, walk_error(&w, file, "."));
	FAILS(ENOTDIR, walk_error(&w, file, ".."));
	FAILS(ENOTDIR, walk_error(&w, link, "x"));
	put(&w, link);
	put(&w, file);
	put(&w, dir);
}

static void a_symlink_is_never_followed(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), in = make_file(&w, dir, "in", "x");
	struct fs_node link = make_link(&w, w.root, "link", "dir");

	FAILS(ENOTDIR, walk_error(&w, link, "in"));
	FAILS(ELOOP, open_error(&w, link, O_RDONLY));
	FAILS(ENOTDIR, create_error(&w, link, "new", O_RDWR));
	put(&w, link);
	put(&w, in);
	put(&w, dir);
}

static void dot_is_the_directory_pinned_once_more(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), again = find(&w, dir, ".");
	uint64_t path = attr_of(&w, dir).path;

	put(&w, dir);
	CU_ASSERT_EQUAL(attr_of(&w, again).path, path);
	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	dir = find(&w, again, ".");
	CU_ASSERT_EQUAL(attr_of(&w, dir).path, path);
	put(&w, dir);
	put(&w, again);
}

static void dotdot_is_the_parent_and_stops_at_the_root(void)
{
	_world_ struct world w = world();
	struct fs_node a = make_dir(&w, w.root, "a"), b = make_dir(&w, a, "b");
	uint64_t root = attr_of(&w, w.root).path;

	CU_ASSERT_EQUAL(attr_at(&w, b, "..").path, attr_of(&w, a).path);
	CU_ASSERT_EQUAL(attr_at(&w, a, "..").path, root);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "..").path, root);
	OK(fs_rename(w.fs, a, "b", w.root, "b", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, b, "..").path, root);
	OK(fs_unlink(w.fs, w.root, "b", true, NULL));
	FAILS(ENOENT, walk_error(&w, b, ".."));
	put(&w, b);
	put(&w, a);
}

/* Asks for the parent of `node`: which object, and under which name. */
static void parent_is(struct world *w, struct fs_node node, struct fs_node dir, const char *name)
{
	char got[FS_NAME_MAX + 1];
	struct fs_node holder;

	OK(fs_parent(w->fs, node, &holder, got));
	CU_ASSERT_EQUAL(holder.type, S_IFDIR);
	CU_ASSERT_EQUAL(attr_of(w, holder).path, attr_of(w, dir).path);
	CU_ASSERT_STRING_EQUAL(got, name);
	put(w, holder);
}

static void parent_tells_directory_and_name(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, dir, "file", "");
	struct fs_node link = make_link(&w, dir, "link", "/"), none;
	char name[FS_NAME_MAX + 1];

	parent_is(&w, w.root, w.root, "/");
	parent_is(&w, dir, w.root, "dir");
	parent_is(&w, file, dir, "file");
	parent_is(&w, link, dir, "link");
	OK(fs_rename(w.fs, dir, "file", w.root, "renamed", NULL));
	parent_is(&w, file, w.root, "renamed");
	OK(fs_rename(w.fs, w.root, "dir", w.root, "elsewhere", NULL));
	parent_is(&w, link, dir, "link");
	OK(fs_unlink(w.fs, w.root, "renamed", false, NULL));
	FAILS(ENOENT, fs_parent(w.fs, file, &none, name));
	put(&w, make_file(&w, w.root, "renamed", ""));
	FAILS(ENOENT, fs_parent(w.fs, file, &none, name));
	put(&w, link);
	put(&w, file);
	put(&w, dir);
}

/* What /proc says of an unlinked file is no name. */
static void parent_is_not_fooled_by_names(void)
{
	_world_ struct world w = world();
	char longest[FS_NAME_MAX + 1], name[FS_NAME_MAX + 1];
	struct fs_node file = make_file(&w, w.root, "a", ""), other, none;

	OK(fs_unlink(w.fs, w.root, "a", false, NULL));
	other = make_file(&w, w.root, "a (deleted)", "");
	FAILS(ENOENT, fs_parent(w.fs, file, &none, name));
	parent_is(&w, other, w.root, "a (deleted)");
	put(&w, other);
	put(&w, file);

	memset(longest, 'n', FS_NAME_MAX);
	longest[FS_NAME_MAX] = '\0';
	file = make_file(&w, w.root, longest, "");
	parent_is(&w, file, w.root, longest);
	OK(fs_unlink(w.fs, w.root, longest, false, NULL));
	FAILS(ENOENT, fs_parent(w.fs, file, &none, name));
	put(&w, file);
}

/* The whole matrix: every call that takes a name, with every name that is none. */
static void bad_names_are_refused_everywhere(void)
{
	_world_ struct world w = world();
	char too_long[FS_NAME_MAX + 2];
	struct fs_node file = make_file(&w, w.root, "file", "");
	const char *names[] = {"", ".", "..", "a/b", "/", "file/", too_long};
	const int make[] = {EINVAL, EEXIST, EEXIST, EINVAL, EINVAL, EINVAL, ENAMETOOLONG};
	const int rename[] = {EINVAL, EBUSY, EBUSY, EINVAL, EINVAL, EINVAL, ENAMETOOLONG};
	const int unlink[] = {EINVAL, EINVAL, ENOTEMPTY, EINVAL, EINVAL, EINVAL, ENAMETOOLONG};
	const int walk[] = {ENOENT, 0, 0, ENOENT, ENOENT, ENOENT, ENAMETOOLONG};
	struct fs_attr attr;

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	for (size_t i = 0; i < countof(names); i++) {
		const char *name = names[i];

		FAILS(walk[i], walk_error(&w, w.root, name));
		FAILS(make[i], create_error(&w, w.root, name, O_RDWR));
		FAILS(make[i], fs_mkdir(w.fs, w.root, name, 0755, ANYBODY, &attr, NULL));
		FAILS(make[i], fs_symlink(w.fs, w.root, name, "t", ANYBODY, &attr, NULL));
		FAILS(make[i], fs_mknod(w.fs, w.root, name, 0644, 0, 0, ANYBODY, &attr, NULL));
		FAILS(make[i], fs_link(w.fs, file, w.root, name, NULL));
		FAILS(rename[i], fs_rename(w.fs, w.root, name, w.root, "new", NULL));
		FAILS(rename[i], fs_rename(w.fs, w.root, "file", w.root, name, NULL));
		FAILS(unlink[i], fs_unlink(w.fs, w.root, name, false, NULL));
		FAILS(unlink[i], fs_unlink(w.fs, w.root, name, true, NULL));
	}
	put(&w, file);
}

static void names_are_any_bytes(void)
{
	_world_ struct world w = world();
	const char *names[] = {"...",	   ".hidden", " ",  "a\nb", "\\",
			       "\xff\xfe", "*",	      "%d", "~",    "-"};

	for (size_t i = 0; i < countof(names); i++)
		put(&w, make_file(&w, w.root, names[i], names[i]));
	for (size_t i = 0; i < countof(names); i++) {
		struct fs_node node = find(&w, w.root, names[i]);

		CU_ASSERT(node_has_text(&w, node, names[i]));
		parent_is(&w, node, w.root, names[i]);
		put(&w, node);
	}
}

static void everything_needs_a_directory(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	struct fs_attr attr;

	FAILS(ENOTDIR, create_error(&w, file, "x", O_RDWR));
	FAILS(ENOTDIR, fs_mkdir(w.fs, file, "x", 0755, ANYBODY, &attr, NULL));
	FAILS(ENOTDIR, fs_symlink(w.fs, file, "x", "t", ANYBODY, &attr, NULL));
	FAILS(ENOTDIR, fs_mknod(w.fs, file, "x", 0644, 0, 0, ANYBODY, &attr, NULL));
	FAILS(ENOTDIR, fs_link(w.fs, file, file, "x", NULL));
	FAILS(ENOTDIR, fs_rename(w.fs, w.root, "file", file, "x", NULL));
	FAILS(ENOTDIR, fs_rename(w.fs, file, "x", w.root, "y", NULL));
	FAILS(ENOTDIR, fs_unlink(w.fs, file, "x", false, NULL));
	put(&w, file);
}

static void a_taken_name_cannot_be_made(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "text");
	struct fs_attr attr;

	put(&w, make_link(&w, w.root, "link", "nowhere"));
	FAILS(EEXIST, create_error(&w, w.root, "file", O_RDWR | O_EXCL));
	FAILS(EEXIST, create_error(&w, w.root, "link", O_RDWR | O_EXCL));
	FAILS(EEXIST, fs_mkdir(w.fs, w.root, "file", 0755, ANYBODY, &attr, NULL));
	FAILS(EEXIST, fs_mkdir(w.fs, w.root, "link", 0755, ANYBODY, &attr, NULL));
	FAILS(EEXIST, fs_symlink(w.fs, w.root, "file", "t", ANYBODY, &attr, NULL));
	FAILS(EEXIST, fs_mknod(w.fs, w.root, "file", 0644, 0, 0, ANYBODY, &attr, NULL));
	FAILS(EEXIST, fs_link(w.fs, file, w.root, "link", NULL));
	FAILS(ENOENT, walk_error(&w, w.root, "nowhere"));
	CU_ASSERT(node_has_text(&w, file, "text"));
	put(&w, file);
}

static void made_directories_are_counted_as_links(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), sub = make_dir(&w, dir, "sub");

	CU_ASSERT_EQUAL(attr_of(&w, sub).nlink, 2);
	CU_ASSERT_EQUAL(attr_of(&w, dir).nlink, 3);
	OK(fs_rename(w.fs, dir, "sub", w.root, "sub", NULL));
	CU_ASSERT_EQUAL(attr_of(&w, dir).nlink, 2);
	CU_ASSERT_EQUAL(attr_of(&w, w.root).nlink, 4);
	OK(fs_unlink(w.fs, w.root, "sub", true, NULL));
	CU_ASSERT_EQUAL(attr_of(&w, w.root).nlink, 3);
	put(&w, sub);
	put(&w, dir);
}

static void mkdir_keeps_setgid_and_sticky_bits_alone(void)
{
	_world_ struct world w = world();
	struct fs_attr attr;

	OK(fs_mkdir(w.fs, w.root, "all", S_IFDIR | 07777, ANYBODY, &attr, NULL));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 03777);
	OK(fs_mkdir(w.fs, w.root, "setgid", 02750, ANYBODY, &attr, NULL));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 02750);
	OK(fs_mkdir(w.fs, w.root, "sticky", 01700, ANYBODY, &attr, NULL));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 01700);
	OK(fs_mkdir(w.fs, w.root, "open", 0777, ANYBODY, &attr, NULL));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 0777);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "setgid").mode, S_IFDIR | 02750);
}

static bool target_is(struct world *w, struct fs_node link, const char *target)
{
	char buf[FS_TARGET_MAX + 1];
	int n = fs_readlink(w->fs, link, buf, sizeof(buf));

	return n == (int)strlen(target) && memcmp(buf, target, (size_t)n) == 0;
}

static void symlinks_hold_any_target(void)
{
	_world_ struct world w = world();
	char longest[FS_TARGET_MAX + 2];
	const char *targets[] = {"nowhere", "/etc/passwd", "../../..", "a\nb//c/", longest};
	struct fs_attr attr;
	char two[2];

	memset(longest, 'l', sizeof(longest));
	longest[FS_TARGET_MAX] = '\0';
	for (size_t i = 0; i < countof(targets); i++) {
		struct fs_node link = make_link(&w, w.root, "link", targets[i]);

		CU_ASSERT(target_is(&w, link, targets[i]));
		CU_ASSERT_EQUAL(attr_of(&w, link).size, strlen(targets[i]));
		CU_ASSERT_EQUAL(fs_readlink(w.fs, link, two, 2), 2);
		CU_ASSERT_EQUAL(memcmp(two, targets[i], 2), 0);
		OK(fs_unlink(w.fs, w.root, "link", false, NULL));
		CU_ASSERT(target_is(&w, link, targets[i]));
		put(&w, link);
	}
	FAILS(ENOENT, fs_symlink(w.fs, w.root, "link", "", ANYBODY, &attr, NULL));
	longest[FS_TARGET_MAX] = 'l';
	longest[FS_TARGET_MAX + 1] = '\0';
	FAILS(ENAMETOOLONG, fs_symlink(w.fs, w.root, "link", longest, ANYBODY, &attr, NULL));
}

static void readlink_is_for_symlinks(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "text");
	char buf[16];

	FAILS(EINVAL, fs_readlink(w.fs, w.root, buf, sizeof(buf)));
	FAILS(EINVAL, fs_readlink(w.fs, file, buf, sizeof(buf)));
	put(&w, file);
}

static void mknod_makes_the_kinds_it_should(void)
{
	_world_ struct world w = world();
	const uint32_t kinds[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
	struct fs_attr attr;

	for (size_t i = 0; i < (subject->sets_owner ? 5 : 3); i++) {
		OK(fs_mknod(w.fs, w.root, "node", kinds[i] | 0640, 5, 300, ANYBODY, &attr, NULL));
		CU_ASSERT_EQUAL(attr.mode, kinds[i] | 0640);
		CU_ASSERT_EQUAL(attr.rdev_major, i < 3 ? 0 : 5);
		CU_ASSERT_EQUAL(attr.rdev_minor, i < 3 ? 0 : 300);
		CU_ASSERT_EQUAL(attr_at(&w, w.root, "node").path, attr.path);
		OK(fs_unlink(w.fs, w.root, "node", false, NULL));
	}
	OK(fs_mknod(w.fs, w.root, "plain", 0600, 0, 0, ANYBODY, &attr, NULL));
	CU_ASSERT_EQUAL(attr.mode, S_IFREG | 0600);
	OK(fs_mknod(w.fs, w.root, "whiteout", S_IFCHR, 0, 0, ANYBODY, &attr, NULL));
	CU_ASSERT(S_ISCHR(attr.mode));
	FAILS(EPERM, fs_mknod(w.fs, w.root, "x", S_IFDIR | 0755, 0, 0, ANYBODY, &attr, NULL));
	FAILS(EINVAL, fs_mknod(w.fs, w.root, "x", S_IFLNK | 0777, 0, 0, ANYBODY, &attr, NULL));
	FAILS(EINVAL, fs_mknod(w.fs, w.root, "x", S_IFMT, 0, 0, ANYBODY, &attr, NULL));
}

/* Everything but opening works on a special file, and none of it opens it. */
static void special_files_are_handled_unopened(void)
{
	_world_ struct world w = world();
	const uint32_t kinds[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
	const struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_MTIME,
				       .mode = 0604,
				       .mtime = {.sec = 77, .nsec = 88}};
	const struct fs_setattr size = {.valid = FS_SET_SIZE};

	for (size_t i = 0; i < (subject->sets_owner ? 4 : 2); i++) {
		struct fs_node node = make_special(&w, w.root, "node", kinds[i] | 0600);

		FAILS(ENXIO, open_error(&w, node, O_RDONLY));
		FAILS(ENXIO, open_error(&w, node, O_RDWR));
		FAILS(ENXIO, create_error(&w, w.root, "node", O_RDWR));
		FAILS(EEXIST, create_error(&w, w.root, "node", O_RDWR | O_EXCL));
		OK(fs_setattr(w.fs, node, FS_NO_FILE, &set));
		FAILS(EINVAL, fs_setattr(w.fs, node, FS_NO_FILE, &size));
		OK(fs_link(w.fs, node, w.root, "other", NULL));
		OK(fs_rename(w.fs, w.root, "other", w.root, "third", NULL));
		OK(fs_unlink(w.fs, w.root, "third", false, NULL));
		OK(fs_unlink(w.fs, w.root, "node", false, NULL));
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, kinds[i] | 0604);
		CU_ASSERT_EQUAL(attr_of(&w, node).mtime.sec, 77);
		CU_ASSERT_EQUAL(attr_of(&w, node).nlink, 0);
		put(&w, node);
	}
}

static void hard_links_are_one_object(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, w.root, "a", "one");
	struct fs_node other;

	OK(fs_link(w.fs, file, dir, "b", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, dir, "b").path, attr_of(&w, file).path);
	CU_ASSERT_EQUAL(attr_of(&w, file).nlink, 2);
	OK(fs_unlink(w.fs, w.root, "a", false, NULL));
	CU_ASSERT_EQUAL(attr_of(&w, file).nlink, 1);
	other = find(&w, dir, "b");
	CU_ASSERT(node_has_text(&w, other, "one"));
	OK(fs_link(w.fs, other, w.root, "a", NULL));
	put(&w, other);
	put(&w, file);
	put(&w, dir);
}

static void a_link_to_a_symlink_is_to_itself(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", ""),
		       link = make_link(&w, w.root, "link", "file"), other;

	OK(fs_link(w.fs, link, w.root, "other", NULL));
	other = find(&w, w.root, "other");
	CU_ASSERT_EQUAL(other.type, S_IFLNK);
	CU_ASSERT_EQUAL(attr_of(&w, other).path, attr_of(&w, link).path);
	CU_ASSERT(target_is(&w, other, "file"));
	CU_ASSERT_EQUAL(attr_of(&w, file).nlink, 1);
	put(&w, other);
	put(&w, link);
	put(&w, file);
}

static void what_cannot_be_linked(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, w.root, "file", "");

	FAILS(EPERM, fs_link(w.fs, dir, w.root, "x", NULL));
	FAILS(EPERM, fs_link(w.fs, w.root, dir, "x", NULL));
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	FAILS(ENOENT, fs_link(w.fs, file, w.root, "x", NULL));
	FAILS(ENOENT, fs_link(w.fs, file, w.root, "file", NULL));
	put(&w, file);
	put(&w, dir);
}

static void rename_moves_and_replaces(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), a = make_file(&w, w.root, "a", "A");
	struct fs_node b = make_file(&w, dir, "b", "B");
	struct fs_file open = open_node(&w, b, O_RDWR);

	OK(fs_rename(w.fs, w.root, "a", dir, "b", NULL));
	FAILS(ENOENT, walk_error(&w, w.root, "a"));
	CU_ASSERT_EQUAL(attr_at(&w, dir, "b").path, attr_of(&w, a).path);
	CU_ASSERT_EQUAL(attr_of(&w, b).nlink, 0);
	put_text(&w, open, "still", 0);
	CU_ASSERT(has_text(&w, open, "still"));
	CU_ASSERT(node_has_text(&w, b, "still"));
	CU_ASSERT(node_has_text(&w, a, "A"));
	fs_close(w.fs, open);
	put(&w, b);
	put(&w, a);
	put(&w, dir);
}

static void rename_replaces_an_empty_directory(void)
{
	_world_ struct world w = world();
	struct fs_node a = make_dir(&w, w.root, "a"), b = make_dir(&w, w.root, "b");

	put(&w, make_file(&w, a, "in", ""));
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "b").path, attr_of(&w, a).path);
	put(&w, find(&w, a, "in"));
	FAILS(ENOENT, walk_error(&w, b, "in"));
	FAILS(ENOENT, create_error(&w, b, "new", O_RDWR));
	CU_ASSERT_EQUAL(attr_of(&w, w.root).nlink, 3);
	put(&w, b);
	put(&w, a);
}

static void what_cannot_be_renamed(void)
{
	_world_ struct world w = world();
	struct fs_node full = make_dir(&w, w.root, "full"), sub = make_dir(&w, full, "sub");

	put(&w, make_dir(&w, w.root, "empty"));
	put(&w, make_file(&w, w.root, "file", ""));
	FAILS(ENOENT, fs_rename(w.fs, w.root, "missing", w.root, "x", NULL));
	FAILS(ENOTEMPTY, fs_rename(w.fs, w.root, "empty", w.root, "full", NULL));
	FAILS(EISDIR, fs_rename(w.fs, w.root, "file", w.root, "empty", NULL));
	FAILS(ENOTDIR, fs_rename(w.fs, w.root, "empty", w.root, "file", NULL));
	FAILS(EINVAL, fs_rename(w.fs, w.root, "full", sub, "x", NULL));
	FAILS(EINVAL, fs_rename(w.fs, w.root, "full", full, "x", NULL));
	FAILS(ENOTEMPTY, fs_rename(w.fs, full, "sub", w.root, "full", NULL));
	put(&w, sub);
	put(&w, full);
}

static void rename_to_the_same_object_changes_nothing(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "a", "text");

	OK(fs_rename(w.fs, w.root, "a", w.root, "a", NULL));
	OK(fs_link(w.fs, file, w.root, "b", NULL));
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", NULL));
	put(&w, find(&w, w.root, "a"));
	CU_ASSERT_EQUAL(attr_of(&w, file).nlink, 2);
	put(&w, file);
}

static void handles_below_a_renamed_directory_stay(void)
{
	_world_ struct world w = world();
	struct fs_node a = make_dir(&w, w.root, "a"), b = make_dir(&w, a, "b");
	struct fs_node file = make_file(&w, b, "file", "text");

	OK(fs_rename(w.fs, w.root, "a", w.root, "z", NULL));
	CU_ASSERT(node_has_text(&w, file, "text"));
	put(&w, find(&w, b, "file"));
	put(&w, make_file(&w, b, "new", ""));
	CU_ASSERT_EQUAL(attr_at(&w, b, "..").path, attr_of(&w, a).path);
	put(&w, file);
	put(&w, b);
	put(&w, a);
}

static void unlink_and_rmdir_know_the_difference(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir");

	put(&w, make_file(&w, dir, "file", ""));
	FAILS(ENOENT, fs_unlink(w.fs, w.root, "missing", false, NULL));
	FAILS(ENOENT, fs_unlink(w.fs, w.root, "missing", true, NULL));
	FAILS(EISDIR, fs_unlink(w.fs, w.root, "dir", false, NULL));
	FAILS(ENOTDIR, fs_unlink(w.fs, dir, "file", true, NULL));
	FAILS(ENOTEMPTY, fs_unlink(w.fs, w.root, "dir", true, NULL));
	OK(fs_unlink(w.fs, dir, "file", false, NULL));
	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	FAILS(ENOENT, walk_error(&w, w.root, "dir"));
	put(&w, dir);
}

static void nothing_can_be_made_in_a_removed_directory(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, w.root, "file", "");
	struct fs_attr attr;

	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	FAILS(ENOENT, create_error(&w, dir, "x", O_RDWR));
	FAILS(ENOENT, create_error(&w, dir, "x", O_RDWR | O_EXCL));
	FAILS(ENOENT, fs_mkdir(w.fs, dir, "x", 0755, ANYBODY, &attr, NULL));
	FAILS(ENOENT, fs_symlink(w.fs, dir, "x", "t", ANYBODY, &attr, NULL));
	FAILS(ENOENT, fs_mknod(w.fs, dir, "x", 0644, 0, 0, ANYBODY, &attr, NULL));
	FAILS(ENOENT, fs_link(w.fs, file, dir, "x", NULL));
	FAILS(ENOENT, fs_rename(w.fs, w.root, "file", dir, "x", NULL));
	FAILS(ENOENT, fs_unlink(w.fs, dir, "x", false, NULL));
	FAILS(ENOENT, walk_error(&w, dir, "x"));
	CU_ASSERT_EQUAL(attr_of(&w, dir).nlink, 0);
	put(&w, file);
	put(&w, dir);
}

/* By node and by file, everything but a new name works as before. */
static void an_unlinked_file_stays_usable(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text"), again;
	struct fs_file file = open_node(&w, node, O_RDWR), second;
	const struct fs_setattr set = {.valid = FS_SET_MODE | FS_SET_SIZE | FS_SET_MTIME,
				       .mode = 0640,
				       .size = 2001,
				       .mtime = {.sec = 5}};
	struct fs_statfs st;

	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	again = make_file(&w, w.root, "file", "another");
	CU_ASSERT_EQUAL(attr_of(&w, node).nlink, 0);
	CU_ASSERT_NOT_EQUAL(attr_of(&w, node).path, attr_of(&w, again).path);
	CU_ASSERT(has_text(&w, file, "text"));
	put_text(&w, file, "TEXT", 0);
	OK(fs_fsync(w.fs, file, false));
	second = open_node(&w, node, O_RDONLY);
	CU_ASSERT(has_text(&w, second, "TEXT"));
	OK(fs_setattr(w.fs, node, file, &set));
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 2001);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0640);
	CU_ASSERT_EQUAL(attr_of(&w, node).mtime.sec, 5);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &(struct fs_setattr){.valid = FS_SET_SIZE}));
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 0);
	OK(fs_statfs(w.fs, node, &st));
	CU_ASSERT(node_has_text(&w, again, "another"));
	fs_close(w.fs, second);
	fs_close(w.fs, file);
	put(&w, again);
	put(&w, node);
}

/* Whose it is, and its mode, also of one that came where another was. */
static void a_replaced_file_stays_what_it_was(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text"), other;
	const struct fs_setattr set = {
		.valid = FS_SET_MODE | FS_SET_UID | FS_SET_GID, .mode = 0641, .uid = 7, .gid = 8};
	struct fs_attr before;

	OK(fs_setattr(w.fs, node, FS_NO_FILE, &set));
	before = attr_of(&w, node);
	other = make_file(&w, w.root, "other", "another");
	OK(fs_rename(w.fs, w.root, "other", w.root, "file", NULL));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, before.mode);
	CU_ASSERT_EQUAL(attr_of(&w, node).uid, before.uid);
	CU_ASSERT_EQUAL(attr_of(&w, node).gid, before.gid);
	CU_ASSERT_EQUAL(attr_of(&w, node).nlink, 0);
	CU_ASSERT_EQUAL(attr_of(&w, other).mode, S_IFREG | 0644);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "file").mode, S_IFREG | 0644);
	put(&w, other);
	put(&w, node);
}

static void many_unlinked_files_stay_what_they_were(void)
{
	enum { FILES = 300 };
	_world_ struct world w = world();
	struct fs_node nodes[FILES];
	struct fs_setattr set = {.valid = FS_SET_MODE};
	int wrong = 0;

	for (int i = 0; i < FILES; i++) {
		nodes[i] = make_file(&w, w.root, "file", "");
		set.mode = (uint32_t)i;
		OK(fs_setattr(w.fs, nodes[i], FS_NO_FILE, &set));
		OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	}
	for (int i = 0; i < FILES; i++) {
		wrong += attr_of(&w, nodes[i]).mode != (S_IFREG | (uint32_t)i);
		put(&w, nodes[i]);
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

/* A node that was found by a name that is gone is the object that its other names are. */
static void losing_one_of_its_names_changes_nothing(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text");
	const struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0641};
	const struct fs_setattr again = {.valid = FS_SET_MODE, .mode = 0604};

	OK(fs_link(w.fs, node, w.root, "link", NULL));
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &set));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0641);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "link").mode, S_IFREG | 0641);
	OK(fs_link(w.fs, node, w.root, "third", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "third").mode, S_IFREG | 0641);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "third").nlink, 2);
	OK(fs_unlink(w.fs, w.root, "third", false, NULL));
	put(&w, make_file(&w, w.root, "other", "another"));
	OK(fs_rename(w.fs, w.root, "link", w.root, "moved", NULL));
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &again));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "moved").mode, S_IFREG | 0604);
	OK(fs_rename(w.fs, w.root, "other", w.root, "moved", NULL));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0604);
	CU_ASSERT_EQUAL(attr_of(&w, node).nlink, 0);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "moved").mode, S_IFREG | 0644);
	put(&w, node);
}

/* By either name, in turns. */
static void a_node_without_its_name_sees_what_others_change(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text"), other;
	struct fs_setattr set = {.valid = FS_SET_MODE};

	OK(fs_link(w.fs, node, w.root, "link", NULL));
	other = find(&w, w.root, "link");
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	for (uint32_t mode = 0600; mode < 0606; mode++) {
		set.mode = mode;
		OK(fs_setattr(w.fs, mode & 1 ? node : other, FS_NO_FILE, &set));
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | mode);
		CU_ASSERT_EQUAL(attr_of(&w, other).mode, S_IFREG | mode);
		CU_ASSERT_EQUAL(attr_at(&w, w.root, "link").mode, S_IFREG | mode);
	}
	put(&w, other);
	put(&w, node);
}

static void a_deep_tree_can_be_walked(void)
{
	enum { DEPTH = 300 };
	_world_ struct world w = world();
	struct fs_node nodes[DEPTH + 1] = {w.root};

	for (int i = 0; i < DEPTH; i++)
		nodes[i + 1] = make_dir(&w, nodes[i], "deeper");
	for (int i = DEPTH; i > 0; i--) {
		CU_ASSERT_EQUAL(attr_at(&w, nodes[i], "..").path, attr_of(&w, nodes[i - 1]).path);
		put(&w, nodes[i]);
		OK(fs_unlink(w.fs, nodes[i - 1], "deeper", true, NULL));
	}
}

/* Deeper than any path name may be. */
static void a_tree_may_be_deeper_than_a_path(void)
{
	enum { DEPTH = 30 };
	_world_ struct world w = world();
	struct fs_node nodes[DEPTH + 1] = {w.root};
	char name[201];

	memset(name, 'n', 200);
	name[200] = '\0';
	for (int i = 0; i < DEPTH; i++)
		nodes[i + 1] = make_dir(&w, nodes[i], name);
	put(&w, make_file(&w, nodes[DEPTH], "file", "text"));
	CU_ASSERT_EQUAL(attr_at(&w, nodes[DEPTH], "file").size, 4);
	OK(fs_unlink(w.fs, nodes[DEPTH], "file", false, NULL));
	for (int i = DEPTH; i > 0; i--) {
		put(&w, nodes[i]);
		OK(fs_unlink(w.fs, nodes[i - 1], name, true, NULL));
	}
}

/* What they are stays known to who has them, and can be changed. */
static void attributes_are_kept_deeper_than_a_path(void)
{
	enum { DEPTH = 30 };
	_world_ struct world w = world();
	const struct fs_setattr set = {.valid = FS_SET_MODE, .mode = 0641},
				again = {.valid = FS_SET_MODE, .mode = 0604},
				closed = {.valid = FS_SET_MODE, .mode = 0711};
	struct fs_node nodes[DEPTH + 1] = {w.root}, node, fifo;
	char name[201];

	memset(name, 'n', 200);
	name[200] = '\0';
	for (int i = 0; i < DEPTH; i++)
		nodes[i + 1] = make_dir(&w, nodes[i], name);
	CU_ASSERT_EQUAL(attr_of(&w, nodes[DEPTH]).mode, S_IFDIR | 0755);
	fifo = make_special(&w, nodes[DEPTH], "fifo", S_IFIFO | 0600);
	CU_ASSERT_EQUAL(attr_of(&w, fifo).mode, S_IFIFO | 0600);
	node = make_file(&w, nodes[DEPTH], "file", "text");
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0644);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &set));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0641);
	CU_ASSERT_EQUAL(attr_at(&w, nodes[DEPTH], "file").mode, S_IFREG | 0641);
	OK(fs_link(w.fs, node, w.root, "link", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "link").mode, S_IFREG | 0641);
	OK(fs_rename(w.fs, nodes[DEPTH], "file", nodes[DEPTH - 1], "moved", NULL));
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &again));
	CU_ASSERT_EQUAL(attr_at(&w, nodes[DEPTH - 1], "moved").mode, S_IFREG | 0604);
	OK(fs_setattr(w.fs, nodes[DEPTH], FS_NO_FILE, &closed));
	CU_ASSERT_EQUAL(attr_at(&w, nodes[DEPTH - 1], name).mode, S_IFDIR | 0711);
	put(&w, node);
	put(&w, fifo);
	OK(fs_unlink(w.fs, nodes[DEPTH], "fifo", false, NULL));
	OK(fs_unlink(w.fs, nodes[DEPTH - 1], "moved", false, NULL));
	for (int i = DEPTH; i > 0; i--) {
		put(&w, nodes[i]);
		OK(fs_unlink(w.fs, nodes[i - 1], name, true, NULL));
	}
}

const struct test tree_tests[] = {
	{"root_is_a_directory", root_is_a_directory},
	{"walk_finds_what_is_there", walk_finds_what_is_there},
	{"a_symlink_is_never_followed", a_symlink_is_never_followed},
	{"dot_is_the_directory_pinned_once_more", dot_is_the_directory_pinned_once_more},
	{"dotdot_is_the_parent_and_stops_at_the_root", dotdot_is_the_parent_and_stops_at_the_root},
	{"parent_tells_directory_and_name", parent_tells_directory_and_name},
	{"parent_is_not_fooled_by_names", parent_is_not_fooled_by_names},
	{"bad_names_are_refused_everywhere", bad_names_are_refused_everywhere},
	{"names_are_any_bytes", names_are_any_bytes},
	{"everything_needs_a_directory", everything_needs_a_directory},
	{"a_taken_name_cannot_be_made", a_taken_name_cannot_be_made},
	{"made_directories_are_counted_as_links", made_directories_are_counted_as_links},
	{"mkdir_keeps_setgid_and_sticky_bits_alone", mkdir_keeps_setgid_and_sticky_bits_alone},
	{"symlinks_hold_any_target", symlinks_hold_any_target},
	{"readlink_is_for_symlinks", readlink_is_for_symlinks},
	{"mknod_makes_the_kinds_it_should", mknod_makes_the_kinds_it_should},
	{"special_files_are_handled_unopened", special_files_are_handled_unopened},
	{"hard_links_are_one_object", hard_links_are_one_object},
	{"a_link_to_a_symlink_is_to_itself", a_link_to_a_symlink_is_to_itself},
	{"what_cannot_be_linked", what_cannot_be_linked},
	{"rename_moves_and_replaces", rename_moves_and_replaces},
	{"rename_replaces_an_empty_directory", rename_replaces_an_empty_directory},
	{"what_cannot_be_renamed", what_cannot_be_renamed},
	{"rename_to_the_same_object_changes_nothing", rename_to_the_same_object_changes_nothing},
	{"handles_below_a_renamed_directory_stay", handles_below_a_renamed_directory_stay},
	{"unlink_and_rmdir_know_the_difference", unlink_and_rmdir_know_the_difference},
	{"nothing_can_be_made_in_a_removed_directory", nothing_can_be_made_in_a_removed_directory},
	{"an_unlinked_file_stays_usable", an_unlinked_file_stays_usable},
	{"a_replaced_file_stays_what_it_was", a_replaced_file_stays_what_it_was},
	{"many_unlinked_files_stay_what_they_were", many_unlinked_files_stay_what_they_were},
	{"losing_one_of_its_names_changes_nothing", losing_one_of_its_names_changes_nothing},
	{"a_node_without_its_name_sees_what_others_change",
	 a_node_without_its_name_sees_what_others_change},
	{"a_deep_tree_can_be_walked", a_deep_tree_can_be_walked},
	{"a_tree_may_be_deeper_than_a_path", a_tree_may_be_deeper_than_a_path},
	{"attributes_are_kept_deeper_than_a_path", attributes_are_kept_deeper_than_a_path},
};
const size_t tree_tests_count = countof(tree_tests);
