/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policy.c - see policy.h. The administrator's trees are opened at start; what the toolstack
 * names is looked up beneath their descriptors by openat2(2), so that the check and the opening
 * are one. No symbolic link is followed below a tree: a part of the path may be writable by the
 * guest of another share, which could turn it elsewhere.
 */
#include "xen9pfsd/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/util.h"

struct tree {
	char *path; /* without a trailing "/": "" is the host's root */
	int fd;
};

struct policy {
	size_t trees;
	struct tree tree[];
};

static int tree_open(struct tree *tree, const char *path, char *err, size_t errlen)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		len--;
	tree->path = strndup(path, len);
	tree->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree->path == NULL || tree->fd < 0) {
		int ret = -errno;

		snprintf(err, errlen, "export \"%s\": %s", path, strerror(-ret));
		return ret;
	}
	return 0;
}

int policy_create(const struct config *config, struct policy **policy, char *err, size_t errlen)
{
	struct policy *p = calloc(1, sizeof(*p) + config->export_count * sizeof(p->tree[0]));

	if (p == NULL) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->export_count; i++) {
		int ret;

		p->tree[i].fd = -1;
		p->trees++;
		ret = tree_open(&p->tree[i], config->exports[i], err, errlen);
		if (ret < 0) {
			policy_destroy(p);
			return ret;
		}
	}
	*policy = p;
	return 0;
}

void policy_destroy(struct policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < policy->trees; i++) {
		free(policy->tree[i].path);
		cleanup_close(&policy->tree[i].fd);
	}
	free(policy);
}

/* The rest of `path` below the tree, without a leading "/"; NULL: it is somewhere else. */
static const char *below(const struct tree *tree, const char *path)
{
	size_t len = strlen(tree->path);

	if (strncmp(path, tree->path, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	path += len;
	while (*path == '/')
		path++;
	return path;
}

static int open_beneath(int tree, const char *rest)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, tree, rest[0] != '\0' ? rest : ".", &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int policy_open(const struct policy *policy, const char *path, char *err, size_t errlen)
{
	int fd = -EPERM;

	if (path[0] != '/') {
		snprintf(err, errlen, "path \"%s\" is not absolute", path);
		return -EINVAL;
	}
	/* Trees may overlap: the first that has it counts. */
	for (size_t i = 0; i < policy->trees && fd < 0; i++) {
		const char *rest = below(&policy->tree[i], path);

		if (rest != NULL)
			fd = open_beneath(policy->tree[i].fd, rest);
	}
	if (fd == -EPERM)
		snprintf(err, errlen, "path \"%s\" is in no tree that --export allows", path);
	else if (fd == -EXDEV)
		snprintf(err, errlen, "path \"%s\" leads out of the exported tree", path);
	else if (fd == -ELOOP)
		snprintf(err, errlen, "path \"%s\" passes through a symbolic link", path);
	else if (fd < 0)
		snprintf(err, errlen, "path \"%s\": %s", path, strerror(-fd));
	return fd;
}

/* A "*" in the pattern does not stand for "/" in a path. */
static bool fits(const char *pattern, const char *text)
{
	return pattern == NULL || fnmatch(pattern, text, FNM_PATHNAME) == 0;
}

static const struct config_share *find_share(const struct config *config,
					     const struct policy_device *device)
{
	char domid[16];

	snprintf(domid, sizeof(domid), "%u", device->domid);
	for (size_t i = 0; i < config->share_count; i++) {
		const struct config_share *share = &config->shares[i];

		if (fits(share->path, device->path) && fits(share->guest, device->guest) &&
		    fits(share->domid, domid) && fits(share->tag, device->tag))
			return share;
	}
	return NULL;
}

int policy_export(const struct config *config, const struct policy_device *device,
		  struct fs_export *export, const char **name, char *err, size_t errlen)
{
	const struct config_share *share = find_share(config, device);
	bool fixes_model = share != NULL ? share->fixes_model : config->fixes_model;
	char text[256];

	*export = share != NULL ? share->export : config->export;
	*name = share != NULL ? share->name : NULL;
	if (!fixes_model)
		export->model = device->model;
	if (fs_export_check(export, text, sizeof(text)) == 0)
		return 0;
	snprintf(err, errlen, "security_model %s%s%s%s: %s", fs_model_name(export->model),
		 share != NULL ? ", share \"" : "", share != NULL ? share->name : "",
		 share != NULL ? "\"" : "", text);
	return -EINVAL;
}
