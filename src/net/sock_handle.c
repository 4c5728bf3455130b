/*
 * Sockets and their libuv handles, before there is a stream or a listener.
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "base/cleanup.h"
#include "net/sock_priv.h"

int
sock_fd(const union sock_handle *uv)
{
	uv_os_fd_t fd;

	return uv_fileno(&uv->handle, &fd) == 0 ? fd : -1;
}

int
sock_set_options(int fd)
{
	static const struct {
		int level;
		int name;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY },
		{ SOL_SOCKET, SO_KEEPALIVE },
		{ SOL_SOCKET, SO_OOBINLINE },
	};
	int on = 1;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (setsockopt(fd, options[i].level, options[i].name, &on,
			sizeof(on)) != 0)
			return -errno;
	}
	return 0;
}

int
sock_handle_init(union sock_handle *uv, struct net *net, sa_family_t family)
{
	if (family == AF_UNIX)
		return uv_pipe_init(net->loop, &uv->pipe, 0);
	return uv_tcp_init(net->loop, &uv->tcp);
}

int
sock_handle_open(union sock_handle *uv, int fd)
{
	if (uv->handle.type == UV_NAMED_PIPE)
		return uv_pipe_open(&uv->pipe, fd);
	return uv_tcp_open(&uv->tcp, fd);
}

struct addr
sock_addr(const union sock_handle *uv, bool peer)
{
	struct addr addr = { .family = AF_UNSPEC };
	struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
	struct sockaddr *sa = (struct sockaddr *)&storage;
	socklen_t len = sizeof(storage);
	int fd = sock_fd(uv);

	if ((peer ? getpeername(fd, sa, &len) : getsockname(fd, sa, &len)) == 0)
		addr_from_sockaddr(sa, &addr);
	return addr;
}

int
sock_prepare(const struct addr *to, const struct addr *from, int *ret_fd)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_storage sa;
	int on = 1, err;

	fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = sock_set_options(fd);
	if (err != 0)
		return err;
	if (from != NULL) {
		struct addr source = *from;
		socklen_t len;

		/* The port is chosen at connect, where fewer collide. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		    sizeof(on));
		source.port = 0;
		len = addr_to_sockaddr(&source, &sa);
		if (bind(fd, (const struct sockaddr *)&sa, len) != 0)
			return -errno;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}
