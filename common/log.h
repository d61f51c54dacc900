/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * log.h - lines for the administrator, on stderr; the service manager does the rest.
 *
 * A line is written with one write(2): "xen9pfsd: guest 7 dev 0: warning: text". Bytes that
 * are not printable ASCII are escaped (\xNN), so nothing a guest chose can move a cursor or
 * forge a line. May be called from any thread once log_init() has returned.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `program` and `prefix` ("" for none) stand before every line and are copied. */
void log_init(const char *program, const char *prefix, enum log_level level);

/* "error", "warning", "info", "debug"; false: no such level. */
bool log_level_parse(const char *text, enum log_level *level);

enum log_level log_level(void);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_level() >= LOG_LEVEL_DEBUG)                                                \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

#endif
