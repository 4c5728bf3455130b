/*
 * ssh/monitor.c and monitor_main.c: what the monitor reads again and uses, its
 * log, and that it leaves the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "monitor_life.h"
#include "monitorenv.h"

/* ---- its source ---- */

struct source {
	struct link_options link;
	unsigned int read;
	char text[64];
	unsigned int done;
};

static char *
source_read(void *ctx, size_t *ret_len)
{
	struct source *source = ctx;
	char *bytes = NULL;

	source->read++;
	*ret_len = (size_t)asprintf(&bytes, "read %u", source->read);
	return source->read == 3 ? NULL : bytes;
}

static bool
source_find(void *ctx, const char *name, struct link_options *ret)
{
	const struct source *source = ctx;

	*ret = source->link;
	return source->read > 0 && strcmp(name, "other") == 0;
}

static void
on_source_read(void *ctx, int err, const char *bytes, size_t len)
{
	struct source *source = ctx;

	assert_int_equal(err, bytes == NULL ? -ENOMEM : 0);
	snprintf(source->text, sizeof(source->text), "%.*s", (int)len,
	    bytes != NULL ? bytes : "");
	source->done++;
}

static void
begin_source(struct monitorenv *env, struct source *source)
{
	static struct monitor_source options;
	const struct monitor_options monitor = {
		.first = &env->options,
		.n = 1,
		.source = &options,
	};

	options = (struct monitor_source) { source_read, source_find, source };
	monitorenv_write(env->program, "#!/bin/sh\nexec 1>&2\necho \"$@\"\n");
	assert_int_equal(monitor_fork(&monitor, &env->monitor), 0);
	assert_int_equal(monitor_attach(env->monitor, &env->loop,
			     monitorenv_on_lost, env),
	    0);
}

/* It reads again, and has one more destination of what it has read. */
static void
test_source(void **state)
{
	static const char *const arguments[] = { "-oX=y", "-4" };
	static const char *const said[] = { "read 1", "read 2", "", "read 4" };
	struct monitorenv *env = *state;
	struct source source = { .link = env->options };
	struct cmdline cmdline = { .kind = CMDLINE_MASTER, .to = 1 };
	char text[2048];
	int fds[2];

	source.link.destination = "other.invalid";
	source.link.arguments = arguments;
	source.link.n_arguments = 2;
	begin_source(env, &source);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(monitor_read(env->monitor, on_source_read,
				     &source),
		    0);
		assert_int_equal(monitor_read(env->monitor, on_source_read,
				     &source),
		    -EBUSY);
		monitorenv_until(env, &source.done, i + 1);
		assert_string_equal(source.text, said[i]);
	}
	for (unsigned int i = 0; i < 2; i++) { /* also once more */
		assert_int_equal(monitor_use(env->monitor, 1, "other"), 0);
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		if (env->output >= 0)
			close(env->output);
		env->output = fds[0];
		assert_int_equal(monitor_start(env->monitor, &cmdline, fds[1],
				     monitorenv_on_ended, env, &env->number),
		    0);
		close(fds[1]);
		monitorenv_read(env, text, sizeof(text));
		monitorenv_until(env, &env->ended, i + 1);
		assert_non_null(strstr(text, " -oX=y -4 "));
		assert_non_null(strstr(text, "/d1/ctl -- other.invalid\n"));
	}
	assert_int_equal(env->lost, 0);
}

/* What it has not read it does not run, and ends. */
static void
check_not_used(struct monitorenv *env, size_t to, const char *name)
{
	struct source source = { .link = env->options };

	env->lost = 0;
	begin_source(env, &source);
	assert_int_equal(monitor_read(env->monitor, on_source_read, &source),
	    0);
	monitorenv_until(env, &source.done, 1);
	assert_int_equal(monitor_use(env->monitor, LIMIT_DESTINATIONS, "other"),
	    -EINVAL);
	assert_int_equal(monitor_use(env->monitor, to, name), 0);
	uv_ref((uv_handle_t *)&env->watchdog);
	monitorenv_until(env, &env->lost, 1);
	monitorenv_end(env);
}

static void
test_source_refused(void **state)
{
	check_not_used(*state, 1, "another");
	check_not_used(*state, 2, "other");
}

/* ---- its log ---- */

struct opened {
	unsigned int done;
	int fd;
};

static void
on_opened(void *ctx, int fd)
{
	struct opened *opened = ctx;

	opened->done++;
	opened->fd = fd;
}

static void
begin_log(struct monitorenv *env, const char *path)
{
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
		.log = path,
	};

	monitor_life_begin(&env->monitor, &env->loop, &options,
	    monitorenv_on_lost, env);
}

/* Has it open the log again; a descriptor or a negative errno. */
static int
open_again(struct monitorenv *env)
{
	struct opened opened = { .fd = -1 };

	assert_int_equal(monitor_open_log(env->monitor, on_opened, &opened), 0);
	assert_int_equal(monitor_open_log(env->monitor, on_opened, &opened),
	    -EBUSY);
	uv_ref((uv_handle_t *)&env->watchdog);
	monitorenv_until(env, &opened.done, 1);
	assert_int_equal(opened.done, 1);
	return opened.fd;
}

static void
check_file(const char *path, const char *text)
{
	char found[64];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(found, text);
}

static void
write_and_close(int fd, const char *text)
{
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
test_log_is_opened_again_after_rotation(void **state)
{
	struct monitorenv *env = *state;
	char path[96], old[96];

	snprintf(path, sizeof(path), "%s/log", env->base);
	snprintf(old, sizeof(old), "%s/log.1", env->base);
	monitorenv_write(path, "before\n");
	begin_log(env, path);
	write_and_close(monitor_take_log(env->monitor), "first\n");
	assert_int_equal(monitor_take_log(env->monitor), -1);
	assert_int_equal(rename(path, old), 0);
	write_and_close(open_again(env), "second\n");
	write_and_close(open_again(env), "third\n");
	check_file(old, "before\nfirst\n");
	check_file(path, "second\nthird\n");
	assert_int_equal(env->lost, 0);
}

static void
test_log_that_cannot_be_opened_again(void **state)
{
	struct monitorenv *env = *state;
	char path[96];

	snprintf(path, sizeof(path), "%s/log", env->base);
	begin_log(env, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(open_again(env), -EISDIR);
	assert_int_equal(rmdir(path), 0);
	write_and_close(open_again(env), "again\n");
	check_file(path, "again\n");
}

static void
test_no_log_is_opened_if_there_is_none(void **state)
{
	struct monitorenv *env = *state;

	begin_log(env, NULL);
	assert_int_equal(monitor_take_log(env->monitor), -1);
	assert_int_equal(open_again(env), -ENOENT);
	assert_int_equal(env->lost, 0);
}

/* The monitor ends; the reason is logged, and nothing is left. */
static void
test_start_fails_without_its_log(void **state)
{
	struct monitorenv *env = *state;
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
		.log = "/no/such/log",
	};
	FILE *log = tmpfile();
	int saved = dup(STDERR_FILENO), err;
	char said[512];

	assert_non_null(log);
	dup2(fileno(log), STDERR_FILENO);
	err = monitor_fork(&options, &env->monitor);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(err, -ENOENT);
	assert_null(env->monitor);
	rewind(log);
	said[fread(said, 1, sizeof(said) - 1, log)] = '\0';
	fclose(log);
	assert_non_null(strstr(said,
	    "cannot open the transfer log /no/such/log: No such file"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	/* Its private directory has gone. */
	assert_int_equal(rmdir(env->base), 0);
	assert_int_equal(mkdir(env->base, 0700), 0);
}

/* ---- the terminal ---- */

static void
read_status(struct monitorenv *env, char *text, size_t size)
{
	unsigned int before = env->ended;

	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	monitorenv_read(env, text, size);
	monitorenv_until(env, &env->ended, before + 1);
}

static void
test_left_terminal_means_batch_and_own_session(void **state)
{
	struct monitorenv *env = *state;
	char text[4096], session[32];

	monitorenv_begin(env,
	    "exec 1>&2; echo \"$@\"; cut -d' ' -f6 /proc/$$/stat", NULL);
	snprintf(session, sizeof(session), "\n%ld\n", (long)getsid(0));
	read_status(env, text, sizeof(text));
	assert_null(strstr(text, "BatchMode"));
	assert_non_null(strstr(text, session));
	assert_int_equal(monitor_leave_terminal(env->monitor), 0);
	snprintf(session, sizeof(session), "\n%d\n",
	    (int)monitor_pid(env->monitor));
	read_status(env, text, sizeof(text));
	assert_non_null(strstr(text, "BatchMode=yes"));
	assert_non_null(strstr(text, session));
	assert_int_equal(env->lost, 0);
}

/* An ssh in the terminal's session is not to end by its signals. */
static void
test_signals_of_the_terminal_are_ignored(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTSTP };
	struct monitorenv *env = *state;
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
	};
	unsigned long ignored;
	char text[4096], *at;

	monitorenv_write(env->program,
	    "#!/bin/sh\ncat /proc/self/status >&2\n");
	monitor_life_begin(&env->monitor, &env->loop, &options,
	    monitorenv_on_lost, env);
	read_status(env, text, sizeof(text));
	at = strstr(text, "\nSigIgn:");
	assert_non_null(at);
	ignored = strtoul(at + strlen("\nSigIgn:"), NULL, 16);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_true(ignored & 1UL << (signals[i] - 1));
	assert_false(ignored & 1UL << (SIGTERM - 1));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		MONITORENV_TEST(test_source),
		MONITORENV_TEST(test_source_refused),
		MONITORENV_TEST(test_log_is_opened_again_after_rotation),
		MONITORENV_TEST(test_log_that_cannot_be_opened_again),
		MONITORENV_TEST(test_no_log_is_opened_if_there_is_none),
		MONITORENV_TEST(test_start_fails_without_its_log),
		MONITORENV_TEST(test_left_terminal_means_batch_and_own_session),
		MONITORENV_TEST(test_signals_of_the_terminal_are_ignored),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
