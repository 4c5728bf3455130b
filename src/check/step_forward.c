/*
 * culvert check, last step: each -L and -R.
 *
 *	-L	sshd listens -- the FTP server
 *	-R	sshd listens for clients -- for their data connections -- it
 *		connects to one of them -- the FTP server
 *
 * Each of these is tried even if another one fails.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "check/check_priv.h"
#include "ssh/reason.h"
#include "tunnel/tunnel.h"

struct forward_step {
	struct check *check;
	const struct forward *forward;
	struct judge_outcome *outcome;
	struct judge_try *try;	       /* the current request */
	check_step *then;	       /* the step after it */
	struct side_listener *control; /* -R: open during all steps */
	struct side_listener *listener;
	struct addr at; /* where that listens */
	struct stream *stream;
	struct netrc_login login;
	struct probe *probe;
};

static void
forward_let_go(struct forward_step *step)
{
	side_listener_close(step->listener, false);
	step->listener = NULL;
	stream_close(step->stream);
	step->stream = NULL;
}

void
step_forward_free(struct check *check)
{
	struct forward_step *step = check->forward;

	check->forward = NULL;
	if (step == NULL)
		return;
	forward_let_go(step);
	side_listener_close(step->control, false);
	probe_free(step->probe);
	explicit_bzero(&step->login, sizeof(step->login));
	free(step);
}

/* ---- a request to sshd ---- */

static void
end_try(struct check *check, bool good, int err, const char *why)
{
	struct forward_step *step = check->forward;
	struct judge_try *try = step->try;

	if (try == NULL)
		return;
	uv_timer_stop(&check->limit);
	step->try = NULL;
	try->result = good ? JUDGE_GOOD : JUDGE_FAILED;
	try->err = err;
	log_escape(try->why, FACT_MAX, why, reason_own_len(why));
	check_next(check, step->then);
}

static void
on_try_late(uv_timer_t *timer)
{
	end_try(timer->data, false, -ETIMEDOUT, "no answer in time");
}

static void
begin_try(struct check *check, struct judge_try *try, check_step *then)
{
	check->forward->try = try;
	check->forward->then = then;
	uv_timer_start(&check->limit, on_try_late,
	    check->options->timeouts.sshd, 0);
}

static void
forward_on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct check *check = ctx;

	check->forward->at = v4->family != AF_UNSPEC ? *v4 : *v6;
	end_try(check, true, 0, "");
}

static bool
forward_on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	(void)ctx;
	(void)local;
	(void)peer;
	stream_reset(stream);
	return false;
}

static void
forward_on_second(void *ctx, const char *place)
{
	(void)ctx;
	(void)place;
}

static void
forward_on_failed(void *ctx, int err, const char *why)
{
	end_try(ctx, false, err, why);
}

static struct side_listener *
try_listen(struct check *check, const struct side_at *at)
{
	static const struct side_listener_handler handler = {
		.listening = forward_on_listening,
		.accepted = forward_on_accepted,
		.second = forward_on_second,
		.failed = forward_on_failed,
	};
	struct side_listener *listener =
	    side_listen(check->far, at, &handler, check);

	if (listener == NULL)
		end_try(check, false, -ENOMEM, strerror(ENOMEM));
	return listener;
}

/* ---- the end of a forward ---- */

static void
forward_on_found(void *ctx, enum finding finding, enum advice_status status)
{
	check_find_as(ctx, finding, status);
}

static void
next_forward(struct check *check)
{
	struct forward_step *step = check->forward;
	size_t i = check->n_forward++;
	char words[REASON_WORDS_MAX];

	/* If the link is down, failures mean nothing; on_down() follows. */
	if (!link_is_up(links_first(check->links)))
		return;
	reason_words(link_reason(links_first(check->links)), words);
	if (words[0] != '\0')
		fact_format(&check->facts, FACT_SESSION,
		    "; a session there prints: \"%s\"", words);
	if (reason_is_expiry(link_reason(links_first(check->links))))
		fact_set(&check->facts, FACT_EXPIRED, "yes");
	judge_forward(check->conf, step->forward, step->outcome, &check->facts,
	    forward_on_found, check, &check->modes[i]);
	step_forward_free(check);
	report_forward(check->report, NULL);
	check_next(check, step_forward);
}

/* ---- the FTP server ---- */

static void
on_probed(void *ctx, const struct probe_outcome *outcome)
{
	struct check *check = ctx;
	struct forward_step *step = check->forward;
	char *why = step->outcome->probe.why;

	step->outcome->probed = true;
	step->outcome->probe = *outcome;
	why[reason_own_len(why)] = '\0';
	check_next(check, next_forward);
}

static void
find_login(struct check *check)
{
	struct forward_step *step = check->forward;
	struct judge_outcome *outcome = step->outcome;

	outcome->login = login_find(check->login, step->forward->host,
	    &step->login, &outcome->login_why);
	outcome->netrc_open =
	    outcome->login == LOGIN_HAVE && login_is_open(check->login);
	fact_escape(&check->facts, FACT_FTP_USER, step->login.user);
	if (outcome->login != LOGIN_HAVE && check->options->ftp_user != NULL)
		fact_escape(&check->facts, FACT_FTP_USER,
		    check->options->ftp_user);
}

static void
probe_server(struct check *check)
{
	struct forward_step *step = check->forward;
	const struct forward *forward = step->forward;
	struct probe_options options = {
		.loop = &check->loop,
		.timeouts = &check->options->timeouts,
		.side = forward->remote ? check->near : check->far,
		.host = forward->host,
		.port = forward->host_port,
		.at = forward->remote ? NULL : check->conf->far_address,
		.mode = check->conf->server_mode,
		.believe_reply = check->conf->server_data_host_reply,
	};

	forward_let_go(step);
	find_login(check);
	if (step->outcome->login == LOGIN_HAVE)
		options.login = &step->login;
	step->probe = probe_start(&options, on_probed, check);
	if (step->probe == NULL)
		check_next(check, next_forward);
}

/* ---- -R: what clients need ---- */

static void
on_client_opened(void *ctx)
{
	end_try(ctx, true, 0, "");
}

static void
on_client_data(void *ctx, const struct iovec *pieces, size_t n)
{
	(void)ctx;
	(void)pieces;
	(void)n;
}

static void
on_client_end(void *ctx)
{
	(void)ctx;
}

static void
on_client_closed(void *ctx, int err, const char *why)
{
	end_try(ctx, false, err, why);
}

/* For a client in active mode, sshd must connect to the client.  The test
 * connects to a listener of sshd itself. */
static void
try_client_active(struct check *check)
{
	static const struct stream_handler handler = {
		.opened = on_client_opened,
		.data = on_client_data,
		.eof = on_client_end,
		.drained = on_client_end,
		.closed = on_client_closed,
	};
	struct forward_step *step = check->forward;
	char host[ADDR_TEXT_MAX];
	struct side_to to = {
		.host = addr_is_any(&step->at) ?
		    "127.0.0.1" :
		    addr_format_ip(&step->at, host),
		.port = step->at.port,
		.use = SIDE_DATA,
	};

	if (step->outcome->client_passive.result != JUDGE_GOOD) {
		check_next(check, probe_server);
		return;
	}
	begin_try(check, &step->outcome->client_active, probe_server);
	step->stream = side_dial(check->far, &to, &handler, check);
	if (step->stream == NULL)
		end_try(check, false, -ENOMEM, strerror(ENOMEM));
}

static const char *
remote_host(const struct forward *forward)
{
	return *forward->bind != '\0' ? forward->bind : "localhost";
}

static void
try_client_passive(struct check *check)
{
	struct forward_step *step = check->forward;
	const struct side_at at = { .host = remote_host(step->forward) };

	begin_try(check, &step->outcome->client_passive, try_client_active);
	step->listener = try_listen(check, &at);
}

static void
try_remote(struct check *check)
{
	struct forward_step *step = check->forward;
	const struct side_at at = {
		.host = remote_host(step->forward),
		.port = step->forward->port,
		.many = true,
	};

	begin_try(check, &step->outcome->listen, try_client_passive);
	step->control = try_listen(check, &at);
}

/* ---- -L: what the server needs in active mode ---- */

static void
try_local(struct check *check)
{
	struct forward_step *step = check->forward;
	struct side_at at = { .host = check->conf->far_address };

	if (check->conf->server_mode == OPTIONS_PASSIVE) {
		check_next(check, probe_server);
		return;
	}
	if (at.host == NULL)
		at.host = strchr(step->forward->host, ':') != NULL ?
		    "::1" :
		    "127.0.0.1";
	begin_try(check, &step->outcome->listen, probe_server);
	step->listener = try_listen(check, &at);
}

/* ---- check_priv.h ---- */

/* Writes the forward as an option. */
static void
forward_describe(const struct forward *forward, char text[FACT_MAX])
{
	bool bracket = strchr(forward->host, ':') != NULL;
	bool bind6 = strchr(forward->bind, ':') != NULL;

	fact_text(text, "-%c %s%s%s%s%u:%s%s%s:%u", forward->remote ? 'R' : 'L',
	    bind6 ? "[" : "", forward->bind, bind6 ? "]" : "",
	    *forward->bind != '\0' ? ":" : "", forward->port,
	    bracket ? "[" : "", forward->host, bracket ? "]" : "",
	    forward->host_port);
}

void
step_forward(struct check *check)
{
	struct forward_step *step;

	if (check->n_forward == check->conf->n_forwards) {
		check_finish(check);
		return;
	}
	step = calloc(1, sizeof(*step));
	if (step == NULL) {
		fact_set(&check->facts, FACT_WHY, "out of memory");
		check_find_last(check, SSH_FAILED);
		return;
	}
	check->forward = step;
	step->check = check;
	step->forward = &check->conf->forwards[check->n_forward];
	step->outcome = &check->outcomes[check->n_forward];
	facts_forget(&check->facts, SCOPE_FORWARD);
	forward_describe(step->forward, check->facts.text[FACT_FORWARD]);
	check->facts.kind = SERVER_UNKNOWN;
	report_forward(check->report, fact(&check->facts, FACT_FORWARD));
	if (step->forward->remote)
		try_remote(check);
	else
		try_local(check);
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
		.far_address = conf->far_address,
	};

	for (size_t i = 0; i < conf->n_forwards; i++) {
		const struct forward *forward = &conf->forwards[i];
		struct judge_outcome *outcome = &check->outcomes[i];
		const struct tunnel_options options = {
			.remote = forward->remote,
			.bind = forward->bind,
			.port = forward->port,
			.server_host = forward->host,
			.server_port = forward->host_port,
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
