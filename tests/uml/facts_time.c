/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_time.c - which times an action moves, and which times can be set.
 */
#include "tests/uml/facts.h"

#include <sys/xattr.h>

static struct stat before[2];
static const char *const watched_path[2] = {"dir", "dir/x"};

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static const char *moved(const struct timespec *now, const struct timespec *then)
{
	return later(now, then) ? "later" : later(then, now) ? "earlier" : "same";
}

static void watch(void)
{
	for (int i = 0; i < 2; i++) {
		before[i] = (struct stat){0};
		lstat(watched_path[i], &before[i]);
	}
	tick();
}

/* The times of a directory and an object in it, against those at watch(). */
static void seen(const char *name, long ret)
{
	static const char *const which[] = {"directory", "object"};
	const char *end = outcome(ret);

	for (int i = 0; i < 2; i++) {
		struct stat st;

		if (lstat(watched_path[i], &st) < 0)
			continue;
		fact(text("%s, %s", name, which[i]), "%s, mtime %s, ctime %s", end,
		     moved(&st.st_mtim, &before[i].st_mtim),
		     moved(&st.st_ctim, &before[i].st_ctim));
	}
}

#define WATCH(name, call)                                                                          \
	do {                                                                                       \
		watch();                                                                           \
		seen(name, call);                                                                  \
	} while (0)

static void by_action(void)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	char byte;
	int fd;

	need(mkdir("dir", 0755));
	need(mkdir("other", 0755));
	for (enum kind kind = 0; kind < kinds(); kind++) {
		const char *k = kind_name[kind];

		WATCH(text("make %s", k), make(kind, "dir/x", 0644));
		if (kind != SYMLINK)
			WATCH(text("chmod %s", k), chmod("dir/x", 0600));
		if (kind != SYMLINK)
			WATCH(text("chmod %s to what it is", k), chmod("dir/x", 0600));
		WATCH(text("chown %s", k), lchown("dir/x", (uid_t)-1, getgid()));
		WATCH(text("chown %s to nobody", k), lchown("dir/x", (uid_t)-1, (gid_t)-1));
		WATCH(text("touch %s", k), utimensat(AT_FDCWD, "dir/x", NULL, AT_SYMLINK_NOFOLLOW));
		WATCH(text("touch only atime of %s", k),
		      utimensat(AT_FDCWD, "dir/x", times, AT_SYMLINK_NOFOLLOW));
		if (kind != DIRECTORY) {
			WATCH(text("link %s", k), link("dir/x", "other/y"));
			WATCH(text("unlink another link of %s", k), unlink("other/y"));
		}
		WATCH(text("rename %s", k), rename("dir/x", "dir/y"));
		WATCH(text("rename %s back", k), rename("dir/y", "dir/x"));
		WATCH(text("rename %s to itself", k), rename("dir/x", "dir/x"));
		WATCH(text("remove %s", k), remove("dir/x"));
	}
	WATCH("fail to make", mkdir("dir", 0755));
	WATCH("fail to remove", rmdir("dir/no"));
	need(make_with("dir/x", "some text"));
	WATCH("rename another away", (make(REGULAR, "dir/z", 0644), rename("dir/z", "other/z")));
	WATCH("rename another into", rename("other/z", "dir/z"));
	WATCH("rename another over", rename("dir/z", "dir/x"));
	fd = open("dir/x", O_RDWR);
	need(fd);
	WATCH("write", write(fd, "text", 4));
	WATCH("write nothing", write(fd, "", 0));
	WATCH("pwrite", pwrite(fd, "x", 1, 0));
	WATCH("grow", ftruncate(fd, 10));
	WATCH("shrink", ftruncate(fd, 5));
	WATCH("truncate to its size", ftruncate(fd, 5));
	WATCH("truncate by name to its size", truncate("dir/x", 5));
	WATCH("truncate by name", truncate("dir/x", 4));
	WATCH("fsync", fsync(fd));
	WATCH("open to truncate", closed(open("dir/x", O_WRONLY | O_TRUNC)));
	WATCH("open to truncate what is empty", closed(open("dir/x", O_WRONLY | O_TRUNC)));
	WATCH("open to make what is there", closed(open("dir/x", O_CREAT | O_WRONLY, 0644)));
	WATCH("open to read", closed(open("dir/x", O_RDONLY)));
	WATCH("read", pread(fd, &byte, 1, 0));
	WATCH("an attribute", setxattr("dir/x", "user.a", "b", 1, 0));
	WATCH("no attribute", removexattr("dir/x", "user.a"));
	close(fd);
	watch();
	fd = open("dir/x", O_RDWR);
	need(write(fd, "late", 4));
	close(fd);
	seen("written and closed", 0);
	WATCH("unlink another", (make(REGULAR, "dir/z", 0644), unlink("dir/z")));
}

static void accessed(void)
{
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	struct stat st;
	char data[16];
	int fd;

	need(make_with("read", "some text"));
	need(utimensat(AT_FDCWD, "read", old, 0));
	fd = open("read", O_RDONLY);
	need(read(fd, data, sizeof(data)));
	close(fd);
	fact("atime after a read", "%s", stat_of("read").st_atime == 1000 ? "same" : "later");
	need(utimensat(AT_FDCWD, "read", old, 0));
	fd = open("read", O_RDONLY | O_NOATIME);
	need(read(fd, data, sizeof(data)));
	close(fd);
	fact("atime after a read that says so", "%s",
	     stat_of("read").st_atime == 1000 ? "same" : "later");
	need(mkdir("listed", 0755));
	need(make(REGULAR, "listed/x", 0644));
	need(utimensat(AT_FDCWD, "listed", old, 0));
	fd = open("listed", O_RDONLY | O_DIRECTORY);
	fact("atime after an open", "%s",
	     fstat(fd, &st) == 0 && st.st_atime == 1000 ? "same" : "later");
	close(fd);
	need(symlink("x", "sym"));
	need(utimensat(AT_FDCWD, "sym", old, AT_SYMLINK_NOFOLLOW));
	fact("mtime of a symlink", "%ld", (long)stat_of("sym").st_mtime);
}

static void set(void)
{
	static const int64_t seconds[] = {
		0,
		1,
		-1,
		-86400,
		1000000000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		4102444800,
		0x37fffffff,
		0x380000000,
		-0x80000000LL,
		-0x80000001LL,
		253402300799,
		INT64_MAX / 4,
	};
	static const long nanoseconds[] = {0, 1, 100, 1000, 999999999};
	struct timespec times[2];
	struct stat st;

	need(make(REGULAR, "set", 0644));
	for (size_t i = 0; i < countof(seconds); i++) {
		times[0] = times[1] = (struct timespec){.tv_sec = seconds[i]};
		ask(text("set to second %lld", (long long)seconds[i]),
		    utimensat(AT_FDCWD, "set", times, 0));
		st = stat_of("set");
		fact(text("read back for %lld", (long long)seconds[i]), "%lld %lld",
		     (long long)st.st_atime, (long long)st.st_mtime);
	}
	for (size_t i = 0; i < countof(nanoseconds); i++) {
		times[0] = times[1] = (struct timespec){1000, nanoseconds[i]};
		need(utimensat(AT_FDCWD, "set", times, 0));
		st = stat_of("set");
		fact(text("nanosecond %ld", nanoseconds[i]), "%ld.%09ld", (long)st.st_mtime,
		     st.st_mtim.tv_nsec);
	}
	times[1] = (struct timespec){0, 1000000000};
	ask("an impossible nanosecond", utimensat(AT_FDCWD, "set", times, 0));
	times[0] = (struct timespec){5, 0};
	times[1] = (struct timespec){0, UTIME_OMIT};
	ask("only atime", utimensat(AT_FDCWD, "set", times, 0));
	st = stat_of("set");
	fact("which sets", "%ld %ld", (long)st.st_atime, (long)st.st_mtime);
	times[0] = (struct timespec){0, UTIME_OMIT};
	times[1] = (struct timespec){6, 0};
	ask("only mtime", utimensat(AT_FDCWD, "set", times, 0));
	st = stat_of("set");
	fact("which sets then", "%ld %ld", (long)st.st_atime, (long)st.st_mtime);
	times[0] = (struct timespec){0, UTIME_NOW};
	ask("one now, one not", utimensat(AT_FDCWD, "set", times, 0));
	st = stat_of("set");
	fact("which sets at last", "%d %ld", st.st_atime > 1000, (long)st.st_mtime);
	for (enum kind kind = 0; kind < kinds(); kind++) {
		times[0] = (struct timespec){7, 0};
		times[1] = (struct timespec){8, 0};
		need(make(kind, "k", 0644));
		ask(text("times of %s", kind_name[kind]),
		    utimensat(AT_FDCWD, "k", times, AT_SYMLINK_NOFOLLOW));
		st = stat_of("k");
		fact(text("which %s has", kind_name[kind]), "%ld %ld", (long)st.st_atime,
		     (long)st.st_mtime);
		need(unmake("k"));
	}
}

/* Who may set them. */
static void by_whom(void)
{
	static const struct timespec fixed[2] = {{5, 0}, {6, 0}};
	static const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	static const struct timespec half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	static const mode_t modes[] = {0644, 0666, 0444, 0};

	for (size_t i = 0; i < countof(modes); i++) {
		need(make(REGULAR, "w", 0644));
		need(chown("w", alice.uid, alice.gid));
		need(chmod("w", modes[i]));
		ask(text("the owner, a time, mode %o", modes[i]),
		    AS(&alice, utimensat(AT_FDCWD, "w", fixed, 0)));
		ask(text("the owner, now, mode %o", modes[i]),
		    AS(&alice, utimensat(AT_FDCWD, "w", now, 0)));
		ask(text("another, a time, mode %o", modes[i]),
		    AS(&bob, utimensat(AT_FDCWD, "w", fixed, 0)));
		ask(text("another, now, mode %o", modes[i]),
		    AS(&bob, utimensat(AT_FDCWD, "w", now, 0)));
		ask(text("another, half, mode %o", modes[i]),
		    AS(&bob, utimensat(AT_FDCWD, "w", half, 0)));
		need(unlink("w"));
	}
}

void time_facts(void)
{
	by_action();
	accessed();
	set();
	if (am_root)
		by_whom();
}
