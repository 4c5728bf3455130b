/*
 * One connection to ssh's control socket.
 */
#include "ssh/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/stream.h"
#include "limits.h"
#include "ssh/mux.h"
#include "base/wire.h"

/* An incomplete message, and room for the next read. */
#define CONN_INPUT_SIZE (LIMIT_WIRE_MESSAGE + 4 + LIMIT_READ_CHUNK)

struct conn {
	uv_poll_t poll;
	int fd;
	const struct conn_handler *handler; /* NULL after conn_free() */
	void *ctx;
	uint8_t *input; /* CONN_INPUT_SIZE bytes */
	size_t input_len;
	bool proxy;
	enum {
		CONN_HELLO,   /* ssh's hello has not come */
		CONN_REQUEST, /* proxy mode is requested */
		CONN_UP,
	} state;
	struct buf queue;
	uint64_t taken; /* conn_taken() */
	bool wanted;	/* room() must be called */
	bool broken;	/* nothing can be sent any more */
	int events;	/* that poll waits for */
};

static void conn_ready(uv_poll_t *poll, int status, int events);

static void
conn_want(struct conn *conn, int events)
{
	if (conn->events == events)
		return;
	conn->events = events;
	/* It fails only for a handle that is closing. */
	uv_poll_start(&conn->poll, events, conn_ready);
}

static int
conn_connect(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int room = LIMIT_MUX_QUEUE;
	CLEANUP(cleanup_fd) int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* The kernel may give less (net.core.wmem_max). */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int
conn_new(uv_loop_t *loop, const char *path, bool proxy,
    const struct conn_handler *handler, void *ctx, struct conn **ret)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int err = -ENOMEM;

	if (conn == NULL)
		return err;
	conn->fd = -1;
	conn->handler = handler;
	conn->ctx = ctx;
	conn->proxy = proxy;
	buf_init(&conn->queue, LIMIT_MUX_BACKLOG);
	conn->input = malloc(CONN_INPUT_SIZE);
	if (conn->input != NULL)
		err = conn_connect(path, &conn->fd);
	if (err == 0)
		err = uv_poll_init(loop, &conn->poll, conn->fd);
	if (err != 0) {
		cleanup_fd(&conn->fd);
		free(conn->input);
		free(conn);
		return err;
	}
	conn->poll.data = conn;
	conn_want(conn, UV_READABLE);
	conn_put(conn, mux_put_hello());
	*ret = conn;
	return 0;
}

static void
conn_closed(uv_handle_t *handle)
{
	struct conn *conn = handle->data;

	free(conn->input);
	free(conn);
}

void
conn_free(struct conn *conn)
{
	if (conn == NULL || conn->handler == NULL)
		return;
	conn->handler = NULL;
	conn->broken = true;
	buf_free(&conn->queue);
	uv_poll_stop(&conn->poll);
	cleanup_fd(&conn->fd);
	conn->fd = -1;
	uv_close((uv_handle_t *)&conn->poll, conn_closed);
}

void
conn_break(struct conn *conn)
{
	if (conn->handler == NULL)
		return;
	conn->broken = true;
	buf_free(&conn->queue);
	/* What ssh has sent before is still read; then lost() follows. */
	shutdown(conn->fd, SHUT_RDWR);
	conn_want(conn, UV_READABLE);
}

/* Writes what the socket takes.  Returns the number of bytes, or -1 after
 * conn_break(). */
static ssize_t
conn_write(struct conn *conn, const struct iovec *pieces, size_t n_pieces)
{
	/* The member is not const, because recvmsg() uses it, too. */
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)pieces,
		.msg_iovlen = n_pieces };
	ssize_t n;

	do {
		n = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN || errno == ENOBUFS)
		return 0;
	conn_break(conn);
	return -1;
}

/* Writes what the socket takes of the queue.  False after conn_break(). */
static bool
conn_push(struct conn *conn)
{
	struct iovec all = { (void *)(uintptr_t)buf_bytes(&conn->queue),
		buf_len(&conn->queue) };
	ssize_t n = all.iov_len == 0 ? 0 : conn_write(conn, &all, 1);

	if (n < 0)
		return false;
	buf_consume(&conn->queue, (size_t)n);
	return true;
}

/* Queues the pieces without their first skip bytes. */
static void
conn_queue(struct conn *conn, const struct iovec *pieces, size_t n, size_t skip)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = pieces[i].iov_len, gone = skip < len ? skip : len;

		skip -= gone;
		if (buf_append(&conn->queue,
			(const uint8_t *)pieces[i].iov_base + gone,
			len - gone) != 0) {
			conn_break(conn);
			return;
		}
	}
	if (buf_len(&conn->queue) > 0)
		conn_want(conn, UV_READABLE | UV_WRITABLE);
}

/*
 * Writes the queue, then the pieces, as far as the socket takes them.  Returns
 * the number of bytes of the pieces, or -1 after conn_break().  It does not
 * wait for UV_WRITABLE: the kernel reports a Unix socket as writable only when
 * three quarters of its buffer are free, although it takes bytes before.
 */
static ssize_t
conn_write_both(struct conn *conn, const struct iovec *pieces, size_t n)
{
	if (conn->broken || !conn_push(conn))
		return -1;
	return buf_len(&conn->queue) > 0 ? 0 : conn_write(conn, pieces, n);
}

void
conn_send(struct conn *conn, const struct iovec *pieces, size_t n)
{
	ssize_t written = conn_write_both(conn, pieces, n);

	if (written < 0)
		return;
	conn->taken += stream_len(pieces, n);
	conn_queue(conn, pieces, n, (size_t)written);
}

size_t
conn_offer(struct conn *conn, const struct iovec *pieces, const size_t *groups,
    size_t n)
{
	size_t n_pieces = 0, taken = 0, end = 0, len = 0;
	ssize_t written;

	for (size_t i = 0; i < n; i++)
		n_pieces += groups[i];
	written = conn_write_both(conn, pieces, n_pieces);
	if (written < 0)
		return 0;
	/* A group of which a part was sent counts as taken. */
	for (; taken < n && len < (size_t)written; taken++) {
		len += stream_len(pieces + end, groups[taken]);
		end += groups[taken];
	}
	conn->taken += len;
	conn_queue(conn, pieces, end, (size_t)written);
	if (taken < n) {
		conn->wanted = true;
		conn_want(conn, UV_READABLE | UV_WRITABLE);
	}
	return taken;
}

void
conn_put(struct conn *conn, struct wire_message message)
{
	struct iovec all = { message.bytes, message.len };

	if (message.len == 0)
		conn_break(conn);
	else
		conn_send(conn, &all, 1);
}

bool
conn_has_room(const struct conn *conn, size_t max)
{
	return buf_len(&conn->queue) < max;
}

uint64_t
conn_taken(const struct conn *conn)
{
	return conn->taken;
}

uint64_t
conn_sent(const struct conn *conn)
{
	return conn->taken - buf_len(&conn->queue);
}

static void
conn_lost(struct conn *conn, int err)
{
	const struct conn_handler *handler = conn->handler;
	void *ctx = conn->ctx;

	conn_free(conn);
	handler->lost(ctx, err);
}

/* Takes ssh's hello, then its answer to the request for proxy mode.  0 or a
 * negative errno. */
static int
conn_handshake(struct conn *conn, const struct wire_in *in)
{
	struct mux_message message;
	int err = mux_parse(in->bytes, in->len, &message);

	if (err != 0)
		return err;
	if (conn->state == CONN_HELLO ? !mux_is_hello(&message) :
					message.type != MUX_S_PROXY)
		return -EPROTO;
	if (conn->state == CONN_HELLO && conn->proxy) {
		conn->state = CONN_REQUEST;
		conn_put(conn, mux_put_request(MUX_C_PROXY, 0));
		return 0;
	}
	conn->state = CONN_UP;
	conn->handler->up(conn->ctx);
	return 0;
}

/* Passes on the messages that are complete.  0 or a negative errno. */
static int
conn_messages(struct conn *conn)
{
	struct wire_in message;
	size_t used = 0;
	int result = 0;

	while (conn->handler != NULL && result >= 0) {
		result = wire_get_message(conn->input + used,
		    conn->input_len - used, &message);
		if (result <= 0)
			break;
		used += 4 + message.len;
		result = conn->state != CONN_UP ?
		    conn_handshake(conn, &message) :
		    conn->handler->message(conn->ctx, message.bytes,
			message.len);
	}
	if (conn->handler != NULL && conn->handler->received != NULL)
		conn->handler->received(conn->ctx);
	conn->input_len -= used;
	memmove(conn->input, conn->input + used, conn->input_len);
	/* A message is never longer than the room for one. */
	assert(conn->input_len < LIMIT_WIRE_MESSAGE + 4 || result < 0);
	return result;
}

static void
conn_read(struct conn *conn)
{
	size_t room = CONN_INPUT_SIZE - conn->input_len;
	ssize_t n;
	int err;

	if (room > LIMIT_READ_CHUNK)
		room = LIMIT_READ_CHUNK;
	do {
		n = recv(conn->fd, conn->input + conn->input_len, room, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_lost(conn, n < 0 ? -errno : -ECONNRESET);
		return;
	}
	conn->input_len += (size_t)n;
	err = conn_messages(conn);
	/* A callback may have freed it. */
	if (conn->handler != NULL && err < 0)
		conn_lost(conn, err);
}

static void
conn_flush(struct conn *conn)
{
	if (conn->broken || !conn_push(conn) || buf_len(&conn->queue) > 0)
		return;
	if (conn->wanted) {
		conn->wanted = false;
		if (conn->handler->room != NULL)
			conn->handler->room(conn->ctx);
	}
	if (conn->handler != NULL && !conn->broken && !conn->wanted &&
	    buf_len(&conn->queue) == 0)
		conn_want(conn, UV_READABLE);
}

static void
conn_ready(uv_poll_t *poll, int status, int events)
{
	struct conn *conn = poll->data;

	if (status < 0) {
		conn_lost(conn, status);
		return;
	}
	if ((events & UV_READABLE) != 0)
		conn_read(conn);
	/* See conn_write_both(). */
	if (conn->handler != NULL &&
	    ((events & UV_WRITABLE) != 0 || buf_len(&conn->queue) > 0))
		conn_flush(conn);
}
