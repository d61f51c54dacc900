/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_wire.c - the client's side of the simulated bus: connect, ask, wait for the answer; and the
 * descriptors of ports.
 */
#include "xenbus/sim_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/util.h"

_Static_assert(sizeof(union sim_control) >= CMSG_SPACE(SIM_FDS_MAX * sizeof(int)),
	       "the descriptors of one reply fit");

int sim_wire_address(const char *dir, struct sockaddr_un *address)
{
	int length;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/bus", dir);
	return (size_t)length < sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

int sim_wire_connect(const char *dir, uint32_t domid, char *err, size_t errlen)
{
	struct sim_call hello = {.request = {.op = SIM_HELLO, .domid = domid}};
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	int result;

	result = sim_wire_address(dir, &address);
	if (result == 0) {
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			result = -errno;
	}
	if (result == 0)
		result = sim_wire_call(fd, &hello);
	if (result < 0) {
		snprintf(err, errlen, "simulated bus in \"%s\", as domain %u: %s", dir, domid,
			 strerror(-result));
		return result;
	}
	return take_fd(&fd);
}

/* Cuts "@DOMID" off `dir`, if it ends so. */
static uint32_t cut_domid(char *dir)
{
	char *at = strrchr(dir, '@'), *end;
	unsigned long domid;

	if (at == NULL || at[1] == '\0' || strspn(at + 1, "0123456789") != strlen(at + 1))
		return 0;
	domid = strtoul(at + 1, &end, 10);
	*at = '\0';
	return domid <= SIM_DOMID_MAX ? (uint32_t)domid : UINT32_MAX;
}

char *sim_wire_dir(const char *address, uint32_t *domid)
{
	char *dir = strdup(address);

	if (dir != NULL)
		*domid = cut_domid(dir);
	return dir;
}

int sim_wire_open(const char *address, uint32_t *domid, char *err, size_t errlen)
{
	_cleanup_free_ char *dir = sim_wire_dir(address, domid);

	if (dir == NULL)
		return -ENOMEM;
	if (dir[0] == '\0') {
		snprintf(err, errlen, "bus \"sim\": which directory? Write sim:DIR[@DOMID]");
		return -EINVAL;
	}
	return sim_wire_connect(dir, *domid, err, errlen);
}

static int wire_send(int fd, const struct sim_call *call)
{
	struct iovec parts[] = {
		{(void *)&call->request, sizeof(call->request)},
		{(void *)call->data, call->length},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = countof(parts)};

	while (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -ENOTCONN;
	}
	return 0;
}

/* How many descriptors came along, in `fds`; not more than SIM_FDS_MAX can. */
static unsigned wire_descriptors(struct msghdr *message, int fds[SIM_FDS_MAX])
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	size_t size;

	if (control == NULL || control->cmsg_type != SCM_RIGHTS)
		return 0;
	size = control->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(control), size);
	return (unsigned)(size / sizeof(int));
}

static int wire_receive(int fd, struct sim_call *call, struct sim_reply *reply)
{
	union sim_control control;
	struct iovec parts[] = {
		{reply, sizeof(*reply)},
		{call->answer, call->room},
	};
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = countof(parts),
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(SIM_FDS_MAX * sizeof(int)),
	};
	int fds[SIM_FDS_MAX];
	unsigned nfds;
	ssize_t got;

	do {
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < (ssize_t)sizeof(*reply))
		return -ENOTCONN;

	call->answered = (size_t)got - sizeof(*reply);
	nfds = wire_descriptors(&message, fds);
	if (nfds == call->nfds && (message.msg_flags & MSG_TRUNC) == 0) {
		if (nfds > 0)
			memcpy(call->fds, fds, nfds * sizeof(int));
		return 0;
	}
	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
	if (reply->result < 0)
		return 0;
	return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : -EPROTO;
}

int sim_wire_call(int fd, struct sim_call *call)
{
	struct sim_reply reply;
	int result;

	if (call->length > SIM_REQUEST_DATA)
		return -E2BIG;
	result = wire_send(fd, call);
	if (result == 0)
		result = wire_receive(fd, call, &reply);
	return result < 0 ? result : reply.result;
}

void sim_wire_ports_init(struct sim_wire_port ports[SIM_PORTS_MAX])
{
	for (uint32_t number = 0; number < SIM_PORTS_MAX; number++)
		ports[number] = (struct sim_wire_port){-1, -1};
}

void sim_wire_ports_close(struct sim_wire_port ports[SIM_PORTS_MAX])
{
	for (uint32_t number = 0; number < SIM_PORTS_MAX; number++)
		sim_wire_port_close(&ports[number]);
}

struct sim_wire_port *sim_wire_port(struct sim_wire_port ports[SIM_PORTS_MAX], uint32_t number)
{
	return number < SIM_PORTS_MAX && ports[number].wait >= 0 ? &ports[number] : NULL;
}

int sim_wire_port_notify(const struct sim_wire_port *port)
{
	/* EAGAIN: more than enough events are waiting there. */
	return eventfd_write(port->notify, 1) < 0 && errno != EAGAIN ? -errno : 0;
}

void sim_wire_port_close(struct sim_wire_port *port)
{
	cleanup_close(&port->wait);
	cleanup_close(&port->notify);
	*port = (struct sim_wire_port){-1, -1};
}
