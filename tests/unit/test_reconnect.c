/*
 * ssh/reconnect with the real ssh and sshd, and with a port where each
 * connection is counted and ended at once.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "ssh/reconnect.h"
#include "sshenv.h"

#define PAUSE_MS 50
#define IDLE_MS 200

#define PORT_ARGUMENT_MAX 16

struct state {
	char *port_argument; /* of ssh */
	struct sshenv env;
	struct reconnect *reconnect;
	unsigned int up, down, ended;
	bool again, was_up;
	bool has_why; /* of ended */
	char why[4096];
	uv_tcp_t bad; /* no sshd */
	int bad_port; /* or 0 */
	size_t attempts;
	FILE *log;
	int stderr_fd;
};

static void
on_up(void *ctx)
{
	struct state *s = ctx;

	s->up++;
}

static void
on_down(void *ctx, const char *why, bool again)
{
	struct state *s = ctx;

	s->down++;
	s->again = again;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static void
on_ended(void *ctx, bool was_up, const char *why)
{
	struct state *s = ctx;

	assert_int_equal(s->ended, 0);
	s->ended++;
	s->was_up = was_up;
	s->has_why = why != NULL;
	snprintf(s->why, sizeof(s->why), "%s", why != NULL ? why : "");
}

/* Where ssh goes from now on. */
static void
go_to(struct state *s, int port)
{
	snprintf(s->port_argument, PORT_ARGUMENT_MAX, "-p%d", port);
}

static int
set_up(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	sshenv_start(&s->env, "");
	sshenv_options(&s->env);
	/* The monitor is to see what go_to() changes. */
	s->port_argument = mmap(NULL, PORT_ARGUMENT_MAX, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->port_argument, MAP_FAILED);
	for (size_t i = 0; i < s->env.options.n_arguments; i++)
		if (s->env.argument_list[i] == s->env.arguments[0])
			s->env.argument_list[i] = s->port_argument;
	go_to(s, s->env.port);
	s->log = tmpfile();
	s->stderr_fd = dup(STDERR_FILENO);
	dup2(fileno(s->log), STDERR_FILENO);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct state *s = *state;
	pid_t pid;

	dup2(s->stderr_fd, STDERR_FILENO);
	close(s->stderr_fd);
	fclose(s->log);
	reconnect_stop(s->reconnect);
	sshenv_until(&s->env, &s->ended);
	assert_int_equal(sshenv_all_ssh(&s->env, &pid, 1), 0);
	assert_false(reconnect_is_up(s->reconnect));
	/* And is not the start of anything. */
	reconnect_stop(s->reconnect);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(sshenv_all_ssh(&s->env, &pid, 1), 0);
	reconnect_free(s->reconnect);
	if (s->bad_port != 0)
		uv_close((uv_handle_t *)&s->bad, NULL);
	sshenv_end(&s->env);
	munmap(s->port_argument, PORT_ARGUMENT_MAX);
	free(s);
	return 0;
}

/* ---- helpers ---- */

/* Makes it; what is not given of options is filled in. */
static void
make(struct state *s, const struct reconnect_options *given)
{
	static const struct reconnect_handler handler = {
		.up = on_up,
		.down = on_down,
		.ended = on_ended,
	};
	const struct links_options links = {
		.link = &s->env.options,
		.max = 1,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	struct reconnect_options options = *given;

	options.pause_ms = PAUSE_MS;
	options.pause_max_ms = LIMIT_RECONNECT_PAUSE_MAX_MS;
	sshenv_monitor(&s->env);
	s->reconnect =
	    reconnect_new(&s->env.loop, &links, &options, &handler, s);
	assert_non_null(s->reconnect);
}

static void
start(struct state *s, const struct reconnect_options *options)
{
	make(s, options);
	assert_int_equal(reconnect_start(s->reconnect), 0);
}

static void
until(struct state *s, const unsigned int *counter, unsigned int value)
{
	for (int i = 0; *counter < value && i < 30000; i++)
		sshenv_for(&s->env, 1);
	assert_int_equal(*counter, value);
}

static void
on_attempt(uv_stream_t *server, int status)
{
	struct state *s = server->data;
	uv_tcp_t *one = malloc(sizeof(*one));

	assert_int_equal(status, 0);
	uv_tcp_init(&s->env.loop, one);
	assert_int_equal(uv_accept(server, (uv_stream_t *)one), 0);
	uv_close((uv_handle_t *)one, (uv_close_cb)(void (*)(void))free);
	s->attempts++;
}

/* ... to where each attempt ends at once; returns their number. */
static const size_t *
go_astray(struct state *s)
{
	struct sockaddr_in address;

	s->bad_port = sshenv_free_port();
	uv_tcp_init(&s->env.loop, &s->bad);
	s->bad.data = s;
	uv_ip4_addr("127.0.0.1", s->bad_port, &address);
	assert_int_equal(uv_tcp_bind(&s->bad, (struct sockaddr *)&address, 0),
	    0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->bad, 8, on_attempt), 0);
	go_to(s, s->bad_port);
	return &s->attempts;
}

static void
lose(struct state *s)
{
	kill(sshenv_ssh(&s->env), SIGKILL);
}

static size_t
count_ssh(const struct state *s)
{
	pid_t pid;

	return sshenv_all_ssh(&s->env, &pid, 1);
}

/* How often do these words stand in the log? */
static size_t
logged(struct state *s, const char *words)
{
	char text[16384];
	size_t n, found = 0;

	rewind(s->log);
	n = fread(text, 1, sizeof(text) - 1, s->log);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		found++;
	fseek(s->log, 0, SEEK_END);
	return found;
}

/* ---- all the time ---- */

static const struct reconnect_options forever = {
	.retries = RECONNECT_FOREVER,
};

static void
test_stop(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	assert_int_equal(s->up, 0);
	assert_false(reconnect_is_up(s->reconnect));
	until(s, &s->up, 1);
	assert_true(reconnect_is_up(s->reconnect));
	assert_string_equal(reconnect_why(s->reconnect), "");
	reconnect_stop(s->reconnect);
	reconnect_stop(s->reconnect);
	assert_int_equal(s->ended, 0);
	until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_false(s->has_why);
	assert_int_equal(s->down, 0);
}

static void
test_lost(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	until(s, &s->up, 1);
	for (unsigned int n = 1; n <= 3; n++) {
		struct link *before =
		    links_first(reconnect_links(s->reconnect));

		lose(s);
		until(s, &s->down, n);
		assert_true(s->again);
		assert_non_null(strstr(s->why, "signal 9"));
		assert_string_equal(reconnect_why(s->reconnect), s->why);
		assert_false(reconnect_is_up(s->reconnect));
		assert_false(link_is_up(before));
		until(s, &s->up, n + 1);
		assert_true(reconnect_is_up(s->reconnect));
		assert_string_equal(reconnect_why(s->reconnect), "");
	}
	assert_int_equal(s->ended, 0);
	assert_int_equal(logged(s,
			     "was lost: ssh was ended by signal 9; "
			     "retrying in"),
	    3);
	assert_int_equal(logged(s, "127.0.0.1 again, after"), 3);
}

static void
test_never(void **state)
{
	struct state *s = *state;

	start(s, &(struct reconnect_options) { .first_too = true });
	until(s, &s->up, 1);
	lose(s);
	until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_non_null(strstr(s->why, "signal 9"));
	assert_int_equal(s->down, 0);
}

/* The first attempt is the user's to see: it is not made again. */
static void
test_first_fails(void **state)
{
	struct state *s = *state;

	go_to(s, sshenv_free_port());
	start(s, &forever);
	until(s, &s->ended, 1);
	assert_false(s->was_up);
	assert_non_null(strstr(s->why, "refused"));
	assert_int_equal(s->up + s->down, 0);
}

/* ... but if that is wanted, so many times; and it is said once. */
static void
test_first_too(void **state)
{
	struct state *s = *state;
	const size_t *attempts = go_astray(s);

	start(s,
	    &(struct reconnect_options) { .retries = 2, .first_too = true });
	until(s, &s->ended, 1);
	assert_int_equal(*attempts, 3);
	assert_false(s->was_up);
	assert_true(s->has_why);
	assert_int_equal(s->up + s->down, 0);
	assert_int_equal(logged(s, "could not connect"), 1);
	assert_int_equal(logged(s, " s, then repeatedly"), 1);
}

static void
test_last_retry(void **state)
{
	struct state *s = *state;

	go_astray(s);
	start(s,
	    &(struct reconnect_options) { .retries = 1, .first_too = true });
	until(s, &s->ended, 1);
	assert_int_equal(logged(s, "; retrying in "), 1);
	assert_int_equal(logged(s, "repeatedly"), 0);
}

static void
test_first_too_comes_up(void **state)
{
	struct state *s = *state;
	const size_t *attempts = go_astray(s);

	start(s,
	    &(struct reconnect_options) { .retries = RECONNECT_FOREVER,
		.first_too = true });
	sshenv_until_size(&s->env, attempts, 2);
	go_to(s, s->env.port);
	until(s, &s->up, 1);
	assert_int_equal(s->down + s->ended, 0);
}

/* Failures that are not in a row do not count together. */
static void
test_retries_in_a_row(void **state)
{
	struct state *s = *state;
	const size_t *attempts = go_astray(s);
	size_t before;

	go_to(s, s->env.port);
	start(s, &(struct reconnect_options) { .retries = 2 });
	until(s, &s->up, 1);
	for (unsigned int n = 1; n <= 2; n++) {
		go_to(s, s->bad_port);
		lose(s);
		sshenv_until_size(&s->env, attempts, n);
		go_to(s, s->env.port);
		until(s, &s->up, n + 1);
	}
	assert_int_equal(s->ended, 0);
	before = *attempts;
	go_to(s, s->bad_port);
	lose(s);
	until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_int_equal(*attempts, before + 2);
}

static void
take_key(struct state *s)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/key.pub", s->env.directory);
	assert_int_equal(unlink(path), 0);
}

/* What may have been a password is not asked for again, nor tried. */
static void
test_refused_login(void **state)
{
	struct state *s = *state;

	s->env.options.batch = false;
	start(s, &forever);
	until(s, &s->up, 1);
	take_key(s);
	lose(s);
	until(s, &s->ended, 1);
	assert_int_equal(s->down, 1);
	assert_non_null(strstr(s->why, "Permission denied"));
	assert_int_equal(logged(s, "culvert stores no password"), 1);
}

/* Where none was asked for it may come back: a home that is not mounted. */
static void
test_refused_key(void **state)
{
	struct state *s = *state;

	start(s, &(struct reconnect_options) { .retries = 2 });
	until(s, &s->up, 1);
	take_key(s);
	lose(s);
	until(s, &s->ended, 1);
	assert_int_equal(logged(s, "could not connect"), 1);
	assert_int_equal(logged(s, "culvert stores no password"), 0);
}

/* ssh itself is not to be had for a time. */
static void
test_no_program(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	until(s, &s->up, 1);
	s->env.options.program = "/no/such/ssh";
	lose(s);
	for (unsigned int tries = 0; tries < 1;
	     tries = (unsigned int)logged(s, "could not connect"))
		sshenv_for(&s->env, 1);
	assert_string_equal(reconnect_why(s->reconnect),
	    "cannot run /no/such/ssh: No such file or directory");
	s->env.options.program = "ssh";
	until(s, &s->up, 2);
	assert_int_equal(s->down, 1);
}

static void
test_no_program_at_all(void **state)
{
	struct state *s = *state;

	s->env.options.program = "/no/such/ssh";
	make(s, &forever);
	assert_int_equal(reconnect_start(s->reconnect), -ENOENT);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(s->up + s->down + s->ended, 0);
	/* No callback is owed, and it may be given up as it is. */
	reconnect_stop(s->reconnect);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(s->ended, 0);
	s->ended = 1;
}

/* A link that is lost while the stop is prepared is no news. */
static void
test_expect_stop(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	until(s, &s->up, 1);
	reconnect_expect_stop(s->reconnect);
	lose(s);
	until(s, &s->ended, 1);
	assert_false(s->has_why);
	assert_int_equal(s->down, 0);
	assert_int_equal(logged(s, "lost"), 0);
}

/* Nothing is begun meanwhile: nobody is to be asked for a password then. */
static void
test_expect_stop_pausing(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	until(s, &s->up, 1);
	lose(s);
	until(s, &s->down, 1);
	reconnect_expect_stop(s->reconnect);
	sshenv_for(&s->env, 8 * PAUSE_MS);
	assert_int_equal(count_ssh(s), 0);
	assert_int_equal(s->up, 1);
	reconnect_stop(s->reconnect);
	until(s, &s->ended, 1);
	assert_false(s->has_why);
}

/* Nor does anybody hear of a link that comes up: what stands on it has gone. */
static void
test_expect_stop_connecting(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	reconnect_expect_stop(s->reconnect);
	for (int i = 0; i < 30000 &&
	     !link_is_up(links_first(reconnect_links(s->reconnect)));
	     i++)
		sshenv_for(&s->env, 1);
	assert_true(link_is_up(links_first(reconnect_links(s->reconnect))));
	assert_int_equal(s->up, 0);
	assert_false(reconnect_is_up(s->reconnect));
}

/* ---- held ---- */

/* Pauses grow; but not while somebody waits. */
static void
test_hold_shortens(void **state)
{
	struct state *s = *state;
	const size_t *attempts = go_astray(s);
	uint64_t before;

	start(s,
	    &(struct reconnect_options) { .retries = RECONNECT_FOREVER,
		.first_too = true });
	/* The next pause is of at least 32 times the first. */
	sshenv_until_size(&s->env, attempts, 6);
	while (count_ssh(s) > 0)
		sshenv_for(&s->env, 1);
	before = uv_hrtime();
	reconnect_hold(s->reconnect);
	sshenv_until_size(&s->env, attempts, 7);
	assert_in_range((uv_hrtime() - before) / 1000000, 0, 32 * PAUSE_MS);
	/* Those that follow would be more than a thousand times as long. */
	before = uv_hrtime();
	sshenv_until_size(&s->env, attempts, 12);
	assert_in_range((uv_hrtime() - before) / 1000000, 0, 992 * PAUSE_MS);
	reconnect_release(s->reconnect);
}

/* ---- on demand ---- */

static const struct reconnect_options on_demand = {
	.retries = RECONNECT_FOREVER,
	.on_demand = true,
	.idle_ms = IDLE_MS,
};

static void
test_on_demand(void **state)
{
	struct state *s = *state;

	start(s, &on_demand);
	sshenv_for(&s->env, 2 * IDLE_MS);
	assert_int_equal(count_ssh(s), 0);
	for (unsigned int n = 1; n <= 2; n++) {
		reconnect_hold(s->reconnect);
		assert_int_equal(count_ssh(s), 0); /* not in the call */
		until(s, &s->up, n);
		/* As long as it is held it stays. */
		reconnect_hold(s->reconnect);
		reconnect_release(s->reconnect);
		sshenv_for(&s->env, 2 * IDLE_MS);
		assert_true(reconnect_is_up(s->reconnect));
		reconnect_release(s->reconnect);
		while (count_ssh(s) > 0)
			sshenv_for(&s->env, 1);
		assert_false(reconnect_is_up(s->reconnect));
	}
	assert_int_equal(s->down + s->ended, 0);
	assert_int_equal(logged(s, "lost"), 0);
	assert_int_equal(logged(s, "again"), 0);
}

/* Whoever comes back in time keeps it. */
static void
test_on_demand_idle_ends(void **state)
{
	struct state *s = *state;
	pid_t ssh;

	start(s, &on_demand);
	reconnect_hold(s->reconnect);
	until(s, &s->up, 1);
	ssh = sshenv_ssh(&s->env);
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, IDLE_MS / 10);
	reconnect_hold(s->reconnect);
	sshenv_for(&s->env, 2 * IDLE_MS);
	assert_int_equal(sshenv_ssh(&s->env), ssh);
	assert_true(reconnect_is_up(s->reconnect));
	reconnect_release(s->reconnect);
}

/* Who comes while it is being closed gets the next one. */
static void
test_on_demand_closing(void **state)
{
	struct state *s = *state;
	pid_t ssh;

	start(s, &on_demand);
	reconnect_hold(s->reconnect);
	until(s, &s->up, 1);
	ssh = sshenv_ssh(&s->env);
	reconnect_release(s->reconnect);
	kill(ssh, SIGSTOP); /* it will take a moment */
	while (reconnect_is_up(s->reconnect))
		sshenv_for(&s->env, 1);
	reconnect_hold(s->reconnect);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(s->up, 1);
	kill(ssh, SIGCONT);
	until(s, &s->up, 2);
	assert_int_not_equal(sshenv_ssh(&s->env), ssh);
	assert_int_equal(s->down, 0);
	reconnect_release(s->reconnect);
}

/* One that nobody holds stays away when it is lost, until it is wanted. */
static void
test_on_demand_lost(void **state)
{
	struct state *s = *state;

	start(s, &(struct reconnect_options) { .on_demand = true });
	reconnect_hold(s->reconnect);
	until(s, &s->up, 1);
	reconnect_release(s->reconnect);
	lose(s);
	until(s, &s->down, 1);
	assert_false(s->again);
	sshenv_for(&s->env, 4 * PAUSE_MS);
	assert_int_equal(count_ssh(s), 0);
	assert_int_equal(logged(s, "retrying in"), 0);
	reconnect_hold(s->reconnect);
	until(s, &s->up, 2);
	reconnect_release(s->reconnect);
}

/* The same where attempts are made: without anybody there is none, and none is
 * announced. */
static void
test_on_demand_lost_retry(void **state)
{
	struct state *s = *state;

	start(s, &on_demand);
	reconnect_hold(s->reconnect);
	until(s, &s->up, 1);
	reconnect_release(s->reconnect);
	lose(s);
	until(s, &s->down, 1);
	sshenv_for(&s->env, 4 * PAUSE_MS);
	assert_int_equal(count_ssh(s), 0);
	assert_int_equal(logged(s, "was lost"), 1);
	assert_int_equal(logged(s, "retrying in"), 0);
}

/* Failures for clients of before are not those of the next one. */
static void
test_on_demand_failures(void **state)
{
	struct state *s = *state;
	const size_t *attempts = go_astray(s);

	start(s,
	    &(struct reconnect_options) { .retries = 1, .on_demand = true });
	reconnect_hold(s->reconnect);
	while (logged(s, "retrying in") == 0)
		sshenv_for(&s->env, 1);
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, 8 * PAUSE_MS);
	assert_int_equal(*attempts, 1);
	reconnect_hold(s->reconnect);
	until(s, &s->down, 1);
	assert_int_equal(*attempts, 3);
	reconnect_release(s->reconnect);
}

/* Attempts that are used up are the end of waiting, not of culvert. */
static void
test_on_demand_fails(void **state)
{
	struct state *s = *state;
	const size_t *attempts = go_astray(s);
	size_t before;

	start(s,
	    &(struct reconnect_options) { .retries = 1, .on_demand = true });
	reconnect_hold(s->reconnect);
	until(s, &s->down, 1);
	assert_int_equal(*attempts, 2);
	assert_false(s->again);
	assert_string_equal(reconnect_why(s->reconnect), s->why);
	/* Nobody wants it any more. */
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, 20 * PAUSE_MS);
	before = *attempts;
	assert_int_equal(before, 2);
	go_to(s, s->env.port);
	reconnect_hold(s->reconnect);
	until(s, &s->up, 1);
	assert_int_equal(s->ended, 0);
	reconnect_release(s->reconnect);
}

/* ---- the end, at each state ---- */

/* Who comes when the stop is near finds nothing begun for him. */
static void
test_hold_before_stop(void **state)
{
	struct state *s = *state;

	start(s, &on_demand);
	reconnect_expect_stop(s->reconnect);
	reconnect_hold(s->reconnect);
	sshenv_for(&s->env, 4 * PAUSE_MS);
	assert_int_equal(count_ssh(s), 0);
	assert_int_equal(s->up + s->ended, 0);
	reconnect_release(s->reconnect);
}

static void
test_stop_resting(void **state)
{
	struct state *s = *state;

	start(s, &on_demand);
	reconnect_stop(s->reconnect);
	assert_int_equal(s->ended, 0);
	/* It is too late for that. */
	reconnect_hold(s->reconnect);
	until(s, &s->ended, 1);
	assert_false(s->was_up);
	assert_false(s->has_why);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(count_ssh(s), 0);
	reconnect_release(s->reconnect);
}

static void
test_stop_connecting(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	reconnect_stop(s->reconnect);
	until(s, &s->ended, 1);
	assert_false(s->was_up);
	assert_false(s->has_why);
	assert_int_equal(s->up, 0);
}

static void
test_stop_pausing(void **state)
{
	struct state *s = *state;

	start(s, &forever);
	until(s, &s->up, 1);
	lose(s);
	until(s, &s->down, 1);
	reconnect_stop(s->reconnect);
	until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_false(s->has_why);
	assert_int_equal(s->up, 1);
}

static void
test_stop_closing(void **state)
{
	struct state *s = *state;

	start(s, &on_demand);
	reconnect_hold(s->reconnect);
	until(s, &s->up, 1);
	reconnect_release(s->reconnect);
	while (reconnect_is_up(s->reconnect))
		sshenv_for(&s->env, 1);
	reconnect_stop(s->reconnect);
	until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_int_equal(s->down, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stop),
		TEST(test_lost),
		TEST(test_never),
		TEST(test_first_fails),
		TEST(test_first_too),
		TEST(test_last_retry),
		TEST(test_first_too_comes_up),
		TEST(test_retries_in_a_row),
		TEST(test_refused_login),
		TEST(test_refused_key),
		TEST(test_no_program),
		TEST(test_no_program_at_all),
		TEST(test_expect_stop),
		TEST(test_expect_stop_pausing),
		TEST(test_expect_stop_connecting),
		TEST(test_hold_shortens),
		TEST(test_on_demand),
		TEST(test_on_demand_idle_ends),
		TEST(test_on_demand_closing),
		TEST(test_on_demand_lost),
		TEST(test_on_demand_lost_retry),
		TEST(test_on_demand_failures),
		TEST(test_on_demand_fails),
		TEST(test_hold_before_stop),
		TEST(test_stop_resting),
		TEST(test_stop_connecting),
		TEST(test_stop_pausing),
		TEST(test_stop_closing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
