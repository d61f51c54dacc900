/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * polling.c - see polling.h.
 */
#include "xen9pfsd/polling.h"

#define WINDOW_MIN_NS 10000

int64_t polling_until(struct polling *polling, int64_t now)
{
	if (now - polling->since >= POLLING_PERIOD_NS) {
		polling->since = now;
		polling->wasted = 0;
	}
	if (now < polling->truce || polling->wasted + polling->window > POLLING_BUDGET_NS)
		return now;
	return now + polling->window;
}

static void set_window(struct polling *polling, int64_t window)
{
	if (window > POLLING_MAX_NS)
		window = POLLING_MAX_NS;
	polling->window = window < WINDOW_MIN_NS ? 0 : window;
}

void polling_looked(struct polling *polling, int64_t began, int64_t now, bool found)
{
	if (found)
		return;
	polling->wasted += now - began;
	set_window(polling, polling->window / 2);
}

void polling_preempted(struct polling *polling, int64_t now)
{
	polling->truce = now + POLLING_TRUCE_NS;
}

/* A window that is long enough for that sleep, and some more: the next may be longer. */
void polling_slept(struct polling *polling, int64_t began, int64_t now)
{
	int64_t slept = now - began;

	if (slept > POLLING_MAX_NS)
		set_window(polling, 0);
	else if (2 * slept > polling->window)
		set_window(polling, slept < WINDOW_MIN_NS / 2 ? WINDOW_MIN_NS : 2 * slept);
}
