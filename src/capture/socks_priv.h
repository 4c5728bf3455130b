/*
 * What socks_side.c and socks_client.c share.  Nobody else includes it.
 */
#ifndef CAPTURE_SOCKS_PRIV_H
#define CAPTURE_SOCKS_PRIV_H

#include <sys/queue.h>
#include <uv.h>

#include "base/log_limit.h"
#include "capture/socks.h"
#include "capture/socks_side.h"
#include "tunnel/ports.h"

struct socks_hub {
	uv_loop_t *loop;
	struct net *net;
	struct ports *ports;
	LIST_HEAD(, socks_listener) listeners;
	LIST_HEAD(, socks_client) clients;
	size_t n_clients;
};

struct socks_side {
	struct side side; /* must be first */
	struct socks_hub *hub;
	struct socks_config config;
	struct tunnel *tunnel;
	struct log_limit refusals;
};

/* A port that a client of a session is told. */
struct socks_listener {
	struct side_listener base; /* must be first */
	LIST_ENTRY(socks_listener) entry;
	uint16_t port; /* 0: all are in use */
	bool taken;    /* its connection has come */
	struct policy_peer client;
	struct addr at; /* IPv4: what its client is told */
	const struct side_listener_handler *handler;
	void *ctx;
	uv_timer_t soon; /* for the first callback */
};

/* A connection before it is handed over to a session. */
struct socks_client {
	LIST_ENTRY(socks_client) entry;
	struct socks_side *side;
	struct stream *stream;
	struct addr local, peer;
	struct socks socks;
	uint16_t bound; /* the port of its BIND; 0: it is in the handshake */
	uv_timer_t timer;
};

/* ---- socks_side.c ---- */
/* Who listens on that port; NULL: nobody. */
struct socks_listener *socks_hub_listener(const struct socks_hub *hub,
    uint16_t port);
/* Gives the connection to the listener. */
void socks_listener_take(struct socks_listener *listener, struct stream *stream,
    const struct addr *local, const struct addr *peer);

/* ---- socks_client.c ---- */
/* Who waits in BIND on that port, and is that client; NULL: nobody. */
struct socks_client *socks_client_bound(const struct socks_side *side,
    uint16_t port, const struct policy_peer *client);
/* The server has come: tells the client, and returns its stream.  The client
 * is freed.  NULL: it could not be told. */
struct stream *socks_client_serve(struct socks_client *client);
/* Closes all connections that have come by that side; NULL: by any. */
void socks_clients_drop(struct socks_hub *hub, const struct socks_side *side);

#endif
