/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_dir.c - listing a host directory.
 *
 * Offsets are the host's own d_off: seeking there is the one way to resume that file
 * systems promise to survive concurrent changes. So a listing has no state but the
 * descriptor, and what was read ahead and not taken is simply read again.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/local.h"

#define LOCAL_LISTING_MIN 512 /* more than any one entry */
#define LOCAL_LISTING_MAX 65536

struct local_listing {
	struct local *local;
	int fd;
	bool is_root;
	uint32_t major, minor;
	fs_emit *emit;
	void *arg;
	bool told; /* an entry, whether it was taken or not */
};

/* A caller needs 24 bytes and the name for an entry, the host 20 and the name, rounded up
 * to 8: at worst 28 against 24. This much is sure to be taken whole. */
static size_t local_listing_size(size_t size)
{
	size = size / 7 * 6;
	if (size < LOCAL_LISTING_MIN)
		return LOCAL_LISTING_MIN;
	return size < LOCAL_LISTING_MAX ? size : LOCAL_LISTING_MAX;
}

/* The inode number the host lists for a mount point is that of the directory beneath. The
 * parent of the root is nobody's business. */
static int local_entry_path(const struct local_listing *listing, const struct dirent64 *entry,
			    uint64_t *path)
{
	bool up = strcmp(entry->d_name, "..") == 0;

	return local_qid_path(listing->local, listing->major, listing->minor,
			      up && listing->is_root ? listing->local->root_ino : entry->d_ino,
			      path);
}

/* The list does not tell mounts apart: each entry has to be looked at. */
static bool local_is_hidden(const struct local_listing *listing, const char *name)
{
	struct fs_attr attr;

	return strcmp(name, "..") != 0 &&
	       local_stat(listing->local, listing->fd, name, &attr) == -ENOENT;
}

/* 1: go on, 0: no more room. A name that is too long for guests is passed over. */
static int local_emit(struct local_listing *listing, const struct dirent64 *entry)
{
	struct fs_dirent out = {
		.offset = (uint64_t)entry->d_off,
		.type = entry->d_type,
		.name = entry->d_name,
	};
	int ret;

	if (strlen(entry->d_name) > FS_NAME_MAX)
		return 1;
	if (listing->local->hide_mounts && local_is_hidden(listing, entry->d_name))
		return 1;
	ret = local_entry_path(listing, entry, &out.path);
	if (ret)
		return ret;
	listing->told = true;
	return listing->emit(listing->arg, &out);
}

static int local_listing_start(struct local_listing *listing, int fd, uint64_t offset)
{
	const struct local *local = listing->local;
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	listing->major = major(st.st_dev);
	listing->minor = minor(st.st_dev);
	listing->is_root = st.st_ino == local->root_ino &&
			   listing->major == local->root_device.major &&
			   listing->minor == local->root_device.minor;
	return lseek(fd, (off_t)offset, SEEK_SET) < 0 ? -errno : 0;
}

/* ext4 finds nothing at the start of a directory whose first reading through this open file was at
 * its end; it does when asked again. */
static ssize_t local_getdents(int fd, char *buf, size_t room, uint64_t offset)
{
	ssize_t filled = LOCAL_SYS(getdents64(fd, buf, room));

	if (filled != 0 || offset != 0)
		return filled;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : LOCAL_SYS(getdents64(fd, buf, room));
}

int local_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit,
		  void *arg)
{
	struct local_listing listing = {
		.local = local_of(fs), .fd = dir.id, .emit = emit, .arg = arg};
	size_t room = local_listing_size(size);
	_cleanup_free_ char *buf = malloc(room);
	ssize_t filled;
	int ret = local_listing_start(&listing, dir.id, offset);

	if (ret)
		return ret;
	if (!buf)
		return -ENOMEM;
	/* To tell nothing would mean the end of the directory. */
	do {
		filled = local_getdents(dir.id, buf, room, offset);
		ret = filled < 0 ? (int)filled : 1;
		for (char *at = buf; at < buf + filled && ret > 0;) {
			const struct dirent64 *entry = (const void *)at;

			ret = local_emit(&listing, entry);
			offset = (uint64_t)entry->d_off;
			at += entry->d_reclen;
		}
	} while (filled > 0 && ret > 0 && !listing.told);
	return ret < 0 ? ret : 0;
}
