/*
 * What sock.c (streams), sock_listen.c and sock_handle.c share.  Nobody else
 * includes it.
 */
#ifndef NET_SOCK_PRIV_H
#define NET_SOCK_PRIV_H

#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/addr.h"
#include "base/stream.h"
#include "limits.h"

struct net {
	uv_loop_t *loop;
	bool hurry; /* the program ends */
	char read_buf[LIMIT_READ_CHUNK];
};

union sock_handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

/* Makes a handle for TCP, or for a Unix socket with AF_UNIX; no socket yet. */
int sock_handle_init(union sock_handle *uv, struct net *net,
    sa_family_t family);

/* Gives fd to the handle; on failure it stays the caller's. */
int sock_handle_open(union sock_handle *uv, int fd);

/* The handle's descriptor, borrowed, or -1. */
int sock_fd(const union sock_handle *uv);

/* The address of its own or its peer's end, as net_stream_local() has it. */
struct addr sock_addr(const union sock_handle *uv, bool peer);

/* Sets the options of every TCP socket.  0 or a negative errno. */
int sock_set_options(int fd);

/*
 * A socket to dial *to with, bound to the host of *from unless that is NULL.
 * 0 or a negative errno.
 */
int sock_prepare(const struct addr *to, const struct addr *from, int *ret_fd);

/* Takes the connection that waits at server.  NULL: it could not be had. */
struct stream *sock_accept(struct net *net, uv_stream_t *server);

#endif
