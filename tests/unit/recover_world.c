/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recover_world.c - what is around the lives: the client with its script, the export, and what is
 * to be compared afterwards. Inode numbers, times and descriptors differ from run to run: objects
 * are told by the names they have.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/util.h"
#include "proto/text.h"
#include "tests/lib/test.h"
#include "tests/unit/recover.h"

#define FD_MIN 16 /* or more, if the test was started with more */
#define FIDS_MAX 16

struct world *world;
struct saved *world_saved;
int world_fd_min, world_root, world_memory;

static char *base, export[256];
static bool foreign_fd[1024]; /* open before the test began */
static uint16_t tag_next, tag_chosen;

void world_fail(const char *file, unsigned line, const char *text)
{
	if (world->failures++ == 0)
		snprintf(world->failure, sizeof(world->failure), "%s:%u: %s", file, line, text);
}

/* ---- descriptors ---- */

/* Calls `fn` for each that is open, but for the listing's own. */
static void each_fd(void (*fn)(int fd, void *arg), void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			fn(atoi(entry->d_name), arg);
	}
	if (dir != NULL)
		closedir(dir);
}

/* mapped-file keeps some of the files of objects whose name is gone: for itself, and not for long.
 */
static bool is_kept_file(int fd)
{
	char path[64], target[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return strstr(target, "/.virtfs_metadata/") != NULL;
}

static void count_upper(int fd, void *arg)
{
	*(unsigned *)arg += fd >= world_fd_min && !is_kept_file(fd);
}

unsigned world_count_fds(void)
{
	unsigned count = 0;

	each_fd(count_upper, &count);
	return count;
}

void world_lose_table(void)
{
	close_range((unsigned)world_fd_min, ~0u, 0);
	world->lost = true;
}

static void note_foreign(int fd, void *arg)
{
	(void)arg;
	if (fd < (int)countof(foreign_fd))
		foreign_fd[fd] = true;
	if (fd >= world_fd_min)
		world_fd_min = fd + 1;
}

/* Nothing that a life opens gets a number that is the test's. */
static void fill_lower(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd < world_fd_min);
	close(fd);
}

/* ---- life of the world ---- */

static void *map(size_t size, int fd)
{
	int kind = fd < 0 ? MAP_ANONYMOUS : 0;
	void *area =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | kind, fd, 0);

	CU_ASSERT_PTR_NOT_EQUAL_FATAL(area, MAP_FAILED);
	return area;
}

void world_open(void)
{
	memset(foreign_fd, 0, sizeof(foreign_fd));
	world_fd_min = FD_MIN;
	each_fd(note_foreign, NULL);
	base = test_tmpdir();
	chmod(base, 0755);
	world_memory = memfd_create("saved", MFD_CLOEXEC);
	world_root = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_FATAL(world_memory >= 0 && world_root >= 0);
	CU_ASSERT_FATAL(ftruncate(world_memory, sizeof(*world_saved)) == 0);
	if (world_fd_min <= world_memory || world_fd_min <= world_root)
		world_fd_min = (world_memory > world_root ? world_memory : world_root) + 1;
	world = map(sizeof(*world), -1);
	world_saved = map(sizeof(*world_saved), world_memory);
	fill_lower();
	snprintf(export, sizeof(export), "%s/export", base);
}

void world_close(void)
{
	munmap(world_saved, sizeof(*world_saved));
	munmap(world, sizeof(*world));
	test_rmtree(base);
	free(base);
	close_range((unsigned)world_fd_min, ~0u, 0);
	for (int fd = 0; fd < world_fd_min; fd++) {
		if (fd >= (int)countof(foreign_fd) || !foreign_fd[fd])
			close(fd);
	}
}

static int path_to(char *path, size_t size, const char *name)
{
	return snprintf(path, size, "%s/%s", export, name);
}

static void make_file(const char *name, const char *content)
{
	char path[512];
	int fd;

	path_to(path, sizeof(path), name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	CU_ASSERT(write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
}

static void make_dir(const char *name, mode_t mode)
{
	char path[512];

	path_to(path, sizeof(path), name);
	CU_ASSERT(mkdir(path, 0755) == 0 && chmod(path, mode) == 0);
}

static void make_links(void)
{
	char path[512], other[512];

	path_to(path, sizeof(path), "s");
	CU_ASSERT(symlink("target", path) == 0);
	path_to(path, sizeof(path), "h");
	path_to(other, sizeof(other), "h2");
	CU_ASSERT(link(path, other) == 0);
	path_to(path, sizeof(path), "k");
	setxattr(path, "user.a", "value", 5, 0);
}

static void make_attributes(const char *name, unsigned mode)
{
	char text[64];

	snprintf(text, sizeof(text), "virtfs.uid=7\nvirtfs.mode=%u\n", mode);
	make_file(name, text);
}

/* What mapped-file has beside the objects, also beside some that are no more. */
static void make_all_attributes(void)
{
	char path[512], other[512];

	make_dir(".virtfs_metadata", 0700);
	make_dir("d/.virtfs_metadata", 0700);
	make_attributes(".virtfs_metadata/f", S_IFREG | 0664);
	make_attributes(".virtfs_metadata/h", S_IFREG | 0611);
	make_attributes(".virtfs_metadata/e", S_IFDIR | 0751);
	make_attributes(".virtfs_metadata/new", S_IFIFO | 0622);
	make_attributes("d/.virtfs_metadata/x", S_IFIFO | 0643);
	make_attributes("d/.virtfs_metadata/new", S_IFDIR | 0777);
	path_to(path, sizeof(path), ".virtfs_metadata/h");
	path_to(other, sizeof(other), ".virtfs_metadata/h2");
	CU_ASSERT(link(path, other) == 0);
}

/* Whoever changes it: every object has another size, so that an answer tells which it is. */
static void fill_export(void)
{
	make_file("f", "content");
	make_file("g", "something else");
	make_file("h", "two names");
	make_file("k", "with an attribute");
	make_dir("d", 0755);
	make_file("d/x", "further down");
	make_dir("e", 0700);
	make_dir("p", 0777); /* where the unprivileged may make something */
	make_links();
	if (world->model == FS_MODEL_MAPPED_FILE)
		make_all_attributes();
}

void world_reset(void)
{
	test_rmtree(export);
	close_range((unsigned)world_fd_min, ~0u, 0);
	close(world_root);
	CU_ASSERT_FATAL(mkdir(export, 0755) == 0);
	fill_export();
	/* The lowest free number is the one that was closed. */
	CU_ASSERT(open(export, O_PATH | O_DIRECTORY | O_CLOEXEC) == world_root);
	CU_ASSERT_FATAL(ftruncate(world_memory, 0) == 0);
	CU_ASSERT_FATAL(ftruncate(world_memory, sizeof(*world_saved)) == 0);
	world->messages = 0;
	world->writing = PHASE_SETUP;
	world->pace = PACE_EACH;
	world->unprivileged = world->begun = world->lost = world->armed = world->at_stores = false;
	world->evict_at = 0;
	world->half = NULL;
	world->death = 0;
	world->place[0] = '\0';
	world->failures = 0;
	for (size_t i = 0; i < LANES; i++) {
		struct world_lane *lane = &world->lane[i];

		lane->produced = lane->taken = lane->released = lane->put = 0;
	}
	tag_next = TAG_FIRST;
	tag_chosen = 0;
	world->dialect = P9_L;
	speak(P9_L);
}

const char *world_export(void)
{
	return export;
}

bool world_has_xattrs(void)
{
	char path[512];

	path_to(path, sizeof(path), "k");
	return getxattr(path, "user.a", NULL, 0) == 5;
}

/* ---- the client ---- */

static uint16_t tag_of_next(void)
{
	return tag_chosen != 0 ? tag_chosen : tag_next;
}

static void say(struct p9_msg msg, uint8_t answer, uint32_t ecode)
{
	struct world_message *m = &world->message[world->messages];
	struct world_lane *lane;
	int size;

	CU_ASSERT_FATAL(world->messages < MESSAGES_MAX);
	m->tag = msg.tag = tag_of_next();
	m->dialect = world->dialect;
	m->lane = tag_chosen != 0 ? 0 : tag_next % LANES;
	if (tag_chosen == 0)
		tag_next++;
	tag_chosen = 0;
	lane = &world->lane[m->lane];
	size = p9_encode(&msg, m->dialect, lane->in + lane->produced, LANE_BYTES - lane->produced);
	CU_ASSERT_FATAL(size > 0);
	m->at = lane->produced;
	m->size = (uint32_t)size;
	lane->produced += m->size;
	m->phase = world->writing;
	m->answer = answer;
	m->ecode = ecode;
	world->messages++;
}

struct p9_msg version_of(enum p9_dialect dialect)
{
	static const char *const versions[] = {
		[P9_L] = P9_VERSION_L,
		[P9_U] = P9_VERSION_U,
		[P9_PLAIN] = P9_VERSION_PLAIN,
	};

	return T(version, .msize = MSIZE, .version = p9_str(versions[dialect]));
}

void speak(enum p9_dialect dialect)
{
	does(version_of(dialect));
	world->dialect = dialect;
	does(T(attach, .newfid = 0, .afid = P9_NOFID, .uname = p9_str(""), .aname = p9_str("")));
}

void says(struct p9_msg msg)
{
	say(msg, 0, 0);
}

void does(struct p9_msg msg)
{
	say(msg, (uint8_t)(msg.type + 1), 0);
}

void fails(int err, struct p9_msg msg)
{
	say(msg, world->dialect == P9_L ? P9_Rlerror : P9_Rerror, (uint32_t)err);
}

void unanswered(struct p9_msg msg)
{
	say(msg, NO_ANSWER, 0);
}

void with_tag(uint16_t tag)
{
	tag_chosen = tag;
}

struct p9_msg walk(uint32_t fid, uint32_t newfid, const char *name)
{
	struct p9_msg msg = T(walk, .fid = fid, .newfid = newfid);

	if (name != NULL) {
		msg.Twalk.names.count = 1;
		msg.Twalk.names.name[0] = p9_str(name);
	}
	return msg;
}

void act(enum pace pace)
{
	world->pace = pace;
	world->writing = PHASE_ACT;
}

void meanwhile(const char *object, bool gone)
{
	world->half = object;
	world->half_gone = gone;
}

static struct p9_msg look_at(uint32_t fid)
{
	return world->dialect == P9_L ? T(getattr, .fid = fid) : T(stat, .fid = fid);
}

void prove(void)
{
	world->writing = PHASE_PROVE;
	for (uint32_t fid = 0; fid < FIDS_MAX; fid++)
		says(look_at(fid));
	for (uint32_t fid = 0; fid < FIDS_MAX; fid++)
		says(T(clunk, .fid = fid));
	for (uint32_t fid = 0; fid < FIDS_MAX; fid++)
		fails(EBADF, look_at(fid));
}

/* ---- telling ---- */

static uint64_t sought;
static const char *found;

static int compare_inode(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	static char name[512];

	(void)kind, (void)ftw;
	if (st->st_ino != sought)
		return 0;
	snprintf(name, sizeof(name), "%s", path + strlen(export));
	found = name;
	return 1;
}

static const char *name_of(uint64_t path)
{
	sought = path;
	found = "?";
	nftw(export, compare_inode, 16, FTW_PHYS);
	return found;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void tell_listing(FILE *to, const struct p9_data *data)
{
	char *names[64], *bytes = malloc(data->len + 1);
	size_t count = 0, used = 0;

	memcpy(bytes, data->bytes, data->len);
	while (used < data->len && count < countof(names)) {
		struct p9_dirent entry;
		int n = p9_dirent_get(&entry, bytes + used, data->len - used);

		if (n <= 0)
			break;
		names[count++] = (char *)(uintptr_t)entry.name.text;
		used += (size_t)n;
	}
	qsort(names, count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < count; i++)
		fprintf(to, " %s", names[i]);
	free(bytes);
}

/* What a read gave: the names in it, if it is all stats. */
static void tell_data(FILE *to, enum p9_dialect dialect, const struct p9_data *data)
{
	uint8_t *bytes = malloc(data->len + 1);
	char *names[64];
	size_t count = 0, used = 0;

	memcpy(bytes, data->bytes, data->len);
	while (dialect != P9_L && used < data->len && count < countof(names)) {
		struct p9_stat stat;
		int n = p9_stat_get(&stat, dialect, bytes + used, data->len - used);

		if (n <= 0)
			break;
		names[count++] = (char *)(uintptr_t)stat.name.text;
		used += (size_t)n;
	}
	qsort(names, count, sizeof(names[0]), by_name);
	for (size_t i = 0; i < count; i++)
		fprintf(to, " %s", names[i]);
	if (count == 0)
		fprintf(to, " %.*s", (int)data->len, (const char *)data->bytes);
	free(bytes);
}

static void tell_qid(FILE *to, const struct p9_qid *qid)
{
	fprintf(to, " %s(%u)", name_of(qid->path), qid->type);
}

static void tell_stat(FILE *to, const struct p9_stat *stat)
{
	tell_qid(to, &stat->qid);
	fprintf(to, " %s %o %llu", stat->name.text, stat->mode, (unsigned long long)stat->length);
	fprintf(to, " %s", stat->extension.text);
}

static void tell_reply(FILE *to, enum p9_dialect dialect, const struct p9_msg *r)
{
	const char *name = p9_name(r->type);

	fprintf(to, "reply %u %s", r->tag, name != NULL ? name : "?");
	switch (r->type) {
	case P9_Rlerror:
		fprintf(to, " %u", r->Rlerror.ecode);
		break;
	case P9_Rerror:
		fprintf(to, " %s", r->Rerror.ename.text);
		break;
	case P9_Rversion:
		fprintf(to, " %u %s", r->Rversion.msize, r->Rversion.version.text);
		break;
	case P9_Rattach:
		tell_qid(to, &r->Rattach.qid);
		break;
	case P9_Rwalk:
		for (unsigned i = 0; i < r->Rwalk.qids.count; i++)
			tell_qid(to, &r->Rwalk.qids.qid[i]);
		break;
	case P9_Ropen:
		tell_qid(to, &r->Ropen.qid);
		break;
	case P9_Rcreate:
		tell_qid(to, &r->Rcreate.qid);
		break;
	case P9_Rstat:
		tell_stat(to, &r->Rstat.stat);
		break;
	case P9_Rlopen:
		tell_qid(to, &r->Rlopen.qid);
		break;
	case P9_Rlcreate:
		tell_qid(to, &r->Rlcreate.qid);
		break;
	case P9_Rmkdir:
		tell_qid(to, &r->Rmkdir.qid);
		break;
	case P9_Rsymlink:
		tell_qid(to, &r->Rsymlink.qid);
		break;
	case P9_Rmknod:
		tell_qid(to, &r->Rmknod.qid);
		break;
	case P9_Rread:
		tell_data(to, dialect, &r->Rread.data);
		break;
	case P9_Rreaddir:
		tell_listing(to, &r->Rreaddir.data);
		break;
	case P9_Rwrite:
		fprintf(to, " %u", r->Rwrite.count);
		break;
	case P9_Rgetattr:
		tell_qid(to, &r->Rgetattr.qid);
		fprintf(to, " %o %llu %llu", r->Rgetattr.mode,
			(unsigned long long)r->Rgetattr.nlink,
			(unsigned long long)r->Rgetattr.size);
		break;
	case P9_Rreadlink:
		fprintf(to, " %s", r->Rreadlink.target.text);
		break;
	case P9_Rxattrwalk:
		fprintf(to, " %llu", (unsigned long long)r->Rxattrwalk.size);
		break;
	case P9_Rlock:
		fprintf(to, " %u", r->Rlock.status);
		break;
	case P9_Rgetlock:
		fprintf(to, " %u %llu %llu", r->Rgetlock.type,
			(unsigned long long)r->Rgetlock.start,
			(unsigned long long)r->Rgetlock.length);
		break;
	default:
		break;
	}
	fprintf(to, "\n");
}

static uint32_t errno_of(const struct p9_msg *msg)
{
	if (msg->type == P9_Rerror)
		return text_to_errno(msg->Rerror.ename.text);
	return msg->type == P9_Rlerror ? msg->Rlerror.ecode : 0;
}

/* How many replies to that message's tag there are; of the first, type and errno. */
static unsigned look_up_reply(const struct world_message *m, struct p9_msg *reply, FILE *to)
{
	unsigned count = 0;

	for (size_t i = 0; i < LANES; i++) {
		const struct world_lane *lane = &world->lane[i];
		uint32_t at = 0, size;

		for (; at < lane->put; at += size) {
			uint8_t bytes[MSIZE];
			struct p9_msg msg;
			uint16_t tag;

			memcpy(&size, lane->out + at, sizeof(size));
			if (size < P9_HEADER_SIZE || size > MSIZE || size > lane->put - at) {
				world_fail(__FILE__, __LINE__, "a reply is no message");
				return count;
			}
			memcpy(bytes, lane->out + at, size);
			memcpy(&tag, bytes + 5, sizeof(tag));
			if (tag != m->tag)
				continue;
			if (p9_decode(&msg, m->dialect, bytes, size) < 0)
				world_fail(__FILE__, __LINE__, "a reply cannot be decoded");
			if (to != NULL)
				tell_reply(to, m->dialect, &msg);
			if (count++ == 0)
				*reply = (struct p9_msg){
					.type = msg.type,
					.Rlerror.ecode = errno_of(&msg),
				};
		}
	}
	return count;
}

static bool said_before(uint32_t message)
{
	for (uint32_t i = 0; i < message; i++) {
		if (world->message[i].tag == world->message[message].tag)
			return true;
	}
	return false;
}

static void compare(const struct world_message *m, unsigned replies, const struct p9_msg *reply)
{
	char text[128];

	if (m->answer == 0 || (m->answer == NO_ANSWER && replies == 0) ||
	    (replies == 1 && reply->type == m->answer && reply->Rlerror.ecode == m->ecode))
		return;
	snprintf(text, sizeof(text), "request %u: %u replies of type %u, error %u", m->tag, replies,
		 replies > 0 ? reply->type : 0, replies > 0 ? reply->Rlerror.ecode : 0);
	world_fail(__FILE__, __LINE__, text);
}

/* A tag that is used again has one reply. */
void world_tell_replies(FILE *to, bool expected)
{
	for (uint32_t i = 0; i < world->messages; i++) {
		const struct world_message *m = &world->message[i];
		struct p9_msg reply;
		unsigned replies;

		replies = look_up_reply(m, &reply, said_before(i) ? NULL : to);
		if (expected && !(m->answer == NO_ANSWER && m->tag < TAG_FIRST))
			compare(m, replies, &reply);
	}
}

static void tell_content(FILE *to, const char *path)
{
	char text[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : 0;

	fprintf(to, " \"%.*s\"", n > 0 ? (int)n : 0, text);
	close(fd);
}

static void tell_xattrs(FILE *to, const char *path)
{
	static const char *const names[] = {"user.a", "user.b"};
	char value[256];

	for (size_t i = 0; i < countof(names); i++) {
		ssize_t n = lgetxattr(path, names[i], value, sizeof(value));

		if (n >= 0)
			fprintf(to, " %s=%.*s", names[i], (int)n, value);
	}
}

static void tell_tree(FILE *to, const char *dir)
{
	struct dirent **list;
	int count = scandir(dir, &list, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char path[768], target[256];
		const char *name = list[i]->d_name;
		struct stat st;
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && lstat(path, &st) == 0) {
			fprintf(to, "%s %o %lu", path + strlen(export), st.st_mode,
				(unsigned long)st.st_nlink);
			if (S_ISREG(st.st_mode))
				tell_content(to, path);
			n = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof(target)) : 0;
			fprintf(to, " %.*s", (int)n, target);
			tell_xattrs(to, path);
			fprintf(to, "\n");
			if (S_ISDIR(st.st_mode))
				tell_tree(to, path);
		}
		free(list[i]);
	}
	free(count >= 0 ? list : NULL);
}

static void tell_fids(FILE *to)
{
	for (uint32_t number = 0; number < FIDS_MAX; number++) {
		for (uint32_t i = 1; i <= world_saved->fid_used; i++) {
			const struct fid_saved *fid = &world_saved->fid[i].saved;

			if (fid->state != FID_FREE && fid->number == number)
				fprintf(to, "fid %u state %u kind %u\n", number, fid->state,
					fid->kind);
		}
	}
}

void world_tell_state(FILE *to)
{
	tell_fids(to);
	tell_tree(to, export);
}
