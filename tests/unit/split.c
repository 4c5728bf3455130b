/*
 * One input, split in every way.
 */
#include "split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/command.h"
#include "ftp/line.h"
#include "ftp/reply.h"

struct record {
	enum line_result result;
	size_t len;
	enum reply_place place;
	unsigned code;
	struct command command;
};

struct trace {
	struct line_reader lines;
	struct reply_reader replies;
	const uint8_t *bytes; /* of the whole input */
	size_t at;	      /* bytes that came out again */
	struct record *records;
	size_t count;
};

static void
trace_start(struct trace *trace, const uint8_t *bytes, size_t len, size_t max)
{
	*trace = (struct trace) { .bytes = bytes };
	line_reader_init(&trace->lines, max, len + 1);
	trace->records = calloc(len + 1, sizeof(*trace->records));
	assert_non_null(trace->records);
}

static void
trace_feed(struct trace *trace, const uint8_t *bytes, size_t len)
{
	enum line_result result;
	struct record *record;
	const uint8_t *line;
	size_t line_len;

	assert_int_equal(line_reader_feed(&trace->lines, bytes, len), 0);
	for (;;) {
		result = line_reader_peek(&trace->lines, &line, &line_len);
		if (result == LINE_MORE)
			break;
		assert_memory_equal(line, trace->bytes + trace->at, line_len);
		record = &trace->records[trace->count++];
		record->result = result;
		record->len = line_len;
		record->place =
		    reply_next(&trace->replies, line, line_len, &record->code);
		command_parse(line, line_len, &record->command);
		line_reader_consume(&trace->lines, line_len);
		trace->at += line_len;
	}
	assert_int_equal(line_len, line_reader_len(&trace->lines));
}

static void
trace_end(struct trace *trace, size_t len)
{
	const uint8_t *rest;
	size_t rest_len;

	assert_int_equal(line_reader_peek(&trace->lines, &rest, &rest_len),
	    LINE_MORE);
	assert_int_equal(trace->at + rest_len, len);
	if (rest_len > 0)
		assert_memory_equal(rest, trace->bytes + trace->at, rest_len);
	line_reader_free(&trace->lines);
}

static void
trace_compare(const struct trace *whole, const struct trace *cut)
{
	const struct record *a, *b;

	assert_int_equal(whole->count, cut->count);
	for (size_t i = 0; i < whole->count; i++) {
		a = &whole->records[i];
		b = &cut->records[i];
		assert_int_equal(a->result, b->result);
		assert_int_equal(a->len, b->len);
		assert_int_equal(a->place, b->place);
		assert_int_equal(a->code, b->code);
		assert_int_equal(a->command.verb, b->command.verb);
		assert_int_equal(a->command.arg_at, b->command.arg_at);
		assert_int_equal(a->command.arg_len, b->command.arg_len);
	}
}

/* Cut before first and before second; first <= second <= len. */
static void
check_cut(const struct trace *whole, size_t len, size_t first, size_t second)
{
	const uint8_t *bytes = whole->bytes;
	struct trace cut;

	trace_start(&cut, bytes, len, whole->lines.max);
	trace_feed(&cut, bytes, first);
	trace_feed(&cut, bytes + first, second - first);
	trace_feed(&cut, bytes + second, len - second);
	trace_end(&cut, len);
	trace_compare(whole, &cut);
	free(cut.records);
}

void
split_check(const uint8_t *bytes, size_t len, size_t max)
{
	struct trace whole, cut;

	trace_start(&whole, bytes, len, max);
	trace_feed(&whole, bytes, len);
	trace_end(&whole, len);

	trace_start(&cut, bytes, len, max);
	for (size_t at = 0; at < len; at++)
		trace_feed(&cut, bytes + at, 1);
	trace_end(&cut, len);
	trace_compare(&whole, &cut);
	free(cut.records);

	for (size_t at = 0; at <= len; at++)
		check_cut(&whole, len, at, len);
	for (size_t at = 0; at <= len && len <= SPLIT_PAIRS_MAX; at++)
		for (size_t next = at; next < len; next++)
			check_cut(&whole, len, at, next);
	free(whole.records);
}
