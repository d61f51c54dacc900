/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_space.c - limits of space, files and open files, and what auto-delete removes.
 *
 * What the layer says it counts (statfs) is held against what a walk through the host's directory
 * finds. Limits are small; the host has more.
 */
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/layer.h"
#include "fs/space.h"
#include "tests/fs/conformance.h"

#define BLOCK 4096
#define SPACE (16u << 20)
#define MIB 16
#define FILES 64

static struct fs_space_limits limits;

/* ---- a tree with limits ---- */

static char err[128];

static int make_limited(const char *dir, struct fs **fs)
{
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = fs_local_create(fd, FS_MODEL_NONE, fs, err, sizeof(err));

	return ret ? ret : fs_space_create(*fs, &limits, fs, err, sizeof(err));
}

static const struct subject limited = {"space", true, make_limited};

static struct world limited_world(struct fs_space_limits some)
{
	limits = some;
	subject = &limited;
	return world();
}

static struct world limited_world_at(const char *where, struct fs_space_limits some)
{
	_cleanup_free_ char *before = strdup(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	struct world w;

	setenv("TMPDIR", where, 1);
	w = limited_world(some);
	setenv("TMPDIR", before, 1);
	return w;
}

/* The process is gone, and another one serves the same tree. */
static void stop(struct world *w)
{
	fs_forget(w->fs, w->root);
	fs_destroy(w->fs);
}

static void start(struct world *w)
{
	struct fs_attr attr;

	OK(make_limited(w->dir, &w->fs));
	OK(fs_root(w->fs, &w->root, &attr));
}

static void restart(struct world *w)
{
	stop(w);
	start(w);
}

struct used {
	uint64_t bytes, files;
};

static struct used used(struct world *w)
{
	struct fs_statfs st = {.bsize = 0};

	OK(fs_statfs(w->fs, w->root, &st));
	return (struct used){
		.bytes = (st.blocks - st.bfree) * st.bsize,
		.files = st.files - st.ffree,
	};
}

/* ---- what the host says ---- */

static struct used there;
static ino_t linked[4096];
static size_t linked_count;

static int add_up(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)path, (void)kind;
	if (st->st_nlink > 1 && !S_ISDIR(st->st_mode)) {
		for (size_t i = 0; i < linked_count; i++) {
			if (linked[i] == st->st_ino)
				return 0;
		}
		linked[linked_count++ % countof(linked)] = st->st_ino;
	}
	there.bytes += (uint64_t)st->st_blocks * 512;
	there.files += ftw->level > 0;
	return 0;
}

static struct used truth(const struct world *w)
{
	there = (struct used){.bytes = 0};
	linked_count = 0;
	nftw(w->dir, add_up, 32, FTW_PHYS);
	return there;
}

/* Of bytes whole blocks only are told. */
static bool is_true(struct world *w)
{
	struct used said = used(w), found = truth(w);
	bool same =
		(limits.space == 0 || said.bytes == (found.bytes + BLOCK - 1) / BLOCK * BLOCK) &&
		(limits.files == 0 || said.files == found.files);

	if (!same)
		printf("    said %llu bytes, %llu files; there are %llu, %llu\n",
		       (unsigned long long)said.bytes, (unsigned long long)said.files,
		       (unsigned long long)found.bytes, (unsigned long long)found.files);
	return same;
}

/* ---- shorthands ---- */

static struct fs_node new_file(struct world *w, const char *name, struct fs_file *file)
{
	struct fs_node node;
	struct fs_attr attr;

	OK(fs_create(w->fs, w->root, name, O_RDWR | O_EXCL, 0644, ANYBODY, &node, file, &attr,
		     NULL));
	return node;
}

/* Writes until it is refused; how much that was. */
static uint64_t fill(struct world *w, struct fs_file file, uint64_t from, uint64_t most, int *why)
{
	static const char bytes[65536] = "x";
	uint64_t done = 0;
	ssize_t n = 0;

	while (done < most) {
		size_t size = most - done < sizeof(bytes) ? (size_t)(most - done) : sizeof(bytes);

		n = fs_write(w->fs, file, bytes, size, from + done, NULL);
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	*why = n < 0 ? (int)-n : 0;
	return done;
}

/* A file of that size, closed, forgotten, with its date so many seconds after 1970. */
static void old_file(struct world *w, struct fs_node dir, const char *name, uint64_t size, int when)
{
	const struct fs_setattr date = {.valid = FS_SET_MTIME, .mtime = {.sec = when}};
	struct fs_node node = make_file(w, dir, name, "");
	struct fs_file file = open_node(w, node, O_RDWR);
	int why;

	CU_ASSERT_EQUAL(fill(w, file, 0, size, &why), size);
	OK(fs_setattr(w->fs, node, file, &date));
	fs_close(w->fs, file);
	put(w, node);
}

static bool exists(const struct world *w, const char *name)
{
	_cleanup_free_ char *path = NULL;

	CU_ASSERT_FATAL(asprintf(&path, "%s/%s", w->dir, name) > 0);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- space ---- */

static void what_is_allocated_counts(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.space = MIB});
	struct fs_file file;
	struct fs_node node = new_file(&w, "file", &file);
	struct used before = used(&w);
	int why;

	CU_ASSERT_EQUAL(fill(&w, file, 0, 1 << 20, &why), 1 << 20);
	CU_ASSERT(used(&w).bytes >= before.bytes + (1 << 20));
	CU_ASSERT(is_true(&w));
	CU_ASSERT_EQUAL(fill(&w, file, 0, 1 << 20, &why), 1 << 20);
	CU_ASSERT(is_true(&w));
	fs_close(w.fs, file);
	put(&w, node);
	CU_ASSERT(is_true(&w));
}

static void a_hole_takes_nothing(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.space = MIB});
	struct fs_file file;
	struct fs_node node = new_file(&w, "file", &file);
	int why;

	OK(fs_setattr(w.fs, node, file,
		      &(struct fs_setattr){.valid = FS_SET_SIZE, .size = UINT64_C(1) << 40}));
	CU_ASSERT_EQUAL(fill(&w, file, UINT64_C(1) << 40, 100, &why), 100);
	CU_ASSERT(used(&w).bytes < 1 << 20);
	CU_ASSERT(is_true(&w));
	fs_close(w.fs, file);
	put(&w, node);
}

static void a_hole_that_is_filled_takes_what_it_holds(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.space = MIB});
	struct fs_file file;
	struct fs_node node = new_file(&w, "file", &file);
	int why;

	OK(fs_setattr(w.fs, node, file,
		      &(struct fs_setattr){.valid = FS_SET_SIZE, .size = 4 * SPACE}));
	CU_ASSERT(fill(&w, file, 0, 4 * SPACE, &why) <= SPACE);
	CU_ASSERT_EQUAL(why, ENOSPC);
	CU_ASSERT(truth(&w).bytes <= SPACE);
	fs_close(w.fs, file);
	put(&w, node);
}

static void a_file_is_filled_to_the_limit_and_not_beyond(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.space = MIB});
	struct fs_file file;
	struct fs_node node = new_file(&w, "file", &file);
	int why;

	CU_ASSERT(fill(&w, file, 0, 2 * SPACE, &why) >= SPACE - 8 * BLOCK);
	CU_ASSERT_EQUAL(why, ENOSPC);
	CU_ASSERT(truth(&w).bytes <= SPACE);
	CU_ASSERT(truth(&w).bytes >= SPACE - BLOCK);
	fs_close(w.fs, file);
	put(&w, node);
}

static void what_is_full_can_be_written_over(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.space = MIB});
	struct fs_file file, append;
	struct fs_node node = new_file(&w, "file", &file);
	struct fs_attr attr;
	uint64_t end;
	int why;

	end = fill(&w, file, 0, 2 * SPACE, &why);
	CU_ASSERT_EQUAL(fill(&w, file, 0, end, &why), end);
	OK(fs_setattr(w.fs, node, file,
		      &(struct fs_setattr){.valid = FS_SET_SIZE, .size = end - 100}));
	append = open_node(&w, node, O_WRONLY | O_APPEND);
	CU_ASSERT_EQUAL(fill(&w, append, 0, 100, &why), 100);
	FAILS(ENOSPC, fs_mkdir(w.fs, w.root, "dir", 0755, ANYBODY, &attr, NULL));
	OK(fs_rename(w.fs, w.root, "file", w.root, "renamed", NULL));
	fs_close(w.fs, append);
	fs_close(w.fs, file);
	put(&w, node);
}

static void a_truncation_gives_space_back(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.space = MIB});
	struct fs_file file, emptied;
	struct fs_node node = new_file(&w, "file", &file);
	int why;

	fill(&w, file, 0, 2 * SPACE, &why);
	OK(fs_setattr(w.fs, node, file, &(struct fs_setattr){.valid = FS_SET_SIZE, .size = 10}));
	CU_ASSERT(used(&w).bytes < 1 << 20);
	CU_ASSERT(is_true(&w));
	CU_ASSERT(fill(&w, file, 0, SPACE / 2, &why) == SPACE / 2);
	emptied = open_node(&w, node, O_RDWR | O_TRUNC);
	CU_ASSERT(used(&w).bytes < 1 << 20);
	CU_ASSERT(is_true(&w));
	fs_close(w.fs, emptied);
	fs_close(w.fs, file);
	put(&w, node);
}

static void several_names_count_once(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, false});
	struct fs_file file;
	struct fs_node node = new_file(&w, "file", &file);
	int why;

	fill(&w, file, 0, 1 << 20, &why);
	OK(fs_link(w.fs, node, w.root, "second", NULL));
	CU_ASSERT_EQUAL(used(&w).files, 1);
	CU_ASSERT(is_true(&w));
	fs_close(w.fs, file);
	put(&w, node);
	restart(&w);
	CU_ASSERT_EQUAL(used(&w).files, 1);
	CU_ASSERT(is_true(&w));
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	CU_ASSERT(used(&w).bytes >= 1 << 20);
	CU_ASSERT(is_true(&w));
	OK(fs_unlink(w.fs, w.root, "second", false, NULL));
	CU_ASSERT_EQUAL(used(&w).files, 0);
	CU_ASSERT(is_true(&w));
}

static void an_unlinked_file_counts_until_its_last_handle_is_gone(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, false});
	struct fs_file file;
	struct fs_node node = new_file(&w, "file", &file);
	int why;

	fill(&w, file, 0, 1 << 20, &why);
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	CU_ASSERT(used(&w).bytes >= 1 << 20);
	CU_ASSERT_EQUAL(used(&w).files, 1);
	CU_ASSERT_EQUAL(fill(&w, file, 1 << 20, 1 << 20, &why), 1 << 20);
	CU_ASSERT(used(&w).bytes >= 2 << 20);
	fs_close(w.fs, file);
	CU_ASSERT(used(&w).bytes >= 2 << 20);
	CU_ASSERT_EQUAL(used(&w).files, 1);
	put(&w, node);
	CU_ASSERT_EQUAL(used(&w).files, 0);
	CU_ASSERT(is_true(&w));
}

static void what_is_renamed_over_gives_space_back(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, false});

	old_file(&w, w.root, "large", 1 << 20, 1);
	old_file(&w, w.root, "small", 10, 2);
	put(&w, make_dir(&w, w.root, "dir"));
	put(&w, make_dir(&w, w.root, "empty"));
	CU_ASSERT(is_true(&w));
	OK(fs_rename(w.fs, w.root, "small", w.root, "large", NULL));
	CU_ASSERT(used(&w).bytes < 1 << 20);
	CU_ASSERT(is_true(&w));
	OK(fs_rename(w.fs, w.root, "dir", w.root, "empty", NULL));
	OK(fs_rename(w.fs, w.root, "empty", w.root, "empty", NULL));
	CU_ASSERT_EQUAL(used(&w).files, 2);
	CU_ASSERT(is_true(&w));
	OK(fs_unlink(w.fs, w.root, "empty", true, NULL));
	CU_ASSERT(is_true(&w));
}

static void names_and_attributes_take_space(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, 0, 0, false});
	struct fs_node node = make_file(&w, w.root, "file", "");
	static char value[3000];
	char name[FS_NAME_MAX + 1];

	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%0200u", i);
		OK(fs_link(w.fs, node, w.root, name, NULL));
	}
	CU_ASSERT(is_true(&w));
	if (setxattr(w.dir, "user.probe", "", 0, 0) == 0) {
		OK(fs_setxattr(w.fs, node, "user.a", value, sizeof(value), 0, NULL));
		CU_ASSERT(is_true(&w));
		OK(fs_removexattr(w.fs, node, "user.a", NULL));
		CU_ASSERT(is_true(&w));
	}
	put(&w, node);
}

/* ---- files ---- */

static void everything_below_the_root_is_a_file(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.files = 4});
	struct fs_node dir = make_dir(&w, w.root, "dir"), node;
	struct fs_file file;
	struct fs_attr attr;

	put(&w, make_file(&w, dir, "file", "text"));
	put(&w, make_link(&w, dir, "symlink", "target"));
	put(&w, make_special(&w, w.root, "fifo", S_IFIFO | 0644));
	CU_ASSERT_EQUAL(used(&w).files, 4);
	FAILS(ENOSPC,
	      fs_create(w.fs, dir, "f", O_RDWR | O_EXCL, 0644, ANYBODY, &node, &file, &attr, NULL));
	FAILS(ENOSPC, fs_mkdir(w.fs, dir, "f", 0755, ANYBODY, &attr, NULL));
	FAILS(ENOSPC, fs_symlink(w.fs, dir, "f", "x", ANYBODY, &attr, NULL));
	FAILS(ENOSPC, fs_mknod(w.fs, dir, "f", S_IFIFO, 0, 0, ANYBODY, &attr, NULL));
	restart(&w);
	CU_ASSERT_EQUAL(used(&w).files, 4);
	FAILS(ENOSPC, fs_mkdir(w.fs, w.root, "f", 0755, ANYBODY, &attr, NULL));
	OK(fs_unlink(w.fs, w.root, "fifo", false, NULL));
	OK(fs_mkdir(w.fs, w.root, "f", 0755, ANYBODY, &attr, NULL));
	put(&w, dir);
}

/* ---- open files ---- */

static void open_files_are_limited(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.open_files = 3});
	struct fs_node node = make_file(&w, w.root, "file", ""), other;
	struct fs_file first = open_node(&w, node, O_RDONLY), second, third, fourth;
	struct fs_attr attr;

	second = open_node(&w, node, O_RDWR);
	third = open_node(&w, w.root, O_RDONLY);
	FAILS(EMFILE, fs_open(w.fs, node, O_RDONLY, &fourth));
	FAILS(EMFILE, fs_create(w.fs, w.root, "new", O_RDWR | O_EXCL, 0644, ANYBODY, &other,
				&fourth, &attr, NULL));
	CU_ASSERT(!exists(&w, "new"));
	fs_close(w.fs, second);
	FAILS(ELOOP, open_error(&w, (struct fs_node){.id = node.id, .type = S_IFLNK}, O_RDONLY));
	second = open_node(&w, node, O_RDONLY);
	FAILS(EMFILE, fs_open(w.fs, node, O_RDONLY, &fourth));
	fs_close(w.fs, third);
	fs_close(w.fs, second);
	fs_close(w.fs, first);
	put(&w, node);
}

/* ---- what a predecessor left ---- */

static void handles_of_a_predecessor_count(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 2, false});
	struct fs_file file, other;
	struct fs_node node = new_file(&w, "file", &file);
	struct fs_attr attr;
	struct fs *next;
	int why;

	fill(&w, file, 0, 1 << 20, &why);
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	/* Both have the same descriptors, as two processes would. */
	OK(make_limited(w.dir, &next));
	fs_adopt(next, w.root, FS_NO_FILE);
	fs_adopt(next, node, FS_NO_FILE);
	fs_adopt(next, FS_NO_NODE, file);
	fs_adopt(next, (struct fs_node){.id = 100000, .type = S_IFREG}, FS_NO_FILE);
	fs_destroy(w.fs);
	w.fs = next;
	CU_ASSERT(used(&w).bytes >= 1 << 20);
	CU_ASSERT_EQUAL(used(&w).files, 1);
	OK(fs_open(w.fs, node, O_RDONLY, &other));
	FAILS(EMFILE, open_error(&w, w.root, O_RDONLY));
	fs_close(w.fs, other);
	fs_close(w.fs, file);
	OK(fs_getattr(w.fs, node, &attr));
	put(&w, node);
	CU_ASSERT_EQUAL(used(&w).files, 0);
	CU_ASSERT(is_true(&w));
}

static void what_was_there_before_counts(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, false});
	struct fs_node dir = make_dir(&w, w.root, "dir"), deep = make_dir(&w, dir, "deep");
	struct fs_file file;
	struct fs_node node;
	int why;

	old_file(&w, deep, "file", SPACE - (1 << 20), 1);
	put(&w, deep);
	put(&w, dir);
	restart(&w);
	CU_ASSERT(is_true(&w));
	node = new_file(&w, "more", &file);
	CU_ASSERT(fill(&w, file, 0, SPACE, &why) <= 1 << 20);
	CU_ASSERT_EQUAL(why, ENOSPC);
	fs_close(w.fs, file);
	put(&w, node);
}

/* ---- others ---- */

#define THREADS 8

struct writer {
	struct world *w;
	unsigned number;
	int why;
};

static void *write_until_refused(void *arg)
{
	struct writer *writer = arg;
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	char name[32];
	int ret = 0;

	for (unsigned i = 0; ret == 0; i++) {
		snprintf(name, sizeof(name), "%u-%u", writer->number, i);
		ret = -fs_create(writer->w->fs, writer->w->root, name, O_RDWR | O_EXCL, 0644,
				 ANYBODY, &node, &file, &attr, NULL);
		if (ret)
			break;
		fill(writer->w, file, 0, 300000, &ret);
		fs_close(writer->w->fs, file);
		fs_forget(writer->w->fs, node);
	}
	writer->why = ret;
	return NULL;
}

static void many_writers_stay_within_the_limits(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, false});
	struct writer writers[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){.w = &w, .number = i};
		pthread_create(&threads[i], NULL, write_until_refused, &writers[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(writers[i].why, ENOSPC);
	}
	CU_ASSERT(truth(&w).bytes <= SPACE);
	CU_ASSERT(truth(&w).files <= FILES);
	CU_ASSERT(is_true(&w));
}

static void *shuffle(void *arg)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	struct writer *writer = arg;
	struct fs *fs = writer->w->fs;
	struct fs_node root = writer->w->root;
	unsigned seed = writer->number;

	for (unsigned i = 0; i < 400; i++) {
		const char *name = names[(unsigned)rand_r(&seed) % countof(names)];
		const char *other = names[(unsigned)rand_r(&seed) % countof(names)];
		struct fs_node node;
		struct fs_file file;
		struct fs_attr attr;
		int why;

		switch (rand_r(&seed) % 4) {
		case 0:
			fs_unlink(fs, root, name, false, NULL);
			break;
		case 1:
			fs_rename(fs, root, name, root, other, NULL);
			break;
		case 2:
			if (fs_walk(fs, root, name, &node, &attr) == 0)
				fs_link(fs, node, root, other, NULL);
			fs_forget(fs, node);
			break;
		default:
			if (fs_create(fs, root, name, rand_r(&seed) % 2 ? O_RDWR | O_TRUNC : O_RDWR,
				      0644, ANYBODY, &node, &file, &attr, NULL))
				break;
			fill(writer->w, file, (unsigned)rand_r(&seed) % 100000, 50000, &why);
			fs_close(fs, file);
			fs_forget(fs, node);
		}
	}
	return NULL;
}

/* ext4 tells more blocks than there are for as long as it allots them, which a rename over a file
 * begins; so this needs a file system that does not. */
static void changes_by_many_at_once_add_up(void)
{
	struct writer writers[THREADS];
	pthread_t threads[THREADS];
	struct world w;

	if (access("/dev/shm", W_OK)) {
		test_skip("no /dev/shm to write to");
		return;
	}
	w = limited_world_at("/dev/shm", (struct fs_space_limits){MIB, FILES, 0, false});
	for (unsigned i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){.w = &w, .number = i};
		pthread_create(&threads[i], NULL, shuffle, &writers[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT(is_true(&w));
	world_end(&w);
}

/* However long it takes: a count is made again a second after the refusal. */
static void what_the_host_removes_is_noticed_after_a_refusal(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, 0, 0, false});
	struct fs_attr attr;
	char path[512];
	int ret = -ENOSPC;

	old_file(&w, w.root, "large", SPACE - BLOCK, 1);
	FAILS(ENOSPC, fs_mkdir(w.fs, w.root, "dir", 0755, ANYBODY, &attr, NULL));
	snprintf(path, sizeof(path), "%s/large", w.dir);
	CU_ASSERT_EQUAL(unlink(path), 0);
	while (ret == -ENOSPC) {
		ret = fs_mkdir(w.fs, w.root, "dir", 0755, ANYBODY, &attr, NULL);
		usleep(10000);
	}
	OK(ret);
	CU_ASSERT(is_true(&w));
}

/* ---- while it is counted ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool reached, released;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};

/* A listing that is slow. */
static int gate_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size,
			fs_emit *emit, void *arg)
{
	pthread_mutex_lock(&gate.lock);
	gate.reached = true;
	pthread_cond_broadcast(&gate.changed);
	while (!gate.released)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	return fs_readdir(layer_below(fs), dir, offset, size, emit, arg);
}

static int make_gated(const char *dir, struct fs **fs)
{
	static const struct fs_ops own = {.name = "gate", .readdir = gate_readdir};
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct fs_layer *layer = calloc(1, sizeof(*layer));
	struct fs *local;
	int ret = fs_local_create(fd, FS_MODEL_NONE, &local, err, sizeof(err));

	if (ret)
		return ret;
	layer_init(layer, local, &own);
	return fs_space_create(&layer->fs, &limits, fs, err, sizeof(err));
}

static atomic_bool made_it;

static void *make_one(void *arg)
{
	struct world *w = arg;
	struct fs_attr attr;

	fs_mkdir(w->fs, w->root, "dir", 0755, ANYBODY, &attr, NULL);
	made_it = true;
	return NULL;
}

static void changes_wait_for_the_first_count_and_nothing_else_does(void)
{
	static const struct subject gated = {"gated", true, make_gated};
	struct fs_node node;
	struct fs_attr attr;
	pthread_t thread;

	limits = (struct fs_space_limits){MIB, FILES, 0, false};
	subject = &gated;
	made_it = gate.reached = gate.released = false;
	{
		_world_ struct world w = world();

		pthread_create(&thread, NULL, make_one, &w);
		pthread_mutex_lock(&gate.lock);
		while (!gate.reached)
			pthread_cond_wait(&gate.changed, &gate.lock);
		pthread_mutex_unlock(&gate.lock);
		OK(fs_walk(w.fs, w.root, ".", &node, &attr));
		OK(fs_getattr(w.fs, node, &attr));
		put(&w, node);
		CU_ASSERT(!made_it);
		CU_ASSERT(!exists(&w, "dir"));
		pthread_mutex_lock(&gate.lock);
		gate.released = true;
		pthread_cond_broadcast(&gate.changed);
		pthread_mutex_unlock(&gate.lock);
		pthread_join(thread, NULL);
		CU_ASSERT(exists(&w, "dir"));
		CU_ASSERT(is_true(&w));
	}
}

static void what_cannot_be_counted_cannot_grow_and_can_be_removed(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){.files = 1 << 20});
	struct fs_node at = find(&w, w.root, "."), next;
	struct fs_attr attr;
	int ret = -ENOSPC;
	_cleanup_close_ int dir = open(w.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char outside[300];

	snprintf(outside, sizeof(outside), "%s.outside", w.dir);
	for (int i = 0; i <= SPACE_DEPTH_MAX; i++) {
		next = make_dir(&w, at, "d");
		put(&w, at);
		at = next;
	}
	put(&w, at);
	put(&w, make_dir(&w, w.root, "empty"));
	restart(&w);
	FAILS(ENOSPC, fs_mkdir(w.fs, w.root, "more", 0755, ANYBODY, &attr, NULL));
	OK(fs_unlink(w.fs, w.root, "empty", true, NULL));
	/* At once, for it may be counted in this moment. */
	CU_ASSERT_EQUAL(renameat(dir, "d", AT_FDCWD, outside), 0);
	while (ret == -ENOSPC) {
		ret = fs_mkdir(w.fs, w.root, "more", 0755, ANYBODY, &attr, NULL);
		usleep(10000);
	}
	OK(ret);
	CU_ASSERT(is_true(&w));
	CU_ASSERT_EQUAL(renameat(AT_FDCWD, outside, dir, "d"), 0);
	while (renameat(dir, "d/d", dir, "e") == 0) {
		CU_ASSERT_EQUAL(unlinkat(dir, "d", AT_REMOVEDIR), 0);
		CU_ASSERT_EQUAL(renameat(dir, "e", dir, "d"), 0);
	}
}

/* ---- statfs ---- */

static void the_limits_show_and_never_more_than_there_is(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, false});
	struct fs_statfs st, host;
	struct fs *plain;
	int fd = open(w.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	OK(fs_statfs(w.fs, w.root, &st));
	CU_ASSERT_EQUAL(st.blocks * st.bsize, SPACE);
	CU_ASSERT(st.bfree <= st.blocks && st.bavail <= st.bfree);
	CU_ASSERT_EQUAL(st.files, FILES);
	CU_ASSERT_EQUAL(st.ffree, FILES);
	OK(fs_local_create(fd, FS_MODEL_NONE, &plain, err, sizeof(err)));
	limits = (struct fs_space_limits){UINT32_MAX, UINT32_MAX, 0, false};
	restart(&w);
	OK(fs_statfs(w.fs, w.root, &st));
	OK(fs_statfs(plain, w.root, &host));
	CU_ASSERT_EQUAL(st.blocks, host.blocks);
	CU_ASSERT(st.bfree <= host.blocks && st.bavail <= st.bfree);
	CU_ASSERT(host.files == 0 || st.files <= host.files);
	fs_destroy(plain);
	cleanup_close(&fd);
}

/* ---- auto-delete ---- */

static const struct fs_space_limits deleting = {MIB, 0, 0, true};

static void fill_beyond(struct world *w, const char *name, uint64_t size)
{
	struct fs_file file;
	struct fs_node node = new_file(w, name, &file);
	int why;

	CU_ASSERT_EQUAL(fill(w, file, 0, size, &why), size);
	fs_close(w->fs, file);
	put(w, node);
}

static void the_oldest_file_makes_room(void)
{
	_world_ struct world w = limited_world(deleting);
	struct fs_node dir = make_dir(&w, w.root, "dir"), deep = make_dir(&w, dir, "deep");

	old_file(&w, w.root, "c", 5 << 20, 30);
	old_file(&w, deep, "a", 5 << 20, 10);
	old_file(&w, dir, "b", 5 << 20, 20);
	fill_beyond(&w, "new", 4 << 20);
	CU_ASSERT(!exists(&w, "dir/deep/a"));
	CU_ASSERT(exists(&w, "dir/b") && exists(&w, "c"));
	CU_ASSERT(is_true(&w));
	put(&w, deep);
	put(&w, dir);
}

static void as_many_go_as_are_needed(void)
{
	_world_ struct world w = limited_world(deleting);
	char name[8];

	for (int i = 0; i < 15; i++) {
		snprintf(name, sizeof(name), "%02d", i);
		old_file(&w, w.root, name, 1 << 20, 100 + i);
	}
	fill_beyond(&w, "new", 10 << 20);
	CU_ASSERT(!exists(&w, "00") && !exists(&w, "08"));
	CU_ASSERT(exists(&w, "10") && exists(&w, "14"));
	CU_ASSERT(truth(&w).bytes <= SPACE);
	CU_ASSERT(is_true(&w));
}

static void an_open_file_is_never_deleted(void)
{
	_world_ struct world w = limited_world(deleting);
	struct fs_node node;
	struct fs_file file, new;
	struct fs_node made;
	int why;

	old_file(&w, w.root, "a", 5 << 20, 10);
	old_file(&w, w.root, "b", 5 << 20, 20);
	node = find(&w, w.root, "a");
	file = open_node(&w, node, O_RDONLY);
	made = new_file(&w, "new", &new);
	CU_ASSERT(fill(&w, new, 0, 2 * SPACE, &why) >= 10 << 20);
	CU_ASSERT_EQUAL(why, ENOSPC);
	CU_ASSERT(exists(&w, "a") && !exists(&w, "b") && exists(&w, "new"));
	fs_close(w.fs, file);
	CU_ASSERT_EQUAL(fill(&w, new, 12 << 20, 1 << 20, &why), 1 << 20);
	CU_ASSERT(!exists(&w, "a"));
	fs_close(w.fs, new);
	put(&w, made);
	put(&w, node);
}

/* As the client does that caches names. */
static void a_file_that_is_only_known_gives_its_space(void)
{
	_world_ struct world w = limited_world(deleting);
	struct fs_node a, b;

	old_file(&w, w.root, "a", 5 << 20, 10);
	old_file(&w, w.root, "b", 5 << 20, 20);
	old_file(&w, w.root, "c", 4 << 20, 30);
	a = find(&w, w.root, "a");
	b = find(&w, w.root, "b");
	fill_beyond(&w, "new", 4 << 20);
	CU_ASSERT(!exists(&w, "a") && exists(&w, "b") && exists(&w, "c"));
	CU_ASSERT_EQUAL(attr_of(&w, a).blocks, 0);
	put(&w, a);
	put(&w, b);
	CU_ASSERT(is_true(&w));
}

static void a_date_that_is_set_back_counts(void)
{
	const struct fs_setattr early = {.valid = FS_SET_MTIME, .mtime = {.sec = 1}};
	_world_ struct world w = limited_world(deleting);
	struct fs_node node;

	old_file(&w, w.root, "a", 5 << 20, 10);
	old_file(&w, w.root, "b", 5 << 20, 20);
	old_file(&w, w.root, "c", 5 << 20, 30);
	fill_beyond(&w, "new", 4 << 20);
	CU_ASSERT(!exists(&w, "a"));
	node = find(&w, w.root, "c");
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &early));
	put(&w, node);
	fill_beyond(&w, "newer", 4 << 20);
	CU_ASSERT(!exists(&w, "c") && exists(&w, "b"));
}

static void a_file_that_was_moved_is_still_the_oldest(void)
{
	_world_ struct world w = limited_world(deleting);
	struct fs_node dir = make_dir(&w, w.root, "dir");

	old_file(&w, dir, "a", 4 << 20, 10);
	old_file(&w, w.root, "b", 4 << 20, 20);
	old_file(&w, w.root, "c", 4 << 20, 30);
	old_file(&w, w.root, "d", 3 << 20, 40);
	fill_beyond(&w, "new", 2 << 20);
	CU_ASSERT(!exists(&w, "dir/a"));
	OK(fs_rename(w.fs, w.root, "b", dir, "moved", NULL));
	OK(fs_rename(w.fs, w.root, "d", w.root, "b", NULL));
	fill_beyond(&w, "newer", 4 << 20);
	CU_ASSERT(!exists(&w, "dir/moved") && exists(&w, "b") && exists(&w, "c"));
	put(&w, dir);
}

static void files_make_room_for_files(void)
{
	_world_ struct world w =
		limited_world((struct fs_space_limits){.files = 4, .auto_delete = true});
	struct fs_node held;

	put(&w, make_dir(&w, w.root, "dir"));
	old_file(&w, w.root, "a", 0, 10);
	old_file(&w, w.root, "b", 0, 20);
	old_file(&w, w.root, "c", 0, 30);
	held = find(&w, w.root, "a");
	put(&w, make_dir(&w, w.root, "more"));
	CU_ASSERT(exists(&w, "a") && !exists(&w, "b") && exists(&w, "c"));
	put(&w, held);
	put(&w, make_dir(&w, w.root, "yet"));
	CU_ASSERT(!exists(&w, "a") && exists(&w, "c") && exists(&w, "dir"));
	CU_ASSERT(is_true(&w));
}

static void nothing_outside_the_root_is_deleted(void)
{
	char *outside = test_tmpdir();
	_cleanup_free_ char *path = NULL;
	_world_ struct world w = limited_world(deleting);
	struct fs_node link;
	struct fs_file file;
	struct fs_node node;
	int fd, why;

	CU_ASSERT_FATAL(asprintf(&path, "%s/precious", outside) > 0);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CU_ASSERT_EQUAL(write(fd, "precious", 8), 8);
	CU_ASSERT_EQUAL(futimens(fd, (struct timespec[2]){{.tv_sec = 1}, {.tv_sec = 1}}), 0);
	cleanup_close(&fd);
	link = make_link(&w, w.root, "way", outside);
	put(&w, link);
	put(&w, make_link(&w, w.root, "file", path));
	node = new_file(&w, "new", &file);
	fill(&w, file, 0, 2 * SPACE, &why);
	CU_ASSERT_EQUAL(why, ENOSPC);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	CU_ASSERT(exists(&w, "way") && exists(&w, "file"));
	fs_close(w.fs, file);
	put(&w, node);
	test_rmtree(outside);
	free(outside);
}

static void writing_in_place_deletes_nothing(void)
{
	_world_ struct world w = limited_world(deleting);
	struct fs_node node;
	struct fs_file file;
	int why;

	old_file(&w, w.root, "a", 1 << 20, 10);
	node = new_file(&w, "b", &file);
	CU_ASSERT_EQUAL(fill(&w, file, 0, SPACE - (1 << 20) - 3 * BLOCK, &why),
			SPACE - (1 << 20) - 3 * BLOCK);
	CU_ASSERT_EQUAL(fill(&w, file, 0, SPACE - (1 << 20) - 3 * BLOCK, &why),
			SPACE - (1 << 20) - 3 * BLOCK);
	CU_ASSERT(exists(&w, "a"));
	fs_close(w.fs, file);
	put(&w, node);
}

/* ---- death ---- */

/* What a process does until it is killed. */
static void live(const char *dir, atomic_uint *steps)
{
	struct world w = {.dir = (char *)(uintptr_t)dir};
	struct writer writer = {.w = &w};
	struct fs_attr attr;

	if (make_limited(dir, &w.fs) || fs_root(w.fs, &w.root, &attr))
		_exit(1);
	for (;;) {
		writer.number = ++*steps;
		shuffle(&writer);
	}
}

static void counts_are_true_after_any_death(void)
{
	_world_ struct world w = limited_world((struct fs_space_limits){MIB, FILES, 0, true});
	atomic_uint *steps = mmap(NULL, sizeof(*steps), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned seed = 1;

	CU_ASSERT_FATAL(steps != MAP_FAILED);
	for (int i = 0; i < 30; i++) {
		unsigned before = *steps;
		int status;
		pid_t pid;

		stop(&w);
		pid = fork();
		if (pid == 0)
			live(w.dir, steps);
		while (*steps == before)
			usleep(50);
		usleep((unsigned)rand_r(&seed) % 20000);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		CU_ASSERT_FATAL(WIFSIGNALED(status));
		start(&w);
		CU_ASSERT(is_true(&w));
		CU_ASSERT(truth(&w).bytes <= SPACE);
	}
	munmap(steps, sizeof(*steps));
}

#define FACT(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

static const struct test tests[] = {
	FACT(what_is_allocated_counts),
	FACT(a_hole_takes_nothing),
	FACT(a_hole_that_is_filled_takes_what_it_holds),
	FACT(a_file_is_filled_to_the_limit_and_not_beyond),
	FACT(what_is_full_can_be_written_over),
	FACT(a_truncation_gives_space_back),
	FACT(several_names_count_once),
	FACT(an_unlinked_file_counts_until_its_last_handle_is_gone),
	FACT(what_is_renamed_over_gives_space_back),
	FACT(names_and_attributes_take_space),
	FACT(everything_below_the_root_is_a_file),
	FACT(open_files_are_limited),
	FACT(handles_of_a_predecessor_count),
	FACT(what_was_there_before_counts),
	FACT(many_writers_stay_within_the_limits),
	FACT(changes_by_many_at_once_add_up),
	FACT(what_the_host_removes_is_noticed_after_a_refusal),
	FACT(changes_wait_for_the_first_count_and_nothing_else_does),
	FACT(what_cannot_be_counted_cannot_grow_and_can_be_removed),
	FACT(the_limits_show_and_never_more_than_there_is),
	FACT(the_oldest_file_makes_room),
	FACT(as_many_go_as_are_needed),
	FACT(an_open_file_is_never_deleted),
	FACT(a_file_that_is_only_known_gives_its_space),
	FACT(a_date_that_is_set_back_counts),
	FACT(a_file_that_was_moved_is_still_the_oldest),
	FACT(files_make_room_for_files),
	FACT(nothing_outside_the_root_is_deleted),
	FACT(writing_in_place_deletes_nothing),
	FACT(counts_are_true_after_any_death),
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "space", tests, countof(tests));
}
