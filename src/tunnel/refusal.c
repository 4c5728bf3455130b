/*
 * Why a client is not taken.
 */
#include "tunnel/refusal.h"

static const struct {
	const char *name;
	const char *reply;
} refusals[] = {
	[REFUSAL_ADDRESS] = { "address",
	    "421 Clients at your address are not allowed here.\r\n" },
	[REFUSAL_USER] = { "user",
	    "421 Only the user who runs culvert is allowed here.\r\n" },
	[REFUSAL_LOOK_UP] = { "look_up",
	    "421 Your user cannot be looked up, try again later.\r\n" },
	[REFUSAL_SESSIONS] = { "max_sessions",
	    "421 Too many connections, try again later.\r\n" },
	[REFUSAL_LOGINS] = { "max_logins",
	    "421 Too many connections without a login, try again later.\r\n" },
	[REFUSAL_PER_ADDRESS] = { "max_per_address",
	    "421 Too many connections from your address, try again later."
	    "\r\n" },
	[REFUSAL_LINK] = { "link", "421 The SSH connection is down" },
	[REFUSAL_MEMORY] = { "memory",
	    "421 Out of memory, try again later.\r\n" },
};

const char *
refusal_reply(enum refusal refusal)
{
	return refusals[refusal].reply;
}

const char *
refusal_name(enum refusal refusal)
{
	return refusals[refusal].name;
}
