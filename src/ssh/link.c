/*
 * The link: an ssh master and three connections to its control socket: for
 * requests, for control connections and for data connections.  They are
 * separate so that nothing on a control connection waits behind data, neither
 * in culvert nor on the way to ssh.  nodelay.c opens one or two more.
 *
 *	NEW -> FINDING -> STARTING -- socket exists --> HANDSHAKE - all up -> UP
 *	          |          |                            |                   |
 *	          +----------+-- link_stop(), a connection lost, ssh ended ---+
 *	                                 |
 *	                 ENDING -- ssh has ended --> DOWN
 *
 * FINDING looks for options that are not configured (defaults.h).  In ENDING no
 * stream or forward can be made.  When a connection is lost or ssh ends, the
 * loss of all that the link carries is reported once: to streams, then to
 * forwards, then to alive checks.  down() is called when ssh has ended, because
 * only then is nothing left of it.
 */
#include "ssh/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "base/log.h"
#include "limits.h"
#include "ssh/master.h"
#include "ssh/nodelay.h"
#include "ssh/defaults.h"
#include "ssh/proxy.h"
#include "ssh/reason.h"
#include "ssh/requests.h"
#include "ssh/window.h"

enum link_state {
	LINK_NEW,
	LINK_FINDING,
	LINK_STARTING,
	LINK_HANDSHAKE,
	LINK_UP,
	LINK_ENDING,
	LINK_DOWN,
};

struct link {
	uv_loop_t *loop;
	const struct link_options *options;
	const struct link_handler *handler;
	void *ctx;
	enum link_state state;
	struct link_info info;
	bool was_up;
	unsigned int n_up;   /* connections that are up */
	const char *failure; /* the reason if ssh prints none; or NULL */
	struct defaults *defaults;
	struct master *master;
	struct requests *requests;
	struct proxy *proxy[LINK_USES];
	struct nodelay *nodelay;
	bool keep_session;
	bool reopened; /* sshd has closed that session at least once */
	struct reason *reason;
	struct nodelay *explainer; /* the session of reason */
	bool hinted;		   /* link_idle_hint() was called */
};

/* ---- its end ---- */

/* Reports the loss of all that the link carries.  From the loop only. */
static void
link_abort(struct link *link)
{
	link->state = LINK_ENDING;
	reason_settle(link->reason);
	for (size_t use = 0; use < LINK_USES; use++) {
		if (link->proxy[use] != NULL)
			proxy_abort(link->proxy[use]);
	}
	if (link->requests != NULL)
		requests_abort(link->requests);
}

/* Ends ssh; down() follows. */
static void
link_fail(struct link *link, const char *failure)
{
	if (link->failure == NULL && link->state != LINK_ENDING)
		link->failure = failure;
	link->state = LINK_ENDING;
	master_stop(link->master);
	link_abort(link);
}

static void
link_lost(void *ctx, int err)
{
	link_fail(ctx, "ssh closed its control socket");
}

/* ssh may not react to SIGTERM either, but then master_stop() sends SIGKILL. */
static void
link_silent(void *ctx)
{
	link_fail(ctx, "ssh no longer responds");
}

static void
link_exited(void *ctx, const char *why)
{
	struct link *link = ctx;

	link_abort(link);
	link->state = LINK_DOWN;
	/* ssh's own words are closer to the cause. */
	if (why == NULL)
		why = link->failure != NULL ? link->failure : "stopped";
	link->handler->down(link->ctx, link->was_up, why);
}

/* ---- its start ---- */

static void
link_up(void *ctx)
{
	struct link *link = ctx;

	if (link->state != LINK_HANDSHAKE || ++link->n_up < 1 + LINK_USES)
		return;
	link->state = LINK_UP;
	link->was_up = true;
	/* What ssh has printed so far does not explain a later end. */
	master_forget_words(link->master);
	if (link->options->watch_ms > 0)
		requests_watch(link->requests, link->options->watch_ms);
	link->handler->up(link->ctx);
}

static const struct requests_handler link_requests_handler = {
	.up = link_up,
	.lost = link_lost,
	.silent = link_silent,
};

static const struct proxy_handler link_proxy_handler = {
	.up = link_up,
	.lost = link_lost,
};

static void
link_nodelay(void *ctx, const char *why)
{
	const struct link *link = ctx;

	if (link->state == LINK_ENDING || link->state == LINK_DOWN)
		return;
	if (why == NULL)
		log_verbose("sshd sends small packets without delay now");
	else
		log_verbose("sshd may send small packets late: %s", why);
}

/* ---- why sshd refuses forwards ---- */

/* Any command would do: whether a password has expired is printed for each, and
 * a forced command replaces it. */
#define LINK_COMMAND "exit"

static void
link_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	const struct link *link = ctx;

	reason_hear(link->reason, bytes, len);
}

static void
link_explained(void *ctx, const char *why)
{
	const struct link *link = ctx;

	reason_settle(link->reason);
}

static bool
link_find_reason(void *ctx)
{
	static const struct nodelay_handler handler = {
		.heard = link_heard,
		.over = link_explained,
	};
	struct link *link = ctx;

	return link->options->explain && link->state == LINK_UP &&
	    nodelay_new(link->loop, master_path(link->master), LINK_COMMAND,
		&link->info.sends_eof, &handler, link, &link->explainer) == 0;
}

/* Only to the log, because a session can print anything. */
static void
link_session_said(void *ctx, const char *words)
{
	const struct link *link = ctx;

	if (link->options->account != NULL) {
		log_verbose("a session of %s at %s says: \"%s\"",
		    link->options->account->user, link->options->destination,
		    words);
		return;
	}
	log_line(link->options->quiet ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN,
	    NULL,
	    "the SSH server %s refuses a forward; a session there says: "
	    "\"%s\" (if that does not explain it, culvert check shows other "
	    "possible causes)",
	    link->options->destination, words);
}

/* ---- the session that stays open ---- */

static void
link_kept_over(void *ctx, const char *why)
{
	struct link *link = ctx;

	if (link->keep_session)
		snprintf(link->info.session_end, sizeof(link->info.session_end),
		    "%s", why);
}

/* Nothing is lost, so only the first time is worth a warning. */
static void
link_kept_timed_out(void *ctx, uint64_t ms)
{
	struct link *link = ctx;

	log_line(link->reopened ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN, NULL,
	    "sshd has closed the session that keeps the SSH connection to %s "
	    "open, after %.0f s without traffic (ChannelTimeout in "
	    "sshd_config); culvert opens it again each time; \"session:*=0\" "
	    "as the first word of ChannelTimeout prevents that",
	    link->options->destination, (double)ms / 1000);
	link->reopened = true;
}

/* ---- it is up ---- */

static void
link_ready(void *ctx)
{
	static const struct nodelay_handler handler = {
		.done = link_nodelay,
		.over = link_kept_over,
		.timed_out = link_kept_timed_out,
	};
	struct link *link = ctx;
	const char *path = master_path(link->master);
	int err;

	if (link->state != LINK_STARTING)
		return;
	link->state = LINK_HANDSHAKE;
	err = requests_new(link->loop, path, link->reason,
	    &link_requests_handler, link, &link->requests);
	for (size_t use = 0; use < LINK_USES && err == 0; use++)
		err = proxy_new(link->loop, path, &link->info, link->reason,
		    &link_proxy_handler, link, &link->proxy[use]);
	if (err != 0) {
		link_fail(link, "the control socket of ssh cannot be used");
		return;
	}
	if (!link->options->session)
		return;
	/* Without this session the link is only slower. */
	err = nodelay_new(link->loop, path, NULL, &link->info.sends_eof,
	    &handler, link, &link->nodelay);
	if (err != 0)
		link_nodelay(link, strerror(-err));
	else if (link->keep_session)
		nodelay_keep(link->nodelay);
}

static const struct master_handler link_master_handler = {
	.ready = link_ready,
	.exited = link_exited,
};

/* 0 or a negative errno. */
static int
link_run(struct link *link)
{
	const char *ciphers = link->info.ciphers;
	int err = master_start(link->master,
	    ciphers[0] != '\0' ? ciphers : NULL, link->info.timeouts);

	link->info.has_run = err == 0;
	return err;
}

static void
link_found(void *ctx, const struct defaults_answer *answer)
{
	struct link *link = ctx;
	const char *ciphers = answer->ciphers;
	char text[256];
	int err;

	if (link->state == LINK_ENDING) {
		link_exited(link, NULL);
		return;
	}
	link->info.timeouts = answer->timeouts;
	if (ciphers != NULL) {
		snprintf(link->info.ciphers, sizeof(link->info.ciphers), "%s",
		    ciphers);
		log_verbose("ssh offers ciphers in this order: %s", ciphers);
	} else if (link->options->cipher_order) {
		log_verbose("ssh keeps its own order of ciphers: %s",
		    answer->why);
	}
	link->state = LINK_STARTING;
	err = link_run(link);
	defaults_free(link->defaults);
	link->defaults = NULL;
	if (err == 0)
		return;
	snprintf(text, sizeof(text), "cannot run %s: %s",
	    link->options->program, strerror(-err));
	link_exited(link, text);
}

/* ---- link.h ---- */

struct link *
link_new(uv_loop_t *loop, const struct link_options *options,
    const struct link_handler *handler, void *ctx)
{
	static const struct reason_handler reason_handler = {
		.open = link_find_reason,
		.said = link_session_said,
	};
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->loop = loop;
	link->options = options;
	link->handler = handler;
	link->ctx = ctx;
	window_path_init(&link->info.path, options->budget);
	link->master = master_new(loop, options, &link_master_handler, link);
	link->reason = reason_new(loop, &reason_handler, link);
	if (link->master == NULL || link->reason == NULL) {
		master_free(link->master);
		reason_free(link->reason);
		free(link);
		return NULL;
	}
	return link;
}

int
link_start(struct link *link, bool keep_session)
{
	int err;

	assert(link->state == LINK_NEW);
	link->keep_session = keep_session;
	err = master_check(link->master);
	if (link->options->ciphers != NULL)
		snprintf(link->info.ciphers, sizeof(link->info.ciphers), "%s",
		    link->options->ciphers);
	link->info.timeouts = link->options->timeouts;
	if (err == 0 && link->options->find_defaults &&
	    defaults_find(link->loop, link->options, link_found, link,
		&link->defaults) == 0) {
		link->state = LINK_FINDING;
		return 0;
	}
	if (err == 0)
		err = link_run(link);
	link->state = err == 0 ? LINK_STARTING : LINK_DOWN;
	return err;
}

void
link_stop(struct link *link)
{
	if (link->state == LINK_NEW || link->state == LINK_ENDING ||
	    link->state == LINK_DOWN)
		return;
	if (link->state == LINK_FINDING)
		defaults_stop(link->defaults);
	link->state = LINK_ENDING;
	master_stop(link->master);
	/* The loss of these connections is reported to the streams from the
	 * loop.  It also wakes up an ssh that got SIGTERM just before poll().
	 */
	if (link->requests != NULL)
		requests_break(link->requests);
	for (size_t use = 0; use < LINK_USES; use++) {
		if (link->proxy[use] != NULL)
			proxy_break(link->proxy[use]);
	}
}

bool
link_is_over(const struct link *link)
{
	return link->state == LINK_NEW || link->state == LINK_DOWN;
}

void
link_free(struct link *link)
{
	if (link == NULL)
		return;
	assert(link_is_over(link));
	defaults_free(link->defaults);
	nodelay_free(link->nodelay);
	nodelay_free(link->explainer);
	requests_free(link->requests);
	for (size_t use = 0; use < LINK_USES; use++)
		proxy_free(link->proxy[use]);
	reason_free(link->reason);
	master_free(link->master);
	free(link);
}

bool
link_is_up(const struct link *link)
{
	return link->state == LINK_UP;
}

struct stream *
link_dial(struct link *link, const char *host, uint16_t port, enum link_use use,
    const struct stream_handler *handler, void *ctx)
{
	if (link->state != LINK_UP)
		return NULL;
	return proxy_dial(link->proxy[use], host, port, use, handler, ctx);
}

struct stream *
link_sftp(struct link *link, const struct stream_handler *handler, void *ctx)
{
	if (link->state != LINK_UP)
		return NULL;
	return proxy_dial(link->proxy[LINK_DATA], NULL, 0, LINK_DATA, handler,
	    ctx);
}

struct link_info *
link_info(struct link *link)
{
	return &link->info;
}

const struct reason *
link_reason(const struct link *link)
{
	return link->reason;
}

bool
link_examine(struct link *link, struct reason_wait *wait,
    void (*known)(void *ctx), void *ctx)
{
	return link->state == LINK_UP &&
	    reason_await(link->reason, wait, known, ctx);
}

unsigned int
link_data_streams(const struct link *link, bool owned)
{
	const struct proxy *proxy = link->proxy[LINK_DATA];

	return proxy == NULL ? 0 : proxy_channels(proxy, owned);
}

struct link_forward *
link_forward_open(struct link *link, const char *host, uint16_t port,
    const char *path, link_forward_cb *done, void *ctx)
{
	if (link->state != LINK_UP)
		return NULL;
	return requests_forward(link->requests, host, port, path, done, ctx);
}

struct link_alive *
link_alive_check(struct link *link, link_alive_cb *done, void *ctx)
{
	if (link->state != LINK_UP)
		return NULL;
	return requests_alive(link->requests, done, ctx);
}

#define IDLE_HINT(channel)                                                   \
	LINK_IDLE_SETTING                                                    \
	"; \"" channel "=0\" as its first word turns that off (logged once " \
	"for each SSH connection)"

const char *
link_idle_hint(struct link *link, bool accepted)
{
	if (link->state != LINK_UP || link->hinted)
		return NULL;
	link->hinted = true;
	return accepted ? IDLE_HINT("forwarded-tcpip") :
			  IDLE_HINT("direct-tcpip");
}

bool
link_is_worn(const struct link *link)
{
	unsigned int refusals = 0;

	for (size_t use = 0; use < LINK_USES && link->state == LINK_UP; use++)
		refusals += proxy_refusals(link->proxy[use]);
	return refusals >= LIMIT_MUX_REFUSALS;
}
