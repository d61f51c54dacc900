/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_handle.c - handles: finding objects again when nothing of them is open.
 */
#include <stdio.h>

#include "tests/fs/conformance.h"

/* Not every driver has them, nor every host file system; and not everybody may use them. */
static bool has_handles(struct world *w)
{
	struct fs_handle handle = {.size = 1};
	struct fs_node node = FS_NO_NODE;
	struct fs_attr attr = attr_of(w, w->root);
	int ret = fs_handle(w->fs, w->root, &attr, &handle);

	CU_ASSERT((handle.size == 0) == (ret != 0));
	if (ret == 0)
		ret = fs_restore(w->fs, &handle, &node, &attr);
	fs_forget(w->fs, node);
	if (ret)
		test_skip("no handles here");
	CU_ASSERT(ret == 0 || ret == -EOPNOTSUPP || ret == -EOVERFLOW || ret == -EPERM);
	return ret == 0;
}

static struct fs_handle handle_of(struct world *w, struct fs_node node)
{
	const struct fs_attr attr = attr_of(w, node);
	struct fs_handle handle;

	OK(fs_handle(w->fs, node, &attr, &handle));
	return handle;
}

static struct fs_node restored(struct world *w, const struct fs_handle *handle)
{
	struct fs_node node;
	struct fs_attr attr;

	OK(fs_restore(w->fs, handle, &node, &attr));
	CU_ASSERT_EQUAL(node.type, attr.mode & S_IFMT);
	CU_ASSERT_EQUAL(attr.path, attr_of(w, node).path);
	return node;
}

static int restore_error(struct world *w, const struct fs_handle *handle)
{
	struct fs_node node;
	struct fs_attr attr;
	int ret = fs_restore(w->fs, handle, &node, &attr);

	CU_ASSERT(ret == 0 || node.id == -1);
	fs_forget(w->fs, node);
	return ret;
}

static void every_kind_of_object_is_found_again(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir");
	struct fs_node nodes[] = {
		make_file(&w, dir, "file", "text"),
		make_dir(&w, dir, "sub"),
		make_link(&w, dir, "link", "missing"),
		make_special(&w, dir, "fifo", S_IFIFO | 0644),
		make_special(&w, dir, "socket", S_IFSOCK | 0644),
	};
	bool has = has_handles(&w);

	for (size_t i = 0; i < countof(nodes); i++) {
		struct fs_attr attr = attr_of(&w, nodes[i]);
		struct fs_handle handle = {0};

		if (has)
			handle = handle_of(&w, nodes[i]);
		put(&w, nodes[i]);
		if (!has)
			continue;
		nodes[i] = restored(&w, &handle);
		CU_ASSERT_EQUAL(attr_of(&w, nodes[i]).path, attr.path);
		CU_ASSERT_EQUAL(attr_of(&w, nodes[i]).mode, attr.mode);
		if (S_ISREG(nodes[i].type))
			CU_ASSERT(node_has_text(&w, nodes[i], "text"));
		if (S_ISDIR(nodes[i].type))
			put(&w, make_file(&w, nodes[i], "new", ""));
		put(&w, nodes[i]);
	}
	put(&w, dir);
}

static void the_root_is_found_again(void)
{
	_world_ struct world w = world();

	if (has_handles(&w)) {
		struct fs_handle handle = handle_of(&w, w.root);
		struct fs_node root = restored(&w, &handle);

		CU_ASSERT_EQUAL(attr_of(&w, root).path, attr_of(&w, w.root).path);
		OK(walk_error(&w, root, ".."));
		put(&w, root);
	}
}

static void moved_objects_are_found_again(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, dir, "a", "text");

	if (has_handles(&w)) {
		struct fs_handle of_dir = handle_of(&w, dir), of_file = handle_of(&w, file);
		struct fs_node found;

		OK(fs_rename(w.fs, dir, "a", w.root, "b", NULL));
		found = restored(&w, &of_file);
		CU_ASSERT(node_has_text(&w, found, "text"));
		put(&w, found);
		OK(fs_rename(w.fs, w.root, "b", dir, "c", NULL));
		OK(fs_rename(w.fs, w.root, "dir", w.root, "elsewhere", NULL));
		found = restored(&w, &of_dir);
		OK(walk_error(&w, found, "c"));
		put(&w, found);
		found = restored(&w, &of_file);
		CU_ASSERT(node_has_text(&w, found, "text"));
		put(&w, found);
	}
	put(&w, dir);
	put(&w, file);
}

/* Pinned or not, and also when another object got its number. */
static void removed_objects_are_not_found(void)
{
	_world_ struct world w = world();

	for (int i = 0; i < 4 && has_handles(&w); i++) {
		bool dir = i & 1, pinned = i & 2;
		struct fs_node node =
			dir ? make_dir(&w, w.root, "x") : make_file(&w, w.root, "x", "");
		struct fs_handle handle = handle_of(&w, node);

		if (!pinned)
			put(&w, node);
		OK(fs_unlink(w.fs, w.root, "x", dir, NULL));
		FAILS(ESTALE, restore_error(&w, &handle));
		put(&w, dir ? make_dir(&w, w.root, "x") : make_file(&w, w.root, "x", ""));
		FAILS(ESTALE, restore_error(&w, &handle));
		OK(fs_unlink(w.fs, w.root, "x", dir, NULL));
		if (pinned)
			put(&w, node);
	}
}

static void handles_that_were_made_up_find_nothing(void)
{
	_world_ struct world w = world();
	struct fs_handle handle = {.size = 0};

	FAILS(ESTALE, restore_error(&w, &handle));
	handle.size = sizeof(handle.bytes) + 1;
	FAILS(ESTALE, restore_error(&w, &handle));
	if (!has_handles(&w))
		return;
	srand(1);
	for (int i = 0; i < 2000; i++) {
		for (size_t j = 0; j < sizeof(handle.bytes); j++)
			handle.bytes[j] = (uint8_t)rand();
		handle.size = (uint8_t)(1 + (size_t)rand() % sizeof(handle.bytes));
		handle.type = (uint8_t)(i & 1 ? rand() : 1);
		FAILS(ESTALE, restore_error(&w, &handle));
	}
	for (uint8_t size = 0; size < sizeof(handle.bytes); size++) {
		struct fs_handle cut = handle_of(&w, w.root);

		if (size != cut.size) {
			cut.size = size;
			restore_error(&w, &cut);
		}
	}
}

const struct test handle_tests[] = {
	{"every_kind_of_object_is_found_again", every_kind_of_object_is_found_again},
	{"the_root_is_found_again", the_root_is_found_again},
	{"moved_objects_are_found_again", moved_objects_are_found_again},
	{"removed_objects_are_not_found", removed_objects_are_not_found},
	{"handles_that_were_made_up_find_nothing", handles_that_were_made_up_find_nothing},
};
const size_t handle_tests_count = countof(handle_tests);
