/*
 * A session's transfers: those that run, and the record of each.
 */
#include <nettle/base16.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tunnel/session.h"
#include "tunnel/transfer_log.h"

#define DIGEST_TEXT_MAX (2 * SHA256_DIGEST_SIZE + 1)

/* The peer to which the bytes go. */
static enum engine_peer
transfer_peer(const struct engine_report *report)
{
	return report->upload ? ENGINE_SERVER : ENGINE_CLIENT;
}

/* The transfer of that action, or NULL.  *ret_conn: its data connection; NULL
 * if that does not pass through culvert. */
static struct dataconn_transfer *
transfer_find(struct session *session, const struct engine_action *action,
    struct dataconn **ret_conn)
{
	*ret_conn = NULL;
	if (action->data == 0)
		return &session->elsewhere;
	*ret_conn = dataconn_find(session, action->data);
	return *ret_conn != NULL ? &(*ret_conn)->transfer : NULL;
}

void
transfer_begin(struct session *session, const struct engine_action *action)
{
	const struct engine_report *report = &action->report;
	struct dataconn *conn;
	struct dataconn_transfer *transfer =
	    transfer_find(session, action, &conn);

	session_set_user(session, report->user);
	if (transfer == NULL || transfer->running)
		return;
	transfer->name = strdup(report->name);
	if (transfer->name == NULL)
		return;
	transfer->running = true;
	transfer->began_at = uv_now(session->options->loop);
	transfer->losses = side_losses_of(session->target.side,
	    session->control[ENGINE_SERVER].stream);
	/* A data connection with framing carries several transfers. */
	if (report->framed && conn != NULL)
		transfer->before = conn->end[transfer_peer(report)].out.sent;
	transfer->report = *report;
	transfer->report.name = transfer->name;
	transfer->report.user = NULL;
	transfer->report.why = NULL;
}

void
transfer_forget(struct dataconn_transfer *transfer)
{
	free(transfer->name);
	*transfer = (struct dataconn_transfer) { .running = false };
}

/* The SHA-256 of what has gone to that end since the last call. */
static const char *
transfer_digest(struct dataconn_end *end, char text[DIGEST_TEXT_MAX])
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(&end->out.digest, sizeof(digest), digest);
	base16_encode_update(text, sizeof(digest), digest);
	text[DIGEST_TEXT_MAX - 1] = '\0';
	return text;
}

/* Those of the transfer alone. */
static struct side_losses
transfer_losses(const struct session *session,
    const struct dataconn_transfer *transfer)
{
	struct side_losses losses = side_losses_of(session->target.side,
	    session->control[ENGINE_SERVER].stream);

	if (transfer == NULL || !transfer->running ||
	    losses.n <= transfer->losses.n)
		return (struct side_losses) { .n = 0 };
	losses.n -= transfer->losses.n;
	losses.ms -= transfer->losses.ms;
	return losses;
}

static void
write_record(const struct session *session, const struct engine_report *report,
    const struct dataconn_transfer *transfer, struct dataconn *conn)
{
	const struct tunnel_options *options = session->options;
	struct record record = {
		.seconds = -1,
		.origin = &session->log.origin,
		.report = report,
		.losses = transfer_losses(session, transfer),
		.server = session->chosen[0] != '\0' ? session->chosen : NULL,
	};
	char digest[DIGEST_TEXT_MAX];

	clock_gettime(CLOCK_REALTIME, &record.time);
	if (transfer != NULL && transfer->running)
		record.seconds =
		    (double)(uv_now(options->loop) - transfer->began_at) / 1000;
	/* With framing, not all bytes belong to the file. */
	if (conn != NULL && !report->framed &&
	    report->client.verb != VERB_OTHER)
		record.sha256 =
		    transfer_digest(&conn->end[transfer_peer(report)], digest);
	transfer_log_write(options->log, &record);
}

void
transfer_report(struct session *session, const struct engine_action *action)
{
	const struct engine_report *report = &action->report;
	struct dataconn *conn;
	struct dataconn_transfer *transfer =
	    transfer_find(session, action, &conn);
	struct side_losses losses;

	session_set_user(session, report->user);
	session->tunnel->stats
	    .transfers[transfer_peer(report)][report->outcome]++;
	losses = transfer_losses(session, transfer);
	session_log_report(session, report, &losses);
	if (session->options->log != NULL)
		write_record(session, report, transfer, conn);
	if (transfer != NULL)
		transfer_forget(transfer);
	if (session->target.idle_ms > 0)
		uv_timer_again(&session->timers[CLOCK_UNUSED]);
}

/* ---- what is to be seen from outside ---- */

static void
describe_transfer(const struct session *session,
    const struct dataconn_transfer *transfer, uint64_t sent,
    struct session_info *ret)
{
	if (!transfer->running || ret->n_transfers == SESSION_TRANSFERS_MAX)
		return;
	ret->transfers[ret->n_transfers++] = (struct transfer_info) {
		.report = &transfer->report,
		.bytes = sent > transfer->before ? sent - transfer->before : 0,
		.ms = uv_now(session->options->loop) - transfer->began_at,
	};
}

void
session_describe(const struct session *session, struct session_info *ret)
{
	const struct dataconn *conn;

	ret->number = session->log.origin.session;
	ret->client = session->log.peer_text;
	ret->server = session->chosen;
	ret->user = session->user != NULL ? session->user : "";
	ret->ms = uv_now(session->options->loop) - session->began_at;
	ret->n_transfers = 0;
	describe_transfer(session, &session->elsewhere, 0, ret);
	LIST_FOREACH (conn, &session->data, link)
		describe_transfer(session, &conn->transfer,
		    conn->end[transfer_peer(&conn->transfer.report)].out.sent,
		    ret);
}
