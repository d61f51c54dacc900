/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_list.c - listing directories: what is in a list, where one can go on, what happens when the
 * directory changes meanwhile.
 */
#include "tests/uml/facts.h"

#include <dirent.h>
#include <sys/syscall.h>

#define MANY 700

static unsigned char times_seen[2 * MANY];

static int number_of(const char *name)
{
	int number = -1;

	return sscanf(name, "entry-with-a-longer-name-%d", &number) == 1 ? number : -1;
}

static const char *entry(int number)
{
	return text("entry-with-a-longer-name-%d", number);
}

static void fill(int from, int to)
{
	for (int i = from; i < to; i++)
		need(make(i % 7 == 0 ? SYMLINK : REGULAR, entry(i), 0644));
}

/* Marks up to `most` entries as seen; how many there were. */
static int look(DIR *dir, int most)
{
	const struct dirent *d;
	int count = 0;

	for (; count < most && (d = readdir(dir)) != NULL; count++) {
		int number = number_of(d->d_name);

		if (number >= 0)
			times_seen[number]++;
	}
	return count;
}

static int with(int times, int from, int to)
{
	int count = 0;

	for (int i = from; i < to; i++)
		count += times_seen[i] == times;
	return count;
}

static void empty(void)
{
	DIR *dir;

	need(mkdir("empty", 0755));
	dir = opendir("empty");
	fact("entries of an empty directory", "%d", look(dir, 100));
	rewinddir(dir);
	need(closed(open("empty/x", O_CREAT | O_WRONLY, 0644)));
	rewinddir(dir);
	fact("and of one more", "%d", look(dir, 100));
	closedir(dir);
	need(unmake("empty"));
}

/* The entry of that name, by listing all. */
static struct dirent find(const char *name)
{
	struct dirent found = {.d_type = 255};
	const struct dirent *d;
	DIR *dir = opendir(".");

	while ((d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, name) == 0)
			found = *d;
	}
	closedir(dir);
	return found;
}

static void each_kind(void)
{
	need(mkdir("kinds", 0755));
	need(chdir("kinds"));
	for (enum kind kind = 0; kind < kinds(); kind++) {
		struct dirent d;

		need(make(kind, kind_name[kind], 0644));
		d = find(kind_name[kind]);
		fact(text("type of %s", kind_name[kind]), "%d, number %d", d.d_type,
		     d.d_ino == stat_of(kind_name[kind]).st_ino);
	}
	fact("type of .", "%d, number %d", find(".").d_type,
	     find(".").d_ino == stat_of(".").st_ino);
	fact("type of ..", "%d, number %d", find("..").d_type,
	     find("..").d_ino == stat_of("..").st_ino);
	need(chdir(".."));
	need(unmake("kinds"));
}

static void positions(void)
{
	static long at[MANY + 2];
	static char names[MANY + 2][64];
	const struct dirent *d;
	DIR *dir = opendir("."), *other;
	int count = 0, wrong = 0;

	memset(times_seen, 0, sizeof(times_seen));
	for (;;) {
		at[count] = telldir(dir);
		d = readdir(dir);
		if (d == NULL)
			break;
		snprintf(names[count++], sizeof(names[0]), "%.63s", d->d_name);
	}
	fact("entries", "%d", count);
	for (int i = count - 1; i >= 0; i -= 3) {
		seekdir(dir, at[i]);
		d = readdir(dir);
		wrong += d == NULL || strcmp(d->d_name, names[i]) != 0;
	}
	fact("wrong after a seek", "%d", wrong);
	other = opendir(".");
	seekdir(other, at[count / 2]);
	d = readdir(other);
	fact("a position in another stream", "%d",
	     d != NULL && strcmp(d->d_name, names[count / 2]) == 0);
	rewinddir(dir);
	count = look(dir, 2 * MANY);
	fact("two at once", "%d %d", count, look(other, 2 * MANY));
	closedir(other);
	closedir(dir);
}

static void changing(void)
{
	DIR *dir = opendir(".");
	int once = 0;

	/* Some are read; then half of all go, and others come. */
	memset(times_seen, 0, sizeof(times_seen));
	look(dir, 100);
	for (int i = 0; i < MANY; i += 2)
		need(unlink(entry(i)));
	fill(MANY, MANY + 200);
	look(dir, 2 * MANY);
	for (int i = 1; i < MANY; i += 2)
		once += times_seen[i] == 1;
	fact("those that stayed", "%d of %d seen once", once, MANY / 2);
	fact("seen twice", "%d", with(2, 0, 2 * MANY));
	rewinddir(dir);
	memset(times_seen, 0, sizeof(times_seen));
	look(dir, 2 * MANY);
	fact("after rewinding", "%d of the old, %d of the new, %d twice", with(1, 0, MANY),
	     with(1, MANY, 2 * MANY), with(2, 0, 2 * MANY));
	closedir(dir);
}

/* As rm -r does: what is listed is removed, in the same stream. */
static void removing(void)
{
	DIR *dir = opendir(".");
	const struct dirent *d;
	int removed = 0, left;

	while ((d = readdir(dir)) != NULL) {
		if (number_of(d->d_name) >= 0)
			removed += unlink(d->d_name) == 0;
	}
	rewinddir(dir);
	left = look(dir, 2 * MANY);
	fact("removed while listing", "%d, left %d", removed, left);
	closedir(dir);
}

/* As a program does that renames what it finds. */
static void renaming(void)
{
	const struct dirent *d;
	DIR *dir;
	int count = 0;

	fill(0, 300);
	dir = opendir(".");
	memset(times_seen, 0, sizeof(times_seen));
	while ((d = readdir(dir)) != NULL) {
		int number = number_of(d->d_name);

		if (number < 0 || number >= 300 || number % 5 != 0)
			continue;
		need(rename(d->d_name, entry(number + 300)));
	}
	rewinddir(dir);
	look(dir, 2 * MANY);
	for (int i = 0; i < 2 * MANY; i++)
		count += times_seen[i] == 1;
	fact("after renaming while listing", "%d", count);
	closedir(dir);
}

static void raw(void)
{
	char buf[4096];
	int fd = open(".", O_RDONLY | O_DIRECTORY), gone, file;
	long n, total = 0;

	while ((n = syscall(SYS_getdents64, fd, buf, 300)) > 0) {
		for (long at = 0; at < n; total++)
			at += ((const struct dirent64 *)(const void *)(buf + at))->d_reclen;
	}
	fact("in small pieces", "%ld %s", total, outcome(n));
	ask("at the end again", syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	need(lseek(fd, 0, SEEK_SET));
	ask("with too little room", syscall(SYS_getdents64, fd, buf, 10));
	need(lseek(fd, 0, SEEK_SET));
	fact("by a child", "%s", outcome(IN_CHILD(syscall(SYS_getdents64, fd, buf, sizeof(buf)))));
	ask("seek before the start", lseek(fd, -1, SEEK_SET));
	close(fd);
	file = open(entry(1), O_RDONLY);
	ask("list a file", syscall(SYS_getdents64, file, buf, sizeof(buf)));
	closed(file);
	need(mkdir("gone", 0755));
	gone = open("gone", O_RDONLY | O_DIRECTORY);
	need(rmdir("gone"));
	fact("list what is gone", "%s", outcome(syscall(SYS_getdents64, gone, buf, sizeof(buf))));
	close(gone);
}

static void many_directories(void)
{
	int made = 0;

	for (; made < 200 && mkdir(text("sub-%d", made), 0755) == 0; made++)
		;
	fact("links of a directory of many", "%d %lu", made, (unsigned long)stat_of(".").st_nlink);
	for (int i = 0; i < made; i++)
		need(rmdir(text("sub-%d", i)));
	fact("links after that", "%lu", (unsigned long)stat_of(".").st_nlink);
}

void list_facts(void)
{
	empty();
	each_kind();
	fill(0, MANY);
	positions();
	changing();
	removing();
	renaming();
	raw();
	many_directories();
}
