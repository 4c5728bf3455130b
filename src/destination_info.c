/*
 * A destination: what is to be seen of it from outside.
 */
#include "destination_priv.h"

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
