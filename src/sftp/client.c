/*
 * The client's end of a connection to an SFTP server.
 */
#include "sftp/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "limits.h"
#include "sftp/client_priv.h"

static_assert(SFTP_OPS <= 32, "a bit for each");

/* ---- life ---- */

struct sftp *
sftp_new(const struct sftp_handler *handler, void *ctx)
{
	struct sftp *sftp = calloc(1, sizeof(*sftp));

	if (sftp == NULL)
		return NULL;
	sftp->handler = handler;
	sftp->ctx = ctx;
	sftp->max_read = SFTP_BLOCK;
	sftp->max_write = SFTP_WRITE_BLOCK;
	buf_init(&sftp->input, LIMIT_WIRE_MESSAGE + 4);
	TAILQ_INIT(&sftp->pending);
	TAILQ_INIT(&sftp->files);
	return sftp;
}

void
sftp_remove(struct sftp *sftp, struct sftp_pending *pending)
{
	TAILQ_REMOVE(&sftp->pending, pending, entry);
	sftp->n_pending--;
	sftp_pending_free(pending);
}

void
sftp_free(struct sftp *sftp)
{
	if (sftp == NULL)
		return;
	while (!TAILQ_EMPTY(&sftp->pending))
		sftp_remove(sftp, TAILQ_FIRST(&sftp->pending));
	while (!TAILQ_EMPTY(&sftp->files))
		sftp_file_free(sftp, TAILQ_FIRST(&sftp->files));
	buf_free(&sftp->input);
	free(sftp);
}

/* ---- requests ---- */

int
sftp_put_packet(struct sftp *sftp, const struct sftp_request *request,
    uint32_t id, const struct iovec *data, size_t n)
{
	uint8_t head[SFTP_PUT_MAX];
	struct iovec pieces[1 + SFTP_PIECES];
	size_t len = sftp_put(request, id, head);

	assert(n <= SFTP_PIECES);
	if (len == 0)
		return -EINVAL;
	pieces[0] = (struct iovec) { head, len };
	if (n > 0)
		memcpy(pieces + 1, data, n * sizeof(*data));
	return sftp->handler->send(sftp->ctx, pieces, 1 + n);
}

int
sftp_start(struct sftp *sftp)
{
	static const struct sftp_request init = { .op = SFTP_INIT };

	assert(sftp->state == SFTP_NEW);
	sftp->state = SFTP_INIT_SENT;
	return sftp_put_packet(sftp, &init, 0, NULL, 0);
}

struct sftp_pending *
sftp_add(struct sftp *sftp, enum sftp_op op, sftp_reply_cb *done, void *ctx)
{
	struct sftp_pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL)
		return NULL;
	pending->id = ++sftp->last_id;
	pending->op = op;
	pending->done = done;
	pending->ctx = ctx;
	pending->sent_at = sftp->ticks;
	TAILQ_INSERT_TAIL(&sftp->pending, pending, entry);
	sftp->n_pending++;
	return pending;
}

int
sftp_request(struct sftp *sftp, const struct sftp_request *request,
    const struct iovec *data, size_t n, sftp_reply_cb *done, void *ctx)
{
	struct sftp_pending *pending = sftp_add(sftp, request->op, done, ctx);
	int err;

	if (pending == NULL)
		return -ENOMEM;
	err = sftp_put_packet(sftp, request, pending->id, data, n);
	if (err != 0)
		sftp_remove(sftp, pending);
	return err;
}

int
sftp_send(struct sftp *sftp, const struct sftp_request *request,
    const struct iovec *data, size_t n, sftp_reply_cb *done, void *ctx)
{
	if (sftp->state == SFTP_DEAD)
		return -EPIPE;
	if (!sftp_can(sftp, request->op))
		return -ENOSYS;
	return sftp->keeps ? sftp_send_kept(sftp, request, data, n, done, ctx) :
			     sftp_request(sftp, request, data, n, done, ctx);
}

void
sftp_forget(struct sftp *sftp, const void *ctx)
{
	struct sftp_pending *pending;

	TAILQ_FOREACH (pending, &sftp->pending, entry)
		if (pending->ctx == ctx) {
			pending->done = NULL;
			pending->forgotten = true;
		}
}

size_t
sftp_pending(const struct sftp *sftp)
{
	return sftp->n_pending;
}

bool
sftp_can(const struct sftp *sftp, enum sftp_op op)
{
	return (sftp->state == SFTP_READY || sftp->paused) &&
	    (op < SFTP_POSIX_RENAME || (sftp->extensions >> op & 1) != 0);
}

bool
sftp_is_ordered(const struct sftp *sftp)
{
	return !sftp->unordered;
}

uint32_t
sftp_max_read(const struct sftp *sftp)
{
	return sftp->max_read;
}

uint32_t
sftp_max_write(const struct sftp *sftp)
{
	return sftp->max_write;
}

/* ---- replies ---- */

static void
sftp_get_ready(struct sftp *sftp)
{
	sftp->state = SFTP_READY;
	if (sftp->paused)
		sftp_begin_again(sftp);
	else
		sftp->handler->ready(sftp->ctx);
}

/* The limit, unless it is none, or more than our packets have room for. */
static uint32_t
sftp_room(uint64_t limit, uint32_t otherwise)
{
	uint64_t most = LIMIT_WIRE_MESSAGE - 1024;

	if (limit == 0)
		return otherwise;
	return (uint32_t)(limit < most ? limit : most);
}

static void
sftp_got_limits(void *ctx, struct sftp_reply *reply)
{
	struct sftp *sftp = ctx;
	struct sftp_limits limits;

	if (reply->type == SFTP_REPLY_EXTENDED &&
	    sftp_get_limits(reply, &limits) == 0) {
		sftp->max_read = sftp_room(limits.read, SFTP_BLOCK);
		sftp->max_write = sftp_room(limits.write, SFTP_WRITE_BLOCK);
	}
	if (sftp->state == SFTP_LIMITS_SENT)
		sftp_get_ready(sftp);
}

static int
sftp_got_version(struct sftp *sftp, struct sftp_reply *reply,
    const char **ret_why)
{
	static const struct sftp_request limits = { .op = SFTP_LIMITS };
	struct sftp_string name, version;

	*ret_why = "the SFTP server does not speak version 3";
	if (reply->version != SFTP_VERSION)
		return -EPROTO;
	/* What cannot be read of its extensions is not used. */
	sftp->extensions = 0;
	while (sftp_next_extension(reply, &name, &version) == 1)
		sftp->extensions |= 1U << sftp_extension(&name, &version);
	if ((sftp->extensions >> SFTP_LIMITS & 1) == 0) {
		sftp_get_ready(sftp);
		return 0;
	}
	sftp->state = SFTP_LIMITS_SENT;
	*ret_why = "out of memory";
	return sftp_request(sftp, &limits, NULL, 0, sftp_got_limits, sftp);
}

/* The reply has come too late for anybody. */
static void
sftp_drop_reply(struct sftp *sftp, const struct sftp_reply *reply)
{
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = reply->string,
	};

	if (reply->type == SFTP_REPLY_HANDLE)
		(void)sftp_send(sftp, &close, NULL, 0, NULL, NULL);
}

/* Removes it first: the callback may send requests. */
static void
sftp_answer(struct sftp *sftp, struct sftp_pending *pending,
    struct sftp_reply *reply)
{
	sftp_reply_cb *done = pending->done;
	void *ctx = pending->ctx;

	sftp_remove(sftp, pending);
	if (done != NULL)
		done(ctx, reply);
	else
		sftp_drop_reply(sftp, reply);
}

static int
sftp_got_reply(struct sftp *sftp, struct sftp_reply *reply,
    const char **ret_why)
{
	struct sftp_pending *pending;

	TAILQ_FOREACH (pending, &sftp->pending, entry)
		if (pending->id == reply->id && !pending->waiting)
			break;
	*ret_why = "the SFTP server has answered a request that was not sent";
	if (pending == NULL)
		return -EPROTO;
	sftp->answered_at = sftp->ticks;
	sftp->unordered |= pending != TAILQ_FIRST(&sftp->pending);
	if (!sftp_fits(pending->op, reply)) {
		*ret_why = "the SFTP server has sent a reply of the wrong type";
		return -EPROTO;
	}
	*ret_why = "out of memory";
	if (sftp_note_reply(sftp, pending, reply) != 0)
		return -ENOMEM;
	sftp_answer(sftp, pending, reply);
	return 0;
}

static int
sftp_packet(struct sftp *sftp, const struct wire_in *in, const char **ret_why)
{
	struct sftp_reply reply;

	*ret_why = "the SFTP server has sent a packet that cannot be read";
	if (sftp_parse(in->bytes, in->len, &reply) != 0)
		return -EPROTO;
	if ((reply.type == SFTP_REPLY_VERSION) !=
	    (sftp->state == SFTP_INIT_SENT))
		return -EPROTO;
	if (reply.type == SFTP_REPLY_VERSION)
		return sftp_got_version(sftp, &reply, ret_why);
	return sftp_got_reply(sftp, &reply, ret_why);
}

/* Handles all complete packets.  The number of bytes that they have, or a
 * negative errno. */
static ssize_t
sftp_packets(struct sftp *sftp, const uint8_t *bytes, size_t len,
    const char **ret_why)
{
	struct wire_in in;
	size_t used = 0;
	int err;

	while (sftp->state != SFTP_DEAD &&
	    (err = wire_get_message(bytes + used, len - used, &in)) != 0) {
		*ret_why = "the SFTP server has sent a packet that is too long";
		if (err == 1)
			err = sftp_packet(sftp, &in, ret_why);
		if (err != 0)
			return err;
		used += 4 + in.len;
	}
	return (ssize_t)used;
}

int
sftp_bytes(struct sftp *sftp, const void *bytes, size_t len,
    const char **ret_why)
{
	const uint8_t *from = bytes;
	ssize_t used;

	if (buf_len(&sftp->input) == 0) {
		used = sftp_packets(sftp, from, len, ret_why);
		if (used < 0)
			return (int)used;
		from += used;
		len -= (size_t)used;
		*ret_why = "out of memory";
		return buf_append(&sftp->input, from, len);
	}
	while (len > 0 && sftp->state != SFTP_DEAD) {
		size_t part = LIMIT_WIRE_MESSAGE + 4 - buf_len(&sftp->input);

		if (part > len)
			part = len;
		*ret_why = "out of memory";
		if (buf_append(&sftp->input, from, part) != 0)
			return -ENOMEM;
		from += part;
		len -= part;
		used = sftp_packets(sftp, buf_bytes(&sftp->input),
		    buf_len(&sftp->input), ret_why);
		if (used < 0)
			return (int)used;
		buf_consume(&sftp->input, (size_t)used);
	}
	return 0;
}

/* ---- failures ---- */

static struct sftp_reply
sftp_local_status(enum sftp_status status, const char *why)
{
	return (struct sftp_reply) {
		.type = SFTP_REPLY_STATUS,
		.status = status,
		.string = { (const uint8_t *)why, strlen(why) },
	};
}

void
sftp_answer_locally(struct sftp *sftp, struct sftp_pending *pending,
    enum sftp_status status, const char *why)
{
	struct sftp_reply reply = sftp_local_status(status, why);

	sftp_answer(sftp, pending, &reply);
}

void
sftp_fail(struct sftp *sftp, const char *why)
{
	struct sftp_reply reply = sftp_local_status(SFTP_CONNECTION_LOST, why);

	if (sftp->paused)
		sftp_drop_lookups(sftp);
	sftp->state = SFTP_DEAD;
	sftp->paused = false;
	while (!TAILQ_EMPTY(&sftp->pending))
		sftp_answer(sftp, TAILQ_FIRST(&sftp->pending), &reply);
}

/* A request that will be given up; or NULL. */
static struct sftp_pending *
sftp_late(const struct sftp *sftp)
{
	struct sftp_pending *pending;

	if (sftp->ticks - sftp->answered_at < LIMIT_SFTP_REPLY_S)
		return NULL;
	TAILQ_FOREACH (pending, &sftp->pending, entry)
		if (!pending->expired &&
		    sftp->ticks - pending->sent_at >= LIMIT_SFTP_REPLY_S)
			return pending;
	return NULL;
}

void
sftp_tick(struct sftp *sftp)
{
	struct sftp_reply reply = sftp_local_status(SFTP_NO_CONNECTION,
	    "the SFTP server does not answer");
	struct sftp_pending *pending;

	sftp->ticks++;
	if (sftp->paused)
		return;
	while ((pending = sftp_late(sftp)) != NULL) {
		sftp_reply_cb *done = pending->done;

		pending->expired = true;
		pending->done = NULL;
		if (done != NULL)
			done(pending->ctx, &reply);
	}
}
