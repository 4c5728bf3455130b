/*
 * The control engine: host-ports of the server that reach the client unchanged.
 *
 * The host-port in a reply to PASV or EPSV is replaced.  But a client may take
 * another line for such a reply: a line within a reply that the client takes
 * for ended, the reply to another command, or a line in which only the client
 * sees the code.  Its data connection would then not go through SSH, or fail.
 * So each line of the server that is about to pass is examined here as the most
 * lenient client would read it, and a host-port is logged.
 */
#include "engine/priv.h"
#include "ftp/hostport.h"

#define IAC 0xff

/* Bytes of the line in the log. */
#define QUOTED_MAX 100

/* BSD's ftp removes Telnet commands anywhere in a line, IAC IAC included.
 * *ret_ends: as in line_telnet_strip(). */
static size_t
strip(const uint8_t *line, size_t len, uint8_t *text, bool *ret_ends)
{
	size_t n = 0, text_len = line_telnet_strip(line, len, text, ret_ends);

	for (size_t i = 0; i < text_len; i++)
		if (text[i] != IAC && text[i] != '\0')
			text[n++] = text[i];
	return n;
}

/* Returns the code of a line with a host-port, or of one that may become such a
 * line when it goes on (more); else 0.  Python's ftplib reads only the three
 * digits. */
static unsigned
own_code(const uint8_t *text, size_t len, bool more)
{
	if (len > 0 && len < 3)
		return more && text[0] == '2' && text[len - 1] == '2' ? 227 : 0;
	if (len == 0 || text[0] != '2' || text[1] != '2' || text[2] < '7' ||
	    text[2] > '9')
		return 0;
	return 227 + (unsigned)(text[2] - '7');
}

/* Returns the code with which a client would read a line that has none of its
 * own.  Some clients (wget) take any 2xx for a successful reply to PASV. */
static unsigned
code_in_context(const struct engine *engine, unsigned code)
{
	const struct exchange *replying = engine->reply.exchange;

	if (match_announces(code) || code < 200 || code >= 300 ||
	    replying == NULL || (replying->flags & VERB_IS_PASSIVE) == 0)
		return code;
	return replying->verb == VERB_EPSV ? 229 : 227;
}

/* more: the line goes on after these bytes. */
static bool
has_hostport(const uint8_t *line, size_t len, unsigned code, bool more)
{
	uint8_t text[LIMIT_REPLY_LINE];
	size_t at = 0, end, text_len;
	unsigned own;
	bool ends, last;

	text_len = strip(line, len, text, &ends);
	/* BSD's ftp ignores a line end within a Telnet command. */
	more |= len > 0 && line[len - 1] == '\n' && !ends;
	if (more && match_announces(code))
		return true;
	/* For Python's ftplib a lone CR is a line end. */
	for (; at < text_len; at = end + 1) {
		end = at;
		while (end < text_len && text[end] != '\r' && text[end] != '\n')
			end++;
		last = end == text_len;
		own = own_code(text + at, end - at, more && last);
		if (own != 0 && more && last)
			return true;
		if (hostport_is_likely(own != 0 ? own : code, text + at,
			end - at))
			return true;
	}
	return false;
}

void
hostport_check(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len, bool more)
{
	if (!has_hostport(line, len, code_in_context(engine, code), more))
		return;
	engine_logf(engine, ENGINE_WARN,
	    "passed the line \"%.*s\" unchanged: a client may read an address "
	    "and port in it, and a data connection there would bypass SSH",
	    (int)(line_text_len(line, len) < QUOTED_MAX ?
		    line_text_len(line, len) :
		    QUOTED_MAX),
	    (const char *)line);
}

void
hostport_pass(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len)
{
	bool more = len == LIMIT_REPLY_LINE && line[len - 1] != '\n';

	/* "227 40000" answers SPSV: such a reply has a host-port, in whatever
	 * syntax. */
	more |= match_announces(code) && engine->reply.how == PASS &&
	    engine_open_code(engine) == 0;
	hostport_check(engine, code, line, len, more);
	engine_send(engine, ENGINE_CLIENT, line, len);
}
