/*
 * Where the lines of the log go: a descriptor that other processes share, and
 * whose reader may stop reading.
 *
 * A process that serves sessions must not wait for that reader.  O_NONBLOCK on
 * the descriptor itself would be set for the shell and all others, too.  So the
 * pipe, FIFO or terminal is opened once more, which gives an open file
 * description of our own (open(2)); a socket takes MSG_DONTWAIT.  What cannot
 * be opened again is asked by poll(2) first.
 *
 * A line that is not taken is dropped and counted; of a line that was taken in
 * part the rest goes first.
 */
#ifndef BASE_LOG_OUTPUT_H
#define BASE_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest line, with its newline. */
#define LOG_OUTPUT_MAX 2048

enum log_output_kind {
	LOG_OUTPUT_WAIT,   /* wait as long as it takes */
	LOG_OUTPUT_FILE,   /* never has to wait for a reader */
	LOG_OUTPUT_OWN,	   /* opened again with O_NONBLOCK */
	LOG_OUTPUT_SOCKET, /* MSG_DONTWAIT */
	LOG_OUTPUT_POLL,   /* ask whether it is writable */
};

/* Treat the fields as private. */
struct log_output {
	enum log_output_kind kind;
	int fd;
	uint64_t waited_at; /* ms */
	unsigned long lost; /* lines since the last one that was written */
	int why;	    /* errno of the first of them */
	size_t rest_len;
	char rest[LOG_OUTPUT_MAX]; /* of a line that was written in part */
};

/*
 * Never waits for the reader of fd from now on.  Before the confinement.  Where
 * fd is opened again, that descriptor stays open, close-on-exec.
 */
void log_output_open(struct log_output *output, int fd);

/*
 * Writes len bytes, at most LOG_OUTPUT_MAX, that end with a newline.  If lines
 * were lost before, a line with prefix that says how many goes first.
 */
void log_output_write(struct log_output *output, const char *prefix,
    const char *line, size_t len);

/* The end: gives what is left a last, bounded time. */
void log_output_flush(struct log_output *output, const char *prefix);

#endif
