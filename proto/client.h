/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * client.h - the other half of a session, for tests and tools: a strict client that
 * behaves on the wire as Linux does and believes nothing. Not part of the daemon.
 *
 * Level one sends and receives single messages, many in flight, replies in any order. Tags and
 * fids are the lowest free numbers; a message goes on lane tag mod lanes; Tversion carries
 * NOTAG. Each reply is held against its request: tag in flight, type T + 1 or an error, no larger
 * than what Linux allocates for it. Level two is one function for each request, which waits.
 *
 * Results are 0 or a count, or -errno: what the error said; -EPROTO when the server broke the
 * protocol; -ETIMEDOUT when it was silent for too long; -ENOTCONN when the connection is gone.
 * One thread at a time uses a client. Strings and data of a reply live until the next call.
 */
#ifndef PROTO_CLIENT_H
#define PROTO_CLIENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/wire.h"

/* ---- how messages travel ---- */

struct client_transport;

struct client_transport_ops {
	void (*close)(struct client_transport *transport);

	/* Takes one whole message. -EAGAIN: no room now, nothing was taken. */
	int (*send)(struct client_transport *transport, unsigned lane, const void *msg,
		    size_t size);

	/* Gives one whole message of any lane and returns its size. -EAGAIN: none now;
	 * -EPROTO: its size is below a header or above `size`, and what follows is lost. */
	ssize_t (*recv)(struct client_transport *transport, void *buf, size_t size);

	/* Sleeps until recv or send are worth another try; 0 or -ETIMEDOUT. */
	int (*wait)(struct client_transport *transport, int timeout_ms);

	/* What wait sleeps on; returns how many there are, filling at most `room`. */
	unsigned (*pollfds)(struct client_transport *transport, struct pollfd *fds, unsigned room);
};

/* What the struct of every transport begins with. */
struct client_transport {
	const struct client_transport_ops *ops;
	unsigned lanes;	   /* rings; 1 for a socket */
	uint32_t max_size; /* of one message: an upper bound for msize */
};

/* Over a stream socket. The descriptor is taken over, also on failure. */
int client_socket_open(int fd, struct client_transport **transport);

/* "unix:PATH" or "tcp:HOST:PORT"; on failure -errno and a text. */
int client_socket_connect(const char *address, struct client_transport **transport, char *err,
			  size_t errlen);

/* ---- the client ---- */

struct client;

#define CLIENT_MSIZE (512u << 10) /* the most that Linux asks for over Xen rings */
#define CLIENT_TIMEOUT 20000	  /* ms */

/* Takes the transport over, also on failure (-ENOMEM). */
int client_open(struct client_transport *transport, struct client **client);
void client_close(struct client *client); /* takes NULL */

/* How long one reply, or room for one request, may take. */
void client_set_timeout(struct client *client, int timeout_ms);

uint32_t client_msize(const struct client *client);
unsigned client_in_flight(const struct client *client);
struct client_transport *client_transport(struct client *client);

/* Puts another transport in the place of the one that is there, which is given back: for one that
 * stands between. It has the same lanes and max_size. */
struct client_transport *client_replace_transport(struct client *client,
						  struct client_transport *transport);

/* ---- level one ---- */

/* Sends `msg`, whose tag it chooses and stores. While there is no room, it receives. */
int client_send(struct client *client, struct p9_msg *msg);

/* The next reply in the order of arrival; waits at most `timeout_ms`. -EPROTO: a bad reply, of
 * which type and tag are given as far as they are known (else type 0). */
int client_recv(struct client *client, struct p9_msg *reply, int timeout_ms);

/* The reply to `tag`; others that arrive before are kept for later. */
int client_await(struct client *client, uint16_t tag, struct p9_msg *reply);

/* Sends and awaits; an Rlerror becomes its -errno. */
int client_rpc(struct client *client, struct p9_msg *request, struct p9_msg *reply);

/* Forgets a request: its reply, should it come, is dropped. */
void client_abandon(struct client *client, uint16_t tag);

/* The lowest free fid number, in use from now on until client_fid_free(). */
uint32_t client_fid_new(struct client *client);
void client_fid_free(struct client *client, uint32_t fid);

/* ---- level two ---- */

/* The dialect of the sessions that begin from now on; without a call 9P2000.L. The single requests
 * below are those of all dialects and of 9P2000.L. */
void client_speak(struct client *client, enum p9_dialect dialect);

/* Starts the session anew: all fids are gone. Asks for `msize`, at most what the transport
 * carries, and checks the answer as Linux does (-EREMOTEIO). */
int client_version(struct client *client, uint32_t msize);

int client_attach(struct client *client, const char *uname, const char *aname, uint32_t n_uname,
		  uint32_t *fid);

/* A new fid for the object at `path` from `fid`: names separated by "/", "" for a clone. More
 * than 16 names take further walks in place. -ENOENT also when only a part was found. */
int client_walk(struct client *client, uint32_t fid, const char *path, uint32_t *newfid);

/* The fid number is free afterwards, whatever the result. */
int client_clunk(struct client *client, uint32_t fid);
int client_remove(struct client *client, uint32_t fid);

/* `flags` are P9_O_*. After lcreate `fid` is the new file. */
int client_lopen(struct client *client, uint32_t fid, uint32_t flags);
int client_lcreate(struct client *client, uint32_t fid, const char *name, uint32_t flags,
		   uint32_t mode, uint32_t gid);

/* One request of at most msize - 24 bytes. */
ssize_t client_read(struct client *client, uint32_t fid, uint64_t offset, void *buf, size_t size);
ssize_t client_write(struct client *client, uint32_t fid, uint64_t offset, const void *buf,
		     size_t size);

/* As many requests as it takes; fewer bytes than `size` only at the end of the file. */
ssize_t client_read_all(struct client *client, uint32_t fid, uint64_t offset, void *buf,
			size_t size);
int client_write_all(struct client *client, uint32_t fid, uint64_t offset, const void *buf,
		     size_t size);

int client_getattr(struct client *client, uint32_t fid, uint64_t mask, struct p9_Rgetattr *attr);

/* `set->fid` is filled in. */
int client_setattr(struct client *client, uint32_t fid, struct p9_Tsetattr *set);

/* Calls `emit` for each entry of an opened directory, from the start; its result other than 0
 * ends the listing and is returned. */
typedef int client_emit(void *arg, const struct p9_dirent *entry);
int client_readdir(struct client *client, uint32_t fid, client_emit *emit, void *arg);

int client_mkdir(struct client *client, uint32_t dfid, const char *name, uint32_t mode,
		 uint32_t gid);
int client_symlink(struct client *client, uint32_t dfid, const char *name, const char *target,
		   uint32_t gid);
int client_mknod(struct client *client, uint32_t dfid, const char *name, uint32_t mode,
		 uint32_t major, uint32_t minor, uint32_t gid);
int client_link(struct client *client, uint32_t dfid, const char *name, uint32_t fid);
int client_renameat(struct client *client, uint32_t olddfid, const char *oldname, uint32_t newdfid,
		    const char *newname);
int client_unlinkat(struct client *client, uint32_t dfid, const char *name, uint32_t flags);

/* The target, NUL-terminated; -ERANGE when it does not fit. */
int client_readlink(struct client *client, uint32_t fid, char *target, size_t size);

int client_statfs(struct client *client, uint32_t fid, struct p9_Rstatfs *st);
int client_fsync(struct client *client, uint32_t fid, bool datasync);

/* The length, and as much of the value as fits `size`. Name "": the list of the names. */
ssize_t client_getxattr(struct client *client, uint32_t fid, const char *name, void *buf,
			size_t size);
int client_setxattr(struct client *client, uint32_t fid, const char *name, const void *value,
		    size_t size, uint32_t flags);
int client_removexattr(struct client *client, uint32_t fid, const char *name);

/* `lock->fid` is filled in. Returns the status, P9_LOCK_SUCCESS or P9_LOCK_BLOCKED. */
int client_lock(struct client *client, uint32_t fid, struct p9_Tlock *lock);

/* `holder->client_id` borrows from the reply. */
int client_getlock(struct client *client, uint32_t fid, struct p9_Tgetlock *lock,
		   struct p9_Rgetlock *holder);

/* Ends request `oldtag`: 0 when only Rflush came, 1 when its reply came before, in `*reply`. */
int client_flush(struct client *client, uint16_t oldtag, struct p9_msg *reply);

#endif
