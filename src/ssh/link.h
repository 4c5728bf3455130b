/*
 * The link: one ssh process, its control socket, and what culvert does through
 * it.  The far side connects by channels of ssh's proxy mode, and listens by
 * remote forwards to Unix sockets (doc/design.md; PROTOCOL.mux).
 */
#ifndef SSH_LINK_H
#define SSH_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/log.h"
#include "base/stream.h"
#include "limits.h"
#include "ssh/reason.h"
#include "ssh/window.h"

struct account;
struct link;
struct link_forward;
struct monitor;
struct words_hearer;

/* Time-outs of ssh that are off unless they are configured. */
enum link_timeout {
	LINK_ALIVE = 1 << 0,   /* ServerAliveInterval */
	LINK_CONNECT = 1 << 1, /* ConnectTimeout */
};

struct link_options {
	struct monitor *monitor; /* which starts ssh; borrowed */
	size_t to;		 /* the number of the destination there */
	size_t number;		 /* 0: the first (cmdline_link_options()) */
	const char *program;	 /* "ssh", or that of --ssh */
	const char *const *arguments; /* the user's, for ssh: options with */
	size_t n_arguments;	      /* their values */
	const char *destination;      /* [user@]host, ssh://..., or a Host */
	const char *directory;	      /* exists, mode 0700 */
	bool batch;		      /* BatchMode=yes: ssh asks nothing */
	bool quiet;		      /* log ssh's lines only with -v ... */
	bool named;		      /* ... and with the destination */
	bool apart; /* a session of its own without terminal, so that an ssh
		     * which this one starts cannot ask either */
	bool find_defaults;  /* look for values that are not set: defaults.h */
	bool cipher_order;   /* ... also for ciphers */
	const char *ciphers; /* without find_defaults: to request, or NULL */
	unsigned timeouts;   /* the same: to set, of enum link_timeout */
	bool session;	     /* open one against Nagle's algorithm: nodelay.h */
	bool explain;	     /* look for the reason of refusals: reason.h */
	uint64_t watch_ms;   /* requests_watch(); 0: not */
	struct window_budget *budget;	   /* shared by all links; borrowed */
	const struct words_hearer *hearer; /* of ssh's lines; or NULL */

	/* For logins that choose the account (login.h): are there any, and the
	 * patterns of hosts that they may name (base/account.h). */
	bool logins;
	const char *const *login_hosts;
	size_t n_login_hosts;
	const struct account *account; /* of this link; or NULL */
};

/* What a channel is for.  A control connection has a small window, and does not
 * share the connection to ssh with data. */
enum link_use {
	LINK_CONTROL,
	LINK_DATA,
};

#define LINK_USES 2

struct link_handler {
	/* The login has succeeded: streams and forwards can be made. */
	void (*up)(void *ctx);

	/*
	 * ssh has ended, or could not be started.  Called once, after closed()
	 * of every stream.  (A stream with a CHANNEL_EOF that its owner does
	 * not read gets no closed(); it delivers the EOF when the owner reads.)
	 * was_up: up() was called.  why: ssh's last lines, or what else is
	 * known; valid in the call.
	 */
	void (*down)(void *ctx, bool was_up, const char *why);
};

/* Does a forward to a port that sshd has chosen work?  asyncssh says yes to it
 * and then names another port, so that ssh refuses each connection. */
enum link_forwards {
	LINK_FORWARDS_UNKNOWN,
	LINK_FORWARDS_WORK,
	LINK_FORWARDS_FAIL,
};

/* What is known of a link and its SSH server. */
struct link_info {
	bool has_run;	   /* ssh was started; if not, down() says all */
	unsigned timeouts; /* that culvert sets (enum link_timeout) */
	char ciphers[LIMIT_SSH_CIPHERS]; /* that it requests; or "" */

	/* link_start(keep_session): why the session is not open; or "". */
	char session_end[LOG_ESCAPED_MAX];

	/* Round trips to sshd; path.shortest in microseconds, or 0. */
	struct window_path path;

	/*
	 * The server has sent EOF on a channel.  A server that does, as
	 * OpenSSH, always does.  Until then a CLOSE without EOF is an eof()
	 * that is not proven (stream_end_is_proven()).
	 */
	bool sends_eof;

	enum link_forwards forwards; /* set by the owner of the forwards */
};

/* options and what they point to outlive the link.  NULL when out of memory. */
struct link *link_new(uv_loop_t *loop, const struct link_options *options,
    const struct link_handler *handler, void *ctx);

/*
 * Starts ssh, once.  ssh asks on the terminal itself; its lines are logged as
 * they come.  keep_session: the session (options->session) stays open, because
 * sshd closes a connection without any channel after UnusedConnectionTimeout.
 * 0, or a negative errno if the program cannot be run: no down() then.
 */
int link_start(struct link *link, bool keep_session);

/* Ends ssh (SIGTERM, later SIGKILL); down() follows if it was started.  Allowed
 * twice. */
void link_stop(struct link *link);

/* Can streams and forwards be made? */
bool link_is_up(const struct link *link);

/* Was down() called, or was it never started? */
bool link_is_over(const struct link *link);

/* Only when it is over.  NULL is allowed. */
void link_free(struct link *link);

/* Valid as long as the link. */
struct link_info *link_info(struct link *link);

/* What sshd says about refusals in a session. */
const struct reason *link_reason(const struct link *link);

/* Opens that session now.  known and wait are as for reason_await(); false:
 * there is none, and known() does not come. */
bool link_examine(struct link *link, struct reason_wait *wait,
    void (*known)(void *ctx), void *ctx);

/*
 * Connects from the SSH server to host, which is resolved there, and port
 * (direct-tcpip, RFC 4254 section 7.2).  opened() comes when sshd has
 * connected. If it refuses, closed() has sshd's words and -ECONNREFUSED; or
 * -EACCES for "administratively prohibited", and then also an explanation
 * (reason.h) and the directives that may be the cause.  eof() is a CHANNEL_EOF,
 * never a loss: if the link or the channel is lost, closed() has -ECONNRESET
 * (but see link_info.sends_eof).  NULL when out of memory or if the link is not
 * up.
 */
struct stream *link_dial(struct link *link, const char *host, uint16_t port,
    enum link_use use, const struct stream_handler *handler, void *ctx);

/*
 * Opens a session with the subsystem sftp (RFC 4254 sections 6.1 and 6.5).
 * opened() comes when the SSH server has started it.  closed() has -EACCES and
 * the directive that may be the cause if the server refuses the session or has
 * no such subsystem; else all is as for link_dial().
 */
struct stream *link_sftp(struct link *link,
    const struct stream_handler *handler, void *ctx);

/* The number of streams for data; owned: without those that their owners have
 * closed, and that wait for the peer's CLOSE only. */
unsigned int link_data_streams(const struct link *link, bool owned);

/*
 * port > 0: sshd listens on that port.  port 0: it refused, or the link was
 * lost.  why says so; err is -EACCES if sshd refused, and then why also names
 * the directives that may be the cause.
 */
typedef void link_forward_cb(void *ctx, uint16_t port, int err,
    const char *why);

/*
 * Requests that sshd listens on host and port, and forwards connections to the
 * Unix socket at path, where the caller already listens.  host as in RFC 4254
 * section 7.1: "localhost" (loopback in both families), "*" (all addresses;
 * ssh sends it as ""), or an address.  port 0: sshd chooses.  host and path are
 * copied; no two forwards may have the same path.
 *
 * done comes once, from the loop; and once more, with port 0 and -ECONNRESET,
 * if the link is lost while sshd listens.  NULL when out of memory or if the
 * link is not up; then done does not come.  Otherwise the caller must call
 * link_forward_close(), also after a failure.
 *
 * sshd's yes is not the whole truth: it also says yes if it could bind only one
 * of 127.0.0.1 and ::1 because the other is in use, if it listens on loopback
 * instead of host (GatewayPorts no), and if it listens on all addresses instead
 * (GatewayPorts yes).  Only a connection to the port shows that.
 */
struct link_forward *link_forward_open(struct link *link, const char *host,
    uint16_t port, const char *path, link_forward_cb *done, void *ctx);

/* Closes the forward; done does not come any more.  The link may be down.  NULL
 * is allowed. */
void link_forward_close(struct link_forward *forward);

/*
 * Were so many connections refused on the link that ssh gets slow?  It keeps a
 * record of each, and ends itself after some 16000.  The link should be
 * replaced when it carries nothing.
 */
bool link_is_worn(const struct link *link);

/* The setting of sshd that may have closed a connection without traffic; part
 * of a message. */
#define LINK_IDLE_SETTING \
	"if sshd is OpenSSH 9.2 or newer, see ChannelTimeout in sshd_config"

/*
 * What to log about a connection that ended after a time without traffic, and
 * not by its peer: that setting, and how to turn it off.  accepted: the
 * connection came by a remote forward.  NULL after the first call for a link,
 * and if it is not up.
 */
const char *link_idle_hint(struct link *link, bool accepted);

typedef void link_alive_cb(void *ctx, bool alive);

/*
 * Asks ssh whether it is alive (MUX_C_ALIVE_CHECK), to tell the clean end of a
 * forwarded connection from the death of ssh.  done comes from the loop: true
 * if ssh has answered, false if it has ended.  Returns what
 * link_alive_cancel() takes, until done has come; or NULL if the link is not up
 * or when out of memory: treat it as false.
 */
struct link_alive;
struct link_alive *link_alive_check(struct link *link, link_alive_cb *done,
    void *ctx);
void link_alive_cancel(struct link_alive *check); /* NULL is allowed */

#endif
