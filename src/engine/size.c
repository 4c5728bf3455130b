/*
 * The control engine: the sizes of files, and whether a transfer has the
 * announced size.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "engine/priv.h"

/* ---- what is kept ---- */

/* The type before the first TYPE (RFC 959 section 5.1). */
#define TYPE_AT_FIRST 'A'

/* "ALLO 1234" and "ALLO 1234 R 80" (RFC 959 section 4.1.3).  The reply of the
 * server does not matter.  A size of 0 means nothing. */
void
size_note_allo(struct engine *engine, const char *argument, size_t len)
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
size_note_command(struct engine *engine, struct exchange *exchange,
    unsigned code)
{
	char type = engine->session.type;

	if (changes_files(exchange, code))
		forget_size(engine);
	if (exchange->verb == VERB_TYPE && code < 300 &&
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
		engine->session.size_name = exchange->text;
		exchange->text = NULL;
		engine->session.size = exchange->size;
	}
}

void
size_forget(struct engine *engine)
{
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
size_note_reply(struct exchange *exchange, unsigned code, const uint8_t *line,
    size_t len)
{
	if (exchange->verb == VERB_SIZE && code == 213)
		exchange->size = size_of_213(line, len);
	else if (exchange_is_transfer(exchange) && match_begins_transfer(code))
		exchange->size =
		    names_size(exchange) ? -1 : size_of_150(line, len);
}

/* ---- the size of a transfer ---- */

/* RFC 959 section 3.4: only in stream mode the data are just the bytes of the
 * file. */
bool
size_is_framed(const struct engine *engine, const struct data *data)
{
	/* In block mode the data connection may have carried other files
	 * before. */
	return engine->session.mode != 'S' ||
	    engine->session.structure == 'R' ||
	    (data != NULL &&
		(data->client.before > 0 || data->server.before > 0));
}

int64_t
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
static enum size_check
size_of_upload(const struct engine *engine, const struct exchange *transfer)
{
	const struct data *data = transfer->data;
	uint64_t bytes = data != NULL ? data_relayed(data, ENGINE_SERVER) : 0;

	if (data == NULL || transfer->move.allo < 0 || is_text(engine) ||
	    size_is_framed(engine, data) || transfer->verb == VERB_APPE ||
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
enum size_check
size_check(const struct engine *engine, const struct exchange *transfer)
{
	const struct data *data = transfer->data;
	int64_t first = transfer->size, asked = size_asked(engine, transfer);
	uint64_t offset = 0, bytes, size;
	bool whole;

	if (exchange_is_upload(transfer))
		return size_of_upload(engine, transfer);
	if (transfer->verb != VERB_RETR || size_is_framed(engine, data) ||
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
