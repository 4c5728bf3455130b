/*
 * A stream: what a socket and an SSH channel have in common.
 */
#include "base/stream.h"

void
stream_set_handler(struct stream *stream, const struct stream_handler *handler,
    void *ctx)
{
	stream->handler = handler;
	stream->ctx = ctx;
}

void
stream_read_start(struct stream *stream)
{
	stream->ops->read_start(stream);
}

void
stream_read_stop(struct stream *stream)
{
	stream->ops->read_stop(stream);
}

size_t
stream_len(const struct iovec *pieces, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += pieces[i].iov_len;
	return len;
}

void
stream_skip(struct iovec *pieces, size_t n, size_t len)
{
	for (size_t i = 0; i < n && len > 0; i++) {
		size_t gone = pieces[i].iov_len < len ? pieces[i].iov_len : len;

		pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + gone;
		pieces[i].iov_len -= gone;
		len -= gone;
	}
}

size_t
stream_take(struct iovec *pieces, size_t n, size_t max, struct iovec *ret,
    size_t max_ret)
{
	size_t taken = 0, len = 0;

	for (size_t i = 0; i < n && len < max && taken < max_ret; i++) {
		if (pieces[i].iov_len == 0)
			continue;
		ret[taken] = pieces[i];
		if (ret[taken].iov_len > max - len)
			ret[taken].iov_len = max - len;
		len += ret[taken++].iov_len;
	}
	stream_skip(pieces, n, len);
	return taken;
}

int
stream_writev(struct stream *stream, const struct iovec *pieces, size_t n)
{
	return stream->ops->write(stream, pieces, n);
}

int
stream_write(struct stream *stream, const void *bytes, size_t len)
{
	/* struct iovec is also used for reading, so it has no const. */
	struct iovec piece = { (void *)(uintptr_t)bytes, len };

	return stream_writev(stream, &piece, 1);
}

void
stream_shutdown(struct stream *stream)
{
	stream->ops->shutdown(stream);
}

void
stream_announce_end(struct stream *stream)
{
	if (stream->ops->announce_end != NULL)
		stream->ops->announce_end(stream);
}

void
stream_close(struct stream *stream)
{
	if (stream != NULL)
		stream->ops->close(stream);
}

void
stream_finish(struct stream *stream)
{
	stream->ops->finish(stream);
}

void
stream_reset(struct stream *stream)
{
	stream->ops->reset(stream);
}

size_t
stream_queued(const struct stream *stream)
{
	return stream->ops->queued(stream);
}

size_t
stream_undelivered(const struct stream *stream)
{
	return stream->ops->undelivered(stream);
}

bool
stream_alive(const struct stream *stream)
{
	return stream->ops->alive(stream);
}

bool
stream_end_is_doubtful(const struct stream *stream)
{
	return stream->ops->end_is_doubtful != NULL &&
	    stream->ops->end_is_doubtful(stream);
}

bool
stream_end_is_proven(const struct stream *stream)
{
	return stream->ops->end_is_proven == NULL ||
	    stream->ops->end_is_proven(stream);
}
