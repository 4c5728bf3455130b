/*
 * A destination: what is to be seen of it from outside.
 */
#include <string.h>

#include "process/app.h"
#include "process/destination_priv.h"

void
destination_describe(const struct destination *destination,
    struct destination_info *ret)
{
	ret->destination = destination->options->destination;
	ret->leaving = destination->leaving;
	reconnect_describe(destination->reconnect, &ret->link);
}

void
destination_each_tunnel(const struct destination *destination,
    destination_tunnel_cb *each, void *ctx)
{
	const struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners; i++) {
			const struct listener *listener = &entry->listeners[i];
			const struct listener_info info = {
				.name = entry->plan.name,
				.forward = listener->forward,
				.tunnel = listener->tunnel,
				.listening = listener->listening,
				.leaving = entry->leaving,
			};

			if (listener->tunnel != NULL)
				each(ctx, &info);
		}
}

bool
destination_end_session(struct destination *destination, unsigned long number,
    const char *why)
{
	const struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners; i++)
			if (entry->listeners[i].tunnel != NULL &&
			    tunnel_end_session(entry->listeners[i].tunnel,
				number, why))
				return true;
	return false;
}

/* ---- counters ---- */

static bool
is_same_place(const struct tunnel *a, const struct tunnel *b)
{
	char at[2][4 * ADDR_TEXT_MAX];

	tunnel_address(a, at[0], sizeof(at[0]));
	tunnel_address(b, at[1], sizeof(at[1]));
	return strcmp(at[0], at[1]) == 0;
}

static void
pass_on_to(const struct tunnel *gone, const char *name, struct entry *entry)
{
	if (entry->leaving || strcmp(entry->plan.name, name) != 0)
		return;
	for (size_t i = 0; i < entry->n_listeners; i++) {
		struct tunnel *tunnel = entry->listeners[i].tunnel;

		if (tunnel != NULL && is_same_place(tunnel, gone))
			tunnel_inherit(tunnel, gone);
	}
}

void
destination_pass_on(const struct listener *listener)
{
	const struct entry *from = listener->entry;
	struct app *app = from->destination->app;
	struct entry *entry;

	if (listener->tunnel == NULL || from->plan.name == NULL)
		return;
	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (app->destinations[i] != NULL)
			TAILQ_FOREACH (entry, &app->destinations[i]->entries,
			    link)
				pass_on_to(listener->tunnel, from->plan.name,
				    entry);
}

bool
destination_is_settled(const struct destination *destination)
{
	const struct reconnect *reconnect = destination->reconnect;
	const struct entry *entry;

	if (destination->ended ||
	    (destination->app->named && !reconnect_is_up(reconnect) &&
		reconnect_why(reconnect)[0] != '\0'))
		return true;
	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners; i++) {
			const struct listener *listener = &entry->listeners[i];

			if (!listener->listening && !entry->leaving &&
			    !tunnel_is_retrying(listener->tunnel))
				return false;
		}
	return true;
}

bool
destination_cut_leaving(struct destination *destination, const char *name,
    const char *why)
{
	struct entry *entry;
	bool any = false;

	TAILQ_FOREACH (entry, &destination->entries, link) {
		if (!entry->leaving || strcmp(entry->plan.name, name) != 0 ||
		    !entry_has_sessions(entry))
			continue;
		destination_cut(entry, why);
		any = true;
	}
	return any;
}
