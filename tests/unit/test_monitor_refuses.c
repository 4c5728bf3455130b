/*
 * ssh/monitor_request.c: requests that the main process never makes.
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

/* ---- by hand ---- */

static void
begin_by_hand(struct monitorenv *env, const char *program)
{
	const struct monitor_options options = {
		.first = &env->options,
		.n = 1,
		.metrics = env->metrics[0] != NULL ? env->metrics : NULL,
	};
	struct monitor_hello hello;
	char text[1024];
	int fds[2];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", program);
	monitorenv_write(env->program, text);
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
say(const struct monitorenv *env, const void *bytes, size_t len, int output,
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
start_by_hand(struct monitorenv *env)
{
	const struct monitor_request request = a_start(1);
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	if (env->output >= 0)
		close(env->output);
	env->output = fds[0];
	say(env, &request, sizeof(request), fds[1], false);
	close(fds[1]);
	return monitorenv_read_pid(env);
}

/* It ends, with its program and its directory. */
static void
check_end(struct monitorenv *env, pid_t pid, int status)
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
check_refused(struct monitorenv *env, const struct monitor_request *request,
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
	struct monitorenv *env = *state;
	struct monitor_request bad[14];
	size_t n = 0;

	for (size_t i = 0; i < 14; i++)
		bad[i] = a_start(2);
	bad[n++].type = 0;
	bad[n++].type = MONITOR_USE;
	bad[n++].type = MONITOR_START_METRICS;
	bad[n++].type = MONITOR_START_METRICS + 1;
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
	assert_int_equal(n, 13);
	for (size_t i = 0; i < n; i++)
		check_refused(env, &bad[i], sizeof(bad[i]), true);
	check_refused(env, &bad[n], sizeof(bad[n]), false);
	check_refused(env, &bad[n], sizeof(bad[n]) - 1, true);
	check_refused(env, &bad[n], sizeof(bad[n]) + 1, true);
	check_refused(env, &bad[n], 1, true);
}

/* A login that --login ssh permits, to that host. */
static struct monitor_request
a_login(const char *host)
{
	struct monitor_request request = a_start(2);

	request.kind = CMDLINE_LOGIN;
	request.link = 1;
	strcpy(request.account.user, "alice");
	strcpy(request.account.host, host);
	return request;
}

/* Whoever has taken over the main process can choose a user, and a host that is
 * allowed, and nothing else. */
static void
test_refused_logins(void **state)
{
	static const char *const hosts[] = { "*.example", "b.test:22" };
	static const char *const users[] = { "", "-l", "a b", "a;b", "$(a)",
		"a`b`", "a|b", "a%r", "a\nb", "a\"b", "a'b", "a\\b", "\xc3\xa4",
		"a>b", "a&b", "a/b", "a=b", ".a", "@a", "a{b", "a*" };
	static const char *const bad[] = { "example", "-o.example",
		"a .example", "a;.example", "$(a).example", "a%h.example",
		"a/b.example", "a@b.example", "a.example\n", "b.test", "::1",
		"*.example", "a.example#" };
	struct monitorenv *env = *state;
	struct monitor_request request = a_login("");

	check_refused(env, &request, sizeof(request), true); /* no --login */
	env->options.logins = true;
	env->options.login_hosts = hosts;
	env->options.n_login_hosts = 2;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		request = a_login("a.example");
		strcpy(request.account.user, users[i]);
		check_refused(env, &request, sizeof(request), true);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request = a_login(bad[i]);
		check_refused(env, &request, sizeof(request), true);
	}
	request = a_login("a.example");
	request.account.port = 22; /* not allowed there */
	check_refused(env, &request, sizeof(request), true);
	request = a_login("");
	request.account.port = 22;
	check_refused(env, &request, sizeof(request), true);
	request = a_login("");
	memset(request.account.user, 'a', sizeof(request.account.user));
	check_refused(env, &request, sizeof(request), true);
	request = a_login("a.example");
	memset(request.account.host, 'a', sizeof(request.account.host));
	check_refused(env, &request, sizeof(request), true);
	request = a_login("");
	request.link = 0;
	check_refused(env, &request, sizeof(request), true);
	request.link = LIMIT_SSH_LOGINS + 1;
	check_refused(env, &request, sizeof(request), true);
}

/* What the ssh of a login gets. */
static void
test_login(void **state)
{
	static const char *const hosts[] = { "b.test:*" };
	struct monitorenv *env = *state;
	struct monitor_request request = a_login("B.test");
	char text[4096] = "", expected[PRIVDIR_MAX + 40];
	int fds[2];
	size_t len = 0;
	ssize_t n;

	env->options.logins = true;
	env->options.login_hosts = hosts;
	env->options.n_login_hosts = 1;
	setenv("SSH_ASKPASS_REQUIRE", "prefer", 1);
	begin_by_hand(env,
	    "exec 1>&2; echo $CULVERT_ASKPASS_PARENT = $$; ulimit -c; "
	    "echo $SSH_ASKPASS_REQUIRE $CULVERT_ASKPASS; echo $SSH_ASKPASS; "
	    "echo \"$*\"; exec sleep 1000");
	request.account.port = 2222;
	request.link = 200;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	say(env, &request, sizeof(request), fds[1], false);
	close(fds[1]);
	while (strstr(text, "B.test\n") == NULL &&
	    (n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		text[len += (size_t)n] = '\0';
	assert_int_equal(atol(text), atol(strstr(text, "= ") + 2));
	snprintf(expected, sizeof(expected), "\nforce %s/201\n/",
	    env->directory);
	assert_non_null(strstr(text, expected));
	assert_non_null(strstr(text, "/test_monitor_refuses\n-N -T "));
	assert_non_null(strstr(text, " -oBatchMode=no "));
	assert_non_null(strstr(text, " -l alice -oPort=2222 -S "));
	assert_non_null(strstr(text, "/201/ctl -- B.test\n"));
	close(fds[0]);
	close(env->fd);
	check_end(env, (pid_t)atol(text), 0);
}

/* The message has the reason: 0 is no number, and 1 is in use. */
static void
test_refused_numbers(void **state)
{
	struct monitorenv *env = *state;
	int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	int said = open(env->base, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	struct monitor_request request;
	char text[1000] = "";

	for (uint32_t number = 0; number < 2; number++) {
		request = a_start(number);
		assert_int_equal(ftruncate(said, 0), 0);
		assert_int_equal(lseek(said, 0, SEEK_SET), 0);
		dup2(said, STDERR_FILENO);
		check_refused(env, &request, sizeof(request), true);
		dup2(before, STDERR_FILENO);
		assert_true(pread(said, text, sizeof(text) - 1, 0) > 0);
		assert_non_null(
		    strstr(text, "invalid request (an invalid number)"));
	}
	close(said);
	close(before);
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
	struct monitorenv *env = *state;
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

/* The exporter gets a socket that listens, and only where --metrics asks. */
static void
test_refused_metrics(void **state)
{
	const struct monitor_request request = {
		.type = MONITOR_START_METRICS,
		.number = 2,
	};
	struct monitorenv *env = *state;
	int none = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	begin_by_hand(env, "exec 1>&2; echo $$; exec sleep 1000");
	pid = start_by_hand(env);
	say(env, &request, sizeof(request), env->listener, false);
	check_end(env, pid, 1);
	env->metrics[0] = "true";
	check_refused(env, &request, sizeof(request), true);
	check_refused(env, &request, sizeof(request), false);
	begin_by_hand(env, "exec 1>&2; echo $$; exec sleep 1000");
	pid = start_by_hand(env);
	say(env, &request, sizeof(request), none, false);
	check_end(env, pid, 1);
	close(none);
}

/* A signal goes to no process that the monitor has not started. */
static void
test_signal_of_others(void **state)
{
	struct monitorenv *env = *state;
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
	struct monitorenv *env = *state;
	char path[PRIVDIR_MAX + 16];
	pid_t pid;

	for (size_t i = 0; i < 2; i++) {
		begin_by_hand(env, programs[i]);
		pid = start_by_hand(env);
		snprintf(path, sizeof(path), "%s/ctl", env->directory);
		monitorenv_write(path, "");
		snprintf(path, sizeof(path), "%s/2", env->directory);
		assert_int_equal(mkdir(path, 0700), 0);
		strcat(path, "/ctl");
		monitorenv_write(path, "");
		close(env->fd);
		check_end(env, pid, 0);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		MONITORENV_TEST(test_refused),
		MONITORENV_TEST(test_refused_logins),
		MONITORENV_TEST(test_login),
		MONITORENV_TEST(test_refused_numbers),
		MONITORENV_TEST(test_refused_signals),
		MONITORENV_TEST(test_refused_descriptors),
		MONITORENV_TEST(test_refused_metrics),
		MONITORENV_TEST(test_signal_of_others),
		MONITORENV_TEST(test_main_ends),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
