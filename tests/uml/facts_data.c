/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_data.c - what is in files, and the system calls that get it there.
 */
#include "tests/uml/facts.h"

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/fs.h>

static int make_open(const char *path)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);

	need(fd);
	return fd;
}

static void offsets(void)
{
	static const int64_t places[] = {
		0,
		1,
		4095,
		4096,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0xfffffffffff,
		(1LL << 44) - 4097,
		(1LL << 44) - 4096,
		1LL << 44,
		1LL << 50,
		1LL << 62,
		INT64_MAX - 1,
		INT64_MAX,
		-1,
	};
	char data[4] = {0};
	int fd;

	for (size_t i = 0; i < countof(places); i++) {
		const char *at = text("at %lld", (long long)places[i]);
		ssize_t n;

		fd = make_open("offset");
		ask(text("write %s", at), pwrite(fd, "abc", 3, places[i]));
		ask(text("read %s", at), pread(fd, data, 3, places[i]));
		n = pread(fd, data, 3, places[i]);
		fact(text("found %s", at), "%zd %.*s", n, n > 0 ? (int)n : 0, data);
		fact(text("size %s", at), "%lld", (long long)lseek(fd, 0, SEEK_END));
		ask(text("seek %s", at), lseek(fd, places[i], SEEK_SET) >= 0 ? 0 : -1);
		ask(text("ftruncate %s", at), ftruncate(fd, places[i]));
		ask(text("truncate %s", at), truncate("offset", places[i]));
		fact(text("truncated %s", at), "%lld", (long long)stat_of("offset").st_size);
		close(fd);
		need(unlink("offset"));
	}
}

static void holes(void)
{
	char data[8192];
	int fd = make_open("hole");
	bool zero = true;

	need(pwrite(fd, "end", 3, 1 << 20));
	need(pread(fd, data, sizeof(data), 4096));
	for (size_t i = 0; i < sizeof(data); i++)
		zero = zero && data[i] == 0;
	fact("a hole reads", "%s", zero ? "zero" : "something");
	need(fsync(fd));
	fact("blocks of a hole", "%s", stat_of("hole").st_blocks <= 16 ? "few" : "many");
	fact("seek for data", "%lld", (long long)lseek(fd, 0, SEEK_DATA));
	fact("seek for a hole", "%lld", (long long)lseek(fd, 0, SEEK_HOLE));
	fact("seek for data behind the end", "%s", outcome(lseek(fd, 2 << 20, SEEK_DATA)));
	need(ftruncate(fd, 100));
	need(ftruncate(fd, 8192));
	need(pread(fd, data, sizeof(data), 0));
	zero = true;
	for (size_t i = 0; i < sizeof(data); i++)
		zero = zero && data[i] == 0;
	fact("cut and grown reads", "%s", zero ? "zero" : "something");
	fact("read at the end", "%zd", pread(fd, data, 10, 8192));
	fact("read across the end", "%zd", pread(fd, data, 10, 8190));
	fact("read behind the end", "%zd", pread(fd, data, 10, 1 << 30));
	close(fd);
}

static void appending(void)
{
	char data[64] = {0};
	int fd, status;

	need(make_with("log", "start "));
	fd = open("log", O_RDWR | O_APPEND);
	need(fd);
	need(lseek(fd, 0, SEEK_SET));
	need(write(fd, "one ", 4));
	fact("position after appending", "%lld", (long long)lseek(fd, 0, SEEK_CUR));
	need(truncate("log", 3));
	need(write(fd, "two ", 4));
	need(pread(fd, data, sizeof(data) - 1, 0));
	fact("after a truncation", "%s", data);
	close(fd);
	need(unlink("log"));
	for (int child = 0; child < 3; child++) {
		if (fork() != 0)
			continue;
		fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0644);
		for (int i = 0; i < 100; i++)
			need(write(fd, "0123456789", 10));
		_exit(0);
	}
	while (wait(&status) > 0)
		;
	fact("three append at once", "%lld", (long long)stat_of("log").st_size);
}

static void on_signal(int number)
{
	(void)number;
}

static void limits(void)
{
	struct rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY}, old;
	int fd = make_open("limited");

	need(getrlimit(RLIMIT_FSIZE, &old));
	limit.rlim_max = old.rlim_max;
	signal(SIGXFSZ, on_signal);
	need(setrlimit(RLIMIT_FSIZE, &limit));
	fact("write up to a limit", "%zd", pwrite(fd, "0123456789", 10, 995));
	ask("write over a limit", pwrite(fd, "0123456789", 10, 1000));
	ask("truncate over a limit", ftruncate(fd, 1001));
	need(setrlimit(RLIMIT_FSIZE, &old));
	signal(SIGXFSZ, SIG_DFL);
	close(fd);
}

static void mappings(void)
{
	int fd = make_open("mapped"), reader;
	char *shared, *private, data[8] = {0};

	need(ftruncate(fd, 10000));
	need(pwrite(fd, "first", 5, 0));
	shared = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	ask("map to read", shared == MAP_FAILED ? -1 : 0);
	fact("it reads", "%.5s", shared == MAP_FAILED ? "" : shared);
	private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ask("map privately", private == MAP_FAILED ? -1 : 0);
	if (private != MAP_FAILED) {
		private[0] = 'X';
		need(pread(fd, data, 5, 0));
		fact("a private change stays private", "%s", data);
		munmap(private, 8192);
	}
	if (shared != MAP_FAILED)
		munmap(shared, 8192);
	shared = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ask("map to write", shared == MAP_FAILED ? -1 : 0);
	if (shared != MAP_FAILED) {
		memcpy(shared, "other", 5);
		ask("msync", msync(shared, 8192, MS_SYNC));
		need(pread(fd, data, 5, 0));
		fact("written through it", "%s", data);
		memcpy(shared + 9990, "end", 3);
		memcpy(shared + 10010, "behind", 6);
		munmap(shared, 12288);
		reader = open("mapped", O_RDONLY);
		need(pread(reader, data, 3, 9990));
		data[3] = '\0';
		fact("seen by another, size", "%s %lld", data,
		     (long long)lseek(reader, 0, SEEK_END));
		close(reader);
	}
	close(fd);
	fd = open("mapped", O_WRONLY);
	ask("map what is only written",
	    mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	close(fd);
	fd = open("mapped", O_RDONLY);
	ask("map to write what is only read",
	    mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	need(unlink("mapped"));
	fact("mapped, closed and unlinked", "%.2s", shared == MAP_FAILED ? "" : shared);
	need(mkdir("mapdir", 0755));
	fd = open("mapdir", O_RDONLY);
	ask("map a directory",
	    mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	close(fd);
}

static void allocation(void)
{
	static const struct {
		const char *name;
		int mode;
	} modes[] = {
		{"plain", 0},
		{"same size", FALLOC_FL_KEEP_SIZE},
		{"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
		{"zero", FALLOC_FL_ZERO_RANGE},
		{"collapse", FALLOC_FL_COLLAPSE_RANGE},
		{"insert", FALLOC_FL_INSERT_RANGE},
	};
	int fd = make_open("allocated");

	for (size_t i = 0; i < countof(modes); i++) {
		need(ftruncate(fd, 0));
		need(ftruncate(fd, 16384));
		ask(text("allocate, %s", modes[i].name), fallocate(fd, modes[i].mode, 4096, 4096));
		fact(text("size after allocate, %s", modes[i].name), "%lld",
		     (long long)stat_of("allocated").st_size);
	}
	errno = posix_fallocate(fd, 0, 40000);
	ask("posix_fallocate", errno == 0 ? 0 : -1);
	fact("size after posix_fallocate", "%lld", (long long)stat_of("allocated").st_size);
	close(fd);
}

void data_facts(void)
{
	offsets();
	holes();
	appending();
	limits();
	mappings();
	allocation();
}

/* ---- calls that are seldom made ---- */

static void copies(void)
{
	int from = make_open("from"), to = make_open("to"), ends[2];
	char data[16] = {0};
	off_t at = 0, zero = 0;

	need(pwrite(from, "0123456789", 10, 0));
	ask("sendfile", sendfile(to, from, &at, 10));
	fact("it sends", "%lld", (long long)lseek(to, 0, SEEK_END));
	need(ftruncate(to, 0));
	at = 0;
	ask("copy_file_range", copy_file_range(from, &at, to, &zero, 10, 0));
	need(pread(to, data, 15, 0));
	fact("it copies", "%s", data);
	ask("clone", ioctl(to, FICLONE, from));
	need(pipe(ends));
	at = 0;
	fact("splice from", "%zd", splice(from, &at, ends[1], NULL, 10, 0));
	at = 0;
	fact("splice to", "%zd", splice(ends[0], NULL, to, &at, 10, 0));
	memset(data, 0, sizeof(data));
	need(pread(to, data, 15, 0));
	fact("it splices", "%s", data);
	close(from);
	close(to);
	close(ends[0]);
	close(ends[1]);
}

static void syncs(void)
{
	int fd = make_open("synced"), dir = open(".", O_RDONLY | O_DIRECTORY), readonly;

	need(pwrite(fd, "x", 1, 0));
	ask("fsync", fsync(fd));
	ask("fdatasync", fdatasync(fd));
	ask("syncfs", syncfs(fd));
	ask("sync_file_range", sync_file_range(fd, 0, 1, SYNC_FILE_RANGE_WRITE));
	ask("fsync of a directory", fsync(dir));
	ask("fdatasync of a directory", fdatasync(dir));
	readonly = open("synced", O_RDONLY);
	ask("fsync of what is only read", fsync(readonly));
	errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	ask("fadvise", errno == 0 ? 0 : -1);
	ask("readahead", readahead(readonly, 0, 4096));
	close(readonly);
	close(dir);
	close(fd);
}

static void controls(void)
{
	int fd = make_open("controlled"), value = 0, notify;
	struct pollfd poller = {.fd = fd, .events = POLLIN | POLLOUT};
	char event[512];

	need(pwrite(fd, "12345", 5, 0));
	ask("FIONREAD", ioctl(fd, FIONREAD, &value));
	fact("it says", "%d", value);
	ask("get flags", ioctl(fd, FS_IOC_GETFLAGS, &value));
	ask("get a generation", ioctl(fd, FS_IOC_GETVERSION, &value));
	ask("a terminal's ioctl", ioctl(fd, 0x5401, event));
	ask("poll", poll(&poller, 1, 0));
	fact("poll says", "%x", (unsigned)poller.revents);
	ask("a lease to read", fcntl(fd, F_SETLEASE, F_RDLCK));
	ask("a lease to write", fcntl(fd, F_SETLEASE, F_WRLCK));
	fcntl(fd, F_SETLEASE, F_UNLCK);
	notify = inotify_init1(IN_NONBLOCK);
	ask("inotify", inotify_add_watch(notify, ".", IN_CREATE | IN_DELETE));
	need(make(REGULAR, "noticed", 0644));
	fact("it notices", "%d", read(notify, event, sizeof(event)) > 0);
	close(notify);
	close(fd);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	ask("read of a directory", read(fd, event, 1));
	ask("write to a directory", write(fd, "x", 1));
	ask("truncate of a directory", truncate(".", 0));
	close(fd);
}

static void statistics(void)
{
	struct statvfs st;
	struct statfs type;
	struct statx stx;

	ask("statvfs", statvfs(".", &st));
	fact("statvfs says", "names of %lu, block %lu, free %d, inodes %d, flags %lx", st.f_namemax,
	     st.f_bsize,
	     st.f_bavail <= st.f_bfree && st.f_bfree <= st.f_blocks && st.f_blocks > 1000,
	     st.f_files >= st.f_ffree && st.f_files > 100, st.f_flag & (ST_RDONLY | ST_NOSUID));
	fact("statfs type", "%lx", statfs(".", &type) == 0 ? (unsigned long)type.f_type : 0);
	need(make_with("counted", "x"));
	need(statx(AT_FDCWD, "counted", 0, STATX_BASIC_STATS | STATX_BTIME, &stx));
	fact("statx has", "%x", stx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME));
	fact("statx attributes", "%llx", (unsigned long long)stx.stx_attributes_mask & 0x74);
	fact("a block size", "%u", stx.stx_blksize);
	fact("one device", "%d", stat_of("counted").st_dev == stat_of(".").st_dev);
	fact("inode numbers differ", "%d", stat_of("counted").st_ino != stat_of(".").st_ino);
	fact("a child finds its directory", "%d", stat_of("../call").st_ino == stat_of(".").st_ino);
}

static void nodes(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), peer;
	char data[8] = {0};

	ask("bind", bind(fd, (struct sockaddr *)&address, sizeof(address)));
	ask("bind again",
	    bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address)));
	ask("listen", listen(fd, 1));
	peer = socket(AF_UNIX, SOCK_STREAM, 0);
	ask("connect", connect(peer, (struct sockaddr *)&address, sizeof(address)));
	need(write(peer, "hello", 5));
	need(read(accept(fd, NULL, NULL), data, 5));
	fact("a socket says", "%s", data);
	need(rename("socket", "moved"));
	strcpy(address.sun_path, "moved");
	ask("connect when moved",
	    connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address)));
	close(fd);
	ask("connect to one that is closed",
	    connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof(address)));
	ask("open a socket", open("moved", O_RDONLY));
	need(mkfifo("fifo", 0644));
	ask("open a fifo that nobody reads", open("fifo", O_WRONLY | O_NONBLOCK));
	if (fork() == 0)
		_exit(write(open("fifo", O_WRONLY), "through", 7) == 7 ? 0 : 1);
	fd = open("fifo", O_RDONLY);
	memset(data, 0, sizeof(data));
	need(read(fd, data, 7));
	fact("a fifo says", "%s", data);
	wait(NULL);
	close(fd);
	if (!am_root)
		return;
	need(make(CHARACTER, "null", 0666));
	fd = open("null", O_RDWR);
	ask("a device", fd);
	fact("written to a device", "%zd", write(fd, "x", 1));
	fact("read from a device", "%zd", read(fd, data, 1));
	close(fd);
	need(mknod("no-device", S_IFCHR | 0666, 0xfff00));
	ask("a device that does not exist", open("no-device", O_RDONLY));
}

static bool runs(pid_t child, const char *program)
{
	char path[4096];
	ssize_t n = readlink(text("/proc/%d/exe", child), path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	return strstr(path, program) != NULL;
}

static void programs(void)
{
	char *const nothing[] = {NULL};
	int fd, status;
	pid_t child;

	need(make_with("script", "#!/bin/sh\nexit 7\n"));
	ask("a script without the right", IN_CHILD(execve("script", nothing, nothing)));
	need(chmod("script", 0755));
	child = fork();
	if (child == 0) {
		execl("./script", "script", (char *)NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	fact("a script", "%d", WEXITSTATUS(status));
	need(system("cp /bin/true program"));
	child = fork();
	if (child == 0) {
		execl("./program", "program", (char *)NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	fact("a program", "%d", WEXITSTATUS(status));
	fd = open("program", O_WRONLY);
	ask("a program that is being written",
	    IN_CHILD(execl("./program", "program", (char *)NULL)));
	close(fd);
	need(system("cp /bin/sleep sleeping"));
	child = fork();
	if (child == 0) {
		execl("./sleeping", "sleeping", "1000", (char *)NULL);
		_exit(1);
	}
	while (!runs(child, "/sleeping"))
		usleep(1000);
	ask("write to a program that runs", open("sleeping", O_WRONLY));
	ask("unlink a program that runs", unlink("sleeping"));
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	fact("it was killed", "%d", WTERMSIG(status));
}

void call_facts(void)
{
	copies();
	syncs();
	controls();
	statistics();
	nodes();
	programs();
}
