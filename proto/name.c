/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * name.c - see name.h.
 */
#include "proto/name.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int name_find(struct fs *fs, struct fs_node node, struct fs_node *dir, char *name)
{
	int err = fs_parent(fs, node, dir, name);

	if (err == 0 && strcmp(name, "/") == 0) {
		fs_forget(fs, *dir);
		*dir = FS_NO_NODE;
		return -EBUSY;
	}
	return err;
}

int name_remove(struct fs *fs, struct fs_node node, struct fs_intent *intent)
{
	char name[FS_NAME_MAX + 1];
	struct fs_node dir;
	int err = name_find(fs, node, &dir, name);

	/* A predecessor removed it. */
	if (err == -ENOENT && fs_intent_begun(intent))
		return 0;
	if (err < 0)
		return err;
	err = fs_unlink(fs, dir, name, S_ISDIR(node.type), intent);
	fs_forget(fs, dir);
	return err;
}
