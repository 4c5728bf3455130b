/*
 * The last bytes of an upload: those that the server may not have when the SSH
 * connection is lost.  They are in ssh, in sshd, in the sockets between them
 * and the server, and in the server (LIMIT_RESUME_KEPT).
 */
#ifndef RESUME_KEPT_H
#define RESUME_KEPT_H

#include <stddef.h>
#include <stdint.h>

struct resume_kept;

/* Memory for all uploads of a tunnel; left is in bytes. */
struct resume_budget {
	size_t left;
};

/* budget is borrowed.  NULL when out of memory. */
struct resume_kept *resume_kept_new(struct resume_budget *budget);
void resume_kept_free(struct resume_kept *kept); /* NULL is allowed */

/* Adds bytes at the end, and drops the first ones if there is no room. */
void resume_kept_add(struct resume_kept *kept, const void *bytes, size_t len);

/* The positions of the first byte that is kept, and behind the last one. */
uint64_t resume_kept_begin(const struct resume_kept *kept);
uint64_t resume_kept_end(const struct resume_kept *kept);

/* The bytes at that position, begin <= at < end: *ret_len of them, valid until
 * the next resume_kept_add(). */
const uint8_t *resume_kept_at(const struct resume_kept *kept, uint64_t at,
    size_t *ret_len);

#endif
