/*
 * A session's transfers: those that run, and the record of each.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tunnel/session_log.h"
#include "tunnel/session_priv.h"
#include "tunnel/transfer_log.h"

/* The one that uses that data connection, or the place of one more. */
static struct session_transfer *
session_transfer_find(struct session *session, bool running, uint32_t data)
{
	struct session_transfer *transfer;

	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++) {
		transfer = &session->transfers[i];
		if (transfer->running == running &&
		    (!running || transfer->data == data))
			return transfer;
	}
	return NULL;
}

/* To whom the bytes go. */
static enum engine_peer
peer_of(const struct engine_report *report)
{
	return report->upload ? ENGINE_SERVER : ENGINE_CLIENT;
}

static void
begin(struct session *session, const struct engine_action *action)
{
	struct session_transfer *transfer =
	    session_transfer_find(session, false, 0);

	if (transfer == NULL)
		return; /* pipelined without data connections of ours */
	transfer->name = strdup(action->report.name);
	if (transfer->name == NULL)
		return;
	transfer->running = true;
	transfer->data = action->data;
	transfer->began_at = uv_now(session->options->loop);
	/* In block mode a data connection carries one after the other. */
	if (action->report.framed)
		transfer->before = session_data_sent(session, action->data,
		    peer_of(&action->report));
	transfer->report = action->report;
	transfer->report.name = transfer->name;
	transfer->report.user = NULL;
	transfer->report.why = NULL;
}

static void
session_transfer_forget(struct session_transfer *transfer)
{
	free(transfer->name);
	*transfer = (struct session_transfer) { .running = false };
}

static void
write_record(struct session *session, const struct engine_action *action,
    const struct session_transfer *transfer)
{
	const struct session_options *options = session->options;
	const struct engine_report *report = &action->report;
	struct record record = {
		.seconds = -1,
		.origin = &session->origin,
		.report = report,
	};
	char digest[DATACONN_DIGEST_MAX];

	if (options->log == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &record.time);
	if (transfer != NULL)
		record.seconds =
		    (double)(uv_now(options->loop) - transfer->began_at) / 1000;
	/* What has other bytes between the file's has another digest. */
	if (!report->framed && report->client.verb != VERB_OTHER)
		record.sha256 = session_data_digest(session, action->data,
		    peer_of(report), digest);
	transfer_log_write(options->log, &record);
}

void
session_transfer_act(struct session *session,
    const struct engine_action *action)
{
	struct session_transfer *transfer;

	const struct engine_report *report = &action->report;

	session_transfer_user(session, report->user);
	if (action->type == ENGINE_BEGIN) {
		begin(session, action);
		return;
	}
	transfer = session_transfer_find(session, true, action->data);
	session->options->stats->transfers[peer_of(report)][report->outcome]++;
	session_log_report(&session->origin, &action->report);
	write_record(session, action, transfer);
	if (transfer != NULL)
		session_transfer_forget(transfer);
}

void
session_transfer_user(struct session *session, const char *user)
{
	if (session->user != NULL && strcmp(session->user, user) == 0)
		return;
	free(session->user);
	session->user = strdup(user);
}

static void
describe_transfer(const struct session *session,
    const struct session_transfer *transfer, struct transfer_info *ret)
{
	const struct engine_report *report = &transfer->report;
	uint64_t sent =
	    session_data_sent(session, transfer->data, peer_of(report));

	*ret = (struct transfer_info) {
		.verb = report->verb,
		.name = report->name,
		.upload = report->upload,
		.bytes = sent > transfer->before ? sent - transfer->before : 0,
		.size = report->size,
		.offset = report->offset,
		.ms = uv_now(session->options->loop) - transfer->began_at,
		.client = report->client,
		.server = report->server,
	};
}

void
session_describe(const struct session *session, struct session_info *ret)
{
	ret->number = session->origin.session;
	ret->client = session->peer_text;
	ret->user = session->user != NULL ? session->user : "";
	ret->ms = uv_now(session->options->loop) - session->began_at;
	ret->n_transfers = 0;
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (session->transfers[i].running)
			describe_transfer(session, &session->transfers[i],
			    &ret->transfers[ret->n_transfers++]);
}

void
session_transfer_end(struct session *session)
{
	free(session->user);
	session->user = NULL;
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		session_transfer_forget(&session->transfers[i]);
}
