/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * config.h - what the administrator decided: command line and configuration file, one set of
 * names. The file is read first, the command line has the last word; `export` adds up. What a
 * section does not say is as at top level, command line included.
 */
#ifndef XEN9PFSD_CONFIG_H
#define XEN9PFSD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/log.h"
#include "fs/export.h"
#include "xen9pfsd/pace.h"

/* How devices are served. */
struct config_terms {
	struct fs_export export;
	bool fixes_model; /* `ownership` is given; the toolstack's word does not count */
	struct pace pace;
};

/* A section share "NAME" { ... }: for devices that all its patterns fit (fnmatch(3); NULL fits
 * all), instead of the defaults. */
struct config_share {
	char *name;
	char *path, *guest, *domid, *tag;
	struct config_terms terms;
	struct config_setting *settings; /* as they stand in the file */
	size_t setting_count;
};

/* What the process is to do; with CONFIG_SERVE it is the daemon, else it talks to it. */
enum config_verb {
	CONFIG_SERVE,
	CONFIG_UPGRADE,
	CONFIG_DETACH,
	CONFIG_STATUS,
	CONFIG_LAUNCHER, /* it serves the daemon (launcher.h) */
};

struct config {
	char **exports; /* absolute paths of trees whose directories may be exported */
	size_t export_count;
	bool kind_9pfs, kind_xen_9pfs; /* backend kinds to serve */
	char *bus;		       /* store.h */
	char *state_dir;	       /* NULL: where the bus has it (state_dir.h) */
	bool standby;		       /* each share has a second worker that waits */
	bool polling;		       /* shares look around before they sleep: polling.h */
	enum log_level log_level;
	uint32_t max_devices, max_guest_devices; /* known at a time; of one guest */
	struct config_terms terms;		 /* of devices that no section fits */
	struct config_share *shares;		 /* the first that fits counts */
	size_t share_count;
	bool launcher_is_service; /* none is started; there is one */

	/* Not for people: the process is to be a share's; of the launcher, whose child it is, or 0.
	 */
	bool share;
	pid_t parent;

	/* Of the command line alone. */
	enum config_verb verb;
	char **words; /* behind the verb; borrowed from argv */
	size_t word_count;
};

/* Reads options and file. 0; -EINVAL with a text in `err` that names option or file.
 * --help and --version end the process as argp(3) does. */
int config_read(struct config *config, int argc, char **argv, char *err, size_t errlen);
void config_free(struct config *config);

#endif
