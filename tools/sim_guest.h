/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_guest.h - a guest with one mounted share: toolstack, frontend and client put together, for
 * tools and tests. The same guest can sit at the end of a socket (xen9pfs-serve, or any server
 * of 9P2000.L) instead of a bus.
 */
#ifndef TOOLS_SIM_GUEST_H
#define TOOLS_SIM_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/client.h"
#include "xenbus/front.h"
#include "xenbus/toolstack.h"

struct sim_guest_options {
	/* "sim:DIR"; "xen", on real Xen: in the guest itself, or in domain 0 for what is the
	 * toolstack's; or NULL: */
	const char *bus;
	const char *socket; /* "unix:PATH" or "tcp:HOST:PORT" */
	const char *aname;
	uint32_t n_uname;
	uint32_t msize;
	unsigned rings, order; /* 0: as Linux */
	/* The device. With a path it is attached at open and removed at close; without it has to
	 * be there. */
	struct toolstack_device device;
};

#define SIM_GUEST_DEFAULTS                                                                         \
	{                                                                                          \
		.aname = "", .msize = CLIENT_MSIZE,                                                \
		.device = {                                                                        \
			.domid = 1,                                                                \
			.kind = TOOLSTACK_QEMU,                                                    \
			.tag = "share",                                                            \
			.security_model = "none",                                                  \
		},                                                                                 \
	}

struct sim_guest {
	struct sim_guest_options options;
	struct store *store; /* of `bus`; these three NULL at a socket */
	struct guest *domain;
	struct front *front;
	struct client *client;
	uint32_t root; /* fid */
	bool attached; /* by us */
};

/* The directory of a simulated bus; NULL when `bus` is none. */
const char *sim_guest_dir(const struct sim_guest_options *options);

/* Makes the domain's nodes, if they are missing, and the device's. */
int sim_guest_attach(struct store *store, const struct toolstack_device *device);

/* The steps of sim_guest_open(), for those who go wrong between them: the device and the guest
 * with a front that did nothing yet; then, with a connected front, version and attach. */
int sim_guest_prepare(const struct sim_guest_options *options, struct sim_guest **guest, char *err,
		      size_t errlen);
int sim_guest_mount(struct sim_guest *guest, char *err, size_t errlen);

/* A guest that has mounted its share, or -errno and a text. */
int sim_guest_open(const struct sim_guest_options *options, struct sim_guest **guest, char *err,
		   size_t errlen);

/* Unmounts, closes the device in good order, removes it if it was attached by open. -errno when
 * the backend does not take part; all is freed. Takes NULL. */
int sim_guest_close(struct sim_guest *guest);

/* Frees all without a word to anybody. Takes NULL. */
void sim_guest_drop(struct sim_guest *guest);

/* A transport for a client over connected rings; the front is borrowed. */
int sim_guest_transport(struct front *front, struct client_transport **transport);

/* The same over one of its rings, as lane 0, for a thread that sees to it alone. */
int sim_guest_ring_transport(struct front *front, unsigned ring,
			     struct client_transport **transport);

/* ---- files by path ---- */

int sim_guest_walk(struct sim_guest *guest, const char *path, uint32_t *fid);

/* A fid of the directory that holds the last name of `path`; `*name` points into it. */
int sim_guest_walk_parent(struct sim_guest *guest, const char *path, uint32_t *fid,
			  const char **name);

/* An open file; made (0644) if `flags` have SIM_GUEST_CREATE and it is missing. */
#define SIM_GUEST_CREATE 0100u
int sim_guest_open_file(struct sim_guest *guest, const char *path, uint32_t flags, uint32_t *fid);

int sim_guest_getattr(struct sim_guest *guest, const char *path, struct p9_Rgetattr *attr);
int sim_guest_setattr(struct sim_guest *guest, const char *path, struct p9_Tsetattr set);

/* Removes what is there, with all below it. */
int sim_guest_remove_tree(struct sim_guest *guest, const char *path);

#endif
