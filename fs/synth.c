/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * synth.c - see synth.h.
 */
#include "fs/synth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "common/util.h"
#include "fs/layer.h"

#define US_PER_S 1000000
#define DELAY_MAX (600LL * US_PER_S)

struct synth {
	struct fs_layer layer;
	struct synth_delays delays;
};

/* ---- the slots ---- */

static int64_t delay_of(struct fs *fs, enum synth_kind kind)
{
	return ((struct synth *)(void *)fs)->delays.us[kind];
}

static void sleep_for(struct fs *fs, enum synth_kind kind)
{
	int64_t us = delay_of(fs, kind);
	struct timespec left = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};

	if (us == 0)
		return;
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static ssize_t synth_read(struct fs *fs, struct fs_file file, void *buf, size_t size,
			  uint64_t offset, bool nowait)
{
	if (nowait && delay_of(fs, SYNTH_read) > 0)
		return -EAGAIN;
	sleep_for(fs, nowait ? SYNTH_cached : SYNTH_read);
	return fs_read(layer_below(fs), file, buf, size, offset, nowait);
}

/* The others: their parameters, and how they are handed on to the fs below. */
#define SLOW(type, kind, parameters, ...)                                                          \
	static type synth_##kind parameters                                                        \
	{                                                                                          \
		sleep_for(fs, SYNTH_##kind);                                                       \
		return fs_##kind(layer_below(fs), __VA_ARGS__);                                    \
	}

SLOW(int, walk,
     (struct fs * fs, struct fs_node dir, const char *name, struct fs_node *node,
      struct fs_attr *attr),
     dir, name, node, attr)
SLOW(int, lookup, (struct fs * fs, struct fs_node dir, const char *name, struct fs_attr *attr), dir,
     name, attr)
SLOW(int, getattr, (struct fs * fs, struct fs_node node, struct fs_attr *attr), node, attr)
SLOW(int, setattr,
     (struct fs * fs, struct fs_node node, struct fs_file file, const struct fs_setattr *set), node,
     file, set)
SLOW(int, readlink, (struct fs * fs, struct fs_node node, char *buf, size_t size), node, buf, size)
SLOW(int, open, (struct fs * fs, struct fs_node node, int flags, struct fs_file *file), node, flags,
     file)
/* A slot that makes a file makes a new one, always. */
SLOW(int, create,
     (struct fs * fs, struct fs_node dir, const char *name, int flags, uint32_t mode,
      struct fs_cred cred, struct fs_node *node, struct fs_file *file, struct fs_attr *attr),
     dir, name, flags | O_EXCL, mode, cred, node, file, attr, NULL)
SLOW(ssize_t, write,
     (struct fs * fs, struct fs_file file, const void *buf, size_t size, uint64_t offset), file,
     buf, size, offset, NULL)
SLOW(int, fsync, (struct fs * fs, struct fs_file file, bool datasync), file, datasync)
SLOW(int, readdir,
     (struct fs * fs, struct fs_file dir, uint64_t offset, size_t size, fs_emit *emit, void *arg),
     dir, offset, size, emit, arg)
SLOW(int, mkdir,
     (struct fs * fs, struct fs_node dir, const char *name, uint32_t mode, struct fs_cred cred,
      struct fs_attr *attr),
     dir, name, mode, cred, attr, NULL)
SLOW(int, symlink,
     (struct fs * fs, struct fs_node dir, const char *name, const char *target, struct fs_cred cred,
      struct fs_attr *attr),
     dir, name, target, cred, attr, NULL)
SLOW(int, mknod,
     (struct fs * fs, struct fs_node dir, const char *name, uint32_t mode, uint32_t major,
      uint32_t minor, struct fs_cred cred, struct fs_attr *attr),
     dir, name, mode, major, minor, cred, attr, NULL)
SLOW(int, link, (struct fs * fs, struct fs_node node, struct fs_node dir, const char *name), node,
     dir, name, NULL)
SLOW(int, rename,
     (struct fs * fs, struct fs_node olddir, const char *oldname, struct fs_node newdir,
      const char *newname),
     olddir, oldname, newdir, newname, NULL)
SLOW(int, unlink, (struct fs * fs, struct fs_node dir, const char *name, bool rmdir), dir, name,
     rmdir, NULL)
SLOW(int, statfs, (struct fs * fs, struct fs_node node, struct fs_statfs *st), node, st)
SLOW(ssize_t, getxattr,
     (struct fs * fs, struct fs_node node, const char *name, void *buf, size_t size), node, name,
     buf, size)
SLOW(ssize_t, listxattr, (struct fs * fs, struct fs_node node, void *buf, size_t size), node, buf,
     size)
SLOW(int, setxattr,
     (struct fs * fs, struct fs_node node, const char *name, const void *buf, size_t size,
      int flags),
     node, name, buf, size, flags, NULL)
SLOW(int, removexattr, (struct fs * fs, struct fs_node node, const char *name), node, name, NULL)

static const struct fs_ops synth_ops = {
	.name = "synth",
	.walk = synth_walk,
	.lookup = synth_lookup,
	.getattr = synth_getattr,
	.setattr = synth_setattr,
	.readlink = synth_readlink,
	.open = synth_open,
	.create = synth_create,
	.read = synth_read,
	.write = synth_write,
	.fsync = synth_fsync,
	.readdir = synth_readdir,
	.mkdir = synth_mkdir,
	.symlink = synth_symlink,
	.mknod = synth_mknod,
	.link = synth_link,
	.rename = synth_rename,
	.unlink = synth_unlink,
	.statfs = synth_statfs,
	.getxattr = synth_getxattr,
	.listxattr = synth_listxattr,
	.setxattr = synth_setxattr,
	.removexattr = synth_removexattr,
};

/* ---- delays ---- */

#define SYNTH_KIND(name) #name,
static const char *const kinds[] = {SYNTH_KINDS(SYNTH_KIND)};
#undef SYNTH_KIND

/* "250us": microseconds, or -EINVAL. */
static int64_t parse_delay(const char *text)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {{"us", 1}, {"ms", 1000}, {"s", US_PER_S}};
	char *end;
	unsigned long long number = strtoull(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || number > (unsigned long long)DELAY_MAX)
		return -EINVAL;
	for (size_t i = 0; i < countof(units); i++) {
		int64_t us = (int64_t)number * units[i].us;

		if (strcmp(end, units[i].name) == 0)
			return us <= DELAY_MAX ? us : -EINVAL;
	}
	return -EINVAL;
}

static bool set_delay(struct synth_delays *delays, const char *kind, int64_t us)
{
	bool known = false;

	for (size_t i = 0; i < countof(kinds); i++) {
		if (strcmp(kind, "all") == 0 || strcmp(kind, kinds[i]) == 0) {
			delays->us[i] = us;
			known = true;
		}
	}
	return known;
}

int synth_parse(const char *text, struct synth_delays *delays, char *err, size_t errlen)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;

	memset(delays, 0, sizeof(*delays));
	while (rest != NULL && (word = strsep(&rest, ",")) != NULL) {
		const char *kind = strsep(&word, "=");
		int64_t us = word != NULL ? parse_delay(word) : -EINVAL;

		if (us < 0 || !set_delay(delays, kind, us)) {
			snprintf(err, errlen, "\"%s\": \"%s\" has no KIND=DELAY, as in read=10ms",
				 text, kind);
			return -EINVAL;
		}
	}
	return 0;
}

int synth_wrap(struct fs **fs, const struct synth_delays *delays, char *err, size_t errlen)
{
	struct synth *synth = calloc(1, sizeof(*synth));

	if (synth == NULL) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	synth->delays = *delays;
	layer_init(&synth->layer, *fs, &synth_ops);
	*fs = &synth->layer.fs;
	return 0;
}

#ifdef SYNTH
int synth_from_environment(struct fs **fs, char *err, size_t errlen)
{
	const char *text = getenv("XEN9PFSD_SYNTH");
	struct synth_delays delays;
	int ret;

	if (text == NULL)
		return 0;
	/* Delays are as long as they were said to be: by default sleeps last up to 50 us more. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	ret = synth_parse(text, &delays, err, errlen);
	return ret < 0 ? ret : synth_wrap(fs, &delays, err, errlen);
}
#endif
