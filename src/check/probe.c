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
#include "check/ftp.h"
#include "ftp/greeting.h"
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
	const struct probe_options *options;
	struct probe_outcome *outcome;
	struct ftp ftp;
	struct addr local;	     /* our end; AF_UNSPEC if unknown */
	char host[FORWARD_HOST_MAX]; /* to connect to for data */
	unsigned n_waits; /* preliminary replies before the greeting */
	unsigned n_stray; /* lines before the greeting that are no replies */
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

bool
probe_was_tried(const struct probe_tried *tried)
{
	return tried->trial.finding != MODE_NOT_TRIED &&
	    tried->trial.finding != MODE_NOT_USED &&
	    tried->trial.finding != MODE_OTHER_FAMILY;
}

/* Stores why there is no reply.  Returns false. */
static bool
probe_lose(struct probe *probe, int err, const char *why)
{
	probe->outcome->lost = true;
	probe->outcome->err = err;
	fact_text(probe->outcome->why, "%s", why);
	return false;
}

/* Reads the reply to a command.  Returns false if there is none. */
static bool
probe_read(struct probe *probe, struct ftp_reply *ret)
{
	ftp_read(&probe->ftp, probe->options->wait->times.reply, ret);
	return ret->code != 0 || probe_lose(probe, ret->err, ret->text);
}

static bool
probe_is_good(const struct ftp_reply *reply)
{
	return reply->code >= 200 && reply->code < 300;
}

/* ---- greeting and FEAT ---- */

static void
probe_keep_greeting(struct probe *probe, const struct ftp_reply *reply)
{
	log_escape(probe->outcome->greeting, FACT_MAX, reply->lines,
	    strcspn(reply->lines, "\r\n"));
}

/* Does the greeting come after this reply? */
static bool
probe_is_early(struct probe *probe, const struct ftp_reply *reply)
{
	/* "Ready in n minutes" */
	if (reply->code == 120)
		return ++probe->n_waits < LIMIT_CHECK_PRELIMINARY;
	/* A line that is not a reply is a banner, or the server is not an FTP
	 * server. */
	if (reply->code == 0 || reply->code >= 100 ||
	    greeting_is_foreign((const uint8_t *)reply->lines, reply->len) ||
	    ++probe->n_stray > LIMIT_GREETING_LINES)
		return false;
	if (probe->outcome->greeting[0] == '\0')
		probe_keep_greeting(probe, reply);
	return true;
}

/* Like culvert itself, the check uses the same peer for control and data
 * connections, even if the name has several addresses. */
static void
probe_note_ends(struct probe *probe)
{
	struct addr *peer = &probe->outcome->peer;

	side_ends(probe->options->side, probe->ftp.peer.stream, &probe->local,
	    peer);
	probe->local.port = 0;
	if (peer->family != AF_UNSPEC)
		addr_format_ip(peer, probe->host);
}

/* Returns false if there is no greeting, or if it is a refusal. */
static bool
probe_greeting(struct probe *probe)
{
	struct probe_outcome *outcome = probe->outcome;
	const struct wait_times *times = &probe->options->wait->times;
	struct peer *peer = &probe->ftp.peer;
	struct ftp_reply reply;

	outcome->opened = peer->opened;
	if (!peer->opened) {
		outcome->err = peer->attempt.err;
		fact_text(outcome->why, "%s", peer->attempt.why);
		return false;
	}
	ftp_read(&probe->ftp, times->greeting, &reply);
	while (probe_is_early(probe, &reply))
		ftp_read(&probe->ftp, times->reply, &reply);
	outcome->err = reply.err;
	if (reply.code == 0) {
		fact_text(outcome->why, "%s", reply.text);
		outcome->greeting_code = outcome->greeting[0] != '\0';
		return false;
	}
	if (peer->stream != NULL)
		probe_note_ends(probe);
	outcome->greeting_code = reply.code;
	outcome->kind = server_recognise(reply.lines);
	probe_keep_greeting(probe, &reply);
	return probe_is_good(&reply);
}

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

		/* RFC 2389 section 3.2: a feature's line begins with a space.
		 */
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

static bool
probe_feat(struct probe *probe)
{
	struct probe_outcome *outcome = probe->outcome;
	struct ftp_reply reply;

	ftp_send(&probe->ftp, "FEAT");
	if (!probe_read(probe, &reply))
		return false;
	outcome->feat_code = reply.code;
	fact_text(outcome->feat_reply, "%s", reply.text);
	if (probe_is_good(&reply))
		keep_feat(outcome, &reply);
	return true;
}

/* Sends SYST, to recognise servers whose greeting can be changed, such as IIS.
 */
static bool
probe_syst(struct probe *probe)
{
	struct ftp_reply reply;

	if (probe->outcome->kind != SERVER_UNKNOWN)
		return true;
	ftp_send(&probe->ftp, "SYST");
	if (!probe_read(probe, &reply))
		return false;
	probe->outcome->kind = server_recognise(reply.lines);
	return true;
}

/* ---- the login ---- */

/* Returns false if the connection was lost. */
static bool
probe_login(struct probe *probe)
{
	const struct netrc_login *login = probe->options->login;
	struct probe_outcome *outcome = probe->outcome;
	uint64_t ms = probe->options->wait->times.reply;
	struct ftp_reply reply;

	if (login == NULL)
		return true;
	ftp_send(&probe->ftp, "USER %s", login->user);
	ftp_read(&probe->ftp, ms, &reply);
	if (reply.code == 331) {
		ftp_send(&probe->ftp, "PASS %s", login->password);
		ftp_read(&probe->ftp, ms, &reply);
	}
	if (reply.err == -ETIMEDOUT)
		return probe_lose(probe, reply.err, reply.text);
	/* Closing the connection is a refusal, too. */
	fact_text(outcome->login_reply, "%s", reply.text);
	outcome->login = probe_is_good(&reply) ? USER_OK :
	    reply.code == 332		       ? USER_ACCOUNT :
						 USER_DENIED;
	return reply.code != 0;
}

/* ---- listings ---- */

/* Returns the family of the address to announce: that of the server's address,
 * if it is known. */
static sa_family_t
probe_family_of(const struct probe *probe)
{
	struct addr addr;

	if (probe->options->at != NULL &&
	    addr_parse_ip(probe->options->at, &addr) == 0)
		return addr.family;
	if (probe->local.family != AF_UNSPEC)
		return probe->local.family;
	if (addr_parse_ip(probe->options->host, &addr) == 0)
		return addr.family;
	return AF_INET;
}

/* Tries a variant.  In active mode, announces an address of the family. */
static void
probe_try(struct probe *probe, enum probe_variant variant, sa_family_t family,
    struct trial_outcome *ret)
{
	const struct probe_options *options = probe->options;
	char at[ADDR_TEXT_MAX];
	const struct trial_options trial = {
		.ftp = &probe->ftp,
		.side = options->side,
		.verb = verbs[variant],
		.host = options->believe_reply && variant == PROBE_PASV ?
		    NULL :
		    probe->host,
		.from = probe->local,
		.at = options->at != NULL ? options->at :
		    probe->local.family != AF_UNSPEC ?
					    addr_format_ip(&probe->local, at) :
		    family == AF_INET6 ? "::1" :
					 "127.0.0.1",
		.family = family,
	};

	trial_run(&trial, ret);
}

/* Is the server perhaps on the far ::1, although its name does not show it? */
static bool
may_be_ipv6(const struct probe *probe)
{
	struct addr addr;

	return probe->options->at == NULL && probe->local.family == AF_UNSPEC &&
	    addr_parse_ip(probe->options->host, &addr) != 0;
}

/* Returns false if no other variant can be tried, because the connection was
 * lost, or the server still tries to connect. */
static bool
probe_variant(struct probe *probe, enum probe_variant variant)
{
	struct probe_tried *tried = &probe->outcome->variants[variant];
	struct trial_outcome second = { .finding = MODE_OK };
	struct trial_outcome *last = &tried->trial;
	sa_family_t family = probe_family_of(probe);

	tried->ipv6 = family == AF_INET6;
	probe_try(probe, variant, family, last);
	if (variant == PROBE_EPRT && last->finding == MODE_REFUSED_VERB &&
	    !tried->ipv6 && may_be_ipv6(probe)) {
		last = &second;
		tried->ipv6 = true;
		probe_try(probe, variant, AF_INET6, last);
		/* Of two refusals the first one is more useful. */
		if (last->finding == MODE_OK)
			tried->trial = *last;
	}
	if (last->finding == SERVER_LOST)
		return probe_lose(probe, 0, last->why);
	return !last->hangs;
}

static bool
probe_variants(struct probe *probe)
{
	enum options_mode mode = probe->options->mode;

	for (int i = 0; i < PROBE_VARIANTS; i++) {
		enum probe_variant variant = (enum probe_variant)i;
		struct probe_tried *tried = &probe->outcome->variants[i];
		bool active = probe_is_active(variant);

		if (mode == (active ? OPTIONS_PASSIVE : OPTIONS_ACTIVE))
			tried->trial.finding = MODE_NOT_USED;
		else if (variant == PROBE_PORT &&
		    probe_family_of(probe) == AF_INET6)
			tried->trial.finding = MODE_OTHER_FAMILY;
		else if (!probe_variant(probe, variant))
			return false;
	}
	return true;
}

/* ---- round trips ---- */

static int
probe_compare(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

static void
probe_measure(struct probe *probe)
{
	struct probe_outcome *outcome = probe->outcome;
	const size_t middle = PROBE_NOOPS / 2;
	uint64_t took[PROBE_NOOPS];
	struct ftp_reply reply;

	while (outcome->n_rtt < PROBE_NOOPS) {
		uint64_t began = uv_hrtime();

		ftp_send(&probe->ftp, "NOOP");
		if (!probe_read(probe, &reply))
			return;
		took[outcome->n_rtt++] = uv_hrtime() - began;
	}
	qsort(took, PROBE_NOOPS, sizeof(took[0]), probe_compare);
	outcome->rtt_ms = (double)took[middle] / 1e6;
	ftp_send(&probe->ftp, "QUIT");
	ftp_read(&probe->ftp, probe->options->wait->times.reply, &reply);
}

/* ---- probe.h ---- */

/* Returns false if there is nothing more to check. */
static bool
probe_log_in(struct probe *probe)
{
	struct probe_outcome *outcome = probe->outcome;

	if (!probe_greeting(probe) || !probe_feat(probe) ||
	    !probe_syst(probe) || !probe_login(probe))
		return false;
	/* Some servers answer FEAT only after the login. */
	return outcome->login != USER_OK || outcome->feat[0] != '\0' ||
	    probe_feat(probe);
}

void
probe_run(const struct probe_options *options, struct probe_outcome *ret)
{
	struct probe probe = { .options = options, .outcome = ret };
	const struct side_to to = {
		.host = options->host,
		.port = options->port,
		.use = SIDE_CONTROL,
	};

	ret->login = USER_NOT_GIVEN;
	for (size_t i = 0; i < PROBE_VARIANTS; i++)
		ret->variants[i].trial.finding = MODE_NOT_TRIED;
	snprintf(probe.host, sizeof(probe.host), "%s", options->host);
	ftp_open(&probe.ftp, options->wait, options->side, &to);
	if (probe_log_in(&probe) &&
	    (ret->login != USER_OK || probe_variants(&probe)))
		probe_measure(&probe);
	ftp_close(&probe.ftp);
}
