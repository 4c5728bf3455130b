/*
 * The control engine: what is done with a reply to a transfer.  The reply may
 * come before all data have been relayed, or call a transfer complete that is
 * not.
 */
#include "engine/priv.h"

struct answer {
	unsigned code;
	const uint8_t *line;
	size_t len;
	bool again; /* a second 150: pure-ftpd's last reply to a cut download */
};

/* ---- cases; data is NULL if no data connection is known ---- */

#define CASE(name)                                                    \
	static bool name(const struct engine *engine,                 \
	    const struct exchange *transfer, const struct data *data, \
	    const struct answer *answer)

CASE(may_be_sent_again)
{
	return answer->code == 425 && retry_is_possible(engine, transfer);
}

CASE(was_sent_again)
{
	return transfer->move.again_tried != 0;
}

CASE(is_cut)
{
	return data != NULL && data_is_cut(data);
}

CASE(is_cut_and_150_comes_again)
{
	return is_cut(engine, transfer, data, answer) && answer->again;
}

/*
 * The SSH server has closed the server's end of a download, and never tells
 * whether the FTP server did so (RFC 4254 section 5.3: EOF before CLOSE is not
 * required).  The FTP server's final reply decides: it shows that the server is
 * alive, and the link too.
 */
CASE(server_end_is_doubted)
{
	return data != NULL && data->server.eof >= EOF_DOUBTED;
}

CASE(doubted_end_of_aborted_transfer)
{
	return server_end_is_doubted(engine, transfer, data, answer) &&
	    data_is_aborted(data);
}

/* If a size is known, it must agree. */
CASE(doubted_end_agrees_with_size)
{
	enum size_check size;

	if (!server_end_is_doubted(engine, transfer, data, answer))
		return false;
	size = size_check(engine, transfer);
	return (size == SIZE_WHOLE ||
		   (size == SIZE_UNKNOWN &&
		       data->server.eof != EOF_DOUBTED_SIZE)) &&
	    (!engine_is_framed(engine) ||
		data_file_ended(engine, data, ENGINE_SERVER));
}

/*
 * Active mode: the 150 and the 226 could reach the client before its data
 * connection is made, and clients take that for a failure.
 */
CASE(we_have_not_reached_the_client)
{
	return data != NULL && !data_is_cut(data) &&
	    !data->client.how.listens && !data->client.up && !data->expired &&
	    !data_is_aborted(data);
}

/*
 * Passive mode: a client that has sent the command before it connects could get
 * the 150 first, send a small file and close the connection before culvert
 * accepts it.  Most servers send no 150 before the client's connection either.
 */
CASE(client_could_be_gone_before_its_look_up)
{
	return data != NULL && engine->config.looks_up &&
	    exchange_is_upload(transfer) && !data_is_cut(data) &&
	    data->client.how.listens && !data->client.up && !data->expired &&
	    !data_is_aborted(data);
}

CASE(client_has_not_come)
{
	return data != NULL && !data_is_cut(data) && data->client.how.listens &&
	    !data->client.up;
}

/*
 * The upload may have used another SSH connection than the reply.  The server
 * has got an EOF, but sshd may have made it because that SSH connection was
 * lost.  Only an EOF of the server, which comes through the same SSH
 * connection, shows that it was not.
 */
CASE(upload_by_another_link_is_not_ended)
{
	return data != NULL && !data_is_cut(data) &&
	    exchange_is_upload(transfer) && engine->config.upload_apart &&
	    data->server.up && data->server.shut && data->server.eof == EOF_NOT;
}

CASE(download_is_not_delivered)
{
	return data != NULL && !data_is_cut(data) &&
	    !exchange_is_upload(transfer) && !data->delivered &&
	    !data->expired && data->client.up;
}

CASE(client_has_not_come_for_download)
{
	return data != NULL && !data_is_cut(data) &&
	    !exchange_is_upload(transfer) && !data->delivered &&
	    !data->expired && !data->client.up;
}

/*
 * The server replies 2xx to a transfer for which it never connected.  That
 * cannot be true of an upload, nor of a file unless it is known to be empty.
 * But some servers do not connect for an empty listing; and culvert knows
 * nothing of a data connection that does not go through it.
 */
CASE(server_never_connected)
{
	if (is_cut(engine, transfer, data, answer) ||
	    (data != NULL ? data->server.up : engine->conns.foreign))
		return false;
	return exchange_is_upload(transfer) ||
	    (transfer->verb == VERB_RETR &&
		size_check(engine, transfer) != SIZE_WHOLE);
}

CASE(there_was_no_data_connection)
{
	return data == NULL &&
	    server_never_connected(engine, transfer, data, answer);
}

/* The server replies 2xx to an upload before it has got the EOF: bytes that the
 * client still sends, or that wait here, would be lost. */
CASE(upload_is_not_sent)
{
	return data != NULL && !data_is_cut(data) &&
	    exchange_is_upload(transfer) &&
	    !((data->server.shut ||
		  data_file_ended(engine, data, ENGINE_CLIENT)) &&
		data->unsent == 0);
}

CASE(upload_is_doubted)
{
	return data != NULL && !data_is_cut(data) &&
	    exchange_is_upload(transfer) &&
	    data_doubt_upload(engine, transfer, data) != NULL;
}

/* ---- actions ---- */

#define ACTION(name)                                                       \
	static void name(struct engine *engine, struct exchange *transfer, \
	    struct data *data, const struct answer *answer)

ACTION(send_it_again)
{
	engine->reply.how = DROP_RETRY;
	retry_begin(engine, transfer, answer->line, answer->len);
}

ACTION(learn_from_it)
{
	learn_retried(engine, transfer, answer->code);
}

ACTION(await_quiet)
{
	hold_watch_quiet(engine, data);
}

/* The server has closed its connection, so it does not wait for the client's
 * EOF. */
ACTION(believe_end)
{
	data->server.eof = EOF_CLEAN;
	data_shut(engine, data, ENGINE_CLIENT);
}

ACTION(doubt_no_more)
{
	data->server.eof = EOF_CLEAN;
}

static void
verdict_cut(struct engine *engine, struct data *data, const char *why)
{
	data_set_cut(data, why);
	data_reset_client(engine, data);
}

ACTION(cut_by_ssh_server)
{
	data->server.eof = EOF_CLEAN;
	verdict_cut(engine, data,
	    "the SSH server closed the data connection before the end of the "
	    "data");
}

ACTION(cut_as_server_says)
{
	data->server.eof = EOF_CLEAN;
	verdict_cut(engine, data, "the server aborted the transfer");
}

ACTION(cut_without_data)
{
	verdict_cut(engine, data, REPORT_NO_DATA);
}

ACTION(cut_unsent)
{
	verdict_cut(engine, data,
	    "the server replied before the end of the data");
}

ACTION(cut_doubted)
{
	verdict_cut(engine, data, data_doubt_upload(engine, transfer, data));
}

ACTION(connect_client)
{
	if (!data->server.how.listens && !data->dialled)
		data_act(engine, data, ENGINE_DATA_DIAL, ENGINE_CLIENT);
	if (!data->server.up && !data->dialled) {
		if (data->wait == WAIT_NONE)
			data_set_timer(engine, data, WAIT_ACCEPT);
	} else if (data->wait != WAIT_DIAL) {
		data_set_timer(engine, data, WAIT_DIAL);
	}
}

ACTION(await_look_up)
{
	if (data->wait == WAIT_NONE)
		data_set_timer(engine, data, WAIT_LOOK_UP);
}

ACTION(await_client)
{
	if (data->wait == WAIT_NONE)
		data_set_timer(engine, data, WAIT_CONNECT);
}

ACTION(await_delivery)
{
	if (data->course == COURSE_ABORTED) {
		/* The server had sent everything before it got the ABOR. */
		data_set_course(data, COURSE_ABORTED_LATE);
		data_set_timer(engine, data, WAIT_ABORT);
	}
	hold_watch_quiet(engine, data);
}

/* Sends an error in place of a 2xx that is not believed. */
static void
refuse_good(struct engine *engine, unsigned code, const char *why)
{
	engine->reply.how = DROP;
	engine->reply.told = code;
	engine_sendf(engine, ENGINE_CLIENT, "%u Transfer not complete: %s.",
	    code, why);
}

ACTION(tell_no_data)
{
	refuse_good(engine, 425, REPORT_NO_DATA);
}

ACTION(tell_cut)
{
	refuse_good(engine, data->client.up ? 426 : 425,
	    data->why[0] != '\0' ? data->why : "the data connection was cut");
}

/* ---- the table ---- */

#define FIRST 1U /* 1xx */
#define GOOD 2U	 /* 2xx */
#define BAD 4U	 /* 3xx to 5xx */
#define ANY (FIRST | GOOD | BAD)

enum verdict {
	GO_ON, /* continue with the next row */
	HOLD,  /* the reply is held, and examined again at the next event */
	DONE,  /* the reply passes, unless the action has replaced it */
};

/*
 * For a reply of that kind, all rows whose case holds apply, in this order,
 * until one says HOLD or DONE.  If none does, the reply passes.
 * scripts/state-tables puts these rows into doc/design.md.
 */
static const struct {
	unsigned kinds;
	bool (*when)(const struct engine *engine,
	    const struct exchange *transfer, const struct data *data,
	    const struct answer *answer);
	void (*then)(struct engine *engine, struct exchange *transfer,
	    struct data *data, const struct answer *answer);
	enum verdict verdict;
} rules[] = {
	/* clang-format off */
	{ BAD, may_be_sent_again, send_it_again, DONE },

	{ FIRST, server_end_is_doubted, await_quiet, GO_ON },
	{ GOOD, doubted_end_agrees_with_size, believe_end, GO_ON },
	{ GOOD | BAD, doubted_end_of_aborted_transfer, doubt_no_more, GO_ON },
	{ GOOD, server_end_is_doubted, cut_by_ssh_server, GO_ON },
	{ BAD, server_end_is_doubted, cut_as_server_says, GO_ON },

	{ FIRST | GOOD, we_have_not_reached_the_client, connect_client, HOLD },
	{ FIRST, client_could_be_gone_before_its_look_up, await_look_up, HOLD },
	{ FIRST, client_has_not_come, await_client, GO_ON },
	{ GOOD, upload_by_another_link_is_not_ended, await_quiet, HOLD },
	{ GOOD, client_has_not_come_for_download, await_client, HOLD },
	{ GOOD, download_is_not_delivered, await_delivery, HOLD },

	{ ANY, was_sent_again, learn_from_it, GO_ON },
	{ GOOD, there_was_no_data_connection, tell_no_data, DONE },
	{ GOOD, server_never_connected, cut_without_data, GO_ON },
	{ GOOD, upload_is_not_sent, cut_unsent, GO_ON },
	{ GOOD, upload_is_doubted, cut_doubted, GO_ON },
	{ FIRST, is_cut_and_150_comes_again, tell_cut, DONE },
	{ GOOD, is_cut, tell_cut, DONE },
	/* clang-format on */
};

enum step
transfer_begin_reply(struct engine *engine, struct exchange *transfer,
    unsigned code, const uint8_t *line, size_t len)
{
	struct data *data = data_attach(engine, transfer);
	struct answer answer = { code, line, len, false };
	unsigned kind = code < 200 ? FIRST : code < 300 ? GOOD : BAD;
	enum verdict verdict = GO_ON;

	answer.again =
	    exchange_has_begun(transfer) && match_begins_transfer(code);
	if (transfer->rest == NULL) {
		transfer->rest = engine->session.rest;
		engine->session.rest = NULL;
	}
	engine->reply.how = PASS;
	for (size_t i = 0;
	     i < sizeof(rules) / sizeof(rules[0]) && verdict == GO_ON; i++) {
		if ((rules[i].kinds & kind) == 0 ||
		    !rules[i].when(engine, transfer, data, &answer))
			continue;
		rules[i].then(engine, transfer, data, &answer);
		verdict = rules[i].verdict;
	}
	if (verdict == HOLD)
		return STEP_WAIT;
	if (answer.again)
		transfer->stage = STAGE_AGAIN;
	return STEP_DONE;
}

void
transfer_end_cut(struct engine *engine, struct exchange *transfer)
{
	tell_cut(engine, transfer, transfer->data, NULL);
	reply_end_command(engine, transfer, 150);
}
