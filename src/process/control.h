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
 * Answers: see status.h, {"ok": true}, or {"error": "..."}.  The connection
 *ends when culvert does.
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
	CONTROL_STOP,	/* end; sessions get 421 */
	CONTROL_DRAIN,	/* end when that cuts no transfer */
	CONTROL_RELOAD, /* read the configuration file again */
};

/*
 * Carries out an order for the tunnel with that name, or for all if name is
 * NULL.  False with the reason in why.  If a reload returns true,
 * control_reloaded() is to follow.
 */
typedef bool control_order_cb(void *ctx, enum control_order order,
    const char *name, char *why, size_t why_size);

/* Listens.  NULL if it cannot, which has been logged; culvert works without. */
struct control_socket *control_open(struct shared *shared,
    control_order_cb *order, void *ctx);

/* A reload has ended: answers those who requested it.  why: why it failed, or
 * NULL. */
void control_reloaded(struct control_socket *control, const char *why);

/* Accepts no more connections and closes those that there are.  NULL is
 * allowed. */
void control_close(struct control_socket *control);

#endif
