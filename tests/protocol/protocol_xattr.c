/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * protocol_xattr.c - Txattrwalk and Txattrcreate: fids that stand for attribute values.
 */
#include <string.h>
#include <sys/xattr.h>

#include "tests/protocol/harness.h"

/* A session with "f", fid 1, that has user.old = "value"; NULL: no attributes here. */
static struct conn *xattr_session(struct world *w)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	if (!host_setxattr(w, "f", "user.old", "value"))
		return NULL;
	walk(c, ROOT, 1, "f");
	return c;
}

static void host_value_is(struct world *w, const char *name, const char *text)
{
	char value[8192];
	ssize_t got = host_getxattr(w, "f", name, value, sizeof(value));

	check_at(__FILE__, __LINE__,
		 got == (ssize_t)strlen(text) && memcmp(value, text, (size_t)got) == 0,
		 "%s is \"%.*s\" instead of \"%s\"", name, got > 0 ? (int)got : 0, value, text);
}

static bool host_has_value(struct world *w, const char *name)
{
	return host_getxattr(w, "f", name, NULL, 0) >= 0;
}

/* ---- Txattrwalk ---- */

static struct p9_msg xattrwalk(const char *name)
{
	return T(xattrwalk, .fid = 1, .newfid = 2, .name = p9_str(name));
}

TEST(xattrwalk_gives_the_size_and_read_the_value)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(ok(c, xattrwalk("user.old"))->Rxattrwalk.size, 5);
	reads(c, 2, 0, "value");
}

TEST(an_attribute_can_be_read_in_pieces)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrwalk("user.old"));
	equal(ok(c, T(read, .fid = 2, .offset = 1, .count = 3))->Rread.data.len, 3);
	equal(memcmp(c->reply.Rread.data.bytes, "alu", 3), 0);
	reads(c, 2, 4, "e");
	reads(c, 2, 0, "value");
}

TEST(read_behind_an_attribute_gives_0_bytes)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrwalk("user.old"));
	reads(c, 2, 5, "");
	reads(c, 2, 6, "");
	reads(c, 2, (uint64_t)1 << 40, "");
}

TEST(read_of_an_attribute_at_a_wild_offset_harms_nothing)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrwalk("user.old"));
	check(errno_of(c, T(read, .fid = 2, .offset = UINT64_MAX, .count = 4)) != -1);
	check(errno_of(c, T(read, .fid = 2, .offset = UINT64_MAX - 2, .count = UINT32_MAX)) != -1);
	equal(ok(c, T(read, .fid = 2, .offset = 2, .count = UINT32_MAX))->Rread.data.len, 3);
	reads(c, 2, 0, "value");
}

TEST(an_attribute_fid_keeps_the_value_of_the_walk)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrwalk("user.old"));
	host_setxattr(w, "f", "user.old", "a longer value");
	reads(c, 2, 0, "value");
	clunk(c, 2);
	equal(ok(c, xattrwalk("user.old"))->Rxattrwalk.size, 14);
}

TEST(an_empty_attribute_has_size_0)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	host_setxattr(w, "f", "user.empty", "");
	equal(ok(c, xattrwalk("user.empty"))->Rxattrwalk.size, 0);
	reads(c, 2, 0, "");
	clunk(c, 2);
}

TEST(a_missing_attribute_is_ENODATA)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	fails(c, ENODATA, xattrwalk("user.missing"));
	fails(c, EBADF, T(clunk, .fid = 2));
}

TEST(an_unknown_name_space_is_EOPNOTSUPP)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	fails(c, EOPNOTSUPP, xattrwalk("nonsense.name"));
	fails(c, EOPNOTSUPP, xattrwalk("nonsense"));
	fails(c, EBADF, T(clunk, .fid = 2));
}

TEST(missing_attributes_of_linux_are_ENODATA_or_EOPNOTSUPP)
{
	static const char *const names[] = {"security.capability", "system.posix_acl_access",
					    "system.posix_acl_default"};
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_symlink(w, "l", "f");
	host_node(w, "p", S_IFIFO | 0644, 0);
	for (size_t i = 0; i < countof(names); i++) {
		walk(c, ROOT, 1, "f");
		fails_with_one_of(c, xattrwalk(names[i]), ENODATA, EOPNOTSUPP);
		clunk(c, 1);
		walk(c, ROOT, 1, "l");
		fails_with_one_of(c, xattrwalk(names[i]), ENODATA, EOPNOTSUPP);
		clunk(c, 1);
		walk(c, ROOT, 1, "p");
		fails_with_one_of(c, xattrwalk(names[i]), ENODATA, EOPNOTSUPP);
		clunk(c, 1);
		walk(c, ROOT, 1, "");
		fails_with_one_of(c, xattrwalk(names[i]), ENODATA, EOPNOTSUPP);
		clunk(c, 1);
	}
}

/* Whether the list of fid 1, read through fid 2, has the name; checks its form. */
static bool is_listed(struct conn *c, const char *name)
{
	uint64_t size = ok(c, xattrwalk(""))->Rxattrwalk.size;
	const struct p9_msg *reply = ok(c, T(read, .fid = 2, .count = 60000));
	const char *next = reply->Rread.data.bytes;
	const char *end = next + reply->Rread.data.len;
	bool found = false;

	equal(reply->Rread.data.len, size);
	check(size == 0 || end[-1] == '\0');
	for (; next < end; next += strnlen(next, (size_t)(end - next)) + 1)
		found |= strcmp(next, name) == 0;
	clunk(c, 2);
	return found;
}

TEST(the_list_has_all_names_each_with_NUL)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	host_setxattr(w, "f", "user.second", "2");
	check(is_listed(c, "user.old"));
	check(is_listed(c, "user.second"));
	check(!is_listed(c, "user.third"));
}

TEST(the_list_of_none_is_empty)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "x");
	walk(c, ROOT, 1, "l");
	check(!is_listed(c, "user.any"));
}

TEST(the_list_can_be_read_in_pieces)
{
	struct conn *c = xattr_session(w);
	uint64_t size;

	if (c == NULL)
		return;
	size = ok(c, xattrwalk(""))->Rxattrwalk.size;
	check(size >= 9);
	equal(ok(c, T(read, .fid = 2, .offset = size - 1, .count = 10))->Rread.data.len, 1);
	reads(c, 2, size, "");
}

TEST(xattrwalk_of_an_open_fid)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, T(lopen, .fid = 1, .flags = L_RDONLY));
	equal(ok(c, xattrwalk("user.old"))->Rxattrwalk.size, 5);
}

TEST(xattrwalk_of_a_directory)
{
	struct conn *c = session(w);

	host_dir(w, "d");
	if (!host_setxattr(w, "d", "user.a", "text"))
		return;
	walk(c, ROOT, 1, "d");
	ok(c, xattrwalk("user.a"));
	reads(c, 2, 0, "text");
}

TEST(xattrwalk_does_not_follow_a_symlink)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	host_symlink(w, "l", "f");
	clunk(c, 1);
	walk(c, ROOT, 1, "l");
	fails_with_one_of(c, xattrwalk("user.old"), ENODATA, EOPNOTSUPP);
	check(!is_listed(c, "user.old"));
}

TEST(xattrwalk_of_an_unknown_fid_is_EBADF)
{
	struct conn *c = session(w);

	fails(c, EBADF, T(xattrwalk, .fid = 9, .newfid = 2, .name = p9_str("user.a")));
	fails(c, EBADF, T(clunk, .fid = 2));
}

TEST(xattrwalk_to_an_open_fid_is_refused)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	host_file(w, "g", "text");
	open_path(c, 2, "g", L_RDONLY);
	fails(c, EINVAL, xattrwalk("user.old"));
	reads(c, 2, 0, "text");
}

TEST(xattrwalk_to_a_fid_in_use_replaces_it)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	walk(c, ROOT, 2, "");
	ok(c, xattrwalk("user.old"));
	reads(c, 2, 0, "value");
	clunk(c, 2);
	fails(c, EBADF, T(clunk, .fid = 2));
}

TEST(a_failed_xattrwalk_leaves_a_newfid_in_use)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	walk(c, ROOT, 2, "");
	fails(c, ENODATA, xattrwalk("user.missing"));
	equal(attr(c, 2).qid.type, P9_QTDIR);
}

TEST(xattrwalk_to_the_fid_of_an_attribute_is_EINVAL)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrwalk("user.old"));
	fails(c, EINVAL, xattrwalk("user.old"));
	reads(c, 2, 0, "value");
}

TEST(xattrwalk_to_no_fid_is_EINVAL)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	fails(c, EINVAL, T(xattrwalk, .fid = 1, .newfid = P9_NOFID, .name = p9_str("user.old")));
	fails(c, EBADF, T(clunk, .fid = P9_NOFID));
}

TEST(xattrwalk_to_its_own_fid_is_refused)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	fails(c, EINVAL, T(xattrwalk, .fid = 1, .newfid = 1, .name = p9_str("user.old")));
	equal(attr(c, 1).qid.type, P9_QTFILE);
}

TEST(xattrwalk_of_a_name_with_NUL_is_EINVAL)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	fails(c, EINVAL, T(xattrwalk, .fid = 1, .newfid = 2, .name = str_of("user.old\0x", 10)));
	fails(c, EBADF, T(clunk, .fid = 2));
}

TEST(xattrwalk_of_a_name_of_more_than_255_bytes_is_ERANGE)
{
	struct conn *c = xattr_session(w);
	char name[300] = "user.";

	if (c == NULL)
		return;
	memset(name + 5, 'x', 251);
	fails(c, ERANGE, xattrwalk(name));
	name[255] = '\0';
	fails(c, ENODATA, xattrwalk(name));
}

/* ---- Txattrcreate ---- */

static struct p9_msg xattrcreate(const char *name, uint64_t size, uint32_t flags)
{
	return T(xattrcreate, .fid = 1, .name = p9_str(name), .size = size, .flags = flags);
}

/* Create, write, clunk: the first errno. fid 1 is gone when the create succeeded. */
static int sets(struct conn *c, const char *name, const char *text, uint32_t flags)
{
	size_t size = strlen(text);
	int error = errno_of(c, xattrcreate(name, size, flags));

	if (error != 0)
		return error;
	if (size > 0)
		error = errno_of(c, T(write, .fid = 1, .data = data_of(text, size)));
	if (error != 0)
		errno_of(c, T(clunk, .fid = 1));
	else
		error = errno_of(c, T(clunk, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	return error;
}

TEST(an_attribute_is_set_at_clunk)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	check(!host_has_value(w, "user.new"));
	equal(ok(c, T(write, .fid = 1, .data = data_of("text", 4)))->Rwrite.count, 4);
	check(!host_has_value(w, "user.new"));
	clunk(c, 1);
	host_value_is(w, "user.new", "text");
	fails(c, EBADF, T(clunk, .fid = 1));
}

TEST(an_attribute_is_replaced)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.old", "new", 0), 0);
	host_value_is(w, "user.old", "new");
}

TEST(an_attribute_can_be_written_in_pieces)
{
	struct conn *c = xattr_session(w);
	char value[3001] = "";

	if (c == NULL)
		return;
	memset(value, 'v', 3000);
	ok(c, xattrcreate("user.new", 3000, 0));
	for (unsigned i = 0; i < 30; i++)
		equal(ok(c, T(write, .fid = 1, .offset = i * 100, .data = data_of(value, 100)))
			      ->Rwrite.count,
		      100);
	clunk(c, 1);
	host_value_is(w, "user.new", value);
}

TEST(an_attribute_of_a_directory_is_set)
{
	struct conn *c = session(w);
	char value[10];

	host_dir(w, "d");
	if (!host_setxattr(w, "d", "user.a", "1"))
		return;
	walk(c, ROOT, 1, "d");
	equal(sets(c, "user.b", "two", 0), 0);
	equal(host_getxattr(w, "d", "user.b", value, sizeof(value)), 3);
}

TEST(CREATE_of_a_new_attribute)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.new", "text", P9_XATTR_CREATE), 0);
	host_value_is(w, "user.new", "text");
}

TEST(CREATE_of_an_existing_attribute_is_EEXIST_at_clunk)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.old", 4, P9_XATTR_CREATE));
	writes(c, 1, 0, "text");
	fails(c, EEXIST, T(clunk, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	host_value_is(w, "user.old", "value");
}

TEST(REPLACE_of_an_existing_attribute)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.old", "text", P9_XATTR_REPLACE), 0);
	host_value_is(w, "user.old", "text");
}

TEST(REPLACE_of_a_missing_attribute_is_ENODATA_at_clunk)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, P9_XATTR_REPLACE));
	writes(c, 1, 0, "text");
	fails(c, ENODATA, T(clunk, .fid = 1));
	check(!host_has_value(w, "user.new"));
}

TEST(other_flags_of_xattrcreate_are_EINVAL)
{
	static const uint32_t flags[] = {3, 4, 8, 0x100, 0x80000000, UINT32_MAX};
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	for (size_t i = 0; i < countof(flags); i++)
		fails(c, EINVAL, xattrcreate("user.new", 4, flags[i]));
	equal(attr(c, 1).qid.type, P9_QTFILE);
}

TEST(an_attribute_of_65536_bytes_may_be_begun)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 65536, 0));
	fails(c, EINVAL, T(clunk, .fid = 1));
}

TEST(an_attribute_of_more_than_65536_bytes_is_E2BIG)
{
	static const uint64_t sizes[] = {65537,
					 (uint64_t)1 << 31,
					 (uint64_t)1 << 32,
					 ((uint64_t)1 << 32) + 4,
					 (uint64_t)1 << 63,
					 UINT64_MAX};
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	for (size_t i = 0; i < countof(sizes); i++)
		fails(c, E2BIG, xattrcreate("user.new", sizes[i], 0));
	equal(attr(c, 1).qid.type, P9_QTFILE);
	equal(sets(c, "user.new", "text", 0), 0);
}

/* The host's limits are its own: what it refuses is told at clunk. */
TEST(an_attribute_of_65536_bytes_is_stored_or_ENOSPC_at_clunk)
{
	struct conn *c = xattr_session(w);
	_cleanup_free_ char *value = calloc(1, 65536), *found = malloc(65536);
	int error;

	if (c == NULL)
		return;
	for (unsigned i = 0; i < 65536; i++)
		value[i] = (char)pattern(i);
	ok(c, xattrcreate("user.new", 65536, 0));
	for (uint32_t at = 0; at < 65536; at += 8192)
		ok(c, T(write, .fid = 1, .offset = at, .data = data_of(value + at, 8192)));
	error = errno_of(c, T(clunk, .fid = 1));
	check(error == 0 || error == ENOSPC || error == E2BIG);
	if (error != 0)
		return check(!host_has_value(w, "user.new"));
	equal(host_getxattr(w, "f", "user.new", found, 65536), 65536);
	equal(memcmp(value, found, 65536), 0);
}

TEST(attributes_of_more_than_16_MiB_at_once_are_ENOSPC)
{
	struct conn *c = xattr_session(w);
	uint32_t count = 0;
	int error = 0;

	if (c == NULL)
		return;
	for (uint32_t fid = 10; fid < 10 + 300 && error == 0; fid++) {
		walk(c, ROOT, fid, "f");
		error = errno_of(
			c, T(xattrcreate, .fid = fid, .name = p9_str("user.new"), .size = 65536));
		count += error == 0;
	}
	equal(error, ENOSPC);
	equal(count, 256);
	fails(c, ENOSPC, xattrwalk("user.old"));
	fails(c, EINVAL, T(clunk, .fid = 10));
	ok(c, xattrwalk("user.old"));
	reads(c, 2, 0, "value");
}

TEST(an_incomplete_attribute_is_EINVAL_and_not_stored)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.old", 4, 0));
	writes(c, 1, 0, "tex");
	fails(c, EINVAL, T(clunk, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	host_value_is(w, "user.old", "value");
}

TEST(an_unwritten_attribute_is_EINVAL_and_not_stored)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	fails(c, EINVAL, T(clunk, .fid = 1));
	check(!host_has_value(w, "user.new"));
}

TEST(overlapping_writes_do_not_complete_an_attribute)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	writes(c, 1, 0, "te");
	fails(c, EINVAL, T(write, .fid = 1, .offset = 0, .data = data_of("te", 2)));
	fails(c, EINVAL, T(clunk, .fid = 1));
	check(!host_has_value(w, "user.new"));
}

TEST(a_write_with_a_hole_does_not_complete_an_attribute)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	fails(c, EINVAL, T(write, .fid = 1, .offset = 2, .data = data_of("xt", 2)));
	fails(c, EINVAL, T(clunk, .fid = 1));
	check(!host_has_value(w, "user.new"));
}

TEST(writes_beyond_the_size_of_an_attribute_are_ENOSPC)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	fails(c, ENOSPC, T(write, .fid = 1, .data = data_of("texts", 5)));
	fails(c, ENOSPC, T(write, .fid = 1, .offset = 4, .data = data_of("t", 1)));
	fails(c, ENOSPC, T(write, .fid = 1, .offset = UINT64_MAX, .data = data_of("text", 4)));
	fails(c, ENOSPC, T(write, .fid = 1, .offset = UINT64_MAX - 3, .data = data_of("text", 4)));
	fails(c, ENOSPC, T(write, .fid = 1, .offset = (uint64_t)1 << 32, .data = data_of("t", 1)));
}

TEST(an_attribute_can_be_completed_after_a_bad_write)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	writes(c, 1, 0, "te");
	fails_somehow(c, T(write, .fid = 1, .offset = 2, .data = data_of("xts", 3)));
	writes(c, 1, 2, "xt");
	clunk(c, 1);
	host_value_is(w, "user.new", "text");
}

TEST(size_0_with_REPLACE_removes)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.old", "", P9_XATTR_REPLACE), 0);
	check(!host_has_value(w, "user.old"));
}

TEST(removal_of_a_missing_attribute_is_ENODATA_at_clunk)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.missing", 0, P9_XATTR_REPLACE));
	fails(c, ENODATA, T(clunk, .fid = 1));
}

TEST(size_0_without_flags_sets_an_empty_value)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.old", "", 0), 0);
	equal(host_getxattr(w, "f", "user.old", NULL, 0), 0);
	walk(c, ROOT, 1, "f");
	equal(sets(c, "user.new", "", 0), 0);
	equal(host_getxattr(w, "f", "user.new", NULL, 0), 0);
}

TEST(size_0_with_CREATE_sets_an_empty_value)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.new", "", P9_XATTR_CREATE), 0);
	equal(host_getxattr(w, "f", "user.new", NULL, 0), 0);
}

TEST(size_0_with_CREATE_of_an_existing_attribute_is_EEXIST)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.old", "", P9_XATTR_CREATE), EEXIST);
	host_value_is(w, "user.old", "value");
}

TEST(xattrcreate_of_an_empty_name_is_EINVAL)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	fails(c, EINVAL, xattrcreate("", 4, 0));
}

TEST(xattrcreate_of_a_name_with_NUL_is_EINVAL)
{
	struct conn *c = xattr_session(w);
	struct p9_msg m = xattrcreate("", 4, 0);

	if (c == NULL)
		return;
	m.Txattrcreate.name = str_of("user.a\0b", 8);
	fails(c, EINVAL, m);
	equal(attr(c, 1).qid.type, P9_QTFILE);
}

TEST(a_name_of_more_than_255_bytes_cannot_be_set)
{
	struct conn *c = xattr_session(w);
	char name[300] = "user.";

	if (c == NULL)
		return;
	memset(name + 5, 'x', 251);
	equal(sets(c, name, "text", 0), ERANGE);
	name[255] = '\0';
	equal(sets(c, name, "text", 0), 0);
	host_value_is(w, name, "text");
}

TEST(a_bare_prefix_cannot_be_set)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "user.", "text", 0), EINVAL);
}

TEST(an_unknown_name_space_cannot_be_set)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	equal(sets(c, "nonsense.name", "text", 0), EOPNOTSUPP);
}

TEST(a_user_attribute_of_a_fifo_is_EPERM)
{
	struct conn *c = session(w);

	host_node(w, "p", S_IFIFO | 0666, 0);
	walk(c, ROOT, 1, "p");
	equal(sets(c, "user.a", "text", 0), EPERM);
}

TEST(a_user_attribute_of_a_symlink_is_EPERM)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	host_symlink(w, "l", "f");
	clunk(c, 1);
	walk(c, ROOT, 1, "l");
	equal(sets(c, "user.new", "text", 0), EPERM);
	check(!host_has_value(w, "user.new"));
}

TEST(xattrcreate_of_an_unknown_fid_is_EBADF)
{
	fails(session(w), EBADF, T(xattrcreate, .fid = 9, .name = p9_str("user.a"), .size = 1));
}

TEST(xattrcreate_of_an_attribute_fid_is_EINVAL)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	fails(c, EINVAL, xattrcreate("user.other", 4, 0));
	writes(c, 1, 0, "text");
	clunk(c, 1);
	host_value_is(w, "user.new", "text");
}

TEST(two_attributes_may_be_set_at_once)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	walk(c, ROOT, 2, "f");
	ok(c, xattrcreate("user.one", 2, 0));
	ok(c, T(xattrcreate, .fid = 2, .name = p9_str("user.two"), .size = 2));
	writes(c, 1, 0, "a");
	writes(c, 2, 0, "c");
	writes(c, 1, 1, "b");
	writes(c, 2, 1, "d");
	clunk(c, 2);
	clunk(c, 1);
	host_value_is(w, "user.one", "ab");
	host_value_is(w, "user.two", "cd");
}

TEST(remove_of_an_unfinished_attribute_removes_nothing)
{
	struct conn *c = xattr_session(w);

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	writes(c, 1, 0, "text");
	fails(c, EINVAL, T(remove, .fid = 1));
	fails(c, EBADF, T(clunk, .fid = 1));
	check(host_has(w, "f"));
	check(!host_has_value(w, "user.new"));
}

TEST(a_closed_connection_stores_no_attribute)
{
	struct conn *c = xattr_session(w), *other;

	if (c == NULL)
		return;
	ok(c, xattrcreate("user.new", 4, 0));
	writes(c, 1, 0, "text");
	conn_close(c);
	other = session(w);
	for (int i = 0; i < 20; i++)
		attr(other, ROOT);
	check(!host_has_value(w, "user.new"));
}

/* ---- POSIX ACLs ---- */

#define ACL "system.posix_acl_access"

/* u::rw- u:1:r-- g::r-- m::r-- o::--- as the kernel stores it */
static const uint8_t an_acl[] = {
	2,    0, 0, 0,			       /* version */
	1,    0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
	2,    0, 4, 0, 1,    0,	   0,	 0,    /* user 1 */
	4,    0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* group */
	0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* others */
};

static bool set_acl(struct conn *c)
{
	ok(c, xattrcreate(ACL, sizeof(an_acl), 0));
	ok(c, T(write, .fid = 1, .data = data_of(an_acl, sizeof(an_acl))));
	if (errno_of(c, T(clunk, .fid = 1)) == 0)
		return true;
	test_skip("the host's file system has no POSIX ACLs");
	return false;
}

TEST(an_acl_is_set_and_read)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	walk(c, ROOT, 1, "f");
	equal(ok(c, xattrwalk(ACL))->Rxattrwalk.size, sizeof(an_acl));
	ok(c, T(read, .fid = 2, .count = 100));
	equal(memcmp(c->reply.Rread.data.bytes, an_acl, sizeof(an_acl)), 0);
}

TEST(size_0_without_flags_removes_an_acl)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	walk(c, ROOT, 1, "f");
	equal(sets(c, ACL, "", 0), 0);
	check(!host_has_value(w, ACL));
}

TEST(removal_of_a_missing_acl_succeeds)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	host_file(w, "g", "");
	walk(c, ROOT, 1, "g");
	equal(sets(c, ACL, "", 0), 0);
}

TEST(removal_with_REPLACE_of_a_missing_acl_succeeds)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	walk(c, ROOT, 1, "f");
	equal(sets(c, ACL, "", P9_XATTR_REPLACE), 0);
	check(!host_has_value(w, ACL));
	walk(c, ROOT, 1, "f");
	equal(sets(c, ACL, "", P9_XATTR_REPLACE), 0);
}

TEST(an_acl_is_listed)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	walk(c, ROOT, 1, "f");
	check(is_listed(c, ACL));
}

TEST(a_missing_acl_is_ENODATA)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	host_file(w, "g", "");
	walk(c, ROOT, 1, "g");
	fails(c, ENODATA, xattrwalk(ACL));
	clunk(c, 1);
	walk(c, ROOT, 1, "");
	fails(c, ENODATA, xattrwalk(ACL));
	fails(c, ENODATA, xattrwalk("system.posix_acl_default"));
}

TEST(a_malformed_acl_is_refused_at_clunk)
{
	struct conn *c = session(w);
	int error;

	host_file(w, "f", "");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	walk(c, ROOT, 1, "f");
	error = sets(c, ACL, "nonsense", 0);
	check(error == EINVAL || error == EOPNOTSUPP);
	walk(c, ROOT, 1, "f");
	equal(ok(c, xattrwalk(ACL))->Rxattrwalk.size, sizeof(an_acl));
}

TEST(an_acl_of_a_symlink_is_EOPNOTSUPP)
{
	struct conn *c = session(w);

	host_symlink(w, "l", "f");
	walk(c, ROOT, 1, "l");
	ok(c, xattrcreate(ACL, sizeof(an_acl), 0));
	ok(c, T(write, .fid = 1, .data = data_of(an_acl, sizeof(an_acl))));
	fails(c, EOPNOTSUPP, T(clunk, .fid = 1));
}

/* As setfacl -d and setfacl -k do it. */
TEST(a_default_acl_is_for_directories)
{
	struct p9_msg create = xattrcreate("system.posix_acl_default", sizeof(an_acl), 0);
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_dir(w, "d");
	walk(c, ROOT, 1, "f");
	if (!set_acl(c))
		return;
	walk(c, ROOT, 1, "f");
	ok(c, create);
	ok(c, T(write, .fid = 1, .data = data_of(an_acl, sizeof(an_acl))));
	fails(c, EACCES, T(clunk, .fid = 1));
	walk(c, ROOT, 1, "d");
	ok(c, create);
	ok(c, T(write, .fid = 1, .data = data_of(an_acl, sizeof(an_acl))));
	clunk(c, 1);
	walk(c, ROOT, 1, "d");
	equal(ok(c, xattrwalk("system.posix_acl_default"))->Rxattrwalk.size, sizeof(an_acl));
	clunk(c, 2);
	equal(sets(c, "system.posix_acl_default", "", 0), 0);
	walk(c, ROOT, 1, "d");
	fails(c, ENODATA, xattrwalk("system.posix_acl_default"));
}

TEST(security_capability_is_never_an_error_that_stops_an_exec)
{
	struct conn *c = session(w);

	host_file(w, "f", "");
	host_node(w, "p", S_IFIFO | 0644, 0);
	for (int i = 0; i < 3; i++) {
		walk(c, ROOT, 1, i == 0 ? "f" : i == 1 ? "p" : "");
		fails(c, EOPNOTSUPP, xattrwalk("security.capability"));
		clunk(c, 1);
	}
}
