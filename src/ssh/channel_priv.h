/*
 * What channel.c, channel_in.c and channel_out.c share.  Nobody else includes
 * it.
 */
#ifndef SSH_CHANNEL_PRIV_H
#define SSH_CHANNEL_PRIV_H

#include "ssh/channel.h"

#include "base/log.h"
#include "limits.h"

/* Longest text for closed(): sshd's words between a few of ours. */
#define CHANNEL_WHY_MAX (LOG_ESCAPED_MAX + REASON_MAX + 64)

struct channel {
	struct stream stream;
	struct proxy *proxy; /* NULL: it has no number any more */
	uint32_t number;     /* ours */
	uint32_t peer;	     /* the peer's, when open */
	bool open;	     /* confirmed */
	bool owned;	     /* the owner has not given it up */
	bool finishing;	     /* given up, but sends what is queued */

	struct buf in;
	struct window window;
	bool reading;
	bool eof;      /* received; or unproven */
	bool unproven; /* CLOSE came instead of EOF, and no EOF ever before */
	bool eof_told;
	bool exhausted; /* what came last has used up the window */
	bool starved;	/* ... long before the EOF */
	bool doubtful;	/* CLOSE came right behind the EOF, see channel_in.c */
	uint64_t heard_at; /* when it came, uv_now() */
	uint64_t eof_at;   /* when the EOF did */

	struct buf out;
	uint32_t peer_window;
	uint32_t peer_packet;
	uint64_t handed; /* bytes that went to the mux socket ... */
	uint64_t mark;	 /* ... and where in its queue they end */
	bool above;	 /* drained() is owed */
	bool waiting;	 /* in proxy->waiting */
	bool shut;
	bool eof_sent;
	bool close_sent;

	int err; /* it is dead */
	bool err_told;
	char why[CHANNEL_WHY_MAX];
	struct reason *reason;	 /* borrowed: where */
	struct reason_wait wait; /* ... a refusal waits for an explanation */

	uv_idle_t idle;	  /* callbacks are due */
	uv_timer_t timer; /* after finish */
	unsigned int open_handles;
	size_t linger_left; /* undelivered at the last tick */
	unsigned int quiet_ms;
	TAILQ_ENTRY(channel) entry;
};

/* ---- channel.c ---- */

/* Its number is free; nothing more is sent or comes. */
void channel_detach(struct channel *channel);

/* Dead from now on; closed() is due.  What a loss cuts is not delivered. */
void channel_fail(struct channel *channel, int err, const char *why);

/* A call of the owner made something due; it happens from the loop. */
void channel_schedule(struct channel *channel);

/* ---- channel_in.c ---- */

/* len bytes that came have gone to the owner, or are dropped. */
void channel_consumed(struct channel *channel, size_t len);

/* Nobody will read what is buffered. */
void channel_discard(struct channel *channel);

/* ---- channel_out.c ---- */

/* May anything be sent for it? */
bool channel_can_send(const struct channel *channel);

/* Sends what may go of len bytes.  Returns how many of them it took. */
size_t channel_send(struct channel *channel, const uint8_t *bytes, size_t len);

/* Sends what may go of the queue, and the EOF behind it if that is due. */
void channel_flush(struct channel *channel);

/* Closes from our side; before the confirmation, as soon as that comes. */
void channel_send_close(struct channel *channel);

/* Waits no more for room in the mux socket. */
void channel_unwait(struct channel *channel);

/* After finish: begins to wait, or ends it when both directions have. */
void channel_start_linger(struct channel *channel);
void channel_end_finish(struct channel *channel);

/* As stream_undelivered(). */
size_t channel_undelivered(const struct stream *stream);

#endif
