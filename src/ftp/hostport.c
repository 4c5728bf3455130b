/*
 * Reads and writes host-ports.  There are two notations: numbers separated by
 * commas (PORT, 227), and fields between delimiters (EPRT, 229).
 */
#include "ftp/hostport.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "ftp/line.h"

/* How many numbers a host-port has. */
#define NUMBERS_MAX 6

/* A sequence of numbers separated by commas, of any length. */
struct run {
	size_t at, end; /* of the first digit; after the last one */
	size_t count;	/* may exceed NUMBERS_MAX */
	bool fits;	/* every number is 0 to 255 */
	uint8_t numbers[NUMBERS_MAX];
};

static bool
is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
is_alpha(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool
hostport_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static size_t
skip_digits(const uint8_t *text, size_t len, size_t at)
{
	while (at < len && is_digit(text[at]))
		at++;
	return at;
}

static size_t
hostport_skip_blanks(const uint8_t *text, size_t len, size_t at)
{
	while (at < len && hostport_is_blank(text[at]))
		at++;
	return at;
}

static int
port_parse(const uint8_t *text, size_t len, uint16_t *ret)
{
	uint64_t port;

	if (num_parse((const char *)text, len, UINT16_MAX, &port) != 0 ||
	    port == 0)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* Finds the first run at or after start.  Returns false if there is no digit.
 */
static bool
run_find(const uint8_t *text, size_t len, size_t start, struct run *ret)
{
	uint64_t number;
	size_t at = start, end;

	while (at < len && !is_digit(text[at]))
		at++;
	*ret = (struct run) { .at = at, .end = at, .fits = true };
	while (at < len && is_digit(text[at])) {
		end = skip_digits(text, len, at);
		if (num_parse((const char *)text + at, end - at, UINT8_MAX,
			&number) != 0)
			ret->fits = false;
		else if (ret->count < NUMBERS_MAX)
			ret->numbers[ret->count] = (uint8_t)number;
		ret->count++;
		ret->end = end;
		at = hostport_skip_blanks(text, len, end);
		if (at == len || text[at] != ',')
			break;
		at = hostport_skip_blanks(text, len, at + 1);
	}
	return ret->count > 0;
}

/* Makes an address of a run: h1,h2,h3,h4,p1,p2. */
static int
run_addr(const struct run *run, struct addr *ret)
{
	struct addr addr = { .family = AF_INET };

	if (!run->fits || run->count != NUMBERS_MAX)
		return -EINVAL;
	memcpy(addr.ip, run->numbers, 4);
	addr.port = (uint16_t)(run->numbers[4] << 8 | run->numbers[5]);
	if (addr.port == 0)
		return -EINVAL;
	*ret = addr;
	return 0;
}

/* Reads an argument that must be one run, without blanks. */
static int
run_whole(const uint8_t *arg, size_t len, struct run *ret)
{
	for (size_t i = 0; i < len; i++)
		if (hostport_is_blank(arg[i]))
			return -EINVAL;
	if (!run_find(arg, len, 0, ret) || ret->at != 0 || ret->end != len)
		return -EINVAL;
	return 0;
}

/* Reads the address of an EPRT; protocol is 1 or 2. */
static int
eprt_addr(uint64_t protocol, const uint8_t *text, size_t len, struct addr *ret)
{
	char copy[ADDR_TEXT_MAX];
	const uint8_t *percent = memchr(text, '%', len);

	/* A scope id is valid only on the client's host. */
	if (protocol == 2 && percent != NULL)
		len = (size_t)(percent - text);
	if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return -EINVAL;
	if ((memchr(text, ':', len) != NULL) != (protocol == 2))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return addr_parse_ip(copy, ret);
}

/* Reads |protocol|address|port| (RFC 2428 section 2). */
static int
eprt_parse(const uint8_t *arg, size_t len, struct addr *ret)
{
	size_t starts[4], fields = 0; /* position after each delimiter */
	uint64_t protocol;
	uint16_t port;
	struct addr addr;

	if (len == 0 || arg[0] < 33 || arg[0] > 126)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (arg[i] != arg[0])
			continue;
		if (fields == 4)
			return -EINVAL;
		starts[fields++] = i + 1;
	}
	if (fields != 4 || starts[3] != len)
		return -EINVAL;
	if (num_parse((const char *)arg + starts[0], starts[1] - starts[0] - 1,
		UINT16_MAX, &protocol) != 0)
		return -EINVAL;
	if (protocol != 1 && protocol != 2)
		return -EAFNOSUPPORT;
	if (eprt_addr(protocol, arg + starts[1], starts[2] - starts[1] - 1,
		&addr) != 0 ||
	    port_parse(arg + starts[2], starts[3] - starts[2] - 1, &port) != 0)
		return -EINVAL;
	addr.port = port;
	*ret = addr;
	return 0;
}

int
hostport_parse_command(enum verb verb, const uint8_t *arg, size_t len,
    struct hostport *ret)
{
	struct run run;

	while (len > 0 && hostport_is_blank(arg[len - 1]))
		len--;
	if (verb == VERB_EPRT)
		return eprt_parse(arg, len, &ret->addr);
	if (verb != VERB_PORT || run_whole(arg, len, &run) != 0)
		return -EINVAL;
	return run_addr(&run, &ret->addr);
}

/* 227: finds the first run, from start on, that is a host-port. */
static int
numbers_parse(const uint8_t *text, size_t len, size_t start,
    struct hostport *ret)
{
	struct run run;
	struct addr addr;
	size_t at = start;

	for (; run_find(text, len, at, &run); at = run.end) {
		if (run_addr(&run, &addr) != 0)
			continue;
		ret->addr = addr;
		ret->at = run.at;
		ret->len = run.end - run.at;
		return 0;
	}
	return -EINVAL;
}

/*
 * Is this an empty or a filled-in network protocol and address of a 229?  They
 * must be empty (RFC 2428 section 3), but some servers fill them in.  Anything
 * else between delimiters is other text.
 */
static bool
is_filled(const uint8_t *text, size_t protocol_len, size_t addr_len)
{
	bool separated = addr_len == 0;

	if (protocol_len > 1 ||
	    (protocol_len == 1 && text[0] != '1' && text[0] != '2'))
		return false;
	text += protocol_len + 1;
	for (size_t i = 0; i < addr_len; i++) {
		if (text[i] == '.' || text[i] == ':')
			separated = true;
		else if (!is_digit(text[i]) && !is_alpha(text[i]) &&
		    text[i] != '%')
			return false;
	}
	return separated;
}

/*
 * Reads <d><d><d>port<d>, with the first delimiter <d> at text[at].  A letter
 * counts as a delimiter only after a bracket, and only if all four delimiters
 * are present.  A digit never counts, because the port that replaces this one
 * might contain it.
 */
static int
delimited_parse(const uint8_t *text, size_t len, size_t at, bool bracketed,
    struct hostport *ret)
{
	const uint8_t delimiter = text[at], *second, *third;
	bool letter = is_alpha(delimiter), closed;
	size_t start, end;
	uint16_t port;

	if (delimiter < 33 || delimiter > 126 || is_digit(delimiter) ||
	    (letter && !bracketed))
		return -EINVAL;
	second = memchr(text + at + 1, delimiter, len - at - 1);
	if (second == NULL)
		return -EINVAL;
	start = (size_t)(second - text) + 1;
	third = memchr(text + start, delimiter, len - start);
	if (third == NULL ||
	    !is_filled(text + at + 1, start - at - 2,
		(size_t)(third - text) - start))
		return -EINVAL;
	start = (size_t)(third - text) + 1;
	end = skip_digits(text, len, start);
	closed = end < len && text[end] == delimiter;
	if (!closed && (letter || (end < len && is_alpha(text[end]))))
		return -EINVAL;
	if (port_parse(text + start, end - start, &port) != 0)
		return -EINVAL;
	ret->addr = (struct addr) { .family = AF_UNSPEC, .port = port };
	ret->at = start;
	ret->len = end - start;
	return 0;
}

/* 229: looks for the port after each bracket, as in RFC 2428, and if there is
 * none, anywhere. */
static int
port_find(const uint8_t *text, size_t len, size_t start, struct hostport *ret)
{
	for (size_t at = start; at + 1 < len; at++)
		if (text[at] == '(' &&
		    delimited_parse(text, len, at + 1, true, ret) == 0)
			return 0;
	for (size_t at = start; at < len; at++)
		if (delimited_parse(text, len, at, false, ret) == 0)
			return 0;
	return -EINVAL;
}

/* Returns the position after "227 " or "227-"; inner lines have no code. */
static size_t
text_start(unsigned code, const uint8_t *line, size_t len)
{
	size_t at = line_telnet_prefix(line, len);
	uint64_t number;

	if (len - at > 3 && (line[at + 3] == ' ' || line[at + 3] == '-') &&
	    num_parse((const char *)line + at, 3, 999, &number) == 0 &&
	    number == code)
		return at + 4;
	return at;
}

int
hostport_parse_reply(unsigned code, const uint8_t *line, size_t len,
    struct hostport *ret)
{
	size_t text_len = line_text_len(line, len);
	size_t start = text_start(code, line, text_len);

	switch (code) {
	case 227:
		return numbers_parse(line, text_len, start, ret);
	case 229:
		return port_find(line, text_len, start, ret);
	default:
		return -EINVAL;
	}
}

/* Is this "(", three times the same byte, perhaps blanks, and a digit? */
static bool
is_bracketed(const uint8_t *text, size_t len)
{
	size_t at;

	if (len < 5 || text[0] != '(' || text[2] != text[1] ||
	    text[3] != text[1])
		return false;
	at = hostport_skip_blanks(text, len, 4);
	return at < len && is_digit(text[at]);
}

bool
hostport_is_likely(unsigned code, const uint8_t *text, size_t len)
{
	struct hostport hostport;
	struct run run;

	if (hostport_parse_reply(code, text, len, &hostport) == 0)
		return true;
	if (code == 227 || code == 228)
		for (size_t at = 0; run_find(text, len, at, &run); at = run.end)
			if (run.count >= 6)
				return true;
	for (size_t at = 0; code == 229 && at < len; at++)
		if (is_bracketed(text + at, len - at))
			return true;
	return false;
}

static void
format_short(const struct addr *addr, char text[HOSTPORT_TEXT_MAX])
{
	static const uint8_t none[4];
	const uint8_t *ip = addr->family == AF_INET ? addr->ip : none;

	snprintf(text, HOSTPORT_TEXT_MAX, "%u,%u,%u,%u,%u,%u", ip[0], ip[1],
	    ip[2], ip[3], addr->port >> 8, addr->port & 255);
}

int
hostport_format_command(enum verb verb, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX])
{
	struct addr plain = *addr;
	char ip[ADDR_TEXT_MAX];

	if (addr->family != AF_INET &&
	    (addr->family != AF_INET6 || verb == VERB_PORT))
		return -EAFNOSUPPORT;
	if (verb == VERB_PORT) {
		format_short(addr, text);
	} else if (verb == VERB_EPRT) {
		plain.scope = 0;
		snprintf(text, HOSTPORT_TEXT_MAX, "|%d|%s|%u|",
		    addr->family == AF_INET ? 1 : 2, addr_format_ip(&plain, ip),
		    addr->port);
	} else {
		return -EINVAL;
	}
	return 0;
}

void
hostport_format_reply(unsigned code, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX])
{
	if (code == 229)
		snprintf(text, HOSTPORT_TEXT_MAX, "%u", addr->port);
	else
		format_short(addr, text);
}
