/*
 * A tunnel's inside, shared by tunnel.c, tunnel_local.c, tunnel_remote.c and
 * the files of its sessions.  Nobody else includes it.
 */
#ifndef TUNNEL_TUNNEL_PRIV_H
#define TUNNEL_TUNNEL_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/log_limit.h"
#include "limits.h"
#include "ssh/pause.h"
#include "tunnel/admission.h"
#include "tunnel/throttle.h"
#include "tunnel/tunnel.h"

/* A name like "localhost" has an address in each family. */
#define TUNNEL_LISTENERS_MAX 4

struct tunnel_waiting;

LIST_HEAD(session_list, session);

/* What only a local tunnel has. */
struct tunnel_local {
	struct net_listener *listeners[TUNNEL_LISTENERS_MAX];
	size_t n_listeners;
	char stood[TUNNEL_LISTENERS_MAX * ADDR_TEXT_MAX]; /* their addresses,
							   * once closed */
	const char *exposed; /* what is missing, because an address is not
			      * loopback; or NULL */
	TAILQ_HEAD(, tunnel_waiting) waiting;
};

/* What only a remote tunnel has. */
struct tunnel_remote {
	struct side_listener *listener;
	struct addr at;	  /* where sshd listens; AF_UNSPEC until it has listened
			   * once */
	uv_timer_t timer; /* until it listens again */
	struct pause pause;
	bool told; /* it was logged that it does not listen; until it does */
	tunnel_started_cb *started;
	void *started_ctx;
};

struct tunnel {
	struct tunnel_options options;

	/* Where data connections of clients arrive (struct side_at, host);
	 * NULL: at our end of the client's control connection. */
	const char *listen_at;

	/* Where clients may be if a client's own address is not known. */
	const struct subnet *networks;
	size_t n_networks;

	struct engine_memory memory;
	struct tunnel_stats stats;
	struct throttle *throttle; /* of its data connections */
	struct session_list sessions;
	/* The last ports of clients' data connections, and how many there have
	 * been. */
	uint16_t data_ports[LIMIT_EXEC_DATA_PORTS];
	size_t n_data_ports;
	struct log_limit refusals;
	struct tunnel_local local;
	struct tunnel_remote remote;
};

/* A session listens at that port of this host for its client's data
 * connection. */
void tunnel_note_data_port(struct tunnel *tunnel, uint16_t port);

/* Tells a client that it is refused, and closes the stream.  reply: the 421.
 * err and why: see arrival_answer(). */
void tunnel_turn_away(const struct arrival *arrival, const char *reply, int err,
    const char *why);

/* Writes "cannot listen on BIND port N: reason" to why. */
void tunnel_say_cannot(const struct tunnel *tunnel, const char *reason,
    char *why, size_t why_size);

/* The two kinds.  make: 0, or -1 with why, a text for people; the others do
 * what tunnel_start(), tunnel_link_up(), tunnel_link_down() and tunnel_stop()
 * say. */
int tunnel_local_make(struct tunnel *tunnel, char *why, size_t why_size);
void tunnel_local_start(struct tunnel *tunnel, tunnel_started_cb *started,
    void *ctx);
void tunnel_local_up(struct tunnel *tunnel);
void tunnel_local_down(struct tunnel *tunnel, const char *why);
void tunnel_local_close(struct tunnel *tunnel, const char *why);

int tunnel_remote_make(struct tunnel *tunnel, char *why, size_t why_size);
void tunnel_remote_start(struct tunnel *tunnel, tunnel_started_cb *started,
    void *ctx);
void tunnel_remote_up(struct tunnel *tunnel);
void tunnel_remote_down(struct tunnel *tunnel);
void tunnel_remote_close(struct tunnel *tunnel);

#endif
