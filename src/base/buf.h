/*
 * A bounded first-in first-out byte buffer: appended at the end, consumed at
 * the start.  It grows on the heap as needed, never beyond its maximum, and
 * gives the memory back when it has become empty after having been large.
 * Embedding it is the point; treat the fields as private.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *bytes;
	size_t start; /* of what is held, within bytes */
	size_t len;   /* held, in bytes */
	size_t size;  /* allocated */
	size_t max;   /* len never exceeds it */
};

/* Makes an empty buffer that never holds more than max bytes. */
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
 * What is held: buf_len() bytes from buf_bytes(), contiguous, valid until the
 * next append, consume or free.  buf_bytes() may be NULL when it is empty.
 */
const uint8_t *buf_bytes(const struct buf *buf);
size_t buf_len(const struct buf *buf);

/* Drops the first len bytes; len must not exceed buf_len(). */
void buf_consume(struct buf *buf, size_t len);

#endif
