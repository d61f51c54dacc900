/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * export_args.h - the options of an export (fs/export.h) for argp(3) and for sessions.
 */
#ifndef XEN9PFSD_EXPORT_ARGS_H
#define XEN9PFSD_EXPORT_ARGS_H

#include <argp.h>

#include "fs/export.h"
#include "proto/session.h"

#define EXPORT_ARGS_KEY 0x200 /* the first one's; no other option of a program is there */
#define EXPORT_ARGS_MAX 32

/* `own`, which ends with an empty one, and those of an export behind; into `all`, which has room
 * for EXPORT_ARGS_MAX more. */
void export_args_append(struct argp_option *all, const struct argp_option *own);

/* The export's option for `key`, or NULL; a value that is missing is "true". */
const char *export_args_name(int key);
const char *export_args_value(const char *arg);

/* What of an export the session sees to. */
void export_args_session(const struct fs_export *export, struct session_config *config);

#endif
