/*
 * The control socket: what culvert status, stop, drain and reload connect to.
 *
 * It is the Unix socket "control" in the private directory, with mode 0600.
 * Peers must be root or the user that culvert runs as (SO_PEERCRED, unix(7)).
 * Requests and answers are lines, each a JSON object (RFC 8259).  Requests:
 *
 *	{"do": "status"}
 *	{"do": "stop"|"drain"|"reload"}			the whole process
 *	{"do": "stop"|"drain"|"reload", "tunnel": NAME}	one tunnel of culvert up
 *	{"do": "end", "session": NUMBER}
 *
 * Answers: see status.h, {"ok": true}, or {"error": "..."}, in the order of the
 * requests.  When culvert ends, the connection ends.
 */
#ifndef PROCESS_CONTROL_H
#define PROCESS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "process/shared.h"

struct control_socket;

/* The name of the socket in the private directory. */
#define CONTROL_NAME "control"

enum control_order {
	CONTROL_STOP,	/* end now; sessions get 421 */
	CONTROL_DRAIN,	/* end as soon as that cuts no transfer */
	CONTROL_RELOAD, /* read the configuration file again */
};

/*
 * Carries out an order for the tunnel with that name, or for all if name is
 * NULL.  Returns false with the reason in why if it cannot.  After a reload for
 * which it has returned true, control_reloaded() must be called when that has
 * ended.  Such a name has at most LIMIT_TUNNEL_NAME bytes.
 */
typedef bool control_order_cb(void *ctx, enum control_order order,
    const char *name, char *why, size_t why_size);

/* Listens on the control socket.  Returns NULL if it cannot, which has been
 * logged; culvert works without it. */
struct control_socket *control_open(struct shared *shared,
    control_order_cb *order, void *ctx);

/* Call it when a reload has ended: answers the peers that have requested it.
 * name: of the tunnel; "" if it was for all; NULL answers every reload.  why:
 * the reason if it has failed, or NULL. */
void control_reloaded(struct control_socket *control, const char *name,
    const char *why);

/* Accepts no more connections and closes those that there are.  NULL is
 * allowed. */
void control_close(struct control_socket *control);

#endif
