/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_wire.h - what goes over the sockets of the simulated bus. Private to sim_*.c, store_sim.c
 * and link_sim.c.
 *
 * A connection speaks for one domain. It sends one request at a time, one packet each, and gets
 * one packet back, perhaps with descriptors attached. The first request is SIM_HELLO. Events of
 * store watches come on a socket of their own (SIM_EVENTS), so that a reply is always the next
 * packet and poll(2) on that socket means "an event".
 */
#ifndef XENBUS_SIM_WIRE_H
#define XENBUS_SIM_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_PAGE_SIZE 4096
#define SIM_REQUEST_DATA 4096 /* bytes behind a request: path, NUL and value; or refs */
#define SIM_REPLY_DATA 65536  /* bytes behind a reply: a value; names; page numbers */
#define SIM_PATH_MAX 3072     /* as xenstored limits absolute paths */
#define SIM_MAP_MAX (SIM_REQUEST_DATA / sizeof(uint32_t))
#define SIM_PORTS_MAX 256 /* ports that one link can have bound */
#define SIM_FDS_MAX 2
#define SIM_DOMID_MAX 0x7fef /* the numbers above are reserved in Xen, too */

enum sim_op {
	SIM_HELLO, /* domid */

	SIM_EVENTS,	/* -> the event socket; packets of path, NUL, token, NUL */
	SIM_READ,	/* txn, path -> value */
	SIM_WRITE,	/* txn, path NUL value */
	SIM_REMOVE,	/* txn, path */
	SIM_LIST,	/* txn, path -> names, each with its NUL; result: how many */
	SIM_GRANT_READ, /* txn, path, domid: owner, number: reader */
	SIM_BEGIN,	/* result: txn */
	SIM_END,	/* txn, number: commit? */
	SIM_WATCH,	/* path NUL token */
	SIM_UNWATCH,	/* path NUL token */

	SIM_CLAIM,	/* number: pages -> memory; the connection is the domain's life */
	SIM_GRANT,	/* domid: to, number: page; result: ref */
	SIM_UNGRANT,	/* number: ref */
	SIM_PORT_ALLOC, /* domid: to; result: port -> eventfd to wait on, eventfd to notify */
	SIM_PORT_FREE,	/* number: port */

	SIM_RESTRICT, /* domid */
	SIM_BIND,     /* domid, number: its port; result: port -> as SIM_PORT_ALLOC */
	SIM_UNBIND,   /* number: port */
	SIM_MAP,      /* domid, refs; result: mapping -> page numbers, memory of domid */
	SIM_UNMAP,    /* number: mapping */

	SIM_USAGE, /* domid -> struct sim_usage */
	SIM_OPS,
};

struct sim_request {
	uint32_t op;
	uint32_t txn;
	uint32_t domid;
	uint32_t number;
};

struct sim_reply {
	int32_t result; /* or -errno */
};

/* One request with all that belongs to it. What is not needed stays 0. */
struct sim_call {
	struct sim_request request;
	const void *data; /* behind the request */
	size_t length;
	void *answer; /* room for what stands behind the reply */
	size_t room;
	size_t answered; /* set: bytes of it */
	int *fds;	 /* exactly this many descriptors have to come back with a success */
	unsigned nfds;
};

/* Connects to the bus in `dir` as `domid`; the socket, or -errno with a text. */
int sim_wire_connect(const char *dir, uint32_t domid, char *err, size_t errlen);

/* DIR, for free(), and DOMID of the address "DIR[@DOMID]" of a bus name; NULL: no memory. */
char *sim_wire_dir(const char *address, uint32_t *domid);

/* Connects to such an address. */
int sim_wire_open(const char *address, uint32_t *domid, char *err, size_t errlen);

/* Sends and waits. The reply's result, -EMSGSIZE when `room` is too small (nothing else is lost),
 * -ENOTCONN when the bus is gone. */
int sim_wire_call(int fd, struct sim_call *call);

/* "DIR/bus" as a socket address; -ENAMETOOLONG. */
struct sockaddr_un;
int sim_wire_address(const char *dir, struct sockaddr_un *address);

/* A port's eventfds in the process that has the port; both -1: no such port. */
struct sim_wire_port {
	int wait;
	int notify;
};

void sim_wire_ports_init(struct sim_wire_port ports[SIM_PORTS_MAX]);
void sim_wire_ports_close(struct sim_wire_port ports[SIM_PORTS_MAX]);
/* NULL if there is no port of that number. */
struct sim_wire_port *sim_wire_port(struct sim_wire_port ports[SIM_PORTS_MAX], uint32_t number);
int sim_wire_port_notify(const struct sim_wire_port *port);
void sim_wire_port_close(struct sim_wire_port *port);

/* Room for SIM_FDS_MAX descriptors in a control message. */
union sim_control {
	char bytes[64];
	size_t align;
};

#endif
