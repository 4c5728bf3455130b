/*
 * Sockets as streams and listeners, with libuv.  Every socket is non-blocking
 * and close-on-exec.  TCP sockets have TCP_NODELAY, keepalive, and
 * SO_OOBINLINE, so that a Telnet Synch stays at its position in the bytes (RFC
 * 1123 4.1.2.13).
 *
 * While a stream is stopped, a reset is reported only after the next write,
 * shutdown or read_start; stream_alive() detects it at once.
 *
 * The program must ignore SIGPIPE.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/addr.h"
#include "base/stream.h"

/* What all sockets share: the loop and one read buffer. */
struct net;

/*
 * Enlarges the loop's table of descriptors to n, or to RLIMIT_NOFILE if that is
 * less.  If libuv had no memory to do so later, it would abort.  0 or a
 * negative errno.
 */
int net_make_room(uv_loop_t *loop, uint64_t n);

/* Returns NULL when out of memory.  loop is borrowed. */
struct net *net_new(uv_loop_t *loop);

/*
 * Call it when the program ends: from now on stream_finish() waits at most
 * LIMIT_LINGER_MS for each peer, and then resets a stream that still has bytes
 * in its queue.
 */
void net_hurry(struct net *net);

/*
 * Calls done once, from the loop or from inside this call, when all streams
 * that were given to stream_finish() are closed.
 */
typedef void net_finished_cb(void *ctx);
void net_when_finished(struct net *net, net_finished_cb *done, void *ctx);

/* The number of such streams that are not closed yet; each has a descriptor. */
size_t net_finishing(const struct net *net);

/* Call it when the loop has no handles left.  NULL is allowed. */
void net_free(struct net *net);

/*
 * Connects to *to, from the address *from (its port is ignored) unless that is
 * NULL.  Returns a connecting stream that the caller owns, or NULL with a
 * negative errno in *ret_err.  closed() gets the text of strerror(3) in why.
 */
struct stream *net_dial(struct net *net, const struct addr *to,
    const struct addr *from, const struct stream_handler *handler, void *ctx,
    int *ret_err);

/*
 * The same to host, a name or an address without a port.  A name is looked up
 * (getaddrinfo(3), in the loop's thread pool), and its addresses are tried in
 * their order until one accepts the connection.  Addresses of another family
 * than *from are skipped.  Every failure is reported by closed(): with the
 * error of the last address that was tried (addresses without a route do not
 * count if there are others), or with -ENOENT and the text of gai_strerror(3)
 * if the name is unknown.  Returns NULL when out of memory.
 */
struct stream *net_dial_host(struct net *net, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx);

/*
 * The addresses of the two ends of a TCP stream of this module; AF_UNSPEC for a
 * Unix socket, or if the kernel no longer knows them.
 */
struct addr net_stream_local(const struct stream *stream);
struct addr net_stream_peer(const struct stream *stream);

/* For a Unix socket: sets *ret to the user of the process at the other end
 * (SO_PEERCRED).  0 or a negative errno. */
int net_stream_user(const struct stream *stream, uid_t *ret);

struct net_listener;

/*
 * A connection was accepted.  (If descriptors or memory are short, it is
 * accepted later.)  The callee owns the stream, which is open, stopped and has
 * no handler; it must set one or close the stream before it returns.
 */
typedef void net_accept_cb(void *ctx, struct stream *stream);

/*
 * Listens on *at; with port 0 the kernel chooses the port.  With dual, a socket
 * on
 * "::" also accepts IPv4 (IPV6_V6ONLY is off).  Accepts nothing before
 * net_listener_start().  Returns NULL on failure, with a negative errno in
 * *ret_err.
 */
struct net_listener *net_listen(struct net *net, const struct addr *at,
    bool dual, net_accept_cb *accepted, void *ctx, int *ret_err);

/* The same with a TCP socket that already listens; on success the listener owns
 * fd. */
struct net_listener *net_listen_fd(struct net *net, int fd,
    net_accept_cb *accepted, void *ctx, int *ret_err);

/* The same with a new Unix socket, of mode 0600, at a path that must not exist.
 */
struct net_listener *net_listen_unix(struct net *net, const char *path,
    net_accept_cb *accepted, void *ctx, int *ret_err);

/* Starts accepting connections.  0 or a negative errno. */
int net_listener_start(struct net_listener *listener);

/* The address on which it listens, with the port that the kernel chose. */
struct addr net_listener_addr(const struct net_listener *listener);

/* Stops listening; a Unix socket's path is removed.  NULL is allowed. */
void net_listener_close(struct net_listener *listener);

#endif
