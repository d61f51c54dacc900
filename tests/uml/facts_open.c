/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_open.c - opening, in all ways, and what an open file can still do when its name is gone.
 */
#include <sys/file.h>
#include <sys/xattr.h>

#include "tests/uml/facts.h"

static void open_kinds(void)
{
	static const struct {
		const char *name;
		int flags;
	} ways[] = {
		{"to read", O_RDONLY},
		{"to write", O_WRONLY},
		{"to do both", O_RDWR},
		{"to append", O_WRONLY | O_APPEND},
		{"as a directory", O_RDONLY | O_DIRECTORY},
		{"not following", O_RDONLY | O_NOFOLLOW},
		{"as a path", O_PATH},
		{"as a path, not following", O_PATH | O_NOFOLLOW},
		{"if need be made", O_CREAT | O_WRONLY},
		{"if it can be made", O_CREAT | O_EXCL | O_WRONLY},
		{"made a directory", O_CREAT | O_DIRECTORY | O_RDONLY},
		{"truncated", O_WRONLY | O_TRUNC},
		{"truncated, to read", O_RDONLY | O_TRUNC},
		{"without a name", O_TMPFILE | O_RDWR},
		{"synchronous", O_RDWR | O_SYNC},
		{"without an access time", O_RDONLY | O_NOATIME},
		{"in mode 3", O_ACCMODE},
	};

	for (enum kind kind = 0; kind < kinds(); kind++) {
		/* A device is not the file system's business. */
		if (kind == CHARACTER || kind == BLOCK)
			continue;
		for (size_t i = 0; i < countof(ways); i++) {
			need(make(kind, "x", 0644));
			ask_fd(text("%s %s", kind_name[kind], ways[i].name),
			       open("x", ways[i].flags | O_NONBLOCK | O_CLOEXEC, 0644));
			unmake("x");
			unlink("nowhere");
		}
	}
}

static void creating(void)
{
	struct stat st;
	char byte = 'x';
	int fd;

	for (int mode = 0; mode <= 07; mode++) {
		fd = open("x", O_CREAT | O_EXCL | O_RDWR, mode << 6);
		ask(text("born with mode %o00", mode), fd);
		ask(text("written with mode %o00", mode), write(fd, &byte, 1));
		ask(text("read with mode %o00", mode), pread(fd, &byte, 1, 0));
		close(fd);
		ask_fd(text("opened to read with mode %o00", mode), open("x", O_RDONLY));
		ask_fd(text("opened to write with mode %o00", mode), open("x", O_WRONLY));
		need(unlink("x"));
	}
	need(make_with("full", "some text"));
	fd = open("full", O_RDONLY);
	need(closed(open("full", O_WRONLY | O_TRUNC)));
	fact("truncated under another", "%d", fstat(fd, &st) == 0 && st.st_size == 0);
	close(fd);
	ask("in a directory that is gone", open("no/x", O_CREAT | O_WRONLY, 0644));
	ask("below a file", open("full/x", O_CREAT | O_WRONLY, 0644));
	ask("with a slash", open("new/", O_CREAT | O_WRONLY, 0644));
	ask("the directory itself", open(".", O_CREAT | O_WRONLY, 0644));
	need(mkdir("locked", 0555));
	ask("in a directory without the right", closed(open("locked/x", O_CREAT | O_WRONLY, 0644)));
	need(mkdir("noexec", 0600));
	ask("where one may not search", closed(open("noexec/x", O_RDONLY)));
}

static void duplicates(void)
{
	char data[8] = {0};
	int fd, again;

	need(make_with("d", "0123456789"));
	fd = open("d", O_RDWR);
	need(fd);
	again = dup(fd);
	need(read(fd, data, 3));
	fact("dup shares the position", "%ld", (long)lseek(again, 0, SEEK_CUR));
	close(again);
	again = open(text("/proc/self/fd/%d", fd), O_RDONLY);
	ask("open through /proc", again);
	fact("opened through /proc", "%ld", (long)lseek(again, 0, SEEK_CUR));
	close(again);
	fact("flags", "%o", fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	ask("made to append", fcntl(fd, F_SETFL, O_APPEND));
	need(pwrite(fd, "ab", 2, 0));
	fact("then pwrite goes", "%ld", (long)stat_of("d").st_size);
	need(write(fd, "cd", 2));
	fact("then write goes", "%ld", (long)stat_of("d").st_size);
	close(fd);
	fd = open("d", O_RDONLY);
	ask("write to one opened to read", write(fd, "x", 1));
	ask("truncate one opened to read", ftruncate(fd, 0));
	close(fd);
	fd = open("d", O_WRONLY);
	ask("read from one opened to write", read(fd, data, 1));
	close(fd);
	fd = open("d", O_PATH);
	ask("read from a path", read(fd, data, 1));
	ask("chmod a path", fchmod(fd, 0600));
	ask("stat a path", fstatat(fd, "", &(struct stat){0}, AT_EMPTY_PATH));
	ask("link a path", linkat(AT_FDCWD, text("/proc/self/fd/%d", fd), AT_FDCWD, "from-path",
				  AT_SYMLINK_FOLLOW));
	close(fd);
}

static void renamed_over(void)
{
	char data[8] = {0};
	int fd;

	need(make_with("old", "old"));
	need(make_with("new", "new!"));
	fd = open("old", O_RDWR);
	need(rename("new", "old"));
	ask("read what was renamed over", pread(fd, data, 8, 0));
	fact("it reads", "%s", data);
	fact("its links", "%lu", (unsigned long)stat_of_fd(fd).st_nlink);
	ask("write to it", pwrite(fd, "x", 1, 100));
	fact("the new one is left alone", "%ld", (long)stat_of("old").st_size);
	close(fd);
	need(mkdir("a", 0755));
	need(make_with("a/f", "f"));
	fd = open("a/f", O_RDWR);
	need(rename("a", "b"));
	ask("write below what was renamed", pwrite(fd, "more", 4, 1));
	fact("seen there", "%ld", (long)stat_of("b/f").st_size);
	need(rename("b/f", "g"));
	ask("write after another rename", pwrite(fd, "more", 4, 5));
	fact("seen there, too", "%ld", (long)stat_of("g").st_size);
	ask("chmod after it", fchmod(fd, 0600));
	fact("which reached it", "%o", mode_of("g"));
	close(fd);
}

void open_facts(void)
{
	open_kinds();
	creating();
	duplicates();
	renamed_over();
}

static void file_without_name(const char *how, int fd)
{
	struct timespec times[2] = {{1000000000, 0}, {1100000000, 0}};
	struct flock lock = {.l_type = F_WRLCK};
	char data[8] = {0};
	struct stat st;
	ssize_t n;
	int other;

	fact(text("links of a file %s", how), "%lu", (unsigned long)stat_of_fd(fd).st_nlink);
	ask(text("write to a file %s", how), pwrite(fd, "written", 7, 0));
	fact(text("size of a file %s", how), "%ld", (long)stat_of_fd(fd).st_size);
	ask(text("read of a file %s", how), pread(fd, data, 7, 0));
	fact(text("content of a file %s", how), "%s", data);
	ask(text("fchmod of a file %s", how), fchmod(fd, 0604));
	fact(text("mode of a file %s", how), "%o", stat_of_fd(fd).st_mode);
	ask(text("fchown of a file %s", how), fchown(fd, (uid_t)-1, getgid()));
	ask(text("futimens of a file %s", how), futimens(fd, times));
	st = stat_of_fd(fd);
	fact(text("times of a file %s", how), "%ld %ld", (long)st.st_atime, (long)st.st_mtime);
	ask(text("ftruncate of a file %s", how), ftruncate(fd, 3));
	fact(text("truncated size of a file %s", how), "%ld", (long)stat_of_fd(fd).st_size);
	ask(text("fsync of a file %s", how), fsync(fd));
	ask(text("fsetxattr of a file %s", how), fsetxattr(fd, "user.x", "y", 1, 0));
	n = fgetxattr(fd, "user.x", data, sizeof(data));
	fact(text("fgetxattr of a file %s", how), "%s %zd", outcome(n), n);
	ask(text("flistxattr of a file %s", how), flistxattr(fd, NULL, 0));
	ask(text("fremovexattr of a file %s", how), fremovexattr(fd, "user.x"));
	ask(text("lock of a file %s", how), fcntl(fd, F_SETLK, &lock));
	ask(text("flock of a file %s", how), flock(fd, LOCK_EX | LOCK_NB));
	ask(text("link of a file %s", how),
	    linkat(AT_FDCWD, text("/proc/self/fd/%d", fd), AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	unlink("linked");
	other = open(text("/proc/self/fd/%d", fd), O_RDWR);
	ask_fd(text("opened again a file %s", how), other);
}

static void directory_without_name(void)
{
	int fd = open("d", O_RDONLY | O_DIRECTORY);
	struct stat st;

	need(fd);
	need(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	ask("stat of a directory", fstat(fd, &st));
	fact("links of a directory", "%lu", (unsigned long)st.st_nlink);
	ask("create in a directory", openat(fd, "x", O_CREAT | O_WRONLY, 0644));
	ask("mkdir in a directory", mkdirat(fd, "x", 0755));
	ask("symlink in a directory", symlinkat("x", fd, "y"));
	ask("look in a directory", fstatat(fd, "x", &st, 0));
	ask("fchmod of a directory", fchmod(fd, 0700));
	ask("the parent of a directory", fstatat(fd, "..", &st, 0));
	ask("the directory itself", fstatat(fd, ".", &st, 0));
	ask("fsync of a directory", fsync(fd));
	ask("made again beside a directory", mkdir("d", 0755));
	ask("still nothing in a directory", openat(fd, "x", O_CREAT | O_WRONLY, 0644));
	close(fd);
}

void unlinked_facts(void)
{
	int fd;

	fd = open("a", O_CREAT | O_RDWR, 0644);
	need(unlink("a"));
	file_without_name("just made", fd);
	close(fd);
	need(make_with("b", "before"));
	fd = open("b", O_RDWR);
	need(make_with("c", "other"));
	need(rename("c", "b"));
	file_without_name("renamed over", fd);
	close(fd);
	need(make_with("e", "before"));
	need(link("e", "f"));
	fd = open("e", O_RDWR);
	need(unlink("e"));
	file_without_name("with another link", fd);
	close(fd);
	fact("that link", "%o %ld", mode_of("f"), (long)stat_of("f").st_size);
	need(mkdir("d", 0755));
	directory_without_name();
	fact("left", "%d", access("x", F_OK));
}
