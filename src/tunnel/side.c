/*
 * Sides: the calls that both kinds have in common.
 */
#include "tunnel/side.h"

#include <stddef.h>

struct stream *
side_dial(struct side *side, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	return side->ops->dial(side, to, handler, ctx);
}

struct side *
side_for_data(struct side *side, const struct stream *control)
{
	return side->ops->for_data != NULL ?
	    side->ops->for_data(side, control) :
	    side;
}

bool
side_is_paused(struct side *side, const struct stream *control)
{
	return side->ops->is_paused != NULL && control != NULL &&
	    side->ops->is_paused(side, control);
}

struct side_losses
side_losses_of(struct side *side, const struct stream *control)
{
	if (side->ops->losses == NULL || control == NULL)
		return (struct side_losses) { .n = 0 };
	return side->ops->losses(side, control);
}

void
side_ends(struct side *side, const struct stream *stream,
    struct addr *ret_local, struct addr *ret_peer)
{
	*ret_local = *ret_peer = (struct addr) { .family = AF_UNSPEC };
	if (side->ops->ends != NULL)
		side->ops->ends(stream, ret_local, ret_peer);
}

const char *
side_idle_hint(struct side *side, bool accepted)
{
	return side->ops->idle_hint != NULL ?
	    side->ops->idle_hint(side, accepted) :
	    NULL;
}

struct side_listener *
side_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	return side->ops->listen(side, at, handler, ctx);
}

void
side_listener_close(struct side_listener *listener, bool reusable)
{
	if (listener != NULL)
		listener->side->ops->unlisten(listener, reusable);
}

enum side_end
side_check_end(struct side_listener *listener, side_check_cb *done, void *ctx,
    struct side_check **ret_check)
{
	const struct side_ops *ops = listener->side->ops;

	if (ops->check_end == NULL)
		return SIDE_END_CLEAN;
	return ops->check_end(listener, done, ctx, ret_check);
}

void
side_check_cancel(struct side *side, struct side_check *check)
{
	side->ops->cancel_check(check);
}

bool
side_end_is_proven(const struct side_listener *listener,
    const struct stream *stream)
{
	const struct side_ops *ops = listener->side->ops;

	return ops->end_is_proven == NULL ||
	    ops->end_is_proven(listener, stream);
}

struct side *
side_keep(struct side *side)
{
	side->kept++;
	return side;
}

void
side_free(struct side *side)
{
	if (side != NULL && side->kept > 0)
		side->kept--;
	else if (side != NULL)
		side->ops->free(side);
}
