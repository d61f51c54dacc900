/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_day.c - the verb "day": a guest's day of work on one connection, for people to watch. Each
 * step does something, checks that it is so, and says it in one line. The directory
 * "day" of the share, removed first, keeps a small result for the host to look at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"
#include "tools/sim_verb.h"

#define BIG_SIZE (64u << 20)
#define SMALL_FILES 1000

struct day {
	struct sim_call *call;
	struct sim_guest *guest;
	struct client *client;
	uint8_t *buf; /* of `chunk` bytes */
	size_t chunk;
	uint64_t checksum; /* of the big file */
	double write_speed, read_speed;
	unsigned failed, skipped;
	char said[256]; /* by the running step */
	bool skip;
};

/* What a step tells. Returns `result`, for the end of a step. */
__attribute__((format(printf, 3, 4))) static int say(struct day *day, int result,
						     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(day->said, sizeof(day->said), format, args);
	va_end(args);
	return result;
}

/* An answer that this share may give instead of doing it. */
static int skip(struct day *day, int result, const char *why)
{
	day->skip = true;
	return say(day, 0, "%s (%s)", why, strerror(-result));
}

/* Something is not as it should be. */
#define WRONG (-EILSEQ)

/* FNV-1a of 64 bits (Fowler, Noll, Vo): a checksum against mistakes, not against people. Eight
 * bytes at a time, to be quicker than the share. */
static uint64_t checksum(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *next = bytes;

	for (size_t i = 0; i + 8 <= size; i += 8) {
		uint64_t word;

		memcpy(&word, next + i, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3u;
	}
	return sum;
}

#define CHECKSUM_START 0xcbf29ce484222325u

/* ---- small helpers ---- */

static int put_text(struct day *day, const char *path, uint32_t flags, const char *text)
{
	uint32_t fid;
	int result = sim_guest_open_file(day->guest, path, SIM_GUEST_CREATE | O_RDWR | flags, &fid);
	int clunked;

	if (result != 0)
		return result;
	result = client_write_all(day->client, fid, 0, text, strlen(text));
	clunked = client_clunk(day->client, fid);
	return result != 0 ? result : clunked;
}

static int text_is(struct day *day, const char *path, const char *expected)
{
	char text[256];
	uint32_t fid;
	int result = sim_guest_open_file(day->guest, path, 0, &fid);
	ssize_t got;

	if (result != 0)
		return result;
	got = client_read_all(day->client, fid, 0, text, sizeof(text) - 1);
	client_clunk(day->client, fid);
	if (got < 0)
		return (int)got;
	text[got] = '\0';
	return strcmp(text, expected) == 0 ? 0 : WRONG;
}

static int make_dir(struct day *day, const char *path)
{
	const char *name;
	uint32_t fid;
	int result = sim_guest_walk_parent(day->guest, path, &fid, &name);

	if (result != 0)
		return result;
	result = client_mkdir(day->client, fid, name, 0755, 0);
	client_clunk(day->client, fid);
	return result;
}

static int count_entry(void *arg, const struct p9_dirent *entry)
{
	unsigned *count = arg;

	if (strcmp(entry->name.text, ".") != 0 && strcmp(entry->name.text, "..") != 0)
		++*count;
	return 0;
}

static int count_entries(struct day *day, const char *path, unsigned *count)
{
	uint32_t fid;
	int result = sim_guest_open_file(day->guest, path, P9_O_DIRECTORY, &fid);

	*count = 0;
	if (result != 0)
		return result;
	result = client_readdir(day->client, fid, count_entry, count);
	client_clunk(day->client, fid);
	return result;
}

/* On a terminal one line that counts; else a line each quarter. */
static void progress(const char *what, uint64_t done, uint64_t all)
{
	bool tty = isatty(STDERR_FILENO);

	if (tty)
		fprintf(stderr, "\r  %s %3u%%%s", what, (unsigned)(100 * done / all),
			done == all ? "\r\033[K" : "");
	else if (done % (all / 4) == 0)
		fprintf(stderr, "  %s %u%%\n", what, (unsigned)(100 * done / all));
}

static double mib_per_second(uint64_t bytes, int64_t ms)
{
	return (double)bytes / 1048576 * 1000 / (double)(ms > 0 ? ms : 1);
}

/* ---- steps ---- */

static int look_around(struct day *day)
{
	unsigned count;
	int result = count_entries(day, "", &count);

	return say(day, result, "%u entries in the share", count);
}

static int clear_away(struct day *day)
{
	int result = sim_guest_remove_tree(day->guest, "day");

	if (result == -ENOENT)
		return say(day, 0, "nothing of an earlier day");
	return say(day, result, "removed the result of an earlier day");
}

static int make_dirs(struct day *day)
{
	static const char *const dirs[] = {"day", "day/papers", "day/desk", "day/desk/a",
					   "day/desk/a/b"};
	struct p9_Rgetattr attr;
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(dirs); i++)
		result = make_dir(day, dirs[i]);
	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/desk/a/b", &attr);
	if (result == 0 && !S_ISDIR(attr.mode))
		result = WRONG;
	return say(day, result, "%zu directories", countof(dirs));
}

static int write_big(struct day *day)
{
	int64_t start = nodes_now();
	uint64_t word = 1;
	uint32_t fid;
	int result = sim_guest_open_file(day->guest, "day/desk/big",
					 SIM_GUEST_CREATE | O_RDWR | P9_O_EXCL, &fid);

	if (result != 0)
		return result;
	day->checksum = CHECKSUM_START;
	for (uint64_t at = 0; result == 0 && at < BIG_SIZE; at += day->chunk) {
		for (size_t i = 0; i < day->chunk; i += sizeof(word)) {
			word = word * 6364136223846793005u + 1442695040888963407u;
			memcpy(day->buf + i, &word, sizeof(word));
		}
		day->checksum = checksum(day->checksum, day->buf, day->chunk);
		result = client_write_all(day->client, fid, at, day->buf, day->chunk);
		progress("writing", at + day->chunk, BIG_SIZE);
	}
	if (result == 0)
		result = client_fsync(day->client, fid, false);
	client_clunk(day->client, fid);
	day->write_speed = mib_per_second(BIG_SIZE, nodes_now() - start);
	return say(day, result, "64 MiB at %.0f MiB/s, fsync included", day->write_speed);
}

static int read_big(struct day *day)
{
	int64_t start = nodes_now();
	uint64_t sum = CHECKSUM_START, at = 0;
	ssize_t got = 0;
	uint32_t fid;
	int result = sim_guest_open_file(day->guest, "day/desk/big", 0, &fid);

	if (result != 0)
		return result;
	for (; at < BIG_SIZE; at += day->chunk) {
		got = client_read_all(day->client, fid, at, day->buf, day->chunk);
		if (got != (ssize_t)day->chunk)
			break;
		sum = checksum(sum, day->buf, day->chunk);
		progress("reading", at + day->chunk, BIG_SIZE);
	}
	client_clunk(day->client, fid);
	if (got < 0)
		return (int)got;
	day->read_speed = mib_per_second(BIG_SIZE, nodes_now() - start);
	return say(day, at == BIG_SIZE && sum == day->checksum ? 0 : WRONG,
		   "64 MiB at %.0f MiB/s, checksum %016llx, written %016llx", day->read_speed,
		   (unsigned long long)sum, (unsigned long long)day->checksum);
}

static int rename_big(struct day *day)
{
	struct p9_Rgetattr before, after;
	uint32_t from, to;
	int result = sim_guest_getattr(day->guest, "day/desk/big", &before);

	if (result == 0)
		result = sim_guest_walk(day->guest, "day/desk", &from);
	if (result != 0)
		return result;
	result = sim_guest_walk(day->guest, "day/desk/a", &to);
	if (result == 0) {
		result = client_renameat(day->client, from, "big", to, "large");
		client_clunk(day->client, to);
	}
	client_clunk(day->client, from);
	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/desk/a/large", &after);
	if (result == 0 && before.qid.path != after.qid.path)
		result = WRONG;
	if (result == 0 && sim_guest_getattr(day->guest, "day/desk/big", &before) != -ENOENT)
		result = WRONG;
	return say(day, result, "desk/big is desk/a/large now, the same object");
}

static int make_symlink(struct day *day)
{
	static const char target[] = "papers/../papers/letter";
	char read_back[256];
	uint32_t fid;
	int result = sim_guest_walk(day->guest, "day", &fid);

	if (result != 0)
		return result;
	result = client_symlink(day->client, fid, "latest", target, 0);
	client_clunk(day->client, fid);
	if (result == 0)
		result = sim_guest_walk(day->guest, "day/latest", &fid);
	if (result != 0)
		return result;
	result = client_readlink(day->client, fid, read_back, sizeof(read_back));
	client_clunk(day->client, fid);
	if (result == 0 && strcmp(read_back, target) != 0)
		result = WRONG;
	return say(day, result, "latest -> %s", target);
}

static int make_link(struct day *day)
{
	struct p9_Rgetattr one, other;
	uint32_t dir, fid;
	int result = put_text(day, "day/papers/letter", P9_O_EXCL, "Dear host,\n");

	if (result == 0)
		result = sim_guest_walk(day->guest, "day/papers/letter", &fid);
	if (result != 0)
		return result;
	result = sim_guest_walk(day->guest, "day/papers", &dir);
	if (result == 0) {
		result = client_link(day->client, dir, "copy", fid);
		client_clunk(day->client, dir);
	}
	client_clunk(day->client, fid);
	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/papers/letter", &one);
	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/papers/copy", &other);
	if (result == 0 && (one.nlink != 2 || one.qid.path != other.qid.path))
		result = WRONG;
	return say(day, result, "papers/letter and papers/copy are one file");
}

static int change_mode(struct day *day)
{
	struct p9_Rgetattr attr;
	int result =
		sim_guest_setattr(day->guest, "day/papers/letter",
				  (struct p9_Tsetattr){.valid = P9_SETATTR_MODE, .mode = 0640});

	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/papers/letter", &attr);
	if (result == 0 && (attr.mode & 07777) != 0640)
		result = WRONG;
	return say(day, result, "papers/letter has mode 0640");
}

static int change_owner(struct day *day)
{
	struct p9_Rgetattr attr;
	int result = sim_guest_setattr(
		day->guest, "day/papers/letter",
		(struct p9_Tsetattr){
			.valid = P9_SETATTR_UID | P9_SETATTR_GID, .uid = 1000, .gid = 100});

	if (result == -EPERM)
		return skip(day, result, "owners cannot be changed in this share");
	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/papers/letter", &attr);
	if (result == 0 && (attr.uid != 1000 || attr.gid != 100))
		return skip(day, -EPERM, "this share keeps its own owners");
	return say(day, result, "papers/letter belongs to 1000:100");
}

static int change_times(struct day *day)
{
	struct p9_Rgetattr attr;
	int result = sim_guest_setattr(
		day->guest, "day/papers/letter",
		(struct p9_Tsetattr){.valid = P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET,
				     .mtime_sec = 86400,
				     .mtime_nsec = 5000});

	if (result == 0)
		result = sim_guest_getattr(day->guest, "day/papers/letter", &attr);
	if (result == 0 && (attr.mtime_sec != 86400 || attr.mtime_nsec != 5000))
		result = WRONG;
	return say(day, result, "papers/letter is from 1970-01-02");
}

static int use_xattr(struct day *day)
{
	char value[64] = "", list[4096];
	ssize_t length;
	uint32_t fid;
	int result = sim_guest_walk(day->guest, "day/papers/letter", &fid);

	if (result != 0)
		return result;
	result = client_setxattr(day->client, fid, "user.colour", "blue", 4, 0);
	if (result == 0) {
		length = client_getxattr(day->client, fid, "user.colour", value, sizeof(value));
		if (length != 4 || memcmp(value, "blue", 4) != 0)
			result = length < 0 ? (int)length : WRONG;
	}
	if (result == 0) {
		length = client_getxattr(day->client, fid, "", list, sizeof(list));
		if (length <= 0 || memmem(list, (size_t)length, "user.colour", 12) == NULL)
			result = length < 0 ? (int)length : WRONG;
	}
	client_clunk(day->client, fid);
	if (result == -EOPNOTSUPP)
		return skip(day, result, "this share keeps no extended attributes");
	return say(day, result, "user.colour is blue and listed");
}

static int append(struct day *day)
{
	int result = put_text(day, "day/papers/letter", P9_O_APPEND, "all is well.\n");

	if (result == 0)
		result = text_is(day, "day/papers/copy", "Dear host,\nall is well.\n");
	return say(day, result, "a second line at the end of papers/letter, seen in papers/copy");
}

static int truncate_big(struct day *day)
{
	static const uint64_t sizes[] = {4096, 1u << 30, 0};
	struct p9_Rgetattr attr;
	int result = 0;

	for (size_t i = 0; result == 0 && i < countof(sizes); i++) {
		result = sim_guest_setattr(
			day->guest, "day/desk/a/large",
			(struct p9_Tsetattr){.valid = P9_SETATTR_SIZE, .size = sizes[i]});
		if (result == 0)
			result = sim_guest_getattr(day->guest, "day/desk/a/large", &attr);
		if (result == 0 && attr.size != sizes[i])
			result = WRONG;
	}
	return say(day, result, "desk/a/large cut to 4 KiB, grown to 1 GiB, cut to nothing");
}

/* What a file without a name is still good for. */
static int use_unlinked(struct day *day, uint32_t fid)
{
	struct p9_Tsetattr set = {.valid = P9_SETATTR_SIZE, .size = 5};
	struct p9_Rgetattr attr;
	char text[16];
	int result = client_write_all(day->client, fid, 6, "going", 5);
	ssize_t got;

	if (result != 0)
		return result;
	got = client_read_all(day->client, fid, 0, text, sizeof(text));
	if (got != 11 || memcmp(text, "still going", 11) != 0)
		return got < 0 ? (int)got : WRONG;
	result = client_setattr(day->client, fid, &set);
	if (result == 0)
		result = client_getattr(day->client, fid, P9_GETATTR_BASIC, &attr);
	if (result == 0 && (attr.nlink != 0 || attr.size != 5))
		result = WRONG;
	return result;
}

static int unlink_open(struct day *day)
{
	uint32_t dir, fid;
	int result = sim_guest_open_file(day->guest, "day/desk/gone",
					 SIM_GUEST_CREATE | O_RDWR | P9_O_EXCL, &fid);

	if (result != 0)
		return result;
	result = client_write_all(day->client, fid, 0, "still ", 6);
	if (result == 0)
		result = sim_guest_walk(day->guest, "day/desk", &dir);
	if (result == 0) {
		result = client_unlinkat(day->client, dir, "gone", 0);
		client_clunk(day->client, dir);
	}
	if (result == 0)
		result = use_unlinked(day, fid);
	client_clunk(day->client, fid);
	return say(day, result, "desk/gone has no name; read, written and cut all the same");
}

static int list_many(struct day *day)
{
	char path[64], text[32];
	unsigned count = 0;
	int result = make_dir(day, "day/desk/many");

	for (unsigned i = 0; result == 0 && i < SMALL_FILES; i++) {
		snprintf(path, sizeof(path), "day/desk/many/file-%04u", i);
		snprintf(text, sizeof(text), "number %u\n", i);
		result = put_text(day, path, P9_O_EXCL, text);
	}
	if (result == 0)
		result = count_entries(day, "day/desk/many", &count);
	if (result == 0 && count != SMALL_FILES)
		result = WRONG;
	if (result == 0)
		result = text_is(day, "day/desk/many/file-0999", "number 999\n");
	return say(day, result, "%u of %u small files listed", count, SMALL_FILES);
}

static int lock_file(struct day *day)
{
	struct p9_Tlock lock = {.type = P9_LOCK_WRLCK, .length = 100, .proc_id = 1};
	struct p9_Tgetlock query = {.type = P9_LOCK_WRLCK, .length = 100, .proc_id = 1};
	struct p9_Rgetlock holder;
	uint32_t fid;
	int result = sim_guest_open_file(day->guest, "day/papers/letter", O_RDWR, &fid);

	if (result != 0)
		return result;
	lock.client_id = query.client_id = p9_str("day");
	result = client_lock(day->client, fid, &lock);
	if (result == 0)
		result = client_getlock(day->client, fid, &query, &holder);
	if (result == 0 && holder.type != P9_LOCK_UNLCK)
		result = WRONG; /* the lock is our own */
	lock.type = P9_LOCK_UNLCK;
	if (result == 0)
		result = client_lock(day->client, fid, &lock);
	client_clunk(day->client, fid);
	return say(day, result > 0 ? WRONG : result, "100 bytes of papers/letter locked, unlocked");
}

static int ask_space(struct day *day)
{
	struct p9_Rstatfs st;
	int result = client_statfs(day->client, day->guest->root, &st);

	if (result == 0 && (st.bsize == 0 || st.namelen == 0))
		result = WRONG;
	return result != 0
		       ? result
		       : say(day, 0, "%.1f GiB free", (double)st.bavail * st.bsize / (1u << 30));
}

static int tidy_up(struct day *day)
{
	struct p9_Rgetattr attr;
	int result = sim_guest_remove_tree(day->guest, "day/desk");

	if (result == 0 && sim_guest_getattr(day->guest, "day/desk", &attr) != -ENOENT)
		result = WRONG;
	return say(day, result, "day/desk and all in it is gone");
}

static int leave_report(struct day *day)
{
	char text[256];
	unsigned count = 0;
	int result;

	snprintf(text, sizeof(text),
		 "Written at %.0f MiB/s, read at %.0f MiB/s.\nChecksum of 64 MiB: %016llx\n",
		 day->write_speed, day->read_speed, (unsigned long long)day->checksum);
	result = put_text(day, "day/report", P9_O_EXCL, text);
	if (result == 0)
		result = text_is(day, "day/report", text);
	if (result == 0)
		result = count_entries(day, "day", &count);
	if (result == 0 && count != 3)
		result = WRONG;
	return say(day, result, "day/ has papers, latest and report, for the host to see");
}

static const struct {
	const char *name;
	int (*run)(struct day *day);
} steps[] = {
	{"look around", look_around},
	{"clear away", clear_away},
	{"make directories", make_dirs},
	{"write a big file", write_big},
	{"read it again", read_big},
	{"rename", rename_big},
	{"symbolic link", make_symlink},
	{"hard link", make_link},
	{"mode", change_mode},
	{"owner", change_owner},
	{"times", change_times},
	{"attribute", use_xattr},
	{"append", append},
	{"truncate", truncate_big},
	{"unlink while open", unlink_open},
	{"list many files", list_many},
	{"lock", lock_file},
	{"free space", ask_space},
	{"tidy up", tidy_up},
	{"leave a report", leave_report},
};

/* ---- the verb ---- */

static void run_step(struct day *day, size_t index)
{
	int64_t start = nodes_now();
	int result;

	day->said[0] = '\0';
	day->skip = false;
	result = steps[index].run(day);
	if (result != 0)
		day->failed++;
	else if (day->skip)
		day->skipped++;
	printf("%-4s %2zu  %-18s ",
	       result != 0 ? "FAIL"
	       : day->skip ? "skip"
			   : "ok",
	       index + 1, steps[index].name);
	if (result != 0 && result != WRONG)
		printf("%s", strerror(-result));
	else
		printf("%s%s", result == WRONG ? "not so: " : "", day->said);
	printf("  [%lld ms]\n", (long long)(nodes_now() - start));
	fflush(stdout);
}

static void print_summary(const struct day *day, int64_t ms)
{
	if (day->call->option['l'] != NULL)
		printf("steps=%zu\nfailed=%u\nskipped=%u\nwrite_mib_s=%.1f\nread_mib_s=%.1f\n"
		       "seconds=%.2f\n",
		       countof(steps), day->failed, day->skipped, day->write_speed, day->read_speed,
		       (double)ms / 1000);
	else
		printf("%zu steps, %u failed, %u skipped, %.1f s\n", countof(steps), day->failed,
		       day->skipped, (double)ms / 1000);
}

/* The largest chunk of a power of two that fits into one message. */
static size_t chunk_size(const struct client *client)
{
	size_t chunk = 4096;

	while (2 * chunk <= client_msize(client) - P9_IO_HEADER)
		chunk *= 2;
	return chunk;
}

static int run_day(struct sim_call *call)
{
	struct day day = {.call = call, .guest = call->guest, .client = call->guest->client};
	int64_t start = nodes_now();

	day.chunk = chunk_size(day.client);
	day.buf = malloc(day.chunk);
	if (day.buf == NULL)
		return sim_fail(call, -ENOMEM, "day");
	for (size_t i = 0; i < countof(steps); i++)
		run_step(&day, i);
	print_summary(&day, nodes_now() - start);
	free(day.buf);
	if (day.failed > 0)
		return sim_fail(call, 0, "%u steps failed", day.failed);
	return 0;
}

static const struct argp_option day_options[] = {
	{"lines", 'l', NULL, 0, "a summary of key=value lines at the end", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

const struct sim_verb sim_day_verbs[] = {
	{"day", "[--lines]", "a guest's day of work, step by step", SIM_NEEDS_GUEST, 0, 0,
	 day_options, run_day},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
