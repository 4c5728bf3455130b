/*
 * What the files of a channel share; only for them.
 */
#ifndef SSH_CHANNEL_PRIV_H
#define SSH_CHANNEL_PRIV_H

#include "ssh/channel.h"

#include "base/log.h"
#include "limits.h"

/* Longest why of closed(): sshd's words and some of ours. */
#define CHANNEL_WHY_MAX (LOG_ESCAPED_MAX + REASON_MAX + 64)

/* What its owner has done with the stream. */
enum channel_owner {
	OWNER_OPEN,
	OWNER_FINISHING, /* stream_finish(): what is queued is still sent */
	OWNER_GONE,
};

/* What comes. */
struct channel_in {
	struct buf buf;
	struct window window;
	bool reading;
	enum {
		IN_OPEN,
		IN_ENDED, /* EOF has come; or CLOSE, and that is taken for it */
		IN_TOLD,  /* eof() was called */
	} state;
	enum {
		END_CERTAIN,
		END_UNPROVEN, /* CLOSE has come, and no EOF on this link ever */
		END_DOUBTFUL, /* channel_doubt() */
	} end;
	bool exhausted;	   /* the last data have used up the window */
	uint64_t heard_at; /* when the last data came, uv_now() */
	uint64_t eof_at;   /* when the EOF came */
};

/* What goes. */
struct channel_out {
	struct buf buf;
	uint32_t window;    /* the peer's: bytes that may be sent */
	uint32_t packet;    /* its largest packet, bytes */
	size_t packet_left; /* SFTP: bytes of the packet that was begun */
	uint64_t handed;    /* bytes passed to conn ... */
	uint64_t mark;	    /* ... and where they end: conn_taken() */
	enum {
		OUT_OPEN,
		OUT_SHUT,  /* by the owner; EOF follows what is queued */
		OUT_ENDED, /* EOF was sent */
	} state;
	bool above;   /* drained() must be called */
	bool waiting; /* in proxy->waiting */
	TAILQ_ENTRY(channel) entry;
};

struct channel {
	struct stream stream;
	struct proxy *proxy; /* NULL: it has no number any more */
	uint32_t number;     /* ours */
	uint32_t peer;	     /* the peer's, when open */
	bool open;	     /* confirmed */
	bool close_sent;     /* or it will be, with the confirmation */
	enum {
		SFTP_NOT,      /* a channel to a host and port */
		SFTP_STARTING, /* the subsystem: sshd has not started it yet */
		SFTP_STARTED,
	} sftp;
	enum channel_owner owner;
	struct channel_in in;
	struct channel_out out;

	int err; /* it is dead */
	bool err_told;
	char *why;		 /* of err; NULL: none yet, or out of memory */
	struct reason *reason;	 /* borrowed, or NULL: explains a refusal */
	struct reason_wait wait; /* for that explanation */

	uv_idle_t idle;	  /* callbacks are due */
	uv_timer_t timer; /* after stream_finish() */
	unsigned int open_handles;
	struct {
		size_t left; /* undelivered at the last tick */
		unsigned int quiet_ms;
	} linger;
};

/* ---- channel.c ---- */

/* Its number is free; nothing is sent any more. */
void channel_detach(struct channel *channel);

/* It is dead, and closed() is due.  Without an EOF, what is buffered is not
 * delivered. */
void channel_fail(struct channel *channel, int err, const char *why);

/* Keeps a copy of why in place of the one before. */
void channel_set_why(struct channel *channel, const char *why);

/* A call of the owner made a callback due, which comes from the loop. */
void channel_schedule(struct channel *channel);

/* ---- channel_in.c ---- */

/* len bytes have gone to the owner, or were dropped. */
void channel_consumed(struct channel *channel, size_t len);

/* Drops what is buffered. */
void channel_discard(struct channel *channel);

/* ---- channel_out.c ---- */

/* May messages be sent to the peer? */
bool channel_can_send(const struct channel *channel);

/* Sends as much as may go now of n pieces, which then begin behind it.  For
 * stream_writev(). */
void channel_send(struct channel *channel, struct iovec *pieces, size_t n);

/* Sends what may go of the queue, and the EOF behind it if that is due. */
void channel_flush(struct channel *channel);

/* Sends CLOSE; before the confirmation, as soon as that comes. */
void channel_send_close(struct channel *channel);

/* Leaves proxy->waiting. */
void channel_unwait(struct channel *channel);

/* After stream_finish(): begins to wait; closes if both directions have ended.
 */
void channel_start_linger(struct channel *channel);
void channel_end_finish(struct channel *channel);

/* See stream_undelivered(). */
size_t channel_undelivered(const struct stream *stream);

#endif
