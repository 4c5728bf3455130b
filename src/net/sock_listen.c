/*
 * Listening sockets.  libuv's uv_accept() is not used: when no descriptor is
 * left, it closes the connection without a report, or even loops, and a
 * transfer without its data connection can look like an empty file.  Here the
 * connection stays in the kernel until it can be accepted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/sock.h"
#include "net/sock_priv.h"

/* The most connections that are accepted in one iteration of the loop. */
#define ACCEPTS_AT_ONCE 32

struct net_listener {
	int fd;
	uv_poll_t poll;
	uv_timer_t pause;
	unsigned int open_handles; /* not yet closed by libuv */
	struct net_stream *ready;  /* for the next connection, or NULL */
	struct net *net;
	net_accept_cb *accepted;
	void *ctx;
	char *path; /* of a Unix socket, else NULL */
};

/* Makes a listening socket.  Returns 0 or a negative errno. */
static int
sock_listen(const struct addr *at, unsigned flags, int *ret_fd)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(at, &sa);
	int on = 1, v6only = (flags & NET_DUAL) == 0 || !addr_is_any(at), err;

	fd = socket(at->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = sock_set_options(fd);
	if (err != 0)
		return err;
	/* SO_REUSEADDR lets a later listener bind this port while connections
	 * of this one still exist.  If the kernel chooses the port, the option
	 * is set after bind(2), so that the kernel chooses a port that is free.
	 */
	if (at->port != 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
		sizeof(v6only)) != 0)
		return -errno;
	if ((flags & NET_FOREIGN) != 0)
		err = sock_set_foreign(fd, at->family);
	if (err != 0)
		return err;
	if (bind(fd, (const struct sockaddr *)&sa, len) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		return -errno;
	if (at->port == 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int
sock_listen_unix(const char *path, int *ret_fd)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t before;
	int err;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The umask makes it mode 0600; the confined process has no fchmod().
	 */
	before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	err = bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 ?
	    0 :
	    -errno;
	umask(before);
	if (err != 0)
		return err;
	if (listen(fd, SOMAXCONN) != 0) {
		err = -errno;
		unlink(path);
		return err;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static void
net_listener_closed(uv_handle_t *handle)
{
	struct net_listener *listener = handle->data;

	if (--listener->open_handles > 0)
		return;
	cleanup_fd(&listener->fd);
	free(listener->path);
	free(listener);
}

void
net_listener_close(struct net_listener *listener)
{
	if (listener == NULL ||
	    uv_is_closing((const uv_handle_t *)&listener->poll))
		return;
	if (listener->path != NULL)
		unlink(listener->path);
	sock_accept_drop(listener->ready);
	listener->ready = NULL;
	uv_close((uv_handle_t *)&listener->poll, net_listener_closed);
	uv_close((uv_handle_t *)&listener->pause, net_listener_closed);
	/* Closed now and not when libuv has closed the handles, so that the
	 * address is free at once. */
	cleanup_fd(&listener->fd);
	listener->fd = -1;
}

/* On success the listener owns fd, which uv_poll_init() makes non-blocking. */
static struct net_listener *
net_listener_new(struct net *net, int *fd, net_accept_cb *accepted, void *ctx)
{
	struct net_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->net = net;
	listener->accepted = accepted;
	listener->ctx = ctx;
	listener->fd = -1;
	if (uv_poll_init(net->loop, &listener->poll, *fd) != 0) {
		free(listener);
		return NULL;
	}
	listener->poll.data = listener;
	uv_timer_init(net->loop, &listener->pause);
	listener->pause.data = listener;
	listener->open_handles = 2;
	listener->fd = steal_fd(fd);
	return listener;
}

struct net_listener *
net_listen(struct net *net, const struct addr *at, unsigned flags,
    net_accept_cb *accepted, void *ctx, int *ret_err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct net_listener *listener;
	int err = sock_listen(at, flags, &fd);

	if (err != 0) {
		sock_warn_shortage(net, "cannot listen", err);
		*ret_err = err;
		return NULL;
	}
	listener = net_listener_new(net, &fd, accepted, ctx);
	if (listener == NULL)
		*ret_err = -ENOMEM;
	return listener;
}

struct net_listener *
net_listen_fd(struct net *net, int fd, net_accept_cb *accepted, void *ctx,
    int *ret_err)
{
	struct net_listener *listener;
	int err = sock_set_options(fd);

	if (err != 0) {
		*ret_err = err;
		return NULL;
	}
	listener = net_listener_new(net, &fd, accepted, ctx);
	if (listener == NULL)
		*ret_err = -ENOMEM;
	return listener;
}

struct net_listener *
net_listen_unix(struct net *net, const char *path, net_accept_cb *accepted,
    void *ctx, int *ret_err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_text) char *copy = strdup(path);
	struct net_listener *listener;
	int err;

	err = copy == NULL ? -ENOMEM : sock_listen_unix(path, &fd);
	if (err != 0) {
		sock_warn_shortage(net, "cannot listen", err);
		*ret_err = err;
		return NULL;
	}
	listener = net_listener_new(net, &fd, accepted, ctx);
	if (listener == NULL) {
		unlink(path);
		*ret_err = -ENOMEM;
		return NULL;
	}
	listener->path = steal_text(&copy);
	return listener;
}

/* ---- accepting ---- */

static void net_listener_ready(uv_poll_t *poll, int status, int events);

static void
net_listener_go_on(uv_timer_t *timer)
{
	struct net_listener *listener = timer->data;

	uv_poll_start(&listener->poll, UV_READABLE, net_listener_ready);
}

static void
net_listener_pause(struct net_listener *listener, int err)
{
	uv_poll_stop(&listener->poll);
	uv_timer_start(&listener->pause, net_listener_go_on,
	    LIMIT_ACCEPT_PAUSE_MS, 0);
	sock_warn_shortage(listener->net, "a connection has to wait", err);
}

/* Accepts one connection.  Returns 0 or a negative errno. */
static int
net_listener_accept(struct net_listener *listener)
{
	struct stream *stream;
	int fd;

	if (listener->ready == NULL)
		listener->ready =
		    sock_accept_prepare(listener->net, listener->path == NULL);
	if (listener->ready == NULL)
		return -ENOMEM;
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	stream = sock_accept_take(listener->ready, fd);
	listener->ready = NULL;
	if (stream != NULL)
		listener->accepted(listener->ctx, stream);
	return 0;
}

/* Accepts at most ACCEPTS_AT_ONCE connections, so that other handles have their
 * turn.  A callback may close the listener. */
static void
net_listener_ready(uv_poll_t *poll, int status, int events)
{
	struct net_listener *listener = poll->data;
	int err = 0;

	if (status < 0)
		return;
	for (int i = 0; i < ACCEPTS_AT_ONCE && err != -EAGAIN; i++) {
		if (uv_is_closing((const uv_handle_t *)poll))
			return;
		err = net_listener_accept(listener);
		if (sock_is_shortage(err)) {
			net_listener_pause(listener, err);
			return;
		}
	}
}

struct addr
net_listener_addr(const struct net_listener *listener)
{
	return sock_fd_addr(listener->fd, false);
}

int
net_listener_set_foreign(struct net_listener *listener)
{
	return sock_set_foreign(listener->fd,
	    net_listener_addr(listener).family);
}

int
net_listener_start(struct net_listener *listener)
{
	return uv_poll_start(&listener->poll, UV_READABLE, net_listener_ready);
}
