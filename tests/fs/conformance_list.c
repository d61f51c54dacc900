/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_list.c - listing directories: whole, in pieces, and while they change.
 */
#include <dirent.h>
#include <stdio.h>

#include "tests/fs/conformance.h"

/* Takes `room` entries in one call, and keeps what it saw over all calls. */
struct listing {
	size_t room, taken, count;
	uint64_t last;	     /* offset of the last one taken */
	uint64_t up;	     /* path of ".." */
	unsigned dots;	     /* how often "." and ".." came */
	bool zero;	     /* an offset was 0 */
	uint8_t seen[10000]; /* how often the name with this number came */
	uint8_t type;	     /* of the last one taken */
};

static bool take(void *arg, const struct fs_dirent *entry)
{
	struct listing *l = arg;

	if (l->taken == l->room)
		return false;
	l->taken++;
	l->count++;
	l->zero |= entry->offset == 0 || entry->offset > INT64_MAX;
	l->last = entry->offset;
	l->type = entry->type;
	if (strcmp(entry->name, "..") == 0)
		l->up = entry->path;
	if (entry->name[0] == '.')
		l->dots++;
	else
		l->seen[strtoul(entry->name, NULL, 10) % countof(l->seen)]++;
	return true;
}

/* One call; false when the directory has ended. */
static bool list_more(struct world *w, struct fs_file dir, struct listing *l, size_t size)
{
	l->taken = 0;
	OK(fs_readdir(w->fs, dir, l->last, size, take, l));
	return l->taken > 0;
}

static void list_all(struct world *w, struct fs_file dir, struct listing *l, size_t size)
{
	while (list_more(w, dir, l, size))
		;
}

static bool saw_each_once(const struct listing *l, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (l->seen[i] != 1)
			return false;
	}
	return l->dots == 2 && !l->zero;
}

static void make_numbered(struct world *w, struct fs_node dir, unsigned from, unsigned to)
{
	struct fs_attr attr;
	char name[16];

	for (unsigned i = from; i < to; i++) {
		snprintf(name, sizeof(name), "%u", i);
		OK(fs_mknod(w->fs, dir, name, 0644, 0, 0, ANYBODY, &attr, NULL));
	}
}

static void unlink_numbered(struct world *w, struct fs_node dir, unsigned number)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	OK(fs_unlink(w->fs, dir, name, false, NULL));
}

static void a_listing_has_all_entries_and_dots(void)
{
	_world_ struct world w = world();
	struct fs_file dir = open_node(&w, w.root, O_RDONLY);
	struct listing l = {.room = SIZE_MAX};

	list_all(&w, dir, &l, 4096);
	CU_ASSERT_EQUAL(l.count, 2);
	CU_ASSERT_EQUAL(l.up, attr_of(&w, w.root).path);
	make_numbered(&w, w.root, 0, 20);
	l = (struct listing){.room = SIZE_MAX};
	list_all(&w, dir, &l, 4096);
	CU_ASSERT(saw_each_once(&l, 20));
	CU_ASSERT_FALSE(list_more(&w, dir, &l, 4096));
	fs_close(w.fs, dir);
}

struct expected {
	const char *name;
	uint64_t path;
	uint8_t type;
	bool found;
};

static bool compare(void *arg, const struct fs_dirent *entry)
{
	for (struct expected *e = arg; e->name; e++) {
		if (strcmp(e->name, entry->name) == 0) {
			e->found = true;
			CU_ASSERT_EQUAL(e->path, entry->path);
			CU_ASSERT(entry->type == e->type || entry->type == DT_UNKNOWN);
		}
	}
	return true;
}

static void entries_tell_path_and_type(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), sub = make_dir(&w, dir, "sub");
	struct fs_node file = make_file(&w, dir, "file", ""),
		       link = make_link(&w, dir, "link", "file"),
		       fifo = make_special(&w, dir, "fifo", S_IFIFO | 0600),
		       socket = make_special(&w, dir, "socket", S_IFSOCK | 0600);
	struct expected all[] = {
		{.name = ".", .path = attr_of(&w, dir).path, .type = DT_DIR},
		{.name = "..", .path = attr_of(&w, w.root).path, .type = DT_DIR},
		{.name = "sub", .path = attr_of(&w, sub).path, .type = DT_DIR},
		{.name = "file", .path = attr_of(&w, file).path, .type = DT_REG},
		{.name = "link", .path = attr_of(&w, link).path, .type = DT_LNK},
		{.name = "fifo", .path = attr_of(&w, fifo).path, .type = DT_FIFO},
		{.name = "socket", .path = attr_of(&w, socket).path, .type = DT_SOCK},
		{.name = NULL},
	};
	struct fs_file open = open_node(&w, dir, O_RDONLY);
	struct fs_node nodes[] = {dir, sub, file, link, fifo, socket};

	OK(fs_readdir(w.fs, open, 0, 65536, compare, all));
	for (struct expected *e = all; e->name; e++)
		CU_ASSERT(e->found);
	fs_close(w.fs, open);
	for (size_t i = 0; i < countof(nodes); i++)
		put(&w, nodes[i]);
}

static void a_listing_resumes_after_each_entry(void)
{
	_world_ struct world w = world();
	const size_t rooms[] = {1, 2, 3, 7};
	struct fs_file dir;

	make_numbered(&w, w.root, 0, 50);
	dir = open_node(&w, w.root, O_RDONLY);
	for (size_t i = 0; i < countof(rooms); i++) {
		struct listing l = {.room = rooms[i]};

		list_all(&w, dir, &l, rooms[i] * 30);
		CU_ASSERT(saw_each_once(&l, 50));
		CU_ASSERT_EQUAL(l.count, 52);
	}
	fs_close(w.fs, dir);
}

static void the_same_offset_gives_the_same_entries(void)
{
	_world_ struct world w = world();
	struct fs_file dir;
	struct listing l = {.room = 10}, again;

	make_numbered(&w, w.root, 0, 50);
	dir = open_node(&w, w.root, O_RDONLY);
	list_more(&w, dir, &l, 4096);
	again = l;
	list_all(&w, dir, &l, 4096);
	CU_ASSERT(saw_each_once(&l, 50));
	list_all(&w, dir, &again, 4096);
	CU_ASSERT(saw_each_once(&again, 50));
	again = (struct listing){.room = SIZE_MAX};
	list_all(&w, dir, &again, 4096);
	CU_ASSERT(saw_each_once(&again, 50));
	fs_close(w.fs, dir);
}

static void rewinding_shows_new_entries(void)
{
	_world_ struct world w = world();
	struct fs_file dir = open_node(&w, w.root, O_RDONLY);
	struct listing l = {.room = SIZE_MAX};

	list_all(&w, dir, &l, 4096);
	make_numbered(&w, w.root, 0, 5);
	l = (struct listing){.room = SIZE_MAX};
	list_all(&w, dir, &l, 4096);
	CU_ASSERT(saw_each_once(&l, 5));
	fs_close(w.fs, dir);
}

static void a_listing_that_begins_at_the_end_can_be_rewound(void)
{
	_world_ struct world w = world();
	struct fs_file first, second;
	struct listing l = {.room = SIZE_MAX};

	make_numbered(&w, w.root, 0, 20);
	first = open_node(&w, w.root, O_RDONLY);
	second = open_node(&w, w.root, O_RDONLY);
	list_all(&w, first, &l, 4096);
	CU_ASSERT_FALSE(list_more(&w, second, &l, 4096));
	l = (struct listing){.room = SIZE_MAX};
	list_all(&w, second, &l, 4096);
	CU_ASSERT(saw_each_once(&l, 20));
	fs_close(w.fs, first);
	fs_close(w.fs, second);
}

/* As rm -r does: what was listed is removed before the listing goes on. */
static void removing_what_was_listed_skips_nothing(void)
{
	enum { COUNT = 500 };
	_world_ struct world w = world();
	struct fs_file dir;
	struct listing l = {.room = 13}, end = {.room = SIZE_MAX};
	uint8_t gone[COUNT] = {0};

	make_numbered(&w, w.root, 0, COUNT);
	dir = open_node(&w, w.root, O_RDONLY);
	while (list_more(&w, dir, &l, 4096)) {
		for (unsigned i = 0; i < COUNT; i++) {
			if (l.seen[i] && !gone[i])
				unlink_numbered(&w, w.root, i);
			gone[i] = l.seen[i];
		}
	}
	CU_ASSERT(saw_each_once(&l, COUNT));
	list_all(&w, dir, &end, 4096);
	CU_ASSERT_EQUAL(end.count, 2);
	fs_close(w.fs, dir);
}

static void untouched_entries_appear_once_among_changes(void)
{
	enum { COUNT = 400 };
	_world_ struct world w = world();
	unsigned next = COUNT;
	struct fs_file dir;
	struct listing l = {.room = 11};

	make_numbered(&w, w.root, 0, COUNT);
	dir = open_node(&w, w.root, O_RDONLY);
	while (list_more(&w, dir, &l, 4096) && next < 2 * COUNT) {
		make_numbered(&w, w.root, next, next + 5);
		unlink_numbered(&w, w.root, next++);
		next += 4;
	}
	list_all(&w, dir, &l, 4096);
	CU_ASSERT(saw_each_once(&l, COUNT));
	fs_close(w.fs, dir);
}

static void ten_thousand_entries_are_listed(void)
{
	enum { COUNT = 10000 };
	_world_ struct world w = world();
	struct fs_node big = make_dir(&w, w.root, "big");
	struct listing *l = calloc(1, sizeof(*l));
	struct fs_file dir;

	make_numbered(&w, big, 0, COUNT);
	dir = open_node(&w, big, O_RDONLY);
	l->room = SIZE_MAX;
	list_all(&w, dir, l, 128 << 10);
	CU_ASSERT(saw_each_once(l, COUNT));
	*l = (struct listing){.room = 300};
	list_all(&w, dir, l, 8192);
	CU_ASSERT(saw_each_once(l, COUNT));
	fs_close(w.fs, dir);
	for (unsigned i = 0; i < COUNT; i++)
		unlink_numbered(&w, big, i);
	OK(fs_unlink(w.fs, w.root, "big", true, NULL));
	free(l);
	put(&w, big);
}

static void long_names_are_listed_in_little_room(void)
{
	_world_ struct world w = world();
	char name[FS_NAME_MAX + 1];
	struct fs_file dir;
	struct listing l = {.room = 1};

	for (int i = 0; i < 10; i++) {
		memset(name, 'x', FS_NAME_MAX);
		name[FS_NAME_MAX] = '\0';
		name[0] = (char)('0' + i);
		put(&w, make_file(&w, w.root, name, ""));
	}
	dir = open_node(&w, w.root, O_RDONLY);
	list_all(&w, dir, &l, 1);
	CU_ASSERT(saw_each_once(&l, 10));
	fs_close(w.fs, dir);
}

static void two_open_directories_are_independent(void)
{
	_world_ struct world w = world();
	struct fs_file a, b;
	struct listing la = {.room = 3}, lb = {.room = 5};

	make_numbered(&w, w.root, 0, 30);
	a = open_node(&w, w.root, O_RDONLY);
	b = open_node(&w, w.root, O_RDONLY);
	while (list_more(&w, a, &la, 4096))
		list_more(&w, b, &lb, 4096);
	list_all(&w, b, &lb, 4096);
	CU_ASSERT(saw_each_once(&la, 30));
	CU_ASSERT(saw_each_once(&lb, 30));
	fs_close(w.fs, b);
	fs_close(w.fs, a);
}

static void only_directories_are_listed(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "0", "");
	struct fs_file file = open_node(&w, node, O_RDONLY);
	struct listing l = {.room = 1};

	FAILS(ENOTDIR, fs_readdir(w.fs, file, 0, 4096, take, &l));
	FAILS(EINVAL, fs_readdir(w.fs, file, UINT64_MAX, 4096, take, &l));
	fs_close(w.fs, file);
	put(&w, node);
}

const struct test list_tests[] = {
	{"a_listing_has_all_entries_and_dots", a_listing_has_all_entries_and_dots},
	{"entries_tell_path_and_type", entries_tell_path_and_type},
	{"a_listing_resumes_after_each_entry", a_listing_resumes_after_each_entry},
	{"the_same_offset_gives_the_same_entries", the_same_offset_gives_the_same_entries},
	{"rewinding_shows_new_entries", rewinding_shows_new_entries},
	{"a_listing_that_begins_at_the_end_can_be_rewound",
	 a_listing_that_begins_at_the_end_can_be_rewound},
	{"removing_what_was_listed_skips_nothing", removing_what_was_listed_skips_nothing},
	{"untouched_entries_appear_once_among_changes",
	 untouched_entries_appear_once_among_changes},
	{"ten_thousand_entries_are_listed", ten_thousand_entries_are_listed},
	{"long_names_are_listed_in_little_room", long_names_are_listed_in_little_room},
	{"two_open_directories_are_independent", two_open_directories_are_independent},
	{"only_directories_are_listed", only_directories_are_listed},
};
const size_t list_tests_count = countof(list_tests);
