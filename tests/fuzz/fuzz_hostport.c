/*
 * Host-ports: what was found, formatted and put in its place, is found again.
 * The first byte of the input chooses what the rest is.
 */
#include <assert.h>
#include <string.h>

#include "ftp/hostport.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const enum verb verbs[] = { VERB_PORT, VERB_EPRT, VERB_LPRT };
	struct hostport found = { 0 }, again = { 0 };
	char text[HOSTPORT_TEXT_MAX], line[2048];
	unsigned what = len > 0 ? bytes[0] % 6 : 0, code = 224 + what;

	if (len < 1 || len > 1024)
		return 0;
	memcpy(line, ++bytes, --len);
	if (what < 3) {
		if (hostport_parse_command(verbs[what], bytes, len, &found))
			return 0;
		assert(
		    !hostport_format_command(verbs[what], &found.addr, line));
		assert(!hostport_parse_command(verbs[what], (uint8_t *)line,
		    strlen(line), &again));
	} else {
		if (hostport_parse_reply(code, bytes, len, &found))
			return 0;
		assert(found.len > 0 && found.at + found.len <= len);
		hostport_format_reply(code, &found.addr, text);
		memcpy(line + found.at, text, strlen(text));
		len -= found.at + found.len;
		memcpy(line + found.at + strlen(text),
		    bytes + found.at + found.len, len);
		assert(!hostport_parse_reply(code, (uint8_t *)line,
		    found.at + strlen(text) + len, &again));
	}
	assert(found.addr.port != 0 && again.at == found.at);
	assert(again.addr.family == found.addr.family);
	assert(!memcmp(again.addr.ip, found.addr.ip, sizeof(found.addr.ip)));
	assert(again.addr.port == found.addr.port);
	return 0;
}
