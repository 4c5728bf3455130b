/*
 * A session that outlives its connection to the FTP server (--survive).  It is
 * between the engine, which is the client here, and the server, and passes
 * their lines on.  When the SSH connection is lost, the client sees only a
 * pause: after the reconnect this logs in again, repeats the settings
 * (resume/settings.h), repeats commands that had no reply, and continues a
 * download where it was cut (REST, RFC 3659 section 5), and an upload behind
 * what the server has (SIZE).
 *
 *	          lost            connected          logged in,
 *	                                             settings made
 *	THROUGH ---------> LOST -----------> GREETING ----> SETTINGS ----+
 *	   ^  ^             ^                   |              |         |
 *	   |  |             +---- lost again ---+--------------+         |
 *	   |  +----------------------------------------------------------+
 *	   |   before a transfer                                   |
 *	   +------ SIZE, MDTM, EPSV, PASV, data connection, REST <-+
 *
 * What cannot be continued ends honestly: a transfer gets 426, a command that
 * may have changed a file 450.  If the session itself cannot be made again, the
 * owner passes the loss on, and the client gets 426 and 421 as without
 * --survive.
 *
 * Pure: no socket, no clock.  Calls of the handler come from inside the calls
 * below, and must not call any of them back, except resume_data().
 */
#ifndef RESUME_RESUME_H
#define RESUME_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resume;

/* What is known of the data connection of the current transfer. */
struct resume_data {
	bool gone;	   /* there is none any more */
	uint64_t passed;   /* bytes of the server that were passed on */
	bool ended;	   /* and the clean end of file */
	uint64_t uploaded; /* bytes of the client */
	uint64_t kept;	   /* the last ones of these that can be repeated */
};

struct resume_handler {
	/* Sends bytes to the client; to the server. */
	void (*to_client)(void *ctx, const void *bytes, size_t len);
	void (*to_server)(void *ctx, const void *bytes, size_t len);

	/* The data connection of the transfer that is being continued, or that
	 * the next command uses. */
	void (*data)(void *ctx, struct resume_data *ret);

	/*
	 * Connects it to that port of the server again; resume_dialled()
	 * follows, from the loop.  The first repeated bytes of the server are
	 * those before passed, and are compared, not passed on.  size: the end
	 * of the data, in bytes of this data connection; -1: unknown.
	 */
	void (*dial)(void *ctx, uint16_t port, uint64_t repeated, int64_t size);

	/*
	 * Connects to that port of the server, and compares the bytes that come
	 * with those of the upload from from on.  resume_dialled() follows, and
	 * then resume_compared().
	 */
	void (*compare)(void *ctx, uint16_t port, uint64_t from);

	/* The server takes the bytes of the upload from from on. */
	void (*upload)(void *ctx, uint64_t from);

	/* The data connection cannot be continued: its client's end is lost.
	 * why is for users. */
	void (*cut)(void *ctx, const char *why);

	/* A lost session is as it was before.  transfer: one is continued. */
	void (*resumed)(void *ctx, bool transfer);

	/*
	 * The session cannot be made again: the loss is to be passed on. later:
	 * another attempt may succeed (the server is busy, or still has the old
	 * session).  Then resume_lost() is to be called, and resume_connected()
	 * after a pause.
	 */
	void (*failed)(void *ctx, bool later, const char *why);
};

/* Returns NULL when out of memory, or if no memory can be locked. */
struct resume *resume_new(const struct resume_handler *handler, void *ctx);
void resume_free(struct resume *resume); /* NULL is allowed */

/* The client, or the server, has sent bytes.  0; -ENOMEM, or -ENOBUFS if the
 * owner ignored resume_wants(): the owner must end the session. */
int resume_client(struct resume *resume, const void *bytes, size_t len)
    __attribute__((warn_unused_result));
int resume_server(struct resume *resume, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/* The server has ended its direction. */
void resume_server_ended(struct resume *resume);

/* False: too many commands wait; the client is not to be read for now. */
bool resume_wants(const struct resume *resume);

/* Have all bytes of the client been sent to the server? */
bool resume_is_flushed(const struct resume *resume);

/* Is it neither lost nor being made again? */
bool resume_is_through(const struct resume *resume);

/* How many repeated bytes before the cut must be kept for each data connection.
 */
#define RESUME_SEAM 16384

/* The connection to the server is lost, with its data connections.  False: the
 * session cannot be made again; *ret_why is the reason, for users. */
bool resume_lost(struct resume *resume, const char **ret_why);

/* There is a new connection to the server, which will greet. */
void resume_connected(struct resume *resume);

/* The data connection was made (why NULL), or cannot be made. */
void resume_dialled(struct resume *resume, const char *why);

/* The bytes after compare() have come: are they the same, and how many? */
void resume_compared(struct resume *resume, bool same, uint64_t len);

/* The server's data connection was lost, or differs: the transfer is cut. why
 * is for users. */
void resume_cut(struct resume *resume, const char *why);

#endif
