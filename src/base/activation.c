/*
 * Socket activation.
 */
#include "base/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"

/* The first socket that is passed: SD_LISTEN_FDS_START of sd_listen_fds(3). */
#define ACTIVATION_FIRST_FD 3

/* The number of sockets that are passed to this process. */
static size_t
activation_count(void)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint64_t n = 0, whose = 0;

	if (fds == NULL || pid == NULL ||
	    num_parse_text(pid, UINT64_MAX, &whose) != 0 ||
	    whose != (uint64_t)getpid() ||
	    num_parse_text(fds, SIZE_MAX, &n) != 0)
		return 0;
	return (size_t)n;
}

/* Sets *ret to the address of a listening TCP socket.  Returns 0, or -EINVAL if
 * fd is something else. */
static int
activation_look(int fd, struct addr *ret)
{
	struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
	struct sockaddr *sa = (struct sockaddr *)&storage;
	int listens = 0, type = 0;
	socklen_t sa_len = sizeof(storage), len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    getsockname(fd, sa, &sa_len) != 0 || !listens ||
	    type != SOCK_STREAM || addr_from_sockaddr(sa, ret) != 0)
		return -EINVAL;
	return 0;
}

int
activation_take(struct activation *activation, char *why, size_t why_size)
{
	size_t n = activation_count();

	*activation = (struct activation) { .n = 0 };
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (n > LIMIT_ACTIVATED) {
		snprintf(why, why_size,
		    "the service manager passes %zu sockets; culvert accepts "
		    "at most %d",
		    n, LIMIT_ACTIVATED);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		int fd = ACTIVATION_FIRST_FD + (int)i;

		fcntl(fd, F_SETFD, FD_CLOEXEC);
		activation->sockets[i].fd = fd;
		if (activation_look(fd, &activation->sockets[i].at) != 0) {
			snprintf(why, why_size,
			    "socket %zu of the service manager does not listen "
			    "for TCP (ListenStream=ADDRESS:PORT, Accept=no)",
			    i + 1);
			return -EINVAL;
		}
		activation->n++;
	}
	return 0;
}

int
activation_find(struct activation *activation, const struct addr *at, bool dual)
{
	for (size_t i = 0; i < activation->n; i++) {
		const struct addr *has = &activation->sockets[i].at;
		int fd;

		if (activation->sockets[i].taken || has->port != at->port ||
		    !(addr_same_ip(has, at) ||
			(dual && addr_is_any(has) && addr_is_any(at))))
			continue;
		fd = fcntl(activation->sockets[i].fd, F_DUPFD_CLOEXEC, 0);
		activation->sockets[i].used = true;
		activation->sockets[i].taken = fd >= 0;
		return fd;
	}
	return -1;
}

void
activation_give_back(struct activation *activation, const struct addr *at)
{
	for (size_t i = 0; i < activation->n; i++)
		if (activation->sockets[i].at.port == at->port &&
		    addr_same_ip(&activation->sockets[i].at, at))
			activation->sockets[i].taken = false;
}

const struct addr *
activation_unused(const struct activation *activation)
{
	for (size_t i = 0; i < activation->n; i++)
		if (!activation->sockets[i].used)
			return &activation->sockets[i].at;
	return NULL;
}

void
activation_close(struct activation *activation)
{
	while (activation->n > 0)
		close(activation->sockets[--activation->n].fd);
}
