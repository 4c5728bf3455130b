/*
 * What the supervisor answers to the calls of the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "capture/exec_hosts.h"
#include "capture/supervisor_priv.h"
#include "limits.h"

/* The arguments of connect(2). */
struct connecting {
	const struct tracee *tracee;
	int fd; /* a copy of its socket */
	struct sockaddr_storage sa;
	socklen_t len;
	struct addr to;
	bool v6; /* an IPv6 socket, which may connect to an IPv4 address */
};

static bool
may_warn(struct supervisor *supervisor)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return log_limit_allows(&supervisor->warnings,
	    (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
	    NULL);
}

/* ---- the main process ---- */

static void
lose_main(struct supervisor *supervisor)
{
	if (supervisor->main >= 0)
		log_err("the SSH connection is not available any more: TCP "
			"connections of the command fail from now on");
	supervisor->main = -1;
}

void
supervisor_hear_main(struct supervisor *supervisor)
{
	struct exec_answer late;

	if (recv(supervisor->main, &late, sizeof(late), MSG_DONTWAIT) == 0)
		lose_main(supervisor);
}

/* Waits for the answer to that question.  An earlier one may come late. */
static bool
await_answer(struct supervisor *supervisor, uint64_t number,
    struct exec_answer *ret)
{
	struct pollfd fd = { .fd = supervisor->main, .events = POLLIN };
	ssize_t n;

	while (poll(&fd, 1, LIMIT_EXEC_ANSWER_MS) == 1) {
		n = recv(supervisor->main, ret, sizeof(*ret), 0);
		if (n != sizeof(*ret)) {
			lose_main(supervisor);
			return false;
		}
		if (ret->number == number)
			return true;
	}
	return false;
}

struct exec_answer
supervisor_ask(struct supervisor *supervisor, enum exec_event event,
    const struct addr *to)
{
	struct exec_question question;
	struct exec_answer answer;

	/* Whole, with its padding, because the other process reads it. */
	memset(&question, 0, sizeof(question));
	question.number = ++supervisor->number;
	question.event = event;
	question.to = *to;
	if (supervisor->main >= 0 &&
	    send(supervisor->main, &question, sizeof(question), MSG_NOSIGNAL) <
		0)
		lose_main(supervisor);
	if (supervisor->main >= 0 &&
	    await_answer(supervisor, question.number, &answer))
		return answer;
	return (struct exec_answer) {
		.verdict = addr_is_loopback(to) &&
			!exec_plan_captures(supervisor->options->plan, to) ?
		    EXEC_DIRECT :
		    EXEC_FAILED,
	};
}

/* ---- connect(2) ---- */

/* Connects the command's socket.  Returns what connect(2) gives it.  All other
 * calls wait meanwhile; so a listener that does not accept costs a few seconds
 * at most.  (The time-out of the socket is the command's; it gets it back.) */
static int
connect_here(int fd, const struct sockaddr_storage *sa, socklen_t len)
{
	const struct timeval most = { .tv_sec = LIMIT_EXEC_CONNECT_S };
	struct timeval before;
	socklen_t size = sizeof(before);
	int err = 0, flags = fcntl(fd, F_GETFL);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &before, &size) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) != 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)sa, len) != 0)
		err = -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &before, sizeof(before));
	if (err == -EINPROGRESS && (flags & O_NONBLOCK) == 0)
		err = -ETIMEDOUT;
	return err;
}

/* Is the socket connected to that address? */
static bool
is_connected_to(int fd, const struct addr *at)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct addr peer;

	return getpeername(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    addr_from_sockaddr((struct sockaddr *)&sa, &peer) == 0 &&
	    addr_same_ip(at, &peer) && at->port == peer.port;
}

/* Tunnels admit only the user who runs culvert.  If root's command runs as
 * another user, its socket becomes root's.  Returns 0 or a negative errno. */
static int
own_socket(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_uid == geteuid() || fchown(fd, geteuid(), (gid_t)-1) == 0)
		return 0;
	return -errno;
}

static int
connect_to_tunnel(const struct connecting *connecting, const struct addr *at)
{
	struct sockaddr_storage sa;
	socklen_t len = exec_sockaddr(at, connecting->v6, &sa);
	int err = connect_here(connecting->fd, &sa, len);

	/* Before Linux 5.19, a signal repeats the call after we have answered
	 * it. */
	return err == -EISCONN && is_connected_to(connecting->fd, at) ? 0 : err;
}

/* Lets the command connect where it wants.  With --only we do it ourselves:
 * otherwise another thread could change the address after it was checked. */
static void
connect_direct(const struct supervisor *supervisor,
    const struct connecting *connecting)
{
	if (supervisor->options->plan->only)
		tracee_return(connecting->tracee,
		    connect_here(connecting->fd, &connecting->sa,
			connecting->len));
	else
		tracee_continue(connecting->tracee);
}

static void
refuse_connect(struct supervisor *supervisor,
    const struct connecting *connecting, int err, const char *why)
{
	char to[ADDR_TEXT_MAX], name[TRACEE_NAME_MAX];

	if (may_warn(supervisor))
		log_warn("%s: no connection to %s: %s",
		    tracee_name(connecting->tracee, name),
		    addr_format(&connecting->to, to), why);
	tracee_return(connecting->tracee, err);
}

static void
route_connect(struct supervisor *supervisor,
    const struct connecting *connecting)
{
	struct exec_answer answer =
	    supervisor_ask(supervisor, EXEC_CONNECT, &connecting->to);
	int err;

	switch (answer.verdict) {
	case EXEC_DIRECT:
		connect_direct(supervisor, connecting);
		break;
	case EXEC_TUNNEL:
		err = own_socket(connecting->fd);
		if (err != 0)
			refuse_connect(supervisor, connecting, err,
			    "its socket belongs to another user");
		else
			tracee_return(connecting->tracee,
			    connect_to_tunnel(connecting, &answer.at));
		break;
	case EXEC_REFUSED:
		refuse_connect(supervisor, connecting, -EACCES,
		    "it is not captured, and --only permits no other");
		break;
	case EXEC_OVER:
		refuse_connect(supervisor, connecting, -ECONNREFUSED,
		    "the data connection there is over");
		break;
	default:
		refuse_connect(supervisor, connecting, -EHOSTUNREACH,
		    "it cannot be captured now");
		break;
	}
}

static int
socket_number(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value :
								       -1;
}

bool
supervisor_is_tcp(int fd)
{
	int domain = socket_number(fd, SO_DOMAIN);

	return (domain == AF_INET || domain == AF_INET6) &&
	    socket_number(fd, SO_TYPE) == SOCK_STREAM;
}

/* A service that looks names up would not find those of --map. */
static bool
is_name_service(const struct supervisor *supervisor,
    const struct connecting *connecting)
{
	char path[sizeof(connecting->sa) + 1] = "";
	size_t at = offsetof(struct sockaddr_un, sun_path);

	if (supervisor->hosts < 0 || connecting->sa.ss_family != AF_UNIX ||
	    connecting->len <= at)
		return false;
	memcpy(path, (const char *)&connecting->sa + at, connecting->len - at);
	return exec_hosts_is_service(path);
}

/* Reads the arguments.  Returns 0 or a negative errno. */
static int
read_connect(struct connecting *connecting)
{
	const __u64 *args = connecting->tracee->call.data.args;

	connecting->len = (socklen_t)args[2];
	/* What connect(2) itself says. */
	if (args[2] > sizeof(connecting->sa))
		return -EINVAL;
	connecting->fd = tracee_copy_fd(connecting->tracee, (int)args[0]);
	if (connecting->fd < 0)
		return connecting->fd;
	return tracee_read(connecting->tracee, args[1], &connecting->sa,
	    connecting->len);
}

/* The supervisor cannot see what the call wants; so it fails. */
static void
refuse_unseen(struct supervisor *supervisor, const struct tracee *tracee,
    int err)
{
	char name[TRACEE_NAME_MAX];

	if (err == -EPERM && may_warn(supervisor))
		log_warn("%s: its connections are refused, because culvert may "
			 "not look at this process: it runs as another user, "
			 "or protects itself (PR_SET_DUMPABLE), or "
			 "kernel.yama.ptrace_scope is above 1",
		    tracee_name(tracee, name));
	if (err == -ESRCH && may_warn(supervisor))
		log_warn("%s: its connections are refused, because culvert "
			 "cannot see the descriptors of this thread: its "
			 "process's first thread has ended, or it does not "
			 "share them with that thread; this needs Linux 6.9",
		    tracee_name(tracee, name));
	tracee_return(tracee, err);
}

/* What connect(2) itself says of an address that a TCP socket cannot use; else
 * 0, and connecting->to is the address. */
static int
check_address(struct connecting *connecting)
{
	sa_family_t family = connecting->v6 ? AF_INET6 : AF_INET;
	socklen_t least = connecting->v6 ? sizeof(struct sockaddr_in6) :
					   sizeof(struct sockaddr_in);

	if (connecting->len < sizeof(family))
		return -EINVAL;
	if (connecting->sa.ss_family != family)
		return -EAFNOSUPPORT;
	return connecting->len < least ?
	    -EINVAL :
	    addr_from_sockaddr((struct sockaddr *)&connecting->sa,
		&connecting->to);
}

/* A TCP socket. */
static void
answer_tcp(struct supervisor *supervisor, struct connecting *connecting)
{
	int err = 0;

	/* Not a connection: this makes a socket free for another one. */
	if (connecting->len >= sizeof(sa_family_t) &&
	    connecting->sa.ss_family == AF_UNSPEC)
		err = connect_here(connecting->fd, &connecting->sa,
		    connecting->len);
	else
		err = check_address(connecting);
	if (err != 0 || connecting->sa.ss_family == AF_UNSPEC)
		tracee_return(connecting->tracee, err);
	else
		route_connect(supervisor, connecting);
}

static void
answer_connect(struct supervisor *supervisor, const struct tracee *tracee)
{
	struct connecting connecting = { .tracee = tracee, .fd = -1 };
	int err = read_connect(&connecting), domain;

	if (err != 0) {
		refuse_unseen(supervisor, tracee, err);
		cleanup_fd(&connecting.fd);
		return;
	}
	domain = socket_number(connecting.fd, SO_DOMAIN);
	connecting.v6 = domain == AF_INET6;
	/* By the socket, which decides what the kernel does; the address may
	 * change yet. */
	if (supervisor_is_tcp(connecting.fd))
		answer_tcp(supervisor, &connecting);
	else if (domain == AF_UNIX && is_name_service(supervisor, &connecting))
		tracee_return(tracee, -ECONNREFUSED);
	else
		tracee_continue(tracee);
	close(connecting.fd);
}

/* ---- all calls ---- */

static void
kill_foreign(const struct tracee *tracee)
{
	char name[TRACEE_NAME_MAX];

	log_err("%s: ended, because it is a program of another architecture "
		"(32-bit?), whose connections culvert exec cannot capture",
	    tracee_name(tracee, name));
	tracee_kill(tracee);
}

void
supervisor_answer(struct supervisor *supervisor)
{
	struct tracee tracee;
	int err = tracee_next(&tracee, supervisor->notify);

	if (err == -ENOENT)
		return; /* it was killed meanwhile */
	if (err != 0)
		log_err("cannot read what the command wants: %s",
		    strerror(-err));
	else if (!tracee_is_native(&tracee))
		kill_foreign(&tracee);
	else if (tracee.call.data.nr == SCMP_SYS(connect))
		answer_connect(supervisor, &tracee);
	else if (tracee.call.data.nr == SCMP_SYS(accept) ||
	    tracee.call.data.nr == SCMP_SYS(accept4))
		supervisor_accept(supervisor, &tracee);
	else if (tracee.call.data.nr == SCMP_SYS(rt_sigaction)) {
		tracee_restart_calls(&tracee);
		tracee_continue(&tracee);
	} else
		exec_hosts_open(&tracee, supervisor->hosts);
}
