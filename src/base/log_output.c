/*
 * Where the lines of the log go.
 */
#include "base/log_output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "limits.h"

/* ---- open ---- */

/* Opens the same pipe or terminal once more, which gives it an open file
 * description of its own.  Returns the descriptor or -1. */
static int
open_again(int fd)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[40];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags);
	/* A terminal may belong to another user, as after su(1). */
	if (own < 0 && tcgetsid(fd) >= 0)
		own = open("/dev/tty", flags);
	return own;
}

void
log_output_open(struct log_output *output, int fd)
{
	struct stat st;
	int own;

	*output = (struct log_output) { .kind = LOG_OUTPUT_POLL, .fd = fd };
	if (fstat(fd, &st) != 0)
		return;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
		output->kind = LOG_OUTPUT_FILE;
	} else if (S_ISSOCK(st.st_mode)) {
		output->kind = LOG_OUTPUT_SOCKET;
	} else if ((own = open_again(fd)) >= 0) {
		output->kind = LOG_OUTPUT_OWN;
		output->fd = own;
	}
}

/* ---- write ---- */

/* Waits at most ms milliseconds (-1: without a limit) until output can be
 * written.  Returns whether it can. */
static bool
has_room(const struct log_output *output, int ms)
{
	struct pollfd ready = { .fd = output->fd, .events = POLLOUT };

	return poll(&ready, 1, ms) == 1;
}

/* Waits for a slow reader, but not for each line. */
static bool
wait_for_room(struct log_output *output)
{
	struct timespec time;
	uint64_t now;

	if (output->kind == LOG_OUTPUT_WAIT)
		return has_room(output, -1);
	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
	if (output->waited_at != 0 &&
	    now - output->waited_at < LIMIT_LOG_WAIT_EVERY_MS)
		return false;
	output->waited_at = now;
	return has_room(output, LIMIT_LOG_WAIT_MS);
}

/* Returns how many bytes were written, or a negative errno.  LOG_OUTPUT_MAX is
 * less than PIPE_BUF, so a pipe takes either all of a line or nothing
 * (pipe(7)). */
static ssize_t
write_some(const struct log_output *output, const char *bytes, size_t len)
{
	ssize_t n;

	if (output->kind == LOG_OUTPUT_SOCKET) {
		n = send(output->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else {
		if (output->kind == LOG_OUTPUT_POLL && !has_room(output, 0))
			return -EAGAIN;
		n = write(output->fd, bytes, len);
	}
	return n < 0 ? -errno : n == 0 ? -EIO : n;
}

/* Returns how many bytes were written; if not all, *ret_why is the errno. */
static size_t
write_bytes(struct log_output *output, const char *bytes, size_t len,
    int *ret_why)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write_some(output, bytes + done, len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (n == -EAGAIN && wait_for_room(output))
			continue;
		else if (n != -EINTR) {
			*ret_why = (int)-n;
			break;
		}
	}
	return done;
}

/* Writes the rest of the previous line.  Returns false if some of it is left.
 */
static bool
write_rest(struct log_output *output, int *ret_why)
{
	size_t n = write_bytes(output, output->rest, output->rest_len, ret_why);

	output->rest_len -= n;
	memmove(output->rest, output->rest + n, output->rest_len);
	return output->rest_len == 0;
}

/* Writes a line.  Returns false if nothing of it was written. */
static bool
log_output_write_line(struct log_output *output, const char *line, size_t len,
    int *ret_why)
{
	size_t n;

	if (!write_rest(output, ret_why))
		return false;
	n = write_bytes(output, line, len, ret_why);
	if (n == 0)
		return false;
	output->rest_len = len - n;
	memcpy(output->rest, line + n, output->rest_len);
	return true;
}

/* Writes how many lines were dropped, if any.  Returns false if that could not
 * be written. */
static bool
write_dropped(struct log_output *output, const char *prefix)
{
	char line[200];
	int why = 0, len;

	if (output->dropped == 0)
		return true;
	len = snprintf(line, sizeof(line), "%s%lu line%s not logged: %s%s\n",
	    prefix, output->dropped, output->dropped == 1 ? " was" : "s were",
	    output->why == EAGAIN ? "standard error was full" :
				    "cannot write to standard error: ",
	    output->why == EAGAIN ? "" : strerror(output->why));
	if (!log_output_write_line(output, line, (size_t)len, &why))
		return false;
	output->dropped = 0;
	return true;
}

void
log_output_write(struct log_output *output, const char *prefix,
    const char *line, size_t len)
{
	int why = EAGAIN;

	assert(len <= LOG_OUTPUT_MAX);
	if (write_dropped(output, prefix) &&
	    log_output_write_line(output, line, len, &why))
		return;
	if (output->dropped++ == 0)
		output->why = why;
}

void
log_output_flush(struct log_output *output, const char *prefix)
{
	int why;

	if (output->rest_len == 0 && output->dropped == 0)
		return;
	if (has_room(output, LIMIT_LOG_END_MS) && write_rest(output, &why))
		write_dropped(output, prefix);
}
