/*
 * The native protocol of systemd's journal.
 */
#include "base/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* JOURNAL_STREAM is "DEVICE:INODE" of the output that the service manager has
 * set up.  Standard error may have been redirected since. */
static bool
journal_is_stderr(const char *stream)
{
	const char *colon = strchr(stream, ':');
	char device[24];
	uint64_t dev, ino;
	struct stat st;

	if (colon == NULL || (size_t)(colon - stream) >= sizeof(device))
		return false;
	snprintf(device, sizeof(device), "%.*s", (int)(colon - stream), stream);
	return num_parse_text(device, UINT64_MAX, &dev) == 0 &&
	    num_parse_text(colon + 1, UINT64_MAX, &ino) == 0 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	    st.st_ino == ino;
}

int
journal_connect(void)
{
	static const struct sockaddr_un un = {
		.sun_family = AF_UNIX,
		.sun_path = JOURNAL_SOCKET,
	};
	CLEANUP(cleanup_fd) int fd = -1;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0)
		return -errno;
	return steal_fd(&fd);
}

int
journal_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	int fd;

	if (stream == NULL || !journal_is_stderr(stream))
		return -1;
	fd = journal_connect();
	return fd >= 0 ? fd : -1;
}

bool
journal_send(int fd, enum log_level level, const struct log_origin *origin,
    const char *text, size_t len)
{
	static const int priorities[] = {
		[LOG_LEVEL_ERR] = LOG_ERR,
		[LOG_LEVEL_WARN] = LOG_WARNING,
		[LOG_LEVEL_INFO] = LOG_INFO,
		[LOG_LEVEL_VERBOSE] = LOG_DEBUG,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};
	char fields[300];
	struct iovec pieces[] = {
		{ fields, 0 },
		{ (void *)(uintptr_t)text, len },
		{ (char[]) { "\n" }, 1 },
	};
	const struct msghdr message = { .msg_iov = pieces, .msg_iovlen = 3 };
	int n;

	n = snprintf(fields, sizeof(fields),
	    "SYSLOG_IDENTIFIER=culvert\nPRIORITY=%d\n", priorities[level]);
	if (origin->tunnel != NULL)
		n += snprintf(fields + n, sizeof(fields) - (size_t)n,
		    "TUNNEL=%.64s\n", origin->tunnel);
	if (origin->session != 0)
		n += snprintf(fields + n, sizeof(fields) - (size_t)n,
		    "SESSION=%lu\n", origin->session);
	if (origin->peer != NULL)
		n += snprintf(fields + n, sizeof(fields) - (size_t)n,
		    "PEER=%.64s\n", origin->peer);
	n += snprintf(fields + n, sizeof(fields) - (size_t)n, "MESSAGE=");
	pieces[0].iov_len = (size_t)n;
	return sendmsg(fd, &message, MSG_NOSIGNAL) >= 0;
}
