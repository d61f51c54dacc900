/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * torture.c - a load for a mounted share that judges every result. Runs in the lab's guests, and
 * its other half beside the daemon; static, without anything of this tree.
 *
 *   torture load DIR [--no-unlinked] [--no-locks]   processes that work below DIR until SIGTERM
 *   torture peer DIR                                tests from the daemon's host the locks that
 *                                                   the load holds, until SIGTERM
 *   torture reads DIR                               nothing but reads, each measured, between a
 *                                                   file "begun" it makes and one "end" it finds
 *
 * A process of the load does one sort of operation, and keeps in memory what must be there. At the
 * end each prints how many operations it did, how many results were wrong, and how long the longest
 * single call took. Exit status: 1 if anything was wrong.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define countof(array) (sizeof(array) / sizeof((array)[0]))
#define PROCESSES_MAX 16
#define ERRORS_TOLD 5 /* by each process */
#define PATIENCE 120  /* s that a process may take to end */
#define FILE_ROOM 262144
#define CALL_ROOM 200000 /* most bytes in a call; more than fit into one request */
#define READS_ROOM 1048576
#define DELAYS_MAX 256

struct tally {
	char name[16];
	pid_t pid;
	unsigned long operations, errors, held;
	uint64_t longest; /* ns */
};

/* Shared by all processes; `me` is this one's. */
static struct tally *tallies, *me;
static unsigned processes;
static uint64_t random_state;
static volatile sig_atomic_t stopped;

/* ---- judging ---- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
	char text[512];
	va_list args;

	if (++me->errors > ERRORS_TOLD)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("WRONG: %s, operation %lu: %s\n", me->name, me->operations, text);
}

static void measure(uint64_t since)
{
	uint64_t took = now_ns() - since;

	me->operations++;
	if (took > me->longest)
		me->longest = took;
}

/* What a system call returned, errors as -errno. */
static long judge(uint64_t since, long result, long expected, const char *call)
{
	long got = result < 0 ? -errno : result;

	measure(since);
	if (got != expected)
		wrong("%s: %ld (%s) instead of %ld", call, got, got < 0 ? strerror((int)-got) : "",
		      expected);
	return got;
}

static int judge_fd(uint64_t since, int fd, const char *call)
{
	measure(since);
	if (fd < 0)
		wrong("%s: %s", call, strerror(errno));
	return fd;
}

#define EXPECT(call, expected)                                                                     \
	({                                                                                         \
		uint64_t since_ = now_ns();                                                        \
		judge(since_, (call), (expected), #call);                                          \
	})
#define EXPECT_FD(call)                                                                            \
	({                                                                                         \
		uint64_t since_ = now_ns();                                                        \
		judge_fd(since_, (call), #call);                                                   \
	})

__attribute__((noreturn)) static void fatal(const char *what)
{
	printf("WRONG: %s: %s: %s\n", me != NULL ? me->name : "torture", what, strerror(errno));
	exit(1);
}

/* ---- choosing ---- */

static uint64_t scramble(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(scramble(random_state += 0x9e3779b97f4a7c15u) % n);
}

/* Small ones as often as large ones. */
static uint32_t some_size(uint32_t most)
{
	uint32_t size = 1 + below(1u << (1 + below(17)));

	return size < most ? size : most;
}

static void fill(uint8_t *bytes, size_t size, uint64_t key)
{
	uint64_t word = scramble(key);

	for (size_t at = 0; at < size; at += sizeof(word)) {
		memcpy(bytes + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
		word += 0x0101010101010101u;
	}
}

/* ---- a file and what must be in it ---- */

struct file {
	int fd;
	size_t size;
	uint8_t bytes[FILE_ROOM]; /* those from `size` on are 0 */
};

static uint8_t buffer[READS_ROOM];

static void compare(const struct file *file, size_t offset, size_t size)
{
	if (memcmp(buffer, file->bytes + offset, size) != 0)
		wrong("other bytes than were written, %zu at %zu", size, offset);
}

static void write_some(struct file *file)
{
	size_t offset = below(FILE_ROOM - 1), size = some_size(CALL_ROOM);

	if (size > FILE_ROOM - offset)
		size = FILE_ROOM - offset;
	fill(file->bytes + offset, size, random_state);
	EXPECT(pwrite(file->fd, file->bytes + offset, size, (off_t)offset), (long)size);
	if (offset + size > file->size)
		file->size = offset + size;
}

static void read_some(struct file *file)
{
	size_t offset = below(FILE_ROOM), size = some_size(CALL_ROOM), there;

	there = offset < file->size ? file->size - offset : 0;
	if (there > size)
		there = size;
	EXPECT(pread(file->fd, buffer, size, (off_t)offset), (long)there);
	compare(file, offset, there);
}

static void cut(struct file *file)
{
	size_t size = below(FILE_ROOM);

	EXPECT(ftruncate(file->fd, (off_t)size), 0);
	if (size < file->size)
		memset(file->bytes + size, 0, file->size - size);
	file->size = size;
}

static void look(const struct file *file, unsigned links)
{
	struct stat st;

	if (EXPECT(fstat(file->fd, &st), 0) != 0)
		return;
	if ((size_t)st.st_size != file->size || st.st_nlink != links)
		wrong("size %lld and %lu links instead of %zu and %u", (long long)st.st_size,
		      (unsigned long)st.st_nlink, file->size, links);
}

static void verify(const struct file *file)
{
	for (size_t at = 0; at < file->size; at += 65536) {
		size_t size = file->size - at < 65536 ? file->size - at : 65536;

		EXPECT(pread(file->fd, buffer, size, (off_t)at), (long)size);
		compare(file, at, size);
	}
}

static void use(struct file *file, unsigned links)
{
	switch (below(8)) {
	case 0:
		cut(file);
		break;
	case 1:
		look(file, links);
		break;
	case 2:
		EXPECT(fsync(file->fd), 0);
		break;
	case 3:
	case 4:
		read_some(file);
		break;
	default:
		write_some(file);
	}
}

static void create(struct file *file)
{
	file->fd = EXPECT_FD(open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
	file->size = 0;
	memset(file->bytes, 0, sizeof(file->bytes));
}

static struct file file;

static void data_start(void)
{
	create(&file);
}

static void data_round(void)
{
	use(&file, 1);
}

static void data_end(void)
{
	verify(&file);
	EXPECT(close(file.fd), 0);
	file.fd = EXPECT_FD(open("file", O_RDONLY));
	verify(&file);
}

/* ---- a file that has no name any more ---- */

static void unlinked_start(void)
{
	create(&file);
	write_some(&file);
	EXPECT(unlink("file"), 0);
	EXPECT(unlink("file"), -ENOENT);
}

static void unlinked_round(void)
{
	if (below(200) == 0) {
		verify(&file);
		EXPECT(close(file.fd), 0);
		unlinked_start();
	}
	use(&file, 0);
}

static void unlinked_end(void)
{
	verify(&file);
	EXPECT(close(file.fd), 0);
}

/* ---- a file that is written at its end ---- */

static void append_start(void)
{
	create(&file);
	EXPECT(close(file.fd), 0);
	file.fd = EXPECT_FD(open("file", O_RDWR | O_APPEND));
}

static void append_round(void)
{
	size_t size = some_size(8192), before = file.size;

	if (before + size > FILE_ROOM) {
		verify(&file);
		cut(&file);
		return;
	}
	fill(file.bytes + before, size, random_state);
	EXPECT(write(file.fd, file.bytes + before, size), (long)size);
	file.size += size;
	look(&file, 1);
	EXPECT(pread(file.fd, buffer, size, (off_t)before), (long)size);
	compare(&file, before, size);
}

/* ---- names ---- */

/* The directory holds these names, each a bit of `wanted`, and nothing else. */
static void list(const char *path, const char *const *names, unsigned count, uint64_t wanted)
{
	uint64_t found = 0, since = now_ns();
	const struct dirent *entry;
	DIR *dir = opendir(path);

	measure(since);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		unsigned i = 0;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		while (i < count && strcmp(entry->d_name, names[i]) != 0)
			i++;
		if (i == count || (found & 1ull << i) != 0)
			wrong("\"%s\" stands in %s, or twice", entry->d_name, path);
		else
			found |= 1ull << i;
	}
	if (dir != NULL)
		closedir(dir);
	if (found != wanted)
		wrong("%s holds %#llx instead of %#llx", path, (unsigned long long)found,
		      (unsigned long long)wanted);
}

static void names_are(uint64_t wanted)
{
	static const char *const names[] = {"a", "b", "link", "symlink", "fifo", "dir"};

	list("d", names, countof(names), wanted);
}

static void content_is(const char *path, const char *expected)
{
	int fd = EXPECT_FD(open(path, O_RDONLY));
	char text[64] = "";

	EXPECT(read(fd, text, sizeof(text) - 1), (long)strlen(expected));
	EXPECT(close(fd), 0);
	if (strcmp(text, expected) != 0)
		wrong("%s holds \"%s\" instead of \"%s\"", path, text, expected);
}

static void make(const char *path, const char *content)
{
	int fd = EXPECT_FD(open(path, O_WRONLY | O_CREAT | O_EXCL, 0640));

	EXPECT(write(fd, content, strlen(content)), (long)strlen(content));
	EXPECT(close(fd), 0);
}

static void status_is(const char *path, mode_t mode, unsigned links)
{
	struct stat st = {.st_mode = 0};

	if (EXPECT(lstat(path, &st), 0) == 0 && (st.st_mode != mode || st.st_nlink != links))
		wrong("%s has mode %o and %lu links instead of %o and %u", path, st.st_mode,
		      (unsigned long)st.st_nlink, mode, links);
}

static void make_names(void)
{
	char text[64] = "";

	EXPECT(mkdir("d", 0755), 0);
	EXPECT(mkdir("d", 0755), -EEXIST);
	make("d/a", "one");
	EXPECT(open("d/a", O_WRONLY | O_CREAT | O_EXCL, 0640), -EEXIST);
	EXPECT(rename("d/a", "d/b"), 0);
	EXPECT(rename("d/a", "d/b"), -ENOENT);
	EXPECT(symlink("b", "d/symlink"), 0);
	EXPECT(symlink("b", "d/symlink"), -EEXIST);
	EXPECT(readlink("d/symlink", text, sizeof(text)), 1);
	EXPECT(readlink("d/b", text, sizeof(text)), -EINVAL);
	EXPECT(link("d/b", "d/link"), 0);
	EXPECT(link("d/b", "d/link"), -EEXIST);
	EXPECT(mkfifo("d/fifo", 0600), 0);
	EXPECT(mkfifo("d/fifo", 0600), -EEXIST);
	EXPECT(mkdir("d/dir", 0700), 0);
	if (strcmp(text, "b") != 0)
		wrong("the symbolic link reads \"%s\"", text);
	status_is("d/link", S_IFREG | 0640, 2);
	content_is("d/symlink", "one");
	names_are(0x3e);
}

static void use_names(void)
{
	EXPECT(rmdir("d"), -ENOTEMPTY);
	EXPECT(rmdir("d/b"), -ENOTDIR);
	EXPECT(unlink("d/dir"), -EISDIR);
	EXPECT(rename("d/b", "d/dir"), -EISDIR);
	make("d/a", "two");
	EXPECT(rename("d/a", "d/b"), 0);
	EXPECT(chmod("d/link", 0604), 0);
	EXPECT(truncate("d/link", 2), 0);
	status_is("d/link", S_IFREG | 0604, 1);
	status_is("d/fifo", S_IFIFO | 0600, 1);
	content_is("d/b", "two");
	content_is("d/link", "on");
	EXPECT(rename("d", "e"), 0);
	EXPECT(rename("e", "e/dir/e"), -EINVAL);
	EXPECT(access("d", F_OK), -ENOENT);
	EXPECT(rename("e", "d"), 0);
}

static void remove_names(void)
{
	EXPECT(unlink("d/fifo"), 0);
	EXPECT(unlink("d/fifo"), -ENOENT);
	EXPECT(unlink("d/symlink"), 0);
	EXPECT(unlink("d/b"), 0);
	EXPECT(open("d/b", O_RDONLY), -ENOENT);
	names_are(0x24);
	EXPECT(unlink("d/link"), 0);
	EXPECT(rmdir("d/dir"), 0);
	EXPECT(rmdir("d/dir"), -ENOENT);
	EXPECT(rmdir("d"), 0);
	EXPECT(rmdir("d"), -ENOENT);
}

static void names_round(void)
{
	make_names();
	use_names();
	remove_names();
}

/* ---- a directory that is read while a name comes and goes ---- */

static char list_text[64][32];
static const char *list_names[64];

static void list_start(void)
{
	for (unsigned i = 0; i < countof(list_text); i++) {
		snprintf(list_text[i], sizeof(list_text[i]), "a name in a list, number %u", i);
		list_names[i] = list_text[i];
		make(list_names[i], "");
	}
}

static void list_round(void)
{
	unsigned i = below(countof(list_text));

	EXPECT(unlink(list_names[i]), 0);
	list(".", list_names, countof(list_text), ~(1ull << i));
	make(list_names[i], "");
	list(".", list_names, countof(list_text), ~0ull);
}

/* ---- reads here and there ---- */

static uint8_t reads_bytes[READS_ROOM];

static void reads_start(void)
{
	create(&file);
	fill(reads_bytes, sizeof(reads_bytes), random_state);
	EXPECT(write(file.fd, reads_bytes, sizeof(reads_bytes)), (long)sizeof(reads_bytes));
}

static void reads_round(void)
{
	size_t offset = (size_t)below(READS_ROOM / 4096) * 4096;

	EXPECT(pread(file.fd, buffer, 4096, (off_t)offset), 4096);
	if (memcmp(buffer, reads_bytes + offset, 4096) != 0)
		wrong("other bytes than were written, at %zu", offset);
}

/* ---- processes that are killed within a call: the client sends Tflush ---- */

__attribute__((noreturn)) static void be_killed(void)
{
	int fd = open("victim", O_RDWR | O_CREAT, 0600);

	for (;;) {
		if (pwrite(fd, buffer, some_size(65536), below(FILE_ROOM)) < 0 || fsync(fd) < 0 ||
		    pread(fd, buffer, some_size(65536), 0) < 0 || mkdir("made", 0700) < 0 ||
		    rmdir("made") < 0)
			_exit(1);
	}
}

static void killed_round(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		fatal("fork");
	if (pid == 0)
		be_killed();
	usleep(below(60000));
	kill(pid, SIGKILL);
	EXPECT(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		wrong("what a victim did has failed, status %d", status);
	/* It may have been done, or not. */
	if (rmdir("made") < 0 && errno != ENOENT)
		wrong("rmdir: %s", strerror(errno));
	EXPECT(access("made", F_OK), -ENOENT);
}

/* ---- locks ---- */

/* Bytes of the file: one range is held all the time, one is fought for by the guest's load and
 * its peer on the host, and counted at AT_COUNTER; two are for the guest's processes alone. */
enum {
	AT_HELD = 0,
	AT_COUNTER = 200,
	AT_MINE = 300,
	AT_CHILD = 400,
	LOCK_SIZE = 100,
};

static int lock_fd;

static int set_lock(int type, off_t at)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = LOCK_SIZE};

	return fcntl(lock_fd, F_SETLK, &lock);
}

/* Who cannot have a lock now gets EAGAIN, or EACCES. */
static bool get_lock(off_t at)
{
	uint64_t since = now_ns();
	int result = set_lock(F_WRLCK, at);

	measure(since);
	if (result < 0 && errno != EAGAIN && errno != EACCES)
		wrong("fcntl: %s", strerror(errno));
	return result == 0;
}

static void must_be_locked(off_t at)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = LOCK_SIZE};

	if (get_lock(at))
		wrong("the lock at %lld is free", (long long)at);
	EXPECT(fcntl(lock_fd, F_GETLK, &lock), 0);
	if (lock.l_type != F_WRLCK)
		wrong("the lock at %lld reads as free", (long long)at);
}

static void count_under_lock(void)
{
	uint64_t counter = 0;

	if (!get_lock(AT_COUNTER))
		return;
	EXPECT(pread(lock_fd, &counter, sizeof(counter), AT_COUNTER), sizeof(counter));
	counter++;
	EXPECT(pwrite(lock_fd, &counter, sizeof(counter), AT_COUNTER), sizeof(counter));
	EXPECT(set_lock(F_UNLCK, AT_COUNTER), 0);
	me->held++;
}

static void open_locks(const char *path, int flags)
{
	/* One descriptor: to close any other would give the locks back. */
	lock_fd = EXPECT_FD(open(path, O_RDWR | flags, 0644));
}

static void locks_start(void)
{
	open_locks("file", O_CREAT);
	EXPECT(ftruncate(lock_fd, 1000), 0);
	EXPECT(set_lock(F_WRLCK, AT_HELD), 0);
	make("held", "");
}

static void locks_round(void)
{
	count_under_lock();
	EXPECT(set_lock(F_WRLCK, AT_MINE), 0);
	EXPECT(set_lock(F_RDLCK, AT_MINE), 0);
	EXPECT(set_lock(F_UNLCK, AT_MINE), 0);
}

/* Another process of the guest. */
static void tests_start(void)
{
	for (int i = 0; i < 10000 && access("../locks-0/held", F_OK) < 0; i++)
		usleep(10000);
	open_locks("../locks-0/file", 0);
}

static void tests_round(void)
{
	must_be_locked(AT_HELD);
	EXPECT(set_lock(F_WRLCK, AT_CHILD), 0);
	EXPECT(set_lock(F_UNLCK, AT_CHILD), 0);
	usleep(20000);
}

static void peer_start(void)
{
	open_locks("locks-0/file", 0);
}

static void peer_round(void)
{
	must_be_locked(AT_HELD);
	count_under_lock();
	usleep(20000);
}

/* ---- processes ---- */

static const struct kind {
	const char *name;
	unsigned count;
	void (*start)(void); /* or NULL */
	void (*round)(void);
	void (*end)(void); /* or NULL */
} kinds[] = {
	{"data", 2, data_start, data_round, data_end},
	{"names", 2, NULL, names_round, NULL},
	{"unlinked", 1, unlinked_start, unlinked_round, unlinked_end},
	{"append", 1, append_start, append_round, data_end},
	{"list", 1, list_start, list_round, NULL},
	{"reads", 1, reads_start, reads_round, NULL},
	{"killed", 1, NULL, killed_round, NULL},
	{"locks", 1, locks_start, locks_round, NULL},
	{"tests", 1, tests_start, tests_round, NULL},
};

static const struct kind peer = {"peer", 1, peer_start, peer_round, NULL};

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void tell(const struct tally *tally)
{
	printf("%-10s operations=%lu errors=%lu longest=%llu.%03llu ms", tally->name,
	       tally->operations, tally->errors, (unsigned long long)tally->longest / 1000000,
	       (unsigned long long)tally->longest / 1000 % 1000);
	if (tally->held > 0)
		printf(" held=%lu", tally->held);
	printf("\n");
}

/* `ready` is told when the first round begins. */
static void live(const struct kind *kind, int ready)
{
	if (kind->start != NULL)
		kind->start();
	if (ready >= 0 && write(ready, "", 1) != 1)
		fatal("pipe");
	while (!stopped)
		kind->round();
	if (kind->end != NULL)
		kind->end();
	tell(me);
}

static void add_tally(const char *name, unsigned number)
{
	me = &tallies[processes++];
	snprintf(me->name, sizeof(me->name), "%s-%u", name, number);
	random_state = scramble(processes);
}

static void start(const struct kind *kind, unsigned number, int ready)
{
	pid_t pid;

	add_tally(kind->name, number);
	if (mkdir(me->name, 0755) < 0)
		fatal("mkdir");
	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (pid > 0) {
		me->pid = pid;
		return;
	}
	if (chdir(me->name) < 0)
		fatal("chdir");
	live(kind, ready);
	exit(me->errors > 0);
}

static void say_where(pid_t pid)
{
	char path[64], text[4096];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stack", (int)pid);
	fd = open(path, O_RDONLY);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (got > 0)
		printf("%.*s", (int)got, text);
}

/* Returns whether it has ended, and well. */
static bool wait_for(struct tally *tally)
{
	int status = 0;
	pid_t ended = 0;

	for (int i = 0; i < PATIENCE * 20 && ended == 0; i++) {
		ended = waitpid(tally->pid, &status, WNOHANG);
		if (ended == 0)
			usleep(50000);
	}
	if (ended == tally->pid && status == 0)
		return true;
	if (ended == tally->pid) {
		printf("%s has ended with status %#x\n", tally->name, status);
		return false;
	}
	printf("WRONG: %s does not end\n", tally->name);
	tell(tally);
	say_where(tally->pid);
	return false;
}

static int load(bool unlinked, bool locks)
{
	struct tally sum = {.name = "all"};
	int pair[2];
	char byte;
	bool good = true;

	if (pipe(pair) < 0)
		fatal("pipe");
	for (const struct kind *kind = kinds; kind < kinds + countof(kinds); kind++) {
		if ((!unlinked && kind->start == unlinked_start) ||
		    (!locks && (kind->start == locks_start || kind->start == tests_start)))
			continue;
		for (unsigned i = 0; i < kind->count; i++)
			start(kind, i, pair[1]);
	}
	for (unsigned i = 0; i < processes; i++) {
		if (read(pair[0], &byte, 1) != 1)
			break;
	}
	printf("torture: %u processes\n", processes);
	while (!stopped)
		usleep(200000);
	for (unsigned i = 0; i < processes; i++)
		kill(tallies[i].pid, SIGTERM);
	for (unsigned i = 0; i < processes; i++) {
		if (!wait_for(&tallies[i]))
			good = false;
		sum.operations += tallies[i].operations;
		sum.errors += tallies[i].errors;
		sum.held += tallies[i].held;
		if (tallies[i].longest > sum.longest)
			sum.longest = tallies[i].longest;
	}
	tell(&sum);
	return good && sum.errors == 0 ? 0 : 1;
}

/* ---- reads alone ---- */

/* Calls that took long and follow each other closely belong together: only the longest counts. */
#define TOGETHER 250000000u /* ns */
#define LONG_CALL 3	    /* times as long as the others */

static struct {
	uint64_t began, longest;
} delays[DELAYS_MAX];
static unsigned delay_count;

static int descending(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? 1 : -(*left > *right);
}

static void note(uint64_t since, uint64_t took)
{
	unsigned last = delay_count - 1;

	if (delay_count == 0 || since - delays[last].began > TOGETHER) {
		last = delay_count < DELAYS_MAX ? delay_count++ : last;
		delays[last].began = since;
		delays[last].longest = took;
	} else if (took > delays[last].longest) {
		delays[last].longest = took;
	}
}

static void tell_delays(uint64_t mean)
{
	uint64_t longest[DELAYS_MAX];

	for (unsigned i = 0; i < delay_count; i++)
		longest[i] = delays[i].longest;
	qsort(longest, delay_count, sizeof(longest[0]), descending);
	printf("mean=%.3f longest:", (double)mean / 1e6);
	for (unsigned i = 0; i < delay_count; i++)
		printf(" %.3f", (double)longest[i] / 1e6);
	printf("\n");
}

/* Prints delays in ms, the longest one first. */
static int reads(void)
{
	uint64_t began, mean = UINT64_MAX / LONG_CALL;

	reads_start();
	make("begun", "");
	began = now_ns();
	me->operations = 0;
	while (me->operations % 64 != 0 || me->operations == 0 || access("end", F_OK) < 0) {
		uint64_t since = now_ns(), took;

		reads_round();
		took = now_ns() - since;
		if (took > LONG_CALL * mean)
			note(since, took);
		if (me->operations % 256 == 0)
			mean = (now_ns() - began) / me->operations;
	}
	tell(me);
	tell_delays(mean);
	return me->errors > 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
	bool unlinked = true, locks = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &action, NULL);
	tallies = mmap(NULL, PROCESSES_MAX * sizeof(*tallies), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED)
		fatal("mmap");
	for (int i = 3; i < argc; i++) {
		unlinked = unlinked && strcmp(argv[i], "--no-unlinked") != 0;
		locks = locks && strcmp(argv[i], "--no-locks") != 0;
	}
	if (argc < 3 || chdir(argv[2]) < 0) {
		fprintf(stderr, "usage: torture load DIR [--no-unlinked] [--no-locks] | "
				"peer DIR | reads DIR\n");
		return 2;
	}
	if (strcmp(argv[1], "reads") == 0) {
		add_tally("reads", 0);
		return reads();
	}
	if (strcmp(argv[1], "peer") == 0) {
		add_tally("peer", 0);
		live(&peer, -1);
		return me->errors > 0;
	}
	return load(unlinked, locks);
}
