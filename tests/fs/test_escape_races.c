/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_escape_races.c - every kind of export under a guest that does everything, while a host
 * process swaps what it works on for symlinks that lead outside.
 *
 * Beside the export lies another tree, the canary, with the same names in it: who follows a link
 * finds there what it looked for. Of the canary nothing may be changed, not even a time of access,
 * and nothing may be seen. A test is a number of operations, 1,000,000 with LONG=1, in rounds: the
 * export is made anew before it has lost too much of its form.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/util.h"
#include "fs/export.h"
#include "tests/lib/test.h"

#define ROUND 5000
#define SECRET "secret" /* in all that is readable of it */
#define OWNER 4242	/* of all of it, and of nothing else */
#define FORBIDDEN 128

struct scene {
	char *base;
	int host;
	struct fs *fs;
	struct fs_node root, held[4];
	uint64_t forbidden[FORBIDDEN]; /* numbers of all that is outside */
	size_t forbidden_count;
	unsigned random;
	unsigned links, dirs, bad;

	atomic_bool stop;
	pthread_t villain;
};

/* ---- trees ---- */

#define META ".virtfs_metadata"

static const char *const dirs[] = {"d", "d/d", "a", "a/d", "p", "p/d", "r", "r/d"};
static const char *const files[] = {"f", "g"};

static void put_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);

	if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	cleanup_close(&fd);
}

static void put_meta(int dir, const char *name, uint32_t owner)
{
	char text[64];

	snprintf(text, sizeof(text), "virtfs.uid=%u\nvirtfs.gid=%u\n", owner, owner);
	put_file(dir, name, text);
}

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void fill(int dir, const char *text, uint32_t owner)
{
	_cleanup_close_ int meta = -1;

	for (size_t i = 0; i < countof(files); i++)
		put_file(dir, files[i], text);
	if (symlinkat(text, dir, "l") || mkdirat(dir, META, 0777))
		abort();
	meta = open_dir(dir, META);
	for (size_t i = 0; i < countof(files); i++)
		put_meta(meta, files[i], owner);
	put_meta(meta, "d", owner);
}

static int build(int at, const char *name, const char *text, uint32_t owner)
{
	int root = mkdirat(at, name, 0777) ? -1 : open_dir(at, name);

	if (root < 0)
		abort();
	fill(root, text, owner);
	put_meta(root, META "_root", owner);
	for (size_t i = 0; i < countof(dirs); i++) {
		int dir = mkdirat(root, dirs[i], 0777) ? -1 : open_dir(root, dirs[i]);

		fill(dir, text, owner);
		close(dir);
	}
	return root;
}

typedef void visit(void *arg, const char *path, const struct stat *st);

/* Everything below `path` and itself, without touching a time. */
static void each_below(const char *path, visit *do_it, void *arg)
{
	const struct dirent *entry;
	struct stat st;
	DIR *list = NULL;

	if (lstat(path, &st))
		abort();
	if (S_ISDIR(st.st_mode))
		list = fdopendir(open(path, O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC));
	while (list && (entry = readdir(list)) != NULL) {
		_cleanup_free_ char *below = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
			abort();
		each_below(below, do_it, arg);
	}
	if (list)
		closedir(list);
	do_it(arg, path, &st);
}

/* Old, so that reading it is seen by its time of access, and auto-delete would like it best. */
static void mark(void *arg, const char *path, const struct stat *st)
{
	const struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	const uint32_t owner = OWNER;

	(void)arg;
	if (!S_ISLNK(st->st_mode)) {
		setxattr(path, "user.canary", SECRET, strlen(SECRET), 0);
		setxattr(path, "user.virtfs.uid", &owner, sizeof(owner), 0);
		setxattr(path, "user.virtfs.gid", &owner, sizeof(owner), 0);
	}
	if ((geteuid() == 0 && lchown(path, OWNER, OWNER)) ||
	    utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW))
		abort();
}

static void forbid(void *arg, const char *path, const struct stat *st)
{
	struct scene *s = arg;

	(void)path;
	if (s->forbidden_count == FORBIDDEN)
		abort();
	s->forbidden[s->forbidden_count++] = st->st_ino;
}

static void tell_attributes(FILE *out, const char *path)
{
	char names[1024], value[1024];
	ssize_t length = llistxattr(path, names, sizeof(names));

	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = lgetxattr(path, names + at, value, sizeof(value));

		fprintf(out, " %s=", names + at);
		for (ssize_t i = 0; i < size; i++)
			fprintf(out, "%02x", (unsigned char)value[i]);
	}
}

static void tell_content(FILE *out, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	char text[1024];
	ssize_t n = read(fd, text, sizeof(text));

	fprintf(out, " \"%.*s\"", n < 0 ? 0 : (int)n, text);
}

static void tell(void *arg, const char *path, const struct stat *st)
{
	FILE *out = arg;

	fprintf(out, "%s %lu %o %u:%u %lu %ld", path, st->st_ino, st->st_mode, st->st_uid,
		st->st_gid, st->st_nlink, st->st_size);
	fprintf(out, " %ld.%09ld %ld.%09ld %ld.%09ld", st->st_atim.tv_sec, st->st_atim.tv_nsec,
		st->st_mtim.tv_sec, st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	tell_attributes(out, path);
	if (S_ISREG(st->st_mode))
		tell_content(out, path);
	fprintf(out, "\n");
}

static char *picture(const struct scene *s)
{
	_cleanup_free_ char *path = NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out || asprintf(&path, "%s/canary", s->base) < 0)
		abort();
	each_below(path, tell, out);
	fclose(out);
	return text;
}

static bool is_as_it_was(const struct scene *s, const char *before)
{
	_cleanup_free_ char *after = picture(s);
	size_t line = 0;

	for (size_t i = 0; before[i] != '\0' && before[i] == after[i]; i++)
		line = before[i] == '\n' ? i + 1 : line;
	if (strcmp(before, after) == 0)
		return true;
	printf("    was %.*s\n     is %.*s\n", (int)strcspn(before + line, "\n"), before + line,
	       (int)strcspn(after + line, "\n"), after + line);
	return false;
}

/* ---- the host ---- */

static const struct swap {
	const char *dir, *name, *link, *to;
} swaps[] = {
	{".", "d", "d~", "d"},
	{".", "a", "a~", "a"},
	{".", "f", "f~", "f"},
	{".", META, "m~", META},
	{".", META "_root", "o~", META "_root"},
	{META, "f", "f~", META "/f"},
	{"d", "d", "d~", "d/d"},
	{"d", "f", "f~", "d/f"},
	{"d", META, "m~", "d/" META},
	{"a", "d", "d~", "a/d"},
};

static bool is_link(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* One of the two is a link again, and one is not, as far as the guest has left room for them. */
static void mend(const struct scene *s, int dir, const struct swap *swap)
{
	bool name = is_link(dir, swap->name), link = is_link(dir, swap->link);
	char target[512];

	if (name && link)
		unlinkat(dir, swap->name, 0);
	if (!name && !link && unlinkat(dir, swap->link, 0))
		unlinkat(dir, swap->link, AT_REMOVEDIR);
	snprintf(target, sizeof(target), "%s/canary/%s", s->base, swap->to);
	symlinkat(target, dir, swap->link);
	if (strchr("da", swap->name[0]) || strcmp(swap->name, META) == 0)
		mkdirat(dir, swap->name, 0777);
	else
		put_file(dir, swap->name, "export");
}

static void swap_one(const struct scene *s, const struct swap *swap, bool check)
{
	_cleanup_close_ int dir = open_dir(s->host, swap->dir);

	if (dir < 0)
		return;
	if (check || renameat2(dir, swap->name, dir, swap->link, RENAME_EXCHANGE))
		mend(s, dir, swap);
	else if (strcmp(swap->name, META) == 0) /* nothing works meanwhile in mapped-file */
		renameat2(dir, swap->name, dir, swap->link, RENAME_EXCHANGE);
}

/* A directory is replaced by a link and back. */
static void replace(const struct scene *s, bool back)
{
	if (back) {
		unlinkat(s->host, "r", 0);
		renameat(s->host, "r~", s->host, "r");
	} else {
		renameat(s->host, "r", s->host, "r~");
		symlinkat("../canary/r", s->host, "r");
	}
}

/* A directory is moved out, with all that the guest holds of it, and back. */
static void move_away(const struct scene *s, bool back)
{
	if (!back)
		renameat(s->host, "p", s->host, "../moved/p");
	else if (renameat(s->host, "../moved/p", s->host, "p"))
		renameat2(s->host, "../moved/p", s->host, "p", RENAME_EXCHANGE);
}

/* For what the guest has only just made, a link. */
static void exchange_new(const struct scene *s, bool back)
{
	if (!back) {
		symlinkat("../canary/d", s->host, "n~");
		renameat2(s->host, "n", s->host, "n~", RENAME_EXCHANGE);
	} else if (is_link(s->host, "n")) {
		unlinkat(s->host, "n", 0);
		unlinkat(s->host, "n~", 0);
		unlinkat(s->host, "n~", AT_REMOVEDIR);
	}
}

static void *villain(void *arg)
{
	const struct scene *s = arg;

	for (unsigned turn = 0; !s->stop; turn++) {
		unsigned which = turn % (countof(swaps) + 2), round = turn / (countof(swaps) + 2);

		if (which < countof(swaps))
			swap_one(s, &swaps[which], round % 16 == 0);
		else if (which == countof(swaps))
			replace(s, round % 2);
		else
			move_away(s, round % 2);
		exchange_new(s, turn % 2);
	}
	return NULL;
}

/* ---- what the guest sees ---- */

static void seen(struct scene *s, bool leak, const char *what)
{
	if (leak && s->bad++ == 0)
		printf("    seen outside: %s\n", what);
}

static void seen_path(struct scene *s, uint64_t path, const char *what)
{
	for (size_t i = 0; i < s->forbidden_count; i++)
		seen(s, path == s->forbidden[i], what);
}

static void seen_attr(struct scene *s, const struct fs_attr *attr, const char *what)
{
	seen_path(s, attr->path, what);
	seen(s, attr->uid == OWNER || attr->gid == OWNER, "an owner");
}

static void seen_bytes(struct scene *s, const char *buf, ssize_t size, const char *what)
{
	seen(s, size > 0 && memmem(buf, (size_t)size, SECRET, strlen(SECRET)) != NULL, what);
}

static unsigned below(struct scene *s, unsigned most)
{
	return (unsigned)rand_r(&s->random) % most;
}

static const char *a_name(struct scene *s)
{
	static const char *const names[] = {"d", "d", "d",  "d~", "a",	"a~", "r",	   "r~",
					    "p", "f", "f",  "f~", "g",	"l",  "n",	   "n",
					    "n", "n", "n2", "m~", "o~", META, META "_root"};

	return names[below(s, countof(names))];
}

static const char *a_dir_name(struct scene *s)
{
	static const char *const names[] = {".", ".",  ".", "d", "d", "d~",
					    "a", "a~", "r", "p", "p"};

	return names[below(s, countof(names))];
}

/* Now and then a caller that may make the call a second time. */
static struct fs_intent *an_intent(struct scene *s, struct fs_intent *intent)
{
	*intent = (struct fs_intent){.phase = FS_INTENT_NEW};
	return below(s, 2) ? intent : NULL;
}

static struct fs_cred a_cred(struct scene *s)
{
	static const uint32_t ids[] = {0, 1000, (uint32_t)-1};
	uint32_t id = ids[below(s, countof(ids))];

	return (struct fs_cred){id, id};
}

/* FS_NO_NODE: there was none. */
static struct fs_node walk(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node node;
	struct fs_attr attr;

	if (fs_walk(s->fs, dir, name, &node, &attr))
		return FS_NO_NODE;
	seen_attr(s, &attr, "walk");
	if (strcmp(name, "d") == 0) {
		s->links += node.type == S_IFLNK;
		s->dirs += node.type == S_IFDIR;
	}
	return node;
}

/* The root, what is below it, or what has been held for a while. */
static struct fs_node a_place(struct scene *s)
{
	struct fs_node *held = &s->held[below(s, countof(s->held))], node;
	struct fs_node at = held->id >= 0 && below(s, 4) == 0 ? *held : s->root;
	struct fs_node dir = walk(s, at, a_dir_name(s));

	if (below(s, 2) && (node = walk(s, dir.id < 0 ? s->root : dir, a_dir_name(s))).id >= 0) {
		fs_forget(s->fs, dir);
		dir = node;
	}
	if (dir.id >= 0 && below(s, 8) == 0) {
		fs_forget(s->fs, *held);
		*held = dir;
		dir = FS_NO_NODE;
	}
	if (dir.id >= 0 && (dir.type == S_IFDIR || below(s, 8) == 0))
		return dir;
	fs_forget(s->fs, dir);
	return walk(s, s->root, ".");
}

/* ---- what the guest does ---- */

static void use_file(struct scene *s, struct fs_file file)
{
	const struct fs_lock lock = {.type = FS_LOCK_WRITE};
	char buf[256];

	seen_bytes(s, buf, fs_read(s->fs, file, buf, sizeof(buf), 0, below(s, 2)), "read");
	fs_write(s->fs, file, "guest", 5, 0, NULL);
	fs_lock(s->fs, file, &lock);
}

static void look(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_attr attr;
	struct fs_statfs st;

	if (fs_lookup(s->fs, dir, name, &attr) == 0)
		seen_attr(s, &attr, "lookup");
	if (fs_getattr(s->fs, dir, &attr) == 0)
		seen_attr(s, &attr, "getattr");
	if (below(s, 16) == 0)
		fs_statfs(s->fs, dir, &st);
}

/* What was moved away has a parent outside, and that has a number: no more is told of it. */
static bool look_at_entry(void *arg, const struct fs_dirent *entry)
{
	struct scene *s = arg;

	if (strcmp(entry->name, "..") != 0)
		seen_path(s, entry->path, "listing");
	return true;
}

static void list(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node node = walk(s, dir, name);
	struct fs_file file;

	if (node.id >= 0 && fs_open(s->fs, node, O_RDONLY, &file) == 0) {
		fs_readdir(s->fs, file, 0, 4096, look_at_entry, s);
		fs_close(s->fs, file);
	}
	fs_forget(s->fs, node);
}

static void open_it(struct scene *s, struct fs_node dir, const char *name)
{
	static const int flags[] = {O_RDONLY, O_RDWR, O_RDWR | O_TRUNC, O_WRONLY | O_APPEND};
	struct fs_node node = walk(s, dir, name);
	struct fs_file file;

	if (node.id >= 0 && fs_open(s->fs, node, flags[below(s, countof(flags))], &file) == 0) {
		use_file(s, file);
		fs_close(s->fs, file);
	}
	fs_forget(s->fs, node);
}

static void create(struct scene *s, struct fs_node dir, const char *name)
{
	int flags = O_RDWR | (below(s, 2) ? O_TRUNC : 0) | (below(s, 2) ? O_EXCL : 0);
	struct fs_intent intent;
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;

	if (fs_create(s->fs, dir, name, flags, 06777, a_cred(s), &node, &file, &attr,
		      an_intent(s, &intent)))
		return;
	seen_attr(s, &attr, "create");
	use_file(s, file);
	fs_close(s->fs, file);
	fs_forget(s->fs, node);
}

static void make_dir(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_intent intent;
	struct fs_attr attr;

	if (fs_mkdir(s->fs, dir, name, 03777, a_cred(s), &attr, an_intent(s, &intent)) == 0)
		seen_attr(s, &attr, "mkdir");
}

static void make_link(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_intent intent;
	struct fs_attr attr;

	if (fs_symlink(s->fs, dir, name, "../../canary", a_cred(s), &attr, an_intent(s, &intent)) ==
	    0)
		seen_attr(s, &attr, "symlink");
}

static void make_special(struct scene *s, struct fs_node dir, const char *name)
{
	static const uint32_t kinds[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR};
	uint32_t kind = kinds[below(s, countof(kinds))];
	struct fs_intent intent;
	struct fs_attr attr;

	if (fs_mknod(s->fs, dir, name, kind | 0666, 1, 3, a_cred(s), &attr,
		     an_intent(s, &intent)) == 0)
		seen_attr(s, &attr, "mknod");
}

static void link_it(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node to = a_place(s), node = walk(s, dir, name);
	struct fs_intent intent;

	if (node.id >= 0)
		fs_link(s->fs, node, to, a_name(s), an_intent(s, &intent));
	fs_forget(s->fs, node);
	fs_forget(s->fs, to);
}

static void rename_it(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node to = a_place(s);
	struct fs_intent intent;

	fs_rename(s->fs, dir, name, to, a_name(s), an_intent(s, &intent));
	fs_forget(s->fs, to);
}

static void remove_it(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_intent intent;

	fs_unlink(s->fs, dir, name, below(s, 2), an_intent(s, &intent));
}

static void change(struct scene *s, struct fs_node dir, const char *name)
{
	static const uint32_t valid[] = {FS_SET_MODE,
					 FS_SET_UID | FS_SET_GID,
					 FS_SET_SIZE,
					 FS_SET_ATIME | FS_SET_MTIME,
					 FS_SET_MTIME_NOW,
					 FS_SET_CTIME,
					 FS_SET_MODE | FS_SET_UID | FS_SET_SIZE};
	const struct fs_setattr set = {.valid = valid[below(s, countof(valid))],
				       .mode = 02777,
				       .uid = 1000,
				       .gid = 1000,
				       .size = below(s, 3),
				       .atime.sec = 12345,
				       .mtime.sec = 12345};
	struct fs_node node = walk(s, dir, name);

	if (node.id >= 0)
		fs_setattr(s->fs, node, FS_NO_FILE, &set);
	fs_forget(s->fs, node);
}

static const uint8_t acl[] = {
	2,  0, 0, 0,			 /* version */
	1,  0, 7, 0, 255, 255, 255, 255, /* user_obj */
	2,  0, 7, 0, 5,	  0,   0,   0,	 /* user 5 */
	4,  0, 7, 0, 255, 255, 255, 255, /* group_obj */
	16, 0, 7, 0, 255, 255, 255, 255, /* mask */
	32, 0, 7, 0, 255, 255, 255, 255, /* other */
};

static void set_attribute(struct scene *s, struct fs_node dir, const char *name)
{
	static const char *const keys[] = {"user.guest", "system.posix_acl_access",
					   "system.posix_acl_default", "trusted.guest"};
	const char *key = keys[below(s, countof(keys))];
	struct fs_node node = walk(s, dir, name);
	struct fs_intent intent;

	if (node.id >= 0 && below(s, 4))
		fs_setxattr(s->fs, node, key, acl, sizeof(acl), 0, an_intent(s, &intent));
	else if (node.id >= 0)
		fs_removexattr(s->fs, node, key, an_intent(s, &intent));
	fs_forget(s->fs, node);
}

static void get_attribute(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node node = walk(s, dir, name);
	char buf[1024];

	if (node.id >= 0) {
		seen_bytes(s, buf, fs_listxattr(s->fs, node, buf, sizeof(buf)), "listxattr");
		seen_bytes(s, buf, fs_getxattr(s->fs, node, "user.canary", buf, sizeof(buf)),
			   "getxattr");
		fs_removexattr(s->fs, node, "user.canary", NULL);
	}
	fs_forget(s->fs, node);
}

static void read_link(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node node = walk(s, dir, name);
	char buf[512];
	int n = node.id < 0 ? -1 : fs_readlink(s->fs, node, buf, sizeof(buf));

	seen(s, n == (int)strlen(SECRET) && memcmp(buf, SECRET, strlen(SECRET)) == 0, "readlink");
	fs_forget(s->fs, node);
}

static void go_up(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node node = walk(s, dir, name), up;
	char found[FS_NAME_MAX + 1];
	struct fs_attr attr;

	if (node.id >= 0 && fs_parent(s->fs, node, &up, found) == 0) {
		if (fs_getattr(s->fs, up, &attr) == 0)
			seen_attr(s, &attr, "parent");
		fs_forget(s->fs, up);
	}
	fs_forget(s->fs, node);
	fs_forget(s->fs, walk(s, dir, ".."));
	for (size_t i = 0; i < countof(s->held); i++) {
		if (s->held[i].id >= 0)
			fs_forget(s->fs, walk(s, s->held[i], ".."));
	}
}

/* As after a death. */
static void find_again(struct scene *s, struct fs_node dir, const char *name)
{
	struct fs_node held = s->held[below(s, countof(s->held))], again;
	struct fs_node node = walk(s, held.id < 0 ? dir : held, below(s, 2) ? name : ".");
	struct fs_handle handle = {.size = 0};
	struct fs_attr attr;

	if (node.id >= 0 && fs_getattr(s->fs, node, &attr) == 0)
		fs_handle(s->fs, node, &attr, &handle);
	if (handle.size > 0 && fs_restore(s->fs, &handle, &again, &attr) == 0) {
		seen_attr(s, &attr, "restore");
		fs_forget(s->fs, again);
	}
	fs_forget(s->fs, node);
}

static void (*const deeds[])(struct scene *s, struct fs_node dir, const char *name) = {
	look,	       list,	      open_it,	    open_it, create,	make_dir,
	make_link,     link_it,	      make_special, change,  rename_it, remove_it,
	set_attribute, get_attribute, read_link,    go_up,   change,	find_again};

/* ---- a round ---- */

static void scene_begin(struct scene *s)
{
	static const char *const outside[] = {"canary", "moved"};
	_cleanup_close_ int base = -1;
	struct stat st;

	for (size_t i = 0; i < countof(s->held); i++)
		s->held[i] = FS_NO_NODE;
	umask(0);
	s->base = test_tmpdir();
	base = open(s->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->host = build(base, "export", "export", 1);
	close(build(base, "canary", SECRET, OWNER));
	if (chmod(s->base, 0755) || mkdirat(base, "moved", 0777) || fstat(base, &st))
		abort();
	forbid(s, s->base, &st);
	for (size_t i = 0; i < countof(outside); i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%s", s->base, outside[i]) < 0)
			abort();
		each_below(path, forbid, s);
		if (i == 0)
			each_below(path, mark, NULL);
	}
	for (size_t i = 0; i < countof(swaps); i++)
		swap_one(s, &swaps[i], true);
}

static void scene_end(struct scene *s)
{
	for (size_t i = 0; i < countof(s->held); i++)
		fs_forget(s->fs, s->held[i]);
	fs_forget(s->fs, s->root);
	fs_destroy(s->fs);
	close(s->host);
	test_rmtree(s->base);
	free(s->base);
}

static bool is_there_only(const struct scene *s, const char *dir, const char *const names[])
{
	_cleanup_free_ char *path = NULL;
	const struct dirent *entry;
	bool good = true;
	DIR *list;

	if (asprintf(&path, "%s/%s", s->base, dir) < 0 || (list = opendir(path)) == NULL)
		abort();
	while ((entry = readdir(list)) != NULL) {
		bool known = entry->d_name[0] == '.';

		for (size_t i = 0; names[i] != NULL; i++)
			known |= strcmp(names[i], entry->d_name) == 0;
		if (!known)
			printf("    new in \"%s\": %s\n", dir, entry->d_name);
		good &= known;
	}
	closedir(list);
	return good;
}

/* But for what the host has moved there. */
static bool is_nothing_new(const struct scene *s)
{
	static const char *const beside[] = {"export", "canary", "moved", NULL};
	static const char *const moved[] = {"p", NULL};

	return is_there_only(s, "", beside) && is_there_only(s, "moved", moved);
}

/* Until the villain has been seen at it, if that comes. */
static bool is_enough(const struct scene *s, unsigned done)
{
	return done >= 100 * ROUND || s->bad > 0 || (done >= ROUND && s->links > 0 && s->dirs > 0);
}

static void play(struct scene *s)
{
	pthread_create(&s->villain, NULL, villain, s);
	for (unsigned n = 0; !is_enough(s, n); n++) {
		struct fs_node dir;

		fs_act_as(s->fs, a_cred(s));
		dir = a_place(s);
		deeds[below(s, countof(deeds))](s, dir, a_name(s));
		fs_forget(s->fs, dir);
	}
	fs_act_as(s->fs, (struct fs_cred){(uint32_t)-1, (uint32_t)-1});
	s->stop = true;
	pthread_join(s->villain, NULL);
}

struct round {
	struct fs_export export;
	unsigned seed; /* from 1 */
	bool skipped;
};

static void not_opened(struct round *round, int error, const char *why)
{
	round->skipped = round->seed == 1 && (error == -EPERM || error == -ENOSYS);
	if (round->skipped)
		return test_skip("not without root, nor without openat2(2)");
	printf("    %s\n", why);
	CU_ASSERT_EQUAL(error, 0);
}

/* A thread, for what a driver has made of its thread is no use to the next one. */
static void *play_round(void *arg)
{
	struct round *round = arg;
	struct scene s = {.root = FS_NO_NODE, .random = round->seed};
	_cleanup_free_ char *before = NULL;
	char err[256] = "";
	struct fs_attr attr;
	int ret;

	scene_begin(&s);
	ret = fs_export_open(&round->export, s.host, NULL, &s.fs, err, sizeof(err));
	if (ret == 0) {
		CU_ASSERT_EQUAL(fs_root(s.fs, &s.root, &attr), 0);
		before = picture(&s);
		play(&s);
		CU_ASSERT_EQUAL(s.bad, 0);
		CU_ASSERT(s.links > 0 && s.dirs > 0);
		CU_ASSERT(is_as_it_was(&s, before));
		CU_ASSERT(is_nothing_new(&s));
	} else {
		not_opened(round, ret, err);
	}
	scene_end(&s);
	return NULL;
}

static void race(struct fs_export export)
{
	const unsigned rounds = getenv("LONG") ? 1000000 / ROUND : 1;
	struct round round = {.export = export};
	pthread_t thread;

	while (round.seed < rounds && !round.skipped) {
		round.seed++;
		pthread_create(&thread, NULL, play_round, &round);
		pthread_join(thread, NULL);
	}
}

static void nothing_outside_is_reached_by_none(void)
{
	race((struct fs_export){.model = FS_MODEL_NONE});
}

static void nothing_outside_is_reached_by_passthrough(void)
{
	race((struct fs_export){.model = FS_MODEL_PASSTHROUGH});
}

static void nothing_outside_is_reached_by_mapped_xattr(void)
{
	race((struct fs_export){.model = FS_MODEL_MAPPED_XATTR});
}

static void nothing_outside_is_reached_by_mapped_file(void)
{
	race((struct fs_export){.model = FS_MODEL_MAPPED_FILE});
}

static void nothing_outside_is_reached_by_a_squashed_guest(void)
{
	race((struct fs_export){.model = FS_MODEL_PASSTHROUGH,
				.squash = true,
				.squash_uid = 1000,
				.squash_gid = 1001});
}

static void nothing_outside_is_reached_by_mapped_ids(void)
{
	const struct fs_id_range map = {FS_ID_MAP, 0, 100000, 2000};

	race((struct fs_export){.model = FS_MODEL_PASSTHROUGH, .uids = {map}, .gids = {map}});
}

static void nothing_outside_is_reached_by_the_hosts_users(void)
{
	race((struct fs_export){.model = FS_MODEL_PASSTHROUGH, .permissions = FS_PERMISSIONS_HOST});
}

static void nothing_outside_is_deleted_for_room(void)
{
	race((struct fs_export){.model = FS_MODEL_NONE,
				.limits = {.space = 1, .files = 60, .auto_delete = true}});
}

static void nothing_outside_is_deleted_for_room_of_mapped_file(void)
{
	race((struct fs_export){.model = FS_MODEL_MAPPED_FILE,
				.limits = {.space = 1, .files = 60, .auto_delete = true}});
}

static void nothing_outside_is_reached_with_all_that_can_be_chosen(void)
{
	race((struct fs_export){.model = FS_MODEL_PASSTHROUGH,
				.umask = 022,
				.special = FS_SPECIAL_OPEN,
				.mounts = FS_MOUNTS_HIDE,
				.xattr_user = FS_XATTR_PREFIX,
				.xattr_trusted = FS_XATTR_PASS,
				.xattr_security = FS_XATTR_PREFIX});
}

static const struct test tests[] = {
	{"nothing_outside_is_reached_by_none", nothing_outside_is_reached_by_none},
	{"nothing_outside_is_reached_by_passthrough", nothing_outside_is_reached_by_passthrough},
	{"nothing_outside_is_reached_by_mapped_xattr", nothing_outside_is_reached_by_mapped_xattr},
	{"nothing_outside_is_reached_by_mapped_file", nothing_outside_is_reached_by_mapped_file},
	{"nothing_outside_is_reached_by_a_squashed_guest",
	 nothing_outside_is_reached_by_a_squashed_guest},
	{"nothing_outside_is_reached_by_mapped_ids", nothing_outside_is_reached_by_mapped_ids},
	{"nothing_outside_is_reached_by_the_hosts_users",
	 nothing_outside_is_reached_by_the_hosts_users},
	{"nothing_outside_is_deleted_for_room", nothing_outside_is_deleted_for_room},
	{"nothing_outside_is_deleted_for_room_of_mapped_file",
	 nothing_outside_is_deleted_for_room_of_mapped_file},
	{"nothing_outside_is_reached_with_all_that_can_be_chosen",
	 nothing_outside_is_reached_with_all_that_can_be_chosen},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "escape-races", tests, countof(tests));
}
