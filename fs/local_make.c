/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_make.c - making, linking, renaming and removing names in a host directory.
 *
 * The host is only ever asked to make what does not exist yet (O_EXCL). What does exist is
 * found by name and judged by its type before anything opens it, so nothing that was
 * planted under the name can be opened by surprise.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/crash.h"
#include "fs/local.h"

/* Takes back what this call has made, as `made`, when the rest of it fails; not what somebody has
 * put in its place. */
static void local_unmake(struct local *local, int dir, const char *name, const struct fs_attr *made)
{
	struct fs_attr found;

	if (local_stat(local, dir, name, &found) == 0 && found.path == made->path)
		unlinkat(dir, name, S_ISDIR(found.mode) ? AT_REMOVEDIR : 0);
	local_recent_unlinked(local, name);
}

static int local_make_file(struct local *local, int dir, const char *name, int flags, uint32_t mode,
			   struct fs_cred cred)
{
	_local_cred_ struct local_cred saved;
	int ret = local_cred_enter(local, cred, &saved);

	flags |= O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
	return ret ? ret : LOCAL_OPEN(local, openat(dir, name, flags, (mode_t)mode));
}

int local_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
		 struct fs_cred cred, struct fs_node *node, struct fs_file *file,
		 struct fs_attr *attr)
{
	struct local *local = local_of(fs);
	_cleanup_close_ int fd = local_make_file(local, dir.id, name, flags, mode, cred);
	int ret;

	if (fd < 0)
		return fd;
	CRASH_POINT();
	ret = local_pin_file(fs, (struct fs_file){.id = fd}, node, attr);
	if (ret == 0)
		*file = (struct fs_file){.id = take_fd(&fd)};
	else if (local_stat(local, fd, "", attr) == 0)
		local_unmake(local, dir.id, name, attr);
	return ret;
}

static int local_make_dir(struct local *local, int dir, const char *name, uint32_t mode,
			  struct fs_cred cred)
{
	_local_cred_ struct local_cred saved;
	int ret = local_cred_enter(local, cred, &saved);

	return ret ? ret : LOCAL_SYS(mkdirat(dir, name, mode));
}

static uint32_t local_missing(uint32_t mode, const struct fs_attr *attr)
{
	return mode & (S_ISGID | S_ISVTX) & ~attr->mode;
}

/* Bits are only added to what the new directory has: should another stand there by now, it keeps
 * its permissions. */
static int local_add_missing(struct local *local, int dir, const char *name, uint32_t mode,
			     struct fs_attr *attr)
{
	_cleanup_close_ int fd = local_beneath(local, dir, name, O_DIRECTORY);
	int ret = fd < 0 ? fd : local_stat(local, fd, "", attr);

	if (ret == 0)
		ret = LOCAL_SYS(
			fchmodat(local->proc, local_fd_name(fd).text,
				 (attr->mode & ~(uint32_t)S_IFMT) | local_missing(mode, attr), 0));
	return ret ? ret : local_stat(local, fd, "", attr);
}

/* mkdir(2) leaves S_ISGID out. */
int local_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		struct fs_cred cred, struct fs_attr *attr)
{
	struct local *local = local_of(fs);
	int ret = local_make_dir(local, dir.id, name, mode, cred);
	struct fs_attr made;

	if (ret)
		return ret;
	CRASH_POINT();
	ret = local_stat(local, dir.id, name, attr);
	if (ret || local_missing(mode, attr) == 0)
		return ret;
	made = *attr;
	ret = local_add_missing(local, dir.id, name, mode, attr);
	if (ret)
		local_unmake(local, dir.id, name, &made);
	return ret;
}

static int local_make_symlink(struct local *local, int dir, const char *name, const char *target,
			      struct fs_cred cred)
{
	_local_cred_ struct local_cred saved;
	int ret = local_cred_enter(local, cred, &saved);

	return ret ? ret : LOCAL_SYS(symlinkat(target, dir, name));
}

int local_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
		  struct fs_cred cred, struct fs_attr *attr)
{
	struct local *local = local_of(fs);
	int ret = local_make_symlink(local, dir.id, name, target, cred);

	return ret ? ret : local_stat(local, dir.id, name, attr);
}

static int local_make_special(struct local *local, int dir, const char *name, uint32_t mode,
			      dev_t device, struct fs_cred cred)
{
	_local_cred_ struct local_cred saved;
	int ret = local_cred_enter(local, cred, &saved);

	return ret ? ret : LOCAL_SYS(mknodat(dir, name, mode, device));
}

int local_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
		uint32_t minor, struct fs_cred cred, struct fs_attr *attr)
{
	struct local *local = local_of(fs);
	dev_t device = S_ISCHR(mode) || S_ISBLK(mode) ? makedev(major, minor) : 0;
	int ret = local_make_special(local, dir.id, name, mode, device, cred);

	return ret ? ret : local_stat(local, dir.id, name, attr);
}

int local_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name)
{
	const struct local *local = local_of(fs);

	return LOCAL_SYS(
		linkat(local->proc, local_fd_name(node.id).text, dir.id, name, AT_SYMLINK_FOLLOW));
}

int local_rename(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
		 const char *newname)
{
	struct local *local = local_of(fs);
	int ret = LOCAL_SYS(renameat(olddir.id, oldname, newdir.id, newname));

	local_recent_unlinked(local, oldname);
	local_recent_unlinked(local, newname);
	return ret;
}

int local_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir)
{
	int ret = LOCAL_SYS(unlinkat(dir.id, name, rmdir ? AT_REMOVEDIR : 0));

	local_recent_unlinked(local_of(fs), name);
	return ret;
}
