/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_backend.c - a backend whose guest and toolstack write what they like into the store, between
 * any two of its own accesses: handshake, nodes and backend, over a store that is a table, and with
 * a share that is a state. What is checked: the backend writes only what is its own, only what is
 * there, and only what may follow on what stands there; it asks for nothing of the guest's but what
 * it has to know, and believes only numbers; there is never more than one share.
 *
 * Input: records of RECORD bytes: what happens (enum event), its number, and up to INTERFERENCES
 * writes of others: when, which node, what value.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"
#include "tests/fuzz/fuzz.h"
#include "xen9pfsd/backend.h"
#include "xen9pfsd/policy.h"
#include "xenbus/nodes.h"

#define RECORD 16
#define INTERFERENCES 4
#define DIR "backend/xen_9pfs/7/0"
#define FRONT "/local/domain/7/device/9pfs/0"
#define RINGS_SEEN 9 /* one more than may be */

enum event {
	EVENT_UPDATE,
	EVENT_FRONT_CHANGED,
	EVENT_SHARE_READY,
	EVENT_SHARE_ENDED,
	EVENT_SHARE_LOST,
	EVENT_TIMEOUT,
	EVENT_DETACH,
	EVENT_RESTART,	  /* of the supervisor; */
	EVENT_STORE_LOST, /* before it */
	EVENTS,
};

/* ---- the store ---- */

enum node {
	OWN_STATE, /* first those of ours that others write, */
	OWN_ONLINE,
	OWN_FRONTEND,
	OWN_FRONTEND_ID,
	OWN_PATH,
	OWN_MODEL,
	OWN_MAX_SPACE,
	OWN_MAX_FILES,
	OWN_MAX_OPEN_FILES,
	OWN_AUTO_DELETE,
	OWN_VERSIONS, /* then those that are ours alone, */
	OWN_MAX_RINGS,
	OWN_MAX_ORDER,
	FRONT_STATE, /* then the guest's */
	FRONT_VERSION,
	FRONT_RINGS,
	FRONT_TAG,
	FRONT_REF,
	FRONT_PORT = FRONT_REF + RINGS_SEEN,
	GUEST_NAME = FRONT_PORT + RINGS_SEEN,
	OTHERS_NODES, /* that others write; */
	OWN_SERVED_BY = OTHERS_NODES,
	NODES,
};

struct value {
	int error; /* of reading it: -ENOENT, ...; 0: it has `text` */
	uint16_t size;
	char text[16];
};

struct tree {
	struct value node[NODES];
};

struct interference {
	uint8_t when, node, value;
};

static struct {
	struct store store;
	struct tree now, txn;
	bool in_txn, conflicts;
	bool watched;	/* the frontend's state */
	bool elsewhere; /* another backend has claimed the device */
	bool watches_fail;
	unsigned accesses;
	bool loses; /* the connection, after so many of them: */
	unsigned lost_after;
	struct interference others[INTERFERENCES];
	struct value told[NODES]; /* what the backend was told last */
	struct backend_env env;
	struct backend *backend;
	int64_t ms;
	/* The share; one that is lost has left its arena. */
	enum { SHARE_NONE, SHARE_STARTING, SHARE_SERVING, SHARE_STOPPING, SHARE_LOST } share;
	bool detached;
	bool fails; /* the next start */
	enum process_news news;
} w;

static void node_path(enum node node, char path[STORE_PATH_MAX])
{
	static const char *const own[] = {
		"state",
		"online",
		"frontend",
		"frontend-id",
		"path",
		"security_model",
		"max-space",
		"max-files",
		"max-open-files",
		"auto-delete",
		"versions",
		"max-rings",
		"max-ring-page-order",
	};
	static const char *const front[] = {"state", "version", "num-rings", "tag"};

	if (node < countof(own))
		nodes_path(path, DIR, own[node]);
	else if (node < FRONT_REF)
		nodes_path(path, FRONT, front[node - FRONT_STATE]);
	else if (node < FRONT_PORT)
		snprintf(path, STORE_PATH_MAX, FRONT "/ring-ref%d", node - FRONT_REF);
	else if (node < GUEST_NAME)
		snprintf(path, STORE_PATH_MAX, FRONT "/event-channel-%d", node - FRONT_PORT);
	else if (node == GUEST_NAME)
		snprintf(path, STORE_PATH_MAX, "/local/domain/7/name");
	else
		nodes_path(path, DIR, "served-by");
}

static bool in_own_dir(enum node node)
{
	return node < FRONT_STATE || node == OWN_SERVED_BY;
}

static bool is_ours_alone(enum node node)
{
	return (node >= OWN_VERSIONS && node <= OWN_MAX_ORDER) || node == OWN_SERVED_BY;
}

/* Asking for anything else is a mistake. */
static enum node node_of(const char *path)
{
	char known[STORE_PATH_MAX];

	for (enum node node = 0; node < NODES; node++) {
		node_path(node, known);
		if (strcmp(known, path) == 0)
			return node;
	}
	fuzz_fail(__FILE__, __LINE__, "the path is one that a backend has to know");
}

static void set(struct value *value, const char *text)
{
	*value = (struct value){.size = (uint16_t)strlen(text)};
	memcpy(value->text, text, value->size);
}

static bool is(const struct value *value, const char *text)
{
	return value->error == 0 && value->size == strlen(text) &&
	       memcmp(value->text, text, value->size) == 0;
}

static void vanish(struct value *value)
{
	*value = (struct value){.error = -ENOENT};
}

/* A toolstack that makes a device anew leaves nothing there of what a backend wrote. */
static void claim_nothing(void)
{
	for (enum node node = 0; node < NODES; node++) {
		if (is_ours_alone(node))
			vanish(&w.now.node[node]);
	}
	w.elsewhere = false;
}

/* What anybody but the backend does: whole changes of a device, and values of any sort. */
static void others_write(const struct interference *i)
{
	static const char *const values[] = {
		"1",  "2",	    "3",	  "4",		 "5",	 "6",  "0",
		"",   "4294967295", "4294967296", "99999999999", "-1",	 "+3", " 3",
		"3 ", "0x3",	    "03",	  "3\n",	 "none", "8",  "9",
	};
	enum node node = (enum node)(i->node % OTHERS_NODES);
	struct value *value = &w.now.node[node];

	if (is_ours_alone(node))
		return;
	if (i->node >= 0xf8) {
		/* The directory is removed, or the frontend's, or the device made anew. */
		for (node = 0; node < NODES; node++) {
			if ((i->node < 0xfb) == in_own_dir(node))
				vanish(&w.now.node[node]);
		}
		w.elsewhere &= i->node >= 0xfb;
		return;
	}
	/* Another backend claims the device, as QEMU does. */
	if (node == OWN_STATE && i->value >= 0xe0 && i->value < 0xf0) {
		if (is(value, "1")) {
			set(&w.now.node[OWN_VERSIONS], "1");
			set(value, i->value % 2 == 0 ? "2" : "4");
			w.elsewhere = true;
			w.conflicts |= w.in_txn;
		}
		return;
	}
	if (i->value >= 0xf8)
		*value = (struct value){.error = i->value < 0xfc ? -EACCES : -ENOENT};
	else if (i->value >= 0xf0)
		*value = (struct value){.size = 3, .text = "3"};
	else
		set(value, values[i->value % countof(values)]);
	/* A toolstack writes 1, 5 and 6, however confused; over another backend's state no
	 * nonsense. */
	if (node == OWN_STATE && value->error == 0 &&
	    (w.elsewhere ? !is(value, "1") && !is(value, "6")
			 : is(value, "03") || is(value, "0") || is(value, "2") || is(value, "3") ||
				   is(value, "4")))
		set(value, "5");
	if (node == OWN_STATE && is(value, "1"))
		claim_nothing();
}

static void make_device(void)
{
	for (enum node node = 0; node < NODES; node++)
		set(&w.now.node[node], "9");
	claim_nothing();
	set(&w.now.node[OWN_STATE], "1");
	set(&w.now.node[OWN_ONLINE], "1");
	set(&w.now.node[OWN_FRONTEND_ID], "7");
	set(&w.now.node[OWN_MODEL], "none");
	for (enum node node = OWN_MAX_SPACE; node <= OWN_AUTO_DELETE; node++)
		set(&w.now.node[node], "0");
	set(&w.now.node[FRONT_STATE], "1");
	set(&w.now.node[FRONT_VERSION], "1");
	set(&w.now.node[FRONT_RINGS], "2");
	w.now.node[OWN_FRONTEND].size = 0; /* stands for FRONT, which is too long for a value */
}

static void interfere(void)
{
	for (unsigned i = 0; i < INTERFERENCES; i++) {
		if (w.others[i].when == w.accesses && w.others[i].when < UINT8_MAX)
			others_write(&w.others[i]);
	}
	w.accesses++;
}

/* Nothing may follow for the share. */
static bool is_lost(void)
{
	return w.loses && w.accesses > w.lost_after;
}

static struct tree *tree(store_txn txn)
{
	FUZZ_CHECK((txn != 0) == w.in_txn);
	return txn != 0 ? &w.txn : &w.now;
}

static ssize_t store_table_read(struct store *store, store_txn txn, const char *path, char *buf,
				size_t size)
{
	enum node node = node_of(path);
	struct value value;

	(void)store;
	interfere();
	if (is_lost())
		return -ENOTCONN;
	value = w.told[node] = tree(txn)->node[node];
	if (value.error < 0)
		return value.error;
	if (node == OWN_FRONTEND && value.size == 0)
		return snprintf(buf, size, "%s", FRONT);
	if (memchr(value.text, '\0', value.size) != NULL)
		return -EINVAL;
	if (value.size >= size)
		return -EMSGSIZE;
	memcpy(buf, value.text, value.size);
	buf[value.size] = '\0';
	return value.size;
}

/* What may follow on what. */
static void check_state(const struct value *old, const char *state)
{
	switch (state[0]) {
	case '2':
		FUZZ_CHECK(!is(old, "2"));
		FUZZ_CHECK(w.share == SHARE_NONE);
		break;
	case '4':
		FUZZ_CHECK(is(old, "2"));
		FUZZ_CHECK(w.share == SHARE_SERVING);
		break;
	case '5':
	case '6':
		FUZZ_CHECK(w.share == SHARE_NONE);
		FUZZ_CHECK(!is(old, "6"));
		break;
	default:
		fuzz_fail(__FILE__, __LINE__, "a backend writes 2, 4, 5 and 6");
	}
	FUZZ_CHECK(state[1] == '\0');
}

/* In transactions only, into what is there. */
static int store_table_write(struct store *store, store_txn txn, const char *path, const char *text)
{
	enum node node = node_of(path);

	(void)store;
	interfere();
	FUZZ_CHECK(txn != 0 && w.in_txn);
	if (is_lost())
		return -ENOTCONN;
	FUZZ_CHECK(node == OWN_STATE || is_ours_alone(node));
	FUZZ_CHECK(w.txn.node[OWN_STATE].error == 0);
	log_debug("%s: %.*s becomes %s", path, w.txn.node[node].size, w.txn.node[node].text, text);
	if (node == OWN_STATE)
		check_state(&w.txn.node[node], text);
	set(&w.txn.node[node], text);
	return 0;
}

/* The own directory, of a device that is closed and was taken away. */
static int store_table_remove(struct store *store, store_txn txn, const char *path)
{
	(void)store;
	FUZZ_CHECK(strcmp(path, DIR) == 0 && txn != 0);
	FUZZ_CHECK(is(&w.txn.node[OWN_STATE], "6") && w.share == SHARE_NONE);
	for (enum node node = 0; node < NODES; node++) {
		if (in_own_dir(node))
			vanish(&w.txn.node[node]);
	}
	return 0;
}

static int store_table_begin(struct store *store, store_txn *txn)
{
	(void)store;
	FUZZ_CHECK(!w.in_txn);
	if (is_lost())
		return -ENOTCONN;
	w.in_txn = true;
	w.txn = w.now;
	*txn = 1;
	return 0;
}

/* Somebody else was faster when anything has changed, and now and then all the same. */
static int store_table_end(struct store *store, store_txn txn, int commit)
{
	bool faster = w.conflicts;

	(void)store, (void)txn;
	FUZZ_CHECK(w.in_txn);
	w.in_txn = false;
	w.conflicts = false;
	if (is_lost())
		return -ENOTCONN;
	if (!commit)
		return 0;
	if (faster)
		return -EAGAIN;
	FUZZ_CHECK(!w.elsewhere);
	for (enum node node = 0; node < NODES; node++) {
		if (in_own_dir(node))
			w.now.node[node] = w.txn.node[node];
	}
	return 0;
}

/* A directory of the guest's is never listed, and ours need not be. */
static int store_table_list(struct store *store, store_txn txn, const char *path, char ***names,
			    unsigned *count)
{
	(void)store, (void)txn, (void)path, (void)names, (void)count;
	fuzz_fail(__FILE__, __LINE__, "a backend lists no directory");
}

static int store_table_watch(struct store *store, const char *path, const char *token)
{
	(void)store;
	FUZZ_CHECK(strcmp(path, FRONT "/state") == 0 && strcmp(token, DIR) == 0);
	FUZZ_CHECK(!w.watched);
	w.watched = !w.watches_fail && !is_lost();
	return w.watched ? 0 : -ENOSPC;
}

static int store_table_unwatch(struct store *store, const char *path, const char *token)
{
	(void)store;
	FUZZ_CHECK(strcmp(path, FRONT "/state") == 0 && strcmp(token, DIR) == 0);
	FUZZ_CHECK(w.watched);
	w.watched = false;
	return 0;
}

static const struct store_ops table_ops = {
	.read = store_table_read,
	.write = store_table_write,
	.remove = store_table_remove,
	.list = store_table_list,
	.begin = store_table_begin,
	.end = store_table_end,
	.watch = store_table_watch,
	.unwatch = store_table_unwatch,
};

/* ---- the share: process.h, state_dir.h and policy.h as backend.c has them ---- */

void process_init(struct process *p, const struct state_dir *dir, const struct launch *launch,
		  const struct pace *pace, const char *kind, uint32_t domid, uint32_t devid)
{
	*p = (struct process){
		.dir = dir,
		.launch = launch,
		.pace = pace,
		.domid = domid,
		.devid = devid,
		.opening = -1,
		.root = -1,
	};
	state_dir_name(p->name, kind, domid, devid);
}

void process_release(struct process *p)
{
	(void)p;
}

void process_say(struct process *p, enum log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	(void)p, (void)level;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_debug("%s", text);
}

/* What a number in the store means, if it is one. */
static bool reference_number(const struct value *value, uint32_t *number)
{
	uint64_t sum = 0;

	if (value->error < 0 || value->size < 1 || value->size > 10)
		return false;
	for (unsigned i = 0; i < value->size; i++) {
		if (value->text[i] < '0' || value->text[i] > '9')
			return false;
		sum = sum * 10 + (uint64_t)(value->text[i] - '0');
	}
	*number = (uint32_t)sum;
	return sum <= UINT32_MAX;
}

/* All of it is what the guest has said, and may be said. */
static void check_start(const struct control_start *start)
{
	uint32_t number = 0;

	FUZZ_CHECK(start->domid == 7 && start->devid == 0);
	FUZZ_CHECK(is(&w.told[FRONT_VERSION], "1") && is(&w.told[OWN_MODEL], "none"));
	FUZZ_CHECK(reference_number(&w.told[FRONT_RINGS], &number) && number == start->rings);
	FUZZ_CHECK(number >= 1 && number <= CONTROL_RINGS_MAX);
	for (unsigned i = 0; i < start->rings; i++) {
		FUZZ_CHECK(reference_number(&w.told[FRONT_REF + i], &number));
		FUZZ_CHECK(number == start->ref[i] && number != 0);
		FUZZ_CHECK(reference_number(&w.told[FRONT_PORT + i], &number));
		FUZZ_CHECK(number == start->port[i] && number != 0);
	}
}

int process_open(struct process *p, const char *path)
{
	if (strcmp(path, "9") == 0)
		return 0;
	snprintf(p->open_text, sizeof(p->open_text), "not this one");
	return -EACCES;
}

void process_close_export(struct process *p)
{
	(void)p;
}

int process_start(struct process *p, enum control_how how, const struct control_start *start,
		  const char *path)
{
	FUZZ_CHECK(w.share == SHARE_NONE || w.share == SHARE_LOST);
	FUZZ_CHECK((how == CONTROL_RESTORE) == (w.share == SHARE_LOST));
	check_start(start);
	if (w.fails || process_open(p, path) < 0) {
		w.fails = false;
		w.share = SHARE_NONE;
		return -ENOMEM;
	}
	w.share = SHARE_STARTING;
	p->start = *start;
	p->state = PROCESS_STARTING;
	return 0;
}

enum control_how process_how_again(const struct process *p)
{
	(void)p;
	return CONTROL_RESTORE;
}

bool process_lost_too_often(struct process *p, int64_t now_ms)
{
	(void)p;
	return now_ms % 4 == 3;
}

void process_abandon(struct process *p)
{
	FUZZ_CHECK(!is_lost());
	p->state = PROCESS_NONE;
	w.share = SHARE_NONE;
}

enum process_news process_adopt(struct process *p, const struct control_start *start,
				bool announced, bool keep, int64_t now_ms)
{
	(void)announced;
	FUZZ_CHECK(!is_lost());
	p->start = *start;
	switch (w.share) {
	case SHARE_NONE:
		return PROCESS_HAS_ENDED;
	case SHARE_LOST:
		if (keep)
			return PROCESS_IS_LOST;
		w.share = SHARE_NONE;
		return PROCESS_HAS_ENDED;
	case SHARE_STARTING:
	case SHARE_SERVING:
	case SHARE_STOPPING:
		p->state = w.share == SHARE_SERVING ? PROCESS_SERVING : PROCESS_STARTING;
		if (!keep)
			process_stop(p, now_ms);
		break;
	}
	return PROCESS_NO_NEWS;
}

void process_hold(struct process *p)
{
	(void)p;
}

bool process_is_held(const struct process *p)
{
	(void)p;
	return true;
}

void process_stop(struct process *p, int64_t now_ms)
{
	(void)now_ms;
	FUZZ_CHECK(!is_lost());
	FUZZ_CHECK(w.share != SHARE_NONE && w.share != SHARE_LOST);
	w.share = SHARE_STOPPING;
	p->state = PROCESS_STOPPING;
}

enum process_news process_poll(struct process *p, const struct pollfd fds[PROCESS_FDS],
			       int64_t now_ms)
{
	(void)fds, (void)now_ms;
	if (w.news == PROCESS_IS_LOST || w.news == PROCESS_HAS_ENDED)
		p->state = PROCESS_NONE;
	else if (w.news == PROCESS_IS_READY)
		p->state = PROCESS_SERVING;
	return w.news;
}

int64_t process_deadline(const struct process *p)
{
	(void)p;
	return 0;
}

enum process_news process_timeout(struct process *p, int64_t now_ms)
{
	(void)p, (void)now_ms;
	return PROCESS_NO_NEWS;
}

const char *process_state_name(const struct process *p)
{
	(void)p;
	return "";
}

void state_dir_name(char name[STATE_NAME_MAX], const char *kind, uint32_t domid, uint32_t devid)
{
	snprintf(name, STATE_NAME_MAX, "%s-%u-%u", kind, domid, devid);
}

void state_dir_set_detached(const struct state_dir *dir, const char *name, bool detached)
{
	(void)dir, (void)name;
	w.detached = detached;
}

bool state_dir_is_detached(const struct state_dir *dir, const char *name)
{
	(void)dir, (void)name;
	return w.detached;
}

int policy_export(const struct config *config, const struct policy_device *device,
		  struct fs_export *export, const struct config_share **share, char *err,
		  size_t errlen)
{
	(void)config, (void)err, (void)errlen;
	*export = (struct fs_export){.model = device->model};
	*share = NULL;
	return 0;
}

/* ---- what happens ---- */

static void share_says(enum process_news news)
{
	static const struct pollfd fds[PROCESS_FDS];

	w.news = news;
	backend_poll(w.backend, fds, w.ms);
}

static void end_share(void)
{
	if (w.share == SHARE_NONE || w.share == SHARE_LOST)
		return;
	w.share = SHARE_NONE;
	share_says(PROCESS_HAS_ENDED);
}

static void tick(void)
{
	int64_t deadline = backend_deadline(w.backend);

	if (deadline > w.ms)
		w.ms = deadline;
	backend_timeout(w.backend, w.ms);
}

static void begin_backend(void)
{
	w.backend = backend_create(&w.env, "xen_9pfs", 7, 0, w.ms);
	FUZZ_CHECK(w.backend != NULL);
}

/* In the middle of a round, its last; and perhaps again, when the next one begins. */
static void lose_store(uint8_t number)
{
	w.loses = true;
	w.lost_after = number % 16;
	if ((number & 0x20) != 0 && w.share == SHARE_SERVING) {
		w.share = SHARE_LOST;
		share_says(PROCESS_IS_LOST);
	}
	backend_update(w.backend, w.ms);
	backend_destroy(w.backend);
	if ((number & 0x40) != 0) {
		w.accesses = 0;
		begin_backend();
		backend_destroy(w.backend);
	}
	w.loses = false;
	begin_backend();
}

static void happen(enum event event, uint8_t number)
{
	static const char *const names[EVENTS] = {
		"update",  "front changed", "share ready", "share ended", "share lost",
		"timeout", "detach",	    "restart",	   "store lost",
	};

	log_debug("%s %u", names[event], number);
	switch (event) {
	case EVENT_FRONT_CHANGED:
		for (unsigned i = 0; i < number && w.watched; i++)
			backend_front_changed(w.backend, w.ms);
		backend_update(w.backend, w.ms);
		break;
	case EVENT_UPDATE:
		backend_update(w.backend, w.ms);
		break;
	case EVENT_SHARE_READY:
		if (w.share != SHARE_STARTING)
			break;
		w.share = SHARE_SERVING;
		share_says(PROCESS_IS_READY);
		break;
	case EVENT_SHARE_ENDED:
		end_share();
		break;
	case EVENT_SHARE_LOST:
		if (w.share != SHARE_SERVING)
			break;
		w.share = SHARE_LOST;
		share_says(PROCESS_IS_LOST);
		break;
	case EVENT_TIMEOUT:
		w.ms += number;
		tick();
		break;
	case EVENT_DETACH:
		w.fails = number & 1;
		w.conflicts = number & 2;
		w.watches_fail = number & 8;
		if (number & 4)
			backend_detach(w.backend);
		break;
	case EVENT_RESTART:
		backend_destroy(w.backend);
		begin_backend();
		break;
	case EVENT_STORE_LOST:
		lose_store(number);
		break;
	case EVENTS:
		break;
	}
}

/* The device is history: the next one of its name is a new one. */
static void renew(void)
{
	FUZZ_CHECK(w.share == SHARE_NONE);
	backend_destroy(w.backend);
	make_device();
	begin_backend();
}

static void do_record(struct fuzz_input *in)
{
	enum event event = (enum event)(fuzz_u8(in) % EVENTS);
	uint8_t number = fuzz_u8(in), early = fuzz_u8(in) % (INTERFERENCES + 1);

	fuzz_bytes(in, w.others, sizeof(w.others));
	/* Some have been there before anything is looked at. */
	for (unsigned i = 0; i < early; i++) {
		others_write(&w.others[i]);
		w.others[i].when = UINT8_MAX;
	}
	w.accesses = 0;
	happen(event, number);
	FUZZ_CHECK(!w.in_txn);
	if (w.backend->over)
		renew();
}

/* Nobody writes any more: what was taken away comes to its end. */
static void come_to_rest(void)
{
	w.accesses = ~0u / 2;
	for (unsigned i = 0; i < 20 && !w.backend->over; i++) {
		backend_update(w.backend, w.ms);
		if (w.share == SHARE_STOPPING)
			end_share();
		tick();
		w.ms += 5000;
	}
}

static void take_away(void)
{
	set(&w.now.node[OWN_ONLINE], "0");
	if (w.now.node[OWN_STATE].error == 0 && !is(&w.now.node[OWN_STATE], "6"))
		set(&w.now.node[OWN_STATE], "5");
	come_to_rest();
	FUZZ_CHECK(w.share == SHARE_NONE);
	/* Closed is closed, whatever is written over it. What is another backend's, he closes. */
	FUZZ_CHECK(w.backend->over || w.backend->state == HANDSHAKE_CLOSED || w.elsewhere ||
		   w.now.node[OWN_STATE].error < 0);
	for (enum node node = 0; node < NODES; node++)
		vanish(&w.now.node[node]);
	come_to_rest();
	FUZZ_CHECK(w.backend->over);
}

void fuzz_backend(const uint8_t *data, size_t size)
{
	static struct config config = {.bus = (char *)(uintptr_t) "sim:/nowhere",
				       .terms.pace = PACE_DEFAULT};
	unsigned fds = fuzz_count_fds();

	memset(&w, 0, sizeof(w));
	w.store = (struct store){.ops = &table_ops, .domid = size % 2 == 0 ? 0 : 3, .fd = -1};
	w.env = (struct backend_env){.config = &config, .store = &w.store};
	w.ms = 1000;
	make_device();
	begin_backend();
	for (size_t at = 0; at < size; at += RECORD) {
		struct fuzz_input in = {data + at, size - at < RECORD ? size - at : RECORD};

		do_record(&in);
	}
	take_away();
	backend_destroy(w.backend);
	FUZZ_CHECK(!w.watched);
	FUZZ_CHECK(fuzz_count_fds() == fds);
}
