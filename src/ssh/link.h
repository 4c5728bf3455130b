/*
 * The link: one ssh master process, its control socket, and what culvert does
 * through it.  Far dials are channels of ssh's mux proxy mode, far listeners
 * are remote forwards to Unix sockets (doc/design.md; PROTOCOL.mux).
 */
#ifndef SSH_LINK_H
#define SSH_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/stream.h"
#include "ssh/reason.h"

struct link;
struct link_forward;
struct monitor;
struct window_budget;
struct words_hearer;

/* Time-outs of ssh that are off unless somebody configures them. */
enum link_timeout {
	LINK_ALIVE = 1 << 0,   /* ServerAliveInterval */
	LINK_CONNECT = 1 << 1, /* ConnectTimeout */
};

struct link_options {
	struct monitor *monitor; /* that starts ssh; borrowed */
	size_t to;		 /* which of the monitor's destinations */
	size_t number;		 /* 0: the first (cmdline_link_options()) */
	const char *program;	 /* "ssh", or what --ssh named */
	const char *const *arguments; /* the user's, handed on unchanged; */
	size_t n_arguments;	      /* options with their values */
	const char *destination;      /* [user@]host, ssh://..., or a Host */
	const char *directory;	      /* private, mode 0700, existing */
	bool batch;		      /* never ask (BatchMode=yes) */
	bool quiet;	     /* ssh's words: in why, and else only at -v */
	bool named;	     /* ... say where it goes */
	bool apart;	     /* in a session of its own, without a terminal:
			      * nor can an ssh that it starts ask anybody */
	bool ask;	     /* what is left at its defaults: defaults.h */
	bool cipher_order;   /* ask: also about ciphers */
	const char *ciphers; /* without ask: to ask for; or NULL */
	unsigned timeouts;   /* without ask: the ones to ask for */
	bool session;	     /* no Nagle's algorithm: nodelay.h */
	bool explain;	     /* ask in a session why sshd refuses: reason.h */
	uint64_t watch_ms;   /* watch.h; 0: not */
	struct window_budget *budget;	   /* of all links; borrowed */
	const struct words_hearer *hearer; /* of ssh's words; or NULL */
};

/* What a channel is for: a control connection has a small window, and of the
 * link's connections to ssh another one than data have. */
enum link_use {
	LINK_CONTROL,
	LINK_DATA,
};

#define LINK_USES 2

struct link_handler {
	/* Authenticated; streams and forwards may be made from now on. */
	void (*up)(void *ctx);

	/*
	 * ssh has ended, or could not be started.  Called once, after every
	 * stream of the link has had its closed(), except those whose end
	 * (CHANNEL_EOF) had come before and whose owner does not read: they
	 * deliver it when he does.  was_up: it had been up.
	 * why: ssh's last words, or what else is known; valid in the call.
	 */
	void (*down)(void *ctx, bool was_up, const char *why);
};

/*
 * Makes a link that is not started.  options and what they point to outlive
 * it.  Returns NULL when out of memory.
 */
struct link *link_new(uv_loop_t *loop, const struct link_options *options,
    const struct link_handler *handler, void *ctx);

/*
 * Starts ssh.  Its standard error is shown line by line as it comes; prompts
 * go to the terminal by ssh's own ways.  0, or a negative errno when the
 * program cannot be run (down() is not called then).
 */
int link_start(struct link *link);

/*
 * Keeps its session (options->session) open, before link_start(): sshd closes a
 * connection on which no channel is open after its UnusedConnectionTimeout.
 */
void link_keep_session(struct link *link);

/* Why the session that was to stay open has ended, or has never begun; "": it
 * is open, or was not to stay. */
const char *link_session_end(const struct link *link);

/* May streams and forwards be made? */
bool link_is_up(const struct link *link);

/* The shortest round trip to sshd that was seen lately, in microseconds; 0:
 * none was (window.h). */
uint64_t link_round_trip(const struct link *link);

/*
 * Ends ssh (SIGTERM, later SIGKILL); down() follows unless the link was never
 * started.  Calling it twice is allowed.
 */
void link_stop(struct link *link);

/* Was ssh run?  If not, why of down() says in full what stood in the way. */
bool link_has_run(const struct link *link);

/* The ciphers that it asks ssh to ask for, once it was up; NULL: none.  Valid
 * as long as the link. */
const char *link_ciphers(const struct link *link);

/* The time-outs that it asks ssh for (enum link_timeout), once it was up. */
unsigned link_timeouts(const struct link *link);

/* Has down() been called, or was it never started? */
bool link_is_over(const struct link *link);

/* Only when it is over.  NULL is allowed. */
void link_free(struct link *link);

/*
 * Dials host:port from the SSH server (direct-tcpip, RFC 4254 section 7.2);
 * the name is looked up there.  The stream is open when sshd says so; when it
 * refuses, closed() has -ECONNREFUSED and sshd's words, or -EACCES for
 * "administratively prohibited", and behind sshd's words what explains them
 * (reason.h) and the directives that may be the cause (AllowTcpForwarding,
 * PermitOpen, permitopen).  Its eof()
 * is a CHANNEL_EOF, so it is never mistaken for a loss: a link or a channel
 * that is lost gives closed() with -ECONNRESET.  But see link_sends_eof().
 * Returns NULL when out of memory or when the link is not up.
 */
struct stream *link_dial(struct link *link, const char *host, uint16_t port,
    enum link_use use, const struct stream_handler *handler, void *ctx);

/* What a session has said when sshd had refused something; "" before, and once
 * sshd has permitted something. */
void link_session_words(const struct link *link, char ret[REASON_WORDS_MAX]);

/* ... and does that say that the password or the account has expired? */
bool link_is_expired(const struct link *link);

/* How many streams for data have an owner; the load of the link.  Has it any,
 * those that owners have given up and that are not quite closed included? */
unsigned int link_data_streams(const struct link *link);
bool link_carries_data(const struct link *link);

/*
 * port > 0: sshd listens at that port.  port == 0: it refused or the link was
 * lost; why has its words, and err is -EACCES when sshd refused: then why also
 * names the directives that may be the cause (AllowTcpForwarding, PermitListen,
 * DisableForwarding, permitlisten), and for a port that was asked for, that it
 * may be in use or below 1024.
 */
typedef void link_forward_cb(void *ctx, uint16_t port, int err,
    const char *why);

/*
 * Asks sshd to listen at host and port and to hand what connects there to the
 * Unix socket at path, where the caller listens already.  host is as in RFC
 * 4254 section 7.1: "localhost" its loopback in both families, "*" all its
 * addresses (which ssh sends as the empty string), or one address; copied.
 * port 0: one of sshd's choice.  Two forwards must not have the same path.
 * done comes once, from the loop; and once more, with port 0 and -ECONNRESET,
 * when the link is lost while sshd listens.  Returns NULL when out of memory or
 * when the link is not up; then done does not come.  Also a forward that failed
 * is to be closed, once.
 *
 * A yes of sshd is half an answer.  It says it, too, when it could bind the
 * port for one of 127.0.0.1 and ::1 only because the other is taken there; when
 * GatewayPorts is no and it listens on loopback instead of host; and when
 * GatewayPorts is yes and it listens everywhere.  Nothing tells which: who must
 * know dials there.
 */
struct link_forward *link_forward_open(struct link *link, const char *host,
    uint16_t port, const char *path, link_forward_cb *done, void *ctx);

/*
 * Closes the forward, also before done, which then does not come.  NULL is
 * allowed; the link may be down.
 */
void link_forward_close(struct link_forward *forward);

/*
 * Was the SSH server seen to send EOF at the end of a channel (or of the
 * session of nodelay.h)?  One that does so, as OpenSSH, does so always.  As
 * long as it was not, a CLOSE without EOF is an eof() that is not proven
 * (stream_end_is_proven()).
 */
bool link_sends_eof(const struct link *link);

/* Where that is noted, valid as long as the link: for who opens a session on it
 * by himself (nodelay_new()). */
bool *link_eof_note(struct link *link);

/*
 * Does what connects to a port that sshd has chosen arrive here?  asyncssh says
 * yes to such a forward and then names another port, so that ssh refuses each
 * connection.  The owner of the forwards finds out, and keeps it here.
 */
enum link_forwards {
	LINK_FORWARDS_UNKNOWN,
	LINK_FORWARDS_WORK,
	LINK_FORWARDS_FAIL,
};
void link_set_forwards(struct link *link, enum link_forwards forwards);
enum link_forwards link_forwards(const struct link *link);

/*
 * So many dials were refused on the link that ssh, which keeps a record of
 * each until it ends, has become slower; at some 16000 it ends itself.  A
 * fresh link is better as soon as this one carries nothing.
 */
bool link_is_worn(const struct link *link);

/* Which setting of sshd may have closed a connection without traffic; part of a
 * message. */
#define LINK_IDLE_SETTING \
	"if sshd is OpenSSH 9.2 or newer, see ChannelTimeout in sshd_config"

/*
 * What to say of a connection that ended after a while without traffic, and
 * that its peer has not closed: which setting of sshd does that, and how it is
 * turned off.  accepted: through a remote forward.  Once for each link that is
 * up; then NULL.
 */
const char *link_idle_hint(struct link *link, bool accepted);

typedef void link_alive_cb(void *ctx, bool alive);

/*
 * Asks ssh whether it lives and calls back from the loop: true when ssh
 * answered a question put after this call (MUX_C_ALIVE_CHECK), false when it
 * has gone.  This tells the clean end of a forwarded connection from the death
 * of ssh.  Returns a token for link_alive_cancel(), or NULL when the link is
 * not up or out of memory (no callback then: treat it as false).
 */
struct link_alive;
struct link_alive *link_alive_check(struct link *link, link_alive_cb *done,
    void *ctx);
void link_alive_cancel(struct link_alive *check);

#endif
