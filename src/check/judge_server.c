/*
 * Judges the FTP server of a forward.
 */
#include "check/judge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"

/* ---- what replies say ---- */

static bool
judge_is_good(unsigned code)
{
	return code >= 200 && code < 300;
}

/* Does the reply contain one of the words, in upper or lower case?  NULL ends
 * the list. */
static bool
has_word(const char *reply, const char *const *words)
{
	while (*words != NULL && strcasestr(reply, *words) == NULL)
		words++;
	return *words != NULL;
}

/* Does the reply say that TLS is required? */
static bool
requires_tls(const char *reply)
{
	static const char *const words[] = { "TLS", "SSL", "encrypt",
		"cleartext", "clear text", "Use AUTH", NULL };

	return reply[0] != '2' && reply[0] != '1' && has_word(reply, words);
}

/* Does the reply say that there are too many clients?  The texts are those of
 * vsftpd and pure-ftpd, of proftpd, and of IIS. */
static bool
says_too_many(const char *reply)
{
	static const char *const words[] = { "too many", "the maximum",
		"maximum number", "connection limit", NULL };

	return has_word(reply, words);
}

/* Does the reply to LIST reject the address of the data connection's peer? */
static bool
is_about_peer(const char *reply)
{
	static const char *const words[] = { "bad ip", "foreign address",
		"security", NULL };

	return has_word(reply, words);
}

/* ---- greeting, FEAT, TLS, login ---- */

static enum finding
judge_greeting(const struct judge *judge)
{
	const struct probe_outcome *probe = &judge->outcome->probe;

	if (judge_is_good(probe->greeting_code))
		return GREETING_OK;
	if (probe->greeting_code >= 100)
		return says_too_many(probe->greeting) ? GREETING_FULL :
							GREETING_REFUSED;
	if (probe->greeting_code > 0)
		return GREETING_NOT_FTP;
	if (probe->err != -ETIMEDOUT)
		return GREETING_ENDED;
	return judge->forward->host_port == 990 ? GREETING_TLS :
						  GREETING_NO_ANSWER;
}

static void
judge_feat(struct judge *judge)
{
	const struct probe_outcome *probe = &judge->outcome->probe;

	fact_set(judge->facts, FACT_FEAT, probe->feat);
	fact_set(judge->facts, FACT_REPLY, probe->feat_reply);
	if (probe->feat_code != 0)
		judge_find(judge, probe->feat[0] != '\0' ? FEAT_OK : FEAT_NONE);
}

static void
judge_tls(struct judge *judge)
{
	enum advice_status bad =
	    judge->options->allow_tls ? ADVICE_UNTRIED : ADVICE_WRONG;

	if (judge->tls_reply != NULL) {
		fact_set(judge->facts, FACT_REPLY, judge->tls_reply);
		judge_find_as(judge,
		    judge->tls_login ? TLS_REQUIRED : TLS_REQUIRED_DATA, bad);
	} else if (judge->outcome->probe.offers_tls) {
		judge_find(judge, TLS_OFFERED);
	} else if (judge_is_good(judge->outcome->probe.feat_code)) {
		judge_find(judge, TLS_NONE);
	}
}

static enum finding
why_not_in(const struct judge *judge)
{
	const char *user = fact(judge->facts, FACT_FTP_USER);

	if (says_too_many(judge->outcome->probe.login_reply))
		return USER_FULL;
	return strcmp(user, "anonymous") == 0 || strcmp(user, "ftp") == 0 ?
	    USER_DENIED_ANONYMOUS :
	    USER_DENIED;
}

static void
judge_login(struct judge *judge)
{
	const struct judge_outcome *outcome = judge->outcome;
	const struct probe_outcome *probe = &judge->outcome->probe;

	if (outcome->netrc_readable)
		judge_find(judge, NETRC_READABLE);
	fact_set(judge->facts, FACT_REPLY, probe->login_reply);
	fact_set(judge->facts, FACT_WHY,
	    outcome->login_why != NULL ? outcome->login_why : "");
	if (outcome->login != USER_OK)
		judge_find(judge, outcome->login);
	else if (probe->login == USER_OK || probe->login == USER_ACCOUNT)
		judge_find(judge, probe->login);
	else if (probe->login == USER_DENIED && !judge->tls_login)
		judge_find(judge, why_not_in(judge));
}

/* ---- listings ---- */

/* Is the server perhaps on another host than sshd?  Then it cannot connect to
 * sshd's loopback address. */
static bool
is_on_other_host(const struct judge *judge)
{
	return !judge->forward->remote && judge->options->far_address == NULL &&
	    !suggest_is_loopback(judge->forward->host);
}

bool
judge_is_on_ipv6(const struct judge *judge)
{
	const struct probe_tried *eprt =
	    &judge->outcome->probe.variants[PROBE_EPRT];

	return eprt->ipv6 && eprt->trial.finding == MODE_OK;
}

static enum finding
why_refused(const struct judge *judge, enum probe_variant variant)
{
	static const enum probe_variant siblings[] = {
		[PROBE_PASV] = PROBE_EPSV,
		[PROBE_EPSV] = PROBE_PASV,
		[PROBE_PORT] = PROBE_EPRT,
		[PROBE_EPRT] = PROBE_PORT,
	};
	const struct probe_tried *sibling =
	    &judge->outcome->probe.variants[siblings[variant]];

	if (variant == PROBE_PORT && judge_is_on_ipv6(judge))
		return MODE_OTHER_FAMILY;
	if (probe_is_active(variant) && is_on_other_host(judge))
		return MODE_REFUSED_OTHER_HOST;
	if (probe_was_tried(sibling) &&
	    sibling->trial.finding != MODE_REFUSED_VERB)
		return MODE_REFUSED_VERB;
	return probe_is_active(variant) ? MODE_REFUSED_ACTIVE :
					  MODE_REFUSED_PASSIVE;
}

/* Returns the finding of a variant.  The trial alone cannot distinguish all
 * findings. */
static enum finding
judge_trial(const struct judge *judge, enum probe_variant variant)
{
	const struct trial_outcome *trial =
	    &judge->outcome->probe.variants[variant].trial;
	enum finding finding = trial->finding;

	if (finding != MODE_OK && requires_tls(trial->reply))
		return MODE_TLS;
	if (finding == MODE_REFUSED_VERB)
		return why_refused(judge, variant);
	if (finding == MODE_FORBIDDEN &&
	    facts_key_has(judge->facts, "permitopen"))
		return MODE_FORBIDDEN_KEY;
	if (finding == MODE_CONNECT_FAILED && variant == PROBE_PASV &&
	    judge->options->server_data_host_reply)
		return MODE_CONNECT_REPLY;
	if ((finding == MODE_NO_CONNECTION || finding == MODE_NO_LISTING ||
		finding == MODE_UNTESTED) &&
	    is_about_peer(trial->reply))
		return MODE_PEER_REFUSED;
	if (finding == MODE_CUT || finding == SERVER_LOST)
		return probe_is_active(variant) ? MODE_CUT : MODE_CUT_PASSIVE;
	return finding;
}

void
judge_look(struct judge *judge)
{
	const struct probe_outcome *probe = &judge->outcome->probe;

	for (int i = 0; i < PROBE_VARIANTS; i++) {
		enum probe_variant variant = (enum probe_variant)i;
		enum finding finding = judge_trial(judge, variant);

		judge->tried |= probe_was_tried(&probe->variants[i]);
		if (finding == MODE_OK || finding == MODE_NO_LISTING ||
		    finding == MODE_UNTESTED)
			judge->works[probe_is_active(variant)] = true;
		if (finding == MODE_TLS)
			judge->tls_reply = probe->variants[i].trial.reply;
	}
	judge->tls_login =
	    probe->login == USER_DENIED && requires_tls(probe->login_reply);
	if (judge->tls_login)
		judge->tls_reply = probe->login_reply;
}

/* Sets the facts that are named in the texts of a variant's findings. */
static void
set_variant_facts(struct judge *judge, enum probe_variant variant)
{
	const struct trial_outcome *trial =
	    &judge->outcome->probe.variants[variant].trial;
	struct facts *facts = judge->facts;
	char at[ADDR_TEXT_MAX];

	fact_set(facts, FACT_VERB, probe_verb(variant));
	fact_set(facts, FACT_REPLY, trial->reply);
	fact_set(facts, FACT_WHY,
	    trial->why[0] != '\0' ? trial->why : trial->reply);
	fact_format(facts, FACT_DATA_PORT, "%u", trial->port);
	fact_format(facts, FACT_BYTES, "%llu",
	    (unsigned long long)trial->bytes);
	if (trial->finding == MODE_NO_CONNECTION &&
	    trial->announced.family != AF_UNSPEC)
		fact_set(facts, FACT_WHY, addr_format(&trial->announced, at));
}

/* Will culvert notice that the variant has failed, and then use another one
 * that works? */
static bool
has_alternative(const struct judge *judge, enum probe_variant variant)
{
	enum finding finding =
	    judge->outcome->probe.variants[variant].trial.finding;

	if (finding == MODE_OK || finding == MODE_NO_LISTING ||
	    finding == MODE_UNTESTED || finding == MODE_CUT ||
	    finding == SERVER_LOST)
		return false;
	if (judge->options->server_mode != OPTIONS_SAME)
		return judge->works[probe_is_active(variant)];
	return judge->works[JUDGE_PASSIVE] || judge->works[JUDGE_ACTIVE];
}

static void
judge_variant(struct judge *judge, enum probe_variant variant)
{
	enum finding finding = judge_trial(judge, variant);
	/* Active mode was not tested, but is not needed. */
	bool spared = finding == MODE_UNTESTED && judge->works[JUDGE_PASSIVE] &&
	    judge->options->server_mode != OPTIONS_ACTIVE;
	bool alternative = advice_worst(finding) == ADVICE_WRONG &&
	    has_alternative(judge, variant);

	/* A refused login has its own finding. */
	if (finding == MODE_NOT_TRIED &&
	    judge->outcome->probe.login != USER_NOT_GIVEN)
		return;
	set_variant_facts(judge, variant);
	judge_find_as(judge, finding,
	    spared || alternative ? ADVICE_NOTE : advice_worst(finding));
}

/* ---- the address in a 227 ---- */

/* Returns the server's address; AF_UNSPEC if it is not known on this host. */
static struct addr
server_address(const struct judge *judge)
{
	struct addr addr = judge->outcome->probe.peer;

	if (addr.family != AF_UNSPEC)
		return addr;
	if (strcmp(judge->forward->host, "localhost") == 0)
		return addr_loopback(AF_INET, 0);
	addr_parse_ip(judge->forward->host, &addr);
	return addr;
}

static void
judge_address(struct judge *judge)
{
	const struct probe_tried *pasv =
	    &judge->outcome->probe.variants[PROBE_PASV];
	const struct addr *announced = &pasv->trial.announced;
	struct addr server = server_address(judge);
	char text[ADDR_TEXT_MAX];

	if (announced->family != AF_INET || judge_is_on_ipv6(judge) ||
	    server.family == AF_INET6)
		return;
	fact_set(judge->facts, FACT_ANNOUNCED, addr_format_ip(announced, text));
	if (server.family == AF_UNSPEC)
		judge_find(judge, ADDRESS_FAR);
	else if (addr_same_ip(announced, &server))
		judge_find(judge, ADDRESS_OK);
	else if (!judge->options->server_data_host_reply)
		judge_find(judge, ADDRESS_WRONG);
	else
		judge_find_as(judge, ADDRESS_WRONG_USED,
		    pasv->trial.finding == MODE_OK ||
			    has_alternative(judge, PROBE_PASV) ?
			ADVICE_NOTE :
			ADVICE_WRONG);
}

/* ---- judge.h ---- */

void
judge_server(struct judge *judge)
{
	const struct probe_outcome *probe = &judge->outcome->probe;
	enum finding greeting = judge_greeting(judge);
	struct facts *facts = judge->facts;

	facts->kind = probe->kind;
	fact_set(facts, FACT_GREETING, probe->greeting);
	fact_set(facts, FACT_REPLY, probe->greeting);
	fact_set(facts, FACT_WHY, probe->why);
	judge_find(judge, greeting);
	if (greeting != GREETING_OK)
		return;
	judge_feat(judge);
	judge_tls(judge);
	judge_login(judge);
	for (int i = 0; i < PROBE_VARIANTS; i++)
		judge_variant(judge, (enum probe_variant)i);
	judge_address(judge);
	fact_format(facts, FACT_RTT_MS, "%.1f", probe->rtt_ms);
	fact_format(facts, FACT_COUNT, "%u", probe->n_rtt);
	if (probe->n_rtt > 0 && !probe->lost)
		judge_find(judge, ROUND_TRIP);
	fact_set(facts, FACT_WHY, probe->why);
	if (probe->lost && probe->login != USER_DENIED)
		judge_find(judge, SERVER_LOST);
}
