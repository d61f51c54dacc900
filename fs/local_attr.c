/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_attr.c - attributes of host objects: reading them, numbering objects, changing them.
 *
 * An object's number is its inode number as long as it lies on the root's file system.
 * Inode numbers repeat on others mounted below, so theirs get a number of the file system
 * into the top 16 bits.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "fs/local.h"

#define LOCAL_INO_BITS 48

static bool local_is_device(const struct local_device *device, uint32_t major, uint32_t minor)
{
	return device->major == major && device->minor == minor;
}

static bool local_has_number(const struct local *local, uint16_t number)
{
	for (size_t i = 0; i < local->device_count; i++) {
		if (local->devices[i].number == number)
			return true;
	}
	return number == local->root_device.number;
}

/* Made from the device numbers, so that every process that serves this export gives the same; only
 * where two would get one number does it matter which was met first. */
static int local_device_add(struct local *local, uint32_t major, uint32_t minor)
{
	uint16_t number = (uint16_t)(major << 8 ^ minor);
	size_t count = local->device_count;
	struct local_device *devices;

	if (count + 1 >= 1U << (64 - LOCAL_INO_BITS))
		return -ENFILE;
	devices = realloc(local->devices, (count + 1) * sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	local->devices = devices;
	while (local_has_number(local, number))
		number++;
	devices[count] = (struct local_device){major, minor, number};
	local->device_count++;
	return number;
}

static int local_device_number(struct local *local, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < local->device_count; i++) {
		if (local_is_device(&local->devices[i], major, minor))
			return local->devices[i].number;
	}
	return local_device_add(local, major, minor);
}

/* Few file systems use the top bits of an inode number; then they are mixed into the rest,
 * where they are as good as random already. */
int local_qid_path(struct local *local, uint32_t major, uint32_t minor, uint64_t ino,
		   uint64_t *path)
{
	int number;

	*path = ino;
	if (local_is_device(&local->root_device, major, minor))
		return 0;
	pthread_mutex_lock(&local->lock);
	number = local_device_number(local, major, minor);
	pthread_mutex_unlock(&local->lock);
	if (number < 0)
		return number;
	ino ^= (ino >> LOCAL_INO_BITS) * 0x9e3779b97f4a7c15U;
	ino &= (UINT64_C(1) << LOCAL_INO_BITS) - 1;
	*path = ((uint64_t)number << LOCAL_INO_BITS) | ino;
	return 0;
}

static uint64_t local_mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15U;
	return sum ^ sum >> 32;
}

/* ctime is in it because mtime can be set back, and btime because a path may be given again. */
static uint32_t local_version(const struct fs_attr *attr)
{
	uint64_t sum = local_mix(0, attr->size);
	uint32_t version;

	sum = local_mix(sum, (uint64_t)attr->mtime.sec);
	sum = local_mix(sum, attr->mtime.nsec);
	sum = local_mix(sum, (uint64_t)attr->ctime.sec);
	sum = local_mix(sum, attr->ctime.nsec);
	sum = local_mix(sum, (uint64_t)attr->btime.sec);
	sum = local_mix(sum, attr->btime.nsec);
	version = (uint32_t)sum;
	return version ? version : 1;
}

/* Something is mounted here, below the root. */
static bool local_is_mount(const struct local *local, const struct statx *st)
{
	return (st->stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	       !(local_is_device(&local->root_device, st->stx_dev_major, st->stx_dev_minor) &&
		 st->stx_ino == local->root_ino);
}

int local_statx(const struct local *local, int dir, const char *name, struct statx *st)
{
	const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	const unsigned mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
	int ret = LOCAL_SYS(statx(dir, name, flags, mask, st));

	if (ret == 0 && local->hide_mounts && local_is_mount(local, st) && strcmp(name, ".") != 0)
		return -ENOENT;
	return ret;
}

int local_attr_of(struct local *local, const struct statx *st, struct fs_attr *attr)
{
	*attr = (struct fs_attr){
		.mode = st->stx_mode,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		.nlink = st->stx_nlink,
		.rdev_major = st->stx_rdev_major,
		.rdev_minor = st->stx_rdev_minor,
		.size = st->stx_size,
		.blksize = st->stx_blksize,
		.blocks = st->stx_blocks,
		.atime = local_time(&st->stx_atime),
		.mtime = local_time(&st->stx_mtime),
		.ctime = local_time(&st->stx_ctime),
		.btime = local_time(&st->stx_btime),
		.has_btime = (st->stx_mask & STATX_BTIME) != 0,
	};
	attr->version = local_version(attr);
	return local_qid_path(local, st->stx_dev_major, st->stx_dev_minor, st->stx_ino,
			      &attr->path);
}

int local_stat(struct local *local, int dir, const char *name, struct fs_attr *attr)
{
	struct statx st;
	int ret = local_statx(local, dir, name, &st);

	return ret ? ret : local_attr_of(local, &st, attr);
}

int local_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	return local_stat(local_of(fs), node.id, "", attr);
}

/* ftruncate(2) and not truncate(2): it does not wait for the holder of a lease. */
static int local_set_size(const struct local *local, struct fs_node node, struct fs_file file,
			  uint64_t size)
{
	_cleanup_close_ int fd = -1;

	if (file.id >= 0 && (file.flags & O_ACCMODE) != O_RDONLY)
		return LOCAL_SYS(ftruncate(file.id, (off_t)size));
	fd = local_reopen(local, node.id, O_WRONLY);
	return fd < 0 ? fd : LOCAL_SYS(ftruncate(fd, (off_t)size));
}

static int local_set_owner(const struct local *local, struct fs_node node,
			   const struct fs_setattr *set)
{
	uid_t uid = set->valid & FS_SET_UID ? set->uid : (uid_t)-1;
	gid_t gid = set->valid & FS_SET_GID ? set->gid : (gid_t)-1;
	int ret = LOCAL_SYS(fchownat(node.id, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));

	/* EINVAL: an owner that the user namespace does not know */
	if (!local->passthrough && (ret == -EPERM || ret == -EINVAL))
		return 0;
	return ret;
}

static struct timespec local_timespec(const struct fs_setattr *set, uint32_t bit, uint32_t now_bit,
				      const struct fs_time *time)
{
	if (set->valid & now_bit)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (set->valid & bit)
		return (struct timespec){.tv_sec = time->sec, .tv_nsec = time->nsec};
	return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int local_set_times(struct fs_node node, const struct fs_setattr *set)
{
	struct timespec times[2] = {
		local_timespec(set, FS_SET_ATIME, FS_SET_ATIME_NOW, &set->atime),
		local_timespec(set, FS_SET_MTIME, FS_SET_MTIME_NOW, &set->mtime),
	};

	return LOCAL_SYS(utimensat(node.id, "", times, AT_EMPTY_PATH));
}

/* Only ctime: atime is set to what it is. chown(-1, -1) would drop the set-id bits; mtime
 * and mode may be changed by others meanwhile, and that must not be undone. */
static int local_touch_ctime(struct local *local, struct fs_node node)
{
	struct fs_setattr set = {.valid = FS_SET_ATIME};
	struct fs_attr attr;
	int ret = local_stat(local, node.id, "", &attr);

	set.atime = attr.atime;
	return ret ? ret : local_set_times(node, &set);
}

/* Each step but the last may drop what a later one sets: set-id bits, times. */
int local_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
		  const struct fs_setattr *set)
{
	const uint32_t owner = FS_SET_UID | FS_SET_GID;
	const uint32_t times = FS_SET_ATIME | FS_SET_MTIME | FS_SET_ATIME_NOW | FS_SET_MTIME_NOW;
	struct local *local = local_of(fs);
	int ret = 0;

	local_keeps_setid();
	if (set->valid & FS_SET_SIZE)
		ret = local_set_size(local, node, file, set->size);
	if (ret == 0 && (set->valid & owner))
		ret = local_set_owner(local, node, set);
	if (ret == 0 && (set->valid & FS_SET_MODE))
		ret = LOCAL_SYS(fchmodat(local->proc, local_fd_name(node.id).text, set->mode, 0));
	if (ret == 0 && (set->valid & times))
		ret = local_set_times(node, set);
	if (ret == 0 && set->valid == FS_SET_CTIME)
		ret = local_touch_ctime(local, node);
	return ret;
}

int local_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size)
{
	(void)fs;
	return (int)LOCAL_SYS(readlinkat(node.id, "", buf, size));
}

/* f_bsize is what is best read at a time; where f_frsize is another (FUSE), blocks are counted in
 * that. */
int local_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st)
{
	struct statfs host;
	int ret = LOCAL_SYS(fstatfs(node.id, &host));

	(void)fs;
	if (ret)
		return ret;
	*st = (struct fs_statfs){
		.type = (uint64_t)host.f_type,
		.bsize = (uint64_t)(host.f_frsize ? host.f_frsize : host.f_bsize),
		.blocks = host.f_blocks,
		.bfree = host.f_bfree,
		.bavail = host.f_bavail,
		.files = host.f_files,
		.ffree = host.f_ffree,
		.fsid = (uint32_t)host.f_fsid.__val[0] | (uint64_t)(uint32_t)host.f_fsid.__val[1]
								 << 32,
		.namelen = (uint32_t)host.f_namelen,
	};
	return 0;
}
