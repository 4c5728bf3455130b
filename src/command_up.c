/*
 * culvert up: tunnels of the configuration file, in one process.  Those that
 * have the same destination, and say the same for ssh, share its links.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "commands.h"
#include "conf/config.h"

static const char help[] =
    "usage: culvert up [-f FILE] [-qv] NAME...\n"
    "       culvert up [-f FILE] [-qv] --all\n"
    "\n"
    "Starts these tunnels of the configuration file, or all, in one process that runs\n"
    "until a signal ends it.\n"
    "\n"
    "  -f FILE           read this one; else ~/.config/culvert/culvert.conf, or, if\n"
    "                    there is none, /etc/culvert/culvert.conf\n"
    "      --all         all of its tunnels\n"
    "  -q                only errors\n"
    "  -v                more words; again for the FTP commands\n"
    "      --help\n"
    "\n"
    "What the file says: culvert config, culvert.conf(5).\n"
    "Exit status: 0 stopped by a signal, 1 failed, 2 bad usage, 255 ssh could not\n"
    "connect to any destination.\n";

/* "NAME: " */
typedef char prefix[LIMIT_TUNNEL_NAME + 3];

/* The tunnels that are to run, and how they are put together. */
struct chosen {
	struct config_tunnel **tunnels; /* in the order of the plans */
	size_t n;
	prefix *prefixes;
	struct destination_tunnel *entries; /* all plans' together */
	struct destination_plan *plans;
	size_t n_plans;
};

static void
chosen_free(struct chosen *chosen)
{
	free(chosen->tunnels);
	free(chosen->prefixes);
	free(chosen->entries);
	free(chosen->plans);
}

static bool
chosen_alloc(struct chosen *chosen, size_t n)
{
	*chosen = (struct chosen) {
		.tunnels = calloc(n, sizeof(*chosen->tunnels)),
		.prefixes = calloc(n, sizeof(*chosen->prefixes)),
		.entries = calloc(n, sizeof(*chosen->entries)),
		.plans = calloc(n, sizeof(*chosen->plans)),
	};
	if (chosen->tunnels != NULL && chosen->prefixes != NULL &&
	    chosen->entries != NULL && chosen->plans != NULL)
		return true;
	log_err("out of memory");
	return false;
}

static bool
is_named(const struct command_line *line, const char *name)
{
	if (line->flag)
		return true;
	for (int i = 0; i < line->n_names; i++)
		if (strcmp(line->names[i], name) == 0)
			return true;
	return false;
}

/* Every name that was given is a tunnel's. */
static bool
check_names(const struct config *config, const struct command_line *line)
{
	for (int i = 0; i < line->n_names; i++) {
		if (config_find(config, line->names[i]) != NULL)
			continue;
		log_err("there is no [tunnel %s] in %s", line->names[i],
		    config->settings.files[0]);
		return false;
	}
	return true;
}

/* Adds the tunnel, and all behind it that share its links. */
static void
add_plan(struct chosen *chosen, struct config *config, size_t from, bool *taken,
    const struct command_line *line)
{
	const struct config_tunnel *first = &config->tunnels[from];
	struct destination_plan *plan = &chosen->plans[chosen->n_plans++];

	plan->tunnels = &chosen->entries[chosen->n];
	for (size_t i = from; i < config->n_tunnels; i++) {
		struct config_tunnel *tunnel = &config->tunnels[i];
		size_t n = chosen->n;

		if (taken[i] || !is_named(line, tunnel->name) ||
		    !config_same(first, tunnel, OPTION_LINK))
			continue;
		taken[i] = true;
		snprintf(chosen->prefixes[n], sizeof(prefix),
		    "%s: ", tunnel->name);
		chosen->tunnels[n] = tunnel;
		chosen->entries[n] = (struct destination_tunnel) {
			.prefix = chosen->prefixes[n],
			.options = &tunnel->options,
		};
		chosen->n++;
		plan->n++;
	}
}

static bool
choose(struct chosen *chosen, struct config *config,
    const struct command_line *line)
{
	bool *taken = calloc(config->n_tunnels, sizeof(bool));

	if (taken == NULL) {
		log_err("out of memory");
		return false;
	}
	for (size_t i = 0; i < config->n_tunnels; i++)
		if (!taken[i] && is_named(line, config->tunnels[i].name))
			add_plan(chosen, config, i, taken, line);
	free(taken);
	if (chosen->n_plans <= LIMIT_DESTINATIONS)
		return true;
	log_err("%zu destinations; one process has %d at most, so start some "
		"of the tunnels with another culvert up",
	    chosen->n_plans, LIMIT_DESTINATIONS);
	return false;
}

/* Several that ask at a time, on one terminal, nobody could answer. */
static void
ask_nobody(struct chosen *chosen)
{
	if (chosen->n_plans > 1)
		for (size_t i = 0; i < chosen->n; i++)
			chosen->tunnels[i]->options.batch = true;
}

static int
run(struct config *config, const struct command_line *line)
{
	struct options *process = &config->process;
	struct chosen chosen = { .n = 0 };
	int status = EXIT_FAILED;

	process->quiet |= line->quiet;
	process->verbose += line->verbose;
	commands_set_log(process);
	if (check_names(config, line) &&
	    chosen_alloc(&chosen, config->n_tunnels) &&
	    choose(&chosen, config, line)) {
		ask_nobody(&chosen);
		status = app_run(process, true, chosen.plans, chosen.n_plans);
	}
	chosen_free(&chosen);
	return status;
}

int
command_up(int argc, char **argv)
{
	struct command_line line;
	char why[SETTINGS_WHY_MAX];
	struct config config;
	int status = EXIT_FAILED;

	if (command_line_read(argc, argv, "all", help, &line, &status))
		return status;
	if (line.flag == (line.n_names > 0))
		return command_misused(argv[0],
		    line.flag ? "either --all or names of tunnels" :
				"which tunnels?  Give their names, or --all");
	if (config_read(line.path, &config, why) == 0)
		status = run(&config, &line);
	else
		log_err("%s", why);
	config_free(&config);
	return status;
}
