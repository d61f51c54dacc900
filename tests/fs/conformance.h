/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance.h - the one suite that every file driver and model has to pass.
 *
 * A subject makes a fresh, empty fs; the suite holds it against the contract in fs/fs.h,
 * sentence by sentence. The tests are kept by theme in conformance_*.c and know nothing of
 * the driver but what the subject says it can do.
 */
#ifndef TESTS_FS_CONFORMANCE_H
#define TESTS_FS_CONFORMANCE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"
#include "fs/fs.h"
#include "tests/lib/test.h"

struct subject {
	const char *name;
	bool sets_owner; /* objects belong to whom they should, devices can be made */
	/* `dir` is an empty directory on the host, there to be used or not. */
	int (*make)(const char *dir, struct fs **fs);
};

/* Exit status as of test_main(). */
int conformance_run(int argc, char **argv, const struct subject *subject);

/* The tests of the suite, for who runs them one by one; they use the global `subject`. */
#define CONFORMANCE_TESTS_MAX 256
size_t conformance_tests(struct test all[CONFORMANCE_TESTS_MAX]);

/* ---- for the tests ---- */

extern const struct subject *subject;

#define OK(call) CU_ASSERT_EQUAL((call), 0)
#define FAILS(error, call) CU_ASSERT_EQUAL((call), -(error))

/* _world_ struct world w = world(); a fresh fs, gone at the end of the scope. */
struct world {
	char *dir;
	struct fs *fs;
	struct fs_node root;
};
struct world world(void);
void world_end(struct world *w);
#define _world_ __attribute__((cleanup(world_end)))

#define ANYBODY ((struct fs_cred){.uid = (uint32_t)-1, .gid = (uint32_t)-1})

/* Short hands. All assert that what they do works, and hand on what it gave. */
struct fs_node find(struct world *w, struct fs_node dir, const char *name);
struct fs_attr attr_of(struct world *w, struct fs_node node);
struct fs_attr attr_at(struct world *w, struct fs_node dir, const char *name);
struct fs_node make_dir(struct world *w, struct fs_node dir, const char *name);
struct fs_node make_file(struct world *w, struct fs_node dir, const char *name, const char *text);
struct fs_node make_link(struct world *w, struct fs_node dir, const char *name, const char *target);
struct fs_node make_special(struct world *w, struct fs_node dir, const char *name, uint32_t mode);
struct fs_file open_node(struct world *w, struct fs_node node, int flags);
void put(struct world *w, struct fs_node node);
void put_text(struct world *w, struct fs_file file, const char *text, uint64_t offset);
bool has_text(struct world *w, struct fs_file file, const char *text);
bool node_has_text(struct world *w, struct fs_node node, const char *text);

/* What a walk, open or create that must not work says; nothing stays pinned should it. */
int walk_error(struct world *w, struct fs_node dir, const char *name);
int open_error(struct world *w, struct fs_node node, int flags);
int create_error(struct world *w, struct fs_node dir, const char *name, int flags);

#define TESTS(list)                                                                                \
	extern const struct test list[];                                                           \
	extern const size_t list##_count
TESTS(tree_tests);
TESTS(file_tests);
TESTS(list_tests);
TESTS(attr_tests);
TESTS(xattr_tests);
TESTS(thread_tests);
TESTS(lock_tests);
TESTS(intent_tests);
TESTS(handle_tests);

#endif
