/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local.h - what the files of the host directory driver share; for local_*.c only.
 *
 * A node is an O_PATH descriptor, so it pins the object itself and no name. What such a
 * descriptor cannot do (open, chmod, link, attributes) is done through its name in
 * /proc/self/fd, which leads to exactly this object, also when it is unlinked or a
 * symlink. That directory is the process's own: an fs serves only the process that made it.
 */
#ifndef FS_LOCAL_H
#define FS_LOCAL_H

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/util.h"
#include "fs/export.h"
#include "fs/fs.h"

/* A file system mounted below the root, see local_qid_path(). */
struct local_device {
	uint32_t major, minor;
	uint16_t number; /* 0: of the root */
};

/* A handle that has been asked for, of the object with that number and time of birth. */
struct local_known {
	uint64_t path;
	struct fs_time btime;
	struct fs_handle handle;
};

#define LOCAL_KNOWN_MAX 4096

struct local {
	struct fs fs;
	int root;	   /* O_PATH */
	int proc;	   /* /proc/self/fd */
	bool passthrough;  /* an owner that cannot be set is an error */
	bool all_xattrs;   /* not only what means nothing to the host */
	bool hide_mounts;  /* what is mounted below the root is not there */
	bool switch_creds; /* new objects are made with the credentials of their owner */
	struct local_device root_device;
	uint64_t root_ino;
	int root_mount; /* its number in this process; -1: there are no handles */

	pthread_mutex_t lock;	      /* guards the rest */
	struct local_device *devices; /* all but the root's */
	size_t device_count;

	pthread_mutex_t known_lock;
	struct local_known *known; /* LOCAL_KNOWN_MAX, by number of the object */

	struct local_recent *recent;
};

static inline struct local *local_of(struct fs *fs)
{
	return container_of(fs, struct local, fs);
}

/* A system call's result as a negative errno; interrupted calls are tried again. */
#define LOCAL_SYS(call)                                                                            \
	({                                                                                         \
		__typeof__(call) result_;                                                          \
		do                                                                                 \
			result_ = (call);                                                          \
		while (result_ < 0 && errno == EINTR);                                             \
		result_ < 0 ? -errno : result_;                                                    \
	})

/* The same for one that gives a descriptor: when there are none, those that wait are given up. */
#define LOCAL_OPEN(local, call)                                                                    \
	({                                                                                         \
		int fd_ = (int)LOCAL_SYS(call);                                                    \
		if (fd_ == -EMFILE) {                                                              \
			local_recent_clear(local);                                                 \
			fd_ = (int)LOCAL_SYS(call);                                                \
		}                                                                                  \
		fd_;                                                                               \
	})

/* ---- local.c ---- */

/* Is the type of fd's file system (statfs(2)) among `types`? */
bool local_is_on(int fd, const uint32_t *types, size_t count);

/* Is it one whose objects are in this kernel's hands alone: none of the network's, nor FUSE? Where
 * that is not known: no. */
bool local_is_kernels_own(int fd);

/* The name of descriptor `fd` in local::proc. */
struct local_fd_name {
	char text[12];
};
struct local_fd_name local_fd_name(int fd);

/* Opens `path` beneath `dir` as an O_PATH descriptor (`flags`: O_DIRECTORY or 0): a
 * symlink at its end as itself, none on the way, no "..", no way out. */
int local_beneath(const struct local *local, int dir, const char *path, int flags);

/* Opens the object of an O_PATH descriptor anew. For regular files and directories only:
 * a FIFO or device would come to life. */
int local_reopen(const struct local *local, int fd, int flags);

/* Pins: gives `fd` away to `node`, or closes it on failure. */
int local_pin(struct local *local, int fd, struct fs_node *node, struct fs_attr *attr);

int local_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
	       struct fs_attr *attr);
int local_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name);
void local_forget(struct fs *fs, struct fs_node node);

/* ---- local_recent.c ----
 *
 * Any thread. */

int local_recent_create(struct local *local);	/* when its root is open */
void local_recent_destroy(struct local *local); /* takes one that has none */

/* A descriptor that was walked to by this name of that directory, waits for the next such walk, and
 * is what the name stands for now, as `st` shows it. -1: there is none. */
int local_recent_take(struct local *local, int dir, const char *name, struct statx *st);

/* `fd`, which shows `st`, was walked to; before that, local_recent_losses() was `losses`. From now
 * on local_recent_forget() alone may close it. */
unsigned local_recent_losses(const struct local *local);
void local_recent_note(struct local *local, int dir, const char *name, int fd,
		       const struct statx *st, unsigned losses);

/* Closes the descriptor of the node, or lets it wait. */
void local_recent_forget(struct local *local, struct fs_node node);

/* A name is gone from some directory, or another object's: no descriptor waits for it. */
void local_recent_unlinked(struct local *local, const char *name);

/* Closes all that wait. When it returns, some are closed that were to be, by whomever. */
void local_recent_clear(const struct local *local);

/* ---- local_handle.c ---- */

/* Was the time so long ago that another such event would have got another one? */
bool local_is_settled(int64_t sec);

/* The number of the mount that `fd` is on; -1 when its file system gives no handles. */
int local_mount_id(int fd);

int local_handle(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
		 struct fs_handle *handle);
int local_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
		  struct fs_attr *attr);
int local_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node);

/* ---- local_attr.c ---- */

/* The attributes of `name` in `dir`, not followed; with "" of `dir` itself, of any kind. ENOENT for
 * a mount that is hidden. */
int local_stat(struct local *local, int dir, const char *name, struct fs_attr *attr);

/* The same in two steps. */
int local_statx(const struct local *local, int dir, const char *name, struct statx *st);
int local_attr_of(struct local *local, const struct statx *st, struct fs_attr *attr);

static inline struct fs_time local_time(const struct statx_timestamp *time)
{
	return (struct fs_time){.sec = time->tv_sec, .nsec = time->tv_nsec};
}

/* The export-wide number of an object. */
int local_qid_path(struct local *local, uint32_t major, uint32_t minor, uint64_t ino,
		   uint64_t *path);

int local_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr);
int local_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
		  const struct fs_setattr *set);
int local_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size);
int local_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st);

/* ---- local_cred.c ---- */

/* What local_cred_enter() found and local_cred_leave() puts back. */
struct local_cred {
	bool entered;
	uid_t uid;
	gid_t gid;
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
};

/* The first capability missing for creating on behalf of others, or NULL. */
const char *local_cred_missing(void);

/* Makes the calling thread create objects as `cred`, until local_cred_leave(). */
int local_cred_enter(const struct local *local, struct fs_cred cred, struct local_cred *saved);
void local_cred_leave(struct local_cred *saved);

/* Makes it that user for whatever is to be checked, too: with his supplementary groups, and without
 * capabilities unless he is root. */
struct local_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;
};
int local_cred_as(const struct local_user *user, struct local_cred *saved);

/* Before a call that writes into a file, and before one that needs the server's rights to
 * set-id bits. */
int local_act_as(struct fs *fs, struct fs_cred cred);
void local_writes(const struct local *local);
void local_keeps_setid(void);

#define _local_cred_ __attribute__((cleanup(local_cred_leave)))

/* ---- local_make.c ---- */

int local_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
		 struct fs_cred cred, struct fs_node *node, struct fs_file *file,
		 struct fs_attr *attr);
int local_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		struct fs_cred cred, struct fs_attr *attr);
int local_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
		  struct fs_cred cred, struct fs_attr *attr);
int local_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
		uint32_t minor, struct fs_cred cred, struct fs_attr *attr);
int local_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name);
int local_rename(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
		 const char *newname);
int local_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir);

/* ---- local_io.c ---- */

int local_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file);
int local_pin_file(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr);
int local_size(struct fs *fs, struct fs_file file, uint64_t *size);
int local_taken(struct fs *fs, struct fs_file file, uint64_t *bytes);
void local_close(struct fs *fs, struct fs_file file);
ssize_t local_read(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
		   bool nowait);
bool local_copies(struct fs *fs, struct fs_file file);
ssize_t local_write(struct fs *fs, struct fs_file file, const void *buf, size_t size,
		    uint64_t offset);
int local_fsync(struct fs *fs, struct fs_file file, bool datasync);

/* ---- local_lock.c ---- */

void local_lock_begin(void); /* of the process, before anybody waits */
int local_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock);
int local_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
		    struct fs_wait *wait);
void local_lock_wake(struct fs *fs, struct fs_wait *wait);
int local_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock);

/* ---- local_dir.c ---- */

int local_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit,
		  void *arg);

/* ---- local_xattr.c ---- */

ssize_t local_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf,
		       size_t size);
ssize_t local_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size);
int local_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
		   size_t size, int flags);
int local_removexattr(struct fs *fs, struct fs_node node, const char *name);

#endif
