/*
 * The configuration: makes tunnels and options from the settings.
 */
#include "conf/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"

#define SYSTEM_FILE "/etc/culvert/culvert.conf"
#define OWN_FILE "culvert/culvert.conf"

/* ---- unknown words ---- */

/* Returns how many letters must be changed, removed or added to make one word
 * the other (the Levenshtein distance). */
static size_t
distance(const char *one, const char *other)
{
	size_t row[SETTINGS_WHY_MAX], n = strlen(other);

	if (n >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; one[i] != '\0'; i++) {
		size_t corner = i;

		row[0] = i + 1;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (one[i] != other[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static const char *
nearest(const char *key)
{
	const struct option_entry *option;
	const char *found = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; (option = option_at(i)) != NULL; i++) {
		size_t now = distance(key, option->name);

		if (found == NULL || now < least) {
			least = now;
			found = option->name;
		}
	}
	return found;
}

/* ---- sections ---- */

static bool
is_name(const char *name)
{
	size_t len = strspn(name,
	    "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return len > 0 && len <= LIMIT_TUNNEL_NAME && name[len] == '\0' &&
	    name[0] != '-' && name[0] != '.';
}

/* Returns the name in "tunnel NAME" or "rule NAME", according to kind; NULL if
 * it is another section. */
static const char *
config_name_of(const char *section, const char *kind)
{
	size_t len = strlen(kind);

	if (strncmp(section, kind, len) != 0 ||
	    (section[len] != ' ' && section[len] != '\t'))
		return NULL;
	return section + len + strspn(section + len, " \t");
}

static int
check_name(const struct setting *at, const char *kind, const char *name,
    char *why)
{
	if (is_name(name))
		return 0;
	return settings_complain(why, at,
	    "the %s's name \"%s\": expected letters, digits, \".\", \"_\" "
	    "and \"-\", at most %d",
	    kind, name, LIMIT_TUNNEL_NAME);
}

static int
config_add_rule(struct config *config, const struct setting *at,
    const char *name, char *why)
{
	struct rule *grown;

	if (check_name(at, "rule", name, why) != 0)
		return -EINVAL;
	for (size_t i = 0; i < config->n_rules; i++)
		if (strcmp(config->rules[i].name, name) == 0)
			return settings_complain(why, at,
			    "duplicate [rule %s]; the first is at %s:%u", name,
			    config->rules[i].begins->file,
			    config->rules[i].begins->line);
	if (config->n_rules == LIMIT_RULES)
		return settings_complain(why, at, "more than %d rules",
		    LIMIT_RULES);
	grown = realloc(config->rules, (config->n_rules + 1) * sizeof(*grown));
	if (grown == NULL)
		return settings_no_memory(why);
	config->rules = grown;
	grown[config->n_rules++] = (struct rule) { .name = name, .begins = at };
	return 0;
}

static int
config_add_tunnel(struct config *config, const struct setting *at,
    const char *name, char *why)
{
	struct config_tunnel *grown;
	const struct config_tunnel *before = config_find(config, name);

	if (check_name(at, "tunnel", name, why) != 0)
		return -EINVAL;
	if (before != NULL)
		return settings_complain(why, at,
		    "duplicate [tunnel %s]; the first is at %s:%u", name,
		    before->begins->file, before->begins->line);
	grown =
	    realloc(config->tunnels, (config->n_tunnels + 1) * sizeof(*grown));
	if (grown == NULL)
		return settings_no_memory(why);
	config->tunnels = grown;
	grown[config->n_tunnels++] =
	    (struct config_tunnel) { .name = name, .begins = at };
	return 0;
}

/* ---- keys ---- */

static bool
is_quoted(const char *value)
{
	size_t len = strlen(value);

	return len >= 2 && (value[0] == '"' || value[0] == '\'') &&
	    value[len - 1] == value[0];
}

static int
check_key(const struct setting *at, char *why)
{
	const struct option_entry *option = option_find(at->key);

	if (option == NULL)
		return settings_complain(why, at,
		    "there is no \"%s\"; did you mean \"%s\"?", at->key,
		    nearest(at->key));
	if (is_quoted(at->value))
		return settings_complain_value(why, at,
		    "the quotes would be part of the value; remove them");
	if (at->value[0] == '\0')
		return settings_complain(why, at, "\"%s\" has no value",
		    at->key);
	if (option->one_word && strpbrk(at->value, " \t") != NULL)
		return settings_complain_value(why, at,
		    "expected one word, without blanks");
	if (option->scope == OPTION_PROCESS &&
	    config_name_of(at->section, "tunnel") != NULL)
		return settings_complain(why, at,
		    "\"%s\" applies to all tunnels; put it into [defaults]",
		    at->key);
	return 0;
}

static int
take_rule_line(struct config *config, const struct setting *at,
    const char *name, char *why)
{
	if (at->key == NULL)
		return config_add_rule(config, at, name, why);
	if (is_quoted(at->value))
		return settings_complain_value(why, at,
		    "the quotes would be part of the value; remove them");
	/* The lines of a section follow its beginning. */
	if (config->n_rules == 0 ||
	    strcmp(config->rules[config->n_rules - 1].name, name) != 0)
		return settings_complain(why, at, "\"%s\" is in no section",
		    at->key);
	return rule_take(&config->rules[config->n_rules - 1], at, why);
}

/* Finds the tunnels and rules, and checks every line, also lines of [defaults]
 * that no tunnel uses. */
static int
config_take_lines(struct config *config, char *why)
{
	int err = 0;

	for (size_t i = 0; i < config->settings.n && err == 0; i++) {
		const struct setting *at = &config->settings.list[i];
		const char *name = config_name_of(at->section, "tunnel");
		const char *rule = config_name_of(at->section, "rule");

		if (rule != NULL)
			err = take_rule_line(config, at, rule, why);
		else if (name == NULL && at->section[0] == '\0')
			err = settings_complain(why, at,
			    "\"%s\" is before the first section; only "
			    "\"include\" is allowed there",
			    at->key);
		else if (name == NULL && strcmp(at->section, "defaults") != 0)
			err = settings_complain(why, at,
			    "[%s]: expected [defaults], [tunnel NAME] or [rule "
			    "NAME]",
			    at->section);
		else if (at->key != NULL)
			err = check_key(at, why);
		else if (name != NULL)
			err = config_add_tunnel(config, at, name, why);
	}
	return err;
}

/* Adds the settings that the section has for that option to those of the
 * tunnel. */
static int
gather(struct config_tunnel *tunnel, const struct config *config,
    const char *section, const struct option_entry *option, char *why)
{
	size_t before = tunnel->n_settings;

	for (size_t i = 0; i < config->settings.n; i++) {
		const struct setting *at = &config->settings.list[i];

		if (at->key == NULL || strcmp(at->key, option->name) != 0 ||
		    strcmp(at->section, section) != 0)
			continue;
		if (tunnel->n_settings > before && !option->repeat)
			return settings_complain(why, at,
			    "duplicate \"%s\"; the first is at %s:%u", at->key,
			    tunnel->settings[before]->file,
			    tunnel->settings[before]->line);
		tunnel->settings[tunnel->n_settings++] = at;
	}
	return 0;
}

static int
config_apply(struct options *options, const struct option_entry *option,
    const struct setting *at, char *why)
{
	char text[256] = "out of memory";

	if (option_take(options, option, at->value, text, sizeof(text)) == 0)
		return 0;
	/* The message about a wrong destination contains the destination. */
	if (option->file_only)
		return settings_complain(why, at, "%s", text);
	return settings_complain_value(why, at, "%s", text);
}

/* Sets each option of the tunnel: to the values in the section, or if there are
 * none, to those in [defaults]. */
static int
apply_section(struct config_tunnel *tunnel, const struct config *config,
    const char *section, char *why)
{
	const struct option_entry *option;
	size_t done = 0;
	int err = 0;

	options_set_defaults(&tunnel->options);
	tunnel->settings =
	    calloc(config->settings.n + 1, sizeof(const struct setting *));
	if (tunnel->settings == NULL)
		return settings_no_memory(why);
	for (size_t i = 0; err == 0 && (option = option_at(i)) != NULL; i++) {
		err = gather(tunnel, config, section, option, why);
		if (err == 0 && tunnel->n_settings == done)
			err = gather(tunnel, config, "defaults", option, why);
		for (; err == 0 && done < tunnel->n_settings; done++)
			err = config_apply(&tunnel->options, option,
			    tunnel->settings[done], why);
	}
	return err;
}

static int
make_tunnel(struct config_tunnel *tunnel, const struct config *config,
    char *why)
{
	struct options *options = &tunnel->options;
	int err = apply_section(tunnel, config, tunnel->begins->section, why);

	if (err != 0)
		return err;
	if (options->destination == NULL)
		return settings_complain(why, tunnel->begins,
		    "[tunnel %s] has no destination", tunnel->name);
	if (options->n_forwards == 0)
		return settings_complain(why, tunnel->begins,
		    "[tunnel %s] has neither L nor R; for instance "
		    "L = " OPTIONS_DEFAULT_FORWARD,
		    tunnel->name);
	err = options_check(options);
	return err == 0 ? 0 :
			  settings_complain(why, tunnel->begins,
			      "[tunnel %s]: %s", tunnel->name, options->why);
}

/* ---- rules ---- */

/* Has the tunnel a -L to an FTP server, or with sftp one to its gateway? */
static bool
has_forward(const struct config_tunnel *tunnel, bool sftp)
{
	const struct options *options = &tunnel->options;

	for (size_t i = 0; i < options->n_forwards; i++)
		if (!options->forwards[i].remote &&
		    options->forwards[i].sftp == sftp)
			return true;
	return false;
}

static int
check_rule_tunnel(const struct config *config, const struct rule *rule,
    char *why)
{
	const struct config_tunnel *tunnel = config_find(config, rule->tunnel);
	bool sftp = rule->action == RULE_SFTP;

	if (tunnel == NULL)
		return settings_complain_value(why, rule->action_at,
		    "there is no [tunnel %s]", rule->tunnel);
	if (!has_forward(tunnel, sftp))
		return settings_complain_value(why, rule->action_at,
		    "[tunnel %s] has no L%s", rule->tunnel,
		    sftp ? " = sftp/..." : " to an FTP server");
	if (sftp && tunnel->options.sftp.login_file == NULL &&
	    !tunnel->options.login.ssh)
		return settings_complain_value(why, rule->action_at,
		    "every client that matches could use the files of [tunnel "
		    "%s] without a password; \"login-file\" there says who may "
		    "log in (culvert passwd makes it)",
		    rule->tunnel);
	return 0;
}

static int
check_rule(const struct config *config, size_t number, char *why)
{
	const struct rule *rule = &config->rules[number];

	if (rule->action_at == NULL)
		return settings_complain(why, rule->begins,
		    "[rule %s] has no action", rule->name);
	for (size_t i = 0; i < number; i++)
		if (rule_covers(&config->rules[i], rule))
			return settings_complain(why, rule->begins,
			    "[rule %s] is never used: [rule %s] before it "
			    "matches everything that it matches",
			    rule->name, config->rules[i].name);
	if (rule->action != RULE_TUNNEL && rule->action != RULE_SFTP)
		return 0;
	return check_rule_tunnel(config, rule, why);
}

/* ---- the calls ---- */

int
config_make(struct settings *settings, struct config *ret,
    char why[SETTINGS_WHY_MAX])
{
	struct config_tunnel defaults = { .name = NULL };
	int err;

	*ret = (struct config) { .settings = *settings };
	err = config_take_lines(ret, why);
	if (err == 0)
		err = apply_section(&defaults, ret, "defaults", why);
	ret->process = defaults.options;
	free(defaults.settings);
	for (size_t i = 0; i < ret->n_tunnels && err == 0; i++)
		err = make_tunnel(&ret->tunnels[i], ret, why);
	for (size_t i = 0; i < ret->n_rules && err == 0; i++)
		err = check_rule(ret, i, why);
	if (err == 0 && ret->n_tunnels == 0) {
		snprintf(why, SETTINGS_WHY_MAX, "%s: contains no [tunnel NAME]",
		    settings->n_files > 0 ? settings->files[0] : "");
		return -EINVAL;
	}
	return err;
}

int
config_read(const char *path, struct config *ret, char why[SETTINGS_WHY_MAX])
{
	struct settings settings;
	int err = settings_read(path, &settings, why);

	if (err == 0)
		return config_make(&settings, ret, why);
	*ret = (struct config) { .settings = settings };
	return err;
}

void
config_free(struct config *config)
{
	for (size_t i = 0; i < config->n_tunnels; i++) {
		options_free(&config->tunnels[i].options);
		free(config->tunnels[i].settings);
	}
	free(config->tunnels);
	for (size_t i = 0; i < config->n_rules; i++)
		rule_free(&config->rules[i]);
	free(config->rules);
	options_free(&config->process);
	settings_free(&config->settings);
	*config = (struct config) { .tunnels = NULL };
}

const struct config_tunnel *
config_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_tunnels; i++)
		if (strcmp(config->tunnels[i].name, name) == 0)
			return &config->tunnels[i];
	return NULL;
}

const struct setting *
config_find_setting(const struct config *config, const char *key)
{
	for (size_t i = 0; i < config->settings.n; i++) {
		const struct setting *at = &config->settings.list[i];

		if (at->key != NULL && strcmp(at->key, key) == 0)
			return at;
	}
	return NULL;
}

bool
command_line_wants(const struct command_line *line, const char *name)
{
	for (int i = 0; i < line->n_names; i++)
		if (strcmp(line->names[i], name) == 0)
			return true;
	return line->n_names == 0;
}

void
config_complain_no_tunnel(const struct config *config, const char *name,
    char why[SETTINGS_WHY_MAX])
{
	snprintf(why, SETTINGS_WHY_MAX, "there is no [tunnel %s] in %s", name,
	    config->settings.files[0]);
}

bool
config_check_names(const struct config *config, const struct command_line *line,
    char why[SETTINGS_WHY_MAX])
{
	for (int i = 0; i < line->n_names; i++) {
		if (config_find(config, line->names[i]) != NULL)
			continue;
		config_complain_no_tunnel(config, line->names[i], why);
		return false;
	}
	return true;
}

const struct config_tunnel *
config_nearest(const struct config *config, const char *name)
{
	const struct config_tunnel *found = NULL;
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		size_t now = distance(name, config->tunnels[i].name);

		if (now < least) {
			least = now;
			found = &config->tunnels[i];
		}
	}
	return found;
}

/* Returns the tunnel's next setting of that scope, beginning at *at, or NULL.
 */
static const struct setting *
next_of(const struct config_tunnel *tunnel, enum option_scope scope, size_t *at)
{
	while (*at < tunnel->n_settings) {
		const struct setting *setting = tunnel->settings[(*at)++];

		if (option_find(setting->key)->scope == scope)
			return setting;
	}
	return NULL;
}

bool
config_same(const struct config_tunnel *one, const struct config_tunnel *other,
    enum option_scope scope)
{
	const struct setting *a, *b;
	size_t i = 0, j = 0;

	do {
		a = next_of(one, scope, &i);
		b = next_of(other, scope, &j);
	} while (a != NULL && b != NULL && strcmp(a->key, b->key) == 0 &&
	    strcmp(a->value, b->value) == 0);
	return a == NULL && b == NULL;
}

const char *
config_default_path(char *path, size_t size)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int len = -1;

	if (base != NULL && base[0] == '/')
		len = snprintf(path, size, "%s/" OWN_FILE, base);
	else if (home != NULL && home[0] == '/')
		len = snprintf(path, size, "%s/.config/" OWN_FILE, home);
	if (len < 0 || (size_t)len >= size || access(path, F_OK) != 0)
		snprintf(path, size, "%s", SYSTEM_FILE);
	return path;
}
