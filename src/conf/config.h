/*
 * The configuration: tunnels by name, each with all of its options.
 *
 *	[defaults]			 for every tunnel, and for the process
 *	[tunnel NAME]
 *	destination = [user@]host
 *	L = 2121:localhost:21
 *
 * A key is a command-line option without its dashes; what stands in a tunnel's
 * section takes the place of all that [defaults] says under the same key.
 */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/option.h"
#include "conf/settings.h"

struct config_tunnel {
	const char *name;
	const struct setting *begins; /* its section's first line */
	struct options options;

	/* What it was made of, in the table's order; heap, of n_settings. */
	const struct setting **settings;
	size_t n_settings;
};

/* What culvert up and culvert config take. */
struct command_line {
	const char *path; /* -f: the configuration file, or else the default */
	unsigned background; /* only culvert up takes it */
	unsigned flag;	     /* the one that is the command's own */
	unsigned verbose;    /* how often -v was given */
	unsigned quiet;
	char **names; /* of tunnels */
	int n_names;
	char default_path[512];
};

struct config {
	struct settings settings; /* all texts are theirs */
	struct config_tunnel *tunnels;
	size_t n_tunnels;

	/* Of [defaults] alone: what is one for all. */
	struct options process;
};

/*
 * Reads the file and all that it includes.  0, or a negative errno with a text
 * for people in why: the place, the word that is wrong and, of a key that there
 * is not, the nearest that there is.  *ret is the caller's to free, whatever is
 * returned.
 */
int config_read(const char *path, struct config *ret,
    char why[SETTINGS_WHY_MAX]);

/* The same of settings that were read already; they become ret's. */
int config_make(struct settings *settings, struct config *ret,
    char why[SETTINGS_WHY_MAX]);

void config_free(struct config *config);

/* The tunnel with that name, or NULL. */
const struct config_tunnel *config_find(const struct config *config,
    const char *name);

/* Does line name that tunnel, or none, which means all? */
bool command_line_wants(const struct command_line *line, const char *name);

/* Is each name of line that of a tunnel?  If not, why says which is none. */
bool config_check_names(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

/* Writes to why that there is no tunnel with that name. */
void config_complain_no_tunnel(const struct config *config, const char *name,
    char why[SETTINGS_WHY_MAX]);

/* The tunnel with the name that is nearest to that, or NULL: there is none. */
const struct config_tunnel *config_nearest(const struct config *config,
    const char *name);

/*
 * Do both say the same for every option of that scope?  Word by word: 64M is
 * not 65536K.  The destination is of OPTION_LINK.
 */
bool config_same(const struct config_tunnel *one,
    const struct config_tunnel *other, enum option_scope scope);

/*
 * The file that is read unless -f names one: ~/.config/culvert/culvert.conf
 * (XDG_CONFIG_HOME counts) if there is one, else /etc/culvert/culvert.conf.
 * Returns path.
 */
const char *config_default_path(char *path, size_t size);

#endif
