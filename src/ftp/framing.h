/*
 * The end of a file that stands in its data, where the end of the connection
 * does not say it: RFC 959 section 3.4.  Pure.
 */
#ifndef FTP_FRAMING_H
#define FTP_FRAMING_H

#include <stddef.h>
#include <stdint.h>

/* By MODE and STRU. */
enum framing {
	FRAMING_NONE,	    /* MODE S, STRU F: by the end of the connection */
	FRAMING_RECORD,	    /* MODE S, STRU R: FF 02 or FF 03 */
	FRAMING_BLOCK,	    /* MODE B: a block with descriptor 40 */
	FRAMING_COMPRESSED, /* MODE C: the string behind escape 00 40 */
};

/* One direction of a data connection, between two pieces of it. */
struct framing_reader {
	enum framing framing;
	unsigned state;	    /* framing.c */
	unsigned left;	    /* bytes of the block or string */
	uint8_t descriptor; /* its own */
	uint64_t behind;    /* bytes behind the last end of a file, or in all */
};

/* Zeroes the reader. */
void framing_init(struct framing_reader *reader, enum framing framing);

/* Takes the next len bytes; returns how many files have ended in them. */
size_t framing_feed(struct framing_reader *reader, const uint8_t *bytes,
    size_t len);

#endif
