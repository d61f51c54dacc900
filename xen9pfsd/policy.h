/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policy.h - which directories may be exported.
 */
#ifndef XEN9PFSD_POLICY_H
#define XEN9PFSD_POLICY_H

#include <stddef.h>

#include "xen9pfsd/config.h"

struct policy;

/* Opens the trees that `config` allows. 0, or -errno with a text naming the one that fails. */
int policy_create(const struct config *config, struct policy **policy, char *err, size_t errlen);
void policy_destroy(struct policy *policy); /* takes NULL */

/* Opens the directory `path`, as a toolstack wrote it, if it lies in an allowed tree: resolved
 * once, never leaving that tree, through no symbolic link. An O_PATH descriptor, or -errno with
 * a text that says what was wrong with the path. */
int policy_open(const struct policy *policy, const char *path, char *err, size_t errlen);

#endif
