/*
 * A data connection to the server that outlives its stream.  The session
 * (tunnel/) has the outer stream; the inner one is the far side's, is lost with
 * the link, and is then replaced by another one.
 */
#ifndef RESUME_STREAM_H
#define RESUME_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/stream.h"
#include "resume/kept.h"
#include "resume/resume.h"
#include "tunnel/side.h"

struct resume_stream;

struct resume_stream_owner {
	/* The new inner stream is connected (why NULL), or cannot be. */
	void (*dialled)(void *ctx, const char *why);

	/* The inner stream is lost.  Either resume_stream_hold() or
	 * resume_stream_lose() follows. */
	void (*lost)(void *ctx, struct resume_stream *stream);

	/* The server's bytes differ from those before the loss, or there are
	 * fewer.  resume_stream_lose() follows. */
	void (
	    *differs)(void *ctx, struct resume_stream *stream, const char *why);

	/* The outer stream is closed; the pointer is invalid. */
	void (*closed)(void *ctx, struct resume_stream *stream);
};

/*
 * owner and ctx outlive the stream, or resume_stream_disown() is called.
 * budget: for the bytes of an upload.  *n_open is one more until the outer
 * stream is closed.  NULL when out of memory.
 */
struct resume_stream *resume_stream_new(const struct resume_stream_owner *owner,
    void *ctx, struct resume_budget *budget, unsigned *n_open);

/* What the session has. */
struct stream *resume_stream_outer(struct resume_stream *stream);

/* The handler of the inner stream, with the resume_stream as its ctx. */
extern const struct stream_handler resume_stream_handler;

/*
 * Takes the inner stream: one that is connecting (dialled), or that a listener
 * has accepted.  listener NULL: it was dialled; else it is borrowed until the
 * stream is closed or resume_stream_hold().
 */
void resume_stream_take(struct resume_stream *stream, struct stream *inner,
    struct side_listener *listener);

/* A further inner stream begins with so many bytes that came before, and the
 * data end at size; -1: unknown. */
void resume_stream_expect(struct resume_stream *stream, uint64_t repeated,
    int64_t size);

/* Closes the inner stream, and waits for another one. */
void resume_stream_hold(struct resume_stream *stream);

/* The outer stream is lost; from the loop only. */
void resume_stream_lose(struct resume_stream *stream, const char *why);

/* It was lost as the inner stream said. */
void resume_stream_lose_as_reported(struct resume_stream *stream);

/* Its owner is gone: a loss is passed on from now on. */
void resume_stream_disown(struct resume_stream *stream);

/* The new inner stream gets the bytes of the upload from from on, which are
 * kept. */
void resume_stream_upload(struct resume_stream *stream, uint64_t from);

/* Are these the bytes of the upload from at on? */
bool resume_stream_sent(const struct resume_stream *stream, uint64_t at,
    const uint8_t *bytes, size_t len);

/* How much has passed. */
struct resume_data resume_stream_data(const struct resume_stream *stream);

#endif
