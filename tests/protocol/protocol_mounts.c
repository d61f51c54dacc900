/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_mounts.c - file systems that the host has mounted below the export: their numbers, their
 * borders, and that they are not there where they are to be hidden.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "tests/protocol/harness.h"

/* In a name space of this program's own, to which the world's descriptor has to belong. */
static bool may_mount(struct world *w)
{
	_cleanup_close_ int fd = -1;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		test_skip("nothing can be mounted here");
		return false;
	}
	fd = open(w->export, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dup3(fd, w->dir, O_CLOEXEC) == w->dir;
}

/* Two file systems, at "a" and "b", with the same in each. False, and the test skipped: not here.
 */
static bool mount_two(struct world *w)
{
	static const char *const dirs[] = {"a", "b"};
	char path[600];

	if (!need_root() || !may_mount(w))
		return false;
	for (size_t i = 0; i < countof(dirs); i++) {
		host_dir(w, dirs[i]);
		snprintf(path, sizeof(path), "%s/%s", w->export, dirs[i]);
		check(mount("none", path, "tmpfs", 0, NULL) == 0);
		snprintf(path, sizeof(path), "%s/d", dirs[i]);
		host_dir(w, path);
		snprintf(path, sizeof(path), "%s/f", dirs[i]);
		host_file(w, path, dirs[i]);
	}
	return true;
}

/* The server may have something open in there. */
static void unmount_two(struct world *w)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/a", w->export);
	check(umount2(path, MNT_DETACH) == 0);
	snprintf(path, sizeof(path), "%s/b", w->export);
	check(umount2(path, MNT_DETACH) == 0);
}

#define MOUNT_TEST(name, ...)                                                                      \
	static void name##_(struct world *w, struct conn *c);                                      \
	TEST(name)                                                                                 \
	{                                                                                          \
		if (!mount_two(w))                                                                 \
			return;                                                                    \
		serve(w, __VA_ARGS__);                                                             \
		name##_(w, session(w));                                                            \
		unmount_two(w);                                                                    \
	}                                                                                          \
	static void name##_(struct world *w, struct conn *c)

/* The entry of that name in the directory, all zeros if it is not listed. */
static struct p9_dirent listed(struct conn *c, const char *dir, const char *name)
{
	struct p9_dirent d, found = {.offset = 0};
	struct p9_data data;
	int size;

	open_path(c, 50, dir, L_RDONLY);
	data = ok(c, T(readdir, .fid = 50, .count = 60000))->Rreaddir.data;
	for (uint32_t at = 0; at < data.len; at += (uint32_t)size) {
		size = p9_dirent_get(&d, (uint8_t *)(uintptr_t)data.bytes + at, data.len - at);
		if (size <= 0)
			break;
		if (same_str(d.name, name))
			found = d;
	}
	clunk(c, 50);
	return found;
}

MOUNT_TEST(objects_of_different_mounts_have_different_qid_paths, NULL)
{
	static const char *const paths[] = {"", "a", "b", "a/d", "b/d", "a/f", "b/f"};
	uint64_t path[countof(paths)];

	equal(host_stat(w, "a/f").st_ino, host_stat(w, "b/f").st_ino); /* or it shows nothing */
	for (uint32_t i = 0; i < countof(paths); i++) {
		walk(c, ROOT, 1 + i, paths[i]);
		path[i] = attr(c, 1 + i).qid.path;
		for (uint32_t n = 0; n < i; n++)
			check(path[n] != path[i]);
	}
	equal(listed(c, "a", "f").qid.path, path[5]);
	equal(listed(c, "b", "f").qid.path, path[6]);
	equal(listed(c, "a", ".").qid.path, path[1]);
}

MOUNT_TEST(names_of_one_file_in_a_mount_have_one_qid_path, NULL)
{
	check(linkat(w->dir, "a/f", w->dir, "a/g", 0) == 0);
	equal(walk(c, ROOT, 1, "a/f").path, walk(c, ROOT, 2, "a/g").path);
	equal(attr(c, 1).nlink, 2);
}

MOUNT_TEST(dotdot_leads_out_of_a_mount_and_not_out_of_the_export, NULL)
{
	(void)w;
	walk(c, ROOT, 1, "a/d");
	equal(walk(c, 1, 2, "../..").path, attr(c, ROOT).qid.path);
	equal(walk(c, 1, 3, "../../../../b").path, walk(c, ROOT, 4, "b").path);
}

MOUNT_TEST(rename_and_link_across_mounts_are_EXDEV, NULL)
{
	walk(c, ROOT, 1, "a");
	walk(c, ROOT, 2, "b");
	walk(c, ROOT, 3, "a/f");
	fails(c, EXDEV,
	      T(renameat, .olddirfid = 1, .oldname = p9_str("f"), .newdirfid = 2,
		.newname = p9_str("x")));
	fails(c, EXDEV,
	      T(renameat, .olddirfid = 1, .oldname = p9_str("f"), .newdirfid = ROOT,
		.newname = p9_str("x")));
	fails(c, EXDEV, T(rename, .fid = 3, .dfid = 2, .name = p9_str("x")));
	fails(c, EXDEV, T(link, .dfid = 2, .fid = 3, .name = p9_str("x")));
	host_holds(w, "a/f", "a");
	check(!host_has(w, "b/x") && !host_has(w, "x"));
	ok(c, T(renameat, .olddirfid = 1, .oldname = p9_str("f"), .newdirfid = 1,
		.newname = p9_str("x")));
	host_holds(w, "a/x", "a");
}

MOUNT_TEST(a_mount_point_is_neither_removed_nor_replaced, NULL)
{
	host_dir(w, "empty");
	fails(c, EBUSY, T(unlinkat, .dfid = ROOT, .name = p9_str("a"), .flags = P9_AT_REMOVEDIR));
	fails(c, EBUSY,
	      T(renameat, .olddirfid = ROOT, .oldname = p9_str("empty"), .newdirfid = ROOT,
		.newname = p9_str("a")));
	check(host_has(w, "a/f") && host_has(w, "empty"));
}

MOUNT_TEST(statfs_is_that_of_the_mount, NULL)
{
	struct statfs host;
	char path[600];

	snprintf(path, sizeof(path), "%s/a", w->export);
	check(statfs(path, &host) == 0);
	walk(c, ROOT, 1, "a/f");
	equal(ok(c, T(statfs, .fid = 1))->Rstatfs.type, (uint32_t)host.f_type);
}

MOUNT_TEST(hidden_mounts_are_not_there, "--mounts", "hide", NULL)
{
	host_file(w, "beside", "text");
	fails(c, ENOENT, T(walk, .fid = ROOT, .newfid = 1, .names = NAMES("a")));
	fails(c, ENOENT, T(walk, .fid = ROOT, .newfid = 1, .names = NAMES("a", "f")));
	equal(listed(c, "", "a").offset, 0);
	equal(listed(c, "", "b").offset, 0);
	check(listed(c, "", "beside").offset != 0);
	walk(c, ROOT, 2, "beside");
	check(attr(c, ROOT).nlink > 0);
}

MOUNT_TEST(hidden_mounts_are_not_changed, "--mounts", "hide", NULL)
{
	fails(c, EEXIST, T(mkdir, .dfid = ROOT, .name = p9_str("a"), .mode = 0755));
	fails(c, EBUSY, T(unlinkat, .dfid = ROOT, .name = p9_str("a"), .flags = P9_AT_REMOVEDIR));
	fails(c, EBUSY,
	      T(renameat, .olddirfid = ROOT, .oldname = p9_str("a"), .newdirfid = ROOT,
		.newname = p9_str("x")));
	host_holds(w, "a/f", "a");
}

MOUNT_TEST(u_lists_no_hidden_mounts, "--mounts", "hide", NULL)
{
	struct p9_data data;
	struct p9_stat stat;
	bool found = false;
	int size;

	host_file(w, "beside", "text");
	conn_forget(w, c);
	c = session_in(w, P9_U, MSIZE);
	topen(c, 1, "", P9_OREAD);
	data = ok(c, T(read, .fid = 1, .count = 8000))->Rread.data;
	for (uint32_t at = 0; at < data.len; at += (uint32_t)size) {
		size = p9_stat_get(&stat, P9_U, (uint8_t *)(uintptr_t)data.bytes + at,
				   data.len - at);
		check(size > 0);
		if (size <= 0)
			return;
		check(!same_str(stat.name, "a") && !same_str(stat.name, "b"));
		found |= same_str(stat.name, "beside");
	}
	check(found);
}
