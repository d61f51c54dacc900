/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recover_death.c - instants at which a life ends: crash points, which stand between effects
 * on files, and stores into `saved`. This program has its own crash_visit(); the environment has no
 * say here.
 *
 * Stores are found by taking the right to write away: each one faults, is counted, is let through
 * alone (the trap flag), and the right is taken away again. What the kernel writes itself (messages
 * and values) is left out, as it would fail instead.
 */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/crash.h"
#include "tests/unit/recover.h"

extern struct crash_point *__start_crash_points[], *__stop_crash_points[];

static const char *short_name(const char *path)
{
	const char *at = path + strlen(path);

	for (int slashes = 0; at > path; at--) {
		if (at[-1] == '/' && ++slashes == 2)
			break;
	}
	return at;
}

const char *death_point(size_t i, uint32_t *line)
{
	if (i >= (size_t)(__stop_crash_points - __start_crash_points))
		return NULL;
	*line = __start_crash_points[i]->line;
	return short_name(__start_crash_points[i]->file);
}

static bool stepping;

static void step(bool on);

static void visit(const char *what, uint32_t where)
{
	if (++world->visits != world->death)
		return;
	snprintf(world->place, sizeof(world->place), "%s:%u", what, where);
	syscall(SYS_kill, getpid(), SIGKILL);
}

/* Stores are slow to look at: they are from one point to the next. */
void crash_visit(const struct crash_point *point)
{
	if (!world->armed)
		return;
	life_meanwhile();
	for (size_t i = 0; &__start_crash_points[i] < __stop_crash_points && i < POINTS_MAX; i++)
		world->visited[i] += __start_crash_points[i] == point;
	if (!world->at_stores)
		visit(short_name(point->file), point->line);
	else if (++world->points == world->from)
		step(true);
	else if (stepping)
		step(false);
}

/* ---- stores ---- */

#ifdef __x86_64__

#define TRAP_FLAG 0x100
#define STEPPED offsetof(struct saved, xattr_value)

static void protect(int rights)
{
	if (mprotect(world_saved, STEPPED, rights) < 0)
		_exit(3);
}

static void store_faulted(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	size_t offset = (size_t)((const char *)info->si_addr - (const char *)world_saved);

	if (offset >= STEPPED) {
		signal(number, SIG_DFL);
		return;
	}
	visit("store at byte", (uint32_t)offset);
	protect(PROT_READ | PROT_WRITE);
	at->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void store_done(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	(void)number, (void)info;
	at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	if (stepping)
		protect(PROT_READ);
}

static void step(bool on)
{
	struct sigaction fault = {.sa_sigaction = store_faulted, .sa_flags = SA_SIGINFO};
	struct sigaction trap = {.sa_sigaction = store_done, .sa_flags = SA_SIGINFO};

	if (on) {
		sigaction(SIGSEGV, &fault, NULL);
		sigaction(SIGTRAP, &trap, NULL);
	}
	stepping = on;
	protect(on ? PROT_READ : PROT_READ | PROT_WRITE);
}

bool death_can_step(void)
{
	return true;
}

#else

static void step(bool on)
{
	(void)on;
}

bool death_can_step(void)
{
	return false;
}

#endif

void death_arm(void)
{
	world->visits = world->points = 0;
	world->armed = true;
	if (world->at_stores && world->from == 0)
		step(true);
}

void death_disarm(void)
{
	if (stepping)
		step(false);
	world->armed = false;
}
