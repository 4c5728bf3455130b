/*
 * Orders, by signals and by the control socket: end now, end when all transfers
 * have ended, or reload the configuration file.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "limits.h"
#include "process/app.h"
#include "process/metrics.h"

static const int own_signals[APP_SIGNALS] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1,
	SIGUSR2 };

/* Ends everything.  The second time, it does not wait for clients. */
static void
stop_now(struct app *app)
{
	uv_timer_stop(&app->drain);
	if (app->shared.stopping)
		app_disconnect(app);
	else
		app_stop(app);
}

static void
orders_on_drain(uv_timer_t *timer)
{
	struct app *app = timer->data;
	size_t n = admission_count(app->shared.count.admission);

	if (n > 0 &&
	    (app->drain_by == 0 || uv_now(&app->shared.loop) < app->drain_by))
		return;
	if (n > 0)
		log_warn("%zu session%s did not end in time", n,
		    n == 1 ? "" : "s");
	stop_now(app);
}

/* Stops culvert when no transfer is left, or after max_ms (0: no limit). */
static void
drain(struct app *app, uint64_t max_ms)
{
	struct shared *shared = &app->shared;
	bool sooner = app->drain_by == 0 && max_ms > 0;
	struct destination *destination;

	if (!shared->started || shared->stopping ||
	    (shared->draining && !sooner)) {
		stop_now(app);
		return;
	}
	app->drain_by = max_ms > 0 ? uv_now(&shared->loop) + max_ms : 0;
	if (shared->draining)
		return;
	shared->draining = true;
	metrics_drain(app->metrics);
	TAILQ_FOREACH (destination, &shared->destinations, link)
		destination_drain(destination, "culvert is stopping");
	log_info("stopping when all transfers have ended; repeat to stop at "
		 "once");
	uv_timer_start(&app->drain, orders_on_drain, 0, LIMIT_DRAIN_LOOK_MS);
}

/* Does what SIGTERM does. */
static void
stop(struct app *app)
{
	if (app->options.process->drain_ms > 0)
		drain(app, app->options.process->drain_ms);
	else
		stop_now(app);
}

bool
app_obey(void *ctx, enum control_order order, const char *name, char *why,
    size_t why_size)
{
	struct app *app = ctx;
	const struct app_options *options = &app->options;
	bool ending = app->shared.draining || app->shared.stopping;

	if (order == CONTROL_RELOAD || name != NULL) {
		snprintf(why, why_size, "%s",
		    ending ? "culvert is stopping" :
			     "this culvert was not started by culvert up");
		return options->request != NULL && !ending &&
		    options->request(options->ctx, order, name, why, why_size);
	}
	log_info("received a request to %s",
	    order == CONTROL_STOP ? "stop" : "drain");
	if (order == CONTROL_STOP)
		stop(app);
	else if (!app->shared.draining)
		drain(app, 0);
	return true;
}

/* Has culvert's terminal been closed?  Then ssh cannot ask for a password. */
static bool
terminal_is_gone(const struct app *app)
{
	struct pollfd terminal = { .fd = app->terminal, .events = 0 };

	return poll(&terminal, 1, 0) == 1 && (terminal.revents & POLLHUP) != 0;
}

static void
orders_on_signal(uv_signal_t *handle, int signum)
{
	struct app *app = handle->data;
	char why[200];

	if (signum == SIGUSR2) {
		app_reopen(app);
		return;
	}
	if (signum == SIGHUP && !terminal_is_gone(app)) {
		if (!app_obey(app, CONTROL_RELOAD, NULL, why, sizeof(why)))
			log_verbose("%s: ignored: %s", strsignal(signum), why);
		return;
	}
	log_verbose("%s: stopping", strsignal(signum));
	if (signum == SIGUSR1)
		drain(app, 0);
	else if (signum == SIGTERM)
		stop(app);
	else
		stop_now(app);
}

void
signals_prepare(void)
{
	signal(SIGPIPE, SIG_IGN);
	/* SIGXFSZ comes from a write that exceeds the size limit of files
	 * (ulimit -f). */
	signal(SIGXFSZ, SIG_IGN);
	/* With "stty tostop" a terminal stops background processes that
	 * write. */
	signal(SIGTTOU, SIG_IGN);
}

void
signals_watch(struct app *app)
{
	app->terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	for (size_t i = 0; i < APP_SIGNALS; i++) {
		uv_signal_init(&app->shared.loop, &app->signals[i]);
		app->signals[i].data = app;
		uv_unref((uv_handle_t *)&app->signals[i]);
		/* A signal may be ignored because of nohup(1), or because a
		 * script has started culvert with "&". */
		if (!process_ignores(own_signals[i]))
			uv_signal_start(&app->signals[i], orders_on_signal,
			    own_signals[i]);
	}
	uv_timer_init(&app->shared.loop, &app->drain);
	app->drain.data = app;
}

void
signals_ignore(struct app *app)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < APP_SIGNALS; i++)
		sigaddset(&set, own_signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < APP_SIGNALS; i++)
		uv_close((uv_handle_t *)&app->signals[i], NULL);
	uv_close((uv_handle_t *)&app->drain, NULL);
	cleanup_fd(&app->terminal);
}
