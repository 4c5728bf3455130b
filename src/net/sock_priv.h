/*
 * What sock.c and sock_out.c (streams), sock_dial.c, sock_listen.c and
 * sock_handle.c share.
 * Nobody else includes it.
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
	bool hurry;	  /* the program ends */
	size_t finishing; /* streams given up by stream_finish(), still here */
	net_finished_cb *finished; /* NULL: nobody waits for them */
	void *finished_ctx;
	uint64_t short_at; /* when a shortage was last logged; 0: never */
	char read_buf[LIMIT_READ_CHUNK];
};

/*
 * Is err, a negative errno, about what the whole process or the system has too
 * little of?  All others are about one connection.
 */
bool sock_is_shortage(int err);

/* Then the log says what fails for it and what to do, once in
 * LIMIT_SHORTAGE_TOLD_MS. */
void sock_warn_shortage(struct net *net, const char *what, int err);

/* One stream less is finishing. */
void sock_tell_finished(struct net *net);

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
struct addr sock_fd_addr(int fd, bool peer);

/* Sets the options of every TCP socket.  0 or a negative errno. */
int sock_set_options(int fd);

/* From now on close(2) sends a reset; a Unix socket ignores it. */
void sock_set_abort(int fd);

/*
 * A dial.  done comes once, from the loop, unless the dial is cancelled: fd is
 * a connected socket and the callee's, or -1 with a negative errno and why,
 * valid in the call.  The dial is dead then.
 */
struct sock_dial;
typedef void sock_dial_cb(void *ctx, int fd, int err, const char *why);

/* To one address, and to a name, from *from unless that is NULL.  0, or a
 * negative errno when it cannot begin: then done does not come. */
int sock_dial_address(struct net *net, const struct addr *to,
    const struct addr *from, sock_dial_cb *done, void *ctx,
    struct sock_dial **ret);
int sock_dial_name(struct net *net, const char *host, uint16_t port,
    const struct addr *from, sock_dial_cb *done, void *ctx,
    struct sock_dial **ret);

/* A peer that has been reached sees a reset.  Not after done.  NULL is
 * allowed. */
void sock_dial_cancel(struct sock_dial *dial);

struct net_stream {
	struct stream stream;
	struct net *net;
	union sock_handle uv;
	uv_timer_t timer; /* closed() is due, or after finish the linger time */
	unsigned int handles;	/* not yet closed by libuv */
	struct sock_dial *dial; /* its socket is still being made */
	uv_write_t write;
	size_t writing;	    /* bytes of flight that uv_write() has, or 0 */
	struct buf queue;   /* not yet given to uv_write() */
	struct buf flight;  /* what uv_write() works on comes first */
	int err;	    /* negative errno: dead */
	char why[64];	    /* "" for what strerror says */
	bool connected;	    /* it stands */
	bool reading;	    /* the owner wants data */
	bool eof;	    /* the peer has ended */
	bool shut;	    /* the owner has ended */
	bool fin_sent;	    /* ... and the kernel knows */
	bool above_low;	    /* drained() is owed */
	bool gone;	    /* the owner has given it up: no callbacks */
	bool finishing;	    /* ... politely; counted in net->finishing */
	size_t linger_left; /* undelivered when the timer last ran */
	unsigned int linger_quiet_ms; /* since that last became less */
};

/* The stream is dead; its owner is told from the loop. */
void net_stream_fail(struct net_stream *s, int err);

/* Operations of the stream (base/stream.h); sock_write() and those up to
 * sock_undelivered() are in sock_out.c. */
void sock_close(struct stream *stream);
void sock_reset(struct stream *stream);
int sock_write(struct stream *stream, const struct iovec *pieces, size_t n);
void sock_shutdown(struct stream *stream);
size_t sock_queued(const struct stream *stream);
size_t sock_undelivered(const struct stream *stream);

/* Gives libuv the next piece, or the end after the last, if that is due. */
void net_stream_send(struct net_stream *s);

/* After stream_finish(): closes the stream when its peer takes no more. */
void net_stream_linger_start(struct net_stream *s);

/*
 * A stream for the next connection, made before that is taken: without memory
 * it is better left with the kernel, since who was taken and dropped was there.
 * NULL: there is none.  NULL may be dropped.
 */
struct net_stream *sock_accept_prepare(struct net *net, bool tcp);
void sock_accept_drop(struct net_stream *s);

/* The same with the connected, non-blocking socket fd, which is its own,
 * whatever is returned; NULL: the peer has seen a reset. */
struct stream *sock_accept_take(struct net_stream *s, int fd);

#endif
