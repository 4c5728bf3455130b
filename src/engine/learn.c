/*
 * The control engine: what is learned of a server, once per tunnel (struct
 * engine_memory): the forms of PORT and PASV that it takes, and those that it
 * refused where another one was taken.
 */
#include "engine/priv.h"

/* refused is whoever has kept the refusal. */
static void
log_learned(struct engine *engine, enum form own, enum form form,
    const struct pending *refused)
{
	static const char *const modes[] = { "passive", "active" };
	bool active = form_is_active(own);
	char refusal[PENDING_REFUSAL_MAX];
	const char *why = refused->reply != NULL ?
	    pending_refusal(refused, refusal) :
	    "it cannot be sent";

	if (form_is_active(form) != active)
		engine_logf(engine, ENGINE_INFO,
		    "%s mode does not work with the server (%s): translated "
		    "to %s mode from now on",
		    modes[active], why, modes[!active]);
	else
		engine_logf(engine, ENGINE_INFO,
		    "the server does not take %s (%s): it is sent %s from now "
		    "on",
		    verb_name(form_verb(own)), why, verb_name(form_verb(form)));
}

/* Returns what is new of the refused. */
static unsigned
learn(struct engine_memory *memory, enum form form, unsigned tried)
{
	unsigned bit = FORM_BIT(form), learned;

	memory->good |= bit;
	memory->refused &= ~bit;
	learned = tried & ~bit & ~memory->refused & ~memory->good;
	if ((learned & FORM_BIT(FORM_EPSV)) != 0)
		learned |= FORM_BIT(FORM_EPSV_NUMBER);
	memory->refused |= learned;
	return learned;
}

void
learn_accepted(struct engine *engine, struct pending *ask)
{
	unsigned tried = ask->passing ? 0 : ask->tried;

	ask->unsure = false;
	if (learn(engine->memory, ask->form, tried) != 0)
		log_learned(engine, ask->own, ask->form, ask);
}

void
learn_failed(struct engine *engine, const struct data *data)
{
	if (!data->end[ENGINE_SERVER].listens)
		engine->memory->good &= ~FORM_BIT(data->form);
}

void
learn_retried(struct engine *engine, struct pending *transfer, unsigned code)
{
	if (transfer->again_tried == 0)
		return;
	if (code < 400) {
		/* What was taken at PORT and failed at RETR is not good. */
		engine->memory->good &= ~transfer->again_tried;
		if (learn(engine->memory, transfer->again,
			transfer->again_tried) != 0)
			log_learned(engine, FORM_PORT, transfer->again,
			    transfer);
	}
	transfer->again_tried = 0;
}

void
learn_forget(struct engine *engine, const struct data *data)
{
	bool active = form_is_active(data->form);

	if (active == form_is_active(data->own))
		return;
	engine->memory->good &= active ? ~FORMS_ACTIVE : FORMS_ACTIVE;
	engine->memory->refused &= active ? FORMS_ACTIVE : ~FORMS_ACTIVE;
}
