/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * session.c - the way of a request through the loop: receive, resolve, check; and back: commit,
 * encode, send. Handlers are in ops_*.c; the rules that hold for all of them are here.
 */
#include "proto/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/crash.h"
#include "common/log.h"
#include "common/util.h"
#include "proto/change.h"
#include "proto/name.h"
#include "proto/ops.h"
#include "proto/text.h"

#define TAGS 65536
#define FIRST_MESSAGE_MAX 8192 /* before Tversion only Tversion is of use */
#define TEXT_MIN 512
#define KEPT_BUFFER_MAX 65536	  /* larger buffers do not stay with an unused request, */
#define FAT_BYTES_MAX (16u << 20) /* but for so much in all, enough for 64 KiB in 200 */

/* What the thread is working on, for req_blame(). */
static _Thread_local struct req *req_working;

static void req_flush(struct req *req)
{
	__atomic_store_n(&req->slot->flushed, true, __ATOMIC_RELAXED);
}

/* Nobody waits for it, nor has a predecessor left it half done. */
static bool is_over(const struct req *req)
{
	return req_flushed(req) && saved_is_over(req->slot);
}

/* ---- memory ---- */

static void *map_memory(size_t size, int kind)
{
	void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static void unmap_memory(void *area, size_t size)
{
	if (area != NULL)
		munmap(area, size);
}

/* Mapped, not allocated: a client uses little of it, and memory follows use. */
static int session_map(struct session *s, struct saved *saved)
{
	s->owns_saved = saved == NULL;
	s->saved = s->owns_saved ? map_memory(sizeof(*s->saved), MAP_SHARED) : saved;
	s->req = map_memory(SESSION_REQS_MAX * sizeof(*s->req), MAP_PRIVATE);
	s->by_tag = map_memory(TAGS * sizeof(*s->by_tag), MAP_PRIVATE);
	if (s->saved == NULL || s->req == NULL || s->by_tag == NULL)
		return -ENOMEM;
	return 0;
}

int session_create(struct fs *fs, const struct session_config *config, struct executor *executor,
		   struct saved *saved, struct session **session)
{
	struct session *s = calloc(1, sizeof(*s));
	int err;

	if (s == NULL)
		return -ENOMEM;
	s->fs = fs;
	s->config = *config;
	s->executor = executor;
	TAILQ_INIT(&s->active);
	STAILQ_INIT(&s->free);
	if (s->config.reqs_max == 0 || s->config.reqs_max > SESSION_REQS_MAX)
		s->config.reqs_max = SESSION_REQS_MAX;
	if (s->config.bytes_max == 0 || s->config.bytes_max > SESSION_BYTES_MAX)
		s->config.bytes_max = SESSION_BYTES_MAX;
	err = session_map(s, saved);
	if (err == 0)
		err = fid_table_create(fs, s->saved, &s->fids);
	if (err == 0) {
		fid_table_limit(s->fids, config->evict_at);
		fid_table_budget(s->fids, &config->budget);
	}
	if (err < 0) {
		session_destroy(s);
		return err;
	}
	*session = s;
	return 0;
}

void session_destroy(struct session *session)
{
	if (session == NULL)
		return;
	for (uint32_t i = 0; i < session->reqs_used; i++)
		free(session->req[i].text);
	fid_table_destroy(session->fids);
	unmap_memory(session->by_tag, TAGS * sizeof(*session->by_tag));
	unmap_memory(session->req, SESSION_REQS_MAX * sizeof(*session->req));
	if (session->owns_saved)
		unmap_memory(session->saved, sizeof(*session->saved));
	free(session);
}

bool session_idle(const struct session *session)
{
	return TAILQ_EMPTY(&session->active);
}

uint32_t session_slot_number(const struct req *req)
{
	return (uint32_t)(req->slot - req->session->saved->slot);
}

void session_forget_tag(struct session *session, uint32_t slot)
{
	struct req *req = &session->req[slot];

	if (session->by_tag[req->t.tag] == req)
		session->by_tag[req->t.tag] = NULL;
}

void session_forget_tags(struct session *session, const struct req *keep)
{
	struct req *req;

	TAILQ_FOREACH (req, &session->active, active) {
		if (req == keep || !req_flushed(req))
			continue;
		session_forget_tag(session, session_slot_number(req));
		req_cancel(req);
	}
}

void session_close(struct session *session)
{
	struct req *req;

	TAILQ_FOREACH (req, &session->active, active) {
		if (req->state != REQ_SENDING)
			req_flush(req);
	}
	session_forget_tags(session, NULL);
	fid_remove_all(session->fids);
	session->saved->msize = 0;
}

uint32_t session_max_message(const struct session *session)
{
	return session->saved->msize != 0 ? session->saved->msize : FIRST_MESSAGE_MAX;
}

/* ---- requests ---- */

bool session_full(const struct session *session)
{
	return session->reqs >= session->config.reqs_max ||
	       session->bytes >= session->config.bytes_max;
}

void req_charge(struct req *req, uint32_t size)
{
	req->bytes += size;
	req->session->bytes += size;
}

/* A request of its slot, with nothing in it. */
static void req_init(struct session *session, uint32_t number, struct lane *lane, uint32_t size)
{
	struct req *req = &session->req[number];

	*req = (struct req){
		.session = session,
		.lane = lane,
		.slot = &session->saved->slot[number],
		.in = saved_in(session->saved, number),
		.out = saved_out(session->saved, number),
		.in_size = size,
		.text = req->text,
		.text_room = req->text_room,
		.fat = req->fat,
		.file = FS_NO_FILE,
		.new_node = FS_NO_NODE,
		.new_file = FS_NO_FILE,
		.regained = {FS_NO_NODE, FS_NO_NODE},
	};
	if (session->config.durable)
		req->intent = &req->slot->intent;
	STAILQ_INIT(&req->flushes);
	TAILQ_INSERT_TAIL(&session->active, req, active);
	session->reqs++;
	req_charge(req, size);
}

/* Once: with a client that has many requests in flight it is so all the time. */
static void tell_full(struct session *session)
{
	if (!session->told_full)
		log_info("more requests than max-requests or max-request-space: some wait");
	session->told_full = true;
}

struct req *session_request(struct session *session, struct lane *lane, uint32_t size)
{
	struct req *req = STAILQ_FIRST(&session->free);

	if (session_full(session) || size > P9_MSIZE_MAX) {
		tell_full(session);
		return NULL;
	}
	if (req != NULL)
		STAILQ_REMOVE_HEAD(&session->free, link);
	else
		req = &session->req[session->reqs_used++];
	req_init(session, (uint32_t)(req - session->req), lane, size);
	*req->slot = (struct slot){
		.state = SLOT_FREE,
		.lane = lane->number,
		.order = ++session->order,
		.in_size = size,
	};
	return req;
}

void session_taking(struct req *req, uint32_t at)
{
	req->slot->at = at;
	saved_set(&req->slot->state, SLOT_TAKING);
}

void session_keeping(struct req *req, uint32_t at, const struct iovec kept[2])
{
	req->kept[0] = kept[0];
	req->kept[1] = kept[1];
	req->slot->kept = true;
	session_taking(req, at);
}

static void release_kept(struct req *req)
{
	if (req->kept[0].iov_base == NULL)
		return;
	req->kept[0].iov_base = NULL;
	req->lane->release(req->lane);
}

void req_fetch(struct req *req)
{
	if (req->kept[0].iov_base == NULL || req_flushed(req))
		return;
	req->lane->fetch(req->lane, req->in, req->in_size, req->slot->at);
	CRASH_POINT();
	__atomic_store_n(&req->slot->kept, false, __ATOMIC_RELEASE);
	CRASH_POINT();
	release_kept(req);
}

void session_putting(struct req *req, uint32_t at)
{
	req->slot->at = at;
	saved_set(&req->slot->state, SLOT_PUTTING);
}

void session_placed(struct req *req, uint32_t at)
{
	req->slot->at = at;
	saved_set(&req->slot->state, SLOT_PLACED);
}

/* Drops what the request still holds: references, and whatever commit did not move. */
static void req_release(struct req *req)
{
	struct fid_table *fids = req->session->fids;

	if (req->slot->named)
		name_end(req);
	fs_forget(req->session->fs, req->new_node);
	fs_close(req->session->fs, req->new_file);
	xattr_put_back(fids, req->new_xattr);
	if (req->node != NULL)
		node_let_go(fids, req->node);
	if (req->dnode != NULL)
		node_let_go(fids, req->dnode);
	if (req->fid != NULL)
		fid_unref(fids, req->fid);
	if (req->dfid != NULL)
		fid_unref(fids, req->dfid);
}

/* Large buffers stay with some requests, and cost the others a system call. */
static void req_trim(struct req *req)
{
	struct session *session = req->session;
	ptrdiff_t number = req - session->req;

	if (req->bytes <= KEPT_BUFFER_MAX || req->bytes <= req->fat)
		return;
	session->fat -= req->fat;
	if (session->fat + req->bytes <= FAT_BYTES_MAX) {
		session->fat += req->bytes;
		req->fat = req->bytes;
		return;
	}
	req->fat = 0;
	madvise(session->saved->in[number], SAVED_ROW, MADV_REMOVE);
	madvise(session->saved->out[number], SAVED_ROW, MADV_REMOVE);
	if (req->text_room > KEPT_BUFFER_MAX) {
		free(req->text);
		req->text = NULL;
		req->text_room = 0;
	}
}

/* The request is over: nothing of it will reach the client any more. */
static void req_end(struct req *req)
{
	struct session *session = req->session;
	struct lane *lane = req->lane;

	saved_set(&req->slot->state, SLOT_FREE);
	session_forget_tag(session, session_slot_number(req));
	TAILQ_REMOVE(&session->active, req, active);
	session->reqs--;
	session->bytes -= req->bytes;
	req_trim(req);
	/* The last one's memory is the warmest. */
	STAILQ_INSERT_HEAD(&session->free, req, link);
	lane->released(lane);
}

/* ---- in: receive, resolve, check ---- */

static int resolve_fid(struct req *req, const uint32_t *number, struct fid **fid,
		       struct node **node)
{
	struct fid *found;

	if (number == NULL)
		return 0;
	found = fid_find(req->session->fids, *number);
	if (found == NULL)
		return -EBADF;
	*fid = fid_ref(found);
	*node = node_hold(found->node);
	return 0;
}

/* A hard link's Tcreate has the number of its second fid in a string. */
static struct p9_fids fids_of(struct req *req)
{
	struct p9_fids names = p9_fids(&req->t);

	if (req->t.type == P9_Tcreate && op_create_names(&req->t.Tcreate, &req->linked))
		names.dfid = &req->linked;
	return names;
}

/* Finds what the message names. What is found stays referenced, also when a later step fails. */
static int resolve(struct req *req)
{
	struct p9_fids names = fids_of(req);
	int err = resolve_fid(req, names.fid, &req->fid, &req->node);

	return err < 0 ? err : resolve_fid(req, names.dfid, &req->dfid, &req->dnode);
}

static int judge_fid(const struct req *req, const struct fid *fid, uint8_t allowed)
{
	int err;

	if (fid == NULL)
		return 0;
	err = op_kind_error(fid->saved.kind, allowed);
	/* What a predecessor began was allowed, whatever became of the fid since. */
	if (err < 0 && fs_intent_begun(req->intent))
		err = 0;
	if (err == 0 && (req->op->flags & OP_STALE) == 0 && fid_is_stale(fid))
		return -ESTALE;
	return err;
}

/* May it be asked of these fids, on this share? */
static int judge(struct req *req)
{
	int err = judge_fid(req, req->fid, req->op->fid);

	if (err == 0)
		err = judge_fid(req, req->dfid, req->op->dfid);
	if (err < 0)
		return err;
	if (req->fid != NULL) {
		req->file = req->fid->saved.file;
		req->cred.uid = req->fid->saved.uid;
	}
	if ((req->op->flags & OP_WRITES) != 0 && req->session->config.readonly)
		return -EROFS;
	return 0;
}

/* Does the request need its fid for itself? A walk does that turns the fid it starts from. */
static bool wants_exclusive(const struct req *req, const struct p9_fids *names)
{
	if (req->fid == NULL)
		return false;
	return (req->op->flags & OP_EXCLUSIVE) != 0 ||
	       ((req->op->flags & OP_LISTS) != 0 && req->fid->saved.kind == FID_DIR) ||
	       (names->newfid != NULL && *names->newfid == *names->fid);
}

static void drop_resolved(struct req *req)
{
	struct fid_table *fids = req->session->fids;

	node_let_go(fids, req->node);
	fid_unref(fids, req->fid);
	if (req->dfid != NULL) {
		node_let_go(fids, req->dnode);
		fid_unref(fids, req->dfid);
	}
	req->node = req->dnode = NULL;
	req->fid = req->dfid = NULL;
}

/* Has the ask made. */
static void run(struct req *req)
{
	req->state = REQ_ASKING;
	req->session->waits += req->may_wait;
	if (req->session->paused)
		fs_wait_cancel(&req->wait);
	req->session->executor->run(req->session->executor, req);
}

/* From now on it is this fid and this object, whatever becomes of the number; a successor asks them
 * again. For a request that clunks it is the moment in which the number goes. */
static void hold(struct req *req)
{
	struct fid_table *fids = req->session->fids;
	struct slot *slot = req->slot;

	slot->fid = fid_index(fids, req->fid);
	slot->node = node_index(fids, req->node);
	slot->dfid = fid_index(fids, req->dfid);
	slot->dnode = node_index(fids, req->dnode);
	saved_set(&slot->state, SLOT_ASKING);
	if ((req->op->flags & OP_CLUNKS) != 0 && req->fid != NULL && req->fid->numbered)
		fid_remove(fids, req->fid);
}

/* Check and ask; `err`: there is nothing to be checked any more. True: that was all, req->result is
 * the answer. */
static bool check_and_run(struct req *req, int err)
{
	if (err == 0 && req->op->check != NULL)
		err = req->op->check(req);
	if (err == OP_WAITS)
		return false;
	if (err != 0 || req->op->ask == NULL) {
		req->result = err < 0 ? err : 0;
		return true;
	}
	run(req);
	return false;
}

/* Have its nodes lost their descriptors? (Where nothing is evicted, a hostile predecessor says so:
 * these are stale.) */
static bool must_regain(struct req *req)
{
	if ((req->op->flags & OP_STALE) != 0 || req->session->config.evict_at == 0)
		return false;
	if (node_is_evicted(req->node))
		req->regained[0].id = NODE_EVICTED;
	if (node_is_evicted(req->dnode))
		req->regained[1].id = NODE_EVICTED;
	req->regains = node_is_evicted(req->node) || node_is_evicted(req->dnode);
	return req->regains;
}

static int regain(struct req *req)
{
	const struct node *const nodes[] = {req->node, req->dnode};
	int err = 0;

	for (size_t i = 0; i < countof(nodes) && err == 0; i++) {
		if (req->regained[i].id == NODE_EVICTED)
			err = fs_regain(req->session->fs, &nodes[i]->saved.handle,
					&req->regained[i]);
	}
	return err;
}

/* What follows when the fids are found: `err`, if that failed. True: that was all, req->result is
 * the answer. */
static bool proceed(struct req *req, int err)
{
	if (err == 0) {
		/* A successor takes those that name and ask nothing in the order of arrival: a
		 * Tflush comes after what it flushes. */
		if (req->fid != NULL || req->op->ask != NULL)
			hold(req);
		CRASH_POINT();
		if (must_regain(req)) {
			run(req);
			return false;
		}
		err = judge(req);
	}
	return check_and_run(req, err);
}

/* Resolves, checks and starts the request; parks it when its fid is taken. True: that was all,
 * req->result is the answer. */
static bool start(struct req *req)
{
	struct p9_fids names = fids_of(req);
	int err = resolve(req);

	if (err == 0 && wants_exclusive(req, &names)) {
		struct fid *fid = req->fid;

		if (fid->busy) {
			/* The waiting queue keeps the fid: it is looked up anew when its turn
			 * comes. */
			STAILQ_INSERT_TAIL(&fid->waiting, req, link);
			return false;
		}
		fid->busy = true;
		req->exclusive = true;
	}
	return proceed(req, err);
}

static void read_header(struct req *req)
{
	req->t.type = req->in[4];
	req->t.tag = (uint16_t)(req->in[5] | req->in[6] << 8);
}

/* Two requests with one tag: the client has given the first one up (spec of Linux: a second
 * signal while it waits for Rflush), so its reply must not come any more. A Tflush, and who died
 * with it, is received later than it has come: then it is the first one itself. */
static void claim_tag(struct req *req)
{
	struct req **owner = &req->session->by_tag[req->t.tag];
	struct req *old = *owner;

	if (old == req)
		return;
	if (old != NULL && old->slot->order > req->slot->order) {
		req_flush(req);
		return;
	}
	if (old != NULL) {
		__atomic_store_n(&req->slot->took_tag, true, __ATOMIC_RELAXED);
		req_flush(old);
		req_cancel(old);
	}
	*owner = req;
}

static void trace(const char *arrow, const struct p9_msg *msg)
{
	char text[512];

	if (log_level() < LOG_LEVEL_DEBUG)
		return;
	p9_print(msg, text, sizeof(text));
	log_debug("%s %s", arrow, text);
}

/* Decoding moves strings about: a successor wants to find the message as it came. Data stays where
 * it is. */
static int decode(struct req *req)
{
	bool in_place = req->in[4] == P9_Twrite;

	if (!in_place && req->text_room < req->in_size) {
		free(req->text);
		req->text_room = req->in_size > TEXT_MIN ? req->in_size : TEXT_MIN;
		req->text = malloc(req->text_room);
		if (req->text == NULL) {
			req->text_room = 0;
			return -ENOMEM;
		}
	}
	if (in_place)
		return p9_decode(&req->t, req->dialect, req->in, req->in_size);
	memcpy(req->text, req->in, req->in_size);
	return p9_decode(&req->t, req->dialect, req->text, req->in_size);
}

/* Decodes and finds the handler; what is wrong with the message is an error. */
static int understand(struct req *req)
{
	int err;

	read_header(req);
	req->dialect = req->slot->dialect;
	req->op = op_find(req->t.type, req->dialect);
	if (req->slot->deaths >= REQ_DEATHS_MAX)
		return -EIO;
	err = decode(req);
	trace("<", &req->t);
	if (req->op == NULL)
		return -EOPNOTSUPP;
	if (err < 0)
		return err == -ENOMEM ? err : -EINVAL;
	return 0;
}

void session_receive(struct req *req)
{
	const struct saved *saved = req->session->saved;
	int err;

	req_working = req;
	saved_set(&req->slot->state, SLOT_TAKEN);
	CRASH_POINT();
	req->slot->dialect = (uint8_t)saved->dialect;
	err = understand(req);
	if (err == 0 && saved->msize == 0 && (req->op->flags & OP_UNVERSIONED) == 0)
		err = -EPROTO;
	claim_tag(req);
	req->result = err;
	if (err < 0 || req_flushed(req) || start(req))
		session_finish(req);
	req_working = NULL;
}

/* For whom it asks, the fs is told first. */
static int ask(struct req *req)
{
	int err = fs_act_as(req->session->fs, (struct fs_cred){req->cred.uid, (uint32_t)-1});

	if (err < 0)
		return err;
	if (req_flushed(req)) {
		if (!fs_intent_is_open(req->intent))
			return -EINTR;
		fs_intent_give_up(req->intent);
	}
	return req->op->ask(req);
}

/* False: it has to be made once more. */
static bool make_ask(struct req *req)
{
	int result;

	req_working = req;
	if (req->regains)
		result = regain(req);
	else if (req->undoes)
		result = req->op->undo(req);
	else
		result = ask(req);
	req_working = NULL;
	if (result == -EAGAIN && (req->nowait || req->patience == REQ_WOULD_WAIT)) {
		req->nowait = false;
		return false;
	}
	CRASH_POINT();
	req->result = result;
	return true;
}

bool req_ask(struct req *req)
{
	if (!make_ask(req))
		return false;
	req_reply(req, req->result);
	return true;
}

/* For the data of a file, a place where the reply goes, if there is one. */
static void find_place(struct req *req)
{
	struct lane *lane = req->lane;

	if ((req->op->flags & OP_TRIES) == 0 || req->regains || lane->place == NULL ||
	    req->fid->saved.kind != FID_FILE || !req->file.copies)
		return;
	if (!lane->place(lane, P9_READ_HEADER, req->t.Tread.count, req->place))
		req->place[0].iov_base = NULL;
}

static void give_place_back(struct req *req)
{
	if (req->place[0].iov_base == NULL)
		return;
	req->place[0].iov_base = NULL;
	req->lane->give_back(req->lane);
}

void req_prepare_here(struct req *req)
{
	req->nowait = (req->op->flags & OP_TRIES) != 0;
	find_place(req);
}

bool req_ask_here(struct req *req)
{
	if (make_ask(req))
		return true;
	give_place_back(req);
	return false;
}

void req_reply(struct req *req, int result)
{
	req->result = result;
	req->session->executor->answered(req->session->executor, req);
}

void req_note_handle(struct req *req)
{
	const struct session_config *config = &req->session->config;

	if ((!config->durable && config->evict_at == 0) ||
	    fs_handle(req->session->fs, req->new_node, &req->attr, &req->new_handle) < 0)
		req->new_handle.size = 0;
}

void req_blame(void)
{
	if (req_working != NULL)
		req_working->slot->deaths++;
}

/* ---- out: commit, encode, send ---- */

/* Hands an exclusive fid to the next in its queue. */
static void pass_on(struct req *req)
{
	struct fid *fid = req->fid;
	struct req *next;

	if (!req->exclusive)
		return;
	req->exclusive = false;
	fid->busy = false;
	while (!fid->busy && (next = STAILQ_FIRST(&fid->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&fid->waiting, link);
		drop_resolved(next);
		/* Not finished here: the next one's end would pass on again, as deep as the queue.
		 */
		if (req_flushed(next) || start(next))
			req_reply(next, next->result);
	}
}

/* An error must carry 1..4095, and nothing that asks the client to try again: it would not. */
static uint32_t wire_errno(int result)
{
	if (result < -P9_ERRNO_MAX || result == -EINTR || result == -EAGAIN)
		return EIO;
	return (uint32_t)-result;
}

static void make_error(struct req *req, int result)
{
	uint32_t ecode = wire_errno(result);
	const char *text;

	if (req->dialect == P9_L) {
		req->r.type = P9_Rlerror;
		req->r.Rlerror.ecode = ecode;
		return;
	}
	text = text_of_error(req->dialect, &ecode);
	req->r.type = P9_Rerror;
	req->r.Rerror = (struct p9_Rerror){.ename = p9_str(text), .ecode = ecode};
}

static void encode(struct req *req)
{
	int size = -ENOMEM;

	if (req->result >= 0)
		size = p9_encode(&req->r, req->dialect, req->out, P9_MSIZE_MAX);
	if (size > 0 && (uint32_t)size > session_max_message(req->session))
		size = -EMSGSIZE;
	if (size < 0) {
		make_error(req, req->result < 0 ? req->result : size);
		size = p9_encode(&req->r, req->dialect, req->out, P9_MSIZE_MAX);
	}
	req->out_size = (uint32_t)size;
	req->slot->out_size = req->out_size;
}

/* Each once: a client that is told so tries again and again. */
static void tell_shortage(const struct req *req)
{
	static const struct {
		int err;
		uint8_t type; /* of message; 0: any */
		const char *what;
	} shortages[] = {
		{-EMFILE, 0, "more files are open than limits or descriptors allow: EMFILE"},
		{-ENFILE, 0, "more files are in use than max-fids or the host allow: ENFILE"},
		{-ENOLCK, 0,
		 "more processes hold locks than max-lockers or the host allow: ENOLCK"},
		{-ENOSPC, P9_Txattrcreate, "more attributes are open than max-xattr-space: ENOSPC"},
		{-ENOSPC, P9_Txattrwalk, "more attributes are open than max-xattr-space: ENOSPC"},
	};
	struct session *session = req->session;

	for (size_t i = 0; i < countof(shortages); i++) {
		if (req->result != shortages[i].err || (session->told & 1u << i) != 0 ||
		    (shortages[i].type != 0 && req->t.type != shortages[i].type))
			continue;
		session->told |= 1u << i;
		log_warning("%s", shortages[i].what);
	}
}

/* Does the reply stand where it goes, but for its header? */
static bool is_placed(const struct req *req)
{
	return req->place[0].iov_base != NULL && req->r.type == P9_Rread;
}

/* The handler's part of the change, if the request succeeded, and the reply. 0, or what the handler
 * wants instead (OP_AGAIN, ...). */
static int commit(struct req *req)
{
	int err = 0;

	req->r.type = (uint8_t)(req->t.type + 1);
	req->r.tag = req->t.tag;
	if (req->result >= 0 && req->op->commit != NULL)
		err = req->op->commit(req);
	if (err > 0)
		return err;
	req->result = err < 0 ? err : req->result;
	if (req->result < 0)
		tell_shortage(req);
	encode(req);
	if (req->r.type != req->t.type + 1)
		change_drop(req);
	trace(">", &req->r);
	/* One that is placed changes nothing, and is asked again rather than sent. */
	if (!is_placed(req))
		change_make(req);
	return 0;
}

static void wake(struct req_queue *queue)
{
	struct req *req;

	while ((req = STAILQ_FIRST(queue)) != NULL) {
		STAILQ_REMOVE_HEAD(queue, link);
		if (is_over(req) || check_and_run(req, 0))
			session_finish(req);
	}
}

/* Those that wait for the request's end. */
static void wake_flushes(struct req *req)
{
	struct req_queue flushes = STAILQ_HEAD_INITIALIZER(flushes);

	STAILQ_CONCAT(&flushes, &req->flushes);
	wake(&flushes);
}

static void end_and_wake(struct req *req)
{
	struct req_queue flushes = STAILQ_HEAD_INITIALIZER(flushes);

	STAILQ_CONCAT(&flushes, &req->flushes);
	req_end(req);
	wake(&flushes);
}

/* It has done something that nobody knows of. */
static bool must_undo(const struct req *req)
{
	return req_flushed(req) && !req->undoes && req->state == REQ_ASKING &&
	       req->op->undo != NULL && req->result >= 0;
}

/* Nothing of it is given back. Nor of those that wait for its end. */
void session_leave(struct req *req)
{
	struct req *next;

	while ((next = STAILQ_FIRST(&req->flushes)) != NULL) {
		STAILQ_REMOVE_HEAD(&req->flushes, link);
		session_leave(next);
	}
	TAILQ_REMOVE(&req->session->active, req, active);
	req->session->reqs--;
}

/* Its nodes have descriptors again, or the result tells why not. True: it goes on. */
static bool go_on_regained(struct req *req)
{
	struct fid_table *fids = req->session->fids;

	req->regains = false;
	req->state = REQ_ARRIVED;
	node_regained(fids, req->node, req->regained[0]);
	node_regained(fids, req->dnode, req->regained[1]);
	fid_table_make_room(fids);
	return !is_over(req) && req->result >= 0 && !check_and_run(req, judge(req));
}

void session_finish(struct req *req)
{
	int instead = OP_DROPS;

	if (req->regains && go_on_regained(req))
		return;
	if (req->state == REQ_ASKING)
		req->session->waits -= req->may_wait;
	if (must_undo(req)) {
		req->undoes = true;
		req->patience = REQ_ASKS_ONCE;
		run(req);
		return;
	}
	if (!req_flushed(req))
		instead = commit(req);
	if (instead == OP_AGAIN) {
		wake_flushes(req);
		run(req);
		return;
	}
	if (instead == OP_CHECKS) {
		req->state = REQ_ARRIVED;
		wake_flushes(req);
		if (check_and_run(req, 0))
			session_finish(req);
		return;
	}
	if (instead == OP_LEAVES) {
		session_leave(req);
		return;
	}
	if (instead == 0 && is_placed(req)) {
		req->lane->send_placed(req->lane, req);
		instead = OP_DROPS;
	} else {
		give_place_back(req);
	}
	if (instead == OP_DROPS)
		saved_set(&req->slot->state, SLOT_FREE);
	CRASH_POINT();
	release_kept(req);
	pass_on(req);
	req_release(req);
	if (instead == OP_DROPS) {
		end_and_wake(req);
		return;
	}
	req->state = REQ_SENDING;
	req->lane->send(req->lane, req);
}

void session_sent(struct req *req)
{
	end_and_wake(req);
}

/* ---- waits for other clients ---- */

void req_cancel(struct req *req)
{
	if (req->state != REQ_ASKING || !req->may_wait)
		return;
	fs_wait_cancel(&req->wait);
	req->session->executor->wake(req->session->executor, req);
}

void session_pause(struct session *session)
{
	struct req *req;

	session->paused = true;
	TAILQ_FOREACH (req, &session->active, active)
		req_cancel(req);
}

bool session_end_wait(struct req *req, struct req *old, bool unwanted)
{
	if (old->state != REQ_ASKING || !old->may_wait || old->given_up || req_flushed(old))
		return false;
	old->unwanted |= unwanted;
	session_comes_after(req, old);
	return true;
}

void session_comes_after(struct req *req, struct req *old)
{
	STAILQ_INSERT_TAIL(&old->flushes, req, link);
	req_cancel(old);
}

bool session_end_waits(struct req *req, const struct fid *fid, bool unwanted)
{
	struct req *old;

	if (req->session->waits == 0)
		return false;
	TAILQ_FOREACH (old, &req->session->active, active) {
		if ((fid == NULL || old->fid == fid || old->dfid == fid) &&
		    session_end_wait(req, old, unwanted))
			return true;
	}
	return false;
}

void session_give_up(struct req *req)
{
	req->given_up = true;
	if (req->unwanted) {
		req_flush(req);
		session_forget_tag(req->session, session_slot_number(req));
	}
	wake_flushes(req);
}

/* ---- a predecessor's requests ---- */

/* Takes the references that an asked request held, as they were written down. */
static void take_up_held(struct req *req)
{
	struct session *session = req->session;
	struct saved *saved = session->saved;
	const struct slot *slot = req->slot;

	if (slot->fid != 0) {
		req->fid = fid_ref(&saved->fid[slot->fid]);
		req->node = node_hold(&saved->node[slot->node]);
	}
	if (slot->dfid != 0) {
		req->dfid = fid_ref(&saved->fid[slot->dfid]);
		req->dnode = node_hold(&saved->node[slot->dnode]);
	}
}

/* What the predecessor kept comes into memory before its lane hands back anything. */
static void take_up_kept(struct session *session, uint32_t number, struct lane *lane)
{
	struct slot *slot = &session->saved->slot[number];

	if (!slot->kept || slot->state >= SLOT_SENDING)
		return;
	if (lane->fetch == NULL ||
	    !lane->fetch(lane, saved_in(session->saved, number), slot->in_size, slot->at))
		saved_set(&slot->state, SLOT_FREE);
	__atomic_store_n(&slot->kept, false, __ATOMIC_RELEASE);
}

/* Is there still something to be done for the request? */
static bool take_up_slot(struct session *session, uint32_t number, struct lane *const *lanes)
{
	struct slot *slot = &session->saved->slot[number];
	struct req *req = &session->req[number];
	struct lane *lane;

	if (slot->state == SLOT_FREE)
		return false;
	lane = lanes[slot->lane];
	slot->named = saved_has_name(slot);
	take_up_kept(session, number, lane);
	if (slot->state == SLOT_TAKING) {
		lane->retake(lane, slot->at, slot->in_size);
		saved_set(&slot->state, SLOT_TAKEN);
	}
	if (slot->state == SLOT_PUTTING)
		saved_set(&slot->state, lane->was_put(lane, slot->at) ? SLOT_FREE : SLOT_SENDING);
	if (slot->state == SLOT_PLACED)
		saved_set(&slot->state, lane->was_put(lane, slot->at) ? SLOT_FREE : SLOT_ASKING);
	if (saved_is_over(slot))
		saved_set(&slot->state, SLOT_FREE);
	if (slot->state == SLOT_FREE)
		return false;
	req_init(session, number, lane, slot->in_size);
	if (slot->state == SLOT_ASKING)
		take_up_held(req);
	/* Before any goes on: a Tflush may be further than the request it is about. */
	read_header(req);
	if (!slot->flushed)
		claim_tag(req);
	return true;
}

struct by_order {
	uint64_t order;
	uint32_t slot;
};

static int compare_order(const void *a, const void *b)
{
	const struct by_order *left = a, *right = b;

	return left->order < right->order ? -1 : left->order > right->order;
}

static void take_up_slots(struct session *session, struct lane *const *lanes)
{
	struct by_order list[SESSION_REQS_MAX];
	uint32_t used = SESSION_REQS_MAX;

	/* One in the middle may have none yet: its predecessor died while it began it. */
	while (used > 0 && session->saved->slot[used - 1].order == 0)
		used--;
	for (uint32_t i = 0; i < used; i++)
		list[i] = (struct by_order){session->saved->slot[i].order, i};
	qsort(list, used, sizeof(list[0]), compare_order);
	session->reqs_used = used;
	if (used > 0)
		session->order = list[used - 1].order;
	for (uint32_t i = 0; i < used; i++) {
		struct req *req = &session->req[list[i].slot];

		if (!take_up_slot(session, list[i].slot, lanes))
			STAILQ_INSERT_TAIL(&session->free, req, link);
	}
}

int session_recover(struct fs *fs, const struct session_config *config, struct executor *executor,
		    struct saved *saved, struct lane *const *lanes, struct session **session)
{
	int err = saved->msize > config->msize_max
			  ? -EUCLEAN
			  : session_create(fs, config, executor, saved, session);

	if (err < 0)
		return err;
	take_up_slots(*session, lanes);
	fid_table_settle((*session)->fids);
	return 0;
}

unsigned session_restore(struct session *session)
{
	session->restored = true;
	return fid_table_restore(session->fids);
}

/* An asked request goes on where its fids were found; its check is made again, which changes
 * nothing. */
static void resume_asking(struct req *req)
{
	struct p9_fids names;
	int err = understand(req);

	names = fids_of(req);
	/* Another one's fids, or none: not for a handler to find out. */
	if (err == 0 && ((names.fid == NULL) != (req->fid == NULL) ||
			 (names.dfid == NULL) != (req->dfid == NULL)))
		err = -EIO;
	req->result = err;
	if (err == 0) {
		req->exclusive = wants_exclusive(req, &names);
		if (req->exclusive)
			req->fid->busy = true;
	}
	if (err < 0 || proceed(req, 0))
		session_finish(req);
}

static void resume_sending(struct req *req)
{
	req->out_size = req->slot->out_size;
	req->state = REQ_SENDING;
	req->lane->send(req->lane, req);
}

/* Resuming one may end others: a Tflush whose request it is. */
static void resume(struct session *session, uint32_t state)
{
	struct req *list[SESSION_REQS_MAX], *req;
	unsigned count = 0;

	TAILQ_FOREACH (req, &session->active, active)
		list[count++] = req;
	for (unsigned i = 0; i < count; i++) {
		req = list[i];
		if (req->state != REQ_ARRIVED || req->slot->state != state)
			continue;
		if (state == SLOT_SENDING)
			resume_sending(req);
		else if (state == SLOT_ASKING)
			resume_asking(req);
		else if (req->lane->taken != NULL)
			req->lane->taken(req->lane, req);
		else
			session_receive(req);
	}
}

/* What was asked comes first: of those that need a fid for themselves it has it. */
void session_resume(struct session *session)
{
	if (!session->restored)
		fid_table_adopt(session->fids);
	fid_table_bury(session->fids);
	resume(session, SLOT_SENDING);
	resume(session, SLOT_ASKING);
	resume(session, SLOT_TAKEN);
}
