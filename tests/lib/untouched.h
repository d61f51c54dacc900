/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * untouched.h - the stat of a Twstat that says "leave everything as it is" (docs/9p.md).
 */
#ifndef TESTS_LIB_UNTOUCHED_H
#define TESTS_LIB_UNTOUCHED_H

#include "proto/wire.h"

static inline struct p9_stat untouched(void)
{
	return (struct p9_stat){
		.type = UINT16_MAX,
		.dev = UINT32_MAX,
		.qid = {UINT8_MAX, UINT32_MAX, UINT64_MAX},
		.mode = UINT32_MAX,
		.atime = UINT32_MAX,
		.mtime = UINT32_MAX,
		.length = UINT64_MAX,
		.n_uid = UINT32_MAX,
		.n_gid = UINT32_MAX,
		.n_muid = UINT32_MAX,
	};
}

#endif
