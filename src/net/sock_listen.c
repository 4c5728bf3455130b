/*
 * Listening sockets, over libuv.
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

struct net_listener {
	union sock_handle uv;
	struct net *net;
	net_accept_cb *accepted;
	void *ctx;
	char *path; /* of a Unix socket, else NULL */
};

/* 0 with a listening socket, or a negative errno. */
static int
sock_listen(const struct addr *at, bool dual, int *ret_fd)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(at, &sa);
	int on = 1, v6only = !(dual && addr_is_any(at)), err;

	fd = socket(at->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = sock_set_options(fd);
	if (err != 0)
		return err;
	/* For a restart; the kernel's own choice should be a free port. */
	if (at->port != 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (at->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
		sizeof(v6only)) != 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&sa, len) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int
sock_listen_unix(const char *path, int *ret_fd)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The path gets the mode that the socket has (unix(7) on Linux). */
	if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
	    bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0)
		return -errno;
	if (listen(fd, SOMAXCONN) != 0) {
		int err = -errno;

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

	free(listener->path);
	free(listener);
}

void
net_listener_close(struct net_listener *listener)
{
	if (listener == NULL || uv_is_closing(&listener->uv.handle))
		return;
	if (listener->path != NULL)
		unlink(listener->path);
	uv_close(&listener->uv.handle, net_listener_closed);
}

/* On success fd is the listener's. */
static struct net_listener *
net_listener_new(struct net *net, sa_family_t family, int *fd,
    net_accept_cb *accepted, void *ctx)
{
	struct net_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->net = net;
	listener->accepted = accepted;
	listener->ctx = ctx;
	if (sock_handle_init(&listener->uv, net, family) != 0) {
		free(listener);
		return NULL;
	}
	listener->uv.handle.data = listener;
	if (sock_handle_open(&listener->uv, *fd) != 0) {
		net_listener_close(listener);
		return NULL;
	}
	*fd = -1;
	return listener;
}

struct net_listener *
net_listen(struct net *net, const struct addr *at, bool dual,
    net_accept_cb *accepted, void *ctx, int *ret_err)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct net_listener *listener;
	int err = sock_listen(at, dual, &fd);

	if (err != 0) {
		*ret_err = err;
		return NULL;
	}
	listener = net_listener_new(net, at->family, &fd, accepted, ctx);
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
		*ret_err = err;
		return NULL;
	}
	listener = net_listener_new(net, AF_UNIX, &fd, accepted, ctx);
	if (listener == NULL) {
		unlink(path);
		*ret_err = -ENOMEM;
		return NULL;
	}
	listener->path = steal_text(&copy);
	return listener;
}

static void
net_listener_connection(uv_stream_t *server, int status)
{
	struct net_listener *listener = server->data;
	struct stream *stream;

	/* Out of descriptors: libuv has dropped the connection. */
	if (status != 0)
		return;
	stream = sock_accept(listener->net, server);
	if (stream != NULL)
		listener->accepted(listener->ctx, stream);
}

struct addr
net_listener_addr(const struct net_listener *listener)
{
	return sock_addr(&listener->uv, false);
}

int
net_listener_start(struct net_listener *listener)
{
	return uv_listen(&listener->uv.stream, SOMAXCONN,
	    net_listener_connection);
}
