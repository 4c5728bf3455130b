/*
 * The gateway's side: which sessions there are.
 */
#include "gateway/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/side_priv.h"
#include "limits.h"
#include "tunnel/policy.h"

/* ---- time ---- */

static void
gateway_side_on_timer(uv_timer_t *timer)
{
	struct gateway_side *side = timer->data;
	struct gateway_session *session, *next;
	bool second = uv_now(side->loop) - side->ticked_at >= 1000;

	if (second)
		side->ticked_at = uv_now(side->loop);
	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = next) {
		next = gateway_session_next(session);
		gateway_session_look(session);
		if (second)
			gateway_session_tick(session);
		if (gateway_session_is_over(session))
			gateway_session_free(session);
	}
	cleaner_look(side, second);
	if (LIST_EMPTY(&side->sessions) && side->n_left_over == 0 &&
	    side->cleaner == NULL)
		uv_timer_stop(timer);
}

void
gateway_side_stir(struct gateway_side *side)
{
	uv_timer_start(side->timer, gateway_side_on_timer, 0, 1000);
}

/* ---- connecting ---- */

uint16_t
gateway_side_port(struct gateway_side *side)
{
	struct gateway_session *session;
	bool taken = true;

	if (side->n_sessions >= LIMIT_GATEWAY_PORTS)
		return 0;
	while (taken) {
		if (++side->last_port < 1024)
			side->last_port = 1024;
		taken = false;
		for (session = LIST_FIRST(&side->sessions); session != NULL;
		     session = gateway_session_next(session))
			taken |=
			    gateway_session_listens(session, side->last_port);
	}
	return side->last_port;
}

bool
gateway_side_yield(struct gateway_side *side, const struct link *link)
{
	struct gateway_session *session;
	bool any = false;

	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = gateway_session_next(session))
		any |= gateway_session_yield(session, link);
	return any;
}

bool
gateway_side_waits(struct gateway_side *side, const struct link *link)
{
	struct gateway_session *session;
	bool any = false;

	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = gateway_session_next(session))
		any |= gateway_session_waits(session, link);
	return any;
}

static struct stream *
gateway_side_dial(struct side *base, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	struct gateway_side *side = (struct gateway_side *)base;
	struct gateway_session *session;

	if (to->use == SIDE_CONTROL) {
		if (side->n_sessions == 0)
			gateway_side_stir(side);
		return gateway_session_new(side,
		    to->client != NULL ? &to->client->addr : NULL, handler,
		    ctx);
	}
	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = gateway_session_next(session))
		if (to->port != 0 && gateway_session_listens(session, to->port))
			return gateway_session_dial(session, handler, ctx);
	return NULL;
}

/* The engine is told that the server takes passive mode only. */
static struct side_listener *
gateway_side_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	return NULL;
}

static bool
gateway_side_is_paused(struct side *base, const struct stream *control)
{
	struct gateway_side *side = (struct gateway_side *)base;
	struct gateway_session *session;

	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = gateway_session_next(session))
		if (gateway_session_is_paused(session, control))
			return true;
	return false;
}

static struct side_losses
gateway_side_losses(struct side *base, const struct stream *control)
{
	struct gateway_side *side = (struct gateway_side *)base;
	struct gateway_session *session;
	struct side_losses losses = { 0, 0 };

	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = gateway_session_next(session))
		if (gateway_session_losses(session, control, &losses))
			break;
	return losses;
}

bool
gateway_side_is_settled(const struct side *base)
{
	const struct gateway_side *side = (const struct gateway_side *)base;
	struct gateway_session *session;

	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = gateway_session_next(session))
		if (!gateway_session_is_over(session))
			return false;
	return true;
}

static void
gateway_side_on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
gateway_side_free(struct side *base)
{
	struct gateway_side *side = (struct gateway_side *)base;

	while (!LIST_EMPTY(&side->sessions))
		gateway_session_free(LIST_FIRST(&side->sessions));
	cleaner_free(side);
	log_limit_end(&side->failures,
	    &(struct log_origin) { .tunnel = side->log_name });
	login_file_free(side->logins);
	uv_close((uv_handle_t *)side->timer, gateway_side_on_closed);
	free(side);
}

struct side *
gateway_side_new(struct uv_loop_s *loop, struct links *links,
    const struct gateway_config *config, struct login_checker *checker,
    const char *log_name)
{
	static const struct side_ops ops = {
		.dial = gateway_side_dial,
		.listen = gateway_side_listen,
		.is_paused = gateway_side_is_paused,
		.losses = gateway_side_losses,
		.free = gateway_side_free,
	};
	struct gateway_side *side = calloc(1, sizeof(*side));
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (side == NULL || timer == NULL) {
		free(side);
		free(timer);
		return NULL;
	}
	side->side.ops = &ops;
	side->side.name = "the SFTP server";
	side->side.sees_delivery = true;
	side->loop = loop;
	side->links = links;
	side->config = config;
	side->checker = checker;
	side->failures.noun = "failed login";
	side->log_name = log_name;
	uv_timer_init(loop, timer);
	timer->data = side;
	side->timer = timer;
	LIST_INIT(&side->sessions);
	STAILQ_INIT(&side->left_over);
	return &side->side;
}

void
gateway_side_set_ssh_logins(struct side *base, struct ssh_logins *logins,
    const struct link_options *link)
{
	struct gateway_side *side = (struct gateway_side *)base;

	side->ssh_logins = logins;
	side->link = link;
}

void
gateway_side_set_logins(struct side *base, struct login_file *file)
{
	struct gateway_side *side = (struct gateway_side *)base;

	login_file_free(side->logins);
	side->logins = login_file_keep(file);
}
