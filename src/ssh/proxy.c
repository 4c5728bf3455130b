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
#include "ssh/packets.h"

/* The table of channels begins with so many and doubles. */
#define PROXY_TABLE_MIN 16

/* No name that sshd can look up is longer (NI_MAXHOST). */
#define PROXY_HOST_MAX 1025

struct proxy {
	uv_loop_t *loop;
	const struct proxy_handler *handler;
	void *ctx;
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

	if (!proxy->mux.packets.up || proxy->mux.packets.conn == NULL ||
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

/* A packet of proxy mode.  0 or a negative errno. */
static int
proxy_packet(void *ctx, const struct chan_message *message)
{
	struct proxy *proxy = ctx;
	struct channel_mux *mux = &proxy->mux;

	switch (message->type) {
	case CHAN_GLOBAL_REQUEST:
		if (message->want_reply)
			packets_send(&mux->packets,
			    chan_put_request_failure(&mux->packets.message));
		return 0;
	case CHAN_OPEN:
		packets_send(&mux->packets,
		    chan_put_open_failure(&mux->packets.message,
			message->channel, CHAN_ADMINISTRATIVELY_PROHIBITED));
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

static void
proxy_received(void *ctx)
{
	struct proxy *proxy = ctx;

	channel_deliver(&proxy->mux);
}

static void
proxy_room(void *ctx)
{
	struct proxy *proxy = ctx;

	channel_turns(&proxy->mux);
}

/* ---- its life ---- */

static void
proxy_up(void *ctx)
{
	struct proxy *proxy = ctx;

	proxy->handler->up(proxy->ctx);
}

static void
proxy_lost(void *ctx, int err)
{
	struct proxy *proxy = ctx;

	proxy->handler->lost(proxy->ctx, err);
}

static const struct packets_handler proxy_packets_handler = {
	.up = proxy_up,
	.packet = proxy_packet,
	.received = proxy_received,
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
	err = packets_open(&mux->packets, loop, path, &proxy_packets_handler,
	    proxy);
	if (err != 0) {
		free(proxy);
		return err;
	}
	*ret = proxy;
	return 0;
}

void
proxy_break(struct proxy *proxy)
{
	if (proxy->mux.packets.conn != NULL)
		conn_break(proxy->mux.packets.conn);
}

void
proxy_abort(struct proxy *proxy)
{
	struct channel_mux *mux = &proxy->mux;

	packets_close(&mux->packets);
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
	packets_free(&proxy->mux.packets);
	free(proxy->mux.table);
	free(proxy);
}
