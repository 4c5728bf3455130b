/*
 * The control engine, driven by the sessions of tests/vectors/engine: each file
 * is one test.  The README there has their language.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_owned.h"
#include "engine_script.h"
#include "vectors.h"

/* Inputs up to this length are cut in two at every place. */
#define CUTS_MAX 400

enum number_state {
	NUMBER_NEW,
	NUMBER_OPEN,
	NUMBER_VOID,
};

struct run {
	const struct script *script;
	struct engine *engine;
	struct words all;  /* since the start, but what the server got */
	struct words sent; /* that */
	struct words step; /* since the last input */
	enum number_state numbers[SCRIPT_NUMBERS_MAX];
	uint64_t counts[SCRIPT_NUMBERS_MAX][2];
	bool listens[SCRIPT_NUMBERS_MAX][2]; /* and has not said so */
	struct engine_memory memory;
	bool client_ended, ended;
};

/* ---- actions as words ---- */

static const char *
end_text(const struct engine_data_end *end, char *text, size_t size)
{
	char address[ADDR_TEXT_MAX];

	if (end->listens)
		return "listen";
	if (end->to.family == AF_UNSPEC)
		snprintf(text, size, "dial:*:%u", end->to.port);
	else
		snprintf(text, size, "dial:%s", addr_format(&end->to, address));
	return text;
}

static void
say_report(struct words *words, const struct engine_report *report)
{
	static const char *const outcomes[] = { "complete", "refused",
		"aborted", "truncated" };

	words_say(words,
	    "report %s %s %s %s bytes=%llu server=%u client=%u%s%s",
	    outcomes[report->outcome], report->upload ? "upload" : "download",
	    verb_name(report->verb),
	    report->name[0] != '\0' ? report->name : "-",
	    (unsigned long long)report->bytes, report->server_code,
	    report->client_code, report->why[0] != '\0' ? " why=" : "",
	    report->why);
}

static const char *
way_text(const struct engine_way *way, char *text, size_t size)
{
	char address[ADDR_TEXT_MAX];

	if (way->verb == VERB_OTHER)
		return "-";
	snprintf(text, size, "%s:%s", verb_name(way->verb),
	    way->at.family != AF_UNSPEC ? addr_format(&way->at, address) : "");
	if (way->at.family == AF_UNSPEC)
		snprintf(text, size, "%s:%u", verb_name(way->verb),
		    way->at.port);
	return text;
}

static void
say_begin(struct words *words, const struct engine_report *report)
{
	char client[100], server[100];

	words_say(words,
	    "begin %s %s %s user=%s size=%lld offset=%llu%s client=%s "
	    "server=%s",
	    report->upload ? "upload" : "download", verb_name(report->verb),
	    report->name[0] != '\0' ? report->name : "-", report->user,
	    (long long)report->size, (unsigned long long)report->offset,
	    report->framed ? " framed" : "",
	    way_text(&report->client, client, sizeof(client)),
	    way_text(&report->server, server, sizeof(server)));
}

static void
say_action(struct words *words, const struct engine_action *action)
{
	static const char *const data_names[] = {
		[ENGINE_DATA_TIMER] = "timer-on",
		[ENGINE_DATA_QUIET] = "quiet-on",
		[ENGINE_DATA_READ_ON] = "read-on",
		[ENGINE_DATA_ENDING] = "ending",
		[ENGINE_DATA_SHUT] = "shut",
		[ENGINE_DATA_DROP] = "drop",
		[ENGINE_DATA_RESET] = "reset",
		[ENGINE_DATA_DIAL] = "dial",
	};
	static const char *const framings[] = { "none", "record", "block",
		"compressed" };
	char client[100], server[100];
	unsigned long long ms = action->ms;

	if (action->type == ENGINE_SEND)
		words_send(words, action->peer, action->bytes, action->len);
	else if (action->type == ENGINE_SHUT)
		words_say(words, "shut control %s", peer_name(action->peer));
	else if (action->type == ENGINE_END)
		words_say(words, "end");
	else if (action->type == ENGINE_TIMER)
		words_say(words, "timer-on control %llu", ms);
	else if (action->type == ENGINE_REPLY_TIMER)
		words_say(words, "timer-on reply %llu", ms);
	else if (action->type == ENGINE_LOGIN)
		words_say(words, "login%s%s",
		    action->bytes[0] != '\0' ? " " : "",
		    (const char *)action->bytes);
	else if (action->type == ENGINE_CREDIT)
		words_say(words, "credit");
	else if (action->type == ENGINE_LOG)
		words_say(words, "log warn %s", (const char *)action->bytes);
	else if (action->type == ENGINE_BEGIN)
		say_begin(words, &action->report);
	else if (action->type == ENGINE_REPORT)
		say_report(words, &action->report);
	else if (action->type == ENGINE_DATA_OPEN)
		words_say(words, "open %u client=%s server=%s", action->data,
		    end_text(&action->client, client, sizeof(client)),
		    end_text(&action->server, server, sizeof(server)));
	else if (action->type == ENGINE_DATA_CLOSE)
		words_say(words, "close %u", action->data);
	else if (action->type == ENGINE_DATA_FRAMING)
		words_say(words, "framing %u %s", action->data,
		    framings[action->framing]);
	else if (action->type == ENGINE_DATA_TIMER ||
	    action->type == ENGINE_DATA_QUIET)
		words_say(words, "%s %u %llu", data_names[action->type],
		    action->data, ms);
	else
		words_say(words, "%s %u %s", data_names[action->type],
		    action->data, peer_name(action->peer));
}

/* ---- what must hold in every session ---- */

static void
check_number(struct run *run, const struct engine_action *action)
{
	enum number_state *state;

	assert_in_range(action->data, 1, SCRIPT_NUMBERS_MAX - 1);
	state = &run->numbers[action->data];
	if (action->type == ENGINE_DATA_OPEN) {
		assert_int_equal(*state, NUMBER_NEW);
		*state = NUMBER_OPEN;
		run->listens[action->data][ENGINE_CLIENT] =
		    action->client.listens;
		run->listens[action->data][ENGINE_SERVER] =
		    action->server.listens;
		return;
	}
	assert_int_equal(*state, NUMBER_OPEN);
	if (action->type == ENGINE_DATA_CLOSE)
		*state = NUMBER_VOID;
}

static void
check_action(struct run *run, const struct engine_action *action)
{
	assert_false(run->ended);
	if (action->type >= ENGINE_DATA_OPEN)
		check_number(run, action);
	if (action->type == ENGINE_END) {
		run->ended = true;
		for (size_t i = 0; i < SCRIPT_NUMBERS_MAX; i++)
			assert_int_not_equal(run->numbers[i], NUMBER_OPEN);
	}
	/* Whole lines to the server, each in one write. */
	if (action->type == ENGINE_SEND && action->peer == ENGINE_SERVER &&
	    !run->client_ended && !run->script->config.allow_tls)
		assert_int_equal(action->bytes[action->len - 1], '\n');
}

static void
take_actions(struct run *run)
{
	struct engine_action action;

	while (engine_next(run->engine, &action)) {
		check_action(run, &action);
		if (action.type == ENGINE_LOG && action.level != ENGINE_WARN)
			continue;
		if (action.type == ENGINE_BEGIN && !run->script->begins)
			continue;
		if (action.type == ENGINE_LOGIN && !run->script->logins)
			continue;
		/* That timer begins anew with whatever comes. */
		if (action.type != ENGINE_REPLY_TIMER)
			say_action(action.type == ENGINE_SEND &&
				    action.peer == ENGINE_SERVER ?
				&run->sent :
				&run->all,
			    &action);
		say_action(&run->step, &action);
	}
	assert_false(engine_next(run->engine, &action));
	assert_null(engine_unowned_data(run->engine));
}

/* ---- running ---- */

static void
feed_data(struct run *run, const struct script_step *step)
{
	struct engine_data_event event = step->event;
	uint64_t *counts = run->counts[event.data];

	if (step->counts) {
		counts[ENGINE_CLIENT] = event.to_client;
		counts[ENGINE_SERVER] = event.to_server;
	}
	event.to_client = counts[ENGINE_CLIENT];
	event.to_server = counts[ENGINE_SERVER];
	event.why = step->why != NULL ? step->why : "";
	/* If it is not said whose listener it is: the client's first. */
	if ((event.type == ENGINE_DATA_LISTENING ||
		event.type == ENGINE_DATA_NO_LISTENER) &&
	    !step->peer_said)
		event.peer = run->listens[event.data][ENGINE_CLIENT] ?
		    ENGINE_CLIENT :
		    ENGINE_SERVER;
	if (event.type == ENGINE_DATA_LISTENING)
		run->listens[event.data][event.peer] = false;
	engine_data(run->engine, &event);
}

/* The input of a step, in pieces of that size and the rest. */
static void
feed(struct run *run, const struct script_step *step, size_t piece)
{
	struct engine *engine = run->engine;
	size_t at, n;

	if (step->kind == INPUT_BYTES) {
		for (at = 0; at < step->len; at += n) {
			n = step->len - at < piece ? step->len - at : piece;
			assert_int_equal(engine_bytes(engine, step->peer,
					     step->bytes + at, n),
			    0);
			take_actions(run);
		}
		return;
	}
	if (step->kind == INPUT_EOF)
		engine_eof(engine, step->peer);
	else if (step->kind == INPUT_LOST)
		engine_lost(engine, step->peer, step->why);
	else if (step->kind == INPUT_STOP)
		engine_stop(engine, step->why);
	else if (step->kind == INPUT_TIMER)
		engine_timer(engine);
	else if (step->kind == INPUT_REPLY_TIMER)
		engine_reply_timeout(engine);
	else if (step->kind == INPUT_GREETING_LATE ||
	    step->kind == INPUT_GREETING_OVERDUE)
		engine_greeting_late(engine,
		    step->kind == INPUT_GREETING_OVERDUE);
	else if (step->kind == INPUT_DRAIN || step->kind == INPUT_DRAIN_LATE)
		engine_drain(engine, step->why, step->kind == INPUT_DRAIN_LATE);
	else if (step->kind == INPUT_KEEPALIVE)
		engine_keepalive(engine);
	else if (step->kind == INPUT_GRANT)
		engine_grant(engine);
	else if (step->kind == INPUT_DATA)
		feed_data(run, step);
	if (step->peer == ENGINE_CLIENT &&
	    (step->kind == INPUT_EOF || step->kind == INPUT_LOST))
		run->client_ended = true;
	take_actions(run);
}

static size_t
line_len(const char *text)
{
	return strcspn(text, "\n");
}

static const char *
after_line(const char *text)
{
	text += line_len(text);
	return *text == '\n' ? text + 1 : text;
}

/* "log warn PART" wants a line "log warn ...PART...". */
static bool
line_fits(const char *want, const char *got)
{
	static const char warn[] = "log warn ";
	size_t n = sizeof(warn) - 1;
	char part[1200], line[1200];

	snprintf(part, sizeof(part), "%.*s", (int)line_len(want), want);
	snprintf(line, sizeof(line), "%.*s", (int)line_len(got), got);
	if (strncmp(part, warn, n) == 0 && strncmp(line, warn, n) == 0)
		return strstr(line + n, part + n) != NULL;
	return line_len(want) == line_len(got) &&
	    strncmp(want, got, line_len(want)) == 0;
}

static bool
as_wanted(const char *want, const char *got)
{
	while (*want != '\0' && *got != '\0') {
		if (!line_fits(want, got))
			return false;
		want = after_line(want);
		got = after_line(got);
	}
	return *want == *got;
}

static void
check_step(struct run *run, struct script_step *step)
{
	const char *want = words_text(&step->want);
	const char *got;

	words_end_send(&run->step);
	got = words_text(&run->step);
	if (as_wanted(want, got))
		return;
	print_error("%s:%u: wanted:\n%sgot:\n%s", run->script->path, step->line,
	    want, got);
	fail();
}

/*
 * Runs the session.  Its step number cut is fed in two pieces, the first of
 * cut_at bytes; if cut is none, pieces of that size.  ret_all is all that came
 * out, NULL to compare each step with what is wanted.
 */
static void
run_script(struct script *script, struct script_step *cut, size_t piece,
    char **ret_all)
{
	struct run run = { .script = script, .memory = script->memory };
	struct engine_config config = script->config;
	struct script_step head, *step;

	config.memory = &run.memory;
	run.engine = engine_new(&config);
	assert_non_null(run.engine);
	words_open(&run.all);
	words_open(&run.sent);
	for (step = script->steps; step < script->steps + script->n_steps;
	     step++) {
		words_open(&run.step);
		head = *step;
		if (step->kind != INPUT_BYTES) {
			words_say(&run.all, "--");
			words_say(&run.sent, "--");
		}
		if (step == cut) {
			head.len = piece;
			feed(&run, &head, SIZE_MAX);
			head.bytes += piece;
			head.len = step->len - piece;
			feed(&run, &head, SIZE_MAX);
		} else {
			feed(&run, step, cut != NULL ? SIZE_MAX : piece);
		}
		if (ret_all == NULL)
			check_step(&run, step);
		words_close(&run.step);
	}
	words_end_send(&run.sent);
	words_say(&run.all, "sent to the server:\n%s", words_text(&run.sent));
	if (ret_all != NULL)
		*ret_all = strdup(words_text(&run.all));
	words_close(&run.all);
	words_close(&run.sent);
	engine_free(run.engine);
}

static void
check_cut(struct script *script, struct script_step *cut, size_t piece,
    const char *whole)
{
	char *all;

	run_script(script, cut, piece, &all);
	if (strcmp(all, whole) != 0) {
		print_error("%s:%u: in pieces of %zu:\n%swhole:\n%s",
		    script->path, cut != NULL ? cut->line : 0, piece, all,
		    whole);
		fail();
	}
	free(all);
}

/* The result is the same however the bytes are split. */
static void
run_split(struct script *script)
{
	struct script_step *step;
	char *whole;

	run_script(script, NULL, SIZE_MAX, &whole);
	check_cut(script, NULL, 1, whole);
	check_cut(script, NULL, 7, whole);
	for (step = script->steps; step < script->steps + script->n_steps;
	     step++)
		for (size_t at = 1; at < step->len && step->len <= CUTS_MAX;
		     at++)
			check_cut(script, step, at, whole);
	free(whole);
}

/* ---- the tests ---- */

static void
session(void **state)
{
	struct script *script = script_read(*state);

	run_script(script, NULL, SIZE_MAX, NULL);
	run_split(script);
	script_free(script);
}

int
main(void)
{
	return vectors_run_engine("engine", session);
}
