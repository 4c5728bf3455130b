/*
 * ssh/monitor.c and monitor_main.c: a real monitor, the real ssh -G, and other
 * programs in the place of ssh.
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

#define NOBODY 65534

static void
test_ssh(void **state)
{
	struct monitorenv *env = *state;
	char text[65536];

	env->options.program = "ssh";
	monitorenv_begin(env, NULL, NULL);
	assert_int_equal(monitorenv_start(env, CMDLINE_CONFIGURED, 0), 0);
	monitorenv_read(env, text, sizeof(text));
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->end.err, 0);
	assert_int_equal(env->end.status, 0);
	assert_non_null(strstr(text, "\nhostname far.invalid\n"));
	assert_int_equal(monitorenv_start(env, CMDLINE_OWN, 0), 0);
	monitorenv_read(env, text, sizeof(text));
	monitorenv_until(env, &env->ended, 2);
	assert_non_null(strstr(text, "\nhostname host.invalid\n"));
}

/* ssh sees nothing of where it comes from. */
static void
test_surroundings(void **state)
{
	struct monitorenv *env = *state;
	char text[8192], line[64];

	/* cat has one descriptor more, for /proc/self/fd itself. */
	monitorenv_begin(env,
	    "exec 1>&2\n"
	    "echo $$ $PPID; cat /proc/self/status; ls /proc/self/fd | wc -l;"
	    "readlink /proc/self/fd/0; cut -d' ' -f6 /proc/$$/stat; exit 7",
	    NULL);
	for (size_t link = 0; link < 2; link++) {
		env->ended = 0;
		assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, link),
		    0);
		monitorenv_read(env, text, sizeof(text));
		monitorenv_until(env, &env->ended, 1);
		assert_int_equal(env->end.status, 7);
		snprintf(line, sizeof(line), " %d\n",
		    (int)monitor_pid(env->monitor));
		assert_non_null(strstr(text, line));
		assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
		/* SIGHUP, SIGINT, SIGQUIT, SIGTSTP. */
		assert_non_null(strstr(text, "SigIgn:\t0000000000080007\n"));
		assert_non_null(strstr(text, "NoNewPrivs:\t0\n"));
		assert_non_null(strstr(text, "\n4\n/dev/null\n"));
		/* Of a session of its own, where nobody may be asked. */
		snprintf(line, sizeof(line), "\n%ld\n",
		    link == 0 ? (long)getsid(0) : atol(text));
		assert_non_null(strstr(text, line));
	}
}

/* Each destination has its own arguments, and its own directory below the
 * private one. */
static void
test_destinations(void **state)
{
	struct monitorenv *env = *state;
	struct link_options first[2] = { env->options, env->options };
	const struct monitor_options options = { .first = first, .n = 2 };
	struct cmdline cmdline = { .kind = CMDLINE_MASTER };
	char text[2048], path[128], root[PRIVDIR_MAX];
	int fds[2];

	monitorenv_write(env->program, "#!/bin/sh\nexec 1>&2\necho \"$@\"\n");
	first[1].destination = "other.invalid";
	assert_int_equal(monitor_fork(&options, &env->monitor), 0);
	assert_int_equal(monitor_attach(env->monitor, &env->loop,
			     monitorenv_on_lost, env),
	    0);
	strcpy(root, monitor_directory(env->monitor));
	for (cmdline.to = 0; cmdline.to < 2; cmdline.to++) {
		if (env->output >= 0)
			close(env->output);
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		env->output = fds[0];
		assert_int_equal(monitor_start(env->monitor, &cmdline, fds[1],
				     monitorenv_on_ended, env, &env->number),
		    0);
		close(fds[1]);
		monitorenv_read(env, text, sizeof(text));
		monitorenv_until(env, &env->ended, (unsigned)cmdline.to + 1);
		snprintf(path, sizeof(path), "-S %s%s/ctl -- %s\n", root,
		    cmdline.to == 0 ? "" : "/d1",
		    first[cmdline.to].destination);
		assert_non_null(strstr(text, path));
	}
	snprintf(path, sizeof(path), "%s/d1", root);
	assert_int_equal(access(path, W_OK), 0);
	monitorenv_end(env);
	assert_int_equal(access(root, F_OK), -1);
}

static void
test_signals(void **state)
{
	struct monitorenv *env = *state;

	monitorenv_begin(env, "exec 1>&2; echo $$; exec sleep 1000", NULL);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	monitorenv_read_pid(env);
	monitor_signal(env->monitor, env->number + 1, SIGKILL); /* nobody's */
	monitor_signal(env->monitor, env->number, SIGTERM);
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->end.signal, SIGTERM);
	monitor_signal(env->monitor, env->number, SIGTERM); /* too late */
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	monitorenv_read_pid(env);
	monitor_signal(env->monitor, env->number, SIGKILL);
	monitorenv_until(env, &env->ended, 2);
	assert_int_equal(env->end.signal, SIGKILL);
	assert_int_equal(env->lost, 0);
}

/* One apart ends with what it has started. */
static void
test_signal_apart(void **state)
{
	struct monitorenv *env = *state;
	char text[64];

	monitorenv_begin(env, "exec 1>&2; sleep 1000 & echo $!; wait", NULL);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 1), 0);
	monitorenv_read_pid(env);
	monitor_signal(env->monitor, env->number, SIGTERM);
	monitorenv_until(env, &env->ended, 1);
	monitorenv_read(env, text, sizeof(text)); /* nobody has the pipe */
}

static void
test_killed(void **state)
{
	struct monitorenv *env = *state;

	monitorenv_begin(env, "exec 1>&2; echo $$; exec sleep 1000", NULL);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	kill(monitorenv_read_pid(env), SIGKILL);
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->end.err, 0);
	assert_int_equal(env->end.signal, SIGKILL);
}

static void
test_no_program(void **state)
{
	struct monitorenv *env = *state;
	char text[256];

	monitorenv_begin(env, NULL, NULL);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	monitorenv_read(env, text, sizeof(text));
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->end.status, 127);
	assert_non_null(strstr(text, "/ssh: No such file"));
}

static void
test_many(void **state)
{
	struct monitorenv *env = *state;

	monitorenv_begin(env, "exec sleep 1000", NULL);
	for (size_t i = 0; i < MONITOR_PLACES(1); i++)
		assert_int_equal(monitorenv_start(env, CMDLINE_MASTER,
				     i % LIMIT_LINKS),
		    0);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), -EAGAIN);
	monitor_signal(env->monitor, env->number, SIGKILL);
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	/* All others are ended by the end of the monitor. */
}

/* A ^C on the terminal, and what stops services, come to all at once. */
static void
test_signals_of_its_own(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
		SIGUSR1, SIGUSR2, SIGPIPE };
	struct monitorenv *env = *state;

	monitorenv_begin(env, "exit 3", NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		kill(monitor_pid(env->monitor), signals[i]);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->end.status, 3);
}

/* What the exporter of metrics gets, and that only SIGKILL ends it. */
static void
test_metrics(void **state)
{
	struct monitorenv *env = *state;
	char text[512] = "", path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/metrics", env->base);
	snprintf(text, sizeof(text),
	    "#!/bin/sh\n"
	    "(echo $1; pwd; readlink /proc/self/fd/0) >%s\n"
	    "kill -TERM $$; kill -HUP $$; exit 5\n",
	    env->record);
	monitorenv_write(path, text);
	env->metrics[0] = path;
	env->metrics[1] = "word";
	monitorenv_begin(env, NULL, NULL);
	assert_int_equal(monitorenv_start_metrics(env), 0);
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->end.status, 5);
	file = fopen(env->record, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "word\n");
	assert_non_null(fgets(text, sizeof(text), file));
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, monitor_directory(env->monitor));
	assert_non_null(fgets(text, sizeof(text), file));
	assert_memory_equal(text, "socket:", 7);
	fclose(file);
	monitorenv_write(path, "#!/bin/sh\nexec sleep 1000\n");
	assert_int_equal(monitorenv_start_metrics(env), 0);
	monitor_signal(env->monitor, env->number, SIGTERM);
	monitorenv_until(env, &env->ended, 2);
	assert_int_equal(env->end.signal, SIGKILL);
}

static void
test_monitor_killed(void **state)
{
	struct monitorenv *env = *state;
	char text[64];
	pid_t pid;

	monitorenv_begin(env, "exec 1>&2; echo $$; exec sleep 1000", NULL);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	pid = monitorenv_read_pid(env);
	kill(monitor_pid(env->monitor), SIGKILL);
	monitorenv_until(env, &env->ended, 1);
	assert_int_equal(env->lost, 1);
	assert_int_equal(env->lost_before, 1);
	assert_int_equal(env->end.err, -EPIPE);
	monitorenv_read(env, text, sizeof(text));
	monitorenv_until_gone(pid);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), -EPIPE);
	monitor_signal(env->monitor, env->number, SIGTERM);
	privdir_remove(monitor_directory(env->monitor));
}

static void
test_directory(void **state)
{
	struct monitorenv *env = *state;
	char path[PRIVDIR_MAX];
	struct stat st;

	monitorenv_begin(env, NULL, NULL);
	strcpy(path, monitor_directory(env->monitor));
	assert_memory_equal(path, env->base, strlen(env->base));
	assert_int_equal(lstat(path, &st), 0);
	monitorenv_end(env);
	assert_int_equal(lstat(path, &st), -1);
	/* One that is given stays. */
	env->options.directory = env->base;
	monitorenv_begin(env, NULL, NULL);
	assert_string_equal(monitor_directory(env->monitor), "");
	monitorenv_end(env);
	assert_int_equal(lstat(env->base, &st), 0);
}

static void
test_user(void **state)
{
	struct monitorenv *env = *state;
	struct user user;
	struct stat st;
	char text[8192];

	if (geteuid() != 0)
		skip();
	assert_int_equal(user_find("nobody", &user), 0);
	assert_int_equal(chmod(env->base, 01777), 0);
	setenv("TMPDIR", env->base, 1);
	monitorenv_begin(env, "exec 1>&2; echo $HOME; cat /proc/self/status",
	    &user);
	assert_int_equal(lstat(monitor_directory(env->monitor), &st), 0);
	assert_int_equal(st.st_uid, user.uid);
	assert_int_equal(monitorenv_start(env, CMDLINE_MASTER, 0), 0);
	monitorenv_read(env, text, sizeof(text));
	monitorenv_until(env, &env->ended, 1);
	assert_non_null(strstr(text, user.home)); /* gcov may speak first */
	assert_non_null(strstr(text, "\nUid:\t65534\t65534\t65534\t65534\n"));
	assert_non_null(strstr(text, "\nCapEff:\t0000000000000000\n"));
	user_free(&user);
	/* Nobody else can be had by him. */
	unsetenv("TMPDIR");
}

static void
test_user_refused(void **state)
{
	struct monitorenv *env = *state;
	struct user user = { .uid = 1, .gid = 1 };
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
		.user = &user,
	};
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	user.name = user.home = user.shell = (char *)(uintptr_t) "daemon";
	pid = fork();
	if (pid == 0)
		_exit(setuid(NOBODY) != 0 ||
		    monitor_fork(&options, &env->monitor) != -EPERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		MONITORENV_TEST(test_ssh),
		MONITORENV_TEST(test_surroundings),
		MONITORENV_TEST(test_destinations),
		MONITORENV_TEST(test_signals),
		MONITORENV_TEST(test_signal_apart),
		MONITORENV_TEST(test_killed),
		MONITORENV_TEST(test_no_program),
		MONITORENV_TEST(test_many),
		MONITORENV_TEST(test_signals_of_its_own),
		MONITORENV_TEST(test_metrics),
		MONITORENV_TEST(test_monitor_killed),
		MONITORENV_TEST(test_directory),
		MONITORENV_TEST(test_user),
		MONITORENV_TEST(test_user_refused),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
