/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_open.c - Tlopen and Tlcreate: which flags count, which are noise, what cannot be opened,
 * and how a directory's fid turns into the fid of a new file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "tests/protocol/harness.h"

/* Flags of proto/9p.h are the ones that mean something; these are dropped. */
#define L_NOCTTY 0x100u
#define L_NONBLOCK 0x800u
#define L_FASYNC 0x2000u
#define L_DIRECT 0x4000u
#define L_LARGEFILE 0x8000u
#define L_NOFOLLOW 0x20000u
#define L_CLOEXEC 0x80000u

static struct p9_msg lopen(uint32_t fid, uint32_t flags)
{
	return T(lopen, .fid = fid, .flags = flags);
}

static struct p9_msg lcreate(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
	return T(lcreate, .fid = fid, .name = p9_str(name), .flags = flags | L_CREATE, .mode = mode,
		 .gid = getegid());
}

static struct p9_msg a_read(uint32_t fid)
{
	return T(read, .fid = fid, .count = 10);
}

static struct p9_msg a_write(uint32_t fid)
{
	return T(write, .fid = fid, .data = data_of("x", 1));
}

/* ---- Tlopen ---- */

TEST(open_gives_the_qid_of_the_file)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	host_file(w, "f", "text");
	qid = walk(c, ROOT, 1, "f");
	check(same_qid(ok(c, lopen(1, L_RDONLY))->Rlopen.qid, qid));
}

TEST(the_iounit_of_a_file_is_whole_pages_of_the_msize)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	equal(ok(c, lopen(1, L_RDONLY))->Rlopen.iounit, (MSIZE - 24) / 4096 * 4096);
}

TEST(the_iounit_of_a_file_is_0_when_the_msize_has_no_whole_page)
{
	struct conn *c = session_of(w, 4096);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	equal(ok(c, lopen(1, L_RDONLY))->Rlopen.iounit, 0);
}

TEST(the_iounit_of_a_directory_is_0)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	equal(ok(c, lopen(1, L_RDONLY))->Rlopen.iounit, 0);
}

TEST(a_file_open_for_reading_cannot_be_written)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY);
	reads(c, 1, 0, "text");
	fails(c, EBADF, a_write(1));
	host_holds(w, "f", "text");
}

TEST(a_file_open_for_writing_cannot_be_read)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY);
	fails(c, EBADF, a_read(1));
	writes(c, 1, 0, "T");
	host_holds(w, "f", "Text");
}

TEST(a_file_open_for_both_can_be_read_and_written)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDWR);
	writes(c, 1, 0, "T");
	reads(c, 1, 0, "Text");
}

TEST(open_ignores_noise_in_the_flags)
{
	static const uint32_t noise[] = {
		L_CREATE,  P9_O_EXCL,	L_CREATE | P9_O_EXCL, L_NOCTTY,	    L_NONBLOCK,	 L_FASYNC,
		L_DIRECT,  L_LARGEFILE, L_NOFOLLOW,	      P9_O_NOATIME, L_CLOEXEC,	 P9_O_DSYNC,
		P9_O_SYNC, 0x20000000u, 0x8000 | 0x42,	      P9_O_APPEND,  0x80000000u,
	};
	struct conn *c = session(w);

	host_file(w, "f", "text");
	for (size_t i = 0; i < countof(noise); i++) {
		walk(c, ROOT, 1, "f");
		ok(c, lopen(1, noise[i] | L_RDWR));
		reads(c, 1, 0, "text");
		clunk(c, 1);
	}
}

TEST(open_does_not_create)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	host_unlink(w, "f");
	errno_of(c, lopen(1, L_RDWR | L_CREATE));
	check(!host_has(w, "f"));
}

TEST(direct_io_of_odd_size_works)
{
	struct conn *c = session(w);

	host_file(w, "f", "some text");
	open_path(c, 1, "f", L_RDWR | L_DIRECT);
	reads(c, 1, 5, "text");
	writes(c, 1, 1, "u");
	host_holds(w, "f", "sume text");
}

TEST(open_with_trunc_empties_the_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY | P9_O_TRUNC);
	host_holds(w, "f", "");
}

TEST(open_to_read_with_trunc_empties_the_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY | P9_O_TRUNC);
	host_holds(w, "f", "");
	fails(c, EBADF, a_write(1));
}

TEST(open_without_trunc_keeps_the_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_WRONLY | L_CREATE);
	host_holds(w, "f", "text");
}

TEST(append_writes_at_the_end_whatever_the_offset)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDWR | P9_O_APPEND);
	writes(c, 1, 0, " and");
	writes(c, 1, 1000, " more");
	host_holds(w, "f", "text and more");
	reads(c, 1, 5, "and more");
}

TEST(two_appenders_do_not_overwrite_each_other)
{
	struct conn *a = session(w), *b = session(w);

	host_file(w, "f", "");
	open_path(a, 1, "f", L_WRONLY | P9_O_APPEND);
	open_path(b, 1, "f", L_WRONLY | P9_O_APPEND);
	writes(a, 1, 0, "a");
	writes(b, 1, 0, "b");
	writes(a, 1, 1, "a");
	host_holds(w, "f", "aba");
}

TEST(open_with_access_mode_3_is_EINVAL)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "f");
	fails(c, EINVAL, lopen(1, 3));
	ok(c, lopen(1, L_RDONLY));
}

TEST(a_fid_is_opened_only_once)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", L_RDONLY);
	fails(c, EINVAL, lopen(1, L_RDONLY));
	fails(c, EINVAL, lopen(1, L_RDWR | P9_O_TRUNC));
	host_holds(w, "f", "text");
	fails(c, EBADF, a_write(1));
}

TEST(an_open_directory_is_not_opened_again)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EINVAL, lopen(1, L_RDONLY));
}

TEST(a_file_may_be_open_by_many_fids)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	for (uint32_t fid = 1; fid <= 50; fid++)
		open_path(c, fid, "f", L_RDWR);
	writes(c, 1, 0, "T");
	reads(c, 50, 0, "Text");
}

TEST(a_directory_is_not_opened_for_writing)
{
	static const uint32_t flags[] = {L_WRONLY, L_RDWR, L_RDWR | P9_O_TRUNC};
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	for (size_t i = 0; i < countof(flags); i++)
		fails(c, EISDIR, lopen(1, flags[i]));
	ok(c, lopen(1, L_RDONLY));
}

TEST(a_directory_is_not_opened_with_trunc)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EISDIR, lopen(1, L_RDONLY | P9_O_TRUNC));
}

TEST(open_as_directory_takes_a_directory)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY | P9_O_DIRECTORY);
	ok(c, T(readdir, .fid = 1, .count = 1000));
}

TEST(open_of_a_file_as_directory_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	fails(c, ENOTDIR, lopen(1, L_RDONLY | P9_O_DIRECTORY));
	ok(c, lopen(1, L_RDONLY));
}

TEST(open_of_anything_else_as_directory_is_ENOTDIR)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_symlink(w, "l", "d");
	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "l");
	walk(c, ROOT, 2, "p");
	fails(c, ENOTDIR, lopen(1, L_RDONLY | P9_O_DIRECTORY));
	fails(c, ENOTDIR, lopen(2, L_RDONLY | P9_O_DIRECTORY));
}

/* What the server's open file of "f" was opened with. */
static int host_flags(struct world *w)
{
	char path[600], target[600], expected[300];
	int number, flags = -1;
	FILE *info;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)w->server);
	snprintf(expected, sizeof(expected), "%s/f", w->export);
	dir = opendir(path);
	for (struct dirent *d = NULL; dir != NULL && (d = readdir(dir)) != NULL;) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", (int)w->server, d->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", (int)w->server, d->d_name);
		info = strcmp(target, expected) == 0 ? fopen(path, "re") : NULL;
		if (info == NULL)
			continue;
		if (fscanf(info, "pos: %*d flags: %o", (unsigned *)&number) == 1 &&
		    (number & O_PATH) == 0)
			flags = number;
		fclose(info);
	}
	if (dir != NULL)
		closedir(dir);
	check(flags != -1);
	return flags;
}

static void becomes_on_the_host(struct world *w, uint32_t wire, int host)
{
	const int judged = O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_DIRECT | O_ASYNC | O_NOATIME;
	struct conn *c = session(w);

	host_file(w, "f", "text");
	open_path(c, 1, "f", wire);
	equal(host_flags(w) & judged, host);
	clunk(c, 1);
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", wire, 0644));
	equal(host_flags(w) & judged, host);
}

TEST(DSYNC_reaches_the_host)
{
	becomes_on_the_host(w, L_RDWR | P9_O_DSYNC, O_RDWR | O_DSYNC);
}

TEST(SYNC_reaches_the_host)
{
	becomes_on_the_host(w, L_RDWR | P9_O_DSYNC | P9_O_SYNC, O_RDWR | O_SYNC);
}

TEST(SYNC_without_DSYNC_reaches_the_host)
{
	becomes_on_the_host(w, L_RDWR | P9_O_SYNC, O_RDWR | O_SYNC);
}

TEST(APPEND_reaches_the_host)
{
	becomes_on_the_host(w, L_WRONLY | P9_O_APPEND, O_WRONLY | O_APPEND);
}

TEST(NOATIME_reaches_the_host)
{
	becomes_on_the_host(w, L_RDONLY | P9_O_NOATIME, O_RDONLY | O_NOATIME);
}

TEST(DIRECT_and_FASYNC_do_not_reach_the_host)
{
	becomes_on_the_host(w, L_RDWR | L_DIRECT | L_FASYNC, O_RDWR);
}

/* Nobody waits for the holder, and EAGAIN is no answer. */
TEST(open_of_a_file_with_a_lease_is_EIO_at_once)
{
	struct conn *c = session(w);
	_cleanup_close_ int fd = -1;

	host_file(w, "f", "text");
	fd = openat(w->dir, "f", O_RDWR | O_CLOEXEC);
	signal(SIGIO, SIG_IGN);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0)
		return test_skip("the host's file system has no leases");
	walk(c, ROOT, 1, "f");
	fails(c, EIO, lopen(1, L_RDONLY));
	fails(c, EIO, lopen(1, L_RDWR | P9_O_TRUNC));
	fails(c, EIO, T(setattr, .fid = 1, .valid = P9_SETATTR_SIZE, .size = 0));
	check(fcntl(fd, F_SETLEASE, F_UNLCK) == 0);
	signal(SIGIO, SIG_DFL);
	ok(c, lopen(1, L_RDONLY));
	reads(c, 1, 0, "text");
}

/* ---- a program of the host's that runs ---- */

/* 0, and the test skipped: programs can be written while they run, here. */
static pid_t runs(struct world *w, const char *name)
{
	_cleanup_close_ int from = open("/bin/sleep", O_RDONLY | O_CLOEXEC), to = -1, fd = -1;
	int started[2] = {-1, -1};
	char bytes[65536];
	ssize_t got;
	pid_t pid;

	to = openat(w->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		check(write(to, bytes, (size_t)got) == got);
	close(to);
	to = -1;
	check(pipe2(started, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		snprintf(bytes, sizeof(bytes), "%s/%s", w->export, name);
		execl(bytes, "sleep", "1000", NULL);
		_exit(127);
	}
	close(started[1]);
	check(read(started[0], bytes, 1) == 0); /* it has begun */
	close(started[0]);
	fd = openat(w->dir, name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return pid;
	test_skip("the host's programs may be written while they run");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

TEST(what_runs_on_the_host_is_ETXTBSY)
{
	struct conn *c = session(w);
	pid_t pid = runs(w, "program");

	if (pid == 0)
		return;
	walk(c, ROOT, 1, "program");
	fails(c, ETXTBSY, lopen(1, L_WRONLY));
	fails(c, ETXTBSY, lopen(1, L_RDWR | P9_O_TRUNC));
	fails(c, ETXTBSY, T(setattr, .fid = 1, .valid = P9_SETATTR_SIZE, .size = 0));
	walk(c, ROOT, 2, "");
	fails(c, ETXTBSY, lcreate(2, "program", L_RDWR, 0755));
	ok(c, lopen(1, L_RDONLY));
	check(ok(c, a_read(1))->Rread.data.len == 10);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(c, lcreate(2, "program", L_RDWR, 0755));
}

TEST(open_of_a_symlink_is_ELOOP)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	fails(c, ELOOP, lopen(1, L_RDONLY));
	fails(c, EBADF, a_read(1));
}

TEST(open_of_a_fifo_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "p");
	fails(c, ENXIO, lopen(1, L_RDONLY));
	fails(c, ENXIO, lopen(1, L_WRONLY));
	fails(c, ENXIO, lopen(1, L_RDWR | L_NONBLOCK));
}

TEST(open_of_a_socket_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "s", S_IFSOCK | 0666, 0);
	walk(c, ROOT, 1, "s");
	fails(c, ENXIO, lopen(1, L_RDWR));
}

TEST(open_of_a_device_is_ENXIO)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_node(w, "null", S_IFCHR | 0666, makedev(1, 3));
	host_node(w, "block", S_IFBLK | 0666, makedev(7, 200));
	walk(c, ROOT, 1, "null");
	walk(c, ROOT, 2, "block");
	fails(c, ENXIO, lopen(1, L_RDWR));
	fails(c, ENXIO, lopen(2, L_RDONLY));
}

TEST(a_failed_open_leaves_the_fid_as_it_was)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	host_file(w, "d/f", "");
	walk(c, ROOT, 1, "d");
	fails(c, EISDIR, lopen(1, L_RDWR));
	walk(c, 1, 2, "f");
	walk(c, 1, 1, "f");
}

TEST(open_of_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, lopen(9, L_RDONLY));
}

TEST(open_without_permission_is_EACCES)
{
	struct conn *c = session(w);

	if (!need_no_root())
		return;
	host_file(w, "f", "");
	check(fchmodat(w->dir, "f", 0, 0) == 0);
	walk(c, ROOT, 1, "f");
	fails(c, EACCES, lopen(1, L_RDONLY));
}

/* ---- Tlcreate ---- */

TEST(create_makes_and_opens_a_file)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	writes(c, 1, 0, "text");
	reads(c, 1, 0, "text");
	host_holds(w, "f", "text");
}

TEST(create_turns_the_fid_into_that_of_the_file)
{
	struct conn *c = session(w);
	struct p9_qid qid;

	walk(c, ROOT, 1, "");
	qid = ok(c, lcreate(1, "f", L_RDWR, 0644))->Rlcreate.qid;
	equal(qid.type, P9_QTFILE);
	check(same_qid(attr(c, 1).qid, qid));
	check(same_qid(walk(c, ROOT, 2, "f"), qid));
	fails(c, EINVAL, lcreate(1, "g", L_RDWR, 0644));
}

TEST(create_gives_the_iounit_of_a_file)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	equal(ok(c, lcreate(1, "f", L_RDWR, 0644))->Rlcreate.iounit, (MSIZE - 24) / 4096 * 4096);
}

TEST(create_leaves_other_fids_of_the_directory)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0644));
	equal(attr(c, ROOT).qid.type, P9_QTDIR);
	walk(c, ROOT, 2, "f");
}

static void creates_with_mode(struct world *w, uint32_t asked, mode_t got)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_EXCL, asked));
	equal(host_stat(w, "f").st_mode, S_IFREG | got);
}

TEST(create_sets_the_mode_without_an_umask_of_the_server)
{
	creates_with_mode(w, 0666, 0666);
}

TEST(create_sets_all_permissions)
{
	creates_with_mode(w, 0777, 0777);
}

TEST(create_sets_no_permissions)
{
	creates_with_mode(w, 0, 0);
}

TEST(create_sets_suid)
{
	creates_with_mode(w, 04755, 04755);
}

TEST(create_sets_sgid)
{
	creates_with_mode(w, 02755, 02755);
}

TEST(create_sets_the_sticky_bit)
{
	creates_with_mode(w, 01644, 01644);
}

TEST(create_ignores_the_type_in_the_mode)
{
	creates_with_mode(w, S_IFREG | 0640, 0640);
}

TEST(create_ignores_a_wrong_type_in_the_mode)
{
	creates_with_mode(w, S_IFDIR | 0640, 0640);
}

TEST(a_file_created_with_mode_0400_can_be_written)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0400));
	writes(c, 1, 0, "text");
	reads(c, 1, 0, "text");
	equal(host_stat(w, "f").st_mode, S_IFREG | 0400);
}

TEST(a_file_created_with_mode_0_can_be_written)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_WRONLY | P9_O_EXCL, 0));
	writes(c, 1, 0, "text");
}

TEST(create_gives_the_file_to_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_root())
		return;
	walk(c, ROOT, 1, "");
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "f").st_gid, 54321);
	equal(host_stat(w, "f").st_uid, 0);
}

TEST(create_for_a_group_and_a_user_of_all_ones_is_the_servers)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	ok(c, T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = P9_NONUNAME));
	m.Tlcreate.gid = UINT32_MAX;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, geteuid());
	equal(host_stat(w, "f").st_gid, getegid());
}

TEST(create_for_another_user_keeps_suid)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 06755);

	if (!need_root())
		return;
	ok(c, T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 12345));
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, 12345);
	equal(host_stat(w, "f").st_gid, 54321);
	equal(host_stat(w, "f").st_mode, S_IFREG | 06755);
}

TEST(create_in_a_setgid_directory_obeys_the_asked_group)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_root())
		return;
	host_dir(w, "d");
	check(fchownat(w->dir, "d", 0, 777, 0) == 0 && fchmodat(w->dir, "d", 02755, 0) == 0);
	walk(c, ROOT, 1, "d");
	m.Tlcreate.gid = 777;
	ok(c, m);
	equal(host_stat(w, "d/f").st_gid, 777);
}

/* The host hands its group on; the set-group bit is not for who is no member of it. */
TEST(create_in_a_setgid_directory_of_a_foreign_group_loses_sgid)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 02755);

	if (!need_root())
		return;
	host_dir(w, "d");
	check(fchownat(w->dir, "d", 0, 777, 0) == 0 && fchmodat(w->dir, "d", 02777, 0) == 0);
	ok(c, T(attach, .newfid = 1, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str(""),
		.n_uname = 12345));
	walk(c, 1, 1, "d");
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "d/f").st_uid, 12345);
	equal(host_stat(w, "d/f").st_gid, 777);
	equal(host_stat(w, "d/f").st_mode, S_IFREG | 0755);
}

TEST(create_with_a_foreign_group_succeeds_in_model_none)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_no_root())
		return;
	walk(c, ROOT, 1, "");
	m.Tlcreate.gid = 0;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, geteuid());
}

TEST(exclusive_create_of_an_existing_file_is_EEXIST)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "");
	fails(c, EEXIST, lcreate(1, "f", L_RDWR | P9_O_EXCL | P9_O_TRUNC, 0644));
	host_holds(w, "f", "text");
}

TEST(one_of_two_exclusive_creators_wins)
{
	struct conn *a = session(w), *b = session(w);
	int a_error, b_error;

	walk(a, ROOT, 1, "");
	walk(b, ROOT, 1, "");
	send_msg(a, 9, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	send_msg(b, 9, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	a_error = answer(a, 9)->type == P9_Rlcreate ? 0 : (int)a->reply.Rlerror.ecode;
	b_error = answer(b, 9)->type == P9_Rlcreate ? 0 : (int)b->reply.Rlerror.ecode;
	equal(a_error + b_error, EEXIST);
	check(a_error == 0 || b_error == 0);
}

TEST(create_without_EXCL_opens_an_existing_file_as_it_is)
{
	struct conn *c = session(w);
	struct stat before;

	host_file(w, "f", "text");
	check(fchmodat(w->dir, "f", 0640, 0) == 0);
	before = host_stat(w, "f");
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0777));
	reads(c, 1, 0, "text");
	equal(host_stat(w, "f").st_mode, before.st_mode);
	equal(host_stat(w, "f").st_ino, before.st_ino);
}

TEST(create_without_EXCL_keeps_the_owner_of_an_existing_file)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	if (!need_root())
		return;
	host_file(w, "f", "text");
	check(fchownat(w->dir, "f", 111, 222, 0) == 0);
	walk(c, ROOT, 1, "");
	m.Tlcreate.gid = 54321;
	ok(c, m);
	equal(host_stat(w, "f").st_uid, 111);
	equal(host_stat(w, "f").st_gid, 222);
}

TEST(create_with_trunc_empties_an_existing_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR | P9_O_TRUNC, 0644));
	host_holds(w, "f", "");
}

TEST(create_to_read_with_trunc_empties_an_existing_file)
{
	struct conn *c = session(w);

	host_file(w, "f", "text");
	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDONLY | P9_O_TRUNC, 0644));
	host_holds(w, "f", "");
}

TEST(create_without_the_flag_CREATE_creates)
{
	struct conn *c = session(w);
	struct p9_msg m = lcreate(1, "f", L_RDWR, 0644);

	walk(c, ROOT, 1, "");
	m.Tlcreate.flags = L_RDWR;
	ok(c, m);
	writes(c, 1, 0, "text");
	host_holds(w, "f", "text");
}

TEST(create_with_append_appends)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_WRONLY | P9_O_APPEND, 0644));
	writes(c, 1, 0, "a");
	writes(c, 1, 0, "b");
	host_holds(w, "f", "ab");
}

TEST(create_for_writing_does_not_read)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_WRONLY, 0644));
	fails(c, EBADF, a_read(1));
}

TEST(create_for_reading_does_not_write)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDONLY, 0644));
	fails(c, EBADF, a_write(1));
}

TEST(create_ignores_noise_in_the_flags)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", 0x80c2 | L_DIRECT | L_CLOEXEC | L_NOFOLLOW | L_NOCTTY, 0644));
	writes(c, 1, 0, "text");
}

TEST(create_does_not_follow_a_symlink)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "target");
	host_file(w, "f", "text");
	host_symlink(w, "m", "f");
	walk(c, ROOT, 1, "");
	fails(c, ELOOP, lcreate(1, "l", L_RDWR, 0644));
	fails(c, ELOOP, lcreate(1, "m", L_RDWR | P9_O_TRUNC, 0644));
	check(!host_has(w, "target"));
	host_holds(w, "f", "text");
}

TEST(exclusive_create_of_a_symlink_is_EEXIST)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "target");
	walk(c, ROOT, 1, "");
	fails(c, EEXIST, lcreate(1, "l", L_RDWR | P9_O_EXCL, 0644));
	check(!host_has(w, "target"));
}

TEST(create_of_a_directory_is_EISDIR)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	walk(c, ROOT, 1, "");
	fails(c, EISDIR, lcreate(1, "d", L_RDWR, 0644));
	fails(c, EISDIR, lcreate(1, "d", L_RDONLY, 0644));
	fails(c, EEXIST, lcreate(1, "d", L_RDWR | P9_O_EXCL, 0644));
}

TEST(create_of_a_fifo_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "");
	fails(c, ENXIO, lcreate(1, "p", L_RDWR, 0644));
	fails(c, ENXIO, lcreate(1, "p", L_RDONLY, 0644));
	fails(c, ENXIO, lcreate(1, "p", L_WRONLY, 0644));
	fails(c, EEXIST, lcreate(1, "p", L_RDWR | P9_O_EXCL, 0644));
}

TEST(create_of_a_socket_is_ENXIO)
{
	struct conn *c = session(w);

	host_node(w, "k", S_IFSOCK | 0666, 0);
	walk(c, ROOT, 1, "");
	fails(c, ENXIO, lcreate(1, "k", L_RDWR, 0644));
	fails(c, EEXIST, lcreate(1, "k", L_RDWR | P9_O_EXCL, 0644));
}

TEST(create_of_a_device_is_ENXIO)
{
	struct conn *c = session(w);

	if (!need_root())
		return;
	host_node(w, "null", S_IFCHR | 0666, makedev(1, 3));
	walk(c, ROOT, 1, "");
	fails(c, ENXIO, lcreate(1, "null", L_RDWR, 0644));
}

TEST(create_with_DIRECTORY_is_EINVAL)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EINVAL, lcreate(1, "f", L_RDONLY | P9_O_DIRECTORY, 0644));
	check(!host_has(w, "f"));
}

TEST(create_with_access_mode_3_is_EINVAL)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	fails(c, EINVAL, lcreate(1, "f", 3, 0644));
	check(!host_has(w, "f"));
}

TEST(a_failed_create_leaves_the_directory_fid)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "");
	fails(c, EEXIST, lcreate(1, "f", L_RDWR | P9_O_EXCL, 0644));
	equal(attr(c, 1).qid.type, P9_QTDIR);
	walk(c, 1, 2, "f");
	ok(c, lcreate(1, "g", L_RDWR | P9_O_EXCL, 0644));
	check(host_has(w, "g"));
}

TEST(create_from_an_open_directory_is_EINVAL)
{
	struct conn *c = session(w);

	open_path(c, 1, "", L_RDONLY);
	fails(c, EINVAL, lcreate(1, "f", L_RDWR, 0644));
	check(!host_has(w, "f"));
}

TEST(a_created_file_can_be_renamed_by_its_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0644));
	ok(c, T(rename, .fid = 1, .dfid = ROOT, .name = p9_str("g")));
	writes(c, 1, 0, "text");
	host_holds(w, "g", "text");
	check(!host_has(w, "f"));
}

TEST(a_created_file_can_be_removed_by_its_fid)
{
	struct conn *c = session(w);

	walk(c, ROOT, 1, "");
	ok(c, lcreate(1, "f", L_RDWR, 0644));
	ok(c, T(remove, .fid = 1));
	check(!host_has(w, "f"));
}
