/*
 * ssh/monitor.c and monitor_main.c: a real monitor, the real ssh -G, and other
 * programs in the place of ssh.  What the main process never says is said to it
 * by hand.
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

#include "ssh/monitor_priv.h"

#define WATCHDOG_MS 60000
#define NOBODY 65534

struct env {
	uv_loop_t loop;
	uv_timer_t watchdog;
	char base[64];
	char program[80];
	char record[80]; /* what the program writes */
	struct link_options options;
	struct monitor *monitor;
	unsigned int lost;
	int output; /* our end of the pipe, of the latest */
	uint32_t number;
	unsigned int ended;
	unsigned int lost_before; /* the first end */
	struct monitor_end end;
	/* By hand: */
	pid_t pid;
	int fd;
	char directory[PRIVDIR_MAX];
};

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
}

static int
set_up(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	alarm(WATCHDOG_MS / 1000); /* for reads that would wait for ever */
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
	*state = env;
	return 0;
}

static void
end_monitor(struct env *env)
{
	if (env->monitor == NULL)
		return;
	monitor_detach(env->monitor);
	for (size_t i = 0; i < 2; i++)
		uv_run(&env->loop, UV_RUN_NOWAIT);
	monitor_free(env->monitor);
	env->monitor = NULL;
}

static int
tear_down(void **state)
{
	struct env *env = *state;
	char command[128];

	end_monitor(env);
	if (env->output >= 0)
		close(env->output);
	uv_close((uv_handle_t *)&env->watchdog, NULL);
	for (size_t i = 0; i < 10; i++)
		uv_run(&env->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&env->loop), 0);
	snprintf(command, sizeof(command), "rm -r %s", env->base);
	assert_int_equal(system(command), 0);
	free(env);
	alarm(0);
	return 0;
}

/* ---- by monitor.h ---- */

static void
on_lost(void *ctx)
{
	struct env *env = ctx;

	env->lost++;
}

static void
on_ended(void *ctx, const struct monitor_end *end)
{
	struct env *env = ctx;

	if (env->ended++ == 0)
		env->lost_before = env->lost;
	env->end = *end;
}

static void
begin(struct env *env, const char *program, const struct user *user)
{
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
		.user = user,
	};
	char text[1024];

	if (program != NULL) {
		snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", program);
		write_file(env->program, text);
	}
	assert_int_equal(monitor_fork(&options, &env->monitor), 0);
	assert_int_equal(monitor_attach(env->monitor, &env->loop, on_lost, env),
	    0);
}

static int
start(struct env *env, enum cmdline_kind kind, size_t link)
{
	const struct cmdline cmdline = { .kind = kind, .link = link };
	int fds[2], err;

	if (env->output >= 0)
		close(env->output);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	env->output = fds[0];
	err = monitor_start(env->monitor, &cmdline, fds[1], on_ended, env,
	    &env->number);
	close(fds[1]);
	return err;
}

static void
on_watchdog(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void
until(struct env *env, const unsigned int *count, unsigned int value)
{
	bool late = false;

	env->watchdog.data = &late;
	uv_timer_start(&env->watchdog, on_watchdog, WATCHDOG_MS, 0);
	while (*count < value && !late)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
	assert_false(late);
}

/* All that the process says, up to its end. */
static void
read_output(const struct env *env, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 &&
	    (n = read(env->output, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

/* The pid that a program says first, as "PID\n". */
static pid_t
read_pid(const struct env *env)
{
	char text[16];
	size_t len = 0;

	do
		assert_int_equal(read(env->output, text + len, 1), 1);
	while (text[len++] != '\n' && len < sizeof(text) - 1);
	text[len] = '\0';
	return (pid_t)atol(text);
}

/* Of a process that may not be our child. */
static void
until_gone(pid_t pid)
{
	struct pollfd end = { .events = POLLIN };

	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0)
		return;
	assert_int_equal(poll(&end, 1, WATCHDOG_MS), 1);
	close(end.fd);
}

static void
test_ssh(void **state)
{
	struct env *env = *state;
	char text[65536];

	env->options.program = "ssh";
	begin(env, NULL, NULL);
	assert_int_equal(start(env, CMDLINE_CONFIGURED, 0), 0);
	read_output(env, text, sizeof(text));
	until(env, &env->ended, 1);
	assert_int_equal(env->end.err, 0);
	assert_int_equal(env->end.status, 0);
	assert_non_null(strstr(text, "\nhostname far.invalid\n"));
	assert_int_equal(start(env, CMDLINE_OWN, 0), 0);
	read_output(env, text, sizeof(text));
	until(env, &env->ended, 2);
	assert_non_null(strstr(text, "\nhostname host.invalid\n"));
}

/* ssh sees nothing of where it comes from. */
static void
test_surroundings(void **state)
{
	struct env *env = *state;
	char text[8192], line[64];

	/* cat has one descriptor more, for /proc/self/fd itself. */
	begin(env,
	    "exec 1>&2\n"
	    "echo $$ $PPID; cat /proc/self/status; ls /proc/self/fd | wc -l;"
	    "readlink /proc/self/fd/0; cut -d' ' -f6 /proc/$$/stat; exit 7",
	    NULL);
	for (size_t link = 0; link < 2; link++) {
		env->ended = 0;
		assert_int_equal(start(env, CMDLINE_MASTER, link), 0);
		read_output(env, text, sizeof(text));
		until(env, &env->ended, 1);
		assert_int_equal(env->end.status, 7);
		snprintf(line, sizeof(line), " %d\n",
		    (int)monitor_pid(env->monitor));
		assert_non_null(strstr(text, line));
		assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
		assert_non_null(strstr(text, "SigIgn:\t0000000000000000\n"));
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
	struct env *env = *state;
	struct link_options first[2] = { env->options, env->options };
	const struct monitor_options options = { .first = first, .n = 2 };
	struct cmdline cmdline = { .kind = CMDLINE_MASTER };
	char text[2048], path[128], root[PRIVDIR_MAX];
	int fds[2];

	write_file(env->program, "#!/bin/sh\nexec 1>&2\necho \"$@\"\n");
	first[1].destination = "other.invalid";
	assert_int_equal(monitor_fork(&options, &env->monitor), 0);
	assert_int_equal(monitor_attach(env->monitor, &env->loop, on_lost, env),
	    0);
	strcpy(root, monitor_directory(env->monitor));
	for (cmdline.to = 0; cmdline.to < 2; cmdline.to++) {
		if (env->output >= 0)
			close(env->output);
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		env->output = fds[0];
		assert_int_equal(monitor_start(env->monitor, &cmdline, fds[1],
				     on_ended, env, &env->number),
		    0);
		close(fds[1]);
		read_output(env, text, sizeof(text));
		until(env, &env->ended, (unsigned)cmdline.to + 1);
		snprintf(path, sizeof(path), "-S %s%s/ctl -- %s\n", root,
		    cmdline.to == 0 ? "" : "/d1",
		    first[cmdline.to].destination);
		assert_non_null(strstr(text, path));
	}
	snprintf(path, sizeof(path), "%s/d1", root);
	assert_int_equal(access(path, W_OK), 0);
	end_monitor(env);
	assert_int_equal(access(root, F_OK), -1);
}

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
on_source_read(void *ctx, const char *bytes, size_t len)
{
	struct source *source = ctx;

	snprintf(source->text, sizeof(source->text), "%.*s", (int)len,
	    bytes != NULL ? bytes : "");
	source->done++;
}

static void
begin_source(struct env *env, struct source *source)
{
	static struct monitor_source options;
	const struct monitor_options monitor = {
		.first = &env->options,
		.n = 1,
		.source = &options,
	};

	options = (struct monitor_source) { source_read, source_find, source };
	write_file(env->program, "#!/bin/sh\nexec 1>&2\necho \"$@\"\n");
	assert_int_equal(monitor_fork(&monitor, &env->monitor), 0);
	assert_int_equal(monitor_attach(env->monitor, &env->loop, on_lost, env),
	    0);
}

/* It reads again, and has one more destination of what it has read. */
static void
test_source(void **state)
{
	static const char *const arguments[] = { "-oX=y", "-4" };
	static const char *const said[] = { "read 1", "read 2", "", "read 4" };
	struct env *env = *state;
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
		until(env, &source.done, i + 1);
		assert_string_equal(source.text, said[i]);
	}
	for (unsigned int i = 0; i < 2; i++) { /* also once more */
		assert_int_equal(monitor_use(env->monitor, 1, "other"), 0);
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		if (env->output >= 0)
			close(env->output);
		env->output = fds[0];
		assert_int_equal(monitor_start(env->monitor, &cmdline, fds[1],
				     on_ended, env, &env->number),
		    0);
		close(fds[1]);
		read_output(env, text, sizeof(text));
		until(env, &env->ended, i + 1);
		assert_non_null(strstr(text, " -oX=y -4 "));
		assert_non_null(strstr(text, "/d1/ctl -- other.invalid\n"));
	}
	assert_int_equal(env->lost, 0);
}

/* What it has not read it does not run, and ends. */
static void
check_not_used(struct env *env, size_t to, const char *name)
{
	struct source source = { .link = env->options };

	env->lost = 0;
	begin_source(env, &source);
	assert_int_equal(monitor_read(env->monitor, on_source_read, &source),
	    0);
	until(env, &source.done, 1);
	assert_int_equal(monitor_use(env->monitor, to, name), 0);
	uv_ref((uv_handle_t *)&env->watchdog);
	until(env, &env->lost, 1);
	end_monitor(env);
}

static void
test_source_refused(void **state)
{
	check_not_used(*state, 1, "another");
	check_not_used(*state, 2, "other");
	check_not_used(*state, LIMIT_DESTINATIONS, "other");
}

static void
test_signals(void **state)
{
	struct env *env = *state;

	begin(env, "exec 1>&2; echo $$; exec sleep 1000", NULL);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	read_pid(env);
	monitor_signal(env->monitor, env->number + 1, SIGKILL); /* nobody's */
	monitor_signal(env->monitor, env->number, SIGTERM);
	until(env, &env->ended, 1);
	assert_int_equal(env->end.signal, SIGTERM);
	monitor_signal(env->monitor, env->number, SIGTERM); /* too late */
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	read_pid(env);
	monitor_signal(env->monitor, env->number, SIGKILL);
	until(env, &env->ended, 2);
	assert_int_equal(env->end.signal, SIGKILL);
	assert_int_equal(env->lost, 0);
}

/* One apart ends with what it has started. */
static void
test_signal_apart(void **state)
{
	struct env *env = *state;
	char text[64];

	begin(env, "exec 1>&2; sleep 1000 & echo $!; wait", NULL);
	assert_int_equal(start(env, CMDLINE_MASTER, 1), 0);
	read_pid(env);
	monitor_signal(env->monitor, env->number, SIGTERM);
	until(env, &env->ended, 1);
	read_output(env, text, sizeof(text)); /* nobody has the pipe */
}

static void
test_killed(void **state)
{
	struct env *env = *state;

	begin(env, "exec 1>&2; echo $$; exec sleep 1000", NULL);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	kill(read_pid(env), SIGKILL);
	until(env, &env->ended, 1);
	assert_int_equal(env->end.err, 0);
	assert_int_equal(env->end.signal, SIGKILL);
}

static void
test_no_program(void **state)
{
	struct env *env = *state;
	char text[256];

	begin(env, NULL, NULL);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	read_output(env, text, sizeof(text));
	until(env, &env->ended, 1);
	assert_int_equal(env->end.status, 127);
	assert_non_null(strstr(text, "/ssh: No such file"));
}

static void
test_many(void **state)
{
	struct env *env = *state;

	begin(env, "exec sleep 1000", NULL);
	for (size_t i = 0; i < MONITOR_PROCESSES; i++)
		assert_int_equal(start(env, CMDLINE_MASTER, i % LIMIT_LINKS),
		    0);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), -EAGAIN);
	monitor_signal(env->monitor, env->number, SIGKILL);
	until(env, &env->ended, 1);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	/* All others are ended by the end of the monitor. */
}

/* A ^C on the terminal, and what stops services, come to all at once. */
static void
test_signals_of_its_own(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
		SIGUSR1, SIGUSR2, SIGPIPE };
	struct env *env = *state;

	begin(env, "exit 3", NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		kill(monitor_pid(env->monitor), signals[i]);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	until(env, &env->ended, 1);
	assert_int_equal(env->end.status, 3);
}

static void
test_monitor_killed(void **state)
{
	struct env *env = *state;
	char text[64];
	pid_t pid;

	begin(env, "exec 1>&2; echo $$; exec sleep 1000", NULL);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	pid = read_pid(env);
	kill(monitor_pid(env->monitor), SIGKILL);
	until(env, &env->ended, 1);
	assert_int_equal(env->lost, 1);
	assert_int_equal(env->lost_before, 1);
	assert_int_equal(env->end.err, -EPIPE);
	read_output(env, text, sizeof(text));
	until_gone(pid);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), -EPIPE);
	monitor_signal(env->monitor, env->number, SIGTERM);
	privdir_remove(monitor_directory(env->monitor));
}

static void
test_directory(void **state)
{
	struct env *env = *state;
	char path[PRIVDIR_MAX];
	struct stat st;

	begin(env, NULL, NULL);
	strcpy(path, monitor_directory(env->monitor));
	assert_memory_equal(path, env->base, strlen(env->base));
	assert_int_equal(lstat(path, &st), 0);
	end_monitor(env);
	assert_int_equal(lstat(path, &st), -1);
	/* One that is given stays. */
	env->options.directory = env->base;
	begin(env, NULL, NULL);
	assert_string_equal(monitor_directory(env->monitor), "");
	end_monitor(env);
	assert_int_equal(lstat(env->base, &st), 0);
}

static void
test_user(void **state)
{
	struct env *env = *state;
	struct user user;
	struct stat st;
	char text[8192];

	if (geteuid() != 0)
		skip();
	assert_int_equal(user_find("nobody", &user), 0);
	assert_int_equal(chmod(env->base, 01777), 0);
	setenv("TMPDIR", env->base, 1);
	begin(env, "exec 1>&2; echo $HOME; cat /proc/self/status", &user);
	assert_int_equal(lstat(monitor_directory(env->monitor), &st), 0);
	assert_int_equal(st.st_uid, user.uid);
	assert_int_equal(start(env, CMDLINE_MASTER, 0), 0);
	read_output(env, text, sizeof(text));
	until(env, &env->ended, 1);
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
	struct env *env = *state;
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

/* ---- by hand ---- */

static void
begin_by_hand(struct env *env, const char *program)
{
	const struct monitor_options options = { .first = &env->options,
		.n = 1 };
	struct monitor_hello hello;
	char text[1024];
	int fds[2];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", program);
	write_file(env->program, text);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	env->pid = fork();
	if (env->pid == 0)
		monitor_main(fds[1], &options);
	close(fds[1]);
	env->fd = fds[0];
	assert_int_equal(recv(env->fd, &hello, sizeof(hello), 0),
	    sizeof(hello));
	assert_int_equal(hello.err, 0);
	strcpy(env->directory, hello.directory);
}

/* output: a descriptor to go along, or -1; twice: it goes along twice. */
static void
say(const struct env *env, const void *bytes, size_t len, int output,
    bool twice)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head;
	int both[2] = { output, output };
	size_t size = (twice ? 2 : 1) * sizeof(int);

	if (output >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(size);
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_len = CMSG_LEN(size);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(head), both, size);
	}
	assert_int_equal(sendmsg(env->fd, &message, 0), len);
}

static struct monitor_request
a_start(uint32_t number)
{
	return (struct monitor_request) {
		.type = MONITOR_START,
		.number = number,
		.kind = CMDLINE_MASTER,
	};
}

/* Starts the program; returns its pid. */
static pid_t
start_by_hand(struct env *env)
{
	const struct monitor_request request = a_start(1);
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	if (env->output >= 0)
		close(env->output);
	env->output = fds[0];
	say(env, &request, sizeof(request), fds[1], false);
	close(fds[1]);
	return read_pid(env);
}

/* It ends, with its program and its directory. */
static void
check_end(struct env *env, pid_t pid, int status)
{
	int got;

	assert_int_equal(waitpid(env->pid, &got, 0), env->pid);
	assert_int_equal(got, status << 8);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(access(env->directory, F_OK), -1);
	close(env->fd);
	env->fd = -1;
}

static void
check_refused(struct env *env, const struct monitor_request *request,
    size_t len, bool with_pipe)
{
	static const char big[2 * sizeof(*request)];
	int fds[2];
	pid_t pid;

	begin_by_hand(env, "exec 1>&2; echo $$; exec sleep 1000");
	pid = start_by_hand(env);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	say(env, len > sizeof(*request) ? (const void *)big : request, len,
	    with_pipe ? fds[1] : -1, false);
	close(fds[0]);
	close(fds[1]);
	check_end(env, pid, 1);
}

static void
test_refused(void **state)
{
	struct env *env = *state;
	struct monitor_request bad[13];
	size_t n = 0;

	for (size_t i = 0; i < 13; i++)
		bad[i] = a_start(2);
	bad[n++].type = 0;
	bad[n++].type = MONITOR_USE;
	bad[n++].type = MONITOR_USE + 1;
	bad[n++].number = 0;
	bad[n++].number = 1; /* it runs */
	bad[n++].kind = CMDLINE_OWN + 1;
	bad[n++].link = LIMIT_LINKS;
	bad[n++].to = 1;
	bad[n].kind = CMDLINE_CONFIGURED;
	bad[n++].link = 1;
	strcpy(bad[n++].ciphers, "a -oProxyCommand=x");
	memset(bad[n++].ciphers, 'a', sizeof(bad[0].ciphers));
	bad[n].kind = CMDLINE_OWN;
	strcpy(bad[n++].ciphers, "aes128-ctr");
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++)
		check_refused(env, &bad[i], sizeof(bad[i]), true);
	check_refused(env, &bad[n], sizeof(bad[n]), false);
	check_refused(env, &bad[n], sizeof(bad[n]) - 1, true);
	check_refused(env, &bad[n], sizeof(bad[n]) + 1, true);
	check_refused(env, &bad[n], 1, true);
}

static void
test_refused_signals(void **state)
{
	static const int signals[] = { 0, SIGINT, SIGSTOP, SIGUSR1, -1, 65 };
	struct monitor_request request = { .type = MONITOR_SIGNAL,
		.number = 1 };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		request.signum = signals[i];
		check_refused(*state, &request, sizeof(request), false);
	}
}

/* What ssh would write to: a pipe, and that only. */
static void
test_refused_descriptors(void **state)
{
	const struct monitor_request request = a_start(2);
	struct env *env = *state;
	int fd = open(env->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fds[2];
	pid_t pid;

	begin_by_hand(env, "exec 1>&2; echo $$; exec sleep 1000");
	pid = start_by_hand(env);
	say(env, &request, sizeof(request), fd, false);
	check_end(env, pid, 1);
	close(fd);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	begin_by_hand(env, "exec 1>&2; echo $$; exec sleep 1000");
	pid = start_by_hand(env);
	say(env, &request, sizeof(request), fds[1], true);
	check_end(env, pid, 1);
	close(fds[0]);
	close(fds[1]);
}

/* A signal goes to no process that the monitor has not started. */
static void
test_signal_of_others(void **state)
{
	struct env *env = *state;
	struct monitor_request request = { .type = MONITOR_SIGNAL,
		.signum = SIGKILL };
	struct monitor_answer answer;
	pid_t other = fork(), pid;

	if (other == 0) {
		pause();
		_exit(0);
	}
	begin_by_hand(env, "exec 1>&2; echo $$; exec sleep 1000");
	pid = start_by_hand(env);
	request.number = (uint32_t)other;
	say(env, &request, sizeof(request), -1, false);
	request.number = 0;
	say(env, &request, sizeof(request), -1, false);
	request.number = 1;
	say(env, &request, sizeof(request), -1, false);
	assert_int_equal(recv(env->fd, &answer, sizeof(answer), 0),
	    sizeof(answer));
	assert_int_equal(answer.number, 1);
	assert_int_equal(answer.signal, SIGKILL);
	assert_int_equal(kill(other, 0), 0);
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	close(env->fd);
	check_end(env, pid, 0);
}

/* The main process ends, in whatever way: all that it has shows. */
static void
test_main_ends(void **state)
{
	static const char *const programs[] = {
		"exec 1>&2; echo $$; exec sleep 1000",
		"trap '' TERM; exec 1>&2; echo $$; while :; do sleep 1000; done",
	};
	struct env *env = *state;
	char path[PRIVDIR_MAX + 16];
	pid_t pid;

	for (size_t i = 0; i < 2; i++) {
		begin_by_hand(env, programs[i]);
		pid = start_by_hand(env);
		snprintf(path, sizeof(path), "%s/ctl", env->directory);
		write_file(path, "");
		snprintf(path, sizeof(path), "%s/2", env->directory);
		assert_int_equal(mkdir(path, 0700), 0);
		strcat(path, "/ctl");
		write_file(path, "");
		close(env->fd);
		check_end(env, pid, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ssh),
		TEST(test_surroundings),
		TEST(test_destinations),
		TEST(test_source),
		TEST(test_source_refused),
		TEST(test_signals),
		TEST(test_signal_apart),
		TEST(test_killed),
		TEST(test_no_program),
		TEST(test_many),
		TEST(test_signals_of_its_own),
		TEST(test_monitor_killed),
		TEST(test_directory),
		TEST(test_user),
		TEST(test_user_refused),
		TEST(test_refused),
		TEST(test_refused_signals),
		TEST(test_refused_descriptors),
		TEST(test_signal_of_others),
		TEST(test_main_ends),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
