/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * main.c - read the configuration, become the supervisor or the keeper of a share.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "xen9pfsd/config.h"
#include "xen9pfsd/keeper.h"
#include "xen9pfsd/supervisor.h"

int main(int argc, char **argv)
{
	struct config config;
	char text[512];
	int status = EXIT_FAILURE;

	log_init("xen9pfsd", "", LOG_LEVEL_INFO);
	if (config_read(&config, argc, argv, text, sizeof(text)) < 0)
		log_error("%s", text);
	else
		status = config.share ? keeper_main() : supervisor_main(&config);
	config_free(&config);
	return status;
}
