/*
 * A connection to ssh's control socket in proxy mode.
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

/* The table of channels has this size at first, then it doubles. */
#define PROXY_TABLE_MIN 16

/* NI_MAXHOST: sshd cannot look up a longer name. */
#define PROXY_HOST_MAX 1025

/* ---- channels ---- */

/* The lowest free number.  0 or a negative errno. */
static int
proxy_number(struct proxy *proxy, uint32_t *ret)
{
	struct channel **table;
	uint32_t size = proxy->size == 0 ? PROXY_TABLE_MIN : 2 * proxy->size;

	for (uint32_t i = 0; i < proxy->size; i++) {
		if (proxy->table[i] == NULL) {
			*ret = i;
			return 0;
		}
	}
	if (size > LIMIT_CHANNELS)
		return -EAGAIN;
	table = reallocarray(proxy->table, size, sizeof(struct channel *));
	if (table == NULL)
		return -ENOMEM;
	memset(table + proxy->size, 0,
	    (size - proxy->size) * sizeof(struct channel *));
	proxy->table = table;
	*ret = proxy->size;
	proxy->size = size;
	return 0;
}

struct stream *
proxy_dial(struct proxy *proxy, const char *host, uint16_t port,
    enum link_use use, const struct stream_handler *handler, void *ctx)
{
	uint32_t number;

	if (!proxy->up || proxy->conn == NULL ||
	    (host != NULL && strlen(host) > PROXY_HOST_MAX) ||
	    proxy_number(proxy, &number) != 0)
		return NULL;
	return channel_new(proxy, number, host, port, use, handler, ctx);
}

unsigned int
proxy_channels(const struct proxy *proxy, bool owned)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < proxy->size; i++) {
		const struct channel *channel = proxy->table[i];

		n += channel != NULL && (!owned || channel_is_owned(channel));
	}
	return n;
}

unsigned int
proxy_refusals(const struct proxy *proxy)
{
	return proxy->refusals;
}

/* ---- what ssh sends ---- */

/* 0 or a negative errno. */
static int
proxy_packet(struct proxy *proxy, const struct chan_message *packet)
{
	if (packet->type == CHAN_GLOBAL_REQUEST && packet->want_reply)
		conn_put(proxy->conn, chan_put_request_failure());
	if (packet->type == CHAN_OPEN)
		conn_put(proxy->conn,
		    chan_put_open_failure(packet->channel,
			CHAN_ADMINISTRATIVELY_PROHIBITED));
	if (packet->type < CHAN_OPEN_CONFIRMATION ||
	    packet->type > CHAN_FAILURE)
		return 0; /* not for a channel */
	if (packet->channel >= proxy->size ||
	    proxy->table[packet->channel] == NULL)
		return channel_is_late(packet) ? 0 : -EPROTO;
	return channel_message(proxy->table[packet->channel], packet);
}

static int
proxy_message(void *ctx, const uint8_t *bytes, size_t len)
{
	struct chan_message packet;
	int err = chan_parse(bytes, len, &packet);

	return err != 0 ? err : proxy_packet(ctx, &packet);
}

static void
proxy_received(void *ctx)
{
	struct proxy *proxy = ctx;

	channel_deliver(proxy);
}

static void
proxy_room(void *ctx)
{
	struct proxy *proxy = ctx;

	channel_turns(proxy);
}

/* ---- its life ---- */

static void
proxy_up(void *ctx)
{
	struct proxy *proxy = ctx;

	proxy->up = true;
	proxy->handler->up(proxy->ctx);
}

static void
proxy_lost(void *ctx, int err)
{
	struct proxy *proxy = ctx;

	proxy->conn = NULL;
	proxy->handler->lost(proxy->ctx, err);
}

static const struct conn_handler proxy_conn_handler = {
	.up = proxy_up,
	.message = proxy_message,
	.received = proxy_received,
	.room = proxy_room,
	.lost = proxy_lost,
};

int
proxy_new(uv_loop_t *loop, const char *path, struct link_info *info,
    struct reason *reason, const struct proxy_handler *handler, void *ctx,
    struct proxy **ret)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	int err;

	if (proxy == NULL)
		return -ENOMEM;
	proxy->loop = loop;
	proxy->handler = handler;
	proxy->ctx = ctx;
	TAILQ_INIT(&proxy->waiting);
	proxy->info = info;
	proxy->reason = reason;
	err = conn_new(loop, path, true, &proxy_conn_handler, proxy,
	    &proxy->conn);
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
	if (proxy->conn != NULL)
		conn_break(proxy->conn);
}

void
proxy_abort(struct proxy *proxy)
{
	conn_free(proxy->conn);
	proxy->conn = NULL;
	/* All are marked as lost before the first owner is called. */
	for (uint32_t i = 0; i < proxy->size; i++) {
		struct channel *channel = proxy->table[i];

		if (channel == NULL)
			continue;
		channel_lost(channel);
		/* channel_lost() has removed it from the table.  If its owner
		 * closes it meanwhile, its memory exists until the loop runs,
		 * and channel_tell() does nothing. */
		proxy->table[i] = channel;
	}
	for (uint32_t i = 0; i < proxy->size; i++) {
		if (proxy->table[i] != NULL)
			channel_tell(proxy->table[i]);
		proxy->table[i] = NULL;
	}
}

void
proxy_free(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	conn_free(proxy->conn);
	free(proxy->table);
	free(proxy);
}
