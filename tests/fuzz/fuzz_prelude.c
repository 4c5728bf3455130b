/*
 * The prelude: however the bytes are split, the same replies and the same user
 * come out, and the rest is what came in.
 */
#include <assert.h>
#include <string.h>

#include "ftp/prelude.h"
#include "fuzz.h"
#include "limits.h"

struct outcome {
	enum prelude_result last;
	unsigned replies;
	char user[PRELUDE_USER_MAX];
};

static struct outcome
play(const uint8_t *bytes, size_t len, size_t piece)
{
	struct outcome outcome = { .last = PRELUDE_MORE };
	struct prelude prelude;
	const char *reply;
	size_t at, n, rest;

	prelude_init(&prelude);
	for (at = 0; at < len && outcome.last == PRELUDE_MORE; at += n) {
		n = len - at < piece ? len - at : piece;
		assert(prelude_feed(&prelude, bytes + at, n) == 0);
		while ((outcome.last = prelude_next(&prelude, &reply)) ==
		    PRELUDE_REPLY) {
			assert(strlen(reply) > 6);
			outcome.replies++;
		}
	}
	if (outcome.last == PRELUDE_USER) {
		const uint8_t *from = prelude_rest(&prelude, &rest);

		assert(
		    rest <= at && memcmp(from, bytes + at - rest, rest) == 0);
		assert(prelude.user[0] > ' ' || prelude.user[0] < 0);
	}
	strcpy(outcome.user, prelude.user);
	assert(outcome.replies < LIMIT_PRELUDE_LINES);
	prelude_free(&prelude);
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct outcome whole, split;

	if (len == 0 || len > LIMIT_CONTROL_INPUT)
		return 0;
	whole = play(bytes, len, len);
	split = play(bytes, len, 1 + bytes[0] % 7);
	assert(whole.last == split.last && whole.replies == split.replies);
	assert(strcmp(whole.user, split.user) == 0);
	return 0;
}
