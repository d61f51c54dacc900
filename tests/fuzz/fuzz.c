/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fuzz.c - see fuzz.h.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/util.h"

const struct fuzz_target fuzz_targets[] = {
	{"wire", "messages to structs, text and back", fuzz_wire, 0, 2048},
	{"session", "requests to a session, on both file drivers at once", fuzz_session, 16, 1024},
	{"saved", "a session that a compromised process leaves behind", fuzz_saved, 16, 1024},
	{"backend", "a store that guest and toolstack write to", fuzz_backend, 16, 1024},
	{"config", "command line and configuration file", fuzz_config, 0, 1024},
	{"control", "packets between our processes", fuzz_control, 0, 4096},
	{"handover", "descriptors from another keeper", fuzz_handover, 12, 256},
	{"ring", "a ring whose peer rewrites it while it is read", fuzz_ring, 16, 1024},
};
const size_t fuzz_target_count = countof(fuzz_targets);

const struct fuzz_target *fuzz_target(const char *name)
{
	for (size_t i = 0; i < fuzz_target_count; i++) {
		if (strcmp(fuzz_targets[i].name, name) == 0)
			return &fuzz_targets[i];
	}
	return NULL;
}

void fuzz_fail(const char *file, int line, const char *text)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
	abort();
}

/* ---- input ---- */

size_t fuzz_bytes(struct fuzz_input *in, void *bytes, size_t size)
{
	size_t got = size < in->left ? size : in->left;

	memset(bytes, 0, size);
	if (got > 0)
		memcpy(bytes, in->next, got);
	in->next += got;
	in->left -= got;
	return got;
}

uint8_t fuzz_u8(struct fuzz_input *in)
{
	uint8_t value;

	fuzz_bytes(in, &value, sizeof(value));
	return value;
}

uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint16_t value;

	fuzz_bytes(in, &value, sizeof(value));
	return value;
}

uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint32_t value;

	fuzz_bytes(in, &value, sizeof(value));
	return value;
}

uint64_t fuzz_u64(struct fuzz_input *in)
{
	uint64_t value;

	fuzz_bytes(in, &value, sizeof(value));
	return value;
}

void *fuzz_exact(const void *bytes, size_t size)
{
	void *copy = malloc(size);

	if (copy == NULL && size > 0)
		abort();
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

/* ---- mutation: xorshift64* ---- */

static uint32_t draw(uint64_t *chance, size_t below)
{
	*chance ^= *chance >> 12;
	*chance ^= *chance << 25;
	*chance ^= *chance >> 27;
	return (uint32_t)((*chance * 0x2545f4914f6cdd1du >> 33) % below);
}

static void change_byte(uint8_t *data, size_t size, uint64_t *chance)
{
	static const uint8_t edges[] = {0, 1, 2, 7, 8, 15, 16, 0x7f, 0x80, 0xfe, 0xff};
	uint8_t *at = data + draw(chance, size);

	switch (draw(chance, 3)) {
	case 0:
		*at = (uint8_t)draw(chance, 256);
		break;
	case 1:
		*at ^= (uint8_t)(1 << draw(chance, 8));
		break;
	default:
		*at = edges[draw(chance, sizeof(edges))];
	}
}

/* Some units go from one place to another one: out, in anew, or over what is there. */
static size_t change_row(const struct fuzz_target *target, uint8_t *data, size_t size, size_t unit,
			 uint64_t *chance)
{
	size_t units = size / unit, from = draw(chance, units), to = draw(chance, units + 1);
	size_t count = 1 + draw(chance, units - from > 8 ? 8 : units - from);
	uint8_t piece[2048];
	size_t bytes = count * unit;

	if (bytes > sizeof(piece))
		return size;
	memcpy(piece, data + from * unit, bytes);
	switch (draw(chance, 3)) {
	case 0:
		memmove(data + from * unit, data + from * unit + bytes, size - from * unit - bytes);
		return size - bytes;
	case 1:
		if (size + bytes > target->max)
			return size;
		memmove(data + to * unit + bytes, data + to * unit, size - to * unit);
		memcpy(data + to * unit, piece, bytes);
		return size + bytes;
	default:
		if (to * unit + bytes <= size)
			memcpy(data + to * unit, piece, bytes);
		return size;
	}
}

size_t fuzz_mutate(const struct fuzz_target *target, uint8_t *data, size_t size, uint64_t *chance)
{
	size_t unit = target->record > 0 ? target->record : 1;

	for (uint32_t changes = 1 + draw(chance, 6); changes > 0; changes--) {
		if (size < unit) {
			memset(data, 0, unit);
			size = unit;
		}
		if (draw(chance, 3) == 0)
			size = change_row(target, data, size, unit, chance);
		else
			change_byte(data, size, chance);
	}
	return size;
}

/* ---- descriptors ---- */

void fuzz_begin(void)
{
	int fd;

	signal(SIGPIPE, SIG_IGN);
	log_init("fuzz", "", getenv("FUZZ_TRACE") != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd < FUZZ_FDS);
	fuzz_close_fds();
}

void fuzz_close_fds(void)
{
	close_range(FUZZ_FDS, ~0u, 0);
}

unsigned fuzz_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned count = 0;

	FUZZ_CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.' && atoi(entry->d_name) >= FUZZ_FDS &&
			 atoi(entry->d_name) != dirfd(dir);
	closedir(dir);
	return count;
}
