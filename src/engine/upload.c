/*
 * The control engine: the end of an upload.
 *
 * A client that was killed ends its data connection as cleanly as one that has
 * sent everything; but then its control connection ends with it.  So the end
 * waits a moment, and if control has ended too, the client is probed: a dead
 * one answers with a reset.  Twice, since sshd hears of the first reset by the
 * second write.  An end that is not proven waits for longer: that the client's
 * control connection outlives it is all that speaks for it.
 */
#include "engine/priv.h"
#include "engine/react.h"

/*
 * Nobody says that an end which is not proven was one; but the client's control
 * connection would not outlive a client that was killed, ALLO may have said how
 * long the file is, and the end of some stands in their data.
 */
const char *
data_doubt_upload(const struct engine *engine, const struct exchange *transfer,
    const struct data *data)
{
	if (data->client.eof != EOF_DOUBTED)
		return NULL;
	if (transfer != NULL && exchange_is_upload(transfer) &&
	    report_size(engine, transfer) == SIZE_SHORT)
		return "it has ended before the size that ALLO had";
	if (engine_is_framed(engine))
		return "the end of the file was not in its data";
	if (engine_has_gone(engine, ENGINE_CLIENT))
		return "the client is gone";
	return NULL;
}

static void
probe_client(struct engine *engine, struct data *data)
{
	unsigned open = reply_is_dropped(engine) ? 0 : engine_open_code(engine);

	if (data_user(engine, data) == NULL &&
	    line_reader_len(&engine->peers[ENGINE_CLIENT].input) == 0) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	/* Else its turn may come, or the end of a long line. */
	if (data_transfer(engine, data) != NULL &&
	    !engine->peers[ENGINE_SERVER].fragment) {
		data->probes++;
		engine_sendf(engine, ENGINE_CLIENT,
		    "%03u%cWaiting for the server to store the file.",
		    open != 0 ? open : 150, open != 0 ? '-' : ' ');
	}
	data_set_timer(engine, data, WAIT_PROBE);
}

uint64_t
upload_wait_ms(const struct engine *engine, const struct data *data)
{
	uint64_t least =
	    LIMIT_UPLOAD_EOF_MS + data->server.bytes / LIMIT_UPLOAD_EOF_BYTES;
	uint64_t ms = data->age_ms / LIMIT_UPLOAD_EOF_PART;

	if (data->client.eof == EOF_DOUBTED)
		return LIMIT_UNPROVEN_MS;
	/* Only sshd hides the address of a client. */
	if (least > LIMIT_UPLOAD_EOF_LONG_MS ||
	    engine->config.client.family == AF_UNSPEC)
		least = LIMIT_UPLOAD_EOF_LONG_MS;
	if (ms > LIMIT_UPLOAD_EOF_MAX_MS)
		return LIMIT_UPLOAD_EOF_MAX_MS;
	return ms > least ? ms : least;
}

void
upload_end(struct engine *engine, struct data *data, bool waited)
{
	struct exchange *transfer = data_transfer(engine, data);
	const char *doubt;

	if (data_is_called_off(data))
		return;
	if (transfer != NULL && (transfer->flags & VERB_SENDS) == 0) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	if (transfer != NULL && exchange_is_upload(transfer) &&
	    report_size(engine, transfer) == SIZE_WHOLE)
		data->client.eof = EOF_CLEAN;
	/* Behind such an SSH server nothing of a client that has ended is there
	 * to be probed. */
	doubt = data_doubt_upload(engine, transfer, data);
	if (doubt != NULL)
		react_drop_client(engine, data, doubt);
	else if (engine->peers[ENGINE_CLIENT].eof)
		probe_client(engine, data);
	else if (waited)
		data_shut(engine, data, ENGINE_SERVER);
	else
		data_set_timer(engine, data, WAIT_UPLOAD_EOF);
}

/* One whose client has gone is about to be cut: see client_gone(). */
void
upload_waited(struct engine *engine, struct data *data)
{
	if (!engine->peers[ENGINE_CLIENT].lost)
		upload_end(engine, data, true);
}

void
upload_probed(struct engine *engine, struct data *data)
{
	if (engine->peers[ENGINE_CLIENT].lost)
		return;
	if (data->probes + 1 < PROBES_MAX) {
		probe_client(engine, data);
	} else {
		data->probes = PROBES_MAX;
		data_shut(engine, data, ENGINE_SERVER);
	}
}
