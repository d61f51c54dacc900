/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * launcher.h - the process that has the rights which shares need, and starts their keepers, so that
 * the supervisor, who talks to xenstore and so hears what guests write there, needs none. It hears
 * from the supervisor alone (launch.h), and does nothing of its own accord.
 *
 * Started by a supervisor it is his child, and ends with him. As a service of its own ("xen9pfsd
 * launcher") it outlives him. Shares outlive both.
 */
#ifndef XEN9PFSD_LAUNCHER_H
#define XEN9PFSD_LAUNCHER_H

#include "xen9pfsd/config.h"
#include "xen9pfsd/policy.h"
#include "xen9pfsd/state_dir.h"

#define LAUNCHER_FD 3 /* where it may find its listening socket */

/* `argv` is what it was started with. Returns the exit status. */
int launcher_main(const struct config *config, char **argv);

/* Its work, for who calls at `listener`, until the process is ended. */
struct launcher_work {
	int listener;
	const struct state_dir *dir;
	const struct policy *policy;
	const char *fault; /* not NULL: it cannot; told to whoever calls, and then it returns */
	char **argv;
};
int launcher_serve(const struct launcher_work *work);

#endif
