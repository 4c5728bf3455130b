/*
 * Gives clients the session that the rules say.
 */
#include "capture/router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "ftp/prelude.h"
#include "tunnel/ports.h"

struct router {
	uv_loop_t *loop;
	uint64_t login_ms;
	route_decide_cb *decide;
	void *ctx;
	struct tunnel *tunnel;
	TAILQ_HEAD(, greeted) greeted;
};

/* A client whose USER is awaited. */
struct greeted {
	TAILQ_ENTRY(greeted) link;
	struct router *router;
	struct arrival arrival;
	char host[FORWARD_HOST_MAX];
	uint16_t port;
	struct prelude prelude;
	uv_timer_t timer;
};

struct router *
router_new(uv_loop_t *loop, uint64_t login_ms, route_decide_cb *decide,
    void *ctx)
{
	struct router *router = calloc(1, sizeof(*router));

	if (router == NULL)
		return NULL;
	router->loop = loop;
	router->login_ms = login_ms;
	router->decide = decide;
	router->ctx = ctx;
	TAILQ_INIT(&router->greeted);
	return router;
}

void
router_set_tunnel(struct router *router, struct tunnel *tunnel)
{
	router->tunnel = tunnel;
}

bool
router_has_clients(const struct router *router)
{
	return !TAILQ_EMPTY(&router->greeted);
}

void
router_free(struct router *router)
{
	if (router == NULL)
		return;
	assert(TAILQ_EMPTY(&router->greeted));
	free(router);
}

/* Begins the session of the client, or refuses it.  Returns false if the user
 * must be known for that; then nothing was done. */
static bool
settle(struct router *router, const struct arrival *arrival,
    const struct rules_request *request)
{
	struct arrival decided = *arrival;
	struct route route;
	char why[300];

	switch (
	    router->decide(router->ctx, request, &route, why, sizeof(why))) {
	case ROUTE_NEEDS_USER:
		return false;
	case ROUTE_REFUSED:
		tunnel_refuse_arrival(router->tunnel, arrival, why);
		return true;
	case ROUTE_FOUND:
		break;
	}
	decided.target = &route.target;
	tunnel_take(route.tunnel, &decided);
	return true;
}

/* ---- clients whose USER is awaited ---- */

static void
router_on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Frees it; the stream and the place have another owner, or are gone. */
static void
forget(struct greeted *client)
{
	TAILQ_REMOVE(&client->router->greeted, client, link);
	ports_free(client->arrival.ports);
	side_free(client->arrival.side);
	prelude_free(&client->prelude);
	uv_close((uv_handle_t *)&client->timer, router_on_timer_closed);
}

/* The client has gone, or may go: sends what is queued. */
static void
part(struct greeted *client, void (*how)(struct stream *))
{
	how(client->arrival.stream);
	admission_leave(client->arrival.place);
	forget(client);
}

/* USER has come. */
static void
route_user(struct greeted *client)
{
	const struct rules_request request = {
		.host = client->host,
		.port = client->port,
		.user = client->prelude.user,
	};
	struct arrival *arrival = &client->arrival;

	stream_read_stop(arrival->stream);
	arrival->said = prelude_rest(&client->prelude, &arrival->said_len);
	if (!settle(client->router, arrival, &request))
		tunnel_refuse_arrival(client->router->tunnel, arrival,
		    "the rules cannot be applied");
	forget(client);
}

static void
router_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct greeted *client = ctx;
	enum prelude_result result;
	const char *reply;

	for (size_t i = 0; i < n; i++)
		if (prelude_feed(&client->prelude, pieces[i].iov_base,
			pieces[i].iov_len) != 0) {
			part(client, stream_reset);
			return;
		}
	while ((result = prelude_next(&client->prelude, &reply)) ==
		PRELUDE_REPLY ||
	    result == PRELUDE_END) {
		if (stream_write(client->arrival.stream, reply,
			strlen(reply)) != 0 ||
		    result == PRELUDE_END) {
			part(client, stream_finish);
			return;
		}
	}
	if (result == PRELUDE_USER)
		route_user(client);
}

static void
router_on_eof(void *ctx)
{
	part(ctx, stream_finish);
}

static void
router_on_closed(void *ctx, int err, const char *why)
{
	part(ctx, stream_close);
}

static void
send_farewell(struct greeted *client, const char *why)
{
	char reply[400];

	snprintf(reply, sizeof(reply), "421 %.300s.\r\n", why);
	if (stream_write(client->arrival.stream, reply, strlen(reply)) == 0)
		part(client, stream_finish);
	else
		part(client, stream_close);
}

static void
router_on_late(uv_timer_t *timer)
{
	send_farewell(timer->data, "Nobody has logged in in time");
}

/* Greets the client, and waits for its USER. */
static void
greet(struct router *router, const struct arrival *arrival, const char *host,
    uint16_t port)
{
	static const struct stream_handler handler = {
		.data = router_on_data,
		.eof = router_on_eof,
		.closed = router_on_closed,
	};
	struct greeted *client = calloc(1, sizeof(*client));

	/* No more can be said in its own protocol: there is no server yet. */
	if (arrival->answer != NULL)
		arrival->answer(arrival->stream, &arrival->local, 0, "");
	if (client == NULL ||
	    stream_write(arrival->stream, PRELUDE_GREETING,
		strlen(PRELUDE_GREETING)) != 0) {
		free(client);
		stream_reset(arrival->stream);
		admission_leave(arrival->place);
		return;
	}
	client->router = router;
	client->arrival = *arrival;
	client->arrival.answer = NULL;
	client->arrival.ports = ports_keep(arrival->ports);
	if (arrival->side != NULL)
		side_keep(arrival->side);
	snprintf(client->host, sizeof(client->host), "%s", host);
	client->port = port;
	prelude_init(&client->prelude);
	TAILQ_INSERT_TAIL(&router->greeted, client, link);
	uv_timer_init(router->loop, &client->timer);
	client->timer.data = client;
	if (router->login_ms > 0)
		uv_timer_start(&client->timer, router_on_late, router->login_ms,
		    0);
	stream_set_handler(arrival->stream, &handler, client);
	stream_read_start(arrival->stream);
}

void
router_take(struct router *router, const struct arrival *arrival,
    const char *host, uint16_t port)
{
	const struct rules_request request = { .host = host, .port = port };

	if (!settle(router, arrival, &request))
		greet(router, arrival, host, port);
}

void
router_stop(struct router *router, const char *why)
{
	while (!TAILQ_EMPTY(&router->greeted))
		send_farewell(TAILQ_FIRST(&router->greeted), why);
}
