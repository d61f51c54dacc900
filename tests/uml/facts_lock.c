/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts_lock.c - locks between processes: fcntl(2)'s of a process and of an open file, flock(2)'s.
 */
#include "tests/uml/facts.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int open_file(int flags)
{
	int fd = open("locked", flags | O_CREAT | O_CLOEXEC, 0666);

	need(fd);
	return fd;
}

static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock l = {.l_type = type, .l_start = start, .l_len = length};

	return fcntl(fd, command, &l);
}

/* What would be in the way of a child's lock. */
static void ask_getlk(const char *name, short type, off_t start, off_t length)
{
	struct flock l = {.l_type = type, .l_start = start, .l_len = length};
	pid_t parent = getpid(), child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		int ret = fcntl(open_file(O_RDWR), F_GETLK, &l);

		if (ret < 0)
			fact(name, "%s", outcome(ret));
		else if (l.l_type == F_UNLCK)
			fact(name, "free");
		else
			fact(name, "%s %ld+%ld, %s", l.l_type == F_RDLCK ? "read" : "write",
			     (long)l.l_start, (long)l.l_len,
			     l.l_pid == parent ? "the parent" : "another");
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void between_processes(void)
{
	static const short types[] = {F_RDLCK, F_WRLCK};
	static const char *const names[] = {"read", "write"};
	static const struct {
		off_t start, length;
	} ranges[] = {{0, 10}, {9, 1}, {10, 10}, {20, 0}, {5, 0}, {100, 1}, {0, 0}};
	int fd = open_file(O_RDWR);

	for (int mine = 0; mine < 2; mine++) {
		need(lock(fd, F_SETLK, types[mine], 0, 10));
		need(lock(fd, F_SETLK, types[mine], 50, 0));
		for (int theirs = 0; theirs < 2; theirs++) {
			for (size_t i = 0; i < countof(ranges); i++) {
				const char *what =
					text("%s against %s at %ld+%ld", names[theirs], names[mine],
					     (long)ranges[i].start, (long)ranges[i].length);

				ask(text("lock: %s", what),
				    IN_CHILD(lock(open_file(O_RDWR), F_SETLK, types[theirs],
						  ranges[i].start, ranges[i].length)));
				ask_getlk(text("in the way: %s", what), types[theirs],
					  ranges[i].start, ranges[i].length);
			}
		}
		need(lock(fd, F_SETLK, F_UNLCK, 0, 0));
		ask(text("after unlocking %s", names[mine]),
		    IN_CHILD(lock(open_file(O_RDWR), F_SETLK, F_WRLCK, 0, 0)));
	}
	close(fd);
}

static void of_one_process(void)
{
	int fd = open_file(O_RDWR), other = open_file(O_RDWR), readonly, writeonly;

	ask("lock twice", lock(fd, F_SETLK, F_WRLCK, 0, 100));
	ask("through another descriptor", lock(other, F_SETLK, F_WRLCK, 50, 100));
	ask("downgrade a part", lock(fd, F_SETLK, F_RDLCK, 20, 10));
	ask_getlk("a part that is downgraded", F_WRLCK, 20, 5);
	ask_getlk("a part that is not", F_RDLCK, 0, 0);
	ask("unlock a part", lock(fd, F_SETLK, F_UNLCK, 40, 20));
	ask_getlk("the part", F_WRLCK, 40, 20);
	ask_getlk("behind it", F_WRLCK, 60, 1);
	ask("a child has none of it", IN_CHILD(lock(fd, F_SETLK, F_WRLCK, 0, 10)));
	close(other);
	ask_getlk("after a close of another descriptor", F_WRLCK, 0, 0);
	need(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	readonly = open_file(O_RDONLY);
	ask("a write lock on what is read", lock(readonly, F_SETLK, F_WRLCK, 0, 1));
	ask("a read lock on what is read", lock(readonly, F_SETLK, F_RDLCK, 0, 1));
	writeonly = open_file(O_WRONLY);
	ask("a read lock on what is written", lock(writeonly, F_SETLK, F_RDLCK, 0, 1));
	ask("a bad range", lock(fd, F_SETLK, F_WRLCK, -1, 1));
	ask("a bad length", lock(fd, F_SETLK, F_WRLCK, 5, -10));
	ask("a length backwards", lock(fd, F_SETLK, F_WRLCK, 50, -10));
	ask("a range to the end of all", lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 1));
	ask("a range over the end of all", lock(fd, F_SETLK, F_WRLCK, INT64_MAX, 2));
	ask("a bad type", lock(fd, F_SETLK, 77, 0, 1));
	close(readonly);
	close(writeonly);
	close(fd);
	ask_getlk("after all", F_WRLCK, 0, 0);
}

/* A child that holds a lock until it is killed. */
static pid_t holder(short type, off_t start, off_t length)
{
	int told[2];
	pid_t child;
	char byte;

	need(pipe2(told, O_CLOEXEC));
	fflush(stdout);
	child = fork();
	if (child == 0) {
		need(lock(open_file(O_RDWR), F_SETLK, type, start, length));
		need(write(told[1], "h", 1));
		for (;;)
			pause();
	}
	need(read(told[0], &byte, 1));
	close(told[0]);
	close(told[1]);
	return child;
}

static void end_holder(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void ignore(int number)
{
	(void)number;
}

static void waiting(void)
{
	int told[2], fd = open_file(O_RDWR);
	struct sigaction action = {.sa_handler = ignore};
	pid_t child = holder(F_WRLCK, 0, 10), waiter;
	int status;
	char byte;

	ask("held by another", lock(fd, F_SETLK, F_RDLCK, 5, 1));
	/* one that waits gets it when the holder ends */
	waiter = fork();
	if (waiter == 0)
		_exit(lock(open_file(O_RDWR), F_SETLKW, F_WRLCK, 0, 10) < 0);
	end_holder(child);
	waitpid(waiter, &status, 0);
	fact("waited for a lock", "%d", WEXITSTATUS(status));
	/* one that is killed while it waits leaves nothing */
	child = holder(F_WRLCK, 0, 10);
	need(pipe2(told, O_CLOEXEC));
	waiter = fork();
	if (waiter == 0) {
		need(write(told[1], "w", 1));
		_exit(lock(open_file(O_RDWR), F_SETLKW, F_WRLCK, 0, 10) < 0);
	}
	need(read(told[0], &byte, 1));
	kill(waiter, SIGKILL);
	waitpid(waiter, &status, 0);
	fact("killed while it waits", "%d", WTERMSIG(status));
	end_holder(child);
	ask("the lock then", lock(fd, F_SETLK, F_WRLCK, 0, 10));
	need(lock(fd, F_SETLK, F_UNLCK, 0, 10));
	/* a signal ends a wait: told again until it has arrived in it */
	child = holder(F_WRLCK, 0, 10);
	waiter = fork();
	if (waiter == 0) {
		sigaction(SIGUSR1, &action, NULL);
		need(write(told[1], "w", 1));
		_exit(lock(fd, F_SETLKW, F_WRLCK, 0, 10) < 0 ? errno : 0);
	}
	need(read(told[0], &byte, 1));
	while (waitpid(waiter, &status, WNOHANG) == 0) {
		kill(waiter, SIGUSR1);
		usleep(10000);
	}
	fact("a signal ends a wait", "%s", strerrorname_np(WEXITSTATUS(status)));
	/* each holds what the other wants */
	need(lock(fd, F_SETLK, F_WRLCK, 20, 10));
	fflush(stdout);
	waiter = fork();
	if (waiter == 0) {
		int own = open_file(O_RDWR);

		need(lock(own, F_SETLK, F_WRLCK, 40, 10));
		need(write(told[1], "w", 1));
		if (lock(own, F_SETLKW, F_WRLCK, 20, 10) == 0)
			_exit(0);
		_exit(errno == EDEADLK ? 1 : 2);
	}
	need(read(told[0], &byte, 1));
	status = lock(fd, F_SETLKW, F_WRLCK, 40, 10);
	byte = status < 0 ? errno == EDEADLK : 0;
	need(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	waitpid(waiter, &status, 0);
	fact("a deadlock is seen", "%d", byte + WEXITSTATUS(status));
	end_holder(child);
	close(fd);
}

static void of_open_files(void)
{
	int fd = open_file(O_RDWR), other = open_file(O_RDWR), copy = dup(fd);

	ask("OFD: lock", lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	ask("OFD: another open file", lock(other, F_OFD_SETLK, F_WRLCK, 5, 1));
	ask("OFD: a process's lock", lock(other, F_SETLK, F_RDLCK, 5, 1));
	ask("OFD: a copy of the descriptor", lock(copy, F_OFD_SETLK, F_RDLCK, 0, 5));
	ask("OFD: a child has it, too", IN_CHILD(lock(fd, F_OFD_SETLK, F_WRLCK, 5, 5)));
	close(copy);
	ask("OFD: after a copy is closed", lock(other, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(fd);
	ask("OFD: after the last is closed", lock(other, F_OFD_SETLK, F_WRLCK, 0, 10));
	close(other);
}

static void whole_files(void)
{
	int fd = open_file(O_RDWR), other = open_file(O_RDONLY), copy = dup(fd);
	pid_t child;

	ask("flock: exclusive", flock(fd, LOCK_EX | LOCK_NB));
	ask("flock: another open file", flock(other, LOCK_SH | LOCK_NB));
	ask("flock: a copy of the descriptor", flock(copy, LOCK_EX | LOCK_NB));
	ask("flock: to shared", flock(fd, LOCK_SH));
	ask("flock: both share", flock(other, LOCK_SH | LOCK_NB));
	ask("flock: to exclusive", flock(fd, LOCK_EX | LOCK_NB));
	ask("flock: lost by trying", flock(other, LOCK_EX | LOCK_NB));
	ask("flock: unlock", flock(fd, LOCK_UN));
	ask("flock: exclusive on what is read", flock(other, LOCK_EX | LOCK_NB));
	ask("flock: by a child", IN_CHILD(flock(open_file(O_RDWR), LOCK_SH | LOCK_NB)));
	ask("flock: by a child, inherited", IN_CHILD(flock(other, LOCK_SH | LOCK_NB)));
	ask("flock: unlock by a child", IN_CHILD(flock(other, LOCK_UN)));
	ask("flock: free then", flock(fd, LOCK_EX | LOCK_NB));
	ask("flock: a process's lock beside it", lock(other, F_SETLK, F_RDLCK, 0, 0));
	close(copy);
	close(fd);
	child = holder(F_WRLCK, 0, 0);
	ask("flock: where another process has a lock", flock(other, LOCK_EX | LOCK_NB));
	end_holder(child);
	close(other);
	fd = open(".", O_RDONLY | O_DIRECTORY);
	ask("flock: a directory", flock(fd, LOCK_EX | LOCK_NB));
	ask("flock: a directory twice",
	    flock(open(".", O_RDONLY | O_DIRECTORY), LOCK_EX | LOCK_NB));
	close(fd);
	ask("flock: no operation", flock(open_file(O_RDWR), 0));
}

void lock_facts(void)
{
	between_processes();
	of_one_process();
	waiting();
	of_open_files();
	whole_files();
}
