/*
 * What the tests of the monitor share.
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

#include "helpers.h"
#include "monitor_life.h"
#include "monitorenv.h"

void
monitorenv_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
}

int
monitorenv_set_up(void **state)
{
	const struct sockaddr unnamed = { .sa_family = AF_UNIX };
	struct monitorenv *env = calloc(1, sizeof(*env));

	alarm(MONITORENV_WATCHDOG_MS /
	    1000); /* for reads that would wait for ever */
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&env->loop);
	uv_timer_init(&env->loop, &env->watchdog);
	strcpy(env->base, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->base));
	setenv("XDG_RUNTIME_DIR", env->base, 1);
	snprintf(env->program, sizeof(env->program), "%s/ssh", env->base);
	snprintf(env->record, sizeof(env->record), "%s/record", env->base);
	env->options = (struct link_options) {
		.program = env->program,
		.destination = "far.invalid",
	};
	env->output = -1;
	env->fd = -1;
	env->listener =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* An abstract name that the kernel chooses. */
	assert_int_equal(bind(env->listener, &unnamed, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(env->listener, 1), 0);
	*state = env;
	return 0;
}

void
monitorenv_end(struct monitorenv *env)
{
	monitor_life_end(&env->monitor, &env->loop);
}

int
monitorenv_tear_down(void **state)
{
	struct monitorenv *env = *state;

	monitorenv_end(env);
	if (env->output >= 0)
		close(env->output);
	close(env->listener);
	uv_close((uv_handle_t *)&env->watchdog, NULL);
	for (size_t i = 0; i < 10; i++)
		uv_run(&env->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&env->loop), 0);
	remove_directory(env->base);
	free(env);
	alarm(0);
	return 0;
}

void
monitorenv_on_lost(void *ctx)
{
	struct monitorenv *env = ctx;

	env->lost++;
}

void
monitorenv_on_ended(void *ctx, const struct monitor_end *end)
{
	struct monitorenv *env = ctx;

	if (env->ended++ == 0)
		env->lost_before = env->lost;
	env->end = *end;
}

void
monitorenv_begin(struct monitorenv *env, const char *program,
    const struct user *user)
{
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
		.user = user,
		.metrics = env->metrics[0] != NULL ? env->metrics : NULL,
	};
	char text[1024];

	if (program != NULL) {
		snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", program);
		monitorenv_write(env->program, text);
	}
	monitor_life_begin(&env->monitor, &env->loop, &options,
	    monitorenv_on_lost, env);
}

int
monitorenv_start(struct monitorenv *env, enum cmdline_kind kind, size_t link)
{
	const struct cmdline cmdline = { .kind = kind, .link = link };
	int fds[2], err;

	if (env->output >= 0)
		close(env->output);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	env->output = fds[0];
	err = monitor_start(env->monitor, &cmdline, fds[1], monitorenv_on_ended,
	    env, &env->number);
	close(fds[1]);
	return err;
}

int
monitorenv_start_metrics(struct monitorenv *env)
{
	return monitor_start_metrics(env->monitor, env->listener,
	    monitorenv_on_ended, env, &env->number);
}

static void
on_watchdog(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

void
monitorenv_until(struct monitorenv *env, const unsigned int *count,
    unsigned int value)
{
	bool late = false;

	env->watchdog.data = &late;
	uv_timer_start(&env->watchdog, on_watchdog, MONITORENV_WATCHDOG_MS, 0);
	while (*count < value && !late)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
	assert_false(late);
}

void
monitorenv_read(const struct monitorenv *env, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 &&
	    (n = read(env->output, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

pid_t
monitorenv_read_pid(const struct monitorenv *env)
{
	char text[16];
	size_t len = 0;

	do
		assert_int_equal(read(env->output, text + len, 1), 1);
	while (text[len++] != '\n' && len < sizeof(text) - 1);
	text[len] = '\0';
	return (pid_t)atol(text);
}

void
monitorenv_until_gone(pid_t pid)
{
	struct pollfd end = { .events = POLLIN };

	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0)
		return;
	assert_int_equal(poll(&end, 1, MONITORENV_WATCHDOG_MS), 1);
	close(end.fd);
}
