/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mapped_meta.c - the files of mapped-file: where they are, what they say, and how that is changed.
 *
 * A file is replaced at once, under a name that no object can have; or where others share it, who
 * must not lose it, written by one call. The new file is locked, so that one process changes
 * attributes in a directory at a time, and keeps what others have written.
 */
#include "fs/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crash.h"

#define META_NEW MAPPED_META /* in MAPPED_META: a file that is being written */
#define META_SIZE 512	     /* of which four lines take 100 */

#define SERVER ((struct fs_cred){.uid = (uint32_t)-1, .gid = (uint32_t)-1})

/* ---- where a file is ---- */

void mapped_meta_end(struct mapped_meta *meta)
{
	fs_forget(meta->below, meta->home);
	fs_forget(meta->below, meta->dir);
}

int mapped_meta_at(struct mapped_meta *meta, struct fs *below, struct fs_node dir, const char *name)
{
	struct fs_attr attr;
	int ret = fs_walk(below, dir, MAPPED_META, &meta->home, &attr);

	meta->below = below;
	meta->dir = FS_NO_NODE;
	meta->root = false;
	meta->shared = false;
	strcpy(meta->name, name);
	if (ret == 0 && !S_ISDIR(meta->home.type))
		ret = -ENOTDIR;
	return ret == -ENOENT ? 0 : ret;
}

int mapped_meta_of(struct mapped_meta *meta, struct fs *below, struct mapped_ghosts *ghosts,
		   struct fs_node node)
{
	char name[FS_NAME_MAX + 1];
	struct fs_node dir;
	int ret = mapped_ghost_parent(ghosts, node, &dir, name);

	*meta = (struct mapped_meta){.below = below, .dir = FS_NO_NODE, .home = FS_NO_NODE};
	if (ret)
		return ret;
	if (strcmp(name, "/") == 0) {
		meta->root = true;
		meta->home = dir;
		strcpy(meta->name, MAPPED_ROOT_META);
		return 0;
	}
	ret = mapped_meta_at(meta, below, dir, name);
	meta->dir = dir;
	return ret;
}

int mapped_meta_home(struct fs *below, struct fs_node dir, struct fs_node *home)
{
	struct fs_attr attr;
	int ret = fs_mkdir(below, dir, MAPPED_META, 0700, SERVER, &attr, NULL);

	*home = FS_NO_NODE;
	if (ret && ret != -EEXIST)
		return ret;
	ret = fs_walk(below, dir, MAPPED_META, home, &attr);
	if (ret || S_ISDIR(home->type))
		return ret;
	fs_forget(below, *home);
	*home = FS_NO_NODE;
	return -ENOTDIR;
}

/* ---- what a file says ---- */

struct line {
	const char *key;
	uint32_t bit;
};

static const struct line lines[] = {
	{"virtfs.uid=", MAPPED_UID},
	{"virtfs.gid=", MAPPED_GID},
	{"virtfs.mode=", MAPPED_MODE},
	{"virtfs.rdev=", MAPPED_RDEV},
};

static void parse_line(const char *text, struct mapped_attr *attr)
{
	for (size_t i = 0; i < countof(lines); i++) {
		size_t length = strlen(lines[i].key);
		uint32_t value;

		if (strncmp(text, lines[i].key, length) != 0)
			continue;
		value = (uint32_t)strtol(text + length, NULL, 10);
		attr->has |= lines[i].bit;
		if (lines[i].bit == MAPPED_UID)
			attr->uid = value;
		else if (lines[i].bit == MAPPED_GID)
			attr->gid = value;
		else if (lines[i].bit == MAPPED_MODE)
			attr->mode = value;
		else
			attr->rdev = value;
	}
}

static void parse(char *text, struct mapped_attr *attr)
{
	char *line;

	while ((line = strsep(&text, "\n")) != NULL)
		parse_line(line, attr);
}

/* As QEMU prints it: everything is an int. */
static size_t format(const struct mapped_attr *attr, char text[META_SIZE])
{
	const uint32_t values[] = {attr->uid, attr->gid, attr->mode, (uint32_t)attr->rdev};
	size_t length = 0;

	for (size_t i = 0; i < countof(lines); i++) {
		if (attr->has & lines[i].bit)
			length += (size_t)snprintf(text + length, META_SIZE - length, "%s%d\n",
						   lines[i].key, (int32_t)values[i]);
	}
	return length;
}

int mapped_meta_text(struct fs *below, struct fs_node node, struct mapped_attr *attr)
{
	char text[META_SIZE + 1];
	struct fs_file file;
	ssize_t n;
	int ret = fs_open(below, node, O_RDONLY, &file);

	if (ret)
		return ret;
	n = fs_read(below, file, text, META_SIZE, 0, false);
	fs_close(below, file);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	parse(text, attr);
	return 0;
}

int mapped_meta_read(const struct mapped_meta *meta, struct mapped_attr *attr)
{
	struct fs_node node;
	struct fs_attr found;
	int ret;

	if (meta->home.id < 0)
		return 0;
	ret = fs_walk(meta->below, meta->home, meta->name, &node, &found);
	if (ret == 0)
		ret = mapped_meta_text(meta->below, node, attr);
	fs_forget(meta->below, node);
	return ret == -ENOENT ? 0 : ret;
}

static int put_text(struct fs *below, struct fs_file file, const char *text, size_t length)
{
	ssize_t n = fs_write(below, file, text, length, 0, NULL);

	return n < 0 ? (int)n : (size_t)n == length ? 0 : -ENOSPC;
}

/* FS_NO_NODE: there is no file yet. */
static int meta_changed(struct fs *below, struct fs_node node, enum mapped_change change,
			const struct mapped_attr *attr, struct mapped_attr *all)
{
	struct mapped_attr now = {.has = 0};
	int ret = change == MAPPED_REPLACE || node.id < 0 ? 0 : mapped_meta_text(below, node, &now);

	*all = change == MAPPED_COMPLETE ? *attr : now;
	mapped_merge(all, change == MAPPED_COMPLETE ? &now : attr);
	return ret;
}

/* Waits for other processes that are at it; they are done at once. A file system without locks does
 * without. */
static void meta_lock(struct fs *below, struct fs_file file)
{
	const struct fs_lock whole = {.type = FS_LOCK_WRITE};
	struct fs_wait wait = {.thread = pthread_self()};

	if (fs_lock(below, file, &whole) == -EAGAIN)
		fs_lock_wait(below, file, &whole, &wait);
}

/* In its place: what is too long becomes empty lines first, and is cut off then; so whoever
 * comes in between reads nothing old. */
static int meta_write_over(struct fs *below, struct fs_node node, struct fs_file file,
			   const struct mapped_attr *attr)
{
	struct fs_setattr cut = {.valid = FS_SET_SIZE};
	struct fs_attr found;
	char padded[META_SIZE], text[META_SIZE];
	size_t length = format(attr, text);
	int ret = fs_getattr(below, node, &found);

	if (ret)
		return ret;
	cut.size = length;
	memset(padded, '\n', sizeof(padded));
	memcpy(padded, text, length);
	ret = put_text(below, file, padded,
		       found.size <= length	     ? length
		       : found.size < sizeof(padded) ? (size_t)found.size
						     : sizeof(padded));
	if (ret == 0 && found.size > length)
		ret = fs_setattr(below, node, file, &cut);
	return ret;
}

/* Its other names may be in other directories, whose changes this lock keeps away. */
int mapped_meta_change_shared(struct fs *below, struct fs_node node, enum mapped_change change,
			      const struct mapped_attr *attr)
{
	struct mapped_attr all;
	struct fs_file file;
	int ret = fs_open(below, node, O_WRONLY, &file);

	if (ret)
		return ret;
	meta_lock(below, file);
	ret = meta_changed(below, node, change, attr, &all);
	if (ret == 0)
		ret = meta_write_over(below, node, file, &all);
	fs_close(below, file);
	return ret;
}

/* The file that is to replace another, empty and locked: who has it changes files in `home`, no
 * other process does. What a dead process left under this name is as good as a new one. */
static int meta_draft(struct fs *below, struct fs_node home, struct fs_file *file)
{
	const struct fs_setattr empty = {.valid = FS_SET_SIZE};
	struct fs_attr attr, now;
	struct fs_node node;
	int ret;

	for (;;) {
		ret = fs_create(below, home, META_NEW, O_WRONLY, 0600, SERVER, &node, file, &attr,
				NULL);
		if (ret)
			return ret;
		meta_lock(below, *file);
		ret = fs_lookup(below, home, META_NEW, &now);
		if (ret == 0 && now.path == attr.path)
			break;
		/* Somebody had it before us, and it is in its place. */
		fs_close(below, *file);
		fs_forget(below, node);
		if (ret && ret != -ENOENT)
			return ret;
	}
	if (now.size > 0)
		ret = fs_setattr(below, node, *file, &empty);
	fs_forget(below, node);
	if (ret)
		fs_close(below, *file);
	return ret;
}

static void meta_drop_draft(struct fs *below, struct fs_node home, struct fs_file draft)
{
	fs_unlink(below, home, META_NEW, false, NULL);
	fs_close(below, draft);
}

/* With the draft in hand no other process gives the name to an object and says what is in the file
 * meanwhile. */
int mapped_meta_bury(struct mapped_meta *meta, struct fs_node dir)
{
	struct fs_attr attr;
	struct fs_file draft;
	int ret;

	if (meta->home.id < 0 || fs_lookup(meta->below, meta->home, meta->name, &attr) == -ENOENT)
		return 0;
	ret = meta_draft(meta->below, meta->home, &draft);
	if (ret)
		return ret;
	if (fs_lookup(meta->below, dir, meta->name, &attr) == -ENOENT)
		ret = fs_unlink(meta->below, meta->home, meta->name, false, NULL);
	if (ret == -ENOENT) /* who removed the object was just about to, or has made one, too */
		ret = 0;
	meta_drop_draft(meta->below, meta->home, draft);
	return ret;
}

/* With the draft in hand. True: it is in its place, else it is to be removed. */
static bool meta_replace(const struct mapped_meta *meta, struct fs_node home, struct fs_file draft,
			 enum mapped_change change, const struct mapped_attr *attr, int *ret)
{
	struct mapped_attr all;
	struct fs_node old;
	struct fs_attr found;
	char text[META_SIZE];

	*ret = fs_walk(meta->below, meta->home, meta->name, &old, &found);
	if (*ret == 0 && S_ISREG(found.mode) && (found.nlink > 1 || meta->shared)) {
		*ret = mapped_meta_change_shared(meta->below, old, change, attr);
		fs_forget(meta->below, old);
		return false;
	}
	if (*ret == 0 || *ret == -ENOENT)
		*ret = meta_changed(meta->below, old, change, attr, &all);
	fs_forget(meta->below, old);
	if (*ret == 0)
		*ret = put_text(meta->below, draft, text, format(&all, text));
	CRASH_POINT();
	if (*ret == 0)
		*ret = fs_rename(meta->below, home, META_NEW, meta->home, meta->name, NULL);
	return *ret == 0;
}

int mapped_meta_change(struct mapped_meta *meta, struct fs_node dir, enum mapped_change change,
		       const struct mapped_attr *attr)
{
	struct fs_node home = meta->home;
	struct fs_file draft;
	int ret = 0;

	if (meta->root || home.id < 0)
		ret = mapped_meta_home(meta->below, meta->root ? meta->home : dir, &home);
	if (ret)
		return ret;
	if (!meta->root)
		meta->home = home;
	ret = meta_draft(meta->below, home, &draft);
	if (ret == 0) {
		if (meta_replace(meta, home, draft, change, attr, &ret))
			fs_close(meta->below, draft);
		else
			meta_drop_draft(meta->below, home, draft);
	}
	CRASH_POINT();
	if (meta->root)
		fs_forget(meta->below, home);
	return ret;
}
