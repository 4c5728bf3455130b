/*
 * The gateway's core: an FTP server for one session, whose files are on an SFTP
 * server (RFC 959, 1123 section 4.1, 2389, 2428, 3659, 7151).  Pure: FTP
 * commands and SFTP replies in, FTP replies and SFTP requests out.  It owns no
 * socket and reads no clock.
 *
 * The client of this server is culvert's own session (gateway/side.h): so there
 * is only passive mode, and no rule about who may connect to what.
 *
 * The owner opens SFTP channels and data connections when the handler says so,
 * passes on what they receive, and calls gateway_tick() once a second.  Calls
 * of the handler come from inside the calls below; the handler must not call
 * any of them back, except gateway_channel_failed() from the loop.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/charset.h"
#include "gateway/newline.h"
#include "limits.h"

struct gateway;

/* Channel 0 is the session's; the others carry a part of an upload. */
#define GATEWAY_CHANNELS LIMIT_SFTP_CHANNELS

enum gateway_upload {
	GATEWAY_ATOMIC,	  /* to a temporary name, which replaces the file at
			   * the end */
	GATEWAY_IN_PLACE, /* for servers that do not rename */
};

/* What --upload and its neighbours say.  Pointers are borrowed. */
struct gateway_config {
	const char *name; /* of the SFTP server, for the greeting */
	const char
	    *directory; /* where sessions begin; "": the server's choice */
	enum gateway_upload upload;
	bool fsync; /* before an upload is reported as complete */
	bool no_concurrent_writes; /* each WRITE waits for the last one */
	bool no_setstat;	   /* times and modes are not set */
	enum newline newline;	   /* of the server's text files */
	struct charset *charset;   /* of the client; NULL: none */
	uint32_t max_packet;	   /* bytes in a READ or WRITE; 0: the server's
				    * limit */
	unsigned requests;	   /* READs at the same time, at least 1 */
	unsigned channels;	   /* for one upload, 1 .. GATEWAY_CHANNELS */
	bool check_logins;   /* login() decides; else anybody may log in */
	bool login_connects; /* each login opens the SSH connection: there is
			      * one in a session */
	unsigned survive_s;  /* a session waits so many seconds for another SSH
			      * connection; 0: it ends */
	unsigned idle_s; /* a session that is logged in ends without a command
			  * for so many seconds; 0: never */
};

/* The answer to a login. */
struct gateway_login {
	bool allowed;
	bool end; /* not allowed, and the session ends */
	/* If it is allowed: */
	const char *directory; /* of the user, relative to where sessions
				* begin; may not be left.  "": none */
	bool read_only;
	/* If it is not: a line; or NULL, for the usual one. */
	const char *reply;
};

struct gateway_handler {
	/* Sends a part of a reply to the client. */
	void (*reply)(void *ctx, const void *bytes, size_t len);

	/* The session is over: half-close the control connection after what was
	 * sent.  Called once. */
	void (*end)(void *ctx);

	/* The same, but the session failed: why, for people, is valid in the
	 * call.  was_up: the SFTP server could be used before. */
	void (*fail)(void *ctx, bool was_up, const char *why);

	/* The SSH connection is lost, and the session waits for the next one;
	 * it goes on.  seconds: how long it has waited. */
	void (*paused)(void *ctx, const char *why);
	void (*resumed)(void *ctx, unsigned seconds);

	/* Opens the channel; gateway_channel_up() or gateway_channel_failed()
	 * follows, from the loop. */
	void (*channel_open)(void *ctx, unsigned channel);
	void (*channel_close)(void *ctx, unsigned channel);

	/* As stream_writev(), stream_queued(), stream_read_start() and _stop()
	 * (base/stream.h); reading is on at first. */
	int (*channel_send)(void *ctx, unsigned channel,
	    const struct iovec *pieces, size_t n);
	size_t (*channel_queued)(void *ctx, unsigned channel);
	void (*channel_read)(void *ctx, unsigned channel, bool on);

	/* A data connection may be made from now on, to the port that it
	 * returns; 0: that cannot be.  There is one at a time. */
	uint16_t (*data_listen)(void *ctx);
	/* As for channels; reading is off at first.  data_end() half-closes it
	 * after what was sent, data_reset() resets it, or ends the listening;
	 * after both it is gone. */
	int (*data_send)(void *ctx, const struct iovec *pieces, size_t n);
	size_t (*data_queued)(void *ctx);
	void (*data_read)(void *ctx, bool on);
	void (*data_end)(void *ctx);
	void (*data_reset)(void *ctx);

	/* May that user log in?  gateway_login_done() follows, from the loop,
	 * unless the session ends before.  False: out of memory.  Only with
	 * check_logins; else it may be NULL. */
	bool (*login)(void *ctx, const char *user, const char *password);

	/* Milliseconds since 1970. */
	int64_t (*now)(void *ctx);
	void (*random)(void *ctx, void *bytes, size_t len);

	/* May this session write to the file itself?  False: another one does.
	 * release(): it does not any more; allowed without claim(). */
	bool (*claim)(void *ctx, const char *path);
	void (*release)(void *ctx);

	/*
	 * The connection was lost.  target NULL: path is a temporary file;
	 * remove it later.  Else path is a backup of target, if it exists:
	 * rename it to target later, or remove it if there is a target.  Both
	 * are valid in the call.
	 */
	void (*left_over)(void *ctx, const char *path, const char *target);

	/* The server refuses to remove it. */
	void (*stays)(void *ctx, const char *path);
};

/* Opens channel 0; with check_logins, the first login that is allowed does.
 * config, handler and ctx outlive it.  NULL when out of memory. */
struct gateway *gateway_new(const struct gateway_config *config,
    const struct gateway_handler *handler, void *ctx);

/* Not from a call of the handler.  NULL is allowed. */
void gateway_free(struct gateway *gateway);

/* The client has sent bytes on the control connection; or has ended it, or it
 * is lost: then a running upload is given up. */
void gateway_control(struct gateway *gateway, const void *bytes, size_t len);
void gateway_control_end(struct gateway *gateway);

/* A channel is open; has received bytes; has sent what it had queued; could not
 * be opened, or is lost.  why is for people. */
void gateway_channel_up(struct gateway *gateway, unsigned channel);
void gateway_channel_bytes(struct gateway *gateway, unsigned channel,
    const struct iovec *pieces, size_t n);
void gateway_channel_drained(struct gateway *gateway, unsigned channel);
void gateway_channel_failed(struct gateway *gateway, unsigned channel,
    const char *why);

/* The data connection is open; has received bytes; no more come, but the client
 * may have been killed; the client has ended it; it has sent what it had
 * queued; it is lost (the owner has closed it). */
void gateway_data_up(struct gateway *gateway);
void gateway_data_bytes(struct gateway *gateway, const struct iovec *pieces,
    size_t n);
void gateway_data_ending(struct gateway *gateway);
void gateway_data_eof(struct gateway *gateway);
void gateway_data_drained(struct gateway *gateway);
void gateway_data_lost(struct gateway *gateway);

/* The channels but channel 0 are needed for other sessions: an upload that uses
 * them goes on without, and closes each when its replies have come. */
void gateway_yield(struct gateway *gateway);

void gateway_login_done(struct gateway *gateway,
    const struct gateway_login *login);

/* Is a login allowed whose user cannot use the SFTP server yet? */
bool gateway_is_logging_in(const struct gateway *gateway);

/* Such a login has failed: ends the session with that reply. */
void gateway_login_refuse(struct gateway *gateway, const char *reply);

void gateway_tick(struct gateway *gateway);

/* Does the session wait for another SSH connection? */
bool gateway_is_away(const struct gateway *gateway);

/* After end() or fail(): does nothing wait for the server any more?  Until then
 * the owner should keep channel 0 open, at least for a while: a temporary file
 * may be about to be removed. */
bool gateway_is_settled(const struct gateway *gateway);

#endif
