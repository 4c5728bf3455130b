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
	NEWLINE_LF,   /* files have LF: CR LF <-> LF */
	NEWLINE_CRLF, /* files have CR LF: a LF without CR gets one, both ways
		       */
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
	bool cr; /* the last byte was a CR */
};

void newline_init(struct newline_state *state, enum newline newline,
    enum newline_to to);

/* The most bytes that newline_convert() writes for len bytes. */
size_t newline_room(size_t len);

/*
 * Converts len bytes to out, and returns how many bytes it wrote.  A CR at the
 * end of what came may be kept back until more comes, or newline_end().  Only a
 * CR LF is a line end: a CR alone passes in both directions, and a download
 * makes CR LF of a LF whether or not a CR is before it, so that an upload makes
 * the same file of it again (files with LF).
 */
size_t newline_convert(struct newline_state *state, const uint8_t *bytes,
    size_t len, uint8_t *out);

/* The transfer has ended: writes what was kept back, at most one byte. */
size_t newline_end(struct newline_state *state, uint8_t out[1]);

#endif
