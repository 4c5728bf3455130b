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
 * Enlarges libuv's table of descriptors to n entries, or to RLIMIT_NOFILE if
 * that is less.  Call it at the start: libuv enlarges the table when it needs
 * to, and aborts the process if memory is missing then.  Returns 0 or a
 * negative errno.
 */
int net_make_room(uv_loop_t *loop, uint64_t n);

/* Returns NULL when out of memory.  loop is borrowed; the caller frees the rest
 * with net_free(). */
struct net *net_new(uv_loop_t *loop);

/*
 * Call it when the program ends.  From now on stream_finish() waits at most
 * LIMIT_LINGER_MS for each peer, and then resets a stream that still has bytes
 * in its queue.
 */
void net_hurry(struct net *net);

/*
 * Calls done once, when all streams that were given to stream_finish() are
 * closed: from the loop, or from inside this call if that is so already.
 */
typedef void net_finished_cb(void *ctx);
void net_when_finished(struct net *net, net_finished_cb *done, void *ctx);

/* The number of streams that were given to stream_finish() and are not closed
 * yet.  Each has a descriptor. */
size_t net_finishing(const struct net *net);

/* Call it when the loop has no handles left.  NULL is allowed. */
void net_free(struct net *net);

/* From now on, connections may be made from an address of another host
 * (IP_TRANSPARENT), which needs CAP_NET_RAW. */
void net_allow_foreign(struct net *net);

/*
 * Connects to *to, from the address *from (its port is ignored) unless from is
 * NULL.  Returns a connecting stream, which the caller owns, or NULL with a
 * negative errno in *ret_err.  The reason that closed() gets in why is the text
 * of strerror(3).
 */
struct stream *net_dial(struct net *net, const struct addr *to,
    const struct addr *from, const struct stream_handler *handler, void *ctx,
    int *ret_err);

/*
 * Connects to host, a name or an address without a port; otherwise like
 * net_dial().  A name is looked up (getaddrinfo(3), in the loop's thread pool),
 * and its addresses are tried in their order until one accepts the connection.
 * Addresses of another family than *from are skipped.
 *
 * Returns NULL when out of memory.  Every other failure is reported by
 * closed(): with -ENOENT and the text of gai_strerror(3) if the name is
 * unknown, with -EAFNOSUPPORT if it has no address of that family, or else with
 * the error of the last attempt to connect.  An address that could not be
 * tried, for example because there is no route, counts only if none could.
 */
struct stream *net_dial_host(struct net *net, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx);

/*
 * Makes an open stream look like one that has just been dialled: opened() comes
 * from the loop.  The stream stays with its owner, or gets a new one.
 */
void net_stream_reopen(struct stream *stream,
    const struct stream_handler *handler, void *ctx);

/*
 * The addresses of the two ends of a TCP stream of this module; AF_UNSPEC for a
 * Unix socket, or if the kernel no longer knows them.
 */
struct addr net_stream_local(const struct stream *stream);
struct addr net_stream_peer(const struct stream *stream);

/*
 * The address to which the client of an accepted stream had connected, before
 * nft's "redirect" changed that (SO_ORIGINAL_DST).  AF_UNSPEC if nothing did.
 */
struct addr net_stream_original(const struct stream *stream);

/* Is it an address of this host?  Its port is ignored. */
bool net_is_own(const struct addr *addr);

/* For a Unix socket: sets *ret to the user of the process at the other end
 * (SO_PEERCRED).  Returns 0 or a negative errno. */
int net_stream_user(const struct stream *stream, uid_t *ret);

struct net_listener;

/*
 * A connection was accepted.  The callee owns the stream, which is open,
 * stopped and has no handler; before it returns it must set a handler or close
 * the stream.  If descriptors or memory are short, connections are accepted
 * later.
 */
typedef void net_accept_cb(void *ctx, struct stream *stream);

enum net_listen_flag {
	NET_DUAL = 1 << 0, /* a socket on "::" also accepts IPv4 (IPV6_V6ONLY is
			    * off) */
	/* IP_TRANSPARENT: the address may belong to another host, whose
	 * connections nft(8) sends here.  Needs CAP_NET_RAW. */
	NET_FOREIGN = 1 << 1,
};

/*
 * Listens on *at; with port 0 the kernel chooses the port.  flags: of enum
 * net_listen_flag.  Accepts nothing before net_listener_start().  Returns a
 * listener, which the caller owns, or NULL with a negative errno in *ret_err.
 */
struct net_listener *net_listen(struct net *net, const struct addr *at,
    unsigned flags, net_accept_cb *accepted, void *ctx, int *ret_err);

/* Does the same with fd, a TCP socket that already listens.  On success the
 * listener owns fd; otherwise the caller still does. */
struct net_listener *net_listen_fd(struct net *net, int fd,
    net_accept_cb *accepted, void *ctx, int *ret_err);

/* Does the same with a new Unix socket, of mode 0600, at a path that must not
 * exist. */
struct net_listener *net_listen_unix(struct net *net, const char *path,
    net_accept_cb *accepted, void *ctx, int *ret_err);

/* Starts accepting connections.  Returns 0 or a negative errno. */
int net_listener_start(struct net_listener *listener);

/* Sets NET_FOREIGN.  Returns 0 or a negative errno. */
int net_listener_set_foreign(struct net_listener *listener);

/* The address on which it listens, with the port that the kernel has chosen. */
struct addr net_listener_addr(const struct net_listener *listener);

/* Stops listening, removes the path of a Unix socket, and frees the listener.
 * NULL is allowed. */
void net_listener_close(struct net_listener *listener);

#endif
