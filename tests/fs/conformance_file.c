/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_file.c - opening, creating, reading, writing, flushing and locking files.
 */
#include <stdio.h>

#include "tests/fs/conformance.h"

#define BIG (UINT64_C(5) << 32) /* an offset that no 32 bits hold */

static void access_modes_are_kept(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text");
	struct fs_file r = open_node(&w, node, O_RDONLY), o = open_node(&w, node, O_WRONLY);
	char c;

	CU_ASSERT_EQUAL(fs_read(w.fs, r, &c, 1, 0, false), 1);
	FAILS(EBADF, fs_write(w.fs, r, "x", 1, 0, NULL));
	FAILS(EBADF, fs_read(w.fs, o, &c, 1, 0, false));
	FAILS(EBADF, fs_read(w.fs, o, &c, 1, 0, true));
	CU_ASSERT_EQUAL(fs_write(w.fs, o, "x", 1, 0, NULL), 1);
	CU_ASSERT(has_text(&w, r, "xext"));
	fs_close(w.fs, o);
	fs_close(w.fs, r);
	put(&w, node);
}

static void open_refuses_what_cannot_be_opened(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "text");
	struct fs_node link = make_link(&w, w.root, "link", "file");

	FAILS(EISDIR, open_error(&w, w.root, O_WRONLY));
	FAILS(EISDIR, open_error(&w, w.root, O_RDWR));
	FAILS(EISDIR, open_error(&w, w.root, O_RDONLY | O_TRUNC));
	FAILS(ELOOP, open_error(&w, link, O_RDONLY));
	FAILS(EINVAL, open_error(&w, file, O_ACCMODE));
	FAILS(EINVAL, open_error(&w, file, O_RDWR | O_EXCL));
	FAILS(EINVAL, open_error(&w, file, O_RDWR | O_PATH));
	FAILS(EINVAL, open_error(&w, file, O_RDWR | O_DIRECT));
	put(&w, link);
	put(&w, file);
}

static void open_takes_all_its_flags(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text");
	int flags[] = {O_DSYNC, O_SYNC, O_NOATIME, O_APPEND, O_TRUNC | O_SYNC | O_NOATIME};

	for (size_t i = 0; i < countof(flags); i++) {
		struct fs_file file = open_node(&w, node, O_RDWR | flags[i]);

		put_text(&w, file, "x", 0);
		fs_close(w.fs, file);
	}
	CU_ASSERT(node_has_text(&w, node, "x"));
	put(&w, node);
}

static void trunc_empties_the_file(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text");

	fs_close(w.fs, open_node(&w, node, O_WRONLY | O_TRUNC));
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 0);
	put(&w, node);
}

static void append_writes_at_the_end(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "one");
	struct fs_file a = open_node(&w, node, O_RDWR | O_APPEND),
		       b = open_node(&w, node, O_WRONLY | O_APPEND);

	put_text(&w, a, "two", 0);
	put_text(&w, b, "three", 1);
	put_text(&w, a, "four", 0);
	CU_ASSERT(has_text(&w, a, "onetwothreefour"));
	fs_close(w.fs, b);
	fs_close(w.fs, a);
	put(&w, node);
}

static void append_is_cut_at_the_largest_size(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = INT64_MAX - 10};
	int err = fs_setattr(w.fs, node, FS_NO_FILE, &set);
	struct fs_file file;

	if (err == -EFBIG)
		return put(&w, node), test_skip("files are smaller here");
	OK(err);
	file = open_node(&w, node, O_WRONLY | O_APPEND);
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "0123456789abcde", 15, 0, NULL), 10);
	CU_ASSERT_EQUAL(attr_of(&w, node).size, INT64_MAX);
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "a", 1, 0, NULL), -EFBIG);
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "", 0, 0, NULL), 0);
	fs_close(w.fs, file);
	put(&w, node);
}

static void create_gives_node_file_and_attr(void)
{
	_world_ struct world w = world();
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	OK(fs_create(w.fs, w.root, "f", O_RDWR, S_IFREG | 0666, ANYBODY, &node, &file, &attr,
		     NULL));
	CU_ASSERT_EQUAL(node.type, S_IFREG);
	CU_ASSERT_EQUAL(attr.mode, S_IFREG | 0666);
	CU_ASSERT_EQUAL(attr.size, 0);
	CU_ASSERT_EQUAL(attr.nlink, 1);
	CU_ASSERT_EQUAL(attr.path, attr_of(&w, node).path);
	CU_ASSERT_EQUAL(attr.path, attr_at(&w, w.root, "f").path);
	CU_ASSERT_EQUAL(attr.version, attr_of(&w, node).version);
	put_text(&w, file, "text", 0);
	CU_ASSERT(has_text(&w, file, "text"));
	CU_ASSERT(node_has_text(&w, node, "text"));
	fs_close(w.fs, file);
	put(&w, node);
}

static void create_opens_in_any_mode(void)
{
	_world_ struct world w = world();
	const uint32_t modes[] = {0, 0400, 0200, 0444, 04755, 0777};
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	char name[8];

	for (uint32_t i = 0; i < countof(modes); i++) {
		snprintf(name, sizeof(name), "%u", i);
		OK(fs_create(w.fs, w.root, name, O_RDWR | O_EXCL, modes[i], ANYBODY, &node, &file,
			     &attr, NULL));
		CU_ASSERT_EQUAL(attr.mode, S_IFREG | modes[i]);
		put_text(&w, file, "text", 0);
		CU_ASSERT(has_text(&w, file, "text"));
		fs_close(w.fs, file);
		put(&w, node);
	}
}

static void create_without_excl_opens_what_is_there(void)
{
	_world_ struct world w = world();
	struct fs_node old = make_file(&w, w.root, "file", "text"), node;
	struct fs_attr before = attr_of(&w, old), attr;
	struct fs_cred cred = {.uid = 12345, .gid = 12345};
	struct fs_file file;

	OK(fs_create(w.fs, w.root, "file", O_RDWR, 0600, cred, &node, &file, &attr, NULL));
	CU_ASSERT_EQUAL(attr.path, before.path);
	CU_ASSERT_EQUAL(attr.mode, before.mode);
	CU_ASSERT_EQUAL(attr.uid, before.uid);
	CU_ASSERT_EQUAL(attr.gid, before.gid);
	CU_ASSERT(has_text(&w, file, "text"));
	fs_close(w.fs, file);
	put(&w, node);
	OK(fs_create(w.fs, w.root, "file", O_RDWR | O_TRUNC, 0600, cred, &node, &file, &attr,
		     NULL));
	CU_ASSERT_EQUAL(attr.size, 0);
	fs_close(w.fs, file);
	put(&w, node);
	put(&w, old);
}

static void create_refuses_what_is_no_file(void)
{
	_world_ struct world w = world();

	put(&w, make_dir(&w, w.root, "dir"));
	put(&w, make_link(&w, w.root, "link", "dir"));
	put(&w, make_link(&w, w.root, "dangling", "nowhere"));
	put(&w, make_special(&w, w.root, "fifo", S_IFIFO | 0666));
	FAILS(EISDIR, create_error(&w, w.root, "dir", O_RDWR));
	FAILS(ELOOP, create_error(&w, w.root, "link", O_RDWR));
	FAILS(ELOOP, create_error(&w, w.root, "dangling", O_RDWR));
	FAILS(ENXIO, create_error(&w, w.root, "fifo", O_RDWR));
	FAILS(ENXIO, create_error(&w, w.root, "fifo", O_WRONLY));
	FAILS(EEXIST, create_error(&w, w.root, "dir", O_RDWR | O_EXCL));
	FAILS(EINVAL, create_error(&w, w.root, "new", O_ACCMODE));
	FAILS(EINVAL, create_error(&w, w.root, "new", O_RDWR | O_DIRECTORY));
	FAILS(ENOENT, walk_error(&w, w.root, "nowhere"));
	FAILS(ENOENT, walk_error(&w, w.root, "new"));
}

static void reads_stop_at_the_end(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "0123456789");
	struct fs_file file = open_node(&w, node, O_RDONLY);
	char buf[32] = "untouched";

	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 4, 2, false), 4);
	CU_ASSERT_EQUAL(memcmp(buf, "2345uched", 9), 0);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, sizeof(buf), 7, false), 3);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, sizeof(buf), 10, false), 0);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, sizeof(buf), BIG, false), 0);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 0, 0, false), 0);
	fs_close(w.fs, file);
	put(&w, node);
}

static void what_was_just_written_is_read_without_waiting(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "0123456789");
	struct fs_file file = open_node(&w, node, O_RDONLY);
	char buf[32];

	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 4, 2, true), 4);
	CU_ASSERT_EQUAL(memcmp(buf, "2345", 4), 0);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, sizeof(buf), 7, true), 3);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, sizeof(buf), 10, true), 0);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 0, 0, true), 0);
	fs_close(w.fs, file);
	put(&w, node);
}

/* All or EAGAIN: never a part before the end of the file. */
static void a_read_without_waiting_is_whole_or_refused(void)
{
	enum { SIZE = 1 << 20 };
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);
	_cleanup_free_ char *data = malloc(SIZE), *back = malloc(SIZE);
	ssize_t n;

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 31 >> 3);
	CU_ASSERT_EQUAL(fs_write(w.fs, file, data, SIZE, 0, NULL), SIZE);
	n = fs_read(w.fs, file, back, SIZE, 0, true);
	CU_ASSERT(n == SIZE || n == -EAGAIN);
	CU_ASSERT(n < 0 || memcmp(data, back, SIZE) == 0);
	fs_close(w.fs, file);
	put(&w, node);
}

static void files_are_larger_than_32_bits(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "start");
	struct fs_file file = open_node(&w, node, O_RDWR);
	char buf[8];

	put_text(&w, file, "end", BIG);
	CU_ASSERT_EQUAL(attr_of(&w, node).size, BIG + 3);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, sizeof(buf), BIG - 1, false), 4);
	CU_ASSERT_EQUAL(memcmp(buf, "\0end", 4), 0);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 5, 0, false), 5);
	CU_ASSERT_EQUAL(memcmp(buf, "start", 5), 0);
	fs_close(w.fs, file);
	put(&w, node);
}

static void holes_read_as_zeros_and_take_no_room(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);
	char buf[100], zeros[100] = {0};

	put_text(&w, file, "x", 10 << 20);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 100, 5 << 20, false), 100);
	CU_ASSERT_EQUAL(memcmp(buf, zeros, 100), 0);
	OK(fs_fsync(w.fs, file, false));
	CU_ASSERT(attr_of(&w, node).blocks * 512 < 1 << 20);
	fs_close(w.fs, file);
	put(&w, node);
}

static void what_a_truncation_took_stays_away(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "secret");
	struct fs_setattr set = {.valid = FS_SET_SIZE, .size = 3};

	OK(fs_setattr(w.fs, node, FS_NO_FILE, &set));
	set.size = 6;
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &set));
	CU_ASSERT_EQUAL(attr_of(&w, node).size, 6);
	CU_ASSERT_FALSE(node_has_text(&w, node, "secret"));
	put(&w, node);
}

static void ranges_beyond_63_bits_are_refused(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text");
	struct fs_file file = open_node(&w, node, O_RDWR);
	const uint64_t offsets[] = {INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
	char buf[2] = "xx";

	for (size_t i = 0; i < countof(offsets); i++) {
		FAILS(EINVAL, fs_read(w.fs, file, buf, 2, offsets[i], false));
		FAILS(EINVAL, fs_read(w.fs, file, buf, 2, offsets[i], true));
		FAILS(offsets[i] > INT64_MAX ? EINVAL : EFBIG,
		      fs_write(w.fs, file, buf, 2, offsets[i], NULL));
	}
	FAILS(EINVAL, fs_read(w.fs, file, buf, SIZE_MAX, 0, false));
	FAILS(EFBIG, fs_write(w.fs, file, buf, SIZE_MAX, 1, NULL));
	CU_ASSERT_EQUAL(fs_read(w.fs, file, buf, 2, INT64_MAX - 2, false), 0);
	CU_ASSERT(node_has_text(&w, node, "text"));
	fs_close(w.fs, file);
	put(&w, node);
}

static void writes_count_and_overwrite(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "0123456789");
	struct fs_file file = open_node(&w, node, O_RDWR);

	put_text(&w, file, "abc", 3);
	put_text(&w, file, "", 100);
	CU_ASSERT(has_text(&w, file, "012abc6789"));
	put_text(&w, file, "yz", 9);
	CU_ASSERT(has_text(&w, file, "012abc678yz"));
	fs_close(w.fs, file);
	put(&w, node);
}

static void directories_are_neither_read_nor_written(void)
{
	_world_ struct world w = world();
	struct fs_file dir = open_node(&w, w.root, O_RDONLY);
	char c = 'x';

	FAILS(EISDIR, fs_read(w.fs, dir, &c, 1, 0, false));
	FAILS(EISDIR, fs_read(w.fs, dir, &c, 1, 0, true));
	FAILS(EBADF, fs_write(w.fs, dir, &c, 1, 0, NULL));
	fs_close(w.fs, dir);
}

static void everything_open_can_be_flushed(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "text");
	struct fs_file files[] = {open_node(&w, node, O_RDONLY), open_node(&w, node, O_RDWR),
				  open_node(&w, w.root, O_RDONLY)};

	for (size_t i = 0; i < countof(files); i++) {
		OK(fs_fsync(w.fs, files[i], false));
		OK(fs_fsync(w.fs, files[i], true));
		fs_close(w.fs, files[i]);
	}
	put(&w, node);
}

/* ---- locks ---- */

static int lock(struct world *w, struct fs_file file, enum fs_lock_type type, uint64_t start,
		uint64_t length)
{
	struct fs_lock lock = {.type = type, .start = start, .length = length};

	return fs_lock(w->fs, file, &lock);
}

static bool is_free(struct world *w, struct fs_file file, uint64_t start, uint64_t length)
{
	struct fs_lock lock = {.type = FS_LOCK_WRITE, .start = start, .length = length};

	OK(fs_getlock(w->fs, file, &lock));
	return lock.type == FS_LOCK_NONE;
}

static void locks_conflict_between_open_files(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file a = open_node(&w, node, O_RDWR), b = open_node(&w, node, O_RDWR);
	struct fs_lock held = {.type = FS_LOCK_READ, .start = 15};

	OK(lock(&w, a, FS_LOCK_WRITE, 10, 10));
	FAILS(EAGAIN, lock(&w, b, FS_LOCK_WRITE, 19, 1));
	FAILS(EAGAIN, lock(&w, b, FS_LOCK_READ, 0, 0));
	OK(lock(&w, b, FS_LOCK_WRITE, 20, 5));
	OK(lock(&w, b, FS_LOCK_READ, 0, 10));
	OK(fs_getlock(w.fs, b, &held));
	CU_ASSERT_EQUAL(held.type, FS_LOCK_WRITE);
	CU_ASSERT_EQUAL(held.start, 10);
	CU_ASSERT_EQUAL(held.length, 10);
	CU_ASSERT(is_free(&w, a, 10, 10));
	OK(lock(&w, a, FS_LOCK_NONE, 0, 0));
	CU_ASSERT(is_free(&w, b, 0, 0));
	fs_close(w.fs, b);
	fs_close(w.fs, a);
	put(&w, node);
}

static void readers_share_and_one_may_upgrade(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file a = open_node(&w, node, O_RDWR), b = open_node(&w, node, O_RDWR);

	OK(lock(&w, a, FS_LOCK_READ, 0, 0));
	OK(lock(&w, b, FS_LOCK_READ, 0, 0));
	FAILS(EAGAIN, lock(&w, a, FS_LOCK_WRITE, 5, 1));
	OK(lock(&w, b, FS_LOCK_NONE, 5, 1));
	OK(lock(&w, a, FS_LOCK_WRITE, 5, 1));
	FAILS(EAGAIN, lock(&w, b, FS_LOCK_READ, 5, 1));
	OK(lock(&w, a, FS_LOCK_READ, 5, 1));
	OK(lock(&w, b, FS_LOCK_READ, 5, 1));
	fs_close(w.fs, b);
	fs_close(w.fs, a);
	put(&w, node);
}

static void tells(struct world *w, struct fs_file file, enum fs_lock_type type, uint64_t start,
		  uint64_t length)
{
	struct fs_lock told = {.type = FS_LOCK_WRITE};

	OK(fs_getlock(w->fs, file, &told));
	CU_ASSERT_EQUAL(told.type, type);
	CU_ASSERT_EQUAL(told.start, start);
	CU_ASSERT_EQUAL(told.length, length);
}

/* Of several in the way: of the file that has locked for the longest time, the first one. */
static void the_first_lock_is_told(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file a = open_node(&w, node, O_RDWR), b = open_node(&w, node, O_RDWR),
		       c = open_node(&w, node, O_RDWR);

	OK(lock(&w, a, FS_LOCK_WRITE, 20, 10));
	OK(lock(&w, b, FS_LOCK_WRITE, 0, 10));
	tells(&w, c, FS_LOCK_WRITE, 20, 10);
	OK(lock(&w, a, FS_LOCK_WRITE, 12, 3));
	tells(&w, c, FS_LOCK_WRITE, 12, 3);
	OK(lock(&w, a, FS_LOCK_WRITE, 15, 5));
	tells(&w, c, FS_LOCK_WRITE, 12, 18);
	OK(lock(&w, a, FS_LOCK_READ, 12, 18));
	tells(&w, c, FS_LOCK_READ, 12, 18);
	OK(lock(&w, a, FS_LOCK_WRITE, 14, 2));
	tells(&w, c, FS_LOCK_READ, 12, 2);
	OK(lock(&w, a, FS_LOCK_NONE, 12, 2));
	tells(&w, c, FS_LOCK_WRITE, 14, 2);
	OK(lock(&w, a, FS_LOCK_NONE, 0, 0));
	OK(lock(&w, a, FS_LOCK_WRITE, 20, 10));
	tells(&w, c, FS_LOCK_WRITE, 0, 10);
	fs_close(w.fs, c);
	fs_close(w.fs, b);
	fs_close(w.fs, a);
	put(&w, node);
}

static void a_release_splits_a_lock(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file a = open_node(&w, node, O_RDWR), b = open_node(&w, node, O_RDWR);

	OK(lock(&w, a, FS_LOCK_WRITE, 0, 0));
	OK(lock(&w, a, FS_LOCK_NONE, 100, 50));
	CU_ASSERT(is_free(&w, b, 100, 50));
	CU_ASSERT_FALSE(is_free(&w, b, 99, 1));
	CU_ASSERT_FALSE(is_free(&w, b, 150, 1));
	CU_ASSERT_FALSE(is_free(&w, b, BIG, 1));
	CU_ASSERT_FALSE(is_free(&w, b, INT64_MAX, 1));
	OK(lock(&w, a, FS_LOCK_NONE, 150, 0));
	CU_ASSERT(is_free(&w, b, 100, 0));
	fs_close(w.fs, b);
	fs_close(w.fs, a);
	put(&w, node);
}

static void closing_releases_locks(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file a = open_node(&w, node, O_RDWR), b = open_node(&w, node, O_RDWR),
		       c = open_node(&w, node, O_RDWR);

	OK(lock(&w, a, FS_LOCK_WRITE, 0, 10));
	OK(lock(&w, c, FS_LOCK_WRITE, 20, 10));
	fs_close(w.fs, a);
	CU_ASSERT(is_free(&w, b, 0, 10));
	CU_ASSERT_FALSE(is_free(&w, b, 20, 10));
	fs_close(w.fs, c);
	fs_close(w.fs, b);
	put(&w, node);
}

static void locks_need_the_access_mode(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file r = open_node(&w, node, O_RDONLY), o = open_node(&w, node, O_WRONLY);

	FAILS(EBADF, lock(&w, r, FS_LOCK_WRITE, 0, 0));
	FAILS(EBADF, lock(&w, o, FS_LOCK_READ, 0, 0));
	OK(lock(&w, r, FS_LOCK_READ, 0, 10));
	CU_ASSERT(is_free(&w, r, 0, 0));
	CU_ASSERT_FALSE(is_free(&w, o, 0, 0));
	OK(lock(&w, o, FS_LOCK_WRITE, 10, 0));
	CU_ASSERT_FALSE(is_free(&w, r, 0, 0));
	fs_close(w.fs, o);
	fs_close(w.fs, r);
	put(&w, node);
}

static void wild_lock_ranges_are_refused(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);
	struct fs_lock none = {.type = FS_LOCK_NONE};

	FAILS(EINVAL, lock(&w, file, FS_LOCK_WRITE, UINT64_MAX, 1));
	FAILS(EINVAL, lock(&w, file, FS_LOCK_WRITE, 0, UINT64_MAX));
	FAILS(EOVERFLOW, lock(&w, file, FS_LOCK_WRITE, 2, INT64_MAX));
	OK(lock(&w, file, FS_LOCK_WRITE, INT64_MAX, 1));
	OK(lock(&w, file, FS_LOCK_WRITE, 1, INT64_MAX));
	FAILS(EINVAL, fs_getlock(w.fs, file, &none));
	fs_close(w.fs, file);
	put(&w, node);
}

static void an_open_file_tells_what_it_takes(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);
	static const char text[100000] = "text";
	uint64_t taken, cut;

	CU_ASSERT_EQUAL(fs_write(w.fs, file, text, sizeof(text), 0, NULL), sizeof(text));
	OK(fs_fsync(w.fs, file, false));
	OK(fs_taken(w.fs, file, &taken));
	CU_ASSERT(taken >= sizeof(text));
	CU_ASSERT_EQUAL(taken, attr_of(&w, node).blocks * 512);
	OK(fs_setattr(w.fs, node, file, &(struct fs_setattr){.valid = FS_SET_SIZE, .size = 1000}));
	OK(fs_taken(w.fs, file, &cut));
	CU_ASSERT(cut < taken);
	fs_close(w.fs, file);
	put(&w, node);
}

const struct test file_tests[] = {
	{"access_modes_are_kept", access_modes_are_kept},
	{"open_refuses_what_cannot_be_opened", open_refuses_what_cannot_be_opened},
	{"open_takes_all_its_flags", open_takes_all_its_flags},
	{"trunc_empties_the_file", trunc_empties_the_file},
	{"append_writes_at_the_end", append_writes_at_the_end},
	{"append_is_cut_at_the_largest_size", append_is_cut_at_the_largest_size},
	{"create_gives_node_file_and_attr", create_gives_node_file_and_attr},
	{"create_opens_in_any_mode", create_opens_in_any_mode},
	{"create_without_excl_opens_what_is_there", create_without_excl_opens_what_is_there},
	{"create_refuses_what_is_no_file", create_refuses_what_is_no_file},
	{"reads_stop_at_the_end", reads_stop_at_the_end},
	{"what_was_just_written_is_read_without_waiting",
	 what_was_just_written_is_read_without_waiting},
	{"a_read_without_waiting_is_whole_or_refused", a_read_without_waiting_is_whole_or_refused},
	{"files_are_larger_than_32_bits", files_are_larger_than_32_bits},
	{"holes_read_as_zeros_and_take_no_room", holes_read_as_zeros_and_take_no_room},
	{"an_open_file_tells_what_it_takes", an_open_file_tells_what_it_takes},
	{"what_a_truncation_took_stays_away", what_a_truncation_took_stays_away},
	{"ranges_beyond_63_bits_are_refused", ranges_beyond_63_bits_are_refused},
	{"writes_count_and_overwrite", writes_count_and_overwrite},
	{"directories_are_neither_read_nor_written", directories_are_neither_read_nor_written},
	{"everything_open_can_be_flushed", everything_open_can_be_flushed},
	{"locks_conflict_between_open_files", locks_conflict_between_open_files},
	{"readers_share_and_one_may_upgrade", readers_share_and_one_may_upgrade},
	{"the_first_lock_is_told", the_first_lock_is_told},
	{"a_release_splits_a_lock", a_release_splits_a_lock},
	{"closing_releases_locks", closing_releases_locks},
	{"locks_need_the_access_mode", locks_need_the_access_mode},
	{"wild_lock_ranges_are_refused", wild_lock_ranges_are_refused},
};
const size_t file_tests_count = countof(file_tests);
