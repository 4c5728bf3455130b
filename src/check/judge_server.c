/*
 * Judges the FTP server of a forward.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "check/judge_priv.h"

/* ---- greeting, FEAT, TLS, login ---- */

/* Does that reply contain one of the words, in either case?  NULL ends them. */
static bool
has_word(const char *reply, const char *const *words)
{
	while (*words != NULL && strcasestr(reply, *words) == NULL)
		words++;
	return *words != NULL;
}

/* Does that reply require TLS? */
static bool
demands_tls(const char *reply)
{
	static const char *const words[] = { "TLS", "SSL", "encrypt",
		"cleartext", "clear text", "Use AUTH", NULL };

	return reply[0] != '2' && reply[0] != '1' && has_word(reply, words);
}

/* Does that reply say that there are too many clients?  The texts are those of
 * vsftpd and pure-ftpd, of proftpd, and of IIS. */
static bool
says_full(const char *reply)
{
	static const char *const words[] = { "too many", "the maximum",
		"maximum number", "connection limit", NULL };

	return has_word(reply, words);
}

/* False: nothing else is known of the server. */
static bool
judge_greeting(struct judge *judge)
{
	const struct probe_outcome *probe = judge->probe;

	judge->facts->kind = probe->kind;
	fact_set(judge->facts, FACT_GREETING, probe->greeting);
	fact_set(judge->facts, FACT_REPLY, probe->greeting);
	fact_set(judge->facts, FACT_WHY, probe->why);
	if (probe->greeting_code >= 200 && probe->greeting_code < 300) {
		judge_find_plain(judge, GREETING_OK);
		return true;
	}
	if (probe->greeting_code >= 100)
		judge_find_plain(judge,
		    says_full(probe->greeting) ? GREETING_FULL :
						 GREETING_REFUSED);
	else if (probe->greeting_code > 0)
		judge_find_plain(judge, GREETING_NOT_FTP);
	else if (probe->err != -ETIMEDOUT)
		judge_find_plain(judge, GREETING_ENDED);
	else
		judge_find_plain(judge,
		    judge->forward->host_port == 990 ? GREETING_TLS :
						       GREETING_SILENT);
	return false;
}

static void
judge_feat(struct judge *judge)
{
	const struct probe_outcome *probe = judge->probe;

	fact_set(judge->facts, FACT_FEAT, probe->feat);
	fact_set(judge->facts, FACT_REPLY, probe->feat_reply);
	if (probe->feat_code == 0)
		return;
	judge_find_plain(judge, probe->feat[0] != '\0' ? FEAT_OK : FEAT_NONE);
}

static void
judge_tls(struct judge *judge)
{
	const struct probe_outcome *probe = judge->probe;
	enum advice_status bad =
	    judge->options->allow_tls ? ADVICE_UNTRIED : ADVICE_WRONG;

	if (judge->tls_login) {
		fact_set(judge->facts, FACT_REPLY, probe->login_reply);
		judge_find(judge, TLS_DEMANDED, bad);
	} else if (judge->tls_data) {
		judge_find(judge, TLS_DEMANDED_DATA, bad);
	} else if (probe->offers_tls) {
		judge_find_plain(judge, TLS_OFFERED);
	} else if (probe->feat_code >= 200 && probe->feat_code < 300) {
		judge_find_plain(judge, TLS_NONE);
	}
}

static enum finding
why_not_in(const struct judge *judge)
{
	const char *user = fact(judge->facts, FACT_FTP_USER);

	if (says_full(judge->probe->login_reply))
		return USER_FULL;
	return strcmp(user, "anonymous") == 0 || strcmp(user, "ftp") == 0 ?
	    USER_DENIED_ANONYMOUS :
	    USER_DENIED;
}

static void
judge_login(struct judge *judge)
{
	static const enum finding not_given[] = {
		[LOGIN_HAVE] = USER_OK,
		[LOGIN_NOT_GIVEN] = USER_NOT_GIVEN,
		[LOGIN_NO_PASSWORD] = USER_NO_PASSWORD,
		[LOGIN_NETRC_WRONG] = NETRC_WRONG,
	};
	const struct probe_outcome *probe = judge->probe;

	if (judge->outcome->netrc_open)
		judge_find_plain(judge, NETRC_OPEN);
	fact_set(judge->facts, FACT_REPLY, probe->login_reply);
	fact_set(judge->facts, FACT_WHY,
	    judge->outcome->login_why != NULL ? judge->outcome->login_why : "");
	if (judge->outcome->login != LOGIN_HAVE)
		judge_find_plain(judge, not_given[judge->outcome->login]);
	else if (probe->login == PROBE_IN)
		judge_find_plain(judge, USER_OK);
	else if (probe->login == PROBE_ACCOUNT)
		judge_find_plain(judge, USER_ACCOUNT);
	else if (probe->login == PROBE_DENIED && !judge->tls_login)
		judge_find_plain(judge, why_not_in(judge));
}

/* ---- listings ---- */

static enum probe_variant
sibling(enum probe_variant variant)
{
	static const enum probe_variant siblings[] = {
		[PROBE_PASV] = PROBE_EPSV,
		[PROBE_EPSV] = PROBE_PASV,
		[PROBE_PORT] = PROBE_EPRT,
		[PROBE_EPRT] = PROBE_PORT,
	};

	return siblings[variant];
}

/* Did the server refuse it? */
static bool
is_refused(const struct judge *judge, enum probe_variant variant)
{
	return judge->probe->variants[variant].state == PROBE_TRIED &&
	    judge->probe->variants[variant].trial.result == TRIAL_REFUSED;
}

/* May the server be on another host than sshd?  Then it cannot connect to
 * sshd's loopback. */
static bool
is_apart(const struct judge *judge)
{
	return !judge->forward->remote && judge->options->far_address == NULL &&
	    !judge_is_loopback(judge->forward->host);
}

/* Is the server's name ::1 for sshd, and does EPRT with that work? */
static bool
is_on_ipv6(const struct judge *judge)
{
	return judge->probe->variants[PROBE_EPRT].state == PROBE_TRIED &&
	    judge->probe->variants[PROBE_EPRT].ipv6 &&
	    judge->probe->variants[PROBE_EPRT].trial.result == TRIAL_OK;
}

static enum finding
why_refused(const struct judge *judge, enum probe_variant variant)
{
	if (variant == PROBE_PORT && is_on_ipv6(judge))
		return MODE_OTHER_FAMILY;
	if (probe_is_active(variant) && is_apart(judge))
		return MODE_REFUSED_APART;
	if (!is_refused(judge, sibling(variant)) &&
	    judge->probe->variants[sibling(variant)].state == PROBE_TRIED)
		return MODE_REFUSED_VERB;
	return probe_is_active(variant) ? MODE_REFUSED_ACTIVE :
					  MODE_REFUSED_PASSIVE;
}

/* Does that reply to LIST reject the address of the data connection's peer? */
static bool
is_about_peer(const char *reply)
{
	static const char *const words[] = { "bad ip", "foreign address",
		"security", NULL };

	return has_word(reply, words);
}

static enum finding
finding_of(const struct judge *judge, enum probe_variant variant)
{
	const struct trial_outcome *trial =
	    &judge->probe->variants[variant].trial;

	if (trial->result != TRIAL_OK && demands_tls(trial->reply))
		return MODE_TLS;
	switch (trial->result) {
	case TRIAL_OK:
		return MODE_OK;
	case TRIAL_REFUSED:
		return why_refused(judge, variant);
	case TRIAL_NO_PORT:
		return MODE_NO_PORT;
	case TRIAL_FORBIDDEN:
		return facts_key_has(judge->facts, "permitopen") ?
		    MODE_FORBIDDEN_KEY :
		    MODE_FORBIDDEN;
	case TRIAL_CONNECT_FAILED:
		return judge->options->server_data_host_reply &&
			variant == PROBE_PASV ?
		    MODE_CONNECT_REPLY :
		    MODE_CONNECT_FAILED;
	case TRIAL_NO_LISTENER:
		return MODE_NO_LISTENER;
	case TRIAL_NOT_COME:
		return is_about_peer(trial->reply) ? MODE_PEER : MODE_NOT_COME;
	case TRIAL_LIST_REFUSED:
		return is_about_peer(trial->reply) ? MODE_PEER :
						     MODE_NO_LISTING;
	case TRIAL_UNSEEN:
		return is_about_peer(trial->reply) ? MODE_PEER : MODE_UNSEEN;
	case TRIAL_CUT:
	case TRIAL_LOST:
		break;
	}
	return probe_is_active(variant) ? MODE_CUT : MODE_CUT_PASSIVE;
}

void
judge_look(struct judge *judge)
{
	const struct probe_outcome *probe = judge->probe;

	judge->tls_login =
	    probe->login == PROBE_DENIED && demands_tls(probe->login_reply);
	for (size_t i = 0; i < PROBE_VARIANTS; i++) {
		enum probe_variant variant = (enum probe_variant)i;
		enum finding finding;

		if (probe->variants[variant].state != PROBE_TRIED)
			continue;
		judge->tried = true;
		finding = finding_of(judge, variant);
		if (finding == MODE_OK || finding == MODE_NO_LISTING ||
		    finding == MODE_UNSEEN)
			judge->works[probe_is_active(variant)] = true;
		if (finding == MODE_TLS) {
			judge->tls_data = true;
			fact_set(judge->facts, FACT_REPLY,
			    probe->variants[variant].trial.reply);
		}
	}
}

/* Was active mode not tested, while passive mode works? */
static bool
is_spared(const struct judge *judge, enum finding finding)
{
	return finding == MODE_UNSEEN && judge->works[JUDGE_PASSIVE] &&
	    judge->options->server_mode != OPTIONS_ACTIVE;
}

/* The facts of the text. */
static void
set_variant_facts(struct judge *judge, enum probe_variant variant)
{
	const struct trial_outcome *trial =
	    &judge->probe->variants[variant].trial;
	struct facts *facts = judge->facts;
	char at[ADDR_TEXT_MAX];

	fact_set(facts, FACT_VERB, probe_verb(variant));
	fact_set(facts, FACT_REPLY, trial->reply);
	fact_set(facts, FACT_WHY,
	    trial->why[0] != '\0' ? trial->why : trial->reply);
	fact_format(facts, FACT_DATA_PORT, "%u", trial->port);
	fact_format(facts, FACT_BYTES, "%llu",
	    (unsigned long long)trial->bytes);
	if (trial->result == TRIAL_NOT_COME &&
	    trial->announced.family != AF_UNSPEC)
		fact_set(facts, FACT_WHY, addr_format(&trial->announced, at));
}

/* Will culvert notice the failure, and use another variant or the other mode?
 */
static bool
is_made_up_for(const struct judge *judge, enum probe_variant variant)
{
	static const bool seen[] = {
		[TRIAL_REFUSED] = true,
		[TRIAL_NO_PORT] = true,
		[TRIAL_FORBIDDEN] = true,
		[TRIAL_CONNECT_FAILED] = true,
		[TRIAL_NO_LISTENER] = true,
		[TRIAL_NOT_COME] = true,
		[TRIAL_LOST] = false, /* the last one */
	};

	if (!seen[judge->probe->variants[variant].trial.result])
		return false;
	if (judge->options->server_mode != OPTIONS_SAME)
		return judge->works[probe_is_active(variant)];
	return judge->works[JUDGE_PASSIVE] || judge->works[JUDGE_ACTIVE];
}

static void
judge_variant(struct judge *judge, enum probe_variant variant)
{
	enum finding finding;

	set_variant_facts(judge, variant);
	switch (judge->probe->variants[variant].state) {
	case PROBE_NOT_TRIED:
		/* A refused login has its own finding. */
		if (judge->probe->login == PROBE_NO_LOGIN)
			judge_find_plain(judge, MODE_NOT_TRIED);
		return;
	case PROBE_NOT_USED:
		judge_find_plain(judge, MODE_NOT_USED);
		return;
	case PROBE_OTHER_FAMILY:
		judge_find_plain(judge, MODE_OTHER_FAMILY);
		return;
	case PROBE_TRIED:
		break;
	}
	finding = finding_of(judge, variant);
	judge_find(judge, finding,
	    is_spared(judge, finding) ||
		    (is_made_up_for(judge, variant) &&
			advice_worst(finding) == ADVICE_WRONG) ?
		ADVICE_NOTE :
		advice_worst(finding));
}

/* ---- the address in a 227 ---- */

/* The server's address.  False: it is not known here. */
static bool
server_address(const struct judge *judge, struct addr *ret)
{
	const char *host = judge->forward->host;

	*ret = judge->probe->peer;
	if (ret->family != AF_UNSPEC)
		return true;
	if (strcmp(host, "localhost") == 0)
		*ret = addr_loopback(AF_INET, 0);
	return ret->family != AF_UNSPEC || addr_parse_ip(host, ret) == 0;
}

static void
judge_address(struct judge *judge)
{
	const struct trial_outcome *trial =
	    &judge->probe->variants[PROBE_PASV].trial;
	struct addr server;
	char text[ADDR_TEXT_MAX];
	bool known = server_address(judge, &server);

	if (judge->probe->variants[PROBE_PASV].state != PROBE_TRIED ||
	    trial->announced.family != AF_INET || is_on_ipv6(judge) ||
	    (known && server.family == AF_INET6))
		return;
	fact_set(judge->facts, FACT_ANNOUNCED,
	    addr_format_ip(&trial->announced, text));
	if (!known)
		judge_find_plain(judge, ADDRESS_FAR);
	else if (addr_same_ip(&trial->announced, &server))
		judge_find_plain(judge, ADDRESS_OK);
	else if (judge->options->server_data_host_reply)
		judge_find(judge, ADDRESS_WRONG_USED,
		    trial->result == TRIAL_OK ||
			    is_made_up_for(judge, PROBE_PASV) ?
			ADVICE_NOTE :
			ADVICE_WRONG);
	else
		judge_find_plain(judge, ADDRESS_WRONG);
}

/* ---- judge_priv.h ---- */

void
judge_server(struct judge *judge)
{
	const struct probe_outcome *probe = judge->probe;

	if (!judge_greeting(judge))
		return;
	judge_feat(judge);
	judge_look(judge); /* sets the reply that requires TLS */
	judge_tls(judge);
	judge_login(judge);
	for (size_t i = 0; i < PROBE_VARIANTS; i++)
		judge_variant(judge, (enum probe_variant)i);
	judge_address(judge);
	fact_format(judge->facts, FACT_RTT_MS, "%.1f", probe->rtt_ms);
	fact_format(judge->facts, FACT_COUNT, "%u", probe->n_rtt);
	if (probe->n_rtt > 0 && !probe->lost)
		judge_find_plain(judge, ROUND_TRIP);
	fact_set(judge->facts, FACT_WHY, probe->why);
	if (probe->lost && probe->login != PROBE_DENIED)
		judge_find_plain(judge, SERVER_LOST);
}
