/*
 * A rule of the configuration file.
 */
#include "conf/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define RULE_BLANKS ", \t"

static int
take_hosts(struct rule *rule, const struct setting *at, char *word, char *why)
{
	struct rule_host *host = &rule->hosts[rule->n_hosts];
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "._-:*?[]!";

	if (rule->n_hosts == LIMIT_RULE_WORDS)
		return settings_complain(why, at,
		    "more than %d hosts in [rule %s]", LIMIT_RULE_WORDS,
		    rule->name);
	if (subnet_parse(word, &host->subnet) == 0) {
		rule->n_hosts++;
		return 0;
	}
	/* "10.0.0.300", "10.0.0.0/255.0.0.0" */
	if (word[strspn(word, letters)] != '\0' ||
	    word[strspn(word, "0123456789.")] == '\0')
		return settings_complain(why, at,
		    "\"%s\": expected an address, a network (10.0.0.0/8), a "
		    "name, or a pattern (*.example.com)",
		    word);
	host->glob = strdup(word);
	if (host->glob == NULL)
		return settings_no_memory(why);
	rule->n_hosts++;
	return 0;
}

static int
take_ports(struct rule *rule, const struct setting *at, char *word, char *why)
{
	const char *dash = strchr(word, '-');
	size_t len = strlen(word), first = len;
	uint64_t low, high = 0;

	if (dash != NULL)
		first = (size_t)(dash - word);
	if (rule->n_ports == LIMIT_RULE_WORDS)
		return settings_complain(why, at,
		    "more than %d ports in [rule %s]", LIMIT_RULE_WORDS,
		    rule->name);
	if (num_parse(word, first, UINT16_MAX, &low) != 0 ||
	    (dash != NULL &&
		num_parse(dash + 1, len - first - 1, UINT16_MAX, &high) != 0))
		low = 0;
	else if (dash == NULL)
		high = low;
	if (low == 0 || high < low)
		return settings_complain(why, at,
		    "\"%s\": expected a port from 1 to 65535, or a range "
		    "(2100-2110)",
		    word);
	rule->ports[rule->n_ports++] = (struct rule_ports) {
		.low = (uint16_t)low,
		.high = (uint16_t)high,
	};
	return 0;
}

static int
take_users(struct rule *rule, const struct setting *at, char *word, char *why)
{
	if (rule->n_users == LIMIT_RULE_WORDS)
		return settings_complain(why, at,
		    "more than %d users in [rule %s]", LIMIT_RULE_WORDS,
		    rule->name);
	rule->users[rule->n_users] = strdup(word);
	if (rule->users[rule->n_users] == NULL)
		return settings_no_memory(why);
	rule->n_users++;
	return 0;
}

static int
take_action(struct rule *rule, const struct setting *at, char *why)
{
	static const struct {
		const char *word;
		enum rule_action action;
		bool names;
	} actions[] = {
		{ "refuse", RULE_REFUSE, false },
		{ "direct", RULE_DIRECT, false },
		{ "tunnel", RULE_TUNNEL, true },
		{ "sftp", RULE_SFTP, true },
	};
	size_t len = strcspn(at->value, " \t");
	const char *name = at->value + len + strspn(at->value + len, " \t");

	if (rule->action_at != NULL)
		return settings_complain(why, at,
		    "duplicate \"action\"; the first is at %s:%u",
		    rule->action_at->file, rule->action_at->line);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strlen(actions[i].word) != len ||
		    strncmp(actions[i].word, at->value, len) != 0 ||
		    actions[i].names != (*name != '\0'))
			continue;
		rule->action = actions[i].action;
		rule->action_at = at;
		rule->tunnel = name;
		return 0;
	}
	return settings_complain_value(why, at,
	    "expected \"tunnel TUNNEL\", \"sftp TUNNEL\", \"direct\" or "
	    "\"refuse\"");
}

/* Calls take for each word of the value. */
static int
each_word(struct rule *rule, const struct setting *at,
    int (*take)(struct rule *, const struct setting *, char *, char *),
    char *why)
{
	char *copy = strdup(at->value), *rest = copy, *word;
	size_t n = 0;
	int err = 0;

	if (copy == NULL)
		return settings_no_memory(why);
	while (err == 0 && (word = strsep(&rest, RULE_BLANKS)) != NULL)
		if (*word != '\0') {
			err = take(rule, at, word, why);
			n++;
		}
	free(copy);
	/* A list that is empty by mistake must not match everything. */
	if (err == 0 && n == 0)
		return settings_complain(why, at, "\"%s\" has no value",
		    at->key);
	return err;
}

int
rule_take(struct rule *rule, const struct setting *at,
    char why[SETTINGS_WHY_MAX])
{
	if (strcmp(at->key, "match-host") == 0)
		return each_word(rule, at, take_hosts, why);
	if (strcmp(at->key, "match-port") == 0)
		return each_word(rule, at, take_ports, why);
	if (strcmp(at->key, "match-user") == 0)
		return each_word(rule, at, take_users, why);
	if (strcmp(at->key, "action") == 0)
		return take_action(rule, at, why);
	return settings_complain(why, at,
	    "there is no \"%s\" in a rule; expected match-host, match-port, "
	    "match-user or action",
	    at->key);
}

/* ---- rules that never decide ---- */

static bool
host_covers(const struct rule_host *before, const struct rule_host *after)
{
	if (before->glob != NULL && strcmp(before->glob, "*") == 0)
		return true;
	if (before->glob != NULL && after->glob != NULL)
		return strcasecmp(before->glob, after->glob) == 0;
	return before->glob == NULL && after->glob == NULL &&
	    before->subnet.bits <= after->subnet.bits &&
	    subnet_has(&before->subnet, &after->subnet.addr);
}

static bool
hosts_cover(const struct rule *before, const struct rule *after)
{
	for (size_t i = 0; i < after->n_hosts; i++) {
		size_t j = 0;

		while (j < before->n_hosts &&
		    !host_covers(&before->hosts[j], &after->hosts[i]))
			j++;
		if (j == before->n_hosts)
			return before->n_hosts == 0;
	}
	/* Without hosts, it matches all of them. */
	for (size_t j = 0; j < before->n_hosts && after->n_hosts == 0; j++)
		if (before->hosts[j].glob != NULL &&
		    strcmp(before->hosts[j].glob, "*") == 0)
			return true;
	return after->n_hosts > 0 || before->n_hosts == 0;
}

static bool
ports_cover(const struct rule *before, const struct rule *after)
{
	for (size_t i = 0; i < after->n_ports; i++) {
		size_t j = 0;

		while (j < before->n_ports &&
		    (before->ports[j].low > after->ports[i].low ||
			before->ports[j].high < after->ports[i].high))
			j++;
		if (j == before->n_ports)
			return before->n_ports == 0;
	}
	return after->n_ports > 0 || before->n_ports == 0;
}

static bool
users_cover(const struct rule *before, const struct rule *after)
{
	for (size_t i = 0; i < after->n_users; i++) {
		size_t j = 0;

		while (j < before->n_users &&
		    strcmp(before->users[j], after->users[i]) != 0)
			j++;
		if (j == before->n_users)
			return before->n_users == 0;
	}
	return after->n_users > 0 || before->n_users == 0;
}

bool
rule_covers(const struct rule *before, const struct rule *after)
{
	return hosts_cover(before, after) && ports_cover(before, after) &&
	    users_cover(before, after);
}

void
rule_free(struct rule *rule)
{
	for (size_t i = 0; i < rule->n_hosts; i++)
		free(rule->hosts[i].glob);
	for (size_t i = 0; i < rule->n_users; i++)
		free(rule->users[i]);
	rule->n_hosts = rule->n_users = 0;
}
