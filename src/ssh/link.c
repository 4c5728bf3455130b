/*
 * The link: an ssh master and the three connections to its control socket: for
 * requests, for control connections and for data connections, whose bytes the
 * control connections' do not wait behind, neither here nor on the way to ssh.
 * A fourth one is nodelay.c's own affair.
 *
 *	NEW -> ASKING -> STARTING -- socket there --> SHAKING -- all up --> UP
 *	          |         |                            |                   |
 *	          +---------+-- link_stop(), a connection lost, ssh ended ---+
 *	                                 |
 *	                 ENDING -- ssh has ended --> DOWN
 *
 * ASKING is about what the user has not configured (defaults.h).  In
 * ENDING nothing new is made.  The loss of any connection, or the end of
 * ssh, gives up all that the link carries, once: streams first, then forwards,
 * then alive checks.  down() waits for the end of ssh, which alone says that
 * nothing of it is left.
 */
#include "ssh/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	LINK_ASKING,
	LINK_STARTING,
	LINK_SHAKING,
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
	bool has_run;
	bool was_up;
	unsigned int shaken; /* connections that are up */
	const char *failure; /* ours, when ssh has no words; or NULL */
	struct defaults *defaults;
	char ciphers[LIMIT_SSH_CIPHERS]; /* to ask for; or empty */
	unsigned timeouts;		 /* to ask for */
	struct master *master;
	struct requests *requests;
	struct window_path way;
	struct proxy *proxy[LINK_USES]; /* by use */
	struct nodelay *nodelay;
	bool hinted; /* link_idle_hint() */
	bool keep_session;
	bool timed_out;			   /* it was closed, and opened again */
	char session_end[LOG_ESCAPED_MAX]; /* why it has ended; or empty */
	bool sends_eof; /* the SSH server does, as was seen */
	struct reason *reason;
	struct nodelay *asker; /* its session */
	enum link_forwards forwards;
};

/* ---- its end ---- */

/* Gives up all that the link carries.  From the loop only. */
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

/* Something of the link failed; ssh is ended and then down() comes. */
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
	(void)err;
	link_fail(ctx, "the control socket of ssh broke");
}

/* It takes no SIGTERM either, but SIGKILL follows. */
static void
link_silent(void *ctx)
{
	link_fail(ctx, "ssh does not answer any more");
}

static void
link_exited(void *ctx, const char *why)
{
	struct link *link = ctx;

	link_abort(link);
	link->state = LINK_DOWN;
	/* What ssh says is nearer to the cause than what we saw of it. */
	if (why == NULL)
		why = link->failure != NULL ? link->failure : "stopped";
	link->handler->down(link->ctx, link->was_up, why);
}

/* ---- its start ---- */

static void
link_up(void *ctx)
{
	struct link *link = ctx;

	if (link->state != LINK_SHAKING || ++link->shaken < 1 + LINK_USES)
		return;
	link->state = LINK_UP;
	link->was_up = true;
	/* What ssh said so far is no reason for what comes. */
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

/* What an account that may do nothing says, it says to this, too. */
#define LINK_COMMAND "exit"

static void
link_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	const struct link *link = ctx;

	reason_hear(link->reason, bytes, len);
}

static void
link_session_over(void *ctx, const char *why)
{
	const struct link *link = ctx;

	(void)why;
	reason_settle(link->reason);
}

static bool
link_ask_reason(void *ctx)
{
	static const struct nodelay_handler handler = {
		.heard = link_heard,
		.over = link_session_over,
	};
	struct link *link = ctx;

	return link->options->explain && link->state == LINK_UP &&
	    nodelay_new(link->loop, master_path(link->master), LINK_COMMAND,
		&link->sends_eof, &handler, link, &link->asker) == 0;
}

/* To the log only, since it may be anything. */
static void
link_session_said(void *ctx, const char *words)
{
	const struct link *link = ctx;

	log_line(link->options->quiet ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN,
	    NULL,
	    "the SSH server %s refuses a forward; a session there says: \"%s\" "
	    "(if that does not explain it, culvert check shows what else can "
	    "be the cause)",
	    link->options->destination, words);
}

void
link_session_words(const struct link *link, char ret[REASON_WORDS_MAX])
{
	reason_words(link->reason, ret);
}

bool
link_is_expired(const struct link *link)
{
	return reason_is_expiry(link->reason);
}

/* ---- the session that is kept ---- */

static void
link_kept_over(void *ctx, const char *why)
{
	struct link *link = ctx;

	if (link->keep_session)
		snprintf(link->session_end, sizeof(link->session_end), "%s",
		    why);
}

/* It is no loss; but whoever wonders why it is opened so often is told once. */
static void
link_kept_timed_out(void *ctx, uint64_t ms)
{
	struct link *link = ctx;

	log_line(link->timed_out ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN, NULL,
	    "sshd has closed the session that keeps the SSH connection to %s "
	    "open, after %.0f s without traffic (ChannelTimeout in "
	    "sshd_config); culvert opens it again each time; \"session:*=0\" "
	    "as the first word of ChannelTimeout prevents that",
	    link->options->destination, (double)ms / 1000);
	link->timed_out = true;
}

const char *
link_session_end(const struct link *link)
{
	return link->session_end;
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
	link->state = LINK_SHAKING;
	err = requests_new(link->loop, path, link->reason,
	    &link_requests_handler, link, &link->requests);
	for (size_t use = 0; use < LINK_USES && err == 0; use++)
		err = proxy_new(link->loop, path, &link->way, &link->sends_eof,
		    link->reason, &link_proxy_handler, link, &link->proxy[use]);
	if (err != 0) {
		link_fail(link, "the control socket of ssh cannot be used");
		return;
	}
	if (!link->options->session)
		return;
	/* It is no more than a gain in speed. */
	err = nodelay_new(link->loop, path, NULL, &link->sends_eof, &handler,
	    link, &link->nodelay);
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
	int err =
	    master_start(link->master, link_ciphers(link), link->timeouts);

	link->has_run = err == 0;
	return err;
}

/* It is known, or not to be had. */
static void
link_asked(void *ctx, const struct defaults_answer *answer)
{
	struct link *link = ctx;
	const char *ciphers = answer->ciphers;
	char text[256];
	int err;

	if (link->state == LINK_ENDING) {
		link_exited(link, NULL);
		return;
	}
	if (ciphers != NULL)
		snprintf(link->ciphers, sizeof(link->ciphers), "%s", ciphers);
	if (ciphers != NULL)
		log_verbose("ssh offers ciphers in this order: %s", ciphers);
	else if (link->options->cipher_order)
		log_verbose("ssh keeps its own order of ciphers: %s",
		    answer->why);
	link->timeouts = answer->timeouts;
	if ((link->timeouts & LINK_ALIVE) != 0)
		log_verbose("ssh detects a dead connection by "
			    "ServerAliveInterval %d",
		    LIMIT_SERVER_ALIVE_S);
	else
		log_verbose("ServerAliveInterval is configured");
	if ((link->timeouts & LINK_CONNECT) == 0)
		log_verbose("ConnectTimeout is configured");
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
		.ask = link_ask_reason,
		.said = link_session_said,
	};
	struct link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return NULL;
	link->loop = loop;
	link->options = options;
	link->handler = handler;
	link->ctx = ctx;
	window_path_init(&link->way, options->budget);
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

uint64_t
link_round_trip(const struct link *link)
{
	return link->way.shortest;
}

int
link_start(struct link *link)
{
	int err;

	assert(link->state == LINK_NEW);
	err = master_check(link->master);
	if (link->options->ciphers != NULL)
		snprintf(link->ciphers, sizeof(link->ciphers), "%s",
		    link->options->ciphers);
	link->timeouts = link->options->timeouts;
	if (err == 0 && link->options->ask &&
	    defaults_find(link->loop, link->options, link_asked, link,
		&link->defaults) == 0) {
		link->state = LINK_ASKING;
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
	if (link->state == LINK_ASKING)
		defaults_stop(link->defaults);
	link->state = LINK_ENDING;
	master_stop(link->master);
	/* Streams hear of it from the loop, when these are lost; and an ssh
	 * that missed the signal on its way into poll() wakes up. */
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
	nodelay_free(link->asker);
	requests_free(link->requests);
	for (size_t use = 0; use < LINK_USES; use++)
		proxy_free(link->proxy[use]);
	reason_free(link->reason);
	master_free(link->master);
	free(link);
}

void
link_keep_session(struct link *link)
{
	link->keep_session = true;
}

bool
link_has_run(const struct link *link)
{
	return link->has_run;
}

const char *
link_ciphers(const struct link *link)
{
	return link->ciphers[0] == '\0' ? NULL : link->ciphers;
}

unsigned
link_timeouts(const struct link *link)
{
	return link->timeouts;
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

unsigned int
link_data_streams(const struct link *link)
{
	const struct proxy *proxy = link->proxy[LINK_DATA];

	return proxy == NULL ? 0 : proxy_channels(proxy, true);
}

bool
link_carries_data(const struct link *link)
{
	const struct proxy *proxy = link->proxy[LINK_DATA];

	return proxy != NULL && proxy_channels(proxy, false) > 0;
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

bool *
link_eof_note(struct link *link)
{
	return &link->sends_eof;
}

void
link_set_forwards(struct link *link, enum link_forwards forwards)
{
	link->forwards = forwards;
}

enum link_forwards
link_forwards(const struct link *link)
{
	return link->forwards;
}

bool
link_sends_eof(const struct link *link)
{
	return link->sends_eof;
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
