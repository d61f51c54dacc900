/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * thread.c - see thread.h.
 */
#include "common/thread.h"

int thread_start_joinable(void *(*run)(void *arg), void *arg, pthread_t *thread)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK_SIZE);
	err = pthread_create(thread, &attr, run, arg);
	pthread_attr_destroy(&attr);
	return -err;
}

int thread_start(void *(*run)(void *arg), void *arg)
{
	pthread_t thread;
	int err = thread_start_joinable(run, arg, &thread);

	if (err == 0)
		pthread_detach(thread);
	return err;
}
