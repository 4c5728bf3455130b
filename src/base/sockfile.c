/*
 * Unix sockets with a path.
 */
#include "base/sockfile.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

void
sockfile_remove_stale(const char *path)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(un.sun_path) || lstat(path, &st) != 0 ||
	    !S_ISSOCK(st.st_mode))
		return;
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&un, sizeof(un)) != 0 &&
	    errno == ECONNREFUSED)
		unlink(path);
}
