/*
 * The far side over a real ssh and sshd: tunnel/far, tunnel/far_listener.
 * test_far_links.c has more than one ssh.
 * 127.0.0.3 stands for an address beyond loopback: sshd knows 127.0.0.1 and ::1
 * only.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "farenv.h"
#include "tunnel/far_priv.h"

#define N_EARLY 3
#define N_EARLY_ROUNDS 5
#define IMPATIENT_S 30 /* then they give up, and the test has failed */

static int
set_up(void **state)
{
	return farenv_start(state, "");
}

static int
set_up_specified(void **state)
{
	return farenv_start(state, "GatewayPorts clientspecified");
}

static int
set_up_everywhere(void **state)
{
	return farenv_start(state, "GatewayPorts yes");
}

static int
set_up_no_dials(void **state)
{
	return farenv_start(state, "PermitOpen none");
}

static int
set_up_no_forwards(void **state)
{
	return farenv_start(state, "AllowTcpForwarding local");
}

static void
test_dial(void **state)
{
	struct farenv *env = *state;
	struct taken taken = { .stream = NULL };
	struct addr local, remote;
	struct peer peer;

	assert_string_equal(env->side->name, "the SSH server");
	peer_start(&peer, &env->ssh, PEER_SEND, 100);
	taken.stream = side_dial(env->side,
	    &(struct side_to) { .host = "localhost", .port = peer.port },
	    &taken_handler, &taken);
	assert_non_null(taken.stream);
	stream_read_start(taken.stream);
	sshenv_until(&env->ssh, &taken.ended);
	assert_int_equal(taken.len, 100);
	side_ends(env->side, taken.stream, &local, &remote);
	assert_int_equal(local.family, AF_UNSPEC);
	assert_int_equal(remote.family, AF_UNSPEC);
	stream_close(taken.stream);
	peer_end(&peer);
}

static void
test_one(void **state)
{
	struct farenv *env = *state;
	struct heard heard;

	heard_listen(&heard, env, "localhost", 0, false);
	heard_check(&heard, "127.0.0.1", "::1");
	heard.refuse = 2;
	heard_shows_out(&heard, "127.0.0.1", heard.v4.port);
	heard_shows_out(&heard, "::1", heard.v6.port);
	heard_takes(&heard, "127.0.0.1", heard.v4.port);
	assert_int_equal(heard.seconds, 0);
	heard_shows_out(&heard, "127.0.0.1", heard.v4.port);
	assert_int_equal(heard.seconds, 1);
	heard_stop(&heard, false);
}

static void
test_reuse(void **state)
{
	struct farenv *env = *state;
	struct heard heard, other;
	uint16_t port;

	heard_listen(&heard, env, "localhost", 0, false);
	port = heard.v4.port;
	heard_takes(&heard, "127.0.0.1", port);
	heard_stop(&heard, true);
	heard_shows_out(&heard, "127.0.0.1", port); /* idle */

	/* Not what it is. */
	heard_listen(&other, env, "localhost", 0, true);
	assert_int_not_equal(other.v4.port, port);
	heard_stop(&other, true);
	heard_listen(&other, env, "localhost", (uint16_t)sshenv_free_port(),
	    false);
	assert_int_not_equal(other.v4.port, port);
	heard_stop(&other, true);
	heard_listen(&other, env, "127.0.0.1", 0, false);
	heard_check(&other, "127.0.0.1", NULL);
	assert_int_not_equal(other.v4.port, port);
	heard_stop(&other, true);

	heard_listen(&heard, env, "localhost", 0, false);
	assert_int_equal(heard.v4.port, port);
	heard_takes(&heard, "127.0.0.1", port);
	heard_stop(&heard, true);
	/* Nobody came: somebody may still be on the way. */
	heard_listen(&heard, env, "localhost", 0, false);
	heard_stop(&heard, true);
	heard_listen(&heard, env, "localhost", 0, false);
	assert_int_not_equal(heard.v4.port, port);
	heard_stop(&heard, true);
}

static void
test_many(void **state)
{
	struct farenv *env = *state;
	struct heard heard;

	heard_listen(&heard, env, "localhost", 0, true);
	heard_check(&heard, "127.0.0.1", "::1");
	heard.refuse = 1;
	heard_shows_out(&heard, "127.0.0.1", heard.v4.port);
	for (int i = 0; i < 3; i++) {
		heard_takes(&heard, "127.0.0.1", heard.v4.port);
		heard_takes(&heard, "::1", heard.v4.port);
	}
	heard_stop(&heard, true);
}

static void
test_fixed_port(void **state)
{
	struct farenv *env = *state;
	uint16_t port = (uint16_t)sshenv_free_port();
	struct heard heard;

	for (int i = 0; i < 2; i++) {
		heard_listen(&heard, env, "localhost", port, true);
		assert_int_equal(heard.v4.port, port);
		heard_takes(&heard, "127.0.0.1", port);
		if (i == 0)
			heard_fails(env, "127.0.0.1", port, -EACCES, "in use");
		heard_stop(&heard, true);
	}
}

/* Somebody who says so many bytes has the port on 127.0.0.1, and sshd gets
 * it in IPv6 only. */
static void
check_half_taken(struct farenv *env, const char *host, size_t bytes,
    const char *why)
{
	struct peer peer;

	peer_start(&peer, &env->ssh, PEER_SEND, bytes);
	peer.keep_open = bytes > 0;
	heard_fails(env, host, peer.port, -EADDRINUSE, why);
	peer_end(&peer);
}

static void
test_half_taken(void **state)
{
	check_half_taken(*state, "localhost", 3, "in use on 127.0.0.1");
	check_half_taken(*state, "localhost", 0, "in use on 127.0.0.1");
}

/* With GatewayPorts yes it would be on all addresses. */
static void
test_half_taken_everywhere(void **state)
{
	check_half_taken(*state, "localhost", 3, "in use on 127.0.0.1");
	check_half_taken(*state, "127.0.0.3", 3, "in use on 127.0.0.3");
	check_half_taken(*state, "*", 3, "in use on one of its addresses");
}

static void
test_gateway_ports_no(void **state)
{
	struct farenv *env = *state;
	uint16_t port = (uint16_t)sshenv_free_port();

	heard_fails(env, "127.0.0.3", 0, -EADDRNOTAVAIL,
	    "instead of 127.0.0.3: GatewayPorts");
	heard_fails(env, "127.0.0.3", port, -EADDRNOTAVAIL, "GatewayPorts");
	heard_fails(env, "*", 0, -EADDRNOTAVAIL, "instead of all: Gateway");
	heard_fails(env, "0.0.0.0", 0, -EADDRNOTAVAIL, "GatewayPorts");
}

static void
test_gateway_ports_specified(void **state)
{
	struct farenv *env = *state;
	struct heard heard;
	uint16_t port;

	heard_listen(&heard, env, "127.0.0.3", 0, false);
	heard_check(&heard, "127.0.0.3", NULL);
	port = heard.v4.port;
	heard_takes(&heard, "127.0.0.3", port);
	heard_stop(&heard, true);
	heard_listen(&heard, env, "127.0.0.3", 0, false);
	assert_int_equal(heard.v4.port, port);
	heard_stop(&heard, true);
	heard_listen(&heard, env, "*", (uint16_t)sshenv_free_port(), true);
	heard_check(&heard, "0.0.0.0", "::");
	heard_takes(&heard, "127.0.0.3", heard.v4.port);
	heard_takes(&heard, "::1", heard.v4.port);
	heard_stop(&heard, true);
	heard_listen(&heard, env, "::1", 0, true);
	heard_check(&heard, NULL, "::1");
	heard_takes(&heard, "::1", heard.v6.port);
	heard_stop(&heard, true);
	heard_fails(env, "192.0.2.77", 0, -EACCES, "does not have 192.0.2.77");
}

/* Lets a listener be made, and returns what the log had to say. */
static void
logged(struct farenv *env, const char *host, bool many, char *text, size_t size)
{
	struct heard heard;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t n;

	dup2(fileno(file), STDERR_FILENO);
	heard_listen(&heard, env, host, 0, many);
	dup2(saved, STDERR_FILENO);
	close(saved);
	heard_takes(&heard, "127.0.0.3", heard.v4.port);
	heard_stop(&heard, true);
	rewind(file);
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	fclose(file);
}

static void
test_gateway_ports_yes(void **state)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1",
		"127.0.0.3" };
	struct farenv *env = *state;
	char text[1024];

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		logged(env, hosts[i], true, text, sizeof(text));
		assert_non_null(strstr(text, "GatewayPorts yes"));
	}
	logged(env, "*", true, text, sizeof(text));
	assert_string_equal(text, "");
	logged(env, "localhost", false, text, sizeof(text));
	assert_string_equal(text, "");
}

/* The probe is forbidden, and says nothing. */
static void
test_no_dials(void **state)
{
	struct farenv *env = *state;
	struct heard heard;

	heard_listen(&heard, env, "localhost", 0, true);
	heard_takes(&heard, "127.0.0.1", heard.v4.port);
	heard_stop(&heard, true);
	heard_listen(&heard, env, "127.0.0.3", 0, false);
	heard_check(&heard, "127.0.0.3", NULL);
	heard_stop(&heard, true);
}

/* From the second on there is another one before it is asked for: also while
 * the first is lent, and ssh says nothing. */
static void
test_reserve(void **state)
{
	struct farenv *env = *state;
	struct far_side *far = (struct far_side *)env->side;
	struct heard heard, other, third, fourth;
	uint16_t port;

	heard_listen(&heard, env, "127.0.0.1", 0, false);
	port = heard.v4.port;
	heard_takes(&heard, "127.0.0.1", port);
	assert_null(far->reserve);
	heard_stop(&heard, true);
	heard_listen(&heard, env, "127.0.0.1", 0, false);
	assert_int_equal(heard.v4.port, port);
	while (far->reserve != NULL)
		sshenv_for(&env->ssh, 1);
	kill(sshenv_ssh(&env->ssh), SIGSTOP);
	heard_listen(&other, env, "127.0.0.1", 0, false);
	kill(sshenv_ssh(&env->ssh), SIGCONT);
	assert_int_not_equal(other.v4.port, port);
	heard_takes(&other, "127.0.0.1", other.v4.port);
	while (far->reserve != NULL)
		sshenv_for(&env->ssh, 1);
	/* Who comes while one is being made gets that. */
	kill(sshenv_ssh(&env->ssh), SIGSTOP);
	heard_listen(&third, env, "127.0.0.1", 0, false);
	assert_non_null(far->reserve);
	heard_begin(&fourth, env, "127.0.0.1", 0, false);
	assert_null(far->reserve);
	kill(sshenv_ssh(&env->ssh), SIGCONT);
	sshenv_until(&env->ssh, &fourth.told);
	assert_int_equal(fourth.failed, 0);
	heard_takes(&fourth, "127.0.0.1", fourth.v4.port);
	heard_stop(&fourth, true);
	/* The side ends while one is being made. */
	kill(sshenv_ssh(&env->ssh), SIGSTOP);
	heard_listen(&fourth, env, "127.0.0.1", 0, false);
	assert_non_null(far->reserve);
	heard_stop(&heard, false);
	heard_stop(&other, false);
	heard_stop(&third, false);
	heard_stop(&fourth, false);
	kill(sshenv_ssh(&env->ssh), SIGCONT);
}

/* Without a descriptor there is no reserve, and nobody gets the one that could
 * not be made. */
static void
test_no_reserve(void **state)
{
	struct farenv *env = *state;
	struct far_side *far = (struct far_side *)env->side;
	struct heard heard, other;
	struct rlimit limit, lower;
	int fd;

	heard_listen(&heard, env, "127.0.0.1", 0, false);
	heard_takes(&heard, "127.0.0.1", heard.v4.port);
	heard_stop(&heard, true);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	fd = dup(STDERR_FILENO);
	close(fd);
	lower = limit;
	lower.rlim_cur = (rlim_t)fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
	heard_begin(&heard, env, "127.0.0.1", 0, false);
	assert_non_null(far->reserve);
	heard_begin(&other, env, "127.0.0.1", 0, false);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	sshenv_until(&env->ssh, &other.told);
	assert_int_equal(other.failed, 1);
	assert_int_equal(heard.failed, 0);
	assert_null(far->reserve);
	heard_stop(&heard, false);
	heard_stop(&other, false);
}

static void
test_no_forwards(void **state)
{
	heard_fails(*state, "localhost", 0, -EACCES,
	    "sshd refused to listen (remote port forwarding failed");
	heard_fails(*state, "localhost", 0, -EACCES, "AllowTcpForwarding");
}

/* Connects all the time, sends a byte when it stands, and ends when somebody
 * has answered.  From another address than it goes to: among so many attempts
 * would be one whose own port is the one it goes to, and that stands.  Its
 * ports keep sshd, which sets SO_REUSEADDR too, from no port of all addresses.
 */
static void
impatient(uint16_t port)
{
	struct sockaddr_in from, to;
	const int on = 1;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(IMPATIENT_S);
	uv_ip4_addr("127.0.0.2", 0, &from);
	uv_ip4_addr("127.0.0.1", port, &to);
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
		    connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
		    send(fd, "x", 1, MSG_NOSIGNAL) == 1 &&
		    read(fd, &byte, 1) == 1)
			_exit(0);
		close(fd);
	}
}

/* Those who connect to a port, and a listener there.  False: somebody else has
 * taken the port meanwhile. */
static bool
begin_early(struct farenv *env, const char *host, struct heard *heard,
    pid_t pids[N_EARLY])
{
	uint16_t port = (uint16_t)sshenv_free_port();

	for (size_t i = 0; i < N_EARLY; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			impatient(port);
	}
	heard_begin(heard, env, host, port, true);
	sshenv_until(&env->ssh, &heard->told);
	if (heard->failed == 0)
		return true;
	if (strstr(heard->why, "in use") == NULL)
		fail_msg("%s", heard->why);
	for (size_t i = 0; i < N_EARLY; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	heard_stop(heard, false);
	return false;
}

/* Clients who know the port may be there before the probe is over: who is taken
 * is one of them, and never the probe, which sends nothing. */
static void
check_early(struct farenv *env, const char *host)
{
	struct heard heard;
	pid_t pids[N_EARLY];
	int tries = 1;

	while (!begin_early(env, host, &heard, pids))
		assert_true(tries++ < 5);
	for (size_t i = 0; i < N_EARLY; i++) {
		struct taken *taken = &heard.taken[i];

		sshenv_until_size(&env->ssh, &heard.n_taken, i + 1);
		sshenv_until_size(&env->ssh, &taken->len, 1);
		assert_int_equal(stream_write(taken->stream, "y", 1), 0);
		sshenv_until(&env->ssh, &taken->ended);
	}
	for (size_t i = 0; i < N_EARLY; i++)
		waitpid(pids[i], NULL, 0);
	assert_int_equal(heard.n_taken, N_EARLY);
	heard_stop(&heard, true);
}

static void
test_early(void **state)
{
	for (int round = 0; round < N_EARLY_ROUNDS; round++) {
		check_early(*state, "localhost");
		check_early(*state, "*");
	}
}

/* At any moment. */
static void
test_close(void **state)
{
	struct farenv *env = *state;
	struct heard heard;

	for (unsigned int ms = 0; ms < 20; ms++) {
		heard_begin(&heard, env, "localhost", 0, ms % 2 == 0);
		if (ms > 0)
			sshenv_for(&env->ssh, ms / 2);
		side_listener_close(heard.listener, true);
	}
	heard_listen(&heard, env, "localhost", 0, true);
	heard_stop(&heard, true);
}

static void
test_lost(void **state)
{
	struct farenv *env = *state;
	struct heard ready, heard;

	heard_listen(&ready, env, "localhost", 0, true);
	kill(sshenv_ssh(&env->ssh), SIGSTOP);
	heard_begin(&heard, env, "localhost", 0, false);
	sshenv_for(&env->ssh, 50);
	assert_int_equal(heard.told, 0);
	kill(sshenv_ssh(&env->ssh), SIGKILL);
	sshenv_until(&env->ssh, &env->ssh.down);
	assert_int_equal(heard.failed, 1);
	assert_int_equal(heard.err, -ECONNRESET);
	side_listener_close(heard.listener, true);
	assert_int_equal(ready.failed, 1);
	assert_int_equal(ready.err, -ECONNRESET);
	heard_fails(env, "localhost", 0, -ENOTCONN, "not connected");
	heard_stop(&ready, true);
}

#define TEST(name, set_up) \
	cmocka_unit_test_setup_teardown(name, set_up, farenv_end)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_dial, set_up),
		TEST(test_one, set_up),
		TEST(test_reuse, set_up),
		TEST(test_many, set_up),
		TEST(test_fixed_port, set_up),
		TEST(test_half_taken, set_up),
		TEST(test_half_taken_everywhere, set_up_everywhere),
		TEST(test_gateway_ports_no, set_up),
		TEST(test_gateway_ports_specified, set_up_specified),
		TEST(test_gateway_ports_yes, set_up_everywhere),
		TEST(test_no_dials, set_up_no_dials),
		TEST(test_reserve, set_up),
		TEST(test_no_reserve, set_up),
		TEST(test_no_forwards, set_up_no_forwards),
		TEST(test_early, set_up_specified),
		TEST(test_close, set_up),
		TEST(test_lost, set_up),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
