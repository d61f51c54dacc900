/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * log.c - see log.h. The level and the prefix are the only mutable globals of the project:
 * set once per process, before it has a second thread.
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static enum log_level threshold = LOG_LEVEL_INFO;
static char line_start[96] = "";

void log_init(const char *program, const char *prefix, enum log_level level)
{
	threshold = level;
	snprintf(line_start, sizeof(line_start), "%s: %s%s", program, prefix,
		 prefix[0] != '\0' ? ": " : "");
}

bool log_level_parse(const char *text, enum log_level *level)
{
	for (size_t i = 0; i < countof(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

enum log_level log_level(void)
{
	return threshold;
}

/* Copies `text` with everything but printable ASCII escaped; cuts at `size`. */
static size_t escape(char *out, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text != '\0' && used + 4 < size; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte >= ' ' && byte < 0x7f)
			out[used++] = (char)byte;
		else
			used += (size_t)snprintf(out + used, size - used, "\\x%02x", byte);
	}
	return used;
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[1024], line[2048];
	const char *name = level == LOG_LEVEL_INFO ? "" : level_names[level];
	va_list args;
	size_t used;

	if (level > threshold)
		return;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	used = (size_t)snprintf(line, sizeof(line), "%s%s%s", line_start, name,
				name[0] != '\0' ? ": " : "");
	used += escape(line + used, sizeof(line) - used - 1, text);
	line[used++] = '\n';
	/* Nobody is left to be told when stderr does not take the line. */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}
