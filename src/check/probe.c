/*
 * Checks one FTP server.
 *
 *	greeting -- FEAT (SYST) -- USER -- PASS -- each variant -- NOOPs -- QUIT
 *
 * Without a login, or if it is refused, no variant is tried.
 */
#include "check/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ftp/greeting.h"
#include "ftp/reply.h"
#include "limits.h"

/* Round trips to measure. */
#define PROBE_NOOPS 5

static const enum verb verbs[PROBE_VARIANTS] = {
	[PROBE_PASV] = VERB_PASV,
	[PROBE_EPSV] = VERB_EPSV,
	[PROBE_PORT] = VERB_PORT,
	[PROBE_EPRT] = VERB_EPRT,
};

struct probe {
	struct probe_options options;
	probe_cb *done;
	void *ctx;
	struct ftp *ftp;
	struct trial *trial;
	size_t variant;	  /* the one being tried */
	unsigned n_waits; /* preliminary replies before the greeting */
	unsigned n_stray; /* lines before the greeting, not replies */
	struct addr local;
	char host[FORWARD_HOST_MAX]; /* to connect to for data */
	char at[FORWARD_HOST_MAX];   /* to listen on */
	uint64_t sent_at;	     /* ns */
	uint64_t took[PROBE_NOOPS];
	uv_timer_t soon; /* starts the next variant */
	struct probe_outcome outcome;
};

const char *
probe_verb(enum probe_variant variant)
{
	return verb_name(verbs[variant]);
}

bool
probe_is_active(enum probe_variant variant)
{
	return variant == PROBE_PORT || variant == PROBE_EPRT;
}

/* ---- the end ---- */

static void
probe_finish(struct probe *probe)
{
	probe_cb *done = probe->done;

	if (done == NULL)
		return;
	probe->done = NULL;
	trial_free(probe->trial);
	probe->trial = NULL;
	ftp_close(probe->ftp);
	probe->ftp = NULL;
	done(probe->ctx, &probe->outcome);
}

static void
finish_lost(struct probe *probe, const char *why)
{
	probe->outcome.lost = true;
	fact_text(probe->outcome.why, "%s", why);
	probe_finish(probe);
}

/* False: there is no reply, and the probe has ended. */
static bool
has_reply(struct probe *probe, const struct ftp_reply *reply)
{
	if (reply->code != 0)
		return true;
	probe->outcome.err = reply->err;
	finish_lost(probe, reply->text);
	return false;
}

static void
on_quit(void *ctx, const struct ftp_reply *reply)
{
	(void)reply;
	probe_finish(ctx);
}

/* ---- round trips ---- */

static void on_noop(void *ctx, const struct ftp_reply *reply);

static void
send_noop(struct probe *probe)
{
	probe->sent_at = uv_hrtime();
	ftp_send(probe->ftp, on_noop, probe, "NOOP");
}

static int
compare(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

static void
on_noop(void *ctx, const struct ftp_reply *reply)
{
	const size_t middle = PROBE_NOOPS / 2;
	struct probe *probe = ctx;
	struct probe_outcome *outcome = &probe->outcome;

	if (!has_reply(probe, reply))
		return;
	probe->took[outcome->n_rtt++] = uv_hrtime() - probe->sent_at;
	if (outcome->n_rtt < PROBE_NOOPS) {
		send_noop(probe);
		return;
	}
	qsort(probe->took, PROBE_NOOPS, sizeof(probe->took[0]), compare);
	outcome->rtt_ms = (double)probe->took[middle] / 1e6;
	ftp_send(probe->ftp, on_quit, probe, "QUIT");
}

/* ---- listings ---- */

static void on_tried(void *ctx, const struct trial_outcome *outcome);

/* Tries the current variant, announcing an address of that family. */
static void
try_variant(struct probe *probe, sa_family_t family)
{
	const struct trial_options options = {
		.loop = probe->options.loop,
		.timeouts = probe->options.timeouts,
		.ftp = probe->ftp,
		.side = probe->options.side,
		.verb = verbs[probe->variant],
		.host = probe->options.believe_reply &&
			probe->variant == PROBE_PASV ?
		    NULL :
		    probe->host,
		.from = probe->local,
		.at = probe->at,
		.family = family,
	};

	probe->outcome.variants[probe->variant].ipv6 = family == AF_INET6;
	if (probe->options.at != NULL)
		snprintf(probe->at, sizeof(probe->at), "%s", probe->options.at);
	else if (probe->local.family != AF_UNSPEC)
		addr_format_ip(&probe->local, probe->at);
	else
		snprintf(probe->at, sizeof(probe->at), "%s",
		    family == AF_INET6 ? "::1" : "127.0.0.1");
	trial_free(probe->trial);
	probe->trial = trial_start(&options, on_tried, probe);
	if (probe->trial == NULL)
		finish_lost(probe, strerror(ENOMEM));
}

/* The family of the address to announce: the server's, if that is known. */
static sa_family_t
probe_family_of(const struct probe *probe)
{
	struct addr addr;

	if (probe->options.at != NULL &&
	    addr_parse_ip(probe->options.at, &addr) == 0)
		return addr.family;
	if (probe->local.family != AF_UNSPEC)
		return probe->local.family;
	if (addr_parse_ip(probe->options.host, &addr) == 0)
		return addr.family;
	return AF_INET;
}

/* Tries the next variant, beginning with the current one; after the last one
 * sends the NOOPs. */
static void
next_variant(struct probe *probe)
{
	enum options_mode mode = probe->options.mode;

	for (; probe->variant < PROBE_VARIANTS; probe->variant++) {
		bool active =
		    probe_is_active((enum probe_variant)probe->variant);

		if (mode == (active ? OPTIONS_PASSIVE : OPTIONS_ACTIVE)) {
			probe->outcome.variants[probe->variant].state =
			    PROBE_NOT_USED;
		} else if (probe->variant == PROBE_PORT &&
		    probe_family_of(probe) == AF_INET6) {
			probe->outcome.variants[probe->variant].state =
			    PROBE_OTHER_FAMILY;
		} else {
			try_variant(probe,
			    active ? probe_family_of(probe) : AF_UNSPEC);
			return;
		}
	}
	send_noop(probe);
}

static void
probe_on_soon(uv_timer_t *timer)
{
	next_variant(timer->data);
}

/* May the server be on the far ::1, although its name does not tell? */
static bool
may_be_ipv6(const struct probe *probe)
{
	struct addr addr;

	return probe->variant == PROBE_EPRT && probe->options.at == NULL &&
	    probe->local.family == AF_UNSPEC &&
	    !probe->outcome.variants[probe->variant].ipv6 &&
	    addr_parse_ip(probe->options.host, &addr) != 0;
}

static void
on_tried(void *ctx, const struct trial_outcome *outcome)
{
	struct probe *probe = ctx;

	probe->outcome.variants[probe->variant].state = PROBE_TRIED;
	if (outcome->result == TRIAL_REFUSED && may_be_ipv6(probe)) {
		probe->outcome.variants[probe->variant].trial = *outcome;
		try_variant(probe, AF_INET6);
		return;
	}
	/* Of two refusals the first one is more useful. */
	if (probe->variant != PROBE_EPRT ||
	    !probe->outcome.variants[probe->variant].ipv6 ||
	    outcome->result == TRIAL_OK ||
	    probe->outcome.variants[probe->variant].trial.reply[0] == '\0')
		probe->outcome.variants[probe->variant].trial = *outcome;
	if (outcome->result == TRIAL_LOST) {
		finish_lost(probe, outcome->why);
		return;
	}
	if (outcome->hangs) {
		probe_finish(probe);
		return;
	}
	probe->variant++;
	/* Not from inside the trial's callback. */
	uv_timer_start(&probe->soon, probe_on_soon, 0, 0);
}

/* ---- the login ---- */

static void on_feat(void *ctx, const struct ftp_reply *reply);

static void
probe_on_login(struct probe *probe, const struct ftp_reply *reply)
{
	struct probe_outcome *outcome = &probe->outcome;

	fact_text(outcome->login_reply, "%s", reply->text);
	if (reply->code >= 200 && reply->code < 300) {
		outcome->login = PROBE_IN;
		/* Some servers answer FEAT only after the login. */
		if (outcome->feat[0] == '\0')
			ftp_send(probe->ftp, on_feat, probe, "FEAT");
		else
			next_variant(probe);
		return;
	}
	outcome->login = reply->code == 332 ? PROBE_ACCOUNT : PROBE_DENIED;
	send_noop(probe);
}

static void
on_pass(void *ctx, const struct ftp_reply *reply)
{
	struct probe *probe = ctx;

	if (reply->err == -ETIMEDOUT) {
		has_reply(probe, reply);
	} else if (reply->code == 0) {
		/* Closing the connection is a refusal, too. */
		probe->outcome.login = PROBE_DENIED;
		fact_text(probe->outcome.login_reply, "%s", reply->text);
		probe_finish(probe);
	} else {
		probe_on_login(probe, reply);
	}
}

static void
on_user(void *ctx, const struct ftp_reply *reply)
{
	struct probe *probe = ctx;

	if (reply->code == 331)
		ftp_send(probe->ftp, on_pass, probe, "PASS %s",
		    probe->options.login->password);
	else
		on_pass(probe, reply);
}

/* ---- greeting and FEAT ---- */

/* Stores the names of the features, with commas between. */
static void
keep_feat(struct probe_outcome *outcome, const struct ftp_reply *reply)
{
	const char *line = reply->lines, *end = line + reply->len;
	size_t len = 0;

	while (line < end) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((lf != NULL ? lf : end) - line);
		char name[80];

		/* RFC 2389 section 3.2: each begins with a space. */
		if (n > 1 && line[0] == ' ' && len < FACT_MAX - 100) {
			log_escape(name, sizeof(name), line + 1, n - 1);
			len += (size_t)snprintf(outcome->feat + len,
			    FACT_MAX - len, "%s%s", len > 0 ? ", " : "", name);
			outcome->offers_tls |=
			    reply_is_tls_feature((const uint8_t *)line, n);
		}
		line += n + 1;
	}
}

static void
begin_login(struct probe *probe)
{
	if (probe->options.login != NULL)
		ftp_send(probe->ftp, on_user, probe, "USER %s",
		    probe->options.login->user);
	else
		send_noop(probe);
}

/* SYST, for servers whose greeting can be changed, such as IIS. */
static void
on_syst(void *ctx, const struct ftp_reply *reply)
{
	struct probe *probe = ctx;

	if (!has_reply(probe, reply))
		return;
	probe->outcome.kind = server_recognise(reply->lines);
	begin_login(probe);
}

static void
on_feat(void *ctx, const struct ftp_reply *reply)
{
	struct probe *probe = ctx;
	struct probe_outcome *outcome = &probe->outcome;

	if (!has_reply(probe, reply))
		return;
	outcome->feat_code = reply->code;
	fact_text(outcome->feat_reply, "%s", reply->text);
	if (reply->code >= 200 && reply->code < 300)
		keep_feat(outcome, reply);
	if (outcome->login == PROBE_IN)
		next_variant(probe);
	else if (outcome->kind == SERVER_UNKNOWN)
		ftp_send(probe->ftp, on_syst, probe, "SYST");
	else
		begin_login(probe);
}

/* Like culvert itself, uses the same peer for control and data connections,
 * even if the name has several addresses. */
static void
note_ends(struct probe *probe)
{
	struct addr local;

	ftp_ends(probe->ftp, &local, &probe->outcome.peer);
	probe->local = local;
	probe->local.port = 0;
	if (probe->outcome.peer.family != AF_UNSPEC)
		addr_format_ip(&probe->outcome.peer, probe->host);
}

static void probe_on_greeting(void *ctx, const struct ftp_reply *reply);

/* A line that is not a reply is a banner, or the server is not an FTP server.
 * True: it is a banner, and the wait goes on. */
static bool
is_banner(struct probe *probe, const struct ftp_reply *reply)
{
	const uint8_t *line = (const uint8_t *)reply->lines;

	if (reply->code >= 100 || greeting_is_foreign(line, reply->len) ||
	    ++probe->n_stray > LIMIT_GREETING_LINES)
		return false;
	if (probe->outcome.greeting[0] == '\0')
		log_escape(probe->outcome.greeting, FACT_MAX, reply->lines,
		    strcspn(reply->lines, "\r\n"));
	ftp_wait(probe->ftp, probe_on_greeting, probe);
	return true;
}

static void
probe_on_greeting(void *ctx, const struct ftp_reply *reply)
{
	struct probe *probe = ctx;
	struct probe_outcome *outcome = &probe->outcome;

	outcome->opened = ftp_was_open(probe->ftp);
	outcome->err = reply->err;
	if (reply->code == 0) {
		fact_text(outcome->why, "%s", reply->text);
		outcome->greeting_code = outcome->greeting[0] != '\0';
		probe_finish(probe);
		return;
	}
	if (is_banner(probe, reply))
		return;
	/* "Ready in n minutes" */
	if (reply->code == 120 && ++probe->n_waits < LIMIT_CHECK_PRELIMINARY) {
		ftp_wait(probe->ftp, probe_on_greeting, probe);
		return;
	}
	note_ends(probe);
	outcome->greeting_code = reply->code;
	outcome->kind = server_recognise(reply->lines);
	log_escape(outcome->greeting, FACT_MAX, reply->lines,
	    strcspn(reply->lines, "\r\n"));
	if (reply->code < 200 || reply->code > 299) {
		probe_finish(probe);
		return;
	}
	ftp_send(probe->ftp, on_feat, probe, "FEAT");
}

/* ---- probe.h ---- */

static void
probe_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
probe_free(struct probe *probe)
{
	if (probe == NULL)
		return;
	probe->done = NULL;
	trial_free(probe->trial);
	ftp_close(probe->ftp);
	uv_close((uv_handle_t *)&probe->soon, probe_on_freed);
}

struct probe *
probe_start(const struct probe_options *options, probe_cb *done, void *ctx)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	const struct side_to to = {
		.host = options->host,
		.port = options->port,
		.use = SIDE_CONTROL,
	};

	if (probe == NULL)
		return NULL;
	probe->options = *options;
	probe->done = done;
	probe->ctx = ctx;
	snprintf(probe->host, sizeof(probe->host), "%s", options->host);
	uv_timer_init(options->loop, &probe->soon);
	probe->soon.data = probe;
	probe->ftp = ftp_open(options->loop, options->side, &to,
	    options->timeouts, probe_on_greeting, probe);
	if (probe->ftp != NULL)
		return probe;
	probe_free(probe);
	return NULL;
}
