/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts.c - the groups, and what they share.
 *
 * usage: facts [GROUP...]      in an empty directory
 */
#include "tests/uml/facts.h"

#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

bool am_root;
static const char *group_name;

const struct person alice = {1001, 1001, 0, {0}};
const struct person bob = {1002, 1002, 0, {0}};
const struct person carol = {1003, 1003, 1, {1001}};

const char *const kind_name[] = {
	[REGULAR] = "file",	  [DIRECTORY] = "directory", [FIFO] = "fifo",
	[SOCKET] = "socket",	  [SYMLINK] = "symlink",     [CHARACTER] = "char device",
	[BLOCK] = "block device",
};

void fact(const char *name, const char *format, ...)
{
	va_list args;

	printf("%s/%s: ", group_name, name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

const char *outcome(long ret)
{
	return ret >= 0 ? "ok" : strerrorname_np(errno);
}

long ask(const char *name, long ret)
{
	fact(name, "%s", outcome(ret));
	return ret;
}

int closed(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

void ask_fd(const char *name, int fd)
{
	ask(name, closed(fd));
}

void ask_mode(const char *name, long ret, const char *path)
{
	const char *end = outcome(ret);

	fact(name, "%s %04o", end, mode_of(path));
}

const char *text(const char *format, ...)
{
	static char texts[64][400];
	static unsigned used;
	char *into = texts[used++ % countof(texts)];
	va_list args;

	va_start(args, format);
	vsnprintf(into, sizeof(texts[0]), format, args);
	va_end(args);
	return into;
}

void need_done(bool fine, const char *call, const char *file, int line)
{
	if (fine)
		return;
	printf("%s/%s line %d, %s: %s\n", group_name, file, line, call, strerror(errno));
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

/* ---- objects ---- */

enum kind kinds(void)
{
	return am_root ? KINDS : CHARACTER;
}

static int make_socket(const char *path, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	if (strlen(path) >= sizeof(address.sun_path)) {
		close(fd);
		return mknod(path, S_IFSOCK | mode, 0);
	}
	memcpy(address.sun_path, path, strlen(path));
	ret = bind(fd, (struct sockaddr *)&address, sizeof(address));
	if (ret == 0)
		ret = chmod(path, mode);
	else if (errno == EADDRINUSE)
		errno = EEXIST;
	close(fd);
	return ret;
}

int make(enum kind kind, const char *path, mode_t mode)
{
	switch (kind) {
	case REGULAR:
		return closed(open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode));
	case DIRECTORY:
		return mkdir(path, mode);
	case FIFO:
		return mkfifo(path, mode);
	case SOCKET:
		return make_socket(path, mode);
	case SYMLINK:
		return symlink("nowhere", path);
	case CHARACTER:
		return mknod(path, S_IFCHR | mode, makedev(1, 3));
	case BLOCK:
		return mknod(path, S_IFBLK | mode, makedev(300, 70000));
	case KINDS:
		break;
	}
	return -1;
}

int make_with(const char *path, const char *content)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	ssize_t n = fd < 0 ? -1 : write(fd, content, strlen(content));

	return fd < 0 || close(fd) < 0 || n < 0 ? -1 : 0;
}

static int unmake_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

int unmake(const char *path)
{
	return nftw(path, unmake_one, 32, FTW_DEPTH | FTW_PHYS);
}

struct stat stat_of(const char *path)
{
	struct stat st = {0};

	need(lstat(path, &st));
	return st;
}

struct stat stat_of_fd(int fd)
{
	struct stat st = {0};

	need(fstat(fd, &st));
	return st;
}

mode_t mode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? 0 : st.st_mode & 07777;
}

/* No sleep is long enough everywhere: the clock of the file system itself is asked. */
void tick(void)
{
	static int fd = -1;
	struct stat before, after;

	if (fd < 0)
		fd = open("../clock", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	need(fd);
	need(futimens(fd, NULL));
	need(fstat(fd, &before));
	do {
		usleep(2000);
		need(futimens(fd, NULL));
		need(fstat(fd, &after));
	} while (after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
		 after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
}

/* ---- somebody else ---- */

pid_t as_begin(const struct person *who)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	need(child);
	if (child > 0 || who == NULL)
		return child;
	need(setgroups((size_t)who->group_count, who->groups));
	need(setresgid(who->gid, who->gid, who->gid));
	need(setresuid(who->uid, who->uid, who->uid));
	return 0;
}

void as_end(long ret)
{
	_exit(ret < 0 ? errno : 0);
}

long as_result(pid_t child)
{
	int status;

	need(waitpid(child, &status, 0));
	if (!WIFEXITED(status)) {
		fact("a signal", "%d", WTERMSIG(status));
		return -1;
	}
	errno = WEXITSTATUS(status);
	return errno == 0 ? 0 : -1;
}

/* ---- groups ---- */

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {
	{"names", names_facts}, {"open", open_facts},	{"unlinked", unlinked_facts},
	{"mode", mode_facts},	{"owner", owner_facts}, {"time", time_facts},
	{"data", data_facts},	{"call", call_facts},	{"list", list_facts},
	{"lock", lock_facts},	{"xattr", xattr_facts}, {"acl", acl_facts},
};

static bool wanted(const char *name, char **list)
{
	for (char **at = list; *at != NULL; at++) {
		if (strcmp(*at, name) == 0)
			return true;
	}
	return *list == NULL;
}

/* In a process of its own: a group that fails does not take the others along. */
static void run_group(size_t i)
{
	group_name = groups[i].name;
	need(mkdir(group_name, 0755));
	if (IN_CHILD((chdir(group_name), groups[i].run(), fact("is", "complete"), 0)) < 0)
		fact("is", "incomplete");
	if (unmake(group_name) < 0)
		fact("left", "something that cannot be removed: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	(void)argc;
	am_root = geteuid() == 0;
	umask(022);
	for (size_t i = 0; i < countof(groups); i++) {
		if (wanted(groups[i].name, argv + 1))
			run_group(i);
	}
	unlink("clock");
	return EXIT_SUCCESS;
}
