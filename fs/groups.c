/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * groups.c - see groups.h. The files themselves, and not the name service: that would load code and
 * open sockets in a process which is about to be confined.
 */
#include "fs/groups.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct user {
	char *name;
	uint32_t uid;
};

struct membership {
	uint32_t uid;
	uint32_t order; /* in which it was read: his own group comes first */
	gid_t gid;
};

struct fs_groups {
	/* Sorted by name; while the files are read. */
	struct user *users;
	size_t user_count;
	/* Sorted by user in the end; `gids` are theirs, in this order. */
	struct membership *memberships;
	size_t count;
	gid_t *gids;
};

/* The array with room for one more; NULL: there is no memory. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count == 0)
		return reallocarray(NULL, 64, size);
	return count >= 64 && (count & (count - 1)) == 0 ? reallocarray(array, 2 * count, size)
							 : array;
}

static int add_membership(struct fs_groups *g, uint32_t uid, gid_t gid)
{
	struct membership *larger;

	if (g->count >= FS_GROUPS_MAX)
		return -E2BIG;
	larger = grown(g->memberships, g->count, sizeof(*larger));
	if (!larger)
		return -ENOMEM;
	larger[g->count] = (struct membership){uid, (uint32_t)g->count, gid};
	g->memberships = larger;
	g->count++;
	return 0;
}

static int add_user(struct fs_groups *g, const struct passwd *entry)
{
	struct user *larger = grown(g->users, g->user_count, sizeof(*larger));
	char *name = strdup(entry->pw_name);

	if (larger)
		g->users = larger;
	if (!larger || !name) {
		free(name);
		return -ENOMEM;
	}
	larger[g->user_count++] = (struct user){name, entry->pw_uid};
	return add_membership(g, entry->pw_uid, entry->pw_gid);
}

/* Lines for another name service have no numbers. */
static bool is_other(const char *name)
{
	return name[0] == '+' || name[0] == '-';
}

static int compare_names(const void *a, const void *b)
{
	const struct user *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int add_group(struct fs_groups *g, const struct group *entry)
{
	int ret = 0;

	for (char **member = entry->gr_mem; *member && ret == 0; member++) {
		const struct user key = {.name = *member};
		const struct user *user =
			bsearch(&key, g->users, g->user_count, sizeof(key), compare_names);

		if (user)
			ret = add_membership(g, user->uid, entry->gr_gid);
	}
	return ret;
}

static int compare_users(const void *a, const void *b)
{
	const struct membership *left = a, *right = b;

	if (left->uid != right->uid)
		return left->uid < right->uid ? -1 : 1;
	return left->order < right->order ? -1 : 1;
}

/* What the C library found when it told no further entry. */
static int end_of_file(void)
{
	return errno == 0 || errno == ENOENT ? 0 : -errno;
}

static int read_users(struct fs_groups *g, FILE *file)
{
	const struct passwd *entry;
	int ret = 0;

	errno = 0;
	while (ret == 0 && (entry = fgetpwent(file)) != NULL) {
		if (!is_other(entry->pw_name))
			ret = add_user(g, entry);
		errno = 0;
	}
	if (ret == 0)
		ret = end_of_file();
	if (g->user_count > 0)
		qsort(g->users, g->user_count, sizeof(*g->users), compare_names);
	return ret;
}

static int read_groups(struct fs_groups *g, FILE *file)
{
	const struct group *entry;
	int ret = 0;

	errno = 0;
	while (ret == 0 && (entry = fgetgrent(file)) != NULL) {
		if (!is_other(entry->gr_name))
			ret = add_group(g, entry);
		errno = 0;
	}
	return ret ? ret : end_of_file();
}

static int read_file(struct fs_groups *g, const char *path,
		     int (*read_entries)(struct fs_groups *g, FILE *file), char *err, size_t errlen)
{
	FILE *file = fopen(path, "re");
	int ret = file ? 0 : -errno;

	if (ret == -ENOENT)
		return 0;
	if (ret == 0)
		ret = read_entries(g, file);
	if (file)
		fclose(file);
	if (ret == -E2BIG)
		snprintf(err, errlen, "%s: more than %d users, or groups of users", path,
			 FS_GROUPS_MAX);
	else if (ret)
		snprintf(err, errlen, "%s: %s", path, strerror(-ret));
	return ret;
}

static void free_users(struct fs_groups *g)
{
	for (size_t i = 0; i < g->user_count; i++)
		free(g->users[i].name);
	free(g->users);
	g->users = NULL;
	g->user_count = 0;
}

static int sort_groups(struct fs_groups *g, char *err, size_t errlen)
{
	g->gids = calloc(g->count + 1, sizeof(*g->gids));
	if (!g->gids) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	if (g->count > 0)
		qsort(g->memberships, g->count, sizeof(*g->memberships), compare_users);
	for (size_t i = 0; i < g->count; i++)
		g->gids[i] = g->memberships[i].gid;
	return 0;
}

int fs_groups_read(const char *passwd, const char *group, struct fs_groups **groups, char *err,
		   size_t errlen)
{
	struct fs_groups *g = calloc(1, sizeof(*g));
	int ret = 0;

	if (!g) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	ret = read_file(g, passwd, read_users, err, errlen);
	if (ret == 0)
		ret = read_file(g, group, read_groups, err, errlen);
	if (ret == 0)
		ret = sort_groups(g, err, errlen);
	free_users(g);
	if (ret)
		fs_groups_free(g);
	else
		*groups = g;
	return ret;
}

void fs_groups_free(struct fs_groups *groups)
{
	if (!groups)
		return;
	free_users(groups);
	free(groups->memberships);
	free(groups->gids);
	free(groups);
}

size_t fs_groups_of(const struct fs_groups *groups, uint32_t uid, const gid_t **list)
{
	size_t low = 0, high = groups->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (groups->memberships[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < groups->count && groups->memberships[end].uid == uid; end++)
		;
	*list = groups->gids + low;
	return end - low;
}
