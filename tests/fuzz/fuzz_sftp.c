/*
 * SFTP: what a server sends to a client that has sent one request of each kind.
 * Each request gets one reply that fits, and what the reply points to can be
 * read.
 */
#include <assert.h>

#include "fuzz.h"
#include "sftp/client.h"

struct fuzz {
	struct sftp *sftp;
	unsigned int replies[SFTP_OPS];
	unsigned int sent[SFTP_OPS];
	volatile uint8_t sum;
};

struct asked {
	struct fuzz *fuzz;
	enum sftp_op op;
};

static struct asked asked[SFTP_OPS];

static void
read_string(struct fuzz *fuzz, const struct sftp_string *string)
{
	for (size_t i = 0; i < string->len; i++)
		fuzz->sum += string->bytes[i];
}

static void
on_reply(void *ctx, struct sftp_reply *reply)
{
	const struct asked *one = ctx;
	struct fuzz *fuzz = one->fuzz;
	struct sftp_name name;
	struct sftp_limits limits;
	struct sftp_space space;

	fuzz->replies[one->op]++;
	assert(sftp_fits(one->op, reply));
	read_string(fuzz, &reply->string);
	if (reply->type == SFTP_REPLY_NAME)
		while (sftp_next_name(reply, &name) == 1)
			read_string(fuzz, &name.name);
	(void)sftp_get_limits(reply, &limits);
	(void)sftp_get_space(reply, &space);
}

static int
on_send(void *ctx, const struct iovec *pieces, size_t n)
{
	const uint8_t *head = pieces[0].iov_base;
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += pieces[i].iov_len;
	/* The length in front is that of the packet. */
	assert(len ==
	    4 +
		((size_t)head[0] << 24 | (size_t)head[1] << 16 |
		    (size_t)head[2] << 8 | head[3]));
	return 0;
}

static void
on_ready(void *ctx)
{
	struct fuzz *fuzz = ctx;

	assert(sftp_max_read(fuzz->sftp) > 0 && sftp_max_write(fuzz->sftp) > 0);
	for (enum sftp_op op = SFTP_OPEN; op < SFTP_OPS; op++) {
		struct sftp_request request = {
			.op = op,
			.name = { (const uint8_t *)"a", 1 },
			.to = { (const uint8_t *)"b", 1 },
			.len = 1,
		};
		char byte = 'x';
		struct iovec data = { &byte, 1 };

		asked[op] = (struct asked) { fuzz, op };
		if (sftp_send(fuzz->sftp, &request, &data, op == SFTP_WRITE,
			on_reply, &asked[op]) == 0)
			fuzz->sent[op]++;
		else
			assert(!sftp_can(fuzz->sftp, op));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct sftp_handler handler = {
		.send = on_send,
		.ready = on_ready,
	};
	struct fuzz fuzz = { .sum = 0 };
	const char *why;
	size_t part;

	if (len == 0)
		return 0;
	fuzz.sftp = sftp_new(&handler, &fuzz);
	assert(fuzz.sftp != NULL && sftp_start(fuzz.sftp) == 0);
	/* The first byte says in how large pieces the others come. */
	part = bytes[0] == 0 ? len : bytes[0];
	for (size_t at = 1; at < len; at += part) {
		if (sftp_bytes(fuzz.sftp, bytes + at,
			len - at < part ? len - at : part, &why) != 0)
			break;
		sftp_tick(fuzz.sftp);
	}
	sftp_fail(fuzz.sftp, "lost");
	for (size_t op = 0; op < SFTP_OPS; op++)
		assert(fuzz.replies[op] == fuzz.sent[op]);
	sftp_free(fuzz.sftp);
	return 0;
}
