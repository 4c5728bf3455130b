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
	uint64_t waited_at;    /* ms */
	unsigned long dropped; /* lines since the last one that was written */
	int why;	       /* errno of the first of them */
	size_t rest_len;
	char rest[LOG_OUTPUT_MAX]; /* the unwritten part of a line */
};

/*
 * Sets the descriptor to which lines are written.  From now on a write waits
 * for its reader at most LIMIT_LOG_WAIT_MS in each LIMIT_LOG_WAIT_EVERY_MS.
 * Call it before the confinement.  If it opens the file once more, the new
 * descriptor is close-on-exec and stays open.
 */
void log_output_open(struct log_output *output, int fd);

/*
 * Writes a line of len bytes, at most LOG_OUTPUT_MAX, with a newline at its
 * end.  If lines were dropped before, it first writes a line that begins with
 * prefix and says how many.
 */
void log_output_write(struct log_output *output, const char *prefix,
    const char *line, size_t len);

/* At the end: writes the rest of a line and the number of dropped lines.  Waits
 * for the reader at most LIMIT_LOG_END_MS. */
void log_output_flush(struct log_output *output, const char *prefix);

#endif
