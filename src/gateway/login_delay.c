/*
 * The delay after failed logins.
 */
#include "gateway/login_delay.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool
login_same_host(const struct addr *a, const struct addr *b)
{
	if (addr_is_loopback(a) && addr_is_loopback(b))
		return true;
	if (a->family == AF_INET6 && b->family == AF_INET6)
		return memcmp(a->ip, b->ip, 8) == 0;
	return addr_same_ip(a, b);
}

static bool
login_failures_count(const struct login_failures *failures, uint64_t now)
{
	return failures->n > 0 && now - failures->last < LIMIT_LOGIN_FORGET_MS;
}

void
login_delay_note(struct login_delays *delays, const struct addr *client,
    uint64_t now)
{
	struct login_failures *found = &delays->table[0];

	for (size_t i = 0; i < LIMIT_LOGIN_ADDRESSES; i++) {
		struct login_failures *at = &delays->table[i];

		if (login_failures_count(at, now) &&
		    login_same_host(&at->client, client)) {
			at->n++;
			at->last = now;
			return;
		}
		if (found->n > 0 && (at->n == 0 || at->last < found->last))
			found = at;
	}
	*found = (struct login_failures) { *client, 1, now };
}

uint64_t
login_delay_get(const struct login_delays *delays, const struct addr *client,
    uint64_t now)
{
	uint64_t delay = 0;

	for (size_t i = 0; i < LIMIT_LOGIN_ADDRESSES; i++) {
		const struct login_failures *at = &delays->table[i];

		if (!login_failures_count(at, now) ||
		    !login_same_host(&at->client, client))
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
