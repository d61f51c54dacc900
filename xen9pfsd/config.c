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

#define OPTION_EXPORT 'e'
#define OPTION_KIND 'k'
#define OPTION_BUS 'b'
#define OPTION_LOG_LEVEL 'l'
#define OPTION_SHARE 0x100
#define OPTION_STATE_DIR 0x101
#define OPTION_STANDBY 0x102

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

static int set_standby(struct reading *r, const char *value)
{
	bool yes = strcmp(value, "true") == 0;

	if (!yes && strcmp(value, "false") != 0)
		return complain(r, "standby \"%s\" is neither true nor false", value);
	r->config->standby = yes;
	return 0;
}

static int set_log_level(struct reading *r, const char *value)
{
	if (!log_level_parse(value, &r->config->log_level))
		return complain(r, "log-level \"%s\" is not error, warning, info or debug", value);
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
		err = set_list(r, cfg, "log-level", set_log_level);
	if (err < 0) {
		snprintf(text, sizeof(text), "%s", r->err);
		snprintf(r->err, r->errlen, "%s: %s", path, text);
	}
	r->kinds_given = false;
	return err;
}

static int read_file(struct reading *r, const char *path)
{
	/* All are lists: one that is absent has no element, and leaves the default. */
	cfg_opt_t options[] = {
		CFG_STR_LIST("export", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("kind", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("bus", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("state-dir", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("standby", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("log-level", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	struct stat st;
	int err = 0;

	if (cfg == NULL)
		return complain(r, "out of memory");
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		cfg_free(cfg);
		return complain(r, "%s: not a file", path);
	}
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
	{"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warning, info (default) or debug", 0},
	{"share", OPTION_SHARE, "DOMID/DEVID", OPTION_HIDDEN, NULL, 0},
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
	case OPTION_SHARE:
		r->config->share = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The verb, and what stands behind it. False: it does not belong there. */
static bool take_word(struct config *config, char *word)
{
	static const char *const verbs[] = {
		[CONFIG_UPGRADE] = "upgrade",
		[CONFIG_DETACH] = "detach",
		[CONFIG_STATUS] = "status",
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
	else if ((key > 0 && key < 0x80) || (key >= OPTION_SHARE && key <= OPTION_STANDBY))
		err = pass->file_only ? 0 : take_option(pass->reading, key, arg);
	else if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	return err == ARGP_ERR_UNKNOWN ? err : -err;
}

int config_read(struct config *config, int argc, char **argv, char *err, size_t errlen)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.args_doc = "\nupgrade\ndetach [DOMID/DEVID...]\nstatus",
		.doc = "Serves host directories to Xen guests over the Xen 9pfs transport. With a "
		       "verb, "
		       "talks to the daemon that does: \"upgrade\" lets this program replace it "
		       "under its guests, \"detach\" closes all shares or those that are named, "
		       "\"status\" lists them.",
	};
	struct reading reading = {.config = config, .err = err, .errlen = errlen};
	struct pass pass = {.reading = &reading, .file_only = true};
	error_t ret;

	*config = (struct config){
		.kind_9pfs = true,
		.kind_xen_9pfs = true,
		.log_level = LOG_LEVEL_INFO,
	};
	err[0] = '\0';
	config->words = calloc((size_t)argc, sizeof(config->words[0]));
	ret = config->words == NULL ? complain(&reading, "out of memory")
				    : set_bus(&reading, "xen");
	if (ret == 0)
		ret = argp_parse(&argp, argc, argv, 0, NULL, &pass);
	pass.file_only = false;
	if (ret == 0)
		ret = argp_parse(&argp, argc, argv, 0, NULL, &pass);
	return ret == 0 ? 0 : -EINVAL;
}

void config_free(struct config *config)
{
	for (size_t i = 0; i < config->export_count; i++)
		free(config->exports[i]);
	free(config->exports);
	free(config->bus);
	free(config->state_dir);
	free(config->words);
}
