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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "limits.h"
#include "ssh/words.h"

/* ssh binds the socket with a dot and 16 letters behind its name first. */
#define MASTER_SOCKET_NAME "ctl"
#define MASTER_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 17)

/* The longest "why": words, and how the process ended. */
#define MASTER_WHY_MAX (LIMIT_SSH_WORDS + 80)

/*
 * SIGTERMs before the SIGKILL.  ssh misses one that comes just before it waits
 * for an answer on the terminal, and killed there it would leave the terminal
 * without echo.
 */
#define MASTER_ASKS 4

struct master {
	uv_loop_t *loop;
	const struct link_options *options;
	const struct master_handler *handler;
	void *ctx;
	char path[MASTER_PATH_MAX];
	uv_process_t process;
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

/* ---- the arguments ---- */

/*
 * For ssh the first value of an option counts: these come before the user's
 * own and before what is configured, and cannot be overridden.  What is not
 * here is the user's: they may well need it to get through.
 */
static const char *const master_arguments[] = {
	"-N", /* no session: overrides SessionType and RequestTTY, too */
	"-T",
	"-a",
	"-x",
	/* One master, in the foreground, that asks nobody for each channel.
	 * -M is not the same: a second one would turn it into "ask". */
	"-oControlMaster=yes",
	"-oControlPersist=no",
	"-oForkAfterAuthentication=no",
	/* What is configured for a login to this host is not for us. */
	"-oRemoteCommand=none",
	"-oClearAllForwardings=yes",
};

#define MASTER_N_ARGUMENTS \
	(sizeof(master_arguments) / sizeof(master_arguments[0]))

/* Those of the wrapper, BatchMode, "--", the destination, and the NULL. */
#define MASTER_N_MORE 8

/* A '%' in a ControlPath is ssh's; two are one that is not. */
static char *
master_escape_path(const char *path)
{
	char *escaped = malloc(2 * strlen(path) + 1);
	char *to = escaped;

	if (escaped == NULL)
		return NULL;
	for (; *path != '\0'; path++) {
		*to++ = *path;
		if (*path == '%')
			*to++ = '%';
	}
	*to = '\0';
	return escaped;
}

const char **
master_argv(const struct link_options *options, const char *ppid,
    const char *const *more)
{
	size_t n = 0, n_more = 0;
	const char **argv;

	while (more[n_more] != NULL)
		n_more++;
	argv = calloc(options->n_arguments + MASTER_N_ARGUMENTS + n_more +
		MASTER_N_MORE,
	    sizeof(*argv));
	if (argv == NULL)
		return NULL;
	argv[n++] = "culvert";
	argv[n++] = MASTER_EXEC_ARGUMENT;
	argv[n++] = ppid;
	argv[n++] = options->program;
	for (size_t i = 0; i < MASTER_N_ARGUMENTS; i++)
		argv[n++] = master_arguments[i];
	if (options->batch)
		argv[n++] = "-oBatchMode=yes";
	for (size_t i = 0; i < options->n_arguments; i++)
		argv[n++] = options->arguments[i];
	for (size_t i = 0; i < n_more; i++)
		argv[n++] = more[i];
	argv[n++] = "--";
	argv[n++] = options->destination;
	return argv;
}

/*
 * What ssh has for a connection to its control socket and cannot hand on yet
 * waits in one buffer, which it extends by 32 KiB and copies each time.  By
 * malloc's own rules (mallopt(3)) each of these copies has pages fresh from the
 * kernel, which costs many times the copying: the first large download stands
 * still for seconds.  The user's own values are left alone; and so is glibc
 * where it does not take these, since one of them alone would do harm.
 */
static const struct {
	const char *name;
	const char *value; /* bytes */
} master_malloc[] = {
	{ "MALLOC_MMAP_THRESHOLD_", "33554432" }, /* the largest it takes */
	{ "MALLOC_TRIM_THRESHOLD_", "67108864" },
};

/* What ssh is to find in its environment.  0, or -1 with errno. */
static int
master_environment(void)
{
	for (size_t i = 0; sizeof(long) >= 8 &&
	     i < sizeof(master_malloc) / sizeof(master_malloc[0]);
	     i++) {
		if (setenv(master_malloc[i].name, master_malloc[i].value, 0) !=
		    0)
			return -1;
	}
	/* Without a terminal ssh, and one that it starts, would ask by a window
	 * where there is DISPLAY. */
	if (getsid(0) == getpid())
		return setenv("SSH_ASKPASS_REQUIRE", "never", 1);
	return 0;
}

int
master_exec_main(int argc, char **argv)
{
	uint64_t ppid;

	if (argc < 4 || num_parse_text(argv[2], INT32_MAX, &ppid) != 0) {
		fprintf(stderr, "%s: only for culvert itself\n",
		    MASTER_EXEC_ARGUMENT);
		return 127;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
		fprintf(stderr, "prctl: %s\n", strerror(errno));
		return 127;
	}
	/* It may have ended before we asked. */
	if ((uint64_t)getppid() != ppid)
		return 127;
	if (master_environment() != 0) {
		fprintf(stderr, "setenv: %s\n", strerror(errno));
		return 127;
	}
	execvp(argv[3], argv + 3);
	fprintf(stderr, "cannot run %s: %s\n", argv[3], strerror(errno));
	return 127;
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
	uv_handle_t *handles[4];

	if (master == NULL)
		return;
	assert(!master->running);
	cleanup_fd(&master->words_fd);
	if (master->open_handles == 0) { /* it was never started */
		free(master);
		return;
	}
	handles[0] = (uv_handle_t *)&master->process;
	handles[1] = (uv_handle_t *)&master->watch;
	handles[2] = (uv_handle_t *)&master->words_poll;
	handles[3] = (uv_handle_t *)&master->kill_timer;
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
		words_feed(&master->words, bytes, (size_t)n);
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

static void
master_exited(uv_process_t *process, int64_t status, int signal)
{
	struct master *master = process->data;
	const char *words;
	char why[MASTER_WHY_MAX];
	bool asked;

	master->running = false;
	uv_timer_stop(&master->kill_timer);
	uv_fs_event_stop(&master->watch);
	/* Not to the end of the pipe: a ProxyCommand may have it still. */
	uv_poll_stop(&master->words_poll);
	master_read_words(master);
	words_end(&master->words);
	unlink(master->path);
	words = words_text(&master->words);
	if (signal != 0)
		snprintf(why, sizeof(why), "ssh was ended by signal %d%s%s",
		    signal, words[0] == '\0' ? "" : ": ", words);
	else if (words[0] != '\0')
		snprintf(why, sizeof(why), "%s", words);
	else
		snprintf(why, sizeof(why), "ssh ended with status %d",
		    (int)status);
	/* On SIGTERM ssh exits by itself. */
	asked = master->stopped && words[0] == '\0' &&
	    (signal == 0 || signal == SIGTERM || master->killed);
	master->handler->exited(master->ctx, asked ? NULL : why);
}

/* Apart from us no ^C of the terminal reaches what ssh has started; and before
 * it is authenticated it does not end that itself. */
static void
master_signal(struct master *master, int signum)
{
	if (master->options->apart)
		kill(-master->process.pid, signum);
	else
		uv_process_kill(&master->process, signum);
}

static void
master_kill(uv_timer_t *timer)
{
	struct master *master = timer->data;

	if (!master->running)
		return;
	master->killed = ++master->asked > MASTER_ASKS;
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
	    LIMIT_SSH_STOP_MS / MASTER_ASKS, LIMIT_SSH_STOP_MS / MASTER_ASKS);
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

static int
master_spawn(struct master *master, const char **argv, int stderr_fd)
{
	uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = stderr_fd } };
	uv_process_options_t options = {
		.file = "/proc/self/exe",
		.args = (char **)(uintptr_t)argv,
		.flags = master->options->apart ? UV_PROCESS_DETACHED : 0,
		.stdio = stdio,
		.stdio_count = 3,
		.exit_cb = master_exited,
	};
	int err = uv_spawn(master->loop, &master->process, &options);

	/* The handle is to be closed in either case. */
	master->process.data = master;
	master->open_handles++;
	master->running = err == 0;
	return err;
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

/* Runs ssh, its standard error at stderr_fd. */
static int
master_run(struct master *master, const char *ciphers, bool alive,
    int stderr_fd)
{
	CLEANUP(cleanup_text) char *escaped = master_escape_path(master->path);
	char option[sizeof("-oCiphers=") + LIMIT_SSH_CIPHERS], ppid[16];
	char interval[sizeof("-oServerAliveInterval=") + 16];
	/* Of several -S, unlike of -o, the last one counts. */
	const char *more[5] = { "-S", escaped };
	size_t n = 2;
	const char **argv;
	int err;

	if (escaped == NULL)
		return -ENOMEM;
	if (ciphers != NULL) {
		snprintf(option, sizeof(option), "-oCiphers=%s", ciphers);
		more[n++] = option;
	}
	if (alive) {
		snprintf(interval, sizeof(interval), "-oServerAliveInterval=%d",
		    LIMIT_SERVER_ALIVE_S);
		more[n++] = interval;
	}
	more[n] = NULL;
	snprintf(ppid, sizeof(ppid), "%d", (int)getpid());
	argv = master_argv(master->options, ppid, more);
	if (argv == NULL)
		return -ENOMEM;
	err = master_spawn(master, argv, stderr_fd);
	free(argv);
	return err;
}

int
master_start(struct master *master, const char *ciphers, bool alive)
{
	const struct link_options *options = master->options;
	CLEANUP(cleanup_fd) int stderr_fd = -1;
	int fds[2];
	int err = master_check(master);

	if (err != 0)
		return err;
	if ((size_t)snprintf(master->path, sizeof(master->path), "%s/%s",
		options->directory, MASTER_SOCKET_NAME) >= sizeof(master->path))
		return -ENAMETOOLONG;
	/* One that an ssh before us left would look like the new one. */
	if (unlink(master->path) != 0 && errno != ENOENT)
		return -errno;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	master->words_fd = fds[0];
	stderr_fd = fds[1];
	if (fcntl(master->words_fd, F_SETFL, O_NONBLOCK) != 0)
		return -errno;
	err = master_init_handles(master);
	if (err != 0)
		return err;
	return master_run(master, ciphers, alive, stderr_fd);
}
