/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * name.c - see name.h.
 */
#include "proto/name.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/session.h"

static struct name_saved *saved_of(const struct req *req)
{
	return &req->session->saved->name[session_slot_number(req)];
}

static void set_named(struct req *req, bool named)
{
	__atomic_store_n(&req->slot->named, named, __ATOMIC_RELEASE);
}

static struct fs_node dir_of(const struct name_saved *saved)
{
	return (struct fs_node){.id = saved->dir, .type = S_IFDIR};
}

/* The root is not to be moved or removed. */
static int find(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	int err = fs_parent(fs, node, dir, name);

	if (err == 0 && strcmp(name, "/") == 0) {
		fs_forget(fs, *dir);
		*dir = FS_NO_NODE;
		return -EBUSY;
	}
	return err;
}

/* What a predecessor found, unless it died before it did anything with it, or it is lost. */
static bool has_found(const struct req *req, const struct name_saved *saved)
{
	return req->slot->named && fs_intent_begun(req->intent) && saved->dir >= 0;
}

static int find_new(struct req *req, struct name_saved *saved)
{
	struct fs *fs = req->session->fs;
	struct fs_node dir;
	struct fs_attr attr;
	int err = find(fs, req->node->saved.fs, &dir, saved->name);

	if (err < 0)
		return err;
	if (req->intent == NULL || fs_getattr(fs, dir, &attr) < 0 ||
	    fs_handle(fs, dir, &attr, &saved->handle) < 0)
		saved->handle.size = 0;
	saved->dir = dir.id;
	set_named(req, true);
	return 0;
}

int name_find(struct req *req, struct fs_node *dir, const char **name)
{
	struct name_saved *saved = saved_of(req);
	int err = 0;

	if (!has_found(req, saved)) {
		if (req->slot->named)
			name_end(req);
		err = find_new(req, saved);
	}
	*dir = err == 0 ? dir_of(saved) : FS_NO_NODE;
	*name = saved->name;
	return err;
}

void name_end(struct req *req)
{
	struct fs_node dir = dir_of(saved_of(req));

	set_named(req, false);
	fs_forget(req->session->fs, dir);
}

int name_remove(struct req *req)
{
	struct fs_node dir;
	const char *name;
	int err = name_find(req, &dir, &name);

	if (err == 0)
		err = fs_unlink(req->session->fs, dir, name, S_ISDIR(req->node->saved.fs.type),
				req->intent);
	/* A predecessor removed it. */
	else if (err == -ENOENT && fs_intent_begun(req->intent))
		err = 0;
	return err;
}

void name_remove_now(struct fs *fs, struct fs_node node)
{
	char name[FS_NAME_MAX + 1];
	struct fs_node dir;

	if (find(fs, node, &dir, name) < 0)
		return;
	fs_unlink(fs, dir, name, S_ISDIR(node.type), NULL);
	fs_forget(fs, dir);
}

void name_adopt(struct fs *fs, const struct saved *saved)
{
	for (uint32_t i = 0; i < SESSION_REQS_MAX; i++) {
		if (saved_has_name(&saved->slot[i]) && saved->name[i].dir >= 0)
			fs_adopt(fs, dir_of(&saved->name[i]), FS_NO_FILE);
	}
}

void name_restore(struct fs *fs, struct saved *saved)
{
	for (uint32_t i = 0; i < SESSION_REQS_MAX; i++) {
		struct name_saved *name = &saved->name[i];
		struct fs_node dir = FS_NO_NODE;
		struct fs_attr attr;

		if (!saved_has_name(&saved->slot[i]))
			continue;
		if (name->handle.size == 0 || fs_restore(fs, &name->handle, &dir, &attr) < 0)
			dir = FS_NO_NODE;
		name->dir = dir.id;
	}
}
