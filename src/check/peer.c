/*
 * The peers of culvert check.
 */
#include "check/peer.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "ssh/reason.h"

static void
attempt_fail_len(struct attempt *attempt, int err, const char *why, size_t len)
{
	attempt->result = ATTEMPT_FAILED;
	attempt->err = err;
	log_escape(attempt->why, sizeof(attempt->why), why, len);
}

void
attempt_fail(struct attempt *attempt, int err, const char *why)
{
	attempt_fail_len(attempt, err, why, strlen(why));
}

void
attempt_wait(struct attempt *attempt, struct wait *wait, uint64_t ms)
{
	wait_begin(wait, ms);
	while (attempt->result == ATTEMPT_STARTED && wait_more(wait))
		;
	if (attempt->result == ATTEMPT_STARTED)
		attempt_fail(attempt, -ETIMEDOUT, "no answer in time");
}

/* ---- connections ---- */

static void
peer_on_opened(void *ctx)
{
	struct peer *peer = ctx;

	peer->attempt.result = ATTEMPT_GOOD;
	peer->opened = true;
	stream_read_start(peer->stream);
}

static void
peer_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct peer *peer = ctx;

	peer->bytes += stream_len(pieces, n);
	if (peer->data != NULL)
		peer->data(peer->ctx, pieces, n);
}

static void
peer_on_eof(void *ctx)
{
	struct peer *peer = ctx;

	peer->ended = true;
	if (peer->stream != NULL)
		stream_shutdown(peer->stream);
}

static void
peer_on_drained(void *ctx)
{
}

static void
peer_on_closed(void *ctx, int err, const char *why)
{
	struct peer *peer = ctx;

	/* -ESHUTDOWN: both directions have ended. */
	if (err != -ESHUTDOWN)
		attempt_fail_len(&peer->attempt, err, why, reason_own_len(why));
	peer_close(peer);
}

static const struct stream_handler peer_handler = {
	.opened = peer_on_opened,
	.data = peer_on_data,
	.eof = peer_on_eof,
	.drained = peer_on_drained,
	.closed = peer_on_closed,
};

void
peer_dial(struct peer *peer, struct side *side, const struct side_to *to)
{
	peer->attempt.result = ATTEMPT_STARTED;
	peer->stream = side_dial(side, to, &peer_handler, peer);
	if (peer->stream == NULL)
		attempt_fail(&peer->attempt, -ENOMEM,
		    "the connection could not be started");
}

void
peer_dial_addr(struct peer *peer, struct net *net, const struct addr *to)
{
	int err = 0;

	peer->attempt.result = ATTEMPT_STARTED;
	peer->stream = net_dial(net, to, NULL, &peer_handler, peer, &err);
	if (peer->stream == NULL)
		attempt_fail(&peer->attempt, err, strerror(-err));
}

void
peer_sftp(struct peer *peer, struct link *link)
{
	peer->attempt.result = ATTEMPT_STARTED;
	peer->stream = link_sftp(link, &peer_handler, peer);
	if (peer->stream == NULL)
		attempt_fail(&peer->attempt, -ECONNRESET,
		    "the session could not be started");
}

void
peer_close(struct peer *peer)
{
	stream_close(peer->stream);
	peer->stream = NULL;
}

void
peer_fail(struct peer *peer, int err, const char *why)
{
	attempt_fail(&peer->attempt, err, why);
	peer_close(peer);
}

/* ---- listeners ---- */

static void
peer_on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct peer_listener *listener = ctx;

	listener->attempt.result = ATTEMPT_GOOD;
	listener->v4 = *v4;
	listener->v6 = *v6;
}

static bool
peer_on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *remote)
{
	struct peer_listener *listener = ctx;
	struct peer *peer = listener->peer;

	if (peer == NULL || peer->opened) {
		stream_reset(stream);
		return false;
	}
	stream_set_handler(stream, &peer_handler, peer);
	peer->stream = stream;
	peer_on_opened(peer);
	return true;
}

static void
peer_on_second(void *ctx, const char *place)
{
}

static void
peer_on_listen_failed(void *ctx, int err, const char *why)
{
	struct peer_listener *listener = ctx;

	attempt_fail_len(&listener->attempt, err, why, reason_own_len(why));
}

void
peer_listen(struct peer_listener *listener, struct side *side,
    const struct side_at *at, struct peer *peer)
{
	static const struct side_listener_handler handler = {
		.listening = peer_on_listening,
		.accepted = peer_on_accepted,
		.second = peer_on_second,
		.failed = peer_on_listen_failed,
	};

	listener->attempt.result = ATTEMPT_STARTED;
	listener->peer = peer;
	listener->listener = side_listen(side, at, &handler, listener);
	if (listener->listener == NULL)
		attempt_fail(&listener->attempt, -ENOMEM, strerror(ENOMEM));
}

void
peer_unlisten(struct peer_listener *listener)
{
	side_listener_close(listener->listener, false);
	listener->listener = NULL;
}
