/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * harness.h - a 9P server as a child process, and sessions with it, for black-box tests.
 *
 * Each test gets a world of its own: an empty host directory ("the export"), a server started on
 * it when the first connection is asked for, and at the end a check that the server still lives
 * and goes when it is told to. The program to start is $XEN9PFS_SERVE.
 *
 * Assertions never end a test: what comes back after a failure is zeros, and a connection that
 * broke or hung fails every later call at once. Every reply, whatever the test looks for, must
 * be well-formed to the last byte, no larger than its kind may be, and no error 0.
 */
#ifndef TESTS_PROTOCOL_HARNESS_H
#define TESTS_PROTOCOL_HARNESS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/util.h"
#include "proto/wire.h"
#include "tests/lib/test.h"
#include "tests/lib/untouched.h"

#define MSIZE 65536u /* of session() */
#define ROOT 0u	     /* the fid that session() attaches */

/* Tlopen and Tlcreate flags, of which proto/9p.h names those with a meaning. */
#define L_RDONLY 0u
#define L_WRONLY 1u
#define L_RDWR 2u
#define L_CREATE 0x40u

struct conn {
	int fd;			 /* -1: the server closed it, or it hung */
	enum p9_dialect dialect; /* of sessions that the harness begins: P9_L */
	uint32_t msize;
	uint16_t tag;
	uint8_t *buf, *raw, *check;
	struct p9_msg reply;
};

#define MAX_CONNS 8

struct world {
	char *top;	  /* holds "export", "outside" and the socket */
	char *export;	  /* what is served */
	int dir;	  /* the export, for *at() */
	char *socket;	  /* path */
	pid_t server;	  /* 0: not started */
	rlim_t max_files; /* RLIMIT_NOFILE of the server; 0: as it is */
	struct conn conns[MAX_CONNS];
	unsigned conn_count;
};

/* A test is a function of its world, registered by being there. TEST_IN_BOTH: it is made twice, as
 * u_NAME and plain_NAME, for the dialects that are told as `dialect`. */
#define TEST(name)                                                                                 \
	static void name(struct world *w);                                                         \
	static void run_##name(void)                                                               \
	{                                                                                          \
		world_run(name);                                                                   \
	}                                                                                          \
	static const struct test entry_##name                                                      \
		__attribute__((used, section("protocol_tests"))) = {#name, run_##name};            \
	static void name(struct world *w)

#define TEST_IN_BOTH(name)                                                                         \
	static void name(struct world *w, enum p9_dialect dialect);                                \
	TEST(u_##name)                                                                             \
	{                                                                                          \
		name(w, P9_U);                                                                     \
	}                                                                                          \
	TEST(plain_##name)                                                                         \
	{                                                                                          \
		name(w, P9_PLAIN);                                                                 \
	}                                                                                          \
	static void name(struct world *w, enum p9_dialect dialect)

void world_run(void (*test)(struct world *w));

/* ---- the server and connections to it ---- */

/* Starts the server with these further arguments; ends with NULL. Without a call it gets none. */
void serve(struct world *w, ...) __attribute__((sentinel));

struct conn *connect_only(struct world *w); /* nothing said yet */
struct conn *session_in(struct world *w, enum p9_dialect dialect, uint32_t msize);
struct conn *session_of(struct world *w, uint32_t msize);
struct conn *session(struct world *w); /* MSIZE agreed, ROOT attached */

void conn_close(struct conn *c);
void conn_forget(struct world *w, struct conn *c); /* the newest; makes room for another */
bool conn_is_dropped(struct conn *c); /* reads until the server closes; false: it does not */

/* ---- assertions that tell what they saw ---- */

void check_at(const char *file, int line, bool holds, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void check_equal(const char *file, int line, const char *a_text, uint64_t a, const char *b_text,
		 uint64_t b);

#define check(condition) check_at(__FILE__, __LINE__, (condition), "%s", #condition)
#define equal(a, b) check_equal(__FILE__, __LINE__, #a, (uint64_t)(a), #b, (uint64_t)(b))

/* ---- messages ---- */

/* T(lopen, .fid = 1, .flags = L_RDWR) */
#define T(name, ...) ((struct p9_msg){.type = P9_T##name, .T##name = {__VA_ARGS__}})

#define NAMES(...) names_of((const char *const[]){__VA_ARGS__, NULL})
struct p9_names names_of(const char *const *names);

struct p9_str str_of(const void *bytes, size_t size); /* may hold a NUL, unlike p9_str() */
struct p9_data data_of(const void *bytes, size_t size);

/* A string of `size` times the letter, kept until the next but three calls. */
const char *long_name(char letter, size_t size);

void send_bytes(struct conn *c, const void *bytes, size_t size);
void send_msg(struct conn *c, uint16_t tag, struct p9_msg m);

/* The next reply, or NULL: connection gone. What it borrows stays until the next call. */
const struct p9_msg *receive(struct conn *c);

/* Sends with a fresh tag and waits for the reply, which must carry that tag. Never NULL: type 0
 * stands for no reply. */
const struct p9_msg *call(struct conn *c, struct p9_msg m);

/* The errno that a reply tells in the form of the connection's dialect, or its text stands for; -1:
 * it is no such thing. */
int error_in(const struct conn *c, const struct p9_msg *reply);

/* 0, or the errno of the reply; -1: no or a strange reply. */
int errno_of(struct conn *c, struct p9_msg m);

/* The reply must be the one of T + 1; zeros when it is not. */
#define ok(c, m) expect_ok(__FILE__, __LINE__, c, m)
const struct p9_msg *expect_ok(const char *file, int line, struct conn *c, struct p9_msg m);

/* The reply must be an error: this one, one of these, any. */
#define fails(c, error, m) expect_error(__FILE__, __LINE__, c, m, (const int[]){error, 0})
#define fails_with_one_of(c, m, ...)                                                               \
	expect_error(__FILE__, __LINE__, c, m, (const int[]){__VA_ARGS__, 0})
#define fails_somehow(c, m) expect_error(__FILE__, __LINE__, c, m, NULL)
void expect_error(const char *file, int line, struct conn *c, struct p9_msg m, const int *errors);

/* Messages that p9_encode() cannot make. */
struct raw {
	uint8_t bytes[1024];
	size_t size;
};

struct raw raw_begin(uint8_t type, uint16_t tag);
void raw_int(struct raw *raw, uint64_t value, unsigned bytes);
void raw_str(struct raw *raw, const char *text);
void raw_send(struct conn *c, struct raw *raw); /* with the right size field */
struct raw raw_in(enum p9_dialect dialect, struct p9_msg m, uint16_t tag);
struct raw raw_of(struct p9_msg m, uint16_t tag);

/* The reply to a message sent with `tag`; type 0: none came, or one of another tag. */
const struct p9_msg *answer(struct conn *c, uint16_t tag);

/* ---- short forms of common steps; all expect success ---- */

#define walk(c, fid, newfid, path) walk_at(__FILE__, __LINE__, c, fid, newfid, path)
#define open_path(c, newfid, path, flags) open_at(__FILE__, __LINE__, c, newfid, path, flags)
#define topen(c, newfid, path, mode) topen_at(__FILE__, __LINE__, c, newfid, path, mode)
#define clunk(c, f) (void)ok(c, T(clunk, .fid = (f)))
#define attr(c, f) attr_at(__FILE__, __LINE__, c, f)
#define stat_of(c, f) stat_at(__FILE__, __LINE__, c, f)
#define reads(c, fid, offset, text) reads_at(__FILE__, __LINE__, c, fid, offset, text)
#define writes(c, fid, offset, text) writes_at(__FILE__, __LINE__, c, fid, offset, text)

/* `path`: names with '/' between; "" clones. The qid of the last step. */
struct p9_qid walk_at(const char *file, int line, struct conn *c, uint32_t fid, uint32_t newfid,
		      const char *path);
void open_at(const char *file, int line, struct conn *c, uint32_t newfid, const char *path,
	     uint32_t flags); /* from ROOT */
void topen_at(const char *file, int line, struct conn *c, uint32_t newfid, const char *path,
	      uint8_t mode); /* the same of the older dialects */
struct p9_stat stat_at(const char *file, int line, struct conn *c, uint32_t fid);
struct p9_Rgetattr attr_at(const char *file, int line, struct conn *c, uint32_t fid);
void reads_at(const char *file, int line, struct conn *c, uint32_t fid, uint64_t offset,
	      const char *text); /* asks for 100 bytes more than there should be */
void writes_at(const char *file, int line, struct conn *c, uint32_t fid, uint64_t offset,
	       const char *text);

/* Asks again and again: the server learns of a lost connection when it gets to it. */
bool is_granted_in_the_end(struct conn *c, struct p9_msg lock);

bool same_str(struct p9_str a, const char *b);
bool same_qid(struct p9_qid a, struct p9_qid b);
bool same_time(struct timespec a, struct timespec b);

/* Processor time that the server has used so far: what is compared does not depend on others. */
unsigned long long server_ticks(const struct world *w);

/* ---- the host's side of the export; paths are relative to it ---- */

void host_file(struct world *w, const char *path, const char *text);
void host_file_of_size(struct world *w, const char *path, size_t size); /* of pattern() bytes */
uint8_t pattern(uint64_t offset);
void host_dir(struct world *w, const char *path);
void host_symlink(struct world *w, const char *path, const char *target);
void host_node(struct world *w, const char *path, mode_t mode, dev_t dev);
void host_names(struct world *w, const char *dir, unsigned count); /* "0", "1", ... of few files */
void host_unlink(struct world *w, const char *path);
bool host_has(struct world *w, const char *path);
struct stat host_stat(struct world *w, const char *path); /* zeros: not there */

/* The host's clock of file times stands still for some milliseconds: until it has moved on. Makes
 * the file "clock". */
void host_file_time_passes(struct world *w, struct timespec then);

#define host_holds(w, path, text) host_holds_at(__FILE__, __LINE__, w, path, text)
void host_holds_at(const char *file, int line, struct world *w, const char *path, const char *text);

/* Bytes, or -errno; of a link itself. set: false, and the test skipped, without xattrs here. */
ssize_t host_getxattr(struct world *w, const char *path, const char *name, void *buf, size_t size);
bool host_setxattr(struct world *w, const char *path, const char *name, const char *text);

/* Skips the test and gives false when it is not so. */
bool need_root(void);
bool need_no_root(void);

#endif
