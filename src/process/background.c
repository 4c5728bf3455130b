/*
 * -f: culvert goes to the background when everything is ready
 * (base/foreground.h).  culvert exec is the same, but then the foreground
 * process runs the command.
 *
 * The processes leave the terminal one after the other: the main process at
 * once, because it asks nothing; the monitor, and with it each later ssh, when
 * everything is ready.  The ssh that may ask for a password stays, but ignores
 * the terminal's signals.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/foreground.h"
#include "base/log.h"
#include "limits.h"
#include "process/app.h"
#include "process/exec.h"

/* Like ssh -f, culvert closes standard error unless -v is given.  Otherwise a
 * shell that reads it would wait for its end ("x=$(culvert -f host 2>&1)").  It
 * stays open if it is a file or leads to the journal, because nobody waits for
 * their end. */
static bool
keeps_errors(const struct options *options)
{
	struct stat st;

	if (options->verbose > 0)
		return true;
	if (fstat(STDERR_FILENO, &st) != 0)
		return false;
	return S_ISREG(st.st_mode) ||
	    (S_ISSOCK(st.st_mode) && getenv("JOURNAL_STREAM") != NULL);
}

bool
background_fork(struct app *app, int *ret_status)
{
	app->background.fd = -1;
	if (app->options.exec != NULL)
		return foreground_fork(true, &app->options.exec->work,
		    &app->background.fd, ret_status);
	return !app->options.process->background ||
	    foreground_fork(keeps_errors(app->options.process), NULL,
		&app->background.fd, ret_status);
}

void
background_close_inherited(struct app *app)
{
	int first = STDERR_FILENO + 1 + (int)app->shared.activation.n;
	int *kept = &app->background.fd;

	if (*kept >= first) {
		/* Fails if it has that number already. */
		dup3(*kept, first, O_CLOEXEC);
		*kept = first++;
	}
	closefrom(first);
}

static void
background_stop_watching(struct background *background)
{
	uv_timer_stop(&background->timer);
	uv_poll_stop(&background->poll);
	cleanup_fd(&background->fd);
	background->fd = -1;
}

/* The supervisor of culvert exec asks something, or has ended. */
static void
on_question(uv_poll_t *poll, int status, int events)
{
	struct app *app = poll->data;

	if (exec_reply(app->options.exec, app->background.fd))
		return;
	background_stop_watching(&app->background);
	app_stop(app);
}

/* The foreground process was killed. */
static void
on_foreground_ended(uv_poll_t *poll, int status, int events)
{
	struct app *app = poll->data;

	background_stop_watching(&app->background);
	log_err("the foreground process was killed: stopping");
	app->status = EXIT_FAILED;
	app_stop(app);
}

static bool
is_ready(const struct app *app)
{
	const struct destination *destination;

	TAILQ_FOREACH (destination, &app->shared.destinations, link)
		if (!destination_is_settled(destination) ||
		    (app->options.exec != NULL &&
			!destination->config->options.on_demand &&
			!destination_is_up(destination)))
			return false;
	return !app->shared.stopping;
}

static void
on_background_look(uv_timer_t *timer)
{
	struct app *app = timer->data;

	if (!is_ready(app))
		return;
	if (app->options.exec == NULL)
		log_verbose("going to the background");
	monitor_leave_terminal(app->shared.monitor);
	foreground_release(app->background.fd);
	if (app->options.exec == NULL) {
		background_stop_watching(&app->background);
		return;
	}
	uv_timer_stop(&app->background.timer);
	uv_poll_start(&app->background.poll, UV_READABLE, on_question);
}

void
background_watch(struct app *app)
{
	struct background *background = &app->background;

	if (background->fd < 0)
		return;
	uv_timer_init(&app->shared.loop, &background->timer);
	uv_poll_init(&app->shared.loop, &background->poll, background->fd);
	background->timer.data = background->poll.data = app;
	uv_unref((uv_handle_t *)&background->timer);
	uv_unref((uv_handle_t *)&background->poll);
	uv_timer_start(&background->timer, on_background_look, 0,
	    LIMIT_BACKGROUND_LOOK_MS);
	uv_poll_start(&background->poll, UV_READABLE, on_foreground_ended);
}

void
background_unwatch(struct app *app)
{
	struct background *background = &app->background;

	if (!app->options.process->background && app->options.exec == NULL)
		return;
	uv_close((uv_handle_t *)&background->timer, NULL);
	uv_close((uv_handle_t *)&background->poll, NULL);
	cleanup_fd(&background->fd);
}
