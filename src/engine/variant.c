/*
 * The control engine: the variants of a request for a data connection (RFC 959,
 * 2428), and their order.
 *
 * The client's own variant comes first, then the others of its mode, then those
 * of the other mode; --server-mode excludes one of the modes.  Variants that
 * the server refused when another one worked come last.  RFC 6384 section 4 has
 * the pairs between IPv4 and IPv6.
 */
#include "engine/priv.h"

static const struct {
	enum verb verb;
	sa_family_t family; /* AF_UNSPEC: any */
	bool active;
} variants[] = {
	[VARIANT_EPSV_NUMBER] = { VERB_EPSV, AF_UNSPEC, false },
	[VARIANT_EPSV] = { VERB_EPSV, AF_UNSPEC, false },
	[VARIANT_PASV] = { VERB_PASV, AF_UNSPEC, false },
	[VARIANT_PORT] = { VERB_PORT, AF_INET, true },
	[VARIANT_EPRT4] = { VERB_EPRT, AF_INET, true },
	[VARIANT_EPRT6] = { VERB_EPRT, AF_INET6, true },
};

/* For each variant of the client: which others of its mode may be sent. */
static const enum variant others[][4] = {
	[VARIANT_EPSV_NUMBER] = { VARIANT_EPSV, VARIANT_PASV, VARIANT_NONE },
	[VARIANT_EPSV] = { VARIANT_PASV, VARIANT_NONE },
	[VARIANT_PASV] = { VARIANT_EPSV, VARIANT_NONE },
	[VARIANT_PORT] = { VARIANT_EPRT6, VARIANT_EPRT4, VARIANT_NONE },
	[VARIANT_EPRT4] = { VARIANT_PORT, VARIANT_EPRT6, VARIANT_NONE },
	[VARIANT_EPRT6] = { VARIANT_PORT, VARIANT_EPRT4, VARIANT_NONE },
};

/* Those of the other mode. */
static const enum variant to_passive[] = { VARIANT_EPSV, VARIANT_PASV,
	VARIANT_NONE };
static const enum variant to_active[] = { VARIANT_PORT, VARIANT_EPRT6,
	VARIANT_EPRT4, VARIANT_NONE };

/* The client's own, at most three of its mode, three of the other mode. */
#define ORDER_MAX 8

bool
variant_is_active(enum variant variant)
{
	return variants[variant].active;
}

enum verb
variant_verb(enum variant variant)
{
	return variants[variant].verb;
}

sa_family_t
variant_family(enum variant variant)
{
	return variants[variant].family;
}

enum variant
variant_of(enum verb verb, bool has_argument, const struct addr *to)
{
	enum variant variant = 0;

	if (verb == VERB_EPSV)
		return has_argument ? VARIANT_EPSV_NUMBER : VARIANT_EPSV;
	while (variant < VARIANT_NONE &&
	    (variants[variant].verb != verb ||
		(variants[variant].active && verb != VERB_PORT &&
		    variants[variant].family != to->family)))
		variant++;
	return variant;
}

static size_t
append(enum variant *order, size_t n, const enum variant *more)
{
	while (*more != VARIANT_NONE)
		order[n++] = *more++;
	return n;
}

/* Lists all variants that may be sent for a request; returns how many. */
static size_t
order_of(const struct engine *engine, enum variant own,
    enum variant order[ORDER_MAX])
{
	enum engine_mode mode = engine->config.server_mode;
	bool active = variants[own].active;
	size_t n = 0;

	if (mode == ENGINE_SAME || active == (mode == ENGINE_ACTIVE)) {
		order[n++] = own;
		/* RFC 2428 section 4: nothing but EPSV after EPSV ALL. */
		if (engine->session.epsv_all) {
			if (own == VARIANT_EPSV_NUMBER)
				order[n++] = VARIANT_EPSV;
			return n;
		}
		n = append(order, n, others[own]);
	}
	if (mode == ENGINE_SAME || active != (mode == ENGINE_ACTIVE))
		n = append(order, n, active ? to_passive : to_active);
	return n;
}

/* Does the address family of the server's control connection permit it? */
static bool
fits_family(const struct engine *engine, enum variant variant)
{
	sa_family_t family = engine->config.server_family;

	return family == AF_UNSPEC || variants[variant].family == AF_UNSPEC ||
	    variants[variant].family == family;
}

enum variant
variant_choose(const struct engine *engine, const struct exchange *request)
{
	enum variant order[ORDER_MAX], second = VARIANT_NONE;
	size_t n = order_of(engine, request->request.own, order);

	for (size_t i = 0; i < n; i++) {
		if ((request->request.tried & VARIANT_BIT(order[i])) != 0 ||
		    !fits_family(engine, order[i]))
			continue;
		if ((engine->memory->refused & VARIANT_BIT(order[i])) == 0)
			return order[i];
		if (second == VARIANT_NONE)
			second = order[i];
	}
	return second;
}

bool
variant_is_refused(unsigned code)
{
	return code == 425 || code == 522 || code == 550 ||
	    (code >= 500 && code <= 504);
}

bool
variant_has_passive(const struct engine *engine)
{
	const unsigned passive =
	    VARIANT_BIT(VARIANT_EPSV) | VARIANT_BIT(VARIANT_PASV);

	return engine->config.server_mode == ENGINE_SAME &&
	    !engine->session.epsv_all &&
	    (engine->memory->refused & passive) != passive;
}

bool
variant_argument(enum variant variant, const struct data *data,
    char text[HOSTPORT_TEXT_MAX])
{
	const struct addr *addr = variants[variant].family == AF_INET ?
	    &data->server.v4 :
	    &data->server.v6;

	return addr->family != AF_UNSPEC &&
	    hostport_format_command(variants[variant].verb, addr, text) == 0;
}
