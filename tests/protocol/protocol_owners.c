/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_owners.c - what a share's choices make of owners, modes, special files and names: each
 * of them in each message that has such a field. What they leave on the host is
 * tests/fs/test_owners.c's.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "tests/protocol/harness.h"

/* ---- the messages that make something: each gets a directory's fid, and makes "new" there ---- */

typedef struct p9_msg maker(uint32_t dfid, uint32_t mode, uint32_t gid);

static struct p9_msg make_file(uint32_t dfid, uint32_t mode, uint32_t gid)
{
	return T(lcreate, .fid = dfid, .name = p9_str("new"), .flags = L_RDWR | L_CREATE,
		 .mode = mode, .gid = gid);
}

static struct p9_msg make_dir(uint32_t dfid, uint32_t mode, uint32_t gid)
{
	return T(mkdir, .dfid = dfid, .name = p9_str("new"), .mode = mode, .gid = gid);
}

static struct p9_msg make_symlink(uint32_t dfid, uint32_t mode, uint32_t gid)
{
	(void)mode;
	return T(symlink, .dfid = dfid, .name = p9_str("new"), .target = p9_str("target"),
		 .gid = gid);
}

static struct p9_msg make_fifo(uint32_t dfid, uint32_t mode, uint32_t gid)
{
	return T(mknod, .dfid = dfid, .name = p9_str("new"), .mode = S_IFIFO | mode, .gid = gid);
}

static struct p9_msg attach_as(uint32_t fid, uint32_t uid)
{
	return T(attach, .newfid = fid, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		 .n_uname = uid);
}

/* A test for each of them: kind_FACT. */
#define FOR_EACH_MAKER(fact, function)                                                             \
	TEST(lcreate_##fact)                                                                       \
	{                                                                                          \
		function(w, make_file);                                                            \
	}                                                                                          \
	TEST(mkdir_##fact)                                                                         \
	{                                                                                          \
		function(w, make_dir);                                                             \
	}                                                                                          \
	TEST(symlink_##fact)                                                                       \
	{                                                                                          \
		function(w, make_symlink);                                                         \
	}                                                                                          \
	TEST(mknod_##fact)                                                                         \
	{                                                                                          \
		function(w, make_fifo);                                                            \
	}

static void owner_is(struct world *w, const char *path, uid_t uid, gid_t gid)
{
	equal(host_stat(w, path).st_uid, uid);
	equal(host_stat(w, path).st_gid, gid);
}

static void guest_sees(struct conn *c, uint32_t fid, uint32_t uid, uint32_t gid)
{
	struct p9_Rgetattr a = attr(c, fid);

	equal(a.uid, uid);
	equal(a.gid, gid);
}

/* ---- ranges of ids ---- */

/* 0 to 999 are others on the host, 1000 to 1999 are one, 2000 to 2999 do not exist in the guest,
 * and 3000 to 3999 not on the host. */
#define UIDS                                                                                       \
	"map:0:100000:1000,squash-guest:1000:99999:1000,forbid-guest:2000:1000,"                   \
	"forbid-host:3000:1000,squash-host:150000:77:10,guest:4000:140000:10,host:160000:4100:10"
#define GIDS                                                                                       \
	"map:0:200000:1000,squash-guest:1000:88888:1000,forbid-guest:2000:1000,"                   \
	"forbid-host:3000:1000,squash-host:250000:66:10,guest:4000:240000:10,host:260000:4100:10"

/* Fid 1 is of user 5: the host's 100005. NULL, and the test skipped: without the rights. */
static struct conn *mapped_session(struct world *w)
{
	struct conn *c;

	if (!need_root())
		return NULL;
	check(fchownat(w->dir, ".", 100000, 200000, 0) == 0);
	serve(w, "--uid-map", UIDS, "--gid-map", GIDS, NULL);
	c = session(w);
	ok(c, attach_as(1, 5));
	return c;
}

static void belongs_to_the_hosts_ids(struct world *w, maker *make)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	ok(c, make(1, 0755, 7));
	owner_is(w, "new", 100005, 200007);
	walk(c, ROOT, 2, "new");
	guest_sees(c, 2, 5, 7);
}
FOR_EACH_MAKER(under_a_map_belongs_to_the_hosts_ids, belongs_to_the_hosts_ids)

static void belongs_to_the_squashed_id(struct world *w, maker *make)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	ok(c, attach_as(2, 1500));
	ok(c, make(2, 0755, 1999));
	owner_is(w, "new", 99999, 88888);
}
FOR_EACH_MAKER(of_ids_that_are_squashed_belongs_to_one, belongs_to_the_squashed_id)

static void is_not_for_a_forbidden_user(struct world *w, maker *make)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	if (errno_of(c, attach_as(2, 2000)) == 0)
		fails(c, EPERM, make(2, 0755, 7));
	check(!host_has(w, "new"));
}
FOR_EACH_MAKER(of_a_forbidden_user_is_EPERM, is_not_for_a_forbidden_user)

static void is_not_for_a_forbidden_group(struct world *w, maker *make)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	fails(c, EPERM, make(1, 0755, 2999));
	check(!host_has(w, "new"));
	equal(attr(c, 1).qid.type, P9_QTDIR);
}
FOR_EACH_MAKER(of_a_forbidden_group_is_EPERM, is_not_for_a_forbidden_group)

/* 3000 is the same on both sides, and could not be shown. */
static void is_not_for_a_group_without_a_way_back(struct world *w, maker *make)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	fails(c, EPERM, make(1, 0755, 3000));
	check(!host_has(w, "new"));
}
FOR_EACH_MAKER(of_a_group_that_cannot_be_shown_is_EPERM, is_not_for_a_group_without_a_way_back)

static void of_nobody_belongs_to_the_hosts_root_of_the_guest(struct world *w, maker *make)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	ok(c, attach_as(2, P9_NONUNAME));
	ok(c, make(2, 0755, UINT32_MAX));
	owner_is(w, "new", 100000, 200000);
}
FOR_EACH_MAKER(of_nobody_under_a_map_belongs_to_user_0,
	       of_nobody_belongs_to_the_hosts_root_of_the_guest)

TEST(getattr_under_a_map_tells_the_guests_ids)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		uint32_t guest_uid, guest_gid;
	} cases[] = {
		{100000, 200000, 0, 0},		  {100999, 200999, 999, 999},
		{150009, 250000, 77, 66},	  {160003, 260009, 4103, 4109},
		{500000, 600000, 500000, 600000}, {140001, 240001, 140001, 240001},
	};
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	host_file(w, "f", "");
	for (size_t i = 0; i < countof(cases); i++) {
		check(fchownat(w->dir, "f", cases[i].uid, cases[i].gid, 0) == 0);
		walk(c, ROOT, 2, "f");
		guest_sees(c, 2, cases[i].guest_uid, cases[i].guest_gid);
		clunk(c, 2);
	}
}

TEST(what_has_a_forbidden_owner_is_EPERM_and_is_listed)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	host_file(w, "u", "");
	host_file(w, "g", "");
	check(fchownat(w->dir, "u", 3000, 200000, 0) == 0);
	check(fchownat(w->dir, "g", 100000, 3999, 0) == 0);
	fails(c, EPERM, T(walk, .fid = ROOT, .newfid = 2, .names = NAMES("u")));
	fails(c, EPERM, T(walk, .fid = ROOT, .newfid = 2, .names = NAMES("g")));
	fails(c, EBADF, T(clunk, .fid = 2));
	open_path(c, 2, "", L_RDONLY);
	check(ok(c, T(readdir, .fid = 2, .count = 8000))->Rreaddir.data.len >= 4 * 24);
}

TEST(getattr_of_what_got_a_forbidden_owner_is_EPERM)
{
	struct conn *c = mapped_session(w);

	if (c == NULL)
		return;
	host_file(w, "f", "");
	walk(c, ROOT, 2, "f");
	check(fchownat(w->dir, "f", 3000, 200000, 0) == 0);
	fails(c, EPERM, T(getattr, .fid = 2, .request_mask = P9_GETATTR_BASIC));
	check(fchownat(w->dir, "f", 100001, 200000, 0) == 0);
	guest_sees(c, 2, 1, 0);
}

/* A file of the host's 100005:200007, as fid 2. */
static struct conn *mapped_file(struct world *w)
{
	struct conn *c = mapped_session(w);

	host_file(w, "f", "text");
	if (c == NULL)
		return NULL;
	check(fchownat(w->dir, "f", 100005, 200007, 0) == 0);
	walk(c, ROOT, 2, "f");
	return c;
}

static struct p9_msg chown_to(uint32_t valid, uint32_t uid, uint32_t gid)
{
	return T(setattr, .fid = 2, .valid = valid, .uid = uid, .gid = gid);
}

TEST(setattr_under_a_map_sets_the_hosts_ids)
{
	struct conn *c = mapped_file(w);

	if (c == NULL)
		return;
	ok(c, chown_to(P9_SETATTR_UID, 8, 9));
	owner_is(w, "f", 100008, 200007);
	ok(c, chown_to(P9_SETATTR_GID, 10, 11));
	owner_is(w, "f", 100008, 200011);
	guest_sees(c, 2, 8, 11);
	ok(c, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, 1001, 1002));
	owner_is(w, "f", 99999, 88888);
	ok(c, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, 4001, 4002));
	owner_is(w, "f", 140001, 240002);
}

TEST(setattr_to_ids_that_are_forbidden_is_EPERM_and_sets_nothing)
{
	static const uint32_t forbidden[] = {2000, 2999, 3000, 3999};
	struct conn *c = mapped_file(w);

	if (c == NULL)
		return;
	for (size_t i = 0; i < countof(forbidden); i++) {
		fails(c, EPERM, chown_to(P9_SETATTR_UID, forbidden[i], 0));
		fails(c, EPERM, chown_to(P9_SETATTR_GID, 0, forbidden[i]));
		fails(c, EPERM, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, 8, forbidden[i]));
		fails(c, EPERM,
		      T(setattr, .fid = 2, .valid = P9_SETATTR_SIZE | P9_SETATTR_UID,
			.uid = forbidden[i], .size = 0));
	}
	owner_is(w, "f", 100005, 200007);
	host_holds(w, "f", "text");
}

TEST(setattr_under_a_map_leaves_ids_of_all_ones)
{
	struct conn *c = mapped_file(w);

	if (c == NULL)
		return;
	ok(c, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, UINT32_MAX, UINT32_MAX));
	owner_is(w, "f", 100005, 200007);
}

static struct conn *mapped_in(struct world *w, enum p9_dialect dialect)
{
	struct conn *c;

	if (!need_root())
		return NULL;
	check(fchownat(w->dir, ".", 100000, 200003, 0) == 0);
	host_file(w, "f", "");
	check(fchownat(w->dir, "f", 100005, 200007, 0) == 0);
	serve(w, "--uid-map", UIDS, "--gid-map", GIDS, NULL);
	c = session_in(w, dialect, MSIZE);
	walk(c, ROOT, 2, "f");
	return c;
}

TEST_IN_BOTH(stat_under_a_map_tells_the_guests_ids)
{
	struct conn *c = mapped_in(w, dialect);
	struct p9_stat stat;

	if (c == NULL)
		return;
	stat = stat_of(c, 2);
	check(same_str(stat.uid, "5"));
	check(same_str(stat.gid, "7"));
	if (dialect == P9_U)
		check(stat.n_uid == 5 && stat.n_gid == 7);
}

TEST_IN_BOTH(a_listed_stat_under_a_map_tells_the_guests_ids)
{
	struct conn *c = mapped_in(w, dialect);
	bool found = false;
	struct p9_data data;
	struct p9_stat stat;
	int size;

	if (c == NULL)
		return;
	topen(c, 3, "", P9_OREAD);
	data = ok(c, T(read, .fid = 3, .count = 8000))->Rread.data;
	for (uint32_t at = 0; at < data.len; at += (uint32_t)size) {
		size = p9_stat_get(&stat, dialect, (uint8_t *)(uintptr_t)data.bytes + at,
				   data.len - at);
		check(size > 0);
		if (size <= 0)
			return;
		if (!same_str(stat.name, "f"))
			continue;
		found = true;
		check(same_str(stat.uid, "5"));
		check(same_str(stat.gid, "7"));
	}
	check(found);
}

/* A list is of stats there: what nobody may see does not hide the rest. */
TEST_IN_BOTH(what_has_a_forbidden_owner_is_left_out_of_a_list)
{
	struct conn *c = mapped_in(w, dialect);
	struct p9_data data = {.len = 1};
	struct p9_stat stat;
	unsigned found = 0;
	char name[16];
	int size;

	if (c == NULL)
		return;
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		host_file(w, name, "");
		check(fchownat(w->dir, name, i % 2 == 0 ? 3000 : 100000, 200000, 0) == 0);
	}
	topen(c, 3, "", P9_OREAD);
	for (uint64_t offset = 0; data.len > 0; offset += data.len) {
		data = ok(c, T(read, .fid = 3, .offset = offset, .count = 300))->Rread.data;
		for (uint32_t at = 0; at < data.len; at += (uint32_t)size) {
			size = p9_stat_get(&stat, dialect, (uint8_t *)(uintptr_t)data.bytes + at,
					   data.len - at);
			check(size > 0);
			if (size <= 0)
				return;
			found += stat.name.text[0] == 'x';
		}
	}
	equal(found, 5);
}

TEST_IN_BOTH(tcreate_under_a_map_belongs_to_the_hosts_ids)
{
	struct conn *c = mapped_in(w, dialect);

	if (c == NULL)
		return;
	ok(c, T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str("5"), .aname = p9_str(""),
		.n_uname = 5));
	ok(c, T(create, .fid = 1, .name = p9_str("new"), .perm = 0644, .mode = P9_OWRITE));
	owner_is(w, "new", 100005, 200003);
}

TEST(u_wstat_under_a_map_sets_the_hosts_ids)
{
	struct conn *c = mapped_in(w, P9_U);
	struct p9_stat stat = untouched();

	if (c == NULL)
		return;
	stat.n_uid = 8;
	stat.n_gid = 9;
	ok(c, T(wstat, .fid = 2, .stat = stat));
	owner_is(w, "f", 100008, 200009);
	stat = untouched();
	stat.gid = p9_str("10");
	ok(c, T(wstat, .fid = 2, .stat = stat));
	owner_is(w, "f", 100008, 200010);
	stat = untouched();
	stat.n_uid = 2000;
	fails(c, EPERM, T(wstat, .fid = 2, .stat = stat));
	stat = untouched();
	stat.gid = p9_str("3000");
	fails(c, EPERM, T(wstat, .fid = 2, .stat = stat));
	owner_is(w, "f", 100008, 200010);
}

/* ---- ids in ACLs ---- */

#define ACL "system.posix_acl_access"

/* u::rw- u:UID:r-- g::r-- g:GID:r-- m::r-- o::--- as the wire has it */
static void acl_of(uint8_t acl[52], uint32_t uid, uint32_t gid)
{
	static const struct {
		uint8_t tag, perm;
	} entries[] = {{1, 6}, {2, 4}, {4, 4}, {8, 4}, {0x10, 4}, {0x20, 0}};

	memset(acl, 0xff, 52);
	memcpy(acl, "\2\0\0\0", 4);
	for (size_t i = 0; i < countof(entries); i++) {
		uint8_t *entry = acl + 4 + 8 * i;
		uint32_t id = entries[i].tag == 2 ? uid : gid;

		memcpy(entry, (uint8_t[]){entries[i].tag, 0, entries[i].perm, 0}, 4);
		for (int n = 0; n < 4 && (entries[i].tag == 2 || entries[i].tag == 8); n++)
			entry[4 + n] = (uint8_t)(id >> 8 * n);
	}
}

static int set_acl(struct conn *c, uint32_t uid, uint32_t gid)
{
	uint8_t acl[52];

	acl_of(acl, uid, gid);
	walk(c, ROOT, 3, "f");
	ok(c, T(xattrcreate, .fid = 3, .name = p9_str(ACL), .size = sizeof(acl)));
	ok(c, T(write, .fid = 3, .data = data_of(acl, sizeof(acl))));
	return errno_of(c, T(clunk, .fid = 3));
}

TEST(ids_in_acls_are_the_hosts_on_the_host_and_the_guests_in_the_guest)
{
	struct conn *c = mapped_file(w);
	uint8_t acl[52], found[52];
	int error;

	if (c == NULL)
		return;
	error = set_acl(c, 5, 7);
	if (error == EOPNOTSUPP)
		return test_skip("the host's file system has no POSIX ACLs");
	equal(error, 0);
	acl_of(acl, 100005, 200007);
	equal(host_getxattr(w, "f", ACL, found, sizeof(found)), sizeof(acl));
	equal(memcmp(acl, found, sizeof(acl)), 0);
	acl_of(acl, 5, 7);
	equal(ok(c, T(xattrwalk, .fid = 2, .newfid = 4, .name = p9_str(ACL)))->Rxattrwalk.size,
	      sizeof(acl));
	ok(c, T(read, .fid = 4, .count = 100));
	equal(memcmp(c->reply.Rread.data.bytes, acl, sizeof(acl)), 0);
}

TEST(forbidden_ids_in_acls_are_EPERM)
{
	struct conn *c = mapped_file(w);
	uint8_t found[52];

	if (c == NULL)
		return;
	equal(set_acl(c, 2000, 7), EPERM);
	equal(set_acl(c, 5, 2000), EPERM);
	equal(host_getxattr(w, "f", ACL, found, sizeof(found)), -ENODATA);
}

/* ---- squash ---- */

static void belongs_to_the_one_user(struct world *w, maker *make)
{
	struct conn *c;

	if (!need_root())
		return;
	serve(w, "--squash", "4711:4712", NULL);
	c = session(w);
	ok(c, attach_as(1, 12345));
	ok(c, make(1, 0755, 54321));
	owner_is(w, "new", 4711, 4712);
}
FOR_EACH_MAKER(with_squash_belongs_to_the_one_user, belongs_to_the_one_user)

TEST(setattr_with_squash_succeeds_and_leaves_the_owner)
{
	struct conn *c;

	if (!need_root())
		return;
	serve(w, "--squash", "4711:4712", NULL);
	c = session(w);
	host_file(w, "f", "");
	check(fchownat(w->dir, "f", 4711, 4712, 0) == 0);
	walk(c, ROOT, 2, "f");
	ok(c, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, 0, 0));
	ok(c, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, 12345, 54321));
	owner_is(w, "f", 4711, 4712);
	guest_sees(c, 2, 4711, 4712);
}

/* ---- modes ---- */

static void serve_model(struct world *w, const char *model)
{
	serve(w, "--ownership", model, NULL);
}

static mode_t guest_mode(struct conn *c, const char *path)
{
	mode_t mode;

	walk(c, ROOT, 99, path);
	mode = attr(c, 99).mode;
	clunk(c, 99);
	return mode;
}

#define IN_MAPPED_MODELS(fact)                                                                     \
	static void fact(struct world *w, const char *model);                                      \
	TEST(mapped_xattr_##fact)                                                                  \
	{                                                                                          \
		host_file(w, "probe", "");                                                         \
		if (host_setxattr(w, "probe", "user.probe", "1"))                                  \
			fact(w, "mapped-xattr");                                                   \
	}                                                                                          \
	TEST(mapped_file_##fact)                                                                   \
	{                                                                                          \
		fact(w, "mapped-file");                                                            \
	}                                                                                          \
	static void fact(struct world *w, const char *model)

IN_MAPPED_MODELS(keeps_modes_and_has_those_of_fmode_and_dmode_on_the_host)
{
	struct conn *c;

	serve(w, "--ownership", model, "--fmode", "640", "--dmode", "750", NULL);
	c = session(w);
	ok(c, T(mkdir, .dfid = ROOT, .name = p9_str("d"), .mode = 03777, .gid = 7));
	ok(c, T(mknod, .dfid = ROOT, .name = p9_str("p"), .mode = S_IFIFO | 0604, .gid = 7));
	ok(c, T(symlink, .dfid = ROOT, .name = p9_str("s"), .target = p9_str("t"), .gid = 7));
	walk(c, ROOT, 1, "");
	ok(c, make_file(1, 06711, 7));
	equal(host_stat(w, "new").st_mode, S_IFREG | 0640);
	equal(host_stat(w, "p").st_mode, S_IFREG | 0640);
	equal(host_stat(w, "s").st_mode, S_IFREG | 0640);
	equal(host_stat(w, "d").st_mode, S_IFDIR | 0750);
	equal(guest_mode(c, "new"), S_IFREG | 06711);
	equal(guest_mode(c, "p"), S_IFIFO | 0604);
	equal(guest_mode(c, "s") & S_IFMT, S_IFLNK);
	equal(guest_mode(c, "d"), S_IFDIR | 03777);
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0));
	equal(host_stat(w, "new").st_mode, S_IFREG | 0640);
	equal(guest_mode(c, "new"), S_IFREG);
}

IN_MAPPED_MODELS(has_600_and_700_on_the_host_without_a_choice)
{
	struct conn *c;

	serve_model(w, model);
	c = session(w);
	ok(c, T(mkdir, .dfid = ROOT, .name = p9_str("d"), .mode = 0777, .gid = 7));
	walk(c, ROOT, 1, "");
	ok(c, make_file(1, 0666, 7));
	equal(host_stat(w, "new").st_mode, S_IFREG | 0600);
	equal(host_stat(w, "d").st_mode, S_IFDIR | 0700);
}

IN_MAPPED_MODELS(keeps_owners_that_the_host_does_not_have)
{
	struct conn *c;

	serve_model(w, model);
	c = session(w);
	ok(c, attach_as(1, 12345));
	ok(c, make_file(1, 0644, 54321));
	owner_is(w, "new", geteuid(), getegid());
	guest_sees(c, 1, 12345, 54321);
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_UID | P9_SETATTR_GID, .uid = 1, .gid = 2));
	owner_is(w, "new", geteuid(), getegid());
	guest_sees(c, 1, 1, 2);
}

IN_MAPPED_MODELS(keeps_devices_and_does_not_open_them)
{
	struct conn *c;

	serve_model(w, model);
	c = session(w);
	ok(c, T(mknod, .dfid = ROOT, .name = p9_str("n"), .mode = S_IFBLK | 0660, .major = 0xabc,
		.minor = 0x12345, .gid = 7));
	check(S_ISREG(host_stat(w, "n").st_mode));
	walk(c, ROOT, 1, "n");
	equal(attr(c, 1).mode, S_IFBLK | 0660);
	equal(attr(c, 1).rdev, 0x45 | 0xabc << 8 | 0x12300u << 12);
	fails(c, ENXIO, T(lopen, .fid = 1, .flags = L_RDWR));
	walk(c, ROOT, 2, "");
	fails(c, ENXIO,
	      T(lcreate, .fid = 2, .name = p9_str("n"), .flags = L_RDWR | L_CREATE, .gid = 7));
}

IN_MAPPED_MODELS(keeps_symlinks_and_does_not_open_them)
{
	struct conn *c;

	serve_model(w, model);
	c = session(w);
	ok(c, T(symlink, .dfid = ROOT, .name = p9_str("s"), .target = p9_str("/etc/passwd"),
		.gid = 7));
	check(S_ISREG(host_stat(w, "s").st_mode));
	equal(walk(c, ROOT, 1, "s").type, P9_QTSYMLINK);
	check(same_str(ok(c, T(readlink, .fid = 1))->Rreadlink.target, "/etc/passwd"));
	equal(attr(c, 1).size, 11);
	fails(c, ELOOP, T(lopen, .fid = 1, .flags = L_RDONLY));
	fails(c, ENOTDIR, T(walk, .fid = 1, .newfid = 2, .names = NAMES("x")));
}

IN_MAPPED_MODELS(shows_what_the_host_has_as_it_is)
{
	struct conn *c;

	host_file(w, "f", "text");
	host_dir(w, "d");
	host_symlink(w, "s", "f");
	host_node(w, "p", S_IFIFO | 0644, 0);
	serve_model(w, model);
	c = session(w);
	equal(guest_mode(c, "f"), S_IFREG | 0644);
	equal(guest_mode(c, "d"), S_IFDIR | 0755);
	walk(c, ROOT, 1, "s");
	equal(attr(c, 1).mode & S_IFMT, S_IFLNK);
	check(same_str(ok(c, T(readlink, .fid = 1))->Rreadlink.target, "f"));
	fails(c, ELOOP, T(lopen, .fid = 1, .flags = L_RDONLY));
	walk(c, ROOT, 2, "p");
	equal(attr(c, 2).mode, S_IFIFO | 0644);
	fails(c, ENXIO, T(lopen, .fid = 2, .flags = L_RDONLY));
	walk(c, ROOT, 3, "f");
	ok(c, T(setattr, .fid = 3, .valid = P9_SETATTR_MODE | P9_SETATTR_UID, .mode = 04711,
		.uid = 77));
	equal(attr(c, 3).mode, S_IFREG | 04711);
	equal(attr(c, 3).uid, 77);
	equal(host_stat(w, "f").st_mode & 07000, 0);
	equal(host_stat(w, "f").st_uid, geteuid());
}

IN_MAPPED_MODELS(keeps_what_was_kept_over_a_restart)
{
	struct conn *c;
	int status;

	serve_model(w, model);
	c = session(w);
	ok(c, attach_as(1, 12345));
	ok(c, make_file(1, 04711, 54321));
	conn_forget(w, c);
	kill(w->server, SIGTERM);
	check(waitpid(w->server, &status, 0) == w->server);
	serve_model(w, model);
	c = session(w);
	walk(c, ROOT, 1, "new");
	guest_sees(c, 1, 12345, 54321);
	equal(attr(c, 1).mode, S_IFREG | 04711);
}

IN_MAPPED_MODELS(keeps_attributes_of_what_has_lost_its_name)
{
	struct conn *c;

	serve_model(w, model);
	c = session(w);
	ok(c, attach_as(1, 12345));
	ok(c, make_file(1, 0640, 54321));
	ok(c, T(unlinkat, .dfid = ROOT, .name = p9_str("new")));
	guest_sees(c, 1, 12345, 54321);
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE | P9_SETATTR_UID, .mode = 0600,
		.uid = 77));
	guest_sees(c, 1, 77, 54321);
	equal(attr(c, 1).mode, S_IFREG | 0600);
	equal(attr(c, 1).nlink, 0);
}

static void is_cut_by_the_umask(struct world *w, maker *make)
{
	mode_t all = make == make_dir ? 0777 : 0666;
	struct conn *c;

	serve(w, "--umask", "027", NULL);
	c = session(w);
	walk(c, ROOT, 1, "");
	ok(c, make(1, all, getegid()));
	if (make == make_symlink)
		equal(host_stat(w, "new").st_mode, S_IFLNK | 0777);
	else
		equal(host_stat(w, "new").st_mode & 07777, all & ~027u);
}
FOR_EACH_MAKER(with_a_umask_has_no_more, is_cut_by_the_umask)

TEST(setattr_with_a_umask_sets_what_it_says)
{
	struct conn *c;

	serve(w, "--umask", "077", NULL);
	c = session(w);
	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	ok(c, T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0666));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0666);
}

TEST_IN_BOTH(tcreate_with_a_umask_has_no_more)
{
	struct conn *c;

	check(fchmodat(w->dir, ".", 0777, 0) == 0);
	serve(w, "--umask", "027", NULL);
	c = session_in(w, dialect, MSIZE);
	walk(c, ROOT, 1, "");
	ok(c, T(create, .fid = 1, .name = p9_str("f"), .perm = 0666, .mode = P9_OWRITE));
	walk(c, ROOT, 2, "");
	ok(c, T(create, .fid = 2, .name = p9_str("d"), .perm = P9_DMDIR | 0777));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0640);
	equal(host_stat(w, "d").st_mode, S_IFDIR | 0750);
}

IN_MAPPED_MODELS(with_a_umask_has_no_more_in_the_guest)
{
	struct conn *c;

	serve(w, "--ownership", model, "--umask", "027", NULL);
	c = session(w);
	walk(c, ROOT, 1, "");
	ok(c, make_file(1, 0666, 7));
	equal(guest_mode(c, "new"), S_IFREG | 0640);
	equal(host_stat(w, "new").st_mode, S_IFREG | 0600);
}

/* ---- set-id bits ---- */

static void write_by(struct world *w, const char *model, uint32_t uid, mode_t left)
{
	struct conn *c;

	serve_model(w, model);
	c = session(w);
	ok(c, attach_as(1, 12345));
	ok(c, make_file(1, 06777, 54321));
	ok(c, attach_as(2, uid));
	walk(c, 2, 3, "new");
	ok(c, T(lopen, .fid = 3, .flags = L_RDWR));
	equal(attr(c, 3).mode, S_IFREG | 06777);
	writes(c, 3, 0, "text");
	equal(attr(c, 3).mode, S_IFREG | left);
}

IN_MAPPED_MODELS(drops_set_id_bits_when_a_user_writes)
{
	write_by(w, model, 12345, 0777);
}

IN_MAPPED_MODELS(keeps_set_id_bits_when_root_writes)
{
	write_by(w, model, 0, 06777);
}

TEST(passthrough_drops_set_id_bits_when_a_user_writes)
{
	if (need_root())
		write_by(w, "passthrough", 12345, 0777);
}

TEST(passthrough_keeps_set_id_bits_when_root_writes)
{
	if (need_root())
		write_by(w, "passthrough", 0, 06777);
}

TEST(passthrough_drops_set_id_bits_with_a_new_owner)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_file(w, "f", "");
	check(fchmodat(w->dir, "f", 06755, 0) == 0);
	walk(c, ROOT, 2, "f");
	ok(c, chown_to(P9_SETATTR_UID, 12345, 0));
	equal(attr(c, 2).mode, S_IFREG | 0755);
}

/* ---- special files ---- */

TEST(in_the_model_none_devices_are_EPERM_and_with_nodes_are_made)
{
	struct p9_msg m = T(mknod, .dfid = ROOT, .name = p9_str("n"), .mode = S_IFCHR | 0666,
			    .major = 1, .minor = 3, .gid = getegid());
	struct conn *c;
	int status;

	if (!need_root())
		return;
	serve_model(w, "none");
	c = session(w);
	fails(c, EPERM, m);
	ok(c, make_fifo(ROOT, 0644, 0));
	conn_forget(w, c);
	kill(w->server, SIGTERM);
	check(waitpid(w->server, &status, 0) == w->server);
	serve(w, "--ownership", "none", "--special-files", "nodes", NULL);
	c = session(w);
	ok(c, m);
	check(S_ISCHR(host_stat(w, "n").st_mode));
	walk(c, ROOT, 1, "n");
	fails(c, ENXIO, T(lopen, .fid = 1, .flags = L_RDWR));
	walk(c, ROOT, 2, "new");
	fails(c, ENXIO, T(lopen, .fid = 2, .flags = L_RDONLY));
}

static struct conn *opens_special(struct world *w)
{
	serve(w, "--special-files", "open", NULL);
	host_node(w, "p", S_IFIFO | 0666, 0);
	return session(w);
}

TEST(with_special_files_open_a_fifo_is_read_and_written)
{
	struct conn *c = opens_special(w);

	open_path(c, 1, "p", L_RDWR);
	writes(c, 1, 0, "text");
	writes(c, 1, 1000, " more");
	reads(c, 1, 7, "text more");
}

/* Nobody waits, and EAGAIN would tell a client of 9P nothing. */
TEST(with_special_files_open_a_fifo_that_is_not_ready_answers_at_once)
{
	struct conn *c = opens_special(w);

	walk(c, ROOT, 1, "p");
	fails(c, ENXIO, T(lopen, .fid = 1, .flags = L_WRONLY));
	open_path(c, 2, "p", L_RDONLY);
	reads(c, 2, 0, ""); /* no writer: the end */
	open_path(c, 3, "p", L_WRONLY);
	fails(c, EIO, T(read, .fid = 2, .count = 10));
	writes(c, 3, 0, "text");
	reads(c, 2, 0, "text");
	clunk(c, 2);
	fails(c, EPIPE, T(write, .fid = 3, .data = data_of("x", 1)));
}

TEST(with_special_files_open_a_fifo_that_is_full_is_EIO_and_never_0_bytes)
{
	static const uint8_t bytes[4096];
	struct conn *c = opens_special(w);
	int error = 0;

	open_path(c, 1, "p", L_RDWR);
	for (int i = 0; i < 1000 && error == 0; i++) {
		error = errno_of(c, T(write, .fid = 1, .data = data_of(bytes, sizeof(bytes))));
		check(error != 0 || c->reply.Rwrite.count > 0);
	}
	equal(error, EIO);
	check(ok(c, T(read, .fid = 1, .count = 8192))->Rread.data.len > 0);
	ok(c, T(write, .fid = 1, .data = data_of(bytes, sizeof(bytes))));
}

TEST(with_special_files_open_a_device_is_read_and_written)
{
	struct conn *c = opens_special(w);

	if (!need_root())
		return;
	host_node(w, "zero", S_IFCHR | 0666, makedev(1, 5));
	open_path(c, 1, "zero", L_RDWR);
	equal(ok(c, T(read, .fid = 1, .offset = 77, .count = 100))->Rread.data.len, 100);
	writes(c, 1, 0, "text");
	check(S_ISCHR(attr(c, 1).mode));
}

TEST(with_special_files_open_sockets_and_symlinks_are_not)
{
	struct conn *c = opens_special(w);

	host_node(w, "k", S_IFSOCK | 0666, 0);
	host_symlink(w, "s", "p");
	walk(c, ROOT, 1, "k");
	walk(c, ROOT, 2, "s");
	fails(c, ENXIO, T(lopen, .fid = 1, .flags = L_RDWR));
	fails(c, ELOOP, T(lopen, .fid = 2, .flags = L_RDWR));
}

/* ---- names that a model keeps for itself ---- */

static struct p9_msg lcreate_reserved(struct p9_str name)
{
	return T(lcreate, .fid = 1, .name = name, .flags = L_RDWR | L_CREATE, .mode = 0644);
}

static struct p9_msg walk_reserved(struct p9_str name)
{
	return T(walk, .fid = ROOT, .newfid = 9, .names = {.count = 1, .name = {name}});
}

static struct p9_msg mkdir_reserved(struct p9_str name)
{
	return T(mkdir, .dfid = ROOT, .name = name, .mode = 0755);
}

static struct p9_msg symlink_reserved(struct p9_str name)
{
	return T(symlink, .dfid = ROOT, .name = name, .target = p9_str("t"));
}

static struct p9_msg mknod_reserved(struct p9_str name)
{
	return T(mknod, .dfid = ROOT, .name = name, .mode = S_IFIFO | 0644);
}

static struct p9_msg link_reserved(struct p9_str name)
{
	return T(link, .dfid = ROOT, .fid = 2, .name = name);
}

static struct p9_msg rename_reserved(struct p9_str name)
{
	return T(rename, .fid = 2, .dfid = ROOT, .name = name);
}

static struct p9_msg renameat_to_reserved(struct p9_str name)
{
	return T(renameat, .olddirfid = ROOT, .oldname = p9_str("f"), .newdirfid = ROOT,
		 .newname = name);
}

static struct p9_msg renameat_from_reserved(struct p9_str name)
{
	return T(renameat, .olddirfid = ROOT, .oldname = name, .newdirfid = ROOT,
		 .newname = p9_str("stolen"));
}

static struct p9_msg unlinkat_reserved(struct p9_str name)
{
	return T(unlinkat, .dfid = ROOT, .name = name);
}

static struct p9_msg rmdir_reserved(struct p9_str name)
{
	return T(unlinkat, .dfid = ROOT, .name = name, .flags = P9_AT_REMOVEDIR);
}

/* A file with attributes of its own and a root with some, as fids 2 and ROOT; 1: a clone of that.
 */
static struct conn *mapped_file_session(struct world *w)
{
	struct conn *c;

	serve_model(w, "mapped-file");
	c = session(w);
	ok(c, T(setattr, .fid = ROOT, .valid = P9_SETATTR_UID, .uid = 1));
	walk(c, ROOT, 2, "");
	ok(c, T(lcreate, .fid = 2, .name = p9_str("f"), .flags = L_RDWR | L_CREATE, .mode = 0640,
		.gid = 7));
	walk(c, ROOT, 1, "");
	check(host_has(w, ".virtfs_metadata/f"));
	check(host_has(w, ".virtfs_metadata_root"));
	return c;
}

static void cannot_be_named(struct world *w, struct p9_msg (*message)(struct p9_str name))
{
	struct conn *c = mapped_file_session(w);

	fails(c, EINVAL, message(p9_str(".virtfs_metadata")));
	fails(c, EINVAL, message(p9_str(".virtfs_metadata_root")));
	fails(c, EBADF, T(clunk, .fid = 9));
	check(host_has(w, ".virtfs_metadata/f"));
	check(host_has(w, ".virtfs_metadata_root"));
	check(host_has(w, "f"));
}

#define RESERVED_TEST(kind)                                                                        \
	TEST(in_mapped_file_##kind##_of_a_reserved_name_is_EINVAL)                                 \
	{                                                                                          \
		cannot_be_named(w, kind##_reserved);                                               \
	}
RESERVED_TEST(walk)
RESERVED_TEST(lcreate)
RESERVED_TEST(mkdir)
RESERVED_TEST(symlink)
RESERVED_TEST(mknod)
RESERVED_TEST(link)
RESERVED_TEST(rename)
RESERVED_TEST(renameat_to)
RESERVED_TEST(renameat_from)
RESERVED_TEST(unlinkat)
RESERVED_TEST(rmdir)

TEST_IN_BOTH(in_mapped_file_tcreate_and_wstat_of_a_reserved_name_are_EINVAL)
{
	struct p9_stat stat = untouched();
	struct conn *c;

	serve_model(w, "mapped-file");
	host_file(w, "f", "");
	c = session_in(w, dialect, MSIZE);
	walk(c, ROOT, 1, "");
	walk(c, ROOT, 2, "f");
	fails(c, EINVAL, T(create, .fid = 1, .name = p9_str(".virtfs_metadata"), .perm = 0644));
	fails(c, EINVAL,
	      T(create, .fid = 1, .name = p9_str(".virtfs_metadata"), .perm = P9_DMDIR | 0755));
	stat.name = p9_str(".virtfs_metadata");
	fails(c, EINVAL, T(wstat, .fid = 2, .stat = stat));
	stat.name = p9_str(".virtfs_metadata_root");
	fails(c, EINVAL, T(wstat, .fid = 2, .stat = stat));
	check(host_has(w, "f"));
}

static bool lists(struct conn *c, const char *name)
{
	struct p9_data data;
	struct p9_dirent d;
	bool found = false;
	int size;

	open_path(c, 50, "", L_RDONLY);
	data = ok(c, T(readdir, .fid = 50, .count = 60000))->Rreaddir.data;
	for (uint32_t at = 0; at < data.len; at += (uint32_t)size) {
		size = p9_dirent_get(&d, (uint8_t *)(uintptr_t)data.bytes + at, data.len - at);
		if (size <= 0)
			break;
		found |= same_str(d.name, name);
	}
	clunk(c, 50);
	return found;
}

TEST(in_mapped_file_reserved_names_are_not_listed)
{
	struct conn *c = mapped_file_session(w);

	check(lists(c, "f"));
	check(!lists(c, ".virtfs_metadata"));
	check(!lists(c, ".virtfs_metadata_root"));
}

TEST(reserved_names_are_names_in_other_models)
{
	struct conn *c = session(w);

	ok(c, T(mkdir, .dfid = ROOT, .name = p9_str(".virtfs_metadata"), .mode = 0755,
		.gid = getegid()));
	walk(c, ROOT, 1, ".virtfs_metadata");
	check(lists(c, ".virtfs_metadata"));
}

/* ---- permissions = host ---- */

/* "d" and "f" in it belong to root, mode 0700 and 0600; fid 1 is of user 12345. */
static struct conn *judged_session(struct world *w)
{
	struct conn *c;

	if (!need_root())
		return NULL;
	host_dir(w, "d");
	host_file(w, "d/f", "text");
	host_file(w, "f", "text");
	check(fchmodat(w->dir, "d", 0700, 0) == 0);
	check(fchmodat(w->dir, "f", 0600, 0) == 0);
	serve(w, "--permissions", "host", NULL);
	c = session(w);
	ok(c, attach_as(1, 12345));
	walk(c, 1, 2, "f");
	walk(c, 1, 3, "d");
	return c;
}

#define JUDGED(fact, error, ...)                                                                   \
	TEST(the_host_judges_##fact##_##error)                                                     \
	{                                                                                          \
		struct conn *c = judged_session(w);                                                \
                                                                                                   \
		if (c == NULL)                                                                     \
			return;                                                                    \
		fails(c, error, (__VA_ARGS__));                                                    \
		host_holds(w, "f", "text");                                                        \
		host_holds(w, "d/f", "text");                                                      \
		owner_is(w, "f", 0, 0);                                                            \
	}

JUDGED(a_walk_in_a_closed_directory, EACCES, T(walk, .fid = 3, .newfid = 9, .names = NAMES("f")))
JUDGED(an_open_to_read, EACCES, T(lopen, .fid = 2, .flags = L_RDONLY))
JUDGED(an_open_to_write, EACCES, T(lopen, .fid = 2, .flags = L_WRONLY))
JUDGED(the_list_of_a_closed_directory, EACCES, T(lopen, .fid = 3, .flags = L_RDONLY))
JUDGED(a_file_in_anothers_directory, EACCES, make_file(1, 0644, 7))
JUDGED(a_directory_in_anothers_directory, EACCES, make_dir(1, 0755, 7))
JUDGED(a_symlink_in_anothers_directory, EACCES, make_symlink(1, 0, 7))
JUDGED(a_fifo_in_anothers_directory, EACCES, make_fifo(1, 0644, 7))
JUDGED(an_unlink_in_anothers_directory, EACCES, T(unlinkat, .dfid = 1, .name = p9_str("f")))
JUDGED(a_rename_in_anothers_directory, EACCES,
       T(renameat, .olddirfid = 1, .oldname = p9_str("f"), .newdirfid = 1, .newname = p9_str("g")))
JUDGED(a_remove_of_anothers_file, EACCES, T(remove, .fid = 2))
JUDGED(the_mode_of_anothers_file, EPERM,
       T(setattr, .fid = 2, .valid = P9_SETATTR_MODE, .mode = 0666))
JUDGED(the_owner_of_anothers_file, EPERM,
       T(setattr, .fid = 2, .valid = P9_SETATTR_UID, .uid = 12345))
JUDGED(the_size_of_anothers_file, EACCES, T(setattr, .fid = 2, .valid = P9_SETATTR_SIZE))
JUDGED(the_times_of_anothers_file, EPERM,
       T(setattr, .fid = 2, .valid = P9_SETATTR_MTIME | P9_SETATTR_MTIME_SET, .mtime_sec = 1))
JUDGED(the_times_now_of_anothers_file, EACCES,
       T(setattr, .fid = 2, .valid = P9_SETATTR_ATIME | P9_SETATTR_MTIME))

TEST(the_host_judges_a_link_of_anothers_file)
{
	struct conn *c = judged_session(w);

	if (c == NULL)
		return;
	fails_with_one_of(c, T(link, .dfid = 1, .fid = 2, .name = p9_str("g")), EACCES, EPERM);
	check(!host_has(w, "g"));
}

TEST(the_host_judges_an_attribute_of_anothers_file)
{
	struct conn *c = judged_session(w);

	if (c == NULL || !host_setxattr(w, "f", "user.a", "old"))
		return;
	fails(c, EACCES, T(xattrwalk, .fid = 2, .newfid = 9, .name = p9_str("user.a")));
	ok(c, T(xattrcreate, .fid = 2, .name = p9_str("user.a"), .size = 3));
	writes(c, 2, 0, "new");
	fails(c, EACCES, T(clunk, .fid = 2));
}

TEST(the_host_judges_the_sticky_bit)
{
	struct conn *c = judged_session(w);

	if (c == NULL)
		return;
	check(fchmodat(w->dir, ".", 01777, 0) == 0);
	fails(c, EPERM, T(unlinkat, .dfid = 1, .name = p9_str("f")));
	walk(c, 1, 4, "");
	ok(c, make_file(4, 0644, 7));
	owner_is(w, "new", 12345, 7);
	ok(c, T(unlinkat, .dfid = 1, .name = p9_str("new")));
}

TEST(the_host_judges_not_what_is_open)
{
	struct conn *c = judged_session(w);

	if (c == NULL)
		return;
	check(fchmodat(w->dir, "f", 0666, 0) == 0);
	ok(c, T(lopen, .fid = 2, .flags = L_RDWR | P9_O_NOATIME));
	check(fchmodat(w->dir, "f", 0, 0) == 0);
	writes(c, 2, 0, "TEXT");
	reads(c, 2, 0, "TEXT");
	ok(c, T(setattr, .fid = 2, .valid = P9_SETATTR_SIZE, .size = 3));
	ok(c, T(setattr, .fid = 2, .valid = 0x68, .size = 2));
	equal(attr(c, 2).size, 2);
	ok(c, T(statfs, .fid = 2));
}

/* As Linux' client sends ftruncate(2), and open(2) with O_TRUNC: the times are no wish of the user.
 */
TEST(the_host_judges_a_truncation_by_the_right_to_write)
{
	struct conn *c = judged_session(w);

	if (c == NULL)
		return;
	check(fchmodat(w->dir, "f", 0666, 0) == 0);
	ok(c, T(setattr, .fid = 2, .valid = 0x68, .size = 3));
	host_holds(w, "f", "tex");
	check(fchmodat(w->dir, "f", 0644, 0) == 0);
	fails(c, EACCES, T(setattr, .fid = 2, .valid = 0x68, .size = 0));
	host_holds(w, "f", "tex");
}

/* His kernel takes set-id bits off in the name of whoever writes, alone or with the size. */
TEST(the_host_judges_not_who_takes_set_id_bits_off)
{
	struct conn *c = judged_session(w);
	struct timespec before;

	if (c == NULL)
		return;
	check(fchmodat(w->dir, "f", 06666, 0) == 0);
	ok(c, T(setattr, .fid = 2, .valid = P9_SETATTR_MODE, .mode = S_IFREG | 0666));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0666);
	before = host_stat(w, "f").st_ctim;
	host_file_time_passes(w, before);
	ok(c, T(setattr, .fid = 2, .valid = P9_SETATTR_MODE, .mode = S_IFREG | 0666));
	check(same_time(host_stat(w, "f").st_ctim, before));
	check(fchmodat(w->dir, "f", 06676, 0) == 0);
	ok(c, T(setattr, .fid = 2, .valid = 0x69, .mode = S_IFREG | 0676, .size = 3));
	equal(host_stat(w, "f").st_mode, S_IFREG | 0676);
	host_holds(w, "f", "tex");
	check(fchmodat(w->dir, "f", 04644, 0) == 0);
	fails(c, EACCES, T(setattr, .fid = 2, .valid = 0x69, .mode = S_IFREG | 0644, .size = 0));
	host_holds(w, "f", "tex");
}

/* Groups that only his kernel knows him to be in; and what chown(2) of Linux' client says. */
TEST(the_host_judges_not_the_group_of_his_own_file)
{
	struct conn *c = judged_session(w);

	if (c == NULL)
		return;
	check(fchownat(w->dir, "f", 12345, 7, 0) == 0);
	ok(c, chown_to(P9_SETATTR_GID, 0, 8));
	ok(c, chown_to(P9_SETATTR_GID | P9_SETATTR_CTIME, 0, 9));
	owner_is(w, "f", 12345, 9);
	ok(c, chown_to(P9_SETATTR_UID | P9_SETATTR_GID | P9_SETATTR_CTIME, 12345, 10));
	owner_is(w, "f", 12345, 10);
	check(fchmodat(w->dir, "f", 06755, 0) == 0);
	ok(c, T(setattr, .fid = 2, .valid = P9_SETATTR_MODE | P9_SETATTR_GID | P9_SETATTR_CTIME,
		.mode = S_IFREG | 0755, .gid = 11));
	owner_is(w, "f", 12345, 11);
	equal(host_stat(w, "f").st_mode, S_IFREG | 0755);
	fails(c, EPERM, chown_to(P9_SETATTR_UID | P9_SETATTR_GID, 12346, 12));
	ok(c, T(setattr, .fid = 2, .valid = 0x41, .mode = S_IFREG | 02755));
	equal(host_stat(w, "f").st_mode, S_IFREG | 02755);
}

/* A file that its user may read and not remove, opened to be removed at the end: by Tclunk,
 * Tversion and the end of the connection. */
TEST(the_host_judges_the_removal_of_ORCLOSE)
{
	struct p9_msg attach = attach_as(1, 12345);
	struct conn *c = judged_session(w);
	int status;

	if (c == NULL)
		return;
	check(fchmodat(w->dir, "f", 0644, 0) == 0);
	for (int i = 0; i < 3; i++) {
		c = session_in(w, P9_U, MSIZE);
		ok(c, attach);
		walk(c, 1, 2, "f");
		ok(c, T(open, .fid = 2, .mode = P9_OREAD | P9_ORCLOSE));
		stat_of(c, ROOT); /* root's request is the last */
		if (i == 0)
			fails(c, EACCES, T(clunk, .fid = 2));
		if (i == 1)
			ok(c, T(version, .msize = MSIZE, .version = p9_str("9P2000.u")));
		conn_forget(w, c);
	}
	kill(w->server, SIGTERM);
	check(waitpid(w->server, &status, 0) == w->server); /* all connections have ended */
	w->server = 0;
	host_holds(w, "f", "text");
}

TEST(the_host_judges_nobody_who_is_root)
{
	struct conn *c = judged_session(w);

	if (c == NULL)
		return;
	open_path(c, 9, "d/f", L_RDWR);
	reads(c, 9, 0, "text");
}

/* ---- name spaces of attributes ---- */

/* What a rule makes of a name: of a file "f" that has it on the host, where it can have it. */
struct space_case {
	const char *option, *name, *value;
	size_t size;
};

static const uint8_t capability[] = {1, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

static const struct space_case user_space = {"--xattr-user", "user.a", "value", 5};
static const struct space_case trusted_space = {"--xattr-trusted", "trusted.a", "value", 5};
static const struct space_case security_space = {"--xattr-security", "security.capability",
						 (const char *)capability, sizeof(capability)};

static int sets(struct conn *c, const char *name, const char *value, size_t size, uint32_t flags)
{
	int error;

	walk(c, ROOT, 5, "f");
	error = errno_of(
		c, T(xattrcreate, .fid = 5, .name = p9_str(name), .size = size, .flags = flags));
	if (error == 0 && size > 0)
		ok(c, T(write, .fid = 5, .data = data_of(value, size)));
	if (error == 0)
		return errno_of(c, T(clunk, .fid = 5));
	clunk(c, 5);
	return error;
}

/* 0 and the size, or an errno. */
static int finds(struct conn *c, const char *name, uint64_t *size)
{
	int error;

	walk(c, ROOT, 5, "f");
	error = errno_of(c, T(xattrwalk, .fid = 5, .newfid = 6, .name = p9_str(name)));
	*size = error == 0 ? c->reply.Rxattrwalk.size : 0;
	if (error == 0)
		clunk(c, 6);
	clunk(c, 5);
	return error;
}

static bool names(struct conn *c, const char *name)
{
	const char *next, *end;
	bool found = false;

	walk(c, ROOT, 5, "f");
	ok(c, T(xattrwalk, .fid = 5, .newfid = 6, .name = p9_str("")));
	ok(c, T(read, .fid = 6, .count = 60000));
	next = c->reply.Rread.data.bytes;
	end = next + c->reply.Rread.data.len;
	for (; next < end; next += strnlen(next, (size_t)(end - next)) + 1)
		found |= strcmp(next, name) == 0;
	clunk(c, 6);
	clunk(c, 5);
	return found;
}

static struct conn *rule_session(struct world *w, const struct space_case *is, const char *rule)
{
	host_file(w, "f", "");
	if (!host_setxattr(w, "f", "user.probe", "1"))
		return NULL;
	serve(w, is->option, rule, NULL);
	return session(w);
}

static void is_denied(struct world *w, const struct space_case *is)
{
	struct conn *c = rule_session(w, is, "deny");
	uint64_t size;

	if (c == NULL)
		return;
	if (geteuid() == 0 || is == &user_space)
		check(host_setxattr(w, "f", is->name, "x") || is == &security_space);
	equal(finds(c, is->name, &size), EOPNOTSUPP);
	equal(sets(c, is->name, is->value, is->size, 0), EOPNOTSUPP);
	equal(sets(c, is->name, "", 0, P9_XATTR_REPLACE), EOPNOTSUPP);
	check(!names(c, is->name));
}

static void is_prefixed(struct world *w, const struct space_case *is)
{
	struct conn *c = rule_session(w, is, "prefix");
	char host_name[64], value[64];
	uint64_t size;

	if (c == NULL)
		return;
	snprintf(host_name, sizeof(host_name), "user.virtfs.%s", is->name);
	equal(finds(c, is->name, &size), ENODATA);
	equal(sets(c, is->name, is->value, is->size, P9_XATTR_CREATE), 0);
	equal(host_getxattr(w, "f", host_name, value, sizeof(value)), is->size);
	equal(memcmp(value, is->value, is->size), 0);
	equal(host_getxattr(w, "f", is->name, value, sizeof(value)), -ENODATA);
	equal(finds(c, is->name, &size), 0);
	equal(size, is->size);
	check(names(c, is->name));
	check(!names(c, host_name));
	equal(finds(c, host_name, &size), ENODATA);
	equal(sets(c, host_name, "x", 1, 0), EACCES);
	equal(sets(c, host_name, "", 0, P9_XATTR_REPLACE), EACCES);
	equal(sets(c, is->name, "x", 1, P9_XATTR_CREATE), EEXIST);
	equal(sets(c, is->name, "", 0, P9_XATTR_REPLACE), 0);
	equal(sets(c, is->name, "", 0, P9_XATTR_REPLACE), ENODATA);
	equal(host_getxattr(w, "f", host_name, value, sizeof(value)), -ENODATA);
}

static void is_passed(struct world *w, const struct space_case *is)
{
	struct conn *c = rule_session(w, is, "pass");
	char value[64];
	uint64_t size;

	if (c == NULL)
		return;
	equal(finds(c, is->name, &size), ENODATA);
	equal(sets(c, is->name, is->value, is->size, 0), 0);
	equal(host_getxattr(w, "f", is->name, value, sizeof(value)), is->size);
	equal(finds(c, is->name, &size), 0);
	equal(size, is->size);
	check(names(c, is->name));
	equal(sets(c, is->name, "", 0, P9_XATTR_REPLACE), 0);
	equal(host_getxattr(w, "f", is->name, value, sizeof(value)), -ENODATA);
}

TEST(user_attributes_that_are_denied_are_EOPNOTSUPP)
{
	is_denied(w, &user_space);
}

TEST(user_attributes_with_a_prefix_have_it_on_the_host)
{
	is_prefixed(w, &user_space);
}

TEST(user_attributes_that_pass_are_the_hosts)
{
	is_passed(w, &user_space);
}

TEST(trusted_attributes_that_are_denied_are_EOPNOTSUPP)
{
	is_denied(w, &trusted_space);
}

TEST(trusted_attributes_with_a_prefix_have_it_on_the_host)
{
	is_prefixed(w, &trusted_space);
}

TEST(trusted_attributes_that_pass_are_the_hosts)
{
	if (need_root())
		is_passed(w, &trusted_space);
}

TEST(security_attributes_that_are_denied_are_EOPNOTSUPP)
{
	is_denied(w, &security_space);
}

TEST(security_attributes_with_a_prefix_have_it_on_the_host)
{
	is_prefixed(w, &security_space);
}

TEST(security_attributes_that_pass_are_the_hosts)
{
	if (need_root())
		is_passed(w, &security_space);
}

TEST(acls_that_are_denied_are_EOPNOTSUPP)
{
	struct conn *c;
	uint64_t size;

	host_file(w, "f", "");
	serve(w, "--xattr-acl", "deny", NULL);
	c = session(w);
	equal(finds(c, ACL, &size), EOPNOTSUPP);
	equal(finds(c, "system.posix_acl_default", &size), EOPNOTSUPP);
	equal(set_acl(c, 1, 2), EOPNOTSUPP);
}

TEST(acls_with_a_prefix_mean_nothing_to_the_host)
{
	uint8_t value[64];
	struct conn *c;
	uint64_t size;

	host_file(w, "f", "");
	if (!host_setxattr(w, "f", "user.probe", "1"))
		return;
	serve(w, "--xattr-acl", "prefix", NULL);
	c = session(w);
	equal(finds(c, ACL, &size), ENODATA);
	equal(set_acl(c, 1, 2), 0);
	equal(host_getxattr(w, "f", "user.virtfs." ACL, value, sizeof(value)), 52);
	equal(host_getxattr(w, "f", ACL, value, sizeof(value)), -ENODATA);
	check(names(c, ACL));
	equal(finds(c, ACL, &size), 0);
	equal(size, 52);
	equal(sets(c, ACL, "", 0, 0), 0);
	equal(sets(c, ACL, "", 0, 0), 0);
	equal(sets(c, ACL, "", 0, P9_XATTR_REPLACE), 0);
	equal(host_getxattr(w, "f", "user.virtfs." ACL, value, sizeof(value)), -ENODATA);
}

/* A capability that the host does not know is not dropped by it either. */
TEST(a_prefixed_capability_goes_with_a_write)
{
	struct conn *c = rule_session(w, &security_space, "prefix");
	uint64_t size;

	if (c == NULL)
		return;
	equal(sets(c, security_space.name, security_space.value, security_space.size, 0), 0);
	open_path(c, 1, "f", L_RDWR);
	writes(c, 1, 0, "text");
	equal(finds(c, security_space.name, &size), ENODATA);
}

TEST(attributes_of_a_mapped_model_are_hidden)
{
	static const char *const kept[] = {"user.virtfs.uid", "user.virtfs.gid", "user.virtfs.mode",
					   "user.virtfs.rdev"};
	struct conn *c;
	uint64_t size;

	host_file(w, "probe", "");
	if (!host_setxattr(w, "probe", "user.probe", "1"))
		return;
	serve_model(w, "mapped-xattr");
	c = session(w);
	walk(c, ROOT, 1, "");
	ok(c, T(lcreate, .fid = 1, .name = p9_str("f"), .flags = L_RDWR | L_CREATE, .mode = 0640,
		.gid = 7));
	for (size_t i = 0; i < countof(kept); i++) {
		equal(finds(c, kept[i], &size), ENODATA);
		equal(sets(c, kept[i], "\0\0\0\0", 4, 0), EACCES);
		equal(sets(c, kept[i], "", 0, P9_XATTR_REPLACE), EACCES);
		check(!names(c, kept[i]));
	}
	guest_sees(c, 1, geteuid(), 7);
	equal(attr(c, 1).mode, S_IFREG | 0640);
}
