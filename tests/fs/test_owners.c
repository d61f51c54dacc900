/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_owners.c - what ownership models and rules leave on the host, byte for byte, and what they
 * make of what others have left there.
 *
 * The trees that are "QEMU's" are written here by hand, from its format.
 */
#include <endian.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/export.h"
#include "tests/fs/conformance.h"

static struct fs_export chosen;
static struct fs_groups *known; /* users' groups; NULL: nobody is known */

static int make_chosen(const char *dir, struct fs **fs)
{
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char err[256] = "";
	int ret = fs_export_open(&chosen, fd, known, fs, err, sizeof(err));

	if (ret)
		printf("    %s\n", err);
	return ret;
}

static const struct subject owners = {"owners", true, make_chosen};

/* A fresh world of an export like that. */
static struct world world_of(struct fs_export export)
{
	chosen = export;
	return world();
}

static bool keeps_xattrs(void)
{
	char *dir = test_tmpdir();
	bool keeps = setxattr(dir, "user.probe", "", 0, 0) == 0;

	test_rmtree(dir);
	free(dir);
	if (!keeps)
		test_skip("the file system here keeps no user attributes");
	return keeps;
}

/* ---- the host's side ---- */

struct host_path {
	char text[512];
};

static struct host_path at(struct world *w, const char *name)
{
	struct host_path path;

	snprintf(path.text, sizeof(path.text), "%s/%s", w->dir, name);
	return path;
}

static void host_write(struct world *w, const char *name, const char *bytes, size_t size)
{
	int fd = open(at(w, name).text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static void host_text(struct world *w, const char *name, const char *text)
{
	host_write(w, name, text, strlen(text));
}

static bool host_has(struct world *w, const char *name, const char *bytes, size_t size)
{
	char buf[8192];
	_cleanup_close_ int fd = open(at(w, name).text, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	return n == (ssize_t)size && memcmp(buf, bytes, size) == 0;
}

static bool host_has_text(struct world *w, const char *name, const char *text)
{
	return host_has(w, name, text, strlen(text));
}

static uint32_t host_mode(struct world *w, const char *name)
{
	struct stat st = {0};

	CU_ASSERT_EQUAL(lstat(at(w, name).text, &st), 0);
	return st.st_mode;
}

static void host_set(struct world *w, const char *name, const char *key, const void *value,
		     size_t size)
{
	CU_ASSERT_EQUAL(setxattr(at(w, name).text, key, value, size, 0), 0);
}

static bool host_is_set(struct world *w, const char *name, const char *key, const void *value,
			size_t size)
{
	char buf[256];
	ssize_t n = getxattr(at(w, name).text, key, buf, sizeof(buf));

	return n == (ssize_t)size && memcmp(buf, value, size) == 0;
}

static size_t host_attributes(struct world *w, const char *name)
{
	char list[4096];
	ssize_t n = listxattr(at(w, name).text, list, sizeof(list));
	size_t count = 0;

	for (ssize_t i = 0; i < n; i++)
		count += list[i] == '\0';
	return count;
}

/* ---- mapped-xattr ---- */

static const struct fs_cred guest = {0x12345678, 1001};

/* Makes one object of each kind, as a guest does. */
static void make_each(struct world *w)
{
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	OK(fs_create(w->fs, w->root, "file", O_RDWR | O_EXCL, 04755, guest, &node, &file, &attr,
		     NULL));
	put_text(w, file, "text", 0);
	fs_close(w->fs, file);
	fs_forget(w->fs, node);
	OK(fs_mkdir(w->fs, w->root, "dir", 01777, guest, &attr, NULL));
	OK(fs_symlink(w->fs, w->root, "link", "/a target", guest, &attr, NULL));
	OK(fs_mknod(w->fs, w->root, "dev", S_IFBLK | 0640, 259, 7, guest, &attr, NULL));
	OK(fs_mknod(w->fs, w->root, "pipe", S_IFIFO | 0600, 0, 0, guest, &attr, NULL));
	OK(fs_mknod(w->fs, w->root, "sock", S_IFSOCK | 0666, 0, 0, guest, &attr, NULL));
}

static const struct {
	const char *name;
	uint32_t mode;
	const char *content;
} each[] = {
	{"file", S_IFREG | 04755, "text"},     {"dir", S_IFDIR | 01777, NULL},
	{"link", S_IFLNK | 0777, "/a target"}, {"dev", S_IFBLK | 0640, ""},
	{"pipe", S_IFIFO | 0600, ""},	       {"sock", S_IFSOCK | 0666, ""},
};

static void check_each(struct world *w)
{
	for (size_t i = 0; i < countof(each); i++) {
		struct fs_attr attr = attr_at(w, w->root, each[i].name);

		CU_ASSERT_EQUAL(attr.mode, each[i].mode);
		CU_ASSERT_EQUAL(attr.uid, guest.uid);
		CU_ASSERT_EQUAL(attr.gid, guest.gid);
	}
	CU_ASSERT_EQUAL(attr_at(w, w->root, "dev").rdev_major, 259);
	CU_ASSERT_EQUAL(attr_at(w, w->root, "dev").rdev_minor, 7);
	CU_ASSERT_EQUAL(attr_at(w, w->root, "link").size, 9);
}

static void check_each_on_host(struct world *w)
{
	for (size_t i = 0; i < countof(each); i++) {
		CU_ASSERT_EQUAL(host_mode(w, each[i].name),
				each[i].content ? S_IFREG | 0600 : S_IFDIR | 0700);
		CU_ASSERT(!each[i].content || host_has_text(w, each[i].name, each[i].content));
	}
}

static void attributes_are_written_as_qemu_does(void)
{
	static const uint8_t uid[] = {0x78, 0x56, 0x34, 0x12}, gid[] = {0xe9, 3, 0, 0};
	static const uint8_t rdev[] = {0x07, 0x03, 0x01, 0, 0, 0, 0, 0}; /* makedev(259, 7) */
	static const uint8_t modes[][4] = {{0xed, 0x89, 0, 0}, {0xff, 0x43, 0, 0},
					   {0xff, 0xa1, 0, 0}, {0xa0, 0x61, 0, 0},
					   {0x80, 0x11, 0, 0}, {0xb6, 0xc1, 0, 0}};
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_XATTR});

	make_each(&w);
	check_each(&w);
	check_each_on_host(&w);
	for (size_t i = 0; i < countof(each); i++) {
		bool is_device = strcmp(each[i].name, "dev") == 0;

		CU_ASSERT(host_is_set(&w, each[i].name, "user.virtfs.uid", uid, 4));
		CU_ASSERT(host_is_set(&w, each[i].name, "user.virtfs.gid", gid, 4));
		CU_ASSERT(host_is_set(&w, each[i].name, "user.virtfs.mode", modes[i], 4));
		CU_ASSERT_EQUAL(host_attributes(&w, each[i].name), is_device ? 4 : 3);
	}
	CU_ASSERT(host_is_set(&w, "dev", "user.virtfs.rdev", rdev, 8));
}

static void host_owner(struct world *w, const char *name, uint32_t mode)
{
	const uint32_t uid = htole32(guest.uid), gid = htole32(guest.gid), le = htole32(mode);

	host_set(w, name, "user.virtfs.uid", &uid, 4);
	host_set(w, name, "user.virtfs.gid", &gid, 4);
	host_set(w, name, "user.virtfs.mode", &le, 4);
}

static bool link_leads_to(struct world *w, const char *name, const char *target)
{
	struct fs_node link = find(w, w->root, name);
	char buf[64];
	int n = fs_readlink(w->fs, link, buf, sizeof(buf));

	fs_forget(w->fs, link);
	return n == (int)strlen(target) && memcmp(buf, target, strlen(target)) == 0;
}

static void attributes_of_qemu_are_read(void)
{
	const uint64_t rdev = htole64(makedev(259, 7));
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_XATTR});

	for (size_t i = 0; i < countof(each); i++) {
		if (each[i].content)
			host_text(&w, each[i].name, each[i].content);
		else
			CU_ASSERT_EQUAL(mkdir(at(&w, each[i].name).text, 0700), 0);
		host_owner(&w, each[i].name, each[i].mode);
	}
	host_set(&w, "dev", "user.virtfs.rdev", &rdev, 8);
	check_each(&w);
	CU_ASSERT(link_leads_to(&w, "link", "/a target"));
	host_write(&w, "old link", "target", 7); /* with its NUL */
	host_owner(&w, "old link", S_IFLNK | 0777);
	CU_ASSERT(link_leads_to(&w, "old link", "target"));
}

static const uint8_t acl[] = {
	2,  0, 0, 0,			  /* version */
	1,  0, 7, 0, 255,  255, 255, 255, /* user_obj */
	2,  0, 4, 0, 0x05, 0,	0,   0,	  /* user 5 */
	4,  0, 5, 0, 255,  255, 255, 255, /* group_obj */
	8,  0, 5, 0, 0x06, 0,	0,   0,	  /* group 6 */
	16, 0, 5, 0, 255,  255, 255, 255, /* mask */
	32, 0, 0, 0, 255,  255, 255, 255, /* other */
};

static void acls_are_kept_where_qemu_does(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_XATTR});
	struct fs_node dir = make_dir(&w, w.root, "dir");
	const char *name = "system.posix_acl_default";
	uint8_t buf[sizeof(acl)];

	OK(fs_setxattr(w.fs, dir, name, acl, sizeof(acl), 0, NULL));
	CU_ASSERT(host_is_set(&w, "dir", "user.virtfs.system.posix_acl_default", acl, sizeof(acl)));
	FAILS(ENODATA, getxattr(at(&w, "dir").text, name, NULL, 0) < 0 ? -errno : 0);
	host_set(&w, "dir", "user.virtfs.system.posix_acl_access", acl, sizeof(acl));
	CU_ASSERT_EQUAL(fs_getxattr(w.fs, dir, "system.posix_acl_access", buf, sizeof(buf)),
			sizeof(acl));
	CU_ASSERT_EQUAL(memcmp(buf, acl, sizeof(acl)), 0);
	OK(fs_removexattr(w.fs, dir, name, NULL));
	OK(fs_removexattr(w.fs, dir, name, NULL));
	put(&w, dir);
}

static void names_of_the_store_are_not_for_guests(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_XATTR});
	struct fs_node file = make_file(&w, w.root, "file", "");
	const char *names[] = {"user.virtfs.uid", "user.virtfs.mode", "user.virtfs.x",
			       "user.virtfs.system.posix_acl_access"};
	uint32_t zero = 0;

	for (size_t i = 0; i < countof(names); i++) {
		FAILS(ENODATA, fs_getxattr(w.fs, file, names[i], &zero, 4));
		FAILS(EACCES, fs_setxattr(w.fs, file, names[i], &zero, 4, 0, NULL));
		FAILS(EACCES, fs_removexattr(w.fs, file, names[i], NULL));
	}
	OK(fs_setxattr(w.fs, file, "user.virtfsx", "", 0, 0, NULL));
	CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, NULL, 0), 13);
	put(&w, file);
}

static void attributes_that_lie_are_not_believed(void)
{
	const uint32_t le = htole32(S_IFDIR | 0755), link = htole32(S_IFLNK | 0777);
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_XATTR});
	struct fs_attr attr;

	host_text(&w, "short", "");
	host_set(&w, "short", "user.virtfs.uid", "\1\2", 2);
	host_set(&w, "short", "user.virtfs.mode", "\1\2\3\4\5\6\7\10\11\12", 10);
	attr = attr_at(&w, w.root, "short");
	CU_ASSERT_EQUAL(attr.mode, S_IFREG | 0600);
	CU_ASSERT_EQUAL(attr.uid, geteuid());
	host_text(&w, "no dir", "");
	host_set(&w, "no dir", "user.virtfs.mode", &le, 4);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "no dir").mode, S_IFREG | 0755);
	CU_ASSERT_EQUAL(mkdir(at(&w, "no link").text, 0700), 0);
	host_set(&w, "no link", "user.virtfs.mode", &link, 4);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "no link").mode, S_IFDIR | 0777);
	CU_ASSERT_EQUAL(symlink("/etc/passwd", at(&w, "host's").text), 0);
	CU_ASSERT(link_leads_to(&w, "host's", "/etc/passwd"));
	CU_ASSERT_EQUAL(mkfifo(at(&w, "fifo").text, 0600), 0);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "fifo").mode & S_IFMT, S_IFIFO);
}

static void modes_on_the_host_are_chosen(void)
{
	_world_ struct world w = world_of((struct fs_export){
		.model = FS_MODEL_MAPPED_XATTR, .fmode = 0640, .dmode = 0750, .umask = 027});
	struct fs_attr attr;

	put(&w, make_file(&w, w.root, "file", ""));
	OK(fs_mkdir(w.fs, w.root, "dir", 0777, guest, &attr, NULL));
	CU_ASSERT_EQUAL(host_mode(&w, "file"), S_IFREG | 0640);
	CU_ASSERT_EQUAL(host_mode(&w, "dir"), S_IFDIR | 0750);
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 0750);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "file").mode, S_IFREG | 0640);
}

static void a_new_owner_drops_set_id_bits(void)
{
	const struct fs_setattr give = {.valid = FS_SET_UID, .uid = 7};
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node file = make_file(&w, w.root, "file", "");

	OK(fs_setattr(w.fs, file, FS_NO_FILE,
		      &(struct fs_setattr){.valid = FS_SET_MODE, .mode = 06755}));
	OK(fs_setattr(w.fs, file, FS_NO_FILE, &give));
	CU_ASSERT_EQUAL(attr_of(&w, file).mode, S_IFREG | 0755);
	CU_ASSERT_EQUAL(attr_of(&w, file).uid, 7);
	put(&w, file);
}

/* ---- mapped-file ---- */

static void files_are_written_as_qemu_does(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	const struct fs_setattr mode = {.valid = FS_SET_MODE, .mode = 0750};
	char expected[128], name[64];

	make_each(&w);
	check_each(&w);
	check_each_on_host(&w);
	CU_ASSERT_EQUAL(host_mode(&w, ".virtfs_metadata"), S_IFDIR | 0700);
	for (size_t i = 0; i < countof(each); i++) {
		bool is_device = strcmp(each[i].name, "dev") == 0;

		snprintf(name, sizeof(name), ".virtfs_metadata/%s", each[i].name);
		snprintf(expected, sizeof(expected),
			 "virtfs.uid=305419896\nvirtfs.gid=1001\nvirtfs.mode=%u\n%s", each[i].mode,
			 is_device ? "virtfs.rdev=66311\n" : "");
		CU_ASSERT(host_has_text(&w, name, expected));
		CU_ASSERT_EQUAL(host_mode(&w, name), S_IFREG | 0600);
	}
	OK(fs_setattr(w.fs, w.root, FS_NO_FILE, &mode));
	CU_ASSERT(host_has_text(&w, ".virtfs_metadata_root", "virtfs.mode=16872\n"));
	CU_ASSERT_EQUAL(attr_of(&w, w.root).mode, S_IFDIR | 0750);
}

static void files_of_qemu_are_read(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	char text[128], name[64];

	CU_ASSERT_EQUAL(mkdir(at(&w, ".virtfs_metadata").text, 0700), 0);
	for (size_t i = 0; i < countof(each); i++) {
		if (each[i].content)
			host_text(&w, each[i].name, each[i].content);
		else
			CU_ASSERT_EQUAL(mkdir(at(&w, each[i].name).text, 0700), 0);
		snprintf(name, sizeof(name), ".virtfs_metadata/%s", each[i].name);
		snprintf(text, sizeof(text),
			 "virtfs.uid=305419896\nvirtfs.gid=1001\nvirtfs.mode=%d\nvirtfs.rdev="
			 "66311\n",
			 (int)each[i].mode);
		host_text(&w, name, text);
	}
	check_each(&w);
	CU_ASSERT(link_leads_to(&w, "link", "/a target"));
	host_text(&w, ".virtfs_metadata_root", "virtfs.uid=-2\nvirtfs.nonsense=1\n\n\xff=3\n");
	CU_ASSERT_EQUAL(attr_of(&w, w.root).uid, 4294967294U);
	host_text(&w, ".virtfs_metadata/file", "");
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "file").mode, S_IFREG | 0600);
}

static bool no_meta(void *arg, const struct fs_dirent *entry)
{
	bool *found = arg;

	*found |= strncmp(entry->name, ".virtfs_metadata", 16) == 0 &&
		  strcmp(entry->name, ".virtfs_metadata_else") != 0;
	return true;
}

static void files_cannot_be_named(void)
{
	const char *names[] = {".virtfs_metadata", ".virtfs_metadata_root", ".VIRTFS_metadata",
			       ".Virtfs_Metadata_Root"};
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node file = make_file(&w, w.root, "file", "");
	struct fs_file dir;
	struct fs_attr attr;
	bool found = false;

	for (size_t i = 0; i < countof(names); i++) {
		FAILS(EINVAL, walk_error(&w, w.root, names[i]));
		FAILS(EINVAL, fs_lookup(w.fs, w.root, names[i], &attr));
		FAILS(EINVAL, create_error(&w, w.root, names[i], O_RDWR));
		FAILS(EINVAL, create_error(&w, w.root, names[i], O_RDWR | O_EXCL));
		FAILS(EINVAL, fs_mkdir(w.fs, w.root, names[i], 0755, guest, &attr, NULL));
		FAILS(EINVAL, fs_symlink(w.fs, w.root, names[i], "x", guest, &attr, NULL));
		FAILS(EINVAL, fs_mknod(w.fs, w.root, names[i], S_IFIFO, 0, 0, guest, &attr, NULL));
		FAILS(EINVAL, fs_link(w.fs, file, w.root, names[i], NULL));
		FAILS(EINVAL, fs_rename(w.fs, w.root, names[i], w.root, "x", NULL));
		FAILS(EINVAL, fs_rename(w.fs, w.root, "file", w.root, names[i], NULL));
		FAILS(EINVAL, fs_unlink(w.fs, w.root, names[i], false, NULL));
		FAILS(EINVAL, fs_unlink(w.fs, w.root, names[i], true, NULL));
	}
	put(&w, make_file(&w, w.root, ".virtfs_metadata_else", ""));
	dir = open_node(&w, w.root, O_RDONLY);
	OK(fs_readdir(w.fs, dir, 0, 65536, no_meta, &found));
	CU_ASSERT_FALSE(found);
	fs_close(w.fs, dir);
	put(&w, file);
}

static bool meta_exists(struct world *w, const char *name)
{
	struct host_path path;

	snprintf(path.text, sizeof(path.text), "%s/.virtfs_metadata/%s", w->dir, name);
	return access(path.text, F_OK) == 0;
}

static void files_follow_their_objects(void)
{
	const struct fs_setattr mode = {.valid = FS_SET_MODE, .mode = 0421};
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node a, b, dir;
	struct fs_attr attr;

	make_each(&w);
	a = find(&w, w.root, "file");
	OK(fs_link(w.fs, a, w.root, "other", NULL));
	b = find(&w, w.root, "other");
	OK(fs_setattr(w.fs, a, FS_NO_FILE, &mode));
	CU_ASSERT_EQUAL(attr_of(&w, b).mode, S_IFREG | 0421);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "other").mode, S_IFREG | 0421);
	OK(fs_setattr(w.fs, b, FS_NO_FILE, &(struct fs_setattr){.valid = FS_SET_UID, .uid = 1}));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "file").uid, 1);
	CU_ASSERT(host_has_text(&w, ".virtfs_metadata/file",
				"virtfs.uid=1\nvirtfs.gid=1001\nvirtfs.mode=33041\n"));

	OK(fs_rename(w.fs, w.root, "pipe", w.root, "sock", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "sock").mode, S_IFIFO | 0600);
	CU_ASSERT(!meta_exists(&w, "pipe"));
	/* What the host made does not inherit what it replaces. */
	host_text(&w, "hosts", "");
	OK(fs_rename(w.fs, w.root, "hosts", w.root, "dev", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "dev").mode, S_IFREG | 0600);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "dev").uid, geteuid());

	dir = find(&w, w.root, "dir");
	put(&w, make_file(&w, dir, "inside", ""));
	FAILS(ENOTEMPTY, fs_unlink(w.fs, w.root, "dir", true, NULL));
	CU_ASSERT_EQUAL(attr_at(&w, dir, "inside").mode, S_IFREG | 0644);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "dir").mode, S_IFDIR | 01777);
	{
		struct fs_node deep = make_dir(&w, dir, "deep");

		put(&w, make_file(&w, deep, "x", ""));
		FAILS(EINVAL, fs_rename(w.fs, w.root, "dir", dir, "deep", NULL));
		OK(fs_unlink(w.fs, deep, "x", false, NULL));
		OK(fs_unlink(w.fs, dir, "deep", true, NULL));
		put(&w, deep);
	}
	OK(fs_unlink(w.fs, dir, "inside", false, NULL));
	OK(fs_mkdir(w.fs, w.root, "mover", 0711, guest, &attr, NULL));
	OK(fs_rename(w.fs, w.root, "mover", w.root, "dir", NULL));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "dir").mode, S_IFDIR | 0711);
	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	CU_ASSERT(!meta_exists(&w, "dir"));
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	CU_ASSERT(!meta_exists(&w, "file"));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "other").uid, 1);
	put(&w, dir);
	put(&w, b);
	put(&w, a);
}

/* What each of two processes sets: "both" and "link", one file in two directories, are everybody's,
 * the other one is its own. The first sets owners, the second modes. What is lost: how often it
 * then finds another value than its own. */
static int lost_by(const char *dir, int who)
{
	const char *names[] = {who == 0 ? "first" : "second", "both"};
	struct world w = {.dir = (char *)(uintptr_t)dir};
	struct fs_node nodes[countof(names)], sub;
	struct fs_attr attr;
	int lost = 0;

	if (make_chosen(dir, &w.fs) != 0 || fs_root(w.fs, &w.root, &attr) != 0)
		return 100;
	sub = find(&w, w.root, "sub");
	nodes[0] = find(&w, w.root, names[0]);
	nodes[1] = who == 0 ? find(&w, w.root, "both") : find(&w, sub, "link");
	for (uint32_t i = 0; i < 1500; i++) {
		const struct fs_node node = nodes[i % countof(nodes)];
		const struct fs_setattr set = {
			.valid = who == 0 ? FS_SET_UID : FS_SET_MODE,
			.uid = i,
			.mode = i % 01000,
		};

		lost += fs_setattr(w.fs, node, FS_NO_FILE, &set) != 0;
		lost += fs_getattr(w.fs, node, &attr) != 0;
		lost += who == 0 ? attr.uid != i : attr.mode != (S_IFREG | i % 01000);
	}
	for (size_t i = 0; i < countof(nodes); i++)
		put(&w, nodes[i]);
	put(&w, sub);
	put(&w, w.root);
	fs_destroy(w.fs);
	return lost < 100 ? lost : 100;
}

static void two_processes_of_one_tree_lose_nothing(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node both = make_file(&w, w.root, "both", "");
	struct fs_node sub;
	struct fs_attr attr;
	int status, lost = 0;

	OK(fs_mkdir(w.fs, w.root, "sub", 0755, ANYBODY, &attr, NULL));
	sub = find(&w, w.root, "sub");
	OK(fs_link(w.fs, both, sub, "link", NULL));
	put(&w, make_file(&w, w.root, "first", ""));
	put(&w, make_file(&w, w.root, "second", ""));
	fflush(stdout);
	for (int who = 0; who < 2; who++) {
		if (fork() == 0)
			_exit(lost_by(w.dir, who));
	}
	for (int who = 0; who < 2; who++) {
		CU_ASSERT(wait(&status) > 0 && WIFEXITED(status));
		lost += WEXITSTATUS(status);
	}
	CU_ASSERT_EQUAL(lost, 0);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "first").mode, S_IFREG | 0644);
	CU_ASSERT(!meta_exists(&w, ".virtfs_metadata/.virtfs_metadata"));
	put(&w, sub);
	put(&w, both);
}

/* By one that is found by no name any more, too, as long as it shares a file with other names. */
static void two_shares_change_what_has_lost_a_name(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node node = make_file(&w, w.root, "file", "");
	const struct fs_setattr mode = {.valid = FS_SET_MODE, .mode = 0641},
				uid = {.valid = FS_SET_UID, .uid = 7},
				last = {.valid = FS_SET_UID, .uid = 8};
	struct world other = {.dir = w.dir};
	struct fs_node link;
	struct fs_attr attr;

	OK(fs_link(w.fs, node, w.root, "link", NULL));
	OK(fs_link(w.fs, node, w.root, "third", NULL));
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	OK(make_chosen(w.dir, &other.fs));
	OK(fs_root(other.fs, &other.root, &attr));
	link = find(&other, other.root, "link");
	OK(fs_setattr(other.fs, link, FS_NO_FILE, &uid));
	CU_ASSERT_EQUAL(attr_of(&w, node).uid, 7);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &mode));
	CU_ASSERT_EQUAL(attr_of(&other, link).uid, 7);
	CU_ASSERT_EQUAL(attr_of(&other, link).mode, S_IFREG | 0641);
	/* With one name left the other share does not know that somebody else has its file. */
	OK(fs_unlink(w.fs, w.root, "third", false, NULL));
	OK(fs_setattr(other.fs, link, FS_NO_FILE, &last));
	CU_ASSERT_EQUAL(attr_of(&w, node).uid, 7);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &last));
	CU_ASSERT_EQUAL(attr_of(&w, node).uid, 8);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0641);
	CU_ASSERT_EQUAL(attr_of(&other, link).mode, S_IFREG | 0641);
	put(&other, link);
	put(&other, other.root);
	fs_destroy(other.fs);
	put(&w, node);
}

static void a_hosts_fifo_is_not_opened_whatever_its_file_says(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node fifo;

	CU_ASSERT_EQUAL(mkfifo(at(&w, "fifo").text, 0600), 0);
	CU_ASSERT_EQUAL(mkdir(at(&w, ".virtfs_metadata").text, 0700), 0);
	host_text(&w, ".virtfs_metadata/fifo", "virtfs.mode=33188\n");
	fifo = find(&w, w.root, "fifo");
	CU_ASSERT_EQUAL(fifo.type, S_IFIFO);
	FAILS(ENXIO, open_error(&w, fifo, O_RDWR));
	put(&w, fifo);
}

static void a_planted_store_is_not_followed(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_attr attr;

	CU_ASSERT_EQUAL(symlink("/tmp", at(&w, ".virtfs_metadata").text), 0);
	FAILS(ENOTDIR, fs_mkdir(w.fs, w.root, "dir", 0755, guest, &attr, NULL));
	FAILS(ENOENT, access(at(&w, "dir").text, F_OK) < 0 ? -errno : 0);
	CU_ASSERT_EQUAL(unlink(at(&w, ".virtfs_metadata").text), 0);
	CU_ASSERT_EQUAL(mkdir(at(&w, ".virtfs_metadata").text, 0700), 0);
	CU_ASSERT_EQUAL(symlink("/etc/passwd", at(&w, ".virtfs_metadata/dir").text), 0);
	OK(fs_mkdir(w.fs, w.root, "dir", 0755, guest, &attr, NULL));
	CU_ASSERT_EQUAL(host_mode(&w, ".virtfs_metadata/dir"), S_IFREG | 0600);
}

static void what_was_a_root_can_be_removed(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	const char *names[] = {"dir", "other", "mover"};
	struct fs_attr attr;

	for (size_t i = 0; i < countof(names); i++)
		OK(fs_mkdir(w.fs, w.root, names[i], 0755, guest, &attr, NULL));
	host_text(&w, "dir/.virtfs_metadata_root", "virtfs.mode=16877\n");
	OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
	host_text(&w, "other/.virtfs_metadata_root", "virtfs.mode=16877\n");
	CU_ASSERT_EQUAL(mkdir(at(&w, "other/.virtfs_metadata").text, 0700), 0);
	OK(fs_rename(w.fs, w.root, "mover", w.root, "other", NULL));
	CU_ASSERT_EQUAL(access(at(&w, "other/.virtfs_metadata_root").text, F_OK), -1);
	/* Not of one that stays. */
	host_text(&w, "other/.virtfs_metadata_root", "virtfs.mode=16877\n");
	host_text(&w, "other/file", "");
	FAILS(ENOTEMPTY, fs_unlink(w.fs, w.root, "other", true, NULL));
	CU_ASSERT_EQUAL(access(at(&w, "other/.virtfs_metadata_root").text, F_OK), 0);
}

/* Where there is no way to a store, or nothing can be put into it. */
static void nothing_goes_where_its_file_cannot(void)
{
	const char *planted[] = {"no store/.virtfs_metadata", "full/.virtfs_metadata/new"};
	const char *dirs[] = {"no store", "full"};
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node node, dir;
	struct fs_attr attr;
	char name[64];

	make_each(&w);
	OK(fs_mkdir(w.fs, w.root, "no store", 0755, guest, &attr, NULL));
	OK(fs_mkdir(w.fs, w.root, "full", 0755, guest, &attr, NULL));
	host_text(&w, planted[0], "");
	CU_ASSERT_EQUAL(mkdir(at(&w, "full/.virtfs_metadata").text, 0700), 0);
	CU_ASSERT_EQUAL(mkdir(at(&w, planted[1]).text, 0700), 0);
	node = find(&w, w.root, "file");
	for (size_t i = 0; i < countof(dirs); i++) {
		dir = find(&w, w.root, dirs[i]);
		CU_ASSERT(fs_link(w.fs, node, dir, "new", NULL) < 0);
		CU_ASSERT(fs_rename(w.fs, w.root, "file", dir, "new", NULL) < 0);
		CU_ASSERT(fs_rename(w.fs, w.root, "dir", dir, "new", NULL) < 0);
		snprintf(name, sizeof(name), "%s/new", dirs[i]);
		CU_ASSERT_EQUAL(access(at(&w, name).text, F_OK), -1);
		put(&w, dir);
	}
	CU_ASSERT_EQUAL(attr_of(&w, node).nlink, 1);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 04755);
	check_each(&w);
	put(&w, node);
}

/* ---- after a death, in both mapped models ---- */

static void half_made_objects_are_completed(void)
{
	const enum fs_model models[] = {FS_MODEL_MAPPED_XATTR, FS_MODEL_MAPPED_FILE};

	for (size_t i = 0; i < countof(models); i++) {
		_world_ struct world w = world_of((struct fs_export){.model = models[i]});
		struct fs_intent intent = {.phase = FS_INTENT_BEGUN}, again = intent,
				 third = intent, fourth = intent;
		struct fs_attr attr;

		host_text(&w, "link", "tar");
		OK(fs_symlink(w.fs, w.root, "link", "target", guest, &attr, &intent));
		CU_ASSERT_EQUAL(attr.mode, S_IFLNK | 0777);
		CU_ASSERT_EQUAL(attr.uid, guest.uid);
		CU_ASSERT(link_leads_to(&w, "link", "target"));
		host_text(&w, "null", "");
		OK(fs_mknod(w.fs, w.root, "null", S_IFCHR | 0666, 1, 3, guest, &attr, &again));
		CU_ASSERT_EQUAL(attr.mode, S_IFCHR | 0666);
		CU_ASSERT_EQUAL(attr.rdev_minor, 3);
		host_text(&w, "not ours", "content");
		FAILS(EEXIST,
		      fs_mknod(w.fs, w.root, "not ours", S_IFIFO, 0, 0, guest, &attr, &third));
		CU_ASSERT_EQUAL(attr_at(&w, w.root, "not ours").uid, geteuid());
		CU_ASSERT_EQUAL(mkdir(at(&w, "dir").text, 0700), 0);
		OK(fs_mkdir(w.fs, w.root, "dir", 01755, guest, &attr, &fourth));
		CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 01755);
		CU_ASSERT_EQUAL(attr.uid, guest.uid);
	}
}

/* Of a rename that began, and that nobody wants any more. */
static struct fs_intent rename_of(struct world *w, const char *name)
{
	const struct fs_attr attr = attr_at(w, w->root, name);
	struct fs_intent intent = {
		.phase = FS_INTENT_BEGUN, .path = attr.path, .btime = attr.btime};

	fs_intent_give_up(&intent);
	return intent;
}

static void half_renamed_objects_are_followed(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_intent of_file, of_pipe;
	struct fs_attr attr;

	make_each(&w);
	of_file = rename_of(&w, "file");
	of_pipe = rename_of(&w, "pipe");
	attr = attr_at(&w, w.root, "file");
	CU_ASSERT_EQUAL(rename(at(&w, "file").text, at(&w, "new").text), 0);
	FAILS(EINTR, fs_rename(w.fs, w.root, "file", w.root, "new", &of_file));
	CU_ASSERT(!meta_exists(&w, "file"));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "new").mode, attr.mode);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "new").uid, attr.uid);

	/* Somebody else renamed this one. */
	CU_ASSERT_EQUAL(rename(at(&w, "pipe").text, at(&w, "elsewhere").text), 0);
	FAILS(EINTR, fs_rename(w.fs, w.root, "pipe", w.root, "new", &of_pipe));
	CU_ASSERT(meta_exists(&w, "pipe"));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "new").mode, attr.mode);
}

/* ---- ids ---- */

#define RANGE(kind, ...) ((struct fs_id_range){kind, __VA_ARGS__})

static struct fs_export mapped_ids(void)
{
	return (struct fs_export){
		.model = FS_MODEL_MAPPED_FILE,
		.uids =
			{
				RANGE(FS_ID_FORBID_GUEST, 13, 0, 2),
				RANGE(FS_ID_SQUASH_GUEST, 20, 1020, 10),
				RANGE(FS_ID_MAP, 0, 1000, 50),
				RANGE(FS_ID_FORBID_HOST, 3000, 0, 10),
				RANGE(FS_ID_SQUASH_HOST, 4000, 99, 100),
				RANGE(FS_ID_GUEST, 60, 2060, 2),
				RANGE(FS_ID_HOST, 2060, 70, 2),
			},
		.gids = {RANGE(FS_ID_MAP, 0, 5000, 100)},
	};
}

/* The host's uid of what uid `id` makes, as the store has it; or -errno. */
static int64_t made_by(struct world *w, uint32_t id)
{
	struct fs_cred cred = {id, 6};
	struct fs_attr attr;
	char text[64] = "";
	unsigned uid = 0;
	int fd, ret;

	ret = fs_mkdir(w->fs, w->root, "by", 0755, cred, &attr, NULL);
	if (ret)
		return ret;
	fd = open(at(w, ".virtfs_metadata/by").text, O_RDONLY | O_CLOEXEC);
	CU_ASSERT(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	CU_ASSERT_EQUAL(sscanf(text, "virtfs.uid=%u\nvirtfs.gid=5006\n", &uid), 1);
	CU_ASSERT(strstr(text, "virtfs.gid=5006\n") != NULL);
	OK(fs_unlink(w->fs, w->root, "by", true, NULL));
	return uid;
}

static void ids_are_others_on_the_host(void)
{
	static const struct {
		uint32_t guest;
		int64_t host;
	} table[] = {
		{0, 1000},	{12, 1012},	      {13, -EPERM}, {14, -EPERM},
		{15, 1015},	{20, 1020},	      {29, 1020},   {49, 1049},
		{50, 50},	{60, 2060},	      {61, 2061},   {62, 62},
		{3005, -EPERM}, /* could not be shown */
		{65534, 65534}, {(uint32_t)-1, 1000},
	};
	_world_ struct world w = world_of(mapped_ids());

	for (size_t i = 0; i < countof(table); i++)
		CU_ASSERT_EQUAL(made_by(&w, table[i].guest), table[i].host);
}

static void ids_of_the_host_are_others_for_the_guest(void)
{
	static const struct {
		uint32_t host;
		int64_t guest;
	} table[] = {
		{1000, 0},  {1049, 49}, {1050, 1050}, {3000, -EPERM}, {3009, -EPERM}, {3010, 3010},
		{4000, 99}, {4099, 99}, {2060, 70},   {2061, 71},     {2062, 2062},   {20, 20},
	};
	_world_ struct world w = world_of(mapped_ids());
	struct fs_attr attr;
	char text[32];

	host_text(&w, "file", "");
	CU_ASSERT_EQUAL(mkdir(at(&w, ".virtfs_metadata").text, 0700), 0);
	for (size_t i = 0; i < countof(table); i++) {
		int ret;

		snprintf(text, sizeof(text), "virtfs.uid=%u\n", table[i].host);
		host_text(&w, ".virtfs_metadata/file", text);
		ret = fs_lookup(w.fs, w.root, "file", &attr);
		CU_ASSERT_EQUAL(ret ? ret : (int64_t)attr.uid, table[i].guest);
		ret = walk_error(&w, w.root, "file");
		CU_ASSERT_EQUAL(ret, table[i].guest < 0 ? table[i].guest : 0);
	}
}

static void owners_are_changed_to_the_hosts(void)
{
	const uint32_t uid = FS_SET_UID;
	_world_ struct world w = world_of(mapped_ids());
	struct fs_node file = make_file(&w, w.root, "file", "");

	OK(fs_setattr(w.fs, file, FS_NO_FILE, &(struct fs_setattr){.valid = uid, .uid = 5}));
	CU_ASSERT_EQUAL(attr_of(&w, file).uid, 5);
	CU_ASSERT(host_has_text(&w, ".virtfs_metadata/file",
				"virtfs.uid=1005\nvirtfs.gid=5000\nvirtfs.mode=33188\n"));
	FAILS(EPERM,
	      fs_setattr(w.fs, file, FS_NO_FILE, &(struct fs_setattr){.valid = uid, .uid = 13}));
	FAILS(EPERM,
	      fs_setattr(w.fs, file, FS_NO_FILE, &(struct fs_setattr){.valid = uid, .uid = 3001}));
	CU_ASSERT_EQUAL(attr_of(&w, file).uid, 5);
	put(&w, file);
}

static void ids_in_acls_are_the_hosts(void)
{
	struct fs_export export = mapped_ids();
	uint8_t host[sizeof(acl)], buf[sizeof(acl)], bad[sizeof(acl)];

	export.model = FS_MODEL_MAPPED_XATTR;
	{
		_world_ struct world w = world_of(export);
		const char *name = "system.posix_acl_access";

		memcpy(host, acl, sizeof(acl));
		memcpy(host + 16, "\xed\x03", 2); /* 1005 */
		memcpy(host + 32, "\x8e\x13", 2); /* 5006 */
		OK(fs_setxattr(w.fs, w.root, name, acl, sizeof(acl), 0, NULL));
		CU_ASSERT(host_is_set(&w, ".", "user.virtfs.system.posix_acl_access", host,
				      sizeof(host)));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, w.root, name, NULL, 0), sizeof(acl));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, w.root, name, buf, sizeof(buf)), sizeof(acl));
		CU_ASSERT_EQUAL(memcmp(buf, acl, sizeof(acl)), 0);
		memcpy(bad, acl, sizeof(acl));
		bad[16] = 13;
		FAILS(EPERM, fs_setxattr(w.fs, w.root, name, bad, sizeof(bad), 0, NULL));
		OK(fs_setxattr(w.fs, w.root, name, "cut", 3, 0, NULL));
	}
}

/* ---- who checks ---- */

static void as(struct world *w, uint32_t uid)
{
	OK(fs_act_as(w->fs, (struct fs_cred){uid, (uint32_t)-1}));
}

/* Nobody's again, with all rights: what a thread may do changes when it writes. */
static void as_before(struct world *w, struct fs_file file)
{
	as(w, (uint32_t)-1);
	put_text(w, file, "x", 0);
}

static struct fs_setattr mode_of(uint32_t mode)
{
	return (struct fs_setattr){.valid = FS_SET_MODE, .mode = mode};
}

static int set_mode(struct world *w, struct fs_node node, uint32_t mode)
{
	const struct fs_setattr set = mode_of(mode);

	return fs_setattr(w->fs, node, FS_NO_FILE, &set);
}

static struct fs_export checked_by_host(void)
{
	return (struct fs_export){
		.model = FS_MODEL_PASSTHROUGH,
		.permissions = FS_PERMISSIONS_HOST,
	};
}

/* Also where nothing else is checked: v9fs without a cache leaves it to the server. */
static void a_users_write_takes_set_id_bits_away(void)
{
	struct fs_setattr size = {.valid = FS_SET_SIZE, .size = 3};
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_PASSTHROUGH});
	OK(fs_create(w.fs, w.root, "file", O_RDWR | O_EXCL, 06777, ANYBODY, &node, &file, &attr,
		     NULL));
	as(&w, 0);
	put_text(&w, file, "text", 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 06777);
	for (uint32_t uid = 1000; uid < 1003; uid++) {
		as(&w, uid);
		put_text(&w, file, "text", 0);
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0777);
		OK(set_mode(&w, node, 06777));
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 06777);
	}
	/* A client's kernel says so itself. */
	OK(fs_setattr(w.fs, node, file, &size));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 06777);
	fs_close(w.fs, file);
	put(&w, node);
}

struct change {
	struct world *w;
	struct fs_node node;
	int result;
};

static void *change_as_root(void *arg)
{
	struct change *change = arg;

	as(change->w, 0);
	change->result = set_mode(change->w, change->node, 02755);
	return NULL;
}

/* A thread begins with the rights of who started it, and he wrote for somebody. */
static void a_new_thread_keeps_set_id_bits(void)
{
	struct fs_setattr to_group = {.valid = FS_SET_GID, .gid = 4000};
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	pthread_t thread;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_PASSTHROUGH});
	struct change change = {.w = &w};

	OK(fs_create(w.fs, w.root, "file", O_RDWR | O_EXCL, 0755, ANYBODY, &node, &file, &attr,
		     NULL));
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &to_group));
	change.node = node;
	as(&w, 1000);
	put_text(&w, file, "text", 0);
	OK(pthread_create(&thread, NULL, change_as_root, &change));
	pthread_join(thread, NULL);
	OK(change.result);
	as(&w, 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 02755);
	fs_close(w.fs, file);
	put(&w, node);
}

static struct fs_file open_file(struct world *w, struct fs_node node, int flags)
{
	struct fs_file file = FS_NO_FILE;

	OK(fs_open(w->fs, node, flags, &file));
	return file;
}

/* Of the modes that the guest is shown: the host knows nothing of them. */
static void a_users_write_takes_mapped_set_id_bits_away(enum fs_model model)
{
	const struct fs_setattr size = {.valid = FS_SET_SIZE, .size = 3};
	_world_ struct world w = world_of((struct fs_export){.model = model});
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_node again = find(&w, w.root, "file");
	struct fs_file file = open_file(&w, node, O_RDWR), late;

	as(&w, 1000);
	put_text(&w, file, "before any has such bits", 0);
	for (int i = 0; i < 3; i++) {
		OK(set_mode(&w, again, 06777));
		as(&w, 0);
		put_text(&w, file, "text", 0);
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 06777);
		as(&w, (uint32_t)-1);
		put_text(&w, file, "text", 0);
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 06777);
		as(&w, 1000);
		OK(fs_setattr(w.fs, node, file, &size)); /* a client's kernel says so itself */
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 06777);
		put_text(&w, file, "text", 0);
		CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0777);
	}
	OK(set_mode(&w, node, 06746));
	late = open_file(&w, node, O_WRONLY | O_APPEND);
	put_text(&w, late, "x", 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 02746); /* not a program of its group */
	fs_close(w.fs, late);
	fs_close(w.fs, file);

	/* Descriptors have the same numbers again. */
	OK(set_mode(&w, node, 04755));
	file = open_file(&w, node, O_RDWR);
	put_text(&w, file, "text", 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0755);
	OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	OK(set_mode(&w, node, 06755));
	put_text(&w, file, "text", 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0755);
	as_before(&w, file);
	fs_close(w.fs, file);
	put(&w, again);
	put(&w, node);
}

static void a_users_write_takes_bits_in_attributes_away(void)
{
	if (keeps_xattrs())
		a_users_write_takes_mapped_set_id_bits_away(FS_MODEL_MAPPED_XATTR);
}

static void a_users_write_takes_bits_in_files_away(void)
{
	a_users_write_takes_mapped_set_id_bits_away(FS_MODEL_MAPPED_FILE);
}

/* As a process finds it whose predecessor died: it has looked at nothing. */
static void a_users_write_after_a_death_takes_set_id_bits_away(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_file(&w, node, O_RDWR);
	struct fs *next;

	OK(set_mode(&w, node, 04755));
	OK(make_chosen(w.dir, &next));
	fs_adopt(next, node, FS_NO_FILE);
	fs_adopt(next, FS_NO_NODE, file);
	OK(fs_act_as(next, (struct fs_cred){1000, (uint32_t)-1}));
	CU_ASSERT_EQUAL(fs_write(next, file, "x", 1, 0, NULL), 1);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0755);
	fs_destroy(next);
	as_before(&w, file);
	fs_close(w.fs, file);
	put(&w, node);
}

/* What a thread did for a user before does not count. */
static void an_acl_leaves_set_group_id(void)
{
	const char *name = "system.posix_acl_access";
	struct fs_setattr group = {.valid = FS_SET_GID, .gid = 12345};
	struct fs_node node, other;
	struct fs_file file, written;
	struct fs_attr attr;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_PASSTHROUGH});
	OK(fs_create(w.fs, w.root, "file", O_RDWR | O_EXCL, 0777, ANYBODY, &node, &file, &attr,
		     NULL));
	OK(fs_create(w.fs, w.root, "other", O_RDWR | O_EXCL, 0777, ANYBODY, &other, &written, &attr,
		     NULL));
	OK(fs_setattr(w.fs, node, file, &group));
	OK(set_mode(&w, node, 02777));
	as(&w, 1000);
	put_text(&w, written, "text", 0);
	OK(fs_setxattr(w.fs, node, name, acl, sizeof(acl), 0, NULL));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode & S_ISGID, S_ISGID);
	fs_close(w.fs, file);
	fs_close(w.fs, written);
	put(&w, node);
	put(&w, other);
}

static void the_host_checks_the_callers_rights(void)
{
	const struct fs_cred alice = {1000, 1000}, bob = {1001, 1001};
	struct fs_setattr to_group = {.valid = FS_SET_GID, .gid = 5};
	struct fs_node node, dir;
	struct fs_file file;
	struct fs_attr attr;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	_world_ struct world w = world_of(checked_by_host());
	CU_ASSERT_EQUAL(chmod(w.dir, 0755), 0);
	OK(fs_mkdir(w.fs, w.root, "tmp", 01777, ANYBODY, &attr, NULL));
	dir = find(&w, w.root, "tmp");
	as(&w, 1000);
	FAILS(EACCES, create_error(&w, w.root, "file", O_RDWR));
	FAILS(EACCES, fs_mkdir(w.fs, w.root, "dir", 0755, alice, &attr, NULL));
	FAILS(EACCES, fs_rename(w.fs, w.root, "tmp", w.root, "x", NULL));
	OK(fs_create(w.fs, dir, "hers", O_RDWR | O_EXCL, 04600, alice, &node, &file, &attr, NULL));
	CU_ASSERT(attr.uid == 1000 && attr.gid == 1000);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &to_group)); /* hers, as far as we can know */
	CU_ASSERT_EQUAL(attr_of(&w, node).gid, 5);
	FAILS(EPERM, fs_mknod(w.fs, dir, "dev", S_IFCHR | 0600, 1, 3, alice, &attr, NULL));

	as(&w, 1001);
	FAILS(EACCES, open_error(&w, node, O_RDONLY));
	FAILS(EPERM, set_mode(&w, node, 0644));
	FAILS(EPERM, fs_setattr(w.fs, node, FS_NO_FILE, &to_group));
	FAILS(EPERM, fs_unlink(w.fs, dir, "hers", false, NULL)); /* sticky */
	OK(fs_mkdir(w.fs, dir, "his", 0700, bob, &attr, NULL));
	{
		struct fs_node his = find(&w, dir, "his");

		OK(fs_mkdir(w.fs, his, "inner", 0755, bob, &attr, NULL));
		put(&w, find(&w, his, "inner"));
		as(&w, 1000);
		FAILS(EACCES, walk_error(&w, his, "x"));
		FAILS(EACCES, walk_error(&w, his, "inner"));
		put(&w, his);
	}
	/* Set-id bits go when somebody writes, but for root. */
	OK(set_mode(&w, node, 04600));
	as(&w, 0);
	put_text(&w, file, "x", 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 04600);
	as(&w, 1001);
	put_text(&w, file, "x", 0);
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0600);
	as(&w, 1000);
	OK(set_mode(&w, node, 06755));
	as(&w, 1001); /* his kernel drops them before he writes; no more than that */
	FAILS(EPERM, set_mode(&w, node, 0754));
	FAILS(EPERM, set_mode(&w, node, 07755));
	OK(set_mode(&w, node, 0755));
	FAILS(EPERM, set_mode(&w, node, 04755));
	as(&w, (uint32_t)-1);
	OK(fs_unlink(w.fs, dir, "hers", false, NULL));
	CU_ASSERT_EQUAL(geteuid(), 0);
	fs_close(w.fs, file);
	put(&w, node);
	put(&w, dir);
}

/* After that it stays without a right for a while. */
static void a_thread_that_wrote_for_somebody_opens_another_export(void)
{
	const struct fs_export export = {.model = FS_MODEL_PASSTHROUGH};
	struct fs_file file;
	struct fs_node node;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	_world_ struct world w = world_of(export);
	node = make_file(&w, w.root, "file", "");
	file = open_node(&w, node, O_WRONLY);
	as(&w, 1000);
	put_text(&w, file, "x", 0);
	{
		_world_ struct world other = world_of(export);

		CU_ASSERT(S_ISDIR(attr_of(&other, other.root).mode));
	}
	as_before(&w, file);
	fs_close(w.fs, file);
	put(&w, node);
}

/* ---- groups of the host ---- */

/* Writes both files and reads them. */
static int read_groups(struct world *w, const char *passwd, const char *group, char err[256])
{
	host_text(w, "passwd", passwd);
	host_text(w, "group", group);
	return fs_groups_read(at(w, "passwd").text, at(w, "group").text, &known, err, 256);
}

static bool is_in(uint32_t uid, size_t count, const gid_t *gids)
{
	const gid_t *list;

	return fs_groups_of(known, uid, &list) == count &&
	       (count == 0 || memcmp(list, gids, count * sizeof(*gids)) == 0);
}
#define IS_IN(uid, ...)                                                                            \
	is_in(uid, sizeof((gid_t[]){__VA_ARGS__}) / sizeof(gid_t), (gid_t[]){__VA_ARGS__})

static void known_nobody(void)
{
	fs_groups_free(known);
	known = NULL;
}

static void groups_are_read(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_NONE});
	char err[256] = "";

	OK(read_groups(&w,
		       "root:x:0:0:root:/root:/bin/sh\n"
		       "bob:x:1001:100::/:\nalice:x:1000:1000::/:\n"
		       "bad:x:many:1::/:\nshort:x\n\n+nis::::::\n+:x:7:7::/:\n"
		       "alias:x:1000:50::/:\nlast:x:",
		       "root:x:0:\nstaff:x:50:alice,bob\nadm:x:4:alice,nobody\n"
		       "x:x:12:bob\nbad:x:many:bob\n+:x:8:bob\nlast:x:13:alice,bob",
		       err));
	CU_ASSERT(IS_IN(1000, 1000, 50, 50, 4, 13));
	CU_ASSERT(IS_IN(1001, 100, 50, 12, 13));
	CU_ASSERT(IS_IN(0, 0));
	for (uint32_t uid = 2; uid < 1000; uid++)
		CU_ASSERT(is_in(uid, 0, NULL));
	CU_ASSERT(is_in(UINT32_MAX, 0, NULL));
	known_nobody();
	OK(fs_groups_read(at(&w, "none").text, at(&w, "none").text, &known, err, sizeof(err)));
	CU_ASSERT(is_in(0, 0, NULL));
	known_nobody();
	FAILS(EISDIR, fs_groups_read(w.dir, at(&w, "group").text, &known, err, sizeof(err)));
	CU_ASSERT(strstr(err, "Is a directory") != NULL);
}

static void too_many_groups_are_refused(void)
{
	const size_t most = FS_GROUPS_MAX, size = 64 + 2 * most;
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_NONE});
	_cleanup_free_ char *group = malloc(size);
	char err[256] = "";
	const gid_t *list;
	size_t used;

	CU_ASSERT_PTR_NOT_NULL_FATAL(group);
	used = (size_t)sprintf(group, "a:x:7:");
	for (size_t i = 1; i < most; i++)
		used += (size_t)sprintf(group + used, "a,");
	OK(read_groups(&w, "a:x:1:1::/:\n", group, err));
	CU_ASSERT_EQUAL(fs_groups_of(known, 1, &list), most);
	known_nobody();
	strcpy(group + used, "a\n");
	FAILS(E2BIG, read_groups(&w, "a:x:1:1::/:\n", group, err));
	CU_ASSERT(strstr(err, "more than 65536") != NULL);
}

/* What the host's users may by their groups, and no guest says of them. */
static void users_are_in_the_hosts_groups(void)
{
	const struct fs_setattr to_50 = {.valid = FS_SET_GID, .gid = 50},
				to_51 = {.valid = FS_SET_GID, .gid = 51};
	const struct fs_cred alice = {1000, 50}, elsewhere = {1000, 51}, stranger = {4000, 51};
	struct fs_node dir, node;
	struct fs_file file;
	struct fs_attr attr;
	char err[256] = "";

	if (geteuid() != 0)
		return test_skip("only root can be others");
	{
		_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_NONE});

		OK(read_groups(&w, "alice:x:1000:1000::/:\nbob:x:1001:1001::/:\n",
			       "staff:x:50:alice\n", err));
	}
	_world_ struct world w = world_of(checked_by_host());
	CU_ASSERT_EQUAL(chmod(w.dir, 0755), 0);
	OK(fs_mkdir(w.fs, w.root, "staff", 0770, ANYBODY, &attr, NULL));
	dir = find(&w, w.root, "staff");
	OK(fs_setattr(w.fs, dir, FS_NO_FILE, &to_50));
	as(&w, 1001);
	FAILS(EACCES, walk_error(&w, dir, "x"));
	as(&w, 4000);
	FAILS(EACCES, walk_error(&w, dir, "x"));
	as(&w, 1000);
	FAILS(ENOENT, walk_error(&w, dir, "x"));
	OK(fs_create(w.fs, dir, "hers", O_RDWR | O_EXCL, 0600, alice, &node, &file, &attr, NULL));
	CU_ASSERT(attr.uid == 1000 && attr.gid == 50);
	fs_close(w.fs, file);

	/* A group that she is not in is not hers to give. */
	FAILS(EPERM, fs_setattr(w.fs, node, FS_NO_FILE, &to_51));
	OK(fs_mkdir(w.fs, dir, "sub", 0755, elsewhere, &attr, NULL));
	CU_ASSERT(attr.uid == 1000 && attr.gid == 1000);
	OK(set_mode(&w, node, 02770));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 02770);
	as(&w, (uint32_t)-1);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &to_51));
	as(&w, 1000);
	OK(set_mode(&w, node, 02770));
	CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | 0770);

	/* Of whom the host does not know the guest's word counts. */
	FAILS(EPERM, set_mode(&w, dir, 0777));
	as(&w, 0);
	OK(set_mode(&w, dir, 0777));
	as(&w, 4000);
	OK(fs_mkdir(w.fs, dir, "strange", 0755, stranger, &attr, NULL));
	CU_ASSERT(attr.uid == 4000 && attr.gid == 51);
	as(&w, (uint32_t)-1);
	put(&w, node);
	put(&w, dir);
	known_nobody();
}

static void a_squashed_user_is_in_his_group(void)
{
	struct fs_export export = checked_by_host();
	struct fs_node dir;
	struct fs_attr attr;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	export.squash = true;
	export.squash_uid = 1000;
	export.squash_gid = 50;
	_world_ struct world w = world_of(export);
	CU_ASSERT_EQUAL(chmod(w.dir, 0770), 0);
	CU_ASSERT_EQUAL(chown(w.dir, 0, 50), 0);
	as(&w, 7);
	OK(fs_mkdir(w.fs, w.root, "dir", 0755, (struct fs_cred){7, 7}, &attr, NULL));
	dir = find(&w, w.root, "dir");
	CU_ASSERT_EQUAL(chown(w.dir, 0, 0), 0);
	FAILS(EACCES, walk_error(&w, w.root, "dir"));
	as(&w, (uint32_t)-1);
	put(&w, dir);
}

static void a_forbidden_user_is_not_served(void)
{
	_world_ struct world w = world_of(mapped_ids());

	FAILS(EPERM, fs_act_as(w.fs, (struct fs_cred){13, (uint32_t)-1}));
	as(&w, 12);
	as(&w, (uint32_t)-1);
}

/* ---- attributes ---- */

static void prefixed_attributes_mean_nothing_to_the_host(void)
{
	_world_ struct world w = world_of((struct fs_export){.xattr_trusted = FS_XATTR_PREFIX,
							     .xattr_security = FS_XATTR_PREFIX});
	struct fs_node file = make_file(&w, w.root, "file", "");
	const char *name = "trusted.overlay.opaque";
	char buf[8];

	OK(fs_setxattr(w.fs, file, name, "y", 1, 0, NULL));
	CU_ASSERT(host_is_set(&w, "file", "user.virtfs.trusted.overlay.opaque", "y", 1));
	CU_ASSERT_EQUAL(fs_getxattr(w.fs, file, name, buf, sizeof(buf)), 1);
	OK(fs_setxattr(w.fs, file, "user.a", "1", 1, 0, NULL));
	CU_ASSERT(host_is_set(&w, "file", "user.a", "1", 1));
	FAILS(EACCES, fs_setxattr(w.fs, file, "user.virtfs.trusted.x", "y", 1, 0, NULL));
	CU_ASSERT_EQUAL(fs_listxattr(w.fs, file, NULL, 0),
			(ssize_t)(strlen(name) + 1 + strlen("user.a") + 1));
	OK(fs_removexattr(w.fs, file, name, NULL));
	FAILS(ENODATA, fs_getxattr(w.fs, file, name, buf, sizeof(buf)));
	put(&w, file);
}

static void writing_drops_a_prefixed_capability(void)
{
	_world_ struct world w = world_of((struct fs_export){.xattr_security = FS_XATTR_PREFIX});
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);
	const char *name = "security.capability";
	const struct fs_setattr cut = {.valid = FS_SET_SIZE}, touch = {.valid = FS_SET_MTIME_NOW};

	for (int i = 0; i < 3; i++) {
		OK(fs_setxattr(w.fs, node, name, "caps", 4, 0, NULL));
		OK(fs_setattr(w.fs, node, FS_NO_FILE, &touch));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, node, name, NULL, 0), 4);
		if (i == 0) {
			put_text(&w, file, "x", 0);
		} else if (i == 1) {
			OK(fs_setattr(w.fs, node, file, &cut));
		} else {
			fs_close(w.fs, open_node(&w, node, O_WRONLY | O_TRUNC));
		}
		FAILS(ENODATA, fs_getxattr(w.fs, node, name, NULL, 0));
	}
	fs_close(w.fs, file);
	put(&w, node);
}

/* Whether it has one or not; an open file stays writable. */
static void writing_needs_no_right_to_the_mode(void)
{
	struct fs_export export = checked_by_host();
	const char *name = "security.capability";
	const struct fs_setattr cut = {.valid = FS_SET_SIZE},
				to_group = {.valid = FS_SET_GID, .gid = 5};
	const struct fs_cred alice = {1000, 1000};
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	if (geteuid() != 0)
		return test_skip("only root can be others");
	export.xattr_security = FS_XATTR_PREFIX;
	_world_ struct world w = world_of(export);
	CU_ASSERT_EQUAL(chmod(w.dir, 0777), 0);
	as(&w, 1000);
	OK(fs_create(w.fs, w.root, "file", O_RDWR | O_EXCL, 0444, alice, &node, &file, &attr,
		     NULL));
	for (int i = 0; i < 2; i++) {
		put_text(&w, file, "text", 0);
		FAILS(ENODATA, fs_getxattr(w.fs, node, name, NULL, 0));
		OK(fs_setattr(w.fs, node, FS_NO_FILE, &to_group));
		host_set(&w, "file", "user.virtfs.security.capability", "caps", 4);
		OK(fs_setattr(w.fs, node, file, &cut));
		FAILS(ENODATA, fs_getxattr(w.fs, node, name, NULL, 0));
		host_set(&w, "file", "user.virtfs.security.capability", "caps", 4);
	}
	FAILS(EACCES, fs_setxattr(w.fs, node, name, "caps", 4, 0, NULL));
	as_before(&w, file);
	fs_close(w.fs, file);
	put(&w, node);
}

/* Of a server without rights of its own, whose file has none. */
static void an_ordinary_users_server_writes_on(void)
{
	_world_ struct world w = world_of((struct fs_export){.xattr_security = FS_XATTR_PREFIX});
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	int status = 0;

	CU_ASSERT_EQUAL(chmod(w.dir, 0777), 0);
	fflush(stdout);
	if (fork() == 0) {
		struct world his = {.dir = w.dir};

		if (geteuid() == 0 && setresuid(1000, 1000, 1000))
			_exit(1);
		if (make_chosen(w.dir, &his.fs) || fs_root(his.fs, &his.root, &attr))
			_exit(2);
		if (fs_create(his.fs, his.root, "file", O_RDWR | O_EXCL, 0444, ANYBODY, &node,
			      &file, &attr, NULL))
			_exit(3);
		_exit(fs_write(his.fs, file, "x", 1, 0, NULL) == 1 ? 0 : 4);
	}
	CU_ASSERT(wait(&status) > 0 && WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

static void denied_attributes_are_not_there(void)
{
	_world_ struct world w = world_of(
		(struct fs_export){.xattr_user = FS_XATTR_DENY, .xattr_acl = FS_XATTR_DENY});
	const char *names[] = {"user.a", "system.posix_acl_access", "trusted.a", "security.a"};

	host_set(&w, ".", "user.a", "1", 1);
	for (size_t i = 0; i < countof(names); i++) {
		FAILS(EOPNOTSUPP, fs_getxattr(w.fs, w.root, names[i], NULL, 0));
		FAILS(EOPNOTSUPP, fs_setxattr(w.fs, w.root, names[i], "1", 1, 0, NULL));
		FAILS(EOPNOTSUPP, fs_removexattr(w.fs, w.root, names[i], NULL));
	}
	CU_ASSERT_EQUAL(fs_listxattr(w.fs, w.root, NULL, 0), 0);
}

static void passed_attributes_are_the_hosts(void)
{
	_world_ struct world w = world_of((struct fs_export){.xattr_trusted = FS_XATTR_PASS});

	if (geteuid() != 0)
		return test_skip("only root may set them");
	OK(fs_setxattr(w.fs, w.root, "trusted.a", "1", 1, 0, NULL));
	CU_ASSERT(host_is_set(&w, ".", "trusted.a", "1", 1));
	CU_ASSERT_EQUAL(fs_listxattr(w.fs, w.root, NULL, 0), 10);
	FAILS(EOPNOTSUPP, fs_setxattr(w.fs, w.root, "security.a", "1", 1, 0, NULL));
	OK(fs_removexattr(w.fs, w.root, "trusted.a", NULL));
}

/* ---- without descriptors ---- */

/* As long as this holds, `more` files can be opened. */
static struct rlimit allow_files(rlim_t more)
{
	struct rlimit old, limit;
	int next = dup(0);

	close(next);
	OK(getrlimit(RLIMIT_NOFILE, &old));
	limit = old;
	limit.rlim_cur = (rlim_t)next + more;
	OK(setrlimit(RLIMIT_NOFILE, &limit));
	return old;
}

static void what_could_not_be_made_is_not_there(void)
{
	_world_ struct world w = world_of((struct fs_export){.model = FS_MODEL_NONE});
	struct rlimit old = allow_files(1);
	struct fs_attr attr;

	FAILS(EMFILE, create_error(&w, w.root, "file", O_RDWR));
	FAILS(ENOENT, fs_lookup(w.fs, w.root, "file", &attr));
	OK(setrlimit(RLIMIT_NOFILE, &old));
	old = allow_files(0);
	FAILS(EMFILE, fs_mkdir(w.fs, w.root, "setgid", 02755, ANYBODY, &attr, NULL));
	FAILS(ENOENT, fs_lookup(w.fs, w.root, "setgid", &attr));
	OK(fs_mkdir(w.fs, w.root, "dir", 01755, ANYBODY, &attr, NULL));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 01755);
	OK(setrlimit(RLIMIT_NOFILE, &old));
}

/* ---- special files, mounts ---- */

static void a_fifo_is_opened_where_that_is_chosen(void)
{
	_world_ struct world w = world_of((struct fs_export){.special = FS_SPECIAL_OPEN});
	struct fs_node fifo = make_special(&w, w.root, "fifo", S_IFIFO | 0600);
	struct fs_file both = open_node(&w, fifo, O_RDWR);
	char buf[8];

	CU_ASSERT_EQUAL(fs_write(w.fs, both, "abc", 3, 0, NULL), 3);
	CU_ASSERT_EQUAL(fs_read(w.fs, both, buf, sizeof(buf), 0, false), 3);
	FAILS(EAGAIN, fs_read(w.fs, both, buf, sizeof(buf), 0, false)); /* and does not wait */
	fs_close(w.fs, both);
	FAILS(ENXIO, open_error(&w, fifo, O_WRONLY));
	put(&w, fifo);
}

static bool lists_mnt(void *arg, const struct fs_dirent *entry)
{
	bool *found = arg;

	*found |= strcmp(entry->name, "mnt") == 0;
	return true;
}

/* In a mount name space of its own. */
static void check_mounts(enum fs_mounts mounts)
{
	_world_ struct world w = world_of((struct fs_export){.mounts = mounts});
	bool cross = mounts == FS_MOUNTS_CROSS, found = false;
	struct fs_file dir;
	struct fs_attr attr;

	put(&w, make_dir(&w, w.root, "mnt"));
	CU_ASSERT_EQUAL(mount("none", at(&w, "mnt").text, "tmpfs", 0, NULL), 0);
	host_text(&w, "mnt/file", "");
	CU_ASSERT_EQUAL(walk_error(&w, w.root, "mnt"), cross ? 0 : -ENOENT);
	CU_ASSERT_EQUAL(fs_lookup(w.fs, w.root, "mnt", &attr), cross ? 0 : -ENOENT);
	dir = open_node(&w, w.root, O_RDONLY);
	OK(fs_readdir(w.fs, dir, 0, 65536, lists_mnt, &found));
	CU_ASSERT_EQUAL(found, cross);
	fs_close(w.fs, dir);
	put(&w, find(&w, w.root, "."));
	CU_ASSERT_EQUAL(umount(at(&w, "mnt").text), 0);
	put(&w, find(&w, w.root, "mnt"));
}

struct counted {
	uint64_t offset;
	unsigned count;
};

static bool counts_names(void *arg, const struct fs_dirent *entry)
{
	struct counted *list = arg;

	list->offset = entry->offset;
	list->count++;
	return true;
}

/* More of them, one after the other, than are read from the host at a time. */
static void check_many_mounts(void)
{
	enum { MOUNTS = 100, FILES = 10 };
	_world_ struct world w = world_of((struct fs_export){.mounts = FS_MOUNTS_HIDE});
	struct counted list = {0};
	struct fs_file dir;
	unsigned before;
	char name[16];

	for (unsigned i = 0; i < MOUNTS + FILES; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		put(&w, make_dir(&w, w.root, name));
		if (i < MOUNTS)
			CU_ASSERT_EQUAL(mount("none", at(&w, name).text, "tmpfs", 0, NULL), 0);
	}
	dir = open_node(&w, w.root, O_RDONLY);
	do {
		before = list.count;
		OK(fs_readdir(w.fs, dir, list.offset, 300, counts_names, &list));
	} while (list.count > before);
	CU_ASSERT_EQUAL(list.count, FILES + 2);
	fs_close(w.fs, dir);
	for (unsigned i = 0; i < MOUNTS; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		CU_ASSERT_EQUAL(umount(at(&w, name).text), 0);
	}
}

static void mounts_are_crossed_or_hidden(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return test_skip("nothing can be mounted here");
	check_mounts(FS_MOUNTS_CROSS);
	check_mounts(FS_MOUNTS_HIDE);
}

static void hidden_mounts_do_not_end_a_list(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return test_skip("nothing can be mounted here");
	check_many_mounts();
}

#define XATTR_TEST(name)                                                                           \
	static void name##_(void)                                                                  \
	{                                                                                          \
		if (keeps_xattrs())                                                                \
			name();                                                                    \
	}
XATTR_TEST(attributes_are_written_as_qemu_does)
XATTR_TEST(attributes_of_qemu_are_read)
XATTR_TEST(acls_are_kept_where_qemu_does)
XATTR_TEST(names_of_the_store_are_not_for_guests)
XATTR_TEST(attributes_that_lie_are_not_believed)
XATTR_TEST(modes_on_the_host_are_chosen)
XATTR_TEST(half_made_objects_are_completed)
XATTR_TEST(ids_in_acls_are_the_hosts)
XATTR_TEST(prefixed_attributes_mean_nothing_to_the_host)
XATTR_TEST(writing_drops_a_prefixed_capability)
XATTR_TEST(writing_needs_no_right_to_the_mode)
XATTR_TEST(an_ordinary_users_server_writes_on)
XATTR_TEST(denied_attributes_are_not_there)

static const struct test tests[] = {
	{"attributes_are_written_as_qemu_does", attributes_are_written_as_qemu_does_},
	{"attributes_of_qemu_are_read", attributes_of_qemu_are_read_},
	{"acls_are_kept_where_qemu_does", acls_are_kept_where_qemu_does_},
	{"names_of_the_store_are_not_for_guests", names_of_the_store_are_not_for_guests_},
	{"attributes_that_lie_are_not_believed", attributes_that_lie_are_not_believed_},
	{"modes_on_the_host_are_chosen", modes_on_the_host_are_chosen_},
	{"a_new_owner_drops_set_id_bits", a_new_owner_drops_set_id_bits},
	{"files_are_written_as_qemu_does", files_are_written_as_qemu_does},
	{"files_of_qemu_are_read", files_of_qemu_are_read},
	{"files_cannot_be_named", files_cannot_be_named},
	{"files_follow_their_objects", files_follow_their_objects},
	{"two_processes_of_one_tree_lose_nothing", two_processes_of_one_tree_lose_nothing},
	{"two_shares_change_what_has_lost_a_name", two_shares_change_what_has_lost_a_name},
	{"a_hosts_fifo_is_not_opened_whatever_its_file_says",
	 a_hosts_fifo_is_not_opened_whatever_its_file_says},
	{"a_planted_store_is_not_followed", a_planted_store_is_not_followed},
	{"what_was_a_root_can_be_removed", what_was_a_root_can_be_removed},
	{"nothing_goes_where_its_file_cannot", nothing_goes_where_its_file_cannot},
	{"half_made_objects_are_completed", half_made_objects_are_completed_},
	{"half_renamed_objects_are_followed", half_renamed_objects_are_followed},
	{"ids_are_others_on_the_host", ids_are_others_on_the_host},
	{"ids_of_the_host_are_others_for_the_guest", ids_of_the_host_are_others_for_the_guest},
	{"owners_are_changed_to_the_hosts", owners_are_changed_to_the_hosts},
	{"ids_in_acls_are_the_hosts", ids_in_acls_are_the_hosts_},
	{"the_host_checks_the_callers_rights", the_host_checks_the_callers_rights},
	{"a_users_write_takes_set_id_bits_away", a_users_write_takes_set_id_bits_away},
	{"a_new_thread_keeps_set_id_bits", a_new_thread_keeps_set_id_bits},
	{"a_users_write_takes_bits_in_attributes_away",
	 a_users_write_takes_bits_in_attributes_away},
	{"a_users_write_takes_bits_in_files_away", a_users_write_takes_bits_in_files_away},
	{"a_users_write_after_a_death_takes_set_id_bits_away",
	 a_users_write_after_a_death_takes_set_id_bits_away},
	{"a_thread_that_wrote_for_somebody_opens_another_export",
	 a_thread_that_wrote_for_somebody_opens_another_export},
	{"an_acl_leaves_set_group_id", an_acl_leaves_set_group_id},
	{"groups_are_read", groups_are_read},
	{"too_many_groups_are_refused", too_many_groups_are_refused},
	{"users_are_in_the_hosts_groups", users_are_in_the_hosts_groups},
	{"a_squashed_user_is_in_his_group", a_squashed_user_is_in_his_group},
	{"a_forbidden_user_is_not_served", a_forbidden_user_is_not_served},
	{"prefixed_attributes_mean_nothing_to_the_host",
	 prefixed_attributes_mean_nothing_to_the_host_},
	{"writing_drops_a_prefixed_capability", writing_drops_a_prefixed_capability_},
	{"writing_needs_no_right_to_the_mode", writing_needs_no_right_to_the_mode_},
	{"an_ordinary_users_server_writes_on", an_ordinary_users_server_writes_on_},
	{"denied_attributes_are_not_there", denied_attributes_are_not_there_},
	{"passed_attributes_are_the_hosts", passed_attributes_are_the_hosts},
	{"what_could_not_be_made_is_not_there", what_could_not_be_made_is_not_there},
	{"a_fifo_is_opened_where_that_is_chosen", a_fifo_is_opened_where_that_is_chosen},
	{"mounts_are_crossed_or_hidden", mounts_are_crossed_or_hidden},
	{"hidden_mounts_do_not_end_a_list", hidden_mounts_do_not_end_a_list},
};

int main(int argc, char **argv)
{
	subject = &owners;
	return test_main(argc, argv, owners.name, tests, countof(tests));
}
