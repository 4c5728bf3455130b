/*
 * culvert up: tunnels of the configuration file, in one process.  Those with
 * the same destination and the same link options share the links.
 */
#include "process/up.h"

#include "base/log.h"
#include "process/config_check.h"

struct destination *
up_shared(const struct up *up, const struct config_tunnel *tunnel)
{
	struct destination *destination;

	TAILQ_FOREACH (destination, &up->app->shared.destinations, link)
		if (destination_is_usable(destination) &&
		    config_same(destination->config, tunnel, OPTION_LINK))
			return destination;
	return NULL;
}

/* False: the reason has been logged. */
static bool
up_add_all(struct up *up)
{
	const struct config *config = &up->loaded->config;
	struct destination *destination;
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];

		if (!command_line_wants(up->line, tunnel->name))
			continue;
		destination = up_shared(up, tunnel);
		if (destination == NULL)
			destination = destination_new(&up->app->shared, n++,
			    tunnel, up->loaded);
		if (destination == NULL ||
		    entry_new(destination, tunnel, up->loaded) == NULL)
			return false;
	}
	return true;
}

static int
up_run_loaded(struct up *up)
{
	const struct monitor_source source = {
		.read = up_read_again,
		.find = up_find_again,
		.ctx = up,
	};
	struct config *config = &up->loaded->config;
	const struct config_tunnel *first[LIMIT_DESTINATIONS];
	struct link_options links[LIMIT_DESTINATIONS];
	struct app_options options = {
		.process = &config->process,
		.links = links,
		.logins = &up->loaded->logins,
		.source = &source,
		.request = up_request,
		.ctx = up,
	};
	char why[SETTINGS_WHY_MAX];
	int status;

	options_set_log(options.process);
	if (!config_check_names(config, up->line, why) ||
	    config_check_together(config, up->line, first, &options.n, why) !=
		0 ||
	    logins_read(config->tunnels, config->n_tunnels, up->line,
		&up->loaded->logins, why) != 0) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	if (options.n > 1)
		loaded_set_batch(up->loaded);
	for (size_t i = 0; i < options.n; i++)
		links[i] = destination_link_options(&first[i]->options, i);
	up->app = app_open(&options, &status);
	if (up->app != NULL)
		up->app->shared.config = config;
	return up->app != NULL ? app_run(up->app, up_add_all(up)) : status;
}

int
up_run(const struct command_line *line)
{
	struct up up = { .line = line };
	struct loaded *at_start;
	char why[SETTINGS_WHY_MAX];
	int status;

	up.loaded = loaded_read(line, why);
	if (up.loaded == NULL) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	/* The options of the whole process stay as they were at the start, so
	 * this configuration is kept. */
	at_start = loaded_keep(up.loaded);
	status = up_run_loaded(&up);
	loaded_release(up.loaded);
	loaded_release(at_start);
	return status;
}
