/*
 * Judges what sshd did for a forward.
 */
#include "check/judge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void
judge_find_as(struct judge *judge, enum finding finding,
    enum advice_status status)
{
	judge->found(judge->ctx, finding, status);
}

void
judge_find(struct judge *judge, enum finding finding)
{
	judge_find_as(judge, finding, advice_worst(finding));
}

/* ---- ssh ---- */

/* Has ssh reached the destination, and not only a jump host? */
static bool
is_at_destination(const struct facts *facts)
{
	char at[2 * FACT_MAX];

	snprintf(at, sizeof(at), "%s:%s", fact(facts, FACT_HOST),
	    fact(facts, FACT_PORT));
	return strcmp(at, fact(facts, FACT_LOGIN_AT)) == 0;
}

static enum finding
why_denied(const struct facts *facts)
{
	bool password = strstr(fact(facts, FACT_METHODS), "password") != NULL ||
	    strstr(fact(facts, FACT_METHODS), "keyboard-interactive") != NULL;

	if (fact_known(facts, FACT_PARTIAL))
		return LOGIN_MORE_REQUIRED;
	if (fact_known(facts, FACT_TYPED) &&
	    !fact_known(facts, FACT_NO_TERMINAL))
		return LOGIN_PASSWORD_WRONG;
	if (fact_known(facts, FACT_ACCEPTED))
		return fact_known(facts, FACT_REFUSED) ? LOGIN_REFUSED :
							 LOGIN_KEY_LOCKED;
	if (fact_known(facts, FACT_NO_ALGORITHM))
		return LOGIN_KEY_OLD;
	if (fact_known(facts, FACT_METHODS) &&
	    strstr(fact(facts, FACT_METHODS), "publickey") == NULL)
		return LOGIN_NO_KEYS;
	return password ? LOGIN_PASSWORD_ONLY : LOGIN_DENIED;
}

enum finding
judge_ssh(const struct facts *facts)
{
	enum finding finding = facts_failure(facts);

	/* LOGIN_CLOSED means that PAM has refused the account (do_pam_account()
	 * in sshd), which is possible only after a signature or a password. */
	if (finding == LOGIN_CLOSED &&
	    (!fact_known(facts, FACT_HOST_ACCEPTED) ||
		(!fact_known(facts, FACT_SIGNING) &&
		    !fact_known(facts, FACT_TYPED))))
		finding = SSH_FAILED;
	if (finding == SSH_CONFIG_WRONG)
		return finding;
	/* The jump host, or the command, has failed. */
	if (fact_known(facts, FACT_PROXY) && !is_at_destination(facts))
		return PROXY_FAILED;
	return finding == LOGIN_DENIED ? why_denied(facts) : finding;
}

/* ---- what sshd refuses ---- */

static bool
sshd_printed(const struct judge *judge, const char *words)
{
	return strstr(fact(judge->facts, FACT_NOT_FORWARDED), words) != NULL;
}

/* Is the key known to forbid forwarding? */
static bool
key_forbids_forwarding(const struct judge *judge)
{
	return fact_known(judge->facts, FACT_KEY_OPTIONS) &&
	    !facts_key_has(judge->facts, "port-forwarding");
}

static enum finding
why_no_connection(const struct judge *judge)
{
	if (fact_known(judge->facts, FACT_EXPIRED))
		return CONNECT_EXPIRED;
	if (key_forbids_forwarding(judge))
		return CONNECT_FORBIDDEN_KEY;
	if (sshd_printed(judge, "Server has disabled"))
		return CONNECT_FORBIDDEN_ALL;
	if (facts_key_has(judge->facts, "permitopen"))
		return CONNECT_FORBIDDEN_KEY_OPEN;
	return CONNECT_FORBIDDEN;
}

/* Finds out why sshd refuses to listen, as far as that is possible. */
static enum finding
why_forbidden(const struct judge *judge)
{
	const struct judge_outcome *outcome = judge->outcome;
	const char *at = judge->options->far_address;

	if (fact_known(judge->facts, FACT_EXPIRED))
		return judge->forward->remote ? FORWARD_EXPIRED :
						FORWARD_SEE_CONNECT;
	if (key_forbids_forwarding(judge))
		return FORWARD_SEE_CONNECT;
	if (sshd_printed(judge, "Server has disabled"))
		return !judge->outcome->probe.opened &&
			judge->outcome->probe.err == -EACCES ?
		    FORWARD_SEE_CONNECT :
		    FORWARD_FORBIDDEN;
	/* sshd has listened on another port, for data connections. */
	if (judge->forward->remote &&
	    outcome->client_passive.result == ATTEMPT_GOOD)
		return FORWARD_TAKEN;
	if (facts_key_has(judge->facts, "permitlisten"))
		return FORWARD_FORBIDDEN_KEY_LISTEN;
	if (judge->forward->remote)
		return suggest_is_local(judge->forward->bind) ?
		    FORWARD_FORBIDDEN_LISTEN :
		    FORWARD_NO_ADDRESS_REMOTE;
	return at == NULL ? FORWARD_FORBIDDEN_LISTEN : FORWARD_NO_ADDRESS;
}

static enum finding
why_no_listener(const struct judge *judge, const struct attempt *listen)
{
	switch (listen->err) {
	case -EADDRNOTAVAIL:
		return FORWARD_GATEWAY;
	case -EADDRINUSE:
		return FORWARD_TAKEN;
	case -EOPNOTSUPP:
		return judge->forward->remote ? FORWARD_UNSUPPORTED_REMOTE :
						FORWARD_UNSUPPORTED;
	case -EACCES:
		return why_forbidden(judge);
	default:
		return FORWARD_FAILED;
	}
}

/* With -L, only active mode needs sshd to listen. */
static void
judge_listen(struct judge *judge)
{
	const struct attempt *listen = &judge->outcome->listen;
	bool only = judge->forward->remote ||
	    judge->options->server_mode == OPTIONS_ACTIVE ||
	    (judge->tried && !judge->works[JUDGE_PASSIVE]);
	enum finding finding;

	if (listen->result == ATTEMPT_GOOD) {
		judge_find(judge, FORWARD_OK);
		return;
	}
	if (listen->result == ATTEMPT_NONE) {
		if (!judge->forward->remote)
			judge_find(judge, FORWARD_NEVER);
		return;
	}
	fact_set(judge->facts, FACT_WHY, listen->why);
	finding = why_no_listener(judge, listen);
	judge_find_as(judge, finding,
	    only ? advice_worst(finding) : ADVICE_NOTE);
}

static enum finding
why_not_passive(const struct judge *judge)
{
	const struct attempt *listen = &judge->outcome->listen;
	int err = judge->outcome->client_passive.err;

	if (err == -EOPNOTSUPP)
		return CLIENT_PASSIVE_UNSUPPORTED;
	return listen->result == ATTEMPT_FAILED && listen->err == err ?
	    CLIENT_PASSIVE_SEE_FORWARD :
	    CLIENT_PASSIVE_WRONG;
}

/* Reports whether sshd can do what clients of -R need in one mode.  other says
 * whether it can do that for the other mode. */
static void
judge_client(struct judge *judge, const struct attempt *attempt,
    enum finding good, enum finding bad, bool other)
{
	if (attempt->result == ATTEMPT_GOOD) {
		judge_find(judge, good);
	} else if (attempt->result == ATTEMPT_FAILED) {
		fact_set(judge->facts, FACT_WHY, attempt->why);
		judge_find_as(judge, bad, other ? ADVICE_NOTE : ADVICE_WRONG);
	}
}

static void
judge_clients(struct judge *judge)
{
	const struct attempt *passive = &judge->outcome->client_passive;
	const struct attempt *active = &judge->outcome->client_active;

	judge_client(judge, passive, CLIENT_PASSIVE_OK, why_not_passive(judge),
	    active->result == ATTEMPT_GOOD);
	judge_client(judge, active, CLIENT_ACTIVE_OK,
	    active->err == -EACCES ? CLIENT_ACTIVE_FORBIDDEN :
				     CLIENT_ACTIVE_FAILED,
	    passive->result == ATTEMPT_GOOD);
}

/* Returns false if the server cannot be reached. */
static bool
judge_connect(struct judge *judge)
{
	const struct probe_outcome *probe = &judge->outcome->probe;

	if (probe->opened) {
		judge_find(judge, CONNECT_OK);
		return true;
	}
	fact_set(judge->facts, FACT_WHY, probe->why);
	if (probe->err == -EACCES && !judge->forward->remote)
		judge_find(judge, why_no_connection(judge));
	else if (probe->err == -ENOENT || strstr(probe->why, "ame ") != NULL)
		judge_find(judge, CONNECT_UNKNOWN);
	else if (strstr(probe->why, "refused") != NULL)
		judge_find(judge, CONNECT_REFUSED);
	else
		judge_find(judge, CONNECT_FAILED);
	return false;
}

/* ---- judge.h ---- */

static void
judge_set_facts(struct judge *judge)
{
	const struct options *options = judge->options;
	const struct forward *forward = judge->forward;
	struct facts *facts = judge->facts;
	const char *host = suggest_far_host(options, forward, false);

	fact_set(facts, FACT_FROM,
	    forward->remote ? "this host" : "the SSH server");
	fact_format(facts, FACT_SERVER_HOST,
	    strchr(forward->host, ':') != NULL ? "[%s]" : "%s", forward->host);
	fact_set(facts, FACT_MACHINE, forward->host);
	fact_format(facts, FACT_SERVER_PORT, "%u", forward->host_port);
	fact_format(facts, FACT_SERVER, "%s:%s", fact(facts, FACT_SERVER_HOST),
	    fact(facts, FACT_SERVER_PORT));
	fact_set(facts, FACT_LISTEN, judge->outcome->bound);
	fact_format(facts, FACT_FAR_LISTEN, forward->remote ? "%s:%u" : "%s",
	    host, forward->port);
	fact_format(facts, FACT_PERMITLISTEN,
	    strchr(host, ':') != NULL ? "[%s]" : "%s",
	    strcmp(host, "*") == 0 ? "" : host);
	suggest_clients(options, forward, facts->text[FACT_CLIENTS], FACT_MAX);
}

/* Will culvert run as a system user and accept only FTP clients of that user?
 * Such clients hardly exist. */
static bool
is_for_own_user(const struct judge *judge)
{
	const char *bind = judge->forward->bind;

	return fact_known(judge->facts, FACT_OWN_IS_SYSTEM) &&
	    !judge->options->any_user && suggest_is_loopback(bind);
}

static enum finding
why_not_bound(const char *why)
{
	static const struct {
		const char *words;
		enum finding finding;
	} reasons[] = {
		{ "in use", LISTEN_TAKEN },
		{ "--allow", LISTEN_ALLOW },
		{ "--login-file", LISTEN_LOGINS },
		{ "--client-address", LISTEN_ADDRESS },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strstr(why, reasons[i].words) != NULL)
			return reasons[i].finding;
	return LISTEN_WRONG;
}

static void
judge_bind(struct judge *judge)
{
	const char *why = judge->outcome->not_bound;

	fact_set(judge->facts, FACT_WHY, why);
	if (*why != '\0')
		judge_find(judge, why_not_bound(why));
	else if (!judge->forward->remote)
		judge_find(judge,
		    is_for_own_user(judge) ? LISTEN_OWN_USER : LISTEN_OK);
}

void
judge_forward(struct judge *judge)
{
	bool reached;

	judge_set_facts(judge);
	judge_bind(judge);
	if (judge->forward->sftp)
		return;
	if (judge->forward->socks) {
		judge_find(judge, SOCKS_NOT_TRIED);
		return;
	}
	judge_look(judge);
	reached = judge_connect(judge);
	judge_listen(judge);
	if (judge->forward->remote)
		judge_clients(judge);
	if (reached)
		judge_server(judge);
}
