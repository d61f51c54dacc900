/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recover_hostile.c - predecessors that a guest had taken over: what they leave is a valid state
 * with a few words changed. A successor refuses it, or goes on with it and comes to an end, and
 * never touches a descriptor that is not the session's. What its guest gets is the guest's affair.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "tests/unit/recover.h"

#define MUTANTS 40     /* of each state */
#define STATE_STEP 3   /* of so many instants one is taken */
#define CPU_SECONDS 30 /* for one; a loop is a failure, */
#define SECONDS 300    /* and so is one that sleeps */

enum outcome { WENT_ON = 40, REFUSED }; /* no status that a sanitizer ends with */

/* ---- chance: xorshift64* ---- */

static uint64_t chance;

static uint32_t draw(uint32_t below)
{
	chance ^= chance >> 12;
	chance ^= chance << 25;
	chance ^= chance >> 27;
	return (uint32_t)((chance * 0x2545f4914f6cdd1dU) >> 33) % below;
}

/* ---- a state with a bit of everything ---- */

static void open_fid(uint32_t fid, const char *name)
{
	does(walk(0, fid, name));
	does(T(lopen, .fid = fid, .flags = name != NULL ? 2 : 0));
}

static struct p9_msg take_lock(uint32_t fid, uint32_t proc_id)
{
	return T(lock, .fid = fid, .type = P9_LOCK_WRLCK, .proc_id = proc_id,
		 .client_id = p9_str("guest"));
}

static struct p9_msg write_to(uint32_t fid, const char *text)
{
	return T(write, .fid = fid, .data = {.bytes = text, .len = (uint32_t)strlen(text)});
}

static void write_script(void)
{
	open_fid(1, "f");
	open_fid(2, NULL);
	does(walk(0, 3, "k"));
	says(T(xattrwalk, .fid = 3, .newfid = 4, .name = p9_str("user.a")));
	does(walk(0, 5, "g"));
	does(T(xattrcreate, .fid = 5, .name = p9_str("user.b"), .size = 4));
	does(write_to(5, "va"));
	open_fid(6, "g");
	does(take_lock(6, 1));
	does(walk(0, 7, "d"));
	does(walk(0, 8, "h"));
	act(PACE_TOGETHER);
	says(T(read, .fid = 1, .count = 100));
	says(T(clunk, .fid = 1));
	says(T(readdir, .fid = 2, .count = 4000));
	says(T(readdir, .fid = 2, .count = 4000));
	says(write_to(5, "va"));
	says(take_lock(6, 2));
	says(T(attach, .newfid = 9, .uname = p9_str(""), .aname = p9_str("")));
	says(T(lcreate, .fid = 7, .name = p9_str("new"), .flags = P9_O_EXCL | 2, .mode = 0600));
	with_tag(7);
	says(T(renameat, .olddirfid = 0, .oldname = p9_str("h"), .newdirfid = 0,
	       .newname = p9_str("h3")));
	says(T(flush, .oldtag = 7));
	says(T(xattrwalk, .fid = 3, .newfid = 10, .name = p9_str("")));
	says(T(remove, .fid = 8));
	prove();
}

/* ---- mutants ---- */

#define MESSAGES_AT (offsetof(struct saved, in) + SAVED_IN_AT / 4 * 4)

/* The words that are in use: so many of the first of each array. */
static uint32_t *some_word(struct saved *s)
{
	static const struct {
		size_t at, size;
		uint32_t used;
	} area[] = {
		{0, offsetof(struct saved, redo), 1},
		{offsetof(struct saved, redo), sizeof(s->redo), 1},
		{offsetof(struct saved, locker), sizeof(s->locker[0]), 4},
		{offsetof(struct saved, slot), sizeof(s->slot[0]), 16},
		{offsetof(struct saved, slot), sizeof(s->slot[0]), 16},
		{offsetof(struct saved, xattr), sizeof(s->xattr[0]), 4},
		{offsetof(struct saved, fid), sizeof(s->fid[0]), 14},
		{offsetof(struct saved, fid), sizeof(s->fid[0]), 14},
		{offsetof(struct saved, node), sizeof(s->node[0]), 18},
		{offsetof(struct saved, name), sizeof(s->name[0]), 16},
		{MESSAGES_AT, sizeof(s->in[0]), 16},
	};
	uint32_t a = draw(countof(area)), size = (uint32_t)area[a].size;
	size_t at = area[a].at + draw(area[a].used) * area[a].size;

	if (area[a].at == MESSAGES_AT)
		size = 64;
	/* The first words of an entry say most. */
	if (size > 64 && draw(2) == 0)
		size = 64;
	return (uint32_t *)(void *)((char *)s + at + draw(size / 4) * 4);
}

static uint32_t some_value(struct saved *s)
{
	static const uint32_t values[] = {
		0,
		1,
		2,
		3,
		4,
		8,
		16,
		255,
		0xff,
		4096,
		FID_XATTRS_MAX,
		FID_XATTRS_MAX + 1,
		SESSION_REQS_MAX,
		SESSION_REQS_MAX + 1,
		FID_MAX,
		FID_MAX + 1,
		FS_XATTR_MAX,
		P9_MSIZE_MAX,
		P9_MSIZE_MAX + 1,
		0x7fffffff,
		0x80000000,
		0xffffffff,
	};

	switch (draw(3)) {
	case 0:
		return values[draw(countof(values))];
	case 1:
		return draw(32);
	default:
		return *some_word(s);
	}
}

/* What single words seldom come to. Two fids with one value: */
static void share_value(struct saved *s)
{
	uint32_t value = 0;

	for (uint32_t i = 1; i <= s->fid_used; i++) {
		struct fid_saved *fid = &s->fid[i].saved;

		if (fid->xattr == 0)
			continue;
		value = value == 0 ? fid->xattr : value;
		fid->xattr = value;
	}
}

/* A request without the fids that its message names. */
static void take_fids_away(struct saved *s)
{
	struct slot *slot = &s->slot[draw(16)];

	slot->fid = slot->node = slot->dfid = slot->dnode = 0;
}

static void mutate(struct saved *s)
{
	if (draw(16) == 0)
		share_value(s);
	if (draw(8) == 0)
		take_fids_away(s);
	for (uint32_t i = draw(4) + 1; i > 0; i--) {
		uint32_t *word = some_word(s);

		if (draw(3) == 0)
			*word ^= 1u << draw(32);
		else
			*word = some_value(s);
	}
}

/* ---- one mutant ---- */

static void check_lower(void)
{
	for (int fd = 0; fd < world_fd_min; fd++)
		CHECK(fcntl(fd, F_GETFD) >= 0);
}

/* A process with a copy of everything. */
static void succeed_mutant(uint64_t seed)
{
	const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS};
	struct world *w = malloc(sizeof(*w));
	struct life *life;
	int result;

	setrlimit(RLIMIT_CPU, &cpu);
	alarm(SECONDS);
	memcpy(w, world, sizeof(*w));
	world = w;
	chance = seed * 0x9e3779b97f4a7c15U + 1;
	munmap(world_saved, sizeof(*world_saved));
	world_saved = mmap(NULL, sizeof(*world_saved), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_NORESERVE, world_memory, 0);
	if (w == NULL || world_saved == MAP_FAILED)
		_exit(2);
	mutate(world_saved);
	world->lost = draw(8) == 0;
	world->failures = 0;
	result = life_succeed(&life);
	if (result == 0) {
		life_serve(life, PHASE_PROVE, (enum pace)draw(4));
		life_close(life);
	}
	check_lower();
	if (world->failures > 0)
		printf("    %s\n", world->failure);
	fflush(stdout);
	_exit(world->failures > 0 ? 3 : result == 0 ? WENT_ON : REFUSED);
}

static bool run_mutant(uint64_t seed, unsigned *refused)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		succeed_mutant(seed);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFEXITED(status) &&
	    (WEXITSTATUS(status) == WENT_ON || WEXITSTATUS(status) == REFUSED)) {
		*refused += WEXITSTATUS(status) == REFUSED;
		return true;
	}
	printf("    seed %llu, of a predecessor killed at %s: %s %d\n", (unsigned long long)seed,
	       world->place, WIFSIGNALED(status) ? "signal" : "exit status",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return false;
}

void hostile_predecessors(void)
{
	unsigned refused = 0, mutants = 0, bad = 0;
	uint64_t seed = 0;
	uint32_t death = 1;
	const char *given = getenv("RECOVER_MUTANTS"); /* for a longer hunt */
	unsigned each = given != NULL ? (unsigned)atoi(given) : MUTANTS;

	world_open();
	for (;; death += STATE_STEP) {
		world_reset();
		write_script();
		world->death = death;
		if (life_run(PHASE_ACT) <= 0)
			break;
		for (unsigned i = 0; i < each && bad < 10; i++, mutants++)
			bad += !run_mutant(++seed, &refused);
	}
	CU_ASSERT_EQUAL(bad, 0);
	/* Both happen, or this tests nothing. */
	CU_ASSERT(refused > mutants / 20 && refused < mutants);
	printf("    %u mutants, %u refused\n", mutants, refused);
	world_close();
}
