/*
 * The control socket: what culvert status, stop, drain and reload talk to.
 *
 * A Unix socket, "control" in the private directory, of mode 0600; whoever
 * connects must be root or the user that culvert runs as (SO_PEERCRED,
 * unix(7)). Both sides say lines, one JSON object each (RFC 8259): a request,
 *
 *	{"do": "status"}
 *	{"do": "metrics"}
 *	{"do": "stop"|"drain"|"reload"}			all of it
 *	{"do": "stop"|"drain"|"reload", "tunnel": NAME}	one tunnel of culvert up
 *	{"do": "end", "session": NUMBER}
 *
 * and its answer: status.h's, {"metrics": "..."} with Prometheus' text format,
 * {"ok": true}, or {"error": "..."}.  The connection ends when culvert does.
 */
#ifndef PROCESS_CONTROL_H
#define PROCESS_CONTROL_H

struct app;
struct control_socket;

/* The name of the socket in the private directory. */
#define CONTROL_NAME "control"

/* Listens from now on; app->net is there.  NULL: it cannot, which has been
 * logged, and hurts nothing else. */
struct control_socket *control_open(struct app *app);

/* A reload has ended, for those who asked for it; why it did not, or NULL. */
void control_reloaded(struct control_socket *control, const char *why);

/* Takes no more requests; those who are connected see the end with ours.  NULL
 * is allowed. */
void control_close(struct control_socket *control);

#endif
