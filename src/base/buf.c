/*
 * A bounded byte queue.
 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The size of the first allocation, and the largest that an empty buffer keeps,
 * because a relay fills and empties its buffers often. */
#define BUF_SIZE_MIN ((size_t)512)
#define BUF_SIZE_KEPT ((size_t)4 * 1024 * 1024)

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf) { .max = max };
}

void
buf_free(struct buf *buf)
{
	free(buf->bytes);
	buf_init(buf, buf->max);
}

/* Moves the content to a new block with room for at least len bytes. */
static int
buf_grow(struct buf *buf, size_t len)
{
	size_t size = BUF_SIZE_MIN;
	uint8_t *bytes;

	if (buf->size > 0)
		size = buf->size > buf->max / 2 ? buf->max : buf->size * 2;
	if (size > buf->max)
		size = buf->max;
	if (size < len)
		size = len;
	bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	if (buf->len > 0)
		memcpy(bytes, buf->bytes + buf->start, buf->len);
	free(buf->bytes);
	buf->bytes = bytes;
	buf->start = 0;
	buf->size = size;
	return 0;
}

int
buf_append(struct buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return 0;
	if (len > buf->max - buf->len)
		return -ENOBUFS;
	if (len > buf->size - buf->start - buf->len) {
		/* Moving the content to the start is cheap if at least as much
		 * was consumed as is held.  A block of the maximum size cannot
		 * grow. */
		if (len <= buf->size - buf->len &&
		    (buf->start >= buf->len || buf->size == buf->max)) {
			memmove(buf->bytes, buf->bytes + buf->start, buf->len);
			buf->start = 0;
		} else {
			int err = buf_grow(buf, buf->len + len);

			if (err != 0)
				return err;
		}
	}
	memcpy(buf->bytes + buf->start + buf->len, bytes, len);
	buf->len += len;
	return 0;
}

const uint8_t *
buf_bytes(const struct buf *buf)
{
	return buf->bytes == NULL ? NULL : buf->bytes + buf->start;
}

size_t
buf_len(const struct buf *buf)
{
	return buf->len;
}

void
buf_consume(struct buf *buf, size_t len)
{
	assert(len <= buf->len);
	buf->start += len;
	buf->len -= len;
	if (buf->len > 0)
		return;
	buf->start = 0;
	if (buf->size > BUF_SIZE_KEPT)
		buf_free(buf);
}
