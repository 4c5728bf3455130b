/*
 * The control engine: reports about transfers, for the owner and for users.
 */
#include <string.h>

#include "base/num.h"
#include "engine/priv.h"

/* The server has replied 2xx, and the client got an error. */
static bool
is_disbelieved(unsigned server_code, unsigned client_code)
{
	return server_code >= 200 && server_code < 300 && client_code >= 400;
}

/* Can a part of the upload be on the server? */
static bool
may_leave_part(const struct engine *engine, const struct engine_report *report)
{
	bool whole = engine->config.stores_whole && report->offset == 0 &&
	    (report->verb == VERB_STOR || report->verb == VERB_STOU);

	return report->upload && !whole;
}

static enum engine_outcome
outcome_of(const struct engine *engine, const struct exchange *transfer,
    const struct data *data, const struct engine_report *report)
{
	unsigned server_code = report->server_code;
	unsigned client_code = report->client_code;
	bool taken = server_code < 300; /* also 0 and a second 150 */

	if ((data != NULL && data_is_cut(data)) ||
	    is_disbelieved(server_code, client_code))
		return taken && may_leave_part(engine, report) ?
		    ENGINE_TRUNCATED :
		    ENGINE_ABORTED;
	if (client_code >= 200 && client_code < 300)
		return ENGINE_COMPLETE;
	if (!exchange_has_begun(transfer) && server_code >= 400)
		return ENGINE_REFUSED;
	return ENGINE_ABORTED;
}

/* The command of the client, and the host-port in it or in our reply. */
static struct engine_way
client_way(const struct data *data)
{
	struct engine_way way = {
		.verb = variant_verb(data->own),
		.active = variant_is_active(data->own),
	};

	way.at = way.active ? data->client.how.to : *data_told(data);
	return way;
}

/* Our command to the server, and the host-port in it or in its reply. */
static struct engine_way
server_way(const struct data *data)
{
	const struct addr *v6 = &data->server.v6;
	struct engine_way way = {
		.verb = variant_verb(data->variant),
		.active = variant_is_active(data->variant),
	};

	if (!way.active)
		way.at = data->server.how.to;
	else if (variant_family(data->variant) == AF_INET6)
		way.at = *v6;
	else
		way.at = data->server.v4;
	return way;
}

/* Fills in what is known before the transfer ends. */
static void
describe(const struct engine *engine, const struct exchange *transfer,
    const struct data *data, struct engine_report *ret)
{
	uint64_t offset;

	ret->verb = transfer->verb;
	ret->upload = exchange_is_upload(transfer);
	ret->size = transfer->size;
	ret->type = engine->session.type;
	if (ret->size < 0 && !ret->upload)
		ret->size = size_asked(engine, transfer);
	if (transfer->rest != NULL &&
	    num_parse_text(transfer->rest, INT64_MAX, &offset) == 0)
		ret->offset = offset;
	ret->framed = size_is_framed(engine, data);
	if (data == NULL)
		return;
	ret->client = client_way(data);
	ret->server = server_way(data);
}

static const char *
text_or_empty(const char *text)
{
	return text != NULL ? text : "";
}

static void
attach(struct engine *engine, struct engine_action *action,
    const struct exchange *transfer, const char *why)
{
	engine_attach_report(engine, action, text_or_empty(transfer->text), why,
	    text_or_empty(engine->session.user));
}

void
report_begin(struct engine *engine, const struct exchange *transfer)
{
	const struct data *data = transfer->data;
	struct engine_action *action = engine_act(engine, ENGINE_BEGIN);

	action->data = data != NULL ? data->number : 0;
	describe(engine, transfer, data, &action->report);
	attach(engine, action, transfer, data != NULL ? data->why : "");
}

void
report_end(struct engine *engine, const struct exchange *transfer,
    const struct data *data, unsigned server_code, unsigned client_code)
{
	bool upload = exchange_is_upload(transfer);
	struct engine_action *action;
	const char *why = "";

	if (data != NULL)
		why = data->why;
	else if (is_disbelieved(server_code, client_code))
		why = REPORT_NO_DATA;
	action = engine_act(engine, ENGINE_REPORT);
	action->data = data != NULL ? data->number : 0;
	describe(engine, transfer, data, &action->report);
	action->report.bytes = data == NULL ?
	    0 :
	    data_relayed(data, upload ? ENGINE_SERVER : ENGINE_CLIENT);
	action->report.server_code = server_code;
	action->report.client_code = client_code;
	action->report.outcome =
	    outcome_of(engine, transfer, data, &action->report);
	attach(engine, action, transfer, why);
}
