/*
 * A stream: bytes in both directions, half-close, reset and backpressure.  It
 * is what a socket (net/) and an SSH channel (ssh/) have in common; the rest of
 * the program uses only this.
 *
 * States: connecting -> open -> closed.  A dialled stream is connecting at
 * first and calls opened() or closed(); an accepted one is open from the start.
 * Bytes that are written while it is connecting wait.
 *
 * Callbacks come only from the loop, never from inside a call of the owner.  In
 * a callback the owner may call any function of its stream, including
 * stream_close() and stream_reset(); the loop frees the memory later.
 */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct stream;

/* The most pieces in which bytes are passed on at once.  Pieces save copying
 * the bytes into one buffer. */
#define STREAM_PIECES 16

/* The number of bytes in n pieces. */
size_t stream_len(const struct iovec *pieces, size_t n);

/* Makes the pieces begin behind their first len bytes. */
void stream_skip(struct iovec *pieces, size_t n, size_t len);

/*
 * Takes the first max bytes, or all if there are fewer, from n pieces, which
 * then begin behind them.  ret gets them, in at most max_ret pieces, none of
 * which is empty.  Returns the number of these pieces.
 */
size_t stream_take(struct iovec *pieces, size_t n, size_t max,
    struct iovec *ret, size_t max_ret);

struct stream_handler {
	/* A dialled stream is connected. */
	void (*opened)(void *ctx);

	/*
	 * Bytes came, in n consecutive pieces: 0 < n <= STREAM_PIECES, and no
	 * piece is empty.  They are valid only during the call.
	 */
	void (*data)(void *ctx, const struct iovec *pieces, size_t n);

	/* The peer has ended its direction cleanly, after its last byte; see
	 * also stream_end_is_proven(). */
	void (*eof)(void *ctx);

	/*
	 * stream_queued() was above the low-water mark (limits.h) and has now
	 * fallen to it or below.
	 */
	void (*drained)(void *ctx);

	/*
	 * The stream is dead: refused, reset, or lost with its link.  err is a
	 * negative errno.  why is the reason for users (for a channel, in
	 * sshd's words), valid during the call.  The owner must still call
	 * stream_close().  No other callback follows.  If both directions end
	 * cleanly, this is not called. -ESHUTDOWN is no
	 * loss: all bytes of this side were sent, and the peer has closed the
	 * connection after its eof(), but before stream_shutdown().
	 */
	void (*closed)(void *ctx, int err, const char *why);

	/* The peer has called stream_announce_end(), after its last byte.  May
	 * be NULL. */
	void (*ending)(void *ctx);
};

struct stream_ops {
	void (*read_start)(struct stream *);
	void (*read_stop)(struct stream *);
	int (*write)(struct stream *, const struct iovec *, size_t);
	void (*shutdown)(struct stream *);
	void (*close)(struct stream *);
	void (*finish)(struct stream *);
	void (*reset)(struct stream *);
	size_t (*queued)(const struct stream *);
	size_t (*undelivered)(const struct stream *);
	bool (*alive)(const struct stream *);
	bool (*end_is_proven)(const struct stream *);	/* NULL: always */
	bool (*end_is_doubtful)(const struct stream *); /* NULL: never */
	void (*announce_end)(struct stream *);		/* NULL: it cannot */
};

/* The first member of each struct of net/ and ssh/ that is a stream. */
struct stream {
	const struct stream_ops *ops;
	const struct stream_handler *handler;
	void *ctx;
};

/* Sets where callbacks go from now on.  handler and ctx must outlive the
 * stream. */
void stream_set_handler(struct stream *stream,
    const struct stream_handler *handler, void *ctx);

/*
 * Starts or stops the callbacks data() and eof(); a new stream is stopped.
 * While it is stopped, the window of TCP or of the channel stops the peer;
 * closed() still comes as soon as possible.
 */
void stream_read_start(struct stream *stream);
void stream_read_stop(struct stream *stream);

/*
 * Sends n pieces, at most STREAM_PIECES, or len bytes; what cannot be sent now
 * is copied and queued.  Owners stop reading from the source of these bytes
 * while stream_queued() is above the high-water mark (limits.h).  Returns 0,
 * -ENOMEM, or -EPIPE after stream_shutdown() or once the stream is dead.
 */
int stream_writev(struct stream *stream, const struct iovec *pieces, size_t n)
    __attribute__((warn_unused_result));
int stream_write(struct stream *stream, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/* Ends this side's direction once everything queued has been sent. */
void stream_shutdown(struct stream *stream);

/* No more bytes follow what was sent: stream_shutdown() is called later, or the
 * stream is closed.  Only streams within a process tell that to the peer. */
void stream_announce_end(struct stream *stream);

/*
 * Closes the stream at once and drops what is queued: the peer may see an end
 * or a reset.  NULL is allowed.  The pointer becomes invalid; no callback
 * follows.
 */
void stream_close(struct stream *stream);

/*
 * Closes the stream after everything queued has been sent and this side's
 * direction has ended.  What the peer still sends is read and dropped until it
 * ends its direction too, or for LIMIT_LINGER_MS.  If the peer takes no queued
 * byte for LIMIT_FINISH_QUIET_MS, the stream is reset.  The pointer becomes
 * invalid; no callback follows.
 */
void stream_finish(struct stream *stream);

/*
 * Closes the stream so that the peer cannot take it for a clean end: TCP sends
 * RST.  RFC 4254 has no such message, so for an SSH channel it is the same as
 * stream_close().
 */
void stream_reset(struct stream *stream);

/* Bytes accepted by stream_write() that have not left this process. */
size_t stream_queued(const struct stream *stream);

/*
 * Bytes that the peer may not have yet; a FIN counts as one.  For a socket what
 * the peer's kernel has not acknowledged, for a channel what has not left this
 * process.
 */
size_t stream_undelivered(const struct stream *stream);

/*
 * False once the peer has reset the connection, as far as the kernel knows,
 * even while the stream is stopped.  Bytes that came before may still be read.
 * A Unix socket has no reset: it is also false there if the peer has closed
 * both directions before this side has ended its own.  After both directions
 * have ended cleanly it stays true.
 */
bool stream_alive(const struct stream *stream);

/*
 * Call it in eof() or later.  False: the SSH server has closed the channel
 * without EOF, as some servers always do (RFC 4254 section 5.3), so either the
 * bytes are complete or something has failed.  The owner must decide by other
 * signs.
 */
bool stream_end_is_proven(const struct stream *stream);

/*
 * Call it in eof() or later.  True: the SSH server has closed the channel
 * together with EOF, when the channel's window was used up.  sshd does so for
 * ChannelTimeout, and drops the bytes that it still has.  The data are complete
 * only if their size is the expected one.
 */
bool stream_end_is_doubtful(const struct stream *stream);

#endif
