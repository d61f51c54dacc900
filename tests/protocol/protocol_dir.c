/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_dir.c - Treaddir: what is listed, in which pieces, and where it goes on.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tests/protocol/harness.h"

#define MAX_ENTRIES 1200

struct entry {
	struct p9_qid qid;
	uint64_t offset;
	uint8_t type;
	char name[256];
	uint32_t size; /* on the wire */
};

struct listing {
	struct entry entry[MAX_ENTRIES];
	unsigned count;
};

static struct p9_msg readdir_of(uint64_t offset, uint32_t count)
{
	return T(readdir, .fid = 1, .offset = offset, .count = count);
}

static void add_entry(struct listing *list, const struct p9_dirent *d, int size)
{
	struct entry *e = &list->entry[list->count];

	if (list->count == MAX_ENTRIES)
		return;
	list->count++;
	*e = (struct entry){.qid = d->qid, .offset = d->offset, .type = d->type};
	e->size = (uint32_t)size;
	check(d->name.len > 0 && d->name.len < sizeof(e->name));
	snprintf(e->name, sizeof(e->name), "%s", d->name.text);
}

/* Adds the entries of a reply, which must be whole; gives their number. */
static unsigned take(struct listing *list, struct p9_data data)
{
	uint8_t *next = (uint8_t *)(uintptr_t)data.bytes;
	size_t left = data.len;
	struct p9_dirent d;
	unsigned count = 0;
	int size;

	while (left > 0) {
		size = p9_dirent_get(&d, next, left);
		check(size > 0);
		if (size <= 0)
			break;
		add_entry(list, &d, size);
		count++;
		next += size;
		left -= (size_t)size;
	}
	return count;
}

static uint64_t last_offset(const struct listing *list)
{
	return list->count > 0 ? list->entry[list->count - 1].offset : 0;
}

/* Lists fid 1 from the start in pieces of `count` bytes. */
static struct listing *list_all(struct conn *c, uint32_t count)
{
	struct listing *list = calloc(1, sizeof(*list));

	while (take(list, ok(c, readdir_of(last_offset(list), count))->Rreaddir.data) > 0 &&
	       list->count < MAX_ENTRIES)
		;
	return list;
}

static unsigned times_listed(const struct listing *list, const char *name)
{
	unsigned times = 0;

	for (unsigned i = 0; i < list->count; i++)
		times += strcmp(list->entry[i].name, name) == 0;
	return times;
}

static const struct entry *entry_of(const struct listing *list, const char *name)
{
	static const struct entry none;

	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->entry[i].name, name) == 0)
			return &list->entry[i];
	}
	check_at(__FILE__, __LINE__, false, "%s is not listed", name);
	return &none;
}

static struct conn *lister(struct world *w, uint32_t msize)
{
	struct conn *c = session_of(w, msize);

	host_dir(w, "d");
	open_path(c, 1, "d", L_RDONLY);
	return c;
}

static void make_files(struct world *w, unsigned count)
{
	char name[64];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "d/file-%u", i);
		host_file(w, name, "");
	}
}

/* "file-0" to "file-<count - 1>", "." and ".." each once, and nothing else. */
static void has_files(const struct listing *list, unsigned count)
{
	bool seen[MAX_ENTRIES] = {false};
	unsigned number;

	equal(list->count, count + 2);
	equal(times_listed(list, "."), 1);
	equal(times_listed(list, ".."), 1);
	for (unsigned i = 0; i < list->count; i++) {
		if (sscanf(list->entry[i].name, "file-%u", &number) == 1 && number < count) {
			check(!seen[number]);
			seen[number] = true;
		}
	}
	for (unsigned i = 0; i < count; i++)
		check(seen[i]);
}

TEST(readdir_lists_dot_dotdot_and_all_names)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	make_files(w, 10);
	list = list_all(c, 8000);
	has_files(list, 10);
}

TEST(readdir_of_an_empty_directory_lists_the_dots)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list = list_all(c, 8000);

	has_files(list, 0);
}

TEST(readdir_tells_the_types)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	host_file(w, "d/file", "");
	host_dir(w, "d/dir");
	host_symlink(w, "d/link", "file");
	host_node(w, "d/fifo", S_IFIFO | 0644, 0);
	host_node(w, "d/socket", S_IFSOCK | 0644, 0);
	list = list_all(c, 8000);
	equal(entry_of(list, ".")->type, DT_DIR);
	equal(entry_of(list, "..")->type, DT_DIR);
	equal(entry_of(list, "file")->type, DT_REG);
	equal(entry_of(list, "dir")->type, DT_DIR);
	equal(entry_of(list, "link")->type, DT_LNK);
	equal(entry_of(list, "fifo")->type, DT_FIFO);
	equal(entry_of(list, "socket")->type, DT_SOCK);
}

TEST(readdir_tells_devices)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list = NULL;

	if (!need_root())
		return;
	host_node(w, "d/char", S_IFCHR | 0644, makedev(1, 3));
	host_node(w, "d/block", S_IFBLK | 0644, makedev(7, 200));
	list = list_all(c, 8000);
	equal(entry_of(list, "char")->type, DT_CHR);
	equal(entry_of(list, "block")->type, DT_BLK);
}

static uint64_t at(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	while (size-- > 0)
		value = value << 8 | bytes[size];
	return value;
}

TEST(readdir_has_the_fields_of_an_entry_where_the_specification_has_them)
{
	struct conn *c = lister(w, MSIZE);
	const uint8_t *entry;
	uint32_t size;

	host_file(w, "d/name", "");
	size = ok(c, readdir_of(0, 8000))->Rreaddir.data.len;
	equal(size, 24 + 1 + 24 + 2 + 24 + 4);
	equal(at(c->raw, 4), 11 + size);
	equal(at(c->raw + 7, 4), size);
	entry = c->raw + 11;
	for (uint16_t length; (length = (uint16_t)at(entry + 22, 2)) != 4; entry += 24 + length)
		check(length == 1 || length == 2);
	equal(entry[0], P9_QTFILE);
	equal(at(entry + 1, 4), 0);
	equal(at(entry + 5, 8), host_stat(w, "d/name").st_ino);
	check(at(entry + 13, 8) != 0);
	equal(entry[21], DT_REG);
	equal(memcmp(entry + 24, "name", 4), 0);
}

TEST(readdir_gives_the_qid_paths_of_a_walk)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	host_file(w, "d/f", "");
	host_dir(w, "d/e");
	list = list_all(c, 8000);
	equal(entry_of(list, "f")->qid.path, walk(c, 1, 2, "f").path);
	equal(entry_of(list, "e")->qid.path, walk(c, 1, 3, "e").path);
	equal(entry_of(list, ".")->qid.path, attr(c, 1).qid.path);
	equal(entry_of(list, "..")->qid.path, attr(c, ROOT).qid.path);
}

TEST(dotdot_of_the_listed_root_is_the_root)
{
	struct conn *c = session(w);
	_cleanup_free_ struct listing *list;

	open_path(c, 1, "", L_RDONLY);
	list = list_all(c, 8000);
	equal(entry_of(list, "..")->qid.path, attr(c, ROOT).qid.path);
	equal(entry_of(list, ".")->qid.path, attr(c, ROOT).qid.path);
}

TEST(readdir_lists_names_of_any_bytes)
{
	struct conn *c = lister(w, MSIZE);
	char path[300];
	_cleanup_free_ struct listing *list;

	snprintf(path, sizeof(path), "d/%s", long_name('\xff', 255));
	host_file(w, path, "");
	host_file(w, "d/\x01\n *", "");
	list = list_all(c, 8000);
	equal(times_listed(list, path + 2), 1);
	equal(times_listed(list, "\x01\n *"), 1);
}

TEST(readdir_at_the_end_gives_0_bytes_again_and_again)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	make_files(w, 3);
	list = list_all(c, 8000);
	for (int i = 0; i < 3; i++)
		equal(ok(c, readdir_of(last_offset(list), 8000))->Rreaddir.data.len, 0);
}

static void lists_in_pieces(struct world *w, uint32_t count)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	make_files(w, 100);
	list = list_all(c, count);
	has_files(list, 100);
}

TEST(readdir_in_pieces_of_512_bytes)
{
	lists_in_pieces(w, 512);
}

TEST(readdir_in_pieces_of_256_bytes)
{
	lists_in_pieces(w, 256);
}

TEST(readdir_in_pieces_of_128_bytes)
{
	lists_in_pieces(w, 128);
}

TEST(readdir_in_pieces_of_one_entry)
{
	lists_in_pieces(w, 33);
}

TEST(readdir_lists_1000_entries)
{
	struct conn *c = lister(w, 8192);
	_cleanup_free_ struct listing *list;

	make_files(w, 1000);
	list = list_all(c, 8192 - 24);
	has_files(list, 1000);
}

TEST(readdir_lists_1000_entries_in_small_pieces)
{
	struct conn *c = lister(w, 4096);
	_cleanup_free_ struct listing *list;

	make_files(w, 1000);
	list = list_all(c, 200);
	has_files(list, 1000);
}

TEST(readdir_of_more_than_the_msize_is_cut)
{
	static const uint32_t counts[] = {4096, 100000, UINT32_MAX};
	struct conn *c = lister(w, 4096);

	make_files(w, 1000);
	for (size_t i = 0; i < countof(counts); i++) {
		_cleanup_free_ struct listing *list = list_all(c, counts[i]);

		has_files(list, 1000);
	}
}

TEST(readdir_of_too_few_bytes_for_an_entry_is_EINVAL)
{
	struct conn *c = lister(w, MSIZE);

	fails(c, EINVAL, readdir_of(0, 24));
	fails(c, EINVAL, readdir_of(0, 10));
	check(ok(c, readdir_of(0, 8000))->Rreaddir.data.len > 0);
}

TEST(readdir_of_0_bytes_is_EINVAL_but_at_the_end)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list = list_all(c, 8000);

	fails(c, EINVAL, readdir_of(0, 0));
	equal(ok(c, readdir_of(last_offset(list), 0))->Rreaddir.data.len, 0);
}

TEST(readdir_at_an_offset_of_2_to_the_63_is_EINVAL)
{
	struct conn *c = lister(w, MSIZE);

	fails(c, EINVAL, readdir_of((uint64_t)1 << 63, 8000));
	fails(c, EINVAL, readdir_of(UINT64_MAX, 8000));
	check(ok(c, readdir_of(0, 8000))->Rreaddir.data.len > 0);
}

TEST(readdir_at_an_offset_that_no_entry_has_harms_nothing)
{
	static const uint64_t offsets[] = {1, 7, 1 << 20, INT64_MAX, INT64_MAX - 1};
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	make_files(w, 20);
	for (size_t i = 0; i < countof(offsets); i++)
		check(errno_of(c, readdir_of(offsets[i], 8000)) >= 0);
	list = list_all(c, 8000);
	has_files(list, 20);
}

/* As the host has it; the C library takes that for the end. */
TEST(readdir_of_a_removed_directory_is_ENOENT)
{
	struct conn *c = lister(w, MSIZE);

	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("d"), .flags = P9_AT_REMOVEDIR));
	fails(c, ENOENT, readdir_of(0, 8000));
}

TEST(readdir_gives_an_entry_that_just_fits)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;
	uint64_t offset = 0;

	make_files(w, 5);
	list = list_all(c, 8000);
	for (unsigned i = 0; i < list->count; i++) {
		equal(ok(c, readdir_of(offset, list->entry[i].size))->Rreaddir.data.len,
		      list->entry[i].size);
		fails(c, EINVAL, readdir_of(offset, list->entry[i].size - 1));
		offset = list->entry[i].offset;
	}
}

TEST(readdir_goes_on_from_any_earlier_offset)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;
	_cleanup_free_ struct listing *again = calloc(1, sizeof(*again));

	make_files(w, 30);
	list = list_all(c, 8000);
	for (unsigned i = list->count - 1; i > 0; i--) {
		again->count = 0;
		take(again, ok(c, readdir_of(list->entry[i - 1].offset, 8000))->Rreaddir.data);
		equal(again->count, list->count - i);
		equal(strcmp(again->entry[0].name, list->entry[i].name), 0);
	}
}

TEST(readdir_offsets_differ)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	make_files(w, 30);
	list = list_all(c, 8000);
	for (unsigned i = 0; i < list->count; i++) {
		check(list->entry[i].offset != 0);
		check(list->entry[i].offset >> 63 == 0);
		for (unsigned n = 0; n < i; n++)
			check(list->entry[i].offset != list->entry[n].offset);
	}
}

TEST(readdir_from_0_lists_anew)
{
	struct conn *c = lister(w, MSIZE);

	make_files(w, 3);
	free(list_all(c, 8000));
	host_file(w, "d/new", "");
	host_unlink(w, "d/file-1");
	_cleanup_free_ struct listing *list = list_all(c, 8000);
	equal(times_listed(list, "new"), 1);
	equal(times_listed(list, "file-1"), 0);
	equal(times_listed(list, "file-2"), 1);
}

TEST(two_fids_list_independently)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list = calloc(1, sizeof(*list));

	make_files(w, 100);
	open_path(c, 2, "d", L_RDONLY);
	while (take(list, ok(c, readdir_of(last_offset(list), 200))->Rreaddir.data) > 0 &&
	       list->count < MAX_ENTRIES)
		ok(c, T(readdir, .fid = 2, .offset = 0, .count = 500));
	has_files(list, 100);
}

TEST(removing_while_listing_skips_nothing)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list = calloc(1, sizeof(*list));
	unsigned from;

	make_files(w, 500);
	do {
		from = list->count;
		take(list, ok(c, readdir_of(last_offset(list), 1000))->Rreaddir.data);
		for (unsigned i = from; i < list->count; i++) {
			if (list->entry[i].name[0] == 'f')
				ok(c, T(unlinkat, .dfid = 1, .name = p9_str(list->entry[i].name)));
		}
	} while (list->count > from && list->count < MAX_ENTRIES);
	has_files(list, 500);
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("d"), .flags = P9_AT_REMOVEDIR));
}

TEST(what_is_not_touched_is_listed_once_while_others_come_and_go)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list = calloc(1, sizeof(*list));
	char name[64];
	unsigned turn = 0;

	make_files(w, 300);
	while (take(list, ok(c, readdir_of(last_offset(list), 400))->Rreaddir.data) > 0 &&
	       list->count < MAX_ENTRIES) {
		snprintf(name, sizeof(name), "d/other-%u", turn);
		host_file(w, name, "");
		if (turn % 2 == 1)
			host_unlink(w, name);
		turn++;
	}
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		equal(times_listed(list, name), 1);
	}
}

TEST(readdir_of_a_directory_that_is_not_open_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(readdir, .fid = ROOT, .count = 8000));
	fails(c, EBADF, T(readdir, .fid = 9, .count = 8000));
}

TEST(readdir_of_a_file_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	open_path(c, 1, "f", L_RDONLY);
	fails(c, ENOTDIR, readdir_of(0, 8000));
}

TEST(readdir_of_a_file_that_is_not_open_is_refused)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails_with_one_of(c, readdir_of(0, 8000), EBADF, ENOTDIR);
}

TEST(readdir_does_not_open_what_it_lists)
{
	struct conn *c = lister(w, MSIZE);
	_cleanup_free_ struct listing *list;

	host_file(w, "d/secret", "");
	check(fchmodat(w->dir, "d/secret", 0, 0) == 0);
	host_symlink(w, "d/loop", "loop");
	list = list_all(c, 8000);
	equal(times_listed(list, "secret"), 1);
	equal(times_listed(list, "loop"), 1);
}

/* ---- large ---- */

/* Each of the numbers below `count` is listed once. */
static void lists_numbers(struct conn *c, const char *dir, unsigned count, uint32_t piece)
{
	_cleanup_free_ uint8_t *seen = calloc(count, 1);
	unsigned number, listed = 0;
	uint64_t offset = 0;
	struct p9_data data;
	struct p9_dirent d;

	open_path(c, 7, dir, L_RDONLY);
	do {
		data = ok(c, T(readdir, .fid = 7, .offset = offset, .count = piece))->Rreaddir.data;
		for (uint32_t size = 0, used = 0; used < data.len; used += size) {
			uint8_t *entry = (uint8_t *)(uintptr_t)data.bytes + used;
			int got = p9_dirent_get(&d, entry, data.len - used);

			check(got > 0);
			if (got <= 0)
				return;
			size = (uint32_t)got;
			offset = d.offset;
			if (sscanf(d.name.text, "%u", &number) == 1 && number < count)
				listed += seen[number]++ == 0;
		}
	} while (data.len > 0);
	clunk(c, 7);
	equal(listed, count);
	for (unsigned i = 0; i < count; i++) {
		if (seen[i] != 1)
			return check_at(__FILE__, __LINE__, false, "%u is listed %u times", i,
					seen[i]);
	}
}

/* Ten times as many take about ten times as long, and not a hundred. */
TEST(readdir_lists_100000_entries_in_linear_time)
{
	struct conn *c = session(w);
	unsigned long long few, many;

	host_names(w, "few", 10000);
	host_names(w, "many", 100000);
	lists_numbers(c, "few", 10000, 4000);
	few = server_ticks(w);
	for (int i = 0; i < 3; i++)
		lists_numbers(c, "few", 10000, 4000);
	few = server_ticks(w) - few;
	many = server_ticks(w);
	lists_numbers(c, "many", 100000, 4000);
	many = server_ticks(w) - many;
	check_at(__FILE__, __LINE__, many <= 10 * (few + 2),
		 "%llu ticks for 30000, %llu for 100000", few, many);
}
