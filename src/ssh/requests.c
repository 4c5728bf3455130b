/*
 * The connection to ssh's control socket for requests.
 */
#include "ssh/requests.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "ssh/conn.h"
#include "ssh/mux.h"

/* Longest text about a forward that sshd refused: ssh's words, a host, and the
 * directives that may be the cause. */
#define REQUESTS_WHY_MAX (2 * LOG_ESCAPED_MAX + REASON_MAX)

/* ssh is silent if an alive check has no answer after so many periods. */
#define REQUESTS_WATCH_PERIODS 3

/*
 * A forward:
 *
 *	OPENING -- answer --> OPEN -- link_forward_close() --> CLOSING
 *	   |                   |                                  |
 *	   +-- refused, lost --+--> DEAD       answer, lost: freed
 *
 * In DEAD, link_forward_close() frees it.  In OPENING, it sets closed: then the
 * forward is closed as soon as sshd has permitted it.
 */
enum forward_state {
	FORWARD_OPENING,
	FORWARD_OPEN,
	FORWARD_CLOSING,
	FORWARD_DEAD,
};

/* A request that waits for its answer; or, in the list of open forwards, one
 * that was answered. */
struct request {
	uint32_t id;
	struct link_forward *forward; /* NULL: of a link_alive */
	TAILQ_ENTRY(request) entry;
};

struct link_forward {
	struct request request;	   /* in requests->pending or ->open */
	struct requests *requests; /* NULL when DEAD */
	enum forward_state state;
	bool closed; /* link_forward_close() was called */
	char *host;
	uint16_t port; /* 0: sshd chooses */
	char *path;
	link_forward_cb *done;
	void *ctx;
	char *words;		 /* ssh's about a refusal, or NULL */
	struct reason *reason;	 /* borrowed, or NULL: explains a refusal */
	struct reason_wait wait; /* for that explanation */
};

struct link_alive {
	struct request request; /* first */
	link_alive_cb *done;	/* NULL: cancelled */
	void *ctx;
};

struct requests {
	struct conn *conn;
	const struct requests_handler *handler;
	void *ctx;
	struct reason *reason; /* borrowed, or NULL */
	uint32_t next_id;
	uv_timer_t watch;
	struct link_alive *watched;    /* the open check of watch, or NULL */
	unsigned int periods;	       /* since it was sent */
	TAILQ_HEAD(, request) pending; /* in the order of the answers */
	TAILQ_HEAD(, request) open;
};

/* ---- forwards and checks ---- */

static void
forward_free(struct link_forward *forward)
{
	free(forward->host);
	free(forward->path);
	free(forward->words);
	free(forward);
}

/* Numbers the request and appends it to those that wait for an answer. */
static void
requests_wait(struct requests *requests, struct request *request)
{
	request->id = requests->next_id++;
	TAILQ_INSERT_TAIL(&requests->pending, request, entry);
}

/* Sends MUX_C_OPEN_FWD or MUX_C_CLOSE_FWD. */
static void
forward_send(struct link_forward *forward, uint32_t type)
{
	struct conn *conn = forward->requests->conn;

	requests_wait(forward->requests, &forward->request);
	conn_put(conn,
	    mux_put_forward(type, forward->request.id, forward->host,
		forward->port, forward->path));
}

static void
forward_send_close(struct link_forward *forward)
{
	TAILQ_REMOVE(&forward->requests->open, &forward->request, entry);
	forward->state = FORWARD_CLOSING;
	forward_send(forward, MUX_C_CLOSE_FWD);
}

struct link_forward *
requests_forward(struct requests *requests, const char *host, uint16_t port,
    const char *path, link_forward_cb *done, void *ctx)
{
	struct link_forward *forward = calloc(1, sizeof(*forward));

	if (forward == NULL)
		return NULL;
	forward->request.forward = forward;
	forward->requests = requests;
	forward->host = strdup(host);
	forward->port = port;
	forward->path = strdup(path);
	forward->done = done;
	forward->ctx = ctx;
	if (forward->host == NULL || forward->path == NULL) {
		forward_free(forward);
		return NULL;
	}
	forward_send(forward, MUX_C_OPEN_FWD);
	return forward;
}

void
link_forward_close(struct link_forward *forward)
{
	if (forward == NULL)
		return;
	assert(!forward->closed);
	forward->closed = true;
	switch (forward->state) {
	case FORWARD_OPENING: /* see requests_opened() */
	case FORWARD_CLOSING:
		break;
	case FORWARD_OPEN:
		/* If the connection is lost, requests_abort() frees it. */
		if (forward->requests->conn != NULL)
			forward_send_close(forward);
		break;
	case FORWARD_DEAD:
		forward_free(forward);
		break;
	}
}

/* The forward was refused or lost; reports that to the owner. */
static void
forward_die(struct link_forward *forward, int err, const char *why)
{
	forward->state = FORWARD_DEAD;
	forward->requests = NULL;
	if (forward->closed)
		forward_free(forward);
	else
		forward->done(forward->ctx, 0, err, why);
}

struct link_alive *
requests_alive(struct requests *requests, link_alive_cb *done, void *ctx)
{
	struct link_alive *alive = calloc(1, sizeof(*alive));
	struct conn *conn = requests->conn;

	if (alive == NULL)
		return NULL;
	alive->done = done;
	alive->ctx = ctx;
	requests_wait(requests, &alive->request);
	conn_put(conn, mux_put_request(MUX_C_ALIVE_CHECK, alive->request.id));
	return alive;
}

void
link_alive_cancel(struct link_alive *check)
{
	if (check != NULL)
		check->done = NULL;
}

static void
alive_end(struct request *request, bool alive)
{
	struct link_alive *check = (struct link_alive *)request;

	if (check->done != NULL)
		check->done(check->ctx, alive);
	free(check);
}

/* ---- answers ---- */

/* The port that sshd listens on; 0: the answer does not say that it listens. */
static uint16_t
forward_port(const struct link_forward *forward,
    const struct mux_message *message)
{
	if (forward->port != 0)
		return message->type == MUX_S_OK ? forward->port : 0;
	if (message->type != MUX_S_REMOTE_PORT || message->value > UINT16_MAX)
		return 0;
	return (uint16_t)message->value;
}

/* Reports a refusal, with what a session may have explained. */
static void
forward_explained(void *ctx)
{
	struct link_forward *forward = ctx;
	bool is_address = strcmp(forward->host, "localhost") != 0 &&
	    strcmp(forward->host, "127.0.0.1") != 0 &&
	    strcmp(forward->host, "*") != 0;
	char where[REASON_MAX / 2], text[REASON_MAX], why[REQUESTS_WHY_MAX];

	snprintf(where, sizeof(where),
	    "AllowTcpForwarding, PermitListen, DisableForwarding "
	    "(sshd_config), permitlisten (authorized_keys)%s%s%s%s",
	    is_address ? "; or the SSH server does not have " : "",
	    is_address ? forward->host : "",
	    forward->port != 0 ? "; or the port is in use there" : "",
	    forward->port != 0 && forward->port < 1024 ?
		", or below 1024 and the user is not root" :
		"");
	reason_explain(forward->reason, where, text);
	snprintf(why, sizeof(why), "sshd refused to listen (%s)%s",
	    forward->words != NULL ? forward->words : "", text);
	forward_die(forward, -EACCES, why);
}

/*
 * sshd gives no reason (RFC 4254 section 7.1 has no field for one), and ssh
 * only says "remote port forwarding failed for listen port 21".  A session may
 * explain it.
 */
static void
forward_refused(struct link_forward *forward, const struct mux_message *message)
{
	char words[LOG_ESCAPED_MAX + 1];

	log_escape(words, sizeof(words), message->reason, message->reason_len);
	forward->words = strdup(words);
	forward->reason = forward->requests->reason;
	forward->requests = NULL;
	if (!reason_await(forward->reason, &forward->wait, forward_explained,
		forward))
		forward_explained(forward);
}

/* The answer to MUX_C_OPEN_FWD.  0 or a negative errno. */
static int
requests_opened(struct requests *requests, struct link_forward *forward,
    const struct mux_message *message)
{
	uint16_t port = forward_port(forward, message);

	if (port != 0) {
		reason_forwarded(requests->reason);
		forward->state = FORWARD_OPEN;
		TAILQ_INSERT_TAIL(&requests->open, &forward->request, entry);
		if (forward->closed)
			forward_send_close(forward);
		else
			forward->done(forward->ctx, port, 0, "");
		return 0;
	}
	if (message->type != MUX_S_FAILURE &&
	    message->type != MUX_S_PERMISSION_DENIED) {
		forward_die(forward, -EPROTO, "ssh gave an unknown answer");
		return -EPROTO;
	}
	forward_refused(forward, message);
	return 0;
}

static int
requests_answer(struct requests *requests, const struct mux_message *message)
{
	struct request *request = TAILQ_FIRST(&requests->pending);
	struct link_forward *forward;

	if (request == NULL || request->id != message->request_id)
		return -EPROTO;
	TAILQ_REMOVE(&requests->pending, request, entry);
	forward = request->forward;
	if (forward == NULL)
		alive_end(request, message->type == MUX_S_ALIVE);
	else if (forward->state == FORWARD_OPENING)
		return requests_opened(requests, forward, message);
	else /* CLOSING: it is closed, or ssh did not know it */
		forward_free(forward);
	return 0;
}

static int
requests_message(void *ctx, const uint8_t *bytes, size_t len)
{
	struct requests *requests = ctx;
	struct mux_message message;
	int err = mux_parse(bytes, len, &message);

	return err != 0 ? err : requests_answer(requests, &message);
}

/* ---- its life ---- */

static void
requests_up(void *ctx)
{
	const struct requests *requests = ctx;

	requests->handler->up(requests->ctx);
}

static void
requests_lost(void *ctx, int err)
{
	struct requests *requests = ctx;

	requests->conn = NULL;
	requests->handler->lost(requests->ctx, err);
}

static const struct conn_handler requests_conn_handler = {
	.up = requests_up,
	.message = requests_message,
	.lost = requests_lost,
};

int
requests_new(uv_loop_t *loop, const char *path, struct reason *reason,
    const struct requests_handler *handler, void *ctx, struct requests **ret)
{
	struct requests *requests = calloc(1, sizeof(*requests));
	int err;

	if (requests == NULL)
		return -ENOMEM;
	requests->reason = reason;
	requests->handler = handler;
	requests->ctx = ctx;
	requests->watch.data = requests;
	TAILQ_INIT(&requests->pending);
	TAILQ_INIT(&requests->open);
	err = conn_new(loop, path, false, &requests_conn_handler, requests,
	    &requests->conn);
	if (err != 0) {
		free(requests);
		return err;
	}
	uv_timer_init(loop, &requests->watch);
	uv_unref((uv_handle_t *)&requests->watch);
	*ret = requests;
	return 0;
}

void
requests_break(struct requests *requests)
{
	if (requests->conn != NULL)
		conn_break(requests->conn);
}

void
requests_abort(struct requests *requests)
{
	static const char why[] = "the SSH connection was lost";
	struct request *request, *next;

	uv_timer_stop(&requests->watch);
	conn_free(requests->conn);
	requests->conn = NULL;
	/* In each callback the owner may close other forwards. */
	while ((request = TAILQ_FIRST(&requests->open)) != NULL) {
		TAILQ_REMOVE(&requests->open, request, entry);
		forward_die(request->forward, -ECONNRESET, why);
	}
	for (request = TAILQ_FIRST(&requests->pending); request != NULL;
	     request = next) {
		next = TAILQ_NEXT(request, entry);
		if (request->forward == NULL)
			continue;
		TAILQ_REMOVE(&requests->pending, request, entry);
		forward_die(request->forward, -ECONNRESET, why);
	}
	while ((request = TAILQ_FIRST(&requests->pending)) != NULL) {
		TAILQ_REMOVE(&requests->pending, request, entry);
		alive_end(request, false);
	}
}

static void
requests_freed(uv_handle_t *watch)
{
	free(watch->data);
}

void
requests_free(struct requests *requests)
{
	if (requests == NULL)
		return;
	assert(TAILQ_EMPTY(&requests->pending) && TAILQ_EMPTY(&requests->open));
	conn_free(requests->conn);
	uv_close((uv_handle_t *)&requests->watch, requests_freed);
}

/* ---- the watch ---- */

static void
requests_on_watched(void *ctx, bool alive)
{
	struct requests *requests = ctx;

	requests->watched = NULL; /* if ssh has ended, lost() reports it */
}

static void
requests_on_period(uv_timer_t *watch)
{
	struct requests *requests = watch->data;

	if (requests->watched == NULL) {
		requests->periods = 0;
		requests->watched =
		    requests_alive(requests, requests_on_watched, requests);
		return;
	}
	if (++requests->periods < REQUESTS_WATCH_PERIODS)
		return;
	uv_timer_stop(watch);
	requests->handler->silent(requests->ctx);
}

void
requests_watch(struct requests *requests, uint64_t period_ms)
{
	uv_timer_start(&requests->watch, requests_on_period, period_ms,
	    period_ms);
}
