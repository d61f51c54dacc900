/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_conformance.c - the subjects of the conformance suite: every driver and model.
 */
#include "tests/fs/conformance.h"

#include <stdio.h>

#include "fs/layer.h"

static char err[128]; /* why the last fs could not be made */

static int make_mem(const char *dir, struct fs **fs)
{
	(void)dir;
	return fs_mem_create(fs, err, sizeof(err));
}

/* A layer that changes nothing. */
static int make_layer(const char *dir, struct fs **fs)
{
	static const struct fs_ops none = {.name = "layer"};
	struct fs_layer *layer = calloc(1, sizeof(*layer));
	struct fs *below;
	int ret = make_mem(dir, &below);

	if (ret == 0) {
		layer_init(layer, below, &none);
		*fs = &layer->fs;
	} else {
		free(layer);
	}
	return ret;
}

static int make_local(const char *dir, enum fs_model model, struct fs **fs)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = fs_local_create(fd, model, fs, err, sizeof(err));

	cleanup_close(&fd);
	return ret;
}

static int make_local_none(const char *dir, struct fs **fs)
{
	return make_local(dir, FS_MODEL_NONE, fs);
}

static int make_local_passthrough(const char *dir, struct fs **fs)
{
	return make_local(dir, FS_MODEL_PASSTHROUGH, fs);
}

/* Not without the rights, nor where openat2(2) is missing (valgrind before 3.21). */
static bool can_make(const struct subject *which)
{
	char *dir = test_tmpdir();
	struct fs *fs = NULL;
	int ret = which->make(dir, &fs);

	fs_destroy(fs);
	test_rmtree(dir);
	free(dir);
	return ret != -EPERM && ret != -ENOSYS;
}

static bool run(int argc, char **argv, const struct subject *subjects, size_t count)
{
	bool failed = false;

	for (size_t i = 0; i < count; i++) {
		if (can_make(&subjects[i]))
			failed |= conformance_run(argc, argv, &subjects[i]) == 1;
		else
			printf("skip %s: %s\n", subjects[i].name, err);
	}
	return failed;
}

/* Root runs them once more as a user without rights. */
int main(int argc, char **argv)
{
	const bool root = geteuid() == 0;
	const struct subject subjects[] = {
		{"mem", true, make_mem},
		{"layer", true, make_layer},
		{"local-none", root, make_local_none},
		{"local-passthrough", true, make_local_passthrough},
	};
	const struct subject ordinary[] = {
		{"ordinary-local-none", false, make_local_none},
	};
	bool failed = run(argc, argv, subjects, countof(subjects));

	if (root && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0)
		failed |= run(argc, argv, ordinary, countof(ordinary));
	return failed;
}
