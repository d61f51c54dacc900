/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_mode.c - modes and owners: how they come about, what they allow, and who may change them.
 */
#include "tests/uml/facts.h"

static void born(void)
{
	static const mode_t masks[] = {0, 022, 027, 077, 0777},
			    modes[] = {0, 0644, 0777, 04755, 02755, 01777, 07777};

	for (size_t m = 0; m < countof(masks); m++) {
		umask(masks[m]);
		for (size_t i = 0; i < countof(modes); i++) {
			for (enum kind kind = 0; kind < kinds(); kind++) {
				if (kind == SYMLINK || kind == SOCKET)
					continue;
				ask_mode(text("%s made %04o under %03o", kind_name[kind], modes[i],
					      masks[m]),
					 make(kind, "x", modes[i]), "x");
				need(unmake("x"));
			}
		}
	}
	umask(022);
}

static void changed(void)
{
	static const mode_t modes[] = {0,     0111,  0400,  0644,  01000, 01755, 02000,
				       02755, 02644, 04000, 04755, 06711, 07777};

	for (enum kind kind = 0; kind < kinds(); kind++) {
		if (kind == SYMLINK)
			continue;
		need(make(kind, "x", 0600));
		for (size_t i = 0; i < countof(modes); i++)
			ask_mode(text("%s changed to %04o", kind_name[kind], modes[i]),
				 chmod("x", modes[i]), "x");
		need(chmod("x", 0700));
		need(unmake("x"));
	}
	need(symlink("x", "s"));
	need(make(REGULAR, "x", 0600));
	ask_mode("chmod through a symlink", chmod("s", 0640), "x");
	ask("chmod of a symlink", fchmodat(AT_FDCWD, "s", 0600, AT_SYMLINK_NOFOLLOW));
	ask("chmod of nothing", chmod("no", 0600));
	ask("chmod below a file", chmod("x/y", 0600));
}

/* A directory with the set-gid bit hands its group on. */
static void inherited(void)
{
	struct stat st;

	need(mkdir("g", 0755));
	if (am_root)
		need(chown("g", 0, 1234));
	else if (chown("g", (uid_t)-1, 2000) < 0)
		return;
	need(chmod("g", 02777));
	for (enum kind kind = 0; kind < kinds(); kind++) {
		ask(text("%s in a set-gid directory", kind_name[kind]), make(kind, "g/x", 0777));
		st = stat_of("g/x");
		fact(text("what %s has there", kind_name[kind]), "%u %04o", st.st_gid,
		     st.st_mode & 07777);
		need(unmake("g/x"));
	}
	ask_mode("a set-gid file there", closed(open("g/y", O_CREAT | O_WRONLY, 02775)), "g/y");
	need(mkdir("g/a", 0755));
	need(mkdir("g/a/b", 0755));
	fact("two levels down", "%u %04o", stat_of("g/a/b").st_gid, mode_of("g/a/b"));
	need(mkdir("plain", 0755));
	need(rename("plain", "g/plain"));
	fact("moved there", "%04o", mode_of("g/plain"));
	if (!am_root)
		return;
	ask("a user makes there", AS(&bob, closed(open("g/bob", O_CREAT | O_WRONLY, 02775))));
	fact("bob's", "%u:%u %04o", stat_of("g/bob").st_uid, stat_of("g/bob").st_gid,
	     mode_of("g/bob"));
	ask("a user makes a directory there", AS(&bob, mkdir("g/bobs", 0755)));
	fact("bob's directory", "%u:%u %04o", stat_of("g/bobs").st_uid, stat_of("g/bobs").st_gid,
	     mode_of("g/bobs"));
	need(chown("g", 0, 1001));
	need(chmod("g", 02777));
	ask("a member of the group makes there",
	    AS(&carol, closed(open("g/carol", O_CREAT | O_WRONLY, 02775))));
	fact("carol's", "%u:%u %04o", stat_of("g/carol").st_uid, stat_of("g/carol").st_gid,
	     mode_of("g/carol"));
}

/* 8 modes for each of owner, group, others, and what they may do with a file and a directory. */
static void allowed(void)
{
	static const struct {
		const char *name;
		const struct person *who;
		unsigned shift;
	} classes[] = {{"owner", &alice, 6}, {"group", &carol, 3}, {"other", &bob, 0}};
	struct stat st;

	for (size_t c = 0; c < countof(classes); c++) {
		for (mode_t bits = 0; bits < 8; bits++) {
			const char *who = text("%s with %o", classes[c].name, bits);
			mode_t mode = 0777 & ~(07u << classes[c].shift);

			mode |= bits << classes[c].shift;
			need(make_with("f", "text"));
			need(chown("f", alice.uid, alice.gid));
			need(chmod("f", mode));
			ask(text("%s opens to read", who), AS(classes[c].who, open("f", O_RDONLY)));
			ask(text("%s opens to write", who),
			    AS(classes[c].who, open("f", O_WRONLY)));
			ask(text("%s opens both", who), AS(classes[c].who, open("f", O_RDWR)));
			ask(text("%s truncates", who), AS(classes[c].who, truncate("f", 2)));
			fact(text("%s has access", who), "%ld %ld %ld",
			     AS(classes[c].who, access("f", R_OK)),
			     AS(classes[c].who, access("f", W_OK)),
			     AS(classes[c].who, access("f", X_OK)));
			need(unlink("f"));
			need(mkdir("d", 0777));
			need(make_with("d/in", "x"));
			need(chown("d", alice.uid, alice.gid));
			need(chmod("d", mode));
			ask(text("%s lists", who),
			    AS(classes[c].who, open("d", O_RDONLY | O_DIRECTORY)));
			ask(text("%s looks up", who), AS(classes[c].who, stat("d/in", &st)));
			ask(text("%s makes", who),
			    AS(classes[c].who, open("d/new", O_CREAT | O_WRONLY, 0644)));
			ask(text("%s makes a directory", who),
			    AS(classes[c].who, mkdir("d/newdir", 0755)));
			ask(text("%s links", who), AS(classes[c].who, symlink("x", "d/sym")));
			ask(text("%s renames", who), AS(classes[c].who, rename("d/in", "d/out")));
			ask(text("%s removes", who), AS(classes[c].who, unlink("d/new")));
			need(unmake("d"));
		}
	}
}

static void sticky(void)
{
	static const struct {
		const char *name;
		const struct person *dir, *file;
	} cases[] = {
		{"nothing is bob's", &alice, &alice},
		{"the directory is bob's", &bob, &alice},
		{"the file is bob's", &alice, &bob},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		for (enum kind kind = 0; kind < kinds(); kind++) {
			const char *what = text("%s, %s", kind_name[kind], cases[i].name);

			need(mkdir("t", 0777));
			need(chown("t", cases[i].dir->uid, cases[i].dir->gid));
			need(chmod("t", 01777));
			need(make(kind, "t/x", 0777));
			need(lchown("t/x", cases[i].file->uid, cases[i].file->gid));
			ask(text("bob renames in a sticky one: %s", what),
			    AS(&bob, rename("t/x", "t/y")));
			rename("t/y", "t/x");
			need(make(REGULAR, "t/own", 0666));
			need(chown("t/own", bob.uid, bob.gid));
			if (kind != DIRECTORY)
				ask(text("bob renames over: %s", what),
				    AS(&bob, rename("t/own", "t/x")));
			else
				ask(text("bob removes: %s", what), AS(&bob, rmdir("t/x")));
			if (kind != DIRECTORY)
				ask(text("bob unlinks: %s", what), AS(&bob, unlink("t/x")));
			need(unmake("t"));
		}
	}
}

/* What others may still do through a descriptor when the mode says no. */
static void kept_open(void)
{
	char byte = 0;
	int fd = open("kept", O_CREAT | O_RDWR, 0600);

	need(fd);
	need(fchmod(fd, 0));
	ask("write without a mode", pwrite(fd, "abc", 3, 0));
	ask("read without a mode", pread(fd, &byte, 1, 0));
	ask("truncate without a mode", ftruncate(fd, 1));
	ask("sync without a mode", fsync(fd));
	ask("open without a mode", closed(open("kept", O_RDONLY)));
	ask("through /proc without a mode", closed(open(text("/proc/self/fd/%d", fd), O_RDONLY)));
	ask("chmod without a mode", fchmod(fd, 0200));
	ask("truncate what can only be written", truncate("kept", 2));
	close(fd);
	need(chmod("kept", 0400));
	ask("append to what can only be read", closed(open("kept", O_WRONLY | O_APPEND)));
	ask("truncate what can only be read", truncate("kept", 0));
	ask("unlink what can only be read", unlink("kept"));
}

/* Who writes to a program with special rights takes them from it, unless it is root. */
static void cleared(void)
{
	static const mode_t modes[] = {04777, 02777, 06777, 02767, 06666};
	static const struct {
		const char *name;
		const struct person *who;
	} writers[] = {
		{"the owner", &alice}, {"a member", &carol}, {"another", &bob}, {"root", NULL}};

	for (size_t w = 0; w < countof(writers); w++) {
		for (size_t i = 0; i < countof(modes); i++) {
			for (int way = 0; way < 5; way++) {
				static const char *const names[] = {
					"writes", "truncates", "truncates open", "opens truncating",
					"opens to write"};
				long ret = -1;

				need(make_with("p", "some text"));
				need(chown("p", alice.uid, alice.gid));
				need(chmod("p", modes[i]));
				switch (way) {
				case 0:
					ret = AS(writers[w].who,
						 write(open("p", O_WRONLY), "x", 1));
					break;
				case 1:
					ret = AS(writers[w].who, truncate("p", 3));
					break;
				case 2:
					ret = AS(writers[w].who, ftruncate(open("p", O_WRONLY), 3));
					break;
				case 3:
					ret = AS(writers[w].who, open("p", O_WRONLY | O_TRUNC));
					break;
				case 4:
					ret = AS(writers[w].who, open("p", O_WRONLY));
					break;
				}
				ask_mode(text("%s %s %04o", writers[w].name, names[way], modes[i]),
					 ret, "p");
				need(unlink("p"));
			}
		}
	}
}

void mode_facts(void)
{
	born();
	changed();
	inherited();
	kept_open();
	if (am_root) {
		allowed();
		sticky();
		cleared();
	}
}

/* ---- owners ---- */

static void give(const char *name, long ret, const char *path)
{
	struct stat st = {0};
	const char *end = outcome(ret);

	lstat(path, &st);
	fact(name, "%s %u:%u %04o", end, st.st_uid, st.st_gid, st.st_mode & 07777);
}

static void given_by_root(void)
{
	static const uid_t ids[] = {1,	    1000,	65534,	    65535,     65536,
				    100000, 0x7fffffff, 0x80000000, 0xfffffffe};
	static const mode_t modes[] = {0777, 04777, 02777, 06777, 02767, 06000, 01777};

	for (enum kind kind = 0; kind < kinds(); kind++) {
		for (size_t i = 0; i < countof(ids); i++) {
			need(make(kind, "x", 0644));
			give(text("%s to %u", kind_name[kind], ids[i]), lchown("x", ids[i], ids[i]),
			     "x");
			give(text("%s back from %u", kind_name[kind], ids[i]),
			     lchown("x", 0, (gid_t)-1), "x");
			need(unmake("x"));
		}
		for (size_t i = 0; i < countof(modes); i++) {
			if (kind == SYMLINK)
				continue;
			need(make(kind, "x", 0644));
			need(chmod("x", modes[i]));
			give(text("%s with %04o given away", kind_name[kind], modes[i]),
			     lchown("x", 1001, 1002), "x");
			need(chmod("x", modes[i]));
			give(text("%s with %04o given to nobody", kind_name[kind], modes[i]),
			     lchown("x", (uid_t)-1, (gid_t)-1), "x");
			need(unmake("x"));
		}
	}
	need(make(REGULAR, "f", 0644));
	need(symlink("f", "s"));
	give("through a symlink", chown("s", 5, 6), "f");
	give("the symlink stays", 0, "s");
	give("of nothing", chown("no", 5, 6), "no");
}

static void given_by_users(void)
{
	need(make(REGULAR, "u", 0644));
	need(chown("u", alice.uid, alice.gid));
	for (int special = 0; special < 2; special++) {
		mode_t mode = special ? 06755 : 0755;

#define TRY(name, who, to_uid, to_gid)                                                             \
	do {                                                                                       \
		need(chown("u", alice.uid, alice.gid));                                            \
		need(chmod("u", mode));                                                            \
		give(text("%s, %04o", name, mode), AS(who, chown("u", to_uid, to_gid)), "u");      \
	} while (0)
		TRY("the owner gives it away", &alice, bob.uid, (gid_t)-1);
		TRY("the owner keeps it", &alice, alice.uid, (gid_t)-1);
		TRY("the owner gives it to its group", &alice, (uid_t)-1, alice.gid);
		TRY("the owner gives it to another group", &alice, (uid_t)-1, bob.gid);
		TRY("the owner gives it to nobody", &alice, (uid_t)-1, (gid_t)-1);
		TRY("another takes it", &bob, bob.uid, bob.gid);
		TRY("another takes its group", &bob, (uid_t)-1, bob.gid);
		TRY("a member takes it", &carol, carol.uid, (gid_t)-1);
#undef TRY
	}
	need(chown("u", carol.uid, carol.gid));
	give("a member gives it to the group", AS(&carol, chown("u", (uid_t)-1, alice.gid)), "u");
	need(chmod("u", 0755));
	need(chown("u", alice.uid, alice.gid));
	ask_mode("another's chmod", AS(&bob, chmod("u", 0777)), "u");
	ask_mode("a member's chmod", AS(&carol, chmod("u", 0777)), "u");
	ask_mode("the owner's chmod", AS(&alice, chmod("u", 06777)), "u");
	need(chown("u", alice.uid, bob.gid));
	ask_mode("the owner's chmod, not in its group", AS(&alice, chmod("u", 02777)), "u");
	need(chown("u", carol.uid, alice.gid));
	ask_mode("a member's chmod with its bit", AS(&carol, chmod("u", 02777)), "u");
	ask_mode("sticky by a user", AS(&carol, chmod("u", 01777)), "u");
}

static void made_by_users(void)
{
	need(mkdir("all", 0777));
	need(chmod("all", 0777));
	for (enum kind kind = 0; kind < CHARACTER; kind++) {
		ask(text("carol makes %s", kind_name[kind]), AS(&carol, make(kind, "all/x", 0644)));
		give(text("carol's %s", kind_name[kind]), 0, "all/x");
		need(unmake("all/x"));
	}
	ask("a device by a user", AS(&carol, make(CHARACTER, "all/x", 0644)));
	need(make(REGULAR, "all/roots", 0600));
	ask("link to what is not one's own", AS(&carol, link("all/roots", "all/linked")));
	need(chmod("all/roots", 0666));
	ask("link to what one may write", AS(&carol, link("all/roots", "all/linked")));
	ask("remove another's from an open directory", AS(&carol, unlink("all/roots")));
	need(mkdir("closed", 0700));
	ask("into a closed directory", AS(&carol, make(REGULAR, "closed/x", 0644)));
	ask("rename into a closed directory", AS(&carol, rename("all/linked", "closed/x")));
	need(mkdir("all/dir", 0755));
	need(chown("all/dir", alice.uid, alice.gid));
	ask("move another's directory", AS(&carol, rename("all/dir", "all/moved")));
	need(mkdir("all/into", 0777));
	need(chmod("all/into", 0777));
	ask("move another's directory to another parent",
	    AS(&carol, rename("all/moved", "all/into/moved")));
}

static void by_a_user(void)
{
	need(make(REGULAR, "mine", 0644));
	give("to root", chown("mine", 0, (gid_t)-1), "mine");
	give("to oneself", chown("mine", getuid(), getgid()), "mine");
	give("to a group of mine", chown("mine", (uid_t)-1, 2000), "mine");
	give("to another group", chown("mine", (uid_t)-1, 3000), "mine");
	need(chmod("mine", 06755));
	give("with special bits", chown("mine", (uid_t)-1, getgid()), "mine");
	give("chmod to a group of mine", chmod("mine", 02755), "mine");
	need(symlink("mine", "link"));
	give("a symlink", lchown("link", (uid_t)-1, 2000), "link");
}

void owner_facts(void)
{
	if (!am_root) {
		by_a_user();
		return;
	}
	given_by_root();
	given_by_users();
	made_by_users();
}
