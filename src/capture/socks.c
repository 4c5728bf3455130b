/*
 * The server's half of the handshake of SOCKS 5 and SOCKS 4.
 */
#include "capture/socks.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

/* ATYP (RFC 1928 section 5) */
enum {
	ATYP_IPV4 = 1,
	ATYP_NAME = 3,
	ATYP_IPV6 = 4,
};

/* The replies of SOCKS 4. */
enum {
	SOCKS4_GRANTED = 90,
	SOCKS4_REJECTED = 91,
};

#define METHOD_NONE 0
#define METHOD_NOT_ACCEPTABLE 0xff

/* Where the parts of a message are. */
#define SOCKS4_USER 8
#define SOCKS5_ADDRESS 4

/* ---- how long messages are ---- */

/* Returns the length of the message that begins so, or at least len + 1 if that
 * is not known yet. */
static size_t
greeting_len(const uint8_t *message, size_t len)
{
	return len < 2 ? len + 1 : 2 + (size_t)message[1];
}

static size_t
request5_len(const uint8_t *message, size_t len)
{
	if (len <= SOCKS5_ADDRESS)
		return len + 1;
	switch (message[3]) {
	case ATYP_IPV4:
		return SOCKS5_ADDRESS + 4 + 2;
	case ATYP_IPV6:
		return SOCKS5_ADDRESS + 16 + 2;
	case ATYP_NAME:
		return SOCKS5_ADDRESS + 1 + (size_t)message[4] + 2;
	default:
		return len; /* its length cannot be known */
	}
}

/* SOCKS 4A: the address 0.0.0.x says that a name follows the user. */
static bool
socks_has_name(const uint8_t *message)
{
	return message[4] == 0 && message[5] == 0 && message[6] == 0 &&
	    message[7] != 0;
}

static size_t
request4_len(const uint8_t *message, size_t len)
{
	const uint8_t *end;

	if (len <= SOCKS4_USER)
		return len + 1;
	end = memchr(message + SOCKS4_USER, '\0', len - SOCKS4_USER);
	if (end == NULL)
		return len + 1;
	if (!socks_has_name(message))
		return (size_t)(end - message) + 1;
	end++;
	end = memchr(end, '\0', len - (size_t)(end - message));
	return end == NULL ? len + 1 : (size_t)(end - message) + 1;
}

/* ---- what they say ---- */

/* A name is passed to a resolver and to the log: it has only what the name of a
 * host can have. */
static bool
socks_is_name(const char *name)
{
	if (*name == '\0' || *name == '-')
		return false;
	for (; *name != '\0'; name++)
		if ((*name < '0' || *name > '9') &&
		    (*name < 'a' || *name > 'z') &&
		    (*name < 'A' || *name > 'Z') &&
		    strchr("-._:", *name) == NULL)
			return false;
	return true;
}

/* False: it is no name. */
static bool
take_name(struct socks_request *request, const uint8_t *name, size_t len)
{
	struct addr addr;

	if (len >= SOCKS_HOST_MAX || memchr(name, '\0', len) != NULL)
		return false;
	memcpy(request->host, name, len);
	request->host[len] = '\0';
	return addr_parse_ip(request->host, &addr) == 0 ||
	    socks_is_name(request->host);
}

static void
socks_take_ip(struct socks_request *request, sa_family_t family,
    const uint8_t *ip)
{
	char text[ADDR_TEXT_MAX];
	struct addr addr = { .family = family };

	memcpy(addr.ip, ip, family == AF_INET ? 4 : 16);
	strcpy(request->host, addr_format_ip(&addr, text));
}

static uint16_t
port_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Chooses the method (RFC 1928 section 3). */
static enum socks_result
take_greeting(struct socks *socks, struct socks_out *ret)
{
	bool offered =
	    memchr(socks->message + 2, METHOD_NONE, socks->message[1]) != NULL;

	ret->bytes[ret->len++] = 5;
	ret->bytes[ret->len++] = offered ? METHOD_NONE : METHOD_NOT_ACCEPTABLE;
	socks->greeted = true;
	socks->len = 0;
	if (offered)
		return SOCKS_MORE;
	ret->why = "it does not offer to connect without authentication";
	return SOCKS_WRONG;
}

static enum socks_result
socks_reject(struct socks *socks, enum socks_code code, const char *why,
    struct socks_out *ret)
{
	static const struct addr none = { .family = AF_UNSPEC };

	ret->len += socks_reply(socks, code, &none, ret->bytes + ret->len);
	ret->why = why;
	return SOCKS_WRONG;
}

/* False: there is no such address. */
static bool
take_address5(struct socks_request *request, const uint8_t *message)
{
	const uint8_t *address = message + SOCKS5_ADDRESS;

	switch (message[3]) {
	case ATYP_IPV4:
		socks_take_ip(request, AF_INET, address);
		return true;
	case ATYP_IPV6:
		socks_take_ip(request, AF_INET6, address);
		return true;
	case ATYP_NAME:
		return take_name(request, address + 1, address[0]);
	default:
		return false;
	}
}

static bool
take_address4(struct socks_request *request, const uint8_t *message)
{
	const char *user = (const char *)message + SOCKS4_USER, *name;

	if (!socks_has_name(message)) {
		socks_take_ip(request, AF_INET, message + 4);
		return true;
	}
	name = user + strlen(user) + 1;
	return take_name(request, (const uint8_t *)name, strlen(name));
}

static enum socks_result
socks_take_request(struct socks *socks, struct socks_out *ret)
{
	const uint8_t *message = socks->message;
	bool five = socks->version == 5;

	if (message[0] != socks->version)
		return socks_reject(socks, SOCKS_FAILURE,
		    "its request has another version than its greeting", ret);
	if (message[1] != SOCKS_CONNECT && message[1] != SOCKS_BIND)
		return socks_reject(socks, SOCKS_BAD_COMMAND,
		    "its command is neither CONNECT nor BIND", ret);
	if (five ? !take_address5(&socks->request, message) :
		   !take_address4(&socks->request, message))
		return socks_reject(socks, SOCKS_BAD_ADDRESS,
		    "its host is neither a name nor an address", ret);
	socks->request.command = message[1];
	socks->request.port =
	    port_at(five ? message + socks->len - 2 : message + 2);
	return SOCKS_READY;
}

/* ---- the calls ---- */

static enum socks_result
socks_take_message(struct socks *socks, struct socks_out *ret)
{
	const uint8_t *message = socks->message;
	bool greeting = socks->version == 5 && !socks->greeted;
	size_t whole;

	if (socks->version == 4)
		whole = request4_len(message, socks->len);
	else if (greeting)
		whole = greeting_len(message, socks->len);
	else
		whole = request5_len(message, socks->len);
	if (whole > sizeof(socks->message))
		return socks_reject(socks, SOCKS_FAILURE,
		    "its request is too long", ret);
	if (whole > socks->len)
		return SOCKS_MORE;
	return greeting ? take_greeting(socks, ret) :
			  socks_take_request(socks, ret);
}

enum socks_result
socks_feed(struct socks *socks, const uint8_t *bytes, size_t len,
    size_t *ret_taken, struct socks_out *ret)
{
	enum socks_result result = SOCKS_MORE;
	size_t at = 0;

	assert(!socks->over);
	*ret = (struct socks_out) { .len = 0 };
	for (; at < len && result == SOCKS_MORE; at++) {
		if (socks->version == 0) {
			socks->version = bytes[at];
			if (bytes[at] != 4 && bytes[at] != 5) {
				ret->why = "it does not speak SOCKS";
				result = SOCKS_WRONG;
				continue;
			}
		}
		socks->message[socks->len++] = bytes[at];
		result = socks_take_message(socks, ret);
	}
	socks->over = result != SOCKS_MORE;
	*ret_taken = at;
	return result;
}

size_t
socks_reply(const struct socks *socks, enum socks_code code,
    const struct addr *at, uint8_t out[SOCKS_REPLY_MAX])
{
	size_t ip_len = at->family == AF_INET6 ? 16 : 4, len;
	bool five = socks->version == 5;

	memset(out, 0, SOCKS_REPLY_MAX);
	if (five) {
		out[0] = 5;
		out[1] = (uint8_t)code;
		out[3] = ip_len == 16 ? ATYP_IPV6 : ATYP_IPV4;
		if (at->family != AF_UNSPEC)
			memcpy(out + SOCKS5_ADDRESS, at->ip, ip_len);
		len = SOCKS5_ADDRESS + ip_len;
	} else {
		out[1] =
		    code == SOCKS_GRANTED ? SOCKS4_GRANTED : SOCKS4_REJECTED;
		if (at->family == AF_INET)
			memcpy(out + 4, at->ip, 4);
		len = 2;
	}
	if (at->family != AF_UNSPEC) {
		out[len] = (uint8_t)(at->port >> 8);
		out[len + 1] = (uint8_t)at->port;
	}
	return five ? len + 2 : 8;
}
