/*
 * culvert up: tunnels of the configuration file, in one process.  Those that
 * have the same destination, and say the same for ssh, share its links.
 */
#include "process/up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "process/app.h"
#include "process/config_check.h"

void
up_release(void *ctx)
{
	struct loaded *loaded = ctx;

	if (--loaded->users > 0)
		return;
	config_free(&loaded->config);
	free(loaded);
}

/* False: out of memory. */
static bool
add_verbose(struct options *options, unsigned n)
{
	char why[200];

	for (; n > 0; n--)
		if (option_take(options, option_find("v"), "yes", why,
			sizeof(why)) != 0)
			return false;
	return true;
}

/* -q and -v of the command line.  False: out of memory. */
static bool
apply_line(const struct command_line *line, struct config *config)
{
	config->process.quiet |= line->quiet > 0;
	config->process.background = line->background > 0;
	if (!add_verbose(&config->process, line->verbose))
		return false;
	for (size_t i = 0; i < config->n_tunnels; i++)
		if (!add_verbose(&config->tunnels[i].options, line->verbose))
			return false;
	return true;
}

struct loaded *
up_loaded(const struct command_line *line, struct settings *settings,
    char why[SETTINGS_WHY_MAX])
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));

	snprintf(why, SETTINGS_WHY_MAX, "out of memory");
	if (loaded == NULL) {
		settings_free(settings);
		return NULL;
	}
	loaded->users = 1;
	if (config_make(settings, &loaded->config, why) == 0) {
		if (apply_line(line, &loaded->config))
			return loaded;
		snprintf(why, SETTINGS_WHY_MAX, "out of memory");
	}
	up_release(loaded);
	return NULL;
}

struct loaded *
up_load(const struct command_line *line, char why[SETTINGS_WHY_MAX])
{
	struct settings settings;

	if (settings_read(line->path, &settings, why) == 0)
		return up_loaded(line, &settings, why);
	settings_free(&settings);
	return NULL;
}

/* Of a tunnel; the options are needed once more. */
static struct entry_plan
plan_of(struct loaded *loaded, const struct config_tunnel *tunnel)
{
	loaded->users++;
	return (struct entry_plan) {
		.name = tunnel->name,
		.options = {
			.options = &tunnel->options,
			.gone = up_release,
			.ctx = loaded,
		},
	};
}

/* ---- what is to run ---- */

bool
up_wants(const struct up *up, const struct config_tunnel *tunnel)
{
	if (up->line->flag)
		return true;
	for (int i = 0; i < up->line->n_names; i++)
		if (strcmp(up->line->names[i], tunnel->name) == 0)
			return true;
	return false;
}

/* Every name that was given is a tunnel's. */
bool
up_check_names(const struct up *up)
{
	const struct config *config = &up->loaded->config;

	for (int i = 0; i < up->line->n_names; i++) {
		if (config_find(config, up->line->names[i]) != NULL)
			continue;
		log_err("there is no [tunnel %s] in %s", up->line->names[i],
		    config->settings.files[0]);
		return false;
	}
	return true;
}

/*
 * Sets to[n] to the first tunnel of each destination: those that say the same
 * for the links share them.  False: why has been logged.
 */
static bool
group(const struct up *up, const struct config_tunnel **to, size_t *ret_n)
{
	struct config *config = &up->loaded->config;
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		size_t at = 0;

		if (!up_wants(up, tunnel))
			continue;
		while (at < n && !config_same(to[at], tunnel, OPTION_LINK))
			at++;
		if (at == LIMIT_DESTINATIONS) {
			log_err("more than %d destinations; start some of the "
				"tunnels with another culvert up",
			    LIMIT_DESTINATIONS);
			return false;
		}
		if (at == n)
			to[n++] = tunnel;
	}
	*ret_n = n;
	return true;
}

/* Several that ask at a time, on one terminal, nobody could answer. */
void
up_ask_nobody(struct config *config)
{
	for (size_t i = 0; i < config->n_tunnels; i++)
		config->tunnels[i].options.batch = true;
}

/* ---- one tunnel ---- */

/* The destination of one that says the same for the links, or NULL. */
struct destination *
up_shared(const struct up *up, const struct config_tunnel *tunnel)
{
	for (size_t i = 0; i < up->n_running; i++) {
		const struct running *running = &up->running[i];

		if (destination_is_usable(running->destination) &&
		    config_same(running->tunnel, tunnel, OPTION_LINK))
			return running->destination;
	}
	return NULL;
}

struct destination *
up_add_destination(struct up *up, const struct config_tunnel *tunnel, size_t to)
{
	const struct entry_plan plan = plan_of(up->loaded, tunnel);

	return app_add(up->app, to, &plan.options);
}

/* False: why has been logged. */
bool
up_add_tunnel(struct up *up, const struct config_tunnel *tunnel,
    struct destination *destination)
{
	const struct entry_plan plan = plan_of(up->loaded, tunnel);
	struct entry *entry;
	struct running *grown =
	    realloc(up->running, (up->n_running + 1) * sizeof(*grown));

	if (grown == NULL) {
		log_err("out of memory");
		up_release(up->loaded);
		return false;
	}
	up->running = grown;
	entry = destination_add(destination, &plan);
	if (entry == NULL)
		return false;
	up->running[up->n_running++] =
	    (struct running) { tunnel, destination, entry };
	return true;
}

/* ---- the start ---- */

static bool
up_fill_app(void *ctx, struct app *app)
{
	struct up *up = ctx;
	struct config *config = &up->loaded->config;
	size_t n = 0;

	up->app = app;
	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		struct destination *destination;

		if (!up_wants(up, tunnel))
			continue;
		destination = up_shared(up, tunnel);
		if (destination == NULL)
			destination = up_add_destination(up, tunnel, n++);
		if (destination == NULL ||
		    !up_add_tunnel(up, tunnel, destination))
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
	const struct app_owner owner = {
		.named = true,
		.fill = up_fill_app,
		.order = up_order,
		.ctx = up,
		.source = &source,
	};
	struct config *config = &up->loaded->config;
	struct options *process = &config->process;
	const struct config_tunnel *to[LIMIT_DESTINATIONS] = { NULL };
	const struct options *options[LIMIT_DESTINATIONS];
	char why[SETTINGS_WHY_MAX];
	size_t n;

	options_set_log(process);
	if (!up_check_names(up))
		return EXIT_FAILED;
	if (config_check_together(config, up->line, why) != 0) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	if (!group(up, to, &n))
		return EXIT_FAILED;
	if (n > 1)
		up_ask_nobody(config);
	for (size_t i = 0; i < n; i++)
		options[i] = &to[i]->options;
	return app_run(process, options, n, &owner);
}

int
up_run(const struct command_line *line)
{
	struct up up = { .line = line };
	struct loaded *first;
	char why[SETTINGS_WHY_MAX];
	int status;

	up.loaded = up_load(line, why);
	if (up.loaded == NULL) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	/* What is one for all stays as it was at the start. */
	first = up.loaded;
	first->users++;
	status = up_run_loaded(&up);
	free(up.running);
	up_release(up.loaded);
	up_release(first);
	return status;
}
