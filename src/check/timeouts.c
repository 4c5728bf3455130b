/*
 * How long culvert check waits.
 */
#include "check/timeouts.h"

#include "limits.h"

void
check_timeouts_init(struct check_timeouts *timeouts, uint64_t connect_s)
{
	const uint64_t connect =
	    connect_s > 0 ? connect_s * 1000 : LIMIT_CHECK_CONNECT_MS;

	*timeouts = (struct check_timeouts) {
		.connect = connect,
		.greeting =
		    connect * LIMIT_CHECK_GREETING_MS / LIMIT_CHECK_CONNECT_MS,
		.sshd = connect * LIMIT_CHECK_SSHD_MS / LIMIT_CHECK_CONNECT_MS,
		.reply =
		    connect * LIMIT_CHECK_REPLY_MS / LIMIT_CHECK_CONNECT_MS,
		.listing =
		    connect * LIMIT_CHECK_LISTING_MS / LIMIT_CHECK_CONNECT_MS,
		.login = LIMIT_CHECK_SSH_MS,
	};
}
