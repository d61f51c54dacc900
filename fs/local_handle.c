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

/* An object keeps its handle for life, so the kernel need not be asked each time it is walked to.
 * Number and time of birth tell objects apart unless they are born in one tick of the clock: those
 * that may still have such a twin are not remembered. */
#define LOCAL_SETTLED_S 2 /* no clock of a file system ticks more seldom */

static bool local_is_known(const struct local_known *known, const struct fs_attr *attr)
{
	return known->handle.size > 0 && known->path == attr->path &&
	       known->btime.sec == attr->btime.sec && known->btime.nsec == attr->btime.nsec;
}

bool local_is_settled(int64_t sec)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return sec <= now.tv_sec - LOCAL_SETTLED_S;
}

static bool local_may_have_twin(const struct fs_attr *attr)
{
	return !attr->has_btime || !local_is_settled(attr->btime.sec);
}

/* Nobody waits for the others: the kernel can be asked, too. */
static bool local_recall(struct local *local, const struct fs_attr *attr, struct fs_handle *handle)
{
	const struct local_known *known = &local->known[attr->path % LOCAL_KNOWN_MAX];
	bool found;

	if (!attr->has_btime || pthread_mutex_trylock(&local->known_lock) != 0)
		return false;
	found = local_is_known(known, attr);
	if (found)
		*handle = known->handle;
	pthread_mutex_unlock(&local->known_lock);
	return found;
}

static void local_remember(struct local *local, const struct fs_attr *attr,
			   const struct fs_handle *handle)
{
	if (local_may_have_twin(attr) || pthread_mutex_trylock(&local->known_lock) != 0)
		return;
	local->known[attr->path % LOCAL_KNOWN_MAX] =
		(struct local_known){.path = attr->path, .btime = attr->btime, .handle = *handle};
	pthread_mutex_unlock(&local->known_lock);
}

int local_handle(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
		 struct fs_handle *handle)
{
	struct local *local = local_of(fs);
	union local_handle named;
	int mount, ret;

	if (local_recall(local, attr, handle))
		return 0;
	ret = local_name_handle(node.id, &named, &mount);
	if (ret)
		return ret;
	if (mount != local->root_mount || (named.host.handle_type & ~0xff))
		return -EOPNOTSUPP;
	handle->size = (uint8_t)named.host.handle_bytes;
	handle->type = (uint8_t)named.host.handle_type;
	memcpy(handle->bytes, named.host.f_handle, handle->size);
	local_remember(local, attr, handle);
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
	return LOCAL_OPEN(local,
			  open_by_handle_at(mount, &named.host, O_PATH | O_NOFOLLOW | O_CLOEXEC));
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

/* Nobody else had the handle in between: where the object lies is not asked, as it is not while it
 * is pinned. */
int local_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node)
{
	int fd = local_open_handle(local_of(fs), handle);

	if (fd < 0)
		return fd;
	node->id = fd;
	return 0;
}
