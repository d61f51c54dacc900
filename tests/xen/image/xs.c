/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * xs.c - what the cases need of xenstore and the stock tools do not give: a log of
 * short-lived values with times, and waiting without polling (a fork costs
 * 30 ms under emulation). Talks to xenstored's socket itself; no library.
 *
 *   xs watch SUBSTRING PATH...     print "TIME PATH = VALUE" for every change at
 *                                  or below PATHs, of nodes with SUBSTRING in it
 *   xs wait SECONDS PATH [VALUE]   until the node has VALUE; without VALUE: until
 *                                  it does not exist. Exit status 1: time is up
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { XS_READ = 2, XS_WATCH = 4, XS_WATCH_EVENT = 15, XS_ERROR = 16 };

struct msg {
	struct {
		uint32_t type, req, tx, len;
	} hdr;
	char body[4097];
};

static int fd;
/* Events that came between request and reply. */
static struct msg queue[512];
static unsigned int queued, taken;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void time_is_up(int signal)
{
	static const char text[] = "not in time\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(2);
	_exit(1);
}

static void get(void *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, buf, len);
		if (n <= 0)
			die("read from xenstored");
		buf = (char *)buf + n;
		len -= n;
	}
}

static void receive(struct msg *m)
{
	get(&m->hdr, sizeof m->hdr);
	if (m->hdr.len >= sizeof m->body)
		exit(2);
	get(m->body, m->hdr.len);
	m->body[m->hdr.len] = 0;
}

/* One request with one or two strings; the reply is left in *m. */
static int request(struct msg *m, int type, const char *a, const char *b)
{
	size_t la = strlen(a) + 1, lb = b ? strlen(b) + 1 : 0;

	memset(&m->hdr, 0, sizeof m->hdr);
	m->hdr.type = type;
	m->hdr.len = la + lb;
	memcpy(m->body, a, la);
	if (b)
		memcpy(m->body + la, b, lb);
	if (write(fd, m, sizeof m->hdr + la + lb) != (ssize_t)(sizeof m->hdr + la + lb))
		die("write to xenstored");
	for (;;) {
		receive(m);
		if (m->hdr.type != XS_WATCH_EVENT)
			return m->hdr.type == XS_ERROR ? -1 : 0;
		if (queued - taken == 512)
			exit(2);
		queue[queued++ % 512] = *m;
	}
}

static const char *next_event(struct msg *m)
{
	if (queued != taken)
		*m = queue[taken++ % 512];
	else
		do
			receive(m);
		while (m->hdr.type != XS_WATCH_EVENT);
	return m->body;
}

static void open_xenstore(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "/run/xenstored/socket"};

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return;
	fd = open("/dev/xen/xenbus", O_RDWR);
	if (fd < 0)
		die("xenstore");
}

int main(int argc, char **argv)
{
	struct msg event, m;

	open_xenstore();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc >= 4 && strcmp(argv[1], "watch") == 0) {
		for (int i = 3; i < argc; i++)
			request(&m, XS_WATCH, argv[i], "w");
		for (;;) {
			const char *path = next_event(&event);
			struct timespec t;
			if (!strstr(path, argv[2]))
				continue;
			int gone = request(&m, XS_READ, path, NULL);
			clock_gettime(CLOCK_BOOTTIME, &t);
			printf("%ld.%03ld %s = %s\n", (long)t.tv_sec, t.tv_nsec / 1000000, path,
			       gone ? "(gone)" : m.body);
		}
	}
	if (argc >= 4 && strcmp(argv[1], "wait") == 0) {
		signal(SIGALRM, time_is_up);
		alarm(atoi(argv[2]));
		request(&m, XS_WATCH, argv[3], "w");
		for (;;) {
			next_event(&event);
			int gone = request(&m, XS_READ, argv[3], NULL);
			if (argc > 4 ? !gone && strcmp(m.body, argv[4]) == 0 : gone)
				return 0;
		}
	}
	fprintf(stderr, "usage: xs watch SUBSTRING PATH... | xs wait SECONDS PATH [VALUE]\n");
	return 2;
}
