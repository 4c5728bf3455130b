/*
 * Where the lines of the log go: a descriptor that other processes share, and
 * whose reader may stop reading.
 *
 * A process that serves sessions must not wait for that reader.  O_NONBLOCK on
 * the descriptor would also apply to the shell and all others that have it.  So
 * the pipe, FIFO or terminal is opened once more, which gives culvert its own
 * open file description (open(2)); on a socket MSG_DONTWAIT is used.  If
 * neither is possible, poll(2) tells whether a write can succeed.
 *
 * A line that cannot be written is dropped and counted.  If only a part of a
 * line was written, its rest precedes the next line.
 */
#ifndef BASE_LOG_OUTPUT_H
#define BASE_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest line, with its newline. */
#define LOG_OUTPUT_MAX 2048

enum log_output_kind {
	LOG_OUTPUT_WAIT,   /* blocking writes */
	LOG_OUTPUT_FILE,   /* a file: writes never wait for a reader */
	LOG_OUTPUT_OWN,	   /* opened again with O_NONBLOCK */
	LOG_OUTPUT_SOCKET, /* MSG_DONTWAIT */
	LOG_OUTPUT_POLL,   /* poll(2) before each write */
};

/* Treat the fields as private. */
struct log_output {
	enum log_output_kind kind;
	int fd;
	uint64_t waited_at; /* ms */
	unsigned long lost; /* lines since the last one that was written */
	int why;	    /* errno of the first one lost */
	size_t rest_len;
	char rest[LOG_OUTPUT_MAX]; /* of a partly written line */
};

/*
 * From now on writes to fd, and never waits for its reader.  Call it before the
 * confinement.  If it opens fd again, that descriptor, close-on-exec, stays
 * open.
 */
void log_output_open(struct log_output *output, int fd);

/*
 * Writes a line of len bytes, at most LOG_OUTPUT_MAX, with a newline at its
 * end. If lines were lost before, it first writes a line, with prefix, that
 * says how many.
 */
void log_output_write(struct log_output *output, const char *prefix,
    const char *line, size_t len);

/* At the end: writes what is left, and waits for that at most LIMIT_LOG_END_MS.
 */
void log_output_flush(struct log_output *output, const char *prefix);

#endif
