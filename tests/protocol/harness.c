/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * harness.c - see harness.h: the world of a test, its server, the two directions of a connection,
 * and the host's side of the export.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "tests/protocol/harness.h"

#define HANG_SECONDS 60 /* ends a hang; no test is faster or slower for it */
#define BUFFER_SIZE (P9_MSIZE_MAX + 64)
#define MAX_ARGS 16

/* ---- assertions ---- */

void check_at(const char *file, int line, bool holds, const char *format, ...)
{
	char text[600];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	CU_assertImplementation(holds ? CU_TRUE : CU_FALSE, (unsigned)line, text, file, "",
				CU_FALSE);
}

void check_equal(const char *file, int line, const char *a_text, uint64_t a, const char *b_text,
		 uint64_t b)
{
	check_at(file, line, a == b, "%s is %#llx, %s is %#llx", a_text, (unsigned long long)a,
		 b_text, (unsigned long long)b);
}

static void give_up(const char *what)
{
	fprintf(stderr, "test harness: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- the server ---- */

static void sleep_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

/* A strict umask and nothing else of ours: the server must see to itself. */
static void exec_server(struct world *w, char **argv)
{
	struct rlimit limit = {w->max_files, w->max_files};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	umask(077);
	if (w->max_files > 0)
		setrlimit(RLIMIT_NOFILE, &limit);
	execv(argv[0], argv);
	fprintf(stderr, "test harness: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int connect_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		give_up(path);
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool server_is_alive(struct world *w)
{
	return w->server > 0 && waitpid(w->server, NULL, WNOHANG) == 0;
}

static void wait_until_it_listens(struct world *w)
{
	for (int tries = HANG_SECONDS * 500; tries > 0 && server_is_alive(w); tries--) {
		int fd = connect_socket(w->socket);

		if (fd >= 0) {
			close(fd);
			return;
		}
		sleep_a_little();
	}
	check_at(__FILE__, __LINE__, false, "the server does not listen");
}

static void start(struct world *w, char *const *more, size_t count)
{
	const char *program = getenv("XEN9PFS_SERVE");
	const char *model = geteuid() == 0 ? "passthrough" : "none";
	char *listen;
	char *argv[MAX_ARGS + 8] = {NULL};

	if (asprintf(&listen, "unix:%s", w->socket) < 0)
		give_up("asprintf");
	argv[0] = (char *)(uintptr_t)(program != NULL ? program : "./xen9pfs-serve");
	argv[1] = (char *)(uintptr_t) "--listen";
	argv[2] = listen;
	argv[3] = (char *)(uintptr_t) "--path";
	argv[4] = w->export;
	argv[5] = (char *)(uintptr_t) "--security-model";
	argv[6] = (char *)(uintptr_t)model;
	for (size_t i = 0; i < count; i++)
		argv[7 + i] = more[i];

	w->server = fork();
	if (w->server == 0)
		exec_server(w, argv);
	free(listen);
	wait_until_it_listens(w);
}

void serve(struct world *w, ...)
{
	char *more[MAX_ARGS];
	size_t count = 0;
	va_list args;

	va_start(args, w);
	for (char *arg; count < MAX_ARGS && (arg = va_arg(args, char *)) != NULL;)
		more[count++] = arg;
	va_end(args);
	start(w, more, count);
}

static bool wait_for_exit(pid_t pid, int *status)
{
	for (int tries = HANG_SECONDS * 500; tries > 0; tries--) {
		if (waitpid(pid, status, WNOHANG) != 0)
			return true;
		sleep_a_little();
	}
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return false;
}

static void stop(struct world *w)
{
	int status = 0;

	if (w->server <= 0)
		return;
	check_at(__FILE__, __LINE__, waitpid(w->server, &status, WNOHANG) == 0,
		 "the server died, wait status %#x", (unsigned)status);
	if (status != 0)
		return;
	kill(w->server, SIGTERM);
	check_at(__FILE__, __LINE__, wait_for_exit(w->server, &status),
		 "the server does not end at SIGTERM");
	check_at(__FILE__, __LINE__, status == 0 || status == SIGTERM,
		 "the server ends with wait status %#x", (unsigned)status);
}

/* ---- the world ---- */

static void world_make(struct world *w)
{
	char *outside = NULL;

	w->top = test_tmpdir();
	if (asprintf(&w->export, "%s/export", w->top) < 0 ||
	    asprintf(&outside, "%s/outside", w->top) < 0 ||
	    asprintf(&w->socket, "%s/socket", w->top) < 0)
		give_up("asprintf");
	umask(0);
	if (chmod(w->top, 0755) != 0 || mkdir(w->export, 0755) != 0 || mkdir(outside, 0755) != 0)
		give_up(w->top);
	free(outside);
	w->dir = open(w->export, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir < 0)
		give_up(w->export);
}

void world_run(void (*test)(struct world *w))
{
	struct world w = {.dir = -1};

	world_make(&w);
	test(&w);
	while (w.conn_count > 0)
		conn_forget(&w, &w.conns[w.conn_count - 1]);
	stop(&w);
	close(w.dir);
	test_rmtree(w.top);
	free(w.top);
	free(w.export);
	free(w.socket);
}

/* ---- connections ---- */

void conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void conn_forget(struct world *w, struct conn *c)
{
	check(c == &w->conns[w->conn_count - 1]);
	conn_close(c);
	free(c->buf);
	free(c->raw);
	free(c->check);
	w->conn_count--;
}

struct conn *connect_only(struct world *w)
{
	struct conn *c = &w->conns[w->conn_count];

	if (w->conn_count == MAX_CONNS) {
		errno = EMFILE;
		give_up("connections of one test");
	}
	w->conn_count++;
	if (w->server == 0)
		start(w, NULL, 0);
	*c = (struct conn){
		.fd = connect_socket(w->socket),
		.msize = P9_MSIZE_MAX,
		.buf = malloc(BUFFER_SIZE),
		.raw = malloc(BUFFER_SIZE),
		.check = malloc(BUFFER_SIZE),
	};
	if (c->buf == NULL || c->raw == NULL || c->check == NULL)
		give_up("malloc");
	check_at(__FILE__, __LINE__, c->fd >= 0, "the server takes no connection");
	return c;
}

struct conn *session_in(struct world *w, enum p9_dialect dialect, uint32_t msize)
{
	static const char *const versions[] = {
		[P9_L] = P9_VERSION_L,
		[P9_U] = P9_VERSION_U,
		[P9_PLAIN] = P9_VERSION_PLAIN,
	};
	struct conn *c = connect_only(w);
	const struct p9_msg *reply;

	reply = ok(c, T(version, .msize = msize, .version = p9_str(versions[dialect])));
	c->dialect = dialect;
	check(reply->Rversion.msize <= msize);
	c->msize = reply->Rversion.msize;
	ok(c, T(attach, .newfid = ROOT, .afid = P9_NOFID, .uname = p9_str("nobody"),
		.aname = p9_str(""), .n_uname = geteuid()));
	return c;
}

struct conn *session_of(struct world *w, uint32_t msize)
{
	return session_in(w, P9_L, msize);
}

struct conn *session(struct world *w)
{
	return session_of(w, MSIZE);
}

static bool readable(struct conn *c)
{
	struct pollfd poll_fd = {.fd = c->fd, .events = POLLIN};

	return poll(&poll_fd, 1, HANG_SECONDS * 1000) == 1;
}

bool conn_is_dropped(struct conn *c)
{
	uint8_t bytes[4096];
	ssize_t got;

	while (c->fd >= 0 && readable(c)) {
		got = read(c->fd, bytes, sizeof(bytes));
		if (got <= 0) {
			conn_close(c);
			return true;
		}
	}
	return c->fd < 0;
}

/* ---- sending ---- */

void send_bytes(struct conn *c, const void *bytes, size_t size)
{
	const uint8_t *next = bytes;
	ssize_t sent;

	while (size > 0 && c->fd >= 0) {
		sent = send(c->fd, next, size, MSG_NOSIGNAL);
		if (sent <= 0) {
			conn_close(c);
			return;
		}
		next += sent;
		size -= (size_t)sent;
	}
}

void send_msg(struct conn *c, uint16_t tag, struct p9_msg m)
{
	int size;

	m.tag = tag;
	size = p9_encode(&m, c->dialect, c->check, BUFFER_SIZE);
	if (size < 0) {
		errno = -size;
		give_up("p9_encode");
	}
	send_bytes(c, c->check, (size_t)size);
}

struct p9_names names_of(const char *const *names)
{
	struct p9_names list = {.count = 0};

	while (names[list.count] != NULL && list.count < P9_MAXWELEM) {
		list.name[list.count] = p9_str(names[list.count]);
		list.count++;
	}
	return list;
}

struct p9_str str_of(const void *bytes, size_t size)
{
	return (struct p9_str){.text = bytes, .len = (uint16_t)size};
}

struct p9_data data_of(const void *bytes, size_t size)
{
	return (struct p9_data){.bytes = bytes, .len = (uint32_t)size};
}

const char *long_name(char letter, size_t size)
{
	static char text[4][8192];
	static unsigned turn;
	char *name = text[turn++ % 4];

	memset(name, letter, size);
	name[size] = '\0';
	return name;
}

struct raw raw_begin(uint8_t type, uint16_t tag)
{
	struct raw raw = {.size = 4};

	raw_int(&raw, type, 1);
	raw_int(&raw, tag, 2);
	return raw;
}

void raw_int(struct raw *raw, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		raw->bytes[raw->size++] = (uint8_t)(value >> (8 * i));
}

void raw_str(struct raw *raw, const char *text)
{
	raw_int(raw, strlen(text), 2);
	memcpy(raw->bytes + raw->size, text, strlen(text));
	raw->size += strlen(text);
}

void raw_send(struct conn *c, struct raw *raw)
{
	size_t size = raw->size;

	raw->size = 0;
	raw_int(raw, size, 4);
	raw->size = size;
	send_bytes(c, raw->bytes, size);
}

struct raw raw_in(enum p9_dialect dialect, struct p9_msg m, uint16_t tag)
{
	struct raw raw;
	int size;

	m.tag = tag;
	size = p9_encode(&m, dialect, raw.bytes, sizeof(raw.bytes));
	raw.size = size > 0 ? (size_t)size : 0;
	return raw;
}

struct raw raw_of(struct p9_msg m, uint16_t tag)
{
	return raw_in(P9_L, m, tag);
}

/* ---- receiving ---- */

static bool read_all(struct conn *c, uint8_t *bytes, size_t size)
{
	ssize_t got;

	while (size > 0) {
		if (c->fd < 0 || !readable(c))
			return false;
		got = read(c->fd, bytes, size);
		if (got <= 0)
			return false;
		bytes += got;
		size -= (size_t)got;
	}
	return true;
}

static size_t size_field(const uint8_t *bytes)
{
	return (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 |
	       (size_t)bytes[3] << 24;
}

/* What a Linux client has room for; the payload of a read is judged where it is asked for. */
static size_t size_limit(struct conn *c, uint8_t type)
{
	size_t limit = c->msize;

	if (type == P9_Rread || type == P9_Rreaddir)
		return limit;
	if (type == P9_Rerror)
		return P9_HEADER_SIZE + 2 + P9_ERROR_MAX + 4;
	if (type == P9_Rreadlink || type == P9_Rstat)
		return limit < 8192 ? limit : 8192;
	return limit < 4096 ? limit : 4096;
}

static int errno_of_text(const struct p9_str *text)
{
	for (int i = 1; i < 134; i++) {
		const char *known = strerrordesc_np(i);

		if (known != NULL && strcmp(known, text->text) == 0)
			return i;
	}
	return -1;
}

int error_in(const struct conn *c, const struct p9_msg *reply)
{
	uint32_t ecode = reply->Rlerror.ecode;
	int told;

	if (reply->type == P9_Rlerror && c->dialect == P9_L)
		return ecode > 0 && ecode <= P9_ERRNO_MAX ? (int)ecode : -1;
	if (reply->type != P9_Rerror || c->dialect == P9_L)
		return -1;
	told = errno_of_text(&reply->Rerror.ename);
	return c->dialect == P9_PLAIN || reply->Rerror.ecode == (uint32_t)told ? told : -1;
}

static bool reply_is_exact(struct conn *c, size_t size)
{
	int decoded;

	memcpy(c->raw, c->buf, size);
	decoded = p9_decode(&c->reply, c->dialect, c->buf, size);
	check_at(__FILE__, __LINE__, decoded == 0, "reply of type %u cannot be decoded",
		 c->reply.type);
	if (decoded != 0)
		return false;
	check_at(__FILE__, __LINE__,
		 p9_encode(&c->reply, c->dialect, c->check, BUFFER_SIZE) == (int)size &&
			 memcmp(c->check, c->raw, size) == 0,
		 "%s has bytes behind its last field", p9_name(c->reply.type));
	check_at(__FILE__, __LINE__, size <= size_limit(c, c->reply.type), "%s of %zu bytes",
		 p9_name(c->reply.type), size);
	if (c->reply.type == P9_Rlerror || c->reply.type == P9_Rerror)
		check_at(__FILE__, __LINE__, error_in(c, &c->reply) > 0,
			 "%s that Linux does not understand", p9_name(c->reply.type));
	return true;
}

const struct p9_msg *receive(struct conn *c)
{
	size_t size;

	if (read_all(c, c->buf, P9_HEADER_SIZE)) {
		size = size_field(c->buf);
		check_at(__FILE__, __LINE__, size >= P9_HEADER_SIZE && size <= c->msize,
			 "reply with size field %zu", size);
		if (size >= P9_HEADER_SIZE && size <= BUFFER_SIZE &&
		    read_all(c, c->buf + P9_HEADER_SIZE, size - P9_HEADER_SIZE) &&
		    reply_is_exact(c, size))
			return &c->reply;
	}
	conn_close(c);
	return NULL;
}

static const struct p9_msg *nothing(struct conn *c)
{
	memset(&c->reply, 0, sizeof(c->reply));
	return &c->reply;
}

const struct p9_msg *answer(struct conn *c, uint16_t tag)
{
	const struct p9_msg *reply = receive(c);

	if (reply != NULL && reply->tag == tag)
		return reply;
	if (reply != NULL)
		check_at(__FILE__, __LINE__, false, "reply of tag %u instead of %u", reply->tag,
			 tag);
	return nothing(c);
}

/* No read gives more than was asked for. */
static void check_count(const struct p9_msg *m, const struct p9_msg *reply)
{
	uint32_t asked = m->type == P9_Tread ? m->Tread.count : m->Treaddir.count;

	if (reply->type == P9_Rread || reply->type == P9_Rreaddir)
		check_at(__FILE__, __LINE__, reply->Rread.data.len <= asked,
			 "%u bytes instead of at most %u", reply->Rread.data.len, asked);
}

const struct p9_msg *call(struct conn *c, struct p9_msg m)
{
	const struct p9_msg *reply;

	c->tag = (uint16_t)(c->tag % 0x7fff + 1);
	send_msg(c, c->tag, m);
	reply = answer(c, c->tag);
	if (m.type == P9_Tread || m.type == P9_Treaddir)
		check_count(&m, reply);
	return reply;
}

int errno_of(struct conn *c, struct p9_msg m)
{
	const struct p9_msg *reply = call(c, m);

	if (reply->type == m.type + 1)
		return 0;
	return error_in(c, reply);
}

static const char *describe(char *text, size_t size, const struct p9_msg *m)
{
	if (m->type == 0)
		return "no reply";
	if (m->type == P9_Rlerror)
		return strerrorname_np((int)m->Rlerror.ecode);
	if (m->type == P9_Rerror)
		return m->Rerror.ename.text;
	p9_print(m, text, size);
	return text;
}

static void complain(const char *file, int line, const struct p9_msg *asked,
		     const struct p9_msg *got)
{
	char asked_text[200], got_text[200];

	check_at(file, line, false, "%s: %s", describe(asked_text, sizeof(asked_text), asked),
		 describe(got_text, sizeof(got_text), got));
}

const struct p9_msg *expect_ok(const char *file, int line, struct conn *c, struct p9_msg m)
{
	const struct p9_msg *reply = call(c, m);

	if (reply->type == m.type + 1) {
		check_at(file, line, true, "reply");
		return reply;
	}
	m.tag = c->tag;
	complain(file, line, &m, reply);
	return nothing(c);
}

static bool is_one_of(int error, const int *errors)
{
	if (error < 0 || errors == NULL)
		return error > 0;
	while (*errors != 0 && *errors != error)
		errors++;
	return *errors != 0;
}

void expect_error(const char *file, int line, struct conn *c, struct p9_msg m, const int *errors)
{
	const struct p9_msg *reply = call(c, m);

	m.tag = c->tag;
	if (is_one_of(error_in(c, reply), errors))
		check_at(file, line, true, "reply");
	else
		complain(file, line, &m, reply);
}

/* ---- common steps ---- */

static struct p9_names split(char *path)
{
	struct p9_names names = {.count = 0};
	char *rest = NULL;

	for (char *name = strtok_r(path, "/", &rest); name != NULL && names.count < P9_MAXWELEM;
	     name = strtok_r(NULL, "/", &rest))
		names.name[names.count++] = p9_str(name);
	return names;
}

struct p9_qid walk_at(const char *file, int line, struct conn *c, uint32_t fid, uint32_t newfid,
		      const char *path)
{
	char *copy = strdup(path);
	struct p9_names names = split(copy);
	const struct p9_msg *reply;

	reply = expect_ok(file, line, c, T(walk, .fid = fid, .newfid = newfid, .names = names));
	free(copy);
	check_at(file, line, reply->Rwalk.qids.count == names.count, "%u of %u names walked",
		 reply->Rwalk.qids.count, names.count);
	if (reply->Rwalk.qids.count == 0)
		return (struct p9_qid){.type = 0};
	return reply->Rwalk.qids.qid[reply->Rwalk.qids.count - 1];
}

void open_at(const char *file, int line, struct conn *c, uint32_t newfid, const char *path,
	     uint32_t flags)
{
	walk_at(file, line, c, ROOT, newfid, path);
	expect_ok(file, line, c, T(lopen, .fid = newfid, .flags = flags));
}

void topen_at(const char *file, int line, struct conn *c, uint32_t newfid, const char *path,
	      uint8_t mode)
{
	walk_at(file, line, c, ROOT, newfid, path);
	expect_ok(file, line, c, T(open, .fid = newfid, .mode = mode));
}

struct p9_stat stat_at(const char *file, int line, struct conn *c, uint32_t fid)
{
	struct p9_stat stat = expect_ok(file, line, c, T(stat, .fid = fid))->Rstat.stat;

	if (stat.name.text == NULL)
		stat.name = stat.uid = stat.gid = stat.muid = stat.extension = p9_str("");
	return stat;
}

bool same_str(struct p9_str a, const char *b)
{
	return a.text != NULL && a.len == strlen(b) && memcmp(a.text, b, a.len) == 0;
}

struct p9_Rgetattr attr_at(const char *file, int line, struct conn *c, uint32_t fid)
{
	return expect_ok(file, line, c, T(getattr, .fid = fid, .request_mask = P9_GETATTR_BASIC))
		->Rgetattr;
}

void reads_at(const char *file, int line, struct conn *c, uint32_t fid, uint64_t offset,
	      const char *text)
{
	uint32_t length = (uint32_t)strlen(text);
	const struct p9_msg *reply;

	reply = expect_ok(file, line, c,
			  T(read, .fid = fid, .offset = offset, .count = length + 100));
	check_at(file, line,
		 reply->Rread.data.len == length &&
			 (length == 0 || memcmp(reply->Rread.data.bytes, text, length) == 0),
		 "read \"%.*s\" instead of \"%s\"", (int)reply->Rread.data.len,
		 (const char *)reply->Rread.data.bytes, text);
}

void writes_at(const char *file, int line, struct conn *c, uint32_t fid, uint64_t offset,
	       const char *text)
{
	struct p9_data data = data_of(text, strlen(text));
	const struct p9_msg *reply;

	reply = expect_ok(file, line, c, T(write, .fid = fid, .offset = offset, .data = data));
	check_at(file, line, reply->Rwrite.count == data.len, "wrote %u bytes of %u",
		 reply->Rwrite.count, data.len);
}

bool same_qid(struct p9_qid a, struct p9_qid b)
{
	return a.type == b.type && a.version == b.version && a.path == b.path;
}

bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool is_granted_in_the_end(struct conn *c, struct p9_msg lock)
{
	for (int tries = HANG_SECONDS * 500; tries > 0 && c->fd >= 0; tries--) {
		if (expect_ok(__FILE__, __LINE__, c, lock)->Rlock.status == P9_LOCK_SUCCESS)
			return true;
		sleep_a_little();
	}
	return false;
}

/* ---- what it costs ---- */

unsigned long long server_ticks(const struct world *w)
{
	unsigned long long user = 0, system = 0;
	char path[64], text[1024] = "";
	const char *name_end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)w->server);
	file = fopen(path, "re");
	if (file != NULL && fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	if (file != NULL)
		fclose(file);
	/* from the state on, which is the third field */
	name_end = strrchr(text, ')');
	check(name_end != NULL &&
	      sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		     &system) == 2);
	return user + system;
}

/* ---- the host's side ---- */

uint8_t pattern(uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

static void write_file(struct world *w, const char *path, const void *bytes, size_t size)
{
	_cleanup_close_ int fd =
		openat(w->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		give_up(path);
}

void host_file(struct world *w, const char *path, const char *text)
{
	write_file(w, path, text, strlen(text));
}

void host_file_of_size(struct world *w, const char *path, size_t size)
{
	_cleanup_free_ uint8_t *bytes = malloc(size);

	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(i);
	write_file(w, path, bytes, size);
}

void host_dir(struct world *w, const char *path)
{
	if (mkdirat(w->dir, path, 0755) != 0)
		give_up(path);
}

void host_symlink(struct world *w, const char *path, const char *target)
{
	if (symlinkat(target, w->dir, path) != 0)
		give_up(path);
}

void host_node(struct world *w, const char *path, mode_t mode, dev_t dev)
{
	if (mknodat(w->dir, path, mode, dev) != 0)
		give_up(path);
}

void host_names(struct world *w, const char *dir, unsigned count)
{
	char name[64], first[64] = "";

	host_dir(w, dir);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s/%u", dir, i);
		if (i % 10000 == 0) {
			strcpy(first, name);
			host_file(w, first, "");
		} else if (linkat(w->dir, first, w->dir, name, 0) != 0) {
			return check_at(__FILE__, __LINE__, false, "%s: %s", name, strerror(errno));
		}
	}
}

void host_unlink(struct world *w, const char *path)
{
	if (unlinkat(w->dir, path, 0) != 0 && unlinkat(w->dir, path, AT_REMOVEDIR) != 0)
		give_up(path);
}

bool host_has(struct world *w, const char *path)
{
	struct stat st;

	return fstatat(w->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct stat host_stat(struct world *w, const char *path)
{
	struct stat st = {.st_ino = 0};

	check_at(__FILE__, __LINE__, fstatat(w->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0,
		 "the host has no %s", path);
	return st;
}

void host_file_time_passes(struct world *w, struct timespec then)
{
	struct timespec now;

	do {
		nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
		host_file(w, "clock", "");
		now = host_stat(w, "clock").st_ctim;
	} while (now.tv_sec == then.tv_sec && now.tv_nsec <= then.tv_nsec);
}

void host_holds_at(const char *file, int line, struct world *w, const char *path, const char *text)
{
	char bytes[4096];
	ssize_t got = -1;
	_cleanup_close_ int fd = openat(w->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		got = read(fd, bytes, sizeof(bytes));
	check_at(file, line, got == (ssize_t)strlen(text) && memcmp(bytes, text, (size_t)got) == 0,
		 "host file %s holds \"%.*s\" instead of \"%s\"", path, got > 0 ? (int)got : 0,
		 bytes, text);
}

static char *host_path(struct world *w, const char *path)
{
	char *full;

	if (asprintf(&full, "%s/%s", w->export, path) < 0)
		give_up("asprintf");
	return full;
}

ssize_t host_getxattr(struct world *w, const char *path, const char *name, void *buf, size_t size)
{
	_cleanup_free_ char *full = host_path(w, path);
	ssize_t got = lgetxattr(full, name, buf, size);

	return got >= 0 ? got : -errno;
}

bool host_setxattr(struct world *w, const char *path, const char *name, const char *text)
{
	_cleanup_free_ char *full = host_path(w, path);

	if (lsetxattr(full, name, text, strlen(text), 0) == 0)
		return true;
	test_skip("the host's file system has no such extended attributes");
	return false;
}

bool need_root(void)
{
	if (geteuid() == 0)
		return true;
	test_skip("needs root");
	return false;
}

bool need_no_root(void)
{
	if (geteuid() != 0)
		return true;
	test_skip("needs a user who is not root");
	return false;
}
