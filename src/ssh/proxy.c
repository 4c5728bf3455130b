/*
 * The proxy side of ssh's control socket.
 */
#include "ssh/proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "ssh/chan.h"
#include "ssh/channel.h"
#include "ssh/conn.h"
#include "ssh/mux.h"

/* The table of channels begins with so many and doubles. */
#define PROXY_TABLE_MIN 16

/* No name that sshd can look up is longer (NI_MAXHOST). */
#define PROXY_HOST_MAX 1025

/* The hellos cross; then we ask for proxy mode, and after ssh's yes there are
 * only packets of channels. */
enum proxy_state {
	PROXY_HELLO,
	PROXY_ASKED,
	PROXY_UP,
};

struct proxy {
	uv_loop_t *loop;
	const struct proxy_handler *handler;
	void *ctx;
	enum proxy_state state;
	struct channel_mux mux;
};

/* ---- channels ---- */

/* A free number, the lowest.  0 or a negative errno. */
static int
proxy_number(struct channel_mux *mux, uint32_t *ret)
{
	struct channel **table;
	uint32_t size = mux->size == 0 ? PROXY_TABLE_MIN : 2 * mux->size;

	for (uint32_t i = 0; i < mux->size; i++) {
		if (mux->table[i] == NULL) {
			*ret = i;
			return 0;
		}
	}
	if (size > LIMIT_CHANNELS)
		return -EAGAIN;
	table = calloc(size, sizeof(*table));
	if (table == NULL)
		return -ENOMEM;
	if (mux->size > 0)
		memcpy(table, mux->table, mux->size * sizeof(*table));
	free(mux->table);
	mux->table = table;
	*ret = mux->size;
	mux->size = size;
	return 0;
}

struct stream *
proxy_dial(struct proxy *proxy, const char *host, uint16_t port,
    enum link_use use, const struct stream_handler *handler, void *ctx)
{
	struct channel *channel;
	uint32_t number;

	if (proxy->state != PROXY_UP || proxy->mux.conn == NULL ||
	    strlen(host) > PROXY_HOST_MAX ||
	    proxy_number(&proxy->mux, &number) != 0)
		return NULL;
	channel = channel_new(proxy->loop, &proxy->mux, number, host, port, use,
	    handler, ctx);
	return channel == NULL ? NULL : channel_stream(channel);
}

unsigned int
proxy_channels(const struct proxy *proxy, bool owned)
{
	const struct channel_mux *mux = &proxy->mux;
	unsigned int n = 0;

	for (uint32_t i = 0; i < mux->size; i++) {
		const struct channel *channel = mux->table[i];

		n += channel != NULL && (!owned || channel_is_owned(channel));
	}
	return n;
}

unsigned int
proxy_refusals(const struct proxy *proxy)
{
	return proxy->mux.refusals;
}

/* ---- what comes ---- */

/* A message of the handshake.  0 or a negative errno. */
static int
proxy_shake(struct proxy *proxy, const struct mux_message *message)
{
	struct channel_mux *mux = &proxy->mux;

	if (proxy->state == PROXY_HELLO) {
		if (message->type != MUX_MSG_HELLO ||
		    message->version != MUX_PROTOCOL_VERSION)
			return -EPROTO;
		proxy->state = PROXY_ASKED;
		conn_send_buf(mux->conn, &mux->message,
		    mux_put_proxy(&mux->message, 0));
		return 0;
	}
	if (message->type != MUX_S_PROXY)
		return -EPROTO;
	proxy->state = PROXY_UP;
	proxy->handler->up(proxy->ctx);
	return 0;
}

/* A packet of proxy mode.  0 or a negative errno. */
static int
proxy_packet(struct proxy *proxy, const struct chan_message *message)
{
	struct channel_mux *mux = &proxy->mux;

	switch (message->type) {
	case CHAN_GLOBAL_REQUEST:
		if (message->want_reply)
			conn_send_buf(mux->conn, &mux->message,
			    chan_put_request_failure(&mux->message));
		return 0;
	case CHAN_OPEN:
		conn_send_buf(mux->conn, &mux->message,
		    chan_put_open_failure(&mux->message, message->channel,
			CHAN_ADMINISTRATIVELY_PROHIBITED));
		return 0;
	case CHAN_OPEN_CONFIRMATION:
	case CHAN_OPEN_FAILURE:
	case CHAN_WINDOW_ADJUST:
	case CHAN_DATA:
	case CHAN_EXTENDED_DATA:
	case CHAN_EOF:
	case CHAN_CLOSE:
	case CHAN_REQUEST:
	case CHAN_SUCCESS:
	case CHAN_FAILURE:
		if (message->channel >= mux->size ||
		    mux->table[message->channel] == NULL)
			return channel_is_late(message) ? 0 : -EPROTO;
		return channel_message(mux->table[message->channel], message);
	default: /* nothing that we asked for */
		return 0;
	}
}

/* Takes the first message or packet.  1, 0 when it is not whole, or -errno. */
static int
proxy_take(struct proxy *proxy, const uint8_t *bytes, size_t len,
    size_t *ret_used)
{
	struct mux_message message;
	struct chan_message packet;
	int err;

	if (proxy->state == PROXY_UP) {
		switch (chan_parse(bytes, len, &packet, ret_used)) {
		case CHAN_MORE:
			return 0;
		case CHAN_BAD:
			return -EPROTO;
		case CHAN_READY:
			break;
		}
		err = proxy_packet(proxy, &packet);
	} else {
		switch (mux_parse(bytes, len, &message, ret_used)) {
		case MUX_MORE:
			return 0;
		case MUX_BAD:
			return -EPROTO;
		case MUX_READY:
			break;
		}
		err = proxy_shake(proxy, &message);
	}
	return err < 0 ? err : 1;
}

static ssize_t
proxy_input(void *ctx, const uint8_t *bytes, size_t len)
{
	struct proxy *proxy = ctx;
	size_t taken = 0, used;
	int result;

	while (
	    (result = proxy_take(proxy, bytes + taken, len - taken, &used)) > 0)
		taken += used;
	channel_deliver(&proxy->mux);
	return result < 0 ? result : (ssize_t)taken;
}

static void
proxy_room(void *ctx)
{
	struct proxy *proxy = ctx;

	channel_turns(&proxy->mux);
}

/* ---- its life ---- */

static void
proxy_lost(void *ctx, int err)
{
	struct proxy *proxy = ctx;

	proxy->mux.conn = NULL;
	proxy->handler->lost(proxy->ctx, err);
}

static const struct conn_handler proxy_conn_handler = {
	.input = proxy_input,
	.room = proxy_room,
	.lost = proxy_lost,
};

int
proxy_new(uv_loop_t *loop, const char *path, struct window_path *way,
    bool *sends_eof, struct reason *reason, const struct proxy_handler *handler,
    void *ctx, struct proxy **ret)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	struct channel_mux *mux;
	int err;

	if (proxy == NULL)
		return -ENOMEM;
	proxy->loop = loop;
	proxy->handler = handler;
	proxy->ctx = ctx;
	mux = &proxy->mux;
	TAILQ_INIT(&mux->waiting);
	mux->way = way;
	mux->sends_eof = sends_eof;
	mux->reason = reason;
	buf_init(&mux->message, LIMIT_MUX_MESSAGE);
	err = conn_new(loop, path, &proxy_conn_handler, proxy, &mux->conn);
	if (err != 0) {
		free(proxy);
		return err;
	}
	conn_send_buf(mux->conn, &mux->message, mux_put_hello(&mux->message));
	*ret = proxy;
	return 0;
}

void
proxy_break(struct proxy *proxy)
{
	if (proxy->mux.conn != NULL)
		conn_break(proxy->mux.conn);
}

void
proxy_abort(struct proxy *proxy)
{
	struct channel_mux *mux = &proxy->mux;

	conn_free(mux->conn);
	mux->conn = NULL;
	/* All of them are lost before the first owner hears of it. */
	for (uint32_t i = 0; i < mux->size; i++) {
		struct channel *channel = mux->table[i];

		if (channel == NULL)
			continue;
		channel_lost(channel);
		/* Those that owners give up meanwhile are freed by the loop
		 * later; telling them is nothing. */
		mux->table[i] = channel;
	}
	for (uint32_t i = 0; i < mux->size; i++) {
		if (mux->table[i] != NULL)
			channel_tell(mux->table[i]);
		mux->table[i] = NULL;
	}
}

void
proxy_free(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	conn_free(proxy->mux.conn);
	buf_free(&proxy->mux.message);
	free(proxy->mux.table);
	free(proxy);
}
