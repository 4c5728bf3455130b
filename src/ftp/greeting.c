/*
 * Recognizes servers of other protocols.
 */
#include "ftp/greeting.h"

#include <string.h>

#include "ftp/line.h"

bool
greeting_is_foreign(const uint8_t *line, size_t len)
{
	static const char *const words[] = { "SSH-", "HTTP/", "RFB ", "+OK",
		"-ERR", "* OK", "* BYE", "* PREAUTH", "@RSYNCD:", "<!DOCTYPE",
		"<html", "<?xml", "AMQP", "\x15\x03", "\x16\x03" };
	size_t end = line_text_len(line, len);
	size_t at = line_telnet_prefix(line, end);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (end - at >= strlen(words[i]) &&
		    memcmp(line + at, words[i], strlen(words[i])) == 0)
			return true;
	/* Permitted: CR NUL (Telnet), and BEL to CR and ESC (terminals). */
	for (; at < end; at++)
		if (line[at] < ' ' && !(line[at] >= '\a' && line[at] <= '\r') &&
		    line[at] != '\x1b' &&
		    !(line[at] == '\0' && at > 0 && line[at - 1] == '\r'))
			return true;
	return false;
}

const char *
greeting_quote(const uint8_t *line, size_t len, char text[GREETING_QUOTE_MAX])
{
	size_t end = line_text_len(line, len);
	size_t at = line_telnet_prefix(line, end), n = 0;

	for (; at < end && n < GREETING_QUOTE_MAX - 1; at++)
		text[n++] =
		    line[at] >= ' ' && line[at] <= '~' && line[at] != '"' ?
		    (char)line[at] :
		    '?';
	text[n] = '\0';
	return text;
}
