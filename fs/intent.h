/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * intent.h - what the calls of fs.c ask about their intents; for fs/ only.
 *
 * Before its driver's call each asks the function for its kind. INTENT_CALL: the driver is to be
 * called, and intent_done() or intent_made() told the result. Anything else is the answer. All
 * take an intent of NULL, which is INTENT_CALL.
 */
#ifndef FS_INTENT_H
#define FS_INTENT_H

#include <limits.h>

#include "fs/fs.h"

#define INTENT_CALL INT_MIN /* no result of any call */

/* mkdir, symlink, mknod, and create with O_EXCL, which has yet to open what is there. */
int intent_make(struct fs *fs, struct fs_node dir, const char *name, const struct fs_object *object,
		struct fs_attr *attr, struct fs_intent *intent);
/* create without O_EXCL, of a driver with finish(); 0: call. */
int intent_open(struct fs *fs, struct fs_node dir, const char *name, const struct fs_object *object,
		struct fs_intent *intent);
int intent_link(struct fs *fs, struct fs_node node, struct fs_node dir, const char *name,
		struct fs_intent *intent);
int intent_rename(struct fs *fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
		  const char *newname, struct fs_intent *intent);
int intent_unlink(struct fs *fs, struct fs_node dir, const char *name, struct fs_intent *intent);

/* `written`: with INTENT_CALL, how many of the bytes are there already. */
int intent_write(struct fs *fs, struct fs_file file, const void *buf, size_t size, size_t *written,
		 struct fs_intent *intent);
int intent_setxattr(struct fs *fs, struct fs_node node, const char *name, const void *buf,
		    size_t size, int flags, struct fs_intent *intent);
int intent_removexattr(struct fs *fs, struct fs_node node, const char *name,
		       struct fs_intent *intent);

/* Notes and hands on the result of the driver's call. */
int intent_done(struct fs_intent *intent, int result);
int intent_made(struct fs_intent *intent, int result, const struct fs_attr *attr);

/* Whether this is the object that the intent notes. */
bool intent_is(const struct fs_intent *intent, const struct fs_attr *attr);

#endif
