/*
 * Which rule applies.
 */
#include "capture/rules.h"

#include <string.h>

#include "conf/forward.h"
#include "ftp/path.h"

static bool
hosts_match(const struct rule *rule, const char *named)
{
	char host[FORWARD_HOST_MAX];
	struct addr addr;
	bool is_address;
	size_t len = strnlen(named, sizeof(host) - 1);

	/* "ftp.example.com." is the same name. */
	if (len > 1 && named[len - 1] == '.')
		len--;
	memcpy(host, named, len);
	host[len] = '\0';
	is_address = addr_parse_ip(host, &addr) == 0;

	for (size_t i = 0; i < rule->n_hosts; i++) {
		const struct rule_host *one = &rule->hosts[i];

		if (one->glob != NULL ?
			path_matches(one->glob, host, true) :
			is_address && subnet_has(&one->subnet, &addr))
			return true;
	}
	return rule->n_hosts == 0;
}

static bool
ports_match(const struct rule *rule, uint16_t port)
{
	for (size_t i = 0; i < rule->n_ports; i++)
		if (port >= rule->ports[i].low && port <= rule->ports[i].high)
			return true;
	return rule->n_ports == 0;
}

static bool
users_match(const struct rule *rule, const char *user)
{
	for (size_t i = 0; i < rule->n_users; i++)
		if (path_matches(rule->users[i], user, false))
			return true;
	return rule->n_users == 0;
}

enum rules_answer
rules_match(const struct rule *rules, size_t n,
    const struct rules_request *request, const struct rule **ret)
{
	for (size_t i = 0; i < n; i++) {
		const struct rule *rule = &rules[i];

		if (!hosts_match(rule, request->host) ||
		    !ports_match(rule, request->port))
			continue;
		if (request->user == NULL && rule->n_users > 0)
			return RULES_NEEDS_USER;
		if (rule->n_users > 0 && !users_match(rule, request->user))
			continue;
		*ret = rule;
		return RULES_FOUND;
	}
	return RULES_NONE;
}
