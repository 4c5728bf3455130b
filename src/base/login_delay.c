/*
 * The delay after failed logins.
 */
#include "base/login_delay.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *
login_delay_client(const struct addr *client, char text[ADDR_TEXT_MAX])
{
	struct addr host = *client;

	host.scope = 0;
	if (addr_is_loopback(client))
		host = addr_loopback(AF_INET, 0);
	else if (client->family == AF_INET6)
		memset(host.ip + 8, 0, 8);
	return addr_format_ip(&host, text);
}

static bool
login_failures_are_of(const struct login_failures *failures, const char *of)
{
	return strncmp(failures->of, of, sizeof(failures->of) - 1) == 0;
}

static bool
login_failures_count(const struct login_failures *failures, uint64_t now)
{
	return failures->n > 0 && now - failures->last < LIMIT_LOGIN_FORGET_MS;
}

void
login_delay_note(struct login_delays *delays, const char *of, uint64_t now)
{
	struct login_failures *found = &delays->table[0];

	for (size_t i = 0; i < LIMIT_LOGIN_ADDRESSES; i++) {
		struct login_failures *at = &delays->table[i];

		if (login_failures_count(at, now) &&
		    login_failures_are_of(at, of)) {
			at->n++;
			at->last = now;
			return;
		}
		if (found->n > 0 && (at->n == 0 || at->last < found->last))
			found = at;
	}
	*found = (struct login_failures) { .n = 1, .last = now };
	snprintf(found->of, sizeof(found->of), "%s", of);
}

uint64_t
login_delay_get(const struct login_delays *delays, const char *of, uint64_t now)
{
	uint64_t delay = 0;

	for (size_t i = 0; i < LIMIT_LOGIN_ADDRESSES; i++) {
		const struct login_failures *at = &delays->table[i];

		if (!login_failures_count(at, now) ||
		    !login_failures_are_of(at, of))
			continue;
		delay = LIMIT_LOGIN_DELAY_MS;
		for (unsigned n = 1;
		     n < at->n && delay < LIMIT_LOGIN_DELAY_MAX_MS; n++)
			delay *= 2;
		break;
	}
	return delay < LIMIT_LOGIN_DELAY_MAX_MS ? delay :
						  LIMIT_LOGIN_DELAY_MAX_MS;
}
