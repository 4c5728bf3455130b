/*
 * culvert config: prints the configuration, and where each value is set.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "conf/config.h"
#include "process/app.h"
#include "process/config_check.h"

static const char help[] =
    "usage: culvert config [-f FILE] [--test] [NAME...]\n"
    "\n"
    "Prints all options of each tunnel (of all tunnels, or of those that are named),\n"
    "each below the file and line that set it.  The output is a configuration file.\n"
    "\n"
    "  -f FILE           read this file (default: ~/.config/culvert/culvert.conf, or,\n"
    "                    if there is none, /etc/culvert/culvert.conf)\n"
    "      --test        check whether culvert up could start the tunnels, and print\n"
    "                    only what is wrong\n"
    "      --help\n"
    "\n"
    "Exit status: 0 nothing is wrong, 1 something is wrong, 2 bad usage.\n";

/* ---- print ---- */

/* Prints the values that the tunnel has for that key.  Returns false if it has
 * none. */
static bool
print_given(const struct config_tunnel *tunnel, const char *key)
{
	bool any = false;

	for (size_t i = 0; i < tunnel->n_settings; i++) {
		const struct setting *at = tunnel->settings[i];

		if (strcmp(at->key, key) != 0)
			continue;
		printf("# %s:%u\n%s = %s\n", at->file, at->line, key,
		    at->value);
		any = true;
	}
	return any;
}

static void
print_scope(const struct config_tunnel *tunnel, bool process)
{
	const struct option_entry *option;
	const char *value;
	char text[32];

	for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
		if ((option->scope == OPTION_PROCESS) != process ||
		    print_given(tunnel, option->name))
			continue;
		value = option_default(option, text, sizeof(text));
		if (value != NULL)
			printf("# default\n%s = %s\n", option->name, value);
	}
}

static void
print_tunnel(const struct config_tunnel *tunnel)
{
	printf("\n[tunnel %s]\n", tunnel->name);
	print_scope(tunnel, false);
}

static void
print_rule(const struct config *config, const struct rule *rule)
{
	printf("\n[rule %s]\n", rule->name);
	for (size_t i = 0; i < config->settings.n; i++) {
		const struct setting *at = &config->settings.list[i];

		if (at->key != NULL &&
		    strcmp(at->section, rule->begins->section) == 0)
			printf("# %s:%u\n%s = %s\n", at->file, at->line,
			    at->key, at->value);
	}
}

/* The options of the process are the same in each tunnel, so those of the first
 * are printed. */
static void
config_print(const struct config *config, const struct command_line *options)
{
	printf("[defaults]\n");
	print_scope(&config->tunnels[0], true);
	for (size_t i = 0; i < config->n_tunnels && options->n_names == 0; i++)
		print_tunnel(&config->tunnels[i]);
	for (int i = 0; i < options->n_names; i++)
		print_tunnel(config_find(config, options->names[i]));
	/* Rules are in force for every tunnel. */
	for (size_t i = 0; i < config->n_rules; i++)
		print_rule(config, &config->rules[i]);
}

/* Prints how many tunnels were checked. */
static void
print_checked(const struct config *config, const struct command_line *options)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++)
		n += command_line_wants(options, config->tunnels[i].name);
	printf("%s: %zu tunnel%s\n", options->path, n, n == 1 ? "" : "s");
}

int
command_config(int argc, char **argv)
{
	struct command_line options;
	char why[SETTINGS_WHY_MAX];
	struct config config;
	int status;

	if (command_line_read(argc, argv, "test", false, help, &options,
		&status))
		return status;
	if (config_read(options.path, &config, why) != 0 ||
	    !config_check_names(&config, &options, why) ||
	    (options.flag &&
		(config_check_together(&config, &options, NULL, NULL, why) !=
			0 ||
		    config_check_here(&config, &options, why) != 0))) {
		log_err("%s", why);
		status = EXIT_FAILED;
	} else if (options.flag) {
		print_checked(&config, &options);
		status = command_printed(EXIT_STOPPED);
	} else {
		config_print(&config, &options);
		status = command_printed(EXIT_STOPPED);
	}
	config_free(&config);
	return status;
}
