/*
 * Shared by sock.c and sock_out.c (streams), sock_dial.c, sock_listen.c and
 * sock_handle.c only.
 */
#ifndef NET_SOCK_PRIV_H
#define NET_SOCK_PRIV_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/stream.h"
#include "limits.h"
#include "net/sock.h"

struct net {
	uv_loop_t *loop;
	bool hurry;	  /* net_hurry() was called */
	bool foreign;	  /* net_allow_foreign() was called */
	size_t finishing; /* streams in stream_finish(), not closed yet */
	net_finished_cb *finished; /* NULL: nobody waits for them */
	void *finished_ctx;
	uint64_t short_at; /* when a shortage was last logged; 0: never */
	char read_buf[LIMIT_READ_CHUNK];
};

/*
 * Does err, a negative errno, mean that the process or the system is short of
 * descriptors or memory?  All other errors concern one connection.
 */
bool sock_is_shortage(int err);

/* If err is a shortage, logs what fails and how to fix it, at most once per
 * LIMIT_SHORTAGE_TOLD_MS. */
void sock_warn_shortage(struct net *net, const char *what, int err);

/* Calls the callback of net_when_finished() if no stream is finishing any more.
 * Call it when a finishing stream was closed. */
void sock_tell_finished(struct net *net);

union sock_handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

/* Makes a handle, without a socket, for TCP or for a Unix socket (AF_UNIX).
 * Returns 0 or a negative errno. */
int sock_handle_init(union sock_handle *uv, struct net *net,
    sa_family_t family);

/* Gives fd to the handle.  Returns 0, or a negative errno; then the caller
 * still owns fd. */
int sock_handle_open(union sock_handle *uv, int fd);

/* The handle's descriptor, which the handle keeps; -1 if it has none. */
int sock_fd(const union sock_handle *uv);

/* The local address of the socket, or with peer that of the other end;
 * AF_UNSPEC as for net_stream_local(). */
struct addr sock_addr(const union sock_handle *uv, bool peer);
struct addr sock_fd_addr(int fd, bool peer);

/* Sets the options that every TCP socket has.  Returns 0 or a negative errno.
 */
int sock_set_options(int fd);

/* Sets IP_TRANSPARENT on a socket of that family.  Returns 0 or a negative
 * errno. */
int sock_set_foreign(int fd, sa_family_t family);

/* From now on close(2) sends a reset.  No effect on a Unix socket. */
void sock_set_abort(int fd);

/*
 * An attempt to connect.  done is called once, from the loop, unless
 * sock_dial_cancel() is called first.  It gets a connected socket, which the
 * callee owns, or fd -1 with a negative errno and the reason in why, which is
 * valid during the call.  Then the pointer to the sock_dial becomes invalid.
 */
struct sock_dial;
typedef void sock_dial_cb(void *ctx, int fd, int err, const char *why);

/* Connect to one address or to a name; from *from unless from is NULL.  Return
 * 0, or a negative errno; after an error done is not called. */
int sock_dial_address(struct net *net, const struct addr *to,
    const struct addr *from, sock_dial_cb *done, void *ctx,
    struct sock_dial **ret);
int sock_dial_name(struct net *net, const char *host, uint16_t port,
    const struct addr *from, sock_dial_cb *done, void *ctx,
    struct sock_dial **ret);

/* Cancels the attempt; a peer that is already connected sees a reset.  Do not
 * call it after done.  NULL is allowed. */
void sock_dial_cancel(struct sock_dial *dial);

struct net_stream {
	struct stream stream;
	struct net *net;
	union sock_handle uv;
	uv_timer_t timer;	/* for closed(), or for stream_finish() */
	unsigned int handles;	/* how many libuv has not closed yet */
	struct sock_dial *dial; /* while connecting */
	uv_write_t write;
	size_t writing;	   /* bytes in flight given to uv_write(), or 0 */
	struct buf queue;  /* not yet given to uv_write() */
	struct buf flight; /* begins with the bytes given to uv_write() */
	int err;	   /* negative errno if the stream is dead */
	char why[64];	   /* "": use strerror(3) */
	bool connected;
	bool reading;	/* the owner wants data */
	bool eof;	/* the peer has ended its direction */
	bool above_low; /* drained() must be called later */
	enum {
		SOCK_OPEN,
		SOCK_SHUT,     /* by the owner */
		SOCK_FIN_SENT, /* shutdown(2) was called */
	} out;
	enum {
		SOCK_OWNED,
		SOCK_FINISHING, /* by stream_finish(): no callbacks */
		SOCK_GONE,	/* closed: no callbacks */
	} owner;
	struct {
		size_t left; /* undelivered bytes when the timer last ran */
		unsigned int quiet_ms; /* since left last fell */
	} linger;
};

/* Marks the stream as dead; err is a negative errno.  closed() is called later,
 * from the loop, or not at all if the owner has closed it. */
void net_stream_fail(struct net_stream *s, int err);

/* Operations of the stream (base/stream.h).  The first two are in sock.c, the
 * others in sock_out.c. */
void sock_close(struct stream *stream);
void sock_reset(struct stream *stream);
int sock_write(struct stream *stream, const struct iovec *pieces, size_t n);
void sock_shutdown(struct stream *stream);
size_t sock_queued(const struct stream *stream);
size_t sock_undelivered(const struct stream *stream);

/* Gives libuv the next piece of the queue.  If nothing is queued and the owner
 * has called stream_shutdown(), ends our direction. */
void net_stream_send(struct net_stream *s);

/* For stream_finish(): starts the timer that closes or resets the stream when
 * its peer takes no more bytes. */
void net_stream_linger_start(struct net_stream *s);

/*
 * Makes the stream for the next connection before that is accepted.  If memory
 * is missing, the connection stays in the kernel: accepting and then closing it
 * would look like an empty file.  Returns NULL when out of memory.
 * sock_accept_drop() frees a stream that is not used; it allows NULL.
 */
struct net_stream *sock_accept_prepare(struct net *net, bool tcp);
void sock_accept_drop(struct net_stream *s);

/* Gives the stream the connected, non-blocking socket fd.  It owns fd, also on
 * failure.  Returns NULL on failure; then the stream is freed, and the peer
 * sees a reset. */
struct stream *sock_accept_take(struct net_stream *s, int fd);

#endif
