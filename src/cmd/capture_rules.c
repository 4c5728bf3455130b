/*
 * culvert capture-rules: prints rules for nft(8).
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "capture/nft.h"
#include "cmd/cmd.h"
#include "process/app.h"

static const char help[] =
    "usage: culvert capture-rules [-f FILE] NAME\n"
    "\n"
    "Prints the rules of nft(8) that send connections to the tunnel NAME, which has\n"
    "\"capture\" in the configuration file: those to the hosts and ports of the\n"
    "[rule] sections.  culvert-capture@NAME.service sets and removes them.\n"
    "\n"
    "  -f FILE           read this file (default: ~/.config/culvert/culvert.conf, or,\n"
    "                    if there is none, /etc/culvert/culvert.conf)\n"
    "      --help\n"
    "\n"
    "Exit status: 0 printed, 1 there are no rules to print, 2 bad usage.\n";

/* Why nothing can be printed for that tunnel; NULL: it can. */
static const char *
find_fault(const struct config *config, const struct config_tunnel *tunnel)
{
	if (tunnel->options.capture == OPTIONS_CAPTURE_NOT)
		return "it has no \"capture\"";
	if (tunnel->options.n_forwards != 1)
		return "it has more than one L";
	if (config->n_rules == 0)
		return "the file has no [rule NAME], so every client would be "
		       "refused";
	return NULL;
}

int
command_capture_rules(int argc, char **argv)
{
	const struct config_tunnel *tunnel;
	struct command_line options;
	char why[SETTINGS_WHY_MAX];
	struct config config;
	const char *fault;
	int status;

	if (command_line_read(argc, argv, NULL, false, help, &options, &status))
		return status;
	if (options.n_names != 1)
		return command_misused(argv[0],
		    "expected the name of one tunnel");
	status = EXIT_FAILED;
	if (config_read(options.path, &config, why) != 0 ||
	    !config_check_names(&config, &options, why)) {
		log_err("%s", why);
		config_free(&config);
		return status;
	}
	tunnel = config_find(&config, options.names[0]);
	fault = find_fault(&config, tunnel);
	if (fault != NULL) {
		log_err("[tunnel %s]: %s", tunnel->name, fault);
	} else {
		nft_write(stdout, tunnel, config.rules, config.n_rules);
		status = command_printed(EXIT_STOPPED);
	}
	config_free(&config);
	return status;
}
