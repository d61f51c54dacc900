/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_xattr.c - extended attributes, and the ACLs that are made of them.
 */
#include "tests/uml/facts.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in order; file systems list them in any. */
static void ask_list(const char *name, const char *path)
{
	static char list[65536], line[4096];
	const char *names[64];
	ssize_t n = llistxattr(path, list, sizeof(list));
	size_t count = 0;

	if (n < 0) {
		ask(name, n);
		return;
	}
	for (char *at = list; at < list + n && count < countof(names); at += strlen(at) + 1)
		names[count++] = at;
	qsort(names, count, sizeof(names[0]), compare_names);
	line[0] = '\0';
	for (size_t i = 0; i < count; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %.40s", names[i]);
	fact(name, "%zu:%s", count, line);
}

static void ask_get(const char *name, const char *path, const char *attribute)
{
	char value[256] = {0};
	ssize_t n = lgetxattr(path, attribute, value, sizeof(value) - 1);

	if (n < 0)
		ask(name, n);
	else
		fact(name, "%zd %.20s", n, value);
}

static void on_each_kind(void)
{
	static const char *const names[] = {
		"user.a",   "trusted.a", "security.a", "security.capability",
		"system.a", "other.a",	 "a",	       "user.",
		"",	    ACCESS,
	};

	for (enum kind kind = 0; kind < kinds(); kind++) {
		need(make(kind, "x", 0644));
		for (size_t i = 0; i < countof(names); i++) {
			const char *what = text("%s of %s", names[i], kind_name[kind]);

			ask(text("set %s", what), lsetxattr("x", names[i], "value", 5, 0));
			ask_get(text("get %s", what), "x", names[i]);
			ask(text("remove %s", what), lremovexattr("x", names[i]));
		}
		ask_list(text("list of %s", kind_name[kind]), "x");
		need(unmake("x"));
	}
}

static void setting(void)
{
	static char big[70000];
	static const size_t sizes[] = {0, 1, 100, 1000, 2000, 3000, 65535, 65536, 65537};
	char name[300] = "user.", value[8];
	int fd;

	need(make_with("f", "x"));
	ask("replace what is not there", setxattr("f", "user.a", "1", 1, XATTR_REPLACE));
	ask("make", setxattr("f", "user.a", "1", 1, XATTR_CREATE));
	ask("make what is there", setxattr("f", "user.a", "2", 1, XATTR_CREATE));
	ask_get("it is", "f", "user.a");
	ask("replace", setxattr("f", "user.a", "three", 5, XATTR_REPLACE));
	ask("bad flags", setxattr("f", "user.a", "1", 1, 77));
	ask("into little room", getxattr("f", "user.a", value, 2));
	fact("into no room", "%zd", getxattr("f", "user.a", NULL, 0));
	ask("list into little room", listxattr("f", value, 2));
	fact("list into no room", "%d", listxattr("f", NULL, 0) >= 7);
	ask("empty", setxattr("f", "user.empty", "", 0, 0));
	ask_get("empty is", "f", "user.empty");
	ask("empty replaces", setxattr("f", "user.a", "", 0, XATTR_REPLACE));
	ask_get("replaced by empty", "f", "user.a");
	ask_list("list", "f");
	memset(big, 'v', sizeof(big));
	for (size_t i = 0; i < countof(sizes); i++) {
		ask(text("a value of %zu", sizes[i]), setxattr("f", "user.big", big, sizes[i], 0));
		fact(text("which is %zu", sizes[i]), "%zd", getxattr("f", "user.big", NULL, 0));
	}
	removexattr("f", "user.big");
	for (size_t length = 254; length <= 256; length++) {
		memset(name + 5, 'n', length - 5);
		name[length] = '\0';
		ask(text("a name of %zu", length), setxattr("f", name, "v", 1, 0));
		ask_get(text("it is, %zu", length), "f", name);
		ask(text("it goes, %zu", length), removexattr("f", name));
	}
	for (int i = 0; i < 30; i++)
		setxattr("f", text("user.many-%d", i), "value", 5, 0);
	fact("many", "%zd", listxattr("f", NULL, 0) > 300 ? (ssize_t)1 : 0);
	ask("binary", setxattr("f", "user.b", "\0\1\377", 3, 0));
	fact("binary is", "%zd", getxattr("f", "user.b", value, 8));
	need(rename("f", "g"));
	ask_get("after a rename", "g", "user.many-7");
	need(link("g", "h"));
	ask_get("by another link", "h", "user.many-7");
	fd = open("g", O_RDONLY);
	ask("through a descriptor", fsetxattr(fd, "user.fd", "v", 1, 0));
	ask("remove through it", fremovexattr(fd, "user.fd"));
	ask("remove again", fremovexattr(fd, "user.fd"));
	close(fd);
	need(symlink("g", "s"));
	ask("through a symlink", setxattr("s", "user.s", "v", 1, 0));
	ask_get("it is through a symlink", "g", "user.s");
	ask("of nothing", setxattr("no", "user.s", "v", 1, 0));
	ask_list("list of nothing", "no");
}

static void by_whom(void)
{
	static const mode_t modes[] = {0644, 0666, 0444, 0600, 0222};
	char value[8];

	for (size_t i = 0; i < countof(modes); i++) {
		need(make_with("w", "x"));
		need(setxattr("w", "user.a", "v", 1, 0));
		need(chown("w", alice.uid, alice.gid));
		need(chmod("w", modes[i]));
		ask(text("the owner sets, mode %o", modes[i]),
		    AS(&alice, setxattr("w", "user.b", "v", 1, 0)));
		ask(text("the owner gets, mode %o", modes[i]),
		    AS(&alice, getxattr("w", "user.a", value, 8)));
		ask(text("another sets, mode %o", modes[i]),
		    AS(&bob, setxattr("w", "user.c", "v", 1, 0)));
		ask(text("another gets, mode %o", modes[i]),
		    AS(&bob, getxattr("w", "user.a", value, 8)));
		ask(text("another lists, mode %o", modes[i]), AS(&bob, listxattr("w", NULL, 0)));
		ask(text("another removes, mode %o", modes[i]),
		    AS(&bob, removexattr("w", "user.a")));
		need(unlink("w"));
	}
	need(mkdir("t", 0777));
	need(chmod("t", 01777));
	ask("another sets on a sticky directory", AS(&bob, setxattr("t", "user.a", "v", 1, 0)));
	ask("another sets trusted", AS(&bob, setxattr("t", "trusted.a", "v", 1, 0)));
	ask("another sets security", AS(&bob, setxattr("t", "security.a", "v", 1, 0)));
}

void xattr_facts(void)
{
	on_each_kind();
	setting();
	if (am_root)
		by_whom();
}

/* ---- ACLs ---- */

struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[8];
};

#define ACL(...) ((struct acl){{POSIX_ACL_XATTR_VERSION}, {__VA_ARGS__}})
#define ANY ((uint32_t)ACL_UNDEFINED_ID)

static size_t acl_size(const struct acl *acl)
{
	size_t count = 0;

	while (count < countof(acl->entries) && acl->entries[count].e_tag != 0)
		count++;
	return sizeof(acl->header) + count * sizeof(acl->entries[0]);
}

static long acl_set(const char *path, const char *which, struct acl acl)
{
	return setxattr(path, which, &acl, acl_size(&acl), 0);
}

static void ask_acl(const char *name, const char *path, const char *which)
{
	struct acl acl;
	ssize_t n = getxattr(path, which, &acl, sizeof(acl));
	char line[200] = "";

	if (n < 0) {
		ask_mode(name, n, path);
		return;
	}
	for (size_t i = 0; sizeof(acl.header) + (i + 1) * sizeof(acl.entries[0]) <= (size_t)n; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " %x:%d:%o",
			 acl.entries[i].e_tag, (int)acl.entries[i].e_id, acl.entries[i].e_perm);
	fact(name, "%04o%s", mode_of(path), line);
}

static struct acl with_user(uid_t uid, unsigned short bits, unsigned short mask)
{
	return ACL({ACL_USER_OBJ, 7, ANY}, {ACL_USER, bits, uid}, {ACL_GROUP_OBJ, 5, ANY},
		   {ACL_MASK, mask, ANY}, {ACL_OTHER, 0, ANY});
}

static void kept(void)
{
	need(make_with("f", "x"));
	ask_acl("none", "f", ACCESS);
	ask("set", acl_set("f", ACCESS, with_user(1002, 6, 7)));
	ask_acl("is", "f", ACCESS);
	ask_list("it is listed", "f");
	need(chmod("f", 0640));
	ask_acl("after chmod", "f", ACCESS);
	need(chmod("f", 0777));
	ask_acl("after another chmod", "f", ACCESS);
	ask("set a minimal one",
	    acl_set("f", ACCESS,
		    ACL({ACL_USER_OBJ, 6, ANY}, {ACL_GROUP_OBJ, 4, ANY}, {ACL_OTHER, 0, ANY})));
	ask_acl("a minimal one", "f", ACCESS);
	ask("without a mask", acl_set("f", ACCESS,
				      ACL({ACL_USER_OBJ, 6, ANY}, {ACL_USER, 7, 5},
					  {ACL_GROUP_OBJ, 4, ANY}, {ACL_OTHER, 0, ANY})));
	ask("without an owner",
	    acl_set("f", ACCESS, ACL({ACL_GROUP_OBJ, 4, ANY}, {ACL_OTHER, 0, ANY})));
	ask("twice the same user",
	    acl_set("f", ACCESS,
		    ACL({ACL_USER_OBJ, 6, ANY}, {ACL_USER, 7, 5}, {ACL_USER, 7, 5},
			{ACL_GROUP_OBJ, 4, ANY}, {ACL_MASK, 7, ANY}, {ACL_OTHER, 0, ANY})));
	ask("bits that do not exist",
	    acl_set("f", ACCESS,
		    ACL({ACL_USER_OBJ, 15, ANY}, {ACL_GROUP_OBJ, 4, ANY}, {ACL_OTHER, 0, ANY})));
	ask("another version", setxattr("f", ACCESS, "\1\0\0\0", 4, 0));
	ask("too short", setxattr("f", ACCESS, "\2\0", 2, 0));
	ask("a default one of a file", acl_set("f", DEFAULT, with_user(1002, 6, 7)));
	need(acl_set("f", ACCESS, with_user(1002, 6, 7)));
	ask("remove", removexattr("f", ACCESS));
	ask_acl("after that", "f", ACCESS);
	ask("remove again", removexattr("f", ACCESS));
	ask("an empty one", setxattr("f", ACCESS, "\2\0\0\0", 4, 0));
	ask_acl("after an empty one", "f", ACCESS);
	need(symlink("f", "s"));
	ask("of a symlink", lsetxattr("s", ACCESS, "\2\0\0\0", 4, 0));
}

static void handed_on(void)
{
	static const mode_t masks[] = {0, 022, 077, 0777};

	need(mkdir("d", 0755));
	ask("set a default", acl_set("d", DEFAULT, with_user(1002, 7, 7)));
	ask_acl("the directory's", "d", DEFAULT);
	ask_acl("the directory's own", "d", ACCESS);
	for (size_t i = 0; i < countof(masks); i++) {
		umask(masks[i]);
		for (enum kind kind = 0; kind < CHARACTER; kind++) {
			if (kind == SYMLINK || kind == SOCKET)
				continue;
			need(make(kind, "d/x", 0666));
			ask_acl(text("%s born under %o", kind_name[kind], masks[i]), "d/x", ACCESS);
			ask_acl(text("default of %s born under %o", kind_name[kind], masks[i]),
				"d/x", DEFAULT);
			need(unmake("d/x"));
			need(make(kind, "d/x", 0700));
			ask_acl(text("private %s born under %o", kind_name[kind], masks[i]), "d/x",
				ACCESS);
			need(unmake("d/x"));
		}
	}
	umask(022);
	need(mkdir("d/sub", 0777));
	need(mkdir("d/sub/sub", 0777));
	ask_acl("two levels down", "d/sub/sub", DEFAULT);
	need(make(REGULAR, "plain", 0644));
	need(rename("plain", "d/plain"));
	ask_acl("moved there", "d/plain", ACCESS);
	ask("a minimal default",
	    acl_set("d", DEFAULT,
		    ACL({ACL_USER_OBJ, 7, ANY}, {ACL_GROUP_OBJ, 7, ANY}, {ACL_OTHER, 7, ANY})));
	need(make(REGULAR, "d/open", 0666));
	ask_acl("born under a minimal one", "d/open", ACCESS);
	ask("remove the default", removexattr("d", DEFAULT));
	ask_acl("after that", "d", DEFAULT);
	need(make(REGULAR, "d/after", 0666));
	ask_acl("born after that", "d/after", ACCESS);
}

static void allows(void)
{
	for (unsigned short bits = 0; bits < 8; bits++) {
		for (unsigned short mask = 0; mask < 8; mask += 3) {
			const char *what = text("%o under %o", bits, mask);

			need(make_with("a", "x"));
			need(acl_set("a", ACCESS, with_user(bob.uid, bits, mask)));
			ask(text("bob reads with %s", what), AS(&bob, open("a", O_RDONLY)));
			ask(text("bob writes with %s", what), AS(&bob, open("a", O_WRONLY)));
			ask(text("alice reads with %s", what), AS(&alice, open("a", O_RDONLY)));
			need(unlink("a"));
		}
	}
	need(make_with("a", "x"));
	need(acl_set("a", ACCESS,
		     ACL({ACL_USER_OBJ, 7, ANY}, {ACL_GROUP_OBJ, 0, ANY}, {ACL_GROUP, 6, 1001},
			 {ACL_MASK, 7, ANY}, {ACL_OTHER, 0, ANY})));
	ask("a member of a named group reads", AS(&carol, open("a", O_RDWR)));
	ask("another does not", AS(&bob, open("a", O_RDONLY)));
	ask("another sets an ACL", AS(&bob, acl_set("a", ACCESS, with_user(bob.uid, 7, 7))));
	need(chown("a", alice.uid, alice.gid));
	ask("the owner sets an ACL", AS(&alice, acl_set("a", ACCESS, with_user(bob.uid, 7, 7))));
	ask_acl("the owner's", "a", ACCESS);
	need(chmod("a", 02770));
	ask("the owner, not in its group, sets one",
	    (need(chown("a", alice.uid, bob.gid)), need(chmod("a", 02770)),
	     AS(&alice, acl_set("a", ACCESS, with_user(bob.uid, 7, 7)))));
	ask_acl("the bit then", "a", ACCESS);
}

void acl_facts(void)
{
	kept();
	handed_on();
	if (am_root)
		allows();
}
