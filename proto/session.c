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

#include "common/log.h"
#include "proto/ops.h"

#define TAGS 65536
#define FIRST_MESSAGE_MAX 8192 /* before Tversion only Tversion is of use */
#define OUT_MIN 512	       /* every reply but those whose handler reserves room */
#define KEPT_BUFFER_MAX 65536  /* a larger buffer is not kept with an unused request, */
#define KEPT_REQS_MAX 16       /* and not more of those than so many */

int session_create(struct fs *fs, const struct session_config *config, struct executor *executor,
		   struct session **session)
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
	LIST_INIT(&s->lockers);
	err = fid_table_create(fs, &s->fids);
	/* Mapped, not allocated: a client uses few of the tags, and memory follows use. */
	s->by_tag = mmap(NULL, TAGS * sizeof(*s->by_tag), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->by_tag == MAP_FAILED)
		s->by_tag = NULL;
	if (err < 0 || s->by_tag == NULL) {
		session_destroy(s);
		return err < 0 ? err : -ENOMEM;
	}
	*session = s;
	return 0;
}

static void req_destroy(struct req *req)
{
	free(req->in);
	free(req->out);
	free(req);
}

void session_destroy(struct session *session)
{
	struct req *req;

	if (session == NULL)
		return;
	while ((req = STAILQ_FIRST(&session->free)) != NULL) {
		STAILQ_REMOVE_HEAD(&session->free, link);
		req_destroy(req);
	}
	fid_table_destroy(session->fids);
	if (session->by_tag != NULL)
		munmap(session->by_tag, TAGS * sizeof(*session->by_tag));
	free(session);
}

bool session_idle(const struct session *session)
{
	return TAILQ_EMPTY(&session->active);
}

void session_reset(struct session *session, const struct req *keep)
{
	struct req *req;

	TAILQ_FOREACH (req, &session->active, active) {
		if (req == keep || req->state == REQ_SENDING)
			continue;
		req->flushed = true;
		if (session->by_tag[req->t.tag] == req)
			session->by_tag[req->t.tag] = NULL;
	}
	fid_remove_all(session->fids);
}

void session_close(struct session *session)
{
	session_reset(session, NULL);
	session->msize = 0;
}

uint32_t session_max_message(const struct session *session)
{
	return session->msize != 0 ? session->msize : FIRST_MESSAGE_MAX;
}

/* ---- requests ---- */

static int buffer_reserve(uint8_t **buf, uint32_t *room, uint32_t size)
{
	uint8_t *larger;

	if (*room >= size)
		return 0;
	larger = malloc(size);
	if (larger == NULL)
		return -ENOMEM;
	free(*buf);
	*buf = larger;
	*room = size;
	return 0;
}

static void buffer_trim(uint8_t **buf, uint32_t *room)
{
	if (*room <= KEPT_BUFFER_MAX)
		return;
	free(*buf);
	*buf = NULL;
	*room = 0;
}

int req_reserve(struct req *req, uint32_t size)
{
	return buffer_reserve(&req->out, &req->out_room, size);
}

bool session_full(const struct session *session)
{
	return session->reqs >= SESSION_REQS_MAX || session->bytes >= SESSION_BYTES_MAX;
}

void req_charge(struct req *req, uint32_t size)
{
	req->bytes += size;
	req->session->bytes += size;
}

struct req *session_request(struct session *session, struct lane *lane, uint32_t size)
{
	struct req *req = STAILQ_FIRST(&session->free);

	if (session_full(session))
		return NULL;
	if (req != NULL) {
		STAILQ_REMOVE_HEAD(&session->free, link);
		session->kept--;
	} else {
		req = calloc(1, sizeof(*req));
	}
	if (req == NULL)
		return NULL;
	if (buffer_reserve(&req->in, &req->in_room, size) < 0 || req_reserve(req, OUT_MIN) < 0) {
		req_destroy(req);
		return NULL;
	}

	*req = (struct req){
		.session = session,
		.lane = lane,
		.in = req->in,
		.in_room = req->in_room,
		.in_size = size,
		.out = req->out,
		.out_room = req->out_room,
		.file = FS_NO_FILE,
		.new_node = FS_NO_NODE,
		.new_file = FS_NO_FILE,
	};
	TAILQ_INSERT_TAIL(&session->active, req, active);
	session->reqs++;
	req_charge(req, size);
	return req;
}

/* Drops what the request still holds: references, and whatever commit did not move. */
static void req_release(struct req *req)
{
	struct fid_table *fids = req->session->fids;

	fs_forget(req->session->fs, req->new_node);
	fs_close(req->session->fs, req->new_file);
	fid_xattr_free(req->new_xattr);
	if (req->node != NULL)
		node_unref(fids, req->node);
	if (req->dnode != NULL)
		node_unref(fids, req->dnode);
	if (req->fid != NULL)
		fid_unref(fids, req->fid);
	if (req->dfid != NULL)
		fid_unref(fids, req->dfid);
}

/* The request is over: nothing of it will reach the client any more. */
static void req_end(struct req *req)
{
	struct session *session = req->session;
	struct lane *lane = req->lane;

	if (session->by_tag[req->t.tag] == req)
		session->by_tag[req->t.tag] = NULL;
	TAILQ_REMOVE(&session->active, req, active);
	session->reqs--;
	session->bytes -= req->bytes;
	if (session->kept < KEPT_REQS_MAX) {
		buffer_trim(&req->in, &req->in_room);
		buffer_trim(&req->out, &req->out_room);
		STAILQ_INSERT_HEAD(&session->free, req, link);
		session->kept++;
	} else {
		req_destroy(req);
	}
	lane->released(lane);
}

/* ---- in: receive, resolve, check ---- */

static int resolve_fid(struct req *req, const uint32_t *number, uint8_t allowed, struct fid **fid,
		       struct node **node)
{
	struct fid *found;

	if (number == NULL)
		return 0;
	found = fid_find(req->session->fids, *number);
	if (found == NULL)
		return -EBADF;
	*fid = fid_ref(found);
	*node = node_ref(found->node);
	return op_kind_error(found->kind, allowed);
}

/* Finds what the message names. What is found stays referenced, also when a later step fails. */
static int resolve(struct req *req)
{
	struct p9_fids names = p9_fids(&req->t);
	int err = resolve_fid(req, names.fid, req->op->fid, &req->fid, &req->node);

	if (req->fid != NULL && (req->op->flags & OP_CLUNKS) != 0)
		fid_remove(req->session->fids, req->fid);
	if (err == 0)
		err = resolve_fid(req, names.dfid, req->op->dfid, &req->dfid, &req->dnode);
	if (err < 0)
		return err;
	if (req->fid != NULL) {
		req->file = req->fid->file;
		req->cred.uid = req->fid->uid;
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
	       (names->newfid != NULL && *names->newfid == *names->fid);
}

static void drop_resolved(struct req *req)
{
	struct fid_table *fids = req->session->fids;

	node_unref(fids, req->node);
	fid_unref(fids, req->fid);
	req->node = NULL;
	req->fid = NULL;
}

/* Resolves, checks and starts the request; parks it when its fid is taken. True: that was all,
 * req->result is the answer. */
static bool start(struct req *req)
{
	struct p9_fids names = p9_fids(&req->t);
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
	if (err == 0 && req->op->check != NULL)
		err = req->op->check(req);
	if (err != 0 || req->op->ask == NULL) {
		req->result = err < 0 ? err : 0;
		return true;
	}
	req->state = REQ_ASKING;
	req->session->executor->run(req->session->executor, req);
	return false;
}

/* Two requests with one tag: the client has given the first one up (spec of Linux: a second
 * signal while it waits for Rflush), so its reply must not come any more. */
static void claim_tag(struct req *req)
{
	struct req **owner = &req->session->by_tag[req->t.tag];

	if (*owner != NULL)
		(*owner)->flushed = true;
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

void session_receive(struct req *req)
{
	int err = p9_decode(&req->t, req->in, req->in_size);

	trace("<", &req->t);
	claim_tag(req);
	req->op = op_find(req->t.type);
	if (req->op == NULL)
		err = -EOPNOTSUPP;
	else if (err < 0)
		err = -EINVAL;
	else if (req->session->msize == 0 && (req->op->flags & OP_UNVERSIONED) == 0)
		err = -EPROTO;
	req->result = err;
	if (err < 0 || start(req))
		session_finish(req);
}

bool req_ask(struct req *req)
{
	int result = req->op->ask(req);

	if (result == -EAGAIN && req->nowait) {
		req->nowait = false;
		return false;
	}
	req_reply(req, result);
	return true;
}

void req_reply(struct req *req, int result)
{
	req->result = result;
	req->session->executor->answered(req->session->executor, req);
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
		if (next->flushed || start(next))
			req_reply(next, next->result);
	}
}

/* Rlerror must carry 1..4095, and nothing that asks the client to try again: it would not. */
static uint32_t wire_errno(int result)
{
	if (result < -P9_ERRNO_MAX || result == -EINTR || result == -EAGAIN)
		return EIO;
	return (uint32_t)-result;
}

static void encode(struct req *req)
{
	int size = -ENOMEM;

	if (req->result >= 0)
		size = p9_encode(&req->r, req->out, req->out_room);
	if (size > 0 && (uint32_t)size > session_max_message(req->session))
		size = -EMSGSIZE;
	if (size < 0) {
		req->r.type = P9_Rlerror;
		req->r.Rlerror.ecode = wire_errno(req->result < 0 ? req->result : size);
		size = p9_encode(&req->r, req->out, req->out_room);
	}
	req->out_size = (uint32_t)size;
}

void session_finish(struct req *req)
{
	if (!req->flushed) {
		req->r.type = (uint8_t)(req->t.type + 1);
		req->r.tag = req->t.tag;
		if (req->result >= 0 && req->op->commit != NULL) {
			int err = req->op->commit(req);

			req->result = err < 0 ? err : req->result;
		}
		encode(req);
		trace(">", &req->r);
	}
	pass_on(req);
	req_release(req);
	if (req->flushed) {
		req_end(req);
		return;
	}
	req->state = REQ_SENDING;
	req->lane->send(req->lane, req);
}

void session_sent(struct req *req)
{
	req_end(req);
}
