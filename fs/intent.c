/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * intent.c - what a dead process did of a call, and what is left to do.
 *
 * The first try looks at what it is about to change and notes that, then that it has begun; it
 * makes the call, and notes the result. The second try reads from the notes and from what it finds
 * whether the call had its effect. A phase is stored after what it stands for: SIGKILL may come
 * between any two instructions, but it leaves what was stored before it.
 *
 * What can be done twice with the same outcome (a write at an offset, attributes set to a value)
 * has nothing to note but its result.
 */
#include "fs/intent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/crash.h"
#include "common/util.h"

/* How far appended bytes are searched for: this much of others may stand before them. */
#define INTENT_SEARCH (1 << 20)

_Static_assert(sizeof(struct fs_intent) <= 64, "many are kept");

bool fs_intent_begun(const struct fs_intent *intent)
{
	return intent && intent->phase != FS_INTENT_NEW;
}

bool fs_intent_is_open(const struct fs_intent *intent)
{
	return fs_intent_begun(intent) && intent->phase != FS_INTENT_DONE;
}

void fs_intent_give_up(struct fs_intent *intent)
{
	__atomic_store_n(&intent->phase, FS_INTENT_GIVEN_UP, __ATOMIC_RELEASE);
}

bool fs_intent_given_up(const struct fs_intent *intent)
{
	return intent && intent->phase == FS_INTENT_GIVEN_UP;
}

static int intent_begin(struct fs_intent *intent)
{
	CRASH_POINT();
	__atomic_store_n(&intent->phase, FS_INTENT_BEGUN, __ATOMIC_RELEASE);
	CRASH_POINT();
	return INTENT_CALL;
}

int intent_done(struct fs_intent *intent, int result)
{
	if (!intent)
		return result;
	CRASH_POINT();
	intent->result = result;
	__atomic_store_n(&intent->phase, FS_INTENT_DONE, __ATOMIC_RELEASE);
	CRASH_POINT();
	return result;
}

/* Whether there is nothing to look at: nobody asks, nobody wants it, or the result stands in the
 * notes. There may stand anything; what is more than the call can have done is no answer. */
static bool intent_settles(const struct fs_intent *intent, size_t most, int *result)
{
	*result = intent ? intent->result : INTENT_CALL;
	if (*result > 0 && (size_t)*result > most)
		*result = -EIO;
	if (fs_intent_given_up(intent))
		*result = -EINTR;
	return !intent || intent->phase == FS_INTENT_DONE || fs_intent_given_up(intent);
}

static void intent_note(struct fs_intent *intent, const struct fs_attr *attr)
{
	intent->path = attr->path;
	intent->btime = attr->btime;
	intent->version = attr->version;
	intent->mode = attr->mode;
}

/* Host file systems give the number of a removed object to the next one they make. */
bool intent_is(const struct fs_intent *intent, const struct fs_attr *attr)
{
	return intent->path == attr->path && intent->btime.sec == attr->btime.sec &&
	       intent->btime.nsec == attr->btime.nsec;
}

int intent_made(struct fs_intent *intent, int result, const struct fs_attr *attr)
{
	if (intent && result == 0)
		intent_note(intent, attr);
	return intent_done(intent, result);
}

/* On a second try, before it is judged what there is left to do. The rest as intent_settles(). */
static bool intent_finishes(struct fs *fs, const struct fs_begun *begun, int *result)
{
	bool by_halves = fs_intent_is_open(begun->intent) && fs->ops->finish;

	*result = by_halves ? fs->ops->finish(fs, begun) : 0;
	return *result < 0 || intent_settles(begun->intent, 0, result);
}

/* ---- names ---- */

/* What was made may be gone again, or have been replaced; the call succeeded all the same. */
static int intent_made_before(struct fs *fs, struct fs_node dir, const char *name,
			      struct fs_attr *attr, const struct fs_intent *intent)
{
	struct fs_attr found;

	*attr = (struct fs_attr){
		.path = intent->path,
		.version = intent->version,
		.mode = intent->mode,
		.btime = intent->btime,
	};
	if (fs_lookup(fs, dir, name, &found) == 0 && intent_is(intent, &found))
		*attr = found;
	return 0;
}

/* A driver may make a directory in two steps, and death may have come between. */
static int intent_adopt_dir(struct fs *fs, struct fs_node dir, const char *name, uint32_t mode,
			    struct fs_attr *attr)
{
	struct fs_setattr set = {.valid = FS_SET_MODE};
	uint32_t missing = mode & (S_ISGID | S_ISVTX) & ~attr->mode;
	struct fs_node node;
	int ret;

	if (missing == 0)
		return 0;
	ret = fs_walk(fs, dir, name, &node, attr);
	if (ret)
		return ret;
	set.mode = attr->mode | missing;
	ret = S_ISDIR(node.type) ? fs_setattr(fs, node, FS_NO_FILE, &set) : -EEXIST;
	if (ret == 0)
		ret = fs_getattr(fs, node, attr);
	fs_forget(fs, node);
	return ret;
}

/* Symlinks serve as locks: the target tells whose it is. */
static int intent_adopt_symlink(struct fs *fs, struct fs_node dir, const char *name,
				const char *target, struct fs_attr *attr)
{
	char found[FS_TARGET_MAX + 1];
	size_t length = strlen(target);
	struct fs_node node;
	int ret = fs_walk(fs, dir, name, &node, attr);

	if (ret)
		return ret;
	ret = fs_readlink(fs, node, found, sizeof(found));
	fs_forget(fs, node);
	if (ret < 0)
		return ret;
	return (size_t)ret == length && memcmp(found, target, length) == 0 ? 0 : -EEXIST;
}

/* The name was free, then a call began, and now `attr` is there. */
static int intent_adopt(struct fs *fs, struct fs_node dir, const char *name,
			const struct fs_object *object, struct fs_attr *attr)
{
	if ((attr->mode & S_IFMT) != (object->mode & S_IFMT))
		return -EEXIST;
	if (S_ISDIR(attr->mode))
		return intent_adopt_dir(fs, dir, name, object->mode, attr);
	if (S_ISLNK(attr->mode))
		return intent_adopt_symlink(fs, dir, name, object->target, attr);
	return 0;
}

int intent_make(struct fs *fs, struct fs_node dir, const char *name, const struct fs_object *object,
		struct fs_attr *attr, struct fs_intent *intent)
{
	const struct fs_begun begun = {FS_BEGUN_MAKE, .dir = dir, .name = name, .object = object,
				       .intent = intent};
	struct fs_attr found;
	int ret;

	if (intent_finishes(fs, &begun, &ret))
		return ret ? ret : intent_made_before(fs, dir, name, attr, intent);
	ret = fs_lookup(fs, dir, name, &found);
	if (ret == -ENOENT)
		return intent_begin(intent);
	if (ret == 0)
		ret = fs_intent_begun(intent) ? intent_adopt(fs, dir, name, object, &found)
					      : -EEXIST;
	if (ret)
		return ret;
	*attr = found;
	return intent_made(intent, 0, attr);
}

int intent_open(struct fs *fs, struct fs_node dir, const char *name, const struct fs_object *object,
		struct fs_intent *intent)
{
	const struct fs_begun begun = {FS_BEGUN_MAKE, .dir = dir, .name = name, .object = object,
				       .intent = intent};
	struct fs_attr found;
	int ret;

	if (intent_finishes(fs, &begun, &ret))
		return ret == -EEXIST && !fs_intent_given_up(intent) ? 0 : ret;
	if (!fs_intent_begun(intent) && fs_lookup(fs, dir, name, &found) == -ENOENT)
		intent_begin(intent);
	return 0;
}

int intent_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name,
		struct fs_intent *intent)
{
	const struct fs_begun begun = {FS_BEGUN_LINK, .dir = dir, .name = name, .node = node,
				       .intent = intent};
	struct fs_attr found, attr;
	int ret;

	if (intent_finishes(fs, &begun, &ret))
		return ret;
	ret = fs_lookup(fs, dir, name, &found);
	if (ret == -ENOENT)
		return intent_begin(intent);
	if (ret == 0 && !fs_intent_begun(intent))
		return -EEXIST;
	if (ret == 0)
		ret = fs_getattr(fs, node, &attr);
	if (ret)
		return ret;
	return found.path == attr.path ? intent_done(intent, 0) : -EEXIST;
}

/* Once begun, a name that is gone or stands for something else is no longer to be touched. */
int intent_rename(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
		  const char *newname, struct fs_intent *intent)
{
	const struct fs_begun begun = {
		FS_BEGUN_RENAME,  .dir = olddir,      .name = oldname,
		.newdir = newdir, .newname = newname, .intent = intent,
	};
	struct fs_attr found;
	int ret;

	if (intent_finishes(fs, &begun, &ret))
		return ret;
	ret = fs_lookup(fs, olddir, oldname, &found);
	if (ret == 0 && !fs_intent_begun(intent)) {
		intent_note(intent, &found);
		return intent_begin(intent);
	}
	if (ret == 0 && intent_is(intent, &found))
		return INTENT_CALL;
	if (!fs_intent_begun(intent) || (ret && ret != -ENOENT))
		return ret;
	ret = fs_lookup(fs, newdir, newname, &found);
	if (ret)
		return ret;
	return intent_is(intent, &found) ? intent_done(intent, 0) : -ENOENT;
}

int intent_unlink(struct fs *fs, struct fs_node dir, const char *name, struct fs_intent *intent)
{
	const struct fs_begun begun = {FS_BEGUN_UNLINK, .dir = dir, .name = name, .intent = intent};
	struct fs_attr found;
	int ret;

	if (intent_finishes(fs, &begun, &ret))
		return ret;
	ret = fs_lookup(fs, dir, name, &found);
	if (fs_intent_begun(intent)) {
		if (ret == -ENOENT || (ret == 0 && !intent_is(intent, &found)))
			return intent_done(intent, 0);
		return ret ? ret : INTENT_CALL;
	}
	if (ret)
		return ret;
	intent_note(intent, &found);
	return intent_begin(intent);
}

/* ---- bytes at the end of a file ---- */

static ssize_t intent_read(struct fs *fs, struct fs_node node, char *buf, size_t size,
			   uint64_t offset)
{
	struct fs_file file;
	size_t done = 0;
	ssize_t n = fs_open(fs, node, O_RDONLY, &file);

	if (n)
		return n;
	do {
		n = fs_read(fs, file, buf + done, size - done, offset + done, false);
		done += n > 0 ? (size_t)n : 0;
	} while (n > 0 && done < size);
	fs_close(fs, file);
	return n < 0 ? n : (ssize_t)done;
}

/* Others may have appended before us, then all our bytes follow somewhere; a part of them
 * counts only where we would have put it, and at the end. That is what is left when death
 * comes in the middle of a long write. */
static size_t intent_find(const char *there, size_t length, bool is_end, const void *buf,
			  size_t size)
{
	if (memmem(there, length, buf, size))
		return size;
	return is_end && length < size && memcmp(there, buf, length) == 0 ? length : 0;
}

/* How many of the bytes stand between `start`, where the file ended, and where it ends now. Where
 * they may not be read, as many as there are. */
static ssize_t intent_appended(struct fs *fs, struct fs_node node, uint64_t start, uint64_t end,
			       const void *buf, size_t size)
{
	uint64_t length = end > start ? end - start : 0;
	size_t most = size + INTENT_SEARCH;
	bool is_end = length <= most;
	_cleanup_free_ char *there = NULL;
	ssize_t n;

	if (length == 0)
		return 0;
	most = is_end ? (size_t)length : most;
	there = malloc(most);
	if (!there)
		return -ENOMEM;
	n = intent_read(fs, node, there, most, start);
	if (n == -EACCES)
		return (ssize_t)(length < size ? (size_t)length : size);
	return n < 0 ? n : (ssize_t)intent_find(there, (size_t)n, is_end, buf, size);
}

int intent_write(struct fs *fs, struct fs_file file, const void *buf, size_t size, size_t *written,
		 struct fs_intent *intent)
{
	struct fs_node node;
	struct fs_attr attr;
	ssize_t found;
	int ret;

	*written = 0;
	if (intent_settles(intent, size, &ret))
		return ret;
	if (!(file.flags & O_APPEND) || size == 0)
		return INTENT_CALL;
	if (!fs->ops->size || !fs->ops->pin)
		return -EOPNOTSUPP;
	if (!fs_intent_begun(intent)) {
		ret = fs->ops->size(fs, file, &intent->size);
		return ret ? ret : intent_begin(intent);
	}
	ret = fs->ops->pin(fs, file, &node, &attr);
	if (ret)
		return ret;
	found = intent_appended(fs, node, intent->size, attr.size, buf, size);
	fs_forget(fs, node);
	if (found < 0)
		return (int)found;
	*written = (size_t)found;
	return *written == size ? intent_done(intent, (int)size) : INTENT_CALL;
}

/* ---- attributes ---- */

static bool intent_has_xattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
			     size_t size)
{
	_cleanup_free_ char *value = malloc(size + 1);
	ssize_t n = value ? fs_getxattr(fs, node, name, value, size) : -ENOMEM;

	return n == (ssize_t)size && (size == 0 || memcmp(value, buf, size) == 0);
}

/* Where an attribute is that should not be, the driver says what that means. */
int intent_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
		    size_t size, int flags, struct fs_intent *intent)
{
	int ret;

	if (intent_settles(intent, 0, &ret))
		return ret;
	if (!(flags & XATTR_CREATE))
		return INTENT_CALL;
	if (!fs_intent_begun(intent))
		return fs_getxattr(fs, node, name, NULL, 0) == -ENODATA ? intent_begin(intent)
									: INTENT_CALL;
	return intent_has_xattr(fs, node, name, buf, size) ? intent_done(intent, 0) : INTENT_CALL;
}

int intent_removexattr(struct fs *fs, struct fs_node node, const char *name,
		       struct fs_intent *intent)
{
	ssize_t n;
	int ret;

	if (intent_settles(intent, 0, &ret))
		return ret;
	n = fs_getxattr(fs, node, name, NULL, 0);
	if (fs_intent_begun(intent))
		return n == -ENODATA ? intent_done(intent, 0) : INTENT_CALL;
	return n >= 0 ? intent_begin(intent) : INTENT_CALL;
}
