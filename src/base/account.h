/*
 * An account of an SSH server, as an FTP client names it in USER with --login
 * ssh, and the hosts of --login-hosts.  Pure.
 *
 * The texts become arguments of ssh, and ssh_config can put them into commands
 * of a shell (%r, %h in ProxyCommand and Match exec).  So only these characters
 * are permitted: letters, digits and "._-+@" in a user, letters, digits and
 * ".-_" in a host, or hexadecimal digits, "." and ":" in an IPv6 address; and
 * neither begins with anything but a letter, a digit, "_" or ":".
 */
#ifndef BASE_ACCOUNT_H
#define BASE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

struct account {
	char user[LIMIT_SSH_USER + 1];
	char host[LIMIT_SSH_HOST + 1]; /* "": the destination of the tunnel */
	uint16_t port;		       /* 0: none is given */
};

/*
 * Reads a user; or, with_host, a user, or user@host[:port], which is split at
 * the last "@".  An IPv6 address is in square brackets.  Returns 0, or -EINVAL:
 * then *ret is unchanged.
 */
int account_parse(const char *text, bool with_host, struct account *ret);

/* Does the account have permitted characters only?  For one whose bytes may be
 * anything. */
bool account_is_valid(const struct account *account);

/* Does one of the n patterns permit its host and port?  The host of the tunnel,
 * without a port, is always permitted. */
bool account_is_allowed(const struct account *account,
    const char *const *patterns, size_t n);

/*
 * May text be such a pattern?  It is HOST or HOST:PORT, where HOST can have the
 * wildcards "*" and "?", and PORT is a number or "*".  Without PORT it permits
 * accounts without a port only.  An IPv6 address is in square brackets.
 */
bool account_is_pattern(const char *text);

/* Longest text of account_format(), with its NUL. */
#define ACCOUNT_TEXT_MAX (LIMIT_SSH_USER + LIMIT_SSH_HOST + 12)

/* Writes "user@host:port", without what is not given, for messages.  Returns
 * text. */
const char *account_format(const struct account *account,
    char text[ACCOUNT_TEXT_MAX]);

#endif
