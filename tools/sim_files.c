/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_files.c - verbs of xen9pfs-sim that do one thing with a guest's files, each on a connection
 * of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/util.h"
#include "tools/sim_verb.h"

/* ---- small things that verbs share ---- */

/* What a verb does with the fid of a path, or of its parent directory. */
typedef int with_fid(struct sim_call *call, uint32_t fid, const char *name);

static int on_path(struct sim_call *call, const char *path, with_fid *work)
{
	uint32_t fid;
	int result = sim_guest_walk(call->guest, path, &fid);

	if (result == 0) {
		result = work(call, fid, path);
		client_clunk(call->guest->client, fid);
	}
	return result == 0 ? 0 : sim_fail(call, result, "%s", path);
}

static int on_parent(struct sim_call *call, const char *path, with_fid *work)
{
	const char *name;
	uint32_t fid;
	int result = sim_guest_walk_parent(call->guest, path, &fid, &name);

	if (result == 0) {
		result = work(call, fid, name);
		client_clunk(call->guest->client, fid);
	}
	return result == 0 ? 0 : sim_fail(call, result, "%s", path);
}

static void print_mode(uint32_t mode)
{
	static const char types[] = "?pc?d?b?-?l?s???";
	static const char bits[] = "rwxrwxrwx";

	putchar(types[mode >> 12 & 15]);
	for (int i = 0; i < 9; i++)
		putchar(mode & (0400u >> i) ? bits[i] : '-');
}

static void print_time(uint64_t sec)
{
	time_t when = (time_t)sec;
	struct tm tm;
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&when, &tm));
	fputs(text, stdout);
}

/* ---- looking ---- */

struct listing {
	struct sim_call *call;
	uint32_t dfid; /* not opened */
	bool details;
};

static int print_entry(void *arg, const struct p9_dirent *entry)
{
	struct listing *listing = arg;
	struct client *client = listing->call->guest->client;
	_cleanup_free_ char *name = strdup(entry->name.text);
	struct p9_Rgetattr attr;
	char target[4096] = "";
	uint32_t fid;
	int result;

	if (!listing->details || name == NULL || strcmp(name, "..") == 0) {
		puts(entry->name.text);
		return 0;
	}
	result = client_walk(client, listing->dfid, strcmp(name, ".") == 0 ? "" : name, &fid);
	if (result != 0)
		return result;
	result = client_getattr(client, fid, P9_GETATTR_BASIC, &attr);
	if (result == 0 && S_ISLNK(attr.mode))
		client_readlink(client, fid, target, sizeof(target));
	client_clunk(client, fid);
	if (result != 0)
		return result;
	print_mode(attr.mode);
	printf(" %3llu %5u %5u %10llu ", (unsigned long long)attr.nlink, attr.uid, attr.gid,
	       (unsigned long long)attr.size);
	print_time(attr.mtime_sec);
	printf(" %s%s%s\n", name, target[0] != '\0' ? " -> " : "", target);
	return 0;
}

static int list_dir(struct sim_call *call, uint32_t dfid, const char *path)
{
	struct client *client = call->guest->client;
	struct listing listing = {call, dfid, call->option['l'] != NULL};
	uint32_t fid;
	int result = client_walk(client, dfid, "", &fid);

	(void)path;
	if (result != 0)
		return result;
	result = client_lopen(client, fid, P9_O_DIRECTORY);
	if (result == 0)
		result = client_readdir(client, fid, print_entry, &listing);
	client_clunk(client, fid);
	return result;
}

static int run_ls(struct sim_call *call)
{
	return on_path(call, call->argc > 0 ? call->argv[0] : "", list_dir);
}

static int print_stat(struct sim_call *call, uint32_t fid, const char *path)
{
	struct p9_Rgetattr attr;
	int result = client_getattr(call->guest->client, fid, P9_GETATTR_BASIC, &attr);

	(void)path;
	if (result != 0)
		return result;
	printf("mode=%o\nuid=%u\ngid=%u\nnlink=%llu\nrdev=%llu\nsize=%llu\nblksize=%llu\n"
	       "blocks=%llu\nqid=%02x.%u.%llu\nmtime=%llu.%09llu\n",
	       attr.mode, attr.uid, attr.gid, (unsigned long long)attr.nlink,
	       (unsigned long long)attr.rdev, (unsigned long long)attr.size,
	       (unsigned long long)attr.blksize, (unsigned long long)attr.blocks, attr.qid.type,
	       attr.qid.version, (unsigned long long)attr.qid.path,
	       (unsigned long long)attr.mtime_sec, (unsigned long long)attr.mtime_nsec);
	return 0;
}

static int run_stat(struct sim_call *call)
{
	return on_path(call, call->argv[0], print_stat);
}

static int print_statfs(struct sim_call *call, uint32_t fid, const char *path)
{
	struct p9_Rstatfs st;
	int result = client_statfs(call->guest->client, fid, &st);

	(void)path;
	if (result == 0)
		printf("type=%#x\nbsize=%u\nblocks=%llu\nbfree=%llu\nbavail=%llu\nfiles=%llu\n"
		       "ffree=%llu\nfsid=%#llx\nnamelen=%u\n",
		       st.type, st.bsize, (unsigned long long)st.blocks,
		       (unsigned long long)st.bfree, (unsigned long long)st.bavail,
		       (unsigned long long)st.files, (unsigned long long)st.ffree,
		       (unsigned long long)st.fsid, st.namelen);
	return result;
}

static int run_statfs(struct sim_call *call)
{
	return on_path(call, call->argc > 0 ? call->argv[0] : "", print_statfs);
}

static int print_link(struct sim_call *call, uint32_t fid, const char *path)
{
	char target[4096];
	int result = client_readlink(call->guest->client, fid, target, sizeof(target));

	(void)path;
	if (result == 0)
		puts(target);
	return result;
}

static int run_readlink(struct sim_call *call)
{
	return on_path(call, call->argv[0], print_link);
}

/* ---- content ---- */

/* To stdout. -EPIPE and the like have errno's number. */
static int copy_out(struct sim_call *call, uint32_t fid)
{
	size_t room = client_msize(call->guest->client);
	_cleanup_free_ char *buf = malloc(room);
	uint64_t offset = 0;
	ssize_t got;

	if (buf == NULL)
		return -ENOMEM;
	while ((got = client_read(call->guest->client, fid, offset, buf, room)) > 0) {
		if (fwrite(buf, 1, (size_t)got, stdout) != (size_t)got)
			return -errno;
		offset += (uint64_t)got;
	}
	return (int)got;
}

static int run_cat(struct sim_call *call)
{
	uint32_t fid;
	int result = sim_guest_open_file(call->guest, call->argv[0], 0, &fid);

	if (result == 0) {
		result = copy_out(call, fid);
		client_clunk(call->guest->client, fid);
	}
	return result == 0 ? 0 : sim_fail(call, result, "%s", call->argv[0]);
}

static int copy_in(struct sim_call *call, int from, uint32_t fid)
{
	size_t room = client_msize(call->guest->client) - P9_IO_HEADER;
	_cleanup_free_ char *buf = malloc(room);
	uint64_t offset = 0;
	ssize_t got;
	int result;

	if (buf == NULL)
		return -ENOMEM;
	while ((got = read(from, buf, room)) > 0) {
		result = client_write_all(call->guest->client, fid, offset, buf, (size_t)got);
		if (result != 0)
			return result;
		offset += (uint64_t)got;
	}
	return got < 0 ? -errno : 0;
}

static int run_put(struct sim_call *call)
{
	bool from_stdin = strcmp(call->argv[0], "-") == 0;
	_cleanup_close_ int from =
		from_stdin ? dup(STDIN_FILENO) : open(call->argv[0], O_RDONLY | O_CLOEXEC);
	uint32_t fid;
	int result, clunked;

	if (from < 0)
		return sim_fail(call, -errno, "%s", call->argv[0]);
	result = sim_guest_open_file(call->guest, call->argv[1],
				     SIM_GUEST_CREATE | P9_O_TRUNC | O_WRONLY, &fid);
	if (result == 0) {
		result = copy_in(call, from, fid);
		clunked = client_clunk(call->guest->client, fid);
		if (result == 0)
			result = clunked;
	}
	return result == 0 ? 0 : sim_fail(call, result, "%s", call->argv[1]);
}

/* ---- names ---- */

static int make_dir(struct sim_call *call, uint32_t dfid, const char *name)
{
	return client_mkdir(call->guest->client, dfid, name, 0755, 0);
}

static int run_mkdir(struct sim_call *call)
{
	return on_parent(call, call->argv[0], make_dir);
}

static int remove_name(struct sim_call *call, uint32_t dfid, const char *name)
{
	int result = client_unlinkat(call->guest->client, dfid, name, 0);

	/* rm takes empty directories, too: there is no rmdir here. */
	if (result == -EISDIR)
		result = client_unlinkat(call->guest->client, dfid, name, P9_AT_REMOVEDIR);
	return result;
}

static int run_rm(struct sim_call *call)
{
	int result;

	if (call->option['r'] == NULL)
		return on_parent(call, call->argv[0], remove_name);
	result = sim_guest_remove_tree(call->guest, call->argv[0]);
	return result == 0 ? 0 : sim_fail(call, result, "%s", call->argv[0]);
}

/* To the second word of the verb. */
static int rename_name(struct sim_call *call, uint32_t dfid, const char *name)
{
	const char *newname;
	uint32_t newdfid;
	int result = sim_guest_walk_parent(call->guest, call->argv[1], &newdfid, &newname);

	if (result != 0)
		return result;
	result = client_renameat(call->guest->client, dfid, name, newdfid, newname);
	client_clunk(call->guest->client, newdfid);
	return result;
}

static int run_mv(struct sim_call *call)
{
	return on_parent(call, call->argv[0], rename_name);
}

static int make_link(struct sim_call *call, uint32_t dfid, const char *name)
{
	struct client *client = call->guest->client;
	uint32_t fid;
	int result;

	if (call->option['s'] != NULL)
		return client_symlink(client, dfid, name, call->argv[0], 0);
	result = sim_guest_walk(call->guest, call->argv[0], &fid);
	if (result != 0)
		return result;
	result = client_link(client, dfid, name, fid);
	client_clunk(client, fid);
	return result;
}

static int run_ln(struct sim_call *call)
{
	return on_parent(call, call->argv[1], make_link);
}

static int make_node(struct sim_call *call, uint32_t dfid, const char *name)
{
	static const struct {
		char letter;
		uint32_t type;
	} types[] = {
		{'b', S_IFBLK}, {'c', S_IFCHR}, {'p', S_IFIFO}, {'s', S_IFSOCK}, {'f', S_IFREG}};
	uint64_t major = 0, minor = 0;

	if ((call->argc > 2 && sim_number(call, "MAJOR", call->argv[2], &major) != 0) ||
	    (call->argc > 3 && sim_number(call, "MINOR", call->argv[3], &minor) != 0))
		return -EINVAL;
	for (size_t i = 0; i < countof(types); i++) {
		if (call->argv[1][0] == types[i].letter && call->argv[1][1] == '\0')
			return client_mknod(call->guest->client, dfid, name, types[i].type | 0644,
					    (uint32_t)major, (uint32_t)minor, 0);
	}
	return -EINVAL;
}

static int run_mknod(struct sim_call *call)
{
	return on_parent(call, call->argv[0], make_node);
}

/* ---- attributes ---- */

static int set_attr(struct sim_call *call, const char *path, const struct p9_Tsetattr *set)
{
	int result = sim_guest_setattr(call->guest, path, *set);

	return result == 0 ? 0 : sim_fail(call, result, "%s", path);
}

static int run_chmod(struct sim_call *call)
{
	struct p9_Tsetattr set = {.valid = P9_SETATTR_MODE | P9_SETATTR_CTIME};
	char *end;

	set.mode = (uint32_t)strtoul(call->argv[0], &end, 8);
	if (*end != '\0' || end == call->argv[0])
		return sim_fail(call, 0, "\"%s\" is not an octal mode", call->argv[0]);
	return set_attr(call, call->argv[1], &set);
}

static int run_chown(struct sim_call *call)
{
	struct p9_Tsetattr set = {.valid = P9_SETATTR_UID | P9_SETATTR_GID | P9_SETATTR_CTIME};
	char rest;

	if (sscanf(call->argv[0], "%u:%u%c", &set.uid, &set.gid, &rest) != 2)
		return sim_fail(call, 0, "\"%s\" is not UID:GID", call->argv[0]);
	return set_attr(call, call->argv[1], &set);
}

static int run_truncate(struct sim_call *call)
{
	struct p9_Tsetattr set = {.valid = P9_SETATTR_SIZE};

	if (sim_number(call, "SIZE", call->argv[0], &set.size) != 0)
		return 1;
	return set_attr(call, call->argv[1], &set);
}

/* ---- extended attributes ---- */

static int list_xattrs(struct sim_call *call, uint32_t fid, const char *path)
{
	char list[65536];
	ssize_t length = client_getxattr(call->guest->client, fid, "", list, sizeof(list));

	(void)path;
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(list + at) + 1)
		puts(list + at);
	return length < 0 ? (int)length : 0;
}

static int get_xattr(struct sim_call *call, uint32_t fid, const char *path)
{
	char value[65536];
	ssize_t length =
		client_getxattr(call->guest->client, fid, call->argv[1], value, sizeof(value));

	(void)path;
	if (length < 0)
		return (int)length;
	fwrite(value, 1, (size_t)length, stdout);
	putchar('\n');
	return 0;
}

static int set_xattr(struct sim_call *call, uint32_t fid, const char *path)
{
	(void)path;
	return client_setxattr(call->guest->client, fid, call->argv[1], call->argv[2],
			       strlen(call->argv[2]), 0);
}

static int remove_xattr(struct sim_call *call, uint32_t fid, const char *path)
{
	(void)path;
	return client_removexattr(call->guest->client, fid, call->argv[1]);
}

static int run_xattr(struct sim_call *call)
{
	static with_fid *const by_words[] = {NULL, list_xattrs, get_xattr, set_xattr};

	if (call->option['x'] != NULL && call->argc == 2)
		return on_path(call, call->argv[0], remove_xattr);
	return on_path(call, call->argv[0], by_words[call->argc]);
}

/* ---- staying ---- */

static int run_hold(struct sim_call *call)
{
	struct client_transport *transport = client_transport(call->guest->client);
	_cleanup_close_ int stop = sim_stop_fd();
	struct pollfd fds[FRONT_RINGS_MAX + 2];
	struct p9_msg reply;
	int result;

	if (stop < 0)
		return sim_fail(call, stop, "signals");
	printf("connected\n");
	fflush(stdout);
	for (;;) {
		unsigned count = transport->ops->pollfds(transport, fds, countof(fds) - 1);

		fds[count] = (struct pollfd){.fd = stop, .events = POLLIN};
		if (poll(fds, count + 1, -1) < 0)
			return sim_fail(call, -errno, "poll");
		if (fds[count].revents != 0)
			return 0;
		result = client_recv(call->guest->client, &reply, 0);
		if (result != -ETIMEDOUT)
			return sim_fail(call, result, "the backend closed the device");
	}
}

static const struct argp_option ls_options[] = {
	{"long", 'l', NULL, 0, "with attributes", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct argp_option rm_options[] = {
	{"recursive", 'r', NULL, 0, "with all below", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct argp_option ln_options[] = {
	{"symbolic", 's', NULL, 0, "make a symbolic link", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static const struct argp_option xattr_options[] = {
	{"remove", 'x', NULL, 0, "remove the attribute", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

const struct sim_verb sim_files_verbs[] = {
	{"hold", "", "connect and stay until SIGTERM", SIM_NEEDS_GUEST, 0, 0, NULL, run_hold},
	{"ls", "[-l] [PATH]", "list a directory", SIM_NEEDS_GUEST, 0, 1, ls_options, run_ls},
	{"stat", "PATH", "print attributes", SIM_NEEDS_GUEST, 1, 1, NULL, run_stat},
	{"statfs", "[PATH]", "print the file system's figures", SIM_NEEDS_GUEST, 0, 1, NULL,
	 run_statfs},
	{"cat", "PATH", "file to stdout", SIM_NEEDS_GUEST, 1, 1, NULL, run_cat},
	{"put", "LOCAL|- PATH", "write a file", SIM_NEEDS_GUEST, 2, 2, NULL, run_put},
	{"mkdir", "PATH", "make a directory", SIM_NEEDS_GUEST, 1, 1, NULL, run_mkdir},
	{"rm", "[-r] PATH", "remove", SIM_NEEDS_GUEST, 1, 1, rm_options, run_rm},
	{"mv", "OLD NEW", "rename", SIM_NEEDS_GUEST, 2, 2, NULL, run_mv},
	{"ln", "[-s] TARGET PATH", "link", SIM_NEEDS_GUEST, 2, 2, ln_options, run_ln},
	{"readlink", "PATH", "print a symbolic link's target", SIM_NEEDS_GUEST, 1, 1, NULL,
	 run_readlink},
	{"mknod", "PATH b|c|p|s|f [MAJ MIN]", "make a special or empty file", SIM_NEEDS_GUEST, 2, 4,
	 NULL, run_mknod},
	{"chmod", "MODE PATH", "change the mode (octal)", SIM_NEEDS_GUEST, 2, 2, NULL, run_chmod},
	{"chown", "UID:GID PATH", "change the owner", SIM_NEEDS_GUEST, 2, 2, NULL, run_chown},
	{"truncate", "SIZE PATH", "change the size", SIM_NEEDS_GUEST, 2, 2, NULL, run_truncate},
	{"xattr", "[-x] PATH [NAME [VALUE]]", "list, print, set or remove", SIM_NEEDS_GUEST, 1, 3,
	 xattr_options, run_xattr},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
