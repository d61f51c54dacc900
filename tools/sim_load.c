/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_load.c - the verb "load": many requests in flight for some seconds, every answer checked,
 * and the figures. Each slot carries one operation through its steps, a request each; a block of
 * the file holds words made of its place and of how often it was written, so that a lost, torn
 * or misplaced write is found by whoever reads it next.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_verb.h"

#define SMALL_SIZE 4096 /* of a new file, at most */
#define DEPTH_MAX 4096

struct load;
struct slot;

/* One request: how to ask it, and whether the answer is right (NULL: any success is). */
struct step {
	void (*ask)(struct load *load, struct slot *slot, struct p9_msg *msg);
	bool (*check)(struct load *load, struct slot *slot, const struct p9_msg *reply);
};

struct operation {
	const char *name;
	bool uses_block, uses_fid;
	struct step steps[6];
};

struct slot {
	const struct operation *operation; /* NULL: idle */
	unsigned step;
	uint32_t fid;
	uint64_t block;
	char name[32];
	uint8_t *buf;
	int64_t start; /* us */
};

struct block {
	uint32_t writes;
	bool busy;
};

struct load {
	struct sim_call *call;
	struct client *client;
	const struct operation *only; /* NULL: mixed */
	uint32_t dir, file;	      /* fids: not opened, opened */
	uint32_t size, small;	      /* of one request's data; of a new file */
	uint64_t blocks;
	struct block *block;
	unsigned depth;
	struct slot slot[DEPTH_MAX];
	struct slot *by_tag[65536];
	uint64_t random, names;
	uint64_t done, bytes, errors;
	uint32_t *latency; /* us, of each operation */
	size_t room;
	char dir_name[64];
};

static uint64_t next_random(struct load *load)
{
	return sim_scramble(load->random++);
}

/* ---- content ---- */

static void fill_block(uint8_t *buf, size_t size, uint64_t block, uint32_t writes)
{
	uint64_t seed = sim_scramble(block << 24 ^ writes);

	for (size_t i = 0; i < size; i += sizeof(seed)) {
		uint64_t word = seed + i;

		memcpy(buf + i, &word, sizeof(word));
	}
}

static bool block_is(const uint8_t *buf, size_t size, uint64_t block, uint32_t writes)
{
	uint64_t seed = sim_scramble(block << 24 ^ writes);

	for (size_t i = 0; i < size; i += sizeof(seed)) {
		uint64_t word;

		memcpy(&word, buf + i, sizeof(word));
		if (word != seed + i)
			return false;
	}
	return true;
}

/* ---- steps ---- */

static void ask_read(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tread;
	msg->Tread.fid = load->file;
	msg->Tread.offset = slot->block * load->size;
	msg->Tread.count = load->size;
}

static bool check_read(struct load *load, struct slot *slot, const struct p9_msg *reply)
{
	load->bytes += reply->Rread.data.len;
	return reply->Rread.data.len == load->size &&
	       block_is(reply->Rread.data.bytes, load->size, slot->block,
			load->block[slot->block].writes);
}

static void ask_write(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	fill_block(slot->buf, load->size, slot->block, ++load->block[slot->block].writes);
	msg->type = P9_Twrite;
	msg->Twrite.fid = load->file;
	msg->Twrite.offset = slot->block * load->size;
	msg->Twrite.data = (struct p9_data){.bytes = slot->buf, .len = load->size};
}

static bool check_write(struct load *load, struct slot *slot, const struct p9_msg *reply)
{
	(void)slot;
	load->bytes += reply->Rwrite.count;
	return reply->Rwrite.count == load->size;
}

static void ask_walk(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twalk;
	msg->Twalk.fid = load->dir;
	msg->Twalk.newfid = slot->fid;
	msg->Twalk.names.count = 1;
	msg->Twalk.names.name[0] = p9_str("file");
}

static bool check_walk(struct load *load, struct slot *slot, const struct p9_msg *reply)
{
	(void)load, (void)slot;
	return reply->Rwalk.qids.count == 1;
}

static void ask_getattr(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	(void)load;
	msg->type = P9_Tgetattr;
	msg->Tgetattr.fid = slot->fid;
	msg->Tgetattr.request_mask = P9_GETATTR_BASIC;
}

static bool check_getattr(struct load *load, struct slot *slot, const struct p9_msg *reply)
{
	(void)slot;
	return reply->Rgetattr.size == load->blocks * load->size;
}

static void ask_clunk(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	(void)load;
	msg->type = P9_Tclunk;
	msg->Tclunk.fid = slot->fid;
}

static void ask_clone(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Twalk;
	msg->Twalk.fid = load->dir;
	msg->Twalk.newfid = slot->fid;
}

static void ask_create(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	snprintf(slot->name, sizeof(slot->name), "new-%llu", (unsigned long long)load->names++);
	msg->type = P9_Tlcreate;
	msg->Tlcreate.fid = slot->fid;
	msg->Tlcreate.name = p9_str(slot->name);
	msg->Tlcreate.flags = P9_O_EXCL | O_RDWR;
	msg->Tlcreate.mode = 0644;
}

static void ask_fill(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	fill_block(slot->buf, load->small, 0, 0);
	msg->type = P9_Twrite;
	msg->Twrite.fid = slot->fid;
	msg->Twrite.data = (struct p9_data){.bytes = slot->buf, .len = load->small};
}

static bool check_fill(struct load *load, struct slot *slot, const struct p9_msg *reply)
{
	(void)slot;
	return reply->Rwrite.count == load->small;
}

static void ask_unlink(struct load *load, struct slot *slot, struct p9_msg *msg)
{
	msg->type = P9_Tunlinkat;
	msg->Tunlinkat.dfid = load->dir;
	msg->Tunlinkat.name = p9_str(slot->name);
}

static const struct operation operations[] = {
	{"read", true, false, {{ask_read, check_read}}},
	{"write", true, false, {{ask_write, check_write}}},
	{"stat",
	 false,
	 true,
	 {{ask_walk, check_walk}, {ask_getattr, check_getattr}, {ask_clunk, NULL}}},
	{"create",
	 false,
	 true,
	 {{ask_clone, NULL},
	  {ask_create, NULL},
	  {ask_fill, check_fill},
	  {ask_clunk, NULL},
	  {ask_unlink, NULL}}},
};

/* ---- driving the slots ---- */

/* One whole operation counts once. */
static int count_latency(struct load *load, int64_t us)
{
	if (load->done == load->room) {
		size_t room = load->room > 0 ? 2 * load->room : 65536;
		uint32_t *latency = reallocarray(load->latency, room, sizeof(*latency));

		if (latency == NULL)
			return -ENOMEM;
		load->latency = latency;
		load->room = room;
	}
	load->latency[load->done++] = (uint32_t)us;
	return 0;
}

static int send_step(struct load *load, struct slot *slot)
{
	struct p9_msg msg = {.type = 0};
	int result;

	slot->operation->steps[slot->step].ask(load, slot, &msg);
	result = client_send(load->client, &msg);
	if (result == 0)
		load->by_tag[msg.tag] = slot;
	return result;
}

/* A block that nobody else is reading or writing. */
static uint64_t take_block(struct load *load)
{
	uint64_t block = next_random(load) % load->blocks;

	while (load->block[block].busy)
		block = (block + 1) % load->blocks;
	load->block[block].busy = true;
	return block;
}

static int start_operation(struct load *load, struct slot *slot)
{
	slot->operation = load->only != NULL ? load->only
					     : &operations[next_random(load) % countof(operations)];
	slot->step = 0;
	slot->start = sim_now_us();
	if (slot->operation->uses_block)
		slot->block = take_block(load);
	if (slot->operation->uses_fid)
		slot->fid = client_fid_new(load->client);
	return send_step(load, slot);
}

static int end_operation(struct load *load, struct slot *slot)
{
	if (slot->operation->uses_block)
		load->block[slot->block].busy = false;
	if (slot->operation->uses_fid)
		client_fid_free(load->client, slot->fid);
	slot->operation = NULL;
	return count_latency(load, sim_now_us() - slot->start);
}

/* Says what was wrong, of the first few. */
static void note_error(struct load *load, const struct slot *slot, const struct p9_msg *reply)
{
	char text[256];

	if (load->errors++ >= 3)
		return;
	p9_print(reply, text, sizeof(text));
	sim_fail(load->call, 0, "%s, step %u: wrong answer: %s", slot->operation->name, slot->step,
		 text);
}

/* Takes one reply. A wrong one ends its operation. */
static int take_reply(struct load *load, bool more)
{
	const struct step *step;
	struct p9_msg reply;
	struct slot *slot;
	bool right;
	int result = client_recv(load->client, &reply, CLIENT_TIMEOUT);

	if (result != 0)
		return result;
	slot = load->by_tag[reply.tag];
	step = &slot->operation->steps[slot->step];
	right = reply.type != P9_Rlerror &&
		(step->check == NULL || step->check(load, slot, &reply));
	if (!right)
		note_error(load, slot, &reply);
	slot->step++;
	if (right && step[1].ask != NULL)
		return send_step(load, slot);
	result = end_operation(load, slot);
	return result == 0 && more ? start_operation(load, slot) : result;
}

static volatile sig_atomic_t told_to_end;

static void on_term(int number)
{
	(void)number;
	told_to_end = 1;
}

static int run_slots(struct load *load, uint64_t seconds)
{
	int64_t end = sim_now_us() + (int64_t)seconds * 1000000;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < load->depth; i++)
		result = start_operation(load, &load->slot[i]);
	while (result == 0 && client_in_flight(load->client) > 0)
		result = take_reply(load, !told_to_end && sim_now_us() < end);
	return result;
}

/* ---- before and after ---- */

/* The file's first content, as the table has it. */
static int write_file(struct load *load)
{
	for (uint64_t i = 0; i < load->blocks; i++) {
		int result;

		fill_block(load->slot[0].buf, load->size, i, 0);
		result = client_write_all(load->client, load->file, i * load->size,
					  load->slot[0].buf, load->size);
		if (result != 0)
			return result;
	}
	return 0;
}

/* What is in the file at the end, every block of it. */
static int verify_file(struct load *load)
{
	for (uint64_t i = 0; i < load->blocks; i++) {
		ssize_t got = client_read_all(load->client, load->file, i * load->size,
					      load->slot[0].buf, load->size);

		if (got < 0)
			return (int)got;
		if ((size_t)got != load->size ||
		    !block_is(load->slot[0].buf, load->size, i, load->block[i].writes)) {
			sim_fail(load->call, 0, "block %llu of the file has a wrong content",
				 (unsigned long long)i);
			load->errors++;
		}
	}
	return 0;
}

static int prepare(struct load *load)
{
	struct sim_guest *guest = load->call->guest;
	char path[sizeof(load->dir_name) + 8];
	int result;

	snprintf(load->dir_name, sizeof(load->dir_name), "load-%d", getpid());
	snprintf(path, sizeof(path), "%s/file", load->dir_name);
	result = client_mkdir(load->client, guest->root, load->dir_name, 0755, 0);
	if (result == 0)
		result = sim_guest_walk(guest, load->dir_name, &load->dir);
	if (result == 0)
		result = sim_guest_open_file(guest, path, SIM_GUEST_CREATE | O_RDWR, &load->file);
	return result != 0 ? result : write_file(load);
}

static int clean_up(struct load *load)
{
	if (load->file != P9_NOFID)
		client_clunk(load->client, load->file);
	if (load->dir != P9_NOFID)
		client_clunk(load->client, load->dir);
	return sim_guest_remove_tree(load->call->guest, load->dir_name);
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void print_figures(struct load *load, int64_t us)
{
	double seconds = (double)us / 1e6;
	uint32_t p50 = 0, p99 = 0;

	if (load->done > 0) {
		qsort(load->latency, load->done, sizeof(*load->latency), compare);
		p50 = load->latency[load->done / 2];
		p99 = load->latency[load->done * 99 / 100];
	}
	printf("%s depth=%u size=%u ops=%llu ops_s=%.0f mib_s=%.1f p50_us=%u p99_us=%u "
	       "errors=%llu\n",
	       load->only != NULL ? load->only->name : "mixed", load->depth, load->size,
	       (unsigned long long)load->done, (double)load->done / seconds,
	       (double)load->bytes / 1048576 / seconds, p50, p99, (unsigned long long)load->errors);
}

/* The load itself and what it left in the file. */
static int run_and_verify(struct load *load, uint64_t seconds)
{
	int64_t start = sim_now_us();
	int result = run_slots(load, seconds);

	print_figures(load, sim_now_us() - start);
	if (result != 0)
		return sim_fail(load->call, result, "the load was cut short");
	result = verify_file(load);
	if (result != 0)
		return sim_fail(load->call, result, "reading the file again");
	return load->errors > 0;
}

static int run_load_on(struct load *load, uint64_t seconds)
{
	int status, result = prepare(load);

	if (result != 0)
		status = sim_fail(load->call, result, "making the files");
	else
		status = run_and_verify(load, seconds);
	result = clean_up(load);
	if (result != 0 && status == 0)
		return sim_fail(load->call, result, "removing the files");
	return status;
}

/* ---- the verb ---- */

static int choose_operation(struct load *load)
{
	const char *wanted = load->call->argv[0];

	for (size_t i = 0; i < countof(operations); i++) {
		if (strcmp(wanted, operations[i].name) == 0)
			load->only = &operations[i];
	}
	return load->only != NULL || strcmp(wanted, "mixed") == 0 ? 0 : -EINVAL;
}

/* Sizes that fit each other: blocks of whole words, several for each slot. */
static int take_sizes(struct load *load)
{
	uint32_t most = client_msize(load->client) - P9_IO_HEADER;
	bool bad = false;
	uint64_t size = sim_option(load->call, 'b', 65536, &bad);
	uint64_t file_size = sim_option(load->call, 'f', 64u << 20, &bad);
	uint64_t depth = sim_option(load->call, 'n', 16, &bad);

	if (bad)
		return -EINVAL;
	load->depth = depth < 1 ? 1 : depth > DEPTH_MAX ? DEPTH_MAX : (unsigned)depth;
	load->size = (uint32_t)(size < most ? size : most) & ~7u;
	load->small = (SMALL_SIZE < most ? SMALL_SIZE : most) & ~7u;
	if (load->size == 0)
		return -EINVAL;
	load->blocks = file_size / load->size;
	if (load->blocks < 2ull * load->depth)
		load->blocks = 2ull * load->depth;
	return 0;
}

static int allocate(struct load *load)
{
	uint32_t room = load->size > load->small ? load->size : load->small;

	load->block = calloc(load->blocks, sizeof(*load->block));
	if (load->block == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < load->depth; i++) {
		load->slot[i].buf = malloc(room);
		if (load->slot[i].buf == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void free_load(struct load *load)
{
	for (unsigned i = 0; i < load->depth; i++)
		free(load->slot[i].buf);
	free(load->block);
	free(load->latency);
	free(load);
}

static int run_load(struct sim_call *call)
{
	struct load *load = calloc(1, sizeof(*load));
	bool bad = false;
	uint64_t seconds = sim_option(call, 's', 5, &bad);
	int status = 1;

	if (load == NULL)
		return sim_fail(call, -ENOMEM, "load");
	load->call = call;
	load->client = call->guest->client;
	load->dir = load->file = P9_NOFID;
	load->random = (uint64_t)getpid();
	signal(SIGTERM, on_term);
	if (choose_operation(load) != 0)
		sim_fail(call, 0, "\"%s\" is none of read, write, stat, create, mixed",
			 call->argv[0]);
	else if (bad || take_sizes(load) != 0)
		sim_fail(call, 0, "what sizes are these?");
	else if (allocate(load) != 0)
		sim_fail(call, -ENOMEM, "load");
	else
		status = run_load_on(load, seconds);
	free_load(load);
	return status;
}

static const struct argp_option load_options[] = {
	{"seconds", 's', "N", 0, "how long (5), or until SIGTERM", 0},
	{"depth", 'n', "N", 0, "operations in flight (16)", 0},
	{"size", 'b', "BYTES", 0, "of one read or write (64K)", 0},
	{"file-size", 'f', "BYTES", 0, "of the file they go to (64M)", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

const struct sim_verb sim_load_verbs[] = {
	{"load", "[OPTION...] OPERATION", "read, write, stat, create or mixed", SIM_NEEDS_GUEST, 1,
	 1, load_options, run_load},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
