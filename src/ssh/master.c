/*
 * The ssh process of a link.
 */
#include "ssh/master.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "ssh/cmdline.h"
#include "ssh/run.h"
#include "ssh/words.h"

/* The longest why of exited(): lines, and how the process ended. */
#define MASTER_WHY_MAX (LIMIT_SSH_KEPT + 80)

struct master {
	uv_loop_t *loop;
	const struct link_options *options;
	const struct master_handler *handler;
	void *ctx;
	char path[CMDLINE_PATH_MAX];
	struct ssh_run *run; /* NULL: not started */
	uv_fs_event_t watch; /* of the directory, for the control socket */
	uv_timer_t kill_timer;
	struct words words;
	enum {
		MASTER_NOT_RUNNING,
		MASTER_STARTING,
		MASTER_READY,
		MASTER_STOPPING, /* SIGTERM was sent */
		MASTER_KILLED,	 /* SIGKILL was sent */
	} state;
	unsigned int terms;	   /* how often SIGTERM was sent */
	unsigned int open_handles; /* that the loop must still close */
};

struct master *
master_new(uv_loop_t *loop, const struct link_options *options,
    const struct master_handler *handler, void *ctx)
{
	struct master *master = calloc(1, sizeof(*master));

	if (master == NULL)
		return NULL;
	master->loop = loop;
	master->options = options;
	master->handler = handler;
	master->ctx = ctx;
	master->words.quiet = options->quiet;
	master->words.to = options->named ? options->destination : NULL;
	master->words.hearer = options->hearer;
	uv_timer_init(loop, &master->kill_timer);
	uv_fs_event_init(loop, &master->watch);
	master->kill_timer.data = master;
	master->watch.data = master;
	master->open_handles = 2;
	return master;
}

const char *
master_path(const struct master *master)
{
	return master->path;
}

void
master_forget_words(struct master *master)
{
	words_forget(&master->words);
}

/* ---- its end ---- */

static void
master_handle_closed(uv_handle_t *handle)
{
	struct master *master = handle->data;

	if (--master->open_handles == 0)
		free(master);
}

void
master_free(struct master *master)
{
	if (master == NULL)
		return;
	assert(master->state == MASTER_NOT_RUNNING);
	ssh_run_free(master->run);
	uv_close((uv_handle_t *)&master->watch, master_handle_closed);
	uv_close((uv_handle_t *)&master->kill_timer, master_handle_closed);
}

static void
master_wrote(void *ctx, const char *bytes, size_t len)
{
	struct master *master = ctx;

	words_feed(&master->words, bytes, len, uv_now(master->loop));
}

/* Why ssh ended: its last lines, or how the process ended. */
static void
master_why(const struct master *master, const struct monitor_end *end,
    char why[MASTER_WHY_MAX])
{
	const char *words = words_text(&master->words);

	if (end->err == -EPIPE)
		snprintf(why, MASTER_WHY_MAX, "the monitor process has ended");
	else if (end->err != 0)
		snprintf(why, MASTER_WHY_MAX, "cannot run ssh: %s",
		    strerror(-end->err));
	else if (end->signal != 0)
		snprintf(why, MASTER_WHY_MAX, "ssh was ended by signal %d%s%s",
		    end->signal, words[0] == '\0' ? "" : ": ", words);
	else if (words[0] != '\0')
		snprintf(why, MASTER_WHY_MAX, "%s", words);
	else
		snprintf(why, MASTER_WHY_MAX, "ssh ended with status %d",
		    end->status);
}

static void
master_ended(void *ctx, const struct monitor_end *end)
{
	struct master *master = ctx;
	char why[MASTER_WHY_MAX];
	bool killed = master->state == MASTER_KILLED;
	bool stopped = killed || master->state == MASTER_STOPPING;
	bool expected;

	master->state = MASTER_NOT_RUNNING;
	uv_timer_stop(&master->kill_timer);
	uv_fs_event_stop(&master->watch);
	words_end(&master->words, uv_now(master->loop));
	unlink(master->path);
	master_why(master, end, why);
	/* At SIGTERM, ssh exits with a status, or the signal ends it. */
	expected = stopped && words_text(&master->words)[0] == '\0' &&
	    (end->signal == 0 || end->signal == SIGTERM || killed);
	master->handler->exited(master->ctx, expected ? NULL : why);
}

static void
master_kill(uv_timer_t *timer)
{
	struct master *master = timer->data;

	if (master->terms == LIMIT_SSH_STOP_TERMS) {
		master->state = MASTER_KILLED;
		ssh_run_signal(master->run, SIGKILL);
	} else {
		master->state = MASTER_STOPPING;
		master->terms++;
		ssh_run_signal(master->run, SIGTERM);
	}
}

void
master_stop(struct master *master)
{
	if (master->state != MASTER_STARTING && master->state != MASTER_READY)
		return;
	uv_timer_start(&master->kill_timer, master_kill,
	    LIMIT_SSH_STOP_MS / LIMIT_SSH_STOP_TERMS,
	    LIMIT_SSH_STOP_MS / LIMIT_SSH_STOP_TERMS);
	master_kill(&master->kill_timer);
}

/* ---- its start ---- */

/* When the socket gets this name, ssh already listens on it. */
static void
master_watched(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct master *master = watch->data;

	if (master->state != MASTER_STARTING || access(master->path, F_OK) != 0)
		return;
	master->state = MASTER_READY;
	uv_fs_event_stop(&master->watch);
	master->handler->ready(master->ctx);
}

/* 0, or the negative errno of execvp() for that path. */
static int
master_try_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) == 0 ? 0 : -errno;
}

/* 0, or the negative errno with which execvp() would fail in the monitor's
 * child. */
static int
master_check_program(const char *program)
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];
	int err = -ENOENT, one;

	if (strchr(program, '/') != NULL)
		return master_try_program(program);
	if (dirs == NULL)
		return 0; /* execvp() has a default */
	for (;; dirs++) {
		int len = (int)strcspn(dirs, ":");

		if (snprintf(path, sizeof(path), "%.*s%s%s", len, dirs,
			len > 0 ? "/" : "./", program) < (int)sizeof(path)) {
			one = master_try_program(path);
			if (one == 0)
				return 0;
			if (one == -EACCES)
				err = one;
		}
		dirs += len;
		if (*dirs == '\0')
			return err;
	}
}

int
master_check(const struct master *master)
{
	const struct link_options *options = master->options;

	if (options->destination[0] == '-' || options->destination[0] == '\0')
		return -EINVAL;
	return master_check_program(options->program);
}

int
master_start(struct master *master, const char *ciphers, unsigned timeouts)
{
	static const struct ssh_run_handler handler = {
		.wrote = master_wrote,
		.ended = master_ended,
	};
	const struct link_options *options = master->options;
	const struct cmdline cmdline = {
		.kind =
		    options->account != NULL ? CMDLINE_LOGIN : CMDLINE_MASTER,
		.to = options->to,
		.link = options->number,
		.account = options->account,
		.ciphers = ciphers,
		.timeouts = timeouts,
	};
	int err = master_check(master);

	if (err == 0)
		err = cmdline_path(options->directory, master->path);
	if (err != 0)
		return err;
	/* A socket of an earlier ssh would look like the new one. */
	if (unlink(master->path) != 0 && errno != ENOENT)
		return -errno;
	/* Before ssh runs, so that no event is missed. */
	err = uv_fs_event_start(&master->watch, master_watched,
	    options->directory, 0);
	if (err == 0)
		err = ssh_run_start(master->loop, options->monitor, &cmdline,
		    &handler, master, &master->run);
	if (err == 0)
		master->state = MASTER_STARTING;
	else
		uv_fs_event_stop(&master->watch);
	return err;
}
