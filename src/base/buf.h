/*
 * A bounded byte queue: bytes are appended at the end and consumed at the
 * start. It grows on the heap as needed, up to its maximum, and frees the
 * memory when a large buffer has become empty.  Embed the struct, but treat its
 * fields as private.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *bytes;
	size_t start; /* offset of the first byte that is held */
	size_t len;   /* number of bytes that are held */
	size_t size;  /* allocated */
	size_t max;   /* len never exceeds it */
};

/* Makes an empty buffer for at most max bytes. */
void buf_init(struct buf *buf, size_t max);

/* Frees the memory; the buffer is empty and usable again. */
void buf_free(struct buf *buf);

/*
 * Appends a copy of len bytes: all of them or none.
 * Returns 0, -ENOBUFS when they would exceed the maximum, -ENOMEM.
 */
int buf_append(struct buf *buf, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/*
 * The content: buf_len() contiguous bytes at buf_bytes(), valid until the next
 * append, consume or free.  buf_bytes() may be NULL if the buffer is empty.
 */
const uint8_t *buf_bytes(const struct buf *buf);
size_t buf_len(const struct buf *buf);

/* Drops the first len bytes; len must not exceed buf_len(). */
void buf_consume(struct buf *buf, size_t len);

#endif
