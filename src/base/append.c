/*
 * Files to which lines are only appended.
 */
#include "base/append.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int
append_open(const char *path)
{
	/* O_NONBLOCK is for a FIFO; it has no effect on files. */
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

/*
 * Reserves space for len bytes at the end of the file, so that either all of
 * them can be written or none is.  To remove a partly written line with
 * ftruncate(2) instead, the process would need a right with which an attacker
 * could erase older records.  Returns 0, also if space cannot be reserved
 * there, or a negative errno.
 */
static int
append_reserve(int fd, size_t len)
{
	struct rlimit limit;
	struct stat st;
	int err;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY &&
	    (rlim_t)st.st_size + len > limit.rlim_cur)
		return -EFBIG;
	do
		err = fallocate(fd, FALLOC_FL_KEEP_SIZE, st.st_size,
			  (off_t)len) == 0 ?
		    0 :
		    -errno;
	while (err == -EINTR);
	/* Some file systems do not support it; NFS may not. */
	return err == -EOPNOTSUPP || err == -ENOSYS ? 0 : err;
}

int
append_write(int fd, const char *bytes, size_t len, bool *torn)
{
	size_t done;
	int err = append_reserve(fd, len + (*torn ? 1 : 0));

	if (err == 0 && *torn)
		err = append_all(fd, "\n", 1, &done);
	if (err != 0)
		return err;
	err = append_all(fd, bytes, len, &done);
	*torn = err != 0 && done > 0;
	return err;
}
