/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_world.c - see fuzz_world.h. A lane keeps its replies until it is told to send one, in their
 * order, as a ring does.
 */
#include "tests/fuzz/fuzz_world.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"
#include "fs/mem.h"
#include "proto/ops.h"
#include "tests/fuzz/fuzz_request.h"
#include "xen9pfsd/sweep.h"

/* ---- the export, and what lies beside it ---- */

static char base[256], export[300], canary[300], secret[320];
static struct stat canary_before, secret_before;
static bool small_files; /* smaller there than they may be in memory */

/* A guest never writes this, so it cannot read it. */
static const char secret_text[] = "this is not the guest's";

static void export_begin(void)
{
	const char *parent = getenv("TMPDIR");
	int fd;

	if (base[0] != '\0')
		return;
	snprintf(base, sizeof(base), "%s/fuzz.XXXXXX", parent != NULL ? parent : "/tmp");
	FUZZ_CHECK(mkdtemp(base) != NULL);
	snprintf(export, sizeof(export), "%s/export", base);
	snprintf(canary, sizeof(canary), "%s/canary", base);
	snprintf(secret, sizeof(secret), "%s/canary/secret", base);
	FUZZ_CHECK(mkdir(export, 0755) == 0 && mkdir(canary, 0755) == 0);
	fd = open(secret, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	FUZZ_CHECK(write(fd, secret_text, sizeof(secret_text)) == sizeof(secret_text));
	close(fd);
	small_files = truncate(secret, INT64_MAX) != 0 && errno == EFBIG;
	FUZZ_CHECK(truncate(secret, sizeof(secret_text)) == 0);
	FUZZ_CHECK(stat(canary, &canary_before) == 0 && stat(secret, &secret_before) == 0);
	fuzz_request_target(secret);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	remove(path);
	return 0;
}

/* The root, too: it may have another owner and attributes. */
void fuzz_export_reset(void)
{
	export_begin();
	nftw(export, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	FUZZ_CHECK(mkdir(export, 0755) == 0);
}

static void check_same(const char *path, const struct stat *before)
{
	struct stat now;

	FUZZ_CHECK(lstat(path, &now) == 0 && now.st_ino == before->st_ino &&
		   now.st_mode == before->st_mode && now.st_nlink == before->st_nlink &&
		   now.st_size == before->st_size && now.st_ctim.tv_sec == before->st_ctim.tv_sec &&
		   now.st_ctim.tv_nsec == before->st_ctim.tv_nsec);
}

/* A ctime changes with everything but a read. */
void fuzz_export_check(void)
{
	struct stat st;

	check_same(canary, &canary_before);
	check_same(secret, &secret_before);
	FUZZ_CHECK(stat(base, &st) == 0 && st.st_nlink == 4);
}

/* ---- what the client is told ---- */

__attribute__((format(printf, 2, 3))) static void tell(struct fuzz_world *w, const char *format,
						       ...)
{
	size_t left = sizeof(w->told) - w->told_size;
	va_list args;
	int size;

	if (w->mute)
		return;
	va_start(args, format);
	size = vsnprintf(w->told + w->told_size, left, format, args);
	va_end(args);
	if (size > 0)
		w->told_size += (size_t)size < left ? (size_t)size : left - 1;
}

/* Numbers of objects are the driver's own: they are told in the order in which they are seen. */
static void tell_qid(struct fuzz_world *w, const struct p9_qid *qid)
{
	unsigned i = 0;

	if (w->local)
		FUZZ_CHECK(qid->path != canary_before.st_ino && qid->path != secret_before.st_ino);
	while (i < w->paths && w->path[i] != qid->path)
		i++;
	if (i == w->paths && w->paths < countof(w->path))
		w->path[w->paths++] = qid->path;
	tell(w, " %u(%u)", i, qid->type);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Also of a listing that is not whole the entries have to be entries. */
static void tell_listing(struct fuzz_world *w, const struct p9_data *data, bool whole)
{
	char *list[512];
	_cleanup_free_ char *bytes = fuzz_exact(data->bytes, data->len);
	size_t count = 0, used = 0;

	while (used < data->len && count < countof(list)) {
		struct p9_dirent entry;
		int got = p9_dirent_get(&entry, bytes + used, data->len - used);

		FUZZ_CHECK(got > 0 && entry.offset != 0 && entry.name.len > 0);
		list[count++] = (char *)(uintptr_t)entry.name.text;
		used += (size_t)got;
	}
	qsort(list, count, sizeof(list[0]), by_name);
	for (size_t i = 0; whole && i < count; i++)
		tell(w, " %s", list[i]);
}

/* The order of an attribute list is the driver's own, too: bytes are only summed up. */
static void tell_data(struct fuzz_world *w, const struct p9_data *data)
{
	const uint8_t *bytes = data->bytes;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < data->len; i++)
		sum += bytes[i];
	FUZZ_CHECK(data->len < sizeof(secret_text) ||
		   memmem(bytes, data->len, secret_text, sizeof(secret_text)) == NULL);
	tell(w, " %u %llu", data->len, (unsigned long long)sum);
}

static void tell_attr(struct fuzz_world *w, const struct p9_Rgetattr *r)
{
	tell_qid(w, &r->qid);
	tell(w, " %o %u %u %llu", r->mode, r->uid, r->gid, (unsigned long long)r->rdev);
	if (!S_ISDIR(r->mode))
		tell(w, " %llu %llu", (unsigned long long)r->nlink, (unsigned long long)r->size);
}

/* What lies behind an offset is the driver's own: nothing, or an entry that does not fit. */
static bool nothing_listed(const struct p9_msg *r, const struct fuzz_expected *expected)
{
	return expected->type == P9_Treaddir && expected->oldtag == 0 && r->type == P9_Rlerror &&
	       r->Rlerror.ecode == EINVAL;
}

static void tell_reply(struct fuzz_world *w, const struct p9_msg *r,
		       const struct fuzz_expected *expected)
{
	if (nothing_listed(r, expected)) {
		tell(w, "%s tag %u\n", p9_name(P9_Rreaddir), r->tag);
		return;
	}
	tell(w, "%s tag %u", p9_name(r->type), r->tag);
	switch (r->type) {
	case P9_Rlerror:
		FUZZ_CHECK(r->Rlerror.ecode > 0 && r->Rlerror.ecode <= P9_ERRNO_MAX);
		tell(w, " to %s: %s", p9_name(expected->type),
		     strerrorname_np((int)r->Rlerror.ecode));
		break;
	case P9_Rversion:
		tell(w, " %u %s", r->Rversion.msize, r->Rversion.version.text);
		break;
	case P9_Rattach:
		tell_qid(w, &r->Rattach.qid);
		break;
	case P9_Rwalk:
		for (unsigned i = 0; i < r->Rwalk.qids.count; i++)
			tell_qid(w, &r->Rwalk.qids.qid[i]);
		break;
	case P9_Rlopen:
		tell_qid(w, &r->Rlopen.qid);
		break;
	case P9_Rlcreate:
		tell_qid(w, &r->Rlcreate.qid);
		break;
	case P9_Rmkdir:
	case P9_Rsymlink:
	case P9_Rmknod:
		tell_qid(w, &r->Rmkdir.qid);
		break;
	case P9_Rread:
		tell_data(w, &r->Rread.data);
		break;
	case P9_Rwrite:
		tell(w, " %u", r->Rwrite.count);
		break;
	case P9_Rreaddir:
		tell_listing(w, &r->Rreaddir.data, expected->oldtag != 0);
		break;
	case P9_Rgetattr:
		tell_attr(w, &r->Rgetattr);
		break;
	case P9_Rreadlink:
		tell(w, " %s", r->Rreadlink.target.text);
		break;
	case P9_Rxattrwalk:
		tell(w, " %llu", (unsigned long long)r->Rxattrwalk.size);
		break;
	case P9_Rlock:
		tell(w, " %u", r->Rlock.status);
		break;
	case P9_Rgetlock:
		/* Of several in the way it is the driver's own which is told. */
		tell(w, " %s", r->Rgetlock.type == P9_LOCK_UNLCK ? "nothing" : "something");
		break;
	default:
		break;
	}
	tell(w, "\n");
}

/* ---- what the client may be told ---- */

static struct fuzz_expected *expected(struct fuzz_world *w, uint16_t tag)
{
	size_t i = 0;

	while (i < w->tags && w->expected[i].tag != tag)
		i++;
	if (i == w->tags) {
		FUZZ_CHECK(w->tags < countof(w->expected));
		w->expected[w->tags++] = (struct fuzz_expected){.tag = tag};
	}
	return &w->expected[i];
}

/* What was asked before a Tversion may have been answered before it, in another lane. */
static void reset(struct fuzz_world *w, const struct fuzz_expected *version)
{
	for (size_t i = 0; i < w->tags; i++) {
		struct fuzz_expected *old = &w->expected[i];

		if (old->reply == FUZZ_REPLY && old->seq < version->seq)
			old->reply = FUZZ_PERHAPS;
	}
}

/* No reply to what it was about may follow an Rflush, unless that cannot be flushed. */
static void flushed(struct fuzz_world *w, const struct fuzz_expected *flush)
{
	struct fuzz_expected *old = expected(w, flush->oldtag);

	if (old->reply == FUZZ_NOTHING || old->seq >= flush->seq)
		return;
	if (old->type == P9_Tversion)
		reset(w, old);
	old->reply =
		old->type == P9_Tflush || old->type == P9_Tversion ? FUZZ_PERHAPS : FUZZ_NOTHING;
}

static void give_up(struct fuzz_world *w, const struct fuzz_expected *e)
{
	struct fuzz_expected *old = expected(w, e->oldtag);

	if (e->reply != FUZZ_NOTHING && e->type == P9_Tversion)
		reset(w, e);
	if (e->reply == FUZZ_REPLY && e->type == P9_Tflush && old->reply == FUZZ_REPLY &&
	    old->seq < e->seq)
		old->reply = FUZZ_PERHAPS;
}

static void expect(struct fuzz_world *w, const uint8_t *bytes, uint32_t size)
{
	uint16_t tag = (uint16_t)(bytes[5] | bytes[6] << 8);
	struct fuzz_expected *e = expected(w, tag);

	/* Of two with one tag the first has been given up, though not what it brought about. */
	give_up(w, e);
	*e = (struct fuzz_expected){
		.reply = FUZZ_REPLY, .tag = tag, .type = bytes[4], .seq = ++w->seq};
	if (bytes[4] == P9_Tflush && size >= 9)
		e->oldtag = (uint16_t)(bytes[7] | bytes[8] << 8);
	/* From the front, and with room for all that there is. */
	if (bytes[4] == P9_Treaddir && size >= 23)
		e->oldtag = memcmp(bytes + 11, "\0\0\0\0\0\0\0", 8) == 0 &&
			    (bytes[20] >= 0x10 || bytes[22]);
}

static void hear(struct fuzz_world *w, const uint8_t *bytes, uint32_t size)
{
	/* In which dialect is not known: it may have been changed by a request in another lane. */
	_cleanup_free_ uint8_t *copy = fuzz_exact(bytes, size), *plain = fuzz_exact(bytes, size);
	struct fuzz_expected e;
	struct p9_msg r;

	FUZZ_CHECK(size <= FUZZ_MSIZE);
	FUZZ_CHECK(p9_decode(&r, P9_L, copy, size) == 0 ||
		   p9_decode(&r, P9_PLAIN, plain, size) == 0);
	e = *expected(w, r.tag);
	w->mute |= w->session->saved->dialect != P9_L;
	FUZZ_CHECK(e.reply != FUZZ_NOTHING);
	FUZZ_CHECK(r.type == P9_Rlerror || r.type == P9_Rerror ||
		   (r.type == e.type + 1 && p9_name(e.type)[0] == 'T'));
	expected(w, r.tag)->reply = FUZZ_NOTHING;
	if (r.type == P9_Rflush)
		flushed(w, &e);
	else if (r.type == P9_Rversion)
		reset(w, &e);
	tell_reply(w, &r, &e);
}

void fuzz_world_check_answered(const struct fuzz_world *world)
{
	for (size_t i = 0; i < world->tags; i++)
		FUZZ_CHECK(world->expected[i].reply != FUZZ_REPLY);
}

/* ---- executor ---- */

static void run(struct executor *executor, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(executor, struct fuzz_world, executor)->ready, req, link);
}

static void answered(struct executor *executor, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(executor, struct fuzz_world, executor)->answered, req,
			   link);
}

/* Nobody waits here, see fuzz_world_ask(). */
static void wake(struct executor *executor, struct req *req)
{
	(void)executor, (void)req;
}

static struct req *take_from(struct req_queue *queue, unsigned which)
{
	unsigned count = 0;
	struct req *req;

	STAILQ_FOREACH (req, queue, link)
		count++;
	if (count == 0)
		return NULL;
	which %= count;
	STAILQ_FOREACH (req, queue, link) {
		if (which-- == 0)
			break;
	}
	STAILQ_REMOVE(queue, req, req, link);
	return req;
}

/* Here, for nobody may be told: it may have been flushed. */
static void note_size(struct fuzz_world *w, const struct req *req)
{
	w->too_large |= w->local && small_files && req->result == -EFBIG;
}

void fuzz_world_ask(struct fuzz_world *world, unsigned which, bool nowait)
{
	struct req *req = take_from(&world->ready, which);

	if (req == NULL)
		return;
	if (nowait)
		req_prepare_here(req);
	if (nowait && req_ask_here(req)) {
		note_size(world, req);
		session_finish(req);
		return;
	}
	if (!req_ask(req)) {
		req->patience = REQ_ASKS_ONCE; /* who would end a wait for a lock? */
		FUZZ_CHECK(req_ask(req));
	}
	note_size(world, req);
}

void fuzz_world_finish(struct fuzz_world *world, unsigned which)
{
	struct req *req = take_from(&world->answered, which);

	if (req != NULL)
		session_finish(req);
}

/* ---- lanes ---- */

static void lane_send(struct lane *lane, struct req *req)
{
	STAILQ_INSERT_TAIL(&container_of(lane, struct fuzz_lane, lane)->unsent, req, link);
}

static void lane_released(struct lane *lane)
{
	(void)lane;
}

static bool lane_place(struct lane *lane, uint32_t header, uint32_t size, struct iovec place[2])
{
	struct fuzz_lane *l = container_of(lane, struct fuzz_lane, lane);

	FUZZ_CHECK(!l->placing && header + size <= FUZZ_MSIZE);
	if (!STAILQ_EMPTY(&l->unsent))
		return false;
	/* The pieces are elsewhere, so that none can be taken for the other. */
	place[0] = (struct iovec){l->place + size - size / 3, size / 3};
	place[1] = (struct iovec){l->place, size - size / 3};
	l->placing = true;
	return true;
}

static void lane_give_back(struct lane *lane)
{
	struct fuzz_lane *l = container_of(lane, struct fuzz_lane, lane);

	FUZZ_CHECK(l->placing);
	l->placing = false;
}

static void lane_send_placed(struct lane *lane, struct req *req)
{
	struct fuzz_lane *l = container_of(lane, struct fuzz_lane, lane);
	struct fuzz_world *world = container_of(l, struct fuzz_world, lane[lane->number]);
	const struct iovec *place = req->place;
	uint32_t size = req->out_size - P9_READ_HEADER, first = (uint32_t)place[0].iov_len;
	uint8_t bytes[FUZZ_MSIZE];

	lane_give_back(lane);
	FUZZ_CHECK(req->out_size <= FUZZ_MSIZE && size <= first + place[1].iov_len);
	if (first > size)
		first = size;
	memcpy(bytes, req->out, P9_READ_HEADER);
	memcpy(bytes + P9_READ_HEADER, place[0].iov_base, first);
	memcpy(bytes + P9_READ_HEADER + first, place[1].iov_base, size - first);
	session_placed(req, l->put);
	if (!world->deaf)
		hear(world, bytes, req->out_size);
	l->put += req->out_size;
}

static void lane_retake(struct lane *lane, uint32_t at, uint32_t size)
{
	struct fuzz_lane *l = container_of(lane, struct fuzz_lane, lane);

	if (l->taken == at)
		l->taken += size;
}

static bool lane_was_put(struct lane *lane, uint32_t at)
{
	return container_of(lane, struct fuzz_lane, lane)->put != at;
}

void fuzz_world_put(struct fuzz_world *world, unsigned number)
{
	struct fuzz_lane *lane = &world->lane[number % FUZZ_LANES];
	struct req *req = STAILQ_FIRST(&lane->unsent);

	if (req == NULL)
		return;
	STAILQ_REMOVE_HEAD(&lane->unsent, link);
	if (!req_flushed(req)) {
		session_putting(req, lane->put);
		if (!world->deaf)
			hear(world, req->out, req->out_size);
		lane->put += req->out_size;
	}
	session_sent(req);
}

void fuzz_world_send(struct fuzz_world *world, unsigned number, const void *bytes, uint32_t size)
{
	struct fuzz_lane *lane = &world->lane[number % FUZZ_LANES];
	struct req *req;

	if (size < P9_HEADER_SIZE || size > session_max_message(world->session))
		return;
	req = session_request(world->session, &lane->lane, size);
	if (req == NULL)
		return;
	memcpy(req->in, bytes, size);
	expect(world, bytes, size);
	session_taking(req, lane->taken);
	lane->taken += size;
	session_receive(req);
}

static bool busy(const struct fuzz_world *world)
{
	bool unsent = false;

	for (unsigned i = 0; i < FUZZ_LANES; i++)
		unsent = unsent || !STAILQ_EMPTY(&world->lane[i].unsent);
	return unsent || !STAILQ_EMPTY(&world->ready) || !STAILQ_EMPTY(&world->answered);
}

void fuzz_world_settle(struct fuzz_world *world)
{
	while (busy(world)) {
		fuzz_world_ask(world, 0, false);
		fuzz_world_finish(world, 0);
		for (unsigned i = 0; i < FUZZ_LANES; i++)
			fuzz_world_put(world, i);
	}
}

/* ---- beginning and end ---- */

static void open_fs(struct fuzz_world *w)
{
	char text[256];

	if (w->local) {
		_cleanup_close_ int root = open(export, O_PATH | O_DIRECTORY | O_CLOEXEC);

		FUZZ_CHECK(fs_local_create(root, FS_MODEL_NONE, &w->fs, text, sizeof(text)) == 0);
	} else {
		FUZZ_CHECK(fs_mem_create(&w->fs, text, sizeof(text)) == 0);
	}
}

/* Mapped once for each driver: what a sanitizer does at each mapping takes its time. */
static void open_saved(struct fuzz_world *w)
{
	static struct saved *area[2];
	struct saved **saved = &area[w->local];

	if (*saved == NULL)
		*saved = mmap(NULL, sizeof(**saved), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	FUZZ_CHECK(*saved != MAP_FAILED);
	FUZZ_CHECK(madvise(*saved, sizeof(**saved), MADV_REMOVE) == 0);
	w->saved = *saved;
}

static void begin_session(struct fuzz_world *w)
{
	FUZZ_CHECK(session_create(w->fs, &w->config, &w->executor, w->saved, &w->session) == 0);
}

static void begin_queues(struct fuzz_world *w)
{
	STAILQ_INIT(&w->ready);
	STAILQ_INIT(&w->answered);
	for (unsigned i = 0; i < FUZZ_LANES; i++)
		STAILQ_INIT(&w->lane[i].unsent);
}

struct fuzz_world *fuzz_world_open(bool local, bool readonly)
{
	struct fuzz_world *w = calloc(1, sizeof(*w));

	FUZZ_CHECK(w != NULL);
	w->local = local;
	w->config = (struct session_config){
		.msize_max = FUZZ_MSIZE, .durable = true, .readonly = readonly};
	w->executor = (struct executor){.run = run, .answered = answered, .wake = wake};
	for (unsigned i = 0; i < FUZZ_LANES; i++) {
		w->lane[i].lane = (struct lane){
			.send = lane_send,
			.released = lane_released,
			.number = i,
			.retake = lane_retake,
			.place = lane_place,
			.give_back = lane_give_back,
			.send_placed = lane_send_placed,
			.was_put = lane_was_put,
		};
		w->lanes[i] = &w->lane[i].lane;
	}
	begin_queues(w);
	open_fs(w);
	open_saved(w);
	begin_session(w);
	return w;
}

void fuzz_world_without_places(struct fuzz_world *world)
{
	for (unsigned i = 0; i < FUZZ_LANES; i++)
		world->lane[i].lane.place = NULL;
}

static void end_session(struct fuzz_world *w)
{
	w->deaf = true;
	session_close(w->session);
	fuzz_world_settle(w);
	FUZZ_CHECK(session_idle(w->session));
	session_destroy(w->session);
	w->session = NULL;
	w->deaf = false;
}

/* Nothing is pinned or open any more. */
static void check_mem(struct fs *fs)
{
	const struct mem *mem = container_of(fs, struct mem, fs);

	for (size_t i = 0; i < mem->files.size; i++)
		FUZZ_CHECK(mem->files.slots[i] == NULL);
	for (size_t i = 0; i < mem->inodes.size; i++) {
		const struct mem_inode *inode = mem->inodes.slots[i];

		FUZZ_CHECK(inode == NULL || inode->pins == 0);
	}
}

void fuzz_world_reconnect(struct fuzz_world *world)
{
	end_session(world);
	world->tags = 0;
	open_saved(world);
	begin_session(world);
}

void fuzz_world_close(struct fuzz_world *world)
{
	if (world->session != NULL)
		end_session(world);
	if (!world->local)
		check_mem(world->fs);
	fs_destroy(world->fs);
	free(world);
}

/* ---- a killed process ---- */

/* In memory nobody can sweep up what asks have found and nobody has written down. */
static void give_back(struct fs *fs, const struct req_queue *queue)
{
	const struct req *req;

	STAILQ_FOREACH (req, queue, link) {
		fs_forget(fs, req->new_node);
		fs_close(fs, req->new_file);
	}
}

static void told(void *arg, int fd)
{
	(void)arg, (void)fd;
}

#define LEFT_MAX 512 /* more fids, and nodes, than a program makes */

/* In memory there is no table to be swept either: what the dead one had and its successor is not
 * told of. */
static void sweep_mem(struct fuzz_world *w)
{
	struct saved *s = w->saved;
	bool fid[LEFT_MAX] = {false}, node[LEFT_MAX] = {false};

	FUZZ_CHECK(s->fid_used < LEFT_MAX && s->node_used < LEFT_MAX);
	for (uint32_t i = 1; i <= s->fid_used; i++)
		fid[i] = s->fid[i].refs > 0;
	for (uint32_t i = 1; i <= s->node_used; i++)
		node[i] = s->node[i].refs > 0;
	saved_descriptors(s, told, NULL);
	for (uint32_t i = 1; i <= s->fid_used; i++) {
		if (fid[i] && s->fid[i].refs == 0)
			fs_close(w->fs, s->fid[i].saved.file);
	}
	for (uint32_t i = 1; i <= s->node_used; i++) {
		if (node[i] && s->node[i].refs == 0)
			fs_forget(w->fs, s->node[i].saved.fs);
	}
	/* The directory where a request's name was found, if nobody goes on with that. */
	for (uint32_t i = 0; i < SESSION_REQS_MAX; i++) {
		if (s->slot[i].state == SLOT_ASKING && saved_is_over(&s->slot[i]) &&
		    s->slot[i].named)
			fs_forget(w->fs, (struct fs_node){.id = s->name[i].dir, .type = S_IFDIR});
	}
}

/* What it knew is gone; nothing is said to anybody, and nothing closed. */
static void die(struct fuzz_world *w)
{
	uint32_t fids = w->saved->fid_used;

	if (!w->local) {
		give_back(w->fs, &w->ready);
		give_back(w->fs, &w->answered);
		sweep_mem(w);
	}
	w->saved->fid_used = 0;
	session_destroy(w->session);
	w->session = NULL;
	w->saved->fid_used = fids;
	begin_queues(w);
	if (w->local) {
		fs_destroy(w->fs);
		w->fs = NULL;
	}
}

int fuzz_world_succeed(struct fuzz_world *world)
{
	struct sweep sweep = {.keep = NULL};
	int err;

	die(world);
	err = saved_take_up(world->saved, FUZZ_LANES, world->local ? FUZZ_FDS : 0);
	if (err < 0)
		return err;
	if (world->local) {
		saved_descriptors(world->saved, sweep_keep, &sweep);
		err = sweep_close(&sweep, FUZZ_FDS);
		if (err < 0)
			return err;
		open_fs(world);
	}
	err = session_recover(world->fs, &world->config, &world->executor, world->saved,
			      world->lanes, &world->session);
	FUZZ_CHECK(err == 0 || err == -EUCLEAN);
	if (err == 0)
		session_resume(world->session);
	return err;
}
