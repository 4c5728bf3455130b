/*
 * The password for an ssh, in the main process.  There is one question at a
 * time, because ssh waits for the answer.
 */
#include "ssh/askpass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "limits.h"
#include "ssh/askpass_priv.h"

/* A connection of a helper; the loop frees it. */
struct askpass_peer {
	uv_poll_t poll;
	int fd;
	struct askpass *askpass;
	char text[1 + LIMIT_ASKPASS_PROMPT + 1]; /* what it has sent, a NUL */
	size_t len;
};

struct askpass {
	uv_poll_t poll;
	int fd;
	struct sockaddr_un at;
	askpass_asked_cb *asked;
	void *ctx;
	struct askpass_peer *peer; /* NULL: none */
};

/* ---- a question ---- */

static void
askpass_on_peer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
askpass_drop_peer(struct askpass *askpass)
{
	struct askpass_peer *peer = askpass->peer;

	if (peer == NULL)
		return;
	askpass->peer = NULL;
	uv_poll_stop(&peer->poll);
	close(peer->fd);
	uv_close((uv_handle_t *)&peer->poll, askpass_on_peer_closed);
}

/* Reads the question up to its end. */
static void
askpass_on_question(uv_poll_t *poll, int status, int events)
{
	struct askpass_peer *peer = poll->data;
	struct askpass *askpass = peer->askpass;
	ssize_t n = recv(peer->fd, peer->text + peer->len,
	    sizeof(peer->text) - 1 - peer->len, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		peer->len += (size_t)n;
		return;
	}
	if (n < 0 || peer->len == 0) {
		askpass_drop_peer(askpass);
		return;
	}
	/* The connection stays, for the answer. */
	uv_poll_stop(poll);
	askpass->asked(askpass->ctx, peer->text + 1,
	    peer->text[0] == ASKPASS_OWN);
}

/* Only this user can reach the directory; root can, too. */
static bool
askpass_is_ours(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    peer.uid == geteuid();
}

static void
askpass_on_connection(uv_poll_t *poll, int status, int events)
{
	struct askpass *askpass = poll->data;
	CLEANUP(cleanup_fd)
	int fd = accept4(askpass->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct askpass_peer *peer;

	if (fd < 0 || !askpass_is_ours(fd) || askpass->peer != NULL)
		return;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL)
		return;
	if (uv_poll_init(askpass->poll.loop, &peer->poll, fd) != 0) {
		free(peer);
		return;
	}
	peer->poll.data = peer;
	peer->askpass = askpass;
	peer->fd = steal_fd(&fd);
	askpass->peer = peer;
	uv_poll_start(&peer->poll, UV_READABLE, askpass_on_question);
}

/* ---- askpass.h ---- */

int
askpass_address(const char *directory, struct sockaddr_un *ret)
{
	size_t len = strlen(directory);

	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (len + sizeof(ASKPASS_NAME) > sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, directory, len);
	memcpy(ret->sun_path + len, ASKPASS_NAME, sizeof(ASKPASS_NAME));
	return 0;
}

/* Returns a descriptor, or a negative errno. */
static int
askpass_listen(const struct sockaddr_un *at)
{
	CLEANUP(cleanup_fd)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (unlink(at->sun_path) != 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 ||
	    listen(fd, 1) != 0)
		return -errno;
	return steal_fd(&fd);
}

int
askpass_new(uv_loop_t *loop, const char *directory, askpass_asked_cb *asked,
    void *ctx, struct askpass **ret)
{
	struct askpass *askpass = calloc(1, sizeof(*askpass));
	int err;

	if (askpass == NULL)
		return -ENOMEM;
	askpass->asked = asked;
	askpass->ctx = ctx;
	err = askpass_address(directory, &askpass->at);
	if (err == 0)
		err = askpass->fd = askpass_listen(&askpass->at);
	if (err >= 0)
		err = uv_poll_init(loop, &askpass->poll, askpass->fd);
	if (err < 0) {
		if (askpass->fd > 0)
			close(askpass->fd);
		free(askpass);
		return err;
	}
	askpass->poll.data = askpass;
	uv_poll_start(&askpass->poll, UV_READABLE, askpass_on_connection);
	*ret = askpass;
	return 0;
}

int
askpass_answer(struct askpass *askpass, const char *password, size_t len)
{
	struct askpass_peer *peer = askpass->peer;
	ssize_t n = -1;

	errno = EPIPE;
	/* An empty socket takes so few bytes at once. */
	if (peer != NULL)
		n = send(peer->fd, password, len, MSG_NOSIGNAL);
	askpass_drop_peer(askpass);
	return n < 0 ? -errno : (size_t)n < len ? -EPIPE : 0;
}

static void
askpass_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
askpass_free(struct askpass *askpass)
{
	if (askpass == NULL)
		return;
	askpass_drop_peer(askpass);
	uv_poll_stop(&askpass->poll);
	close(askpass->fd);
	unlink(askpass->at.sun_path);
	uv_close((uv_handle_t *)&askpass->poll, askpass_on_closed);
}
