/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_local_escape.c - a hostile host side: whatever is moved, linked, mounted or planted
 * under a local fs, nothing outside its root is reached and nothing but files is opened.
 *
 * Beside the export lies a directory "outside" with a secret in it. The races run for a
 * fraction of a second against a thread that swaps things to and fro.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "common/util.h"
#include "fs/fs.h"
#include "tests/lib/test.h"

#define OK(call) CU_ASSERT_EQUAL((call), 0)
#define FAILS(error, call) CU_ASSERT_EQUAL((call), -(error))
#define ANYBODY ((struct fs_cred){.uid = (uint32_t)-1, .gid = (uint32_t)-1})

struct world {
	char *base;
	int host, outside; /* descriptors of the export and of what lies beside it */
	struct fs *fs;
	struct fs_node root;
	uint64_t outside_ino, secret_ino;
};

static ino_t ino_at(int dir, const char *name)
{
	struct stat st = {0};

	OK(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW));
	return st.st_ino;
}

static void host_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int host_dir(int dir, const char *name)
{
	OK(mkdirat(dir, name, 0755));
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct world world(void)
{
	struct world w = {.base = test_tmpdir()};
	int base = open(w.base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct fs_attr attr;
	char err[128] = "";

	w.host = host_dir(base, "export");
	w.outside = host_dir(base, "outside");
	close(base);
	host_file(w.outside, "secret", "secret");
	w.outside_ino = ino_at(w.outside, ".");
	w.secret_ino = ino_at(w.outside, "secret");
	OK(fs_local_create(w.host, FS_MODEL_NONE, &w.fs, err, sizeof(err)));
	OK(fs_root(w.fs, &w.root, &attr));
	return w;
}

static void world_end(struct world *w)
{
	fs_forget(w->fs, w->root);
	fs_destroy(w->fs);
	close(w->host);
	close(w->outside);
	test_rmtree(w->base);
	free(w->base);
}

#define _world_ __attribute__((cleanup(world_end)))

static struct fs_node find(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_node node;
	struct fs_attr attr;

	OK(fs_walk(w->fs, dir, name, &node, &attr));
	return node;
}

static int walk_error(struct world *w, struct fs_node dir, const char *name)
{
	struct fs_node node;
	struct fs_attr attr;
	int ret = fs_walk(w->fs, dir, name, &node, &attr);

	fs_forget(w->fs, node);
	return ret;
}

static int open_error(struct world *w, struct fs_node node, int flags)
{
	struct fs_file file;
	int ret = fs_open(w->fs, node, flags, &file);

	fs_close(w->fs, file);
	return ret;
}

static int create_error(struct world *w, const char *name, int flags)
{
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	int ret = fs_create(w->fs, w->root, name, flags, 0600, ANYBODY, &node, &file, &attr, NULL);

	fs_close(w->fs, file);
	fs_forget(w->fs, node);
	return ret;
}

static bool is_outside(const struct world *w, const struct fs_attr *attr)
{
	return attr->path == w->outside_ino || attr->path == w->secret_ino;
}

/* ---- a thread that works against us ---- */

struct villain {
	struct world *w;
	void (*act)(struct world *w, unsigned turn);
	atomic_bool stop;
	pthread_t thread;
};

static void *villain_main(void *arg)
{
	struct villain *v = arg;

	for (unsigned turn = 0; !v->stop; turn++)
		v->act(v->w, turn);
	return NULL;
}

static void villain_start(struct villain *v)
{
	pthread_create(&v->thread, NULL, villain_main, v);
}

static void villain_stop(struct villain *v)
{
	v->stop = true;
	pthread_join(v->thread, NULL);
}

/* true for a fraction of a second from the first call with `end` {0} */
static bool go_on(struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (end->tv_sec == 0) {
		*end = now;
		end->tv_nsec += 300000000;
	}
	return (now.tv_sec - end->tv_sec) * 1000000000 + now.tv_nsec < end->tv_nsec;
}

/* ---- symlinks ---- */

static void symlinks_out_are_only_links(void)
{
	_world_ struct world w = world();
	const char *targets[] = {"../outside",	      "/etc",	       "/", "..",
				 "../outside/secret", "../outside/new"};

	for (size_t i = 0; i < countof(targets); i++) {
		struct fs_node link;

		OK(symlinkat(targets[i], w.host, "link"));
		link = find(&w, w.root, "link");
		CU_ASSERT_EQUAL(link.type, S_IFLNK);
		FAILS(ENOTDIR, walk_error(&w, link, "secret"));
		FAILS(ENOTDIR, walk_error(&w, link, ".."));
		FAILS(ELOOP, open_error(&w, link, O_RDWR));
		FAILS(ELOOP, create_error(&w, "link", O_RDWR | O_TRUNC));
		FAILS(EEXIST, create_error(&w, "link", O_RDWR | O_EXCL));
		fs_forget(w.fs, link);
		OK(unlinkat(w.host, "link", 0));
	}
	CU_ASSERT(faccessat(w.outside, "new", F_OK, 0) != 0);
}

static void changing_a_symlink_leaves_its_target_alone(void)
{
	_world_ struct world w = world();
	struct fs_setattr set = {.valid = FS_SET_UID | FS_SET_ATIME | FS_SET_MTIME | FS_SET_CTIME,
				 .uid = 4242};
	struct stat before, after;
	struct fs_node link;

	OK(fstatat(w.outside, "secret", &before, 0));
	OK(symlinkat("../outside/secret", w.host, "link"));
	link = find(&w, w.root, "link");
	OK(fs_setattr(w.fs, link, FS_NO_FILE, &set));
	set.valid = FS_SET_CTIME;
	OK(fs_setattr(w.fs, link, FS_NO_FILE, &set));
	set.valid = FS_SET_MODE;
	FAILS(EOPNOTSUPP, fs_setattr(w.fs, link, FS_NO_FILE, &set));
	set.valid = FS_SET_SIZE;
	FAILS(EINVAL, fs_setattr(w.fs, link, FS_NO_FILE, &set));
	CU_ASSERT(fs_setxattr(w.fs, link, "user.a", "x", 1, 0, NULL) < 0);
	OK(fs_link(w.fs, link, w.root, "other", NULL));
	OK(fstatat(w.outside, "secret", &after, 0));
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	fs_forget(w.fs, link);
}

static void swap_directory_and_symlink(struct world *w, unsigned turn)
{
	renameat2(w->host, "a", w->host, "b", RENAME_EXCHANGE);
	(void)turn;
}

static void a_symlink_swapped_in_is_not_followed(void)
{
	_world_ struct world w = world();
	struct villain v = {.w = &w, .act = swap_directory_and_symlink};
	unsigned links = 0, dirs = 0, bad = 0;
	struct timespec end = {0};

	close(host_dir(w.host, "a"));
	OK(symlinkat("../outside", w.host, "b"));
	villain_start(&v);
	while (go_on(&end) || links == 0 || dirs == 0) {
		struct fs_node node, in;
		struct fs_attr attr;

		if (fs_walk(w.fs, w.root, "a", &node, &attr))
			continue;
		links += node.type == S_IFLNK;
		dirs += node.type == S_IFDIR;
		bad += is_outside(&w, &attr);
		bad += fs_walk(w.fs, node, "secret", &in, &attr) == 0;
		fs_forget(w.fs, in);
		fs_forget(w.fs, node);
	}
	villain_stop(&v);
	CU_ASSERT_EQUAL(bad, 0);
}

static void a_new_object_is_never_made_through_a_symlink(void)
{
	_world_ struct world w = world();
	struct villain v = {.w = &w, .act = swap_directory_and_symlink};
	struct timespec end = {0};
	struct fs_attr attr;

	OK(symlinkat("../outside/new", w.host, "b"));
	host_file(w.host, "a", "");
	villain_start(&v);
	while (go_on(&end)) {
		create_error(&w, "a", O_RDWR | O_TRUNC);
		fs_unlink(w.fs, w.root, "a", false, NULL);
		create_error(&w, "a", O_RDWR | O_EXCL);
		fs_mkdir(w.fs, w.root, "a", 0755, ANYBODY, &attr, NULL);
		symlinkat("../outside/new", w.host, "b");
	}
	villain_stop(&v);
	CU_ASSERT(faccessat(w.outside, "new", F_OK, AT_SYMLINK_NOFOLLOW) != 0);
}

static void swap_for_a_link_to_outside(struct world *w, unsigned turn)
{
	if (turn % 2 == 0)
		symlinkat("../outside", w->host, "bait");
	renameat(w->host, "bait", w->host, "new");
	renameat2(w->host, "new", w->host, "bait", RENAME_EXCHANGE);
}

/* mkdir sets S_ISGID in a second step: by then a symlink may stand there. */
static void mkdir_never_changes_the_mode_outside(void)
{
	_world_ struct world w = world();
	struct villain v = {.w = &w, .act = swap_for_a_link_to_outside};
	struct timespec end = {0};
	struct fs_attr attr;
	struct stat st;

	villain_start(&v);
	while (go_on(&end)) {
		fs_mkdir(w.fs, w.root, "new", 03777, ANYBODY, &attr, NULL);
		unlinkat(w.host, "new", AT_REMOVEDIR);
		unlinkat(w.host, "new", 0);
	}
	villain_stop(&v);
	OK(fstat(w.outside, &st));
	CU_ASSERT_EQUAL(st.st_mode, S_IFDIR | 0755);
}

static void magic_links_are_only_links(void)
{
	const char *names[] = {"root", "cwd", "exe"};
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct world w = {0};
	struct fs_attr attr;
	char err[128];

	OK(fs_local_create(proc, FS_MODEL_NONE, &w.fs, err, sizeof(err)));
	OK(fs_root(w.fs, &w.root, &attr));
	for (size_t i = 0; i < countof(names); i++) {
		struct fs_node link = find(&w, w.root, names[i]);

		CU_ASSERT_EQUAL(link.type, S_IFLNK);
		FAILS(ENOTDIR, walk_error(&w, link, "etc"));
		FAILS(ELOOP, open_error(&w, link, O_RDONLY));
		FAILS(ELOOP, create_error(&w, names[i], O_RDONLY));
		fs_forget(w.fs, link);
	}
	fs_forget(w.fs, w.root);
	fs_destroy(w.fs);
	close(proc);
}

/* ---- ".." ---- */

static void the_root_has_nothing_above(void)
{
	_world_ struct world w = world();
	struct fs_node up = find(&w, w.root, "..");
	struct fs_attr attr;
	char name[FS_NAME_MAX + 1];

	OK(fs_getattr(w.fs, up, &attr));
	CU_ASSERT_EQUAL(attr.path, ino_at(w.host, "."));
	fs_forget(w.fs, up);
	OK(fs_parent(w.fs, w.root, &up, name));
	CU_ASSERT_STRING_EQUAL(name, "/");
	OK(fs_getattr(w.fs, up, &attr));
	CU_ASSERT_EQUAL(attr.path, ino_at(w.host, "."));
	fs_forget(w.fs, up);
	FAILS(ENOENT, walk_error(&w, w.root, "../outside"));
	FAILS(ENOENT, walk_error(&w, w.root, "/etc"));
}

static bool find_dotdot(void *arg, const struct fs_dirent *entry)
{
	if (strcmp(entry->name, "..") == 0)
		*(uint64_t *)arg = entry->path;
	return true;
}

static void the_listing_of_the_root_hides_its_parent(void)
{
	_world_ struct world w = world();
	struct fs_file dir;
	uint64_t up = 0;

	OK(fs_open(w.fs, w.root, O_RDONLY, &dir));
	OK(fs_readdir(w.fs, dir, 0, 4096, find_dotdot, &up));
	CU_ASSERT_EQUAL(up, ino_at(w.host, "."));
	fs_close(w.fs, dir);
}

static void a_directory_moved_out_has_no_parent(void)
{
	_world_ struct world w = world();
	struct fs_node d, e, up;
	char name[FS_NAME_MAX + 1];

	close(host_dir(w.host, "d"));
	OK(mkdirat(w.host, "d/e", 0755));
	d = find(&w, w.root, "d");
	e = find(&w, d, "e");
	OK(renameat(w.host, "d", w.outside, "d"));
	FAILS(ENOENT, walk_error(&w, d, ".."));
	FAILS(ENOENT, walk_error(&w, e, ".."));
	FAILS(ENOENT, fs_parent(w.fs, d, &up, name));
	FAILS(ENOENT, fs_parent(w.fs, e, &up, name));
	/* nor when another of its name stands there, or a link to it */
	close(host_dir(w.host, "d"));
	FAILS(ENOENT, walk_error(&w, d, ".."));
	OK(unlinkat(w.host, "d", AT_REMOVEDIR));
	OK(symlinkat("../outside/d", w.host, "d"));
	FAILS(ENOENT, walk_error(&w, e, ".."));
	OK(unlinkat(w.host, "d", 0));
	OK(renameat(w.outside, "d", w.host, "back"));
	OK(walk_error(&w, e, ".."));
	OK(fs_parent(w.fs, d, &up, name));
	CU_ASSERT_STRING_EQUAL(name, "back");
	fs_forget(w.fs, up);
	fs_forget(w.fs, e);
	fs_forget(w.fs, d);
}

static void move_out_and_in(struct world *w, unsigned turn)
{
	if (turn % 2 == 0)
		renameat(w->host, "d", w->outside, "d");
	else
		renameat(w->outside, "d", w->host, "d");
}

/* /proc calls an object whose name was removed "a (deleted)", also when it has others. */
static void another_object_is_not_taken_for_the_one_asked(void)
{
	_world_ struct world w = world();
	char name[FS_NAME_MAX + 1];
	struct fs_node node, up;

	host_file(w.host, "a", "");
	node = find(&w, w.root, "a");
	OK(linkat(w.host, "a", w.host, "b", 0));
	OK(unlinkat(w.host, "a", 0));
	host_file(w.host, "a (deleted)", "");
	FAILS(ENOENT, fs_parent(w.fs, node, &up, name));
	fs_forget(w.fs, node);
}

static void dotdot_never_leads_out_of_a_moving_directory(void)
{
	_world_ struct world w = world();
	struct villain v = {.w = &w, .act = move_out_and_in};
	unsigned found = 0, bad = 0;
	struct timespec end = {0};
	struct fs_node d;

	close(host_dir(w.host, "d"));
	d = find(&w, w.root, "d");
	villain_start(&v);
	while (go_on(&end) || found == 0) {
		struct fs_node up;
		struct fs_attr attr;
		int ret = fs_walk(w.fs, d, "..", &up, &attr);

		found += ret == 0;
		bad += ret != 0 && ret != -ENOENT;
		bad += ret == 0 && attr.path != ino_at(w.host, ".");
		fs_forget(w.fs, up);
	}
	villain_stop(&v);
	CU_ASSERT_EQUAL(bad, 0);
	fs_forget(w.fs, d);
}

static void rename_above(struct world *w, unsigned turn)
{
	renameat(w->host, turn % 2 ? "y" : "x", w->host, turn % 2 ? "x" : "y");
}

/* A rename on the way must not look like a removal. */
static void the_parent_is_found_beside_renames(void)
{
	_world_ struct world w = world();
	struct villain v = {.w = &w, .act = rename_above};
	struct timespec end = {0};
	unsigned bad = 0;
	struct fs_node x, in;

	close(host_dir(w.host, "x"));
	OK(mkdirat(w.host, "x/in", 0755));
	x = find(&w, w.root, "x");
	in = find(&w, x, "in");
	villain_start(&v);
	while (go_on(&end))
		bad += walk_error(&w, in, "..") != 0;
	villain_stop(&v);
	CU_ASSERT_EQUAL(bad, 0);
	fs_forget(w.fs, in);
	fs_forget(w.fs, x);
}

static void the_root_may_be_renamed_and_removed(void)
{
	_world_ struct world w = world();
	char path[256], moved[256];
	struct fs_node d;

	close(host_dir(w.host, "d"));
	d = find(&w, w.root, "d");
	snprintf(path, sizeof(path), "%s/export", w.base);
	snprintf(moved, sizeof(moved), "%s/moved", w.base);
	OK(rename(path, moved));
	OK(walk_error(&w, d, ".."));
	OK(walk_error(&w, w.root, "d"));
	OK(unlinkat(w.host, "d", AT_REMOVEDIR));
	OK(rmdir(moved));
	FAILS(ENOENT, walk_error(&w, d, ".."));
	OK(walk_error(&w, w.root, ".."));
	FAILS(ENOENT, create_error(&w, "new", O_RDWR));
	fs_forget(w.fs, d);
}

static void the_host_root_can_be_exported(void)
{
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct world w = {0};
	char name[FS_NAME_MAX + 1], err[128];
	struct fs_node node, up;
	struct fs_attr root, attr;

	OK(fs_local_create(slash, FS_MODEL_NONE, &w.fs, err, sizeof(err)));
	OK(fs_root(w.fs, &w.root, &root));
	node = find(&w, w.root, "proc");
	OK(fs_parent(w.fs, node, &up, name));
	CU_ASSERT_STRING_EQUAL(name, "proc");
	OK(fs_getattr(w.fs, up, &attr));
	CU_ASSERT_EQUAL(attr.path, root.path);
	CU_ASSERT_EQUAL(attr.path, ino_at(slash, "."));
	/* another file system's object: its number is marked as such */
	OK(fs_getattr(w.fs, node, &attr));
	CU_ASSERT(attr.path >> 48 != 0);
	fs_forget(w.fs, up);
	fs_forget(w.fs, node);
	fs_forget(w.fs, w.root);
	fs_destroy(w.fs);
	close(slash);
}

static void a_path_too_long_to_tell_is_known_of_directories_alone(void)
{
	enum { DEPTH = 20 };
	_world_ struct world w = world();
	char name[FS_NAME_MAX + 1], found[FS_NAME_MAX + 1];
	struct fs_node nodes[DEPTH + 1] = {w.root}, up, link;
	struct fs_attr attr, above;

	memset(name, 'n', FS_NAME_MAX);
	name[FS_NAME_MAX] = '\0';
	for (int i = 0; i < DEPTH; i++) {
		OK(fs_mkdir(w.fs, nodes[i], name, 0755, ANYBODY, &attr, NULL));
		nodes[i + 1] = find(&w, nodes[i], name);
	}
	OK(fs_parent(w.fs, nodes[DEPTH], &up, found));
	CU_ASSERT_STRING_EQUAL(found, name);
	OK(fs_getattr(w.fs, up, &attr));
	OK(fs_getattr(w.fs, nodes[DEPTH - 1], &above));
	CU_ASSERT_EQUAL(attr.path, above.path);
	fs_forget(w.fs, up);
	OK(fs_symlink(w.fs, nodes[DEPTH], "link", "target", ANYBODY, &attr, NULL));
	link = find(&w, nodes[DEPTH], "link");
	FAILS(ENAMETOOLONG, fs_parent(w.fs, link, &up, found));
	CU_ASSERT_EQUAL(fs_is_deep(w.fs, link), 1);
	CU_ASSERT_EQUAL(fs_is_deep(w.fs, nodes[1]), 0);
	fs_forget(w.fs, link);
	OK(fs_unlink(w.fs, nodes[DEPTH], "link", false, NULL));
	for (int i = DEPTH; i > 0; i--) {
		fs_forget(w.fs, nodes[i]);
		OK(fs_unlink(w.fs, nodes[i - 1], name, true, NULL));
	}
}

/* ---- what is planted ---- */

static void planted_special_files_are_not_opened(void)
{
	_world_ struct world w = world();
	const mode_t kinds[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};

	for (size_t i = 0; i < (geteuid() == 0 ? 4 : 2); i++) {
		struct fs_node node;

		OK(mknodat(w.host, "node", kinds[i] | 0666, makedev(1, 5)));
		node = find(&w, w.root, "node");
		FAILS(ENXIO, open_error(&w, node, O_RDONLY));
		FAILS(ENXIO, open_error(&w, node, O_WRONLY));
		FAILS(ENXIO, create_error(&w, "node", O_RDWR));
		fs_forget(w.fs, node);
		OK(unlinkat(w.host, "node", 0));
	}
}

static void swap_file_and_fifo(struct world *w, unsigned turn)
{
	(void)turn;
	renameat2(w->host, "a", w->host, "b", RENAME_EXCHANGE);
}

/* Opening a FIFO for writing would wait for ever: the alarm ends that. */
static void a_fifo_swapped_in_is_not_opened(void)
{
	_world_ struct world w = world();
	struct villain v = {.w = &w, .act = swap_file_and_fifo};
	unsigned opened = 0, refused = 0, bad = 0;
	struct timespec end = {0};

	host_file(w.host, "a", "");
	OK(mkfifoat(w.host, "b", 0666));
	alarm(300);
	villain_start(&v);
	while (go_on(&end) || opened == 0 || refused == 0) {
		struct fs_node node;
		struct fs_file file;
		struct fs_attr attr;
		int ret = fs_create(w.fs, w.root, "a", O_WRONLY | O_TRUNC, 0644, ANYBODY, &node,
				    &file, &attr, NULL);

		opened += ret == 0;
		refused += ret == -ENXIO;
		bad += ret != 0 && ret != -ENXIO;
		bad += ret == 0 && fs_write(w.fs, file, "x", 1, 0, NULL) != 1;
		fs_close(w.fs, file);
		fs_forget(w.fs, node);
	}
	villain_stop(&v);
	alarm(0);
	CU_ASSERT_EQUAL(bad, 0);
}

/* ---- mounts ---- */

/* Before the export is opened: descriptors stay with the mounts they were opened in. */
static bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void mount_below(struct world *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/export/%s", w->base, name);
	OK(mount("tmpfs", path, "tmpfs", 0, NULL));
}

static void unmount_below(struct world *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/export/%s", w->base, name);
	OK(umount2(path, MNT_DETACH));
}

static void check_mount(struct world *w)
{
	struct fs_node mnt = find(w, w->root, "mnt"), file = find(w, mnt, "file"), up;
	char name[FS_NAME_MAX + 1];
	struct fs_attr attr;

	OK(fs_getattr(w->fs, file, &attr));
	CU_ASSERT_NOT_EQUAL(attr.path >> 48, 0);
	CU_ASSERT_EQUAL(attr.path & 0xffffffffffff, ino_at(w->host, "mnt/file"));
	OK(fs_parent(w->fs, file, &up, name));
	CU_ASSERT_STRING_EQUAL(name, "file");
	fs_forget(w->fs, up);
	OK(walk_error(w, mnt, ".."));
	FAILS(EXDEV, fs_rename(w->fs, w->root, "here", mnt, "there", NULL));
	FAILS(EXDEV, fs_link(w->fs, file, w->root, "there", NULL));
	fs_forget(w->fs, file);
	fs_forget(w->fs, mnt);
}

static void a_mount_below_has_numbers_of_its_own(void)
{
	struct world w;

	if (!own_mounts())
		return test_skip("mounting needs root");
	w = world();
	close(host_dir(w.host, "mnt"));
	mount_below(&w, "mnt");
	host_file(w.host, "mnt/file", "");
	host_file(w.host, "here", "");
	check_mount(&w);
	unmount_below(&w, "mnt");
	world_end(&w);
}

/* What numbers `names` have for an fs that meets them in this order. */
static void numbers_of(const struct world *w, const char *const names[2], uint64_t numbers[2])
{
	struct world other = *w;
	struct fs_attr attr;
	char err[128];

	OK(fs_local_create(w->host, FS_MODEL_NONE, &other.fs, err, sizeof(err)));
	OK(fs_root(other.fs, &other.root, &attr));
	for (int i = 0; i < 2; i++) {
		OK(fs_lookup(other.fs, other.root, names[i], &attr));
		numbers[i] = attr.path;
	}
	fs_forget(other.fs, other.root);
	fs_destroy(other.fs);
}

static void every_process_gives_the_same_numbers(void)
{
	const char *const names[] = {"a", "b"}, *const backwards[] = {"b", "a"};
	uint64_t numbers[2], others[2];
	struct world w;

	if (!own_mounts())
		return test_skip("mounting needs root");
	w = world();
	for (int i = 0; i < 2; i++) {
		close(host_dir(w.host, names[i]));
		mount_below(&w, names[i]);
	}
	numbers_of(&w, names, numbers);
	numbers_of(&w, backwards, others);
	CU_ASSERT_EQUAL(numbers[0], others[1]);
	CU_ASSERT_EQUAL(numbers[1], others[0]);
	CU_ASSERT_NOT_EQUAL(numbers[0], numbers[1]);
	for (int i = 0; i < 2; i++)
		unmount_below(&w, names[i]);
	world_end(&w);
}

/* ---- handles ---- */

/* A handle as somebody who has the run of the host could forge it. */
static bool forge(int dir, const char *name, struct fs_handle *handle)
{
	struct world whole = {.fs = NULL};
	struct fs_node node;
	struct fs_attr attr;
	char err[128];
	int ret;

	OK(fs_local_create(dir, FS_MODEL_NONE, &whole.fs, err, sizeof(err)));
	OK(fs_root(whole.fs, &whole.root, &attr));
	node = find(&whole, whole.root, name);
	OK(fs_getattr(whole.fs, node, &attr));
	ret = fs_handle(whole.fs, node, &attr, handle);
	if (ret == 0) {
		fs_forget(whole.fs, node);
		ret = fs_restore(whole.fs, handle, &node, &attr);
	}
	fs_forget(whole.fs, node);
	fs_forget(whole.fs, whole.root);
	fs_destroy(whole.fs);
	if (ret)
		test_skip("no handles here");
	return ret == 0;
}

static int restore_error(struct world *w, const struct fs_handle *handle)
{
	struct fs_node node;
	struct fs_attr attr;
	int ret = fs_restore(w->fs, handle, &node, &attr);

	fs_forget(w->fs, node);
	return ret;
}

static void a_forged_handle_finds_nothing_outside(void)
{
	_world_ struct world w = world();
	const char *const outside[] = {".", "secret", "link", "fifo"};
	struct fs_handle handle;

	OK(symlinkat("secret", w.outside, "link"));
	OK(mknodat(w.outside, "fifo", S_IFIFO | 0666, 0));
	host_file(w.host, "inside", "");
	if (!forge(w.host, "inside", &handle))
		return;
	OK(restore_error(&w, &handle));
	for (size_t i = 0; i < countof(outside); i++) {
		CU_ASSERT(forge(w.outside, outside[i], &handle));
		FAILS(ESTALE, restore_error(&w, &handle));
	}
	CU_ASSERT(forge(w.host, ".", &handle));
	OK(restore_error(&w, &handle));
}

static void what_was_moved_out_is_not_restored(void)
{
	_world_ struct world w = world();
	struct fs_handle dir, file;
	int fd = host_dir(w.host, "dir");

	host_file(fd, "file", "");
	close(fd);
	if (!forge(w.host, "dir", &dir))
		return;
	fd = openat(w.host, "dir", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT(forge(fd, "file", &file));
	close(fd);
	OK(restore_error(&w, &dir));
	OK(restore_error(&w, &file));
	OK(renameat(w.host, "dir", w.outside, "dir"));
	FAILS(ESTALE, restore_error(&w, &dir));
	FAILS(ESTALE, restore_error(&w, &file));
	OK(renameat(w.outside, "dir", w.host, "dir"));
	OK(restore_error(&w, &file));
}

/* What lies beneath a mount cannot be walked to, and what is on it is of another file system. */
static void mounts_below_have_no_handles(void)
{
	struct fs_handle hidden, on_mount;
	struct fs_attr attr;
	struct fs_node node;
	struct world w;

	if (!own_mounts())
		return test_skip("mounting needs root");
	w = world();
	close(host_dir(w.host, "mnt"));
	host_file(w.host, "mnt/hidden", "");
	node = find(&w, w.root, "mnt");
	if (forge(node.id, "hidden", &hidden)) {
		OK(restore_error(&w, &hidden));
		mount_below(&w, "mnt");
		FAILS(ESTALE, restore_error(&w, &hidden));
		fs_forget(w.fs, node);
		host_file(w.host, "mnt/file", "");
		node = find(&w, w.root, "mnt");
		OK(fs_getattr(w.fs, node, &attr));
		FAILS(EOPNOTSUPP, fs_handle(w.fs, node, &attr, &on_mount));
		CU_ASSERT_EQUAL(on_mount.size, 0);
		if (forge(node.id, "file", &on_mount))
			FAILS(ESTALE, restore_error(&w, &on_mount));
		unmount_below(&w, "mnt");
	}
	fs_forget(w.fs, node);
	world_end(&w);
}

/* Without asking the kernel, which would not know the node. */
static void the_handle_of_an_old_object_is_remembered(void)
{
	_world_ struct world w = world();
	struct fs_handle handle, again;
	struct fs_node node;
	struct fs_attr attr;

	host_file(w.host, "file", "");
	if (!forge(w.host, "file", &handle))
		return;
	node = find(&w, w.root, "file");
	OK(fs_getattr(w.fs, node, &attr));
	attr.btime.sec -= 3600;
	OK(fs_handle(w.fs, node, &attr, &handle));
	OK(fs_handle(w.fs, FS_NO_NODE, &attr, &again));
	CU_ASSERT_EQUAL(again.size, handle.size);
	CU_ASSERT_EQUAL(memcmp(again.bytes, handle.bytes, handle.size), 0);
	attr.btime.nsec++;
	FAILS(EBADF, fs_handle(w.fs, FS_NO_NODE, &attr, &again));
	fs_forget(w.fs, node);
}

/* Number and time of birth may be those of an object removed just before. */
static void the_handle_of_a_twin_is_not_taken(void)
{
	_world_ struct world w = world();
	struct fs_handle handle;

	host_file(w.host, "file", "");
	if (!forge(w.host, "file", &handle))
		return;
	for (int i = 0; i < 100; i++) {
		struct fs_node node = find(&w, w.root, "file");
		struct fs_attr attr;

		OK(fs_getattr(w.fs, node, &attr));
		OK(fs_handle(w.fs, node, &attr, &handle));
		fs_forget(w.fs, node);
		OK(restore_error(&w, &handle));
		OK(unlinkat(w.host, "file", 0));
		host_file(w.host, "file", "");
	}
}

/* ---- host processes beside the guest ---- */

static void locks_count_for_host_processes(void)
{
	_world_ struct world w = world();
	struct fs_lock lock = {.type = FS_LOCK_WRITE, .start = 100, .length = 10};
	struct fs_node node;
	struct fs_file file;
	int ready[2], done[2];
	pid_t child;
	char c = 0;

	host_file(w.host, "file", "");
	node = find(&w, w.root, "file");
	OK(fs_open(w.fs, node, O_RDWR, &file));
	OK(pipe(ready));
	OK(pipe(done));
	child = fork();
	if (child == 0) {
		struct flock held = {.l_type = F_WRLCK, .l_start = 50, .l_len = 60};
		int fd = openat(w.host, "file", O_RDWR);

		c = fcntl(fd, F_SETLK, &held) == 0 ? 'y' : 'n';
		if (write(ready[1], &c, 1) == 1 && read(done[0], &c, 1) == 1)
			_exit(0);
		_exit(1);
	}
	CU_ASSERT(read(ready[0], &c, 1) == 1 && c == 'y');
	FAILS(EAGAIN, fs_lock(w.fs, file, &lock));
	OK(fs_getlock(w.fs, file, &lock));
	CU_ASSERT_EQUAL(lock.type, FS_LOCK_WRITE);
	CU_ASSERT_EQUAL(lock.start, 50);
	CU_ASSERT_EQUAL(lock.length, 60);
	CU_ASSERT_EQUAL(write(done[1], &c, 1), 1);
	waitpid(child, NULL, 0);
	OK(fs_lock(w.fs, file, &lock));
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(done[i]);
	}
	fs_close(w.fs, file);
	fs_forget(w.fs, node);
}

static void nobody_waits_for_a_lease(void)
{
	_world_ struct world w = world();
	struct fs_setattr size = {.valid = FS_SET_SIZE};
	struct fs_node node;
	int fd;

	host_file(w.host, "file", "");
	fd = openat(w.host, "file", O_RDONLY | O_CLOEXEC);
	signal(SIGIO, SIG_IGN);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		node = find(&w, w.root, "file");
		alarm(300);
		FAILS(EAGAIN, open_error(&w, node, O_RDWR));
		FAILS(EAGAIN, fs_setattr(w.fs, node, FS_NO_FILE, &size));
		alarm(0);
		fs_forget(w.fs, node);
	} else {
		test_skip("the file system here has no leases");
	}
	close(fd);
	signal(SIGIO, SIG_DFL);
}

/* With only the beginning in the page cache: EAGAIN, never a part. */
static void a_half_cached_read_is_refused_whole(void)
{
	enum { SIZE = 1 << 20 };
	_world_ struct world w = world();
	_cleanup_free_ char *data = calloc(1, SIZE);
	struct fs_node node;
	struct fs_file file;
	ssize_t n;
	int fd;

	host_file(w.host, "file", "");
	fd = openat(w.host, "file", O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(write(fd, data, SIZE), SIZE);
	OK(fsync(fd));
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	OK(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM));
	CU_ASSERT_EQUAL(pread(fd, data, 1, 0), 1);
	node = find(&w, w.root, "file");
	OK(fs_open(w.fs, node, O_RDONLY, &file));
	n = fs_read(w.fs, file, data, SIZE, 0, true);
	CU_ASSERT(n == -EAGAIN || n == SIZE);
	CU_ASSERT_EQUAL(fs_read(w.fs, file, data, SIZE, 0, false), SIZE);
	fs_close(w.fs, file);
	fs_forget(w.fs, node);
	close(fd);
}

/* ---- credentials ---- */

static void create_rejects_what_cannot_be_served(void)
{
	_world_ struct world w = world();
	char err[128] = "";
	struct fs *fs;
	int fd;

	host_file(w.host, "file", "");
	fd = openat(w.host, "file", O_RDONLY | O_CLOEXEC);
	FAILS(ENOTDIR, fs_local_create(fd, FS_MODEL_NONE, &fs, err, sizeof(err)));
	CU_ASSERT(strstr(err, "export") != NULL);
	FAILS(EBADF, fs_local_create(-1, FS_MODEL_NONE, &fs, err, sizeof(err)));
	close(fd);
}

static void passthrough_needs_root_and_says_so(void)
{
	_world_ struct world w = world();
	pid_t child = fork();
	int status = 1;

	if (child == 0) {
		char err[128] = "";
		struct fs *fs;
		int ret;

		if (geteuid() == 0 && setresuid(65534, 65534, 65534))
			_exit(2);
		ret = fs_local_create(w.host, FS_MODEL_PASSTHROUGH, &fs, err, sizeof(err));
		_exit(ret == -EPERM && strstr(err, "root") && strstr(err, "CAP_") ? 0 : 3);
	}
	waitpid(child, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
}

struct thread_state {
	uid_t uid;
	gid_t gid;
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
};

static struct thread_state thread_state(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct thread_state state;

	memset(&state, 0, sizeof(state));
	state.uid = (uid_t)setfsuid((uid_t)-1);
	state.gid = (gid_t)setfsgid((gid_t)-1);
	OK(syscall(SYS_capget, &header, state.caps));
	return state;
}

static void credentials_are_put_back(void)
{
	_world_ struct world w = world();
	struct thread_state before = thread_state(), after;
	struct fs_cred cred = {1000, 1000};
	struct fs_attr attr;

	OK(fs_mkdir(w.fs, w.root, "ok", 0755, cred, &attr, NULL));
	FAILS(EEXIST, fs_mkdir(w.fs, w.root, "ok", 0755, cred, &attr, NULL));
	FAILS(EEXIST, fs_symlink(w.fs, w.root, "ok", "t", cred, &attr, NULL));
	after = thread_state();
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
}

/* The server's groups are not the guest's: one it is not in costs S_ISGID. */
static void *create_with_foreign_group(void *arg)
{
	struct world *w = arg;
	const gid_t group = 4444;
	struct fs_cred cred = {1000, 1000};
	struct fs_node dir, node;
	struct fs_file file;
	struct fs_attr attr;

	OK(syscall(SYS_setgroups, 1, &group));
	OK(mkdirat(w->host, "dir", 0755));
	OK(fchownat(w->host, "dir", 0, group, 0));
	OK(fchmodat(w->host, "dir", 02777, 0));
	dir = find(w, w->root, "dir");
	OK(fs_create(w->fs, dir, "f", O_RDWR | O_EXCL, 02755, cred, &node, &file, &attr, NULL));
	CU_ASSERT_EQUAL(attr.gid, group);
	CU_ASSERT_EQUAL(attr.mode, S_IFREG | 0755);
	fs_close(w->fs, file);
	fs_forget(w->fs, node);
	fs_forget(w->fs, dir);
	return NULL;
}

static void the_servers_groups_do_not_count(void)
{
	_world_ struct world w = world();
	pthread_t thread;

	if (geteuid() != 0)
		return test_skip("groups are root's to set");
	pthread_create(&thread, NULL, create_with_foreign_group, &w);
	pthread_join(thread, NULL);
}

static const struct test tests[] = {
	{"symlinks_out_are_only_links", symlinks_out_are_only_links},
	{"changing_a_symlink_leaves_its_target_alone", changing_a_symlink_leaves_its_target_alone},
	{"a_symlink_swapped_in_is_not_followed", a_symlink_swapped_in_is_not_followed},
	{"a_new_object_is_never_made_through_a_symlink",
	 a_new_object_is_never_made_through_a_symlink},
	{"mkdir_never_changes_the_mode_outside", mkdir_never_changes_the_mode_outside},
	{"magic_links_are_only_links", magic_links_are_only_links},
	{"the_root_has_nothing_above", the_root_has_nothing_above},
	{"the_listing_of_the_root_hides_its_parent", the_listing_of_the_root_hides_its_parent},
	{"a_directory_moved_out_has_no_parent", a_directory_moved_out_has_no_parent},
	{"another_object_is_not_taken_for_the_one_asked",
	 another_object_is_not_taken_for_the_one_asked},
	{"dotdot_never_leads_out_of_a_moving_directory",
	 dotdot_never_leads_out_of_a_moving_directory},
	{"the_parent_is_found_beside_renames", the_parent_is_found_beside_renames},
	{"the_root_may_be_renamed_and_removed", the_root_may_be_renamed_and_removed},
	{"the_host_root_can_be_exported", the_host_root_can_be_exported},
	{"a_path_too_long_to_tell_is_known_of_directories_alone",
	 a_path_too_long_to_tell_is_known_of_directories_alone},
	{"planted_special_files_are_not_opened", planted_special_files_are_not_opened},
	{"a_fifo_swapped_in_is_not_opened", a_fifo_swapped_in_is_not_opened},
	{"a_mount_below_has_numbers_of_its_own", a_mount_below_has_numbers_of_its_own},
	{"every_process_gives_the_same_numbers", every_process_gives_the_same_numbers},
	{"a_forged_handle_finds_nothing_outside", a_forged_handle_finds_nothing_outside},
	{"what_was_moved_out_is_not_restored", what_was_moved_out_is_not_restored},
	{"mounts_below_have_no_handles", mounts_below_have_no_handles},
	{"the_handle_of_an_old_object_is_remembered", the_handle_of_an_old_object_is_remembered},
	{"the_handle_of_a_twin_is_not_taken", the_handle_of_a_twin_is_not_taken},
	{"locks_count_for_host_processes", locks_count_for_host_processes},
	{"nobody_waits_for_a_lease", nobody_waits_for_a_lease},
	{"a_half_cached_read_is_refused_whole", a_half_cached_read_is_refused_whole},
	{"create_rejects_what_cannot_be_served", create_rejects_what_cannot_be_served},
	{"passthrough_needs_root_and_says_so", passthrough_needs_root_and_says_so},
	{"credentials_are_put_back", credentials_are_put_back},
	{"the_servers_groups_do_not_count", the_servers_groups_do_not_count},
};

/* valgrind before 3.21 has no openat2(2) */
static bool has_openat2(void)
{
	return syscall(SYS_openat2, -1, "", NULL, 0) < 0 && errno != ENOSYS;
}

int main(int argc, char **argv)
{
	if (!has_openat2()) {
		printf("skip local-escape: no openat2(2) here\n");
		return 77;
	}
	return test_main(argc, argv, "local-escape", tests, countof(tests));
}
