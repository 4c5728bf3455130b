/*
 * A rule of the configuration file: what becomes of a control connection whose
 * server the client has chosen (captured connections, SOCKS).
 *
 *	[rule NAME]
 *	match-host = 192.0.2.0/24, *.plant.example
 *	match-port = 21, 2100-2110
 *	match-user = backup*
 *	action = tunnel TUNNEL | sftp TUNNEL | direct | refuse
 */
#ifndef CONF_RULE_H
#define CONF_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/subnet.h"
#include "conf/settings.h"
#include "limits.h"

enum rule_action {
	RULE_REFUSE,
	RULE_DIRECT, /* this host connects to the server */
	RULE_TUNNEL, /* the SSH server of that tunnel does */
	RULE_SFTP,   /* the gateway of that tunnel takes the server's place */
};

struct rule_host {
	char *glob; /* NULL: a network, or an address */
	struct subnet subnet;
};

struct rule_ports {
	uint16_t low, high; /* both included */
};

/* Without hosts, ports or users it matches all of them. */
struct rule {
	const char *name;
	const struct setting *begins; /* where its section begins */
	struct rule_host hosts[LIMIT_RULE_WORDS];
	size_t n_hosts;
	struct rule_ports ports[LIMIT_RULE_WORDS];
	size_t n_ports;
	char *users[LIMIT_RULE_WORDS]; /* globs */
	size_t n_users;
	const struct setting *action_at; /* NULL: it has no action yet */
	enum rule_action action;
	const char *tunnel; /* of RULE_TUNNEL and RULE_SFTP */
};

/*
 * Takes one line of the rule's section.  Words of a list are separated by
 * commas or blanks, and a key may be repeated.  Returns 0, -ENOMEM, or -EINVAL
 * with a message in why.
 */
int rule_take(struct rule *rule, const struct setting *at,
    char why[SETTINGS_WHY_MAX]);

/* Does before match everything that after matches, as far as their words tell?
 * Then after, which follows it, never decides. */
bool rule_covers(const struct rule *before, const struct rule *after);

/* Frees what it owns, not the rule itself. */
void rule_free(struct rule *rule);

#endif
