/*
 * A tunnel: a listening address, and the sessions that came by it.
 */
#ifndef TUNNEL_TUNNEL_H
#define TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "net/sock.h"
#include "tunnel/side.h"

/* Counts over all tunnels of the process. */
struct tunnel_count {
	size_t sessions; /* now */
	size_t max_sessions;
	unsigned long last_number;
};

struct tunnel_options {
	const char *bind; /* "", "*", a name or an address */
	uint16_t port;	  /* 0: the kernel's choice */
	const char *server_host;
	uint16_t server_port;
	bool pass_foreign_port;
	bool allow_tls;
	bool any_user;
	uv_loop_t *loop;
	struct net *net;
	struct side *near;
	struct side *far;
	struct tunnel_count *count;
};

struct tunnel;

/*
 * Binds, but takes nobody yet.  bind is looked up at once, blocking: this is
 * for start-up.  options is copied, what it points to is borrowed.
 * Returns NULL with a text for people in why.
 */
struct tunnel *tunnel_new(const struct tunnel_options *options, char *why,
    size_t why_size);

/* Takes clients from now on.  0, or a negative errno. */
int tunnel_start(struct tunnel *tunnel);

/* "127.0.0.1:2121", several joined by " and "; returns text. */
const char *tunnel_address(const struct tunnel *tunnel, char *text,
    size_t size);

/* Takes nobody any more, and ends the sessions with 421 and why. */
void tunnel_stop(struct tunnel *tunnel, const char *why);

/* After tunnel_stop(); NULL is allowed. */
void tunnel_free(struct tunnel *tunnel);

#endif
