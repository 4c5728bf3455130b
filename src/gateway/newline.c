/*
 * Line ends of TYPE A, from and to those of files.
 */
#include "gateway/newline.h"

#include <assert.h>
#include <string.h>

void
newline_init(struct newline_state *state, enum newline newline,
    enum newline_to to)
{
	*state = (struct newline_state) { .newline = newline, .to = to };
}

size_t
newline_room(size_t len)
{
	assert(len < SIZE_MAX / 2);
	/* A CR for each LF; or the one that was kept back. */
	return 2 * len + 1;
}

/* Copies bytes up to the first such one, or all; returns how many. */
static size_t
copy_until(uint8_t byte, const uint8_t *bytes, size_t len, uint8_t *out)
{
	const uint8_t *found = len > 0 ? memchr(bytes, byte, len) : NULL;
	size_t before = found != NULL ? (size_t)(found - bytes) : len;

	if (before > 0)
		memcpy(out, bytes, before);
	return before;
}

/* Each CR LF becomes a LF. */
static size_t
newline_drop_cr(struct newline_state *state, const uint8_t *bytes, size_t len,
    uint8_t *out)
{
	size_t at = 0, written = 0, copied;

	while (at < len) {
		if (state->cr && bytes[at] != '\n')
			out[written++] = '\r';
		copied = copy_until('\r', bytes + at, len - at, out + written);
		at += copied;
		written += copied;
		state->cr = at < len;
		at += state->cr;
	}
	return written;
}

/* Each LF gets a CR; only those that have none, if files have CR LF. */
static size_t
newline_add_cr(struct newline_state *state, const uint8_t *bytes, size_t len,
    uint8_t *out)
{
	bool always = state->newline == NEWLINE_LF;
	size_t at = 0, written = 0, copied;

	while (at < len) {
		copied = copy_until('\n', bytes + at, len - at, out + written);
		at += copied;
		written += copied;
		if (copied > 0)
			state->cr = bytes[at - 1] == '\r';
		if (at == len)
			break;
		if (always || !state->cr)
			out[written++] = '\r';
		out[written++] = bytes[at++];
		state->cr = false;
	}
	return written;
}

size_t
newline_convert(struct newline_state *state, const uint8_t *bytes, size_t len,
    uint8_t *out)
{
	if (state->newline == NEWLINE_NONE) {
		if (len > 0)
			memcpy(out, bytes, len);
		return len;
	}
	if (state->newline == NEWLINE_LF && state->to == NEWLINE_TO_FILE)
		return newline_drop_cr(state, bytes, len, out);
	return newline_add_cr(state, bytes, len, out);
}

size_t
newline_end(struct newline_state *state, uint8_t out[1])
{
	bool kept = state->newline == NEWLINE_LF &&
	    state->to == NEWLINE_TO_FILE && state->cr;

	state->cr = false;
	if (kept)
		out[0] = '\r';
	return kept;
}
