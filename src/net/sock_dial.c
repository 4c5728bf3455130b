/*
 * Connecting to one address, or to the addresses of a name, one after the
 * other, until one accepts.
 *
 * uv_tcp_connect() is not used, because its handle cannot be used again after a
 * failure.  A stream gets a socket only when the socket is connected.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/resolve.h"
#include "net/sock_priv.h"

/* Freed when the poll handle of the last attempt is closed, or at once if there
 * was no attempt. */
struct sock_dial {
	struct net *net;
	sock_dial_cb *done; /* NULL: called already, or cancelled */
	void *ctx;
	struct addr from; /* AF_UNSPEC: any */
	struct resolve *resolve;
	struct addr to[RESOLVE_MAX];
	size_t n;
	size_t next;	/* the next one in to[] */
	int fd;		/* the socket that is connecting, or -1 */
	uv_poll_t poll; /* of fd */
	int err;	/* the error of the attempts so far */
};

static int sock_dial_try_next(struct sock_dial *dial);

static struct sock_dial *
sock_dial_new(struct net *net, const struct addr *from, sock_dial_cb *done,
    void *ctx)
{
	struct sock_dial *dial = calloc(1, sizeof(*dial));

	if (dial == NULL)
		return NULL;
	dial->net = net;
	dial->done = done;
	dial->ctx = ctx;
	dial->from.family = AF_UNSPEC;
	if (from != NULL)
		dial->from = *from;
	dial->fd = -1;
	return dial;
}

static void
sock_dial_fail(struct sock_dial *dial, int err, const char *why)
{
	dial->done(dial->ctx, -1, err, why);
	free(dial);
}

/* ---- one attempt ---- */

static void
sock_dial_on_poll_closed(uv_handle_t *handle)
{
	struct sock_dial *dial = handle->data;
	int err;

	if (dial->done == NULL) {
		free(dial);
		return;
	}
	err = sock_dial_try_next(dial);
	if (err != 0)
		sock_dial_fail(dial, err, strerror(-err));
}

/* The attempt has succeeded or failed. */
static void
sock_dial_on_poll(uv_poll_t *poll, int status, int events)
{
	struct sock_dial *dial = poll->data;
	CLEANUP(cleanup_fd) int fd = steal_fd(&dial->fd);
	sock_dial_cb *done = dial->done;
	int err = 0;
	socklen_t len = sizeof(err);

	/* libuv reports every error of poll(2) as -EBADF. */
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
		err = errno;
	else if (err == 0 && status < 0)
		err = -status;
	uv_close((uv_handle_t *)poll, sock_dial_on_poll_closed);
	if (err != 0) {
		dial->err = -err;
		return;
	}
	dial->done = NULL;
	done(dial->ctx, steal_fd(&fd), 0, NULL);
}

/* Makes a socket to connect to *to.  Returns 0 or a negative errno. */
static int
prepare(const struct net *net, const struct addr *to, const struct addr *from,
    int *ret_fd)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_storage sa;
	struct addr source = *from;
	int on = 1, err;
	socklen_t len;

	fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = sock_set_options(fd);
	if (err != 0)
		return err;
	if (from->family != AF_UNSPEC) {
		if (from->family != to->family)
			return -EAFNOSUPPORT;
		/* Lets the kernel choose the port in connect(2), where
		 * collisions are less likely than in bind(2). */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		    sizeof(on));
		source.port = 0;
		len = addr_to_sockaddr(&source, &sa);
		if (bind(fd, (const struct sockaddr *)&sa, len) != 0 &&
		    (errno != EADDRNOTAVAIL || !net->foreign ||
			sock_set_foreign(fd, from->family) != 0 ||
			bind(fd, (const struct sockaddr *)&sa, len) != 0))
			return -errno;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Begins to connect to *to.  Returns 0, and sock_dial_on_poll() is called
 * later, or a negative errno. */
static int
try_one(struct sock_dial *dial, const struct addr *to)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	int err = prepare(dial->net, to, &dial->from, &fd);

	if (err != 0) {
		sock_warn_shortage(dial->net, "cannot connect", err);
		return err;
	}
	/* After EINTR the kernel continues to connect, as after EINPROGRESS
	 * (connect(2)). */
	if (connect(fd, (const struct sockaddr *)&sa, len) != 0 &&
	    errno != EINPROGRESS && errno != EINTR)
		return -errno;
	err = uv_poll_init(dial->net->loop, &dial->poll, fd);
	if (err != 0)
		return err;
	dial->poll.data = dial;
	dial->fd = steal_fd(&fd);
	uv_poll_start(&dial->poll, UV_WRITABLE, sock_dial_on_poll);
	return 0;
}

/* Starts the next attempt.  When no address is left, returns the error;
 * addresses that could not be tried count only if there was no other. */
static int
sock_dial_try_next(struct sock_dial *dial)
{
	while (dial->next < dial->n) {
		int err = try_one(dial, &dial->to[dial->next++]);

		if (err == 0)
			return 0;
		if (dial->err == 0)
			dial->err = err;
	}
	return dial->err;
}

/* ---- the calls ---- */

int
sock_dial_address(struct net *net, const struct addr *to,
    const struct addr *from, sock_dial_cb *done, void *ctx,
    struct sock_dial **ret)
{
	struct sock_dial *dial = sock_dial_new(net, from, done, ctx);
	int err;

	if (dial == NULL)
		return -ENOMEM;
	dial->to[dial->n++] = *to;
	err = sock_dial_try_next(dial);
	if (err != 0)
		free(dial);
	else
		*ret = dial;
	return err;
}

static void
sock_dial_on_resolved(void *ctx, const struct addr *found, size_t n,
    const char *why)
{
	struct sock_dial *dial = ctx;
	sa_family_t family = dial->from.family;
	int err;

	dial->resolve = NULL;
	if (n == 0) {
		sock_dial_fail(dial, -ENOENT, why);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (family == AF_UNSPEC || found[i].family == family)
			dial->to[dial->n++] = found[i];
	if (dial->n == 0) {
		sock_dial_fail(dial, -EAFNOSUPPORT,
		    family == AF_INET ? "it has no IPv4 address" :
					"it has no IPv6 address");
		return;
	}
	err = sock_dial_try_next(dial);
	if (err != 0)
		sock_dial_fail(dial, err, strerror(-err));
}

int
sock_dial_name(struct net *net, const char *host, uint16_t port,
    const struct addr *from, sock_dial_cb *done, void *ctx,
    struct sock_dial **ret)
{
	struct sock_dial *dial = sock_dial_new(net, from, done, ctx);

	if (dial == NULL)
		return -ENOMEM;
	dial->resolve =
	    resolve_start(net->loop, host, port, sock_dial_on_resolved, dial);
	if (dial->resolve == NULL) {
		free(dial);
		return -ENOMEM;
	}
	*ret = dial;
	return 0;
}

void
sock_dial_cancel(struct sock_dial *dial)
{
	if (dial == NULL)
		return;
	dial->done = NULL;
	if (dial->resolve != NULL) {
		resolve_cancel(dial->resolve);
		free(dial);
		return;
	}
	if (dial->fd < 0)
		return; /* between two attempts */
	uv_close((uv_handle_t *)&dial->poll, sock_dial_on_poll_closed);
	sock_set_abort(dial->fd);
	close(dial->fd);
	dial->fd = -1;
}
