/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_classic_list.c - reading a directory in 9P2000 and 9P2000.u: whole stats, at offsets
 * that go on where the last read ended.
 */
#include <stdio.h>
#include <string.h>

#include "tests/protocol/harness.h"

#define ENTRIES_MAX 1200

struct listing {
	unsigned count;
	struct {
		char name[256];
		uint64_t at; /* offset at which it begins */
		uint32_t size, mode;
		struct p9_qid qid;
	} entry[ENTRIES_MAX];
};

static struct conn *lister(struct world *w, enum p9_dialect dialect, unsigned files)
{
	struct conn *c = session_in(w, dialect, MSIZE);
	char name[64];

	host_dir(w, "d");
	for (unsigned i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "d/file-%u", i);
		host_file(w, name, "");
	}
	topen(c, 1, "d", P9_OREAD);
	return c;
}

static struct p9_msg reading(uint64_t offset, uint32_t count)
{
	return T(read, .fid = 1, .offset = offset, .count = count);
}

/* Adds the stats of a reply, which must be whole. */
static void take(struct conn *c, struct listing *list, uint64_t at, struct p9_data data)
{
	uint8_t *next = (uint8_t *)(uintptr_t)data.bytes, *end = next + data.len;

	while (next < end && list->count < ENTRIES_MAX) {
		struct p9_stat stat;
		int size = p9_stat_get(&stat, c->dialect, next, (size_t)(end - next));

		check(size > 0);
		if (size <= 0)
			return;
		snprintf(list->entry[list->count].name, 256, "%s", stat.name.text);
		list->entry[list->count].at = at;
		list->entry[list->count].size = (uint32_t)size;
		list->entry[list->count].mode = stat.mode;
		list->entry[list->count].qid = stat.qid;
		list->count++;
		next += size;
		at += (uint32_t)size;
	}
}

static uint64_t end_of(const struct listing *list)
{
	unsigned last = list->count - 1;

	return list->count == 0 ? 0 : list->entry[last].at + list->entry[last].size;
}

static struct listing *list_all(struct conn *c, uint32_t count)
{
	struct listing *list = calloc(1, sizeof(*list));
	unsigned before;

	do {
		before = list->count;
		take(c, list, end_of(list), ok(c, reading(end_of(list), count))->Rread.data);
	} while (list->count > before);
	return list;
}

static int find(const struct listing *list, const char *name)
{
	int found = -1;

	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->entry[i].name, name) == 0) {
			check_at(__FILE__, __LINE__, found < 0, "%s is listed twice", name);
			found = (int)i;
		}
	}
	return found;
}

static void has_files(const struct listing *list, unsigned files, enum p9_dialect dialect)
{
	char name[64];

	equal(list->count, files + (dialect == P9_U ? 2 : 0));
	for (unsigned i = 0; i < files; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		check(find(list, name) >= 0);
	}
	equal(find(list, ".") >= 0, dialect == P9_U);
	equal(find(list, "..") >= 0, dialect == P9_U);
}

TEST_IN_BOTH(a_directory_lists_its_names_and_in_u_the_dots)
{
	struct conn *c = lister(w, dialect, 10);
	_cleanup_free_ struct listing *list = list_all(c, 8000);

	has_files(list, 10, dialect);
}

TEST_IN_BOTH(an_empty_directory_lists_no_names)
{
	struct conn *c = lister(w, dialect, 0);
	_cleanup_free_ struct listing *list = list_all(c, 8000);

	has_files(list, 0, dialect);
}

TEST_IN_BOTH(a_listed_stat_is_that_of_tstat)
{
	struct conn *c = lister(w, dialect, 0);
	_cleanup_free_ struct listing *list = NULL;
	static const char *const names[] = {"f", "sub", "link", "pipe"};

	host_file(w, "d/f", "text");
	host_dir(w, "d/sub");
	host_symlink(w, "d/link", "somewhere");
	host_node(w, "d/pipe", S_IFIFO | 0640, 0);
	list = list_all(c, 8000);
	for (uint32_t i = 0; i < countof(names); i++) {
		int at = find(list, names[i]);
		struct p9_stat stat;

		walk(c, 1, 10 + i, names[i]);
		stat = stat_of(c, 10 + i);
		check(at >= 0);
		if (at < 0)
			continue;
		equal(list->entry[at].mode, stat.mode);
		check(same_qid(list->entry[at].qid, stat.qid));
	}
}

TEST(u_the_dots_are_the_directory_and_its_parent)
{
	struct conn *c = lister(w, P9_U, 1);
	_cleanup_free_ struct listing *list = list_all(c, 8000);
	int dot = find(list, "."), dotdot = find(list, "..");

	check(dot >= 0 && dotdot >= 0);
	if (dot < 0 || dotdot < 0)
		return;
	equal(list->entry[dot].qid.path, stat_of(c, 1).qid.path);
	equal(list->entry[dotdot].qid.path, stat_of(c, ROOT).qid.path);
}

TEST(u_dotdot_of_the_root_is_the_root)
{
	struct conn *c = session_in(w, P9_U, MSIZE);
	_cleanup_free_ struct listing *list = NULL;
	int dotdot;

	topen(c, 1, "", P9_OREAD);
	list = list_all(c, 8000);
	dotdot = find(list, "..");
	check(dotdot >= 0 && list->entry[dotdot].qid.path == stat_of(c, ROOT).qid.path);
}

static void lists_in_pieces(struct world *w, enum p9_dialect dialect, uint32_t count)
{
	struct conn *c = lister(w, dialect, 100);
	_cleanup_free_ struct listing *list = list_all(c, count);

	has_files(list, 100, dialect);
}

TEST_IN_BOTH(a_directory_is_read_in_pieces_of_512_bytes)
{
	lists_in_pieces(w, dialect, 512);
}

TEST_IN_BOTH(a_directory_is_read_in_pieces_of_333_bytes)
{
	lists_in_pieces(w, dialect, 333);
}

TEST_IN_BOTH(a_directory_is_read_stat_by_stat)
{
	lists_in_pieces(w, dialect, 120);
}

/* An offset that was an entry's once. */
TEST_IN_BOTH(a_directory_that_shrinks_cannot_be_read_where_it_was_longer)
{
	struct conn *c = lister(w, dialect, 20);
	_cleanup_free_ struct listing *list = list_all(c, 120);
	char name[64];

	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "d/file-%u", i);
		host_unlink(w, name);
	}
	fails(c, EINVAL, reading(list->entry[10].at, 8000));
	equal(ok(c, reading(0, 8000))->Rread.data.len > 0, dialect == P9_U);
}

TEST_IN_BOTH(a_directory_of_1000_names_is_read)
{
	struct conn *c = lister(w, dialect, 1000);
	_cleanup_free_ struct listing *list = list_all(c, 60000);

	has_files(list, 1000, dialect);
}

static unsigned long long ticks_to_list(struct world *w, struct conn *c, const char *dir,
					unsigned count)
{
	unsigned long long before = server_ticks(w);
	uint64_t offset = 0;
	unsigned listed = 0;
	struct p9_data data;
	struct p9_stat stat;

	topen(c, 5, dir, P9_OREAD);
	do {
		data = ok(c, T(read, .fid = 5, .offset = offset, .count = 4000))->Rread.data;
		for (uint32_t used = 0, size = 0; used < data.len; used += size) {
			int got = p9_stat_get(&stat, c->dialect,
					      (uint8_t *)(uintptr_t)data.bytes + used,
					      data.len - used);

			check(got > 0);
			if (got <= 0)
				return 0;
			size = (uint32_t)got;
			listed += stat.name.text[0] != '.';
		}
		offset += data.len;
	} while (data.len > 0);
	clunk(c, 5);
	equal(listed, count);
	return server_ticks(w) - before;
}

/* Ten times as many take about ten times as long, and not a hundred. */
TEST_IN_BOTH(a_directory_of_20000_names_is_read_in_linear_time)
{
	struct conn *c = session_in(w, dialect, MSIZE);
	unsigned long long few = 0, many;

	host_names(w, "few", 2000);
	host_names(w, "many", 20000);
	ticks_to_list(w, c, "few", 2000);
	for (int i = 0; i < 3; i++)
		few += ticks_to_list(w, c, "few", 2000);
	many = ticks_to_list(w, c, "many", 20000);
	check_at(__FILE__, __LINE__, many <= 10 * (few + 2), "%llu ticks for 6000, %llu for 20000",
		 few, many);
}

TEST_IN_BOTH(a_count_that_is_too_small_gives_nothing_and_loses_nothing)
{
	struct conn *c = lister(w, dialect, 5);
	_cleanup_free_ struct listing *list = NULL;

	equal(ok(c, reading(0, 20))->Rread.data.len, 0);
	equal(ok(c, reading(0, 0))->Rread.data.len, 0);
	list = list_all(c, 8000);
	has_files(list, 5, dialect);
}

/* As Linux does: with what is left of its buffer. */
TEST_IN_BOTH(a_rest_that_is_too_small_is_answered_with_nothing)
{
	struct conn *c = lister(w, dialect, 20);
	_cleanup_free_ struct listing *list = calloc(1, sizeof(*list));
	const struct p9_data *data = &ok(c, reading(0, 500))->Rread.data;
	uint32_t left = 500 - data->len;

	take(c, list, 0, *data);
	check(data->len > 0 && left < 120);
	equal(ok(c, reading(end_of(list), left))->Rread.data.len, 0);
	take(c, list, end_of(list), ok(c, reading(end_of(list), 60000))->Rread.data);
	has_files(list, 20, dialect);
}

TEST_IN_BOTH(the_end_is_told_again_and_again)
{
	struct conn *c = lister(w, dialect, 3);
	_cleanup_free_ struct listing *list = list_all(c, 8000);

	for (int i = 0; i < 3; i++)
		equal(ok(c, reading(end_of(list), 8000))->Rread.data.len, 0);
}

TEST_IN_BOTH(the_same_offset_gives_the_same_again)
{
	struct conn *c = lister(w, dialect, 30);
	uint8_t first[600];
	uint32_t size, begin;

	begin = ok(c, reading(0, 600))->Rread.data.len;
	size = ok(c, reading(begin, 600))->Rread.data.len;
	memcpy(first, c->raw + P9_READ_HEADER, size);
	for (int i = 0; i < 3; i++) {
		equal(ok(c, reading(begin, 600))->Rread.data.len, size);
		equal(memcmp(first, c->raw + P9_READ_HEADER, size), 0);
	}
}

TEST_IN_BOTH(offset_0_rewinds_and_shows_new_names)
{
	struct conn *c = lister(w, dialect, 3);
	_cleanup_free_ struct listing *before = list_all(c, 8000), *after = NULL;

	has_files(before, 3, dialect);
	host_file(w, "d/file-3", "");
	after = list_all(c, 8000);
	has_files(after, 4, dialect);
}

TEST_IN_BOTH(an_earlier_entry_can_be_gone_back_to)
{
	struct conn *c = lister(w, dialect, 40);
	_cleanup_free_ struct listing *list = list_all(c, 1000), *again = NULL;
	unsigned some[] = {1, list->count / 2, list->count - 1, 5};

	for (size_t i = 0; i < countof(some); i++) {
		uint64_t at = list->entry[some[i]].at;

		again = calloc(1, sizeof(*again));
		free(list_all(c, 1000));
		take(c, again, at, ok(c, reading(at, 1000))->Rread.data);
		check(again->count > 0);
		equal(strcmp(again->entry[0].name, list->entry[some[i]].name), 0);
		free(again);
		again = NULL;
	}
}

TEST_IN_BOTH(an_offset_between_entries_is_EINVAL)
{
	struct conn *c = lister(w, dialect, 10);
	_cleanup_free_ struct listing *list = list_all(c, 8000);

	fails(c, EINVAL, reading(1, 8000));
	fails(c, EINVAL, reading(list->entry[3].at + 1, 8000));
	fails(c, EINVAL, reading(end_of(list) + 1, 8000));
	fails(c, EINVAL, reading(UINT64_MAX, 8000));
}

TEST_IN_BOTH(the_first_read_begins_at_0)
{
	struct conn *c = lister(w, dialect, 10);

	fails(c, EINVAL, reading(100, 8000));
	ok(c, reading(0, 8000));
}

TEST_IN_BOTH(names_that_go_while_they_are_listed_do_no_harm)
{
	struct conn *c = lister(w, dialect, 50);
	_cleanup_free_ struct listing *list = calloc(1, sizeof(*list));
	char name[64];
	unsigned before;

	do {
		before = list->count;
		take(c, list, end_of(list), ok(c, reading(end_of(list), 400))->Rread.data);
		for (unsigned i = before; i < list->count; i++) {
			if (list->entry[i].name[0] != 'f')
				continue;
			snprintf(name, sizeof(name), "d/%s", list->entry[i].name);
			host_unlink(w, name);
		}
	} while (list->count > before);
	has_files(list, 50, dialect);
}

TEST_IN_BOTH(two_fids_list_one_directory)
{
	struct conn *c = lister(w, dialect, 10);
	_cleanup_free_ struct listing *list = NULL;

	topen(c, 2, "d", P9_OREAD);
	ok(c, T(read, .fid = 2, .count = 300));
	list = list_all(c, 300);
	has_files(list, 10, dialect);
}

TEST_IN_BOTH(many_reads_of_one_directory_at_once_are_each_answered)
{
	struct conn *c = lister(w, dialect, 20);

	for (uint16_t tag = 100; tag < 150; tag++)
		send_msg(c, tag, reading(0, 8000));
	for (int i = 0; i < 50; i++) {
		const struct p9_msg *reply = receive(c);

		check(reply != NULL && reply->type == P9_Rread && reply->Rread.data.len > 0);
	}
}

TEST(u_a_long_symlink_in_a_directory_is_listed)
{
	struct conn *c = lister(w, P9_U, 0);
	_cleanup_free_ struct listing *list = NULL;

	host_symlink(w, "d/s", long_name('t', 4095));
	list = list_all(c, 8000);
	check(find(list, "s") >= 0);
}

TEST(L_read_of_a_directory_is_still_EISDIR)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EISDIR, T(read, .fid = 1, .count = 1000));
}

TEST_IN_BOTH(write_to_a_directory_is_EISDIR)
{
	struct conn *c = lister(w, dialect, 0);

	fails(c, EISDIR, T(write, .fid = 1, .data = data_of("x", 1)));
}
