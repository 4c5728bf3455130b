/*
 * The handshake of SOCKS: the same result however the bytes are split, and
 * nothing is taken beyond the request.
 */
#include <assert.h>
#include <string.h>

#include "capture/socks.h"
#include "fuzz.h"

struct outcome {
	enum socks_result result;
	size_t taken;
	uint8_t out[2 * SOCKS_OUT_MAX];
	size_t out_len;
	struct socks socks;
};

/* Feeds pieces of that many bytes. */
static struct outcome
feed_pieces(const uint8_t *bytes, size_t len, size_t piece)
{
	struct outcome outcome = { .result = SOCKS_MORE };
	struct socks_out out;
	size_t n, taken;

	while (outcome.result == SOCKS_MORE && outcome.taken < len) {
		n = len - outcome.taken;
		n = n < piece ? n : piece;
		outcome.result = socks_feed(&outcome.socks,
		    bytes + outcome.taken, n, &taken, &out);
		assert(taken <= n);
		assert(outcome.result != SOCKS_MORE || taken == n);
		assert((outcome.result == SOCKS_WRONG) == (out.why != NULL));
		assert(outcome.out_len + out.len <= SOCKS_OUT_MAX);
		memcpy(outcome.out + outcome.out_len, out.bytes, out.len);
		outcome.out_len += out.len;
		outcome.taken += taken;
	}
	return outcome;
}

static void
check_ready(const struct socks *socks)
{
	const struct addr at = { .family = AF_INET6, .port = 61000 };
	uint8_t reply[SOCKS_REPLY_MAX];
	size_t len = strlen(socks->request.host);

	assert(len > 0 && len < SOCKS_HOST_MAX);
	assert(socks->request.command == SOCKS_CONNECT ||
	    socks->request.command == SOCKS_BIND);
	assert(socks_reply(socks, SOCKS_GRANTED, &at, reply) ==
	    (socks->version == 5 ? 22 : 8));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct outcome whole = feed_pieces(bytes, len, len);
	struct outcome split = feed_pieces(bytes, len, 1);

	assert(whole.result == split.result && whole.taken == split.taken);
	assert(whole.out_len == split.out_len);
	assert(memcmp(whole.out, split.out, whole.out_len) == 0);
	assert(memcmp(&whole.socks.request, &split.socks.request,
		   sizeof(whole.socks.request)) == 0);
	if (whole.result == SOCKS_READY)
		check_ready(&whole.socks);
	return 0;
}
