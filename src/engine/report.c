/*
 * The control engine: reports about transfers, for the owner and for users; and
 * whether a transfer has the announced size.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "engine/priv.h"

/* ---- what is kept for reports ---- */

/* The type before the first TYPE (RFC 959 section 5.1). */
#define TYPE_AT_FIRST 'A'

static void
report_take_text(char **where, struct exchange *exchange)
{
	free(*where);
	*where = exchange->text;
	exchange->text = NULL;
}

/* "ALLO 1234" and "ALLO 1234 R 80" (RFC 959 section 4.1.3).  The reply of the
 * server does not matter.  A size of 0 means nothing. */
void
report_allo(struct engine *engine, const char *argument, size_t len)
{
	const char *blank = memchr(argument, ' ', len);
	uint64_t size;

	if (blank != NULL)
		len = (size_t)(blank - argument);
	engine->session.allo = -1;
	if (num_parse(argument, len, INT64_MAX, &size) == 0 && size > 0)
		engine->session.allo = (int64_t)size;
}

static void
forget_size(struct engine *engine)
{
	free(engine->session.size_name);
	engine->session.size_name = NULL;
}

/* After such a command, the file of the last SIZE may have changed, or its name
 * may mean another file. */
static bool
changes_files(const struct exchange *exchange, unsigned code)
{
	if (!exchange_is_of(exchange, PARTY_CLIENT))
		return false;
	if ((exchange->flags & VERB_SENDS) != 0)
		return true;
	return code < 400 &&
	    ((exchange->flags & VERB_READS) == 0 ||
		(exchange->flags & VERB_MOVES) != 0);
}

void
report_command(struct engine *engine, struct exchange *exchange, unsigned code)
{
	char type = engine->session.type;

	if (changes_files(exchange, code))
		forget_size(engine);
	if (exchange->verb == VERB_USER && code < 400) {
		report_take_text(&engine->session.user, exchange);
	} else if (exchange->verb == VERB_TYPE && code < 300 &&
	    exchange->text != NULL) {
		engine->session.type =
		    (char)toupper((unsigned char)exchange->text[0]);
		/* RFC 3659 section 4: the size depends on the type. */
		if (engine->session.type != type)
			forget_size(engine);
	} else if (exchange->verb == VERB_SIZE) {
		forget_size(engine);
		if (exchange->size < 0)
			return;
		report_take_text(&engine->session.size_name, exchange);
		engine->session.size = exchange->size;
	}
}

void
report_forget(struct engine *engine)
{
	free(engine->session.user);
	engine->session.user = NULL;
	engine->session.type = TYPE_AT_FIRST;
	engine->session.allo = -1;
}

/* "213 1234", RFC 3659 section 4. */
static int64_t
size_of_213(const uint8_t *line, size_t len)
{
	size_t at = line_telnet_prefix(line, len) + 4;
	size_t end = line_text_len(line, len);
	uint64_t size;

	while (end > at && line[end - 1] == ' ')
		end--;
	if (end <= at ||
	    num_parse((const char *)line + at, end - at, INT64_MAX, &size) != 0)
		return -1;
	return (int64_t)size;
}

/* "150 Opening BINARY mode data connection for x (1234 bytes)."  This is no
 * standard, but nearly all servers send it. */
static int64_t
size_of_150(const uint8_t *line, size_t len)
{
	static const char bytes[] = " byte";
	const char *text = (const char *)line;
	uint64_t size;

	for (size_t at = line_text_len(line, len); at > 0; at--) {
		size_t n = 0;

		if (text[at - 1] != '(')
			continue;
		while (
		    at + n < len && text[at + n] >= '0' && text[at + n] <= '9')
			n++;
		if (at + n + strlen(bytes) <= len &&
		    memcmp(text + at + n, bytes, strlen(bytes)) == 0 &&
		    num_parse(text + at, n, INT64_MAX, &size) == 0)
			return (int64_t)size;
	}
	return -1;
}

/* Does the name of the file look like such a size?  Most servers repeat the
 * name in the reply. */
static bool
names_size(const struct exchange *transfer)
{
	const char *name = transfer->text;

	return name != NULL &&
	    size_of_150((const uint8_t *)name, strlen(name)) >= 0;
}

void
report_reply_line(struct exchange *exchange, unsigned code, const uint8_t *line,
    size_t len)
{
	if (exchange->verb == VERB_SIZE && code == 213)
		exchange->size = size_of_213(line, len);
	else if (exchange_is_transfer(exchange) && (code == 125 || code == 150))
		exchange->size =
		    names_size(exchange) ? -1 : size_of_150(line, len);
}

/* ---- the reports ---- */

/* The server has replied 2xx, and the client got an error. */
static bool
is_disbelieved(unsigned server_code, unsigned client_code)
{
	return server_code >= 200 && server_code < 300 && client_code >= 400;
}

static enum engine_outcome
outcome_of(const struct exchange *transfer, const struct data *data,
    unsigned server_code, unsigned client_code)
{
	bool taken = server_code < 300; /* also 0 and a second 150 */

	if ((data != NULL && data_is_cut(data)) ||
	    is_disbelieved(server_code, client_code))
		return taken && exchange_is_upload(transfer) ?
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

/* RFC 959 section 3.4: only in stream mode the data are just the bytes of the
 * file. */
static bool
is_framed(const struct engine *engine, const struct data *data)
{
	/* In block mode the data connection may have carried other files
	 * before. */
	return engine->session.mode != 'S' ||
	    engine->session.structure == 'R' ||
	    (data != NULL &&
		(data->client.before > 0 || data->server.before > 0));
}

static int64_t
size_asked(const struct engine *engine, const struct exchange *transfer)
{
	if (engine->session.size_name == NULL || transfer->text == NULL ||
	    strcmp(engine->session.size_name, transfer->text) != 0)
		return -1;
	return engine->session.size;
}

static bool
is_text(const struct engine *engine)
{
	return engine->session.type != 'I' && engine->session.type != 'L';
}

/*
 * The size in ALLO may be larger than the file, but clients that send it use
 * the size of the file.  If more bytes have come, it was wrong and proves
 * nothing.
 */
static enum report_size
size_of_upload(const struct engine *engine, const struct exchange *transfer)
{
	const struct data *data = transfer->data;
	uint64_t bytes = data != NULL ? data_relayed(data, ENGINE_SERVER) : 0;

	if (data == NULL || transfer->move.allo < 0 || is_text(engine) ||
	    is_framed(engine, data) || transfer->verb == VERB_APPE ||
	    transfer->rest != NULL || bytes > (uint64_t)transfer->move.allo)
		return SIZE_UNKNOWN;
	return bytes == (uint64_t)transfer->move.allo ? SIZE_WHOLE : SIZE_SHORT;
}

/*
 * After a REST, the first reply of some servers has the size of the file, that
 * of others the size of the rest; the reply to SIZE always has that of the
 * file.  Without a REST, the first reply is newer than the reply to SIZE.  The
 * size of a text differs from the bytes on the wire, unless it is 0.  The size
 * of a directory is not that of a listing.  If more bytes have come than the
 * announced size, the size is not known.
 */
enum report_size
report_size(const struct engine *engine, const struct exchange *transfer)
{
	const struct data *data = transfer->data;
	int64_t first = transfer->size, asked = size_asked(engine, transfer);
	uint64_t offset = 0, bytes, size;
	bool whole;

	if (exchange_is_upload(transfer))
		return size_of_upload(engine, transfer);
	if (transfer->verb != VERB_RETR || is_framed(engine, data) ||
	    (first < 0 && asked < 0) ||
	    (transfer->rest != NULL &&
		num_parse_text(transfer->rest, INT64_MAX, &offset) != 0))
		return SIZE_UNKNOWN;
	bytes = data != NULL ? data_relayed(data, ENGINE_CLIENT) : 0;
	if (first >= 0 && (offset == 0 || asked < 0)) {
		size = (uint64_t)first;
		whole = bytes == size ||
		    (offset > 0 && bytes > 0 && bytes + offset == size);
	} else {
		size = (uint64_t)asked;
		bytes += offset;
		whole = bytes == size;
	}
	if ((is_text(engine) && size > 0) || bytes > size)
		return SIZE_UNKNOWN;
	return whole ? SIZE_WHOLE : SIZE_SHORT;
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
	ret->framed = is_framed(engine, data);
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
	    outcome_of(transfer, data, server_code, client_code);
	attach(engine, action, transfer, why);
}
