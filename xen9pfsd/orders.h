/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * orders.h - what the verbs of xen9pfsd(8) make the supervisor do: status at once, detach and
 * upgrade over many rounds of its loop, one order at a time.
 */
#ifndef XEN9PFSD_ORDERS_H
#define XEN9PFSD_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "xen9pfsd/admin.h"
#include "xen9pfsd/backend.h"

enum order { ORDER_NONE, ORDER_DETACH, ORDER_UPGRADE };

struct orders {
	struct admin *admin; /* borrowed */
	struct backend_list *backends;
	enum order order;
	int exe;		/* the new program; -1 */
	struct backend *moving; /* it is being taken over */
	unsigned failed;
	int64_t deadline_ms; /* of what is being done; 0: none */
	bool replace;	     /* all have moved: the supervisor is to become `exe` */
};

void orders_init(struct orders *o, struct admin *admin, struct backend_list *backends);
void orders_close(struct orders *o);

/* Only while orders_busy() is false. */
void orders_take(struct orders *o, struct admin_request *request, int64_t now_ms);
bool orders_busy(const struct orders *o);

/* Once in each round, after the backends have been looked after. */
void orders_work(struct orders *o, int64_t now_ms);

/* This device is about to be freed. */
void orders_forget(struct orders *o, struct backend *b);

#endif
