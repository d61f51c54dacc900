/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * state_dir.c - see state_dir.h. Sockets are bound and called by /proc/self/fd/N/NAME, so that the
 * length of the directory's path does not matter.
 */
#include "xen9pfsd/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/keeper.h"
#include "xenbus/bus.h"

#define XEN_DIR "/run/xen9pfsd"
#define ADMIN_NAME "control.sock"
#define LAUNCHER_NAME "launcher.sock"
#define FILE_MAX (STATE_NAME_MAX + 16) /* NAME with a suffix */
#define SHARE_BACKLOG 4		       /* supervisors come one at a time */
#define ADMIN_BACKLOG 16
#define LAUNCHER_BACKLOG 4

/* ---- the directory ---- */

int state_dir_path(const struct config *config, char path[PATH_MAX])
{
	const char *sim;
	int len;

	if (config->state_dir != NULL)
		len = snprintf(path, PATH_MAX, "%s", config->state_dir);
	else if (bus_is(config->bus, "sim:", &sim))
		/* "@DOMID" at the end of the bus is the name's end here too. */
		len = snprintf(path, PATH_MAX, "%.*s/xen9pfsd%s", (int)strcspn(sim, "@"), sim,
			       sim + strcspn(sim, "@"));
	else
		len = snprintf(path, PATH_MAX, "%s", XEN_DIR);
	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_mount_point(int fd)
{
	struct stat dir, parent;

	return fstat(fd, &dir) == 0 && fstatat(fd, "..", &parent, 0) == 0 &&
	       dir.st_dev != parent.st_dev;
}

/* Whoever may write here chooses what runs with our rights. Somebody's directory that was named
 * by mistake is not made ours either. */
static int check_access(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_uid == geteuid() && (st.st_mode & 077) == 0 ? 0 : -EPERM;
}

static int open_checked(const char *path)
{
	int fd = open_dir(path), err;

	if (fd < 0)
		return fd;
	err = check_access(fd);
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

/* On real Xen: a tmpfs over the directory `fd`, once. Two daemons that start together must not
 * both mount: the directory's own lock is for that. */
static void mount_tmpfs(const struct config *config, int fd, const char *path)
{
	const char *sim;

	if (bus_is(config->bus, "sim:", &sim) || geteuid() != 0)
		return;
	if (flock(fd, LOCK_EX) < 0 || is_mount_point(fd))
		return;
	if (mount("xen9pfsd", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		log_warning("%s: cannot mount a tmpfs: %s; sessions stand in the file system below",
			    path, strerror(errno));
}

/* Only one supervisor on a bus: two would fight for each device. */
static const char *const lock_names[] = {
	[STATE_DIR_SUPERVISOR] = "lock",
	[STATE_DIR_LAUNCHER] = "launcher.lock",
};

static int take_lock(struct state_dir *dir, enum state_dir_lock lock)
{
	if (lock == STATE_DIR_NO_LOCK)
		return 0;
	dir->lock =
		openat(dir->fd, lock_names[lock], O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return dir->lock < 0 || flock(dir->lock, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

static int open_and_lock(struct state_dir *dir, const struct config *config, const char *path,
			 enum state_dir_lock lock)
{
	_cleanup_close_ int below = -1;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	below = open_checked(path);
	if (below < 0)
		return below;
	mount_tmpfs(config, below, path);
	/* What is mounted there now, whoever did it. */
	dir->fd = open_checked(path);
	return dir->fd < 0 ? dir->fd : take_lock(dir, lock);
}

int state_dir_open(struct state_dir *dir, const struct config *config, enum state_dir_lock lock,
		   char *err, size_t errlen)
{
	char path[PATH_MAX];
	int ret = state_dir_path(config, path);

	*dir = STATE_DIR_NONE;
	if (ret == 0)
		ret = open_and_lock(dir, config, path, lock);
	if (ret == 0)
		return 0;
	state_dir_close(dir);
	if (ret == -EWOULDBLOCK)
		snprintf(err, errlen, "%s/%s: another xen9pfsd is running", path, lock_names[lock]);
	else if (ret == -ENAMETOOLONG)
		snprintf(err, errlen, "state directory: %s", strerror(-ret));
	else
		snprintf(err, errlen, "state directory %s: %s", path,
			 ret == -EPERM ? "must be yours, and nobody else's (mode 0700)"
				       : strerror(-ret));
	return ret;
}

void state_dir_close(struct state_dir *dir)
{
	cleanup_close(&dir->lock);
	cleanup_close(&dir->fd);
	*dir = STATE_DIR_NONE;
}

/* ---- files of a share ---- */

void state_dir_name(char name[STATE_NAME_MAX], const char *kind, uint32_t domid, uint32_t devid)
{
	snprintf(name, STATE_NAME_MAX, "%s-%u-%u", kind, domid, devid);
}

static void file_name(char file[FILE_MAX], const char *name, const char *suffix)
{
	snprintf(file, FILE_MAX, "%s%s", name, suffix);
}

int state_dir_make_arena(const struct state_dir *dir, const char *name)
{
	char file[FILE_MAX];
	int fd;

	file_name(file, name, ".arena");
	/* Never emptied in place: somebody may have it mapped. */
	unlinkat(dir->fd, file, 0);
	fd = openat(dir->fd, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int state_dir_open_arena(const struct state_dir *dir, const char *name)
{
	char file[FILE_MAX];
	int fd;

	file_name(file, name, ".arena");
	fd = openat(dir->fd, file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

bool state_dir_has_session(const struct state_dir *dir, const char *name)
{
	char file[FILE_MAX];
	struct stat st;

	file_name(file, name, ".arena");
	return fstatat(dir->fd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size > 0;
}

void state_dir_remove(const struct state_dir *dir, const char *name)
{
	static const char *const suffixes[] = {".arena", ".sock", ".sock.new"};
	char file[FILE_MAX];

	for (size_t i = 0; i < countof(suffixes); i++) {
		file_name(file, name, suffixes[i]);
		unlinkat(dir->fd, file, 0);
	}
}

void state_dir_set_detached(const struct state_dir *dir, const char *name, bool detached)
{
	char file[FILE_MAX];
	int fd;

	file_name(file, name, ".detached");
	if (!detached) {
		unlinkat(dir->fd, file, 0);
		return;
	}
	fd = openat(dir->fd, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_warning("%s: %s", file, strerror(errno));
	else
		close(fd);
}

bool state_dir_is_detached(const struct state_dir *dir, const char *name)
{
	char file[FILE_MAX];

	file_name(file, name, ".detached");
	return faccessat(dir->fd, file, F_OK, 0) == 0;
}

int state_dir_each(const struct state_dir *dir,
		   void (*found)(void *arg, const char *kind, uint32_t domid, uint32_t devid),
		   void *arg)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (stream == NULL) {
		int err = -errno;

		cleanup_close(&fd);
		return err;
	}
	while ((entry = readdir(stream)) != NULL) {
		uint32_t domid, devid;
		char kind[16];
		char dot;

		if (sscanf(entry->d_name, "%15[a-z0-9_]-%u-%u%c", kind, &domid, &devid, &dot) == 4)
			found(arg, kind, domid, devid);
	}
	closedir(stream);
	return 0;
}

/* ---- sockets ---- */

static socklen_t socket_address(struct sockaddr_un *address, int dir, const char *file)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", dir, file);
	return sizeof(*address);
}

static int listen_at(int dir, const char *file, int backlog)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t length = socket_address(&address, dir, file);

	if (sock < 0)
		return -errno;
	unlinkat(dir, file, 0);
	/* The directory keeps strangers out; the mode is for its copies. */
	if (fchmod(sock, 0600) < 0 || bind(sock, (struct sockaddr *)&address, length) < 0 ||
	    listen(sock, backlog) < 0) {
		int err = -errno;

		close(sock);
		return err;
	}
	return sock;
}

static int call_at(int dir, const char *file, bool tells_sender)
{
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t length = socket_address(&address, dir, file);
	int on = tells_sender;

	if (sock < 0)
		return -errno;
	/* The kernel then tells the sender's process id with each message. */
	if (setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    connect(sock, (struct sockaddr *)&address, length) < 0) {
		int err = -errno;

		close(sock);
		return err;
	}
	return sock;
}

int state_dir_listen(const struct state_dir *dir, const char *name)
{
	char file[FILE_MAX];

	file_name(file, name, ".sock.new");
	return listen_at(dir->fd, file, SHARE_BACKLOG);
}

int state_dir_settle(const struct state_dir *dir, const char *name)
{
	char from[FILE_MAX], to[FILE_MAX];

	file_name(from, name, ".sock.new");
	file_name(to, name, ".sock");
	return renameat(dir->fd, from, dir->fd, to) < 0 ? -errno : 0;
}

int state_dir_call(const struct state_dir *dir, const char *name)
{
	char file[FILE_MAX];
	int sock;

	file_name(file, name, ".sock");
	sock = call_at(dir->fd, file, true);
	/* A successor may have taken over while nobody was there to rename its socket. */
	if ((sock == -ECONNREFUSED || sock == -ENOENT) && state_dir_settle(dir, name) == 0)
		sock = call_at(dir->fd, file, true);
	return sock;
}

bool state_dir_has_successor(const struct state_dir *dir, const char *name)
{
	_cleanup_close_ int sock = -1;
	char file[FILE_MAX];

	file_name(file, name, ".sock.new");
	sock = call_at(dir->fd, file, false);
	return sock >= 0 || sock == -EAGAIN;
}

int state_dir_listen_launcher(const struct state_dir *dir)
{
	return listen_at(dir->fd, LAUNCHER_NAME, LAUNCHER_BACKLOG);
}

int state_dir_call_launcher(const struct state_dir *dir)
{
	return call_at(dir->fd, LAUNCHER_NAME, false);
}

int state_dir_listen_admin(const struct state_dir *dir)
{
	return listen_at(dir->fd, ADMIN_NAME, ADMIN_BACKLOG);
}

int state_dir_call_admin(const struct config *config)
{
	char path[PATH_MAX];
	int dir, sock, err = state_dir_path(config, path);

	if (err < 0)
		return err;
	dir = open_dir(path);
	if (dir < 0)
		return dir;
	sock = call_at(dir, ADMIN_NAME, false);
	close(dir);
	return sock;
}

/* ---- processes that nobody knows ---- */

struct arena_id {
	char file[FILE_MAX];
	dev_t dev;
	ino_t ino;
};

/* Descriptors of strangers may be of storage that does not answer. What a link reads touches none,
 * so most are told by that. */
static bool reads_as_arena(int proc, const char *path, const char *file)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(proc, path, text, sizeof(text) - 1);
	const char *name;

	if (length < 0)
		return false;
	text[length] = '\0';
	name = strrchr(text, '/');
	return name != NULL && strcmp(name + 1, file) == 0;
}

static bool holds_arena(int proc, const char *pid, const struct arena_id *arena)
{
	char path[64];
	struct statx now;

	snprintf(path, sizeof(path), "%s/fd/%d", pid, KEEPER_ARENA);
	return reads_as_arena(proc, path, arena->file) &&
	       statx(proc, path, AT_STATX_DONT_SYNC, STATX_INO, &now) == 0 &&
	       makedev(now.stx_dev_major, now.stx_dev_minor) == arena->dev &&
	       now.stx_ino == arena->ino;
}

/* A process descriptor is taken before the last look, so the id cannot be somebody else's. */
static bool kill_holder(int proc, const char *pid, const struct arena_id *arena)
{
	pid_t id = (pid_t)atoi(pid), group;
	_cleanup_close_ int pidfd = -1;

	if (id <= 1 || id == getpid() || !holds_arena(proc, pid, arena))
		return false;
	pidfd = (int)syscall(SYS_pidfd_open, id, 0);
	if (pidfd < 0 || !holds_arena(proc, pid, arena))
		return false;
	/* Keeper and worker at once: each would replace the other. */
	group = getpgid(id);
	if (group > 1 && group != getpgrp())
		kill(-group, SIGKILL);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return true;
}

int state_dir_kill(const struct state_dir *dir, const char *name)
{
	struct arena_id arena;
	struct dirent *entry;
	struct stat st;
	int killed = 0;
	DIR *proc;

	file_name(arena.file, name, ".arena");
	if (fstatat(dir->fd, arena.file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	arena.dev = st.st_dev;
	arena.ino = st.st_ino;
	proc = opendir("/proc");
	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    kill_holder(dirfd(proc), entry->d_name, &arena))
			killed++;
	}
	closedir(proc);
	return killed;
}
