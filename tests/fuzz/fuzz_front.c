/*
 * A front: pieces of the client and of the server in any order, and answers to
 * the login.  The server gets nothing before the login, and one USER and one
 * PASS; after the end nothing is said.
 *
 * A piece is a byte, then bytes: 0 to 119 of the client, 120 to 239 of the
 * server; others are answers.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/front.h"

struct fuzz_front {
	bool asked, good, over;
	unsigned users, passwords;
};

static void
on_client(void *ctx, const void *bytes, size_t len)
{
	assert(!((struct fuzz_front *)ctx)->over);
}

static void
on_server(void *ctx, const void *bytes, size_t len)
{
	struct fuzz_front *state = ctx;

	assert(state->good && !state->over && len > 0);
	state->users += len > 4 && memcmp(bytes, "USER ", 5) == 0;
	state->passwords += len > 4 && memcmp(bytes, "PASS ", 5) == 0;
	assert(state->users == 1 && state->passwords <= 1);
}

static bool
on_login(void *ctx, const struct front_login *login)
{
	((struct fuzz_front *)ctx)->asked = true;
	assert(!login->valid || account_is_valid(&login->account));
	return true;
}

static void
on_dial(void *ctx)
{
	((struct fuzz_front *)ctx)->good = true;
}

static void
on_end(void *ctx)
{
	((struct fuzz_front *)ctx)->over = true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct front_handler handler = { on_client, on_server,
		on_login, on_dial, on_end };
	struct fuzz_front state = { .users = 0 };
	struct front *front = front_new(len % 2, &handler, &state);

	for (size_t at = 0, n; at < len; at += n) {
		uint8_t what = bytes[at++];

		n = what % 120 < len - at ? what % 120 : len - at;
		if (what < 120)
			front_client(front, bytes + at, n);
		else if (what < 240)
			front_server(front, bytes + at, n);
		else if (state.asked)
			front_login_done(front,
			    what < 250	   ? NULL :
				what < 254 ? "530 No." :
					     "421 No.");
		n = what < 240 ? n : 0;
	}
	front_free(front);
	return 0;
}
