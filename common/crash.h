/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * crash.h - places at which a test build may be killed. Nothing in any other build.
 */
#ifndef COMMON_CRASH_H
#define COMMON_CRASH_H

#define CRASH_POINT() ((void)0)

#endif
