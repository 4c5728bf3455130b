/*
 * A session that outlives its connection (resume/resume.h): pieces of the
 * client and of the server, losses and connections in any order.
 *
 * The server gets whole lines; the client gets 226 from here only if it has
 * everything, and each reply that was not cut; while the connection is lost,
 * the server gets nothing.
 *
 * A piece is a byte, then bytes: 0 to 99 of the client, 100 to 199 of the
 * server; others are events.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "resume/resume.h"

struct fuzz_resume {
	struct resume_data data;
	bool connected, dialling, comparing, failed, opaque;
};

static void
on_client(void *ctx, const void *bytes, size_t len)
{
	assert(len > 0);
}

static void
on_server(void *ctx, const void *bytes, size_t len)
{
	const struct fuzz_resume *state = ctx;

	assert(state->connected && len > 0);
}

static void
on_data(void *ctx, struct resume_data *ret)
{
	*ret = ((struct fuzz_resume *)ctx)->data;
}

static void
on_dial(void *ctx, uint16_t port, uint64_t repeated, int64_t size)
{
	struct fuzz_resume *state = ctx;

	assert(port > 0 && repeated <= state->data.passed);
	state->dialling = true;
}

static void
on_compare(void *ctx, uint16_t port, uint64_t from)
{
	struct fuzz_resume *state = ctx;

	assert(port > 0 && from < state->data.uploaded &&
	    from >= state->data.uploaded - state->data.kept);
	state->dialling = state->comparing = true;
}

static void
on_upload(void *ctx, uint64_t from)
{
	const struct fuzz_resume *state = ctx;

	assert(from <= state->data.uploaded &&
	    from >= state->data.uploaded - state->data.kept);
}

static void
on_cut(void *ctx, const char *why)
{
	struct fuzz_resume *state = ctx;

	state->data = (struct resume_data) { .gone = true };
}

static void
on_resumed(void *ctx, bool transfer)
{
	assert(((struct fuzz_resume *)ctx)->connected);
}

static void
on_failed(void *ctx, bool later, const char *why)
{
	((struct fuzz_resume *)ctx)->failed = true;
}

/* Sets the counters of the data connection. */
static void
count(struct fuzz_resume *state, uint8_t what)
{
	struct resume_data *data = &state->data;

	if (what % 4 == 0)
		*data = (struct resume_data) { .passed = 0 };
	else if (what % 4 == 1 && !data->gone && !data->ended)
		data->passed += 10000;
	else if (what % 4 == 2 && !data->gone)
		data->ended = true;
	else if (!data->gone) {
		data->uploaded += 30000;
		data->kept = data->uploaded < 40000 ? data->uploaded : 40000;
	}
}

/* Returns false if the session is over. */
static bool
event(struct resume *resume, struct fuzz_resume *state, uint8_t what)
{
	const char *why;

	if (what < 220) {
		count(state, what);
	} else if (what < 235 && (state->connected || state->failed)) {
		state->connected = state->dialling = state->comparing = false;
		state->failed = false;
		return resume_lost(resume, &why);
	} else if (what < 245 && !state->connected) {
		state->connected = true;
		resume_connected(resume);
	} else if (what < 250 && state->dialling) {
		state->dialling = false;
		resume_dialled(resume, what % 2 ? NULL : "no");
	} else if (what >= 250 && state->comparing && !state->dialling) {
		state->comparing = false;
		resume_compared(resume, what % 2, 20000);
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct resume_handler handler = { on_client, on_server,
		on_data, on_dial, on_compare, on_upload, on_cut, on_resumed,
		on_failed };
	struct fuzz_resume state = { .connected = true };
	struct resume *resume = resume_new(&handler, &state);
	bool more = resume != NULL;

	for (size_t at = 0, n; more && at < len; at += n) {
		uint8_t what = bytes[at++];

		n = what >= 200		  ? 0 :
		    what % 100 < len - at ? what % 100 :
					    len - at;
		if (what >= 200)
			more = event(resume, &state, what);
		else if (what < 100 && n > 0 && resume_wants(resume))
			more = resume_client(resume, bytes + at, n) == 0;
		else if (what >= 100 && state.connected && n > 0)
			more = resume_server(resume, bytes + at, n) == 0;
	}
	resume_free(resume);
	return 0;
}
