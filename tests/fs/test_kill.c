/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_kill.c - a process that changes files is killed again and again, and its successor goes on.
 *
 * The processes walk through an endless list of steps, each a call with an intent of its own. Where
 * they are and the intents lie in shared memory, as in the daemon: what a process did and did not
 * get to note is up to the moment of its death. Every step has to succeed, and to have happened
 * exactly once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "common/util.h"
#include "fs/export.h"
#include "tests/lib/test.h"

#define KILLS 400
#define STEPS (1U << 20)  /* more than can be done in the time */
#define LIFE_MAX 3000	  /* microseconds from a process's first step to its death */
#define LINE 20000	  /* bytes of an append: several pages, so that it can be cut */
#define LOG_MAX (8 << 20) /* then the log is looked through and cut off */
#define SOMEBODY ((struct fs_cred){.uid = 1234, .gid = 5678})

/* What outlives the processes. */
struct arena {
	uint32_t step;	/* next to do */
	uint32_t lives; /* processes that got to work */
	int32_t fault;	/* what a step that failed answered */
	bool has_xattrs;
	struct fs_intent intents[STEPS];
};

static enum fs_model model;

/* A process. */
struct worker {
	struct fs *fs;
	struct fs_node root;
	struct fs_file log;
	struct arena *arena;
};

/* ---- the steps ---- */

/* What was made by halves would be the server's. */
static int check_whole(struct worker *w, const char *name, uint32_t mode,
		       const struct fs_intent *intent)
{
	struct fs_attr attr;
	int ret = fs_lookup(w->fs, w->root, name, &attr);

	if (fs_intent_begun(intent))
		return 0;
	if (ret == 0 && attr.mode != mode)
		return -EPERM;
	if (ret == 0 && model != FS_MODEL_NONE && (attr.uid != 1234 || attr.gid != 5678))
		return -EOWNERDEAD;
	return ret;
}

typedef int step_call(struct worker *w, uint32_t step, struct fs_intent *intent);

static int step_mkdir(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_attr attr;

	(void)step;
	return fs_mkdir(w->fs, w->root, "dir", 03755, SOMEBODY, &attr, intent);
}

static int step_create(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_node node;
	struct fs_file file;
	struct fs_attr attr;
	int ret = fs_create(w->fs, w->root, "file", O_RDWR | O_EXCL, 0644, SOMEBODY, &node, &file,
			    &attr, intent);

	(void)step;
	fs_close(w->fs, file);
	fs_forget(w->fs, node);
	return ret;
}

static int step_append(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	char line[LINE];
	ssize_t n;

	memset(line, 'a' + (char)(step % 26), sizeof(line));
	snprintf(line, sizeof(line), "%u", step);
	n = fs_write(w->fs, w->log, line, sizeof(line), 0, intent);
	return n < 0 || n == LINE ? (n < 0 ? (int)n : 0) : -EIO;
}

static int step_link(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_node file;
	struct fs_attr attr;
	int ret = fs_walk(w->fs, w->root, "file", &file, &attr);

	(void)step;
	if (ret == 0)
		ret = fs_link(w->fs, file, w->root, "link", intent);
	fs_forget(w->fs, file);
	return ret;
}

static int step_rename(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_node dir;
	struct fs_attr attr;
	int ret = fs_walk(w->fs, w->root, "dir", &dir, &attr);

	(void)step;
	if (ret == 0)
		ret = fs_rename(w->fs, w->root, "file", dir, "moved", intent);
	fs_forget(w->fs, dir);
	return ret;
}

static int step_rename_back(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_node dir;
	struct fs_attr attr;
	int ret = fs_walk(w->fs, w->root, "dir", &dir, &attr);

	(void)step;
	if (ret == 0)
		ret = fs_rename(w->fs, dir, "moved", w->root, "file", intent);
	fs_forget(w->fs, dir);
	return ret;
}

static int step_symlink(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_attr attr;
	char target[32];

	snprintf(target, sizeof(target), "%u", step);
	return fs_symlink(w->fs, w->root, "symlink", target, SOMEBODY, &attr, intent);
}

static int step_mknod(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	struct fs_attr attr;

	(void)step;
	return fs_mknod(w->fs, w->root, "fifo", S_IFIFO | 0644, 0, 0, SOMEBODY, &attr, intent);
}

static int step_setxattr(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	(void)step;
	if (!w->arena->has_xattrs)
		return 0;
	return fs_setxattr(w->fs, w->root, "user.a", "value", 5, XATTR_CREATE, intent);
}

static int step_removexattr(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	(void)step;
	return w->arena->has_xattrs ? fs_removexattr(w->fs, w->root, "user.a", intent) : 0;
}

static int step_rmdir(struct worker *w, uint32_t step, struct fs_intent *intent)
{
	int ret = check_whole(w, "dir", S_IFDIR | 03755, intent);

	(void)step;
	return ret ? ret : fs_unlink(w->fs, w->root, "dir", true, intent);
}

#define UNLINK(name, mode)                                                                         \
	static int step_unlink_##name(struct worker *w, uint32_t step, struct fs_intent *intent)   \
	{                                                                                          \
		int ret = check_whole(w, #name, mode, intent);                                     \
                                                                                                   \
		(void)step;                                                                        \
		return ret ? ret : fs_unlink(w->fs, w->root, #name, false, intent);                \
	}
UNLINK(file, S_IFREG | 0644)
UNLINK(link, S_IFREG | 0644)
UNLINK(symlink, S_IFLNK | 0777)
UNLINK(fifo, S_IFIFO | 0644)

/* A round ends as it began, so every step of it succeeds once and not twice. */
static step_call *const steps[] = {
	step_mkdir,	  step_create,	    step_append,	 step_link,
	step_rename,	  step_symlink,	    step_mknod,		 step_setxattr,
	step_rename_back, step_unlink_file, step_append,	 step_unlink_link,
	step_unlink_fifo, step_removexattr, step_unlink_symlink, step_rmdir,
};

/* ---- a process ---- */

static int worker_start(struct worker *w, const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct fs_node node;
	struct fs_attr attr;
	char err[128];
	int ret = fs_export_open(&(struct fs_export){.model = model}, fd, NULL, &w->fs, err,
				 sizeof(err));

	if (ret == 0)
		ret = fs_root(w->fs, &w->root, &attr);
	if (ret == 0)
		ret = fs_walk(w->fs, w->root, "log", &node, &attr);
	return ret ? ret : fs_open(w->fs, node, O_WRONLY | O_APPEND, &w->log);
}

/* Each intent is used once, so that one store ends a step: the number of the next. */
static void worker_run(struct arena *arena, const char *dir)
{
	struct worker w = {.arena = arena};
	int ret = worker_start(&w, dir);

	__atomic_add_fetch(&arena->lives, 1, __ATOMIC_RELEASE);
	while (ret == 0 && arena->step < STEPS) {
		uint32_t step = arena->step;

		ret = steps[step % countof(steps)](&w, step, &arena->intents[step]);
		if (ret == 0)
			__atomic_store_n(&arena->step, step + 1, __ATOMIC_RELEASE);
	}
	arena->fault = ret;
	_exit(1);
}

static bool run_and_kill(struct arena *arena, const char *dir, unsigned *seed)
{
	uint32_t lives = arena->lives;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		worker_run(arena, dir);
	while (__atomic_load_n(&arena->lives, __ATOMIC_ACQUIRE) == lives)
		usleep(50);
	usleep((unsigned)rand_r(seed) % LIFE_MAX);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---- what is to be found ---- */

/* The lines of steps `*first` and following, each once; true when they are all whole. The last may
 * be cut where the process died in it. */
static bool log_is_whole(int fd, uint32_t *first, const struct arena *arena)
{
	char line[LINE], expected[LINE];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, line, LINE, at)) > 0; at += LINE) {
		while (steps[*first % countof(steps)] != step_append)
			++*first;
		memset(expected, 'a' + (char)(*first % 26), sizeof(expected));
		snprintf(expected, sizeof(expected), "%u", *first);
		CU_ASSERT_FATAL(memcmp(line, expected, (size_t)n) == 0);
		CU_ASSERT_FATAL(n == LINE ? *first <= arena->step : *first == arena->step);
		if (n < LINE)
			return false;
		++*first;
	}
	return true;
}

static void look_at_log(int fd, uint32_t *first, const struct arena *arena, bool last)
{
	uint32_t from = *first;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(fstat(fd, &st), 0);
	if (!last && st.st_size < LOG_MAX)
		return;
	/* An append under way needs the end of the file that it noted. */
	if (!log_is_whole(fd, first, arena) || steps[arena->step % countof(steps)] == step_append)
		*first = from;
	else
		CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
}

static bool keeps_xattrs(const char *dir)
{
	return setxattr(dir, "user.probe", "", 0, 0) == 0 && removexattr(dir, "user.probe") == 0;
}

static void every_step_happens_once_in(enum fs_model which)
{
	char *dir = test_tmpdir(), *path;
	struct arena *arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	unsigned seed = 1, phases[FS_INTENT_DONE + 1] = {0};
	uint32_t first = 0;
	int fd;

	model = which;
	CU_ASSERT_FATAL(arena != MAP_FAILED);
	CU_ASSERT_FATAL(asprintf(&path, "%s/log", dir) > 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	arena->has_xattrs = keeps_xattrs(dir);
	for (int i = 0; i < KILLS && arena->step < STEPS; i++) {
		bool killed = run_and_kill(arena, dir, &seed);

		if (!killed)
			printf("    step %u: %s\n", arena->step, strerror(-arena->fault));
		CU_ASSERT_FATAL(killed);
		phases[arena->intents[arena->step].phase]++;
		look_at_log(fd, &first, arena, i == KILLS - 1);
	}
	printf("    %u steps; %u deaths before a call, %u in it, %u after it\n", arena->step,
	       phases[FS_INTENT_NEW], phases[FS_INTENT_BEGUN], phases[FS_INTENT_DONE]);
	CU_ASSERT(phases[FS_INTENT_BEGUN] > 0);
	close(fd);
	munmap(arena, sizeof(*arena));
	test_rmtree(dir);
	free(path);
	free(dir);
}

static void every_step_happens_once(void)
{
	every_step_happens_once_in(FS_MODEL_NONE);
}

static void every_step_happens_once_mapped_to_attributes(void)
{
	every_step_happens_once_in(FS_MODEL_MAPPED_XATTR);
}

static void every_step_happens_once_mapped_to_files(void)
{
	every_step_happens_once_in(FS_MODEL_MAPPED_FILE);
}

static const struct test tests[] = {
	{"every_step_happens_once", every_step_happens_once},
	{"every_step_happens_once_mapped_to_attributes",
	 every_step_happens_once_mapped_to_attributes},
	{"every_step_happens_once_mapped_to_files", every_step_happens_once_mapped_to_files},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "kill", tests, countof(tests));
}
