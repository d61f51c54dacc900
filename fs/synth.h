/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * synth.h - slow storage: a layer that sleeps before each call of a kind, as long as it is told to.
 *
 * For tests and measurements. The daemon has it in builds with -DSYNTH only (tests/xen9pfsd-synth):
 * there the environment says how long,
 *
 *   XEN9PFSD_SYNTH=KIND=DELAY[,KIND=DELAY...]
 *
 * KIND: a name of synth_kinds below, or "all"; what stands further right counts. DELAY: a whole
 * number of us, ms or s, as in all=1ms,statfs=1s; 10 minutes at most.
 */
#ifndef FS_SYNTH_H
#define FS_SYNTH_H

#include "fs/fs.h"

/* The slots that can be slow. A read that must not sleep (fs_read() with nowait) does not: with a
 * delay the page cache never has anything. "cached" makes it sleep all the same, as a thread does
 * that loses its processor; it means nothing where "read" has a delay. */
#define SYNTH_KINDS(KIND)                                                                          \
	KIND(walk)                                                                                 \
	KIND(lookup)                                                                               \
	KIND(getattr)                                                                              \
	KIND(setattr)                                                                              \
	KIND(readlink)                                                                             \
	KIND(open)                                                                                 \
	KIND(create)                                                                               \
	KIND(read)                                                                                 \
	KIND(cached)                                                                               \
	KIND(write)                                                                                \
	KIND(fsync)                                                                                \
	KIND(readdir)                                                                              \
	KIND(mkdir)                                                                                \
	KIND(symlink)                                                                              \
	KIND(mknod)                                                                                \
	KIND(link)                                                                                 \
	KIND(rename)                                                                               \
	KIND(unlink)                                                                               \
	KIND(statfs)                                                                               \
	KIND(getxattr)                                                                             \
	KIND(listxattr)                                                                            \
	KIND(setxattr)                                                                             \
	KIND(removexattr)

#define SYNTH_KIND(name) SYNTH_##name,
enum synth_kind { SYNTH_KINDS(SYNTH_KIND) SYNTH_KINDS_COUNT };
#undef SYNTH_KIND

struct synth_delays {
	int64_t us[SYNTH_KINDS_COUNT];
};

/* Reads "KIND=DELAY,..."; 0, or -EINVAL with a text. */
int synth_parse(const char *text, struct synth_delays *delays, char *err, size_t errlen);

/* A layer upon `*fs`, in its place; on failure -errno and a text, and `*fs` stays. */
int synth_wrap(struct fs **fs, const struct synth_delays *delays, char *err, size_t errlen);

/* The same as the environment says, if it says anything. */
#ifdef SYNTH
int synth_from_environment(struct fs **fs, char *err, size_t errlen);
#else
static inline int synth_from_environment(struct fs **fs, char *err, size_t errlen)
{
	(void)fs, (void)err, (void)errlen;
	return 0;
}
#endif

#endif
