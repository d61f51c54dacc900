/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policy.c - see policy.h. The administrator's trees are opened at start, each by a process of its
 * own, because a storage that is dead holds up whoever touches it; what the toolstack
 * names is looked up beneath their descriptors by openat2(2), so that the check and the opening
 * are one. No symbolic link is followed below a tree: a part of the path may be writable by the
 * guest of another share, which could turn it elsewhere.
 */
#include "xen9pfsd/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "xen9pfsd/control.h"

#define OPEN_PATIENCE_MS 2000 /* for all trees together; a local file system needs none */

struct tree {
	char *path; /* without a trailing "/": "" is the host's root */
	int fd;	    /* -1: it has not answered */
};

struct policy {
	size_t trees;
	struct tree tree[];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int open_tree_path(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* In a process of its own. Its answer is the descriptor, or -errno; nothing, if it sleeps on. */
static int begin_to_open(struct tree *tree, int *answer)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		int fd, result;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* What a stranger might call, or wait for, is not to stay with one who sleeps. */
		close_range(STDERR_FILENO + 1, (unsigned)pair[1] - 1, 0);
		fd = open_tree_path(tree->path[0] != '\0' ? tree->path : "/");
		result = fd < 0 ? fd : 0;
		control_send_packet(pair[1], &result, sizeof(result), &fd, fd >= 0 ? 1 : 0);
		_exit(EXIT_SUCCESS);
	}
	close(pair[1]);
	*answer = pair[0];
	return pid < 0 ? -errno : 0;
}

/* Not later than `end_ms`. */
static int finish_to_open(struct tree *tree, int answer, int64_t end_ms)
{
	struct pollfd ready = {.fd = answer, .events = POLLIN};
	int64_t left_ms = end_ms - now_ms();
	int fds[CONTROL_FDS_MAX], result;

	if (poll(&ready, 1, left_ms > 0 ? (int)left_ms : 0) != 1)
		return -EAGAIN;
	if (control_recv_packet(answer, &result, sizeof(result), fds) != 1)
		return -EIO;
	tree->fd = fds[0];
	return result;
}

static int open_trees(struct policy *policy, const struct config *config, int *answers, char *err,
		      size_t errlen)
{
	const int64_t end_ms = now_ms() + OPEN_PATIENCE_MS;
	int ret = 0;

	/* All at once, so that those that sleep cost one patience together. */
	for (size_t i = 0; i < policy->trees && ret == 0; i++) {
		ret = begin_to_open(&policy->tree[i], &answers[i]);
		if (ret < 0)
			snprintf(err, errlen, "export \"%s\": %s", config->exports[i],
				 strerror(-ret));
	}
	for (size_t i = 0; i < policy->trees && ret == 0; i++) {
		ret = finish_to_open(&policy->tree[i], answers[i], end_ms);
		if (ret == -EAGAIN) {
			log_warning("export \"%s\" does not answer; only what is in it waits",
				    config->exports[i]);
			ret = 0;
		} else if (ret < 0) {
			snprintf(err, errlen, "export \"%s\": %s", config->exports[i],
				 strerror(-ret));
		}
	}
	return ret;
}

static int name_tree(struct tree *tree, const char *path)
{
	size_t len = strlen(path);

	while (len > 0 && path[len - 1] == '/')
		len--;
	tree->path = strndup(path, len);
	return tree->path == NULL ? -ENOMEM : 0;
}

int policy_create(const struct config *config, struct policy **policy, char *err, size_t errlen)
{
	struct policy *p = calloc(1, sizeof(*p) + config->export_count * sizeof(p->tree[0]));
	int *answers = calloc(config->export_count + 1, sizeof(*answers));
	int ret = p == NULL || answers == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < config->export_count && ret == 0; i++) {
		answers[i] = p->tree[i].fd = -1;
		p->trees++;
		ret = name_tree(&p->tree[i], config->exports[i]);
	}
	if (ret < 0)
		snprintf(err, errlen, "out of memory");
	else
		ret = open_trees(p, config, answers, err, errlen);
	for (size_t i = 0; p != NULL && answers != NULL && i < p->trees; i++)
		cleanup_close(&answers[i]);
	free(answers);
	if (ret < 0)
		policy_destroy(p);
	else
		*policy = p;
	return ret;
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

static int open_beneath(const struct tree *tree, const char *rest)
{
	/* One that has not answered at the start. */
	_cleanup_close_ int own = tree->fd < 0 ? open_tree_path(tree->path) : -1;
	const int dir = tree->fd < 0 ? own : tree->fd;
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	if (dir < 0)
		return dir;
	do {
		fd = syscall(SYS_openat2, dir, rest[0] != '\0' ? rest : ".", &how, sizeof(how));
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
			fd = open_beneath(&policy->tree[i], rest);
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
		  struct fs_export *export, const struct config_share **share, char *err,
		  size_t errlen)
{
	const struct config_share *fit = find_share(config, device);
	const struct config_terms *terms = fit != NULL ? &fit->terms : &config->terms;
	char text[256];

	*export = terms->export;
	*share = fit;
	if (!terms->fixes_model)
		export->model = device->model;
	if (fs_export_check(export, text, sizeof(text)) == 0)
		return 0;
	snprintf(err, errlen, "security_model %s%s%s%s: %s", fs_model_name(export->model),
		 fit != NULL ? ", share \"" : "", fit != NULL ? fit->name : "",
		 fit != NULL ? "\"" : "", text);
	return -EINVAL;
}
