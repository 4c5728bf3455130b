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

struct channel {
	struct stream stream;
	struct proxy *proxy; /* NULL: it has no number any more */
	uint32_t number;     /* ours */
	uint32_t peer;	     /* the peer's, when open */
	bool open;	     /* confirmed */
	bool owned;	     /* the owner has not closed it */
	bool finishing;	     /* stream_finish(): sends what is queued */

	/* what comes */
	struct buf in;
	struct window window;
	bool reading;
	bool eof;      /* EOF has come; or unproven */
	bool unproven; /* CLOSE has come, and no EOF on this link ever */
	bool eof_told;
	bool exhausted;	   /* the last data have used up the window */
	bool starved;	   /* ... for LIMIT_IDLE_END_MS or longer before the
			    * EOF */
	bool doubtful;	   /* channel_doubt() */
	uint64_t heard_at; /* when the last data came, uv_now() */
	uint64_t eof_at;   /* when the EOF came */

	/* what goes */
	struct buf out;
	uint32_t peer_window;
	uint32_t peer_packet;
	uint64_t handed; /* bytes passed to conn ... */
	uint64_t mark;	 /* ... and where they end: conn_taken() */
	bool above;	 /* drained() must be called */
	bool waiting;	 /* in proxy->waiting */
	bool shut;	 /* by the owner */
	bool eof_sent;
	bool close_sent;

	int err; /* it is dead */
	bool err_told;
	char *why; /* of err; NULL: none yet, or out of memory */
	struct reason *reason;	 /* borrowed, or NULL: explains a refusal */
	struct reason_wait wait; /* for that explanation */

	uv_idle_t idle;	  /* callbacks are due */
	uv_timer_t timer; /* after stream_finish() */
	unsigned int open_handles;
	size_t linger_left; /* undelivered at the last tick */
	unsigned int quiet_ms;
	TAILQ_ENTRY(channel) entry;
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

bool channel_can_send(const struct channel *channel);

/* Sends as much of len bytes as may go now.  Returns how many. */
size_t channel_send(struct channel *channel, const uint8_t *bytes, size_t len);

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
