/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * share.h - the process that serves one share.
 */
#ifndef XEN9PFSD_SHARE_H
#define XEN9PFSD_SHARE_H

/* Runs with the supervisor's socket as descriptor CONTROL_FD until it is told to stop, the
 * supervisor is gone, or the guest breaks the transport. Returns the exit status. */
int share_main(void);

#endif
