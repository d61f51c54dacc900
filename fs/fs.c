/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fs.c - the calls of fs.h: everything that can be judged without knowing the driver.
 *
 * Names, ranges, flags, access modes and object types are checked here and nowhere else.
 * The types can be, because a node carries its own and cannot change it while pinned; so
 * no driver is ever asked to list a file, to open a FIFO or to truncate a symlink, and
 * the answer to such a mistake is the same number for all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/util.h"
#include "fs/fs.h"
#include "fs/intent.h"

#define CREATE_TRIES 100 /* at a name that comes and goes */

#define FS_OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC | O_NOATIME)
#define FS_MODE_BITS 07777
#define FS_DIR_BITS (FS_MODE_BITS & ~S_ISUID) /* as mkdir(2) has it */
#define FS_NSEC_PER_SEC 1000000000

/* What rmdir(2) says of "." and ".." serves for unlink too: whoever asks to remove them is
 * told why not, and a caller need not know beforehand which of the two it will be. */
int fs_name_check(const char *name, enum fs_name_use use)
{
	static const struct {
		int bad, dot, dotdot; /* bad: empty, or with a "/" */
	} answers[] = {
		[FS_NAME_WALK] = {-ENOENT, -EINVAL, -EINVAL},
		[FS_NAME_MAKE] = {-EINVAL, -EEXIST, -EEXIST},
		[FS_NAME_RENAME] = {-EINVAL, -EBUSY, -EBUSY},
		[FS_NAME_UNLINK] = {-EINVAL, -EINVAL, -ENOTEMPTY},
	};

	if (name[0] == '\0' || strchr(name, '/'))
		return answers[use].bad;
	if (strcmp(name, ".") == 0)
		return answers[use].dot;
	if (strcmp(name, "..") == 0)
		return answers[use].dotdot;
	return strlen(name) > FS_NAME_MAX ? -ENAMETOOLONG : 0;
}

static int fs_entry_check(struct fs_node dir, const char *name, enum fs_name_use use)
{
	return S_ISDIR(dir.type) ? fs_name_check(name, use) : -ENOTDIR;
}

static int fs_flags_check(int flags, int more)
{
	if ((flags & ~(FS_OPEN_FLAGS | more)) || (flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	return 0;
}

/* What opening the same object once more takes; the rest was done by the first time. */
static void fs_keep_flags(struct fs_file *file, int flags)
{
	file->flags = (uint32_t)(flags & ~(O_TRUNC | O_EXCL)) & INT32_MAX;
}

static bool fs_readable(struct fs_file file)
{
	return (file.flags & O_ACCMODE) != O_WRONLY;
}

static bool fs_writable(struct fs_file file)
{
	return (file.flags & O_ACCMODE) != O_RDONLY;
}

static bool fs_range_fits(uint64_t offset, size_t size)
{
	return offset <= INT64_MAX && size <= INT64_MAX - offset;
}

void fs_destroy(struct fs *fs)
{
	if (fs)
		fs->ops->destroy(fs);
}

int fs_act_as(struct fs *fs, struct fs_cred cred)
{
	return fs->ops->act_as ? fs->ops->act_as(fs, cred) : 0;
}

int fs_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr)
{
	*node = FS_NO_NODE;
	return fs->ops->root ? fs->ops->root(fs, node, attr) : -EOPNOTSUPP;
}

static int fs_walk_up(struct fs *fs, struct fs_node dir, struct fs_node *node, struct fs_attr *attr)
{
	char name[FS_NAME_MAX + 1];
	int ret = fs_parent(fs, dir, node, name);

	if (ret)
		return ret;
	ret = fs_getattr(fs, *node, attr);
	if (ret) {
		fs_forget(fs, *node);
		*node = FS_NO_NODE;
	}
	return ret;
}

int fs_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
	    struct fs_attr *attr)
{
	int ret = 0;

	*node = FS_NO_NODE;
	if (!S_ISDIR(dir.type))
		return -ENOTDIR;
	if (strcmp(name, "..") == 0)
		return fs_walk_up(fs, dir, node, attr);
	if (strcmp(name, ".") != 0)
		ret = fs_name_check(name, FS_NAME_WALK);
	if (ret)
		return ret;
	return fs->ops->walk ? fs->ops->walk(fs, dir, name, node, attr) : -EOPNOTSUPP;
}

int fs_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	*dir = FS_NO_NODE;
	return fs->ops->parent ? fs->ops->parent(fs, node, dir, name) : -EOPNOTSUPP;
}

int fs_is_deep(struct fs *fs, struct fs_node node)
{
	return fs->ops->is_deep ? fs->ops->is_deep(fs, node) : 0;
}

void fs_forget(struct fs *fs, struct fs_node node)
{
	if (node.id >= 0 && fs->ops->forget)
		fs->ops->forget(fs, node);
}

int fs_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr)
{
	int ret = fs_entry_check(dir, name, FS_NAME_WALK);

	if (ret)
		return ret;
	return fs->ops->lookup ? fs->ops->lookup(fs, dir, name, attr) : -EOPNOTSUPP;
}

int fs_handle(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
	      struct fs_handle *handle)
{
	*handle = (struct fs_handle){.size = 0};
	return fs->ops->handle ? fs->ops->handle(fs, node, attr, handle) : -EOPNOTSUPP;
}

int fs_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
	       struct fs_attr *attr)
{
	*node = FS_NO_NODE;
	if (handle->size == 0 || handle->size > sizeof(handle->bytes))
		return -ESTALE;
	return fs->ops->restore ? fs->ops->restore(fs, handle, node, attr) : -EOPNOTSUPP;
}

int fs_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node)
{
	*node = FS_NO_NODE;
	if (handle->size == 0 || handle->size > sizeof(handle->bytes))
		return -ESTALE;
	return fs->ops->regain ? fs->ops->regain(fs, handle, node) : -EOPNOTSUPP;
}

int fs_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	return fs->ops->getattr ? fs->ops->getattr(fs, node, attr) : -EOPNOTSUPP;
}

static bool fs_time_fits(const struct fs_setattr *set, uint32_t bit, uint32_t now_bit,
			 const struct fs_time *time)
{
	bool counts = (set->valid & bit) && !(set->valid & now_bit);

	return !counts || time->nsec < FS_NSEC_PER_SEC;
}

static int fs_setattr_check(struct fs_node node, const struct fs_setattr *set)
{
	if ((set->valid & FS_SET_SIZE) && S_ISDIR(node.type))
		return -EISDIR;
	if ((set->valid & FS_SET_SIZE) && (!S_ISREG(node.type) || set->size > INT64_MAX))
		return -EINVAL;
	if ((set->valid & FS_SET_MODE) && S_ISLNK(node.type))
		return -EOPNOTSUPP;
	if (!fs_time_fits(set, FS_SET_ATIME, FS_SET_ATIME_NOW, &set->atime) ||
	    !fs_time_fits(set, FS_SET_MTIME, FS_SET_MTIME_NOW, &set->mtime))
		return -EINVAL;
	return 0;
}

/* What another change brings about anyway is no change of its own, which would take a right of its
 * own: Linux' client adds ctime to nearly everything, and mtime to a size. */
static uint32_t fs_own_changes(uint32_t valid)
{
	const uint32_t atime = FS_SET_ATIME | FS_SET_ATIME_NOW;

	if ((valid & FS_SET_SIZE) && !(valid & atime))
		valid &= ~(uint32_t)FS_SET_MTIME_NOW;
	if (valid != FS_SET_CTIME)
		valid &= ~(uint32_t)FS_SET_CTIME;
	return valid;
}

/* As chown(2) has it, an owner or group of -1 stays what it is. */
int fs_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
	       const struct fs_setattr *set)
{
	struct fs_setattr clean = *set;
	int ret = fs_setattr_check(node, set);

	if (ret)
		return ret;
	clean.mode &= FS_MODE_BITS;
	if (set->uid == (uint32_t)-1)
		clean.valid &= ~(uint32_t)FS_SET_UID;
	if (set->gid == (uint32_t)-1)
		clean.valid &= ~(uint32_t)FS_SET_GID;
	clean.valid = fs_own_changes(clean.valid);
	return fs->ops->setattr ? fs->ops->setattr(fs, node, file, &clean) : -EOPNOTSUPP;
}

int fs_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size)
{
	if (!S_ISLNK(node.type))
		return -EINVAL;
	return fs->ops->readlink ? fs->ops->readlink(fs, node, buf, size) : -EOPNOTSUPP;
}

static int fs_open_check(const struct fs *fs, struct fs_node node, int flags)
{
	switch (node.type & S_IFMT) {
	case S_IFREG:
		return 0;
	case S_IFDIR:
		return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? -EISDIR : 0;
	case S_IFLNK:
		return -ELOOP;
	default:
		return fs->ops->opens_special ? 0 : -ENXIO;
	}
}

static void fs_opened(struct fs *fs, int flags, struct fs_file *file)
{
	fs_keep_flags(file, flags);
	file->copies = fs->ops->copies && fs->ops->copies(fs, *file);
}

int fs_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	int ret = fs_flags_check(flags, 0);

	*file = FS_NO_FILE;
	if (ret == 0)
		ret = fs_open_check(fs, node, flags);
	if (ret)
		return ret;
	ret = fs->ops->open ? fs->ops->open(fs, node, flags, file) : -EOPNOTSUPP;
	if (ret == 0)
		fs_opened(fs, flags, file);
	return ret;
}

/* What fs_create() does without O_EXCL when the name is taken: as fs_walk() and fs_open(). */
static int fs_open_existing(struct fs *fs, struct fs_node dir, const char *name, int flags,
			    struct fs_node *node, struct fs_file *file, struct fs_attr *attr)
{
	int ret = fs_walk(fs, dir, name, node, attr);

	if (ret)
		return ret;
	ret = S_ISDIR(node->type) ? -EISDIR : fs_open(fs, *node, flags, file);
	if (ret == 0 && (flags & O_TRUNC))
		ret = fs_getattr(fs, *node, attr);
	if (ret == 0)
		return 0;
	fs_close(fs, *file);
	fs_forget(fs, *node);
	*node = FS_NO_NODE;
	*file = FS_NO_FILE;
	return ret;
}

static int fs_set_mode(struct fs *fs, struct fs_node node, uint32_t mode)
{
	const struct fs_setattr set = {.valid = FS_SET_MODE, .mode = mode};

	return fs_setattr(fs, node, FS_NO_FILE, &set);
}

/* Opens a file that has mode `made` since it was made. That may deny even its owner, whom this
 * process works for; the first try had it open from the start. Then the mode is widened meanwhile,
 * and found like that if a process dies in here. */
static int fs_open_denied(struct fs *fs, struct fs_node node, int flags, struct fs_file *file,
			  uint32_t now, uint32_t made)
{
	const uint32_t wide = made | S_IRUSR | S_IWUSR;
	int ret = fs_open(fs, node, flags, file), restored = 0;
	bool widen = ret == -EACCES && now == made;

	if (widen && (ret = fs_set_mode(fs, node, wide)) == 0)
		ret = fs_open(fs, node, flags, file);
	if (widen || (now == wide && made != wide))
		restored = fs_set_mode(fs, node, made);
	return ret ? ret : restored;
}

/* The file that an exclusive create has made already. It may be open elsewhere by now, and have
 * content. ESTALE: somebody removed it. */
static int fs_open_made(struct fs *fs, struct fs_node dir, const char *name, int flags,
			struct fs_node *node, struct fs_file *file, struct fs_attr *attr,
			const struct fs_intent *intent)
{
	int ret = fs_walk(fs, dir, name, node, attr);

	if (ret == 0 && !intent_is(intent, attr))
		ret = -ENOENT;
	if (ret == 0)
		ret = fs_open_denied(fs, *node, flags & ~(O_EXCL | O_TRUNC), file, attr->mode,
				     intent->mode);
	if (ret == 0)
		ret = fs_getattr(fs, *node, attr);
	if (ret == 0)
		return 0;
	fs_close(fs, *file);
	*file = FS_NO_FILE;
	fs_forget(fs, *node);
	*node = FS_NO_NODE;
	return ret == -ENOENT ? -ESTALE : ret;
}

static int fs_create_new(struct fs *fs, struct fs_node dir, const char *name, int flags,
			 uint32_t mode, struct fs_cred cred, struct fs_node *node,
			 struct fs_file *file, struct fs_attr *attr)
{
	int ret = fs->ops->create(fs, dir, name, flags & ~O_EXCL, mode & FS_MODE_BITS, cred, node,
				  file, attr);

	if (ret == 0) {
		fs_opened(fs, flags, file);
		return 0;
	}
	/* A slot that failed half way has closed what it opened. */
	*node = FS_NO_NODE;
	*file = FS_NO_FILE;
	return ret;
}

static int fs_create_exclusive(struct fs *fs, struct fs_node dir, const char *name, int flags,
			       uint32_t mode, struct fs_cred cred, struct fs_node *node,
			       struct fs_file *file, struct fs_attr *attr, struct fs_intent *intent)
{
	const struct fs_object object = {.mode = S_IFREG | (mode & FS_MODE_BITS), .cred = cred};
	int ret = intent_make(fs, dir, name, &object, attr, intent);

	if (ret == 0)
		return fs_open_made(fs, dir, name, flags, node, file, attr, intent);
	if (ret != INTENT_CALL)
		return ret;
	ret = fs_create_new(fs, dir, name, flags, mode, cred, node, file, attr);
	return intent_made(intent, ret, attr);
}

/* Without O_EXCL it can be done twice, unless a file is made by halves: then the first try notes
 * that there was none. */
static int fs_create_again(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
			   struct fs_cred cred, struct fs_intent *intent)
{
	const struct fs_object object = {.mode = S_IFREG | (mode & FS_MODE_BITS), .cred = cred};
	bool by_halves = fs->ops->finish || fs_intent_given_up(intent);

	return intent && by_halves ? intent_open(fs, dir, name, &object, intent) : 0;
}

/* Without O_EXCL the name may come and go between the two steps; then it starts anew. */
int fs_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
	      struct fs_cred cred, struct fs_node *node, struct fs_file *file, struct fs_attr *attr,
	      struct fs_intent *intent)
{
	int ret = fs_flags_check(flags, O_EXCL), tries = CREATE_TRIES;

	*node = FS_NO_NODE;
	*file = FS_NO_FILE;
	if (ret == 0)
		ret = fs_entry_check(dir, name, FS_NAME_MAKE);
	if (ret)
		return ret;
	if (!fs->ops->create)
		return -EOPNOTSUPP;
	if (flags & O_EXCL)
		return fs_create_exclusive(fs, dir, name, flags, mode, cred, node, file, attr,
					   intent);
	ret = fs_create_again(fs, dir, name, mode, cred, intent);
	if (ret)
		return ret;
	do {
		ret = fs_create_new(fs, dir, name, flags, mode, cred, node, file, attr);
		if (ret != -EEXIST)
			return ret;
		ret = fs_open_existing(fs, dir, name, flags, node, file, attr);
	} while (ret == -ENOENT && --tries > 0);
	return ret;
}

void fs_close(struct fs *fs, struct fs_file file)
{
	if (file.id >= 0 && fs->ops->close)
		fs->ops->close(fs, file);
}

void fs_adopt(struct fs *fs, struct fs_node node, struct fs_file file)
{
	if (fs->ops->adopt)
		fs->ops->adopt(fs, node, file);
}

int fs_taken(struct fs *fs, struct fs_file file, uint64_t *bytes)
{
	return fs->ops->taken ? fs->ops->taken(fs, file, bytes) : -EOPNOTSUPP;
}

ssize_t fs_read(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
		bool nowait)
{
	if (!fs_readable(file))
		return -EBADF;
	if (!fs_range_fits(offset, size))
		return -EINVAL;
	return fs->ops->read ? fs->ops->read(fs, file, buf, size, offset, nowait) : -EOPNOTSUPP;
}

/* A write that wrote nothing is an error: writers take 0 for "try again", for ever. What a dead
 * process wrote of it counts, whatever becomes of the rest. */
ssize_t fs_write(struct fs *fs, struct fs_file file, const void *buf, size_t size, uint64_t offset,
		 struct fs_intent *intent)
{
	size_t most = intent && size > INT_MAX ? INT_MAX : size, done;
	ssize_t ret;

	if (!fs_writable(file))
		return -EBADF;
	if (!fs_range_fits(offset, size))
		return offset > INT64_MAX ? -EINVAL : -EFBIG;
	if (!fs->ops->write)
		return -EOPNOTSUPP;
	ret = intent_write(fs, file, buf, most, &done, intent);
	if (ret != INTENT_CALL)
		return ret;
	ret = fs->ops->write(fs, file, (const char *)buf + done, most - done, offset);
	if (ret == 0 && size > 0)
		ret = -EIO;
	if (done > 0)
		ret = (ssize_t)done + (ret > 0 ? ret : 0);
	return intent ? intent_done(intent, (int)ret) : ret;
}

int fs_fsync(struct fs *fs, struct fs_file file, bool datasync)
{
	return fs->ops->fsync ? fs->ops->fsync(fs, file, datasync) : -EOPNOTSUPP;
}

int fs_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit,
	       void *arg)
{
	if (offset > INT64_MAX)
		return -EINVAL;
	return fs->ops->readdir ? fs->ops->readdir(fs, dir, offset, size, emit, arg) : -EOPNOTSUPP;
}

int fs_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
	     struct fs_cred cred, struct fs_attr *attr, struct fs_intent *intent)
{
	const struct fs_object object = {.mode = S_IFDIR | (mode & FS_DIR_BITS), .cred = cred};
	int ret = fs_entry_check(dir, name, FS_NAME_MAKE);

	if (ret)
		return ret;
	if (!fs->ops->mkdir)
		return -EOPNOTSUPP;
	ret = intent_make(fs, dir, name, &object, attr, intent);
	if (ret != INTENT_CALL)
		return ret;
	ret = fs->ops->mkdir(fs, dir, name, mode & FS_DIR_BITS, cred, attr);
	return intent_made(intent, ret, attr);
}

int fs_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
	       struct fs_cred cred, struct fs_attr *attr, struct fs_intent *intent)
{
	const struct fs_object object = {.mode = S_IFLNK | 0777, .cred = cred, .target = target};
	int ret = fs_entry_check(dir, name, FS_NAME_MAKE);

	if (ret)
		return ret;
	if (target[0] == '\0')
		return -ENOENT;
	if (strlen(target) > FS_TARGET_MAX)
		return -ENAMETOOLONG;
	if (!fs->ops->symlink)
		return -EOPNOTSUPP;
	ret = intent_make(fs, dir, name, &object, attr, intent);
	if (ret != INTENT_CALL)
		return ret;
	ret = fs->ops->symlink(fs, dir, name, target, cred, attr);
	return intent_made(intent, ret, attr);
}

static int fs_mknod_check(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

int fs_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
	     uint32_t minor, struct fs_cred cred, struct fs_attr *attr, struct fs_intent *intent)
{
	uint32_t type = mode & S_IFMT ? mode & S_IFMT : S_IFREG;
	const struct fs_object object = {
		.mode = type | (mode & FS_MODE_BITS), .cred = cred, .major = major, .minor = minor};
	int ret = fs_entry_check(dir, name, FS_NAME_MAKE);

	if (ret == 0)
		ret = fs_mknod_check(mode);
	if (ret)
		return ret;
	if (!fs->ops->mknod)
		return -EOPNOTSUPP;
	ret = intent_make(fs, dir, name, &object, attr, intent);
	if (ret != INTENT_CALL)
		return ret;
	ret = fs->ops->mknod(fs, dir, name, object.mode, major, minor, cred, attr);
	return intent_made(intent, ret, attr);
}

int fs_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name,
	    struct fs_intent *intent)
{
	int ret = fs_entry_check(dir, name, FS_NAME_MAKE);

	if (ret)
		return ret;
	if (S_ISDIR(node.type))
		return -EPERM;
	if (!fs->ops->link)
		return -EOPNOTSUPP;
	ret = intent_link(fs, node, dir, name, intent);
	if (ret != INTENT_CALL)
		return ret;
	return intent_done(intent, fs->ops->link(fs, node, dir, name));
}

int fs_rename(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
	      const char *newname, struct fs_intent *intent)
{
	int ret = fs_entry_check(olddir, oldname, FS_NAME_RENAME);

	if (ret == 0)
		ret = fs_entry_check(newdir, newname, FS_NAME_RENAME);
	if (ret)
		return ret;
	if (!fs->ops->rename)
		return -EOPNOTSUPP;
	ret = intent_rename(fs, olddir, oldname, newdir, newname, intent);
	if (ret != INTENT_CALL)
		return ret;
	return intent_done(intent, fs->ops->rename(fs, olddir, oldname, newdir, newname));
}

int fs_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir,
	      struct fs_intent *intent)
{
	int ret = fs_entry_check(dir, name, FS_NAME_UNLINK);

	if (ret)
		return ret;
	if (!fs->ops->unlink)
		return -EOPNOTSUPP;
	ret = intent_unlink(fs, dir, name, intent);
	if (ret != INTENT_CALL)
		return ret;
	return intent_done(intent, fs->ops->unlink(fs, dir, name, rmdir));
}

int fs_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st)
{
	return fs->ops->statfs ? fs->ops->statfs(fs, node, st) : -EOPNOTSUPP;
}

static int fs_xattr_check(const char *name)
{
	return name[0] == '\0' || strlen(name) > FS_NAME_MAX ? -ERANGE : 0;
}

ssize_t fs_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf, size_t size)
{
	int ret = fs_xattr_check(name);

	if (ret)
		return ret;
	return fs->ops->getxattr ? fs->ops->getxattr(fs, node, name, buf, size) : -EOPNOTSUPP;
}

ssize_t fs_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size)
{
	return fs->ops->listxattr ? fs->ops->listxattr(fs, node, buf, size) : -EOPNOTSUPP;
}

int fs_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf, size_t size,
		int flags, struct fs_intent *intent)
{
	int ret = fs_xattr_check(name);

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (ret)
		return ret;
	if (size > FS_XATTR_MAX)
		return -E2BIG;
	if (!fs->ops->setxattr)
		return -EOPNOTSUPP;
	ret = intent_setxattr(fs, node, name, buf, size, flags, intent);
	if (ret != INTENT_CALL)
		return ret;
	return intent_done(intent, fs->ops->setxattr(fs, node, name, buf, size, flags));
}

int fs_removexattr(struct fs *fs, struct fs_node node, const char *name, struct fs_intent *intent)
{
	int ret = fs_xattr_check(name);

	if (ret)
		return ret;
	if (!fs->ops->removexattr)
		return -EOPNOTSUPP;
	ret = intent_removexattr(fs, node, name, intent);
	if (ret != INTENT_CALL)
		return ret;
	return intent_done(intent, fs->ops->removexattr(fs, node, name));
}

/* The numbers of fcntl(2). */
static int fs_lock_check(const struct fs_lock *lock)
{
	if (lock->start > INT64_MAX || lock->length > INT64_MAX)
		return -EINVAL;
	if (lock->length > 0 && lock->length - 1 > INT64_MAX - lock->start)
		return -EOVERFLOW;
	return 0;
}

static int fs_lock_allowed(struct fs_file file, const struct fs_lock *lock)
{
	int ret = fs_lock_check(lock);

	if (ret)
		return ret;
	if ((lock->type == FS_LOCK_READ && !fs_readable(file)) ||
	    (lock->type == FS_LOCK_WRITE && !fs_writable(file)))
		return -EBADF;
	return 0;
}

int fs_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock)
{
	int ret = fs_lock_allowed(file, lock);

	if (ret)
		return ret;
	return fs->ops->lock ? fs->ops->lock(fs, file, lock) : -EOPNOTSUPP;
}

int fs_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
		 struct fs_wait *wait)
{
	int ret = fs_lock_allowed(file, lock);

	if (ret)
		return ret;
	return fs->ops->lock_wait ? fs->ops->lock_wait(fs, file, lock, wait) : -EOPNOTSUPP;
}

void fs_lock_wake(struct fs *fs, struct fs_wait *wait)
{
	if (fs->ops->lock_wake)
		fs->ops->lock_wake(fs, wait);
}

/* Asking is allowed whatever the access mode: a reader may want to know who writes. */
int fs_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock)
{
	int ret = fs_lock_check(lock);

	if (ret)
		return ret;
	if (lock->type == FS_LOCK_NONE)
		return -EINVAL;
	return fs->ops->getlock ? fs->ops->getlock(fs, file, lock) : -EOPNOTSUPP;
}

static const char *const model_names[] = {
	[FS_MODEL_NONE] = "none",
	[FS_MODEL_PASSTHROUGH] = "passthrough",
	[FS_MODEL_MAPPED_XATTR] = "mapped-xattr",
	[FS_MODEL_MAPPED_FILE] = "mapped-file",
};

int fs_model_parse(const char *text, enum fs_model *model)
{
	if (strcmp(text, "mapped") == 0) /* QEMU's older name */
		text = model_names[FS_MODEL_MAPPED_XATTR];
	for (size_t i = 0; i < countof(model_names); i++) {
		if (strcmp(text, model_names[i]) == 0) {
			*model = (enum fs_model)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *fs_model_name(enum fs_model model)
{
	return model_names[model];
}
