/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * config.h - what the administrator decided: command line and configuration file, one set of
 * names. The file is read first, the command line has the last word; `export` adds up.
 */
#ifndef XEN9PFSD_CONFIG_H
#define XEN9PFSD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"

/* What the process is to do; with CONFIG_SERVE it is the daemon, else it talks to it. */
enum config_verb { CONFIG_SERVE, CONFIG_UPGRADE, CONFIG_DETACH, CONFIG_STATUS };

struct config {
	char **exports; /* absolute paths of trees whose directories may be exported */
	size_t export_count;
	bool kind_9pfs, kind_xen_9pfs; /* backend kinds to serve */
	char *bus;		       /* store.h */
	char *state_dir;	       /* NULL: where the bus has it (state_dir.h) */
	bool standby;		       /* each share has a second worker that waits */
	enum log_level log_level;
	bool share; /* the process is to be a share's (not for people) */

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
