/*
 * Line ends: between those of the network in TYPE A, CR LF (RFC 959 section
 * 3.1.1.1), and those of the files of the SFTP server.  Streaming: a CR LF may
 * be split anywhere.  Pure.
 */
#ifndef GATEWAY_NEWLINE_H
#define GATEWAY_NEWLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --remote-newline */
enum newline {
	NEWLINE_LF,   /* files have LF */
	NEWLINE_CRLF, /* files have CR LF */
	NEWLINE_NONE, /* nothing is converted */
};

enum newline_to {
	NEWLINE_TO_FILE,    /* an upload */
	NEWLINE_TO_NETWORK, /* a download */
};

/* One transfer.  Embed it; newline_init() sets it. */
struct newline_state {
	enum newline newline;
	enum newline_to to;
	bool cr; /* the last byte was a CR; an upload to a file with LF keeps
		  * it back */
};

void newline_init(struct newline_state *state, enum newline newline,
    enum newline_to to);

/* The most bytes that newline_convert() writes for len bytes, which are at most
 * half of what a size_t can count. */
size_t newline_room(size_t len);

/*
 * Converts len bytes to out, which does not overlap them, and returns how many
 * bytes it wrote: newline_room(len) at most.
 *
 *	files with   upload                     download
 *	LF           CR LF becomes LF           LF becomes CR LF
 *	CR LF        LF without CR gets one     LF without CR gets one
 *
 * All else passes, also a CR that is not before a LF.  With LF a download makes
 * CR CR LF of a CR LF, so that an upload makes the same file of it again.  A CR
 * at the end may be kept back until more comes, or newline_end().
 */
size_t newline_convert(struct newline_state *state, const uint8_t *bytes,
    size_t len, uint8_t *out);

/* The transfer has ended: writes what was kept back, at most one byte, and
 * returns how many. */
size_t newline_end(struct newline_state *state, uint8_t out[1]);

#endif
