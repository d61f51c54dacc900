/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * main.c - read the configuration; become the supervisor, its launcher, the keeper of a share, or
 * who talks to the supervisor.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "xen9pfsd/config.h"
#include "xen9pfsd/keeper.h"
#include "xen9pfsd/launcher.h"
#include "xen9pfsd/supervisor.h"
#include "xen9pfsd/verbs.h"

int main(int argc, char **argv)
{
	struct config config;
	char text[512];
	int status;

	log_init("xen9pfsd", "", LOG_LEVEL_INFO);
	if (config_read(&config, argc, argv, text, sizeof(text)) < 0) {
		log_error("%s", text);
		config_free(&config);
		return EXIT_FAILURE;
	}
	/* A keeper's workers are copies of it: it keeps nothing that they do not need. */
	if (config.share) {
		config_free(&config);
		return keeper_main();
	}
	if (config.verb == CONFIG_SERVE)
		status = supervisor_main(&config, argv);
	else if (config.verb == CONFIG_LAUNCHER)
		status = launcher_main(&config, argv);
	else
		status = verb_main(&config);
	config_free(&config);
	return status;
}
