/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * client_calls.c - see client.h, level two: one function for each request, which waits for its
 * reply and hands out what is in it.
 */
#include "proto/client.h"

#include <errno.h>
#include <string.h>

#include "common/util.h"

/* A request whose reply says no more than that it worked. */
static int call(struct client *client, struct p9_msg *request)
{
	struct p9_msg reply;

	return client_rpc(client, request, &reply);
}

/* A request that makes a new fid: the number is given back when it did not. */
static int call_newfid(struct client *client, struct p9_msg *request, uint32_t *number,
		       uint32_t *fid)
{
	int result;

	*number = client_fid_new(client);
	if (*number == P9_NOFID)
		return -ENFILE;
	result = call(client, request);
	if (result != 0)
		client_fid_free(client, *number);
	else
		*fid = *number;
	return result;
}

int client_attach(struct client *client, const char *uname, const char *aname, uint32_t n_uname,
		  uint32_t *fid)
{
	struct p9_msg request = {.type = P9_Tattach};

	request.Tattach.afid = P9_NOFID;
	request.Tattach.uname = p9_str(uname);
	request.Tattach.aname = p9_str(aname);
	request.Tattach.n_uname = n_uname;
	return call_newfid(client, &request, &request.Tattach.newfid, fid);
}

/* ---- walking ---- */

/* The next up to 16 names of `*path`, which moves on. */
static struct p9_names next_names(const char **path)
{
	struct p9_names names = {.count = 0};

	while (names.count < P9_MAXWELEM) {
		size_t length;

		*path += strspn(*path, "/");
		length = strcspn(*path, "/");
		if (length == 0)
			break;
		names.name[names.count++] = (struct p9_str){.text = *path, .len = (uint16_t)length};
		*path += length;
	}
	*path += strspn(*path, "/");
	return names;
}

/* One Twalk; a walk that ended half way made nothing. */
static int walk_names(struct client *client, uint32_t fid, uint32_t newfid,
		      const struct p9_names *names)
{
	struct p9_msg request = {.type = P9_Twalk};
	struct p9_msg reply;
	int result;

	request.Twalk.fid = fid;
	request.Twalk.newfid = newfid;
	request.Twalk.names = *names;
	result = client_rpc(client, &request, &reply);
	if (result != 0)
		return result;
	return reply.Rwalk.qids.count == names->count ? 0 : -ENOENT;
}

int client_walk(struct client *client, uint32_t fid, const char *path, uint32_t *newfid)
{
	struct p9_names names = next_names(&path);
	uint32_t number = client_fid_new(client);
	int result;

	if (number == P9_NOFID)
		return -ENFILE;
	result = walk_names(client, fid, number, &names);
	if (result != 0) {
		client_fid_free(client, number);
		return result;
	}
	while (*path != '\0') {
		names = next_names(&path);
		result = walk_names(client, number, number, &names);
		if (result != 0) {
			client_clunk(client, number);
			return result;
		}
	}
	*newfid = number;
	return 0;
}

int client_clunk(struct client *client, uint32_t fid)
{
	struct p9_msg request = {.type = P9_Tclunk, .Tclunk = {.fid = fid}};
	int result = call(client, &request);

	client_fid_free(client, fid);
	return result;
}

int client_remove(struct client *client, uint32_t fid)
{
	struct p9_msg request = {.type = P9_Tremove, .Tremove = {.fid = fid}};
	int result = call(client, &request);

	client_fid_free(client, fid);
	return result;
}

/* ---- files ---- */

int client_lopen(struct client *client, uint32_t fid, uint32_t flags)
{
	struct p9_msg request = {.type = P9_Tlopen, .Tlopen = {.fid = fid, .flags = flags}};

	return call(client, &request);
}

int client_lcreate(struct client *client, uint32_t fid, const char *name, uint32_t flags,
		   uint32_t mode, uint32_t gid)
{
	struct p9_msg request = {.type = P9_Tlcreate,
				 .Tlcreate = {fid, p9_str(name), flags, mode, gid}};

	return call(client, &request);
}

/* The payload of one message. */
static uint32_t clamp_io(const struct client *client, size_t size)
{
	uint32_t most = client_msize(client) - P9_IO_HEADER;

	return size < most ? (uint32_t)size : most;
}

ssize_t client_read(struct client *client, uint32_t fid, uint64_t offset, void *buf, size_t size)
{
	struct p9_msg request = {.type = P9_Tread, .Tread = {fid, offset, clamp_io(client, size)}};
	struct p9_msg reply;
	int result = client_rpc(client, &request, &reply);

	if (result != 0)
		return result;
	memcpy(buf, reply.Rread.data.bytes, reply.Rread.data.len);
	return reply.Rread.data.len;
}

ssize_t client_write(struct client *client, uint32_t fid, uint64_t offset, const void *buf,
		     size_t size)
{
	struct p9_data data = {.bytes = buf, .len = clamp_io(client, size)};
	struct p9_msg request = {.type = P9_Twrite, .Twrite = {fid, offset, data}};
	struct p9_msg reply;
	int result = client_rpc(client, &request, &reply);

	if (result != 0)
		return result;
	/* A count of 0 makes Linux spin. */
	if (reply.Rwrite.count > data.len || (reply.Rwrite.count == 0 && data.len > 0))
		return -EPROTO;
	return reply.Rwrite.count;
}

ssize_t client_read_all(struct client *client, uint32_t fid, uint64_t offset, void *buf,
			size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got =
			client_read(client, fid, offset + done, (uint8_t *)buf + done, size - done);

		if (got < 0)
			return got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

int client_write_all(struct client *client, uint32_t fid, uint64_t offset, const void *buf,
		     size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t put = client_write(client, fid, offset + done, (const uint8_t *)buf + done,
					   size - done);

		if (put < 0)
			return (int)put;
		done += (size_t)put;
	}
	return 0;
}

int client_fsync(struct client *client, uint32_t fid, bool datasync)
{
	struct p9_msg request = {.type = P9_Tfsync, .Tfsync = {fid, datasync}};

	return call(client, &request);
}

int client_lock(struct client *client, uint32_t fid, struct p9_Tlock *lock)
{
	struct p9_msg request = {.type = P9_Tlock};
	struct p9_msg reply;
	int result;

	lock->fid = fid;
	request.Tlock = *lock;
	result = client_rpc(client, &request, &reply);
	return result != 0 ? result : reply.Rlock.status;
}

int client_getlock(struct client *client, uint32_t fid, struct p9_Tgetlock *lock,
		   struct p9_Rgetlock *holder)
{
	struct p9_msg request = {.type = P9_Tgetlock};
	struct p9_msg reply;
	int result;

	lock->fid = fid;
	request.Tgetlock = *lock;
	result = client_rpc(client, &request, &reply);
	if (result == 0)
		*holder = reply.Rgetlock;
	return result;
}

/* ---- attributes ---- */

int client_getattr(struct client *client, uint32_t fid, uint64_t mask, struct p9_Rgetattr *attr)
{
	struct p9_msg request = {.type = P9_Tgetattr, .Tgetattr = {fid, mask}};
	struct p9_msg reply;
	int result = client_rpc(client, &request, &reply);

	if (result == 0)
		*attr = reply.Rgetattr;
	return result;
}

int client_setattr(struct client *client, uint32_t fid, struct p9_Tsetattr *set)
{
	struct p9_msg request = {.type = P9_Tsetattr};

	set->fid = fid;
	request.Tsetattr = *set;
	return call(client, &request);
}

int client_statfs(struct client *client, uint32_t fid, struct p9_Rstatfs *st)
{
	struct p9_msg request = {.type = P9_Tstatfs, .Tstatfs = {.fid = fid}};
	struct p9_msg reply;
	int result = client_rpc(client, &request, &reply);

	if (result == 0)
		*st = reply.Rstatfs;
	return result;
}

/* ---- directories ---- */

/* The entries of one reply; `*offset` becomes that of the last one. The copy is there because
 * `emit` may use the client. */
static int emit_entries(void *buf, uint32_t size, uint64_t *offset, client_emit *emit, void *arg)
{
	uint8_t *next = buf;
	uint8_t *end = next + size;

	while (next < end) {
		struct p9_dirent entry;
		int used = p9_dirent_get(&entry, next, (size_t)(end - next));

		if (used < 0)
			return used;
		next += used;
		/* An entry that leads back to itself would be an endless directory. */
		if (entry.offset == *offset)
			return -EPROTO;
		*offset = entry.offset;
		used = emit(arg, &entry);
		if (used != 0)
			return used;
	}
	return 0;
}

int client_readdir(struct client *client, uint32_t fid, client_emit *emit, void *arg)
{
	uint32_t count = client_msize(client) - P9_IO_HEADER;
	_cleanup_free_ void *copy = malloc(count);
	uint64_t offset = 0;

	if (copy == NULL)
		return -ENOMEM;
	for (;;) {
		struct p9_msg request = {.type = P9_Treaddir, .Treaddir = {fid, offset, count}};
		struct p9_msg reply;
		int result = client_rpc(client, &request, &reply);

		if (result != 0 || reply.Rreaddir.data.len == 0)
			return result;
		memcpy(copy, reply.Rreaddir.data.bytes, reply.Rreaddir.data.len);
		result = emit_entries(copy, reply.Rreaddir.data.len, &offset, emit, arg);
		if (result != 0)
			return result;
	}
}

int client_mkdir(struct client *client, uint32_t dfid, const char *name, uint32_t mode,
		 uint32_t gid)
{
	struct p9_msg request = {.type = P9_Tmkdir, .Tmkdir = {dfid, p9_str(name), mode, gid}};

	return call(client, &request);
}

int client_symlink(struct client *client, uint32_t dfid, const char *name, const char *target,
		   uint32_t gid)
{
	struct p9_msg request = {.type = P9_Tsymlink,
				 .Tsymlink = {dfid, p9_str(name), p9_str(target), gid}};

	return call(client, &request);
}

int client_mknod(struct client *client, uint32_t dfid, const char *name, uint32_t mode,
		 uint32_t major, uint32_t minor, uint32_t gid)
{
	struct p9_msg request = {.type = P9_Tmknod,
				 .Tmknod = {dfid, p9_str(name), mode, major, minor, gid}};

	return call(client, &request);
}

int client_link(struct client *client, uint32_t dfid, const char *name, uint32_t fid)
{
	struct p9_msg request = {.type = P9_Tlink};

	request.Tlink.dfid = dfid;
	request.Tlink.fid = fid;
	request.Tlink.name = p9_str(name);
	return call(client, &request);
}

int client_renameat(struct client *client, uint32_t olddfid, const char *oldname, uint32_t newdfid,
		    const char *newname)
{
	struct p9_msg request = {.type = P9_Trenameat,
				 .Trenameat = {olddfid, p9_str(oldname), newdfid, p9_str(newname)}};

	return call(client, &request);
}

int client_unlinkat(struct client *client, uint32_t dfid, const char *name, uint32_t flags)
{
	struct p9_msg request = {.type = P9_Tunlinkat, .Tunlinkat = {dfid, p9_str(name), flags}};

	return call(client, &request);
}

int client_readlink(struct client *client, uint32_t fid, char *target, size_t size)
{
	struct p9_msg request = {.type = P9_Treadlink, .Treadlink = {.fid = fid}};
	struct p9_msg reply;
	int result = client_rpc(client, &request, &reply);

	if (result != 0)
		return result;
	if (reply.Rreadlink.target.len >= size)
		return -ERANGE;
	memcpy(target, reply.Rreadlink.target.text, reply.Rreadlink.target.len + 1u);
	return 0;
}

/* ---- extended attributes ---- */

ssize_t client_getxattr(struct client *client, uint32_t fid, const char *name, void *buf,
			size_t size)
{
	struct p9_msg request = {.type = P9_Txattrwalk, .Txattrwalk = {.fid = fid}};
	struct p9_msg reply;
	uint32_t newfid = client_fid_new(client);
	ssize_t length, got = 0;
	int result;

	request.Txattrwalk.newfid = newfid;
	request.Txattrwalk.name = p9_str(name);
	result = client_rpc(client, &request, &reply);
	if (result != 0) {
		client_fid_free(client, newfid);
		return result;
	}
	length = (ssize_t)reply.Rxattrwalk.size;
	if ((size_t)length < size)
		size = (size_t)length;
	if (size > 0)
		got = client_read_all(client, newfid, 0, buf, size);
	client_clunk(client, newfid);
	if (got < 0)
		return got;
	return (size_t)got == size ? length : -EPROTO;
}

int client_setxattr(struct client *client, uint32_t fid, const char *name, const void *value,
		    size_t size, uint32_t flags)
{
	struct p9_msg request = {.type = P9_Txattrcreate,
				 .Txattrcreate = {0, p9_str(name), size, flags}};
	uint32_t clone;
	int result = client_walk(client, fid, "", &clone);
	int clunked;

	if (result != 0)
		return result;
	request.Txattrcreate.fid = clone;
	result = call(client, &request);
	if (result == 0)
		result = client_write_all(client, clone, 0, value, size);
	/* The attribute is set by the clunk, whose result it is. */
	clunked = client_clunk(client, clone);
	return result != 0 ? result : clunked;
}

int client_removexattr(struct client *client, uint32_t fid, const char *name)
{
	return client_setxattr(client, fid, name, NULL, 0, P9_XATTR_REPLACE);
}
