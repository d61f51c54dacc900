/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_recent.c - descriptors that wait for the next walk to the same name (fs/local_recent.c):
 * when one is used again, and above all when not.
 *
 * A file is remembered when it has not been changed for two seconds; a directory at once. What
 * waits is closed after two seconds, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fs.h"
#include "tests/lib/clocks.h"
#include "tests/lib/test.h"

#define OK(call) CU_ASSERT_EQUAL((call), 0)
#define SETTLES_S 2
#define MANY 400 /* more than are remembered */

struct world {
	char *dir;
	int host;
	struct fs *fs;
	struct fs_node root;
	unsigned without, fds; /* open without the fs, and with it */
};

/* In which nothing has been left alone for long, and nothing waits too long. */
static struct world world(void)
{
	struct world w = {.dir = test_tmpdir()};
	struct fs_attr attr;
	char err[128] = "";

	clocks = (struct clocks){.ahead = CLOCKS_HOUR};
	w.host = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w.without = test_open_fds();
	OK(fs_local_create(w.host, FS_MODEL_NONE, &w.fs, err, sizeof(err)));
	OK(fs_root(w.fs, &w.root, &attr));
	w.fds = test_open_fds();
	return w;
}

static void world_end(struct world *w)
{
	fs_forget(w->fs, w->root);
	fs_destroy(w->fs);
	CU_ASSERT_EQUAL(test_open_fds(), w->without);
	close(w->host);
	test_rmtree(w->dir);
	free(w->dir);
}

#define _world_ __attribute__((cleanup(world_end)))

static void host_file(struct world *w, const char *name)
{
	int fd = openat(w->host, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	CU_ASSERT(fd >= 0);
	close(fd);
}

/* Directories "a" and "b", and a file that is "file" in each of them. */
static void host_twins(struct world *w)
{
	OK(mkdirat(w->host, "a", 0755));
	OK(mkdirat(w->host, "b", 0755));
	host_file(w, "a/file");
	OK(linkat(w->host, "a/file", w->host, "b/file", 0));
}

static void settle(void)
{
	clocks.coarse = time(NULL) + CLOCKS_HOUR;
}

static struct fs_node find_in(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_node node;
	struct fs_attr attr;

	OK(fs_walk(w->fs, dir, name, &node, &attr));
	return node;
}

static struct fs_node find(struct world *w, const char *name)
{
	return find_in(w, w->root, name);
}

/* Walks and forgets; the descriptor waits. */
static struct fs_node visit(struct world *w, const char *name)
{
	struct fs_node node = find(w, name);

	fs_forget(w->fs, node);
	return node;
}

static bool is_open(struct fs_node node)
{
	return fcntl(node.id, F_GETFD) >= 0;
}

static uint64_t path_of(struct world *w, struct fs_node node)
{
	struct fs_attr attr;

	OK(fs_getattr(w->fs, node, &attr));
	return attr.path;
}

static bool has_name(struct world *w, struct fs_node node, const char *name)
{
	char now[FS_NAME_MAX + 1];
	struct fs_node dir;
	int ret = fs_parent(w->fs, node, &dir, now);

	fs_forget(w->fs, dir);
	return ret == 0 && strcmp(now, name) == 0;
}

/* ---- it is used again ---- */

static void a_file_is_opened_once(void)
{
	_world_ struct world w = world();
	struct fs_node first, second, other;

	host_file(&w, "file");
	settle();
	first = visit(&w, "file");
	CU_ASSERT(is_open(first));
	CU_ASSERT_EQUAL(test_open_fds(), w.fds + 1);
	second = find(&w, "file");
	CU_ASSERT_EQUAL(second.id, first.id);
	/* In use it is nobody else's. */
	other = find(&w, "file");
	CU_ASSERT_NOT_EQUAL(other.id, second.id);
	fs_forget(w.fs, second);
	fs_forget(w.fs, other);
}

static void a_walk_tells_what_is_there_now(void)
{
	_world_ struct world w = world();
	struct fs_node node;
	struct fs_attr attr;

	OK(mkdirat(w.host, "dir", 0755));
	node = visit(&w, "dir");
	OK(fchmodat(w.host, "dir", 0700, 0));
	OK(fs_walk(w.fs, w.root, "dir", &node, &attr));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 0700);
	fs_forget(w.fs, node);
}

static void directories_keep_what_is_in_them(void)
{
	_world_ struct world w = world();
	struct fs_node dir, below, again;

	OK(mkdirat(w.host, "dir", 0755));
	OK(mkdirat(w.host, "dir/below", 0755));
	dir = find(&w, "dir");
	below = find_in(&w, dir, "below");
	fs_forget(w.fs, below);
	fs_forget(w.fs, dir);
	again = find(&w, "dir");
	CU_ASSERT_EQUAL(again.id, dir.id);
	dir = again;
	again = find_in(&w, dir, "below");
	CU_ASSERT_EQUAL(again.id, below.id);
	fs_forget(w.fs, again);
	fs_forget(w.fs, dir);
}

/* ---- it is not ---- */

static void what_was_just_changed_is_opened_each_time(void)
{
	_world_ struct world w = world();
	struct stat st;

	host_file(&w, "file");
	OK(fstatat(w.host, "file", &st, 0));
	clocks.coarse = st.st_ctime + SETTLES_S - 1;
	CU_ASSERT(!is_open(visit(&w, "file")));
	clocks.coarse = st.st_ctime + SETTLES_S;
	CU_ASSERT(is_open(visit(&w, "file")));
}

static void a_name_of_something_else_is_opened(void)
{
	_world_ struct world w = world();
	struct fs_node node;
	uint64_t path;

	OK(mkdirat(w.host, "dir", 0755));
	OK(mkdirat(w.host, "other", 0755));
	node = find(&w, "dir");
	path = path_of(&w, node);
	fs_forget(w.fs, node);
	OK(renameat(w.host, "dir", w.host, "away"));
	OK(renameat(w.host, "other", w.host, "dir"));
	node = find(&w, "dir");
	CU_ASSERT_NOT_EQUAL(path_of(&w, node), path);
	CU_ASSERT(has_name(&w, node, "dir"));
	fs_forget(w.fs, node);
}

/* The descriptor that waits was opened as "file", which is that object again, but by another of its
 * names. */
static void a_name_that_was_made_anew_is_opened(void)
{
	_world_ struct world w = world();
	struct fs_node node;

	host_file(&w, "file");
	settle();
	visit(&w, "file");
	OK(renameat(w.host, "file", w.host, "moved"));
	OK(linkat(w.host, "moved", w.host, "file", 0));
	node = find(&w, "file");
	CU_ASSERT(has_name(&w, node, "file"));
	fs_forget(w.fs, node);
}

static void a_name_in_another_directory_is_opened(void)
{
	_world_ struct world w = world();
	struct fs_node a, b, in_a, in_b;

	host_twins(&w);
	settle();
	a = find(&w, "a");
	b = find(&w, "b");
	in_a = find_in(&w, a, "file");
	fs_forget(w.fs, in_a);
	in_b = find_in(&w, b, "file");
	CU_ASSERT_NOT_EQUAL(in_b.id, in_a.id);
	fs_forget(w.fs, in_b);
	fs_forget(w.fs, a);
	fs_forget(w.fs, b);
}

/* `a` is closed, and its number given to `b`: what was in `a` must not be taken for what is there.
 */
static void a_closed_directorys_number_stands_for_nothing(void)
{
	_world_ struct world w = world();
	struct fs_node a, b, in_a, in_b;

	host_twins(&w);
	settle();
	a = find(&w, "a");
	in_a = find_in(&w, a, "file");
	fs_forget(w.fs, in_a);
	CU_ASSERT(is_open(in_a));
	OK(fs_rename(w.fs, w.root, "a", w.root, "c", NULL));
	fs_forget(w.fs, a);
	CU_ASSERT(!is_open(in_a));
	b = find(&w, "b");
	in_b = find_in(&w, b, "file");
	CU_ASSERT_EQUAL(b.id, a.id < in_a.id ? a.id : in_a.id); /* numbers are used again */
	CU_ASSERT(has_name(&w, in_b, "file"));
	fs_forget(w.fs, in_b);
	fs_forget(w.fs, b);
}

static void what_is_mounted_is_not_kept_busy(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return test_skip("nothing can be mounted here");
	_world_ struct world w = world();
	struct fs_node node, mounted;
	uint64_t path;
	char at[128];

	OK(mkdirat(w.host, "dir", 0755));
	node = find(&w, "dir");
	path = path_of(&w, node);
	fs_forget(w.fs, node);
	snprintf(at, sizeof(at), "%s/dir", w.dir);
	OK(mount("none", at, "tmpfs", 0, NULL));
	mounted = find(&w, "dir");
	CU_ASSERT_NOT_EQUAL(path_of(&w, mounted), path);
	fs_forget(w.fs, mounted);
	OK(umount(at));
	node = find(&w, "dir");
	CU_ASSERT_EQUAL(path_of(&w, node), path);
	fs_forget(w.fs, node);
}

/* The same object on another mount, which may be a read-only one. */
static void another_mount_of_the_same_is_another(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return test_skip("nothing can be mounted here");
	_world_ struct world w = world();
	const struct fs_setattr mode = {.valid = FS_SET_MODE, .mode = 0700};
	struct fs_node node;
	char at[128];

	OK(mkdirat(w.host, "dir", 0755));
	visit(&w, "dir");
	snprintf(at, sizeof(at), "%s/dir", w.dir);
	OK(mount(at, at, NULL, MS_BIND, NULL));
	OK(mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	node = find(&w, "dir");
	CU_ASSERT_EQUAL(fs_setattr(w.fs, node, FS_NO_FILE, &mode), -EROFS);
	fs_forget(w.fs, node);
	OK(umount(at));
}

/* ---- it goes ---- */

static void what_is_unlinked_is_gone_at_once(void)
{
	_world_ struct world w = world();
	struct fs_node file, dir;

	host_file(&w, "file");
	host_file(&w, "new");
	OK(mkdirat(w.host, "dir", 0755));
	settle();
	file = visit(&w, "file");
	dir = visit(&w, "dir");
	CU_ASSERT_EQUAL(test_open_fds(), w.fds + 2);
	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	CU_ASSERT(!is_open(dir));
	OK(fs_rename(w.fs, w.root, "new", w.root, "file", NULL));
	CU_ASSERT(!is_open(file));
	CU_ASSERT_EQUAL(test_open_fds(), w.fds);
}

static void what_loses_its_name_in_use_does_not_wait(void)
{
	_world_ struct world w = world();
	struct fs_node dir;

	OK(mkdirat(w.host, "dir", 0755));
	dir = find(&w, "dir");
	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	CU_ASSERT(is_open(dir));
	fs_forget(w.fs, dir);
	CU_ASSERT(!is_open(dir));
}

static void what_nobody_comes_for_is_closed(void)
{
	_world_ struct world w = world();
	struct fs_node dir, below;

	clocks.ahead = 0;
	OK(mkdirat(w.host, "dir", 0755));
	OK(mkdirat(w.host, "dir/below", 0755));
	dir = find(&w, "dir");
	below = find_in(&w, dir, "below");
	fs_forget(w.fs, below);
	fs_forget(w.fs, dir);
	while (test_open_fds() > w.fds)
		usleep(10000);
	CU_ASSERT(!is_open(dir) && !is_open(below));
}

static void no_more_than_some_wait(void)
{
	_world_ struct world w = world();
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		OK(mkdirat(w.host, name, 0755));
	}
	for (int i = 0; i < 3 * MANY; i++) {
		snprintf(name, sizeof(name), "%d", i % MANY);
		visit(&w, name);
	}
	CU_ASSERT(test_open_fds() <= w.fds + 256);
}

/* Leaves no descriptor but those that wait; they are `count`. */
static struct rlimit use_up(struct world *w, int count)
{
	struct rlimit old, few;
	char name[16];
	int lowest;

	OK(getrlimit(RLIMIT_NOFILE, &old));
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%d", i);
		if (mkdirat(w->host, name, 0755) < 0)
			CU_ASSERT_EQUAL(errno, EEXIST);
		visit(w, name);
	}
	/* All below it are in use, whatever there is above. */
	lowest = fcntl(w->host, F_DUPFD_CLOEXEC, 0);
	CU_ASSERT(lowest >= 0);
	close(lowest);
	few = (struct rlimit){.rlim_cur = (rlim_t)lowest, .rlim_max = old.rlim_max};
	OK(setrlimit(RLIMIT_NOFILE, &few));
	CU_ASSERT_EQUAL(fcntl(w->host, F_DUPFD_CLOEXEC, 0), -1);
	return old;
}

static void others_come_first_when_there_are_no_more(void)
{
	const struct fs_cred anybody = {(uint32_t)-1, (uint32_t)-1};
	_world_ struct world w = world();
	struct fs_node node[MANY], dir, up, made;
	char name[FS_NAME_MAX + 1];
	struct fs_handle handle;
	struct fs_file file;
	struct fs_attr attr;
	struct rlimit old;
	unsigned count = 0;

	OK(mkdirat(w.host, "dir", 0755));
	OK(fs_walk(w.fs, w.root, "dir", &dir, &attr));

	old = use_up(&w, 20);
	while (count < MANY && fs_walk(w.fs, w.root, ".", &node[count], &attr) == 0)
		count++;
	OK(setrlimit(RLIMIT_NOFILE, &old));
	CU_ASSERT_EQUAL(count, 20);
	while (count > 0)
		fs_forget(w.fs, node[--count]);

	old = use_up(&w, 20);
	OK(fs_create(w.fs, w.root, "new", O_RDWR | O_EXCL, 0644, anybody, &made, &file, &attr,
		     NULL));
	OK(setrlimit(RLIMIT_NOFILE, &old));
	fs_close(w.fs, file);
	fs_forget(w.fs, made);

	old = use_up(&w, 20);
	OK(fs_parent(w.fs, dir, &up, name));
	OK(setrlimit(RLIMIT_NOFILE, &old));
	fs_forget(w.fs, up);

	old = use_up(&w, 20);
	OK(fs_mkdir(w.fs, w.root, "group", 02755, anybody, &attr, NULL));
	OK(setrlimit(RLIMIT_NOFILE, &old));

	OK(fs_getattr(w.fs, dir, &attr));
	if (fs_handle(w.fs, dir, &attr, &handle) == 0 && fs_regain(w.fs, &handle, &made) == 0) {
		fs_forget(w.fs, made);
		old = use_up(&w, 20);
		OK(fs_regain(w.fs, &handle, &made));
		OK(setrlimit(RLIMIT_NOFILE, &old));
		fs_forget(w.fs, made);
	}
	fs_forget(w.fs, dir);
}

/* ---- many at once ---- */

#define THREADS 4
#define VISITS 20000
#define NAMES 3

struct visitor {
	pthread_t thread;
	struct world *w;
	const uint64_t *path; /* of directories "0" to "2" */
	unsigned wrong;
};

static void *visit_all(void *arg)
{
	struct visitor *v = arg;
	struct fs_node node;
	struct fs_attr attr;
	char name[16];

	for (unsigned i = 0; i < VISITS; i++) {
		snprintf(name, sizeof(name), "%u", i % NAMES);
		if (fs_walk(v->w->fs, v->w->root, name, &node, &attr) < 0) {
			v->wrong++;
			continue;
		}
		v->wrong += attr.path != v->path[i % NAMES] ||
			    fs_getattr(v->w->fs, node, &attr) < 0 ||
			    attr.path != v->path[i % NAMES];
		fs_forget(v->w->fs, node);
	}
	return NULL;
}

static void threads_are_not_in_each_others_way(void)
{
	_world_ struct world w = world();
	struct visitor visitor[THREADS];
	uint64_t path[NAMES];
	struct fs_attr attr;
	char name[16];

	clocks.ahead = 0;
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "%u", i);
		OK(mkdirat(w.host, name, 0755));
		OK(fs_lookup(w.fs, w.root, name, &attr));
		path[i] = attr.path;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		visitor[i] = (struct visitor){.w = &w, .path = path};
		OK(pthread_create(&visitor[i].thread, NULL, visit_all, &visitor[i]));
	}
	for (unsigned i = 0; i < VISITS / 10; i++) {
		OK(mkdirat(w.host, "comes", 0755));
		visit(&w, "comes");
		OK(fs_unlink(w.fs, w.root, "comes", true, NULL));
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(visitor[i].thread, NULL);
		CU_ASSERT_EQUAL(visitor[i].wrong, 0);
	}
}

static const struct test tests[] = {
	{"a_file_is_opened_once", a_file_is_opened_once},
	{"a_walk_tells_what_is_there_now", a_walk_tells_what_is_there_now},
	{"directories_keep_what_is_in_them", directories_keep_what_is_in_them},
	{"what_was_just_changed_is_opened_each_time", what_was_just_changed_is_opened_each_time},
	{"a_name_of_something_else_is_opened", a_name_of_something_else_is_opened},
	{"a_name_that_was_made_anew_is_opened", a_name_that_was_made_anew_is_opened},
	{"a_name_in_another_directory_is_opened", a_name_in_another_directory_is_opened},
	{"a_closed_directorys_number_stands_for_nothing",
	 a_closed_directorys_number_stands_for_nothing},
	{"what_is_mounted_is_not_kept_busy", what_is_mounted_is_not_kept_busy},
	{"another_mount_of_the_same_is_another", another_mount_of_the_same_is_another},
	{"what_is_unlinked_is_gone_at_once", what_is_unlinked_is_gone_at_once},
	{"what_loses_its_name_in_use_does_not_wait", what_loses_its_name_in_use_does_not_wait},
	{"what_nobody_comes_for_is_closed", what_nobody_comes_for_is_closed},
	{"no_more_than_some_wait", no_more_than_some_wait},
	{"others_come_first_when_there_are_no_more", others_come_first_when_there_are_no_more},
	{"threads_are_not_in_each_others_way", threads_are_not_in_each_others_way},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "recent", tests, sizeof(tests) / sizeof(tests[0]));
}
