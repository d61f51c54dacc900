/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fs.h - what the engine may ask of a file driver, and what a driver owes it.
 *
 * The calls have POSIX shape: they know nothing of 9P, fids or rings. A driver
 * fills a `struct fs_ops`; everybody else calls the fs_*() functions below, which
 * check what every driver may rely on (names, ranges, empty slots) in one place.
 *
 * Rules that hold for every call:
 *  - Result: 0 or a byte count is success, a negative number is -errno and travels
 *    to the guest unchanged (docs: errno(3), Linux numbering). A slot left NULL
 *    answers -EOPNOTSUPP.
 *  - Threads: every call may run beside any other on the same fs, node or file,
 *    except that two fs_readdir() on one file, and fs_close()/fs_forget() of a
 *    handle beside its last use, never overlap (the engine sees to that).
 *  - Blocking: a call may sleep in the storage (a dead NFS server sleeps for ever),
 *    but must not wait for another guest request: no FIFO, lock or lease waits. Only
 *    fs_lock_wait() does, and can be told to give up.
 *  - Escapes: nothing outside the export root is reachable through any handle,
 *    whatever is renamed, linked or mounted on the host meanwhile; symbolic links
 *    are never followed by the driver.
 *  - Handles are small values, not pointers, so that a table of them may live in
 *    memory that outlives a process.
 */
#ifndef FS_FS_H
#define FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FS_NAME_MAX 255	   /* bytes in a name, without the NUL (limits.h NAME_MAX) */
#define FS_TARGET_MAX 4095 /* bytes in a symlink target (limits.h PATH_MAX - 1) */
#define FS_XATTR_MAX 65536 /* bytes in an attribute value or list (xattr(7)) */

/* An object of the tree: pinned until fs_forget(), also when it is unlinked.
 * `id` is the driver's (local: an O_PATH descriptor; mem: an index), `type` the
 * S_IFMT bits, which cannot change while the object is pinned. */
struct fs_node {
	int32_t id;
	uint32_t type;
};

/* An opened regular file or directory, until fs_close(). `flags` is set by fs_open() and
 * fs_create(): what it was opened with but O_TRUNC and O_EXCL, so that fs_open() of its node with
 * these flags gives its like. So is `copies`: see there. */
struct fs_file {
	int32_t id;
	uint32_t flags : 31, copies : 1; /* a million fids have one each */
};

#define FS_NO_NODE ((struct fs_node){.id = -1})
#define FS_NO_FILE ((struct fs_file){.id = -1})

/* On whose behalf a new object is made. (uint32_t)-1 in either: not known, the
 * driver's own choice. */
struct fs_cred {
	uint32_t uid;
	uint32_t gid;
};

struct fs_time {
	int64_t sec;
	uint32_t nsec;
};

/* What stat(2) tells. `path` and `version` make the qid: `path` is unique among the
 * objects alive in the export and equal for all hard links of one; `version`
 * changes with the content and is never 0 (0 switches the Linux client's caching
 * off). */
struct fs_attr {
	uint64_t path;
	uint32_t version;
	uint32_t mode; /* with S_IFMT */
	uint32_t uid, gid;
	uint64_t nlink;
	uint32_t rdev_major, rdev_minor;
	uint64_t size;
	uint64_t blksize;
	uint64_t blocks; /* of 512 bytes */
	struct fs_time atime, mtime, ctime;
	struct fs_time btime; /* valid when has_btime */
	bool has_btime;
};

/* Notes of a call that must not simply be made twice, in memory that outlives the process. All
 * zeros before the first try. When the process died at any instant of a call with an intent, the
 * same call again, with the same arguments and intent and by another process, has the outcome of
 * one call. Plain data: who can write to that memory can make a call be left out or done twice, no
 * more.
 *
 * What can not be told apart: somebody else makes the very name (or equal bytes at the end of the
 * file), after it was looked for and before the second try, and the first try died without effect.
 * Then the second try takes that for its own work. The same client is somebody else when it has
 * given the first try up.
 *
 * Nor, without the right to read any file (an ordinary user's process), whose bytes were appended
 * to a file that its owner may not read: then its length alone decides. */
enum fs_intent_phase {
	FS_INTENT_NEW,
	FS_INTENT_BEGUN,
	FS_INTENT_DONE,
	FS_INTENT_GIVEN_UP, /* see fs_intent_give_up() */
};

struct fs_intent {
	uint32_t phase;		/* enum fs_intent_phase; written after what it stands for */
	int32_t result;		/* of FS_INTENT_DONE */
	uint64_t path;		/* fs_attr.path of the object made, removed or renamed */
	struct fs_time btime;	/* and its fs_attr.btime, for a path may be given again */
	uint32_t version, mode; /* of an object made */
	uint64_t size;		/* of the file before bytes were appended */
};

/* What an object is made with. */
struct fs_object {
	uint32_t mode; /* with S_IFMT */
	struct fs_cred cred;
	const char *target;    /* of a symlink */
	uint32_t major, minor; /* of a device */
};

/* A call that a dead process began, for the slot `finish`. */
struct fs_begun {
	enum { FS_BEGUN_MAKE, FS_BEGUN_LINK, FS_BEGUN_RENAME, FS_BEGUN_UNLINK } kind;
	struct fs_node dir; /* where `name` is made, linked or removed; of a rename the old ones */
	const char *name;
	const struct fs_object *object; /* made */
	struct fs_node node;		/* linked */
	struct fs_node newdir;		/* of a rename */
	const char *newname;
	const struct fs_intent *intent;
};

/* fs_setattr(): which fields count. The order of effects is size, owner, mode,
 * times, so that each survives the others' side effects. Setting the size sets mtime to now, too,
 * and any change the ctime; drivers are not asked for that besides. */
enum {
	FS_SET_MODE = 1 << 0,
	FS_SET_UID = 1 << 1,
	FS_SET_GID = 1 << 2,
	FS_SET_SIZE = 1 << 3,
	FS_SET_ATIME = 1 << 4,
	FS_SET_MTIME = 1 << 5,
	FS_SET_ATIME_NOW = 1 << 6,
	FS_SET_MTIME_NOW = 1 << 7,
	FS_SET_CTIME = 1 << 8, /* alone: only touch ctime; keeps suid/sgid */
};

struct fs_setattr {
	uint32_t valid;
	uint32_t mode; /* 07777 counts, other bits are ignored */
	uint32_t uid, gid;
	uint64_t size;
	struct fs_time atime, mtime;
};

/* `bsize` is the unit of `blocks`, `bfree` and `bavail`. */
struct fs_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, fsid;
	uint32_t namelen;
};

/* Finds an object again when every descriptor is lost; plain data, `size` 0 finds nothing. */
struct fs_handle {
	uint8_t size; /* bytes used */
	uint8_t type;
	uint8_t bytes[46];
};

struct fs_dirent {
	uint64_t path;	 /* as fs_attr.path */
	uint64_t offset; /* where to resume after this entry; opaque, never 0 */
	uint8_t type;	 /* DT_* of readdir(3) */
	const char *name;
};

/* Takes one entry of a listing. Returns false when there is no more room: that
 * entry was not taken and comes again at the next call. */
typedef bool fs_emit(void *arg, const struct fs_dirent *entry);

enum fs_lock_type { FS_LOCK_READ, FS_LOCK_WRITE, FS_LOCK_NONE };

struct fs_lock {
	enum fs_lock_type type;
	uint64_t start;
	uint64_t length; /* 0: to the end of the file */
};

/* A call that waits for others. */
struct fs_wait {
	pthread_t thread;
	bool cancelled;
};

struct fs;

struct fs_ops {
	const char *name;

	bool opens_special; /* open() takes FIFOs, sockets and devices */

	/* Frees fs and what it holds. All nodes and files have been given back. */
	void (*destroy)(struct fs *fs);

	/* On whose behalf this thread makes its next calls; the group is not known. EPERM: that
	 * user is not served. NULL: it makes no difference. */
	int (*act_as)(struct fs *fs, struct fs_cred cred);

	/* Pins the export root; its fs_node.type is S_IFDIR. */
	int (*root)(struct fs *fs, struct fs_node *node, struct fs_attr *attr);

	/* Looks `name` up in directory `dir` and pins what is there: a symlink as
	 * itself. `name` is an ordinary name here, or "." for `dir` itself, also when it was
	 * removed; ".." is fs_walk()'s. ENOENT, ENOTDIR (dir is none), ENAMETOOLONG. */
	int (*walk)(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
		    struct fs_attr *attr);

	/* As walk, but for "."; only tells the attributes and pins nothing. */
	int (*lookup)(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr);

	/* Where `node` is now: pins the directory that holds it and copies its name
	 * (FS_NAME_MAX + 1 bytes). Of the root: the root itself and "/". ENOENT when it
	 * was unlinked or moved out of the export; ENAMETOOLONG of what is no directory and so
	 * deep that its place has no path. */
	int (*parent)(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name);

	/* Whether `node` lies so deep, 0 or 1, and nothing else of its place. NULL: no depth is too
	 * much here. */
	int (*is_deep)(struct fs *fs, struct fs_node node);

	void (*forget)(struct fs *fs, struct fs_node node);

	/* What finds `node` again in another process, wherever it is moved to beneath the root;
	 * `attr` is what its walk, root or create told. EOPNOTSUPP, EOVERFLOW: nothing does; so it
	 * is for what is mounted below the root. */
	int (*handle)(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
		      struct fs_handle *handle);

	/* Pins what a handle stands for. The handle may be forged; the object is beneath the root
	 * all the same. ESTALE: it is not there (any more), or where it is cannot be told: of a
	 * file whose name the host has dropped from its caches, or that lost one of several
	 * names. EPERM: this process may not (local: CAP_DAC_READ_SEARCH). */
	int (*restore)(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
		       struct fs_attr *attr);

	/* Pins again what this very process had pinned and made the handle of, wherever it is by
	 * now. Gives the `id` alone. ESTALE: it has lost its last name since; EPERM as above. */
	int (*regain)(struct fs *fs, const struct fs_handle *handle, struct fs_node *node);

	int (*getattr)(struct fs *fs, struct fs_node node, struct fs_attr *attr);

	/* `file` is an open file of the node or FS_NO_FILE; a size change uses it when it
	 * is writable, whatever the mode bits say by now. EISDIR, EINVAL for a size change
	 * of what is no regular file; EOPNOTSUPP for the mode of a symlink. */
	int (*setattr)(struct fs *fs, struct fs_node node, struct fs_file file,
		       const struct fs_setattr *set);

	/* Copies the target of a symlink, at most `size` bytes, without NUL; returns its
	 * length. EINVAL for anything else. */
	int (*readlink)(struct fs *fs, struct fs_node node, char *buf, size_t size);

	/* Opens a regular file or directory; `flags`: an access mode and any of O_TRUNC,
	 * O_APPEND, O_DSYNC, O_SYNC, O_NOATIME. ENXIO for fifo, socket and device (unless
	 * opens_special; then never waiting for anybody, and bytes that a dead process wrote may be
	 * written twice), ELOOP for a symlink, EISDIR for a directory with write access or O_TRUNC.
	 */
	int (*open)(struct fs *fs, struct fs_node node, int flags, struct fs_file *file);

	/* Makes and opens a regular file in one step; `flags` as for open. Gives node, file and
	 * attr. The new file has mode `mode` & 07777 and belongs to `cred`; the returned file is
	 * usable in the asked access mode whatever `mode` says. EEXIST, ENOTDIR, ENOENT (dir was
	 * removed). */
	int (*create)(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
		      struct fs_cred cred, struct fs_node *node, struct fs_file *file,
		      struct fs_attr *attr);

	void (*close)(struct fs *fs, struct fs_file file);

	/* Pins the object of an open file. */
	int (*pin)(struct fs *fs, struct fs_file file, struct fs_node *node, struct fs_attr *attr);

	/* An open handle that a predecessor of this process has left, before it is used: `node` and
	 * FS_NO_FILE, or FS_NO_NODE and `file`. For who counts handles; it may be none at all. */
	void (*adopt)(struct fs *fs, struct fs_node node, struct fs_file file);

	/* Where an open regular file ends. */
	int (*size)(struct fs *fs, struct fs_file file, uint64_t *size);

	/* How many bytes of storage an open regular file takes: its fs_attr.blocks. */
	int (*taken)(struct fs *fs, struct fs_file file, uint64_t *bytes);

	/* As pread(2) and pwrite(2); never more than SSIZE_MAX bytes. fs_read() with
	 * nowait: -EAGAIN when not all that could be had (up to the end of the file) can be
	 * had without sleeping. A write of a non-empty buffer returns at least 1. A file
	 * opened O_APPEND is written at its end. */
	ssize_t (*read)(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
			bool nowait);
	ssize_t (*write)(struct fs *fs, struct fs_file file, const void *buf, size_t size,
			 uint64_t offset);

	/* Whether read() and write() copy to and from `buf` and never have a hold of its pages:
	 * they can be unmapped meanwhile, also for whoever had lent them (a guest). NULL: nobody
	 * knows. */
	bool (*copies)(struct fs *fs, struct fs_file file);

	/* Files and directories, also such opened read-only. */
	int (*fsync)(struct fs *fs, struct fs_file file, bool datasync);

	/* Lists from `offset` (0 or an entry's offset) until the directory ends, `emit` says
	 * no, or about `size` bytes of names were produced. "." and ".." are listed; ".." of
	 * the root has the root's path. Entries untouched by others meanwhile appear exactly
	 * once. */
	int (*readdir)(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size,
		       fs_emit *emit, void *arg);

	/* Make an object; EEXIST when the name is taken. mkdir honours the S_ISGID and
	 * S_ISVTX bits of `mode`; S_ISUID is never among them. symlink stores `target` unread.
	 * mknod: `mode` has S_IFMT of S_IFREG (or 0), S_IFCHR, S_IFBLK, S_IFIFO or S_IFSOCK. */
	int (*mkdir)(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		     struct fs_cred cred, struct fs_attr *attr);
	int (*symlink)(struct fs *fs, struct fs_node dir, const char *name, const char *target,
		       struct fs_cred cred, struct fs_attr *attr);
	int (*mknod)(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
		     uint32_t major, uint32_t minor, struct fs_cred cred, struct fs_attr *attr);

	/* A further name for `node` (a symlink itself, not its target). ENOENT when it has
	 * no name left, EPERM for a directory. */
	int (*link)(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name);

	/* rename(2): replaces what the new name held. Handles stay on their objects. */
	int (*rename)(struct fs *fs, struct fs_node olddir, const char *oldname,
		      struct fs_node newdir, const char *newname);

	/* unlink(2), with `rmdir` rmdir(2). EISDIR, ENOTDIR, ENOTEMPTY. */
	int (*unlink)(struct fs *fs, struct fs_node dir, const char *name, bool rmdir);

	/* Completes what a dead process did by halves, when a call of this driver takes several
	 * steps after the one that everybody sees (the name is there, is gone, is another's). What
	 * that process did not get to, or others did since, stays as it is. Then fs.c looks
	 * whether the call is still to be made, if it was not given up. Only called on a second
	 * try. */
	int (*finish)(struct fs *fs, const struct fs_begun *begun);

	int (*statfs)(struct fs *fs, struct fs_node node, struct fs_statfs *st);

	/* Extended attributes as in xattr(7), whole values. getxattr and listxattr return the
	 * length; `size` 0 only asks for it; ERANGE when it does not fit. ENODATA when
	 * missing; EOPNOTSUPP for a name space the driver does not keep. setxattr `flags`:
	 * XATTR_CREATE, XATTR_REPLACE or 0; an empty value is a value. A POSIX ACL is set whatever
	 * the flags are, and removed by an empty value or removexattr, be there one or not. */
	ssize_t (*getxattr)(struct fs *fs, struct fs_node node, const char *name, void *buf,
			    size_t size);
	ssize_t (*listxattr)(struct fs *fs, struct fs_node node, void *buf, size_t size);
	int (*setxattr)(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			size_t size, int flags);
	int (*removexattr)(struct fs *fs, struct fs_node node, const char *name);

	/* Byte-range locks of this open file, against every other open file and host process
	 * (OFD locks, fcntl(2)). lock: FS_LOCK_NONE releases; -EAGAIN on a conflict, at once.
	 * getlock: gives back the first conflicting lock, or type FS_LOCK_NONE. Both: closing
	 * the file releases. EBADF when the access mode does not fit the lock type. */
	int (*lock)(struct fs *fs, struct fs_file file, const struct fs_lock *lock);
	int (*getlock)(struct fs *fs, struct fs_file file, struct fs_lock *lock);

	/* As lock, but a conflict is waited for. EINTR: wait->cancelled was found set, and nothing
	 * is locked that was not before. Who waits for each other waits for ever: two open files
	 * are no deadlock to anybody (fcntl(2)). */
	int (*lock_wait)(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
			 struct fs_wait *wait);

	/* Makes a thread that waits look at wait->cancelled. */
	void (*lock_wake)(struct fs *fs, struct fs_wait *wait);
};

/* What every driver's own struct begins with. */
struct fs {
	const struct fs_ops *ops;
};

/* How the caller uses a name; each use has its own answer to "", ".", ".." and "/"
 * (the numbers a Linux kernel gives for the same mistake on a local file system). */
enum fs_name_use { FS_NAME_WALK, FS_NAME_MAKE, FS_NAME_RENAME, FS_NAME_UNLINK };

/* 0 when `name` may be handed to a driver; else the -errno for that use. The only place
 * that judges names: empty, "/" inside, too long, "." and "..". fs_walk() takes "." and ".."
 * before it asks here. */
int fs_name_check(const char *name, enum fs_name_use use);

/* The calls. Same parameters and results as the slots above, names and ranges checked: an
 * offset beyond INT64_MAX is EINVAL, offset + size beyond it EINVAL (read) or EFBIG (write);
 * nanoseconds of 10^9 and more are EINVAL. Some do more than their slots:
 *  - fs_walk() also answers "." (the directory itself, pinned once more) and ".." (its parent; of
 *    the root the root);
 *  - fs_create() takes O_EXCL; without it an existing regular file is opened as it is, owner and
 *    mode untouched (EISDIR, ENXIO, ELOOP for anything else);
 *  - those that take an intent can be made a second time by the process that follows a dead one.
 *    NULL: nobody follows; that saves looking beforehand.
 * All take `fs` not NULL. */
void fs_destroy(struct fs *fs); /* takes NULL */
int fs_act_as(struct fs *fs, struct fs_cred cred);
int fs_root(struct fs *fs, struct fs_node *node, struct fs_attr *attr);
int fs_walk(struct fs *fs, struct fs_node dir, const char *name, struct fs_node *node,
	    struct fs_attr *attr);
int fs_parent(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name);
int fs_is_deep(struct fs *fs, struct fs_node node);
void fs_forget(struct fs *fs, struct fs_node node); /* takes FS_NO_NODE */
int fs_lookup(struct fs *fs, struct fs_node dir, const char *name, struct fs_attr *attr);
int fs_handle(struct fs *fs, struct fs_node node, const struct fs_attr *attr,
	      struct fs_handle *handle); /* zeros on failure */
int fs_restore(struct fs *fs, const struct fs_handle *handle, struct fs_node *node,
	       struct fs_attr *attr);
int fs_regain(struct fs *fs, const struct fs_handle *handle, struct fs_node *node);
int fs_getattr(struct fs *fs, struct fs_node node, struct fs_attr *attr);
int fs_setattr(struct fs *fs, struct fs_node node, struct fs_file file,
	       const struct fs_setattr *set);
int fs_readlink(struct fs *fs, struct fs_node node, char *buf, size_t size);
int fs_open(struct fs *fs, struct fs_node node, int flags, struct fs_file *file);
int fs_create(struct fs *fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
	      struct fs_cred cred, struct fs_node *node, struct fs_file *file, struct fs_attr *attr,
	      struct fs_intent *intent);
void fs_close(struct fs *fs, struct fs_file file); /* takes FS_NO_FILE */
void fs_adopt(struct fs *fs, struct fs_node node, struct fs_file file);
int fs_taken(struct fs *fs, struct fs_file file, uint64_t *bytes);
ssize_t fs_read(struct fs *fs, struct fs_file file, void *buf, size_t size, uint64_t offset,
		bool nowait);
ssize_t fs_write(struct fs *fs, struct fs_file file, const void *buf, size_t size, uint64_t offset,
		 struct fs_intent *intent);
int fs_fsync(struct fs *fs, struct fs_file file, bool datasync);
int fs_readdir(struct fs *fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit,
	       void *arg);
int fs_mkdir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
	     struct fs_cred cred, struct fs_attr *attr, struct fs_intent *intent);
int fs_symlink(struct fs *fs, struct fs_node dir, const char *name, const char *target,
	       struct fs_cred cred, struct fs_attr *attr, struct fs_intent *intent);
int fs_mknod(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
	     uint32_t minor, struct fs_cred cred, struct fs_attr *attr, struct fs_intent *intent);
int fs_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name,
	    struct fs_intent *intent);
int fs_rename(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
	      const char *newname, struct fs_intent *intent);
int fs_unlink(struct fs *fs, struct fs_node dir, const char *name, bool rmdir,
	      struct fs_intent *intent);
int fs_statfs(struct fs *fs, struct fs_node node, struct fs_statfs *st);
ssize_t fs_getxattr(struct fs *fs, struct fs_node node, const char *name, void *buf, size_t size);
ssize_t fs_listxattr(struct fs *fs, struct fs_node node, void *buf, size_t size);
int fs_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf, size_t size,
		int flags, struct fs_intent *intent);
int fs_removexattr(struct fs *fs, struct fs_node node, const char *name, struct fs_intent *intent);
int fs_lock(struct fs *fs, struct fs_file file, const struct fs_lock *lock);
int fs_getlock(struct fs *fs, struct fs_file file, struct fs_lock *lock);

/* The waiting call is made by wait->thread. Another thread ends it: fs_wait_cancel(), any time; and
 * fs_lock_wake() while that thread lives, as often as it takes until the call is back: it may miss
 * one when it is only about to wait. */
int fs_lock_wait(struct fs *fs, struct fs_file file, const struct fs_lock *lock,
		 struct fs_wait *wait);
void fs_lock_wake(struct fs *fs, struct fs_wait *wait);

static inline void fs_wait_cancel(struct fs_wait *wait)
{
	__atomic_store_n(&wait->cancelled, true, __ATOMIC_RELEASE);
}

static inline bool fs_wait_cancelled(const struct fs_wait *wait)
{
	return __atomic_load_n(&wait->cancelled, __ATOMIC_ACQUIRE);
}

/* Whether a call was, or may have been, made with this intent. Takes NULL: no. */
bool fs_intent_begun(const struct fs_intent *intent);

/* Whether it was begun, and not seen to end: the object may be there by halves. Takes NULL: no. */
bool fs_intent_is_open(const struct fs_intent *intent);

/* Of an open intent whose call nobody wants any more. The same call with it does nothing but make
 * whole what was done by halves (the slot `finish`; a directory may stay without S_ISGID and
 * S_ISVTX); its result is -EINTR, or what was wrong. */
void fs_intent_give_up(struct fs_intent *intent);
bool fs_intent_given_up(const struct fs_intent *intent); /* takes NULL: no */

/* The drivers. Each create function gives an fs to fs_destroy(), or -errno with a text in
 * `err` (of `errlen` bytes) that an administrator can act on. */

/* A host directory. `root_fd` (an O_PATH directory descriptor is enough) is borrowed: the
 * driver keeps a duplicate. */
enum fs_model {
	FS_MODEL_NONE,	       /* as passthrough, but an owner that cannot be set is no error */
	FS_MODEL_PASSTHROUGH,  /* owners and modes are the host's; needs root */
	FS_MODEL_MAPPED_XATTR, /* owners, modes and types are kept in attributes, or in files: */
	FS_MODEL_MAPPED_FILE,  /* mapped.h. Not made by fs_local_create() but by export.h */
};
int fs_model_parse(const char *text, enum fs_model *model); /* -EINVAL: no such model */
const char *fs_model_name(enum fs_model model);
int fs_local_create(int root_fd, enum fs_model model, struct fs **fs, char *err, size_t errlen);

/* An empty tree in memory, gone with the fs. */
int fs_mem_create(struct fs **fs, char *err, size_t errlen);

#endif
