/*
 * culvert check, last step: each -L and -R.
 *
 *	-L	sshd listens -- the FTP server
 *	-R	sshd listens for clients -- sshd listens for their data
 *		connections -- sshd connects to that listener -- the FTP server
 *	sftp/	the SFTP server: step_sftp.c
 *	socks/	nothing: its servers are not known
 *
 * Most of these are tried even if those before them fail.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "check/check_priv.h"
#include "check/probe.h"
#include "tunnel/tunnel.h"

/* ---- requests to sshd ---- */

/* Has sshd listen.  The caller closes the listener. */
static void
forward_listen(struct check *check, const struct side_at *at,
    struct peer_listener *listener, struct attempt *ret)
{
	struct wait *wait = &check->wait;

	peer_listen(listener, check->far, at, NULL);
	attempt_wait(&listener->attempt, wait, wait->times.sshd);
	*ret = listener->attempt;
}

/* -L: what the server needs in active mode. */
static void
forward_try_local(struct check *check, const struct forward *forward,
    struct judge_outcome *outcome)
{
	struct peer_listener listener = { .listener = NULL };
	const struct side_at at = {
		.host = suggest_far_host(check->conf, forward, false),
	};

	if (check->conf->server_mode == OPTIONS_PASSIVE)
		return;
	forward_listen(check, &at, &listener, &outcome->listen);
	peer_unlisten(&listener);
}

/* -R: for a client in active mode, sshd must connect to the client.  In this
 * test it connects to a listener of its own. */
static void
forward_try_active(struct check *check, const struct peer_listener *listener,
    struct attempt *ret)
{
	const struct addr *at =
	    listener->v4.family != AF_UNSPEC ? &listener->v4 : &listener->v6;
	struct wait *wait = &check->wait;
	struct peer peer = { .stream = NULL };
	char host[ADDR_TEXT_MAX];
	const struct side_to to = {
		.host =
		    addr_is_any(at) ? "127.0.0.1" : addr_format_ip(at, host),
		.port = at->port,
		.use = SIDE_DATA,
	};

	peer_dial(&peer, check->far, &to);
	attempt_wait(&peer.attempt, wait, wait->times.sshd);
	*ret = peer.attempt;
	peer_close(&peer);
}

/* -R: sshd listens for clients, and for their data connections.  The listener
 * for clients stays open during all tests of the forward. */
static void
forward_try_remote(struct check *check, const struct forward *forward,
    struct judge_outcome *outcome, struct peer_listener *control)
{
	struct peer_listener data = { .listener = NULL };
	const char *host = suggest_far_host(check->conf, forward, false);
	const struct side_at control_at = {
		.host = host,
		.port = forward->port,
		.many = true,
	};
	const struct side_at data_at = { .host = host };

	forward_listen(check, &control_at, control, &outcome->listen);
	forward_listen(check, &data_at, &data, &outcome->client_passive);
	if (outcome->client_passive.result == ATTEMPT_GOOD)
		forward_try_active(check, &data, &outcome->client_active);
	peer_unlisten(&data);
}

/* ---- the FTP server ---- */

static void
forward_find_login(struct check *check, const struct forward *forward,
    struct judge_outcome *outcome, struct netrc_login *login)
{
	const char *user = check->options->ftp_user;

	outcome->login = login_find(&check->login, forward->host, login,
	    &outcome->login_why);
	outcome->netrc_readable =
	    outcome->login == USER_OK && check->login.open;
	if (outcome->login == USER_OK)
		user = login->user;
	fact_escape(&check->facts, FACT_FTP_USER, user != NULL ? user : "");
}

static void
forward_probe(struct check *check, const struct forward *forward,
    struct judge_outcome *outcome)
{
	struct netrc_login login = { .user = "" };
	struct probe_options options = {
		.wait = &check->wait,
		.side = forward->remote ? check->near : check->far,
		.host = forward->host,
		.port = forward->host_port,
		.at = forward->remote ? NULL : check->conf->far_address,
		.mode = check->conf->server_mode,
		.believe_reply = check->conf->server_data_host_reply,
	};

	forward_find_login(check, forward, outcome, &login);
	if (outcome->login == USER_OK)
		options.login = &login;
	probe_run(&options, &outcome->probe);
	explicit_bzero(&login, sizeof(login));
}

/* ---- the findings ---- */

static void
forward_on_found(void *ctx, enum finding finding, enum advice_status status)
{
	check_find_as(ctx, finding, status);
}

static void
forward_judge(struct check *check, const struct forward *forward,
    const struct judge_outcome *outcome)
{
	const struct reason *reason =
	    link_reason(links_first(check->link.links));
	struct judge judge = {
		.options = check->conf,
		.forward = forward,
		.outcome = outcome,
		.facts = &check->facts,
		.found = forward_on_found,
		.ctx = check,
	};
	char words[REASON_WORDS_MAX];

	reason_words(reason, words);
	if (words[0] != '\0')
		fact_format(&check->facts, FACT_SESSION,
		    "; a session there prints: \"%s\"", words);
	if (reason_is_expiry(reason))
		fact_set(&check->facts, FACT_EXPIRED, "yes");
	judge_forward(&judge);
	check->suggest.modes[check->forward] = (struct suggest_modes) {
		.known = judge.tried,
		.passive = judge.works[JUDGE_PASSIVE],
		.active = judge.works[JUDGE_ACTIVE],
		.ipv6 = judge_is_on_ipv6(&judge),
	};
}

/* Tries everything that an FTP server needs, and reports the findings. */
static void
forward_try(struct check *check, const struct forward *forward,
    struct judge_outcome *outcome)
{
	struct peer_listener control = { .listener = NULL };

	if (forward->remote)
		forward_try_remote(check, forward, outcome, &control);
	else
		forward_try_local(check, forward, outcome);
	forward_probe(check, forward, outcome);
	if (check_link_holds(check))
		forward_judge(check, forward, outcome);
	peer_unlisten(&control);
}

/* ---- check_priv.h ---- */

/* Writes the forward as an option. */
static void
forward_describe(const struct forward *forward, char text[FACT_MAX])
{
	bool bracket = strchr(forward->host, ':') != NULL;
	bool bind6 = strchr(forward->bind, ':') != NULL;
	char directory[FACT_MAX];

	if (forward->sftp) {
		log_escape(directory, sizeof(directory), forward->directory,
		    strlen(forward->directory));
		fact_text(text, "-L sftp/%s%s%s%s%u%s%s", bind6 ? "[" : "",
		    forward->bind, bind6 ? "]" : "",
		    *forward->bind != '\0' ? ":" : "", forward->port,
		    *directory != '\0' ? ":" : "", directory);
		return;
	}
	if (forward->socks) {
		fact_text(text, "-L socks/%s%s%s%s%u", bind6 ? "[" : "",
		    forward->bind, bind6 ? "]" : "",
		    *forward->bind != '\0' ? ":" : "", forward->port);
		return;
	}
	fact_text(text, "-%c %s%s%s%s%u:%s%s%s:%u", forward->remote ? 'R' : 'L',
	    bind6 ? "[" : "", forward->bind, bind6 ? "]" : "",
	    *forward->bind != '\0' ? ":" : "", forward->port,
	    bracket ? "[" : "", forward->host, bracket ? "]" : "",
	    forward->host_port);
}

bool
step_forward(struct check *check)
{
	const struct forward *forward = &check->conf->forwards[check->forward];
	struct judge_outcome *outcome = &check->outcomes[check->forward];

	facts_forget(&check->facts, SCOPE_FORWARD);
	forward_describe(forward, check->facts.text[FACT_FORWARD]);
	check->facts.kind = SERVER_UNKNOWN;
	report_forward(&check->report, fact(&check->facts, FACT_FORWARD));
	if (forward->sftp) {
		forward_judge(check, forward, outcome);
		step_sftp(check);
	} else if (forward->socks) {
		forward_judge(check, forward, outcome);
	} else {
		forward_try(check, forward, outcome);
	}
	report_forward(&check->report, NULL);
	return !check->wait.over;
}

void
step_forward_bind(struct check *check)
{
	const struct options *conf = check->conf;
	const struct policy policy = {
		.allow = conf->allow,
		.n_allow = conf->n_allow,
		.client_data_host_control = conf->client_data_host_control,
		.client_address = conf->client_address,
	};

	for (size_t i = 0; i < conf->n_forwards; i++) {
		const struct forward *forward = &conf->forwards[i];
		struct judge_outcome *outcome = &check->outcomes[i];
		const struct tunnel_options options = {
			.remote = forward->remote,
			.bind = forward->bind,
			.port = forward->port,
			.target.no_password =
			    forward->sftp && conf->sftp.login_file == NULL,
			.policy = &policy,
			.loop = &check->loop,
			.net = check->net,
		};
		struct tunnel *tunnel = tunnel_new(&options, outcome->not_bound,
		    sizeof(outcome->not_bound));

		if (tunnel != NULL)
			tunnel_address(tunnel, outcome->bound,
			    sizeof(outcome->bound));
		tunnel_free(tunnel);
	}
}
