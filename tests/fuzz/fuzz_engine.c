/*
 * The control engine, driven by a byte code (seed_engine.py makes it of
 * tests/vectors/engine): OPTIONS bytes, then inputs.  0pnnnnnn: n bytes of peer
 * p follow.  1p0kkkkk: event k of a data connection, whose number and amounts
 * follow.  1p1kkkkk: what else there is.
 */
#include <assert.h>
#include <string.h>

#include "../engine_owned.h"
#include "fuzz.h"

/* How it is configured; what the tunnel has learned: refused, good. */
#define OPTIONS 6

/* The inputs that are neither bytes nor about data connections. */
enum other {
	OTHER_EOF,
	OTHER_LOST,
	OTHER_TIMER,
	OTHER_STOP,
	OTHER_FAMILY,
	OTHER_DRAIN,
	OTHER_DRAIN_LATE,
	OTHER_KEEPALIVE,
	OTHER_GRANT,
	OTHER_REPLY_TIMER,
	OTHER_GREETING,
};

enum number {
	NEW,
	OPEN,
	CUT, /* and its client has seen it */
	VOID
};

struct fuzz {
	struct engine *engine;
	uint8_t numbers[256];
	bool listens[256][2];
	bool carries[256];    /* its client has come */
	bool shut[256];	      /* its server is to be told the end */
	uint64_t unsent[256]; /* of what the client has sent */
	bool ended, tls;      /* tls: the server may get half a line */
};

static void
check_number(uint8_t *number, const struct engine_action *action)
{
	bool opens = action->type == ENGINE_DATA_OPEN;

	assert(opens ? *number == NEW : *number != NEW && *number != VOID);
	if (opens)
		*number = OPEN;
	else if (action->type == ENGINE_DATA_CLOSE)
		*number = VOID;
	else if (action->peer == ENGINE_CLIENT &&
	    (action->type == ENGINE_DATA_RESET ||
		action->type == ENGINE_DATA_DROP))
		*number = CUT;
}

/* What a policy keeps from the server does not reach it. */
static void
check_policy(const struct fuzz *fuzz, const struct engine_action *action)
{
	const struct engine_policy *policy = fuzz->engine->config.policy;
	struct command command;

	if (!policy_is_on(fuzz->engine) || action->type != ENGINE_SEND ||
	    action->peer != ENGINE_SERVER)
		return;
	command_parse(action->bytes, action->len, &command);
	/* One line, and all of it: nobody finds a second one in it. */
	assert(memchr(action->bytes, '\n', action->len) ==
	    action->bytes + action->len - 1);
	assert(memchr(action->bytes, '\r', action->len) ==
	    action->bytes + action->len - 2);
	assert(memchr(action->bytes, '\0', action->len) == NULL);
	assert(!policy->read_only || command.verb == VERB_EMPTY ||
	    (command.flags & VERB_READS) != 0);
	assert(policy->n_deny == 0 || command.verb != VERB_STOR);
	if (policy->n_deny_path > 0)
		assert(memmem(action->bytes, action->len, " /pub/secret\r",
			   strlen(" /pub/secret\r")) == NULL ||
		    command.takes == TAKES_NOTHING);
}

/* No server reads something else in it than we do; nor a PORT of the client. */
static void
check_hidden(const struct fuzz *fuzz, const struct engine_action *action)
{
	struct command command;

	if (action->type != ENGINE_SEND || action->peer != ENGINE_SERVER ||
	    fuzz->tls || fuzz->engine->config.pass_foreign_port)
		return;
	command_parse(action->bytes, action->len, &command);
	assert(command_hidden(action->bytes, action->len, &command) == NULL);
	/* Ours names what the owner of the fuzzed engine listens on. */
	if (command.verb == VERB_PORT)
		assert(memmem(action->bytes, action->len, "127,0,0,1,156,64",
			   16) != NULL);
}

static void
check(struct fuzz *fuzz, const struct engine_action *action)
{
	const struct engine_report *report = &action->report;

	assert(!fuzz->ended);
	check_policy(fuzz, action);
	check_hidden(fuzz, action);
	fuzz->ended = action->type == ENGINE_END;
	if (action->type == ENGINE_DATA_OPEN) {
		fuzz->listens[action->data][ENGINE_CLIENT] =
		    action->client.listens;
		fuzz->listens[action->data][ENGINE_SERVER] =
		    action->server.listens;
	}
	if (action->type >= ENGINE_DATA_OPEN)
		check_number(&fuzz->numbers[action->data % 256], action);
	if (action->type == ENGINE_DATA_SHUT && action->peer == ENGINE_SERVER)
		fuzz->shut[action->data % 256] = true;
	if (action->type == ENGINE_SEND && action->peer == ENGINE_SERVER)
		assert(fuzz->tls || action->bytes[action->len - 1] == '\n');
	if (action->type == ENGINE_REPORT && report->client_code / 100 == 2)
		assert(fuzz->numbers[action->data % 256] != CUT);
	/* Nothing of a file that is complete is still with us. */
	if (action->type == ENGINE_REPORT && report->upload &&
	    report->outcome == ENGINE_COMPLETE)
		assert(fuzz->unsent[action->data % 256] == 0);
	if (fuzz->ended)
		assert(memchr(fuzz->numbers, OPEN, 256) == NULL &&
		    memchr(fuzz->numbers, CUT, 256) == NULL);
}

/* Bits of amounts say what there is of bytes, and what is left out. */
static void
feed_data(struct fuzz *fuzz, unsigned kind, enum engine_peer peer, uint8_t to,
    uint8_t amounts)
{
	struct engine_data_event event = { .type = kind,
		.peer = peer,
		.data = to,
		.v4 = addr_loopback(AF_INET, 40000),
		.v6 = addr_loopback(AF_INET6, 40000),
		.why = "lost",
		.to_client = amounts & 1,
		.to_server = amounts & 2,
		.age_ms = amounts,
		.files = kind == ENGINE_DATA_FILE_END,
		.transient = amounts & 8,
		.recent = amounts & 64,
		.end_unproven = kind == ENGINE_DATA_EOF && (amounts & 128) != 0,
		.end_early = kind == ENGINE_DATA_EOF && (amounts & 64) != 0,
		.stalled = kind == ENGINE_DATA_EOF && (amounts & 8) != 0,
		.ended = kind == ENGINE_DATA_LOST && (amounts & 128) != 0 };

	if (kind > ENGINE_DATA_FILE_END || fuzz->numbers[to] == NEW ||
	    fuzz->numbers[to] == VOID)
		return;
	if (amounts & 16)
		event.v4.family = AF_UNSPEC;
	else if (amounts & 32)
		event.v6.family = AF_UNSPEC;
	/* The end that listens, if one does. */
	if ((kind == ENGINE_DATA_LISTENING ||
		kind == ENGINE_DATA_NO_LISTENER) &&
	    !fuzz->listens[to][peer])
		event.peer =
		    peer == ENGINE_CLIENT ? ENGINE_SERVER : ENGINE_CLIENT;
	if (kind == ENGINE_DATA_UP && peer == ENGINE_CLIENT)
		fuzz->carries[to] = true;
	/* Behind the end there is nothing more to send. */
	if (fuzz->carries[to] && !(fuzz->shut[to] && fuzz->unsent[to] == 0))
		event.unsent = amounts & 4;
	fuzz->unsent[to] = event.unsent;
	/* No more than was relayed. */
	if (kind == ENGINE_DATA_FILE_END && (amounts & 64) != 0)
		event.behind =
		    peer == ENGINE_CLIENT ? event.to_server : event.to_client;
	engine_data(fuzz->engine, &event);
}

static void
feed_other(struct fuzz *fuzz, unsigned kind, enum engine_peer peer)
{
	struct engine *engine = fuzz->engine;

	if (kind == OTHER_EOF)
		engine_eof(engine, peer);
	else if (kind == OTHER_LOST)
		engine_lost(engine, peer, "lost");
	else if (kind == OTHER_TIMER)
		engine_timer(engine);
	else if (kind == OTHER_STOP)
		engine_stop(engine, "stopped");
	else if (kind == OTHER_FAMILY)
		engine_server_family(engine,
		    peer == ENGINE_CLIENT ? AF_INET : AF_INET6);
	else if (kind == OTHER_DRAIN || kind == OTHER_DRAIN_LATE)
		engine_drain(engine, "drained", kind == OTHER_DRAIN_LATE);
	else if (kind == OTHER_KEEPALIVE)
		engine_keepalive(engine);
	else if (kind == OTHER_GRANT)
		engine_grant(engine);
	else if (kind == OTHER_REPLY_TIMER)
		engine_reply_timeout(engine);
	else if (kind == OTHER_GREETING)
		engine_greeting_late(engine, peer == ENGINE_SERVER);
}

/* Returns how many of the len bytes, at least one, were an input. */
static size_t
feed(struct fuzz *fuzz, const uint8_t *bytes, size_t len)
{
	enum engine_peer peer = bytes[0] & 64 ? ENGINE_SERVER : ENGINE_CLIENT;
	size_t n = bytes[0] & 63;

	if (!(bytes[0] & 128)) {
		n = n < len - 1 ? n : len - 1;
		if (engine_wants(fuzz->engine, peer))
			assert(engine_bytes(fuzz->engine, peer, bytes + 1, n) ==
			    0);
		return 1 + n;
	}
	if (n & 32) {
		feed_other(fuzz, n & 31, peer);
		return 1;
	}
	if (len >= 3)
		feed_data(fuzz, (unsigned)n, peer, bytes[1], bytes[2]);
	return len < 3 ? len : 3;
}

static void
take(struct fuzz *fuzz)
{
	struct engine *engine = fuzz->engine;
	struct engine_action action;

	while (engine_next(engine, &action))
		check(fuzz, &action);
	assert(!engine_next(engine, &action));
	assert(engine->n_exchanges <= LIMIT_PENDING + LIMIT_SESSION_DATA);
	assert(!engine->stopping || fuzz->ended);
	assert(!engine->peers[ENGINE_SERVER].lost || fuzz->ended ||
	    line_reader_len(&engine->peers[ENGINE_SERVER].input) > 0);
	assert(buf_len(&engine->queue.out) == 0);
	assert(engine_unowned_data(engine) == NULL);
}

static void
configure(struct engine_config *config, struct engine_policy *policy,
    const uint8_t options[OPTIONS])
{
	config->allow_tls = options[0] & 1;
	config->pass_foreign_port = options[0] & 2;
	config->server_family = options[0] & 4 ? AF_INET6 : AF_UNSPEC;
	config->server_mode = (options[0] >> 3 & 3) % 3;
	config->upload_apart = options[0] & 64;
	if (options[0] & 128)
		config->client.family = AF_UNSPEC;
	config->ignore_port_host = options[1] & 1;
	if (options[1] & 2)
		config->server_family = AF_INET;
	if (options[1] & 4)
		config->max_lines = 3;
	if (options[1] & 8)
		config->max_data = 1;
	policy->read_only = options[1] & 16;
	if (options[1] & 32)
		policy->n_deny = 2;
	if (options[1] & 64)
		policy->n_allow_path = policy->n_deny_path = 1;
	config->looks_up = options[1] & 128;
	config->stores_whole = options[2] & 64;
	config->greeted = options[2] & 128;
	config->memory->refused = options[2] & 63;
	config->memory->good = options[4] & 63;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct subnet loopback = {
		.addr = addr_loopback(AF_INET, 0),
		.bits = 32,
	};
	struct engine_memory memory = { .good = 0 };
	struct engine_config config = {
		.client = loopback.addr,
		.networks = &loopback,
		.n_networks = 1,
		.memory = &memory,
	};
	const char *const deny[] = { "STOR", "SITE CHMOD" };
	const char *const allow_path[] = { "/pub/*" };
	const char *const deny_path[] = { "/pub/secret" };
	struct engine_policy policy = {
		.deny = deny,
		.allow_path = allow_path,
		.deny_path = deny_path,
	};
	struct fuzz fuzz = { .tls = false };

	if (len < OPTIONS)
		return 0;
	config.policy = &policy;
	configure(&config, &policy, bytes);
	fuzz.tls = config.allow_tls;
	fuzz.engine = engine_new(&config);
	for (size_t at = OPTIONS;
	     at < len && fuzz.engine->conns.last_number < 250; take(&fuzz))
		at += feed(&fuzz, bytes + at, len - at);
	engine_free(fuzz.engine);
	return 0;
}
