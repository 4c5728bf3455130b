/*
 * ssh/monitor.c and monitor_main.c: what the monitor reads again, and uses.
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

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		MONITORENV_TEST(test_source),
		MONITORENV_TEST(test_source_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
