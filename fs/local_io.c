/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_io.c - open host files: reading, writing, flushing.
 *
 * An open file is a descriptor of its own, with its own open file description: offsets
 * are always given.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "fs/local.h"

/* O_NOATIME is for owners only; without the right to it the file is opened all the same. */
int local_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	const struct local *local = local_of(fs);
	int fd;

	if (flags & O_TRUNC)
		local_keeps_setid();
	fd = local_reopen(local, node.id, flags);
	if (fd == -EPERM && (flags & O_NOATIME))
		fd = local_reopen(local, node.id, flags & ~O_NOATIME);
	if (fd < 0)
		return fd;
	*file = (struct fs_file){.id = fd};
	return 0;
}

int local_pin_file(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr)
{
	struct local *local = local_of(fs);
	int fd = local_reopen(local, file.id, O_PATH);

	return fd < 0 ? fd : local_pin(local, fd, node, attr);
}

/* The position that this moves is used by nobody: reads and writes bring theirs along. */
int local_size(struct fs *fs, struct fs_file file, uint64_t *size)
{
	off_t end = LOCAL_SYS(lseek(file.id, 0, SEEK_END));

	(void)fs;
	*size = end < 0 ? 0 : (uint64_t)end;
	return end < 0 && end != -ESPIPE ? (int)end : 0; /* special files */
}

int local_taken(struct fs *fs, struct fs_file file, uint64_t *bytes)
{
	struct stat st;
	int ret = LOCAL_SYS(fstat(file.id, &st));

	(void)fs;
	*bytes = ret ? 0 : (uint64_t)st.st_blocks * 512;
	return ret;
}

void local_close(struct fs *fs, struct fs_file file)
{
	(void)fs;
	close(file.id);
}

/* The cache answers piecemeal: only 0 means the end of the file. */
static ssize_t local_read_cached(int fd, char *buf, size_t size, off_t offset)
{
	size_t done = 0;

	while (done < size) {
		struct iovec iov = {.iov_base = buf + done, .iov_len = size - done};
		ssize_t n = LOCAL_SYS(preadv2(fd, &iov, 1, offset + (off_t)done, RWF_NOWAIT));

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Some file systems do not know RWF_NOWAIT; whatever it fails with but EAGAIN, the plain
 * read knows better. */
ssize_t local_read(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
		   bool nowait)
{
	ssize_t n = -EOPNOTSUPP;

	(void)fs;
	if (nowait)
		n = local_read_cached(file.id, buf, size, (off_t)offset);
	if (n >= 0 || n == -EAGAIN)
		return n;
	n = LOCAL_SYS(pread(file.id, buf, size, (off_t)offset));
	return n == -ESPIPE ? LOCAL_SYS(read(file.id, buf, size)) : n; /* special files */
}

ssize_t local_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
		    uint64_t offset)
{
	ssize_t n;

	local_writes(local_of(fs));
	n = LOCAL_SYS(pwrite(file.id, buf, size, (off_t)offset));
	return n == -ESPIPE ? LOCAL_SYS(write(file.id, buf, size)) : n; /* special files */
}

/* Those whose reads and writes end in the page cache. Others, of FUSE and the network, may make
 * direct I/O of them by their server's order. */
bool local_copies(struct fs *fs, struct fs_file file)
{
	(void)fs;
	return local_is_kernels_own(file.id);
}

int local_fsync(struct fs *fs, struct fs_file file, bool datasync)
{
	(void)fs;
	return LOCAL_SYS(datasync ? fdatasync(file.id) : fsync(file.id));
}
