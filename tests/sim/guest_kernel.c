/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * guest_kernel.c - for the scripts beside it: what a guest's kernel does that is no verb of
 * xen9pfs-sim, because it takes two mounts at once, or several in turn in one domain.
 *
 *	guest_kernel BUS-DIR DOMID two-shares        devices 0 and 1 at the same time
 *	guest_kernel BUS-DIR DOMID again HOW ROUNDS  mount, go by HOW, and come again
 *	guest_kernel BUS-DIR DOMID version           begin sessions anew in a ring that stays
 *	guest_kernel BUS-DIR DOMID mini-os           the same as a Mini-OS that replaces itself
 *	guest_kernel BUS-DIR DOMID flush             flush in each ring what waits in each ring
 *	guest_kernel BUS-DIR DOMID storm             send events for nothing until SIGTERM
 *	guest_kernel BUS-DIR 0 remove PATH           (the toolstack) remove a node of the store
 *
 * HOW: close (closing handshake), unload (4, 6: module removed, then loaded), kexec (5, 6, 1),
 * reset (4, 1: nothing said), old-driver (6, then new rings and 3 without a look at the backend).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_guest.h"

#define BLOCK 32768u
#define BLOCKS 400u

struct mount {
	struct front *front;
	struct client *client;
	uint32_t root, file;
};

static int say(int result, const char *what)
{
	fprintf(stderr, "guest_kernel: %s%s%s\n", what, result < 0 ? ": " : "",
		result < 0 ? strerror(-result) : "");
	return result < 0 ? result : -EPROTO;
}

static int mount_share(struct mount *m)
{
	struct client_transport *transport;
	int result = sim_guest_transport(m->front, &transport);

	if (result == 0)
		result = client_open(transport, &m->client);
	if (result == 0)
		result = client_version(m->client, CLIENT_MSIZE);
	if (result == 0)
		result = client_attach(m->client, "", "", 0, &m->root);
	return result == 0 ? 0 : say(result, "mounting");
}

static void forget_mount(struct mount *m)
{
	client_close(m->client);
	m->client = NULL;
}

/* The word at `offset` of the file with number `number`. */
static uint64_t word_at(unsigned number, uint64_t offset)
{
	return (offset + number) * 0x9e3779b97f4a7c15u + number;
}

static void fill(uint64_t *block, unsigned number, uint64_t offset)
{
	for (size_t i = 0; i < BLOCK / sizeof(*block); i++)
		block[i] = word_at(number, offset + i * sizeof(*block));
}

/* ---- two shares at once ---- */

static int make_file(struct mount *m)
{
	int result = client_walk(m->client, m->root, "", &m->file);

	if (result == 0)
		result = client_lcreate(m->client, m->file, "numbers", O_RDWR, 0644, 0);
	return result;
}

/* Sends a request on each mount before it waits for either. */
static int both(struct mount mounts[2], struct p9_msg requests[2], struct p9_msg replies[2])
{
	int result = 0;

	for (int i = 0; i < 2 && result == 0; i++)
		result = client_send(mounts[i].client, &requests[i]);
	for (int i = 0; i < 2 && result == 0; i++)
		result = client_await(mounts[i].client, requests[i].tag, &replies[i]);
	return result;
}

static int write_both(struct mount mounts[2], uint64_t offset)
{
	static uint64_t block[2][BLOCK / sizeof(uint64_t)];
	struct p9_msg requests[2], replies[2];
	int result;

	for (unsigned i = 0; i < 2; i++) {
		fill(block[i], i, offset);
		requests[i] = (struct p9_msg){.type = P9_Twrite};
		requests[i].Twrite.fid = mounts[i].file;
		requests[i].Twrite.offset = offset;
		requests[i].Twrite.data = (struct p9_data){.bytes = (void *)block[i], .len = BLOCK};
	}
	result = both(mounts, requests, replies);
	for (int i = 0; i < 2 && result == 0; i++) {
		if (replies[i].type != P9_Rwrite || replies[i].Rwrite.count != BLOCK)
			result = -EIO;
	}
	return result;
}

static int read_both(struct mount mounts[2], uint64_t offset)
{
	static uint64_t expected[BLOCK / sizeof(uint64_t)], got[2][BLOCK / sizeof(uint64_t)];
	int result = 0;

	for (unsigned i = 0; i < 2 && result == 0; i++) {
		ssize_t size = client_read(mounts[i].client, mounts[i].file, offset, got[i], BLOCK);

		fill(expected, i, offset);
		if (size != BLOCK || memcmp(got[i], expected, BLOCK) != 0)
			result = size < 0 ? (int)size : -EILSEQ;
	}
	return result;
}

static int work_on_both(struct mount mounts[2])
{
	int result = 0;

	for (int i = 0; i < 2 && result == 0; i++) {
		result = front_connect(mounts[i].front);
		if (result == 0)
			result = mount_share(&mounts[i]);
		if (result == 0)
			result = make_file(&mounts[i]);
	}
	for (uint64_t block = 0; block < BLOCKS && result == 0; block++)
		result = write_both(mounts, block * BLOCK);
	for (uint64_t block = 0; block < BLOCKS && result == 0; block++)
		result = read_both(mounts, block * BLOCK);
	for (int i = 0; i < 2 && result == 0; i++)
		result = front_close(mounts[i].front);
	return result == 0 ? 0 : say(result, "working on two shares");
}

static int two_shares(struct guest *guest)
{
	struct mount mounts[2] = {{.front = NULL}};
	char err[256];
	int result = 0;

	for (unsigned i = 0; i < 2 && result == 0; i++)
		result = front_open(guest, i, 0, 0, &mounts[i].front, err, sizeof(err));
	if (result == 0)
		result = work_on_both(mounts);
	else
		say(result, err);
	for (int i = 0; i < 2; i++) {
		forget_mount(&mounts[i]);
		front_free(mounts[i].front);
	}
	return result;
}

/* ---- one share, again and again ---- */

static int leave_close(struct front *front)
{
	int result = front_close(front);

	return result == 0 ? front_set_state(front, XenbusStateInitialising) : result;
}

static int leave_unload(struct front *front)
{
	int result = front_unload(front);

	if (result == 0)
		result = front_await(front, NODES_STATE(XenbusStateClosed), FRONT_TIMEOUT);
	return result < 0 ? result : front_set_state(front, XenbusStateInitialising);
}

static int leave_reset(struct front *front)
{
	int result = front_set_state(front, XenbusStateInitialising);

	if (result == 0)
		result = front_await(front, NODES_STATE(XenbusStateInitWait), FRONT_TIMEOUT);
	if (result >= 0 && front_teardown(front) > 0)
		result = say(0, "the backend went to state 2 with pages still mapped");
	return result < 0 ? result : 0;
}

/* The driver of Linux before 6.3: the rings are there before the backend is looked at. */
static int leave_old_driver(struct front *front)
{
	int result = front_unload(front);

	if (result == 0)
		result = front_await(front, NODES_STATE(XenbusStateClosed), FRONT_TIMEOUT);
	if (result >= 0)
		result = front_build(front);
	if (result == 0)
		result = front_write_keys(front);
	if (result == 0)
		result = front_set_state(front, XenbusStateInitialised);
	if (result == 0)
		result = front_await(front, NODES_STATE(XenbusStateConnected), FRONT_TIMEOUT);
	return result < 0 ? result : front_set_state(front, XenbusStateConnected);
}

static const struct leaving {
	const char *name;
	int (*leave)(struct front *front);
	bool connected; /* again already */
} leavings[] = {
	{"close", leave_close, false},		{"unload", leave_unload, false},
	{"kexec", front_reset, false},		{"reset", leave_reset, false},
	{"old-driver", leave_old_driver, true},
};

/* Writes what it reads back, in a file of its own. */
static int use(struct mount *m, unsigned round)
{
	char name[32], text[32];
	uint32_t fid;
	ssize_t got;
	int result = client_walk(m->client, m->root, "", &fid);

	snprintf(name, sizeof(name), "round-%u", round);
	if (result == 0)
		result = client_lcreate(m->client, fid, name, O_RDWR, 0644, 0);
	if (result == 0)
		result = client_write_all(m->client, fid, 0, name, strlen(name));
	if (result != 0)
		return say(result, "writing");
	got = client_read(m->client, fid, 0, text, sizeof(text));
	if (got != (ssize_t)strlen(name) || memcmp(text, name, strlen(name)) != 0)
		return say((int)got, "reading it again");
	return 0;
}

static int run_rounds(struct mount *m, const struct leaving *how, unsigned rounds)
{
	bool connected = false;
	int result = 0;

	for (unsigned round = 0; round < rounds && result == 0; round++) {
		if (!connected)
			result = front_connect(m->front);
		if (result == 0)
			result = mount_share(m);
		if (result == 0)
			result = use(m, round);
		forget_mount(m);
		if (result == 0) {
			result = how->leave(m->front);
			connected = how->connected;
		}
		if (result < 0)
			fprintf(stderr, "guest_kernel: round %u: %s (%s)\n", round,
				strerror(-result), m->front->error);
	}
	return result;
}

static int again(struct guest *guest, const char *how, unsigned rounds)
{
	struct mount m = {.client = NULL};
	char err[256];
	int result = -EINVAL;

	for (size_t i = 0; i < countof(leavings); i++) {
		if (strcmp(how, leavings[i].name) != 0)
			continue;
		result = front_open(guest, 0, 0, 0, &m.front, err, sizeof(err));
		if (result != 0)
			return say(result, err);
		result = run_rounds(&m, &leavings[i], rounds);
	}
	front_free(m.front);
	return result == 0 ? 0 : say(result, how);
}

/* ---- one mount, and what is not asked of it twice ---- */

#define VERSIONS 100
#define READS 32

static int expect(int result, int expected, const char *what)
{
	if (result == expected)
		return 0;
	fprintf(stderr, "guest_kernel: %s: %d instead of %d\n", what, result, expected);
	return -EPROTO;
}

static int mount_one(struct guest *guest, unsigned rings, struct mount *m)
{
	char err[256];
	int result = front_open(guest, 0, rings, 0, &m->front, err, sizeof(err));

	if (result != 0)
		return say(result, err);
	result = front_connect(m->front);
	return result == 0 ? mount_share(m) : say(result, m->front->error);
}

/* Reads on their way, none of which is awaited. */
static int send_reads(struct mount *m, uint32_t fid)
{
	int result = 0;

	for (unsigned i = 0; i < READS && result == 0; i++) {
		struct p9_msg read = {.type = P9_Tread,
				      .Tread = {.fid = fid, .offset = i, .count = BLOCK}};

		result = client_send(m->client, &read);
	}
	return result;
}

/* No reply may come after Rversion that the client does not wait for: it would say so. */
static int begin_anew(struct mount *m)
{
	struct p9_Rgetattr attr;
	uint32_t old = m->root, fid;
	int result = client_walk(m->client, m->root, "numbers", &fid);

	if (result == 0)
		result = client_lopen(m->client, fid, O_RDONLY);
	if (result == 0)
		result = send_reads(m, fid);
	if (result == 0)
		result = client_version(m->client, CLIENT_MSIZE);
	if (result != 0)
		return say(result, "a further version");
	result = expect(client_getattr(m->client, old, P9_GETATTR_BASIC, &attr), -EBADF, "root");
	if (result == 0)
		result = expect(client_getattr(m->client, fid, P9_GETATTR_BASIC, &attr), -EBADF,
				"another fid");
	if (result == 0)
		result = client_attach(m->client, "", "", 0, &m->root);
	return result;
}

/* In one ring: between rings there is no order. */
static int versions(struct guest *guest)
{
	static uint64_t block[BLOCK / sizeof(uint64_t)];
	struct mount m = {.client = NULL};
	int result = mount_one(guest, 1, &m);

	fill(block, 0, 0);
	if (result == 0)
		result = make_file(&m);
	for (unsigned i = 0; i < 4 && result == 0; i++)
		result = client_write_all(m.client, m.file, i * BLOCK, block, BLOCK);
	for (unsigned i = 0; i < VERSIONS && result == 0; i++)
		result = begin_anew(&m);
	if (result == 0)
		result = front_close(m.front);
	forget_mount(&m);
	front_free(m.front);
	return result == 0 ? 0 : say(result, "version");
}

/* What xenstore-stubdom does: it attaches once, and after its kexec goes on with that fid. */
static int mini_os(struct guest *guest)
{
	struct p9_msg attach = {.type = P9_Tattach,
				.Tattach = {.newfid = 0,
					    .afid = 0,
					    .uname = p9_str("root"),
					    .aname = p9_str("root"),
					    .n_uname = 0}};
	struct p9_msg stat = {.type = P9_Tstat, .Tstat = {.fid = 0}}, reply;
	struct mount m = {.client = NULL};
	int result = mount_one(guest, 1, &m);

	if (result == 0) {
		client_speak(m.client, P9_U);
		result = client_version(m.client, CLIENT_MSIZE);
	}
	if (result == 0)
		result = client_rpc(m.client, &attach, &reply);
	for (unsigned i = 0; i < 3 && result == 0; i++) {
		result = client_version(m.client, CLIENT_MSIZE);
		if (result == 0)
			result = client_rpc(m.client, &stat, &reply);
	}
	if (result == 0)
		result = front_close(m.front);
	forget_mount(&m);
	front_free(m.front);
	return result == 0 ? 0 : say(result, "mini-os");
}

static int lock_of(struct mount *m, uint32_t fid, uint8_t type, uint32_t flags, uint32_t process)
{
	struct p9_Tlock lock = {
		.type = type, .flags = flags, .proc_id = process, .client_id = p9_str("guest")};

	return client_lock(m->client, fid, &lock);
}

/* A lock that waits, sent as the next tag; flushed as the one after `skip` others. */
static int flush_lock(struct mount *m, uint32_t fid, unsigned skip)
{
	struct p9_msg others[8], reply;
	struct p9_msg lock = {.type = P9_Tlock,
			      .Tlock = {.fid = fid,
					.type = P9_LOCK_WRLCK,
					.flags = P9_LOCK_BLOCK,
					.proc_id = 2,
					.client_id = p9_str("guest")}};
	int result = client_send(m->client, &lock);

	for (unsigned i = 0; i < skip && result == 0; i++) {
		others[i] = lock;
		others[i].Tlock.proc_id = 10 + i;
		result = client_send(m->client, &others[i]);
	}
	if (result == 0)
		result = expect(client_flush(m->client, lock.tag, &reply), 0, "flushing a wait");
	for (unsigned i = 0; i < skip && result == 0; i++)
		result = expect(client_flush(m->client, others[i].tag, &reply), 0,
				"flushing another");
	return result;
}

static int flush_each(struct mount *m)
{
	uint32_t fid;
	int result = client_walk(m->client, m->root, "numbers", &fid);

	if (result == 0)
		result = client_lopen(m->client, fid, O_RDWR);
	for (unsigned i = 0; i < 40 && result == 0; i++) {
		result = lock_of(m, m->file, P9_LOCK_WRLCK, 0, 1);
		if (result == 0)
			result = flush_lock(m, fid, i % 8);
		if (result == 0)
			result = lock_of(m, m->file, P9_LOCK_UNLCK, 0, 1);
		if (result == 0) /* who was flushed holds nothing */
			result = expect(lock_of(m, m->file, P9_LOCK_WRLCK, 0, 1), P9_LOCK_SUCCESS,
					"a lock after Rflush");
		if (result == 0)
			result = lock_of(m, m->file, P9_LOCK_UNLCK, 0, 1);
	}
	return result;
}

static int flushes(struct guest *guest)
{
	struct mount m = {.client = NULL};
	int result = mount_one(guest, 0, &m);

	if (result == 0)
		result = make_file(&m);
	if (result == 0)
		result = flush_each(&m);
	if (result == 0)
		result = front_close(m.front);
	forget_mount(&m);
	front_free(m.front);
	return result == 0 ? 0 : say(result, "flush");
}

/* ---- events for nothing ---- */

static volatile sig_atomic_t enough;

static void set_enough(int number)
{
	(void)number;
	enough = 1;
}

static int send_events(struct mount *m)
{
	struct p9_Rgetattr attr;
	int result = 0;

	signal(SIGTERM, set_enough);
	printf("connected\n");
	fflush(stdout);
	while (result == 0 && enough == 0)
		result = front_notify(m->front, 0);
	return result == 0 ? client_getattr(m->client, m->root, P9_GETATTR_BASIC, &attr) : result;
}

static int storm(struct guest *guest)
{
	struct mount m = {.client = NULL};
	int result = mount_one(guest, 0, &m);

	if (result == 0)
		result = send_events(&m);
	if (result == 0)
		result = front_close(m.front);
	forget_mount(&m);
	front_free(m.front);
	return result == 0 ? 0 : say(result, "sending events");
}

/* ---- the command line ---- */

static int remove_node(const char *dir, const char *path)
{
	struct store *store;
	char bus[300], err[256];
	int result;

	snprintf(bus, sizeof(bus), "sim:%s", dir);
	result = store_open(bus, &store, err, sizeof(err));
	if (result != 0)
		return say(result, err);
	result = store_remove(store, 0, path);
	store_close(store);
	return result == 0 ? 0 : say(result, path);
}

static int as_guest(int argc, char **argv)
{
	struct guest *guest;
	char err[256];
	char bus[300];
	int result;

	snprintf(bus, sizeof(bus), "sim:%s@%s", argv[1], argv[2]);
	result = guest_open(bus, &guest, err, sizeof(err));
	if (result != 0)
		return say(result, err);
	if (argc == 4 && strcmp(argv[3], "two-shares") == 0)
		result = two_shares(guest);
	else if (argc == 4 && strcmp(argv[3], "version") == 0)
		result = versions(guest);
	else if (argc == 4 && strcmp(argv[3], "mini-os") == 0)
		result = mini_os(guest);
	else if (argc == 4 && strcmp(argv[3], "flush") == 0)
		result = flushes(guest);
	else if (argc == 4 && strcmp(argv[3], "storm") == 0)
		result = storm(guest);
	else if (argc == 6 && strcmp(argv[3], "again") == 0)
		result = again(guest, argv[4], (unsigned)strtoul(argv[5], NULL, 10));
	else
		result = say(-EINVAL, "what verb?");
	guest_close(guest);
	return result;
}

int main(int argc, char **argv)
{
	int result;

	if (argc == 5 && strcmp(argv[3], "remove") == 0)
		result = remove_node(argv[1], argv[4]);
	else if (argc >= 4)
		result = as_guest(argc, argv);
	else
		result = say(-EINVAL, "BUS-DIR DOMID VERB");
	return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
