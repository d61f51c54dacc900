/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local.c - the host directory driver: its life, finding objects, and which slot is where.
 *
 * The host kernel is given single names and descriptors, never paths, with one exception:
 * where an object is now can only be learnt as a path, from /proc. That path is a hint. It
 * is walked beneath the root with all turnings forbidden and believed only if the object
 * is found at its end; ".." is never put to the host, which would follow a directory that
 * was moved out of the export.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "fs/local.h"
#include "fs/models.h"

/* Not in linux/magic.h. */
#define NTFS_MAGIC 0x5346544e
#define NTFS3_MAGIC 0x7366746e

#define LOCAL_TRIES 100 /* against renames on the way; each loss needs another one in time */

bool local_is_on(int fd, const uint32_t *types, size_t count)
{
	struct statfs st;

	if (fstatfs(fd, &st))
		return false;
	for (size_t i = 0; i < count; i++) {
		if ((uint32_t)st.f_type == types[i])
			return true;
	}
	return false;
}

bool local_is_kernels_own(int fd)
{
	static const uint32_t types[] = {
		EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC,
	};

	return local_is_on(fd, types, countof(types));
}

struct local_fd_name local_fd_name(int fd)
{
	struct local_fd_name name;

	snprintf(name.text, sizeof(name.text), "%d", fd);
	return name;
}

/* EAGAIN and EXDEV: a rename came between, and the kernel could not tell that the object
 * is still beneath. */
int local_beneath(const struct local *local, int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_PATH | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int ret = -EAGAIN;

	for (int i = 0; i < LOCAL_TRIES && (ret == -EAGAIN || ret == -EXDEV); i++)
		ret = LOCAL_OPEN(local, syscall(SYS_openat2, dir, path, &how, sizeof(how)));
	return ret == -EXDEV ? -ENOENT : ret;
}

int local_reopen(const struct local *local, int fd, int flags)
{
	flags |= O_CLOEXEC | O_NOCTTY | O_NONBLOCK; /* O_NONBLOCK: no waiting for a lease */
	return LOCAL_OPEN(local, openat(local->proc, local_fd_name(fd).text, flags));
}

int local_pin(struct local *local, int fd, struct fs_node *node, struct fs_attr *attr)
{
	_cleanup_close_ int pinned = fd;
	int ret = local_stat(local, fd, "", attr);

	if (ret == 0)
		*node = (struct fs_node){.id = take_fd(&pinned), .type = attr->mode & S_IFMT};
	return ret;
}

static int local_walk_anew(struct local *local, int dir, const char *name, struct statx *st)
{
	unsigned losses = local_recent_losses(local);
	_cleanup_close_ int fd = local_beneath(local, dir, name, 0);
	int ret = fd < 0 ? fd : local_statx(local, fd, "", st);

	if (ret)
		return ret;
	local_recent_note(local, dir, name, fd, st, losses);
	return take_fd(&fd);
}

int local_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
	       struct fs_attr *attr)
{
	struct local *local = local_of(fs);
	struct statx st;
	int fd = local_recent_take(local, dir.id, name, &st), ret;

	if (fd < 0)
		fd = local_walk_anew(local, dir.id, name, &st);
	if (fd < 0)
		return fd;
	*node = (struct fs_node){.id = fd, .type = st.stx_mode & S_IFMT};
	ret = local_attr_of(local, &st, attr);
	if (ret)
		local_forget(fs, *node);
	return ret;
}

static int local_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	return local_stat(local_of(fs), dir.id, name, attr);
}

void local_forget(struct fs *fs, struct fs_node node)
{
	local_recent_forget(local_of(fs), node);
}

static int local_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	struct local *local = local_of(fs);

	return local_walk(fs, (struct fs_node){.id = local->root}, ".", node, attr);
}

/* The path of a descriptor's object, as /proc has it now. */
static int local_path(const struct local *local, int fd, char path[PATH_MAX])
{
	ssize_t n = readlinkat(local->proc, local_fd_name(fd).text, path, PATH_MAX);

	if (n < 0)
		return -errno;
	if (n == PATH_MAX)
		return -ENAMETOOLONG;
	path[n] = '\0';
	return 0;
}

/* The part of `path` below directory `root`; NULL when it is not there. */
static const char *local_below(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

	return strncmp(path, root, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

static bool local_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether directory `fd` is beneath the root, or is it. Each step up is one moment, so renames on
 * the way do not disturb it, as they do a walk down by names. */
static int local_check_beneath(const struct local *local, int fd)
{
	_cleanup_close_ int at = -1;
	struct stat root, st, below = {0};

	if (fstat(local->root, &root) || fstat(fd, &st))
		return -errno;
	for (int i = 0; i < PATH_MAX && !local_is_same(&st, &root); i++) {
		int up = LOCAL_OPEN(local, openat(at < 0 ? fd : at, "..", O_PATH | O_CLOEXEC));

		if (up < 0)
			return up;
		cleanup_close(&at);
		at = up;
		below = st;
		if (fstat(at, &st))
			return -errno;
		if (local_is_same(&st, &below))
			return -ENOENT;
	}
	return local_is_same(&st, &root) ? 0 : -ENOENT;
}

static int local_above(const struct local *local, int fd)
{
	_cleanup_close_ int up = LOCAL_OPEN(local, openat(fd, "..", O_PATH | O_CLOEXEC));
	int ret = up < 0 ? up : local_check_beneath(local, up);

	return ret < 0 ? ret : take_fd(&up);
}

/* The directory at the host's path `path`, if that is beneath the root. */
static int local_at(const struct local *local, const char *path)
{
	char root[PATH_MAX];
	int ret = local_path(local, local->root, root);
	const char *below;

	if (ret < 0)
		return ret;
	if (strcmp(path, root) == 0)
		below = ".";
	else
		below = local_below(path, root);
	ret = below ? local_beneath(local, local->root, below, O_DIRECTORY) : -ENOENT;
	return ret == -ELOOP || ret == -ENOTDIR || ret == -EAGAIN ? -ENOENT : ret;
}

/* Of a directory, which knows its parent, also where a path is too long to be told. */
static int local_holder_deep(const struct local *local, int fd, const struct stat *st, char *name)
{
	_cleanup_close_ int dir = local_above(local, fd);
	const struct dirent *entry;
	struct stat found;
	int ret = -ENOENT, list;
	DIR *stream;

	if (dir < 0)
		return dir;
	list = LOCAL_OPEN(local, openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (list < 0)
		return list;
	stream = fdopendir(list);
	if (!stream) {
		close(list);
		return -ENOMEM;
	}
	while (ret && (entry = readdir(stream)) != NULL) {
		if (fs_name_check(entry->d_name, FS_NAME_MAKE) == 0 && entry->d_ino == st->st_ino &&
		    fstatat(dir, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
		    local_is_same(st, &found)) {
			strcpy(name, entry->d_name);
			ret = 0;
		}
	}
	closedir(stream);
	return ret ? ret : take_fd(&dir);
}

/* The directory that holds `fd`, if it is found there by the name it has now. */
static int local_holder_now(const struct local *local, int fd, const struct stat *st, char *name)
{
	char path[PATH_MAX], *slash;
	_cleanup_close_ int dir = -1;
	struct stat found;
	int ret = local_path(local, fd, path);

	if (ret == -ENAMETOOLONG && S_ISDIR(st->st_mode))
		return local_holder_deep(local, fd, st, name);
	if (ret)
		return ret;
	slash = strrchr(path, '/');
	if (!slash || slash[1] == '\0' || strlen(slash + 1) > FS_NAME_MAX)
		return -ENOENT;
	*slash = '\0';
	dir = S_ISDIR(st->st_mode) ? local_above(local, fd)
				   : local_at(local, slash == path ? "/" : path);
	if (dir < 0)
		return dir;
	if (fstatat(dir, slash + 1, &found, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (!local_is_same(st, &found))
		return -ENOENT;
	strcpy(name, slash + 1);
	return take_fd(&dir);
}

/* While something is being renamed, an object that is there may be missed; again and again only
 * by an unlucky one. */
static int local_holder(const struct local *local, int fd, const struct stat *st, char *name)
{
	int ret = -ENOENT;

	for (int i = 0; i < LOCAL_TRIES && ret == -ENOENT && st->st_nlink > 0; i++)
		ret = local_holder_now(local, fd, st, name);
	return ret;
}

int local_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	struct local *local = local_of(fs);
	struct stat st, root;
	int fd;

	if (fstat(node.id, &st) || fstat(local->root, &root))
		return -errno;
	if (local_is_same(&st, &root)) {
		strcpy(name, "/");
		fd = local_beneath(local, local->root, ".", O_DIRECTORY);
	} else {
		fd = local_holder(local, node.id, &st, name);
	}
	if (fd < 0)
		return fd;
	*dir = (struct fs_node){.id = fd, .type = S_IFDIR};
	return 0;
}

static int local_is_deep(struct fs *fs, struct fs_node node)
{
	char path[PATH_MAX];
	int ret = local_path(local_of(fs), node.id, path);

	return ret == -ENAMETOOLONG ? 1 : ret;
}

static void local_destroy(struct fs *fs)
{
	struct local *local = local_of(fs);

	local_recent_destroy(local);
	cleanup_close(&local->root);
	cleanup_close(&local->proc);
	pthread_mutex_destroy(&local->lock);
	pthread_mutex_destroy(&local->known_lock);
	free(local->known);
	free(local->devices);
	free(local);
}

static const struct fs_ops local_ops = {
	.name = "local",
	.act_as = local_act_as,
	.destroy = local_destroy,
	.root = local_root,
	.walk = local_walk,
	.lookup = local_lookup,
	.parent = local_parent,
	.is_deep = local_is_deep,
	.forget = local_forget,
	.handle = local_handle,
	.restore = local_restore,
	.regain = local_regain,
	.getattr = local_getattr,
	.setattr = local_setattr,
	.readlink = local_readlink,
	.open = local_open,
	.pin = local_pin_file,
	.size = local_size,
	.taken = local_taken,
	.create = local_create,
	.close = local_close,
	.read = local_read,
	.write = local_write,
	.copies = local_copies,
	.fsync = local_fsync,
	.readdir = local_readdir,
	.mkdir = local_mkdir,
	.symlink = local_symlink,
	.mknod = local_mknod,
	.link = local_link,
	.rename = local_rename,
	.unlink = local_unlink,
	.statfs = local_statfs,
	.getxattr = local_getxattr,
	.listxattr = local_listxattr,
	.setxattr = local_setxattr,
	.removexattr = local_removexattr,
	.lock = local_lock,
	.lock_wait = local_lock_wait,
	.lock_wake = local_lock_wake,
	.getlock = local_getlock,
};

static int local_open_root(struct local *local, int root_fd, char *err, size_t errlen)
{
	struct stat st;
	int ret = local_beneath(local, root_fd, ".", O_DIRECTORY);

	local->root = ret;
	if (ret >= 0)
		ret = LOCAL_SYS(fstat(local->root, &st));
	if (ret == -ENOSYS)
		snprintf(err, errlen, "the kernel has no openat2(2); Linux 5.6 or later is needed");
	else if (ret)
		snprintf(err, errlen, "cannot open the export: %s", strerror(-ret));
	if (ret)
		return ret;
	local->root_device = (struct local_device){major(st.st_dev), minor(st.st_dev), 0};
	local->root_ino = st.st_ino;
	local->root_mount = local_mount_id(local->root);
	return 0;
}

static int local_open_proc(struct local *local, char *err, size_t errlen)
{
	static const uint32_t procfs = PROC_SUPER_MAGIC;

	local->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (local->proc >= 0 && local_is_on(local->proc, &procfs, 1))
		return 0;
	snprintf(err, errlen, "/proc/self/fd is needed and not there; is /proc mounted?");
	return -ENOENT;
}

static int local_set_model(struct local *local, enum fs_model model, char *err, size_t errlen)
{
	const char *missing;

	/* This thread may have written for a user of another export. */
	local_keeps_setid();
	missing = local_cred_missing();
	local->passthrough = model == FS_MODEL_PASSTHROUGH;
	local->switch_creds = missing == NULL;
	if (!local->passthrough || !missing)
		return 0;
	snprintf(err, errlen, "the model passthrough needs root with %s; run as root or use none",
		 missing);
	return -EPERM;
}

/* For a model that keeps its files beside the guest's, under names that no guest may have: where a
 * file is found by more names than it is listed by (other cases, dots at the end, 8.3), these are.
 */
static bool local_folds_names(const struct local *local)
{
	static const uint32_t types[] = {
		MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
		SMB_SUPER_MAGIC,   NTFS_MAGIC,	      NTFS3_MAGIC,
	};
	_cleanup_close_ int fd = openat(local->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned flags = 0;

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_CASEFOLD_FL))
		return true;
	return local_is_on(local->root, types, countof(types));
}

static int local_check_names(const struct local *local, enum fs_model model, char *err,
			     size_t errlen)
{
	if (model != FS_MODEL_MAPPED_FILE || !local_folds_names(local))
		return 0;
	snprintf(err, errlen,
		 "the model mapped-file needs a file system that tells upper from lower case; here "
		 "a guest could reach its attributes by another spelling");
	return -EOPNOTSUPP;
}

static int local_make_known(struct local *local, char *err, size_t errlen)
{
	local->known = calloc(LOCAL_KNOWN_MAX, sizeof(*local->known));
	if (local->known)
		return 0;
	snprintf(err, errlen, "out of memory");
	return -ENOMEM;
}

static int local_begin_recent(struct local *local, char *err, size_t errlen)
{
	int ret = local_recent_create(local);

	if (ret)
		snprintf(err, errlen, "cannot begin with the export: %s", strerror(-ret));
	return ret;
}

int fs_local_create(int root_fd, enum fs_model model, struct fs **fs, char *err, size_t errlen)
{
	const struct fs_export export = {.model = model};

	return local_export(root_fd, &export, fs, err, errlen);
}

/* Sets the umask of the process to 0: guests have applied their own already. And a handler for
 * SIGURG, see local_lock.c. */
int local_export(int root_fd, const struct fs_export *export, struct fs **fs, char *err,
		 size_t errlen)
{
	struct local *local = calloc(1, sizeof(*local));
	int ret;

	if (!local) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	local->fs.ops = &local_ops;
	local->root = -1;
	local->all_xattrs =
		export->xattr_trusted == FS_XATTR_PASS || export->xattr_security == FS_XATTR_PASS;
	local->hide_mounts = export->mounts == FS_MOUNTS_HIDE;
	local->proc = -1;
	pthread_mutex_init(&local->lock, NULL);
	pthread_mutex_init(&local->known_lock, NULL);
	ret = local_make_known(local, err, errlen);
	if (ret == 0)
		ret = local_open_root(local, root_fd, err, errlen);
	if (ret == 0)
		ret = local_begin_recent(local, err, errlen);
	if (ret == 0)
		ret = local_open_proc(local, err, errlen);
	if (ret == 0)
		ret = local_check_names(local, export->model, err, errlen);
	if (ret == 0)
		ret = local_set_model(local, export->model, err, errlen);
	if (ret) {
		local_destroy(&local->fs);
		return ret;
	}
	local_lock_begin();
	umask(0);
	*fs = &local->fs;
	return 0;
}
