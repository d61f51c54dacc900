/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * conformance_intent.c - calls made a second time, after a death at each stage of the first.
 *
 * What a dead process leaves is made by hand: an intent put back to "begun" after the call had its
 * effect, one that has begun without any, one that is done, and one that has begun for nobody.
 */
#include <stdio.h>
#include <sys/xattr.h>
#include <time.h>

#include "tests/fs/conformance.h"

/* Whatever the clock of file times is, it has moved on. */
static void wait_for_clock(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static struct fs_intent begun(const struct fs_intent *intent)
{
	struct fs_intent back = *intent;

	CU_ASSERT_EQUAL(intent->phase, FS_INTENT_DONE);
	back.phase = FS_INTENT_BEGUN;
	back.result = 0;
	return back;
}

/* ---- making ---- */

typedef int make_call(struct world *w, struct fs_node dir, const char *name, struct fs_attr *attr,
		      struct fs_intent *intent);

static int call_mkdir(struct world *w, struct fs_node dir, const char *name, struct fs_attr *attr,
		      struct fs_intent *intent)
{
	return fs_mkdir(w->fs, dir, name, 0755, ANYBODY, attr, intent);
}

static int call_symlink(struct world *w, struct fs_node dir, const char *name, struct fs_attr *attr,
			struct fs_intent *intent)
{
	return fs_symlink(w->fs, dir, name, "target", ANYBODY, attr, intent);
}

static int call_mknod(struct world *w, struct fs_node dir, const char *name, struct fs_attr *attr,
		      struct fs_intent *intent)
{
	return fs_mknod(w->fs, dir, name, S_IFIFO | 0644, 0, 0, ANYBODY, attr, intent);
}

static int call_create(struct world *w, struct fs_node dir, const char *name, struct fs_attr *attr,
		       struct fs_intent *intent)
{
	struct fs_node node;
	struct fs_file file;
	int ret = fs_create(w->fs, dir, name, O_RDWR | O_EXCL | O_TRUNC, 0644, ANYBODY, &node,
			    &file, attr, intent);

	if (ret == 0)
		CU_ASSERT_EQUAL(file.flags, O_RDWR);
	fs_close(w->fs, file);
	fs_forget(w->fs, node);
	return ret;
}

static make_call *const makers[] = {call_mkdir, call_symlink, call_mknod, call_create};

static void take_away(struct world *w, const char *name, const struct fs_attr *attr)
{
	OK(fs_unlink(w->fs, w->root, name, S_ISDIR(attr->mode), NULL));
}

static void a_new_name_is_made_once(void)
{
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(makers); i++) {
		struct fs_intent intent = {0}, left;
		struct fs_attr first, again;

		OK(makers[i](&w, w.root, "new", &first, &intent));
		CU_ASSERT(fs_intent_begun(&intent));
		CU_ASSERT_EQUAL(first.path, attr_at(&w, w.root, "new").path);
		left = begun(&intent);
		OK(makers[i](&w, w.root, "new", &again, &left));
		CU_ASSERT_EQUAL(left.phase, FS_INTENT_DONE);
		CU_ASSERT_EQUAL(again.path, first.path);
		OK(makers[i](&w, w.root, "new", &again, &intent));
		CU_ASSERT_EQUAL(again.path, first.path);
		CU_ASSERT_EQUAL(again.mode, first.mode);
		CU_ASSERT_EQUAL(again.blksize, first.blksize);
		take_away(&w, "new", &first);
	}
}

static void a_new_name_is_made_when_the_first_try_did_not(void)
{
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(makers); i++) {
		struct fs_intent intent = {.phase = FS_INTENT_BEGUN};
		struct fs_attr attr;

		OK(makers[i](&w, w.root, "new", &attr, &intent));
		CU_ASSERT_EQUAL(intent.phase, FS_INTENT_DONE);
		CU_ASSERT_EQUAL(attr.path, attr_at(&w, w.root, "new").path);
		take_away(&w, "new", &attr);
	}
}

static void a_name_that_was_there_before_is_refused(void)
{
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(makers); i++) {
		struct fs_intent intent = {0};
		struct fs_attr attr, unused;

		OK(makers[i](&w, w.root, "old", &attr, NULL));
		for (size_t j = 0; j < countof(makers); j++) {
			FAILS(EEXIST, makers[j](&w, w.root, "old", &unused, &intent));
			CU_ASSERT_FALSE(fs_intent_begun(&intent));
		}
		CU_ASSERT_EQUAL(attr.path, attr_at(&w, w.root, "old").path);
		take_away(&w, "old", &attr);
	}
}

static void what_cannot_be_ours_is_refused(void)
{
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(makers); i++) {
		struct fs_attr attr, unused;

		OK(makers[i](&w, w.root, "other", &attr, NULL));
		for (size_t j = 0; j < countof(makers); j++) {
			struct fs_intent intent = {.phase = FS_INTENT_BEGUN};

			if (j != i)
				FAILS(EEXIST, makers[j](&w, w.root, "other", &unused, &intent));
		}
		take_away(&w, "other", &attr);
	}
	put(&w, make_link(&w, w.root, "lock", "somebody"));
	for (size_t i = 0; i < 2; i++) {
		const char *targets[] = {"somebod", "somebody else"};
		struct fs_intent intent = {.phase = FS_INTENT_BEGUN};
		struct fs_attr attr;

		FAILS(EEXIST,
		      fs_symlink(w.fs, w.root, "lock", targets[i], ANYBODY, &attr, &intent));
	}
}

static void an_answer_does_not_change(void)
{
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(makers); i++) {
		bool opens = makers[i] == call_create;
		struct fs_node dir = make_dir(&w, w.root, "dir");
		struct fs_intent intent = {0}, failed = {0};
		struct fs_attr attr, again = {0};

		OK(makers[i](&w, w.root, "new", &attr, &intent));
		take_away(&w, "new", &attr);
		wait_for_clock();
		CU_ASSERT_EQUAL(makers[i](&w, w.root, "new", &again, &intent), opens ? -ESTALE : 0);
		FAILS(ENOENT, walk_error(&w, w.root, "new"));
		put(&w, make_file(&w, w.root, "new", "of another"));
		CU_ASSERT_EQUAL(makers[i](&w, w.root, "new", &again, &intent), opens ? -ESTALE : 0);
		if (!opens) {
			CU_ASSERT_EQUAL(again.path, attr.path);
			CU_ASSERT_EQUAL(again.version, attr.version);
			CU_ASSERT_EQUAL(again.mode, attr.mode);
		}
		OK(fs_unlink(w.fs, w.root, "new", false, NULL));

		OK(fs_unlink(w.fs, w.root, "dir", true, NULL));
		FAILS(ENOENT, makers[i](&w, dir, "x", &attr, &failed));
		CU_ASSERT_EQUAL(failed.phase, FS_INTENT_DONE);
		FAILS(ENOENT, makers[i](&w, w.root, "x", &attr, &failed));
		put(&w, dir);
	}
}

static void a_directory_gets_the_bits_it_lacks(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {.phase = FS_INTENT_BEGUN};
	struct fs_attr attr;

	put(&w, make_dir(&w, w.root, "half"));
	OK(fs_mkdir(w.fs, w.root, "half", 03755, ANYBODY, &attr, &intent));
	CU_ASSERT_EQUAL(attr.mode, S_IFDIR | 03755);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "half").mode, S_IFDIR | 03755);
}

static void a_file_made_before_keeps_its_content(void)
{
	_world_ struct world w = world();
	const int flags = O_WRONLY | O_EXCL | O_TRUNC | O_APPEND;
	struct fs_intent intent = {.phase = FS_INTENT_BEGUN};
	struct fs_node node, other = make_file(&w, w.root, "new", "text");
	struct fs_file file;
	struct fs_attr attr;

	OK(fs_create(w.fs, w.root, "new", flags, 0400, ANYBODY, &node, &file, &attr, &intent));
	CU_ASSERT_EQUAL(file.flags, O_WRONLY | O_APPEND);
	CU_ASSERT_EQUAL(attr.size, 4);
	put_text(&w, file, "s", 0);
	CU_ASSERT(node_has_text(&w, other, "texts"));
	fs_close(w.fs, file);
	put(&w, node);
	put(&w, other);
}

static void a_create_that_may_find_a_file_needs_no_notes(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {0};

	for (int i = 0; i < 3; i++) {
		struct fs_node node;
		struct fs_file file;
		struct fs_attr attr;

		OK(fs_create(w.fs, w.root, "file", O_RDWR | O_TRUNC, 0644, ANYBODY, &node, &file,
			     &attr, &intent));
		CU_ASSERT_EQUAL(attr.size, 0);
		put_text(&w, file, "text", 0);
		fs_close(w.fs, file);
		put(&w, node);
	}
	/* Who makes files by halves notes that there was none. */
	CU_ASSERT(w.fs->ops->finish || !fs_intent_begun(&intent));
}

static void a_link_is_made_once(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {0}, left, fresh = {0}, idle = {.phase = FS_INTENT_BEGUN};
	struct fs_node file = make_file(&w, w.root, "file", ""), other;

	OK(fs_link(w.fs, file, w.root, "name", &intent));
	left = begun(&intent);
	OK(fs_link(w.fs, file, w.root, "name", &left));
	OK(fs_link(w.fs, file, w.root, "name", &intent));
	FAILS(EEXIST, fs_link(w.fs, file, w.root, "name", &fresh));
	OK(fs_link(w.fs, file, w.root, "third", &idle));
	CU_ASSERT_EQUAL(attr_of(&w, file).nlink, 3);

	OK(fs_unlink(w.fs, w.root, "name", false, NULL));
	OK(fs_link(w.fs, file, w.root, "name", &intent));
	FAILS(ENOENT, walk_error(&w, w.root, "name"));
	other = make_file(&w, w.root, "name", "of another");
	left = begun(&intent);
	FAILS(EEXIST, fs_link(w.fs, file, w.root, "name", &left));
	put(&w, file);
	put(&w, other);
}

/* ---- removing ---- */

static void a_name_is_removed_once(void)
{
	_world_ struct world w = world();

	for (int dir = 0; dir < 2; dir++) {
		struct fs_intent intent = {0}, left, missing = {0};
		struct fs_node node;

		node = dir ? make_dir(&w, w.root, "old") : make_file(&w, w.root, "old", "");
		OK(fs_unlink(w.fs, w.root, "old", dir, &intent));
		left = begun(&intent);
		OK(fs_unlink(w.fs, w.root, "old", dir, &left));
		OK(fs_unlink(w.fs, w.root, "old", dir, &intent));
		FAILS(ENOENT, fs_unlink(w.fs, w.root, "old", dir, &missing));
		CU_ASSERT_FALSE(fs_intent_begun(&missing));
		put(&w, node);
	}
}

static void a_victim_is_removed_when_the_first_try_did_not(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "old", "");
	struct fs_attr attr = attr_of(&w, file);
	struct fs_intent intent = {.phase = FS_INTENT_BEGUN, .path = attr.path, attr.btime};

	OK(fs_unlink(w.fs, w.root, "old", false, &intent));
	FAILS(ENOENT, walk_error(&w, w.root, "old"));
	put(&w, file);
}

/* The second time with the number of the victim, if the file system gives it again. */
static void what_took_a_victims_place_stays(void)
{
	_world_ struct world w = world();

	for (int dir = 0; dir < 2; dir++) {
		for (int pinned = 0; pinned < 2; pinned++) {
			struct fs_intent intent = {0}, left;
			struct fs_node old, taker;

			old = dir ? make_dir(&w, w.root, "x") : make_file(&w, w.root, "x", "");
			if (!pinned)
				put(&w, old);
			wait_for_clock();
			OK(fs_unlink(w.fs, w.root, "x", dir, &intent));
			taker = dir ? make_dir(&w, w.root, "x") : make_file(&w, w.root, "x", "");
			left = begun(&intent);
			OK(fs_unlink(w.fs, w.root, "x", dir, &left));
			OK(fs_unlink(w.fs, w.root, "x", dir, &intent));
			CU_ASSERT_EQUAL(attr_at(&w, w.root, "x").path, attr_of(&w, taker).path);
			OK(fs_unlink(w.fs, w.root, "x", dir, NULL));
			if (pinned)
				put(&w, old);
			put(&w, taker);
		}
	}
}

static void a_removal_that_failed_has_failed(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir");
	struct fs_intent intent = {0}, left;

	put(&w, make_file(&w, dir, "file", ""));
	FAILS(ENOTEMPTY, fs_unlink(w.fs, w.root, "dir", true, &intent));
	left = begun(&intent);
	FAILS(ENOTEMPTY, fs_unlink(w.fs, w.root, "dir", true, &left));
	OK(fs_unlink(w.fs, dir, "file", false, NULL));
	FAILS(ENOTEMPTY, fs_unlink(w.fs, w.root, "dir", true, &intent));
	put(&w, dir);
}

/* ---- renaming ---- */

static void an_object_is_renamed_once(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "dir"), file = make_file(&w, w.root, "a", "a");
	struct fs_intent intent = {0}, left, missing = {0};

	put(&w, make_file(&w, dir, "b", "replaced"));
	OK(fs_rename(w.fs, w.root, "a", dir, "b", &intent));
	left = begun(&intent);
	OK(fs_rename(w.fs, w.root, "a", dir, "b", &left));
	OK(fs_rename(w.fs, w.root, "a", dir, "b", &intent));
	CU_ASSERT_EQUAL(attr_at(&w, dir, "b").path, attr_of(&w, file).path);
	FAILS(ENOENT, fs_rename(w.fs, w.root, "a", dir, "b", &missing));

	OK(fs_rename(w.fs, dir, "b", w.root, "a", NULL));
	left = begun(&intent);
	OK(fs_rename(w.fs, w.root, "a", dir, "b", &left));
	CU_ASSERT_EQUAL(attr_at(&w, dir, "b").path, attr_of(&w, file).path);
	put(&w, dir);
	put(&w, file);
}

static void what_took_the_place_of_the_renamed_stays(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "a", "a"), taker, target;
	struct fs_intent intent = {0}, left;

	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &intent));
	taker = make_file(&w, w.root, "a", "of another");
	left = begun(&intent);
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &left));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "a").path, attr_of(&w, taker).path);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "b").path, attr_of(&w, file).path);

	/* Neither name has it: it was removed, by whomever. */
	OK(fs_unlink(w.fs, w.root, "b", false, NULL));
	left = begun(&intent);
	FAILS(ENOENT, fs_rename(w.fs, w.root, "a", w.root, "b", &left));
	target = make_file(&w, w.root, "b", "of another");
	FAILS(ENOENT, fs_rename(w.fs, w.root, "a", w.root, "b", &left));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "a").path, attr_of(&w, taker).path);
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "b").path, attr_of(&w, target).path);
	put(&w, file);
	put(&w, taker);
	put(&w, target);
}

static void renaming_to_itself_can_be_repeated(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "a", "");
	struct fs_intent same = {0}, other = {0}, left;

	OK(fs_link(w.fs, file, w.root, "b", NULL));
	OK(fs_rename(w.fs, w.root, "a", w.root, "a", &same));
	left = begun(&same);
	OK(fs_rename(w.fs, w.root, "a", w.root, "a", &left));
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &other));
	left = begun(&other);
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &left));
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &other));
	CU_ASSERT_EQUAL(attr_of(&w, file).nlink, 2);
	put(&w, file);
}

static void a_directory_is_renamed_once(void)
{
	_world_ struct world w = world();
	struct fs_node dir = make_dir(&w, w.root, "a");
	struct fs_intent intent = {0}, into = {0}, left;

	put(&w, make_dir(&w, w.root, "b"));
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &intent));
	left = begun(&intent);
	OK(fs_rename(w.fs, w.root, "a", w.root, "b", &left));
	FAILS(EINVAL, fs_rename(w.fs, w.root, "b", dir, "x", &into));
	left = begun(&into);
	FAILS(EINVAL, fs_rename(w.fs, w.root, "b", dir, "x", &left));
	put(&w, dir);
}

/* ---- writing ---- */

static ssize_t append(struct world *w, struct fs_file file, const char *text,
		      struct fs_intent *intent)
{
	return fs_write(w->fs, file, text, strlen(text), 0, intent);
}

static void bytes_are_appended_once(void)
{
	const int modes[] = {O_WRONLY, O_RDWR};
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(modes); i++) {
		struct fs_intent intent = {0}, left;
		struct fs_node node = make_file(&w, w.root, "log", "one ");
		struct fs_file file = open_node(&w, node, modes[i] | O_APPEND);

		CU_ASSERT_EQUAL(append(&w, file, "two ", &intent), 4);
		left = begun(&intent);
		CU_ASSERT_EQUAL(append(&w, file, "two ", &left), 4);
		CU_ASSERT_EQUAL(append(&w, file, "two ", &intent), 4);
		CU_ASSERT(node_has_text(&w, node, "one two "));
		left = (struct fs_intent){.phase = FS_INTENT_BEGUN, .size = 8};
		CU_ASSERT_EQUAL(append(&w, file, "two ", &left), 4);
		CU_ASSERT(node_has_text(&w, node, "one two two "));
		fs_close(w.fs, file);
		put(&w, node);
		OK(fs_unlink(w.fs, w.root, "log", false, NULL));
	}
}

static void half_of_the_bytes_are_completed(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {.phase = FS_INTENT_BEGUN, .size = 4};
	struct fs_node node = make_file(&w, w.root, "log", "one tw");
	struct fs_file file = open_node(&w, node, O_WRONLY | O_APPEND);

	CU_ASSERT_EQUAL(append(&w, file, "two ", &intent), 4);
	CU_ASSERT(node_has_text(&w, node, "one two "));
	CU_ASSERT_EQUAL(append(&w, file, "two ", &intent), 4);
	CU_ASSERT(node_has_text(&w, node, "one two "));
	fs_close(w.fs, file);
	put(&w, node);
}

/* Each starts with "one " in the file and "two " to append. */
static void bytes_of_others_are_told_apart(void)
{
	const struct {
		const char *found, *left;
	} table[] = {
		{"one three two ", "one three two "},
		{"one two three ", "one two three "},
		{"one three ", "one three two "},
		{"one three tw", "one three twtwo "}, /* may be anybody's */
		{"one tree ", "one tree two "},
		{"one ", "one two "},
		{"", "two "}, /* cut off by somebody */
	};
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(table); i++) {
		struct fs_intent intent = {.phase = FS_INTENT_BEGUN, .size = 4};
		struct fs_node node = make_file(&w, w.root, "log", table[i].found);
		struct fs_file file = open_node(&w, node, O_WRONLY | O_APPEND);

		CU_ASSERT_EQUAL(append(&w, file, "two ", &intent), 4);
		CU_ASSERT(node_has_text(&w, node, table[i].left));
		fs_close(w.fs, file);
		put(&w, node);
		OK(fs_unlink(w.fs, w.root, "log", false, NULL));
	}
}

static void long_appends_are_found_again(void)
{
	static char text[3 << 20];
	const size_t cuts[] = {0, 1, 4096, sizeof(text) - 1, sizeof(text)};
	_world_ struct world w = world();

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i >> 8 ^ i);
	for (size_t i = 0; i < countof(cuts); i++) {
		struct fs_intent intent = {.phase = FS_INTENT_BEGUN, .size = 5};
		struct fs_node node = make_file(&w, w.root, "log", "start");
		struct fs_file file = open_node(&w, node, O_RDWR | O_APPEND);
		char last;

		if (cuts[i] > 0)
			CU_ASSERT_EQUAL(fs_write(w.fs, file, text, cuts[i], 0, NULL),
					(ssize_t)cuts[i]);
		CU_ASSERT_EQUAL(fs_write(w.fs, file, text, sizeof(text), 0, &intent),
				(ssize_t)sizeof(text));
		CU_ASSERT_EQUAL(attr_of(&w, node).size, sizeof(text) + 5);
		CU_ASSERT_EQUAL(fs_read(w.fs, file, &last, 1, sizeof(text) + 4, false), 1);
		CU_ASSERT_EQUAL(last, text[sizeof(text) - 1]);
		fs_close(w.fs, file);
		put(&w, node);
		OK(fs_unlink(w.fs, w.root, "log", false, NULL));
	}
}

static void a_write_at_an_offset_is_repeated_until_it_is_done(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {0};
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);

	CU_ASSERT_EQUAL(fs_write(w.fs, file, "text", 4, 2, &intent), 4);
	CU_ASSERT_EQUAL(intent.phase, FS_INTENT_DONE);
	put_text(&w, file, "other ", 0);
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "text", 4, 2, &intent), 4);
	CU_ASSERT(has_text(&w, file, "other "));
	fs_close(w.fs, file);
	put(&w, node);
}

static void an_answer_that_cannot_be_is_an_error(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {.phase = FS_INTENT_DONE, .result = 5};
	struct fs_node node = make_file(&w, w.root, "file", "");
	struct fs_file file = open_node(&w, node, O_RDWR);
	struct fs_attr attr;

	FAILS(EIO, fs_write(w.fs, file, "text", 4, 0, &intent));
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "texts", 5, 0, &intent), 5);
	FAILS(EIO, fs_unlink(w.fs, w.root, "file", false, &intent));
	for (size_t i = 0; i < countof(makers); i++)
		FAILS(EIO, makers[i](&w, w.root, "new", &attr, &intent));
	fs_close(w.fs, file);
	put(&w, node);
}

/* Who may open anything (root) needs no such care. */
static void a_file_that_denies_its_owner_is_opened_again(void)
{
	const uint32_t modes[] = {0, 0400, 0200, 0600};
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(modes); i++) {
		struct fs_intent intent = {0}, left;

		for (int try = 0; try < 3; try++) {
			struct fs_node node;
			struct fs_file file;
			struct fs_attr attr;

			OK(fs_create(w.fs, w.root, "file", O_RDWR | O_EXCL, modes[i], ANYBODY,
				     &node, &file, &attr, try == 1 ? &left : &intent));
			left = begun(&intent);
			CU_ASSERT_EQUAL(attr.mode, S_IFREG | modes[i]);
			CU_ASSERT_EQUAL(attr_of(&w, node).mode, S_IFREG | modes[i]);
			put_text(&w, file, "text", 0);
			CU_ASSERT(has_text(&w, file, "text"));
			fs_close(w.fs, file);
			if (try == 1) /* and died with the mode widened */
				OK(fs_setattr(w.fs, node, FS_NO_FILE,
					      &(struct fs_setattr){.valid = FS_SET_MODE,
								   .mode = modes[i] | 0600}));
			put(&w, node);
		}
		OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	}
}

static void bytes_that_may_not_be_read_are_appended_once(void)
{
	const struct fs_setattr deny = {.valid = FS_SET_MODE, .mode = 0200};
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "log", "before ");
	struct fs_file file = open_node(&w, node, O_WRONLY | O_APPEND), reader;
	struct fs_intent intent = {0}, left;

	reader = open_node(&w, node, O_RDONLY);
	OK(fs_setattr(w.fs, node, FS_NO_FILE, &deny));
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "line", 4, 0, &intent), 4);
	left = begun(&intent);
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "line", 4, 0, &left), 4);
	CU_ASSERT(has_text(&w, reader, "before line"));
	left = begun(&intent);
	OK(fs_setattr(w.fs, node, file, &(struct fs_setattr){.valid = FS_SET_SIZE, .size = 9}));
	CU_ASSERT_EQUAL(fs_write(w.fs, file, "line", 4, 0, &left), 4);
	CU_ASSERT(has_text(&w, reader, "before line"));
	fs_close(w.fs, reader);
	fs_close(w.fs, file);
	put(&w, node);
}

/* ---- given up ---- */

static struct fs_intent given_up(void)
{
	struct fs_intent intent = {.phase = FS_INTENT_BEGUN};

	CU_ASSERT(fs_intent_is_open(&intent));
	CU_ASSERT_FALSE(fs_intent_given_up(&intent));
	fs_intent_give_up(&intent);
	CU_ASSERT(fs_intent_is_open(&intent) && fs_intent_begun(&intent));
	CU_ASSERT(fs_intent_given_up(&intent));
	return intent;
}

static void nothing_is_made_that_was_given_up(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", ""), node;
	struct fs_intent intent = given_up();
	struct fs_file open;
	struct fs_attr attr;

	for (size_t i = 0; i < countof(makers); i++)
		FAILS(EINTR, makers[i](&w, w.root, "new", &attr, &intent));
	FAILS(EINTR, fs_link(w.fs, file, w.root, "new", &intent));
	FAILS(EINTR,
	      fs_create(w.fs, w.root, "new", O_RDWR, 0644, ANYBODY, &node, &open, &attr, &intent));
	FAILS(ENOENT, walk_error(&w, w.root, "new"));
	CU_ASSERT(fs_intent_given_up(&intent));
	put(&w, file);
}

/* Nor what stands there opened. */
static void nothing_is_cut_off_that_was_given_up(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "text"), node;
	struct fs_node dir = make_dir(&w, w.root, "dir");
	struct fs_intent intent = given_up();
	struct fs_file open;
	struct fs_attr attr;

	FAILS(EINTR, fs_create(w.fs, w.root, "file", O_RDWR | O_TRUNC, 0644, ANYBODY, &node, &open,
			       &attr, &intent));
	CU_ASSERT(node_has_text(&w, file, "text"));
	CU_ASSERT(fs_create(w.fs, w.root, "dir", O_RDWR, 0644, ANYBODY, &node, &open, &attr,
			    &intent) < 0);
	CU_ASSERT(node.id < 0 && open.id < 0);
	put(&w, file);
	put(&w, dir);
}

static void nothing_is_removed_that_was_given_up(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	struct fs_attr attr = attr_of(&w, file);
	struct fs_intent intent = given_up();

	intent.path = attr.path;
	intent.btime = attr.btime;
	FAILS(EINTR, fs_unlink(w.fs, w.root, "file", false, &intent));
	FAILS(EINTR, fs_rename(w.fs, w.root, "file", w.root, "new", &intent));
	CU_ASSERT_EQUAL(attr_at(&w, w.root, "file").path, attr.path);
	FAILS(ENOENT, walk_error(&w, w.root, "new"));
	put(&w, file);
}

static void nothing_is_appended_that_was_given_up(void)
{
	_world_ struct world w = world();
	struct fs_node node = make_file(&w, w.root, "log", "one ");
	struct fs_file file = open_node(&w, node, O_WRONLY | O_APPEND);
	struct fs_intent intent = given_up();

	intent.size = 4;
	FAILS(EINTR, append(&w, file, "two ", &intent));
	CU_ASSERT(node_has_text(&w, node, "one "));
	fs_close(w.fs, file);
	put(&w, node);
}

/* ---- attributes ---- */

static bool has_xattrs(struct world *w)
{
	bool has = fs_setxattr(w->fs, w->root, "user.probe", "", 0, 0, NULL) != -EOPNOTSUPP;

	if (!has)
		test_skip("the file system here keeps no user attributes");
	return has;
}

static void an_attribute_is_made_once(void)
{
	const struct {
		const char *value;
		size_t size;
	} values[] = {{"value", 5}, {"", 0}};
	_world_ struct world w = world();

	for (size_t i = 0; i < countof(values) && has_xattrs(&w); i++) {
		struct fs_intent intent = {0}, left, fresh = {0};
		struct fs_node file = make_file(&w, w.root, "file", "");
		const char *value = values[i].value;
		size_t size = values[i].size;

		OK(fs_setxattr(w.fs, file, "user.a", value, size, XATTR_CREATE, &intent));
		left = begun(&intent);
		OK(fs_setxattr(w.fs, file, "user.a", value, size, XATTR_CREATE, &left));
		OK(fs_setxattr(w.fs, file, "user.a", value, size, XATTR_CREATE, &intent));
		FAILS(EEXIST, fs_setxattr(w.fs, file, "user.a", value, size, XATTR_CREATE, &fresh));
		left = begun(&intent);
		OK(fs_setxattr(w.fs, file, "user.a", "of another", 10, 0, NULL));
		FAILS(EEXIST, fs_setxattr(w.fs, file, "user.a", value, size, XATTR_CREATE, &left));
		left = begun(&intent);
		OK(fs_removexattr(w.fs, file, "user.a", NULL));
		OK(fs_setxattr(w.fs, file, "user.a", value, size, XATTR_CREATE, &left));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, file, "user.a", NULL, 0), (ssize_t)size);
		put(&w, file);
		OK(fs_unlink(w.fs, w.root, "file", false, NULL));
	}
}

static void no_attribute_changes_that_was_given_up(void)
{
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");
	struct fs_intent intent = given_up();

	if (has_xattrs(&w)) {
		OK(fs_setxattr(w.fs, file, "user.a", "1", 1, 0, NULL));
		FAILS(EINTR, fs_removexattr(w.fs, file, "user.a", &intent));
		CU_ASSERT_EQUAL(fs_getxattr(w.fs, file, "user.a", NULL, 0), 1);
		FAILS(EINTR, fs_setxattr(w.fs, file, "user.b", "1", 1, XATTR_CREATE, &intent));
		FAILS(ENODATA, fs_getxattr(w.fs, file, "user.b", NULL, 0));
	}
	put(&w, file);
}

static void an_attribute_is_set_as_often_as_it_takes(void)
{
	const int flags[] = {0, XATTR_REPLACE};
	_world_ struct world w = world();
	struct fs_node file = make_file(&w, w.root, "file", "");

	for (size_t i = 0; i < countof(flags) && has_xattrs(&w); i++) {
		struct fs_intent intent = {0}, left;

		OK(fs_setxattr(w.fs, file, "user.a", "x", 1, 0, NULL));
		OK(fs_setxattr(w.fs, file, "user.a", "1", 1, flags[i], &intent));
		left = begun(&intent);
		OK(fs_setxattr(w.fs, file, "user.a", "1", 1, flags[i], &left));
	}
	put(&w, file);
}

static void an_attribute_is_removed_once(void)
{
	_world_ struct world w = world();
	struct fs_intent intent = {0}, left, missing = {0};
	struct fs_node file = make_file(&w, w.root, "file", "");

	if (has_xattrs(&w)) {
		OK(fs_setxattr(w.fs, file, "user.a", "1", 1, 0, NULL));
		OK(fs_removexattr(w.fs, file, "user.a", &intent));
		left = begun(&intent);
		OK(fs_removexattr(w.fs, file, "user.a", &left));
		OK(fs_removexattr(w.fs, file, "user.a", &intent));
		FAILS(ENODATA, fs_removexattr(w.fs, file, "user.a", &missing));
		OK(fs_setxattr(w.fs, file, "user.a", "1", 1, 0, NULL));
		left = begun(&intent);
		OK(fs_removexattr(w.fs, file, "user.a", &left));
		FAILS(ENODATA, fs_getxattr(w.fs, file, "user.a", NULL, 0));
	}
	put(&w, file);
}

const struct test intent_tests[] = {
	{"a_new_name_is_made_once", a_new_name_is_made_once},
	{"a_new_name_is_made_when_the_first_try_did_not",
	 a_new_name_is_made_when_the_first_try_did_not},
	{"a_name_that_was_there_before_is_refused", a_name_that_was_there_before_is_refused},
	{"what_cannot_be_ours_is_refused", what_cannot_be_ours_is_refused},
	{"an_answer_does_not_change", an_answer_does_not_change},
	{"a_directory_gets_the_bits_it_lacks", a_directory_gets_the_bits_it_lacks},
	{"a_file_made_before_keeps_its_content", a_file_made_before_keeps_its_content},
	{"a_create_that_may_find_a_file_needs_no_notes",
	 a_create_that_may_find_a_file_needs_no_notes},
	{"a_link_is_made_once", a_link_is_made_once},
	{"a_name_is_removed_once", a_name_is_removed_once},
	{"a_victim_is_removed_when_the_first_try_did_not",
	 a_victim_is_removed_when_the_first_try_did_not},
	{"what_took_a_victims_place_stays", what_took_a_victims_place_stays},
	{"a_removal_that_failed_has_failed", a_removal_that_failed_has_failed},
	{"an_object_is_renamed_once", an_object_is_renamed_once},
	{"what_took_the_place_of_the_renamed_stays", what_took_the_place_of_the_renamed_stays},
	{"renaming_to_itself_can_be_repeated", renaming_to_itself_can_be_repeated},
	{"a_directory_is_renamed_once", a_directory_is_renamed_once},
	{"bytes_are_appended_once", bytes_are_appended_once},
	{"half_of_the_bytes_are_completed", half_of_the_bytes_are_completed},
	{"bytes_of_others_are_told_apart", bytes_of_others_are_told_apart},
	{"long_appends_are_found_again", long_appends_are_found_again},
	{"a_write_at_an_offset_is_repeated_until_it_is_done",
	 a_write_at_an_offset_is_repeated_until_it_is_done},
	{"an_answer_that_cannot_be_is_an_error", an_answer_that_cannot_be_is_an_error},
	{"a_file_that_denies_its_owner_is_opened_again",
	 a_file_that_denies_its_owner_is_opened_again},
	{"bytes_that_may_not_be_read_are_appended_once",
	 bytes_that_may_not_be_read_are_appended_once},
	{"nothing_is_made_that_was_given_up", nothing_is_made_that_was_given_up},
	{"nothing_is_cut_off_that_was_given_up", nothing_is_cut_off_that_was_given_up},
	{"nothing_is_removed_that_was_given_up", nothing_is_removed_that_was_given_up},
	{"nothing_is_appended_that_was_given_up", nothing_is_appended_that_was_given_up},
	{"no_attribute_changes_that_was_given_up", no_attribute_changes_that_was_given_up},
	{"an_attribute_is_made_once", an_attribute_is_made_once},
	{"an_attribute_is_set_as_often_as_it_takes", an_attribute_is_set_as_often_as_it_takes},
	{"an_attribute_is_removed_once", an_attribute_is_removed_once},
};
const size_t intent_tests_count = countof(intent_tests);
