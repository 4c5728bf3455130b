/*
 * What must hold for the data connections of a control engine at any time.
 */
#ifndef ENGINE_OWNED_H
#define ENGINE_OWNED_H

#include "engine/priv.h"

/* A data connection that nothing refers to, so that nobody would close it
 * before the session ends; NULL: there is none. */
static inline const struct data *
engine_unowned_data(const struct engine *engine)
{
	const struct data *data = engine->conns.data;
	const struct exchange *exchange;

	for (; data < engine->conns.data + LIMIT_SESSION_DATA; data++) {
		if (data->state == DATA_FREE || data->state == DATA_ENDING ||
		    data == engine->conns.next || data == engine->conns.making)
			continue;
		TAILQ_FOREACH (exchange, &engine->exchanges, link)
			if (exchange->data == data)
				break;
		if (exchange == NULL)
			return data;
	}
	return NULL;
}

#endif
