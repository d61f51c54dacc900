/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_torture_names.c - the kind "names": a small tree of directories in which few names are used
 * for everything, so that most operations meet something that is there, and the model says what
 * Linux answers then (rename(2), link(2), unlink(2) and following).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"
#include "tools/sim_torture.h"

#define DIRS 8

#define LONG "a-name-that-is-rather-long-"
static const char *const names[] = {
	"a",
	"b",
	"file",
	"dir",
	"with blanks in it",
	"\xc3\xa4\xe2\x82\xac",
	"...",
	"-",
	(LONG LONG LONG LONG LONG LONG LONG LONG),
};
#define NAMES countof(names)

struct directory;

/* What a name stands for, or several. */
struct object {
	uint32_t type; /* S_IFMT */
	uint32_t mode;
	unsigned links;
	uint64_t path; /* of its qid */
	uint64_t size;
	uint8_t content[2048]; /* of a file; the target of a symlink, ending in a NUL */
	struct directory *dir;
};

struct directory {
	struct directory *parent;
	uint32_t fid;
	struct object *entry[NAMES];
};

struct tree {
	struct directory *dirs[DIRS]; /* the first one is the task's own directory */
	unsigned count;
	bool counts_links; /* a directory's links are 2 and one for each below */
	bool no_fifo;
};

/* A place in the tree: what an operation is about. */
struct place {
	struct directory *dir;
	unsigned name;
};

static const char *name_of(struct place place)
{
	return names[place.name];
}

static struct object **slot(struct place place)
{
	return &place.dir->entry[place.name];
}

static struct place choose(struct torture_task *task)
{
	struct tree *tree = task->state;

	return (struct place){tree->dirs[torture_below(task, tree->count)],
			      torture_below(task, NAMES)};
}

/* A few more tries for a place that holds an object of that type. */
static struct place choose_type(struct torture_task *task, uint32_t type)
{
	struct place place = choose(task);

	for (unsigned i = 0; i < 20; i++) {
		if (*slot(place) != NULL && (*slot(place))->type == type)
			break;
		place = choose(task);
	}
	return place;
}

/* For messages: "2/file", the number of the directory and the name. */
struct place_text {
	char text[256];
};

static struct place_text text_of(const struct torture_task *task, struct place place)
{
	const struct tree *tree = task->state;
	struct place_text text;
	unsigned number = 0;

	while (number < tree->count && tree->dirs[number] != place.dir)
		number++;
	snprintf(text.text, sizeof(text.text), "%u/%s", number, name_of(place));
	return text;
}

/* ---- looking ---- */

static unsigned links_of(const struct object *object)
{
	unsigned links = 2;

	if (object->dir == NULL)
		return object->links;
	for (unsigned i = 0; i < NAMES; i++) {
		if (object->dir->entry[i] != NULL && object->dir->entry[i]->dir != NULL)
			links++;
	}
	return links;
}

static int check_attr(struct torture_task *task, const struct object *object,
		      const struct p9_Rgetattr *attr, const char *text)
{
	const struct tree *tree = task->state;
	uint32_t mode = object->type | object->mode;

	if (attr->mode != mode && object->type != S_IFLNK)
		return torture_wrong(task, "%s: mode: expected %o, found %o", text, mode,
				     attr->mode);
	if ((attr->mode & S_IFMT) != object->type)
		return torture_wrong(task, "%s: type: expected %o, found %o", text, object->type,
				     attr->mode & S_IFMT);
	if (attr->qid.path != object->path)
		return torture_wrong(task, "%s is another object", text);
	if (object->type != S_IFDIR && attr->size != object->size)
		return torture_wrong(task, "%s: size: expected %llu, found %llu", text,
				     (unsigned long long)object->size,
				     (unsigned long long)attr->size);
	if ((object->type != S_IFDIR || tree->counts_links) && attr->nlink != links_of(object))
		return torture_wrong(task, "%s: links: expected %u, found %llu", text,
				     links_of(object), (unsigned long long)attr->nlink);
	return 0;
}

static int check_target(struct torture_task *task, const struct object *object, uint32_t fid,
			const char *text)
{
	char target[sizeof(object->content) + 1];
	int result = client_readlink(task->torture->client, fid, target, sizeof(target));

	result = torture_judge(task, result, 0, "%s: readlink", text);
	if (result == 0 && strcmp(target, (const char *)object->content) != 0)
		result = torture_wrong(task, "%s: target: expected %s, found %s", text,
				       (const char *)object->content, target);
	return result;
}

static int check_content(struct torture_task *task, const struct object *object, uint32_t fid,
			 const char *text)
{
	uint8_t bytes[sizeof(object->content) + 1];
	struct client *client = task->torture->client;
	int result = client_lopen(client, fid, O_RDONLY);
	ssize_t size = 0;

	if (result == 0)
		size = client_read_all(client, fid, 0, bytes, sizeof(bytes));
	if (size < 0)
		result = (int)size;
	result = torture_judge(task, result, 0, "%s: open and read", text);
	if (result == 0 &&
	    ((size_t)size != object->size || memcmp(bytes, object->content, object->size) != 0))
		result = torture_wrong(task, "%s: the content is another one", text);
	return result;
}

/* What is at a place, and all that is known of it. */
static int look(struct torture_task *task, struct place place)
{
	struct client *client = task->torture->client;
	const struct object *object = *slot(place);
	struct place_text text = text_of(task, place);
	struct p9_Rgetattr attr;
	uint32_t fid;
	int result = client_walk(client, place.dir->fid, name_of(place), &fid);

	if (torture_judge(task, result, object != NULL ? 0 : -ENOENT, "walk to %s", text.text) != 0)
		return TORTURE_WRONG;
	if (object == NULL)
		return 0;
	result = client_getattr(client, fid, P9_GETATTR_BASIC, &attr);
	result = torture_judge(task, result, 0, "%s: getattr", text.text);
	if (result == 0)
		result = check_attr(task, object, &attr, text.text);
	if (result == 0 && object->type == S_IFLNK)
		result = check_target(task, object, fid, text.text);
	if (result == 0 && object->type == S_IFREG && torture_below(task, 3) == 0)
		result = check_content(task, object, fid, text.text);
	if (result != 0)
		return result;
	return torture_judge(task, client_clunk(client, fid), 0, "%s: clunk", text.text);
}

/* ---- making ---- */

static struct object *new_object(uint32_t type, uint32_t mode)
{
	struct object *object = calloc(1, sizeof(*object));

	if (object != NULL)
		*object = (struct object){.type = type, .mode = mode, .links = 1};
	return object;
}

/* The name is there now; its object's number is learnt. */
static int enter(struct torture_task *task, struct place place, struct object *object)
{
	struct p9_Rgetattr attr;
	int result = object != NULL ? torture_getattr(task, place.dir->fid, name_of(place), &attr)
				    : -ENOMEM;

	*slot(place) = object;
	result = torture_judge(task, result, 0, "getattr of the new %s", text_of(task, place).text);
	if (result == 0)
		object->path = attr.qid.path;
	return result;
}

/* All that make a name fail alike when it is there. */
static int judge_make(struct torture_task *task, struct place place, int result, const char *what)
{
	return torture_judge(task, result, *slot(place) != NULL ? -EEXIST : 0, "%s %s", what,
			     text_of(task, place).text);
}

static int add_directory(struct torture_task *task, struct place place)
{
	struct tree *tree = task->state;
	struct directory *dir = calloc(1, sizeof(*dir));
	int result = dir != NULL ? 0 : -ENOMEM;

	if (result == 0)
		result = client_walk(task->torture->client, place.dir->fid, name_of(place),
				     &dir->fid);
	if (result != 0) {
		free(dir);
		return torture_judge(task, result, 0, "walk to the new %s",
				     text_of(task, place).text);
	}
	dir->parent = place.dir;
	(*slot(place))->dir = dir;
	tree->dirs[tree->count++] = dir;
	return 0;
}

static int make_dir(struct torture_task *task)
{
	struct tree *tree = task->state;
	struct place place = choose(task);
	uint32_t mode = 0700 | torture_below(task, 0100);
	int result;

	if (tree->count == DIRS && *slot(place) == NULL)
		return 0;
	result = client_mkdir(task->torture->client, place.dir->fid, name_of(place), mode, 0);
	if (judge_make(task, place, result, "mkdir") != 0)
		return TORTURE_WRONG;
	if (result == 0)
		result = enter(task, place, new_object(S_IFDIR, mode));
	else
		return look(task, place);
	if (result == 0)
		result = add_directory(task, place);
	return result != 0 ? result : look(task, place);
}

static int fill_file(struct torture_task *task, struct place place, uint32_t fid)
{
	struct object *object = *slot(place);
	int result;

	object->size = torture_below(task, sizeof(object->content));
	torture_pattern(task, object->content, object->size);
	result = client_write_all(task->torture->client, fid, 0, object->content, object->size);
	if (result == 0)
		result = client_clunk(task->torture->client, fid);
	return torture_judge(task, result, 0, "fill %s", text_of(task, place).text);
}

static int make_file(struct torture_task *task)
{
	struct place place = choose(task);
	uint32_t mode = 0600 | torture_below(task, 0100), fid;
	int result = torture_create(task, place.dir->fid, name_of(place), O_RDWR | P9_O_EXCL, mode,
				    &fid);

	if (judge_make(task, place, result, "create") != 0)
		return TORTURE_WRONG;
	if (result == 0) {
		result = enter(task, place, new_object(S_IFREG, mode));
		if (result == 0)
			result = fill_file(task, place, fid);
		if (result != 0)
			return result;
	}
	return look(task, place);
}

/* A file that is there is opened, and keeps its mode. */
static int make_or_open_file(struct torture_task *task)
{
	struct place place = choose(task);
	const struct object *object = *slot(place);
	int expected = 0, result;
	uint32_t fid;

	if (object != NULL && object->type != S_IFREG)
		expected = object->type == S_IFDIR   ? -EISDIR
			   : object->type == S_IFLNK ? -ELOOP
						     : -ENXIO;
	result = torture_create(task, place.dir->fid, name_of(place), O_RDWR, 0640, &fid);
	if (torture_judge(task, result, expected, "create or open %s", text_of(task, place).text))
		return TORTURE_WRONG;
	if (result != 0)
		return look(task, place);
	result = object != NULL ? 0 : enter(task, place, new_object(S_IFREG, 0640));
	if (result == 0)
		result = torture_judge(task, client_clunk(task->torture->client, fid), 0, "clunk");
	return result != 0 ? result : look(task, place);
}

static int make_symlink(struct torture_task *task)
{
	struct place place = choose(task);
	struct object *object = new_object(S_IFLNK, 0777);
	int result;

	if (object == NULL)
		return torture_judge(task, -ENOMEM, 0, "memory");
	object->size = 1 + torture_below(task, 300);
	for (uint64_t i = 0; i < object->size; i++)
		object->content[i] = (uint8_t) "ab/."[torture_below(task, 4)];
	result = client_symlink(task->torture->client, place.dir->fid, name_of(place),
				(const char *)object->content, 0);
	if (result != 0)
		free(object);
	if (judge_make(task, place, result, "symlink") != 0)
		return TORTURE_WRONG;
	if (result == 0 && enter(task, place, object) != 0)
		return TORTURE_WRONG;
	return look(task, place);
}

static int make_fifo(struct torture_task *task)
{
	struct tree *tree = task->state;
	struct place place = choose(task);
	uint32_t mode = 0600 | torture_below(task, 0100);
	int result;

	if (tree->no_fifo)
		return 0;
	result = client_mknod(task->torture->client, place.dir->fid, name_of(place), S_IFIFO | mode,
			      0, 0, 0);
	if (result == -EPERM || result == -EOPNOTSUPP) {
		tree->no_fifo = true;
		return 0;
	}
	if (judge_make(task, place, result, "mknod") != 0)
		return TORTURE_WRONG;
	if (result == 0 && enter(task, place, new_object(S_IFIFO, mode)) != 0)
		return TORTURE_WRONG;
	return look(task, place);
}

static int make_link(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct place from = choose_type(task, torture_below(task, 4) == 0 ? S_IFLNK : S_IFREG);
	struct place to = choose(task);
	struct object *object = *slot(from);
	int expected = object != NULL && object->dir != NULL ? -EPERM
		       : *slot(to) != NULL		     ? -EEXIST
							     : 0;
	uint32_t fid;
	int result;

	if (object == NULL)
		return look(task, from);
	result = client_walk(client, from.dir->fid, name_of(from), &fid);
	if (torture_judge(task, result, 0, "walk to %s", text_of(task, from).text) != 0)
		return TORTURE_WRONG;
	result = client_link(client, to.dir->fid, name_of(to), fid);
	if (torture_judge(task, result, expected, "link %s as %s", text_of(task, from).text,
			  text_of(task, to).text) != 0)
		return TORTURE_WRONG;
	if (result == 0) {
		*slot(to) = object;
		object->links++;
	}
	result = torture_judge(task, client_clunk(client, fid), 0, "clunk");
	if (result == 0)
		result = look(task, from);
	return result != 0 ? result : look(task, to);
}

/* ---- removing ---- */

static bool is_empty(const struct directory *dir)
{
	for (unsigned i = 0; i < NAMES; i++) {
		if (dir->entry[i] != NULL)
			return false;
	}
	return true;
}

/* Gives back a directory that is no more. Through its fid it is empty for ever. */
static int drop_directory(struct torture_task *task, struct directory *dir)
{
	struct client *client = task->torture->client;
	struct tree *tree = task->state;
	unsigned number = 0;
	int result = 0;

	if (task->torture->unlinked) {
		result = client_mkdir(client, dir->fid, "late", 0755, 0);
		result = torture_judge(task, result, -ENOENT, "mkdir in a removed directory");
	}
	if (result == 0)
		result = torture_judge(task, client_clunk(client, dir->fid), 0, "clunk");
	while (tree->dirs[number] != dir)
		number++;
	tree->dirs[number] = tree->dirs[--tree->count];
	free(dir);
	return result;
}

/* A name goes, and with the last one the object. */
static int forget(struct torture_task *task, struct place place)
{
	struct object *object = *slot(place);
	int result = 0;

	*slot(place) = NULL;
	if (object->dir != NULL)
		result = drop_directory(task, object->dir);
	if (--object->links == 0)
		free(object);
	return result;
}

static int remove_name(struct torture_task *task)
{
	struct place place = choose(task);
	const struct object *object = *slot(place);
	int expected = object == NULL ? -ENOENT : object->dir != NULL ? -EISDIR : 0;
	int result = client_unlinkat(task->torture->client, place.dir->fid, name_of(place), 0);

	if (torture_judge(task, result, expected, "unlink %s", text_of(task, place).text) != 0)
		return TORTURE_WRONG;
	if (result == 0 && forget(task, place) != 0)
		return TORTURE_WRONG;
	return look(task, place);
}

static int remove_dir(struct torture_task *task)
{
	struct place place = choose_type(task, S_IFDIR);
	const struct object *object = *slot(place);
	int expected = object == NULL		? -ENOENT
		       : object->dir == NULL	? -ENOTDIR
		       : !is_empty(object->dir) ? -ENOTEMPTY
						: 0;
	int result = client_unlinkat(task->torture->client, place.dir->fid, name_of(place),
				     P9_AT_REMOVEDIR);

	if (torture_judge(task, result, expected, "rmdir %s", text_of(task, place).text) != 0)
		return TORTURE_WRONG;
	if (result == 0 && forget(task, place) != 0)
		return TORTURE_WRONG;
	return look(task, place);
}

/* By fid, whose number is free afterwards whatever the answer. Only what has one name can be
 * found by its object. */
static int remove_by_fid(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct place place = choose(task);
	const struct object *object = *slot(place);
	struct p9_msg request = {.type = P9_Tremove}, reply;
	int expected = 0, result;
	struct p9_Rgetattr attr;
	uint32_t fid;

	if (object == NULL || object->links > 1)
		return look(task, place);
	if (object->dir != NULL && !is_empty(object->dir))
		expected = -ENOTEMPTY;
	result = client_walk(client, place.dir->fid, name_of(place), &fid);
	if (torture_judge(task, result, 0, "walk to %s", text_of(task, place).text) != 0)
		return TORTURE_WRONG;
	request.Tremove.fid = fid;
	result = client_rpc(client, &request, &reply);
	if (torture_judge(task, result, expected, "remove %s", text_of(task, place).text) != 0)
		return TORTURE_WRONG;
	if (result == 0 && forget(task, place) != 0)
		return TORTURE_WRONG;
	result = client_getattr(client, fid, P9_GETATTR_BASIC, &attr);
	client_fid_free(client, fid);
	if (torture_judge(task, result, -EBADF, "getattr after remove") != 0)
		return TORTURE_WRONG;
	return look(task, place);
}

/* ---- renaming ---- */

/* Is `dir` the directory `top`, or below it? */
static bool is_below(const struct directory *dir, const struct directory *top)
{
	while (dir != NULL && dir != top)
		dir = dir->parent;
	return dir != NULL;
}

/* In the order in which Linux looks (fs/namei.c). */
static int expect_rename(struct place from, struct place to)
{
	const struct object *source = *slot(from), *target = *slot(to);

	if (source == NULL)
		return -ENOENT;
	if (source->dir != NULL && is_below(to.dir, source->dir))
		return -EINVAL;
	if (target != NULL && target->dir != NULL && is_below(from.dir, target->dir))
		return -ENOTEMPTY;
	if (target == NULL || source == target)
		return 0;
	if (source->dir != NULL)
		return target->dir == NULL ? -ENOTDIR : is_empty(target->dir) ? 0 : -ENOTEMPTY;
	return target->dir != NULL ? -EISDIR : 0;
}

/* Two names of one object both stay (rename(2)). */
static int move(struct torture_task *task, struct place from, struct place to)
{
	struct object *source = *slot(from);
	int result = 0;

	if (*slot(to) == source)
		return 0;
	if (*slot(to) != NULL)
		result = forget(task, to);
	*slot(to) = source;
	*slot(from) = NULL;
	if (source->dir != NULL)
		source->dir->parent = to.dir;
	return result;
}

static int end_rename(struct torture_task *task, struct place from, struct place to, int result)
{
	int expected = expect_rename(from, to);
	struct place_text from_text = text_of(task, from), to_text = text_of(task, to);

	if (torture_judge(task, result, expected, "rename %s to %s", from_text.text,
			  to_text.text) != 0)
		return TORTURE_WRONG;
	if (result == 0 && move(task, from, to) != 0)
		return TORTURE_WRONG;
	result = look(task, from);
	return result != 0 ? result : look(task, to);
}

static int rename_name(struct torture_task *task)
{
	struct place from = choose(task), to = choose(task);
	int result = client_renameat(task->torture->client, from.dir->fid, name_of(from),
				     to.dir->fid, name_of(to));

	return end_rename(task, from, to, result);
}

static int rename_dir(struct torture_task *task)
{
	struct place from = choose_type(task, S_IFDIR);
	struct place to = torture_below(task, 2) == 0 ? choose_type(task, S_IFDIR) : choose(task);
	int result = client_renameat(task->torture->client, from.dir->fid, name_of(from),
				     to.dir->fid, name_of(to));

	return end_rename(task, from, to, result);
}

static int rename_by_fid(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct place from = choose(task), to = choose(task);
	const struct object *object = *slot(from);
	struct p9_msg request = {.type = P9_Trename}, reply;
	int result, clunked;

	if (object == NULL || object->links > 1)
		return look(task, from);
	result = client_walk(client, from.dir->fid, name_of(from), &request.Trename.fid);
	if (torture_judge(task, result, 0, "walk to %s", text_of(task, from).text) != 0)
		return TORTURE_WRONG;
	request.Trename.dfid = to.dir->fid;
	request.Trename.name = p9_str(name_of(to));
	result = client_rpc(client, &request, &reply);
	clunked = client_clunk(client, request.Trename.fid);
	if (torture_judge(task, clunked, 0, "clunk") != 0)
		return TORTURE_WRONG;
	return end_rename(task, from, to, result);
}

/* ---- attributes ---- */

static int change_mode(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct place place = choose(task);
	struct object *object = *slot(place);
	uint32_t mode = 0700 | torture_below(task, 0100), fid;
	struct p9_Tsetattr set = {.valid = P9_SETATTR_MODE, .mode = mode};
	int result, clunked;

	if (object == NULL || object->type == S_IFLNK)
		return look(task, place);
	result = client_walk(client, place.dir->fid, name_of(place), &fid);
	if (result == 0) {
		result = client_setattr(client, fid, &set);
		clunked = client_clunk(client, fid);
		result = result != 0 ? result : clunked;
	}
	object->mode = mode;
	if (torture_judge(task, result, 0, "chmod %s", text_of(task, place).text) != 0)
		return TORTURE_WRONG;
	return look(task, place);
}

/* ---- listing ---- */

struct listing {
	struct torture_task *task;
	const struct directory *dir;
	unsigned seen[NAMES];
};

static int find_name(const char *text)
{
	for (unsigned i = 0; i < NAMES; i++) {
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	}
	return -1;
}

static int list_entry(void *arg, const struct p9_dirent *entry)
{
	struct listing *listing = arg;
	const char *text = entry->name.text;
	int name = find_name(text);
	const struct object *object;

	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return 0;
	object = name < 0 ? NULL : listing->dir->entry[name];
	if (object == NULL)
		return torture_wrong(listing->task, "readdir: %s is listed and should not be there",
				     text);
	if (listing->seen[name]++ > 0)
		return torture_wrong(listing->task, "readdir: %s is listed twice", text);
	if (entry->qid.path != object->path)
		return torture_wrong(listing->task, "readdir: %s is another object", text);
	if (entry->type != DT_UNKNOWN && entry->type != IFTODT(object->type))
		return torture_wrong(listing->task, "readdir: %s: type: expected %u, found %u",
				     text, IFTODT(object->type), entry->type);
	return 0;
}

static int list_dir(struct torture_task *task, const struct directory *dir)
{
	struct client *client = task->torture->client;
	struct listing listing = {.task = task, .dir = dir};
	uint32_t fid;
	int result = client_walk(client, dir->fid, "", &fid);

	if (result == 0)
		result = client_lopen(client, fid, P9_O_DIRECTORY);
	if (result == 0)
		result = client_readdir(client, fid, list_entry, &listing);
	if (result == TORTURE_WRONG || torture_judge(task, result, 0, "list a directory") != 0)
		return TORTURE_WRONG;
	for (unsigned i = 0; i < NAMES; i++) {
		if (dir->entry[i] != NULL && listing.seen[i] == 0)
			return torture_wrong(task, "readdir: %s is not listed", names[i]);
	}
	return torture_judge(task, client_clunk(client, fid), 0, "clunk");
}

/* The whole tree against the model. */
static int look_at_all(struct torture_task *task)
{
	const struct tree *tree = task->state;
	int result = 0;

	for (unsigned i = 0; result == 0 && i < tree->count; i++) {
		result = list_dir(task, tree->dirs[i]);
		for (unsigned name = 0; result == 0 && name < NAMES; name++)
			result = look(task, (struct place){tree->dirs[i], name});
	}
	return result;
}

static int look_at_one(struct torture_task *task)
{
	const struct tree *tree = task->state;

	return list_dir(task, tree->dirs[torture_below(task, tree->count)]);
}

/* ---- the kind ---- */

static int start_names(struct torture_task *task)
{
	struct client *client = task->torture->client;
	struct tree *tree = calloc(1, sizeof(*tree));
	struct directory *dir = calloc(1, sizeof(*dir));
	struct p9_Rgetattr attr;
	int result = tree != NULL && dir != NULL ? 0 : -ENOMEM;

	task->state = tree;
	if (result == 0)
		result = client_walk(client, task->dir, "", &dir->fid);
	if (result == 0)
		result = client_getattr(client, dir->fid, P9_GETATTR_BASIC, &attr);
	if (torture_judge(task, result, 0, "the task's directory") != 0) {
		free(dir);
		return TORTURE_WRONG;
	}
	tree->dirs[tree->count++] = dir;
	tree->counts_links = attr.nlink == 2;
	return 0;
}

static int round_names(struct torture_task *task)
{
	static const struct {
		int (*run)(struct torture_task *task);
		unsigned weight;
	} steps[] = {
		{make_dir, 10},	    {make_file, 14},   {make_or_open_file, 4}, {make_symlink, 10},
		{make_fifo, 5},	    {make_link, 12},   {remove_name, 12},      {remove_dir, 8},
		{remove_by_fid, 4}, {rename_name, 12}, {rename_dir, 5},	       {rename_by_fid, 3},
		{change_mode, 5},   {look_at_one, 4},  {look_at_all, 1},
	};
	unsigned sum = 0, dice, i = 0;

	for (unsigned step = 0; step < countof(steps); step++)
		sum += steps[step].weight;
	dice = torture_below(task, sum);
	while (dice >= steps[i].weight)
		dice -= steps[i++].weight;
	return steps[i].run(task);
}

static int end_names(struct torture_task *task)
{
	struct tree *tree = task->state;
	int result = look_at_all(task);

	for (unsigned i = 0; result == 0 && i < tree->count; i++)
		result = torture_judge(
			task, client_clunk(task->torture->client, tree->dirs[i]->fid), 0, "clunk");
	return result;
}

static void free_names(struct torture_task *task)
{
	struct tree *tree = task->state;

	for (unsigned i = 0; tree != NULL && i < tree->count; i++) {
		for (unsigned name = 0; name < NAMES; name++) {
			struct object *object = tree->dirs[i]->entry[name];

			if (object != NULL && --object->links == 0)
				free(object);
		}
		free(tree->dirs[i]);
	}
	free(tree);
	task->state = NULL;
}

const struct torture_kind torture_names = {
	.name = "names",
	.start = start_names,
	.round = round_names,
	.end = end_names,
	.free = free_names,
};
