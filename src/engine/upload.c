/*
 * The control engine: the EOF of an upload.
 *
 * A client that was killed ends its data connection as cleanly as one that has
 * sent the whole file; but its control connection ends, too.  So the EOF is
 * held for a moment.  If the control connection has ended as well, the client
 * is probed: a dead one answers with a reset.  It is probed twice, because sshd
 * notices the first reset only when it writes again.  An EOF that is not proven
 * waits for longer: the only sign that it is real is that the control
 * connection still exists.
 */
#include "engine/priv.h"
#include "engine/react.h"

/*
 * Three things can show that an EOF that is not proven is not the end of the
 * file: ALLO announced a larger file, the data contain no end-of-file marker,
 * or the client's control connection has ended, as that of a killed client
 * does.
 */
const char *
data_doubt_upload(const struct engine *engine, const struct exchange *transfer,
    const struct data *data)
{
	if (data->client.eof != EOF_DOUBTED)
		return NULL;
	if (transfer != NULL && exchange_is_upload(transfer) &&
	    size_check(engine, transfer) == SIZE_SHORT)
		return "it ended before the size that ALLO announced";
	if (engine_is_framed(engine))
		return "the data did not contain the end-of-file marker";
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
	/* Else wait: the transfer may become the oldest, or the over-long line
	 * may end. */
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
	/* A client without a known address comes through sshd. */
	if (least > LIMIT_UPLOAD_EOF_LONG_MS ||
	    engine->config.client.family == AF_UNSPEC)
		least = LIMIT_UPLOAD_EOF_LONG_MS;
	if (ms > LIMIT_UPLOAD_EOF_MAX_MS)
		return LIMIT_UPLOAD_EOF_MAX_MS;
	return ms > least ? ms : least;
}

/* Meanwhile a server that stores a file when it is whole can finish writing. */
static void
data_wait_for_client(struct engine *engine, struct data *data)
{
	if (engine->config.stores_whole && data_transfer(engine, data) != NULL)
		data_act(engine, data, ENGINE_DATA_ENDING, ENGINE_SERVER);
	data_set_timer(engine, data, WAIT_UPLOAD_EOF);
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
	    size_check(engine, transfer) == SIZE_WHOLE)
		data->client.eof = EOF_CLEAN;
	/* If the SSH server sends no EOF, a client that has ended its
	 * connection cannot be probed. */
	doubt = data_doubt_upload(engine, transfer, data);
	if (doubt != NULL)
		react_drop_client(engine, data, doubt);
	else if (engine->peers[ENGINE_CLIENT].eof)
		probe_client(engine, data);
	else if (waited)
		data_shut(engine, data, ENGINE_SERVER);
	else
		data_wait_for_client(engine, data);
}

/* If the client is lost, client_gone() cuts the upload. */
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
