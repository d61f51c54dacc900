/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * verbs.h - xen9pfsd as the one who gives orders to a daemon: "xen9pfsd VERB" (admin.h).
 */
#ifndef XEN9PFSD_VERBS_H
#define XEN9PFSD_VERBS_H

#include "xen9pfsd/config.h"

/* Has config->verb done by the daemon of config's bus, and prints what it says. Returns the exit
 * status: 0 when all went well. */
int verb_main(const struct config *config);

#endif
