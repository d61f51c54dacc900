/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hot_path.c - the engine and the local driver alone, in one thread: the same requests again and
 * again, so that what they cost can be counted.
 *
 *	hot_path compiler                 what built it, as in hot_path.bounds
 *	hot_path count DIR KIND on|off N  N times KIND inside cost_counted(), for callgrind; "on": a
 *	                                  session that survives its process (durable)
 *	hot_path time DIR KIND            CPU time of "on" by that of "off": median and quartiles of
 *	                                  many turns; and the least of "on" for a request, in us
 *
 * DIR holds a file "file" of 64 KiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common/util.h"
#include "proto/ops.h"
#include "proto/session.h"
#include "proto/wire.h"
#include "tests/lib/clocks.h"

#define FILE_NAME "file"
#define BLOCK 4096u
#define TURNS 41
#define TURN_REQUESTS 4000

#define ROOT 1
#define OPEN 2
#define NEW 3

/* One session, and what its one lane and its executor have in hand. */
struct engine {
	struct executor executor;
	struct lane lane;
	struct fs *fs;
	struct session *session;
	struct saved *saved;
	struct req_queue ready, answered;
	uint8_t type; /* of the last reply */
	uint32_t at;  /* position in a ring that is not there */
};

__attribute__((noreturn)) static void die(const char *what, int err)
{
	fprintf(stderr, "hot_path: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* ---- around the engine ---- */

static void engine_run(struct executor *executor, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(executor, struct engine, executor)->ready, req, link);
}

static void engine_answered(struct executor *executor, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(executor, struct engine, executor)->answered, req, link);
}

static void engine_send(struct lane *lane, struct req *req)
{
	struct engine *e = container_of(lane, struct engine, lane);

	e->type = req->out[4];
	session_putting(req, e->at);
	session_sent(req);
}

static void engine_released(struct lane *lane)
{
	(void)lane;
}

/* One request from its bytes to its reply, asked as the runner does. */
static void serve(struct engine *e, const uint8_t *bytes, uint32_t size)
{
	struct req *req = session_request(e->session, &e->lane, size);

	if (req == NULL)
		die("a request", -ENOMEM);
	memcpy(req->in, bytes, size);
	session_taking(req, e->at);
	e->at += size;
	session_receive(req);
	while ((req = STAILQ_FIRST(&e->ready)) != NULL) {
		STAILQ_REMOVE_HEAD(&e->ready, link);
		req_prepare_here(req);
		while (!req_ask_here(req))
			;
		session_finish(req);
	}
}

static void request(struct engine *e, const struct p9_msg *msg)
{
	uint8_t bytes[BLOCK + 64];
	int size = p9_encode(msg, P9_L, bytes, sizeof(bytes));

	if (size < 0)
		die("encoding", size);
	serve(e, bytes, (uint32_t)size);
	if (e->type != msg->type + 1)
		die(p9_name(msg->type), -EIO);
}

static struct engine *engine_open(const char *dir, bool durable)
{
	const struct session_config config = {.msize_max = P9_MSIZE_MAX, .durable = durable};
	_cleanup_close_ int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct engine *e = calloc(1, sizeof(*e));
	struct p9_msg msg = {.type = P9_Tversion, .tag = P9_NOTAG};
	char err[256] = "";
	int ret;

	if (e == NULL)
		die("engine", -ENOMEM);
	e->executor = (struct executor){.run = engine_run, .answered = engine_answered};
	e->lane = (struct lane){.send = engine_send, .released = engine_released};
	STAILQ_INIT(&e->ready);
	STAILQ_INIT(&e->answered);
	e->saved = mmap(NULL, sizeof(*e->saved), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (e->saved == MAP_FAILED)
		die("memory", -errno);
	ret = fs_local_create(root, FS_MODEL_NONE, &e->fs, err, sizeof(err));
	if (ret == 0)
		ret = session_create(e->fs, &config, &e->executor, e->saved, &e->session);
	if (ret < 0)
		die(err, ret);
	msg.Tversion.msize = P9_MSIZE_MAX;
	msg.Tversion.version = p9_str(P9_VERSION_L);
	request(e, &msg);
	msg = (struct p9_msg){.type = P9_Tattach, .tag = 1};
	msg.Tattach.newfid = ROOT;
	msg.Tattach.afid = P9_NOFID;
	msg.Tattach.uname = msg.Tattach.aname = p9_str("");
	request(e, &msg);
	msg = (struct p9_msg){.type = P9_Twalk, .tag = 1};
	msg.Twalk.fid = ROOT;
	msg.Twalk.newfid = OPEN;
	msg.Twalk.names.count = 1;
	msg.Twalk.names.name[0] = p9_str(FILE_NAME);
	request(e, &msg);
	msg = (struct p9_msg){.type = P9_Tlopen, .tag = 1};
	msg.Tlopen.fid = OPEN;
	msg.Tlopen.flags = O_RDWR;
	request(e, &msg);
	return e;
}

static void engine_close(struct engine *e)
{
	session_close(e->session);
	session_destroy(e->session);
	fs_destroy(e->fs);
	munmap(e->saved, sizeof(*e->saved));
	free(e);
}

/* ---- kinds of requests ---- */

/* At most two messages, encoded once. */
struct kind {
	const char *name;
	void (*make)(struct p9_msg msg[2]);
};

static void make_read(struct p9_msg msg[2])
{
	msg[0].type = P9_Tread;
	msg[0].Tread.fid = OPEN;
	msg[0].Tread.offset = 3 * BLOCK;
	msg[0].Tread.count = BLOCK;
}

static void make_write(struct p9_msg msg[2])
{
	static const uint8_t block[BLOCK];

	msg[0].type = P9_Twrite;
	msg[0].Twrite.fid = OPEN;
	msg[0].Twrite.offset = 5 * BLOCK;
	msg[0].Twrite.data = (struct p9_data){.bytes = block, .len = BLOCK};
}

static void make_getattr(struct p9_msg msg[2])
{
	msg[0].type = P9_Tgetattr;
	msg[0].Tgetattr.fid = OPEN;
	msg[0].Tgetattr.request_mask = P9_GETATTR_BASIC;
}

static void make_walk(struct p9_msg msg[2])
{
	msg[0].type = P9_Twalk;
	msg[0].Twalk.fid = ROOT;
	msg[0].Twalk.newfid = NEW;
	msg[0].Twalk.names.count = 1;
	msg[0].Twalk.names.name[0] = p9_str(FILE_NAME);
	msg[1].type = P9_Tclunk;
	msg[1].Tclunk.fid = NEW;
}

static const struct kind kinds[] = {
	{"read", make_read},
	{"write", make_write},
	{"getattr", make_getattr},
	{"walk", make_walk},
};

struct prepared {
	uint8_t bytes[2][BLOCK + 64];
	uint32_t size[2];
	uint8_t reply[2];
	unsigned count;
};

static void prepare(const struct kind *kind, struct prepared *p)
{
	struct p9_msg msg[2] = {{.type = 0}, {.type = 0}};

	kind->make(msg);
	p->count = msg[1].type != 0 ? 2 : 1;
	for (unsigned i = 0; i < p->count; i++) {
		int size;

		msg[i].tag = 1;
		size = p9_encode(&msg[i], P9_L, p->bytes[i], sizeof(p->bytes[i]));
		if (size < 0)
			die("encoding", size);
		p->size[i] = (uint32_t)size;
		p->reply[i] = (uint8_t)(msg[i].type + 1);
	}
}

static void repeat(struct engine *e, const struct prepared *p, unsigned n)
{
	for (unsigned done = 0; done < n; done++) {
		for (unsigned i = 0; i < p->count; i++) {
			serve(e, p->bytes[i], p->size[i]);
			if (e->type != p->reply[i])
				die("a request", -EIO);
		}
	}
}

/* The function whose calls callgrind counts. */
__attribute__((noinline)) void cost_counted(struct engine *e, const struct prepared *p, unsigned n);
void cost_counted(struct engine *e, const struct prepared *p, unsigned n)
{
	repeat(e, p, n);
}

/* ---- the program ---- */

static double cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double turn(struct engine *e, const struct prepared *p)
{
	double start = cpu_us();

	repeat(e, p, TURN_REQUESTS);
	return cpu_us() - start;
}

/* By turns, and each first as often as the other. */
static void compare_time(const char *dir, const struct prepared *p)
{
	struct engine *off = engine_open(dir, false), *on = engine_open(dir, true);
	double ratio[TURNS], least = 0;

	for (int i = 0; i < TURNS; i++) {
		double first = turn(i % 2 == 0 ? off : on, p);
		double second = turn(i % 2 == 0 ? on : off, p);
		double with = i % 2 == 0 ? second : first, without = i % 2 == 0 ? first : second;

		ratio[i] = with / without;
		if (least == 0 || with < least)
			least = with;
	}
	qsort(ratio, TURNS, sizeof(ratio[0]), compare);
	printf("%.3f %.3f %.3f %.3f\n", ratio[TURNS / 2], ratio[TURNS / 4],
	       ratio[TURNS - 1 - TURNS / 4], least / TURN_REQUESTS);
	engine_close(off);
	engine_close(on);
}

static void count(const char *dir, const struct prepared *p, bool durable, unsigned n)
{
	struct engine *e = engine_open(dir, durable);

	/* Once before: what is made at first use is not counted. */
	repeat(e, p, 100);
	cost_counted(e, p, n);
	engine_close(e);
}

/* Code differs with what makes it. */
static const char *compiler(void)
{
#if !defined(__OPTIMIZE__) || defined(CRASH_POINTS) || defined(__SANITIZE_ADDRESS__) ||            \
	defined(__SANITIZE_THREAD__)
	return "other";
#elif defined(__clang__)
	return "clang-" __clang_version__;
#else
	return "gcc-" __VERSION__;
#endif
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < countof(kinds); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	die(name, -EINVAL);
}

int main(int argc, char **argv)
{
	static struct prepared p;

	if (argc == 2 && strcmp(argv[1], "compiler") == 0) {
		puts(compiler());
		return 0;
	}
	if (argc != 4 && argc != 6)
		die("compiler, count DIR KIND on|off N, or time DIR KIND", -EINVAL);
	/* A file that was just made is a rare case of its own, as is one that nobody walked to for
	 * long (local_handle.c, local_recent.c). */
	clocks = (struct clocks){.coarse = time(NULL) + CLOCKS_HOUR, .ahead = CLOCKS_HOUR};
	prepare(find_kind(argv[3]), &p);
	if (argc == 4)
		compare_time(argv[2], &p);
	else
		count(argv[2], &p, strcmp(argv[4], "on") == 0, (unsigned)atoi(argv[5]));
	return 0;
}
