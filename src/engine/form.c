/*
 * The control engine: the forms in which a server can be asked for a data
 * connection (RFC 959, 2428), and their order.
 *
 * The client's own form comes first, then the others of its mode, then those
 * of the other mode; --server-mode leaves out one of the modes.  What was
 * refused in the tunnel where another form was taken comes last.  RFC 6384
 * section 4 has the pairs between IPv4 and IPv6.
 */
#include "engine/priv.h"

static const struct {
	enum verb verb;
	sa_family_t family; /* AF_UNSPEC: any */
	bool active;
} forms[] = {
	[FORM_EPSV_NUMBER] = { VERB_EPSV, AF_UNSPEC, false },
	[FORM_EPSV] = { VERB_EPSV, AF_UNSPEC, false },
	[FORM_PASV] = { VERB_PASV, AF_UNSPEC, false },
	[FORM_PORT] = { VERB_PORT, AF_INET, true },
	[FORM_EPRT4] = { VERB_EPRT, AF_INET, true },
	[FORM_EPRT6] = { VERB_EPRT, AF_INET6, true },
};

/* For each of the client's own: what else may be sent in its mode. */
static const enum form others[][4] = {
	[FORM_EPSV_NUMBER] = { FORM_EPSV, FORM_PASV, FORM_NONE },
	[FORM_EPSV] = { FORM_PASV, FORM_NONE },
	[FORM_PASV] = { FORM_EPSV, FORM_NONE },
	[FORM_PORT] = { FORM_EPRT6, FORM_EPRT4, FORM_NONE },
	[FORM_EPRT4] = { FORM_PORT, FORM_EPRT6, FORM_NONE },
	[FORM_EPRT6] = { FORM_PORT, FORM_EPRT4, FORM_NONE },
};

/* In the other mode. */
static const enum form to_passive[] = { FORM_EPSV, FORM_PASV, FORM_NONE };
static const enum form to_active[] = { FORM_PORT, FORM_EPRT6, FORM_EPRT4,
	FORM_NONE };

/* Own, three others, three of the other mode. */
#define ORDER_MAX 8

bool
form_is_active(enum form form)
{
	return forms[form].active;
}

enum verb
form_verb(enum form form)
{
	return forms[form].verb;
}

sa_family_t
form_family(enum form form)
{
	return forms[form].family;
}

enum form
form_of(enum verb verb, bool has_argument, const struct addr *to)
{
	enum form form = 0;

	if (verb == VERB_EPSV)
		return has_argument ? FORM_EPSV_NUMBER : FORM_EPSV;
	while (form < FORM_NONE &&
	    (forms[form].verb != verb ||
		(forms[form].active && verb != VERB_PORT &&
		    forms[form].family != to->family)))
		form++;
	return form;
}

static size_t
append(enum form *order, size_t n, const enum form *more)
{
	while (*more != FORM_NONE)
		order[n++] = *more++;
	return n;
}

/* All that may be sent for an ask; returns how many. */
static size_t
order_of(const struct engine *engine, enum form own, enum form order[ORDER_MAX])
{
	enum engine_mode mode = engine->config.server_mode;
	bool active = forms[own].active;
	size_t n = 0;

	if (mode == ENGINE_SAME || active == (mode == ENGINE_ACTIVE)) {
		order[n++] = own;
		/* RFC 2428 section 4: nothing but EPSV after EPSV ALL. */
		if (engine->epsv_all) {
			if (own == FORM_EPSV_NUMBER)
				order[n++] = FORM_EPSV;
			return n;
		}
		n = append(order, n, others[own]);
	}
	if (mode == ENGINE_SAME || active != (mode == ENGINE_ACTIVE))
		n = append(order, n, active ? to_passive : to_active);
	return n;
}

/* Does the server's control connection leave room for it? */
static bool
fits_family(const struct engine *engine, enum form form)
{
	sa_family_t family = engine->config.server_family;

	return family == AF_UNSPEC || forms[form].family == AF_UNSPEC ||
	    forms[form].family == family;
}

enum form
form_choose(struct engine *engine, const struct pending *ask)
{
	enum form order[ORDER_MAX], second = FORM_NONE;
	size_t n = order_of(engine, ask->own, order);

	for (size_t i = 0; i < n; i++) {
		if ((ask->tried & FORM_BIT(order[i])) != 0 ||
		    !fits_family(engine, order[i]))
			continue;
		if ((engine->memory->refused & FORM_BIT(order[i])) == 0)
			return order[i];
		if (second == FORM_NONE)
			second = order[i];
	}
	return second;
}

bool
form_is_refused(unsigned code)
{
	return code == 425 || code == 522 || code == 550 ||
	    (code >= 500 && code <= 504);
}

bool
form_has_passive(struct engine *engine)
{
	const unsigned passive = FORM_BIT(FORM_EPSV) | FORM_BIT(FORM_PASV);

	return engine->config.server_mode == ENGINE_SAME && !engine->epsv_all &&
	    (engine->memory->refused & passive) != passive;
}

bool
form_argument(enum form form, const struct data *data,
    char text[HOSTPORT_TEXT_MAX])
{
	const struct addr *addr = forms[form].family == AF_INET ?
	    &data->v4[ENGINE_SERVER] :
	    &data->v6[ENGINE_SERVER];

	return addr->family != AF_UNSPEC &&
	    hostport_format_command(forms[form].verb, addr, text) == 0;
}
