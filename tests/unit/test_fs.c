/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_fs.c - what fs.c judges itself, against a driver that only notes what reaches it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/util.h"
#include "fs/fs.h"
#include "fs/layer.h"
#include "fs/synth.h"
#include "tests/lib/test.h"

#define OK(call) CU_ASSERT_EQUAL((call), 0)
#define FAILS(error, call) CU_ASSERT_EQUAL((call), -(error))

static const struct fs_node dir_node = {.id = 1, .type = S_IFDIR};
static const struct fs_node file_node = {.id = 2, .type = S_IFREG};
static const struct fs_node link_node = {.id = 3, .type = S_IFLNK};
static const struct fs_node fifo_node = {.id = 4, .type = S_IFIFO};
static const struct fs_file rw_file = {.id = 5, .flags = O_RDWR};
static const struct fs_cred cred = {1, 2};

static struct {
	unsigned calls; /* that came to the driver, but for forget and close */
	unsigned forgotten, closed, destroyed;
	uint32_t mode;
	struct fs_setattr set;
	int getattr_result;
} seen;

static int noting_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	(void)fs, (void)node;
	seen.calls++;
	*dir = (struct fs_node){.id = 9, .type = S_IFDIR};
	strcpy(name, "x");
	return 0;
}

static int noting_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		       struct fs_attr *attr)
{
	(void)fs, (void)dir, (void)name, (void)node, (void)attr;
	seen.calls++;
	return 0;
}

static void noting_forget(struct fs *fs, struct fs_node node)
{
	(void)fs, (void)node;
	seen.forgotten++;
}

static int noting_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr)
{
	(void)fs, (void)node, (void)attr;
	return seen.getattr_result;
}

static int noting_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
			  const struct fs_setattr *set)
{
	(void)fs, (void)node, (void)file;
	seen.calls++;
	seen.set = *set;
	return 0;
}

static int noting_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file)
{
	(void)fs, (void)node, (void)flags, (void)file;
	seen.calls++;
	return 0;
}

static int noting_create(struct fs *fs, struct fs_node dir, const char *name, int flags,
			 uint32_t mode, struct fs_cred who, struct fs_node *node,
			 struct fs_file *file, struct fs_attr *attr)
{
	(void)fs, (void)dir, (void)name, (void)flags, (void)who, (void)node, (void)file, (void)attr;
	seen.calls++;
	seen.mode = mode;
	return 0;
}

static void noting_close(struct fs *fs, struct fs_file file)
{
	(void)fs, (void)file;
	seen.closed++;
}

static ssize_t noting_read(struct fs *fs, struct fs_file file, void *buf, size_t size,
			   uint64_t offset, bool nowait)
{
	(void)fs, (void)file, (void)buf, (void)size, (void)offset, (void)nowait;
	seen.calls++;
	return 0;
}

static ssize_t noting_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			    uint64_t offset)
{
	(void)fs, (void)file, (void)buf, (void)size, (void)offset;
	seen.calls++;
	return 0;
}

static int noting_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
			uint32_t major, uint32_t minor, struct fs_cred who, struct fs_attr *attr)
{
	(void)fs, (void)dir, (void)name, (void)major, (void)minor, (void)who, (void)attr;
	seen.calls++;
	seen.mode = mode;
	return 0;
}

static void noting_destroy(struct fs *fs)
{
	(void)fs;
	seen.destroyed++;
}

static const struct fs_ops noting_ops = {
	.name = "noting",
	.destroy = noting_destroy,
	.parent = noting_parent,
	.walk = noting_walk,
	.forget = noting_forget,
	.getattr = noting_getattr,
	.setattr = noting_setattr,
	.open = noting_open,
	.create = noting_create,
	.close = noting_close,
	.read = noting_read,
	.write = noting_write,
	.mknod = noting_mknod,
};
static struct fs noting = {.ops = &noting_ops};

static const struct fs_ops empty_ops = {.name = "empty"};
static struct fs empty = {.ops = &empty_ops};

static void reset(void)
{
	memset(&seen, 0, sizeof(seen));
}

static void names_are_judged_by_use(void)
{
	char longest[FS_NAME_MAX + 1], too_long[FS_NAME_MAX + 2];
	const struct {
		const char *name;
		int walk, make, rename, unlink;
	} table[] = {
		{"name", 0, 0, 0, 0},
		{"...", 0, 0, 0, 0},
		{"..name", 0, 0, 0, 0},
		{" ", 0, 0, 0, 0},
		{"\xff", 0, 0, 0, 0},
		{longest, 0, 0, 0, 0},
		{"", -ENOENT, -EINVAL, -EINVAL, -EINVAL},
		{"/", -ENOENT, -EINVAL, -EINVAL, -EINVAL},
		{"a/b", -ENOENT, -EINVAL, -EINVAL, -EINVAL},
		{"../x", -ENOENT, -EINVAL, -EINVAL, -EINVAL},
		{".", -EINVAL, -EEXIST, -EBUSY, -EINVAL},
		{"..", -EINVAL, -EEXIST, -EBUSY, -ENOTEMPTY},
		{too_long, -ENAMETOOLONG, -ENAMETOOLONG, -ENAMETOOLONG, -ENAMETOOLONG},
	};

	memset(longest, 'n', sizeof(longest));
	longest[FS_NAME_MAX] = '\0';
	memset(too_long, 'n', sizeof(too_long));
	too_long[FS_NAME_MAX + 1] = '\0';
	for (size_t i = 0; i < countof(table); i++) {
		CU_ASSERT_EQUAL(fs_name_check(table[i].name, FS_NAME_WALK), table[i].walk);
		CU_ASSERT_EQUAL(fs_name_check(table[i].name, FS_NAME_MAKE), table[i].make);
		CU_ASSERT_EQUAL(fs_name_check(table[i].name, FS_NAME_RENAME), table[i].rename);
		CU_ASSERT_EQUAL(fs_name_check(table[i].name, FS_NAME_UNLINK), table[i].unlink);
	}
}

static bool copies(struct fs *fs, struct fs_file file)
{
	(void)fs, (void)file;
	return true;
}

static void whether_data_is_copied_is_known_when_a_file_is_open(void)
{
	struct fs_ops ops = noting_ops;
	struct fs fs = {.ops = &ops};
	struct fs_file file;

	OK(fs_open(&fs, file_node, O_RDWR, &file));
	CU_ASSERT_EQUAL(file.copies, 0);
	ops.copies = copies;
	OK(fs_open(&fs, file_node, O_RDONLY, &file));
	CU_ASSERT_EQUAL(file.copies, 1);
}

static void empty_slots_answer_eopnotsupp(void)
{
	const struct fs_file file = rw_file;
	struct fs_setattr set = {0};
	struct fs_lock lock = {.type = FS_LOCK_READ};
	struct fs_statfs st;
	struct fs_handle handle;
	struct fs_node node;
	struct fs_file opened;
	struct fs_attr attr;
	char buf[FS_NAME_MAX + 1];

	FAILS(EOPNOTSUPP, fs_root(&empty, &node, &attr));
	FAILS(EOPNOTSUPP, fs_walk(&empty, dir_node, "x", &node, &attr));
	FAILS(EOPNOTSUPP, fs_walk(&empty, dir_node, ".", &node, &attr));
	FAILS(EOPNOTSUPP, fs_walk(&empty, dir_node, "..", &node, &attr));
	FAILS(EOPNOTSUPP, fs_lookup(&empty, dir_node, "x", &attr));
	FAILS(EOPNOTSUPP, fs_parent(&empty, dir_node, &node, buf));
	CU_ASSERT_EQUAL(fs_is_deep(&empty, dir_node), 0);
	FAILS(EOPNOTSUPP, fs_handle(&empty, dir_node, &attr, &handle));
	FAILS(EOPNOTSUPP, fs_restore(&empty, &(struct fs_handle){.size = 1}, &node, &attr));
	FAILS(EOPNOTSUPP, fs_getattr(&empty, dir_node, &attr));
	FAILS(EOPNOTSUPP, fs_setattr(&empty, dir_node, FS_NO_FILE, &set));
	FAILS(EOPNOTSUPP, fs_readlink(&empty, link_node, buf, 1));
	FAILS(EOPNOTSUPP, fs_open(&empty, file_node, O_RDWR, &opened));
	FAILS(EOPNOTSUPP,
	      fs_create(&empty, dir_node, "x", 0, 0, cred, &node, &opened, &attr, NULL));
	FAILS(EOPNOTSUPP, fs_read(&empty, file, buf, 1, 0, false));
	FAILS(EOPNOTSUPP, fs_write(&empty, file, buf, 1, 0, NULL));
	FAILS(EOPNOTSUPP, fs_fsync(&empty, file, false));
	FAILS(EOPNOTSUPP, fs_readdir(&empty, file, 0, 1, NULL, NULL));
	FAILS(EOPNOTSUPP, fs_mkdir(&empty, dir_node, "x", 0, cred, &attr, NULL));
	FAILS(EOPNOTSUPP, fs_symlink(&empty, dir_node, "x", "t", cred, &attr, NULL));
	FAILS(EOPNOTSUPP, fs_mknod(&empty, dir_node, "x", 0, 0, 0, cred, &attr, NULL));
	FAILS(EOPNOTSUPP, fs_link(&empty, file_node, dir_node, "x", NULL));
	FAILS(EOPNOTSUPP, fs_rename(&empty, dir_node, "x", dir_node, "y", NULL));
	FAILS(EOPNOTSUPP, fs_unlink(&empty, dir_node, "x", false, NULL));
	FAILS(EOPNOTSUPP, fs_statfs(&empty, dir_node, &st));
	FAILS(EOPNOTSUPP, fs_getxattr(&empty, dir_node, "x", NULL, 0));
	FAILS(EOPNOTSUPP, fs_listxattr(&empty, dir_node, NULL, 0));
	FAILS(EOPNOTSUPP, fs_setxattr(&empty, dir_node, "x", NULL, 0, 0, NULL));
	FAILS(EOPNOTSUPP, fs_removexattr(&empty, dir_node, "x", NULL));
	FAILS(EOPNOTSUPP, fs_lock(&empty, file, &lock));
	FAILS(EOPNOTSUPP, fs_getlock(&empty, file, &lock));
	fs_forget(&empty, dir_node);
	fs_close(&empty, file);
	fs_destroy(NULL);
}

static void nothing_is_forgotten_or_closed_that_is_none(void)
{
	reset();
	fs_forget(&noting, FS_NO_NODE);
	fs_close(&noting, FS_NO_FILE);
	CU_ASSERT_EQUAL(seen.forgotten, 0);
	CU_ASSERT_EQUAL(seen.closed, 0);
	fs_forget(&noting, dir_node);
	fs_close(&noting, rw_file);
	CU_ASSERT_EQUAL(seen.forgotten, 1);
	CU_ASSERT_EQUAL(seen.closed, 1);
}

static void dotdot_is_asked_as_parent(void)
{
	struct fs_node node;
	struct fs_attr attr;

	reset();
	OK(fs_walk(&noting, dir_node, "..", &node, &attr));
	CU_ASSERT_EQUAL(node.id, 9);
	seen.getattr_result = -EIO;
	FAILS(EIO, fs_walk(&noting, dir_node, "..", &node, &attr));
	CU_ASSERT_EQUAL(node.id, -1);
	CU_ASSERT_EQUAL(seen.forgotten, 1);
	FAILS(ENOTDIR, fs_walk(&noting, file_node, "..", &node, &attr));
	FAILS(ENOTDIR, fs_walk(&noting, file_node, ".", &node, &attr));
}

static void ranges_are_checked_before_the_driver(void)
{
	const uint64_t max = INT64_MAX;
	char c = 0;

	reset();
	OK(fs_read(&noting, rw_file, &c, 1, max - 1, false));
	OK(fs_read(&noting, rw_file, &c, 0, max, false));
	CU_ASSERT_EQUAL(seen.calls, 2);
	FAILS(EINVAL, fs_read(&noting, rw_file, &c, 1, max, false));
	FAILS(EINVAL, fs_read(&noting, rw_file, &c, 0, max + 1, false));
	FAILS(EINVAL, fs_read(&noting, rw_file, &c, SIZE_MAX, max, false));
	FAILS(EFBIG, fs_write(&noting, rw_file, &c, 1, max, NULL));
	FAILS(EINVAL, fs_write(&noting, rw_file, &c, SIZE_MAX, UINT64_MAX, NULL));
	CU_ASSERT_EQUAL(seen.calls, 2);
}

static void access_modes_are_checked_before_the_driver(void)
{
	const struct fs_file r = {.id = 1, .flags = O_RDONLY}, o = {.id = 2, .flags = O_WRONLY};
	const struct fs_lock read = {.type = FS_LOCK_READ}, write = {.type = FS_LOCK_WRITE};
	char c = 0;

	reset();
	FAILS(EBADF, fs_read(&noting, o, &c, 1, 0, false));
	FAILS(EBADF, fs_write(&noting, r, &c, 1, 0, NULL));
	FAILS(EBADF, fs_lock(&noting, o, &read));
	FAILS(EBADF, fs_lock(&noting, r, &write));
	CU_ASSERT_EQUAL(seen.calls, 0);
}

static void a_write_of_nothing_is_an_error(void)
{
	FAILS(EIO, fs_write(&noting, rw_file, "x", 1, 0, NULL));
	OK(fs_write(&noting, rw_file, "x", 0, 0, NULL));
}

static void only_files_and_directories_reach_open(void)
{
	struct fs_file file;

	reset();
	FAILS(ELOOP, fs_open(&noting, link_node, O_RDONLY, &file));
	FAILS(ENXIO, fs_open(&noting, fifo_node, O_RDONLY, &file));
	FAILS(EISDIR, fs_open(&noting, dir_node, O_RDWR, &file));
	FAILS(EISDIR, fs_open(&noting, dir_node, O_TRUNC, &file));
	FAILS(EINVAL, fs_open(&noting, file_node, O_ACCMODE, &file));
	FAILS(EINVAL, fs_open(&noting, file_node, O_RDWR | O_CREAT, &file));
	FAILS(EINVAL, fs_open(&noting, file_node, O_RDWR | O_EXCL, &file));
	CU_ASSERT_EQUAL(seen.calls, 0);
	OK(fs_open(&noting, dir_node, O_RDONLY, &file));
	OK(fs_open(&noting, file_node, O_RDWR | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC | O_NOATIME,
		   &file));
	CU_ASSERT_EQUAL(seen.calls, 2);
}

static void a_file_remembers_how_it_can_be_opened_again(void)
{
	const int kept = O_RDWR | O_APPEND | O_DSYNC | O_NOATIME;
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	OK(fs_open(&noting, file_node, kept | O_TRUNC, &file));
	CU_ASSERT_EQUAL(file.flags, kept);
	OK(fs_create(&noting, dir_node, "x", kept | O_TRUNC | O_EXCL, 0, cred, &node, &file, &attr,
		     NULL));
	CU_ASSERT_EQUAL(file.flags, kept);
	OK(fs_open(&noting, file_node, (int)file.flags, &file));
}

/* The noting driver cannot look anything up: with an intent nothing can be made. */
static void an_intent_costs_a_look_beforehand(void)
{
	const struct fs_file log = {.id = 5, .flags = O_WRONLY | O_APPEND};
	struct fs_intent intent = {0};
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	reset();
	OK(fs_mknod(&noting, dir_node, "x", 0644, 0, 0, cred, &attr, NULL));
	OK(fs_create(&noting, dir_node, "x", O_EXCL, 0644, cred, &node, &file, &attr, NULL));
	FAILS(EIO, fs_write(&noting, log, "x", 1, 0, NULL));
	CU_ASSERT_EQUAL(seen.calls, 3);
	FAILS(EOPNOTSUPP, fs_mknod(&noting, dir_node, "x", 0644, 0, 0, cred, &attr, &intent));
	FAILS(EOPNOTSUPP,
	      fs_create(&noting, dir_node, "x", O_EXCL, 0644, cred, &node, &file, &attr, &intent));
	FAILS(EOPNOTSUPP, fs_write(&noting, log, "x", 1, 0, &intent));
	CU_ASSERT_EQUAL(seen.calls, 3);
	CU_ASSERT_FALSE(fs_intent_begun(&intent));
	OK(fs_create(&noting, dir_node, "x", 0, 0644, cred, &node, &file, &attr, &intent));
	FAILS(EIO, fs_write(&noting, rw_file, "x", 1, 0, &intent));
	CU_ASSERT_TRUE(fs_intent_begun(&intent));
	CU_ASSERT_FALSE(fs_intent_begun(NULL));
}

static void modes_come_clean_to_the_driver(void)
{
	struct fs_setattr set = {.valid = FS_SET_MODE, .mode = UINT32_MAX};
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	reset();
	OK(fs_setattr(&noting, file_node, FS_NO_FILE, &set));
	CU_ASSERT_EQUAL(seen.set.mode, 07777);
	OK(fs_create(&noting, dir_node, "x", O_EXCL, S_IFREG | 0644, cred, &node, &file, &attr,
		     NULL));
	CU_ASSERT_EQUAL(seen.mode, 0644);
	OK(fs_mknod(&noting, dir_node, "x", 0644, 0, 0, cred, &attr, NULL));
	CU_ASSERT_EQUAL(seen.mode, S_IFREG | 0644);
	OK(fs_mknod(&noting, dir_node, "x", ~(uint32_t)S_IFMT | S_IFIFO, 0, 0, cred, &attr, NULL));
	CU_ASSERT_EQUAL(seen.mode, S_IFIFO | 07777);
}

static void an_owner_of_minus_one_is_not_set(void)
{
	struct fs_setattr set = {
		.valid = FS_SET_UID | FS_SET_GID | FS_SET_MODE, .uid = (uint32_t)-1, .gid = 5};

	OK(fs_setattr(&noting, file_node, FS_NO_FILE, &set));
	CU_ASSERT_EQUAL(seen.set.valid, FS_SET_GID | FS_SET_MODE);
	set.uid = 5;
	set.gid = (uint32_t)-1;
	OK(fs_setattr(&noting, file_node, FS_NO_FILE, &set));
	CU_ASSERT_EQUAL(seen.set.valid, FS_SET_UID | FS_SET_MODE);
}

static uint32_t reaches_the_driver(uint32_t valid)
{
	struct fs_setattr set = {.valid = valid, .uid = (uint32_t)-1};

	OK(fs_setattr(&noting, file_node, FS_NO_FILE, &set));
	return seen.set.valid;
}

static void what_another_change_brings_about_is_not_asked_for(void)
{
	const uint32_t size_now = FS_SET_SIZE | FS_SET_MTIME_NOW;

	CU_ASSERT_EQUAL(reaches_the_driver(size_now | FS_SET_CTIME), FS_SET_SIZE);
	CU_ASSERT_EQUAL(reaches_the_driver(FS_SET_GID | FS_SET_CTIME), FS_SET_GID);
	CU_ASSERT_EQUAL(reaches_the_driver(FS_SET_CTIME), FS_SET_CTIME);
	CU_ASSERT_EQUAL(reaches_the_driver(FS_SET_UID | FS_SET_CTIME), FS_SET_CTIME);
	CU_ASSERT_EQUAL(reaches_the_driver(FS_SET_MTIME_NOW), FS_SET_MTIME_NOW);
	CU_ASSERT_EQUAL(reaches_the_driver(FS_SET_SIZE | FS_SET_MTIME), FS_SET_SIZE | FS_SET_MTIME);
	/* both to now is a right of its own: of whoever may write */
	CU_ASSERT_EQUAL(reaches_the_driver(size_now | FS_SET_ATIME_NOW),
			size_now | FS_SET_ATIME_NOW);
}

static void what_cannot_be_set_does_not_reach_the_driver(void)
{
	struct fs_setattr size = {.valid = FS_SET_SIZE, .size = (uint64_t)INT64_MAX + 1};
	struct fs_setattr mode = {.valid = FS_SET_MODE};
	struct fs_setattr time = {.valid = FS_SET_ATIME, .atime = {.nsec = 1000000000}};

	reset();
	FAILS(EINVAL, fs_setattr(&noting, file_node, FS_NO_FILE, &size));
	size.size = 0;
	FAILS(EISDIR, fs_setattr(&noting, dir_node, FS_NO_FILE, &size));
	FAILS(EINVAL, fs_setattr(&noting, link_node, FS_NO_FILE, &size));
	FAILS(EINVAL, fs_setattr(&noting, fifo_node, FS_NO_FILE, &size));
	FAILS(EOPNOTSUPP, fs_setattr(&noting, link_node, FS_NO_FILE, &mode));
	FAILS(EINVAL, fs_setattr(&noting, file_node, FS_NO_FILE, &time));
	CU_ASSERT_EQUAL(seen.calls, 0);
	time.valid |= FS_SET_ATIME_NOW;
	OK(fs_setattr(&noting, file_node, FS_NO_FILE, &time));
}

static void models_have_names(void)
{
	enum fs_model model;

	OK(fs_model_parse("none", &model));
	CU_ASSERT_EQUAL(model, FS_MODEL_NONE);
	OK(fs_model_parse("passthrough", &model));
	CU_ASSERT_EQUAL(model, FS_MODEL_PASSTHROUGH);
	FAILS(EINVAL, fs_model_parse("", &model));
	FAILS(EINVAL, fs_model_parse("None", &model));
	FAILS(EINVAL, fs_model_parse("none ", &model));
}

/* Like a layer that gives up half way. */
static int failing_create(struct fs *fs, struct fs_node dir, const char *name, int flags,
			  uint32_t mode, struct fs_cred who, struct fs_node *node,
			  struct fs_file *file, struct fs_attr *attr)
{
	(void)fs, (void)dir, (void)name, (void)flags, (void)mode, (void)who, (void)attr;
	*node = file_node;
	*file = rw_file;
	return -ENOSPC;
}

static void a_file_that_was_not_made_is_none(void)
{
	static const struct fs_ops failing_ops = {.name = "failing", .create = failing_create};
	static const int flags[] = {O_RDWR, O_RDWR | O_EXCL};
	struct fs failing = {.ops = &failing_ops};

	for (size_t i = 0; i < countof(flags); i++) {
		struct fs_node node;
		struct fs_file file;
		struct fs_attr attr;

		FAILS(ENOSPC, fs_create(&failing, dir_node, "x", flags[i], 0644, cred, &node, &file,
					&attr, NULL));
		CU_ASSERT_EQUAL(node.id, -1);
		CU_ASSERT_EQUAL(file.id, -1);
	}
}

static int layer_of_test_fsync(struct fs *fs, struct fs_file file, bool datasync)
{
	(void)file, (void)datasync;
	return layer_below(fs) == &noting ? 7 : -EIO;
}

static void a_layer_has_its_own_slots_and_those_below(void)
{
	static const struct fs_ops own = {.name = "own", .fsync = layer_of_test_fsync};
	struct fs_layer *layer = calloc(1, sizeof(*layer));
	struct fs_node node;
	struct fs_attr attr;

	reset();
	layer_init(layer, &noting, &own);
	OK(fs_walk(&layer->fs, dir_node, "x", &node, &attr));
	CU_ASSERT_EQUAL(seen.calls, 1);
	CU_ASSERT_EQUAL(fs_fsync(&layer->fs, rw_file, false), 7);
	FAILS(EOPNOTSUPP, fs_lookup(&layer->fs, dir_node, "x", &attr));
	CU_ASSERT_PTR_NULL(layer->fs.ops->mkdir);
	CU_ASSERT_STRING_EQUAL(layer->fs.ops->name, "own");
	fs_destroy(&layer->fs);
	CU_ASSERT_EQUAL(seen.destroyed, 1);
}

static void delays_are_read(void)
{
	static const char *const bad[] = {"",
					  "read",
					  "read=",
					  "read=1",
					  "read=1m",
					  "nap=1s",
					  "read=-1s",
					  "=1s",
					  "read=1s,",
					  "read=601s",
					  "all=1 s",
					  "read= 1s",
					  "read=99999999999999999999s"};
	struct synth_delays delays;
	char err[128];

	OK(synth_parse("all=1ms,statfs=2s,read=0us,read=30us", &delays, err, sizeof(err)));
	CU_ASSERT_EQUAL(delays.us[SYNTH_walk], 1000);
	CU_ASSERT_EQUAL(delays.us[SYNTH_removexattr], 1000);
	CU_ASSERT_EQUAL(delays.us[SYNTH_statfs], 2000000);
	CU_ASSERT_EQUAL(delays.us[SYNTH_read], 30);
	OK(synth_parse("read=600s", &delays, err, sizeof(err)));
	CU_ASSERT_EQUAL(delays.us[SYNTH_read], 600000000);
	CU_ASSERT_EQUAL(delays.us[SYNTH_walk], 0);
	for (size_t i = 0; i < countof(bad); i++)
		FAILS(EINVAL, synth_parse(bad[i], &delays, err, sizeof(err)));
}

static ssize_t instant_read(struct fs *fs, struct fs_file file, void *buf, size_t size,
			    uint64_t offset, bool nowait)
{
	(void)fs, (void)file, (void)buf, (void)offset, (void)nowait;
	return (ssize_t)size;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void delayed_calls_take_at_least_so_long(void)
{
	static const struct fs_ops instant_ops = {
		.name = "instant", .destroy = noting_destroy, .read = instant_read};
	struct fs instant = {.ops = &instant_ops}, *fs = &instant;
	struct synth_delays delays;
	char err[128], byte;
	int64_t start;

	OK(synth_parse("read=20ms", &delays, err, sizeof(err)));
	OK(synth_wrap(&fs, &delays, err, sizeof(err)));
	start = now_us();
	CU_ASSERT_EQUAL(fs_read(fs, rw_file, &byte, 1, 0, false), 1);
	CU_ASSERT(now_us() - start >= 20000);
	FAILS(EAGAIN, fs_read(fs, rw_file, &byte, 1, 0, true));
	/* What the fs below has not, it has not. */
	FAILS(EOPNOTSUPP, fs_fsync(fs, rw_file, false));
	layer_destroy(fs);
}

static const struct test tests[] = {
	{"names_are_judged_by_use", names_are_judged_by_use},
	{"whether_data_is_copied_is_known_when_a_file_is_open",
	 whether_data_is_copied_is_known_when_a_file_is_open},
	{"empty_slots_answer_eopnotsupp", empty_slots_answer_eopnotsupp},
	{"nothing_is_forgotten_or_closed_that_is_none",
	 nothing_is_forgotten_or_closed_that_is_none},
	{"dotdot_is_asked_as_parent", dotdot_is_asked_as_parent},
	{"ranges_are_checked_before_the_driver", ranges_are_checked_before_the_driver},
	{"access_modes_are_checked_before_the_driver", access_modes_are_checked_before_the_driver},
	{"a_write_of_nothing_is_an_error", a_write_of_nothing_is_an_error},
	{"only_files_and_directories_reach_open", only_files_and_directories_reach_open},
	{"a_file_remembers_how_it_can_be_opened_again",
	 a_file_remembers_how_it_can_be_opened_again},
	{"an_intent_costs_a_look_beforehand", an_intent_costs_a_look_beforehand},
	{"modes_come_clean_to_the_driver", modes_come_clean_to_the_driver},
	{"an_owner_of_minus_one_is_not_set", an_owner_of_minus_one_is_not_set},
	{"what_another_change_brings_about_is_not_asked_for",
	 what_another_change_brings_about_is_not_asked_for},
	{"what_cannot_be_set_does_not_reach_the_driver",
	 what_cannot_be_set_does_not_reach_the_driver},
	{"a_file_that_was_not_made_is_none", a_file_that_was_not_made_is_none},
	{"models_have_names", models_have_names},
	{"a_layer_has_its_own_slots_and_those_below", a_layer_has_its_own_slots_and_those_below},
	{"delays_are_read", delays_are_read},
	{"delayed_calls_take_at_least_so_long", delayed_calls_take_at_least_so_long},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "fs", tests, countof(tests));
}
