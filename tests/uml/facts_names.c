/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_names.c - making, linking, renaming and removing names of every kind of object.
 */
#include <linux/fs.h>
#include <sys/sysmacros.h>

#include "tests/uml/facts.h"

/* A name of `length` bytes. */
static const char *name_of(size_t length)
{
	static char name[5000];

	memset(name, 'n', length);
	name[length] = '\0';
	return name;
}

/* A path of `length` bytes to `last`, through "./". */
static const char *path_of(size_t length, const char *last)
{
	static char path[5000];
	size_t rest = length - strlen(last);

	for (size_t i = 0; i < rest; i++)
		path[i] = i % 2 == 0 ? '.' : '/';
	if (rest % 2 == 1)
		path[rest - 1] = '/';
	strcpy(path + rest, last);
	return path;
}

static void each_kind(enum kind kind)
{
	const char *k = kind_name[kind];
	struct stat st, moved;

	ask(text("make %s", k), make(kind, "x", 0640));
	st = stat_of("x");
	fact(text("%s is born", k), "%o links %lu size %ld device %u:%u", st.st_mode,
	     (unsigned long)st.st_nlink, kind == DIRECTORY ? 0 : (long)st.st_size,
	     major(st.st_rdev), minor(st.st_rdev));
	for (enum kind other = 0; other < kinds(); other++)
		ask(text("make %s over %s", kind_name[other], k), make(other, "x", 0640));
	ask(text("link %s", k), link("x", "y"));
	fact(text("links of %s", k), "%lu", (unsigned long)stat_of("x").st_nlink);
	ask(text("link %s over itself", k), link("x", "x"));
	if (kind != DIRECTORY)
		ask(text("rename %s to its other name", k), rename("x", "y"));
	ask(text("unlink the other name of %s", k), unlink("y"));
	fact(text("links of %s again", k), "%lu", (unsigned long)stat_of("x").st_nlink);
	ask(text("rename %s", k), rename("x", "z"));
	moved = stat_of("z");
	fact(text("%s stays what it is", k), "%d",
	     st.st_ino == moved.st_ino && st.st_mode == moved.st_mode);
	ask(text("rename %s to itself", k), rename("z", "z"));
	ask(text("rename %s with a slash", k), rename("z/", "a"));
	rename("a", "z");
	ask(text("rename %s to a name with a slash", k), rename("z", "a/"));
	rename("a", "z");
	ask(text("stat %s with a slash", k), lstat("z/", &st));
	ask(text("look below %s", k), lstat("z/below", &st));
	ask(text("make below %s", k), make(REGULAR, "z/below", 0644));
	unlink("z/below");
	ask(text("unlink %s with a slash", k), unlink("z/"));
	ask(text("rmdir %s with a slash", k), rmdir("z/"));
	make(kind, "z", 0640);
	ask(text("rmdir %s", k), rmdir("z"));
	make(kind, "z", 0640);
	ask(text("unlink %s", k), unlink("z"));
	unmake("z");
	ask(text("unlink %s again", k), unlink("z"));
}

static void rename_onto(enum kind from, enum kind to)
{
	const char *pair = text("%s onto %s", kind_name[from], kind_name[to]);
	struct stat st;

	need(make(from, "from", 0644));
	need(make(to, "to", 0644));
	ask(text("rename %s", pair), rename("from", "to"));
	fact(text("left after %s", pair), "%d %o", lstat("from", &st), stat_of("to").st_mode);
	if (lstat("from", &st) == 0)
		need(unmake("from"));
	need(unmake("to"));
}

static void directories(void)
{
	struct stat st;

	need(mkdir("d", 0755));
	need(mkdir("d/sub", 0755));
	need(mkdir("e", 0755));
	fact("links of a directory", "%lu %lu", (unsigned long)stat_of("d").st_nlink,
	     (unsigned long)stat_of("e").st_nlink);
	ask("rmdir of one that is not empty", rmdir("d"));
	ask("rename onto one that is not empty", rename("e", "d"));
	ask("rename into itself", rename("d", "d/sub/d"));
	ask("rename onto its parent", rename("d/sub", "d"));
	ask("rename onto one that is empty", rename("d", "e"));
	fact("what was in it", "%d", lstat("e/sub", &st));
	need(mkdir("f", 0755));
	ask("rename to another parent", rename("e/sub", "f/sub"));
	fact("links after that", "%lu %lu", (unsigned long)stat_of("e").st_nlink,
	     (unsigned long)stat_of("f").st_nlink);
	fact("its parent", "%d", stat_of("f/sub/..").st_ino == stat_of("f").st_ino);
	ask("mkdir .", mkdir(".", 0755));
	ask("mkdir ..", mkdir("f/..", 0755));
	ask("mkdir with a slash", mkdir("g/", 0755));
	ask("mkdir in nothing", mkdir("nothing/x", 0755));
	ask("rmdir .", rmdir("f/."));
	ask("rmdir ..", rmdir("f/sub/.."));
	ask("unlink .", unlink("."));
	ask("unlink ..", unlink(".."));
	ask("rename .", rename("f/.", "h"));
	ask("rename to ..", rename("g", "f/.."));
	ask("rename nothing", rename("nothing", "h"));
	ask("rename into nothing", rename("f", "nothing/h"));
	ask("rename an empty name", rename("", "h"));
	ask("link a directory", link("f", "h"));
	ask("remove", remove("f/sub"));
}

static void lengths(void)
{
	struct stat st;
	char target[5000];

	for (size_t length = 254; length <= 256; length++) {
		const char *name = name_of(length);

		for (enum kind kind = 0; kind < kinds(); kind++) {
			ask(text("%s with a name of %zu", kind_name[kind], length),
			    kind == SOCKET ? mknod(name, S_IFSOCK | 0644, 0)
					   : make(kind, name, 0644));
			unmake(name);
		}
		make(REGULAR, "short", 0644);
		ask(text("link to %zu", length), link("short", name));
		unlink(name);
		ask(text("rename to %zu", length), rename("short", name));
		ask(text("stat %zu", length), lstat(name, &st));
		ask(text("rename from %zu", length), rename(name, "short"));
		ask(text("unlink %zu", length), unlink(name));
		ask(text("rmdir %zu", length), rmdir(name));
		unlink("short");
	}
	make(REGULAR, "x", 0644);
	for (size_t length = 4094; length <= 4096; length++) {
		ask(text("a path of %zu", length), lstat(path_of(length, "x"), &st));
		ask(text("make at a path of %zu", length), mkdir(path_of(length, "dir"), 0755));
		ask(text("remove at a path of %zu", length), rmdir(path_of(length, "dir")));
	}
	unlink("x");
	for (size_t i = 0; i < 13; i++) {
		static const size_t sizes[] = {0,    1,	   59,	 60,   255,  256, 1023,
					       1024, 2000, 4000, 4094, 4095, 4096};
		ssize_t n;

		ask(text("a symlink to %zu bytes", sizes[i]), symlink(name_of(sizes[i]), "s"));
		n = readlink("s", target, sizeof(target));
		fact(text("which reads as of %zu", sizes[i]), "%zd %d", n,
		     n > 0 && strncmp(target, name_of((size_t)n), (size_t)n) == 0);
		fact(text("and has the size of %zu", sizes[i]), "%ld",
		     n < 0 ? -1 : (long)stat_of("s").st_size);
		unlink("s");
	}
}

static void odd_names(void)
{
	static const char *const names[] = {
		" ",	    "  x",   "x ",
		"...",	    "....",  "-rf",
		"*",	    "\\",    "a\\b",
		"\n",	    "a\nb",  "\t",
		"\x01",	    "\x7f",  "\xff",
		"\xc3\xa4", "\xc3",  "\xe2\x82\xac",
		"con",	    "x:y",   "x.",
		"%s%n",	    "~",     "#x#",
		"\"",	    "'",     ".virtfs_metadata_",
		"a;b",	    "$HOME", "|",
	};
	struct stat st;

	for (size_t i = 0; i < countof(names); i++) {
		ask(text("odd name %zu", i), make_with(names[i], names[i]));
		ask(text("is found %zu", i), lstat(names[i], &st));
		ask(text("is renamed %zu", i), rename(names[i], "plain"));
		ask(text("and back %zu", i), rename("plain", names[i]));
		ask(text("is removed %zu", i), unlink(names[i]));
	}
	need(make_with("Case", "x"));
	fact("case matters", "%d", lstat("case", &st));
}

static void symlinks(void)
{
	char path[64];
	struct stat st;

	need(mkdir("d", 0755));
	need(make_with("d/file", "inside"));
	need(symlink("d", "to-d"));
	need(symlink("d/file", "to-file"));
	need(symlink("loop-b", "loop-a"));
	need(symlink("loop-a", "loop-b"));
	need(symlink("missing", "dangling"));
	ask("through one to a directory", stat("to-d/file", &st));
	fact("stat follows", "%o", stat("to-file", &st) == 0 ? st.st_mode & S_IFMT : 0);
	ask("a loop", stat("loop-a", &st));
	ask("open a loop", open("loop-a", O_RDONLY));
	ask("through a dangling one", stat("dangling", &st));
	ask("open, not following", open("to-file", O_RDONLY | O_NOFOLLOW));
	ask("open a directory, not following", open("to-d", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
	ask("exclusive over a dangling one", open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
	ask("mkdir over a dangling one", mkdir("dangling", 0755));
	ask("create through a dangling one", closed(open("dangling", O_CREAT | O_WRONLY, 0644)));
	ask("which has made", lstat("missing", &st));
	ask("rmdir of one", rmdir("to-d"));
	ask("rmdir of one with a slash", rmdir("to-d/"));
	ask("mkdir through one", mkdir("to-d/made", 0755));
	ask("link one", link("to-file", "link-of-symlink"));
	fact("which is", "%o", stat_of("link-of-symlink").st_mode & S_IFMT);
	ask("link what it points to",
	    linkat(AT_FDCWD, "to-file", AT_FDCWD, "link-of-file", AT_SYMLINK_FOLLOW));
	fact("which is then", "%o", stat_of("link-of-file").st_mode & S_IFMT);
	ask("readlink of a file", readlink("d/file", path, sizeof(path)));
	fact("readlink into little", "%zd", readlink("to-file", path, 3));
	for (int i = 0; i < 42; i++)
		need(symlink(i == 0 ? "d" : text("chain-%d", i - 1), text("chain-%d", i)));
	ask("a chain of 39", stat("chain-38/file", &st));
	ask("a chain of 42", stat("chain-41/file", &st));
	need(symlink("/proc/self/cwd/d", "absolute"));
	ask("through an absolute one", stat("absolute/file", &st));
	need(symlink("../..", "d/up"));
	ask("through one that goes up", stat("d/up/symlinks/d/file", &st));
}

static void flags(void)
{
	struct stat st;

	need(make_with("a", "a"));
	need(make_with("b", "bb"));
	ask("exchange", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
	fact("a is now of", "%ld", (long)stat_of("a").st_size);
	ask("no replacing", renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	ask("no replacing where nothing is",
	    renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
	ask("a whiteout", renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_WHITEOUT));
	fact("left", "%d %d %d %d", lstat("a", &st), lstat("b", &st), lstat("c", &st),
	     lstat("d", &st));
}

static void many_links(void)
{
	int made = 0;

	need(make_with("one", "x"));
	while (made < 500 && link("one", text("link-%d", made)) == 0)
		made++;
	fact("links made", "%d, it has %lu", made, (unsigned long)stat_of("one").st_nlink);
	for (int i = 0; i < made; i++)
		need(unlink(text("link-%d", i)));
	fact("links left", "%lu", (unsigned long)stat_of("one").st_nlink);
}

/* Deeper than any path can say. */
static void deep(void)
{
	const int levels = 1000;
	int fd = open(".", O_RDONLY | O_DIRECTORY), down, reached = 0;
	struct stat top, st;
	char cwd[8192];

	need(fstat(fd, &top));
	while (reached < levels && mkdirat(fd, "level-of-ten", 0755) == 0 &&
	       (down = openat(fd, "level-of-ten", O_RDONLY | O_DIRECTORY)) >= 0) {
		close(fd);
		fd = down;
		reached++;
	}
	fact("levels", "%d", reached);
	ask("a file down there", closed(openat(fd, "file", O_CREAT | O_EXCL | O_WRONLY, 0644)));
	ask("a link down there", linkat(fd, "file", fd, "link", 0));
	ask("a symlink down there", symlinkat("x", fd, "symlink"));
	ask("renamed down there", renameat(fd, "link", fd, "renamed"));
	ask("stat down there", fstatat(fd, "renamed", &st, 0));
	ask("chmod down there", fchmodat(fd, "renamed", 0600, 0));
	ask("unlink down there", unlinkat(fd, "renamed", 0));
	ask("cd down there", IN_CHILD(fchdir(fd)));
	ask("where is that",
	    IN_CHILD(fchdir(fd) == 0 && getcwd(cwd, sizeof(cwd)) != NULL ? 0 : -1));
	need(unlinkat(fd, "file", 0));
	need(unlinkat(fd, "symlink", 0));
	for (; reached > 0; reached--) {
		int up = openat(fd, "..", O_RDONLY | O_DIRECTORY);

		if (up < 0 || unlinkat(up, "level-of-ten", AT_REMOVEDIR) < 0)
			break;
		close(fd);
		fd = up;
	}
	need(fstat(fd, &st));
	fact("back", "%d, %d left", st.st_ino == top.st_ino, reached);
	close(fd);
}

static void missing(void)
{
	struct stat st;
	int fd;

	need(make_with("file", "x"));
	ask("an empty path", lstat("", &st));
	ask("a path that does not exist", lstat("no/no", &st));
	ask("unlink nothing", unlink("no"));
	ask("rmdir nothing", rmdir("no"));
	ask("link nothing", link("no", "x"));
	ask("link into nothing", link("file", "no/x"));
	ask("symlink into nothing", symlink("file", "no/x"));
	ask("a bad address", lstat((const char *)1, &st));
	ask("across file systems", link("file", "/tmp/facts-link"));
	ask("rename across file systems", rename("file", "/tmp/facts-renamed"));
	fd = open(".", O_RDONLY | O_DIRECTORY);
	need(mkdir("gone", 0755));
	need(renameat(fd, "gone", fd, "moved"));
	ask("relative to a directory", fstatat(fd, "moved", &st, 0));
	close(fd);
	ask("relative to nothing", fstatat(fd, "moved", &st, 0));
	fd = open("file", O_RDONLY);
	ask("relative to a file", fstatat(fd, "moved", &st, 0));
	close(fd);
	ask("mknod of a directory", mknod("x", S_IFDIR | 0755, 0));
	ask("mknod of a file", mknod("y", S_IFREG | 0644, 0));
	ask("mknod of no kind", mknod("z", 0644, 0));
	if (!am_root)
		ask("mknod of a device by a user", mknod("c", S_IFCHR | 0644, makedev(1, 3)));
	ask("chdir to a file", IN_CHILD(chdir("file")));
	ask("chdir", IN_CHILD(chdir("moved")));
}

/* Runs one of the parts above in a directory of its own. */
static void apart(const char *name, void (*part)(void))
{
	need(mkdir(name, 0755));
	need(chdir(name));
	part();
	need(chdir(".."));
	need(unmake(name));
}

void names_facts(void)
{
	for (enum kind kind = 0; kind < kinds(); kind++)
		each_kind(kind);
	for (enum kind from = 0; from < kinds(); from++) {
		for (enum kind to = 0; to < kinds(); to++)
			rename_onto(from, to);
	}
	apart("directories", directories);
	apart("lengths", lengths);
	apart("odd", odd_names);
	apart("symlinks", symlinks);
	apart("flags", flags);
	apart("links", many_links);
	apart("deep", deep);
	apart("missing", missing);
}
