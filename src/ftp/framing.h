/*
 * Finds the end of a file in the bytes of a data connection, for the modes and
 * structures in which the end of the connection does not mark it (RFC 959
 * section 3.4).  No I/O.
 */
#ifndef FTP_FRAMING_H
#define FTP_FRAMING_H

#include <stddef.h>
#include <stdint.h>

/* What marks the end of a file, by MODE and STRU. */
enum framing {
	FRAMING_NONE,	    /* MODE S, STRU F: the end of the connection */
	FRAMING_RECORD,	    /* MODE S, STRU R: FF 02 or FF 03 */
	FRAMING_BLOCK,	    /* MODE B: a block with descriptor 40 */
	FRAMING_COMPRESSED, /* MODE C: a string after escape 00 40 */
};

/* The state of one direction of a data connection. */
struct framing_reader {
	enum framing framing;
	unsigned state;	    /* an enum of framing.c */
	unsigned left;	    /* missing bytes of the block or string */
	uint8_t descriptor; /* of the block or string */
	uint64_t behind;    /* bytes since the last end of a file, or in all */
};

/* Prepares the reader for a new data connection. */
void framing_init(struct framing_reader *reader, enum framing framing);

/* Processes the next len bytes; returns how many files have ended in them. */
size_t framing_feed(struct framing_reader *reader, const uint8_t *bytes,
    size_t len);

#endif
