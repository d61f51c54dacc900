/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_conformance.c - the subjects of the conformance suite: every driver and model.
 */
#include "tests/fs/conformance.h"

#include <stdio.h>

#include "fs/export.h"
#include "fs/layer.h"
#include "fs/space.h"
#include "fs/synth.h"

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

static int limit(int ret, const struct fs_space_limits *limits, struct fs **fs)
{
	return ret ? ret : fs_space_create(*fs, limits, fs, err, sizeof(err));
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

static int make_export(const char *dir, const struct fs_export *export, struct fs **fs)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int ret = fs_export_open(export, fd, NULL, fs, err, sizeof(err));

	cleanup_close(&fd);
	return ret;
}

static int make_passthrough(const char *dir, struct fs **fs)
{
	return make_export(dir, &(struct fs_export){.model = FS_MODEL_PASSTHROUGH}, fs);
}

static int make_mapped_xattr(const char *dir, struct fs **fs)
{
	return make_export(dir, &(struct fs_export){.model = FS_MODEL_MAPPED_XATTR}, fs);
}

static int make_mapped_file(const char *dir, struct fs **fs)
{
	return make_export(dir, &(struct fs_export){.model = FS_MODEL_MAPPED_FILE}, fs);
}

/* What is the guest's 1 is the host's 100000, up to 65535; 0 becomes 100000, too, and what comes
 * after that stays. */
static int make_idmap(const char *dir, struct fs **fs)
{
	const struct fs_id_range map = {FS_ID_MAP, 0, 100000, 65536};

	return make_export(
		dir,
		&(struct fs_export){.model = FS_MODEL_PASSTHROUGH, .uids = {map}, .gids = {map}},
		fs);
}

static int make_squash(const char *dir, struct fs **fs)
{
	return make_export(dir,
			   &(struct fs_export){.model = FS_MODEL_PASSTHROUGH,
					       .squash = true,
					       .squash_uid = 1000,
					       .squash_gid = 1001},
			   fs);
}

/* Everything that is not as without a choice, and fits together. */
static int make_choosy(const char *dir, struct fs **fs)
{
	const struct fs_id_range map = {FS_ID_MAP, 0, 100000, 65536};

	return make_export(dir,
			   &(struct fs_export){.model = FS_MODEL_MAPPED_XATTR,
					       .fmode = 0640,
					       .dmode = 0750,
					       .uids = {map},
					       .gids = {map},
					       .mounts = FS_MOUNTS_HIDE,
					       .xattr_user = FS_XATTR_PREFIX,
					       .xattr_security = FS_XATTR_DENY},
			   fs);
}

/* Limits that nothing here comes near to; sparse files may be as long as they like. */
static const struct fs_space_limits generous = {
	.space = 1 << 20,
	.files = 1000000,
	.open_files = 10000,
	.auto_delete = true,
};

static int make_mem_limited(const char *dir, struct fs **fs)
{
	return limit(make_mem(dir, fs), &generous, fs);
}

static int make_local_limited(const char *dir, struct fs **fs)
{
	return limit(make_local_none(dir, fs), &generous, fs);
}

static int make_local_unlimited(const char *dir, struct fs **fs)
{
	const struct fs_space_limits none = {.space = 0};

	return limit(make_local_none(dir, fs), &none, fs);
}

/* But for reads, so that those that must not sleep find what they want, too. */
static int make_synth(const char *dir, struct fs **fs)
{
	struct synth_delays delays;
	int ret = synth_parse("all=20us,read=0us", &delays, err, sizeof(err));

	if (ret == 0)
		ret = make_mem(dir, fs);
	return ret < 0 ? ret : synth_wrap(fs, &delays, err, sizeof(err));
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
		{"synth", true, make_synth},
		{"local-none", root, make_local_none},
		{"local-passthrough", true, make_local_passthrough},
		{"export-passthrough", true, make_passthrough},
		{"mapped-xattr", true, make_mapped_xattr},
		{"mapped-file", true, make_mapped_file},
		{"idmap", true, make_idmap},
		{"squash", false, make_squash},
		{"choosy", true, make_choosy},
		{"space-mem", true, make_mem_limited},
		{"space-local", root, make_local_limited},
		{"space-none", root, make_local_unlimited},
	};
	const struct subject ordinary[] = {
		{"ordinary-local-none", false, make_local_none},
		{"ordinary-mapped-xattr", true, make_mapped_xattr},
		{"ordinary-mapped-file", true, make_mapped_file},
	};
	bool failed = run(argc, argv, subjects, countof(subjects));

	if (root && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0)
		failed |= run(argc, argv, ordinary, countof(ordinary));
	return failed;
}
