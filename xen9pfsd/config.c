/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * config.c - options by argp(3), the file by libconfuse. Both end in the same setters, so a value
 * means and is refused the same in either place.
 */
#include <config.h>

#include "xen9pfsd/config.h"

#include <argp.h>
#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/util.h"
#include "xen9pfsd/control.h"
#include "xen9pfsd/export_args.h"

#define OPTION_EXPORT 'e'
#define OPTION_KIND 'k'
#define OPTION_BUS 'b'
#define OPTION_LOG_LEVEL 'l'
#define OPTION_SHARE 0x100
#define OPTION_STATE_DIR 0x101
#define OPTION_STANDBY 0x102
#define OPTION_POLLING 0x103
#define OPTION_LAUNCHER 0x104
#define OPTION_CHILD_OF 0x105
#define OPTION_MAX_DEVICES 0x106
#define OPTION_MAX_GUEST_DEVICES 0x107
#define OPTION_PACE 0x108 /* and behind: pace_options */
#define OPTION_LAST (OPTION_PACE + countof(pace_options) - 1)

/* One device of a Linux guest takes 1026 grants. A guest's table has room for some 30 of those and
 * a backend's for 255, unless Xen was told otherwise. */
#define DEVICES_MAX 65536
#define DEVICES_DEFAULT 4096
#define GUEST_DEVICES_DEFAULT 64

const char *argp_program_version = PACKAGE_STRING;

/* What is being read, and the first complaint about it. */
struct reading {
	struct config *config;
	bool kinds_given; /* a first --kind replaces the default */
	char *err;
	size_t errlen;
};

__attribute__((format(printf, 2, 3))) static int complain(struct reading *r, const char *format,
							  ...)
{
	va_list args;

	if (r->err[0] == '\0') {
		va_start(args, format);
		vsnprintf(r->err, r->errlen, format, args);
		va_end(args);
	}
	return -EINVAL;
}

/* ---- the setters ---- */

static int set_export(struct reading *r, const char *value)
{
	struct config *c = r->config;
	char **more;

	if (value[0] != '/')
		return complain(r, "export \"%s\" is not an absolute path", value);
	more = realloc(c->exports, (c->export_count + 1) * sizeof(*more));
	if (more == NULL)
		return complain(r, "out of memory");
	c->exports = more;
	c->exports[c->export_count] = strdup(value);
	if (c->exports[c->export_count] == NULL)
		return complain(r, "out of memory");
	c->export_count++;
	return 0;
}

static int set_kind(struct reading *r, const char *value)
{
	struct config *c = r->config;

	if (!r->kinds_given)
		c->kind_9pfs = c->kind_xen_9pfs = false;
	r->kinds_given = true;
	if (strcmp(value, "9pfs") == 0)
		c->kind_9pfs = true;
	else if (strcmp(value, "xen_9pfs") == 0)
		c->kind_xen_9pfs = true;
	else
		return complain(r, "kind \"%s\" is neither 9pfs nor xen_9pfs", value);
	return 0;
}

static int set_bus(struct reading *r, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL || strlen(value) >= CONTROL_BUS_MAX) {
		free(copy);
		return complain(r, "bus \"%.40s...\" is too long", value);
	}
	free(r->config->bus);
	r->config->bus = copy;
	return 0;
}

static int set_state_dir(struct reading *r, const char *value)
{
	char *copy;

	if (value[0] != '/')
		return complain(r, "state-dir \"%s\" is not an absolute path", value);
	copy = strdup(value);
	if (copy == NULL)
		return complain(r, "out of memory");
	free(r->config->state_dir);
	r->config->state_dir = copy;
	return 0;
}

static int set_flag(struct reading *r, const char *name, const char *value, bool *flag)
{
	bool yes = strcmp(value, "true") == 0;

	if (!yes && strcmp(value, "false") != 0)
		return complain(r, "%s \"%s\" is neither true nor false", name, value);
	*flag = yes;
	return 0;
}

static int set_number(struct reading *r, const char *name, const char *value, uint32_t least,
		      uint32_t most, uint32_t *number)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || n < least || n > most)
		return complain(r, "%s \"%s\" is not %u..%u", name, value, least, most);
	*number = (uint32_t)n;
	return 0;
}

static int set_max_devices(struct reading *r, const char *value)
{
	return set_number(r, "max-devices", value, 1, DEVICES_MAX, &r->config->max_devices);
}

static int set_max_guest_devices(struct reading *r, const char *value)
{
	return set_number(r, "max-guest-devices", value, 1, DEVICES_MAX,
			  &r->config->max_guest_devices);
}

static int set_standby(struct reading *r, const char *value)
{
	return set_flag(r, "standby", value, &r->config->standby);
}

static int set_polling(struct reading *r, const char *value)
{
	return set_flag(r, "polling", value, &r->config->polling);
}

static int set_launcher(struct reading *r, const char *value)
{
	bool service = strcmp(value, "service") == 0;

	if (!service && strcmp(value, "child") != 0)
		return complain(r, "launcher \"%s\" is neither child nor service", value);
	r->config->launcher_is_service = service;
	return 0;
}

static int set_log_level(struct reading *r, const char *value)
{
	if (!log_level_parse(value, &r->config->log_level))
		return complain(r, "log-level \"%s\" is not error, warning, info or debug", value);
	return 0;
}

/* ---- devices ---- */

struct config_setting {
	const char *name; /* device_option() */
	char *value;
};

static const struct pace_option {
	const char *name, *arg, *doc;
	size_t offset; /* in struct pace */
	uint32_t least, most;
} pace_options[] = {
	{"max-connects", "1..1000", "Times in 10 s that a device connects before it is to wait (5)",
	 offsetof(struct pace, connects), 1, 1000},
	{"max-store-events", "20..1000000",
	 "Events of its frontend in 10 s before it is not watched for a while (100)",
	 offsetof(struct pace, store_events), 20, 1000000},
	{"max-log-lines", "10..1000000", "Lines that the log has of a device in 10 s (100)",
	 offsetof(struct pace, log_lines), 10, 1000000},
};

#define DEVICE_OPTIONS_MAX (EXPORT_ARGS_MAX + countof(pace_options))

/* The names of all that can be said of some devices, one after the other; then NULL. */
static const char *device_option(size_t i)
{
	if (i < fs_export_option_count)
		return fs_export_options[i].name;
	i -= fs_export_option_count;
	return i < countof(pace_options) ? pace_options[i].name : NULL;
}

static int set_pace(struct reading *r, struct pace *pace, const struct pace_option *option,
		    const char *value)
{
	return set_number(r, option->name, value, option->least, option->most,
			  (uint32_t *)(void *)((char *)pace + option->offset));
}

static int set_device_option(struct reading *r, struct config_terms *terms, const char *name,
			     const char *value)
{
	char text[256];

	for (size_t i = 0; i < countof(pace_options); i++)
		if (strcmp(name, pace_options[i].name) == 0)
			return set_pace(r, &terms->pace, &pace_options[i], value);
	if (fs_export_set(&terms->export, name, value, text, sizeof(text)) < 0)
		return complain(r, "%s", text);
	if (strcmp(name, "ownership") == 0)
		terms->fixes_model = true;
	return 0;
}

static int set_default(struct reading *r, const char *name, const char *value)
{
	return set_device_option(r, &r->config->terms, name, value);
}

/* When all is read: what the section does not say is as at top level. */
static int finish_share(struct reading *r, struct config_share *share)
{
	struct config_terms *terms = &share->terms;
	char text[256];
	int err = 0;

	*terms = r->config->terms;
	for (size_t i = 0; i < share->setting_count && err == 0; i++)
		err = set_device_option(r, terms, share->settings[i].name,
					share->settings[i].value);
	if (err == 0 && terms->fixes_model &&
	    fs_export_check(&terms->export, text, sizeof(text)) < 0)
		err = complain(r, "share \"%s\": %s", share->name, text);
	return err;
}

static int finish_exports(struct reading *r)
{
	struct config *c = r->config;
	char text[256];

	if (c->terms.fixes_model && fs_export_check(&c->terms.export, text, sizeof(text)) < 0)
		return complain(r, "%s", text);
	for (size_t i = 0; i < c->share_count; i++) {
		int err = finish_share(r, &c->shares[i]);

		if (err < 0)
			return err;
	}
	return 0;
}

/* ---- the file ---- */

/* libconfuse's error callback has no argument of ours. */
static struct reading *reading_file;

__attribute__((format(printf, 2, 0))) static void file_error(cfg_t *cfg, const char *format,
							     va_list args)
{
	char text[256];

	/* Without its line number, which is wrong behind comments (libconfuse 3.3). */
	vsnprintf(text, sizeof(text), format, args);
	complain(reading_file, "%s: %s", cfg->filename, text);
}

static int set_list(struct reading *r, cfg_t *cfg, const char *name,
		    int (*set)(struct reading *r, const char *value))
{
	int err = 0;

	for (unsigned i = 0; i < cfg_size(cfg, name) && err == 0; i++)
		err = set(r, cfg_getnstr(cfg, name, i));
	return err;
}

/* The value of an option of devices: a list is written with commas. NULL: not given; or there is
 * no memory, and that has been said. */
static char *joined(struct reading *r, cfg_t *cfg, const char *name)
{
	unsigned count = cfg_size(cfg, name);
	size_t size = 1;
	char *value;

	for (unsigned i = 0; i < count; i++)
		size += strlen(cfg_getnstr(cfg, name, i)) + 1;
	value = count > 0 ? calloc(1, size) : NULL;
	if (count > 0 && value == NULL)
		complain(r, "out of memory");
	for (unsigned i = 0; i < count && value != NULL; i++) {
		strcat(value, i > 0 ? "," : "");
		strcat(value, cfg_getnstr(cfg, name, i));
	}
	return value;
}

static int take_pattern(struct reading *r, cfg_t *cfg, const char *name, char **pattern)
{
	*pattern = joined(r, cfg, name);
	return r->err[0] != '\0' ? -EINVAL : 0;
}

static int take_settings(struct reading *r, cfg_t *cfg, struct config_share *share)
{
	struct config_terms scratch = {.fixes_model = false};
	const char *name;
	int err = 0;

	share->settings = calloc(DEVICE_OPTIONS_MAX, sizeof(share->settings[0]));
	if (share->settings == NULL)
		return complain(r, "out of memory");
	for (size_t i = 0; (name = device_option(i)) != NULL && err == 0; i++) {
		char *value = joined(r, cfg, name);

		if (value == NULL)
			continue;
		share->settings[share->setting_count++] =
			(struct config_setting){.name = name, .value = value};
		err = set_device_option(r, &scratch, name, value);
	}
	return r->err[0] != '\0' ? -EINVAL : err;
}

static int take_share(struct reading *r, cfg_t *cfg, struct config_share *share)
{
	int err;

	share->name = strdup(cfg_title(cfg));
	if (share->name == NULL)
		return complain(r, "out of memory");
	err = take_pattern(r, cfg, "path", &share->path);
	if (err == 0)
		err = take_pattern(r, cfg, "guest", &share->guest);
	if (err == 0)
		err = take_pattern(r, cfg, "domid", &share->domid);
	if (err == 0)
		err = take_pattern(r, cfg, "tag", &share->tag);
	return err < 0 ? err : take_settings(r, cfg, share);
}

/* Behind those of the files before this one. */
static int make_room(struct reading *r, unsigned count)
{
	struct config *c = r->config;
	struct config_share *more;

	if (count == 0)
		return 0;
	more = realloc(c->shares, (c->share_count + count) * sizeof(*more));
	if (more == NULL)
		return complain(r, "out of memory");
	memset(more + c->share_count, 0, count * sizeof(*more));
	c->shares = more;
	return 0;
}

static int take_devices(struct reading *r, cfg_t *cfg)
{
	struct config *c = r->config;
	unsigned count = cfg_size(cfg, "share");
	const char *name;
	int err = 0;

	for (size_t i = 0; (name = device_option(i)) != NULL && err == 0; i++) {
		_cleanup_free_ char *value = joined(r, cfg, name);

		if (value != NULL)
			err = set_default(r, name, value);
	}
	if (err == 0)
		err = make_room(r, count);
	for (unsigned i = 0; i < count && err == 0; i++) {
		cfg_t *section = cfg_getnsec(cfg, "share", i);

		err = take_share(r, section, &c->shares[c->share_count++]);
	}
	return err;
}

static int take_file(struct reading *r, cfg_t *cfg, const char *path)
{
	char text[256];
	int err = set_list(r, cfg, "export", set_export);

	if (err == 0)
		err = set_list(r, cfg, "kind", set_kind);
	if (err == 0)
		err = set_list(r, cfg, "bus", set_bus);
	if (err == 0)
		err = set_list(r, cfg, "state-dir", set_state_dir);
	if (err == 0)
		err = set_list(r, cfg, "standby", set_standby);
	if (err == 0)
		err = set_list(r, cfg, "polling", set_polling);
	if (err == 0)
		err = set_list(r, cfg, "launcher", set_launcher);
	if (err == 0)
		err = set_list(r, cfg, "log-level", set_log_level);
	if (err == 0)
		err = set_list(r, cfg, "max-devices", set_max_devices);
	if (err == 0)
		err = set_list(r, cfg, "max-guest-devices", set_max_guest_devices);
	if (err == 0)
		err = take_devices(r, cfg);
	if (err < 0) {
		snprintf(text, sizeof(text), "%s", r->err);
		snprintf(r->err, r->errlen, "%s: %s", path, text);
	}
	r->kinds_given = false;
	return err;
}

static void append_device_options(cfg_opt_t *all, const cfg_opt_t *own)
{
	const char *name;

	while (own->type != CFGT_NONE)
		*all++ = *own++;
	for (size_t i = 0; (name = device_option(i)) != NULL && i < DEVICE_OPTIONS_MAX; i++)
		*all++ = (cfg_opt_t)CFG_STR_LIST(name, NULL, CFGF_NODEFAULT);
	*all = (cfg_opt_t)CFG_END();
}

static int read_file(struct reading *r, const char *path)
{
	/* All are lists: one that is absent has no element, and leaves the default. */
	cfg_opt_t share_options[] = {
		CFG_STR_LIST("path", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("guest", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("domid", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("tag", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_opt_t share[countof(share_options) + DEVICE_OPTIONS_MAX];
	cfg_opt_t options[] = {
		CFG_SEC("share", share, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
		CFG_STR_LIST("export", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("kind", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("bus", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("state-dir", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("standby", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("polling", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("launcher", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("log-level", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("max-devices", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("max-guest-devices", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_opt_t all[countof(options) + DEVICE_OPTIONS_MAX];
	struct stat st;
	int err = 0;
	cfg_t *cfg;

	/* libconfuse makes more of "~", and ends the process when it gets anything but a file. */
	if (stat(path, &st) < 0)
		return complain(r, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return complain(r, "%s: not a file", path);
	append_device_options(share, share_options);
	append_device_options(all, options);
	cfg = cfg_init(all, CFGF_NONE);
	if (cfg == NULL)
		return complain(r, "out of memory");
	reading_file = r;
	cfg_set_error_function(cfg, file_error);
	switch (cfg_parse(cfg, path)) {
	case CFG_SUCCESS:
		err = take_file(r, cfg, path);
		break;
	case CFG_FILE_ERROR:
		err = complain(r, "%s: %s", path, strerror(errno));
		break;
	default:
		err = complain(r, "%s: syntax error", path);
	}
	cfg_free(cfg);
	return err;
}

/* ---- the command line ---- */

static const struct argp_option options[] = {
	{"config", 'c', "FILE", 0, "Read FILE; it holds the long names below as key = value", 0},
	{"export", OPTION_EXPORT, "DIR", 0,
	 "Directories below DIR may be exported, DIR among them (repeatable; none: nothing is)", 0},
	{"kind", OPTION_KIND, "KIND", 0,
	 "Serve devices of KIND, 9pfs or xen_9pfs (repeatable; default: both)", 0},
	{"bus", OPTION_BUS, "BUS", 0, "xen (default), or sim:DIR: a simulated bus in DIR", 0},
	{"state-dir", OPTION_STATE_DIR, "DIR", 0,
	 "Where sessions stand that outlive the daemon (/run/xen9pfsd)", 0},
	{"standby", OPTION_STANDBY, "true|false", OPTION_ARG_OPTIONAL,
	 "A second worker for each share, so that the pause is shorter when one dies", 0},
	{"polling", OPTION_POLLING, "true|false", 0,
	 "A share that is busy looks for requests for a moment before it sleeps (true)", 0},
	{"launcher", OPTION_LAUNCHER, "child|service", 0,
	 "Start a launcher, or use the one that \"xen9pfsd launcher\" is", 0},
	{"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warning, info (default) or debug", 0},
	{"max-devices", OPTION_MAX_DEVICES, "1..65536", 0, "Devices at a time (4096)", 0},
	{"max-guest-devices", OPTION_MAX_GUEST_DEVICES, "1..65536", 0, "Devices of one guest (64)",
	 0},
	{"share", OPTION_SHARE, "DOMID/DEVID", OPTION_HIDDEN, NULL, 0},
	{"child-of", OPTION_CHILD_OF, "PID", OPTION_HIDDEN, NULL, 0},
	{0},
};

/* The file comes first, wherever it stands on the line: a first pass looks for it alone. */
struct pass {
	struct reading *reading;
	bool file_only;
};

static int take_option(struct reading *r, int key, char *arg)
{
	switch (key) {
	case OPTION_EXPORT:
		return set_export(r, arg);
	case OPTION_KIND:
		return set_kind(r, arg);
	case OPTION_BUS:
		return set_bus(r, arg);
	case OPTION_LOG_LEVEL:
		return set_log_level(r, arg);
	case OPTION_STATE_DIR:
		return set_state_dir(r, arg);
	case OPTION_STANDBY:
		return set_standby(r, arg != NULL ? arg : "true");
	case OPTION_POLLING:
		return set_polling(r, arg);
	case OPTION_LAUNCHER:
		return set_launcher(r, arg);
	case OPTION_MAX_DEVICES:
		return set_max_devices(r, arg);
	case OPTION_MAX_GUEST_DEVICES:
		return set_max_guest_devices(r, arg);
	case OPTION_SHARE:
		r->config->share = true;
		return 0;
	case OPTION_CHILD_OF:
		r->config->parent = atoi(arg);
		return 0;
	}
	if (key >= OPTION_PACE && key <= (int)OPTION_LAST)
		return set_pace(r, &r->config->terms.pace, &pace_options[key - OPTION_PACE], arg);
	if (export_args_name(key) != NULL)
		return set_default(r, export_args_name(key), export_args_value(arg));
	return ARGP_ERR_UNKNOWN;
}

/* Behind our own ones those of the table. */
static void append_pace_options(struct argp_option *all)
{
	memcpy(all, options, sizeof(options));
	all += countof(options) - 1;
	for (size_t i = 0; i < countof(pace_options); i++)
		*all++ = (struct argp_option){
			.name = pace_options[i].name,
			.key = OPTION_PACE + (int)i,
			.arg = pace_options[i].arg,
			.doc = pace_options[i].doc,
			.group = 1,
		};
	*all = (struct argp_option){0};
}

/* The verb, and what stands behind it. False: it does not belong there. */
static bool take_word(struct config *config, char *word)
{
	static const char *const verbs[] = {
		[CONFIG_UPGRADE] = "upgrade",
		[CONFIG_DETACH] = "detach",
		[CONFIG_STATUS] = "status",
		[CONFIG_LAUNCHER] = "launcher",
	};

	if (config->verb == CONFIG_DETACH) {
		unsigned domid, devid;
		char rest;

		config->words[config->word_count++] = word;
		return sscanf(word, "%u/%u%c", &domid, &devid, &rest) == 2;
	}
	if (config->verb != CONFIG_SERVE)
		return false;
	for (size_t i = CONFIG_UPGRADE; i < countof(verbs); i++) {
		if (strcmp(word, verbs[i]) == 0) {
			config->verb = (enum config_verb)i;
			return true;
		}
	}
	return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	const struct pass *pass = state->input;
	int err = 0;

	if (key == 'c')
		err = pass->file_only ? read_file(pass->reading, arg) : 0;
	else if (key == ARGP_KEY_ARG && !pass->file_only && !take_word(pass->reading->config, arg))
		argp_error(state, "unexpected argument \"%s\"", arg);
	else if ((key > 0 && key < 0x80) || (key >= OPTION_SHARE && key <= (int)OPTION_LAST) ||
		 export_args_name(key) != NULL)
		err = pass->file_only ? 0 : take_option(pass->reading, key, arg);
	else if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	return err == ARGP_ERR_UNKNOWN ? err : -err;
}

int config_read(struct config *config, int argc, char **argv, char *err, size_t errlen)
{
	struct argp_option own[countof(options) + countof(pace_options)];
	struct argp_option all[countof(own) + EXPORT_ARGS_MAX];
	const struct argp argp = {
		.options = all,
		.parser = parse_option,
		.args_doc = "\nupgrade\ndetach [DOMID/DEVID...]\nstatus\nlauncher",
		.doc = "Serves host directories to Xen guests over the Xen 9pfs transport. With a "
		       "verb, "
		       "talks to the daemon that does: \"upgrade\" lets this program replace it "
		       "under its guests, \"detach\" closes all shares or those that are named, "
		       "\"status\" lists them. \"launcher\" serves a daemon with "
		       "--launcher=service.",
	};
	struct reading reading = {.config = config, .err = err, .errlen = errlen};
	struct pass pass = {.reading = &reading, .file_only = true};
	error_t ret;

	*config = (struct config){
		.kind_9pfs = true,
		.kind_xen_9pfs = true,
		.polling = true,
		.log_level = LOG_LEVEL_INFO,
		.max_devices = DEVICES_DEFAULT,
		.max_guest_devices = GUEST_DEVICES_DEFAULT,
		.terms.pace = PACE_DEFAULT,
	};
	append_pace_options(own);
	export_args_append(all, own);
	err[0] = '\0';
	config->words = calloc((size_t)argc, sizeof(config->words[0]));
	ret = config->words == NULL ? complain(&reading, "out of memory")
				    : set_bus(&reading, "xen");
	if (ret == 0)
		ret = argp_parse(&argp, argc, argv, 0, NULL, &pass);
	pass.file_only = false;
	if (ret == 0)
		ret = argp_parse(&argp, argc, argv, 0, NULL, &pass);
	if (ret == 0)
		ret = finish_exports(&reading);
	return ret == 0 ? 0 : -EINVAL;
}

static void free_share(struct config_share *share)
{
	for (size_t i = 0; i < share->setting_count; i++)
		free(share->settings[i].value);
	free(share->settings);
	free(share->name);
	free(share->path);
	free(share->guest);
	free(share->domid);
	free(share->tag);
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->share_count; i++)
		free_share(&config->shares[i]);
	free(config->shares);
	for (size_t i = 0; i < config->export_count; i++)
		free(config->exports[i]);
	free(config->exports);
	free(config->bus);
	free(config->state_dir);
	free(config->words);
}
