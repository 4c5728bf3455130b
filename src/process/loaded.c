/*
 * A configuration file as culvert up has read it.
 */
#include "process/loaded.h"

#include <stdio.h>
#include <stdlib.h>

/* False: out of memory. */
static bool
loaded_add_verbose(struct options *options, unsigned n)
{
	char why[200];

	for (; n > 0; n--)
		if (option_take(options, option_find("v"), "yes", why,
			sizeof(why)) != 0)
			return false;
	return true;
}

/* Applies -q, -v and --background of the command line.  Returns false when out
 * of memory. */
static bool
loaded_apply_line(const struct command_line *line, struct config *config)
{
	config->process.quiet |= line->quiet > 0;
	config->process.background = line->background > 0;
	if (!loaded_add_verbose(&config->process, line->verbose))
		return false;
	for (size_t i = 0; i < config->n_tunnels; i++)
		if (!loaded_add_verbose(&config->tunnels[i].options,
			line->verbose))
			return false;
	return true;
}

struct loaded *
loaded_make(const struct command_line *line, struct settings *settings,
    char why[SETTINGS_WHY_MAX])
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));

	if (loaded == NULL) {
		settings_no_memory(why);
		settings_free(settings);
		return NULL;
	}
	loaded->users = 1;
	if (config_make(settings, &loaded->config, why) == 0) {
		if (loaded_apply_line(line, &loaded->config))
			return loaded;
		settings_no_memory(why);
	}
	loaded_release(loaded);
	return NULL;
}

struct loaded *
loaded_read(const struct command_line *line, char why[SETTINGS_WHY_MAX])
{
	struct settings settings;

	if (settings_read(line->path, &settings, why) == 0)
		return loaded_make(line, &settings, why);
	settings_free(&settings);
	return NULL;
}

struct loaded *
loaded_keep(struct loaded *loaded)
{
	if (loaded != NULL)
		loaded->users++;
	return loaded;
}

void
loaded_release(struct loaded *loaded)
{
	if (loaded == NULL || --loaded->users > 0)
		return;
	config_free(&loaded->config);
	logins_free(&loaded->logins);
	free(loaded);
}

void
loaded_set_batch(struct loaded *loaded)
{
	for (size_t i = 0; i < loaded->config.n_tunnels; i++)
		loaded->config.tunnels[i].options.batch = true;
}
