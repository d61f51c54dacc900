/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_xattr.c - extended attributes.
 */
#include <stdio.h>
#include <sys/xattr.h>

#include "tests/fs/conformance.h"

/* Not every host file system keeps them (an old tmpfs does not). */
static bool has_xattrs(struct world *w)
{
	bool has = fs_setxattr(w->fs, w->root, "user.probe", "", 0, 0, NULL) != -EOPNOTSUPP;

	if (!has) {
		test_skip("the file system here keeps no user attributes");
		return false;
	}
	OK(fs_removexattr(w->fs, w->root, "user.probe", NULL));
	return true;
}

static int set(struct world *w, struct fs_node node, const char *name, const char *value, int flags)
{
	return fs_setxattr(w->fs, node, name, value, strlen(value), flags, NULL);
}

static bool is_set(struct world *w, struct fs_node node, const char *name, const char *value)
{
	char buf[64];
	ssize_t n = fs_getxattr(w->fs, node, name, buf, sizeof(buf));

	return n == (ssize_t)strlen(value) && memcmp(buf, value, strlen(value)) == 0;
}

static void attributes_are_kept(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	char buf[64];

	if (has_xattrs(&w)) {
		OK(set(&w, file, "user.a", "value", 0));
		OK(set(&w, w.root, "user.a", "of the directory", 0));
		CU_ASSERT(is_set(&w, file, "user.a", "value"));
		CU_ASSERT(is_set(&w, w.root, "user.a", "of the directory"));
		OK(set(&w, file, "user.a", "longer value", 0));
		CU_ASSERT(is_set(&w, file, "user.a", "longer value"));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, file, "user.a", NULL, 0), 12);
		FAILS(ERANGE, fs_getxattr(w.fs, file, "user.a", buf, 11));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, file, "user.a", buf, 12), 12);
		FAILS(ENODATA, fs_getxattr(w.fs, file, "user.b", buf, 64));
		FAILS(ENODATA, fs_getxattr(w.fs, file, "user.b", NULL, 0));
	}
	put(&w, file);
}

static void create_and_replace_look_first(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");

	if (has_xattrs(&w)) {
		FAILS(ENODATA, set(&w, file, "user.a", "1", XATTR_REPLACE));
		OK(set(&w, file, "user.a", "1", XATTR_CREATE));
		FAILS(EEXIST, set(&w, file, "user.a", "2", XATTR_CREATE));
		CU_ASSERT(is_set(&w, file, "user.a", "1"));
		OK(set(&w, file, "user.a", "2", XATTR_REPLACE));
		CU_ASSERT(is_set(&w, file, "user.a", "2"));
		FAILS(EINVAL, set(&w, file, "user.a", "3", 4));
		CU_ASSERT(is_set(&w, file, "user.a", "2"));
	}
	put(&w, file);
}

static void an_empty_value_is_a_value(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");

	if (has_xattrs(&w)) {
		OK(fs_setxattr(w.fs, file, "user.empty", NULL, 0, 0, NULL));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, file, "user.empty", NULL, 0), 0);
		FAILS(EEXIST, set(&w, file, "user.empty", "", XATTR_CREATE));
		OK(set(&w, file, "user.empty", "", XATTR_REPLACE));
		CU_ASSERT(is_set(&w, file, "user.empty", ""));
	}
	put(&w, file);
}

static void attributes_are_removed(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");

	if (has_xattrs(&w)) {
		FAILS(ENODATA, fs_removexattr(w.fs, file, "user.a", NULL));
		OK(set(&w, file, "user.a", "1", 0));
		OK(fs_removexattr(w.fs, file, "user.a", NULL));
		FAILS(ENODATA, fs_getxattr(w.fs, file, "user.a", NULL, 0));
		FAILS(ENODATA, fs_removexattr(w.fs, file, "user.a", NULL));
	}
	put(&w, file);
}

static bool list_has(const char *list, size_t length, const char *name)
{
	for (const char *at = list; at < list + length; at += strlen(at) + 1) {
		if (strcmp(at, name) == 0)
			return true;
	}
	return false;
}

static void attributes_are_listed(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	char list[64];

	CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, NULL, 0), 0);
	CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, list, sizeof(list)), 0);
	if (has_xattrs(&w)) {
		OK(set(&w, file, "user.one", "1", 0));
		OK(set(&w, file, "user.three", "3", 0));
		CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, NULL, 0), 20);
		FAILS(ERANGE, fs_listxattr(w.fs, file, list, 19));
		CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, list, 20), 20);
		CU_ASSERT(list_has(list, 20, "user.one") && list_has(list, 20, "user.three"));
	}
	put(&w, file);
}

static void other_name_spaces_are_not_kept(void)
{
	_world_ struct world w = world();
	const char *names[] = {"security.capability", "trusted.a", "system.a", "a",
			       "security.selinux",    "user",	   "users.a"};
	char buf[8];

	for (size_t i = 0; i < countof(names); i++) {
		FAILS(EOPNOTSUPP, fs_getxattr(w.fs, w.root, names[i], buf, sizeof(buf)));
		FAILS(EOPNOTSUPP, set(&w, w.root, names[i], "x", 0));
		FAILS(EOPNOTSUPP, fs_removexattr(w.fs, w.root, names[i], NULL));
	}
	if (!has_xattrs(&w))
		return;
	/* a name space and no name */
	FAILS(EINVAL, fs_getxattr(w.fs, w.root, "user.", buf, sizeof(buf)));
	FAILS(EINVAL, set(&w, w.root, "user.", "x", 0));
	FAILS(EINVAL, fs_removexattr(w.fs, w.root, "user.", NULL));
}

static void wild_names_and_sizes_are_refused(void)
{
	_world_ struct world w = world();
	_cleanup_free_ char *big = calloc(1, FS_XATTR_MAX + 1);
	char name[FS_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	memcpy(name, "user.", 5);
	name[sizeof(name) - 1] = '\0';
	FAILS(ERANGE, set(&w, w.root, name, "x", 0));
	FAILS(ERANGE, fs_getxattr(w.fs, w.root, name, NULL, 0));
	FAILS(ERANGE, fs_removexattr(w.fs, w.root, name, NULL));
	FAILS(ERANGE, set(&w, w.root, "", "x", 0));
	FAILS(ERANGE, fs_getxattr(w.fs, w.root, "", NULL, 0));
	FAILS(E2BIG, fs_setxattr(w.fs, w.root, "user.big", big, FS_XATTR_MAX + 1, 0, NULL));
}

static void unlinked_objects_keep_attributes(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");

	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	if (has_xattrs(&w)) {
		OK(set(&w, file, "user.a", "1", 0));
		CU_ASSERT(is_set(&w, file, "user.a", "1"));
		CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, NULL, 0), 7);
		OK(fs_removexattr(w.fs, file, "user.a", NULL));
	}
	put(&w, file);
}

/* What a symlink points to is none of its business. */
static void symlinks_and_special_files_stay_alone(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", ""),
		       link = make_link(&w, w.root, "link", "file"),
		       fifo = make_special(&w, w.root, "fifo", S_IFIFO | 0600);

	if (has_xattrs(&w)) {
		OK(set(&w, file, "user.a", "1", 0));
		CU_ASSERT(fs_getxattr(w.fs, link, "user.a", NULL, 0) < 0);
		set(&w, link, "user.a", "2", 0);
		CU_ASSERT(is_set(&w, file, "user.a", "1"));
		FAILS(ENODATA, fs_getxattr(w.fs, fifo, "user.a", NULL, 0));
		CU_ASSERT_EQUAL(fs_listxattr(w.fs, fifo, NULL, 0), 0);
	}
	put(&w, fifo);
	put(&w, link);
	put(&w, file);
}

/* Version 2: owner rwx, user 1000 r--, group r-x, mask r-x, others ---. */
static const uint8_t acl[] = {
	2,  0, 0, 0,			  /* version */
	1,  0, 7, 0, 255,  255, 255, 255, /* user_obj */
	2,  0, 4, 0, 0xe8, 3,	0,   0,	  /* user 1000 */
	4,  0, 5, 0, 255,  255, 255, 255, /* group_obj */
	16, 0, 5, 0, 255,  255, 255, 255, /* mask */
	32, 0, 0, 0, 255,  255, 255, 255, /* other */
};

static void acls_are_kept_and_removed_when_empty(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir");
	const char *names[] = {"system.posix_acl_access", "system.posix_acl_default"};
	uint8_t buf[sizeof(acl)];

	for (size_t i = 0; i < countof(names); i++) {
		OK(fs_setxattr(w.fs, dir, names[i], "", 0, 0, NULL));
		if (fs_setxattr(w.fs, dir, names[i], acl, sizeof(acl), 0, NULL) == -EOPNOTSUPP) {
			test_skip("the file system here keeps no ACLs");
			break;
		}
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, dir, names[i], buf, sizeof(buf)), sizeof(acl));
		CU_ASSERT_EQUAL(memcmp(buf, acl, sizeof(acl)), 0);
		CU_ASSERT_EQUAL(fs_listxattr(w.fs, dir, NULL, 0), (ssize_t)strlen(names[i]) + 1);
		OK(fs_setxattr(w.fs, dir, names[i], "", 0, 0, NULL));
		FAILS(ENODATA, fs_getxattr(w.fs, dir, names[i], buf, sizeof(buf)));
		OK(fs_setxattr(w.fs, dir, names[i], NULL, 0, XATTR_REPLACE, NULL));
		OK(fs_removexattr(w.fs, dir, names[i], NULL));
		OK(fs_setxattr(w.fs, dir, names[i], acl, sizeof(acl), XATTR_REPLACE, NULL));
		OK(fs_setxattr(w.fs, dir, names[i], acl, sizeof(acl), XATTR_CREATE, NULL));
		OK(fs_removexattr(w.fs, dir, names[i], NULL));
		FAILS(ENODATA, fs_getxattr(w.fs, dir, names[i], buf, sizeof(buf)));
	}
	put(&w, dir);
}

const struct test xattr_tests[] = {
	{"attributes_are_kept", attributes_are_kept},
	{"create_and_replace_look_first", create_and_replace_look_first},
	{"an_empty_value_is_a_value", an_empty_value_is_a_value},
	{"attributes_are_removed", attributes_are_removed},
	{"attributes_are_listed", attributes_are_listed},
	{"other_name_spaces_are_not_kept", other_name_spaces_are_not_kept},
	{"wild_names_and_sizes_are_refused", wild_names_and_sizes_are_refused},
	{"unlinked_objects_keep_attributes", unlinked_objects_keep_attributes},
	{"symlinks_and_special_files_stay_alone", symlinks_and_special_files_stay_alone},
	{"acls_are_kept_and_removed_when_empty", acls_are_kept_and_removed_when_empty},
};
const size_t xattr_tests_count = countof(xattr_tests);
