/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bus.c - see bus.h.
 */
#include "config.h"

#include "xenbus/bus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool bus_is(const char *bus, const char *name, const char **address)
{
	size_t length = strlen(name);
	bool takes_address = name[length - 1] == ':';

	*address = bus + length;
	return takes_address ? strncmp(bus, name, length) == 0 : strcmp(bus, name) == 0;
}

int bus_unknown(const char *bus, char *err, size_t errlen)
{
#ifndef HAVE_LIBXEN
	if (strcmp(bus, "xen") == 0) {
		snprintf(err, errlen, "bus \"xen\": this program was built without libxen");
		return -EINVAL;
	}
#endif
	snprintf(err, errlen, "bus \"%s\": neither \"xen\" nor \"sim:DIR[@DOMID]\"", bus);
	return -EINVAL;
}
