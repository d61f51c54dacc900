/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * state_dir.h - the directory by which a supervisor finds the shares of the one before it.
 *
 *	NAME.arena      the share's session, mapped by its worker
 *	NAME.sock       where the share listens for a supervisor; refused: nobody lives
 *	NAME.sock.new   the same of a successor, until it has taken over
 *	NAME.detached   closed by the administrator: not to be served again
 *	control.sock    the supervisor's own, for the verbs (admin.h)
 *	launcher.sock   the launcher's (launch.h)
 *	lock            held while a supervisor lives
 *	launcher.lock   held while a launcher lives that is a service
 *
 * NAME is KIND-DOMID-DEVID. Mode 0700, on real Xen a tmpfs of its own: what stands here must
 * outlive every process of ours, and nothing else may fill it. Functions return 0 or a descriptor
 * (close-on-exec), or -errno.
 */
#ifndef XEN9PFSD_STATE_DIR_H
#define XEN9PFSD_STATE_DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen9pfsd/config.h"

#define STATE_NAME_MAX 40 /* bytes with NUL of a share's NAME */

struct state_dir {
	int fd;
	int lock;
};

#define STATE_DIR_NONE ((struct state_dir){.fd = -1, .lock = -1})

/* Where the configuration, or else the bus, puts it. -ENAMETOOLONG. */
int state_dir_path(const struct config *config, char path[PATH_MAX]);

enum state_dir_lock { STATE_DIR_SUPERVISOR, STATE_DIR_LAUNCHER, STATE_DIR_NO_LOCK };

/* Makes it and takes the lock: -EWOULDBLOCK when another one has that. `err` says what went
 * wrong. */
int state_dir_open(struct state_dir *dir, const struct config *config, enum state_dir_lock lock,
		   char *err, size_t errlen);
void state_dir_close(struct state_dir *dir);

/* Files of a share. */
void state_dir_name(char name[STATE_NAME_MAX], const char *kind, uint32_t domid, uint32_t devid);
int state_dir_make_arena(const struct state_dir *dir, const char *name); /* empty */
int state_dir_open_arena(const struct state_dir *dir, const char *name);
bool state_dir_has_session(const struct state_dir *dir, const char *name); /* arena not empty */
void state_dir_remove(const struct state_dir *dir, const char *name);	   /* arena and sockets */

/* A listening socket at NAME.sock.new; then, in one step, at NAME.sock. */
int state_dir_listen(const struct state_dir *dir, const char *name);
int state_dir_settle(const struct state_dir *dir, const char *name);

/* A connection to whoever listens, not blocking. -ECONNREFUSED or -ENOENT: nobody lives;
 * -EAGAIN: somebody does, and does not answer. */
int state_dir_call(const struct state_dir *dir, const char *name);

/* Somebody listens at NAME.sock.new. */
bool state_dir_has_successor(const struct state_dir *dir, const char *name);

/* Kills everybody who has the share's arena as descriptor KEEPER_ARENA, with their process
 * groups: for processes whose ids nobody knows. Returns how many there were. */
int state_dir_kill(const struct state_dir *dir, const char *name);

void state_dir_set_detached(const struct state_dir *dir, const char *name, bool detached);
bool state_dir_is_detached(const struct state_dir *dir, const char *name);

/* Calls `found` for each file of a share: several times for one share. */
int state_dir_each(const struct state_dir *dir,
		   void (*found)(void *arg, const char *kind, uint32_t domid, uint32_t devid),
		   void *arg);

/* The launcher's socket: listening; connected. */
int state_dir_listen_launcher(const struct state_dir *dir);
int state_dir_call_launcher(const struct state_dir *dir);

/* The supervisor's own socket: listening; connected, for a verb of `config`'s daemon. */
int state_dir_listen_admin(const struct state_dir *dir);
int state_dir_call_admin(const struct config *config);

#endif
