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
	static const enum verb verbs[] = { VERB_PORT, VERB_EPRT };
	struct hostport a = { 0 }, b = { 0 };
	char text[HOSTPORT_TEXT_MAX];
	uint8_t line[2048];
	unsigned what = len > 0 ? bytes[0] % 5 : 0, code = 225 + what;

	if (len < 1 || len > 1024 ||
	    (what < 2 ?
		    hostport_parse_command(verbs[what], bytes + 1, len - 1,
			&a) :
		    hostport_parse_reply(code, bytes + 1, len - 1, &a)) != 0)
		return 0;
	assert(a.addr.port != 0 && a.at + a.len <= len - 1);
	if (what < 2) {
		assert(!hostport_format_command(verbs[what], &a.addr, text));
		assert(!hostport_parse_command(verbs[what], (uint8_t *)text,
		    strlen(text), &b));
	} else {
		assert(hostport_is_likely(code, bytes + 1, len - 1));
		a.addr.port |= 0x8000; /* as a listener's would be */
		hostport_format_reply(code, &a.addr, text);
		memcpy(line, bytes + 1, a.at);
		memcpy(line + a.at, text, strlen(text));
		memcpy(line + a.at + strlen(text), bytes + 1 + a.at + a.len,
		    len - 1 - a.at - a.len);
		len = len - 1 - a.len + strlen(text);
		assert(!hostport_parse_reply(code, line, len, &b));
	}
	assert(b.at == a.at && b.addr.family == a.addr.family &&
	    b.addr.port == a.addr.port &&
	    !memcmp(b.addr.ip, a.addr.ip, sizeof(a.addr.ip)));
	return 0;
}
