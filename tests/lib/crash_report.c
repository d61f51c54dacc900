/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * crash_report.c - prints a log of crash points (common/crash.h): place, visits, deaths.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/crash.h"
#include "common/util.h"

int main(int argc, char **argv)
{
	_cleanup_close_ int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	const struct crash_log *log;
	struct stat st;

	if (argc != 2) {
		fprintf(stderr, "usage: crash_report FILE\n");
		return 2;
	}
	if (fd < 0 || fstat(fd, &st) || st.st_size != (off_t)sizeof(*log)) {
		fprintf(stderr, "crash_report: %s is no log of crash points\n", argv[1]);
		return 2;
	}
	log = mmap(NULL, sizeof(*log), PROT_READ, MAP_SHARED, fd, 0);
	if (log == MAP_FAILED) {
		perror(argv[1]);
		return 2;
	}
	for (size_t i = 0; i < CRASH_LOG_POINTS && log->counts[i].file[0] != '\0'; i++)
		printf("%s:%u %u %u\n", log->counts[i].file, log->counts[i].line,
		       log->counts[i].visits, log->counts[i].deaths);
	return 0;
}
