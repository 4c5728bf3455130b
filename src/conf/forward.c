/*
 * The values of -L and -R.
 */
#include "conf/forward.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "conf/option.h"

/* bind, port, host, hostport */
#define FIELDS_MAX 4

struct field {
	const char *text;
	size_t len;
	int bracketed;
};

/*
 * Splits spec at its colons; a field in square brackets may contain colons.
 * Returns the number of fields; 0 if there are too many or a bracket is not
 * closed.
 */
static size_t
cut(const char *spec, struct field fields[FIELDS_MAX])
{
	size_t n = 0;
	const char *end;

	for (;;) {
		if (n == FIELDS_MAX)
			return 0;
		fields[n].bracketed = *spec == '[';
		if (fields[n].bracketed) {
			end = strchr(++spec, ']');
			if (end == NULL)
				return 0;
		} else {
			end = spec + strcspn(spec, ":");
		}
		fields[n].text = spec;
		fields[n].len = (size_t)(end - spec);
		spec = end + fields[n].bracketed;
		n++;
		if (*spec == '\0')
			return n;
		if (*spec++ != ':')
			return 0;
	}
}

static int
take_host(const struct field *field, char host[FORWARD_HOST_MAX])
{
	if (field->len >= FORWARD_HOST_MAX)
		return -EINVAL;
	memcpy(host, field->text, field->len);
	host[field->len] = '\0';
	return 0;
}

/* Has the host a blank, a quote or a comment?  ssh refuses more. */
static bool
is_odd_host(const char *host)
{
	for (; *host != '\0'; host++)
		if ((unsigned char)*host <= ' ' || *host == 0x7f ||
		    strchr("'`\"$;&<>|(){}#,\\", *host) != NULL)
			return true;
	return false;
}

static int
take_port(const struct field *field, uint64_t lowest, uint16_t *ret)
{
	uint64_t port;

	if (field->bracketed ||
	    num_parse(field->text, field->len, 65535, &port) != 0 ||
	    port < lowest)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* The port, in text up to a colon or the end. */
static int
take_port_text(const char *text, uint16_t *ret)
{
	const struct field field = { text, strcspn(text, ":"), 0 };

	return take_port(&field, 0, ret);
}

/* Where the bind address of "sftp/" ends: at the colon behind it; NULL if there
 * is none, since the first field is the port. */
static const char *
bind_end(const char *spec)
{
	uint16_t port;

	if (*spec == '[') {
		spec = strchr(spec, ']');
		return spec != NULL && spec[1] == ':' ? spec + 1 : NULL;
	}
	return take_port_text(spec, &port) == 0 ? NULL : strchr(spec, ':');
}

/* Reads the "bind_address:" at the start of *spec, if there is one, and moves
 * *spec behind it. */
static int
take_bind(const char **spec, struct forward *forward, char *why,
    size_t why_size)
{
	const char *end = bind_end(*spec);
	struct field bind = { *spec, 0, **spec == '[' };

	if (end == NULL)
		return 0;
	bind.len = (size_t)(end - *spec);
	if (bind.bracketed) {
		bind.text++;
		bind.len -= 2;
	}
	if (take_host(&bind, forward->bind) != 0 ||
	    is_odd_host(forward->bind) || forward->bind[0] == '-')
		return option_refuse(why, why_size,
		    "the bind address is too long, or no name and no address");
	if (bind.len == 0)
		strcpy(forward->bind, "*");
	*spec = end + 1;
	return 0;
}

/* [bind_address:]port[:directory] */
static int
parse_sftp(const char *spec, struct forward *forward, char *why,
    size_t why_size)
{
	const char *directory;

	forward->sftp = true;
	if (take_bind(&spec, forward, why, why_size) != 0)
		return -EINVAL;
	if (take_port_text(spec, &forward->port) != 0)
		return option_refuse(why, why_size,
		    "expected sftp/[bind_address:]port[:directory], with a "
		    "port from 0 to 65535");
	directory = strchr(spec, ':');
	directory = directory != NULL ? directory + 1 : "";
	if (strlen(directory) >= FORWARD_DIRECTORY_MAX)
		return option_refuse(why, why_size,
		    "the directory is too long");
	strcpy(forward->directory, directory);
	return 0;
}

/* [bind_address:]port */
static int
parse_socks(const char *spec, struct forward *forward, char *why,
    size_t why_size)
{
	forward->socks = true;
	if (take_bind(&spec, forward, why, why_size) != 0)
		return -EINVAL;
	if (strchr(spec, ':') != NULL ||
	    take_port_text(spec, &forward->port) != 0)
		return option_refuse(why, why_size,
		    "expected socks/[bind_address:]port, with a port from 0 to "
		    "65535; each client names its server");
	return 0;
}

int
forward_parse(const char *spec, struct forward *ret, char *why, size_t why_size)
{
	struct field fields[FIELDS_MAX], *port;
	struct forward forward = { .port = 0 };
	size_t n;

	if (strncasecmp(spec, "sftp/", 5) == 0) {
		if (parse_sftp(spec + 5, &forward, why, why_size) != 0)
			return -EINVAL;
		*ret = forward;
		return 0;
	}
	if (strncasecmp(spec, "socks/", 6) == 0) {
		if (parse_socks(spec + 6, &forward, why, why_size) != 0)
			return -EINVAL;
		*ret = forward;
		return 0;
	}
	if (strncasecmp(spec, "ftp/", 4) == 0)
		spec += 4;
	if (strchr(spec, '/') != NULL)
		return option_refuse(why, why_size,
		    "FTP needs addresses and ports, not a Unix socket");
	n = cut(spec, fields);
	if (n != 3 && n != 4)
		return option_refuse(why, why_size,
		    "expected [bind_address:]port:host:hostport, with IPv6 "
		    "addresses in square brackets");
	port = &fields[n - 3];
	/* An empty bind address means all addresses, as in ssh(1). */
	if (n == 4 && take_host(&fields[0], forward.bind) != 0)
		return option_refuse(why, why_size,
		    "the bind address is too long");
	if (n == 4 && forward.bind[0] == '\0')
		strcpy(forward.bind, "*");
	if (take_port(port, 0, &forward.port) != 0)
		return option_refuse(why, why_size,
		    "the listening port must be a number from 0 to 65535");
	if (port[1].len == 0 || take_host(&port[1], forward.host) != 0)
		return option_refuse(why, why_size,
		    "the FTP server's host is missing or too "
		    "long");
	if (forward.host[0] == '-' || forward.bind[0] == '-')
		return option_refuse(why, why_size,
		    "a host must not begin with \"-\"");
	if (is_odd_host(forward.host) || is_odd_host(forward.bind))
		return option_refuse(why, why_size,
		    "a host is a name or an address, without blanks and "
		    "quotes");
	if (take_port(&port[2], 1, &forward.host_port) != 0)
		return option_refuse(why, why_size,
		    "the FTP server's port must be a number from 1 to 65535");
	*ret = forward;
	return 0;
}

int
forward_parse_capture(const char *spec, struct forward *ret, char *why,
    size_t why_size)
{
	struct forward forward = { .captures = true };

	if (take_bind(&spec, &forward, why, why_size) != 0)
		return -EINVAL;
	if (strchr(spec, ':') != NULL ||
	    take_port_text(spec, &forward.port) != 0 || forward.port == 0)
		return option_refuse(why, why_size,
		    "with \"capture\", clients choose the FTP server: expected "
		    "[bind_address:]port, with a port from 1 to 65535");
	*ret = forward;
	return 0;
}
