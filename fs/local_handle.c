/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_handle.c - finding an object again when no descriptor of it is left.
 *
 * A host handle (open_by_handle_at(2)) means an object of a file system, wherever it lies, and
 * this one may have been made up by somebody. So what it opens is only looked at: an O_PATH
 * descriptor, which is a node as soon as the object is found beneath the root by its present
 * name, and closed otherwise. Handles are for the mount that the root is on; what is mounted
 * below has none.
 */
#include <fcntl.h>
#include <string.h>

#include "fs/local.h"

union local_handle {
	struct file_handle host;
	uint8_t room[sizeof(struct file_handle) + sizeof(((struct fs_handle *)NULL)->bytes)];
};

static int local_name_handle(int fd, union local_handle *handle, int *mount)
{
	handle->host.handle_bytes = sizeof(handle->room) - sizeof(handle->host);
	return LOCAL_SYS(name_to_handle_at(fd, "", &handle->host, mount, AT_EMPTY_PATH));
}

int local_mount_id(int fd)
{
	union local_handle handle;
	int mount = -1;

	return local_name_handle(fd, &handle, &mount) ? -1 : mount;
}

int local_handle(struct fs *fs, struct fs_node node, struct fs_handle *handle)
{
	union local_handle named;
	int mount, ret = local_name_handle(node.id, &named, &mount);

	if (ret)
		return ret;
	if (mount != local_of(fs)->root_mount || (named.host.handle_type & ~0xff))
		return -EOPNOTSUPP;
	handle->size = (uint8_t)named.host.handle_bytes;
	handle->type = (uint8_t)named.host.handle_type;
	memcpy(handle->bytes, named.host.f_handle, handle->size);
	return 0;
}

static int local_open_handle(const struct local *local, const struct fs_handle *handle)
{
	_cleanup_close_ int mount = local_reopen(local, local->root, O_RDONLY | O_DIRECTORY);
	union local_handle named;

	if (mount < 0)
		return mount;
	named.host.handle_bytes = handle->size;
	named.host.handle_type = handle->type;
	memcpy(named.host.f_handle, handle->bytes, handle->size);
	return LOCAL_SYS(open_by_handle_at(mount, &named.host, O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

int local_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
		  struct fs_attr *attr)
{
	_cleanup_close_ int fd = local_open_handle(local_of(fs), handle);
	char name[FS_NAME_MAX + 1];
	struct fs_node dir;
	int ret;

	if (fd < 0)
		return fd == -EPERM ? fd : -ESTALE;
	ret = local_parent(fs, (struct fs_node){.id = fd}, &dir, name);
	if (ret)
		return -ESTALE;
	local_forget(fs, dir);
	return local_pin(local_of(fs), take_fd(&fd), node, attr);
}
