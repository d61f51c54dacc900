/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * groups.h - which groups of the host its users are in, as its files passwd(5) and group(5) say:
 * read once, for a process that cannot look there afterwards.
 */
#ifndef FS_GROUPS_H
#define FS_GROUPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FS_GROUPS_MAX 65536 /* users, and memberships of all of them */

struct fs_groups;

/* A file that is missing is as good as an empty one. -errno with a text: -E2BIG when there are too
 * many; what a file cannot be read for. What makes no sense in them is passed over. */
int fs_groups_read(const char *passwd, const char *group, struct fs_groups **groups, char *err,
		   size_t errlen);
void fs_groups_free(struct fs_groups *groups); /* takes NULL */

/* The groups of a user, his own (of passwd) first; their number. 0: there is no such user. */
size_t fs_groups_of(const struct fs_groups *groups, uint32_t uid, const gid_t **list);

#endif
