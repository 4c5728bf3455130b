/*
 * The client's end of one connection to an SFTP server: requests, replies in
 * any order, and what the server can do (draft-ietf-secsh-filexfer-02; sftp/
 * packet.h has the packets).  It owns no socket and reads no clock: the owner
 * passes bytes on, and calls sftp_tick().
 *
 * Many requests can be sent before the first reply comes.  Servers may answer
 * in any order, and may execute in any order what does not touch the same bytes
 * (section 6.1).
 *
 * With sftp_keep(), requests and open files outlive the connection: keep.c.
 */
#ifndef SFTP_CLIENT_H
#define SFTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/stream.h"
#include "sftp/packet.h"

struct sftp;

struct sftp_handler {
	/* Sends n pieces to the server, all of them, or keeps a copy to send
	 * later.  0, or a negative errno: then the owner must call sftp_fail()
	 * soon. */
	int (*send)(void *ctx, const struct iovec *pieces, size_t n);

	/* The server has answered: requests may be sent.  Called once, from
	 * sftp_bytes(); and once for each sftp_resume(), when everything was
	 * sent again. */
	void (*ready)(void *ctx);
};

/* Sends INIT in sftp_start().  handler and ctx outlive it.  NULL when out of
 * memory. */
struct sftp *sftp_new(const struct sftp_handler *handler, void *ctx);

/* 0 or a negative errno. */
int sftp_start(struct sftp *sftp);

/* Pending requests are dropped, without their callbacks.  Not from a callback.
 * NULL is allowed. */
void sftp_free(struct sftp *sftp);

/*
 * Takes len bytes of the server, and calls back for each reply that they
 * complete.  0; or -ENOMEM, -EPROTO (the server violates the protocol) and
 * *ret_why, for people, static: then the owner calls sftp_fail() and closes the
 * connection.
 */
int sftp_bytes(struct sftp *sftp, const void *bytes, size_t len,
    const char **ret_why);

/* The connection is lost or of no use any more.  Each pending request gets
 * SFTP_CONNECTION_LOST and why as its reply.  Later requests fail. */
void sftp_fail(struct sftp *sftp, const char *why);

/* Can the server do that?  False before ready(), and for extensions that it has
 * not announced. */
bool sftp_can(const struct sftp *sftp, enum sftp_op op);

/* The most bytes for one READ, and for one WRITE: what the server has announced
 * (limits@openssh.com), or these.  A WRITE of SFTP_WRITE_BLOCK fits into one
 * SSH message of 32 KiB, together with a handle of 256 bytes. */
#define SFTP_BLOCK (32 * 1024)
#define SFTP_WRITE_BLOCK (31 * 1024)
uint32_t sftp_max_read(const struct sftp *sftp);
uint32_t sftp_max_write(const struct sftp *sftp);

/*
 * The reply to a request; what it points to is valid in the call.  Its type is
 * SFTP_REPLY_STATUS, or the one that belongs to the operation; a status of
 * SFTP_OK comes only for operations that have no other reply.  Called once,
 * from sftp_bytes(), sftp_tick() or sftp_fail(); it may send requests.
 */
typedef void sftp_reply_cb(void *ctx, struct sftp_reply *reply);

/* The most pieces of data. */
#define SFTP_PIECES (STREAM_PIECES - 1)

/*
 * Sends a request; for WRITE with its data, request->len bytes in n pieces
 * (else NULL, 0).  request is not needed after the call.  done NULL: nobody
 * wants the reply.  0, or done does not come: -EINVAL if a name is too long or
 * contains a NUL, -ENOSYS if the server cannot do that, -EPIPE after
 * sftp_fail(), -ENOMEM, or what handler->send() returned.
 */
int sftp_send(struct sftp *sftp, const struct sftp_request *request,
    const struct iovec *data, size_t n, sftp_reply_cb *done, void *ctx);

/* Nobody wants the replies to the pending requests with that ctx any more.  A
 * handle that still comes for one of them is closed. */
void sftp_forget(struct sftp *sftp, const void *ctx);

/* How many requests wait for their reply; forgotten ones count. */
size_t sftp_pending(const struct sftp *sftp);

/* Has each reply come before those to later requests? */
bool sftp_is_ordered(const struct sftp *sftp);

/*
 * To be called about once a second.  If no reply at all has come for
 * LIMIT_SFTP_REPLY_S calls, the requests that were sent before that time get
 * SFTP_NO_CONNECTION as their reply; theirs are ignored if they still come.
 */
void sftp_tick(struct sftp *sftp);

/* ---- requests that outlive the connection ---- */

/* From now on, requests are kept until they are answered: sftp_pause() is
 * possible.  Before sftp_start().  connection: a number that no other
 * connection has whose handles the owner may confuse with those of this one. */
void sftp_keep(struct sftp *sftp, uint32_t connection);

/* The connection is lost, and the owner will make another one.  Requests wait
 * until then, also new ones. */
void sftp_pause(struct sftp *sftp);
bool sftp_is_paused(const struct sftp *sftp);

/*
 * There is another connection, to the same server, whose number is connection:
 * sends INIT on it.  Then each open file is opened again and compared with what
 * is known of it, and each pending request is sent again, or answered with
 * SFTP_CONNECTION_LOST if that could do harm, or if its file is another one
 * now.  ready() follows.  0 or a negative errno.
 */
int sftp_resume(struct sftp *sftp, uint32_t connection);

/* Both are paused: all that is pending in from, and its open files, become
 * those of to. */
void sftp_move(struct sftp *from, struct sftp *to);

/* Is the open file of no use since a loss? */
bool sftp_is_lost(struct sftp *sftp, const struct sftp_string *handle);

/* The open file must have at least so many bytes after a loss, because others
 * have written them. */
void sftp_expect(struct sftp *sftp, const struct sftp_string *handle,
    uint64_t end);

#endif
