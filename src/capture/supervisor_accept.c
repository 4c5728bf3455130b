/*
 * What the command sees of a connection that it accepts.
 *
 * In active mode we connect to the client, from a loopback address.  Some
 * clients compare the address that accept(2) gives them with that of the
 * server.  We connect before the client gets the reply after which it accepts;
 * so the connection waits already, is accepted here, and the client gets the
 * server's address.
 */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture/supervisor_priv.h"

struct accepting {
	const struct tracee *tracee;
	int fd;			/* a copy of its listening socket */
	int flags;		/* of accept4(2) */
	uint64_t sa_at, len_at; /* in its memory */
};

/* Writes the address as accept(2) does: as much of it as there is room for. */
static int
write_address(const struct accepting *accepting,
    const struct sockaddr_storage *sa, socklen_t len)
{
	socklen_t room;
	int err = tracee_read(accepting->tracee, accepting->len_at, &room,
	    sizeof(room));

	if (err == 0)
		err = tracee_write(accepting->tracee, accepting->sa_at, sa,
		    room < len ? room : len);
	if (err == 0)
		err = tracee_write(accepting->tracee, accepting->len_at, &len,
		    sizeof(len));
	return err;
}

/* Sets *sa, the peer's address, to the server's if it is our connection. */
static void
name_server(struct supervisor *supervisor, struct sockaddr_storage *sa,
    socklen_t *len)
{
	bool v6 = sa->ss_family == AF_INET6;
	struct exec_answer answer;
	struct addr peer;

	if (addr_from_sockaddr((struct sockaddr *)sa, &peer) != 0 ||
	    !addr_is_loopback(&peer))
		return;
	answer = supervisor_ask(supervisor, EXEC_ACCEPTED, &peer);
	if (answer.verdict == EXEC_TUNNEL)
		*len = exec_sockaddr(&answer.at, v6, sa);
}

/* Accepts a connection that waits.  If another process was faster, it does not
 * wait for the next one.  (The new socket inherits the time-out.) */
static int
accept_at_once(const struct accepting *accepting, struct sockaddr_storage *ret,
    socklen_t *ret_len)
{
	const struct timeval at_once = { .tv_usec = 1 };
	socklen_t size = sizeof(struct timeval);
	struct timeval before;
	int fd;

	if (getsockopt(accepting->fd, SOL_SOCKET, SO_RCVTIMEO, &before,
		&size) != 0 ||
	    setsockopt(accepting->fd, SOL_SOCKET, SO_RCVTIMEO, &at_once,
		sizeof(at_once)) != 0)
		return -errno;
	*ret_len = sizeof(*ret);
	fd = accept4(accepting->fd, (struct sockaddr *)ret, ret_len,
	    SOCK_CLOEXEC | (accepting->flags & SOCK_NONBLOCK));
	if (fd < 0)
		fd = -errno;
	else
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &before,
		    sizeof(before));
	setsockopt(accepting->fd, SOL_SOCKET, SO_RCVTIMEO, &before,
	    sizeof(before));
	return fd;
}

static void
accept_one(struct supervisor *supervisor, const struct accepting *accepting)
{
	struct sockaddr_storage sa;
	socklen_t len;
	CLEANUP(cleanup_fd) int fd = accept_at_once(accepting, &sa, &len);
	int err = fd < 0 ? fd : 0;

	if (err == 0) {
		name_server(supervisor, &sa, &len);
		err = write_address(accepting, &sa, len);
	}
	if (err == 0)
		tracee_return_fd(accepting->tracee, fd,
		    (accepting->flags & SOCK_CLOEXEC) != 0);
	else
		tracee_return(accepting->tracee, err);
}

void
supervisor_accept(struct supervisor *supervisor, const struct tracee *tracee)
{
	const __u64 *args = tracee->call.data.args;
	struct accepting accepting = {
		.tracee = tracee,
		.fd = tracee_copy_fd(tracee, (int)args[0]),
		.sa_at = args[1],
		.len_at = args[2],
	};
	struct pollfd waiting = { .fd = accepting.fd, .events = POLLIN };

	if (tracee->call.data.nr == SCMP_SYS(accept4))
		accepting.flags = (int)args[3];
	/* What does not wait yet is not ours. */
	if (accepting.fd >= 0 && supervisor_is_tcp(accepting.fd) &&
	    poll(&waiting, 1, 0) == 1)
		accept_one(supervisor, &accepting);
	else
		tracee_continue(tracee);
	cleanup_fd(&accepting.fd);
}
