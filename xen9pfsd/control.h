/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * control.h - the messages between the supervisor and a share's keeper, and between the keeper and
 * its worker, over SOCK_SEQPACKET.
 *
 * One packet is one message of fixed size. Whoever receives from further down treats it as
 * hostile: the supervisor what a keeper says, the keeper what a worker says.
 *
 * During an upgrade two versions of the daemon talk to each other: types keep their numbers, new
 * fields are appended to their struct (0 is what an older daemon sends), and the size of a packet
 * stays as it is.
 */
#ifndef XEN9PFSD_CONTROL_H
#define XEN9PFSD_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/log.h"
#include "fs/export.h"

#define CONTROL_FD 3 /* where a keeper finds its end */
#define CONTROL_FDS_MAX 3
#define CONTROL_RINGS_MAX 8
#define CONTROL_TEXT_MAX 200
#define CONTROL_BUS_MAX 256
#define CONTROL_ROOM 1020 /* what a message may grow to */

/* sup: supervisor. READY, HOLD, HANDOVER and STOP are passed on between supervisor and worker. */
enum control_type {
	CONTROL_START = 1, /* sup -> keeper: `start`, and descriptors as enum control_how says */
	CONTROL_READY,	   /* worker -> keeper: it serves; -> sup: the first after START or SERVE */
	CONTROL_FAILED,	  /* -> sup: the share ends, or the take-over is refused; `text` says why */
	CONTROL_STOP,	  /* -> worker: let go of guest and files, end; what was kept is void */
	CONTROL_HOLD,	  /* -> worker: leave everything as it is and end. The keeper stays */
	CONTROL_HELD,	  /* keeper -> sup: done; guests wait */
	CONTROL_SERVE,	  /* sup -> keeper: a worker again. READY answers */
	CONTROL_HANDOVER, /* -> worker, with the socket for handover_send(): send all, and end */
	CONTROL_WILLING,  /* keeper -> sup, after START with CONTROL_TAKE_OVER: the arena's layout
			   * is mine; now order the other one to hand over */
	CONTROL_HELLO,	  /* share -> sup: `hello`, the first message on a new connection */
};

/* Where the session comes from, and which descriptors come with CONTROL_START, in this order. */
enum control_how {
	CONTROL_FRESH,	   /* there is none yet: root, arena, listening socket */
	CONTROL_RESTORE,   /* the arena holds one, nobody lives: root, arena, listening socket */
	CONTROL_TAKE_OVER, /* somebody hands his over: socket for handover_receive(), arena,
			    * listening socket; the root comes through the handover */
};

/* All that a share needs to know. */
struct control_start {
	uint32_t domid, devid;
	uint32_t rings;
	uint32_t ref[CONTROL_RINGS_MAX];  /* grant ref of the interface page */
	uint32_t port[CONTROL_RINGS_MAX]; /* the guest's event channel */
	enum fs_model model;
	enum log_level log_level;
	char bus[CONTROL_BUS_MAX];
	uint32_t how;		 /* enum control_how */
	bool standby;		 /* keep a second worker that has mapped everything and waits */
	bool polling;		 /* look around before going to sleep: polling.h */
	struct fs_export export; /* but for its model, which stands above */
};
_Static_assert(sizeof(struct control_start) <= CONTROL_ROOM, "it fits");

enum control_role { CONTROL_KEEPER, CONTROL_WORKER };

struct control_hello {
	uint32_t domid, devid;
	uint32_t role; /* enum control_role; a worker speaks for itself when its keeper is dead */
	bool held;     /* nobody serves until CONTROL_SERVE */
	/* As in its CONTROL_START: the guest may have made other rings since. */
	uint32_t rings;
	uint32_t ref[CONTROL_RINGS_MAX];
	uint32_t port[CONTROL_RINGS_MAX];
};

struct control_msg {
	uint32_t type;
	union {
		char room[CONTROL_ROOM]; /* first: an initialiser clears all of it */
		struct control_start start;
		struct control_hello hello;
		char text[CONTROL_TEXT_MAX];
	};
};

/* Says who is there, as the one that was started with `start`. */
void control_describe(struct control_hello *hello, const struct control_start *start,
		      enum control_role role);

/* Neither of these ever blocks, whatever the socket's flags say: -EAGAIN. */

/* Sends one message with `nfds` descriptors attached, at most CONTROL_FDS_MAX. 0 or -errno. */
int control_send(int sock, const struct control_msg *msg, const int *fds, unsigned nfds);

/* Receives one message: 1; 0 when the other end is closed; -errno. Attached descriptors are put
 * into `fds`, close-on-exec, the rest of it is -1; NULL: descriptors are refused (closed). Texts
 * end in a NUL. -EBADMSG: no message of ours; nothing is left open. */
int control_recv(int sock, struct control_msg *msg, int fds[CONTROL_FDS_MAX]);

/* The same, without descriptors; `*pid` is the sender as the kernel knows it (SO_PASSCRED has to
 * be set before connect()), 0 when it does not tell. */
int control_recv_pid(int sock, struct control_msg *msg, pid_t *pid);

/* control_send() and control_recv() for packets of another kind (launch.h), of `size` bytes. */
int control_send_packet(int sock, const void *bytes, size_t size, const int *fds, unsigned nfds);
int control_recv_packet(int sock, void *bytes, size_t size, int fds[CONTROL_FDS_MAX]);

#endif
