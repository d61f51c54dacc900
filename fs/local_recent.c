/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_recent.c - descriptors that outlive their nodes for a moment, for the next walk to the same
 * name.
 *
 * Clients walk to a name, ask for its attributes, forget it, and soon walk there again. The objects
 * that were walked to last are remembered with directory and name; a descriptor of theirs that is
 * forgotten is not closed, but waits for such a walk, which needs one system call then: a look at
 * what the name means now. If that is the object of the descriptor, the descriptor is what opening
 * the name would give:
 *  - it has pinned the object, so nobody else can have its number;
 *  - it was opened by that name, and that is not another one of its names by now: a link, a rename
 *    and an unlink change the ctime. So that none of them falls into one tick of the clock with the
 *    walk, only what had its ctime for a while is remembered. A directory has but one name;
 *  - both are on the mount of the root. What lies on others is not remembered, nor kept busy.
 * All of that holds for file systems of this kernel's own: on others (NFS, FUSE) nothing is
 * remembered. Who may look the name up is the kernel's decision, each time.
 *
 * What waits keeps an object from vanishing that the host has unlinked: for two seconds at most,
 * then it is closed by a thread, which ends when nothing is left to wait for; or until somebody
 * closes what a dead process has left. Names that are unlinked through this fs do not wait at all.
 */
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>

#include "common/thread.h"
#include "fs/local.h"

#define RECENT_MAX 256
#define RECENT_NAME_MAX 63 /* bytes; of longer names nothing is remembered */
#define RECENT_TICK_S 1
#define RECENT_TICKS 2 /* that begin while a descriptor waits: then it is closed */

/* What tells an object, its name and its mount from others. */
struct recent_object {
	uint64_t ino;
	uint32_t major, minor;
	struct fs_time ctime; /* zero for a directory */
};

LIST_HEAD(recent_list, recent);
TAILQ_HEAD(recent_queue, recent);

struct recent {
	TAILQ_ENTRY(recent) by_use;
	TAILQ_ENTRY(recent) by_name; /* in, where those that wait come first: */
	struct recent_queue *names;
	LIST_ENTRY(recent) by_fd, by_dir;
	int fd; /* -1: nothing is remembered here */
	int dir;
	bool waits; /* the descriptor is ours, not a node's */
	unsigned tick;
	struct recent_object object;
	char name[RECENT_NAME_MAX + 1];
};

struct local_recent {
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	bool ending, sweeping;
	unsigned tick;
	unsigned waiting; /* entries */
	unsigned closing; /* descriptors that are not in the table any more, nor closed yet */
	unsigned losses;  /* names that were unlinked */
	struct recent_queue by_use; /* all entries; first the free ones, then the longest unused */
	struct recent_queue by_name[RECENT_MAX];
	struct recent_list by_fd[RECENT_MAX], by_dir[RECENT_MAX];
	struct recent entry[RECENT_MAX];

	/* Never change. */
	bool useful;
	uint64_t mount; /* of the root */
};

/* Descriptors to be closed when the lock is not held any more. Begins with count 0. */
struct closing {
	unsigned count;
	int fd[RECENT_MAX + 1];
};

static void unlock_and_close(struct local_recent *recent, const struct closing *closing)
{
	recent->closing += closing->count;
	pthread_mutex_unlock(&recent->lock);
	if (closing->count == 0)
		return;
	for (unsigned i = 0; i < closing->count; i++)
		close(closing->fd[i]);
	pthread_mutex_lock(&recent->lock);
	recent->closing -= closing->count;
	pthread_cond_broadcast(&recent->changed);
	pthread_mutex_unlock(&recent->lock);
}

/* ---- the table; all under the lock ---- */

static struct recent_queue *name_list(struct local_recent *recent, const char *name)
{
	uint32_t hash = 2166136261; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619;
	return &recent->by_name[hash % RECENT_MAX];
}

static struct recent_list *fd_list(struct recent_list *lists, int fd)
{
	return &lists[(unsigned)fd % RECENT_MAX];
}

static struct recent *find_fd(struct local_recent *recent, int fd)
{
	struct recent *entry;

	LIST_FOREACH (entry, fd_list(recent->by_fd, fd), by_fd) {
		if (entry->fd == fd)
			break;
	}
	return entry;
}

static struct recent *find_child(struct local_recent *recent, int dir)
{
	struct recent *entry;

	LIST_FOREACH (entry, fd_list(recent->by_dir, dir), by_dir) {
		if (entry->dir == dir)
			break;
	}
	return entry;
}

static struct recent *find_name(struct local_recent *recent, const char *name)
{
	struct recent *entry;

	TAILQ_FOREACH (entry, name_list(recent, name), by_name) {
		if (strcmp(entry->name, name) == 0)
			break;
	}
	return entry;
}

static void add_entry(struct local_recent *recent, struct recent *entry)
{
	entry->names = name_list(recent, entry->name);
	TAILQ_INSERT_TAIL(entry->names, entry, by_name);
	LIST_INSERT_HEAD(fd_list(recent->by_fd, entry->fd), entry, by_fd);
	LIST_INSERT_HEAD(fd_list(recent->by_dir, entry->dir), entry, by_dir);
	TAILQ_REMOVE(&recent->by_use, entry, by_use);
	TAILQ_INSERT_TAIL(&recent->by_use, entry, by_use);
}

static void forget_entry(struct local_recent *recent, struct recent *entry)
{
	TAILQ_REMOVE(entry->names, entry, by_name);
	LIST_REMOVE(entry, by_fd);
	LIST_REMOVE(entry, by_dir);
	TAILQ_REMOVE(&recent->by_use, entry, by_use);
	TAILQ_INSERT_HEAD(&recent->by_use, entry, by_use);
	recent->waiting -= entry->waits;
	entry->fd = -1;
}

static void drop_entry(struct local_recent *recent, struct recent *entry, struct closing *closing);

/* A descriptor that is about to be closed stands for no directory any more. */
static void drop_fd(struct local_recent *recent, int fd, struct closing *closing)
{
	struct recent *entry;

	closing->fd[closing->count++] = fd;
	while ((entry = find_child(recent, fd)) != NULL)
		drop_entry(recent, entry, closing);
}

static void drop_entry(struct local_recent *recent, struct recent *entry, struct closing *closing)
{
	int fd = entry->fd;
	bool waits = entry->waits;

	forget_entry(recent, entry);
	if (waits)
		drop_fd(recent, fd, closing);
}

/* The same for a descriptor that does not wait, of which nothing may be remembered. */
static void drop_node(struct local_recent *recent, int fd, struct closing *closing)
{
	struct recent *entry = find_fd(recent, fd);

	if (entry)
		forget_entry(recent, entry);
	drop_fd(recent, fd, closing);
}

static void drop_waiting(struct local_recent *recent, unsigned ticks, struct closing *closing)
{
	for (unsigned i = 0; i < RECENT_MAX; i++) {
		struct recent *entry = &recent->entry[i];

		if (entry->fd >= 0 && entry->waits && recent->tick - entry->tick >= ticks)
			drop_entry(recent, entry, closing);
	}
}

/* ---- the thread that closes what nobody came for ---- */

static void wait_a_tick(struct local_recent *recent)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RECENT_TICK_S;
	while (!recent->ending &&
	       pthread_cond_timedwait(&recent->changed, &recent->lock, &until) != ETIMEDOUT)
		;
}

static void *sweep(void *arg)
{
	struct local_recent *recent = arg;

	pthread_mutex_lock(&recent->lock);
	while (!recent->ending && recent->waiting > 0) {
		struct closing closing;

		closing.count = 0;
		wait_a_tick(recent);
		recent->tick++;
		drop_waiting(recent, RECENT_TICKS, &closing);
		unlock_and_close(recent, &closing);
		pthread_mutex_lock(&recent->lock);
	}
	recent->sweeping = false;
	pthread_cond_broadcast(&recent->changed);
	pthread_mutex_unlock(&recent->lock);
	return NULL;
}

static bool begin_to_wait(struct local_recent *recent, struct recent *entry)
{
	if (!recent->sweeping)
		recent->sweeping = thread_start(sweep, recent) == 0;
	if (!recent->sweeping)
		return false;
	TAILQ_REMOVE(entry->names, entry, by_name);
	TAILQ_INSERT_HEAD(entry->names, entry, by_name);
	TAILQ_REMOVE(&recent->by_use, entry, by_use);
	TAILQ_INSERT_TAIL(&recent->by_use, entry, by_use);
	entry->waits = true;
	entry->tick = recent->tick;
	recent->waiting++;
	return true;
}

/* ---- for walk and forget ---- */

static struct recent_object object_of(const struct statx *st)
{
	struct recent_object object = {
		.ino = st->stx_ino,
		.major = st->stx_dev_major,
		.minor = st->stx_dev_minor,
	};

	if (!S_ISDIR(st->stx_mode))
		object.ctime = local_time(&st->stx_ctime);
	return object;
}

static bool is_same(const struct recent_object *a, const struct recent_object *b)
{
	return a->ino == b->ino && a->major == b->major && a->minor == b->minor &&
	       a->ctime.sec == b->ctime.sec && a->ctime.nsec == b->ctime.nsec;
}

/* Kernels before 5.8 do not tell. */
static bool is_on_root_mount(const struct local *local, const struct statx *st)
{
	return local->recent->useful && (st->stx_mask & STATX_MNT_ID) &&
	       st->stx_mnt_id == local->recent->mount;
}

static struct recent *find_waiting(struct local_recent *recent, int dir, const char *name)
{
	struct recent *entry;

	TAILQ_FOREACH (entry, name_list(recent, name), by_name) {
		if (!entry->waits)
			return NULL;
		if (entry->dir == dir && strcmp(entry->name, name) == 0)
			break;
	}
	return entry;
}

/* The descriptor of an entry that waits, which is the caller's now; -1: there is none. */
static int take_waiting(struct local_recent *recent, int dir, const char *name,
			struct recent_object *object)
{
	struct recent *entry;
	int fd = -1;

	pthread_mutex_lock(&recent->lock);
	entry = find_waiting(recent, dir, name);
	if (entry) {
		TAILQ_REMOVE(entry->names, entry, by_name);
		TAILQ_INSERT_TAIL(entry->names, entry, by_name);
		entry->waits = false;
		recent->waiting--;
		*object = entry->object;
		fd = entry->fd;
	}
	pthread_mutex_unlock(&recent->lock);
	return fd;
}

int local_recent_take(struct local *local, int dir, const char *name, struct statx *st)
{
	struct local_recent *recent = local->recent;
	struct recent_object remembered, found;
	int fd = take_waiting(recent, dir, name, &remembered);
	struct closing closing;

	if (fd < 0)
		return -1;
	if (local_statx(local, dir, name, st) == 0 && is_on_root_mount(local, st)) {
		found = object_of(st);
		if (is_same(&found, &remembered))
			return fd;
	}
	closing.count = 0;
	pthread_mutex_lock(&recent->lock);
	drop_node(recent, fd, &closing);
	unlock_and_close(recent, &closing);
	return -1;
}

static bool is_worth_it(const struct local *local, const char *name, const struct statx *st)
{
	if (strcmp(name, ".") == 0 || strlen(name) > RECENT_NAME_MAX ||
	    !is_on_root_mount(local, st))
		return false;
	return S_ISDIR(st->stx_mode) || local_is_settled(st->stx_ctime.tv_sec);
}

unsigned local_recent_losses(const struct local *local)
{
	return __atomic_load_n(&local->recent->losses, __ATOMIC_ACQUIRE);
}

void local_recent_note(struct local *local, int dir, const char *name, int fd,
		       const struct statx *st, unsigned losses)
{
	struct local_recent *recent = local->recent;
	struct closing closing;
	struct recent *entry;

	if (!is_worth_it(local, name, st))
		return;
	closing.count = 0;
	pthread_mutex_lock(&recent->lock);
	if (recent->losses != losses) {
		pthread_mutex_unlock(&recent->lock);
		return;
	}
	entry = TAILQ_FIRST(&recent->by_use);
	if (entry->fd >= 0)
		drop_entry(recent, entry, &closing);
	entry->fd = fd;
	entry->dir = dir;
	entry->waits = false;
	entry->object = object_of(st);
	strcpy(entry->name, name);
	add_entry(recent, entry);
	unlock_and_close(recent, &closing);
}

void local_recent_forget(struct local *local, struct fs_node node)
{
	struct local_recent *recent = local->recent;
	struct closing closing;
	struct recent *entry;

	closing.count = 0;
	pthread_mutex_lock(&recent->lock);
	entry = find_fd(recent, node.id);
	if (!entry || !begin_to_wait(recent, entry))
		drop_node(recent, node.id, &closing);
	unlock_and_close(recent, &closing);
}

void local_recent_unlinked(struct local *local, const char *name)
{
	struct local_recent *recent = local->recent;
	struct closing closing;
	struct recent *entry;

	closing.count = 0;
	pthread_mutex_lock(&recent->lock);
	__atomic_store_n(&recent->losses, recent->losses + 1, __ATOMIC_RELEASE);
	while ((entry = find_name(recent, name)) != NULL)
		drop_entry(recent, entry, &closing);
	unlock_and_close(recent, &closing);
}

void local_recent_clear(const struct local *local)
{
	struct local_recent *recent = local->recent;
	struct closing closing;

	if (!recent)
		return;
	closing.count = 0;
	pthread_mutex_lock(&recent->lock);
	drop_waiting(recent, 0, &closing);
	while (closing.count == 0 && recent->closing > 0)
		pthread_cond_wait(&recent->changed, &recent->lock);
	unlock_and_close(recent, &closing);
}

/* ---- life ---- */

int local_recent_create(struct local *local)
{
	struct local_recent *recent = calloc(1, sizeof(*recent));
	pthread_condattr_t monotonic;
	struct statx root;
	int ret = recent ? local_statx(local, local->root, "", &root) : -ENOMEM;

	if (ret) {
		free(recent);
		return ret;
	}
	recent->mount = root.stx_mnt_id;
	recent->useful = local_is_kernels_own(local->root);
	pthread_mutex_init(&recent->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&recent->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	TAILQ_INIT(&recent->by_use);
	for (unsigned i = 0; i < RECENT_MAX; i++) {
		recent->entry[i].fd = -1;
		TAILQ_INSERT_TAIL(&recent->by_use, &recent->entry[i], by_use);
		TAILQ_INIT(&recent->by_name[i]);
	}
	local->recent = recent;
	return 0;
}

void local_recent_destroy(struct local *local)
{
	struct local_recent *recent = local->recent;

	if (!recent)
		return;
	pthread_mutex_lock(&recent->lock);
	recent->ending = true;
	pthread_cond_broadcast(&recent->changed);
	while (recent->sweeping)
		pthread_cond_wait(&recent->changed, &recent->lock);
	pthread_mutex_unlock(&recent->lock);
	local_recent_clear(local);
	pthread_cond_destroy(&recent->changed);
	pthread_mutex_destroy(&recent->lock);
	free(recent);
}
