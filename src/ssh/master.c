/*
 * The ssh process of a link.
 */
#include "ssh/master.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "limits.h"
#include "ssh/cmdline.h"
#include "ssh/monitor.h"
#include "ssh/words.h"

/* The longest "why": words, and how the process ended. */
#define MASTER_WHY_MAX (LIMIT_SSH_KEPT + 80)

struct master {
	uv_loop_t *loop;
	const struct link_options *options;
	const struct master_handler *handler;
	void *ctx;
	char path[CMDLINE_PATH_MAX];
	uint32_t process;     /* its number at the monitor */
	uv_fs_event_t watch;  /* of the directory, for the socket */
	uv_poll_t words_poll; /* of words_fd */
	uv_timer_t kill_timer;
	int words_fd; /* ssh's standard error */
	struct words words;
	bool running;
	bool ready;
	unsigned int asked;	   /* how often, by SIGTERM, to end */
	bool stopped;		   /* SIGTERM sent ... */
	bool killed;		   /* ... and SIGKILL */
	unsigned int open_handles; /* that uv_close() has still to end */
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
	master->words_fd = -1;
	master->words.quiet = options->quiet;
	master->words.to = options->named ? options->destination : NULL;
	master->words.hearer = options->hearer;
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
	uv_handle_t *handles[3];

	if (master == NULL)
		return;
	assert(!master->running);
	cleanup_fd(&master->words_fd);
	if (master->open_handles == 0) { /* it was never started */
		free(master);
		return;
	}
	handles[0] = (uv_handle_t *)&master->watch;
	handles[1] = (uv_handle_t *)&master->words_poll;
	handles[2] = (uv_handle_t *)&master->kill_timer;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		/* Those that did not get so far have no data. */
		if (handles[i]->data != NULL)
			uv_close(handles[i], master_handle_closed);
	}
}

/* Takes what is in the pipe.  False at its end. */
static bool
master_read_words(struct master *master)
{
	char bytes[4096];
	ssize_t n;

	for (;;) {
		n = read(master->words_fd, bytes, sizeof(bytes));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		words_feed(&master->words, bytes, (size_t)n,
		    uv_now(master->loop));
	}
}

static void
master_words_ready(uv_poll_t *poll, int status, int events)
{
	struct master *master = poll->data;

	(void)events;
	if (status < 0 || !master_read_words(master))
		uv_poll_stop(poll);
}

/* How it ended, with its last words. */
static void
master_why(const struct master *master, const struct monitor_end *end,
    char why[MASTER_WHY_MAX])
{
	const char *words = words_text(&master->words);

	if (end->err == -EPIPE)
		snprintf(why, MASTER_WHY_MAX, "the monitor process has ended");
	else if (end->err != 0)
		snprintf(why, MASTER_WHY_MAX, "ssh cannot be run: %s",
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
	bool asked;

	master->running = false;
	uv_timer_stop(&master->kill_timer);
	uv_fs_event_stop(&master->watch);
	/* Not to the end of the pipe: a ProxyCommand may have it still. */
	uv_poll_stop(&master->words_poll);
	master_read_words(master);
	words_end(&master->words, uv_now(master->loop));
	unlink(master->path);
	master_why(master, end, why);
	/* On SIGTERM ssh exits by itself. */
	asked = master->stopped && words_text(&master->words)[0] == '\0' &&
	    (end->signal == 0 || end->signal == SIGTERM || master->killed);
	master->handler->exited(master->ctx, asked ? NULL : why);
}

static void
master_signal(const struct master *master, int signum)
{
	monitor_signal(master->options->monitor, master->process, signum);
}

static void
master_kill(uv_timer_t *timer)
{
	struct master *master = timer->data;

	if (!master->running)
		return;
	master->killed = ++master->asked > LIMIT_SSH_STOP_ASKS;
	master_signal(master, master->killed ? SIGKILL : SIGTERM);
}

void
master_stop(struct master *master)
{
	if (!master->running || master->stopped)
		return;
	master->stopped = true;
	master->asked = 1;
	master_signal(master, SIGTERM);
	uv_timer_start(&master->kill_timer, master_kill,
	    LIMIT_SSH_STOP_MS / LIMIT_SSH_STOP_ASKS,
	    LIMIT_SSH_STOP_MS / LIMIT_SSH_STOP_ASKS);
}

/* ---- its start ---- */

/* ssh gives the socket its name when it listens there already. */
static void
master_look(struct master *master)
{
	if (!master->running || master->ready || master->stopped ||
	    access(master->path, F_OK) != 0)
		return;
	master->ready = true;
	uv_fs_event_stop(&master->watch);
	master->handler->ready(master->ctx);
}

static void
master_watched(uv_fs_event_t *watch, const char *name, int events, int status)
{
	(void)name;
	(void)events;
	(void)status;
	master_look(watch->data);
}

/* The handles around the process; those with data are to be closed. */
static int
master_init_handles(struct master *master)
{
	int err;

	uv_timer_init(master->loop, &master->kill_timer);
	master->kill_timer.data = master;
	master->open_handles++;
	uv_fs_event_init(master->loop, &master->watch);
	master->watch.data = master;
	master->open_handles++;
	err = uv_poll_init(master->loop, &master->words_poll, master->words_fd);
	if (err != 0)
		return err;
	master->words_poll.data = master;
	master->open_handles++;
	err =
	    uv_poll_start(&master->words_poll, UV_READABLE, master_words_ready);
	if (err != 0)
		return err;
	/* Before ssh runs, so that no event is missed. */
	return uv_fs_event_start(&master->watch, master_watched,
	    master->options->directory, 0);
}

/* As execvp() would find it: 0, or the errno it would give. */
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

/* Says at once what otherwise only a child would find out. */
static int
master_check_program(const char *program)
{
	const char *dirs = getenv("PATH");
	char path[PATH_MAX];
	int err = -ENOENT, one;

	if (strchr(program, '/') != NULL)
		return master_try_program(program);
	if (dirs == NULL)
		return 0; /* libc has its own idea of where to look */
	for (;;) {
		int len = (int)strcspn(dirs, ":");

		if (snprintf(path, sizeof(path), "%.*s%s%s", len, dirs,
			len > 0 ? "/" : "./", program) < (int)sizeof(path)) {
			one = master_try_program(path);
			if (one == 0)
				return 0;
			if (one == -EACCES)
				err = one;
		}
		if (dirs[len] == '\0')
			return err;
		dirs += len + 1;
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
	const struct link_options *options = master->options;
	const struct cmdline cmdline = {
		.kind = CMDLINE_MASTER,
		.to = options->to,
		.link = options->number,
		.ciphers = ciphers,
		.timeouts = timeouts,
	};
	CLEANUP(cleanup_fd) int stderr_fd = -1;
	int fds[2];
	int err = master_check(master);

	if (err == 0)
		err = cmdline_path(options->directory, master->path);
	if (err != 0)
		return err;
	/* One that an ssh before us left would look like the new one. */
	if (unlink(master->path) != 0 && errno != ENOENT)
		return -errno;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	master->words_fd = fds[0];
	stderr_fd = fds[1];
	err = master_init_handles(master);
	if (err != 0)
		return err;
	err = monitor_start(options->monitor, &cmdline, stderr_fd, master_ended,
	    master, &master->process);
	master->running = err == 0;
	return err;
}
