/*
 * Why clients are refused, and how many sessions there may be.
 */
#include "tunnel/admission.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

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
	[REFUSAL_RULE] = { "rule", "421 Refused by culvert" },
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

struct admission_place {
	LIST_ENTRY(admission_place) link;
	struct admission *admission;
	struct addr peer;
	bool logged_in;
};

struct admission {
	struct admission_limits limits;
	LIST_HEAD(, admission_place) places;
	size_t sessions;
	size_t logins; /* sessions in which nobody has logged in yet */
};

struct admission *
admission_new(const struct admission_limits *limits)
{
	struct admission *admission = calloc(1, sizeof(*admission));

	if (admission == NULL)
		return NULL;
	admission->limits = *limits;
	LIST_INIT(&admission->places);
	return admission;
}

void
admission_free(struct admission *admission)
{
	assert(admission == NULL || LIST_EMPTY(&admission->places));
	free(admission);
}

/* Does that address have as many sessions as it may have?  The list is never
 * longer than limits.sessions. */
static bool
address_is_full(const struct admission *admission, const struct addr *peer)
{
	size_t limit = admission->limits.per_address, n = 0;
	const struct admission_place *place;

	if (limit == 0 || peer->family == AF_UNSPEC)
		return false;
	LIST_FOREACH (place, &admission->places, link)
		n += addr_same_ip(&place->peer, peer);
	return n >= limit;
}

/* Is a limit reached?  Then *ret and why say which. */
static bool
admission_is_full(const struct admission *admission, const struct addr *peer,
    char *why, size_t why_size, enum refusal *ret)
{
	const struct admission_limits *limits = &admission->limits;

	if (admission->sessions >= limits->sessions) {
		snprintf(why, why_size,
		    "%zu sessions are running, as many as --max-sessions "
		    "allows",
		    limits->sessions);
		*ret = REFUSAL_SESSIONS;
		return true;
	}
	if (limits->logins > 0 && admission->logins >= limits->logins) {
		snprintf(why, why_size,
		    "%zu sessions have no login yet, as many as --max-logins "
		    "allows",
		    limits->logins);
		*ret = REFUSAL_LOGINS;
		return true;
	}
	if (address_is_full(admission, peer)) {
		snprintf(why, why_size,
		    "%zu sessions of that address are running, as many as "
		    "--max-per-address allows",
		    limits->per_address);
		*ret = REFUSAL_PER_ADDRESS;
		return true;
	}
	return false;
}

struct admission_place *
admission_enter(struct admission *admission, const struct addr *peer, char *why,
    size_t why_size, enum refusal *ret_refusal)
{
	struct admission_place *place;

	if (admission_is_full(admission, peer, why, why_size, ret_refusal))
		return NULL;
	place = calloc(1, sizeof(*place));
	if (place == NULL) {
		snprintf(why, why_size, "out of memory");
		*ret_refusal = REFUSAL_MEMORY;
		return NULL;
	}
	place->admission = admission;
	place->peer = *peer;
	LIST_INSERT_HEAD(&admission->places, place, link);
	admission->sessions++;
	admission->logins++;
	return place;
}

void
admission_logged_in(struct admission_place *place)
{
	if (!place->logged_in)
		place->admission->logins--;
	place->logged_in = true;
}

void
admission_leave(struct admission_place *place)
{
	admission_logged_in(place);
	place->admission->sessions--;
	LIST_REMOVE(place, link);
	free(place);
}

size_t
admission_count(const struct admission *admission)
{
	return admission->sessions;
}
