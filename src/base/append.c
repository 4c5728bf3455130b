/*
 * Files that are only ever appended to.
 */
#include "base/append.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int
append_open(const char *path)
{
	/* O_NONBLOCK is for a FIFO; of a file, writing waits all the same. */
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    S_IRUSR | S_IWUSR | S_IRGRP);

	if (fd < 0)
		return -errno;
	return fd;
}

static int
append_all(int fd, const char *bytes, size_t len, size_t *ret_done)
{
	*ret_done = 0;
	while (*ret_done < len) {
		ssize_t n = write(fd, bytes + *ret_done, len - *ret_done);

		if (n > 0)
			*ret_done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

int
append_write(int fd, const char *bytes, size_t len, bool *torn)
{
	size_t done;
	int err = 0;

	if (*torn)
		err = append_all(fd, "\n", 1, &done);
	if (err != 0)
		return err;
	err = append_all(fd, bytes, len, &done);
	*torn = err != 0 && done > 0;
	return err;
}
