/*
 * The control engine: host-ports of the server that reach the client as they
 * are.
 *
 * A reply to PASV or EPSV is rewritten because it answers one.  But a
 * client may take another line for such a reply: one within a reply that it
 * takes for ended, one that answers something else, one whose code only it can
 * see.  Its data connection would then not go through SSH, or fail.  So each
 * line of the server that is about to pass is looked at here, with the eyes of
 * the most lenient client, and nothing of the kind passes in silence.
 */
#include "engine/priv.h"
#include "ftp/hostport.h"

#define IAC 0xff

/* Of a line, in a log. */
#define QUOTED_MAX 100

/* BSD's ftp drops Telnet commands wherever they stand, and IAC IAC with them.
 * *ret_ends as line_telnet_strip() has it. */
static size_t
strip(const uint8_t *line, size_t len, uint8_t *text, bool *ret_ends)
{
	size_t n = 0, text_len = line_telnet_strip(line, len, text, ret_ends);

	for (size_t i = 0; i < text_len; i++)
		if (text[i] != IAC && text[i] != '\0')
			text[n++] = text[i];
	return n;
}

/* The code of a line that announces, or may once it goes on (more); else 0.
 * Python's ftplib looks at three digits and no further. */
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

/* The code by which a client would read a line without one of its own.  Some
 * (wget) take every 2xx for a good reply to PASV. */
static unsigned
code_in_context(const struct engine *engine, unsigned code)
{
	const struct exchange *replying = engine->reply.exchange;

	if (match_announces(code) || code < 200 || code >= 300 ||
	    replying == NULL || (replying->flags & VERB_IS_PASSIVE) == 0)
		return code;
	return replying->verb == VERB_EPSV ? 229 : 227;
}

/* more: the line goes on behind these bytes. */
static bool
has_hostport(const uint8_t *line, size_t len, unsigned code, bool more)
{
	uint8_t text[LIMIT_REPLY_LINE];
	size_t at = 0, end, text_len;
	unsigned own;
	bool ends, last;

	text_len = strip(line, len, text, &ends);
	/* A line end within a Telnet command is none for BSD's ftp. */
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
	    "passed \"%.*s\" as it is, in which a client may read a host-port: "
	    "a data connection to there would not go through SSH",
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

	/* "227 40000" answers SPSV: whatever shape it has, it is one. */
	more |= match_announces(code) && engine->reply.how == PASS &&
	    engine_open_code(engine) == 0;
	hostport_check(engine, code, line, len, more);
	engine_send(engine, ENGINE_CLIENT, line, len);
}
