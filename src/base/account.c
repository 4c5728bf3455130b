/*
 * Accounts of SSH servers.
 */
#include "base/account.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

#define ALNUM                        \
	"abcdefghijklmnopqrstuvwxyz" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* Has text only those characters, and begins with one of first? */
static bool
account_has_only(const char *text, const char *first, const char *all)
{
	return *text != '\0' && strchr(first, *text) != NULL &&
	    text[strspn(text, all)] == '\0';
}

static bool
account_is_user(const char *text)
{
	return account_has_only(text, ALNUM "_", ALNUM "._-+@");
}

static bool
account_is_ipv6(const char *text)
{
	static const char all[] = "0123456789abcdefABCDEF:.";

	return strchr(text, ':') != NULL && account_has_only(text, all, all);
}

static bool
account_is_host(const char *text)
{
	return account_has_only(text, ALNUM "_", ALNUM ".-_");
}

/* A part of a text. */
struct account_part {
	const char *at;
	size_t len;
};

/* Splits HOST, HOST:PORT, [HOST] or [HOST]:PORT; port->at is NULL if there is
 * none. */
static bool
account_split(const char *text, struct account_part *host,
    struct account_part *port)
{
	bool bracket = text[0] == '[';
	const char *end = strchr(text, bracket ? ']' : ':');

	host->at = text + bracket;
	host->len = end == NULL ? strlen(host->at) : (size_t)(end - host->at);
	port->at = NULL;
	port->len = 0;
	if (bracket && end == NULL)
		return false;
	if (bracket)
		end++;
	if (end == NULL || *end == '\0')
		return true;
	if (*end != ':')
		return false;
	port->at = end + 1;
	port->len = strlen(port->at);
	return true;
}

int
account_parse(const char *text, bool with_host, struct account *ret)
{
	struct account account = { .port = 0 };
	const char *at = with_host ? strrchr(text, '@') : NULL;
	size_t user_len = at != NULL ? (size_t)(at - text) : strlen(text);
	struct account_part host, port;
	uint64_t number;

	if (user_len > LIMIT_SSH_USER)
		return -EINVAL;
	memcpy(account.user, text, user_len);
	if (at != NULL) {
		if (!account_split(at + 1, &host, &port) || host.len == 0 ||
		    host.len > LIMIT_SSH_HOST)
			return -EINVAL;
		memcpy(account.host, host.at, host.len);
		if (port.at != NULL) {
			if (num_parse(port.at, port.len, UINT16_MAX, &number) !=
				0 ||
			    number == 0)
				return -EINVAL;
			account.port = (uint16_t)number;
		}
		if (account_is_ipv6(account.host) != (at[1] == '['))
			return -EINVAL;
	}
	if (!account_is_valid(&account))
		return -EINVAL;
	*ret = account;
	return 0;
}

bool
account_is_valid(const struct account *account)
{
	if (memchr(account->user, '\0', sizeof(account->user)) == NULL ||
	    memchr(account->host, '\0', sizeof(account->host)) == NULL ||
	    !account_is_user(account->user))
		return false;
	if (account->host[0] == '\0')
		return account->port == 0;
	return account_is_host(account->host) || account_is_ipv6(account->host);
}

static bool
account_matches(const struct account *account, const char *pattern)
{
	struct account_part host, port;
	char glob[LIMIT_SSH_HOST + 1];
	uint64_t number = 0;

	if (!account_split(pattern, &host, &port) || host.len >= sizeof(glob))
		return false;
	memcpy(glob, host.at, host.len);
	glob[host.len] = '\0';
	if (fnmatch(glob, account->host, FNM_CASEFOLD | FNM_NOESCAPE) != 0)
		return false;
	if (port.at == NULL)
		return account->port == 0;
	if (strcmp(port.at, "*") == 0)
		return true;
	return num_parse(port.at, port.len, UINT16_MAX, &number) == 0 &&
	    number == account->port;
}

bool
account_is_allowed(const struct account *account, const char *const *patterns,
    size_t n)
{
	if (account->host[0] == '\0')
		return true;
	for (size_t i = 0; i < n; i++)
		if (account_matches(account, patterns[i]))
			return true;
	return false;
}

bool
account_is_pattern(const char *text)
{
	static const char names[] = ALNUM ".-_*?", ipv6[] = ALNUM ":.*?";
	struct account_part host, port;
	uint64_t number;

	if (!account_split(text, &host, &port) || host.len == 0 ||
	    host.len > LIMIT_SSH_HOST ||
	    strspn(host.at, text[0] == '[' ? ipv6 : names) < host.len)
		return false;
	return port.at == NULL || strcmp(port.at, "*") == 0 ||
	    (num_parse(port.at, port.len, UINT16_MAX, &number) == 0 &&
		number > 0);
}

const char *
account_format(const struct account *account, char text[ACCOUNT_TEXT_MAX])
{
	bool bracket = strchr(account->host, ':') != NULL;
	int len = snprintf(text, ACCOUNT_TEXT_MAX, "%s", account->user);

	if (account->host[0] != '\0')
		len += snprintf(text + len, ACCOUNT_TEXT_MAX - (size_t)len,
		    "@%s%s%s", bracket ? "[" : "", account->host,
		    bracket ? "]" : "");
	if (account->port != 0)
		snprintf(text + len, ACCOUNT_TEXT_MAX - (size_t)len, ":%u",
		    account->port);
	return text;
}
