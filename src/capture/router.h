/*
 * A router: clients that were admitted, and have chosen their FTP server, get
 * the session that the rules of the configuration give them.  If that depends
 * on the FTP user, the router greets the client itself, and waits for USER
 * (ftp/prelude.h).
 */
#ifndef CAPTURE_ROUTER_H
#define CAPTURE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "capture/rules.h"
#include "tunnel/tunnel.h"

enum route_answer {
	ROUTE_FOUND,
	ROUTE_NEEDS_USER, /* not if the user is known */
	ROUTE_REFUSED,
};

struct route {
	struct tunnel *tunnel; /* which begins the session */
	struct target target;
};

/* Decides where a client goes: fills in *ret for ROUTE_FOUND; for
 * ROUTE_REFUSED writes the reason, for people, to why. */
typedef enum route_answer route_decide_cb(void *ctx,
    const struct rules_request *request, struct route *ret, char *why,
    size_t why_size);

struct router;

/*
 * The router of tunnel, which has admitted the clients and refuses them if the
 * rules do.  login_ms: how long a client may take until USER; 0: for ever.
 * NULL when out of memory.
 */
struct router *router_new(uv_loop_t *loop, uint64_t login_ms,
    route_decide_cb *decide, void *ctx);

/* Until this is called, clients are refused. */
void router_set_tunnel(struct router *router, struct tunnel *tunnel);

/* Takes a client of that tunnel, whose server is at host and port.  arrival and
 * host are copied; target is ignored.  The stream and the place belong to the
 * router from here on; it keeps the side and the ports itself. */
void router_take(struct router *router, const struct arrival *arrival,
    const char *host, uint16_t port);

/* Does it still wait for the USER of any client? */
bool router_has_clients(const struct router *router);

/* Sends 421 with why to the clients that have not sent USER. */
void router_stop(struct router *router, const char *why);

/* After router_stop(); NULL is allowed. */
void router_free(struct router *router);

#endif
