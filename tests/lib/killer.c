/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * killer.c - kills processes of the shares of one bus, at random instants, for tests.
 *
 *   killer DIR COUNT MIN MAX WHAT...
 *
 * DIR is the daemon's state directory; what to kill is chosen anew each time among the words WHAT:
 * worker, standby, keeper, or both (keeper and worker at once); a word may come several times.
 * Between two kills pass MIN to MAX us. Prints "ready" first of all, each kill with its time (us of
 * CLOCK_MONOTONIC), and at last how many there were. Ends after COUNT kills or, once it is ready,
 * on SIGTERM. Exit status 1: a minute went by without anything to kill.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/util.h"

#define KEEPERS_MAX 64
#define GUARD 60 /* s */

enum what { WORKER, STANDBY, KEEPER, BOTH, WHATS };

static const char *const words[] = {"worker", "standby", "keeper", "both"};

/* As the processes call themselves (prctl(2)). */
static const char *const process_names[] = {"xen9pfsd-share", "xen9pfsd-stand", "xen9pfsd-keeper"};

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static bool has_name(pid_t pid, const char *name)
{
	char path[64], text[32] = "";
	_cleanup_close_ int fd = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	return got > 1 && (size_t)got == strlen(name) + 1 && strncmp(text, name, strlen(name)) == 0;
}

/* Does it live, and is of the shares below `dir`? Descriptor 5 is the share's arena
 * (xen9pfsd/keeper.h). */
static bool is_of_bus(pid_t pid, const char *dir)
{
	char path[64], target[512];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/fd/5", pid);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	return strncmp(target, dir, strlen(dir)) == 0 && target[strlen(dir)] == '/';
}

static unsigned find_keepers(const char *dir, pid_t *keepers)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;

	while (proc != NULL && count < KEEPERS_MAX && (entry = readdir(proc)) != NULL) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && has_name(pid, process_names[KEEPER]) && is_of_bus(pid, dir))
			keepers[count++] = pid;
	}
	if (proc != NULL)
		closedir(proc);
	return count;
}

/* The keeper's child of that name; 0: there is none now. */
static pid_t find_child(const char *dir, pid_t keeper, const char *name)
{
	char path[64];
	pid_t pid, found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", keeper, keeper);
	file = fopen(path, "re");
	while (file != NULL && found == 0 && fscanf(file, "%d", &pid) == 1) {
		if (has_name(pid, name) && is_of_bus(pid, dir))
			found = pid;
	}
	if (file != NULL)
		fclose(file);
	return found;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* By descriptor: the number may be somebody else's by now. Returns when it is dead, with the
 * time of the kill; 0: it was not there. As all of these. */
static int64_t kill_process(pid_t pid, const char *name)
{
	_cleanup_close_ int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	struct pollfd dead = {.fd = fd, .events = POLLIN};
	int64_t when = now_us();

	if (fd < 0 || !has_name(pid, name) ||
	    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) != 0)
		return 0;
	poll(&dead, 1, GUARD * 1000);
	return when;
}

static int64_t kill_both(pid_t keeper)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, keeper, 0);

	/* While we have the descriptor and it is not dead, the number is the keeper's. */
	if (fd < 0 || !has_name(keeper, process_names[KEEPER]) || kill(-keeper, SIGKILL) != 0)
		return 0;
	return now_us();
}

static int64_t kill_one(const char *dir, enum what what)
{
	pid_t keepers[KEEPERS_MAX], keeper;
	unsigned count = find_keepers(dir, keepers);

	if (count == 0)
		return 0;
	keeper = keepers[(unsigned)rand() % count];
	switch (what) {
	case KEEPER:
		/* Without a worker that lives, all that they have open would go with it. */
		return find_child(dir, keeper, process_names[WORKER]) > 0
			       ? kill_process(keeper, process_names[KEEPER])
			       : 0;
	case BOTH:
		return kill_both(keeper);
	default:
		return kill_process(find_child(dir, keeper, process_names[what]),
				    process_names[what]);
	}
}

static void sleep_us(uint64_t us)
{
	const struct timespec time = {.tv_sec = (time_t)(us / 1000000),
				      .tv_nsec = (long)(us % 1000000) * 1000};

	nanosleep(&time, NULL);
}

static int find_word(const char *word)
{
	for (int what = 0; what < WHATS; what++) {
		if (strcmp(word, words[what]) == 0)
			return what;
	}
	return -1;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 5 ? strtoul(argv[2], NULL, 10) : 0, killed[WHATS] = {0},
		      sum = 0;
	unsigned long min = argc > 5 ? strtoul(argv[3], NULL, 10) : 0;
	unsigned long max = argc > 5 ? strtoul(argv[4], NULL, 10) : 0;
	int64_t last = now_us();

	for (int i = 5; i < argc; i++) {
		if (find_word(argv[i]) < 0)
			count = 0;
	}
	if (count == 0 || max < min) {
		fprintf(stderr, "usage: killer DIR COUNT MIN MAX worker|standby|keeper|both...\n");
		return 2;
	}
	signal(SIGTERM, stop);
	printf("ready\n");
	fflush(stdout);
	srand((unsigned)getpid());
	while (!stopped && sum < count && now_us() - last < GUARD * INT64_C(1000000)) {
		int what = find_word(argv[5 + rand() % (argc - 5)]);
		int64_t when;

		sleep_us(min + (unsigned long)rand() % (max - min + 1));
		when = kill_one(argv[1], (enum what)what);
		if (when > 0) {
			printf("kill %s at_us=%lld\n", words[what], (long long)when);
			killed[what]++;
			sum++;
			last = now_us();
		}
	}
	for (int what = 0; what < WHATS; what++)
		printf("%s=%lu ", words[what], killed[what]);
	printf("kills=%lu\n", sum);
	return stopped || sum == count ? 0 : 1;
}
