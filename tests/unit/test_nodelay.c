/*
 * ssh/nodelay.c against the real sshd: TCP_NODELAY at sshd's end, read from its
 * own socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sshenv.h"

/* How long a look for what must not happen takes. */
#define LOOK_MS 300

#define FDS_MAX 32

static int
start(void **state, const char *config)
{
	struct sshenv *env = malloc(sizeof(*env));

	sshenv_start(env, config);
	env->options.session = true;
	*state = env;
	return 0;
}

/* ---- sshd's end of the connection ---- */

/* Is it a connection of this port here?  Then 1 and its TCP_NODELAY. */
static int
get_nodelay(int fd, int port, int *ret)
{
	struct sockaddr_in here, peer;
	socklen_t here_len = sizeof(here), peer_len = sizeof(peer),
		  len = sizeof(*ret);

	if (getsockname(fd, (struct sockaddr *)&here, &here_len) != 0 ||
	    here.sin_family != AF_INET || ntohs(here.sin_port) != port ||
	    getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0)
		return 0;
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ret, &len),
	    0);
	return 1;
}

/* TCP_NODELAY of sshd's connection; skips the test when it cannot be had. */
static int
sshd_nodelay(const struct sshenv *env)
{
	char path[64], text[256] = "";
	int nodelay = -1;
	FILE *file;
	long pid;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children",
	    (int)env->sshd, (int)env->sshd);
	file = fopen(path, "r");
	assert_non_null(file);
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	fclose(file);
	for (char *at = text; (pid = strtol(at, &at, 10)) > 0;) {
		int process = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);

		if (process < 0 && errno == ENOSYS) /* as in valgrind */
			skip();
		for (int i = 0; process >= 0 && i < FDS_MAX; i++) {
			int fd = (int)syscall(SYS_pidfd_getfd, process, i, 0);

			if (fd < 0 && (errno == EPERM || errno == ENOSYS))
				skip();
			if (fd < 0)
				continue;
			get_nodelay(fd, env->port, &nodelay);
			close(fd);
		}
		if (process >= 0)
			close(process);
	}
	assert_int_not_equal(nodelay, -1);
	return nodelay;
}

static void
until_nodelay(struct sshenv *env)
{
	for (int i = 0; i < 1000; i++) {
		if (sshd_nodelay(env) == 1)
			return;
		sshenv_for(env, 10);
	}
	fail_msg("sshd has not set TCP_NODELAY");
}

/* The host's: "OpenSSH_9.2p1 ...", on standard error. */
static int
openssh_major(void)
{
	FILE *said = popen("ssh -V 2>&1", "r");
	int major = 0;

	assert_non_null(said);
	assert_int_equal(fscanf(said, "OpenSSH_%d", &major), 1);
	pclose(said);
	return major;
}

/* The sshd of Debian 13 (10.0) has it from the start. */
static void
never_nodelay(struct sshenv *env)
{
	sshenv_for(env, LOOK_MS);
	assert_int_equal(sshd_nodelay(env), openssh_major() >= 10);
}

/* The link does its work, and has lost nothing by it. */
static void
check_works(struct sshenv *env)
{
	struct peer peer;
	struct near near;

	for (int i = 0; i < 20; i++) {
		peer_start(&peer, env, PEER_ECHO, 0);
		near_dial(&near, env, "127.0.0.1", peer.port);
		near_send(&near, 100000, true);
		sshenv_until(env, &near.ended);
		assert_int_equal(near.closed, 0);
		assert_int_equal(near.received, 100000);
		near_close(&near);
		peer_end(&peer);
	}
	assert_int_equal(env->down, 0);
}

/* Nothing of it is in the reason of the end. */
static void
check_stops(struct sshenv *env)
{
	link_stop(env->link);
	sshenv_until(env, &env->down);
	assert_string_equal(env->why, "stopped");
}

/* ---- configurations of sshd ---- */

static void
test_set(void **state)
{
	struct sshenv *env = *state;

	sshenv_link_up(env);
	until_nodelay(env);
	check_works(env);
	check_stops(env);
}

static void
test_not_set(void **state)
{
	struct sshenv *env = *state;

	sshenv_link_up(env);
	never_nodelay(env);
	check_works(env);
	check_stops(env);
}

static void
test_off(void **state)
{
	struct sshenv *env = *state;

	env->options.session = false;
	sshenv_link_up(env);
	never_nodelay(env);
	check_stops(env);
}

static int
set_up(void **state)
{
	return start(state, "Subsystem sftp internal-sftp");
}

static int
set_up_external(void **state)
{
	/* By the user's shell, as nologin would be. */
	return start(state, "Subsystem sftp /usr/lib/openssh/sftp-server");
}

static int
set_up_forced_sftp(void **state)
{
	return start(state,
	    "Subsystem sftp internal-sftp\nForceCommand internal-sftp");
}

static int
set_up_forced_false(void **state)
{
	return start(state,
	    "Subsystem sftp internal-sftp\nForceCommand /bin/false");
}

static int
set_up_forced_endless(void **state)
{
	/* Endless for this test: sshd leaves it behind. */
	return start(state,
	    "Subsystem sftp internal-sftp\nForceCommand exec sleep 10");
}

static int
set_up_forced_loud(void **state)
{
	return start(state,
	    "Subsystem sftp internal-sftp\nForceCommand yes; yes >&2");
}

static int
set_up_no_subsystem(void **state)
{
	return start(state, "");
}

static int
set_up_no_sessions(void **state)
{
	return start(state, "Subsystem sftp internal-sftp\nMaxSessions 0");
}

/* ---- the link's life ---- */

static void
test_stop_early(void **state)
{
	struct sshenv *env = *state;

	env->options.find_defaults = true;
	env->options.cipher_order = true;
	sshenv_stop_early(env, 10);
}

static void
test_stop_at_up(void **state)
{
	struct sshenv *env = *state;

	for (int i = 0; i < 5; i++) {
		sshenv_link_up(env);
		check_stops(env);
		link_free(env->link);
		env->link = NULL;
		env->up = env->down = 0;
	}
}

static void
test_killed(void **state)
{
	struct sshenv *env = *state;

	sshenv_link_up(env);
	kill(sshenv_ssh(env), SIGKILL);
	sshenv_until(env, &env->down);
	assert_non_null(strstr(env->why, "signal 9"));
}

#define TEST(name, set_up)                                              \
	{                                                               \
#name " " #set_up, name, set_up, sshenv_tear_down, NULL \
	}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_set, set_up),
		TEST(test_set, set_up_external),
		TEST(test_set, set_up_forced_sftp),
		TEST(test_set, set_up_forced_false),
		TEST(test_set, set_up_forced_endless),
		TEST(test_set, set_up_forced_loud),
		TEST(test_not_set, set_up_no_subsystem),
		TEST(test_not_set, set_up_no_sessions),
		TEST(test_off, set_up),
		TEST(test_stop_early, set_up),
		TEST(test_stop_early, set_up_no_sessions),
		TEST(test_stop_at_up, set_up),
		TEST(test_stop_at_up, set_up_no_sessions),
		TEST(test_killed, set_up),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
