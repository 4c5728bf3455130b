/*
 * A session that makes sshd turn off Nagle's algorithm.
 *
 *	STARTING -> OPENING -> REQUESTED -> OPEN -- close --> OVER
 *	               |           |                           |
 *	               |           +-- refused: we close ------+
 *	               +-- refused: OVER, the connection stays
 *
 * If sshd closes a session that must stay open (nodelay_keep()) while its
 * program runs, the state becomes OPENING again.
 */
#include "ssh/nodelay.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"
#include "ssh/chan.h"
#include "ssh/conn.h"

/* Our number for the only channel. */
#define NODELAY_CHANNEL 0

/* Longest why: sshd's words and some of ours. */
#define NODELAY_WHY_MAX (LOG_ESCAPED_MAX + 64)

/* A session that sshd closes is opened again at most NODELAY_REOPENINGS times,
 * and once more in each NODELAY_EVERY_MS.  The shortest ChannelTimeout is one
 * second. */
#define NODELAY_REOPENINGS 3
#define NODELAY_EVERY_MS 400

enum nodelay_state {
	NODELAY_STARTING,  /* the connection is not in proxy mode yet */
	NODELAY_OPENING,   /* the session was requested */
	NODELAY_REQUESTED, /* the subsystem or command was requested */
	NODELAY_OPEN,	   /* the program runs, or sshd will close it */
	NODELAY_OVER,
};

struct nodelay {
	uv_loop_t *loop;
	struct conn *conn; /* NULL: lost, or not needed any more */
	bool *sends_eof;
	const struct nodelay_handler *handler;
	void *ctx;
	const char *command; /* borrowed; NULL: sftp */
	enum nodelay_state state;
	bool told;	   /* done() was called */
	uint32_t peer;	   /* sshd's number of the channel */
	size_t window;	   /* bytes that sshd may still send */
	bool keep;	   /* nodelay_keep() */
	bool exited;	   /* the program has ended */
	uint64_t began_at; /* when it was first opened */
	uint64_t open_at;  /* when it was last opened */
	unsigned int opened;
	bool close_sent;
	char why[NODELAY_WHY_MAX]; /* why no program was started; or "" */
};

static void
nodelay_tell(struct nodelay *nodelay, const char *why)
{
	if (nodelay->told)
		return;
	nodelay->told = true;
	snprintf(nodelay->why, sizeof(nodelay->why), "%s",
	    why != NULL ? why : "");
	if (nodelay->handler->done != NULL)
		nodelay->handler->done(nodelay->ctx, why);
}

/* why: for over(), and for done() if that was not called yet. */
static void
nodelay_over(struct nodelay *nodelay, const char *why)
{
	nodelay->state = NODELAY_OVER;
	nodelay_tell(nodelay, why);
	if (nodelay->handler->over != NULL)
		nodelay->handler->over(nodelay->ctx,
		    nodelay->why[0] != '\0' ? nodelay->why : why);
}

static void
nodelay_close(struct nodelay *nodelay)
{
	if (nodelay->close_sent)
		return;
	nodelay->close_sent = true;
	conn_put(nodelay->conn, chan_put(CHAN_CLOSE, nodelay->peer));
}

static void
nodelay_open(struct nodelay *nodelay)
{
	nodelay->state = NODELAY_OPENING;
	nodelay->window = LIMIT_WINDOW_SMALL;
	nodelay->exited = false;
	nodelay->close_sent = false;
	nodelay->open_at = uv_now(nodelay->loop);
	if (nodelay->opened++ == 0)
		nodelay->began_at = nodelay->open_at;
	conn_put(nodelay->conn,
	    chan_put_open_session(NODELAY_CHANNEL, LIMIT_WINDOW_SMALL,
		LIMIT_CHANNEL_PACKET));
}

static void
nodelay_up(void *ctx)
{
	nodelay_open(ctx);
}

/* An SFTP client begins with INIT (draft-ietf-secsh-filexfer-02 section 4).
 * asyncssh ends the whole connection if nothing comes. */
static void
nodelay_greet(struct nodelay *nodelay)
{
	static const uint8_t init[] = { 0, 0, 0, 5, 1, 0, 0, 0, 3 };
	uint8_t head[CHAN_DATA_HEAD];
	const struct iovec pieces[] = {
		{ head, sizeof(head) },
		{ (void *)(uintptr_t)init, sizeof(init) },
	};

	chan_data_head(head, nodelay->peer, sizeof(init));
	conn_send(nodelay->conn, pieces, 2);
}

static void
nodelay_confirmed(struct nodelay *nodelay, const struct chan_message *packet)
{
	const char *command = nodelay->command;

	nodelay->state = NODELAY_REQUESTED;
	nodelay->peer = packet->sender;
	conn_put(nodelay->conn,
	    chan_put_request(nodelay->peer,
		command != NULL ? "exec" : "subsystem",
		command != NULL ? command : "sftp"));
	/* sftp-server ends when its input does. */
	if (command == NULL)
		nodelay_greet(nodelay);
	if (!nodelay->keep)
		conn_put(nodelay->conn, chan_put(CHAN_EOF, nodelay->peer));
}

static void
nodelay_refused(struct nodelay *nodelay, const struct chan_message *packet)
{
	char words[LOG_ESCAPED_MAX + 1], why[NODELAY_WHY_MAX];

	log_escape(words, sizeof(words), packet->data, packet->data_len);
	snprintf(why, sizeof(why),
	    "sshd refused a session (%s), see MaxSessions (sshd_config)",
	    words);
	nodelay_over(nodelay, why);
}

static void
nodelay_data(struct nodelay *nodelay, const struct chan_message *packet)
{
	size_t len = packet->data_len;

	if (nodelay->handler->heard != NULL)
		nodelay->handler->heard(nodelay->ctx, packet->data, len);
	/* The window is not renewed: a program that prints more would wait
	 * forever. */
	if (len >= nodelay->window)
		nodelay_close(nodelay);
	else
		nodelay->window -= len;
}

/* Has sshd closed a session that must stay open, although its program runs?
 * sshd reports the end of the program; another server may not, so the number of
 * new sessions is limited. */
static bool
nodelay_timed_out(const struct nodelay *nodelay)
{
	uint64_t ms = uv_now(nodelay->loop) - nodelay->began_at;

	return nodelay->keep && nodelay->state == NODELAY_OPEN &&
	    !nodelay->exited && !nodelay->close_sent &&
	    nodelay->opened <= NODELAY_REOPENINGS + ms / NODELAY_EVERY_MS;
}

/* CLOSE has come; ours must be sent before the channel number is used again. */
static void
nodelay_closed(struct nodelay *nodelay)
{
	bool timed_out = nodelay_timed_out(nodelay);

	nodelay_close(nodelay);
	if (timed_out) {
		if (nodelay->handler->timed_out != NULL)
			nodelay->handler->timed_out(nodelay->ctx,
			    uv_now(nodelay->loop) - nodelay->open_at);
		nodelay_open(nodelay);
		return;
	}
	conn_free(nodelay->conn);
	nodelay->conn = NULL;
	nodelay_over(nodelay,
	    nodelay->exited ? "the program of the session has ended" :
			      "sshd closed the session");
}

static void
nodelay_requested(struct nodelay *nodelay, const struct chan_message *packet)
{
	static const char name[] = "exit-";

	if (packet->data_len > strlen(name) &&
	    memcmp(packet->data, name, strlen(name)) == 0)
		nodelay->exited = true;
	if (packet->want_reply && !nodelay->close_sent)
		conn_put(nodelay->conn, chan_put(CHAN_FAILURE, nodelay->peer));
}

static int
nodelay_packet(struct nodelay *nodelay, const struct chan_message *packet)
{
	bool opening = packet->type == CHAN_OPEN_CONFIRMATION ||
	    packet->type == CHAN_OPEN_FAILURE;

	if (nodelay->state == NODELAY_OVER ||
	    packet->channel != NODELAY_CHANNEL ||
	    opening != (nodelay->state == NODELAY_OPENING))
		return -EPROTO;
	switch (packet->type) {
	case CHAN_OPEN_CONFIRMATION:
		nodelay_confirmed(nodelay, packet);
		break;
	case CHAN_OPEN_FAILURE:
		nodelay_refused(nodelay, packet);
		break;
	case CHAN_SUCCESS:
		nodelay->state = NODELAY_OPEN;
		nodelay_tell(nodelay, NULL);
		break;
	case CHAN_FAILURE:
		nodelay->state = NODELAY_OPEN;
		nodelay_close(nodelay);
		nodelay_tell(nodelay, "sshd has no subsystem sftp");
		break;
	case CHAN_DATA:
	case CHAN_EXTENDED_DATA:
		nodelay_data(nodelay, packet);
		break;
	case CHAN_REQUEST:
		nodelay_requested(nodelay, packet);
		break;
	case CHAN_EOF:
		*nodelay->sends_eof = true;
		break;
	case CHAN_CLOSE:
		nodelay_closed(nodelay);
		break;
	default:
		break;
	}
	return 0;
}

static int
nodelay_message(void *ctx, const uint8_t *bytes, size_t len)
{
	struct chan_message packet;
	int err = chan_parse(bytes, len, &packet);

	return err != 0 ? err : nodelay_packet(ctx, &packet);
}

static void
nodelay_lost(void *ctx, int err)
{
	struct nodelay *nodelay = ctx;

	nodelay->conn = NULL;
	if (nodelay->state != NODELAY_OVER)
		nodelay_over(nodelay, "ssh closed its control socket");
}

static const struct conn_handler nodelay_conn_handler = {
	.up = nodelay_up,
	.message = nodelay_message,
	.lost = nodelay_lost,
};

int
nodelay_new(uv_loop_t *loop, const char *path, const char *command,
    bool *sends_eof, const struct nodelay_handler *handler, void *ctx,
    struct nodelay **ret)
{
	struct nodelay *nodelay = calloc(1, sizeof(*nodelay));
	int err;

	if (nodelay == NULL)
		return -ENOMEM;
	nodelay->loop = loop;
	nodelay->sends_eof = sends_eof;
	nodelay->command = command;
	nodelay->handler = handler;
	nodelay->ctx = ctx;
	err = conn_new(loop, path, true, &nodelay_conn_handler, nodelay,
	    &nodelay->conn);
	if (err != 0) {
		free(nodelay);
		return err;
	}
	*ret = nodelay;
	return 0;
}

void
nodelay_keep(struct nodelay *nodelay)
{
	nodelay->keep = true;
}

void
nodelay_free(struct nodelay *nodelay)
{
	if (nodelay == NULL)
		return;
	conn_free(nodelay->conn);
	free(nodelay);
}
