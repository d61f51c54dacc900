/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * policy.h - which directories may be exported, and how.
 */
#ifndef XEN9PFSD_POLICY_H
#define XEN9PFSD_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "xen9pfsd/config.h"

struct policy;

/* Opens the trees that `config` allows. 0, or -errno with a text naming the one that fails. One
 * that does not answer is not waited for longer than a moment: it is opened when it is asked for.
 */
int policy_create(const struct config *config, struct policy **policy, char *err, size_t errlen);
void policy_destroy(struct policy *policy); /* takes NULL */

/* Opens the directory `path`, as a toolstack wrote it, if it lies in an allowed tree: resolved
 * once, never leaving that tree, through no symbolic link. An O_PATH descriptor, or -errno with
 * a text that says what was wrong with the path. May sleep for as long as a storage likes. */
int policy_open(const struct policy *policy, const char *path, char *err, size_t errlen);

/* What is known of a device; "" where it cannot be read. */
struct policy_device {
	uint32_t domid;
	const char *path, *guest;
	const char *tag;     /* the guest can change it */
	enum fs_model model; /* the toolstack's choice */
};

/* How to export it: as the first section of the configuration says that fits it, or the defaults.
 * `share` is the section, or NULL. -EINVAL with a text that names the section: the toolstack's
 * model does not go with the rest. */
int policy_export(const struct config *config, const struct policy_device *device,
		  struct fs_export *export, const struct config_share **share, char *err,
		  size_t errlen);

#endif
