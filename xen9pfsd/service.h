/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * service.h - what a process of ours says to, and takes from, whoever started it as a service.
 */
#ifndef XEN9PFSD_SERVICE_H
#define XEN9PFSD_SERVICE_H

/* Tells the service manager, if there is one, that this process does its work from now on. */
void service_ready(void);

/* Raises the limit of open files as far as it may be: each node that a guest touches is a
 * descriptor of its share's process, which inherits the limit. */
void service_more_files(void);

#endif
