/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * dead_storage.c - a file system that stops answering, as a dead NFS server: whoever touches it
 * sleeps in the kernel and cannot be killed. It has a directory `share` with a file `file`, whose
 *zeros have no end.
 *
 *	dead_storage DIR FILE    mounted on DIR; dead while FILE exists
 *
 * Says "is ready" on stdout, "is read" when it is for the first time, and "is asked in vain" when
 * somebody sleeps. It goes when it is killed: then those who sleep are woken by an error.
 * /dev/fuse is spoken to directly (linux/fuse.h), so no library is needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHARE = FUSE_ROOT_ID + 1, FILE_IN_IT };

#define FILE_SIZE (1ULL << 50)
#define KEPT_MAX 64
#define LOOK_MS 10
#define READ_MAX (128 * 1024) /* what Linux asks for at most */

static int dev;

static void say_once(bool *said, const char *text)
{
	if (!*said)
		printf("%s\n", text);
	*said = true;
	fflush(stdout);
}

static void answer(uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + size),
		.error = error,
		.unique = unique,
	};
	struct iovec iov[] = {{&out, sizeof(out)}, {(void *)(uintptr_t)data, size}};

	/* -ENOENT: whoever asked has been interrupted. */
	if (writev(dev, iov, 2) < 0 && errno != ENOENT)
		perror("dead_storage: answer");
}

/* Nothing is remembered (a valid time of 0): each look comes here. */
static struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.mode = node == FILE_IN_IT ? S_IFREG | 0644 : S_IFDIR | 0755,
		.nlink = node == FILE_IN_IT ? 1 : 2,
		.size = node == FILE_IN_IT ? FILE_SIZE : 0,
		.blksize = 4096,
	};
}

static void look_up(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out entry = {.nodeid = 0};

	if (in->nodeid == FUSE_ROOT_ID && strcmp(name, "share") == 0)
		entry.nodeid = SHARE;
	else if (in->nodeid == SHARE && strcmp(name, "file") == 0)
		entry.nodeid = FILE_IN_IT;
	entry.attr = attributes(entry.nodeid);
	answer(in->unique, entry.nodeid == 0 ? -ENOENT : 0, &entry,
	       entry.nodeid == 0 ? 0 : sizeof(entry));
}

static void begin(const struct fuse_in_header *in, const struct fuse_init_in *init)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = init->minor < FUSE_KERNEL_MINOR_VERSION ? init->minor
								 : FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	answer(in->unique, 0, &out, sizeof(out));
}

static void read_zeros(const struct fuse_in_header *in, const struct fuse_read_in *wanted)
{
	static const char zeros[READ_MAX];
	static bool said;

	say_once(&said, "is read");
	answer(in->unique, 0, zeros, wanted->size < sizeof(zeros) ? wanted->size : sizeof(zeros));
}

static void serve(const struct fuse_in_header *in, const void *body)
{
	struct fuse_attr_out attr = {.attr = attributes(in->nodeid)};
	struct fuse_open_out open_out = {.open_flags = FOPEN_DIRECT_IO};
	/* Best read in larger pieces than it counts in. */
	struct fuse_statfs_out statfs_out = {
		.st = {.bsize = 1 << 20, .frsize = 4096, .blocks = 1000, .namelen = 255}};

	switch (in->opcode) {
	case FUSE_INIT:
		begin(in, body);
		break;
	case FUSE_LOOKUP:
		look_up(in, body);
		break;
	case FUSE_GETATTR:
		answer(in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		answer(in->unique, 0, &open_out, sizeof(open_out));
		break;
	case FUSE_READ:
		read_zeros(in, body);
		break;
	case FUSE_STATFS:
		answer(in->unique, 0, &statfs_out, sizeof(statfs_out));
		break;
	case FUSE_READDIR:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_ACCESS:
		answer(in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(in->unique, -ENOSYS, NULL, 0);
	}
}

union request {
	struct fuse_in_header in;
	char bytes[FUSE_MIN_READ_BUFFER + 4096];
};

/* Requests that came while it was dead. */
static union request kept[KEPT_MAX];
static size_t kept_count;

static void take(void)
{
	static union request request;
	ssize_t size = read(dev, &request, sizeof(request));

	if (size < 0 && errno == ENODEV)
		exit(0);
	if (size < (ssize_t)sizeof(request.in))
		return;
	/* What is taken and not answered is what nobody can be woken from. */
	if (kept_count < KEPT_MAX)
		kept[kept_count++] = request;
}

int main(int argc, char **argv)
{
	struct pollfd fd = {.events = POLLIN};
	bool ready = false, dead = false;
	char options[128];

	if (argc != 3)
		return 2;
	fd.fd = dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 dev);
	if (dev < 0 || mount("dead_storage", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
		perror("dead_storage");
		return 77;
	}
	say_once(&ready, "is ready");
	for (;;) {
		poll(&fd, 1, LOOK_MS);
		if (fd.revents != 0)
			take();
		if (access(argv[2], F_OK) == 0) {
			if (kept_count > 0)
				say_once(&dead, "is asked in vain");
			continue;
		}
		for (size_t i = 0; i < kept_count; i++)
			serve(&kept[i].in, &kept[i].in + 1);
		kept_count = 0;
	}
}
