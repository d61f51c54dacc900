/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * supervisor.h - the one process of a host that talks to xenstore and starts shares.
 */
#ifndef XEN9PFSD_SUPERVISOR_H
#define XEN9PFSD_SUPERVISOR_H

#include "xen9pfsd/config.h"

/* Serves until SIGTERM, which leaves the guests to the next one, or SIGINT, which closes all
 * shares. `argv` is what it was started with. Returns the exit status. */
int supervisor_main(const struct config *config, char **argv);

#endif
