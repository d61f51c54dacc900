/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * control.h - the messages between the supervisor and a share's process, over SOCK_SEQPACKET.
 *
 * One packet is one message of fixed size. The supervisor treats what comes back as hostile:
 * a packet of another size or type ends the share.
 */
#ifndef XEN9PFSD_CONTROL_H
#define XEN9PFSD_CONTROL_H

#include <stdint.h>

#include "common/log.h"
#include "fs/fs.h"

#define CONTROL_FD 3 /* where a share's process finds its end */
#define CONTROL_RINGS_MAX 8
#define CONTROL_TEXT_MAX 200
#define CONTROL_BUS_MAX 256

enum control_type {
	CONTROL_START = 1, /* to the share, with the export root's descriptor attached */
	CONTROL_READY,	   /* from the share: rings are mapped, it serves */
	CONTROL_FAILED,	   /* from the share: it cannot, and ends; `text` says why */
	CONTROL_STOP,	   /* to the share: end */
};

/* All that a share's process needs to know. */
struct control_start {
	uint32_t domid, devid;
	uint32_t rings;
	uint32_t ref[CONTROL_RINGS_MAX];  /* grant ref of the interface page */
	uint32_t port[CONTROL_RINGS_MAX]; /* the guest's event channel */
	enum fs_model model;
	enum log_level log_level;
	char bus[CONTROL_BUS_MAX];
};

struct control_msg {
	uint32_t type;
	union {
		struct control_start start;
		char text[CONTROL_TEXT_MAX];
	};
};

/* Sends one message, with `fd` attached unless it is -1. 0 or -errno. */
int control_send(int sock, const struct control_msg *msg, int fd);

/* Receives one message: 1; 0 when the other end is closed; -errno. `*fd` is the attached
 * descriptor, -1 when there is none; NULL: descriptors are refused (closed). Texts end in a
 * NUL. -EBADMSG: no message of ours. */
int control_recv(int sock, struct control_msg *msg, int *fd);

#endif
