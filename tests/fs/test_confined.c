/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_confined.c - a share's files, in each model, pass the conformance suite behind all walls of
 * a worker.
 *
 * A process cannot leave a sandbox, so each test runs in one of its own, which puts the walls up
 * around the fs that the test makes. The host's paths are gone then; what is left in the
 * directory is removed out here.
 */
#include <stdio.h>
#include <sys/wait.h>

#include "fs/export.h"
#include "tests/fs/conformance.h"
#include "xen9pfsd/sandbox.h"

/* As a worker does it. A test makes one fs. */
static int make_confined(const char *dir, enum fs_model model, struct fs **fs)
{
	const struct fs_export choice = {.model = model, .special = FS_SPECIAL_NODES};
	char err[128] = "", moved[4096];
	_cleanup_close_ int host = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int export = sandbox_mount(host, false, false);
	struct sandbox sandbox = {
		.export = export >= 0 ? export : host,
		.capabilities = fs_export_capabilities(&choice),
	};
	int ret;

	/* Where paths still lead somewhere, the test must not find it in order to clean up: that
	 * takes system calls which no worker needs. */
	snprintf(moved, sizeof(moved), "%s.moved", dir);
	ret = rename(dir, moved) < 0 ? -errno : sandbox_enter(&sandbox, err, sizeof(err));
	if (ret == 0)
		ret = sandbox_close(&sandbox, err, sizeof(err));
	if (ret == 0)
		ret = fs_export_open(&choice, sandbox.export, NULL, fs, err, sizeof(err));
	if (ret == 0)
		ret = sandbox_lock(&sandbox, err, sizeof(err));
	if (ret < 0)
		printf("%s\n", err);
	cleanup_close(&export);
	return ret;
}

static int make_none(const char *dir, struct fs **fs)
{
	return make_confined(dir, FS_MODEL_NONE, fs);
}

static int make_passthrough(const char *dir, struct fs **fs)
{
	return make_confined(dir, FS_MODEL_PASSTHROUGH, fs);
}

static int make_mapped_xattr(const char *dir, struct fs **fs)
{
	return make_confined(dir, FS_MODEL_MAPPED_XATTR, fs);
}

static int make_mapped_file(const char *dir, struct fs **fs)
{
	return make_confined(dir, FS_MODEL_MAPPED_FILE, fs);
}

/* Returns the status as of test_main(); a signal is a failure. */
static int run_alone(const struct test *test)
{
	char program[] = "test_confined", *argv[] = {program, NULL}, *dir = test_tmpdir();
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("TMPDIR", dir, 1);
		exit(test_main(1, argv, subject->name, test, 1));
	}
	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		printf("FAIL %s/%s: %s\n", subject->name, test->name, strsignal(WTERMSIG(status)));
	test_rmtree(dir);
	free(dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* A lost session is found again before the last wall is up: behind it that is a forbidden call. */
static bool restores(const struct test *test)
{
	for (size_t i = 0; i < handle_tests_count; i++) {
		if (strcmp(test->name, handle_tests[i].name) == 0)
			return true;
	}
	return false;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strstr(name, argv[i]) != NULL)
			return true;
	}
	return argc < 2;
}

int main(int argc, char **argv)
{
	const bool root = geteuid() == 0;
	const struct subject subjects[] = {
		{"confined-none", root, make_none},
		{"confined-mapped-xattr", true, make_mapped_xattr},
		{"confined-mapped-file", true, make_mapped_file},
		{"confined-passthrough", true, make_passthrough},
	};
	struct test tests[CONFORMANCE_TESTS_MAX];
	size_t count = conformance_tests(tests);
	bool failed = false;

	/* Without the rights, those that need none. */
	for (size_t s = 0; s < countof(subjects) - (root ? 0 : 1); s++) {
		subject = &subjects[s];
		for (size_t i = 0; i < count; i++) {
			if (!restores(&tests[i]) && wanted(tests[i].name, argc, argv))
				failed |= run_alone(&tests[i]) == 1;
		}
	}
	return failed;
}
