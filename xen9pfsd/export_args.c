/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * export_args.c - see export_args.h.
 */
#include "xen9pfsd/export_args.h"

#include <string.h>

void export_args_append(struct argp_option *all, const struct argp_option *own)
{
	while (own->name != NULL)
		*all++ = *own++;
	for (size_t i = 0; i < fs_export_option_count && i < EXPORT_ARGS_MAX - 1; i++) {
		const struct fs_export_option *option = &fs_export_options[i];
		bool is_switch = strcmp(option->arg, "true|false") == 0;

		*all++ = (struct argp_option){
			.name = option->name,
			.key = EXPORT_ARGS_KEY + (int)i,
			.arg = option->arg,
			.flags = is_switch ? OPTION_ARG_OPTIONAL : 0,
			.doc = option->doc,
			.group = 1,
		};
	}
	*all = (struct argp_option){0};
}

const char *export_args_name(int key)
{
	size_t i = (size_t)key - EXPORT_ARGS_KEY;

	return key >= EXPORT_ARGS_KEY && i < fs_export_option_count ? fs_export_options[i].name
								    : NULL;
}

const char *export_args_value(const char *arg)
{
	return arg != NULL ? arg : "true";
}

_Static_assert(FS_BUDGET_FIDS == FID_MAX && FS_BUDGET_REQUESTS == SESSION_REQS_MAX &&
		       FS_BUDGET_REQUEST_SPACE << 20 == SESSION_BYTES_MAX &&
		       FS_BUDGET_XATTR_SPACE << 10 == FID_XATTR_BYTES_MAX &&
		       FS_BUDGET_LOCKERS == FID_LOCKERS_MAX,
	       "what can be chosen is what there is");

void export_args_session(const struct fs_export *export, struct session_config *config)
{
	const struct fs_budget *budget = &export->budget;

	config->readonly = export->readonly;
	config->reqs_max = budget->requests;
	config->bytes_max = budget->request_space << 20;
	config->budget = (struct fid_budget){
		.fids = budget->fids,
		.xattr_bytes = budget->xattr_space << 10,
		.lockers = budget->lockers,
	};
}
