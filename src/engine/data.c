/*
 * The control engine: the data connections of a session, the actions on their
 * ends, and which transfers count as cut.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/priv.h"

/* ---- states ---- */

/* scripts/state-tables draws doc/design.md's pictures from these two tables. */
static const struct {
	enum data_state from, to;
} lives[] = {
	/* clang-format off */
	{ DATA_FREE, DATA_MAKING }, /* a request, or the reply to PASV */
	{ DATA_MAKING, DATA_ANNOUNCED }, /* PORT has been sent to the server */
	{ DATA_ANNOUNCED, DATA_ANNOUNCED }, /* PORT in another variant */
	{ DATA_MAKING, DATA_NEXT }, /* the client gets the reply to PASV */
	{ DATA_ANNOUNCED, DATA_NEXT }, /* the server has accepted PORT */
	{ DATA_NEXT, DATA_CURRENT }, /* first reply to a transfer */
	{ DATA_MAKING, DATA_CURRENT }, /* a refused transfer is sent again and uses it */
	{ DATA_CURRENT, DATA_NEXT }, /* refused before any data; or kept for the next file */
	{ DATA_CURRENT, DATA_ENDING }, /* refused or failed, EOF still to be passed on */
	{ DATA_MAKING, DATA_FREE }, /* an end could not be made */
	{ DATA_ANNOUNCED, DATA_FREE }, /* PORT was refused */
	{ DATA_NEXT, DATA_FREE }, /* another request, or USER, REIN, QUIT */
	{ DATA_CURRENT, DATA_FREE }, /* the transfer is over */
	{ DATA_ENDING, DATA_FREE }, /* EOF was passed on */
	/* clang-format on */
};

static const struct {
	enum data_course from, to;
} courses[] = {
	/* clang-format off */
	{ COURSE_GOOD, COURSE_ABORTED }, /* ABOR in a download */
	{ COURSE_ABORTED, COURSE_ABORTED_LATE }, /* the server had sent all: it says 2xx */
	{ COURSE_GOOD, COURSE_CUT }, /* a loss, or 2xx that is not believed; ABOR in an upload, on the way to CUT_ABORTED */
	{ COURSE_ABORTED, COURSE_CUT_ABORTED }, /* a loss, or no reply in time */
	{ COURSE_ABORTED_LATE, COURSE_CUT_ABORTED }, /* a loss, or no delivery in time */
	{ COURSE_CUT, COURSE_CUT_ABORTED }, /* ABOR */
	{ COURSE_CUT, COURSE_CUT_SETTLING }, /* the client, or its data connection, died in an upload */
	{ COURSE_CUT_ABORTED, COURSE_CUT_SETTLING }, /* the client, or its data connection, died in an upload */
	/* clang-format on */
};

void
data_enter(struct data *data, enum data_state state)
{
	const size_t n = sizeof(lives) / sizeof(lives[0]);
	size_t i = 0;

	while (i < n && (lives[i].from != data->state || lives[i].to != state))
		i++;
	assert(i < n);
	data->state = state;
}

void
data_set_course(struct data *data, enum data_course course)
{
	const size_t n = sizeof(courses) / sizeof(courses[0]);
	size_t i = 0;

	while (i < n &&
	    (courses[i].from != data->course || courses[i].to != course))
		i++;
	assert(i < n);
	data->course = course;
}

/* ---- the data connections ---- */

struct data *
data_find(struct engine *engine, uint32_t number)
{
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (engine->conns.data[i].state != DATA_FREE &&
		    engine->conns.data[i].number == number)
			return &engine->conns.data[i];
	return NULL;
}

/* How many more data connections the session may have. */
static size_t
room(const struct engine *engine)
{
	size_t max = engine->config.max_data, n = 0;

	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		n += engine->conns.data[i].state != DATA_FREE;
	if (max == 0 || max > LIMIT_SESSION_DATA)
		max = LIMIT_SESSION_DATA;
	return max > n ? max - n : 0;
}

static struct data *
free_slot(struct engine *engine)
{
	struct data *data;
	size_t n_free = room(engine);

	for (size_t i = 0; i < LIMIT_SESSION_DATA && n_free > 0; i++)
		if (engine->conns.data[i].state == DATA_FREE)
			return &engine->conns.data[i];
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++) {
		data = &engine->conns.data[i];
		if (data->state == DATA_ENDING) {
			data_close(engine, data);
			return data;
		}
	}
	return NULL;
}

static void
tell_framing(struct engine *engine, const struct data *data)
{
	struct engine_action *action = engine_act(engine, ENGINE_DATA_FRAMING);

	action->data = data->number;
	action->framing = engine_framing(engine);
}

void
data_set_framing(struct engine *engine)
{
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (engine->conns.data[i].state == DATA_MAKING ||
		    engine->conns.data[i].state == DATA_ANNOUNCED ||
		    engine->conns.data[i].state == DATA_NEXT)
			tell_framing(engine, &engine->conns.data[i]);
}

struct data *
data_open(struct engine *engine, const struct exchange *request,
    const struct engine_data_end *client, const struct engine_data_end *server)
{
	struct engine_action *action;
	struct data *data;

	/* The NEXT one is closed first: its port may be the only one in
	 * --client-ports, and the server has just closed its own listener, too.
	 * It stays if a transfer that was sent before will use it. */
	if (client->listens && engine->conns.next != NULL && request != NULL &&
	    engine->conns.next->client.how.listens &&
	    data_prepared(engine, request) == engine->conns.next)
		data_close(engine, engine->conns.next);
	data = free_slot(engine);
	if (data == NULL)
		return NULL;
	memset(data, 0, sizeof(*data));
	data->number = ++engine->conns.last_number;
	data_enter(data, DATA_MAKING);
	data->client.how = *client;
	data->server.how = *server;
	data->own = request != NULL ? request->request.own : VARIANT_EPSV;
	data->variant =
	    request != NULL ? request->request.variant : VARIANT_EPSV;
	data->unproven = request != NULL && !server->listens &&
	    (engine->memory->good & VARIANT_BIT(data->variant)) == 0;
	action = engine_act(engine, ENGINE_DATA_OPEN);
	action->data = data->number;
	action->client = *client;
	action->server = *server;
	action->unproven = data->unproven;
	/* The next action may move this one. */
	if (engine_is_framed(engine))
		tell_framing(engine, data);
	if (data->unproven)
		data_set_timer(engine, data, WAIT_PROOF);
	return data;
}

static void
data_forget(struct engine *engine, struct data *data)
{
	struct exchange *exchange;

	if (engine->conns.next == data)
		engine->conns.next = NULL;
	if (engine->conns.making == data)
		engine->conns.making = NULL;
	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->data == data)
			exchange->data = NULL;
	data_enter(data, DATA_FREE);
}

void
data_close(struct engine *engine, struct data *data)
{
	engine_act(engine, ENGINE_DATA_CLOSE)->data = data->number;
	data_forget(engine, data);
}

bool
data_is_made(const struct data *data)
{
	for (int peer = 0; peer < 2; peer++)
		if (data->ends[peer].how.listens &&
		    data->ends[peer].v4.family == AF_UNSPEC &&
		    data->ends[peer].v6.family == AF_UNSPEC)
			return false;
	return true;
}

bool
data_is_ready(const struct data *data)
{
	return data_is_made(data) && !data->unproven;
}

bool
data_has_failed(const struct data *data)
{
	return data->client.failed || data->server.failed;
}

const struct addr *
data_told(const struct data *data)
{
	const struct addr *addr = &data->client.v4;

	return addr->family != AF_UNSPEC ? addr : &data->client.v6;
}

/* The last request counts (RFC 959 section 4.1.2). */
void
data_make_next(struct engine *engine, struct data *data)
{
	if (engine->conns.next != NULL && engine->conns.next != data)
		data_close(engine, engine->conns.next);
	engine->conns.next = data;
	engine->conns.foreign = false;
	data_enter(data, DATA_NEXT);
	if (data->wait == WAIT_REPLY)
		data_set_timer(engine, data, WAIT_NONE);
}

/* Has the client got the host-port already, in a reply that is not over or
 * never ends?  Then the NEXT data connection is the one of this request. */
static bool
has_announced(const struct engine *engine, const struct exchange *exchange)
{
	return exchange == engine->reply.exchange &&
	    exchange_is_request(exchange) && engine->reply.how == REWRITE &&
	    engine->reply.rewritten && engine->conns.next != NULL;
}

struct data *
data_prepared(const struct engine *engine, const struct exchange *until)
{
	const unsigned changes =
	    VERB_IS_ACTIVE | VERB_IS_PASSIVE | VERB_SENDS | VERB_RECEIVES;
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link) {
		if (exchange == until)
			break;
		/* A transfer that has begun has its data connection. */
		if ((exchange->flags & changes) != 0 &&
		    !has_announced(engine, exchange) &&
		    !(exchange_is_transfer(exchange) &&
			exchange_has_begun(exchange)))
			return NULL;
	}
	return engine->conns.next;
}

struct data *
data_of(const struct engine *engine, struct exchange *transfer)
{
	if (transfer->data != NULL)
		return transfer->data;
	return data_prepared(engine, transfer);
}

struct data *
data_attach(struct engine *engine, struct exchange *transfer)
{
	if (transfer->data == NULL && engine->conns.next != NULL &&
	    data_of(engine, transfer) == engine->conns.next) {
		transfer->data = engine->conns.next;
		data_enter(transfer->data, DATA_CURRENT);
		engine->conns.next = NULL;
	}
	return transfer->data;
}

struct exchange *
data_transfer(const struct engine *engine, const struct data *data)
{
	struct exchange *transfer = exchange_transfer(engine);

	if (transfer != NULL && data_of(engine, transfer) == data)
		return transfer;
	return NULL;
}

struct exchange *
data_user(const struct engine *engine, const struct data *data)
{
	const unsigned changes =
	    VERB_IS_ACTIVE | VERB_IS_PASSIVE | VERB_VOIDS_DATA;
	const struct data *next = engine->conns.next, *used;
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link) {
		if (exchange_is_transfer(exchange)) {
			used = exchange->data;
			if (used == NULL && !exchange_has_begun(exchange))
				used = next;
			if (used == data)
				return exchange;
			if (used == next)
				next = NULL;
		} else if ((exchange->flags & changes) != 0 &&
		    !has_announced(engine, exchange)) {
			next = exchange->data;
		}
	}
	return NULL;
}

/* ---- actions on the ends ---- */

void
data_act(struct engine *engine, struct data *data, enum engine_action_type type,
    enum engine_peer peer)
{
	struct engine_action *action;

	if (data->ends[peer].lost)
		return;
	action = engine_act(engine, type);
	action->data = data->number;
	action->peer = peer;
	if (type == ENGINE_DATA_SHUT)
		data->ends[peer].shut = true;
	else if (type == ENGINE_DATA_DROP || type == ENGINE_DATA_RESET)
		data->ends[peer].lost = true;
	else if (type == ENGINE_DATA_DIAL)
		data->dialled = true;
}

void
data_shut(struct engine *engine, struct data *data, enum engine_peer peer)
{
	if (!data->ends[peer].shut)
		data_act(engine, data, ENGINE_DATA_SHUT, peer);
}

void
data_set_cut(struct data *data, const char *why)
{
	if (!data_is_cut(data))
		data_set_course(data,
		    data_is_aborted(data) ? COURSE_CUT_ABORTED : COURSE_CUT);
	if (data->why[0] == '\0')
		snprintf(data->why, sizeof(data->why), "%s", why);
}

void
data_reset_client(struct engine *engine, struct data *data)
{
	data_act(engine, data,
	    data->client.up ? ENGINE_DATA_RESET : ENGINE_DATA_DROP,
	    ENGINE_CLIENT);
}

/* ---- aborts and cuts ---- */

bool
data_is_aborted(const struct data *data)
{
	return data->course == COURSE_ABORTED ||
	    data->course == COURSE_ABORTED_LATE ||
	    data->course == COURSE_CUT_ABORTED;
}

bool
data_is_cut(const struct data *data)
{
	return data->course >= COURSE_CUT;
}

bool
data_is_called_off(const struct data *data)
{
	return data_is_aborted(data) || data->course == COURSE_CUT_SETTLING;
}

void
data_abort(struct engine *engine, struct data *data, bool upload)
{
	if (data_is_called_off(data) || data->delivered)
		return;
	if (upload && data->server.shut)
		return;
	if (upload)
		data_set_cut(data, "the client aborted");
	else
		data_act(engine, data, ENGINE_DATA_READ_ON, ENGINE_SERVER);
	data_set_course(data,
	    data_is_cut(data) ? COURSE_CUT_ABORTED : COURSE_ABORTED);
	data_set_timer(engine, data, WAIT_ABORT);
}

void
data_cut_upload(struct engine *engine, struct data *data, const char *why)
{
	if (data->course == COURSE_CUT_SETTLING)
		return;
	data_set_cut(data, why);
	data_set_course(data, COURSE_CUT_SETTLING);
	if (data->server.shut) {
		data_set_timer(engine, data, WAIT_CUT_END);
		return;
	}
	/* The data connection to the server stays open: the server would take
	 * its EOF for the end of the file. */
	data_reset_client(engine, data);
	engine_sendf(engine, ENGINE_SERVER, "ABOR");
	exchange_add(engine, EXCHANGE_OWN_ABORT, VERB_ABOR);
	data_set_timer(engine, data, WAIT_CUT);
}

bool
data_end_is_told(const struct engine *engine, const struct exchange *transfer)
{
	return transfer == engine->reply.exchange &&
	    engine_open_code(engine) >= 200;
}

void
data_server_gone(struct engine *engine, const char *why)
{
	struct exchange *transfer = exchange_transfer(engine);
	/* Without a transfer: the data connection that waits for one. */
	struct data *data =
	    transfer != NULL ? data_of(engine, transfer) : engine->conns.next;

	if (data == NULL)
		return;
	/* The server must not take this for the end of the file. */
	if (data_is_cut(data) && transfer != NULL &&
	    exchange_is_upload(transfer) && !data->server.shut)
		data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
	if (data_is_cut(data))
		return;
	if (transfer != NULL && data_end_is_told(engine, transfer))
		return;
	if (data->server.eof == EOF_CLEAN &&
	    (transfer == NULL || !exchange_is_upload(transfer)))
		return;
	data_set_cut(data, why);
	data_reset_client(engine, data);
	/* A reset, so that the server does not take it for the end of an upload
	 * (through an SSH channel it cannot see the difference). */
	data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
}
