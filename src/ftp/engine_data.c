/*
 * The control engine: data connections, what is done to their ends, and which
 * transfers count as cut.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ftp/engine_priv.h"

/* ---- the table ---- */

static struct data *
find(struct engine *engine, uint32_t number)
{
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (engine->data[i].state != DATA_FREE &&
		    engine->data[i].number == number)
			return &engine->data[i];
	return NULL;
}

static struct data *
free_slot(struct engine *engine)
{
	struct data *data;

	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (engine->data[i].state == DATA_FREE)
			return &engine->data[i];
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++) {
		data = &engine->data[i];
		if (data->state == DATA_ENDING) {
			data_close(engine, data);
			return data;
		}
	}
	return NULL;
}

struct data *
data_open(struct engine *engine, const struct pending *ask,
    const struct engine_data_end *client, const struct engine_data_end *server)
{
	struct engine_action *action;
	struct data *data;

	/* Its port may be the only one there is (--client-ports), and the
	 * server has just let go of it too; unless a transfer that was sent
	 * before is to have it. */
	if (client->listens && engine->next != NULL && ask != NULL &&
	    engine->next->end[ENGINE_CLIENT].listens &&
	    data_prepared(engine, ask) == engine->next)
		data_close(engine, engine->next);
	data = free_slot(engine);
	if (data == NULL)
		return NULL;
	memset(data, 0, sizeof(*data));
	data->number = ++engine->last_number;
	data->state = DATA_MAKING;
	data->end[ENGINE_CLIENT] = *client;
	data->end[ENGINE_SERVER] = *server;
	data->own = ask != NULL ? ask->own : FORM_EPSV;
	data->form = ask != NULL ? ask->form : FORM_EPSV;
	action = engine_act(engine, ENGINE_DATA_OPEN);
	action->data = data->number;
	action->client = *client;
	action->server = *server;
	return data;
}

static void
forget(struct engine *engine, struct data *data)
{
	struct pending *pending;

	if (engine->next == data)
		engine->next = NULL;
	if (engine->making == data)
		engine->making = NULL;
	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->data == data)
			pending->data = NULL;
	data->state = DATA_FREE;
}

void
data_close(struct engine *engine, struct data *data)
{
	engine_act(engine, ENGINE_DATA_CLOSE)->data = data->number;
	forget(engine, data);
}

bool
data_is_made(const struct data *data)
{
	for (int peer = 0; peer < 2; peer++)
		if (data->end[peer].listens && !data->listening[peer])
			return false;
	return true;
}

/* Last one wins (RFC 959 section 4.1.2): an earlier one is let go. */
void
data_make_next(struct engine *engine, struct data *data)
{
	if (engine->next != NULL && engine->next != data)
		data_close(engine, engine->next);
	engine->next = data;
	data->state = DATA_NEXT;
	if (data->wait == WAIT_REPLY)
		data_set_timer(engine, data, WAIT_NONE, 0);
}

struct data *
data_prepared(struct engine *engine, const struct pending *until)
{
	const unsigned changes =
	    VERB_IS_ACTIVE | VERB_IS_PASSIVE | VERB_SENDS | VERB_RECEIVES;
	struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link) {
		if (pending == until)
			break;
		/* A transfer that has begun has taken its own. */
		if ((pending->flags & changes) != 0 &&
		    !(pending_is_transfer(pending) && pending->begun))
			return NULL;
	}
	return engine->next;
}

struct data *
data_of(struct engine *engine, struct pending *transfer)
{
	if (transfer->data != NULL)
		return transfer->data;
	return data_prepared(engine, transfer);
}

struct data *
data_attach(struct engine *engine, struct pending *transfer)
{
	if (transfer->data == NULL && engine->next != NULL &&
	    data_of(engine, transfer) == engine->next) {
		transfer->data = engine->next;
		transfer->data->state = DATA_CURRENT;
		engine->next = NULL;
	}
	return transfer->data;
}

static struct pending *
transfer_of(struct engine *engine, const struct data *data)
{
	struct pending *transfer = pending_transfer(engine);

	if (transfer != NULL && data_of(engine, transfer) == data)
		return transfer;
	return NULL;
}

/* ---- what is done to the ends ---- */

void
data_set_timer(struct engine *engine, struct data *data, enum data_wait wait,
    uint64_t ms)
{
	struct engine_action *action;

	if (wait == WAIT_NONE && data->wait == WAIT_NONE)
		return;
	data->wait = wait;
	action = engine_act(engine, ENGINE_DATA_TIMER);
	action->data = data->number;
	action->ms = wait == WAIT_NONE ? 0 : ms;
}

void
data_act(struct engine *engine, struct data *data, enum engine_action_type type,
    enum engine_peer peer)
{
	struct engine_action *action;

	if (data->lost[peer])
		return;
	action = engine_act(engine, type);
	action->data = data->number;
	action->peer = peer;
	if (type == ENGINE_DATA_SHUT)
		data->shut[peer] = true;
	else if (type == ENGINE_DATA_DROP || type == ENGINE_DATA_RESET)
		data->lost[peer] = true;
	else if (type == ENGINE_DATA_DIAL)
		data->dialled = true;
}

void
data_shut(struct engine *engine, struct data *data, enum engine_peer peer)
{
	if (!data->shut[peer])
		data_act(engine, data, ENGINE_DATA_SHUT, peer);
}

void
data_set_cut(struct data *data, const char *why)
{
	data->cut = true;
	if (data->why[0] == '\0')
		snprintf(data->why, sizeof(data->why), "%s", why);
}

/* The client must see that this was not the end: a reset, or nobody there. */
void
data_reset_client(struct engine *engine, struct data *data)
{
	data_act(engine, data,
	    data->up[ENGINE_CLIENT] ? ENGINE_DATA_RESET : ENGINE_DATA_DROP,
	    ENGINE_CLIENT);
}

/* ---- aborts and cuts ---- */

void
data_abort(struct engine *engine, struct data *data, bool upload)
{
	if (data->aborting || data->cutting || data->delivered)
		return;
	if (upload && data->shut[ENGINE_SERVER])
		return;
	data->aborting = true;
	if (upload)
		data_set_cut(data, "the client aborted");
	else
		data_act(engine, data, ENGINE_DATA_STOP, ENGINE_SERVER);
	data_set_timer(engine, data, WAIT_ABORT, LIMIT_ABORT_MS);
}

void
data_cut_upload(struct engine *engine, struct data *data, const char *why)
{
	if (data->cutting)
		return;
	data->cutting = true;
	data_set_cut(data, why);
	if (data->shut[ENGINE_SERVER]) {
		data_set_timer(engine, data, WAIT_CUT_END, LIMIT_CUT_UPLOAD_MS);
		return;
	}
	/* The far data connection stays open: its end would be the file's. */
	data_reset_client(engine, data);
	engine_sendf(engine, ENGINE_SERVER, "ABOR");
	pending_add(engine, PENDING_OURS, VERB_ABOR);
	data_set_timer(engine, data, WAIT_CUT, LIMIT_CUT_UPLOAD_MS);
}

/* Has its end been told already, but for some lines? */
static bool
end_is_told(const struct engine *engine, const struct pending *transfer)
{
	return transfer == engine->replying && engine->reply.code >= 200;
}

void
data_server_gone(struct engine *engine, const char *why)
{
	struct pending *transfer = pending_transfer(engine);
	/* Without a transfer, the one that waits for its command. */
	struct data *data =
	    transfer != NULL ? data_of(engine, transfer) : engine->next;

	if (data == NULL)
		return;
	/* Whatever was decided: this is no end of an upload. */
	if (data->cut && transfer != NULL && pending_is_upload(transfer) &&
	    !data->shut[ENGINE_SERVER])
		data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
	if (data->cut)
		return;
	if (transfer != NULL && end_is_told(engine, transfer))
		return;
	if (data->eof[ENGINE_SERVER] &&
	    (transfer == NULL || !pending_is_upload(transfer)))
		return;
	data_set_cut(data, why);
	data_reset_client(engine, data);
	/* Where it can be seen (no channel shows it), no end of an upload. */
	data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
}

/* ---- events ---- */

static void
on_listening(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data->state != DATA_MAKING)
		return;
	assert(event->v4.family != AF_UNSPEC || event->v6.family != AF_UNSPEC);
	data->v4[event->peer] = event->v4;
	data->v6[event->peer] = event->v6;
	data->listening[event->peer] = true;
	if (event->peer == ENGINE_CLIENT && data->lost[ENGINE_SERVER])
		data_reset_client(engine, data);
}

static void
on_no_listener(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data->state != DATA_MAKING) {
		data_close(engine, data);
		return;
	}
	snprintf(data->why, sizeof(data->why), "%s", event->why);
	data->passing = event->passing;
	data->failed[event->peer] = true;
}

static void
on_up(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->up[event->peer] = true;
	if (event->peer == ENGINE_SERVER && !data->end[ENGINE_CLIENT].listens)
		data->expired = false;
	if (event->peer == ENGINE_CLIENT &&
	    (data->wait == WAIT_ACCEPT || data->wait == WAIT_DIAL ||
		data->wait == WAIT_CONNECT))
		data_set_timer(engine, data, WAIT_NONE, 0);
}

/*
 * The end of an upload.  A client that was killed ends its data connection as
 * cleanly as one that has sent everything; but then its control connection
 * ends with it.  So the end waits a moment, and if control has ended too, the
 * client is probed: a dead one answers with a reset.  Twice, since sshd hears
 * of the first reset by the second write.
 */
static void
probe_client(struct engine *engine, struct data *data)
{
	if (transfer_of(engine, data) != NULL && engine->reply.code == 0 &&
	    !engine->fragment[ENGINE_SERVER])
		engine_sendf(engine, ENGINE_CLIENT,
		    "150 Waiting for the server to store the file.");
	data_set_timer(engine, data, WAIT_PROBE, LIMIT_PROBE_MS);
}

static void
upload_eof(struct engine *engine, struct data *data)
{
	struct pending *transfer = transfer_of(engine, data);

	if (data->cutting || data->aborting)
		return;
	if (transfer != NULL && (transfer->flags & VERB_SENDS) == 0) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	if (!engine->eof[ENGINE_CLIENT]) {
		/* Only sshd hides the address of a client. */
		data_set_timer(engine, data, WAIT_UPLOAD_EOF,
		    engine->config.client.family == AF_UNSPEC ?
			LIMIT_FAR_UPLOAD_EOF_MS :
			LIMIT_UPLOAD_EOF_MS);
		return;
	}
	probe_client(engine, data);
}

static void
on_eof(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->eof[event->peer] = true;
	if (event->peer == ENGINE_SERVER) {
		if (!data->cut)
			data_shut(engine, data, ENGINE_CLIENT);
	} else if (data->state == DATA_ENDING)
		data_close(engine, data);
	else
		upload_eof(engine, data);
}

static void
lost_client(struct engine *engine, struct data *data, const char *why)
{
	struct pending *transfer = transfer_of(engine, data);
	bool upload = transfer != NULL && pending_is_upload(transfer);

	data->lost[ENGINE_CLIENT] = true;
	if (data->delivered || (upload && data->shut[ENGINE_SERVER]) ||
	    (upload && data->aborting))
		return;
	if (data->state == DATA_ENDING) {
		data_close(engine, data);
	} else if (upload) {
		data_cut_upload(engine, data, why);
	} else {
		data_set_cut(data, why);
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	}
}

static void
lost_server(struct engine *engine, struct data *data, const char *why)
{
	struct pending *transfer = transfer_of(engine, data);
	bool upload = transfer != NULL && pending_is_upload(transfer);

	/* After the end of an upload this means that not all of it has left
	 * us: an end of both directions is no loss. */
	data->lost[ENGINE_SERVER] = true;
	if (data->eof[ENGINE_SERVER] && !upload) {
		/* It had ended cleanly before; now nobody reads there. */
		if (data->state == DATA_NEXT)
			data_close(engine, data);
		return;
	}
	data_set_cut(data, why);
	/* A listener that is still being made: see on_listening(). */
	if (data_is_made(data))
		data_reset_client(engine, data);
	if (data->state == DATA_ENDING)
		data_close(engine, data);
}

static void
on_lost(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data->lost[event->peer])
		return;
	if (event->peer == ENGINE_CLIENT)
		lost_client(engine, data, event->why);
	else
		lost_server(engine, data, event->why);
}

static void
on_delivered(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (event->peer != ENGINE_CLIENT || !data->up[ENGINE_CLIENT] ||
	    !data->shut[ENGINE_CLIENT])
		return;
	data->delivered = true;
	if (data->state == DATA_ENDING)
		data_close(engine, data);
}

static void
abort_timeout(struct engine *engine, struct data *data)
{
	struct pending *transfer = transfer_of(engine, data);

	data_set_cut(data, "the client aborted");
	if (transfer != NULL && pending_is_upload(transfer)) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	if (data->up[ENGINE_CLIENT])
		data_shut(engine, data, ENGINE_CLIENT);
}

/* The reply to its PORT does not come, or went elsewhere: wait no more. */
static void
be_sure(struct engine *engine, const struct data *data)
{
	struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->data == data)
			pending->unsure = false;
}

static void
on_timeout(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	const struct pending *transfer = transfer_of(engine, data);
	enum data_wait wait = data->wait;

	(void)event;
	data->wait = WAIT_NONE;
	switch (wait) {
	case WAIT_ACCEPT:
		data->expired = true;
		break;
	case WAIT_DIAL:
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_CLIENT);
		lost_client(engine, data,
		    "the client's data port did not answer");
		break;
	case WAIT_CONNECT:
		if (transfer != NULL && end_is_told(engine, transfer))
			break;
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_CLIENT);
		lost_client(engine, data, "the client did not connect");
		break;
	case WAIT_UPLOAD_EOF:
		if (engine->lost[ENGINE_CLIENT])
			break; /* about to be cut, see client_gone() */
		if (engine->eof[ENGINE_CLIENT])
			upload_eof(engine, data);
		else
			data_shut(engine, data, ENGINE_SERVER);
		break;
	case WAIT_PROBE:
		if (engine->lost[ENGINE_CLIENT])
			break;
		if (!data->probing) {
			data->probing = true;
			probe_client(engine, data);
			break;
		}
		data->probed = true;
		data_shut(engine, data, ENGINE_SERVER);
		break;
	case WAIT_ABORT:
		abort_timeout(engine, data);
		break;
	case WAIT_CUT:
		data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
		data_set_timer(engine, data, WAIT_CUT_END, LIMIT_CUT_UPLOAD_MS);
		break;
	case WAIT_REPLY:
		be_sure(engine, data);
		break;
	case WAIT_CUT_END:
	case WAIT_NONE:
		break;
	}
}

static void
on_quiet(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	(void)event;
	if (!data->quiet_watch)
		return;
	data->quiet_watch = false;
	if (!data->up[ENGINE_SERVER]) {
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
		lost_server(engine, data,
		    "the server's data port did not answer");
	} else if (!data->eof[ENGINE_SERVER]) {
		/* The client has all that came, and no end comes: a server
		 * that keeps its connection, or a link that stands still with
		 * the rest of the file. */
		data_set_cut(data, "the data stopped before their end");
		data_reset_client(engine, data);
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	}
}

/* An end that is dead, or was dropped, or never stood, has nothing to say. */
static bool
may_say(const struct data *data, const struct engine_data_event *event)
{
	switch (event->type) {
	case ENGINE_DATA_UP:
		return !data->lost[event->peer];
	case ENGINE_DATA_EOF:
	case ENGINE_DATA_DELIVERED:
		return !data->lost[event->peer] && data->up[event->peer];
	case ENGINE_DATA_LISTENING:
	case ENGINE_DATA_NO_LISTENER:
	case ENGINE_DATA_LOST:
	case ENGINE_DATA_TIMEOUT:
	case ENGINE_DATA_IS_QUIET:
	case ENGINE_DATA_MOVED:
		break;
	}
	return true;
}

void
engine_data(struct engine *engine, const struct engine_data_event *event)
{
	static void (*const handlers[])(struct engine *, struct data *,
	    const struct engine_data_event *) = {
		[ENGINE_DATA_LISTENING] = on_listening,
		[ENGINE_DATA_NO_LISTENER] = on_no_listener,
		[ENGINE_DATA_UP] = on_up,
		[ENGINE_DATA_EOF] = on_eof,
		[ENGINE_DATA_LOST] = on_lost,
		[ENGINE_DATA_DELIVERED] = on_delivered,
		[ENGINE_DATA_TIMEOUT] = on_timeout,
		[ENGINE_DATA_IS_QUIET] = on_quiet,
	};
	struct data *data = find(engine, event->data);

	if (data == NULL || engine->ended)
		return;
	data->bytes[ENGINE_CLIENT] = event->to_client;
	data->bytes[ENGINE_SERVER] = event->to_server;
	if (event->type != ENGINE_DATA_MOVED && may_say(data, event))
		handlers[event->type](engine, data, event);
}
