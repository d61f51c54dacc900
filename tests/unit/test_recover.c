/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_recover.c - every request, with a death at every instant: to the client it is one request
 * all the same.
 *
 * A case is a script (recover.h). It is run once undisturbed, and its answers compared with what
 * it expects; then with each death in turn. However often its processes died, there is one reply to
 * each request and the same one, the export looks the same, the fids are the same, and what is
 * open is what the session owns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "tests/lib/untouched.h"
#include "tests/unit/recover.h"

#define CHAINS 20     /* of random deaths, for each script */
#define TWICE_STEP 3  /* of so many points of a life one is taken, where there are two */
#define REPORTS_MAX 3 /* of one script */

/* Processes with a sanitizer are slow to make. */
#ifdef __has_feature
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define STORES_STEP (SANITIZED ? 7u : 1u) /* of so many stores one is taken */

#define O_RD 0u
#define O_RDWR_ 2u

struct script {
	const char *name;
	void (*write)(void);
	bool xattrs; /* needs a file system that has them */
};

/* ---- scripts: one request ---- */

static void lopen(uint32_t fid, const char *name, uint32_t flags)
{
	does(walk(0, fid, name));
	does(T(lopen, .fid = fid, .flags = flags));
}

static struct p9_msg lcreate(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
	return T(lcreate, .fid = fid, .name = p9_str(name), .flags = flags, .mode = mode);
}

static struct p9_msg write_at(uint32_t fid, uint64_t offset, const char *text)
{
	return T(write, .fid = fid, .offset = offset,
		 .data = {.bytes = text, .len = (uint32_t)strlen(text)});
}

static struct p9_msg lock(uint32_t fid, uint8_t type, uint32_t proc_id)
{
	return T(lock, .fid = fid, .type = type, .proc_id = proc_id, .client_id = p9_str("guest"));
}

static struct p9_msg make_dir(uint32_t fid, const char *name, uint32_t mode)
{
	return T(mkdir, .dfid = fid, .name = p9_str(name), .mode = mode);
}

static void version(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	with_tag(P9_NOTAG);
	does(T(version, .msize = MSIZE, .version = p9_str("9P2000.L")));
	fails(EBADF, T(getattr, .fid = 0));
	prove();
}

static void version_unknown(void)
{
	act(PACE_EACH);
	does(T(version, .msize = MSIZE, .version = p9_str("9P3000")));
}

static void attach(void)
{
	act(PACE_EACH);
	does(T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
	prove();
}

static void walk_to_new_fid(void)
{
	act(PACE_EACH);
	does(walk(0, 1, "f"));
	prove();
}

static void walk_far(void)
{
	struct p9_msg msg = walk(0, 1, "d");

	msg.Twalk.names.name[msg.Twalk.names.count++] = p9_str("x");
	act(PACE_EACH);
	does(msg);
	prove();
}

static void walk_half_the_way(void)
{
	struct p9_msg msg = walk(0, 1, "d");

	msg.Twalk.names.name[msg.Twalk.names.count++] = p9_str("missing");
	act(PACE_EACH);
	does(msg);
	prove();
}

static void walk_to_nothing(void)
{
	act(PACE_EACH);
	fails(ENOENT, walk(0, 1, "missing"));
	prove();
}

static void walk_onto_itself(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	does(walk(1, 1, "x"));
	prove();
}

static void walk_to_a_fid_in_use(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(walk(0, 1, "g"));
	prove();
}

static void clone(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(walk(1, 2, NULL));
	prove();
}

static void lopen_file(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(lopen, .fid = 1, .flags = O_RDWR_));
	prove();
}

static void lopen_truncating(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(lopen, .fid = 1, .flags = O_RDWR_ | P9_O_TRUNC));
	does(write_at(1, 0, "new"));
	prove();
}

static void lopen_dir(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	does(T(lopen, .fid = 1));
	does(T(readdir, .fid = 1, .count = 4000));
	prove();
}

static void lopen_twice(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(lopen, .fid = 1));
	fails(EINVAL, T(lopen, .fid = 1));
	prove();
}

static void lcreate_new(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	does(lcreate(1, "new", O_RDWR_, 0640));
	does(write_at(1, 0, "text"));
	prove();
}

static void lcreate_exclusive(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	does(lcreate(1, "new", O_RDWR_ | P9_O_EXCL, 0640));
	does(write_at(1, 0, "text"));
	prove();
}

static void lcreate_of_what_exists(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	does(lcreate(1, "x", O_RDWR_ | P9_O_TRUNC, 0600));
	prove();
}

static void lcreate_exclusive_of_what_exists(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	fails(EEXIST, lcreate(1, "x", O_RDWR_ | P9_O_EXCL, 0600));
	prove();
}

static void read_file(void)
{
	lopen(1, "f", O_RD);
	act(PACE_EACH);
	does(T(read, .fid = 1, .offset = 3, .count = 100));
	prove();
}

static void read_in_place(void)
{
	lopen(1, "f", O_RD);
	act(PACE_HERE);
	does(T(read, .fid = 1, .offset = 3, .count = 100));
	prove();
}

static void read_in_place_of_nothing(void)
{
	lopen(1, "f", O_RD);
	lopen(2, "f", 1); /* for writing */
	act(PACE_HERE);
	does(T(read, .fid = 1, .offset = 1000, .count = 100));
	fails(EBADF, T(read, .fid = 2, .offset = 0, .count = 100));
	prove();
}

static void write_file(void)
{
	lopen(1, "f", O_RDWR_);
	act(PACE_EACH);
	does(write_at(1, 4, "written"));
	prove();
}

static void append(void)
{
	lopen(1, "f", O_RDWR_ | P9_O_APPEND);
	act(PACE_EACH);
	does(write_at(1, 0, "more"));
	does(write_at(1, 0, "more"));
	prove();
}

static void write_without_right(void)
{
	lopen(1, "f", O_RD);
	act(PACE_EACH);
	fails(EBADF, write_at(1, 0, "written"));
	prove();
}

static void clunk(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void clunk_of_a_clone(void)
{
	does(walk(0, 1, "f"));
	does(walk(1, 2, NULL));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void clunk_of_an_open_file(void)
{
	lopen(1, "f", O_RDWR_);
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	does(walk(0, 1, "g"));
	prove();
}

static void clunk_that_stores(void)
{
	does(walk(0, 1, "f"));
	does(T(xattrcreate, .fid = 1, .name = p9_str("user.b"), .size = 3, .flags = 1));
	does(write_at(1, 0, "new"));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void clunk_that_replaces(void)
{
	does(walk(0, 1, "k"));
	does(T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 3, .flags = 2));
	does(write_at(1, 0, "new"));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void clunk_that_removes(void)
{
	does(walk(0, 1, "k"));
	does(T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 0, .flags = 2));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void clunk_before_all_is_written(void)
{
	does(walk(0, 1, "k"));
	does(T(xattrcreate, .fid = 1, .name = p9_str("user.a"), .size = 3));
	act(PACE_EACH);
	fails(EINVAL, T(clunk, .fid = 1));
	prove();
}

static void remove_file(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(remove, .fid = 1));
	prove();
}

static void remove_open_file(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	act(PACE_EACH);
	does(T(remove, .fid = 1));
	does(T(read, .fid = 2, .count = 100));
	does(write_at(2, 7, "!"));
	prove();
}

static void remove_one_of_two_names(void)
{
	does(walk(0, 1, "h2"));
	act(PACE_EACH);
	does(T(remove, .fid = 1));
	prove();
}

static void remove_dir(void)
{
	does(walk(0, 1, "e"));
	act(PACE_EACH);
	does(T(remove, .fid = 1));
	prove();
}

static void remove_full_dir(void)
{
	does(walk(0, 1, "d"));
	act(PACE_EACH);
	fails(ENOTEMPTY, T(remove, .fid = 1));
	prove();
}

static void mkdir_(void)
{
	act(PACE_EACH);
	does(make_dir(0, "new", 02755));
	does(walk(0, 1, "new"));
	prove();
}

static void mkdir_of_what_exists(void)
{
	act(PACE_EACH);
	fails(EEXIST, make_dir(0, "e", 0755));
	prove();
}

static void symlink_(void)
{
	act(PACE_EACH);
	does(T(symlink, .dfid = 0, .name = p9_str("new"), .target = p9_str("f")));
	does(walk(0, 1, "new"));
	does(T(readlink, .fid = 1));
	prove();
}

static void mknod_fifo(void)
{
	act(PACE_EACH);
	does(T(mknod, .dfid = 0, .name = p9_str("new"), .mode = S_IFIFO | 0600));
	prove();
}

static void link_(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	act(PACE_EACH);
	does(T(link, .dfid = 2, .fid = 1, .name = p9_str("new")));
	prove();
}

static void rename_(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	act(PACE_EACH);
	does(T(rename, .fid = 1, .dfid = 2, .name = p9_str("new")));
	prove();
}

static void rename_onto_another(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	act(PACE_EACH);
	does(T(rename, .fid = 1, .dfid = 2, .name = p9_str("x")));
	prove();
}

static void renameat_(void)
{
	does(walk(0, 2, "e"));
	act(PACE_EACH);
	does(T(renameat, .olddirfid = 0, .oldname = p9_str("d"), .newdirfid = 2,
	       .newname = p9_str("d2")));
	prove();
}

static void renameat_onto_another(void)
{
	act(PACE_EACH);
	does(T(renameat, .olddirfid = 0, .oldname = p9_str("f"), .newdirfid = 0,
	       .newname = p9_str("g")));
	prove();
}

static void renameat_of_one_object(void)
{
	act(PACE_EACH);
	does(T(renameat, .olddirfid = 0, .oldname = p9_str("h"), .newdirfid = 0,
	       .newname = p9_str("h2")));
	prove();
}

static void renameat_of_nothing(void)
{
	act(PACE_EACH);
	fails(ENOENT, T(renameat, .olddirfid = 0, .oldname = p9_str("missing"), .newdirfid = 0,
			.newname = p9_str("new")));
	prove();
}

static void unlinkat_file(void)
{
	lopen(1, "f", O_RDWR_);
	act(PACE_EACH);
	does(T(unlinkat, .dfid = 0, .name = p9_str("f")));
	does(T(read, .fid = 1, .count = 100));
	prove();
}

static void unlinkat_dir(void)
{
	act(PACE_EACH);
	does(T(unlinkat, .dfid = 0, .name = p9_str("e"), .flags = P9_AT_REMOVEDIR));
	prove();
}

static void unlinkat_of_the_wrong_kind(void)
{
	act(PACE_EACH);
	fails(EISDIR, T(unlinkat, .dfid = 0, .name = p9_str("e")));
	prove();
}

static void readdir_(void)
{
	lopen(1, NULL, O_RD);
	act(PACE_EACH);
	does(T(readdir, .fid = 1, .count = 4000));
	prove();
}

static void setattr_mode(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(setattr, .fid = 1, .valid = P9_SETATTR_MODE, .mode = 0421));
	prove();
}

static void setattr_size(void)
{
	lopen(1, "f", O_RDWR_);
	act(PACE_EACH);
	does(T(setattr, .fid = 1, .valid = P9_SETATTR_SIZE, .size = 3));
	prove();
}

static void getattr(void)
{
	act(PACE_EACH);
	does(T(getattr, .fid = 0));
	prove();
}

static void statfs_(void)
{
	act(PACE_EACH);
	does(T(statfs, .fid = 0));
	prove();
}

static void readlink_(void)
{
	does(walk(0, 1, "s"));
	act(PACE_EACH);
	does(T(readlink, .fid = 1));
	prove();
}

static void fsync_(void)
{
	lopen(1, "f", O_RDWR_);
	act(PACE_EACH);
	does(T(fsync, .fid = 1));
	prove();
}

static void xattrwalk(void)
{
	does(walk(0, 1, "k"));
	act(PACE_EACH);
	does(T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("user.a")));
	does(T(read, .fid = 2, .count = 100));
	prove();
}

static void xattrwalk_of_the_list(void)
{
	does(walk(0, 1, "k"));
	act(PACE_EACH);
	does(T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("")));
	prove();
}

static void xattrwalk_to_nothing(void)
{
	does(walk(0, 1, "k"));
	act(PACE_EACH);
	fails(ENODATA, T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str("user.b")));
	prove();
}

static void xattrcreate(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(xattrcreate, .fid = 1, .name = p9_str("user.b"), .size = 8));
	does(write_at(1, 0, "half"));
	does(write_at(1, 4, "half"));
	does(T(clunk, .fid = 1));
	prove();
}

static void lock_(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	act(PACE_EACH);
	does(lock(1, P9_LOCK_WRLCK, 1));
	does(lock(2, P9_LOCK_WRLCK, 1)); /* the same process: through the other's file */
	does(lock(2, P9_LOCK_WRLCK, 2)); /* another: "blocked" */
	does(T(getlock, .fid = 2, .type = P9_LOCK_UNLCK, .proc_id = 2, .client_id = p9_str("a")));
	prove();
}

static void unlock(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	does(lock(1, P9_LOCK_WRLCK, 1));
	act(PACE_EACH);
	does(lock(1, P9_LOCK_UNLCK, 1));
	does(lock(2, P9_LOCK_WRLCK, 2));
	prove();
}

static struct p9_msg lock_range(uint32_t fid, uint32_t proc_id, uint8_t type, uint64_t start,
				uint64_t length)
{
	struct p9_msg msg = lock(fid, type, proc_id);

	msg.Tlock.start = start;
	msg.Tlock.length = length;
	return msg;
}

/* What processes hold, as another one finds it through a fid of its own. */
static void find_locks(void)
{
	world->writing = PHASE_PROVE;
	does(walk(0, 3, "f"));
	does(T(lopen, .fid = 3, .flags = O_RDWR_));
	for (uint32_t i = 0; i < 30; i += 5)
		does(T(getlock, .fid = 3, .type = P9_LOCK_WRLCK, .start = i, .length = 5,
		       .proc_id = 9, .client_id = p9_str("a")));
}

static void locks_of_one_fid(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	does(lock_range(1, 1, P9_LOCK_RDLCK, 0, 20));
	does(lock_range(1, 2, P9_LOCK_RDLCK, 5, 5));
	does(lock_range(1, 3, P9_LOCK_RDLCK, 12, 3));
}

static void unlock_in_parts(void)
{
	locks_of_one_fid();
	act(PACE_EACH);
	does(lock_range(1, 1, P9_LOCK_UNLCK, 0, 0));
	does(lock_range(1, 2, P9_LOCK_RDLCK, 20, 5));
	find_locks();
	prove();
}

static void unlock_of_two_files(void)
{
	lopen(1, "f", O_RD);
	lopen(2, "f", O_RDWR_);
	does(lock_range(1, 1, P9_LOCK_RDLCK, 0, 10));
	does(lock_range(2, 1, P9_LOCK_WRLCK, 20, 10));
	act(PACE_EACH);
	does(lock_range(1, 1, P9_LOCK_UNLCK, 5, 0));
	find_locks();
	prove();
}

static void unlock_of_others_whole_file(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	does(lock(1, P9_LOCK_RDLCK, 1));
	does(lock(1, P9_LOCK_WRLCK, 2));
	act(PACE_EACH);
	does(lock(1, P9_LOCK_UNLCK, 3));
	does(lock(2, P9_LOCK_WRLCK, 4));
	prove();
}

static void clunk_of_a_locker(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	does(lock(1, P9_LOCK_WRLCK, 1));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	does(lock(2, P9_LOCK_WRLCK, 2));
	prove();
}

/* More nodes than descriptors, where handles work: which of them are without depends on what the
 * lives have used. */
static void crowd(void)
{
	world->evict_at = 3;
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	does(walk(0, 3, "g"));
	does(walk(0, 4, "e"));
	does(walk(0, 5, "h"));
	does(walk(0, 6, "k"));
}

static void walk_that_evicts(void)
{
	crowd();
	act(PACE_EACH);
	does(walk(0, 7, "s"));
	does(walk(0, 8, "p"));
	prove();
}

static void getattr_of_the_evicted(void)
{
	crowd();
	act(PACE_EACH);
	for (uint32_t fid = 1; fid < 7; fid++)
		does(T(getattr, .fid = fid));
	prove();
}

static void renameat_between_the_evicted(void)
{
	crowd();
	act(PACE_EACH);
	does(T(renameat, .olddirfid = 2, .oldname = p9_str("x"), .newdirfid = 4,
	       .newname = p9_str("y")));
	prove();
}

static void lopen_of_the_evicted(void)
{
	crowd();
	act(PACE_EACH);
	does(T(lopen, .fid = 1, .flags = O_RDWR_));
	does(write_at(1, 0, "text"));
	prove();
}

static void clunk_of_the_evicted(void)
{
	crowd();
	act(PACE_EACH);
	for (uint32_t fid = 1; fid < 7; fid++)
		does(T(clunk, .fid = fid));
	prove();
}

static void auth_that_is_refused(void)
{
	act(PACE_EACH);
	fails(ENOENT, T(auth, .afid = 1, .uname = p9_str(""), .aname = p9_str("")));
	prove();
}

/* ---- scripts: 9P2000.u and 9P2000 ---- */

static void opening(enum p9_dialect dialect, uint32_t fid, const char *name, uint8_t mode)
{
	speak(dialect);
	does(walk(0, fid, name));
	does(T(open, .fid = fid, .mode = mode));
}

static void walking(enum p9_dialect dialect, uint32_t fid, const char *name)
{
	speak(dialect);
	does(walk(0, fid, name));
}

static struct p9_msg create(const char *name, uint32_t perm, uint8_t mode, const char *extension)
{
	return T(create, .fid = 1, .name = p9_str(name), .perm = perm, .mode = mode,
		 .extension = p9_str(extension));
}

static struct p9_msg rename_to(const char *name)
{
	struct p9_msg msg = T(wstat, .fid = 1, .stat = untouched());

	msg.Twstat.stat.name = p9_str(name);
	return msg;
}

static void u_version(void)
{
	walking(P9_U, 1, "f");
	act(PACE_EACH);
	with_tag(P9_NOTAG);
	does(version_of(P9_U));
	prove();
}

static void u_version_of_another_dialect(void)
{
	walking(P9_U, 1, "f");
	act(PACE_EACH);
	does(version_of(P9_PLAIN));
	world->dialect = P9_PLAIN;
	fails(EBADF, T(stat, .fid = 1));
	prove();
}

static void u_version_that_keeps_the_root(void)
{
	walking(P9_U, 1, "f");
	does(T(attach, .newfid = 2, .uname = p9_str("root"), .aname = p9_str("root")));
	act(PACE_EACH);
	does(version_of(P9_U));
	does(walk(2, 3, "f"));
	prove();
}

static void u_version_that_removes(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	act(PACE_EACH);
	does(version_of(P9_U));
	prove();
}

static void u_illegal(void)
{
	speak(P9_U);
	act(PACE_EACH);
	fails(EOPNOTSUPP, T(getattr, .fid = 0));
	prove();
}

static void plain_attach(void)
{
	speak(P9_PLAIN);
	act(PACE_EACH);
	does(T(attach, .newfid = 1, .uname = p9_str("5"), .aname = p9_str("")));
	prove();
}

static void u_open(void)
{
	walking(P9_U, 1, "f");
	act(PACE_EACH);
	does(T(open, .fid = 1, .mode = P9_ORDWR | P9_OTRUNC));
	does(write_at(1, 0, "new"));
	prove();
}

static void u_open_dir(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	does(T(open, .fid = 1));
	fails(EISDIR, T(open, .fid = 0, .mode = P9_OWRITE));
	prove();
}

static void u_open_of_no_program(void)
{
	walking(P9_U, 1, "f");
	act(PACE_EACH);
	fails(EACCES, T(open, .fid = 1, .mode = P9_OEXEC));
	prove();
}

static void plain_open_that_will_remove(void)
{
	walking(P9_PLAIN, 1, "f");
	act(PACE_EACH);
	does(T(open, .fid = 1, .mode = P9_OREAD | P9_ORCLOSE));
	does(T(read, .fid = 1, .count = 100));
	prove();
}

static void u_create_file(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	does(create("new", 0640, P9_ORDWR, ""));
	does(write_at(1, 0, "text"));
	prove();
}

static void u_create_file_that_will_go(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	does(create("new", 0640, P9_ORDWR | P9_ORCLOSE, ""));
	does(write_at(1, 0, "text"));
	prove();
}

static void u_create_of_what_exists(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	fails(EEXIST, create("x", 0640, P9_ORDWR, ""));
	prove();
}

static void plain_create_dir(void)
{
	walking(P9_PLAIN, 1, "e");
	act(PACE_EACH);
	does(create("new", P9_DMDIR | 0777, P9_OREAD, ""));
	does(walk(1, 2, ".."));
	prove();
}

static void u_create_dir(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	does(create("new", P9_DMDIR | P9_DMSETGID | 0755, P9_OREAD, ""));
	does(T(read, .fid = 1, .count = 4000));
	prove();
}

static void u_create_symlink(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	does(create("new", P9_DMSYMLINK, 0, "target"));
	prove();
}

static void u_create_link(void)
{
	walking(P9_U, 1, "d");
	does(walk(0, 2, "f"));
	act(PACE_EACH);
	does(create("new", P9_DMLINK, 0, "2\n"));
	prove();
}

static void u_create_link_to_nothing(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	fails(EBADF, create("new", P9_DMLINK, 0, "9\n"));
	fails(EINVAL, create("new", P9_DMLINK, 0, "x"));
	prove();
}

static void u_create_fifo(void)
{
	walking(P9_U, 1, "d");
	act(PACE_EACH);
	does(create("new", P9_DMNAMEDPIPE | 0600, 0, ""));
	prove();
}

static void u_read_dir(void)
{
	opening(P9_U, 1, NULL, P9_OREAD);
	act(PACE_EACH);
	does(T(read, .fid = 1, .count = 4000));
	does(T(read, .fid = 1, .count = 4000));
	prove();
}

/* All entries have names of the same length, so each offset is known. */
static void plain_read_dir_in_pieces(void)
{
	const uint32_t one = 49 + 1 + 2; /* and a name of one letter, and owners "0" */

	opening(P9_PLAIN, 1, NULL, P9_OREAD);
	act(PACE_EACH);
	does(T(read, .fid = 1, .offset = 0, .count = 3 * one + 10));
	says(T(read, .fid = 1, .offset = 3 * one, .count = 2 * one + 1));
	says(T(read, .fid = 1, .offset = 5 * one, .count = 4000));
	says(T(read, .fid = 1, .offset = one, .count = one));
	fails(EINVAL, T(read, .fid = 1, .offset = 5, .count = 4000));
	prove();
}

static void u_stat(void)
{
	walking(P9_U, 1, "s");
	act(PACE_EACH);
	does(T(stat, .fid = 1));
	does(T(stat, .fid = 0));
	prove();
}

static void u_wstat_mode_and_size(void)
{
	struct p9_msg msg = rename_to("");

	walking(P9_U, 1, "f");
	msg.Twstat.stat.mode = 0421;
	msg.Twstat.stat.length = 3;
	msg.Twstat.stat.mtime = 5;
	act(PACE_EACH);
	does(msg);
	prove();
}

static void u_wstat_sync(void)
{
	walking(P9_U, 1, "f");
	act(PACE_EACH);
	does(rename_to(""));
	prove();
}

static void u_wstat_rename(void)
{
	walking(P9_U, 1, "f");
	act(PACE_EACH);
	does(rename_to("new"));
	prove();
}

static void u_wstat_rename_onto_another(void)
{
	walking(P9_U, 1, "f");
	does(walk(0, 2, "g"));
	act(PACE_EACH);
	does(rename_to("g"));
	prove();
}

static void u_wstat_rename_onto_its_other_name(void)
{
	walking(P9_U, 1, "h");
	act(PACE_EACH);
	does(rename_to("h2"));
	prove();
}

static void u_wstat_rename_onto_a_full_dir(void)
{
	struct p9_msg msg = rename_to("d");

	walking(P9_U, 1, "e");
	msg.Twstat.stat.mode = P9_DMDIR | 0711;
	act(PACE_EACH);
	fails(ENOTEMPTY, msg);
	prove();
}

static void plain_wstat_of_everything(void)
{
	struct p9_msg msg = rename_to("new");

	walking(P9_PLAIN, 1, "f");
	msg.Twstat.stat.mode = 0421;
	msg.Twstat.stat.length = 3;
	act(PACE_EACH);
	does(msg);
	prove();
}

static void plain_wstat_rename_onto_another(void)
{
	struct p9_msg msg = rename_to("g");

	walking(P9_PLAIN, 1, "f");
	msg.Twstat.stat.mode = 0421;
	act(PACE_EACH);
	fails(EEXIST, msg);
	prove();
}

static void u_clunk_that_removes_the_file(void)
{
	opening(P9_U, 1, "f", P9_ORDWR | P9_ORCLOSE);
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	fails(ENOENT, walk(0, 2, "f"));
	prove();
}

static void u_clunk_that_removes_one_of_two_names(void)
{
	opening(P9_U, 1, "h", P9_OREAD | P9_ORCLOSE);
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void u_clunk_of_what_was_removed_before(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	does(walk(0, 2, "f"));
	does(T(remove, .fid = 2));
	act(PACE_EACH);
	does(T(clunk, .fid = 1));
	prove();
}

static void u_remove_of_what_would_go(void)
{
	opening(P9_U, 1, "h", P9_OREAD | P9_ORCLOSE);
	act(PACE_EACH);
	does(T(remove, .fid = 1));
	prove();
}

static const struct script single[] = {
	{"version", version, false},
	{"version_unknown", version_unknown, false},
	{"attach", attach, false},
	{"walk_to_new_fid", walk_to_new_fid, false},
	{"walk_far", walk_far, false},
	{"walk_half_the_way", walk_half_the_way, false},
	{"walk_to_nothing", walk_to_nothing, false},
	{"walk_onto_itself", walk_onto_itself, false},
	{"walk_to_a_fid_in_use", walk_to_a_fid_in_use, false},
	{"clone", clone, false},
	{"lopen_file", lopen_file, false},
	{"lopen_truncating", lopen_truncating, false},
	{"lopen_dir", lopen_dir, false},
	{"lopen_twice", lopen_twice, false},
	{"lcreate_new", lcreate_new, false},
	{"lcreate_exclusive", lcreate_exclusive, false},
	{"lcreate_of_what_exists", lcreate_of_what_exists, false},
	{"lcreate_exclusive_of_what_exists", lcreate_exclusive_of_what_exists, false},
	{"read_file", read_file, false},
	{"read_in_place", read_in_place, false},
	{"read_in_place_of_nothing", read_in_place_of_nothing, false},
	{"write_file", write_file, false},
	{"append", append, false},
	{"write_without_right", write_without_right, false},
	{"clunk", clunk, false},
	{"clunk_of_a_clone", clunk_of_a_clone, false},
	{"clunk_of_an_open_file", clunk_of_an_open_file, false},
	{"clunk_that_stores", clunk_that_stores, true},
	{"clunk_that_replaces", clunk_that_replaces, true},
	{"clunk_that_removes", clunk_that_removes, true},
	{"clunk_before_all_is_written", clunk_before_all_is_written, true},
	{"remove_file", remove_file, false},
	{"remove_open_file", remove_open_file, false},
	{"remove_one_of_two_names", remove_one_of_two_names, false},
	{"remove_dir", remove_dir, false},
	{"remove_full_dir", remove_full_dir, false},
	{"mkdir", mkdir_, false},
	{"mkdir_of_what_exists", mkdir_of_what_exists, false},
	{"symlink", symlink_, false},
	{"mknod_fifo", mknod_fifo, false},
	{"link", link_, false},
	{"rename", rename_, false},
	{"rename_onto_another", rename_onto_another, false},
	{"renameat", renameat_, false},
	{"renameat_onto_another", renameat_onto_another, false},
	{"renameat_of_one_object", renameat_of_one_object, false},
	{"renameat_of_nothing", renameat_of_nothing, false},
	{"unlinkat_file", unlinkat_file, false},
	{"unlinkat_dir", unlinkat_dir, false},
	{"unlinkat_of_the_wrong_kind", unlinkat_of_the_wrong_kind, false},
	{"readdir", readdir_, false},
	{"setattr_mode", setattr_mode, false},
	{"setattr_size", setattr_size, false},
	{"getattr", getattr, false},
	{"statfs", statfs_, false},
	{"readlink", readlink_, false},
	{"fsync", fsync_, false},
	{"xattrwalk", xattrwalk, true},
	{"xattrwalk_of_the_list", xattrwalk_of_the_list, true},
	{"xattrwalk_to_nothing", xattrwalk_to_nothing, true},
	{"xattrcreate", xattrcreate, true},
	{"lock", lock_, false},
	{"unlock", unlock, false},
	{"unlock_in_parts", unlock_in_parts, false},
	{"unlock_of_two_files", unlock_of_two_files, false},
	{"unlock_of_others_whole_file", unlock_of_others_whole_file, false},
	{"clunk_of_a_locker", clunk_of_a_locker, false},
	{"walk_that_evicts", walk_that_evicts, false},
	{"getattr_of_the_evicted", getattr_of_the_evicted, false},
	{"renameat_between_the_evicted", renameat_between_the_evicted, false},
	{"lopen_of_the_evicted", lopen_of_the_evicted, false},
	{"clunk_of_the_evicted", clunk_of_the_evicted, false},
	{"auth_that_is_refused", auth_that_is_refused, false},
	{"u_version", u_version, false},
	{"u_version_of_another_dialect", u_version_of_another_dialect, false},
	{"u_version_that_keeps_the_root", u_version_that_keeps_the_root, false},
	{"u_version_that_removes", u_version_that_removes, false},
	{"u_illegal", u_illegal, false},
	{"plain_attach", plain_attach, false},
	{"u_open", u_open, false},
	{"u_open_dir", u_open_dir, false},
	{"u_open_of_no_program", u_open_of_no_program, false},
	{"plain_open_that_will_remove", plain_open_that_will_remove, false},
	{"u_create_file", u_create_file, false},
	{"u_create_file_that_will_go", u_create_file_that_will_go, false},
	{"u_create_of_what_exists", u_create_of_what_exists, false},
	{"plain_create_dir", plain_create_dir, false},
	{"u_create_dir", u_create_dir, false},
	{"u_create_symlink", u_create_symlink, false},
	{"u_create_link", u_create_link, false},
	{"u_create_link_to_nothing", u_create_link_to_nothing, false},
	{"u_create_fifo", u_create_fifo, false},
	{"u_read_dir", u_read_dir, false},
	{"plain_read_dir_in_pieces", plain_read_dir_in_pieces, false},
	{"u_stat", u_stat, false},
	{"u_wstat_mode_and_size", u_wstat_mode_and_size, false},
	{"u_wstat_sync", u_wstat_sync, false},
	{"u_wstat_rename", u_wstat_rename, false},
	{"u_wstat_rename_onto_another", u_wstat_rename_onto_another, false},
	{"u_wstat_rename_onto_its_other_name", u_wstat_rename_onto_its_other_name, false},
	{"u_wstat_rename_onto_a_full_dir", u_wstat_rename_onto_a_full_dir, false},
	{"plain_wstat_of_everything", plain_wstat_of_everything, false},
	{"plain_wstat_rename_onto_another", plain_wstat_rename_onto_another, false},
	{"u_clunk_that_removes_the_file", u_clunk_that_removes_the_file, false},
	{"u_clunk_that_removes_one_of_two_names", u_clunk_that_removes_one_of_two_names, false},
	{"u_clunk_of_what_was_removed_before", u_clunk_of_what_was_removed_before, false},
	{"u_remove_of_what_would_go", u_remove_of_what_would_go, false},
};

/* ---- scripts: where attributes stand in files ---- */

static void remove_and_make_again(void)
{
	does(walk(0, 1, "d"));
	does(walk(1, 2, "x"));
	does(walk(1, 99, "x")); /* keeps its number from being given again */
	act(PACE_EACH);
	does(T(remove, .fid = 2));
	does(T(symlink, .dfid = 1, .name = p9_str("x"), .target = p9_str("f")));
	does(walk(1, 3, "x"));
	prove();
}

static void rename_into_and_out_of(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	does(walk(2, 99, "x"));
	act(PACE_EACH);
	does(T(rename, .fid = 1, .dfid = 2, .name = p9_str("x")));
	does(make_dir(0, "f", 0710));
	does(walk(0, 4, "f"));
	does(T(rename, .fid = 4, .dfid = 2, .name = p9_str("new")));
	does(walk(2, 5, "x"));
	does(walk(2, 6, "new"));
	prove();
}

static void link_and_remove(void)
{
	does(walk(0, 1, "f"));
	act(PACE_EACH);
	does(T(link, .dfid = 0, .fid = 1, .name = p9_str("new")));
	does(T(remove, .fid = 1));
	does(walk(0, 2, "new"));
	does(T(mknod, .dfid = 0, .name = p9_str("f"), .mode = S_IFIFO | 0600));
	does(walk(0, 3, "f"));
	prove();
}

static const struct script in_files[] = {
	{"lcreate_new", lcreate_new, false},
	{"lcreate_exclusive", lcreate_exclusive, false},
	{"remove_file", remove_file, false},
	{"remove_open_file", remove_open_file, false},
	{"remove_one_of_two_names", remove_one_of_two_names, false},
	{"remove_dir", remove_dir, false},
	{"remove_full_dir", remove_full_dir, false},
	{"remove_and_make_again", remove_and_make_again, false},
	{"mkdir", mkdir_, false},
	{"symlink", symlink_, false},
	{"mknod_fifo", mknod_fifo, false},
	{"link", link_, false},
	{"link_and_remove", link_and_remove, false},
	{"rename", rename_, false},
	{"rename_onto_another", rename_onto_another, false},
	{"rename_into_and_out_of", rename_into_and_out_of, false},
	{"renameat", renameat_, false},
	{"renameat_onto_another", renameat_onto_another, false},
	{"renameat_of_one_object", renameat_of_one_object, false},
	{"unlinkat_file", unlinkat_file, false},
	{"unlinkat_dir", unlinkat_dir, false},
	{"setattr_mode", setattr_mode, false},
	{"u_create_file_that_will_go", u_create_file_that_will_go, false},
	{"u_create_dir", u_create_dir, false},
	{"u_create_symlink", u_create_symlink, false},
	{"u_create_link", u_create_link, false},
	{"u_wstat_rename", u_wstat_rename, false},
	{"u_wstat_rename_onto_another", u_wstat_rename_onto_another, false},
	{"u_wstat_rename_onto_its_other_name", u_wstat_rename_onto_its_other_name, false},
	{"u_wstat_rename_onto_a_full_dir", u_wstat_rename_onto_a_full_dir, false},
	{"u_clunk_that_removes_the_file", u_clunk_that_removes_the_file, false},
	{"u_clunk_that_removes_one_of_two_names", u_clunk_that_removes_one_of_two_names, false},
	{"u_remove_of_what_would_go", u_remove_of_what_would_go, false},
};

/* ---- scripts: several at once ---- */

static void lock_in_the_way(void)
{
	lopen(1, "f", O_RDWR_);
	lopen(2, "f", O_RDWR_);
	does(lock(1, P9_LOCK_WRLCK, 1));
}

static struct p9_msg waiting_lock(void)
{
	struct p9_msg msg = lock(2, P9_LOCK_WRLCK, 2);

	msg.Tlock.flags = P9_LOCK_BLOCK;
	return msg;
}

static void lock_that_waits(void)
{
	lock_in_the_way();
	act(PACE_LATE_PUT);
	does(waiting_lock());
	does(T(getattr, .fid = 1));
	does(lock(1, P9_LOCK_UNLCK, 1));
	does(T(getattr, .fid = 2));
	prove();
}

/* What the one unlocks is what the other waits for; and a third one unlocks, too. */
static void unlock_beside_a_lock_that_waits(void)
{
	struct p9_msg waits = lock_range(1, 2, P9_LOCK_RDLCK, 5, 20);

	locks_of_one_fid();
	does(T(lock, .fid = 2, .type = P9_LOCK_WRLCK, .start = 20, .proc_id = 9,
	       .client_id = p9_str("a")));
	waits.Tlock.flags = P9_LOCK_BLOCK;
	act(PACE_LATE_PUT);
	does(waits);
	does(T(getattr, .fid = 1));
	does(lock_range(1, 1, P9_LOCK_UNLCK, 0, 0));
	does(lock_range(1, 3, P9_LOCK_UNLCK, 0, 0));
	does(T(lock, .fid = 2, .type = P9_LOCK_UNLCK, .proc_id = 9, .client_id = p9_str("a")));
	does(T(getattr, .fid = 2));
	prove();
}

static void locks_and_unlocks_at_once(void)
{
	locks_of_one_fid();
	act(PACE_TOGETHER);
	does(lock_range(1, 1, P9_LOCK_UNLCK, 0, 0));
	does(lock_range(1, 4, P9_LOCK_RDLCK, 10, 10));
	does(lock_range(1, 2, P9_LOCK_UNLCK, 0, 8));
	does(lock_range(1, 4, P9_LOCK_UNLCK, 12, 1));
	find_locks();
	prove();
}

static void lock_that_waits_for_a_clunk(void)
{
	lock_in_the_way();
	act(PACE_TOGETHER);
	does(waiting_lock());
	does(T(clunk, .fid = 1));
	prove();
}

static void flush_of_a_lock_that_waits(void)
{
	lock_in_the_way();
	act(PACE_LATE_PUT);
	with_tag(7);
	unanswered(waiting_lock());
	does(T(flush, .oldtag = 7));
	does(lock(1, P9_LOCK_UNLCK, 1));
	does(lock(1, P9_LOCK_WRLCK, 1)); /* nobody has it */
	prove();
}

static void clunk_of_a_fid_that_waits(void)
{
	lock_in_the_way();
	act(PACE_LATE_PUT);
	fails(EBADF, waiting_lock());
	does(T(clunk, .fid = 2));
	prove();
}

static void version_while_a_lock_waits(void)
{
	lock_in_the_way();
	act(PACE_LATE_PUT);
	unanswered(waiting_lock());
	with_tag(P9_NOTAG);
	does(T(version, .msize = MSIZE, .version = p9_str("9P2000.L")));
	prove();
}

static void parked_requests(void)
{
	does(walk(0, 1, "f"));
	act(PACE_TOGETHER);
	does(T(lopen, .fid = 1));
	fails(EINVAL, T(lopen, .fid = 1));
	fails(EINVAL, lcreate(1, "new", O_RDWR_, 0600));
	prove();
}

static void parked_listings(void)
{
	lopen(1, NULL, O_RD);
	act(PACE_TOGETHER);
	does(T(readdir, .fid = 1, .count = 4000));
	does(T(readdir, .fid = 1, .count = 4000));
	does(T(readdir, .fid = 1, .count = 4000));
	prove();
}

static void parked_behind_a_fid_that_is_clunked(void)
{
	does(walk(0, 1, "f"));
	act(PACE_TOGETHER);
	does(T(lopen, .fid = 1));
	fails(EBADF, T(lopen, .fid = 1));
	does(T(clunk, .fid = 1));
	prove();
}

static void reads_in_place_among_others(void)
{
	lopen(1, "f", O_RDWR_);
	act(PACE_HERE);
	does(T(read, .fid = 1, .count = 100));
	does(write_at(1, 0, "other"));
	does(T(read, .fid = 1, .count = 3));
	does(T(statfs, .fid = 0));
	does(T(read, .fid = 1, .offset = 2, .count = 100));
	does(T(clunk, .fid = 1));
	fails(EBADF, T(read, .fid = 1, .count = 100));
	prove();
}

static void read_of_a_clunked_fid(void)
{
	lopen(1, "f", O_RD);
	act(PACE_TOGETHER);
	does(T(read, .fid = 1, .count = 100));
	does(T(statfs, .fid = 0)); /* something in between */
	does(T(clunk, .fid = 1));
	does(walk(0, 1, "g"));
	prove();
}

static void write_of_a_fid_removed_meanwhile(void)
{
	lopen(1, "f", O_RDWR_ | P9_O_APPEND);
	act(PACE_LATE_FINISH);
	does(write_at(1, 0, "more"));
	does(T(remove, .fid = 1));
	prove();
}

static void flush_of_an_asked_request(void)
{
	act(PACE_TOGETHER);
	with_tag(7);
	unanswered(make_dir(0, "new", 0755));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_a_parked_request(void)
{
	does(walk(0, 1, "f"));
	act(PACE_TOGETHER);
	does(T(lopen, .fid = 1));
	with_tag(7);
	unanswered(T(lopen, .fid = 1));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_an_answered_request(void)
{
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(make_dir(0, "new", 0755));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_a_reply_on_its_way(void)
{
	act(PACE_LATE_PUT);
	with_tag(7);
	unanswered(make_dir(0, "new", 0755));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_a_reply_that_is_gone(void)
{
	act(PACE_EACH);
	with_tag(7);
	does(make_dir(0, "new", 0755));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_an_open(void)
{
	does(walk(0, 1, "f"));
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(T(lopen, .fid = 1));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_a_walk(void)
{
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(walk(0, 1, "f"));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_a_read_of_a_clunked_fid(void)
{
	lopen(1, "f", O_RD);
	act(PACE_TOGETHER);
	with_tag(7);
	unanswered(T(read, .fid = 1, .count = 100));
	does(T(clunk, .fid = 1));
	does(T(flush, .oldtag = 7));
	prove();
}

static void flush_of_a_clunk(void)
{
	lopen(1, "f", O_RD);
	act(PACE_TOGETHER);
	with_tag(7);
	unanswered(T(clunk, .fid = 1));
	does(T(flush, .oldtag = 7));
	prove();
}

static void two_flushes(void)
{
	act(PACE_TOGETHER);
	with_tag(7);
	unanswered(make_dir(0, "new", 0755));
	does(T(flush, .oldtag = 7));
	does(T(flush, .oldtag = 7));
	prove();
}

static void tag_used_twice(void)
{
	act(PACE_TOGETHER);
	with_tag(7);
	does(T(statfs, .fid = 0));
	with_tag(7);
	does(T(statfs, .fid = 0));
	prove();
}

static void tag_of_a_read_of_a_clunked_fid_used_again(void)
{
	lopen(1, "f", O_RD);
	act(PACE_TOGETHER);
	with_tag(7);
	does(T(statfs, .fid = 1));
	does(T(clunk, .fid = 1));
	with_tag(7);
	does(T(statfs, .fid = 0));
	prove();
}

static void version_while_others_are_asked(void)
{
	lopen(1, "f", O_RDWR_ | P9_O_APPEND);
	does(walk(0, 2, "g"));
	act(PACE_TOGETHER);
	unanswered(write_at(1, 0, "never"));
	unanswered(T(lopen, .fid = 2));
	unanswered(T(lopen, .fid = 2));
	with_tag(P9_NOTAG);
	does(T(version, .msize = MSIZE, .version = p9_str("9P2000.L")));
	prove();
}

static void order_of_arrival(void)
{
	lopen(1, "f", O_RDWR_ | P9_O_APPEND);
	act(PACE_TOGETHER);
	for (char letter[2] = "a"; letter[0] <= 'f'; letter[0]++)
		does(write_at(1, 0, letter));
	prove();
}

static void order_of_what_waits(void)
{
	does(walk(0, 1, "d"));
	act(PACE_TOGETHER);
	does(lcreate(1, "first", O_RDWR_, 0600));
	fails(EINVAL, lcreate(1, "second", O_RDWR_, 0600));
	fails(EINVAL, T(lopen, .fid = 1));
	prove();
}

static void two_walks_to_one_fid(void)
{
	act(PACE_TOGETHER);
	does(walk(0, 1, "f"));
	does(walk(0, 1, "g"));
	prove();
}

static void dir_that_becomes_a_file(void)
{
	does(walk(0, 1, "d"));
	act(PACE_REVERSED);
	does(make_dir(1, "made", 0755));
	does(lcreate(1, "new", O_RDWR_, 0600));
	prove();
}

static void slots_that_are_used_again(void)
{
	act(PACE_LAGGING);
	for (uint32_t fid = 1; fid < 6; fid++)
		does(walk(0, fid, "f"));
	prove();
}

static void many_replies_at_once(void)
{
	act(PACE_LATE_PUT);
	for (uint32_t fid = 1; fid < 8; fid++)
		does(walk(0, fid, "f"));
	prove();
}

static void u_flush_of_a_clunk_that_removes(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	act(PACE_TOGETHER);
	with_tag(7);
	unanswered(T(clunk, .fid = 1));
	does(T(flush, .oldtag = 7));
	prove();
}

static void u_flush_of_a_clunk_that_has_removed(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(T(clunk, .fid = 1));
	does(T(flush, .oldtag = 7));
	prove();
}

static void u_flush_of_a_create(void)
{
	walking(P9_U, 1, "d");
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(create("new", P9_DMDIR | 0755, P9_OREAD, ""));
	does(T(flush, .oldtag = 7));
	prove();
}

static void u_read_of_what_is_removed_at_its_clunk(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	act(PACE_TOGETHER);
	does(T(read, .fid = 1, .count = 100));
	does(T(clunk, .fid = 1));
	prove();
}

static void u_version_while_others_are_asked(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	act(PACE_TOGETHER);
	unanswered(T(read, .fid = 1, .count = 100));
	unanswered(T(clunk, .fid = 1));
	with_tag(P9_NOTAG);
	does(version_of(P9_U));
	prove();
}

static void u_parked_listings(void)
{
	opening(P9_U, 1, NULL, P9_OREAD);
	act(PACE_TOGETHER);
	does(T(read, .fid = 1, .count = 4000));
	does(T(read, .fid = 1, .count = 4000));
	does(T(read, .fid = 1, .count = 4000));
	prove();
}

static const struct script several[] = {
	{"unlock_beside_a_lock_that_waits", unlock_beside_a_lock_that_waits, false},
	{"locks_and_unlocks_at_once", locks_and_unlocks_at_once, false},
	{"lock_that_waits", lock_that_waits, false},
	{"lock_that_waits_for_a_clunk", lock_that_waits_for_a_clunk, false},
	{"flush_of_a_lock_that_waits", flush_of_a_lock_that_waits, false},
	{"clunk_of_a_fid_that_waits", clunk_of_a_fid_that_waits, false},
	{"version_while_a_lock_waits", version_while_a_lock_waits, false},
	{"parked_requests", parked_requests, false},
	{"parked_listings", parked_listings, false},
	{"parked_behind_a_fid_that_is_clunked", parked_behind_a_fid_that_is_clunked, false},
	{"reads_in_place_among_others", reads_in_place_among_others, false},
	{"read_of_a_clunked_fid", read_of_a_clunked_fid, false},
	{"write_of_a_fid_removed_meanwhile", write_of_a_fid_removed_meanwhile, false},
	{"flush_of_an_asked_request", flush_of_an_asked_request, false},
	{"flush_of_a_parked_request", flush_of_a_parked_request, false},
	{"flush_of_an_answered_request", flush_of_an_answered_request, false},
	{"flush_of_a_reply_on_its_way", flush_of_a_reply_on_its_way, false},
	{"flush_of_a_reply_that_is_gone", flush_of_a_reply_that_is_gone, false},
	{"flush_of_an_open", flush_of_an_open, false},
	{"flush_of_a_walk", flush_of_a_walk, false},
	{"flush_of_a_read_of_a_clunked_fid", flush_of_a_read_of_a_clunked_fid, false},
	{"flush_of_a_clunk", flush_of_a_clunk, false},
	{"two_flushes", two_flushes, false},
	{"tag_used_twice", tag_used_twice, false},
	{"tag_of_a_read_of_a_clunked_fid_used_again", tag_of_a_read_of_a_clunked_fid_used_again,
	 false},
	{"version_while_others_are_asked", version_while_others_are_asked, false},
	{"order_of_arrival", order_of_arrival, false},
	{"order_of_what_waits", order_of_what_waits, false},
	{"two_walks_to_one_fid", two_walks_to_one_fid, false},
	{"dir_that_becomes_a_file", dir_that_becomes_a_file, false},
	{"slots_that_are_used_again", slots_that_are_used_again, false},
	{"many_replies_at_once", many_replies_at_once, false},
	{"u_flush_of_a_clunk_that_removes", u_flush_of_a_clunk_that_removes, false},
	{"u_flush_of_a_clunk_that_has_removed", u_flush_of_a_clunk_that_has_removed, false},
	{"u_flush_of_a_create", u_flush_of_a_create, false},
	{"u_read_of_what_is_removed_at_its_clunk", u_read_of_what_is_removed_at_its_clunk, false},
	{"u_version_while_others_are_asked", u_version_while_others_are_asked, false},
	{"u_parked_listings", u_parked_listings, false},
};

/* ---- scripts: the client gives something up when it is half done ---- */

/* The request, and its Tflush as soon as this object is there, or is `gone`. */
static void flush_half_way(struct p9_msg msg, const char *object, bool gone)
{
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(msg);
	meanwhile(object, gone);
	does(T(flush, .oldtag = 7));
}

static void half_way_symlink(void)
{
	flush_half_way(T(symlink, .dfid = 0, .name = p9_str("new"), .target = p9_str("target")),
		       "new", false);
	prove();
}

static void half_way_mkdir(void)
{
	flush_half_way(make_dir(0, "new", 0755), "new", false);
	prove();
}

static void half_way_mknod(void)
{
	flush_half_way(T(mknod, .dfid = 0, .name = p9_str("new"), .mode = S_IFIFO | 0600), "new",
		       false);
	prove();
}

static void half_way_create(void)
{
	does(walk(0, 1, NULL));
	does(walk(0, 2, NULL));
	flush_half_way(lcreate(1, "new", O_RDWR_, 0640), "new", false);
	does(T(clunk, .fid = 1));
	prove();
}

static void half_way_exclusive_create(void)
{
	does(walk(0, 1, NULL));
	flush_half_way(lcreate(1, "new", O_RDWR_ | P9_O_EXCL, 0640), "new", false);
	prove();
}

static void half_way_link(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	flush_half_way(T(link, .dfid = 2, .fid = 1, .name = p9_str("new")), "d/new", false);
	does(T(clunk, .fid = 2));
	prove();
}

static void half_way_renameat(void)
{
	does(walk(0, 1, "d"));
	flush_half_way(T(renameat, .olddirfid = 1, .oldname = p9_str("x"), .newdirfid = 0,
			 .newname = p9_str("new")),
		       "d/x", true);
	prove();
}

/* Its fids are held by nobody else. */
static void half_way_rename_and_version(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	act(PACE_LATE_FINISH);
	unanswered(T(rename, .fid = 1, .dfid = 2, .name = p9_str("x")));
	meanwhile("f", true);
	with_tag(P9_NOTAG);
	does(version_of(P9_L));
	prove();
}

static void half_way_renameat_and_version_of_another_dialect(void)
{
	act(PACE_LATE_FINISH);
	unanswered(T(renameat, .olddirfid = 0, .oldname = p9_str("f"), .newdirfid = 0,
		     .newname = p9_str("new")));
	meanwhile("f", true);
	with_tag(P9_NOTAG);
	does(version_of(P9_U));
	world->dialect = P9_U;
	prove();
}

static void half_way_renameat_and_no_version(void)
{
	act(PACE_LATE_FINISH);
	unanswered(T(renameat, .olddirfid = 0, .oldname = p9_str("f"), .newdirfid = 0,
		     .newname = p9_str("new")));
	meanwhile("f", true);
	with_tag(P9_NOTAG);
	does(T(version, .msize = MSIZE, .version = p9_str("9P1")));
}

static void half_way_unlinkat(void)
{
	flush_half_way(T(unlinkat, .dfid = 0, .name = p9_str("f")), "f", true);
	prove();
}

static void half_way_remove(void)
{
	does(walk(0, 1, "e"));
	flush_half_way(T(remove, .fid = 1), "e", true);
	prove();
}

/* The tag is another request's by the time of a successor. */
static void half_way_rename_and_its_tag(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	act(PACE_LATE_FINISH);
	with_tag(7);
	unanswered(T(rename, .fid = 1, .dfid = 2, .name = p9_str("x")));
	meanwhile("f", true);
	with_tag(7);
	does(T(statfs, .fid = 0));
	prove();
}

static void half_way_wstat(void)
{
	struct p9_msg msg = rename_to("new");

	walking(P9_U, 1, "f");
	msg.Twstat.stat.mode = 0421;
	flush_half_way(msg, "f", true);
	prove();
}

static const struct script half_way[] = {
	{"half_way_symlink", half_way_symlink, false},
	{"half_way_mkdir", half_way_mkdir, false},
	{"half_way_mknod", half_way_mknod, false},
	{"half_way_create", half_way_create, false},
	{"half_way_exclusive_create", half_way_exclusive_create, false},
	{"half_way_link", half_way_link, false},
	{"half_way_renameat", half_way_renameat, false},
	{"half_way_rename_and_version", half_way_rename_and_version, false},
	{"half_way_rename_and_its_tag", half_way_rename_and_its_tag, false},
	{"half_way_renameat_and_version_of_another_dialect",
	 half_way_renameat_and_version_of_another_dialect, false},
	{"half_way_renameat_and_no_version", half_way_renameat_and_no_version, false},
	{"half_way_unlinkat", half_way_unlinkat, false},
	{"half_way_remove", half_way_remove, false},
	{"half_way_wstat", half_way_wstat, false},
};

/* ---- running a script ---- */

/* Where each life is killed (see struct world). Those after the last are not. */
struct plan {
	struct {
		bool at_stores;
		uint32_t from, death; /* 0: it is not */
	} life[CHAIN_MAX];
};

static void plan_life(const struct plan *plan, unsigned life)
{
	world->death = 0;
	if (life >= CHAIN_MAX)
		return;
	world->at_stores = plan->life[life].at_stores;
	world->from = plan->life[life].from;
	world->death = plan->life[life].death;
}

static char *text_end(FILE *to, char **text)
{
	fclose(to);
	return *text;
}

/* What came of it, for free(). `died`: how many did. World::failures tells the rest. */
static char *run(const struct script *script, const struct plan *plan, bool expected,
		 unsigned *died)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int life;

	world_reset();
	script->write();
	*died = 0;
	do {
		plan_life(plan, *died);
		life = life_run(PHASE_ACT);
		*died += life > 0;
	} while (life > 0);
	if (life == 0) {
		world_tell_state(to);
		if (life_run(PHASE_PROVE) == 0)
			world_tell_replies(to, expected);
		world_tell_state(to);
	}
	return text_end(to, &text);
}

static void tell_difference(const char *is, const char *should)
{
	size_t same = 0, line = 0;

	for (; is[same] != '\0' && is[same] == should[same]; same++)
		line = is[same] == '\n' ? same + 1 : line;
	printf("      is        %.*s\n", (int)strcspn(is + line, "\n"), is + line);
	printf("      should be %.*s\n", (int)strcspn(should + line, "\n"), should + line);
}

static bool judge(const struct script *script, const char *is, const char *should)
{
	bool ok = world->failures == 0 && strcmp(is, should) == 0;

	if (ok)
		return true;
	printf("    %s, killed at %s:\n", script->name, world->place);
	if (world->failures > 0)
		printf("      %s\n", world->failure);
	else
		tell_difference(is, should);
	return false;
}

static bool try(const struct script *script, const struct plan *plan, const char *should,
		unsigned *died)
{
	char *is = run(script, plan, false, died);
	bool ok = judge(script, is, should);

	free(is);
	return ok;
}

/* Undisturbed. `visits`: instants there are. */
static char *undisturbed(const struct script *script, uint32_t *visits)
{
	const struct plan plan = {.life[0].death = 0};
	unsigned died;
	char *text = run(script, &plan, true, &died);

	*visits = world->visits;
	if (world->failures > 0)
		printf("    %s, undisturbed: %s\n", script->name, world->failure);
	CU_ASSERT_EQUAL(world->failures, 0);
	return text;
}

/* A way to kill: `points` of them are visited by a life that is not. */
typedef unsigned killing(const struct script *script, const char *should, uint32_t points);

static void each_with(enum fs_model model, const struct script *scripts, size_t count,
		      killing *kill)
{
	const char *only = getenv("RECOVER_SCRIPTS"); /* those whose names contain it */

	world_open();
	world->model = model;
	for (size_t i = 0; i < count; i++) {
		uint32_t points;
		char *should;

		world_reset();
		if ((scripts[i].xattrs && !world_has_xattrs()) ||
		    (only != NULL && strstr(scripts[i].name, only) == NULL))
			continue;
		should = undisturbed(&scripts[i], &points);
		CU_ASSERT_EQUAL(kill(&scripts[i], should, points), 0);
		free(should);
	}
	world_close();
}

static void each(const struct script *scripts, size_t count, killing *kill)
{
	each_with(FS_MODEL_NONE, scripts, count, kill);
}

static void each_in_files(killing *kill)
{
	each_with(FS_MODEL_MAPPED_FILE, in_files, countof(in_files), kill);
}

/* One death, at each instant that `plan` leaves open for this life. How many went wrong. */
static unsigned at_each(const struct script *script, struct plan *plan, unsigned life,
			const char *should)
{
	uint32_t *death = &plan->life[life].death;
	uint32_t stride = plan->life[life].at_stores ? STORES_STEP : 1;
	unsigned died, bad = 0;

	/* With a stride, each stretch between two points begins with another store. */
	*death = 1 + plan->life[life].from % stride - stride;
	do {
		*death += stride;
		bad += !try(script, plan, should, &died);
	} while (died > life && bad < REPORTS_MAX);
	return bad;
}

static unsigned once_at_points(const struct script *script, const char *should, uint32_t points)
{
	struct plan plan = {.life[0].at_stores = false};

	(void)points;
	return at_each(script, &plan, 0, should);
}

static unsigned once_at_stores(const struct script *script, const char *should, uint32_t points)
{
	struct plan plan = {.life[0].at_stores = true};
	uint32_t *from = &plan.life[0].from;
	unsigned bad = 0;

	for (*from = 0; *from <= points && bad < REPORTS_MAX; ++*from)
		bad += at_each(script, &plan, 0, should);
	return bad;
}

/* The second at each point of a successor. */
static unsigned twice_at_points(const struct script *script, const char *should, uint32_t points)
{
	struct plan plan = {.life[0].at_stores = false};
	uint32_t *death = &plan.life[0].death;
	unsigned bad = 0;

	for (*death = 1; *death <= points && bad < REPORTS_MAX; *death += TWICE_STEP)
		bad += at_each(script, &plan, 1, should);
	return bad;
}

/* Successors die while they take up what their predecessors left. */
static unsigned many_times(const struct script *script, const char *should, uint32_t points)
{
	struct plan plan;
	unsigned died, bad = 0;

	srand(1);
	for (unsigned i = 0; i < CHAINS && bad < REPORTS_MAX; i++) {
		for (size_t k = 0; k < CHAIN_MAX; k++) {
			plan.life[k].at_stores = death_can_step() && rand() % 2 == 0;
			plan.life[k].from = (uint32_t)rand() % points;
			plan.life[k].death = 1 + (uint32_t)rand() % points;
		}
		bad += !try(script, &plan, should, &died);
	}
	return bad;
}

/* ---- tests ---- */

static bool sees_stores(void)
{
	if (!death_can_step())
		test_skip("stores are not to be seen on this machine");
	return death_can_step();
}

static void request_survives_a_death_at_each_point(void)
{
	each(single, countof(single), once_at_points);
}

static void request_survives_a_death_at_each_store(void)
{
	if (!sees_stores())
		return;
	each(single, countof(single), once_at_stores);
}

static void request_survives_two_deaths(void)
{
	each(single, countof(single), twice_at_points);
}

static void request_survives_many_deaths(void)
{
	each(single, countof(single), many_times);
}

static void requests_at_once_survive_a_death_at_each_point(void)
{
	each(several, countof(several), once_at_points);
}

static void requests_at_once_survive_a_death_at_each_store(void)
{
	if (!sees_stores())
		return;
	each(several, countof(several), once_at_stores);
}

static void requests_at_once_survive_many_deaths(void)
{
	each(several, countof(several), many_times);
}

static void attributes_in_files_survive_a_death_at_each_point(void)
{
	each_in_files(once_at_points);
}

static void attributes_in_files_survive_a_death_at_each_store(void)
{
	if (!sees_stores())
		return;
	each_in_files(once_at_stores);
}

static void attributes_in_files_survive_two_deaths(void)
{
	each_in_files(twice_at_points);
}

static void attributes_in_files_survive_many_deaths(void)
{
	each_in_files(many_times);
}

static void each_half_way(killing *kill)
{
	each_with(FS_MODEL_NONE, half_way, countof(half_way), kill);
	each_with(FS_MODEL_MAPPED_FILE, half_way, countof(half_way), kill);
}

static void given_up_half_way_survives_a_death_at_each_point(void)
{
	each_half_way(once_at_points);
}

static void given_up_half_way_survives_a_death_at_each_store(void)
{
	if (!sees_stores())
		return;
	each_half_way(once_at_stores);
}

static void given_up_half_way_survives_two_deaths(void)
{
	each_half_way(twice_at_points);
}

static void given_up_half_way_survives_many_deaths(void)
{
	each_half_way(many_times);
}

static void visit_points(enum fs_model model, const struct script *scripts, size_t count)
{
	uint32_t visits;

	world->model = model;
	for (size_t i = 0; i < count; i++) {
		world_reset();
		if (!scripts[i].xattrs || world_has_xattrs())
			free(undisturbed(&scripts[i], &visits));
	}
}

/* A point that no script comes to is one at which nobody was ever killed. Those of mapped-xattr
 * are for tests/sim/crash_points.sh. */
static void scripts_come_to_each_point(void)
{
	const char *file;
	uint32_t line;

	world_open();
	visit_points(FS_MODEL_NONE, single, countof(single));
	visit_points(FS_MODEL_MAPPED_FILE, in_files, countof(in_files));
	for (size_t i = 0; (file = death_point(i, &line)) != NULL && i < POINTS_MAX; i++) {
		if (strncmp(file, "fs/mapped_xattr", strlen("fs/mapped_xattr")) == 0)
			continue;
		if (world->visited[i] == 0)
			printf("    never: %s:%u\n", file, line);
		CU_ASSERT(world->visited[i] > 0);
	}
	world_close();
}

/* ---- the table is lost ---- */

static bool handles_work(void)
{
	const struct p9_msg probe = T(getattr, .fid = 0);
	bool work;

	world_reset();
	act(PACE_EACH);
	does(probe);
	prove();
	work = life_run(PHASE_ACT) == 0;
	world_lose_table();
	return work && life_run(PHASE_PROVE) == 0 && world->stale == 0;
}

/* What a client finds when everybody died. */
static void after_loss(unsigned stale, void (*setup)(void), void (*proof)(void))
{
	world_reset();
	setup();
	world->writing = PHASE_PROVE;
	proof();
	CU_ASSERT_EQUAL(life_run(PHASE_ACT), 0);
	world_lose_table();
	CU_ASSERT_EQUAL(life_run(PHASE_PROVE), 0);
	CU_ASSERT_EQUAL(world->stale, stale);
	world_tell_replies(NULL, true);
	if (world->failures > 0)
		printf("    %s\n", world->failure);
	CU_ASSERT_EQUAL(world->failures, 0);
}

static void with_all_sorts(void)
{
	does(walk(0, 1, "f"));
	lopen(2, "f", O_RDWR_ | P9_O_APPEND);
	lopen(3, "d", O_RD);
	does(walk(3, 4, "x"));
	does(walk(0, 5, "s"));
	does(walk(0, 6, "p"));
	does(lcreate(6, "new", O_RDWR_ | P9_O_EXCL, 0600));
	does(write_at(6, 0, "text"));
	act(PACE_EACH);
	does(T(renameat, .olddirfid = 0, .oldname = p9_str("f"), .newdirfid = 0,
	       .newname = p9_str("moved")));
}

static void all_sorts_work(void)
{
	does(T(getattr, .fid = 0));
	does(T(getattr, .fid = 1));
	does(T(lopen, .fid = 1));
	does(T(read, .fid = 1, .count = 100));
	does(write_at(2, 0, "more"));
	does(T(readdir, .fid = 3, .count = 4000));
	does(T(getattr, .fid = 4));
	does(T(readlink, .fid = 5));
	does(T(read, .fid = 6, .count = 100));
	does(write_at(6, 4, "more"));
	does(walk(0, 7, "moved"));
	for (uint32_t fid = 0; fid < 8; fid++)
		does(T(clunk, .fid = fid));
}

static void with_unlinked_ones(void)
{
	does(walk(0, 1, "f"));
	lopen(2, "f", O_RDWR_);
	lopen(3, "e", O_RD);
	lopen(4, "h", O_RDWR_);
	act(PACE_EACH);
	does(T(unlinkat, .dfid = 0, .name = p9_str("f")));
	does(T(unlinkat, .dfid = 0, .name = p9_str("e"), .flags = P9_AT_REMOVEDIR));
	does(T(unlinkat, .dfid = 0, .name = p9_str("h")));
}

static void unlinked_ones_are_stale(void)
{
	fails(ESTALE, T(getattr, .fid = 1));
	fails(ESTALE, walk(1, 9, NULL));
	fails(ESTALE, T(lopen, .fid = 1));
	fails(ESTALE, T(read, .fid = 2, .count = 100));
	fails(ESTALE, write_at(2, 0, "text"));
	fails(ESTALE, T(readdir, .fid = 3, .count = 4000));
	does(T(read, .fid = 4, .count = 100)); /* it has a name left */
	for (uint32_t fid = 1; fid < 5; fid++)
		does(T(clunk, .fid = fid));
	does(walk(0, 1, "g"));
	does(T(getattr, .fid = 1));
	does(T(clunk, .fid = 1));
	does(T(clunk, .fid = 0));
}

static void with_one_that_will_go(void)
{
	opening(P9_U, 1, "f", P9_OREAD | P9_ORCLOSE);
	opening(P9_U, 2, "d", P9_OREAD);
	does(walk(0, 1, "g"));
	does(T(open, .fid = 1, .mode = P9_OREAD | P9_ORCLOSE));
	act(PACE_EACH);
	does(T(read, .fid = 2, .count = 4000));
}

static void it_goes(void)
{
	does(T(read, .fid = 1, .count = 100));
	does(T(read, .fid = 2, .count = 4000));
	does(T(clunk, .fid = 1));
	fails(ENOENT, walk(0, 3, "g"));
	fails(ENOENT, walk(0, 3, "f"));
	does(T(clunk, .fid = 2));
	does(T(clunk, .fid = 0));
}

static void requests_under_way(void)
{
	lopen(1, "f", O_RDWR_ | P9_O_APPEND);
	lopen(2, "g", O_RDWR_);
	does(T(unlinkat, .dfid = 0, .name = p9_str("g")));
	act(PACE_TOGETHER);
	does(write_at(1, 0, "more"));
	says(T(read, .fid = 2, .count = 100)); /* ESTALE, if it comes to that */
	does(make_dir(0, "new", 0755));
	does(T(clunk, .fid = 1));
	does(T(clunk, .fid = 2));
}

static void rename_under_way(void)
{
	does(walk(0, 1, "f"));
	does(walk(0, 2, "d"));
	act(PACE_TOGETHER);
	does(T(rename, .fid = 1, .dfid = 2, .name = p9_str("x")));
}

static char *state_told(void)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	world_tell_state(to);
	return text_end(to, &text);
}

/* Killed at its `death`th visit, and the table is lost with it. False: it was not killed. */
static bool lose_under_way(void (*requests)(void), uint32_t death, const char *should)
{
	char *is;

	world_reset();
	requests();
	world->death = death;
	if (life_run(PHASE_ACT) <= 0)
		return false;
	world->death = 0;
	world_lose_table();
	CU_ASSERT_EQUAL(life_run(PHASE_ACT), 0);
	is = state_told();
	CU_ASSERT_STRING_EQUAL(is, should);
	free(is);
	world_tell_replies(NULL, true);
	if (world->failures > 0)
		printf("    killed at %s: %s\n", world->place, world->failure);
	CU_ASSERT_EQUAL(world->failures, 0);
	return true;
}

static void loss_under_way(void (*requests)(void), uint32_t deaths_min)
{
	char *should;
	uint32_t death = 1;

	world_reset();
	requests();
	CU_ASSERT_EQUAL(life_run(PHASE_ACT), 0);
	should = state_told();
	while (lose_under_way(requests, death, should))
		death++;
	CU_ASSERT(death > deaths_min);
	free(should);
}

static void fids_come_back_by_their_handles(void)
{
	world_open();
	if (!handles_work()) {
		test_skip("no file handles here, or no right to them (needs root)");
	} else {
		after_loss(0, with_all_sorts, all_sorts_work);
		after_loss(3, with_unlinked_ones, unlinked_ones_are_stale);
		after_loss(0, with_one_that_will_go, it_goes);
		loss_under_way(requests_under_way, 20);
		world->model = FS_MODEL_MAPPED_FILE;
		loss_under_way(rename_under_way, 10);
	}
	world_close();
}

static const struct test tests[] = {
	{"scripts_come_to_each_point", scripts_come_to_each_point},
	{"request_survives_a_death_at_each_point", request_survives_a_death_at_each_point},
	{"request_survives_a_death_at_each_store", request_survives_a_death_at_each_store},
	{"request_survives_two_deaths", request_survives_two_deaths},
	{"request_survives_many_deaths", request_survives_many_deaths},
	{"requests_at_once_survive_a_death_at_each_point",
	 requests_at_once_survive_a_death_at_each_point},
	{"requests_at_once_survive_a_death_at_each_store",
	 requests_at_once_survive_a_death_at_each_store},
	{"requests_at_once_survive_many_deaths", requests_at_once_survive_many_deaths},
	{"attributes_in_files_survive_a_death_at_each_point",
	 attributes_in_files_survive_a_death_at_each_point},
	{"attributes_in_files_survive_a_death_at_each_store",
	 attributes_in_files_survive_a_death_at_each_store},
	{"attributes_in_files_survive_two_deaths", attributes_in_files_survive_two_deaths},
	{"attributes_in_files_survive_many_deaths", attributes_in_files_survive_many_deaths},
	{"given_up_half_way_survives_a_death_at_each_point",
	 given_up_half_way_survives_a_death_at_each_point},
	{"given_up_half_way_survives_a_death_at_each_store",
	 given_up_half_way_survives_a_death_at_each_store},
	{"given_up_half_way_survives_two_deaths", given_up_half_way_survives_two_deaths},
	{"given_up_half_way_survives_many_deaths", given_up_half_way_survives_many_deaths},
	{"fids_come_back_by_their_handles", fids_come_back_by_their_handles},
	{"hostile_predecessor_is_refused_or_survived", hostile_predecessors},
};

/* Thousands of trees are made and removed, which takes a disk its time. Unless somebody says where,
 * they are made in memory, if files can have attributes there. */
static void choose_memory(void)
{
	char path[] = "/dev/shm/xen9pfsd-test.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0)
		return;
	if (fsetxattr(fd, "user.test", "", 0, 0) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	unlink(path);
	close(fd);
}

int main(int argc, char **argv)
{
	choose_memory();
	return test_main(argc, argv, "recover", tests, countof(tests));
}
