/*
 * The control socket.
 */
#include "process/control.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "limits.h"
#include "process/destination.h"
#include "process/status.h"

/* One connection. */
struct control_peer {
	LIST_ENTRY(control_peer) link;
	struct control_socket *control;
	struct stream *stream;
	bool waits; /* for the end of a reload */
	/* The tunnel that it reloads; "": all. */
	char reloads[LIMIT_TUNNEL_NAME + 1];
	char line[LIMIT_CONTROL_REQUEST];
	size_t len;
	struct buf later; /* what came after the reload */
};

struct control_socket {
	struct shared *shared;
	control_order_cb *order;
	void *ctx; /* of order */
	struct net_listener *listener;
	LIST_HEAD(, control_peer) peers;
	size_t n_peers;
};

static void
control_forget(struct control_peer *peer)
{
	LIST_REMOVE(peer, link);
	peer->control->n_peers--;
	buf_free(&peer->later);
	free(peer);
}

/* ---- answers ---- */

/* Sends an answer; text NULL stands for "out of memory".  If the peer does not
 * read its answers, culvert reads no more requests from it. */
static void
answer(struct control_peer *peer, const char *text)
{
	if (text == NULL)
		text = "{\"error\":\"out of memory\"}\n";
	if (stream_write(peer->stream, text, strlen(text)) != 0)
		log_verbose("an answer on the control socket was lost");
	if (stream_queued(peer->stream) > LIMIT_HIGH_WATER)
		stream_read_stop(peer->stream);
}

/* Sends json as the answer, and frees it.  NULL stands for "out of memory". */
static void
answer_json(struct control_peer *peer, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT), *line = NULL;

	if (text != NULL && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	answer(peer, line);
	free(line);
	free(text);
	json_decref(json);
}

/* Answers whether the order was carried out.  why may quote any bytes. */
static void
answer_done(struct control_peer *peer, bool done, const char *why)
{
	char escaped[LOG_ESCAPED_MAX];

	answer_json(peer,
	    done ? json_pack("{s:b}", "ok", true) :
		   json_pack("{s:s}", "error",
		       log_show(escaped, sizeof(escaped), why)));
}

/* ---- requests ---- */

static void
do_status(struct control_peer *peer, const json_t *request,
    enum control_order order)
{
	char *text = status_text(peer->control->shared);

	answer(peer, text);
	free(text);
}

static void
do_order(struct control_peer *peer, const json_t *request,
    enum control_order order)
{
	const struct control_socket *control = peer->control;
	const json_t *tunnel = json_object_get(request, "tunnel");
	const char *name = json_string_value(tunnel);
	char why[300] = "the name of a tunnel must be a text";
	bool done;

	/* Only a request without "tunnel" is for the whole process. */
	done = (tunnel == NULL || name != NULL) &&
	    control->order(control->ctx, order, name, why, sizeof(why));
	if (order != CONTROL_RELOAD || !done) {
		answer_done(peer, done, why);
		return;
	}
	/* control_reloaded() answers. */
	peer->waits = true;
	snprintf(peer->reloads, sizeof(peer->reloads), "%s",
	    name != NULL ? name : "");
}

static void
do_end(struct control_peer *peer, const json_t *request,
    enum control_order order)
{
	const json_t *number = json_object_get(request, "session");
	bool done = json_is_integer(number) &&
	    destinations_end_session(peer->control->shared,
		(unsigned long)json_integer_value(number),
		"The session was closed by the operator");

	answer_done(peer, done, "there is no session with this number");
}

static const struct {
	const char *name;
	void (*run)(struct control_peer *peer, const json_t *request,
	    enum control_order order);
	enum control_order order;
} requests[] = {
	{ .name = "status", .run = do_status },
	{ .name = "stop", .run = do_order, .order = CONTROL_STOP },
	{ .name = "drain", .run = do_order, .order = CONTROL_DRAIN },
	{ .name = "reload", .run = do_order, .order = CONTROL_RELOAD },
	{ .name = "end", .run = do_end },
};

static void
control_take_line(struct control_peer *peer, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(request, "do"));
	size_t i = 0, n = sizeof(requests) / sizeof(requests[0]);

	while (i < n && (name == NULL || strcmp(name, requests[i].name) != 0))
		i++;
	if (i < n)
		requests[i].run(peer, request, requests[i].order);
	else
		answer_done(peer, false,
		    request == NULL ? "the request is not JSON" :
				      "unknown request");
	json_decref(request);
}

/* ---- connections ---- */

/* Returns the number of bytes taken: those after a reload must wait for its
 * answer, because the answers come in the order of the requests. */
static size_t
control_take(struct control_peer *peer, const char *bytes, size_t len)
{
	size_t at;

	for (at = 0; at < len && !peer->waits; at++) {
		if (bytes[at] != '\n') {
			if (peer->len < sizeof(peer->line))
				peer->line[peer->len++] = bytes[at];
			continue;
		}
		control_take_line(peer, peer->line, peer->len);
		peer->len = 0;
	}
	return at;
}

static void
control_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct control_peer *peer = ctx;

	for (size_t i = 0; i < n; i++) {
		const char *bytes = pieces[i].iov_base;
		size_t len = pieces[i].iov_len;
		size_t taken = control_take(peer, bytes, len);

		if (buf_append(&peer->later, bytes + taken, len - taken) != 0) {
			log_verbose("requests on the control socket were lost");
			stream_close(peer->stream);
			control_forget(peer);
			return;
		}
	}
	if (peer->waits)
		stream_read_stop(peer->stream);
}

static void
control_on_eof(void *ctx)
{
	struct control_peer *peer = ctx;

	stream_finish(peer->stream);
	control_forget(peer);
}

static void
control_on_drained(void *ctx)
{
	struct control_peer *peer = ctx;

	if (!peer->waits)
		stream_read_start(peer->stream);
}

static void
control_on_closed(void *ctx, int err, const char *why)
{
	struct control_peer *peer = ctx;

	stream_close(peer->stream);
	control_forget(peer);
}

static const struct stream_handler peer_handler = {
	.data = control_on_data,
	.eof = control_on_eof,
	.drained = control_on_drained,
	.closed = control_on_closed,
};

static bool
control_may_connect(const struct stream *stream)
{
	uid_t uid;

	return net_stream_user(stream, &uid) == 0 &&
	    (uid == 0 || uid == geteuid());
}

static void
control_on_accepted(void *ctx, struct stream *stream)
{
	struct control_socket *control = ctx;
	struct control_peer *peer = NULL;

	if (control_may_connect(stream) &&
	    control->n_peers < LIMIT_CONTROL_PEERS)
		peer = calloc(1, sizeof(*peer));
	if (peer == NULL) {
		log_verbose("refused a connection to the control socket");
		stream_close(stream);
		return;
	}
	peer->control = control;
	peer->stream = stream;
	buf_init(&peer->later, LIMIT_READ_CHUNK);
	LIST_INSERT_HEAD(&control->peers, peer, link);
	control->n_peers++;
	stream_set_handler(stream, &peer_handler, peer);
	stream_read_start(stream);
}

struct control_socket *
control_open(struct shared *shared, control_order_cb *order, void *ctx)
{
	struct control_socket *control = calloc(1, sizeof(*control));
	char path[PRIVDIR_MAX + sizeof("/" CONTROL_NAME)];
	int err = -ENOMEM;

	snprintf(path, sizeof(path), "%s/%s", shared->directory, CONTROL_NAME);
	if (control != NULL) {
		control->shared = shared;
		control->order = order;
		control->ctx = ctx;
		control->listener = net_listen_unix(shared->net, path,
		    control_on_accepted, control, &err);
	}
	if (control != NULL && control->listener != NULL)
		err = net_listener_start(control->listener);
	if (err == 0)
		return control;
	log_warn("cannot listen on the control socket %s: %s; culvert status "
		 "will not find this culvert",
	    path, strerror(-err));
	if (control != NULL)
		net_listener_close(control->listener);
	free(control);
	return NULL;
}

/* Takes the requests after a reload. */
static void
control_resume(struct control_peer *peer)
{
	size_t taken;

	peer->waits = false;
	taken = control_take(peer, (const char *)buf_bytes(&peer->later),
	    buf_len(&peer->later));
	buf_consume(&peer->later, taken);
	if (!peer->waits && stream_queued(peer->stream) <= LIMIT_HIGH_WATER)
		stream_read_start(peer->stream);
}

void
control_reloaded(struct control_socket *control, const char *name,
    const char *why)
{
	struct control_peer *peer, *next;

	for (peer = LIST_FIRST(&control->peers); peer != NULL; peer = next) {
		next = LIST_NEXT(peer, link);
		if (!peer->waits ||
		    (name != NULL && strcmp(peer->reloads, name) != 0))
			continue;
		answer_done(peer, why == NULL, why);
		control_resume(peer);
	}
}

void
control_close(struct control_socket *control)
{
	struct control_peer *peer;

	if (control == NULL)
		return;
	net_listener_close(control->listener);
	while ((peer = LIST_FIRST(&control->peers)) != NULL) {
		stream_close(peer->stream);
		control_forget(peer);
	}
	free(control);
}
