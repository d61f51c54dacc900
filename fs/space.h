/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * space.h - limits of space, files and open files for all that lies below an export's root, as
 * Xen's public header (io/9pfs.h) names them for a share.
 *
 * What counts:
 *  - Space: what storage has allocated (st_blocks), as a quota does. A hole takes nothing, a file
 *    with several names counts once, directories and long attributes count by their blocks. What
 *    has lost its last name counts until the last handle of it is gone. The root's own blocks
 *    count.
 *  - Files: objects of any type below the root, directories included, several names of one as one.
 *  - Open files: fs_open() and fs_create() without fs_close(); of directories, too; two of one file
 *    are two.
 *
 * What is refused: growth that does not fit answers ENOSPC, and an open file too many EMFILE.
 * A write is cut to what fits. Whatever does not grow is never refused: removing, truncating,
 * writing over what is there, renaming within a directory.
 *
 * How it is known: nothing is kept but in memory. The first change, or fs_statfs(), starts a thread
 * that walks the tree once; until it is through, changes wait, and everything else goes on. A
 * process that follows a killed one does the same, so no death leaves a wrong count. From then on
 * a change reserves the most it can take, and when it was made the object is asked what it takes:
 * calls that overlap never go beyond a limit by more than what a file system allots besides data
 * (its own records, space ahead of an append).
 *
 * What others do to the tree (processes of the host, a share that overlaps) is not seen at once:
 * the tree is walked again when the guest was refused something, and once in a while after it has
 * changed something (a walk takes a twentieth of the time at most). A walk counts if the guest
 * changed nothing meanwhile; else another follows.
 *
 * With auto_delete, growth that does not fit first removes the regular file with the oldest
 * modification date, and the next, until it fits; never one that is open through this fs. Files
 * that do not help are passed over: such that take no space when space is needed, or that the
 * guest still has a handle of when files are. Where directories are nested deeper than
 * SPACE_DEPTH_MAX nothing can be counted, and growth is refused.
 *
 * Project quotas of the file system below hold besides: whichever is met first refuses, and
 * fs_statfs() shows the stricter.
 *
 * What it costs stands in docs/architecture.md: half a microsecond for a write, four system calls
 * for a removal, nothing for what only reads.
 */
#ifndef FS_SPACE_H
#define FS_SPACE_H

#include "fs/fs.h"

#define SPACE_DEPTH_MAX 2048

struct fs_space_limits {
	uint32_t space; /* MiB; 0 here and below: no limit */
	uint32_t files;
	uint32_t open_files;
	bool auto_delete;
};

/* Sets one by the name it has in xenstore, configuration and options: max-space (MiB), max-files,
 * max-open-files (decimal, below 2^32), auto-delete (0 or 1). -EINVAL with a text about the value;
 * -ENOENT: no such name. */
int fs_space_set(struct fs_space_limits *limits, const char *name, const char *value, char *err,
		 size_t errlen);

/* Both shall hold: the stricter of each; deleting is enough if one says so. */
void fs_space_tighten(struct fs_space_limits *limits, const struct fs_space_limits *more);

/* All names, NULL at the end. */
extern const char *const fs_space_names[];

/* Puts the layer on `below`, which it takes over. Without limits `*fs` becomes `below` itself. */
int fs_space_create(struct fs *below, const struct fs_space_limits *limits, struct fs **fs,
		    char *err, size_t errlen);

#endif
