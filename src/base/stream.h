/*
 * A stream: bytes both ways, half-close, abort, backpressure.  What a socket
 * (net/) and an SSH channel (ssh/) have in common; the rest of the program
 * sees nothing else of either.
 *
 * Life: connecting -> open -> closed.  A dialled stream starts as connecting
 * and calls opened() or closed(); an accepted one is open from the start.
 * Bytes may be written while it is connecting; they wait.
 *
 * Callbacks are never made from inside a call of the owner, only from the
 * loop.  Inside any callback the owner may call any function of its stream,
 * stream_close() and stream_reset() included; memory is freed later by the
 * loop.
 */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct stream;

/* Bytes that are handed on lie in so many pieces at most, so that nobody has to
 * copy them together. */
#define STREAM_PIECES 16

/* How many bytes n pieces have. */
size_t stream_len(const struct iovec *pieces, size_t n);

struct stream_handler {
	/* A dialled stream stands. */
	void (*opened)(void *ctx);

	/*
	 * Bytes came, in n pieces, one behind the other: 0 < n <=
	 * STREAM_PIECES, and none of them is empty.  They are valid only
	 * during the call.
	 */
	void (*data)(void *ctx, const struct iovec *pieces, size_t n);

	/* The peer has ended its direction cleanly, after its last byte; see
	 * also stream_end_is_proven(). */
	void (*eof)(void *ctx);

	/*
	 * stream_queued() has fallen to the low-water mark or below, after
	 * having been above it.
	 */
	void (*drained)(void *ctx);

	/*
	 * The stream is dead: refused, reset, or lost with what carried it.
	 * err is a negative errno; why is a text for people, in the words of
	 * whoever refused (sshd's own, for a channel), valid during the call.
	 * The owner must still call stream_close().  No other callback
	 * follows.  It is not called for a clean end of both directions.
	 * -ESHUTDOWN: after eof(), the peer has closed the connection; nothing
	 * of ours was unsent, but we had not ended our direction.
	 */
	void (*closed)(void *ctx, int err, const char *why);
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
};

/* Embedded first in net's and ssh's own structs. */
struct stream {
	const struct stream_ops *ops;
	const struct stream_handler *handler;
	void *ctx;
};

/* From now on callbacks go to handler with ctx.  Both outlive the stream. */
void stream_set_handler(struct stream *stream,
    const struct stream_handler *handler, void *ctx);

/*
 * Lets data() and eof() come, or holds them back; a new stream is stopped.
 * While stopped the peer is held back by TCP's or the channel's window, and
 * closed() is still reported as soon as it is known.
 */
void stream_read_start(struct stream *stream);
void stream_read_stop(struct stream *stream);

/*
 * Sends n pieces, or len bytes; what cannot go now is copied and queued.
 * Owners stop their source while stream_queued() is above the high-water mark
 * (limits.h).  Returns 0, -ENOMEM, or -EPIPE after shutdown or once the stream
 * is dead.
 */
int stream_writev(struct stream *stream, const struct iovec *pieces, size_t n)
    __attribute__((warn_unused_result));
int stream_write(struct stream *stream, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/* Ends our direction once everything queued has been sent. */
void stream_shutdown(struct stream *stream);

/*
 * Gives the stream up at once, whatever is queued: the peer may see an end or
 * a reset.  NULL is allowed.  The pointer is dead, no callback follows.
 */
void stream_close(struct stream *stream);

/*
 * Gives the stream up, but politely: what is queued is sent, our direction
 * ended, and what the peer still sends is read and dropped until it ends too
 * or LIMIT_LINGER_MS have passed.  A peer that takes nothing of what is queued
 * for LIMIT_FINISH_QUIET_MS is given up as by stream_reset().  No callback
 * follows.
 */
void stream_finish(struct stream *stream);

/*
 * Gives the stream up so that the peer cannot take it for a clean end: TCP
 * sends RST.  An SSH channel cannot (RFC 4254 has no such message); there it
 * is the same as stream_close().
 */
void stream_reset(struct stream *stream);

/* Bytes taken by stream_write() that have not left this process. */
size_t stream_queued(const struct stream *stream);

/*
 * Bytes, and a FIN counted as one, that the other end is not known to have:
 * for a socket what its kernel has not acknowledged, for a channel what has
 * not left this process.
 */
size_t stream_undelivered(const struct stream *stream);

/*
 * False once the peer is known to have reset the connection, also while
 * nothing is being read; a Unix socket, which has no reset, also when its peer
 * has closed it altogether and we have not ended our direction.  What came
 * before may still be read.  Two clean ends are no death.
 */
bool stream_alive(const struct stream *stream);

/*
 * After eof(), or in it.  False: the peer has closed the connection without
 * saying that this was the end of its bytes, as some SSH servers always do (RFC
 * 4254 section 5.3: CLOSE without EOF).  It may be the end, or a failure there:
 * the owner must decide by what else it knows.
 */
bool stream_end_is_proven(const struct stream *stream);

/*
 * The same.  True: the SSH server has closed the connection with the end of its
 * bytes, when it had no window left.  So does sshd for ChannelTimeout, which
 * drops what it still has.  It is the end only if the size is right.
 */
bool stream_end_is_doubtful(const struct stream *stream);

#endif
