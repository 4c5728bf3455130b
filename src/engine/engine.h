/*
 * The control engine: everything that culvert decides about one session.
 * Bytes of both directions and events of data connections go in, actions come
 * out.  It owns no socket, reads no clock, writes no log, and never waits: all
 * of it can be driven from a text file.
 *
 * The owner feeds it, then takes actions until there are none:
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

/* The mode toward the server (RFC 959 section 3.2), whatever the client asks
 * for. */
enum engine_mode {
	ENGINE_SAME, /* the client's, and the other one when it fails */
	ENGINE_PASSIVE,
	ENGINE_ACTIVE,
};

/*
 * What was learned of a tunnel's server: which variants of PORT and PASV it
 * takes.  Zeroed at first; shared by the engines of one tunnel, so that each
 * thing is tried, and logged, once.
 */
struct engine_memory {
	unsigned good; /* variants that the server accepts; a passive one, only
			* once a connection to its port has stood */
	unsigned refused; /* variants that were not, where another one was */
};

/*
 * What clients may not do, whatever the server lets them; refused with 550.
 * Lists and texts are borrowed; one that says nothing is none.
 */
struct engine_policy {
	bool read_only;
	const char *const *deny; /* "STOR", "SITE CHMOD" */
	size_t n_deny;
	const char *const
	    *allow_path;     /* globs, see ftp/path.h; with one, what */
	size_t n_allow_path; /* none matches is refused */
	const char *const *deny_path;
	size_t n_deny_path;
};

struct engine_config {
	/* The control connection's peer, no port; AF_UNSPEC when it cannot be
	 * known: then PORT may name an address of the networks. */
	struct addr client;
	const struct subnet *networks; /* borrowed */
	size_t n_networks;

	const char *server_host; /* borrowed, for messages; or NULL */
	uint16_t server_port;
	sa_family_t server_family; /* of the server's control connection when
				    * it is certain, else AF_UNSPEC */
	enum engine_mode server_mode;
	bool ignore_port_host;	/* PORT's address counts as the client's own */
	bool pass_foreign_port; /* a refused PORT goes through untouched */
	bool allow_tls;		/* AUTH goes through; then all is opaque */
	bool
	    upload_apart; /* toward the server, data connections may use another
			   * SSH connection than the control connection */
	unsigned max_lines; /* of the client, until engine_grant(); 0: any */
	unsigned max_data;  /* data connections at a time, at most
			     * LIMIT_SESSION_DATA; 0: as many */
	const struct engine_policy *policy; /* borrowed; or NULL.  With one,
					     * allow_tls has no effect */
	struct engine_memory *memory; /* borrowed; NULL: the session's own */
};

enum engine_action_type {
	ENGINE_SEND,  /* bytes, len to peer's control connection */
	ENGINE_SHUT,  /* half-close peer's control connection */
	ENGINE_END,   /* the session is over: flush and close both; and after
		       * ENGINE_DATA_CLOSE was lost for want of memory, the
		       * data connections that are left */
	ENGINE_TIMER, /* call engine_timer() in ms, instead of any time before
		       */
	ENGINE_REPLY_TIMER, /* the same for engine_reply_timeout() */
	ENGINE_LOG,	    /* bytes is a text, NUL-terminated; level */
	ENGINE_BEGIN,  /* a transfer has begun: report, but for how it ends */
	ENGINE_REPORT, /* a transfer is over: see report */
	ENGINE_LOGIN,  /* somebody has logged in, or nobody can tell any more
			* (TLS); once; bytes: who, NUL-terminated, "" where
			* that is not known */
	ENGINE_CREDIT, /* lines of the client wait for engine_grant() */

	/* These are about the data connection with number data. */
	ENGINE_DATA_OPEN,  /* make its two ends: client and server.  unproven:
			    * if the server's end fails, another variant is
			    * tried,  and the engine logs it */
	ENGINE_DATA_DIAL,  /* dial the client's end now, where the server's end
			    * dials too (else it is dialled when the server
			    * has come) */
	ENGINE_DATA_TIMER, /* ENGINE_DATA_TIMEOUT in ms; 0: never mind */
	ENGINE_DATA_QUIET, /* ENGINE_DATA_IS_QUIET once nothing has moved
			    * for ms and the client has all that came; 0:
			    * never mind */
	ENGINE_DATA_FRAMING, /* from here on a file's end may stand in its
			      * bytes: ENGINE_DATA_FILE_END; framing */
	ENGINE_DATA_READ_ON, /* read LIMIT_ABORT_SLACK bytes more from peer's
			      * end than the other end takes */
	ENGINE_DATA_SHUT,    /* half-close peer's end behind the relayed */
	ENGINE_DATA_DROP,    /* close peer's end, discarding */
	ENGINE_DATA_RESET,   /* reset peer's end */
	ENGINE_DATA_CLOSE,   /* close what is left, listeners too: the end
			      * toward the client politely (flushed); the
			      * number is void from here on */
};

enum engine_level {
	ENGINE_WARN,
	ENGINE_INFO,
	ENGINE_VERBOSE,
};

enum engine_outcome {
	ENGINE_COMPLETE,  /* 2xx to the client */
	ENGINE_REFUSED,	  /* never began */
	ENGINE_ABORTED,	  /* begun and not complete: a download that was
			   * cut, or what the server itself called off */
	ENGINE_TRUNCATED, /* an upload that was cut, and the server took
			   * the part for the whole, or may have */
};

/* How one end of a data connection comes to be. */
struct engine_data_end {
	bool listens;	    /* else it dials */
	sa_family_t family; /* listens: what its peer must be told; AF_UNSPEC:
			     * whatever there is */
	struct addr to;	    /* toward the client: the address in its command;
			     * toward the server: that in its reply, AF_UNSPEC
			     * with a port where it names none */
};

/* How one peer and we agreed on a data connection. */
struct engine_way {
	enum verb verb; /* PORT, EPSV, ...; VERB_OTHER: not by us */
	bool active;	/* the mode */
	struct addr at; /* the host-port of the command or of its reply, as
			 * that peer had it; AF_UNSPEC: a port alone */
};

/* A transfer: verb to server are known when it begins, though upload, if the
 * verb is none of ours, and what the server adds, only in the end. */
struct engine_report {
	enum verb verb;
	bool upload;
	const char *name; /* the command's argument, not escaped */
	const char *user; /* who has logged in, as USER had it; or "" */
	int64_t size;	  /* of the file, as SIZE or the server's first reply
			   * had it; -1: unknown */
	uint64_t offset;  /* where it begins (REST) */
	char type;	  /* of the representation: 'A', 'I', 'E' or 'L' */
	bool framed; /* its bytes are not the file's alone (MODE is not S, or
		      * STRU R) */
	struct engine_way client, server;
	enum engine_outcome outcome;
	uint64_t bytes;	      /* relayed in the transfer's direction */
	unsigned server_code; /* its final reply, 0: none came */
	unsigned client_code; /* what the client was told, 0: nothing */
	const char *why;      /* when cut: by what; else "" */
};

struct engine_action {
	enum engine_action_type type;
	enum engine_peer peer;
	enum engine_level level;
	uint32_t data;
	uint64_t ms;
	const uint8_t *bytes; /* valid until the next engine call but */
	size_t len;	      /* engine_next(); so are all pointers here */
	struct engine_data_end client, server; /* DATA_OPEN */
	enum framing framing;		       /* DATA_FRAMING */
	bool unproven;			       /* DATA_OPEN */
	struct engine_report report;
};

enum engine_data_event_type {
	/* peer's end listens: v4 and v6 are what that peer may be told;
	 * AF_UNSPEC where there is none. */
	ENGINE_DATA_LISTENING,
	/* It cannot: why. */
	ENGINE_DATA_NO_LISTENER,
	/* peer's end stands (accepted or dialled). */
	ENGINE_DATA_UP,
	/* peer has ended cleanly; all its bytes are relayed. */
	ENGINE_DATA_EOF,
	/* peer's end is dead: refused, reset, lost, nobody came: why. */
	ENGINE_DATA_LOST,
	/* After DATA_SHUT: peer is known, or assumed, to have every byte and
	 * the end. */
	ENGINE_DATA_DELIVERED,
	ENGINE_DATA_TIMEOUT,
	ENGINE_DATA_IS_QUIET,
	/* One more connection has come to the listener toward peer than can be
	 * right, and was refused, on a side where nobody can tell whose the
	 * first one is.  recent: the server has spoken just now. */
	ENGINE_DATA_SECOND,
	/* Nothing but the counts: before what happens on a control connection,
	 * so that what is decided and reported there knows them. */
	ENGINE_DATA_MOVED,
	/* Somebody came to the listener toward peer, and was refused since
	 * nobody can tell any more who it was.  It may have been peer, who will
	 * not come again: why. */
	ENGINE_DATA_UNKNOWN,
	/* With a framing: peer has sent the end of files, which is relayed,
	 * but has not ended: files, behind. */
	ENGINE_DATA_FILE_END,
};

struct engine_data_event {
	enum engine_data_event_type type;
	enum engine_peer peer;
	uint32_t data;
	struct addr v4, v6;
	const char *why;
	bool passing; /* NO_LISTENER, LOST: for a reason that may pass */
	bool recent;  /* SECOND */
	bool assumed; /* DELIVERED: not known */
	/* EOF: the SSH server has closed the connection without saying that
	 * this is the end (stream_end_is_proven()). */
	bool end_unproven;
	/* EOF: the SSH server has closed the connection with it, though we had
	 * not ended: few do that; but sshd does when nothing has moved for a
	 * while (ChannelTimeout), and drops what it has.  stalled: it is not
	 * long since peer had to wait for us. */
	bool end_early, stalled;
	uint64_t age_ms; /* EOF: so long the connection to peer has stood */
	/* LOST: after EOF that peer has closed the connection, and nothing that
	 * was sent to it was unsent. */
	bool ended;
	/* FILE_END: how many, and how many bytes of those that are relayed
	 * stand behind the last of them. */
	size_t files;
	uint64_t behind;
	/* Always set: bytes relayed so far, and those of to_server that are
	 * still with us. */
	uint64_t to_client, to_server, unsent;
};

/* config is copied.  NULL when out of memory. */
struct engine *engine_new(const struct engine_config *config);
void engine_free(struct engine *engine);

/* The server's control connection stands, and is of that family. */
void engine_server_family(struct engine *engine, sa_family_t family);

/*
 * The server's control connection has stood for a while.  If no greeting has
 * come, but something else, the session ends with 421; if nothing at all has
 * come, only when silent is true.
 */
void engine_greeting_late(struct engine *engine, bool silent);

/*
 * Bytes of a control connection, len of them, copied.  0, -ENOMEM, or
 * -ENOBUFS when the owner ignored engine_wants(): then end the session.
 */
int engine_bytes(struct engine *engine, enum engine_peer peer,
    const void *bytes, size_t len) __attribute__((warn_unused_result));

/* False: stop reading that control connection for now (ask after draining). */
bool engine_wants(const struct engine *engine, enum engine_peer peer);

/* The peer has half-closed its control connection.  The session goes on until
 * the server ends too, however long that takes: the owner has the clock, and
 * calls engine_lost() for a client that has gone for good. */
void engine_eof(struct engine *engine, enum engine_peer peer);

/*
 * The control connection is dead.  why is for people: "the SSH connection was
 * lost".  A server's loss is told to the client: 426 to a running transfer,
 * then 421 with why.
 */
void engine_lost(struct engine *engine, enum engine_peer peer, const char *why);

/* End now, with 421 and why to the client (culvert stops, out of memory). */
void engine_stop(struct engine *engine, const char *why);

/*
 * End as soon as that cuts no transfer, with 421 and why to the client.  First,
 * later false: commands, too, have their replies, and a data connection that
 * was asked for its transfer.  Then with true: only transfers that run are
 * waited for, not what is encrypted, and no further one is begun.  why is
 * copied.
 */
void engine_drain(struct engine *engine, const char *why, bool late);

/*
 * Nothing has passed for a while: sends the server a NOOP, whose reply the
 * client does not see, if somebody has logged in and the server has nothing
 * else to do or to wait for (RFC 959 section 4.1.3; REST and RNFR are to be
 * followed at once by what they are for).
 */
void engine_keepalive(struct engine *engine);

/* max_lines more lines of the client may be taken. */
void engine_grant(struct engine *engine);

void engine_data(struct engine *engine, const struct engine_data_event *event);
void engine_timer(struct engine *engine);
void engine_reply_timeout(struct engine *engine);

/*
 * The next action; false when there is none until more goes in.  After
 * ENGINE_END there is never another one.
 */
bool engine_next(struct engine *engine, struct engine_action *ret);

#endif
