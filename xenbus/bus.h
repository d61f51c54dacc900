/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bus.h - the name of a bus, as store.h and link.h take it: "xen" or "sim:DIR[@DOMID]", that is,
 * the name of a version of the seam and, after a colon, what only that version understands.
 */
#ifndef XENBUS_BUS_H
#define XENBUS_BUS_H

#include <stdbool.h>
#include <stddef.h>

/* Does `bus` ask for the version called `name` ("xen", exactly; "sim:", and something behind it)?
 * Then `*address` is what stands behind the name. */
bool bus_is(const char *bus, const char *name, const char **address);

/* -EINVAL and a text, for a bus that no version of the seam feels meant by. */
int bus_unknown(const char *bus, char *err, size_t errlen);

#endif
