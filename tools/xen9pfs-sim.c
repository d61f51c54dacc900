/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * xen9pfs-sim.c - a Xen host in a directory: runs the simulated bus, plays the toolstack, and
 * plays guests, good and bad, against a daemon that runs with --bus sim:DIR. The same toolstack
 * works in domain 0 of real Xen, the same guests in its guests. This file reads the command line;
 * the verbs are in sim_*.c.
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "common/util.h"
#include "tools/sim_verb.h"
#include "xenbus/bus.h"

static const struct sim_verb *const tables[] = {
	sim_toolstack_verbs, sim_files_verbs,	sim_load_verbs,	 sim_day_verbs,
	sim_misbehave_verbs, sim_torture_verbs, sim_bench_verbs, sim_bench_single_verbs,
};

/* ---- what verbs use ---- */

int sim_fail(const struct sim_call *call, int result, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "xen9pfs-sim: %s: ", call->verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (result < 0)
		fprintf(stderr, ": %s", strerror(-result));
	fputc('\n', stderr);
	return 1;
}

/* A number with an optional unit; -EINVAL. */
static int parse_number(const char *text, uint64_t *number)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 0);
	if (errno != 0 || end == text || text[0] == '-')
		return -EINVAL;
	if (*end == '\0')
		return 0;
	unit = strchr(units, *end);
	if (unit == NULL || end[1] != '\0')
		return -EINVAL;
	*number <<= 10 * (unit - units + 1);
	return 0;
}

int sim_number(const struct sim_call *call, const char *what, const char *text, uint64_t *number)
{
	if (parse_number(text, number) == 0)
		return 0;
	sim_fail(call, 0, "%s \"%s\" is not a number", what, text);
	return -EINVAL;
}

uint64_t sim_option(const struct sim_call *call, int key, uint64_t other, bool *bad)
{
	uint64_t number = other;
	char what[] = "-?";

	what[1] = (char)key;
	if (call->option[key] != NULL && sim_number(call, what, call->option[key], &number) != 0)
		*bad = true;
	return number;
}

int64_t sim_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint64_t sim_scramble(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

int sim_stop_fd(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -errno;
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* ---- a verb ---- */

static error_t parse_verb_option(int key, char *arg, struct argp_state *state)
{
	struct sim_call *call = state->input;

	if (key == ARGP_KEY_ARGS) {
		call->argc = state->argc - state->next;
		call->argv = state->argv + state->next;
		return 0;
	}
	if (key <= 0 || key >= (int)countof(call->option))
		return ARGP_ERR_UNKNOWN;
	call->option[key] = arg != NULL ? arg : "";
	return 0;
}

/* Options and words of a verb: argv[0] is its name. */
static void parse_verb(const struct sim_verb *verb, int argc, char **argv, struct sim_call *call)
{
	const struct argp argp = {
		verb->options, parse_verb_option, verb->args, verb->help, NULL, NULL, NULL};
	static char name[64];

	snprintf(name, sizeof(name), "xen9pfs-sim %s", verb->name);
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, call);
	if (call->argc < verb->min_args || call->argc > verb->max_args) {
		fprintf(stderr, "Usage: %s %s\n", name, verb->args);
		exit(argp_err_exit_status);
	}
}

static int run_with_store(const struct sim_verb *verb, struct sim_call *call)
{
	char err[256] = "";
	int status;

	if (store_open(call->options->bus, &call->store, err, sizeof(err)) != 0)
		return sim_fail(call, 0, "%s", err);
	status = verb->run(call);
	store_close(call->store);
	return status;
}

static int run_with_guest(const struct sim_verb *verb, struct sim_call *call)
{
	char err[256] = "";
	int result = sim_guest_open(call->options, &call->guest, err, sizeof(err));
	int status;

	if (result != 0)
		return sim_fail(call, err[0] == '\0' ? result : 0, "%s", err);
	status = verb->run(call);
	result = sim_guest_close(call->guest);
	if (result != 0 && status == 0)
		return sim_fail(call, result, "closing the device");
	return status;
}

static int run_verb(const struct sim_verb *verb, struct sim_call *call)
{
	bool socket_will_do = verb->needs == SIM_NEEDS_GUEST && call->options->socket != NULL;

	if (verb->needs == SIM_NEEDS_BUS && sim_guest_dir(call->options) == NULL)
		return sim_fail(call, 0, "needs --bus sim:DIR");
	if (verb->needs != SIM_NEEDS_NOTHING && call->options->bus == NULL && !socket_will_do)
		return sim_fail(call, 0, "needs --bus");
	switch (verb->needs) {
	case SIM_NEEDS_STORE:
		return run_with_store(verb, call);
	case SIM_NEEDS_GUEST:
		return run_with_guest(verb, call);
	default:
		return verb->run(call);
	}
}

static const struct sim_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < countof(tables); i++) {
		for (const struct sim_verb *verb = tables[i]; verb->name != NULL; verb++) {
			if (strcmp(verb->name, name) == 0)
				return verb;
		}
	}
	return NULL;
}

/* ---- the command line ---- */

static const struct argp_option options[] = {
	{"bus", 'b', "BUS", 0, "the simulated bus, sim:DIR; or xen, in domain 0 or in a guest", 0},
	{"connect", 'c', "ADDRESS", 0,
	 "for verbs of a guest: a 9P server at unix:PATH or tcp:HOST:PORT instead of a bus", 0},
	{"domid", 'd', "N", 0, "the guest (1)", 0},
	{"devid", 'D', "N", 0, "its device (0)", 0},
	{"backend", 'B', "N", 0, "domain of the daemon (0)", 0},
	{"kind", 'k', "KIND", 0, "of backend: 9pfs (default) or xen_9pfs", 0},
	{"path", 'p', "DIR", 0,
	 "directory to share; a guest's verb then attaches the device and removes it at the end",
	 0},
	{"security-model", 's', "MODEL", 0,
	 "of the share: none (default), passthrough, mapped-xattr, mapped-file", 0},
	{"max-space", 'S', "MIB", 0, "limit of space, with kind xen_9pfs (0: none)", 0},
	{"max-files", 'F', "N", 0, "the same for files and directories", 0},
	{"max-open-files", 'O', "N", 0, "the same for open files", 0},
	{"auto-delete", 'A', "0|1", 0, "the oldest files go instead (0)", 0},
	{"tag", 't', "TAG", 0, "name of the share in the guest (share)", 0},
	{"rings", 'r', "N", 0, "number of rings (2, as Linux)", 0},
	{"order", 'o', "N", 0, "log2 of the pages of a ring (9, or what is offered)", 0},
	{"msize", 'm', "BYTES", 0, "largest message (512K)", 0},
	{"uid", 'u', "N", 0, "user who mounts (0)", 0},
	{"aname", 'a', "NAME", 0, "what to mount (\"\")", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

struct command_line {
	struct sim_guest_options options;
	int argc; /* from the verb on */
	char **argv;
};

static void set_number(struct argp_state *state, const char *text, uint32_t *number)
{
	uint64_t value;

	if (parse_number(text, &value) != 0 || value > UINT32_MAX)
		argp_error(state, "\"%s\" is not a number", text);
	else
		*number = (uint32_t)value;
}

static void set_bus(struct argp_state *state, const char *bus, const char **set)
{
	const char *address;

	if (!bus_is(bus, "xen", &address) && (!bus_is(bus, "sim:", &address) || address[0] == '\0'))
		argp_error(state, "--bus \"%s\" is neither sim:DIR nor xen", bus);
	*set = bus;
}

static void set_kind(struct argp_state *state, const char *kind, const char **set)
{
	if (strcmp(kind, TOOLSTACK_QEMU) != 0 && strcmp(kind, TOOLSTACK_9PFSD) != 0)
		argp_error(state, "--kind \"%s\" is neither 9pfs nor xen_9pfs", kind);
	*set = kind;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct command_line *line = state->input;
	struct sim_guest_options *o = &line->options;

	switch (key) {
	case 'b':
		set_bus(state, arg, &o->bus);
		break;
	case 'c':
		o->socket = arg;
		break;
	case 'd':
		set_number(state, arg, &o->device.domid);
		break;
	case 'D':
		set_number(state, arg, &o->device.devid);
		break;
	case 'B':
		set_number(state, arg, &o->device.backend);
		break;
	case 'k':
		set_kind(state, arg, &o->device.kind);
		break;
	case 'p':
		o->device.path = arg;
		break;
	case 's':
		o->device.security_model = arg;
		break;
	case 'S':
		set_number(state, arg, &o->device.max_space);
		break;
	case 'F':
		set_number(state, arg, &o->device.max_files);
		break;
	case 'O':
		set_number(state, arg, &o->device.max_open_files);
		break;
	case 'A':
		set_number(state, arg, &o->device.auto_delete);
		break;
	case 't':
		o->device.tag = arg;
		break;
	case 'r':
		set_number(state, arg, &o->rings);
		break;
	case 'o':
		set_number(state, arg, &o->order);
		break;
	case 'm':
		set_number(state, arg, &o->msize);
		break;
	case 'u':
		set_number(state, arg, &o->n_uname);
		break;
	case 'a':
		o->aname = arg;
		break;
	case ARGP_KEY_ARGS:
		line->argc = state->argc - state->next;
		line->argv = state->argv + state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no verb");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The verbs, below the options of --help. */
static char *help_filter(int key, const char *text, void *input)
{
	char *help = NULL;
	size_t size = 0;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	out = open_memstream(&help, &size);
	if (out == NULL)
		return NULL;
	fprintf(out, "Verbs (\"xen9pfs-sim VERB --help\" tells of their options):\n");
	for (size_t i = 0; i < countof(tables); i++) {
		for (const struct sim_verb *verb = tables[i]; verb->name != NULL; verb++) {
			int width = fprintf(out, "  %s%s%s", verb->name,
					    verb->args[0] != '\0' ? " " : "", verb->args);

			fprintf(out, "%*s%s\n", width < 34 ? 34 - width : 1, "", verb->help);
		}
	}
	fclose(out);
	return help;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse_option,
		"VERB [ARG...]",
		"A Xen host in a directory: the simulated bus, the toolstack and guests for "
		"xen9pfsd.\v",
		NULL,
		help_filter,
		NULL,
	};
	struct command_line line = {.options = SIM_GUEST_DEFAULTS};
	struct sim_call call = {.options = &line.options};
	const struct sim_verb *verb;

	signal(SIGPIPE, SIG_IGN);
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
	verb = find_verb(line.argv[0]);
	if (verb == NULL) {
		fprintf(stderr, "xen9pfs-sim: no verb \"%s\"; try --help\n", line.argv[0]);
		return argp_err_exit_status;
	}
	call.verb = verb->name;
	parse_verb(verb, line.argc, line.argv, &call);
	return run_verb(verb, &call);
}
