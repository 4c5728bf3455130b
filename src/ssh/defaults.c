/*
 * What the user's configuration of ssh leaves at its defaults.
 */
#include "ssh/defaults.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "limits.h"
#include "ssh/ciphers.h"
#include "ssh/cmdline.h"
#include "ssh/dump.h"
#include "ssh/monitor.h"

/* One ssh -G. */
struct defaults_run {
	struct defaults *defaults;
	uint32_t process; /* its number at the monitor */
	uv_poll_t poll;	  /* of fd */
	int fd;		  /* its standard output */
	bool running;
	bool good; /* it has ended with 0 */
	char text[LIMIT_SSH_CONFIG];
	size_t len;
};

/* The user's configuration, and none. */
#define DEFAULTS_RUNS 2

struct defaults {
	uv_loop_t *loop;
	const struct link_options *options;
	defaults_cb *done;
	void *ctx;
	uv_timer_t timer;
	bool late;
	unsigned int running;
	unsigned int open_handles; /* that uv_close() has still to end */
	struct defaults_run runs[DEFAULTS_RUNS];
};

/* ---- its end ---- */

static void
defaults_handle_closed(uv_handle_t *handle)
{
	struct defaults *defaults = handle->data;

	if (--defaults->open_handles == 0)
		free(defaults);
}

void
defaults_free(struct defaults *defaults)
{
	uv_handle_t *handles[1 + DEFAULTS_RUNS];
	size_t n = 0;

	if (defaults == NULL)
		return;
	assert(defaults->running == 0);
	handles[n++] = (uv_handle_t *)&defaults->timer;
	for (size_t i = 0; i < DEFAULTS_RUNS; i++) {
		handles[n++] = (uv_handle_t *)&defaults->runs[i].poll;
		cleanup_fd(&defaults->runs[i].fd);
	}
	for (size_t i = 0; i < n; i++) {
		/* Those that did not get so far have no data. */
		if (handles[i]->data == NULL)
			continue;
		handles[i]->data = defaults;
		defaults->open_handles++;
		uv_close(handles[i], defaults_handle_closed);
	}
}

/* Do both say the same of that key? */
static bool
defaults_same(const struct defaults_run *runs, const char *key)
{
	char one[LIMIT_SSH_CIPHERS], two[LIMIT_SSH_CIPHERS];

	return dump_find(runs[0].text, runs[0].len, key, one, sizeof(one)) ==
	    0 &&
	    dump_find(runs[1].text, runs[1].len, key, two, sizeof(two)) == 0 &&
	    strcmp(one, two) == 0;
}

/* What came of it: a list, or NULL and *ret_why. */
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
		*ret_why = "it is right";
	else
		return list;
	return NULL;
}

static void
defaults_end(struct defaults *defaults)
{
	const struct defaults_run *runs = defaults->runs;
	struct defaults_answer answer = { .why = NULL };
	char list[LIMIT_SSH_CIPHERS];

	answer.ciphers = defaults_ciphers(defaults, list, &answer.why);
	/* Where that cannot be known they do no harm. */
	if (!runs[0].good || !runs[1].good ||
	    defaults_same(runs, "serveraliveinterval"))
		answer.timeouts |= LINK_ALIVE;
	if (!runs[0].good || !runs[1].good ||
	    defaults_same(runs, "connecttimeout"))
		answer.timeouts |= LINK_CONNECT;
	uv_timer_stop(&defaults->timer);
	defaults->done(defaults->ctx, &answer);
}

static void
run_kill(const struct defaults_run *run)
{
	if (run->running)
		monitor_signal(run->defaults->options->monitor, run->process,
		    SIGKILL);
}

static void
defaults_kill(struct defaults *defaults)
{
	for (size_t i = 0; i < DEFAULTS_RUNS; i++)
		run_kill(&defaults->runs[i]);
}

void
defaults_stop(struct defaults *defaults)
{
	defaults_kill(defaults);
}

static void
defaults_late(uv_timer_t *timer)
{
	struct defaults *defaults = timer->data;

	defaults->late = true;
	defaults_kill(defaults);
}

/* ---- one ssh -G ---- */

/* Takes what is in the pipe.  False when no more is wanted. */
static bool
run_read(struct defaults_run *run)
{
	ssize_t n;

	for (;;) {
		n = read(run->fd, run->text + run->len,
		    sizeof(run->text) - run->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) /* its end; or the text is full */
			return false;
		run->len += (size_t)n;
	}
}

static void
run_ready(uv_poll_t *poll, int status, int events)
{
	struct defaults_run *run = poll->data;

	(void)events;
	if (status < 0 || !run_read(run))
		uv_poll_stop(poll);
	/* It may wait for ever for a reader. */
	if (run->len == sizeof(run->text))
		run_kill(run);
}

static void
run_ended(void *ctx, const struct monitor_end *end)
{
	struct defaults_run *run = ctx;
	struct defaults *defaults = run->defaults;

	run->running = false;
	/* Not to the end of the pipe: others may have it still. */
	uv_poll_stop(&run->poll);
	run_read(run);
	run->good = end->err == 0 && end->status == 0 && end->signal == 0 &&
	    run->len < sizeof(run->text);
	if (--defaults->running == 0)
		defaults_end(defaults);
}

static int
run_start(struct defaults_run *run, enum cmdline_kind kind)
{
	struct defaults *defaults = run->defaults;
	const struct cmdline cmdline = {
		.kind = kind,
		.to = defaults->options->to,
	};
	CLEANUP(cleanup_fd) int out = -1;
	int fds[2];
	int err;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	run->fd = fds[0];
	out = fds[1];
	err = uv_poll_init(defaults->loop, &run->poll, run->fd);
	if (err != 0)
		return err;
	run->poll.data = run;
	err = uv_poll_start(&run->poll, UV_READABLE, run_ready);
	if (err == 0)
		err = monitor_start(defaults->options->monitor, &cmdline, out,
		    run_ended, run, &run->process);
	if (err != 0) {
		uv_poll_stop(&run->poll);
		return err;
	}
	run->running = true;
	defaults->running++;
	return 0;
}

/* ---- defaults.h ---- */

int
defaults_ask(uv_loop_t *loop, const struct link_options *options,
    defaults_cb *done, void *ctx, struct defaults **ret)
{
	struct defaults *defaults;
	int err;

	defaults = calloc(1, sizeof(*defaults));
	if (defaults == NULL)
		return -ENOMEM;
	defaults->loop = loop;
	defaults->options = options;
	defaults->done = done;
	defaults->ctx = ctx;
	for (size_t i = 0; i < DEFAULTS_RUNS; i++) {
		defaults->runs[i].defaults = defaults;
		defaults->runs[i].fd = -1;
	}
	uv_timer_init(loop, &defaults->timer);
	defaults->timer.data = defaults;
	uv_timer_start(&defaults->timer, defaults_late, LIMIT_SSH_CONFIG_MS, 0);
	err = run_start(&defaults->runs[0], CMDLINE_CONFIGURED);
	if (err == 0)
		err = run_start(&defaults->runs[1], CMDLINE_OWN);
	if (defaults->running == 0) {
		defaults_free(defaults);
		return err;
	}
	if (err != 0) /* one of them is enough to wait for, not to know */
		defaults_kill(defaults);
	*ret = defaults;
	return 0;
}
