/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_space.c - limits of a share: what a client is told at each of them, and that nothing but
 * growth is refused. How they are counted is tests/fs/test_space.c's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/protocol/harness.h"

#define MIB (1u << 20)
#define PIECE 32768u

static struct p9_msg lcreate(uint32_t fid, const char *name)
{
	return T(lcreate, .fid = fid, .name = p9_str(name), .flags = L_RDWR, .mode = 0644,
		 .gid = getegid());
}

static struct p9_msg mkdir_of(const char *name)
{
	return T(mkdir, .dfid = ROOT, .name = p9_str(name), .mode = 0755, .gid = getegid());
}

static struct p9_msg unlink_of(const char *name)
{
	return T(unlinkat, .dfid = ROOT, .name = p9_str(name));
}

/* The fid is that of a new file, open for both. */
static void create(struct conn *c, uint32_t fid, const char *name)
{
	walk(c, ROOT, fid, "");
	ok(c, lcreate(fid, name));
}

static struct p9_msg write_of(uint32_t fid, uint64_t offset, uint32_t size)
{
	static uint8_t bytes[PIECE];

	memset(bytes, 'x', sizeof(bytes));
	return T(write, .fid = fid, .offset = offset, .data = data_of(bytes, size));
}

/* Writes from the offset on until it is refused, or `most` bytes are written; how many were. */
static uint64_t fill(struct conn *c, uint32_t fid, uint64_t offset, uint64_t most, int *error)
{
	uint64_t done = 0;

	*error = 0;
	while (done < most) {
		*error = errno_of(c, write_of(fid, offset + done, PIECE));
		if (*error != 0)
			break;
		check(c->reply.Rwrite.count > 0 && c->reply.Rwrite.count <= PIECE);
		done += c->reply.Rwrite.count;
	}
	return done;
}

static void restart(struct world *w, struct conn *c, const char *option, const char *value)
{
	int status;

	conn_forget(w, c);
	kill(w->server, SIGTERM);
	check(waitpid(w->server, &status, 0) == w->server);
	serve(w, option, value, NULL);
}

/* ---- max-space ---- */

TEST(writing_beyond_max_space_is_cut_and_then_ENOSPC)
{
	struct conn *c;
	uint64_t done;
	int error;

	serve(w, "--max-space", "1", NULL);
	c = session(w);
	create(c, 1, "f");
	done = fill(c, 1, 0, 2 * MIB, &error);
	equal(error, ENOSPC);
	check(done <= MIB && done > MIB / 2);
	equal(attr(c, 1).size, done);
	fails(c, ENOSPC, write_of(1, done, 1));
	fails(c, ENOSPC, write_of(1, (uint64_t)1 << 30, PIECE));
	ok(c, write_of(1, 0, PIECE)); /* what is there can be written over */
	check(ok(c, T(read, .fid = 1, .count = 100))->Rread.data.len == 100);
}

TEST(a_write_with_APPEND_beyond_max_space_is_cut_and_then_ENOSPC)
{
	struct conn *c;
	int error;

	serve(w, "--max-space", "1", NULL);
	host_file(w, "f", "");
	c = session(w);
	open_path(c, 1, "f", L_WRONLY | P9_O_APPEND);
	check(fill(c, 1, 0, 2 * MIB, &error) <= MIB);
	equal(error, ENOSPC);
}

TEST(max_space_is_given_back_by_what_makes_room)
{
	struct conn *c;
	int error;

	serve(w, "--max-space", "1", NULL);
	c = session(w);
	create(c, 1, "f");
	fill(c, 1, 0, 2 * MIB, &error);
	equal(error, ENOSPC);
	ok(c, T(setattr, .fid = 1, .valid = 0x68, .size = 0));
	equal(fill(c, 1, 0, MIB / 2, &error), MIB / 2);
	create(c, 2, "g");
	fill(c, 2, 0, MIB, &error);
	equal(error, ENOSPC);
	ok(c, unlink_of("f"));
	fails(c, ENOSPC, write_of(2, MIB, PIECE)); /* fid 1 has it yet */
	clunk(c, 1);
	ok(c, write_of(2, MIB, PIECE));
	walk(c, ROOT, 3, "g");
	ok(c, T(lopen, .fid = 3, .flags = L_WRONLY | P9_O_TRUNC));
	equal(fill(c, 3, 0, MIB / 2, &error), MIB / 2);
}

TEST(a_hole_does_not_count_for_max_space)
{
	struct conn *c;
	int error;

	serve(w, "--max-space", "1", NULL);
	c = session(w);
	create(c, 1, "f");
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_SIZE, .size = (uint64_t)1 << 40));
	ok(c, write_of(1, (uint64_t)1 << 39, PIECE));
	equal(attr(c, 1).size, (uint64_t)1 << 40);
	fill(c, 1, 0, 2 * MIB, &error);
	equal(error, ENOSPC);
}

TEST(several_names_count_once_for_max_space)
{
	struct conn *c;
	char name[16];
	int error;

	serve(w, "--max-space", "1", NULL);
	c = session(w);
	create(c, 1, "f");
	equal(fill(c, 1, 0, MIB / 2, &error), MIB / 2);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		ok(c, T(link, .dfid = ROOT, .fid = 1, .name = p9_str(name)));
	}
	ok(c, unlink_of("f"));
	check(fill(c, 1, MIB / 2, MIB / 4, &error) == MIB / 4);
}

TEST(max_space_holds_after_a_restart)
{
	struct conn *c;
	int error;

	serve(w, "--max-space", "1", NULL);
	c = session(w);
	create(c, 1, "f");
	create(c, 2, "g");
	fill(c, 1, 0, 2 * MIB, &error);
	equal(error, ENOSPC);
	restart(w, c, "--max-space", "1");
	c = session(w);
	open_path(c, 2, "g", L_RDWR);
	check(fill(c, 2, 0, MIB, &error) < MIB / 4);
	equal(error, ENOSPC);
}

TEST(clients_at_once_stay_within_max_space)
{
	struct conn *a, *b;
	uint64_t sum = 0, a_done = 0, b_done = 0;
	int a_error, b_error;

	serve(w, "--max-space", "1", NULL);
	a = session(w);
	b = session(w);
	create(a, 1, "a");
	create(b, 1, "b");
	do {
		for (uint16_t i = 0; i < 8; i++) {
			send_msg(a, 100 + i, write_of(1, a_done + i * PIECE, PIECE));
			send_msg(b, 100 + i, write_of(1, b_done + i * PIECE, PIECE));
		}
		a_error = b_error = 0;
		for (int i = 0; i < 8; i++) {
			if (receive(a) == NULL || receive(b) == NULL)
				return;
			check(a->reply.type == P9_Rwrite || a->reply.Rlerror.ecode == ENOSPC);
			check(b->reply.type == P9_Rwrite || b->reply.Rlerror.ecode == ENOSPC);
			a_error |= a->reply.type == P9_Rlerror;
			b_error |= b->reply.type == P9_Rlerror;
		}
		a_done += 8 * PIECE;
		b_done += 8 * PIECE;
	} while (!a_error || !b_error);
	sum = attr(a, 1).blocks + attr(b, 1).blocks;
	check_at(__FILE__, __LINE__, sum * 512 <= MIB, "%llu bytes", (unsigned long long)sum * 512);
}

TEST(statfs_tells_max_space_and_max_files)
{
	struct p9_Rstatfs st;
	struct conn *c;

	serve(w, "--max-space", "8", "--max-files", "100", NULL);
	c = session(w);
	st = ok(c, T(statfs, .fid = ROOT))->Rstatfs;
	equal(st.blocks * st.bsize, 8 * MIB);
	equal(st.files, 100);
	equal(st.ffree, 100);
	check(st.bavail <= st.bfree && st.bfree <= st.blocks);
	create(c, 1, "f");
	ok(c, write_of(1, 0, PIECE));
	ok(c, T(fsync, .fid = 1));
	equal(ok(c, T(statfs, .fid = 1))->Rstatfs.ffree, 99);
	check(c->reply.Rstatfs.bfree * st.bsize <= 8 * MIB - PIECE);
}

/* ---- max-files ---- */

#define MAX_FILES_TEST(kind, ...)                                                                  \
	TEST(kind##_beyond_max_files_is_ENOSPC)                                                    \
	{                                                                                          \
		struct conn *c;                                                                    \
                                                                                                   \
		serve(w, "--max-files", "2", NULL);                                                \
		c = session(w);                                                                    \
		ok(c, mkdir_of("a"));                                                              \
		ok(c, mkdir_of("b"));                                                              \
		walk(c, ROOT, 1, "");                                                              \
		fails(c, ENOSPC, (__VA_ARGS__));                                                   \
		check(!host_has(w, "new"));                                                        \
		ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("b"), .flags = P9_AT_REMOVEDIR));   \
		ok(c, (__VA_ARGS__));                                                              \
		check(host_has(w, "new"));                                                         \
	}

MAX_FILES_TEST(lcreate, lcreate(1, "new"))
MAX_FILES_TEST(mkdir, mkdir_of("new"))
MAX_FILES_TEST(symlink, T(symlink, .dfid = ROOT, .name = p9_str("new"), .target = p9_str("t"),
			  .gid = getegid()))
MAX_FILES_TEST(mknod, T(mknod, .dfid = ROOT, .name = p9_str("new"), .mode = S_IFIFO | 0644,
			.gid = getegid()))

TEST_IN_BOTH(tcreate_beyond_max_files_is_ENOSPC)
{
	struct conn *c;

	check(fchmodat(w->dir, ".", 0777, 0) == 0);
	serve(w, "--max-files", "1", NULL);
	c = session_in(w, dialect, MSIZE);
	walk(c, ROOT, 1, "");
	walk(c, ROOT, 2, "");
	ok(c, T(create, .fid = 1, .name = p9_str("f"), .perm = 0644, .mode = P9_OWRITE));
	fails(c, ENOSPC, T(create, .fid = 2, .name = p9_str("g"), .perm = 0644));
	fails(c, ENOSPC, T(create, .fid = 2, .name = p9_str("d"), .perm = P9_DMDIR | 0755));
	ok(c, T(remove, .fid = 1));
	ok(c, T(create, .fid = 2, .name = p9_str("g"), .perm = 0644));
}

TEST(at_max_files_what_is_there_is_opened_linked_and_renamed)
{
	struct conn *c;

	host_file(w, "a", "text");
	host_file(w, "b", "");
	serve(w, "--max-files", "2", NULL);
	c = session(w);
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "a"));
	reads(c, 1, 0, "text");
	ok(c, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("l")));
	ok(c, T(renameat, .olddirfid = ROOT, .oldname = p9_str("l"), .newdirfid = ROOT,
		.newname = p9_str("m")));
	fails(c, ENOSPC, mkdir_of("d"));
	ok(c, unlink_of("m")); /* one name of two: nothing is given back */
	fails(c, ENOSPC, mkdir_of("d"));
	ok(c, T(renameat, .olddirfid = ROOT, .oldname = p9_str("a"), .newdirfid = ROOT,
		.newname = p9_str("b")));
	ok(c, mkdir_of("d"));
}

TEST(max_files_holds_after_a_restart)
{
	struct conn *c;

	serve(w, "--max-files", "2", NULL);
	c = session(w);
	ok(c, mkdir_of("a"));
	ok(c, mkdir_of("b"));
	restart(w, c, "--max-files", "2");
	c = session(w);
	fails(c, ENOSPC, mkdir_of("c"));
}

/* ---- max-open-files ---- */

TEST(opening_beyond_max_open_files_is_EMFILE)
{
	struct conn *c;

	host_file(w, "f", "text");
	serve(w, "--max-open-files", "2", NULL);
	c = session(w);
	open_path(c, 1, "f", L_RDONLY);
	open_path(c, 2, "", L_RDONLY);
	walk(c, ROOT, 3, "f");
	fails(c, EMFILE, T(lopen, .fid = 3, .flags = L_RDONLY));
	walk(c, ROOT, 4, "");
	fails(c, EMFILE, lcreate(4, "new"));
	check(!host_has(w, "new"));
	fails(c, EMFILE, lcreate(4, "f"));
	reads(c, 1, 0, "text");
	attr(c, 3);
	clunk(c, 2);
	ok(c, T(lopen, .fid = 3, .flags = L_RDONLY));
	reads(c, 3, 0, "text");
	clunk(c, 1);
	ok(c, lcreate(4, "new"));
}

TEST(a_lost_connection_gives_its_open_files_back)
{
	struct conn *a, *b;
	int error = EMFILE;

	host_file(w, "f", "");
	serve(w, "--max-open-files", "1", NULL);
	a = session(w);
	b = session(w);
	open_path(a, 1, "f", L_RDONLY);
	walk(b, ROOT, 1, "f");
	fails(b, EMFILE, T(lopen, .fid = 1, .flags = L_RDONLY));
	conn_close(a);
	while (error == EMFILE) /* the server learns of it when it gets to it */
		error = errno_of(b, T(lopen, .fid = 1, .flags = L_RDONLY));
	equal(error, 0);
}

/* ---- auto-delete ---- */

static void old_file(struct world *w, const char *name, time_t mtime)
{
	struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	host_file_of_size(w, name, MIB / 4);
	check(utimensat(w->dir, name, times, 0) == 0);
}

TEST(with_auto_delete_the_oldest_files_make_room)
{
	struct conn *c;
	int error;

	old_file(w, "second", 2000);
	old_file(w, "first", 1000);
	old_file(w, "third", 3000);
	serve(w, "--max-space", "1", "--auto-delete", "1", NULL);
	c = session(w);
	create(c, 1, "new");
	equal(fill(c, 1, 0, MIB / 2, &error), MIB / 2);
	check(!host_has(w, "first"));
	check(host_has(w, "third"));
	equal(attr(c, 1).size, MIB / 2);
}

TEST(with_auto_delete_nothing_that_is_open_is_deleted)
{
	struct conn *c;
	int error;

	old_file(w, "first", 1000);
	old_file(w, "second", 2000);
	serve(w, "--max-space", "1", "--auto-delete", "1", NULL);
	c = session(w);
	open_path(c, 2, "first", L_RDONLY);
	create(c, 1, "new");
	fill(c, 1, 0, 2 * MIB, &error);
	equal(error, ENOSPC);
	check(host_has(w, "first"));
	check(host_has(w, "new"));
	check(!host_has(w, "second"));
	equal(ok(c, T(read, .fid = 2, .count = 100))->Rread.data.len, 100);
}

TEST(with_auto_delete_nothing_is_deleted_for_what_is_there)
{
	struct conn *c;

	old_file(w, "first", 1000);
	old_file(w, "second", 2000);
	serve(w, "--max-files", "2", "--auto-delete", "1", NULL);
	c = session(w);
	fails(c, EEXIST, mkdir_of("second"));
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "second"));
	fails(c, EEXIST, T(link, .dfid = ROOT, .fid = 1, .name = p9_str("first")));
	check(host_has(w, "first") && host_has(w, "second"));
}

TEST(with_auto_delete_the_oldest_file_makes_room_for_a_file)
{
	struct conn *c;

	old_file(w, "first", 1000);
	old_file(w, "second", 2000);
	serve(w, "--max-files", "2", "--auto-delete", "1", NULL);
	c = session(w);
	create(c, 1, "new");
	check(!host_has(w, "first"));
	check(host_has(w, "second") && host_has(w, "new"));
}
