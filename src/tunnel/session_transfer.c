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
find(struct session *session, bool running, uint32_t data)
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

static void
begin(struct session *session, const struct engine_action *action)
{
	struct session_transfer *transfer = find(session, false, 0);

	if (transfer == NULL)
		return; /* pipelined without data connections of ours */
	transfer->name = strdup(action->report.name);
	if (transfer->name == NULL)
		return;
	transfer->running = true;
	transfer->data = action->data;
	transfer->began_at = uv_now(session->options->loop);
	transfer->report = action->report;
	transfer->report.name = transfer->name;
	transfer->report.user = NULL;
	transfer->report.why = NULL;
}

static void
forget(struct session_transfer *transfer)
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
		    report->upload ? ENGINE_SERVER : ENGINE_CLIENT, digest);
	transfer_log_write(options->log, &record, uv_now(options->loop));
}

void
session_transfer_act(struct session *session,
    const struct engine_action *action)
{
	struct session_transfer *transfer;

	if (action->type == ENGINE_BEGIN) {
		begin(session, action);
		return;
	}
	transfer = find(session, true, action->data);
	session_log_report(&session->origin, &action->report);
	write_record(session, action, transfer);
	if (transfer != NULL)
		forget(transfer);
}

void
session_transfer_end(struct session *session)
{
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		forget(&session->transfers[i]);
}
