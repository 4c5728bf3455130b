/*
 * What streams and listeners have in common: struct net, options of sockets,
 * and libuv handles.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "net/sock.h"
#include "net/sock_priv.h"

static void
on_room(uv_poll_t *poll, int status, int events)
{
}

static void
on_room_closed(uv_handle_t *handle)
{
	free(handle);
}

int
net_make_room(uv_loop_t *loop, uint64_t n)
{
	CLEANUP(cleanup_fd) int fd = -1, high = -1;
	struct rlimit limit;
	uv_poll_t *poll;
	int err;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < n)
		n = limit.rlim_cur;
	/* The size of the table depends on the highest descriptor, so a handle
	 * gets descriptor n - 1 for a moment. */
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	high = fcntl(fd, F_DUPFD_CLOEXEC, (int)n - 1);
	if (high < 0)
		return -errno;
	poll = malloc(sizeof(*poll));
	if (poll == NULL)
		return -ENOMEM;
	err = uv_poll_init(loop, poll, high);
	if (err != 0) {
		free(poll);
		return err;
	}
	err = uv_poll_start(poll, UV_READABLE, on_room);
	uv_close((uv_handle_t *)poll, on_room_closed);
	return err;
}

struct net *
net_new(uv_loop_t *loop)
{
	struct net *net = calloc(1, sizeof(*net));

	if (net != NULL)
		net->loop = loop;
	return net;
}

void
net_allow_foreign(struct net *net)
{
	net->foreign = true;
}

void
net_hurry(struct net *net)
{
	net->hurry = true;
}

size_t
net_finishing(const struct net *net)
{
	return net->finishing;
}

void
net_when_finished(struct net *net, net_finished_cb *done, void *ctx)
{
	net->finished = done;
	net->finished_ctx = ctx;
	sock_tell_finished(net);
}

void
sock_tell_finished(struct net *net)
{
	net_finished_cb *done = net->finished;

	if (net->finishing > 0 || done == NULL)
		return;
	net->finished = NULL;
	done(net->finished_ctx);
}

void
net_free(struct net *net)
{
	free(net);
}

bool
sock_is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOBUFS ||
	    err == -ENOMEM;
}

void
sock_warn_shortage(struct net *net, const char *what, int err)
{
	uint64_t now = uv_now(net->loop);
	const char *fix = "";

	if (!sock_is_shortage(err) ||
	    (net->short_at != 0 &&
		now - net->short_at <= LIMIT_SHORTAGE_TOLD_MS))
		return;
	net->short_at = now;
	if (err == -EMFILE)
		fix = "; raise the limit (ulimit -n, LimitNOFILE= of the "
		      "service) or lower --max-sessions";
	else if (err == -ENFILE)
		fix = "; raise the system's limit (sysctl fs.file-max)";
	log_warn("%s: %s%s", what, strerror(-err), fix);
}

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
		int value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, LIMIT_KEEPALIVE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, LIMIT_KEEPALIVE_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, LIMIT_KEEPALIVE_COUNT },
		{ SOL_SOCKET, SO_OOBINLINE, 1 },
	};
	/* Bytes that a slow peer does not take should wait in culvert, which
	 * counts them, and not in the kernel.  If this option fails, only more
	 * memory is used. */
	int unsent = LIMIT_HIGH_WATER;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (setsockopt(fd, options[i].level, options[i].name,
			&options[i].value, sizeof(options[i].value)) != 0)
			return -errno;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	return 0;
}

void
sock_set_abort(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
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
	return sock_fd_addr(sock_fd(uv), peer);
}

int
sock_set_foreign(int fd, sa_family_t family)
{
	int on = 1, err;

	if (family == AF_INET6)
		err = setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on,
		    sizeof(on));
	else
		err =
		    setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
	return err == 0 ? 0 : -errno;
}

/* SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST have this value.  Their headers
 * define much that others define, too. */
#define ORIGINAL_DST 80

struct addr
net_stream_original(const struct stream *stream)
{
	const struct net_stream *s = (const struct net_stream *)stream;
	struct addr local = net_stream_local(stream);
	struct addr addr = { .family = AF_UNSPEC };
	struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(storage);
	int level = local.family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;

	if (local.family != AF_INET && local.family != AF_INET6)
		return addr;
	if (getsockopt(sock_fd(&s->uv), level, ORIGINAL_DST, &storage, &len) ==
		0 &&
	    addr_from_sockaddr((struct sockaddr *)&storage, &addr) == 0 &&
	    addr_same_ip(&addr, &local) && addr.port == local.port)
		addr.family = AF_UNSPEC;
	return addr;
}

bool
net_is_own(const struct addr *addr)
{
	struct addr any_port = *addr;
	struct sockaddr_storage sa;
	socklen_t len;
	bool own;
	int fd;

	any_port.port = 0;
	len = addr_to_sockaddr(&any_port, &sa);
	fd = socket(addr->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	own = fd < 0 || bind(fd, (const struct sockaddr *)&sa, len) == 0;
	if (fd >= 0)
		close(fd);
	return own;
}

struct addr
sock_fd_addr(int fd, bool peer)
{
	struct addr addr = { .family = AF_UNSPEC };
	struct sockaddr_storage storage = { .ss_family = AF_UNSPEC };
	struct sockaddr *sa = (struct sockaddr *)&storage;
	socklen_t len = sizeof(storage);

	if ((peer ? getpeername(fd, sa, &len) : getsockname(fd, sa, &len)) == 0)
		addr_from_sockaddr(sa, &addr);
	return addr;
}
