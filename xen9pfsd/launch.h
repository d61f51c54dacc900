/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * launch.h - what the supervisor asks of its launcher (launcher.h): all that needs rights which the
 * supervisor does not keep, or may sleep in a storage that does not answer.
 *
 * SOCK_SEQPACKET at `launcher.sock` in the state directory, one supervisor at a time; a request and
 * its answer have a fixed size each. A launcher that is lost ends the supervisor, as a lost
 * xenstore does: the next one begins with another launcher, and guests are served meanwhile.
 */
#ifndef XEN9PFSD_LAUNCH_H
#define XEN9PFSD_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

#include "xen9pfsd/config.h"
#include "xen9pfsd/state_dir.h"

#define LAUNCH_TEXT_MAX 4352 /* a path as it stands in xenstore, and words about it */

enum launch_type {
	LAUNCH_HELLO = 1, /* are you ready? -errno: no, and why */
	LAUNCH_KEEPER,	 /* start one of domid/devid: its control socket, and the program if another
			  */
	LAUNCH_IDENTIFY, /* is `pid` a process of domid/devid? Its process descriptor */
	LAUNCH_KILL,	 /* everybody who has the arena of the share `text` */
	LAUNCH_OPEN,	 /* the export `text`; answered on the attached socket, when it is there */
	LAUNCH_REPLACE,	 /* become the attached program */
};

struct launch_request {
	uint32_t type;
	uint32_t domid, devid;
	int32_t pid;
	char text[LAUNCH_TEXT_MAX];
};

struct launch_answer {
	int32_t result; /* or -errno, with `text` */
	char text[LAUNCH_TEXT_MAX];
};

struct launch {
	int sock; /* in the supervisor's poll set: readable only when the launcher is lost */
};

/* Finds the launcher of `config`'s state directory; without config->launcher_is_service starts one,
 * as a child by the arguments `argv`, if nobody is there. 0, or -errno with a text. */
int launch_begin(struct launch *launch, const struct config *config, const struct state_dir *dir,
		 char **argv, char *err, size_t errlen);
void launch_end(struct launch *launch);

/* From here on nothing returns when the launcher is lost: the process ends. */
__attribute__((noreturn)) void launch_lost(void);

/* Starts a keeper of the program `exe` (-1: the launcher's own) with `control` as its CONTROL_FD,
 * in a session of its own. Its process descriptor, or -errno. */
int launch_keeper(const struct launch *launch, uint32_t domid, uint32_t devid, int control, int exe,
		  pid_t *pid);

/* A process descriptor of `pid`, if that is a process of this share; or -errno. */
int launch_identify(const struct launch *launch, pid_t pid, uint32_t domid, uint32_t devid);

/* state_dir_kill(). */
void launch_kill(const struct launch *launch, const char *name);

/* Asks for the directory `path` (policy.h). A descriptor, or -errno: readable once there is an
 * answer, for launch_opened(). Closing it is enough to lose interest. */
int launch_open(const struct launch *launch, const char *path);

/* An O_PATH descriptor; -EAGAIN: not yet; -errno with a text that says what was wrong with it. */
int launch_opened(int opening, char *err, size_t errlen);

/* The launcher becomes the program `exe`, and the connection is closed; or -errno. */
int launch_replace(const struct launch *launch, int exe);

#endif
