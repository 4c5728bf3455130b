/*
 * The far side: connects through channels of the links, and listens through
 * remote forwards.  A listener is lent to one data connection after another,
 * and is idle in between.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "limits.h"
#include "tunnel/far_priv.h"

struct link *
far_link_for_data(const struct far_side *far)
{
	struct link *first = links_first(far->links);

	if (far->spread)
		return links_choose(far->links);
	return link_is_up(first) ? first : NULL;
}

static struct stream *
far_dial(struct side *side, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	struct far_side *far = (struct far_side *)side;
	bool data = to->use == SIDE_DATA;
	struct link *ssh =
	    data ? far_link_for_data(far) : links_first(far->links);

	if (ssh == NULL)
		return NULL;
	return link_dial(ssh, to->host, to->port,
	    data ? LINK_DATA : LINK_CONTROL, handler, ctx);
}

static const char *
far_idle_hint(struct side *side, bool accepted)
{
	const struct far_side *far = (const struct far_side *)side;

	return link_idle_hint(links_first(far->links), accepted);
}

/* ---- listeners ---- */

/* Does it listen as at requests, and has its link no more than that load? */
static bool
is_fit(const struct far_listener *listener, const struct side_at *at,
    unsigned int load)
{
	const struct far_side *far =
	    (const struct far_side *)listener->base.side;

	return listener->state != FAR_DEAD && !at->many && at->port == 0 &&
	    far_has_host(listener, at->host) && link_is_up(listener->ssh) &&
	    links_load(far->links, listener->ssh) <= load;
}

/* An idle listener that is fit, or NULL. */
static struct far_listener *
find_idle(const struct far_side *far, const struct side_at *at,
    unsigned int load)
{
	struct far_listener *listener;

	LIST_FOREACH (listener, &far->idle, link)
		if (is_fit(listener, at, load))
			break;
	return listener;
}

/* Does the link of this listener have as many idle ones as it may? */
static bool
has_enough(const struct far_side *far, const struct far_listener *listener)
{
	const struct far_listener *idle;
	size_t n = 0;

	LIST_FOREACH (idle, &far->idle, link)
		n += idle->ssh == listener->ssh;
	return n >= LIMIT_IDLE_FORWARDS;
}

static void
far_put_back(struct far_side *far, struct far_listener *listener, bool reusable)
{
	if (!far_listener_take_back(listener) || !reusable ||
	    has_enough(far, listener))
		far_listener_free(listener);
	else
		LIST_INSERT_HEAD(&far->idle, listener, link);
}

static void
far_unlisten(struct side_listener *base, bool reusable)
{
	struct far_side *far = (struct far_side *)base->side;

	far->lent--;
	far_put_back(far, (struct far_listener *)base, reusable);
}

bool
far_side_is_unused(const struct side *side)
{
	return ((const struct far_side *)side)->lent == 0;
}

/* ---- the reserve ---- */

static void
far_on_reserve(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct far_listener *listener = ctx;
	struct far_side *far = (struct far_side *)listener->base.side;

	far->reserve = NULL;
	far_put_back(far, listener, true);
}

static void
far_on_no_reserve(void *ctx, int err, const char *why)
{
	struct far_listener *listener = ctx;
	struct far_side *far = (struct far_side *)listener->base.side;

	/* sshd refuses to listen.  Other errors, such as a lack of descriptors,
	 * may be temporary. */
	if (err == -EACCES || err == -EADDRNOTAVAIL || err == -EOPNOTSUPP)
		far->no_reserve = true;
	far->reserve = NULL;
	far_listener_free(listener);
}

static bool
far_on_reserve_accepted(void *ctx, struct stream *stream,
    const struct addr *local, const struct addr *peer)
{
	stream_reset(stream);
	return false;
}

/*
 * When the last idle listener is lent, another one is made for the next data
 * connection.  So none is made where none is used, and an sshd that refuses
 * them gets no second request.
 */
static void
make_reserve(struct far_side *far, struct link *ssh, const struct side_at *at)
{
	static const struct side_listener_handler handler = {
		.listening = far_on_reserve,
		.accepted = far_on_reserve_accepted, /* so no second() */
		.failed = far_on_no_reserve,
	};

	if (far->no_reserve || far->reserve != NULL ||
	    find_idle(far, at, UINT32_MAX) != NULL)
		return;
	far->reserve = far_listener_new(far, ssh, at, &handler, NULL);
}

static struct side_listener *
far_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	struct far_side *far = (struct far_side *)side;
	struct far_listener *listener = NULL;
	struct link *ssh =
	    at->many ? links_first(far->links) : far_link_for_data(far);
	bool any = ssh != NULL && !at->many;
	unsigned int load = any ? links_load(far->links, ssh) : 0;

	if (any)
		listener = find_idle(far, at, load);
	if (listener != NULL) {
		LIST_REMOVE(listener, link);
		far_listener_lend(listener, handler, ctx);
		make_reserve(far, listener->ssh, at);
		far->lent++;
		return &listener->base;
	}
	/* A new one would be ready later: ssh requests one at a time. */
	if (any && far->reserve != NULL && is_fit(far->reserve, at, load)) {
		listener = far->reserve;
		far->reserve = NULL;
		far_listener_lend(listener, handler, ctx);
		far->lent++;
		return &listener->base;
	}
	listener = far_listener_new(far, ssh, at, handler, ctx);
	if (listener == NULL)
		return NULL;
	far->lent++;
	return &listener->base;
}

/* ---- a clean end, or the death of ssh? ---- */

static enum side_end
far_check_end(struct side_listener *base, side_check_cb *done, void *ctx,
    struct side_check **ret_check)
{
	struct far_listener *listener = (struct far_listener *)base;
	struct link_alive *check = NULL;

	if (listener->ssh != NULL)
		check = link_alive_check(listener->ssh, done, ctx);
	if (check == NULL)
		return SIDE_END_LOST;
	*ret_check = (struct side_check *)check;
	return SIDE_END_ASKED;
}

static void
far_cancel_check(struct side_check *check)
{
	link_alive_cancel((struct link_alive *)check);
}

/* ssh half-closes its Unix socket when EOF comes, and closes it when CLOSE
 * comes. */
static bool
far_end_is_proven(const struct side_listener *base, const struct stream *stream)
{
	const struct far_listener *listener = (const struct far_listener *)base;

	return (listener->ssh != NULL && link_info(listener->ssh)->sends_eof) ||
	    (stream != NULL && stream_alive(stream));
}

static void
far_free(struct side *side)
{
	struct far_side *far = (struct far_side *)side;
	struct far_listener *listener;

	if (far->reserve != NULL)
		far_listener_free(far->reserve);
	while ((listener = LIST_FIRST(&far->idle)) != NULL) {
		LIST_REMOVE(listener, link);
		far_listener_free(listener);
	}
	log_limit_end(&far->refusals, NULL);
	free(far);
}

struct side *
far_side_new(struct uv_loop_s *loop, struct links *links, struct net *net,
    const char *directory, bool spread)
{
	static const struct side_ops ops = {
		.dial = far_dial,
		.idle_hint = far_idle_hint,
		.listen = far_listen,
		.unlisten = far_unlisten,
		.check_end = far_check_end,
		.cancel_check = far_cancel_check,
		.end_is_proven = far_end_is_proven,
		.free = far_free,
	};
	struct far_side *far = calloc(1, sizeof(*far));

	if (far == NULL)
		return NULL;
	far->side.ops = &ops;
	far->side.name = "the SSH server";
	far->loop = loop;
	far->links = links;
	far->net = net;
	far->directory = directory;
	far->spread = spread;
	LIST_INIT(&far->idle);
	return &far->side;
}
