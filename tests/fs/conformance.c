/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance.c - runs the themes of the suite against one subject, and what they share.
 */
#include "tests/fs/conformance.h"

#include <stdio.h>

const struct subject *subject;

struct world world(void)
{
	struct world w = {.dir = test_tmpdir()};
	struct fs_attr attr;

	if (subject->make(w.dir, &w.fs) || fs_root(w.fs, &w.root, &attr)) {
		fprintf(stderr, "%s: cannot be made\n", subject->name);
		abort();
	}
	return w;
}

void world_end(struct world *w)
{
	fs_forget(w->fs, w->root);
	fs_destroy(w->fs);
	test_rmtree(w->dir);
	free(w->dir);
}

struct fs_node find(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_node node;
	struct fs_attr attr;

	OK(fs_walk(w->fs, dir, name, &node, &attr));
	CU_ASSERT_EQUAL(node.type, attr.mode & S_IFMT);
	return node;
}

struct fs_attr attr_of(struct world *w, struct fs_node node)
{
	struct fs_attr attr = {0};

	OK(fs_getattr(w->fs, node, &attr));
	return attr;
}

struct fs_attr attr_at(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_attr attr = {0};
	struct fs_node node;

	OK(fs_walk(w->fs, dir, name, &node, &attr));
	fs_forget(w->fs, node);
	return attr;
}

struct fs_node make_dir(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_attr attr;

	OK(fs_mkdir(w->fs, dir, name, 0755, ANYBODY, &attr, NULL));
	return find(w, dir, name);
}

struct fs_node make_file(struct world *w, struct fs_node dir, const char *name, const char *text)
{
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	OK(fs_create(w->fs, dir, name, O_RDWR | O_EXCL, 0644, ANYBODY, &node, &file, &attr, NULL));
	put_text(w, file, text, 0);
	fs_close(w->fs, file);
	return node;
}

struct fs_node make_link(struct world *w, struct fs_node dir, const char *name, const char *target)
{
	struct fs_attr attr;

	OK(fs_symlink(w->fs, dir, name, target, ANYBODY, &attr, NULL));
	return find(w, dir, name);
}

struct fs_node make_special(struct world *w, struct fs_node dir, const char *name, uint32_t mode)
{
	struct fs_attr attr;

	OK(fs_mknod(w->fs, dir, name, mode, 1, 3, ANYBODY, &attr, NULL));
	return find(w, dir, name);
}

struct fs_file open_node(struct world *w, struct fs_node node, int flags)
{
	struct fs_file file;

	OK(fs_open(w->fs, node, flags, &file));
	CU_ASSERT_EQUAL(file.flags, (unsigned)flags & ~(unsigned)O_TRUNC);
	return file;
}

void put(struct world *w, struct fs_node node)
{
	fs_forget(w->fs, node);
}

void put_text(struct world *w, struct fs_file file, const char *text, uint64_t offset)
{
	ssize_t n = fs_write(w->fs, file, text, strlen(text), offset, NULL);

	CU_ASSERT_EQUAL(n, (ssize_t)strlen(text));
}

bool has_text(struct world *w, struct fs_file file, const char *text)
{
	char buf[256];
	ssize_t n = fs_read(w->fs, file, buf, sizeof(buf), 0, false);

	return n == (ssize_t)strlen(text) && memcmp(buf, text, strlen(text)) == 0;
}

bool node_has_text(struct world *w, struct fs_node node, const char *text)
{
	struct fs_file file = open_node(w, node, O_RDONLY);
	bool has = has_text(w, file, text);

	fs_close(w->fs, file);
	return has;
}

int walk_error(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_node node;
	struct fs_attr attr;
	int ret = fs_walk(w->fs, dir, name, &node, &attr);

	CU_ASSERT(ret == 0 || node.id == -1);
	fs_forget(w->fs, node);
	return ret;
}

int open_error(struct world *w, struct fs_node node, int flags)
{
	struct fs_file file;
	int ret = fs_open(w->fs, node, flags, &file);

	CU_ASSERT(ret == 0 || file.id == -1);
	fs_close(w->fs, file);
	return ret;
}

int create_error(struct world *w, struct fs_node dir, const char *name, int flags)
{
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	int ret = fs_create(w->fs, dir, name, flags, 0644, ANYBODY, &node, &file, &attr, NULL);

	CU_ASSERT(ret == 0 || (file.id == -1 && node.id == -1));
	fs_close(w->fs, file);
	fs_forget(w->fs, node);
	return ret;
}

size_t conformance_tests(struct test all[CONFORMANCE_TESTS_MAX])
{
	const struct {
		const struct test *tests;
		size_t count;
	} themes[] = {
		{tree_tests, tree_tests_count},	    {file_tests, file_tests_count},
		{list_tests, list_tests_count},	    {attr_tests, attr_tests_count},
		{xattr_tests, xattr_tests_count},   {thread_tests, thread_tests_count},
		{lock_tests, lock_tests_count},	    {intent_tests, intent_tests_count},
		{handle_tests, handle_tests_count},
	};
	size_t count = 0;

	for (size_t i = 0; i < countof(themes); i++) {
		memcpy(all + count, themes[i].tests, themes[i].count * sizeof(all[0]));
		count += themes[i].count;
	}
	return count;
}

int conformance_run(int argc, char **argv, const struct subject *which)
{
	struct test all[CONFORMANCE_TESTS_MAX];
	size_t count = conformance_tests(all);

	subject = which;
	return test_main(argc, argv, which->name, all, count);
}
