/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * admin.h - the supervisor's socket for the verbs of xen9pfsd(8): one request at a time, from root
 * or from the daemon's own user.
 *
 * SOCK_SEQPACKET. To the daemon: one packet, the verb and its words with a blank between them, a
 * descriptor attached where the verb has one. Back: packets of text for people; at last one whose
 * first byte is NUL, and whose second is the exit status. Nothing here blocks, and nobody is
 * waited for longer than PATIENCE.
 */
#ifndef XEN9PFSD_ADMIN_H
#define XEN9PFSD_ADMIN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen9pfsd/state_dir.h"

#define ADMIN_FDS 2
#define ADMIN_PACKET_MAX 4096

struct admin {
	int listener, client; /* -1 */
	bool asked;	      /* its request was taken */
	bool ended;	      /* the exit status is queued */
	uint8_t status;
	char *out; /* for the client; `sent` of `length` bytes have gone */
	size_t length, sent, room;
	int64_t deadline_ms; /* 0: none */
};

struct admin_request {
	char text[ADMIN_PACKET_MAX];
	int fd; /* the receiver's; -1 */
};

int admin_open(struct admin *admin, const struct state_dir *dir);
void admin_close(struct admin *admin);

/* `busy`: nobody else is to be let in. */
void admin_fill(const struct admin *admin, struct pollfd fds[ADMIN_FDS], bool busy);

/* What poll() said. True: a request, to be answered by lines and one admin_end(). */
bool admin_poll(struct admin *admin, const struct pollfd fds[ADMIN_FDS],
		struct admin_request *request, int64_t now_ms);

/* Without a client they do nothing. */
void admin_line(struct admin *admin, const char *format, ...) __attribute__((format(printf, 2, 3)));
void admin_end(struct admin *admin, uint8_t status, int64_t now_ms);

/* Nobody is there, or waits for anything more. */
bool admin_idle(const struct admin *admin);

void admin_timeout(struct admin *admin, int64_t now_ms);

#endif
