/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_sim_bus.c - the simulated bus, seen through the seams that the daemon uses: what holds
 * here is what xenstored, /dev/xen/evtchn and /dev/xen/gntdev promise. The bus runs in a child
 * process of each test, whose exit status counts, too (leaks, sanitizers).
 */
#include "xenbus/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/util.h"
#include "tests/lib/test.h"
#include "xenbus/link.h"
#include "xenbus/sim_wire.h"
#include "xenbus/store.h"

#define GUEST 7
#define OTHER 8

/* --- a bus of one's own -------------------------------------------------------------------- */

struct bench {
	char *dir;
	pid_t bus;
	int stop;
};

static void say_ready(void *arg)
{
	close(*(int *)arg);
}

static _Noreturn void run_bus(const char *dir, int stop, int ready)
{
	char err[256] = "";
	int result;

	result = sim_bus_run(dir, stop, say_ready, &ready, err, sizeof(err));
	if (result < 0)
		fprintf(stderr, "%s\n", err);
	exit(result < 0);
}

static void bench_start(struct bench *bench)
{
	int ready[2], stop[2];
	char byte;

	if (pipe(ready) < 0 || pipe(stop) < 0)
		abort();
	fflush(NULL);
	bench->bus = fork();
	if (bench->bus == 0) {
		close(ready[0]);
		close(stop[1]);
		run_bus(bench->dir, stop[0], ready[1]);
	}
	close(ready[1]);
	close(stop[0]);
	CU_ASSERT_EQUAL(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	bench->stop = stop[1];
}

static void bench_stop(struct bench *bench)
{
	int status = -1;

	close(bench->stop);
	CU_ASSERT_EQUAL(waitpid(bench->bus, &status, 0), bench->bus);
	CU_ASSERT_EQUAL(status, 0);
}

static void bench_open(struct bench *bench)
{
	bench->dir = test_tmpdir();
	bench_start(bench);
}

static void bench_close(struct bench *bench)
{
	bench_stop(bench);
	test_rmtree(bench->dir);
	free(bench->dir);
}

static void bus_name(const struct bench *bench, uint32_t domid, char *name, size_t size)
{
	snprintf(name, size, "sim:%s@%u", bench->dir, domid);
}

static struct store *open_store(const struct bench *bench, uint32_t domid)
{
	char name[256], err[256] = "";
	struct store *store = NULL;

	bus_name(bench, domid, name, sizeof(name));
	CU_ASSERT_EQUAL_FATAL(store_open(name, &store, err, sizeof(err)), 0);
	return store;
}

static struct link *open_link(const struct bench *bench, uint32_t domid)
{
	char name[256], err[256] = "";
	struct link *link = NULL;

	bus_name(bench, domid, name, sizeof(name));
	CU_ASSERT_EQUAL_FATAL(link_open(name, NULL, &link, err, sizeof(err)), 0);
	return link;
}

static struct sim_domain *open_domain(const struct bench *bench, uint32_t domid, size_t pages)
{
	struct sim_domain *domain = NULL;
	char err[256] = "";

	CU_ASSERT_EQUAL_FATAL(sim_domain_open(bench->dir, domid, pages, &domain, err, sizeof(err)),
			      0);
	return domain;
}

static struct sim_usage usage_of(const struct bench *bench, uint32_t domid)
{
	struct sim_usage usage = {0};

	CU_ASSERT_EQUAL(sim_usage(bench->dir, domid, &usage), 0);
	return usage;
}

static bool readable(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) == 1;
}

/* --- the store ----------------------------------------------------------------------------- */

static void expect_value(struct store *store, store_txn txn, const char *path, const char *value)
{
	char buf[STORE_VALUE_MAX] = "";

	CU_ASSERT_EQUAL(store_read(store, txn, path, buf, sizeof(buf)), (ssize_t)strlen(value));
	CU_ASSERT_STRING_EQUAL(buf, value);
}

static void expect_error(struct store *store, store_txn txn, const char *path, int error)
{
	char buf[STORE_VALUE_MAX];

	CU_ASSERT_EQUAL(store_read(store, txn, path, buf, sizeof(buf)), error);
}

static void expect_event(struct store *store, const char *path, const char *token)
{
	char got_path[STORE_PATH_MAX] = "", got_token[STORE_PATH_MAX] = "";

	CU_ASSERT_TRUE(readable(store_fd(store)));
	CU_ASSERT_EQUAL(store_event(store, got_path, got_token), 1);
	CU_ASSERT_STRING_EQUAL(got_path, path);
	CU_ASSERT_STRING_EQUAL(got_token, token);
}

static void expect_no_event(struct store *store)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];

	CU_ASSERT_FALSE(readable(store_fd(store)));
	CU_ASSERT_EQUAL(store_event(store, path, token), 0);
}

static void bus_names_are_explained(void)
{
	static const char *const names[] = {"",	     "sim",  "sim:",	  "sim:@3",
					    "xen:1", "qemu", "simx:/tmp", "sim:/nonexistent/dir"};
	char err[256];

	for (size_t i = 0; i < countof(names); i++) {
		struct store *store = NULL;
		struct link *link = NULL;

		err[0] = '\0';
		CU_ASSERT_TRUE(store_open(names[i], &store, err, sizeof(err)) < 0);
		CU_ASSERT_TRUE(strlen(err) > 10);
		err[0] = '\0';
		CU_ASSERT_TRUE(link_open(names[i], NULL, &link, err, sizeof(err)) < 0);
		CU_ASSERT_TRUE(strlen(err) > 10);
	}
	store_close(NULL);
	link_close(NULL);
}

static void a_domain_knows_its_number(void)
{
	struct store *store, *guest;
	struct bench bench;
	char name[256], err[256];

	bench_open(&bench);
	snprintf(name, sizeof(name), "sim:%s", bench.dir);
	CU_ASSERT_EQUAL_FATAL(store_open(name, &store, err, sizeof(err)), 0);
	guest = open_store(&bench, GUEST);
	CU_ASSERT_EQUAL(store_domid(store), 0);
	CU_ASSERT_EQUAL(store_domid(guest), GUEST);
	expect_value(store, 0, "domid", "0");
	expect_value(guest, 0, "domid", "7");
	expect_value(guest, 0, "/local/domain/7/domid", "7");
	store_close(store);
	store_close(guest);
	snprintf(name, sizeof(name), "sim:%s@32752", bench.dir);
	CU_ASSERT_EQUAL(store_open(name, &store, err, sizeof(err)), -EINVAL);
	bench_close(&bench);
}

static void nodes_are_written_listed_and_removed(void)
{
	struct store *store;
	struct bench bench;
	char **names;
	unsigned count;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/bb/c", "1"), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/b", ""), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/bbb", "3"), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/bb/c", "2"), 0);
	expect_value(store, 0, "/a/bb/c", "2");
	expect_value(store, 0, "/a/bb", "");
	expect_value(store, 0, "/a/b", "");
	CU_ASSERT_EQUAL_FATAL(store_list(store, 0, "/a", &names, &count), 0);
	CU_ASSERT_EQUAL_FATAL(count, 3);
	CU_ASSERT_STRING_EQUAL(names[0], "b");
	CU_ASSERT_STRING_EQUAL(names[1], "bb");
	CU_ASSERT_STRING_EQUAL(names[2], "bbb");
	free(names);
	CU_ASSERT_EQUAL_FATAL(store_list(store, 0, "/a/b", &names, &count), 0);
	CU_ASSERT_EQUAL(count, 0);
	free(names);

	CU_ASSERT_EQUAL(store_remove(store, 0, "/a/bb"), 0);
	expect_error(store, 0, "/a/bb/c", -ENOENT);
	expect_value(store, 0, "/a/bbb", "3");
	CU_ASSERT_EQUAL(store_remove(store, 0, "/a/bb"), 0);
	CU_ASSERT_EQUAL(store_remove(store, 0, "/never/was"), 0);
	CU_ASSERT_EQUAL(store_remove(store, 0, "/"), -EINVAL);
	CU_ASSERT_EQUAL(store_list(store, 0, "/a/bb", &names, &count), -ENOENT);
	store_close(store);
	bench_close(&bench);
}

static void values_have_limits(void)
{
	char value[4096], buf[8];
	struct store *store;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	memset(value, 'v', sizeof(value));
	value[4096 - sizeof("/a/b")] = '\0';
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/b", value), 0);
	expect_value(store, 0, "/a/b", value);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/b2", value), -E2BIG);
	expect_error(store, 0, "/a/b2", -ENOENT);
	CU_ASSERT_EQUAL(store_read(store, 0, "/a/b", buf, sizeof(buf)), -EMSGSIZE);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/b", "1234567"), 0);
	CU_ASSERT_EQUAL(store_read(store, 0, "/a/b", buf, sizeof(buf)), 7);
	CU_ASSERT_EQUAL(store_read(store, 0, "/a/b", buf, 7), -EMSGSIZE);
	expect_value(store, 0, "/a/b", "1234567");
	store_close(store);
	bench_close(&bench);
}

static void a_value_with_a_nul_inside_is_refused(void)
{
	static const char data[] = "/a\0x\0y";
	struct sim_call call = {
		.request = {.op = SIM_WRITE}, .data = data, .length = sizeof(data) - 1};
	struct store *store;
	struct bench bench;
	char err[256];
	int fd;

	bench_open(&bench);
	store = open_store(&bench, 0);
	fd = sim_wire_connect(bench.dir, 0, err, sizeof(err));
	CU_ASSERT_EQUAL(sim_wire_call(fd, &call), 0);
	expect_error(store, 0, "/a", -EINVAL);
	close(fd);
	store_close(store);
	bench_close(&bench);
}

static void paths_have_a_form(void)
{
	static const char *const paths[] = {"",	    "//",   "/a/",  "/a//b",	 "a/",	"/a b",
					    "/a.b", "/a\n", "@abc", "/\xc3\xa4", "/a/*"};
	struct store *store;
	struct bench bench;
	char path[3100];

	bench_open(&bench);
	store = open_store(&bench, 0);
	for (size_t i = 0; i < countof(paths); i++) {
		expect_error(store, 0, paths[i], -EINVAL);
		CU_ASSERT_EQUAL(store_write(store, 0, paths[i], "1"), -EINVAL);
		CU_ASSERT_EQUAL(store_watch(store, paths[i], "t"), -EINVAL);
	}
	CU_ASSERT_EQUAL(store_write(store, 0, "/Az-0_9@/x", "1"), 0);
	memset(path, 'a', sizeof(path));
	for (size_t i = 0; i < sizeof(path); i += 2)
		path[i] = '/';
	path[3072] = '\0';
	CU_ASSERT_EQUAL(store_write(store, 0, path, "deep"), 0);
	expect_value(store, 0, path, "deep");
	path[3072] = '/';
	path[3074] = '\0';
	CU_ASSERT_EQUAL(store_write(store, 0, path, "1"), -EINVAL);
	store_close(store);
	bench_close(&bench);
}

static void relative_paths_are_below_home(void)
{
	struct store *store, *driver;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	driver = open_store(&bench, 3);
	CU_ASSERT_EQUAL(store_write(store, 0, "backend/x", "zero"), 0);
	expect_value(store, 0, "/local/domain/0/backend/x", "zero");
	CU_ASSERT_EQUAL(store_write(store, 0, "/local/domain/3/backend/x", "three"), 0);
	expect_value(driver, 0, "backend/x", "three");
	store_close(store);
	store_close(driver);
	bench_close(&bench);
}

static void guests_see_only_what_is_theirs(void)
{
	struct store *store, *guest;
	struct bench bench;
	char **names;
	unsigned count;

	bench_open(&bench);
	store = open_store(&bench, 0);
	guest = open_store(&bench, GUEST);
	CU_ASSERT_EQUAL(store_write(store, 0, "/local/domain/8/secret", "1"), 0);
	expect_error(guest, 0, "/local/domain/8/secret", -EACCES);
	expect_error(guest, 0, "/local/domain/8/nothing", -EACCES);
	expect_error(guest, 0, "/nothing", -EACCES);
	expect_error(guest, 0, "nothing", -ENOENT);
	CU_ASSERT_EQUAL(store_list(guest, 0, "/local/domain", &names, &count), -EACCES);
	CU_ASSERT_EQUAL(store_write(guest, 0, "mine", "1"), -EACCES);
	CU_ASSERT_EQUAL(store_write(guest, 0, "domid", "1"), -EACCES);
	CU_ASSERT_EQUAL(store_remove(guest, 0, "domid"), -EACCES);
	CU_ASSERT_EQUAL(store_remove(guest, 0, "/local/domain/8/secret"), -EACCES);
	CU_ASSERT_EQUAL(store_grant_read(guest, 0, "/local/domain/7", GUEST, 0), -EACCES);
	CU_ASSERT_EQUAL(store_watch(guest, "@releaseDomain", "t"), -EACCES);
	store_close(store);
	store_close(guest);
	bench_close(&bench);
}

#define FRONT "/local/domain/7/device/9pfs/0"

static void rights_are_given_and_inherited(void)
{
	struct store *store, *guest, *driver, *other;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	guest = open_store(&bench, GUEST);
	driver = open_store(&bench, 3);
	other = open_store(&bench, OTHER);
	CU_ASSERT_EQUAL(store_grant_read(store, 0, FRONT, GUEST, 3), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, FRONT "/state", "1"), 0);
	CU_ASSERT_EQUAL(store_write(guest, 0, "device/9pfs/0/state", "3"), 0);
	CU_ASSERT_EQUAL(store_write(guest, 0, "device/9pfs/0/a/b", "deep"), 0);
	expect_value(driver, 0, FRONT "/state", "3");
	expect_value(driver, 0, FRONT "/a/b", "deep");
	expect_error(driver, 0, FRONT "/none", -ENOENT);
	CU_ASSERT_EQUAL(store_write(driver, 0, FRONT "/state", "6"), -EACCES);
	CU_ASSERT_EQUAL(store_remove(driver, 0, FRONT "/state"), -EACCES);
	expect_error(other, 0, FRONT "/state", -EACCES);
	expect_error(other, 0, FRONT "/none", -EACCES);

	/* The owner may take the reader's right away, but not give the node away. */
	CU_ASSERT_EQUAL(store_grant_read(guest, 0, FRONT "/state", OTHER, OTHER), -EPERM);
	CU_ASSERT_EQUAL(store_grant_read(guest, 0, FRONT "/state", GUEST, GUEST), 0);
	expect_error(driver, 0, FRONT "/state", -EACCES);
	expect_value(guest, 0, FRONT "/state", "3");
	expect_value(store, 0, FRONT "/state", "3");

	/* Removing takes rights on the node only. */
	CU_ASSERT_EQUAL(store_remove(guest, 0, FRONT), 0);
	expect_error(store, 0, FRONT "/state", -ENOENT);
	store_close(store);
	store_close(guest);
	store_close(driver);
	store_close(other);
	bench_close(&bench);
}

static void a_watch_fires_at_once_and_for_all_below(void)
{
	struct store *store;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "tok en"), 0);
	expect_event(store, "/a", "tok en");
	expect_no_event(store);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/b/c", "1"), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a", "1"), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/ab", "1"), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/b/a", "1"), 0);
	CU_ASSERT_EQUAL(store_grant_read(store, 0, "/a/d", GUEST, GUEST), 0);
	CU_ASSERT_EQUAL(store_remove(store, 0, "/a/b"), 0);
	CU_ASSERT_EQUAL(store_remove(store, 0, "/a/none"), 0);
	expect_event(store, "/a/b/c", "tok en");
	expect_event(store, "/a", "tok en");
	expect_event(store, "/a/d", "tok en");
	expect_event(store, "/a/b", "tok en");
	expect_no_event(store);
	CU_ASSERT_EQUAL(store_watch(store, "/", "root"), 0);
	expect_event(store, "/", "root");
	CU_ASSERT_EQUAL(store_write(store, 0, "/x", "1"), 0);
	expect_event(store, "/x", "root");
	store_close(store);
	bench_close(&bench);
}

static void a_watch_on_a_relative_path_tells_relative_paths(void)
{
	struct store *store;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "backend/9pfs", "r"), 0);
	CU_ASSERT_EQUAL(store_watch(store, "/local/domain/0/backend/9pfs", "a"), 0);
	expect_event(store, "backend/9pfs", "r");
	expect_event(store, "/local/domain/0/backend/9pfs", "a");
	CU_ASSERT_EQUAL(store_write(store, 0, "/local/domain/0/backend/9pfs/5/0/state", "1"), 0);
	expect_event(store, "backend/9pfs/5/0/state", "r");
	expect_event(store, "/local/domain/0/backend/9pfs/5/0/state", "a");
	CU_ASSERT_EQUAL(store_remove(store, 0, "backend"), 0);
	expect_event(store, "backend/9pfs", "r");
	expect_event(store, "/local/domain/0/backend/9pfs", "a");
	expect_no_event(store);
	store_close(store);
	bench_close(&bench);
}

static void removal_of_an_ancestor_fires(void)
{
	struct store *store;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/b/c", "1"), 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a/b/c", "t"), 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a/b/none", "t"), 0);
	expect_event(store, "/a/b/c", "t");
	expect_event(store, "/a/b/none", "t");
	CU_ASSERT_EQUAL(store_remove(store, 0, "/a"), 0);
	expect_event(store, "/a/b/c", "t");
	expect_no_event(store);
	store_close(store);
	bench_close(&bench);
}

static void watches_are_kept_by_path_and_token(void)
{
	struct store *store;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "1"), 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "1"), -EEXIST);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "2"), 0);
	expect_event(store, "/a", "1");
	expect_event(store, "/a", "2");
	CU_ASSERT_EQUAL(store_unwatch(store, "/a", "1"), 0);
	CU_ASSERT_EQUAL(store_unwatch(store, "/a", "1"), -ENOENT);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a", "x"), 0);
	expect_event(store, "/a", "2");
	expect_no_event(store);
	store_close(store);
	bench_close(&bench);
}

static void a_guest_hears_of_what_it_may_read(void)
{
	struct store *store, *driver;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	driver = open_store(&bench, 3);
	CU_ASSERT_EQUAL(store_watch(driver, FRONT "/state", "t"), 0);
	expect_event(driver, FRONT "/state", "t");
	CU_ASSERT_EQUAL(store_write(store, 0, FRONT "/state", "1"), 0);
	expect_no_event(driver);
	CU_ASSERT_EQUAL(store_grant_read(store, 0, FRONT "/state", GUEST, 3), 0);
	expect_event(driver, FRONT "/state", "t");
	CU_ASSERT_EQUAL(store_write(store, 0, FRONT "/state", "2"), 0);
	expect_event(driver, FRONT "/state", "t");
	/* The loss of the right is the last thing it hears. */
	CU_ASSERT_EQUAL(store_grant_read(store, 0, FRONT "/state", GUEST, GUEST), 0);
	expect_event(driver, FRONT "/state", "t");
	CU_ASSERT_EQUAL(store_write(store, 0, FRONT "/state", "3"), 0);
	CU_ASSERT_EQUAL(store_remove(store, 0, FRONT), 0);
	expect_no_event(driver);
	store_close(store);
	store_close(driver);
	bench_close(&bench);
}

static void a_path_that_does_not_fit_comes_as_none(void)
{
	struct store *store;
	struct bench bench;
	char path[400];

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "t"), 0);
	expect_event(store, "/a", "t");
	memset(path, 'x', sizeof(path));
	memcpy(path, "/a/", 3);
	path[STORE_PATH_MAX] = '\0';
	CU_ASSERT_EQUAL(store_write(store, 0, path, "1"), 0);
	path[STORE_PATH_MAX - 1] = '\0';
	CU_ASSERT_EQUAL(store_write(store, 0, path, "1"), 0);
	path[399] = '\0';
	expect_event(store, "", "t");
	expect_event(store, path, "t");
	expect_no_event(store);
	store_close(store);
	bench_close(&bench);
}

static unsigned drain_events(struct store *store)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	unsigned count = 0;

	while (readable(store_fd(store)) && store_event(store, path, token) == 1)
		count++;
	return count;
}

static void a_flood_of_events_merges(void)
{
	struct store *store, *guest;
	struct bench bench;
	char value[16];

	bench_open(&bench);
	store = open_store(&bench, 0);
	guest = open_store(&bench, GUEST);
	CU_ASSERT_EQUAL(store_grant_read(store, 0, FRONT, GUEST, 0), 0);
	CU_ASSERT_EQUAL(store_watch(store, FRONT, "t"), 0);
	for (unsigned i = 0; i < 17000; i++) {
		snprintf(value, sizeof(value), "%u", i);
		CU_ASSERT_EQUAL(store_write(guest, 0, FRONT "/state", value), 0);
	}
	/* More than the bus would keep for us if they were not one and the same. */
	drain_events(store);
	expect_value(store, 0, FRONT "/state", "16999");
	CU_ASSERT_EQUAL(store_write(guest, 0, FRONT "/state", "last"), 0);
	expect_event(store, FRONT "/state", "t");
	store_close(store);
	store_close(guest);
	bench_close(&bench);
}

static void many_different_events_all_arrive(void)
{
	struct store *store;
	struct bench bench;
	char path[64];

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "t"), 0);
	expect_event(store, "/a", "t");
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "/a/%u", i);
		CU_ASSERT_EQUAL(store_write(store, 0, path, ""), 0);
	}
	for (unsigned i = 0; i < 2000; i++) {
		struct pollfd pollfd = {.fd = store_fd(store), .events = POLLIN};

		CU_ASSERT_EQUAL(poll(&pollfd, 1, 10000), 1);
		snprintf(path, sizeof(path), "/a/%u", i);
		expect_event(store, path, "t");
	}
	expect_no_event(store);
	store_close(store);
	bench_close(&bench);
}

static void a_transaction_is_seen_whole_or_not_at_all(void)
{
	struct store *store, *other;
	struct bench bench;
	store_txn txn;

	bench_open(&bench);
	store = open_store(&bench, 0);
	other = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a/old", "1"), 0);
	CU_ASSERT_EQUAL(store_watch(other, "/a", "t"), 0);
	expect_event(other, "/a", "t");
	CU_ASSERT_EQUAL(store_begin(store, &txn), 0);
	CU_ASSERT_NOT_EQUAL(txn, 0);
	CU_ASSERT_EQUAL(store_write(store, txn, "/a/new", "2"), 0);
	CU_ASSERT_EQUAL(store_remove(store, txn, "/a/old"), 0);
	expect_value(store, txn, "/a/new", "2");
	expect_error(store, txn, "/a/old", -ENOENT);
	expect_error(other, 0, "/a/new", -ENOENT);
	expect_value(other, 0, "/a/old", "1");
	expect_no_event(other);
	CU_ASSERT_EQUAL(store_end(store, txn, 1), 0);
	expect_value(other, 0, "/a/new", "2");
	expect_error(other, 0, "/a/old", -ENOENT);
	expect_event(other, "/a/new", "t");
	expect_event(other, "/a/old", "t");
	CU_ASSERT_EQUAL(store_end(store, txn, 1), -EINVAL);
	CU_ASSERT_EQUAL(store_write(store, txn, "/a/x", "2"), -EINVAL);
	store_close(store);
	store_close(other);
	bench_close(&bench);
}

static void an_aborted_transaction_leaves_nothing(void)
{
	struct store *store;
	struct bench bench;
	store_txn txn;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "t"), 0);
	expect_event(store, "/a", "t");
	CU_ASSERT_EQUAL(store_begin(store, &txn), 0);
	CU_ASSERT_EQUAL(store_write(store, txn, "/a/new", "2"), 0);
	CU_ASSERT_EQUAL(store_end(store, txn, 0), 0);
	CU_ASSERT_EQUAL(store_end(store, txn, 0), 0);
	expect_error(store, 0, "/a/new", -ENOENT);
	expect_no_event(store);
	/* Ends with its connection, too. */
	CU_ASSERT_EQUAL(store_begin(store, &txn), 0);
	CU_ASSERT_EQUAL(store_write(store, txn, "/a/new", "2"), 0);
	store_close(store);
	store = open_store(&bench, 0);
	expect_error(store, 0, "/a/new", -ENOENT);
	store_close(store);
	bench_close(&bench);
}

/* What a transaction did first, what somebody else does then, and how the transaction ends. */
static void conflict(struct store *store, struct store *other,
		     void (*first)(struct store *store, store_txn txn),
		     void (*then)(struct store *store, store_txn txn), int result)
{
	store_txn txn;

	CU_ASSERT_EQUAL(store_remove(other, 0, "/c"), 0);
	CU_ASSERT_EQUAL(store_write(other, 0, "/c/d/state", "1"), 0);
	CU_ASSERT_EQUAL(store_begin(store, &txn), 0);
	first(store, txn);
	CU_ASSERT_EQUAL(store_write(store, txn, "/c/result", "done"), 0);
	then(other, 0);
	CU_ASSERT_EQUAL(store_end(store, txn, 1), result);
	expect_error(other, 0, "/c/result", result == 0 ? 4 : -ENOENT);
}

static void read_state(struct store *store, store_txn txn)
{
	expect_value(store, txn, "/c/d/state", "1");
}

static void read_absent(struct store *store, store_txn txn)
{
	expect_error(store, txn, "/c/absent", -ENOENT);
}

static void write_state(struct store *store, store_txn txn)
{
	CU_ASSERT_EQUAL(store_write(store, txn, "/c/d/state", "5"), 0);
}

static void write_absent(struct store *store, store_txn txn)
{
	CU_ASSERT_EQUAL(store_write(store, txn, "/c/absent", "1"), 0);
}

static void remove_all(struct store *store, store_txn txn)
{
	CU_ASSERT_EQUAL(store_remove(store, txn, "/c/d"), 0);
}

static void list_children(struct store *store, store_txn txn)
{
	char **names;
	unsigned count;

	CU_ASSERT_EQUAL_FATAL(store_list(store, txn, "/c/d", &names, &count), 0);
	free(names);
}

static void add_child(struct store *store, store_txn txn)
{
	CU_ASSERT_EQUAL(store_write(store, txn, "/c/d/more", "1"), 0);
}

static void transactions_conflict_where_they_touch(void)
{
	struct store *store, *other;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	other = open_store(&bench, 0);
	conflict(store, other, read_state, write_state, -EAGAIN);
	conflict(store, other, read_state, remove_all, -EAGAIN);
	conflict(store, other, read_state, write_absent, 0);
	conflict(store, other, read_state, add_child, 0);
	conflict(store, other, read_absent, write_absent, -EAGAIN);
	conflict(store, other, read_absent, write_state, 0);
	conflict(store, other, write_state, write_state, -EAGAIN);
	conflict(store, other, write_state, remove_all, -EAGAIN);
	conflict(store, other, write_absent, write_state, 0);
	conflict(store, other, list_children, add_child, -EAGAIN);
	conflict(store, other, list_children, write_state, 0);
	conflict(store, other, remove_all, add_child, -EAGAIN);
	store_close(store);
	store_close(other);
	bench_close(&bench);
}

static void a_refused_change_does_not_spoil_the_transaction(void)
{
	struct store *store, *guest;
	struct bench bench;
	store_txn txn;

	bench_open(&bench);
	store = open_store(&bench, 0);
	guest = open_store(&bench, GUEST);
	CU_ASSERT_EQUAL(store_grant_read(store, 0, FRONT, GUEST, 0), 0);
	CU_ASSERT_EQUAL(store_begin(guest, &txn), 0);
	CU_ASSERT_EQUAL(store_write(guest, txn, "domid", "8"), -EACCES);
	CU_ASSERT_EQUAL(store_write(guest, txn, FRONT "/state", "3"), 0);
	CU_ASSERT_EQUAL(store_end(guest, txn, 1), 0);
	expect_value(store, 0, FRONT "/state", "3");
	store_close(store);
	store_close(guest);
	bench_close(&bench);
}

static void transactions_have_a_limit(void)
{
	struct store *store;
	struct bench bench;
	store_txn txn, last = 0;

	bench_open(&bench);
	store = open_store(&bench, GUEST);
	for (unsigned i = 0; i < 100 && store_begin(store, &txn) == 0; i++)
		last = txn;
	CU_ASSERT_EQUAL(store_begin(store, &txn), -ENOSPC);
	CU_ASSERT_EQUAL(store_end(store, last, 1), 0);
	CU_ASSERT_EQUAL(store_begin(store, &txn), 0);
	store_close(store);
	bench_close(&bench);
}

static void the_tree_has_a_limit(void)
{
	struct store *store;
	struct bench bench;
	char path[2048];
	unsigned trees = 0;
	int result;

	bench_open(&bench);
	store = open_store(&bench, 0);
	do {
		int used = snprintf(path, sizeof(path), "/%u", trees);

		while ((size_t)used + 3 < sizeof(path))
			used += snprintf(path + used, sizeof(path) - (size_t)used, "/a");
		result = store_write(store, 0, path, "");
	} while (result == 0 && trees++ < 100);
	CU_ASSERT_EQUAL(result, -ENOSPC);
	CU_ASSERT_EQUAL(store_remove(store, 0, "/0"), 0);
	CU_ASSERT_EQUAL(store_write(store, 0, "/z", "1"), 0);
	store_close(store);
	bench_close(&bench);
}

static void domains_come_and_go_with_events(void)
{
	struct sim_domain *domain;
	struct store *store;
	struct bench bench;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "@releaseDomain", "r"), 0);
	CU_ASSERT_EQUAL(store_watch(store, "@introduceDomain", "i"), 0);
	expect_event(store, "@releaseDomain", "r");
	expect_event(store, "@introduceDomain", "i");
	domain = open_domain(&bench, GUEST, 1);
	expect_event(store, "@introduceDomain", "i");
	expect_no_event(store);
	sim_domain_close(domain);
	usage_of(&bench, GUEST);
	expect_event(store, "@releaseDomain", "r");
	expect_no_event(store);
	store_close(store);
	bench_close(&bench);
}

static void a_lost_bus_is_not_connected(void)
{
	char path[STORE_PATH_MAX], token[STORE_PATH_MAX];
	uint32_t ref = 1;
	struct store *store;
	struct link *link;
	struct bench bench;
	store_txn txn;

	bench_open(&bench);
	store = open_store(&bench, 0);
	link = open_link(&bench, 0);
	bench_stop(&bench);
	CU_ASSERT_TRUE(readable(store_fd(store)));
	CU_ASSERT_EQUAL(store_event(store, path, token), -ENOTCONN);
	expect_error(store, 0, "/a", -ENOTCONN);
	CU_ASSERT_EQUAL(store_write(store, 0, "/a", "1"), -ENOTCONN);
	CU_ASSERT_EQUAL(store_begin(store, &txn), -ENOTCONN);
	CU_ASSERT_EQUAL(store_watch(store, "/a", "1"), -ENOTCONN);
	CU_ASSERT_EQUAL(link_bind(link, GUEST, 1), -ENOTCONN);
	CU_ASSERT_PTR_NULL(link_map(link, GUEST, &ref, 1));
	CU_ASSERT_EQUAL(errno, ENOTCONN);
	store_close(store);
	link_close(link);

	/* Another bus can start in the same place. */
	bench_start(&bench);
	store = open_store(&bench, 0);
	expect_error(store, 0, "/a", -ENOENT);
	store_close(store);
	bench_close(&bench);
}

static void fail_ready(void *arg)
{
	(void)arg;
	CU_FAIL("two buses in one directory");
}

static void a_directory_has_one_bus(void)
{
	char err[256] = "", path[256];
	struct bench bench;
	int fds[2], fd;

	bench_open(&bench);
	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	close(fds[1]);
	CU_ASSERT_EQUAL(sim_bus_run(bench.dir, fds[0], fail_ready, NULL, err, sizeof(err)),
			-EADDRINUSE);
	CU_ASSERT_TRUE(strlen(err) > 10);
	CU_ASSERT_EQUAL(sim_bus_run("/nonexistent", fds[0], fail_ready, NULL, err, sizeof(err)),
			-ENOENT);
	close(fds[0]);
	store_close(open_store(&bench, 0));
	bench_stop(&bench);

	/* The socket of a bus that was killed is no hindrance. */
	{
		struct sockaddr_un address;

		fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		CU_ASSERT_EQUAL(sim_wire_address(bench.dir, &address), 0);
		CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/bus", bench.dir);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	bench_start(&bench);
	store_close(open_store(&bench, 0));
	bench_close(&bench);
}

/* --- grants -------------------------------------------------------------------------------- */

static void a_domid_is_claimed_once(void)
{
	struct sim_domain *domain, *twin = NULL;
	struct bench bench;
	char err[256] = "";

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, 2);
	CU_ASSERT_EQUAL(sim_domain_open(bench.dir, GUEST, 2, &twin, err, sizeof(err)), -EBUSY);
	CU_ASSERT_TRUE(strlen(err) > 10);
	CU_ASSERT_EQUAL(sim_domain_open(bench.dir, OTHER, 0, &twin, err, sizeof(err)), -EINVAL);
	CU_ASSERT_EQUAL(sim_domain_open(bench.dir, OTHER, 1u << 30, &twin, err, sizeof(err)),
			-EINVAL);
	store_close(open_store(&bench, GUEST));
	sim_domain_close(domain);
	sim_domain_close(NULL);
	domain = open_domain(&bench, GUEST, 2);
	sim_domain_close(domain);
	bench_close(&bench);
}

/* A call that has the addresses still finds nothing, and nothing else comes to stand there. */
static void check_vacant(char *addr, size_t size)
{
	char *other = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/dev/zero", O_RDONLY);

	CU_ASSERT_EQUAL(read(fd, addr, size), -1);
	CU_ASSERT_EQUAL(errno, EFAULT);
	CU_ASSERT_TRUE(other + size <= addr || other >= addr + size);
	munmap(other, size);
	close(fd);
}

static void mapped_pages_are_the_guests_pages(void)
{
	static const size_t pages[] = {9, 0, 1, 2, 7, 6, 5, 1};
	uint32_t refs[countof(pages)];
	struct sim_domain *domain;
	struct bench bench;
	struct link *link;
	char *memory, *mapped;

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, 10);
	link = open_link(&bench, 0);
	memory = sim_domain_memory(domain);
	CU_ASSERT_EQUAL(memory[9 * SIM_PAGE_SIZE], 0);
	for (size_t i = 0; i < countof(pages); i++) {
		memory[pages[i] * SIM_PAGE_SIZE] = (char)('a' + pages[i]);
		refs[i] = (uint32_t)sim_grant(domain, pages[i], 0);
		CU_ASSERT_NOT_EQUAL(refs[i], 0);
	}
	mapped = link_map(link, GUEST, refs, countof(refs));
	CU_ASSERT_PTR_NOT_NULL_FATAL(mapped);
	for (size_t i = 0; i < countof(pages); i++) {
		CU_ASSERT_EQUAL(mapped[i * SIM_PAGE_SIZE], (char)('a' + pages[i]));
		mapped[i * SIM_PAGE_SIZE + 4095] = (char)('A' + pages[i]);
		CU_ASSERT_EQUAL(memory[pages[i] * SIM_PAGE_SIZE + 4095], (char)('A' + pages[i]));
	}
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).granted_pages, countof(pages));
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, countof(pages));
	CU_ASSERT_EQUAL(link_unmap(link, mapped, countof(refs) - 1), -EINVAL);
	CU_ASSERT_EQUAL(link_unmap(link, mapped + SIM_PAGE_SIZE, countof(refs)), -EINVAL);
	CU_ASSERT_EQUAL(link_unmap(link, mapped, countof(refs)), 0);
	CU_ASSERT_EQUAL(link_unmap(link, mapped, countof(refs)), -EINVAL);
	check_vacant(mapped, countof(refs) * SIM_PAGE_SIZE);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 0);
	link_close(link);
	sim_domain_close(domain);
	bench_close(&bench);
}

static void expect_no_map(struct link *link, uint32_t domid, const uint32_t *refs, size_t count,
			  int error)
{
	errno = 0;
	CU_ASSERT_PTR_NULL(link_map(link, domid, refs, count));
	CU_ASSERT_EQUAL(errno, error);
}

static void only_the_named_domain_may_map(void)
{
	static uint32_t many[2000];
	struct link *link, *stranger;
	struct sim_domain *domain;
	struct bench bench;
	uint32_t refs[3];

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, 4);
	link = open_link(&bench, 0);
	stranger = open_link(&bench, 3);
	refs[0] = (uint32_t)sim_grant(domain, 0, 0);
	refs[1] = (uint32_t)sim_grant(domain, 1, 3);
	refs[2] = 4000000000;
	expect_no_map(stranger, GUEST, refs, 1, EINVAL);
	expect_no_map(link, GUEST, refs, 2, EINVAL);
	expect_no_map(link, GUEST, refs + 2, 1, EINVAL);
	expect_no_map(link, GUEST, refs, 0, EINVAL);
	expect_no_map(link, GUEST, many, 1, EINVAL);
	expect_no_map(link, GUEST, many, countof(many), EINVAL);
	expect_no_map(link, OTHER, refs, 1, ESRCH);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 0);
	CU_ASSERT_EQUAL(sim_grant(domain, 4, 0), -EINVAL);
	link_close(link);
	link_close(stranger);
	sim_domain_close(domain);
	bench_close(&bench);
}

static void a_mapped_grant_cannot_be_ended(void)
{
	struct link *link, *second;
	struct sim_domain *domain;
	struct bench bench;
	uint32_t ref;
	void *mapped, *again;

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, 4);
	link = open_link(&bench, 0);
	second = open_link(&bench, 0);
	ref = (uint32_t)sim_grant(domain, 3, 0);
	mapped = link_map(link, GUEST, &ref, 1);
	again = link_map(second, GUEST, &ref, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mapped);
	CU_ASSERT_PTR_NOT_NULL_FATAL(again);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 1);
	CU_ASSERT_EQUAL(sim_ungrant(domain, ref), -EBUSY);
	CU_ASSERT_EQUAL(link_unmap(link, mapped, 1), 0);
	CU_ASSERT_EQUAL(sim_ungrant(domain, ref), -EBUSY);
	link_close(second);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 0);
	CU_ASSERT_EQUAL(sim_ungrant(domain, ref), 0);
	CU_ASSERT_EQUAL(sim_ungrant(domain, ref), -EINVAL);
	expect_no_map(link, GUEST, &ref, 1, EINVAL);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).granted_pages, 0);
	link_close(link);
	sim_domain_close(domain);
	bench_close(&bench);
}

static void a_killed_process_gives_everything_back(void)
{
	struct sim_domain *domain;
	struct bench bench;
	uint32_t ref, port;
	int fds[2];
	pid_t child;
	char byte;

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, 4);
	ref = (uint32_t)sim_grant(domain, 3, 0);
	port = (uint32_t)sim_port_alloc(domain, 0);
	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		struct link *link = open_link(&bench, 0);

		if (link_map(link, GUEST, &ref, 1) != NULL && link_bind(link, GUEST, port) > 0 &&
		    write(fds[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(fds[1]);
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 1);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).bound_ports, 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 0);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).bound_ports, 0);
	CU_ASSERT_EQUAL(sim_ungrant(domain, ref), 0);
	close(fds[0]);
	sim_domain_close(domain);
	bench_close(&bench);
}

static void memory_outlives_its_domain(void)
{
	struct sim_domain *domain;
	struct bench bench;
	struct link *link;
	uint32_t ref;
	char *mapped;

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, 4);
	link = open_link(&bench, 0);
	ref = (uint32_t)sim_grant(domain, 3, 0);
	mapped = link_map(link, GUEST, &ref, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mapped);
	mapped[5] = 'x';
	sim_domain_close(domain);
	CU_ASSERT_EQUAL(mapped[5], 'x');
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 1);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).granted_pages, 0);
	expect_no_map(link, GUEST, &ref, 1, ESRCH);

	/* The number may be used again, for other memory. */
	domain = open_domain(&bench, GUEST, 4);
	ref = (uint32_t)sim_grant(domain, 0, 0);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 1);
	mapped[0] = 'y';
	CU_ASSERT_EQUAL(*(char *)sim_domain_memory(domain), 0);
	CU_ASSERT_EQUAL(link_unmap(link, mapped, 1), 0);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 0);
	link_close(link);
	sim_domain_close(domain);
	bench_close(&bench);
}

static void a_whole_device_can_be_granted(void)
{
	struct sim_domain *domain;
	struct bench bench;
	struct link *link;
	uint32_t refs[1024];
	void *mapped;

	bench_open(&bench);
	domain = open_domain(&bench, GUEST, countof(refs));
	link = open_link(&bench, 0);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < countof(refs); i++)
			refs[i] = (uint32_t)sim_grant(domain, i, 0);
		mapped = link_map(link, GUEST, refs, countof(refs));
		CU_ASSERT_PTR_NOT_NULL_FATAL(mapped);
		CU_ASSERT_EQUAL(link_unmap(link, mapped, countof(refs)), 0);
		for (uint32_t i = 0; i < countof(refs); i++)
			CU_ASSERT_EQUAL(sim_ungrant(domain, refs[i]), 0);
	}
	link_close(link);
	sim_domain_close(domain);
	bench_close(&bench);
}

/* --- ports --------------------------------------------------------------------------------- */

/* A guest with one port for domain 0, and a link that has bound it. */
struct channel {
	struct bench bench;
	struct sim_domain *domain;
	struct link *link;
	uint32_t remote;
	int local;
};

static void channel_open(struct channel *channel)
{
	bench_open(&channel->bench);
	channel->domain = open_domain(&channel->bench, GUEST, 1);
	channel->link = open_link(&channel->bench, 0);
	channel->remote = (uint32_t)sim_port_alloc(channel->domain, 0);
	channel->local = link_bind(channel->link, GUEST, channel->remote);
	CU_ASSERT_FATAL(channel->local > 0);
}

static void channel_close(struct channel *channel)
{
	link_close(channel->link);
	sim_domain_close(channel->domain);
	bench_close(&channel->bench);
}

static void expect_pending(struct link *link, int port)
{
	CU_ASSERT_TRUE(readable(link_fd(link)));
	CU_ASSERT_EQUAL(link_pending(link), port);
}

static void expect_quiet(struct link *link)
{
	CU_ASSERT_FALSE(readable(link_fd(link)));
	CU_ASSERT_EQUAL(link_pending(link), -EAGAIN);
}

static void a_new_port_is_pending_at_once(void)
{
	struct channel channel;

	channel_open(&channel);
	CU_ASSERT_EQUAL(usage_of(&channel.bench, GUEST).bound_ports, 1);
	expect_pending(channel.link, channel.local);
	expect_quiet(channel.link);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), 0);
	expect_quiet(channel.link);
	channel_close(&channel);
}

static void a_port_is_masked_until_unmask(void)
{
	struct channel channel;

	channel_open(&channel);
	expect_pending(channel.link, channel.local);
	CU_ASSERT_EQUAL(sim_port_notify(channel.domain, channel.remote), 0);
	CU_ASSERT_EQUAL(sim_port_notify(channel.domain, channel.remote), 0);
	expect_quiet(channel.link);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), 0);
	expect_pending(channel.link, channel.local);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), 0);
	expect_quiet(channel.link);
	/* Unmasking twice is harmless. */
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), 0);
	CU_ASSERT_EQUAL(sim_port_notify(channel.domain, channel.remote), 0);
	expect_pending(channel.link, channel.local);
	expect_quiet(channel.link);
	channel_close(&channel);
}

static void the_guest_is_notified(void)
{
	struct channel channel;

	channel_open(&channel);
	CU_ASSERT_EQUAL(sim_port_take(channel.domain, channel.remote), 0);
	CU_ASSERT_EQUAL(link_notify(channel.link, (uint32_t)channel.local), 0);
	CU_ASSERT_EQUAL(link_notify(channel.link, (uint32_t)channel.local), 0);
	CU_ASSERT_TRUE(readable(sim_port_fd(channel.domain, channel.remote)));
	CU_ASSERT_EQUAL(sim_port_take(channel.domain, channel.remote), 2);
	CU_ASSERT_FALSE(readable(sim_port_fd(channel.domain, channel.remote)));
	CU_ASSERT_EQUAL(sim_port_take(channel.domain, channel.remote), 0);
	channel_close(&channel);
}

static void ports_are_told_apart(void)
{
	struct channel channel;
	uint32_t remote;
	int local, got;

	channel_open(&channel);
	remote = (uint32_t)sim_port_alloc(channel.domain, 0);
	local = link_bind(channel.link, GUEST, remote);
	CU_ASSERT_NOT_EQUAL(local, channel.local);
	got = link_pending(channel.link);
	CU_ASSERT_TRUE(got == local || got == channel.local);
	CU_ASSERT_EQUAL(link_pending(channel.link), local + channel.local - got);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)local), 0);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), 0);
	CU_ASSERT_EQUAL(sim_port_notify(channel.domain, remote), 0);
	expect_pending(channel.link, local);
	expect_quiet(channel.link);
	CU_ASSERT_EQUAL(link_notify(channel.link, (uint32_t)local), 0);
	CU_ASSERT_EQUAL(sim_port_take(channel.domain, channel.remote), 0);
	CU_ASSERT_EQUAL(sim_port_take(channel.domain, remote), 1);
	channel_close(&channel);
}

static void a_port_is_bound_once_and_by_the_named_domain(void)
{
	struct channel channel;
	struct link *stranger;
	uint32_t theirs;

	channel_open(&channel);
	CU_ASSERT_EQUAL(link_bind(channel.link, GUEST, channel.remote), -EINVAL);
	CU_ASSERT_EQUAL(link_bind(channel.link, GUEST, 0), -EINVAL);
	CU_ASSERT_EQUAL(link_bind(channel.link, GUEST, 200), -EINVAL);
	CU_ASSERT_EQUAL(link_bind(channel.link, GUEST, UINT32_MAX), -EINVAL);
	CU_ASSERT_EQUAL(link_bind(channel.link, OTHER, channel.remote), -ESRCH);
	stranger = open_link(&channel.bench, 3);
	theirs = (uint32_t)sim_port_alloc(channel.domain, 3);
	CU_ASSERT_EQUAL(link_bind(channel.link, GUEST, theirs), -EINVAL);
	CU_ASSERT_EQUAL(link_bind(stranger, GUEST, channel.remote), -EINVAL);
	CU_ASSERT_TRUE(link_bind(stranger, GUEST, theirs) > 0);
	link_close(stranger);
	channel_close(&channel);
}

static void a_port_can_be_bound_again_after_unbind(void)
{
	struct channel channel;
	struct link *link;
	int local;

	channel_open(&channel);
	CU_ASSERT_EQUAL(link_unbind(channel.link, (uint32_t)channel.local), 0);
	CU_ASSERT_EQUAL(link_unbind(channel.link, (uint32_t)channel.local), -EINVAL);
	CU_ASSERT_EQUAL(usage_of(&channel.bench, GUEST).bound_ports, 0);
	expect_quiet(channel.link);
	CU_ASSERT_EQUAL(link_notify(channel.link, (uint32_t)channel.local), -ENOTCONN);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), -EINVAL);
	CU_ASSERT_EQUAL(sim_port_notify(channel.domain, channel.remote), 0);

	/* By the same link, then by another after the first has died. */
	local = link_bind(channel.link, GUEST, channel.remote);
	CU_ASSERT_TRUE(local > 0);
	expect_pending(channel.link, local);
	expect_quiet(channel.link);
	link = open_link(&channel.bench, 0);
	CU_ASSERT_EQUAL(link_bind(link, GUEST, channel.remote), -EINVAL);
	link_close(channel.link);
	channel.link = link;
	local = link_bind(link, GUEST, channel.remote);
	CU_ASSERT_TRUE(local > 0);
	expect_pending(link, local);
	channel_close(&channel);
}

static void what_a_closed_link_held_is_free_at_once(void)
{
	struct channel channel;
	uint32_t ref;

	channel_open(&channel);
	ref = (uint32_t)sim_grant(channel.domain, 0, 0);
	for (unsigned i = 0; i < 300; i++) {
		struct link *next = open_link(&channel.bench, 0);

		CU_ASSERT_PTR_NOT_NULL(link_map(channel.link, GUEST, &ref, 1));
		link_close(channel.link);
		channel.link = next;
		CU_ASSERT_TRUE(link_bind(next, GUEST, channel.remote) > 0);
		CU_ASSERT_EQUAL(sim_ungrant(channel.domain, ref), 0);
		ref = (uint32_t)sim_grant(channel.domain, 0, 0);
	}
	channel_close(&channel);
}

static void a_restricted_link_binds_one_domain(void)
{
	struct sim_domain *other;
	struct channel channel;
	struct link *link;
	uint32_t mine, theirs;

	channel_open(&channel);
	other = open_domain(&channel.bench, OTHER, 1);
	mine = (uint32_t)sim_port_alloc(channel.domain, 0);
	theirs = (uint32_t)sim_port_alloc(other, 0);
	link = open_link(&channel.bench, 0);
	CU_ASSERT_EQUAL(link_restrict(link, GUEST), 0);
	CU_ASSERT_EQUAL(link_restrict(link, OTHER), -EACCES);
	CU_ASSERT_EQUAL(link_bind(link, OTHER, theirs), -EACCES);
	CU_ASSERT_TRUE(link_bind(link, GUEST, mine) > 0);
	link_close(link);
	sim_domain_close(other);
	channel_close(&channel);
}

static void a_dead_guests_channel_stays_harmless(void)
{
	struct channel channel;

	channel_open(&channel);
	expect_pending(channel.link, channel.local);
	CU_ASSERT_EQUAL(sim_port_free(channel.domain, channel.remote), 0);
	CU_ASSERT_EQUAL(sim_port_free(channel.domain, channel.remote), -EBADF);
	CU_ASSERT_EQUAL(sim_port_fd(channel.domain, channel.remote), -EBADF);
	CU_ASSERT_EQUAL(sim_port_notify(channel.domain, channel.remote), -EBADF);
	CU_ASSERT_EQUAL(sim_port_take(channel.domain, channel.remote), 0);
	CU_ASSERT_EQUAL(usage_of(&channel.bench, GUEST).bound_ports, 0);
	CU_ASSERT_EQUAL(link_notify(channel.link, (uint32_t)channel.local), 0);
	CU_ASSERT_EQUAL(link_unmask(channel.link, (uint32_t)channel.local), 0);
	expect_quiet(channel.link);
	CU_ASSERT_EQUAL(link_bind(channel.link, GUEST, channel.remote), -EINVAL);
	CU_ASSERT_EQUAL(link_unbind(channel.link, (uint32_t)channel.local), 0);
	channel_close(&channel);
}

static void ports_have_a_limit(void)
{
	struct channel channel;
	int port, last = 0;

	channel_open(&channel);
	for (port = 1; port > 0 && last < 1000; last++)
		port = sim_port_alloc(channel.domain, 0);
	CU_ASSERT_EQUAL(port, -ENOSPC);
	CU_ASSERT_EQUAL(sim_port_free(channel.domain, 17), 0);
	CU_ASSERT_EQUAL(sim_port_alloc(channel.domain, 0), 17);
	channel_close(&channel);
}

static void usage_goes_to_zero(void)
{
	struct sim_usage usage;
	struct channel channel;
	struct store *store;
	uint32_t ref;

	channel_open(&channel);
	store = open_store(&channel.bench, 0);
	CU_ASSERT_EQUAL(usage_of(&channel.bench, GUEST).store_nodes, 0);
	CU_ASSERT_EQUAL(store_write(store, 0, FRONT "/state", "1"), 0);
	ref = (uint32_t)sim_grant(channel.domain, 0, 0);
	CU_ASSERT_PTR_NOT_NULL(link_map(channel.link, GUEST, &ref, 1));
	usage = usage_of(&channel.bench, GUEST);
	CU_ASSERT_EQUAL(usage.bound_ports, 1);
	CU_ASSERT_EQUAL(usage.granted_pages, 1);
	CU_ASSERT_EQUAL(usage.mapped_pages, 1);
	CU_ASSERT_EQUAL(usage.store_nodes, 4);
	link_close(channel.link);
	channel.link = NULL;
	sim_domain_close(channel.domain);
	channel.domain = NULL;
	CU_ASSERT_EQUAL(store_remove(store, 0, "/local/domain/7"), 0);
	usage = usage_of(&channel.bench, GUEST);
	CU_ASSERT_EQUAL(usage.bound_ports + usage.granted_pages + usage.mapped_pages, 0);
	CU_ASSERT_EQUAL(usage.store_nodes, 0);
	store_close(store);
	channel_close(&channel);
}

/* --- processes that succeed each other in one descriptor table ----------------------------- */

/* What they leave behind, and what they have to know. */
struct estate {
	struct link_saved saved;
	char bus[256];
	uint32_t remote[2]; /* the guest's ports and its page 0 */
	uint32_t ref;
	int failed; /* line */
};

/* A guest and the estate of those who serve it. */
struct family {
	struct bench bench;
	struct sim_domain *domain;
	struct estate *estate;
	bool strange[256]; /* descriptors that are none of theirs */
};

static void family_open(struct family *family)
{
	struct estate *estate = mmap(NULL, sizeof(*estate), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CU_ASSERT_NOT_EQUAL_FATAL(estate, MAP_FAILED);
	family->estate = estate;
	bench_open(&family->bench);
	family->domain = open_domain(&family->bench, GUEST, 1);
	bus_name(&family->bench, 0, estate->bus, sizeof(estate->bus));
	for (size_t i = 0; i < countof(estate->remote); i++)
		estate->remote[i] = (uint32_t)sim_port_alloc(family->domain, 0);
	estate->ref = (uint32_t)sim_grant(family->domain, 0, 0);
	for (int fd = 0; fd < (int)countof(family->strange); fd++)
		family->strange[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void family_close(struct family *family)
{
	struct sim_usage usage = usage_of(&family->bench, GUEST);

	CU_ASSERT_EQUAL(usage.bound_ports, 0);
	CU_ASSERT_EQUAL(usage.mapped_pages, 0);
	CU_ASSERT_EQUAL(sim_ungrant(family->domain, family->estate->ref), 0);
	sim_domain_close(family->domain);
	bench_close(&family->bench);
	munmap(family->estate, sizeof(*family->estate));
}

static bool owns(const struct link_saved *saved, const struct link *link, int fd)
{
	int fds[LINK_FDS_MAX];
	unsigned count = link_descriptors(saved, fds);

	for (unsigned i = 0; i < count; i++) {
		if (fds[i] == fd)
			return true;
	}
	return fd == link_map_fd(link);
}

/* Closes what predecessors had open and nobody owns; returns how many there were. */
static unsigned sweep(const struct family *family, const struct link *link)
{
	unsigned swept = 0;

	for (int fd = 0; fd < (int)countof(family->strange); fd++) {
		if (!family->strange[fd] && !owns(&family->estate->saved, link, fd))
			swept += close(fd) == 0;
	}
	return swept;
}

/* One of the processes: it lives and is killed at the end of that. */
static void live_and_die(const struct family *family, void (*life)(struct estate *))
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
	if (child == 0) {
		life(family->estate);
		kill(getpid(), SIGKILL);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CU_ASSERT_EQUAL(family->estate->failed, 0);
}

#define EXPECT(estate, fact)                                                                       \
	do {                                                                                       \
		if (!(fact)) {                                                                     \
			(estate)->failed = __LINE__;                                               \
			kill(getpid(), SIGKILL);                                                   \
		}                                                                                  \
	} while (0)

static uint32_t saved_port(const struct estate *estate, unsigned index)
{
	return estate->saved.port[index].port;
}

/* Of its two ports it has taken both and unmasked the second. */
static void first_life(struct estate *estate)
{
	struct link *link;
	char err[256];

	EXPECT(estate, link_open(estate->bus, &estate->saved, &link, err, sizeof(err)) == 0);
	EXPECT(estate, link_restrict(link, GUEST) == 0);
	for (unsigned i = 0; i < countof(estate->remote); i++) {
		EXPECT(estate,
		       link_bind(link, GUEST, estate->remote[i]) == (int)saved_port(estate, i));
		EXPECT(estate, estate->saved.ports == i + 1);
		EXPECT(estate, link_pending(link) == (int)saved_port(estate, i));
	}
	EXPECT(estate, link_unmask(link, saved_port(estate, 1)) == 0);
	*(char *)link_map(link, GUEST, &estate->ref, 1) = 'a';
}

/* The guest has notified both in between. */
static void second_life(struct estate *estate)
{
	struct link *link;
	char *page;
	char err[256];

	EXPECT(estate, link_adopt(estate->bus, &estate->saved, &link, err, sizeof(err)) == 0);
	EXPECT(estate, link_pending(link) == (int)saved_port(estate, 1));
	EXPECT(estate, link_pending(link) == -EAGAIN);
	EXPECT(estate, link_resume(link) == 0);
	EXPECT(estate, link_pending(link) == (int)saved_port(estate, 0));
	EXPECT(estate, link_pending(link) == -EAGAIN);
	page = link_map(link, GUEST, &estate->ref, 1);
	EXPECT(estate, page != NULL && page[0] == 'a');
	page[0] = 'b';
}

static void expect_notified(const struct family *family)
{
	for (size_t i = 0; i < countof(family->estate->remote); i++)
		CU_ASSERT(sim_port_take(family->domain, family->estate->remote[i]) > 0);
}

static void notify_all(const struct family *family)
{
	for (size_t i = 0; i < countof(family->estate->remote); i++)
		CU_ASSERT_EQUAL(sim_port_notify(family->domain, family->estate->remote[i]), 0);
}

static struct link *adopt(const struct family *family)
{
	struct link *link = NULL;
	char err[256] = "";

	CU_ASSERT_EQUAL_FATAL(
		link_adopt(family->estate->bus, &family->estate->saved, &link, err, sizeof(err)),
		0);
	return link;
}

static void a_successor_keeps_the_ports_and_maps_anew(void)
{
	struct family family;
	struct link *link;
	char *page;
	int port;

	family_open(&family);
	live_and_die(&family, first_life);
	CU_ASSERT_EQUAL(usage_of(&family.bench, GUEST).bound_ports, 2);
	notify_all(&family);
	notify_all(&family);
	live_and_die(&family, second_life);
	expect_notified(&family);
	/* Mappings of the dead are counted until somebody closes their descriptors. */
	CU_ASSERT_EQUAL(usage_of(&family.bench, GUEST).bound_ports, 2);
	CU_ASSERT_EQUAL(usage_of(&family.bench, GUEST).mapped_pages, 1);

	link = adopt(&family);
	CU_ASSERT_EQUAL(sweep(&family, link), 2);
	CU_ASSERT_EQUAL(usage_of(&family.bench, GUEST).mapped_pages, 0);
	page = link_map(link, GUEST, &family.estate->ref, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	CU_ASSERT_EQUAL(page[0], 'b');
	expect_quiet(link);
	CU_ASSERT_EQUAL(link_resume(link), 0);
	CU_ASSERT_EQUAL(link_resume(link), 0);
	expect_notified(&family);
	expect_quiet(link);
	notify_all(&family);
	port = link_pending(link);
	CU_ASSERT_TRUE(port == (int)saved_port(family.estate, 0) ||
		       port == (int)saved_port(family.estate, 1));
	CU_ASSERT_TRUE(link_pending(link) > 0);
	expect_quiet(link);
	CU_ASSERT_EQUAL(link_unmap(link, page, 1), 0);
	link_close(link);
	family_close(&family);
}

/* Two are bound, one is recorded. */
static void cut_short_life(struct estate *estate)
{
	struct link *link;
	char err[256];

	EXPECT(estate, link_open(estate->bus, &estate->saved, &link, err, sizeof(err)) == 0);
	for (unsigned i = 0; i < countof(estate->remote); i++)
		EXPECT(estate, link_bind(link, GUEST, estate->remote[i]) > 0);
	estate->saved.ports = 1;
}

/* All who had the ports are gone, and perhaps with something put and not told. */
static void a_fresh_start_resumes_what_it_binds(void)
{
	struct family family;
	struct link *link;
	char err[256];

	family_open(&family);
	CU_ASSERT_EQUAL_FATAL(
		link_open(family.estate->bus, &family.estate->saved, &link, err, sizeof(err)), 0);
	for (size_t i = 0; i < countof(family.estate->remote); i++)
		CU_ASSERT_TRUE(link_bind(link, GUEST, family.estate->remote[i]) > 0);
	CU_ASSERT_EQUAL(link_resume(link), 0);
	expect_notified(&family);
	link_close(link);
	family_close(&family);
}

static void a_port_nobody_knows_of_disturbs_no_successor(void)
{
	struct family family;
	struct link *link;

	family_open(&family);
	live_and_die(&family, cut_short_life);
	link = adopt(&family);
	CU_ASSERT_EQUAL(sweep(&family, link), 3);
	CU_ASSERT_EQUAL(link_resume(link), 0);
	CU_ASSERT_EQUAL(link_pending(link), (int)saved_port(family.estate, 0));
	/* It wakes the successor, once. */
	CU_ASSERT_EQUAL(link_pending(link), -EAGAIN);
	notify_all(&family);
	expect_quiet(link);
	link_close(link);
	family_close(&family);
}

static void a_killed_owner_can_be_followed_by_a_fresh_start(void)
{
	struct family family;
	struct link *link;
	char err[256];

	family_open(&family);
	live_and_die(&family, first_life);
	CU_ASSERT_EQUAL(
		link_open(family.estate->bus, &family.estate->saved, &link, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(link_bind(link, GUEST, family.estate->remote[0]), -EINVAL);
	CU_ASSERT_EQUAL(sweep(&family, link), 7);
	CU_ASSERT_TRUE(link_bind(link, GUEST, family.estate->remote[0]) > 0);
	CU_ASSERT_EQUAL(link_resume(link), 0);
	link_close(link);
	family_close(&family);
}

static void a_record_that_is_none_is_refused(void)
{
	static const struct link_saved good = {
		.evtchn = 900, .bus = 901, .ports = 1, .port = {{1, 902, 903}}};
	struct link_saved bad[7];
	struct bench bench;
	char name[256];

	for (size_t i = 0; i < countof(bad); i++)
		bad[i] = good;
	bad[0].evtchn = -1;
	bad[1].bus = -1;
	bad[2].ports = LINK_PORTS_MAX + 1;
	bad[3].ports = UINT32_MAX;
	bad[4].port[0].port = SIM_PORTS_MAX;
	bad[5].port[0].wait = -1;
	bad[6].port[0].notify = INT32_MIN;
	bench_open(&bench);
	bus_name(&bench, 0, name, sizeof(name));
	for (size_t i = 0; i < countof(bad); i++) {
		struct link *link = NULL;
		char err[256] = "";

		CU_ASSERT_EQUAL(link_adopt(name, &bad[i], &link, err, sizeof(err)), -EINVAL);
		CU_ASSERT_TRUE(strlen(err) > 10);
	}
	bench_close(&bench);
}

static void a_record_has_room_for_so_many_ports(void)
{
	struct link_saved saved;
	struct channel channel;
	char name[256], err[256];
	struct link *link;
	int fds[LINK_FDS_MAX];

	channel_open(&channel);
	bus_name(&channel.bench, 0, name, sizeof(name));
	CU_ASSERT_EQUAL_FATAL(link_open(name, &saved, &link, err, sizeof(err)), 0);
	for (uint32_t i = 0; i < LINK_PORTS_MAX; i++)
		CU_ASSERT_TRUE(link_bind(link, GUEST, (uint32_t)sim_port_alloc(channel.domain, 0)) >
			       0);
	CU_ASSERT_EQUAL(link_bind(link, GUEST, (uint32_t)sim_port_alloc(channel.domain, 0)),
			-ENOSPC);
	CU_ASSERT_EQUAL(saved.ports, LINK_PORTS_MAX);
	CU_ASSERT_EQUAL(link_descriptors(&saved, fds), LINK_FDS_MAX);
	CU_ASSERT_EQUAL(usage_of(&channel.bench, GUEST).bound_ports, LINK_PORTS_MAX + 1);
	link_close(link);
	channel_close(&channel);
}

/* --- clients that mean harm ---------------------------------------------------------------- */

static int connect_raw(const struct bench *bench)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CU_ASSERT_EQUAL(sim_wire_address(bench->dir, &address), 0);
	CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static uint32_t any_number(unsigned *seed)
{
	static const uint32_t numbers[] = {0, 1, 2, 7, 8, 255, 256, 65536, INT32_MAX, UINT32_MAX};
	uint32_t noise = (uint32_t)rand_r(seed);

	return noise & 1 ? noise >> 1 : numbers[(noise >> 1) % countof(numbers)];
}

static size_t any_data(char *data, size_t size, unsigned *seed)
{
	static const char *const texts[] = {
		"/local/domain/7/device", "device/9pfs", "/", "", "a\0b", "/a/b/c/d",
		"@releaseDomain"};
	const char *text = texts[(unsigned)rand_r(seed) % countof(texts)];
	size_t length = (size_t)rand_r(seed) % (rand_r(seed) % 8 == 0 ? size : 64);

	for (size_t i = 0; i < length; i++)
		data[i] = (char)(rand_r(seed) % 4 == 0 ? rand_r(seed) : '\0');
	if (rand_r(seed) % 4 != 0)
		memcpy(data, text, strlen(text) + 1);
	return length;
}

/* One connection's worth of well-packed nonsense. */
static void send_nonsense(const struct bench *bench, unsigned *seed)
{
	struct sim_request hello = {.op = SIM_HELLO, .domid = 7 + (uint32_t)rand_r(seed) % 2};
	struct {
		struct sim_request head;
		char data[SIM_REQUEST_DATA + 64];
	} packet = {0};
	char reply[64];
	int fd = connect_raw(bench);

	send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
	recv(fd, reply, sizeof(reply), 0);
	for (unsigned i = 0; i < 200; i++) {
		size_t length = any_data(packet.data, sizeof(packet.data), seed);

		packet.head.op = (uint32_t)rand_r(seed) % (SIM_OPS - 1) + 1;
		packet.head.txn = (uint32_t)rand_r(seed) % 4;
		packet.head.domid = any_number(seed);
		packet.head.number = any_number(seed);
		if (packet.head.op == SIM_CLAIM)
			packet.head.number %= 64;
		if (send(fd, &packet, sizeof(packet.head) + length, MSG_NOSIGNAL) < 0 ||
		    recv(fd, reply, sizeof(reply), 0) <= 0)
			break;
	}
	close(fd);
}

static void nonsense_hurts_nobody(void)
{
	struct bench bench;
	struct store *store;
	unsigned seed = 5;

	bench_open(&bench);
	store = open_store(&bench, 0);
	CU_ASSERT_EQUAL(store_watch(store, "/", "t"), 0);
	CU_ASSERT_EQUAL(store_grant_read(store, 0, "/local/domain/7/device", GUEST, 0), 0);
	for (unsigned i = 0; i < 60; i++) {
		send_nonsense(&bench, &seed);
		drain_events(store);
	}
	CU_ASSERT_EQUAL(store_write(store, 0, "/alive", "yes"), 0);
	store_close(store);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).mapped_pages, 0);
	CU_ASSERT_EQUAL(usage_of(&bench, GUEST).granted_pages, 0);
	bench_close(&bench);
}

/* `length` bytes, as they are, end the connection. */
static void expect_cut_off(const struct bench *bench, const void *bytes, size_t length)
{
	int fd = connect_raw(bench);
	char reply[64];

	CU_ASSERT_EQUAL(send(fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
	CU_ASSERT_TRUE(recv(fd, reply, sizeof(reply), 0) <= 0);
	close(fd);
}

static void packets_without_form_are_cut_off(void)
{
	static char big[sizeof(struct sim_request) + SIM_REQUEST_DATA + 1];
	struct sim_request early = {.op = SIM_READ}, unknown = {.op = SIM_OPS}, hello = {0};
	struct bench bench;
	char reply[64];
	int fd;

	bench_open(&bench);
	expect_cut_off(&bench, "x", 1);
	expect_cut_off(&bench, big, sizeof(big));
	expect_cut_off(&bench, &early, sizeof(early));
	expect_cut_off(&bench, &unknown, sizeof(unknown));

	fd = connect_raw(&bench);
	CU_ASSERT_EQUAL(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	CU_ASSERT_EQUAL(recv(fd, reply, sizeof(reply), 0), sizeof(struct sim_reply));
	CU_ASSERT_EQUAL(send(fd, &hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
	CU_ASSERT_TRUE(recv(fd, reply, sizeof(reply), 0) <= 0);
	close(fd);
	store_close(open_store(&bench, 0));
	bench_close(&bench);
}

static void replies_nobody_takes_cost_the_connection(void)
{
	struct sim_request hello = {.op = SIM_HELLO}, usage = {.op = SIM_USAGE};
	struct bench bench;
	unsigned sent = 0;
	int fd;

	bench_open(&bench);
	fd = connect_raw(&bench);
	send(fd, &hello, sizeof(hello), MSG_NOSIGNAL);
	while (sent < 1000000 && send(fd, &usage, sizeof(usage), MSG_NOSIGNAL) > 0)
		sent++;
	CU_ASSERT_TRUE(sent < 1000000);
	store_close(open_store(&bench, 0));
	close(fd);
	bench_close(&bench);
}

static const struct test tests[] = {
	{"bus_names_are_explained", bus_names_are_explained},
	{"a_domain_knows_its_number", a_domain_knows_its_number},
	{"nodes_are_written_listed_and_removed", nodes_are_written_listed_and_removed},
	{"values_have_limits", values_have_limits},
	{"a_value_with_a_nul_inside_is_refused", a_value_with_a_nul_inside_is_refused},
	{"paths_have_a_form", paths_have_a_form},
	{"relative_paths_are_below_home", relative_paths_are_below_home},
	{"guests_see_only_what_is_theirs", guests_see_only_what_is_theirs},
	{"rights_are_given_and_inherited", rights_are_given_and_inherited},
	{"a_watch_fires_at_once_and_for_all_below", a_watch_fires_at_once_and_for_all_below},
	{"a_watch_on_a_relative_path_tells_relative_paths",
	 a_watch_on_a_relative_path_tells_relative_paths},
	{"removal_of_an_ancestor_fires", removal_of_an_ancestor_fires},
	{"watches_are_kept_by_path_and_token", watches_are_kept_by_path_and_token},
	{"a_guest_hears_of_what_it_may_read", a_guest_hears_of_what_it_may_read},
	{"a_path_that_does_not_fit_comes_as_none", a_path_that_does_not_fit_comes_as_none},
	{"a_flood_of_events_merges", a_flood_of_events_merges},
	{"many_different_events_all_arrive", many_different_events_all_arrive},
	{"a_transaction_is_seen_whole_or_not_at_all", a_transaction_is_seen_whole_or_not_at_all},
	{"an_aborted_transaction_leaves_nothing", an_aborted_transaction_leaves_nothing},
	{"transactions_conflict_where_they_touch", transactions_conflict_where_they_touch},
	{"a_refused_change_does_not_spoil_the_transaction",
	 a_refused_change_does_not_spoil_the_transaction},
	{"transactions_have_a_limit", transactions_have_a_limit},
	{"the_tree_has_a_limit", the_tree_has_a_limit},
	{"domains_come_and_go_with_events", domains_come_and_go_with_events},
	{"a_lost_bus_is_not_connected", a_lost_bus_is_not_connected},
	{"a_directory_has_one_bus", a_directory_has_one_bus},
	{"a_domid_is_claimed_once", a_domid_is_claimed_once},
	{"mapped_pages_are_the_guests_pages", mapped_pages_are_the_guests_pages},
	{"only_the_named_domain_may_map", only_the_named_domain_may_map},
	{"a_mapped_grant_cannot_be_ended", a_mapped_grant_cannot_be_ended},
	{"a_killed_process_gives_everything_back", a_killed_process_gives_everything_back},
	{"memory_outlives_its_domain", memory_outlives_its_domain},
	{"a_whole_device_can_be_granted", a_whole_device_can_be_granted},
	{"a_new_port_is_pending_at_once", a_new_port_is_pending_at_once},
	{"a_port_is_masked_until_unmask", a_port_is_masked_until_unmask},
	{"the_guest_is_notified", the_guest_is_notified},
	{"ports_are_told_apart", ports_are_told_apart},
	{"a_port_is_bound_once_and_by_the_named_domain",
	 a_port_is_bound_once_and_by_the_named_domain},
	{"a_port_can_be_bound_again_after_unbind", a_port_can_be_bound_again_after_unbind},
	{"what_a_closed_link_held_is_free_at_once", what_a_closed_link_held_is_free_at_once},
	{"a_restricted_link_binds_one_domain", a_restricted_link_binds_one_domain},
	{"a_dead_guests_channel_stays_harmless", a_dead_guests_channel_stays_harmless},
	{"ports_have_a_limit", ports_have_a_limit},
	{"usage_goes_to_zero", usage_goes_to_zero},
	{"a_successor_keeps_the_ports_and_maps_anew", a_successor_keeps_the_ports_and_maps_anew},
	{"a_fresh_start_resumes_what_it_binds", a_fresh_start_resumes_what_it_binds},
	{"a_port_nobody_knows_of_disturbs_no_successor",
	 a_port_nobody_knows_of_disturbs_no_successor},
	{"a_killed_owner_can_be_followed_by_a_fresh_start",
	 a_killed_owner_can_be_followed_by_a_fresh_start},
	{"a_record_that_is_none_is_refused", a_record_that_is_none_is_refused},
	{"a_record_has_room_for_so_many_ports", a_record_has_room_for_so_many_ports},
	{"nonsense_hurts_nobody", nonsense_hurts_nobody},
	{"packets_without_form_are_cut_off", packets_without_form_are_cut_off},
	{"replies_nobody_takes_cost_the_connection", replies_nobody_takes_cost_the_connection},
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, "sim_bus", tests, countof(tests));
}
