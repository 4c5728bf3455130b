/*
 * What the user's configuration of ssh does not set.
 */
#include "ssh/defaults.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "ssh/ciphers.h"
#include "ssh/dump.h"
#include "ssh/run.h"

/* One ssh -G. */
struct defaults_run {
	struct defaults *defaults;
	struct ssh_run *run; /* NULL: not started */
	bool ended;
	bool good; /* it ended with status 0, and text has all */
	char text[LIMIT_SSH_CONFIG];
	size_t len;
};

/* ssh -G with the user's configuration, then without any. */
#define DEFAULTS_RUNS 2

struct defaults {
	const struct link_options *options;
	defaults_cb *done;
	void *ctx;
	uv_timer_t timer;
	uv_loop_t *loop;
	bool late;
	unsigned int running;
	struct defaults_run runs[DEFAULTS_RUNS];
};

/* ---- the answer ---- */

/* Do both runs print the same value for key? */
static bool
defaults_same(const struct defaults_run *runs, const char *key)
{
	char one[LIMIT_SSH_CIPHERS], two[LIMIT_SSH_CIPHERS];

	return dump_find(runs[0].text, runs[0].len, key, one, sizeof(one)) ==
	    0 &&
	    dump_find(runs[1].text, runs[1].len, key, two, sizeof(two)) == 0 &&
	    strcmp(one, two) == 0;
}

/* The list to request; or NULL, and *ret_why says why there is none. */
static const char *
defaults_ciphers(const struct defaults *defaults, char list[LIMIT_SSH_CIPHERS],
    const char **ret_why)
{
	const struct defaults_run *runs = defaults->runs;
	char own[LIMIT_SSH_CIPHERS];

	if (!defaults->options->cipher_order)
		*ret_why = "--no-cipher-order is set";
	else if (!ciphers_cpu_has_aes())
		*ret_why = "this CPU has no AES";
	else if (defaults->late)
		*ret_why = "ssh -G took too long";
	else if (!runs[0].good || !runs[1].good)
		*ret_why = "ssh -G failed";
	else if (ciphers_find(runs[1].text, runs[1].len, own) != 0)
		*ret_why = "ssh -G names no ciphers";
	else if (!defaults_same(runs, "ciphers"))
		*ret_why = "it is configured";
	else if (!ciphers_reorder(own, list))
		*ret_why = "no change is needed";
	else
		return list;
	return NULL;
}

static void
defaults_end(struct defaults *defaults)
{
	const struct defaults_run *runs = defaults->runs;
	/* If the configuration is not known, it does no harm to set the
	 * time-outs. */
	bool unknown = !runs[0].good || !runs[1].good;
	struct defaults_answer answer = { .why = NULL };
	char list[LIMIT_SSH_CIPHERS];

	answer.ciphers = defaults_ciphers(defaults, list, &answer.why);
	if (unknown || defaults_same(runs, "serveraliveinterval"))
		answer.timeouts |= LINK_ALIVE;
	if (unknown || defaults_same(runs, "connecttimeout"))
		answer.timeouts |= LINK_CONNECT;
	uv_timer_stop(&defaults->timer);
	defaults->done(defaults->ctx, &answer);
}

/* ---- the two runs of ssh -G ---- */

void
defaults_stop(struct defaults *defaults)
{
	for (size_t i = 0; i < DEFAULTS_RUNS; i++)
		if (defaults->runs[i].run != NULL && !defaults->runs[i].ended)
			ssh_run_signal(defaults->runs[i].run, SIGKILL);
}

static void
defaults_late(uv_timer_t *timer)
{
	struct defaults *defaults = timer->data;

	defaults->late = true;
	defaults_stop(defaults);
}

static void
defaults_wrote(void *ctx, const char *bytes, size_t len)
{
	struct defaults_run *run = ctx;
	size_t room = sizeof(run->text) - run->len;

	if (len > room)
		len = room;
	memcpy(run->text + run->len, bytes, len);
	run->len += len;
	/* An output that does not fit is not used. */
	if (len > 0 && run->len == sizeof(run->text))
		ssh_run_signal(run->run, SIGKILL);
}

static void
defaults_ended(void *ctx, const struct monitor_end *end)
{
	struct defaults_run *run = ctx;
	struct defaults *defaults = run->defaults;

	run->ended = true;
	run->good = end->err == 0 && end->status == 0 && end->signal == 0 &&
	    run->len < sizeof(run->text);
	if (--defaults->running == 0)
		defaults_end(defaults);
}

static int
defaults_run(struct defaults *defaults, size_t i, enum cmdline_kind kind)
{
	static const struct ssh_run_handler handler = {
		.wrote = defaults_wrote,
		.ended = defaults_ended,
	};
	const struct cmdline cmdline = {
		.kind = kind,
		.to = defaults->options->to,
	};
	struct defaults_run *run = &defaults->runs[i];
	int err;

	run->defaults = defaults;
	err = ssh_run_start(defaults->loop, defaults->options->monitor,
	    &cmdline, &handler, run, &run->run);
	defaults->running += err == 0;
	return err;
}

/* ---- defaults.h ---- */

int
defaults_find(uv_loop_t *loop, const struct link_options *options,
    defaults_cb *done, void *ctx, struct defaults **ret)
{
	struct defaults *defaults = calloc(1, sizeof(*defaults));
	int err;

	if (defaults == NULL)
		return -ENOMEM;
	defaults->loop = loop;
	defaults->options = options;
	defaults->done = done;
	defaults->ctx = ctx;
	uv_timer_init(loop, &defaults->timer);
	defaults->timer.data = defaults;
	uv_timer_start(&defaults->timer, defaults_late, LIMIT_SSH_CONFIG_MS, 0);
	err = defaults_run(defaults, 0, CMDLINE_CONFIGURED);
	if (err == 0)
		err = defaults_run(defaults, 1, CMDLINE_OWN);
	if (defaults->running == 0) {
		defaults_free(defaults);
		return err;
	}
	if (err != 0) /* both outputs are needed */
		defaults_stop(defaults);
	*ret = defaults;
	return 0;
}

static void
defaults_on_closed(uv_handle_t *timer)
{
	free(timer->data);
}

void
defaults_free(struct defaults *defaults)
{
	if (defaults == NULL)
		return;
	assert(defaults->running == 0);
	for (size_t i = 0; i < DEFAULTS_RUNS; i++)
		ssh_run_free(defaults->runs[i].run);
	uv_close((uv_handle_t *)&defaults->timer, defaults_on_closed);
}
