/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_thread.c - many callers at once on one fs, one directory, one file.
 *
 * CUnit's assertions are for one thread: the workers count what went wrong, the test
 * asserts that it is nothing.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tests/fs/conformance.h"

#define THREADS 4

struct crew {
	struct world *w;
	struct fs_file file;
	atomic_uint wins, faults;
	unsigned number; /* of the next worker, from 0 */
	pthread_mutex_t lock;
	pthread_barrier_t start;
	void (*work)(struct crew *crew, unsigned number);
};

static void *worker(void *arg)
{
	struct crew *crew = arg;
	unsigned number;

	pthread_mutex_lock(&crew->lock);
	number = crew->number++;
	pthread_mutex_unlock(&crew->lock);
	pthread_barrier_wait(&crew->start);
	crew->work(crew, number);
	return NULL;
}

static void run(struct crew *crew)
{
	pthread_t threads[THREADS];

	pthread_mutex_init(&crew->lock, NULL);
	pthread_barrier_init(&crew->start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, worker, crew);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&crew->start);
	pthread_mutex_destroy(&crew->lock);
	CU_ASSERT_EQUAL(crew->faults, 0);
}

static void expect(struct crew *crew, bool holds)
{
	if (!holds)
		crew->faults++;
}

static void create_exclusively(struct crew *crew, unsigned number)
{
	struct world *w = crew->w;

	(void)number;
	for (int i = 0; i < 100; i++) {
		struct fs_node node;
		struct fs_file file;
		struct fs_attr attr;
		char name[16];
		int ret;

		snprintf(name, sizeof(name), "%d", i);
		ret = fs_create(w->fs, w->root, name, O_RDWR | O_EXCL, 0644, ANYBODY, &node, &file,
				&attr, NULL);
		expect(crew, ret == 0 || ret == -EEXIST);
		crew->wins += ret == 0;
		fs_close(w->fs, file);
		fs_forget(w->fs, node);
	}
}

static void exclusive_creation_has_one_winner(void)
{
	_world_ struct world w = world();
	struct crew crew = {.w = &w, .work = create_exclusively};

	run(&crew);
	CU_ASSERT_EQUAL(crew.wins, 100);
}

static void create_and_unlink(struct crew *crew, unsigned number)
{
	struct world *w = crew->w;

	for (int i = 0; i < 200; i++) {
		struct fs_node node;
		struct fs_file file;
		struct fs_attr attr;
		int ret;

		if (number == 0) {
			ret = fs_unlink(w->fs, w->root, "contested", false, NULL);
			expect(crew, ret == 0 || ret == -ENOENT);
			continue;
		}
		ret = fs_create(w->fs, w->root, "contested", O_RDWR, 0644, ANYBODY, &node, &file,
				&attr, NULL);
		expect(crew, ret == 0);
		expect(crew, fs_write(w->fs, file, "x", 1, 0, NULL) == 1);
		fs_close(w->fs, file);
		fs_forget(w->fs, node);
	}
}

static void plain_creation_never_fails_beside_unlink(void)
{
	_world_ struct world w = world();
	struct crew crew = {.w = &w, .work = create_and_unlink};

	run(&crew);
}

static void append_lines(struct crew *crew, unsigned number)
{
	char line[16];

	memset(line, 'a' + (int)number, sizeof(line));
	for (int i = 0; i < 200; i++)
		expect(crew, fs_write(crew->w->fs, crew->file, line, sizeof(line), 0, NULL) == 16);
}

static void appended_lines_stay_whole(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "log", "");
	struct crew crew = {.w = &w, .work = append_lines};
	char line[16];

	crew.file = open_node(&w, node, O_RDWR | O_APPEND);
	run(&crew);
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 16 * 200 * THREADS);
	for (uint64_t at = 0; at < 16 * 200 * THREADS; at += 16) {
		CU_ASSERT_EQUAL(fs_read(w.fs, crew.file, line, 16, at, false), 16);
		for (int i = 1; i < 16; i++)
			CU_ASSERT_EQUAL(line[i], line[0]);
	}
	fs_close(w.fs, crew.file);
	put(&w, node);
}

static void write_own_part(struct crew *crew, unsigned number)
{
	struct fs *fs = crew->w->fs;
	char part[1000], back[1000];

	for (int i = 0; i < 50; i++) {
		uint64_t at = (number + (unsigned)i * THREADS) * sizeof(part);

		memset(part, (int)number + i, sizeof(part));
		expect(crew, fs_write(fs, crew->file, part, sizeof(part), at, NULL) == 1000);
		expect(crew, fs_read(fs, crew->file, back, sizeof(back), at, false) == 1000);
		expect(crew, memcmp(part, back, sizeof(part)) == 0);
	}
}

static void parts_of_one_file_are_written_at_once(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct crew crew = {.w = &w, .work = write_own_part};

	crew.file = open_node(&w, node, O_RDWR);
	run(&crew);
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 1000 * 50 * THREADS);
	fs_close(w.fs, crew.file);
	put(&w, node);
}

static bool take_all(void *arg, const struct fs_dirent *entry)
{
	(void)arg;
	return entry->offset != 0;
}

static void list_root(struct crew *crew)
{
	struct fs_file dir;

	expect(crew, fs_open(crew->w->fs, crew->w->root, O_RDONLY, &dir) == 0);
	expect(crew, fs_readdir(crew->w->fs, dir, 0, 4096, take_all, NULL) == 0);
	fs_close(crew->w->fs, dir);
}

/* A name of its own, for the attributes are those of what has the name a moment later. */
static void make_and_remove_below(struct crew *crew, unsigned number, struct fs_node dir)
{
	struct fs_cred cred = {1000 + number, 2000 + number};
	char link[] = {(char)('0' + number), '\0'}, name[FS_NAME_MAX + 1];
	struct fs *fs = crew->w->fs;
	struct fs_node up;
	struct fs_attr attr;
	int ret = fs_parent(fs, dir, &up, name);

	expect(crew, ret == 0 || ret == -ENOENT);
	fs_forget(fs, up);
	ret = fs_symlink(fs, dir, link, "x", cred, &attr, NULL);
	expect(crew, ret == 0 || ret == -ENOENT);
	if (ret)
		return;
	expect(crew, !subject->sets_owner || (attr.uid == cred.uid && attr.gid == cred.gid));
	expect(crew, fs_unlink(fs, dir, link, false, NULL) == 0);
}

/* Everything at once, on names the others use too: any answer but a wrong one will do. */
static void do_everything(struct crew *crew, unsigned number)
{
	const char *names[] = {"a", "b", "c"};
	struct fs *fs = crew->w->fs;
	struct fs_node root = crew->w->root, node;
	struct fs_attr attr;

	for (unsigned i = 0; i < 60; i++) {
		const char *one = names[(i + number) % 3], *two = names[i * 7 % 3];
		int ret = fs_mkdir(fs, root, one, 0755, ANYBODY, &attr, NULL);

		expect(crew, ret == 0 || ret == -EEXIST || ret == -ENOENT);
		ret = fs_rename(fs, root, one, root, two, NULL);
		expect(crew, ret == 0 || ret == -ENOENT || ret == -ENOTEMPTY);
		list_root(crew);
		ret = fs_walk(fs, root, two, &node, &attr);
		expect(crew, ret == 0 || ret == -ENOENT);
		if (ret == 0) {
			make_and_remove_below(crew, number, node);
			expect(crew, fs_getattr(fs, node, &attr) == 0);
			fs_forget(fs, node);
		}
		ret = fs_unlink(fs, root, two, true, NULL);
		expect(crew, ret == 0 || ret == -ENOENT || ret == -ENOTEMPTY);
	}
}

static void everything_runs_beside_everything(void)
{
	_world_ struct world w = world();
	struct crew crew = {.w = &w, .work = do_everything};

	run(&crew);
}

const struct test thread_tests[] = {
	{"exclusive_creation_has_one_winner", exclusive_creation_has_one_winner},
	{"plain_creation_never_fails_beside_unlink", plain_creation_never_fails_beside_unlink},
	{"appended_lines_stay_whole", appended_lines_stay_whole},
	{"parts_of_one_file_are_written_at_once", parts_of_one_file_are_written_at_once},
	{"everything_runs_beside_everything", everything_runs_beside_everything},
};
const size_t thread_tests_count = countof(thread_tests);
