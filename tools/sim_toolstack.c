/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sim_toolstack.c - verbs of xen9pfs-sim for what is not a guest: the bus, the toolstack, the
 * store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "tools/sim_verb.h"
#include "xenbus/sim.h"

static void bus_ready(void *arg)
{
	const struct sim_call *call = arg;

	printf("bus %s is ready\n", call->options->bus);
	fflush(stdout);
}

static int run_bus(struct sim_call *call)
{
	_cleanup_close_ int stop = sim_stop_fd();
	char err[256] = "";

	if (stop < 0)
		return sim_fail(call, stop, "signals");
	if (sim_bus_run(sim_guest_dir(call->options), stop, bus_ready, call, err, sizeof(err)) != 0)
		return sim_fail(call, 0, "%s", err);
	return 0;
}

static int run_attach(struct sim_call *call)
{
	const struct toolstack_device *device = &call->options->device;
	int result;

	if (device->path == NULL)
		return sim_fail(call, 0, "needs --path DIR");
	result = sim_guest_attach(call->store, device);
	if (result != 0)
		return sim_fail(call, result, "device %u of guest %u", device->devid,
				device->domid);
	if (call->option['w'] == NULL)
		return 0;
	result = toolstack_await_backend(call->store, device);
	if (result != 0)
		return sim_fail(call, result, "the backend does not get ready");
	return 0;
}

static int detach(struct sim_call *call, enum toolstack_removal how)
{
	const struct toolstack_device *device = &call->options->device;
	int64_t start = nodes_now();
	int result = toolstack_detach(call->store, device->domid, device->devid, how);

	if (result == -ENOENT)
		return sim_fail(call, 0, "guest %u has no device %u", device->domid, device->devid);
	if (result == -ETIMEDOUT)
		return sim_fail(call, result, "the backend does not let go of it");
	if (result != 0)
		return sim_fail(call, result, "device %u of guest %u", device->devid,
				device->domid);
	printf("removed in %lld ms\n", (long long)(nodes_now() - start));
	return 0;
}

static int run_detach(struct sim_call *call)
{
	return detach(call, TOOLSTACK_REMOVE);
}

/* As libxl does it when the guest is shut down or dying. */
static int run_destroy(struct sim_call *call)
{
	const struct toolstack_device *device = &call->options->device;
	char backend[STORE_PATH_MAX];
	bool cut = toolstack_backend(call->store, device->domid, device->devid, backend) == 0 &&
		   strstr(backend, "/backend/" TOOLSTACK_QEMU "/") != NULL;

	return detach(call, cut ? TOOLSTACK_CUT : TOOLSTACK_DESTROY);
}

static int run_usage(struct sim_call *call)
{
	struct sim_usage usage;
	int result = sim_usage(sim_guest_dir(call->options), call->options->device.domid, &usage);

	if (result < 0)
		return sim_fail(call, result, "guest %u", call->options->device.domid);
	printf("mapped_pages=%u\nbound_ports=%u\ngranted_pages=%u\nstore_nodes=%u\n",
	       usage.mapped_pages, usage.bound_ports, usage.granted_pages, usage.store_nodes);
	return 0;
}

/* Prints a node and all below, "path = "value"" each. */
static int print_tree(struct store *store, const char *path)
{
	char value[STORE_VALUE_MAX], child[STORE_PATH_MAX];
	char **names = NULL;
	unsigned count = 0;
	ssize_t length = store_read(store, 0, path, value, sizeof(value));
	int result = store_list(store, 0, path, &names, &count);

	if (length >= 0)
		printf("%s = \"%s\"\n", path, value);
	for (unsigned i = 0; result == 0 && i < count; i++) {
		nodes_path(child, strcmp(path, "/") == 0 ? "" : path, names[i]);
		result = print_tree(store, child);
		/* It may have gone since it was listed. */
		if (result == -ENOENT)
			result = 0;
	}
	free(names);
	return result;
}

static int run_xs_ls(struct sim_call *call)
{
	const char *path = call->argc > 0 ? call->argv[0] : "/";
	int result = print_tree(call->store, path);

	return result == 0 ? 0 : sim_fail(call, result, "%s", path);
}

static int run_xs_read(struct sim_call *call)
{
	char value[STORE_VALUE_MAX];
	ssize_t length = store_read(call->store, 0, call->argv[0], value, sizeof(value));

	if (length < 0)
		return sim_fail(call, (int)length, "%s", call->argv[0]);
	puts(value);
	return 0;
}

static int run_xs_write(struct sim_call *call)
{
	int result = store_write(call->store, 0, call->argv[0], call->argv[1]);

	return result == 0 ? 0 : sim_fail(call, result, "%s", call->argv[0]);
}

static const struct argp_option attach_options[] = {
	{"wait", 'w', NULL, 0, "until the backend is ready (state 2), at most 10 s", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

const struct sim_verb sim_toolstack_verbs[] = {
	{"bus", "", "run the bus until SIGTERM", SIM_NEEDS_BUS, 0, 0, NULL, run_bus},
	{"attach", "[--wait]", "write a device's nodes, as xl does", SIM_NEEDS_STORE, 0, 0,
	 attach_options, run_attach},
	{"detach", "", "unplug a device", SIM_NEEDS_STORE, 0, 0, NULL, run_detach},
	{"destroy", "", "remove a device of a dying guest", SIM_NEEDS_STORE, 0, 0, NULL,
	 run_destroy},
	{"usage", "", "what others hold of a guest", SIM_NEEDS_BUS, 0, 0, NULL, run_usage},
	{"xs-ls", "[PATH]", "list the store", SIM_NEEDS_STORE, 0, 1, NULL, run_xs_ls},
	{"xs-read", "PATH", "print a value of the store", SIM_NEEDS_STORE, 1, 1, NULL, run_xs_read},
	{"xs-write", "PATH VALUE", "write a value", SIM_NEEDS_STORE, 2, 2, NULL, run_xs_write},
	{NULL, NULL, NULL, SIM_NEEDS_NOTHING, 0, 0, NULL, NULL},
};
