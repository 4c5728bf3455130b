/*
 * Sockets as streams and listeners, over libuv.  Every socket is non-blocking
 * and close-on-exec; TCP has TCP_NODELAY, keepalive, and SO_OOBINLINE (a
 * Telnet Synch stays in its place in the byte stream, RFC 1123 4.1.2.13).
 *
 * While a stream is stopped, a reset is found by the next write, shutdown or
 * read_start, and only then reported; stream_alive() knows it at once.
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
 * The loop has a table of descriptors, and libuv ends the program when there is
 * no memory to make it larger.  So it gets room for n descriptors at once, or
 * for as many as there may be (RLIMIT_NOFILE), if that is less.  0 or a
 * negative errno.
 */
int net_make_room(uv_loop_t *loop, uint64_t n);

/* Returns NULL when out of memory.  loop is borrowed. */
struct net *net_new(uv_loop_t *loop);

/*
 * The program ends: from now on stream_finish() waits for no peer longer than
 * LIMIT_LINGER_MS; those who have not taken what is queued then see a reset.
 */
void net_hurry(struct net *net);

/*
 * Calls back once, from the loop or from inside the call, when nothing is left
 * of the streams that stream_finish() has given up: each peer has had its last
 * words, and has ended too or had its time.
 */
typedef void net_finished_cb(void *ctx);
void net_when_finished(struct net *net, net_finished_cb *done, void *ctx);

/* How many of these there are now; each still has its descriptor. */
size_t net_finishing(const struct net *net);

/* Call once the loop has run dry; NULL is allowed. */
void net_free(struct net *net);

/*
 * Connects to *to, from the address *from (its port ignored) unless that is
 * NULL.  Returns a connecting stream owned by the caller, or NULL with
 * *ret_err a negative errno.  closed() says in why what strerror says.
 */
struct stream *net_dial(struct net *net, const struct addr *to,
    const struct addr *from, const struct stream_handler *handler, void *ctx,
    int *ret_err);

/*
 * The same to host, a name or an address without a port: a name is looked up
 * (getaddrinfo(3), from the loop's thread pool) and its addresses are tried in
 * their order until one answers; those that *from cannot reach, being of
 * another family, are left out.  All failures come by closed(), which is about
 * the last address that was tried (one without a route was not, unless that is
 * true of all), or has -ENOENT and gai_strerror's words when the name is not
 * known.  NULL: out of memory.
 */
struct stream *net_dial_host(struct net *net, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx);

/*
 * The two ends of a connected TCP stream of this module; family AF_UNSPEC for
 * a Unix socket or when the kernel no longer knows.
 */
struct addr net_stream_local(const struct stream *stream);
struct addr net_stream_peer(const struct stream *stream);

/* Of a Unix socket: the user of the process at its other end (SO_PEERCRED).  0
 * or a negative errno. */
int net_stream_user(const struct stream *stream, uid_t *ret);

struct net_listener;

/*
 * A connection came.  (For want of descriptors or memory it comes later.)
 * stream is the callee's from here on, open, stopped and without a handler: set
 * one or close it before returning.
 */
typedef void net_accept_cb(void *ctx, struct stream *stream);

/*
 * Binds and listens at *at (port 0: the kernel's choice).  For "::" the socket
 * takes IPv4 too (IPV6_V6ONLY off) when dual is set.  Nothing is accepted
 * before net_listener_start().  Returns NULL with *ret_err on failure.
 */
struct net_listener *net_listen(struct net *net, const struct addr *at,
    bool dual, net_accept_cb *accepted, void *ctx, int *ret_err);

/* The same with a listening TCP socket of somebody else's, which becomes its
 * own on success. */
struct net_listener *net_listen_fd(struct net *net, int fd,
    net_accept_cb *accepted, void *ctx, int *ret_err);

/* The same at a Unix socket path, which must not exist; mode 0600. */
struct net_listener *net_listen_unix(struct net *net, const char *path,
    net_accept_cb *accepted, void *ctx, int *ret_err);

/* Lets connections come.  0 or a negative errno. */
int net_listener_start(struct net_listener *listener);

/* Where it listens, with the port the kernel chose. */
struct addr net_listener_addr(const struct net_listener *listener);

/* Stops listening; a Unix socket's path is removed.  NULL is allowed. */
void net_listener_close(struct net_listener *listener);

#endif
