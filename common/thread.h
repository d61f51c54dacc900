/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * thread.h - threads for work that needs little stack.
 */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

#include <pthread.h>

#define THREAD_STACK_SIZE (256 * 1024)

/* Starts a thread that nobody joins. -errno: there is none to be had. */
int thread_start(void *(*run)(void *arg), void *arg);

/* The same with one to be joined. */
int thread_start_joinable(void *(*run)(void *arg), void *arg, pthread_t *thread);

#endif
