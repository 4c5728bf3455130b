/*
 * The control engine: what is remembered of a server, once per tunnel (struct
 * engine_memory): the variants of PORT and PASV that work, and those that it
 * refused when another one worked.
 */
#include "engine/priv.h"

/* keeper: the exchange that has kept the refusal. */
static void
log_learned(struct engine *engine, enum variant own, enum variant variant,
    const struct exchange *keeper)
{
	static const char *const modes[] = { "passive", "active" };
	bool active = variant_is_active(own);
	char refusal[EXCHANGE_REFUSAL_MAX];
	const char *why = keeper->reply.bytes != NULL ?
	    exchange_refusal(keeper, refusal) :
	    "it cannot be sent";

	if (variant_is_active(variant) != active)
		engine_logf(engine, ENGINE_INFO,
		    "%s mode does not work with the server (%s): translated "
		    "to %s mode from now on",
		    modes[active], why, modes[!active]);
	else
		engine_logf(engine, ENGINE_INFO,
		    "the server does not accept %s (%s): culvert sends it %s "
		    "from now on",
		    verb_name(variant_verb(own)), why,
		    verb_name(variant_verb(variant)));
}

/* Returns the variants that are recorded as refused for the first time. */
static unsigned
learn_variant(struct engine_memory *memory, enum variant variant,
    unsigned tried)
{
	unsigned bit = VARIANT_BIT(variant), learned;

	memory->good |= bit;
	memory->refused &= ~bit;
	learned = tried & ~bit & ~memory->refused & ~memory->good;
	if ((learned & VARIANT_BIT(VARIANT_EPSV)) != 0)
		learned |= VARIANT_BIT(VARIANT_EPSV_NUMBER);
	memory->refused |= learned;
	return learned;
}

void
learn_accepted(struct engine *engine, struct exchange *request)
{
	unsigned tried =
	    request->request.transient ? 0 : request->request.tried;

	request->unsure = false;
	if (learn_variant(engine->memory, request->request.variant, tried) != 0)
		log_learned(engine, request->request.own,
		    request->request.variant, request);
}

void
learn_failed(struct engine *engine, const struct data *data)
{
	if (!data->server.how.listens)
		engine->memory->good &= ~VARIANT_BIT(data->variant);
}

void
learn_retried(struct engine *engine, struct exchange *transfer, unsigned code)
{
	if (transfer->move.again_tried == 0)
		return;
	if (code < 400) {
		/* A PORT that was accepted and failed at RETR does not work. */
		engine->memory->good &= ~transfer->move.again_tried;
		if (learn_variant(engine->memory, transfer->move.again,
			transfer->move.again_tried) != 0)
			log_learned(engine, VARIANT_PORT, transfer->move.again,
			    transfer);
	}
	transfer->move.again_tried = 0;
}

void
learn_forget(struct engine *engine, const struct data *data)
{
	bool active = variant_is_active(data->variant);

	if (active == variant_is_active(data->own))
		return;
	engine->memory->good &= active ? ~VARIANTS_ACTIVE : VARIANTS_ACTIVE;
	engine->memory->refused &= active ? VARIANTS_ACTIVE : ~VARIANTS_ACTIVE;
}
