/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test_protocol.c - the 9P engine seen from outside: raw messages to xen9pfs-serve on a
 * socket, replies compared to the last byte, effects looked up in the host's directory. The
 * tests are in the protocol_*.c files; each TEST() stands in the section that is run here.
 */
#include "tests/protocol/harness.h"

extern const struct test __start_protocol_tests[], __stop_protocol_tests[];

int main(int argc, char **argv)
{
	size_t count = (size_t)(__stop_protocol_tests - __start_protocol_tests);

	return test_main(argc, argv, "protocol", __start_protocol_tests, count);
}
