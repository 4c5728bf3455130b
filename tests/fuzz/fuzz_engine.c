/*
 * The control engine, driven by a byte code (seed_engine.py makes it of
 * tests/vectors/engine): a byte of options, then inputs.  0pnnnnnn: n bytes of
 * peer p follow.  1pkkkkkk: event k of peer p, data events with their number.
 */
#include <assert.h>
#include <string.h>

#include "ftp/engine_priv.h"
#include "fuzz.h"

enum number {
	NEW,
	AHEAD, /* of which the client was not told */
	OPEN,
	CUT, /* and its client has seen it */
	VOID
};

struct fuzz {
	struct engine *engine;
	uint8_t numbers[256];
	bool listens[256][2];
	bool ended, partial; /* partial: the server may get half a line */
};

static void
check_number(uint8_t *number, const struct engine_action *action)
{
	bool opens = action->type == ENGINE_DATA_OPEN;

	assert(opens ? *number == NEW : *number != NEW && *number != VOID);
	if (opens)
		*number = action->ahead ? AHEAD : OPEN;
	else if (action->type == ENGINE_DATA_GIVE) {
		assert(*number == AHEAD);
		*number = OPEN;
	} else if (action->type == ENGINE_DATA_CLOSE)
		*number = VOID;
	else if (action->peer == ENGINE_CLIENT &&
	    (action->type == ENGINE_DATA_RESET ||
		action->type == ENGINE_DATA_DROP))
		*number = CUT;
}

static void
check(struct fuzz *fuzz, const struct engine_action *action)
{
	const struct engine_report *report = &action->report;

	assert(!fuzz->ended);
	fuzz->ended = action->type == ENGINE_END;
	if (action->type == ENGINE_DATA_OPEN) {
		fuzz->listens[action->data][ENGINE_CLIENT] =
		    action->client.listens;
		fuzz->listens[action->data][ENGINE_SERVER] =
		    action->server.listens;
	}
	if (action->type >= ENGINE_DATA_OPEN)
		check_number(&fuzz->numbers[action->data % 256], action);
	if (action->type == ENGINE_SEND && action->peer == ENGINE_SERVER)
		assert(fuzz->partial || action->bytes[action->len - 1] == '\n');
	if (action->type == ENGINE_REPORT && report->client_code / 100 == 2)
		/* Block mode holds no reply: its first line may have passed. */
		assert(fuzz->numbers[action->data % 256] != CUT ||
		    (fuzz->engine->mode_block &&
			report->outcome != ENGINE_COMPLETE));
	if (action->type == ENGINE_REPORT)
		assert(fuzz->numbers[action->data % 256] != AHEAD);
	if (fuzz->ended)
		assert(memchr(fuzz->numbers, AHEAD, 256) == NULL &&
		    memchr(fuzz->numbers, OPEN, 256) == NULL &&
		    memchr(fuzz->numbers, CUT, 256) == NULL);
}

static void
feed_event(struct fuzz *fuzz, unsigned kind, enum engine_peer peer, uint8_t to)
{
	struct engine_data_event event = { .type = kind,
		.peer = peer,
		.data = to,
		.v4 = addr_loopback(AF_INET, 40000),
		.v6 = addr_loopback(AF_INET6, 40000),
		.why = "lost",
		.to_client = to & 1,
		.to_server = to & 2 };

	/* The end that listens, if one does. */
	if ((kind == ENGINE_DATA_LISTENING ||
		kind == ENGINE_DATA_NO_LISTENER) &&
	    !fuzz->listens[to][peer])
		event.peer =
		    peer == ENGINE_CLIENT ? ENGINE_SERVER : ENGINE_CLIENT;
	if (kind > ENGINE_DATA_MOVED) {
		if (peer == ENGINE_CLIENT)
			fuzz->partial = true;
		if (kind == ENGINE_DATA_MOVED + 1)
			engine_eof(fuzz->engine, peer);
		else if (kind == ENGINE_DATA_MOVED + 2)
			engine_lost(fuzz->engine, peer, "lost");
		else if (kind == ENGINE_DATA_MOVED + 3)
			engine_timer(fuzz->engine);
		else if (kind == ENGINE_DATA_MOVED + 4)
			engine_stop(fuzz->engine, "stopped");
	} else if (fuzz->numbers[to] != NEW && fuzz->numbers[to] != VOID) {
		engine_data(fuzz->engine, &event);
	}
}

static void
take(struct fuzz *fuzz)
{
	struct engine *engine = fuzz->engine;
	struct engine_action action;

	while (engine_next(engine, &action))
		check(fuzz, &action);
	assert(!engine_next(engine, &action));
	assert(engine->n_pending <= LIMIT_PENDING + LIMIT_SESSION_DATA);
	assert(!engine->stopping || fuzz->ended);
	assert(!engine->lost[ENGINE_SERVER] || fuzz->ended ||
	    line_reader_len(&engine->input[ENGINE_SERVER]) > 0);
	assert(buf_len(&engine->out) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct subnet loopback = {
		.addr = addr_loopback(AF_INET, 0),
		.bits = 32,
	};
	struct engine_config config = {
		.client = loopback.addr,
		.networks = &loopback,
		.n_networks = 1,
	};
	struct fuzz fuzz = { .partial = false };
	size_t at = 1, n;
	enum engine_peer peer;

	if (len == 0)
		return 0;
	config.allow_tls = fuzz.partial = bytes[0] & 1;
	config.pass_foreign_port = bytes[0] & 2;
	config.server_family = bytes[0] & 4 ? AF_INET6 : AF_UNSPEC;
	config.server_mode = (bytes[0] >> 3 & 3) % 3;
	config.prefetch = bytes[0] & 32;
	config.upload_apart = bytes[0] & 64;
	if (bytes[0] & 128)
		config.client.family = AF_UNSPEC;
	fuzz.engine = engine_new(&config);
	for (; at < len && fuzz.engine->last_number < 250; at += n) {
		n = bytes[at] & 63;
		peer = bytes[at] & 64 ? ENGINE_SERVER : ENGINE_CLIENT;
		if (bytes[at] & 128) {
			feed_event(&fuzz, (unsigned)n, peer,
			    at + 1 < len ? bytes[at + 1] : 0);
			n = n <= ENGINE_DATA_MOVED ? 2 : 1;
		} else {
			at++;
			n = n < len - at ? n : len - at;
			if (engine_wants(fuzz.engine, peer))
				assert(engine_bytes(fuzz.engine, peer,
					   bytes + at, n) == 0);
		}
		take(&fuzz);
	}
	engine_free(fuzz.engine);
	return 0;
}
