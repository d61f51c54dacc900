/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * handover.h - a share's descriptors move from one keeper's table into another's.
 *
 * Over a blocking SOCK_STREAM pair. The sender sends them in batches and a trailer, the receiver
 * answers when it has all; then the old keeper, and nobody else, makes it final. Until then either
 * side may die, and the share stays where it was:
 *
 *   old worker   handover_send_all() == 0, then it ends
 *   old keeper   sees that end, handover_commit(), and ends
 *   new keeper   handover_receive() == 0, and starts its worker
 *
 * Each wait is limited (-ETIMEDOUT), but generously: a hung partner is a matter for whoever
 * ordered the handover.
 */
#ifndef XEN9PFSD_HANDOVER_H
#define XEN9PFSD_HANDOVER_H

#include <stddef.h>

/* Sends the descriptors `fd[0..count)`, ascending, so that handover_receive() makes them appear
 * under the same numbers. Below KEEPER_FDS only KEEPER_ROOT can be sent. All stay open here; no
 * other thread may close one meanwhile. 0: the receiver has them; -errno, -EPIPE: it is gone. */
int handover_send(int sock, const int *fd, size_t count);

/* The same with KEEPER_ROOT and whatever is open from KEEPER_FDS on, `sock` excepted. Unneeded
 * ones do no harm: the worker that starts over there closes what the arena does not know. */
int handover_send_all(int sock);

/* The sender's side has stopped serving for good; said by the keeper when its worker is gone, or by
 * a worker whose keeper is dead, as its last act. 0 or -errno: nobody is there to take it. */
int handover_commit(int sock);

/* For a process that has nothing open from KEEPER_FDS on. `sock` is below. KEEPER_ROOT is
 * replaced. 0: all is here and ours; -errno; -EPIPE: it ended before that. After an error nothing
 * is open from KEEPER_FDS on, and neither is KEEPER_ROOT. */
int handover_receive(int sock);

#endif
