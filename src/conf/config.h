/*
 * The configuration: tunnels by name, each with all of its options.
 *
 *	[defaults]			 for every tunnel, and for the process
 *	[tunnel NAME]
 *	destination = [user@]host
 *	L = 2121:localhost:21
 *
 *	[rule NAME]			 see conf/rule.h
 *
 * A key of a tunnel is a command-line option without its dashes.  A key in a
 * tunnel's section replaces all values that [defaults] has for that key.
 */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/option.h"
#include "conf/rule.h"
#include "conf/settings.h"

struct config_tunnel {
	const char *name;
	const struct setting *begins; /* where its section begins */
	struct options options;

	/* The settings that it was made of, in the order of the table of
	 * options; on the heap. */
	const struct setting **settings;
	size_t n_settings;
};

/* The command line of culvert up or culvert config. */
struct command_line {
	const char *path; /* -f: the configuration file, or else the default */
	unsigned background; /* culvert up only */
	unsigned flag;	     /* --all, --test */
	unsigned verbose;    /* how often -v was given */
	unsigned quiet;
	char **names; /* of tunnels */
	int n_names;
	char default_path[512];
};

struct config {
	struct settings settings; /* own all texts */
	struct config_tunnel *tunnels;
	size_t n_tunnels;
	struct rule *rules; /* in the file's order: the first that matches
			     * decides */
	size_t n_rules;

	/* The options of the process, which only [defaults] has. */
	struct options process;
};

/*
 * Reads the file and the files that it includes.  Returns 0, or a negative
 * errno with a message in why: the place, the wrong word and, for an unknown
 * key, the most similar one.  The caller calls config_free() in any case.
 */
int config_read(const char *path, struct config *ret,
    char why[SETTINGS_WHY_MAX]);

/* Does the same with settings that have been read; *ret takes them over, also
 * on failure. */
int config_make(struct settings *settings, struct config *ret,
    char why[SETTINGS_WHY_MAX]);

void config_free(struct config *config);

/* The tunnel with that name, or NULL. */
const struct config_tunnel *config_find(const struct config *config,
    const char *name);

/* The first setting with that key in the file, or NULL. */
const struct setting *config_find_setting(const struct config *config,
    const char *key);

/* Does line name that tunnel, or no tunnel at all, which means every tunnel? */
bool command_line_wants(const struct command_line *line, const char *name);

/* Does each name of line belong to a tunnel?  If not, why names the first that
 * does not. */
bool config_check_names(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

/* Writes to why that there is no tunnel with that name. */
void config_complain_no_tunnel(const struct config *config, const char *name,
    char why[SETTINGS_WHY_MAX]);

/* The tunnel with the most similar name; NULL: there are no tunnels. */
const struct config_tunnel *config_nearest(const struct config *config,
    const char *name);

/*
 * Do both tunnels have the same values for all options of that scope?  The
 * texts are compared: 64M and 65536K differ.
 */
bool config_same(const struct config_tunnel *one,
    const struct config_tunnel *other, enum option_scope scope);

/*
 * Writes the path of the file that is read without -f:
 * ~/.config/culvert/culvert.conf ($XDG_CONFIG_HOME is respected) if that
 * exists, else /etc/culvert/culvert.conf.  Returns path.
 */
const char *config_default_path(char *path, size_t size);

#endif
