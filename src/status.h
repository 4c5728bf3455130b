/*
 * What culvert is doing, as JSON: the answer to "status" (control.h).
 *
 *	{ "version", "pid", "seconds", "state": "running"|"draining"|"stopping",
 *	  "sessions", "memory", "memory_max",	  receive windows, in bytes
 *	  "destinations": [
 *	    { "destination", "state":
 *"up"|"down"|"connecting"|"waiting"|"ended", "seconds", "losses", "links",
 *"round_trip", "why", "tunnels": [ { "name", "kind": "local"|"remote",
 *"listening", "server", "state": "listening"|"starting"|"leaving", "waiting",
 *		  "sessions_begun", "bytes_up", "bytes_down",
 *		  "transfers": { "download": { "complete", ... }, "upload" },
 *		  "sessions": [
 *		    { "session", "client", "user", "seconds",
 *		      "transfers": [
 *			{ "verb", "path", "direction", "bytes", "size",
 *			  "offset", "seconds", "client_mode", "server_mode" }
 *
 * What is not known is null.  Times are in seconds, with fractions.
 */
#ifndef STATUS_H
#define STATUS_H

struct app;

/* One line, its newline included; heap memory, or NULL when out of it. */
char *status_text(const struct app *app);

#endif
