/*
 * The control engine when there is no memory: each session of
 * tests/vectors/engine again, once for each of its allocations, which fails;
 * alone, or with all that follow.  The session ends then, and at once.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine_script.h"
#include "limits.h"
#include "vectors.h"

/* ---- the allocator, by the linker's --wrap ---- */

static bool counts;	 /* those of the engine only */
static size_t n_made;	 /* allocations since */
static size_t fails_at;	 /* the first that fails; SIZE_MAX: none */
static bool fails_after; /* and all that follow */
static bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strndup(const char *text, size_t n);

static bool
fails(void)
{
	size_t number;

	if (!counts)
		return false;
	number = n_made++;
	if (number != fails_at && !(fails_after && number > fails_at))
		return false;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *block, size_t size)
{
	return fails() ? NULL : __real_realloc(block, size);
}

char *
__wrap_strndup(const char *text, size_t n)
{
	return fails() ? NULL : __real_strndup(text, n);
}

/* ---- one run ---- */

struct run {
	const struct script *script;
	struct engine *engine;
	bool listens[SCRIPT_NUMBERS_MAX][2];
	bool closed[SCRIPT_NUMBERS_MAX];
	bool ended, client_lost;
	bool told; /* the client, by 421 */
};

/* As the owner reads it: a text, with its NUL at the end. */
static void
check_text(const struct engine_action *action)
{
	assert_non_null(action->bytes);
	assert_true(action->len > 0);
	assert_int_equal(strlen((const char *)action->bytes), action->len - 1);
}

static void
check_report(const struct engine_report *report)
{
	assert_non_null(report->name);
	assert_non_null(report->user);
	assert_non_null(report->why);
	assert_true(strlen(report->name) <= LIMIT_COMMAND_LINE);
	assert_true(strlen(report->user) <= LIMIT_COMMAND_LINE);
	assert_true(strlen(report->why) <= LIMIT_REPLY_LINE);
	assert_in_range(report->outcome, ENGINE_COMPLETE, ENGINE_TRUNCATED);
}

/* Every pointer of the action, and every byte behind it. */
static void
check_pointers(const struct engine_action *action)
{
	static volatile uint8_t sum;

	assert_in_range(action->peer, ENGINE_CLIENT, ENGINE_SERVER);
	switch (action->type) {
	case ENGINE_SEND:
		assert_non_null(action->bytes);
		assert_true(action->len > 0);
		break;
	case ENGINE_LOG:
		assert_in_range(action->level, ENGINE_WARN, ENGINE_VERBOSE);
		check_text(action);
		break;
	case ENGINE_LOGIN:
		check_text(action);
		break;
	case ENGINE_BEGIN:
	case ENGINE_REPORT:
		check_report(&action->report);
		break;
	case ENGINE_SHUT:
	case ENGINE_END:
	case ENGINE_TIMER:
	case ENGINE_REPLY_TIMER:
	case ENGINE_CREDIT:
	case ENGINE_DATA_OPEN:
	case ENGINE_DATA_DIAL:
	case ENGINE_DATA_TIMER:
	case ENGINE_DATA_QUIET:
	case ENGINE_DATA_FRAMING:
	case ENGINE_DATA_READ_ON:
	case ENGINE_DATA_ENDING:
	case ENGINE_DATA_SHUT:
	case ENGINE_DATA_DROP:
	case ENGINE_DATA_RESET:
	case ENGINE_DATA_CLOSE:
		assert_int_equal(action->len, 0);
		break;
	}
	for (size_t i = 0; i < action->len; i++)
		sum = (uint8_t)(sum + action->bytes[i]);
}

static void
check_action(struct run *run, const struct engine_action *action)
{
	assert_false(run->ended);
	check_pointers(action);
	if (action->type >= ENGINE_DATA_OPEN) {
		assert_in_range(action->data, 1, SCRIPT_NUMBERS_MAX - 1);
		assert_false(run->closed[action->data]);
	}
	if (action->type == ENGINE_DATA_OPEN) {
		run->listens[action->data][ENGINE_CLIENT] =
		    action->client.listens;
		run->listens[action->data][ENGINE_SERVER] =
		    action->server.listens;
	} else if (action->type == ENGINE_DATA_CLOSE) {
		run->closed[action->data] = true;
	} else if (action->type == ENGINE_END) {
		run->ended = true;
	} else if (action->type == ENGINE_SEND &&
	    action->peer == ENGINE_CLIENT && action->len > 4) {
		run->told |= memcmp(action->bytes, "421 ", 4) == 0;
	}
}

static void
feed_data(struct run *run, const struct script_step *step)
{
	struct engine_data_event event = step->event;

	event.why = step->why != NULL ? step->why : "";
	if ((event.type == ENGINE_DATA_LISTENING ||
		event.type == ENGINE_DATA_NO_LISTENER) &&
	    !step->peer_said)
		event.peer = run->listens[event.data][ENGINE_CLIENT] ?
		    ENGINE_CLIENT :
		    ENGINE_SERVER;
	run->listens[event.data][event.peer] = false;
	engine_data(run->engine, &event);
}

static void
feed(struct run *run, const struct script_step *step)
{
	struct engine *engine = run->engine;

	if (step->kind == INPUT_BYTES) {
		if (engine_bytes(engine, step->peer, step->bytes, step->len) !=
		    0)
			engine_stop(engine, "Out of memory");
	} else if (step->kind == INPUT_EOF)
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
	if (step->kind == INPUT_LOST && step->peer == ENGINE_CLIENT)
		run->client_lost = true;
}

static void
check_end(const struct run *run, const struct script_step *step)
{
	bool may_be_opaque = run->script->config.allow_tls;

	if (run->ended &&
	    (run->told || run->client_lost || may_be_opaque || fails_after))
		return;
	counts = false;
	print_error("%s:%u: allocation %zu fails%s: %s\n", run->script->path,
	    step->line, fails_at, fails_after ? ", and all that follow" : "",
	    run->ended ? "the client is not told" : "no end");
	fail();
}

/* Returns how many allocations there were. */
static size_t
run_script(const struct script *script)
{
	struct engine_memory memory = script->memory;
	struct engine_config config = script->config;
	struct run run = { .script = script };
	struct engine_action action;

	n_made = 0;
	has_failed = false;
	config.memory = &memory;
	counts = true;
	run.engine = engine_new(&config);
	for (size_t i = 0;
	     i < script->n_steps && run.engine != NULL && !run.ended; i++) {
		const struct script_step *step = &script->steps[i];

		feed(&run, step);
		while (engine_next(run.engine, &action))
			check_action(&run, &action);
		if (has_failed)
			check_end(&run, step);
	}
	assert_true(run.engine != NULL || has_failed);
	engine_free(run.engine);
	counts = false;
	return n_made;
}

static void
session(void **state)
{
	struct script *script;
	size_t n;

	counts = false; /* left by an assertion that failed */
	script = script_read(*state);
	fails_at = SIZE_MAX;
	fails_after = false;
	n = run_script(script);
	for (fails_at = 0; fails_at < n; fails_at++) {
		for (int i = 0; i < 2; i++) {
			fails_after = i == 1;
			run_script(script);
			assert_true(has_failed);
		}
	}
	script_free(script);
}

/* ---- the tests ---- */

int
main(void)
{
	return vectors_run_engine("engine memory", session);
}
