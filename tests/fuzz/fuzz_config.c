/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz_config.c - command line and configuration file: read or refused, with a word about it.
 * config.c is compiled into this file, so that argp does not end the process.
 *
 * Input: arguments, one on a line, up to an empty line; then the file, whose name in an argument
 * is "@".
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define argp_parse(argp, argc, argv, flags, index, input)                                          \
	argp_parse(argp, argc, argv, (flags) | ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_NO_EXIT, index,  \
		   input)
#include "xen9pfsd/config.c"

#define ARGUMENTS_MAX 32

static char *file_name(void)
{
	static char path[300];
	const char *dir = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/fuzz-%d.conf", dir != NULL ? dir : "/tmp", getpid());
	return path;
}

static void write_file(const char *path, const char *text, size_t size)
{
	FILE *file = fopen(path, "we");

	FUZZ_CHECK(file != NULL);
	FUZZ_CHECK(fwrite(text, 1, size, file) == size);
	FUZZ_CHECK(fclose(file) == 0);
}

/* With the file's name in the place of "@". */
static char *make_argument(const char *text, const char *path)
{
	const char *at = strchr(text, '@');
	char *argument;

	if (at == NULL)
		return strdup(text);
	if (asprintf(&argument, "%.*s%s%s", (int)(at - text), text, path, at + 1) < 0)
		abort();
	return argument;
}

static void check_pace(const struct pace *pace)
{
	FUZZ_CHECK(pace->connects >= 1 && pace->connects <= 1000);
	FUZZ_CHECK(pace->store_events >= 20 && pace->store_events <= 1000000);
	FUZZ_CHECK(pace->log_lines >= 10 && pace->log_lines <= 1000000);
}

static void check(const struct config *config)
{
	check_pace(&config->terms.pace);
	for (size_t i = 0; i < config->share_count; i++)
		check_pace(&config->shares[i].terms.pace);
	FUZZ_CHECK(config->bus != NULL && strlen(config->bus) < CONTROL_BUS_MAX);
	FUZZ_CHECK(config->state_dir == NULL || config->state_dir[0] == '/');
	FUZZ_CHECK(config->kind_9pfs || config->kind_xen_9pfs);
	FUZZ_CHECK(config->log_level <= LOG_LEVEL_DEBUG);
	FUZZ_CHECK(config->max_devices >= 1 && config->max_devices <= DEVICES_MAX);
	FUZZ_CHECK(config->max_guest_devices >= 1 && config->max_guest_devices <= DEVICES_MAX);
	FUZZ_CHECK(config->verb <= CONFIG_LAUNCHER);
	FUZZ_CHECK(config->word_count == 0 || config->verb == CONFIG_DETACH);
	for (size_t i = 0; i < config->export_count; i++)
		FUZZ_CHECK(config->exports[i][0] == '/');
}

void fuzz_config(const uint8_t *data, size_t size)
{
	static char program[] = "xen9pfsd";
	char *arguments[ARGUMENTS_MAX + 2] = {program}, *made[ARGUMENTS_MAX], *path = file_name();
	_cleanup_free_ char *text = malloc(size + 1);
	char *next = text, *end;
	struct config config;
	char err[256];
	int count = 0, result;

	FUZZ_CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	while (count < ARGUMENTS_MAX && *next != '\0' && *next != '\n') {
		end = strchrnul(next, '\n');
		if (*end == '\n')
			*end++ = '\0';
		made[count] = arguments[count + 1] = make_argument(next, path);
		count++;
		next = end;
	}
	if (*next == '\n')
		next++;
	write_file(path, next, (size_t)(text + size - next));
	result = config_read(&config, count + 1, arguments, err, sizeof(err));
	FUZZ_CHECK(memchr(err, '\0', sizeof(err)) != NULL);
	FUZZ_CHECK(result == 0 || result == -EINVAL);
	if (result == 0)
		check(&config);
	config_free(&config);
	for (int i = 0; i < count; i++)
		free(made[i]);
	unlink(path);
}
