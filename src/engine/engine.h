/*
 * The control engine: it makes all decisions about one session.  It takes the
 * bytes of both control connections and the events of data connections, and
 * returns actions.  It owns no socket, reads no clock, writes no log, and never
 * waits: a test can drive all of it from a text file.
 *
 * The owner passes bytes and events to it, then takes actions until there are
 * none:
 *
 *	if (engine_bytes(engine, ENGINE_CLIENT, bytes, len) != 0)
 *		engine_stop(engine, "Out of memory");
 *	while (engine_next(engine, &action))
 *		carry_out(&action);
 *
 * Theory of operation: doc/design.md has the life of a PORT and of a PASV;
 * engine/data.h has the states.  RFC 959, 1123 section 4.1, 2428, 2389.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/subnet.h"
#include "ftp/command.h"
#include "ftp/framing.h"

struct engine;

enum engine_peer {
	ENGINE_CLIENT,
	ENGINE_SERVER,
};

/* The mode toward the server (RFC 959 section 3.2), whichever the client uses.
 */
enum engine_mode {
	ENGINE_SAME, /* the client's mode; the other one if it fails */
	ENGINE_PASSIVE,
	ENGINE_ACTIVE,
};

/*
 * What is known of a tunnel's server: which variants of PORT and PASV work.
 * Zeroed at first; shared by the engines of one tunnel, so that each variant is
 * tried, and logged, once.
 */
struct engine_memory {
	/* Variants that work: the server accepted the command and, for a
	 * passive one, a connection to its port was made. */
	unsigned good;
	/* Variants that the server refused when another one worked. */
	unsigned refused;
};

/*
 * What clients may not do, even if the server permits it; refused with 550.
 * Lists and texts are borrowed.  A policy without any rule is the same as NULL.
 */
struct engine_policy {
	bool read_only;
	const char *const *deny; /* "STOR", "SITE CHMOD" */
	size_t n_deny;
	/* Globs, see ftp/path.h.  If there is at least one, a path that matches
	 * none of them is refused. */
	const char *const *allow_path;
	size_t n_allow_path;
	const char *const *deny_path;
	size_t n_deny_path;
};

struct engine_config {
	/* The client's address, without a port.  AF_UNSPEC if it is unknown;
	 * then PORT may name any address in networks. */
	struct addr client;
	const struct subnet *networks; /* borrowed */
	size_t n_networks;

	const char *server_host; /* borrowed, for messages; or NULL */
	uint16_t server_port;
	sa_family_t server_family; /* of the server's control connection if it
				    * is known, else AF_UNSPEC */
	enum engine_mode server_mode;
	/* Replace the address in PORT and EPRT by the client's own. */
	bool ignore_port_host;
	/* Pass a PORT with an address that is not permitted to the server,
	 * unchanged, instead of refusing it. */
	bool pass_foreign_port;
	/* Pass AUTH to the server.  Once it has succeeded, the engine passes
	 * all bytes and interprets none. */
	bool allow_tls;
	/* Data connections to the server may use another SSH connection than
	 * the control connection does: so the 226 of an upload waits for the
	 * server's EOF. */
	bool upload_apart;
	/* The server keeps no part of an upload by STOR, without REST, or by
	 * STOU: the gateway stores a file when it is whole. */
	bool stores_whole;
	/* The user of the client's data connections is looked up, which is
	 * impossible after the client has closed them: so the client gets the
	 * 1xx of an upload only when its connection has come. */
	bool looks_up;
	/*
	 * The client has got a greeting from the owner.  Its first line is the
	 * USER with which it has answered that.  So its lines wait for the
	 * server's greeting.  A 2xx of the server is dropped.  Any other
	 * greeting is the reply to that USER, which the server does not get.
	 */
	bool greeted;
	/* How many lines of the client are taken until engine_grant(); 0: no
	 * limit. */
	unsigned max_lines;
	/* How many data connections there may be at a time, at most
	 * LIMIT_SESSION_DATA; 0: LIMIT_SESSION_DATA. */
	unsigned max_data;
	/* Borrowed; or NULL.  With a policy, allow_tls has no effect. */
	const struct engine_policy *policy;
	/* Borrowed; NULL: the session has its own. */
	struct engine_memory *memory;
};

enum engine_action_type {
	ENGINE_SEND,  /* send len bytes on peer's control connection */
	ENGINE_SHUT,  /* half-close peer's control connection */
	ENGINE_END,   /* the session is over: flush and close both control
		       * connections.  Close remaining data connections, too:
		       * there are some only if memory ran out */
	ENGINE_TIMER, /* call engine_timer() after ms; replaces the ENGINE_TIMER
		       * before */
	ENGINE_REPLY_TIMER, /* the same for engine_reply_timeout() */
	ENGINE_LOG,	    /* log bytes, a NUL-terminated text, with level */
	ENGINE_BEGIN,  /* a transfer has begun; report has all but its result */
	ENGINE_REPORT, /* a transfer is over; see report */
	ENGINE_LOGIN,  /* the user has logged in, or that can no longer be seen
			* (TLS); sent once.  bytes: the user name,
			* NUL-terminated; "" if it is unknown */
	ENGINE_CREDIT, /* lines of the client wait until engine_grant() is
			* called */

	/* These are about the data connection whose number is data. */
	ENGINE_DATA_OPEN,  /* make its two ends as client and server say.
			    * unproven: if the server's end fails, the engine
			    * tries another variant and logs the failure, so the
			    * owner need not */
	ENGINE_DATA_DIAL,  /* dial the client's end now; only if the server's
			    * end dials, too.  If it listens, the owner dials
			    * the client when the server has connected */
	ENGINE_DATA_TIMER, /* send ENGINE_DATA_TIMEOUT after ms; 0: cancel it */
	ENGINE_DATA_QUIET, /* send ENGINE_DATA_IS_QUIET when no byte has moved
			    * for ms and the client has all that came; 0: cancel
			    * that */
	ENGINE_DATA_FRAMING, /* from now on, look for the end-of-file marker of
			      * framing in the data, and send
			      * ENGINE_DATA_FILE_END for it */
	ENGINE_DATA_READ_ON, /* read up to LIMIT_ABORT_SLACK more bytes from
			      * peer's end, also if the other end does not
			      * take them: some servers see an ABOR only
			      * then */
	ENGINE_DATA_ENDING,  /* tell peer's end that it has all bytes that come:
			      * DATA_SHUT follows unless the file is cut.
			      * Only with stores_whole */
	ENGINE_DATA_SHUT,    /* half-close peer's end after all relayed bytes */
	ENGINE_DATA_DROP,    /* close peer's end and discard what is queued for
			      * it */
	ENGINE_DATA_RESET,   /* reset peer's end */
	ENGINE_DATA_CLOSE,   /* close what is still open, listeners included;
			      * flush the client's end first.  The number is
			      * invalid afterwards */
};

enum engine_level {
	ENGINE_WARN,
	ENGINE_INFO,
	ENGINE_VERBOSE,
};

enum engine_outcome {
	ENGINE_COMPLETE,  /* the client got a 2xx */
	ENGINE_REFUSED,	  /* the server refused it without a 1xx */
	ENGINE_ABORTED,	  /* it was not completed: the server ended it with an
			   * error, or it was cut (an upload: and the server
			   * has refused the part) */
	ENGINE_TRUNCATED, /* an upload was cut, and the server has stored the
			   * part as a whole file, or may have */
};

/* How one end of a data connection is made. */
struct engine_data_end {
	bool listens; /* false: it dials */
	/* If it listens: the address family that its peer needs; AF_UNSPEC:
	 * any. */
	sa_family_t family;
	/* If it dials: toward the client, the host-port of PORT or EPRT; toward
	 * the server, the host-port of the reply (AF_UNSPEC and a port if the
	 * reply has no address). */
	struct addr to;
};

/* How a data connection was requested between one peer and culvert. */
struct engine_way {
	enum verb verb; /* PORT, EPSV, ...; VERB_OTHER: it does not go through
			 * culvert */
	bool active;	/* the mode */
	/* The host-port in the command or in its reply, as that peer sent or
	 * got it; AF_UNSPEC: only a port. */
	struct addr at;
};

/* A transfer.  All fields before outcome are set when it begins; but upload can
 * change if culvert does not know the verb, and size if a later reply has it.
 */
struct engine_report {
	enum verb verb;
	bool upload;
	const char *name; /* the argument of the command, not escaped */
	const char *user; /* the argument of the last accepted USER; or "" */
	int64_t size;	  /* of the file, by SIZE or the first reply to the
			   * transfer; -1: unknown */
	uint64_t offset;  /* where the transfer begins in the file (REST) */
	char type;	  /* of the representation: 'A', 'I', 'E' or 'L' */
	bool framed; /* bytes is not the size of the file: MODE is not S, or
		      * STRU is R */
	struct engine_way client, server;
	enum engine_outcome outcome;
	uint64_t bytes;	      /* relayed in the transfer's direction */
	unsigned server_code; /* of its final reply; 0: none came */
	unsigned client_code; /* of the final reply to the client; 0: none was
			       * sent */
	const char *why;      /* the reason if the transfer was cut; else "" */
};

/* All pointers in it are valid until the next call of an engine function. */
struct engine_action {
	enum engine_action_type type;
	enum engine_peer peer;
	enum engine_level level;
	uint32_t data;
	uint64_t ms;
	const uint8_t *bytes;
	size_t len;
	struct engine_data_end client, server; /* DATA_OPEN */
	enum framing framing;		       /* DATA_FRAMING */
	bool unproven;			       /* DATA_OPEN */
	struct engine_report report;
};

enum engine_data_event_type {
	/* peer's end listens.  v4 and v6: the host-port to announce to peer;
	 * AF_UNSPEC: none in that family. */
	ENGINE_DATA_LISTENING,
	/* peer's end cannot listen; why has the reason. */
	ENGINE_DATA_NO_LISTENER,
	/* peer's end is connected (accepted or dialled). */
	ENGINE_DATA_UP,
	/* peer has sent EOF; all its bytes are relayed. */
	ENGINE_DATA_EOF,
	/* peer's end is lost: refused, reset, timed out, or lost with its link;
	 * why has the reason. */
	ENGINE_DATA_LOST,
	/* After DATA_SHUT: peer has every byte and the EOF; see assumed. */
	ENGINE_DATA_DELIVERED,
	ENGINE_DATA_TIMEOUT,
	ENGINE_DATA_IS_QUIET,
	/* A second connection came to the listener toward peer and was refused.
	 * Where addresses of connections are unknown, the first one may be a
	 * stranger's.  Sets recent. */
	ENGINE_DATA_SECOND,
	/* Nothing happened; the event has the current byte counts.  Sent before
	 * bytes or events of a control connection, so that the engine decides
	 * and reports with these counts. */
	ENGINE_DATA_MOVED,
	/* A connection to the listener toward peer was refused because its
	 * origin could no longer be determined.  It may have been peer's, which
	 * will not connect again.  Sets why. */
	ENGINE_DATA_UNKNOWN,
	/* With a framing: end-of-file markers came in the data of peer and were
	 * relayed; the connection stays open.  Sets files and behind. */
	ENGINE_DATA_FILE_END,
};

struct engine_data_event {
	enum engine_data_event_type type;
	enum engine_peer peer;
	uint32_t data;
	struct addr v4, v6;
	const char *why;
	bool transient; /* NO_LISTENER, LOST: the cause is temporary */
	bool recent;	/* SECOND: the server sent a reply shortly before */
	bool assumed;	/* DELIVERED: that is assumed, not known */
	/* EOF: the SSH server has closed the channel without EOF, so this may
	 * be a loss (stream_end_is_proven()). */
	bool end_unproven;
	/* EOF: the SSH server has closed the channel together with EOF,
	 * although culvert has not ended its direction.  Few SSH servers do
	 * that.  sshd does it to a channel without traffic (ChannelTimeout),
	 * and drops the bytes that it still has.  stalled: shortly before, peer
	 * had to wait until culvert read on. */
	bool end_early, stalled;
	uint64_t age_ms; /* EOF: how long the connection to peer has existed */
	/* LOST: peer closed the connection after its EOF, and everything for it
	 * had been sent. */
	bool ended;
	/* FILE_END: the number of markers, and how many relayed bytes came
	 * after the last one. */
	size_t files;
	uint64_t behind;
	/* Always set: bytes relayed so far in each direction.  unsent: how many
	 * of to_server have not left this process. */
	uint64_t to_client, to_server, unsent;
};

/* Copies config.  Returns NULL when out of memory. */
struct engine *engine_new(const struct engine_config *config);
void engine_free(struct engine *engine);

/* The server's control connection is established, and its address family is
 * family. */
void engine_server_family(struct engine *engine, sa_family_t family);

/*
 * Call it some time after the server's control connection was established.  If
 * no greeting has come, it ends the session with 421: at once if the server
 * sent anything else; if it sent nothing, only if silent is true.
 */
void engine_greeting_late(struct engine *engine, bool silent);

/*
 * Takes a copy of len bytes that came on a control connection.  Returns 0,
 * -ENOMEM, or -ENOBUFS if the owner ignored engine_wants().  After an error the
 * owner must end the session.
 */
int engine_bytes(struct engine *engine, enum engine_peer peer,
    const void *bytes, size_t len) __attribute__((warn_unused_result));

/* False: do not read from that control connection for now.  Ask again after
 * engine_next() has returned false. */
bool engine_wants(const struct engine *engine, enum engine_peer peer);

/*
 * The peer has half-closed its control connection.  The client: the session
 * goes on until the server ends, however long that takes; the owner has the
 * clock, and calls engine_lost() if the client seems to be gone for good.  The
 * server: replies without their end get one, a transfer without a final reply
 * gets 426, and the session ends without a 421.
 */
void engine_eof(struct engine *engine, enum engine_peer peer);

/*
 * The control connection is lost.  why is a text for users: "the SSH connection
 * was lost".  If it was the server's, the client gets 426 if a transfer has no
 * final reply yet, then 421 with why.
 */
void engine_lost(struct engine *engine, enum engine_peer peer, const char *why);

/* Ends the session now; the client gets 421 with why (culvert stops, out of
 * memory). */
void engine_stop(struct engine *engine, const char *why);

/*
 * Ends the session as soon as that cuts no transfer; the client gets 421 with
 * why, which is copied.  Call it first with late = false: it waits until each
 * command has its final reply and each data connection that was requested has
 * been used.  Call it later with late = true: it waits for transfers
 * only whose commands were sent, not for a session under TLS, and takes no
 * further command that requests or transfers data.
 */
void engine_drain(struct engine *engine, const char *why, bool late);

/*
 * Call it when nothing has passed for a while.  If the user has logged in and
 * the server expects nothing, it sends a NOOP, whose reply the client does not
 * see (RFC 959 section 4.1.3; after REST and RNFR, a server may expect the
 * command that they are for).  It also ends a multi-line reply whose last line
 * does not come.
 */
void engine_keepalive(struct engine *engine);

/* Lets max_lines more lines of the client be taken. */
void engine_grant(struct engine *engine);

/* An event of a data connection. */
void engine_data(struct engine *engine, const struct engine_data_event *event);
/* The times of ENGINE_TIMER and ENGINE_REPLY_TIMER are over. */
void engine_timer(struct engine *engine);
void engine_reply_timeout(struct engine *engine);

/*
 * Returns the next action in *ret.  Returns false if there is none until the
 * owner passes in more bytes or events.  After ENGINE_END there is never
 * another one.
 */
bool engine_next(struct engine *engine, struct engine_action *ret);

#endif
