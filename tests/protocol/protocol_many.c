/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_many.c - many fids: more than there are descriptors for, up to a million, and what each
 * costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/protocol/harness.h"

#define FILES_MAX 400 /* of the server */
#define MANY 3000
#define OBJECTS 50

static void object_name(char name[16], unsigned i)
{
	snprintf(name, 16, "%s%u", i % 2 == 0 ? "file" : "dir", i);
}

/* Fids 1 to MANY, of some files and directories in turn. */
static struct conn *crowd(struct world *w)
{
	struct conn *c;
	char name[16];

	w->max_files = FILES_MAX;
	for (unsigned i = 0; i < OBJECTS; i++) {
		object_name(name, i);
		if (i % 2 == 0)
			host_file(w, name, name);
		else
			host_dir(w, name);
	}
	c = session(w);
	for (uint32_t fid = 1; fid <= MANY; fid++) {
		object_name(name, fid % OBJECTS);
		walk(c, ROOT, fid, name);
	}
	return c;
}

/* Uses as many objects as there are descriptors: others are evicted. */
static void evict(struct conn *c)
{
	for (uint32_t fid = 1; fid <= 2 * FILES_MAX; fid++)
		attr(c, fid);
}

TEST(more_fids_than_descriptors_are_all_of_use)
{
	struct conn *c;
	char name[16];

	if (!need_root())
		return;
	c = crowd(w);
	for (uint32_t fid = MANY; fid > 0; fid--) {
		object_name(name, fid % OBJECTS);
		equal(attr(c, fid).qid.path, walk(c, ROOT, MANY + 1, name).path);
		clunk(c, MANY + 1);
	}
	for (uint32_t fid = 1; fid <= MANY; fid++) {
		object_name(name, fid % OBJECTS);
		walk(c, fid, MANY + 1, "");
		ok(c, T(lopen, .fid = MANY + 1, .flags = L_RDONLY));
		if (fid % OBJECTS % 2 == 0)
			reads(c, MANY + 1, 0, name);
		clunk(c, MANY + 1);
		clunk(c, fid);
	}
}

TEST(two_fids_without_descriptors_in_one_request)
{
	struct conn *c;

	if (!need_root())
		return;
	c = crowd(w);
	walk(c, ROOT, MANY + 1, "dir1");
	walk(c, ROOT, MANY + 2, "dir3");
	host_file(w, "dir1/a", "text");
	evict(c);
	ok(c, T(renameat, .olddirfid = MANY + 1, .oldname = p9_str("a"), .newdirfid = MANY + 2,
		.newname = p9_str("b")));
	host_holds(w, "dir3/b", "text");
}

TEST(an_object_without_descriptor_may_be_moved)
{
	struct conn *c;

	if (!need_root())
		return;
	host_dir(w, "from");
	host_file(w, "from/a", "text");
	c = crowd(w);
	walk(c, ROOT, MANY + 1, "from/a");
	walk(c, ROOT, MANY + 2, "from");
	evict(c);
	check(renameat(w->dir, "from", w->dir, "to") == 0);
	check(renameat(w->dir, "to/a", w->dir, "to/b") == 0);
	walk(c, MANY + 2, MANY + 3, "b");
	ok(c, T(lopen, .fid = MANY + 1, .flags = L_RDWR));
	reads(c, MANY + 1, 0, "text");
}

TEST(what_is_open_keeps_its_descriptors)
{
	struct conn *c;

	if (!need_root())
		return;
	host_file(w, "open", "text");
	c = crowd(w);
	open_path(c, MANY + 1, "open", L_RDWR);
	walk(c, MANY + 1, MANY + 2, "");
	host_unlink(w, "open");
	evict(c);
	reads(c, MANY + 1, 0, "text");
	equal(attr(c, MANY + 1).nlink, 0);
	equal(attr(c, MANY + 2).nlink, 0);
}

TEST(what_has_no_name_any_more_keeps_its_descriptor)
{
	struct conn *c;

	if (!need_root())
		return;
	host_file(w, "gone", "text");
	c = crowd(w);
	walk(c, ROOT, MANY + 1, "gone");
	host_unlink(w, "gone");
	evict(c);
	equal(attr(c, MANY + 1).nlink, 0);
	ok(c, T(lopen, .fid = MANY + 1, .flags = L_RDONLY));
	reads(c, MANY + 1, 0, "text");
}

TEST(what_loses_its_name_without_a_descriptor_is_ESTALE)
{
	struct conn *c;

	if (!need_root())
		return;
	host_file(w, "gone", "text");
	c = crowd(w);
	walk(c, ROOT, MANY + 1, "gone");
	evict(c);
	evict(c);
	host_unlink(w, "gone");
	fails(c, ESTALE, T(getattr, .fid = MANY + 1, .request_mask = P9_GETATTR_BASIC));
	clunk(c, MANY + 1);
	attr(c, ROOT);
}

/* Linux' client of plain 9P2000 has no number for the text of ESTALE. */
TEST(plain_tells_an_error_that_linux_cannot_look_up_as_EIO)
{
	struct conn *c;

	if (!need_root())
		return;
	w->max_files = FILES_MAX;
	host_file(w, "gone", "");
	host_dir(w, "d");
	c = session_in(w, P9_PLAIN, MSIZE);
	walk(c, ROOT, 1, "gone");
	for (uint32_t i = 0; i < 2 * FILES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d/%u", i);
		host_file(w, name, "");
		walk(c, ROOT, 2 + i, name);
	}
	host_unlink(w, "gone");
	fails(c, EIO, T(stat, .fid = 1));
	check(same_str(c->reply.Rerror.ename, "Input/output error"));
}

TEST(with_too_many_open_files_the_next_is_EMFILE_and_the_rest_goes_on)
{
	struct conn *c;
	uint32_t fid = 1;
	int error = 0;

	w->max_files = FILES_MAX;
	host_file(w, "f", "text");
	c = session(w);
	while (fid <= FILES_MAX && error == 0) {
		error = errno_of(c, T(walk, .fid = ROOT, .newfid = fid, .names = NAMES("f")));
		if (error == 0)
			error = errno_of(c, T(lopen, .fid = fid, .flags = L_RDONLY));
		fid += error == 0;
	}
	equal(error, EMFILE);
	reads(c, 1, 0, "text");
	for (uint32_t i = 1; i < 10; i++)
		clunk(c, i);
	open_path(c, FILES_MAX + 1, "f", L_RDWR);
	reads(c, FILES_MAX + 1, 0, "text");
}

/* ---- a million ---- */

#define LOT 64 /* requests in flight */

/* Kilobytes that the server has in memory. */
static unsigned long server_memory(const struct world *w)
{
	char path[64], line[128];
	unsigned long sum = 0, part;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)w->server);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "RssAnon: %lu", &part) == 1 ||
		    sscanf(line, "RssShmem: %lu", &part) == 1)
			sum += part;
	}
	if (file != NULL)
		fclose(file);
	return sum;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The message for each of the fids 1 to `count`, in lots; nanoseconds each. */
static int64_t for_each_fid(struct conn *c, uint32_t count, struct p9_msg (*make)(uint32_t fid))
{
	int64_t began = now_ns();
	bool all = true;

	for (uint32_t fid = 1; fid <= count && all; fid += LOT) {
		uint32_t lot = count - fid < LOT ? count - fid + 1 : LOT;

		for (uint32_t i = 0; i < lot; i++)
			send_msg(c, (uint16_t)(0x8000 + i), make(fid + i));
		for (uint32_t i = 0; i < lot; i++)
			all &= receive(c) != NULL && c->reply.type != P9_Rlerror;
	}
	check(all);
	return (now_ns() - began) / count;
}

static struct p9_msg walk_to(uint32_t fid)
{
	static char name[16];

	object_name(name, fid % OBJECTS);
	return T(walk, .fid = ROOT, .newfid = fid, .names = NAMES(name));
}

static struct p9_msg getattr_of(uint32_t fid)
{
	return T(getattr, .fid = fid, .request_mask = P9_GETATTR_BASIC);
}

static struct p9_msg clunk_of(uint32_t fid)
{
	return T(clunk, .fid = fid);
}

/* So many at once, made, used and clunked in `rounds`. */
static void live_fids(struct world *w, struct conn *c, uint32_t count, unsigned rounds)
{
	unsigned long before = server_memory(w), after = before;
	int64_t walk_ns = 0, getattr_ns = 0, clunk_ns = 0;

	for (unsigned i = 0; i < rounds; i++) {
		walk_ns += for_each_fid(c, count, walk_to);
		after = server_memory(w);
		getattr_ns += for_each_fid(c, count, getattr_of);
		clunk_ns += for_each_fid(c, count, clunk_of);
	}
	printf("    fids=%u bytes_each=%lu walk_ns=%lld getattr_ns=%lld clunk_ns=%lld\n", count,
	       (after - before) * 1024 / count, (long long)walk_ns / rounds,
	       (long long)getattr_ns / rounds, (long long)clunk_ns / rounds);
	if (count >= 100000)
		check((after - before) * 1024 / count <= 200);
}

/* LONG=1: as many as can be had, with a descriptor for each, and with one for every sixteenth. */
TEST(a_million_fids_live_at_once)
{
	const bool is_long = getenv("LONG") != NULL;
	struct conn *c;
	char name[16];

	if (!need_root())
		return;
	for (unsigned i = 0; i < OBJECTS; i++) {
		object_name(name, i);
		host_dir(w, name);
	}
	w->max_files = is_long ? 1 << 16 : 2000;
	c = session(w);
	live_fids(w, c, 1000, is_long ? 200 : 1);
	live_fids(w, c, is_long ? 1000000 : 5000, 1);
}

TEST(a_million_fids_have_a_million_descriptors)
{
	const rlim_t most = 1 << 20; /* Linux's own limit, as long as nobody changes it */
	struct conn *c;
	char name[16];

	if (getenv("LONG") == NULL) {
		test_skip("takes LONG=1");
		return;
	}
	if (!need_root())
		return;
	for (unsigned i = 0; i < OBJECTS; i++) {
		object_name(name, i);
		host_dir(w, name);
	}
	w->max_files = most;
	c = session(w);
	live_fids(w, c, 1000, 200);
	live_fids(w, c, 1000000, 1);
}
